//! Erasure as clients see it: gone from every answer at once, as of every point; proofs stay, and a certificate comes.

use crate::harness::*;
use chancery::merkle::Certificate;
use chancery::record::codec::{Act, RevisionRange, Statement, decode_payload};
use chancery::rpc::proto::entry_name::Name;
use chancery::rpc::proto::{self, Change};
use std::path::Path;
use std::time::Duration;
use tonic::Code;

/// A word that no other record holds.
const SECRET: &str = "Quoxhilarious";

fn name(key: &str) -> Option<proto::EntryKey> {
    Some(proto::EntryKey {
        series: "desk".into(),
        key: key.into(),
    })
}

fn erase(key: &str) -> proto::EraseRequest {
    proto::EraseRequest {
        entry: name(key),
        authority: "court order 7".into(),
        reason: "court-order".into(),
        ..Default::default()
    }
}

fn secret(act: Act, key: &str) -> proto::AppendRecord {
    record(
        act,
        key,
        Some(content(&format!("{SECRET} speaks of {key}"), "PAK", "2021-10-13")),
    )
}

async fn ordered(server: &Server, request: proto::EraseRequest) -> proto::EraseResponse {
    server.client.admin().erase(request).await.unwrap().into_inner()
}

async fn complete(server: &Server, position: u64) -> proto::GetErasureResponse {
    for _ in 0..3_000 {
        let request = proto::GetErasureRequest { position };
        let state = server
            .client
            .admin()
            .get_erasure(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(state.fault, "");
        if !state.certificate.is_empty() {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the erasure at {position} is not complete");
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
}

fn at(position: u64) -> Option<proto::AsOf> {
    Some(proto::AsOf {
        at: Some(proto::as_of::At::Position(position)),
    })
}

async fn entry_as_of(server: &Server, key: &str, as_of: Option<proto::AsOf>) -> proto::Entry {
    let request = proto::GetEntryRequest {
        entry: Some(proto::EntryName {
            name: name(key).map(Name::Key),
        }),
        as_of,
        exact: true,
        ..Default::default()
    };
    let answer = server.client.get_entry(request).await.unwrap();
    answer.entry.unwrap()
}

fn in_no_file(folder: &Path) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            in_no_file(&path);
        } else {
            assert!(!holds(&std::fs::read(&path).unwrap()), "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_in_no_answer_as_of_any_point_and_every_proof_stays() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let key = server.client.verifier_key().await.unwrap();
    server.put(secret(Act::Create, "k")).await;
    server.put(event("other")).await;
    let mut retracted = act(Act::Retract, "k");
    retracted.payload = vec![chancery::record::codec::encode_payload(
        &chancery::record::codec::Payload {
            statement: Some(Statement {
                explanation: format!("{SECRET} never said so"),
                ..Statement::default()
            }),
            ..Default::default()
        },
    )];
    server.put(retracted).await;
    server.put(act(Act::Reinstate, "k")).await;
    let before = server.client.checkpoint(&key).await.unwrap();
    let receipt = server.client.receipt(0, true, &key).await.unwrap();

    let done = ordered(&server, erase("k")).await;
    let position = done.receipt.unwrap().position;
    assert_eq!(
        (position, &done.positions[..]),
        (4, &[0, 2, 3][..]),
        "all that its records say"
    );
    assert_eq!(done.revisions, Some(RevisionRange { from: 1, to: 2 }));

    // At once.
    for as_of in [None, at(1), at(4)] {
        let entry = entry_as_of(&server, "k", as_of).await;
        assert_eq!(entry.status(), proto::Status::Erased, "{as_of:?}");
        let record = entry.record.unwrap();
        assert!(record.erased && record.payload.is_empty(), "{as_of:?}");
        let exact = record.exact.unwrap();
        assert!(exact.payload.is_empty() && exact.salt.is_empty() && !exact.leaf.is_empty());
    }
    let records = server.read(proto::ReadRequest::default()).await.unwrap();
    let erased: Vec<bool> = records.iter().map(|record| record.erased).collect();
    assert_eq!(erased[..6], [true, false, true, true, false, false]);
    assert!(records.iter().all(|record| !holds(&record.payload)));
    for (filter, as_of) in [(SECRET, None), (SECRET, at(4)), ("NOT title : other", at(4))] {
        let filter = if filter == SECRET {
            format!("title : {SECRET}")
        } else {
            filter.to_owned()
        };
        let request = proto::SearchRequest {
            filter,
            as_of,
            ..Default::default()
        };
        let found = server.client.query().search(request).await.unwrap().into_inner();
        assert_eq!(found.entries.len(), 0, "{as_of:?}");
        assert!(
            found
                .notes
                .iter()
                .any(|note| note.contains("lost its content by law")),
            "{:?}",
            found.notes
        );
    }

    // What was proved stays so.
    let after = server
        .client
        .checkpoint_since(&before.checkpoint, &key)
        .await
        .unwrap();
    assert!(after.checkpoint.size > 4);
    assert!(
        receipt.verify(&key).is_ok(),
        "a receipt that somebody has keeps what it says"
    );
    let now = server.client.receipt(0, true, &key).await.unwrap();
    assert!(!now.has_content() && now.verify(&key).is_ok());

    let state = complete(&server, position).await;
    let certificate = Certificate::open(&state.certificate, &key).unwrap();
    assert_eq!((certificate.erase.get(), certificate.records), (position, 3));
    assert_eq!(certificate.complete.nanos(), state.copies[0].complete);
    let audit = server.read(proto::ReadRequest {
        from: Some(certificate.audit.get()),
        ..Default::default()
    });
    let audit = decode_payload(&audit.await.unwrap()[0].payload)
        .unwrap()
        .system
        .unwrap();
    assert_eq!((&*audit.event, &*audit.key), ("erased", "k"));
    assert!(server.client.status().await.unwrap().erasures_pending.is_empty());

    // It does not come back.
    refused(
        server.append(vec![secret(Act::Create, "k")]).await,
        Code::FailedPrecondition,
        "ENTRY_ERASED",
    );
    server.stop().await;
    in_no_file(folder.path());
    let server = Server::start(folder.path()).await;
    assert_eq!(
        entry_as_of(&server, "k", at(1)).await.status(),
        proto::Status::Erased
    );
    refused(
        server.append(vec![secret(Act::Create, "k")]).await,
        Code::FailedPrecondition,
        "ENTRY_ERASED",
    );
    server
        .client
        .checkpoint_since(&after.checkpoint, &key)
        .await
        .unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_was_asked_before_does_not_answer_what_was_erased_since() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(secret(Act::Create, "k")).await;
    server.put(event("other")).await;
    let search = async |filter: &str| {
        let request = proto::SearchRequest {
            filter: filter.into(),
            as_of: at(2),
            ..Default::default()
        };
        server.client.query().search(request).await.unwrap().into_inner()
    };
    let by_content = "occurred = 2021-10-13 speaks";
    let before = search(by_content).await;
    assert_eq!((before.total, before.entries.len()), (1, 1));
    ordered(&server, erase("k")).await;
    let after = search(by_content).await;
    assert_eq!((after.total, after.entries.len()), (0, 0), "{after:?}");
    let found = search("status = erased").await;
    assert_eq!(found.entries[0].status(), proto::Status::Erased, "{found:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_changes_is_told_by_the_leaf_and_nobody_is_sent_the_content_any_more() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(secret(Act::Create, "k")).await;
    let filtered = proto::SubscribeRequest {
        filter: format!("title : {SECRET}"),
        ..from_start()
    };
    let mut live = server.subscribe(filtered.clone()).await;
    let seen = records_until(&mut live, 1).await;
    assert!(holds(&seen[0].payload));
    let done = ordered(&server, erase("k")).await;
    let position = done.receipt.unwrap().position;
    let told = records_until(&mut live, position + 1).await;
    assert_eq!(positions(&told), [position]);
    assert_eq!(told[0].change(), Change::Leaves);
    assert!(!holds(&told[0].payload));
    // Who comes later, with the same filter and with none, is sent nothing of it: not from memory, not from frames that
    // were made before.
    for request in [filtered, from_start()] {
        let mut late = server.subscribe(request).await;
        let records = records_until(&mut late, position + 1).await;
        assert!(
            records.iter().all(|record| !holds(&record.payload)),
            "{records:?}"
        );
        assert!(
            positions(&records).contains(&position),
            "the order is told: {records:?}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_needs_an_authority_and_nothing_in_its_way() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    server.put(event("linked")).await;
    let link = proto::AppendRecord {
        relation: Some(chancery::record::codec::Relation {
            r#type: chancery::record::codec::RelationType::PartOf.into(),
            series: "desk".into(),
            key: "k".into(),
        }),
        ..act(Act::Link, "linked")
    };
    server.put(link).await;
    let mut admin = server.client.admin();
    let without = proto::EraseRequest {
        authority: " ".into(),
        ..erase("k")
    };
    refused(admin.erase(without).await, Code::InvalidArgument, "INVALID_FIELD");
    refused(
        admin.erase(erase("unknown")).await,
        Code::NotFound,
        "UNKNOWN_ENTRY",
    );
    let no_revision = proto::EraseRequest {
        revisions: Some(RevisionRange { from: 2, to: 3 }),
        ..erase("k")
    };
    refused(
        admin.erase(no_revision).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    let elsewhere = proto::EraseRequest {
        expected_revision: Some(4),
        ..erase("k")
    };
    refused(admin.erase(elsewhere).await, Code::Aborted, "REVISION_CONFLICT");
    let tail = server.tail().await;
    let dry = ordered(
        &server,
        proto::EraseRequest {
            dry_run: true,
            ..erase("k")
        },
    )
    .await;
    assert_eq!((&dry.positions[..], dry.copies.len()), (&[0][..], 1));
    let linked = &dry.linked[0];
    assert_eq!(
        (linked.entry.clone(), linked.incoming, linked.position),
        (name("linked"), true, 2)
    );
    assert_eq!(server.tail().await, tail, "a dry run writes nothing");
    let hold = proto::HoldRequest {
        entry: name("k"),
        authority: "inquiry 7".into(),
        ..Default::default()
    };
    admin.hold(hold).await.unwrap();
    refused(
        admin.erase(erase("k")).await,
        Code::FailedPrecondition,
        "ENTRY_HELD",
    );
    let release = proto::ReleaseRequest {
        entry: name("k"),
        authority: "inquiry 7".into(),
        ..Default::default()
    };
    admin.release(release).await.unwrap();
    let named = proto::EraseRequest {
        request_id: "erase k".into(),
        ..erase("k")
    };
    let first = ordered(&server, named.clone()).await;
    let again = ordered(&server, named).await;
    assert_eq!(first.receipt, again.receipt, "a retry answers the first receipt");
    assert_eq!(first.positions, again.positions);
    refused(
        admin.erase(erase("k")).await,
        Code::FailedPrecondition,
        "ALREADY_SO",
    );
    let wrong = proto::GetErasureRequest { position: 0 };
    refused(
        admin.get_erasure(wrong).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_comes_in_the_same_batch_and_the_key_stays_open() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(secret(Act::Create, "k")).await;
    server.put(secret_amended()).await;
    let replacement = amend("k", "IRN").payload;
    let request = proto::EraseRequest {
        replacement,
        ..erase("k")
    };
    let done = ordered(&server, request).await;
    let (replaced, erased) = (done.replacement.unwrap(), done.receipt.unwrap());
    assert_eq!((replaced.position, replaced.revision), (2, 3));
    assert_eq!((erased.position, &done.positions[..]), (3, &[0, 1][..]));
    let entry = entry_as_of(&server, "k", None).await;
    assert_eq!((entry.status(), entry.revision), (proto::Status::Current, 3));
    assert_eq!(
        entry_as_of(&server, "k", at(2)).await.status(),
        proto::Status::Erased
    );
    // An import that brings the old text again is not taken for news.
    refused(
        server.append(vec![secret_amended()]).await,
        Code::FailedPrecondition,
        "ENTRY_PARTLY_ERASED",
    );
    complete(&server, erased.position).await;
    server.stop().await;
    in_no_file(folder.path());
}

fn secret_amended() -> proto::AppendRecord {
    let mut amended = secret(Act::Amend, "k");
    amended.payload = secret(Act::Amend, "k again").payload;
    amended.reason = "corrected".into();
    amended
}

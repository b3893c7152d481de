//! Append and AppendStream.

use crate::harness::*;
use chancery::client::{reason, refused as in_band};
use chancery::record::codec::{Act, Relation, RelationType};
use chancery::rpc::proto::append_stream_response::Result as Answer;
use chancery::rpc::proto::{self, Outcome};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn every_act_answers_what_it_did() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let mut link = act(Act::Link, "a");
    link.relation = Some(Relation {
        r#type: RelationType::PartOf.into(),
        series: "desk".into(),
        key: "b".into(),
    });
    let mut unlink = link.clone();
    unlink.act = Act::Unlink.into();
    let acts = [
        (event("a"), Outcome::Recorded, 1),
        (event("b"), Outcome::Recorded, 1),
        (amend("a", "IRN"), Outcome::Amended, 2),
        (link, Outcome::Acted, 2),
        (unlink, Outcome::Acted, 2),
        (act(Act::Retract, "a"), Outcome::Acted, 2),
        (act(Act::Reinstate, "a"), Outcome::Acted, 2),
    ];
    for (record, outcome, revision) in acts {
        let receipt = server.put(record).await;
        assert_eq!((receipt.outcome(), receipt.revision), (outcome, revision));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_server_makes_is_answered() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let receipt = server.put(event("")).await;
    assert!(!receipt.key.is_empty());
    let name = proto::entry_name::Name::Key(proto::EntryKey {
        series: "desk".into(),
        key: receipt.key,
    });
    let request = proto::GetEntryRequest {
        entry: Some(proto::EntryName { name: Some(name) }),
        ..Default::default()
    };
    assert_eq!(
        server
            .client
            .get_entry(request)
            .await
            .unwrap()
            .entry
            .unwrap()
            .revision,
        1
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_do_not_hold_are_conflicts() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    let mut stale = amend("k", "IRN");
    stale.expected_revision = Some(3);
    refused(
        server.append(vec![stale]).await,
        Code::Aborted,
        "REVISION_CONFLICT",
    );
    let request = proto::AppendRequest {
        expected_tail: Some(9),
        ..batch(vec![event("x")])
    };
    refused(
        server.client.append(request).await,
        Code::Aborted,
        "TAIL_CONFLICT",
    );
    refused(
        server.append(vec![event_of("k", "IRN", "2021")]).await,
        Code::AlreadyExists,
        "ENTRY_EXISTS",
    );
    refused(
        server.append(vec![act(Act::Reinstate, "k")]).await,
        Code::FailedPrecondition,
        "NOT_SO",
    );
    server.put(act(Act::Retract, "k")).await;
    refused(
        server.append(vec![act(Act::Retract, "k")]).await,
        Code::FailedPrecondition,
        "ALREADY_SO",
    );
    refused(
        server.append(vec![amend("k", "IRN")]).await,
        Code::FailedPrecondition,
        "ENTRY_RETRACTED",
    );
    assert_eq!(server.tail().await, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_only_writes_nothing() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let request = proto::AppendRequest {
        validate_only: true,
        ..batch(vec![event("k")])
    };
    let answer = server.client.append(request).await.unwrap();
    assert_eq!(answer.receipts[0].outcome(), Outcome::Recorded);
    assert_eq!(server.tail().await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_answers_in_order_and_goes_on_after_a_refusal() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let requests = (0..500u32).map(|at| {
        let record = if at % 10 == 3 {
            act(Act::Retract, "nobody")
        } else {
            event(&format!("k{at}"))
        };
        proto::AppendRequest {
            request_id: at.to_be_bytes().to_vec().into(),
            ..batch(vec![record])
        }
    });
    let requests: Vec<_> = requests.collect();
    let mut answers = server
        .client
        .append_stream(futures::stream::iter(requests))
        .await
        .unwrap();
    let (mut at, mut last) = (0u32, None);
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(&answer.request_id[..], at.to_be_bytes());
        match answer.result.unwrap() {
            Answer::Response(response) => {
                assert!(last < Some(response.receipts[0].position));
                last = Some(response.receipts[0].position);
            }
            Answer::Refusal(refusal) => {
                assert_eq!(at % 10, 3);
                assert_eq!(reason(&in_band(refusal)).as_deref(), Some("UNKNOWN_ENTRY"));
            }
        }
        at += 1;
    }
    assert_eq!((at, server.tail().await), (500, 450));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_a_name_is_kept_as_claimed() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let request = proto::AppendRequest {
        claimed_principal: "desk-7".into(),
        ..batch(vec![event("k")])
    };
    server.client.append(request).await.unwrap();
    server.put(event("l")).await;
    let records = server.read(proto::ReadRequest::default()).await.unwrap();
    let principal = |at: usize| {
        chancery::record::Leaf::decode(&records[at].leaf)
            .unwrap()
            .principal
            .to_owned()
    };
    assert_eq!(principal(0), "claimed:desk-7");
    // The user at the other end, where the system tells.
    let told = std::path::Path::new("/proc/net/tcp").exists();
    assert_eq!(principal(1).starts_with("local:"), told, "{}", principal(1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_followers_needs_some() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for wait in [proto::WaitFor::Replicated, proto::WaitFor::Witnessed] {
        let request = proto::AppendRequest {
            wait_for: wait.into(),
            ..batch(vec![event("k")])
        };
        refused(
            server.client.append(request).await,
            Code::FailedPrecondition,
            "NO_FOLLOWER",
        );
    }
    assert_eq!(server.tail().await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_refused_when_a_record_matches_its_condition() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event_of("a", "PAK", "2021")).await;
    let conditional = |after, key: &str| proto::AppendRequest {
        fail_if_match: Some(proto::FailIfMatch {
            filter: "country = PAK".into(),
            after,
        }),
        ..batch(vec![event_of(key, "IRN", "2021")])
    };
    refused(
        server.client.append(conditional(0, "b")).await,
        Code::Aborted,
        "MATCH_CONFLICT",
    );
    server.client.append(conditional(1, "b")).await.unwrap();
    server.stop().await;
}

//! Admin, health and reflection.

use crate::harness::*;
use chancery::config::Config;
use chancery::log::Columns;
use chancery::log::clock::{Clock, RealClock};
use chancery::record::codec::decode_payload;
use chancery::record::{Act, Leaf, Position, Principal};
use chancery::rpc::proto;
use chancery::store::open::{ArchiveOptions, open};
use std::sync::Arc;
use tonic::Code;

fn hold(authority: &str) -> proto::HoldRequest {
    proto::HoldRequest {
        entry: Some(proto::EntryKey {
            series: "desk".into(),
            key: "k".into(),
        }),
        authority: authority.into(),
        request_id: "hold".into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_needs_an_authority_and_is_written_down_once() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    let mut admin = server.client.admin();
    refused(admin.hold(hold("")).await, Code::InvalidArgument, "INVALID_FIELD");
    let first = admin.hold(hold("court order 7")).await.unwrap().into_inner();
    let again = admin.hold(hold("court order 7")).await.unwrap().into_inner();
    assert_eq!(
        first.receipt.unwrap().position,
        again.receipt.unwrap().position,
        "a retry answers the first receipt"
    );
    let records = server.read(proto::ReadRequest::default()).await.unwrap();
    assert_eq!(
        records.len(),
        3,
        "the entry, the hold, one audit record: {records:?}"
    );
    let audit = decode_payload(&records[2].payload).unwrap().system.unwrap();
    assert_eq!(
        (&*audit.event, &*audit.series, &*audit.key),
        ("hold", "desk", "k")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_administration_does_and_its_audit_are_one_batch() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    let mut admin = server.client.admin();
    let hold = admin.hold(hold("court order 7")).await.unwrap().into_inner();
    let at = Position::new(hold.receipt.unwrap().position);
    let release = proto::ReleaseRequest {
        entry: self::hold("").entry,
        authority: "court order 8".into(),
        ..Default::default()
    };
    admin.release(release).await.unwrap();
    let pairs = [(at, Act::Hold), (at.plus(2), Act::Release)];
    for (position, act) in pairs {
        let runs = server
            .log
            .fetch(&[position, position.next()], Columns::Leaves)
            .unwrap();
        let leaves: Vec<Leaf<'_>> = runs
            .iter()
            .map(|run| Leaf::decode(run.iter().next().unwrap().leaf).unwrap())
            .collect();
        assert_eq!((leaves[0].act, leaves[1].act), (act, Act::Audit));
        assert_eq!(leaves[0].batch_id, leaves[1].batch_id);
        assert_eq!((leaves[0].batch_count, leaves[1].batch_index), (2, 1));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_entry_is_released_on_authority() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    let mut admin = server.client.admin();
    let release = proto::ReleaseRequest {
        entry: hold("").entry,
        authority: "court order 8".into(),
        ..Default::default()
    };
    refused(
        admin.release(release.clone()).await,
        Code::FailedPrecondition,
        "NOT_SO",
    );
    admin.hold(hold("court order 7")).await.unwrap();
    let held = |server: &Server| {
        let client = server.client.clone();
        async move {
            let request = proto::GetEntryRequest {
                entry: Some(proto::EntryName {
                    name: hold("").entry.map(proto::entry_name::Name::Key),
                }),
                ..Default::default()
            };
            client.get_entry(request).await.unwrap().entry.unwrap().held
        }
    };
    assert!(held(&server).await);
    admin.release(release).await.unwrap();
    assert!(!held(&server).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_its_bounds() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let info = server
        .client
        .admin()
        .get_server_info(proto::GetServerInfoRequest {})
        .await;
    let info = info.unwrap().into_inner();
    let limits = info.limits.unwrap();
    assert_eq!(
        (
            limits.batch_records_max,
            limits.payload_bytes_max,
            limits.key_bytes_max
        ),
        (1_000, 1 << 20, 1_024)
    );
    assert_eq!(info.origin, server.log.origin());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_nobody_doubts_is_confirmed_without_a_record() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let request = proto::ConfirmClockRequest {
        authority: "the operator".into(),
    };
    let answer = server
        .client
        .admin()
        .confirm_clock(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.position, None);
    assert!(answer.clock > 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_served() {
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_response::MessageResponse};
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let endpoint = tonic::transport::Endpoint::from_shared(server.address.clone()).unwrap();
    let channel = endpoint.connect().await.unwrap();
    for service in ["", "chancery.v1.Archive"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let health = HealthClient::new(channel.clone()).check(request).await.unwrap();
        assert_eq!(health.into_inner().status(), ServingStatus::Serving);
    }
    let request = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(futures::stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("no list of services");
    };
    let names: Vec<&str> = listed.service.iter().map(|service| &*service.name).collect();
    for service in ["Archive", "Query", "Subscriptions", "Admin"] {
        assert!(names.contains(&&*format!("chancery.v1.{service}")), "{names:?}");
    }
    server.stop().await;
}

/// A day ahead of the machine's.
struct Ahead;

impl Clock for Ahead {
    fn system(&self) -> i64 {
        RealClock.system() + 86_400_000_000_000
    }
    fn monotonic(&self) -> u64 {
        RealClock.monotonic()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_overrides_a_doubt_in_the_clock_writes_it_down() {
    let folder = folder();
    let options = ArchiveOptions {
        clock: Arc::new(Ahead),
        segment_bytes: 10 << 20,
        ..ArchiveOptions::new(folder.path())
    };
    let archive = tokio::task::spawn_blocking(move || open(options).unwrap())
        .await
        .unwrap();
    let none = [];
    archive
        .log
        .audit("fixity", &none, Principal::system())
        .await
        .unwrap();
    tokio::task::spawn_blocking(move || archive.log.close())
        .await
        .unwrap();
    let server = Server::start(folder.path()).await;
    refused(
        server.append(vec![event("k")]).await,
        Code::FailedPrecondition,
        "CLOCK_NOT_CONFIRMED",
    );
    server.stop().await;
    let config = Config {
        accept_clock: true,
        ..Config::default()
    };
    let server = Server::start_with(folder.path(), config).await;
    assert_eq!(server.put(event("k")).await.position, 2);
    let records = server.read(proto::ReadRequest::default()).await.unwrap();
    let audit = decode_payload(&records[1].payload).unwrap().system.unwrap();
    assert_eq!(audit.event, "confirm-clock");
    let names: Vec<&str> = audit.details.iter().map(|detail| &*detail.name).collect();
    assert_eq!(names, ["authority", "doubt"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_wrote_something_is_written_down_once() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("a")).await;
    server.put(event("b")).await;
    let import = proto::RecordImportRequest {
        importer: "a program".into(),
        version: "1.2".into(),
        files: vec!["one.tsv".into(), "two.tsv".into()],
        read: 5,
        recorded: 2,
        duplicates: 2,
        rejected: 1,
        first_position: 0,
        last_position: 1,
        request_id: "import".into(),
        claimed_principal: "desk".into(),
        ..Default::default()
    };
    let mut admin = server.client.admin();
    let wrong = [
        proto::RecordImportRequest {
            importer: String::new(),
            ..import.clone()
        },
        proto::RecordImportRequest {
            read: 3,
            recorded: 0,
            ..import.clone()
        },
        proto::RecordImportRequest {
            read: 6,
            ..import.clone()
        },
        proto::RecordImportRequest {
            last_position: 2,
            ..import.clone()
        },
        proto::RecordImportRequest {
            first_position: 1,
            last_position: 0,
            ..import.clone()
        },
    ];
    for request in wrong {
        refused(
            admin.record_import(request).await,
            Code::InvalidArgument,
            "INVALID_FIELD",
        );
    }
    assert_eq!(server.tail().await, 2);
    for _ in 0..2 {
        let told = admin.record_import(import.clone()).await.unwrap().into_inner();
        assert_eq!(told.position, 2);
    }
    let records = server.read(proto::ReadRequest::default()).await.unwrap();
    assert_eq!(records.len(), 3);
    let audit = decode_payload(&records[2].payload).unwrap().system.unwrap();
    let details: Vec<(&str, &str)> = audit
        .details
        .iter()
        .map(|detail| (&*detail.name, &*detail.value))
        .collect();
    assert_eq!(audit.event, "import");
    assert_eq!(
        details,
        [
            ("importer", "a program"),
            ("version", "1.2"),
            ("file", "one.tsv"),
            ("file", "two.tsv"),
            ("read", "5"),
            ("recorded", "2"),
            ("amended", "0"),
            ("duplicates", "2"),
            ("rejected", "1"),
            ("first_position", "0"),
            ("last_position", "1"),
        ]
    );
    server.stop().await;
}

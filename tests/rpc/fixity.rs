//! All files are read again: when somebody asks, and by itself when it is due; what comes of it is a record.

use crate::harness::*;
use chancery::config::Config;
use chancery::log::clock::{Clock, RealClock};
use chancery::record::codec::{Act, SystemEvent, decode_payload};
use chancery::rpc::proto;
use chancery::rpc::proto::verify_response::Step;
use chancery::store::open::{ArchiveOptions, open};
use std::path::Path;
use std::sync::Arc;

const DAY_NANOS: i64 = 86_400_000_000_000;

async fn verified(server: &Server) -> proto::VerifyReport {
    let mut steps = server
        .client
        .integrity()
        .verify(proto::VerifyRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut last = None;
    while let Some(step) = steps.message().await.unwrap() {
        last = step.step;
    }
    match last {
        Some(Step::Report(report)) => report,
        other => panic!("the last step is {other:?}"),
    }
}

/// What the newest record says, where it is one of the system's.
async fn newest_event(server: &Server) -> SystemEvent {
    let records = server.read(proto::ReadRequest::default()).await.unwrap();
    let payload = decode_payload(&records.last().unwrap().payload).unwrap();
    payload.system.unwrap_or_default()
}

fn detail<'a>(event: &'a SystemEvent, name: &str) -> &'a str {
    let mut details = event.details.iter();
    details
        .find(|detail| detail.name == name)
        .map_or("", |detail| &detail.value)
}

/// Flips one bit of the first record's payload in the journal.
pub fn damage(folder: &Path) {
    let path = folder.join("journal/00000000.segment");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|five| five == b"Talks").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_asked_for_is_written_down_and_shown() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    server.put(event("l")).await;
    assert_eq!(server.client.status().await.unwrap().last_checked, 0);
    let report = verified(&server).await;
    assert_eq!(
        (report.records, report.findings_total, report.audit),
        (2, 0, Some(2))
    );
    assert_eq!(report.root.len(), 32);
    let event = newest_event(&server).await;
    assert_eq!((&*event.event, detail(&event, "findings")), ("fixity", "0"));
    let status = server.client.status().await.unwrap();
    assert!(status.last_checked > 0);
    server.stop().await;
    // A restart knows of it.
    let server = Server::start(folder.path()).await;
    assert_eq!(
        server.client.status().await.unwrap().last_checked,
        status.last_checked
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_under_a_running_daemon_is_found_and_named_by_position() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server
        .put(record(
            Act::Create,
            "k",
            Some(content("Talks in Geneva", "PAK", "2021-10-13")),
        ))
        .await;
    server.put(event("l")).await;
    damage(folder.path());
    let report = verified(&server).await;
    assert!(report.findings_total > 0, "{report:?}");
    assert_eq!(report.findings[0].from, Some(0), "{report:?}");
    let event = newest_event(&server).await;
    assert!(detail(&event, "first").starts_with("position 0: "), "{event:?}");
    assert!(server.client.status().await.unwrap().check_findings > 0);
    server.stop().await;
}

/// A clock that is forty days behind.
struct Behind;

impl Clock for Behind {
    fn system(&self) -> i64 {
        RealClock.system() - 40 * DAY_NANOS
    }
    fn monotonic(&self) -> u64 {
        RealClock.monotonic()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_due_is_made_without_being_asked_for() {
    let folder = folder();
    let options = ArchiveOptions {
        clock: Arc::new(Behind),
        segment_bytes: 10 << 20,
        ..ArchiveOptions::new(folder.path())
    };
    let archive = tokio::task::spawn_blocking(move || open(options).unwrap())
        .await
        .unwrap();
    let principal = chancery::record::Principal::system();
    archive.log.audit("import", &[], principal).await.unwrap();
    let closed = tokio::task::spawn_blocking(move || archive.log.close());
    closed.await.unwrap();
    let never = Config {
        scrub_days: 0,
        ..Config::default()
    };
    let server = Server::start_with(folder.path(), never).await;
    assert_eq!(server.log.tail().get(), 1);
    server.stop().await;
    let server = Server::start(folder.path()).await;
    server.log.wait_beyond(chancery::record::Position::new(1)).await;
    let made = newest_event(&server).await;
    assert_eq!((&*made.event, detail(&made, "records")), ("fixity", "1"));
    let first = server.client.status().await.unwrap().last_checked;
    assert!(first > 0);
    server.stop().await;
    // The next is due in thirty days.
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    assert_eq!(server.client.status().await.unwrap().last_checked, first);
    server.stop().await;
}

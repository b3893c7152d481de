//! Subscribe: all its messages, changes, and readers who do not read.

use crate::harness::*;
use chancery::client::Client;
use chancery::config::Config;
use chancery::record::codec::{Act, Content};
use chancery::rpc::proto::{self, Change, subscribe_from::From, subscribe_response::Message};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_starts_catches_up_and_beats() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 5, 5).await;
    let request = proto::SubscribeRequest {
        heartbeat_ms: 100,
        ..from_start()
    };
    let mut feed = server.subscribe(request).await;
    let Message::Started(started) = next(&mut feed).await else {
        panic!("no start");
    };
    assert_eq!((started.from, started.tail), (0, 5));
    assert_eq!(started.origin, server.log.origin());
    records_until(&mut feed, 5).await;
    let Message::CaughtUp(caught_up) = next(&mut feed).await else {
        panic!("not caught up");
    };
    assert_eq!(caught_up.position, 5);
    let Message::Heartbeat(heartbeat) = next(&mut feed).await else {
        panic!("no heartbeat");
    };
    assert_eq!((heartbeat.tail, heartbeat.lag), (5, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_enter_stay_and_leave() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    server.put(amend("k", "IRN")).await;
    server.put(act(Act::Retract, "k")).await;
    server.put(act(Act::Reinstate, "k")).await;
    let mut feed = server.subscribe(from_start()).await;
    let records = records_until(&mut feed, 4).await;
    let changes: Vec<Change> = records.iter().map(proto::Record::change).collect();
    assert_eq!(
        changes,
        [Change::Enters, Change::Stays, Change::Leaves, Change::Enters]
    );
    let request = proto::SubscribeRequest {
        records_only: true,
        ..from_start()
    };
    let mut feed = server.subscribe(request).await;
    let records = records_until(&mut feed, 4).await;
    assert!(
        records
            .iter()
            .all(|record| record.change() == Change::Unspecified)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_ends_after_the_position_it_was_asked_for() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 20, 20).await;
    let request = proto::SubscribeRequest {
        until: Some(24),
        ..from_start()
    };
    let mut feed = server.subscribe(request).await;
    records_until(&mut feed, 20).await;
    server.fill(20, 20, 20).await;
    let rest = records_until(&mut feed, 25).await;
    assert_eq!(positions(&rest), [20, 21, 22, 23, 24]);
    assert!(feed.next().await.unwrap().is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_begins_at_a_position_a_time_or_the_tail() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for at in 0..10 {
        server.put(event(&format!("k{at}"))).await;
    }
    let leaf = server.read(proto::ReadRequest::default()).await.unwrap()[4]
        .leaf
        .clone();
    let recorded = chancery::record::Leaf::decode(&leaf).unwrap().recorded.nanos();
    let starts = [
        (From::Position(7), 7),
        (From::Recorded(recorded), 4),
        (From::Tail(true), 10),
    ];
    for (from, expected) in starts {
        let request = proto::SubscribeRequest {
            from: Some(proto::SubscribeFrom { from: Some(from) }),
            ..Default::default()
        };
        let mut feed = server.subscribe(request).await;
        let Message::Started(started) = next(&mut feed).await else {
            panic!("no start");
        };
        assert_eq!(started.from, expected);
    }
    let beyond = proto::SubscribeRequest {
        from: Some(proto::SubscribeFrom {
            from: Some(From::Position(11)),
        }),
        ..Default::default()
    };
    refused(
        server.client.subscribe(beyond).await,
        Code::OutOfRange,
        "BEYOND_TAIL",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_archive_is_refused() {
    let (one, two) = (folder(), folder());
    let first = Server::start(one.path()).await;
    let second = Server::start(two.path()).await;
    first.fill(0, 3, 3).await;
    let mut feed = first.subscribe(from_start()).await;
    records_until(&mut feed, 3).await;
    let token = feed.token().clone();
    refused(
        second.client.subscribe(from_token(token)).await,
        Code::FailedPrecondition,
        "TOKEN_OF_ANOTHER_LOG",
    );
    refused(
        second.client.subscribe(from_token(&b"nonsense"[..])).await,
        Code::InvalidArgument,
        "INVALID_RESUME_TOKEN",
    );
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_changes_is_not_taken_for_one_of_records_alone() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    for records_only in [true, false] {
        let request =
            |from: proto::SubscribeRequest, records_only| proto::SubscribeRequest { records_only, ..from };
        let mut feed = server.subscribe(request(from_start(), records_only)).await;
        records_until(&mut feed, 3).await;
        let token = feed.token().clone();
        let other = request(from_token(token.clone()), !records_only);
        refused(
            server.client.subscribe(other).await,
            Code::FailedPrecondition,
            "TOKEN_OF_ANOTHER_MODE",
        );
        let mut again = server.subscribe(request(from_token(token), records_only)).await;
        assert!(matches!(next(&mut again).await, Message::Started(started) if started.from == 3));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_feeds_are_all_the_log() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let mut feeds = Vec::new();
    for _ in 0..32 {
        feeds.push(server.subscribe(from_start()).await);
    }
    let readers = feeds
        .into_iter()
        .map(|mut feed| tokio::spawn(async move { positions(&records_until(&mut feed, 1_000).await) }));
    let readers: Vec<_> = readers.collect();
    server.fill(0, 1_000, 3).await;
    for reader in readers {
        assert!(reader.await.unwrap().into_iter().eq(0..1_000));
    }
    server.stop().await;
}

#[test]
fn bounded_a_reader_that_stops_while_200000_records_go_by_gets_all_of_them_in_order() {
    alone("feeds::bounded_a_reader_that_stops", slow_reader);
}

async fn slow_reader() {
    let folder = folder();
    let config = Config {
        recent_bytes: 1 << 20,
        ..Default::default()
    };
    let server = Server::start_with(folder.path(), config).await;
    let request = proto::SubscribeRequest {
        records_only: true,
        ..from_start()
    };
    // On a connection of their own, as other programs are.
    let readers = Client::connect(&server.address).await.unwrap();
    let mut feeds = Vec::new();
    for _ in 0..32 {
        let mut feed = readers.subscribe(request.clone()).await.unwrap();
        assert!(matches!(next(&mut feed).await, Message::Started(_)));
        feeds.push(feed);
    }
    let before = resident_bytes();
    server.fill(0, 200_000, 1_000).await;
    let grown = resident_bytes().saturating_sub(before);
    // If all that went by were kept for each of the readers it would be some 2 GB. The log takes its part too.
    assert!(grown < 400 << 20, "grew by {grown} bytes");

    let mut feed = feeds.swap_remove(0);
    drop(feeds);
    let (mut expected, mut fell_behind) = (0, false);
    while expected < 200_000 {
        match next(&mut feed).await {
            Message::Batch(batch) => {
                for record in batch.records {
                    assert_eq!(record.position, expected);
                    expected += 1;
                }
            }
            Message::FellBehind(_) => fell_behind = true,
            Message::Started(_) | Message::CaughtUp(_) | Message::Heartbeat(_) => {}
            Message::Draining(_) => panic!("the server is not stopping"),
        }
    }
    assert!(fell_behind, "a slow reader is told");
    server.stop().await;
}

fn filtered(filter: &str) -> proto::SubscribeRequest {
    proto::SubscribeRequest {
        filter: filter.into(),
        heartbeat_ms: 100,
        ..from_start()
    }
}

async fn moved(server: &Server) {
    server.put(event_of("k", "PAK", "2021")).await;
    server.put(event_of("other", "IND", "2021")).await;
    server.put(amend("k", "IRN")).await;
    server.put(amend("k", "PAK")).await;
    server.put(act(Act::Retract, "k")).await;
    server.put(act(Act::Reinstate, "k")).await;
    server.put(act(Act::Retract, "other")).await;
}

const MOVES: [(u64, Change); 5] = [
    (0, Change::Enters),
    (2, Change::Leaves),
    (3, Change::Enters),
    (4, Change::Leaves),
    (5, Change::Enters),
];

fn moves(records: &[proto::Record]) -> Vec<(u64, Change)> {
    records
        .iter()
        .map(|record| (record.position, record.change()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_feed_tells_what_enters_and_leaves_live_and_from_the_log() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let mut live = server.subscribe(filtered("country = PAK")).await;
    assert!(matches!(next(&mut live).await, Message::Started(_)));
    moved(&server).await;
    assert_eq!(moves(&records_until(&mut live, 7).await), MOVES);
    server.stop().await;

    let server = Server::start(folder.path()).await;
    let mut later = server.subscribe(filtered("country = PAK")).await;
    assert_eq!(moves(&records_until(&mut later, 7).await), MOVES);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_an_act_is_told_of_it() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    moved(&server).await;
    let mut feed = server.subscribe(filtered("act = retract country = PAK")).await;
    let records = records_until(&mut feed, 7).await;
    assert_eq!(moves(&records), [(4, Change::Enters), (5, Change::Leaves)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_nothing_matches_still_says_how_far_it_looked() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 100, 10).await;
    let mut feed = server.subscribe(filtered("country = FRA")).await;
    assert!(records_until(&mut feed, 100).await.is_empty());
    server.fill(100, 100, 10).await;
    assert!(records_until(&mut feed, 200).await.is_empty());
    let token = feed.token().clone();
    refused(
        server.client.subscribe(from_token(token.clone())).await,
        Code::FailedPrecondition,
        "TOKEN_OF_ANOTHER_FILTER",
    );
    let resumed = proto::SubscribeRequest {
        filter: "country = France".into(),
        ..from_token(token)
    };
    let mut feed = server.subscribe(resumed).await;
    let Message::Started(started) = next(&mut feed).await else {
        panic!("no start");
    };
    assert_eq!(started.from, 200, "another spelling of the same filter");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_from_a_time_that_has_not_passed_is_refused() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    let from = |nanos: i64| proto::SubscribeRequest {
        from: Some(proto::SubscribeFrom {
            from: Some(From::Recorded(nanos)),
        }),
        ..Default::default()
    };
    let last = server.client.status().await.unwrap().last_recorded;
    let hour = 3_600_000_000_000;
    let refusal = server.client.subscribe(from(last + hour)).await;
    refused(refusal, Code::OutOfRange, "TIME_NOT_PASSED");
    let mut feed = server.subscribe(from(last - hour)).await;
    assert_eq!(positions(&records_until(&mut feed, 3).await), [0, 1, 2]);
    server.stop().await;
}

/// What the unread feed had been sent once took the room of the whole connection, and every other call waited until it was read.
#[tokio::test(flavor = "multi_thread")]
async fn bounded_a_feed_that_is_not_read_delays_no_other_call_of_its_client() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    // More than is sent of one call before it is read, and of two.
    let large = |n: usize| {
        let content = Content {
            body: "x".repeat(400_000),
            ..content(&format!("large {n}"), "PAK", "2021-10-13")
        };
        record(Act::Create, &format!("large-{n}"), Some(content))
    };
    for n in 0..30 {
        server.put(large(n)).await;
    }
    let mut unread = Vec::new();
    for _ in 0..4 {
        let mut feed = server.subscribe(from_start()).await;
        // It is being sent.
        assert!(matches!(next(&mut feed).await, Message::Started(_)));
        assert!(matches!(next(&mut feed).await, Message::Batch(_)));
        unread.push(feed);
    }
    for n in 0..100 {
        let answered = tokio::time::timeout(PATIENCE, server.put(event(&format!("small-{n}")))).await;
        assert!(answered.is_ok(), "append {n} waits for the feeds to be read");
    }
    for feed in &mut unread {
        let records = records_until(feed, 130).await;
        assert_eq!(records.last().map(|record| record.position), Some(129));
    }
    server.stop().await;
}

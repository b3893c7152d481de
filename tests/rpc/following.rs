//! The promises of `Subscribe`, each by its name: `docs/subscriptions.md` names these tests.

use crate::harness::*;
use chancery::client::{Client, Feed};
use chancery::config::Config;
use chancery::record::Leaf;
use chancery::record::codec::{Act, Payload, RevisionRange, encode_payload};
use chancery::rpc::proto::{self, Change, Parts, subscribe_from::From, subscribe_response::Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Numbers that follow from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// One subscriber over all its connections: what it was delivered, and where it stands.
struct Subscriber {
    request: proto::SubscribeRequest,
    delivered: Vec<u64>,
    through: u64,
}

impl Subscriber {
    fn new(filter: &str) -> Self {
        Self {
            request: proto::SubscribeRequest {
                filter: filter.to_owned(),
                heartbeat_ms: 100,
                ..from_start()
            },
            delivered: Vec::new(),
            through: 0,
        }
    }

    async fn connect(&self, server: &Server) -> Feed {
        // On a connection of its own, which breaks with it.
        let client = Client::connect(&server.address).await.unwrap();
        client.subscribe(self.request.clone()).await.unwrap()
    }

    /// Takes messages until so many positions were looked at, and keeps the place.
    async fn take(&mut self, feed: &mut Feed, until: u64) {
        while self.through < until {
            match next(feed).await {
                Message::Started(started) => {
                    assert_eq!(started.from, self.through, "it goes on where it stood")
                }
                Message::Batch(batch) => self.note(feed, batch),
                _ => {}
            }
        }
    }

    /// Takes what a batch brings, and keeps the place.
    fn note(&mut self, feed: &Feed, batch: proto::Batch) {
        assert_eq!(batch.first_scanned, self.through, "ranges join");
        self.through = batch.scanned_through;
        self.delivered.extend(positions(&batch.records));
        self.request = proto::SubscribeRequest {
            filter: self.request.filter.clone(),
            heartbeat_ms: 100,
            ..from_token(feed.token().clone())
        };
    }
}

/// Events of three countries in turn.
async fn append_some(server: &Server, from: u64, count: u64) {
    for first in (from..from + count).step_by(100) {
        let records = (first..(first + 100).min(from + count)).map(|at| {
            let country = ["PAK", "IRN", "IND"][at as usize % 3];
            event_of(&format!("key-{at}"), country, "2021-10-13")
        });
        server.append(records.collect()).await.unwrap();
    }
}

async fn indexed(server: &Server, through: u64) {
    for _ in 0..3_000 {
        let name = "search".to_owned();
        let view = server
            .client
            .views()
            .get_view(proto::GetViewRequest { name })
            .await;
        if view.is_ok_and(|view| view.into_inner().view_position >= through) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the view does not follow");
}

async fn rebuild(server: &Server) {
    let name = "search".to_owned();
    let request = proto::RebuildViewRequest { name };
    server.client.views().rebuild_view(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ordered_unique_and_complete_under_random_disconnects_while_records_are_appended() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    append_some(&server, 0, 1_000).await;
    indexed(&server, 1_000).await;
    let follow = async |filter: &'static str, seed: u64| {
        let (mut one, mut draw) = (Subscriber::new(filter), Draw(seed));
        while one.through < 3_000 {
            let mut feed = one.connect(&server).await;
            let until = (one.through + 1 + draw.below(400)).min(3_000);
            one.take(&mut feed, until).await;
        }
        one.delivered
    };
    let append = async {
        append_some(&server, 1_000, 1_000).await;
        rebuild(&server).await;
        append_some(&server, 2_000, 1_000).await;
    };
    let (all, some, open, ()) = tokio::join!(
        follow("", 3),
        follow("country = PAK", 5),
        follow("NOT country = PAK", 7),
        append
    );
    assert!(all.into_iter().eq(0..3_000));
    assert!(some.into_iter().eq((0..3_000).step_by(3)));
    assert!(open.into_iter().eq((0..3_000).filter(|at| at % 3 != 0)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resumable_after_a_restart_the_loss_of_sled_and_the_loss_of_the_views() {
    let folder = folder();
    let mut all = [Subscriber::new(""), Subscriber::new("country = IRN")];
    for round in 0..4 {
        let server = Server::start(folder.path()).await;
        append_some(&server, round * 500, 500).await;
        for one in &mut all {
            let mut feed = one.connect(&server).await;
            one.take(&mut feed, round * 500 + 250).await;
        }
        server.stop().await;
        match round {
            1 => std::fs::remove_dir_all(folder.path().join("sled")).unwrap(),
            2 => std::fs::remove_dir_all(folder.path().join("views")).unwrap(),
            _ => {}
        }
    }
    let server = Server::start(folder.path()).await;
    for one in &mut all {
        let mut feed = one.connect(&server).await;
        one.take(&mut feed, 2_000).await;
    }
    assert!(all[0].delivered.iter().copied().eq(0..2_000));
    assert!(all[1].delivered.iter().copied().eq((1..2_000).step_by(3)));
    server.stop().await;
}

/// Thousands of filters are held against a record at once: each is delivered its own, and whoever comes late or reads slowly too.
#[tokio::test(flavor = "multi_thread")]
async fn complete_each_of_many_filters_is_delivered_its_own() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let mut feeds = Vec::new();
    for at in 0..200 {
        let request = proto::SubscribeRequest {
            filter: format!("key = key-{at}"),
            heartbeat_ms: 100,
            ..from_start()
        };
        feeds.push(server.subscribe(request).await);
    }
    append_some(&server, 0, 100).await;
    // These are amended out of a country and into it, retracted and taken back: by another record of the entry.
    server.put(amend("key-7", "JPN")).await;
    server.put(act(Act::Retract, "key-8")).await;
    server.put(act(Act::Reinstate, "key-8")).await;
    append_some(&server, 100, 100).await;
    let tail = server.tail().await;
    for (at, feed) in (0..).zip(&mut feeds) {
        let own = positions(&records_until(feed, tail).await);
        let first = if at < 100 { at } else { at + 3 };
        let expected = match at {
            7 => vec![7, 100],
            8 => vec![8, 101, 102],
            _ => vec![first],
        };
        assert_eq!(own, expected, "key-{at}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erase_is_delivered_leaf_only_to_every_subscription_that_follows_changes() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event_of("k", "PAK", "2021")).await;
    server.put(event_of("other", "IND", "2021")).await;
    let filters = [
        "",
        "country = PAK",
        "country = FRA",
        "NOT country = PAK",
        "key = nobody",
    ];
    let request = |filter: &str, parts: Parts, records_only: bool| proto::SubscribeRequest {
        filter: filter.to_owned(),
        parts: parts.into(),
        records_only,
        heartbeat_ms: 100,
        ..from_start()
    };
    let mut live = Vec::new();
    for filter in filters {
        for parts in [Parts::LeafAndPayload, Parts::Payload, Parts::Leaf] {
            live.push((parts, server.subscribe(request(filter, parts, false)).await));
        }
    }
    let erase = proto::EraseRequest {
        entry: Some(proto::EntryKey {
            series: "desk".into(),
            key: "k".into(),
        }),
        authority: "the court".into(),
        explanation: "nobody may read why".into(),
        ..Default::default()
    };
    let done = server.client.admin().erase(erase).await.unwrap().into_inner();
    let position = done.receipt.unwrap().position;
    let check = |records: &[proto::Record], what: &str| {
        let told = records.iter().find(|record| record.position == position);
        let told = told.unwrap_or_else(|| panic!("{what} is not told: {records:?}"));
        assert_eq!(told.change(), Change::Leaves, "{what}");
        assert!(told.payload.is_empty(), "{what}");
        assert_eq!(
            Leaf::decode(&told.leaf).unwrap().act,
            chancery::record::Act::Erase,
            "{what}"
        );
    };
    for (parts, mut feed) in live {
        let records = records_until(&mut feed, position + 1).await;
        check(&records, &format!("{parts:?}, live"));
    }
    indexed(&server, position).await;
    for filter in filters {
        let mut feed = server
            .subscribe(request(filter, Parts::LeafAndPayload, false))
            .await;
        check(&records_until(&mut feed, position + 1).await, filter);
    }
    // By themselves records are delivered as they match.
    let mut feed = server
        .subscribe(request("country = FRA", Parts::LeafAndPayload, true))
        .await;
    assert!(records_until(&mut feed, position + 1).await.is_empty());
    server.stop().await;
}

/// Where only an earlier revision is erased, or a new one takes the place of all, the entry stands, and nobody is told that it left.
#[tokio::test(flavor = "multi_thread")]
async fn an_erase_of_a_part_is_told_by_its_leaf_alone_and_the_entry_stays() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event_of("part", "PAK", "2021")).await;
    server.put(amend("part", "PAK")).await;
    server.put(event_of("whole", "PAK", "2021")).await;
    let erase = async |key: &str, revisions, replacement| {
        let order = proto::EraseRequest {
            entry: Some(proto::EntryKey {
                series: "desk".into(),
                key: key.into(),
            }),
            authority: "the court".into(),
            explanation: "nobody may read why".into(),
            revisions,
            replacement,
            ..Default::default()
        };
        let done = server.client.admin().erase(order).await.unwrap().into_inner();
        done.receipt.unwrap().position
    };
    let first = RevisionRange { from: 1, to: 2 };
    let part = erase("part", Some(first), Vec::new()).await;
    let replacement = Payload {
        content: Some(content("what may be known", "PAK", "2021")),
        ..Payload::default()
    };
    let whole = erase("whole", None, vec![encode_payload(&replacement)]).await;
    let tail = server.tail().await;
    indexed(&server, tail).await;
    for filter in ["", "country = PAK"] {
        for position in [part, whole] {
            let request = proto::SubscribeRequest {
                filter: filter.to_owned(),
                heartbeat_ms: 100,
                ..from_start()
            };
            let mut feed = server.subscribe(request).await;
            let records = records_until(&mut feed, tail).await;
            let told = records.iter().find(|record| record.position == position);
            let told = told.unwrap_or_else(|| panic!("`{filter}` is not told of {position}"));
            assert_eq!(told.change(), Change::Stays, "`{filter}`, {position}");
            assert!(told.payload.is_empty(), "`{filter}`, {position}");
            assert!(!told.leaf.is_empty());
        }
    }
    // Whoever asks for the erasures themselves follows records.
    let request = |records_only| proto::SubscribeRequest {
        filter: "act = erase".to_owned(),
        records_only,
        heartbeat_ms: 100,
        ..from_start()
    };
    for (records_only, is_empty) in [(false, true), (true, false)] {
        let mut feed = server.subscribe(request(records_only)).await;
        let records = records_until(&mut feed, tail).await;
        assert_eq!(positions(&records), [part, whole]);
        let payloads = records.iter().map(|record| record.payload.is_empty());
        assert!(payloads.eq([is_empty, is_empty]), "records only: {records_only}");
    }
    server.stop().await;
}

/// Records that are appended at a pace while others read.
struct Pace {
    /// How many a second.
    rate: u64,
    /// How many there are so far.
    appended: watch::Sender<u64>,
    /// How many readers still want more.
    wanted: AtomicUsize,
}

impl Pace {
    /// Appends for as long as anybody wants it. Answers the tail.
    async fn append(&self, server: &Server, from: u64) -> u64 {
        let begun = Instant::now();
        // Counted from the beginning: what came too late is made up for.
        let mut ticks = tokio::time::interval(Duration::from_secs(100) / self.rate as u32);
        let mut next = from;
        while self.wanted.load(Ordering::SeqCst) > 0 {
            ticks.tick().await;
            server.fill(next, 100, 100).await;
            next += 100;
            self.appended.send_replace(next - from);
        }
        let (count, seconds) = (next - from, begun.elapsed().as_secs_f64());
        let reached = count as f64 / seconds;
        println!(
            "appended {count} records in {seconds:.1} s: {reached:.0} a second of {}",
            self.rate
        );
        next
    }

    /// Waits until some more are appended; how many there are then.
    async fn more(&self) -> u64 {
        let mut appended = self.appended.subscribe();
        appended.changed().await.unwrap();
        *appended.borrow()
    }
}

/// Catches up from the start of `before` records while others are appended; with a filter, it has the search view made anew on the
/// way.
async fn catch_up(server: &Server, filter: &str, before: u64, pace: &Pace) -> (Subscriber, Feed) {
    let mut one = Subscriber::new(filter);
    let mut feed = one.connect(server).await;
    // One of the two is enough to have it made anew.
    let (mut at_start, mut is_rebuilt) = (0, filter.is_empty());
    loop {
        match next(&mut feed).await {
            Message::Started(_) => at_start = pace.more().await,
            Message::CaughtUp(_) => break,
            Message::Batch(batch) => one.note(&feed, batch),
            _ => {}
        }
        if !is_rebuilt && one.through > before / 2 {
            rebuild(server).await;
            // That one more is recorded while it is made.
            pace.more().await;
            is_rebuilt = true;
        }
    }
    assert!(
        is_rebuilt && one.through >= before,
        "`{filter}` at {}",
        one.through
    );
    // The appender goes on until this one says that it wants no more.
    assert!(
        *pace.appended.borrow() > at_start,
        "`{filter}` caught up with nothing"
    );
    pace.wanted.fetch_sub(1, Ordering::SeqCst);
    (one, feed)
}

/// A catch-up over many records while others are appended and the view is made anew. `CHANCERY_LONG=1` has a million of them and
/// 5,000 a second, as far as the machine can; what it reached is printed.
#[tokio::test(flavor = "multi_thread")]
async fn ordered_unique_and_complete_in_a_catch_up_while_records_arrive() {
    let is_long = std::env::var_os("CHANCERY_LONG").is_some();
    let (before, size, rate) = if is_long {
        (1_000_000, 1_000, 5_000)
    } else {
        (20_000, 500, 2_000)
    };
    let folder = folder();
    let server = Arc::new(Server::start(folder.path()).await);
    server.fill(0, before, size).await;
    let pace = Arc::new(Pace {
        rate,
        appended: watch::Sender::new(0),
        wanted: AtomicUsize::new(2),
    });
    let appending = tokio::spawn({
        let (server, pace) = (Arc::clone(&server), Arc::clone(&pace));
        async move { pace.append(&server, before).await }
    });
    let caught_up = tokio::join!(
        catch_up(&server, "", before, &pace),
        catch_up(&server, "country = PAK", before, &pace)
    );
    let tail = appending.await.unwrap();
    for (mut one, mut feed) in [caught_up.0, caught_up.1] {
        one.take(&mut feed, tail).await;
        assert!(one.delivered.into_iter().eq(0..tail));
    }
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bounded_a_filtered_reader_that_stops_gets_the_rest_from_the_log() {
    let folder = folder();
    let config = Config {
        recent_bytes: 1 << 16,
        ..Default::default()
    };
    let server = Server::start_with(folder.path(), config).await;
    let request = proto::SubscribeRequest {
        filter: "country = PAK".into(),
        heartbeat_ms: 100,
        ..from_start()
    };
    let mut feed = server.subscribe(request).await;
    while !matches!(next(&mut feed).await, Message::CaughtUp(_)) {}
    // Nobody reads, and a third of it matches: more than the connection and the server's memory take.
    for first in (0..6_000).step_by(100) {
        let large = |at: u64| {
            let country = ["PAK", "IRN", "IND"][at as usize % 3];
            let title = format!("{at} {}", "talks ".repeat(800));
            record(
                Act::Create,
                &format!("key-{at}"),
                Some(content(&title, country, "2021-10-13")),
            )
        };
        server
            .append((first..first + 100).map(large).collect())
            .await
            .unwrap();
    }
    let (mut delivered, mut through, mut fell_behind) = (Vec::new(), 0, false);
    while through < 6_000 {
        match next(&mut feed).await {
            Message::Batch(batch) => {
                assert_eq!(batch.first_scanned, through, "ranges join");
                through = batch.scanned_through;
                delivered.extend(positions(&batch.records));
            }
            Message::FellBehind(_) => fell_behind = true,
            _ => {}
        }
    }
    assert!(delivered.into_iter().eq((0..6_000).step_by(3)));
    assert!(fell_behind, "a slow reader is told");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resumable_a_start_is_any_position_with_any_filter() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    append_some(&server, 0, 300).await;
    indexed(&server, 300).await;
    for from in [0, 1, 2, 150, 299, 300] {
        let request = proto::SubscribeRequest {
            from: Some(proto::SubscribeFrom {
                from: Some(From::Position(from)),
            }),
            filter: "country = IND".into(),
            until: Some(299),
            ..Default::default()
        };
        let mut feed = server.subscribe(request).await;
        let mut delivered = Vec::new();
        while let Some(message) = feed.next().await.unwrap() {
            if let Message::Batch(batch) = message {
                delivered.extend(positions(&batch.records));
            }
        }
        assert!(
            delivered.into_iter().eq((from..300).filter(|at| at % 3 == 2)),
            "from {from}"
        );
    }
    server.stop().await;
}

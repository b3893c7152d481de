//! Consumer groups where consumers do not read, disks refuse, records are damaged, and names change: nobody is held up, and nothing is
//! lost or counted that was not.

use crate::authorities::{FILTER, khan, named};
use crate::groups::*;
use crate::harness::*;
use chancery::config::Config;
use chancery::record::codec::{Act, Payload, decode_payload, encode_payload};
use chancery::rpc::proto::{
    self, AckRequest, CreateGroupRequest, NackAction, consume_request::Message as Say,
};
use chancery::rpc::proto::{ExtendRequest, NackRequest};
use chancery::rpc::wire;
use chancery::subscription::Hub;
use chancery::subscription::group::state::{AHEAD, Refusal};
use chancery::subscription::group::{Groups, KeepGroups, Pull};
use chancery::view::Parts;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tonic::Code;

/// Events of 100 KB: some dozens are more than a connection takes that nobody reads.
async fn fill_large(server: &Server, count: u64) {
    for at in 0..count {
        let text = "x".repeat(100_000);
        let content = content(&text, "PAK", "2021-10-13");
        server
            .put(record(Act::Create, &format!("large-{at}"), Some(content)))
            .await;
    }
}

async fn until_standing(server: &Server, what: &str, is: impl Fn(&proto::ConsumerGroup) -> bool) {
    let look = async {
        while !is(&standing(server).await) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

/// A stream whose consumer has as much on its way as the connection takes, and reads none of it.
async fn unread(server: &Server, count: u32) -> Stream {
    fill_large(server, count.into()).await;
    create(server, group()).await;
    let stream = Stream::join(server, "deaf", count).await;
    let mut before = 0;
    // It has as much as it takes: what it has does not grow any more once the connection is full.
    until_standing(server, "it has some", |now| now.in_flight > 5).await;
    for _ in 0..50 {
        let now = standing(server).await.in_flight;
        before = now.max(before);
    }
    assert!(before < u64::from(count), "all of them are on their way");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_does_not_read_is_heard_all_the_same() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let deaf = unread(&server, 200).await;
    deaf.say(Say::Ack(AckRequest {
        positions: vec![0, 1, 2],
        ..Default::default()
    }))
    .await;
    until_standing(&server, "its acknowledgement counts", |now| now.position == 3).await;
    drop(deaf);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_counts_no_delivery_of_a_consumer_that_does_not_read() {
    let folder = folder();
    let server = Server::start_with(
        folder.path(),
        Config {
            shutdown_s: 1,
            ..Config::default()
        },
    )
    .await;
    let deaf = unread(&server, 200).await;
    server.stop().await;
    drop(deaf);
    let server = Server::start(folder.path()).await;
    let again = pull(&server, "another", 20).await;
    assert!(again.iter().all(|(_, attempt)| *attempt == 1), "{again:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_a_consumer_sends_and_does_not_read() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    create(&server, group()).await;
    let mut senders = Vec::new();
    for at in 0..6 {
        let deaf = Stream::join(&server, &format!("deaf-{at}"), 1).await;
        senders.push(tokio::spawn(async move {
            for _ in 0..3_000 {
                if deaf.try_say(Say::Ack(AckRequest::default())).await.is_err() {
                    break;
                }
            }
            deaf
        }));
    }
    server.fill(0, 30, 1).await;
    // Each of the six has one at most.
    let mut served = 0;
    while served < 24 {
        let some = pull_waiting(&server, "another", 30, 10_000).await;
        assert!(!some.is_empty(), "{served} were delivered, and no more");
        served += some.len();
        let positions: Vec<u64> = some.iter().map(|(position, _)| *position).collect();
        ack(&server, "another", &positions).await;
    }
    senders.iter().for_each(tokio::task::JoinHandle::abort);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_comes_back_when_a_record_is_taken_away() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 4, 4).await;
    let request = CreateGroupRequest {
        ack_timeout_ms: 200,
        deliveries_max: 1_000,
        ..group()
    };
    create(&server, request).await;
    // No heartbeat wakes it.
    let mut one = Stream::join_beating(&server, "one", 1, 3_600_000).await;
    assert_eq!(one.deliveries(1).await, [(0, 1)]);
    // Its time is over, and nobody else wants it.
    assert_eq!(one.deliveries(1).await, [(0, 2)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_comes_back_when_somebody_else_is_done_with_its_record() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 2, 2).await;
    let request = CreateGroupRequest {
        ack_timeout_ms: 3_600_000,
        ..group()
    };
    create(&server, request).await;
    let mut one = Stream::join_beating(&server, "one", 1, 3_600_000).await;
    assert_eq!(one.deliveries(1).await, [(0, 1)]);
    assert_eq!(ack(&server, "another", &[0]).await, 1);
    assert_eq!(one.deliveries(1).await, [(1, 1)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_stream_nobody_speaks_for_another_group_or_consumer() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    create(&server, group()).await;
    let other = || "other".to_owned();
    let said = [
        Say::Ack(AckRequest {
            group: other(),
            ..Default::default()
        }),
        Say::Nack(NackRequest {
            consumer: other(),
            ..Default::default()
        }),
        Say::Extend(ExtendRequest {
            group: other(),
            ..Default::default()
        }),
    ];
    for (message, field) in said
        .into_iter()
        .zip(["ack.group", "nack.consumer", "extend.group"])
    {
        let mut stream = Stream::join(&server, "me", 1).await;
        stream.say(message).await;
        let sentence = refused(stream.ended().await, Code::InvalidArgument, "INVALID_FIELD");
        assert!(
            sentence.contains("`other` is said again") && sentence.contains(field),
            "{sentence}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_name_names_the_records() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 4, 4).await;
    create(&server, group()).await;
    assert_eq!(pull(&server, "", 2).await.len(), 2);
    let mut calls = server.client.subscriptions();
    let through = |consumer: &str| AckRequest {
        group: "desk".into(),
        consumer: consumer.into(),
        positions: vec![],
        through: Some(3),
    };
    refused(
        calls.ack(through("")).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    let extend = ExtendRequest {
        group: "desk".into(),
        ..Default::default()
    };
    refused(calls.extend(extend).await, Code::InvalidArgument, "INVALID_FIELD");
    let control = calls.ack(through("a\nb")).await;
    assert!(refused(control, Code::InvalidArgument, "INVALID_FIELD").contains("U+000A"));
    assert_eq!(standing(&server).await.in_flight, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_before_it_is_looked_at_again_never_comes_again_however_much_is_open() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    server.fill(0, 1_300, 650).await;
    let request = CreateGroupRequest {
        in_flight_max: 1,
        ..group()
    };
    create(&server, request).await;
    assert_eq!(pull(&server, "a", 1).await, [(0, 1)]);
    let looked_at = standing(&server).await.scanned_through;
    assert!(looked_at < 1_200, "{looked_at}");
    for round in 0..2 {
        server.stop().await;
        server = Server::start(folder.path()).await;
        let done = 1_250 + round;
        assert_eq!(ack(&server, "a", &[done, done, 1_200]).await, 2 - round);
        assert_eq!(standing(&server).await.lag, Some(1_300 - 2 - round));
    }
    let mut seen = Vec::new();
    while let [(position, _)] = pull(&server, "a", 1).await[..] {
        ack(&server, "a", &[position]).await;
        seen.push(position);
    }
    let expected = (0..1_300).filter(|at| ![1_200, 1_250, 1_251].contains(at));
    assert!(seen.into_iter().eq(expected));
    assert_eq!(standing(&server).await.lag, Some(0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_outlives_a_restart() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 2, 2).await;
    create(&server, group()).await;
    pull(&server, "a", 1).await;
    let refuse = |delay_ms, position| NackRequest {
        group: "desk".into(),
        consumer: "a".into(),
        positions: vec![position],
        action: NackAction::Retry.into(),
        delay_ms,
        reason: String::new(),
    };
    server
        .client
        .subscriptions()
        .nack(refuse(3_600_000, 0))
        .await
        .unwrap();
    server.stop().await;
    let server = Server::start(folder.path()).await;
    assert_eq!(standing(&server).await.delayed, 1);
    assert_eq!(pull(&server, "a", 9).await, [(1, 1)]);
    // A short one ends after the restart.
    server.client.subscriptions().nack(refuse(300, 1)).await.unwrap();
    server.stop().await;
    let server = Server::start(folder.path()).await;
    assert_eq!(pull_waiting(&server, "a", 9, 20_000).await, [(1, 2)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_has_taken_in_is_delivered_whatever_its_actor_is_called_now() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for key in ["a", "b", "c"] {
        server.put(named(key, "Имран Хан")).await;
    }
    server.put(khan(&["Imran Khan", "Имран Хан"])).await;
    let request = CreateGroupRequest {
        filter: FILTER.into(),
        ..group()
    };
    create(&server, request).await;
    // One look goes as far as the view, which may be behind.
    let mut taken = 0;
    while taken < 3 {
        let some = pull_waiting(&server, "a", 9, 10_000).await;
        assert!(!some.is_empty(), "{taken} were delivered, and no more");
        taken += some.len();
    }
    assert_eq!(nack(&server, "a", &[0], NackAction::Park, "later").await, 1);
    assert_eq!(nack(&server, "a", &[1], NackAction::Retry, "").await, 1);
    server
        .put(proto::AppendRecord {
            series: "authority".into(),
            ..act(Act::Retract, "khan")
        })
        .await;
    server.stop().await;
    let server = Server::start(folder.path()).await;
    let replay = proto::ReplayParkedRequest {
        group: "desk".into(),
        positions: vec![],
    };
    let replayed = server.client.subscriptions().replay_parked(replay).await.unwrap();
    assert_eq!(replayed.into_inner().replayed, 1);
    let again = pull(&server, "a", 9).await;
    assert_eq!(
        again.iter().map(|(position, _)| *position).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    server.stop().await;
}

/// The content that it is judged by stands: that an older one is erased is nothing to it.
#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_was_taken_in_is_delivered_though_an_older_content_of_its_entry_is_erased() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(named("a", "Имран Хан")).await;
    let mut amended = named("a", "Имран Хан");
    (amended.act, amended.reason) = (Act::Amend.into(), "corrected".into());
    amended.payload = vec![encode_payload(&Payload {
        content: Some(chancery::record::codec::Content {
            title: "Corrected".into(),
            ..decode_payload(&amended.payload[0]).unwrap().content.unwrap()
        }),
        ..Payload::default()
    })];
    server.put(amended).await;
    server.put(event("b")).await;
    let mut link = act(Act::Link, "a");
    link.relation = Some(chancery::record::codec::Relation {
        r#type: chancery::record::codec::RelationType::RespondsTo.into(),
        series: "desk".into(),
        key: "b".into(),
    });
    server.put(link).await;
    server.put(khan(&["Imran Khan", "Имран Хан"])).await;
    let request = CreateGroupRequest {
        filter: FILTER.into(),
        records_only: true,
        ..group()
    };
    create(&server, request).await;
    let mut taken = Vec::new();
    while taken.len() < 3 {
        let some = pull_waiting(&server, "a", 9, 10_000).await;
        assert!(!some.is_empty(), "{taken:?} were delivered, and no more");
        taken.extend(some.into_iter().map(|(position, _)| position));
    }
    assert_eq!(taken, [0, 1, 3]);
    let erase = proto::EraseRequest {
        entry: Some(proto::EntryKey {
            series: "desk".into(),
            key: "a".into(),
        }),
        authority: "the court".into(),
        reason: "privacy".into(),
        revisions: Some(chancery::record::codec::RevisionRange { from: 1, to: 2 }),
        ..Default::default()
    };
    server.client.admin().erase(erase).await.unwrap();
    server
        .put(proto::AppendRecord {
            series: "authority".into(),
            ..act(Act::Retract, "khan")
        })
        .await;
    server.stop().await;
    let server = Server::start(folder.path()).await;
    let again = pull(&server, "a", 9).await;
    let again: Vec<u64> = again.iter().map(|(position, _)| *position).collect();
    // The first is erased, and so no record of the filter any more.
    assert_eq!(again, [1, 3]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_in_which_nothing_more_is_looked_at_says_so() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let (in_flight, ahead) = (100, AHEAD as u64);
    server.fill(0, in_flight + ahead + 10, 555).await;
    let request = CreateGroupRequest {
        in_flight_max: 100,
        ..group()
    };
    create(&server, request).await;
    while standing(&server).await.delayed < in_flight + ahead {
        let taken = pull_waiting(&server, "a", 100, 10_000).await;
        let taken: Vec<u64> = taken.iter().map(|(position, _)| *position).collect();
        let delayed = proto::NackRequest {
            group: "desk".into(),
            consumer: "a".into(),
            positions: taken,
            delay_ms: 3_600_000,
            ..Default::default()
        };
        server.client.subscriptions().nack(delayed).await.unwrap();
    }
    assert_eq!(pull(&server, "a", 9).await, []);
    let now = standing(&server).await;
    assert_eq!((now.delayed, now.ready), (1_100, 0));
    assert_eq!(
        now.held_up,
        "1100 records are delayed and 0 wait for another one of their entry; no more are looked at until some are done"
    );
    assert_eq!(ack(&server, "a", &[0]).await, 1);
    assert_eq!(pull_waiting(&server, "a", 9, 10_000).await, [(1_100, 1)]);
    assert_eq!(ack(&server, "a", &[1]).await, 1);
    assert_eq!(standing(&server).await.held_up, "");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_parked_and_holds_up_no_other() {
    let folder = folder();
    let config = Config {
        recent_bytes: 1,
        ..Config::default()
    };
    let server = Server::start_with(folder.path(), config).await;
    for (key, title) in [("a", "One"), ("b", "Talks in Geneva"), ("c", "Three")] {
        server
            .put(record(
                Act::Create,
                key,
                Some(content(title, "PAK", "2021-10-13")),
            ))
            .await;
    }
    create(&server, group()).await;
    assert_eq!(pull(&server, "a", 1).await, [(0, 1)]);
    crate::fixity::damage(folder.path());
    assert_eq!(nack(&server, "a", &[0], NackAction::Retry, "").await, 1);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let some = pull(&server, "a", 9).await;
        assert!(!some.is_empty(), "{seen:?}");
        seen.extend(some.into_iter().map(|(position, _)| position));
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 2]);
    let list = proto::ListParkedRequest {
        group: "desk".into(),
        ..Default::default()
    };
    let parked = server
        .client
        .subscriptions()
        .list_parked(list)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(parked.parked[0].position, 1);
    assert!(
        parked.parked[0].reason.starts_with("it cannot be read: "),
        "{parked:?}"
    );
    server.stop().await;
}

/// Told this, it panics instead.
const PANICS: usize = 2;

/// What is kept is handed over, and keeping it is refused while it is told to.
#[derive(Default)]
struct Refusing {
    kept: Vec<(String, Vec<u8>)>,
    refuses: Arc<AtomicUsize>,
}

impl KeepGroups for Refusing {
    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        self.kept.clone()
    }

    fn keep(&mut self, _: &[(String, Option<Vec<u8>>)]) -> Result<(), String> {
        match self.refuses.load(Ordering::Relaxed) {
            0 => Ok(()),
            PANICS => panic!("a fault of the program"),
            _ => Err("the disk is full".into()),
        }
    }
}

fn open_groups(server: &Server, keep: Refusing) -> Groups {
    let hub = Arc::new(Hub::new(server.log.clone(), Arc::default(), wire::batch));
    Groups::open(&server.log, hub, Box::new(keep)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_group_that_cannot_be_read_nothing_is_taken_for_done() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let keep = Refusing {
        kept: vec![
            ("desk/settings".into(), vec![9]),
            ("desk/progress".into(), vec![9]),
        ],
        ..Default::default()
    };
    let groups = open_groups(&server, keep);
    let group = groups.get("desk").unwrap();
    assert!(group.stopped().unwrap().contains("cannot be read"));
    groups
        .create(settings(1), chancery::subscription::From::Start)
        .await
        .err()
        .unwrap();
    groups.delete("desk").await.unwrap();
    groups
        .create(settings(1), chancery::subscription::From::Start)
        .await
        .unwrap();
    server.stop().await;
}

/// One waits for each record that there is room for, and is woken by what makes room.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_wakes_one_of_those_who_wait_and_not_all() {
    const WAITING: usize = 100;
    const ACKS: usize = 40;
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 200, 200).await;
    let groups = open_groups(&server, Refusing::default());
    let group = groups
        .create(settings(1), chancery::subscription::From::Start)
        .await
        .unwrap();
    let me = group.join("anna");
    let pull = |wait| Pull {
        consumer: me.consumer.clone(),
        max: 1,
        wait: Duration::from_millis(wait),
        parts: Parts::Both,
    };
    let mut last = *groups
        .pull(&group, pull(0))
        .await
        .unwrap()
        .attempts
        .keys()
        .next()
        .unwrap();
    let polls = AtomicUsize::new(0);
    let mut waiting: FuturesUnordered<_> = (0..WAITING)
        .map(|_| {
            let mut one = Box::pin(groups.pull(&group, pull(60_000)));
            let polls = &polls;
            std::future::poll_fn(move |context| {
                polls.fetch_add(1, Ordering::Relaxed);
                one.as_mut().poll(context)
            })
        })
        .collect();
    for _ in 0..ACKS {
        // An acknowledgement of nothing wakes nobody.
        groups.ack(&group, &me.consumer, vec![], None).await.unwrap();
        groups.ack(&group, &me.consumer, vec![last], None).await.unwrap();
        let delivered = waiting.next().await.unwrap().unwrap();
        last = *delivered.attempts.keys().next().unwrap();
    }
    drop(waiting);
    let polls = polls.into_inner();
    assert!(polls < WAITING * 2 + ACKS * 5, "{polls} looks");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_disk_refuses_no_delivery_of_a_consumer_counts() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 5, 5).await;
    create(&server, group()).await;
    let mut one = Stream::join(&server, "one", 5).await;
    assert_eq!(one.deliveries(5).await.len(), 5);
    let (groups, away) = (
        folder.path().join("state/groups"),
        folder.path().join("state/away"),
    );
    std::fs::rename(&groups, &away).unwrap();
    std::fs::write(&groups, "no folder").unwrap();
    one.say(Say::Ack(AckRequest {
        positions: vec![2],
        ..Default::default()
    }))
    .await;
    refused(one.ended().await, Code::Internal, "GROUP_NOT_KEPT");
    std::fs::remove_file(&groups).unwrap();
    std::fs::rename(&away, &groups).unwrap();
    assert_eq!(
        pull_waiting(&server, "another", 9, 10_000).await,
        [(0, 1), (1, 1), (3, 1), (4, 1)]
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn should_the_thread_that_keeps_groups_panic_each_who_asks_is_told_so_and_none_waits() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 5, 5).await;
    let keep = Refusing::default();
    let refuses = Arc::clone(&keep.refuses);
    let groups = open_groups(&server, keep);
    let start = || chancery::subscription::From::Start;
    let group = groups.create(settings(5), start()).await.unwrap();
    let me = group.join("anna");
    refuses.store(PANICS, Ordering::Relaxed);
    let ask = async {
        // The second one comes to a thread that is gone, whatever it would say now.
        for _ in 0..2 {
            let acked = groups.ack(&group, &me.consumer, vec![], None).await;
            let why = acked.unwrap_err().to_string();
            assert!(why.contains("the thread that keeps groups has ended"), "{why}");
            refuses.store(0, Ordering::Relaxed);
        }
        groups.delete("desk").await.unwrap_err();
        assert!(groups.get("desk").is_ok(), "it is not forgotten");
        let other = chancery::subscription::group::Settings {
            name: "other".into(),
            ..settings(5)
        };
        groups.create(other, start()).await.err().unwrap();
        // As a server does that stops.
        groups.keep_all().await;
    };
    let told = tokio::time::timeout(PATIENCE, ask).await;
    told.expect("nobody waits for a thread that is gone");
    drop(groups);
    server.stop().await;
}

/// Refused for a moment, by another consumer, while one waits for records: that one has it once the moment is over.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_given_what_is_delayed_meanwhile_once_its_delay_is_over() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 1, 1).await;
    let groups = open_groups(&server, Refusing::default());
    let mut settings = settings(10);
    settings.rules.ack_timeout_ms = 3_600_000;
    let start = chancery::subscription::From::Start;
    let group = groups.create(settings, start).await.unwrap();
    let members = ["anna", "ben", "cleo"].map(|name| group.join(name));
    let pull = |at: usize| {
        groups.pull(
            &group,
            Pull {
                consumer: members[at].consumer.clone(),
                max: 10,
                wait: PATIENCE * 10,
                parts: Parts::Both,
            },
        )
    };
    let taken = pull(0).await.unwrap();
    let positions: Vec<_> = taken.attempts.into_keys().collect();
    // Two wait, and the one who is told of it does so no longer.
    let (mut first, mut second) = (Box::pin(pull(1)), Box::pin(pull(2)));
    assert!(futures::poll!(first.as_mut()).is_pending());
    assert!(futures::poll!(second.as_mut()).is_pending());
    let again = Refusal::Retry(50);
    let nacked = groups
        .nack(&group, &members[0].consumer, positions.clone(), again, "")
        .await;
    assert_eq!(nacked.unwrap(), 1);
    assert!(futures::poll!(first.as_mut()).is_pending());
    drop(first);
    let delivered = tokio::time::timeout(PATIENCE, second).await;
    let delivered = delivered.expect("it is delivered again").unwrap();
    assert_eq!(delivered.attempts[&positions[0]], 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_sent_is_not_what_a_consumer_died_of() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let deaf = unread(&server, 200).await;
    // All but the last that it has: that one waits for the connection.
    let has = standing(&server).await.in_flight;
    let others: Vec<u64> = (0..has - 1).collect();
    assert_eq!(ack(&server, "another", &others).await, has - 1);
    drop(deaf);
    until_standing(&server, "it is gone", |now| now.in_flight == 0).await;
    assert_eq!(pull_waiting(&server, "another", 1, 10_000).await, [(has - 1, 1)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gave_no_credits_is_told_that_the_group_is_forgotten() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    create(&server, group()).await;
    let mut idle = Stream::join_beating(&server, "idle", 0, 100).await;
    let request = proto::DeleteGroupRequest { name: "desk".into() };
    server.client.subscriptions().delete_group(request).await.unwrap();
    let told = async {
        loop {
            match idle.ended().await {
                Ok(Some(_)) => {}
                end => break end,
            }
        }
    };
    let end = tokio::time::timeout(PATIENCE, told).await;
    refused(end.expect("it ends"), Code::NotFound, "UNKNOWN_GROUP");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_as_much_as_it_takes_is_told_at_once_that_the_group_is_forgotten() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 2, 2).await;
    let request = CreateGroupRequest {
        ack_timeout_ms: 3_600_000,
        ..group()
    };
    create(&server, request).await;
    // Nothing else would have it look within the test.
    let mut full = Stream::join_beating(&server, "full", 1, 3_600_000).await;
    assert_eq!(full.deliveries(1).await, [(0, 1)]);
    let request = proto::DeleteGroupRequest { name: "desk".into() };
    server.client.subscriptions().delete_group(request).await.unwrap();
    refused(full.ended().await, Code::NotFound, "UNKNOWN_GROUP");
    server.stop().await;
}

//! Consumer groups: what a consumer is promised.

use crate::harness::*;
use chancery::filter::Filter;
use chancery::rpc::proto::{
    self, AckRequest, ConsumeRequest, CreateGroupRequest, NackAction, NackRequest, PullRequest, Sharing,
    consume_request::Message as Say, consume_response::Message as Told, subscribe_from::From,
};
use chancery::rpc::wire;
use chancery::subscription::Hub;
use chancery::subscription::group::state::{self, Rules};
use chancery::subscription::group::{Groups, KeepGroups, Pull, Settings};
use chancery::view::{Mode, Parts};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::{Code, Streaming};

const GROUP: &str = "desk";

pub fn from_the_start() -> Option<proto::SubscribeFrom> {
    Some(proto::SubscribeFrom {
        from: Some(From::Start(true)),
    })
}

pub fn group() -> CreateGroupRequest {
    CreateGroupRequest {
        name: GROUP.into(),
        from: from_the_start(),
        ..Default::default()
    }
}

pub async fn create(server: &Server, request: CreateGroupRequest) -> proto::ConsumerGroup {
    let created = server.client.subscriptions().create_group(request).await;
    created.unwrap().into_inner()
}

pub async fn standing(server: &Server) -> proto::ConsumerGroup {
    let request = proto::GetGroupRequest { name: GROUP.into() };
    server
        .client
        .subscriptions()
        .get_group(request)
        .await
        .unwrap()
        .into_inner()
}

pub async fn pull(server: &Server, consumer: &str, max: u32) -> Vec<(u64, u32)> {
    pull_waiting(server, consumer, max, 0).await
}

pub async fn pull_waiting(server: &Server, consumer: &str, max: u32, wait_ms: u32) -> Vec<(u64, u32)> {
    let request = PullRequest {
        group: GROUP.into(),
        consumer: consumer.into(),
        max,
        wait_ms,
        ..Default::default()
    };
    let pulled = server.client.subscriptions().pull(request).await.unwrap();
    let deliveries = pulled.into_inner().deliveries.into_iter();
    deliveries
        .map(|one| (one.record.unwrap().position, one.attempt))
        .collect()
}

pub async fn ack(server: &Server, consumer: &str, positions: &[u64]) -> u64 {
    let request = AckRequest {
        group: GROUP.into(),
        consumer: consumer.into(),
        positions: positions.to_vec(),
        through: None,
    };
    let acked = server.client.subscriptions().ack(request).await;
    acked.unwrap().into_inner().acked
}

pub async fn nack(
    server: &Server,
    consumer: &str,
    positions: &[u64],
    action: NackAction,
    reason: &str,
) -> u64 {
    let request = NackRequest {
        group: GROUP.into(),
        consumer: consumer.into(),
        positions: positions.to_vec(),
        action: action.into(),
        delay_ms: 0,
        reason: reason.into(),
    };
    let nacked = server.client.subscriptions().nack(request).await;
    nacked.unwrap().into_inner().nacked
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_is_durable_when_it_is_answered_and_what_is_not_acknowledged_comes_again() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 10, 10).await;
    let made = create(&server, group()).await;
    assert_eq!((made.lag, made.position), (Some(10), 0));
    assert_eq!(pull(&server, "a", 4).await, [(0, 1), (1, 1), (2, 1), (3, 1)]);
    assert_eq!(pull(&server, "b", 2).await, [(4, 1), (5, 1)]);
    assert_eq!(ack(&server, "a", &[0, 1, 3]).await, 3);
    assert_eq!(ack(&server, "a", &[3]).await, 0, "once is enough");
    let now = standing(&server).await;
    assert_eq!((now.lag, now.in_flight, now.position), (Some(7), 3, 2));
    let consumers = now
        .consumers
        .iter()
        .map(|one| (one.name.as_str(), one.in_flight))
        .collect::<Vec<_>>();
    assert_eq!(consumers, [("a", 1), ("b", 2)]);
    server.stop().await;
    // Neither of them gives anything back, and neither knows more than the log.
    std::fs::remove_dir_all(folder.path().join("sled")).unwrap();
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();
    let server = Server::start(folder.path()).await;
    let now = standing(&server).await;
    assert_eq!((now.lag, now.in_flight, now.position), (Some(7), 0, 2));
    let again = pull(&server, "c", 100).await;
    let positions: Vec<u64> = again.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, [2, 4, 5, 6, 7, 8, 9]);
    assert_eq!(ack(&server, "c", &positions).await, 7);
    assert_eq!(standing(&server).await.lag, Some(0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_the_records_of_its_filter_and_waits_for_more() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for (at, country) in ["PAK", "IRN", "PAK", "IRN"].into_iter().enumerate() {
        server
            .put(event_of(&format!("k{at}"), country, "2021-10-13"))
            .await;
    }
    let request = CreateGroupRequest {
        filter: "country = IRN".into(),
        ..group()
    };
    create(&server, request).await;
    assert_eq!(standing(&server).await.lag, Some(2), "counted, not looked at yet");
    // One look goes as far as the view, which may be behind.
    let mut taken = pull_waiting(&server, "", 100, 10_000).await;
    if taken.len() == 1 {
        taken.extend(pull_waiting(&server, "", 100, 10_000).await);
    }
    assert_eq!(taken, [(1, 1), (3, 1)]);
    assert_eq!(ack(&server, "", &[1, 3]).await, 2);
    let client = server.client.clone();
    let waiting = tokio::spawn(async move {
        let request = PullRequest {
            group: GROUP.into(),
            wait_ms: 60_000,
            ..Default::default()
        };
        client.subscriptions().pull(request).await.unwrap().into_inner()
    });
    server.put(event_of("k4", "PAK", "2021-10-13")).await;
    // It matched before and does not any more: whoever has it must know.
    server.put(amend("k1", "PAK")).await;
    let delivered = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    let record = delivered.deliveries[0].record.clone().unwrap();
    assert_eq!((record.position, record.change()), (5, proto::Change::Leaves));
    assert_eq!(standing(&server).await.lag, Some(1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_one_entry_are_delivered_one_after_the_other_where_the_group_says_so() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("a")).await;
    server.put(amend("a", "IRN")).await;
    server.put(event("b")).await;
    let request = CreateGroupRequest {
        sharing: Sharing::Ordered.into(),
        ..group()
    };
    create(&server, request).await;
    assert_eq!(pull(&server, "x", 9).await, [(0, 1), (2, 1)]);
    assert_eq!(pull(&server, "y", 9).await, []);
    assert_eq!(ack(&server, "x", &[0]).await, 1);
    assert_eq!(pull(&server, "y", 9).await, [(1, 1)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_worked_on_is_parked_with_its_reason_and_can_be_replayed() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 4, 4).await;
    let request = CreateGroupRequest {
        deliveries_max: 2,
        ..group()
    };
    create(&server, request).await;
    pull(&server, "a", 100).await;
    assert_eq!(
        nack(&server, "a", &[0, 9], NackAction::Retry, "no printer").await,
        1
    );
    assert_eq!(pull(&server, "a", 100).await, [(0, 2)]);
    assert_eq!(
        nack(&server, "b", &[0], NackAction::Park, "").await,
        0,
        "it has none"
    );
    nack(&server, "a", &[0], NackAction::Retry, "no printer").await;
    nack(&server, "a", &[1], NackAction::Park, "unreadable").await;
    nack(&server, "a", &[2], NackAction::Skip, "").await;
    server.stop().await;
    let server = Server::start(folder.path()).await;
    let list = async || {
        let request = proto::ListParkedRequest {
            group: GROUP.into(),
            ..Default::default()
        };
        let listed = server.client.subscriptions().list_parked(request).await;
        let listed = listed.unwrap().into_inner();
        let parked = listed.parked.into_iter();
        parked
            .map(|one| (one.position, one.attempts, one.reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list().await,
        [
            (0, 2, "delivered 2 times, at last: no printer".to_owned()),
            (1, 1, "unreadable".to_owned())
        ]
    );
    let now = standing(&server).await;
    assert_eq!((now.lag, now.parked, now.position), (Some(1), 2, 3));
    let replay = proto::ReplayParkedRequest {
        group: GROUP.into(),
        positions: vec![0],
    };
    let replayed = server.client.subscriptions().replay_parked(replay).await;
    assert_eq!(replayed.unwrap().into_inner().replayed, 1);
    assert_eq!(pull(&server, "c", 1).await, [(0, 1)]);
    let drop = |positions: Vec<u64>, all| {
        let request = proto::DropParkedRequest {
            group: GROUP.into(),
            positions,
            all,
        };
        let mut client = server.client.subscriptions();
        async move { client.drop_parked(request).await }
    };
    refused(drop(vec![], false).await, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(drop(vec![], true).await.unwrap().into_inner().dropped, 1);
    assert_eq!(list().await, []);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_record_is_not_done_what_is_on_its_way_to_the_consumer() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("a")).await;
    server.put(amend("a", "PAK")).await;
    server.put(event("b")).await;
    let request = CreateGroupRequest {
        sharing: proto::Sharing::Ordered.into(),
        ..group()
    };
    create(&server, request).await;
    let mut stream = Stream::join(&server, "s", 10).await;
    assert_eq!(stream.deliveries(2).await, [(0, 1), (2, 1)]);
    // Then the second of `a` is on its way, and not read.
    assert_eq!(ack(&server, "another", &[0]).await, 1);
    let given = async {
        while standing(&server).await.in_flight < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, given).await.expect("it is given");
    stream.ack(vec![], Some(2)).await;
    let (mut acked, mut got) = (None, Vec::new());
    while acked.is_none() || got.is_empty() {
        match stream.hear().await {
            Told::Acked(done) => acked = Some(done.records),
            Told::Deliveries(some) => got.extend(
                some.deliveries
                    .into_iter()
                    .map(|one| one.record.unwrap().position),
            ),
            _ => {}
        }
    }
    assert_eq!((acked, got), (Some(1), vec![1]));
    let now = standing(&server).await;
    assert_eq!((now.lag, now.in_flight), (Some(1), 1));
    server.stop().await;
}

/// A consumer over a stream.
pub struct Stream {
    say: mpsc::Sender<ConsumeRequest>,
    told: Streaming<proto::ConsumeResponse>,
}

impl Stream {
    pub async fn join(server: &Server, name: &str, credits: u32) -> Self {
        Self::join_beating(server, name, credits, 0).await
    }

    /// One that hears a heartbeat so often; as the server does where it is 0.
    pub async fn join_beating(server: &Server, name: &str, credits: u32, heartbeat_ms: u32) -> Self {
        let (say, said) = mpsc::channel(1_024);
        let join = Say::Join(proto::Join {
            group: GROUP.into(),
            consumer: name.into(),
            credits,
            heartbeat_ms,
            ..Default::default()
        });
        let mut stream = Self {
            told: {
                say.send(ConsumeRequest { message: Some(join) }).await.unwrap();
                let said = tokio_stream::wrappers::ReceiverStream::new(said);
                let told = server.client.subscriptions().consume(said).await;
                told.unwrap().into_inner()
            },
            say,
        };
        assert!(matches!(stream.hear().await, Told::Joined(group) if group.name == GROUP));
        stream
    }

    pub async fn say(&self, message: Say) {
        self.try_say(message).await.unwrap();
    }

    /// Fails where the stream has ended.
    pub async fn try_say(&self, message: Say) -> Result<(), mpsc::error::SendError<ConsumeRequest>> {
        let message = Some(message);
        self.say.send(ConsumeRequest { message }).await
    }

    /// What comes last, where nothing else is to come.
    pub async fn ended(&mut self) -> Result<Option<proto::ConsumeResponse>, tonic::Status> {
        tokio::time::timeout(PATIENCE, self.told.message())
            .await
            .expect("nothing came in time")
    }

    async fn ack(&self, positions: Vec<u64>, through: Option<u64>) {
        let ack = AckRequest {
            positions,
            through,
            ..Default::default()
        };
        self.say(Say::Ack(ack)).await;
    }

    async fn hear(&mut self) -> Told {
        let message = tokio::time::timeout(PATIENCE, self.told.message()).await;
        let message = message.expect("nothing came in time").unwrap();
        message.expect("the stream ended").message.unwrap()
    }

    pub async fn deliveries(&mut self, count: usize) -> Vec<(u64, u32)> {
        let mut deliveries = Vec::new();
        while deliveries.len() < count {
            if let Told::Deliveries(some) = self.hear().await {
                let some = some.deliveries.into_iter();
                deliveries.extend(some.map(|one| (one.record.unwrap().position, one.attempt)));
            }
        }
        deliveries
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_no_more_records_than_credits_and_gives_them_back_when_it_ends() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 6, 6).await;
    create(&server, group()).await;
    let mut one = Stream::join(&server, "one", 2).await;
    assert_eq!(one.deliveries(2).await, [(0, 1), (1, 1)]);
    assert_eq!(standing(&server).await.in_flight, 2);
    one.ack(vec![], Some(1)).await;
    let (mut acked, mut got) = (None, Vec::new());
    while acked.is_none() || got.len() < 2 {
        match one.hear().await {
            Told::Acked(done) => acked = Some(done.records),
            Told::Deliveries(some) => got.extend(some.deliveries),
            _ => {}
        }
    }
    assert_eq!((acked, standing(&server).await.position), (Some(2), 2));
    one.say(Say::Credits(proto::Credits { more: 1 })).await;
    assert_eq!(one.deliveries(1).await, [(4, 1)]);
    drop(one);
    let mut two = Stream::join(&server, "two", 100).await;
    let mut again = two.deliveries(4).await;
    again.sort_unstable();
    assert_eq!(again, [(2, 2), (3, 1), (4, 1), (5, 1)], "the oldest had its turn");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_stream_ends_it_with_a_sentence() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    create(&server, group()).await;
    let mut one = Stream::join(&server, "", 1).await;
    one.say(Say::Credits(proto::Credits { more: 10_000 })).await;
    let ended = tokio::time::timeout(PATIENCE, one.told.message()).await.unwrap();
    let sentence = refused(ended, Code::InvalidArgument, "INVALID_FIELD");
    assert!(sentence.contains("10001 credits"), "{sentence}");
    let mut other = Stream::join(&server, "", 1).await;
    other.say(Say::Join(proto::Join::default())).await;
    let ended = tokio::time::timeout(PATIENCE, other.told.message())
        .await
        .unwrap();
    refused(ended, Code::InvalidArgument, "INVALID_FIELD");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_not_acknowledged_in_time_goes_to_another_consumer() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 2, 2).await;
    let request = CreateGroupRequest {
        ack_timeout_ms: 100,
        ..group()
    };
    create(&server, request).await;
    assert_eq!(pull(&server, "a", 9).await, [(0, 1), (1, 1)]);
    let request = PullRequest {
        group: GROUP.into(),
        consumer: "b".into(),
        wait_ms: 60_000,
        ..Default::default()
    };
    // It comes as soon as the time is over, without anything else happening.
    let pulled = tokio::time::timeout(PATIENCE, server.client.subscriptions().pull(request)).await;
    let deliveries = pulled.unwrap().unwrap().into_inner().deliveries;
    assert_eq!(
        deliveries.iter().map(|one| one.attempt).collect::<Vec<_>>(),
        [2, 2]
    );
    assert_eq!(
        ack(&server, "a", &[0, 1]).await,
        2,
        "done is done, whoever says so"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_made_once_and_forgotten_with_all_that_it_knows() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    create(&server, group()).await;
    pull(&server, "a", 1).await;
    let again = create(&server, group()).await;
    assert_eq!(again.in_flight, 1, "the same one");
    let other = CreateGroupRequest {
        deliveries_max: 7,
        ..group()
    };
    let mut client = server.client.subscriptions();
    refused(
        client.create_group(other).await,
        Code::AlreadyExists,
        "GROUP_EXISTS",
    );
    nack(&server, "a", &[0], NackAction::Park, "").await;
    let listed = client.list_groups(proto::ListGroupsRequest {}).await.unwrap();
    assert_eq!(listed.into_inner().groups.len(), 1);
    let delete = proto::DeleteGroupRequest { name: GROUP.into() };
    client.delete_group(delete.clone()).await.unwrap();
    refused(client.delete_group(delete).await, Code::NotFound, "UNKNOWN_GROUP");
    let made = create(&server, group()).await;
    assert_eq!((made.parked, made.lag), (0, Some(3)));
    server.stop().await;
    let server = Server::start(folder.path()).await;
    assert_eq!(standing(&server).await.parked, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_are_refused_by_their_names() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let cases = [
        (
            CreateGroupRequest {
                name: "Desk".into(),
                ..group()
            },
            "`Desk`",
        ),
        (
            CreateGroupRequest {
                ack_timeout_ms: 99,
                ..group()
            },
            "ack_timeout_ms: 99",
        ),
        (
            CreateGroupRequest {
                deliveries_max: 1_001,
                ..group()
            },
            "deliveries_max: 1001",
        ),
        (
            CreateGroupRequest {
                in_flight_max: 10_001,
                ..group()
            },
            "in_flight_max: 10001",
        ),
        (
            CreateGroupRequest {
                sharing: 9,
                ..group()
            },
            "sharing",
        ),
    ];
    for (request, named) in cases {
        let mut client = server.client.subscriptions();
        let answer = client.create_group(request).await;
        let sentence = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        assert!(sentence.contains(named), "{sentence}");
    }
    let unknown = PullRequest {
        group: "none".into(),
        ..Default::default()
    };
    let mut client = server.client.subscriptions();
    refused(client.pull(unknown).await, Code::NotFound, "UNKNOWN_GROUP");
    server.stop().await;
}

/// Consumers that come and go, forget and refuse, while records arrive and the server is stopped and started: each record is
/// acknowledged at last, none that was acknowledged comes again, and of one entry they come in order.
#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_done_at_last_whatever_consumers_do() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let request = CreateGroupRequest {
        sharing: Sharing::Ordered.into(),
        deliveries_max: 1_000,
        in_flight_max: 20,
        ..group()
    };
    create(&server, request).await;
    let mut seed = 7_u64;
    let mut below = move |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % bound
    };
    let (mut done, mut last) = (BTreeSet::new(), BTreeMap::<String, u64>::new());
    for round in 0..40_u64 {
        if round < 30 {
            server.put(event(&format!("k{round}"))).await;
            server.put(amend(&format!("k{}", below(round + 1)), "IRN")).await;
        }
        if below(6) == 0 {
            server.stop().await;
            server = Server::start(folder.path()).await;
        }
        let request = PullRequest {
            group: GROUP.into(),
            consumer: format!("c{}", below(3)),
            max: 1 + below(12) as u32,
            ..Default::default()
        };
        let consumer = request.consumer.clone();
        let pulled = server.client.subscriptions().pull(request).await.unwrap();
        for delivery in pulled.into_inner().deliveries {
            let record = delivery.record.unwrap();
            let leaf = chancery::record::Leaf::decode(&record.leaf).unwrap();
            assert!(!done.contains(&record.position), "it was acknowledged");
            match below(3) {
                0 => drop(nack(&server, &consumer, &[record.position], NackAction::Retry, "").await),
                _ => {
                    ack(&server, &consumer, &[record.position]).await;
                    done.insert(record.position);
                    let before = last.insert(leaf.key.to_owned(), record.position);
                    assert!(before < Some(record.position), "out of order");
                }
            }
        }
    }
    // Some amendments said what was said before, and are no records.
    let all = server.tail().await;
    assert!(all > 40, "{all}");
    while (done.len() as u64) < all {
        let pulled = pull(&server, "last", 100).await;
        assert!(!pulled.is_empty(), "{} of {all}", done.len());
        for (position, _) in pulled {
            assert!(done.insert(position));
            ack(&server, "last", &[position]).await;
        }
    }
    assert_eq!(standing(&server).await.lag, Some(0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_meanwhile_and_is_no_record_of_the_filter_any_more_is_not_delivered() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("a")).await;
    server.put(event("b")).await;
    let request = CreateGroupRequest {
        filter: "country = PAK".into(),
        records_only: true,
        ..group()
    };
    create(&server, request).await;
    assert_eq!(standing(&server).await.lag, Some(2));
    // It is looked at, and waits to be taken again.
    assert_eq!(pull(&server, "a", 9).await.len(), 2);
    nack(&server, "a", &[0, 1], NackAction::Retry, "").await;
    let erase = proto::EraseRequest {
        entry: Some(proto::EntryKey {
            series: "desk".into(),
            key: "a".into(),
        }),
        authority: "the court".into(),
        explanation: "it is the law".into(),
        reason: "privacy".into(),
        ..Default::default()
    };
    server.client.admin().erase(erase).await.unwrap();
    let delivered = pull(&server, "a", 9).await;
    assert_eq!(
        delivered,
        [(1, 2)],
        "without its content it is no record of the filter"
    );
    assert_eq!(ack(&server, "a", &[1]).await, 1);
    let now = standing(&server).await;
    assert_eq!((now.in_flight, now.ready), (0, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_is_sent_the_parts_that_it_asks_for() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    let request = CreateGroupRequest {
        records_only: true,
        ..group()
    };
    create(&server, request).await;
    server.stop().await;
    std::fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let server = Server::start(folder.path()).await;
    for parts in [
        proto::Parts::Payload,
        proto::Parts::Leaf,
        proto::Parts::LeafAndPayload,
    ] {
        let request = PullRequest {
            group: GROUP.into(),
            parts: parts.into(),
            max: 1,
            ..Default::default()
        };
        let pulled = server.client.subscriptions().pull(request).await.unwrap();
        let record = pulled.into_inner().deliveries.remove(0).record.unwrap();
        assert_eq!(
            record.leaf.is_empty(),
            parts == proto::Parts::Payload,
            "{parts:?}"
        );
        assert_eq!(
            record.payload.is_empty(),
            parts == proto::Parts::Leaf,
            "{parts:?}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_that_the_server_stops() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    create(&server, group()).await;
    let mut stream = Stream::join(&server, "s", 5).await;
    let mut subscriptions = server.client.subscriptions();
    let mut waiting = Box::pin(subscriptions.pull(PullRequest {
        group: GROUP.into(),
        wait_ms: 60_000,
        ..Default::default()
    }));
    // It is sent, and arrives before the call that is sent after it over the same connection.
    assert!(futures::poll!(&mut waiting).is_pending());
    server.tail().await;
    server.tell_to_stop();
    let pulled = tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    refused(pulled, Code::Unavailable, "DRAINING");
    assert!(matches!(stream.hear().await, Told::Draining(_)));
    drop((stream, subscriptions));
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_follows_changes_is_told_of_an_erase_by_its_leaf_alone() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("a")).await;
    create(&server, group()).await;
    let erase = proto::EraseRequest {
        entry: Some(proto::EntryKey {
            series: "desk".into(),
            key: "a".into(),
        }),
        authority: "the court".into(),
        explanation: "nobody may read why".into(),
        ..Default::default()
    };
    let done = server.client.admin().erase(erase).await.unwrap().into_inner();
    let position = done.receipt.unwrap().position;
    let request = PullRequest {
        group: GROUP.into(),
        ..Default::default()
    };
    let pulled = server
        .client
        .subscriptions()
        .pull(request)
        .await
        .unwrap()
        .into_inner();
    let records = pulled
        .deliveries
        .into_iter()
        .map(|delivery| delivery.record.unwrap());
    let told = records
        .into_iter()
        .find(|record| record.position == position)
        .unwrap();
    assert_eq!(told.change(), proto::Change::Leaves);
    assert!(told.payload.is_empty() && !told.leaf.is_empty());
    server.stop().await;
}

/// What is kept in memory is what is kept on the disk, whoever goes away in the midst of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_making_or_forgetting_nobody_waits_for_is_there_or_not_after_a_restart_too() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for at in 0..60_u64 {
        let name = format!("desk-{}", at % 20);
        let subscriptions = server.client.subscriptions();
        let moment = std::time::Duration::from_micros(at * 20);
        let (mut making, mut forgetting) = (subscriptions.clone(), subscriptions);
        let request = CreateGroupRequest {
            name: name.clone(),
            ..group()
        };
        let _ = tokio::time::timeout(moment, making.create_group(request)).await;
        if at % 3 == 0 {
            let request = proto::DeleteGroupRequest { name };
            let _ = tokio::time::timeout(moment, forgetting.delete_group(request)).await;
        }
    }
    // It comes after those: they take turns.
    create(&server, group()).await;
    let names = async |server: &Server| -> Vec<String> {
        let all = server
            .client
            .subscriptions()
            .list_groups(proto::ListGroupsRequest {})
            .await;
        all.unwrap()
            .into_inner()
            .groups
            .into_iter()
            .map(|group| group.name)
            .collect()
    };
    // One whose turn came late was sent before this one, and is not waited for by anybody.
    let mut before = names(&server).await;
    loop {
        create(&server, group()).await;
        let now = names(&server).await;
        if now == before {
            break;
        }
        before = now;
    }
    for name in &before {
        let request = PullRequest {
            group: name.clone(),
            ..Default::default()
        };
        server.client.subscriptions().pull(request).await.unwrap();
    }
    server.stop().await;
    let server = Server::start(folder.path()).await;
    assert_eq!(names(&server).await, before);
    server.stop().await;
}

/// A group of everything, of which so many records may be with consumers.
pub fn settings(in_flight_max: usize) -> Settings {
    Settings {
        name: GROUP.into(),
        filter: Filter::all(),
        mode: Mode::Records,
        rules: Rules {
            sharing: state::Sharing::Shared,
            ack_timeout_ms: 60_000,
            deliveries_max: 5,
            in_flight_max,
        },
    }
}

/// Kept nowhere.
struct Nowhere;

impl KeepGroups for Nowhere {
    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    fn keep(&mut self, _: &[(String, Option<Vec<u8>>)]) -> Result<(), String> {
        Ok(())
    }
}

/// A consumer that waits for room does nothing until there is some.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_can_take_nothing_waits_without_work_however_much_there_is() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3_000, 1_000).await;
    let hub = Arc::new(Hub::new(server.log.clone(), Arc::default(), wire::batch));
    let groups = Groups::open(&server.log, hub, Box::new(Nowhere)).unwrap();
    let settings = settings(1);
    let group = groups
        .create(settings, chancery::subscription::From::Start)
        .await
        .unwrap();
    let pull = |wait| Pull {
        consumer: group.join("anna").consumer.clone(),
        max: 10,
        wait: std::time::Duration::from_millis(wait),
        parts: Parts::Both,
    };
    let first = groups.pull(&group, pull(60_000)).await.unwrap();
    assert_eq!(first.attempts.len(), 1);
    // It is looked at each time that something is told to it, and nothing is.
    let mut polls = 0;
    let mut waiting = std::pin::pin!(groups.pull(&group, pull(300)));
    let second = std::future::poll_fn(|context| {
        polls += 1;
        assert!(polls < 100, "it looks again and again");
        waiting.as_mut().poll(context)
    });
    assert!(second.await.unwrap().attempts.is_empty());
    server.stop().await;
}

/// A consumer that comes back acknowledges what it had before, while the same record is being read for it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_while_it_is_read_for_its_next_delivery_is_not_delivered() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    let hub = Arc::new(Hub::new(server.log.clone(), Arc::default(), wire::batch));
    let groups = Groups::open(&server.log, hub, Box::new(Nowhere)).unwrap();
    let mut settings = settings(10);
    settings.rules.deliveries_max = 1_000;
    let start = chancery::subscription::From::Start;
    let group = groups.create(settings, start).await.unwrap();
    let pull = |consumer: &state::Consumer| Pull {
        consumer: consumer.clone(),
        max: 10,
        wait: std::time::Duration::ZERO,
        parts: Parts::Both,
    };
    let before = group.join("anna");
    let first = groups.pull(&group, pull(&before.consumer)).await.unwrap();
    let done = *first.attempts.keys().min().unwrap();
    drop(before);
    let mut met = false;
    for _ in 0..500 {
        let again = group.join("anna");
        let mut reading = std::pin::pin!(groups.pull(&group, pull(&again.consumer)));
        if futures::poll!(reading.as_mut()).is_ready() {
            // It was read at once, and goes back.
            continue;
        }
        // It has taken the records, and reads them.
        assert_eq!(group.held(&again.consumer), 3);
        let acked = groups
            .ack(&group, &again.consumer, vec![done], None)
            .await
            .unwrap();
        assert_eq!(acked, 1);
        let second = reading.await.unwrap();
        assert!(!second.attempts.contains_key(&done), "{done:?} was acknowledged");
        assert_eq!(second.attempts.len(), 2);
        met = true;
        break;
    }
    assert!(met, "it was never met while it read");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_does_not_begin_at_a_token_of_another_mode() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    let mut feed = server.subscribe(crate::harness::from_start()).await;
    records_until(&mut feed, 3).await;
    let from = Some(proto::SubscribeFrom {
        from: Some(From::ResumeToken(feed.token().clone())),
    });
    let of = |records_only| CreateGroupRequest {
        from: from.clone(),
        records_only,
        ..group()
    };
    let refusal = server.client.subscriptions().create_group(of(true)).await;
    refused(refusal, Code::FailedPrecondition, "TOKEN_OF_ANOTHER_MODE");
    assert_eq!(create(&server, of(false)).await.position, 3);
    server.stop().await;
}

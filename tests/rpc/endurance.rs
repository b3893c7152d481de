//! The client's own endurance: subscriptions that go on over cut connections and restarts, appends whose answers are lost.

use crate::cutting::{Chance, Proxy};
use crate::harness::*;
use chancery::client::{
    AppendError, Client, Event, FeedError, FollowError, Mark, Retry, Subscription, reason,
};
use chancery::record::codec::Act;
use chancery::rpc::proto::subscribe_from::From;
use chancery::rpc::proto::subscribe_response::Message;
use chancery::rpc::proto::subscriptions_server::{Subscriptions, SubscriptionsServer};
use chancery::rpc::proto::{self, SubscribeResponse};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tonic::{Code, Request, Response, Status};

/// As quick as a test is, and as long as it may take.
const RETRY: Retry = Retry {
    wait_first: Duration::from_millis(2),
    wait_max: Duration::from_millis(20),
    within: PATIENCE,
};

fn until(last: u64, filter: &str) -> proto::SubscribeRequest {
    proto::SubscribeRequest {
        until: Some(last),
        filter: filter.to_owned(),
        heartbeat_ms: 100,
        ..from_start()
    }
}

/// The next event. The future is dropped again and again before it has one.
async fn event_of_chance(subscription: &mut Subscription, chance: &mut Chance) -> Option<Event> {
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let moment = Duration::from_micros(chance.below(2_000));
        match tokio::time::timeout(moment, subscription.next()).await {
            Ok(event) => return event.map(Result::unwrap),
            Err(_) => assert!(tokio::time::Instant::now() < patience, "no event came in time"),
        }
    }
}

/// Everything that a feed without cuts brings.
async fn uncut(server: &Server, request: proto::SubscribeRequest) -> Vec<proto::Record> {
    let mut feed = server.subscribe(request).await;
    let mut records = Vec::new();
    while let Some(message) = feed.next().await.unwrap() {
        if let Message::Batch(batch) = message {
            records.extend(batch.records);
        }
    }
    records
}

async fn followed_over_cuts(seed: u64, filter: &str) {
    const BATCHES: u64 = 150;
    const SIZE: u64 = 7;
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let mut cuts = Chance::new(seed);
    // Some connections break before their first message, some after thousands of records.
    let proxy = Proxy::start(&server.address, move || cuts.bytes(64, 14)).await;
    let client = Client::lazy(&proxy.address).unwrap();
    let writing = server.client.clone();
    let writer = tokio::spawn(async move {
        for at in 0..BATCHES {
            let events = (at * SIZE..(at + 1) * SIZE).map(|key| {
                let country = ["PAK", "IRN"][(key % 2) as usize];
                event_of(&format!("key-{key}"), country, "2021-10-13")
            });
            writing.append(batch(events.collect())).await.unwrap();
        }
    });
    let request = until(BATCHES * SIZE - 1, filter);
    let mut subscription = client.follow(request.clone()).retry(RETRY);
    let mut chance = Chance::new(seed + 1_000);
    let (mut records, mut scanned) = (Vec::new(), 0);
    while let Some(event) = event_of_chance(&mut subscription, &mut chance).await {
        match event {
            Event::Record(record) => {
                assert_eq!(subscription.mark().position, record.position + 1);
                records.push(*record);
                if chance.below(20) == 0 {
                    proxy.cut();
                }
            }
            Event::Scanned(mark) => {
                assert!(mark.position >= scanned, "{mark:?} after {scanned}");
                scanned = mark.position;
            }
            _ => {}
        }
    }
    assert_eq!(scanned, BATCHES * SIZE);
    writer.await.unwrap();
    assert!(proxy.connections() > 10, "{} connections", proxy.connections());
    assert_eq!(records, uncut(&server, request).await);
    assert!(subscription.next().await.is_none(), "it has ended");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_connection_is_cut_gets_the_log_once_and_in_order() {
    for seed in 1..=4 {
        followed_over_cuts(seed, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_follower_whose_connection_is_cut_gets_its_records_once_and_in_order() {
    for seed in 5..=6 {
        followed_over_cuts(seed, "country = IRN").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_outlives_servers_that_stop_and_start_again() {
    const LIVES: u64 = 4;
    const EACH: u64 = 30;
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let proxy = Proxy::start(&server.address, || u64::MAX).await;
    let client = Client::lazy(&proxy.address).unwrap();
    let mut subscription = client.follow(until(LIVES * EACH - 1, "")).retry(RETRY);
    let reader = tokio::spawn(async move {
        let (mut positions, mut starts, mut ends, mut losses) = (Vec::new(), 0, 0, 0);
        while let Some(event) = subscription.next().await {
            match event.unwrap() {
                Event::Record(record) => positions.push(record.position),
                Event::Started(_) => starts += 1,
                Event::Draining(_) => ends += 1,
                Event::Lost { .. } => losses += 1,
                _ => {}
            }
        }
        (positions, starts, ends, losses)
    });
    for life in 0..LIVES {
        server.fill(life * EACH, EACH, 5).await;
        if life + 1 < LIVES {
            // Subscribers are told, and nobody answers until the next server stands.
            proxy.lead_to(None);
            server.stop().await;
            server = Server::start(folder.path()).await;
            proxy.lead_to(Some(&server.address));
        }
    }
    let read = tokio::time::timeout(PATIENCE, reader).await.unwrap();
    let (positions, starts, ends, losses) = read.unwrap();
    assert_eq!(positions, (0..LIVES * EACH).collect::<Vec<_>>());
    assert!(
        (1..=LIVES).contains(&starts) && ends < LIVES && losses >= 1,
        "{starts} {ends} {losses}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_died_in_the_midst_of_a_batch_goes_on_with_the_next_record() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 60, 60).await;
    let mut chance = Chance::new(11);
    let (mut saved, mut positions) = (None::<Mark>, Vec::new());
    while positions.len() < 60 {
        let mut subscription = server.client.follow(until(59, "")).retry(RETRY);
        if let Some(mark) = saved.take() {
            subscription = subscription.resume(mark);
        }
        for _ in 0..=chance.below(9) {
            match subscription.next_record().await.unwrap() {
                Some(record) => positions.push(record.position),
                None => break,
            }
        }
        saved = Some(subscription.mark().clone());
    }
    assert_eq!(positions, (0..60).collect::<Vec<_>>());
    let mut ended = server.client.follow(until(59, "")).resume(saved.unwrap());
    assert_eq!(ended.next_record().await.unwrap(), None);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_heal_ends_a_subscription_at_once() {
    let (one, other) = (folder(), folder());
    let server = Server::start(one.path()).await;
    let elsewhere = Server::start(other.path()).await;
    server.fill(0, 3, 3).await;
    let mut subscription = server.client.follow(until(2, ""));
    while subscription.next_record().await.unwrap().is_some() {}
    let mark = subscription.mark().clone();

    let check = async |mut subscription: Subscription, code, why: &str| {
        let Some(Err(FollowError::Refused(status))) = subscription.next().await else {
            panic!("not refused: {subscription:?}");
        };
        assert_eq!(
            (status.code(), reason(&status).as_deref()),
            (code, Some(why)),
            "{status:?}"
        );
        assert!(subscription.next().await.is_none(), "it has ended");
    };
    let again = elsewhere.client.follow(from_start()).resume(mark.clone());
    check(again, Code::FailedPrecondition, "TOKEN_OF_ANOTHER_LOG").await;
    let again = server.client.follow(until(9, "country = PAK")).resume(mark);
    check(again, Code::FailedPrecondition, "TOKEN_OF_ANOTHER_FILTER").await;
    let unreadable = server.client.follow(until(9, "country ="));
    check(unreadable, Code::InvalidArgument, "INVALID_FILTER").await;
    elsewhere.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_is_given_up_after_the_time_that_was_set() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let address = server.address.clone();
    server.stop().await;
    let retry = Retry {
        within: Duration::from_millis(200),
        ..RETRY
    };
    let begun = std::time::Instant::now();
    let client = Client::lazy(&address).unwrap();
    let ended = client.follow(from_start()).retry(retry).next_record().await;
    let Err(FollowError::GivenUp(status)) = ended else {
        panic!("not given up: {ended:?}");
    };
    assert_eq!(status.code(), Code::Unavailable);
    assert!(begun.elapsed() >= retry.within - retry.wait_max);
    let refused = client.append_until_known(batch(vec![event("k")]), retry).await;
    // Nobody was reached, so that nobody can have written it.
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
}

/// A server that answers each call with the next of its feeds.
struct Scripted {
    feeds: Vec<Vec<Message>>,
    calls: AtomicUsize,
}

/// Calls that no script has.
macro_rules! not_scripted {
    ($($name:ident($request:ident) -> $response:ty;)*) => {$(
        fn $name<'life, 'call>(
            &'life self,
            _: Request<proto::$request>,
        ) -> futures::future::BoxFuture<'call, Result<Response<$response>, Status>>
        where
            'life: 'call,
            Self: 'call,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        }
    )*};
}

#[tonic::async_trait]
impl Subscriptions for Scripted {
    type SubscribeStream = BoxStream<'static, Result<SubscribeResponse, Status>>;
    type ConsumeStream = BoxStream<'static, Result<proto::ConsumeResponse, Status>>;

    not_scripted! {
        create_group(CreateGroupRequest) -> proto::ConsumerGroup;
        get_group(GetGroupRequest) -> proto::ConsumerGroup;
        list_groups(ListGroupsRequest) -> proto::ListGroupsResponse;
        delete_group(DeleteGroupRequest) -> proto::DeleteGroupResponse;
        pull(PullRequest) -> proto::PullResponse;
        ack(AckRequest) -> proto::AckResponse;
        nack(NackRequest) -> proto::NackResponse;
        extend(ExtendRequest) -> proto::ExtendResponse;
        list_parked(ListParkedRequest) -> proto::ListParkedResponse;
        replay_parked(ReplayParkedRequest) -> proto::ReplayParkedResponse;
        drop_parked(DropParkedRequest) -> proto::DropParkedResponse;
    }

    async fn consume(
        &self,
        _: Request<tonic::Streaming<proto::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        Err(Status::unimplemented("consume"))
    }

    async fn subscribe(
        &self,
        _: Request<proto::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let feed = self.feeds.get(call).cloned().unwrap_or_default();
        let messages = feed.into_iter().map(|message| {
            Ok(SubscribeResponse {
                message: Some(message),
            })
        });
        let cut = futures::stream::iter([Err(Status::unavailable("cut"))]);
        Ok(Response::new(futures::stream::iter(messages).chain(cut).boxed()))
    }
}

async fn scripted(feeds: Vec<Vec<Message>>) -> Client {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let calls = Scripted {
        feeds,
        calls: AtomicUsize::new(0),
    };
    let server = tonic::transport::Server::builder().add_service(SubscriptionsServer::new(calls));
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(server.serve_with_incoming(incoming));
    Client::connect(&address).await.unwrap()
}

fn started(from: u64) -> Message {
    Message::Started(proto::Started {
        from,
        resume_token: format!("before {from}").into(),
        ..Default::default()
    })
}

fn scanned(first_scanned: u64, scanned_through: u64) -> Message {
    let record = |position| proto::Record {
        position,
        ..Default::default()
    };
    Message::Batch(proto::Batch {
        records: (first_scanned..scanned_through).map(record).collect(),
        first_scanned,
        scanned_through,
        resume_token: format!("before {scanned_through}").into(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_breaks_its_promise_ends_a_subscription() {
    let check = async |feeds: Vec<Vec<Message>>, expected: &[u64]| {
        let mut subscription = scripted(feeds).await.follow(from_start()).retry(RETRY);
        let mut positions = Vec::new();
        let error = loop {
            match subscription.next_record().await {
                Ok(record) => positions.push(record.expect("it ended without a word").position),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, FollowError::Broken(FeedError::Gap(_))),
            "{error:?}"
        );
        assert_eq!(positions, expected);
        assert!(subscription.next().await.is_none(), "it has ended");
    };
    let first = vec![started(0), scanned(0, 3)];
    // Within a feed, and from one feed to the next: skipped, and repeated.
    check(vec![vec![started(0), scanned(0, 3), scanned(4, 5)]], &[0, 1, 2]).await;
    check(vec![first.clone(), vec![started(4)]], &[0, 1, 2]).await;
    check(vec![first.clone(), vec![started(2)]], &[0, 1, 2]).await;
    check(vec![first, vec![started(3), scanned(2, 5)]], &[0, 1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_says_nothing_is_given_up_too() {
    let client = scripted((0..10_000).map(|_| vec![started(0)]).collect()).await;
    let retry = Retry {
        within: Duration::from_millis(200),
        ..RETRY
    };
    let ended = client.follow(from_start()).retry(retry).next_record().await;
    assert!(matches!(ended, Err(FollowError::GivenUp(_))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_was_lost_is_recorded_once() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let mut cuts = Chance::new(21);
    let proxy = Proxy::start(&server.address, move || cuts.bytes(16, 6)).await;
    let client = Client::lazy(&proxy.address).unwrap();
    let mut positions = Vec::new();
    for at in 0..60 {
        // Without a key each attempt would be an entry of its own.
        let keyless = record(
            Act::Create,
            "",
            Some(content(&format!("note {at}"), "PAK", "2021-10-13")),
        );
        let appended = client
            .append_until_known(batch(vec![keyless]), RETRY)
            .await
            .unwrap();
        positions.push(appended.receipts[0].position);
    }
    assert!(proxy.connections() > 20, "{} connections", proxy.connections());
    assert_eq!(positions, (0..60).collect::<Vec<_>>());
    assert_eq!(server.tail().await, 60);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_unknown_fate_comes_back_with_the_name_that_asks_for_it() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    // What stands in the way of every answer lets every request through.
    let proxy = Proxy::start(&server.address, || 60).await;
    let client = Client::lazy(&proxy.address).unwrap();
    let retry = Retry {
        within: Duration::from_millis(300),
        ..RETRY
    };
    let keyless = || {
        batch(vec![record(
            Act::Create,
            "",
            Some(content("a", "PAK", "2021-10-13")),
        )])
    };
    let error = client.append_until_known(keyless(), retry).await.unwrap_err();
    let AppendError::FateUnknown { request_id, .. } = error else {
        panic!("its fate is known: {error:?}");
    };
    let again = proto::AppendRequest {
        request_id,
        ..keyless()
    };
    let appended = server.client.append_until_known(again, RETRY).await.unwrap();
    assert_eq!(
        (appended.receipts[0].position, server.tail().await),
        (0, 1),
        "recorded once"
    );

    // What the server decided is said at once.
    let empty = server.client.append_until_known(batch(Vec::new()), RETRY).await;
    let Err(AppendError::Refused(status)) = empty else {
        panic!("not refused: {empty:?}");
    };
    refused(Err::<(), _>(*status), Code::InvalidArgument, "EMPTY_BATCH");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_from_the_tail_begins_with_what_comes() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 5, 5).await;
    let request = proto::SubscribeRequest {
        from: Some(proto::SubscribeFrom {
            from: Some(From::Tail(true)),
        }),
        ..Default::default()
    };
    let mut subscription = server.client.follow(request).retry(RETRY);
    while !matches!(subscription.next().await, Some(Ok(Event::CaughtUp(_)))) {}
    server.fill(5, 1, 1).await;
    assert_eq!(subscription.next_record().await.unwrap().unwrap().position, 5);
    server.stop().await;
}

//! The client's consumer of a group, over connections that are cut and servers that start again.

use crate::cutting::{Chance, Proxy};
use crate::harness::*;
use chancery::client::{Client, ConsumeError, Consumer, Refusal, Retry, reason};
use chancery::rpc::proto;
use futures::StreamExt;
use std::collections::BTreeSet;
use std::time::Duration;
use tonic::Code;

const GROUP: &str = "desk";
const RETRY: Retry = Retry {
    wait_first: Duration::from_millis(2),
    wait_max: Duration::from_millis(20),
    within: PATIENCE,
};

async fn create(server: &Server, request: proto::CreateGroupRequest) {
    let request = proto::CreateGroupRequest {
        name: GROUP.into(),
        from: from_start().from,
        ..request
    };
    server.client.subscriptions().create_group(request).await.unwrap();
}

async fn standing(server: &Server) -> proto::ConsumerGroup {
    let request = proto::GetGroupRequest { name: GROUP.into() };
    let standing = server.client.subscriptions().get_group(request).await;
    standing.unwrap().into_inner()
}

async fn take(consumer: &mut Consumer) -> (u64, u32) {
    let next = tokio::time::timeout(PATIENCE, consumer.next()).await;
    let delivery = next.expect("a delivery comes in time").unwrap().unwrap();
    (delivery.record.unwrap().position, delivery.attempt)
}

/// Works on records until so many are done. What was acknowledged must not come again.
async fn work(consumer: &mut Consumer, done: &mut BTreeSet<u64>, all: u64, chance: &mut Chance) {
    while (done.len() as u64) < all {
        let (position, _) = take(consumer).await;
        assert!(
            !done.contains(&position),
            "{position} was acknowledged and came again"
        );
        if chance.below(8) == 0 {
            // One that was given to it again meanwhile, or that it does not have any more, comes again.
            consumer
                .nack(&[position], Refusal::Again(Duration::ZERO), "later")
                .await
                .unwrap();
            continue;
        }
        let new = consumer.ack(&[position]).await.unwrap();
        assert!(new <= 1);
        done.insert(position);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_whose_connection_is_cut_does_every_record_and_none_again() {
    for seed in 1..=3 {
        let folder = folder();
        let server = Server::start(folder.path()).await;
        server.fill(0, 120, 40).await;
        let rules = proto::CreateGroupRequest {
            deliveries_max: 1_000,
            ..Default::default()
        };
        create(&server, rules).await;
        let mut cuts = Chance::new(seed);
        let proxy = Proxy::start(&server.address, move || cuts.bytes(256, 5)).await;
        let client = Client::lazy(&proxy.address).unwrap();
        let mut consumer = client.consume(GROUP).named("anna").credits(10).retry(RETRY);
        let mut done = BTreeSet::new();
        work(&mut consumer, &mut done, 120, &mut Chance::new(seed + 100)).await;
        assert!(proxy.connections() > 5, "{} connections", proxy.connections());
        assert_eq!(standing(&server).await.lag, Some(0));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_outlives_servers_and_the_loss_of_sled_and_the_views() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let proxy = Proxy::start(&server.address, || u64::MAX).await;
    create(&server, Default::default()).await;
    let client = Client::lazy(&proxy.address).unwrap();
    let mut consumer = client.consume(GROUP).retry(RETRY);
    let (mut done, mut chance) = (BTreeSet::new(), Chance::new(7));
    for life in 0..3 {
        server.fill(life * 20, 20, 5).await;
        let (position, _) = take(&mut consumer).await;
        consumer
            .nack(&[position], Refusal::Park, "no such ministry")
            .await
            .unwrap();
        done.insert(position);
        work(&mut consumer, &mut done, (life + 1) * 20, &mut chance).await;
        proxy.lead_to(None);
        server.stop().await;
        for lost in ["sled", "views"] {
            std::fs::remove_dir_all(folder.path().join(lost)).unwrap();
        }
        server = Server::start(folder.path()).await;
        proxy.lead_to(Some(&server.address));
    }
    let group = standing(&server).await;
    assert_eq!((done.len(), group.lag, group.parked), (60, Some(0), 3));
    let request = proto::ListParkedRequest {
        group: GROUP.into(),
        ..Default::default()
    };
    let parked = server.client.subscriptions().list_parked(request).await.unwrap();
    assert!(
        parked
            .into_inner()
            .parked
            .iter()
            .all(|one| one.reason.contains("no such ministry"))
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_record_is_said_and_answered() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 5, 5).await;
    create(&server, Default::default()).await;
    let mut consumer = server.client.consume(GROUP).named("anna").retry(RETRY);
    for position in 0..5 {
        assert_eq!(take(&mut consumer).await, (position, 1));
    }
    assert_eq!(consumer.ack(&[0, 1]).await.unwrap(), 2);
    assert_eq!(consumer.ack(&[0]).await.unwrap(), 0, "it was done");
    assert_eq!(
        consumer
            .nack(&[2], Refusal::Park, "no such ministry")
            .await
            .unwrap(),
        1
    );
    assert_eq!(consumer.nack(&[3], Refusal::Skip, "").await.unwrap(), 1);
    assert_eq!(
        consumer
            .nack(&[4], Refusal::Again(Duration::ZERO), "")
            .await
            .unwrap(),
        1
    );
    assert_eq!(take(&mut consumer).await, (4, 2));
    consumer.extend(&[]);
    let group = standing(&server).await;
    assert_eq!((group.parked, group.in_flight, group.lag), (1, 1, Some(1)));
    assert_eq!(group.consumers[0].name, "anna");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_heal_is_said_at_once_and_the_consumer_goes_on() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 1, 1).await;
    let mut lost = server.client.consume("nowhere").retry(RETRY);
    let Some(Err(ConsumeError::Refused(status))) = lost.next().await else {
        panic!("not refused: {lost:?}");
    };
    assert_eq!(
        (status.code(), reason(&status).as_deref()),
        (Code::NotFound, Some("UNKNOWN_GROUP"))
    );

    create(&server, Default::default()).await;
    let mut consumer = server.client.consume(GROUP).retry(RETRY);
    assert_eq!(take(&mut consumer).await, (0, 1));
    let long = "why ".repeat(1_000);
    let refused = consumer.nack(&[0], Refusal::Park, &long).await;
    let Err(ConsumeError::Refused(status)) = refused else {
        panic!("not refused: {refused:?}");
    };
    assert_eq!(status.code(), Code::InvalidArgument);
    // Its stream has ended with the error, so that it has the record anew.
    assert_eq!(take(&mut consumer).await.0, 0);
    assert_eq!(consumer.ack(&[0]).await.unwrap(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_consumer_has_goes_to_others_when_it_is_dropped_and_a_dropped_call_loses_nothing() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    create(&server, Default::default()).await;
    let mut first = server.client.consume(GROUP).retry(RETRY);
    // Nothing is there: the call is dropped in the midst of waiting.
    let waited = tokio::time::timeout(Duration::from_millis(5), first.next()).await;
    assert!(waited.is_err());
    server.fill(0, 2, 2).await;
    assert_eq!(take(&mut first).await, (0, 1));
    // An acknowledgement that nobody waits for is said all the same, or not at all.
    drop(tokio::time::timeout(Duration::ZERO, first.ack(&[0])).await);
    assert_eq!(take(&mut first).await, (1, 1));
    assert!(first.ack(&[0]).await.unwrap() <= 1);
    drop(first);
    let mut second = server.client.consume(GROUP).retry(RETRY);
    assert_eq!(take(&mut second).await, (1, 2));
    assert_eq!(second.ack(&[1]).await.unwrap(), 1);
    assert_eq!(standing(&server).await.lag, Some(0));
    server.stop().await;
}

/// A server that hands out records and can keep nothing is no server that does well.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_no_disk_takes_is_given_up_after_the_time_that_was_set() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 5, 5).await;
    create(&server, Default::default()).await;
    let retry = Retry {
        within: Duration::from_millis(300),
        ..RETRY
    };
    let mut consumer = server.client.consume(GROUP).credits(1).retry(retry);
    let (position, _) = take(&mut consumer).await;
    let (groups, away) = (
        folder.path().join("state/groups"),
        folder.path().join("state/away"),
    );
    std::fs::rename(&groups, &away).unwrap();
    std::fs::write(&groups, "no folder").unwrap();
    let acked = tokio::time::timeout(PATIENCE, consumer.ack(&[position])).await;
    let Err(ConsumeError::GivenUp(status)) = acked.expect("it is given up") else {
        panic!("not given up");
    };
    assert_eq!(reason(&status).as_deref(), Some("GROUP_NOT_KEPT"));
    std::fs::remove_file(&groups).unwrap();
    std::fs::rename(&away, &groups).unwrap();
    // What was said last is said again.
    tokio::time::timeout(PATIENCE, consumer.answered())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(standing(&server).await.position, position + 1);
    server.stop().await;
}

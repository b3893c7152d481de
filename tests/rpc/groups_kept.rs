//! Consumer groups over restarts, kills, restored logs and damage; and beside a feed of the same filter.

use crate::groups::*;
use crate::harness::*;
use chancery::record::codec::Act;
use chancery::rpc::proto::{self, CreateGroupRequest, NackAction, PullRequest};
use futures::StreamExt;
use std::path::Path;
use std::time::Duration;
use tonic::Code;

/// What the disk has when the daemon is killed now: nothing is being written.
fn killed(folder: &Path) -> tempfile::TempDir {
    let image = tempfile::tempdir().unwrap();
    copy(folder, image.path());
    image
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        match item.file_type().unwrap().is_dir() {
            true => copy(&item.path(), &target),
            false => drop(std::fs::copy(item.path(), target).unwrap()),
        }
    }
}

fn key(key: &str) -> Option<proto::EntryKey> {
    Some(proto::EntryKey {
        series: "desk".into(),
        key: key.into(),
    })
}

fn erase(of: &str) -> proto::EraseRequest {
    proto::EraseRequest {
        entry: key(of),
        authority: "the court".into(),
        reason: "privacy".into(),
        ..Default::default()
    }
}

/// Entries that are retracted, held while they are, and erased: acts of which a filter finds neither what was before nor after.
async fn acts_of_all_kinds(server: &Server) {
    for one in ["a", "b", "c"] {
        server.put(event(one)).await;
    }
    server.put(amend("a", "IRN")).await;
    server.put(act(Act::Retract, "a")).await;
    let mut admin = server.client.admin();
    let hold = proto::HoldRequest {
        entry: key("a"),
        authority: "inquiry 7".into(),
        ..Default::default()
    };
    admin.hold(hold).await.unwrap();
    let release = proto::ReleaseRequest {
        entry: key("a"),
        authority: "inquiry 7".into(),
        ..Default::default()
    };
    admin.release(release).await.unwrap();
    admin.erase(erase("b")).await.unwrap();
    server.put(act(Act::Reinstate, "a")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_least_once_a_group_is_delivered_what_a_feed_of_its_filter_is() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    acts_of_all_kinds(&server).await;
    let tail = server.tail().await;
    for filter in ["", "series = desk", "country = PAK", "act = hold"] {
        for records_only in [false, true] {
            let mut feed = server
                .subscribe(proto::SubscribeRequest {
                    filter: filter.into(),
                    records_only,
                    heartbeat_ms: 100,
                    ..from_start()
                })
                .await;
            let expected = positions(&records_until(&mut feed, tail).await);
            let request = CreateGroupRequest {
                filter: filter.into(),
                records_only,
                ..group()
            };
            create(&server, request).await;
            let lag = standing(&server).await.lag;
            assert_eq!(lag, Some(expected.len() as u64), "`{filter}` {records_only}");
            let delivered = pull(&server, "a", 100).await;
            let delivered: Vec<u64> = delivered.into_iter().map(|(at, _)| at).collect();
            assert_eq!(delivered, expected, "`{filter}` {records_only}");
            let name = proto::DeleteGroupRequest { name: group().name };
            server.client.subscriptions().delete_group(name).await.unwrap();
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_meanwhile_is_delivered_without_its_content() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("a")).await;
    let request = CreateGroupRequest {
        filter: "series = desk".into(),
        records_only: true,
        ..group()
    };
    create(&server, request).await;
    assert_eq!(pull(&server, "a", 9).await, [(0, 1)]);
    nack(&server, "a", &[0], NackAction::Retry, "").await;
    server.client.admin().erase(erase("a")).await.unwrap();
    let request = PullRequest {
        group: group().name,
        max: 1,
        ..Default::default()
    };
    let pulled = server.client.subscriptions().pull(request).await.unwrap();
    let record = pulled.into_inner().deliveries.remove(0).record.unwrap();
    assert_eq!(record.position, 0);
    assert!(record.erased && record.payload.is_empty() && !record.leaf.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_before_a_kill_and_acknowledged_after_it_never_comes_again() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    // The group is kept as it was made: it had looked at nothing then.
    create(&server, group()).await;
    server.fill(0, 10, 10).await;
    assert_eq!(pull(&server, "a", 4).await.len(), 4);
    let image = killed(folder.path());
    server.stop().await;
    let server = Server::start(image.path()).await;
    assert_eq!(ack(&server, "a", &[1, 3]).await, 2);
    assert_eq!(ack(&server, "a", &[1, 3]).await, 0, "once is enough");
    let image = killed(image.path());
    let again = |server: Server| async move {
        let delivered = pull(&server, "b", 100).await;
        let delivered: Vec<u64> = delivered.into_iter().map(|(at, _)| at).collect();
        assert_eq!(delivered, [0, 2, 4, 5, 6, 7, 8, 9]);
        server.stop().await;
    };
    again(server).await;
    again(Server::start(image.path()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_keeps_how_often_each_record_was_delivered() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    create(&server, group()).await;
    assert_eq!(pull(&server, "a", 2).await, [(0, 1), (1, 1)]);
    server.stop().await;
    let server = Server::start(folder.path()).await;
    assert_eq!(pull(&server, "a", 3).await, [(0, 2), (1, 2), (2, 1)]);
    server.stop().await;
}

/// Whether what is kept of groups names a parked record.
fn keeps_parked(folder: &Path) -> bool {
    let name = b"desk/parked/";
    let files = std::fs::read_dir(folder.join("state/groups")).unwrap();
    files.flatten().any(|file| {
        let bytes = std::fs::read(file.path()).unwrap();
        bytes.windows(name.len()).any(|part| part == name)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_parked_since_its_consumer_went_away_is_parked_after_a_kill() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    let request = CreateGroupRequest {
        deliveries_max: 1,
        ..group()
    };
    create(&server, request).await;
    let mut stream = Stream::join(&server, "s", 1).await;
    assert_eq!(stream.deliveries(1).await, [(0, 1)]);
    drop(stream);
    for _ in 0..3_000 {
        if keeps_parked(folder.path()) {
            break;
        }
        // It is kept by a thread of its own, for which nobody waits.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let image = killed(folder.path());
    server.stop().await;
    let server = Server::start(image.path()).await;
    assert_eq!(standing(&server).await.parked, 1);
    assert_eq!(pull(&server, "a", 9).await, [(1, 1), (2, 1)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_again_and_again_counts_against_the_oldest_record_alone() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 9, 9).await;
    let request = CreateGroupRequest {
        deliveries_max: 2,
        ..group()
    };
    create(&server, request).await;
    for parked in [0, 0, 1, 1, 2] {
        let mut stream = Stream::join(&server, "s", 100).await;
        let delivered = stream.deliveries(9 - parked).await;
        assert!(
            delivered[1..].iter().all(|(_, attempt)| *attempt == 1),
            "{delivered:?}"
        );
        drop(stream);
        // Where it is gone nobody has anything.
        for _ in 0..3_000 {
            if standing(&server).await.in_flight == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    assert_eq!(standing(&server).await.parked, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_consumer_had_that_leaves_in_good_order_does_not_count_as_delivered() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 6, 6).await;
    let request = CreateGroupRequest {
        deliveries_max: 1,
        ..group()
    };
    create(&server, request).await;
    for position in [0, 1, 2] {
        let mut consumer = server.client.consume(&group().name).credits(5);
        let delivery = consumer.next().await.unwrap().unwrap();
        assert_eq!(
            (delivery.record.unwrap().position, delivery.attempt),
            (position, 1)
        );
        consumer.ack(&[position]).await.unwrap();
        consumer.leave().await;
    }
    assert_eq!(standing(&server).await.parked, 0);
    // So does a server that stops with those who work over streams.
    let mut stream = Stream::join(&server, "s", 5).await;
    assert_eq!(stream.deliveries(3).await.len(), 3);
    server.stop().await;
    drop(stream);
    let server = Server::start(folder.path()).await;
    assert_eq!(standing(&server).await.parked, 0);
    assert_eq!(pull(&server, "a", 9).await, [(3, 1), (4, 1), (5, 1)]);
    server.stop().await;
}

async fn is_stopped(server: &Server) -> String {
    let request = PullRequest {
        group: group().name,
        ..Default::default()
    };
    let mut client = server.client.subscriptions();
    refused(
        client.pull(request).await,
        Code::FailedPrecondition,
        "GROUP_STOPPED",
    );
    let request = proto::AckRequest {
        group: group().name,
        positions: vec![0],
        ..Default::default()
    };
    refused(
        client.ack(request).await,
        Code::FailedPrecondition,
        "GROUP_STOPPED",
    );
    standing(server).await.stopped
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_a_log_that_was_put_back_from_an_older_copy_is_stopped() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 5, 5).await;
    server.stop().await;
    let older = killed(folder.path());
    let server = Server::start(folder.path()).await;
    server.fill(5, 5, 5).await;
    create(&server, group()).await;
    assert_eq!(pull(&server, "a", 100).await.len(), 10);
    let all: Vec<u64> = (0..10).collect();
    assert_eq!(ack(&server, "a", &all).await, 10);
    server.stop().await;

    copy(
        &folder.path().join("state/groups"),
        &older.path().join("state/groups"),
    );
    let server = Server::start(older.path()).await;
    let why = is_stopped(&server).await;
    assert!(
        why.contains("up to position 10") && why.contains("ends at 5"),
        "{why}"
    );
    // Others take their places, and more.
    server.fill(20, 10, 10).await;
    server.stop().await;
    let server = Server::start(older.path()).await;
    let why = is_stopped(&server).await;
    assert!(why.contains("other records below position 10"), "{why}");

    let name = proto::DeleteGroupRequest { name: group().name };
    server.client.subscriptions().delete_group(name).await.unwrap();
    create(&server, group()).await;
    assert_eq!(pull(&server, "a", 100).await.len(), 15);
    server.stop().await;
    // The log that it was made for goes on with it.
    let server = Server::start(folder.path()).await;
    assert_eq!(
        (standing(&server).await.stopped, standing(&server).await.lag),
        (String::new(), Some(0))
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_groups_cannot_be_read_everything_else_is_served() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    create(&server, group()).await;
    server.stop().await;
    for file in std::fs::read_dir(folder.path().join("state/groups"))
        .unwrap()
        .flatten()
    {
        std::fs::write(file.path(), b"nothing that anybody wrote here").unwrap();
    }
    let server = Server::start(folder.path()).await;
    server.put(event("a")).await;
    let mut client = server.client.subscriptions();
    let name = proto::GetGroupRequest { name: group().name };
    let why = refused(client.get_group(name).await, Code::DataLoss, "GROUPS_UNREADABLE");
    assert!(
        why.contains("state/groups") && why.contains("put `state/groups` back"),
        "{why}"
    );
    let list = proto::ListGroupsRequest {};
    refused(
        client.list_groups(list).await,
        Code::DataLoss,
        "GROUPS_UNREADABLE",
    );
    refused(
        client.create_group(group()).await,
        Code::DataLoss,
        "GROUPS_UNREADABLE",
    );
    server.stop().await;
}

/// Whoever asks is told at once that a record is parked, and so it is kept at once: also where that is found out by one who waits.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_while_a_consumer_waits_is_parked_after_a_kill() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 1, 1).await;
    let request = CreateGroupRequest {
        deliveries_max: 1,
        ack_timeout_ms: 100,
        ..group()
    };
    create(&server, request).await;
    assert_eq!(pull(&server, "a", 1).await, [(0, 1)]);
    let waits = pull_waiting(&server, "b", 1, 60_000);
    let kept = async {
        // Nothing is asked of the daemon, since an answer would have it kept.
        while !keeps_parked(folder.path()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = waits => panic!("nothing is delivered"),
        kept = tokio::time::timeout(PATIENCE, kept) => kept.expect("it is kept while one waits"),
    }
    let image = killed(folder.path());
    server.stop().await;
    let server = Server::start(image.path()).await;
    assert_eq!(
        (standing(&server).await.parked, pull(&server, "b", 1).await),
        (1, vec![])
    );
    server.stop().await;
}

/// What a `Pull` took counts, also where the daemon is started again; what was with a stream then does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_delivered_for_the_last_time_is_parked_at_a_start() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 3, 3).await;
    let request = CreateGroupRequest {
        deliveries_max: 1,
        ..group()
    };
    create(&server, request).await;
    assert_eq!(pull(&server, "a", 1).await, [(0, 1)]);
    let mut stream = Stream::join(&server, "s", 2).await;
    assert_eq!(stream.deliveries(2).await, [(1, 1), (2, 1)]);
    // With this acknowledgement it is kept what everybody has.
    assert_eq!(ack(&server, "s", &[2]).await, 1);
    let image = killed(folder.path());
    server.stop().await;
    drop(stream);
    for path in [folder.path(), image.path()] {
        let server = Server::start(path).await;
        let list = proto::ListParkedRequest {
            group: group().name,
            ..Default::default()
        };
        let listed = server.client.subscriptions().list_parked(list).await;
        let parked = listed.unwrap().into_inner().parked;
        let parked: Vec<(u64, &str)> = parked
            .iter()
            .map(|one| (one.position, one.reason.as_str()))
            .collect();
        let why = "delivered once, then: the daemon was started again before it was acknowledged";
        assert_eq!(parked, [(0, why)]);
        assert_eq!(pull(&server, "b", 9).await, [(1, 1)]);
        // It was at work on it all the time, and has done it now.
        assert_eq!(ack(&server, "a", &[0]).await, 1);
        assert_eq!(standing(&server).await.parked, 0);
        server.stop().await;
    }
}

//! That nothing is delayed on purpose to keep what groups do.

use crate::groups::settings;
use crate::harness::*;
use chancery::log::{Batch, Door, Draft, Log};
use chancery::record::codec::{Payload, encode_payload};
use chancery::record::{self, Key, Position, Principal, Reason, Series};
use chancery::rpc::wire;
use chancery::store::open::{ArchiveOptions, open};
use chancery::subscription::group::state::Consumer;
use chancery::subscription::group::{Group, Groups, KeepGroups, Pull};
use chancery::subscription::{From, Hub};
use chancery::view::Parts;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Runtime};

/// Counts how often something is kept, and keeps it nowhere.
struct Counted(Arc<AtomicUsize>);

impl KeepGroups for Counted {
    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    fn keep(&mut self, _: &[(String, Option<Vec<u8>>)]) -> Result<(), String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

async fn append(log: &Log, count: usize) {
    let draft = |at: usize| Draft {
        act: record::Act::Create,
        kind: None,
        series: Series::new("desk").unwrap(),
        key: Some(Key::new(&format!("key-{at}")).unwrap()),
        payload: encode_payload(&Payload {
            content: Some(content("talks", "PAK", "2021-10-13")),
            ..Payload::default()
        }),
        expected_revision: None,
        reason: Reason::default(),
        relation: None,
        erased: None,
    };
    let batch = Batch {
        records: (0..count).map(draft).collect(),
        request_id: None,
        expected_tail: None,
        fail_if_match: None,
        validate_only: false,
        principal: Principal::anonymous(),
        door: Door::Archive,
    };
    log.append(batch).await.unwrap();
}

async fn taken(groups: &Groups, group: &Arc<Group>, max: usize, consumer: &Consumer) -> Vec<Position> {
    let pull = Pull {
        consumer: consumer.clone(),
        max,
        wait: PATIENCE,
        parts: Parts::Both,
    };
    let delivered = groups.pull(group, pull).await.unwrap();
    delivered.attempts.into_keys().collect()
}

/// A runtime that panics where anything asks it for a timer.
fn without_timers() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

#[test]
fn an_acknowledgement_is_kept_once_and_waits_for_no_timer() {
    let folder = folder();
    let archive = open(ArchiveOptions {
        reserve_bytes: 1 << 20,
        ..ArchiveOptions::new(folder.path())
    })
    .unwrap();
    let keeps = Arc::new(AtomicUsize::new(0));
    let hub = Arc::new(Hub::new(archive.log.clone(), Arc::default(), wire::batch));
    let groups = Groups::open(&archive.log, hub, Box::new(Counted(Arc::clone(&keeps)))).unwrap();
    let timed = Builder::new_current_thread().enable_all().build().unwrap();
    let (group, member, positions) = timed.block_on(async {
        append(&archive.log, 20).await;
        let group = groups.create(settings(100), From::Start).await.unwrap();
        let member = group.join("anna");
        let positions = taken(&groups, &group, 20, &member.consumer).await;
        (group, member, positions)
    });
    assert_eq!(positions.len(), 20);
    let untimed = without_timers();
    for position in positions {
        let before = keeps.load(Ordering::SeqCst);
        let acked = untimed.block_on(groups.ack(&group, &member.consumer, vec![position], None));
        assert_eq!(acked.unwrap(), 1);
        assert_eq!(keeps.load(Ordering::SeqCst), before + 1);
    }
    drop(member);
    archive.log.close();
}

/// Those who look for records take turns, whoever gives up meanwhile; and what one has found the next one need not look for.
#[test]
fn what_one_has_looked_for_who_gave_up_is_not_looked_for_again() {
    let folder = folder();
    let archive = open(ArchiveOptions {
        reserve_bytes: 1 << 20,
        ..ArchiveOptions::new(folder.path())
    })
    .unwrap();
    let hub = Arc::new(Hub::new(archive.log.clone(), Arc::default(), wire::batch));
    let groups = Groups::open(&archive.log, hub, Box::new(Counted(Arc::default()))).unwrap();
    let with_one_thread = Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    with_one_thread.block_on(async {
        append(&archive.log, 1).await;
        let group = groups.create(settings(100), From::Start).await.unwrap();
        let members = ["anna", "ben"].map(|name| group.join(name));
        let pull = |at: usize| {
            let pull = Pull {
                consumer: members[at].consumer.clone(),
                max: 1,
                wait: PATIENCE,
                parts: Parts::Both,
            };
            Box::pin(groups.pull(&group, pull))
        };
        // The thread does one thing after the other: this, what the first one looks for, this, and whatever else is looked for.
        let busy = || {
            let (end, ended) = std::sync::mpsc::channel::<()>();
            drop(tokio::task::spawn_blocking(move || ended.recv()));
            end
        };
        let before = busy();
        let mut first = pull(0);
        assert!(futures::poll!(first.as_mut()).is_pending());
        drop(first);
        let behind = busy();
        let mut second = pull(1);
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(before);
        let taken = async {
            while group.held(&members[1].consumer) == 0 {
                assert!(futures::poll!(second.as_mut()).is_pending());
                tokio::task::yield_now().await;
            }
        };
        let taken = tokio::time::timeout(PATIENCE, taken).await;
        taken.expect("it takes what the first one has found");
        drop(behind);
        assert_eq!(second.await.unwrap().attempts.len(), 1);
    });
    archive.log.close();
}

/// A record whose time was over before it was read was once parked in the end, and no consumer had ever seen it.
#[test]
fn the_time_of_a_record_begins_when_it_is_handed_over() {
    let folder = folder();
    let archive = open(ArchiveOptions {
        reserve_bytes: 1 << 20,
        ..ArchiveOptions::new(folder.path())
    })
    .unwrap();
    let hub = Arc::new(Hub::new(archive.log.clone(), Arc::default(), wire::batch));
    let groups = Groups::open(&archive.log, hub, Box::new(Counted(Arc::default()))).unwrap();
    let with_one_thread = Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    with_one_thread.block_on(async {
        append(&archive.log, 2).await;
        let mut settings = settings(100);
        settings.rules.ack_timeout_ms = 100;
        settings.rules.deliveries_max = 1;
        let group = groups.create(settings, From::Start).await.unwrap();
        let [anna, ben] = ["anna", "ben"].map(|name| group.join(name));
        let pull = |consumer: &Consumer| {
            let pull = Pull {
                consumer: consumer.clone(),
                max: 1,
                wait: PATIENCE,
                parts: Parts::Both,
            };
            Box::pin(groups.pull(&group, pull))
        };
        let first = taken(&groups, &group, 1, &anna.consumer).await;
        // The one thread that could read is busy.
        let (end, ended) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || ended.recv()));
        let mut second = pull(&ben.consumer);
        assert!(futures::poll!(second.as_mut()).is_pending());
        assert_eq!(group.held(&ben.consumer), 1, "it is being read");
        assert_eq!(group.extend(&anna.consumer, &first), 1);
        let over = async {
            while group.standing().counts.parked == 0 || group.held(&anna.consumer) > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, over)
            .await
            .expect("the time of the other one is over");
        assert_eq!(group.held(&ben.consumer), 1, "it is being read still");
        drop(end);
        assert_eq!(
            second.await.unwrap().attempts.into_values().collect::<Vec<_>>(),
            [1]
        );
    });
    archive.log.close();
}

#[test]
#[should_panic(expected = "timers are disabled")]
fn a_timer_would_be_noticed() {
    without_timers().block_on(async { tokio::time::sleep(PATIENCE).await });
}

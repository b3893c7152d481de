//! What is asked while others append: a group becomes visible as one step.

use crate::harness::*;
use chancery::log::Log;
use chancery::record::{Outcome, Position};
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks again and again while `change` goes on.
fn meanwhile<T>(ask: impl Fn() + Sync, change: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                ask();
            }
        });
        let changed = change();
        done.store(true, Ordering::Relaxed);
        asking.join().unwrap();
        changed
    })
}

fn amend_often(log: &Log, times: u64) {
    let runtime = runtime();
    for n in 1..=times {
        let next = amend("k", &format!("title {n}"), Some(n));
        runtime.block_on(log.append(batch(vec![next]))).unwrap();
    }
}

/// The table of keys once knew an amendment before its record could be read, and took the entry for unknown.
#[test]
fn an_entry_is_never_unknown_while_it_is_amended() {
    let opened = Opened::new();
    let log = opened.log();
    append(log, batch(vec![create("k", "title")])).unwrap();
    let entry = create("k", "").series;
    let entry = chancery::record::EntryKey::new(entry.as_str(), "k").unwrap();
    let ask = || {
        let state = log.entry(&entry, Position::new(u64::MAX)).unwrap();
        assert!(state.is_some(), "the entry has vanished");
    };
    meanwhile(ask, || amend_often(log, 300));
}

/// An import that looked its keys up while another one wrote them once took them for new.
#[test]
fn the_same_rows_imported_twice_at_once_are_recorded_once() {
    let opened = Opened::new();
    let log = opened.log();
    append(log, batch(vec![create("0", "row 0")])).unwrap();
    let rows = |round: u64| {
        let row = |n: u64| create(&n.to_string(), &format!("row {n}"));
        // The known row makes each import look at all of its rows.
        batch(
            std::iter::once(0)
                .chain(round * 20 + 1..=round * 20 + 20)
                .map(row)
                .collect(),
        )
    };
    let import = || {
        let runtime = runtime();
        let mut recorded = 0;
        for round in 0..60 {
            let appended = runtime.block_on(log.append(rows(round))).unwrap();
            let new = |outcome| outcome == Outcome::Recorded;
            recorded += appended
                .receipts
                .iter()
                .filter(|receipt| new(receipt.outcome))
                .count();
        }
        recorded
    };
    let recorded: usize = std::thread::scope(|scope| {
        let both = [scope.spawn(import), scope.spawn(import)];
        both.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!((recorded, log.tail().get()), (1_200, 1_201));
    assert_eq!(log.status().entries, 1_201);
}

/// Status once answered a tail with the root of a larger tree.
#[test]
fn the_root_of_the_status_is_that_of_its_tail() {
    let opened = Opened::new();
    let log = opened.log();
    append(log, batch(vec![create("k", "title")])).unwrap();
    let ask = || {
        let status = log.status();
        assert_eq!(
            log.root_at(status.tail).unwrap(),
            status.root.unwrap(),
            "at {}",
            status.tail
        );
    };
    meanwhile(ask, || amend_often(log, 200));
}

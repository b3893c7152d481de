//! A clock that jumps: appends wait for somebody who says that it is right, and recorded times never go back.

use crate::archive::options;
use crate::sim::*;
use chancery::log::clock::Clock;
use chancery::log::{AppendError, Closed, Columns, Log, ReadError};
use chancery::record::{Leaf, Position, Principal, Recorded};
use chancery::store::open::{ArchiveOptions, open};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const SECOND: i64 = 1_000_000_000;

#[derive(Default)]
struct SetClock {
    system: AtomicI64,
    monotonic: AtomicU64,
}

impl SetClock {
    fn jump(&self, seconds: i64) {
        self.system.fetch_add(seconds * SECOND, Ordering::Relaxed);
    }
    fn pass(&self, seconds: i64) {
        self.jump(seconds);
        self.monotonic
            .fetch_add((seconds * SECOND).unsigned_abs(), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn system(&self) -> i64 {
        self.system.load(Ordering::Relaxed)
    }
    fn monotonic(&self) -> u64 {
        self.monotonic.load(Ordering::Relaxed)
    }
}

fn with(folder: &Path, clock: &Arc<SetClock>, accept_clock: bool) -> ArchiveOptions {
    ArchiveOptions {
        clock: clock.clone(),
        accept_clock,
        ..options(folder)
    }
}

fn add(log: &Log, name: &str) -> Result<(), AppendError> {
    append(log, batch(name, vec![draft(name, payload("x", vec![1]))])).map(drop)
}

fn refused(log: &Log, name: &str) {
    let error = add(log, name).unwrap_err();
    assert!(
        matches!(error, AppendError::Closed(Closed::Clock { .. })),
        "{error}"
    );
}

fn times(log: &Log) -> Vec<i64> {
    let positions: Vec<Position> = (0..log.tail().get()).map(Position::new).collect();
    let runs = log.fetch(&positions, Columns::Leaves).unwrap();
    let recorded = |run: &chancery::log::Run| {
        let record = run.iter().next().unwrap();
        Leaf::decode(record.leaf).unwrap().recorded.nanos()
    };
    runs.iter().map(recorded).collect()
}

#[test]
fn a_clock_that_jumps_is_refused_until_confirmed_and_times_never_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::default());
    clock.pass(1_700_000_000);
    let archive = open(with(folder.path(), &clock, false)).unwrap();
    add(&archive.log, "a").unwrap();
    for jump in [86_400, -86_400 * 2] {
        clock.jump(jump);
        refused(&archive.log, "b");
        assert_eq!(
            everything(&archive.log).len() as u64,
            archive.log.tail().get(),
            "reads go on"
        );
        let confirm = archive
            .log
            .confirm_clock("the operator looked", Principal::anonymous());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(confirm).unwrap().is_some());
        add(&archive.log, &format!("after {jump}")).unwrap();
    }
    assert!(times(&archive.log).is_sorted());
    archive.log.close();
    drop(archive);
    // At a start only a clock behind the newest record is in doubt.
    let archive = open(with(folder.path(), &clock, false)).unwrap();
    refused(&archive.log, "c");
    drop(archive);
    let archive = open(with(folder.path(), &clock, true)).unwrap();
    add(&archive.log, "d").unwrap();
    drop(archive);
    clock.pass(86_400 * 365);
    let archive = open(with(folder.path(), &clock, false)).unwrap();
    add(&archive.log, "e").unwrap();
    assert!(times(&archive.log).is_sorted());
}

fn confirm(log: &Log) {
    let confirm = log.confirm_clock("the operator looked", Principal::anonymous());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(confirm).unwrap().is_some());
}

fn at(seconds: i64) -> Recorded {
    Recorded::from_nanos(seconds * SECOND)
}

#[test]
fn a_time_that_only_a_doubtful_clock_has_passed_is_not_answered() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::default());
    clock.pass(1_000_000);
    let archive = open(with(folder.path(), &clock, false)).unwrap();
    add(&archive.log, "a").unwrap();
    clock.jump(86_400 * 365);
    clock.pass(100);
    let in_half_a_year = archive.log.as_of(at(1_000_000 + 86_400 * 182));
    assert!(
        matches!(in_half_a_year, Err(ReadError::NotPassed { .. })),
        "{in_half_a_year:?}"
    );
    assert_eq!(archive.log.as_of(at(1_000_099)).unwrap(), Position::new(1));
    // Set right, the clock gives later records times that no answer was given for.
    clock.jump(-86_400 * 365);
    add(&archive.log, "b").unwrap();
    assert_eq!(archive.log.as_of(at(1_000_099)).unwrap(), Position::new(1));
    drop(archive);
    // In doubt at a start, it says nothing beyond the newest record.
    clock.jump(-86_400);
    let archive = open(with(folder.path(), &clock, false)).unwrap();
    let newest = at(1_000_100);
    assert!(archive.log.as_of(newest).is_err());
    assert_eq!(archive.log.as_of(at(1_000_099)).unwrap(), Position::new(1));
}

#[test]
fn an_answer_as_of_a_time_stays_what_it_was_when_the_clock_is_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::default());
    clock.pass(500);
    let archive = open(with(folder.path(), &clock, false)).unwrap();
    add(&archive.log, "a").unwrap();
    clock.pass(500);
    for (time, step) in [(990, -100), (995, -86_400)] {
        let before = archive.log.as_of(at(time)).unwrap();
        clock.jump(step);
        if step < -300 {
            confirm(&archive.log);
        }
        add(&archive.log, &format!("after {step}")).unwrap();
        assert_eq!(archive.log.as_of(at(time)).unwrap(), before);
        clock.jump(-step);
        if step < -300 {
            confirm(&archive.log);
        }
    }
    assert!(times(&archive.log).is_sorted());
}

#[test]
fn a_doubt_that_the_start_overrode_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::default());
    clock.pass(1_000_000);
    let archive = open(with(folder.path(), &clock, true)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tell = |log: &Log| {
        let confirm = log.confirm_clock("the setting accept-clock", Principal::system());
        runtime.block_on(confirm).unwrap()
    };
    assert_eq!(tell(&archive.log), None, "there was no doubt");
    add(&archive.log, "a").unwrap();
    drop(archive);
    clock.jump(-86_400);
    let archive = open(with(folder.path(), &clock, true)).unwrap();
    assert_eq!(tell(&archive.log), Some(Position::new(1)));
    assert_eq!(tell(&archive.log), None);
}

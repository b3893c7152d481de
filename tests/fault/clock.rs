//! A clock that jumps: appends wait for somebody who says that it is right, and recorded times never go back.

use crate::archive::options;
use crate::sim::*;
use chancery::log::clock::Clock;
use chancery::log::{AppendError, Closed, Columns, Log};
use chancery::record::{Leaf, Position, Principal};
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

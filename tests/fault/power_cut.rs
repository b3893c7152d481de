//! The power goes at every step of a recorded trace, with what was not synced there, gone or torn.

use crate::sim::*;
use chancery::log::AppendError;
use chancery::store::faulty::{Fault, SimDisk, Survives};

/// Small enough for a dozen segments, large enough for a frame.
const SEGMENT_BYTES: u64 = 16 << 10;

const VARIANTS: [Survives; 5] = [
    Survives::Nothing,
    Survives::All,
    Survives::Seed(1),
    Survives::Seed(2),
    Survives::Seed(3),
];

/// What was appended, and at which moment of the trace it was acknowledged.
struct Said {
    records: Vec<Kept>,
    acknowledged: Option<usize>,
}

#[derive(Default)]
struct Script {
    said: Vec<Said>,
}

impl Script {
    fn append(&mut self, disk: &SimDisk, started: &Started) -> bool {
        let n = self.said.len();
        let records = (0..1 + n % 4)
            .map(|m| {
                draft(
                    &format!("{n}-{m}"),
                    payload("t", vec![(n * 7 + m) as u8; 40 + n * 131 % 2_400]),
                )
            })
            .collect();
        let batch = batch(&format!("request {n}"), records);
        let records = kept(&batch);
        let result = append(&started.log, batch);
        let acknowledged = result.is_ok().then(|| disk.moment());
        self.said.push(Said {
            records,
            acknowledged,
        });
        match result {
            Ok(_) => true,
            Err(AppendError::Unknown { .. } | AppendError::Closed(_)) => false,
            Err(other) => panic!("{other}"),
        }
    }

    /// What was acknowledged by `moment` is there, once and in order; everything there was said; batches are whole.
    fn holds(&self, found: &[Kept], moment: usize, story: &str) {
        let mut rest = found;
        for said in &self.said {
            let needed = said.acknowledged.is_some_and(|at| at <= moment);
            match rest.strip_prefix(&said.records[..]) {
                Some(after) => rest = after,
                None => assert!(!needed, "{story}: acknowledged records are missing"),
            }
        }
        assert!(rest.is_empty(), "{story}: {} records were never said", rest.len());
    }
}

fn open(disk: &SimDisk, story: &str) -> Started {
    let started = start(disk, &journal(SEGMENT_BYTES)).unwrap_or_else(|error| panic!("{story}: {error}"));
    assert!(started.closed.is_none(), "{story}: {:?}", started.closed);
    assert!(started.lost.is_empty(), "{story}: {:?}", started.lost);
    started
}

/// A log that rolls over several segments, stops cleanly, is killed, and is killed after a failed sync.
fn script(seed: usize) -> (SimDisk, Script) {
    let disk = SimDisk::new();
    let mut script = Script::default();
    let mut started = open(&disk, "a new archive");
    for n in 0..28 {
        script.append(&disk, &started);
        if n == 9 + seed {
            started.log.close();
            drop(started);
            started = open(&disk, "a clean restart");
        }
        if n == 14 + seed {
            drop(started);
            started = open(&disk, "a restart after a kill");
        }
        if n == 19 + seed {
            fail_sync(&disk, &mut script, &started);
            drop(started);
            started = open(&disk, "a restart after a failed sync");
        }
    }
    started.log.close();
    drop(started);
    (disk, script)
}

/// Appends until a sync fails under it. The filler syncs too, so that the failure may hit one of its files.
fn fail_sync(disk: &SimDisk, script: &mut Script, started: &Started) {
    disk.fail(Fault::Sync, 0);
    for _ in 0..4 {
        if !script.append(disk, started) {
            return;
        }
    }
}

/// The power goes after `moment` steps, and once more right after the start that follows.
fn cut_twice(disk: &SimDisk, script: &Script, moment: usize, survives: Survives) {
    let story = format!("power cut at step {moment}, {survives:?}");
    let first = disk.after_cut(moment, survives);
    let started = open(&first, &story);
    let seen = everything(&started.log);
    script.holds(&seen, moment, &story);
    let published = first.moment();
    drop(started);
    for again in [Survives::Nothing, Survives::Seed(moment as u64)] {
        let second = first.after_cut(published, again);
        let story = format!("{story}, then a second one, {again:?}");
        let started = open(&second, &story);
        let kept = everything(&started.log);
        assert_eq!(seen, kept, "{story}: what was readable once stays");
        append(
            &started.log,
            batch("after", vec![draft("after", payload("x", vec![]))]),
        )
        .unwrap();
        drop(started);
        let started = open(&second.after_cut(second.moment(), Survives::Nothing), &story);
        assert_eq!(everything(&started.log).len(), kept.len() + 1, "{story}");
    }
}

#[test]
fn nothing_acknowledged_or_published_is_lost_wherever_the_power_goes() {
    let (disk, script) = script(0);
    for moment in 0..=disk.moment() {
        for survives in VARIANTS {
            cut_twice(&disk, &script, moment, survives);
        }
    }
}

#[test]
fn a_second_cut_during_the_recovery_from_the_first_loses_nothing() {
    let (disk, script) = script(1);
    for moment in (0..=disk.moment()).step_by(5) {
        let survives = VARIANTS[moment % VARIANTS.len()];
        let first = disk.after_cut(moment, survives);
        drop(open(&first, "the first start"));
        for again in 0..=first.moment() {
            let second = first.after_cut(again, Survives::Seed(again as u64));
            let story = format!("cut at {moment}, {survives:?}, and at {again} of the recovery");
            let started = open(&second, &story);
            script.holds(&everything(&started.log), moment, &story);
        }
    }
}

#[test]
fn a_batch_whose_sync_failed_is_unknown_and_after_a_restart_it_is_durable_or_gone() {
    let disk = SimDisk::new();
    let mut script = Script::default();
    let started = open(&disk, "new");
    script.append(&disk, &started);
    // The segments that the filler makes are synced too, before they have their names: wait until only the journal is.
    while !disk.paths().iter().any(|path| path.ends_with("spare.zeros")) {
        std::thread::yield_now();
    }
    disk.fail(Fault::Sync, 0);
    assert!(!script.append(&disk, &started));
    assert!(
        !script.append(&disk, &started),
        "appends are refused until a restart"
    );
    assert_eq!(everything(&started.log).len(), 1, "nothing unsynced is published");
    drop(started);
    // Without a cut the page cache still has it: it must be written anew before anyone sees it.
    let started = open(&disk, "restarted");
    let seen = everything(&started.log);
    assert_eq!(seen.len(), 1 + 2);
    let moment = disk.moment();
    drop(started);
    let started = open(&disk.after_cut(moment, Survives::Nothing), "restarted and cut");
    assert_eq!(everything(&started.log), seen);
}

//! Sealing beside appends: chunks that are written, segments that are given up, and what a start makes of both.

use crate::sim::*;
use chancery::log::open::{Fold, Options, Parts};
use chancery::log::store::{Journal, Sealed, Shelf};
use chancery::log::{AppendError, Closed, Columns, Desk, Log, ReadError};
use chancery::record::{EntryKey, Position};
use chancery::store::blank::Overwritten;
use chancery::store::chunk::{ChunkOptions, Part};
use chancery::store::disk::Disk;
use chancery::store::faulty::{Fault, SimDisk, Survives};
use chancery::store::recover::{self, JournalOptions};
use chancery::store::seal::Sealing;
use chancery::store::sealed::SealedLog;
use chancery::store::state::State;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SEGMENT_BYTES: u64 = 24 << 10;
pub const CHUNK: u64 = 256;
pub const CHUNKS: &str = "chunks";

/// A log with a sealed part, as a start left it.
pub struct Archive {
    pub log: Log,
    pub closed: Option<Closed>,
    pub lost: Vec<(Position, Position)>,
    pub sealing: Sealing,
}

impl Drop for Archive {
    /// What a process that is killed leaves.
    fn drop(&mut self) {
        self.log.release();
    }
}

fn open(disk: &SimDisk) -> Archive {
    open_with(disk, u64::MAX)
}

fn open_with(disk: &SimDisk, unsealed_bytes: u64) -> Archive {
    open_parts(disk, unsealed_bytes, None)
}

/// As [`open`], with a state folder, in which a log keeps what it has signed and how far it has erased.
pub fn open_with_state(disk: &SimDisk) -> Archive {
    let mut state = State::open(Arc::new(disk.clone()), Path::new("state")).unwrap();
    if state.origin().unwrap().is_none() {
        state.name("example.org/test", &[7; 32]).unwrap();
    }
    open_parts(disk, u64::MAX, Some(state))
}

fn open_parts(disk: &SimDisk, unsealed_bytes: u64, state: Option<State>) -> Archive {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let erasing = state.as_ref().map(|state| state.erasing().unwrap());
    let erased_through = state.as_ref().map(|state| state.erased_through().unwrap());
    let options = ChunkOptions {
        records: CHUNK as u32,
        ..ChunkOptions::new(Arc::clone(&shared), CHUNKS.into(), ARCHIVE)
    };
    let sealed = SealedLog::open(options, Path::new(FOLDER)).unwrap();
    let journal = JournalOptions {
        sealed: sealed.chunks.sealed(),
        overwritten: Arc::new(Overwritten::new(erasing.unwrap_or_default())),
        ..journal(SEGMENT_BYTES)
    };
    let mut fold = Fold::default();
    let damage = sealed.fold(&mut fold);
    let recovered = recover::recover(&shared, &journal, &mut fold).unwrap();
    let closed = damage.closed.or(recovered.closed);
    let lost: Vec<_> = damage.lost.into_iter().chain(recovered.lost).collect();
    let writer = recovered.writer.filter(|_| closed.is_none());
    let parts = Parts {
        journal: writer.map(|writer| Box::new(writer) as Box<dyn Journal>),
        closed: closed.clone(),
        shelves: vec![Arc::clone(&recovered.extents) as Arc<dyn Shelf>],
        sealed: Some(Arc::clone(&sealed.chunks) as Arc<dyn Sealed>),
        hot: None,
        desk: state.map(|state| Desk {
            key: state.key().unwrap().unwrap(),
            newest: state.checkpoint().unwrap(),
            checked: None,
            keep: Box::new(state),
        }),
        verifier: None,
        tail: recovered.tail,
        cut: recovered.cut,
        lost: lost.clone(),
        erased_through: erased_through.unwrap_or_default(),
    };
    let run = Options {
        frame_bytes_max: SEGMENT_BYTES as usize - 4_097,
        recent_bytes: 0,
        unsealed_bytes,
        ..Options::new("example.org/test".into())
    };
    let log = Log::start(run, fold, parts).unwrap();
    let sealing = Sealing {
        chunks: sealed.chunks,
        extents: recovered.extents,
        journal,
        disk: shared,
        unsealed_bytes,
        hot: None,
    };
    Archive {
        log,
        closed,
        lost,
        sealing,
    }
}

impl Archive {
    pub fn seal(&self) {
        self.sealing.all_due(&self.log).unwrap();
    }

    /// Appends batches of one to four records until there are `count`.
    fn fill(&self, said: &mut Vec<Kept>, count: usize) {
        while said.len() < count {
            let n = said.len();
            let size = (1 + n % 4).min(count - n);
            let record = |m: usize| {
                let text = format!("Envoys meet in Geneva, item {}", n + m);
                draft(&format!("{n}-{m}"), payload(&text, vec![n as u8; n * 7 % 90]))
            };
            let batch = batch(&format!("request {n}"), (0..size).map(record).collect());
            let kept = kept(&batch);
            append(&self.log, batch).unwrap();
            said.extend(kept);
        }
    }

    /// Everything that was said is there, once and in order, whichever way one asks.
    fn holds(&self, said: &[Kept]) {
        assert!(
            self.closed.is_none() && self.lost.is_empty(),
            "{:?} {:?}",
            self.closed,
            self.lost
        );
        assert_eq!(self.log.tail().get(), said.len() as u64);
        assert_eq!(everything(&self.log), said);
        for at in (0..said.len()).step_by(37) {
            let run = self.log.fetch(&[Position::new(at as u64)], Columns::All).unwrap();
            let mut found = Vec::new();
            take(&run[0], &mut found);
            assert_eq!(found, [said[at].clone()]);
            let entry = EntryKey::new("desk", &said[at].key).unwrap();
            let state = self.log.entry(&entry, self.log.tail()).unwrap().unwrap();
            assert_eq!(state.contents[0].position.get(), at as u64, "{}", said[at].key);
        }
    }
}

fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "segment");
    disk.paths().into_iter().filter(is_segment).collect()
}

fn chunk(part: Part, number: u64) -> PathBuf {
    Path::new(CHUNKS).join(part.file(number))
}

/// A log of which a part is sealed and only there, and what was said to it.
fn partly_sealed() -> (SimDisk, Vec<Kept>) {
    let disk = SimDisk::new();
    let archive = open(&disk);
    let mut said = Vec::new();
    archive.fill(&mut said, 700);
    archive.seal();
    archive.log.close();
    (disk, said)
}

#[test]
fn sealed_records_are_served_once_the_journal_has_given_them_up() {
    let disk = SimDisk::new();
    let archive = open(&disk);
    let mut said = Vec::new();
    archive.fill(&mut said, 700);
    let root = archive.log.status().root;
    let (before, bytes) = (segments(&disk).len(), archive.log.status().journal_bytes);
    archive.seal();
    let status = archive.log.status();
    assert_eq!(status.sealed.through, Position::new(512));
    assert!(
        status.journal_bytes < bytes / 2,
        "{} of {bytes}",
        status.journal_bytes
    );
    assert!(
        segments(&disk).len() < before / 2,
        "{} of {before}",
        segments(&disk).len()
    );
    archive.holds(&said);
    drop(archive);
    for round in 0..3 {
        let archive = open(&disk);
        archive.holds(&said);
        if round == 0 {
            assert_eq!(archive.log.status().root, root);
        }
        let next = said.len() + 150;
        archive.fill(&mut said, next);
        archive.seal();
        archive.holds(&said);
    }
}

/// The first receipt of a batch is known although its leaf is only in a chunk.
#[test]
fn a_retry_of_a_sealed_batch_gets_its_first_receipt_and_a_sealed_record_is_a_duplicate() {
    let (disk, said) = partly_sealed();
    let archive = open(&disk);
    let again = |id: &str| {
        let first = &said[0];
        append(
            &archive.log,
            batch(id, vec![draft(&first.key, first.payload.clone())]),
        )
        .unwrap()
    };
    for id in ["request 0", "another request"] {
        let appended = again(id);
        assert_eq!(appended.receipts[0].position, Position::START, "{id}");
    }
    assert_eq!(archive.log.tail().get(), said.len() as u64);
}

#[test]
fn wherever_the_power_goes_while_a_log_is_sealed_nothing_is_lost() {
    let disk = SimDisk::new();
    let archive = open(&disk);
    let mut said = Vec::new();
    archive.fill(&mut said, 300);
    let before = disk.moment();
    archive.seal();
    let first = said.len();
    archive.fill(&mut said, 330);
    archive.seal();
    drop(archive);
    let variants = [
        Survives::Nothing,
        Survives::All,
        Survives::Seed(1),
        Survives::Seed(2),
    ];
    for moment in before..=disk.moment() {
        for survives in variants {
            let cut = disk.after_cut(moment, survives);
            let archive = open(&cut);
            let tail = archive.log.tail().get() as usize;
            assert!(tail >= first, "at {moment} {survives:?}: {tail} records are left");
            archive.holds(&said[..tail]);
            // Whatever was left half done is done now.
            let mut now = said[..tail].to_vec();
            archive.fill(&mut now, 530);
            archive.seal();
            archive.holds(&now);
            assert_eq!(archive.log.status().sealed.through, Position::new(512));
        }
    }
}

#[test]
fn a_sealing_that_fails_leaves_everything_as_it_was_and_is_done_later() {
    let mut failures = 0;
    for fault in [Fault::Write, Fault::Full, Fault::Sync] {
        for nth in 0..60 {
            let disk = SimDisk::new();
            let archive = open(&disk);
            let mut said = Vec::new();
            archive.fill(&mut said, 300);
            // Nobody but the sealing writes any more, so that it is what meets the fault.
            archive.log.close();
            disk.fail(fault, nth);
            if archive.sealing.all_due(&archive.log).is_ok() {
                break; // The fault lies behind the sealing.
            }
            failures += 1;
            archive.holds(&said);
            archive.seal();
            archive.holds(&said);
            assert_eq!(archive.log.status().sealed.through, Position::new(256));
            drop(archive);
            open(&disk).holds(&said);
        }
    }
    assert!(
        failures >= 6,
        "each file is written and synced: {failures} failures were met"
    );
}

#[tokio::test]
async fn appends_wait_for_a_journal_that_is_too_large_and_are_refused_where_it_cannot_shrink() {
    let filled = || {
        let disk = SimDisk::new();
        // Any journal is too large; as long as nothing in it is full nobody waits.
        let archive = open_with(&disk, 1);
        let mut said = Vec::new();
        archive.fill(&mut said, 255);
        archive
    };
    let one = |id: &str| batch(id, vec![draft(id, payload("t", vec![]))]);
    for can_be_sealed in [true, false] {
        let archive = std::thread::spawn(filled).join().unwrap();
        archive.log.append(one("fills the chunk")).await.unwrap();
        let mut appending = Box::pin(archive.log.append(one("waits")));
        for _ in 0..8 {
            assert!(futures::poll!(&mut appending).is_pending());
        }
        if can_be_sealed {
            archive.seal();
            assert_eq!(appending.await.unwrap().receipts[0].position.get(), 256);
        } else {
            archive.log.sealing(Some("the disk is full".into()));
            let refused = appending.await.unwrap_err().to_string();
            assert!(
                refused.contains("cannot be sealed: the disk is full"),
                "{refused}"
            );
            assert_eq!(archive.log.tail().get(), 256);
        }
    }
}

#[test]
fn a_damaged_newest_chunk_is_sealed_again_while_the_journal_still_holds_it() {
    let disk = SimDisk::new();
    let archive = open(&disk);
    let mut said = Vec::new();
    archive.fill(&mut said, 300);
    // One that the journal has not given up yet: its segments are put back.
    let before = disk.copy();
    archive.seal();
    drop(archive);
    for part in [Part::Leaves, Part::Payloads] {
        let both = before.copy();
        for path in [chunk(Part::Leaves, 0), chunk(Part::Payloads, 0)] {
            let bytes = disk.bytes(&path).unwrap();
            both.tamper(&path, |there| *there = bytes);
        }
        both.tamper(&chunk(part, 0), |bytes| bytes.truncate(100));
        let archive = open(&both);
        archive.holds(&said);
        archive.seal();
        archive.holds(&said);
        drop(archive);
        open(&both).holds(&said);
    }
}

#[test]
fn a_damaged_chunk_is_named_and_everything_else_is_served_and_nothing_appended() {
    let (disk, said) = partly_sealed();
    for part in [Part::Leaves, Part::Payloads] {
        for number in [0, 1] {
            let damaged = disk.copy();
            damaged.remove(&chunk(part, number)).unwrap();
            let archive = open(&damaged);
            let Some(Closed::Damaged { position, what }) = &archive.closed else {
                panic!("{:?}", archive.closed);
            };
            assert_eq!(position.get(), number * CHUNK);
            assert!(what.contains(&part.file(number)), "{what}");
            let error = append(
                &archive.log,
                batch("new", vec![draft("new", payload("t", vec![]))]),
            );
            assert!(matches!(error, Err(AppendError::Closed(Closed::Damaged { .. }))));
            let is_lost = |at: u64| (number * CHUNK..(number + 1) * CHUNK).contains(&at);
            for at in 0..said.len() as u64 {
                match archive.log.fetch(&[Position::new(at)], Columns::All) {
                    Ok(run) => {
                        let mut found = Vec::new();
                        take(&run[0], &mut found);
                        assert_eq!(found[0], said[at as usize]);
                    }
                    Err(ReadError::Damaged { .. }) => assert!(is_lost(at), "position {at}"),
                    Err(error) => panic!("position {at}: {error}"),
                }
            }
            // Leaves without their payloads are still leaves.
            let leaf = archive
                .log
                .fetch(&[Position::new(number * CHUNK)], Columns::Leaves);
            assert_eq!(leaf.is_ok(), part == Part::Payloads);
            assert_eq!(archive.log.status().root.is_some(), part == Part::Payloads);
        }
    }
}

#[test]
fn without_any_chunk_what_was_sealed_is_a_loss_and_the_rest_is_served() {
    let (disk, said) = partly_sealed();
    for path in disk.paths().iter().filter(|path| path.starts_with(CHUNKS)) {
        disk.remove(path).unwrap();
    }
    let archive = open(&disk);
    assert!(
        matches!(archive.closed, Some(Closed::Damaged { .. })),
        "{:?}",
        archive.closed
    );
    assert_eq!(archive.log.tail().get(), said.len() as u64);
    assert!(archive.log.fetch(&[Position::START], Columns::All).is_err());
    let last = said.len() - 1;
    let run = archive
        .log
        .fetch(&[Position::new(last as u64)], Columns::All)
        .unwrap();
    let mut found = Vec::new();
    take(&run[0], &mut found);
    assert_eq!(found[0], said[last]);
}

#[test]
fn segments_that_are_sealed_may_vanish_and_the_newest_may_not() {
    let disk = SimDisk::new();
    let archive = open(&disk);
    let mut said = Vec::new();
    archive.fill(&mut said, 500);
    let before = disk.copy();
    archive.seal();
    archive.log.close();
    drop(archive);
    let left = segments(&disk);
    // A crash that removed some of them and not others.
    for put_back in 0..3 {
        let some = disk.copy();
        for path in segments(&before)
            .iter()
            .filter(|path| !left.contains(path))
            .skip(put_back)
            .step_by(2)
        {
            let bytes = before.bytes(path).unwrap();
            some.tamper(path, |there| *there = bytes);
        }
        let archive = open(&some);
        archive.holds(&said);
        archive.seal();
        assert_eq!(segments(&some), left, "what is sealed is given up again");
    }
    let without = disk.copy();
    without.remove(left.last().unwrap()).unwrap();
    assert!(open(&without).closed.is_some(), "unsealed records are gone");
}

#[test]
fn damage_in_the_journal_below_what_is_sealed_is_no_loss() {
    let disk = SimDisk::new();
    let archive = open(&disk);
    let mut said = Vec::new();
    archive.fill(&mut said, 300);
    archive.seal();
    archive.log.close();
    drop(archive);
    let oldest = &segments(&disk)[0];
    let bytes = disk.bytes(oldest).unwrap();
    // The first frames of the oldest segment left are sealed, in part at least.
    let mut served = 0;
    for at in (0..bytes.len()).step_by(41).filter(|at| bytes[*at] != 0) {
        let damaged = disk.copy();
        damaged.tamper(oldest, |bytes| bytes[at] ^= 0x10);
        let archive = open(&damaged);
        if archive.closed.is_none() {
            archive.holds(&said);
            served += 1;
        } else {
            assert!(
                archive.lost.iter().all(|(from, _)| from.get() >= CHUNK),
                "{:?}",
                archive.lost
            );
        }
    }
    assert!(served > 0, "no damage lay below what is sealed");
}

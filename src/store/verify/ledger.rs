//! The rules that every record obeys, held against the records in order.

use super::erasures::Met;
use crate::log::Run;
use crate::log::fixity::{Finding, Kind, Report};
use crate::merkle::{Checkpoint, Tree, empty_root};
use crate::record::{
    Act, Epoch, Hash, Kind as EntryKind, Leaf, Position, Recorded, Revision, SALT_BYTES, commitment,
    leaf_hash,
};
use hashbrown::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// What is remembered of an entry, under 128 bits of the hash of its name.
struct Entry {
    last: Position,
    revision: Revision,
    kind: EntryKind,
}

/// The batch that the last record was of.
struct Batch {
    id: Vec<u8>,
    next: u32,
    count: u32,
}

/// A checkpoint, and the root of the records below its size once they are known.
struct Held {
    checkpoint: Checkpoint,
    root: Option<Hash>,
}

/// Follows the log record by record.
pub struct Ledger<'scope> {
    /// `None` where they are not followed.
    entries: Option<HashMap<(u64, u64), Entry>>,
    hashers: (RandomState, RandomState),
    tree: Tree,
    /// The newest checkpoint that was signed.
    signed: Option<Held>,
    /// One that somebody has kept.
    kept: Option<Held>,
    batch: Option<Batch>,
    recorded: Recorded,
    epoch: Epoch,
    tail: Position,
    /// In their order; those that touch are one.
    lost: Vec<(Position, Position)>,
    /// What has to do with erasure.
    pub met: Met,
    checks: Checks<'scope>,
}

impl Held {
    fn new(checkpoint: Checkpoint) -> Self {
        let root = (checkpoint.size == 0).then(empty_root);
        Self { checkpoint, root }
    }
}

impl<'scope> Ledger<'scope> {
    pub fn new(checks: Checks<'scope>, signed: Option<Checkpoint>, entries: bool) -> Self {
        Self {
            signed: signed.map(Held::new),
            kept: None,
            entries: entries.then(HashMap::new),
            hashers: (RandomState::new(), RandomState::new()),
            tree: Tree::default(),
            batch: None,
            recorded: Recorded::default(),
            epoch: Epoch::default(),
            tail: Position::START,
            lost: Vec::new(),
            met: Met::default(),
            checks,
        }
    }

    /// Holds the records to a checkpoint that somebody has kept, too. Call it before the first of them.
    pub fn hold_to(&mut self, kept: Checkpoint) {
        self.kept = Some(Held::new(kept));
    }

    /// Takes in a sealed leaf, whose payload is checked elsewhere.
    pub fn sealed(&mut self, position: Position, leaf: &[u8], hash: Hash, report: &mut Report) {
        self.grow(hash);
        match Leaf::decode(leaf) {
            Ok(leaf) => self.leaf(position, &leaf, report),
            Err(error) => report.find(Finding::at(Kind::Leaf, position, error.to_string())),
        }
        self.tail = position.next();
        report.records += 1;
    }

    /// Takes in the records of a frame.
    pub fn run(&mut self, run: &Run, report: &mut Report) {
        for record in run.iter() {
            self.grow(leaf_hash(record.leaf));
            match Leaf::decode(record.leaf) {
                Ok(leaf) => self.leaf(record.position, &leaf, report),
                Err(error) => report.find(Finding::at(Kind::Leaf, record.position, error.to_string())),
            }
            if record.erased {
                self.met.blank.insert(record.position);
            }
        }
        self.tail = run.end().max(self.tail);
        report.records += run.len() as u64;
        if let (Some(batch), false) = (&self.batch, run.is_empty()) {
            let what = format!("the frame ends after {} of {} records", batch.next, batch.count);
            report.find(Finding::at(Kind::Batch, run.end(), what));
            self.batch = None;
        }
        self.checks.send(run);
    }

    fn grow(&mut self, hash: Hash) {
        self.tree.push(hash);
        for held in self.signed.iter_mut().chain(&mut self.kept) {
            if held.checkpoint.size == self.tree.size() {
                held.root = Some(self.tree.root());
            }
        }
    }

    /// Records that nobody has.
    pub fn lost(&mut self, from: Position, until: Position) {
        (0..until.since(from)).for_each(|_| self.tree.push(Hash::default()));
        match self.lost.last_mut() {
            Some((_, end)) if *end == from => *end = until,
            _ => self.lost.push((from, until)),
        }
        self.batch = None;
        self.tail = until;
    }

    fn is_lost(&self, position: Position) -> bool {
        let begun = self.lost.partition_point(|(from, _)| *from <= position);
        let last = begun.checked_sub(1).and_then(|at| self.lost.get(at));
        last.is_some_and(|(_, until)| position < *until)
    }

    /// The first position that it was not told of.
    pub fn tail(&self) -> Position {
        self.tail
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Says what came out.
    pub fn finish(self, report: &mut Report) {
        report.entries = self.entries.as_ref().map_or(0, |entries| entries.len() as u64);
        report.tail = self.tail.get();
        report.root = self.lost.is_empty().then(|| hex::encode(self.tree.root()));
        if let Some(signed) = &self.signed
            && self.holds(signed, "the signed checkpoint", report)
        {
            report.checkpoint = Some(signed.checkpoint.size);
        }
        if let Some(kept) = &self.kept {
            self.holds(kept, "the earlier checkpoint", report);
        }
        take_in(report, self.checks.finish());
    }

    /// Whether the records are those that a checkpoint was signed for. Where some are lost that is said already.
    fn holds(&self, held: &Held, name: &str, report: &mut Report) -> bool {
        let Held { checkpoint, root } = held;
        let size = checkpoint.size;
        let what = match root {
            Some(root) if *root == checkpoint.root => return true,
            _ if self.lost.first().is_some_and(|(from, _)| from.get() < size) => return false,
            None => format!("{name} covers {size} records, {} are there", self.tree.size()),
            Some(root) => format!(
                "the root of the first {size} records is {}, {name} says {}",
                hex::encode(root),
                hex::encode(checkpoint.root)
            ),
        };
        let from = if root.is_none() { self.tree.size() } else { 0 };
        report.find(Finding {
            from: Some(from),
            until: Some(size),
            ..Finding::at(Kind::Checkpoint, Position::START, what)
        });
        false
    }

    fn leaf(&mut self, position: Position, leaf: &Leaf<'_>, report: &mut Report) {
        if leaf.act == Act::Erase {
            self.met.orders.push(position);
        }
        self.time(position, leaf, report);
        self.batch(position, leaf, report);
        self.entry(position, leaf, report);
    }

    fn time(&mut self, position: Position, leaf: &Leaf<'_>, report: &mut Report) {
        if leaf.recorded < self.recorded || leaf.epoch < self.epoch {
            let what = format!(
                "recorded {} in epoch {} after {} in epoch {}",
                leaf.recorded,
                leaf.epoch.get(),
                self.recorded,
                self.epoch.get()
            );
            report.find(Finding::at(Kind::Recorded, position, what));
        }
        self.recorded = self.recorded.max(leaf.recorded);
        self.epoch = self.epoch.max(leaf.epoch);
    }

    fn batch(&mut self, position: Position, leaf: &Leaf<'_>, report: &mut Report) {
        let (index, count) = (leaf.batch_index, leaf.batch_count);
        let expected = match self.batch.take() {
            Some(batch) if batch.id == leaf.batch_id && batch.count == count => batch.next,
            Some(batch) => {
                let what = format!("a batch ends after {} of {} records", batch.next, batch.count);
                report.find(Finding::at(Kind::Batch, position, what));
                0
            }
            None => 0,
        };
        if index != expected || index >= count {
            let after_loss = self.lost.last().is_some_and(|(_, until)| *until == position);
            if !after_loss {
                let what = format!("record {index} of {count} in its batch, expected record {expected}");
                report.find(Finding::at(Kind::Batch, position, what));
            }
        }
        if index.saturating_add(1) < count {
            self.batch = Some(Batch {
                id: leaf.batch_id.to_vec(),
                next: index + 1,
                count,
            });
        }
    }

    fn entry(&mut self, position: Position, leaf: &Leaf<'_>, report: &mut Report) {
        let previous_is_lost = leaf.previous.is_some_and(|at| self.is_lost(at));
        let Some(entries) = &mut self.entries else {
            return;
        };
        let name = (leaf.series, leaf.key);
        let hash = (self.hashers.0.hash_one(name), self.hashers.1.hash_one(name));
        let before = entries.get(&hash);
        let known = (
            before.map(|entry| entry.last),
            before.map_or(Revision::default(), |entry| entry.revision),
        );
        // What a lost record did to its entry cannot be known.
        let torn = leaf.previous != known.0 && previous_is_lost;
        if !torn {
            if leaf.previous != known.0 {
                let text = |at: Option<Position>| at.map_or_else(|| "none".into(), |at| at.to_string());
                let (says, is) = (text(leaf.previous), text(known.0));
                let what = format!("the record before is {is}, the leaf says {says}");
                report.find(Finding::at(Kind::Previous, position, what));
            }
            if before.is_some_and(|entry| entry.kind != leaf.kind) {
                let what = "another kind than the entry's records before".to_owned();
                report.find(Finding::at(Kind::Previous, position, what));
            }
            let expected = if leaf.act.has_content() {
                known.1.next()
            } else {
                known.1
            };
            let first = leaf.act == Act::Create && expected != Revision::FIRST;
            if leaf.revision != expected || first {
                let what = format!("revision {}, expected {expected}", leaf.revision);
                report.find(Finding::at(Kind::Revision, position, what));
            }
        }
        let entry = Entry {
            last: position,
            revision: leaf.revision,
            kind: leaf.kind,
        };
        entries.insert(hash, entry);
    }
}

/// The commitments, checked on a thread of their own.
pub struct Checks<'scope> {
    runs: SyncSender<Run>,
    thread: ScopedJoinHandle<'scope, Report>,
}

/// How many frames may wait for their commitments to be checked.
const FRAMES_WAITING_MAX: usize = 64;

impl<'scope> Checks<'scope> {
    pub fn start(scope: &'scope Scope<'scope, '_>) -> Self {
        let (runs, waiting) = sync_channel::<Run>(FRAMES_WAITING_MAX);
        let thread = scope.spawn(move || {
            let mut found = Report::default();
            for run in waiting {
                check(&run, &mut found);
            }
            found
        });
        Self { runs, thread }
    }

    fn send(&self, run: &Run) {
        // The thread takes runs until this end is dropped.
        let _ = self.runs.send(run.clone());
    }

    fn finish(self) -> Report {
        drop(self.runs);
        self.thread.join().unwrap_or_else(|_| {
            let what = "the thread that checks payloads against their leaves was lost, and what it had found with it; \
                        verify again";
            let mut found = Report::default();
            found.find(Finding {
                from: None,
                until: None,
                ..Finding::at(Kind::Commitment, Position::START, what.into())
            });
            found
        })
    }
}

/// Adds what a thread found. It counts on beyond what it lists, as every report does.
pub fn take_in(report: &mut Report, found: Report) {
    report.findings_total += found.findings_total - found.findings.len() as u64;
    for finding in found.findings {
        report.find(finding);
    }
}

fn check(run: &Run, found: &mut Report) {
    for record in run.iter().filter(|record| !record.erased) {
        let Ok(leaf) = Leaf::decode(record.leaf) else {
            continue; // It is named already.
        };
        let size = record.payload.len() as u64;
        if leaf.payload_size != size {
            let what = format!(
                "the payload has {size} bytes, the leaf says {}",
                leaf.payload_size
            );
            found.find(Finding::at(Kind::Commitment, record.position, what));
            continue;
        }
        let salt: Option<&[u8; SALT_BYTES]> = record.salt.try_into().ok();
        let given = salt.map(|salt| commitment(salt, record.payload));
        if given != Some(leaf.commitment) {
            let what = "payload and salt do not give the commitment of the leaf".to_owned();
            found.find(Finding::at(Kind::Commitment, record.position, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fixity::FINDINGS_MAX;

    fn ledger<'scope>(scope: &'scope Scope<'scope, '_>, signed: Option<Checkpoint>) -> Ledger<'scope> {
        Ledger::new(Checks::start(scope), signed, true)
    }

    fn empty(root: Hash) -> Checkpoint {
        Checkpoint {
            origin: "example.org/test".into(),
            size: 0,
            root,
        }
    }

    #[test]
    fn a_thread_that_was_lost_is_found_and_nothing_is_called_sound() {
        let mut report = Report::default();
        std::thread::scope(|scope| {
            let (runs, waiting) = sync_channel::<Run>(1);
            let thread = scope.spawn(move || {
                drop(waiting);
                panic!("the test has it end");
            });
            let mut ledger = ledger(scope, None);
            drop(std::mem::replace(&mut ledger.checks, Checks { runs, thread }));
            ledger.finish(&mut report);
        });
        assert!(!report.is_sound());
        assert!(
            report.findings[0].what.contains("thread") && report.findings[0].from.is_none(),
            "{report:?}"
        );
    }

    #[test]
    fn losses_that_touch_are_one_and_each_lost_position_is_known() {
        std::thread::scope(|scope| {
            let mut ledger = ledger(scope, None);
            for (from, until) in [(3, 4), (4, 5), (5, 9), (20, 30), (30, 31), (40, 41)] {
                ledger.lost(Position::new(from), Position::new(until));
            }
            let ranges: Vec<_> = ledger
                .lost
                .iter()
                .map(|(from, until)| (from.get(), until.get()))
                .collect();
            assert_eq!(ranges, [(3, 9), (20, 31), (40, 41)]);
            let lost: Vec<u64> = (0..50).filter(|at| ledger.is_lost(Position::new(*at))).collect();
            let expected: Vec<u64> = (3..9).chain(20..31).chain(40..41).collect();
            assert_eq!(lost, expected);
        });
    }

    #[test]
    fn what_a_thread_finds_beyond_the_list_is_counted() {
        let mut found = Report::default();
        let more = FINDINGS_MAX as u64 + 7;
        for at in 0..more {
            found.find(Finding::at(Kind::Leaf, Position::new(at), String::new()));
        }
        let mut report = Report::default();
        report.find(Finding::at(Kind::Leaf, Position::START, String::new()));
        take_in(&mut report, found);
        assert_eq!(
            (report.findings.len(), report.findings_total),
            (FINDINGS_MAX, more + 1)
        );
    }

    #[test]
    fn a_checkpoint_of_no_records_has_the_root_of_the_empty_tree_or_is_found() {
        for (root, holds) in [(empty_root(), true), ([7; 32], false)] {
            let mut report = Report::default();
            std::thread::scope(|scope| ledger(scope, Some(empty(root))).finish(&mut report));
            assert_eq!(report.is_sound(), holds, "{report:?}");
            assert_eq!(report.checkpoint, holds.then_some(0));
        }
    }
}

//! Learning names from the log.
//!
//! Leaves that a start is told go into the table at once. Sealed ones are not read before the log is open; a thread of its own
//! does so, from where the files of names end, so that reads by position need not wait for it; appends and questions for an entry
//! do. Where files turn out to be damaged later on the same thread reads all leaves.

use super::{NameHash, NameTable, TakenNames, is_made};
use crate::log::shared::Shared;
use crate::log::{Closed, Columns, ReadError, ReadLimit, facts};
use crate::record::{Act, Leaf, Position, leaf_hash};
use std::sync::{Arc, Weak};

/// What a start was told.
#[derive(Default)]
pub struct Told {
    /// The names, where all records were told.
    pub table: NameTable,
    /// How many entries they made.
    pub entries: u64,
    /// What is to be learnt first; `None` where all records were told.
    pub behind: Option<Behind>,
    lost: Vec<(Position, Position)>,
}

/// Sealed records whose leaves were not read yet, and the records after them.
#[derive(Default)]
pub struct Behind {
    sealed: Position,
    later: Vec<Taken>,
}

/// What a leaf tells of names.
struct Taken {
    entry: NameHash,
    batch: Option<NameHash>,
    previous: Option<Position>,
    position: Position,
}

impl Taken {
    fn of(leaf: &Leaf<'_>, position: Position) -> Self {
        let is_named = leaf.batch_index == 0 && !is_made(leaf.batch_id, position);
        Self {
            entry: NameHash::of_entry(leaf.series, leaf.key),
            batch: is_named.then(|| NameHash::of_batch(leaf.batch_id)),
            previous: leaf.previous,
            position,
        }
    }

    fn record(&self, table: &mut NameTable) {
        table.record(self.entry, self.previous, self.position);
        if let Some(batch) = self.batch {
            table.record(batch, None, self.position);
        }
    }
}

impl Told {
    /// The records below `sealed` are to be learnt before all others are taken in.
    pub fn wait_for(&mut self, sealed: Position) {
        self.behind.get_or_insert_default().sealed = sealed;
    }

    /// Records that there were are lost.
    pub fn lost(&mut self, from: Position, until: Position) {
        self.lost.push((from, until));
    }

    /// Takes in a record, or keeps it until those before it are learnt.
    pub fn record(&mut self, position: Position, leaf: &Leaf<'_>) {
        let taken = Taken::of(leaf, position);
        let is_lost = |at: Position| self.lost.iter().any(|(from, until)| *from <= at && at < *until);
        match &mut self.behind {
            Some(behind) => behind.later.push(taken),
            None => {
                self.entries += u64::from(leaf.previous.is_none_or(is_lost));
                taken.record(&mut self.table);
            }
        }
    }
}

/// Learns what a start was not told, and opens the gate. Ends early where the log is gone.
pub fn begin(log: &Weak<Shared>, behind: Behind, files: Option<Arc<dyn TakenNames>>) {
    let _ended = Ended(log);
    let Some(shared) = log.upgrade() else { return };
    let files = files.filter(|files| shared.fit(files.as_ref()));
    let from = files.as_ref().map_or(Position::START, |files| files.through());
    let mut learnt = Learnt {
        entries: files.as_ref().map_or(0, |files| files.entries()),
        erases: files.as_ref().map_or_else(Vec::new, |files| files.erases()),
    };
    learnt.erases.retain(|erase| *erase < behind.sealed);
    drop(shared);
    learn(log, from, behind.sealed, &mut learnt);
    let Some(shared) = log.upgrade() else { return };
    shared.know_all(&learnt.erases);
    let later = behind.later.iter().filter(|taken| taken.position >= from);
    learnt.entries += later.filter(|taken| shared.makes_entry(taken.previous)).count() as u64;
    {
        let mut recent = shared.names.recent_mut();
        (behind.later.iter()).for_each(|taken| taken.record(&mut recent.table));
    }
    shared.names.entries_were_made(learnt.entries);
    shared.names.begin(files, from);
    tracing::info!(
        records = behind.sealed.since(from.min(behind.sealed)),
        "every name is known"
    );
}

/// Learns all names anew while the log goes on, and opens the gate.
pub fn again(log: &Weak<Shared>) {
    let _ended = Ended(log);
    let Some(shared) = log.upgrade() else { return };
    let tail = shared.tail.get();
    drop(shared);
    // What is committed meanwhile comes into the table by itself.
    learn(log, Position::START, tail, &mut Learnt::default());
    let Some(shared) = log.upgrade() else { return };
    shared.names.begin(None, Position::START);
    tracing::info!(records = tail.get(), "every name is known again");
}

#[derive(Default)]
struct Learnt {
    entries: u64,
    erases: Vec<Position>,
}

/// Reads leaves into the table. Damage closes the log, and the others are read all the same.
fn learn(log: &Weak<Shared>, from: Position, until: Position, learnt: &mut Learnt) {
    let mut at = from;
    let mut whole = true;
    while at < until {
        let Some(shared) = log.upgrade() else { return };
        if let Some(end) = shared.loss_at(at) {
            at = end;
            continue;
        }
        if let Err(error) = shared.take_leaves(&mut at, until, learnt) {
            if std::mem::take(&mut whole) {
                tracing::error!(position = %at, %error, "the archive is read-only");
            }
            // Who does not know all entries might record one again.
            shared.close_with(Closed::Damaged {
                what: format!("a sealed record cannot be read ({error})"),
                position: at,
            });
            at = at.next();
        }
    }
}

/// Opens the gate however the thread ends: whoever waits at it would wait for ever.
struct Ended<'a>(&'a Weak<Shared>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let Some(shared) = self.0.upgrade() else { return };
        if std::thread::panicking() {
            shared.close_with(Closed::Failed(
                "the thread that learns the names has panicked".into(),
            ));
        }
        shared.names.known().open();
    }
}

/// How much is read at once.
const STEP: ReadLimit = ReadLimit {
    records: 4_096,
    bytes: 1 << 20,
};

impl Shared {
    /// Whether files of names are this log's: the last record in them is the log's at that position.
    fn fit(&self, files: &dyn TakenNames) -> bool {
        let Some(last) = files.through().get().checked_sub(1).map(Position::new) else {
            return false;
        };
        if last >= self.tail.get() || self.loss_at(last).is_some() {
            return false;
        }
        // In a leaf is a salted commitment: no other record has the same.
        let leaf = self.fetch_one(last, Columns::Leaves);
        let hash = leaf
            .ok()
            .and_then(|run| run.iter().next().map(|record| leaf_hash(record.leaf)));
        hash.is_some() && hash == files.last()
    }

    /// Whether a record whose entry has this one before made the entry, as far as there is anything left of it.
    pub(in crate::log) fn makes_entry(&self, previous: Option<Position>) -> bool {
        previous.is_none_or(|previous| self.loss_at(previous).is_some())
    }

    fn know_all(&self, erases: &[Position]) {
        for erase in erases {
            match self.erasure_at(*erase) {
                Ok(erasure) => erasure.into_iter().for_each(|erasure| self.know_erased(erasure)),
                Err(error) => {
                    tracing::error!(position = %erase, %error, "what an ERASE names cannot be read")
                }
            }
        }
    }

    /// Takes in some leaves from `at` on, and sets `at` behind each that it has taken in.
    fn take_leaves(&self, at: &mut Position, until: Position, learnt: &mut Learnt) -> Result<(), ReadError> {
        for run in self.read_cold(*at, until, STEP, Columns::Leaves)? {
            let mut recent = self.names.recent_mut();
            for record in run.iter().filter(|record| record.position < until) {
                let leaf = facts::decode(record.leaf, record.position)?;
                Taken::of(&leaf, record.position).record(&mut recent.table);
                learnt.entries += u64::from(self.makes_entry(leaf.previous));
                if leaf.act == Act::Erase {
                    learnt.erases.push(record.position);
                }
                *at = record.position.next();
            }
        }
        Ok(())
    }
}

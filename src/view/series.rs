//! Every series with its counts: the records below a point, looked at once each.

use super::matching::decode;
use crate::log::{Columns, Log, ReadError, ReadLimit};
use crate::record::{Act, Kind, Leaf, Position, Recorded};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// One series, as the records below some position make it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesCounts {
    /// Its entries, of every status.
    pub entries: u64,
    /// Its records.
    pub records: u64,
    /// Its retracted entries.
    pub retracted: u64,
    /// Its entries by kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// When its first record was committed.
    pub first_recorded: Recorded,
    /// When its last record was committed.
    pub last_recorded: Recorded,
}

impl SeriesCounts {
    fn apply(&mut self, leaf: &Leaf<'_>) {
        if self.records == 0 {
            self.first_recorded = leaf.recorded;
        }
        self.records += 1;
        self.last_recorded = leaf.recorded;
        if leaf.previous.is_none() {
            self.entries += 1;
            *self.kinds.entry(leaf.kind).or_default() += 1;
        }
        match leaf.act {
            Act::Retract => self.retracted += 1,
            // A RETRACT came before it: the log refuses the act otherwise.
            Act::Reinstate => self.retracted = self.retracted.saturating_sub(1),
            Act::Create
            | Act::Amend
            | Act::Link
            | Act::Unlink
            | Act::Erase
            | Act::Hold
            | Act::Release
            | Act::Epoch
            | Act::Audit => {}
        }
    }
}

/// Every series, by name.
pub type AllSeries = BTreeMap<String, SeriesCounts>;

/// So many series are kept for the next question.
const KEPT_MAX: usize = 10_000;

/// What was counted last, so that the next question looks only at what was recorded since.
#[derive(Default)]
pub(super) struct Counted(Mutex<(Position, AllSeries)>);

impl Counted {
    /// Counts every series in the records below `as_of`. Ends early, with what it has, once `cancelled` is set.
    ///
    /// # Errors
    /// [`ReadError`] where a leaf cannot be read.
    pub fn count(&self, log: &Log, as_of: Position, cancelled: &AtomicBool) -> Result<AllSeries, ReadError> {
        let (mut next, mut all) = self.below(as_of);
        while next < as_of && !cancelled.load(Ordering::Relaxed) {
            let limit = ReadLimit {
                records: 16_384,
                bytes: 4 * 1024 * 1024,
            };
            for run in log.read(next, as_of, limit, Columns::Leaves)? {
                for record in run.iter() {
                    let leaf = decode(&record)?;
                    match all.get_mut(leaf.series) {
                        Some(counts) => counts.apply(&leaf),
                        None => all.entry(leaf.series.to_owned()).or_default().apply(&leaf),
                    }
                }
                next = run.end();
            }
        }
        if all.len() <= KEPT_MAX {
            self.keep(next, &all);
        }
        Ok(all)
    }

    /// What is known of the records below some position up to `as_of`, and that position.
    fn below(&self, as_of: Position) -> (Position, AllSeries) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.0 <= as_of {
            true => kept.clone(),
            false => (Position::START, AllSeries::new()),
        }
    }

    /// Keeps what is known of more records than before.
    fn keep(&self, next: Position, all: &AllSeries) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 < next {
            *kept = (next, all.clone());
        }
    }
}

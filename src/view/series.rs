//! Every series with its counts.

use super::matching::decode;
use crate::log::{Columns, Log, ReadError, ReadLimit};
use crate::record::{Act, Kind, Leaf, Position, Recorded};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Counts every series in the records below `as_of`. Ends early, with what it has, once `cancelled` is set.
///
/// # Errors
/// [`ReadError`] where a leaf cannot be read.
pub fn count(
    log: &Log,
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<BTreeMap<String, SeriesCounts>, ReadError> {
    let mut all: BTreeMap<String, SeriesCounts> = BTreeMap::new();
    let mut next = Position::START;
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
    Ok(all)
}

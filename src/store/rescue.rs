//! Where a start looks for records that the journal should hold and does not: in the sealed log, in the hot log, and in
//! another copy of the archive where one was named.

use super::chunk::Chunks;
use super::sled::HotLog;
use crate::log::open::Fold;
use crate::log::store::{Replay, Rescued, Shelf};
use crate::log::{Columns, ReadLimit, Run};
use crate::record::Position;
use std::sync::Arc;

const EVERYTHING: ReadLimit = ReadLimit {
    records: usize::MAX,
    bytes: usize::MAX,
};

/// Folds what the journal holds, and finds what it does not.
pub struct Rescuing<'a> {
    /// What the log keeps in memory.
    pub fold: Fold,
    /// The hot log.
    pub hot: &'a Arc<HotLog>,
    /// The sealed log.
    pub chunks: &'a Chunks,
    /// Another copy of the log.
    pub other: Option<&'a dyn Shelf>,
    /// How many records the newest checkpoint covers: they were published, whatever is left of them.
    pub signed: u64,
}

impl Rescuing<'_> {
    /// Adds what the other copy holds from where the runs end, up to where records are known to have been.
    fn ask_other(&self, from: Position, until: Option<Position>, rescued: &mut Rescued) {
        let end = until.unwrap_or(rescued.seen);
        let mut at = rescued.runs.last().map_or(from, Run::end);
        let Some(other) = self.other else { return };
        let added = copied(other, &mut at, end);
        // It answered in the place of one that did not.
        rescued.silent &= at < end || added.is_empty();
        rescued.runs.extend(added);
    }
}

/// The runs that a shelf holds from `at` on, which is moved on to where they end.
fn copied(shelf: &dyn Shelf, at: &mut Position, end: Position) -> Vec<Run> {
    let mut runs = Vec::new();
    while *at < end {
        let Ok(Some(more)) = shelf.read(*at, end, EVERYTHING, Columns::All) else {
            break;
        };
        let more: Vec<Run> = more.iter().map(|run| run.slice(*at, end)).collect();
        *at = more.last().map_or(end, Run::end);
        runs.extend(more);
    }
    runs
}

impl Replay for Rescuing<'_> {
    fn run(&mut self, run: &Run) {
        self.fold.run(run);
    }

    fn lost(&mut self, from: Position, until: Position) {
        self.fold.lost(from, until);
    }

    fn rescue(&mut self, from: Position, until: Option<Position>) -> Rescued {
        let signed = Position::new(self.signed);
        let sealed = self.chunks.sealed();
        let mut at = from;
        let end = until.map_or(sealed, |until| until.min(sealed));
        let runs = copied(self.chunks, &mut at, end);
        let hot = if at >= sealed {
            self.hot.rescue(at, until)
        } else {
            Rescued::default()
        };
        let seen = if from < sealed {
            hot.seen.max(sealed)
        } else {
            hot.seen
        };
        let mut rescued = Rescued {
            runs: runs.into_iter().chain(hot.runs).collect(),
            seen: seen.max(signed),
            silent: hot.silent,
        };
        self.ask_other(from, until, &mut rescued);
        rescued
    }

    fn seen(&mut self) -> Position {
        self.hot.seen().max(Position::new(self.signed))
    }
}

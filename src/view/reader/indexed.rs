//! Reading forward with the search view, where it names few enough records to be looked at.
//!
//! What is answered is the same as by a look at every record: the view names more records than are picked, never fewer, and
//! each is judged as ever. Where it lags, fails, or narrows too little, every record is looked at.

use super::{ALIGN, Gather, Reader, SCANNED_MAX};
use crate::log::{Log, ReadError, Run};
use crate::record::Position;
use crate::view::matching::Matcher;
use crate::view::search::Search;
use crate::view::search::feed::Candidates;
use crate::view::selection::Selection;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The search view, once there is one.
pub type Viewed = Arc<OnceLock<Arc<Search>>>;

/// The fewest records that are fetched together.
const FETCHED_MIN: usize = 8;
/// The most.
const FETCHED_MAX: usize = 512;
/// Bytes of records that are fetched together, about.
const FETCHED_BYTES: usize = 256 * 1024;

/// What a reader knows by the search view.
pub(super) struct Index {
    view: Viewed,
    known: Option<Candidates>,
    /// Below this position every record is looked at.
    looked_at_below: Position,
    /// How many records are fetched next: large ones are fetched few at a time.
    fetched: usize,
}

impl Index {
    pub(super) fn new(view: &Viewed) -> Self {
        Self {
            view: Arc::clone(view),
            known: None,
            looked_at_below: Position::START,
            fetched: FETCHED_MIN,
        }
    }

    /// Gathers the candidates at the beginning of a range; `false` where every record must be looked at.
    fn knows(
        &mut self,
        log: &Log,
        matcher: &Matcher,
        range: Range<Position>,
        cancelled: &AtomicBool,
    ) -> bool {
        let holds = |known: &Candidates| known.hold(range.start, log.erasures());
        if self.known.as_ref().is_some_and(holds) {
            return true;
        }
        self.known = None;
        let Some(view) = self.view.get().filter(|_| range.start >= self.looked_at_below) else {
            return false;
        };
        match view.deliverable(log, matcher.filter(), matcher.mode(), range, cancelled) {
            Ok(known) => self.known = Some(known),
            Err(below) => self.looked_at_below = below,
        }
        self.known.is_some()
    }

    /// The next candidates to fetch.
    fn next(&self, range: Range<Position>, most: usize) -> Vec<Position> {
        let known = self.known.iter().flat_map(|known| known.from(range.start));
        let within = known.take_while(|at| *at < range.end);
        within.take(self.fetched.min(most)).collect()
    }

    /// So many records had so many bytes, where a message takes `wanted`: the next time as many are fetched as would fit, and at most
    /// twice as many as now, since those may be larger.
    fn has_fetched(&mut self, records: usize, bytes: usize, wanted: usize) {
        let fitting = records * FETCHED_BYTES.min(wanted) / bytes.max(1);
        self.fetched = fitting.min(self.fetched * 2).clamp(FETCHED_MIN, FETCHED_MAX);
    }
}

impl Reader {
    /// What the range `from..until` begins with, by the search view; `None` where it cannot say.
    pub(super) fn indexed(
        &mut self,
        from: Position,
        until: Position,
        bytes: usize,
    ) -> Result<Option<Selection>, ReadError> {
        let Some(mut index) = self.index.take() else {
            return Ok(None);
        };
        let selected = match index.knows(&self.log, &self.matcher, from..until, &self.cancelled) {
            true => self.among_candidates(&mut index, from, until, bytes).map(Some),
            false => Ok(None),
        };
        self.index = Some(index);
        selected
    }

    fn among_candidates(
        &mut self,
        index: &mut Index,
        from: Position,
        until: Position,
        bytes: usize,
    ) -> Result<Selection, ReadError> {
        let end = index.known.as_ref().map_or(from, Candidates::end).min(until);
        // As far as a look at every record goes before it tells how far it has looked.
        let step = from.get() / SCANNED_MAX + 1;
        let end = end.min(Position::new(step.saturating_mul(SCANNED_MAX)));
        let mut gather = Gather::new(false, self.weight, bytes);
        gather.cancelled = Arc::clone(&self.cancelled);
        gather.mode = self.matcher.mode();
        let mut next = from;
        while next < end && !gather.is_full(self.left) && !self.cancelled.load(Ordering::Relaxed) {
            let most = usize::try_from(self.left - gather.count).unwrap_or(usize::MAX);
            let positions = index.next(next..end, most);
            if positions.is_empty() {
                next = end;
                break;
            }
            let together = FETCHED_BYTES.min(bytes);
            let runs = self.log.fetch_some(&positions, self.columns, together)?;
            index.has_fetched(runs.len(), runs.iter().map(Run::bytes).sum(), bytes);
            for run in runs {
                if gather.is_full(self.left) {
                    break;
                }
                // Where it is late by now the record is not taken, and is the next one's first.
                next = gather.take(&run, self.left, &self.matcher)?;
            }
        }
        if gather.count < self.left {
            next = aligned(next, index.next(next..end, 1).first().copied().unwrap_or(end));
        }
        self.left -= gather.count;
        self.plan = super::Plan::Forward { from: next, until };
        Ok(gather.finish(from, next))
    }
}

/// The last position up to `following` at which the root of the tree is at hand, where there is one from `next` on: nothing in
/// between is a candidate.
fn aligned(next: Position, following: Position) -> Position {
    let at = Position::new(following.get() / ALIGN * ALIGN);
    if at > next { at } else { next }
}

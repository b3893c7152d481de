//! Reading forward with the search view, where it names few enough records to be looked at.
//!
//! What is answered is the same as by a look at every record: the view names more records than are picked, never fewer. Each is
//! judged as ever, but for a first content of which the view knows that it passes. Where it lags, fails, or narrows too little, every
//! record is looked at.

use super::{ALIGN, Gather, Reader, SCANNED_MAX, STEP_TIME};
use crate::log::{Log, ReadError, Run};
use crate::record::Position;
use crate::view::matching::Matcher;
use crate::view::search::Search;
use crate::view::search::feed::Candidates;
use crate::view::selection::{Change, Selection};
use crate::view::turns::{PIECE, shared};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The search view, once there is one.
pub type Viewed = Arc<OnceLock<Arc<Search>>>;

/// The most candidates that are looked at for a message.
const CANDIDATES_MAX: usize = 4_096;
/// Bytes of records that are fetched together, about.
const FETCHED_BYTES: usize = 256 * 1024;

/// What a reader knows by the search view.
pub(super) struct Index {
    view: Viewed,
    known: Option<Candidates>,
    /// Below this position every record is looked at.
    looked_at_below: Position,
    /// Candidates that were read for the message before and did not fit into it.
    ready: VecDeque<Result<Ready, ReadError>>,
}

/// A candidate that was read: its run of one record and, of a content that passes for sure, what it is to the filter.
type Ready = (Run, Option<Option<Change>>);

impl Index {
    pub(super) fn new(view: &Viewed) -> Self {
        Self {
            view: Arc::clone(view),
            known: None,
            looked_at_below: Position::START,
            ready: VecDeque::new(),
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
        (self.known, self.ready) = (None, VecDeque::new());
        let Some(view) = self.view.get().filter(|_| range.start >= self.looked_at_below) else {
            return false;
        };
        match view.deliverable(log, matcher.filter(), matcher.mode(), range, cancelled) {
            Ok(known) => self.known = Some(known),
            Err(below) => self.looked_at_below = below,
        }
        self.known.is_some()
    }

    /// How many candidates a range has.
    fn count(&self, range: Range<Position>) -> u64 {
        self.known.as_ref().map_or(0, |known| known.count(range))
    }

    /// The next candidates to read, and of each whether its content passes for sure.
    fn next(&self, range: Range<Position>, most: usize) -> Vec<(Position, bool)> {
        let known = self.known.iter().flat_map(|known| known.from(range.start));
        let within = known.take_while(|(at, _)| *at < range.end);
        within.take(most).collect()
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
            if index.ready.is_empty() {
                let most = usize::try_from(self.left - gather.count).unwrap_or(usize::MAX);
                let candidates = index.next(next..end, most.min(CANDIDATES_MAX));
                if candidates.is_empty() {
                    next = end;
                    break;
                }
                index.ready = self.read_candidates(&candidates, bytes);
            }
            match index.ready.pop_front() {
                // Nobody waits for it any more.
                None => break,
                // What was read before it is told first.
                Some(Err(error)) if gather.scanned > 0 => {
                    index.ready.push_front(Err(error));
                    break;
                }
                Some(Err(error)) => return Err(error),
                Some(Ok((run, judged))) => next = self.take_candidate(&mut gather, run, judged)?,
            }
        }
        if gather.count < self.left {
            let following = index.next(next..end, 1);
            next = aligned(next, following.first().map_or(end, |(at, _)| *at));
        }
        if super::is_one_of_many(bytes) {
            index.ready.clear();
        }
        // Whatever is below the end of a selection is not looked at again.
        let passed = index.count(from..next);
        assert_eq!(
            passed, gather.scanned,
            "each candidate of {from}..{next} was judged"
        );
        self.left -= gather.count;
        self.plan = super::Plan::Forward { from: next, until };
        Ok(gather.finish(from, next))
    }

    /// Judges a candidate that is ready no more, however full the selection is: it does not come again.
    fn take_candidate(
        &self,
        gather: &mut Gather,
        run: Run,
        judged: Option<Option<Change>>,
    ) -> Result<Position, ReadError> {
        let judged = match (judged, run.get(run.first())) {
            (Some(judged), _) => judged,
            (None, Some(record)) => self.matcher.judge(&record)?,
            (None, None) => return Err(super::empty_read(run.first())),
        };
        Ok(gather.take_judged(run, judged))
    }

    /// Reads candidates until they are a message, by two threads that take some at a time: at least one while somebody waits for it.
    /// The first error is the last of them.
    fn read_candidates(
        &self,
        candidates: &[(Position, bool)],
        bytes: usize,
    ) -> VecDeque<Result<Ready, ReadError>> {
        let weight = AtomicUsize::new(0);
        let began = Instant::now();
        let wants_more = || {
            let so_far = weight.load(Ordering::Relaxed);
            let is_enough = so_far > 0 && (so_far >= bytes || began.elapsed() >= STEP_TIME);
            !is_enough && !self.cancelled.load(Ordering::Relaxed)
        };
        let begin = || {
            |number: usize| {
                let piece = &candidates[number * PIECE..candidates.len().min((number + 1) * PIECE)];
                let mut read = Vec::with_capacity(piece.len());
                while read.len() < piece.len() && (read.is_empty() || wants_more()) {
                    match self.read_some(&piece[read.len()..], bytes) {
                        Ok(some) => {
                            let own: usize = some.iter().map(|(run, _)| run.bytes() * self.weight).sum();
                            weight.fetch_add(own.max(1), Ordering::Relaxed);
                            read.extend(some.into_iter().map(Ok));
                        }
                        Err(error) => {
                            // Nothing behind it is told.
                            weight.fetch_add(bytes, Ordering::Relaxed);
                            read.push(Err(error));
                            break;
                        }
                    }
                }
                (read.len() == piece.len(), read)
            }
        };
        let mut all = VecDeque::new();
        for (is_whole, read) in shared(candidates.len().div_ceil(PIECE), wants_more, begin) {
            let is_error = read.last().is_some_and(Result::is_err);
            all.extend(read);
            if !is_whole || is_error {
                break;
            }
        }
        all
    }

    /// The first of some candidates, at least one.
    fn read_some(&self, candidates: &[(Position, bool)], bytes: usize) -> Result<Vec<Ready>, ReadError> {
        let positions: Vec<Position> = candidates.iter().map(|(at, _)| *at).collect();
        let runs = self
            .log
            .fetch_some(&positions, self.columns, FETCHED_BYTES.min(bytes));
        // Where one of them cannot be read, those before it may be.
        let runs = runs.or_else(|_| self.log.fetch(&positions[..1], self.columns))?;
        let judged = |(run, (at, is_sure)): (Run, &(Position, bool))| {
            let record = run.get(*at).filter(|_| *is_sure);
            let judged = record
                .map(|record| self.matcher.judge_sure(&record))
                .transpose()?;
            Ok((run, judged))
        };
        runs.into_iter().zip(candidates).map(judged).collect()
    }
}

/// The last position up to `following` at which the root of the tree is at hand, where there is one from `next` on: nothing in
/// between is a candidate.
fn aligned(next: Position, following: Position) -> Position {
    let at = Position::new(following.get() / ALIGN * ALIGN);
    if at > next { at } else { next }
}

//! Which records a feed may deliver.
//!
//! A feed judges each record by its own content, or by the content that its entry has before and after it. So these may be
//! delivered: the contents that the index has by the filter's terms; the acts and later contents on a content that it has by
//! them, whatever the leaves of the entry's records say; and the records of which the index cannot tell, which are few: those on
//! an erased content, those without any, and each ERASE. Whoever asks judges every one of them; only of contents that pass by the
//! filter's terms alone is it said that they do.

use super::{Search, plan};
use crate::filter::Filter;
use crate::index::{IndexError, Snapshot};
use crate::log::Log;
use crate::record::Position;
use crate::view::Mode;
use std::collections::HashSet;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};

/// Positions of which the candidates are gathered at a time.
const WINDOW: u64 = 1 << 20;
/// Where more than one record in so many is a candidate, to look at every record is no slower.
const SHARE: u64 = 5;
/// So many candidates are never too many.
const FEW: u64 = 64;
/// Records that are looked at before the view is asked again, where it was behind.
const BEHIND: u64 = 1_024;
/// Where no more followers than one record in so many are in a window, all of them are candidates.
const FOLLOWERS_SHARE: u64 = 128;

/// The records of a range that a feed may deliver.
pub struct Candidates {
    first: Position,
    end: Position,
    /// Twice the number of positions from the first one on, and one more where it passes for sure; ascending.
    offsets: Vec<u32>,
    /// How many erasures there were when they were gathered.
    erasures: u64,
}

impl Candidates {
    /// The position after the range.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Whether they can be asked at a position, and nothing was erased since they were gathered.
    pub fn hold(&self, at: Position, erasures: u64) -> bool {
        self.first <= at && at < self.end && self.erasures == erasures
    }

    /// Those from a position on, ascending; each with whether its content passes for sure, as the content of its record was when it
    /// was recorded.
    pub fn from(&self, at: Position) -> impl Iterator<Item = (Position, bool)> + '_ {
        let offsets = self.offsets[self.below(at)..].iter();
        offsets.map(|offset| (self.first.plus(u64::from(offset >> 1)), offset & 1 == 1))
    }

    /// How many there are in a range.
    pub fn count(&self, range: Range<Position>) -> u64 {
        self.below(range.end).saturating_sub(self.below(range.start)) as u64
    }

    /// How many there are below a position.
    fn below(&self, at: Position) -> usize {
        let offset = at.since(self.first);
        let is_below = |candidate: &u32| u64::from(candidate >> 1) < offset;
        self.offsets.partition_point(is_below)
    }
}

impl Search {
    /// The records that a feed of a filter may deliver, from the beginning of a range on; not always to its end.
    ///
    /// # Errors
    /// Where every record must be looked at instead: the position up to which that is so.
    pub fn deliverable(
        &self,
        log: &Log,
        filter: &Filter,
        mode: Mode,
        range: Range<Position>,
        cancelled: &AtomicBool,
    ) -> Result<Candidates, Position> {
        // Counted first: what is erased from here on has them gathered anew.
        let erasures = log.erasures();
        let snapshot = self.snapshot();
        let plan = plan::Plan::of(filter);
        let end = range.end.min(range.start.plus(WINDOW)).min(snapshot.through());
        if plan.is_useless() {
            return Err(range.end);
        }
        if end <= range.start {
            return Err(range.start.plus(BEHIND).min(range.end));
        }
        let mut gathering = Gathering {
            search: self,
            snapshot: &snapshot,
            cancelled,
            range: range.start..end,
            found: Vec::new(),
            most: end.since(range.start) / SHARE + FEW,
        };
        let erased: HashSet<Position> = log.erased_now().into_iter().collect();
        let gathered = gathering
            .all(&plan, filter, mode, &erased)
            .unwrap_or_else(|error| {
                self.failed(&error, &snapshot);
                ControlFlow::Break(())
            });
        if gathered.is_break() {
            return Err(end);
        }
        let mut offsets = gathering.found;
        offsets.sort_unstable();
        // What is left to be judged comes before what is sure of the same record.
        offsets.dedup_by_key(|offset| *offset >> 1);
        Ok(Candidates {
            first: range.start,
            end,
            offsets,
            erasures,
        })
    }
}

/// Candidates as they are gathered; where they become too many it breaks off.
struct Gathering<'g> {
    search: &'g Search,
    snapshot: &'g Snapshot,
    cancelled: &'g AtomicBool,
    range: Range<Position>,
    found: Vec<u32>,
    most: u64,
}

impl Gathering<'_> {
    fn all(
        &mut self,
        plan: &plan::Plan,
        filter: &Filter,
        mode: Mode,
        erased: &HashSet<Position>,
    ) -> Result<ControlFlow<()>, IndexError> {
        for (ask, is_sure) in [(&plan.sure, true), (&plan.left, false)] {
            if self.contents(ask, is_sure)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        // The index may still have them by what is gone.
        for content in erased {
            if self.add(*content, false).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.followers(filter, mode, erased)
    }

    fn add(&mut self, position: Position, is_sure: bool) -> ControlFlow<()> {
        if self.range.contains(&position) {
            // Twice the window is far below the numbers of 32 bits.
            let offset = position.since(self.range.start) as u32;
            self.found.push(offset << 1 | u32::from(is_sure));
        }
        if self.found.len() as u64 > self.most {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// The contents that are asked for.
    fn contents(&mut self, ask: &plan::Ask, is_sure: bool) -> Result<ControlFlow<()>, IndexError> {
        let snapshot = self.snapshot;
        // Of the other parts nothing is in the window, and a vocabulary may be long to walk through.
        for part in snapshot.parts_of(&self.range) {
            let set = snapshot.set(part, ask)?;
            let from = snapshot.from(part);
            let mut positions = set.iter().map(|number| from.plus(u64::from(number)));
            let is_over = positions.any(|at| self.add(at, is_sure).is_break());
            if is_over || self.cancelled.load(Ordering::Relaxed) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The records on contents that may pass, and those of which the index cannot tell.
    fn followers(
        &mut self,
        filter: &Filter,
        mode: Mode,
        erased: &HashSet<Position>,
    ) -> Result<ControlFlow<()>, IndexError> {
        let (mut open, mut on_contents) = (Vec::new(), Vec::new());
        {
            let fates = self.search.fates();
            for one in fates.followers(self.range.clone()) {
                match one.on {
                    // By itself such a record is among the contents.
                    _ if mode == Mode::Records && one.has_content => {}
                    Some(on) if !fates.is_erased(on) && !erased.contains(&on) && !fates.erases(one.at) => {
                        on_contents.push((on, one.at));
                    }
                    Some(_) | None => open.push(one.at),
                }
            }
        }
        if self.add_each(open).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let few = self.range.end.since(self.range.start) / FOLLOWERS_SHARE + FEW / 8;
        let ask = plan::of_another_record(filter);
        if on_contents.len() as u64 <= few || ask == plan::Ask::All {
            return Ok(self.add_each(on_contents.into_iter().map(|(_, at)| at)));
        }
        self.on(&ask, on_contents)
    }

    fn add_each(&mut self, positions: impl IntoIterator<Item = Position>) -> ControlFlow<()> {
        positions.into_iter().try_for_each(|at| self.add(at, false))
    }

    /// Of records, each behind the content it is on, those on a content that is asked for.
    fn on(
        &mut self,
        ask: &plan::Ask,
        mut followers: Vec<(Position, Position)>,
    ) -> Result<ControlFlow<()>, IndexError> {
        followers.sort_unstable();
        let mut going = ControlFlow::Continue(());
        let snapshot = self.snapshot;
        snapshot.find(ask, None, |hits| {
            if self.cancelled.load(Ordering::Relaxed) {
                going = ControlFlow::Break(());
            }
            // Both are ascending.
            let mut left = followers.as_slice();
            for hit in hits {
                left = &left[left.partition_point(|(on, _)| *on < hit.position)..];
                if left.is_empty() || going.is_break() {
                    break;
                }
                let of_hit = left.partition_point(|(on, _)| *on == hit.position);
                going = self.add_each(left[..of_hit].iter().map(|(_, at)| *at));
            }
            going
        })?;
        Ok(going)
    }
}

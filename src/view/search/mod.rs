//! The view behind searches and counts: an index of every content, and what became of each.
//!
//! The index answers for the records below its mark, the records from there on are looked at themselves, and both are judged
//! by [`Fates`] as of the point that is asked for; so an answer is the same whether the index is there, lags or is gone. Where
//! the index cannot narrow a filter down, [`super::scan`] looks at everything.
//!
//! [`follow`] fills it, [`plan`] says what to ask of it, [`feed`] which records a feed may deliver, [`near`] what
//! comes near to a name that nobody has.

pub mod feed;
pub mod follow;
mod near;
pub mod plan;

use super::contents::Contents;
use super::fates::Fates;
use super::fetched;
use super::matching::{self, Admitted};
use super::runner::Asked;
use super::runner::standing::State;
use super::scan::{self, Known};
use super::turns::both;
use crate::filter::{Filter, Term};
use crate::index::{Dates, IndexError, Shelf, Snapshot};
use crate::log::erasure::{Holder, HolderName, Rid};
use crate::log::{Columns, Log, ReadError, Run};
use crate::record::{Leaf, Position, Status};
use plan::Plan;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// What this view is called.
pub const NAME: &str = "search";
/// An index of so many documents is asked by two threads, half of its parts each.
const SHARED_DOCUMENTS: u64 = 1 << 21;
/// Where more candidates than this share of the log must be asked themselves, to look at every record is no slower.
const OPEN_SHARE: u64 = 16;
/// So many leaves of erased contents are kept, some hundred bytes each.
const LEAVES_MAX: usize = 1 << 16;

/// An index, and what became of the contents in it.
pub struct Search {
    shelf: Arc<Shelf>,
    /// Those of all records in the index, and maybe of some more.
    fates: RwLock<Fates>,
    /// The leaves of erased contents that were asked for.
    leaves: RwLock<HashMap<Position, Box<[u8]>>>,
    /// Every ERASE below was taken in, and its files written anew.
    rid: AtomicU64,
    state: State<Self>,
}

/// A content that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its position.
    pub position: Position,
    /// The earliest day on which what it tells may have occurred, where it was asked for.
    pub day: Option<i32>,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a look at every record.
    Scan,
    /// The index names candidates, which are looked at.
    Candidates,
    /// By the index.
    Index,
}

impl Way {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Candidates => "index, then its candidates",
            Self::Index => "index",
        }
    }
}

/// Why the index did not answer.
#[derive(Debug)]
pub enum Unanswered {
    /// It knows too little of the filter; look at every record.
    Useless,
    /// It failed; look at every record.
    Index(IndexError),
    /// The log failed.
    Read(ReadError),
}

impl From<ReadError> for Unanswered {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl Holder for Search {
    fn rid(&self) -> Rid {
        let rid = |of: &Self, is_made_anew| Rid {
            through: Position::new(of.rid.load(Ordering::Acquire)),
            name: HolderName {
                view: NAME,
                is_made_anew,
            },
        };
        let own = rid(self, false);
        // The files of the one that is made anew count too.
        let rebuilt = self.state.beside().map(|rebuilt| rid(&rebuilt, true));
        rebuilt
            .filter(|rebuilt| rebuilt.through < own.through)
            .unwrap_or(own)
    }
}

impl Asked for Search {
    fn state(&self) -> &State<Self> {
        &self.state
    }

    fn through(&self) -> Position {
        self.shelf.through()
    }

    fn bytes(&self) -> u64 {
        self.snapshot().bytes()
    }

    fn files(&self) -> usize {
        self.snapshot().volumes()
    }

    fn begins_anew(&self) {
        self.rid.store(0, Ordering::Release);
    }
}

/// What is asked for.
struct Question<'q> {
    log: &'q Log,
    filter: &'q Filter,
    admitted: Admitted,
    plan: Plan,
    /// The index answers below this position.
    below: Position,
    /// What the records above say of contents below.
    later: HashMap<u64, Known>,
    /// What was erased and is masked by the log, whether the index knows of it or not.
    erased: HashSet<Position>,
    /// Whether the days of matches are wanted.
    dated: bool,
    cancelled: &'q AtomicBool,
}

/// A question of which the newest records were looked at.
struct Begun<'q> {
    question: Question<'q>,
    /// Those of which the record must be asked, sure or not; ascending.
    candidates: Vec<(Match, Status)>,
    /// How many contents the answer lacks since they are erased, among the newest records.
    erased: u64,
}

impl Begun<'_> {
    fn is_candidate(&self, position: Position) -> bool {
        let found = self
            .candidates
            .binary_search_by_key(&position, |(one, _)| one.position);
        found.is_ok()
    }
}

impl Search {
    fn new(shelf: Arc<Shelf>, fates: Fates) -> Self {
        Self {
            rid: AtomicU64::new(shelf.snapshot().through().get()),
            shelf,
            fates: RwLock::new(fates),
            leaves: RwLock::default(),
            state: State::default(),
        }
    }

    /// Of each content, whether it is certain that no record below `as_of` follows it, so that it is the newest of its entry
    /// and nothing was done to it.
    pub fn are_last(&self, contents: &[Position], as_of: Position) -> Vec<bool> {
        let is_known = as_of <= self.shelf.through();
        let fates = self.fates();
        let is_last = |content: &Position| is_known && !fates.is_touched(*content);
        contents.iter().map(is_last).collect()
    }

    /// No file has anything of what was erased below a position.
    fn is_rid(&self, through: Position) {
        self.rid.fetch_max(through.get(), Ordering::AcqRel);
    }

    /// What the index has now.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.shelf.snapshot()
    }

    /// Takes note that a question failed; after damage the index is made anew as soon as its runner looks.
    pub(super) fn failed(&self, error: &IndexError, asked: &Snapshot) {
        tracing::error!(%error, "the search view failed; every record is looked at");
        // What was asked may be gone already, and a new one in its place.
        if error.is_damage() && self.snapshot().is_of(asked) {
            self.state.set_damaged(true);
        }
    }

    /// How far the index is.
    pub fn through(&self) -> Position {
        self.shelf.through()
    }

    /// How many documents the index has under a term, whatever became of them.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn held(&self, term: &Term) -> Result<u64, IndexError> {
        self.shelf.snapshot().held(&plan::bytes_of(term))
    }

    /// How a question is answered, and how many records are looked at before the index's candidates are known.
    pub fn explain(&self, filter: &Filter, as_of: Position) -> (Way, u64) {
        let plan = Plan::of(filter);
        let newest = as_of.since(self.through());
        if plan.is_useless() {
            (Way::Scan, as_of.get())
        } else if plan.is_open() && self.leaves(&plan, as_of) {
            (Way::Candidates, newest)
        } else {
            (Way::Index, newest)
        }
    }

    /// Whether the index has documents of which the record must be asked.
    fn leaves(&self, plan: &Plan, as_of: Position) -> bool {
        let mut leaves = false;
        let looked = self.snapshot().find(&plan.left, None, |hits| {
            let mut below = hits.filter(|hit| hit.position < as_of);
            leaves = leaves || below.next().is_some();
            match leaves {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        leaves || looked.is_err()
    }

    /// What it knows every record below of.
    pub(super) fn followed_through(&self) -> Position {
        self.shelf.through()
    }

    /// The records of a range without a content of their own.
    pub(super) fn acts(&self, range: Range<Position>) -> Vec<Position> {
        let fates = self.fates();
        let acts = fates.followers(range).filter(|one| !one.has_content);
        acts.map(|one| one.at).collect()
    }

    fn fates(&self) -> RwLockReadGuard<'_, Fates> {
        self.fates.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every entry's newest content below `as_of` that passes, in no order and with its day where that is asked for; and how many the
    /// answer lacks since they are erased.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn find(
        &self,
        log: &Log,
        filter: &Filter,
        as_of: Position,
        dated: bool,
        cancelled: &AtomicBool,
    ) -> Result<(Vec<Match>, u64), Unanswered> {
        let snapshot = self.shelf.snapshot();
        let mut found = Vec::new();
        let asked = (log, filter, as_of, dated, cancelled);
        let begun = self.begin(&snapshot, asked, &mut |one| found.push(one))?;
        let question = &begun.question;
        self.each_standing(&snapshot, question, &question.plan.sure, |one, _| {
            if !begun.is_candidate(one.position) {
                found.push(one);
            }
            ControlFlow::Continue(())
        })?;
        let erased = self.end(begun, &mut |one| found.push(one))?;
        Ok((found, erased))
    }

    /// The same for a count.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn contents(
        &self,
        log: &Log,
        filter: &Filter,
        as_of: Position,
        cancelled: &AtomicBool,
    ) -> Result<(Contents, u64), Unanswered> {
        let snapshot = self.shelf.snapshot();
        let (mut others, mut sets) = (Vec::new(), Vec::new());
        let asked = (log, filter, as_of, false, cancelled);
        let begun = self.begin(&snapshot, asked, &mut |one| others.push(one.position))?;
        let parts = snapshot.parts();
        if snapshot.through().get() < SHARED_DOCUMENTS {
            sets.extend(self.sets_standing(&snapshot, 0..parts, &begun)?);
        } else {
            let (half, _) = snapshot.number_of(Position::new(snapshot.through().get() / 2));
            let (second, first) = both(
                || self.sets_standing(&snapshot, half..parts, &begun),
                || self.sets_standing(&snapshot, 0..half, &begun),
            );
            sets.extend(first?);
            sets.extend(second?);
        }
        let erased = self.end(begun, &mut |one| others.push(one.position))?;
        let mut contents = Contents::of(snapshot);
        (sets.into_iter().enumerate()).for_each(|(part, set)| contents.set_part(part, set));
        others.into_iter().for_each(|one| contents.insert(one));
        Ok((contents, erased))
    }

    /// Looks at the records that the index does not have, and asks it which it does not know.
    fn begin<'q>(
        &self,
        snapshot: &Snapshot,
        (log, filter, as_of, dated, cancelled): (&'q Log, &'q Filter, Position, bool, &'q AtomicBool),
        take: &mut dyn FnMut(Match),
    ) -> Result<Begun<'q>, Unanswered> {
        let plan = Plan::of(filter);
        if plan.is_useless() {
            return Err(Unanswered::Useless);
        }
        let below = snapshot.through().min(as_of);
        let (admitted, mut erased) = (Admitted::by(filter), 0);
        let known = scan::walk(log, below..as_of, Columns::All, cancelled, |hit| {
            erased += u64::from(hit.is_lacking(filter, admitted));
            if hit.matches(filter, admitted) {
                take(Match {
                    position: hit.record.position,
                    day: dated.then(|| scan::earliest_day(hit.record.payload)).flatten(),
                });
            }
        })?;
        let question = Question {
            log,
            filter,
            admitted,
            later: self.known_of_contents(known),
            plan,
            below,
            erased: log.erased_now().into_iter().collect(),
            dated,
            cancelled,
        };
        let candidates = match question.plan.is_open() {
            true => self.candidates(snapshot, &question)?,
            false => Vec::new(),
        };
        Ok(Begun {
            question,
            candidates,
            erased,
        })
    }

    /// Asks the records that the index does not know; answers how many contents are lacking since they are erased.
    fn end(&self, begun: Begun<'_>, take: &mut dyn FnMut(Match)) -> Result<u64, Unanswered> {
        let question = &begun.question;
        self.judge(question, begun.candidates, take)?;
        Ok(begun.erased + self.judge_erased(question, take)?)
    }

    /// Those of some parts.
    fn sets_standing(
        &self,
        snapshot: &Snapshot,
        parts: Range<usize>,
        begun: &Begun<'_>,
    ) -> Result<Vec<RoaringBitmap>, Unanswered> {
        let mut sets = Vec::with_capacity(parts.len());
        for part in parts {
            sets.push(match begun.question.cancelled.load(Ordering::Relaxed) {
                // Nobody wants the answer any more.
                true => RoaringBitmap::new(),
                false => self.set_standing(snapshot, part, begun)?,
            });
        }
        Ok(sets)
    }

    /// The documents of a part that pass for sure, where they are what their entries say at the point that is asked for.
    fn set_standing(
        &self,
        snapshot: &Snapshot,
        part: usize,
        begun: &Begun<'_>,
    ) -> Result<RoaringBitmap, Unanswered> {
        let question = &begun.question;
        let mut set = snapshot.set(part, &question.plan.sure).map_err(|error| {
            self.failed(&error, snapshot);
            Unanswered::Index(error)
        })?;
        let from = snapshot.from(part);
        let number = |position: Position| u32::try_from(position.since(from)).unwrap_or(u32::MAX);
        set.remove_range(number(question.below)..);
        let Some(last) = set.max() else {
            return Ok(set);
        };
        let range = from..from.plus(u64::from(last) + 1);
        let fates = self.fates();
        // Of most contents nothing else is known than that they are there.
        let later = question.later.keys().copied().map(Position::new);
        let erased = question.erased.iter().copied();
        for content in fates.touched(range.clone()).chain(later).chain(erased) {
            if !range.contains(&content) || !set.contains(number(content)) {
                continue;
            }
            // What is erased is judged by its record.
            if question.status(&fates, content).is_none() || question.erased.contains(&content) {
                set.remove(number(content));
            }
        }
        for (one, _) in begun
            .candidates
            .iter()
            .filter(|(one, _)| range.contains(&one.position))
        {
            set.remove(number(one.position));
        }
        Ok(set)
    }

    /// What is known by an entry's record, by the content that the record speaks of.
    fn known_of_contents(&self, known: HashMap<u64, Known>) -> HashMap<u64, Known> {
        let fates = self.fates();
        let content = |(record, known)| Some((fates.content_of(Position::new(record))?.get(), known));
        known.into_iter().filter_map(content).collect()
    }

    /// Hands over the documents below the mark that are asked for, where they are what their entries say at the point that is asked
    /// for.
    fn each_standing(
        &self,
        snapshot: &Snapshot,
        question: &Question<'_>,
        ask: &plan::Ask,
        mut take: impl FnMut(Match, Status) -> ControlFlow<()>,
    ) -> Result<(), Unanswered> {
        let days = question.dated.then_some(Dates::Occurred);
        let looked = snapshot.find(ask, days, |hits| {
            if question.cancelled.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            // Not over what is read from the disk: whoever folds waits for it, and whoever asks for whoever folds.
            let fates = self.fates();
            hits.filter(|hit| hit.position < question.below)
                .filter(|hit| question.erased.is_empty() || !question.erased.contains(&hit.position))
                .try_for_each(|hit| match question.status(&fates, hit.position) {
                    Some(status) => take(
                        Match {
                            position: hit.position,
                            day: hit.day,
                        },
                        status,
                    ),
                    None => ControlFlow::Continue(()),
                })
        });
        looked.map_err(|error| {
            self.failed(&error, snapshot);
            Unanswered::Index(error)
        })
    }

    /// Those of which the record must be asked, ascending.
    fn candidates(
        &self,
        snapshot: &Snapshot,
        question: &Question<'_>,
    ) -> Result<Vec<(Match, Status)>, Unanswered> {
        let most = question.below.get() / OPEN_SHARE + 1_000;
        let mut candidates = Vec::new();
        let mut useless = false;
        self.each_standing(snapshot, question, &question.plan.left, |one, status| {
            candidates.push((one, status));
            useless = candidates.len() as u64 > most;
            if useless {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        if useless {
            return Err(Unanswered::Useless);
        }
        candidates.sort_unstable_by_key(|(one, _)| one.position);
        Ok(candidates)
    }

    /// Adds those that pass.
    fn judge(
        &self,
        question: &Question<'_>,
        mut candidates: Vec<(Match, Status)>,
        take: &mut dyn FnMut(Match),
    ) -> Result<(), Unanswered> {
        // Ascending positions are read soonest.
        candidates.sort_unstable_by_key(|(one, _)| one.position);
        let positions: Vec<Position> = candidates.iter().map(|(one, _)| one.position).collect();
        fetched::each(question.log, &positions, question.cancelled, |at, run| {
            let (one, status) = candidates[at];
            if question.passes(run, one.position, status)? {
                take(one);
            }
            Ok(())
        })
    }

    /// Judges the erased contents below the mark by their leaves, which is what is left of them. Adds those that pass and that the index
    /// may still have by what they said; answers how many the answer lacks.
    fn judge_erased(&self, question: &Question<'_>, take: &mut dyn FnMut(Match)) -> Result<u64, Unanswered> {
        let erased = self.erased(question);
        let positions: Vec<Position> = erased.iter().map(|(position, _)| *position).collect();
        let mut lacking = 0;
        let filter = question.filter;
        self.each_leaf(question, &positions, |at, leaf| {
            let (position, by_acts) = erased[at];
            // Those that the log does not mask any more were found by the terms that the index has of their leaves.
            let is_masked = question.erased.contains(&position);
            let status = question.admitted.status(by_acts, true).filter(|_| is_masked);
            if status.is_some_and(|status| matching::matches(filter, position, leaf, None, status)) {
                take(Match { position, day: None });
            }
            lacking += u64::from(question.admitted.lacks(filter, position, leaf, by_acts));
        })?;
        Ok(lacking)
    }

    /// Hands over the leaves of erased contents, each with its place among the positions. Nobody erases leaves, and each question asks
    /// for the same ones: they are read once.
    fn each_leaf(
        &self,
        question: &Question<'_>,
        positions: &[Position],
        mut take: impl FnMut(usize, &Leaf<'_>),
    ) -> Result<(), Unanswered> {
        let mut unread = Vec::new();
        {
            let kept = self.leaves.read().unwrap_or_else(PoisonError::into_inner);
            for (at, position) in positions.iter().enumerate() {
                match kept.get(position).and_then(|leaf| Leaf::decode(leaf).ok()) {
                    Some(leaf) => take(at, &leaf),
                    None => unread.push((at, *position)),
                }
            }
        }
        let others: Vec<Position> = unread.iter().map(|(_, position)| *position).collect();
        let (log, cancelled) = (question.log, question.cancelled);
        fetched::each_with(log, &others, Columns::Leaves, cancelled, |number, run| {
            let (at, position) = unread[number];
            let Some(record) = run.get(position) else {
                return Ok(());
            };
            take(at, &matching::decode(&record)?);
            let mut kept = self.leaves.write().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < LEAVES_MAX {
                kept.insert(position, record.leaf.into());
            }
            Ok::<_, Unanswered>(())
        })
    }

    /// The erased contents below the mark of which an answer may tell, ascending, and what the acts of their entries say of them.
    fn erased(&self, question: &Question<'_>) -> Vec<(Position, Status)> {
        let fates = self.fates();
        let is_content = |content: &&Position| {
            **content < question.below && fates.content_of(**content) == Some(**content)
        };
        let mut erased: BTreeSet<Position> = fates.erased(question.below).collect();
        erased.extend(question.erased.iter().filter(is_content));
        let with_status = |content| (content, question.by_acts(&fates, content));
        let is_asked =
            |one: &(Position, Status)| one.1 != Status::Superseded || question.admitted.has_superseded();
        erased.into_iter().map(with_status).filter(is_asked).collect()
    }
}

impl Question<'_> {
    /// The status that a content is answered with; `None` where it is not answered.
    fn status(&self, fates: &Fates, content: Position) -> Option<Status> {
        let is_erased = fates.is_touched(content) && fates.is_erased(content);
        let is_masked = !self.erased.is_empty() && self.erased.contains(&content);
        self.admitted
            .status(self.by_acts(fates, content), is_erased || is_masked)
    }

    /// What the acts of its entry say of a content, those among the newest records too.
    fn by_acts(&self, fates: &Fates, content: Position) -> Status {
        let status = fates.by_acts(content, self.below);
        if self.later.is_empty() || status == Status::Superseded {
            return status;
        }
        match self.later.get(&content.get()) {
            Some(Known::Judged) => Status::Superseded,
            Some(Known::Acts {
                retracted: Some(true),
            }) => Status::Retracted,
            Some(Known::Acts {
                retracted: Some(false),
            }) => Status::Current,
            Some(Known::Acts { retracted: None }) | None => status,
        }
    }

    fn passes(&self, run: &Run, position: Position, status: Status) -> Result<bool, ReadError> {
        let Some(record) = run.get(position) else {
            return Ok(false);
        };
        let leaf = matching::decode(&record)?;
        let payload = (!record.erased).then_some(record.payload);
        Ok(matching::matches(self.filter, position, &leaf, payload, status))
    }
}

//! Says whether a batch may be recorded, and where.
//!
//! A pure function: it is told the tail, the batch and what the log knows of the entries in it, and answers either a
//! plan or every rule that the batch breaks. It does no I/O, reads no clock and keeps nothing, so that every rule of
//! ordering is tested here without a runtime. [`super::commit`] is its only caller; nothing else gives positions.
//!
//! | act | entry unknown | current | retracted | closed by ERASE |
//! |---|---|---|---|---|
//! | CREATE | revision 1 | duplicate, or refused as existing | refused | refused |
//! | AMEND | refused | duplicate, or revision + 1 | refused | refused |
//! | RETRACT | refused | retracted | already so | refused |
//! | REINSTATE | refused | not so | current | refused |
//! | LINK, UNLINK, HOLD, RELEASE | refused | done unless already so | done | done |
//! | ERASE | refused | done unless held | done unless held | already so |

use super::entry::{ContentAt, EntryState};
use super::erasure::Erasing;
use super::error::{Rule, Violation};
use super::prepare::{Prepared, PreparedDraft};
use crate::record::{
    Act, EntryKey, Epoch, Hash, Kind, Leaf, Link, Outcome, Position, Recorded, Revision,
    same::{content_equal, same_as_import},
};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};

/// What the log knows of one entry of a batch.
#[derive(Clone, Debug, Default)]
pub enum Fact {
    /// There is no such entry.
    #[default]
    Absent,
    /// There is.
    Known(Box<Known>),
}

/// An entry and the contents that sameness is judged by.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its state.
    pub state: EntryState,
    /// Its unerased contents, where the act brings content.
    pub contents: Vec<KnownContent>,
}

/// One revision's content.
#[derive(Clone, Debug)]
pub struct KnownContent {
    /// The revision.
    pub revision: Revision,
    /// Where it lies.
    pub position: Position,
    /// Its payload.
    pub payload: Bytes,
}

/// What the log knows of a batch, as of its tail.
pub struct Facts {
    /// One a record.
    pub entries: Vec<Fact>,
    /// One a record: whether the other entry of a LINK is known.
    pub others: Vec<bool>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One a record.
    pub steps: Vec<Step>,
    /// How many records are written.
    pub written: u32,
    /// The tail that the batch was decided at.
    pub tail: Position,
}

/// What is to be done with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is written at this position.
    Write {
        /// Where.
        position: Position,
        /// The revision that its leaf says.
        revision: Revision,
        /// The entry's record before.
        previous: Option<Position>,
        /// The entry's kind.
        kind: Kind,
        /// What the append did.
        outcome: Outcome,
    },
    /// Nothing is written: the record at this position says the same.
    Duplicate {
        /// Where.
        position: Position,
        /// Its revision.
        revision: Revision,
    },
}

/// Decides a batch at `tail`.
///
/// # Errors
/// Every rule that it breaks.
pub fn decide(batch: &Prepared, mut facts: Facts, tail: Position) -> Result<Plan, Vec<Violation>> {
    let mut broken = Vec::new();
    if let Some(expected) = batch.expected_tail
        && expected != tail
    {
        broken.push(Violation::batch(
            "expected_tail",
            Rule::Tail {
                expected,
                actual: tail,
            },
        ));
    }
    let owners = owners(batch);
    let newest = |fact: &Fact| match fact {
        Fact::Known(known) => Some(known.state.last),
        Fact::Absent => None,
    };
    let before: Vec<_> = facts.entries.iter().map(newest).collect();
    let created = created(batch);
    let mut steps = Vec::with_capacity(batch.drafts.len());
    let mut next = tail;
    for (index, draft) in batch.drafts.iter().enumerate() {
        let owner = owners.as_ref().map_or(index, |owners| owners[index]);
        let other_known = facts.others.get(index).copied().unwrap_or(true) || is_created(&created, draft);
        let surroundings = Surroundings {
            other_known,
            newest_before: before[owner],
        };
        match judge(draft, &facts.entries[owner], surroundings, next) {
            Err((field, rule)) => broken.push(Violation::of(index, field, rule)),
            Ok(step) => {
                if let Step::Write { .. } = step {
                    next = next.next();
                }
                if owners.is_some() {
                    remember(&mut facts.entries[owner], draft, &step);
                }
                steps.push(step);
            }
        }
    }
    if broken.is_empty() {
        Ok(Plan {
            steps,
            written: next.since(tail) as u32,
            tail,
        })
    } else {
        Err(broken)
    }
}

/// For each record the first one of the same entry: there its fact is kept up to date. `None` where no entry repeats.
fn owners(batch: &Prepared) -> Option<Vec<usize>> {
    let mut first: HashMap<&EntryKey, usize> = HashMap::new();
    batch.repeats.then(|| {
        batch
            .drafts
            .iter()
            .enumerate()
            .map(|(index, draft)| *first.entry(&draft.entry).or_insert(index))
            .collect()
    })
}

/// The entries that the batch itself creates; only needed where it links.
fn created(batch: &Prepared) -> HashSet<&EntryKey> {
    if batch.drafts.iter().all(|draft| draft.relation.is_none()) {
        return HashSet::new();
    }
    batch
        .drafts
        .iter()
        .filter(|draft| draft.act == Act::Create)
        .map(|draft| &draft.entry)
        .collect()
}

fn is_created(created: &HashSet<&EntryKey>, draft: &PreparedDraft) -> bool {
    draft
        .relation
        .as_ref()
        .is_some_and(|(_, other, _)| created.contains(other))
}

type Judged = Result<Step, (&'static str, Rule)>;

/// What else a draft is judged by.
#[derive(Clone, Copy)]
struct Surroundings {
    /// Whether the other entry of a LINK is known.
    other_known: bool,
    /// The entry's newest record before the batch.
    newest_before: Option<Position>,
}

fn judge(draft: &PreparedDraft, fact: &Fact, around: Surroundings, at: Position) -> Judged {
    match fact {
        Fact::Absent => judge_absent(draft, at),
        Fact::Known(known) if draft.act.has_content() => judge_content(draft, known, at),
        Fact::Known(known) => judge_act(draft, known, around, at),
    }
}

fn judge_absent(draft: &PreparedDraft, at: Position) -> Judged {
    let entry = || draft.entry.clone();
    let actual = Revision::default();
    match (draft.act, draft.expected_revision) {
        (Act::Create | Act::Audit | Act::Epoch, Some(expected)) if expected != actual => Err((
            "expected_revision",
            Rule::Revision {
                entry: entry(),
                expected,
                actual,
            },
        )),
        (Act::Create, _) => Ok(Step::Write {
            position: at,
            revision: Revision::FIRST,
            previous: None,
            kind: draft.kind,
            outcome: Outcome::Recorded,
        }),
        (Act::Audit | Act::Epoch, _) => Ok(Step::Write {
            position: at,
            revision: actual,
            previous: None,
            kind: draft.kind,
            outcome: Outcome::Acted,
        }),
        _ => Err(("key", Rule::Unknown(entry()))),
    }
}

/// CREATE and AMEND of a known entry.
fn judge_content(draft: &PreparedDraft, known: &Known, at: Position) -> Judged {
    let state = &known.state;
    let entry = || state.entry.clone();
    if let Some(position) = state.closed {
        return Err((
            "key",
            Rule::Erased {
                entry: entry(),
                position,
            },
        ));
    }
    if let Some(position) = state.retracted {
        return Err((
            "key",
            Rule::Retracted {
                entry: entry(),
                position,
            },
        ));
    }
    if let Some(same) = same_content(draft, known) {
        return Ok(Step::Duplicate {
            position: same.position,
            revision: same.revision,
        });
    }
    let actual = state.revision();
    match draft.expected_revision {
        Some(expected) if expected != actual => {
            return Err((
                "expected_revision",
                Rule::Revision {
                    entry: entry(),
                    expected,
                    actual,
                },
            ));
        }
        None if state.partly_erased() => {
            return Err((
                "expected_revision",
                Rule::PartlyErased {
                    entry: entry(),
                    revision: actual,
                },
            ));
        }
        _ => {}
    }
    if draft.act == Act::Create {
        let position = state.newest().map_or(state.last, |content| content.position);
        return Err((
            "key",
            Rule::Exists {
                entry: entry(),
                position,
            },
        ));
    }
    Ok(Step::Write {
        position: at,
        revision: actual.next(),
        previous: Some(state.last),
        kind: state.kind,
        outcome: Outcome::Amended,
    })
}

/// The revision that says the same. A person's edit, which says the revision it is of, is held against the newest one
/// only, so that it can go back to an older wording; an import or a blind retry against every one, so that an old file
/// undoes no correction.
fn same_content<'a>(draft: &PreparedDraft, known: &'a Known) -> Option<&'a KnownContent> {
    match draft.expected_revision {
        Some(_) => {
            let newest = known.contents.last()?;
            let is_newest = newest.revision == known.state.revision();
            (is_newest && content_equal(&newest.payload, &draft.payload)).then_some(newest)
        }
        None => known
            .contents
            .iter()
            .rev()
            .find(|content| same_as_import(&content.payload, &draft.payload)),
    }
}

/// Every other act on a known entry.
fn judge_act(draft: &PreparedDraft, known: &Known, around: Surroundings, at: Position) -> Judged {
    let state = &known.state;
    let actual = state.revision();
    if let Some(expected) = draft.expected_revision
        && expected != actual
    {
        let entry = state.entry.clone();
        return Err((
            "expected_revision",
            Rule::Revision {
                entry,
                expected,
                actual,
            },
        ));
    }
    allowed(draft, state, around.other_known)?;
    if let Some(erasing) = draft.erased {
        erasable(erasing, state, around.newest_before)?;
    }
    Ok(Step::Write {
        position: at,
        revision: actual,
        previous: Some(state.last),
        kind: state.kind,
        outcome: Outcome::Acted,
    })
}

fn allowed(draft: &PreparedDraft, state: &EntryState, other_known: bool) -> Result<(), (&'static str, Rule)> {
    let entry = || state.entry.clone();
    let already = |state, position| {
        Err((
            "act",
            Rule::AlreadySo {
                entry: entry(),
                state,
                position,
            },
        ))
    };
    let not_so = |state| {
        Err((
            "act",
            Rule::NotSo {
                entry: entry(),
                state,
            },
        ))
    };
    match draft.act {
        Act::Retract | Act::Reinstate if state.closed.is_some() => {
            let position = state.closed.unwrap_or(state.last);
            Err((
                "key",
                Rule::Erased {
                    entry: entry(),
                    position,
                },
            ))
        }
        Act::Retract => state
            .retracted
            .map_or(Ok(()), |position| already("retracted", position)),
        Act::Reinstate => state.retracted.map_or_else(|| not_so("retracted"), |_| Ok(())),
        Act::Hold => state.held.map_or(Ok(()), |position| already("held", position)),
        Act::Release => state.held.map_or_else(|| not_so("held"), |_| Ok(())),
        Act::Erase => match (state.held, state.closed) {
            (Some(position), _) => Err((
                "act",
                Rule::Held {
                    entry: entry(),
                    position,
                },
            )),
            (None, Some(position)) => already("erased", position),
            (None, None) => Ok(()),
        },
        Act::Link | Act::Unlink => {
            let Some((relation, other, _)) = &draft.relation else {
                return not_so("linked");
            };
            if !other_known {
                return Err(("relation.key", Rule::Unknown(other.clone())));
            }
            let standing = state
                .links
                .iter()
                .find(|link| link.relation == *relation && link.other == *other);
            match (draft.act, standing) {
                (Act::Link, Some(link)) => already("linked so", link.position),
                (Act::Unlink, None) => not_so("linked so"),
                _ => Ok(()),
            }
        }
        Act::Create | Act::Amend | Act::Epoch | Act::Audit => Ok(()),
    }
}

/// Whether an ERASE takes revisions that there are, and rests on the entry as it is: the positions in its payload are then
/// all that there is to remove. What its own batch adds before it, the replacement, is not there to be removed.
fn erasable(
    erasing: Erasing,
    state: &EntryState,
    newest: Option<Position>,
) -> Result<(), (&'static str, Rule)> {
    let entry = || state.entry.clone();
    let Erasing { from, to, .. } = erasing;
    let before = |content: &&ContentAt| Some(content.position) <= newest;
    let stood = Revision::new(state.contents.iter().filter(before).count() as u64);
    if from < Revision::FIRST || from >= to || to > stood.next() {
        let text = if to == from.next() {
            format!("there is no revision {from}; name one from 1 to {stood}, or leave it out for all")
        } else {
            format!(
                "revisions {from} up to {to} (half open) are no range of revisions from 1 up to {}; name one, or leave it out for all",
                stood.next()
            )
        };
        return Err(("erased", Rule::Invalid(text)));
    }
    if newest != Some(erasing.newest) {
        let actual = newest.unwrap_or(state.last);
        let expected = erasing.newest;
        return Err((
            "erased",
            Rule::Newest {
                entry: entry(),
                expected,
                actual,
            },
        ));
    }
    let mut taken = (from.get()..to.get()).filter_map(|revision| state.content(Revision::new(revision)));
    if taken.all(|content| content.erased) {
        let rule = Rule::AlreadySo {
            entry: entry(),
            state: "erased",
            position: state.last,
        };
        return Err(("erased", rule));
    }
    Ok(())
}

/// Brings the fact of an entry up to date, for the records of the batch that follow.
fn remember(fact: &mut Fact, draft: &PreparedDraft, step: &Step) {
    let Step::Write {
        position,
        revision,
        previous,
        kind,
        ..
    } = *step
    else {
        return;
    };
    let leaf = Leaf {
        act: draft.act,
        kind,
        series: draft.entry.series.as_str(),
        key: draft.entry.key.as_str(),
        revision,
        previous,
        recorded: Recorded::default(),
        batch_id: &[],
        batch_index: 0,
        batch_count: 0,
        principal: "",
        epoch: Epoch::default(),
        reason: draft.reason.as_str(),
        relation: draft.link(),
        erased: draft.revisions(),
        payload_size: 0,
        commitment: Hash::default(),
    };
    // The names were checked when the draft was made, so that neither call can refuse them.
    match fact {
        Fact::Known(known) => drop(known.state.apply(position, &leaf)),
        Fact::Absent => {
            if let Ok(state) = EntryState::first(position, &leaf) {
                *fact = Fact::Known(Box::new(Known {
                    state,
                    contents: Vec::new(),
                }));
            }
        }
    }
    let Fact::Known(known) = fact else { return };
    if draft.act.has_content() {
        known.contents.push(KnownContent {
            revision,
            position,
            payload: draft.payload.clone(),
        });
    }
    let Known { state, contents } = known.as_mut();
    contents.retain(|content| state.content(content.revision).is_some_and(|at| !at.erased));
}

impl PreparedDraft {
    /// ERASE: the revisions as the leaf says them.
    pub fn revisions(&self) -> Option<(Revision, Revision)> {
        self.erased.map(|erasing| (erasing.from, erasing.to))
    }

    /// The relation as the leaf says it.
    pub fn link(&self) -> Option<Link<'_>> {
        self.relation.as_ref().map(|(relation, other, _)| Link {
            relation: *relation,
            series: other.series.as_str(),
            key: other.key.as_str(),
        })
    }
}

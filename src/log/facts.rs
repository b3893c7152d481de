//! Gathering what the sequencer must know: the entries of a batch, with the contents that sameness is judged by.
//!
//! Handlers do it before they queue a batch, so that the disk is read outside the commit lock. Under the lock only what
//! has changed since is looked up again: the names of the newest records say which entries those are.

use super::commit::Job;
use super::entry::{ContentAt, EntryState};
use super::error::{ReadError, Rule, Violation};
use super::group::GroupBuilder;
use super::names::NameHash;
use super::prepare::{Prepared, PreparedDraft};
use super::run::Run;
use super::sequencer::{Fact, Facts, Known, KnownContent};
use super::shared::Shared;
use super::{Columns, matching};
use crate::record::same::{content_equal, same_as_import};
use crate::record::{EntryKey, Hash, Leaf, Position, Revision, leaf_hash};

/// What was found before a batch was queued.
pub struct Resolved {
    /// The tail when it was looked up.
    tail: Position,
    /// One a record; empty where none of the entries was there.
    entries: Vec<Fact>,
    /// One a record: whether the entry that it links to was there. Empty where none links.
    others: Vec<bool>,
    /// The records that may have begun a batch of the same name, newest first.
    batches: Vec<Position>,
    /// No record below this position matches the batch's `fail_if_match`.
    matched_through: Position,
    /// The record that does.
    matched: Option<Position>,
}

/// Looks up everything that a batch rests on, without the commit lock.
///
/// # Errors
/// [`ReadError`] where a record that must be looked at cannot be read.
pub fn resolve(shared: &Shared, batch: &Prepared) -> Result<Resolved, ReadError> {
    // Before anything is looked up: what comes later is looked at under the lock.
    let tail = shared.tail.get();
    let (mut entries, mut batches) = (Vec::new(), Vec::new());
    if !all_absent(shared, batch) {
        for draft in &batch.drafts {
            let candidates = shared.names.find(draft.hash)?;
            entries.push(find(shared, None, draft, &candidates, rivals(batch))?);
        }
        if let Some(name) = batch.hash {
            batches = shared.names.find(name)?;
        }
    }
    let mut others = Vec::new();
    if links(batch) {
        for draft in &batch.drafts {
            others.push(match &draft.relation {
                Some((_, other, hash)) => newest(shared, None, other, *hash)?.is_some(),
                None => true,
            });
        }
    }
    let mut resolved = Resolved {
        tail,
        entries,
        others,
        batches,
        matched_through: tail,
        matched: None,
    };
    if let Some((filter, after)) = &batch.fail_if_match {
        resolved.matched = matching::first_match(shared, filter, *after, tail)?;
    }
    Ok(resolved)
}

/// Whether nothing has to be read for a batch before it is queued.
pub fn is_quick(shared: &Shared, batch: &Prepared) -> bool {
    batch.fail_if_match.is_none() && !links(batch) && all_absent(shared, batch)
}

fn links(batch: &Prepared) -> bool {
    batch.drafts.iter().any(|draft| draft.relation.is_some())
}

/// Whether neither an entry of a batch is there, nor its own name.
fn all_absent(shared: &Shared, batch: &Prepared) -> bool {
    let entries = batch.drafts.iter().map(|draft| draft.hash);
    shared.names.are_absent(entries.chain(batch.hash))
}

/// The records below the group that may have begun a batch with the id of this one, newest first.
///
/// # Errors
/// As [`resolve`].
pub fn batches_of_the_name(shared: &Shared, job: &Job) -> Result<Vec<Position>, ReadError> {
    let Some(name) = job.batch.hash else {
        return Ok(Vec::new());
    };
    match shared.names.since(name, job.resolved.tail) {
        Some(mut newer) => {
            newer.extend(&job.resolved.batches);
            Ok(newer)
        }
        None => shared.names.find(name),
    }
}

/// The drafts by which an entry's contents are judged beside the one that asks: where an entry stands in a batch more
/// than once, all of them.
fn rivals(batch: &Prepared) -> Option<&[PreparedDraft]> {
    batch.repeats.then_some(&batch.drafts)
}

/// The violation of `fail_if_match`, if there is one.
///
/// # Errors
/// As [`resolve`].
pub fn matching(shared: &Shared, group: &GroupBuilder, job: &Job) -> Result<Option<Violation>, ReadError> {
    let Some((filter, after)) = &job.batch.fail_if_match else {
        return Ok(None);
    };
    let matched = match job.resolved.matched {
        Some(position) => Some(position),
        None => {
            let from = job.resolved.matched_through.max(*after);
            let published = shared.tail.get();
            match matching::first_match(shared, filter, from, published)? {
                Some(position) => Some(position),
                None => matching::first_match_in(shared, group, filter, from.max(published))?,
            }
        }
    };
    let rule = |position| Rule::Match {
        filter: filter.canonical().to_string(),
        position,
    };
    Ok(matched.map(|position| Violation::batch("fail_if_match", rule(position))))
}

/// Everything that the sequencer must know of a batch, as of the group's tail.
///
/// # Errors
/// As [`resolve`].
pub fn gather(shared: &Shared, group: &GroupBuilder, job: &Job) -> Result<Facts, ReadError> {
    let mut entries = Vec::with_capacity(job.batch.drafts.len());
    for (index, draft) in job.batch.drafts.iter().enumerate() {
        entries.push(fact(
            shared,
            group,
            draft,
            &job.resolved,
            index,
            rivals(&job.batch),
        )?);
    }
    let mut others = job.resolved.others.clone();
    for (draft, is_there) in job.batch.drafts.iter().zip(&mut others) {
        // What was there is there for ever.
        if let (Some((_, other, hash)), false) = (&draft.relation, *is_there) {
            *is_there = !is_as_it_was(shared, group, *hash, job.resolved.tail)
                && newest(shared, Some(group), other, *hash)?.is_some();
        }
    }
    Ok(Facts { entries, others })
}

fn fact(
    shared: &Shared,
    group: &GroupBuilder,
    draft: &PreparedDraft,
    resolved: &Resolved,
    index: usize,
    rivals: Option<&[PreparedDraft]>,
) -> Result<Fact, ReadError> {
    if is_as_it_was(shared, group, draft.hash, resolved.tail) {
        let prior = resolved.entries.get(index);
        return Ok(prior.map_or(Fact::Absent, Fact::clone));
    }
    let candidates = candidates(shared, Some(group), draft.hash)?;
    find(shared, Some(group), draft, &candidates, rivals)
}

/// Whether nothing at or above `tail` has a name of this hash, as far as that is known without the disk.
fn is_as_it_was(shared: &Shared, group: &GroupBuilder, hash: NameHash, tail: Position) -> bool {
    let newer = shared.names.since(hash, tail);
    group.candidates(hash).is_empty() && newer.is_some_and(|newer| newer.is_empty())
}

/// The records of the group and of the log with names of this hash, newest first.
fn candidates(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    hash: NameHash,
) -> Result<Vec<Position>, ReadError> {
    let mut candidates = group.map_or_else(Vec::new, |group| group.candidates(hash).to_vec());
    candidates.extend(shared.names.find(hash)?);
    Ok(candidates)
}

/// What is known of a draft's entry now, with every content that says what the draft says.
///
/// # Errors
/// As [`resolve`].
pub fn fact_now(shared: &Shared, group: &GroupBuilder, draft: &PreparedDraft) -> Result<Fact, ReadError> {
    let candidates = candidates(shared, Some(group), draft.hash)?;
    let rivals = Some(std::slice::from_ref(draft));
    find(shared, Some(group), draft, &candidates, rivals)
}

/// The entry of a draft among candidates, the first that bears its name.
fn find(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    draft: &PreparedDraft,
    candidates: &[Position],
    rivals: Option<&[PreparedDraft]>,
) -> Result<Fact, ReadError> {
    let Some(last) = named(shared, group, &draft.entry, candidates)? else {
        return Ok(Fact::Absent);
    };
    let Some(state) = fold(shared, group, last, last.next())? else {
        return Ok(Fact::Absent);
    };
    let contents = match rivals {
        Some(rivals) => contents_of_all(shared, group, draft, rivals, &state)?,
        None => contents(shared, group, draft, &state)?,
    };
    Ok(Fact::Known(Box::new(Known { state, contents })))
}

/// The newest content that says what the draft says. One content is looked at after the other, so that an entry with many
/// large revisions costs no more memory than one of them.
fn contents(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    draft: &PreparedDraft,
    state: &EntryState,
) -> Result<Vec<KnownContent>, ReadError> {
    if !draft.act.has_content() || state.closed.is_some() || state.retracted.is_some() {
        return Ok(Vec::new());
    }
    let depth = if draft.expected_revision.is_some() {
        1
    } else {
        state.contents.len()
    };
    for at in (0..state.contents.len()).rev().take(depth) {
        if let Some(content) = content(shared, group, state, at)? {
            let same = match draft.expected_revision {
                Some(_) => content_equal(&content.payload, &draft.payload),
                None => same_as_import(&content.payload, &draft.payload),
            };
            if same {
                return Ok(vec![content]);
            }
        }
    }
    Ok(Vec::new())
}

/// Every content that says what one of the drafts of the entry says, oldest first.
fn contents_of_all(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    draft: &PreparedDraft,
    rivals: &[PreparedDraft],
    state: &EntryState,
) -> Result<Vec<KnownContent>, ReadError> {
    let of_entry = |rival: &&PreparedDraft| rival.hash == draft.hash && rival.act.has_content();
    let same = |content: &KnownContent| {
        rivals.iter().filter(of_entry).any(|rival| {
            same_as_import(&content.payload, &rival.payload)
                || content_equal(&content.payload, &rival.payload)
        })
    };
    let mut contents = Vec::new();
    for at in 0..state.contents.len() {
        contents.extend(content(shared, group, state, at)?.filter(same));
    }
    Ok(contents)
}

/// One content of an entry; `None` where it was erased.
fn content(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    state: &EntryState,
    at: usize,
) -> Result<Option<KnownContent>, ReadError> {
    let ContentAt { position, erased } = state.contents[at];
    if erased {
        return Ok(None);
    }
    let run = fetch(shared, group, position, Columns::Payloads)?;
    let payload = run.iter().next().map(|record| run.payload_bytes(&record));
    Ok(Some(KnownContent {
        revision: Revision::new(at as u64 + 1),
        position,
        payload: payload.unwrap_or_default(),
    }))
}

/// The newest record of an entry, in the group or in the log.
///
/// # Errors
/// As [`resolve`].
pub fn newest(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    entry: &EntryKey,
    hash: NameHash,
) -> Result<Option<Position>, ReadError> {
    named(shared, group, entry, &candidates(shared, group, hash)?)
}

/// The first candidate whose leaf bears the entry's name.
fn named(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    entry: &EntryKey,
    candidates: &[Position],
) -> Result<Option<Position>, ReadError> {
    for position in candidates {
        if shared.loss_at(*position).is_some() {
            continue; // Files of names may know of it still; an older part of the history may be there.
        }
        let run = fetch(shared, group, *position, Columns::Leaves)?;
        let leaf = leaf_of(&run, *position)?;
        if leaf.series == entry.series.as_str() && leaf.key == entry.key.as_str() {
            return Ok(Some(*position));
        }
    }
    Ok(None)
}

/// A record of an entry: its position and a copy of its leaf, which keeps nothing else in memory.
pub type Linked = (Position, Box<[u8]>);

/// An entry's records below `as_of`, ascending, by the links from each to the one before.
///
/// # Errors
/// As [`resolve`].
pub fn chain(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    last: Position,
    as_of: Position,
) -> Result<Vec<Linked>, ReadError> {
    let mut records = Vec::new();
    let mut next = Some(last);
    while let Some(position) = next {
        let run = fetch(shared, group, position, Columns::Leaves)?;
        next = leaf_of(&run, position)?.previous;
        if next.is_some_and(|previous| previous >= position) {
            return Err(damaged(position, "a link to an earlier record", "a link forward"));
        }
        if position < as_of {
            records.extend(run.iter().next().map(|record| (position, record.leaf.into())));
        }
    }
    records.reverse();
    Ok(records)
}

/// The state of the entry whose newest record is at `last`, as the records below `as_of` make it.
///
/// # Errors
/// As [`resolve`].
pub fn fold(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    last: Position,
    as_of: Position,
) -> Result<Option<EntryState>, ReadError> {
    let mut state: Option<EntryState> = None;
    for (position, leaf) in chain(shared, group, last, as_of)? {
        let leaf = decode(&leaf, position)?;
        let applied = match &mut state {
            Some(state) => state.apply(position, &leaf),
            None => EntryState::first(position, &leaf).map(|first| state = Some(first)),
        };
        applied.map_err(|error| damaged(position, "the names of an entry", &error.to_string()))?;
    }
    Ok(state)
}

/// The hash of the leaf at a position, of the group or of the log. Positions from `tail` on are of the batch itself: a
/// duplicate within one batch, whose leaf is not yet made.
///
/// # Errors
/// As [`resolve`].
pub fn leaf_hash_at(
    shared: &Shared,
    group: &GroupBuilder,
    tail: Position,
    position: Position,
) -> Result<Hash, ReadError> {
    if position >= tail {
        return Ok(Hash::default());
    }
    let run = fetch(shared, Some(group), position, Columns::Leaves)?;
    Ok(run
        .iter()
        .next()
        .map(|record| leaf_hash(record.leaf))
        .unwrap_or_default())
}

/// One record, of the group or of the log.
///
/// # Errors
/// As [`resolve`].
pub fn fetch(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    position: Position,
    columns: Columns,
) -> Result<Run, ReadError> {
    match group.and_then(|group| group.fetch(position)) {
        Some(run) => Ok(run),
        None => shared.fetch_one(position, columns),
    }
}

/// The leaf of a run's first record.
///
/// # Errors
/// [`ReadError::Damaged`] where the bytes are no leaf.
pub fn leaf_of(run: &Run, position: Position) -> Result<Leaf<'_>, ReadError> {
    let record = run
        .iter()
        .next()
        .ok_or_else(|| damaged(position, "a record", "nothing"))?;
    decode(record.leaf, position)
}

/// A stored leaf.
///
/// # Errors
/// [`ReadError::Damaged`] where the bytes are no leaf.
pub fn decode(leaf: &[u8], position: Position) -> Result<Leaf<'_>, ReadError> {
    Leaf::decode(leaf).map_err(|error| damaged(position, "a leaf", &error.to_string()))
}

fn damaged(position: Position, expected: &str, found: &str) -> ReadError {
    ReadError::Damaged {
        position,
        expected: expected.into(),
        found: found.into(),
    }
}

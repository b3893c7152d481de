//! A batch sent again with the `request_id` of one that was written: it gets the first receipts.
//!
//! What the first batch left out as duplicates is judged anew; where the entry was retracted or erased since, the receipt
//! is of the revision that says the same: the batch was taken, and a retry must learn that.

use super::batch::{Appended, Receipt};
use super::commit::Job;
use super::error::{AppendError, ReadError, Rule, Violation};
use super::facts;
use super::group::GroupBuilder;
use super::prepare::PreparedDraft;
use super::run::Run;
use super::sequencer::{Fact, Facts, Known, Step, decide};
use super::shared::Shared;
use super::{Columns, prepare};
use crate::record::same::same_as_import;
use crate::record::{Act, Leaf, Outcome, Position, Revision, leaf_hash};

/// The first receipts, where the batch's `request_id` is known.
///
/// # Errors
/// [`Rule::RequestIdReused`] where the id names a batch with other keys, acts, relations or revisions to erase; [`ReadError`].
pub fn answer(shared: &Shared, group: &GroupBuilder, job: &Job) -> Result<Option<Appended>, AppendError> {
    let Some(id) = &job.batch.request_id else {
        return Ok(None);
    };
    let in_group = group
        .batches
        .iter()
        .filter(|(known, _)| Some(*known) == job.batch.hash);
    let mut known: Vec<Position> = in_group.map(|(_, first)| *first).collect();
    known.extend(facts::batches_of_the_name(shared, job)?);
    for first in known {
        let written = written(shared, group, first, job, id.as_bytes())?;
        // There are none where two ids share a hash.
        if !written.is_empty() {
            return receipts(shared, group, job, first, &written).map(Some);
        }
    }
    Ok(None)
}

fn receipts(
    shared: &Shared,
    group: &GroupBuilder,
    job: &Job,
    first: Position,
    written: &[Run],
) -> Result<Appended, AppendError> {
    let receipts = match_up(shared, group, job, written)?;
    let reused = || {
        let rule = Rule::RequestIdReused { position: first };
        AppendError::Refused(vec![Violation::batch("request_id", rule)])
    };
    let receipts = receipts.ok_or_else(reused)?;
    Ok(Appended {
        receipts,
        tail: group.tail(),
    })
}

/// The records that the first batch wrote; none where the id there is another one. Payloads are only looked at where they
/// tell the records of one entry from each other.
fn written(
    shared: &Shared,
    group: &GroupBuilder,
    first: Position,
    job: &Job,
    id: &[u8],
) -> Result<Vec<Run>, ReadError> {
    let columns = if job.batch.repeats {
        Columns::All
    } else {
        Columns::Leaves
    };
    let mut runs = vec![facts::fetch(shared, Some(group), first, columns)?];
    let leaf = facts::leaf_of(&runs[0], first)?;
    if leaf.batch_id != id {
        return Ok(Vec::new());
    }
    let count = u64::from(leaf.batch_count);
    for offset in 1..count {
        runs.push(facts::fetch(shared, Some(group), first.plus(offset), columns)?);
    }
    Ok(runs)
}

/// One receipt a draft, in order: of the records written then, or of what is a duplicate still. `None` where the batch
/// is another one.
fn match_up(
    shared: &Shared,
    group: &GroupBuilder,
    job: &Job,
    written: &[Run],
) -> Result<Option<Vec<Receipt>>, ReadError> {
    let mut left = written.iter();
    let mut next = left.next();
    let mut receipts = Vec::with_capacity(job.batch.drafts.len());
    for (index, draft) in job.batch.drafts.iter().enumerate() {
        if let Some(run) = next {
            let leaf = facts::leaf_of(run, run.first())?;
            let later = &job.batch.drafts[index + 1..];
            if is_of(draft, &leaf) && !is_another(draft, later, run, &leaf) {
                receipts.push(receipt(draft, run, &leaf));
                next = left.next();
                continue;
            }
        }
        match duplicate(shared, group, job, draft)? {
            Some(receipt) => receipts.push(receipt),
            None => return Ok(None),
        }
    }
    Ok(next.is_none().then_some(receipts))
}

fn is_of(draft: &PreparedDraft, leaf: &Leaf<'_>) -> bool {
    let named = draft.made_key || draft.entry.key.as_str() == leaf.key;
    let is_same_entry = draft.entry.series.as_str() == leaf.series && named;
    let is_same_act =
        draft.act == leaf.act && draft.link() == leaf.relation && draft.revisions() == leaf.erased;
    is_same_entry && is_same_act
}

/// Whether a record that may be a draft's is that of a later one, whose very payload it has: the first batch left the
/// earlier one out as a duplicate.
fn is_another(draft: &PreparedDraft, later: &[PreparedDraft], run: &Run, leaf: &Leaf<'_>) -> bool {
    let Some(record) = run.iter().next().filter(|record| !record.erased) else {
        return false;
    };
    let said = |draft: &PreparedDraft| draft.payload == record.payload;
    !later.is_empty() && !said(draft) && later.iter().any(|draft| is_of(draft, leaf) && said(draft))
}

fn receipt(draft: &PreparedDraft, run: &Run, leaf: &Leaf<'_>) -> Receipt {
    let outcome = match leaf.act {
        Act::Create => Outcome::Recorded,
        Act::Amend => Outcome::Amended,
        _ => Outcome::Acted,
    };
    let made_key = draft
        .made_key
        .then(|| crate::record::Key::new(leaf.key).ok())
        .flatten();
    let hash = run
        .iter()
        .next()
        .map(|record| leaf_hash(record.leaf))
        .unwrap_or_default();
    Receipt {
        position: run.first(),
        revision: leaf.revision,
        leaf_hash: hash,
        outcome,
        made_key,
    }
}

/// The receipt of a draft that the first batch left out as a duplicate: of the revision that says the same, whatever
/// has become of the entry since. `None` where none does, nor ever can have.
fn duplicate(
    shared: &Shared,
    group: &GroupBuilder,
    job: &Job,
    draft: &PreparedDraft,
) -> Result<Option<Receipt>, ReadError> {
    let fact = facts::fact_now(shared, group, draft)?;
    let before = match &fact {
        Fact::Known(known) => said_before(draft, known),
        Fact::Absent => None,
    };
    let alone = prepare::alone(&job.batch, draft);
    let facts = Facts {
        entries: vec![fact],
        others: vec![true],
    };
    let plan = decide(&alone, facts, group.tail());
    let (position, revision) = match plan.as_ref().map(|plan| plan.steps.as_slice()) {
        Ok([Step::Duplicate { position, revision }]) => (*position, *revision),
        _ => match before {
            Some(before) => before,
            None => return Ok(None),
        },
    };
    let leaf_hash = facts::leaf_hash_at(shared, group, group.tail(), position)?;
    Ok(Some(Receipt {
        position,
        revision,
        leaf_hash,
        outcome: Outcome::Duplicate,
        made_key: None,
    }))
}

/// The newest revision that says what a draft says; an erased one, which may have, where no other does.
fn said_before(draft: &PreparedDraft, known: &Known) -> Option<(Position, Revision)> {
    if !draft.act.has_content() {
        return None;
    }
    let same = known
        .contents
        .iter()
        .rev()
        .find(|content| same_as_import(&content.payload, &draft.payload))
        .map(|content| (content.position, content.revision));
    let erased = || {
        let at = known.state.contents.iter().rposition(|content| content.erased)?;
        Some((known.state.contents[at].position, Revision::new(at as u64 + 1)))
    };
    same.or_else(erased)
}

//! A batch sent again with the `request_id` of one that was written: it gets the first receipts.
//!
//! It is the same batch where each of its records says what the first one said, whatever the order in which an encoder wrote it.
//! Anything else under the same id is a mistake of the client, and would be lost if it were answered like that. What was erased
//! since can be compared with nothing, and is taken for the same; what was erased before the first batch was written is nothing that
//! it can have said, nor left out.
//!
//! What the first batch left out as duplicates is judged anew; where the entry was retracted or erased since, the receipt
//! is of the revision that says the same: the batch was taken, and a retry must learn that.

use super::batch::{Appended, Receipt};
use super::commit::Job;
use super::entry::EntryState;
use super::error::{AppendError, ReadError, Rule, Violation};
use super::facts;
use super::group::GroupBuilder;
use super::prepare::PreparedDraft;
use super::run::Run;
use super::sequencer::{Fact, Facts, Known, Step, decide};
use super::shared::Shared;
use super::{Columns, prepare};
use crate::record::codec::decode_payload;
use crate::record::same::same_as_import;
use crate::record::{Act, Leaf, Outcome, Position, Revision, leaf_hash};

/// The first receipts, where the batch's `request_id` is known.
///
/// # Errors
/// [`Rule::RequestIdReused`] where the id names a batch with other records; [`ReadError`].
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
        let written = written(shared, group, first, id.as_bytes())?;
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

/// The records that the first batch wrote; none where the id there is another one.
fn written(shared: &Shared, group: &GroupBuilder, first: Position, id: &[u8]) -> Result<Vec<Run>, ReadError> {
    let fetch = |position| facts::fetch(shared, Some(group), position, Columns::Unsalted);
    let mut runs = vec![fetch(first)?];
    let leaf = facts::leaf_of(&runs[0], first)?;
    if leaf.batch_id != id {
        return Ok(Vec::new());
    }
    let count = u64::from(leaf.batch_count);
    for offset in 1..count {
        runs.push(fetch(first.plus(offset))?);
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
    // An order to erase rests on the entry as it is, also when it is sent again.
    let erases = job.batch.drafts.iter().any(|draft| draft.act == Act::Erase);
    // Behind the first batch.
    let end = written.last().map_or(group.tail(), |run| run.first().next());
    for draft in &job.batch.drafts {
        if let Some(run) = next {
            let leaf = facts::leaf_of(run, run.first())?;
            if is_of(draft, &leaf) && (erases || is_after(draft, &leaf)) && says_it(draft, run) {
                receipts.push(receipt(draft, run, &leaf));
                next = left.next();
                continue;
            }
        }
        // An order to erase is carried out whole: what takes the place of what goes is never left out.
        let is_left_out = match erases {
            true => None,
            false => duplicate(shared, group, job, draft, end)?,
        };
        match is_left_out {
            Some(receipt) => receipts.push(receipt),
            None => return Ok(None),
        }
    }
    Ok(next.is_none().then_some(receipts))
}

fn is_of(draft: &PreparedDraft, leaf: &Leaf<'_>) -> bool {
    let named = draft.made_key || draft.entry.key.as_str() == leaf.key;
    let is_same_entry = draft.entry.series.as_str() == leaf.series && named;
    let is_same_act = draft.act == leaf.act
        && draft.reason.as_str() == leaf.reason
        && draft.link() == leaf.relation
        && draft.revisions() == leaf.erased;
    // Later records keep the kind that the entry has, whatever they say.
    let is_same_kind = draft.act != Act::Create || draft.kind == leaf.kind;
    is_same_entry && is_same_act && is_same_kind
}

/// Whether a record follows the revision that a draft expects.
fn is_after(draft: &PreparedDraft, leaf: &Leaf<'_>) -> bool {
    draft.expected_revision.is_none_or(|expected| {
        let revision = if draft.act.has_content() {
            expected.next()
        } else {
            expected
        };
        revision == leaf.revision
    })
}

/// Whether a record says what a draft says: content, how it came and why, field by field where the bytes are others.
fn says_it(draft: &PreparedDraft, run: &Run) -> bool {
    let Some(record) = run.iter().next().filter(|record| !record.erased) else {
        return true;
    };
    draft.payload == record.payload
        || match (decode_payload(&draft.payload), decode_payload(record.payload)) {
            (Ok(sent), Ok(kept)) => sent == kept,
            _ => false,
        }
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

/// The receipt of a draft that the first batch, which ends before `end`, left out as a duplicate: of the revision that says the same,
/// whatever has become of the entry since. `None` where none does, nor can have then.
fn duplicate(
    shared: &Shared,
    group: &GroupBuilder,
    job: &Job,
    draft: &PreparedDraft,
    end: Position,
) -> Result<Option<Receipt>, ReadError> {
    let fact = facts::fact_now(shared, group, draft)?;
    let before = match &fact {
        Fact::Known(known) if draft.act.has_content() => {
            let then = facts::fold(shared, Some(group), known.state.last, end)?;
            then.and_then(|then| said_before(draft, known, &then))
        }
        _ => None,
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

/// The newest revision that said what a draft says when the entry was as it was `then`; one that is erased since, which may have, where no
/// other does. What was erased before then, or written since, is nothing that can have been meant.
fn said_before(draft: &PreparedDraft, known: &Known, then: &EntryState) -> Option<(Position, Revision)> {
    let stood = |at: usize| then.contents.get(at).is_some_and(|content| !content.erased);
    let same = known
        .contents
        .iter()
        .rev()
        .filter(|content| stood(content.revision.get().saturating_sub(1) as usize))
        .find(|content| same_as_import(&content.payload, &draft.payload))
        .map(|content| (content.position, content.revision));
    let erased = || {
        let contents = known.state.contents.iter().enumerate();
        let mut since = contents.filter(|(at, content)| content.erased && stood(*at));
        let (at, content) = since.next_back()?;
        Some((content.position, Revision::new(at as u64 + 1)))
    };
    same.or_else(erased)
}

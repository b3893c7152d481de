//! One entry: which one is meant, what it says, what became of it.
//!
//! Everything here may wait for the disk: call it where blocking is allowed.

use super::ahead::{MESSAGE_BYTES_MAX, Source};
use super::error::EntryError;
use super::matching::{Matcher, Mode, decode, entry_of, subject};
use super::reader::{Plan, Reader, Viewed};
use super::withdrawn::Documents;
use crate::filter::Filter;
use crate::log::{Columns, EntryState, Log, ReadError, Run, Stored};
use crate::record::{EntryKey, Key, Position, Revision, Series, Status};
use crate::suggest::Suggestion;
use std::sync::atomic::{AtomicBool, Ordering};

/// The fewest characters of a key that may stand for the whole of it.
pub const PREFIX_CHARS_MIN: usize = 8;
/// How many candidates an ambiguous prefix is answered with.
const CANDIDATES: usize = 5;

/// How an entry is named in a question.
#[derive(Clone, Debug)]
pub enum EntryRef {
    /// By series and key.
    Key(EntryKey),
    /// By any of its records.
    Position(Position),
    /// By a series and the first characters of the key: [`super::Scanner::whole_key`] finds the whole of it.
    Prefix(Prefix),
}

/// A series and the first characters of a key.
#[derive(Clone, Debug)]
pub struct Prefix {
    /// The series.
    pub series: Series,
    /// The characters, at least [`PREFIX_CHARS_MIN`].
    pub key: String,
}

/// An entry at one point of the log.
#[derive(Clone, Debug)]
pub struct EntryAnswer {
    /// What the records below that point make of it.
    pub state: EntryState,
    /// The revision answered; 0 for an entry without content.
    pub revision: Revision,
    /// The status of that revision.
    pub status: Status,
    /// The record of it, as a run of one; the newest record for an entry without content.
    pub run: Run,
    /// The documents that it is reported in and that are retracted.
    pub retracted_documents: Vec<EntryKey>,
    /// What its text suggests: of the answer to a search that by which it was found, else nothing unless it is asked for.
    pub suggested: Vec<Suggestion>,
}

impl EntryAnswer {
    /// All that the text of its record suggests; nothing where it was erased or is no document.
    pub fn suggestions(&self) -> Vec<Suggestion> {
        let Some(record) = self.record().filter(|record| !record.erased) else {
            return Vec::new();
        };
        let Ok(leaf) = decode(&record) else {
            return Vec::new();
        };
        let subject = subject(record.position, &leaf, Some(record.payload), self.status);
        subject.suggestions().to_vec()
    }

    /// The record answered.
    pub fn record(&self) -> Option<Stored<'_>> {
        self.run.get(self.run.first())
    }
}

/// Finds the entry that is meant. The beginning of a key looks at every record: leave that to [`super::Scanner::whole_key`].
///
/// # Errors
/// [`EntryError::Unknown`] and [`EntryError::Ambiguous`]; [`EntryError::Read`] for a position beyond `as_of`.
pub fn find(log: &Log, name: &EntryRef, as_of: Position) -> Result<EntryKey, EntryError> {
    match name {
        EntryRef::Key(entry) => Ok(entry.clone()),
        EntryRef::Position(position) => at_position(log, *position, as_of),
        EntryRef::Prefix(prefix) => match exact(log, prefix, as_of)? {
            Some(entry) => Ok(entry),
            None => by_prefix(log, &Viewed::default(), prefix, as_of, &AtomicBool::new(false)),
        },
    }
}

/// The entry as the records below `as_of` make it, with the newest revision or the one asked for. Nobody is to be given it once
/// `cancelled` is set, and it is left unfinished.
///
/// # Errors
/// [`EntryError::Unknown`] where the log did not hold it then; [`EntryError::Revision`].
pub fn answer(
    log: &Log,
    entry: &EntryKey,
    as_of: Position,
    revision: Option<Revision>,
    cancelled: &AtomicBool,
) -> Result<EntryAnswer, EntryError> {
    let state = log
        .entry(entry, as_of)?
        .ok_or_else(|| EntryError::Unknown(entry.to_string()))?;
    let revision_answered = revision.unwrap_or(state.revision());
    let at = match (state.content(revision_answered), revision) {
        (Some(content), _) => content.position,
        (None, None) => state.last,
        (None, Some(asked)) => {
            return Err(EntryError::Revision {
                entry: entry.clone(),
                asked: asked.get(),
                newest: state.revision().get(),
            });
        }
    };
    let run = one(log, at)?;
    // What was erased since is gone from the answers as of then, too.
    let status = match run.is_erased(at) && state.content(revision_answered).is_some() {
        true => Status::Erased,
        false => state.status_of(revision_answered),
    };
    let retracted_documents = match run.get(at) {
        Some(record) => Documents::new(log, as_of, cancelled).retracted(&record, &state)?,
        None => Vec::new(),
    };
    Ok(EntryAnswer {
        retracted_documents,
        status,
        revision: state.revision(),
        run,
        state,
        suggested: Vec::new(),
    })
}

/// The record at a position, with every column, as a run of one.
///
/// # Errors
/// As [`Log::fetch`].
pub fn one(log: &Log, position: Position) -> Result<Run, ReadError> {
    let mut runs = log.fetch(&[position], Columns::All)?;
    runs.pop().ok_or_else(|| ReadError::Damaged {
        position,
        expected: "a record".to_owned(),
        found: "nothing".to_owned(),
    })
}

fn at_position(log: &Log, position: Position, as_of: Position) -> Result<EntryKey, EntryError> {
    if position >= as_of {
        let tail = as_of;
        return Err(ReadError::BeyondTail { position, tail }.into());
    }
    let runs = log.fetch(&[position], Columns::Leaves)?;
    let record = runs.first().and_then(|run| run.get(position));
    let Some(record) = record else {
        return Err(EntryError::Unknown(position.to_string()));
    };
    Ok(entry_of(position, &decode(&record)?)?)
}

/// The entry whose whole key the prefix is, where there was one then: a whole key means itself even where longer ones
/// begin with it.
///
/// # Errors
/// As [`Log::entry`].
pub(super) fn exact(log: &Log, prefix: &Prefix, as_of: Position) -> Result<Option<EntryKey>, EntryError> {
    let Ok(key) = Key::new(&prefix.key) else {
        return Ok(None);
    };
    let series = prefix.series.clone();
    let entry = EntryKey { series, key };
    let is_known = log.entry(&entry, as_of)?.is_some();
    Ok(is_known.then_some(entry))
}

/// The one entry below `as_of` whose key begins so: by the search view where there is one, else by a look at every record. Ends early
/// once `cancelled` is set.
///
/// # Errors
/// [`EntryError::Unknown`], [`EntryError::Ambiguous`], [`EntryError::Read`].
pub(super) fn by_prefix(
    log: &Log,
    view: &Viewed,
    prefix: &Prefix,
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<EntryKey, EntryError> {
    let mut candidates = candidates(log, view, prefix, as_of, cancelled)?;
    let named = || format!("{}/{}", prefix.series, prefix.key);
    match candidates.len() {
        0 => Err(EntryError::Unknown(named())),
        1 => Ok(candidates.remove(0)),
        _ => Err(EntryError::Ambiguous {
            prefix: named(),
            candidates,
        }),
    }
}

/// The first entries below `as_of` whose keys begin so.
fn candidates(
    log: &Log,
    view: &Viewed,
    prefix: &Prefix,
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<Vec<EntryKey>, ReadError> {
    let filter = Filter::of_keys(prefix.series.as_str(), &prefix.key);
    let matcher = Matcher::new(log.clone(), filter, Mode::Records);
    let plan = Plan::Forward {
        from: Position::START,
        until: as_of,
    };
    let mut reader = Reader::new(log.clone(), matcher, Columns::Leaves, 1, plan, None).by(view);
    let mut found = Vec::new();
    while let Some(selection) = reader.step(MESSAGE_BYTES_MAX)?
        && !cancelled.load(Ordering::Relaxed)
    {
        let mut begun = Vec::new();
        selection.for_each(|record, _| begun.push(begins(record, prefix)));
        for one in begun {
            found.extend(one?);
        }
        if found.len() >= CANDIDATES {
            break;
        }
    }
    found.truncate(CANDIDATES);
    Ok(found)
}

/// The entry that a record makes, where its key begins so.
fn begins(record: &Stored<'_>, prefix: &Prefix) -> Result<Option<EntryKey>, ReadError> {
    let leaf = decode(record)?;
    // Each entry has one record without another one before it.
    let is_new = leaf.previous.is_none() && leaf.series == prefix.series.as_str();
    let is_it = is_new && leaf.key.starts_with(&prefix.key);
    is_it.then(|| entry_of(record.position, &leaf)).transpose()
}

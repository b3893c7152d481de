//! One entry: which one is meant, what it says, what became of it.
//!
//! Everything here may wait for the disk: call it where blocking is allowed.

use super::error::EntryError;
use super::matching::{decode, entry_of};
use crate::log::{Columns, EntryState, Log, ReadError, Run, Stored};
use crate::record::{EntryKey, Key, Position, Revision, Series, Status};

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
    /// By a series and the first characters of the key.
    Prefix(Series, String),
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
}

impl EntryAnswer {
    /// The record answered.
    pub fn record(&self) -> Option<Stored<'_>> {
        self.run.get(self.run.first())
    }
}

/// Finds the entry that is meant.
///
/// # Errors
/// [`EntryError::Unknown`] and [`EntryError::Ambiguous`]; [`EntryError::Read`] for a position beyond `as_of`.
pub fn find(log: &Log, name: &EntryRef, as_of: Position) -> Result<EntryKey, EntryError> {
    match name {
        EntryRef::Key(entry) => Ok(entry.clone()),
        EntryRef::Position(position) => at_position(log, *position, as_of),
        EntryRef::Prefix(series, prefix) => by_prefix(log, series, prefix),
    }
}

/// The entry as the records below `as_of` make it, with the newest revision or the one asked for.
///
/// # Errors
/// [`EntryError::Unknown`] where the log did not hold it then; [`EntryError::Revision`].
pub fn answer(
    log: &Log,
    entry: &EntryKey,
    as_of: Position,
    revision: Option<Revision>,
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
    Ok(EntryAnswer {
        status: state.status_of(revision_answered),
        revision: state.revision(),
        run: one(log, at)?,
        state,
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

fn by_prefix(log: &Log, series: &Series, prefix: &str) -> Result<EntryKey, EntryError> {
    // A whole key is also the beginning of itself, and means itself even where longer ones begin with it.
    if let Ok(key) = Key::new(prefix) {
        let entry = EntryKey {
            series: series.clone(),
            key,
        };
        if log.entry(&entry, log.tail())?.is_some() {
            return Ok(entry);
        }
    }
    let mut candidates = log.with_prefix(series, prefix, CANDIDATES)?;
    match candidates.len() {
        0 => Err(EntryError::Unknown(format!("{series}/{prefix}"))),
        1 => Ok(candidates.remove(0)),
        _ => Err(EntryError::Ambiguous {
            prefix: format!("{series}/{prefix}"),
            candidates,
        }),
    }
}

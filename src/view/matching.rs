//! Whether a record, or the state that it makes of its entry, matches a filter.
//!
//! Reads, subscriptions and scans all judge here, so that they cannot disagree. An act without content is judged by its
//! entry's content at that point of the log, which may have to be read: call it where blocking is allowed.

use super::selection::Change;
use crate::filter::{Filter, LazyContent, Subject};
use crate::log::{Columns, EntryState, Log, ReadError, Run, Stored};
use crate::record::{Act, EntryKey, Leaf, Position, Status};

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Each record by itself.
    Records,
    /// The entry's state before and after each record.
    Changes,
}

/// Whether the filter matches a record of this leaf and status, with this payload as its content.
pub fn matches(
    filter: &Filter,
    position: Position,
    leaf: &Leaf<'_>,
    payload: Option<&[u8]>,
    status: Status,
) -> bool {
    filter.is_all()
        || filter.matches(&Subject {
            position,
            act: leaf.act,
            kind: leaf.kind,
            series: leaf.series,
            key: leaf.key,
            revision: leaf.revision,
            recorded: leaf.recorded,
            status,
            principal: leaf.principal,
            content: payload.map_or_else(LazyContent::absent, LazyContent::payload),
        })
}

/// As [`matches()`], for the state of an entry: retracted and erased ones are out unless the filter asks for them, by
/// `status` or, as in `act = retract`, by the act.
pub fn matches_state(
    filter: &Filter,
    position: Position,
    leaf: &Leaf<'_>,
    payload: Option<&[u8]>,
    status: Status,
) -> bool {
    let stands = status == Status::Current || filter.names_status() || filter.names_act();
    stands && matches(filter, position, leaf, payload, status)
}

/// Judges records of one log by one filter.
#[derive(Clone)]
pub struct Matcher {
    log: Log,
    filter: Filter,
    mode: Mode,
}

/// An entry's content and status at one point of the log.
struct Content {
    run: Option<Run>,
    status: Status,
}

impl Content {
    fn payload(&self) -> Option<&[u8]> {
        let run = self.run.as_ref()?;
        run.iter().next().map(|record| record.payload)
    }
}

impl Matcher {
    /// Judges the records of `log` by `filter`.
    pub fn new(log: Log, filter: Filter, mode: Mode) -> Self {
        Self { log, filter, mode }
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What is judged.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a record is to be delivered, and as which change.
    ///
    /// # Errors
    /// [`ReadError`] where the record is damaged or the entry's content cannot be read.
    pub fn judge(&self, record: &Stored<'_>) -> Result<Option<Change>, ReadError> {
        let leaf = decode(record)?;
        let content;
        let (payload, status) = if leaf.act.has_content() {
            own_content(record)
        } else {
            let entry = entry_of(record.position, &leaf)?;
            content = self.content_at(&entry, record.position.next())?;
            (content.payload(), content.status)
        };
        match self.mode {
            Mode::Records => {
                let matches = matches(&self.filter, record.position, &leaf, payload, status);
                Ok(matches.then_some(Change::Untold))
            }
            Mode::Changes => {
                let after = matches_state(&self.filter, record.position, &leaf, payload, status);
                let before = self.matched_before(record.position, &leaf)?;
                Ok(change(before, after, leaf.act))
            }
        }
    }

    /// Whether the entry matched just before the record at `position`.
    fn matched_before(&self, position: Position, leaf: &Leaf<'_>) -> Result<bool, ReadError> {
        let Some(previous) = leaf.previous else {
            return Ok(false);
        };
        let content = self.content_at(&entry_of(position, leaf)?, position)?;
        let run = self.one(previous, Columns::Leaves)?;
        let Some(record) = run.get(previous) else {
            return Ok(false);
        };
        let leaf = decode(&record)?;
        Ok(matches_state(
            &self.filter,
            previous,
            &leaf,
            content.payload(),
            content.status,
        ))
    }

    fn content_at(&self, entry: &EntryKey, as_of: Position) -> Result<Content, ReadError> {
        let state = self.log.entry(entry, as_of)?;
        let status = state.as_ref().map_or(Status::Current, EntryState::status);
        let newest = state.as_ref().and_then(EntryState::newest);
        let run = match newest {
            Some(content) if !content.erased && self.filter.needs_content() => {
                Some(self.one(content.position, Columns::Payloads)?)
            }
            Some(_) | None => None,
        };
        Ok(Content { run, status })
    }

    fn one(&self, position: Position, columns: Columns) -> Result<Run, ReadError> {
        let mut runs = self.log.fetch(&[position], columns)?;
        runs.pop().ok_or_else(|| ReadError::Damaged {
            position,
            expected: "a record".to_owned(),
            found: "nothing".to_owned(),
        })
    }
}

/// The content of a record that has its own, and the status that the entry has with it.
pub fn own_content<'a>(record: &Stored<'a>) -> (Option<&'a [u8]>, Status) {
    if record.erased {
        (None, Status::Erased)
    } else {
        (Some(record.payload), Status::Current)
    }
}

fn change(before: bool, after: bool, act: Act) -> Option<Change> {
    match (before, after) {
        (false, true) => Some(Change::Enters),
        (true, true) => Some(Change::Stays),
        (true, false) => Some(Change::Leaves),
        // What was erased may have been delivered when it still matched: whoever follows must hear of it.
        (false, false) => (act == Act::Erase).then_some(Change::Leaves),
    }
}

/// The leaf of a stored record.
///
/// # Errors
/// [`ReadError::Damaged`] with the record's position.
pub fn decode<'a>(record: &Stored<'a>) -> Result<Leaf<'a>, ReadError> {
    Leaf::decode(record.leaf).map_err(|found| ReadError::Damaged {
        position: record.position,
        expected: "a leaf".to_owned(),
        found: found.to_string(),
    })
}

/// The entry that a stored leaf names.
///
/// # Errors
/// [`ReadError::Damaged`] with the record's position.
pub fn entry_of(position: Position, leaf: &Leaf<'_>) -> Result<EntryKey, ReadError> {
    EntryKey::new(leaf.series, leaf.key).map_err(|found| ReadError::Damaged {
        position,
        expected: "series and key".to_owned(),
        found: found.to_string(),
    })
}

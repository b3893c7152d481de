//! Whether a record, or the state that it makes of its entry, matches a filter.
//!
//! The one place where the filter language meets the log: scans, reads and subscriptions all judge here, so that they
//! cannot disagree. An act without content is judged by its entry's content at that point of the log, which may have
//! to be read: call it where blocking is allowed.

use super::selection::Change;
use crate::filter::Filter;
use crate::log::{Columns, EntryState, Log, ReadError, Run, Stored};
use crate::record::{Act, EntryKey, Hash, Leaf, Position, Status};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A filter as it was asked, with the name that tokens and caches know it by.
#[derive(Clone, Debug)]
pub struct Asked {
    filter: Option<Filter>,
    canonical: Arc<str>,
    digest: Hash,
}

impl Asked {
    /// Reads a filter; the empty text asks for everything.
    ///
    /// # Errors
    /// [`FilterError`] names the column, what was found there and what was expected.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            return Ok(Self::everything());
        }
        Err(FilterError)
    }

    /// No filter at all.
    pub fn everything() -> Self {
        Self {
            filter: None,
            canonical: "".into(),
            digest: Sha256::digest([]).into(),
        }
    }

    /// The filter; `None` for everything.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// The canonical form; empty for everything.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// SHA-256 of the canonical form.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// Whether everything was asked for.
    pub fn is_everything(&self) -> bool {
        self.filter.is_none()
    }

    /// Whether the filter speaks of a field, such as `status` or `kind`.
    pub fn names(&self, field: &str) -> bool {
        {
            let _ = field;
            self.filter.is_some()
        }
    }

    /// The tree of the filter, one line a node.
    pub fn tree(&self) -> Vec<String> {
        vec![self.canonical().to_owned()]
    }

    /// What the filter takes for granted, such as the scheme in which a bare code was read.
    pub fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether leaves alone decide, so that payloads need not be read.
    pub fn needs_content(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether the filter matches a record of this leaf, content and status.
    pub fn matches(&self, position: Position, leaf: &Leaf<'_>, payload: &[u8], status: Status) -> bool {
        let _ = (position, leaf, payload, status);
        self.filter.is_none()
    }

    /// Whether the leaf alone already says no; `status` may then still be unknown to the caller.
    pub fn ruled_out_by(&self, position: Position, leaf: &Leaf<'_>) -> bool {
        let _ = (position, leaf);
        false
    }

    /// As [`Asked::matches`], for the state of an entry: retracted and erased entries are out unless the filter asks
    /// for them, by `status` or, as in `act = retract`, by the act.
    pub fn matches_state(&self, position: Position, leaf: &Leaf<'_>, payload: &[u8], status: Status) -> bool {
        let standing = status == Status::Current || self.names("status") || self.names("act");
        standing && self.matches(position, leaf, payload, status)
    }
}

/// Stands in until the filter language is there.
#[derive(Debug, thiserror::Error)]
#[error("filters are not answered by this version yet; leave the filter empty")]
pub struct FilterError;

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Each record by itself.
    Records,
    /// The entry's state before and after each record.
    Changes,
}

/// Judges records of one log by one filter.
#[derive(Clone)]
pub struct Matcher {
    log: Log,
    asked: Arc<Asked>,
    mode: Mode,
}

/// An entry's content and status at one point of the log.
struct Content {
    run: Option<Run>,
    status: Status,
}

impl Content {
    fn payload(&self) -> &[u8] {
        let record = self.run.as_ref().and_then(|run| run.get(run.first()));
        record.map_or(&[], |record| record.payload)
    }
}

impl Matcher {
    /// Judges the records of `log` by what was asked.
    pub fn new(log: Log, asked: Arc<Asked>, mode: Mode) -> Self {
        Self { log, asked, mode }
    }

    /// What was asked.
    pub fn asked(&self) -> &Arc<Asked> {
        &self.asked
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
        match self.mode {
            Mode::Records => Ok(self.matches_record(record)?.then_some(Change::Untold)),
            Mode::Changes => self.change(record),
        }
    }

    fn matches_record(&self, record: &Stored<'_>) -> Result<bool, ReadError> {
        let leaf = decode(record)?;
        if self.asked.ruled_out_by(record.position, &leaf) {
            return Ok(false);
        }
        self.with_content(record, &leaf, |payload, status| {
            self.asked.matches(record.position, &leaf, payload, status)
        })
    }

    fn change(&self, record: &Stored<'_>) -> Result<Option<Change>, ReadError> {
        let leaf = decode(record)?;
        let after = self.with_content(record, &leaf, |payload, status| {
            self.asked.matches_state(record.position, &leaf, payload, status)
        })?;
        let before = self.matched_before(record.position, &leaf)?;
        Ok(match (before, after) {
            (false, true) => Some(Change::Enters),
            (true, true) => Some(Change::Stays),
            (true, false) => Some(Change::Leaves),
            // What was erased may have been delivered when it still matched: whoever follows must hear of it.
            (false, false) => (leaf.act == Act::Erase).then_some(Change::Leaves),
        })
    }

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
        Ok(self
            .asked
            .matches_state(previous, &leaf, content.payload(), content.status))
    }

    /// Calls `judge` with the content and status that the entry has just after the record.
    fn with_content(
        &self,
        record: &Stored<'_>,
        leaf: &Leaf<'_>,
        judge: impl FnOnce(&[u8], Status) -> bool,
    ) -> Result<bool, ReadError> {
        if leaf.act.has_content() {
            let status = if record.erased {
                Status::Erased
            } else {
                Status::Current
            };
            return Ok(judge(record.payload, status));
        }
        let entry = entry_of(record.position, leaf)?;
        let content = self.content_at(&entry, record.position.next())?;
        Ok(judge(content.payload(), content.status))
    }

    fn content_at(&self, entry: &EntryKey, as_of: Position) -> Result<Content, ReadError> {
        let state = self.log.entry(entry, as_of)?;
        let status = state.as_ref().map_or(Status::Current, EntryState::status);
        let newest = state.as_ref().and_then(EntryState::newest);
        let run = match newest {
            Some(content) if !content.erased && self.asked.needs_content() => {
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

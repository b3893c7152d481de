//! What can go wrong with the log, for callers who must tell one from the other.

use crate::record::{BatchId, EntryKey, NameError, Position, Revision};
use std::fmt;

/// Why an append was not made.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The batch breaks rules. Nothing was written; every broken rule is listed. Mend and send again.
    #[error("{}", Violation::list(.0))]
    Refused(Vec<Violation>),
    /// The log takes no appends until it is restarted, or until an operator acts. Nothing was written.
    #[error("{0}")]
    Closed(Closed),
    /// The write may or may not have happened. Send the batch again with the same `request_id`.
    #[error(
        "the fate of the batch is unknown ({cause}); send it again with request_id `{}`",
        request_id.as_ref().map_or_else(|| "none was given".to_owned(), |id| hex::encode(id.as_bytes()))
    )]
    Unknown {
        /// The batch's name, where the client gave one.
        request_id: Option<BatchId>,
        /// What happened.
        cause: String,
    },
    /// What the checks need could not be read. Nothing was written.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// One broken rule of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The record's index in the batch; absent where the batch as a whole is meant.
    pub index: Option<usize>,
    /// The path of the field within the record or batch: `key`, `payload.content.dates[0].edtf`.
    pub field: String,
    /// The rule.
    pub rule: Rule,
}

impl Violation {
    /// A rule broken by record `index`.
    pub fn of(index: usize, field: &str, rule: Rule) -> Self {
        Self {
            index: Some(index),
            field: field.into(),
            rule,
        }
    }

    /// A rule broken by the batch as a whole.
    pub fn batch(field: &str, rule: Rule) -> Self {
        Self {
            index: None,
            field: field.into(),
            rule,
        }
    }

    /// The whole path: `records[3].key`.
    pub fn path(&self) -> String {
        match self.index {
            Some(index) if self.field.is_empty() => format!("records[{index}]"),
            Some(index) => format!("records[{index}].{}", self.field),
            None => self.field.clone(),
        }
    }

    fn list(all: &[Self]) -> String {
        let first = all
            .first()
            .map_or_else(|| "the batch was refused".to_owned(), Self::to_string);
        match all.len() {
            0 | 1 => first,
            count => format!("{first} (and {} more)", count - 1),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path(), self.rule)
    }
}

/// The rules that a batch can break. Each has a stable reason in `docs/errors.md`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// A field whose value is not allowed; the text names value, limit and remedy.
    #[error("{0}")]
    Invalid(String),
    /// A series, key, reason, principal or request id that is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// More than a bound allows.
    #[error("{what} too large: {actual} exceeds limit of {limit}; {remedy}")]
    TooLarge {
        /// What is too large, with its unit.
        what: &'static str,
        /// How large it is.
        actual: u64,
        /// How large it may be.
        limit: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// The batch has no record.
    #[error("the batch is empty; give 1 to 1000 records")]
    Empty,
    /// CREATE of a key that has other content.
    #[error("`{entry}` exists at position {position} with other content; amend it, or use another key")]
    Exists {
        /// The entry.
        entry: EntryKey,
        /// Where its newest content lies.
        position: Position,
    },
    /// An act on an entry that the archive does not have.
    #[error("`{0}` is not in the archive; create it first, or check series and key")]
    Unknown(EntryKey),
    /// Content for, or an act on, a retracted entry.
    #[error("`{entry}` was retracted at position {position}; reinstate it first")]
    Retracted {
        /// The entry.
        entry: EntryKey,
        /// The record that retracted it.
        position: Position,
    },
    /// All revisions were erased: the key is closed for ever.
    #[error("`{entry}` was erased at position {position} and its key is closed; use another key")]
    Erased {
        /// The entry.
        entry: EntryKey,
        /// The record that erased it.
        position: Position,
    },
    /// Some revisions were erased: content needs `expected_revision` now.
    #[error(
        "revisions of `{entry}` were erased; say which revision you amend with expected_revision {revision}"
    )]
    PartlyErased {
        /// The entry.
        entry: EntryKey,
        /// The newest revision.
        revision: Revision,
    },
    /// The act would change nothing.
    #[error("`{entry}` is already {state} since position {position}")]
    AlreadySo {
        /// The entry.
        entry: EntryKey,
        /// The state that it is already in.
        state: &'static str,
        /// The record that made it so.
        position: Position,
    },
    /// The opposite act has nothing to undo: not retracted, not held, not linked.
    #[error("`{entry}` is not {state}; there is nothing to undo")]
    NotSo {
        /// The entry.
        entry: EntryKey,
        /// The state that it is not in.
        state: &'static str,
    },
    /// A HOLD forbids the erasure.
    #[error("`{entry}` is held since position {position}; release it first")]
    Held {
        /// The entry.
        entry: EntryKey,
        /// The HOLD.
        position: Position,
    },
    /// The entry is at another revision.
    #[error("`{entry}` is at revision {actual}, expected {expected}; read it again and repeat the change")]
    Revision {
        /// The entry.
        entry: EntryKey,
        /// What was expected.
        expected: Revision,
        /// What is.
        actual: Revision,
    },
    /// The entry has a newer record than the one that an ERASE was made for.
    #[error("`{entry}` has a newer record at position {actual}, the newest was {expected}; ask again")]
    Newest {
        /// The entry.
        entry: EntryKey,
        /// The newest record that was known.
        expected: Position,
        /// The newest record there is.
        actual: Position,
    },
    /// The log has another tail.
    #[error("the tail is {actual}, expected {expected}; read on from {expected} and decide again")]
    Tail {
        /// What was expected.
        expected: Position,
        /// What is.
        actual: Position,
    },
    /// A record matches the batch's `fail_if_match`.
    #[error("the record at position {position} matches `{filter}`; read it and decide again")]
    Match {
        /// The filter, in canonical form.
        filter: String,
        /// The first record that matches.
        position: Position,
    },
    /// The request id names another batch.
    #[error(
        "request_id was used at position {position} for another batch; choose a new one for each, and keep it to send the same batch again"
    )]
    RequestIdReused {
        /// Where that batch begins.
        position: Position,
    },
    /// An act that does not go through this door.
    #[error("{act} goes through {door} only")]
    Door {
        /// The act.
        act: &'static str,
        /// The service that takes it.
        door: &'static str,
    },
}

/// Why the log takes no appends at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// A write or sync failed. Appends are refused until restart; reads go on.
    #[error("appends are refused since a write to the journal failed ({0}); mend the disk and restart")]
    Failed(String),
    /// The disk is nearly full.
    #[error(
        "appends are refused: {free} bytes free on the disk of the data directory, {needed} needed; make room and restart"
    )]
    DiskFull {
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// The clock cannot be right.
    #[error(
        "appends are refused: the clock says {clock}, {seconds} s off what the log knows ({known}); set it, or run `chancery serve --accept-clock`, or call Admin.ConfirmClock"
    )]
    Clock {
        /// What the clock says, RFC 3339.
        clock: String,
        /// How far it is off.
        seconds: u64,
        /// What it was held against, RFC 3339.
        known: String,
    },
    /// Durable bytes are damaged. Appending would fork the log.
    #[error(
        "the archive is read-only: {what} at position {position}; run `chancery verify` and restore a good copy"
    )]
    Damaged {
        /// What is wrong.
        what: String,
        /// The first position that cannot be served.
        position: Position,
    },
    /// The daemon is stopping.
    #[error("the server is stopping; try again in a moment")]
    Draining,
}

impl Closed {
    /// The reason that stands where there are two. Damage outweighs everything: no restart and no room on the disk makes the
    /// records right, and nothing may be signed or sealed over them. Else the first one stays.
    pub(crate) fn weightier(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(first), Some(second @ Self::Damaged { .. })) if !first.is_damage() => Some(second),
            (first, second) => first.or(second),
        }
    }

    /// Whether the archive's records are not what it acknowledged or signed.
    fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl ReadError {
    /// The position that could not be read, where it is known.
    pub(crate) fn position(&self) -> Option<Position> {
        match self {
            Self::Damaged { position, .. } | Self::BeyondTail { position, .. } => Some(*position),
            Self::NotPassed { .. } | Self::BeginsLater { .. } | Self::Io { .. } | Self::Learning => None,
        }
    }
}

/// Why records could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes at a position are not what was written. `chancery verify` tells more.
    #[error("the record at position {position} is damaged: expected {expected}, found {found}")]
    Damaged {
        /// The position.
        position: Position,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The position is not written yet.
    #[error("position {position} is beyond the tail {tail}")]
    BeyondTail {
        /// The position asked for.
        position: Position,
        /// The tail.
        tail: Position,
    },
    /// The time has not passed yet, so that later records could still change the answer.
    #[error("the log's clock has not passed {time} yet (it is {clock}); ask as of position {tail} instead")]
    NotPassed {
        /// The time asked for, RFC 3339.
        time: String,
        /// The clock, RFC 3339.
        clock: String,
        /// The tail.
        tail: Position,
    },
    /// The time has not passed yet, so that what follows from there would begin with records from before it.
    #[error(
        "the log's clock has not passed {time} yet (it is {clock}); begin at the tail, or at a time that has passed"
    )]
    BeginsLater {
        /// The time asked for, RFC 3339.
        time: String,
        /// The clock, RFC 3339.
        clock: String,
        /// The tail.
        tail: Position,
    },
    /// Which names are taken is being learnt from the log. Trying again helps.
    #[error("the names of all entries are being learnt from the log; try again in a moment")]
    Learning,
    /// The disk did not answer. Trying again may help.
    #[error("reading {what} failed: {cause}")]
    Io {
        /// What was read.
        what: String,
        /// What the system said.
        cause: String,
    },
}

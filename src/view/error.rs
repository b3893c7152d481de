//! What can go wrong with a question, for callers who must tell one from the other.

use crate::log::ReadError;
use crate::record::{EntryKey, Position};

/// Why a search, count or list was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The page token belongs to another question, or is no token. Begin again without one.
    #[error("page_token {0}; begin again without one")]
    Token(&'static str),
    /// The log did not reach the position in time. Ask again.
    #[error(
        "the log has not reached position {wanted} within {waited_ms} ms (its tail is {tail}); ask again"
    )]
    Lagging {
        /// The `min_position` of the question.
        wanted: Position,
        /// The tail.
        tail: Position,
        /// How long the question waited, in milliseconds.
        waited_ms: u64,
    },
    /// Too many scans are waiting already. Ask again in a moment.
    #[error("too many questions at once: {waiting} are waiting, limit {limit}; ask again in a moment")]
    Busy {
        /// How many are waiting.
        waiting: usize,
        /// How many may wait.
        limit: usize,
    },
    /// There is nothing to rank by.
    #[error("relevance needs words; ask for some, as `border`, or choose another order")]
    NoWords,
    /// There is too much to rank by.
    #[error(
        "relevance takes at most {limit} different words, and the filter has {words}; ask for fewer, or choose another order"
    )]
    Words {
        /// How many the filter has.
        words: usize,
        /// How many it may have.
        limit: usize,
    },
    /// An answer would have too many groups.
    #[error(
        "the answer would have more than {limit} groups; narrow the filter, or group by fewer or coarser fields"
    )]
    Groups {
        /// How many it may have.
        limit: usize,
    },
}

/// Why an entry was not answered.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The archive does not have it, or did not then.
    #[error("`{0}` is not in the archive; check series and key")]
    Unknown(String),
    /// Several entries have keys that begin so.
    #[error("`{prefix}` is the beginning of several keys: {}; write more of it", .candidates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// Series and prefix.
        prefix: String,
        /// Some of the entries.
        candidates: Vec<EntryKey>,
    },
    /// The entry does not have that revision.
    #[error("`{entry}` has revisions 1 to {newest}, not {asked}")]
    Revision {
        /// The entry.
        entry: EntryKey,
        /// The revision asked for.
        asked: u64,
        /// Its newest revision.
        newest: u64,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The scan for the beginning of a key was not made.
    #[error(transparent)]
    Scan(#[from] QueryError),
}

//! The log: the only truth of the archive.
//!
//! ```text
//!   position 0        earlier roots, entries, reads            tail
//!   |---------------------------------------------------------|........ being written
//!                       durable, published                      never seen by a reader
//! ```
//!
//! The **tail** is the first unwritten position and the size of the Merkle tree; ranges are half open. A record is
//! *accepted* when the [`sequencer`] gives it a position, *durable* when the journal is synced, and only then is the
//! tail published and the append acknowledged. No reader ever sees a position at or beyond the published tail.
//!
//! The log talks to storage through the traits in [`store`] and to nobody else; it knows no socket and no database.

pub mod batch;
pub mod entry;
pub mod error;
pub mod run;

pub use batch::{Appended, BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Batch, Door, Draft, Receipt};
pub use entry::{ContentAt, EntryState, LinkAt};
pub use error::{AppendError, Closed, ReadError, Rule, Violation};
pub use run::{Run, RunError, Slot, Stored};

use crate::record::{EntryKey, Hash, Position, Recorded, Series};
use std::sync::Arc;

/// Which columns a reader wants. Fewer columns are fewer bytes to read and to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Leaves, salts and payloads.
    All,
    /// Payloads only.
    Payloads,
    /// Leaves only.
    Leaves,
}

/// How much one read may answer.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    /// At most so many records, at least 1.
    pub records: usize,
    /// Stop once so many bytes have been gathered; one record is answered whatever its size.
    pub bytes: usize,
}

/// A handle on the log; cheap to clone.
#[derive(Clone)]
pub struct Log {
    shared: Arc<()>,
}

/// How the log stands.
#[derive(Clone, Debug)]
pub struct LogStatus {
    /// The log's name.
    pub origin: String,
    /// The first unwritten position.
    pub tail: Position,
    /// The root of the tree at the tail.
    pub root: Hash,
    /// When the newest record was committed; 0 in an empty log.
    pub last_recorded: Recorded,
    /// Why appends are refused, if they are.
    pub closed: Option<Closed>,
    /// How many entries there are.
    pub entries: u64,
    /// Bytes of the journal's frames.
    pub journal_bytes: u64,
    /// Bytes on disk of the hot log.
    pub hot_bytes: u64,
    /// The first position that the hot log does not hold.
    pub hot_through: Position,
    /// What is wrong with the hot log, if anything.
    pub hot_fault: Option<String>,
    /// Ranges that recovery cut although they may have been acknowledged.
    pub possibly_acknowledged: Vec<(Position, Position)>,
    /// The reign of the log.
    pub epoch: u64,
}

/// A commit group as it was published: what live subscribers are given.
#[derive(Clone, Debug)]
pub struct Group {
    /// The group's records.
    pub run: Run,
    /// The root of the tree at the group's end.
    pub root: Hash,
}

#[allow(unused_variables, missing_docs)]
impl Log {
    /// Appends one batch and returns once it is durable.
    ///
    /// A retry with the same `request_id` answers the first receipts.
    ///
    /// # Errors
    /// [`AppendError`]; only `Unknown` leaves it open whether the records were written.
    pub async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        todo!()
    }

    /// The published tail.
    pub fn tail(&self) -> Position {
        todo!()
    }

    /// Waits until the tail is beyond `position`, and answers it. Cancel-safe.
    pub async fn wait_beyond(&self, position: Position) -> Position {
        todo!()
    }

    /// The commit groups from `from` up to the tail, from memory and without waiting; the first one may begin before
    /// `from`. `None` where memory no longer holds `from`: read the log. Empty where `from` is the tail.
    pub fn recent(&self, from: Position) -> Option<Vec<Arc<Group>>> {
        todo!()
    }

    /// Contiguous runs from `from` on, at least one record, at most up to `until` and the limit. May wait for the disk:
    /// call it where blocking is allowed.
    ///
    /// # Errors
    /// [`ReadError::BeyondTail`] where `from` is not written; [`ReadError`] where bytes cannot be served.
    pub fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Vec<Run>, ReadError> {
        todo!()
    }

    /// The records at these ascending positions, each as a run of one. May wait for the disk.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn fetch(&self, positions: &[Position], columns: Columns) -> Result<Vec<Run>, ReadError> {
        todo!()
    }

    /// The entry as the records below `as_of` make it; `None` where there was none. May wait for the disk.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn entry(&self, entry: &EntryKey, as_of: Position) -> Result<Option<EntryState>, ReadError> {
        todo!()
    }

    /// The positions of an entry's records below `as_of`, ascending; empty where there are none.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn history(&self, entry: &EntryKey, as_of: Position) -> Result<Vec<Position>, ReadError> {
        todo!()
    }

    /// The entries of `series` whose key begins with `prefix`, at most `limit`. Scans the log.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn with_prefix(
        &self,
        series: &Series,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<EntryKey>, ReadError> {
        todo!()
    }

    /// The first position recorded after `time`: the state of the log as of that time lies below it.
    ///
    /// # Errors
    /// [`ReadError::NotPassed`] where the clock has not passed `time`.
    pub fn as_of(&self, time: Recorded) -> Result<Position, ReadError> {
        todo!()
    }

    /// The first position recorded at or after `time`; the tail where there is none.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn first_at(&self, time: Recorded) -> Result<Position, ReadError> {
        todo!()
    }

    /// The root of the tree over the first `size` leaves.
    ///
    /// # Errors
    /// [`ReadError::BeyondTail`].
    pub fn root_at(&self, size: Position) -> Result<Hash, ReadError> {
        todo!()
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        todo!()
    }

    /// How the log stands.
    pub fn status(&self) -> LogStatus {
        todo!()
    }

    /// The log's clock: max(system clock, last recorded).
    pub fn now(&self) -> Recorded {
        todo!()
    }

    /// Takes the clock for right. Answers the AUDIT record that says so, or `None` where the clock was not in doubt.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub async fn confirm_clock(
        &self,
        authority: &str,
        principal: crate::record::Principal,
    ) -> Result<Option<Position>, AppendError> {
        todo!()
    }

    /// Refuses further appends as draining; those under way are answered.
    pub fn drain(&self) {
        todo!()
    }

    /// Ends the log: waits for appends under way, covers and syncs everything. Call after [`Log::drain`].
    pub async fn close(&self) {
        todo!()
    }
}

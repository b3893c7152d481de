//! The seam between the log and what lies on disk.
//!
//! The log owns these traits and [`crate::store`] implements them; only the daemon joins the two.

use super::{Columns, ReadError, ReadLimit, Run};
use crate::record::{Hash, Position};

/// Writes commit groups. There is one writer, and whoever holds the commit lock holds it.
pub trait Journal: Send {
    /// Writes the group and returns once it is synced: one write, one sync. An empty run is a cover: it only says how
    /// far the sync before it reached.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is then known about the group, and the journal takes no further one.
    fn commit(&mut self, group: &Run, first: Position) -> Result<(), WriteError>;

    /// Why the journal can take no group although no group has failed: the disk is nearly full, or the next segment could
    /// not be made.
    fn refusal(&self) -> Option<super::Closed>;

    /// Bytes of all frames that it still holds.
    fn bytes(&self) -> u64;
}

/// Keeps what no restart may forget.
pub trait Keep: Send {
    /// Keeps this signed checkpoint in place of the one before; returns once it is synced.
    ///
    /// # Errors
    /// [`WriteError`]; the next one may be kept all the same.
    fn keep_checkpoint(&mut self, note: &str) -> Result<(), WriteError>;
    /// Keeps this check of all files in place of the one before.
    ///
    /// # Errors
    /// As [`Keep::keep_checkpoint`].
    fn keep_checked(&mut self, checked: super::fixity::Checked) -> Result<(), WriteError>;
    /// Keeps which records are being overwritten where they lie; none once that is done.
    ///
    /// # Errors
    /// As [`Keep::keep_checkpoint`].
    fn keep_erasing(&mut self, positions: &[Position]) -> Result<(), WriteError>;
    /// Keeps that every ERASE below a position is complete.
    ///
    /// # Errors
    /// As [`Keep::keep_checkpoint`].
    fn keep_erased(&mut self, through: Position) -> Result<(), WriteError>;
}

/// The hot log: a shelf that may fail at any time and is never trusted with durability.
pub trait Hot: Shelf {
    /// How it stands.
    fn status(&self) -> HotStatus;
    /// Ends its threads and syncs what it holds.
    fn close(&self);
}

/// The sealed log: files that never change, from position 0 on.
pub trait Sealed: Shelf {
    /// How it stands.
    fn status(&self) -> SealedStatus;
    /// The first of the records at these positions, all of them sealed, in this order, each as a run of one: at least one, and
    /// as many as it takes to have so many bytes, or a little more.
    ///
    /// # Errors
    /// [`ReadError`] for the first that cannot be had.
    fn fetch_many(
        &self,
        positions: &[Position],
        columns: Columns,
        bytes: usize,
    ) -> Result<Vec<Run>, ReadError>;
    /// The hashes of the leaves from `from` up to `until`, which lie in one block of 256; `None` where it does not hold them
    /// all.
    ///
    /// # Errors
    /// [`ReadError`] where the bytes are there and damaged, or cannot be read.
    fn leaf_hashes(&self, from: Position, until: Position) -> Result<Option<Vec<Hash>>, ReadError>;
}

/// How the sealed log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedStatus {
    /// The first position that is not sealed.
    pub through: Position,
    /// The bytes of its files.
    pub bytes: u64,
    /// How many records are sealed at a time.
    pub step: u64,
}

/// How the hot log stands.
#[derive(Clone, Debug, Default)]
pub struct HotStatus {
    /// Its bytes on disk.
    pub bytes: u64,
    /// The first position that it does not hold.
    pub through: Position,
    /// What is wrong with it, if anything.
    pub fault: Option<String>,
}

/// Who is told what a start finds in the journal, in order of position.
pub trait Replay {
    /// Records that are there.
    fn run(&mut self, run: &Run);
    /// Records that were durable and cannot be had any more.
    fn lost(&mut self, from: Position, until: Position);
    /// Asks for records that the journal should hold and does not: those from `from` on, up to `until` where that is
    /// known.
    fn rescue(&mut self, from: Position, until: Option<Position>) -> Rescued;
    /// The tail that another place has seen, as far as it can say so without being opened: 0 where it cannot.
    fn seen(&mut self) -> Position;
}

/// What another place holds of records that the journal should hold.
#[derive(Debug, Default)]
pub struct Rescued {
    /// Those from the position asked for on, without a gap; none where it holds none.
    pub runs: Vec<Run>,
    /// The tail that it has seen: all records below it were published, whether it has them or not.
    pub seen: Position,
    /// Whether it did not answer in time, so that nobody knows what it holds.
    pub silent: bool,
}

/// A write or a sync that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct WriteError {
    /// What was being done.
    pub what: String,
    /// What the system said.
    pub cause: String,
    /// Why the journal takes nothing more, where it is certain that nothing of the group was written.
    pub refused: Option<super::Closed>,
}

impl WriteError {
    /// Why the log takes no appends after it.
    pub fn closes(self) -> super::Closed {
        let failed = || super::Closed::Failed(format!("{}: {}", self.what, self.cause));
        self.refused.clone().unwrap_or_else(failed)
    }
}

/// Answers records by position. Several shelves stand behind one another: memory, the hot log, the journal.
pub trait Shelf: Send + Sync {
    /// Contiguous runs from `from` on, at least one record, up to `until` and the limit; `None` where this shelf does
    /// not hold `from`. A shelf may answer more columns than asked for.
    ///
    /// # Errors
    /// [`ReadError`] where the bytes are there and damaged, or cannot be read.
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Option<Vec<Run>>, ReadError>;

    /// The record at one position as a run of one; `None` where this shelf does not hold it.
    ///
    /// # Errors
    /// As [`Shelf::read`].
    fn fetch(&self, position: Position, columns: Columns) -> Result<Option<Run>, ReadError>;
}

//! Single records of the sealed log: an entry that is looked at, an answer that lies scattered over the log.
//!
//! A record is read with the frame of its payload, that of its leaf, and its blocks of the columns; nothing else is
//! unpacked. Who asks for several in ascending order reads a frame and a block of the columns once. Where they lie close, leaves
//! and columns are read with what lies between them ([`super::ahead`]), which is not looked at.

use super::ahead::Stretch;
use super::column::Column;
use super::frames::LastFrame;
use super::shelf::{Chunk, Chunks};
use super::{ChunkError, Source};
use crate::log::{Columns, ReadError, Run, Slot};
use crate::record::{Hash, Position};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// From so many records on two threads read them.
const SHARED_FROM: usize = 64;

/// What was read last of a chunk.
#[derive(Default)]
struct Last {
    leaves: LastFrame,
    commitments: LastBlock,
    payloads: LastFrame,
    salts: LastBlock,
}

impl Last {
    /// Holds nothing of any chunk from now on, and keeps its memory.
    fn forget(&mut self) {
        self.leaves.forget();
        self.commitments.forget();
        self.payloads.forget();
        self.salts.forget();
    }
}

/// Memory that records were read into, for those who read next.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<Last>>);

/// So many are kept, each of some hundred KiB.
const SPARE_MAX: usize = 4;

impl Spare {
    fn take(&self) -> Last {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pop().unwrap_or_default()
    }

    /// Keeps nothing that was read before.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn give(&self, mut last: Last) {
        last.forget();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < SPARE_MAX {
            kept.push(last);
        }
    }
}

/// The block of a column that was read last.
#[derive(Default)]
pub struct LastBlock {
    block: Option<u32>,
    bytes: Vec<u8>,
    /// What was read ahead.
    ahead: Stretch,
    /// Of those, the block that was found whole last.
    checked: Option<u32>,
}

impl LastBlock {
    /// Holds nothing from now on, and keeps its memory.
    fn forget(&mut self) {
        (self.block, self.checked) = (None, None);
        self.ahead.forget();
    }

    /// One record's 32 bytes of a column.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn one(&mut self, column: &Column, source: &Source, at: u32) -> Result<Hash, ChunkError> {
        let block = column.block_of(at);
        let of_ahead = match self.checked == Some(block) {
            true => column.unchecked_ahead(block, &self.ahead),
            false => column.block_ahead(source, block, &self.ahead)?,
        };
        if let Some(bytes) = of_ahead {
            self.checked = Some(block);
            return Ok(column.one_of(bytes, at));
        }
        if self.block != Some(block) {
            self.block = None;
            column.block(source, block, &mut self.bytes)?;
            self.block = Some(block);
        }
        Ok(column.one_of(&self.bytes, at))
    }

    /// Reads the blocks of the records of a range ahead.
    pub fn read_ahead(&mut self, column: &Column, source: &Source, records: &Range<u32>) {
        self.checked = None;
        column.read_ahead(source, records, &mut self.ahead);
    }
}

/// Bytes of records after which those that follow are gathered in columns of their own: whoever keeps a record keeps the
/// columns that it lies in.
const GATHERED_BYTES: usize = 256 << 10;

/// Scattered records that share their columns.
#[derive(Default)]
struct Gathered {
    positions: Vec<Position>,
    slots: Vec<Slot>,
    leaves: Vec<u8>,
    salts: Vec<u8>,
    payloads: Vec<u8>,
}

impl Gathered {
    /// Adds the record at a place.
    fn add(&mut self, chunk: &Chunk, at: u32, columns: Columns, last: &mut Last) -> Result<(), ChunkError> {
        if columns != Columns::Payloads {
            let (commitments, frame) = (&mut last.commitments, &mut last.leaves);
            chunk.leaves()?.one(at, commitments, frame, &mut self.leaves)?;
        }
        if columns != Columns::Leaves {
            let payloads = chunk.payloads()?;
            payloads.one(at, &mut last.payloads, &mut self.payloads)?;
            if columns == Columns::All {
                self.salts.extend(payloads.salt(at, &mut last.salts)?);
            }
        }
        self.positions.push(chunk.first().plus(at.into()));
        self.slots.push(Slot {
            // A record and what fits before it have far less than 4 GiB.
            leaf_end: self.leaves.len() as u32,
            payload_end: self.payloads.len() as u32,
            erased: chunk.is_erased(at),
        });
        Ok(())
    }

    /// Makes room for so many records like those that are there.
    fn reserve(&mut self, records: usize) {
        for column in [&mut self.leaves, &mut self.salts, &mut self.payloads] {
            column.reserve((column.len() * records).min(GATHERED_BYTES));
        }
    }

    /// The bytes of leaves and payloads.
    fn bytes(&self) -> usize {
        self.leaves.len() + self.payloads.len()
    }

    /// Adds the records to `runs`, each as a run of one, and begins anew.
    fn give(&mut self, chunk: &Chunk, runs: &mut Vec<Run>) -> Result<(), ChunkError> {
        let Self {
            positions,
            slots,
            leaves,
            salts,
            payloads,
        } = std::mem::take(self);
        let scattered = Run::scattered(&positions, slots, leaves.into(), salts.into(), payloads.into());
        runs.extend(scattered.map_err(|error| chunk.unreadable(chunk.first(), error.to_string()))?);
        Ok(())
    }
}

/// How many records are looked at together for what can be read of them at once.
const AHEAD_RECORDS: usize = 64;
/// Where no more than one record in so many is wanted, what lies between them costs more than to read each by itself.
const AHEAD_SHARE: u32 = 160;

/// Reads at once what the next records need of leaves and columns, where they lie close enough; answers how many those are.
fn read_ahead(
    chunk: &Chunk,
    positions: &[Position],
    columns: Columns,
    last: &mut Last,
) -> Result<usize, ChunkError> {
    let near = positions.iter().take(AHEAD_RECORDS);
    let places = near.take_while(|position| chunk.holds(**position));
    let (mut first, mut end, mut count) = (u32::MAX, 0, 0);
    for place in places.map(|position| chunk.place(*position)) {
        (first, end, count) = (first.min(place), end.max(place + 1), count + 1);
    }
    let is_close = count > 1 && (end - first) / count < AHEAD_SHARE;
    if is_close && columns != Columns::Payloads {
        let (commitments, leaves) = (&mut last.commitments, &mut last.leaves);
        chunk.leaves()?.read_ahead(&(first..end), commitments, leaves);
    }
    if is_close && columns == Columns::All {
        chunk.payloads()?.read_salts_ahead(&(first..end), &mut last.salts);
    }
    Ok(count.max(1) as usize)
}

impl Chunks {
    /// The record at one position as a run of one; `None` where it is not sealed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn one(&self, position: Position, columns: Columns) -> Result<Option<Run>, ReadError> {
        if position >= self.sealed() {
            return Ok(None);
        }
        Ok(self.in_turn(&[position], columns, usize::MAX)?.pop())
    }

    /// The first of the records at these positions, in this order, each as a run of one: at least one, and as many as it takes
    /// to have so many bytes of leaves and payloads. Many are read by two threads, each of which stops there.
    ///
    /// # Errors
    /// [`ReadError`] for the first that cannot be had.
    pub fn many(
        &self,
        positions: &[Position],
        columns: Columns,
        bytes: usize,
    ) -> Result<Vec<Run>, ReadError> {
        if positions.len() < SHARED_FROM {
            return self.in_turn(positions, columns, bytes);
        }
        let (first, second) = positions.split_at(positions.len() / 2);
        std::thread::scope(|scope| {
            let read = || self.in_turn(second, columns, bytes);
            let other = std::thread::Builder::new().spawn_scoped(scope, read);
            let own = self.in_turn(first, columns, bytes);
            // A thread that panicked and was not waited for would have this one panic.
            let other = other.map(std::thread::ScopedJoinHandle::join);
            let mut runs = own?;
            if runs.len() < first.len() {
                return Ok(runs);
            }
            runs.extend(match other {
                Ok(Ok(runs)) => runs?,
                // Without a thread to be had, or with one that panicked, nothing is lost but time.
                Ok(Err(_)) | Err(_) => read()?,
            });
            Ok(runs)
        })
    }

    fn in_turn(&self, positions: &[Position], columns: Columns, left: usize) -> Result<Vec<Run>, ReadError> {
        let mut last = self.spare().take();
        let read = self.in_turn_with(positions, columns, left, &mut last);
        self.spare().give(last);
        read
    }

    fn in_turn_with(
        &self,
        positions: &[Position],
        columns: Columns,
        mut left: usize,
        last: &mut Last,
    ) -> Result<Vec<Run>, ReadError> {
        let mut runs = Vec::with_capacity(positions.len());
        let mut gathered = Gathered::default();
        let mut current: Option<Arc<Chunk>> = None;
        // How many of those that come next were looked at for what lies ahead.
        let mut until_ahead = 0;
        for (at, position) in positions.iter().enumerate() {
            let chunk = match current.take().filter(|chunk| chunk.holds(*position)) {
                Some(chunk) => chunk,
                None => {
                    last.forget();
                    until_ahead = 0;
                    let held = self.holding(*position).ok_or_else(|| ReadError::Damaged {
                        position: *position,
                        expected: "a sealed record".into(),
                        found: "none".into(),
                    });
                    held?.0
                }
            };
            if until_ahead == 0 {
                until_ahead = read_ahead(&chunk, &positions[at..], columns, last)?;
            }
            until_ahead -= 1;
            let before = gathered.bytes();
            gathered.add(&chunk, chunk.place(*position), columns, last)?;
            left = left.saturating_sub(gathered.bytes() - before);
            if before == 0 {
                gathered.reserve(positions.len() - at - 1);
            }
            if left == 0 || gathered.bytes() >= GATHERED_BYTES {
                gathered.give(&chunk, &mut runs)?;
            }
            current = Some(chunk);
            if left == 0 {
                break;
            }
        }
        if let Some(chunk) = current {
            gathered.give(&chunk, &mut runs)?;
        }
        Ok(runs)
    }
}

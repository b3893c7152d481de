//! Single records of the sealed log: an entry that is looked at, an answer that lies scattered over the log.
//!
//! A record is read with the frame of its payload, that of its leaf, and its blocks of the columns; nothing else is
//! unpacked. Who asks for several in ascending order reads a frame and a block of the columns once.

use super::column::{Column, WIDTH};
use super::frames::LastFrame;
use super::shelf::{Chunk, Chunks};
use super::{BLOCK, ChunkError, Source};
use crate::log::{Columns, ReadError, Run, Slot};
use crate::record::{Hash, Position};
use std::sync::Arc;

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

/// The block of a column that was read last.
#[derive(Default)]
pub struct LastBlock {
    block: Option<u32>,
    bytes: Vec<u8>,
}

impl LastBlock {
    /// One record's 32 bytes of a column.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn one(&mut self, column: &Column, source: &Source, at: u32) -> Result<Hash, ChunkError> {
        let block = at / BLOCK;
        if self.block != Some(block) {
            self.block = None;
            column.block(source, block, &mut self.bytes)?;
            self.block = Some(block);
        }
        let all = self.bytes.as_chunks::<WIDTH>().0;
        // A block has 256 of them.
        Ok(all.get((at % BLOCK) as usize).copied().unwrap_or_default())
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

    fn in_turn(
        &self,
        positions: &[Position],
        columns: Columns,
        mut left: usize,
    ) -> Result<Vec<Run>, ReadError> {
        let mut runs = Vec::with_capacity(positions.len());
        let (mut last, mut gathered) = (Last::default(), Gathered::default());
        let mut current: Option<Arc<Chunk>> = None;
        for (at, position) in positions.iter().enumerate() {
            let chunk = match current.take().filter(|chunk| chunk.holds(*position)) {
                Some(chunk) => chunk,
                None => {
                    last = Last::default();
                    let held = self.holding(*position).ok_or_else(|| ReadError::Damaged {
                        position: *position,
                        expected: "a sealed record".into(),
                        found: "none".into(),
                    });
                    held?.0
                }
            };
            let before = gathered.bytes();
            gathered.add(&chunk, chunk.place(*position), columns, &mut last)?;
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

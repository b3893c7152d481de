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
use bytes::Bytes;
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
            self.bytes = column.read(source, block * BLOCK..(block + 1) * BLOCK)?;
            self.block = Some(block);
        }
        let all = self.bytes.as_chunks::<WIDTH>().0;
        // A block has 256 of them.
        Ok(all.get((at % BLOCK) as usize).copied().unwrap_or_default())
    }
}

impl Chunk {
    /// The record at a place as a run of one.
    fn one(&self, at: u32, columns: Columns, last: &mut Last) -> Result<Run, ChunkError> {
        let (mut leaf, mut payload, mut salt) = (Bytes::new(), Bytes::new(), Bytes::new());
        if columns != Columns::Payloads {
            leaf = self.leaves()?.one(at, &mut last.commitments, &mut last.leaves)?;
        }
        if columns != Columns::Leaves {
            payload = self.payloads()?.one(at, &mut last.payloads)?;
        }
        if columns == Columns::All {
            let one = self.payloads()?.salt(at, &mut last.salts)?;
            salt = Bytes::copy_from_slice(&one);
        }
        let slot = Slot {
            // Frames unpack to far less than 4 GiB.
            leaf_end: leaf.len() as u32,
            payload_end: payload.len() as u32,
            erased: self.is_erased(at),
        };
        let position = self.first().plus(at.into());
        let run = Run::new(position, vec![slot], leaf, salt, payload);
        run.map_err(|error| self.unreadable(position, error.to_string()))
    }
}

impl Chunks {
    /// The record at one position as a run of one; `None` where it is not sealed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn one(&self, position: Position, columns: Columns) -> Result<Option<Run>, ReadError> {
        let Some((chunk, at)) = self.holding(position) else {
            return Ok(None);
        };
        Ok(Some(chunk.one(at, columns, &mut Last::default())?))
    }

    /// The records at these positions, in this order, each as a run of one. Many are read by two threads.
    ///
    /// # Errors
    /// [`ReadError`] for the first that cannot be had.
    pub fn many(&self, positions: &[Position], columns: Columns) -> Result<Vec<Run>, ReadError> {
        if positions.len() < SHARED_FROM {
            return self.in_turn(positions, columns);
        }
        let (first, second) = positions.split_at(positions.len() / 2);
        std::thread::scope(|scope| {
            let other = std::thread::Builder::new().spawn_scoped(scope, || self.in_turn(second, columns));
            let mut runs = self.in_turn(first, columns)?;
            runs.extend(match other.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(runs)) => runs?,
                // Without a thread to be had, or with one that panicked, nothing is lost but time.
                Ok(Err(_)) | Err(_) => self.in_turn(second, columns)?,
            });
            Ok(runs)
        })
    }

    fn in_turn(&self, positions: &[Position], columns: Columns) -> Result<Vec<Run>, ReadError> {
        let mut runs = Vec::with_capacity(positions.len());
        let mut last = Last::default();
        let mut current: Option<Arc<Chunk>> = None;
        for position in positions {
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
            runs.push(chunk.one(chunk.place(*position), columns, &mut last)?);
            current = Some(chunk);
        }
        Ok(runs)
    }
}

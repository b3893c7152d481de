//! A column of 32 bytes a record, as they are: hashes, commitments or salts. Nothing compresses them.
//!
//! Blocks of 256 records have a CRC32C each, in the tables. A block of leaf hashes is a full tile of the Merkle tree's
//! lowest level.

use super::ahead::Stretch;
use super::{BLOCK, ChunkError, Source};
use crate::store::frame::u32_at;
use std::ops::Range;

/// The bytes of a record in a column.
pub const WIDTH: usize = 32;
/// The bytes of a block.
pub const BLOCK_BYTES: usize = BLOCK as usize * WIDTH;

/// Where a column lies.
pub struct Column {
    what: &'static str,
    offset: u64,
    crcs: Vec<u32>,
}

/// The CRCs of a column's blocks, as the tables hold them.
pub fn crcs(column: &[u8]) -> Vec<u8> {
    let crc = |block: &[u8]| crc32c::crc32c(block).to_le_bytes();
    column.chunks(BLOCK_BYTES).flat_map(crc).collect()
}

impl Column {
    /// The column at `offset` with the CRCs of a table.
    pub fn new(what: &'static str, offset: u64, crcs: &[u8]) -> Self {
        Self {
            what,
            offset,
            crcs: crcs.chunks_exact(4).map(|four| u32_at(four, 0)).collect(),
        }
    }

    /// The records of a range as they lie in the file, unchecked.
    ///
    /// # Errors
    /// [`ChunkError`] where they cannot be read.
    pub fn raw(&self, source: &Source, records: Range<u32>) -> Result<Vec<u8>, ChunkError> {
        let begin = self.offset + u64::from(records.start) * WIDTH as u64;
        let length = (records.end - records.start) as usize * WIDTH;
        source.read(begin, length, source.position(records.start))
    }

    /// The records of a range, by their places in the chunk; whole blocks are read and checked.
    ///
    /// # Errors
    /// [`ChunkError`] naming the first record of the block that is damaged.
    pub fn read(&self, source: &Source, records: Range<u32>) -> Result<Vec<u8>, ChunkError> {
        let blocks = records.start / BLOCK..records.end.div_ceil(BLOCK);
        let begin = u64::from(blocks.start) * BLOCK_BYTES as u64;
        let length = (blocks.end - blocks.start) as usize * BLOCK_BYTES;
        let position = source.position(blocks.start * BLOCK);
        let mut bytes = source.read(self.offset + begin, length, position)?;
        for (block, bytes) in blocks.clone().zip(bytes.chunks(BLOCK_BYTES)) {
            self.check(source, block, bytes)?;
        }
        let skip = (records.start - blocks.start * BLOCK) as usize * WIDTH;
        bytes.truncate(skip + (records.end - records.start) as usize * WIDTH);
        bytes.drain(..skip);
        Ok(bytes)
    }

    /// Where a block lies in the file.
    pub fn place(&self, block: u32) -> u64 {
        self.offset + u64::from(block) * BLOCK_BYTES as u64
    }

    /// One block, read into `bytes` and checked.
    ///
    /// # Errors
    /// As [`Column::read`].
    pub fn block(&self, source: &Source, block: u32, bytes: &mut Vec<u8>) -> Result<(), ChunkError> {
        bytes.resize(BLOCK_BYTES, 0);
        source.read_into(bytes, self.place(block), source.position(block * BLOCK))?;
        self.check(source, block, bytes)
    }

    /// One block of those that were read ahead, checked; `None` where it is not among them.
    ///
    /// # Errors
    /// As [`Column::read`].
    pub fn block_ahead<'a>(
        &self,
        source: &Source,
        block: u32,
        ahead: &'a Stretch,
    ) -> Result<Option<&'a [u8]>, ChunkError> {
        let bytes = ahead.get(self.place(block), BLOCK_BYTES);
        bytes
            .map(|bytes| self.check(source, block, bytes).map(|()| bytes))
            .transpose()
    }

    /// Reads the blocks that hold the records of a range at once, unchecked, where they are not too many bytes.
    pub fn read_ahead(&self, source: &Source, records: &Range<u32>, ahead: &mut Stretch) {
        let (first, end) = (records.start / BLOCK, records.end.div_ceil(BLOCK));
        ahead.read(
            source,
            self.place(first)..self.place(end),
            source.position(first * BLOCK),
        );
    }

    fn check(&self, source: &Source, block: u32, bytes: &[u8]) -> Result<(), ChunkError> {
        let crc = crc32c::crc32c(bytes);
        let expected = self.crcs.get(block as usize).copied();
        if expected == Some(crc) {
            return Ok(());
        }
        let what = format!("block {block} of its {}", self.what);
        let expected = expected.unwrap_or(0);
        let problem = format!("its CRC is {crc:08x}, the table has {expected:08x}");
        Err(source.damaged(what, problem, source.position(block * BLOCK)))
    }
}

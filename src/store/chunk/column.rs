//! A column of 32 bytes a record, as they are: hashes, commitments or salts. Nothing compresses them.
//!
//! Blocks of records have a CRC32C each, in the tables. A block of leaf hashes is 256 records, a full tile of the Merkle tree's
//! lowest level.

use super::ahead::Stretch;
use super::{ChunkError, Source};
use crate::store::frame::u32_at;
use std::ops::Range;

/// The bytes of a record in a column.
pub const WIDTH: usize = 32;

/// Where a column lies.
pub struct Column {
    what: &'static str,
    offset: u64,
    /// How many records a block has.
    block: u32,
    crcs: Vec<u32>,
}

/// The CRCs of a column's blocks of so many records, as the tables hold them.
pub fn crcs(column: &[u8], block: u32) -> Vec<u8> {
    let crc = |block: &[u8]| crc32c::crc32c(block).to_le_bytes();
    column.chunks(block as usize * WIDTH).flat_map(crc).collect()
}

/// The bytes of the CRCs of blocks of so many records of a chunk of `count`.
pub const fn crcs_bytes(count: u32, block: u32) -> usize {
    4 * count.div_ceil(block) as usize
}

impl Column {
    /// The column at `offset`, in blocks of so many records, with the CRCs of a table.
    pub fn new(what: &'static str, offset: u64, block: u32, crcs: &[u8]) -> Self {
        Self {
            what,
            offset,
            block,
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
        let blocks = records.start / self.block..records.end.div_ceil(self.block);
        let length = (blocks.end - blocks.start) as usize * self.block_bytes();
        let position = source.position(blocks.start * self.block);
        let mut bytes = source.read(self.place(blocks.start), length, position)?;
        for (block, bytes) in blocks.clone().zip(bytes.chunks(self.block_bytes())) {
            self.check(source, block, bytes)?;
        }
        let skip = (records.start - blocks.start * self.block) as usize * WIDTH;
        bytes.truncate(skip + (records.end - records.start) as usize * WIDTH);
        bytes.drain(..skip);
        Ok(bytes)
    }

    /// Where a block lies in the file.
    fn place(&self, block: u32) -> u64 {
        self.offset + u64::from(block) * self.block_bytes() as u64
    }

    fn block_bytes(&self) -> usize {
        self.block as usize * WIDTH
    }

    /// The block of a record, by its place in the chunk.
    pub fn block_of(&self, at: u32) -> u32 {
        at / self.block
    }

    /// The records of each block.
    pub fn blocks(&self, count: u32) -> impl Iterator<Item = Range<u32>> {
        let length = self.block;
        (0..count.div_ceil(length)).map(move |block| block * length..(block + 1) * length)
    }

    /// One record's 32 bytes of its block.
    pub fn one_of(&self, block: &[u8], at: u32) -> [u8; WIDTH] {
        let all = block.as_chunks::<WIDTH>().0;
        // A block has as many.
        all.get((at % self.block) as usize).copied().unwrap_or_default()
    }

    /// One block, read into `bytes` and checked.
    ///
    /// # Errors
    /// As [`Column::read`].
    pub fn block(&self, source: &Source, block: u32, bytes: &mut Vec<u8>) -> Result<(), ChunkError> {
        bytes.resize(self.block_bytes(), 0);
        source.read_into(bytes, self.place(block), source.position(block * self.block))?;
        self.check(source, block, bytes)
    }

    /// One block of those that were read ahead, which was checked before; `None` where it is not among them.
    pub fn unchecked_ahead<'a>(&self, block: u32, ahead: &'a Stretch) -> Option<&'a [u8]> {
        ahead.get(self.place(block), self.block_bytes())
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
        let bytes = self.unchecked_ahead(block, ahead);
        bytes
            .map(|bytes| self.check(source, block, bytes).map(|()| bytes))
            .transpose()
    }

    /// Reads the blocks that hold the records of a range at once, unchecked, where they are not too many bytes.
    pub fn read_ahead(&self, source: &Source, records: &Range<u32>, ahead: &mut Stretch) {
        let (first, end) = (records.start / self.block, records.end.div_ceil(self.block));
        ahead.read(
            source,
            self.place(first)..self.place(end),
            source.position(first * self.block),
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
        Err(source.damaged(what, problem, source.position(block * self.block)))
    }
}

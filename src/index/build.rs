//! Writing a volume.
//!
//! ```text
//!   volume    = part* tags bucket* ends directory footer
//!   part      = long list, CRC32C  |  block, CRC32C
//!   block     = entry*                       of about 8 KiB; keys ascend
//!   entry     = varint bytes shared with the key before, varint further bytes, these, list
//!   list      = varint (count * 4 + form), then
//!               form 0: varint length, gaps
//!               form 1 (gaps), 2 (bitmap): varint offset in the file, varint length
//!   tags      = for each 128 documents, the last ones fewer: a u64 each, CRC32C
//!   bucket    = for each of its documents that have a tag: the tag u64, number u32; CRC32C. Those that are alike are next to each
//!               other, in the order of numbers, and those that are not in the order of tags
//!   ends      = for each bucket: how many documents are in it and in those before u32; CRC32C
//!   directory = for each block: varint length of its first key, the key, varint offset, varint length; CRC32C
//!   footer    = first position u64, position after the last u64, hash of the last record's leaf [32],
//!               offset of the tags u64, offset of the ends u64, offset of the directory u64, its length u64, number of the format u32, CRC32C of all this
//! ```
//!
//! How many buckets there are and which one a tag is in, [`super::alike`] says.
//!
//! Lengths are without the checksum, numbers of fixed size and checksums little-endian. A long list stands before the block that
//! names it.

use super::alike::{self, Buckets};
use super::list::{Form, Gaps, encode, put};
use crate::record::{Hash, Position};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The number of the format.
pub(super) const FORMAT: u32 = 4;
/// The bytes of a footer.
pub(super) const FOOTER_BYTES: usize = 8 + 8 + 32 + 8 + 8 + 8 + 8 + 4 + 4;
/// So many documents have their tags together. Whoever asks for that of one reads those of as many.
pub(super) const TAGS: usize = 128;
/// The bytes of a document in a bucket.
pub(super) const IN_BUCKET_BYTES: usize = 12;
/// The bytes of a tag.
pub(super) const TAG_BYTES: usize = 8;
/// A block is ended once it has so many bytes. A look at a key reads one.
const BLOCK_BYTES: usize = 8 << 10;
/// Longer lists do not stand beside their key.
const INLINE_BYTES_MAX: usize = 64;

/// A volume that is being written.
pub(super) struct Build {
    file: BufWriter<File>,
    offset: u64,
    block: Vec<u8>,
    /// The first key of the block.
    first: Vec<u8>,
    last: Vec<u8>,
    directory: Vec<u8>,
}

impl Build {
    pub fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, File::create(path)?),
            offset: 0,
            block: Vec::with_capacity(2 * BLOCK_BYTES),
            first: Vec::new(),
            last: Vec::new(),
            directory: Vec::new(),
        })
    }

    /// Adds a key above the last one, with its documents.
    pub fn push(&mut self, key: &[u8], numbers: &[u32]) -> io::Result<()> {
        debug_assert!(self.block.is_empty() || self.last.as_slice() < key, "keys ascend");
        let list = self.list(numbers)?;
        if self.block.is_empty() {
            self.first = key.to_vec();
            self.last.clear();
        }
        let shared = self.last.iter().zip(key).take_while(|(a, b)| a == b).count();
        put(&mut self.block, shared as u64);
        put(&mut self.block, (key.len() - shared) as u64);
        self.block.extend(&key[shared..]);
        self.block.extend(list);
        self.last.truncate(shared);
        self.last.extend(&key[shared..]);
        if self.block.len() >= BLOCK_BYTES {
            self.end_block()?;
        }
        Ok(())
    }

    fn list(&mut self, numbers: &[u32]) -> io::Result<Vec<u8>> {
        let gaps: Gaps = numbers.iter().copied().collect();
        let head = |form: Form| u64::from(gaps.count) * 4 + form as u64;
        let mut list = Vec::with_capacity(gaps.bytes.len().min(INLINE_BYTES_MAX) + 8);
        if gaps.bytes.len() <= INLINE_BYTES_MAX {
            put(&mut list, head(Form::Inline));
            put(&mut list, gaps.bytes.len() as u64);
            list.extend(gaps.bytes);
            return Ok(list);
        }
        let count = gaps.count;
        let (form, bytes) = encode(numbers, gaps)?;
        put(&mut list, u64::from(count) * 4 + form as u64);
        put(&mut list, self.offset);
        put(&mut list, bytes.len() as u64);
        self.write(&bytes)?;
        Ok(list)
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        put(&mut self.directory, self.first.len() as u64);
        self.directory.extend(&self.first);
        put(&mut self.directory, self.offset);
        put(&mut self.directory, self.block.len() as u64);
        let block = std::mem::take(&mut self.block);
        self.write(&block)?;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    /// Writes bytes and their checksum.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.write_all(&crc32c::crc32c(bytes).to_le_bytes())?;
        self.offset += bytes.len() as u64 + 4;
        Ok(())
    }

    /// Writes the documents in the order of their tags; answers where each bucket ends.
    fn write_buckets(&mut self, tags: &[u64]) -> io::Result<Vec<u8>> {
        let buckets = Buckets::of(tags.len() as u64);
        let sorted = alike::sorted(tags);
        let (mut left, mut ends, mut bytes) = (sorted.as_slice(), Vec::new(), Vec::new());
        for bucket in 0..buckets.count() {
            let of_it = left.partition_point(|(tag, _)| buckets.bucket(*tag) <= bucket);
            bytes.clear();
            for (_, number) in &left[..of_it] {
                let tag = tags[*number as usize];
                bytes.extend(tag.to_le_bytes());
                bytes.extend(number.to_le_bytes());
            }
            self.write(&bytes)?;
            left = &left[of_it..];
            // There are no more than numbers.
            let end = u32::try_from(sorted.len() - left.len()).unwrap_or(u32::MAX);
            ends.extend(end.to_le_bytes());
        }
        Ok(ends)
    }

    /// Ends the volume with the tags of its documents, and brings it to the disk.
    pub fn finish(mut self, from: Position, to: Position, last: &Hash, tags: &[u64]) -> io::Result<()> {
        debug_assert_eq!(to.since(from), tags.len() as u64, "each document has a tag");
        self.end_block()?;
        let start = self.offset;
        for some in tags.chunks(TAGS) {
            let bytes: Vec<u8> = some.iter().flat_map(|tag| tag.to_le_bytes()).collect();
            self.write(&bytes)?;
        }
        let ends = self.write_buckets(tags)?;
        let ends_offset = self.offset;
        self.write(&ends)?;
        let (offset, directory) = (self.offset, std::mem::take(&mut self.directory));
        self.write(&directory)?;
        let mut footer = Vec::with_capacity(FOOTER_BYTES);
        footer.extend(from.get().to_le_bytes());
        footer.extend(to.get().to_le_bytes());
        footer.extend(last);
        footer.extend(start.to_le_bytes());
        footer.extend(ends_offset.to_le_bytes());
        footer.extend(offset.to_le_bytes());
        footer.extend((directory.len() as u64).to_le_bytes());
        footer.extend(FORMAT.to_le_bytes());
        self.write(&footer)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

//! Reading a volume, whose format [`super::build`] tells.
//!
//! In memory is the first key of each block and the end of each bucket, some hundred and seventy KiB for a million records, besides what
//! [`super::alike`] knows; everything else is read when it is asked for, by positioned reads, and checked each time.

use super::alike::{Buckets, shared_of};
use super::build::{FOOTER_BYTES, FORMAT, IN_BUCKET_BYTES, TAG_BYTES, TAGS};
use super::list::{self, Form, damaged, take};
use crate::record::{Hash, Position};
use roaring::RoaringBitmap;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Takes a key and its documents.
pub(super) type Take<'t> = dyn FnMut(&[u8], &dyn Listed) -> io::Result<()> + 't;

/// The documents of a key, read when they are asked for.
pub(super) trait Listed {
    /// As a set.
    fn set(&self) -> io::Result<RoaringBitmap>;

    /// At the end of a vector, ascending.
    fn append_to(&self, to: &mut Vec<u32>) -> io::Result<()>;
}

/// An open volume.
pub(super) struct Volume {
    file: File,
    path: PathBuf,
    from: Position,
    to: Position,
    last: Hash,
    bytes: u64,
    /// Where the tags begin.
    tags: u64,
    /// How many documents are in each bucket and in those before.
    bucket_ends: Vec<u32>,
    blocks: Directory,
}

/// Where the blocks are.
#[derive(Default)]
struct Directory {
    keys: Vec<u8>,
    blocks: Vec<Block>,
}

#[derive(Clone, Copy)]
struct Block {
    /// Where its first key ends in the keys.
    key_end: u32,
    bytes: u32,
    offset: u64,
}

impl Volume {
    /// Opens the volume of a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let start = (bytes.checked_sub(FOOTER_BYTES as u64)).ok_or_else(|| damaged("a volume is cut"))?;
        let footer = read(&file, start, FOOTER_BYTES - 4)?;
        let (from, rest) = u64_of(&footer)?;
        let (to, rest) = u64_of(rest)?;
        let (last, rest) = rest
            .split_first_chunk::<32>()
            .ok_or_else(|| damaged("a volume is cut"))?;
        let (tags, rest) = u64_of(rest)?;
        let (ends, rest) = u64_of(rest)?;
        let (offset, rest) = u64_of(rest)?;
        let (length, rest) = u64_of(rest)?;
        if rest != FORMAT.to_le_bytes() {
            return Err(damaged("a volume is of another format"));
        }
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length as u64 <= bytes);
        let directory = read(&file, offset, length.ok_or_else(|| damaged("a volume is cut"))?)?;
        let buckets = Buckets::of(to.saturating_sub(from)).count();
        if buckets as u64 > bytes {
            return Err(damaged("a volume is cut"));
        }
        let ends = read(&file, ends, buckets * 4)?;
        let ends = ends.as_chunks::<4>().0.iter();
        Ok(Self {
            bucket_ends: ends.map(|end| u32::from_le_bytes(*end)).collect(),
            blocks: Directory::read(&directory)?,
            file,
            path: path.into(),
            from: Position::new(from),
            to: Position::new(to),
            last: *last,
            bytes,
            tags,
        })
    }

    /// The position of its first document.
    pub fn from(&self) -> Position {
        self.from
    }

    /// The position after its last document's.
    pub fn to(&self) -> Position {
        self.to
    }

    /// How many positions it has.
    pub fn len(&self) -> u64 {
        self.to.since(self.from)
    }

    /// The hash of its last record's leaf.
    pub fn last(&self) -> &Hash {
        &self.last
    }

    /// The size of its file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The documents of a key.
    pub fn get(&self, key: &[u8]) -> io::Result<RoaringBitmap> {
        let cursor = Cursor::at(self, key)?;
        match cursor.key() {
            Some(found) if found == key => cursor.set(),
            _ => Ok(RoaringBitmap::new()),
        }
    }

    /// Hands over the tags of documents, whose numbers ascend and are below [`Self::len`].
    pub fn each_tag(
        &self,
        numbers: impl Iterator<Item = u32>,
        take: &mut dyn FnMut(u32, u64),
    ) -> io::Result<()> {
        let (mut bytes, mut held, mut several) = (Vec::new(), 0..0, 1);
        for number in numbers {
            let at = number as usize / TAGS;
            if !held.contains(&at) {
                // Who goes on and on where it ended is given more and more with one look at the file.
                several = if at == held.end {
                    (several * 2).min(TAGS_AHEAD)
                } else {
                    1
                };
                held = self.read_tags(at, several, &mut bytes)?;
            }
            let start = (at - held.start) * (TAGS * TAG_BYTES + 4) + number as usize % TAGS * TAG_BYTES;
            let tag = bytes.get(start..).and_then(|bytes| bytes.first_chunk());
            let tag = tag.ok_or_else(|| damaged("a document has no tag"))?;
            take(number, u64::from_le_bytes(*tag));
        }
        Ok(())
    }

    /// Reads some of the stretches that have tags together, checksums and all; answers which.
    fn read_tags(&self, at: usize, several: usize, bytes: &mut Vec<u8>) -> io::Result<Range<usize>> {
        let stretch = TAGS * TAG_BYTES + 4;
        let all = usize::try_from(self.len()).map_err(io::Error::other)?;
        let end = (at + several).min(all.div_ceil(TAGS));
        if end <= at {
            return Err(damaged("a document has no tag"));
        }
        let documents = (end * TAGS).min(all) - at * TAGS;
        bytes.resize(documents * TAG_BYTES + (end - at) * 4, 0);
        self.file
            .read_exact_at(bytes, self.tags + (at * stretch) as u64)?;
        bytes
            .chunks(stretch)
            .try_for_each(|one| checked(one).map(|_| ()))?;
        Ok(at..end)
    }

    /// The tag of each document.
    pub fn all_tags(&self) -> io::Result<Vec<u64>> {
        let len = u32::try_from(self.len()).map_err(io::Error::other)?;
        let mut tags = Vec::with_capacity(len as usize);
        self.each_tag(0..len, &mut |_, tag| tags.push(tag))?;
        Ok(tags)
    }

    /// Hands over the documents that are alike to one of these, which ascend and are what alike ones share: its place among them, its
    /// tag and its number. Of those that are alike the first comes first.
    pub fn each_alike(&self, shared: &[u64], take: &mut dyn FnMut(usize, u64, u32)) -> io::Result<()> {
        let buckets = Buckets::of(self.len());
        let (mut bytes, mut at) = (Vec::new(), 0);
        for some in shared.chunk_by(|a, b| buckets.bucket(*a) == buckets.bucket(*b)) {
            self.read_bucket(buckets.bucket(some[0]), &mut bytes)?;
            let mut left = some;
            for (tag, number) in in_bucket(&bytes) {
                while left.first().is_some_and(|shared| *shared < shared_of(tag)) {
                    left = &left[1..];
                }
                if left.first() == Some(&shared_of(tag)) {
                    take(at + some.len() - left.len(), tag, number);
                }
            }
            at += some.len();
        }
        Ok(())
    }

    /// Reads a bucket, for [`in_bucket`].
    pub fn read_bucket(&self, bucket: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        let end = |bucket: usize| self.bucket_ends.get(bucket).copied().unwrap_or(0);
        let start = bucket.checked_sub(1).map_or(0, end);
        let documents = end(bucket).checked_sub(start);
        let documents = documents.ok_or_else(|| damaged("a bucket ends before it begins"))?;
        let tags = self.len() * TAG_BYTES as u64 + self.len().div_ceil(TAGS as u64) * 4;
        let before = u64::from(start) * IN_BUCKET_BYTES as u64 + bucket as u64 * 4;
        let length = documents as usize * IN_BUCKET_BYTES;
        read_into(&self.file, self.tags + tags + before, length, bytes)
    }

    /// Hands over the keys that begin so, in their order, each with its documents.
    pub fn each(&self, prefix: &[u8], take: &mut Take<'_>) -> io::Result<()> {
        self.walk(prefix, |key| key.starts_with(prefix), take)
    }

    /// The same of the keys that are not below the first of these, but below the second.
    pub fn between(&self, keys: &Range<Vec<u8>>, take: &mut Take<'_>) -> io::Result<()> {
        self.walk(&keys.start, |key| *key < *keys.end, take)
    }

    /// From the first key that is not below one, as long as they are meant.
    fn walk(&self, from: &[u8], is_meant: impl Fn(&[u8]) -> bool, take: &mut Take<'_>) -> io::Result<()> {
        let mut cursor = Cursor::at(self, from)?;
        while let Some(key) = cursor.key().filter(|key| is_meant(key)) {
            take(key, &cursor)?;
            cursor.advance()?;
        }
        Ok(())
    }
}

impl Directory {
    fn read(mut bytes: &[u8]) -> io::Result<Self> {
        let cut = || damaged("the directory of a volume is cut");
        let mut directory = Self::default();
        while !bytes.is_empty() {
            let length = usize::try_from(take(&mut bytes)?).map_err(|_| cut())?;
            let (key, rest) = bytes.split_at_checked(length).ok_or_else(cut)?;
            bytes = rest;
            directory.keys.extend(key);
            directory.blocks.push(Block {
                key_end: u32::try_from(directory.keys.len()).map_err(|_| cut())?,
                offset: take(&mut bytes)?,
                bytes: u32::try_from(take(&mut bytes)?).map_err(|_| cut())?,
            });
        }
        directory.keys.shrink_to_fit();
        directory.blocks.shrink_to_fit();
        Ok(directory)
    }

    /// The block in which a key is, if it is in any.
    fn find(&self, key: &[u8]) -> usize {
        let mut at = 0..self.blocks.len();
        while !at.is_empty() {
            let middle = at.start + at.len() / 2;
            if self.first_key(middle) <= key {
                at.start = middle + 1;
            } else {
                at.end = middle;
            }
        }
        at.start.saturating_sub(1)
    }

    fn first_key(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.blocks[before].key_end);
        &self.keys[start as usize..self.blocks[at].key_end as usize]
    }
}

/// Walks through the keys of a volume in their order.
pub(super) struct Cursor<'v> {
    volume: &'v Volume,
    /// The block after the one that is being read.
    next: usize,
    block: Vec<u8>,
    at: usize,
    key: Vec<u8>,
    list: Option<List>,
    ahead: RefCell<Ahead>,
}

/// What was read of the lists that stand before a block. Who reads one after the other is given more and more with one look at
/// the file, and who reads a single one no more than that.
#[derive(Default)]
struct Ahead {
    offset: u64,
    bytes: Vec<u8>,
    /// Where the last list ended that was read.
    end: u64,
    /// So many bytes are read next.
    size: usize,
}

/// The most bytes that are read ahead.
const AHEAD_BYTES_MAX: usize = 256 << 10;
/// So many stretches of tags are read together where they are all wanted.
const TAGS_AHEAD: usize = 64;
/// What is read ahead of the first list that follows another.
const AHEAD_BYTES: usize = 4 << 10;

/// Where the list of the key is.
#[derive(Clone, Copy)]
struct List {
    form: Form,
    count: u32,
    /// In the block, or in the file.
    offset: u64,
    bytes: usize,
}

impl<'v> Cursor<'v> {
    /// Before the first key that is not below one.
    pub fn at(volume: &'v Volume, key: &[u8]) -> io::Result<Self> {
        let mut cursor = Self {
            volume,
            next: volume.blocks.find(key),
            block: Vec::new(),
            at: 0,
            key: Vec::new(),
            list: None,
            ahead: RefCell::default(),
        };
        cursor.advance()?;
        while cursor.key().is_some_and(|found| found < key) {
            cursor.advance()?;
        }
        Ok(cursor)
    }

    /// The key that it is at; `None` after the last.
    pub fn key(&self) -> Option<&[u8]> {
        self.list.map(|_| self.key.as_slice())
    }

    /// Goes to the next key.
    pub fn advance(&mut self) -> io::Result<()> {
        if self.at == self.block.len() && !self.next_block()? {
            self.list = None;
            return Ok(());
        }
        let cut = || damaged("a block of a volume is cut");
        let whole = self.block.len();
        let mut rest = &self.block[self.at..];
        let shared = usize::try_from(take(&mut rest)?).map_err(|_| cut())?;
        let further = usize::try_from(take(&mut rest)?).map_err(|_| cut())?;
        let (bytes, mut rest) = rest.split_at_checked(further).ok_or_else(cut)?;
        if shared > self.key.len() {
            return Err(cut());
        }
        self.key.truncate(shared);
        self.key.extend(bytes);
        let head = take(&mut rest)?;
        let form = Form::of(head % 4)?;
        let count = u32::try_from(head / 4).map_err(|_| cut())?;
        let offset = if form == Form::Inline { 0 } else { take(&mut rest)? };
        let bytes = usize::try_from(take(&mut rest)?).map_err(|_| cut())?;
        let mut list = List {
            form,
            count,
            offset,
            bytes,
        };
        if form == Form::Inline {
            list.offset = (whole - rest.len()) as u64;
            rest = rest.get(bytes..).ok_or_else(cut)?;
        }
        self.at = whole - rest.len();
        self.list = Some(list);
        Ok(())
    }

    fn with_list<T: Default>(&self, read_list: impl FnOnce(List, &[u8]) -> io::Result<T>) -> io::Result<T> {
        match self.list {
            Some(list) => self.with_bytes(list, |bytes| read_list(list, bytes)),
            None => Ok(T::default()),
        }
    }

    fn with_bytes<T>(&self, list: List, read_list: impl FnOnce(&[u8]) -> io::Result<T>) -> io::Result<T> {
        if list.form == Form::Inline {
            // `advance` has seen that it is within the block.
            let start = list.offset as usize;
            return read_list(&self.block[start..start + list.bytes]);
        }
        if list.bytes as u64 > self.volume.bytes {
            return Err(damaged("a list goes beyond its file"));
        }
        // The lists of a block end where it begins.
        let block = self
            .next
            .checked_sub(1)
            .and_then(|at| self.volume.blocks.blocks.get(at));
        let end = block.map_or(0, |block| block.offset);
        let mut ahead = self.ahead.borrow_mut();
        read_list(ahead.read(&self.volume.file, list, end)?)
    }

    fn next_block(&mut self) -> io::Result<bool> {
        let Some(block) = self.volume.blocks.blocks.get(self.next) else {
            return Ok(false);
        };
        self.block = read(&self.volume.file, block.offset, block.bytes as usize)?;
        (self.next, self.at) = (self.next + 1, 0);
        self.key.clear();
        Ok(!self.block.is_empty())
    }
}

impl Ahead {
    /// The bytes of a list, which is one of those that end at `end`.
    fn read(&mut self, file: &File, list: List, end: u64) -> io::Result<&[u8]> {
        let whole = list.bytes + 4;
        let is_here = |ahead: &Self| {
            let at = list.offset.checked_sub(ahead.offset)?;
            let at = usize::try_from(at).ok()?;
            (at + whole <= ahead.bytes.len()).then_some(at)
        };
        if is_here(self).is_none() {
            self.size = match list.offset == self.end {
                true => (self.size * 2).clamp(AHEAD_BYTES, AHEAD_BYTES_MAX),
                false => 0,
            };
            let left = usize::try_from(end.saturating_sub(list.offset)).unwrap_or(0);
            self.bytes.resize(self.size.min(left).max(whole), 0);
            self.offset = list.offset;
            if let Err(error) = file.read_exact_at(&mut self.bytes, list.offset) {
                self.bytes.clear();
                return Err(error);
            }
        }
        self.end = list.offset.saturating_add(whole as u64);
        let at = is_here(self).unwrap_or_default();
        checked(&self.bytes[at..at + whole])
    }
}

impl Listed for Cursor<'_> {
    fn set(&self) -> io::Result<RoaringBitmap> {
        self.with_list(|list, bytes| list::set(list.form, bytes, list.count))
    }

    fn append_to(&self, to: &mut Vec<u32>) -> io::Result<()> {
        self.with_list(|list, bytes| list::read(list.form, bytes, list.count, to))
    }
}

/// The documents of a bucket: tag and number.
pub(super) fn in_bucket(bytes: &[u8]) -> impl Iterator<Item = (u64, u32)> {
    bytes.as_chunks::<IN_BUCKET_BYTES>().0.iter().map(|one| {
        let (tag, number) = one.split_at(TAG_BYTES);
        let tag = tag.try_into().map_or(0, u64::from_le_bytes);
        (tag, number.try_into().map_or(0, u32::from_le_bytes))
    })
}

/// Reads bytes and checks them against the checksum behind them.
pub(super) fn read(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(file, offset, length, &mut bytes)?;
    Ok(bytes)
}

/// The same, in memory that was used before.
fn read_into(file: &File, offset: u64, length: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(length + 4, 0);
    file.read_exact_at(bytes, offset)?;
    checked(bytes)?;
    bytes.truncate(length);
    Ok(())
}

/// Bytes without the checksum behind them, which they fit.
fn checked(bytes: &[u8]) -> io::Result<&[u8]> {
    match bytes.split_last_chunk::<4>() {
        Some((bytes, sum)) if crc32c::crc32c(bytes).to_le_bytes() == *sum => Ok(bytes),
        _ => Err(damaged("a checksum does not fit")),
    }
}

fn u64_of(bytes: &[u8]) -> io::Result<(u64, &[u8])> {
    let (number, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| damaged("a volume is cut"))?;
    Ok((u64::from_le_bytes(*number), rest))
}

//! One file of names, which never changes.
//!
//! ```text
//!   file   = block* facts CRC32C footer
//!   block  = at most 256 rows, CRC32C
//!   row    = hash of the name [7], position [5]; big-endian, so that rows ascend as bytes
//!   facts  = first position u64, position after the last u64, rows u64, entries u64,
//!            hash of the last record's leaf [32],
//!            count u32 and as many positions u64 of orders,
//!            length u32 of the filter, the filter (0: there is none),
//!            for each block: the hash of its first row u64
//!   filter = descriptor and fingerprints of a binary fuse filter of 8 bits over all hashes, as the crate `xorf` lays them out
//!   footer = length of the facts u64, number of the format u32, CRC32C of both
//! ```
//!
//! Numbers of the facts and checksums are little-endian. Facts stay in memory, some 1.2 bytes for each row; of the rows one or two
//! blocks are read when the filter says that a name may be there (it is wrong once in 256 times). Binary fuse filters: Graf and
//! Lemire, 2022.

use crate::index::list::damaged;
use crate::index::volume::read;
use crate::record::{Hash, Position};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

const FORMAT: u32 = 1;
const FOOTER_BYTES: usize = 8 + 4;
const BLOCK_ROWS: usize = 256;
const ROW_BYTES: usize = 12;
const BLOCK_BYTES: u64 = (BLOCK_ROWS * ROW_BYTES + CHECK_BYTES) as u64;
const CHECK_BYTES: usize = 4;
/// The bits of a hash.
pub const HASH_BITS: u32 = 56;
/// The bits of a position.
const POSITION_BITS: u32 = 40;
/// The bytes of a filter's descriptor.
const DESCRIPTOR_BYTES: usize = <BinaryFuse8 as DmaSerializable>::DESCRIPTOR_LEN;

/// A name, by its hash, and the newest record that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// At most [`HASH_BITS`] bits.
    pub hash: u64,
    /// Below 2^40.
    pub position: Position,
}

impl Row {
    fn bytes(self) -> [u8; ROW_BYTES] {
        let both = u128::from(self.hash) << POSITION_BITS | u128::from(self.position.get());
        let mut bytes = [0; ROW_BYTES];
        bytes.copy_from_slice(&both.to_be_bytes()[4..]);
        bytes
    }

    fn of(bytes: &[u8; ROW_BYTES]) -> Self {
        let mut both = [0; 16];
        both[4..].copy_from_slice(bytes);
        let both = u128::from_be_bytes(both);
        Self {
            hash: (both >> POSITION_BITS) as u64,
            position: Position::new(both as u64 & ((1 << POSITION_BITS) - 1)),
        }
    }
}

/// What a file says of the records that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The first of them.
    pub from: Position,
    /// The position after the last.
    pub to: Position,
    /// The hash of the last one's leaf.
    pub last: Hash,
    /// How many of them made an entry.
    pub entries: u64,
    /// Those that whoever begins must look at, ascending.
    pub orders: Vec<Position>,
}

/// An open file.
pub(super) struct NameFile {
    file: File,
    path: PathBuf,
    pub facts: Facts,
    rows: u64,
    bytes: u64,
    /// Descriptor and fingerprints; empty where there is none.
    filter: Box<[u8]>,
    /// The hash of each block's first row.
    firsts: Vec<u64>,
}

impl NameFile {
    /// Opens a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let cut = || damaged("a file of names is cut");
        let footer_at = bytes
            .checked_sub((FOOTER_BYTES + CHECK_BYTES) as u64)
            .ok_or_else(cut)?;
        let footer = read(&file, footer_at, FOOTER_BYTES)?;
        let mut footer = Bytes(&footer);
        let length = footer.u64()?;
        if footer.u32()? != FORMAT {
            return Err(damaged("a file of names is of another format"));
        }
        let facts_at = (footer_at.checked_sub(CHECK_BYTES as u64))
            .and_then(|end| end.checked_sub(length))
            .ok_or_else(cut)?;
        let facts = read(&file, facts_at, usize::try_from(length).map_err(|_| cut())?)?;
        let mut facts = Bytes(&facts);
        let (from, to) = (facts.position()?, facts.position()?);
        let (rows, entries, last) = (facts.u64()?, facts.u64()?, *facts.take()?);
        let orders = (0..facts.u32()?).map(|_| facts.position());
        let orders = orders.collect::<io::Result<_>>()?;
        let length = facts.u32()? as usize;
        let filter = facts.some(length)?;
        if !filter.is_empty() && !is_filter(filter) {
            return Err(damaged("a filter of names is cut"));
        }
        let firsts = (0..rows.div_ceil(BLOCK_ROWS as u64)).map(|_| facts.u64());
        let firsts = firsts.collect::<io::Result<_>>()?;
        if rows * ROW_BYTES as u64 + rows.div_ceil(BLOCK_ROWS as u64) * CHECK_BYTES as u64 != facts_at {
            return Err(damaged("a file of names has other rows than it says"));
        }
        Ok(Self {
            file,
            path: path.into(),
            facts: Facts {
                from,
                to,
                last,
                entries,
                orders,
            },
            rows,
            bytes,
            filter: filter.into(),
            firsts,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it may have a name; it never denies one that it has.
    pub fn may_have(&self, hash: u64) -> bool {
        match self.filter.split_at_checked(DESCRIPTOR_BYTES) {
            Some((descriptor, prints)) => BinaryFuse8Ref::from_dma(descriptor, prints).contains(&hash),
            None => true,
        }
    }

    /// Adds the positions of a name, ascending.
    pub fn find(&self, hash: u64, found: &mut Vec<Position>) -> io::Result<()> {
        if !self.may_have(hash) {
            return Ok(());
        }
        // The rows of one name may begin in the block before the first that begins with it.
        let from = self
            .firsts
            .partition_point(|first| *first < hash)
            .saturating_sub(1);
        for (block, first) in self.firsts.iter().enumerate().skip(from) {
            if *first > hash {
                break;
            }
            let rows = self.block(block)?;
            let rows = rows.as_chunks::<ROW_BYTES>().0;
            let start = rows.partition_point(|row| Row::of(row).hash < hash);
            let of_it = rows[start..].iter().map(Row::of);
            found.extend(of_it.take_while(|row| row.hash == hash).map(|row| row.position));
        }
        Ok(())
    }

    /// Adds all of its rows.
    pub fn append_to(&self, rows: &mut Vec<Row>) -> io::Result<()> {
        for block in 0..self.firsts.len() {
            rows.extend(self.block(block)?.as_chunks::<ROW_BYTES>().0.iter().map(Row::of));
        }
        Ok(())
    }

    fn block(&self, block: usize) -> io::Result<Vec<u8>> {
        let rows = (self.rows - (block * BLOCK_ROWS) as u64).min(BLOCK_ROWS as u64);
        read(&self.file, block as u64 * BLOCK_BYTES, rows as usize * ROW_BYTES)
    }
}

/// Writes a file of rows, sorted here, and brings it to the disk.
pub(super) fn write(path: &Path, mut rows: Vec<Row>, facts: &Facts) -> io::Result<()> {
    rows.sort_unstable();
    rows.dedup();
    let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
    for block in rows.chunks(BLOCK_ROWS) {
        let bytes: Vec<u8> = block.iter().flat_map(|row| row.bytes()).collect();
        put_checked(&bytes, &mut out)?;
    }
    let facts = facts_of(&rows, facts)?;
    put_checked(&facts, &mut out)?;
    let mut footer = (facts.len() as u64).to_le_bytes().to_vec();
    footer.extend(FORMAT.to_le_bytes());
    put_checked(&footer, &mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

fn facts_of(rows: &[Row], facts: &Facts) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for number in [facts.from.get(), facts.to.get(), rows.len() as u64, facts.entries] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(facts.last);
    put_length(facts.orders.len(), &mut bytes)?;
    (facts.orders.iter()).for_each(|order| bytes.extend(order.get().to_le_bytes()));
    let filter = filter(rows);
    put_length(filter.len(), &mut bytes)?;
    bytes.extend(filter);
    let firsts = rows.chunks(BLOCK_ROWS).map(|block| block[0].hash);
    firsts.for_each(|first| bytes.extend(first.to_le_bytes()));
    Ok(bytes)
}

fn put_checked(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(bytes)?;
    out.write_all(&crc32c::crc32c(bytes).to_le_bytes())
}

fn put_length(length: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.extend(u32::try_from(length).map_err(io::Error::other)?.to_le_bytes());
    Ok(())
}

/// A filter of the hashes; nothing where there is none that has them all, so that every name is looked up.
fn filter(rows: &[Row]) -> Vec<u8> {
    let mut hashes: Vec<u64> = rows.iter().map(|row| row.hash).collect();
    hashes.dedup();
    let Ok(filter) = BinaryFuse8::try_from(&hashes) else {
        return Vec::new();
    };
    // A name that a filter denies would be given twice: what is rested on is looked at.
    if !hashes.iter().all(|hash| filter.contains(hash)) {
        return Vec::new();
    }
    let mut bytes = vec![0; DESCRIPTOR_BYTES];
    filter.dma_copy_descriptor_to(&mut bytes);
    bytes.extend(filter.dma_fingerprints());
    bytes
}

/// Whether the parts of a filter fit together: where they do not, a look at it would go beyond its end.
fn is_filter(bytes: &[u8]) -> bool {
    let Some((descriptor, prints)) = bytes.split_at_checked(DESCRIPTOR_BYTES) else {
        return false;
    };
    // Behind the seed: the length of a segment, its mask, and the length of all segments but two.
    let mut numbers = Bytes(&descriptor[8..]);
    let (Ok(segment), Ok(mask), Ok(segments)) = (numbers.u32(), numbers.u32(), numbers.u32()) else {
        return false;
    };
    segment.checked_sub(1) == Some(mask)
        && u64::from(segments) + 2 * u64::from(segment) == prints.len() as u64
}

/// Bytes that are read from the front.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take<const N: usize>(&mut self) -> io::Result<&'b [u8; N]> {
        let (some, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| damaged("a file of names is cut"))?;
        self.0 = rest;
        Ok(some)
    }

    fn some(&mut self, length: usize) -> io::Result<&'b [u8]> {
        let (some, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| damaged("a file of names is cut"))?;
        self.0 = rest;
        Ok(some)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.take().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.take().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn position(&mut self) -> io::Result<Position> {
        self.u64().map(Position::new)
    }
}

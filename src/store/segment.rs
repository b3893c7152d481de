//! One segment of the journal: a file of 32 MiB that begins with a header and goes on with frames.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `CHJRNL01` |
//! | 8 | 8 | the archive's random id, the same in all its segments |
//! | 16 | 8 | the segment's id: [`segment_id`]; in a repair a random one |
//! | 24 | 8 | the segment's number, from 0 |
//! | 32 | 8 | sequence number of its first frame |
//! | 40 | 8 | position of its first record |
//! | 48 | 8 | recovered through: the tail that was already durable when the segment got its name |
//! | 56 | 8 | where the frames of the segment before end, as an offset in that file |
//! | 64 | 8 | the segment's length in bytes |
//! | 72 | 4 | CRC of the last frame before |
//! | 76 | 4 | CRC32C of bytes 0..76 |
//!
//! The same bytes stand once more at offset 2,048, for a header that is damaged. The rest of the first 4,096 bytes is
//! zero; the frames follow, packed, and behind the last one the file is zero to its end; there is at least one such
//! zero. Once the next segment holds a durable frame, and before anyone is answered from it, the zeros are cut off: a
//! file that is shorter than its header says has a segment after it. Numbers are little-endian. A segment is
//! `NNNNNNNN.segment`; a repair of a damaged stretch is `repair-POSITION.segment` with the same content.

use super::disk::{Disk, DiskFile};
use crate::record::Position;
use bytes::BufMut;
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The bytes of a segment, unless the options say otherwise.
pub const SEGMENT_BYTES: u64 = 32 << 20;
/// Where the first frame lies.
pub const FRAMES_AT: u64 = 4_096;
const MAGIC: [u8; 8] = *b"CHJRNL01";
const HEADER_BYTES: usize = 80;
/// Where the header's CRC lies, and how many bytes it covers.
const CRC_AT: usize = 76;
const COPY_AT: usize = 2_048;

/// The id of a segment, which all its frames bear: the first 8 bytes of SHA-256 over the archive's id and its number.
///
/// The archive's id never leaves the machine. So nobody who sends records can make bytes that pass for a frame of a
/// segment, and where a header is damaged a frame says by itself which segment it is of.
pub fn segment_id(archive: u64, number: u64) -> u64 {
    let mut hash = Sha256::new_with_prefix(MAGIC);
    hash.update(archive.to_le_bytes());
    hash.update(number.to_le_bytes());
    let bytes: [u8; 32] = hash.finalize().into();
    bytes.first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The archive's random id: a segment of another archive is not one of this.
    pub archive: u64,
    /// What its frames bear; never leaves the machine.
    pub id: u64,
    /// Its number, from 0; for a repair the number of the damaged segment.
    pub number: u64,
    /// The number of its first frame.
    pub first_sequence: u64,
    /// The position of its first record.
    pub first: Position,
    /// The tail that was durable when the segment got its name.
    pub recovered_through: Position,
    /// Where the frames of the segment before end.
    pub previous_end: u64,
    /// The segment's length in bytes when it was made.
    pub length: u64,
    /// The CRC of the last frame before.
    pub previous_crc: u32,
}

impl SegmentHeader {
    /// The header's bytes, filled up with zeros to where the frames begin.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRAMES_AT as usize);
        out.put_slice(&MAGIC);
        out.put_u64_le(self.archive);
        out.put_u64_le(self.id);
        out.put_u64_le(self.number);
        out.put_u64_le(self.first_sequence);
        out.put_u64_le(self.first.get());
        out.put_u64_le(self.recovered_through.get());
        out.put_u64_le(self.previous_end);
        out.put_u64_le(self.length);
        out.put_u32_le(self.previous_crc);
        let crc = crc32c::crc32c(&out);
        out.put_u32_le(crc);
        out.resize(COPY_AT, 0);
        out.extend_from_within(..HEADER_BYTES);
        out.resize(FRAMES_AT as usize, 0);
        out
    }

    /// Reads a header or, where it is damaged, its copy; `None` where both are.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode_copy(bytes).or_else(|| Self::decode_copy(bytes.get(COPY_AT..)?))
    }

    /// The format that a header names where it is not this program's; `None` where it is, or where there is no header.
    pub fn other_format(bytes: &[u8]) -> Option<String> {
        let magic = bytes.get(..8)?;
        // Both copies must say so: one flipped byte is damage and no format.
        let other =
            magic != MAGIC && magic.starts_with(&MAGIC[..6]) && bytes.get(COPY_AT..COPY_AT + 8)? == magic;
        other.then(|| String::from_utf8_lossy(magic).into_owned())
    }

    fn decode_copy(bytes: &[u8]) -> Option<Self> {
        let block = bytes.first_chunk::<HEADER_BYTES>()?;
        let number = |at: usize| block[at..].first_chunk().map(|eight| u64::from_le_bytes(*eight));
        let crc = block[CRC_AT..]
            .first_chunk()
            .map(|four| u32::from_le_bytes(*four));
        let whole = block[..8] == MAGIC && crc == Some(crc32c::crc32c(&block[..CRC_AT]));
        if !whole {
            return None;
        }
        Some(Self {
            archive: number(8)?,
            id: number(16)?,
            number: number(24)?,
            first_sequence: number(32)?,
            first: Position::new(number(40)?),
            recovered_through: Position::new(number(48)?),
            previous_end: number(56)?,
            length: number(64)?,
            previous_crc: block[72..].first_chunk().map(|four| u32::from_le_bytes(*four))?,
        })
    }
}

/// What the files of the journal are called.
pub enum Named {
    /// Segment `number`.
    Segment(u64),
    /// The repair of a stretch that begins at a position.
    Repair(Position),
    /// A file filled with zeros and synced, for the segment after the newest.
    Next,
    /// A file filled with zeros and synced, for recovery alone.
    Spare,
    /// A file that is still being filled; worth nothing.
    Filling,
}

impl Named {
    /// The file's name.
    pub fn file(&self) -> String {
        match self {
            Self::Segment(number) => format!("{number:08}.segment"),
            Self::Repair(position) => format!("repair-{position}.segment"),
            Self::Next => "next.zeros".into(),
            Self::Spare => "spare.zeros".into(),
            Self::Filling => "filling.zeros".into(),
        }
    }

    /// What a file with this name is; `None` for a name that the journal does not give.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "next.zeros" => Some(Self::Next),
            "spare.zeros" => Some(Self::Spare),
            "filling.zeros" => Some(Self::Filling),
            _ => {
                let stem = name.strip_suffix(".segment")?;
                match stem.strip_prefix("repair-") {
                    Some(position) => position.parse().ok().map(Self::Repair),
                    None => stem.parse().ok().map(Self::Segment),
                }
            }
        }
    }
}

/// The bytes written at once while a file is filled with zeros.
pub const FILL_STEP_BYTES: usize = 256 << 10;
/// Zeros are synced each time so many have been written: one sync of a whole segment would hold up commits, which wait
/// for the same disk, for as long as it takes.
const FILL_SYNC_BYTES: u64 = 2 << 20;

/// A file being filled with zeros, in steps that the caller paces.
pub struct Filling {
    file: Arc<dyn DiskFile>,
    length: u64,
    filled: u64,
}

impl Filling {
    /// Begins a file in `folder`; what was left of an earlier one is removed.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(disk: &dyn Disk, folder: &Path, length: u64) -> io::Result<Self> {
        let path = folder.join(Named::Filling.file());
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            file: disk.create(&path)?,
            length,
            filled: 0,
        })
    }

    /// The bytes filled so far.
    pub fn filled(&self) -> u64 {
        self.filled
    }

    /// Fills one step; answers whether the file is whole.
    ///
    /// # Errors
    /// What the system says, a full disk above all.
    pub fn step(&mut self) -> io::Result<bool> {
        static ZEROS: [u8; FILL_STEP_BYTES] = [0; FILL_STEP_BYTES];
        let left = usize::try_from(self.length - self.filled).unwrap_or(usize::MAX);
        let step = left.min(FILL_STEP_BYTES);
        if step > 0 {
            self.file.write_all_at(&ZEROS[..step], self.filled)?;
            self.filled += step as u64;
        }
        if self.filled.is_multiple_of(FILL_SYNC_BYTES) {
            self.file.sync_data()?;
        }
        Ok(self.filled == self.length)
    }

    /// Syncs the whole file and gives it its name.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(self, disk: &dyn Disk, folder: &Path, name: &Named) -> io::Result<PathBuf> {
        self.file.sync_data()?;
        let path = folder.join(name.file());
        disk.rename(&folder.join(Named::Filling.file()), &path)?;
        disk.sync_folder(folder)?;
        Ok(path)
    }

    /// Fills and names a file at once: for start, where nothing else is going on.
    ///
    /// # Errors
    /// What the system says, a full disk above all.
    pub fn whole(disk: &dyn Disk, folder: &Path, length: u64, name: &Named) -> io::Result<PathBuf> {
        let mut filling = Self::begin(disk, folder, length)?;
        loop {
            match filling.step() {
                Ok(true) => return filling.finish(disk, folder, name),
                Ok(false) => {}
                Err(error) => {
                    Self::abandon(disk, folder);
                    return Err(error);
                }
            }
        }
    }

    /// Removes what could not be filled, so that a full disk is not the fuller for it.
    pub fn abandon(disk: &dyn Disk, folder: &Path) {
        // It is removed at the next beginning where that fails now.
        let _ = disk.remove(&folder.join(Named::Filling.file()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_unless_both_copies_are_damaged() {
        let header = SegmentHeader {
            archive: 9,
            id: 1,
            number: 2,
            first_sequence: 3,
            first: Position::new(4),
            recovered_through: Position::new(5),
            previous_end: 6,
            length: 8,
            previous_crc: 7,
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(SegmentHeader::decode(&damaged), Some(header), "byte {at}");
            damaged[at ^ COPY_AT] ^= 1;
            let both = at % COPY_AT < HEADER_BYTES;
            assert_eq!(SegmentHeader::decode(&damaged).is_none(), both, "byte {at}");
        }
    }

    #[test]
    fn a_header_of_another_format_is_named_and_damage_is_not_taken_for_one() {
        let mut bytes = vec![0; FRAMES_AT as usize];
        bytes[..8].copy_from_slice(b"CHJRNL02");
        assert_eq!(SegmentHeader::other_format(&bytes), None);
        bytes[COPY_AT..COPY_AT + 8].copy_from_slice(b"CHJRNL02");
        assert_eq!(SegmentHeader::other_format(&bytes).as_deref(), Some("CHJRNL02"));
    }

    #[test]
    fn names_round_trip() {
        for named in [
            Named::Segment(12),
            Named::Repair(Position::new(99)),
            Named::Next,
            Named::Spare,
        ] {
            assert_eq!(Named::of(&named.file()).unwrap().file(), named.file());
        }
        assert!(Named::of("readme.txt").is_none());
    }
}

//! A few byte strings compressed together, and the table that says where.
//!
//! | row of a table | size | field |
//! |---|---|---|
//! | 0 | 4 | bytes in the file |
//! | 4 | 4 | bytes when unpacked; the same number where they are not compressed |
//! | 8 | 4 | CRC32C of the bytes in the file |
//!
//! Unpacked, a frame is its strings one behind the other, then their lengths by bytes: first the lowest byte of each, then
//! the second of each, and in a frame of 64 KiB or more the third and the fourth ([`Format::planes`]). Lengths last, so that the
//! strings of frames unpacked one behind the other lie without a gap; by bytes, because all but the lowest are mostly the same.

use super::ahead::Stretch;
use super::layout::{Format, HEADER_BYTES, Header};
use super::lz4::Encoder;
use super::{ChunkError, Source, dictionary};
use crate::record::Position;
use crate::store::frame::u32_at;
use std::ops::Range;

/// More of one buffer is not kept for the next one who reads.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// The bytes of a row.
pub const ROW_BYTES: usize = 12;

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Bytes in the file.
    pub packed: u32,
    /// Bytes when unpacked.
    pub raw: u32,
    /// CRC32C of the bytes in the file.
    pub crc: u32,
}

impl Row {
    /// The row's bytes.
    pub fn encode(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..4].copy_from_slice(&self.packed.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.raw.to_le_bytes());
        bytes[8..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            packed: u32_at(bytes, 0),
            raw: u32_at(bytes, 4),
            crc: u32_at(bytes, 8),
        }
    }
}

/// The bytes of a frame of this format before it is compressed.
///
/// # Errors
/// A string of 4 GiB or more, which no record has.
pub fn lay_out<'a>(
    strings: impl Iterator<Item = &'a [u8]>,
    format: Format,
    raw: &mut Vec<u8>,
) -> std::io::Result<()> {
    raw.clear();
    let mut lengths = Vec::new();
    for string in strings {
        raw.extend_from_slice(string);
        lengths.push(u32::try_from(string.len()).map_err(std::io::Error::other)?);
    }
    let with_two = raw.len() + 2 * lengths.len();
    for plane in 0..format.planes(with_two) {
        raw.extend(lengths.iter().map(|length| length.to_le_bytes()[plane]));
    }
    Ok(())
}

/// Compresses a frame as [`lay_out`] made it; where that saves nothing it stays as it is.
///
/// # Errors
/// What the compressor says; a frame of 4 GiB or more.
pub fn pack(raw: &[u8], dictionary: u32, encoder: &mut Encoder) -> std::io::Result<(Row, Vec<u8>)> {
    let packed = dictionary::pack(dictionary, raw, encoder).map_err(std::io::Error::other)?;
    let bytes = if packed.len() < raw.len() {
        packed
    } else {
        raw.to_vec()
    };
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(std::io::Error::other);
    let row = Row {
        packed: length(&bytes)?,
        raw: length(raw)?,
        crc: crc32c::crc32c(&bytes),
    };
    Ok((row, bytes))
}

/// The frame that was read last, and the memory that the next one is read into.
#[derive(Default)]
pub struct LastFrame {
    frame: Option<usize>,
    /// What was read ahead.
    ahead: Stretch,
    packed: Vec<u8>,
    raw: Vec<u8>,
    lengths: Vec<u32>,
}

impl LastFrame {
    /// Holds nothing from now on, and keeps its memory unless that is much.
    pub fn forget(&mut self) {
        self.frame = None;
        self.ahead.forget();
        for bytes in [&mut self.packed, &mut self.raw] {
            if bytes.capacity() > KEPT_BYTES_MAX {
                *bytes = Vec::new();
            }
        }
    }
}

/// The frames of one file.
pub struct Frames {
    rows: Vec<Row>,
    /// Where each frame begins, and where the last one ends.
    offsets: Vec<u64>,
    format: Format,
    dictionary: u32,
    /// How many strings a frame has.
    strings: u32,
}

impl Frames {
    /// The table of the frames of a file, which begin behind its header.
    pub fn new(table: &[u8], header: &Header) -> Self {
        let begin = HEADER_BYTES as u64;
        let rows: Vec<Row> = table.chunks_exact(ROW_BYTES).map(Row::decode).collect();
        let mut end = begin;
        let offsets = std::iter::once(begin)
            .chain(rows.iter().map(|row| {
                end += u64::from(row.packed);
                end
            }))
            .collect();
        Self {
            rows,
            offsets,
            format: header.format,
            dictionary: header.dictionary,
            strings: header.format.frame(header.part),
        }
    }

    /// The dictionary that they are compressed with.
    pub fn dictionary(&self) -> u32 {
        self.dictionary
    }

    /// Where the last frame ends.
    pub fn end(&self) -> u64 {
        self.offsets.last().copied().unwrap_or_default()
    }

    /// The frames that hold the records of a range, by their places in the chunk.
    pub fn holding(&self, records: &Range<u32>) -> Range<usize> {
        (records.start / self.strings) as usize..records.end.div_ceil(self.strings) as usize
    }

    /// The records of a range of frames.
    pub fn records(&self, frames: &Range<usize>) -> Range<u32> {
        frames.start as u32 * self.strings..frames.end as u32 * self.strings
    }

    /// How many of the frames from `frames.start` on unpack to no more than `bytes`, at least one.
    pub fn within(&self, frames: Range<usize>, bytes: usize) -> Range<usize> {
        let mut left = bytes;
        let fits = |row: &&Row| {
            let fits = left >= row.raw as usize;
            left = left.saturating_sub(row.raw as usize);
            fits
        };
        let count = self.rows[frames.clone()].iter().take_while(fits).count();
        frames.start..frames.start + count.max(1).min(frames.len())
    }

    /// The bytes that the frames of a range unpack to.
    pub fn raw_bytes(&self, frames: &Range<usize>) -> usize {
        self.rows[frames.clone()].iter().map(|row| row.raw as usize).sum()
    }

    /// Reads and unpacks frames; tells `take` of each string, with its place in the chunk.
    ///
    /// # Errors
    /// [`ChunkError`] naming the first record of the frame that is damaged.
    pub fn read(
        &self,
        source: &Source,
        frames: Range<usize>,
        mut take: impl FnMut(u32, &[u8]),
    ) -> Result<(), ChunkError> {
        let mut raw = Vec::new();
        let mut lengths = Vec::new();
        self.unpack(source, frames, |at, packed, row| {
            raw.clear();
            lengths.clear();
            self.unpack_one(source, at, packed, row, &mut raw, &mut lengths)?;
            let mut begin = 0;
            for (string, length) in lengths.iter().enumerate() {
                let end = begin + *length as usize;
                take(at as u32 * self.strings + string as u32, &raw[begin..end]);
                begin = end;
            }
            Ok(())
        })
    }

    /// Reads frames without unpacking them; tells `take` of each, as it lies in the file, with its row.
    ///
    /// # Errors
    /// As [`Frames::read`].
    pub fn read_packed(
        &self,
        source: &Source,
        mut take: impl FnMut(usize, &[u8], &Row) -> Result<(), ChunkError>,
    ) -> Result<(), ChunkError> {
        self.unpack(source, 0..self.rows.len(), |at, packed, row| {
            take(at, packed, row)
        })
    }

    /// The string at a place. Its frame is read and unpacked unless it is the last one that was.
    ///
    /// # Errors
    /// As [`Frames::read`].
    pub fn string<'l>(
        &self,
        source: &Source,
        at: u32,
        last: &'l mut LastFrame,
    ) -> Result<&'l [u8], ChunkError> {
        let frame = (at / self.strings) as usize;
        if last.frame != Some(frame) {
            last.frame = None;
            let row = &self.rows[frame];
            let (offset, length) = (self.offsets[frame], row.packed as usize);
            let packed = match last.ahead.get(offset, length) {
                Some(packed) => packed,
                None => {
                    last.packed.resize(length, 0);
                    source.read_into(&mut last.packed, offset, self.position(source, frame))?;
                    &last.packed
                }
            };
            last.lengths.clear();
            // What lies there from the frame before is written over.
            last.raw.resize(row.raw as usize, 0);
            self.unpack_into(source, frame, packed, row, &mut last.raw, &mut last.lengths)?;
            last.frame = Some(frame);
        }
        let within = (at % self.strings) as usize;
        let begin: u32 = last.lengths[..within].iter().sum();
        let end = begin + last.lengths[within];
        Ok(&last.raw[begin as usize..end as usize])
    }

    /// Reads the frames that hold the records of a range at once, without unpacking them, where they are not too many bytes.
    pub fn read_ahead(&self, source: &Source, records: &Range<u32>, last: &mut LastFrame) {
        let frames = self.holding(records);
        let (begin, end) = (self.offsets[frames.start], self.offsets[frames.end]);
        last.ahead
            .read(source, begin..end, self.position(source, frames.start));
    }

    /// Reads and unpacks frames one behind the other into `raw`, and adds the length of each string to `lengths`.
    ///
    /// # Errors
    /// As [`Frames::read`].
    pub fn read_joined(
        &self,
        source: &Source,
        frames: Range<usize>,
        raw: &mut Vec<u8>,
        lengths: &mut Vec<u32>,
    ) -> Result<(), ChunkError> {
        self.unpack(source, frames, |at, packed, row| {
            self.unpack_one(source, at, packed, row, raw, lengths)
        })
    }

    /// Reads frames, a stretch of the file at a time.
    fn unpack(
        &self,
        source: &Source,
        frames: Range<usize>,
        mut each: impl FnMut(usize, &[u8], &Row) -> Result<(), ChunkError>,
    ) -> Result<(), ChunkError> {
        /// The bytes read at once.
        const STRETCH: u64 = 256 << 10;
        let mut packed = Vec::new();
        let mut next = frames.start;
        while next < frames.end {
            let begin = self.offsets[next];
            let more = self.offsets[next + 1..=frames.end]
                .iter()
                .take_while(|end| **end - begin <= STRETCH);
            let stretch = next..next + more.count().max(1);
            let length = usize::try_from(self.offsets[stretch.end] - begin).unwrap_or(usize::MAX);
            packed.resize(length, 0);
            source.read_into(&mut packed, begin, self.position(source, next))?;
            let mut rest = &packed[..];
            for at in stretch.clone() {
                let row = &self.rows[at];
                let (one, behind) = rest.split_at(row.packed as usize);
                rest = behind;
                each(at, one, row)?;
            }
            next = stretch.end;
        }
        Ok(())
    }

    fn unpack_one(
        &self,
        source: &Source,
        at: usize,
        packed: &[u8],
        row: &Row,
        raw: &mut Vec<u8>,
        lengths: &mut Vec<u32>,
    ) -> Result<(), ChunkError> {
        let begin = raw.len();
        raw.resize(begin + row.raw as usize, 0);
        let length = self.unpack_into(source, at, packed, row, &mut raw[begin..], lengths)?;
        raw.truncate(begin + length);
        Ok(())
    }

    /// Unpacks a frame into `raw`, which has as many bytes as it has then; adds the length of each string to `lengths`, and
    /// answers that of all of them.
    fn unpack_into(
        &self,
        source: &Source,
        at: usize,
        packed: &[u8],
        row: &Row,
        raw: &mut [u8],
        lengths: &mut Vec<u32>,
    ) -> Result<usize, ChunkError> {
        let damaged =
            |problem: String| source.damaged(format!("frame {at}"), problem, self.position(source, at));
        let crc = crc32c::crc32c(packed);
        if crc != row.crc {
            return Err(damaged(format!(
                "its CRC is {crc:08x}, the table has {:08x}",
                row.crc
            )));
        }
        if row.packed == row.raw {
            raw.copy_from_slice(packed);
        } else {
            dictionary::unpack(self.dictionary, packed, raw).map_err(damaged)?;
        }
        let strings = self.strings as usize;
        let count = self.format.planes(raw.len());
        let Some(strings_end) = raw.len().checked_sub(count * strings) else {
            return Err(damaged(format!("it has no lengths of {strings} strings")));
        };
        let planes = &raw[strings_end..];
        let byte = |at: usize, plane: usize| planes.get(plane * strings + at).copied().unwrap_or(0);
        let length = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|plane| byte(at, plane)));
        let before = lengths.len();
        lengths.extend((0..strings).map(length));
        let total: u64 = lengths[before..].iter().map(|length| u64::from(*length)).sum();
        if total != strings_end as u64 {
            return Err(damaged("the lengths of its strings do not fit".to_owned()));
        }
        Ok(strings_end)
    }

    fn position(&self, source: &Source, frame: usize) -> Position {
        source.position(frame as u32 * self.strings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader knows from a frame's size alone how its lengths are written.
    #[test]
    fn lengths_take_two_bytes_until_a_frame_is_too_large_for_them() {
        for (longest, planes) in [(65_527, 2), (65_528, 4)] {
            let strings = [vec![b'a'; longest - 5], vec![b'b'; 2], Vec::new(), vec![b'c'; 3]];
            for (format, planes) in [(Format::Second, planes), (Format::First, 4)] {
                let mut raw = Vec::new();
                lay_out(strings.iter().map(Vec::as_slice), format, &mut raw).unwrap();
                assert_eq!(raw.len(), longest + planes * strings.len());
                assert_eq!(format.planes(raw.len()), planes);
            }
        }
    }
}

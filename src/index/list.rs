//! The numbers of a key's documents: ascending, each once.
//!
//! In memory and in files alike they are gaps: the first number, then of each further one how many numbers lie between it and
//! the one before, in LEB128 varints. Where a key has so many that a bitmap is smaller, a file has a Roaring bitmap instead, in
//! the portable format of the [Roaring specification](https://github.com/RoaringBitmap/RoaringFormatSpec).

use roaring::RoaringBitmap;
use std::io;

/// Shorter lists are never tried as a bitmap.
const BITMAP_BYTES_MIN: usize = 256;

/// Longer lists become a set bit by bit.
const MARKED_MIN: u32 = 1 << 10;

/// Numbers as they are gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    pub count: u32,
    last: u32,
    pub bytes: Vec<u8>,
}

impl Gaps {
    /// Adds a number that is not below the last one; the same again changes nothing.
    pub fn push(&mut self, number: u32) {
        if self.count > 0 && number == self.last {
            return;
        }
        let gap = if self.count == 0 {
            number
        } else {
            debug_assert!(number > self.last, "numbers ascend");
            number - self.last - 1
        };
        put(&mut self.bytes, gap.into());
        self.count += 1;
        self.last = number;
    }

    /// Puts the numbers at the end of a vector.
    pub fn append_to(&self, to: &mut Vec<u32>) {
        // It was made by `push`, so that it can be read.
        let read = read_gaps(&self.bytes, self.count, to);
        debug_assert!(read.is_ok());
    }
}

impl FromIterator<u32> for Gaps {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut gaps = Self::default();
        numbers.into_iter().for_each(|number| gaps.push(number));
        gaps
    }
}

/// How a list lies in a file. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Form {
    /// Gaps beside the key.
    Inline = 0,
    /// Gaps elsewhere in the file.
    Gaps = 1,
    /// A bitmap elsewhere in the file.
    Bitmap = 2,
}

impl Form {
    pub fn of(number: u64) -> io::Result<Self> {
        match number {
            0 => Ok(Self::Inline),
            1 => Ok(Self::Gaps),
            2 => Ok(Self::Bitmap),
            _ => Err(damaged("a list is of a form that is not known")),
        }
    }
}

/// The smaller of both forms that a longer list may have.
pub(super) fn encode(numbers: &[u32], gaps: Gaps) -> io::Result<(Form, Vec<u8>)> {
    if gaps.bytes.len() >= BITMAP_BYTES_MIN {
        let mut bitmap = bitmap(numbers.iter().copied())?;
        bitmap.optimize();
        if bitmap.serialized_size() < gaps.bytes.len() {
            let mut bytes = Vec::with_capacity(bitmap.serialized_size());
            bitmap.serialize_into(&mut bytes)?;
            return Ok((Form::Bitmap, bytes));
        }
    }
    Ok((Form::Gaps, gaps.bytes))
}

/// Puts a list's numbers at the end of a vector.
pub(super) fn read(form: Form, bytes: &[u8], count: u32, to: &mut Vec<u32>) -> io::Result<()> {
    match form {
        Form::Inline | Form::Gaps => read_gaps(bytes, count, to),
        Form::Bitmap => {
            to.extend(RoaringBitmap::deserialize_from(bytes)?);
            Ok(())
        }
    }
}

/// A list as a set.
pub(super) fn set(form: Form, bytes: &[u8], count: u32) -> io::Result<RoaringBitmap> {
    match form {
        Form::Inline | Form::Gaps if count >= MARKED_MIN => {
            let mut marks = Vec::new();
            each_of_gaps(bytes, count, |number| mark(&mut marks, number))?;
            Ok(RoaringBitmap::from_lsb0_bytes(0, &marks))
        }
        Form::Inline | Form::Gaps => {
            let mut numbers = Vec::with_capacity(bytes.len().min(count as usize));
            read_gaps(bytes, count, &mut numbers)?;
            bitmap(numbers)
        }
        Form::Bitmap => RoaringBitmap::deserialize_from(bytes),
    }
}

pub(super) fn bitmap(numbers: impl IntoIterator<Item = u32>) -> io::Result<RoaringBitmap> {
    RoaringBitmap::from_sorted_iter(numbers).map_err(|_| damaged("a list is not in order"))
}

fn read_gaps(bytes: &[u8], count: u32, to: &mut Vec<u32>) -> io::Result<()> {
    // No more than there may be: each takes a byte.
    to.reserve(bytes.len().min(count as usize));
    each_of_gaps(bytes, count, |number| to.push(number))
}

#[inline]
fn each_of_gaps(mut bytes: &[u8], count: u32, mut take_one: impl FnMut(u32)) -> io::Result<()> {
    let mut next = 0_u64;
    for _ in 0..count {
        let gap = match bytes {
            // Most of them are short.
            [one, rest @ ..] if *one < 0x80 => {
                bytes = rest;
                u64::from(*one)
            }
            _ => take(&mut bytes)?,
        };
        let number = next.saturating_add(gap);
        take_one(u32::try_from(number).map_err(|_| damaged("a list goes beyond its volume"))?);
        next = number + 1;
    }
    Ok(())
}

/// Sets the bit of a number.
#[inline]
pub(super) fn mark(marks: &mut Vec<u8>, number: u32) {
    let at = number as usize / 8;
    if at >= marks.len() {
        // By more than is needed: the next ones are above it.
        marks.resize((at + 1).next_multiple_of(1 << 13), 0);
    }
    marks[at] |= 1 << (number % 8);
}

/// Writes a number, seven bits a byte, the lowest first.
pub(super) fn put(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Reads a number that [`put`] wrote.
#[inline]
pub(super) fn take(bytes: &mut &[u8]) -> io::Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let Some((byte, rest)) = bytes.split_first() else {
            break;
        };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok(number);
        }
    }
    Err(damaged("a number has no end"))
}

pub(super) fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

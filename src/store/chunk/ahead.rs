//! A stretch of a file, read at once because several things that are wanted lie in it.
//!
//! A read costs about as much as the copy of some kilobytes. Where records lie close together what is between them is read too, and
//! not looked at.

use super::Source;
use crate::record::Position;
use std::ops::Range;

/// Longer stretches are not read: what is not wanted would be most of them.
const BYTES_MAX: u64 = 512 << 10;

/// Bytes of a file as they lie there, unchecked.
#[derive(Default)]
pub struct Stretch {
    begin: u64,
    /// How many of the bytes are of the file.
    length: usize,
    /// Never made shorter, so that no byte is written twice.
    bytes: Vec<u8>,
}

impl Stretch {
    /// Reads a range of the file in the place of what was read before; `position` is the first record that it is of. Nothing is held
    /// where the range is too long, or where it cannot be read: what is wanted of it may be readable all the same.
    pub fn read(&mut self, source: &Source, range: Range<u64>, position: Position) {
        let length = range.end.saturating_sub(range.start);
        if length > BYTES_MAX {
            self.forget();
            return;
        }
        self.begin = range.start;
        // The bound is far below what memory can address.
        self.length = length as usize;
        if self.bytes.len() < self.length {
            self.bytes.resize(self.length, 0);
        }
        let read = source.read_into(&mut self.bytes[..self.length], range.start, position);
        if read.is_err() {
            self.forget();
        }
    }

    /// Holds nothing from now on, and keeps its memory.
    pub fn forget(&mut self) {
        self.length = 0;
    }

    /// So many bytes from an offset of the file on; `None` where they were not read.
    pub fn get(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.begin)?).ok()?;
        self.bytes[..self.length].get(from..from.checked_add(length)?)
    }
}

//! Lines of bytes, one at a time and bounded.
//!
//! Knows line feeds, carriage returns before them, a byte order mark at the very start and a missing final line
//! feed. Never looks into a line, and never holds more than [`LINE_BYTES_MAX`] of it.

use std::io::{self, BufRead};

/// The most bytes that a line may have: 4 MiB. A longer one is a reject.
pub const LINE_BYTES_MAX: usize = 4 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads lines from an input.
pub(super) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    buffer: Vec<u8>,
    number: u64,
}

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its length without a line feed, where that is beyond [`LINE_BYTES_MAX`]; `bytes` then are only its start.
    pub too_long: Option<u64>,
    /// Its line feed had a carriage return before it.
    pub has_return: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// The next line that is not empty; `None` at the end.
    pub(super) fn next_filled(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let Some(length) = self.fill()? else {
                return Ok(None);
            };
            if !self.content().is_empty() {
                return Ok(Some(self.line(length)));
            }
        }
    }

    /// The next line, empty or not; `None` at the end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        let length = self.fill()?;
        Ok(length.map(|length| self.line(length)))
    }

    fn line(&self, length: u64) -> Line<'_> {
        Line {
            number: self.number,
            bytes: self.content(),
            too_long: (length > LINE_BYTES_MAX as u64).then_some(length),
            has_return: self.buffer.ends_with(b"\r"),
        }
    }

    /// Reads one line into the buffer and says how long it was without its line feed; `None` at the end.
    fn fill(&mut self) -> io::Result<Option<u64>> {
        self.buffer.clear();
        let mut length = 0;
        let mut ended = false;
        let mut met = false;
        while !ended {
            let chunk = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                break;
            }
            met = true;
            let feed = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..feed.unwrap_or(chunk.len())];
            let room = LINE_BYTES_MAX - self.buffer.len();
            self.buffer.extend_from_slice(&part[..part.len().min(room)]);
            length += part.len() as u64;
            let used = part.len() + usize::from(feed.is_some());
            self.input.consume(used);
            ended = feed.is_some();
        }
        self.number += u64::from(met);
        Ok(met.then_some(length))
    }

    fn content(&self) -> &[u8] {
        let line = match self.number {
            1 => without_mark(&self.buffer),
            _ => &self.buffer,
        };
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

/// The bytes after a byte order mark, where there is one.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &[(u64, &[u8])]) {
        // A buffer of two bytes shows that the cuts of the input do not matter.
        let mut input = io::BufReader::with_capacity(2, input);
        let mut lines = Lines::new(&mut input);
        for (number, bytes) in expected {
            let line = lines.next_filled().unwrap().unwrap();
            assert_eq!((line.number, line.bytes, line.too_long), (*number, *bytes, None));
        }
        assert_eq!(lines.next_filled().unwrap(), None);
    }

    #[test]
    fn a_line_has_neither_mark_nor_end() {
        check(b"\xEF\xBB\xBFa\tb\r\nc\n", &[(1, b"a\tb"), (2, b"c")]);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        check(b"a\nb", &[(1, b"a"), (2, b"b")]);
    }

    #[test]
    fn empty_lines_are_counted_and_left_out() {
        check(b"\n\r\na\n\n\nb\n\n", &[(3, b"a"), (6, b"b")]);
        check(b"", &[]);
    }

    #[test]
    fn a_mark_within_the_file_is_content() {
        check(b"a\n\xEF\xBB\xBFb", &[(1, b"a"), (2, b"\xEF\xBB\xBFb")]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_and_said_to_be() {
        let mut text = vec![b'x'; LINE_BYTES_MAX + 7];
        text.extend_from_slice(b"\nnext\n");
        let mut input = text.as_slice();
        let mut lines = Lines::new(&mut input);
        let long = lines.next_filled().unwrap().unwrap();
        assert_eq!(long.bytes.len(), LINE_BYTES_MAX);
        assert_eq!(long.too_long, Some(LINE_BYTES_MAX as u64 + 7));
        assert_eq!(lines.next_filled().unwrap().unwrap().bytes, b"next");
    }
}

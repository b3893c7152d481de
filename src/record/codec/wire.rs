//! The protobuf wire format, read in place: tags, varints and lengths.
//!
//! Serves the check of payloads, the JSON form and sameness. Knows no message and no field, allocates nothing,
//! and never reads beyond the bytes it was given.

use std::ops::Range;

/// How a value lies on the wire (the low three bits of a tag).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    /// A varint: numbers and enums.
    Varint,
    /// Eight bytes; no field of a record uses it.
    Fixed64,
    /// A length and so many bytes: texts, bytes, messages, packed numbers.
    Length,
    /// A group, which the archive refuses.
    Group,
    /// Four bytes; no field of a record uses it.
    Fixed32,
    /// Six or seven, which protobuf has not defined.
    Undefined,
}

impl WireType {
    fn of(tag: u64) -> Self {
        match tag & 7 {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Length,
            3 | 4 => Self::Group,
            5 => Self::Fixed32,
            _ => Self::Undefined,
        }
    }

    /// The name that protobuf's documentation gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Varint => "VARINT",
            Self::Fixed64 => "I64",
            Self::Length => "LEN",
            Self::Group => "GROUP",
            Self::Fixed32 => "I32",
            Self::Undefined => "undefined",
        }
    }
}

/// What is wrong with bytes before any field is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They end inside a tag, a number or a value.
    #[error("the bytes end inside a value; send the message whole")]
    Truncated,
    /// A varint has more than 64 bits.
    #[error("a number has more than 64 bits; protobuf numbers have at most ten bytes")]
    Overlong,
}

/// Reads one message from its start.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether every byte was read.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// How many bytes were read.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next field's number and wire type.
    #[inline]
    pub fn tag(&mut self) -> Result<(u64, WireType), WireError> {
        let tag = self.varint()?;
        Ok((tag >> 3, WireType::of(tag)))
    }

    /// The next varint.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            Some(_) => self.long_varint(),
            None => Err(WireError::Truncated),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for place in 0..10 {
            let byte = *self.bytes.get(self.at).ok_or(WireError::Truncated)?;
            self.at += 1;
            if place == 9 && byte > 1 {
                return Err(WireError::Overlong);
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Overlong)
    }

    /// The bytes of the next length-delimited value.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        self.range().map(|range| &self.bytes[range])
    }

    /// Where the next length-delimited value lies.
    #[inline]
    pub fn range(&mut self) -> Result<Range<usize>, WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        let start = self.at;
        let end = start.checked_add(length).ok_or(WireError::Truncated)?;
        if end > self.bytes.len() {
            return Err(WireError::Truncated);
        }
        self.at = end;
        Ok(start..end)
    }

    /// The bytes of a range that [`Reader::range`] answered.
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> &'a [u8] {
        &self.bytes[range]
    }

    /// The next field with its value; `None` at the end. Wire types that no record uses end the reading.
    pub fn field(&mut self) -> Option<(u64, Value<'a>)> {
        if self.is_done() {
            return None;
        }
        let (number, wire) = self.tag().ok()?;
        let value = match wire {
            WireType::Varint => Value::Number(self.varint().ok()?),
            WireType::Length => Value::Bytes(self.bytes().ok()?),
            _ => return None,
        };
        Some((number, value))
    }
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Of a varint.
    Number(u64),
    /// Of a length-delimited field.
    Bytes(&'a [u8]),
}

/// The bytes of a field that a message has at most once, such as a payload's content.
pub fn only_message(message: &[u8], field: u32) -> Option<&[u8]> {
    let mut reader = Reader::new(message);
    while let Some((number, value)) = reader.field() {
        if let (true, Value::Bytes(bytes)) = (number == u64::from(field), value) {
            return Some(bytes);
        }
    }
    None
}

/// Appends a varint.
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field that holds a number.
pub fn put_number(field: u32, value: u64, out: &mut Vec<u8>) {
    put_varint(u64::from(field) << 3, out);
    put_varint(value, out);
}

/// Appends a field that holds bytes, a text or a message.
pub fn put_bytes(field: u32, value: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(field) << 3 | 2, out);
    put_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

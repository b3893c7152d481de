//! Decoding only what is asked of a content.
//!
//! A filter on countries needs participants and places, not the body, the raw row or sixty extra columns. The
//! wanted fields are copied together, still encoded, and decoded as a content of their own; the rest is
//! stepped over.

use super::{Content, DecodeError, decode_content, shape, wire};
use prost::Message as _;
use std::cell::Cell;

/// A set of fields of `Content`, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts(u32);

impl Parts {
    /// No field.
    pub const NONE: Self = Self(0);
    /// Every field.
    pub const ALL: Self = Self(u32::MAX);

    /// The field of that number, 1 to 31.
    pub const fn field(number: u32) -> Self {
        Self(1 << number)
    }

    /// The fields of these numbers, 1 to 31.
    pub const fn fields(numbers: &[u32]) -> Self {
        let mut parts = Self::NONE;
        let mut at = 0;
        while at < numbers.len() {
            parts = parts.and(Self::field(numbers[at]));
            at += 1;
        }
        parts
    }

    /// The fields of both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every field of `other` is in it.
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn has(self, number: u64) -> bool {
        number < 32 && self.0 & (1 << number) != 0
    }
}

/// Decodes `wanted` fields of a payload's content; the others are as if absent. `None` where it has no
/// content.
///
/// # Errors
/// Where the bytes are not a payload at all.
pub fn decode_parts(payload: &[u8], wanted: Parts) -> Result<Option<Content>, DecodeError> {
    if wanted == Parts::ALL {
        return decode_content(payload);
    }
    let Some(content) = wire::only_message(payload, shape::PAYLOAD_CONTENT) else {
        return Ok(None);
    };
    thread_local! {
        static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let mut buffer = BUFFER.take();
    buffer.clear();
    copy_fields(content, wanted, &mut buffer);
    let decoded = Content::decode(&*buffer).map_err(|source| DecodeError {
        message: "content",
        source,
    });
    BUFFER.set(buffer);
    decoded.map(Some)
}

fn copy_fields(content: &[u8], wanted: Parts, out: &mut Vec<u8>) {
    let mut reader = wire::Reader::new(content);
    let mut start = 0;
    while let Some((number, _)) = reader.field() {
        let end = reader.position();
        if wanted.has(number) {
            out.extend_from_slice(&content[start..end]);
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::codec::{Participant, encode_content};

    #[test]
    fn only_the_wanted_fields_are_decoded() {
        let one = Participant {
            name: "Iran".into(),
            ..Default::default()
        };
        let content = Content {
            title: "t".into(),
            body: "b".into(),
            participants: vec![one],
            ..Default::default()
        };
        let payload = encode_content(content.clone());
        let found = decode_parts(&payload, Parts::field(1).and(Parts::field(7)))
            .unwrap()
            .unwrap();
        assert_eq!(
            found,
            Content {
                body: String::new(),
                ..content.clone()
            }
        );
        assert_eq!(decode_parts(&payload, Parts::ALL).unwrap(), Some(content));
        assert_eq!(
            decode_parts(&payload, Parts::NONE).unwrap(),
            Some(Content::default())
        );
        assert_eq!(decode_parts(b"", Parts::ALL).unwrap(), None);
    }
}

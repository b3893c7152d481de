//! What matched: the records of a batch as an alert's session hands them over, and what is told of each.
//!
//! A session hands over encoded messages, so that those who follow the same share them. These never leave the process:
//! two positions, the resume token, then each record as position (8), change (1), erased (1), leaf and payload; lengths are 4
//! bytes, numbers big-endian.

use crate::log::ReadError;
use crate::record::json::{self, RecordView};
use crate::record::{Act, Hash, Leaf, Position, Revision, Status, leaf_hash};
use crate::view::{Change, Parts, Selection};
use bytes::{Buf, BufMut, Bytes, BytesMut, TryGetError};
use serde_json::Value;

/// A batch of a session.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The first position not looked at.
    pub through: Position,
    /// Where to resume behind it.
    pub token: Bytes,
    /// What matched, ascending.
    pub matches: Vec<Match>,
}

/// A record that matched, or brought its entry out of the filter.
#[derive(Clone, Debug)]
pub struct Match {
    /// Its position.
    pub position: Position,
    change: Change,
    erased: bool,
    leaf: Bytes,
    payload: Bytes,
}

/// What a command or a webhook is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The record's position.
    pub position: Position,
    /// The hash of its leaf, as its receipt has it: no other record has the same, wherever it stands.
    pub leaf_hash: Hash,
    /// Its series.
    pub series: String,
    /// Its key.
    pub key: String,
    /// What it does.
    pub act: Act,
    /// The revision after it.
    pub revision: Revision,
    /// How it moves its entry in or out of the filter.
    pub change: Change,
    /// The record with its change as one line of the JSON form, with the line's end.
    pub line: String,
}

/// Encodes a batch, for a hub.
pub fn encode(selection: &Selection, parts: Parts, token: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u64(selection.through.get());
    put(&mut out, token);
    selection.for_each(|record, change| {
        out.put_u64(record.position.get());
        out.put_u8(change_number(change));
        out.put_u8(record.erased.into());
        let sent = parts.sent(record, change);
        put(&mut out, if sent.leaf { record.leaf } else { &[] });
        put(&mut out, if sent.payload { record.payload } else { &[] });
    });
    out.freeze()
}

impl Batch {
    /// Reads a batch.
    ///
    /// # Errors
    /// Where the bytes are not those of [`encode`].
    pub fn decode(mut bytes: Bytes) -> Result<Self, TryGetError> {
        let through = Position::new(bytes.try_get_u64()?);
        let token = take(&mut bytes)?;
        let mut matches = Vec::new();
        while bytes.has_remaining() {
            matches.push(Match {
                position: Position::new(bytes.try_get_u64()?),
                change: change_numbered(bytes.try_get_u8()?),
                erased: bytes.try_get_u8()? != 0,
                leaf: take(&mut bytes)?,
                payload: take(&mut bytes)?,
            });
        }
        Ok(Self {
            through,
            token,
            matches,
        })
    }
}

impl Match {
    /// What is told of it.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] where its leaf is not one.
    pub fn told(&self) -> Result<Told, ReadError> {
        let leaf = Leaf::decode(&self.leaf).map_err(|error| ReadError::Damaged {
            position: self.position,
            expected: "a leaf".to_owned(),
            found: error.to_string(),
        })?;
        Ok(Told {
            position: self.position,
            leaf_hash: leaf_hash(&self.leaf),
            series: leaf.series.to_owned(),
            key: leaf.key.to_owned(),
            act: leaf.act,
            revision: leaf.revision,
            change: self.change,
            line: format!("{}\n", self.json(leaf)),
        })
    }

    fn json(&self, leaf: Leaf<'_>) -> Value {
        let view = RecordView {
            position: self.position,
            leaf,
            payload: (!self.erased).then_some(&self.payload),
            status: self.erased.then_some(Status::Erased),
            leaf_hash: None,
            derived: None,
        };
        json::with_change(json::record(&view), self.change.word())
    }
}

fn put(out: &mut BytesMut, bytes: &[u8]) {
    // A message has some MiB at most.
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

fn take(bytes: &mut Bytes) -> Result<Bytes, TryGetError> {
    let requested = bytes.try_get_u32()? as usize;
    let available = bytes.remaining();
    if requested > available {
        return Err(TryGetError { requested, available });
    }
    Ok(bytes.split_to(requested))
}

fn change_number(change: Change) -> u8 {
    match change {
        Change::Untold => 0,
        Change::Enters => 1,
        Change::Stays => 2,
        Change::Leaves => 3,
    }
}

fn change_numbered(number: u8) -> Change {
    match number {
        1 => Change::Enters,
        2 => Change::Stays,
        3 => Change::Leaves,
        _ => Change::Untold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Run, Slot};
    use crate::view::Picked;

    #[test]
    fn a_batch_is_read_back_and_a_cut_one_is_refused() {
        let slot = |end| Slot {
            leaf_end: end,
            payload_end: 2 * end,
            erased: end == 2,
        };
        let (leaves, payloads) = (Bytes::from_static(b"ab"), Bytes::from_static(b"cdef"));
        let run = Run::new(
            Position::new(7),
            [slot(1), slot(2)].into(),
            leaves,
            Bytes::new(),
            payloads,
        )
        .unwrap();
        let selection = Selection {
            runs: vec![run],
            picked: Picked::Some(vec![
                (Position::new(7), Change::Enters),
                (Position::new(8), Change::Leaves),
            ]),
            backward: false,
            first: Position::new(5),
            through: Position::new(9),
        };
        let bytes = encode(&selection, Parts::Both, b"token");
        let batch = Batch::decode(bytes.clone()).unwrap();
        assert_eq!(
            (batch.through, &batch.token[..]),
            (Position::new(9), &b"token"[..])
        );
        let all: Vec<_> = batch
            .matches
            .iter()
            .map(|one| {
                (
                    one.position.get(),
                    one.change,
                    one.erased,
                    &one.leaf[..],
                    &one.payload[..],
                )
            })
            .collect();
        assert_eq!(
            all,
            [
                (7, Change::Enters, false, &b"a"[..], &b"cd"[..]),
                (8, Change::Leaves, true, &b"b"[..], &b""[..]),
            ]
        );
        assert!(Batch::decode(bytes.slice(..bytes.len() - 1)).is_err());
        assert!(batch.matches[0].told().is_err(), "its leaf is none");
    }
}

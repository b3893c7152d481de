//! The leaf: what the Merkle tree commits to, as `Leaf` in `record.proto`.
//!
//! Written and read by hand, since every record passes here several times and a view that borrows costs no
//! allocation. The encoding is protobuf with ascending field numbers and without defaults; a property test holds it
//! to prost's. Hashes are always taken of stored bytes, never of a leaf encoded again.

use super::codec::RelationType;
use super::{Act, Epoch, Kind, Position, Recorded, Revision};
use bytes::BufMut;
use sha2::{Digest, Sha256};

/// The number of the leaf's format.
pub const FORMAT: u64 = 1;
/// The most bytes a leaf may have.
pub const LEAF_BYTES_MAX: usize = 4_096;
/// The bytes of a salt.
pub const SALT_BYTES: usize = 32;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// What the tree commits to. Borrows its texts from the stored bytes, or from the draft that it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// What happened.
    pub act: Act,
    /// The entry's kind.
    pub kind: Kind,
    /// The entry's series.
    pub series: &'a str,
    /// The entry's key.
    pub key: &'a str,
    /// The revision that the record makes, or leaves as it is.
    pub revision: Revision,
    /// The position of the entry's previous record.
    pub previous: Option<Position>,
    /// When the record was committed.
    pub recorded: Recorded,
    /// The batch it came in; 1 to 64 bytes.
    pub batch_id: &'a [u8],
    /// Its place among the records that the batch wrote.
    pub batch_index: u32,
    /// How many records the batch wrote.
    pub batch_count: u32,
    /// Who appended it.
    pub principal: &'a str,
    /// The reign under which it was written.
    pub epoch: Epoch,
    /// Why, as a code; empty where none was given.
    pub reason: &'a str,
    /// LINK and UNLINK: the relation.
    pub relation: Option<Link<'a>>,
    /// ERASE: the revisions that lose their content, half open.
    pub erased: Option<(Revision, Revision)>,
    /// The payload's length in bytes.
    pub payload_size: u64,
    /// SHA-256(salt ‖ payload).
    pub commitment: Hash,
}

/// A relation to another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link<'a> {
    /// What the relation is.
    pub relation: RelationType,
    /// The other entry's series.
    pub series: &'a str,
    /// The other entry's key.
    pub key: &'a str,
}

/// SHA-256(salt ‖ payload): what binds a payload to its leaf without telling anything about it.
pub fn commitment(salt: &[u8; SALT_BYTES], payload: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(salt)
        .chain_update(payload)
        .finalize()
        .into()
}

/// SHA-256(0x00 ‖ leaf), the hash of a leaf (RFC 6962, section 2.1).
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0u8])
        .chain_update(leaf)
        .finalize()
        .into()
}

/// Stored bytes that are no leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// The bytes end within a field, or a length runs past their end.
    #[error("leaf is cut within field {0}")]
    Cut(u32),
    /// A field that this format does not have, or with another wire type.
    #[error("leaf has no field {0} of that wire type")]
    Field(u64),
    /// A format that this program does not read.
    #[error("leaf format is {0}, this program reads format 1")]
    Format(u64),
    /// A field whose value is not allowed.
    #[error("leaf field {0} has a value that is not allowed")]
    Value(u32),
}

const VARINT: u32 = 0;
const BYTES: u32 = 2;

impl<'a> Leaf<'a> {
    /// Writes the leaf at the end of `out`.
    pub fn encode(&self, out: &mut impl BufMut) {
        put_varint_field(out, 1, FORMAT);
        put_varint_field(out, 2, self.act.number().unsigned_abs().into());
        put_varint_field(out, 3, self.kind.number().unsigned_abs().into());
        put_bytes_field(out, 4, self.series.as_bytes());
        put_bytes_field(out, 5, self.key.as_bytes());
        put_varint_field(out, 6, self.revision.get());
        if let Some(previous) = self.previous {
            put_varint(out, u64::from(7 << 3 | VARINT));
            put_varint(out, previous.get());
        }
        put_varint_field(out, 8, self.recorded.nanos().cast_unsigned());
        put_bytes_field(out, 9, self.batch_id);
        put_varint_field(out, 10, self.batch_index.into());
        put_varint_field(out, 11, self.batch_count.into());
        put_bytes_field(out, 12, self.principal.as_bytes());
        put_varint_field(out, 13, self.epoch.get());
        put_bytes_field(out, 14, self.reason.as_bytes());
        if let Some(link) = &self.relation {
            link.encode(out);
        }
        if let Some((from, to)) = self.erased {
            put_range(out, from, to);
        }
        put_varint_field(out, 17, self.payload_size);
        put_bytes_field(out, 18, &self.commitment);
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// [`LeafError`] where they are not a leaf of this format; which field is wrong, by its number.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, LeafError> {
        let mut leaf = Self::empty();
        let (mut act, mut kind, mut format) = (0, 0, 0);
        let mut fields = Fields { rest: bytes };
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Number(n)) => format = n,
                (2, Value::Number(n)) => act = n,
                (3, Value::Number(n)) => kind = n,
                (4, Value::Bytes(b)) => leaf.series = text(number, b)?,
                (5, Value::Bytes(b)) => leaf.key = text(number, b)?,
                (6, Value::Number(n)) => leaf.revision = Revision::new(n),
                (7, Value::Number(n)) => leaf.previous = Some(Position::new(n)),
                (8, Value::Number(n)) => leaf.recorded = Recorded::from_nanos(n.cast_signed()),
                (9, Value::Bytes(b)) => leaf.batch_id = b,
                (10, Value::Number(n)) => leaf.batch_index = small(number, n)?,
                (11, Value::Number(n)) => leaf.batch_count = small(number, n)?,
                (12, Value::Bytes(b)) => leaf.principal = text(number, b)?,
                (13, Value::Number(n)) => leaf.epoch = Epoch::new(n),
                (14, Value::Bytes(b)) => leaf.reason = text(number, b)?,
                (15, Value::Bytes(b)) => leaf.relation = Some(Link::decode(b)?),
                (16, Value::Bytes(b)) => leaf.erased = Some(range(b)?),
                (17, Value::Number(n)) => leaf.payload_size = n,
                (18, Value::Bytes(b)) => leaf.commitment = b.try_into().map_err(|_| LeafError::Value(18))?,
                _ => return Err(LeafError::Field(number.into())),
            }
        }
        if format != FORMAT {
            return Err(LeafError::Format(format));
        }
        leaf.act = i32::try_from(act)
            .ok()
            .and_then(Act::from_number)
            .ok_or(LeafError::Value(2))?;
        leaf.kind = i32::try_from(kind)
            .ok()
            .and_then(Kind::from_number)
            .ok_or(LeafError::Value(3))?;
        Ok(leaf)
    }

    fn empty() -> Self {
        Self {
            act: Act::Create,
            kind: Kind::Event,
            series: "",
            key: "",
            revision: Revision::default(),
            previous: None,
            recorded: Recorded::default(),
            batch_id: &[],
            batch_index: 0,
            batch_count: 0,
            principal: "",
            epoch: Epoch::default(),
            reason: "",
            relation: None,
            erased: None,
            payload_size: 0,
            commitment: [0; 32],
        }
    }
}

impl<'a> Link<'a> {
    fn encode(&self, out: &mut impl BufMut) {
        let number = u64::from((self.relation as i32).unsigned_abs());
        let length = varint_field_len(number) + bytes_field_len(self.series) + bytes_field_len(self.key);
        put_varint(out, u64::from(15 << 3 | BYTES));
        put_varint(out, length as u64);
        put_varint_field(out, 1, number);
        put_bytes_field(out, 2, self.series.as_bytes());
        put_bytes_field(out, 3, self.key.as_bytes());
    }

    fn decode(bytes: &'a [u8]) -> Result<Self, LeafError> {
        let mut link = Self {
            relation: RelationType::Unspecified,
            series: "",
            key: "",
        };
        let mut fields = Fields { rest: bytes };
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Number(n)) => {
                    let known = i32::try_from(n).ok().and_then(|n| RelationType::try_from(n).ok());
                    link.relation = known.ok_or(LeafError::Value(15))?;
                }
                (2, Value::Bytes(b)) => link.series = text(15, b)?,
                (3, Value::Bytes(b)) => link.key = text(15, b)?,
                _ => return Err(LeafError::Field(15)),
            }
        }
        Ok(link)
    }
}

fn put_range(out: &mut impl BufMut, from: Revision, to: Revision) {
    let length = varint_field_len(from.get()) + varint_field_len(to.get());
    put_varint(out, 16 << 3 | u64::from(BYTES));
    put_varint(out, length as u64);
    put_varint_field(out, 1, from.get());
    put_varint_field(out, 2, to.get());
}

fn range(bytes: &[u8]) -> Result<(Revision, Revision), LeafError> {
    let (mut from, mut to) = (0, 0);
    let mut fields = Fields { rest: bytes };
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Number(n)) => from = n,
            (2, Value::Number(n)) => to = n,
            _ => return Err(LeafError::Field(16)),
        }
    }
    Ok((Revision::new(from), Revision::new(to)))
}

/// Writes a number as a protobuf varint.
pub fn put_varint(out: &mut impl BufMut, mut number: u64) {
    while number >= 0x80 {
        out.put_u8((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

/// The bytes that [`put_varint`] writes.
pub const fn varint_len(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

fn put_varint_field(out: &mut impl BufMut, field: u32, number: u64) {
    if number != 0 {
        put_varint(out, u64::from(field << 3 | VARINT));
        put_varint(out, number);
    }
}

fn put_bytes_field(out: &mut impl BufMut, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_varint(out, u64::from(field << 3 | BYTES));
        put_varint(out, bytes.len() as u64);
        out.put_slice(bytes);
    }
}

const fn varint_field_len(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + varint_len(number) }
}

const fn bytes_field_len(text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        1 + varint_len(text.len() as u64) + text.len()
    }
}

fn text(field: u32, bytes: &[u8]) -> Result<&str, LeafError> {
    std::str::from_utf8(bytes).map_err(|_| LeafError::Value(field))
}

fn small(field: u32, number: u64) -> Result<u32, LeafError> {
    u32::try_from(number).map_err(|_| LeafError::Value(field))
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in the order in which they lie.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, LeafError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint(0)?;
        let number = u32::try_from(tag >> 3).map_err(|_| LeafError::Field(tag >> 3))?;
        let value = match tag as u32 & 7 {
            VARINT => Value::Number(self.varint(number)?),
            BYTES => {
                let length = usize::try_from(self.varint(number)?).map_err(|_| LeafError::Cut(number))?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(LeafError::Cut(number))?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            _ => return Err(LeafError::Field(number.into())),
        };
        Ok(Some((number, value)))
    }

    fn varint(&mut self, field: u32) -> Result<u64, LeafError> {
        let mut number = 0u64;
        for (at, byte) in self.rest.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at as u32);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(number);
            }
        }
        Err(LeafError::Cut(field))
    }
}

#[cfg(test)]
mod tests;

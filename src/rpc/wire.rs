//! Records written straight into the messages that carry them.
//!
//! The encoding is exactly prost's of [`proto::ReadResponse`], [`proto::SubscribeResponse`] and [`proto::SearchResponse`],
//! without a struct for each record, and with gRPC's prefix before it: a message is made once, of stored bytes, and handed by
//! reference to the connections of all who are sent it. A test holds it to prost's.

use super::{convert, proto};
use crate::log::Stored;
use crate::record::Position;
use crate::view::{Change, EntryAnswer, Parts, Selection};
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// What gRPC puts before each message: a byte that says it is not compressed, and its length, 4 bytes big-endian
/// (`Length-Prefixed-Message` of "gRPC over HTTP2").
const PREFIX: usize = 5;
/// Room before a message for the tag and length of what it will be wrapped in.
const HEAD: usize = 6;
/// The tag of `SubscribeResponse.batch`.
const TAG_BATCH: u8 = 2 << 3 | 2;

/// A `ReadResponse` of the selection.
pub fn read_response(selection: &Selection, parts: Parts, tail: Position) -> Bytes {
    let mut out = begin(PREFIX, capacity(selection, parts));
    put_records(&mut out, selection, parts);
    put_number(&mut out, 2, selection.through.get());
    put_number(&mut out, 3, tail.get());
    prefixed(out, 0)
}

/// A `GetHistoryResponse` of the selection.
pub fn history_response(selection: &Selection, parts: Parts) -> Bytes {
    let mut out = begin(PREFIX, capacity(selection, parts));
    put_records(&mut out, selection, parts);
    prefixed(out, 0)
}

/// A `SubscribeResponse` with the selection as its batch.
pub fn batch(selection: &Selection, parts: Parts, resume_token: &[u8]) -> Bytes {
    let mut out = begin(
        PREFIX + HEAD,
        capacity(selection, parts) + resume_token.len() + 32,
    );
    put_records(&mut out, selection, parts);
    put_number(&mut out, 2, selection.first.get());
    put_number(&mut out, 3, selection.through.get());
    put_bytes(&mut out, 4, resume_token);
    wrap(out, TAG_BATCH)
}

/// A `SearchResponse` of entries that [`put_found`] has written, and of what it says beside them.
pub fn search_response(entries: &[Vec<u8>], beside: &proto::SearchResponse) -> Bytes {
    let bytes: usize = entries.iter().map(Vec::len).sum();
    let mut out = begin(PREFIX, bytes + beside.encoded_len());
    entries.iter().for_each(|some| out.put_slice(some));
    // A BytesMut grows: there is always room.
    let _ = beside.encode(&mut out);
    prefixed(out, 0)
}

/// Adds an entry to those that were found, as `SearchResponse.entries` has it.
pub fn put_found(out: &mut Vec<u8>, answer: &EntryAnswer, with_derived: bool) {
    let beside = convert::beside_record(answer, with_derived);
    let mut length = beside.encoded_len();
    let record = answer.record();
    let record = record.map(|record| {
        let numbers = number_len(record.position.get()) + number_len(record.erased.into());
        let own = numbers + present_len(record.leaf) + present_len(record.payload);
        length += field_len(own);
        (record, own)
    });
    let mut head = Head::default();
    head.before(1, length);
    if let Some((record, own)) = record {
        head.before(1, own);
        head.number(1, record.position.get());
        head.part(2, record.leaf, out);
        head.part(3, record.payload, out);
        head.number(6, record.erased.into());
    }
    head.put(out, &[]);
    // A Vec grows: there is always room.
    let _ = beside.encode(out);
}

/// A message that prost encodes, with its prefix.
pub fn message(message: &impl prost::Message) -> Bytes {
    let mut out = begin(PREFIX, message.encoded_len());
    // A BytesMut grows: there is always room.
    let _ = message.encode(&mut out);
    prefixed(out, 0)
}

/// A buffer with so much room before the message.
fn begin(before: usize, capacity: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(before + capacity);
    out.put_bytes(0, before);
    out
}

/// Puts tag and length of what the message is wrapped in, and the prefix, into the room before it.
fn wrap(mut out: BytesMut, tag: u8) -> Bytes {
    let length = (out.len() - PREFIX - HEAD) as u64;
    let mut head = BytesMut::with_capacity(HEAD);
    head.put_u8(tag);
    put_varint(&mut head, length);
    let unused = HEAD - head.len();
    out[PREFIX + unused..PREFIX + HEAD].copy_from_slice(&head);
    prefixed(out, unused)
}

/// Puts the prefix before the message, which begins `unused` bytes behind the room for it.
fn prefixed(mut out: BytesMut, unused: usize) -> Bytes {
    // Messages are cut far below 4 GiB.
    let length = (out.len() - PREFIX - unused) as u32;
    out[unused] = 0;
    out[unused + 1..unused + PREFIX].copy_from_slice(&length.to_be_bytes());
    out.freeze().slice(unused..)
}

/// About the bytes of a message.
fn capacity(selection: &Selection, parts: Parts) -> usize {
    let (records, leaves, payloads) = selection.sizes();
    let exact = if parts == Parts::Exact {
        leaves + payloads
    } else {
        0
    };
    let leaves = if parts.has_leaf() { leaves } else { 0 };
    let payloads = if parts.has_payload() { payloads } else { 0 };
    32 + records * 80 + leaves + payloads + exact
}

fn put_records(out: &mut BytesMut, selection: &Selection, parts: Parts) {
    selection.for_each(|record, change| put_record(out, record, change, parts));
}

fn put_record(out: &mut BytesMut, record: &Stored<'_>, change: Change, parts: Parts) {
    let sent = parts.sent(record, change);
    let exact = (parts == Parts::Exact).then(|| exact_len(record));
    let change = change_number(change);
    let mut length = number_len(record.position.get());
    if sent.leaf {
        length += field_len(record.leaf.len());
    }
    if sent.payload {
        length += field_len(record.payload.len());
    }
    if let Some(exact) = exact {
        length += field_len(exact);
    }
    length += number_len(change) + usize::from(record.erased) * 2;

    let mut head = Head::default();
    head.byte(1 << 3 | 2);
    head.varint(length as u64);
    head.number(1, record.position.get());
    if sent.leaf {
        head.before(2, record.leaf.len()).put(out, record.leaf);
    }
    if sent.payload {
        head.before(3, record.payload.len()).put(out, record.payload);
    }
    if let Some(exact) = exact {
        head.before(4, exact).put(out, &[]);
        put_bytes(out, 1, record.leaf);
        put_bytes(out, 2, record.payload);
        put_bytes(out, 3, record.salt);
    }
    head.number(5, change);
    head.number(6, u64::from(record.erased));
    head.put(out, &[]);
}

/// Tags, lengths and numbers that are gathered and written in one piece with what follows them: a record has several, of
/// a byte or a few each. At most tags and lengths of an entry and its record, the position, and tag and length of the first
/// part come together: 29 bytes where lengths are below 4 GiB.
#[derive(Default)]
struct Head {
    bytes: [u8; 32],
    len: usize,
}

impl Head {
    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.byte(number.to_le_bytes()[0]);
    }

    fn number(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.byte(field << 3);
            self.varint(number);
        }
    }

    /// Tag and length of a field of so many bytes.
    fn before(&mut self, field: u8, length: usize) -> &mut Self {
        self.byte(field << 3 | 2);
        self.varint(length as u64);
        self
    }

    /// A field of bytes, where there are any.
    fn part(&mut self, field: u8, bytes: &[u8], out: &mut impl BufMut) {
        if !bytes.is_empty() {
            self.before(field, bytes.len()).put(out, bytes);
        }
    }

    fn put(&mut self, out: &mut impl BufMut, bytes: &[u8]) {
        out.put_slice(&self.bytes[..self.len]);
        out.put_slice(bytes);
        self.len = 0;
    }
}

fn exact_len(record: &Stored<'_>) -> usize {
    present_len(record.leaf) + present_len(record.payload) + present_len(record.salt)
}

fn change_number(change: Change) -> u64 {
    let change = match change {
        Change::Untold => proto::Change::Unspecified,
        Change::Enters => proto::Change::Enters,
        Change::Stays => proto::Change::Stays,
        Change::Leaves => proto::Change::Leaves,
    };
    u64::from((change as i32).unsigned_abs())
}

/// A field that is there even where it is empty.
fn put_present(out: &mut BytesMut, field: u8, bytes: &[u8]) {
    out.put_u8(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

fn put_bytes(out: &mut BytesMut, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_present(out, field, bytes);
    }
}

fn put_number(out: &mut BytesMut, field: u8, number: u64) {
    if number != 0 {
        out.put_u8(field << 3);
        put_varint(out, number);
    }
}

fn put_varint(out: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        out.put_u8(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.put_u8(number.to_le_bytes()[0]);
}

/// The length of a field that is there where it has bytes.
const fn present_len(bytes: &[u8]) -> usize {
    if bytes.is_empty() {
        0
    } else {
        field_len(bytes.len())
    }
}

const fn varint_len(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

const fn number_len(number: u64) -> usize {
    if number == 0 { 0 } else { 1 + varint_len(number) }
}

const fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

#[cfg(test)]
mod tests;

//! One frame of the journal: the bytes of one commit group, or of a cover without records.
//!
//! All numbers are little-endian.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `CHFR` |
//! | 4 | 4 | length of the whole frame in bytes, at most 8 MiB |
//! | 8 | 8 | the segment's id |
//! | 16 | 8 | sequence number of the frame, from 0 through all segments |
//! | 24 | 8 | durable through: the tail that the sync before this frame reached |
//! | 32 | 8 | position of the first record |
//! | 40 | 4 | count of records; 0 for a cover |
//! | 44 | 4 | bytes of all leaves |
//! | 48 | 4 | bytes of all payloads |
//! | 52 | 4 | CRC of the frame before |
//! | 56 | 4 | zero |
//! | 60 | 4 | CRC32C of bytes 0..60 and of the slots |
//! | 64 | 12 each | slots: end of leaf, end of payload, CRC32C of leaf ‖ salt ‖ payload |
//! | | | leaves, then salts of 32 bytes, then payloads |
//!
//! The frame's own CRC covers header and slots, and the slots' CRCs the rest, so that one record can be checked without
//! reading its neighbours. A record that was erased is told by [`super::blank`], not by its slot's CRC. The segment's id never leaves the machine: bytes of a payload that look like a
//! frame are not one.

use super::blank::{self, Overwritten};
use crate::log::{Run, Slot, Stored};
use crate::record::{Position, SALT_BYTES};
use bytes::{BufMut, Bytes, BytesMut};

/// The most bytes a frame may have.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// The bytes of a frame's header.
pub const HEADER_BYTES: usize = 64;
/// The bytes of one slot.
pub const SLOT_BYTES: usize = 12;
const MAGIC: [u8; 4] = *b"CHFR";

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the whole frame in bytes.
    pub length: u32,
    /// The segment's id.
    pub segment: u64,
    /// Its number, from 0 through all segments.
    pub sequence: u64,
    /// The tail that the sync before this frame reached.
    pub durable_through: Position,
    /// The position of the first record.
    pub first: Position,
    /// How many records.
    pub count: u32,
    /// Bytes of all leaves.
    pub leaves: u32,
    /// Bytes of all payloads.
    pub payloads: u32,
    /// The CRC of the frame before.
    pub previous_crc: u32,
    /// The frame's own CRC.
    pub crc: u32,
}

/// Bytes that are not a whole, undamaged frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes do not begin like a frame, or their lengths do not fit together.
    #[error("no frame header")]
    NoFrame,
    /// The bytes end before the frame does.
    #[error("the frame has {needed} bytes, {found} are there")]
    Cut {
        /// The frame's length.
        needed: usize,
        /// The bytes there.
        found: usize,
    },
    /// The header or the slots are damaged.
    #[error("CRC of header and slots is {found:08x}, expected {expected:08x}")]
    Header {
        /// What the frame says.
        expected: u32,
        /// What its bytes give.
        found: u32,
    },
    /// One record's bytes are damaged.
    #[error("CRC of the record at position {position} is {found:08x}, expected {expected:08x}")]
    Record {
        /// The record.
        position: Position,
        /// What its slot says.
        expected: u32,
        /// What its bytes give.
        found: u32,
    },
}

impl Header {
    /// Reads a header without checking its CRC, which needs the slots.
    ///
    /// # Errors
    /// [`FrameError::NoFrame`], [`FrameError::Cut`].
    pub fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(FrameError::Cut {
                needed: HEADER_BYTES,
                found: bytes.len(),
            });
        };
        let header = Self {
            length: u32_at(head, 4),
            segment: u64_at(head, 8),
            sequence: u64_at(head, 16),
            durable_through: Position::new(u64_at(head, 24)),
            first: Position::new(u64_at(head, 32)),
            count: u32_at(head, 40),
            leaves: u32_at(head, 44),
            payloads: u32_at(head, 48),
            previous_crc: u32_at(head, 52),
            crc: u32_at(head, 60),
        };
        let fits = header.expected_length() == Some(header.length as usize);
        if head[..4] != MAGIC || u32_at(head, 56) != 0 || !fits {
            Err(FrameError::NoFrame)
        } else {
            Ok(header)
        }
    }

    /// The position after the last record.
    pub fn end(&self) -> Position {
        self.first.plus(self.count.into())
    }

    /// Where the slots end and the leaves begin.
    pub fn slots_end(&self) -> usize {
        HEADER_BYTES + self.count as usize * SLOT_BYTES
    }

    fn expected_length(&self) -> Option<usize> {
        let length = (self.count as usize)
            .checked_mul(SLOT_BYTES + SALT_BYTES)?
            .checked_add(HEADER_BYTES + self.leaves as usize)?
            .checked_add(self.payloads as usize)?;
        (length <= FRAME_BYTES_MAX).then_some(length)
    }

    fn put(&self, out: &mut [u8; HEADER_BYTES]) {
        let mut at = &mut out[..];
        at.put_slice(&MAGIC);
        at.put_u32_le(self.length);
        at.put_u64_le(self.segment);
        at.put_u64_le(self.sequence);
        at.put_u64_le(self.durable_through.get());
        at.put_u64_le(self.first.get());
        at.put_u32_le(self.count);
        at.put_u32_le(self.leaves);
        at.put_u32_le(self.payloads);
        at.put_u32_le(self.previous_crc);
        at.put_u32_le(0);
        at.put_u32_le(self.crc);
    }
}

/// What the journal adds to a group to make a frame of it.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The segment's id.
    pub segment: u64,
    /// The frame's number.
    pub sequence: u64,
    /// The CRC of the frame before.
    pub previous_crc: u32,
    /// The tail that the last sync reached.
    pub durable_through: Position,
}

/// Appends the frame of a run (which may be empty) to `out`; answers its CRC.
pub fn encode(run: &Run, first: Position, link: Link, out: &mut BytesMut) -> u32 {
    let start = out.len();
    out.put_bytes(0, HEADER_BYTES + run.len() * SLOT_BYTES);
    let body = out.len();
    run.iter().for_each(|record| out.put_slice(record.leaf));
    let leaves = out.len() - body;
    run.iter().for_each(|record| put_salt(out, &record));
    let payloads_from = out.len();
    run.iter().for_each(|record| out.put_slice(record.payload));
    put_slots(run, &mut out[start + HEADER_BYTES..body]);
    let mut header = Header {
        length: (out.len() - start) as u32,
        segment: link.segment,
        sequence: link.sequence,
        durable_through: link.durable_through,
        first,
        count: run.len() as u32,
        leaves: leaves as u32,
        payloads: (out.len() - payloads_from) as u32,
        previous_crc: link.previous_crc,
        crc: 0,
    };
    let mut head = [0; HEADER_BYTES];
    header.put(&mut head);
    header.crc = frame_crc(&head, &out[start + HEADER_BYTES..body]);
    header.put(&mut head);
    out[start..start + HEADER_BYTES].copy_from_slice(&head);
    header.crc
}

/// The bytes that the frame of a run has.
pub fn encoded_len(records: usize, leaves: usize, payloads: usize) -> usize {
    HEADER_BYTES + records * (SLOT_BYTES + SALT_BYTES) + leaves + payloads
}

/// The bytes that the frame of a run has. An erased record has no payload in it, whatever place it had where it was read.
pub fn len_of(run: &Run) -> usize {
    let (leaves, payloads) = run.iter().fold((0, 0), |(leaves, payloads), record| {
        (leaves + record.leaf.len(), payloads + record.payload.len())
    });
    encoded_len(run.len(), leaves, payloads)
}

fn put_salt(out: &mut BytesMut, record: &Stored<'_>) {
    // An erased record has no salt any more; its place stays.
    if record.erased {
        out.put_slice(&blank::mark(record.leaf))
    } else if record.salt.is_empty() {
        out.put_bytes(0, SALT_BYTES)
    } else {
        out.put_slice(record.salt)
    }
}

fn put_slots(run: &Run, mut slots: &mut [u8]) {
    let (mut leaf_end, mut payload_end) = (0, 0);
    for record in run.iter() {
        leaf_end += record.leaf.len() as u32;
        payload_end += record.payload.len() as u32;
        slots.put_u32_le(leaf_end);
        slots.put_u32_le(payload_end);
        slots.put_u32_le(record_crc(record.leaf, record.salt, record.payload));
    }
}

/// The CRC32C of leaf ‖ salt ‖ payload.
pub fn record_crc(leaf: &[u8], salt: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(leaf), salt), payload)
}

fn frame_crc(header: &[u8; HEADER_BYTES], slots: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..60]), slots)
}

/// A frame read back, every byte of it checked.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its header.
    pub header: Header,
    /// Its records.
    pub run: Run,
}

/// Reads the frame at the start of `bytes`, which may go on behind it, and checks all of it.
///
/// # Errors
/// [`FrameError`]; the run shares `bytes`.
pub fn decode(bytes: &Bytes) -> Result<Frame, FrameError> {
    decode_among(bytes, &Overwritten::default())
}

/// As [`decode`]; a record that is being overwritten is taken for erased.
///
/// # Errors
/// As [`decode`].
pub fn decode_among(bytes: &Bytes, overwritten: &Overwritten) -> Result<Frame, FrameError> {
    let (header, slots) = decode_head(bytes)?;
    let length = header.length as usize;
    if bytes.len() < length {
        return Err(FrameError::Cut {
            needed: length,
            found: bytes.len(),
        });
    }
    let leaves_at = header.slots_end();
    let salts_at = leaves_at + header.leaves as usize;
    let payloads_at = salts_at + header.count as usize * SALT_BYTES;
    let (crcs, slots): (Vec<u32>, Vec<Slot>) = slots.into_iter().unzip();
    let run = Run::new(
        header.first,
        slots,
        bytes.slice(leaves_at..salts_at),
        bytes.slice(salts_at..payloads_at),
        bytes.slice(payloads_at..length),
    )
    .map_err(|_| FrameError::NoFrame)?;
    let mut erased = Vec::new();
    for (record, expected) in run.iter().zip(crcs) {
        if is_erased(&record, expected, overwritten)? {
            erased.push(record.position);
        }
    }
    let run = run.with_erased(&erased);
    Ok(Frame { header, run })
}

/// Whether a record as it lies in a frame was erased.
///
/// # Errors
/// [`FrameError::Record`] where it was not, and is damaged.
pub fn is_erased(record: &Stored<'_>, expected: u32, overwritten: &Overwritten) -> Result<bool, FrameError> {
    if blank::is_blank(record.leaf, record.salt, record.payload) {
        return Ok(true);
    }
    let found = record_crc(record.leaf, record.salt, record.payload);
    if found == expected || overwritten.contains(record.position) {
        return Ok(found != expected);
    }
    Err(FrameError::Record {
        position: record.position,
        expected,
        found,
    })
}

/// Reads and checks header and slots only: what is needed to find one record.
///
/// # Errors
/// [`FrameError`].
pub fn decode_head(bytes: &[u8]) -> Result<(Header, Vec<(u32, Slot)>), FrameError> {
    let header = Header::read(bytes)?;
    let (Some(head), Some(slots)) = (bytes.first_chunk(), bytes.get(HEADER_BYTES..header.slots_end())) else {
        return Err(FrameError::Cut {
            needed: header.slots_end(),
            found: bytes.len(),
        });
    };
    let found = frame_crc(head, slots);
    if found != header.crc {
        return Err(FrameError::Header {
            expected: header.crc,
            found,
        });
    }
    Ok((header, slots.chunks_exact(SLOT_BYTES).map(slot).collect()))
}

fn slot(bytes: &[u8]) -> (u32, Slot) {
    let slot = Slot {
        leaf_end: u32_at(bytes, 0),
        payload_end: u32_at(bytes, 4),
        erased: false,
    };
    (u32_at(bytes, 8), slot)
}

/// The little-endian number at an offset; 0 where the bytes end before.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |four| u32::from_le_bytes(*four))
}

/// As [`u32_at`].
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |eight| u64::from_le_bytes(*eight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn run_of(records: &[(Vec<u8>, Vec<u8>)], first: u64) -> Run {
        let (mut leaves, mut salts, mut payloads, mut slots) = (vec![], vec![], vec![], vec![]);
        for (leaf, payload) in records {
            leaves.extend_from_slice(leaf);
            payloads.extend_from_slice(payload);
            salts.extend_from_slice(&[payload.len() as u8; SALT_BYTES]);
            slots.push(Slot {
                leaf_end: leaves.len() as u32,
                payload_end: payloads.len() as u32,
                erased: false,
            });
        }
        Run::new(
            Position::new(first),
            slots,
            leaves.into(),
            salts.into(),
            payloads.into(),
        )
        .unwrap()
    }

    fn frame(records: &[(Vec<u8>, Vec<u8>)]) -> Bytes {
        let link = Link {
            segment: 42,
            sequence: 7,
            previous_crc: 9,
            durable_through: Position::new(3),
        };
        let mut out = BytesMut::new();
        encode(&run_of(records, 5), Position::new(5), link, &mut out);
        out.freeze()
    }

    proptest! {
        #[test]
        fn a_frame_reads_back(records in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 1..50), prop::collection::vec(any::<u8>(), 0..90)), 0..20
        )) {
            let bytes = frame(&records);
            let frame = decode(&bytes).unwrap();
            prop_assert_eq!(frame.header.sequence, 7);
            prop_assert_eq!(frame.header.end(), Position::new(5 + records.len() as u64));
            for (record, (leaf, payload)) in frame.run.iter().zip(&records) {
                prop_assert_eq!(record.leaf, &leaf[..]);
                prop_assert_eq!(record.payload, &payload[..]);
            }
        }

        #[test]
        fn bytes_that_are_no_frame_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&Bytes::from(bytes));
        }
    }

    /// As it lies after it was overwritten in place, and as it is written anew.
    #[test]
    fn an_erased_record_reads_back_as_one_and_its_frame_is_as_long_as_it_is_said_to_be() {
        let bytes = frame(&[
            (b"leaf one".to_vec(), b"payload".to_vec()),
            (b"leaf two".to_vec(), b"other".to_vec()),
        ]);
        let salts = HEADER_BYTES + 2 * SLOT_BYTES + 16;
        let mut blank = bytes.to_vec();
        blank[salts..salts + SALT_BYTES].copy_from_slice(&blank::mark(b"leaf one"));
        blank[salts + 2 * SALT_BYTES..][..7].fill(0);
        let blank = Bytes::from(blank);
        let run = decode(&blank).unwrap().run;
        let link = Link {
            segment: 42,
            sequence: 7,
            previous_crc: 9,
            durable_through: Position::new(3),
        };
        let mut anew = BytesMut::new();
        encode(&run, run.first(), link, &mut anew);
        assert_eq!(anew.len(), len_of(&run));
        assert_eq!(anew.len() + 7, blank.len());
        for run in [run, decode(&anew.freeze()).unwrap().run] {
            let records: Vec<_> = run.iter().collect();
            assert!(records[0].erased && records[0].payload.is_empty() && records[0].salt.is_empty());
            assert_eq!((records[1].erased, records[1].payload), (false, &b"other"[..]));
        }
        // A leaf that is damaged besides, or a payload that is not gone, is no erased record.
        for at in [
            HEADER_BYTES + 2 * SLOT_BYTES + 3,
            salts + 9,
            salts + 2 * SALT_BYTES + 2,
        ] {
            let mut damaged = blank.to_vec();
            damaged[at] ^= 1;
            assert!(decode(&damaged.into()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_found() {
        let bytes = frame(&[
            (b"leaf one".to_vec(), b"payload".to_vec()),
            (b"leaf two".to_vec(), vec![]),
        ]);
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x40;
            assert!(decode(&damaged.into()).is_err(), "byte {at}");
            assert!(decode(&bytes.slice(..at)).is_err(), "cut at {at}");
        }
    }
}

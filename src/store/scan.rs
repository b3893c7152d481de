//! Reading one segment from its first frame to where its frames end, and saying how they end.
//!
//! A scan changes nothing. It follows the links from frame to frame, steps over damage to the next frame of the same
//! segment where there is one, and leaves it to [`super::recover`] to decide what that means.

use super::blank::Overwritten;
use super::disk::{DiskFile, read_past_faults, zeros_from};
use super::frame::{self, Frame, FrameError, HEADER_BYTES, Header, SLOT_BYTES};
use super::segment::{FRAMES_AT, SegmentHeader};
use crate::record::{Position, SALT_BYTES};
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::time::Duration;

/// The bytes read at once.
const CHUNK_BYTES: usize = 2 << 20;

/// How long after a record was read that is damaged it is read once more.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Where a chain of frames stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The number of the next frame.
    pub sequence: u64,
    /// The CRC of the last frame.
    pub crc: u32,
    /// The position of the next record.
    pub position: Position,
    /// How far the frames read so far say that syncs have reached.
    pub durable: Position,
}

/// What a scan meets.
pub enum Found {
    /// A frame that continues the chain, at an offset.
    Frame(u64, Frame),
    /// Damage, behind which the segment goes on with a frame that begins at `resumes`.
    Hole {
        /// The first offset that is damaged.
        offset: u64,
        /// The first position that is missing.
        from: Position,
        /// The first position that is there again.
        resumes: Position,
        /// Where the segment goes on.
        at: u64,
        /// What is wrong.
        error: FrameError,
    },
    /// The frames end: zeros follow, or the next segment takes over.
    End {
        /// Where they end.
        offset: u64,
        /// Whether zeros follow up to the length that the segment was made with.
        whole: bool,
    },
    /// The frames end in bytes that are neither zeros nor a frame, or where the file does.
    Torn {
        /// Where they end.
        offset: u64,
        /// The position after the torn frame, where its header can still be read.
        until: Option<Position>,
        /// Whether the file is shorter than it was made. No crash does that: it was cut, or a segment after it is gone.
        short: bool,
        /// What is wrong.
        error: FrameError,
    },
}

/// Walks through one segment.
pub struct Scan<'a> {
    file: &'a dyn DiskFile,
    header: SegmentHeader,
    /// The frames from this number on are in the next segment.
    limit: Option<u64>,
    chain: Chain,
    offset: u64,
    buffer: BytesMut,
    exhausted: bool,
    /// Where the bytes that are not zero end, once that was asked.
    zeros_at: Option<u64>,
    done: bool,
    overwritten: &'a Overwritten,
    beside_a_daemon: bool,
}

impl<'a> Scan<'a> {
    /// A scan from the first frame on. `chain` is how the segments before end; `overwritten` are the records that may be
    /// neither what was written nor erased.
    pub fn new(
        file: &'a dyn DiskFile,
        header: SegmentHeader,
        limit: Option<u64>,
        chain: Chain,
        overwritten: &'a Overwritten,
    ) -> Self {
        let buffer = BytesMut::new();
        Self {
            file,
            header,
            limit,
            chain,
            offset: FRAMES_AT,
            buffer,
            exhausted: false,
            zeros_at: None,
            done: false,
            overwritten,
            beside_a_daemon: false,
        }
    }

    /// The scan, where a daemon may have the file open or may not: it may be erasing a record just now.
    pub fn beside_a_daemon(self, beside_a_daemon: bool) -> Self {
        Self {
            beside_a_daemon,
            ..self
        }
    }

    /// How the chain stands after what was found last.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The next thing in the segment; `None` after its end.
    ///
    /// # Errors
    /// What the system says to a read.
    pub fn step(&mut self) -> io::Result<Option<Found>> {
        if self.done {
            return Ok(None);
        }
        if self.limit.is_some_and(|limit| self.chain.sequence >= limit) {
            self.done = true;
            return Ok(Some(Found::End {
                offset: self.offset,
                whole: true,
            }));
        }
        match self.frame_here()? {
            Ok(frame) => Ok(Some(self.take(frame))),
            Err(error) => self.damage(error).map(Some),
        }
    }

    fn take(&mut self, frame: Frame) -> Found {
        let at = self.offset;
        let length = frame.header.length as usize;
        self.buffer.advance(length);
        self.offset += length as u64;
        self.chain = Chain {
            sequence: frame.header.sequence + 1,
            crc: frame.header.crc,
            position: frame.header.end(),
            durable: self.chain.durable.max(frame.header.durable_through),
        };
        Found::Frame(at, frame)
    }

    /// The frame at the current offset, where it is whole and continues the chain.
    fn frame_here(&mut self) -> io::Result<Result<Frame, FrameError>> {
        self.fill(HEADER_BYTES)?;
        let header = match Header::read(&self.buffer) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error)),
        };
        if !self.continues(&header) {
            return Ok(Err(FrameError::NoFrame));
        }
        let length = header.length as usize;
        self.fill(length)?;
        let there = length.min(self.buffer.len());
        // The frame keeps its bytes; what follows is copied once a chunk, not once a frame.
        let bytes = Bytes::copy_from_slice(&self.buffer[..there]);
        match frame::decode_among(&bytes, self.overwritten) {
            Err(FrameError::Record { .. }) if self.beside_a_daemon => self.again(there),
            decoded => Ok(decoded),
        }
    }

    /// Reads the frame at the current offset once more, a moment later: a daemon may just have been erasing a record of it,
    /// which takes two writes.
    fn again(&self, length: usize) -> io::Result<Result<Frame, FrameError>> {
        std::thread::sleep(AGAIN_AFTER);
        let mut bytes = vec![0; length];
        let found = read_past_faults(self.file, &mut bytes, self.offset)?;
        bytes.truncate(found);
        Ok(frame::decode_among(&bytes.into(), self.overwritten))
    }

    fn continues(&self, header: &Header) -> bool {
        header.segment == self.header.id
            && header.sequence == self.chain.sequence
            && header.previous_crc == self.chain.crc
            && header.first == self.chain.position
            && header.durable_through <= header.first
    }

    /// Makes sure that `wanted` bytes from the current offset are in the buffer, where the file has them.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        while self.buffer.len() < wanted && !self.exhausted {
            let length = CHUNK_BYTES.max(wanted - self.buffer.len());
            let had = self.buffer.len();
            self.buffer.resize(had + length, 0);
            let found = read_past_faults(self.file, &mut self.buffer[had..], self.offset + had as u64)?;
            self.buffer.truncate(had + found);
            self.exhausted = found < length;
        }
        Ok(())
    }

    /// Says what the damage at the current offset is.
    fn damage(&mut self, error: FrameError) -> io::Result<Found> {
        let offset = self.offset;
        let hint = self.hint();
        let end = self.file.len()?;
        let short = end < self.header.length;
        // At least one zero follows the frames of a segment that is its archive's last.
        if self.only_zeros_follow()? && (!short || end > offset) {
            self.done = true;
            return Ok(Found::End {
                offset,
                whole: !short,
            });
        }
        // The rest of the segment stays in the buffer: the next damage is looked for there.
        self.fill(usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX))?;
        if let Some((at, header)) = self.resume() {
            return Ok(self.jump(offset, at, &header, error));
        }
        self.done = true;
        Ok(Found::Torn {
            offset,
            until: hint,
            short,
            error,
        })
    }

    /// Goes on with the frame that lies `at` bytes behind the damage.
    fn jump(&mut self, offset: u64, at: usize, header: &Header, error: FrameError) -> Found {
        let from = self.chain.position;
        self.buffer.advance(at);
        self.offset += at as u64;
        self.chain = Chain {
            sequence: header.sequence,
            crc: header.previous_crc,
            position: header.first,
            durable: self.chain.durable.max(header.first),
        };
        Found::Hole {
            offset,
            from,
            resumes: header.first,
            at: self.offset,
            error,
        }
    }

    /// Where the damaged frame would end, if its head can still be read.
    fn hint(&self) -> Option<Position> {
        let (header, _) = frame::decode_head(&self.buffer).ok()?;
        (header.segment == self.header.id && header.first == self.chain.position).then(|| header.end())
    }

    fn only_zeros_follow(&mut self) -> io::Result<bool> {
        let end = match self.zeros_at {
            Some(end) => end,
            None => zeros_from(self.file, self.offset)?,
        };
        self.zeros_at = Some(end);
        Ok(end <= self.offset)
    }

    /// The next frame of this segment behind the current offset whose head is whole. The segment's id is what
    /// tells a frame from bytes of a payload that look like one. That its records may be damaged too does not matter
    /// here: the head alone says that all records before it were durable.
    fn resume(&self) -> Option<(usize, Header)> {
        let rest = &self.buffer;
        let id = self.header.id.to_le_bytes();
        (1..rest.len().saturating_sub(HEADER_BYTES - 1)).find_map(|at| {
            if rest[at + 8..at + 16] != id {
                return None;
            }
            let (header, _) = frame::decode_head(&rest[at..]).ok()?;
            let later = header.sequence >= self.chain.sequence && header.first >= self.chain.position;
            // What is missing lay in the damaged bytes: a frame has a header, a record a slot and a salt.
            let frames = header.sequence.saturating_sub(self.chain.sequence);
            let records = header.first.since(self.chain.position);
            let fits = frames.saturating_mul(HEADER_BYTES as u64) <= at as u64
                && records.saturating_mul((SLOT_BYTES + SALT_BYTES) as u64) <= at as u64;
            let within = self.limit.is_none_or(|limit| header.sequence < limit);
            (later && fits && within).then_some((at, header))
        })
    }
}

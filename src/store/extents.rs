//! Reading records back from the journal by position.
//!
//! An extent is a stretch of frames in one file, without a hole: normally a whole segment. The extents are all that a
//! reader needs to know of the journal; the writer adds to the newest one after each sync. Every byte answered has been
//! checked against its CRC.

use super::blank::Overwritten;
use super::disk::DiskFile;
use super::frame::{self, FrameError, HEADER_BYTES, Header, SLOT_BYTES};
use crate::log::store::Shelf;
use crate::log::{Columns, ReadError, ReadLimit, Run, Slot, Stored};
use crate::record::{Position, SALT_BYTES};
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// How many records may lie between two frames whose place is known in memory (8 bytes a mark).
const MARK_EVERY: u64 = 64;
/// The bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Chunks of earlier reads that a thread keeps: one that is being sent, one before it.
const CHUNKS_KEPT: usize = 2;

thread_local! {
    /// The newest chunks that this thread has read. Fresh memory for each would cost as much as reading it.
    static CHUNKS: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of this length: of an earlier chunk that nobody uses any more, or a new one.
fn spare_buffer(length: usize) -> BytesMut {
    let unused = CHUNKS.with_borrow_mut(|kept| {
        let at = kept.iter().position(Bytes::is_unique)?;
        kept.remove(at).try_into_mut().ok()
    });
    let mut buffer = unused.unwrap_or_default();
    buffer.resize(length, 0);
    buffer
}

/// All extents of the journal, ascending.
#[derive(Default)]
pub struct Extents {
    all: RwLock<Vec<Arc<Extent>>>,
    /// The bytes of frames that were let go.
    gone: AtomicU64,
    overwritten: Arc<Overwritten>,
}

/// A stretch of frames in one file.
pub struct Extent {
    file: Arc<dyn DiskFile>,
    name: String,
    segment: u64,
    first: Position,
    begin: u64,
    inner: RwLock<Inner>,
}

#[derive(Clone, Default)]
struct Inner {
    end: Position,
    bytes_end: u64,
    marks: Vec<Mark>,
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug)]
struct Mark {
    first: Position,
    offset: u64,
}

impl Extents {
    /// No extents yet, of a journal in which these records are being overwritten.
    pub fn new(overwritten: Arc<Overwritten>) -> Self {
        Self {
            overwritten,
            ..Self::default()
        }
    }

    /// Which records are being overwritten.
    pub fn overwritten(&self) -> &Arc<Overwritten> {
        &self.overwritten
    }

    /// Whether a frame at this offset of a file is one that readers are answered from.
    pub fn is_live(&self, name: &str, offset: u64) -> bool {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let mut here = all.iter().filter(|extent| extent.name == name);
        here.any(|extent| extent.begin <= offset && offset < extent.begin + extent.frame_bytes())
    }

    /// Where the frames of a file end that readers are answered from.
    pub fn live_end(&self, name: &str) -> u64 {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let here = all.iter().filter(|extent| extent.name == name);
        here.map(|extent| extent.begin + extent.frame_bytes())
            .max()
            .unwrap_or(0)
    }

    /// Adds an extent behind all others.
    pub fn push(&self, extent: Arc<Extent>) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(extent);
    }

    /// Lets go of the files whose records all lie below `position`, but for the newest; answers the names of those that are
    /// left. Whoever reads from one of them keeps it open.
    pub fn let_go(&self, position: Position) -> BTreeSet<String> {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let newest = all.last().map(Arc::clone);
        let needed: BTreeSet<String> = all
            .iter()
            .filter(|extent| extent.end() > position)
            .chain(&newest)
            .map(|extent| extent.name.clone())
            .collect();
        all.retain(|extent| {
            let keep = needed.contains(&extent.name);
            if !keep {
                self.gone.fetch_add(extent.frame_bytes(), Ordering::Relaxed);
            }
            keep
        });
        needed
    }

    /// The bytes of frames that were let go.
    pub fn gone(&self) -> u64 {
        self.gone.load(Ordering::Relaxed)
    }

    /// The first position that the journal holds.
    pub fn first(&self) -> Position {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.first().map_or(Position::START, |extent| extent.first)
    }

    fn holding(&self, position: Position) -> Option<Arc<Extent>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let after = all.partition_point(|extent| extent.first <= position);
        // Empty extents may share their first position with the one that holds it.
        all[..after]
            .iter()
            .rev()
            .find(|extent| extent.end() > position || extent.first < position)
            .and_then(|extent| (extent.end() > position).then(|| Arc::clone(extent)))
    }
}

impl Extent {
    /// An empty extent that begins at `offset` of the file `name`.
    pub fn new(file: Arc<dyn DiskFile>, name: &str, segment: u64, first: Position, offset: u64) -> Arc<Self> {
        let inner = Inner {
            end: first,
            bytes_end: offset,
            marks: Vec::new(),
        };
        Arc::new(Self {
            file,
            name: name.to_owned(),
            segment,
            first,
            begin: offset,
            inner: RwLock::new(inner),
        })
    }

    /// Takes in one more frame, which lies where the last one ended.
    pub fn grow(&self, end: Position, length: u64) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let far = inner
            .marks
            .last()
            .is_none_or(|mark| inner.end.since(mark.first) >= MARK_EVERY);
        if far && end > inner.end {
            let mark = Mark {
                first: inner.end,
                offset: inner.bytes_end,
            };
            inner.marks.push(mark);
        }
        inner.end = end;
        inner.bytes_end += length;
    }

    fn frame_bytes(&self) -> u64 {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.bytes_end - self.begin
    }

    fn end(&self) -> Position {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).end
    }

    /// Where to look for a position: the offset of a frame at or before it, and where the frames end.
    fn place(&self, position: Position) -> (u64, u64) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let after = inner.marks.partition_point(|mark| mark.first <= position);
        let offset = after
            .checked_sub(1)
            .map_or(inner.bytes_end, |at| inner.marks[at].offset);
        (offset, inner.bytes_end)
    }

    fn bytes(&self, offset: u64, length: usize) -> Result<Bytes, ReadError> {
        self.read_into(BytesMut::zeroed(length), offset)
    }

    /// As [`Extent::bytes`], for a long read, in a buffer that an earlier one of this thread no longer needs.
    fn chunk(&self, offset: u64, length: usize) -> Result<Bytes, ReadError> {
        let chunk = self.read_into(spare_buffer(length), offset)?;
        CHUNKS.with_borrow_mut(|kept| {
            kept.truncate(CHUNKS_KEPT - 1);
            kept.insert(0, chunk.clone());
        });
        Ok(chunk)
    }

    fn read_into(&self, mut buffer: BytesMut, offset: u64) -> Result<Bytes, ReadError> {
        let found = self
            .file
            .read_at(&mut buffer, offset)
            .map_err(|error| ReadError::Io {
                what: "the journal".into(),
                cause: error.to_string(),
            })?;
        buffer.truncate(found);
        Ok(buffer.freeze())
    }

    /// The runs of this extent from `from` on.
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        overwritten: &Overwritten,
    ) -> Result<Vec<Run>, ReadError> {
        let (mut offset, end) = self.place(from);
        let mut runs = Vec::new();
        let mut left = limit;
        let mut expect = from;
        let mut wanted = CHUNK_BYTES.min(limit.bytes.saturating_add(CHUNK_BYTES / 8));
        while offset < end && expect < until {
            let length = wanted.min(usize::try_from(end - offset).unwrap_or(usize::MAX));
            let chunk = self.chunk(offset, length)?;
            if chunk.len() < length {
                // The file was cut under our feet.
                let found = chunk.len();
                return Err(self.damaged(
                    expect,
                    &FrameError::Cut {
                        needed: length,
                        found,
                    },
                ));
            }
            let mut at = 0;
            wanted = CHUNK_BYTES;
            while at < chunk.len() && expect < until {
                let rest = chunk.slice(at..);
                match self.next_frame(&rest, expect, overwritten)? {
                    Step::Skip(length) => at += length,
                    Step::More(length) => {
                        wanted = wanted.max(length);
                        break;
                    }
                    Step::Frame(length, run) => {
                        at += length;
                        let part = run.slice(expect, until);
                        let full = part.spend(&mut left);
                        expect = part.end();
                        runs.push(part);
                        if full {
                            return Ok(runs);
                        }
                    }
                }
            }
            if at == 0 && length == usize::try_from(end - offset).unwrap_or(usize::MAX) {
                return Err(self.damaged(
                    expect,
                    &FrameError::Cut {
                        needed: wanted,
                        found: length,
                    },
                ));
            }
            offset += at as u64;
        }
        Ok(runs)
    }

    fn next_frame(
        &self,
        rest: &Bytes,
        expect: Position,
        overwritten: &Overwritten,
    ) -> Result<Step, ReadError> {
        let header = match Header::read(rest) {
            Ok(header) => header,
            Err(FrameError::Cut { needed, .. }) => return Ok(Step::More(needed)),
            Err(error) => return Err(self.damaged(expect, &error)),
        };
        let length = header.length as usize;
        if header.segment != self.segment || header.first > expect {
            return Err(self.damaged(expect, &FrameError::NoFrame));
        }
        if header.end() <= expect {
            return Ok(Step::Skip(length));
        }
        if length > rest.len() {
            return Ok(Step::More(length));
        }
        let frame = frame::decode_among(rest, overwritten).map_err(|error| self.damaged(expect, &error))?;
        Ok(Step::Frame(length, frame.run))
    }

    /// One record, reading no more than its frame's head and its own bytes.
    fn fetch(&self, position: Position, overwritten: &Overwritten) -> Result<Run, ReadError> {
        let (mut offset, end) = self.place(position);
        while offset < end {
            let head = self.bytes(offset, 4_096)?;
            let header = Header::read(&head).map_err(|error| self.damaged(position, &error))?;
            if header.segment != self.segment || header.first > position {
                return Err(self.damaged(position, &FrameError::NoFrame));
            }
            if header.end() > position {
                return self.fetch_in(offset, &header, head, position, overwritten);
            }
            offset += u64::from(header.length);
        }
        Err(self.damaged(position, &FrameError::NoFrame))
    }

    fn fetch_in(
        &self,
        offset: u64,
        header: &Header,
        mut head: Bytes,
        position: Position,
        overwritten: &Overwritten,
    ) -> Result<Run, ReadError> {
        if head.len() < header.slots_end() {
            head = self.bytes(offset, header.slots_end())?;
        }
        let (_, slots) = frame::decode_head(&head).map_err(|error| self.damaged(position, &error))?;
        let at = usize::try_from(position.since(header.first)).unwrap_or(usize::MAX);
        let (Some((expected, slot)), before) =
            (slots.get(at), at.checked_sub(1).and_then(|at| slots.get(at)))
        else {
            return Err(self.damaged(position, &FrameError::NoFrame));
        };
        let (leaf_from, payload_from) = before.map_or((0, 0), |(_, slot)| (slot.leaf_end, slot.payload_end));
        let leaves_at = offset + header.slots_end() as u64;
        let salts_at = leaves_at + u64::from(header.leaves);
        let payloads_at = salts_at + u64::from(header.count) * SALT_BYTES as u64;
        let part = |from: u64, length: u32| self.part(&head, offset, from, length as usize);
        let leaf = part(
            leaves_at + u64::from(leaf_from),
            slot.leaf_end.saturating_sub(leaf_from),
        )?;
        let salt = part(salts_at + (at * SALT_BYTES) as u64, SALT_BYTES as u32)?;
        let payload = part(
            payloads_at + u64::from(payload_from),
            slot.payload_end.saturating_sub(payload_from),
        )?;
        let record = Stored {
            position,
            leaf: &leaf,
            salt: &salt,
            payload: &payload,
            erased: false,
        };
        let erased = frame::is_erased(&record, *expected, overwritten);
        let erased = erased.map_err(|error| self.damaged(position, &error))?;
        let slot = Slot {
            leaf_end: leaf.len() as u32,
            payload_end: payload.len() as u32,
            erased,
        };
        Run::new(position, vec![slot], leaf, salt, payload)
            .map_err(|_| self.damaged(position, &FrameError::NoFrame))
    }

    /// Bytes of the file, from those already read where they lie among them.
    fn part(&self, read: &Bytes, read_at: u64, from: u64, length: usize) -> Result<Bytes, ReadError> {
        let start = usize::try_from(from - read_at).unwrap_or(usize::MAX);
        match start.checked_add(length) {
            Some(end) if end <= read.len() => Ok(read.slice(start..end)),
            _ => self.bytes(from, length),
        }
    }

    fn damaged(&self, position: Position, error: &FrameError) -> ReadError {
        ReadError::Damaged {
            position,
            expected: "an undamaged frame of the journal".into(),
            found: error.to_string(),
        }
    }
}

enum Step {
    /// A frame before the position sought; it may reach beyond the bytes read.
    Skip(usize),
    /// The frame does not lie wholly in the bytes read; it has so many.
    More(usize),
    /// A frame that holds the position.
    Frame(usize, Run),
}

impl Shelf for Extents {
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        _columns: Columns,
    ) -> Result<Option<Vec<Run>>, ReadError> {
        match self.holding(from) {
            Some(extent) => extent
                .read(from, until, limit, &self.overwritten)
                .map(|runs| (!runs.is_empty()).then_some(runs)),
            None => Ok(None),
        }
    }

    fn fetch(&self, position: Position, _columns: Columns) -> Result<Option<Run>, ReadError> {
        self.holding(position)
            .map(|extent| extent.fetch(position, &self.overwritten))
            .transpose()
    }
}

const _: () = assert!(CHUNK_BYTES > HEADER_BYTES + SLOT_BYTES);

//! All sealed chunks as one shelf: the log from position 0 up to where it is sealed.
//!
//! Files are opened when they are first read and only so many are kept open. A record in a damaged or missing file is
//! answered with that damage, so that another shelf can be asked, and all others are served.

use super::layout::{HEADER_BYTES, Header};
use super::leaves::Leaves;
use super::payloads::Payloads;
use super::single::Spare;
use super::{CHUNK_RECORDS, ChunkError, Identity, Part, Source};
use crate::log::store::{Sealed, SealedStatus, Shelf};
use crate::log::{Columns, ReadError, ReadLimit, Run, Slot};
use crate::record::{Epoch, Hash, Position, Recorded};
use crate::store::disk::Disk;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The chunks whose files are kept open, with some 500 KiB of tables each: those of ten million records, so that an answer that lies
/// scattered over them opens none again for each of its records.
const OPEN_MAX: usize = 160;
/// The bytes of payloads that one run gathers.
const RUN_BYTES: usize = 256 << 10;
/// The records that one run gathers where no payloads are read.
const RUN_RECORDS: u32 = 1_024;

/// Where chunks lie and of what size they are.
#[derive(Clone)]
pub struct ChunkOptions {
    /// The folder.
    pub folder: PathBuf,
    /// The archive's random id.
    pub archive: u64,
    /// How many records each has: a power of two, 256 to 65,536.
    pub records: u32,
    /// The file system.
    pub disk: Arc<dyn Disk>,
}

impl ChunkOptions {
    /// Chunks of the usual size.
    pub fn new(disk: Arc<dyn Disk>, folder: PathBuf, archive: u64) -> Self {
        Self {
            folder,
            archive,
            records: CHUNK_RECORDS,
            disk,
        }
    }

    /// Chunk `number`.
    pub fn identity(&self, number: u64) -> Identity {
        Identity {
            archive: self.archive,
            number,
            count: self.records,
        }
    }
}

/// The sealed log.
pub struct Chunks {
    options: ChunkOptions,
    /// How many chunks there are, those that are missing among them.
    sealed: AtomicU64,
    bytes: AtomicU64,
    open: Mutex<Vec<Arc<Chunk>>>,
    /// How often a chunk was closed since a file of it was replaced.
    replaced: AtomicU64,
    spare: Spare,
}

/// The two files of a chunk; each may be damaged for itself.
pub(super) struct Chunk {
    identity: Identity,
    leaves: Result<Leaves, ChunkError>,
    payloads: Result<Payloads, ChunkError>,
}

/// What is wrong with the two files of a chunk.
pub struct Verified {
    /// With its leaves.
    pub leaves: Result<(), ChunkError>,
    /// With its payloads.
    pub payloads: Result<(), ChunkError>,
}

/// What a start finds of one chunk.
pub struct Found {
    /// Which chunk.
    pub identity: Identity,
    /// What its file of leaves says, or what is wrong with the chunk: a file that is missing or damaged.
    pub outline: Result<Outline, ChunkError>,
}

/// What the log wants to know of a chunk without reading its records.
pub struct Outline {
    /// The hash over each 256 of its leaves.
    pub blocks: Vec<Hash>,
    /// When its newest record was committed.
    pub last_recorded: Recorded,
    /// The epoch of its newest record.
    pub epoch: Epoch,
    /// What is wrong with its file of payloads, if anything: the leaves are there all the same.
    pub payloads: Option<ChunkError>,
}

impl Chunks {
    /// The chunks in a folder, with as many records each as they say they have. Changes nothing there.
    ///
    /// # Errors
    /// What the system says where the folder cannot be listed.
    pub fn open(mut options: ChunkOptions) -> io::Result<Self> {
        let names = options.disk.list(&options.folder)?;
        let said = said(&options, &names);
        options.records = said.first().map_or(options.records, |identity| identity.count);
        let sealed = count(&names, &said);
        let chunks = Self {
            options,
            sealed: AtomicU64::new(sealed),
            bytes: AtomicU64::new(0),
            open: Mutex::default(),
            replaced: AtomicU64::new(0),
            spare: Spare::default(),
        };
        let bytes = (0..sealed).map(|number| chunks.file_bytes(number)).sum();
        chunks.bytes.store(bytes, Ordering::Release);
        Ok(chunks)
    }

    fn file_bytes(&self, number: u64) -> u64 {
        let length = |part: Part| {
            let path = self.options.folder.join(part.file(number));
            self.options
                .disk
                .open(&path)
                .and_then(|file| file.len())
                .unwrap_or(0)
        };
        length(Part::Leaves) + length(Part::Payloads)
    }

    pub(super) fn spare(&self) -> &Spare {
        &self.spare
    }

    /// How the chunks are laid out.
    pub fn options(&self) -> &ChunkOptions {
        &self.options
    }

    /// The position up to which the log is sealed.
    pub fn sealed(&self) -> Position {
        let count = self.sealed.load(Ordering::Acquire);
        Position::new(count * u64::from(self.options.records))
    }

    /// The number of the chunk that is sealed next.
    pub fn next(&self) -> u64 {
        self.sealed.load(Ordering::Acquire)
    }

    /// The bytes of all chunks.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Takes in the chunk that was sealed last.
    pub fn grow(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.sealed.fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets the newest chunks that are not whole, down to the one that holds `first`: all records from there on can be
    /// had elsewhere, and are sealed again.
    pub fn forget_damaged(&self, first: Position) {
        self.forget(first, |chunk| chunk.leaves.is_ok() && chunk.payloads.is_ok());
    }

    /// As [`Chunks::forget_damaged`], but only one whose sealing was cut short: the leaves get their name last.
    pub fn forget_unfinished(&self, first: Position) {
        self.forget(first, |chunk| {
            let path = self.options.folder.join(Part::Leaves.file(chunk.identity.number));
            self.options.disk.open(&path).is_ok()
        });
    }

    fn forget(&self, first: Position, is_kept: impl Fn(&Chunk) -> bool) {
        while let Some(number) = self.next().checked_sub(1) {
            let chunk = self.fresh(number);
            if is_kept(&chunk) || chunk.identity.first() < first {
                return;
            }
            let problem = chunk.leaves.err().or(chunk.payloads.err());
            let problem = problem.map(|problem| problem.to_string());
            tracing::warn!(
                number,
                problem,
                "a chunk that is not whole is sealed again from the journal"
            );
            self.bytes.fetch_sub(self.file_bytes(number), Ordering::AcqRel);
            self.sealed.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// What each chunk says of itself, ascending.
    pub fn outlines(&self) -> impl Iterator<Item = Found> {
        (0..self.next()).map(|number| {
            let chunk = self.load(number);
            let outline = chunk.leaves.as_ref().map_err(ChunkError::clone);
            Found {
                identity: chunk.identity,
                outline: outline.map(|leaves| Outline {
                    blocks: leaves.block_hashes().to_vec(),
                    last_recorded: leaves.footer().last_recorded,
                    epoch: leaves.footer().epoch,
                    payloads: chunk.payloads.as_ref().err().cloned(),
                }),
            }
        })
    }

    /// The hashes of the leaves of a range, as far as they lie in the chunk of the first; `None` where that is not sealed.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn hashes(&self, from: Position, until: Position) -> Result<Option<Vec<Hash>>, ReadError> {
        let Some((chunk, at)) = self.holding(from) else {
            return Ok(None);
        };
        let end = at.max(chunk.place(until));
        let leaves = chunk.leaves.as_ref().map_err(ChunkError::clone)?;
        Ok(Some(leaves.hashes(at..end)?))
    }

    /// Reads every byte of a chunk and holds it against itself; tells `leaf` of each leaf and its hash, up to the first that
    /// is damaged.
    pub fn verify(&self, number: u64, leaf: impl FnMut(Position, &[u8], Hash)) -> Verified {
        self.fresh(number).verify(leaf)
    }

    /// The chunk that holds a position, and the record's place in it.
    pub(super) fn holding(&self, position: Position) -> Option<(Arc<Chunk>, u32)> {
        if position >= self.sealed() {
            return None;
        }
        let records = u64::from(self.options.records);
        let (number, at) = (position.get() / records, position.get() % records);
        Some((self.load(number), at as u32))
    }

    /// A chunk, from those that are open where it is among them.
    fn load(&self, number: u64) -> Arc<Chunk> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|chunk| chunk.identity.number == number) {
            let chunk = open.remove(at);
            open.push(Arc::clone(&chunk));
            return chunk;
        }
        let replaced = self.replaced.load(Ordering::Acquire);
        drop(open);
        let chunk = Arc::new(self.fresh(number));
        // What could not be read may be readable the next time: a disk that was busy, a file put back.
        if chunk.leaves.is_ok() && chunk.payloads.is_ok() {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if self.replaced.load(Ordering::Acquire) != replaced {
                return chunk; // It may be the file that was replaced meanwhile: nobody else is given it.
            }
            if open.len() >= OPEN_MAX {
                open.remove(0);
            }
            open.push(Arc::clone(&chunk));
        }
        chunk
    }

    /// Closes a chunk, so that the next who asks for it opens its files as they are now.
    pub(super) fn reopen(&self, number: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|chunk| chunk.identity.number != number);
        // What was removed from the file may lie there.
        self.spare.clear();
        self.replaced.fetch_add(1, Ordering::AcqRel);
    }

    /// A file has so many bytes now, and had so many before.
    pub(super) fn resize(&self, before: u64, now: u64) {
        self.bytes.fetch_add(now, Ordering::AcqRel);
        self.bytes.fetch_sub(before, Ordering::AcqRel);
    }

    /// The records of a chunk that were removed by law; none where its files cannot be read.
    pub fn erased(&self, number: u64) -> Vec<Position> {
        let chunk = self.fresh(number);
        let places = chunk
            .payloads
            .as_ref()
            .map(|payloads| payloads.erased().collect());
        let places: Vec<u32> = places.unwrap_or_default();
        let first = chunk.identity.first();
        places.into_iter().map(|at| first.plus(at.into())).collect()
    }

    pub(super) fn fresh(&self, number: u64) -> Chunk {
        let identity = self.options.identity(number);
        Chunk {
            identity,
            leaves: self.source(identity, Part::Leaves).and_then(Leaves::open),
            payloads: self.source(identity, Part::Payloads).and_then(Payloads::open),
        }
    }

    fn source(&self, identity: Identity, part: Part) -> Result<Source, ChunkError> {
        let name = part.file(identity.number);
        let position = identity.first();
        match self.options.disk.open(&self.options.folder.join(&name)) {
            Ok(file) => Ok(Source { file, name, identity }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ChunkError::Damaged {
                file: name,
                what: "its place".into(),
                problem: "the file is missing".into(),
                position,
            }),
            Err(error) => Err(ChunkError::Io {
                file: name,
                cause: error.to_string(),
                position,
            }),
        }
    }
}

/// Which chunks the headers say they are of, where they can be read and bear the file's own name out.
fn said(options: &ChunkOptions, names: &[String]) -> Vec<Identity> {
    let one = |name: &String| {
        let (part, number) = Part::of(name)?;
        let file = options.disk.open(&options.folder.join(name)).ok()?;
        let mut head = [0; HEADER_BYTES];
        file.read_at(&mut head, 0).ok()?;
        let said = Header::decode(&head, part).ok()?.identity;
        (said.archive == options.archive && said.number == number).then_some(said)
    };
    names.iter().filter_map(one).collect()
}

/// How many chunks there are: as far as headers say so, and as the names of damaged files go on from there. A number in
/// a name alone is nothing to go by.
fn count(names: &[String], said: &[Identity]) -> u64 {
    let numbers: BTreeSet<u64> = names
        .iter()
        .filter_map(|name| Part::of(name))
        .map(|(_, number)| number)
        .collect();
    let newest = said.iter().map(|identity| identity.number).max();
    let mut count = newest.map_or(0, |newest| newest + 1);
    while numbers.contains(&count) {
        count += 1;
    }
    for stray in numbers.range(count..) {
        tracing::warn!(
            number = stray,
            "a file named like a chunk is none of this archive; it is not read and may be moved away"
        );
    }
    count
}

impl Chunk {
    /// Whether it holds a position.
    pub(super) fn holds(&self, position: Position) -> bool {
        self.identity.first() <= position && position < self.identity.end()
    }

    /// The place of a position in the chunk, or the chunk's end.
    pub(super) fn place(&self, position: Position) -> u32 {
        let at = position.since(self.identity.first());
        u32::try_from(at).unwrap_or(u32::MAX).min(self.identity.count)
    }

    /// What these records have in bytes, as a reader counts them.
    fn bytes_of(&self, records: &Range<u32>, columns: Columns) -> usize {
        let leaves = |leaves: &Leaves| leaves.bytes_of(records);
        let payloads = |payloads: &Payloads| payloads.bytes_of(records);
        let leaves = self.leaves.as_ref().map_or(0, leaves);
        let payloads = self.payloads.as_ref().map_or(0, payloads);
        match columns {
            Columns::All | Columns::Unsalted => leaves + payloads,
            Columns::Leaves => leaves,
            Columns::Payloads => payloads,
        }
    }

    pub(super) fn leaves(&self) -> Result<&Leaves, ChunkError> {
        self.leaves.as_ref().map_err(ChunkError::clone)
    }

    pub(super) fn payloads(&self) -> Result<&Payloads, ChunkError> {
        self.payloads.as_ref().map_err(ChunkError::clone)
    }

    /// The records of one run of whole frames, from the one that holds the first of `wanted` on, without reading them.
    fn extent(
        &self,
        wanted: Range<u32>,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Range<u32>, ChunkError> {
        let records = u32::try_from(limit.records).unwrap_or(u32::MAX).max(1);
        let end = wanted.end.min(wanted.start.saturating_add(records));
        let range = match columns {
            Columns::Leaves => wanted.start..end.min(wanted.start.saturating_add(RUN_RECORDS)),
            _ => {
                let some = self
                    .payloads()?
                    .within(&(wanted.start..end), limit.bytes.min(RUN_BYTES));
                wanted.start..some.end.min(end)
            }
        };
        match columns {
            Columns::Leaves | Columns::All | Columns::Unsalted => Ok(self.leaves()?.widened(&range)),
            Columns::Payloads => Ok(self.payloads()?.within(&range, usize::MAX)),
        }
    }

    /// A range that is whole frames of the columns asked for.
    fn columns(&self, range: Range<u32>, columns: Columns) -> Result<Run, ChunkError> {
        let (leaves, payloads) = (columns != Columns::Payloads, columns != Columns::Leaves);
        let count = (range.end - range.start) as usize;
        let (mut leaf_bytes, mut leaf_ends) = (Vec::new(), Vec::with_capacity(count));
        if leaves {
            self.leaves()?
                .read(range.clone(), &mut leaf_bytes, &mut leaf_ends)?;
        }
        let (mut payload_bytes, mut lengths) = (Vec::new(), Vec::with_capacity(count));
        let mut salts = Vec::new();
        if payloads {
            self.payloads()?
                .read(range.clone(), &mut payload_bytes, &mut lengths)?;
            if columns == Columns::All {
                salts = self.payloads()?.salts(range.clone())?;
            }
        }
        let mut payload_end = 0u32;
        let slot = |at: usize| {
            payload_end = payload_end.saturating_add(lengths.get(at).copied().unwrap_or(0));
            Slot {
                leaf_end: leaf_ends.get(at).copied().unwrap_or(0),
                payload_end,
                erased: self.is_erased(range.start + at as u32),
            }
        };
        let slots = (0..count).map(slot).collect();
        let first = self.identity.first().plus(range.start.into());
        let run = Run::new(
            first,
            slots,
            leaf_bytes.into(),
            Bytes::from(salts),
            payload_bytes.into(),
        );
        run.map_err(|error| self.unreadable(first, error.to_string()))
    }

    /// The position of its first record.
    pub(super) fn first(&self) -> Position {
        self.identity.first()
    }

    /// Whether payload and salt of a record were removed by law.
    pub(super) fn is_erased(&self, at: u32) -> bool {
        self.payloads.as_ref().is_ok_and(|file| file.is_erased(at))
    }

    /// Its parts do not fit together.
    pub(super) fn unreadable(&self, position: Position, problem: String) -> ChunkError {
        ChunkError::Damaged {
            file: Part::Payloads.file(self.identity.number),
            what: "its frames".into(),
            problem,
            position,
        }
    }

    fn verify(&self, mut leaf: impl FnMut(Position, &[u8], Hash)) -> Verified {
        // Two threads: commitments are the longer half of the hashing.
        std::thread::scope(|scope| {
            let payloads = scope.spawn(|| match self.leaves().and_then(Leaves::commitments) {
                Ok(commitments) => self.payloads()?.verify(&commitments),
                // The leaves are damaged, which is told: without them payloads can only be read.
                Err(_) => self.payloads().map(drop),
            });
            let leaves = self.leaves().and_then(|leaves| {
                leaves.verify(|at, bytes, hash| leaf(self.identity.first().plus(at.into()), bytes, hash))
            });
            let payloads = payloads.join().unwrap_or_else(|_| {
                Err(ChunkError::Io {
                    file: Part::Payloads.file(self.identity.number),
                    cause: "the thread that verified it panicked".into(),
                    position: self.identity.first(),
                })
            });
            Verified { leaves, payloads }
        })
    }
}

/// Records of one chunk that are to be read together.
struct Piece {
    chunk: Arc<Chunk>,
    records: Range<u32>,
}

impl Chunks {
    /// Which frames to read for the records from `from` on, up to the limit.
    fn plan(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Vec<Piece>, ReadError> {
        let mut left = limit;
        let mut at = from;
        let mut pieces = Vec::new();
        while at < until && left.records > 0 && left.bytes > 0 {
            let Some((chunk, place)) = self.holding(at) else {
                break;
            };
            let wanted = place..chunk.place(until);
            let records = match chunk.extent(wanted, left, columns) {
                Ok(records) => records,
                Err(_) if !pieces.is_empty() => break,
                Err(error) => return Err(error.into()),
            };
            left.records = left.records.saturating_sub((records.end - place) as usize);
            left.bytes = left.bytes.saturating_sub(chunk.bytes_of(&records, columns));
            at = chunk.identity.first().plus(records.end.into());
            pieces.push(Piece { chunk, records });
        }
        Ok(pieces)
    }
}

/// Reads pieces in their order; long reads by two threads, since unpacking is the longer half of what a reader waits for.
fn unpack(pieces: &[Piece], columns: Columns) -> Vec<Result<Run, ChunkError>> {
    let read = |pieces: &[Piece]| -> Vec<_> {
        let one = |piece: &Piece| piece.chunk.columns(piece.records.clone(), columns);
        pieces.iter().map(one).collect()
    };
    let (first, second) = pieces.split_at(pieces.len().div_ceil(2));
    if second.is_empty() {
        return read(first);
    }
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().spawn_scoped(scope, || read(second));
        let mut runs = read(first);
        runs.extend(match other.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(runs)) => runs,
            // Without a thread to be had, or with one that panicked, nothing is lost but time.
            Ok(Err(_)) | Err(_) => read(second),
        });
        runs
    })
}

impl Sealed for Chunks {
    fn status(&self) -> SealedStatus {
        SealedStatus {
            through: self.sealed(),
            bytes: self.bytes(),
            step: self.options.records.into(),
        }
    }

    fn leaf_hashes(&self, from: Position, until: Position) -> Result<Option<Vec<Hash>>, ReadError> {
        let hashes = self.hashes(from, until)?;
        Ok(hashes.filter(|hashes| hashes.len() as u64 == until.since(from)))
    }

    fn fetch_many(
        &self,
        positions: &[Position],
        columns: Columns,
        bytes: usize,
    ) -> Result<Vec<Run>, ReadError> {
        self.many(positions, columns, bytes)
    }
}

impl Shelf for Chunks {
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Option<Vec<Run>>, ReadError> {
        let parts = self.plan(from, until, limit, columns)?;
        let mut runs = Vec::with_capacity(parts.len());
        for run in unpack(&parts, columns) {
            match run {
                Ok(run) => runs.push(run.slice(from, until)),
                // What was read before the damage is answered; the damage is met again by whoever goes on.
                Err(_) if !runs.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok((!runs.is_empty()).then_some(runs))
    }

    fn fetch(&self, position: Position, columns: Columns) -> Result<Option<Run>, ReadError> {
        self.one(position, columns)
    }
}

//! Reading every byte of an archive again and saying, by position, what is not as it was written.
//!
//! It reads the sealed chunks and walks the journal as a start does, through the same [`Scan`], and holds each record against its commitment, its
//! leaf against the rules that every log of this program obeys, and the hot log against the journal. It never changes
//! the journal. Memory is bounded by the number of entries, about 50 bytes each, where these are
//! followed.

mod copy;
mod erasures;
mod ledger;
mod shelf;

pub use crate::log::fixity::{Finding, Kind, OnProgress, Progress, Report};
pub use copy::verify_copy;

use super::blank::Overwritten;
use super::chunk::{ChunkOptions, Chunks};
use super::disk::{Disk, DiskFile, is_zero, read_past_faults};
use super::extents::{Extent, Extents};
use super::frame;
use super::open::lock;
use super::recover::{self, LOST_MAX, Segment, find, frames_before, read_header};
use super::scan::{Chain, Found, Scan};
use super::segment::{FRAMES_AT, Named, SegmentHeader};
use super::state::{self, Said, StateError};
use crate::log::fixity::Verifier;
use crate::merkle::Checkpoint;
use crate::record::Position;
use bytes::Bytes;
use erasures::Erased;
use ledger::{Checks, Ledger};
pub(super) use shelf::Whole;
use shelf::{first_difference, hot_log};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Verifies the archive that a daemon of this process has open, without its entries: what a daemon has in memory besides is
/// not for a check in the background.
pub struct OpenArchive {
    /// The data directory.
    pub data: PathBuf,
    /// The file system.
    pub disk: Arc<dyn Disk>,
}

impl Verifier for OpenArchive {
    fn verify(
        &self,
        signed: Option<Checkpoint>,
        tail: Position,
        progress: &mut OnProgress<'_>,
    ) -> Result<Report, String> {
        let options = VerifyOptions {
            data: self.data.clone(),
            disk: Arc::clone(&self.disk),
            mode: Mode::Running { signed, tail },
            entries: false,
        };
        verify(&options, progress).map_err(|error| error.to_string())
    }
}

/// What is verified.
pub struct VerifyOptions {
    /// The data directory.
    pub data: PathBuf,
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// Whether a daemon has the archive open.
    pub mode: Mode,
    /// Also hold each entry's records against one another: that they link to the one before, and count their revisions.
    /// It takes some 50 bytes of memory an entry.
    pub entries: bool,
}

/// Whether a daemon has the archive open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// None has: the data directory is locked meanwhile, and the hot log is read too.
    Stopped,
    /// One has, and said that this is its tail: the files of the journal are read up to there, the hot log is not.
    Running {
        /// The newest checkpoint that was kept **before** the daemon was asked for its tail. One that is kept later may
        /// cover what the tail does not; one that was kept before must not, or records are gone.
        signed: Option<Checkpoint>,
        /// The tail.
        tail: Position,
    },
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no archive.
    #[error("`{0}` holds no archive; name the data directory with --data")]
    NoArchive(PathBuf),
    /// There is no copy.
    #[error(
        "`{0}` holds no published copy: there is no `checkpoint` in it, nor in exactly one folder below it"
    )]
    NoCopy(PathBuf),
    /// It was ended before it was done.
    #[error("the check was ended before it was done")]
    Ended,
    /// A daemon has it.
    #[error("{0}")]
    InUse(super::open::ArchiveError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file that cannot be read.
    #[error("`{path}`: {cause}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Reads an archive again. `progress` is called about once a MiB.
///
/// # Errors
/// [`VerifyError`]; what is found to be wrong is no error but the report.
pub fn verify(options: &VerifyOptions, progress: &mut OnProgress<'_>) -> Result<Report, VerifyError> {
    let _lock = match options.mode {
        Mode::Stopped => Some(lock_archive(&options.data)?),
        Mode::Running { .. } => None,
    };
    verify_held(options, progress).map(|(report, _)| report)
}

/// Takes the lock of an archive that is there; none is made.
///
/// # Errors
/// [`VerifyError::NoArchive`], [`VerifyError::InUse`].
pub(super) fn lock_archive(data: &Path) -> Result<File, VerifyError> {
    is_archive(data)?;
    lock(data).map_err(VerifyError::InUse)
}

fn is_archive(data: &Path) -> Result<(), VerifyError> {
    if data.join("state").is_dir() || data.join("journal").is_dir() {
        return Ok(());
    }
    Err(VerifyError::NoArchive(data.into()))
}

/// As [`verify`], for whoever holds the lock where it is needed; answers the records as a shelf too.
///
/// # Errors
/// As [`verify`].
pub(super) fn verify_held(
    options: &VerifyOptions,
    progress: &mut OnProgress<'_>,
) -> Result<(Report, Whole), VerifyError> {
    is_archive(&options.data)?;
    let journal = options.data.join("journal");
    let until = match options.mode {
        Mode::Stopped => None,
        Mode::Running { tail, .. } => Some(tail),
    };
    let disk = options.disk.as_ref();
    let folder = options.data.join("state");
    let mut said = state::read(disk, &folder);
    if options.mode != Mode::Stopped && !said.as_ref().is_ok_and(|said| said.faults.is_empty()) {
        // The daemon may have been writing.
        said = state::read(disk, &folder);
    }
    let said = said?;
    let folders = Folders {
        journal: &journal,
        chunks: Some((&options.data.join("chunks"), &options.disk)),
    };
    let signed = match &options.mode {
        Mode::Stopped => said.checkpoint.map(|signed| signed.checkpoint),
        Mode::Running { signed, .. } => signed.clone(),
    };
    let known = Known {
        archive: said.archive,
        entries: options.entries,
        signed,
        erasing: said.erasing,
        erased_through: said.erased_through,
    };
    let (mut report, shelf, archive) = journal_of(disk, &folders, known, until, progress)?;
    if said.archive.is_none() {
        let what = "the archive's id is missing; put the state folder back from a backup";
        report.find(Finding::of_file(Kind::State, state::journal::COPIES[0], what));
    }
    for (path, fault) in said.faults {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        report.find(Finding::of_file(Kind::State, &name, &fault));
    }
    report.origin = said.origin;
    if options.mode == Mode::Stopped {
        let archive = archive.unwrap_or_default();
        hot_log(&options.data.join("sled"), archive, &shelf, &mut report);
    }
    report.settle();
    Ok((report, shelf))
}

/// Verifies an archive of which nothing is open, without its hot log; answers it as a shelf too.
///
/// # Errors
/// As [`verify`].
pub(super) fn verify_whole(
    disk: Arc<dyn Disk>,
    data: &Path,
    said: &Said,
    progress: &mut OnProgress<'_>,
) -> Result<(Report, Whole), VerifyError> {
    let folders = Folders {
        journal: &data.join("journal"),
        chunks: Some((&data.join("chunks"), &disk)),
    };
    let known = Known {
        archive: said.archive,
        signed: said.checkpoint.as_ref().map(|signed| signed.checkpoint.clone()),
        entries: true,
        erasing: said.erasing.clone(),
        erased_through: said.erased_through,
    };
    let (mut report, whole, _) = journal_of(disk.as_ref(), &folders, known, None, progress)?;
    report.settle();
    Ok((report, whole))
}

/// Verifies a journal alone: its files up to the position `until`, or to their end.
///
/// # Errors
/// [`VerifyError::Io`].
pub fn verify_journal(
    disk: &dyn Disk,
    folder: &Path,
    until: Option<Position>,
    progress: &mut OnProgress<'_>,
) -> Result<Report, VerifyError> {
    let folders = Folders {
        journal: folder,
        chunks: None,
    };
    let known = Known {
        archive: None,
        signed: None,
        entries: true,
        erasing: BTreeSet::new(),
        erased_through: Position::START,
    };
    let (mut report, ..) = journal_of(disk, &folders, known, until, progress)?;
    report.settle();
    Ok(report)
}

/// Where the records lie.
struct Folders<'a> {
    journal: &'a Path,
    chunks: Option<(&'a Path, &'a Arc<dyn Disk>)>,
}

/// What is known of the archive from elsewhere.
struct Known {
    archive: Option<u64>,
    signed: Option<Checkpoint>,
    /// Whether entries are followed.
    entries: bool,
    /// The records that were being overwritten.
    erasing: BTreeSet<Position>,
    /// Every ERASE below is complete.
    erased_through: Position,
}

/// Verifies chunks and journal of an archive; where its id is not known, it is what all segments say.
fn journal_of(
    disk: &dyn Disk,
    folders: &Folders<'_>,
    known: Known,
    until: Option<Position>,
    progress: &mut OnProgress<'_>,
) -> Result<(Report, Whole, Option<u64>), VerifyError> {
    let folder = folders.journal;
    let wrap = |cause| VerifyError::Io {
        path: folder.into(),
        cause,
    };
    let said = recover::archives(disk, folder).map_err(wrap)?;
    let same = said.first().copied().filter(|_| said.len() == 1);
    let archive = known.archive.or(same);
    let found = find(disk, folder, archive).map_err(wrap)?;
    // After the segments: what a daemon gives up of them meanwhile is in a chunk by then.
    let chunks = match folders.chunks.filter(|(folder, _)| folder.is_dir()) {
        Some((folder, disk)) => {
            let options = ChunkOptions::new(Arc::clone(disk), folder.into(), archive.unwrap_or_default());
            let chunks = Chunks::open(options).map_err(wrap)?;
            recover::begin(&found.segments).inspect(|first| chunks.forget_unfinished(*first));
            Some(chunks)
        }
        None => None,
    };
    let sealed = chunks.as_ref().map_or(Position::START, Chunks::sealed);
    let mut bytes_total = chunks.as_ref().map_or(0, Chunks::bytes);
    for segment in &found.segments {
        bytes_total += segment.file.len().map_err(wrap)?;
    }
    let mut report = Report::default();
    for name in found.aside {
        report.find(Finding::of_file(
            Kind::Foreign,
            &name,
            "this file is no segment of this archive",
        ));
    }
    let overwritten = Arc::new(Overwritten::new(known.erasing));
    // Commitments are the longer half of the hashing: they have a thread of their own.
    std::thread::scope(|scope| {
        let checks = Checks::start(scope);
        let mut walk = Walk {
            disk,
            folder,
            archive,
            until,
            sealed,
            chunks: chunks.as_ref(),
            chain: Chain::default(),
            extents: Arc::new(Extents::new(Arc::clone(&overwritten))),
            overwritten: Arc::clone(&overwritten),
            ledger: Ledger::new(checks, known.signed, known.entries),
            report,
            progress: Pace {
                call: progress,
                now: Progress {
                    bytes: 0,
                    bytes_total,
                    records: 0,
                },
                told: 0,
                ended: false,
            },
        };
        walk.sealed();
        let needed = recover::needed(&found.segments, sealed);
        walk.begin(found.segments.get(needed).and_then(|segment| segment.header));
        for (at, segment) in found.segments.iter().enumerate().skip(needed) {
            // What the daemon has begun since it said its tail is being written.
            if at > needed && walk.is_done() || walk.progress.ended {
                break;
            }
            let limit = frames_before(&found.segments, at);
            walk.segment(segment, limit).map_err(wrap)?;
        }
        if walk.progress.ended {
            return Err(VerifyError::Ended);
        }
        let Walk {
            mut report,
            mut ledger,
            extents,
            ..
        } = walk;
        report.segments = (found.segments.len() - needed) as u64;
        let met = std::mem::take(&mut ledger.met);
        ledger.finish(&mut report);
        Ok((report, extents, met))
    })
    .map(|(mut report, extents, met)| {
        let mut whole = Whole {
            chunks,
            extents,
            erased: Erased::default(),
        };
        whole.erased = met.hold(&whole, known.erased_through, &mut report);
        (report, whole, archive)
    })
}

/// Tells progress about once a MiB.
struct Pace<'a> {
    call: &'a mut OnProgress<'a>,
    now: Progress,
    told: u64,
    /// Whoever was told has had enough.
    ended: bool,
}

impl Pace<'_> {
    fn add(&mut self, bytes: u64, records: u64) {
        self.now.bytes += bytes;
        self.now.records += records;
        if self.now.bytes - self.told >= 1 << 20 {
            self.told = self.now.bytes;
            self.ended |= (self.call)(self.now).is_break();
        }
    }
}

struct Walk<'a, 'scope> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    archive: Option<u64>,
    until: Option<Position>,
    /// What lies below is in chunks.
    sealed: Position,
    chunks: Option<&'a Chunks>,
    chain: Chain,
    extents: Arc<Extents>,
    overwritten: Arc<Overwritten>,
    ledger: Ledger<'scope>,
    report: Report,
    progress: Pace<'a>,
}

impl Walk<'_, '_> {
    /// Every chunk, against itself and against the rules.
    fn sealed(&mut self) {
        let Some(chunks) = self.chunks else { return };
        self.report.chunks = chunks.next();
        let bytes = chunks.bytes().checked_div(chunks.next()).unwrap_or(0);
        for number in 0..chunks.next() {
            if self.progress.ended {
                return;
            }
            let Self { ledger, report, .. } = self;
            let verified = chunks.verify(number, |position, leaf, hash| {
                ledger.sealed(position, leaf, hash, report);
            });
            let end = chunks.options().identity(number).end();
            ledger.met.blank.extend(chunks.erased(number));
            if verified.leaves.is_err() || verified.payloads.is_err() {
                report.chunks_damaged.push(number);
            }
            if verified.leaves.is_err() {
                let from = ledger.tail();
                report.lose(from, end);
                ledger.lost(from, end);
            }
            for error in [verified.leaves.err(), verified.payloads.err()]
                .into_iter()
                .flatten()
            {
                report.find(Finding {
                    until: Some(end.get()),
                    ..Finding::at(Kind::Chunk, error.position(), error.to_string())
                });
            }
            self.progress.add(bytes, chunks.options().records.into());
        }
    }

    /// Begins with the first segment that is not wholly sealed.
    fn begin(&mut self, header: Option<SegmentHeader>) {
        self.chain.position = self.sealed;
        self.chain.durable = self.sealed;
        if let Some(header) = header.filter(|header| header.first <= self.sealed) {
            self.chain.position = header.first;
            self.chain.sequence = header.first_sequence;
            self.chain.crc = header.previous_crc;
        }
    }

    fn segment(&mut self, segment: &Segment, limit: Option<u64>) -> io::Result<()> {
        self.header(segment)?;
        let Some(header) = segment.header else {
            return self.without_header(segment, limit);
        };
        if limit.is_some_and(|limit| limit <= header.first_sequence) {
            return self.behind(segment, &header, FRAMES_AT, self.chain.position);
        }
        let too_far = header.first.since(self.chain.position) > LOST_MAX;
        if !too_far && (header.first > self.chain.position || header.first_sequence > self.chain.sequence) {
            let what = format!("the journal does not reach to segment `{}`", segment.name);
            self.hole(&segment.name, FRAMES_AT, header.first, what)?;
            self.chain.sequence = header.first_sequence;
            self.chain.crc = header.previous_crc;
        }
        let links = header.first == self.chain.position
            && header.first_sequence == self.chain.sequence
            && header.previous_crc == self.chain.crc
            && !too_far;
        if !links {
            let what = "the segment does not continue the one before it";
            self.found(Kind::Link, segment, 0, None, what.into());
            return Ok(());
        }
        self.chain.durable = self.chain.durable.max(header.recovered_through);
        self.frames(segment, &header, limit)
    }

    /// The header, its copy, and what must be zero beside them.
    fn header(&mut self, segment: &Segment) -> io::Result<()> {
        let mut block = vec![0; FRAMES_AT as usize];
        let found = read_past_faults(segment.file.as_ref(), &mut block, 0)?;
        block.truncate(found);
        self.progress.add(found as u64, 0);
        let Some(header) = segment.header.filter(|_| segment.genuine) else {
            if !is_zero(&block) {
                let what = "header and copy are damaged";
                self.found(Kind::Header, segment, 0, None, what.into());
            }
            return Ok(());
        };
        let wrong = header.encode().iter().zip(&block).position(|(a, b)| a != b);
        if let Some(at) = wrong {
            let what = "the header or its copy is damaged; the other one serves";
            self.found(Kind::Header, segment, at as u64, None, what.into());
        }
        if Named::Segment(header.number).file() != segment.name {
            let what = format!("the file is segment {}", header.number);
            self.found(Kind::Name, segment, 0, None, what);
        }
        Ok(())
    }

    fn without_header(&mut self, segment: &Segment, limit: Option<u64>) -> io::Result<()> {
        if segment.number == 0 {
            let what = "the first segment has neither header nor frame";
            self.found(Kind::Header, segment, 0, None, what.into());
            return Ok(());
        }
        let rest = rest(segment.file.as_ref(), 0)?;
        if !is_zero(&rest) && limit.is_none() {
            self.end_of_log(segment, 0, None, "a last segment without header or frame");
        }
        Ok(())
    }

    fn frames(&mut self, segment: &Segment, header: &SegmentHeader, limit: Option<u64>) -> io::Result<()> {
        let overwritten = Arc::clone(&self.overwritten);
        let mut scan = Scan::new(segment.file.as_ref(), *header, limit, self.chain, &overwritten);
        let mut extent = self.extent(&segment.file, header.id, self.chain.position, FRAMES_AT);
        // What lies behind the daemon's tail is being written.
        while !self.is_done()
            && let Some(found) = scan.step()?
        {
            match found {
                Found::Frame(_, frame) => {
                    self.frame(&frame, &extent);
                    self.chain = scan.chain();
                }
                Found::Hole {
                    offset,
                    resumes,
                    at,
                    error,
                    ..
                } => {
                    self.hole(&segment.name, offset, resumes, error.to_string())?;
                    self.chain = scan.chain();
                    extent = self.extent(&segment.file, header.id, resumes, at);
                }
                Found::End { offset, whole } => {
                    if limit.is_some() {
                        self.behind(segment, header, offset, self.chain.position)?;
                    } else if self.chain.position < self.chain.durable {
                        self.ends_early(segment, offset, "zeros where durable records lay")?;
                    } else if !whole {
                        let what = "the file is shorter than it was made; only zeros are missing".into();
                        self.found(Kind::Cut, segment, offset, None, what);
                    }
                }
                Found::Torn {
                    offset,
                    until,
                    short,
                    error,
                } => {
                    self.torn(segment, offset, until, short && limit.is_none(), limit, &error);
                    if limit.is_none() && self.chain.position < self.chain.durable {
                        self.ends_early(
                            segment,
                            offset,
                            "bytes that are no frame where durable records lay",
                        )?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether everything below the tail that a daemon said was read.
    fn is_done(&self) -> bool {
        self.until.is_some_and(|until| self.chain.position >= until)
    }

    fn torn(
        &mut self,
        segment: &Segment,
        offset: u64,
        until: Option<Position>,
        short: bool,
        limit: Option<u64>,
        error: &frame::FrameError,
    ) {
        if short {
            let what =
                "the newest segment is shorter than it was made: it was cut, or the one after it is gone";
            self.found(Kind::Cut, segment, offset, until, what.into());
        } else if limit.is_none() {
            self.end_of_log(segment, offset, until, &error.to_string());
        } else {
            self.found(Kind::Frame, segment, offset, until, error.to_string());
        }
    }

    /// Bytes behind the last frame: records that may have been acknowledged lay there.
    fn end_of_log(&mut self, segment: &Segment, offset: u64, until: Option<Position>, what: &str) {
        let what = format!("bytes behind the last whole frame ({what}); they may have been acknowledged");
        self.found(Kind::PossiblyAcknowledged, segment, offset, until, what);
    }

    /// The last segment ends before what a header or a later frame says was durable.
    fn ends_early(&mut self, segment: &Segment, offset: u64, what: &str) -> io::Result<()> {
        let until = self.chain.durable.min(self.chain.position.plus(LOST_MAX));
        self.hole(&segment.name, offset, until, what.into())
    }

    fn frame(&mut self, frame: &frame::Frame, extent: &Extent) {
        extent.grow(frame.header.end(), frame.header.length.into());
        self.report.frames += 1;
        let run = frame.run.slice(self.sealed, frame.run.end());
        self.progress.add(frame.header.length.into(), run.len() as u64);
        if !run.is_empty() {
            self.ledger.run(&run, &mut self.report);
        }
        let sealed = frame.run.slice(frame.run.first(), self.sealed);
        if let Some(chunks) = self.chunks
            && let Some(position) = first_difference(&sealed, chunks)
        {
            let what = "the journal holds another record than the chunk";
            self.report.find(Finding::at(Kind::Sealed, position, what.into()));
        }
    }

    /// Records that are not there up to `until`: those that a repair holds are read from it. Where it holds them all nothing
    /// is wrong any more: the damaged bytes go when the segment is sealed.
    fn hole(&mut self, file: &str, offset: u64, until: Position, what: String) -> io::Result<()> {
        let from = self.chain.position;
        let mut at = from;
        let mut by_repair = false;
        while at < until {
            let next = self.repaired(at)?;
            if next == at && at < self.sealed {
                // What is sealed is not missing.
                at = self.sealed.min(until);
            } else if next == at {
                break;
            } else {
                by_repair = true;
                at = next;
            }
        }
        if at >= until && by_repair {
            self.report.repaired.push((from.get(), until.get()));
        } else {
            self.report.find(Finding {
                from: Some(from.get()),
                until: Some(until.get()),
                offset: Some(offset),
                ..Finding::of_file(Kind::Frame, file, &what)
            });
        }
        if at < until {
            self.report.lose(at, until);
            self.ledger.lost(at, until);
        }
        self.chain.position = until;
        Ok(())
    }

    fn repaired(&mut self, from: Position) -> io::Result<Position> {
        let file = match self.disk.open(&self.folder.join(Named::Repair(from).file())) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(from),
            Err(error) => return Err(error),
        };
        let ours = |header: &SegmentHeader| self.archive.is_none_or(|archive| header.archive == archive);
        let Some(header) = read_header(file.as_ref())?.filter(ours) else {
            return Ok(from);
        };
        let start = Chain {
            sequence: header.first_sequence,
            crc: header.previous_crc,
            position: from,
            durable: from,
        };
        let extent = self.extent(&file, header.id, from, FRAMES_AT);
        let overwritten = Arc::clone(&self.overwritten);
        let mut scan = Scan::new(file.as_ref(), header, None, start, &overwritten);
        let mut end = from;
        while let Some(Found::Frame(_, frame)) = scan.step()? {
            self.frame(&frame, &extent);
            end = frame.header.end();
        }
        Ok(end)
    }

    /// What lies behind the frames of a segment that others follow: frames that were written again, zeros, or what a
    /// crash left.
    fn behind(
        &mut self,
        segment: &Segment,
        header: &SegmentHeader,
        offset: u64,
        mut position: Position,
    ) -> io::Result<()> {
        let rest = Bytes::from(rest(segment.file.as_ref(), offset)?);
        self.progress.add(rest.len() as u64, 0);
        let mut at = 0;
        while at < rest.len() {
            match frame::decode_among(&rest.slice(at..), &self.overwritten) {
                Ok(frame) if frame.header.segment == header.id => {
                    at += frame.header.length as usize;
                    position = frame.header.end();
                }
                _ => break,
            }
        }
        if !is_zero(&rest[at.min(rest.len())..]) {
            self.report.find(Finding {
                from: Some(position.get()),
                offset: Some(offset + at as u64),
                ..Finding::of_file(
                    Kind::PossiblyAcknowledged,
                    &segment.name,
                    "a crash left bytes behind the last whole frame; they may have been acknowledged",
                )
            });
        }
        Ok(())
    }

    fn found(&mut self, kind: Kind, segment: &Segment, offset: u64, until: Option<Position>, what: String) {
        self.report.find(Finding {
            from: Some(self.chain.position.get()),
            until: until.map(Position::get),
            offset: Some(offset),
            ..Finding::of_file(kind, &segment.name, &what)
        });
    }

    fn extent(&mut self, file: &Arc<dyn DiskFile>, id: u64, first: Position, offset: u64) -> Arc<Extent> {
        // Nothing is removed here: the name does not matter.
        let extent = Extent::new(Arc::clone(file), "", id, first, offset);
        self.extents.push(Arc::clone(&extent));
        extent
    }
}

fn rest(file: &dyn DiskFile, offset: u64) -> io::Result<Vec<u8>> {
    let length = file.len()?.saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let found = read_past_faults(file, &mut bytes, offset)?;
    bytes.truncate(found);
    Ok(bytes)
}

//! Reading every byte of an archive again and saying, by position, what is not as it was written.
//!
//! It reads the sealed chunks and walks the journal as a start does ([`walk`]), and holds each record against its commitment,
//! its leaf against the rules that every log of this program obeys, what is missing by law against the ERASE records
//! ([`erasures`]), and the hot log against the journal. It never changes the journal. Memory is bounded by the number of
//! entries, about 50 bytes each, where these are followed.

mod copy;
mod erasures;
mod ledger;
mod shelf;
mod walk;

pub use crate::log::fixity::{Finding, Kind, OnProgress, Progress, Report};
pub(super) use copy::PublishedCopy;
pub use copy::verify_copy;

use super::blank::Overwritten;
use super::chunk::{ChunkOptions, Chunks};
use super::disk::Disk;
use super::extents::Extents;
use super::open::lock;
use super::recover::{self, find, frames_before};
use super::scan::Chain;
use super::state::{self, Said, StateError};
use crate::log::Erasure;
use crate::log::fixity::Verifier;
use crate::merkle::Checkpoint;
use crate::record::Position;
use erasures::Erased;
use ledger::{Checks, Ledger};
pub(super) use shelf::Whole;
use shelf::hot_log;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walk::{Pace, Walk};

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
    /// There is an archive without its journal.
    #[error("`{0}` is missing although the archive has a name; put the folder back from a backup")]
    NoJournal(PathBuf),
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

/// Whether there is an archive in a folder.
///
/// # Errors
/// [`VerifyError::NoArchive`].
pub(super) fn is_archive(data: &Path) -> Result<(), VerifyError> {
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
    if !journal.is_dir() {
        return Err(VerifyError::NoJournal(journal));
    }
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
    for (name, fault) in beside(disk, &folder, options.mode != Mode::Stopped)? {
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

/// What is wrong with the journals in the folders of the state folder: a file and what it is. Where a daemon may be writing they are
/// read once more.
fn beside(disk: &dyn Disk, state: &Path, running: bool) -> Result<Vec<(String, String)>, VerifyError> {
    let read = || {
        let mut faults = Vec::new();
        for name in state::BESIDE {
            let folder = state.join(name);
            let copies = state::journal::read(disk, &folder).map_err(|cause| {
                VerifyError::State(StateError::Io {
                    path: folder.clone(),
                    cause,
                })
            })?;
            faults.extend(copies.iter().filter_map(|copy| {
                let file = copy.path.file_name().unwrap_or_default().to_string_lossy();
                Some((format!("{name}/{file}"), copy.fault.clone()?))
            }));
        }
        Ok::<_, VerifyError>(faults)
    };
    match read()? {
        faults if running && !faults.is_empty() => read(),
        faults => Ok(faults),
    }
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
        let later = || match until {
            Some(until) => erased_since(disk, folders, archive, until),
            None => Vec::new(),
        };
        whole.erased = met.hold(&whole, known.erased_through, later, &mut report);
        (report, whole, archive)
    })
}

/// What a daemon has erased since it said its tail, as far as that can be read.
fn erased_since(
    disk: &dyn Disk,
    folders: &Folders<'_>,
    archive: Option<u64>,
    tail: Position,
) -> Vec<Erasure> {
    let segments = || find(disk, folders.journal, archive).map(|found| found.segments);
    // A segment may just have been given up: it is in a chunk then. What cannot be read now is a finding, as it would be
    // without this.
    let segments = segments().or_else(|_| segments()).unwrap_or_default();
    let mut all = erasures::in_segments(&segments, tail).unwrap_or_default();
    if let Some((folder, disk)) = folders.chunks {
        let options = ChunkOptions::new(Arc::clone(disk), folder.into(), archive.unwrap_or_default());
        let chunks = Chunks::open(options);
        all.extend(
            chunks
                .map(|chunks| erasures::in_chunks(&chunks, tail))
                .unwrap_or_default(),
        );
    }
    all
}

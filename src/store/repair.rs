//! Mending a damaged archive from a good copy of the same one.
//!
//! The good copy is another data directory of the same archive, a backup, or a published copy of it ([`good`]). Sealed chunks
//! that are damaged or missing are sealed anew from its records; what the journal has lost is saved as a start saves it from
//! the hot log. Nothing that is whole is touched, and at the end everything is verified.

mod good;

use super::chunk::{ChunkOptions, Writer};
use super::disk::Disk;
use super::open::{ArchiveError, ArchiveOptions, open_held};
use super::state::StateError;
use super::verify::{Mode, OnProgress, Report, VerifyError, VerifyOptions, Whole, lock_archive, verify_held};
use crate::log::fixity::{Finding, Kind};
use crate::log::store::Shelf;
use crate::log::{Columns, ReadLimit};
use crate::record::Position;
use good::GoodCopy;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STEP: ReadLimit = ReadLimit {
    records: 8_192,
    bytes: 4 << 20,
};

/// What is mended, and from what.
pub struct RepairOptions {
    /// The damaged archive's data directory.
    pub data: PathBuf,
    /// The good copy: a data directory, or the folder of a published copy.
    pub good: PathBuf,
    /// The file system.
    pub disk: Arc<dyn Disk>,
}

/// What was done.
#[derive(Debug)]
pub struct Repaired {
    /// A sentence for each thing that was mended.
    pub mended: Vec<String>,
    /// What a verification found afterwards.
    pub report: Report,
}

/// Why nothing was mended, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The archive or its copy cannot be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The copy is of another archive.
    #[error("`{good}` is not a copy of the archive in `{data}`: it has another name, id or key")]
    Other {
        /// The damaged archive.
        data: PathBuf,
        /// The other one.
        good: PathBuf,
    },
    /// The copy was continued by itself.
    #[error(
        "`{good}` and `{data}` hold different records from about position {position} on: one of them was started elsewhere and appended to; nothing is taken from it"
    )]
    Forked {
        /// The damaged archive.
        data: PathBuf,
        /// The other one.
        good: PathBuf,
        /// A position at which they differ.
        position: Position,
    },
    /// The copy is not good itself.
    #[error("`{good}` is damaged itself ({what}); nothing is taken from it")]
    GoodDamaged {
        /// The copy.
        good: PathBuf,
        /// The first thing that is wrong with it.
        what: String,
    },
    /// There is neither.
    #[error(
        "`{0}` holds neither an archive nor a published copy of one; name the data directory of a backup, or the folder into which one was copied over HTTP"
    )]
    Neither(PathBuf),
    /// The copy has no checkpoint that its records were held against.
    #[error("`{0}` has no signed checkpoint; nothing says that its records are those of this archive")]
    Unsigned(PathBuf),
    /// A chunk could not be written.
    #[error("chunk {number} could not be written again: {cause}")]
    Chunk {
        /// The chunk.
        number: u64,
        /// What went wrong.
        cause: String,
    },
    /// The damaged hot log could not be removed.
    #[error(
        "`{folder}`, which is damaged, could not be removed: {cause}; remove it, and the next start builds it anew"
    )]
    Hot {
        /// Its folder.
        folder: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The mended archive could not be opened.
    #[error(transparent)]
    Open(#[from] ArchiveError),
}

/// Mends what can be mended. `progress` is told of each reading of all files: of the damaged archive, of the good copy, and of
/// the mended archive. Both are locked until it is done: nobody starts a daemon on either meanwhile.
///
/// # Errors
/// [`RepairError`]; what was mended before stays so. What could not be mended is in the report.
pub fn repair(options: &RepairOptions, progress: &mut OnProgress<'_>) -> Result<Repaired, RepairError> {
    let lock = lock_archive(&options.data)?;
    let damaged = VerifyOptions {
        data: options.data.clone(),
        disk: Arc::clone(&options.disk),
        mode: Mode::Stopped,
        entries: true,
    };
    let (before, ours) = verify_held(&damaged, progress)?;
    if before.is_sound() && before.lost.is_empty() {
        return Ok(Repaired {
            mended: Vec::new(),
            report: before,
        });
    }
    let good = GoodCopy::open(options, &ours, progress)?;
    let known = good.until();
    let mut mended = Vec::new();
    seal_again(options, &before, &ours, &good, &mut mended)?;
    drop(ours);
    save_journal(options, good, &lock)?;
    let (mut report, _) = verify_held(&damaged, progress)?;
    mended.extend(saved(&before, &report));
    mended.extend(copied(&before, &report));
    let vouched = known.get().max(before.checkpoint.unwrap_or_default());
    if is_hot_alone(&report, vouched) {
        remove_hot(&options.data, &mut report)?;
        mended.push("the hot log was removed; the next start builds it anew".into());
    }
    Ok(Repaired { mended, report })
}

/// Seals damaged and missing chunks anew.
fn seal_again(
    options: &RepairOptions,
    before: &Report,
    ours: &Whole,
    good: &GoodCopy,
    mended: &mut Vec<String>,
) -> Result<(), RepairError> {
    let folder = options.data.join("chunks");
    let Some(chunk_options) = layout(ours, good) else {
        return Ok(());
    };
    let chunk_options = ChunkOptions {
        folder: folder.clone(),
        ..chunk_options
    };
    for number in to_seal(before, u64::from(chunk_options.records)) {
        let identity = chunk_options.identity(number);
        if identity.end() > good.until() {
            continue;
        }
        write_chunk(options.disk.as_ref(), &folder, identity, good)
            .map_err(|cause| RepairError::Chunk { number, cause })?;
        mended.push(format!(
            "chunk {number}, positions {} up to {}, was sealed again from the good copy",
            identity.first(),
            identity.end()
        ));
    }
    Ok(())
}

/// How the archive's chunks are laid out: as those that are left, else as the good copy's.
fn layout(ours: &Whole, good: &GoodCopy) -> Option<ChunkOptions> {
    let ours = ours.chunks.as_ref();
    let some = ours.filter(|chunks| chunks.next() > 0).or(good.chunks()).or(ours);
    some.map(|chunks| chunks.options().clone())
}

/// The chunks that are damaged, and those that are gone and go on from them.
fn to_seal(before: &Report, records: u64) -> BTreeSet<u64> {
    let mut numbers: BTreeSet<u64> = before.chunks_damaged.iter().copied().collect();
    let is_lost = |number: u64| {
        let (first, end) = (number * records, (number + 1) * records);
        before
            .lost
            .iter()
            .any(|(from, until)| *from < end && first < *until)
    };
    // A hole in the numbers would be the end of the sealed log.
    let gone = (before.chunks..).take_while(|number| is_lost(*number));
    numbers.extend(gone.take(usize::try_from(before.tail / records).unwrap_or(usize::MAX)));
    numbers
}

fn write_chunk(
    disk: &dyn Disk,
    folder: &Path,
    identity: super::chunk::Identity,
    good: &GoodCopy,
) -> Result<(), String> {
    let mut writer = Writer::begin(disk, folder, identity).map_err(|error| error.to_string())?;
    while writer.next() < identity.end() {
        let runs = good.read(writer.next(), identity.end(), STEP, Columns::All);
        let runs = runs.map_err(|error| error.to_string())?.unwrap_or_default();
        if runs.is_empty() {
            return Err(format!(
                "the good copy has no record at position {}",
                writer.next()
            ));
        }
        for run in runs {
            // It holds every payload against its commitment.
            writer
                .add(&run, &mut || true)
                .map_err(|error| error.to_string())?;
        }
    }
    let root = good.root(identity);
    let sealed = writer.finish(root, &mut || true);
    sealed.map(drop).map_err(|error| error.to_string())
}

/// Has a start save what the journal has lost.
fn save_journal(options: &RepairOptions, good: GoodCopy, lock: &File) -> Result<(), RepairError> {
    let rescue = Some(Arc::new(good) as Arc<dyn Shelf>);
    let options = ArchiveOptions {
        rescue,
        disk: Arc::clone(&options.disk),
        ..ArchiveOptions::new(&options.data)
    };
    let archive = open_held(options, lock)?;
    archive.log.close();
    Ok(())
}

/// What the journal holds now and did not before.
fn saved(before: &Report, after: &Report) -> Vec<String> {
    let new = after
        .repaired
        .iter()
        .filter(|range| !before.repaired.contains(range));
    let end = (before.tail, after.tail);
    let end = (end.0 < end.1).then_some(end);
    new.copied()
        .chain(end)
        .map(|(from, until)| format!("positions {from} up to {until} were written to the journal again"))
        .collect()
}

/// The files of the state folder that were damaged: whoever opens it writes them again from the whole one.
fn copied(before: &Report, after: &Report) -> Vec<String> {
    let of_state = |finding: &&Finding| finding.kind == Kind::State && !after.findings.contains(finding);
    let files = before
        .findings
        .iter()
        .filter(of_state)
        .filter_map(|finding| finding.file.as_ref());
    files
        .map(|file| format!("`state/{file}` was written again from the state's other copy"))
        .collect()
}

/// Whether nothing is wrong any more but the hot log, and the good copy or an earlier checkpoint vouches for the log up to its
/// tail: then it is the hot log that is wrong.
fn is_hot_alone(report: &Report, vouched: u64) -> bool {
    // One that has seen more than there is may be all that knows of it.
    let is_hot = |finding: &Finding| finding.kind == Kind::HotLog && finding.until.is_none();
    let listed = report.findings.len() as u64 == report.findings_total;
    !report.is_sound()
        && listed
        && report.findings.iter().all(is_hot)
        && report.lost.is_empty()
        && vouched >= report.tail
}

fn remove_hot(data: &Path, report: &mut Report) -> Result<(), RepairError> {
    let folder = data.join("sled");
    std::fs::remove_dir_all(&folder).map_err(|cause| RepairError::Hot { folder, cause })?;
    report.findings.clear();
    report.findings_total = 0;
    report.hot_records = 0;
    Ok(())
}

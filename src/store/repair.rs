//! Mending a damaged archive from a good copy of the same one.
//!
//! The good copy is another data directory of the same archive: a backup. It is believed as far as its own newest
//! checkpoint covers it, which must be signed with the damaged archive's key, and only where it holds every record just as
//! the damaged archive does as far as that can be read; everything taken from it is checked again on the way. Sealed chunks that are damaged or missing are sealed anew from its records; what the journal has lost is saved
//! as a start saves it from the hot log. Nothing that is whole is touched, and at the end everything is verified.

use super::chunk::{ChunkOptions, Writer};
use super::disk::Disk;
use super::open::{ArchiveError, ArchiveOptions, open_held};
use super::state::{self, State, StateError};
use super::verify::{
    Mode, OnProgress, Report, VerifyError, VerifyOptions, Whole, lock_archive, verify_held, verify_whole,
};
use crate::log::store::Shelf;
use crate::log::{Columns, ReadError, ReadLimit, Run};
use crate::merkle::{Checkpoint, Tree};
use crate::record::{Position, leaf_hash};
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
    /// The good copy's.
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
    let good = good_copy(options, &ours, progress)?;
    drop(ours);
    let mut mended = Vec::new();
    seal_again(options, &before, &good, &mut mended)?;
    save_journal(options, good, &lock)?;
    let (report, _) = verify_held(&damaged, progress)?;
    mended.extend(saved(&before, &report));
    Ok(Repaired { mended, report })
}

/// Records of the same archive, as far as a checkpoint covers them.
struct GoodCopy {
    whole: Whole,
    until: Position,
    /// Over the records below `until`.
    tree: Tree,
    /// What either archive has erased: a backup may be older than the erasure.
    erased: BTreeSet<Position>,
    /// Held while records are taken from it.
    _lock: File,
}

impl Shelf for GoodCopy {
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Option<Vec<Run>>, ReadError> {
        if from >= self.until {
            return Ok(None);
        }
        let runs = self.whole.read(from, until.min(self.until), limit, columns)?;
        Ok(runs.map(|runs| runs.into_iter().map(|run| self.masked(run)).collect()))
    }

    fn fetch(&self, position: Position, columns: Columns) -> Result<Option<Run>, ReadError> {
        if position >= self.until {
            return Ok(None);
        }
        let run = self.whole.fetch(position, columns)?;
        Ok(run.map(|run| self.masked(run)))
    }
}

/// Reads the good copy and sees that it is one.
fn good_copy(
    options: &RepairOptions,
    ours_read: &Whole,
    progress: &mut OnProgress<'_>,
) -> Result<GoodCopy, RepairError> {
    let lock = lock_archive(&options.good)?;
    // The damaged archive mends its own state first, where one of its two copies serves.
    let ours = State::open(Arc::clone(&options.disk), &options.data.join("state"))?;
    let theirs = state::read(options.disk.as_ref(), &options.good.join("state"))?;
    let key = ours.key()?.map(|key| key.verifier().to_string());
    let same = theirs.archive.is_some()
        && theirs.archive == ours.archive()?
        && theirs.verifier.is_some()
        && theirs.verifier == key;
    if !same {
        return Err(RepairError::Other {
            data: options.data.clone(),
            good: options.good.clone(),
        });
    }
    let (report, whole) = verify_whole(options.disk.clone(), &options.good, &theirs, progress)?;
    if let Some(first) = report.findings.first() {
        return Err(RepairError::GoodDamaged {
            good: options.good.clone(),
            what: first.what.clone(),
        });
    }
    let signed = report
        .checkpoint
        .ok_or_else(|| RepairError::Unsigned(options.good.clone()))?;
    let theirs_erased = whole.erased.named.iter().copied();
    let erased = ours_read.erased.named.iter().copied().chain(theirs_erased);
    let mut good = GoodCopy {
        erased: erased.collect(),
        whole,
        until: Position::new(signed),
        tree: Tree::default(),
        _lock: lock,
    };
    let ours_signed = ours.checkpoint()?.map(|signed| signed.checkpoint);
    let same = good.read_beside(ours_read, ours_signed.as_ref());
    let same = same.map_err(|error| RepairError::GoodDamaged {
        good: options.good.clone(),
        what: error.to_string(),
    })?;
    match same {
        Same::Yes => Ok(good),
        Same::Not(position) => Err(RepairError::Forked {
            data: options.data.clone(),
            good: options.good.clone(),
            position,
        }),
    }
}

/// Whether two archives have one history.
enum Same {
    Yes,
    /// Not from about this position on.
    Not(Position),
}

impl GoodCopy {
    fn masked(&self, run: Run) -> Run {
        match self.erased.range(run.first()..run.end()).next() {
            Some(_) => run.without(|position| self.erased.contains(&position)),
            None => run,
        }
    }

    /// Reads all leaves, for the tree, and holds them against those that the damaged archive still has, and against its newest
    /// checkpoint. A copy that was started by itself and appended to has the same key and the same signatures up to there,
    /// and other records afterwards: nothing may be taken from it.
    fn read_beside(&mut self, ours: &Whole, signed: Option<&Checkpoint>) -> Result<Same, ReadError> {
        let signed = signed.filter(|signed| signed.size <= self.until.get());
        let mut at = Position::START;
        while at < self.until {
            let runs = self.whole.read(at, self.until, STEP, Columns::Leaves)?;
            let runs: Vec<Run> = runs.unwrap_or_default();
            let begun = at;
            let runs: Vec<Run> = runs.iter().map(|run| run.slice(at, self.until)).collect();
            for record in runs.iter().flat_map(Run::iter) {
                self.tree.push(leaf_hash(record.leaf));
                at = record.position.next();
                let is_signed = signed.filter(|signed| signed.size == self.tree.size());
                if is_signed.is_some_and(|signed| signed.root != self.tree.root()) {
                    return Ok(Same::Not(record.position));
                }
            }
            if at == begun {
                return Err(ReadError::BeyondTail {
                    position: at,
                    tail: at,
                });
            }
            let other = runs.iter().find_map(|run| other_leaf(run, ours));
            if let Some(position) = other.filter(|position| *position < self.until) {
                return Ok(Same::Not(position));
            }
        }
        Ok(Same::Yes)
    }
}

/// The first record of a run that another shelf holds with another leaf; what that one has not, or cannot read, is passed over.
fn other_leaf(run: &Run, shelf: &dyn Shelf) -> Option<Position> {
    let mut at = run.first();
    while at < run.end() {
        let read = shelf.read(at, run.end(), STEP, Columns::Leaves);
        let begun = at;
        for other in read.iter().flatten().flatten().flat_map(Run::iter) {
            let Some(record) = run.get(other.position) else {
                continue;
            };
            if record.leaf != other.leaf {
                return Some(other.position);
            }
            at = other.position.next();
        }
        if at == begun {
            at = at.next();
        }
    }
    None
}

/// Seals damaged and missing chunks anew.
fn seal_again(
    options: &RepairOptions,
    before: &Report,
    good: &GoodCopy,
    mended: &mut Vec<String>,
) -> Result<(), RepairError> {
    let folder = options.data.join("chunks");
    let Some(chunks) = &good.whole.chunks else {
        return Ok(());
    };
    let chunk_options = ChunkOptions {
        folder: folder.clone(),
        ..chunks.options().clone()
    };
    for number in to_seal(before, u64::from(chunk_options.records)) {
        let identity = chunk_options.identity(number);
        if identity.end() > good.until {
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
    let root = good
        .tree
        .subtree(identity.count.trailing_zeros() as usize, identity.number);
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
        .map(|(from, until)| format!("positions {from} up to {until} were saved from the good copy"))
        .collect()
}

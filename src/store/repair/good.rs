//! The copy that a damaged archive is mended from.
//!
//! It is believed as far as its own newest checkpoint covers it, which must be signed with the damaged archive's key, and only
//! where it holds every record just as the damaged archive does as far as that can be read; everything taken from it is
//! checked again on the way. What either of the two has erased is not taken, and no record whose content was left out.

use super::super::chunk::{Chunks, Identity};
use super::super::state::{self, State};
use super::super::verify::{
    OnProgress, PublishedCopy, Report, VerifyError, Whole, is_archive, lock_archive, verify_copy,
    verify_whole,
};
use super::{RepairError, RepairOptions, STEP};
use crate::log::store::Shelf;
use crate::log::{Columns, Erasure, ReadError, ReadLimit, Run, Stored};
use crate::merkle::{Checkpoint, Tree};
use crate::record::{Act, Hash, Leaf, Position, leaf_hash};
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

/// Records of the same archive, as far as a checkpoint covers them.
pub struct GoodCopy {
    source: Source,
    until: Position,
    /// Over the records below `until`.
    tree: Tree,
    /// What either archive has erased: a backup may be older than the erasure.
    erased: BTreeSet<Position>,
    /// Held while records are taken from it; nobody writes to a published copy.
    _lock: Option<File>,
}

/// Where its records lie.
enum Source {
    Archive(Box<Whole>),
    Published(PublishedCopy),
}

impl Source {
    fn shelf(&self) -> &dyn Shelf {
        match self {
            Self::Archive(whole) => whole.as_ref(),
            Self::Published(copy) => copy,
        }
    }
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
        let runs = self
            .source
            .shelf()
            .read(from, until.min(self.until), limit, columns)?;
        let Some(runs) = runs else { return Ok(None) };
        let mut good = Vec::with_capacity(runs.len());
        for run in runs {
            let run = self.masked(run);
            match self.withheld(&run) {
                None => good.push(run),
                // What comes before it is answered; whoever goes on meets it again.
                Some(at) if at > from => {
                    good.push(run.slice(run.first(), at));
                    break;
                }
                Some(at) => return Err(no_content(at)),
            }
        }
        Ok(Some(good))
    }

    fn fetch(&self, position: Position, columns: Columns) -> Result<Option<Run>, ReadError> {
        if position >= self.until {
            return Ok(None);
        }
        let run = self.source.shelf().fetch(position, columns)?;
        let run = run.map(|run| self.masked(run));
        match run.as_ref().and_then(|run| self.withheld(run)) {
            Some(at) => Err(no_content(at)),
            None => Ok(run),
        }
    }
}

fn no_content(position: Position) -> ReadError {
    ReadError::Damaged {
        position,
        expected: "a record with its content".into(),
        found: "a copy from which the content was left out".into(),
    }
}

impl GoodCopy {
    /// Reads a copy and sees that it is a good one, of this archive.
    ///
    /// # Errors
    /// [`RepairError`].
    pub fn open(
        options: &RepairOptions,
        ours_read: &Whole,
        progress: &mut OnProgress<'_>,
    ) -> Result<Self, RepairError> {
        // The damaged archive mends its own state first, where one of its two copies serves.
        let ours = State::open(Arc::clone(&options.disk), &options.data.join("state"))?;
        let mut good = match is_archive(&options.good) {
            Ok(()) => Self::archive(options, &ours, progress)?,
            Err(_) => Self::published(options, &ours, progress)?,
        };
        good.erased.extend(&ours_read.erased.named);
        let signed = ours.checkpoint()?.map(|signed| signed.checkpoint);
        let same = good.read_beside(ours_read, signed.as_ref());
        let same = same.map_err(|error| damaged(options, &error.to_string()))?;
        match same {
            Same::Yes => Ok(good),
            Same::Not(position) => Err(RepairError::Forked {
                data: options.data.clone(),
                good: options.good.clone(),
                position,
            }),
        }
    }

    /// Another data directory.
    fn archive(
        options: &RepairOptions,
        ours: &State,
        progress: &mut OnProgress<'_>,
    ) -> Result<Self, RepairError> {
        let lock = lock_archive(&options.good)?;
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
        let until = signed(options, &report)?;
        Ok(Self {
            erased: whole.erased.named.clone(),
            source: Source::Archive(Box::new(whole)),
            until,
            tree: Tree::default(),
            _lock: Some(lock),
        })
    }

    /// A published copy, which the archive's own key must have signed.
    fn published(
        options: &RepairOptions,
        ours: &State,
        progress: &mut OnProgress<'_>,
    ) -> Result<Self, RepairError> {
        let unnamed = || RepairError::Unsigned(options.good.clone());
        let key = ours.key()?.ok_or_else(unnamed)?;
        let report = verify_copy(&options.good, key.verifier(), None, progress);
        let report = report.map_err(|error| match error {
            VerifyError::NoCopy(path) => RepairError::Neither(path),
            error => error.into(),
        })?;
        let until = signed(options, &report)?;
        Ok(Self {
            source: Source::Published(PublishedCopy::open(&options.good, until)?),
            until,
            tree: Tree::default(),
            erased: BTreeSet::new(),
            _lock: None,
        })
    }

    /// The position after its last record.
    pub fn until(&self) -> Position {
        self.until
    }

    /// The hash over a chunk's leaves in its tree.
    pub fn root(&self, identity: Identity) -> Option<Hash> {
        let level = identity.count.trailing_zeros() as usize;
        self.tree.subtree(level, identity.number)
    }

    /// Its chunks, where it has some.
    pub fn chunks(&self) -> Option<&Chunks> {
        match &self.source {
            Source::Archive(whole) => whole.chunks.as_ref().filter(|chunks| chunks.next() > 0),
            Source::Published(_) => None,
        }
    }

    /// The first record of a run whose content is missing and was not erased: somebody left it out, and nothing may be sealed
    /// without it.
    fn withheld(&self, run: &Run) -> Option<Position> {
        let mut missing = run.iter().filter(|record| record.erased);
        let at = missing.find(|record| !self.erased.contains(&record.position));
        at.map(|record| record.position)
    }
}

/// Up to where a copy that was found sound is signed for.
fn signed(options: &RepairOptions, report: &Report) -> Result<Position, RepairError> {
    if let Some(first) = report.findings.first() {
        return Err(damaged(options, &first.what));
    }
    let size = report.checkpoint.filter(|_| report.lost.is_empty());
    let size = size.ok_or_else(|| RepairError::Unsigned(options.good.clone()))?;
    Ok(Position::new(size))
}

fn damaged(options: &RepairOptions, what: &str) -> RepairError {
    RepairError::GoodDamaged {
        good: options.good.clone(),
        what: what.to_owned(),
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
            let runs = self.source.shelf().read(at, self.until, STEP, Columns::Leaves)?;
            let runs: Vec<Run> = runs.unwrap_or_default();
            let begun = at;
            let runs: Vec<Run> = runs.iter().map(|run| run.slice(at, self.until)).collect();
            for record in runs.iter().flat_map(Run::iter) {
                self.tree.push(leaf_hash(record.leaf));
                at = record.position.next();
                self.erased.extend(self.erased_by(record)?);
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

impl GoodCopy {
    /// What the record at this leaf erased, where it is an ERASE.
    fn erased_by(&self, record: Stored<'_>) -> Result<Vec<Position>, ReadError> {
        let Some(leaf) = Leaf::decode(record.leaf)
            .ok()
            .filter(|leaf| leaf.act == Act::Erase)
        else {
            return Ok(Vec::new());
        };
        let run = self.source.shelf().fetch(record.position, Columns::All)?;
        let payload = run.as_ref().and_then(|run| run.get(record.position));
        let payload = payload.map_or(&[][..], |record| record.payload);
        let erasure = Erasure::of(record.position, &leaf, payload);
        Ok(erasure.map(|erasure| erasure.targets).unwrap_or_default())
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

//! Views, and what keeps them going.
//!
//! A [`View`] is a fold of the log into files that can be thrown away. Everything that is the same for each of them is done here:
//! a [`Runner`] opens it or begins it anew, catches up, follows, seals, has it made anew beside the one that answers and puts that
//! one in its place. [`thread`] gives a runner a thread of its own, [`standing`] says how it stands, [`views`] knows all there are.
//!
//! A record is folded once, in the order of positions. A view's files say through which record they reach, and with whose leaf
//! they end: what they hold and how far it goes come to the disk in one step, so that after a crash the fold goes on where they
//! end. Files of another version, of another log, or that are damaged are removed, and the view is folded from the first record;
//! whoever asks is answered without it meanwhile.

mod rebuild;
pub mod standing;
pub mod thread;
pub mod views;

use crate::index::{self, IndexError};
use crate::log::{Columns, Log, ReadError, ReadLimit, Stored};
use crate::record::{Hash, Leaf, Position, leaf_hash};
use crate::view::matching::decode;
use standing::State;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STEP: ReadLimit = ReadLimit {
    records: 4_096,
    bytes: 2 << 20,
};

/// Why a record was not folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The view's files.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The log.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A fold of the log into files of its own, which can be thrown away: from the same records follows the same view.
pub trait View: Send + Sized + 'static {
    /// What it is called; its folders begin so.
    const NAME: &'static str;
    /// What it is made of.
    const COLUMNS: Columns;
    /// What questions are put to.
    type Asked: Asked;

    /// The version of what is in it, and of the tables that it is made with. Another one is another folder, filled anew.
    fn version() -> String;

    /// Opens what lies in a folder, or makes an empty one there.
    ///
    /// # Errors
    /// [`IndexError`]; the folder is removed then, and begun anew.
    fn open(folder: &Path) -> Result<Self, IndexError>;

    /// What questions are put to; the same as long as this is open.
    fn asked(&self) -> Arc<Self::Asked>;

    /// Every record below is folded.
    fn through(&self) -> Position;

    /// The hash of the leaf of the last record in its files, and the position after it; `None` where there are no files.
    fn mark(&self) -> Option<(Hash, Position)>;

    /// Folds the record at [`View::through`].
    ///
    /// # Errors
    /// [`FoldError`]; the record is as if it had not been folded.
    fn fold(&mut self, log: &Log, record: &Stored<'_>, leaf: &Leaf<'_>) -> Result<(), FoldError>;

    /// Whether it is time to seal: nothing is folded before that is done.
    fn is_full(&self) -> bool;

    /// Does what was put off while records were folded; at the end of each step, and before the files are added to.
    ///
    /// # Errors
    /// [`IndexError`]; call it again then.
    fn settle(&mut self) -> Result<(), IndexError> {
        Ok(())
    }

    /// Brings what was folded to the disk, so that the next start goes on from here; `last` is the hash of the last record's leaf.
    ///
    /// # Errors
    /// [`IndexError`]; everything is as before then.
    fn seal(&mut self, last: &Hash) -> Result<(), IndexError>;

    /// Merges files where that is due.
    ///
    /// # Errors
    /// [`IndexError`]; call it again then.
    fn tend(&mut self) -> Result<(), IndexError>;

    /// Tells the log what it may rest on from now on. Only called for the one that answers.
    fn tell(&mut self, _log: &Log) {}

    /// Forgets every record, and removes its files.
    ///
    /// # Errors
    /// [`IndexError`]; call it again then.
    fn clear(&mut self) -> Result<(), IndexError>;

    /// Has in the place of what it has what another one made and sealed, which reaches as far.
    ///
    /// # Errors
    /// [`FoldError`].
    fn give_way_to(&mut self, other: Self, folders: &Folders) -> Result<(), FoldError>;
}

/// What questions about a view are put to.
pub trait Asked: Send + Sync + Sized + 'static {
    /// What its runner and whoever asks both know.
    fn state(&self) -> &State<Self>;

    /// Every record below is in it.
    fn through(&self) -> Position;

    /// The bytes of its files.
    fn bytes(&self) -> u64;

    /// How many files it has.
    fn files(&self) -> usize;

    /// It is about to be filled anew, from a log that may still have what is to be erased.
    fn begins_anew(&self) {}
}

/// Where a view lies.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The one that answers.
    pub own: PathBuf,
    /// Where the new one is while it is made.
    pub new: PathBuf,
    /// Where the old one is while it is removed.
    pub aside: PathBuf,
}

impl Folders {
    /// Those of a view in a folder of views.
    pub fn of<V: View>(views: &Path) -> Self {
        let beside = |end: &str| views.join(format!("{}-{}{end}", V::NAME, V::version()));
        Self {
            own: beside(""),
            new: beside(".new"),
            aside: beside(".old"),
        }
    }

    /// Removes what is beside the one that answers.
    fn clean(&self) -> Result<(), IndexError> {
        index::remove(&self.new)?;
        index::remove(&self.aside)
    }
}

/// Folds one log into one view.
pub struct Runner<V: View> {
    view: V,
    folders: Folders,
    /// The one that is made anew beside it.
    rebuild: Option<Box<V>>,
}

impl<V: View> Runner<V> {
    /// Opens the view of a log in a folder of views, or makes one there; what other versions have left is removed. A view of
    /// another log, or of records that this one does not have any more since an older backup was put back, is made anew.
    ///
    /// # Errors
    /// [`FoldError`].
    pub fn open(views: &Path, log: &Log) -> Result<Self, FoldError> {
        let folders = Folders::of::<V>(views);
        folders.clean()?;
        let others = index::remove_others(views, &format!("{}-", V::NAME), &folders.own)?;
        let (view, why) = match V::open(&folders.own) {
            Ok(view) if is_of(view.mark(), log)? => {
                let is_empty = view.through() == Position::START;
                let other = others.first().filter(|_| is_empty);
                let why =
                    other.map(|version| format!("version {version} was of another version of the program"));
                (view, why)
            }
            Ok(view) => {
                tracing::warn!(
                    "the {} view is of other records than the log's; it is made anew",
                    V::NAME
                );
                drop(view);
                let why = "its files were of other records than the log's".to_owned();
                (anew(&folders.own)?, Some(why))
            }
            Err(error) => {
                tracing::warn!(%error, "the {} view cannot be opened and is made anew", V::NAME);
                let why = "its files could not be opened".to_owned();
                (anew(&folders.own)?, Some(why))
            }
        };
        if let Some(why) = why {
            view.asked().state().set_anew(why, log.tail());
        }
        Ok(Self {
            view,
            folders,
            rebuild: None,
        })
    }

    /// What questions are put to.
    pub fn asked(&self) -> Arc<V::Asked> {
        self.view.asked()
    }

    /// Folds what is published, some records at a time; says whether there may be more.
    ///
    /// # Errors
    /// [`FoldError`]; what was not folded is folded by the next call.
    pub fn step(&mut self, log: &Log) -> Result<bool, FoldError> {
        let asked = self.view.asked();
        if asked.state().is_damaged() {
            tracing::warn!("the {} view is damaged and is made anew", V::NAME);
            asked.begins_anew();
            self.view.clear()?;
            asked
                .state()
                .set_anew("its files were damaged".to_owned(), log.tail());
            asked.state().set_damaged(false);
        }
        step(&mut self.view, log)?;
        self.view.tell(log);
        let is_rebuilding = self.step_rebuild(log)?;
        Ok(is_rebuilding || self.view.through() < log.tail())
    }

    /// Seals what was folded, so that the next start goes on from here.
    ///
    /// # Errors
    /// [`FoldError`].
    pub fn seal(&mut self, log: &Log) -> Result<(), FoldError> {
        seal(&mut self.view, log)
    }

    /// Takes note of a failed step: after damage the next one begins anew.
    pub fn failed(&self, error: &FoldError) {
        if matches!(error, FoldError::Index(error) if error.is_damage()) {
            self.view.asked().state().set_damaged(true);
        }
    }
}

/// Folds some records, whether the view answers or is made anew.
fn step<V: View>(view: &mut V, log: &Log) -> Result<(), FoldError> {
    // Where sealing has failed it comes before anything else.
    if view.is_full() {
        seal(view, log)?;
    }
    let tail = log.tail();
    if view.through() < tail {
        for run in log.read(view.through(), tail, STEP, V::COLUMNS)? {
            let from = view.through();
            for record in run.iter().filter(|record| record.position >= from) {
                view.fold(log, &record, &decode(&record)?)?;
                if view.is_full() {
                    seal(view, log)?;
                }
            }
        }
    }
    view.settle()?;
    view.tend()?;
    view.asked().state().is_at(view.through());
    Ok(())
}

fn seal<V: View>(view: &mut V, log: &Log) -> Result<(), FoldError> {
    view.settle()?;
    if let Some(last) = leaf_before(view.through(), log)? {
        view.seal(&last)?;
    }
    Ok(())
}

fn anew<V: View>(folder: &Path) -> Result<V, IndexError> {
    index::remove(folder)?;
    V::open(folder)
}

/// Whether files are of this log: their last record is the log's at that position.
fn is_of(mark: Option<(Hash, Position)>, log: &Log) -> Result<bool, ReadError> {
    match mark {
        None => Ok(true),
        Some((_, through)) if through > log.tail() => Ok(false),
        // In a leaf is a salted commitment: no other record has the same.
        Some((hash, through)) => Ok(leaf_before(through, log)? == Some(hash)),
    }
}

/// The hash of the leaf of the record before a position.
fn leaf_before(position: Position, log: &Log) -> Result<Option<Hash>, ReadError> {
    let Some(last) = position.get().checked_sub(1).map(Position::new) else {
        return Ok(None);
    };
    let runs = log.fetch(&[last], Columns::Leaves)?;
    let record = runs.first().and_then(|run| run.get(last));
    Ok(record.map(|record| leaf_hash(record.leaf)))
}

//! Making the view anew beside the one that answers.
//!
//! The new one has a folder and a fold of its own. The thread that follows the log takes some records for each in turn, so that the
//! one that answers stays at the tail meanwhile. When the new one has come as far, it is sealed and takes the other's place: its
//! folder is renamed, its volumes are what is read from then on. What a crash leaves of it is removed at the next start.

use super::Search;
use super::follow::{FoldError, Follower};
use crate::index;
use crate::log::Log;
use crate::view::fates::Fates;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl Search {
    pub(super) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Release);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }
}

impl Follower {
    /// Goes on with the one that is made anew, or begins one where that is asked for; says whether there is one.
    pub(super) fn step_rebuild(&mut self, log: &Log) -> Result<bool, FoldError> {
        if self.rebuild.is_none() && self.search().rebuilt().is_some() {
            self.give_up_rebuild();
        }
        let Some(mut other) = self.take_rebuild(log)? else {
            return Ok(false);
        };
        match other.step(log).and_then(|_| self.is_overtaken_by(other, log)) {
            Ok(more) => Ok(more),
            Err(error) => {
                tracing::error!(%error, "the search view could not be made anew; the one that answers stays");
                self.give_up_rebuild();
                Ok(false)
            }
        }
    }

    /// Removes what there is beside the one that answers. These files count until they are gone: where that fails it is tried
    /// again, and the one that answers goes on.
    fn give_up_rebuild(&mut self) {
        match clean(self.folder()) {
            Ok(()) => self.search().set_rebuilt(None),
            Err(error) => {
                tracing::error!(%error, "what is left of the search view beside the one that answers stays")
            }
        }
    }

    fn take_rebuild(&mut self, log: &Log) -> Result<Option<Box<Self>>, FoldError> {
        if let Some(other) = self.rebuild.take() {
            return Ok(Some(other));
        }
        let search = self.search();
        if !search.is_wanted() {
            return Ok(None);
        }
        let folder = new_folder(self.folder());
        let opened = match index::remove(&folder).and_then(|()| index::open(&folder)) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(%error, "the search view cannot be made anew");
                search.want(false);
                return Ok(None);
            }
        };
        let other = Self::on(&folder, opened, Fates::default());
        // Before it is not asked for any more: who looks for that first sees one or the other.
        search.set_rebuilt(Some(other.search()));
        search.want(false);
        tracing::info!(tail = log.tail().get(), "the search view is made anew");
        Ok(Some(Box::new(other)))
    }

    /// Has the other take this one's place once it is as far; says whether it must go on.
    fn is_overtaken_by(&mut self, mut other: Box<Self>, log: &Log) -> Result<bool, FoldError> {
        if other.through() < self.through() {
            self.rebuild = Some(other);
            return Ok(true);
        }
        other.seal(log)?;
        let search = self.search();
        let fates = std::mem::take(
            &mut *other
                .search()
                .fates
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let new = other.folder().to_path_buf();
        drop(other);
        // The old volumes are about to go, whatever comes of their merge.
        let _ = self.writer.take_in();
        let folder = self.folder().to_path_buf();
        index::take_place(&new, &folder, &aside(&folder))?;
        // They may be ahead of the volumes, never behind.
        *search.fates.write().unwrap_or_else(PoisonError::into_inner) = fates;
        self.writer = index::reopen(&folder, &search.shelf).inspect_err(|_| {
            // What is read is not what lies in the folder any more.
            search.set_damaged(true);
        })?;
        index::remove_aside(&aside(&folder))?;
        search.rebuilds.fetch_add(1, Ordering::AcqRel);
        search.set_rebuilt(None);
        tracing::info!(through = self.through().get(), "the search view was made anew");
        Ok(false)
    }
}

/// Where the new one is while it is made.
pub(super) fn new_folder(folder: &Path) -> PathBuf {
    beside(folder, "new")
}

/// Where the old one is while it is removed.
pub(super) fn aside(folder: &Path) -> PathBuf {
    beside(folder, "old")
}

fn beside(folder: &Path, what: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}.{what}"))
}

/// Removes what a crash has left.
pub(super) fn clean(folder: &Path) -> Result<(), index::IndexError> {
    index::remove(&new_folder(folder))?;
    index::remove(&aside(folder))
}

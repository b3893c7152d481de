//! Where consumer groups are kept: a synced journal of named values in `state/groups/`, kept twice.

use crate::store::disk::{Disk, RealDisk};
use crate::store::state::GROUPS;
use crate::store::state::journal::StateJournal;
use crate::subscription::group::KeepGroups;
use crate::subscription::group::kept::Change;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Groups change with each acknowledgement; to write all of them anew is for once in a while.
const COMPACT_FROM: usize = 4 << 20;

/// Why the groups of an archive cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "the consumer groups in `{path}` cannot be opened: {cause}; stop the daemon and put `state/groups` back from a backup, or remove it to forget them"
)]
pub struct GroupsError {
    path: PathBuf,
    cause: std::io::Error,
}

/// Opens the groups of a state folder.
///
/// # Errors
/// [`GroupsError`], where neither copy is whole, or the system says so.
pub fn open(state: &Path) -> Result<Box<dyn KeepGroups>, GroupsError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let folder = state.join(GROUPS);
    let opened = StateJournal::open(disk, &folder);
    let (journal, mended) = opened.map_err(|(path, cause)| GroupsError { path, cause })?;
    for what in mended {
        tracing::warn!("{what}");
    }
    Ok(Box::new(Kept {
        folder,
        journal: journal.compacted_from(COMPACT_FROM),
    }))
}

/// Keeps nothing: for an archive that is served for a moment, without its state.
pub fn nowhere() -> Box<dyn KeepGroups> {
    Box::new(Nowhere)
}

struct Kept {
    folder: PathBuf,
    journal: StateJournal,
}

impl Kept {
    /// The folder is made with the first group.
    fn make_folder(&self) -> std::io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)?;
        let state = self.folder.parent().unwrap_or(&self.folder);
        std::fs::File::open(state)?.sync_all()
    }
}

impl KeepGroups for Kept {
    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let values = self.journal.values().iter();
        values
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn keep(&mut self, changes: &[Change]) -> Result<(), String> {
        let items: Vec<(&str, Option<&[u8]>)> = changes
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        let put = self.make_folder().and_then(|()| self.journal.put(&items));
        put.map_err(|error| error.to_string())
    }
}

struct Nowhere;

impl KeepGroups for Nowhere {
    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    fn keep(&mut self, changes: &[Change]) -> Result<(), String> {
        match changes.iter().any(|(_, value)| value.is_some()) {
            true => Err("this archive is served without its state".into()),
            false => Ok(()),
        }
    }
}

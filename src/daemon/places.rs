//! Joins the alerts to the disk: their places are values of a synced journal in `state/alerts/`, kept twice as the state
//! itself is.

use crate::alert::Places;
use crate::store::disk::{RealDisk, sync_up_to};
use crate::store::state::journal::StateJournal;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The journal; whoever keeps a place waits for the one before.
struct Journaled(Mutex<StateJournal>);

impl Journaled {
    fn lock(&self) -> MutexGuard<'_, StateJournal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places for Journaled {
    fn get(&self, alert: &str) -> Option<Vec<u8>> {
        self.lock().get(alert).map(<[u8]>::to_vec)
    }

    fn put_all(&self, places: &[(&str, &[u8])]) -> io::Result<()> {
        let rows: Vec<_> = places
            .iter()
            .map(|(alert, place)| (*alert, Some(*place)))
            .collect();
        self.lock().put(&rows)
    }
}

/// Opens the journal of an archive whose lock is held, or begins one.
///
/// # Errors
/// Why not and what to do, as a sentence.
pub(super) fn open(data: &Path) -> Result<Arc<dyn Places>, String> {
    let folder = data.join("state").join("alerts");
    let disk = Arc::new(RealDisk);
    let made = match folder.is_dir() {
        true => Ok(()),
        false => std::fs::create_dir_all(&folder).and_then(|()| sync_up_to(disk.as_ref(), &folder, data)),
    };
    made.map_err(|cause| format!("`{}` cannot be made: {cause}", folder.display()))?;
    let opened = StateJournal::open(disk, &folder);
    let (journal, mended) = opened.map_err(|(path, cause)| match cause.kind() {
        io::ErrorKind::InvalidData => format!(
            "`{}` and its copy are damaged; put both back from a backup, or remove them so that every alert begins anew at \
             its `from`",
            path.display()
        ),
        _ => format!("`{}`: {cause}", path.display()),
    })?;
    for what in mended {
        tracing::warn!("{what}");
    }
    Ok(Arc::new(Journaled(Mutex::new(journal))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_there_again_and_two_damaged_copies_are_not_guessed_at() {
        let data = tempfile::tempdir().unwrap();
        let places = open(data.path()).unwrap();
        assert_eq!(places.get("desk"), None);
        places.put_all(&[("desk", b"one")]).unwrap();
        places.put_all(&[("desk", b"two")]).unwrap();
        drop(places);
        let folder = data.path().join("state/alerts");
        std::fs::write(folder.join("journal.1"), b"broken").unwrap();
        let places = open(data.path()).unwrap();
        assert_eq!(places.get("desk").as_deref(), Some(&b"two"[..]));
        drop(places);
        for copy in ["journal.1", "journal.2"] {
            std::fs::write(folder.join(copy), b"broken").unwrap();
        }
        let why = open(data.path()).err().unwrap();
        assert!(why.contains("its copy are damaged; put both back"), "{why}");
    }
}

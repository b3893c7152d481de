//! What no log can give back: the archive's random id, the log's name, its signing key, and the newest checkpoint that was
//! signed with it.
//!
//! They are values of a [`journal`] that is kept twice. The id is written before the first segment gets its name, name and
//! key after it, in one frame. The id never leaves the machine: it is what makes bytes that look like a frame none. Nor does
//! the key: whoever has it can sign another history.

pub mod journal;

use super::disk::Disk;
use crate::log::fixity::Checked;
use crate::log::store::{Keep, WriteError};
use crate::merkle::key::SEED_BYTES;
use crate::merkle::{CheckpointError, KeyError, Signed, SigningKey};
use crate::record::{Position, Recorded};
use journal::{StateJournal, Values};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ARCHIVE: &str = "archive";
const ORIGIN: &str = "origin";
const KEY: &str = "key";
const CHECKPOINT: &str = "checkpoint";
const CHECKED: &str = "checked";
const ERASING: &str = "erasing";
const ERASED: &str = "erased";
/// The folder of the consumer groups in the state folder: a journal of their own.
pub const GROUPS: &str = "groups";
/// The folders in the state folder that have a journal of their own: the groups, and the places of alerts.
pub const BESIDE: [&str; 2] = [GROUPS, "alerts"];
/// The most bytes a name may have.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// Why there is no name.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// No copy is what was written.
    #[error("`{path}` and its copy are damaged; put them back from a backup of the archive's state folder")]
    Damaged {
        /// One of the two files.
        path: PathBuf,
    },
    /// A name that is no C2SP origin line.
    #[error(
        "origin `{0}` is not 1 to 255 visible ASCII characters without `+`; use the form example.org/archive"
    )]
    Origin(String),
    /// A name was asked for and the archive has another.
    #[error("this archive's origin is `{has}`, not `{asked}`; it was fixed by the first start")]
    Other {
        /// What it has.
        has: String,
        /// What was asked for.
        asked: String,
    },
    /// There are records and no name.
    #[error(
        "`{path}` is missing although the archive has records; put it back from a backup of its state folder"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The checkpoint on disk is not one of this archive's key.
    #[error(
        "the checkpoint in `{path}` is none of this archive ({cause}); put the state folder back from a backup"
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: CheckpointError,
    },
    /// The name on disk cannot name a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The disk.
    #[error("`{path}`: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// The values of a state folder.
pub struct State {
    folder: PathBuf,
    journal: StateJournal,
}

impl State {
    /// Opens a state folder, or begins one in an empty folder. Mends what one copy can give the other.
    ///
    /// # Errors
    /// [`StateError::Damaged`], [`StateError::Io`].
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, StateError> {
        let opened = StateJournal::open(disk, folder);
        let (journal, mended) = opened.map_err(|(path, cause)| match cause.kind() {
            io::ErrorKind::InvalidData => StateError::Damaged { path },
            _ => StateError::Io { path, cause },
        })?;
        for what in mended {
            tracing::warn!("{what}");
        }
        let folder = folder.to_owned();
        Ok(Self { folder, journal })
    }

    /// The archive's random id, if it has one.
    ///
    /// # Errors
    /// [`StateError::Damaged`].
    pub fn archive(&self) -> Result<Option<u64>, StateError> {
        let id = self.journal.get(ARCHIVE);
        id.map(|id| archive_of(id, &self.folder)).transpose()
    }

    /// Keeps the archive's random id.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn keep_archive(&mut self, archive: u64) -> Result<(), StateError> {
        self.put(&[(ARCHIVE, Some(&archive.to_le_bytes()))])
    }

    /// The log's name, if it has one.
    ///
    /// # Errors
    /// [`StateError::Damaged`].
    pub fn origin(&self) -> Result<Option<&str>, StateError> {
        let origin = self.journal.get(ORIGIN).map(std::str::from_utf8);
        origin.transpose().map_err(|_| self.damaged())
    }

    /// Gives the log its name and the key of this seed.
    ///
    /// # Errors
    /// [`StateError::Origin`], [`StateError::Io`].
    pub fn name(&mut self, origin: &str, seed: &[u8; SEED_BYTES]) -> Result<(), StateError> {
        let visible = origin.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
        if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX || !visible {
            return Err(StateError::Origin(origin.chars().take(80).collect()));
        }
        self.put(&[(ORIGIN, Some(origin.as_bytes())), (KEY, Some(seed))])
    }

    /// The key that signs the log's checkpoints, once it has a name.
    ///
    /// # Errors
    /// [`StateError::Damaged`], [`StateError::Key`].
    pub fn key(&self) -> Result<Option<SigningKey>, StateError> {
        let Some(origin) = self.origin()? else {
            return Ok(None);
        };
        let seed = self.journal.get(KEY).and_then(|seed| seed.try_into().ok());
        let seed = seed.ok_or_else(|| self.damaged())?;
        Ok(Some(SigningKey::new(origin, seed)?))
    }

    /// The newest checkpoint that was kept, if there is one; its signature is checked.
    ///
    /// # Errors
    /// [`StateError::Checkpoint`], and as [`State::key`].
    pub fn checkpoint(&self) -> Result<Option<Signed>, StateError> {
        match (self.key()?, self.journal.get(CHECKPOINT)) {
            (Some(key), Some(note)) => kept(note, &key, &self.folder).map(Some),
            _ => Ok(None),
        }
    }

    /// The newest check of all files that was kept.
    ///
    /// # Errors
    /// [`StateError::Damaged`].
    pub fn checked(&self) -> Result<Option<Checked>, StateError> {
        let Some(checked) = self.journal.get(CHECKED) else {
            return Ok(None);
        };
        let (at, findings) = checked.split_first_chunk().ok_or_else(|| self.damaged())?;
        let findings = findings.try_into().map_err(|_| self.damaged())?;
        Ok(Some(Checked {
            at: Recorded::from_nanos(i64::from_le_bytes(*at)),
            findings: u64::from_le_bytes(findings),
        }))
    }

    /// The records that were being overwritten in the journal: whether a crash has left them so, or half so, is not known.
    ///
    /// # Errors
    /// [`StateError::Damaged`].
    pub fn erasing(&self) -> Result<BTreeSet<Position>, StateError> {
        positions(self.journal.get(ERASING), &self.folder)
    }

    /// Every ERASE below is complete.
    ///
    /// # Errors
    /// [`StateError::Damaged`].
    pub fn erased_through(&self) -> Result<Position, StateError> {
        position(self.journal.get(ERASED), &self.folder)
    }

    fn put(&mut self, items: &[(&str, Option<&[u8]>)]) -> Result<(), StateError> {
        self.journal.put(items).map_err(|cause| StateError::Io {
            path: self.folder.clone(),
            cause,
        })
    }

    fn damaged(&self) -> StateError {
        damaged(&self.folder)
    }
}

impl Keep for State {
    fn keep_checkpoint(&mut self, note: &str) -> Result<(), WriteError> {
        self.put(&[(CHECKPOINT, Some(note.as_bytes()))])
            .map_err(unwritten)
    }

    fn keep_checked(&mut self, checked: Checked) -> Result<(), WriteError> {
        let mut value = checked.at.nanos().to_le_bytes().to_vec();
        value.extend(checked.findings.to_le_bytes());
        self.put(&[(CHECKED, Some(&value))]).map_err(unwritten)
    }

    fn keep_erasing(&mut self, positions: &[Position]) -> Result<(), WriteError> {
        let value: Vec<u8> = positions.iter().flat_map(|at| at.get().to_le_bytes()).collect();
        let value = (!value.is_empty()).then_some(&value[..]);
        self.put(&[(ERASING, value)]).map_err(unwritten)
    }

    fn keep_erased(&mut self, through: Position) -> Result<(), WriteError> {
        let value = through.get().to_le_bytes();
        self.put(&[(ERASED, Some(&value))]).map_err(unwritten)
    }
}

fn unwritten(error: StateError) -> WriteError {
    WriteError {
        what: "the state folder".into(),
        cause: error.to_string(),
        refused: None,
    }
}

/// What a state folder says, read without changing it.
#[derive(Debug, Default)]
pub struct Said {
    /// The archive's random id.
    pub archive: Option<u64>,
    /// The log's name.
    pub origin: Option<String>,
    /// The public half of its key, as a line.
    pub verifier: Option<String>,
    /// The newest checkpoint that was kept.
    pub checkpoint: Option<Signed>,
    /// The records that were being overwritten in the journal.
    pub erasing: BTreeSet<Position>,
    /// Every ERASE below is complete.
    pub erased_through: Position,
    /// What is wrong with a copy, by its file, although the other one serves.
    pub faults: Vec<(PathBuf, String)>,
}

/// Reads a state folder and changes nothing there.
///
/// # Errors
/// [`StateError`] where what it says cannot be believed.
pub fn read(disk: &dyn Disk, folder: &Path) -> Result<Said, StateError> {
    let copies = journal::read(disk, folder).map_err(|cause| StateError::Io {
        path: folder.into(),
        cause,
    })?;
    let nothing = Values::new();
    let values = journal::values(&copies).map_err(|path| StateError::Damaged { path })?;
    let is_there = values.is_some();
    let values = values.unwrap_or(&nothing);
    let text = |name: &str| {
        values
            .get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let archive = values.get(ARCHIVE).map(|id| archive_of(id, folder)).transpose()?;
    let origin = text(ORIGIN);
    let seed = values.get(KEY).and_then(|seed| seed.as_slice().try_into().ok());
    let key = match (&origin, seed) {
        (Some(origin), Some(seed)) => Some(SigningKey::new(origin, seed)?),
        _ => None,
    };
    let checkpoint = match (&key, values.get(CHECKPOINT)) {
        (Some(key), Some(note)) => Some(kept(note, key, folder)?),
        _ => None,
    };
    let value = |name: &str| values.get(name).map(Vec::as_slice);
    let erasing = positions(value(ERASING), folder)?;
    let erased_through = position(value(ERASED), folder)?;
    let faults = copies.into_iter().filter_map(|copy| {
        let missing = is_there && copy.is_missing();
        let fault = copy.fault.or(missing.then(|| "it is missing".to_owned()));
        Some((copy.path, fault?))
    });
    Ok(Said {
        erasing,
        erased_through,
        archive,
        origin,
        verifier: key.map(|key| key.verifier().to_string()),
        checkpoint,
        faults: faults.collect(),
    })
}

fn positions(value: Option<&[u8]>, folder: &Path) -> Result<BTreeSet<Position>, StateError> {
    let (numbers, rest) = value.unwrap_or_default().as_chunks();
    if !rest.is_empty() {
        return Err(damaged(folder));
    }
    let position = |bytes: &[u8; 8]| Position::new(u64::from_le_bytes(*bytes));
    Ok(numbers.iter().map(position).collect())
}

fn position(value: Option<&[u8]>, folder: &Path) -> Result<Position, StateError> {
    let Some(value) = value else {
        return Ok(Position::START);
    };
    let value = value.try_into().map_err(|_| damaged(folder))?;
    Ok(Position::new(u64::from_le_bytes(value)))
}

fn archive_of(id: &[u8], folder: &Path) -> Result<u64, StateError> {
    let id = id.try_into().map_err(|_| damaged(folder))?;
    Ok(u64::from_le_bytes(id))
}

fn kept(note: &[u8], key: &SigningKey, folder: &Path) -> Result<Signed, StateError> {
    let note = String::from_utf8_lossy(note);
    Signed::open(note, key.verifier()).map_err(|cause| StateError::Checkpoint {
        path: folder.into(),
        cause,
    })
}

fn damaged(folder: &Path) -> StateError {
    StateError::Damaged {
        path: folder.join(journal::COPIES[0]),
    }
}

/// A name that no other archive has.
///
/// # Errors
/// What the system says where it has no randomness.
pub fn make_origin() -> io::Result<String> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(format!("chancery.local/{}", hex::encode(id)))
}

/// A seed that nobody can guess.
///
/// # Errors
/// What the system says where it has no randomness.
pub fn make_seed() -> io::Result<[u8; SEED_BYTES]> {
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::Checkpoint;
    use crate::store::disk::RealDisk;
    use std::os::unix::fs::PermissionsExt;

    fn state(folder: &Path) -> Result<State, StateError> {
        State::open(Arc::new(RealDisk), folder)
    }

    #[test]
    fn what_is_kept_reads_back_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut new = state(folder.path()).unwrap();
        assert_eq!(new.archive().unwrap(), None);
        assert!(new.key().unwrap().is_none());
        new.keep_archive(0xa4c1).unwrap();
        new.name("example.org/archive", &[7; 32]).unwrap();
        let key = new.key().unwrap().unwrap();
        let checkpoint = Checkpoint {
            origin: "example.org/archive".into(),
            size: 3,
            root: [1; 32],
        };
        let note = checkpoint.sign(&key).unwrap().to_string();
        new.keep_checkpoint(&note).unwrap();
        let checked = Checked {
            at: Recorded::from_nanos(7),
            findings: 2,
        };
        assert_eq!(new.checked().unwrap(), None);
        new.keep_checked(checked).unwrap();
        assert!(new.erasing().unwrap().is_empty());
        assert_eq!(new.erased_through().unwrap(), Position::START);
        let targets = [Position::new(3), Position::new(9)];
        new.keep_erasing(&[Position::new(1)]).unwrap();
        new.keep_erasing(&[]).unwrap();
        assert!(new.erasing().unwrap().is_empty());
        new.keep_erasing(&targets).unwrap();
        new.keep_erased(Position::new(12)).unwrap();
        drop(new);
        let again = state(folder.path()).unwrap();
        assert_eq!(again.archive().unwrap(), Some(0xa4c1));
        assert_eq!(again.origin().unwrap(), Some("example.org/archive"));
        assert_eq!(again.key().unwrap().unwrap().verifier(), key.verifier());
        assert_eq!(again.checked().unwrap(), Some(checked));
        assert_eq!(again.erasing().unwrap(), targets.into_iter().collect());
        assert_eq!(again.erased_through().unwrap(), Position::new(12));
        let kept = Signed { checkpoint, note };
        assert_eq!(again.checkpoint().unwrap(), Some(kept.clone()));
        let said = read(&RealDisk, folder.path()).unwrap();
        assert_eq!((said.archive, said.checkpoint), (Some(0xa4c1), Some(kept)));
        assert!(said.faults.is_empty(), "{:?}", said.faults);
        for name in journal::COPIES {
            let mode = std::fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_checkpoint_that_the_key_did_not_sign_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let mut new = state(folder.path()).unwrap();
        new.name("example.org/archive", &[7; 32]).unwrap();
        let other = SigningKey::new("example.org/archive", &[8; 32]).unwrap();
        let checkpoint = Checkpoint {
            origin: "example.org/archive".into(),
            size: 3,
            root: [1; 32],
        };
        new.keep_checkpoint(&checkpoint.sign(&other).unwrap().to_string())
            .unwrap();
        assert!(matches!(new.checkpoint(), Err(StateError::Checkpoint { .. })));
        let said = read(&RealDisk, folder.path());
        assert!(matches!(said, Err(StateError::Checkpoint { .. })));
    }

    #[test]
    fn a_name_with_spaces_or_plus_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bad in ["", "a b", "a+b", "é"] {
            let named = state(folder.path()).unwrap().name(bad, &[7; 32]);
            assert!(matches!(named, Err(StateError::Origin(_))), "{bad}");
        }
    }
}

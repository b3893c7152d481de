//! What no log can give back: the log's name, and the archive's random id.
//!
//! `state/origin` and `state/archive` are one line of text with a checksum behind it, written once and never changed: the
//! name or the id in hexadecimal, space, CRC32C in hexadecimal, line feed. The id is written before the first segment gets
//! its name, the name after it. The id never leaves the machine: it is what makes bytes that look like a frame none.

use super::disk::Disk;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "origin";
const ARCHIVE_FILE: &str = "archive";
/// The most bytes a name may have.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// Why there is no name.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file is not what was written.
    #[error("`{path}` is damaged; put it back from a backup of the archive's state folder")]
    Damaged {
        /// The file.
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
    /// The disk.
    #[error("`{path}`: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Reads the log's name, if it has one.
///
/// # Errors
/// [`StateError`].
pub fn origin(disk: &dyn Disk, folder: &Path) -> Result<Option<String>, StateError> {
    line(disk, folder, FILE)
}

/// Gives the log its name.
///
/// # Errors
/// [`StateError::Origin`], [`StateError::Io`].
pub fn name(disk: &dyn Disk, folder: &Path, origin: &str) -> Result<(), StateError> {
    let visible = origin.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
    if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX || !visible {
        return Err(StateError::Origin(origin.chars().take(80).collect()));
    }
    keep(disk, folder, FILE, origin)
}

/// Reads the archive's random id, if it is there.
///
/// # Errors
/// [`StateError`].
pub fn archive(disk: &dyn Disk, folder: &Path) -> Result<Option<u64>, StateError> {
    let damaged = || StateError::Damaged {
        path: folder.join(ARCHIVE_FILE),
    };
    line(disk, folder, ARCHIVE_FILE)?
        .map(|text| u64::from_str_radix(&text, 16).map_err(|_| damaged()))
        .transpose()
}

/// Keeps the archive's random id.
///
/// # Errors
/// [`StateError::Io`].
pub fn keep_archive(disk: &dyn Disk, folder: &Path, archive: u64) -> Result<(), StateError> {
    keep(disk, folder, ARCHIVE_FILE, &format!("{archive:016x}"))
}

fn line(disk: &dyn Disk, folder: &Path, name: &str) -> Result<Option<String>, StateError> {
    let path = folder.join(name);
    let wrap = |cause| StateError::Io {
        path: path.clone(),
        cause,
    };
    let file = match disk.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrap(error)),
    };
    let mut bytes = vec![0; ORIGIN_BYTES_MAX + 16];
    let found = file.read_at(&mut bytes, 0).map_err(wrap)?;
    bytes.truncate(found);
    let line = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.strip_suffix('\n'));
    match line.and_then(|line| line.rsplit_once(' ')) {
        Some((text, crc)) if crc == checksum(text) => Ok(Some(text.to_owned())),
        _ => Err(StateError::Damaged { path }),
    }
}

fn keep(disk: &dyn Disk, folder: &Path, name: &str, text: &str) -> Result<(), StateError> {
    let path = folder.join(name);
    let wrap = |cause| StateError::Io {
        path: path.clone(),
        cause,
    };
    let draft = folder.join(format!("{name}.draft"));
    let _ = disk.remove(&draft);
    let file = disk.create(&draft).map_err(wrap)?;
    file.write_all_at(format!("{text} {}\n", checksum(text)).as_bytes(), 0)
        .map_err(wrap)?;
    file.sync_data().map_err(wrap)?;
    disk.rename(&draft, &path).map_err(wrap)?;
    disk.sync_folder(folder).map_err(wrap)
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

fn checksum(text: &str) -> String {
    format!("{:08x}", crc32c::crc32c(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;

    #[test]
    fn a_name_reads_back_and_every_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(origin(&RealDisk, folder.path()).unwrap().is_none());
        name(&RealDisk, folder.path(), "example.org/archive").unwrap();
        assert_eq!(
            origin(&RealDisk, folder.path()).unwrap().as_deref(),
            Some("example.org/archive")
        );
        let path = folder.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x08;
            std::fs::write(&path, &bad).unwrap();
            assert!(
                matches!(origin(&RealDisk, folder.path()), Err(StateError::Damaged { .. })),
                "byte {at}"
            );
        }
    }

    #[test]
    fn an_archives_id_reads_back_and_every_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(archive(&RealDisk, folder.path()).unwrap().is_none());
        keep_archive(&RealDisk, folder.path(), 0xa4c1).unwrap();
        assert_eq!(archive(&RealDisk, folder.path()).unwrap(), Some(0xa4c1));
        let path = folder.path().join(ARCHIVE_FILE);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x08;
            std::fs::write(&path, &bad).unwrap();
            assert!(archive(&RealDisk, folder.path()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_name_with_spaces_or_plus_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bad in ["", "a b", "a+b", "é"] {
            assert!(
                matches!(name(&RealDisk, folder.path(), bad), Err(StateError::Origin(_))),
                "{bad}"
            );
        }
    }
}

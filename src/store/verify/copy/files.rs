//! The files of a copy that somebody else made: nothing about them is believed, not even that they are files.

use super::super::VerifyError;
use crate::merkle::SUBTREE;
use crate::merkle::note::NOTE_BYTES_MAX;
use crate::merkle::tile::Tile;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// More bytes than any file of the layout has: 256 payloads of 1 MiB, and what is between them.
const FILE_BYTES_MAX: u64 = 257 << 20;

/// What lies where a file should.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The file, whole.
    Bytes(Vec<u8>),
    /// Nothing.
    Missing,
    /// Something that is not read, and why.
    Unfit(String),
}

/// A copy's folder.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// The folder that holds the checkpoint: this one, or the one below it, since a program that copies from a server makes
    /// one named after it.
    pub fn below(folder: &Path) -> Result<Self, VerifyError> {
        let wrap = |cause| VerifyError::Io {
            path: folder.into(),
            cause,
        };
        if folder.join("checkpoint").is_file() {
            return Ok(Self { root: folder.into() });
        }
        let mut below = Vec::new();
        for item in std::fs::read_dir(folder).map_err(wrap)? {
            let path = item.map_err(wrap)?.path();
            if path.join("checkpoint").is_file() {
                below.push(path);
            }
        }
        match (below.pop(), below.is_empty()) {
            (Some(root), true) => Ok(Self { root }),
            _ => Err(VerifyError::NoCopy(folder.into())),
        }
    }

    /// The signed checkpoint.
    pub fn checkpoint(&self) -> Result<Found, VerifyError> {
        self.read("checkpoint", NOTE_BYTES_MAX as u64)
    }

    /// A file of the layout.
    pub fn tile(&self, tile: Tile) -> Result<Found, VerifyError> {
        self.read(&tile.to_string(), FILE_BYTES_MAX)
    }

    /// Whether the copy has payloads at all.
    pub fn has_payloads(&self) -> bool {
        self.root.join("payload").is_dir()
    }

    /// The resource itself, or one that begins with it and is there: a log that has grown meanwhile has larger ones.
    pub fn there(&self, tile: Tile) -> Tile {
        let wider = (tile.width..=SUBTREE as u32).map(|width| Tile { width, ..tile });
        let mut there = wider.filter(|tile| self.path(*tile).is_file());
        there.next().unwrap_or(tile)
    }

    /// The bytes of the tiles and leaves that are there, whatever the checkpoint says should be; or the first link to a folder,
    /// through which a copy could have files without end.
    pub fn bytes_total(&self) -> Result<u64, PathBuf> {
        let mut total = 0;
        let mut folders = vec![self.root.join("tile")];
        while let Some(folder) = folders.pop() {
            // What cannot be listed is met when it is read.
            let items = std::fs::read_dir(folder).into_iter().flatten().flatten();
            for (path, is) in items.filter_map(|item| Some((item.path(), item.metadata().ok()?))) {
                if is.is_dir() {
                    folders.push(path);
                } else if path.is_dir() {
                    return Err(path);
                } else {
                    total += is.len();
                }
            }
        }
        Ok(total)
    }

    fn path(&self, tile: Tile) -> PathBuf {
        self.root.join(tile.to_string())
    }

    fn read(&self, name: &str, bytes_max: u64) -> Result<Found, VerifyError> {
        let path = self.root.join(name);
        read_bounded(&path, bytes_max).map_err(|cause| VerifyError::Io { path, cause })
    }
}

/// Reads a file of at most so many bytes, whatever its length is said to be: that of `/dev/zero` is 0.
fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Found> {
    let unfit = || {
        let what = "this is no regular file, and is not read; put the file itself in its place";
        Ok(Found::Unfit(what.into()))
    };
    // Before it is opened, since to open a pipe waits for whoever writes into it.
    match std::fs::metadata(path) {
        Ok(is) if is.is_file() => {}
        Ok(_) => return unfit(),
        Err(error) if is_missing(&error) => return Ok(Found::Missing),
        Err(error) => return Err(error),
    }
    let file = File::open(path)?;
    // And again, since another may have taken its place.
    if !file.metadata()?.is_file() {
        return unfit();
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Ok(Found::Unfit(format!(
            "the file has more than {bytes_max} bytes, the most that it may have, and is not read; copy it again"
        )));
    }
    Ok(Found::Bytes(bytes))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::tile::Kind;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_that_is_larger_than_its_kind_may_be_is_not_read_and_the_limit_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read_bounded(&path, 10).unwrap(), Found::Bytes(vec![7; 10]));
        let Found::Unfit(what) = read_bounded(&path, 9).unwrap() else {
            panic!("ten bytes were read where nine are allowed");
        };
        assert!(what.contains("more than 9 bytes"), "{what}");
        assert_eq!(
            read_bounded(&folder.path().join("none"), 9).unwrap(),
            Found::Missing
        );
    }

    #[test]
    fn a_device_without_end_a_pipe_and_a_folder_are_no_files_and_nobody_waits_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("device");
        symlink("/dev/zero", &device).unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [device.as_path(), pipe.as_path(), folder.path()] {
            let found = read_bounded(path, 9).unwrap();
            assert!(
                matches!(&found, Found::Unfit(what) if what.contains("no regular file")),
                "{}: {found:?}",
                path.display()
            );
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_files_that_are_there_and_a_link_to_a_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            root: folder.path().into(),
        };
        assert_eq!(files.bytes_total(), Ok(0));
        for (kind, index) in [(Kind::Hashes(0), 7), (Kind::Entries, 1_234_567)] {
            let path = files.path(Tile {
                kind,
                index,
                width: 256,
            });
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, [7; 100]).unwrap();
        }
        assert_eq!(files.bytes_total(), Ok(200));
        let link = folder.path().join("tile/entries/x002");
        symlink(".", &link).unwrap();
        assert_eq!(files.bytes_total(), Err(link));
    }
}

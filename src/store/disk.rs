//! The few things that the store asks of a file system, behind one seam.
//!
//! [`RealDisk`] is the operating system. Tests put a recording or a failing disk in its place ([`super::faulty`]), so
//! that every write and sync of the journal can be cut, torn or refused without root.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file system.
pub trait Disk: Send + Sync {
    /// Creates a file, which must not exist.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// As [`Disk::create`], for a file that nobody but its owner may read.
    ///
    /// # Errors
    /// What the system says.
    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }
    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name in the same folder. A file of that name is replaced.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names of the files in a folder, ascending.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Makes creations, renames and removals in a folder durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Bytes that an ordinary user may still write below a folder.
    ///
    /// # Errors
    /// What the system says.
    fn free(&self, folder: &Path) -> io::Result<u64>;
}

/// An open file, written and read at offsets.
pub trait DiskFile: Send + Sync {
    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// What the system says; part of the bytes may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes the file's bytes durable. After an error nothing is known about any byte written since the last success.
    ///
    /// # Errors
    /// What the system says.
    fn sync_data(&self) -> io::Result<()>;
    /// Reads up to the buffer's length; fewer bytes only at the file's end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Gives up all bytes from an offset on. Not durable before the next sync.
    ///
    /// # Errors
    /// What the system says.
    fn cut(&self, len: u64) -> io::Result<()>;
    /// The file's length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
}

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in std::fs::read_dir(folder)? {
            let item = item?;
            if item.file_type()?.is_file() {
                names.push(item.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|meta| meta.len())
    }
}

/// The bytes that are given up where one of them cannot be read.
const PIECE_BYTES: u64 = 4_096;
/// What stands for a byte that cannot be read: not zero, which would mean that nothing was written there.
const UNREADABLE: u8 = 0xff;

/// Reads as [`DiskFile::read_at`] does, for a start and for `verify`: what cannot be read is damage there as any other, and
/// not the end. A piece of 4 KiB that the system refuses to read is filled with bytes that are not zero.
///
/// # Errors
/// What the system says where not even the file's length can be had.
pub fn read_past_faults(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    match file.read_at(buffer, offset) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => read_pieces(file, buffer, offset, &error),
        done => done,
    }
}

fn read_pieces(file: &dyn DiskFile, buffer: &mut [u8], offset: u64, error: &io::Error) -> io::Result<usize> {
    let end = file.len()?.min(offset + buffer.len() as u64);
    let length = usize::try_from(end.saturating_sub(offset)).unwrap_or(0);
    let mut unreadable = 0;
    let mut at = 0;
    while at < length {
        let start = offset + at as u64;
        let piece = (PIECE_BYTES - start % PIECE_BYTES) as usize;
        let piece = &mut buffer[at..length.min(at + piece)];
        if file.read_at(piece, start).ok() != Some(piece.len()) {
            piece.fill(UNREADABLE);
            unreadable += piece.len();
        }
        at += piece.len();
    }
    if unreadable > 0 {
        tracing::warn!(
            %error,
            offset,
            unreadable,
            "bytes of the journal cannot be read; they are taken for damaged"
        );
    }
    Ok(length)
}

/// Where the bytes of a file that are not zero end, looked for backwards from its end down to `floor`.
///
/// # Errors
/// What the system says.
pub fn zeros_from(file: &dyn DiskFile, floor: u64) -> io::Result<u64> {
    const STEP: u64 = 256 << 10;
    let mut end = file.len()?;
    let mut bytes = Vec::new();
    while end > floor {
        let start = end.saturating_sub(STEP).max(floor);
        bytes.resize(usize::try_from(end - start).unwrap_or(0), 0);
        let found = read_past_faults(file, &mut bytes, start)?;
        if let Some(at) = last_nonzero(&bytes[..found]) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(floor)
}

/// Whether all bytes are zero.
pub fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 4_096] = [0; 4_096];
    bytes
        .chunks(ZEROS.len())
        .all(|chunk| *chunk == ZEROS[..chunk.len()])
}

fn last_nonzero(bytes: &[u8]) -> Option<usize> {
    let mut end = bytes.len();
    // Whole blocks first: a segment's tail is millions of zeros.
    while end > 0 && is_zero(&bytes[end.saturating_sub(4_096)..end]) {
        end = end.saturating_sub(4_096);
    }
    bytes[..end].iter().rposition(|byte| *byte != 0)
}

/// Syncs a folder and its parents up to and with `top`, so that a folder just made survives a power cut.
///
/// # Errors
/// What the system says.
pub fn sync_up_to(disk: &dyn Disk, folder: &Path, top: &Path) -> io::Result<()> {
    let mut at = PathBuf::from(folder);
    loop {
        disk.sync_folder(&at)?;
        if at == top || !at.pop() || at.as_os_str().is_empty() {
            return Ok(());
        }
    }
}

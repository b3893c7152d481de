//! The mark: how far the log had come when sled was last synced.
//!
//! It lies beside sled's folders, so that it outlives one that was built anew. It is no copy of anything, but evidence:
//! records below it were published, so that a journal that ends before it has lost some. sled need not be opened for it.

use super::HotLog;
use crate::record::Position;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;

const FILE: &str = "seen";
/// The archive's random id, the position, the CRC of both.
const BYTES: usize = 20;

/// What the mark in sled's folder says of this archive; 0 where there is none that can be read.
pub fn read(folder: &Path, archive: u64) -> Position {
    let bytes = std::fs::read(folder.join(FILE)).unwrap_or_default();
    let position = bytes[..].try_into().ok().and_then(|bytes| decode(bytes, archive));
    position.unwrap_or_default()
}

fn decode(bytes: &[u8; BYTES], archive: u64) -> Option<Position> {
    let position = bytes[8..].first_chunk().map(|eight| u64::from_le_bytes(*eight))?;
    let position = Position::new(position);
    (*bytes == encode(archive, position)).then_some(position)
}

fn encode(archive: u64, position: Position) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&archive.to_le_bytes());
    bytes[8..16].copy_from_slice(&position.get().to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Writes the mark and syncs it. It fits a sector: torn it is none, and says nothing.
fn write(folder: &Path, archive: u64, position: Position) -> io::Result<()> {
    let path = folder.join(FILE);
    let new = !path.exists();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)?;
    file.write_all_at(&encode(archive, position), 0)?;
    file.set_len(BYTES as u64)?;
    file.sync_data()?;
    if new {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

impl HotLog {
    /// The tail that the hot log has seen, as its mark says.
    pub fn seen(&self) -> Position {
        Position::new(self.marked.load(Ordering::Acquire))
    }

    pub(super) fn is_unmarked(&self) -> bool {
        self.through.load(Ordering::Acquire) > self.marked.load(Ordering::Acquire)
    }

    /// Sets the mark forward. Without it only the evidence is missing: no failure of the hot log.
    pub(super) fn mark(&self, position: Position) {
        if position <= self.seen() {
            return;
        }
        match write(&self.options.folder, self.options.archive, position) {
            Ok(()) => self.marked.store(position.get(), Ordering::Release),
            Err(error) => tracing::warn!(%error, "how far the hot log has come could not be written down"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_damaged_or_of_another_archive_it_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path(), 7), Position::START);
        write(folder.path(), 7, Position::new(300)).unwrap();
        write(folder.path(), 7, Position::new(301)).unwrap();
        assert_eq!(read(folder.path(), 7), Position::new(301));
        assert_eq!(read(folder.path(), 8), Position::START);
        let good = std::fs::read(folder.path().join(FILE)).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(folder.path().join(FILE), &bad).unwrap();
            assert_eq!(read(folder.path(), 7), Position::START, "byte {at}");
            std::fs::write(folder.path().join(FILE), &good[..at]).unwrap();
            assert_eq!(read(folder.path(), 7), Position::START, "cut at {at}");
        }
    }
}

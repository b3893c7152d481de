//! What an erased record looks like in a frame, and which records may be half way there.
//!
//! An erased record keeps its place. Its payload is zeros, or has no bytes where the frame was written anew; in the place of
//! its salt lies the mark:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `CHERASED` |
//! | 8 | 4 | CRC32C of the leaf |
//! | 12 | 20 | zero |
//!
//! The CRC in the record's slot is that of what was there before, and is not looked at: the one in the mark holds the leaf.
//! The frame's own CRC covers header and slots only, so that the chain of frames stays as it is.

use crate::record::{Position, SALT_BYTES};
use crate::store::disk::is_zero;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const MAGIC: [u8; 8] = *b"CHERASED";

/// The mark of an erased record, for the place of its salt.
pub fn mark(leaf: &[u8]) -> [u8; SALT_BYTES] {
    let mut mark = [0; SALT_BYTES];
    mark[..8].copy_from_slice(&MAGIC);
    mark[8..12].copy_from_slice(&crc32c::crc32c(leaf).to_le_bytes());
    mark
}

/// Whether a record as it lies in a frame is one that was erased. No salt looks like the mark: it is 32 random bytes.
pub fn is_blank(leaf: &[u8], salt: &[u8], payload: &[u8]) -> bool {
    salt.starts_with(&MAGIC) && *salt == mark(leaf) && is_zero(payload)
}

/// The records that are being overwritten where they lie, or were when the archive was last stopped: their bytes may be
/// neither what was written nor blank.
#[derive(Default)]
pub struct Overwritten {
    any: AtomicBool,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    /// All that a reader may have read half way: they stay until the archive is closed.
    all: BTreeSet<Position>,
    /// Those that no sync has covered: whatever they read as, the disk may hold something else.
    unsettled: BTreeSet<Position>,
    /// Stretches of files that were cleared, and that no sync has covered.
    uncleared: Vec<(String, Range<u64>)>,
}

impl Overwritten {
    /// These records.
    pub fn new(positions: BTreeSet<Position>) -> Self {
        Self {
            any: AtomicBool::new(!positions.is_empty()),
            inner: RwLock::new(Inner {
                all: positions.clone(),
                unsettled: positions,
                uncleared: Vec::new(),
            }),
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records are about to be overwritten; answers all that are not settled, ascending.
    pub fn begin(&self, positions: &BTreeSet<Position>) -> Vec<Position> {
        let mut inner = self.write();
        inner.all.extend(positions);
        inner.unsettled.extend(positions);
        self.any.store(!inner.all.is_empty(), Ordering::Release);
        inner.unsettled.iter().copied().collect()
    }

    /// These were overwritten and synced.
    pub fn settle(&self, positions: &BTreeSet<Position>) {
        self.write()
            .unsettled
            .retain(|position| !positions.contains(position));
    }

    /// A stretch of a file is about to be cleared.
    pub fn begin_clearing(&self, file: &str, range: Range<u64>) {
        self.write().uncleared.push((file.to_owned(), range));
    }

    /// What was to be cleared and was not synced.
    pub fn uncleared(&self) -> Vec<(String, Range<u64>)> {
        self.read().uncleared.clone()
    }

    /// All that was cleared is synced.
    pub fn settle_clearing(&self) {
        self.write().uncleared.clear();
    }

    /// Whether a record was overwritten and perhaps not synced.
    pub fn is_unsettled(&self, position: Position) -> bool {
        self.read().unsettled.contains(&position)
    }

    /// Whether a record is among them.
    pub fn contains(&self, position: Position) -> bool {
        self.any.load(Ordering::Acquire) && self.read().all.contains(&position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_record_is_told_from_every_damage_of_it() {
        let (leaf, payload) = (b"a leaf", [0; 40]);
        let mark = mark(leaf);
        assert!(is_blank(leaf, &mark, &payload) && is_blank(leaf, &mark, b""));
        for at in 0..SALT_BYTES {
            let mut damaged = mark;
            damaged[at] ^= 1;
            assert!(!is_blank(leaf, &damaged, &payload), "byte {at}");
        }
        assert!(!is_blank(b"a leaf.", &mark, &payload));
        assert!(!is_blank(leaf, &mark, b"\0\0x"));
        assert!(
            !is_blank(leaf, &[0; SALT_BYTES], &payload),
            "zeros alone are damage"
        );
    }
}

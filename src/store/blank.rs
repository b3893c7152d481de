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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

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
    positions: RwLock<BTreeSet<Position>>,
}

impl Overwritten {
    /// These records.
    pub fn new(positions: BTreeSet<Position>) -> Self {
        Self {
            any: AtomicBool::new(!positions.is_empty()),
            positions: RwLock::new(positions),
        }
    }

    /// Takes more records in. They stay until the archive is closed: a reader may have read them half way.
    pub fn add(&self, positions: impl IntoIterator<Item = Position>) {
        let mut all = self.positions.write().unwrap_or_else(PoisonError::into_inner);
        all.extend(positions);
        self.any.store(!all.is_empty(), Ordering::Release);
    }

    /// Whether a record is among them.
    pub fn contains(&self, position: Position) -> bool {
        self.any.load(Ordering::Acquire)
            && self
                .positions
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&position)
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

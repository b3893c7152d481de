//! Which entries there are: from the hash of series and key to the position of the entry's newest record.
//!
//! An in-memory table of 13 bytes a bucket, folded again from the log at each start. A hash is not a name: whoever looks
//! up gets candidates and compares the true key in the leaf. The hash is keyed anew in each process, so that nobody can
//! make many keys that collide.

use crate::record::Position;
use hashbrown::HashTable;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// The keyed hash of series and key, cut to 56 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(u64);

const HASH_BITS: u32 = 56;
/// Positions take 40 bits in the table: a million million records.
const POSITION_BITS: u32 = 40;

/// The newest position of every entry.
pub struct KeyTable {
    hasher: RandomState,
    slots: HashTable<Slot>,
}

/// 56 bits of hash and 40 bits of position.
#[derive(Clone, Copy)]
struct Slot([u8; 12]);

impl Slot {
    fn new(hash: KeyHash, position: Position) -> Self {
        let both =
            u128::from(hash.0) << POSITION_BITS | u128::from(position.get() & ((1 << POSITION_BITS) - 1));
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&both.to_le_bytes()[..12]);
        Self(bytes)
    }

    fn both(self) -> u128 {
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&self.0);
        u128::from_le_bytes(bytes)
    }

    fn hash(self) -> u64 {
        (self.both() >> POSITION_BITS) as u64
    }

    fn position(self) -> Position {
        Position::new(self.both() as u64 & ((1 << POSITION_BITS) - 1))
    }
}

/// Spreads the 56 bits over the 64 that the table looks at.
fn spread(hash: u64) -> u64 {
    hash << (64 - HASH_BITS) | hash >> (2 * HASH_BITS - 64)
}

impl Default for KeyTable {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            slots: HashTable::new(),
        }
    }
}

impl KeyTable {
    /// The hash of an entry's name in this process.
    pub fn hash(&self, series: &str, key: &str) -> KeyHash {
        KeyHash(self.hasher.hash_one((series, key)) >> (64 - HASH_BITS))
    }

    /// A hasher that gives the same hashes without borrowing the table.
    pub fn hasher(&self) -> KeyHasher {
        KeyHasher(self.hasher.clone())
    }

    /// The newest positions of the entries with this hash: none, mostly one, more where names collide. The newest comes
    /// first: where records were lost an entry has a place for each part of its history, and only the newest is its head.
    pub fn candidates(&self, hash: KeyHash) -> Vec<Position> {
        let mut found: Vec<Position> = self
            .slots
            .iter_hash(spread(hash.0))
            .filter(|slot| slot.hash() == hash.0)
            .map(|slot| slot.position())
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    /// Whether no entry has this hash.
    pub fn is_absent(&self, hash: KeyHash) -> bool {
        self.slots
            .find(spread(hash.0), |slot| slot.hash() == hash.0)
            .is_none()
    }

    /// Takes in a record: the entry's newest one, in the place of `previous` where the entry has one.
    pub fn record(&mut self, hash: KeyHash, previous: Option<Position>, position: Position) {
        let slot = Slot::new(hash, position);
        if let Some(previous) = previous {
            let old = Slot::new(hash, previous);
            if let Some(found) = self.slots.find_mut(spread(hash.0), |slot| slot.0 == old.0) {
                *found = slot;
                return;
            }
        }
        self.slots
            .insert_unique(spread(hash.0), slot, |slot| spread(slot.hash()));
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// A map by key hash that does not hash again.
pub type KeyMap<V> = std::collections::HashMap<KeyHash, V, BuildHasherDefault<Spread>>;

/// Hands a key hash on as it is, spread over the bits that a map looks at.
#[derive(Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Key hashes come through `write_u64`; whatever else there is only has to be mixed in.
        bytes
            .iter()
            .for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = spread(hash);
    }
}

/// Gives the hashes of one [`KeyTable`].
#[derive(Clone)]
pub struct KeyHasher(RandomState);

impl KeyHasher {
    /// The hash of an entry's name.
    pub fn hash(&self, series: &str, key: &str) -> KeyHash {
        KeyHash(self.0.hash_one((series, key)) >> (64 - HASH_BITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_position_of_an_entry_takes_the_place_of_the_one_before() {
        let mut table = KeyTable::default();
        let hash = table.hash("desk", "a");
        assert!(table.is_absent(hash));
        table.record(hash, None, Position::new(3));
        table.record(hash, Some(Position::new(3)), Position::new(9));
        assert_eq!(table.candidates(hash), [Position::new(9)]);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn entries_whose_names_collide_are_both_candidates() {
        let mut table = KeyTable::default();
        let hash = KeyHash(7);
        table.record(hash, None, Position::new(1));
        table.record(hash, None, Position::new(2));
        table.record(hash, Some(Position::new(1)), Position::new(5));
        assert_eq!(table.candidates(hash), [Position::new(5), Position::new(2)]);
    }

    #[test]
    fn the_newest_part_of_a_history_that_was_broken_by_a_loss_is_the_first_candidate() {
        let mut table = KeyTable::default();
        let hash = table.hash("desk", "a");
        table.record(hash, None, Position::new(3));
        // 5 was lost.
        table.record(hash, Some(Position::new(5)), Position::new(9));
        assert_eq!(table.candidates(hash)[0], Position::new(9));
    }

    #[test]
    fn many_entries_are_all_found() {
        let mut table = KeyTable::default();
        for n in 0..10_000 {
            let hash = table.hash("s", &n.to_string());
            table.record(hash, None, Position::new(n));
        }
        for n in 0..10_000 {
            assert_eq!(
                table.candidates(table.hash("s", &n.to_string())),
                [Position::new(n)]
            );
        }
        assert!(table.is_absent(table.hash("t", "1")));
    }
}

//! The names of the newest records, in memory.
//!
//! A table of 13 bytes a bucket. Where nobody keeps names in files it has those of all records.

use super::hash::{HASH_BITS, NameHash};
use crate::record::Position;
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// Positions take 40 bits: a million million records.
const POSITION_BITS: u32 = 40;

/// From names to the newest record that has each.
pub struct NameTable {
    /// Drawn anew for each table: nobody can choose names that come to lie side by side.
    seed: u64,
    slots: HashTable<Slot>,
}

impl Default for NameTable {
    fn default() -> Self {
        Self {
            seed: RandomState::new().hash_one(0),
            slots: HashTable::new(),
        }
    }
}

/// Spreads a hash over the 64 bits of which the table looks at the upper and the lower ones: both halves of a product, folded.
fn spread(seed: u64, hash: NameHash) -> u64 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15;
    let product = u128::from(hash.bits() ^ seed) * ODD;
    (product >> 64) as u64 ^ product as u64
}

/// 56 bits of hash and 40 bits of position.
#[derive(Clone, Copy)]
struct Slot([u8; 12]);

const _: () = assert!(HASH_BITS + POSITION_BITS == 96, "a slot has both");

impl Slot {
    fn new(hash: NameHash, position: Position) -> Self {
        let both = u128::from(hash.bits()) << POSITION_BITS
            | u128::from(position.get() & ((1 << POSITION_BITS) - 1));
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&both.to_le_bytes()[..12]);
        Self(bytes)
    }

    fn both(self) -> u128 {
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&self.0);
        u128::from_le_bytes(bytes)
    }

    fn hash(self) -> NameHash {
        NameHash::from_bits((self.both() >> POSITION_BITS) as u64)
    }

    fn position(self) -> Position {
        Position::new(self.both() as u64 & ((1 << POSITION_BITS) - 1))
    }
}

impl NameTable {
    fn spread(&self, hash: NameHash) -> u64 {
        spread(self.seed, hash)
    }

    /// The newest records of the names with this hash: none, mostly one, more where names collide. The newest comes first:
    /// where records were lost an entry has a place for each part of its history, and only the newest is its head.
    pub fn candidates(&self, hash: NameHash) -> Vec<Position> {
        let mut found: Vec<Position> = self
            .slots
            .iter_hash(self.spread(hash))
            .filter(|slot| slot.hash() == hash)
            .map(|slot| slot.position())
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    /// Whether nothing has this hash.
    pub fn is_absent(&self, hash: NameHash) -> bool {
        self.slots
            .find(self.spread(hash), |slot| slot.hash() == hash)
            .is_none()
    }

    /// Takes in a record: the newest one with its name, in the place of `previous` where that is here.
    pub fn record(&mut self, hash: NameHash, previous: Option<Position>, position: Position) {
        let slot = Slot::new(hash, position);
        let place = self.spread(hash);
        if let Some(previous) = previous {
            let old = Slot::new(hash, previous);
            if let Some(found) = self.slots.find_mut(place, |slot| slot.0 == old.0) {
                *found = slot;
                return;
            }
        }
        let seed = self.seed;
        self.slots
            .insert_unique(place, slot, |slot| spread(seed, slot.hash()));
    }

    /// Forgets the records below a position, and gives back the memory that is not needed any more.
    pub fn forget_below(&mut self, position: Position) {
        self.slots.retain(|slot| slot.position() >= position);
        if self.slots.capacity() / 4 > self.slots.len() {
            let seed = self.seed;
            self.slots
                .shrink_to(self.slots.len() * 2, |slot| spread(seed, slot.hash()));
        }
    }

    /// Every name and its newest record, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (NameHash, Position)> {
        self.slots.iter().map(|slot| (slot.hash(), slot.position()))
    }

    /// How many names.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: &str) -> NameHash {
        NameHash::of_entry("desk", key)
    }

    #[test]
    fn the_newest_position_of_an_entry_takes_the_place_of_the_one_before() {
        let mut table = NameTable::default();
        assert!(table.is_absent(hash("a")));
        table.record(hash("a"), None, Position::new(3));
        table.record(hash("a"), Some(Position::new(3)), Position::new(9));
        assert_eq!(table.candidates(hash("a")), [Position::new(9)]);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn entries_whose_names_collide_are_both_candidates() {
        let mut table = NameTable::default();
        let hash = NameHash::from_bits(7);
        table.record(hash, None, Position::new(1));
        table.record(hash, None, Position::new(2));
        table.record(hash, Some(Position::new(1)), Position::new(5));
        assert_eq!(table.candidates(hash), [Position::new(5), Position::new(2)]);
    }

    #[test]
    fn the_newest_part_of_a_history_that_was_broken_by_a_loss_is_the_first_candidate() {
        let mut table = NameTable::default();
        table.record(hash("a"), None, Position::new(3));
        // 5 was lost.
        table.record(hash("a"), Some(Position::new(5)), Position::new(9));
        assert_eq!(table.candidates(hash("a"))[0], Position::new(9));
    }

    #[test]
    fn many_entries_are_all_found_and_what_is_forgotten_is_not() {
        let mut table = NameTable::default();
        for n in 0..10_000 {
            table.record(hash(&n.to_string()), None, Position::new(n));
        }
        for n in 0..10_000 {
            assert_eq!(table.candidates(hash(&n.to_string())), [Position::new(n)]);
        }
        assert!(table.is_absent(hash("other")));
        let before = table.slots.capacity();
        table.forget_below(Position::new(9_990));
        assert_eq!((table.len(), table.iter().count()), (10, 10));
        assert!(table.slots.capacity() < before / 10);
        assert!(table.is_absent(hash("9989")));
        assert_eq!(table.candidates(hash("9990")), [Position::new(9_990)]);
    }
}

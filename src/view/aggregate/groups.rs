//! The groups of an answer, as they are counted.
//!
//! Of two dimensions most values meet, a dyad in most months, so that a table of both is smaller than a map of groups and is counted
//! in without a hash. It has a bound; what does not fit, and what has a third dimension, is in a map.

use super::{DIMENSIONS_MAX, NONE, Tally};
use hashbrown::HashMap;

/// A number of a value for each dimension; [`NONE`] where there are fewer.
pub type Key = [u32; DIMENSIONS_MAX];

/// The most cells of the table: 32 MiB.
const CELLS_MAX: usize = 1 << 22;

/// How many entries have the same values.
pub struct Groups {
    /// By the value of one dimension, then of the other.
    rows: Vec<Vec<u64>>,
    /// The dimension that says the row, and the one that says the place in it.
    axes: [usize; 2],
    cells: usize,
    /// No row grows any more, so that a group stays where it is.
    is_full: bool,
    /// So many cells have entries.
    filled: usize,
    others: HashMap<Key, u64>,
    /// What was measured of the entries, where a measure is asked for.
    tallies: HashMap<Key, Tally>,
}

impl Groups {
    /// None yet; those that differ in the other dimension alone are counted one after the other.
    pub fn new(row: usize) -> Self {
        Self {
            rows: Vec::new(),
            axes: if row == 1 { [1, 0] } else { [0, 1] },
            cells: 0,
            is_full: false,
            filled: 0,
            others: HashMap::new(),
            tallies: HashMap::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.filled + self.others.len()
    }

    /// Adds entries to a group, at least one.
    pub fn add(&mut self, key: Key, count: u64) {
        match self.cell(&key) {
            Some(cell) => {
                let is_new = *cell == 0;
                *cell += count;
                self.filled += usize::from(is_new);
            }
            None => *self.others.entry(key).or_default() += count,
        }
    }

    /// Adds what was measured of its entries.
    pub fn measure(&mut self, key: Key, tally: &Tally) {
        self.tallies.entry(key).or_insert(Tally::NOTHING).add(tally);
    }

    /// Hands over each with how many entries it has, in no order.
    pub fn each(&self, mut take: impl FnMut(Key, u64)) {
        let [row_axis, place_axis] = self.axes;
        for (number, row) in (0..).zip(&self.rows) {
            let filled = (0..).zip(row).filter(|(_, count)| **count > 0);
            for (place, count) in filled {
                let mut key = [NONE; DIMENSIONS_MAX];
                (key[row_axis], key[place_axis]) = (number, place);
                take(key, *count);
            }
        }
        self.others.iter().for_each(|(key, count)| take(*key, *count));
    }

    /// What was counted of one that has so many entries.
    pub fn tally(&self, key: &Key, count: u64) -> Tally {
        let measured = self.tallies.get(key).copied().unwrap_or(Tally::NOTHING);
        Tally { count, ..measured }
    }

    /// The cell of a group, where it has one.
    fn cell(&mut self, key: &Key) -> Option<&mut u64> {
        let [row, place] = self.axes.map(|axis| key[axis]);
        if row == NONE || place == NONE || key[2..].iter().any(|number| *number != NONE) {
            return None;
        }
        let (row, place) = (row as usize, place as usize);
        let is_there = self.rows.get(row).is_some_and(|row| place < row.len());
        if !is_there && !self.grow(row, place) {
            return None;
        }
        self.rows[row].get_mut(place)
    }

    /// Makes room for a cell; whether there is some.
    fn grow(&mut self, row: usize, place: usize) -> bool {
        let before = self.rows.get(row).map_or(0, Vec::len);
        let after = (place + 1).next_power_of_two();
        let rows = self.rows.len().max(row + 1);
        // A row takes as much as three cells, even if it is empty.
        let cells = self.cells + after - before + 3 * (rows - self.rows.len());
        self.is_full |= cells > CELLS_MAX;
        if !self.is_full {
            self.cells = cells;
            self.rows.resize_with(rows, Vec::new);
            self.rows[row].resize(after, 0);
        }
        !self.is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key() -> impl Strategy<Value = Key> {
        let number = || prop_oneof![0..6_u32, 0..3_000_000_u32];
        prop_oneof![
            number().prop_map(|one| [one, NONE, NONE]),
            (number(), number()).prop_map(|(one, other)| [one, other, NONE]),
            (number(), number(), number()).prop_map(|(one, other, third)| [one, other, third]),
        ]
    }

    proptest! {
        #[test]
        fn a_group_has_what_was_added_to_it(
            added in prop::collection::vec((key(), 1..5_u64), 0..60),
            row in 0..2_usize,
        ) {
            let (mut groups, mut plain) = (Groups::new(row), BTreeMap::new());
            for (key, count) in added {
                groups.add(key, count);
                *plain.entry(key).or_insert(0) += count;
            }
            let mut all = Vec::new();
            groups.each(|key, count| all.push((key, count)));
            all.sort_unstable();
            prop_assert_eq!(groups.len(), plain.len());
            prop_assert_eq!(all, plain.into_iter().collect::<Vec<_>>());
        }
    }
}

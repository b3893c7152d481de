//! What is put aside, until someone has looked at it.

use super::{Consumer, GroupState, Parked};
use crate::record::Position;
use std::collections::{BTreeMap, BTreeSet};

impl GroupState {
    /// Puts parked records back, as if they had never been delivered: those named, or all; answers how many.
    pub fn replay(&mut self, positions: Option<&[Position]>) -> u64 {
        let mut replayed = 0;
        for position in self.of_parked(positions) {
            if let Some(parked) = self.parked.remove(&position) {
                self.parked_changes.insert(position);
                self.open(position, parked.entry, 0);
                self.items.entry(position).and_modify(|item| item.known = true);
                replayed += 1;
            }
        }
        replayed
    }

    /// Takes parked records for done: those named, or all; answers how many.
    pub fn drop_parked(&mut self, positions: Option<&[Position]>) -> u64 {
        let mut dropped = 0;
        for position in self.of_parked(positions) {
            dropped += u64::from(self.parked.remove(&position).is_some());
            self.parked_changes.insert(position);
            self.earlier.remove(&position);
        }
        dropped
    }

    fn of_parked(&self, positions: Option<&[Position]>) -> Vec<Position> {
        match positions {
            // Ascending, whatever order they are named in: the first of an entry has its turn first.
            Some(named) => {
                let named: BTreeSet<Position> = named.iter().copied().collect();
                let is_parked = |position: &Position| self.parked.contains_key(position);
                named.into_iter().filter(is_parked).collect()
            }
            None => self.parked.keys().copied().collect(),
        }
    }

    /// What is parked, ascending.
    pub fn parked(&self) -> &BTreeMap<Position, Parked> {
        &self.parked
    }

    /// What was parked or is so no more since this was last called: with what is to be kept of each, or nothing.
    pub fn take_parked_changes(&mut self) -> Vec<(Position, Option<Parked>)> {
        let changed = std::mem::take(&mut self.parked_changes);
        changed
            .into_iter()
            .map(|position| (position, self.parked.get(&position).cloned()))
            .collect()
    }

    /// Whether there are such changes.
    pub fn has_parked_changes(&self) -> bool {
        !self.parked_changes.is_empty()
    }

    /// Says those changes once more: they could not be kept.
    pub fn parked_changes_again(&mut self, positions: impl IntoIterator<Item = Position>) {
        self.parked_changes.extend(positions);
    }

    /// A record that a consumer has been given cannot be read: it is parked.
    pub fn park_unreadable(&mut self, consumer: &Consumer, position: Position, reason: &str) {
        if self.has(consumer, position) {
            self.park(position, reason);
        }
    }
}

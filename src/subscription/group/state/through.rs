//! What a consumer says of all that it has up to a record.
//!
//! It can speak only of what it can have read. So each hand-over has a number, and a record those by which it came to who has it.

use super::{Consumer, GroupState};
use crate::record::Position;

impl GroupState {
    /// A record that a consumer has is done, and so are those before it that it has and was given no later: over a stream all of these,
    /// call by call those of the same call. What it was given later it may not have read yet, and so what it was given by another call,
    /// the answer of which may be lost.
    pub fn ack_through(&mut self, consumer: &Consumer, through: Position) -> u64 {
        if !self.has(consumer, through) {
            return 0;
        }
        let given = |position: &Position| self.items.get(position).map_or((0, 0), |item| item.given);
        let (known, _) = given(&through);
        let is_known = |position: &Position| match given(position).1 {
            last if consumer.stream > 0 => last <= known,
            last => last == known,
        };
        let held = self.consumers.get(consumer).into_iter().flatten();
        let held: Vec<Position> = held
            .take_while(|position| **position <= through)
            .filter(|position| **position == through || is_known(position))
            .copied()
            .collect();
        self.ack(consumer, held)
    }

    /// Notes that a record is taken from a consumer who may still speak of it.
    pub(super) fn remember(&mut self, consumer: &Consumer, position: Position) {
        let Some(item) = self.items.get(&position) else {
            return;
        };
        let earlier = self.earlier.entry(position).or_default();
        if earlier.iter().all(|(who, _)| who != consumer) {
            earlier.push((consumer.clone(), item.given.0));
        }
    }
}

//! Which batches have been written, by the client's name for them: so that a retry gets the first receipts.

use crate::record::{BatchId, Position};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// How many batches are remembered.
pub const REQUESTS_MAX: usize = 1_000_000;

/// The first positions of the newest batches, by the hash of their id. The id itself is in the leaf there.
pub struct Requests {
    hasher: RandomState,
    first: HashMap<u64, Position>,
    order: VecDeque<u64>,
    max: usize,
}

impl Default for Requests {
    fn default() -> Self {
        Self::new(REQUESTS_MAX)
    }
}

impl Requests {
    /// Remembers at most so many.
    pub fn new(max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            first: HashMap::new(),
            order: VecDeque::new(),
            max,
        }
    }

    /// Takes in a batch that wrote its first record at a position.
    pub fn record(&mut self, id: &[u8], first: Position) {
        if is_made(id, first) {
            return;
        }
        let hash = self.hasher.hash_one(id);
        if self.first.insert(hash, first).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > self.max
            && let Some(old) = self.order.pop_front()
        {
            self.first.remove(&old);
        }
    }

    /// Where a batch of this name began, if one is remembered. Compare the id in the leaf there.
    pub fn find(&self, id: &BatchId) -> Option<Position> {
        self.first.get(&self.hasher.hash_one(id.as_bytes())).copied()
    }
}

/// The id of a batch that the client did not name: a zero byte and its first position. Nobody retries it, so that it
/// need not be remembered.
pub fn made_id(first: Position) -> [u8; 9] {
    let mut id = [0; 9];
    id[1..].copy_from_slice(&first.get().to_be_bytes());
    id
}

fn is_made(id: &[u8], first: Position) -> bool {
    id == made_id(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_batch_is_forgotten_first_and_made_ids_are_not_remembered() {
        let mut requests = Requests::new(2);
        let id = |text: &'static str| BatchId::new(text.into()).unwrap();
        for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
            requests.record(name.as_bytes(), Position::new(at as u64));
        }
        requests.record(&made_id(Position::new(9)), Position::new(9));
        assert_eq!(requests.find(&id("a")), None);
        assert_eq!(requests.find(&id("b")), Some(Position::new(1)));
        assert_eq!(requests.find(&id("c")), Some(Position::new(2)));
    }
}

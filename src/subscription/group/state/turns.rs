//! Whose turn it is: in a group that keeps order one record of an entry at a time, the oldest first.

use super::{At, GroupState};
use crate::record::Position;

impl GroupState {
    /// Puts a record where it belongs that nobody has and whose turn it was: behind an older one of its entry, which was put back
    /// meanwhile, or among those that are delivered; not before `until`, where that is said.
    pub(super) fn put_back(&mut self, position: Position, until: Option<u64>) {
        let entry = self.items.get(&position).map(|item| item.entry);
        let older = entry.and_then(|entry| {
            let queue = self.queues.get_mut(&entry)?;
            let older = queue.waiting.first().copied().filter(|at| *at < position)?;
            queue.waiting.remove(&older);
            queue.waiting.insert(position);
            queue.first = older;
            Some(older)
        });
        let Some(older) = older else {
            return self.turn(position, until);
        };
        self.ready.remove(&position);
        self.wait(position, until);
        self.turn(older, self.waits_until(older));
    }

    /// Until when a record waits that waits for another one of its entry, too.
    pub(super) fn waits_until(&self, position: Position) -> Option<u64> {
        match self.items.get(&position)?.at {
            At::Waiting(until) => until,
            _ => None,
        }
    }

    /// A record waits for another one of its entry.
    pub(super) fn wait(&mut self, position: Position, until: Option<u64>) {
        if let Some(item) = self.items.get_mut(&position) {
            if let At::Delayed(until) = item.at {
                self.due.remove(&(until, position));
            }
            item.at = At::Waiting(until);
        }
    }

    /// It is a record's turn: it is ready, or will be then.
    pub(super) fn turn(&mut self, position: Position, until: Option<u64>) {
        let Some(item) = self.items.get_mut(&position) else {
            return;
        };
        match until {
            Some(until) => {
                item.at = At::Delayed(until);
                self.put_due(until, position);
            }
            None => {
                item.at = At::Ready;
                self.ready.insert(position);
            }
        }
    }

    pub(super) fn put_due(&mut self, at: u64, position: Position) {
        self.is_due_sooner |= self.due.first().is_none_or(|(first, _)| at < *first);
        self.due.insert((at, position));
    }
}

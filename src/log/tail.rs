//! The published tail: a number that only rises, and that can be waited for.

use crate::record::Position;
use tokio::sync::watch;

/// The first position that no reader sees.
pub struct Tail {
    sender: watch::Sender<Position>,
}

impl Tail {
    /// A tail at a position.
    pub fn new(position: Position) -> Self {
        Self {
            sender: watch::Sender::new(position),
        }
    }

    /// Where it is.
    pub fn get(&self) -> Position {
        *self.sender.borrow()
    }

    /// Moves it forward; a position behind it changes nothing.
    pub fn publish(&self, position: Position) {
        self.sender.send_if_modified(|tail| {
            let forward = position > *tail;
            *tail = position.max(*tail);
            forward
        });
    }

    /// Waits until it is beyond `position`. Cancel-safe.
    pub async fn wait_beyond(&self, position: Position) -> Position {
        let mut receiver = self.sender.subscribe();
        match receiver.wait_for(|tail| *tail > position).await {
            Ok(tail) => *tail,
            // The sender lives as long as this borrow of it.
            Err(_) => self.get(),
        }
    }
}

//! Who works when: calls that wait for their turn, and work that two threads share.

use super::error::QueryError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One call that waits for its turn.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// Enters, unless so many wait already.
    ///
    /// # Errors
    /// [`QueryError::Busy`].
    pub fn enter(waiting: &'a AtomicUsize, limit: usize) -> Result<Self, QueryError> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let entered = Self(waiting);
        if before >= limit {
            return Err(QueryError::Busy {
                waiting: before,
                limit,
            });
        }
        Ok(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does two things at a time; without a thread to be had, or with one that panicked, one after the other.
pub(super) fn both<A: Send, B>(one: impl Fn() -> A + Sync, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let first = std::thread::Builder::new().spawn_scoped(scope, &one);
        let second = other();
        match first.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(first)) => (first, second),
            Ok(Err(_)) | Err(_) => (one(), second),
        }
    })
}

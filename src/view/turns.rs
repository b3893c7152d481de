//! Who works when: calls that wait for their turn, and work that two threads share.

use super::error::QueryError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Records that one of two threads takes at a time.
pub(super) const PIECE: usize = 50;

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

/// What two threads make of the numbers below `count`, in order, as long as more are wanted: each takes the next number, and
/// makes something of it by what it has begun with. One thread does it where there is one number, or no other to be had.
pub(super) fn shared<T: Send, M: FnMut(usize) -> T>(
    count: usize,
    wants_more: impl Fn() -> bool + Sync,
    begin: impl Fn() -> M + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut make, mut made) = (begin(), Vec::new());
        while wants_more() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            made.push((number, make(number)));
        }
        made
    };
    let mut all: Vec<Option<T>> = Vec::new();
    let made = match count {
        0 | 1 => work(),
        _ => {
            let (mut made, more) = both_or_one(&work);
            made.extend(more);
            made
        }
    };
    all.resize_with(next.into_inner().min(count), || None);
    made.into_iter().for_each(|(number, one)| all[number] = Some(one));
    // Something is missing where a thread panicked.
    let again = |(number, one): (usize, Option<T>)| one.unwrap_or_else(|| begin()(number));
    all.into_iter().enumerate().map(again).collect()
}

/// Does one thing on two threads at a time; on this one alone where there is no other.
fn both_or_one<A: Send>(one: &(impl Fn() -> Vec<A> + Sync)) -> (Vec<A>, Vec<A>) {
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().spawn_scoped(scope, one);
        let own = one();
        let other = other.map(|thread| thread.join().unwrap_or_default());
        (own, other.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_make_all_that_is_wanted_in_order_and_without_a_gap() {
        for count in [0, 1, 2, 1_000] {
            let made = shared(count, || true, || |number| number * 2);
            assert_eq!(made, (0..count).map(|number| number * 2).collect::<Vec<_>>());
        }
        let taken = AtomicUsize::new(0);
        let begin = || |number| (taken.fetch_add(1, Ordering::Relaxed), number).1;
        let made = shared(1_000, || taken.load(Ordering::Relaxed) < 10, begin);
        assert!((10..=11).contains(&made.len()));
        assert_eq!(made, (0..made.len()).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_thread_left_undone_is_done_again() {
        let is_first = AtomicUsize::new(1);
        let begin = || {
            |number: usize| {
                let panics = number == 7 && is_first.swap(0, Ordering::Relaxed) == 1;
                let own = std::thread::current().name().is_some();
                assert!(!panics || own, "this thread is lost");
                number
            }
        };
        assert_eq!(shared(100, || true, begin), (0..100).collect::<Vec<_>>());
    }
}

//! Results of searches, kept so that the pages after the first need no scan.
//!
//! Small results share a room of bytes, the least used going first. One that is larger than the whole room is kept
//! besides until its last page is taken or nobody has asked for it for a while, and there are only a few of those: an
//! export of a whole archive must not scan it again for each of its pages.

use super::likeness::Likened;
use super::page::PageToken;
use crate::record::{Hash, Position};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Results that are larger than all kept ones may be together, at a time. Each has eight bytes for each of its entries.
pub const LARGE_MAX: usize = 4;
/// How long such a result is kept after its last use.
const LARGE_IDLE: Duration = Duration::from_secs(60);

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Positions of newest contents, in the order of the answer.
    pub positions: Vec<u64>,
    /// How many contents are lacking that may have matched by what they said before it was erased.
    pub erased: u64,
    /// How many entries were left out since they are alike.
    pub likened: Likened,
}

/// The name of the question, the point that it speaks of, and how many erasures there had been: what was found before one of
/// them may have been found by what it removed.
pub(super) type ResultKey = (Hash, Position, u64);

/// Results of the last searches, the least used first.
#[derive(Default)]
struct Results {
    kept: VecDeque<(ResultKey, Arc<Found>)>,
    bytes: usize,
    /// Those that are larger than all kept ones may be together, with their last use: an export of a whole archive must
    /// not scan it again for each page.
    large: VecDeque<(ResultKey, Arc<Found>, Instant)>,
    /// Somebody looks after the large ones.
    is_watched: bool,
}

/// The results of one scanner.
#[derive(Default)]
pub(super) struct Kept(Arc<Mutex<Results>>);

impl Kept {
    /// A result, where it is kept.
    pub fn get(&self, key: &ResultKey) -> Option<Arc<Found>> {
        lock(&self.0).get(key, Instant::now())
    }

    /// Keeps a result. Call it in a runtime: it gives the memory of large ones back in time.
    pub fn keep(&self, key: ResultKey, found: Arc<Found>, bytes_max: usize) {
        let begin = lock(&self.0).keep(key, found, bytes_max, Instant::now());
        if begin {
            self.watch();
        }
    }

    /// The last page of a result was taken.
    pub fn release(&self, key: &ResultKey) {
        lock(&self.0).release(key);
    }

    /// Gives the memory of large results back some time after their last use, whether or not further questions come.
    fn watch(&self) {
        let results = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LARGE_IDLE).await;
                let Some(results) = results.upgrade() else { break };
                if !lock(&results).drop_idle(Instant::now()) {
                    break;
                }
            }
        });
    }
}

fn lock(results: &Mutex<Results>) -> std::sync::MutexGuard<'_, Results> {
    results.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Results {
    fn get(&mut self, key: &ResultKey, now: Instant) -> Option<Arc<Found>> {
        if let Some(at) = self.kept.iter().position(|(kept, _)| kept == key) {
            let used = self.kept.remove(at)?;
            let found = Arc::clone(&used.1);
            self.kept.push_back(used);
            return Some(found);
        }
        let at = self.large.iter().position(|(kept, ..)| kept == key)?;
        let (key, found, _) = self.large.remove(at)?;
        self.large.push_back((key, Arc::clone(&found), now));
        Some(found)
    }

    /// Keeps a result; says whether somebody must begin to look after the large ones.
    fn keep(&mut self, key: ResultKey, found: Arc<Found>, bytes_max: usize, now: Instant) -> bool {
        if found.bytes() > bytes_max {
            self.large.retain(|(kept, ..)| *kept != key);
            self.large.push_back((key, found, now));
            if self.large.len() > LARGE_MAX {
                self.large.pop_front();
            }
            return !std::mem::replace(&mut self.is_watched, true);
        }
        self.bytes += found.bytes();
        self.kept.push_back((key, found));
        while self.bytes > bytes_max {
            let Some((_, oldest)) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
        false
    }

    /// A large result has answered its last page. Small ones stay for whoever asks the same again.
    fn release(&mut self, key: &ResultKey) {
        self.large.retain(|(kept, ..)| kept != key);
    }

    /// Drops large results that nobody has asked for of late; says whether any are left to look after.
    fn drop_idle(&mut self, now: Instant) -> bool {
        self.large
            .retain(|(.., used)| now.saturating_duration_since(*used) < LARGE_IDLE);
        self.is_watched = !self.large.is_empty();
        self.is_watched
    }
}

impl Found {
    fn bytes(&self) -> usize {
        self.positions.len() * size_of::<u64>() + 128
    }

    /// Where the page after the token begins. An erasure may have taken entries out since.
    pub fn after(&self, token: &PageToken) -> usize {
        let answered = usize::try_from(token.answered).unwrap_or(usize::MAX);
        let last = answered
            .checked_sub(1)
            .and_then(|at| self.positions.get(at))
            .copied();
        if last == Some(token.last.get()) {
            return answered;
        }
        let found = self.positions.iter().position(|at| *at == token.last.get());
        found.map_or(answered.min(self.positions.len()), |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_results_stay_within_their_bytes() {
        let found = |count: usize| {
            Arc::new(Found {
                positions: vec![0; count],
                erased: 0,
                likened: Likened::default(),
            })
        };
        let mut results = Results::default();
        let key = |n: u64| ([0; 32], Position::new(n), 0);
        let now = Instant::now();
        results.keep(key(1), found(100), 2_000, now);
        results.keep(key(2), found(100), 2_000, now);
        assert!(results.get(&key(1), now).is_some());
        results.keep(key(3), found(100), 2_000, now);
        assert!(results.get(&key(2), now).is_none(), "the least used goes first");
        assert!(results.get(&key(1), now).is_some());
    }

    #[test]
    fn large_results_are_kept_while_they_are_asked_for_and_no_more_than_a_few() {
        let large = || {
            Arc::new(Found {
                positions: vec![0; 1_000],
                erased: 0,
                likened: Likened::default(),
            })
        };
        let mut results = Results::default();
        let key = |n: u64| ([0; 32], Position::new(n), 0);
        let now = Instant::now();
        for n in 0..=LARGE_MAX as u64 {
            let begin = results.keep(key(n), large(), 100, now);
            assert_eq!(begin, n == 0, "one looks after all of them");
        }
        assert!(results.get(&key(0), now).is_none(), "the least used goes first");
        assert!(results.get(&key(1), now + LARGE_IDLE / 2).is_some());
        assert!(results.drop_idle(now + LARGE_IDLE));
        assert!(results.get(&key(2), now).is_none(), "nobody asked for it");
        assert!(results.get(&key(1), now).is_some());
        results.release(&key(1));
        assert!(!results.drop_idle(now));
        assert!(results.keep(key(9), large(), 100, now), "and begins anew");
    }

    #[test]
    fn a_page_goes_on_after_the_last_entry_even_where_some_were_erased() {
        let found = Found {
            positions: vec![9, 7, 5],
            erased: 0,
            likened: Likened::default(),
        };
        let token = |answered, last| PageToken {
            binding: [0; 32],
            as_of: Position::new(10),
            answered,
            last: Position::new(last),
        };
        assert_eq!(found.after(&token(2, 7)), 2);
        assert_eq!(found.after(&token(3, 7)), 2);
        assert_eq!(found.after(&token(9, 1)), 3);
    }
}

//! How an alert stands, for `status`: written by the alert alone, read by anyone at any time.

use crate::record::{Position, Recorded};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How an alert stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Its name.
    pub name: String,
    /// The first position that it is not done with; `None` before it has begun.
    pub position: Option<Position>,
    /// The records from there to the tail; `None` before it has begun, and where it does not go on.
    pub lag: Option<u64>,
    /// When a match was last done.
    pub last_success: Option<Recorded>,
    /// How often it failed since.
    pub failures: u64,
    /// Why it failed last, or why it is stopped; empty after a success.
    pub last_error: String,
    /// What its beginning waits for; empty where it waits for nothing.
    pub waits_for: String,
    /// Whether it goes on.
    pub stands: Stands,
}

/// Whether an alert goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It follows the log.
    Following,
    /// It ended, for the reason in its last error, and a person must decide.
    Stopped,
}

/// Where an alert writes how it stands.
#[derive(Debug)]
pub(super) struct Standing(Mutex<Now>);

impl Standing {
    pub(super) fn new(name: &str) -> Self {
        Self(Mutex::new(Now {
            name: name.to_owned(),
            position: None,
            lag: None,
            last_success: None,
            failures: 0,
            last_error: String::new(),
            waits_for: String::new(),
            stands: Stands::Following,
        }))
    }

    pub(super) fn now(&self, tail: Position) -> Now {
        let now = self.lock().clone();
        let goes_on = now.stands == Stands::Following;
        let begun = now.position.filter(|_| goes_on);
        let lag = begun.map(|position| tail.since(position));
        Now { lag, ..now }
    }

    pub(super) fn at(&self, position: Position, last_success: Option<Recorded>) {
        let mut now = self.lock();
        now.position = Some(position);
        now.last_success = last_success;
    }

    /// It is done with a match, or follows again.
    pub(super) fn well(&self) {
        let mut now = self.lock();
        now.failures = 0;
        now.last_error.clear();
    }

    /// It waits for its beginning; for nothing more where `what` is empty.
    pub(super) fn waits_for(&self, what: &str) {
        what.clone_into(&mut self.lock().waits_for);
    }

    /// It failed once more; answers how often in a row.
    pub(super) fn failed(&self, why: &str) -> u64 {
        let mut now = self.lock();
        now.failures += 1;
        why.clone_into(&mut now.last_error);
        now.failures
    }

    pub(super) fn stopped(&self, why: &str) {
        let mut now = self.lock();
        why.clone_into(&mut now.last_error);
        now.stands = Stands::Stopped;
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! When something is tried again, and when it is not.
//!
//! [`Retry`] is the setting, [`Backoff`] the plain value that counts: time and chance come in as arguments.

use std::error::Error as _;
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// How long something is tried again, and how long is waited before.
///
/// Each wait is up to twice the one before, and a part of it is left to chance, so that clients that lost the same daemon do not
/// come back all at once. Where the server says how long to wait, it is waited at least so long.
///
/// ```
/// use chancery::client::Retry;
/// use std::time::Duration;
///
/// // A service that outlives its daemon's upgrades.
/// let patient = Retry { within: Duration::from_secs(3600), ..Retry::default() };
/// assert!(patient.wait_first < patient.wait_max);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The longest wait after the first failure.
    pub wait_first: Duration,
    /// The longest wait after any failure.
    pub wait_max: Duration,
    /// How long after the first of several failures no new attempt is begun. Whatever goes well in between counts anew; at 0
    /// nothing is tried again.
    pub within: Duration,
}

impl Default for Retry {
    /// From 0.1 to 5 s, for a minute.
    fn default() -> Self {
        Self {
            wait_first: Duration::from_millis(100),
            wait_max: Duration::from_secs(5),
            within: Duration::from_secs(60),
        }
    }
}

/// Failures in a row.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    retry: Retry,
    failures: u32,
    first: Option<Instant>,
}

impl Backoff {
    pub fn new(retry: Retry) -> Self {
        Self {
            retry,
            failures: 0,
            first: None,
        }
    }

    /// It went well: the next failure is the first one.
    pub fn went_well(&mut self) {
        *self = Self::new(self.retry);
    }

    /// How long to wait after a failure now, at least as long as `asked`; `None` where it was tried long enough.
    pub fn wait(&mut self, now: Instant, chance: u32, asked: Option<Duration>) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        let doubled = self.retry.wait_first.saturating_mul(1 << self.failures.min(20));
        let half = doubled.min(self.retry.wait_max) / 2;
        self.failures += 1;
        let wait = half + half.mul_f64(f64::from(chance) / f64::from(u32::MAX));
        let wait = wait.max(asked.unwrap_or_default());
        let spent = now.duration_since(first).saturating_add(wait);
        (spent < self.retry.within).then_some(wait)
    }

    /// As [`Backoff::wait`], now and by chance, after what a call ended with.
    pub fn wait_after(&mut self, status: &Status) -> Option<Duration> {
        // Without chance it is still waited, only not apart from others.
        let chance = getrandom::u32().unwrap_or(u32::MAX);
        let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
        self.wait(Instant::now(), chance, asked)
    }
}

/// Whether the connection was lost, or never made: the status is not the server's.
pub(super) fn is_lost(status: &Status) -> bool {
    status.source().is_some()
}

/// Whether the connection was lost when a call may have been on it already.
pub(super) fn is_lost_on_the_way(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return false;
        }
        cause = error.source();
    }
    is_lost(status)
}

/// Whether asking again may bring another answer to a call that only reads.
pub(super) fn may_heal(status: &Status) -> bool {
    is_lost(status)
        || matches!(
            status.code(),
            Code::Unavailable
                | Code::Unknown
                | Code::Internal
                | Code::Aborted
                | Code::Cancelled
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        wait_first: Duration::from_millis(100),
        wait_max: Duration::from_millis(1_000),
        within: Duration::from_secs(10),
    };

    #[test]
    fn waits_double_up_to_the_longest_and_half_of_each_is_left_to_chance() {
        let waits = |chance| {
            let mut backoff = Backoff::new(RETRY);
            let now = Instant::now();
            let waits = (0..6).map(|_| backoff.wait(now, chance, None).unwrap().as_millis());
            waits.collect::<Vec<_>>()
        };
        assert_eq!(waits(0), [50, 100, 200, 400, 500, 500]);
        assert_eq!(waits(u32::MAX), [100, 200, 400, 800, 1_000, 1_000]);
    }

    #[test]
    fn it_is_given_up_after_the_time_that_was_set_and_counted_anew_after_success() {
        let mut backoff = Backoff::new(RETRY);
        let begun = Instant::now();
        assert!(backoff.wait(begun, 0, None).is_some());
        assert!(backoff.wait(begun + Duration::from_secs(9), 0, None).is_some());
        assert_eq!(backoff.wait(begun + Duration::from_secs(10), 0, None), None);
        backoff.went_well();
        let wait = backoff.wait(begun + Duration::from_secs(10), 0, None);
        assert_eq!(wait, Some(RETRY.wait_first / 2));
        let never = Retry {
            within: Duration::ZERO,
            ..RETRY
        };
        assert_eq!(Backoff::new(never).wait(begun, 0, None), None);
    }

    #[test]
    fn the_server_is_waited_for_as_long_as_it_asks_and_no_longer_than_was_set() {
        let mut backoff = Backoff::new(RETRY);
        let now = Instant::now();
        let asked = Duration::from_secs(3);
        assert_eq!(backoff.wait(now, 0, Some(asked)), Some(asked));
        assert_eq!(backoff.wait(now, 0, Some(Duration::MAX)), None);
    }

    #[test]
    fn what_the_server_decided_is_not_asked_again() {
        for code in [
            Code::InvalidArgument,
            Code::NotFound,
            Code::FailedPrecondition,
            Code::OutOfRange,
            Code::DataLoss,
            Code::PermissionDenied,
            Code::Unauthenticated,
            Code::Unimplemented,
        ] {
            assert!(!may_heal(&Status::new(code, "no")), "{code:?}");
        }
        assert!(may_heal(&Status::unavailable("draining")));
    }
}

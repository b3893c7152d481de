//! Time, as an argument.
//!
//! Recorded times never go back. Within a run the system's clock is held against the monotonic one, at start against
//! the newest record: where it is more than five minutes off, appends are refused until someone confirms it.

use super::error::Closed;
use crate::record::Recorded;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far the clock may be off.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(300);

/// Tells the time.
pub trait Clock: Send + Sync {
    /// UTC nanoseconds since 1970, as the system says; it may jump.
    fn system(&self) -> i64;
    /// Nanoseconds since some moment; it never jumps.
    fn monotonic(&self) -> u64;
}

/// The machine's clocks.
pub struct RealClock {
    started: Instant,
}

impl Default for RealClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for RealClock {
    fn system(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, i64::wrapping_neg),
        }
    }

    fn monotonic(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Gives records their time, and notices a clock that jumps.
pub struct Timekeeper {
    clock: Arc<dyn Clock>,
    last: Recorded,
    /// What both clocks said when the system's was last found right.
    trusted: Option<(i64, u64)>,
}

impl Timekeeper {
    /// Goes on after the newest record. `accept` takes the clock for right whatever the log says.
    pub fn new(clock: Arc<dyn Clock>, last: Recorded, accept: bool) -> Self {
        let trusted = accept.then(|| (clock.system(), clock.monotonic()));
        Self { clock, last, trusted }
    }

    /// The time for the next record: max(clock, last).
    ///
    /// # Errors
    /// [`Closed::Clock`] where the clock is more than five minutes off.
    pub fn tell(&mut self) -> Result<Recorded, Closed> {
        let now = self.clock.system();
        self.check(now)?;
        self.trusted = Some((now, self.clock.monotonic()));
        Ok(Recorded::from_nanos(now).max(self.last))
    }

    /// The log's clock: max(clock, last), whether right or not.
    pub fn now(&self) -> Recorded {
        Recorded::from_nanos(self.clock.system()).max(self.last)
    }

    /// Takes note of the newest record's time.
    pub fn recorded(&mut self, time: Recorded) {
        self.last = self.last.max(time);
    }

    /// Whether the clock is in doubt now.
    pub fn doubt(&self) -> Option<Closed> {
        self.check(self.clock.system()).err()
    }

    /// Takes the clock for right from now on.
    pub fn confirm(&mut self) {
        self.trusted = Some((self.clock.system(), self.clock.monotonic()));
    }

    fn check(&self, now: i64) -> Result<(), Closed> {
        let skew = i64::try_from(CLOCK_SKEW_MAX.as_nanos()).unwrap_or(i64::MAX);
        let (known, off) = match self.trusted {
            Some((system, monotonic)) => {
                let passed = self.clock.monotonic().saturating_sub(monotonic);
                let expected = system.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX));
                (expected, now.saturating_sub(expected).saturating_abs())
            }
            // At start only going back can be noticed: a machine may have been off for years.
            None => (self.last.nanos(), self.last.nanos().saturating_sub(now).max(0)),
        };
        if off <= skew {
            return Ok(());
        }
        Err(Closed::Clock {
            clock: Recorded::from_nanos(now).to_string(),
            seconds: off.unsigned_abs() / 1_000_000_000,
            known: Recorded::from_nanos(known).to_string(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    /// A clock that a test sets.
    #[derive(Default)]
    pub struct SetClock {
        pub system: AtomicI64,
        pub monotonic: AtomicU64,
    }

    impl SetClock {
        pub fn pass(&self, seconds: i64) {
            self.system.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
            self.monotonic
                .fetch_add(seconds.unsigned_abs() * 1_000_000_000, Ordering::Relaxed);
        }
        pub fn jump(&self, seconds: i64) {
            self.system.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
        }
    }

    impl Clock for SetClock {
        fn system(&self) -> i64 {
            self.system.load(Ordering::Relaxed)
        }
        fn monotonic(&self) -> u64 {
            self.monotonic.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_clock_that_jumps_while_running_is_refused_in_both_directions_until_confirmed() {
        for jump in [400, -400] {
            let clock = Arc::new(SetClock::default());
            clock.pass(1_000_000);
            let mut keeper = Timekeeper::new(clock.clone(), Recorded::default(), false);
            assert!(keeper.tell().is_ok());
            clock.pass(86_400);
            assert!(keeper.tell().is_ok());
            clock.jump(jump);
            assert!(
                matches!(keeper.tell(), Err(Closed::Clock { seconds: 400, .. })),
                "{jump}"
            );
            keeper.confirm();
            assert!(keeper.tell().is_ok());
        }
    }

    #[test]
    fn at_start_only_a_clock_behind_the_newest_record_is_refused() {
        let clock = Arc::new(SetClock::default());
        clock.pass(1_000);
        let last = Recorded::from_nanos(1_000_000_000 * 1_301);
        assert!(Timekeeper::new(clock.clone(), last, false).tell().is_err());
        assert!(Timekeeper::new(clock.clone(), last, true).tell().is_ok());
        clock.pass(1_000_000);
        assert!(Timekeeper::new(clock, last, false).tell().is_ok());
    }

    #[test]
    fn recorded_times_never_go_back() {
        let clock = Arc::new(SetClock::default());
        clock.pass(1_000);
        let mut keeper = Timekeeper::new(clock.clone(), Recorded::default(), false);
        let first = keeper.tell().unwrap();
        keeper.recorded(first);
        clock.jump(-100);
        assert_eq!(keeper.tell().unwrap(), first);
    }
}

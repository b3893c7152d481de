//! Time, as an argument.
//!
//! Recorded times never go back. At start the system's clock is held against the newest record, from then on against the
//! monotonic clock: where it is more than five minutes off, appends are refused until someone confirms it. Small steps add
//! up; only as much as a clock may drift is forgiven.

use super::error::Closed;
use crate::record::Recorded;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far the clock may be off.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(300);
/// One part in so many is what two clocks may drift apart by themselves: 500 in a million, the most that Linux corrects by
/// running a clock faster or slower.
const DRIFT_DIVISOR: u64 = 2_000;
/// The reference is moved after so long at the earliest, so that no drift is lost to rounding.
const FOLLOW_AFTER: Duration = Duration::from_secs(1);

/// Tells the time.
pub trait Clock: Send + Sync {
    /// UTC nanoseconds since 1970, as the system says; it may jump.
    fn system(&self) -> i64;
    /// Nanoseconds since some moment; it never jumps, and goes on while the machine sleeps.
    fn monotonic(&self) -> u64;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

/// Counts the time that the machine is suspended, so that a sleep is no jump of the other clock.
#[cfg(target_os = "linux")]
const STEADY: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

impl Clock for RealClock {
    fn system(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, i64::wrapping_neg),
        }
    }

    fn monotonic(&self) -> u64 {
        let now = rustix::time::clock_gettime(STEADY);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
        // Neither is ever negative.
        seconds
            .unwrap_or(0)
            .saturating_mul(1_000_000_000)
            .saturating_add(nanos.unwrap_or(0))
    }
}

/// Gives records their time, and notices a clock that jumps.
pub struct Timekeeper {
    clock: Arc<dyn Clock>,
    /// No later record gets a time before this one.
    last: Recorded,
    /// What the system's clock is held against; `None` where it was in doubt at start and nobody has confirmed it.
    trusted: Option<Trusted>,
    /// A doubt that was overridden and that no record tells of yet.
    pub untold: Option<Closed>,
}

/// What both clocks said when the system's was last found right.
#[derive(Clone, Copy)]
struct Trusted {
    system: i64,
    monotonic: u64,
}

impl Timekeeper {
    /// Goes on after the newest record. `accept` takes the clock for right whatever the log says.
    pub fn new(clock: Arc<dyn Clock>, last: Recorded, accept: bool) -> Self {
        let mut keeper = Self {
            clock,
            last,
            trusted: None,
            untold: None,
        };
        if accept || keeper.doubt().is_none() {
            keeper.confirm();
        }
        keeper
    }

    /// The time for the next record: max(clock, last).
    ///
    /// # Errors
    /// [`Closed::Clock`] where the clock is more than five minutes off.
    pub fn tell(&mut self) -> Result<Recorded, Closed> {
        let now = self.clock.system();
        self.check(now)?;
        self.follow(now);
        Ok(Recorded::from_nanos(now).max(self.last))
    }

    /// The log's clock: max(clock, last), whether right or not.
    pub fn now(&self) -> Recorded {
        Recorded::from_nanos(self.clock.system()).max(self.last)
    }

    /// The time that has passed for certain. While the clock is in doubt that is the earlier of what it says and what it
    /// should say.
    pub fn passed(&self) -> Recorded {
        let now = self.clock.system();
        let passed = match (self.check(now), self.trusted) {
            (Ok(()), _) => now,
            (Err(_), Some(trusted)) => now.min(trusted.expected(self.clock.monotonic())),
            (Err(_), None) => self.last.nanos(),
        };
        Recorded::from_nanos(passed).max(self.last)
    }

    /// Takes note that the state as of a time was answered: every later record gets a time after it.
    pub fn answered(&mut self, time: Recorded) {
        self.recorded(Recorded::from_nanos(time.nanos().saturating_add(1)));
    }

    /// Takes note of the newest record's time.
    pub fn recorded(&mut self, time: Recorded) {
        self.last = self.last.max(time);
    }

    /// Whether the clock is in doubt now.
    pub fn doubt(&self) -> Option<Closed> {
        self.check(self.clock.system()).err()
    }

    /// Takes the clock for right from now on. A doubt is kept until a record tells of it.
    pub fn confirm(&mut self) {
        self.untold = self.doubt().or(self.untold.take());
        self.trust();
    }

    fn trust(&mut self) {
        self.trusted = Some(Trusted {
            system: self.clock.system(),
            monotonic: self.clock.monotonic(),
        });
    }

    /// Moves the reference towards a clock that was found right, by no more than clocks drift: what is set in steps,
    /// however small, is not forgiven and adds up.
    fn follow(&mut self, now: i64) {
        let Some(trusted) = self.trusted else {
            // In doubt at start, and set right since.
            return self.trust();
        };
        let monotonic = self.clock.monotonic();
        let passed = monotonic.saturating_sub(trusted.monotonic);
        if Duration::from_nanos(passed) < FOLLOW_AFTER {
            return;
        }
        let expected = trusted.expected(monotonic);
        let drift = i64::try_from(passed / DRIFT_DIVISOR).unwrap_or(i64::MAX);
        let moved = now.saturating_sub(expected).clamp(-drift, drift);
        self.trusted = Some(Trusted {
            system: expected.saturating_add(moved),
            monotonic,
        });
    }

    fn check(&self, now: i64) -> Result<(), Closed> {
        let skew = i64::try_from(CLOCK_SKEW_MAX.as_nanos()).unwrap_or(i64::MAX);
        let (known, off) = match self.trusted {
            Some(trusted) => {
                let expected = trusted.expected(self.clock.monotonic());
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

impl Trusted {
    /// What the system's clock should say by now.
    fn expected(self, monotonic: u64) -> i64 {
        let passed = monotonic.saturating_sub(self.monotonic);
        self.system
            .saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
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

    #[test]
    fn a_clock_that_jumps_between_the_start_and_the_first_record_is_refused() {
        for jump in [86_400 * 365, -400] {
            let clock = Arc::new(SetClock::default());
            clock.pass(1_000_000);
            let mut keeper = Timekeeper::new(clock.clone(), Recorded::default(), false);
            clock.jump(jump);
            assert!(matches!(keeper.tell(), Err(Closed::Clock { .. })), "{jump}");
        }
    }

    #[test]
    fn small_steps_of_the_clock_add_up_within_a_run() {
        let clock = Arc::new(SetClock::default());
        clock.pass(1_000_000);
        let mut keeper = Timekeeper::new(clock.clone(), Recorded::default(), false);
        let step = || {
            clock.pass(60);
            clock.jump(70);
        };
        for _ in 0..4 {
            step();
            assert!(keeper.tell().is_ok());
        }
        step();
        assert!(matches!(
            keeper.tell(),
            Err(Closed::Clock {
                seconds: 345..=350,
                ..
            })
        ));
    }

    #[test]
    fn a_clock_that_drifts_as_clocks_do_is_never_in_doubt() {
        let clock = Arc::new(SetClock::default());
        clock.pass(1_000_000);
        let mut keeper = Timekeeper::new(clock.clone(), Recorded::default(), false);
        // Ten seconds a day, for a year: more than an hour in all.
        for _ in 0..365 {
            clock.pass(86_400);
            clock.jump(10);
            assert!(keeper.tell().is_ok());
        }
    }

    #[test]
    fn a_clock_in_doubt_at_start_is_held_against_the_other_once_it_was_set_right() {
        let clock = Arc::new(SetClock::default());
        clock.pass(1_000);
        let last = Recorded::from_nanos(1_000_000_000 * 10_000);
        let mut keeper = Timekeeper::new(clock.clone(), last, false);
        assert!(keeper.tell().is_err());
        clock.jump(20_000);
        assert!(keeper.tell().is_ok());
        clock.jump(400);
        assert!(keeper.tell().is_err());
    }

    /// The machine's uptime counts sleep, and so does the clock that the other one is held against.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_machines_steady_clock_goes_on_while_it_sleeps() {
        let uptime = || {
            let text = std::fs::read_to_string("/proc/uptime").unwrap();
            text.split_whitespace().next().unwrap().parse::<f64>().unwrap()
        };
        let before = uptime();
        let steady = RealClock.monotonic() as f64 / 1e9;
        // The file has hundredths of seconds.
        assert!(
            before - 0.02 <= steady && steady <= uptime() + 0.02,
            "{before} {steady}"
        );
    }
}

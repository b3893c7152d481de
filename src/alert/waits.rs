//! Waiting: ever longer between attempts, and never past the daemon's end.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The first wait after a failure.
const FIRST: Duration = Duration::from_millis(200);

/// Ever longer waits up to a bound, each a random part shorter, so that alerts that failed together do not come back
/// together.
#[derive(Debug)]
pub(super) struct Waits {
    next: Duration,
    longest: Duration,
}

impl Waits {
    /// Waits up to `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        let next = FIRST.min(longest);
        Self { next, longest }
    }

    /// The next wait: of what is due by doubling, half to all of it, as `random` says.
    pub(super) fn next(&mut self, random: u32) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(self.longest);
        due.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
    }

    /// Begins again with the shortest.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.longest);
    }
}

/// Where randomness fails there is no jitter, which is only politeness.
pub(super) fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

/// Hears that the daemon is stopping, and by when what is under way must have ended.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<Option<Instant>>);

impl Stop {
    pub(super) fn new(told: watch::Receiver<Option<Instant>>) -> Self {
        Self(told)
    }

    /// Whether it is stopping.
    pub(super) fn is_told(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits; answers whether the daemon still runs.
    pub(super) async fn wait(&mut self, how_long: Duration) -> bool {
        tokio::select! {
            // Both an order and a lost sender mean that it is stopping.
            _ = self.0.wait_for(Option::is_some) => false,
            () = tokio::time::sleep(how_long) => true,
        }
    }

    /// Returns when what is under way is to be cut off.
    pub(super) async fn cut_off(&mut self) {
        let deadline = self.0.wait_for(Option::is_some).await.ok().and_then(|told| *told);
        if let Some(deadline) = deadline {
            tokio::time::sleep_until(deadline).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_jitter_takes_at_most_half() {
        let mut waits = Waits::new(Duration::from_secs(1));
        let longest: Vec<u128> = (0..5).map(|_| waits.next(u32::MAX).as_millis()).collect();
        assert_eq!(longest, [200, 400, 800, 1_000, 1_000]);
        waits.reset();
        let shortest: Vec<u128> = (0..5).map(|_| waits.next(0).as_millis()).collect();
        assert_eq!(shortest, [100, 200, 400, 500, 500]);
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_daemon_does() {
        let (stop, told) = watch::channel(None);
        let mut hears = Stop::new(told);
        assert!(!hears.is_told());
        assert!(hears.wait(Duration::from_millis(1)).await);
        stop.send_replace(Some(Instant::now()));
        assert!(hears.is_told());
        assert!(!hears.wait(Duration::from_secs(3_600)).await);
        hears.cut_off().await;
    }
}

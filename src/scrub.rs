//! The scrub: every so many days all files are read again in the background, at a pace that leaves the disk to others.
//!
//! What comes of it is an AUDIT record, `fixity`, and is shown by `status`. It only reads; when it is due is said by the time
//! of the newest check that was kept, so that a daemon that is often restarted makes it too.

use crate::log::fixity::{FixityError, Progress, Report};
use crate::log::{Columns, Log};
use crate::record::{Leaf, Position, Principal, Recorded};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often it is looked at whether one is due; also after one that could not be made.
const LOOK_EVERY: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// How the scrub is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Days between two checks; 0 for none.
    pub days: u64,
    /// Bytes that are read a second, at most.
    pub bytes_a_second: u64,
}

/// Makes a check whenever one is due, until told to stop.
pub async fn run(log: Log, options: Options, mut stopped: watch::Receiver<bool>) {
    if options.days == 0 {
        return;
    }
    loop {
        let wait = due_in(&log, options).await;
        let wait = wait.map_or(LOOK_EVERY, |wait| wait.min(LOOK_EVERY));
        tokio::select! {
            // Both an order and a lost sender end it.
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(wait) => {}
        }
        if due_in(&log, options).await == Some(Duration::ZERO) {
            once(&log, options, &stopped).await;
        }
    }
}

/// How long until a check is due; `None` while there is nothing to check.
async fn due_in(log: &Log, options: Options) -> Option<Duration> {
    let last = match log.last_checked() {
        Some(checked) => checked.at,
        None => {
            let log = log.clone();
            tokio::task::spawn_blocking(move || first_recorded(&log))
                .await
                .ok()??
        }
    };
    Some(until_due(last, log.now(), options.days))
}

/// When the log began.
fn first_recorded(log: &Log) -> Option<Recorded> {
    let runs = log.fetch(&[Position::START], Columns::Leaves).ok()?;
    let record = runs.first()?.iter().next()?;
    Some(Leaf::decode(record.leaf).ok()?.recorded)
}

/// How long after `now` a check is due that comes `days` after the one before.
fn until_due(last: Recorded, now: Recorded, days: u64) -> Duration {
    let since = Duration::from_nanos(now.nanos().saturating_sub(last.nanos()).max(0).unsigned_abs());
    let days = u32::try_from(days).unwrap_or(u32::MAX);
    DAY.saturating_mul(days).saturating_sub(since)
}

/// Makes one check and writes down what came of it.
async fn once(log: &Log, options: Options, stopped: &watch::Receiver<bool>) {
    tracing::info!(tail = log.tail().get(), "a scrub begins");
    let (checked, ending) = (log.clone(), stopped.clone());
    let mut pace = Pace::new(options.bytes_a_second);
    let checking = tokio::task::spawn_blocking(move || {
        checked.verify(&mut |progress| {
            pace.keep(progress);
            match *ending.borrow() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    });
    match checking.await {
        Ok(Ok(report)) => tell(log, &report).await,
        Ok(Err(FixityError::Busy)) => {}
        Ok(Err(error)) if !*stopped.borrow() => tracing::error!(%error, "a scrub was not made"),
        Ok(Err(_)) | Err(_) => {}
    }
}

async fn tell(log: &Log, report: &Report) {
    match report.findings.first() {
        None => tracing::info!(
            records = report.records,
            "a scrub found everything as it was written"
        ),
        Some(first) => tracing::error!(
            findings = report.findings_total,
            position = first.from,
            what = first.what,
            "a scrub found damage; run: chancery verify"
        ),
    }
    if let Err(error) = log.checked(report, Principal::system()).await {
        tracing::warn!(%error, "no record says what the scrub found");
    }
}

/// Keeps reading below a rate, by resting.
struct Pace {
    bytes_a_second: u64,
    begun: Instant,
}

impl Pace {
    fn new(bytes_a_second: u64) -> Self {
        let begun = Instant::now();
        Self {
            bytes_a_second,
            begun,
        }
    }

    fn keep(&mut self, progress: Progress) {
        let wanted = Duration::from_secs_f64(progress.bytes as f64 / self.bytes_a_second.max(1) as f64);
        // No rest is so long that the daemon's end would have to wait for it.
        std::thread::sleep(
            wanted
                .saturating_sub(self.begun.elapsed())
                .min(Duration::from_secs(1)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_due_so_many_days_after_the_one_before() {
        let day = |days: i64| Recorded::from_nanos(days * 86_400_000_000_000);
        assert_eq!(until_due(day(100), day(100), 30), 30 * DAY);
        assert_eq!(until_due(day(100), day(129), 30), DAY);
        assert_eq!(until_due(day(100), day(130), 30), Duration::ZERO);
        assert_eq!(until_due(day(100), day(400), 30), Duration::ZERO);
        assert_eq!(
            until_due(day(100), day(90), 30),
            30 * DAY,
            "a clock that went back"
        );
    }
}

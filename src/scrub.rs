//! The scrub: every so many days all files are read again in the background, at a pace that leaves the disk to others.
//!
//! What comes of it is an AUDIT record, `fixity`, and is shown by `status`. It only reads; when it is due is said by the time
//! of the newest check that was kept, so that a daemon that is often restarted makes it too.

use crate::log::fixity::{FixityError, Progress, Report};
use crate::log::{Columns, Log, ReadError};
use crate::record::{Leaf, Position, Principal, Recorded};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often it is looked at whether one is due; also after one that could not be made.
const LOOK_EVERY: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// The longest rest after which it is looked at again whether to go on.
const SLICE: Duration = Duration::from_millis(100);

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
    // One that was not made is not made again at once: it would be refused again, or read everything again.
    let mut made = true;
    loop {
        let wait = match due_in(&log, options).await {
            Some(wait) if made => wait.min(LOOK_EVERY),
            _ => LOOK_EVERY,
        };
        tokio::select! {
            // Both an order and a lost sender end it.
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = tokio::time::sleep(wait) => {}
        }
        made = true;
        if due_in(&log, options).await == Some(Duration::ZERO) {
            made = once(&log, options, &stopped).await;
        }
    }
}

/// How long until a check is due; `None` while there is nothing to check.
async fn due_in(log: &Log, options: Options) -> Option<Duration> {
    let log = log.clone();
    let asking = tokio::task::spawn_blocking(move || {
        let last = match log.last_checked() {
            Some(checked) => checked.at,
            None => match first_recorded(&log) {
                Ok(first) => first,
                Err(ReadError::BeyondTail { .. }) => return None,
                // What cannot be read wants checking most of all.
                Err(_) => return Some(Duration::ZERO),
            },
        };
        Some(until_due(last, log.now(), options.days))
    });
    asking.await.ok()?
}

/// When the log began.
fn first_recorded(log: &Log) -> Result<Recorded, ReadError> {
    let runs = log.fetch(&[Position::START], Columns::Leaves)?;
    let record = runs.first().and_then(|run| run.get(Position::START));
    let leaf = record.and_then(|record| Leaf::decode(record.leaf).ok());
    leaf.map(|leaf| leaf.recorded).ok_or(ReadError::Damaged {
        position: Position::START,
        expected: "a leaf".into(),
        found: "other bytes".into(),
    })
}

/// How long after `now` a check is due that comes `days` after the one before.
fn until_due(last: Recorded, now: Recorded, days: u64) -> Duration {
    let since = Duration::from_nanos(now.nanos().saturating_sub(last.nanos()).max(0).unsigned_abs());
    let days = u32::try_from(days).unwrap_or(u32::MAX);
    DAY.saturating_mul(days).saturating_sub(since)
}

/// Makes one check and writes down what came of it; answers whether it was made.
async fn once(log: &Log, options: Options, stopped: &watch::Receiver<bool>) -> bool {
    tracing::info!(tail = log.tail().get(), "a scrub begins");
    let (checked, ending) = (log.clone(), stopped.clone());
    let mut pace = Pace::new(options.bytes_a_second);
    let checking = tokio::task::spawn_blocking(move || {
        checked.verify(&mut |progress| pace.keep(progress, || *ending.borrow()))
    });
    match checking.await {
        Ok(Ok(report)) => {
            tell(log, &report).await;
            return true;
        }
        Ok(Err(FixityError::Busy)) => {}
        Ok(Err(error)) if !*stopped.borrow() => tracing::error!(%error, "a scrub was not made"),
        Ok(Err(_)) | Err(_) => {}
    }
    false
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

    /// Rests until so much may have been read, or until told to stop.
    fn keep(&mut self, progress: Progress, ended: impl Fn() -> bool) -> ControlFlow<()> {
        let wanted = Duration::from_secs_f64(progress.bytes as f64 / self.bytes_a_second.max(1) as f64);
        while !ended() {
            let rest = wanted.saturating_sub(self.begun.elapsed());
            if rest.is_zero() {
                return ControlFlow::Continue(());
            }
            // The daemon's end does not wait for longer than that.
            std::thread::sleep(rest.min(SLICE));
        }
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_rests_until_it_is_no_faster_than_allowed_or_is_told_to_stop() {
        let progress = |bytes| Progress {
            bytes,
            bytes_total: 1 << 30,
            records: 0,
        };
        let mut pace = Pace::new(1 << 20);
        assert_eq!(
            pace.keep(progress(200 << 10), || false),
            ControlFlow::Continue(())
        );
        assert!(
            pace.begun.elapsed() >= Duration::from_millis(190),
            "it has rested"
        );
        assert_eq!(pace.keep(progress(1 << 30), || true), ControlFlow::Break(()));
        let asked = std::cell::Cell::new(0);
        let soon = || asked.replace(asked.get() + 1) > 0;
        assert_eq!(pace.keep(progress(1 << 30), soon), ControlFlow::Break(()));
    }

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

//! What tells the daemon to stop: SIGTERM, SIGINT, and SIGHUP where a hangup is not ignored.
//!
//! One stop may be told by several signals: a terminal that goes away hangs up, and then the manager of services or the session
//! sends SIGTERM. None of them but the same once more says that somebody does not want to wait.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that come so soon one behind the other are one: a session that ends may send two of them.
const TOGETHER: Duration = Duration::from_millis(100);

/// When each kind of signal came first.
#[derive(Debug, Default)]
pub struct Heard(HashMap<SignalKind, Instant>);

impl Heard {
    /// Notes a signal; answers whether it comes for the second time and so ends the process at once. A hangup never does.
    pub fn ends_at_once(&mut self, kind: SignalKind, now: Instant) -> bool {
        let first = *self.0.entry(kind).or_insert(now);
        kind != SignalKind::hangup() && now.duration_since(first) >= TOGETHER
    }
}

/// Ends when the process is told to, by SIGTERM, SIGINT or a terminal that goes away. The same of SIGTERM and SIGINT once more ends the
/// process at once. Whoever was told not to mind a hangup, as by nohup, does not.
///
/// # Errors
/// What the system says where signals cannot be listened to.
pub fn signals() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = is_hangup_minded()
        .then(|| signal(SignalKind::hangup()))
        .transpose()?;
    let (first, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut first = Some(first);
        let mut heard = Heard::default();
        loop {
            let kind = tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
                () = next(&mut hangup) => SignalKind::hangup(),
            };
            if heard.ends_at_once(kind, Instant::now()) {
                tracing::warn!("the same signal a second time: ending at once");
                crate::alert::own_group::end_all();
                std::process::exit(130);
            }
            if let Some(first) = first.take() {
                // Whoever waited may be gone; then there is nothing left to stop.
                let _ = first.send(());
            }
        }
    });
    Ok(async move {
        // The task above keeps its end for as long as the process runs.
        let _ = told.await;
    })
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether a hangup would end the process, as far as the system says.
pub fn is_hangup_minded() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    ignored.is_some_and(|bits| bits & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_signal_a_second_time_ends_at_once_and_a_hangup_never() {
        let (term, int, hup) = (
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        );
        let begun = Instant::now();
        let ends = |signals: &[(SignalKind, u64)]| {
            let mut heard = Heard::default();
            let ended = signals
                .iter()
                .map(|(kind, ms)| heard.ends_at_once(*kind, begun + Duration::from_millis(*ms)));
            ended.collect::<Vec<bool>>()
        };
        assert_eq!(ends(&[(hup, 0), (term, 5_000)]), [false, false]);
        assert_eq!(ends(&[(term, 0), (hup, 500), (hup, 5_000)]), [false; 3]);
        assert_eq!(ends(&[(int, 0), (term, 500)]), [false, false]);
        assert_eq!(ends(&[(int, 0), (int, 500)]), [false, true]);
        assert_eq!(ends(&[(term, 0), (int, 200), (term, 400)]), [false, false, true]);
        // A manager and a session may send the same, long after a hangup.
        assert_eq!(ends(&[(hup, 0), (term, 5_000), (term, 5_050)]), [false; 3]);
    }
}

//! What tells the daemon to stop: SIGTERM, SIGINT, and SIGHUP where a hangup is not ignored.

use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that come so soon one behind the other are one: a session that ends may send two of them.
const TOGETHER: Duration = Duration::from_millis(100);

/// Ends when the process is told to, by SIGTERM, SIGINT or a terminal that goes away. A second SIGTERM or SIGINT ends the process at
/// once. Whoever was told not to mind a hangup, as by nohup, does not.
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
        let mut begun = Instant::now();
        loop {
            let is_hangup = tokio::select! {
                _ = terminate.recv() => false,
                _ = interrupt.recv() => false,
                () = next(&mut hangup) => true,
            };
            match first.take() {
                Some(first) => {
                    begun = Instant::now();
                    // Whoever waited may be gone; then there is nothing left to stop.
                    let _ = first.send(());
                }
                None if is_hangup || begun.elapsed() < TOGETHER => {}
                None => {
                    tracing::warn!("a second signal: ending at once");
                    crate::alert::own_group::end_all();
                    std::process::exit(130);
                }
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

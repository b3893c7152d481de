//! Ctrl-C: the first asks the command to come to an end, the second ends the process.

use super::failure::Failure;
use crate::alert::own_group;
use crate::daemon::signals::is_hangup_minded;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Signals that come so soon one behind the other are one: a session that ends may send two of them.
const TOGETHER: Duration = Duration::from_millis(100);

/// Tells whether the command was asked to end.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

/// Listens for Ctrl-C and SIGTERM from now on.
///
/// # Errors
/// Where the system does not let us.
pub fn listen() -> Result<Interrupt, Failure> {
    listen_to(&[SignalKind::interrupt(), SignalKind::terminate()])
}

/// Listens for a terminal that goes away, too: for who runs commands that the system does not tell of it, since each has a process
/// group of its own. Who was told not to mind that, as by nohup, does not.
///
/// # Errors
/// As [`listen`].
pub fn listen_with_hangup() -> Result<Interrupt, Failure> {
    let all = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::quit(),
        SignalKind::hangup(),
    ];
    listen_to(if is_hangup_minded() { &all } else { &all[..3] })
}

fn listen_to(kinds: &[SignalKind]) -> Result<Interrupt, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("signals cannot be listened to: {error}"));
    let signals = kinds.iter().map(|kind| signal(*kind));
    let mut signals = signals.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        loop {
            let any = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
            futures::future::select_all(any).await;
            match first {
                Some(first) if first.elapsed() < TOGETHER => {}
                Some(_) => {
                    own_group::end_all();
                    std::process::exit(130);
                }
                None => {
                    first = Some(Instant::now());
                    tell.send_replace(true);
                }
            }
        }
    });
    Ok(Interrupt(told))
}

impl Interrupt {
    /// Whether it was.
    pub fn is_heard(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is.
    pub async fn heard(&mut self) {
        if self.0.wait_for(|heard| *heard).await.is_err() {
            // The listener lives as long as the runtime: without it there is nothing to wait for.
            std::future::pending::<()>().await;
        }
    }
}

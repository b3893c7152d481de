//! Ctrl-C: the first asks the command to come to an end, the second ends the process. So it is with each signal that is listened to; a
//! second one of another kind asks for what was asked for already.

use super::failure::Failure;
use crate::alert::own_group;
use crate::daemon::signals::{Heard, is_hangup_minded};
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
    let signals = kinds.iter().map(|kind| Ok((*kind, signal(*kind)?)));
    let mut signals = signals.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        let mut heard = Heard::default();
        loop {
            let any = signals.iter_mut().map(|(kind, signal)| {
                Box::pin(async move {
                    signal.recv().await;
                    *kind
                })
            });
            let (kind, ..) = futures::future::select_all(any).await;
            if heard.ends_at_once(kind, Instant::now()) {
                own_group::end_all();
                std::process::exit(130);
            }
            tell.send_replace(true);
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

//! Ctrl-C: the first asks the command to come to an end, the second ends the process.

use super::failure::Failure;
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
    let failed = |error: std::io::Error| Failure::failed(format!("signals cannot be listened to: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let (tell, told) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if tell.send_replace(true) {
                std::process::exit(130);
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

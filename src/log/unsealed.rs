//! What the journal may hold that could be sealed: appends wait rather than let it grow.

use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Holds appends back while the journal is too large.
pub struct Unsealed {
    bytes_max: u64,
    fault: Mutex<Option<String>>,
    shrunk: Notify,
}

impl Unsealed {
    /// At most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            fault: Mutex::default(),
            shrunk: Notify::new(),
        }
    }

    /// Whether so many bytes are too many.
    pub fn is_over(&self, bytes: u64) -> bool {
        bytes > self.bytes_max
    }

    /// More was sealed, or it failed: those who wait look again.
    pub fn changed(&self, fault: Option<String>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        self.shrunk.notify_waiters();
    }

    /// The log is closed: those who wait look again.
    pub fn wake(&self) {
        self.shrunk.notify_waiters();
    }

    /// Why nothing is sealed, if that is so.
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What tells of the next change; made before the look at how things stand, it misses none.
    pub fn next(&self) -> tokio::sync::futures::Notified<'_> {
        self.shrunk.notified()
    }
}

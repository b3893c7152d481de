//! A gate: what must not be answered before something is known waits at it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use tokio::sync::Notify;

/// Closed until it is opened.
pub struct Gate {
    open: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
    tasks: Notify,
}

impl Default for Gate {
    /// A closed one.
    fn default() -> Self {
        Self::new(false)
    }
}

impl Gate {
    /// A gate, open or closed.
    pub fn new(open: bool) -> Self {
        Self {
            open: AtomicBool::new(open),
            lock: Mutex::default(),
            wake: Condvar::new(),
            tasks: Notify::new(),
        }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Opens it for all who wait and all who come.
    pub fn open(&self) {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.open.store(true, Ordering::Release);
        drop(held);
        self.wake.notify_all();
        self.tasks.notify_waiters();
    }

    /// Closes it again for all who come.
    pub fn close(&self) {
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.open.store(false, Ordering::Release);
    }

    /// Waits until it is open.
    pub async fn passed(&self) {
        loop {
            let told = self.tasks.notified();
            if self.is_open() {
                return;
            }
            told.await;
        }
    }

    /// As [`Gate::passed`], where blocking is allowed.
    pub fn wait(&self) {
        if self.is_open() {
            return;
        }
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_while(held, |()| !self.is_open());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn who_waits_and_who_comes_later_both_pass_once_it_is_open() {
        let gate = Arc::new(Gate::new(false));
        let (task, thread) = (Arc::clone(&gate), Arc::clone(&gate));
        let task = tokio::spawn(async move { task.passed().await });
        let thread = tokio::task::spawn_blocking(move || thread.wait());
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        gate.open();
        task.await.unwrap();
        thread.await.unwrap();
        gate.passed().await;
        gate.wait();
    }
}

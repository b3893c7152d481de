//! The thread that looks after the journal when nobody else does: it writes the cover that an idle archive ends with,
//! and commits what is queued where syncs are slow or where a handler went away.

use super::shared::Shared;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long after a sync an idle journal is covered.
pub const COVER_AFTER: Duration = Duration::from_millis(50);

/// Wakes the thread.
#[derive(Default)]
pub struct Keeper {
    state: Mutex<State>,
    wake: Condvar,
    /// The thread looks every 50 ms by itself, so that commits need not wake it.
    watching: AtomicBool,
}

#[derive(Default)]
struct State {
    kicked: bool,
    dirty: bool,
    stopping: bool,
}

impl Keeper {
    /// There are batches in the queue that nobody commits.
    pub fn kick(&self) {
        self.set(|state| state.kicked = true);
    }

    /// A group was synced: it wants a cover soon.
    pub fn committed(&self) {
        if !self.watching.swap(true, Ordering::AcqRel) {
            self.set(|state| state.dirty = true);
        }
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.set(|state| state.stopping = true);
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_all();
    }

    /// Waits for something to do; answers whether to go on, and whether there are batches to commit.
    fn wait(&self) -> (bool, bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.kicked && !state.dirty && !state.stopping {
            state = if self.watching.load(Ordering::Acquire) {
                self.wake
                    .wait_timeout(state, COVER_AFTER)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            } else {
                self.wake.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
        let kicked = std::mem::take(&mut state.kicked);
        state.dirty = false;
        (!state.stopping, kicked)
    }
}

/// Runs until told to stop, or until the log is gone.
pub fn run(log: &Weak<Shared>) {
    loop {
        let Some(keeper) = log.upgrade().map(|shared| std::sync::Arc::clone(&shared.keeper)) else {
            return;
        };
        let (go_on, kicked) = keeper.wait();
        let Some(shared) = log.upgrade().filter(|_| go_on) else {
            return;
        };
        if kicked {
            shared.commit_waiting();
        }
        // Looked at first, so that a commit in between is not missed.
        keeper.watching.store(false, Ordering::Release);
        shared.notary.wanted();
        if shared.cover(COVER_AFTER) {
            keeper.watching.store(true, Ordering::Release);
        }
    }
}

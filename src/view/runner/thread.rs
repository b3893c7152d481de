//! A thread that keeps a view going.

use super::{Runner, View};
use crate::log::{Log, WeakLog};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the thread looks for new records.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long it waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The niceness of the thread on Linux: where everything is busy it gets next to nothing.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

/// The thread.
pub struct Following {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    told: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    /// Waits; `false` when told to stop.
    fn pause(&self, time: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(told, time, |told| !*told);
        let (told, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !*told
    }
}

impl Following {
    /// Opens a view in a folder of views and has it follow a log, from a thread of its own, until the log is gone or this is
    /// dropped. `opened` is called once it can be asked; where it cannot be opened whoever asks does without.
    ///
    /// # Errors
    /// What the system says where no thread can be started.
    pub fn start<V: View>(
        views: PathBuf,
        log: WeakLog,
        opened: impl FnOnce(&Log, Arc<V::Asked>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let told = Arc::clone(&stop);
        let begin = move || {
            step_back::<V>();
            let Some(open) = log.upgrade() else { return };
            let runner = match Runner::<V>::open(&views, &open) {
                Ok(runner) => runner,
                Err(error) => {
                    tracing::error!(%error, "there is no {} view; everything goes on without it", V::NAME);
                    return;
                }
            };
            opened(&open, runner.asked());
            drop(open);
            follow(runner, &log, &told);
        };
        let thread = std::thread::Builder::new()
            .name(format!("{}-view", V::NAME))
            .spawn(begin)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

/// Appends and questions come first: this thread, and those that the view starts from it, take the processor that is left.
fn step_back<V: View>() {
    // Elsewhere it would be said of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the {} view runs at the same priority as everything else", V::NAME);
    }
}

/// Folds what comes until the log is gone or it is told to stop.
fn follow<V: View>(mut runner: Runner<V>, log: &WeakLog, stop: &Stop) {
    loop {
        let Some(open) = log.upgrade() else { return };
        let pause = match runner.step(&open) {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK_EVERY,
            Err(error) => {
                tracing::error!(%error, "the {} view does not follow; it is tried again", V::NAME);
                runner.failed(&error);
                AFTER_FAILURE
            }
        };
        drop(open);
        if stop.pause(pause) {
            continue;
        }
        // What is not sealed is folded again by the next start.
        if let Some(open) = log.upgrade()
            && let Err(error) = runner.seal(&open)
        {
            tracing::warn!(%error, "the {} view could not be sealed", V::NAME);
        }
        return;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        *self.stop.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // What a thread that panicked had folded is folded again by the next start.
            let _ = thread.join();
        }
    }
}

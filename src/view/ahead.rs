//! Blocking work, a little ahead of whoever takes the results.
//!
//! While one message is being sent the next ones are read and encoded on a thread where blocking is allowed. Never more
//! than two are ahead, so that a slow reader holds a few messages and not the archive. All readers of a server share
//! [`Readers`]: only so many steps run at a time, so that short calls find a thread, and the more readers there are the
//! smaller their messages, so that a thousand that come back after a restart hold no more memory than a few.

use crate::log::{Columns, ReadError, Run};
use crate::record::Position;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, mpsc};

/// Tells blocking work to end when whoever waits for it is dropped.
#[derive(Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// The flag for the work to look at.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Steps that run at a time: enough to keep a disk busy, and few beside the threads that may block.
const STEPS_MAX: usize = 4;
/// Bytes of records that all readers together hold in messages, about.
const MESSAGES_BYTES: usize = 32 * 1024 * 1024;
/// The most bytes of records in a message.
pub const MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// The fewest bytes of records after which a message ends.
const MESSAGE_BYTES_MIN: usize = 32 * 1024;

/// Bytes of what was read last that readers share while there are many of them.
const SHARED_BYTES: usize = 16 * 1024 * 1024;

/// What all readers of a server share.
pub struct Readers {
    steps: Arc<Semaphore>,
    reading: Arc<AtomicUsize>,
    shared: Mutex<Shared>,
}

/// What was read last.
#[derive(Default)]
struct Shared {
    runs: VecDeque<(Columns, Run)>,
    /// How many erasures there were when it was read.
    erasures: u64,
}

impl Shared {
    /// Forgets what was read before the newest erasure.
    fn forget(&mut self, erasures: u64) {
        if self.erasures < erasures {
            self.runs.clear();
            self.erasures = erasures;
        }
    }
}

impl Default for Readers {
    fn default() -> Self {
        Self {
            steps: Arc::new(Semaphore::new(STEPS_MAX)),
            reading: Arc::default(),
            shared: Mutex::default(),
        }
    }
}

impl Readers {
    /// What another reader has read of these columns at `position`: many that come back at once read the same records.
    /// `erasures` is how many there are now: nothing that was read before the newest of them is answered.
    pub fn shared(&self, position: Position, columns: Columns, erasures: u64) -> Option<Run> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.forget(erasures);
        let holds =
            |(of, run): &&(Columns, Run)| *of == columns && (run.first()..run.end()).contains(&position);
        shared.runs.iter().find(holds).map(|(_, run)| run.clone())
    }

    /// Lets others have what was read; `erasures` is how many there were before that.
    pub fn share(&self, columns: Columns, runs: &VecDeque<Run>, erasures: u64) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.forget(erasures);
        if erasures < shared.erasures {
            return;
        }
        let kept = &mut shared.runs;
        runs.iter()
            .for_each(|run| kept.push_front((columns, run.clone())));
        let mut bytes = 0;
        let fit = kept.iter().take_while(|(_, run)| {
            bytes += run.bytes();
            bytes <= SHARED_BYTES
        });
        let fit = fit.count();
        kept.truncate(fit);
    }
}

/// Counts a reader for as long as it reads.
struct Reading(Arc<AtomicUsize>);

impl Reading {
    fn begin(readers: &Readers) -> Self {
        readers.reading.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&readers.reading))
    }

    /// The bytes after which the next message of one of so many readers ends.
    fn message_bytes(&self) -> usize {
        let share = MESSAGES_BYTES / MESSAGES_HELD / self.0.load(Ordering::Relaxed).max(1);
        share.clamp(MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A source of messages that may wait for the disk.
pub trait Source: Send + 'static {
    /// What it makes.
    type Item: Send + 'static;

    /// The flag that ends a long step, where it has one.
    fn cancel(&mut self) -> Cancel;

    /// The next one, of about so many bytes of records; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] where records cannot be read; nothing follows it.
    fn step(&mut self, bytes: usize) -> Result<Option<Self::Item>, ReadError>;
}

/// Steps that are done and wait for whoever takes them. With the one being made and the one being sent a reader holds
/// three messages.
const WAITING: usize = 1;
/// See [`WAITING`].
const MESSAGES_HELD: usize = WAITING + 2;

/// A source that works ahead.
pub struct Ahead<T> {
    steps: mpsc::Receiver<Result<T, ReadError>>,
    _cancel: Cancel,
}

impl<T: Send + 'static> Ahead<T> {
    /// Starts on the first step.
    pub fn new(mut source: impl Source<Item = T>, readers: &Readers) -> Self {
        let cancel = source.cancel();
        let (sender, steps) = mpsc::channel(WAITING);
        let turns = Arc::clone(&readers.steps);
        tokio::spawn(work(source, turns, Reading::begin(readers), sender));
        Self {
            steps,
            _cancel: cancel,
        }
    }

    /// The next item. Cancel-safe.
    ///
    /// # Errors
    /// As [`Source::step`]; after an error it is at its end.
    pub async fn next(&mut self) -> Result<Option<T>, ReadError> {
        self.steps.recv().await.transpose()
    }
}

/// Makes one step after the other until the source is at its end or nobody takes them any more.
async fn work<S: Source>(
    mut source: S,
    turns: Arc<Semaphore>,
    reading: Reading,
    sender: mpsc::Sender<Result<S::Item, ReadError>>,
) {
    // The semaphore is never closed.
    while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
        let bytes = reading.message_bytes();
        let step = tokio::task::spawn_blocking(move || {
            let step = source.step(bytes);
            drop(turn);
            (source, step)
        });
        let step = match step.await {
            Ok((unfinished, step)) => {
                source = unfinished;
                step.transpose()
            }
            Err(cause) => {
                let what = "the log".to_owned();
                let cause = cause.to_string();
                drop(sender.send(Err(ReadError::Io { what, cause })).await);
                return;
            }
        };
        let Some(step) = step else { return };
        let last = step.is_err();
        if sender.send(step).await.is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Countdown(u32);

    impl Source for Countdown {
        type Item = u32;

        fn cancel(&mut self) -> Cancel {
            Cancel::default()
        }

        fn step(&mut self, _bytes: usize) -> Result<Option<u32>, ReadError> {
            self.0 = self.0.saturating_sub(1);
            Ok((self.0 > 0).then_some(self.0))
        }
    }

    #[tokio::test]
    async fn steps_come_in_order_and_end() {
        let mut ahead = Ahead::new(Countdown(4), &Readers::default());
        let mut seen = Vec::new();
        while let Some(item) = ahead.next().await.unwrap() {
            seen.push(item);
        }
        assert_eq!(seen, [3, 2, 1]);
        assert!(ahead.next().await.unwrap().is_none());
    }

    #[test]
    fn many_readers_have_small_messages_and_one_has_a_large_one() {
        let readers = Readers::default();
        let first = Reading::begin(&readers);
        assert_eq!(first.message_bytes(), MESSAGE_BYTES_MAX);
        let others: Vec<Reading> = (0..511).map(|_| Reading::begin(&readers)).collect();
        assert_eq!(first.message_bytes(), MESSAGE_BYTES_MIN);
        drop(others);
        assert_eq!(first.message_bytes(), MESSAGE_BYTES_MAX);
    }

    /// Waits until told to go on, and says when it began.
    struct Held {
        running: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    impl Source for Held {
        type Item = ();

        fn cancel(&mut self) -> Cancel {
            Cancel::default()
        }

        fn step(&mut self, _bytes: usize) -> Result<Option<()>, ReadError> {
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            (0..1_000).for_each(|_| std::thread::yield_now());
            self.running.fetch_sub(1, Ordering::SeqCst);
            Ok(None)
        }
    }

    #[tokio::test]
    async fn few_steps_run_at_a_time_however_many_readers_there_are() {
        let readers = Readers::default();
        let (running, most) = (Arc::default(), Arc::default());
        let held = || Held {
            running: Arc::clone(&running),
            most: Arc::clone(&most),
        };
        let mut all: Vec<_> = (0..64).map(|_| Ahead::new(held(), &readers)).collect();
        for ahead in &mut all {
            assert!(ahead.next().await.unwrap().is_none());
        }
        assert!((1..=STEPS_MAX).contains(&most.load(Ordering::SeqCst)));
    }
}

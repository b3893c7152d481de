//! One step of blocking work ahead of whoever takes the results.
//!
//! While one message is being sent the next is read and encoded on a thread where blocking is allowed. Never more
//! than one step is ahead, so that a slow reader holds one message and not the archive. All readers of a server share
//! [`Readers`]: only so many steps run at a time, so that short calls find a thread, and the more readers there are the
//! smaller their messages, so that a thousand that come back after a restart hold no more memory than a few.

use crate::log::ReadError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};

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

/// What all readers of a server share.
pub struct Readers {
    steps: Arc<Semaphore>,
    reading: Arc<AtomicUsize>,
}

impl Default for Readers {
    fn default() -> Self {
        Self {
            steps: Arc::new(Semaphore::new(STEPS_MAX)),
            reading: Arc::default(),
        }
    }
}

/// Counts a reader for as long as it reads.
struct Reading(Arc<AtomicUsize>);

impl Reading {
    fn begin(readers: &Readers) -> Self {
        readers.reading.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&readers.reading))
    }

    /// The bytes after which the next message of one of so many readers ends. Each holds one message that is being sent
    /// and one ahead.
    fn message_bytes(&self) -> usize {
        let share = MESSAGES_BYTES / 2 / self.0.load(Ordering::Relaxed).max(1);
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

type Step<S> = (S, Result<Option<<S as Source>::Item>, ReadError>);
type Worked<S> = Result<Step<S>, JoinError>;

/// A source that works one step ahead.
pub struct Ahead<S: Source> {
    /// The step under way; `None` at the end.
    step: Option<JoinHandle<Worked<S>>>,
    steps: Arc<Semaphore>,
    reading: Reading,
    _cancel: Cancel,
}

impl<S: Source> Ahead<S> {
    /// Starts on the first step.
    pub fn new(mut source: S, readers: &Readers) -> Self {
        let mut ahead = Self {
            step: None,
            steps: Arc::clone(&readers.steps),
            reading: Reading::begin(readers),
            _cancel: source.cancel(),
        };
        ahead.begin(source);
        ahead
    }

    fn begin(&mut self, source: S) {
        let (steps, bytes) = (Arc::clone(&self.steps), self.reading.message_bytes());
        self.step = Some(tokio::spawn(work(source, steps, bytes)));
    }

    /// The next item; the step after it begins at once. Cancel-safe.
    ///
    /// # Errors
    /// As [`Source::step`]; after an error it is at its end.
    pub async fn next(&mut self) -> Result<Option<S::Item>, ReadError> {
        let Some(handle) = &mut self.step else {
            return Ok(None);
        };
        let done = handle.await;
        self.step = None;
        let (source, step) = done.and_then(|step| step).map_err(|cause| ReadError::Io {
            what: "the log".to_owned(),
            cause: cause.to_string(),
        })?;
        if matches!(step, Ok(Some(_))) {
            self.begin(source);
        }
        step
    }
}

async fn work<S: Source>(mut source: S, steps: Arc<Semaphore>, bytes: usize) -> Worked<S> {
    // The semaphore is never closed.
    let turn = steps.acquire_owned().await;
    let step = tokio::task::spawn_blocking(move || {
        let step = source.step(bytes);
        drop(turn);
        (source, step)
    });
    step.await
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

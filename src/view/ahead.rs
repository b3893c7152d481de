//! One step of blocking work ahead of whoever takes the results.
//!
//! While one message is being sent the next is read and encoded on a thread where blocking is allowed. Never more
//! than one step is ahead, so that a slow reader holds one message and not the archive.

use crate::log::ReadError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

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

/// A source of messages that may wait for the disk.
pub trait Source: Send + 'static {
    /// What it makes.
    type Item: Send + 'static;

    /// The flag that ends a long step, where it has one.
    fn cancel(&mut self) -> Cancel;

    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] where records cannot be read; nothing follows it.
    fn step(&mut self) -> Result<Option<Self::Item>, ReadError>;
}

type Step<S> = (S, Result<Option<<S as Source>::Item>, ReadError>);

/// A source that works one step ahead.
pub struct Ahead<S: Source> {
    /// The step under way; `None` at the end.
    step: Option<JoinHandle<Step<S>>>,
    _cancel: Cancel,
}

impl<S: Source> Ahead<S> {
    /// Starts on the first step.
    pub fn new(mut source: S) -> Self {
        Self {
            _cancel: source.cancel(),
            step: Some(work(source)),
        }
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
        let (source, step) = done.map_err(|cause| ReadError::Io {
            what: "the log".to_owned(),
            cause: cause.to_string(),
        })?;
        if matches!(step, Ok(Some(_))) {
            self.step = Some(work(source));
        }
        step
    }
}

fn work<S: Source>(mut source: S) -> JoinHandle<Step<S>> {
    tokio::task::spawn_blocking(move || {
        let step = source.step();
        (source, step)
    })
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

        fn step(&mut self) -> Result<Option<u32>, ReadError> {
            self.0 = self.0.saturating_sub(1);
            Ok((self.0 > 0).then_some(self.0))
        }
    }

    #[tokio::test]
    async fn steps_come_in_order_and_end() {
        let mut ahead = Ahead::new(Countdown(4));
        let mut seen = Vec::new();
        while let Some(item) = ahead.next().await.unwrap() {
            seen.push(item);
        }
        assert_eq!(seen, [3, 2, 1]);
        assert!(ahead.next().await.unwrap().is_none());
    }
}

//! Live messages, made once and shared.
//!
//! All who follow the same filter in the same form are sent the same bytes: a commit group is judged and encoded for
//! the first of them, and the others wait for it and share it. The cache is bounded by bytes; whoever still sends a
//! frame that was dropped from it keeps it alive.

use super::hub::Form;
use crate::log::ReadError;
use crate::record::Position;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Bytes of frames kept: a second or so of a busy log, by when even a late subscriber has a frame or makes its own.
const FRAMES_BYTES: usize = 8 * 1024 * 1024;
/// What a frame costs besides its records.
const FRAME_BYTES: usize = 512;

/// Which frame: the group's range, and what is made of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameKey {
    /// The first position.
    pub first: Position,
    /// The position after the last.
    pub end: Position,
    /// The filter and the form.
    pub form: Form,
}

/// A commit group as one filter sees it: the encoded message, or `None` where nothing matched.
pub type Frame = Option<Bytes>;

/// The frames of the last groups.
#[derive(Default)]
pub struct Frames {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    cells: HashMap<FrameKey, Arc<OnceCell<Frame>>>,
    order: VecDeque<(FrameKey, usize)>,
    bytes: usize,
    /// How many erasures there were when they were made.
    erasures: u64,
}

impl Frames {
    /// The frame, made by `make` where it is not there yet. Of several callers one makes it. `bytes` is about what
    /// it will weigh. `erasures` is how many there are now: frames that were made before the newest of them are forgotten.
    ///
    /// # Errors
    /// As `make`; the next caller then tries again.
    pub async fn get<F>(
        &self,
        key: FrameKey,
        bytes: usize,
        erasures: u64,
        make: impl FnOnce() -> F + Send,
    ) -> Result<Frame, ReadError>
    where
        F: Future<Output = Result<Frame, ReadError>> + Send,
    {
        let cell = self.cell(key, bytes + FRAME_BYTES, erasures);
        cell.get_or_try_init(make).await.cloned()
    }

    fn cell(&self, key: FrameKey, bytes: usize, erasures: u64) -> Arc<OnceCell<Frame>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.erasures < erasures {
            *kept = Kept {
                erasures,
                ..Kept::default()
            };
        } else if erasures < kept.erasures {
            return Arc::default(); // One was recorded a moment ago: this frame is for nobody else.
        }
        if let Some(cell) = kept.cells.get(&key) {
            return Arc::clone(cell);
        }
        kept.bytes += bytes;
        kept.order.push_back((key.clone(), bytes));
        while kept.bytes > FRAMES_BYTES && kept.order.len() > 1 {
            if let Some((oldest, bytes)) = kept.order.pop_front() {
                kept.cells.remove(&oldest);
                kept.bytes -= bytes;
            }
        }
        let cell = Arc::new(OnceCell::new());
        kept.cells.insert(key, Arc::clone(&cell));
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;
    use crate::view::{Mode, Parts};
    use std::sync::atomic::{AtomicU32, Ordering};

    fn key(first: u64) -> FrameKey {
        FrameKey {
            first: Position::new(first),
            end: Position::new(first + 1),
            form: Form {
                filter: Filter::all().sha256(),
                names: Filter::all().names_sha256(),
                mode: Mode::Records,
                parts: Parts::Both,
            },
        }
    }

    #[tokio::test]
    async fn a_frame_is_made_once_for_all() {
        let (frames, made) = (Arc::new(Frames::default()), Arc::new(AtomicU32::new(0)));
        let callers = (0..64).map(|_| {
            let (frames, made) = (Arc::clone(&frames), Arc::clone(&made));
            tokio::spawn(async move {
                let make = || async {
                    made.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Ok(Some(Bytes::from_static(b"frame")))
                };
                frames.get(key(0), 5, 0, make).await.unwrap()
            })
        });
        for frame in futures::future::join_all(callers).await {
            assert_eq!(frame.unwrap().as_deref(), Some(&b"frame"[..]));
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn frames_from_before_an_erasure_are_forgotten() {
        let frames = Frames::default();
        let before = frames.cell(key(0), 1, 0);
        assert!(Arc::ptr_eq(&before, &frames.cell(key(0), 1, 0)));
        let after = frames.cell(key(0), 1, 1);
        assert!(!Arc::ptr_eq(&before, &after));
        assert!(
            !Arc::ptr_eq(&after, &frames.cell(key(0), 1, 0)),
            "one who does not know of it yet"
        );
        assert!(Arc::ptr_eq(&after, &frames.cell(key(0), 1, 1)));
    }

    #[test]
    fn kept_frames_stay_within_their_bytes() {
        let frames = Frames::default();
        for first in 0..100 {
            frames.cell(key(first), 1024 * 1024, 0);
        }
        let kept = frames.kept.lock().unwrap();
        assert_eq!((kept.cells.len(), kept.order.len()), (8, 8));
    }
}

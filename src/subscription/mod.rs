//! Change feeds: catch up from the log, then follow it, without a gap and without a repeat.
//!
//! A [`Session`] is pulled: it reads the next records only when the one before was taken, so that a slow subscriber
//! holds a bounded number of bytes and never delays anyone. While the log's memory still has what comes next the
//! session is live; where it no longer does, the session goes back to the log and says so.
//!
//! [`cursor`] holds the rules as plain values; [`hub`] is what all sessions share; [`frames`] lets them share their
//! messages; [`dispatch`] looks at each new record once for all filters and [`routes`] knows which of them it may concern.
//! Messages are encoded by a function that the transport gives: nothing here knows gRPC.

pub mod cursor;
pub mod dispatch;
pub mod frames;
pub mod group;
pub mod hub;
pub mod routes;
pub mod session;

pub use cursor::{Cursor, ResumeToken, TokenError};
pub use hub::{Encode, Form, From, Hub, Subscribe, SubscribeError};
pub use session::{Item, Session};

use crate::log::{Log, ReadError};

/// A feed from a time that has not passed would begin with records from before it.
///
/// # Errors
/// [`ReadError::BeginsLater`].
pub fn has_passed(log: &Log, from: &From) -> Result<(), ReadError> {
    let From::Recorded(time) = from else {
        return Ok(());
    };
    let now = log.now();
    if *time < now {
        return Ok(());
    }
    Err(ReadError::BeginsLater {
        time: time.to_string(),
        clock: now.to_string(),
        tail: log.tail(),
    })
}

/// Does what may wait for the disk where waiting is allowed.
///
/// # Errors
/// Those of `job`; [`ReadError::Io`] where it panicked.
pub(crate) async fn blocking<T, E>(job: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: std::convert::From<ReadError> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|cause| ReadError::Io {
        what: "the log".to_owned(),
        cause: cause.to_string(),
    })?
}

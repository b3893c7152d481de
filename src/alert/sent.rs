//! Whether a request was sent to its last byte: an answer may come before, from somebody who took only part of it.
//!
//! The body notes that it was taken, and the stream that everything was written that was taken before.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// How far a request was sent.
#[derive(Clone, Debug, Default)]
pub struct Sent(Arc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    is_taken: AtomicBool,
    is_written: AtomicBool,
}

impl Sent {
    /// Whether all of it was handed to the system.
    pub fn is_whole(&self) -> bool {
        self.0.is_written.load(Ordering::Relaxed)
    }

    /// A body that notes when it was taken.
    pub fn body(&self, text: String) -> Whole {
        Whole {
            bytes: Some(text.into()),
            sent: self.clone(),
        }
    }

    /// A stream that notes when it was written.
    pub fn over<S>(&self, stream: S) -> Noting<S> {
        Noting {
            stream,
            sent: self.clone(),
        }
    }
}

/// A body in one piece.
#[derive(Debug)]
pub struct Whole {
    bytes: Option<Bytes>,
    sent: Sent,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.0.is_taken.store(true, Ordering::Relaxed);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A stream to write to.
#[derive(Debug)]
pub struct Noting<S> {
    stream: S,
    sent: Sent,
}

impl<S: Read + Unpin> Read for Noting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: Write + Unpin> Write for Noting<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever flushes has written all that was taken.
        let is_taken = self.sent.0.is_taken.load(Ordering::Relaxed);
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if is_taken {
            self.sent.0.is_written.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

//! A listener that has only so many connections open, and closes those whose clients do not get on.
//!
//! The daemon's files and sockets are what the log needs too: however many come to the HTTP port, it takes a fixed number of
//! them, and the others wait in the system's own queue. So a place must not be kept by saying a byte now and then: a
//! request has its time to be said, and what is sent its time to be taken.

use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// What connections may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Connections that are open at a time.
    pub connections_max: usize,
    /// How long nothing may be read or written.
    pub idle_max: Duration,
    /// From the first byte of a request to the first of its answer; a new connection begins with it.
    pub request_max: Duration,
    /// How long a piece of an answer may take to be sent. With pieces of 256 KiB this is a lowest rate.
    pub piece_max: Duration,
}

/// What the HTTP port allows.
pub const LIMITS: Limits = Limits {
    connections_max: 256,
    idle_max: Duration::from_secs(60),
    request_max: Duration::from_secs(30),
    piece_max: Duration::from_secs(60),
};

/// Takes connections as long as there is room.
pub struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
    limits: Limits,
}

impl Bounded {
    /// A listener that keeps to these limits.
    pub fn new(listener: TcpListener, limits: Limits) -> Self {
        let room = Arc::new(Semaphore::new(limits.connections_max));
        Self {
            listener,
            room,
            limits,
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let room = Arc::clone(&self.room).acquire_owned().await;
        // What goes wrong with one connection, or for want of descriptors, is tried again by the listener of axum.
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            idle: Deadline::running(self.limits.idle_max),
            request: Deadline::running(self.limits.request_max),
            piece: Deadline::stopped(self.limits.piece_max),
            // The semaphore is never closed.
            _room: room.ok(),
        };
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A time that something may take, once it has begun.
struct Deadline {
    sleep: Pin<Box<Sleep>>,
    after: Duration,
    runs: bool,
}

impl Deadline {
    fn running(after: Duration) -> Self {
        let sleep = Box::pin(sleep(after));
        Self {
            sleep,
            after,
            runs: true,
        }
    }

    fn stopped(after: Duration) -> Self {
        Self {
            runs: false,
            ..Self::running(after)
        }
    }

    /// Begins, unless it has begun.
    fn begin(&mut self) {
        if !self.runs {
            self.restart();
        }
    }

    fn restart(&mut self) {
        self.sleep.as_mut().reset(Instant::now() + self.after);
        self.runs = true;
    }

    fn stop(&mut self) {
        self.runs = false;
    }

    /// Whether it has passed; where not, the task is woken when it does.
    fn has_passed(&mut self, cx: &mut Context<'_>) -> bool {
        self.runs && self.sleep.as_mut().poll(cx).is_ready()
    }
}

/// A connection that holds its place while it is open.
pub struct Connection {
    stream: TcpStream,
    idle: Deadline,
    request: Deadline,
    piece: Deadline,
    _room: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Passes on what came of reading or writing, unless the client has taken too long over it.
    fn checked<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.idle.restart();
        }
        let deadlines = [&mut self.idle, &mut self.request, &mut self.piece];
        // All of them, so that each wakes the task.
        let passed = deadlines.map(|deadline| deadline.has_passed(cx));
        if passed.contains(&true) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > filled {
            self.request.begin();
        }
        self.checked(cx, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        match polled {
            Poll::Ready(_) => self.request.stop(),
            Poll::Pending => self.piece.begin(),
        }
        self.checked(cx, polled)
    }

    /// Called once all that was to be written is.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.piece.stop();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LONG: Duration = Duration::from_secs(3_600);
    const PATIENT: Limits = Limits {
        connections_max: 1,
        idle_max: LONG,
        request_max: LONG,
        piece_max: LONG,
    };

    async fn bounded(limits: Limits) -> (Bounded, SocketAddr) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (Bounded::new(listener, limits), address)
    }

    /// A client and the connection that it has.
    async fn connected(limits: Limits) -> (TcpStream, Connection) {
        let (mut bounded, address) = bounded(limits).await;
        let client = TcpStream::connect(address).await.unwrap();
        let (connection, _) = bounded.accept().await;
        (client, connection)
    }

    #[tokio::test]
    async fn only_so_many_are_taken_and_one_that_goes_makes_room() {
        let (mut bounded, address) = bounded(PATIENT).await;
        let _clients = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        let (first, _) = bounded.accept().await;
        assert_eq!(bounded.room.available_permits(), 0);
        drop(first);
        let (_second, _) = bounded.accept().await;
        assert_eq!(bounded.room.available_permits(), 0);
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_happens_is_closed() {
        let idle_max = Duration::from_millis(1);
        let (_client, mut connection) = connected(Limits { idle_max, ..PATIENT }).await;
        let read = connection.read_u8().await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_says_its_request_byte_by_byte_is_not_listened_to_for_long() {
        let request_max = Duration::from_millis(50);
        let (mut client, mut connection) = connected(Limits {
            request_max,
            ..PATIENT
        })
        .await;
        let saying = tokio::spawn(async move { while client.write_all(b"G").await.is_ok() {} });
        let ended = loop {
            if let Err(error) = connection.read_u8().await {
                break error;
            }
        };
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        drop(connection);
        saying.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_is_answered_may_ask_again_later() {
        let request_max = Duration::from_millis(200);
        let (mut client, mut connection) = connected(Limits {
            request_max,
            ..PATIENT
        })
        .await;
        client.write_all(b"G").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'G');
        connection.write_all(b"answer").await.unwrap();
        sleep(2 * request_max).await;
        client.write_all(b"H").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'H');
    }

    #[tokio::test]
    async fn a_client_that_takes_its_answer_byte_by_byte_is_not_served_for_long() {
        let piece_max = Duration::from_millis(50);
        let (mut client, mut connection) = connected(Limits { piece_max, ..PATIENT }).await;
        let taking = tokio::spawn(async move {
            while client.read_u8().await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        });
        // More than the system takes in for the client.
        let written = connection.write_all(&vec![0; 64 << 20]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(connection);
        taking.abort();
    }

    #[tokio::test]
    async fn a_client_that_takes_every_piece_is_served_to_the_end() {
        let piece_max = Duration::from_secs(1);
        let (mut client, mut connection) = connected(Limits { piece_max, ..PATIENT }).await;
        let taking = tokio::spawn(async move {
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).await.map(|_| bytes.len())
        });
        for _ in 0..64 {
            connection.write_all(&[0; 256 << 10]).await.unwrap();
            connection.flush().await.unwrap();
        }
        drop(connection);
        assert_eq!(taking.await.unwrap().unwrap(), 64 * (256 << 10));
    }

    /// A client of a server of the kind that the port has, which answers 64 MiB.
    async fn served(limits: Limits) -> TcpStream {
        let (bounded, address) = bounded(limits).await;
        let pieces = || (0..256).map(|_| Ok::<_, std::convert::Infallible>(vec![7; 256 << 10]));
        let answer = move || async move { axum::body::Body::from_stream(futures::stream::iter(pieces())) };
        let router = axum::Router::new().route("/", axum::routing::get(answer));
        tokio::spawn(async move { axum::serve(bounded, router).await });
        TcpStream::connect(address).await.unwrap()
    }

    /// The server tells the connection when a piece is sent: the time is for each, and not for all of them.
    #[tokio::test]
    async fn a_long_answer_may_take_longer_than_a_piece_of_it() {
        let piece_max = Duration::from_secs(1);
        let mut client = served(Limits { piece_max, ..PATIENT }).await;
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        let (mut buffer, mut total) = (vec![0; 256 << 10], 0);
        while let Ok(read @ 1..) = client.read(&mut buffer).await {
            total += read;
            sleep(Duration::from_millis(10)).await;
        }
        assert!(total > 64 << 20, "{total}");
        assert!(begun.elapsed() > 2 * piece_max);
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_cut_off() {
        let request_max = Duration::from_millis(50);
        let mut client = served(Limits {
            request_max,
            ..PATIENT
        })
        .await;
        client.write_all(b"GET /").await.unwrap();
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

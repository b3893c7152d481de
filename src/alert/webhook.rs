//! Posts a match to an HTTP server: the same JSON that a command is given, one request for each attempt.
//!
//! HTTP/1.1 to any host, over a connection of its own, with [`tls`] where the address says so. No redirect is followed; whoever
//! answers with one is told of in the failure.

use super::attempt::{Of, Why};
use super::connect::connect;
use super::matched::Told;
use super::sent::{Sent, Whole};
use super::settings::Webhook;
use super::tls;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// The header by which a receiver knows a match that comes again.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header that names the alert.
pub const ALERT: &str = "chancery-alert";
/// What is set here and not by the settings.
pub const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "user-agent",
    IDEMPOTENCY_KEY,
    ALERT,
];

/// Posts it and returns once it was answered; `cut` says when it is cut off, and why.
///
/// # Errors
/// [`Why`]; only a 2xx to all of the request is none.
pub async fn post(to: &Webhook, of: &Of<'_>, told: &Told, cut: impl Future<Output = Why>) -> Result<(), Why> {
    let sent = Sent::default();
    let request = request(to, of, told).map_err(Why::Request)?;
    let answer = tokio::select! {
        answer = ask(to, request.map(|line| sent.body(line)), &sent) => answer?,
        why = cut => return Err(why),
    };
    match answer.status() {
        status if !status.is_success() => Err(Why::Answer(status)),
        status if !sent.is_whole() => Err(Why::Early(status)),
        _ => Ok(()),
    }
}

/// Whether a request can be made of it at all: what cannot would fail for ever.
pub fn can_be_asked(to: &Webhook) -> bool {
    made(
        to,
        HeaderValue::from_static("a"),
        "example.org/log/0".to_owned(),
        String::new(),
    )
    .is_ok()
}

fn request(to: &Webhook, of: &Of<'_>, told: &Told) -> Result<Request<String>, http::Error> {
    // After a restore a position is given again, to another record.
    let key = format!("{}/{}/{}", of.origin, told.position, hex::encode(told.leaf_hash));
    made(to, HeaderValue::from_str(of.alert)?, key, told.line.clone())
}

fn made(to: &Webhook, alert: HeaderValue, key: String, line: String) -> Result<Request<String>, http::Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&to.path)
        .header(HOST, &to.authority)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("chancery/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .header(IDEMPOTENCY_KEY, key)
        .header(ALERT, alert)
        .body(line)?;
    request.headers_mut().extend(to.headers.clone());
    Ok(request)
}

async fn ask(to: &Webhook, request: Request<Whole>, sent: &Sent) -> Result<Response<Incoming>, Why> {
    let unconnected = |cause: io::Error| Why::Unconnected {
        address: to.authority.clone(),
        cause,
    };
    let stream = connect(&to.host, to.port).await.map_err(unconnected)?;
    if !to.secure {
        return exchange(stream, request, sent).await;
    }
    let trusted = match tls::read_before() {
        Some(trusted) => trusted,
        // Files are read the first time.
        None => tokio::task::spawn_blocking(tls::trusted)
            .await
            .map_err(|error| unconnected(error.into()))??,
    };
    let stream = tls::with(trusted, &to.host, stream).await;
    let untrusted = |cause| Why::Untrusted {
        address: to.authority.clone(),
        cause,
    };
    exchange(stream.map_err(untrusted)?, request, sent).await
}

async fn exchange<S>(stream: S, request: Request<Whole>, sent: &Sent) -> Result<Response<Incoming>, Why>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = sent.over(TokioIo::new(stream));
    let (mut sender, connection) = http1::handshake(stream).await.map_err(Why::Lost)?;
    let mut asking = pin!(sender.send_request(request));
    // The connection moves the bytes of both directions for as long as it is polled.
    let answer = tokio::select! {
        answer = &mut asking => answer,
        _ = connection => asking.await,
    };
    answer.map_err(Why::Lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};

    /// What is answered once so many bytes were read of a request with a body of 100,000 bytes, and whether all was sent.
    async fn asked(reads: usize) -> (u16, bool) {
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let sent = Sent::default();
        let request = Request::post("/in").body(sent.body("x".repeat(100_000))).unwrap();
        let answering = async {
            let mut some = vec![0; reads];
            theirs.read_exact(&mut some).await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            theirs.write_all(answer).await.unwrap();
        };
        let (answer, ()) = tokio::join!(exchange(ours, request, &sent), answering);
        (answer.unwrap().status().as_u16(), sent.is_whole())
    }

    /// A connection that takes everything and then breaks.
    struct Broken;

    impl AsyncRead for Broken {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::Error::other("the cable is cut")))
        }
    }

    impl AsyncWrite for Broken {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_told_with_what_the_system_said() {
        let sent = Sent::default();
        let request = Request::post("/in").body(sent.body("x".to_owned())).unwrap();
        let error = exchange(Broken, request, &sent).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the connection was lost before an answer: operation was canceled: connection error: the cable is cut"
        );
    }

    #[tokio::test]
    async fn an_answer_before_the_request_was_sent_is_known() {
        assert_eq!(asked(100).await, (200, false));
        assert_eq!(asked(90_000).await, (200, false));
        assert_eq!(asked(100_000).await, (200, true));
    }
}

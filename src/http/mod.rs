//! The HTTP port: the whole log as files, for whoever wants to check or copy it without a client.
//!
//! Served is the C2SP tlog-tiles layout ([`tiles`]) and, beside it, the payloads; every page that is not a file lists what
//! lies below it ([`pages`]), so that a program that follows links copies all of it. It only reads, shows nothing beyond
//! the newest signed checkpoint, and knows the log and the Merkle tree and nothing else.

mod bounded;
mod pages;
mod tiles;

use crate::log::Log;
use crate::record::Position;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use bounded::{Bounded, LIMITS};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Requests that read the log at a time; further ones wait.
const READS_MAX: usize = 8;
/// What never changes may be kept for a year.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// What changes is asked for again each time.
const AGAIN: &str = "no-cache";
/// What may have to be erased is kept by nobody on the way.
const NOT_KEPT: &str = "no-store";

/// What all requests share.
#[derive(Clone)]
struct Port {
    log: Log,
    room: Arc<Semaphore>,
}

/// Why a request is not answered with what it asks for.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    /// There is no such thing, or not yet.
    #[error("{0} is not here; / lists what is")]
    NotFound(String),
    /// There was such a thing.
    #[error("the record at position {0} is lost here, and what holds it with it; another copy may have it")]
    Gone(Position),
    /// The archive signs nothing, or not yet.
    #[error("there is no signed checkpoint yet; ask again in a second")]
    Unsigned,
    /// The bytes cannot be read.
    #[error("{0}")]
    Read(#[from] crate::log::ReadError),
    /// A thread was lost, or the port is closing.
    #[error("the request was not finished; ask again")]
    Lost,
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let code = match &self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Gone(_) => StatusCode::GONE,
            Self::Unsigned | Self::Lost => StatusCode::SERVICE_UNAVAILABLE,
            Self::Read(error) => {
                tracing::error!(%error, "the HTTP port could not read");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let headers = [
            (CACHE_CONTROL, NOT_KEPT),
            (CONTENT_TYPE, "text/plain; charset=utf-8"),
        ];
        (code, headers, format!("{self}\n")).into_response()
    }
}

/// Serves the log's files until `shutdown`, and then until the requests under way have ended.
///
/// # Errors
/// What the system says.
pub async fn serve(
    log: Log,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let is_loopback = listener
        .local_addr()
        .is_ok_and(|address| address.ip().is_loopback());
    let port = Port {
        log,
        room: Arc::new(Semaphore::new(READS_MAX)),
    };
    let mut router = Router::new()
        .route("/", get(pages::front))
        .route("/checkpoint", get(tiles::checkpoint))
        .route("/key", get(tiles::key))
        .fallback(get(path))
        .with_state(port)
        .layer(middleware::map_response(hardened));
    if is_loopback {
        router = router.layer(middleware::from_fn(only_local_names));
    }
    let listener = Bounded::new(listener, LIMITS);
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}

/// Everything below the front page: a file of the layout, or the list of what lies below a folder.
async fn path(State(port): State<Port>, uri: Uri) -> Result<Response, HttpError> {
    let path = uri.path().trim_start_matches('/');
    match path.parse() {
        Ok(tile) => tiles::tile(port, tile).await,
        Err(_) => pages::folder(&port, path),
    }
}

/// Bytes of the archive are never taken for a page of a site.
async fn hardened(mut response: Response) -> Response {
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// On a port for this machine alone, answers those who call it by an address or as localhost: a page in a browser that
/// had its own name lead here would otherwise read the archive.
async fn only_local_names(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    if is_local_name(host) {
        return next.run(request).await;
    }
    let text = "this port answers on its address or as localhost only\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

fn is_local_name(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.is_empty()
        || name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || address.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_local_name;

    #[test]
    fn addresses_and_localhost_are_local_and_other_names_are_not() {
        for local in [
            "",
            "127.0.0.1",
            "127.0.0.1:4711",
            "localhost:4711",
            "[::1]:4711",
            "[::1]",
            "a.localhost",
        ] {
            assert!(is_local_name(local), "{local}");
        }
        for other in [
            "example.org",
            "example.org:4711",
            "localhost.example.org",
            "127.0.0.1.example.org:4711",
        ] {
            assert!(!is_local_name(other), "{other}");
        }
    }
}

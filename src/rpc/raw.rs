//! Streams of messages that are encoded already.
//!
//! The generated services encode a struct for each message. `Read`, `GetHistory`, `Subscribe` and `Search` make their messages
//! of stored bytes instead ([`super::wire`]): the services here take those calls and hand every other one to the
//! generated code.

use super::codec::ProtoDecoder;
use super::status;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::HeaderMap;
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tonic::body::Body;
use tonic::{Request, Status, Streaming};

/// The most bytes of a request; above the log's own bounds, so that its errors answer.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Messages with their length before them ([`super::wire`]), as they are sent.
pub type RawStream = BoxStream<'static, Result<Bytes, Status>>;

/// A call that answers with encoded messages.
pub trait RawCall<T>: Send + Sync + 'static {
    /// Answers one request.
    fn call(self: Arc<Self>, request: Request<T>) -> BoxFuture<'static, Result<RawStream, Status>>;
}

/// Decodes the one request of a call, and answers with a body that hands on what the call makes.
async fn answer<T, C>(call: Arc<C>, request: http::Request<Body>) -> http::Response<Body>
where
    T: prost::Message + Default + Send + 'static,
    C: RawCall<T>,
{
    let answered = match decode(request).await {
        Ok(request) => call.call(request).await,
        Err(status) => Err(status),
    };
    match answered {
        Ok(messages) => {
            let mut response = http::Response::new(Body::new(RawBody {
                messages,
                ended: false,
            }));
            let grpc = http::HeaderValue::from_static("application/grpc");
            response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
            response
        }
        Err(status) => status.into_http(),
    }
}

async fn decode<T>(request: http::Request<Body>) -> Result<Request<T>, Status>
where
    T: prost::Message + Default + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let mut messages =
        Streaming::new_request(ProtoDecoder::<T>::default(), body, None, Some(REQUEST_BYTES_MAX));
    let message = messages.message().await.map_err(status::received)?;
    let message = message.ok_or_else(|| Status::invalid_argument("the call came without its request"))?;
    Ok(Request::from_parts(
        tonic::metadata::MetadataMap::from_headers(parts.headers),
        parts.extensions,
        message,
    ))
}

/// Hands on each message as it is: what many subscribers are sent is one piece of memory, and none of them copies it.
struct RawBody {
    messages: RawStream,
    ended: bool,
}

impl http_body::Body for RawBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let status = match ready!(self.messages.poll_next_unpin(context)) {
            Some(Ok(message)) => return Poll::Ready(Some(Ok(Frame::data(message)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.ended = true;
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(
            status
                .add_header(&mut trailers)
                .map(|()| Frame::trailers(trailers)),
        ))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// One call of a service, by its path.
type Route = Arc<dyn Fn(http::Request<Body>) -> BoxFuture<'static, http::Response<Body>> + Send + Sync>;

/// A generated service of which some calls answer with encoded messages.
#[derive(Clone)]
pub struct WithRaw<S> {
    generated: S,
    routes: Vec<(&'static str, Route)>,
}

impl<S> WithRaw<S> {
    /// The generated service alone.
    pub fn new(generated: S) -> Self {
        Self {
            generated,
            routes: Vec::new(),
        }
    }

    /// Answers `path` with encoded messages.
    #[must_use]
    pub fn route<T, C>(mut self, path: &'static str, call: Arc<C>) -> Self
    where
        T: prost::Message + Default + Send + 'static,
        C: RawCall<T>,
    {
        let route: Route = Arc::new(move |request| Box::pin(answer::<T, C>(Arc::clone(&call), request)));
        self.routes.push((path, route));
        self
    }
}

impl<S> tower_service::Service<http::Request<Body>> for WithRaw<S>
where
    S: tower_service::Service<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = Infallible,
            Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>,
        >,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.generated.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        match self.routes.iter().find(|(route, _)| *route == path) {
            Some((_, route)) => {
                let answer = route(request);
                Box::pin(async move { Ok(answer.await) })
            }
            None => {
                let answer = self.generated.call(request);
                Box::pin(async move { answer.await.map(told) })
            }
        }
    }
}

/// The answer, and where the transport refused the request itself, our words for it.
fn told(response: http::Response<Body>) -> http::Response<Body> {
    match response.extensions().get::<Status>() {
        Some(refusal) => {
            let ours = status::received(refusal.clone());
            if ours.code() == refusal.code() {
                response
            } else {
                ours.into_http()
            }
        }
        None => response,
    }
}

impl<S: tonic::server::NamedService> tonic::server::NamedService for WithRaw<S> {
    const NAME: &'static str = S::NAME;
}

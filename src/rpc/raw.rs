//! Streams of messages that are encoded already.
//!
//! The generated services encode a struct for each message. `Read`, `GetHistory` and `Subscribe` make their messages
//! of stored bytes instead ([`super::wire`]): the services here take those calls and hand every other one to the
//! generated code.

use super::codec::ProtoDecoder;
use bytes::{BufMut, Bytes};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic::{Request, Response, Status};

/// The most bytes of a request; above the log's own bounds, so that its errors answer.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Encoded messages, as they are sent.
pub type RawStream = BoxStream<'static, Result<Bytes, Status>>;

/// Decodes requests with prost and sends answers as they are.
struct RawCodec<T> {
    buffer_bytes: usize,
    request: PhantomData<T>,
}

impl<T> RawCodec<T> {
    fn new(buffer_bytes: usize) -> Self {
        Self {
            buffer_bytes,
            request: PhantomData,
        }
    }
}

/// Bytes that a stream gathers before they are handed to the connection.
const YIELD_BYTES: usize = 64 * 1024;

impl<T: prost::Message + Default + Send + 'static> Codec for RawCodec<T> {
    type Encode = Bytes;
    type Decode = T;
    type Encoder = RawEncoder;
    type Decoder = ProtoDecoder<T>;

    fn encoder(&mut self) -> RawEncoder {
        RawEncoder {
            settings: BufferSettings::new(self.buffer_bytes, YIELD_BYTES),
        }
    }

    fn decoder(&mut self) -> ProtoDecoder<T> {
        ProtoDecoder::default()
    }
}

struct RawEncoder {
    settings: BufferSettings,
}

impl Encoder for RawEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.settings
    }
}

/// A call that answers with encoded messages.
pub trait RawCall<T>: Send + Sync + 'static {
    /// Answers one request.
    fn call(self: Arc<Self>, request: Request<T>) -> BoxFuture<'static, Result<RawStream, Status>>;
}

struct Method<C: ?Sized>(Arc<C>);

impl<T, C> tonic::server::ServerStreamingService<T> for Method<C>
where
    T: Send + 'static,
    C: RawCall<T> + ?Sized,
{
    type Response = Bytes;
    type ResponseStream = RawStream;
    type Future = BoxFuture<'static, Result<Response<RawStream>, Status>>;

    fn call(&mut self, request: Request<T>) -> Self::Future {
        let answer = Arc::clone(&self.0).call(request);
        Box::pin(async move { answer.await.map(Response::new) })
    }
}

/// One call of a service, by its path.
type Route = Arc<
    dyn Fn(http::Request<tonic::body::Body>) -> BoxFuture<'static, http::Response<tonic::body::Body>>
        + Send
        + Sync,
>;

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

    /// Answers `path` with encoded messages. `buffer_bytes` are set aside for each call.
    #[must_use]
    pub fn route<T, C>(mut self, path: &'static str, buffer_bytes: usize, call: Arc<C>) -> Self
    where
        T: prost::Message + Default + Send + 'static,
        C: RawCall<T>,
    {
        let route: Route = Arc::new(move |request| {
            let method = Method(Arc::clone(&call));
            Box::pin(async move {
                let mut grpc = tonic::server::Grpc::new(RawCodec::<T>::new(buffer_bytes))
                    .max_decoding_message_size(REQUEST_BYTES_MAX);
                grpc.server_streaming(method, request).await
            })
        });
        self.routes.push((path, route));
        self
    }
}

impl<S> tower_service::Service<http::Request<tonic::body::Body>> for WithRaw<S>
where
    S: tower_service::Service<
            http::Request<tonic::body::Body>,
            Response = http::Response<tonic::body::Body>,
            Error = Infallible,
            Future = BoxFuture<'static, Result<http::Response<tonic::body::Body>, Infallible>>,
        >,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.generated.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let path = request.uri().path();
        match self.routes.iter().find(|(route, _)| *route == path) {
            Some((_, route)) => {
                let answer = route(request);
                Box::pin(async move { Ok(answer.await) })
            }
            None => self.generated.call(request),
        }
    }
}

impl<S: tonic::server::NamedService> tonic::server::NamedService for WithRaw<S> {
    const NAME: &'static str = S::NAME;
}

//! `Subscriptions`: following the log.

use super::raw::{RawCall, RawStream};
use super::status::RequestError;
use super::{Core, blocking, convert, proto, status, wire};
use crate::filter::Filter;
use crate::log::{Log, ReadError};
use crate::record::{Position, Recorded};
use crate::subscription::{From, Item, Session, Subscribe};
use crate::view::Mode;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// The shortest time between heartbeats, in milliseconds.
const HEARTBEAT_MS_MIN: u32 = 100;
/// The longest time between heartbeats, in milliseconds.
const HEARTBEAT_MS_MAX: u32 = 3_600_000;
/// The time between heartbeats where the request does not say, in milliseconds.
const HEARTBEAT_MS: u32 = 10_000;

/// Answers `Subscriptions`.
pub struct Subscriptions(pub Arc<Core>);

#[tonic::async_trait]
impl proto::subscriptions_server::Subscriptions for Subscriptions {
    type SubscribeStream = BoxStream<'static, Result<proto::SubscribeResponse, Status>>;

    async fn subscribe(
        &self,
        _: Request<proto::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(Status::unimplemented(
            "this call is answered with encoded messages",
        ))
    }
}

impl RawCall<proto::SubscribeRequest> for Subscriptions {
    fn call(
        self: Arc<Self>,
        request: Request<proto::SubscribeRequest>,
    ) -> BoxFuture<'static, Result<RawStream, Status>> {
        Box::pin(async move {
            let request = subscribe(request.into_inner())?;
            let (log, from) = (self.0.log.clone(), request.from.clone());
            blocking(move || has_passed(&log, &from), status::read).await?;
            let filter = request.filter.clone();
            let session = self.0.hub.subscribe(request).await;
            let session = session.map_err(|error| status::subscribe(&error))?;
            let origin = self.0.log.origin().to_owned();
            let items = futures::stream::unfold(session, |mut session: Session| async move {
                session.next().await.map(|item| (item, session))
            });
            let messages = items
                .map_ok(move |item| message(item, &origin, &filter))
                .map_err(|error| status::read(&error));
            Ok(messages.boxed())
        })
    }
}

/// A feed from a time that has not passed would begin with records from before it.
fn has_passed(log: &Log, from: &From) -> Result<(), ReadError> {
    let From::Recorded(time) = from else {
        return Ok(());
    };
    let now = log.now();
    if *time < now {
        return Ok(());
    }
    Err(ReadError::NotPassed {
        time: time.to_string(),
        clock: now.to_string(),
        tail: log.tail(),
    })
}

fn subscribe(request: proto::SubscribeRequest) -> Result<Subscribe, RequestError> {
    Ok(Subscribe {
        from: from(request.from)?,
        filter: convert::filter(&request.filter)?,
        parts: convert::parts(request.parts)?,
        until: request.until.map(|last| Position::new(last).next()),
        heartbeat: heartbeat(request.heartbeat_ms)?,
        mode: if request.records_only {
            Mode::Records
        } else {
            Mode::Changes
        },
    })
}

fn from(from: Option<proto::SubscribeFrom>) -> Result<From, RequestError> {
    use proto::subscribe_from::From as Sent;
    match from.and_then(|from| from.from) {
        None | Some(Sent::Tail(true)) => Ok(From::Tail),
        Some(Sent::Start(true)) => Ok(From::Start),
        Some(Sent::Position(position)) => Ok(From::Position(Position::new(position))),
        Some(Sent::Recorded(nanos)) => Ok(From::Recorded(Recorded::from_nanos(nanos))),
        Some(Sent::ResumeToken(token)) => Ok(From::Token(token)),
        Some(Sent::Start(false)) => Err(RequestError::field(
            "from.start",
            "`false` says nothing; say true",
        )),
        Some(Sent::Tail(false)) => Err(RequestError::field("from.tail", "`false` says nothing; say true")),
    }
}

fn heartbeat(milliseconds: u32) -> Result<Duration, RequestError> {
    match milliseconds {
        0 => Ok(Duration::from_millis(HEARTBEAT_MS.into())),
        HEARTBEAT_MS_MIN..=HEARTBEAT_MS_MAX => Ok(Duration::from_millis(milliseconds.into())),
        other => Err(RequestError::field(
            "heartbeat_ms",
            format!("{other} is not 0 or {HEARTBEAT_MS_MIN} to {HEARTBEAT_MS_MAX}"),
        )),
    }
}

/// A message of a session, encoded.
fn message(item: Item, origin: &str, filter: &Filter) -> Bytes {
    use proto::subscribe_response::Message as Sent;
    let sent = match item {
        Item::Batch(encoded) => return encoded,
        Item::Started { from, tail, token } => Sent::Started(proto::Started {
            origin: origin.to_owned(),
            from: from.get(),
            tail: tail.get(),
            canonical_filter: filter.canonical().to_owned(),
            resume_token: token.into(),
        }),
        Item::CaughtUp { position } => Sent::CaughtUp(proto::CaughtUp {
            position: position.get(),
        }),
        Item::FellBehind { position, tail } => Sent::FellBehind(proto::FellBehind {
            position: position.get(),
            tail: tail.get(),
        }),
        Item::Heartbeat { tail, lag } => Sent::Heartbeat(proto::Heartbeat {
            tail: tail.get(),
            lag,
        }),
        Item::Draining { token, position } => Sent::Draining(proto::Draining {
            resume_token: token.into(),
            position: position.get(),
        }),
    };
    wire::message(&proto::SubscribeResponse { message: Some(sent) })
}

//! `Subscriptions`: following the log.

use super::raw::{RawCall, RawStream};
use super::status::RequestError;
use super::{Core, blocking, consume, convert, groups, proto, status, wire};
use crate::filter::Filter;
use crate::record::{Position, Recorded};
use crate::subscription::group::GroupError;
use crate::subscription::{From, Item, Session, Subscribe, has_passed};
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

    async fn create_group(
        &self,
        request: Request<proto::CreateGroupRequest>,
    ) -> Result<Response<proto::ConsumerGroup>, Status> {
        let (settings, from) = groups::settings(request.into_inner())?;
        let (log, start) = (self.0.log.clone(), from.clone());
        blocking(move || has_passed(&log, &start), status::read).await?;
        let core = Arc::clone(&self.0);
        let made = to_the_end(async move { core.groups.create(settings, from).await });
        let group = made.await?.map_err(failed)?;
        let standing = group.standing();
        Ok(Response::new(groups::group(&group, standing, self.0.log.tail())))
    }

    async fn get_group(
        &self,
        request: Request<proto::GetGroupRequest>,
    ) -> Result<Response<proto::ConsumerGroup>, Status> {
        let group = self.0.groups.get(&request.into_inner().name).map_err(failed)?;
        groups::counted(&self.0, group).await.map(Response::new)
    }

    async fn list_groups(
        &self,
        _: Request<proto::ListGroupsRequest>,
    ) -> Result<Response<proto::ListGroupsResponse>, Status> {
        self.0.groups.check().map_err(failed)?;
        let tail = self.0.log.tail();
        let all = self.0.groups.list();
        let groups = all.iter().map(|one| groups::group(one, one.standing(), tail));
        Ok(Response::new(proto::ListGroupsResponse {
            groups: groups.collect(),
        }))
    }

    async fn delete_group(
        &self,
        request: Request<proto::DeleteGroupRequest>,
    ) -> Result<Response<proto::DeleteGroupResponse>, Status> {
        let name = request.into_inner().name;
        let core = Arc::clone(&self.0);
        let forgotten = to_the_end(async move { core.groups.delete(&name).await });
        forgotten.await?.map_err(failed)?;
        Ok(Response::new(proto::DeleteGroupResponse {}))
    }

    type ConsumeStream = consume::Answers;

    async fn consume(
        &self,
        request: Request<tonic::Streaming<proto::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        consume::consume(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn pull(
        &self,
        request: Request<proto::PullRequest>,
    ) -> Result<Response<proto::PullResponse>, Status> {
        let (name, pull) = groups::pull(request.into_inner())?;
        let group = self.0.groups.get(&name).map_err(failed)?;
        let parts = pull.parts;
        let delivered = self.0.groups.pull(&group, pull).await.map_err(failed)?;
        Ok(Response::new(proto::PullResponse {
            deliveries: groups::deliveries(&delivered, parts),
        }))
    }

    async fn ack(&self, request: Request<proto::AckRequest>) -> Result<Response<proto::AckResponse>, Status> {
        let request = request.into_inner();
        let group = self.0.groups.get(&request.group).map_err(failed)?;
        let positions = groups::positions("positions", &request.positions)?;
        let through = request.through.map(Position::new);
        groups::check_named(through.is_some(), &request.consumer)?;
        let consumer = groups::caller(request.consumer)?;
        let acked = self.0.groups.ack(&group, &consumer, positions, through).await;
        Ok(Response::new(proto::AckResponse {
            acked: acked.map_err(failed)?,
        }))
    }

    async fn nack(
        &self,
        request: Request<proto::NackRequest>,
    ) -> Result<Response<proto::NackResponse>, Status> {
        let request = request.into_inner();
        let group = self.0.groups.get(&request.group).map_err(failed)?;
        let positions = groups::positions("positions", &request.positions)?;
        let refusal = groups::refusal("", &request)?;
        let consumer = groups::caller(request.consumer)?;
        let groups = &self.0.groups;
        let nacked = groups.nack(&group, &consumer, positions, refusal, &request.reason);
        Ok(Response::new(proto::NackResponse {
            nacked: nacked.await.map_err(failed)?,
        }))
    }

    async fn extend(
        &self,
        request: Request<proto::ExtendRequest>,
    ) -> Result<Response<proto::ExtendResponse>, Status> {
        let request = request.into_inner();
        let group = self.0.groups.get(&request.group).map_err(failed)?;
        group.check().map_err(failed)?;
        let positions = groups::positions("positions", &request.positions)?;
        groups::check_named(positions.is_empty(), &request.consumer)?;
        let consumer = groups::caller(request.consumer)?;
        Ok(Response::new(proto::ExtendResponse {
            extended: group.extend(&consumer, &positions),
        }))
    }

    async fn list_parked(
        &self,
        request: Request<proto::ListParkedRequest>,
    ) -> Result<Response<proto::ListParkedResponse>, Status> {
        let request = request.into_inner();
        let group = self.0.groups.get(&request.group).map_err(failed)?;
        let max = groups::max("max", request.max)?;
        let (parked, total) = group.parked(Position::new(request.from), max);
        Ok(Response::new(proto::ListParkedResponse {
            parked: parked.into_iter().map(groups::parked).collect(),
            total,
        }))
    }

    async fn replay_parked(
        &self,
        request: Request<proto::ReplayParkedRequest>,
    ) -> Result<Response<proto::ReplayParkedResponse>, Status> {
        let request = request.into_inner();
        let group = self.0.groups.get(&request.group).map_err(failed)?;
        let positions = groups::positions("positions", &request.positions)?;
        let positions = (!positions.is_empty()).then_some(positions);
        let replayed = self.0.groups.replay(&group, positions).await;
        Ok(Response::new(proto::ReplayParkedResponse {
            replayed: replayed.map_err(failed)?,
        }))
    }

    async fn drop_parked(
        &self,
        request: Request<proto::DropParkedRequest>,
    ) -> Result<Response<proto::DropParkedResponse>, Status> {
        let request = request.into_inner();
        let group = self.0.groups.get(&request.group).map_err(failed)?;
        let positions = groups::positions("positions", &request.positions)?;
        // Nothing is forgotten for want of a word.
        if request.all != positions.is_empty() {
            let problem = "name the records in `positions`, or say `all`; one of the two";
            return Err(RequestError::field("positions", problem).into());
        }
        let positions = (!request.all).then_some(positions);
        let dropped = self.0.groups.drop_parked(&group, positions).await;
        Ok(Response::new(proto::DropParkedResponse {
            dropped: dropped.map_err(failed)?,
        }))
    }
}

fn failed(error: GroupError) -> Status {
    status::group(&error)
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

fn subscribe(request: proto::SubscribeRequest) -> Result<Subscribe, RequestError> {
    Ok(Subscribe {
        from: from(request.from)?,
        filter: convert::filter(&request.filter)?,
        parts: convert::parts("parts", request.parts)?,
        until: request.until.map(|last| Position::new(last).next()),
        heartbeat: heartbeat("heartbeat_ms", request.heartbeat_ms)?,
        mode: if request.records_only {
            Mode::Records
        } else {
            Mode::Changes
        },
    })
}

/// Where a feed or a group starts.
pub(super) fn from(from: Option<proto::SubscribeFrom>) -> Result<From, RequestError> {
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

/// The time between heartbeats.
pub(super) fn heartbeat(field: &str, milliseconds: u32) -> Result<Duration, RequestError> {
    match milliseconds {
        0 => Ok(Duration::from_millis(HEARTBEAT_MS.into())),
        HEARTBEAT_MS_MIN..=HEARTBEAT_MS_MAX => Ok(Duration::from_millis(milliseconds.into())),
        other => Err(RequestError::field(
            field,
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

/// Goes on where nobody waits for the answer any more: what is half done on the disk and in memory would differ.
async fn to_the_end<T: Send + 'static>(doing: impl Future<Output = T> + Send + 'static) -> Result<T, Status> {
    let done = tokio::spawn(doing).await;
    done.map_err(|lost| Status::internal(format!("the call broke off: {lost}")))
}

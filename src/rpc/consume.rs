//! `Subscriptions.Consume`: one consumer of a group, over one stream.
//!
//! A task reads what the consumer says, takes records for it as its credits allow, and answers each acknowledgement once it is kept,
//! in the order in which they came. It holds at most one message of records and the acknowledgements under way; where the consumer
//! does not read, nothing more is taken for it. When it ends, for whatever reason, what the consumer has goes to others.

use super::status::{self, RequestError};
use super::subscriptions::heartbeat;
use super::{Core, convert, groups, proto};
use crate::subscription::group::{Delivered, GroupError, Member, Pull};
use crate::view::Parts;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesOrdered};
use futures::{FutureExt, StreamExt};
use proto::consume_request::Message as Said;
use proto::consume_response::Message as Told;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};

/// What the task may be ahead of what the connection takes.
const MESSAGES: usize = 2;
/// The most records of one message.
const RECORDS: usize = 256;
/// How long the task waits for records before it looks again; anything wakes it sooner.
const WAIT: Duration = Duration::from_secs(60);
/// The most acknowledgements that are not kept yet; further ones are not read before.
const ACKS: usize = 1_024;
/// The most credits of a consumer.
const CREDITS_MAX: u32 = 10_000;

/// What is sent to a consumer.
pub type Answers = BoxStream<'static, Result<proto::ConsumeResponse, Status>>;

/// Begins to work for a consumer.
///
/// # Errors
/// Where the first message does not join a group.
pub async fn consume(
    core: &Arc<Core>,
    mut said: Streaming<proto::ConsumeRequest>,
) -> Result<Answers, Status> {
    let first = said.message().await?.and_then(|first| first.message);
    let Some(Said::Join(join)) = first else {
        let problem = "the first message is not `join`; join a group first";
        return Err(RequestError::field("message", problem).into());
    };
    let credits = credits("join.credits", 0, join.credits)?;
    let name = groups::consumer_name("join.consumer", join.consumer)?;
    let parts = convert::parts(join.parts)?;
    let heartbeat = heartbeat("join.heartbeat_ms", join.heartbeat_ms)?;
    let group = (core.groups.get(&join.group)).map_err(|error| status::group(&error))?;
    let joined = groups::group(&group, group.standing(), core.log.tail());
    let (tell, told) = mpsc::channel(MESSAGES);
    let worker = Worker {
        core: Arc::clone(core),
        member: group.join(&name),
        parts,
        credits,
        heartbeat,
        tell,
    };
    tokio::spawn(worker.run(said, joined));
    Ok(tokio_stream::wrappers::ReceiverStream::new(told).boxed())
}

fn credits(field: &str, has: u32, more: u32) -> Result<u32, RequestError> {
    let all = has.saturating_add(more);
    match all <= CREDITS_MAX {
        true => Ok(all),
        false => Err(RequestError::field(
            field,
            format!("{all} credits in all exceed the limit of {CREDITS_MAX}; give fewer"),
        )),
    }
}

type Pulling = BoxFuture<'static, Result<Delivered, GroupError>>;
type Acking = BoxFuture<'static, Result<u64, GroupError>>;

struct Worker {
    core: Arc<Core>,
    member: Member,
    parts: Parts,
    credits: u32,
    heartbeat: Duration,
    tell: mpsc::Sender<Result<proto::ConsumeResponse, Status>>,
}

/// Why the task ends.
enum End {
    /// The consumer has ended the stream, or does not read it any more.
    Gone,
    /// The consumer leaves in good order.
    Left,
    /// An error, to be told.
    Failed(Status),
    /// The server stops.
    Draining,
}

impl From<RequestError> for End {
    fn from(error: RequestError) -> Self {
        Self::Failed(error.into())
    }
}

impl Worker {
    async fn run(mut self, said: Streaming<proto::ConsumeRequest>, joined: proto::ConsumerGroup) {
        let end = match self.say(Told::Joined(joined)).await {
            Ok(()) => self.work(said).await,
            Err(end) => end,
        };
        self.member.in_order = matches!(end, End::Left | End::Draining);
        let last = match end {
            End::Gone | End::Left => return,
            End::Failed(status) => Err(status),
            End::Draining => Ok(proto::ConsumeResponse {
                message: Some(Told::Draining(proto::Draining {
                    position: self.member.group.standing().position.get(),
                    ..proto::Draining::default()
                })),
            }),
        };
        // Who has gone is told nothing.
        let _ = self.tell.send(last).await;
    }

    async fn work(&mut self, mut said: Streaming<proto::ConsumeRequest>) -> End {
        let mut draining = self.core.draining.subscribe();
        let mut acking: FuturesOrdered<Acking> = FuturesOrdered::new();
        // It goes on while other things happen: what it has taken would be lost with it.
        let mut pulling: Option<Pulling> = None;
        loop {
            if pulling.is_none() {
                pulling = self.pull();
            }
            let late = Instant::now() + self.heartbeat;
            let done = tokio::select! {
                biased;
                () = async { drop(draining.wait_for(|draining| *draining).await) } => Err(End::Draining),
                Some(acked) = acking.next(), if !acking.is_empty() => self.acked(acked).await,
                message = said.message(), if acking.len() < ACKS => match message {
                    Ok(Some(message)) => self.hear(message, &mut acking),
                    Ok(None) => Err(End::Gone),
                    Err(status) => Err(End::Failed(status)),
                },
                delivered = async { pulling.as_mut().unwrap_or(&mut never()).await } => {
                    pulling = None;
                    self.deliver(delivered).await
                }
                () = tokio::time::sleep_until(late) => self.beat().await,
                () = self.tell.closed() => Err(End::Gone),
            };
            if let Err(end) = done {
                // What was acknowledged before is answered before the end is.
                while let Some(acked) = acking.next().await {
                    if self.acked(acked).await.is_err() {
                        break;
                    }
                }
                return end;
            }
        }
    }

    /// Takes records, where there are credits.
    fn pull(&self) -> Option<Pulling> {
        let room = (self.credits as usize).saturating_sub(self.member.group.held(&self.member.consumer));
        (room > 0).then(|| {
            let (core, group) = (Arc::clone(&self.core), Arc::clone(&self.member.group));
            let pull = Pull {
                consumer: self.member.consumer.clone(),
                max: room.min(RECORDS),
                wait: WAIT,
                parts: self.parts,
            };
            async move { core.groups.pull(&group, pull).await }.boxed()
        })
    }

    async fn deliver(&self, delivered: Result<Delivered, GroupError>) -> Result<(), End> {
        let delivered = match delivered {
            Ok(delivered) => delivered,
            Err(GroupError::Draining) => return Err(End::Draining),
            Err(error) => return Err(End::Failed(status::group(&error))),
        };
        let deliveries = groups::deliveries(&delivered, self.parts);
        match deliveries.is_empty() {
            true => Ok(()),
            false => self.say(Told::Deliveries(proto::Deliveries { deliveries })).await,
        }
    }

    fn hear(
        &mut self,
        message: proto::ConsumeRequest,
        acking: &mut FuturesOrdered<Acking>,
    ) -> Result<(), End> {
        let (core, group) = (Arc::clone(&self.core), Arc::clone(&self.member.group));
        let consumer = self.member.consumer.clone();
        match message.message {
            Some(Said::Credits(more)) => {
                self.credits = credits("credits.more", self.credits, more.more)?;
            }
            Some(Said::Ack(ack)) => {
                let positions = groups::positions("ack.positions", &ack.positions)?;
                let through = ack.through.map(crate::record::Position::new);
                let acked = async move { core.groups.ack(&group, &consumer, positions, through).await };
                acking.push_back(acked.boxed());
            }
            Some(Said::Nack(nack)) => {
                let positions = groups::positions("nack.positions", &nack.positions)?;
                let refusal = groups::refusal(&nack)?;
                let nacked = async move {
                    let reason = nack.reason;
                    core.groups
                        .nack(&group, &consumer, positions, refusal, &reason)
                        .await
                };
                acking.push_back(nacked.boxed());
            }
            Some(Said::Extend(extend)) => {
                let positions = groups::positions("extend.positions", &extend.positions)?;
                group.extend(&consumer, &positions);
            }
            Some(Said::Leave(_)) => return Err(End::Left),
            Some(Said::Join(_)) => {
                let problem = "this stream has joined a group already; open another one";
                return Err(RequestError::field("join", problem).into());
            }
            None => {
                let problem = "it says nothing; say `credits`, `ack`, `nack`, `extend` or `leave`";
                return Err(RequestError::field("message", problem).into());
            }
        }
        Ok(())
    }

    async fn acked(&self, acked: Result<u64, GroupError>) -> Result<(), End> {
        match acked {
            Ok(records) => self.say(Told::Acked(proto::Acked { records })).await,
            Err(error) => Err(End::Failed(status::group(&error))),
        }
    }

    async fn beat(&self) -> Result<(), End> {
        let tail = self.core.log.tail();
        let position = self.member.group.standing().position;
        self.say(Told::Heartbeat(proto::Heartbeat {
            tail: tail.get(),
            lag: tail.since(position.min(tail)),
        }))
        .await
    }

    async fn say(&self, message: Told) -> Result<(), End> {
        let message = Some(message);
        let sent = self.tell.send(Ok(proto::ConsumeResponse { message })).await;
        sent.map_err(|_| End::Gone)
    }
}

fn never() -> Pulling {
    std::future::pending().boxed()
}

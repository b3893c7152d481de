//! `Subscriptions.Consume`: one consumer of a group, over one stream.
//!
//! A task reads what the consumer says, takes records for it as its credits allow, and answers each acknowledgement once it is kept,
//! in the order in which they came. It holds at most one message of records and the acknowledgements under way; where the consumer
//! does not read, nothing more is taken for it, and it is heard all the same. When it ends, for whatever reason, what the consumer has
//! goes to others.

use super::status::{self, RequestError};
use super::subscriptions::heartbeat;
use super::{Core, convert, groups, proto};
use crate::record::Position;
use crate::subscription::group::{Delivered, GroupError, Member, Pull};
use crate::view::Parts;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesOrdered};
use futures::{FutureExt, StreamExt};
use proto::consume_request::Message as Said;
use proto::consume_response::Message as Told;
use std::collections::VecDeque;
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
/// The most acknowledgements that are not kept yet, or whose answer is not read; further messages are not read before.
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
    let parts = convert::parts("join.parts", join.parts)?;
    let heartbeat = heartbeat("join.heartbeat_ms", join.heartbeat_ms)?;
    let group = core.groups.get(&join.group);
    let group = group.and_then(|group| group.check().map(|()| group));
    let group = group.map_err(|error| status::group(&error))?;
    let joined = groups::group(&group, group.standing(), core.log.tail());
    let (tell, told) = mpsc::channel(MESSAGES);
    let worker = Worker {
        core: Arc::clone(core),
        member: group.join(&name),
        parts,
        credits,
        heartbeat,
        tell,
        outbox: Outbox::default(),
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
    /// What is to be told once the connection takes it.
    outbox: Outbox,
}

/// Why the task ends.
enum End {
    /// The consumer has ended the stream, or does not read it any more.
    Gone,
    /// The consumer leaves in good order.
    Left,
    /// It said what cannot be.
    Wrong(Status),
    /// The server failed, and the consumer did nothing for it.
    Failed(Status),
    /// The server stops.
    Draining,
}

impl From<RequestError> for End {
    fn from(error: RequestError) -> Self {
        Self::Wrong(error.into())
    }
}

impl From<GroupError> for End {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::Draining => Self::Draining,
            error => Self::Failed(status::group(&error)),
        }
    }
}

/// Messages that wait for the connection: one with records at most, and the answers to acknowledgements.
#[derive(Default)]
struct Outbox {
    messages: VecDeque<Told>,
    has_records: bool,
}

impl Outbox {
    fn put(&mut self, message: Told) {
        self.has_records |= matches!(message, Told::Deliveries(_));
        self.messages.push_back(message);
    }

    /// The records that were not sent.
    fn records(&self) -> Vec<Position> {
        let deliveries = self.messages.iter().filter_map(|message| match message {
            Told::Deliveries(some) => Some(&some.deliveries),
            _ => None,
        });
        let records = deliveries.flatten().filter_map(|one| one.record.as_ref());
        records.map(|record| Position::new(record.position)).collect()
    }

    fn take(&mut self) -> Option<Told> {
        let message = self.messages.pop_front();
        self.has_records &= !matches!(message, Some(Told::Deliveries(_)));
        message
    }
}

impl Worker {
    async fn run(mut self, said: Streaming<proto::ConsumeRequest>, joined: proto::ConsumerGroup) {
        self.outbox.put(Told::Joined(joined));
        let end = self.work(said).await;
        let Self {
            mut member,
            tell,
            outbox,
            ..
        } = self;
        member.in_order = matches!(end, End::Left | End::Draining | End::Failed(_));
        let group = Arc::clone(&member.group);
        // What waits for the connection still is nothing that its consumer can have died of.
        group.give_back(&member.consumer, &outbox.records());
        // Before anything is told that the consumer may not read: what it has goes to others at once.
        drop(member);
        let last = match end {
            End::Gone => return,
            End::Left => None,
            End::Wrong(status) | End::Failed(status) => Some(Err(status)),
            End::Draining => Some(Ok(Told::Draining(proto::Draining {
                position: group.standing().position.get(),
                ..proto::Draining::default()
            }))),
        };
        // Records that were not sent yet are others' now; who acknowledged something hears what became of it.
        let answers = outbox.messages.into_iter();
        let answers = answers.filter(|message| !matches!(message, Told::Deliveries(_)));
        for message in answers.map(Ok).chain(last) {
            if tell.send(message.map(response)).await.is_err() {
                return;
            }
        }
    }

    /// Nothing in here waits for the consumer: a search for records that is under way holds up all others of the group where it is not
    /// driven on, and a consumer whose connection is full may still say that it needs more time.
    async fn work(&mut self, mut said: Streaming<proto::ConsumeRequest>) -> End {
        let mut draining = self.core.draining.subscribe();
        let (tell, group, consumer) = (
            self.tell.clone(),
            self.member.group.clone(),
            self.member.consumer.clone(),
        );
        let mut acking: FuturesOrdered<Acking> = FuturesOrdered::new();
        // It goes on while other things happen: what it has taken would be lost with it.
        let mut pulling: Option<Pulling> = None;
        let mut told_at = Instant::now();
        let end = loop {
            if pulling.is_none() && !self.outbox.has_records {
                pulling = self.pull();
            }
            let is_full = pulling.is_none() && !self.outbox.has_records && self.credits > 0;
            let has_more = !self.outbox.messages.is_empty();
            let done = tokio::select! {
                _ = draining.wait_for(|draining| *draining) => Err(End::Draining),
                Some(acked) = acking.next(), if !acking.is_empty() => self.acked(acked),
                permit = tell.reserve(), if has_more => match permit {
                    Ok(permit) => {
                        if let Some(message) = self.outbox.take() {
                            permit.send(Ok(response(message)));
                            told_at = Instant::now();
                        }
                        Ok(())
                    }
                    // What was to be told is not sent.
                    Err(_) => Err(End::Gone),
                },
                message = said.message(), if acking.len() + self.outbox.messages.len() < ACKS => match message {
                    Ok(Some(message)) => self.hear(message, &mut acking),
                    Ok(None) => Err(End::Gone),
                    Err(status) => Err(End::Wrong(status)),
                },
                delivered = async { pulling.as_mut().unwrap_or(&mut never()).await } => {
                    pulling = None;
                    self.deliver(delivered)
                }
                fewer = group.has_fewer(&consumer, self.credits as usize), if is_full => fewer.map_err(End::from),
                () = tokio::time::sleep_until(told_at + self.heartbeat), if !has_more => {
                    self.beat()
                }
                () = tell.closed() => Err(End::Gone),
            };
            if let Err(end) = done {
                break end;
            }
        };
        drop(pulling);
        // What was said before the end counts.
        while let Some(acked) = acking.next().await {
            if self.acked(acked).is_err() {
                break;
            }
        }
        end
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

    fn deliver(&mut self, delivered: Result<Delivered, GroupError>) -> Result<(), End> {
        let deliveries = groups::deliveries(&delivered?, self.parts);
        if !deliveries.is_empty() {
            self.outbox
                .put(Told::Deliveries(proto::Deliveries { deliveries }));
        }
        Ok(())
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
                check_unsaid("ack", &ack.group, &ack.consumer)?;
                let positions = groups::positions("ack.positions", &ack.positions)?;
                let through = ack.through.map(Position::new);
                let acked = async move { core.groups.ack(&group, &consumer, positions, through).await };
                acking.push_back(acked.boxed());
            }
            Some(Said::Nack(nack)) => {
                check_unsaid("nack", &nack.group, &nack.consumer)?;
                let positions = groups::positions("nack.positions", &nack.positions)?;
                let refusal = groups::refusal("nack.", &nack)?;
                let nacked = async move {
                    let reason = nack.reason;
                    core.groups
                        .nack(&group, &consumer, positions, refusal, &reason)
                        .await
                };
                acking.push_back(nacked.boxed());
            }
            Some(Said::Extend(extend)) => {
                check_unsaid("extend", &extend.group, &extend.consumer)?;
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

    fn acked(&mut self, acked: Result<u64, GroupError>) -> Result<(), End> {
        let records = acked?;
        self.outbox.put(Told::Acked(proto::Acked { records }));
        Ok(())
    }

    fn beat(&mut self) -> Result<(), End> {
        // Whoever takes nothing is told of it, too.
        self.member.group.check()?;
        let tail = self.core.log.tail();
        let position = self.member.group.standing().position;
        self.outbox.put(Told::Heartbeat(proto::Heartbeat {
            tail: tail.get(),
            lag: tail.since(position.min(tail)),
        }));
        Ok(())
    }
}

fn response(message: Told) -> proto::ConsumeResponse {
    let message = Some(message);
    proto::ConsumeResponse { message }
}

/// In a stream, group and consumer are those that joined.
fn check_unsaid(message: &str, group: &str, consumer: &str) -> Result<(), RequestError> {
    let said = [("group", group), ("consumer", consumer)];
    match said.iter().find(|(_, value)| !value.is_empty()) {
        None => Ok(()),
        Some((field, value)) => Err(RequestError::field(
            format!("{message}.{field}"),
            format!(
                "`{value}` is said again; leave it out, the stream has joined as one consumer of one group"
            ),
        )),
    }
}

fn never() -> Pulling {
    std::future::pending().boxed()
}

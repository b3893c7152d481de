//! A consumer of a group that goes on by itself: where its stream is cut it joins again, and says again what was not answered.
//!
//! [`Consumer`] hands out records one by one and tells the archive what became of them. Delivery is at least once: what it had when
//! its stream was cut is delivered again, to it or to another one. Who must work exactly once keeps the commitment in the
//! record's leaf in the transaction of the work (`docs/subscriptions.md`).

use super::retry::{Backoff, Retry, may_heal};
use super::{Client, proto};
use futures::channel::mpsc;
use futures::future::{BoxFuture, poll_fn};
use futures::{FutureExt, Stream, StreamExt};
use proto::consume_request::Message as Said;
use proto::consume_response::Message as Told;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;
use tonic::{Status, Streaming};

/// Records that are on their way to a consumer who says nothing else.
const CREDITS: u32 = 100;
/// How long the server may take to end a stream that the consumer leaves.
const LEAVE_WAIT: Duration = Duration::from_secs(5);

/// Why a [`Consumer`] did not go on. What was acknowledged before is done.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The server will not answer otherwise when it is asked again: no such group, a field out of its bounds. What was said and not
    /// answered is forgotten.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// No connection lasted for as long as [`Retry::within`] says. Whether what was said last is done is not known; saying it again
    /// does no harm.
    #[error("given up: {}; consume again later", .0.message())]
    GivenUp(Box<Status>),
}

/// What becomes of a record that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is delivered again, not before this time has passed; after its last delivery it is parked. At most a day.
    Again(Duration),
    /// It is parked at once, until a person has looked at it.
    Park,
    /// It is taken for done.
    Skip,
}

/// Works for a group: a [`Stream`] of [`proto::Delivery`], without an end.
///
/// It connects when it is first asked and holds no more records than its credits. Nothing is lost where a future of it is dropped.
/// Where it is dropped itself, what it has goes to others at once.
pub struct Consumer {
    client: Client,
    join: proto::Join,
    /// What was delivered and not handed out.
    ready: VecDeque<proto::Delivery>,
    /// What was said and not answered, in order. Each call waits for its answer, so that there are few.
    unanswered: VecDeque<Said>,
    /// How many answers there were, and how many records the last one concerned.
    answers: (u64, u64),
    backoff: Backoff,
    state: State,
}

type Stands = (
    mpsc::UnboundedSender<proto::ConsumeRequest>,
    Streaming<proto::ConsumeResponse>,
);

enum State {
    Idle,
    Joining(BoxFuture<'static, Result<Stands, Status>>),
    Working(Box<Stands>),
    Waiting(Pin<Box<Sleep>>),
}

impl Client {
    /// Works for a group, over as many connections as it takes.
    ///
    /// ```no_run
    /// use chancery::client::{Client, ConsumeError, Refusal};
    /// use futures::StreamExt;
    /// use std::time::Duration;
    ///
    /// # fn work(_: &chancery::rpc::proto::Delivery) -> Result<(), String> { Ok(()) }
    /// # async fn example(client: &Client) -> Result<(), ConsumeError> {
    /// let mut consumer = client.consume("letters").named("anna");
    /// while let Some(delivery) = consumer.next().await {
    ///     let delivery = delivery?;
    ///     let position = delivery.record.as_ref().map_or(0, |record| record.position);
    ///     match work(&delivery) {
    ///         // It is done once this returns, whatever happens to the archive.
    ///         Ok(()) => consumer.ack(&[position]).await?,
    ///         Err(why) => {
    ///             let later = Refusal::Again(Duration::from_secs(1));
    ///             consumer.nack(&[position], later, &why).await?
    ///         }
    ///     };
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn consume(&self, group: &str) -> Consumer {
        Consumer {
            client: self.clone(),
            join: proto::Join {
                group: group.to_owned(),
                credits: CREDITS,
                ..proto::Join::default()
            },
            ready: VecDeque::new(),
            unanswered: VecDeque::new(),
            answers: (0, 0),
            backoff: Backoff::new(Retry::default()),
            state: State::Idle,
        }
    }
}

impl Consumer {
    /// What the consumer calls itself, for whoever looks at the group; up to 255 bytes.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.join.consumer);
        self
    }

    /// How many records may be with this consumer at a time, 1 to 10,000; 100 where not said.
    #[must_use]
    pub fn credits(mut self, credits: u32) -> Self {
        self.join.credits = credits;
        self
    }

    /// Which parts of records are sent; leaf and payload where not said.
    #[must_use]
    pub fn parts(mut self, parts: proto::Parts) -> Self {
        self.join.parts = parts.into();
        self
    }

    /// How long a lost connection is tried again; [`Retry::default`] where not said.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.backoff = Backoff::new(retry);
        self
    }

    /// These records are done, at most 10,000: durably, once it returns. Answers how many of them were not done before.
    ///
    /// # Errors
    /// [`ConsumeError`].
    ///
    /// ```no_run
    /// # async fn example(consumer: &mut chancery::client::Consumer) -> Result<(), chancery::client::ConsumeError> {
    /// let new = consumer.ack(&[1, 2]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ack(&mut self, positions: &[u64]) -> Result<u64, ConsumeError> {
        let ack = proto::AckRequest {
            positions: positions.to_vec(),
            ..proto::AckRequest::default()
        };
        self.say(Said::Ack(ack)).await
    }

    /// These records are not done. Answers how many of them this consumer had: one that went to another one meanwhile is left as it
    /// is. `why` is kept with what is parked, up to 1,024 bytes.
    ///
    /// # Errors
    /// [`ConsumeError`].
    ///
    /// ```no_run
    /// # async fn example(consumer: &mut chancery::client::Consumer) -> Result<(), chancery::client::ConsumeError> {
    /// consumer.nack(&[7], chancery::client::Refusal::Park, "no such ministry").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn nack(
        &mut self,
        positions: &[u64],
        refusal: Refusal,
        why: &str,
    ) -> Result<u64, ConsumeError> {
        let (action, delay) = match refusal {
            Refusal::Again(delay) => (proto::NackAction::Retry, delay),
            Refusal::Park => (proto::NackAction::Park, Duration::ZERO),
            Refusal::Skip => (proto::NackAction::Skip, Duration::ZERO),
        };
        let nack = proto::NackRequest {
            positions: positions.to_vec(),
            action: action.into(),
            // What is too long for the number is too long for the server, which says so.
            delay_ms: u32::try_from(delay.as_millis()).unwrap_or(u32::MAX),
            reason: why.to_owned(),
            ..proto::NackRequest::default()
        };
        self.say(Said::Nack(nack)).await
    }

    /// These records are still being worked on: their time begins anew. All that the consumer has, where none are named. Where there
    /// is no connection nothing happens, since then the consumer has none.
    ///
    /// ```no_run
    /// # fn example(consumer: &mut chancery::client::Consumer) {
    /// consumer.extend(&[7]);
    /// # }
    /// ```
    pub fn extend(&mut self, positions: &[u64]) {
        let extend = proto::ExtendRequest {
            positions: positions.to_vec(),
            ..proto::ExtendRequest::default()
        };
        self.send(Said::Extend(extend));
    }

    /// Waits until all that was said is answered. After [`ConsumeError::GivenUp`] it is said again on another connection; who ends
    /// without that leaves open whether it is done.
    ///
    /// # Errors
    /// [`ConsumeError`].
    ///
    /// ```no_run
    /// # async fn example(consumer: &mut chancery::client::Consumer) -> Result<(), chancery::client::ConsumeError> {
    /// if !consumer.is_answered() {
    ///     consumer.answered().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn answered(&mut self) -> Result<(), ConsumeError> {
        let last = self.answers.0 + self.unanswered.len() as u64;
        while self.answers.0 < last {
            poll_fn(|context| self.poll_step(context)).await?;
        }
        Ok(())
    }

    /// Whether nothing that was said is without an answer.
    pub fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Ends the work in good order: what this consumer still has goes to others as if it had never been delivered. A consumer that is
    /// only dropped is taken for lost, and the oldest record that it has counts as delivered.
    ///
    /// ```no_run
    /// # async fn example(consumer: chancery::client::Consumer) {
    /// consumer.leave().await;
    /// # }
    /// ```
    pub async fn leave(mut self) {
        self.send(Said::Leave(proto::Leave {}));
        if let State::Working(stands) = &mut self.state {
            let end = async { while let Some(Ok(_)) = stands.1.next().await {} };
            // Who does not hear the end is taken for lost: nothing else depends on it.
            let _ = tokio::time::timeout(LEAVE_WAIT, end).await;
        }
    }

    async fn say(&mut self, said: Said) -> Result<u64, ConsumeError> {
        self.send(said.clone());
        self.unanswered.push_back(said);
        self.answered().await?;
        // Answers come in order, one a step: the last one is that to this.
        Ok(self.answers.1)
    }

    fn send(&self, said: Said) {
        if let State::Working(stands) = &self.state {
            // Where the stream has ended its other half tells why.
            drop(stands.0.unbounded_send(request(said)));
        }
    }

    fn join(&self) -> BoxFuture<'static, Result<Stands, Status>> {
        let (client, join) = (self.client.clone(), self.join.clone());
        async move {
            let (sender, receiver) = mpsc::unbounded();
            // The receiver is there: it is sent with the call.
            drop(sender.unbounded_send(request(Said::Join(join))));
            let told = client.subscriptions().consume(receiver).await?;
            Ok((sender, told.into_inner()))
        }
        .boxed()
    }

    /// The stream stands: says again what was not answered.
    fn work(&mut self, stands: Stands) {
        self.state = State::Working(Box::new(stands));
        self.unanswered.iter().for_each(|said| self.send(said.clone()));
    }

    /// Goes on by one message or one change of the connection.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConsumeError>> {
        match &mut self.state {
            State::Idle => self.state = State::Joining(self.join()),
            State::Joining(joining) => match ready!(joining.poll_unpin(context)) {
                Ok(stands) => self.work(stands),
                Err(status) => return Poll::Ready(self.lose(status)),
            },
            State::Working(stands) => {
                let told = ready!(stands.1.poll_next_unpin(context));
                return Poll::Ready(self.hear(told));
            }
            State::Waiting(sleep) => {
                ready!(sleep.poll_unpin(context));
                self.state = State::Idle;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn hear(&mut self, told: Option<Result<proto::ConsumeResponse, Status>>) -> Result<(), ConsumeError> {
        let message = match told {
            Some(Ok(told)) => told.message,
            Some(Err(status)) => return self.lose(status),
            None => return self.lose(Status::unavailable("the server ended the stream")),
        };
        match message {
            Some(Told::Deliveries(some)) => {
                self.went_well();
                self.ready.extend(some.deliveries);
            }
            Some(Told::Acked(acked)) => {
                self.backoff.went_well();
                if let Some(said) = self.unanswered.pop_front() {
                    self.answers = (self.answers.0 + 1, acked.records);
                    self.forget(&said);
                }
            }
            Some(Told::Heartbeat(_)) => self.went_well(),
            Some(Told::Joined(_) | Told::Draining(_)) | None => {}
        }
        Ok(())
    }

    /// Something came. While an answer is wanted only that is a success: a server that hands out records and cannot keep what becomes of
    /// them would be asked for ever.
    fn went_well(&mut self) {
        if self.unanswered.is_empty() {
            self.backoff.went_well();
        }
    }

    /// What was delivered again while it was worked on is done too.
    fn forget(&mut self, said: &Said) {
        if let Said::Ack(ack) = said {
            self.ready
                .retain(|delivery| !ack.positions.contains(&position(delivery)));
        }
    }

    /// After a failure: waits, or fails.
    fn lose(&mut self, status: Status) -> Result<(), ConsumeError> {
        self.state = State::Idle;
        // It is with others by now, or comes again.
        self.ready.clear();
        let why = Box::new(status);
        if !may_heal(&why) {
            self.answers.0 += self.unanswered.len() as u64;
            self.unanswered.clear();
            return Err(ConsumeError::Refused(why));
        }
        let Some(wait) = self.backoff.wait_after(&why) else {
            self.backoff.went_well();
            return Err(ConsumeError::GivenUp(why));
        };
        self.state = State::Waiting(Box::pin(tokio::time::sleep(wait)));
        Ok(())
    }
}

fn request(said: Said) -> proto::ConsumeRequest {
    proto::ConsumeRequest { message: Some(said) }
}

fn position(delivery: &proto::Delivery) -> u64 {
    delivery.record.as_ref().map_or(0, |record| record.position)
}

impl Stream for Consumer {
    type Item = Result<proto::Delivery, ConsumeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(delivery)));
            }
            if let Err(error) = ready!(self.poll_step(context)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Joining(_) => "joining",
            State::Working(_) => "working",
            State::Waiting(_) => "waiting",
        };
        out.debug_struct("Consumer")
            .field("join", &self.join)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

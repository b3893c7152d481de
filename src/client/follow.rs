//! A subscription that goes on by itself: where a feed is cut, the next one resumes at its token.
//!
//! [`Subscription`] hands out records one by one, each once and in order, over any number of connections, and tells on the way
//! how it goes. Where its reader has come to is a [`Mark`], which the reader keeps beside what he made of the records.

use super::feed::{Feed, FeedError};
use super::retry::{Backoff, Retry, may_heal};
use super::{Client, proto};
use crate::record::Position;
use crate::subscription::Cursor;
use crate::subscription::cursor::Gap;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use proto::subscribe_from::From as Start;
use proto::subscribe_response::Message;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;
use tonic::Status;

/// How far a reader has come. Kept together with what was made of the records, in one transaction, it makes every record count
/// exactly once: a subscription that [`Subscription::resume`]s there begins with the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Where the server resumes: at this position, or a little before it, since it makes a token for each batch. Empty before
    /// the first message.
    pub token: Bytes,
    /// Everything that matches below this position was handed out.
    pub position: u64,
}

/// What a [`Subscription`] hands out.
#[derive(Clone, Debug)]
pub enum Event {
    /// A connection stands; the first one, or another one after [`Event::Lost`].
    Started(proto::Started),
    /// A record that matches.
    Record(Box<proto::Record>),
    /// Everything below the mark was handed out: a good moment to save it. Comes after each batch, also where nothing matched.
    Scanned(Mark),
    /// From here on records come as they are appended.
    CaughtUp(proto::CaughtUp),
    /// The reader was too slow for the live feed, and is sent what he missed from the log.
    FellBehind(proto::FellBehind),
    /// Nothing else happened for a while.
    Heartbeat(proto::Heartbeat),
    /// The server is stopping. The subscription waits for the next one.
    Draining(proto::Draining),
    /// There is no connection. The next attempt is made after the wait.
    Lost {
        /// Why.
        why: Box<Status>,
        /// How long is waited.
        wait: Duration,
    },
}

/// Why a [`Subscription`] ended before its end. What it handed out before is right.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The server will not answer otherwise when it is asked again: a token of another log, a filter that cannot be read.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// No connection lasted for as long as [`Retry::within`] says. The mark can be resumed later.
    #[error("given up: {}; resume later from the last mark", .0.message())]
    GivenUp(Box<Status>),
    /// The server broke its promise, or speaks of what this client does not know.
    #[error(transparent)]
    Broken(FeedError),
}

/// A subscription that reconnects and resumes by itself. A [`Stream`] of [`Event`]s; [`Subscription::next_record`] answers the
/// records alone.
///
/// It connects when it is first asked, asks for no more than is taken from it, and holds at most one batch. Nothing is lost
/// where a future of it is dropped. After an error it has ended.
pub struct Subscription {
    client: Client,
    request: proto::SubscribeRequest,
    mark: Mark,
    /// Where the next feed must begin; `None` before the first message of this subscription.
    cursor: Option<Cursor>,
    /// What was received and not handed out.
    ready: VecDeque<Event>,
    backoff: Backoff,
    state: State,
}

enum State {
    Idle,
    Connecting(BoxFuture<'static, Result<Feed, Status>>),
    Reading(Box<Feed>),
    Waiting(Pin<Box<Sleep>>),
    Ended,
}

impl Client {
    /// Follows the log, over as many connections as it takes: each record that matches, once and in order.
    ///
    /// ```no_run
    /// use chancery::client::{Client, FollowError, Mark};
    /// use chancery::rpc::proto::{SubscribeFrom, SubscribeRequest, subscribe_from::From};
    ///
    /// # async fn example(client: &Client, saved: Option<Mark>) -> Result<(), FollowError> {
    /// let request = SubscribeRequest {
    ///     from: Some(SubscribeFrom { from: Some(From::Start(true)) }),
    ///     filter: "dyad = PAK-IRN".into(),
    ///     ..SubscribeRequest::default()
    /// };
    /// let mut subscription = client.follow(request);
    /// if let Some(mark) = saved {
    ///     subscription = subscription.resume(mark);
    /// }
    /// while let Some(record) = subscription.next_record().await? {
    ///     println!("{}", record.position);
    ///     // Save the work on the record and this mark, in one transaction.
    ///     let mark = subscription.mark();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn follow(&self, request: proto::SubscribeRequest) -> Subscription {
        Subscription {
            client: self.clone(),
            request,
            mark: Mark::default(),
            cursor: None,
            ready: VecDeque::new(),
            backoff: Backoff::new(Retry::default()),
            state: State::Idle,
        }
    }
}

impl Subscription {
    /// Begins where an earlier one stood, whatever the request says. Filter and archive must be the same. To be said before
    /// anything is asked for.
    #[must_use]
    pub fn resume(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }

    /// How long a lost connection is tried again; [`Retry::default`] where not said.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.backoff = Backoff::new(retry);
        self
    }

    /// How far everything was handed out. To be asked for after what came last was handled.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The next record; `None` after the last position that the request asks for. Nothing is lost where the future is dropped.
    ///
    /// # Errors
    /// [`FollowError`].
    ///
    /// ```no_run
    /// # async fn example(subscription: &mut chancery::client::Subscription) -> Result<(), chancery::client::FollowError> {
    /// while let Some(record) = subscription.next_record().await? {
    ///     println!("{}", record.position);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_record(&mut self) -> Result<Option<proto::Record>, FollowError> {
        while let Some(event) = self.next().await {
            if let Event::Record(record) = event? {
                return Ok(Some(*record));
            }
        }
        Ok(None)
    }

    fn connect(&self) -> BoxFuture<'static, Result<Feed, Status>> {
        let (client, cursor) = (self.client.clone(), self.cursor);
        let mut request = self.request.clone();
        if !self.mark.token.is_empty() {
            let token = Start::ResumeToken(self.mark.token.clone());
            request.from = Some(proto::SubscribeFrom { from: Some(token) });
        }
        async move {
            let messages = client.subscriptions().subscribe(request).await?;
            Ok(Feed::new(messages.into_inner(), cursor))
        }
        .boxed()
    }

    /// The next of what was received, and the mark behind it.
    fn hand_out(&mut self) -> Option<Event> {
        let event = self.ready.pop_front()?;
        match &event {
            Event::Record(record) => self.mark.position = record.position + 1,
            Event::Scanned(mark) => self.mark = mark.clone(),
            _ => {}
        }
        Some(event)
    }

    fn accept(&mut self, message: Message) -> Result<(), FeedError> {
        if !matches!(message, Message::Started(_) | Message::Draining(_)) {
            self.backoff.went_well();
        }
        match message {
            Message::Started(started) => self.start(started)?,
            Message::Batch(batch) => self.take_batch(batch),
            Message::CaughtUp(caught_up) => self.ready.push_back(Event::CaughtUp(caught_up)),
            Message::FellBehind(behind) => self.ready.push_back(Event::FellBehind(behind)),
            Message::Heartbeat(heartbeat) => self.ready.push_back(Event::Heartbeat(heartbeat)),
            Message::Draining(draining) => self.ready.push_back(Event::Draining(draining)),
        }
        Ok(())
    }

    fn start(&mut self, started: proto::Started) -> Result<(), FeedError> {
        let is_new = self.mark.token.is_empty();
        if is_new {
            self.mark.position = started.from;
        }
        let (next, first) = (Position::new(self.mark.position), Position::new(started.from));
        // A token may stand before the mark's position, never behind it.
        if first > next {
            let through = first;
            return Err(Gap { next, first, through }.into());
        }
        self.mark.token.clone_from(&started.resume_token);
        self.cursor = Some(Cursor::new(first));
        self.ready.push_back(Event::Started(started));
        Ok(())
    }

    fn take_batch(&mut self, batch: proto::Batch) {
        // Of a batch that was handed out in part before a restart, only the rest is new.
        let done = self.mark.position;
        let records = batch.records.into_iter().filter(|record| record.position >= done);
        self.ready
            .extend(records.map(|record| Event::Record(Box::new(record))));
        let mark = Mark {
            token: batch.resume_token,
            position: batch.scanned_through.max(done),
        };
        self.ready.push_back(Event::Scanned(mark));
        self.cursor = Some(Cursor::new(Position::new(batch.scanned_through)));
    }

    /// Whether everything that the request asks for was scanned.
    fn is_done(&self) -> bool {
        let scanned = self.cursor.map(|cursor| cursor.next().get());
        let until = self.request.until;
        scanned.zip(until).is_some_and(|(scanned, until)| scanned > until)
    }

    /// After a failure: waits, or ends.
    fn lose(&mut self, status: Status) -> Result<(), FollowError> {
        self.state = State::Ended;
        if self.is_done() {
            return Ok(());
        }
        let why = Box::new(status);
        if !may_heal(&why) {
            return Err(FollowError::Refused(why));
        }
        let Some(wait) = self.backoff.wait_after(&why) else {
            return Err(FollowError::GivenUp(why));
        };
        self.state = State::Waiting(Box::pin(tokio::time::sleep(wait)));
        self.ready.push_back(Event::Lost { why, wait });
        Ok(())
    }

    /// What a feed answered.
    fn hear(&mut self, heard: Option<Result<Message, FeedError>>) -> Result<(), FollowError> {
        match heard {
            Some(Ok(message)) => self.accept(message).map_err(|error| self.broken(error)),
            Some(Err(FeedError::Status(status))) => self.lose(status),
            Some(Err(error)) => Err(self.broken(error)),
            None => self.lose(Status::unavailable("the server ended the subscription")),
        }
    }

    fn broken(&mut self, error: FeedError) -> FollowError {
        self.state = State::Ended;
        FollowError::Broken(error)
    }
}

impl Stream for Subscription {
    type Item = Result<Event, FollowError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.hand_out() {
                return Poll::Ready(Some(Ok(event)));
            }
            let went = match &mut self.state {
                State::Idle => {
                    self.state = State::Connecting(self.connect());
                    Ok(())
                }
                State::Connecting(connecting) => match ready!(connecting.poll_unpin(context)) {
                    Ok(feed) => {
                        self.state = State::Reading(Box::new(feed));
                        Ok(())
                    }
                    Err(status) => self.lose(status),
                },
                State::Reading(feed) => {
                    let heard = ready!(feed.poll_next_unpin(context));
                    self.hear(heard)
                }
                State::Waiting(sleep) => {
                    ready!(sleep.poll_unpin(context));
                    self.state = State::Idle;
                    Ok(())
                }
                State::Ended => return Poll::Ready(None),
            };
            if let Err(error) = went {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Connecting(_) => "connecting",
            State::Reading(_) => "reading",
            State::Waiting(_) => "waiting",
            State::Ended => "ended",
        };
        out.debug_struct("Subscription")
            .field("request", &self.request)
            .field("mark", &self.mark)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

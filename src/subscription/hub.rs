//! What all subscriptions of a server share: the log, the frames, the news that the server is stopping.

use super::blocking;
use super::cursor::{ResumeToken, TokenError};
use super::dispatch::Dispatch;
use super::frames::Frames;
use super::session::Session;
use crate::filter::Filter;
use crate::log::{Log, ReadError};
use crate::record::{Hash, Position, Recorded};
use crate::view::ahead::Cancel;
use crate::view::ahead::Readers;
use crate::view::authorities::widened;
use crate::view::reader::Viewed;
use crate::view::{Mode, Parts, Selection};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// How long a beginning waits for the search view, where its filter asks for actors.
const VIEW_WAIT: Duration = Duration::from_secs(5);
/// How often it looks whether the view is there.
const VIEW_LOOK: Duration = Duration::from_millis(20);
/// Beginnings that look for the names of their actors at a time. Without the view each looks at every record, and many that begin
/// at once, as alerts do, would hold all threads that questions and appends need.
const LOOKS_AT_ONCE: usize = 2;

/// Makes a message of a batch and its resume token.
pub type Encode = fn(&Selection, Parts, &[u8]) -> Bytes;

/// What is made of records: subscribers who ask for the same share their messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// SHA-256 of the filter's canonical form.
    pub filter: Hash,
    /// SHA-256 of the names that it knows of its actors besides; see [`Filter::names_sha256`].
    pub names: Hash,
    /// What is judged.
    pub mode: Mode,
    /// What is sent.
    pub parts: Parts,
}

impl Form {
    /// Where who follows it resumes.
    pub(super) fn token(&self, log: &Log, position: Position, root: Hash) -> Vec<u8> {
        let records_only = self.mode == Mode::Records;
        ResumeToken::new(log.origin(), self.filter, records_only, position, root).encode()
    }
}

/// Where a subscription starts.
#[derive(Clone, Debug)]
pub enum From {
    /// The first record.
    Start,
    /// What is appended from now on.
    Tail,
    /// This position.
    Position(Position),
    /// The first record recorded at or after this time.
    Recorded(Recorded),
    /// Where an earlier subscription stood.
    Token(Bytes),
}

/// What to follow.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Where to start.
    pub from: From,
    /// Only what matches.
    pub filter: Filter,
    /// Which parts to send.
    pub parts: Parts,
    /// The first position that is not wanted; `None` to follow for ever.
    pub until: Option<Position>,
    /// A heartbeat after so long without a message.
    pub heartbeat: Duration,
    /// Judge records or changes.
    pub mode: Mode,
}

/// Why a subscription did not begin.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The token is not of this log, filter and history. Subscribe from a position.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The start lies beyond the tail, or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The server is stopping. Subscribe again in a moment.
    #[error("the server is stopping; try again in a moment")]
    Draining,
}

/// Shared by all subscriptions.
pub struct Hub {
    pub(super) log: Log,
    pub(super) frames: Frames,
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) readers: Arc<Readers>,
    /// Names the records of a catch-up that may match.
    pub(super) view: Viewed,
    /// Whether there will be a search view.
    has_view: bool,
    looks: Arc<Semaphore>,
    pub(super) encode: Encode,
    draining: watch::Sender<bool>,
    subscribers: Arc<AtomicU64>,
}

/// Counts one subscriber for as long as it lives.
pub(super) struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hub {
    /// A hub of `log` whose messages are made by `encode`; `readers` are those of the whole server.
    pub fn new(log: Log, readers: Arc<Readers>, encode: Encode) -> Self {
        Self {
            log,
            frames: Frames::default(),
            dispatch: Arc::default(),
            readers,
            view: Viewed::default(),
            has_view: false,
            looks: Arc::new(Semaphore::new(LOOKS_AT_ONCE)),
            encode,
            draining: watch::Sender::new(false),
            subscribers: Arc::default(),
        }
    }

    /// Has catch-ups ask the search view, once there is one.
    #[must_use]
    pub fn with_view(self, view: &Viewed) -> Self {
        Self {
            view: Arc::clone(view),
            has_view: true,
            ..self
        }
    }

    /// How many subscribe now.
    pub fn subscribers(&self) -> u64 {
        self.subscribers.load(Ordering::Relaxed)
    }

    /// Tells every subscriber that the server is stopping, and ends its session. Later ones are refused.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Begins a subscription.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub async fn subscribe(self: &Arc<Self>, request: Subscribe) -> Result<Session, SubscribeError> {
        let mut draining = self.draining.subscribe();
        if *draining.borrow() {
            return Err(SubscribeError::Draining);
        }
        let hub = Arc::clone(self);
        let (mut request, from, root) = blocking(move || {
            let from = hub.start(&request.from, &request.filter, request.mode)?;
            let root = hub.log.root_at(from)?;
            Ok::<_, SubscribeError>((request, from, root))
        })
        .await?;
        if !request.filter.actors().is_empty() {
            request.filter = tokio::select! {
                biased;
                // Both an order and a lost sender mean that it is stopping.
                _ = draining.wait_for(|draining| *draining) => return Err(SubscribeError::Draining),
                filter = self.widened_in_turn(&request.filter) => filter?,
            };
        }
        self.subscribers.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&self.subscribers));
        Ok(Session::new(
            Arc::clone(self),
            counted,
            draining,
            request,
            from,
            root,
        ))
    }

    /// Whether the server is stopping, and the news of it.
    pub(super) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// The position where whoever follows a filter begins.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub(super) async fn resolved(
        self: &Arc<Self>,
        from: From,
        filter: Filter,
        mode: Mode,
    ) -> Result<Position, SubscribeError> {
        let hub = Arc::clone(self);
        blocking(move || hub.start(&from, &filter, mode)).await
    }

    /// The filter with the names that are known now of the actors that it asks for. Call it where blocking is allowed.
    pub(super) fn widened(&self, filter: &Filter, cancelled: &AtomicBool) -> Result<Filter, ReadError> {
        if filter.actors().is_empty() {
            return Ok(filter.clone());
        }
        let view = self.view.get().map(AsRef::as_ref);
        let widened = widened(&self.log, view, filter, self.log.tail(), cancelled)?;
        Ok(widened.filter)
    }

    /// As [`Hub::widened`], of which only so many are under way at a time. Whoever gives up waiting ends it.
    async fn widened_in_turn(self: &Arc<Self>, filter: &Filter) -> Result<Filter, ReadError> {
        self.view_soon().await;
        let turn = Arc::clone(&self.looks).acquire_owned().await;
        let cancel = Cancel::default();
        let (hub, filter, cancelled) = (Arc::clone(self), filter.clone(), cancel.flag());
        blocking(move || {
            // It is another's once this thread is free, and not before.
            let _turn = turn;
            hub.widened(&filter, &cancelled)
        })
        .await
    }

    /// Waits a while for the search view. Just after a start of the daemon it is not open yet, and alerts and groups begin then: to wait
    /// for it costs less than to look at every record for the names of an actor.
    pub(super) async fn view_soon(&self) {
        let until = Instant::now() + VIEW_WAIT;
        let is_awaited = || self.has_view && self.view.get().is_none() && !*self.draining.borrow();
        while is_awaited() && Instant::now() < until {
            tokio::time::sleep(VIEW_LOOK).await;
        }
    }

    fn start(&self, from: &From, filter: &Filter, mode: Mode) -> Result<Position, SubscribeError> {
        let tail = self.log.tail();
        match from {
            From::Start => Ok(Position::START),
            From::Tail => Ok(tail),
            From::Position(position) if *position <= tail => Ok(*position),
            From::Position(position) => {
                let position = *position;
                Err(ReadError::BeyondTail { position, tail }.into())
            }
            From::Recorded(time) => Ok(self.log.first_at(*time)?),
            From::Token(bytes) => self.resume(bytes, filter, mode, tail),
        }
    }

    fn resume(
        &self,
        bytes: &[u8],
        filter: &Filter,
        mode: Mode,
        tail: Position,
    ) -> Result<Position, SubscribeError> {
        let token = ResumeToken::decode(bytes)?;
        token.check_names(self.log.origin(), filter.sha256(), filter.canonical())?;
        token.check_mode(mode == Mode::Records)?;
        let root = if token.position > tail {
            None
        } else {
            Some(self.log.root_at(token.position)?)
        };
        token.check_root(root, tail)?;
        Ok(token.position)
    }
}

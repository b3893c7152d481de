//! One subscription, from its first message to its last.
//!
//! Whoever sends the messages pulls them with [`Session::next`]. The session holds at most three encoded batches and one
//! being read while it catches up, and at most [`QUEUE_BYTES`] of shared commit groups while it is live. Dropping it
//! ends everything it started.

use super::blocking;
use super::cursor::Cursor;
use super::dispatch::Routed;
use super::frames::{Frame, FrameKey};
use super::hub::{Counted, Form, Hub, Subscribe};
use super::routes::{Hit, Look};
use crate::log::{Group, ReadError, Run};
use crate::record::{Hash, Position};
use crate::view::ahead::{Ahead, Cancel, MESSAGE_BYTES_MAX, Source};
use crate::view::reader::{self, SCANNED_MAX};
use crate::view::{Matcher, Plan, Reader, Selection};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Bytes of commit groups that a live subscriber keeps from being dropped; a single larger group is kept alone.
pub const QUEUE_BYTES: usize = 1024 * 1024;
/// How long a live subscriber waits to hear that nothing of what was appended matched.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Above so many subscribers each waits longer, so that all together are told no more often.
const PROGRESS_SUBSCRIBERS: u64 = 1_000;
/// None waits longer than this.
const PROGRESS_LONGEST: u32 = 10;

/// One message of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The first message.
    Started {
        /// The first position that will be scanned.
        from: Position,
        /// The tail now.
        tail: Position,
        /// Where to resume before anything has come.
        token: Vec<u8>,
    },
    /// A batch, encoded.
    Batch(Bytes),
    /// From here on records come as they are appended.
    CaughtUp {
        /// The first position that will come live.
        position: Position,
    },
    /// The reader was too slow for the live feed and reads from the log again.
    FellBehind {
        /// The first position that will come from the log.
        position: Position,
        /// The tail now.
        tail: Position,
    },
    /// Nothing else happened for a while.
    Heartbeat {
        /// The tail now.
        tail: Position,
        /// The records between what was scanned and the tail.
        lag: u64,
    },
    /// The server is stopping. The last message.
    Draining {
        /// Where to resume.
        token: Vec<u8>,
        /// The first position not scanned.
        position: Position,
    },
}

/// A subscription under way.
pub struct Session {
    hub: Arc<Hub>,
    matcher: Matcher,
    request: Subscribe,
    form: Form,
    draining: watch::Receiver<bool>,
    phase: Phase,
    /// Where records are that may match, once a filter is followed live.
    routed: Option<Routed>,
    /// What the subscriber was told of.
    told: Cursor,
    /// The first position not looked at; at or after what was told.
    looked: Position,
    /// The root of the tree of size `looked`.
    root: Hash,
    /// Once this is looked at, and the log's memory has what follows, the subscriber has caught up.
    target: Position,
    caught_up: bool,
    ready: VecDeque<Item>,
    last_sent: Instant,
    _counted: Counted,
}

enum Phase {
    Starting,
    Reading(Ahead<ReadBatch>),
    Live(VecDeque<Arc<Group>>),
    /// Live, and woken only for what may match.
    Routed,
    Ended,
}

/// What ended a wait.
enum Woken {
    Appended,
    Late,
    Draining,
}

impl Session {
    pub(super) fn new(
        hub: Arc<Hub>,
        counted: Counted,
        draining: watch::Receiver<bool>,
        request: Subscribe,
        from: Position,
        root: Hash,
    ) -> Self {
        Self {
            matcher: Matcher::new(hub.log.clone(), request.filter.clone(), request.mode),
            form: Form {
                filter: request.filter.sha256(),
                names: request.filter.names_sha256(),
                mode: request.mode,
                parts: request.parts,
            },
            target: hub.log.tail(),
            hub,
            request,
            draining,
            phase: Phase::Starting,
            routed: None,
            told: Cursor::new(from),
            looked: from,
            root,
            caught_up: false,
            ready: VecDeque::new(),
            last_sent: Instant::now(),
            _counted: counted,
        }
    }

    /// The next message; `None` after the last. An error is the last message too. A call that is dropped before it
    /// answers ends the session.
    pub async fn next(&mut self) -> Option<Result<Item, ReadError>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                self.last_sent = Instant::now();
                return Some(Ok(item));
            }
            if let Err(error) = self.step().await {
                self.phase = Phase::Ended;
                return Some(Err(error));
            }
            if self.ready.is_empty() && matches!(self.phase, Phase::Ended) {
                return None;
            }
        }
    }

    async fn step(&mut self) -> Result<(), ReadError> {
        if matches!(self.phase, Phase::Ended) {
            return Ok(());
        }
        if *self.draining.borrow() {
            self.drain();
            return Ok(());
        }
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Starting => self.start(),
            Phase::Reading(ahead) => return self.read(ahead).await,
            Phase::Live(groups) => return self.follow(groups).await,
            Phase::Routed => return self.follow_route().await,
            Phase::Ended => {}
        }
        Ok(())
    }

    fn start(&mut self) {
        self.ready.push_back(Item::Started {
            from: self.looked,
            tail: self.hub.log.tail(),
            token: self.token(),
        });
        self.go_on();
    }

    /// Chooses how the next records come.
    fn go_on(&mut self) {
        if self.request.until.is_some_and(|until| self.looked >= until) {
            self.tell_progress();
            return;
        }
        match self.hub.log.recent(self.looked) {
            Some(groups) => self.phase = Phase::Live(bounded(groups)),
            None => {
                let tail = self.hub.log.tail();
                let until = self.request.until.map_or(tail, |until| until.min(tail));
                self.phase = Phase::Reading(Ahead::new(CatchUp::new(self, until), &self.hub.readers));
            }
        }
    }

    async fn read(&mut self, mut ahead: Ahead<ReadBatch>) -> Result<(), ReadError> {
        let step = tokio::select! {
            biased;
            _ = self.draining.wait_for(|draining| *draining) => None,
            step = ahead.next() => Some(step?),
        };
        let Some(step) = step else {
            self.drain();
            return Ok(());
        };
        match step {
            // It was read ahead, and something was erased since: it is read again.
            Some(batch) if batch.erasures < self.hub.log.erasures() => self.go_on(),
            Some(batch) => {
                self.looked = batch.through;
                self.root = batch.root;
                self.tell(batch.first, batch.through, batch.message)?;
                self.phase = Phase::Reading(ahead);
            }
            None => self.go_on(),
        }
        Ok(())
    }

    async fn follow(&mut self, mut groups: VecDeque<Arc<Group>>) -> Result<(), ReadError> {
        if let Some(group) = groups.pop_front() {
            let end = self.take(&group.run, group.root, None).await?;
            if end < group.run.end() {
                groups.push_front(group);
            }
            self.phase = Phase::Live(groups);
            return self.end_at_until();
        }
        if self.is_on_its_route() {
            self.phase = Phase::Routed;
            return Ok(());
        }
        self.say_caught_up();
        match self.hub.log.recent(self.looked) {
            None => self.fall_behind(),
            Some(groups) if !groups.is_empty() => self.phase = Phase::Live(bounded(groups)),
            Some(groups) => {
                self.phase = Phase::Live(groups.into());
                if self.ready.is_empty() {
                    self.wait().await;
                }
            }
        }
        Ok(())
    }

    /// Whether the session knows where to look for what may match. Whoever follows everything, or up to a position, looks at
    /// every group.
    fn is_on_its_route(&mut self) -> bool {
        if self.request.filter.is_all() || self.request.until.is_some() {
            return false;
        }
        if self.routed.as_ref().is_none_or(Routed::has_ended) {
            let follows = (&self.form, &self.request.filter);
            let stands = (self.looked, self.root);
            self.routed = self
                .hub
                .dispatch
                .join(&self.hub.log, &self.draining, follows, stands);
        }
        let look = self.routed.as_ref().map(|routed| routed.look(self.looked));
        look.is_some_and(|look| look != Look::Unknown)
    }

    async fn follow_route(&mut self) -> Result<(), ReadError> {
        let look = self.routed.as_ref().map(|routed| routed.look(self.looked));
        match look.unwrap_or(Look::Unknown) {
            Look::Unknown => self.phase = Phase::Live(VecDeque::new()),
            Look::Hit(hit) => return self.take_hit(hit).await,
            Look::Nothing { through, root } => {
                self.pass_to(through, root);
                self.say_caught_up();
                if self.progress_is_due() {
                    self.tell_progress();
                }
                self.phase = Phase::Routed;
                if self.ready.is_empty() {
                    self.wait_for_hit().await;
                }
            }
        }
        Ok(())
    }

    /// Passes over what cannot match.
    fn pass_to(&mut self, through: Position, root: Hash) {
        if through > self.looked {
            (self.looked, self.root) = (through, root);
        }
    }

    async fn take_hit(&mut self, hit: Hit) -> Result<(), ReadError> {
        self.pass_to(hit.range.start, hit.root);
        let groups = self.hub.log.recent(self.looked);
        // Where it may match the log has it: the group is there, or is memory's no longer.
        let Some(group) = groups.as_ref().and_then(|groups| groups.first()) else {
            self.fall_behind();
            return Ok(());
        };
        let run = group.run.slice(self.looked, hit.range.end);
        let root = match run.end() == group.run.end() {
            true => group.root,
            false => self.root_at(run.end()).await?,
        };
        self.take(&run, root, hit.which).await?;
        self.phase = Phase::Routed;
        Ok(())
    }

    /// Looks at a run from where the session stands, as far as one message goes, and answers where that is. `root` is that of the
    /// tree that ends with the run; of its records only those at `which` may match, where that is said.
    async fn take(
        &mut self,
        whole: &Run,
        root: Hash,
        which: Option<Arc<[Position]>>,
    ) -> Result<Position, ReadError> {
        let until = self.request.until.unwrap_or(whole.end());
        let run = one_message(&whole.slice(self.looked, until), self.request.parts.weight());
        let (first, end) = (run.first(), run.end());
        if run.is_empty() {
            return Ok(whole.end());
        }
        let root = if end == whole.end() {
            root
        } else {
            self.root_at(end).await?
        };
        let frame = self.frame(run, root, which).await?;
        if frame.is_some() {
            self.tell_progress();
        }
        self.looked = end;
        self.root = root;
        match frame {
            Some(message) => self.tell(first, end, message)?,
            None if self.progress_is_due() => self.tell_progress(),
            None => {}
        }
        Ok(end)
    }

    async fn frame(&self, run: Run, root: Hash, which: Option<Arc<[Position]>>) -> Result<Frame, ReadError> {
        // The group may have waited here since before something of it was erased.
        let erasures = self.hub.log.erasures();
        let run = self.hub.log.masked(run);
        let key = FrameKey {
            first: run.first(),
            end: run.end(),
            form: self.form.clone(),
        };
        let (hub, matcher, form) = (Arc::clone(&self.hub), self.matcher.clone(), self.form.clone());
        let bytes = run.bytes();
        // Where nothing is looked up the first subscriber makes the frame in place.
        let in_place = reader::is_quick(&run, &self.matcher, which.as_deref());
        let make = move || {
            let selection = reader::select(&run, &matcher, which.as_deref())?;
            let token = form.token(&hub.log, run.end(), root);
            let message = || (hub.encode)(&selection, form.parts, &token);
            Ok((!selection.is_empty()).then(message))
        };
        let make = || async move { if in_place { make() } else { blocking(make).await } };
        self.hub.frames.get(key, bytes, erasures, make).await
    }

    async fn root_at(&self, size: Position) -> Result<Hash, ReadError> {
        let log = self.hub.log.clone();
        blocking(move || log.root_at(size)).await
    }

    async fn wait(&mut self) {
        let mut late = self.last_sent + self.request.heartbeat;
        if self.told.next() < self.looked {
            late = late.min(self.last_sent + progress_every(self.hub.subscribers()));
        }
        let woken = tokio::select! {
            biased;
            _ = self.draining.wait_for(|draining| *draining) => Woken::Draining,
            _ = self.hub.log.wait_beyond(self.looked) => Woken::Appended,
            () = tokio::time::sleep_until(late) => Woken::Late,
        };
        match woken {
            Woken::Appended | Woken::Draining => {}
            Woken::Late if self.told.next() < self.looked => self.tell_progress(),
            Woken::Late => self.beat(),
        }
    }

    /// Waits for what may match, but not longer than the subscriber waits to hear how far everything was looked at.
    async fn wait_for_hit(&mut self) {
        let Some(routed) = &mut self.routed else { return };
        let now = Instant::now();
        let progress = now + progress_every(self.hub.subscribers());
        let late = progress.min((self.last_sent + self.request.heartbeat).max(now));
        let woken = tokio::select! {
            biased;
            _ = self.draining.wait_for(|draining| *draining) => Woken::Draining,
            () = routed.hit_beyond(self.looked) => Woken::Appended,
            () = tokio::time::sleep_until(late) => Woken::Late,
        };
        if !matches!(woken, Woken::Late) {
            return;
        }
        // What was passed over meanwhile is told instead of a heartbeat.
        if let Some(Look::Nothing { through, root }) =
            self.routed.as_ref().map(|routed| routed.look(self.looked))
        {
            self.pass_to(through, root);
        }
        if self.told.next() < self.looked {
            self.tell_progress();
        } else if self.last_sent.elapsed() >= self.request.heartbeat {
            self.beat();
        }
    }

    fn beat(&mut self) {
        let tail = self.hub.log.tail();
        let lag = tail.since(self.looked);
        self.ready.push_back(Item::Heartbeat { tail, lag });
    }

    fn end_at_until(&mut self) -> Result<(), ReadError> {
        if self.request.until.is_some_and(|until| self.looked >= until) {
            self.tell_progress();
            self.phase = Phase::Ended;
        }
        Ok(())
    }

    fn say_caught_up(&mut self) {
        if !self.caught_up && self.looked >= self.target {
            self.tell_progress();
            self.caught_up = true;
            self.ready.push_back(Item::CaughtUp {
                position: self.looked,
            });
        }
    }

    fn fall_behind(&mut self) {
        self.tell_progress();
        let tail = self.hub.log.tail();
        self.ready.push_back(Item::FellBehind {
            position: self.looked,
            tail,
        });
        self.target = tail;
        self.caught_up = false;
        self.go_on();
    }

    fn drain(&mut self) {
        self.tell_progress();
        self.ready.push_back(Item::Draining {
            token: self.token(),
            position: self.looked,
        });
        self.phase = Phase::Ended;
    }

    fn progress_is_due(&self) -> bool {
        let silent = self.last_sent.elapsed();
        self.looked.since(self.told.next()) >= SCANNED_MAX || silent >= progress_every(self.hub.subscribers())
    }

    /// Tells the subscriber of what was looked at without a match.
    fn tell_progress(&mut self) {
        let (first, through) = (self.told.next(), self.looked);
        if first < through {
            let nothing = Selection::nothing(first, through);
            let message = (self.hub.encode)(&nothing, self.request.parts, &self.token());
            self.told = Cursor::new(through);
            self.ready.push_back(Item::Batch(message));
        }
    }

    fn tell(&mut self, first: Position, through: Position, message: Bytes) -> Result<(), ReadError> {
        self.told
            .advance(first, through)
            .map_err(|gap| ReadError::Damaged {
                position: first,
                expected: format!("what follows position {}", gap.next),
                found: gap.to_string(),
            })?;
        self.ready.push_back(Item::Batch(message));
        Ok(())
    }

    fn token(&self) -> Vec<u8> {
        self.form.token(&self.hub.log, self.looked, self.root)
    }
}

fn progress_every(subscribers: u64) -> Duration {
    let times = u32::try_from(subscribers / PROGRESS_SUBSCRIBERS).unwrap_or(u32::MAX);
    PROGRESS_EVERY * times.clamp(1, PROGRESS_LONGEST)
}

/// The part of a run that one message carries: at least one record.
fn one_message(run: &Run, weight: usize) -> Run {
    let mut bytes = 0;
    let too_far = run.iter().skip(1).find(|record| {
        bytes += (record.leaf.len() + record.payload.len()) * weight;
        bytes > MESSAGE_BYTES_MAX
    });
    match too_far.map(|record| record.position) {
        Some(position) => run.slice(run.first(), position),
        None => run.clone(),
    }
}

/// The first groups, as many as a subscriber may keep.
fn bounded(groups: Vec<Arc<Group>>) -> VecDeque<Arc<Group>> {
    let mut bytes = 0;
    let fits = |group: &Arc<Group>| {
        let first = bytes == 0;
        bytes += group.run.bytes().max(1);
        first || bytes <= QUEUE_BYTES
    };
    groups.into_iter().take_while(fits).collect()
}

/// A batch read from the log.
struct ReadBatch {
    first: Position,
    through: Position,
    root: Hash,
    message: Bytes,
    /// How many erasures there were before it was read.
    erasures: u64,
}

/// Reads and encodes batches up to where the log's memory begins.
struct CatchUp {
    hub: Arc<Hub>,
    reader: Reader,
    form: Form,
}

impl CatchUp {
    fn new(session: &Session, until: Position) -> Self {
        let parts = session.request.parts;
        let plan = Plan::Forward {
            from: session.looked,
            until,
        };
        let matcher = session.matcher.clone();
        let log = session.hub.log.clone();
        Self {
            reader: Reader::new(log, matcher, parts.columns(), parts.weight(), plan, None)
                .among(&session.hub.readers)
                .by(&session.hub.view),
            hub: Arc::clone(&session.hub),
            form: session.form.clone(),
        }
    }
}

impl Source for CatchUp {
    type Item = ReadBatch;

    fn cancel(&mut self) -> Cancel {
        self.reader.cancel()
    }

    fn step(&mut self, bytes: usize) -> Result<Option<ReadBatch>, ReadError> {
        let erasures = self.hub.log.erasures();
        let Some(selection) = self.reader.step(bytes)? else {
            return Ok(None);
        };
        let root = self.hub.log.root_at(selection.through)?;
        let token = self.form.token(&self.hub.log, selection.through, root);
        Ok(Some(ReadBatch {
            first: selection.first,
            through: selection.through,
            root,
            message: (self.hub.encode)(&selection, self.form.parts, &token),
            erasures,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_that_matches_each_is_told_every_second_and_of_many_subscribers_less_often() {
        let secs = |subscribers| progress_every(subscribers).as_secs();
        assert_eq!([0, 1, 1_999].map(secs), [1, 1, 1]);
        assert_eq!([2_000, 5_500, 10_000].map(secs), [2, 5, 10]);
        assert_eq!([10_001, u64::MAX].map(secs), [10, 10]);
    }
}

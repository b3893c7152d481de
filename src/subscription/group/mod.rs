//! Consumer groups: work on the records of a filter, shared among consumers, of which the archive keeps track.
//!
//! ```text
//!   log ──scan──> GroupState ──pull──> consumers
//!                     │  ^               │
//!                  Keeper └──── ack, nack ┘   state/groups/
//! ```
//!
//! [`state`] holds the rules as plain values. A [`Group`] joins them to the log: it looks for records of its filter as they are
//! wanted, hands them over, and waits for what becomes of them. Nothing is acknowledged before [`keeper`] has kept it. The log
//! itself says what a record is, so that only positions are kept; what was erased meanwhile is delivered without its content, or
//! not at all where it does not match any more.
//!
//! Each record is delivered *at least* once: a consumer that dies after its work and before its acknowledgement, or a server that
//! dies before it has kept one, has it delivered again. Its position is the same each time.

pub mod keeper;
pub mod kept;
mod pull;
mod restored;
mod standing;
pub mod state;

pub use keeper::{KeepGroups, NotKept};
pub use pull::{Delivered, Pull};
pub use standing::Standing;

use super::hub::{From, Hub, SubscribeError};
use crate::filter::Filter;
use crate::log::{Log, ReadError};
use crate::record::Position;
use crate::view::{Matcher, Mode};
use keeper::{KeepSoon, Keeper};
use kept::Bound;
use restored::{Restored, restored};
use state::{AHEAD, Consumer, Counts, DONE_AHEAD_MAX, GroupState, PARKED_MAX, Parked, Refusal, Rules};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// The most groups of an archive.
pub const GROUPS_MAX: usize = 100;

/// What a group is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// Its records.
    pub filter: Filter,
    /// Whether records are judged, or changes.
    pub mode: Mode,
    /// Its rules.
    pub rules: Rules,
}

impl Settings {
    /// Which settings of a group of this name are others; `None` where none are.
    fn differs(&self, other: &Self) -> Option<String> {
        let (rules, others) = (&self.rules, &other.rules);
        let differ = [
            (
                "another filter",
                self.filter.canonical() != other.filter.canonical(),
            ),
            ("`records_only` otherwise", self.mode != other.mode),
            ("another sharing", rules.sharing != others.sharing),
            (
                "another `ack_timeout_ms`",
                rules.ack_timeout_ms != others.ack_timeout_ms,
            ),
            (
                "another `deliveries_max`",
                rules.deliveries_max != others.deliveries_max,
            ),
            (
                "another `in_flight_max`",
                rules.in_flight_max != others.in_flight_max,
            ),
        ];
        let differ: Vec<&str> = differ
            .iter()
            .filter(|(_, is)| *is)
            .map(|(what, _)| *what)
            .collect();
        (!differ.is_empty()).then(|| differ.join(" and "))
    }
}

/// Why a call for a group was not answered.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// There is none of the name.
    #[error("there is no group `{0}`; list the groups, or make it")]
    Unknown(String),
    /// There is one of the name with other settings: these.
    #[error("group `{0}` exists with {1}; show it to see its settings, delete it first, or use another name")]
    Exists(String, String),
    /// There are too many.
    #[error("there are {GROUPS_MAX} groups already, which is the limit; delete one first")]
    TooMany,
    /// It was at work on another log.
    #[error(
        "group `{name}` is stopped: {why}; compare the two, then delete the group and make it again from where it is right"
    )]
    Stopped {
        /// Its name.
        name: String,
        /// What shows it.
        why: String,
    },
    /// More is acknowledged that was delivered before a restart than can be remembered.
    #[error(
        "more than {DONE_AHEAD_MAX} records are acknowledged that were not looked at since the daemon was started; acknowledge the others \
         once they are delivered again"
    )]
    TooFarAhead,
    /// What is kept of groups cannot be read.
    #[error("there are no groups: {0}")]
    Unreadable(String),
    /// It begins where this log does not reach.
    #[error(transparent)]
    Start(#[from] SubscribeError),
    /// The log failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The disk failed. What was asked for may be done again after a restart.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// The server is stopping.
    #[error("the server is stopping; try again in a moment")]
    Draining,
}

/// A group at work.
pub struct Group {
    /// What it is.
    pub settings: Settings,
    log: Log,
    hub: Arc<Hub>,
    /// Judges by the filter as its actors were known when it was first asked for.
    matcher: OnceLock<Matcher>,
    state: Mutex<GroupState>,
    /// Tells one who waits that there may be something to take.
    changed: Notify,
    /// Tells those who have as many records as they may that one has fewer.
    freed: Notify,
    /// How many streams work under each name.
    members: Mutex<BTreeMap<String, u64>>,
    /// Held by whoever looks for records.
    filling: Arc<tokio::sync::Mutex<()>>,
    deleted: AtomicBool,
    /// Why it does nothing.
    stopped: Option<String>,
    /// What the log was when it was last kept.
    bound: Mutex<Option<Bound>>,
    keep_soon: KeepSoon,
    streams: AtomicU64,
    began: Instant,
    /// When it was opened, in milliseconds since 1970.
    epoch_ms: u64,
}

impl Group {
    fn new(log: &Log, hub: &Arc<Hub>, keep_soon: KeepSoon, restored: Restored, epoch_ms: u64) -> Self {
        let Restored {
            settings,
            state,
            bound,
            stopped,
        } = restored;
        Self {
            log: log.clone(),
            hub: Arc::clone(hub),
            matcher: OnceLock::new(),
            settings,
            state: Mutex::new(state),
            stopped,
            bound: Mutex::new(bound),
            keep_soon,
            changed: Notify::new(),
            freed: Notify::new(),
            members: Mutex::default(),
            filling: Arc::default(),
            deleted: AtomicBool::new(false),
            streams: AtomicU64::new(0),
            began: Instant::now(),
            epoch_ms,
        }
    }

    /// Who judges whether a record is one of the group's. Call it where blocking is allowed.
    pub(super) fn matcher(&self) -> Result<Matcher, ReadError> {
        if let Some(matcher) = self.matcher.get() {
            return Ok(matcher.clone());
        }
        let filter = self.hub.widened(&self.settings.filter, &self.deleted)?;
        let matcher = Matcher::new(self.log.clone(), filter, self.settings.mode);
        // Whoever was sooner knew the same, or a moment less: all go by one.
        Ok(self.matcher.get_or_init(|| matcher).clone())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Why it does nothing, where it was at work on another log.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Whether something can be asked of it.
    ///
    /// # Errors
    /// [`GroupError::Unknown`], [`GroupError::Stopped`].
    pub fn check(&self) -> Result<(), GroupError> {
        let name = || self.settings.name.clone();
        match &self.stopped {
            _ if self.is_deleted() => Err(GroupError::Unknown(name())),
            Some(why) => Err(GroupError::Stopped {
                name: name(),
                why: why.clone(),
            }),
            None => Ok(()),
        }
    }

    /// What the log is, at least as far as the group had looked at it when this was asked. May wait for the disk.
    fn bound(&self) -> Option<Bound> {
        let next = self.state().next();
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stopped.is_none() && bound.is_none_or(|(size, _)| size != next) {
            match self.log.root_at(next) {
                Ok(root) => *bound = Some((next, root)),
                // What was kept before is as true.
                Err(error) => tracing::warn!(%error, "a group is kept with the root of an older log"),
            }
        }
        *bound
    }

    /// Has what was parked since it was last kept be kept, whoever asks: nobody waits for it.
    fn keep_what_was_parked(self: &Arc<Self>) {
        if self.state().has_parked_changes() {
            self.keep_soon.keep(self);
        }
    }

    /// After a change: wakes those who may go on by it, or who wait until later than they need.
    fn wake(&self) {
        let (is_one_wanted, is_freed) = {
            let mut state = self.state();
            let has_more = state.wanted() > 0 && state.next() < self.log.tail();
            let has_some = state.takeable() > 0 || has_more;
            (has_some | state.take_due_sooner(), state.take_freed())
        };
        if is_one_wanted {
            self.changed.notify_one();
        }
        if is_freed {
            self.freed.notify_waiters();
        }
    }

    /// Does what is due by now.
    fn pass(self: &Arc<Self>) {
        self.state().pass(self.now());
        self.keep_what_was_parked();
        self.wake();
    }

    /// Ends every wait.
    fn end_waits(&self) {
        self.changed.notify_waiters();
        self.freed.notify_waiters();
    }

    /// Why it delivers nothing for now, or none of those that it has not looked at.
    pub fn held_up(&self) -> Option<String> {
        let state = self.state();
        if state.parked().len() >= PARKED_MAX {
            return Some(format!(
                "{PARKED_MAX} records are parked, which is the limit; replay or drop some"
            ));
        }
        let Counts { delayed, waiting, .. } = state.counts();
        let is_full = state.wanted() == 0 && state.takeable() == 0;
        let is_blocked = delayed + waiting > AHEAD && state.next() < self.log.tail();
        (is_full && is_blocked).then(|| {
            format!(
                "{delayed} records are delayed and {waiting} wait for another one of their entry; no more are looked at until some are done"
            )
        })
    }

    /// Milliseconds since the group was opened.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A consumer that works over a stream of its own.
    pub fn join(self: &Arc<Self>, name: &str) -> Member {
        let stream = self.streams.fetch_add(1, Ordering::Relaxed) + 1;
        *self.members().entry(name.to_owned()).or_default() += 1;
        Member {
            group: Arc::clone(self),
            consumer: Consumer {
                name: name.to_owned(),
                stream,
            },
            in_order: false,
        }
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many records a consumer has.
    pub fn held(&self, consumer: &Consumer) -> usize {
        self.state().held(consumer)
    }

    /// Takes records back that a consumer has and that were not sent to it, as if they had not been taken.
    pub fn give_back(&self, consumer: &Consumer, positions: &[Position]) {
        self.state().give_back(consumer, positions);
        self.wake();
    }

    /// The time of records that a consumer has begins anew.
    pub fn extend(&self, consumer: &Consumer, positions: &[Position]) -> u64 {
        self.state().extend(consumer, positions, self.now())
    }

    /// What it has parked from a position on, at most `max`, and how many there are in all.
    pub fn parked(&self, from: Position, max: usize) -> (Vec<(Position, Parked)>, u64) {
        let state = self.state();
        let parked = state.parked().range(from..).take(max);
        let parked = parked.map(|(position, parked)| (*position, parked.clone()));
        (parked.collect(), state.parked().len() as u64)
    }
}

/// A consumer over a stream. When it is dropped what it has is delivered to others.
pub struct Member {
    /// Its group.
    pub group: Arc<Group>,
    /// Who it is.
    pub consumer: Consumer,
    /// Whether it leaves in good order, and is not lost: then none of what it has counts as delivered.
    pub in_order: bool,
}

impl Drop for Member {
    fn drop(&mut self) {
        match self.in_order {
            true => self.group.state().leave_in_order(&self.consumer),
            false => self.group.state().leave(&self.consumer),
        }
        {
            let mut members = self.group.members();
            let left = members.get(&self.consumer.name).map_or(0, |streams| streams - 1);
            match left {
                0 => drop(members.remove(&self.consumer.name)),
                left => drop(members.insert(self.consumer.name.clone(), left)),
            }
        }
        self.group.keep_what_was_parked();
        self.group.wake();
    }
}

/// The groups of an archive.
pub struct Groups {
    hub: Arc<Hub>,
    log: Log,
    all: RwLock<BTreeMap<String, Arc<Group>>>,
    keeper: Keeper,
    /// Held while a group is made or forgotten.
    changing: tokio::sync::Mutex<()>,
    /// Why there are none.
    unreadable: Option<String>,
}

impl Groups {
    /// The groups that are kept; values that are none are left as they are, and said.
    ///
    /// # Errors
    /// What the system says where no thread can be started.
    pub fn open(log: &Log, hub: Arc<Hub>, keep: Box<dyn KeepGroups>) -> std::io::Result<Self> {
        let values: BTreeMap<String, Vec<u8>> = keep.kept().into_iter().collect();
        let keeper = Keeper::start(keep)?;
        let mut all = BTreeMap::new();
        let now_ms = epoch_ms();
        for group in values.keys().filter_map(|name| name.strip_suffix("/settings")) {
            let restored = restored(group, &values, log, now_ms);
            if let Some(why) = &restored.stopped {
                tracing::error!(group, "the group is stopped: {why}");
            }
            let made = Group::new(log, &hub, keeper.soon(), restored, now_ms);
            all.insert(group.to_owned(), Arc::new(made));
        }
        Ok(Self {
            hub,
            log: log.clone(),
            all: RwLock::new(all),
            keeper,
            changing: tokio::sync::Mutex::default(),
            unreadable: None,
        })
    }

    /// No groups, since what is kept of them cannot be read: whoever asks for one is told why, and the archive is served all the same.
    /// `keep` is never asked to keep anything.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn unreadable(
        log: &Log,
        hub: Arc<Hub>,
        keep: Box<dyn KeepGroups>,
        why: String,
    ) -> std::io::Result<Self> {
        let none = Self::open(log, hub, keep)?;
        Ok(Self {
            unreadable: Some(why),
            ..none
        })
    }

    /// Whether there can be any.
    ///
    /// # Errors
    /// [`GroupError::Unreadable`].
    pub fn check(&self) -> Result<(), GroupError> {
        let why = self.unreadable.clone();
        why.map_or(Ok(()), |why| Err(GroupError::Unreadable(why)))
    }

    /// A group.
    ///
    /// # Errors
    /// [`GroupError::Unknown`], [`GroupError::Unreadable`].
    pub fn get(&self, name: &str) -> Result<Arc<Group>, GroupError> {
        self.check()?;
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let group = all.get(name).cloned();
        group.ok_or_else(|| GroupError::Unknown(name.to_owned()))
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Arc<Group>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    /// Makes a group that begins there; kept when it is answered. Where there is one with the same settings that one is answered.
    ///
    /// # Errors
    /// [`GroupError::Exists`], [`GroupError::TooMany`], [`GroupError::Start`], [`GroupError::NotKept`].
    pub async fn create(&self, settings: Settings, from: From) -> Result<Arc<Group>, GroupError> {
        self.check()?;
        let _held = self.changing.lock().await;
        if let Ok(known) = self.get(&settings.name)
            && let Some(which) = known.settings.differs(&settings)
        {
            return Err(GroupError::Exists(settings.name, which));
        }
        // Also where it is there: a beginning that cannot be is a mistake, whatever becomes of it.
        let start = self
            .hub
            .resolved(from, settings.filter.clone(), settings.mode)
            .await?;
        if let Ok(known) = self.get(&settings.name) {
            return Ok(known);
        }
        if self.list().len() >= GROUPS_MAX {
            return Err(GroupError::TooMany);
        }
        let state = GroupState::new(settings.rules.clone(), start);
        let new = Restored {
            settings,
            state,
            bound: None,
            stopped: None,
        };
        let group = Group::new(&self.log, &self.hub, self.keeper.soon(), new, epoch_ms());
        let group = Arc::new(group);
        self.keeper.keep_new(&group).await?;
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(group.settings.name.clone(), Arc::clone(&group));
        Ok(group)
    }

    /// Forgets a group, with what it has parked; kept when it is answered.
    ///
    /// # Errors
    /// [`GroupError::Unknown`], [`GroupError::NotKept`]; the group is there then.
    pub async fn delete(&self, name: &str) -> Result<(), GroupError> {
        let _held = self.changing.lock().await;
        let group = self.get(name)?;
        group.deleted.store(true, Ordering::Release);
        if let Err(error) = self.keeper.forget(&group).await {
            group.deleted.store(false, Ordering::Release);
            return Err(error.into());
        }
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(name);
        drop(all);
        group.end_waits();
        Ok(())
    }

    /// Records are done, and all that the consumer has up to a position. Kept when it is answered: how many were not done before.
    ///
    /// After a restart a consumer may be done with records that were delivered before it and not looked at again yet: that is
    /// remembered.
    ///
    /// # Errors
    /// [`GroupError::NotKept`], [`GroupError::Stopped`], [`GroupError::TooFarAhead`].
    pub async fn ack(
        &self,
        group: &Arc<Group>,
        consumer: &Consumer,
        positions: Vec<Position>,
        through: Option<Position>,
    ) -> Result<u64, GroupError> {
        group.check()?;
        if !group.state().has_room_for(&positions) {
            return Err(GroupError::TooFarAhead);
        }
        self.kept(group, |state, _| {
            let through = through.map_or(0, |through| state.ack_through(consumer, through));
            state.ack(consumer, positions) + through
        })
        .await
    }

    /// Records are not done. Kept when it is answered: how many of them the consumer had.
    ///
    /// # Errors
    /// [`GroupError::NotKept`].
    pub async fn nack(
        &self,
        group: &Arc<Group>,
        consumer: &Consumer,
        positions: Vec<Position>,
        refusal: Refusal,
        reason: &str,
    ) -> Result<u64, GroupError> {
        self.kept(group, |state, now| {
            state.nack(consumer, positions, refusal, reason, now)
        })
        .await
    }

    /// Has parked records delivered again, those named or all. Kept when it is answered.
    ///
    /// # Errors
    /// [`GroupError::NotKept`].
    pub async fn replay(
        &self,
        group: &Arc<Group>,
        positions: Option<Vec<Position>>,
    ) -> Result<u64, GroupError> {
        self.kept(group, |state, _| state.replay(positions.as_deref()))
            .await
    }

    /// Takes parked records for done, those named or all. Kept when it is answered.
    ///
    /// # Errors
    /// [`GroupError::NotKept`].
    pub async fn drop_parked(
        &self,
        group: &Arc<Group>,
        positions: Option<Vec<Position>>,
    ) -> Result<u64, GroupError> {
        self.kept(group, |state, _| state.drop_parked(positions.as_deref()))
            .await
    }

    /// Changes the state of a group, and keeps it.
    async fn kept(
        &self,
        group: &Arc<Group>,
        change: impl FnOnce(&mut GroupState, u64) -> u64,
    ) -> Result<u64, GroupError> {
        group.check()?;
        let changed = change(&mut group.state(), group.now());
        if changed > 0 {
            group.wake();
        }
        // Also where nothing changed: what this one finds done, another one may not have kept yet.
        self.keeper.keep(group).await?;
        Ok(changed)
    }

    /// Takes records for a consumer; see [`Pull`].
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn pull(&self, group: &Arc<Group>, pull: Pull) -> Result<Delivered, GroupError> {
        group.check()?;
        let before = group.state().next();
        let delivered = group.pull(pull, &self.hub).await;
        // What was looked at in vain need not be looked at again after a restart.
        let now = group.state().next();
        if now.since(before.min(now)) >= KEPT_EVERY {
            group.keep_soon.keep(group);
        } else {
            group.keep_what_was_parked();
        }
        delivered
    }

    /// Keeps how far each group is, with how often each record was delivered: a server that stops has nothing delivered again that it
    /// need not.
    pub async fn keep_all(&self) {
        for group in self.list() {
            if group.check().is_ok()
                && let Err(error) = self.keeper.keep(&group).await
            {
                tracing::error!(%error, group = group.settings.name, "how far the group is");
            }
        }
    }
}

/// Milliseconds since 1970, by this machine's clock: delays outlive a restart by it.
fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// So many records looked at are kept although nothing was acknowledged.
const KEPT_EVERY: u64 = 65_536;

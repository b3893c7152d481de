//! Taking records of a group: looking for them, waiting for them, reading them.

use super::state::Consumer;
use super::{Group, GroupError};
use crate::filter::Filter;
use crate::log::names::NameHash;
use crate::log::{Columns, ReadError};
use crate::record::{EntryKey, Leaf, Position};
use crate::subscription::blocking;
use crate::subscription::hub::Hub;
use crate::view::ahead::{MESSAGE_BYTES_MAX, Source};
use crate::view::{Matcher, Parts, Plan, Reader, Selection};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a consumer takes.
pub struct Pull {
    /// Who.
    pub consumer: Consumer,
    /// At most so many records.
    pub max: usize,
    /// How long it waits where there are none.
    pub wait: Duration,
    /// Which parts are read.
    pub parts: Parts,
}

/// Records for a consumer: none where there were none in time.
pub struct Delivered {
    /// The records, ascending.
    pub selection: Selection,
    /// The how-manieth delivery each is; of the records only these are delivered.
    pub attempts: HashMap<Position, u32>,
}

impl Delivered {
    fn nothing(at: Position) -> Self {
        Self {
            selection: Selection::nothing(at, at),
            attempts: HashMap::new(),
        }
    }
}

/// How soon a consumer that has as many records as it may looks again whether the time of some is over, at least and at most: many may
/// wait, and each record that is due concerns one of them.
const FREED_LOOK_MIN: Duration = Duration::from_millis(20);
const FREED_LOOK_MAX: Duration = Duration::from_secs(3_600);

/// How much later than its time a record that is read may go to others, in milliseconds: where it is not read, whoever reads gives it
/// back.
const READING_MS_MAX: u64 = 3_600_000;

/// Wakes another one who waits for records when this one waits no longer, where there are some; or where some are due at a time for
/// which this one may have waited alone.
struct WakesNext<'g>(&'g Group);

impl Drop for WakesNext<'_> {
    fn drop(&mut self) {
        self.0.wake();
        if self.0.state().next_due().is_some() {
            self.0.changed.notify_one();
        }
    }
}

/// What was read for a consumer.
struct Read {
    selection: Selection,
    /// What was erased meanwhile and is no record of the group any more.
    gone: Vec<Position>,
    /// The first position that was not decided.
    through: Position,
}

/// Records that were taken and are not sent yet: they are given back where nobody waits for them any more.
struct Taken<'g> {
    group: &'g Group,
    consumer: &'g Consumer,
    positions: Vec<Position>,
}

impl Taken<'_> {
    fn give_back(&mut self, positions: &[Position]) {
        self.group.give_back(self.consumer, positions);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let positions = std::mem::take(&mut self.positions);
        if !positions.is_empty() {
            self.give_back(&positions);
        }
    }
}

impl Group {
    pub(super) async fn pull(self: &Arc<Self>, pull: Pull, hub: &Hub) -> Result<Delivered, GroupError> {
        let deadline = Instant::now() + pull.wait;
        let mut draining = hub.draining();
        if self.matcher.get().is_none() && !self.settings.filter.actors().is_empty() {
            hub.view_soon().await;
        }
        // One is woken at a time, and wakes the next one where there is more, or where it waited for what is due: also where it is given
        // up meanwhile.
        let _next = WakesNext(self);
        loop {
            // Before anything is looked at: what changes from here on is told.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.check()?;
            if *draining.borrow() {
                return Err(GroupError::Draining);
            }
            let filled = self.fill(pull.max, deadline, &mut draining).await;
            // What is there is delivered, whatever lies behind it.
            if let Some(delivered) = self.deliver(&pull).await? {
                return Ok(delivered);
            }
            filled?;
            if Instant::now() >= deadline {
                return Ok(Delivered::nothing(self.state().next()));
            }
            let (next, due) = {
                let state = self.state();
                (state.next(), state.next_due())
            };
            let due = due.map(|due| Duration::from_millis(due.saturating_sub(self.now())));
            let until = due.map_or(deadline, |due| deadline.min(Instant::now() + due));
            tokio::select! {
                () = changed => {}
                // Where the log has more already nobody wants it now: whatever makes room for it is told.
                _ = self.log.wait_beyond(next), if next >= self.log.tail() => {}
                () = tokio::time::sleep_until(until) => {}
                _ = draining.wait_for(|draining| *draining) => {}
            }
        }
    }

    /// Returns once a consumer has fewer than so many records: it is done with some, or they were taken away from it.
    ///
    /// # Errors
    /// As [`Group::check`]: whoever has as much as it takes is told, too, that its group is forgotten.
    pub async fn has_fewer(self: &Arc<Self>, consumer: &Consumer, than: usize) -> Result<(), GroupError> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            self.check()?;
            self.pass();
            let due = {
                let state = self.state();
                if state.held(consumer) < than {
                    return Ok(());
                }
                state.next_due().unwrap_or(u64::MAX)
            };
            let wait =
                Duration::from_millis(due.saturating_sub(self.now())).clamp(FREED_LOOK_MIN, FREED_LOOK_MAX);
            tokio::select! {
                () = freed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Looks for records of the filter until there are some to take, as many as are wanted, or no more in the log; or until the time
    /// is over, the group is forgotten, or the server stops.
    async fn fill(
        self: &Arc<Self>,
        max: usize,
        deadline: Instant,
        draining: &mut watch::Receiver<bool>,
    ) -> Result<(), ReadError> {
        let mut enough = max;
        loop {
            if self.has_looked_for(enough) {
                return Ok(());
            }
            // Held for one step: those who wait for it take turns, and none waits longer than it has time.
            let held = tokio::select! {
                biased;
                _ = draining.wait_for(|draining| *draining) => return Ok(()),
                held = Arc::clone(&self.filling).lock_owned() => held,
                () = tokio::time::sleep_until(deadline) => return Ok(()),
            };
            // Whoever held it before may have found as much.
            if self.has_looked_for(enough) {
                return Ok(());
            }
            let group = Arc::clone(self);
            let step = move || {
                // It goes on where nobody waits for it any more, and no other one begins meanwhile.
                let _held = held;
                group.scan()
            };
            blocking(step).await?;
            if Instant::now() >= deadline {
                return Ok(());
            }
            // One who waits no longer has what there is, and leaves the rest to the next one.
            enough = 1;
        }
    }

    /// Whether there are so many records to take, or no more are to be looked for.
    fn has_looked_for(&self, enough: usize) -> bool {
        let state = self.state();
        let is_enough = state.takeable() >= enough || state.wanted() == 0 || state.next() >= self.log.tail();
        is_enough || self.is_deleted()
    }

    /// One step of looking for records. Only one looks at a time.
    fn scan(&self) -> Result<(), ReadError> {
        let (from, wanted) = {
            let state = self.state();
            (state.next(), state.wanted() as u64)
        };
        let plan = Plan::Forward {
            from,
            until: self.log.tail(),
        };
        let matcher = self.matcher()?;
        let reader = Reader::new(self.log.clone(), matcher, Columns::Leaves, 1, plan, Some(wanted));
        let mut reader = reader.by(&self.hub.view);
        let Some(selection) = reader.step(MESSAGE_BYTES_MAX)? else {
            return Ok(());
        };
        let mut found = Vec::new();
        selection.for_each(|record, _| {
            let leaf = Leaf::decode(record.leaf);
            // What is no leaf is said by whoever reads it to deliver it.
            let entry = leaf.map_or(0, |leaf| NameHash::of_entry(leaf.series, leaf.key).bits());
            found.push((record.position, entry));
        });
        self.state().scanned(found, selection.through);
        Ok(())
    }

    /// Takes records and reads them; `None` where there are none.
    async fn deliver(self: &Arc<Self>, pull: &Pull) -> Result<Option<Delivered>, ReadError> {
        loop {
            let now = self.now();
            let taken = self
                .state()
                .take_ahead(&pull.consumer, pull.max, now, READING_MS_MAX);
            // What was over by now may have been parked by that, and who asks for it now sees it.
            self.keep_what_was_parked();
            if taken.is_empty() {
                return Ok(None);
            }
            let mut held = Taken {
                group: self,
                consumer: &pull.consumer,
                positions: taken.iter().map(|(position, _)| *position).collect(),
            };
            let Some(read) = self.read_or_park(pull, &mut held).await? else {
                continue;
            };
            let beyond = held.positions.partition_point(|at| *at < read.through);
            let beyond = held.positions.split_off(beyond);
            held.give_back(&beyond);
            let mut attempts: HashMap<Position, u32> = taken.into_iter().collect();
            let mut picked = Vec::new();
            read.selection.for_each(|record, _| picked.push(record.position));
            {
                // What was acknowledged while it was read, by a consumer that had it before, is not delivered again.
                let state = self.state();
                attempts.retain(|position, _| {
                    let is_read = *position < read.through && picked.binary_search(position).is_ok();
                    is_read && state.has(&pull.consumer, *position)
                });
            }
            held.positions.clear();
            if self.state().ack(&pull.consumer, read.gone) > 0 {
                // There is room for others, and in a group that keeps order the next one of the entry is ready.
                self.wake();
            }
            if !attempts.is_empty() {
                let handed_over: Vec<Position> = attempts.keys().copied().collect();
                self.state().extend(&pull.consumer, &handed_over, self.now());
                return Ok(Some(Delivered {
                    selection: read.selection,
                    attempts,
                }));
            }
        }
    }

    /// Reads what was taken. A record that cannot be read is parked, so that it holds up no other: then `None`, and what was taken
    /// besides is given back.
    async fn read_or_park(
        self: &Arc<Self>,
        pull: &Pull,
        held: &mut Taken<'_>,
    ) -> Result<Option<Read>, ReadError> {
        let read = |positions: Vec<Position>| {
            let (group, parts) = (Arc::clone(self), pull.parts);
            blocking(move || group.read(positions, parts))
        };
        let damage = match read(held.positions.clone()).await {
            Err(damage @ ReadError::Damaged { .. }) => damage,
            other => return other.map(Some),
        };
        let others = held.positions.split_off(1);
        held.give_back(&others);
        let damage = match held.positions.len() + others.len() {
            1 => damage,
            // Which of them it is only each by itself shows.
            _ => match read(held.positions.clone()).await {
                Err(damage @ ReadError::Damaged { .. }) => damage,
                other => return other.map(Some),
            },
        };
        for position in std::mem::take(&mut held.positions) {
            tracing::error!(group = self.settings.name, %position, "a record is parked that cannot be read: {damage}");
            let reason = format!("it cannot be read: {damage}");
            self.state().park_unreadable(&pull.consumer, position, &reason);
        }
        self.keep_what_was_parked();
        self.wake();
        Ok(None)
    }

    /// Reads records, as many as one message carries.
    ///
    /// Each is judged once more, for what it changes. The names of an actor may be others by now than those that it was taken in by: it
    /// is one of the group's all the same, unless it was erased.
    fn read(&self, positions: Vec<Position>, parts: Parts) -> Result<Read, ReadError> {
        let selection = self.selected(&positions, self.matcher()?, parts)?;
        let through = selection.through;
        let mut picked = Vec::new();
        selection.for_each(|record, _| picked.push(record.position));
        let (mut gone, mut others) = (Vec::new(), Vec::new());
        for position in positions {
            if position < through && picked.binary_search(&position).is_err() {
                match self.is_erased(position)? {
                    true => gone.push(position),
                    false => others.push(position),
                }
            }
        }
        let Some(first) = others.first().copied() else {
            return Ok(Read {
                selection,
                gone,
                through,
            });
        };
        // Those and these are not one message, which may be too large: first those that come first.
        let read = match picked.first() {
            Some(before) if *before < first => Read {
                selection,
                gone,
                through: first,
            },
            next => {
                let until = next.copied().unwrap_or(through);
                others.retain(|position| *position < until);
                let all = Matcher::new(self.log.clone(), Filter::all(), self.settings.mode);
                let selection = self.selected(&others, all, parts)?;
                let through = selection.through.min(until);
                Read {
                    selection,
                    gone,
                    through,
                }
            }
        };
        let through = read.through;
        Ok(Read {
            gone: read
                .gone
                .into_iter()
                .filter(|position| *position < through)
                .collect(),
            ..read
        })
    }

    fn selected(
        &self,
        positions: &[Position],
        matcher: Matcher,
        parts: Parts,
    ) -> Result<Selection, ReadError> {
        let first = positions.first().copied().unwrap_or_default();
        // Whoever judges looks at the leaf.
        let columns = match parts.columns() {
            Columns::Payloads => Columns::All,
            columns => columns,
        };
        let plan = Plan::Positions(positions.to_vec());
        let mut reader = Reader::new(self.log.clone(), matcher, columns, parts.weight(), plan, None);
        let selection = reader.step(MESSAGE_BYTES_MAX)?;
        Ok(selection.unwrap_or_else(|| Selection::nothing(first, first)))
    }

    /// Whether what a record says is erased, or, of an act without content, what its entry said then: the content that it is judged by.
    fn is_erased(&self, position: Position) -> Result<bool, ReadError> {
        let (mut is_erased, mut entry) = (false, None);
        for run in self.log.fetch(&[position], Columns::Leaves)? {
            for record in run.iter() {
                is_erased |= record.erased;
                let act = Leaf::decode(record.leaf)
                    .ok()
                    .filter(|leaf| !leaf.act.has_content());
                entry = act.and_then(|leaf| EntryKey::new(leaf.series, leaf.key).ok());
            }
        }
        let Some(entry) = entry.filter(|_| !is_erased) else {
            return Ok(is_erased);
        };
        let before = self.log.history(&entry, position)?;
        for run in self.log.fetch(&before, Columns::Leaves)? {
            for record in run.iter() {
                if Leaf::decode(record.leaf).is_ok_and(|leaf| leaf.act.has_content()) {
                    is_erased = record.erased;
                }
            }
        }
        Ok(is_erased)
    }
}

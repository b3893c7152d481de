//! Taking records of a group: looking for them, waiting for them, reading them.

use super::state::Consumer;
use super::{Group, GroupError};
use crate::log::names::NameHash;
use crate::log::{Columns, ReadError};
use crate::record::{Leaf, Position};
use crate::subscription::blocking;
use crate::subscription::hub::Hub;
use crate::view::ahead::{MESSAGE_BYTES_MAX, Source};
use crate::view::{Parts, Plan, Reader, Selection};
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

/// Records that were taken and are not sent yet: they are given back where nobody waits for them any more.
struct Taken<'g> {
    group: &'g Group,
    consumer: &'g Consumer,
    positions: Vec<Position>,
}

impl Taken<'_> {
    fn give_back(&mut self, positions: &[Position]) {
        self.group.state().give_back(self.consumer, positions);
        self.group.changed.notify_waiters();
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
        loop {
            // Before anything is looked at: what changes from here on is told.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.check()?;
            if *draining.borrow() {
                return Err(GroupError::Draining);
            }
            self.fill(pull.max, deadline, &mut draining).await?;
            if let Some(delivered) = self.deliver(&pull).await? {
                return Ok(delivered);
            }
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
            let is_enough = {
                let state = self.state();
                state.takeable() >= enough || state.wanted() == 0 || state.next() >= self.log.tail()
            };
            if is_enough || self.is_deleted() {
                return Ok(());
            }
            // Held for one step: those who wait for it take turns, and none waits longer than it has time.
            let held = tokio::select! {
                biased;
                _ = draining.wait_for(|draining| *draining) => return Ok(()),
                held = self.filling.lock() => held,
                () = tokio::time::sleep_until(deadline) => return Ok(()),
            };
            let group = Arc::clone(self);
            blocking(move || group.scan()).await?;
            drop(held);
            if Instant::now() >= deadline {
                return Ok(());
            }
            // One who waits no longer has what there is, and leaves the rest to the next one.
            enough = 1;
        }
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

    /// Looks for records up to the last of these that may have been delivered before a restart, as far as records are wanted.
    pub(super) async fn look_up_to_last_of(
        self: &Arc<Self>,
        positions: &[Position],
    ) -> Result<(), GroupError> {
        let draining = self.hub.draining();
        loop {
            let is_done = {
                let state = self.state();
                state.last_unseen(positions).is_none() || state.wanted() == 0
            };
            if is_done || self.is_deleted() {
                return Ok(());
            }
            if *draining.borrow() {
                // Whoever said it says it again.
                return Err(GroupError::Draining);
            }
            let held = self.filling.lock().await;
            let group = Arc::clone(self);
            blocking(move || group.scan()).await?;
            drop(held);
            self.changed.notify_waiters();
        }
    }

    /// Takes records and reads them; `None` where there are none.
    async fn deliver(self: &Arc<Self>, pull: &Pull) -> Result<Option<Delivered>, ReadError> {
        loop {
            let taken = self.state().take(&pull.consumer, pull.max, self.now());
            if taken.is_empty() {
                return Ok(None);
            }
            let mut held = Taken {
                group: self,
                consumer: &pull.consumer,
                positions: taken.iter().map(|(position, _)| *position).collect(),
            };
            let (group, parts, positions) = (Arc::clone(self), pull.parts, held.positions.clone());
            let selection = blocking(move || group.read(positions, parts)).await?;
            let beyond = held.positions.partition_point(|at| *at < selection.through);
            let beyond = held.positions.split_off(beyond);
            held.give_back(&beyond);
            let mut attempts: HashMap<Position, u32> = taken.into_iter().collect();
            let mut picked = Vec::new();
            selection.for_each(|record, _| picked.push(record.position));
            {
                // What was acknowledged while it was read, by a consumer that had it before, is not delivered again.
                let state = self.state();
                attempts.retain(|position, _| {
                    picked.binary_search(position).is_ok() && state.has(&pull.consumer, *position)
                });
            }
            // What does not match any more, since its content was erased, is done.
            let gone = std::mem::take(&mut held.positions);
            let gone = gone.into_iter().filter(|at| picked.binary_search(at).is_err());
            if self.state().ack(gone) > 0 {
                // There is room for others, and in a group that keeps order the next one of the entry is ready.
                self.changed.notify_waiters();
            }
            if !attempts.is_empty() {
                return Ok(Some(Delivered { selection, attempts }));
            }
        }
    }

    /// Reads records, as many as one message carries.
    fn read(&self, positions: Vec<Position>, parts: Parts) -> Result<Selection, ReadError> {
        let first = positions.first().copied().unwrap_or_default();
        // Each record is judged once more, and whoever judges looks at its leaf.
        let columns = match parts.columns() {
            Columns::Payloads => Columns::All,
            columns => columns,
        };
        let mut reader = Reader::new(
            self.log.clone(),
            self.matcher()?,
            columns,
            parts.weight(),
            Plan::Positions(positions),
            None,
        );
        let selection = reader.step(MESSAGE_BYTES_MAX)?;
        Ok(selection.unwrap_or_else(|| Selection::nothing(first, first)))
    }
}

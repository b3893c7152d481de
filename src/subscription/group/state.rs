//! What becomes of a group's records, as plain values: no I/O, no clock, no runtime.
//!
//! ```text
//!   scanned ──> waiting ──> ready ──> with a consumer ──> done
//!               (ordered)     ^         │      │
//!                             │   nack, │      └─ too often ──> parked ──> replayed, dropped
//!                             └─ delayed, timeout
//! ```
//!
//! A record of the filter is *open* from when it is scanned until it is done or parked. What is below [`GroupState::next`] and neither
//! open nor parked is done: so the open and the parked records and `next` are all that must be kept. Times are milliseconds from
//! any beginning, given by the caller.

mod parked;
mod through;
mod turns;

use crate::record::Position;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The records that are scanned ahead of those with consumers.
pub const AHEAD: usize = 1_000;
/// Once so many are parked nothing is delivered until some are replayed or dropped.
pub const PARKED_MAX: usize = 1_000;
/// The most records that were delivered before a restart and are done before they were looked at again.
pub const DONE_AHEAD_MAX: usize = 100_000;
/// The longest that a record is delayed, in milliseconds: a day.
pub const DELAY_MS_MAX: u64 = 86_400_000;
/// The most bytes of a reason that are kept.
pub const REASON_BYTES_MAX: usize = 256;

/// How records are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Any record to any consumer.
    Shared,
    /// Those of one entry one after the other.
    Ordered,
}

/// The rules of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How records are shared.
    pub sharing: Sharing,
    /// How long a consumer may work on a record, in milliseconds.
    pub ack_timeout_ms: u64,
    /// How often a record is delivered before it is parked.
    pub deliveries_max: u32,
    /// How many records may be with consumers at once.
    pub in_flight_max: usize,
}

/// Who works: a name, and which of those who bear it; those who ask call by call are number 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer {
    /// What it calls itself.
    pub name: String,
    /// The stream that it works over.
    pub stream: u64,
}

/// What becomes of a record that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is delivered again, not before so many milliseconds.
    Retry(u64),
    /// It is parked.
    Park,
    /// It is taken for done.
    Skip,
}

/// A record that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The number of its entry.
    pub entry: u64,
    /// How often it was delivered.
    pub attempts: u32,
    /// Why it was parked.
    pub reason: String,
}

/// An open record, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its position.
    pub position: Position,
    /// The number of its entry.
    pub entry: u64,
    /// How often it was delivered.
    pub attempts: u32,
    /// When it is delivered again at the earliest, where that is later.
    pub delayed_until: Option<u64>,
}

/// How many records are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With consumers.
    pub in_flight: usize,
    /// Ready to be delivered.
    pub ready: usize,
    /// Behind another one of their entry that is not done.
    pub waiting: usize,
    /// To be delivered again later.
    pub delayed: usize,
    /// Put aside.
    pub parked: usize,
}

#[derive(Clone, Debug)]
enum At {
    /// Behind another one of its entry, and not before then where that is said; or on its way from one place to another.
    Waiting(Option<u64>),
    Ready,
    Delayed(u64),
    With(Consumer, u64),
}

#[derive(Debug)]
struct Item {
    entry: u64,
    attempts: u32,
    /// Whether a consumer may know of it: in this run, or in one before.
    known: bool,
    /// Which hand-over gave it to who has it now: the first that this consumer may know of, and the last.
    given: (u64, u64),
    at: At,
}

/// The open records of an entry whose records are delivered in order.
#[derive(Debug)]
struct Queue {
    /// The one that is not waiting.
    first: Position,
    waiting: BTreeSet<Position>,
}

/// The records of a group.
#[derive(Debug)]
pub struct GroupState {
    rules: Rules,
    next: Position,
    /// A consumer of a run before may have had any record below.
    known_below: Position,
    /// What was delivered in a run before, is done, and was not looked at again yet.
    done_ahead: BTreeSet<Position>,
    /// How many records were taken in since it was opened, or were done before they were.
    found: u64,
    items: BTreeMap<Position, Item>,
    ready: BTreeSet<Position>,
    /// When something is due.
    due: BTreeSet<(u64, Position)>,
    consumers: BTreeMap<Consumer, BTreeSet<Position>>,
    /// How many times records were handed over; those of one time are of one message.
    hand_overs: u64,
    /// Of records that are not done and were taken from who may still speak of them: from whom, and which hand-over gave them first.
    earlier: HashMap<Position, Vec<(Consumer, u64)>>,
    queues: HashMap<u64, Queue>,
    parked: BTreeMap<Position, Parked>,
    in_flight: usize,
    /// Whether a consumer has fewer records since this was asked for, for no doing of its own.
    is_freed: bool,
    /// Whether something is due sooner than all that was before, since this was asked for.
    is_due_sooner: bool,
    /// What was parked, or is parked no more, since it was asked for.
    parked_changes: BTreeSet<Position>,
}

impl GroupState {
    /// A group that begins at a position.
    pub fn new(rules: Rules, next: Position) -> Self {
        Self {
            rules,
            next,
            known_below: Position::START,
            done_ahead: BTreeSet::new(),
            found: 0,
            items: BTreeMap::new(),
            ready: BTreeSet::new(),
            due: BTreeSet::new(),
            consumers: BTreeMap::new(),
            hand_overs: 0,
            earlier: HashMap::new(),
            queues: HashMap::new(),
            parked: BTreeMap::new(),
            in_flight: 0,
            is_freed: false,
            is_due_sooner: false,
            parked_changes: BTreeSet::new(),
        }
    }

    /// A group as it was kept, of a log that ends at `tail` now. What was with consumers is ready again. Neither what was looked at
    /// last nor how often each record was delivered need have been kept: an acknowledgement of any record below the tail is taken at
    /// its word.
    pub fn restored(
        rules: Rules,
        (next, tail): (Position, Position),
        open: impl IntoIterator<Item = Open>,
        done_ahead: impl IntoIterator<Item = Position>,
        parked: impl IntoIterator<Item = (Position, Parked)>,
    ) -> Self {
        let mut state = Self::new(rules, next);
        state.known_below = tail;
        state.parked.extend(parked);
        let mut last_times = Vec::new();
        for one in open {
            state.open(one.position, one.entry, one.attempts);
            if let Some(until) = one.delayed_until {
                state.delay(one.position, until);
            }
            last_times.extend((one.attempts >= state.rules.deliveries_max).then_some(one.position));
        }
        for position in last_times {
            state.again(
                position,
                None,
                "the daemon was started again before it was acknowledged",
            );
        }
        state.done_ahead.extend(done_ahead);
        state
    }

    /// Has a record wait until then, though its turn comes before.
    fn delay(&mut self, position: Position, until: u64) {
        match self.ready.remove(&position) {
            true => self.turn(position, Some(until)),
            false => self.wait(position, Some(until)),
        }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The first position that was not looked at.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Every record of the filter below is done or parked.
    pub fn position(&self) -> Position {
        self.items
            .keys()
            .next()
            .copied()
            .unwrap_or(self.next)
            .min(self.next)
    }

    /// How many records are where.
    pub fn counts(&self) -> Counts {
        let delayed = self.due.len() - self.in_flight;
        Counts {
            in_flight: self.in_flight,
            ready: self.ready.len(),
            waiting: self.items.len() - self.due.len() - self.ready.len(),
            delayed,
            parked: self.parked.len(),
        }
    }

    /// Who has how many records.
    pub fn consumers(&self) -> impl Iterator<Item = (&Consumer, usize)> {
        self.consumers
            .iter()
            .map(|(consumer, held)| (consumer, held.len()))
    }

    /// How many records a consumer has.
    pub fn held(&self, consumer: &Consumer) -> usize {
        self.consumers.get(consumer).map_or(0, BTreeSet::len)
    }

    /// How many more records of the filter are wanted.
    pub fn wanted(&self) -> usize {
        (self.rules.in_flight_max + AHEAD).saturating_sub(self.items.len())
    }

    /// How many records could be taken now.
    pub fn takeable(&self) -> usize {
        if self.parked.len() >= PARKED_MAX {
            return 0;
        }
        let room = self.rules.in_flight_max.saturating_sub(self.in_flight);
        room.min(self.ready.len())
    }

    /// When the next record is due that is delayed or with a consumer.
    pub fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether a consumer has fewer records since this was last asked, and has not said so itself.
    pub fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.is_freed)
    }

    /// Whether something is due sooner than what was due when this was last asked: who waits for that waits too long.
    pub fn take_due_sooner(&mut self) -> bool {
        std::mem::take(&mut self.is_due_sooner)
    }

    /// Whether a record is with a consumer.
    pub fn has(&self, consumer: &Consumer, position: Position) -> bool {
        let held = self.consumers.get(consumer);
        held.is_some_and(|held| held.contains(&position))
    }

    /// How many records were taken in since it was opened, or were done before they were.
    pub fn found(&self) -> u64 {
        self.found
    }

    /// What is done and was not looked at in this run; none of it lies below [`Self::next`].
    pub fn done_ahead(&self) -> &BTreeSet<Position> {
        &self.done_ahead
    }

    /// Takes in the records of the filter that lie from [`Self::next`] up to `through`, ascending, each with the number of its entry.
    pub fn scanned(&mut self, found: impl IntoIterator<Item = (Position, u64)>, through: Position) {
        for (position, entry) in found {
            if position >= self.next && position < through && !self.done_ahead.remove(&position) {
                self.open(position, entry, 0);
                self.found += 1;
            }
        }
        self.next = self.next.max(through);
        if !self.done_ahead.is_empty() {
            self.done_ahead = self.done_ahead.split_off(&self.next);
        }
    }

    fn open(&mut self, position: Position, entry: u64, attempts: u32) {
        let item = Item {
            entry,
            attempts,
            known: attempts > 0 || position < self.known_below,
            given: (0, 0),
            at: At::Waiting(None),
        };
        self.items.insert(position, item);
        if self.rules.sharing == Sharing::Ordered {
            let Some(queue) = self.queues.get_mut(&entry) else {
                let waiting = BTreeSet::new();
                let first = position;
                self.queues.insert(entry, Queue { first, waiting });
                return self.turn(position, None);
            };
            queue.waiting.insert(position);
            let first = queue.first;
            if first < position {
                return;
            }
            // That one goes back behind it, unless a consumer has it.
            return match self.items.get(&first).map(|item| &item.at) {
                Some(At::Ready) => self.put_back(first, None),
                Some(At::Delayed(until)) => self.put_back(first, Some(*until)),
                _ => {}
            };
        }
        self.turn(position, None);
    }

    /// Gives a consumer the oldest ready records, at most `max`; each with the how-manieth delivery it is.
    pub fn take(&mut self, consumer: &Consumer, max: usize, now: u64) -> Vec<(Position, u32)> {
        self.take_ahead(consumer, max, now, 0)
    }

    /// As [`Self::take`], for who needs up to so many milliseconds until the consumer has them: its time is [extended](Self::extend) then.
    pub fn take_ahead(
        &mut self,
        consumer: &Consumer,
        max: usize,
        now: u64,
        ahead: u64,
    ) -> Vec<(Position, u32)> {
        self.pass(now);
        let count = max.min(self.takeable());
        let mut taken = Vec::with_capacity(count);
        self.hand_overs += 1;
        let number = self.hand_overs;
        while taken.len() < count
            && let Some(position) = self.ready.pop_first()
        {
            let until = now
                .saturating_add(self.rules.ack_timeout_ms)
                .saturating_add(ahead);
            let Some(item) = self.items.get_mut(&position) else {
                continue;
            };
            item.attempts = item.attempts.saturating_add(1);
            item.known = true;
            let earlier = self.earlier.get(&position).into_iter().flatten();
            let first = earlier
                .into_iter()
                .find(|(who, _)| who == consumer)
                .map(|(_, first)| *first);
            item.given = (first.unwrap_or(number), number);
            item.at = At::With(consumer.clone(), until);
            taken.push((position, item.attempts));
            self.put_due(until, position);
            self.consumers
                .entry(consumer.clone())
                .or_default()
                .insert(position);
            self.in_flight += 1;
        }
        taken
    }

    /// Takes records back that were taken and not sent, as if they had not been.
    pub fn give_back(&mut self, consumer: &Consumer, positions: &[Position]) {
        for position in positions {
            if self.let_go(consumer, *position)
                && let Some(item) = self.items.get_mut(position)
            {
                item.attempts -= 1;
                self.put_back(*position, None);
            }
        }
    }

    /// Records are done, whoever has them now: an acknowledgement that comes late is true all the same. What was delivered before a
    /// restart may not have been looked at again yet: that is remembered, taken at its word. Answers how many were not done, and had
    /// been delivered as far as that is known.
    pub fn ack(&mut self, by: &Consumer, positions: impl IntoIterator<Item = Position>) -> u64 {
        let mut acked = 0;
        for position in positions {
            let is_new = match self.items.get(&position) {
                Some(item) if item.known => {
                    self.is_freed |= matches!(&item.at, At::With(holder, _) if holder != by);
                    self.close(position);
                    true
                }
                Some(_) => false,
                None if self.is_unseen(position) => self.done_ahead.insert(position),
                None => {
                    let was_parked = self.parked.remove(&position).is_some();
                    if was_parked {
                        self.earlier.remove(&position);
                        self.parked_changes.insert(position);
                    }
                    was_parked
                }
            };
            acked += u64::from(is_new);
            self.found += u64::from(is_new && self.is_unseen(position));
        }
        acked
    }

    /// Whether it was not looked at in this run, and may have been delivered in one before.
    fn is_unseen(&self, position: Position) -> bool {
        (self.next..self.known_below).contains(&position)
    }

    /// Whether it can be remembered that all of these are done.
    pub fn has_room_for(&self, positions: &[Position]) -> bool {
        let is_new = |position: &&Position| self.is_unseen(**position) && !self.done_ahead.contains(position);
        self.done_ahead.len() + positions.iter().filter(is_new).count() <= DONE_AHEAD_MAX
    }

    /// Records that a consumer has are not done; answers how many it had.
    pub fn nack(
        &mut self,
        consumer: &Consumer,
        positions: impl IntoIterator<Item = Position>,
        refusal: Refusal,
        reason: &str,
        now: u64,
    ) -> u64 {
        let mut nacked = 0;
        for position in positions {
            if !self.let_go(consumer, position) {
                continue;
            }
            nacked += 1;
            self.remember(consumer, position);
            match refusal {
                Refusal::Skip => self.close(position),
                Refusal::Park => self.park(position, reason),
                Refusal::Retry(delay) => {
                    let until = (delay > 0).then(|| now.saturating_add(delay));
                    self.again(position, until, reason);
                }
            }
        }
        nacked
    }

    /// The time of records that a consumer has begins anew; of all where none is named.
    pub fn extend(&mut self, consumer: &Consumer, positions: &[Position], now: u64) -> u64 {
        let Some(held) = self.consumers.get(consumer) else {
            return 0;
        };
        let named: Vec<Position> = match positions {
            [] => held.iter().copied().collect(),
            named => {
                let mut named: Vec<Position> = named.iter().filter(|at| held.contains(at)).copied().collect();
                named.sort_unstable();
                named.dedup();
                named
            }
        };
        let later = now.saturating_add(self.rules.ack_timeout_ms);
        for position in &named {
            if let Some(Item {
                at: At::With(_, until),
                ..
            }) = self.items.get_mut(position)
            {
                self.due.remove(&(*until, *position));
                *until = later;
                self.due.insert((later, *position));
            }
        }
        named.len() as u64
    }

    /// A consumer is lost: what it had is delivered to others. Only the oldest counts as delivered: it may be what the consumer died
    /// of. The others had no turn, and a connection that is cut again and again parks none of them.
    pub fn leave(&mut self, consumer: &Consumer) {
        let held = self.consumers.get(consumer).cloned().unwrap_or_default();
        let mut held: Vec<Position> = held.into_iter().collect();
        if let Some(oldest) = held.first().copied() {
            self.let_go(consumer, oldest);
            self.again(oldest, None, "its consumer went away");
            held.remove(0);
        }
        self.give_back(consumer, &held);
    }

    /// A consumer leaves in good order: what it had is delivered to others as if it had not been delivered.
    pub fn leave_in_order(&mut self, consumer: &Consumer) {
        let held = self.consumers.get(consumer).cloned().unwrap_or_default();
        let held: Vec<Position> = held.into_iter().collect();
        self.give_back(consumer, &held);
    }

    /// It is so late now: what was delayed until then is ready, what was with a consumer for too long is delivered again.
    pub fn pass(&mut self, now: u64) {
        while let Some((until, position)) = self.due.first().copied().filter(|(until, _)| *until <= now) {
            match self.items.get(&position).map(|item| item.at.clone()) {
                Some(At::With(consumer, _)) => {
                    self.let_go(&consumer, position);
                    self.remember(&consumer, position);
                    self.is_freed = true;
                    self.again(position, None, "it was not acknowledged in time");
                }
                _ => {
                    self.due.remove(&(until, position));
                    self.put_back(position, None);
                }
            }
        }
    }

    /// The open records, ascending, as they are kept. What a stream has counts only once it ends: should the daemon end first, that is no
    /// doing of the consumer.
    pub fn open_records(&self) -> impl Iterator<Item = Open> {
        self.items.iter().map(|(position, item)| Open {
            position: *position,
            entry: item.entry,
            attempts: match &item.at {
                At::With(consumer, _) if consumer.stream > 0 => item.attempts - 1,
                _ => item.attempts,
            },
            delayed_until: match item.at {
                At::Delayed(until) => Some(until),
                At::Waiting(until) => until,
                _ => None,
            },
        })
    }

    /// Takes a record away from a consumer that has it; the caller puts it somewhere else.
    fn let_go(&mut self, consumer: &Consumer, position: Position) -> bool {
        let Some(item) = self.items.get_mut(&position) else {
            return false;
        };
        let until = match &item.at {
            At::With(holder, until) if holder == consumer => *until,
            _ => return false,
        };
        item.at = At::Waiting(None);
        self.due.remove(&(until, position));
        self.in_flight -= 1;
        if let Some(held) = self.consumers.get_mut(consumer) {
            held.remove(&position);
            if held.is_empty() {
                self.consumers.remove(consumer);
            }
        }
        true
    }

    /// Has a record that nobody has delivered again, or parks it where it was delivered too often.
    fn again(&mut self, position: Position, until: Option<u64>, reason: &str) {
        let Some(item) = self.items.get_mut(&position) else {
            return;
        };
        let attempts = item.attempts;
        if attempts >= self.rules.deliveries_max {
            let times = if attempts == 1 { "once" } else { "times" };
            let reason = match attempts {
                1 => format!("delivered {times}, then: {reason}"),
                many => format!("delivered {many} {times}, at last: {reason}"),
            };
            return self.park(position, &reason);
        }
        self.put_back(position, until);
    }

    fn park(&mut self, position: Position, reason: &str) {
        let Some(item) = self.items.get(&position) else {
            return;
        };
        let parked = Parked {
            entry: item.entry,
            attempts: item.attempts,
            reason: cut(reason).to_owned(),
        };
        let earlier = self.earlier.remove(&position);
        self.close(position);
        self.earlier.extend(earlier.map(|earlier| (position, earlier)));
        self.parked.insert(position, parked);
        self.parked_changes.insert(position);
    }

    /// Forgets an open record; the next one of its entry has its turn.
    fn close(&mut self, position: Position) {
        if let Some(At::With(consumer, _)) = self.items.get(&position).map(|item| item.at.clone()) {
            self.let_go(&consumer, position);
        }
        let Some(item) = self.items.remove(&position) else {
            return;
        };
        self.ready.remove(&position);
        self.earlier.remove(&position);
        if let At::Delayed(until) = item.at {
            self.due.remove(&(until, position));
        }
        let Some(queue) = self.queues.get_mut(&item.entry) else {
            return;
        };
        if queue.first != position {
            queue.waiting.remove(&position);
            return;
        }
        match queue.waiting.pop_first() {
            Some(next) => {
                queue.first = next;
                self.turn(next, self.waits_until(next));
            }
            None => drop(self.queues.remove(&item.entry)),
        }
    }
}

/// As much of a reason as is kept.
fn cut(reason: &str) -> &str {
    let mut end = REASON_BYTES_MAX.min(reason.len());
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests;

//! Whether a record, or the state that it makes of its entry, matches a filter.
//!
//! Reads, subscriptions and scans all judge here, so that they cannot disagree. An act without content is judged by its
//! entry's content at that point of the log, which may have to be read: call it where blocking is allowed.

use super::selection::Change;
use crate::filter::{Filter, LazyContent, Subject};
use crate::log::{Columns, ContentAt, EntryState, Log, ReadError, Run, Stored};
use crate::record::{Act, EntryKey, Leaf, Position, Status};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Each record by itself.
    Records,
    /// The entry's state before and after each record.
    Changes,
}

/// Whether the filter matches a record of this leaf and status, with this payload as its content.
pub fn matches(
    filter: &Filter,
    position: Position,
    leaf: &Leaf<'_>,
    payload: Option<&[u8]>,
    status: Status,
) -> bool {
    filter.is_all() || filter.matches(&subject(position, leaf, payload, status))
}

/// A record as filters see it.
pub fn subject<'a>(
    position: Position,
    leaf: &Leaf<'a>,
    payload: Option<&'a [u8]>,
    status: Status,
) -> Subject<'a> {
    Subject {
        position,
        act: leaf.act,
        kind: leaf.kind,
        series: leaf.series,
        key: leaf.key,
        revision: leaf.revision,
        recorded: leaf.recorded,
        status,
        principal: leaf.principal,
        content: payload.map_or_else(LazyContent::absent, LazyContent::payload),
    }
}

/// Which contents an answer of entries may have. Those that stand always; only a named status lets retracted and erased ones in, and
/// only its own name those that were superseded, so that otherwise an entry is answered once. A feed also counts a named act, since
/// `act = retract` would otherwise never be told; here an entry is judged at its content, which no such act has.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    withdrawn: bool,
    superseded: bool,
}

impl Admitted {
    /// Those that a filter asks for.
    pub fn by(filter: &Filter) -> Self {
        Self {
            withdrawn: filter.names_status(),
            superseded: filter.names_superseded(),
        }
    }

    /// Whether contents are among them that others of their entries took the place of.
    pub fn has_superseded(self) -> bool {
        self.superseded
    }

    /// The status that a content is answered with, of which the acts of its entry say this; `None` where it is not answered.
    pub fn status(self, by_acts: Status, is_erased: bool) -> Option<Status> {
        match (by_acts, is_erased) {
            (Status::Current, false) => Some(Status::Current),
            // Its entry is answered at its newest content, erased or not; of this one nothing is left to be answered.
            (Status::Superseded, true) => None,
            (Status::Superseded, false) => self.superseded.then_some(Status::Superseded),
            (_, true) => self.withdrawn.then_some(Status::Erased),
            (other, false) => self.withdrawn.then_some(other),
        }
    }

    /// Whether an answer lacks a content that was erased: by what is left of it it does not pass, and by what it said it might have.
    pub fn lacks(self, filter: &Filter, position: Position, leaf: &Leaf<'_>, by_acts: Status) -> bool {
        let erased = self.status(by_acts, true);
        if erased.is_some_and(|status| matches(filter, position, leaf, None, status)) {
            return false;
        }
        let might = |status| filter.could_match(&subject(position, leaf, None, status));
        erased.is_some_and(might) || self.status(by_acts, false).is_some_and(might)
    }
}

/// As [`matches()`], for the state of an entry: retracted and erased ones are out unless the filter asks for them, by
/// `status` or, as in `act = retract`, by the act.
pub fn matches_state(
    filter: &Filter,
    position: Position,
    leaf: &Leaf<'_>,
    payload: Option<&[u8]>,
    status: Status,
) -> bool {
    let stands = status == Status::Current || filter.names_status() || filter.names_act();
    stands && matches(filter, position, leaf, payload, status)
}

/// Judges records of one log by one filter. Clones share what they have learnt of entries.
#[derive(Clone)]
pub struct Matcher {
    log: Log,
    filter: Filter,
    mode: Mode,
    states: Arc<Mutex<States>>,
}

/// An entry just before one of its records.
pub struct Before {
    /// The record before, its leaf alone; `None` where there is none.
    pub last: Option<Run>,
    /// The record of its content, the payload alone; `None` where there is none, or it was erased.
    pub content: Option<Run>,
}

/// What a filter is held against besides a record: where its entry's content lies, and the entry's status.
#[derive(Clone, Copy)]
struct Standing {
    newest: Option<ContentAt>,
    status: Status,
}

/// The same with the content itself, where there is one and the filter asks for it, and with the status that it has now.
struct Held {
    content: Option<Run>,
    status: Status,
}

impl Held {
    fn payload(&self) -> Option<&[u8]> {
        let record = self.content.as_ref()?.iter().next()?;
        Some(record.payload)
    }
}

impl Standing {
    fn of(state: Option<&EntryState>) -> Self {
        Self {
            newest: state.and_then(EntryState::newest),
            status: state.map_or(Status::Current, EntryState::status),
        }
    }
}

impl Matcher {
    /// Judges the records of `log` by `filter`.
    pub fn new(log: Log, filter: Filter, mode: Mode) -> Self {
        Self {
            log,
            filter,
            mode,
            states: Arc::default(),
        }
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What is judged.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a record is to be delivered, and as which change. Records judged in the order of the log cost one look at
    /// each; in another order, one at each record of their entries.
    ///
    /// # Errors
    /// [`ReadError`] where the record is damaged or the entry's content cannot be read.
    pub fn judge(&self, record: &Stored<'_>) -> Result<Option<Change>, ReadError> {
        let leaf = decode(record)?;
        if self.mode == Mode::Records && leaf.act.has_content() {
            let (payload, status) = own_content(record);
            let matches = matches(&self.filter, record.position, &leaf, payload, status);
            return Ok(matches.then_some(Change::Untold));
        }
        let (before, after) = self.standings(record.position, &leaf)?;
        let held;
        let (payload, status) = if leaf.act.has_content() {
            own_content(record)
        } else {
            held = self.held(after)?;
            (held.payload(), held.status)
        };
        match self.mode {
            Mode::Records => {
                let matches = matches(&self.filter, record.position, &leaf, payload, status);
                Ok(matches.then_some(Change::Untold))
            }
            Mode::Changes => {
                let after = matches_state(&self.filter, record.position, &leaf, payload, status);
                let before = match leaf.previous {
                    Some(previous) => self.matched_at(previous, before, leaf.act)?,
                    None => false,
                };
                Ok(change(before, after, leaf.act))
            }
        }
    }

    /// What a record is to whoever follows everything, and is told of every record: as to a filter that all entries match. What such a
    /// filter is not told of is on an entry that was out of the answers before and is out after it.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn judge_in_everything(&self, record: &Stored<'_>) -> Result<Change, ReadError> {
        if self.mode == Mode::Records {
            return Ok(Change::Untold);
        }
        let leaf = decode(record)?;
        match leaf.previous {
            None if leaf.act.has_content() && !record.erased => return Ok(Change::Enters),
            // Mostly an amendment follows a content: what is known of this one is enough.
            Some(previous) if leaf.act == Act::Amend && !record.erased => {
                let run = self.one(previous, Columns::Leaves)?;
                if let Some(before) = run.get(previous)
                    && decode(&before)?.act.has_content()
                {
                    return Ok(match before.erased {
                        true => Change::Enters,
                        false => Change::Stays,
                    });
                }
            }
            _ => {}
        }
        Ok(self.judge(record)?.unwrap_or(Change::Leaves))
    }

    /// As [`Self::judge`], of a record with a content that passes for sure.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn judge_sure(&self, record: &Stored<'_>) -> Result<Option<Change>, ReadError> {
        // What was erased does not pass by what it was.
        match self.mode {
            _ if record.erased => self.judge(record),
            Mode::Records => Ok(Some(Change::Untold)),
            Mode::Changes => match decode(record)?.previous {
                None => Ok(Some(Change::Enters)),
                Some(_) => self.judge(record),
            },
        }
    }

    /// What is known of a record's entry just before it, where that can be read.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn before(&self, record: &Stored<'_>) -> Result<Before, ReadError> {
        let leaf = decode(record)?;
        let (before, _) = self.standings(record.position, &leaf)?;
        let last = leaf.previous.map(|last| self.one(last, Columns::Leaves));
        let content = before.newest.filter(|content| !content.erased);
        let content = content.map(|content| self.one(content.position, Columns::Payloads));
        Ok(Before {
            last: last.transpose()?,
            content: content.transpose()?,
        })
    }

    /// The entry just before and just after a record.
    fn standings(&self, position: Position, leaf: &Leaf<'_>) -> Result<(Standing, Standing), ReadError> {
        let Some(previous) = leaf.previous else {
            let nothing = Standing::of(None);
            return Ok((nothing, nothing));
        };
        let known = self.states().take(previous);
        let state = match known {
            Some(state) => Some(state),
            None => self.log.entry_at(previous)?,
        };
        let before = Standing::of(state.as_ref());
        let Some(mut state) = state else {
            return Ok((before, before));
        };
        let applied = state.apply(position, leaf);
        applied.map_err(|found| ReadError::Damaged {
            position,
            expected: "the names of an entry".to_owned(),
            found: found.to_string(),
        })?;
        let after = Standing::of(Some(&state));
        self.states().put(position, state);
        Ok((before, after))
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the entry matched as its record at `position` left it, before a record of this act.
    fn matched_at(&self, position: Position, standing: Standing, act: Act) -> Result<bool, ReadError> {
        let run = self.one(position, Columns::Leaves)?;
        let Some(record) = run.get(position) else {
            return Ok(false);
        };
        let leaf = decode(&record)?;
        let held = self.held(standing)?;
        let status = match act {
            // Until then it was not erased: whoever follows what is, is told when it enters.
            Act::Erase => standing.status,
            _ => held.status,
        };
        Ok(matches_state(
            &self.filter,
            position,
            &leaf,
            held.payload(),
            status,
        ))
    }

    /// An entry's content as it is to be judged now: what was erased since matches nothing at an earlier point either.
    fn held(&self, standing: Standing) -> Result<Held, ReadError> {
        let Standing { newest, status } = standing;
        let Some(content) = newest.filter(|content| !content.erased) else {
            return Ok(Held {
                content: None,
                status,
            });
        };
        let columns = match self.filter.needs_content() {
            true => Columns::Payloads,
            false => Columns::Leaves,
        };
        let run = self.one(content.position, columns)?;
        if run.is_erased(content.position) {
            return Ok(Held {
                content: None,
                status: Status::Erased,
            });
        }
        let content = self.filter.needs_content().then_some(run);
        Ok(Held { content, status })
    }

    fn one(&self, position: Position, columns: Columns) -> Result<Run, ReadError> {
        let mut runs = self.log.fetch(&[position], columns)?;
        runs.pop().ok_or_else(|| ReadError::Damaged {
            position,
            expected: "a record".to_owned(),
            found: "nothing".to_owned(),
        })
    }
}

/// The content of a record that has its own, and the status that the entry has with it.
pub fn own_content<'a>(record: &Stored<'a>) -> (Option<&'a [u8]>, Status) {
    if record.erased {
        (None, Status::Erased)
    } else {
        (Some(record.payload), Status::Current)
    }
}

fn change(before: bool, after: bool, act: Act) -> Option<Change> {
    match (before, after) {
        (false, true) => Some(Change::Enters),
        (true, true) => Some(Change::Stays),
        (true, false) => Some(Change::Leaves),
        // What was erased may have been delivered when it still matched: whoever follows must hear of it.
        (false, false) => (act == Act::Erase).then_some(Change::Leaves),
    }
}

/// Entries by their newest record that was judged, so that an entry with many records is not folded from its first one
/// for each of them. Bounded by weight; the oldest go first.
#[derive(Default)]
struct States {
    by_last: HashMap<Position, EntryState>,
    order: VecDeque<Position>,
    weight: usize,
}

/// Bytes of entries' states that one matcher keeps.
const STATES_BYTES: usize = 256 * 1024;

impl States {
    fn take(&mut self, last: Position) -> Option<EntryState> {
        let state = self.by_last.remove(&last)?;
        self.weight -= weight(&state);
        Some(state)
    }

    fn put(&mut self, last: Position, state: EntryState) {
        self.weight += weight(&state);
        self.by_last.insert(last, state);
        self.order.push_back(last);
        while self.weight > STATES_BYTES || self.order.len() > 2 * self.by_last.len() + 16 {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            drop(self.take(oldest));
        }
    }
}

fn weight(state: &EntryState) -> usize {
    256 + state.contents.len() * size_of::<ContentAt>() + state.links.len() * 128
}

/// The leaf of a stored record.
///
/// # Errors
/// [`ReadError::Damaged`] with the record's position.
pub fn decode<'a>(record: &Stored<'a>) -> Result<Leaf<'a>, ReadError> {
    Leaf::decode(record.leaf).map_err(|found| ReadError::Damaged {
        position: record.position,
        expected: "a leaf".to_owned(),
        found: found.to_string(),
    })
}

/// The entry that a stored leaf names.
///
/// # Errors
/// [`ReadError::Damaged`] with the record's position.
pub fn entry_of(position: Position, leaf: &Leaf<'_>) -> Result<EntryKey, ReadError> {
    EntryKey::new(leaf.series, leaf.key).map_err(|found| ReadError::Damaged {
        position,
        expected: "series and key".to_owned(),
        found: found.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(at: u64) -> EntryState {
        let leaf = Leaf {
            act: Act::Create,
            kind: crate::record::Kind::Event,
            series: "desk",
            key: "k",
            revision: crate::record::Revision::FIRST,
            previous: None,
            recorded: crate::record::Recorded::default(),
            batch_id: b"b",
            batch_index: 0,
            batch_count: 1,
            principal: "p",
            epoch: crate::record::Epoch::default(),
            reason: "",
            relation: None,
            erased: None,
            payload_size: 0,
            commitment: [0; 32],
        };
        EntryState::first(Position::new(at), &leaf).unwrap()
    }

    #[test]
    fn kept_states_stay_within_their_weight_and_the_newest_are_found() {
        let mut states = States::default();
        for at in 0..10_000 {
            states.put(Position::new(at), state(at));
        }
        assert!(states.weight <= STATES_BYTES && states.order.len() < 2_000);
        assert!(states.take(Position::new(0)).is_none());
        assert_eq!(states.take(Position::new(9_999)), Some(state(9_999)));
        assert!(states.take(Position::new(9_999)).is_none(), "it was taken");
    }

    #[test]
    fn one_entry_amended_again_and_again_leaves_nothing_behind() {
        let mut states = States::default();
        for at in 0..10_000 {
            let state = states.take(Position::new(at)).unwrap_or_else(|| state(at));
            states.put(Position::new(at + 1), state);
        }
        assert_eq!(states.by_last.len(), 1);
        assert!(states.order.len() < 100, "{}", states.order.len());
    }
}

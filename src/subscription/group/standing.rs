//! How a group stands: how many of its records are where, and how many it has not looked at.

use super::Group;
use super::state::{Counts, GroupState};
use crate::log::ReadError;
use crate::record::Position;
use crate::view::ahead::{MESSAGE_BYTES_MAX, Source};
use crate::view::{Plan, Reader};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a group stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Every record of the filter below is done or parked.
    pub position: Position,
    /// The first position that it has not looked at.
    pub scanned_through: Position,
    /// How many records are where.
    pub counts: Counts,
    /// Who has how many.
    pub consumers: Vec<(String, u64)>,
    /// The records that are not done, where they were counted.
    pub lag: Option<u64>,
}

impl Standing {
    /// The records that were taken in and are neither done nor parked.
    fn open(&self) -> u64 {
        let counts = self.counts;
        (counts.in_flight + counts.ready + counts.waiting + counts.delayed) as u64
    }
}

impl Group {
    /// How it stands.
    pub fn standing(self: &Arc<Self>) -> Standing {
        self.standing_and(|_| ()).0
    }

    /// How it stands, and something else of the same moment.
    fn standing_and<T>(self: &Arc<Self>, other: impl FnOnce(&GroupState) -> T) -> (Standing, T) {
        self.pass();
        let mut consumers: BTreeMap<String, u64> =
            self.members().keys().map(|name| (name.clone(), 0)).collect();
        let state = self.state();
        for (consumer, held) in state.consumers() {
            *consumers.entry(consumer.name.clone()).or_default() += held as u64;
        }
        let left = self.log.tail().since(state.next().min(self.log.tail()));
        let left = left.saturating_sub(state.done_ahead().len() as u64);
        // Of everything each record counts; of a filter they would have to be looked at.
        let is_counted = left == 0 || self.settings.filter.is_all();
        let mut standing = Standing {
            position: state.position(),
            scanned_through: state.next(),
            counts: state.counts(),
            consumers: consumers.into_iter().collect(),
            lag: None,
        };
        standing.lag = is_counted.then_some(standing.open() + left);
        let other = other(&state);
        (standing, other)
    }

    /// How it stands, with the records of the filter counted that were not looked at: those below the tail of when it began. Reads
    /// the log: call it where blocking is allowed. `cancelled` ends it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn counted(self: &Arc<Self>, cancelled: &AtomicBool) -> Result<Standing, ReadError> {
        let (standing, (taken_in, done_ahead)) =
            self.standing_and(|state| (state.found(), state.done_ahead().clone()));
        if standing.lag.is_some() || self.stopped.is_some() {
            return Ok(standing);
        }
        let tail = self.log.tail();
        let plan = Plan::Forward {
            from: standing.scanned_through,
            until: tail,
        };
        let (matcher, columns) = (self.matcher()?, crate::log::Columns::Leaves);
        let reader = Reader::new(self.log.clone(), matcher, columns, 1, plan, None);
        let mut reader = reader.by(&self.hub.view);
        let mut counted = 0;
        while let Some(selection) = reader.step(MESSAGE_BYTES_MAX)? {
            selection.for_each(|record, _| counted += u64::from(!done_ahead.contains(&record.position)));
            if cancelled.load(Ordering::Acquire) {
                return Ok(standing);
            }
        }
        // Consumers went on meanwhile: what was taken in for them since is not counted twice.
        let (now, taken_in_now) = self.standing_and(GroupState::found);
        let left = match now.scanned_through >= tail {
            true => 0,
            false => counted.saturating_sub(taken_in_now - taken_in),
        };
        Ok(Standing {
            lag: Some(now.open() + left),
            ..now
        })
    }
}

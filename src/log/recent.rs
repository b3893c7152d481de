//! The newest commit groups, in memory and bounded by bytes: what live subscribers are given.

use super::run::Run;
use super::store::Shelf;
use super::{Columns, Group, ReadError, ReadLimit};
use crate::record::Position;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

/// The groups, oldest first, without a gap.
pub struct Recent {
    bytes_max: usize,
    groups: RwLock<Groups>,
}

#[derive(Default)]
struct Groups {
    all: VecDeque<Arc<Group>>,
    bytes: usize,
}

/// What a group costs beside its leaves and payloads, a record.
const RECORD_OVERHEAD_BYTES: usize = 64;

fn weight(group: &Group) -> usize {
    group.run.bytes() + group.run.len() * RECORD_OVERHEAD_BYTES
}

impl Recent {
    /// Keeps at most so many bytes, and always the newest group.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            groups: RwLock::default(),
        }
    }

    /// Adds the newest group.
    pub fn push(&self, group: Arc<Group>) {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        groups.bytes += weight(&group);
        groups.all.push_back(group);
        while groups.bytes > self.bytes_max && groups.all.len() > 1 {
            if let Some(old) = groups.all.pop_front() {
                groups.bytes -= weight(&old);
            }
        }
    }

    /// Forgets payloads and salts of these records, ascending.
    pub fn erase(&self, targets: &[Position]) {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let Groups { all, bytes } = &mut *groups;
        for group in all.iter_mut() {
            let first = targets.partition_point(|target| *target < group.run.first());
            if targets.get(first).is_some_and(|target| *target < group.run.end()) {
                let run = group
                    .run
                    .without(|position| targets.binary_search(&position).is_ok());
                let without = Group {
                    run,
                    root: group.root,
                };
                *bytes = (*bytes + weight(&without)).saturating_sub(weight(group));
                *group = Arc::new(without);
            }
        }
    }

    /// The groups from the one that holds `from` up to the newest below `tail`; `None` where `from` is no longer held.
    pub fn from(&self, from: Position, tail: Position) -> Option<Vec<Arc<Group>>> {
        if from >= tail {
            return Some(Vec::new());
        }
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let at = groups.all.partition_point(|group| group.run.end() <= from);
        if groups.all.get(at).is_none_or(|group| group.run.first() > from) {
            return None;
        }
        Some(
            groups
                .all
                .iter()
                .skip(at)
                .take_while(|group| group.run.end() <= tail)
                .cloned()
                .collect(),
        )
    }

    fn holding(&self, position: Position) -> Option<Arc<Group>> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let at = groups.all.partition_point(|group| group.run.end() <= position);
        groups
            .all
            .get(at)
            .filter(|group| group.run.first() <= position)
            .cloned()
    }
}

impl Shelf for Recent {
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        _columns: Columns,
    ) -> Result<Option<Vec<Run>>, ReadError> {
        let mut left = limit;
        let mut at = from;
        let mut runs = Vec::new();
        while let Some(group) = self.holding(at).filter(|_| at < until) {
            let part = group.run.slice(at, until);
            let full = part.spend(&mut left);
            at = part.end();
            runs.push(part);
            if full {
                break;
            }
        }
        Ok((!runs.is_empty()).then_some(runs))
    }

    fn fetch(&self, position: Position, _columns: Columns) -> Result<Option<Run>, ReadError> {
        Ok(self
            .holding(position)
            .map(|group| group.run.slice(position, position.next())))
    }
}

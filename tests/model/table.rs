//! The record model as a table: what an act needs, and what it does.

use chancery::record::{Act, Outcome, Status};
use std::collections::{BTreeMap, BTreeSet};

/// One record of a batch.
#[derive(Clone, Debug)]
pub struct Step {
    pub act: Act,
    pub key: u64,
    /// CREATE and AMEND.
    pub title: u64,
    pub expected: Option<u64>,
    /// LINK and UNLINK.
    pub other: u64,
    /// ERASE: some revisions, half open; all of them where absent.
    pub erased: Option<(u64, u64)>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Did {
    pub position: u64,
    pub revision: u64,
    pub outcome: Outcome,
}

/// An entry.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub contents: Vec<Content>,
    pub retracted: bool,
    pub held: bool,
    pub links: BTreeSet<u64>,
    /// The positions of its records.
    pub records: Vec<u64>,
}

#[derive(Clone, Debug)]
pub struct Content {
    pub title: u64,
    pub position: u64,
    pub erased: bool,
}

impl Entry {
    fn closed(&self) -> bool {
        self.contents.iter().all(|content| content.erased)
    }

    /// Whether these are revisions of the entry, and not all of them erased.
    fn has_to_erase(&self, revisions: Option<(u64, u64)>) -> bool {
        let newest = self.contents.len() as u64;
        let (from, to) = revisions.unwrap_or((1, newest + 1));
        let is_within = 1 <= from && from < to && to <= newest + 1;
        let mut taken = self.contents.iter().zip(1..);
        is_within && taken.any(|(content, at)| (from..to).contains(&at) && !content.erased)
    }

    pub fn status(&self) -> Status {
        match self.contents.last() {
            Some(content) if content.erased => Status::Erased,
            _ if self.retracted => Status::Retracted,
            _ => Status::Current,
        }
    }
}

/// All entries.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub entries: BTreeMap<u64, Entry>,
    pub tail: u64,
}

impl Table {
    /// Does a batch whole, or says which records break a rule and does nothing.
    pub fn batch(&mut self, steps: &[Step]) -> Result<Vec<Did>, Vec<usize>> {
        let mut after = self.clone();
        let created: BTreeSet<u64> = steps
            .iter()
            .filter(|step| step.act == Act::Create)
            .map(|step| step.key)
            .collect();
        let mut did = Vec::new();
        let mut wrong = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let other = self.entries.contains_key(&step.other) || created.contains(&step.other);
            match after.step(step, other) {
                Some(one) => did.push(one),
                None => wrong.push(index),
            }
        }
        if wrong.is_empty() {
            *self = after;
            Ok(did)
        } else {
            Err(wrong)
        }
    }

    /// One record; `None` where it breaks a rule.
    fn step(&mut self, step: &Step, other_known: bool) -> Option<Did> {
        let position = self.tail;
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.entries.entry(step.key) {
            if step.act != Act::Create || step.expected.unwrap_or(0) != 0 {
                return None;
            }
            vacant.insert(Entry::default());
            return Some(self.write(step, position, Outcome::Recorded));
        }
        let entry = self.entries.get_mut(&step.key)?;
        if step.act.has_content() {
            if entry.closed() || entry.retracted {
                return None;
            }
            if let Some(same) = same(entry, step) {
                return Some(same);
            }
            let at = entry.contents.len() as u64;
            let partly = entry.contents.iter().any(|content| content.erased);
            let fits = step.expected.map_or(!partly, |expected| expected == at);
            return (fits && step.act == Act::Amend).then(|| self.write(step, position, Outcome::Amended));
        }
        if step
            .expected
            .is_some_and(|expected| expected != entry.contents.len() as u64)
        {
            return None;
        }
        let may = match step.act {
            Act::Retract => !entry.closed() && !entry.retracted,
            Act::Reinstate => !entry.closed() && entry.retracted,
            Act::Hold => !entry.held,
            Act::Release => entry.held,
            Act::Erase => !entry.held && !entry.closed() && entry.has_to_erase(step.erased),
            Act::Link => other_known && !entry.links.contains(&step.other),
            Act::Unlink => other_known && entry.links.contains(&step.other),
            _ => false,
        };
        may.then(|| self.write(step, position, Outcome::Acted))
    }

    fn write(&mut self, step: &Step, position: u64, outcome: Outcome) -> Did {
        self.tail += 1;
        let entry = self.entries.entry(step.key).or_default();
        entry.records.push(position);
        match step.act {
            Act::Create | Act::Amend => entry.contents.push(Content {
                title: step.title,
                position,
                erased: false,
            }),
            Act::Retract => entry.retracted = true,
            Act::Reinstate => entry.retracted = false,
            Act::Hold => entry.held = true,
            Act::Release => entry.held = false,
            Act::Link => drop(entry.links.insert(step.other)),
            Act::Unlink => drop(entry.links.remove(&step.other)),
            Act::Erase => {
                let (from, to) = step.erased.unwrap_or((1, u64::MAX));
                for (at, content) in entry.contents.iter_mut().enumerate() {
                    content.erased |= (from..to).contains(&(at as u64 + 1));
                }
            }
            _ => {}
        }
        Did {
            position,
            revision: entry.contents.len() as u64,
            outcome,
        }
    }
}

/// The revision that says the same: the newest one where the sender names the revision it saw, else any.
fn same(entry: &Entry, step: &Step) -> Option<Did> {
    let from = match step.expected {
        Some(_) => entry.contents.len() - 1,
        None => 0,
    };
    let mut unerased = entry.contents.iter().enumerate().skip(from);
    let (at, content) = unerased.rfind(|(_, content)| !content.erased && content.title == step.title)?;
    Some(Did {
        position: content.position,
        revision: at as u64 + 1,
        outcome: Outcome::Duplicate,
    })
}

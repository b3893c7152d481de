//! What a part of an index has by document: the values of a dimension, of a measure, and of several dimensions together.

use super::{GROUPS_MAX, Tally};
use crate::derive::Basis;
use crate::filter::{TermField, measure_value};
use crate::index::View;
use crate::record::Position;
use hashbrown::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// No value.
pub const NONE: u32 = u32::MAX;
/// The most values of entries that are combined with one another, of a million entries: those of an entry are multiplied.
const PAIRS_MAX: usize = 20_000_000;

/// The documents of a part that are counted.
pub struct Members(Vec<bool>);

impl Members {
    /// Those at these positions, which ascend, of a part that begins at one.
    pub fn of(from: Position, positions: &[Position]) -> Self {
        let number = |position: &Position| usize::try_from(position.since(from)).unwrap_or(usize::MAX);
        let mut marks = vec![false; positions.last().map_or(0, |last| number(last) + 1)];
        positions
            .iter()
            .for_each(|position| marks[number(position)] = true);
        Self(marks)
    }

    /// The first so many.
    pub fn first(count: u32) -> Self {
        Self(vec![true; count as usize])
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn has(&self, document: u32) -> bool {
        self.0.get(document as usize).is_some_and(|mark| *mark)
    }

    /// Those of a list.
    pub fn among<'d>(&'d self, documents: &'d [u32]) -> impl Iterator<Item = u32> + 'd {
        documents.iter().copied().filter(|document| self.has(*document))
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..)
            .zip(&self.0)
            .filter(|(_, mark)| **mark)
            .map(|(document, _)| document)
    }
}

/// The numbers of a dimension's values by document: the first of each, and further ones.
pub struct Column {
    pub first: Vec<u32>,
    more: HashMap<u32, Vec<u32>>,
}

impl Column {
    pub fn new(len: usize) -> Self {
        Self {
            first: vec![NONE; len],
            more: HashMap::new(),
        }
    }

    pub fn add(&mut self, document: u32, number: u32) {
        let first = &mut self.first[document as usize];
        if *first == NONE {
            *first = number;
        } else if *first != number {
            self.more.entry(document).or_default().push(number);
        }
    }

    /// Has each value of a document once, where it may have been added more often.
    pub fn each_once(&mut self) {
        let first = &self.first;
        self.more.retain(|document, more| {
            more.sort_unstable();
            more.dedup();
            more.retain(|number| *number != first[*document as usize]);
            !more.is_empty()
        });
    }

    pub fn each(&self, document: u32, mut take: impl FnMut(u32)) {
        let first = self.first[document as usize];
        if first == NONE {
            return;
        }
        take(first);
        if !self.more.is_empty() {
            self.more
                .get(&document)
                .into_iter()
                .flatten()
                .for_each(|number| take(*number));
        }
    }
}

/// The values of a measure by document.
pub struct Measured {
    first: Vec<f64>,
    more: HashMap<u32, Vec<f64>>,
}

impl Measured {
    pub fn of(view: &View<'_>, name: &str, basis: Basis, members: &Members) -> io::Result<Self> {
        let mut measured = Self {
            first: vec![f64::NAN; members.len()],
            more: HashMap::new(),
        };
        let prefix = [name.as_bytes(), &[0]].concat();
        // A document has terms of only one of these.
        let fields: &[TermField] = match basis {
            Basis::Stated => &[TermField::Measure],
            Basis::Derived => &[TermField::Measure, TermField::DerivedMeasure],
        };
        for field in fields {
            view.terms(*field as u8, &prefix, |key, those| {
                let value = key.last_chunk::<8>().map(|bytes| measure_value(*bytes));
                // What is beyond the greatest number is compared, but cannot be added up.
                if let Some(value) = value.filter(|value| value.is_finite()) {
                    measured.add(value, members.among(those));
                }
            })?;
        }
        Ok(measured)
    }

    fn add(&mut self, value: f64, documents: impl Iterator<Item = u32>) {
        for document in documents {
            let first = &mut self.first[document as usize];
            if first.is_nan() {
                *first = value;
            } else {
                self.more.entry(document).or_default().push(value);
            }
        }
    }

    pub fn tally(&self, document: u32) -> Tally {
        let mut tally = Tally {
            count: 1,
            ..Tally::NOTHING
        };
        let mut add = |value: f64| {
            tally.measured += 1;
            tally.sum += value;
            tally.min = tally.min.min(value);
            tally.max = tally.max.max(value);
        };
        let first = self.first[document as usize];
        if !first.is_nan() {
            add(first);
            if !self.more.is_empty() {
                self.more
                    .get(&document)
                    .into_iter()
                    .flatten()
                    .for_each(|value| add(*value));
            }
        }
        tally
    }
}

/// One column of several: a number for each combination of values that a document has, and what the combinations are; `None` where
/// they are more than an answer may have.
pub fn combine(
    mut columns: Vec<Column>,
    members: &Members,
    cancelled: &AtomicBool,
) -> Option<(Column, Vec<Vec<u32>>)> {
    if columns.is_empty() {
        let mut column = Column::new(members.len());
        members.iter().for_each(|document| column.add(document, 0));
        return Some((column, vec![Vec::new()]));
    }
    let first = columns.remove(0);
    let values = first.first.iter().chain(first.more.values().flatten());
    let last = values.filter(|number| **number != NONE).max();
    let count = last.map_or(0, |last| *last + 1);
    let mut combined = (first, (0..count).map(|number| vec![number]).collect());
    for column in columns {
        combined = joined(&combined, &column, members, cancelled)?;
    }
    Some(combined)
}

/// A column of combinations and one more.
fn joined(
    (one, before): &(Column, Vec<Vec<u32>>),
    other: &Column,
    members: &Members,
    cancelled: &AtomicBool,
) -> Option<(Column, Vec<Vec<u32>>)> {
    let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
    let (mut column, mut combinations) = (Column::new(members.len()), Vec::new());
    let mut pairs = 0;
    for document in members.iter() {
        one.each(document, |a| {
            other.each(document, |b| {
                pairs += 1;
                // One entry may have millions of them, and many entries the same ones.
                if pairs > PAIRS_MAX || numbers.len() > GROUPS_MAX {
                    return;
                }
                let next = u32::try_from(numbers.len()).unwrap_or(NONE);
                let number = *numbers.entry((a, b)).or_insert(next);
                if number == next {
                    let mut values = before[a as usize].clone();
                    values.push(b);
                    combinations.push(values);
                }
                column.add(document, number);
            });
        });
        if pairs > PAIRS_MAX || numbers.len() > GROUPS_MAX || cancelled.load(Ordering::Relaxed) {
            return None;
        }
    }
    Some((column, combinations))
}

//! Counts entries by what they have in common: by day, month or year, by country, dyad, type and the like.
//!
//! What is counted are the entries of an answer, each at its one content. Their values are not read from the records: the index
//! has for each value the documents that have it, and what is not in the index yet is taken apart by the same terms. Part by
//! part, one field is walked value by value, and for each of its documents the values of the other dimensions are looked up by
//! the document's number; so nothing is hashed for each document, and a part costs no more than its documents' values. Where they
//! are many, two threads count half of the parts each.

use super::QueryError;
use super::contents::Contents;
use super::fetched;
use super::matching::decode;
use super::search::Search;
use super::search::follow::fill;
use super::turns::both;
use crate::derive::Basis;
use crate::filter::{Grouped, NotGrouped};
pub use crate::index::Dates;
use crate::index::{Document, IndexError, Loose, Marks, Snapshot, View};
use crate::log::{Log, ReadError};
use crate::record::Position;
use hashbrown::HashMap;
use roaring::RoaringBitmap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

mod columns;
mod groups;
mod stretch;
#[cfg(test)]
mod tests;

use columns::{Column, Combined, Measured, NONE};
use groups::{Groups, Key};
use stretch::Stretch;
pub use stretch::{Bucket, UNDATED};

/// The most dimensions of an answer.
pub const DIMENSIONS_MAX: usize = 3;
/// The most groups of an answer, so that its memory is bounded: some two hundred bytes each.
pub const GROUPS_MAX: usize = 500_000;
/// Documents outside the index that are taken apart at a time.
const LOOSE_DOCUMENTS: usize = 4_096;
/// So many entries of the index are counted by two threads.
const SHARED_ENTRIES: u64 = 1 << 17;

/// What entries are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// When.
    Time(Dates, Bucket),
    /// What they have.
    Field(Grouped),
}

impl Dimension {
    /// The dimension of a name: `day`, `month` or `year`, of the days on which it occurred, or with `reported.` or `recorded.`
    /// before it; or a field.
    ///
    /// # Errors
    /// [`NotGrouped`].
    pub fn named(name: &str) -> Result<Self, NotGrouped> {
        let (dates, length) = match name.split_once('.') {
            Some(("occurred", length)) => (Dates::Occurred, length),
            Some(("reported", length)) => (Dates::Reported, length),
            Some(("recorded", length)) => (Dates::Recorded, length),
            _ => (Dates::Occurred, name),
        };
        let bucket = match length {
            "day" => Bucket::Day,
            "month" => Bucket::Month,
            "year" => Bucket::Year,
            _ => return Grouped::named(name).map(Self::Field),
        };
        Ok(Self::Time(dates, bucket))
    }
}

/// A question.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What to tell apart by, 1 to [`DIMENSIONS_MAX`], none twice.
    pub by: Vec<Dimension>,
    /// The measure whose values are added up; its name in lower case.
    pub measure: Option<String>,
    /// Whether values of it that are derived count where none is stated.
    pub basis: Basis,
}

/// Entries that have the same values.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// A value for each dimension.
    pub values: Vec<String>,
    /// What was counted.
    pub tally: Tally,
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Entries.
    pub count: u64,
    /// Values of the measure.
    pub measured: u64,
    /// Their sum.
    pub sum: f64,
    /// The least of them; infinite where there is none.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Tally {
    const NOTHING: Self = Self {
        count: 0,
        measured: 0,
        sum: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.measured += other.measured;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregated {
    /// In the order of values: stretches of time as they follow each other, `undated` last.
    pub groups: Vec<Group>,
    /// How many entries match in all.
    pub entries: u64,
    /// How many of them are in no group, since they have no value of a dimension.
    pub without: u64,
}

/// Counts the entries of contents.
///
/// # Errors
/// [`QueryError::Groups`] where there are too many groups, and those of the log. Where the index fails the records are looked at.
pub fn aggregate(
    log: &Log,
    search: Option<&Search>,
    asked: &Asked,
    contents: &Contents,
    cancelled: &AtomicBool,
) -> Result<Aggregated, QueryError> {
    let entries = contents.count();
    if let (Some(search), Some((snapshot, sets))) = (search, contents.indexed()) {
        match Counting::of_index(asked, cancelled, snapshot, sets) {
            Ok(counting) => return counting?.take_loose(log, contents.loose())?.finish(entries),
            Err(error) => search.failed(&error, snapshot),
        }
    }
    Counting::new(asked, cancelled)
        .take_loose(log, &contents.positions())?
        .finish(entries)
}

/// The labels of a dimension's values, in the order in which they were met.
#[derive(Default)]
struct Labels {
    numbers: HashMap<Vec<u8>, u32>,
}

impl Labels {
    fn number(&mut self, label: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(label) {
            return *number;
        }
        // There are fewer than documents.
        let number = u32::try_from(self.numbers.len()).unwrap_or(NONE);
        self.numbers.insert(label.to_vec(), number);
        number
    }

    /// The own numbers of others, in the order of theirs.
    fn numbers_of(&mut self, other: &Self) -> Vec<u32> {
        let labels = other.in_order().into_iter();
        labels.map(|label| self.number(label)).collect()
    }

    fn in_order(&self) -> Vec<&[u8]> {
        let mut labels: Vec<(&u32, &[u8])> = self
            .numbers
            .iter()
            .map(|(label, number)| (number, &**label))
            .collect();
        labels.sort_unstable();
        labels.into_iter().map(|(_, label)| label).collect()
    }
}

struct Counting<'a> {
    asked: &'a Asked,
    cancelled: &'a AtomicBool,
    /// The field that is walked, if one is asked for; the others are looked up.
    walked: Option<usize>,
    labels: Vec<Labels>,
    groups: Groups,
    /// Entries that are in a group.
    grouped: u64,
    /// Whether there are more values or groups than an answer may have: nothing more is counted then.
    too_many: bool,
}

impl<'a> Counting<'a> {
    fn new(asked: &'a Asked, cancelled: &'a AtomicBool) -> Self {
        let is_field = |dimension: &Dimension| matches!(dimension, Dimension::Field(_));
        // Of times there are few, so that they are looked up best.
        let walked = asked.by.iter().position(is_field);
        Self {
            walked,
            labels: asked.by.iter().map(|_| Labels::default()).collect(),
            asked,
            cancelled,
            groups: Groups::new(walked.unwrap_or(0)),
            grouped: 0,
            too_many: false,
        }
    }

    /// Counts what is in the index.
    fn of_index(
        asked: &'a Asked,
        cancelled: &'a AtomicBool,
        snapshot: &Snapshot,
        sets: &[RoaringBitmap],
    ) -> Result<Result<Self, QueryError>, IndexError> {
        let of = |parts: Range<usize>| Counting::new(asked, cancelled).take_indexed(snapshot, sets, parts);
        let entries: u64 = sets.iter().map(RoaringBitmap::len).sum();
        // What is measured is added up in one order, whatever the machine, so that a sum is the same every time.
        if entries < SHARED_ENTRIES || asked.measure.is_some() {
            return of(0..sets.len());
        }
        let mut before = 0;
        let is_of_first = |set: &&RoaringBitmap| {
            before += set.len();
            before <= entries / 2
        };
        let half = sets.iter().take_while(is_of_first).count();
        let (second, first) = both(|| of(half..sets.len()), || of(0..half));
        match (first?, second?) {
            (Ok(first), Ok(second)) => Ok(first.joined(second)),
            (Err(error), _) | (_, Err(error)) => Ok(Err(error)),
        }
    }

    /// Counts the documents of some parts of the index.
    fn take_indexed(
        mut self,
        snapshot: &Snapshot,
        sets: &[RoaringBitmap],
        parts: Range<usize>,
    ) -> Result<Result<Self, QueryError>, IndexError> {
        for part in parts.filter(|part| !sets[*part].is_empty()) {
            snapshot.look(part, |view| self.take(view, &Marks::of(&sets[part])))?;
            if let Err(many) = self.check() {
                return Ok(Err(many));
            }
        }
        Ok(Ok(self))
    }

    /// With what was counted of other documents; nothing was measured.
    fn joined(mut self, other: Self) -> Result<Self, QueryError> {
        let labels = self.labels.iter_mut().zip(&other.labels);
        let numbers: Vec<Vec<u32>> = labels.map(|(own, other)| own.numbers_of(other)).collect();
        other.groups.each(|mut key, count| {
            for (value, numbers) in key.iter_mut().zip(&numbers) {
                *value = numbers[*value as usize];
            }
            self.groups.add(key, count);
        });
        self.grouped += other.grouped;
        let most = self.labels.iter().map(|labels| labels.numbers.len()).max();
        self.too_many |= self.groups.len().max(most.unwrap_or(0)) > GROUPS_MAX;
        self.check()?;
        Ok(self)
    }

    /// Counts what is not.
    fn take_loose(mut self, log: &Log, positions: &[Position]) -> Result<Self, QueryError> {
        let mut document = Document::default();
        for some in positions.chunks(LOOSE_DOCUMENTS) {
            let mut loose = Loose::new(Position::START);
            let mut number = 0;
            fetched::each(log, some, self.cancelled, |_, run| {
                if let Some(record) = run.iter().next() {
                    fill(&mut document, &record, &decode(&record)?, None);
                    loose.add(number, &document);
                }
                number += 1;
                Ok::<_, QueryError>(())
            })?;
            if self.cancelled.load(Ordering::Relaxed) {
                return Ok(self);
            }
            self.take(&loose.view(), &Marks::first(number)).map_err(|cause| {
                // Nothing but memory is read.
                QueryError::Read(ReadError::Io {
                    what: "records in memory".to_owned(),
                    cause: cause.to_string(),
                })
            })?;
            self.check()?;
        }
        Ok(self)
    }

    fn check(&self) -> Result<(), QueryError> {
        if self.too_many {
            return Err(QueryError::Groups { limit: GROUPS_MAX });
        }
        Ok(())
    }

    /// Counts documents of a part.
    fn take(&mut self, view: &View<'_>, members: &Marks) -> io::Result<()> {
        let others: Vec<usize> = (0..self.asked.by.len())
            .filter(|at| Some(*at) != self.walked)
            .collect();
        let mut columns = Vec::with_capacity(others.len());
        for at in &others {
            columns.push(self.column(*at, view, members)?);
        }
        let combined = Combined::of(columns, members, self.cancelled);
        let Some(combined) = combined.filter(|_| !self.too_many) else {
            self.too_many = true;
            return Ok(());
        };
        let measured = match &self.asked.measure {
            Some(name) => Some(Measured::of(view, name, self.asked.basis, members)?),
            None => None,
        };
        let mut part = PartCount::new(members.end(), &combined.column, measured.as_ref());
        let (groups, too_many) = (&mut self.groups, &mut self.too_many);
        let cancelled = self.cancelled;
        let mut settle = |part: &mut PartCount<'_>, walked: Option<(usize, u32)>| {
            part.settle(|combination, count, tally| {
                let mut key = [NONE; DIMENSIONS_MAX];
                if let Some((at, number)) = walked {
                    key[at] = number;
                }
                combined.values(combination, |at, value| key[others[at]] = value);
                groups.add(key, count);
                if let Some(tally) = tally {
                    groups.measure(key, &tally);
                }
            });
            *too_many |= groups.len() > GROUPS_MAX;
            *too_many
        };
        let mut is_over = false;
        match (self.walked, self.walked.map(|at| self.asked.by[at])) {
            (Some(at), Some(Dimension::Field(field))) => {
                let labels = &mut self.labels[at];
                view.terms(field.term() as u8, field.begins(), |key, those| {
                    if is_over || cancelled.load(Ordering::Relaxed) {
                        return;
                    }
                    part.add_all(those);
                    if !part.touched.is_empty() {
                        is_over = settle(&mut part, Some((at, labels.number(key))));
                    }
                })?;
            }
            _ => {
                members.iter().for_each(|document| part.add(document));
                settle(&mut part, None);
            }
        }
        self.grouped += part.grouped.count();
        Ok(())
    }

    /// The values of a dimension by document.
    fn column(&mut self, at: usize, view: &View<'_>, members: &Marks) -> io::Result<Column> {
        let mut column = Column::new(members.end());
        let labels = &mut self.labels[at];
        match self.asked.by[at] {
            Dimension::Field(field) => view.terms(field.term() as u8, field.begins(), |key, those| {
                let mut those = members.among(those).peekable();
                if those.peek().is_some() {
                    let number = labels.number(key);
                    those.for_each(|document| column.add(document, number));
                }
            })?,
            Dimension::Time(dates, bucket) => {
                // The days come in their order, so that many in a row are of one stretch.
                let mut last = None;
                view.days(dates, |days, those| {
                    let mut those = members.among(those).peekable();
                    if those.peek().is_none() {
                        return;
                    }
                    let stretch = Stretch::of(&days, bucket);
                    let number = match last {
                        Some((same, number)) if same == stretch => number,
                        _ => labels.number(stretch.to_string().as_bytes()),
                    };
                    last = Some((stretch, number));
                    those.for_each(|document| column.add(document, number));
                })?;
                column.each_once();
                for document in members.iter() {
                    if column.first(document) == NONE {
                        column.add(document, labels.number(UNDATED.as_bytes()));
                    }
                }
            }
        }
        self.too_many |= labels.numbers.len() > GROUPS_MAX;
        column.values = u32::try_from(labels.numbers.len()).unwrap_or(NONE);
        Ok(column)
    }

    fn finish(self, entries: u64) -> Result<Aggregated, QueryError> {
        let by = &self.asked.by;
        let labels: Vec<Vec<&[u8]>> = self.labels.iter().map(Labels::in_order).collect();
        let ranks: Vec<Vec<u32>> = by
            .iter()
            .zip(&labels)
            .map(|(by, labels)| ranks(*by, labels))
            .collect();
        // What a value is shown as is made once, however many groups have it.
        let shown: Vec<Vec<String>> = by
            .iter()
            .zip(&labels)
            .map(|(by, labels)| shown(*by, labels))
            .collect();
        let mut ranked: Vec<(Key, Key, u64)> = Vec::with_capacity(self.groups.len());
        self.groups.each(|key, count| {
            let mut rank = [0; DIMENSIONS_MAX];
            (0..by.len()).for_each(|at| rank[at] = ranks[at][key[at] as usize]);
            ranked.push((rank, key, count));
        });
        ranked.sort_unstable_by_key(|(rank, ..)| *rank);
        let group = |(_, key, count): &(Key, Key, u64)| Group {
            values: (0..by.len())
                .map(|at| shown[at][key[at] as usize].clone())
                .collect(),
            tally: self.groups.tally(key, *count),
        };
        Ok(Aggregated {
            groups: ranked.iter().map(group).collect(),
            entries,
            without: entries.saturating_sub(self.grouped),
        })
    }
}

/// What was counted of a part since it was settled last.
struct PartCount<'p> {
    /// The combinations of values that a document has, the walked field apart.
    column: &'p Column,
    measured: Option<&'p Measured>,
    /// Documents by combination.
    counts: Vec<u64>,
    /// What was measured of them, where anything is.
    tallies: Vec<Tally>,
    /// The combinations that were counted.
    touched: Vec<u32>,
    /// Documents that are in a group.
    grouped: Marks,
}

impl<'p> PartCount<'p> {
    /// Nothing yet, of so many documents at the most.
    fn new(len: usize, column: &'p Column, measured: Option<&'p Measured>) -> Self {
        let values = column.values as usize;
        Self {
            column,
            measured,
            counts: vec![0; values],
            tallies: vec![Tally::NOTHING; measured.map_or(0, |_| values)],
            touched: Vec::new(),
            grouped: Marks::none(len),
        }
    }

    /// Adds those of a list that are counted.
    fn add_all(&mut self, documents: &[u32]) {
        if self.measured.is_some() || !self.column.is_single() {
            return documents.iter().for_each(|document| self.add(*document));
        }
        for document in documents {
            let combination = self.column.first(*document);
            if combination != NONE {
                self.count(combination);
                self.grouped.add(*document);
            }
        }
    }

    #[inline]
    fn count(&mut self, combination: u32) {
        let count = &mut self.counts[combination as usize];
        if *count == 0 {
            self.touched.push(combination);
        }
        *count += 1;
    }

    #[inline]
    fn add(&mut self, document: u32) {
        let (column, measured) = (self.column, self.measured);
        column.each(document, |combination| {
            self.count(combination);
            if let Some(measured) = measured {
                self.tallies[combination as usize].add(&measured.tally(document));
            }
            self.grouped.add(document);
        });
    }

    /// Hands over what was counted and, where anything is, measured; and begins again.
    fn settle(&mut self, mut take: impl FnMut(u32, u64, Option<Tally>)) {
        for combination in self.touched.drain(..) {
            let at = combination as usize;
            let tally = self.tallies.get_mut(at);
            let tally = tally.map(|tally| std::mem::replace(tally, Tally::NOTHING));
            take(combination, std::mem::take(&mut self.counts[at]), tally);
        }
    }
}

/// The values of a dimension as an answer has them.
fn shown(dimension: Dimension, labels: &[&[u8]]) -> Vec<String> {
    let shown = |label: &&[u8]| match dimension {
        Dimension::Field(field) => field.shown(label),
        Dimension::Time(..) => String::from_utf8_lossy(label).into_owned(),
    };
    labels.iter().map(shown).collect()
}

/// The places of values in their order; `undated` comes last.
fn ranks(dimension: Dimension, labels: &[&[u8]]) -> Vec<u32> {
    let is_undated = |label: &[u8]| matches!(dimension, Dimension::Time(..)) && label == UNDATED.as_bytes();
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_unstable_by_key(|at| (is_undated(labels[*at]), labels[*at]));
    let mut ranks = vec![0; labels.len()];
    for (rank, at) in (0..).zip(order) {
        ranks[at] = rank;
    }
    ranks
}

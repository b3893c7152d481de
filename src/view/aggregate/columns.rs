//! What a part of an index has by document: the values of a dimension, of a measure, and of several dimensions together.

use super::{GROUPS_MAX, Tally};
use crate::derive::Basis;
use crate::filter::{TermField, measure_value};
use crate::index::View;
use hashbrown::HashMap;
use roaring::RoaringBitmap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// No value.
pub const NONE: u32 = u32::MAX;
/// The most values of entries that are combined with one another, of a million entries: those of an entry are multiplied.
const PAIRS_MAX: usize = 20_000_000;

/// A bit for each document of a part.
#[derive(Default)]
pub struct Marks {
    words: Vec<u64>,
    len: usize,
}

impl Marks {
    /// None of so many.
    pub fn none(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(64)],
            len,
        }
    }

    /// Those of a set, up to its last one.
    pub fn of(set: &RoaringBitmap) -> Self {
        let mut marks = Self::none(set.max().map_or(0, |last| last as usize + 1));
        let mut each = set.iter();
        while let Some(range) = each.next_range() {
            let (start, end) = range.into_inner();
            let (first, last) = (start as usize / 64, end as usize / 64);
            let (from, to) = (u64::MAX << (start % 64), u64::MAX >> (63 - end % 64));
            if first == last {
                marks.words[first] |= from & to;
            } else {
                marks.words[first] |= from;
                marks.words[first + 1..last].fill(u64::MAX);
                marks.words[last] |= to;
            }
        }
        marks
    }

    /// The first so many.
    pub fn first(count: u32) -> Self {
        let mut all = RoaringBitmap::new();
        all.insert_range(..count);
        Self::of(&all)
    }

    /// The number after the last one's that it can have.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn add(&mut self, document: u32) {
        self.words[document as usize / 64] |= 1 << (document % 64);
    }

    pub fn has(&self, document: u32) -> bool {
        let word = self.words.get(document as usize / 64);
        word.is_some_and(|word| word >> (document % 64) & 1 == 1)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Those of a list.
    pub fn among<'d>(&'d self, documents: &'d [u32]) -> impl Iterator<Item = u32> + 'd {
        documents.iter().copied().filter(|document| self.has(*document))
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let bits = |(at, word): (u32, &u64)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        };
        (0..).zip(&self.words).flat_map(bits)
    }
}

/// The numbers of a dimension's values by document: the first of each, and further ones. Only what is counted has any.
pub struct Column {
    pub first: Vec<u32>,
    /// All numbers are below this one.
    pub values: u32,
    more: HashMap<u32, Vec<u32>>,
}

impl Column {
    pub fn new(len: usize) -> Self {
        Self {
            first: vec![NONE; len],
            values: 0,
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

    #[inline]
    pub fn each(&self, document: u32, mut take: impl FnMut(u32)) {
        let first = self.first.get(document as usize).copied().unwrap_or(NONE);
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
    pub fn of(view: &View<'_>, name: &str, basis: Basis, members: &Marks) -> io::Result<Self> {
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

/// One column of several.
pub struct Combined {
    /// A number for each combination of values that a document has.
    pub column: Column,
    /// What the combinations are; `None` where each is one value, its number.
    combinations: Option<Vec<Vec<u32>>>,
}

impl Combined {
    /// Of these; `None` where there are more combinations than an answer may have.
    pub fn of(mut columns: Vec<Column>, members: &Marks, cancelled: &AtomicBool) -> Option<Self> {
        if columns.is_empty() {
            let mut column = Column::new(members.len());
            members.iter().for_each(|document| column.add(document, 0));
            column.values = 1;
            return Some(Self {
                column,
                combinations: Some(vec![Vec::new()]),
            });
        }
        let mut combined = Self {
            column: columns.remove(0),
            combinations: None,
        };
        for column in columns {
            combined = combined.joined(&column, members, cancelled)?;
        }
        Some(combined)
    }

    /// Hands over the values of a combination.
    pub fn values(&self, combination: u32, mut take: impl FnMut(usize, u32)) {
        match &self.combinations {
            None => take(0, combination),
            Some(all) => {
                let values = all[combination as usize].iter().enumerate();
                values.for_each(|(at, value)| take(at, *value));
            }
        }
    }

    /// With one more.
    fn joined(self, other: &Column, members: &Marks, cancelled: &AtomicBool) -> Option<Self> {
        let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
        let (mut column, mut combinations) = (Column::new(members.len()), Vec::new());
        let mut pairs = 0;
        for document in members.iter() {
            self.column.each(document, |a| {
                other.each(document, |b| {
                    pairs += 1;
                    // One entry may have millions of them, and many entries the same ones.
                    if pairs > PAIRS_MAX || numbers.len() > GROUPS_MAX {
                        return;
                    }
                    let next = u32::try_from(numbers.len()).unwrap_or(NONE);
                    let number = *numbers.entry((a, b)).or_insert(next);
                    if number == next {
                        let mut values = Vec::new();
                        self.values(a, |_, value| values.push(value));
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
        column.values = u32::try_from(combinations.len()).unwrap_or(NONE);
        Some(Self {
            column,
            combinations: Some(combinations),
        })
    }
}

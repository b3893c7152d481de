//! What a part of an index has by document: the values of a dimension, of a measure, and of several dimensions together.

use super::{GROUPS_MAX, Tally};
use crate::derive::Basis;
use crate::filter::{TermField, measure_value};
use crate::index::{Marks, View};
use hashbrown::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// No value.
pub const NONE: u32 = u32::MAX;
/// The most values of entries that are combined with one another, of a million entries: those of an entry are multiplied.
const PAIRS_MAX: usize = 20_000_000;

/// A number by document. They are looked up out of order, so that they take no more than two bytes each where they are small.
enum Numbers {
    Small(Vec<u16>),
    Large(Vec<u32>),
}

impl Numbers {
    #[inline]
    fn get(&self, document: u32) -> u32 {
        match self {
            Self::Small(all) => match all.get(document as usize) {
                Some(number) if *number != u16::MAX => (*number).into(),
                _ => NONE,
            },
            Self::Large(all) => all.get(document as usize).copied().unwrap_or(NONE),
        }
    }

    fn set(&mut self, document: u32, number: u32) {
        match (self, u16::try_from(number)) {
            (Self::Small(all), Ok(small)) if small != u16::MAX => all[document as usize] = small,
            (Self::Large(all), _) => all[document as usize] = number,
            (numbers, _) => {
                numbers.widen();
                numbers.set(document, number);
            }
        }
    }

    fn widen(&mut self) {
        if let Self::Small(all) = self {
            let large = |small: &u16| if *small == u16::MAX { NONE } else { (*small).into() };
            *self = Self::Large(all.iter().map(large).collect());
        }
    }
}

/// The numbers of a dimension's values by document: the first of each, and further ones. Only what is counted has any.
pub struct Column {
    first: Numbers,
    /// All numbers are below this one.
    pub values: u32,
    more: HashMap<u32, Vec<u32>>,
}

impl Column {
    pub fn new(len: usize) -> Self {
        Self {
            first: Numbers::Small(vec![u16::MAX; len]),
            values: 0,
            more: HashMap::new(),
        }
    }

    /// The first number of a document, or [`NONE`].
    #[inline]
    pub fn first(&self, document: u32) -> u32 {
        self.first.get(document)
    }

    /// Whether no document has more than one.
    pub fn is_single(&self) -> bool {
        self.more.is_empty()
    }

    #[inline]
    pub fn add(&mut self, document: u32, number: u32) {
        match self.first.get(document) {
            NONE => self.first.set(document, number),
            first if first != number => self.more.entry(document).or_default().push(number),
            _ => {}
        }
    }

    /// Has each value of a document once, where it may have been added more often.
    pub fn each_once(&mut self) {
        let first = &self.first;
        self.more.retain(|document, more| {
            more.sort_unstable();
            more.dedup();
            more.retain(|number| *number != first.get(*document));
            !more.is_empty()
        });
    }

    #[inline]
    pub fn each(&self, document: u32, mut take: impl FnMut(u32)) {
        let first = self.first.get(document);
        if first == NONE {
            return;
        }
        take(first);
        if !self.is_single() {
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
            first: vec![f64::NAN; members.end()],
            more: HashMap::new(),
        };
        let prefix = [name.as_bytes(), &[0]].concat();
        // A document has terms of only one of these.
        let fields: &[TermField] = match basis {
            Basis::Stated => &[TermField::Measure],
            Basis::Derived | Basis::Suggested => &[TermField::Measure, TermField::DerivedMeasure],
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
            let mut column = Column::new(members.end());
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
        let (mut column, mut combinations) = (Column::new(members.end()), Vec::new());
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_document_has_the_numbers_that_were_added_to_it(
            added in prop::collection::vec((0..20_u32, prop_oneof![0..4_u32, 65_530..65_540_u32, 0..NONE]), 0..60),
        ) {
            let mut column = Column::new(20);
            added.iter().for_each(|(document, number)| column.add(*document, *number));
            column.each_once();
            for document in 0..22 {
                let mut all = Vec::new();
                column.each(document, |number| all.push(number));
                let of_it = added.iter().filter(|(of, _)| *of == document);
                let mut plain: Vec<u32> = of_it.map(|(_, number)| *number).collect();
                prop_assert_eq!(column.first(document), plain.first().copied().unwrap_or(NONE));
                plain.sort_unstable();
                plain.dedup();
                all.sort_unstable();
                prop_assert_eq!(all, plain);
            }
        }
    }
}

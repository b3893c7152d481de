//! A part of an index, and what can be counted in it.

use super::growing::Growing;
use super::volume::{Take, Volume};
use super::{Dates, Document, Section, days_of_key, section};
use crate::record::Position;
use crate::record::date::DaySpan;
use roaring::RoaringBitmap;
use std::io;
use std::ops::Range;

/// What has documents of its own: growing ones, or a volume.
pub(super) trait Part {
    fn get(&self, key: &[u8]) -> io::Result<RoaringBitmap>;

    /// Hands over the keys that begin so, in their order, each with its documents.
    fn each(&self, prefix: &[u8], take: &mut Take<'_>) -> io::Result<()>;

    /// The same of the keys that are not below the first of these, but below the second.
    fn between(&self, keys: &Range<Vec<u8>>, take: &mut Take<'_>) -> io::Result<()>;
}

impl Part for Volume {
    fn get(&self, key: &[u8]) -> io::Result<RoaringBitmap> {
        self.get(key)
    }

    fn each(&self, prefix: &[u8], take: &mut Take<'_>) -> io::Result<()> {
        self.each(prefix, take)
    }

    fn between(&self, keys: &Range<Vec<u8>>, take: &mut Take<'_>) -> io::Result<()> {
        self.between(keys, take)
    }
}

impl Part for Growing {
    fn get(&self, key: &[u8]) -> io::Result<RoaringBitmap> {
        self.get(key)
    }

    fn each(&self, prefix: &[u8], take: &mut Take<'_>) -> io::Result<()> {
        self.each(prefix, take)
    }

    fn between(&self, keys: &Range<Vec<u8>>, take: &mut Take<'_>) -> io::Result<()> {
        self.between(keys, take)
    }
}

/// A look at a part. The numbers of its documents are how far their positions are from its first.
#[derive(Clone, Copy)]
pub struct View<'p> {
    pub(super) part: &'p dyn Part,
    pub(super) from: Position,
}

impl View<'_> {
    /// The position of document 0.
    pub fn from(&self) -> Position {
        self.from
    }

    /// Hands over the terms of a field that begin so, in their order and without the field, each with its documents, ascending.
    ///
    /// # Errors
    /// What the system says, or what is wrong with a file.
    pub fn terms(&self, field: u8, prefix: &[u8], take: impl FnMut(&[u8], &[u32])) -> io::Result<()> {
        self.terms_if(field, prefix, |_| true, take)
    }

    /// The same of those terms that are meant; of the others no document is read.
    ///
    /// # Errors
    /// What the system says, or what is wrong with a file.
    pub fn terms_if(
        &self,
        field: u8,
        prefix: &[u8],
        is_meant: impl Fn(&[u8]) -> bool,
        mut take: impl FnMut(&[u8], &[u32]),
    ) -> io::Result<()> {
        let prefix = [&[Section::Terms as u8, field], prefix].concat();
        let mut numbers = Vec::new();
        self.part.each(&prefix, &mut |key, documents| {
            if is_meant(&key[2..]) {
                numbers.clear();
                documents.append_to(&mut numbers)?;
                take(&key[2..], &numbers);
            }
            Ok(())
        })
    }

    /// Hands over the days of these dates, in their order, each with its documents, ascending.
    ///
    /// # Errors
    /// What the system says, or what is wrong with a file.
    pub fn days(&self, dates: Dates, mut take: impl FnMut(DaySpan, &[u32])) -> io::Result<()> {
        let mut numbers = Vec::new();
        self.part.each(&[section(dates) as u8], &mut |key, documents| {
            if let Some(days) = days_of_key(&key[1..]) {
                numbers.clear();
                documents.append_to(&mut numbers)?;
                take(days, &numbers);
            }
            Ok(())
        })
    }
}

/// Documents that are in no index, to be counted as those that are.
pub struct Loose {
    from: Position,
    growing: Growing,
}

impl Loose {
    /// None yet; document 0 is that of `from`.
    pub fn new(from: Position) -> Self {
        Self {
            from,
            growing: Growing::default(),
        }
    }

    /// Adds a document under a number that is above the last one's.
    pub fn add(&mut self, number: u32, document: &Document) {
        self.growing.add(number, document);
    }

    /// A look at them.
    pub fn view(&self) -> View<'_> {
        View {
            part: &self.growing,
            from: self.from,
        }
    }
}

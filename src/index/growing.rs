//! The newest documents, in memory.
//!
//! A table from keys to lists. Most keys are of one document, so that a list of one takes no memory of its own.

use super::Document;
use super::list::{Gaps, bitmap};
use super::volume::{Listed, Take};
use hashbrown::{DefaultHashBuilder, HashTable};
use roaring::RoaringBitmap;
use std::hash::BuildHasher;
use std::io;
use std::ops::Range;

/// Documents by their keys.
#[derive(Default)]
pub(super) struct Growing {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    entries: Vec<Entry>,
    /// The keys, one after the other.
    keys: Vec<u8>,
    /// The number after the last document's.
    len: u32,
    /// The tag of each document.
    tags: Vec<u64>,
}

struct Entry {
    start: u32,
    bytes: u16,
    numbers: Numbers,
}

enum Numbers {
    None,
    One(u32),
    Many(Box<Gaps>),
}

impl Growing {
    /// The number that the next document gets.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// About how much memory its keys take.
    pub fn bytes(&self) -> usize {
        self.keys.len() + self.entries.len() * std::mem::size_of::<Entry>()
    }

    /// Adds a document under a number that is not below [`Self::len`].
    pub fn add(&mut self, number: u32, document: &Document) {
        for key in document.keys() {
            let at = self.entry(key);
            self.entries[at].numbers.push(number);
        }
        self.len = number + 1;
        self.tags.resize(number as usize, 0);
        self.tags.push(document.tag);
    }

    /// The tag of each document.
    pub fn tags(&self) -> &[u64] {
        &self.tags
    }

    /// The documents of a key.
    pub fn get(&self, key: &[u8]) -> io::Result<RoaringBitmap> {
        let found = self
            .table
            .find(self.hasher.hash_one(key), |at| self.key(*at) == key);
        let numbers = found.map(|at| &self.entries[*at as usize].numbers);
        numbers.map_or_else(|| Ok(RoaringBitmap::new()), Numbers::set)
    }

    /// Hands over the keys that begin so, in their order, each with its documents.
    pub fn each(&self, prefix: &[u8], take: &mut Take<'_>) -> io::Result<()> {
        self.hand_over(&self.sorted(prefix), take)
    }

    /// The same of the keys that are not below the first of these, but below the second.
    pub fn between(&self, keys: &Range<Vec<u8>>, take: &mut Take<'_>) -> io::Result<()> {
        let is_between = |key: &[u8]| *keys.start <= *key && *key < *keys.end;
        self.hand_over(&self.sorted_if(is_between), take)
    }

    fn hand_over(&self, entries: &[u32], take: &mut Take<'_>) -> io::Result<()> {
        let mut each = entries.iter();
        each.try_for_each(|at| take(self.key(*at), &self.entries[*at as usize].numbers))
    }

    /// The entries whose keys begin so, in the order of keys.
    pub fn sorted(&self, prefix: &[u8]) -> Vec<u32> {
        self.sorted_if(|key| key.starts_with(prefix))
    }

    fn sorted_if(&self, is_meant: impl Fn(&[u8]) -> bool) -> Vec<u32> {
        let is_meant = |at: &u32| is_meant(self.key(*at));
        let mut sorted: Vec<u32> = self.table.iter().copied().filter(is_meant).collect();
        sorted.sort_unstable_by(|a, b| self.key(*a).cmp(self.key(*b)));
        sorted
    }

    /// The key of an entry.
    pub fn key(&self, at: u32) -> &[u8] {
        let entry = &self.entries[at as usize];
        let start = entry.start as usize;
        &self.keys[start..start + usize::from(entry.bytes)]
    }

    /// Puts the documents of an entry at the end of a vector.
    pub fn append_to(&self, at: u32, to: &mut Vec<u32>) {
        self.entries[at as usize].numbers.add_to(to);
    }

    /// Has documents found by other keys than before; their numbers ascend. What no other document had is overwritten in memory
    /// too.
    pub fn replace(&mut self, with: &[(u32, Document)]) {
        let numbers: RoaringBitmap = with.iter().map(|(number, _)| *number).collect();
        for at in self.sorted(&[]) {
            self.forget(at, &numbers);
        }
        for (number, document) in with {
            self.tags[*number as usize] = document.tag;
        }
        let others = Self::of(with);
        for other in others.sorted(&[]) {
            let at = self.entry(others.key(other));
            let mut all = Vec::new();
            self.entries[at].numbers.add_to(&mut all);
            others.append_to(other, &mut all);
            all.sort_unstable();
            self.entries[at].numbers = Numbers::of(all);
        }
    }

    /// Only these documents; their numbers ascend.
    pub fn of(documents: &[(u32, Document)]) -> Self {
        let mut growing = Self::default();
        documents
            .iter()
            .for_each(|(number, document)| growing.add(*number, document));
        growing
    }

    fn forget(&mut self, at: u32, numbers: &RoaringBitmap) {
        let mut left = Vec::new();
        self.append_to(at, &mut left);
        let before = left.len();
        left.retain(|number| !numbers.contains(*number));
        if left.len() == before {
            return;
        }
        let index = at as usize;
        if !left.is_empty() {
            self.entries[index].numbers = Numbers::of(left);
            return;
        }
        let hash = self.hasher.hash_one(self.key(at));
        if let Ok(found) = self.table.find_entry(hash, |other| *other == at) {
            found.remove();
        }
        let entry = &mut self.entries[index];
        entry.numbers = Numbers::None;
        let start = entry.start as usize;
        self.keys[start..start + usize::from(entry.bytes)].fill(0);
    }

    fn entry(&mut self, key: &[u8]) -> usize {
        let Self {
            hasher,
            table,
            entries,
            keys,
            ..
        } = self;
        let key_of = |at: u32| {
            let entry: &Entry = &entries[at as usize];
            let start = entry.start as usize;
            &keys[start..start + usize::from(entry.bytes)]
        };
        let hash = hasher.hash_one(key);
        let found = table.entry(hash, |at| key_of(*at) == key, |at| hasher.hash_one(key_of(*at)));
        let next = entries.len();
        let vacant = match found {
            hashbrown::hash_table::Entry::Occupied(found) => return *found.get() as usize,
            hashbrown::hash_table::Entry::Vacant(vacant) => vacant,
        };
        // It is sealed at some 64 MiB of keys: far below 4 GiB.
        vacant.insert(u32::try_from(next).unwrap_or(u32::MAX));
        entries.push(Entry {
            start: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            bytes: u16::try_from(key.len()).unwrap_or(u16::MAX),
            numbers: Numbers::None,
        });
        keys.extend(key);
        next
    }
}

impl Numbers {
    /// Adds a number that is not below the last one.
    fn push(&mut self, number: u32) {
        match self {
            Self::None => *self = Self::One(number),
            Self::One(one) if *one == number => {}
            Self::One(one) => *self = Self::Many(Box::new([*one, number].into_iter().collect())),
            Self::Many(gaps) => gaps.push(number),
        }
    }

    fn of(all: Vec<u32>) -> Self {
        match all.as_slice() {
            [] => Self::None,
            [one] => Self::One(*one),
            _ => Self::Many(Box::new(all.into_iter().collect())),
        }
    }

    fn add_to(&self, to: &mut Vec<u32>) {
        match self {
            Self::None => {}
            Self::One(number) => to.push(*number),
            Self::Many(gaps) => gaps.append_to(to),
        }
    }
}

impl Listed for Numbers {
    fn set(&self) -> io::Result<RoaringBitmap> {
        let mut all = Vec::new();
        self.add_to(&mut all);
        bitmap(all)
    }

    fn append_to(&self, to: &mut Vec<u32>) -> io::Result<()> {
        self.add_to(to);
        Ok(())
    }
}

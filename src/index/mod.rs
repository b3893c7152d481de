//! An index of records by their terms, in files of its own.
//!
//! Each record has one [`Document`] under its position: terms, the days it tells of, and a note for whoever wants to find a few
//! records again after a start. Terms are bytes whose meaning [`crate::view`] knows; nothing here knows a filter or the log.
//!
//! ```text
//!   Writer  add, seal, forget      positions:  0        65,536      131,072    139,004
//!     │                                        ├ volume ──┼─ volume ──┼─ growing ─┤
//!     └──> Shelf ──> Snapshot  find, notes                                        └ through
//! ```
//!
//! The newest documents are *growing* in memory, found as soon as they are added. When there are enough of them they are
//! sealed into a **volume**: one immutable file of sorted keys, each with the numbers of its documents. Neighbouring volumes are
//! merged into larger ones. A volume's positions are in its name, and it is synced before it gets that name, so that what is
//! indexed and how far it goes come to the disk in one step: there is no other mark. After a crash the growing documents are
//! gone, and whoever adds goes on at the end of the last volume.
//!
//! The index is never trusted with anything: each block of a volume has a checksum, and where one is damaged, or is gone, the
//! index is made anew from the log.
//!
//! [`list`] has the numbers of a key's documents, [`growing`] the memory, [`volume`] and [`build`] the file, [`merge`] what makes
//! one of several, [`alike`] which documents have a tag in common, [`part`] what can be counted in each, [`shelf`] what is read and [`write`] who writes.

mod alike;
mod build;
mod growing;
mod list;
mod marks;
mod merge;
pub mod names;
mod part;
mod shelf;
#[cfg(test)]
mod tests;
mod volume;
mod write;

pub use alike::{Repeated, Tagged, repeated};
pub use marks::Marks;
pub use part::{Loose, View};
pub use shelf::{Hit, Shelf, Snapshot};
pub use write::Writer;

use crate::record::Position;
use crate::record::date::DaySpan;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a record is found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// All keys, one after the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// A number that is looked up by the document; 0 where it has none. Those whose numbers differ in nothing but the lowest bit are
    /// alike.
    tag: u64,
}

/// Which of a record's days are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dates {
    /// Those on which what it tells of occurred.
    Occurred,
    /// Those on which it was reported.
    Reported,
    /// The day on which its record was committed.
    Recorded,
    /// Those that the text of a document names.
    Mentioned,
}

/// What a key of a volume is: its first byte. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Section {
    /// Every document with a term.
    Answers = 1,
    /// A term.
    Terms = 2,
    /// Days, as [`day_key`] writes them.
    Occurred = 3,
    /// Days.
    Reported = 4,
    /// A day.
    Recorded = 6,
    /// Days.
    Mentioned = 7,
    /// A note: its number, then the position that it is about, big-endian.
    Notes = 5,
}

impl Document {
    /// Makes it empty again, and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.tag = 0;
    }

    /// Has it found by a term. A document without any is there for its note alone: no question finds it.
    pub fn add_term(&mut self, field: u8, bytes: &[u8]) {
        if self.ends.is_empty() {
            self.add(Section::Answers, &[]);
        }
        self.bytes.extend([Section::Terms as u8, field]);
        self.bytes.extend(bytes);
        self.ends.push(self.bytes.len());
    }

    /// Has it found by the days of a date. Add a term first.
    pub fn add_days(&mut self, dates: Dates, days: &DaySpan) {
        self.add(section(dates), &day_key(days));
    }

    /// Gives it a number that is looked up by the document; others with the same one but for its lowest bit are alike.
    pub fn set_tag(&mut self, tag: u64) {
        self.tag = tag;
    }

    /// Gives it a note: what happened, and to which position.
    pub fn add_note(&mut self, number: u8, on: Position) {
        let mut key = [number; 9];
        key[1..].copy_from_slice(&on.get().to_be_bytes());
        self.add(Section::Notes, &key);
    }

    fn add(&mut self, section: Section, key: &[u8]) {
        self.bytes.push(section as u8);
        self.bytes.extend(key);
        self.ends.push(self.bytes.len());
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.bytes[start..*end])
    }
}

/// Decides on the days of a document.
pub trait DayCheck {
    /// Whether one of its dates, which may mean these days, is meant.
    fn holds(&self, days: &DaySpan) -> bool;
}

/// Decides on a term.
pub trait TermCheck {
    /// Whether it is meant, by what follows its beginning.
    fn holds(&self, rest: &[u8]) -> bool;
}

/// Which documents are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask<D, T> {
    /// Every one that has terms.
    All,
    /// Those with this term: field and bytes.
    Term(Vec<u8>),
    /// Those with a term that begins so; at least the field.
    Prefix(Vec<u8>),
    /// Those with a term that is not below the first bytes, but below the second; both begin with the field.
    Range(Range<Vec<u8>>),
    /// Those with a term that begins so, at least with the field, and for which this holds.
    Terms(Vec<u8>, T),
    /// Those at these positions that have terms.
    Positions(Range<u64>),
    /// Those with a date for which this holds.
    Days(Dates, D),
    /// Those that all of these mean.
    And(Vec<Self>),
    /// Those that any of these means.
    Or(Vec<Self>),
    /// Those that this does not mean.
    Not(Box<Self>),
}

/// Why an index could not be used.
#[derive(Debug, thiserror::Error)]
#[error("the index at `{path}`: {cause}")]
pub struct IndexError {
    /// Its folder, or the file in it.
    pub path: PathBuf,
    /// What the system said, or what is wrong with the file.
    #[source]
    pub cause: std::io::Error,
}

impl IndexError {
    /// Whether files are gone or are not what was written: the index must be made anew.
    pub fn is_damage(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
        matches!(self.cause.kind(), InvalidData | NotFound | UnexpectedEof)
    }
}

/// An open index, to be written by one and read by many.
pub struct Opened {
    /// Who writes.
    pub writer: Writer,
    /// Who hands out snapshots.
    pub shelf: Arc<Shelf>,
}

/// Opens the index of a folder, or makes one there. What a crash has left half done is removed.
///
/// # Errors
/// [`IndexError`], also where it is damaged: remove the folder then, and begin anew.
pub fn open(folder: &Path) -> Result<Opened, IndexError> {
    std::fs::create_dir_all(folder).map_err(|cause| error(folder, cause))?;
    let volumes = shelf::open_all(folder)?;
    let shelf = Arc::new(Shelf::new(volumes));
    Ok(Opened {
        writer: Writer::new(folder, Arc::clone(&shelf)),
        shelf,
    })
}

/// Opens the index of a folder in the place of what a shelf has now, whose writer must be gone.
///
/// # Errors
/// [`IndexError`]; the shelf has what it had then.
pub fn reopen(folder: &Path, shelf: &Arc<Shelf>) -> Result<Writer, IndexError> {
    let volumes = shelf::open_all(folder)?;
    shelf.set(shelf::State::after(&shelf.state(), volumes));
    Ok(Writer::new(folder, Arc::clone(shelf)))
}

/// Puts the folder of a new index in the place of an old one's; `aside` is where that one is from then on: remove it. After a
/// crash in between there is none in its place.
///
/// # Errors
/// [`IndexError`]; the old one is in its place then.
pub fn take_place(new: &Path, of: &Path, aside: &Path) -> Result<(), IndexError> {
    remove(aside)?;
    match std::fs::rename(of, aside) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(error(of, cause)),
        _ => {}
    }
    if let Err(cause) = std::fs::rename(new, of) {
        // Where it cannot be put back there is none, and it is made anew.
        let _ = std::fs::rename(aside, of);
        return Err(error(new, cause));
    }
    Ok(())
}

/// Removes an index that was put aside, once it is sure on the disk that another one is in its place.
///
/// # Errors
/// [`IndexError`].
pub fn remove_aside(aside: &Path) -> Result<(), IndexError> {
    if let Some(parent) = aside.parent() {
        let synced = std::fs::File::open(parent).and_then(|folder| folder.sync_all());
        synced.map_err(|cause| error(parent, cause))?;
    }
    remove(aside)
}

/// Removes the index of a folder.
///
/// # Errors
/// [`IndexError`].
pub fn remove(folder: &Path) -> Result<(), IndexError> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(error(folder, cause)),
        _ => Ok(()),
    }
}

/// Removes the folders in `parent` whose names begin so, all but one; says of each that it is of another version, and answers what
/// follows in their names.
///
/// # Errors
/// [`IndexError`].
pub fn remove_others(parent: &Path, beginning: &str, kept: &Path) -> Result<Vec<String>, IndexError> {
    let items = match std::fs::read_dir(parent) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        items => items.map_err(|cause| error(parent, cause))?,
    };
    let mut removed = Vec::new();
    for item in items {
        let path = item.map_err(|cause| error(parent, cause))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let version = name.and_then(|name| name.strip_prefix(beginning));
        if let Some(version) = version.filter(|_| path != kept) {
            tracing::warn!(
                folder = %path.display(),
                "an index of another version is removed; it is built anew"
            );
            remove(&path)?;
            removed.push(version.to_owned());
        }
    }
    removed.sort();
    Ok(removed)
}

fn error(path: &Path, cause: std::io::Error) -> IndexError {
    IndexError {
        path: path.into(),
        cause,
    }
}

fn section(dates: Dates) -> Section {
    match dates {
        Dates::Occurred => Section::Occurred,
        Dates::Reported => Section::Reported,
        Dates::Recorded => Section::Recorded,
        Dates::Mentioned => Section::Mentioned,
    }
}

/// The earliest day, then the latest; each a zero byte and the day counted from the smallest `i32`, big-endian, or a one byte
/// where that end is open. So keys are in the order of days, open ones last.
fn day_key(days: &DaySpan) -> Vec<u8> {
    let mut key = Vec::with_capacity(10);
    for day in [days.earliest, days.latest] {
        match day {
            Some(day) => {
                key.push(0);
                key.extend((day.cast_unsigned() ^ (1 << 31)).to_be_bytes());
            }
            None => key.push(1),
        }
    }
    key
}

/// The days of a [`day_key`]; `None` where the bytes are not one.
fn days_of_key(mut key: &[u8]) -> Option<DaySpan> {
    let mut day = || {
        let (flag, rest) = key.split_first()?;
        key = rest;
        match flag {
            0 => {
                let (bytes, rest) = key.split_first_chunk::<4>()?;
                key = rest;
                Some(Some((u32::from_be_bytes(*bytes) ^ (1 << 31)).cast_signed()))
            }
            1 => Some(None),
            _ => None,
        }
    };
    let (earliest, latest) = (day()?, day()?);
    key.is_empty().then_some(DaySpan { earliest, latest })
}

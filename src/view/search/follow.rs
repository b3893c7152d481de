//! The fold of the log into the index.
//!
//! A record is found as soon as it is folded. An ERASE takes all documents of its entry out, puts those back that it leaves, and has
//! the files written anew, before any volume has the ERASE itself: so a crash in between has it folded again.

use super::Search;
use crate::derive::{Likeness, RULES, countries};
use crate::filter::{LazyContent, Subject, each_mentioned_day, each_term};
use crate::index::{self, Dates, Document, IndexError, Writer};
use crate::log::{Columns, Erasure, Log, Stored};
use crate::record::codec::{self, Content, DateRole};
use crate::record::date::DaySpan;
use crate::record::{Hash, Leaf, Position, Recorded, Status};
use crate::suggest;
use crate::view::fates::{Fate, Fates};
use crate::view::matching::decode;
use crate::view::runner::{FoldError, Folders, Runner, View};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};

/// The version of what is in an index. Another one is another folder, filled anew.
pub const VERSION: u32 = 10;

/// Keeps the search view.
pub type SearchRunner = Runner<SearchView>;

/// The fold.
pub struct SearchView {
    search: Arc<Search>,
    writer: Writer,
    /// Documents to be replaced since an ERASE was folded. One time serves all erasures of a step.
    erased: BTreeMap<Position, Document>,
    document: Document,
}

impl View for SearchView {
    const NAME: &'static str = super::NAME;
    const COLUMNS: Columns = Columns::All;
    type Asked = Search;

    fn version() -> String {
        version()
    }

    fn open(folder: &Path) -> Result<Self, IndexError> {
        let opened = index::open(folder)?;
        let mut notes = Vec::new();
        opened
            .shelf
            .snapshot()
            .notes(|at, number, on| notes.push((at, number, on)))?;
        // What an act is about depends on what came before it.
        notes.sort_unstable();
        let mut fates = Fates::default();
        for (at, number, on) in notes {
            if let Some(fate) = Fate::of(number) {
                fates.apply(at, fate, on);
            }
        }
        Ok(Self {
            search: Arc::new(Search::new(opened.shelf, fates)),
            writer: opened.writer,
            erased: BTreeMap::new(),
            document: Document::default(),
        })
    }

    fn asked(&self) -> Arc<Search> {
        Arc::clone(&self.search)
    }

    fn through(&self) -> Position {
        self.writer.through()
    }

    fn mark(&self) -> Option<(Hash, Position)> {
        self.search.snapshot().sealed()
    }

    fn fold(&mut self, log: &Log, record: &Stored<'_>, leaf: &Leaf<'_>) -> Result<(), FoldError> {
        let note = self.apply(record, leaf);
        fill(&mut self.document, record, leaf, note);
        if let Some(erasure) = Erasure::of(record.position, leaf, record.payload) {
            self.erase(log, leaf, &erasure)?;
        }
        self.writer.add(&self.document);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.writer.is_full()
    }

    /// Takes what was erased out of the files: no volume may have an ERASE while another has what it erased.
    fn settle(&mut self) -> Result<(), IndexError> {
        if !self.erased.is_empty() {
            let documents = std::mem::take(&mut self.erased).into_iter().collect::<Vec<_>>();
            if let Err(error) = self.writer.replace(&documents) {
                self.erased = documents.into_iter().collect();
                return Err(error);
            }
        }
        self.search.is_rid(self.writer.through());
        Ok(())
    }

    fn seal(&mut self, last: &Hash) -> Result<(), IndexError> {
        self.writer.seal(last)
    }

    fn tend(&mut self) -> Result<(), IndexError> {
        self.writer.tend()
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        self.erased.clear();
        self.writer.clear()
    }

    fn give_way_to(&mut self, other: Self, folders: &Folders) -> Result<(), FoldError> {
        let fates = std::mem::take(&mut *other.search.fates.write().unwrap_or_else(PoisonError::into_inner));
        drop(other);
        // The old volumes are about to go, whatever comes of their merge.
        let _ = self.writer.take_in();
        index::take_place(&folders.new, &folders.own, &folders.aside)?;
        // They may be ahead of the volumes, never behind.
        *self.search.fates.write().unwrap_or_else(PoisonError::into_inner) = fates;
        let reopened = index::reopen(&folders.own, &self.search.shelf);
        // Where it fails what is read is not what lies in the folder any more.
        self.writer = reopened.inspect_err(|_| self.search.state.set_damaged(true))?;
        Ok(())
    }
}

impl SearchView {
    fn apply(&self, record: &Stored<'_>, leaf: &Leaf<'_>) -> Option<(Fate, Position)> {
        let note = self.search.fates().of_record(record.position, leaf)?;
        let mut fates = self.search.fates.write().unwrap_or_else(PoisonError::into_inner);
        fates.apply(record.position, note.0, note.1);
        Some(note)
    }

    /// Notes what an ERASE removes, and gathers what its entry is found by from now on.
    fn erase(&mut self, log: &Log, leaf: &Leaf<'_>, erasure: &Erasure) -> Result<(), FoldError> {
        let contents = self.search.fates().of_erasure(erasure);
        {
            let mut fates = self.search.fates.write().unwrap_or_else(PoisonError::into_inner);
            contents
                .iter()
                .for_each(|content| fates.apply(erasure.position, Fate::Erased, *content));
        }
        for content in contents {
            self.document.add_note(Fate::Erased as u8, content);
        }
        let mut next = leaf.previous;
        while let Some(at) = next {
            let runs = log.fetch(&[at], Columns::All)?;
            let Some(one) = runs.first().and_then(|run| run.get(at)) else {
                break;
            };
            let leaf = decode(&one)?;
            let mut document = Document::default();
            fill(
                &mut document,
                &one,
                &leaf,
                self.search.fates().of_record(at, &leaf),
            );
            if let Some(earlier) = Erasure::of(at, &leaf, one.payload) {
                for content in self.search.fates().of_erasure(&earlier) {
                    document.add_note(Fate::Erased as u8, content);
                }
            }
            self.erased.insert(at, document);
            next = leaf.previous;
        }
        Ok(())
    }
}

/// The version of what is in an index, and of the tables and rules that it is made with.
pub fn version() -> String {
    // Those of types have the same version.
    let (tables, suggestions) = (countries().version(), suggest::version());
    format!("{VERSION}-{tables}-{RULES}-{suggestions}")
}

/// Fills a document with what the index holds of a record: of a content its terms, only those of the leaf where it was erased; of
/// any other what it did.
pub(in crate::view) fn fill(
    document: &mut Document,
    record: &Stored<'_>,
    leaf: &Leaf<'_>,
    note: Option<(Fate, Position)>,
) {
    document.clear();
    if leaf.act.has_content() {
        let content = codec::decode_content(record.payload).ok().flatten();
        let content = content.filter(|_| !record.erased);
        fill_content(document, record.position, leaf, content.as_ref());
    }
    if let Some((fate, on)) = note {
        document.add_note(fate as u8, on);
    }
}

fn fill_content(document: &mut Document, position: Position, leaf: &Leaf<'_>, content: Option<&Content>) {
    let subject = Subject {
        position,
        act: leaf.act,
        kind: leaf.kind,
        series: leaf.series,
        key: leaf.key,
        revision: leaf.revision,
        recorded: leaf.recorded,
        status: Status::Current,
        principal: leaf.principal,
        content: content.map_or_else(LazyContent::absent, LazyContent::ready),
    };
    each_term(&subject, |field, bytes| document.add_term(field as u8, bytes));
    let likeness = content.and_then(|content| Likeness::of(leaf.series, leaf.kind, content));
    document.set_tag(likeness.map_or(0, Likeness::number));
    document.add_days(Dates::Recorded, &DaySpan::day(day_of(leaf.recorded)));
    for date in content.iter().flat_map(|content| &content.dates) {
        let dates = match date.role() {
            DateRole::Occurred => Dates::Occurred,
            DateRole::Reported => Dates::Reported,
            _ => continue,
        };
        if let Ok(days) = DaySpan::of(&date.edtf) {
            document.add_days(dates, &days);
        }
    }
    each_mentioned_day(&subject, |days| document.add_days(Dates::Mentioned, &days));
}

/// The day of a time, in UTC.
fn day_of(recorded: Recorded) -> i32 {
    const NANOS: i64 = 86_400_000_000_000;
    // Nanoseconds of 64 bits reach some hundred thousand days.
    i32::try_from(recorded.nanos().div_euclid(NANOS)).unwrap_or(i32::MAX)
}

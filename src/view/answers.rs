//! Pages of answers: the entries behind the positions that were found, as whoever asks has them written.
//!
//! Two threads take the entries of a page some at a time: each reads their records, makes their states of them and has them
//! written. The state of an entry comes from its one record where the search view knows that there is no other; else the log
//! is asked for it. A page is cut as if one entry had been taken after the other.

use super::entry::{self, EntryAnswer};
use super::fetched;
use super::kept::Found;
use super::matching::{decode, entry_of, subject};
use super::page::PageToken;
use super::scan::Page;
use super::search;
use super::turns::{PIECE, shared};
use super::withdrawn::Documents;
use crate::filter::{Excerpt, Filter, Wording};
use crate::log::{Columns, EntryState, Log, ReadError, Run};
use crate::record::{Hash, Position, Status, codec};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of leaves and payloads after which a page ends.
const PAGE_BYTES: usize = 3_000_000;
/// About what is written of an entry beside its record.
const BESIDE_BYTES: usize = 64;
/// About what is written of a suggestion.
const SUGGESTION_BYTES: usize = 96;

/// Writes an entry behind those before it, in whatever form the page is sent.
pub type Write = dyn Fn(&EntryAnswer, &mut Vec<u8>) + Send + Sync;

/// Which part of an answer a page is, and how it is told.
pub(super) struct Cut {
    /// Its first position.
    pub start: usize,
    /// The most entries that it has.
    pub size: usize,
    pub as_of: Position,
    /// The name of the question.
    pub binding: Hash,
    /// Whether the documents that an entry is reported in are not looked at.
    pub records_only: bool,
    /// The words that excerpts are made around; `None` where none are wanted.
    pub excerpts: Option<Wording>,
    /// What the entries were found by.
    pub filter: Filter,
}

/// A page of an answer; nobody is to be given it once `cancelled` is set, and it is left unfinished.
///
/// # Errors
/// As reading the log.
pub(super) fn page(
    log: &Log,
    view: Option<&search::Search>,
    found: &Found,
    cut: &Cut,
    write: &Write,
    cancelled: &AtomicBool,
) -> Result<Page, ReadError> {
    let (as_of, binding) = (cut.as_of, cut.binding);
    let positions = &found.positions[..];
    let begin = || {
        let mut reading = Reading {
            log,
            view,
            cut,
            write,
            cancelled,
            documents: (!cut.records_only).then(|| Documents::new(log, as_of, cancelled)),
        };
        move |range: Range<usize>| reading.piece(&positions[range])
    };
    let gathered = gather(positions.len(), cut.start, cut.size, cancelled, begin)?;
    let more = gathered.end < positions.len();
    let last = gathered.end.checked_sub(1).map(|at| positions[at]);
    let token = PageToken {
        binding,
        as_of,
        answered: gathered.end as u64,
        last: Position::new(last.unwrap_or_default()),
    };
    Ok(Page {
        entries: gathered.written,
        count: gathered.entries as u64,
        excerpts: gathered.excerpts,
        next: more.then(|| token.encode()),
        as_of,
        total: positions.len() as u64,
        erased: found.erased,
        likened: found.likened,
        actors: Vec::new(),
    })
}

/// Entries of a page that stand one behind the other.
#[derive(Default)]
struct Piece {
    /// As they were written.
    bytes: Vec<u8>,
    told: Vec<Told>,
    /// How many positions were used up, those without an answer among them.
    used: usize,
    /// The bytes of all that are told.
    weight: usize,
    /// Why the position after them could not be read.
    error: Option<ReadError>,
}

/// One entry of a piece.
struct Told {
    /// How many positions the piece had used up with it.
    used: usize,
    /// Where it ends in the bytes.
    end: usize,
    /// The bytes of its record, of its excerpts and of the names beside it.
    weight: usize,
    excerpts: Option<Vec<Excerpt>>,
}

/// What the entries of a page are.
#[derive(Default)]
struct Gathered {
    written: Vec<Vec<u8>>,
    excerpts: Vec<Vec<Excerpt>>,
    entries: usize,
    weight: usize,
    /// The index after the last position that it used up: one without an answer is used up as well, so that the page after it
    /// neither repeats nor loses an entry.
    end: usize,
}

impl Gathered {
    /// Takes a piece in; says whether the page ends within it.
    fn add(&mut self, mut piece: Piece) -> Result<bool, ReadError> {
        let (mut written, begin) = (0, self.end);
        let mut is_cut = false;
        for told in piece.told {
            let weight = self.weight + told.weight;
            is_cut = weight > PAGE_BYTES && self.entries > 0;
            if is_cut {
                self.end = begin + told.used - 1;
                break;
            }
            (self.weight, written) = (weight, told.end);
            self.entries += 1;
            self.excerpts.extend(told.excerpts);
        }
        piece.bytes.truncate(written);
        if written > 0 {
            self.written.push(piece.bytes);
        }
        if is_cut {
            return Ok(true);
        }
        self.end = begin + piece.used;
        piece.error.map_or(Ok(self.weight > PAGE_BYTES), Err)
    }
}

/// The answers of one page. Each thread begins with what it reads pieces of positions by.
fn gather<R: FnMut(Range<usize>) -> Piece>(
    positions: usize,
    start: usize,
    size: usize,
    cancelled: &AtomicBool,
    begin: impl Fn() -> R + Sync,
) -> Result<Gathered, ReadError> {
    let mut gathered = Gathered {
        end: start,
        ..Gathered::default()
    };
    // Those without an answer are few: mostly the first turn has all.
    while gathered.end < positions && gathered.entries < size && !cancelled.load(Ordering::Relaxed) {
        let first = gathered.end;
        let last = positions.min(first + size - gathered.entries);
        for piece in pieces(first..last, &begin) {
            if gathered.add(piece)? {
                return Ok(gathered);
            }
        }
    }
    Ok(gathered)
}

/// The pieces of a range from its first on, without a gap: all, or so many that they have more than a page.
fn pieces<R: FnMut(Range<usize>) -> Piece>(
    range: Range<usize>,
    begin: &(impl Fn() -> R + Sync),
) -> Vec<Piece> {
    let weight = AtomicUsize::new(0);
    let begin = || {
        let mut read = begin();
        let (range, weight) = (&range, &weight);
        move |number: usize| {
            let first = range.start + number * PIECE;
            let piece = read(first..range.end.min(first + PIECE));
            // What follows one that could not be read is of no use.
            let own = if piece.error.is_some() {
                PAGE_BYTES + 1
            } else {
                piece.weight
            };
            weight.fetch_add(own, Ordering::Relaxed);
            piece
        }
    };
    let wants_more = || weight.load(Ordering::Relaxed) <= PAGE_BYTES;
    shared(range.len().div_ceil(PIECE), wants_more, begin)
}

/// What a thread makes pieces by.
struct Reading<'a> {
    log: &'a Log,
    view: Option<&'a search::Search>,
    cut: &'a Cut,
    write: &'a Write,
    cancelled: &'a AtomicBool,
    documents: Option<Documents<'a>>,
}

impl Reading<'_> {
    /// The entries at these positions, up to the one with which they are more than a page.
    fn piece(&mut self, positions: &[u64]) -> Piece {
        let positions: Vec<Position> = positions.iter().copied().map(Position::new).collect();
        let lasts = self.view.map(|view| view.are_last(&positions, self.cut.as_of));
        let is_last = |at: usize| lasts.as_ref().is_some_and(|lasts| lasts[at]);
        let mut piece = Piece::default();
        while piece.used < positions.len() && piece.weight <= PAGE_BYTES && piece.error.is_none() {
            if self.cancelled.load(Ordering::Relaxed) {
                piece.used = positions.len();
                break;
            }
            let rest = &positions[piece.used..];
            let runs = self.log.fetch_some(rest, Columns::Unsalted, fetched::BYTES);
            // Where one of them cannot be read, the one that is wanted may be.
            let runs = runs.or_else(|_| entry::one(self.log, rest[0]).map(|run| vec![run]));
            let told = runs.and_then(|runs| {
                let room: usize = runs.iter().map(|run| run.bytes() + BESIDE_BYTES).sum();
                piece.bytes.reserve(room);
                runs.into_iter().try_for_each(|run| {
                    let is_last = is_last(piece.used);
                    self.tell(run, is_last, &mut piece)
                })
            });
            piece.error = told.err();
        }
        piece
    }

    fn tell(&mut self, run: Run, is_last: bool, piece: &mut Piece) -> Result<(), ReadError> {
        let answer = self.answer(run, is_last)?;
        piece.used += 1;
        let Some(answer) = answer else {
            return Ok(());
        };
        let words = self.cut.excerpts.as_ref();
        let excerpts = words.map(|words| excerpts(words, &answer));
        let own: usize = excerpts.iter().flatten().map(bytes_of).sum();
        let named = answer.retracted_documents.iter();
        let named: usize = named
            .map(|one| one.series.as_str().len() + one.key.as_str().len())
            .sum();
        let weight = answer.run.bytes() + own + named + answer.suggested.len() * SUGGESTION_BYTES;
        (self.write)(&answer, &mut piece.bytes);
        piece.weight += weight;
        piece.told.push(Told {
            used: piece.used,
            end: piece.bytes.len(),
            weight,
            excerpts,
        });
        Ok(())
    }

    /// The entry of a record; `is_last` where the view knows of none that follows it.
    fn answer(&mut self, run: Run, is_last: bool) -> Result<Option<EntryAnswer>, ReadError> {
        let (position, as_of) = (run.first(), self.cut.as_of);
        let Some(record) = run.get(position) else {
            return Ok(None);
        };
        let leaf = decode(&record)?;
        let is_all = is_last && leaf.previous.is_none() && !record.erased;
        let state = if is_all {
            match EntryState::first(position, &leaf) {
                Ok(state) => Some(state),
                // It says what is wrong with the entry's name.
                Err(_) => entry_of(position, &leaf).map(|_| None)?,
            }
        } else {
            self.log.entry(&entry_of(position, &leaf)?, as_of)?
        };
        let Some(state) = state else {
            return Ok(None);
        };
        let retracted_documents = match &mut self.documents {
            Some(documents) => documents.retracted(&record, &state)?,
            None => Vec::new(),
        };
        // What was erased since is so in the answers as of then, too.
        let status = match record.erased {
            true => Status::Erased,
            false => state.status_of(leaf.revision),
        };
        let payload = (!record.erased).then_some(record.payload);
        let suggested = self
            .cut
            .filter
            .found_by(&subject(position, &leaf, payload, status));
        Ok(Some(EntryAnswer {
            retracted_documents,
            suggested,
            revision: state.revision(),
            status,
            run,
            state,
        }))
    }
}

/// The excerpts of an entry.
fn excerpts(words: &Wording, answer: &EntryAnswer) -> Vec<Excerpt> {
    let record = answer.record().filter(|record| !record.erased);
    let content = record.and_then(|record| codec::decode_content(record.payload).ok().flatten());
    content
        .map(|content| words.excerpts(&content))
        .unwrap_or_default()
}

/// About what an excerpt takes in an answer.
fn bytes_of(excerpt: &Excerpt) -> usize {
    excerpt.text.len() + excerpt.path.len() + 16 * excerpt.matches.len() + 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes a position as its number; one of weight 0 has no answer.
    fn piece(positions: &[(u8, usize)]) -> Piece {
        let mut piece = Piece::default();
        for (name, weight) in positions {
            if piece.weight > PAGE_BYTES {
                break;
            }
            piece.used += 1;
            if *weight > 0 {
                piece.bytes.push(*name);
                piece.weight += weight;
                piece.told.push(Told {
                    used: piece.used,
                    end: piece.bytes.len(),
                    weight: *weight,
                    excerpts: None,
                });
            }
        }
        piece
    }

    fn gathered(positions: &[(u8, usize)], start: usize, size: usize) -> (Vec<u8>, usize) {
        let begin = || |range: Range<usize>| piece(&positions[range]);
        let gathered = gather(positions.len(), start, size, &AtomicBool::default(), begin).unwrap();
        assert_eq!(gathered.written.concat().len(), gathered.entries);
        (gathered.written.concat(), gathered.end)
    }

    /// The same, one position after the other.
    fn in_turn(positions: &[(u8, usize)], start: usize, size: usize) -> (Vec<u8>, usize) {
        let (mut written, mut end, mut bytes) = (Vec::new(), start, 0);
        while let Some((name, weight)) = positions.get(end).filter(|_| written.len() < size) {
            bytes += weight;
            if *weight > 0 {
                if bytes > PAGE_BYTES && !written.is_empty() {
                    break;
                }
                written.push(*name);
            }
            end += 1;
            if bytes > PAGE_BYTES {
                break;
            }
        }
        (written, end)
    }

    #[test]
    fn a_page_that_leaves_an_entry_out_neither_repeats_nor_loses_another() {
        let positions = [(9, 1), (8, 0), (7, 1), (6, 1), (5, 1), (4, 0)];
        let mut pages = Vec::new();
        let mut start = 0;
        while start < positions.len() {
            let (page, end) = gathered(&positions, start, 2);
            pages.push(page);
            start = end;
        }
        assert_eq!(pages, [vec![9, 7], vec![6, 5], vec![]]);
    }

    #[test]
    fn a_page_ends_at_its_bytes_and_holds_at_least_one_entry() {
        let large = [3, 2, 1].map(|name| (name, PAGE_BYTES + 1));
        assert_eq!(gathered(&large, 0, 10), (vec![3], 1));
        assert_eq!(gathered(&large, 2, 10), (vec![1], 3));
    }

    #[test]
    fn what_cannot_be_read_is_told_only_where_the_page_gets_there() {
        let read = |size: usize| {
            let begin = || {
                |range: Range<usize>| {
                    let mut piece = piece(&vec![(1, PAGE_BYTES / 100); range.len()]);
                    piece.error = read_error().filter(|_| range.contains(&120));
                    piece
                }
            };
            gather(1_000, 0, size, &AtomicBool::default(), begin)
        };
        assert_eq!(read(100).unwrap().entries, 100);
        assert_eq!(read(1_000).unwrap().entries, 100, "the page is full before");
        assert!(
            gather(1, 0, 1, &AtomicBool::default(), || |_| Piece {
                error: read_error(),
                ..Piece::default()
            })
            .is_err()
        );
    }

    fn read_error() -> Option<ReadError> {
        let (position, tail) = (Position::START, Position::START);
        Some(ReadError::BeyondTail { position, tail })
    }

    proptest! {
        #[test]
        fn a_page_of_two_threads_is_the_one_that_is_made_in_turn(
            weights in proptest::collection::vec(prop_oneof![4 => 1..50_000_usize, 1 => Just(0), 1 => 1..PAGE_BYTES * 2], 0..400),
            start in 0..400_usize,
            size in 1..300_usize,
        ) {
            let positions: Vec<_> = weights.iter().enumerate().map(|(at, weight)| (at as u8, *weight)).collect();
            prop_assert_eq!(gathered(&positions, start, size), in_turn(&positions, start, size));
        }
    }
}

//! Pages of answers: the entries behind the positions that were found.
//!
//! Records are read some at a time, and the state of an entry comes from its one record where the search view knows that there
//! is no other; else the log is asked for it.

use super::entry::{self, EntryAnswer};
use super::kept::Found;
use super::matching::{decode, entry_of};
use super::page::PageToken;
use super::scan::Page;
use super::search;
use super::withdrawn::Documents;
use crate::filter::{Excerpt, Wording};
use crate::log::{Columns, EntryState, Log, ReadError, Run};
use crate::record::{Hash, Position, Status, codec};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of leaves and payloads after which a page ends.
const PAGE_BYTES: usize = 3_000_000;

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
    cancelled: &AtomicBool,
) -> Result<Page, ReadError> {
    let (as_of, binding) = (cut.as_of, cut.binding);
    let mut ahead = Ahead::new(log, &found.positions);
    let mut documents = (!cut.records_only).then(|| Documents::new(log, as_of, cancelled));
    let fetch = |at: usize, position| {
        if cancelled.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let run = ahead.take(at, Position::new(position))?;
        let answer = answer_of(log, view, run, Position::new(position), as_of, documents.as_mut())?;
        let told = |answer: EntryAnswer| {
            let excerpts = cut.excerpts.as_ref().map(|words| excerpts(words, &answer));
            let own: usize = excerpts.iter().flatten().map(bytes_of).sum();
            let named = answer.retracted_documents.iter();
            let named: usize = named
                .map(|one| one.series.as_str().len() + one.key.as_str().len())
                .sum();
            (answer.run.bytes() + own + named, (answer, excerpts))
        };
        Ok(answer.map(told))
    };
    let (entries, end) = gather(&found.positions, cut.start, cut.size, fetch)?;
    let (entries, excerpts): (_, Vec<_>) = entries.into_iter().unzip();
    let more = end < found.positions.len();
    let token = PageToken {
        binding,
        as_of,
        answered: end as u64,
        last: Position::new(
            end.checked_sub(1)
                .and_then(|at| found.positions.get(at))
                .copied()
                .unwrap_or_default(),
        ),
    };
    Ok(Page {
        entries,
        excerpts: excerpts.into_iter().flatten().collect(),
        next: more.then(|| token.encode()),
        as_of,
        total: found.positions.len() as u64,
        erased: found.erased,
        likened: found.likened,
    })
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

/// The answers of one page, and the index after the last position that it used up: one without an answer is used up
/// as well, so that the page after it neither repeats nor loses an entry. `fetch` says the bytes of an answer too.
fn gather<T>(
    positions: &[u64],
    start: usize,
    size: usize,
    mut fetch: impl FnMut(usize, u64) -> Result<Option<(usize, T)>, ReadError>,
) -> Result<(Vec<T>, usize), ReadError> {
    let mut answers = Vec::new();
    let (mut end, mut bytes) = (start, 0);
    while let Some(position) = positions.get(end).filter(|_| answers.len() < size) {
        if let Some((own, answer)) = fetch(end, *position)? {
            bytes += own;
            if bytes > PAGE_BYTES && !answers.is_empty() {
                break;
            }
            answers.push(answer);
        }
        end += 1;
    }
    Ok((answers, end))
}

/// Records of an answer that were read together, a little ahead of the one that is wanted.
struct Ahead<'a> {
    log: &'a Log,
    positions: &'a [u64],
    runs: HashMap<u64, Run>,
    /// Records that are read together next.
    records: usize,
}

/// Records that are read together at first. What they hold is bounded by what one record may have.
const AHEAD_RECORDS: usize = 64;
/// The most records that are read together, where those before were small.
const AHEAD_RECORDS_MAX: usize = 1_024;
/// About what records hold that are read together after the first ones.
const AHEAD_BYTES: usize = 4 << 20;

impl<'a> Ahead<'a> {
    fn new(log: &'a Log, positions: &'a [u64]) -> Self {
        Self {
            log,
            positions,
            runs: HashMap::new(),
            records: AHEAD_RECORDS,
        }
    }

    /// The record at the `at`-th position.
    fn take(&mut self, at: usize, position: Position) -> Result<Run, ReadError> {
        if let Some(run) = self.runs.remove(&position.get()) {
            return Ok(run);
        }
        let end = self.positions.len().min(at + self.records);
        let mut positions: Vec<Position> = self.positions[at..end]
            .iter()
            .copied()
            .map(Position::new)
            .collect();
        // Ascending positions are read soonest.
        positions.sort_unstable();
        // Where one of them cannot be read, the one that is wanted may be.
        if let Ok(runs) = self.log.fetch(&positions, Columns::Unsalted) {
            let bytes: usize = runs.iter().map(Run::bytes).sum();
            let fitting = AHEAD_BYTES / (bytes / runs.len().max(1)).max(1);
            self.records = fitting.clamp(AHEAD_RECORDS, AHEAD_RECORDS_MAX);
            let read = positions.iter().map(|position| position.get()).zip(runs);
            self.runs = read.collect();
        }
        let ahead = self.runs.remove(&position.get());
        ahead.map_or_else(|| entry::one(self.log, position), Ok)
    }
}

fn answer_of(
    log: &Log,
    view: Option<&search::Search>,
    run: Run,
    position: Position,
    as_of: Position,
    documents: Option<&mut Documents<'_>>,
) -> Result<Option<EntryAnswer>, ReadError> {
    let Some(record) = run.get(position) else {
        return Ok(None);
    };
    let leaf = decode(&record)?;
    let entry = entry_of(position, &leaf)?;
    let is_all =
        leaf.previous.is_none() && !record.erased && view.is_some_and(|view| view.is_last(position, as_of));
    let state = if is_all {
        EntryState::first(position, &leaf).ok()
    } else {
        log.entry(&entry, as_of)?
    };
    let Some(state) = state else {
        return Ok(None);
    };
    Ok(Some(EntryAnswer {
        retracted_documents: match documents {
            Some(documents) => documents.retracted(&record, &state)?,
            None => Vec::new(),
        },
        revision: state.revision(),
        // What was erased since is so in the answers as of then, too.
        status: match record.erased {
            true => Status::Erased,
            false => state.status_of(leaf.revision),
        },
        run: run.clone(),
        state,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_leaves_an_entry_out_neither_repeats_nor_loses_another() {
        let positions = [9, 8, 7, 6, 5, 4];
        let fetch = |_, position| Ok((position != 8 && position != 4).then_some((1, position)));
        let mut pages = Vec::new();
        let mut start = 0;
        while start < positions.len() {
            let (page, end) = gather(&positions, start, 2, fetch).unwrap();
            pages.push(page);
            start = end;
        }
        assert_eq!(pages, [vec![9, 7], vec![6, 5], vec![]]);
    }

    #[test]
    fn a_page_ends_at_its_bytes_and_holds_at_least_one_entry() {
        let fetch = |_, position| Ok(Some((PAGE_BYTES + 1, position)));
        assert_eq!(gather(&[3, 2, 1], 0, 10, fetch).unwrap(), (vec![3], 1));
        assert_eq!(gather(&[3, 2, 1], 2, 10, fetch).unwrap(), (vec![1], 3));
    }
}

//! Answers in order of relevance: those entries first that have most of the words that a filter asks for, the rare ones above all.
//!
//! The measure is BM25, as S. Robertson and H. Zaragoza give it in *The Probabilistic Relevance Framework: BM25 and Beyond* (2009),
//! over title, body and names together; that a word of a title counts as several is from S. Robertson, H. Zaragoza and M. Taylor,
//! *Simple BM25 Extension to Multiple Weighted Fields* (2004). How often an entry has a word and how long it is, its own texts say.
//! How rare a word is, is told by the number of entries with it as of the answer's position, among all records below that. It is
//! counted as every count is, so that it is the same with the index and without; and so is the order.

use super::fetched;
use super::matching::Admitted;
use super::scan::walk;
use super::search::{Search, Unanswered};
use crate::filter::{Filter, Occurrences, Wording};
use crate::log::{Columns, Log, ReadError};
use crate::record::{Position, codec};
use std::sync::atomic::{AtomicBool, Ordering};

/// The newest matches that are ranked, since their records are read for it; the others follow, the newest first.
pub const RANKED_MAX: usize = 10_000;
/// The most different words that a filter may ask for; each is counted.
pub const WORDS_MAX: usize = 64;
/// How soon it counts no more that a word stands in a text again.
const K1: f64 = 1.2;
/// How much a text must have a word more often for being longer, from 0 to 1.
const B: f64 = 0.75;

/// The positions of an answer, given newest first, in order of relevance: of equal ones the newest first, and behind them what is not
/// ranked.
///
/// # Errors
/// [`ReadError`].
pub fn ranked(
    log: &Log,
    view: Option<&Search>,
    filter: &Filter,
    as_of: Position,
    mut newest_first: Vec<u64>,
    cancelled: &AtomicBool,
) -> Result<Vec<u64>, ReadError> {
    let wording = filter.wording();
    let ranked = newest_first.len().min(RANKED_MAX);
    let held = wording.held(&held(log, view, &wording.words(), as_of, cancelled)?);
    let found = occurrences(log, &wording, &newest_first[..ranked], cancelled)?;
    if cancelled.load(Ordering::Relaxed) {
        return Ok(newest_first);
    }
    let measure = Bm25::of(&held, as_of.get(), &found);
    let scores = found.iter().map(|one| measure.score(one));
    let mut scored: Vec<(f64, u64)> = scores.zip(newest_first.iter().copied()).collect();
    // The sort is stable, and they were newest first.
    scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    for (place, (_, position)) in newest_first.iter_mut().zip(scored) {
        *place = position;
    }
    Ok(newest_first)
}

/// How many entries pass each of the filters as of a position: by the search view where it can say, else in one look at every record.
fn held(
    log: &Log,
    view: Option<&Search>,
    words: &[Filter],
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<Vec<u64>, ReadError> {
    if let Some(held) = view.map_or(Ok(None), |view| by_view(log, view, words, as_of, cancelled))? {
        return Ok(held);
    }
    let mut held = vec![0; words.len()];
    walk(log, Position::START..as_of, Columns::All, cancelled, |hit| {
        for (word, held) in words.iter().zip(&mut held) {
            *held += u64::from(hit.matches(word, Admitted::by(word)));
        }
    })?;
    Ok(held)
}

/// The same by the search view; `None` where it cannot say.
fn by_view(
    log: &Log,
    view: &Search,
    words: &[Filter],
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<Option<Vec<u64>>, ReadError> {
    let mut all = Vec::with_capacity(words.len());
    for word in words {
        match view.contents(log, word, as_of, cancelled) {
            Ok((held, _)) => all.push(held.count()),
            Err(Unanswered::Read(error)) => return Err(error),
            Err(Unanswered::Index(_) | Unanswered::Useless) => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// How often each record has what is asked for; one whose content was erased has nothing.
fn occurrences(
    log: &Log,
    wording: &Wording,
    positions: &[u64],
    cancelled: &AtomicBool,
) -> Result<Vec<Occurrences>, ReadError> {
    let mut all = Vec::with_capacity(positions.len());
    let positions: Vec<Position> = positions.iter().copied().map(Position::new).collect();
    fetched::each(log, &positions, cancelled, |_, run| {
        let record = run.iter().next().filter(|record| !record.erased);
        let content = record.and_then(|record| codec::decode_content(record.payload).ok().flatten());
        all.push(wording.occurrences(&content.unwrap_or_default()));
        Ok::<_, ReadError>(())
    })?;
    Ok(all)
}

/// How relevant entries are beside each other.
#[derive(Debug)]
struct Bm25 {
    /// What one word or phrase weighs, the more the fewer entries have it.
    weights: Vec<f64>,
    /// How many words an entry has.
    mean_words: f64,
}

impl Bm25 {
    /// A measure of words that so many of all records have, for entries that have them so often.
    fn of(held: &[u64], records: u64, found: &[Occurrences]) -> Self {
        let weight = |held: &u64| {
            let (held, records) = (number(*held), number(records));
            // One is added so that a word that most have counts little, and never against an entry.
            (1.0 + (records - held + 0.5).max(0.5) / (held + 0.5)).ln()
        };
        let words: u64 = found.iter().map(|one| u64::from(one.words)).sum();
        Self {
            weights: held.iter().map(weight).collect(),
            mean_words: (number(words) / number(found.len() as u64)).max(1.0),
        }
    }

    fn score(&self, found: &Occurrences) -> f64 {
        let length = 1.0 - B + B * f64::from(found.words) / self.mean_words;
        let one = |(weight, times): (&f64, &u32)| {
            let times = f64::from(*times);
            weight * times / (times + K1 * length)
        };
        self.weights.iter().zip(&found.times).map(one).sum()
    }
}

/// Counts of an archive are far below where a float skips whole numbers.
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(times: &[u32], words: u32) -> Occurrences {
        Occurrences {
            times: times.to_vec(),
            words,
        }
    }

    fn is_near(score: f64, expected: f64) {
        assert!((score - expected).abs() < 1e-6, "{score} {expected}");
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        // Worked out by hand: 10 records, of which 2 have the first word and 6 the second; three texts of 8 words in the mean.
        let entries = [found(&[1, 1], 8), found(&[3, 0], 16), found(&[0, 2], 0)];
        let measure = Bm25::of(&[2, 6], 10, &entries);
        is_near(measure.weights[0], (1.0_f64 + 8.5 / 2.5).ln());
        is_near(measure.weights[1], (1.0_f64 + 4.5 / 6.5).ln());
        // ln 4.4 = 1.4816045, ln 1.6923077 = 0.5260931; lengths 1, 1.75, 0.25.
        is_near(measure.score(&entries[0]), (1.481_604_5 + 0.526_093_1) / 2.2);
        is_near(measure.score(&entries[1]), 1.481_604_5 * 3.0 / 5.1);
        is_near(measure.score(&entries[2]), 0.526_093_1 * 2.0 / 2.3);
    }

    #[test]
    fn what_all_have_counts_little_and_never_against_an_entry() {
        let entries = [found(&[1], 5), found(&[0], 5)];
        let measure = Bm25::of(&[10], 10, &entries);
        assert!(measure.score(&entries[0]) > 0.0);
        is_near(measure.score(&entries[1]), 0.0);
        let none = Bm25::of(&[0], 0, &[]);
        assert!(none.score(&found(&[1], 0)).is_finite());
    }
}

//! Kinds of event: phrases that speak for one, sentence by sentence.
//!
//! Of the phrases of a sentence the most telling one counts, so that a sentence suggests one kind of event at most. `data/suggest/events.tsv`
//! has the phrases; a `*` in one stands for up to four words.

use super::names::{is_whole, lines};
use super::text::Read;
use super::words::List;
use super::{Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion};
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

const EVENTS: &str = include_str!("../../data/suggest/events.tsv");
/// How many words a `*` stands for.
const GAP_WORDS: usize = 4;
/// A phrase of this weight is suggested only where a document has no other: that somebody said something.
const WEAK: u8 = 1;
/// The code of phrases that speak for nothing.
const NONE: &str = "-";
/// How many words before a phrase may say that it did not happen.
const NEGATION_WORDS: usize = 4;
/// How many words before a phrase a denial of reports of it may stand.
const DENIAL_WORDS: usize = 10;

static PHRASES: LazyLock<Phrases> = LazyLock::new(Phrases::read);

struct Phrases {
    finder: AhoCorasick,
    /// For each beginning: what may follow it, longest first, and what it then speaks for.
    endings: Vec<Vec<Ending>>,
}

#[derive(Clone, Copy)]
struct Ending {
    behind: &'static str,
    code: &'static str,
    weight: u8,
}

impl Phrases {
    fn read() -> Self {
        let mut by_beginning: BTreeMap<String, Vec<Ending>> = BTreeMap::new();
        for line in lines(EVENTS) {
            let [code, weight, phrases] = line[..] else {
                continue;
            };
            let weight = weight.parse().unwrap_or(WEAK);
            for phrase in phrases.split('|') {
                let (beginning, behind) = phrase.split_once(" * ").unwrap_or((phrase, ""));
                let ending = Ending { behind, code, weight };
                by_beginning.entry(beginning.to_owned()).or_default().push(ending);
            }
        }
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            // So few phrases cost it hardly any memory.
            .kind(Some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(true)
            .build(by_beginning.keys())
            .expect("the table is small and compiled in; a test reads it");
        let mut endings: Vec<Vec<Ending>> = by_beginning.into_values().collect();
        for of_one in &mut endings {
            of_one.sort_by_key(|ending| {
                (
                    std::cmp::Reverse(ending.behind.len()),
                    std::cmp::Reverse(ending.weight),
                )
            });
        }
        Self { finder, endings }
    }
}

/// Suggests the kinds of event of a part; no more than a document may suggest.
pub(super) fn find(read: &Read<'_>, into: &mut Vec<Suggestion>) {
    let is_statement = |one: &&Suggestion| matches!(one.what, Suggested::Statement { .. });
    let quoted: Vec<Range<usize>> = into
        .iter()
        .filter(is_statement)
        .map(|one| one.range.clone())
        .collect();
    // What is quoted is what somebody says, not what happened.
    let is_quoted = |at: usize| {
        let next = quoted.partition_point(|range| range.end <= at);
        quoted.get(next).is_some_and(|range| range.start <= at)
    };
    let mut by_sentence: BTreeMap<usize, Ending> = BTreeMap::new();
    for found in PHRASES.finder.find_iter(read.text) {
        if !is_whole(read.text, found.range()) || is_quoted(found.start()) {
            continue;
        }
        let endings = &PHRASES.endings[found.pattern().as_usize()];
        let Some(ending) = endings
            .iter()
            .find(|ending| follows(read, found.end(), ending.behind))
        else {
            continue;
        };
        if ending.code == NONE || is_negated(read, found.start()) {
            continue;
        }
        let sentence = read
            .sentences
            .partition_point(|sentence| sentence.end <= found.start());
        let best = by_sentence.entry(sentence).or_insert(*ending);
        if ending.weight > best.weight {
            *best = *ending;
        }
    }
    let has_strong = by_sentence.values().any(|ending| ending.weight > WEAK);
    let told = by_sentence.into_iter();
    let told = told.filter(|(_, ending)| !has_strong || ending.weight != WEAK);
    for (sentence, ending) in told.take(SUGGESTIONS_MAX) {
        into.push(Suggestion {
            part: Part::Text,
            range: read
                .sentences
                .get(sentence)
                .cloned()
                .unwrap_or(0..read.text.len()),
            what: Suggested::Event(ending.code),
            rule: Rule::EventPhrase,
        });
    }
}

/// Words that say of what follows that it is not so.
static NO: List = List::new("events.no");
/// Words that say so of what follows at once.
static NO_BEFORE: List = List::new("events.no-before");
/// Words that say of what follows that it may be so, or was not to be.
static PERHAPS: List = List::new("events.perhaps");
/// Words before `to` and what somebody does not do.
static REFUSED: List = List::new("events.refused");
/// Words before what is not held to be so, or not done yet.
static PUT_OFF: List = List::new("events.put-off");
/// What is told and need not be so.
static TOLD: List = List::new("events.told");
/// Words before that, of those who say that it is not.
static REJECTED: List = List::new("events.rejected");

/// Whether the words before a phrase say that it did not happen: `did not sign`, `no agreement was signed`, `denied reports that it
/// attacked`, `if it attacked`, `threatened to expel`.
fn is_negated(read: &Read<'_>, from: usize) -> bool {
    let at = read.word_at(from);
    for before in (at.saturating_sub(DENIAL_WORDS)..at).rev() {
        if !read.words.get(before + 1).is_some_and(|word| word.joins) {
            return false;
        }
        let (word, behind) = (read.word(before), read.word(before + 1));
        let distance = at - before;
        let is_near = distance <= 2;
        let is_denied = REJECTED.contains(&word) && TOLD.contains(&behind);
        let is_no = match word {
            "not" => behind != "only",
            _ if word.ends_with("n't") || word.ends_with("n’t") => true,
            _ => {
                NO.contains(&word)
                    || PERHAPS.contains(&word)
                    || is_near && NO_BEFORE.contains(&word)
                    || distance <= 4 && PUT_OFF.contains(&word)
            }
        };
        let is_refused = REFUSED.contains(&word) && behind == "to" && is_near;
        if is_denied || is_refused || is_no && distance <= NEGATION_WORDS {
            return true;
        }
    }
    false
}

/// Where in a sentence the first phrase stands that speaks for a kind of event.
pub(super) fn phrase(read: &Read<'_>, sentence: &Range<usize>, code: &str) -> Option<Range<usize>> {
    let within = Input::new(read.text).range(sentence.clone());
    let mut found = PHRASES.finder.find_iter(within);
    let found = found.find(|found| {
        let endings = &PHRASES.endings[found.pattern().as_usize()];
        let ending = endings
            .iter()
            .find(|ending| follows(read, found.end(), ending.behind));
        let is_told = is_whole(read.text, found.range()) && !is_negated(read, found.start());
        is_told && ending.is_some_and(|ending| ending.code == code)
    })?;
    Some(found.range())
}

/// Whether words follow a byte within a few words of the same sentence.
fn follows(read: &Read<'_>, from: usize, behind: &str) -> bool {
    if behind.is_empty() {
        return true;
    }
    let first = read.word_at(from);
    let last = (first + GAP_WORDS).min(read.words.len().saturating_sub(1));
    let end = read.sentence_of(from).end;
    (first..=last).any(|at| {
        let word = read.words[at];
        word.from < end
            && read.text[word.from..].starts_with(behind)
            && is_whole(read.text, word.from..word.from + behind.len())
    })
}

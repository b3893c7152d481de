//! Whether the day that a sentence names has been or is to come.
//!
//! What stands before the day decides, the nearest word first: `will travel on Friday`, but `will travel, he said on Friday`. Where signs
//! speak for both, or for neither as surely as a day needs it, it is unsure, and nothing is suggested.

use super::statements;
use super::text::Read;
use super::words::List;

/// What is said of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tense {
    /// It has been.
    Past,
    /// It is to come.
    ToCome,
    /// It may be either.
    Unsure,
}

/// How many words before a day may say when it is.
const WORDS_BEFORE: usize = 20;
/// How many words behind the day with which a sentence begins may say so.
const WORDS_BEHIND: usize = 10;
/// How many words a sentence may have before the day that it begins with: `On Friday`.
const BEGINNING_WORDS: usize = 2;
/// Words behind `due to` that are verbs: a meeting is due to begin, and cancelled due to rain.
static DUE_TO: List = List::new("tense.due-to");
/// Verbs in the present tense by which dispatches say what is to come: `the talks resume on Saturday`.
static PRESENT: List = List::new("tense.present");
/// Words behind which one of those is a noun.
static DETERMINERS: List = List::new("tense.determiners");
/// Verbs in the past tense that do not end in `ed`.
static WERE: List = List::new("tense.were");
/// Words that end in `ed` and say nothing of the past.
static NOT_PAST: List = List::new("tense.not-past");

/// When the day is that a word names.
pub(super) fn of_day(read: &Read<'_>, at: usize) -> Tense {
    let sentence = read.sentence_of(read.words[at].from);
    let first = read.word_at(sentence.start);
    let behind = read.word_at(sentence.end);
    let begins = at - first.min(at) <= BEGINNING_WORDS;
    if begins && let Some(tense) = ahead(read, at + 1..behind.min(at + 1 + WORDS_BEHIND)) {
        return tense;
    }
    // `those who were seized on Friday will be tried`, `the talks on Friday will begin`.
    let joins = read.words.get(at + 1).is_some_and(|word| word.joins);
    if !begins && joins && is_will(read.word(at + 1)) {
        return Tense::Unsure;
    }
    // `by Friday`, `a week ago Friday`, `a week from Friday`.
    let is_week = at > 1 && read.word(at - 2) == "week";
    if matches!(
        word_before(read, at),
        "before" | "until" | "till" | "by" | "ago" | "week"
    ) || is_week
    {
        return Tense::Unsure;
    }
    back(read, first.max(at.saturating_sub(WORDS_BEFORE))..at)
}

/// What the words behind a day say, the first first.
fn ahead(read: &Read<'_>, mut words: std::ops::Range<usize>) -> Option<Tense> {
    words.find_map(|at| match read.word(at) {
        "that" | "which" | "who" => Some(Tense::Past),
        word if is_past(read, at, word) || statements::is_of_speech(word) => Some(Tense::Past),
        _ if is_to_come(read, at) => Some(Tense::ToCome),
        _ => None,
    })
}

/// What the words before a day say, the last first.
fn back(read: &Read<'_>, words: std::ops::Range<usize>) -> Tense {
    let (mut is_past_between, mut is_present) = (false, false);
    for at in words.rev() {
        let word = read.word(at);
        if statements::is_of_speech(word) {
            break;
        }
        match word {
            _ if is_to_come(read, at) && is_past_between => return Tense::Unsure,
            _ if is_to_come(read, at) => return Tense::ToCome,
            "would" | "could" | "may" | "might" if read.word(at + 1) != "not" => return Tense::Unsure,
            // `agreed to meet on Monday`, but `agreed to a truce on Monday`.
            "agreed" | "pledged" | "promised" | "vowed" | "planned"
                if read.word(at + 1) == "to" && !DETERMINERS.contains(&read.word(at + 2)) =>
            {
                return Tense::Unsure;
            }
            "is" | "are" if read.word(at + 1) == "due" => return Tense::Unsure,
            "upcoming" => is_present = true,
            "after" | "since" | "following" => is_past_between = true,
            _ if is_past(read, at, word) => is_past_between = true,
            _ if PRESENT.contains(&word) && !DETERMINERS.contains(&word_before(read, at)) => {
                is_present = true
            }
            _ => {}
        }
    }
    match is_present {
        true => Tense::Unsure,
        false => Tense::Past,
    }
}

fn word_before<'t>(read: &Read<'t>, at: usize) -> &'t str {
    at.checked_sub(1).map_or("", |before| read.word(before))
}

fn is_will(word: &str) -> bool {
    matches!(word, "will" | "shall")
}

/// Whether a word is a verb of the past, as far as that can be seen.
pub(super) fn is_of_the_past(word: &str) -> bool {
    let ends = word.len() > 4 && word.ends_with("ed") && word.starts_with(char::is_lowercase);
    WERE.contains(&word) || ends && !NOT_PAST.contains(&word)
}

/// Whether a word is of the past: not `to be signed`.
fn is_past(read: &Read<'_>, at: usize, word: &str) -> bool {
    let is_participle = matches!(word_before(read, at), "be" | "been" | "being");
    is_of_the_past(word) && !is_participle
}

/// Whether a word, with the one behind it, says that something is to come.
fn is_to_come(read: &Read<'_>, at: usize) -> bool {
    let behind = read.word(at + 1);
    match read.word(at) {
        word if is_will(word) => true,
        "scheduled" => true,
        "planned" => matches!(behind, "for" | "on"),
        "expected" => {
            matches!(behind, "to" | "on" | "in" | "at") && !matches!(word_before(read, at), "than" | "as")
        }
        "plans" | "plan" | "intends" | "intend" => behind == "to",
        "set" => matches!(behind, "to" | "for"),
        "is" | "are" => behind == "to",
        "ahead" => behind == "of",
        "due" if behind == "to" => DUE_TO.contains(&read.word(at + 2)),
        "due" => matches!(behind, "on" | "in" | "at" | "back") || super::days::is_of_a_date(behind),
        _ => false,
    }
}

//! Offices: what stands before a name, behind it, or beside it after a comma, and says what the person is.
//!
//! An office never reaches over the end of a sentence, and what stands beside a name is one only where it is nothing else: an article or
//! whose it is, words that say of what it is, a word for an office, and what that is of. A verb in it makes it a part of the sentence.

use super::names::{Hit, Meaning};
use super::text::Read;
use super::words::List;
use super::{beside, days, statements, tense};
use crate::derive::Iso3;
use std::ops::Range;

/// How far before a rank an office may stand: `Chairman of the Joint Chiefs of Staff Committee Gen. ...`.
const OFFICE_WORDS: usize = 9;
/// How many words before an office may say whose it is.
const OFFICE_WORDS_BEFORE: usize = 5;
/// The most words of an office that stands beside a name.
const APPOSITION_WORDS: usize = 14;
/// The most words before a word for an office that no table knows: `information`, `railways`.
const UNKNOWN_WORDS: usize = 2;
/// The most bytes of an office: what is longer is none.
pub(super) const OFFICE_BYTES_MAX: usize = 256;
/// Words that say of what an office is, without a capital: `foreign policy chief`.
static OF_AN_OFFICE: List = List::new("offices.of-an-office");
/// Words that say when an office is held.
static OF_A_TIME: List = List::new("offices.of-a-time");
/// Words for an office.
static OFFICE_NOUNS: List = List::new("offices.office-nouns");
static ARTICLES: List = List::new("offices.articles");
/// Words that say whose an office is, without a name.
static OWNERS: List = List::new("offices.owners");
/// Words that no office has before its noun.
static OF_SENTENCES: List = List::new("offices.of-sentences");
/// Verbs and other words that no office has behind its noun.
static NO_OFFICE: List = List::new("offices.no-office");

/// An office beside a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Office {
    /// Its words; none where only its country is known.
    pub range: Option<Range<usize>>,
    /// Whose it is.
    pub country: Option<Iso3>,
    /// Whether its sentence begins with it.
    pub begins: bool,
}

/// The office of titles with whose it is: `Iranian President`, `Pakistan Army chief`; where they have none, one that stands before them
/// and says of what it is: `Chairman of the ... Committee`.
pub(super) fn of_titles(read: &Read<'_>, at: usize, office: Option<Range<usize>>) -> Office {
    let Some(office) = office else {
        return before_a_name(read, at);
    };
    let first = read.word_at(office.start);
    let mut from = office.start;
    let mut country = None;
    for before in (first.saturating_sub(OFFICE_WORDS_BEFORE)..first).rev() {
        if !read.words[before + 1].joins {
            break;
        }
        let word = read.word(before);
        let hit = read.hit_at(read.words[before].from);
        // Before whose it is only `former` stands.
        let goes_on = match country_of_hit(read, hit) {
            _ if OF_A_TIME.contains(&word) => true,
            _ if country.is_some() => false,
            Some(code) => {
                country = Some(code);
                true
            }
            None => read.words[before].is_capital || OF_AN_OFFICE.contains(&word),
        };
        if !goes_on {
            break;
        }
        from = read.words[before].from;
    }
    // The capital of the first word of a sentence says nothing.
    let is_start = read.sentence_of(from).start == from;
    let is_sure = country.is_some() || OF_A_TIME.contains(&read.word(read.word_at(from)));
    let from = if is_start && !is_sure { office.start } else { from };
    Office {
        range: Some(from..office.end),
        country: country.flatten(),
        begins: is_start,
    }
}

/// The country of what has one, and whether anything was named whose an office may be.
fn country_of_hit(read: &Read<'_>, hit: Option<&Hit>) -> Option<Option<Iso3>> {
    let hit = hit?;
    match hit.meaning {
        // `Georgia Governor` is of no country that the tables know.
        Meaning::Country(_) if beside::is_another(read, hit) => Some(None),
        Meaning::Country(code) | Meaning::Nation(code) => Some(Some(code)),
        Meaning::Organisation(_, code) => Some(code),
        _ => None,
    }
}

/// An office that stands before a rank or a bare name and says of what it is.
fn before_a_name(read: &Read<'_>, at: usize) -> Office {
    let first = at.saturating_sub(OFFICE_WORDS);
    for before in (first..at).rev() {
        if !read.words[before + 1].joins {
            break;
        }
        let Some(hit) = read.hit_at(read.words[before].from) else {
            continue;
        };
        let is_office = matches!(hit.meaning, Meaning::Title { is_office: true });
        let behind = read.word_at(hit.range.end);
        let is_other = |word| is_no_office(read, word) || joins_another(read, word);
        let is_of = read.word(behind) == "of" && !(behind..at).any(is_other);
        if is_office && (behind == at || is_of) {
            let range = hit.range.start..read.words[at - 1].to;
            return Office {
                country: country_in(read, range.clone()),
                range: Some(range),
                begins: false,
            };
        }
    }
    Office::default()
}

/// The first country that is named within a range.
fn country_in(read: &Read<'_>, range: Range<usize>) -> Option<Iso3> {
    let hits = read.hits_in(range).iter();
    { hits }.find_map(|hit| country_of_hit(read, Some(hit)).flatten())
}

/// The office behind a name and a comma: `, the chief of General Staff of Iran's armed forces,`; `next` is the word behind the name.
pub(super) fn behind(read: &Read<'_>, name_end: usize, next: usize) -> Option<Office> {
    if !stands_behind_comma(read, name_end, next) {
        return None;
    }
    let most = read.words.len().min(next + APPOSITION_WORDS + 1);
    let end = (next + 1..most).find(|at| !read.words[*at].joins);
    let end = end.or_else(|| (most == read.words.len()).then_some(most))?;
    let first = next + usize::from(ARTICLES.contains(&read.word(next)));
    let noun = noun_behind(read, first..end)?;
    let is_rest = |at: usize| !is_no_office(read, at) && !joins_another(read, at);
    if !(noun..end).all(is_rest) {
        return None;
    }
    let range = read.words.get(first)?.from..read.words[end - 1].to;
    Some(Office {
        country: country_in(read, range.clone()),
        range: Some(range).filter(|range| range.len() <= OFFICE_BYTES_MAX),
        begins: false,
    })
}

/// The word behind the noun of an office that begins with the first of these words.
fn noun_behind(read: &Read<'_>, words: Range<usize>) -> Option<usize> {
    let (mut at, mut unknown) = (words.start, 0);
    while at < words.end {
        if let Some(next) = noun(read, at) {
            let behind = read.word(next);
            if next >= words.end || matches!(behind, "of" | "for" | "to" | "at" | "in" | "and") {
                return Some(next.min(words.end));
            }
        }
        let word = read.word(at);
        match country_of_hit(read, read.hit_at(read.words[at].from)) {
            Some(_) => {
                let hit = read.hit_at(read.words[at].from)?;
                at = read.word_at(hit.range.end).max(at + 1);
                continue;
            }
            None if OWNERS.contains(&word) && at == words.start => {}
            None if read.words[at].is_capital => {}
            None if OF_AN_OFFICE.contains(&word) || OF_A_TIME.contains(&word) || is_possessive(word) => {}
            None if OF_SENTENCES.contains(&word) || is_no_office(read, at) || unknown >= UNKNOWN_WORDS => {
                return None;
            }
            None => unknown += 1,
        }
        at += 1;
    }
    None
}

/// The office before a name and a comma: `the army chief, Qamar Javed Bajwa`.
pub(super) fn before(read: &Read<'_>, at: usize) -> Option<Office> {
    let last = at.checked_sub(1)?;
    if !stands_behind_comma(read, read.words[last].to, at) {
        return None;
    }
    let first = last.saturating_sub(OFFICE_WORDS);
    for word in (first..=last).rev() {
        if word < last && !read.words[word + 1].joins {
            break;
        }
        if is_no_office(read, word) || joins_another(read, word) {
            break;
        }
        let Some(next) = noun(read, word) else {
            continue;
        };
        if next != at && !matches!(read.word(next), "of" | "for" | "to") {
            continue;
        }
        let (from, begins) = start(read, word)?;
        let range = read.words[from].from..read.words[last].to;
        return Some(Office {
            country: country_in(read, range.clone()),
            range: Some(range).filter(|range| range.len() <= OFFICE_BYTES_MAX),
            begins,
        });
    }
    None
}

/// The first word of an office with this noun, and whether its sentence begins with it. It is one only behind an article, an owner or a
/// country, or where the sentence begins.
fn start(read: &Read<'_>, noun: usize) -> Option<(usize, bool)> {
    let sentence = read.word_at(read.sentence_of(read.words[noun].from).start);
    let begins = |at: usize| at <= sentence;
    if begins(noun) {
        return Some((noun, true));
    }
    let mut unknown = 0;
    for at in (noun.saturating_sub(OFFICE_WORDS_BEFORE).max(sentence)..noun).rev() {
        if !read.words[at + 1].joins {
            return None;
        }
        let word = read.word(at);
        if ARTICLES.contains(&word) {
            return Some((at + 1, begins(at)));
        }
        if OWNERS.contains(&word) {
            return Some((at, begins(at)));
        }
        if country_of_hit(read, read.hit_at(read.words[at].from)).is_some() {
            let before = at
                .checked_sub(1)
                .filter(|before| OF_A_TIME.contains(&read.word(*before)));
            let from = before.filter(|_| read.words[at].joins).unwrap_or(at);
            return Some((from, begins(from)));
        }
        let is_known = read.words[at].is_capital || OF_AN_OFFICE.contains(&word) || OF_A_TIME.contains(&word);
        if is_possessive(word) && !read.words[at].is_capital {
            return Some((at, begins(at)));
        }
        if !is_known {
            unknown += 1;
            if OF_SENTENCES.contains(&word) || is_no_office(read, at) || unknown > UNKNOWN_WORDS {
                return None;
            }
        }
        if begins(at) {
            return Some((at, true));
        }
    }
    None
}

/// Whether a name that an office stands before is closed as such: by a comma, the end of a sentence, or a verb of speech where the
/// sentence begins with the office. `Some(false)` where it is, but a list may go on, so that the office is not surely that of the name.
pub(super) fn closes(read: &Read<'_>, office: &Office, name_end: usize, next: usize) -> Option<bool> {
    let behind = &read.text[name_end..];
    let word = read.word(next);
    if behind.is_empty() || behind.starts_with(['.', ';', ':', '?', '!']) {
        return Some(true);
    }
    if behind.starts_with(',') {
        let goes_on = matches!(word, "and" | "or" | "as") || ARTICLES.contains(&word);
        let is_capital = read.words.get(next).is_some_and(|word| word.is_capital);
        return Some(!goes_on && !is_capital);
    }
    let is_said = read.words.get(next).is_some_and(|said| said.joins) && statements::is_of_speech(word);
    let is_aside = is_said && read.text[read.words[next].to..].starts_with(',');
    (is_said && office.begins && !is_aside).then_some(true)
}

/// Whether nothing but a comma and a space lies between.
fn stands_behind_comma(read: &Read<'_>, before: usize, at: usize) -> bool {
    let word = read.words.get(at);
    word.is_some_and(|word| {
        let between = read.text.get(before..word.from).unwrap_or_default();
        between.len() <= 3 && between.starts_with(',') && between[1..].trim().is_empty() && between.len() > 1
    })
}

/// The word behind a word for an office.
fn noun(read: &Read<'_>, at: usize) -> Option<usize> {
    let word = read.words.get(at)?;
    if let Some(hit) = read.hit_at(word.from)
        && matches!(hit.meaning, Meaning::Title { is_office: true })
    {
        let next = read.word_at(hit.range.end).max(at + 1);
        // `the president's office` is none.
        return (read.words[next - 1].to == hit.range.end).then_some(next);
    }
    OFFICE_NOUNS.contains(&read.word(at)).then_some(at + 1)
}

/// Whether a word is none of an office: a verb, or a day.
fn is_no_office(read: &Read<'_>, at: usize) -> bool {
    let word = read.word(at);
    NO_OFFICE.contains(&word)
        || statements::is_of_speech(word)
        || tense::is_of_the_past(word)
        || days::is_of_a_date(word)
}

/// Whether a word joins somebody else to an office: `and the British minister`, but not `of trade and industry`.
fn joins_another(read: &Read<'_>, at: usize) -> bool {
    let behind = read.word(at + 1);
    let is_somebody = ARTICLES.contains(&behind) || OWNERS.contains(&behind);
    let is_named = read.words.get(at + 1).is_some_and(|word| {
        word.is_capital
            && read
                .hit_at(word.from)
                .is_some_and(|hit| !matches!(hit.meaning, Meaning::Title { .. }))
    });
    matches!(read.word(at), "and" | "or") && (is_somebody || is_named)
}

fn is_possessive(word: &str) -> bool {
    word.ends_with("'s") || word.ends_with("’s")
}

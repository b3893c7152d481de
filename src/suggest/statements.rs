//! Statements: what stands between quotation marks, and who said it where the sentence tells.

use super::text::Read;
use super::words::List;
use super::{Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion};
use std::ops::Range;

/// Words that say that somebody said something.
static SAID: List = List::new("statements.said");
/// The fewest words of a quotation that is a statement.
const WORDS_MIN: usize = 3;
/// How many words before or behind a quotation may say who said it.
const SPEAKER_WORDS: usize = 40;
/// How many bytes may stand between a word of speech and who speaks.
const SPEAKER_BYTES: usize = 12;
/// How many of those who are named before a word of speech, and behind it, are looked at: the nearest may lie in the quotation.
const SPEAKERS_NEAR: usize = 3;

/// Whether a word says that somebody said something.
pub(super) fn is_of_speech(word: &str) -> bool {
    SAID.contains(&word)
}

/// Suggests the statements of a part, no more than a document may suggest; the persons and organisations of the part must have been
/// found.
pub(super) fn find(read: &Read<'_>, into: &mut Vec<Suggestion>) {
    let quoted = quotations(read.text);
    if quoted.is_empty() {
        return;
    }
    let is_one_who_speaks =
        |one: &&Suggestion| matches!(one.what, Suggested::Person { .. } | Suggested::Organisation(_));
    let mut speakers: Vec<&Suggestion> = into.iter().filter(is_one_who_speaks).collect();
    speakers.sort_by_key(|one| one.range.start);
    let said: Vec<usize> = (0..read.words.len())
        .filter(|at| is_of_speech(read.word(*at)))
        .collect();
    let found: Vec<Suggestion> = quoted
        .into_iter()
        .filter(|range| {
            read.text[range.clone()]
                .split_whitespace()
                .nth(WORDS_MIN - 1)
                .is_some()
        })
        .map(|range| Suggestion {
            part: Part::Text,
            what: Suggested::Statement {
                speaker: speaker(read, &range, &said, &speakers),
            },
            range,
            rule: Rule::Quotation,
        })
        .take(SUGGESTIONS_MAX)
        .collect();
    into.extend(found);
}

/// What stands between marks, without them; a mark without its other half is none.
fn quotations(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = None::<(usize, char)>;
    for (at, letter) in text.char_indices() {
        match (letter, from) {
            ('“', None) => from = Some((at + letter.len_utf8(), '”')),
            ('"', None) => from = Some((at + 1, '"')),
            ('\n', Some(_)) => from = None,
            (letter, Some((begun, ends))) if letter == ends => {
                found.push(begun..at);
                from = None;
            }
            _ => {}
        }
    }
    found
}

/// Who is said to have said it: the person or organisation next to a word of speech in the sentence around the quotation. `said` are
/// the words of speech, and `speakers` all who are named, both in order.
fn speaker(read: &Read<'_>, quoted: &Range<usize>, said: &[usize], speakers: &[&Suggestion]) -> String {
    let behind = read.sentence_of(quoted.end).end.max(quoted.end);
    let sentence = read.sentence_of(quoted.start).start..behind;
    let is_outside = |range: &Range<usize>| {
        let is_within = range.start >= sentence.start && range.end <= sentence.end;
        is_within && (range.end <= quoted.start || range.start >= quoted.end)
    };
    let near = words_of_speech(read, quoted, said);
    let near = near.into_iter().flatten().filter(is_outside);
    let Some(said) = near.min_by_key(|word| apart(word, quoted)) else {
        return String::new();
    };
    let next = speakers.partition_point(|one| one.range.start < said.start);
    let near = next.saturating_sub(SPEAKERS_NEAR)..(next + SPEAKERS_NEAR).min(speakers.len());
    let near = speakers[near].iter().filter(|one| is_outside(&one.range));
    let nearest = near.min_by_key(|one| apart(&one.range, &said));
    // Whoever stands further away is somebody else.
    let nearest = nearest.filter(|one| apart(&one.range, &said) <= SPEAKER_BYTES);
    match nearest.map(|one| &one.what) {
        Some(Suggested::Person { name, .. }) => name.to_string(),
        Some(Suggested::Organisation(name)) => name.clone(),
        _ => String::new(),
    }
}

/// The word of speech before a quotation and the one behind it, where they are near it.
fn words_of_speech(read: &Read<'_>, quoted: &Range<usize>, said: &[usize]) -> [Option<Range<usize>>; 2] {
    let (first, last) = (read.word_at(quoted.start), read.word_at(quoted.end));
    let before = said[..said.partition_point(|at| *at < first)].last();
    let behind = said.get(said.partition_point(|at| *at < last));
    let before = before.filter(|at| first - **at <= SPEAKER_WORDS);
    let behind = behind.filter(|at| **at - last < SPEAKER_WORDS);
    [before, behind].map(|at| at.map(|at| read.words[*at].from..read.words[*at].to))
}

/// How many bytes lie between two ranges.
fn apart(one: &Range<usize>, other: &Range<usize>) -> usize {
    match one.end <= other.start {
        true => other.start - one.end,
        false => one.start.saturating_sub(other.end),
    }
}

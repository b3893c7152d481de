//! Statements: what stands between quotation marks, and who said it where the sentence tells.

use super::text::Read;
use super::{Part, Rule, Suggested, Suggestion};
use std::ops::Range;

/// Words that say that somebody said something.
const SAID: [&str; 18] = [
    "said",
    "says",
    "told",
    "added",
    "stated",
    "declared",
    "announced",
    "wrote",
    "tweeted",
    "warned",
    "read",
    "noted",
    "stressed",
    "insisted",
    "argued",
    "quoted",
    "described",
    "called",
];
/// The fewest words of a quotation that is a statement.
const WORDS_MIN: usize = 3;

/// Suggests the statements of a part; the persons and organisations of the part must have been found.
pub(super) fn find(read: &Read<'_>, into: &mut Vec<Suggestion>) {
    let is_one_who_speaks =
        |one: &&Suggestion| matches!(one.what, Suggested::Person { .. } | Suggested::Organisation(_));
    let mut speakers: Vec<&Suggestion> = into.iter().filter(is_one_who_speaks).collect();
    speakers.sort_by_key(|one| one.range.start);
    let quoted = quotations(read.text);
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
                speaker: speaker(read, &range, &speakers),
            },
            range,
            rule: Rule::Quotation,
        })
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

/// Who is said to have said it: the person or organisation next to a word of speech in the sentence around the quotation.
fn speaker(read: &Read<'_>, quoted: &Range<usize>, speakers: &[&Suggestion]) -> String {
    let behind = read.sentence_of(quoted.end).end.max(quoted.end);
    let sentence = read.sentence_of(quoted.start).start..behind;
    let outside = |at: &usize| {
        let word = read.words[*at];
        word.from >= sentence.start
            && word.to <= sentence.end
            && (word.to <= quoted.start || word.from >= quoted.end)
    };
    let words = read.word_at(sentence.start)..read.word_at(sentence.end);
    let said = words.filter(outside).filter(|at| SAID.contains(&read.word(*at)));
    // The one nearest to the quotation.
    let distance = |at: &usize| {
        let word = read.words[*at];
        if word.from >= quoted.end {
            word.from - quoted.end
        } else {
            quoted.start - word.to
        }
    };
    let Some(said) = said.min_by_key(distance) else {
        return String::new();
    };
    let said = read.words[said];
    let first = speakers.partition_point(|one| one.range.start < sentence.start);
    let within = speakers[first..]
        .iter()
        .take_while(|one| one.range.end <= sentence.end);
    let who = within.filter_map(|one| match &one.what {
        Suggested::Person { name, .. } | Suggested::Organisation(name) => Some((one, name)),
        _ => None,
    });
    let apart = |range: &Range<usize>| match range.end <= said.from {
        true => said.from - range.end,
        false => range.start.saturating_sub(said.to),
    };
    let near = who.filter(|(one, _)| one.range.end <= quoted.start || one.range.start >= quoted.end);
    let nearest = near.min_by_key(|(one, _)| apart(&one.range));
    // Whoever stands further away is somebody else.
    let nearest = nearest.filter(|(one, _)| apart(&one.range) <= 12);
    nearest.map_or_else(String::new, |(_, name)| name.clone())
}

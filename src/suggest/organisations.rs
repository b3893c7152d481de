//! Organisations that no table has: words with capitals that hold a word for a sort of organisation.

use super::beside;
use super::names::{Hit, Meaning};
use super::persons::WORD_BYTES_MAX;
use super::text::{Read, one_line};
use super::words::List;
use super::{Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion};
use std::ops::Range;

/// Words that end the name of an organisation.
static LAST: List = List::new("organisations.last");
/// Words that end one, and that a table of titles may take for names: `General Staff`.
static LAST_BEHIND_TITLES: List = List::new("organisations.last-behind-titles");
/// Words that begin one, with `of` or `for` behind them.
static FIRST: List = List::new("organisations.first");
/// Words without a capital that may stand within a name.
static WITHIN: List = List::new("organisations.within");
/// The most words of a name.
const NAME_WORDS: usize = 9;

/// Whether a word ends the name of an organisation, so that it is nobody's name.
pub(super) fn ends_one(word: &str) -> bool {
    LAST.contains(&word) || LAST_BEHIND_TITLES.contains(&word)
}

/// Suggests the organisations of a part that lie in no person's name; no more than a document may suggest.
pub(super) fn find(read: &Read<'_>, into: &mut Vec<Suggestion>) {
    let persons: Vec<Range<usize>> = into.iter().map(|one| one.range.clone()).collect();
    let is_known = |hit: &&Hit| {
        matches!(hit.meaning, Meaning::Organisation(..)) && !beside::is_another_organisation(read, hit)
    };
    let known: Vec<Range<usize>> = read
        .hits
        .iter()
        .filter(is_known)
        .map(|hit| hit.range.clone())
        .collect();
    let most = into.len() + SUGGESTIONS_MAX;
    let mut at = 0;
    while at < read.words.len() && into.len() < most {
        let Some(next) = end_of_name(read, at) else {
            at += 1;
            continue;
        };
        let range = read.words[at].from..read.words[next - 1].to;
        let is_country = read
            .hit_at(range.start)
            .is_some_and(|hit| hit.range.end >= range.end);
        let is_taken = is_country || meets(&persons, &range) || meets(&known, &range);
        if !is_taken {
            let name = one_line(&read.text[range.clone()]);
            into.push(Suggestion {
                part: Part::Text,
                range,
                what: Suggested::Organisation(name),
                rule: Rule::OrganisationPattern,
            });
        }
        at = next;
    }
}

/// Whether a range meets one of these, which are in order and do not overlap.
fn meets(all: &[Range<usize>], range: &Range<usize>) -> bool {
    let at = all.partition_point(|one| one.end <= range.start);
    all.get(at).is_some_and(|one| one.start < range.end)
}

/// The word behind the name that begins at a word, if one does.
fn end_of_name(read: &Read<'_>, at: usize) -> Option<usize> {
    let first = read.words[at];
    let is_article = matches!(
        read.word(at),
        "The" | "A" | "An" | "In" | "At" | "Its" | "His" | "Their"
    );
    if !first.is_capital || is_article || is_of_tables(read, at) {
        return None;
    }
    let mut end = None;
    let mut next = at;
    while next < read.words.len() && next - at < NAME_WORDS {
        let (word, text) = (read.words[next], read.word(next));
        if next > at && !word.joins || text.len() > WORD_BYTES_MAX {
            break;
        }
        if word.is_capital {
            let is_kind = LAST.contains(&text) && next > at;
            let is_begun = WITHIN.contains(&read.word(next.saturating_sub(1))) || end == Some(next);
            let goes_on = next > at && FIRST.contains(&read.word(at)) && is_begun;
            let is_title =
                matches!(read.hit_at(word.from), Some(hit) if matches!(hit.meaning, Meaning::Title { .. }));
            if goes_on && is_title {
                break;
            }
            if is_kind || goes_on {
                end = Some(next + 1);
            }
        } else {
            // `Parliament of ...` goes on; `Foreign Ministry and` does not.
            let may_go_on = FIRST.contains(&read.word(at)) || end.is_none() && text == "of";
            if next == at || !WITHIN.contains(&text) || !may_go_on {
                break;
            }
        }
        next += 1;
    }
    end.filter(|end| end - at > 1)
}

/// Whether a name of the tables begins here that is an organisation or is none.
fn is_of_tables(read: &Read<'_>, at: usize) -> bool {
    let hit = read.hit_at(read.words[at].from);
    let hit = hit.filter(|hit| !beside::is_another_organisation(read, hit));
    let meaning = hit.map(|hit| hit.meaning);
    matches!(
        meaning,
        Some(
            Meaning::Organisation(..)
                | Meaning::Excluded
                | Meaning::Title { is_office: false }
                | Meaning::Given
        )
    )
}

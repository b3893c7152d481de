//! What the words beside a name make of it: `Chad Smith` is no country, `Paris, Texas` is not in France, and the `Indian Congress` is not
//! that of America. `data/suggest/beside.tsv` has the words.

use super::names::{Hit, Meaning, lines};
use super::text::Read;
use super::words::List;
use super::{days, organisations};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

const BESIDE: &str = include_str!("../../data/suggest/beside.tsv");
/// Words behind which a name is that of a place, whatever stands behind it.
static BEFORE_PLACES: List = List::new("beside.before-places");
/// How many words beside a name that America shares may say that it is meant.
const SHARED_WORDS: usize = 12;
/// A city that says so.
const CITY_OF_SHARED: &str = "Atlanta";

/// What a word of the table is; a word may be of several kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    First,
    Last,
    Thing,
    State,
    Shared,
    StateOffice,
    Accord,
    AccordOf,
}

impl Kind {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "first" => Self::First,
            "last" => Self::Last,
            "thing" => Self::Thing,
            "state" => Self::State,
            "shared" => Self::Shared,
            "state-office" => Self::StateOffice,
            "accord" => Self::Accord,
            "accord-of" => Self::AccordOf,
            _ => return None,
        })
    }

    fn has(self, word: &str) -> bool {
        !word.is_empty() && TABLE.get(word).is_some_and(|kinds| kinds.contains(&self))
    }
}

static TABLE: LazyLock<HashMap<&'static str, Vec<Kind>>> = LazyLock::new(|| {
    let mut table: HashMap<&'static str, Vec<Kind>> = HashMap::new();
    for line in lines(BESIDE) {
        if let [kind, words] = line[..]
            && let Some(kind) = Kind::of(kind)
        {
            words
                .split('|')
                .for_each(|word| table.entry(word).or_default().push(kind));
        }
    }
    table
});

/// Whether the table may have a kind of this name.
#[cfg(test)]
pub(super) fn is_kind(word: &str) -> bool {
    Kind::of(word).is_some()
}

/// Whether a name of a place is a last name as well: `President Washington`.
pub(super) fn is_last_name(word: &str) -> bool {
    Kind::Last.has(word)
}

/// Whether what the tables say of a name is not what it means here.
pub(super) fn is_another(read: &Read<'_>, hit: &Hit) -> bool {
    match hit.meaning {
        Meaning::Country(_) => is_first_name(read, hit) || is_american(read, hit),
        Meaning::Seat(_) | Meaning::Place(_) => {
            is_first_name(read, hit) || is_american(read, hit) || is_of_accord(read, hit)
        }
        Meaning::Organisation(..) => is_another_organisation(read, hit),
        _ => false,
    }
}

/// A name with the words beside it.
struct Beside<'t> {
    name: &'t str,
    /// The word before, where only spaces lie between.
    before: &'t str,
    /// The word behind, where only spaces lie between.
    behind: &'t str,
    /// The number of the word behind.
    next: usize,
}

impl<'t> Beside<'t> {
    fn of(read: &Read<'t>, range: &Range<usize>) -> Self {
        let first = read.word_at(range.start);
        let next = read.word_at(range.end);
        let joins = |at: usize| read.words.get(at).is_some_and(|word| word.joins);
        // `Jordan's` is followed by nothing of its own.
        let is_whole = next > 0 && read.words[next - 1].to == range.end;
        Self {
            name: &read.text[range.clone()],
            before: if joins(first) && first > 0 {
                read.word(first - 1)
            } else {
                ""
            },
            behind: if is_whole && joins(next) {
                read.word(next)
            } else {
                ""
            },
            next,
        }
    }
}

/// Whether a name of a place is somebody's first name: `Jordan Henderson`; not `in Jordan Tuesday`, `Jordan Foreign Ministry`, `Jordan Rejects Offer`.
pub(super) fn is_first_name(read: &Read<'_>, hit: &Hit) -> bool {
    let beside = Beside::of(read, &hit.range);
    let behind = beside.behind;
    if !Kind::First.has(beside.name)
        || BEFORE_PLACES.contains(&beside.before)
        || !behind.starts_with(char::is_uppercase)
    {
        return false;
    }
    let bare = behind
        .strip_suffix("'s")
        .or_else(|| behind.strip_suffix("’s"))
        .unwrap_or(behind);
    let known = read.hit_at(read.words[beside.next].from).map(|hit| hit.meaning);
    let is_name = matches!(known, None | Some(Meaning::Given));
    let is_thing = Kind::Thing.has(bare) || organisations::ends_one(bare) || days::is_of_a_date(bare);
    let goes_on = read
        .words
        .get(beside.next + 1)
        .is_some_and(|word| word.joins && word.is_capital);
    let is_headline = bare.ends_with('s') && goes_on;
    let is_acronym = bare.chars().all(char::is_uppercase);
    is_name && !is_thing && !is_headline && !is_acronym
}

/// `Paris, Texas`; `Athens, Georgia`, `Georgia Governor`, and Georgia beside Atlanta.
fn is_american(read: &Read<'_>, hit: &Hit) -> bool {
    let beside = Beside::of(read, &hit.range);
    if let Some(state) = read.text[hit.range.end..].strip_prefix(", ") {
        // A state has a name of one word or two.
        let behind = |words: usize| {
            let last = read.words.get(beside.next + words - 1)?;
            read.text.get(read.words[beside.next].from..last.to)
        };
        let is_state = (1..=2).filter_map(behind).any(|name| Kind::State.has(name));
        let is_shared = behind(1).is_some_and(|name| Kind::Shared.has(name));
        let is_next = state.starts_with(char::is_uppercase);
        if is_next && (is_state || is_shared && lies_elsewhere(read, hit, beside.next)) {
            return true;
        }
    }
    if !Kind::Shared.has(beside.name) {
        return false;
    }
    let is_office = Kind::StateOffice.has(beside.behind) || {
        let at = read.word_at(hit.range.start);
        matches!(beside.before, "of" | "from") && at > 1 && Kind::StateOffice.has(read.word(at - 2))
    };
    let at = read.word_at(hit.range.start);
    let near = at.saturating_sub(SHARED_WORDS)..read.words.len().min(at + SHARED_WORDS);
    let mut near = near.map(|at| read.word(at));
    is_office || near.any(|word| word == CITY_OF_SHARED) || stands_behind_another(read, hit)
}

/// Whether a place is in another country than the one that is named behind it.
fn lies_elsewhere(read: &Read<'_>, hit: &Hit, next: usize) -> bool {
    let behind = read.words.get(next).and_then(|word| read.hit_at(word.from));
    let own = match hit.meaning {
        Meaning::Seat(code) | Meaning::Place(Some(code)) => code,
        _ => return false,
    };
    behind.is_some_and(|behind| behind.meaning != Meaning::Country(own))
}

/// Whether a place that is in another country stands right before it: `Athens, Georgia`.
fn stands_behind_another(read: &Read<'_>, hit: &Hit) -> bool {
    let at = read
        .hits
        .partition_point(|other| other.range.start < hit.range.start);
    let Some(before) = at.checked_sub(1).map(|before| &read.hits[before]) else {
        return false;
    };
    let is_next = &read.text[before.range.end..hit.range.start] == ", ";
    is_next && lies_elsewhere(read, before, read.word_at(hit.range.start))
}

/// `Geneva Accords`, `Treaty of Versailles`.
fn is_of_accord(read: &Read<'_>, hit: &Hit) -> bool {
    let beside = Beside::of(read, &hit.range);
    let at = read.word_at(hit.range.start);
    Kind::Accord.has(beside.behind)
        || beside.before == "of" && at > 1 && Kind::AccordOf.has(read.word(at - 2))
}

/// Whether an organisation is one of the same name, or has a longer one: `Indian Congress`, `Turkey's National Security Council`.
pub(super) fn is_another_organisation(read: &Read<'_>, hit: &Hit) -> bool {
    let Meaning::Organisation(full, country) = hit.meaning else {
        return false;
    };
    let name = &read.text[hit.range.clone()];
    let at = read.word_at(hit.range.start);
    let joins = read.words.get(at).is_some_and(|word| word.joins);
    let is_kind = name.rsplit(' ').next().is_some_and(organisations::ends_one);
    if !joins || at == 0 || !is_kind {
        return false;
    }
    let before = read.words[at - 1];
    let named = read
        .hits
        .partition_point(|other| other.range.start < hit.range.start);
    let named = named.checked_sub(1).map(|at| &read.hits[at]);
    let owner = named
        .filter(|other| other.range.end > before.from)
        .map(|other| other.meaning);
    match owner {
        Some(Meaning::Country(code) | Meaning::Nation(code)) => match country {
            Some(own) => own != code,
            None => name != full,
        },
        Some(_) => false,
        None => {
            let is_start = read.sentence_of(before.from).start == before.from;
            let word = read.word(at - 1);
            before.is_capital
                && !is_start
                && !word.ends_with("'s")
                && !word.ends_with("’s")
                && !days::is_of_a_date(word)
        }
    }
}

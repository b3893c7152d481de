//! Persons: a name behind a title, a name that begins with a given name, one beside an office, and later a part of any.

use super::beside;
use super::days;
use super::known::{Known, Person};
use super::names::Meaning;
use super::offices::{self, OFFICE_BYTES_MAX, Office};
use super::organisations;
use super::sides;
use super::text::{Read, one_line};
use super::words::List;
use super::{Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion};
use std::ops::Range;
use std::sync::Arc;

/// The most words of a name, without those that have no capital.
const NAME_WORDS: usize = 5;
/// The most words of a name with them.
const ALL_WORDS: usize = 9;
/// The most names that are read behind one title in the plural.
const SEVERAL: usize = 8;
/// The most bytes of a word of a name.
pub(super) const WORD_BYTES_MAX: usize = 64;
/// Words within a name that have no capital.
static PARTICLES: List = List::new("persons.particles");
/// The Arabic article, as it is written before a name.
static ARTICLES: List = List::new("persons.articles");
/// Words of a name that join what stands before them: `Musaad bin Mohammed`.
static SONS: List = List::new("persons.sons");
/// Titles that are names as well, behind another office or beside one: `Foreign Minister Shah Mahmood Qureshi`.
static NAMES_TOO: List = List::new("persons.names-too");
/// Words that no person's name has, beside those for organisations.
static OF_THINGS: List = List::new("persons.of-things");
/// Words before `May` that make it a month, where it may be a name as well.
static BEFORE_A_MONTH: List = List::new("persons.before-a-month");
/// Capitals that begin no name and end one.
static NO_NAMES: List = List::new("persons.no-names");
/// The persons who are named with a title, a given name or an office, in order; no more than a document may suggest.
pub fn named(read: &Read<'_>, known: &mut Known) -> Vec<Person> {
    let mut persons: Vec<Person> = Vec::new();
    let mut at = 0;
    while at < read.words.len() && persons.len() < SUGGESTIONS_MAX {
        let behind = persons.last().map_or(0, |last| last.range.end);
        let (found, next) = found(read, at, behind);
        found.iter().for_each(|person| known.learn(person));
        persons.extend(found);
        at = next;
    }
    persons
}

/// Who is named from a word on, and the word to read on from; `behind` is where the person before ends.
fn found(read: &Read<'_>, at: usize, behind: usize) -> (Vec<Person>, usize) {
    let hit = read.hit_at(read.words[at].from);
    let (person, next) = match hit.map(|hit| hit.meaning) {
        Some(Meaning::Titles) => return several(read, at),
        Some(Meaning::Title { .. }) => match beside(read, at) {
            Some((person, next)) => (Some(person), next),
            None => titled(read, at),
        },
        Some(Meaning::Given) => given(read, at, behind),
        None if read.words[at].is_capital => match beside(read, at) {
            Some((person, next)) => (Some(person), next),
            None => (None, at + 1),
        },
        _ => (None, at + 1),
    };
    (person.into_iter().collect(), next)
}

/// Titles that follow each other.
struct Titles {
    /// The offices among them, with what stands between.
    office: Option<Range<usize>>,
    /// The word behind them.
    next: usize,
}

impl Titles {
    fn of(read: &Read<'_>, at: usize) -> Self {
        let (mut next, mut office) = (at, None::<Range<usize>>);
        while let Some(hit) = read.words.get(next).and_then(|word| read.hit_at(word.from)) {
            let Meaning::Title { is_office } = hit.meaning else {
                break;
            };
            if next > at && !read.words[next].joins {
                break;
            }
            if office.is_some() && NAMES_TOO.contains(&read.word(next)) {
                break;
            }
            if is_office {
                office = Some(office.map_or(hit.range.start, |office| office.start)..hit.range.end);
            }
            next = read.word_at(hit.range.end);
        }
        // A title is a word at least: whoever reads on from here gets on.
        let next = next.max(at + 1);
        Self { office, next }
    }
}

/// A title and a name: `Maj. Gen. Mohammad Bagheri`, `President of France Emmanuel Macron`; and the word to read on from. Where no name
/// follows, that is the one behind all the titles: each of them would find the same.
fn titled(read: &Read<'_>, at: usize) -> (Option<Person>, usize) {
    let titles = Titles::of(read, at);
    let (mut office, mut next) = (titles.office, titles.next);
    let mut country = None;
    if office.is_some() && read.word(next) == "of" {
        let of = read.words.get(next + 1).and_then(|word| read.hit_at(word.from));
        if let Some(hit) = of
            && let Meaning::Country(code) = hit.meaning
        {
            office = office.map(|office| office.start..hit.range.end);
            country = Some(code);
            next = read.word_at(hit.range.end);
        }
    }
    let Some(name) = name(read, next, true) else {
        return (None, titles.next);
    };
    let mut office = offices::of_titles(read, at, office);
    office.country = country.or(office.country);
    let next = read.word_at(name.end);
    (Some(person(read, name, (at, office, next), Rule::Titled)), next)
}

/// A name that begins with a given one, and the word to read on from.
fn given(read: &Read<'_>, at: usize, behind: usize) -> (Option<Person>, usize) {
    let Some(name) = name(read, at, false) else {
        return (None, at + 1);
    };
    let next = read.word_at(name.end);
    // One word alone may be anything.
    if next - at < 2 {
        return (None, at + 1);
    }
    let first = begun(read, at, behind);
    let name = read.words[first].from..name.end;
    let office = offices::of_titles(read, first, None);
    (
        Some(person(read, name, (first, office, next), Rule::GivenName)),
        next,
    )
}

/// The first word of a name that has begun before its given name: `Musaad bin Mohammed`.
fn begun(read: &Read<'_>, at: usize, behind: usize) -> usize {
    let Some(first) = at.checked_sub(2).filter(|_| SONS.contains(&read.word(at - 1))) else {
        return at;
    };
    let word = read.words[first];
    let is_name = word.is_capital && word.from >= behind && word.to - word.from <= WORD_BYTES_MAX;
    let is_free = read.hit_at(word.from).is_none() && !NO_NAMES.contains(&read.word(first));
    match is_name && is_free && read.words[at - 1].joins && read.words[at].joins {
        true => first,
        false => at,
    }
}

/// Names behind a title in the plural: `foreign ministers A B and C D`; and the word to read on from.
fn several(read: &Read<'_>, at: usize) -> (Vec<Person>, usize) {
    let behind = read
        .hit_at(read.words[at].from)
        .map_or(0, |hit| read.word_at(hit.range.end));
    let mut next = behind.max(at + 1);
    let mut persons = Vec::new();
    while persons.len() < SEVERAL {
        let Some(name) = name(read, next, true).filter(|name| is_personal(read, name)) else {
            break;
        };
        let end = read.word_at(name.end);
        if end - next < 2 {
            break;
        }
        persons.push(bare(read, name, Rule::Titled));
        next = end;
        if read.word(next) != "and" || !read.words[next].joins {
            break;
        }
        next += 1;
    }
    (persons, next)
}

/// A name beside an office, with commas around what comes second: `the army chief, Qamar Javed Bajwa,`, `Hakan Fidan, the foreign minister
/// of Turkey,`; and the word to read on from.
fn beside(read: &Read<'_>, at: usize) -> Option<(Person, usize)> {
    if !may_be_beside(read, at) {
        return None;
    }
    let is_title = read.hit_at(read.words[at].from).is_some();
    if is_title && !NAMES_TOO.contains(&read.word(at)) {
        return None;
    }
    // What goes on from a capital is only a part of something.
    let before = at.checked_sub(1).filter(|_| read.words[at].joins);
    let is_part = before.is_some_and(|before| {
        let is_name = read.words[before].is_capital && !NO_NAMES.contains(&read.word(before));
        is_name && read.hit_at(read.words[before].from).is_none()
    });
    if is_part {
        return None;
    }
    let name = name_of(read, at, false, true).filter(|name| is_personal(read, name))?;
    let next = read.word_at(name.end);
    if next - at < 2 {
        return None;
    }
    let before = offices::before(read, at);
    if let Some(office) = before
        && let Some(is_sure) = offices::closes(read, &office, name.end, next)
    {
        let person = bare(read, name, Rule::Apposition);
        let person = if is_sure {
            with(read, person, office)
        } else {
            person
        };
        return Some((person, next));
    }
    let office = offices::behind(read, name.end, next).filter(|office| office.range.is_some())?;
    Some((with(read, bare(read, name, Rule::Apposition), office), next))
}

/// Whether a comma stands before a word, or behind the words with capitals that begin with it; most have none.
fn may_be_beside(read: &Read<'_>, at: usize) -> bool {
    let has_comma = |before: usize| read.text[read.words[before].to..].starts_with(',');
    if at.checked_sub(1).is_some_and(has_comma) {
        return true;
    }
    let goes_on = |next: &usize| {
        let word = read.words[*next];
        let is_of_name =
            word.is_capital || PARTICLES.contains(&read.word(*next)) || has_article(read.word(*next));
        word.joins && is_of_name
    };
    let behind = read.words.len().min(at + ALL_WORDS);
    let last = (at + 1..behind).take_while(goes_on).last();
    last.is_some_and(has_comma)
}

/// Whether a name of two words that nothing else tells of may be a person's.
fn is_personal(read: &Read<'_>, name: &Range<usize>) -> bool {
    let words = read.word_at(name.start)..read.word_at(name.end);
    { words }.all(|at| {
        let word = read.word(at);
        let bare = word
            .strip_suffix("'s")
            .or_else(|| word.strip_suffix("’s"))
            .unwrap_or(word);
        let hit = read.hit_at(read.words[at].from).map(|hit| hit.meaning);
        let is_free = matches!(hit, None | Some(Meaning::Given)) || NAMES_TOO.contains(&bare);
        is_free && !organisations::ends_one(bare) && !OF_THINGS.contains(&bare)
    })
}

/// A person without an office.
fn bare(read: &Read<'_>, name: Range<usize>, rule: Rule) -> Person {
    Person {
        name: one_line(&read.text[name.clone()]).into(),
        office: Arc::default(),
        country: None,
        range: name,
        rule,
    }
}

/// A person with an office that is not too long to be one.
fn with(read: &Read<'_>, person: Person, office: Office) -> Person {
    match office.range.filter(|range| range.len() <= OFFICE_BYTES_MAX) {
        Some(range) => Person {
            office: one_line(&read.text[range]).into(),
            country: office.country,
            ..person
        },
        None => person,
    }
}

/// A person under a name with the office that stands before it, else with that beside it. `first` is the first word of titles and name,
/// `next` the word behind.
fn person(
    read: &Read<'_>,
    mut name: Range<usize>,
    (first, office, next): (usize, Office, usize),
    rule: Rule,
) -> Person {
    // `Shah Mahmood Qureshi, the foreign minister`.
    let is_name =
        NAMES_TOO.contains(&read.word(first)) && office.range.as_ref().is_some_and(|range| range.len() <= 6);
    let person = with(read, bare(read, name.clone(), rule), office);
    if !person.office.is_empty() && !is_name {
        return person;
    }
    let before = offices::before(read, first)
        .filter(|office| offices::closes(read, office, name.end, next) == Some(true));
    let Some(office) = before.or_else(|| offices::behind(read, name.end, next)) else {
        return person;
    };
    if is_name {
        name.start = read.words[first].from;
    }
    with(read, bare(read, name, rule), office)
}

/// The words of a name from one on.
fn name(read: &Read<'_>, at: usize, is_titled: bool) -> Option<Range<usize>> {
    name_of(read, at, is_titled, is_titled)
}

/// The same; `may_be_title` says whether its first word may be one of those titles that are names too.
fn name_of(read: &Read<'_>, at: usize, is_titled: bool, may_be_title: bool) -> Option<Range<usize>> {
    let mut end = None;
    let (mut next, mut words) = (at, 0);
    while next < read.words.len() && words < NAME_WORDS && next - at < ALL_WORDS {
        let word = read.words[next];
        // Behind a title a name begins at once, and goes on over spaces alone.
        let is_near = word.joins || next == at && !is_titled;
        let text = read.word(next);
        if !is_near || next > at && ends_with_possessive(read.word(next - 1)) {
            break;
        }
        if PARTICLES.contains(&text) && end.is_some() {
            next += 1;
            continue;
        }
        let is_name = text.len() <= WORD_BYTES_MAX && (word.is_capital || end.is_some() && has_article(text));
        // Theresa May, who is no month.
        let is_month = days::is_of_a_date(text) && !(text == "May" && end.is_some());
        let is_no_name = NO_NAMES.contains(&text) || is_month || days::is_day_and_month(read, next);
        let is_last = is_titled && next == at && beside::is_last_name(text);
        let is_own = is_last || may_be_title && next == at && NAMES_TOO.contains(&text);
        if !is_name || is_no_name || !is_own && is_something_else(read, word.from, next == at) {
            break;
        }
        // `General Staff`, `Prime Minister's Office`, `Commander of US Central Command`.
        if organisations::ends_one(text) {
            return None;
        }
        end = Some(without_possessive(read, word.from, word.to));
        (next, words) = (next + 1, words + 1);
    }
    let end = end?;
    let from = read.words.get(at)?.from;
    let is_acronym = read.text[from..end].chars().all(char::is_uppercase);
    (!is_acronym).then_some(from..end)
}

/// Whether a word is a name behind the Arabic article: `al-Jubeir`.
fn has_article(word: &str) -> bool {
    let behind = word
        .split_once(['-', '‑'])
        .filter(|(article, _)| ARTICLES.contains(article));
    behind.is_some_and(|(_, behind)| behind.starts_with(char::is_uppercase))
}

/// Whether the tables say that a word is no part of a name. Behind its first word a name may have that of a country: `Jordan`.
fn is_something_else(read: &Read<'_>, from: usize, is_first: bool) -> bool {
    let hit = read.hit_at(from);
    match hit.map(|hit| hit.meaning) {
        None | Some(Meaning::Given) => false,
        Some(Meaning::Title { is_office }) => is_first || is_office,
        Some(Meaning::Titles) => true,
        Some(Meaning::Country(_) | Meaning::Place(_) | Meaning::Seat(_)) => {
            is_first && hit.is_none_or(|hit| !beside::is_first_name(read, hit))
        }
        Some(Meaning::Nation(_) | Meaning::Organisation(..) | Meaning::Excluded) => true,
    }
}

fn ends_with_possessive(word: &str) -> bool {
    word.ends_with("'s") || word.ends_with("’s")
}

fn without_possessive(read: &Read<'_>, from: usize, to: usize) -> usize {
    let word = &read.text[from..to];
    let bare = word
        .strip_suffix("'s")
        .or_else(|| word.strip_suffix("’s"))
        .unwrap_or(word);
    from + bare.len()
}

/// The persons of a part, and every later mention of one by a part of the name; no more than a document may suggest.
pub fn mentions(read: &Read<'_>, persons: Vec<Person>, known: &Known) -> Vec<Suggestion> {
    let mut found: Vec<Suggestion> = Vec::new();
    let mut named = persons.into_iter().peekable();
    for (at, word) in read.words.iter().enumerate() {
        if found.len() >= SUGGESTIONS_MAX {
            return found;
        }
        while named.peek().is_some_and(|person| person.range.start <= word.from) {
            found.extend(named.next().map(|person| suggestion(known.whole(person))));
        }
        if !word.is_capital || found.last().is_some_and(|last| last.range.end > word.from) {
            continue;
        }
        let end = without_possessive(read, word.from, word.to);
        let Some(person) = known.alone(&read.text[word.from..end]) else {
            continue;
        };
        if is_month(read, at) || is_of_another(read, at) {
            continue;
        }
        // A word of the tables is what the tables say; `accused Washington` is the President's, `in Washington` is not.
        let is_last_name = beside::is_last_name(read.word(at)) && !sides::is_where(read, word.from);
        if read
            .hit_at(word.from)
            .is_none_or(|hit| hit.meaning == Meaning::Given || is_last_name)
        {
            let again = Person {
                range: word.from..end,
                rule: Rule::NamedBefore,
                ..person.clone()
            };
            found.push(suggestion(again));
        }
    }
    found.extend(named.map(|person| suggestion(known.whole(person))));
    found
}

/// Whether a last name has another beside it, so that both are somebody else's name: `Genghis Khan`.
fn is_of_another(read: &Read<'_>, at: usize) -> bool {
    let is_name = |at: usize| {
        let (word, text) = (read.words[at], read.word(at));
        let is_known = is_within_hit(read, at)
            && read
                .hit_at(word.from)
                .is_none_or(|hit| hit.meaning != Meaning::Given);
        word.is_capital && !is_known && !NO_NAMES.contains(&text) && !days::is_of_a_date(text)
    };
    let is_before =
        at > 0 && read.words[at].joins && is_name(at - 1) && !ends_with_possessive(read.word(at - 1));
    let joins = read.words.get(at + 1).is_some_and(|word| word.joins);
    is_before || joins && !ends_with_possessive(read.word(at)) && is_name(at + 1)
}

/// Whether a word lies within what the tables name: the last of `Prime Minister` is no name.
fn is_within_hit(read: &Read<'_>, at: usize) -> bool {
    let from = read.words[at].from;
    let hit = read.hits.partition_point(|hit| hit.range.end <= from);
    read.hits.get(hit).is_some_and(|hit| hit.range.start <= from)
}

/// Whether a word that is a name here is a month all the same: `in May the Prime Minister`.
fn is_month(read: &Read<'_>, at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |before| read.word(before));
    let is_number = |word: &str| word.starts_with(|letter: char| letter.is_ascii_digit());
    days::is_of_a_date(read.word(at))
        && (BEFORE_A_MONTH.contains(&before) || is_number(before) || is_number(read.word(at + 1)))
}

fn suggestion(person: Person) -> Suggestion {
    Suggestion {
        part: Part::Text,
        range: person.range,
        what: Suggested::Person {
            name: person.name,
            office: person.office,
            country: person.country,
        },
        rule: person.rule,
    }
}

//! Persons: a name behind a title, a name that begins with a given name, and later a part of either.

use super::days;
use super::names::Meaning;
use super::organisations;
use super::text::{Read, one_line};
use super::{Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion};
use crate::derive::Iso3;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The most words of a name.
const NAME_WORDS: usize = 5;
/// The most bytes of a word of a name.
pub(super) const WORD_BYTES_MAX: usize = 64;
/// The most bytes of an office: what is longer is none.
pub(super) const OFFICE_BYTES_MAX: usize = 256;
/// How far before a rank an office may stand: `Chairman of the Joint Chiefs of Staff Committee Gen. ...`.
const OFFICE_WORDS: usize = 9;
/// How many words before an office may say whose it is.
const OFFICE_WORDS_BEFORE: usize = 4;
/// The most words of an office that stands behind a name.
const APPOSITION_WORDS: usize = 14;
/// Words that say of what an office is, without a capital: `foreign policy chief`.
const OF_AN_OFFICE: [&str; 24] = [
    "foreign",
    "policy",
    "defense",
    "defence",
    "military",
    "army",
    "naval",
    "navy",
    "air",
    "force",
    "police",
    "intelligence",
    "security",
    "party",
    "opposition",
    "deputy",
    "vice",
    "former",
    "acting",
    "interim",
    "rebel",
    "state",
    "nuclear",
    "trade",
];
/// Words within a name that have no capital.
const PARTICLES: [&str; 18] = [
    "al", "bin", "ibn", "bint", "van", "von", "de", "der", "den", "da", "dos", "do", "di", "el", "ul", "ur",
    "la", "abu",
];
/// The Arabic article, as it is written before a name.
const ARTICLES: [&str; 10] = ["al", "el", "as", "ad", "an", "ar", "at", "az", "ul", "ud"];
/// Families whose name comes first.
const FAMILY_FIRST: [&str; 20] = [
    "Xi", "Li", "Wang", "Mao", "Deng", "Hu", "Jiang", "Wen", "Zhou", "Kim", "Lee", "Nguyen", "Tsai", "Yang",
    "Yun", "Qin", "Zhao", "Chiang", "Roh", "Syngman",
];
/// Capitals that begin no name and end one.
const NO_NAMES: [&str; 33] = [
    "The",
    "A",
    "An",
    "In",
    "On",
    "At",
    "By",
    "For",
    "To",
    "From",
    "With",
    "And",
    "But",
    "He",
    "She",
    "They",
    "It",
    "His",
    "Her",
    "Their",
    "This",
    "That",
    "After",
    "Before",
    "During",
    "While",
    "When",
    "Following",
    "According",
    "Also",
    "Both",
    "As",
    "If",
];
/// Words that say that what stands behind a name is an office.
const OFFICE_NOUNS: [&str; 24] = [
    "chief",
    "minister",
    "president",
    "secretary",
    "commander",
    "chairman",
    "chairwoman",
    "ambassador",
    "envoy",
    "leader",
    "head",
    "spokesman",
    "spokeswoman",
    "spokesperson",
    "director",
    "adviser",
    "advisor",
    "governor",
    "speaker",
    "chancellor",
    "premier",
    "king",
    "representative",
    "commissioner",
];

/// A person in a part of the document.
#[derive(Clone, Debug)]
pub struct Person {
    range: Range<usize>,
    /// Every mention shares it.
    name: Arc<str>,
    office: Arc<str>,
    country: Option<Iso3>,
    rule: Rule,
}

/// The persons of a document by the word that they are called by later.
#[derive(Default)]
pub struct Known {
    by_word: HashMap<String, Person>,
}

impl Known {
    fn learn(&mut self, person: &Person) {
        for called in called_by(&person.name) {
            match self.by_word.get_mut(called) {
                Some(known) => {
                    if known.name.len() < person.name.len() {
                        known.name.clone_from(&person.name);
                    }
                    if known.office.is_empty() {
                        known.office.clone_from(&person.office);
                        known.country = person.country;
                    }
                }
                None => drop(self.by_word.insert(called.to_owned(), person.clone())),
            }
        }
    }
}

/// The words of a name by which its bearer is called: the last one, and the first where families are named first.
fn called_by(name: &str) -> impl Iterator<Item = &str> {
    let words: Vec<&str> = name.split(' ').collect();
    let is_number = |word: &str| word.chars().all(|letter| matches!(letter, 'I' | 'V' | 'X'));
    let last = words.iter().rev().find(|word| !is_number(word)).copied();
    let first = words
        .first()
        .copied()
        .filter(|first| FAMILY_FIRST.contains(first));
    // Of a name whose family comes first the last word is a given name, and nobody is called by it.
    first.or(last).into_iter()
}

/// The persons who are named with a title or a given name, in order; no more than a document may suggest.
pub fn named(read: &Read<'_>, known: &mut Known) -> Vec<Person> {
    let mut persons = Vec::new();
    let mut at = 0;
    while at < read.words.len() && persons.len() < SUGGESTIONS_MAX {
        let hit = read.hit_at(read.words[at].from);
        let (person, next) = match hit.map(|hit| hit.meaning) {
            Some(Meaning::Title { .. }) => titled(read, at),
            Some(Meaning::Given) => given(read, at),
            _ => (None, at + 1),
        };
        if let Some(person) = person {
            known.learn(&person);
            persons.push(person);
        }
        at = next;
    }
    persons
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
    let (office, before) = whose(read, at, office);
    let person = person(read, name, (office, country.or(before)), Rule::Titled);
    let next = read.word_at(person.range.end);
    (Some(with_apposition(read, person, next)), next)
}

/// A name that begins with a given one, and the word to read on from.
fn given(read: &Read<'_>, at: usize) -> (Option<Person>, usize) {
    let Some(name) = name(read, at, false) else {
        return (None, at + 1);
    };
    let next = read.word_at(name.end);
    // One word alone may be anything.
    if next - at < 2 {
        return (None, at + 1);
    }
    let person = person(read, name, whose(read, at, None), Rule::GivenName);
    (Some(with_apposition(read, person, next)), next)
}

/// A person under a name, with an office that is not too long to be one.
fn person(
    read: &Read<'_>,
    name: Range<usize>,
    (office, country): (Option<Range<usize>>, Option<Iso3>),
    rule: Rule,
) -> Person {
    let is_too_long = office
        .as_ref()
        .is_some_and(|office| office.len() > OFFICE_BYTES_MAX);
    let office = office.filter(|_| !is_too_long);
    Person {
        name: one_line(&read.text[name.clone()]).into(),
        office: office.map_or_else(Arc::default, |office| one_line(&read.text[office]).into()),
        country: country.filter(|_| !is_too_long),
        range: name,
        rule,
    }
}

/// The words of a name from one on.
fn name(read: &Read<'_>, at: usize, is_titled: bool) -> Option<Range<usize>> {
    let mut end = None;
    let mut next = at;
    while next < read.words.len() && next - at < NAME_WORDS {
        let word = read.words[next];
        // Behind a title a name begins at once, and goes on over spaces alone.
        let is_near = word.joins || next == at && (!is_titled || follows_title(read, word.from));
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
        let is_no_name =
            NO_NAMES.contains(&text) || days::is_of_a_date(text) && !(text == "May" && end.is_some());
        if !is_name || is_no_name || is_something_else(read, word.from, next == at) {
            break;
        }
        end = Some(without_possessive(read, word.from, word.to));
        next += 1;
    }
    let end = end?;
    let from = read.words.get(at)?.from;
    // `General Staff`, `Prime Minister's Office`.
    if organisations::ends_one(read.word(at)) {
        return None;
    }
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

/// Whether only spaces, or the stop of an abbreviation, stand before a name.
fn follows_title(read: &Read<'_>, from: usize) -> bool {
    let before = read.text[..from].trim_end_matches(' ');
    before.len() < from && before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '.')
}

/// Whether the tables say that a word is no part of a name. Behind its first word a name may have that of a country: `Jordan`.
fn is_something_else(read: &Read<'_>, from: usize, is_first: bool) -> bool {
    match read.hit_at(from).map(|hit| hit.meaning) {
        None | Some(Meaning::Given) => false,
        Some(Meaning::Title { is_office }) => is_first || is_office,
        Some(Meaning::Country(_) | Meaning::Place(_) | Meaning::Seat(_)) => is_first,
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

/// The office with whose it is, and its country: `Iranian President`, `Pakistan Army chief`, `Chairman of the ... Committee`.
fn whose(read: &Read<'_>, at: usize, office: Option<Range<usize>>) -> (Option<Range<usize>>, Option<Iso3>) {
    let Some(office) = office else {
        return office_of(read, at);
    };
    let mut from = office.start;
    let first = read.word_at(from);
    for before in (first.saturating_sub(OFFICE_WORDS_BEFORE)..first).rev() {
        if !read.words[before + 1].joins {
            break;
        }
        match read.hit_at(read.words[before].from).map(|hit| hit.meaning) {
            Some(Meaning::Country(code) | Meaning::Nation(code)) => {
                return (Some(read.words[before].from..office.end), Some(code));
            }
            Some(Meaning::Organisation(_, code)) => {
                return (Some(read.words[before].from..office.end), code);
            }
            _ if read.words[before].is_capital => from = read.words[before].from,
            _ if OF_AN_OFFICE.contains(&read.word(before)) => from = read.words[before].from,
            _ => break,
        }
    }
    let is_start = from == office.start || read.sentence_of(from).start == from;
    (Some(if is_start { office } else { from..office.end }), None)
}

/// An office that stands before a rank or a bare name and says of what it is.
fn office_of(read: &Read<'_>, at: usize) -> (Option<Range<usize>>, Option<Iso3>) {
    for before in (at.saturating_sub(OFFICE_WORDS)..at).rev() {
        if !read.words[before + 1].joins && before + 1 < at {
            break;
        }
        let Some(hit) = read.hit_at(read.words[before].from) else {
            continue;
        };
        let is_office = matches!(hit.meaning, Meaning::Title { is_office: true });
        let behind = read.word_at(hit.range.end);
        if is_office && (behind == at || read.word(behind) == "of") {
            let end = read.words[at - 1].to;
            return (Some(hit.range.start..end), country_in(read, hit.range.start..end));
        }
    }
    (None, None)
}

/// The first country that is named within a range.
fn country_in(read: &Read<'_>, range: Range<usize>) -> Option<Iso3> {
    let hits = read.hits_in(range).iter();
    { hits }.find_map(|hit| country_of(hit.meaning))
}

fn country_of(meaning: Meaning) -> Option<Iso3> {
    match meaning {
        Meaning::Country(code) | Meaning::Nation(code) => Some(code),
        Meaning::Organisation(_, code) => code,
        _ => None,
    }
}

/// Behind a name and a comma: `, the chief of General Staff of Iran's armed forces,`.
fn with_apposition(read: &Read<'_>, person: Person, next: usize) -> Person {
    if !person.office.is_empty() || !read.text[person.range.end..].starts_with(", ") {
        return person;
    }
    let from = person.range.end + 2;
    let sentence = read.sentence_of(person.range.start);
    let rest = &read.text[from..sentence.end.max(from)];
    let end = from + rest.find([',', '.', ';', '“', '"', '(']).unwrap_or(rest.len());
    let words = next..read.word_at(end);
    if end - from > OFFICE_BYTES_MAX || words.len() > APPOSITION_WORDS {
        return person;
    }
    let mut words = words.map(|at| read.word(at).to_lowercase());
    if !words.any(|word| OFFICE_NOUNS.contains(&word.as_str())) {
        return person;
    }
    let office = read.text[from..end].trim();
    let office = office.strip_prefix("the ").unwrap_or(office);
    Person {
        office: one_line(office).into(),
        country: country_in(read, from..end),
        ..person
    }
}

/// The persons of a part, and every later mention of one by a part of the name; no more than a document may suggest.
pub fn mentions(read: &Read<'_>, persons: Vec<Person>, known: &Known) -> Vec<Suggestion> {
    let mut found: Vec<Suggestion> = Vec::new();
    let mut named = persons.into_iter().peekable();
    for word in &read.words {
        if found.len() >= SUGGESTIONS_MAX {
            return found;
        }
        while named.peek().is_some_and(|person| person.range.start <= word.from) {
            found.extend(named.next().map(|person| whole(person, known)));
        }
        if !word.is_capital || found.last().is_some_and(|last| last.range.end > word.from) {
            continue;
        }
        let end = without_possessive(read, word.from, word.to);
        let Some(person) = known.by_word.get(&read.text[word.from..end]) else {
            continue;
        };
        // A word of the tables is what the tables say.
        if read
            .hit_at(word.from)
            .is_none_or(|hit| hit.meaning == Meaning::Given)
        {
            let again = Person {
                range: word.from..end,
                rule: Rule::NamedBefore,
                ..person.clone()
            };
            found.push(suggestion(again));
        }
    }
    found.extend(named.map(|person| whole(person, known)));
    found
}

/// A person under the longest name that the document has.
fn whole(person: Person, known: &Known) -> Suggestion {
    let in_full = called_by(&person.name).find_map(|called| known.by_word.get(called));
    let in_full =
        in_full.filter(|known| known.name.ends_with(&*person.name) || known.name.starts_with(&*person.name));
    let person = match in_full {
        Some(known) => Person {
            name: known.name.clone(),
            office: if person.office.is_empty() {
                known.office.clone()
            } else {
                person.office
            },
            country: person.country.or(known.country),
            ..person
        },
        None => person,
    };
    suggestion(person)
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

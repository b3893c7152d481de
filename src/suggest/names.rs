//! What the tables name: countries, nationalities, seats of government, places, organisations, and the words that rules begin with.
//!
//! All of them are looked for at once, by one automaton of Aho and Corasick (1975), case and all: a name is a name by its capitals.

use super::beside;
use super::text::Read;
use super::words::List;
use super::{Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion};
use crate::derive::{Iso3, countries};
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

const NATIONS: &str = include_str!("../../data/suggest/nations.tsv");
const PLACES: &str = include_str!("../../data/suggest/places.tsv");
const ORGANISATIONS: &str = include_str!("../../data/suggest/organisations.tsv");
const EXCLUDED: &str = include_str!("../../data/suggest/excluded.tsv");
const TITLES: &str = include_str!("../../data/suggest/titles.tsv");
const GIVEN: &str = include_str!("../../data/suggest/given.tsv");

/// The sorts of names in the table of countries that an English text may have.
const SORTS: [&str; 6] = ["short", "un-short", "un-formal", "common", "geonames", "also"];
/// Names of countries that are words of English, or of other things, more often.
static AMBIGUOUS: List = List::new("names.ambiguous");

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::read);

/// The tables of this version of the program.
pub fn tables() -> &'static Tables {
    &TABLES
}

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A country.
    Country(Iso3),
    /// The people of a country, or what is theirs.
    Nation(Iso3),
    /// The seat of a country's government.
    Seat(Iso3),
    /// A place, and its country.
    Place(Option<Iso3>),
    /// An organisation by its full name, and its country.
    Organisation(&'static str, Option<Iso3>),
    /// A word that stands before a name: of an office, or else of a rank.
    Title {
        /// Whether it is an office.
        is_office: bool,
    },
    /// One for several offices or ranks: names stand behind it.
    Titles,
    /// The first word of a name.
    Given,
    /// Something else, however it looks.
    Excluded,
}

/// A name in a text.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Its bytes.
    pub range: Range<usize>,
    /// What it means.
    pub meaning: Meaning,
}

/// Every table.
pub struct Tables {
    finder: AhoCorasick,
    meanings: Vec<Meaning>,
}

/// The lines of a table, each cut at tabs; a malformed one is a mistake of ours, which a test finds.
pub(super) fn lines(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect())
}

impl Tables {
    fn read() -> Self {
        let mut names: HashMap<&'static str, Meaning> = HashMap::new();
        let mut add = |all: &'static str, meaning: Meaning| {
            for name in all.split('|').filter(|name| !name.is_empty()) {
                // The first meaning of a name is the one: tables are read in the order of their weight.
                names.entry(name).or_insert(meaning);
            }
        };
        lines(EXCLUDED).for_each(|line| add(line[0], Meaning::Excluded));
        for (code, name, sort) in countries().listed_names() {
            if SORTS.contains(&sort) && !AMBIGUOUS.contains(&name) && name.starts_with(char::is_uppercase) {
                add(name, Meaning::Country(code));
            }
        }
        for line in lines(NATIONS) {
            if let [code, nationalities, seats] = line[..]
                && let Some(code) = Iso3::from_letters(code)
            {
                add(nationalities, Meaning::Nation(code));
                add(seats, Meaning::Seat(code));
            }
        }
        for line in lines(PLACES) {
            if let [code, places] = line[..] {
                add(places, Meaning::Place(Iso3::from_letters(code)));
            }
        }
        for line in lines(ORGANISATIONS) {
            if let [code, all] = line[..] {
                let full = all.split('|').next().unwrap_or(all);
                add(all, Meaning::Organisation(full, Iso3::from_letters(code)));
            }
        }
        for line in lines(TITLES) {
            if let [kind, titles] = line[..] {
                add(
                    titles,
                    match kind {
                        "several" => Meaning::Titles,
                        _ => Meaning::Title {
                            is_office: kind == "office",
                        },
                    },
                );
            }
        }
        lines(GIVEN).for_each(|line| add(line[0], Meaning::Given));
        let mut all: Vec<(&str, Meaning)> = names.into_iter().collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        let names = all.iter().map(|(name, _)| name);
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(names)
            .expect("the tables are small and compiled in; a test reads them");
        Self {
            finder,
            meanings: all.iter().map(|(_, meaning)| *meaning).collect(),
        }
    }

    /// The names in a text, whole words only.
    pub fn hits(&self, text: &str) -> Vec<Hit> {
        let found = self
            .finder
            .find_iter(text)
            .filter(|found| is_whole(text, found.range()));
        let hit = |found: aho_corasick::Match| Hit {
            range: found.range(),
            meaning: self.meanings[found.pattern().as_usize()],
        };
        let begins_a_name = |hit: &Hit| {
            matches!(
                hit.meaning,
                Meaning::Title { .. } | Meaning::Titles | Meaning::Given
            )
        };
        // `Amir-Abdollahian` is no emir.
        let is_alone = |range: &Range<usize>| {
            let (before, behind) = (&text[..range.start], &text[range.end..]);
            !before.ends_with(['-', '‑']) && !behind.starts_with(['-', '‑'])
        };
        let hits = found.map(hit);
        hits.filter(|hit| !begins_a_name(hit) || is_alone(&hit.range))
            .collect()
    }
}

/// Whether a range does not begin or end within a word.
pub(super) fn is_whole(text: &str, range: Range<usize>) -> bool {
    let joins = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    !joins(text[..range.start].chars().next_back()) && !joins(text[range.end..].chars().next())
}

/// Suggests the countries, places and organisations that lie in no person's name; little more than a document may suggest.
pub(super) fn find(read: &Read<'_>, into: &mut Vec<Suggestion>) {
    let mut named: Vec<(Range<usize>, bool)> = Vec::new();
    for one in into.iter() {
        let is_organisation = matches!(one.what, Suggested::Organisation(_));
        named.push((one.range.clone(), is_organisation));
    }
    named.sort_by_key(|(range, _)| range.start);
    let most = into.len() + SUGGESTIONS_MAX;
    for hit in &read.hits {
        if into.len() >= most {
            break;
        }
        let before = named.partition_point(|(range, _)| range.start <= hit.range.start);
        let holder = before.checked_sub(1).map(|at| &named[at]);
        let holder = holder.filter(|(range, _)| range.end > hit.range.start);
        let within = holder.map(|(_, is_organisation)| *is_organisation);
        if within.is_none() && beside::is_another(read, hit) {
            continue;
        }
        for (what, rule) in meant(read, hit, within) {
            into.push(Suggestion {
                part: Part::Text,
                range: hit.range.clone(),
                what,
                rule,
            });
        }
    }
}

/// What a name suggests. `within` says whether it is a part of another name, and whether that is an organisation's: `Iranian Foreign
/// Ministry` and `Bank of England` say of which country they are, `Michael Jordan` does not.
fn meant(read: &Read<'_>, hit: &Hit, within: Option<bool>) -> Vec<(Suggested, Rule)> {
    let is_free = within.is_none();
    let place = |country| Suggested::Place {
        name: read.text[hit.range.clone()].to_owned(),
        country,
    };
    let of = |country: Option<Iso3>, rule| country.map(|code| (Suggested::Country(code), rule));
    match hit.meaning {
        Meaning::Country(code) if within != Some(false) => {
            vec![(Suggested::Country(code), Rule::CountryName)]
        }
        Meaning::Nation(code) if within != Some(false) => vec![(Suggested::Country(code), Rule::Nationality)],
        Meaning::Seat(code) if is_free => vec![
            (place(Some(code)), Rule::Seat),
            (Suggested::Country(code), Rule::Seat),
        ],
        Meaning::Place(country) if is_free => {
            let named = (place(country), Rule::PlaceName);
            std::iter::once(named)
                .chain(of(country, Rule::PlaceName))
                .collect()
        }
        Meaning::Organisation(name, country) if is_free => {
            let named = (Suggested::Organisation(name.to_owned()), Rule::OrganisationName);
            std::iter::once(named)
                .chain(of(country, Rule::OrganisationName))
                .collect()
        }
        _ => Vec::new(),
    }
}

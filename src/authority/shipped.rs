//! The authorities that come with the program, read once from the files of `data/authorities` and `data/countries`.
//!
//! The files are compiled into the program. Their lines are this project's own: a test finds a malformed one, which at run time is left
//! out.

use super::{Authority, FoldedIdentifier, Identifier, Name, Origin, Validity, cells};
use crate::derive::{Country, Iso3, countries, fold};
use std::collections::HashMap;
use std::sync::LazyLock;

const ORGANISATIONS: &str = include_str!("../../data/authorities/organisations.tsv");
const STATE_NAMES: &str = include_str!("../../data/authorities/state-names.tsv");

/// The scheme of the identifiers that only this project gives.
pub const SHIPPED_SCHEME: &str = "chancery";
/// The scheme of the identifiers of states.
const STATE_SCHEME: &str = "iso3";

static SHIPPED: LazyLock<Shipped> = LazyLock::new(Shipped::read);

/// The authorities of this version of the program.
pub fn shipped() -> &'static Shipped {
    &SHIPPED
}

/// States and international organisations.
#[derive(Debug)]
pub struct Shipped {
    list: Vec<Authority>,
    /// By folded name, places in the list.
    by_name: HashMap<String, Vec<usize>>,
    /// By scheme and code, folded.
    by_identifier: HashMap<FoldedIdentifier, Vec<usize>>,
}

impl Shipped {
    /// The version of the tables, raised with every change to one of them together with those of countries.
    pub fn version(&self) -> &'static str {
        let first = ORGANISATIONS.lines().next();
        first
            .and_then(|line| line.strip_prefix("# version\t"))
            .unwrap_or("unknown")
    }

    /// All of them: states, then organisations, as the tables have them.
    pub fn list(&self) -> &[Authority] {
        &self.list
    }

    /// Those that have a name, which is folded.
    pub fn named<'s>(&'s self, folded: &str) -> impl Iterator<Item = &'s Authority> + use<'s> {
        let places = self.by_name.get(folded).into_iter().flatten();
        places.map(|place| &self.list[*place])
    }

    /// Those that have an identifier, which is folded.
    pub fn identified<'s>(
        &'s self,
        identifier: &FoldedIdentifier,
    ) -> impl Iterator<Item = &'s Authority> + use<'s> {
        let places = self.by_identifier.get(identifier).into_iter().flatten();
        places.map(|place| &self.list[*place])
    }

    fn read() -> Self {
        let mut list = states();
        list.extend(organisations().filter_map(Result::ok));
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_identifier: HashMap<FoldedIdentifier, Vec<usize>> = HashMap::new();
        for (place, authority) in list.iter().enumerate() {
            for name in &authority.names {
                let places = by_name.entry(name.folded.clone()).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
            for identifier in &authority.identifiers {
                by_identifier
                    .entry(identifier.folded().clone())
                    .or_default()
                    .push(place);
            }
        }
        Self {
            list,
            by_name,
            by_identifier,
        }
    }
}

/// The columns of the lines of a table.
fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split('\t').collect())
}

/// Every state and territory, each with its names.
fn states() -> Vec<Authority> {
    let mut dated: HashMap<(&str, String), Vec<(&str, Validity)>> = HashMap::new();
    for line in lines(STATE_NAMES) {
        if let [code, name, language, from, to] = line[..] {
            let spans = dated.entry((code, fold(name))).or_default();
            spans.push((language, Validity::new(from, to)));
        }
    }
    let mut names: HashMap<Iso3, Vec<Name>> = HashMap::new();
    for (code, name, sort) in countries().listed_names() {
        let Some(country) = countries().get(code) else {
            continue;
        };
        let names = names.entry(code).or_default();
        let language = match sort {
            "fr" | "es" | "ru" | "zh" | "ar" => sort,
            "short" | "un-short" | "un-formal" | "common" => "en",
            _ => "",
        };
        if names.iter().any(|known| known.folded == fold(name).trim()) {
            continue;
        }
        match dated.get(&(code.as_str(), fold(name))) {
            Some(spans) => names.extend(spans.iter().map(|(own, validity)| {
                let language = if own.is_empty() { language } else { own };
                Name::new(name, language, validity.clone())
            })),
            None => names.push(Name::new(name, language, lived(country))),
        }
    }
    let state = |country: &Country| Authority {
        origin: Origin::Shipped(format!("{STATE_SCHEME}:{}", country.code)),
        names: names.remove(&country.code).unwrap_or_default(),
        identifiers: state_identifiers(country),
        lived: years(country),
        offices: Vec::new(),
        part_of: Vec::new(),
        source: format!("data/countries {}", countries().version()),
    };
    countries().list().iter().map(state).collect()
}

/// A state that is gone was called by its names as long as it was there; one that exists may have been called so before it had a code.
fn lived(country: &Country) -> Validity {
    match country.until {
        Some(_) => years(country),
        None => Validity::default(),
    }
}

fn years(country: &Country) -> Validity {
    let year = |year: Option<i32>| year.map(|year| format!("{year:04}")).unwrap_or_default();
    Validity {
        from: year(country.from),
        to: year(country.until),
    }
}

/// Codes that only this state has: those of alpha-2 and numbers that were given twice, to states of the past, are none.
fn state_identifiers(country: &Country) -> Vec<Identifier> {
    let mut identifiers = vec![Identifier::new(STATE_SCHEME, country.code.as_str())];
    if country.until.is_none() && !country.iso2.is_empty() {
        identifiers.push(Identifier::new("iso2", country.iso2));
    }
    identifiers
}

/// Every organisation, or what is wrong with its line.
pub(super) fn organisations() -> impl Iterator<Item = Result<Authority, String>> {
    lines(ORGANISATIONS).map(|line| {
        let [key, name, others, from, to, part_of, identifiers, source] = line[..] else {
            return Err(format!("{} columns found, 8 expected", line.len()));
        };
        let lived = Validity::new(from, to);
        let mut names = vec![Name::new(name, "en", Validity::default())];
        names.extend(cells::names(others)?);
        // As of states: what is gone was called so as long as it was there.
        if !to.is_empty() {
            let open = names.iter_mut().filter(|name| name.validity.is_open());
            open.for_each(|name| name.validity = lived.clone());
        }
        let mut own = vec![Identifier::new(SHIPPED_SCHEME, key)];
        own.extend(cells::identifiers(identifiers)?);
        let whole = cells::parts(part_of);
        Ok(Authority {
            origin: Origin::Shipped(format!("{SHIPPED_SCHEME}:{key}")),
            names,
            identifiers: own,
            lived,
            offices: Vec::new(),
            part_of: whole.map(|key| format!("{SHIPPED_SCHEME}:{key}")).collect(),
            source: source.to_owned(),
        })
    })
}

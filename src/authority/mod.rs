//! Who an actor is: its names in any language and script, each with the days on which it was one, its identifiers and offices.
//!
//! An [`Authority`] is an entry of kind `authority` of the archive ([`Authority::of_content`]), or one that comes with the program
//! ([`shipped`]): the states of `data/countries` and the organisations of `data/authorities`. Two that have an identifier in common
//! are one and the same, so that an entry with `iso3:PAK` adds names to the Pakistan that is shipped. [`resolve()`] says whom a name
//! means: nobody, one, or several, of whom none is chosen.
//!
//! All of it is pure. Which entries there are, and as of when, the views know; what it means for a filter, the filter.

pub mod bounds;
pub mod cells;
mod resolve;
mod shipped;
#[cfg(test)]
mod tests;

pub use resolve::{Resolved, resolve};
pub use shipped::{SHIPPED_SCHEME, Shipped, shipped};

use crate::derive::fold;
use crate::record::EntryKey;
use crate::record::codec::{Code, Content, RelationType};
use crate::record::date::DaySpan;
use std::fmt;

/// An actor described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Where it comes from.
    pub origin: Origin,
    /// Its names, the one to show first.
    pub names: Vec<Name>,
    /// What it is called in other collections.
    pub identifiers: Vec<Identifier>,
    /// When it was there, where that is known.
    pub lived: Validity,
    /// The offices it held.
    pub offices: Vec<Office>,
    /// What it is a part of: entries as SERIES/KEY, shipped ones by their identifier.
    pub part_of: Vec<String>,
    /// Where what is said of a shipped one comes from; empty of an entry.
    pub source: String,
}

/// Where an authority comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// An entry of the archive.
    Entry(EntryKey),
    /// One that comes with the program, by its identifier, as `iso3:PAK`.
    Shipped(String),
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As it is written.
    pub text: String,
    /// Its form in filters.
    pub folded: String,
    /// A BCP 47 tag; empty where it is not said.
    pub language: String,
    /// When it is one.
    pub validity: Validity,
}

/// A code in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// The collection.
    pub scheme: String,
    /// The code, as it is written.
    pub code: String,
    /// Both, as filters compare them.
    folded: FoldedIdentifier,
}

/// Scheme and code as filters compare them.
pub type FoldedIdentifier = (String, String);

/// An office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    /// In words.
    pub office: String,
    /// The code of its country; empty where it is of none.
    pub country: String,
    /// When it was held.
    pub validity: Validity,
}

/// From when until when, both ends included; each EDTF, or empty where it is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validity {
    /// The first day, month or year.
    pub from: String,
    /// The last.
    pub to: String,
}

impl Validity {
    /// From one date until another.
    pub fn new(from: &str, to: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
        }
    }

    /// Whether neither end is said.
    pub fn is_open(&self) -> bool {
        self.from.is_empty() && self.to.is_empty()
    }

    /// The days from the earliest that the beginning may mean to the latest that the end may mean; `None` where neither is said.
    pub fn days(&self) -> Option<DaySpan> {
        let span = |text: &str| DaySpan::of(text).ok();
        let days = DaySpan {
            earliest: span(&self.from).and_then(|from| from.earliest),
            latest: span(&self.to).and_then(|to| to.latest),
        };
        (days.earliest.is_some() || days.latest.is_some()).then_some(days)
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from.as_str(), self.to.as_str()) {
            ("", "") => Ok(()),
            ("", to) => write!(f, "until {to}"),
            (from, "") => write!(f, "from {from}"),
            (from, to) => write!(f, "{from} to {to}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(entry) => entry.fmt(f),
            Self::Shipped(identifier) => write!(f, "{identifier} (shipped)"),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.code)
    }
}

impl Name {
    /// A name in a language, on its days.
    pub fn new(text: &str, language: &str, validity: Validity) -> Self {
        Self {
            text: text.to_owned(),
            folded: fold(text).trim().to_owned(),
            language: language.to_owned(),
            validity,
        }
    }
}

impl Identifier {
    /// A code in a collection.
    pub fn new(scheme: &str, code: &str) -> Self {
        Self {
            scheme: scheme.to_owned(),
            code: code.to_owned(),
            folded: (fold(scheme), fold(code).trim().to_owned()),
        }
    }

    /// Scheme and code as filters compare them.
    pub fn folded(&self) -> &FoldedIdentifier {
        &self.folded
    }

    /// The identifier in a code that has a scheme; a code of which nothing is left when it is folded would be everybody's.
    fn of(code: &Code) -> Option<Self> {
        let own = Self::new(&code.scheme, &code.code);
        let (scheme, code) = own.folded();
        (!scheme.is_empty() && !code.is_empty()).then_some(own)
    }
}

impl Authority {
    /// What an entry of kind `authority` says. Its title is a name too, always, unless `names` has it and says when. What folds to
    /// nothing is no name.
    pub fn of_content(entry: EntryKey, content: &Content) -> Self {
        let named = content
            .names
            .iter()
            .map(|name| Name::new(&name.name, &name.language, Validity::new(&name.from, &name.to)));
        let mut names: Vec<Name> = named.filter(|name| !name.folded.is_empty()).collect();
        let title = Name::new(&content.title, &content.language, Validity::default());
        if !title.folded.is_empty() && !names.iter().any(|name| name.folded == title.folded) {
            names.insert(0, title);
        }
        let country = |office: &crate::record::codec::Office| {
            let country = office.country.as_ref();
            country.map(|country| country.code.clone()).unwrap_or_default()
        };
        let is_part_of =
            |relation: &&crate::record::codec::Relation| relation.r#type() == RelationType::PartOf;
        Self {
            origin: Origin::Entry(entry),
            names,
            identifiers: content.identifiers.iter().filter_map(Identifier::of).collect(),
            lived: Validity::default(),
            offices: content
                .offices
                .iter()
                .map(|office| Office {
                    office: office.office.clone(),
                    country: country(office),
                    validity: Validity::new(&office.from, &office.to),
                })
                .collect(),
            part_of: content
                .relations
                .iter()
                .filter(is_part_of)
                .map(|relation| format!("{}/{}", relation.series, relation.key))
                .collect(),
            source: String::new(),
        }
    }

    /// Whether it has a name, which is folded.
    pub fn has_name(&self, folded: &str) -> bool {
        self.names.iter().any(|name| name.folded == folded)
    }

    /// Whether it has an identifier, which is folded.
    pub fn has_identifier(&self, scheme: &str, code: &str) -> bool {
        let is_it = |own: &Identifier| own.folded.0 == scheme && own.folded.1 == code;
        self.identifiers.iter().any(is_it)
    }
}

//! Terms without which no record passes a filter.
//!
//! Whoever holds each new record against many filters need not ask them all: it looks its terms up among those that they
//! require ([`Lookup::required`]) and asks the filters that it finds. Only terms of fields that are required are made of it
//! ([`each_term_of`]).

use super::field::{Field, SUGGESTION_PARTS};
use super::lookup::Lookup;
use super::subject::Subject;
use super::suggested;
use super::terms::{COUNTRIES, Term, TermField, add_countries, add_leaf_terms, add_other_terms};
use crate::record::Kind;
use crate::record::codec::parts::Parts;

/// A set of fields of terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TermFields(u64);

impl TermFields {
    /// The set with one more.
    #[must_use]
    pub fn with(self, field: TermField) -> Self {
        Self(self.0 | 1 << field as u8)
    }

    /// Whether a field is in it.
    pub fn has(self, field: TermField) -> bool {
        self.0 & 1 << field as u8 != 0
    }

    /// Whether all of its fields are in another set.
    pub fn are_in(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn of(fields: &[TermField]) -> Self {
        let with = |set: Self, field: &TermField| set.with(*field);
        fields.iter().fold(Self::default(), with)
    }
}

/// Fields of what the leaf says.
const LEAF: [TermField; 7] = [
    TermField::Kind,
    TermField::Act,
    TermField::Series,
    TermField::Key,
    TermField::KeyStart,
    TermField::Principal,
    TermField::Revision,
];
/// Fields whose every term is of many records.
const BROAD: [TermField; 7] = [
    TermField::Kind,
    TermField::Act,
    TermField::Series,
    TermField::Principal,
    TermField::Quad,
    TermField::Root,
    TermField::Flag,
];

impl Lookup {
    /// Terms of which a record that passes has at least one; `None` where it may pass with none that is known.
    pub fn required(&self) -> Option<Vec<Term>> {
        match self {
            Self::Exactly(term) => Some(vec![term.clone()]),
            Self::Narrow(inner) => inner.required(),
            // What one of them requires is enough: the one of the fewest records.
            Self::And(each) => each.iter().filter_map(Self::required).min_by_key(|terms| {
                let is_broad = terms.iter().any(|term| BROAD.contains(&term.field));
                (is_broad, terms.len())
            }),
            Self::Or(each) => {
                let each = each.iter().map(Self::required).collect::<Option<Vec<_>>>();
                each.map(|each| each.concat())
            }
            Self::All | Self::Prefix(_) | Self::Range(..) | Self::Among(..) | Self::Not(_) => None,
            Self::Days(_) | Self::Positions(_) | Self::Scan => None,
        }
    }
}

/// Fields that countries are found by. They are asked for most, and need a small part of a content.
const COUNTRY: [TermField; 7] = [
    TermField::Country,
    TermField::SourceCountry,
    TermField::TargetCountry,
    TermField::MentionedCountry,
    TermField::PlaceCountry,
    TermField::Dyad,
    TermField::DirectedDyad,
];

/// Fields of what documents suggest.
const SUGGESTED: [TermField; 4] = [
    TermField::SuggestedCountry,
    TermField::SuggestedActor,
    TermField::SuggestedPlace,
    TermField::SuggestedPlaceCountry,
];

/// Calls `add` with every term of a record that is of these fields, and maybe with others; a term may come more than once.
pub fn each_term_of(subject: &Subject, fields: TermFields, mut add: impl FnMut(TermField, &[u8])) {
    let (leaf, country) = (TermFields::of(&LEAF), TermFields::of(&COUNTRY));
    if fields.meet(leaf) {
        add_leaf_terms(subject, &mut add);
    }
    let suggested = TermFields::of(&SUGGESTED);
    let asks_suggestions = subject.kind == Kind::Document && fields.meet(suggested);
    let fields = fields.without(suggested);
    if fields.are_in(leaf) && !asks_suggestions {
        return;
    }
    let mut parts = match fields.are_in(leaf.and(country)) {
        true => COUNTRIES
            .iter()
            .fold(Field::Dyad.parts(), |parts, (field, _)| parts.and(field.parts())),
        false => Parts::ALL,
    };
    if asks_suggestions {
        parts = parts.and(SUGGESTION_PARTS);
    }
    if let Some(content) = subject.content.get(parts) {
        if asks_suggestions {
            suggested::add_terms(subject, &mut add);
        }
        if fields.meet(country) {
            add_countries(content, &mut add);
        }
        if !fields.are_in(leaf.and(country)) {
            add_other_terms(content, |of| fields.meet(TermFields::of(of)), &mut add);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    fn required(text: &str) -> Option<Vec<(TermField, Vec<u8>)>> {
        let terms = Filter::parse(text).unwrap().lookup().required()?;
        Some(terms.into_iter().map(|term| (term.field, term.bytes)).collect())
    }

    #[test]
    fn a_filter_requires_the_terms_of_fewest_records() {
        let pak = Some(vec![(TermField::Country, b"PAK".to_vec())]);
        let of_documents = (TermField::SuggestedCountry, b"PAK".to_vec());
        let with_suggested = pak.clone().map(|stated| [stated, vec![of_documents]].concat());
        assert_eq!(required("country = PAK AND basis = derived"), pak);
        assert_eq!(required("country = PAK"), with_suggested);
        assert_eq!(
            required("country = PAK AND kind = event AND NOT country = IRN"),
            pak
        );
        assert_eq!(required("act = retract country = PAK"), with_suggested);
        let either = required("country = PAK OR dyad = IRN-PAK").unwrap();
        assert_eq!(either.len(), 3);
        for open in [
            "NOT country = PAK",
            "country = PAK OR position > 4",
            "occurred = 2021",
            "",
        ] {
            assert_eq!(required(open), None, "{open}");
        }
    }
}

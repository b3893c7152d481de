//! What answers are grouped by: fields whose values are counted.
//!
//! The values are among the terms of a record ([`super::each_term`]), so that an index of terms can count them. This says which
//! terms those are, and how a value is shown.

use super::TermField;
use super::value::FLAGS;
use crate::record::json::nearest;

/// A field whose values can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grouped {
    /// The kind.
    Kind,
    /// The series.
    Series,
    /// The principal.
    Principal,
    /// A participant's country.
    Country,
    /// A source's country.
    SourceCountry,
    /// A target's country.
    TargetCountry,
    /// A mentioned country.
    MentionedCountry,
    /// A place's country.
    PlaceCountry,
    /// Two countries facing each other.
    Dyad,
    /// A source's country and a target's.
    DirectedDyad,
    /// A participant, by the name that was stated.
    Actor,
    /// A type, as scheme and code.
    Type,
    /// A CAMEO code, stated, or that of an event text.
    CameoType,
    /// A PLOVER type, stated, or what a CAMEO code becomes.
    PloverType,
    /// The root of a type, as scheme and code.
    Root,
    /// A mode, folded.
    Mode,
    /// A quad class, as its number.
    Quad,
    /// A place, by the name that was stated.
    Place,
    /// A publisher, folded.
    Publisher,
    /// The act of the record that has the content.
    Act,
    /// A sector's code, and its words, folded.
    Sector,
    /// An identifier's code, and its words, folded.
    Identifier,
    /// A topic's code, and its word, folded.
    Topic,
    /// A context's code, and its word, folded.
    Context,
    /// A flag.
    Flag,
    /// A language's tag and its beginnings, folded.
    Language,
}

/// Every field by its name, in the order of the documentation, and the terms that have its values.
const NAMED: [(&str, Grouped, TermField); 26] = [
    ("kind", Grouped::Kind, TermField::Kind),
    ("series", Grouped::Series, TermField::Series),
    ("principal", Grouped::Principal, TermField::Principal),
    ("country", Grouped::Country, TermField::Country),
    ("source.country", Grouped::SourceCountry, TermField::SourceCountry),
    ("target.country", Grouped::TargetCountry, TermField::TargetCountry),
    (
        "mentioned.country",
        Grouped::MentionedCountry,
        TermField::MentionedCountry,
    ),
    ("place.country", Grouped::PlaceCountry, TermField::PlaceCountry),
    ("dyad", Grouped::Dyad, TermField::Dyad),
    ("directed_dyad", Grouped::DirectedDyad, TermField::DirectedDyad),
    ("actor", Grouped::Actor, TermField::StatedActor),
    ("type", Grouped::Type, TermField::StatedType),
    ("type.cameo", Grouped::CameoType, TermField::CameoType),
    ("type.plover", Grouped::PloverType, TermField::PloverType),
    ("root", Grouped::Root, TermField::Root),
    ("mode", Grouped::Mode, TermField::Mode),
    ("quad", Grouped::Quad, TermField::Quad),
    ("place", Grouped::Place, TermField::StatedPlace),
    ("publisher", Grouped::Publisher, TermField::Publisher),
    ("act", Grouped::Act, TermField::Act),
    ("sector", Grouped::Sector, TermField::Sector),
    ("identifier", Grouped::Identifier, TermField::Identifier),
    ("topic", Grouped::Topic, TermField::Topic),
    ("context", Grouped::Context, TermField::Context),
    ("flag", Grouped::Flag, TermField::Flag),
    ("language", Grouped::Language, TermField::Language),
];

/// What the values of a field come from, besides what was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Nothing.
    Itself,
    /// The country tables.
    Country,
    /// The quad classes of roots.
    Quad,
    /// The roots of codes.
    Root,
    /// The tables of types.
    Type,
}

/// A name that is not one of these fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is nothing that answers are grouped by{near}; there are day, month and year, also with `reported.` or `recorded.` before them, and {names}", near = .near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default(), names = Grouped::names().collect::<Vec<_>>().join(", "))]
pub struct NotGrouped {
    /// What was found.
    pub found: String,
    /// The name that is nearest to it.
    pub near: Option<&'static str>,
}

impl Grouped {
    /// The field of a name.
    ///
    /// # Errors
    /// [`NotGrouped`].
    pub fn named(name: &str) -> Result<Self, NotGrouped> {
        let found = NAMED.iter().find(|(own, ..)| *own == name);
        found.map(|(_, field, _)| *field).ok_or_else(|| NotGrouped {
            found: name.to_owned(),
            near: nearest(name, Self::names()),
        })
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, ..)| *name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The terms that have its values.
    pub fn term(self) -> TermField {
        self.row().2
    }

    /// What those terms begin with. Codes are among their field's with their scheme and without it, and are counted without.
    pub fn begins(self) -> &'static [u8] {
        match self {
            Self::Sector | Self::Identifier | Self::Topic | Self::Context => &[0],
            _ => &[],
        }
    }

    fn row(self) -> &'static (&'static str, Self, TermField) {
        // Each has a row: a test holds it.
        NAMED.iter().find(|(_, own, _)| *own == self).unwrap_or(&NAMED[0])
    }

    pub(super) fn of(self) -> Of {
        match self {
            Self::Country
            | Self::SourceCountry
            | Self::TargetCountry
            | Self::MentionedCountry
            | Self::PlaceCountry
            | Self::Dyad
            | Self::DirectedDyad => Of::Country,
            Self::Quad => Of::Quad,
            Self::Root => Of::Root,
            Self::CameoType | Self::PloverType | Self::Mode | Self::Context => Of::Type,
            Self::Kind
            | Self::Series
            | Self::Principal
            | Self::Actor
            | Self::Type
            | Self::Place
            | Self::Publisher
            | Self::Act
            | Self::Sector
            | Self::Identifier
            | Self::Topic
            | Self::Flag
            | Self::Language => Of::Itself,
        }
    }

    /// How a term's bytes are shown.
    pub fn shown(self, term: &[u8]) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pair = |sign: &str| match term.split_at_checked(3) {
            Some((one, other)) => format!("{}{sign}{}", text(one), text(other)),
            None => text(term),
        };
        match self {
            Self::Dyad => pair("-"),
            Self::DirectedDyad => pair(">"),
            Self::Quad => term.first().map_or_else(String::new, u8::to_string),
            Self::Flag => flag(term),
            Self::Sector | Self::Identifier | Self::Topic | Self::Context => {
                text(term.strip_prefix(&[0]).unwrap_or(term))
            }
            // Without a scheme it is the code alone.
            Self::Root | Self::Type => text(term.strip_prefix(&[0]).unwrap_or(term)).replacen('\0', ":", 1),
            _ => text(term),
        }
    }
}

/// A flag's word; of one that has none yet, its number.
fn flag(term: &[u8]) -> String {
    let number = term.try_into().map(i32::from_be_bytes).unwrap_or_default();
    let known = FLAGS.iter().find(|(_, flag)| *flag as i32 == number);
    known.map_or_else(|| number.to_string(), |(word, _)| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_name_of_its_own_and_terms() {
        for (name, field, term) in NAMED {
            assert_eq!(Grouped::named(name), Ok(field));
            assert_eq!((field.name(), field.term()), (name, term));
        }
        let error = Grouped::named("contry").unwrap_err();
        assert!(error.to_string().contains("did you mean `country`?"), "{error}");
    }

    #[test]
    fn values_are_shown_as_the_filter_language_writes_them() {
        assert_eq!(Grouped::Dyad.shown(b"IRNPAK"), "IRN-PAK");
        assert_eq!(Grouped::DirectedDyad.shown(b"PAKIRN"), "PAK>IRN");
        assert_eq!(Grouped::Quad.shown(&[3]), "3");
        assert_eq!(Grouped::Type.shown(b"cameo\x00042"), "cameo:042");
        assert_eq!(Grouped::Type.shown(b"\x00042"), "042");
        assert_eq!(Grouped::Actor.shown("Şahin".as_bytes()), "Şahin");
        assert_eq!(Grouped::Topic.shown(b"\0border security"), "border security");
        assert_eq!(Grouped::Flag.shown(&1_i32.to_be_bytes()), FLAGS[0].0);
        assert_eq!(Grouped::Flag.shown(&99_i32.to_be_bytes()), "99");
    }
}

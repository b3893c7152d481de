//! The fields of the filter language, by name.

use crate::derive::GOLDSTEIN;
use crate::record::codec::RelationType;
use crate::record::codec::parts::Parts;
use std::fmt;

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Kind,
    Series,
    Key,
    Act,
    Status,
    Revision,
    Position,
    Recorded,
    Principal,
    Occurred,
    Reported,
    Country,
    SourceCountry,
    TargetCountry,
    MentionedCountry,
    MentionedActor,
    MentionedPlace,
    MentionedDay,
    PlaceCountry,
    Dyad,
    ActorDyad,
    Actor,
    Name,
    SourceName,
    TargetName,
    Sector,
    Identifier,
    Type,
    Root,
    Mode,
    Quad,
    Topic,
    Context,
    Flag,
    Place,
    Text,
    Title,
    Language,
    Publisher,
    Url,
    /// The entries to which a content states this relation.
    Related(RelationType),
    Basis,
    /// `measure.NAME`, the name in lower case.
    Measure(String),
    /// `extra.COLUMN`, the column folded.
    Extra(String),
}

/// Every field that has a fixed name, in the order of the documentation.
const NAMED: [(&str, Field); 49] = [
    ("kind", Field::Kind),
    ("series", Field::Series),
    ("key", Field::Key),
    ("act", Field::Act),
    ("status", Field::Status),
    ("revision", Field::Revision),
    ("position", Field::Position),
    ("recorded", Field::Recorded),
    ("principal", Field::Principal),
    ("occurred", Field::Occurred),
    ("reported", Field::Reported),
    ("country", Field::Country),
    ("source.country", Field::SourceCountry),
    ("target.country", Field::TargetCountry),
    ("mentioned.country", Field::MentionedCountry),
    ("mentioned.actor", Field::MentionedActor),
    ("mentioned.place", Field::MentionedPlace),
    ("mentioned.day", Field::MentionedDay),
    ("place.country", Field::PlaceCountry),
    ("dyad", Field::Dyad),
    ("actor_dyad", Field::ActorDyad),
    ("actor", Field::Actor),
    ("name", Field::Name),
    ("source.name", Field::SourceName),
    ("target.name", Field::TargetName),
    ("sector", Field::Sector),
    ("identifier", Field::Identifier),
    ("type", Field::Type),
    ("root", Field::Root),
    ("mode", Field::Mode),
    ("quad", Field::Quad),
    ("topic", Field::Topic),
    ("context", Field::Context),
    ("flag", Field::Flag),
    ("place", Field::Place),
    ("text", Field::Text),
    ("title", Field::Title),
    ("language", Field::Language),
    ("publisher", Field::Publisher),
    ("url", Field::Url),
    ("reported_in", Field::Related(RelationType::ReportedIn)),
    ("part_of", Field::Related(RelationType::PartOf)),
    ("responds_to", Field::Related(RelationType::RespondsTo)),
    ("implements", Field::Related(RelationType::Implements)),
    ("corrects", Field::Related(RelationType::Corrects)),
    ("replaces", Field::Related(RelationType::Replaces)),
    ("counterpart_of", Field::Related(RelationType::CounterpartOf)),
    ("duplicate_of", Field::Related(RelationType::DuplicateOf)),
    ("basis", Field::Basis),
];

/// The numbers of the fields of `Content` in `record.proto`.
mod number {
    pub const TITLE: u32 = 1;
    pub const BODY: u32 = 2;
    pub const LANGUAGE: u32 = 3;
    pub const TEXTS: u32 = 5;
    pub const DATES: u32 = 6;
    pub const PARTICIPANTS: u32 = 7;
    pub const TYPES: u32 = 8;
    pub const FLAGS: u32 = 9;
    pub const TOPICS: u32 = 10;
    pub const CONTEXTS: u32 = 11;
    pub const PLACES: u32 = 12;
    pub const MEASURES: u32 = 13;
    pub const REPORTS: u32 = 14;
    pub const RELATIONS: u32 = 15;
    pub const EXTRA: u32 = 17;
    pub const NAMES: u32 = 19;
    pub const IDENTIFIERS: u32 = 20;
}

/// The parts of a content in which bare words are looked for.
pub(super) const WORD_PARTS: Parts = Parts::fields(&[
    number::TITLE,
    number::BODY,
    number::TEXTS,
    number::PARTICIPANTS,
    number::NAMES,
]);

/// The parts that are read for suggestions.
pub(super) const SUGGESTION_PARTS: Parts = Parts::fields(&[number::TITLE, number::BODY, number::DATES]);

/// The parts in which `near` looks.
pub(super) const PLACE_PARTS: Parts = Parts::fields(&[number::PLACES]);

impl Field {
    /// The field of a fixed name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = NAMED.iter().find(|(own, _)| *own == name);
        found.map(|(_, field)| field.clone())
    }

    /// Every fixed name.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// Which parts of a content it looks at.
    pub(super) fn parts(&self) -> Parts {
        use number::*;
        Parts::fields(match self {
            Self::Kind | Self::Series | Self::Key | Self::Act | Self::Status | Self::Revision => &[],
            Self::Position | Self::Recorded | Self::Principal | Self::Basis => &[],
            Self::Occurred | Self::Reported => &[DATES],
            // What a code meant depends on when it happened.
            Self::Country | Self::SourceCountry | Self::TargetCountry | Self::MentionedCountry => {
                &[DATES, PARTICIPANTS]
            }
            Self::Dyad => &[DATES, PARTICIPANTS],
            Self::PlaceCountry => &[DATES, PLACES],
            Self::ActorDyad | Self::Sector | Self::SourceName | Self::TargetName => &[PARTICIPANTS],
            Self::MentionedActor => &[PARTICIPANTS],
            Self::Place => &[PLACES],
            // Nobody states them.
            Self::MentionedPlace | Self::MentionedDay => &[TITLE, BODY, DATES],
            Self::Actor | Self::Name => &[PARTICIPANTS, NAMES],
            Self::Identifier => &[PARTICIPANTS, IDENTIFIERS],
            Self::Type | Self::Root | Self::Mode => &[TYPES],
            Self::Quad => &[TYPES, MEASURES],
            Self::Topic => &[TOPICS],
            Self::Context => &[TYPES, CONTEXTS],
            Self::Flag => &[FLAGS],
            Self::Text => &[TITLE, BODY, TEXTS],
            Self::Title => &[TITLE, TEXTS],
            Self::Language => &[LANGUAGE, TEXTS],
            Self::Publisher | Self::Url => &[REPORTS],
            Self::Related(_) => &[RELATIONS],
            Self::Measure(name) if name == GOLDSTEIN => &[TYPES, MEASURES],
            Self::Measure(_) => &[MEASURES],
            Self::Extra(_) => &[EXTRA],
        })
    }
}

impl Field {
    /// Whether what documents suggest is among its values.
    pub(super) fn has_suggestions(&self) -> bool {
        matches!(
            self,
            Self::Country
                | Self::MentionedCountry
                | Self::PlaceCountry
                | Self::Actor
                | Self::MentionedActor
                | Self::Place
                | Self::MentionedPlace
                | Self::Occurred
                | Self::MentionedDay
        )
    }

    /// Whether nothing but what documents suggest is among its values.
    pub(super) fn is_only_suggested(&self) -> bool {
        matches!(self, Self::MentionedPlace | Self::MentionedDay)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (group, name) = match self {
            Self::Measure(name) => ("measure", name),
            Self::Extra(column) => ("extra", column),
            fixed => {
                let found = NAMED.iter().find(|(_, own)| own == fixed);
                return f.write_str(found.map_or("", |(name, _)| name));
            }
        };
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        match plain {
            true => write!(f, "{group}.{name}"),
            false => write!(f, "{group}.{}", super::canonical::quoted(name)),
        }
    }
}

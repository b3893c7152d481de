//! A filter as a tree of typed conditions.

use super::field::{Field, PLACE_PARTS, WORD_PARTS};
use super::known::Known;
use super::words::Phrase;
use crate::derive::{Basis, Iso3, Quad};
use crate::record::codec::parts::Parts;
use crate::record::codec::{Flag, RelationType};
use crate::record::date::DaySpan;
use crate::record::{Act, EntryKey, Kind, Status};

/// A condition, or conditions joined.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// The empty filter: everything.
    All,
    /// Every one of at least two.
    And(Vec<Node>),
    /// Any one of at least two.
    Or(Vec<Node>),
    /// Not this.
    Not(Box<Node>),
    /// One condition.
    Test(Test),
}

/// One condition. Where a field has many values in a record, it holds when any of them passes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    /// The entry's kind.
    Kind(Kind),
    /// What the record does.
    Act(Act),
    /// The status.
    Status(Status),
    /// A flag of the content.
    Flag(Flag),
    /// `series`, `key`, `principal`: compared byte for byte.
    Exact {
        field: Field,
        text: String,
        prefix: bool,
    },
    /// `revision`, `position`.
    Number {
        field: Field,
        compare: Compare,
        value: u64,
    },
    /// When the record was committed.
    Recorded { compare: Compare, moment: Moment },
    /// `occurred`, `reported`.
    Date {
        field: Field,
        how: DateCompare,
        text: String,
        span: DaySpan,
    },
    /// `country` and its like.
    Country { field: Field, code: Iso3 },
    /// Two countries facing each other; sorted where not directed.
    Dyad {
        first: Iso3,
        second: Iso3,
        directed: bool,
    },
    /// Two actors facing each other, folded; sorted where not directed.
    ActorDyad {
        first: String,
        second: String,
        directed: bool,
    },
    /// Actors, also by what else is known of their names.
    Known(Box<Known>),
    /// Names and texts.
    Text { field: Field, check: TextCheck },
    /// Codes: with a scheme only codes of that scheme.
    Code {
        field: Field,
        scheme: Option<String>,
        check: TextCheck,
    },
    /// A relation that the content states to an entry.
    Related { relation: RelationType, entry: EntryKey },
    /// The root of a type.
    Root { scheme: String, code: String },
    /// The quad class.
    Quad(Quad),
    /// A place within so many kilometres, on a sphere.
    Near { latitude: f64, longitude: f64, km: f64 },
    /// A stated number.
    Measure {
        name: String,
        compare: Compare,
        value: String,
    },
    /// A column without a field of its own, as text.
    ExtraText { field: Field, check: TextCheck },
    /// A column without a field of its own, as a number.
    ExtraNumber {
        field: Field,
        compare: Compare,
        value: String,
    },
    /// Bare words: title, body or names.
    Words(Phrase),
    /// The field has a value.
    Has(Field),
    /// How much may be read into a record; only while parsing, which takes it out of the tree. With its byte.
    Basis { basis: Basis, at: usize },
}

/// How numbers and times are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How dates are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateCompare {
    /// By earliest and latest day.
    Certainly(Compare),
    /// The two may share a day.
    Possibly,
}

/// How a text is compared. All but [`TextCheck::Literal`] compare folded texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextCheck {
    /// The whole text.
    Is(String),
    /// The whole text, character for character.
    Literal(String),
    /// The beginning.
    Prefix(String),
    /// Words in a row.
    Has(Phrase),
    /// Any part.
    Part(String),
}

/// A point or a day of the log's clock, in UTC nanoseconds since 1970, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Node {
    /// Calls `visit` for every condition, in order.
    pub(super) fn each(&self, visit: &mut impl FnMut(&Test)) {
        match self {
            Self::All => {}
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.each(visit)),
            Self::Not(node) => node.each(visit),
            Self::Test(test) => visit(test),
        }
    }

    /// Whether any condition may hold by what documents suggest, and documents are not left out.
    pub(super) fn asks_suggestions(&self) -> bool {
        let mut asks = false;
        self.each(&mut |test| asks = asks || test.asks_suggestions());
        asks && self.lets_documents_in()
    }

    /// Whether a document may pass, by what is said of kinds.
    fn lets_documents_in(&self) -> bool {
        match self {
            Self::And(nodes) => nodes.iter().all(Self::lets_documents_in),
            Self::Or(nodes) => nodes.iter().any(Self::lets_documents_in),
            Self::Test(Test::Kind(kind)) => *kind == Kind::Document,
            Self::Not(node) => **node != Self::Test(Test::Kind(Kind::Document)),
            Self::All | Self::Test(_) => true,
        }
    }

    /// Which parts of a content the conditions look at for what is stated and what is derived.
    pub(super) fn parts(&self) -> Parts {
        let mut parts = Parts::NONE;
        self.each(&mut |test| parts = parts.and(test.parts()));
        parts
    }
}

impl Test {
    /// The field it asks for, where it has one that can be named.
    pub(super) fn field(&self) -> Option<Field> {
        Some(match self {
            Self::Kind(_) => Field::Kind,
            Self::Act(_) => Field::Act,
            Self::Status(_) => Field::Status,
            Self::Flag(_) => Field::Flag,
            Self::Exact { field, .. } | Self::Number { field, .. } | Self::Date { field, .. } => {
                field.clone()
            }
            Self::Country { field, .. } | Self::Text { field, .. } | Self::Code { field, .. } => {
                field.clone()
            }
            Self::Has(field) => field.clone(),
            Self::Known(known) => return known.asked.field(),
            Self::Recorded { .. } => Field::Recorded,
            Self::Dyad { .. } => Field::Dyad,
            Self::ActorDyad { .. } => Field::ActorDyad,
            Self::Related { relation, .. } => Field::Related(*relation),
            Self::Root { .. } => Field::Root,
            Self::Quad(_) => Field::Quad,
            Self::Measure { name, .. } => Field::Measure(name.clone()),
            Self::ExtraText { field, .. } | Self::ExtraNumber { field, .. } => field.clone(),
            Self::Basis { .. } => Field::Basis,
            Self::Near { .. } | Self::Words(_) => return None,
        })
    }

    /// Whether what documents suggest may make it hold.
    pub(super) fn asks_suggestions(&self) -> bool {
        match self {
            Self::Country { field, .. }
            | Self::Text { field, .. }
            | Self::Date { field, .. }
            | Self::Has(field) => field.has_suggestions(),
            Self::Known(known) => known.is_of_one(),
            _ => false,
        }
    }

    /// Which parts of a content it looks at for what is stated and what is derived.
    pub(super) fn parts(&self) -> Parts {
        match self {
            Self::Near { .. } => PLACE_PARTS,
            Self::Words(_) => WORD_PARTS,
            Self::Known(known) => known.parts(),
            other => other.field().map_or(Parts::NONE, |field| field.parts()),
        }
    }
}

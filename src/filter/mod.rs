//! The filter language: one language for read, search, count, subscribe, export and append conditions.
//!
//! [`Filter::parse`] turns a text into a typed tree, or says which column holds what it did not expect.
//! [`Filter::matches`] decides one record ([`Subject`]) by looking at it; that is the meaning of the
//! language. [`terms()`] are what an index of a record holds, and [`Filter::lookup`] says which of them
//! decide the filter: an index may answer only what the two agree on, and a property test holds them
//! together. Users read `docs/filter-language.md`.
//!
//! The language never reads a clock, a log or a file, and never changes a record. It asks [`crate::derive`]
//! what follows from what was stated, and [`crate::suggest`] what a document seems to say.

mod among;
mod canonical;
mod cells;
mod countries;
mod derived;
mod error;
mod eval;
mod excerpt;
mod explain;
mod field;
mod grouped;
mod known;
mod lookup;
mod number;
mod parse;
mod required;
mod scan;
mod sought;
mod subject;
mod suggested;
mod terms;
#[cfg(test)]
mod tests;
mod tree;
mod value;
mod values;
mod wording;
mod words;

pub use among::{WHOLE_BYTES_MAX, WordTest};
pub use derived::{DerivedType, DerivedValue, each_derived, stated_quads};
pub use error::{FilterError, FilterProblem};
pub use excerpt::Excerpt;
pub use explain::Asked;
pub use grouped::{Grouped, NotGrouped};
pub use known::{AskedActor, Names};
pub use lookup::{DayTest, DaysOf, Lookup};
pub use required::{TermFields, each_term_of};
pub use sought::{Sought, SoughtWords, What};
pub use subject::{LazyContent, Subject};
pub use suggested::each_mentioned_day;
pub use terms::{Term, TermField, each_term, measure_bytes, measure_value, terms};
pub use values::dyads;
pub use wording::{Occurrences, Wording};

use crate::derive::Basis;
use crate::record::codec::RelationType;
use crate::record::codec::parts::Parts;
use crate::record::{EntryKey, Kind};
use field::{Field, SUGGESTION_PARTS};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tree::{Node, Test};

/// The most bytes a filter may have, as given and in its canonical form.
pub const FILTER_BYTES_MAX: usize = 16 * 1024;
/// The most levels of parentheses and NOT, the outermost included.
pub const FILTER_DEPTH_MAX: usize = 32;
/// The most conditions and connectives.
pub const FILTER_NODES_MAX: usize = 1_000;

/// A parsed filter. Cheap to clone; two are equal when they have the same tree.
#[derive(Clone)]
pub struct Filter(Arc<Inner>);

struct Inner {
    root: Node,
    /// The tree with cheap conditions first.
    plan: Node,
    /// As it was given.
    stated_basis: Option<Basis>,
    /// How much is read into a record: never more than may make a difference.
    basis: Basis,
    parts: Parts,
    canonical: String,
}

impl Filter {
    /// Reads a filter; an empty text matches everything.
    ///
    /// ```
    /// let filter = chancery::filter::Filter::parse("country = Iran type : 04")?;
    /// assert_eq!(filter.canonical(), "country = IRN AND type = cameo:04*");
    /// # Ok::<(), chancery::filter::FilterError>(())
    /// ```
    ///
    /// # Errors
    /// The column, what was found there and what was expected; or the limit that it exceeds.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let (root, basis) = parse::parse(text)?;
        let filter = Self::of(root, basis);
        match filter.0.canonical.len() {
            0..=FILTER_BYTES_MAX => Ok(filter),
            length => Err(FilterError {
                column: 1,
                found: format!("{length} bytes with every short form written out"),
                expected: format!("{FILTER_BYTES_MAX} bytes"),
                problem: FilterProblem::TooLong,
                actual: Some(length),
            }),
        }
    }

    /// The filter of the records of a series whose keys begin so; of more, where that cannot be said.
    pub fn of_keys(series: &str, start: &str) -> Self {
        let text = canonical::of_keys(series, start);
        Self::parse(&text).unwrap_or_else(|_| Self::all())
    }

    /// The filter that matches everything.
    pub fn all() -> Self {
        Self::of(Node::All, None)
    }

    fn of(root: Node, basis: Option<Basis>) -> Self {
        let canonical = canonical::text_of(&root, basis);
        let (plan, parts) = (explain::cheap_first(root.clone()), root.parts());
        let most = match root.asks_suggestions() {
            true => Basis::Suggested,
            false => Basis::Derived,
        };
        Self(Arc::new(Inner {
            root,
            plan,
            stated_basis: basis,
            basis: basis.unwrap_or(Basis::Suggested).min(most),
            parts,
            canonical,
        }))
    }

    /// What states this relation to any entry.
    pub fn has_related(relation: RelationType) -> Self {
        Self::of(Node::Test(Test::Has(Field::Related(relation))), None)
    }

    /// What states this relation to an entry.
    pub fn related(relation: RelationType, entry: EntryKey) -> Self {
        Self::of(Node::Test(Test::Related { relation, entry }), None)
    }

    /// This filter, and a kind that entries must have besides.
    pub fn of_kind(&self, kind: Kind) -> Self {
        let test = Node::Test(Test::Kind(kind));
        let root = match self.0.root.clone() {
            Node::All => test,
            Node::And(mut nodes) => {
                nodes.insert(0, test);
                Node::And(nodes)
            }
            other => Node::And(vec![test, other]),
        };
        Self::of(root, self.0.stated_basis)
    }

    /// Whether it matches everything, because it says nothing.
    pub fn is_all(&self) -> bool {
        self.0.root == Node::All
    }

    /// The one text of this filter: every short form written out. It parses to an equal filter, and stays the
    /// same from version to version.
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    /// SHA-256 of the canonical text: what resume and page tokens are bound to.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.canonical.as_bytes()).into()
    }

    /// Whether a record passes. Content is decoded at most once, only where a condition needs it, and only in
    /// part.
    pub fn matches(&self, subject: &Subject) -> bool {
        self.evaluation(subject, self.basis()).node(&self.0.plan)
    }

    /// A record under this filter, where no more is read into it than `basis` allows.
    fn evaluation<'e>(&self, subject: &'e Subject<'e>, basis: Basis) -> eval::Evaluation<'e> {
        let asks = basis == Basis::Suggested && subject.kind == Kind::Document;
        eval::Evaluation {
            subject,
            basis,
            parts: match asks {
                true => self.0.parts.and(SUGGESTION_PARTS),
                false => self.0.parts,
            },
        }
    }

    /// Whether some content could make a record pass whose own is gone. The act counts as unknown, too: what is asked is about an
    /// entry, whose newest content is meant whatever act made it.
    pub fn could_match(&self, subject: &Subject) -> bool {
        let evaluation = self.evaluation(subject, self.basis());
        evaluation.without_content(&self.0.plan) != Some(false)
    }

    /// Whether any condition looks at content; where not, [`LazyContent::absent`] will do.
    pub fn needs_content(&self) -> bool {
        self.0.parts != Parts::NONE
    }

    /// How much it reads into a record: what it says, all where it says nothing, and never more than may make a difference.
    pub fn basis(&self) -> Basis {
        self.0.basis
    }

    /// The same without what documents suggest: what is counted by its values, or decides what may be appended, is never a suggestion.
    #[must_use]
    pub fn without_suggestions(&self) -> Self {
        match self.basis() {
            Basis::Suggested => Self::of(self.0.root.clone(), Some(Basis::Derived)),
            Basis::Stated | Basis::Derived => self.clone(),
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::all()
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.0.root == other.0.root && self.0.stated_basis == other.0.stated_basis
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.canonical())
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.canonical())
    }
}

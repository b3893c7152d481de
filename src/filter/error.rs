//! What is wrong with a filter, said so that it can be put right: where, what was found, what was expected.

use std::fmt;

/// A filter that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What stands there; at most about 40 characters of it.
    pub found: String,
    /// What may stand there, or how to put it right.
    pub expected: String,
    /// Which rule it breaks.
    pub problem: FilterProblem,
    /// Where it exceeds a limit, how much of what is limited it has.
    pub actual: Option<usize>,
}

/// The rules that a filter can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterProblem {
    /// The text is longer than [`super::FILTER_BYTES_MAX`].
    TooLong,
    /// Parentheses and NOT nest deeper than [`super::FILTER_DEPTH_MAX`].
    TooDeep,
    /// It has more conditions and connectives than [`super::FILTER_NODES_MAX`].
    TooManyNodes,
    /// AND and OR at one level.
    Mixed,
    /// The text is not a filter.
    Syntax,
    /// There is no such field.
    UnknownField,
    /// The operator cannot stand with this field.
    Operator,
    /// The value is not one of the field's.
    Value,
}

impl FilterError {
    /// What a filter has too much of, and the limit, where it is refused for its size.
    pub fn excess(&self) -> Option<(usize, usize)> {
        let limit = match self.problem {
            FilterProblem::TooLong => super::FILTER_BYTES_MAX,
            FilterProblem::TooDeep => super::FILTER_DEPTH_MAX,
            FilterProblem::TooManyNodes => super::FILTER_NODES_MAX,
            FilterProblem::Mixed
            | FilterProblem::Syntax
            | FilterProblem::UnknownField
            | FilterProblem::Operator
            | FilterProblem::Value => return None,
        };
        Some((self.actual?, limit))
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            column,
            found,
            expected,
            problem,
            ..
        } = self;
        match problem {
            FilterProblem::TooLong => write!(
                f,
                "filter too long: {found} exceeds limit of {expected}; split it"
            ),
            FilterProblem::TooDeep => {
                write!(
                    f,
                    "filter nests too deep at column {column}: {found} exceeds limit of {expected}"
                )
            }
            FilterProblem::TooManyNodes => {
                write!(
                    f,
                    "filter too large at column {column}: {found} exceeds limit of {expected}; split it"
                )
            }
            FilterProblem::Mixed => write!(
                f,
                "column {column}: AND and OR are mixed without parentheses; found {found}, expected {expected}"
            ),
            FilterProblem::UnknownField => {
                write!(
                    f,
                    "column {column}: no field is called {found}; expected {expected}"
                )
            }
            FilterProblem::Syntax | FilterProblem::Operator | FilterProblem::Value => {
                write!(f, "column {column}: found {found}, expected {expected}")
            }
        }
    }
}

impl std::error::Error for FilterError {}

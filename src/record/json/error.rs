//! What can be wrong with a JSON record, said so that the next try succeeds.

use crate::record::codec::{PayloadError, PayloadProblem};
use crate::record::name::NameError;
use crate::record::position::Revision;
use serde_json::Value;
use std::fmt;

/// Why a JSON record was refused: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// The path in the object, such as `participants[1].name`; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub problem: JsonProblem,
}

/// What is wrong with a JSON record. None of it heals by sending the same again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// The text is no JSON, or a name stands twice in one object.
    #[error("line {line}, column {column}: {problem}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// A name that no record has.
    #[error("unknown name{}", did_you_mean(.0))]
    Unknown(Option<String>),
    /// A value of another sort.
    #[error("expected {expected}, found {found}{remedy}")]
    Type {
        /// What the field takes.
        expected: &'static str,
        /// What was found.
        found: String,
        /// What to write, with `; ` before it; may be empty.
        remedy: String,
    },
    /// A word that is not one of a list.
    #[error("`{word}` is not one of the words allowed here: {allowed}")]
    Word {
        /// As found.
        word: String,
        /// All that may be written.
        allowed: String,
    },
    /// A short form that does not say enough.
    #[error("`{text}` does not say enough; {remedy}")]
    Short {
        /// As found.
        text: String,
        /// What to write.
        remedy: &'static str,
    },
    /// A series, key or reason that cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A value that the archive does not keep.
    #[error(transparent)]
    Payload(PayloadProblem),
    /// Two members that exclude each other.
    #[error("stands beside `{0}`, which says the same; keep one of them")]
    Both(&'static str),
    /// Two revisions that differ.
    #[error("expected_revision {expected} differs from revision {revision}; keep one of them")]
    Revisions {
        /// As `expected_revision`.
        expected: Revision,
        /// As `revision`.
        revision: Revision,
    },
    /// Not base64.
    #[error("not base64; write the bytes in the standard alphabet with padding, or a text as `raw`")]
    Base64,
    /// A member is missing.
    #[error("is missing; {0}")]
    Missing(&'static str),
    /// An act without content was given content.
    #[error("is content, which `{0}` does not carry; give `explanation`, or use `amend`")]
    NoContent(&'static str),
    /// A create or amend that says nothing.
    #[error("nothing is stated; give at least a `title`")]
    Empty,
    /// A path that cannot be set.
    #[error("cannot be set: {0}")]
    Unsettable(String),
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    match suggestion {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; put what has no field of its own into `extra`".to_owned(),
    }
}

impl JsonError {
    pub(super) fn new(path: impl Into<String>, problem: JsonProblem) -> Self {
        Self {
            path: path.into(),
            problem,
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => self.problem.fmt(out),
            path => write!(out, "`{path}`: {}", self.problem),
        }
    }
}

impl std::error::Error for JsonError {}

/// A payload's path without the part that the JSON form leaves out: there, content and statement lie flat.
impl From<PayloadError> for JsonError {
    fn from(error: PayloadError) -> Self {
        let path = error.path.as_str();
        let flat = path
            .strip_prefix("content.")
            .or_else(|| path.strip_prefix("statement."));
        Self::new(flat.unwrap_or(path), JsonProblem::Payload(error.problem))
    }
}

/// The nearest of the names to one that was not found, where it is near enough for a typing error.
pub fn nearest<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_lowercase().replace('-', "_");
    let near = names.map(|name| (strsim::damerau_levenshtein(&found, &name.replace('-', "_")), name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + name.len() / 4).then_some(name)
}

/// A value in words, for "expected, found".
pub(super) fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("{value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{}\"", crate::record::validate::shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Where a value stands, built on the stack while descending and written out only for an error.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Root,
    Name(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl At<'_> {
    pub(super) fn error(&self, problem: JsonProblem) -> JsonError {
        JsonError::new(self.to_string(), problem)
    }

    pub(super) fn mistyped(&self, expected: &'static str, found: &Value, remedy: &str) -> JsonError {
        let remedy = if remedy.is_empty() {
            String::new()
        } else {
            format!("; {remedy}")
        };
        self.error(JsonProblem::Type {
            expected,
            found: described(found),
            remedy,
        })
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root => Ok(()),
            At::Name(At::Root, name) => out.write_str(name),
            At::Name(above, name) => write!(out, "{above}.{name}"),
            At::Index(above, index) => write!(out, "{above}[{index}]"),
        }
    }
}

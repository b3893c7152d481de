//! A mapping: which column of a table becomes which field, as its user writes it in TOML.
//!
//! Fields are named by their path in the JSON form, as in `amend --set`. An index tells elements of one row apart, as
//! `participants[0]` and `participants[1]`; where a row says nothing of an element, those after it move up.

use crate::record::codec::shape::Shape;
use crate::record::json::{JsonError, JsonProblem, SHORT_DATES, set_path};
use crate::record::{Kind, Series};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// A mapping that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The text is not TOML, or has a key that a mapping does not have.
    #[error("{0}")]
    Toml(String),
    /// A value that is not allowed.
    #[error("`{key}` is `{value}`, {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// As written.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A path that leads to no field of a record's content.
    #[error("`{name}` is mapped to `{path}`: {problem}")]
    Path {
        /// The column; for `[values]` the value.
        name: String,
        /// As written.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Nothing is mapped.
    #[error("no column is mapped; write [columns] with lines as event_date = \"occurred\"")]
    Empty,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    series: Option<String>,
    kind: Option<String>,
    separator: Option<String>,
    #[serde(default)]
    key: Vec<String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    values: BTreeMap<String, String>,
}

/// Which column becomes which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The series of the entries, where none is named otherwise.
    pub series: Option<Series>,
    /// The kind of the entries.
    pub kind: Kind,
    /// The byte between columns.
    pub separator: u8,
    /// The columns that make the key, joined by `@`; the hash of the row where there is none.
    pub key: Vec<String>,
    /// Columns and their paths, in the order of the paths.
    columns: Vec<(String, String)>,
    /// Paths and what is stated there of each row that has their element.
    values: Vec<(String, String)>,
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`MappingError`].
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let written: Written = toml::from_str(text)
            .map_err(|error| MappingError::Toml(error.to_string().trim_end().to_owned()))?;
        if written.columns.is_empty() {
            return Err(MappingError::Empty);
        }
        let mut columns: Vec<(String, String)> = written.columns.into_iter().collect();
        // `participants[2]` comes before `participants[10]`, so that elements appear in their order.
        columns.sort_by_cached_key(|(_, path)| steps(path));
        let values: Vec<(String, String)> = written.values.into_iter().collect();
        for (column, path) in &columns {
            check_path(column, path)?;
        }
        for (path, value) in &values {
            check_path(value, path)?;
        }
        Ok(Self {
            series: written.series.map(series).transpose()?,
            kind: written.kind.map_or(Ok(Kind::Event), kind)?,
            separator: written.separator.map_or(Ok(b','), separator)?,
            key: written.key,
            columns,
            values,
        })
    }

    /// The columns that are mapped.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(column, _)| column.as_str())
    }

    /// The content that a row states, in the JSON form; `text` says what a column holds, `None` where that is absent.
    ///
    /// # Errors
    /// The first value that cannot stand where it is mapped to.
    pub(super) fn compose<'t>(&self, text: impl Fn(&str) -> Option<&'t str>) -> Result<Value, JsonError> {
        let mut record = json!({});
        let mut elements = Elements::default();
        for (column, path) in &self.columns {
            if let Some(text) = text(column) {
                set_path(&mut record, &elements.place(path), text)?;
            }
        }
        for (path, value) in &self.values {
            if let Some(path) = elements.known(path) {
                set_path(&mut record, &path, value)?;
            }
        }
        Ok(record)
    }
}

/// Where the elements of one row went: an index of the mapping is a name, and takes the next place that is free.
#[derive(Default)]
struct Elements(HashMap<String, Vec<usize>>);

impl Elements {
    /// The path with the places of its elements, new ones appended.
    fn place(&mut self, path: &str) -> String {
        self.walk(path, true).unwrap_or_default()
    }

    /// The path with the places of its elements; `None` where the row has not all of them.
    fn known(&mut self, path: &str) -> Option<String> {
        self.walk(path, false)
    }

    fn walk(&mut self, path: &str, is_new: bool) -> Option<String> {
        let mut out = String::new();
        for (name, index) in steps(path) {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&name);
            let Some(index) = index else { continue };
            let used = self.0.entry(out.clone()).or_default();
            let place = match used.iter().position(|used| *used == index) {
                Some(place) => place,
                None if is_new => {
                    used.push(index);
                    used.len() - 1
                }
                None => return None,
            };
            out.push_str(&format!("[{place}]"));
        }
        Some(out)
    }
}

/// The names of a path, with their indices.
fn steps(path: &str) -> Vec<(String, Option<usize>)> {
    let step = |one: &str| {
        let indexed = one.strip_suffix(']').and_then(|one| one.split_once('['));
        match indexed.and_then(|(name, index)| Some((name, index.parse().ok()?))) {
            Some((name, index)) => (name.to_owned(), Some(index)),
            None => (one.to_owned(), None),
        }
    };
    path.split('.').map(step).collect()
}

/// That a path leads to a field of the content. What may stand there is for each row to show.
fn check_path(name: &str, path: &str) -> Result<(), MappingError> {
    let refused = |problem: String| MappingError::Path {
        name: name.to_owned(),
        path: path.to_owned(),
        problem,
    };
    let first = steps(path)
        .into_iter()
        .next()
        .map(|(name, _)| name)
        .unwrap_or_default();
    let content = Shape::get().message_named("Content");
    let is_content = content.is_some_and(|content| content.field_named(&first).is_some());
    let placed = Elements::default().place(path);
    match set_path(&mut json!({}), &placed, "1") {
        Err(error)
            if matches!(
                error.problem,
                JsonProblem::Unknown(_) | JsonProblem::Unsettable(_)
            ) =>
        {
            Err(refused(error.problem.to_string()))
        }
        _ if is_content || SHORT_DATES.contains(&first.as_str()) => Ok(()),
        _ => Err(refused("it is no part of what a row states".to_owned())),
    }
}

fn series(text: String) -> Result<Series, MappingError> {
    Series::new(&text).map_err(|error| MappingError::Value {
        key: "series",
        value: text,
        allowed: error.to_string(),
    })
}

fn kind(text: String) -> Result<Kind, MappingError> {
    let known = Kind::ALL.iter().copied().find(|kind| kind.word() == text);
    known.ok_or_else(|| MappingError::Value {
        key: "kind",
        value: text,
        allowed: "allowed is event, document, report, agreement or authority".to_owned(),
    })
}

fn separator(text: String) -> Result<u8, MappingError> {
    match text.as_bytes() {
        [one @ (b',' | b'\t' | b';' | b'|')] => Ok(*one),
        _ => Err(MappingError::Value {
            key: "separator",
            value: text,
            allowed: "allowed is a comma, \"\\t\", a semicolon or a bar".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Mapping::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_mapping_that_cannot_be_used_says_what_to_mend() {
        assert!(refused("").contains("[columns]"));
        assert!(refused("colums = 1").contains("colums"));
        let path = refused("[columns]\nwho = \"participant[0].name\"");
        assert!(
            path.contains("`who`") && path.contains("did you mean `participants`"),
            "{path}"
        );
        let path = refused("[columns]\nwho = \"participants.name\"");
        assert!(path.contains("participants[0]"), "{path}");
        assert!(refused("[columns]\nwhy = \"explanation\"").contains("no part of what a row states"));
        assert!(refused("separator = \"::\"\n[columns]\na = \"title\"").contains("semicolon"));
        assert!(refused("series = \"No\"\n[columns]\na = \"title\"").contains("series"));
        assert!(refused("kind = \"war\"\n[columns]\na = \"title\"").contains("agreement"));
    }

    #[test]
    fn an_element_that_a_row_does_not_have_leaves_no_gap() {
        let mapping = Mapping::parse(
            "[columns]\na = \"participants[0].name\"\nb = \"participants[1].name\"\nc = \"participants[1].countries[1].code\"\n[values]\n\"participants[0].side\" = \"source\"\n\"participants[1].side\" = \"target\"\n\"participants[1].countries[1].scheme\" = \"cow\"",
        )
        .unwrap();
        let text = |column: &str| match column {
            "b" => Some("Chile"),
            "c" => Some("155"),
            _ => None,
        };
        let expected = json!({"participants": [
            {"name": "Chile", "countries": [{"code": "155", "scheme": "cow"}], "side": "target"}
        ]});
        assert_eq!(mapping.compose(text).unwrap(), expected);
    }
}

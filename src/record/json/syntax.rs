//! From text to a JSON value, strictly: no name twice in one object, and errors with line and column.

use super::error::{JsonError, JsonProblem};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;

/// Parses one JSON text in which no object has a name twice.
///
/// # Errors
/// [`JsonProblem::Syntax`] with line and column.
pub fn read(text: &str) -> Result<Value, JsonError> {
    let syntax = |error: serde_json::Error| {
        let said = error.to_string();
        let problem = said
            .rsplit_once(" at line ")
            .map_or(said.as_str(), |(problem, _)| problem)
            .to_owned();
        JsonError::new(
            "",
            JsonProblem::Syntax {
                line: error.line(),
                column: error.column(),
                problem,
            },
        )
    };
    serde_json::from_str::<UniqueNames>(text).map_err(syntax)?;
    serde_json::from_str(text).map_err(syntax)
}

/// Reads any JSON and keeps nothing; fails where an object has a name twice.
struct UniqueNames;

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueNames {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if names.contains(&name) {
                return Err(A::Error::custom(format!(
                    "the name `{name}` stands twice in one object; keep one of them"
                )));
            }
            names.insert(name);
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

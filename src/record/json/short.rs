//! The short forms: a text where a message is expected.
//!
//! Each either says exactly one thing or is refused with what to write instead; none guesses. The long form that
//! it stands for is what is stored and what is written back.

use super::error::JsonProblem;
use crate::record::validate::{Check, shown};
use serde_json::{Map, Value};

/// A message that a short form stands for.
pub type Long = Map<String, Value>;

/// What each message takes as a short form: the message, an example, and what the text is.
pub fn forms() -> &'static [(&'static str, &'static str, &'static str)] {
    &[
        ("Participant", "Imran Khan", "the name"),
        ("Country", "PAK", "ISO alpha-3, or scheme:code as in fips:RS"),
        ("Code", "cameo:MIL", "scheme:code"),
        ("TypeCode", "cameo:042", "scheme:code"),
        ("Topic", "border security", "the word"),
        ("Place", "Rawalpindi", "the name"),
        (
            "Report",
            "ISPR",
            "the publisher, or the URL where it begins with http:// or https://",
        ),
        (
            "Relation",
            "reported-in desk/dispatch-2021-10-14",
            "the relation, a space, series/key",
        ),
        ("Name", "Imran Ahmed Khan Niazi", "the name"),
    ]
}

/// Messages of a name and a value, which may also be written as one object: `{"goldstein": 1.0}`.
pub fn is_pair(message: &str) -> bool {
    matches!(message, "Measure" | "Extra")
}

/// The long form of a text that stands for a message.
pub fn expand(message: &str, text: &str) -> Result<Long, JsonProblem> {
    let named = |name: &str| Ok(long([(name, text)]));
    match message {
        "Participant" | "Place" | "Name" => named("name"),
        "Topic" => named("word"),
        "Report" if text.starts_with("http://") || text.starts_with("https://") => named("url"),
        "Report" => named("publisher"),
        "Country" => country(text),
        "Code" | "TypeCode" => scheme_and_code(text).ok_or_else(|| {
            too_short(
                text,
                "say the scheme too, as cameo:042, since the same code differs between schemes",
            )
        }),
        "Relation" => relation(text).ok_or_else(|| {
            too_short(
                text,
                "write the relation, a space and the entry, as reported-in desk/dispatch-7",
            )
        }),
        "Date" => Err(too_short(
            text,
            "say what it is the date of: {\"role\": \"occurred\", \"edtf\": \"2021-10-13\"}",
        )),
        _ => Err(too_short(text, "write it as an object")),
    }
}

fn too_short(text: &str, remedy: &'static str) -> JsonProblem {
    JsonProblem::Short {
        text: shown(text),
        remedy,
    }
}

fn long<const N: usize>(members: [(&str, &str); N]) -> Long {
    members
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value::from(text)))
        .collect()
}

fn country(text: &str) -> Result<Long, JsonProblem> {
    let is_iso3 = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    match scheme_and_code(text) {
        _ if is_iso3 => Ok(long([("scheme", "iso3"), ("code", text)])),
        Some(long) => Ok(long),
        None => Err(too_short(
            text,
            "write ISO alpha-3 as PAK, or say the scheme, as fips:RS (Russia) or iso2:RS (Serbia)",
        )),
    }
}

fn scheme_and_code(text: &str) -> Option<Long> {
    let (scheme, code) = text.split_once(':')?;
    let named = !scheme.is_empty() && Check::Word.run(scheme).is_ok() && !code.is_empty();
    named.then(|| long([("scheme", scheme), ("code", code)]))
}

fn relation(text: &str) -> Option<Long> {
    let (relation, entry) = text.split_once(' ')?;
    let (series, key) = entry.split_once('/')?;
    Some(long([("type", relation), ("series", series), ("key", key)]))
}

/// The list that an object of names and values stands for.
pub fn pairs(object: &Long) -> Vec<Value> {
    let pair = |(name, value): (&String, &Value)| {
        let members = [
            ("name".to_owned(), Value::from(name.as_str())),
            ("value".to_owned(), value.clone()),
        ];
        Value::Object(members.into_iter().collect())
    };
    object.iter().map(pair).collect()
}

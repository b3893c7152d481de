//! Reading one JSON record.

use super::encode::encode;
use super::error::{At, JsonError, JsonProblem, nearest};
use super::{RAW_BASE64, read, short};
use crate::record::codec::shape::{Message, PAYLOAD_CONTENT, PAYLOAD_STATEMENT, Shape};
use crate::record::codec::wire::put_bytes;
use crate::record::codec::{PayloadFacts, RelationType, check_payload, decode_relation};
use crate::record::validate::Check;
use crate::record::{Act, EntryKey, Key, Kind, Reason, Revision, Series};
use bytes::Bytes;
use serde_json::{Map, Value};

/// A member of the object that is not a field of content or statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub comment: &'static str,
    /// Written by the server, left aside on input.
    pub by_server: bool,
}

const fn said(name: &'static str, comment: &'static str) -> Member {
    Member {
        name,
        comment,
        by_server: false,
    }
}

const fn told(name: &'static str, comment: &'static str) -> Member {
    Member {
        name,
        comment,
        by_server: true,
    }
}

/// The members beside content and statement, in the order in which they are written.
pub const ENVELOPE: &[Member] = &[
    said(
        "series",
        "The entry's series: lower-case letters, digits and hyphens.",
    ),
    said(
        "key",
        "The entry's key within its series. Left out on create, the server makes a random one.",
    ),
    said(
        "kind",
        "What sort of thing the entry is. Left out: document with a body or only a title, else event.",
    ),
    said(
        "provenance",
        "How the record came to the archive; never compared when sameness is judged.",
    ),
    said(
        "reason",
        "Why the act was made, as a code of at most 64 ASCII characters.",
    ),
    said(
        "relation",
        "On link and unlink: the relation, and the other entry.",
    ),
    said(
        "expected_revision",
        "The revision that the entry must be at; 0 where it must not exist.",
    ),
    said(
        "system",
        "What the archive says about itself; only in the series `chancery`.",
    ),
    told("position", "The record's number in the log."),
    said(
        "revision",
        "The entry's revision. On input it is the expected one, so that an edited answer is an amendment.",
    ),
    said(
        "act",
        "What to do: create unless said, amend where a revision is given.",
    ),
    told("status", "What the archive says of the record's content."),
    told("recorded", "When the record was committed."),
    told("principal", "Who appended it."),
    told(
        "erased",
        "On erase: the revisions that lost their content, half open.",
    ),
    told("leaf_hash", "SHA-256(0x00 || leaf) in hex."),
    told(
        "derived",
        "What follows from the content by a table of a stated version.",
    ),
    told(
        "excerpts",
        "Where the words of a search stand in the record; offsets count characters.",
    ),
    told("suggested", "What rules found in the text of a document."),
    told("held", "Whether a hold forbids that the entry is erased."),
    told(
        "links",
        "The relations of the entry that were decided later by LINK.",
    ),
    told(
        "retracted_documents",
        "The documents that the entry is reported in and that are retracted.",
    ),
    told(
        "change",
        "In a feed: whether the entry enters the filter, stays in it or leaves it.",
    ),
];

/// Dates that may stand at the top by the name of their role.
pub const SHORT_DATES: &[&str] = &["occurred", "reported", "published"];

/// One JSON record, read and checked by itself. Whether the archive takes it is for the log to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// What to do. `create` on a line that has a `revision` is an amendment: an answer that was edited.
    pub act: Act,
    /// The kind, where the line says one.
    pub kind: Option<Kind>,
    /// The series, where the line says one.
    pub series: Option<Series>,
    /// The key, where the line says one.
    pub key: Option<Key>,
    /// The line's `expected_revision`, else its `revision`.
    pub expected_revision: Option<Revision>,
    /// Why, as a code.
    pub reason: Reason,
    /// For link and unlink.
    pub relation: Option<(RelationType, EntryKey)>,
    /// The payload, encoded with ascending field numbers and checked.
    pub payload: Bytes,
    /// What the payload holds.
    pub facts: PayloadFacts,
    /// The `act` as the line says it: an import, which ignores revisions, goes by this.
    pub said_act: Option<Act>,
    /// The `status` that an export wrote, whatever it says: an import refuses lines that are not current, and nobody else
    /// looks at it.
    pub status: Option<String>,
}

impl Input {
    /// Reads one record from its text.
    ///
    /// # Errors
    /// The first thing in it that cannot be taken, with line and column or with its path.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Self::from_value(read(text)?)
    }

    /// Reads one record from a value, whose names must be unique.
    ///
    /// # Errors
    /// The first thing in it that cannot be taken, with its path.
    pub fn from_value(value: Value) -> Result<Self, JsonError> {
        let Value::Object(object) = value else {
            return Err(At::Root.mistyped("an object", &value, "write one record as { ... }"));
        };
        let parts = Parts::of(object)?;
        let envelope = &parts.envelope;
        let said_act: Option<Act> = word(envelope, "act")?;
        let revision = revision(envelope, "revision")?;
        let act = match said_act {
            Some(Act::Create) | None if revision.is_some_and(|revision| revision.get() > 0) => Act::Amend,
            said => said.unwrap_or(Act::Create),
        };
        let payload = parts.payload(act)?;
        let facts = check_payload(&payload)?;
        if act.has_content() && !facts.says_something() {
            return Err(JsonError::new("", JsonProblem::Empty));
        }
        Ok(Self {
            act,
            said_act,
            kind: word(envelope, "kind")?,
            series: named(envelope, "series", Series::new)?,
            key: named(envelope, "key", Key::new)?,
            expected_revision: expected(envelope, revision)?,
            reason: named(envelope, "reason", Reason::new)?.unwrap_or_default(),
            relation: relation(envelope, act)?,
            payload: payload.into(),
            facts,
            status: envelope.get("status").and_then(as_told),
        })
    }

    /// The line's series, or the given one where the line has none.
    ///
    /// # Errors
    /// [`JsonProblem::Missing`] where neither is there.
    pub fn series_or(&self, default: Option<&Series>) -> Result<Series, JsonError> {
        let missing = || {
            JsonError::new(
                "series",
                JsonProblem::Missing("name one, such as \"series\": \"desk\""),
            )
        };
        self.series.as_ref().or(default).cloned().ok_or_else(missing)
    }
}

/// A member that only the server writes, as text of whatever kind; `None` for null.
fn as_told(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The members of a line, sorted by where they belong.
#[derive(Default)]
struct Parts {
    envelope: Map<String, Value>,
    content: Map<String, Value>,
    statement: Map<String, Value>,
}

impl Parts {
    fn of(object: Map<String, Value>) -> Result<Self, JsonError> {
        let (content, statement) = (message("Content"), message("Statement"));
        let mut parts = Self::default();
        let mut dates = Vec::new();
        for (name, value) in object {
            if SHORT_DATES.contains(&name.as_str()) {
                dates.extend(short_date(&name, &value)?);
            } else if content.field_named(&name).is_some() || name == RAW_BASE64 {
                parts.content.insert(name, value);
            } else if statement.field_named(&name).is_some() {
                parts.statement.insert(name, value);
            } else if ENVELOPE.iter().any(|member| member.name == name) {
                parts.envelope.insert(name, value);
            } else {
                return Err(unknown(&name));
            }
        }
        parts.add_dates(dates)?;
        Ok(parts)
    }

    fn add_dates(&mut self, short: Vec<Value>) -> Result<(), JsonError> {
        if short.is_empty() {
            return Ok(());
        }
        let dates = self.content.entry("dates").or_insert(Value::Null);
        match dates {
            Value::Array(dates) => dates.extend(short),
            Value::Null => *dates = Value::Array(short),
            other => return Err(At::Name(&At::Root, "dates").mistyped("a list", other, "")),
        }
        Ok(())
    }

    /// The encoded payload of an act.
    fn payload(&self, act: Act) -> Result<Vec<u8>, JsonError> {
        let mut out = Vec::new();
        let said = |object: &Map<String, Value>| {
            object
                .iter()
                .find(|(_, value)| !value.is_null())
                .map(|(name, _)| name.clone())
        };
        match said(&self.content) {
            Some(name) if !act.has_content() => {
                return Err(JsonError::new(name, JsonProblem::NoContent(act.word())));
            }
            Some(_) => put_part(PAYLOAD_CONTENT, "Content", &self.content, &At::Root, &mut out)?,
            None => {}
        }
        self.put_object("provenance", &mut out)?;
        if said(&self.statement).is_some() {
            put_part(
                PAYLOAD_STATEMENT,
                "Statement",
                &self.statement,
                &At::Root,
                &mut out,
            )?;
        }
        self.put_object("system", &mut out)?;
        Ok(out)
    }

    /// Encodes a part of the payload that is an object of its own in JSON.
    fn put_object(&self, name: &str, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let one: Map<String, Value> = self
            .envelope
            .get_key_value(name)
            .map(|(n, v)| (n.clone(), v.clone()))
            .into_iter()
            .collect();
        encode(message("Payload"), &one, &At::Root, out)
    }
}

fn put_part(
    field: u32,
    name: &str,
    object: &Map<String, Value>,
    at: &At,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    let mut inner = Vec::new();
    encode(message(name), object, at, &mut inner)?;
    put_bytes(field, &inner, out);
    Ok(())
}

fn message(name: &str) -> &'static Message {
    Shape::get()
        .message_named(name)
        .expect("record.proto has the parts of a payload, as the tests of the table show")
}

fn unknown(name: &str) -> JsonError {
    let envelope = ENVELOPE.iter().map(|member| member.name);
    let names = message("Content")
        .names()
        .chain(message("Statement").names())
        .chain(envelope);
    let near = nearest(name, names.chain(SHORT_DATES.iter().copied()).chain([RAW_BASE64]));
    JsonError::new(name, JsonProblem::Unknown(near.map(str::to_owned)))
}

/// `"occurred": "1939-05~"` as an element of `dates`.
fn short_date(role: &str, value: &Value) -> Result<Option<Value>, JsonError> {
    let at = At::Name(&At::Root, role);
    let edtf = match value {
        Value::Null => return Ok(None),
        Value::String(edtf) => edtf,
        other => return Err(at.mistyped("a date as text", other, "several dates go into `dates`")),
    };
    let text = |error| {
        at.error(JsonProblem::Payload(crate::record::codec::PayloadProblem::Text(
            error,
        )))
    };
    Check::Edtf.run(edtf).map_err(text)?;
    Ok((!edtf.is_empty()).then(|| serde_json::json!({ "role": role, "edtf": edtf })))
}

/// A text of the envelope; null and the empty text are absent.
fn text<'a>(envelope: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, JsonError> {
    match envelope.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Err(At::Name(&At::Root, name).mistyped(
            "text",
            &Value::Number(number.clone()),
            &format!("write \"{number}\" in quotes"),
        )),
        Some(other) => Err(At::Name(&At::Root, name).mistyped("text", other, "")),
    }
}

fn named<T>(
    envelope: &Map<String, Value>,
    name: &str,
    new: impl Fn(&str) -> Result<T, crate::record::NameError>,
) -> Result<Option<T>, JsonError> {
    let made = text(envelope, name)?.map(new).transpose();
    made.map_err(|error| JsonError::new(name, JsonProblem::Name(error)))
}

/// The words of the leaf, which have enums of their own in the domain.
trait Listed: Sized + Copy + 'static {
    const LIST: &'static [Self];
    fn word(self) -> &'static str;
}

macro_rules! listed {
    ($($name:ident),*) => {$(
        impl Listed for $name {
            const LIST: &'static [Self] = Self::ALL;
            fn word(self) -> &'static str {
                self.word()
            }
        }
    )*};
}
listed!(Act, Kind);

fn word<T: Listed>(envelope: &Map<String, Value>, name: &str) -> Result<Option<T>, JsonError> {
    let Some(text) = text(envelope, name)? else {
        return Ok(None);
    };
    let known = T::LIST.iter().copied().find(|known| known.word() == text);
    let refused = || {
        let allowed: Vec<&str> = T::LIST.iter().map(|known| known.word()).collect();
        JsonError::new(
            name,
            JsonProblem::Word {
                word: crate::record::validate::shown(text),
                allowed: allowed.join(", "),
            },
        )
    };
    known.ok_or_else(refused).map(Some)
}

fn revision(envelope: &Map<String, Value>, name: &str) -> Result<Option<Revision>, JsonError> {
    let number = |value: &Value| {
        let mistyped = || At::Name(&At::Root, name).mistyped("a whole number from 0", value, "");
        value.as_u64().map(Revision::new).ok_or_else(mistyped)
    };
    envelope
        .get(name)
        .filter(|value| !value.is_null())
        .map(number)
        .transpose()
}

fn expected(
    envelope: &Map<String, Value>,
    revision: Option<Revision>,
) -> Result<Option<Revision>, JsonError> {
    match (self::revision(envelope, "expected_revision")?, revision) {
        (Some(expected), Some(revision)) if expected != revision => Err(JsonError::new(
            "expected_revision",
            JsonProblem::Revisions { expected, revision },
        )),
        (expected, revision) => Ok(expected.or(revision)),
    }
}

fn relation(envelope: &Map<String, Value>, act: Act) -> Result<Option<(RelationType, EntryKey)>, JsonError> {
    let at = At::Name(&At::Root, "relation");
    let missing = "write it as \"relation\": \"part-of desk/visit-2021\"";
    let mut out = Vec::new();
    match envelope.get("relation").filter(|value| !value.is_null()) {
        None if matches!(act, Act::Link | Act::Unlink) => return Err(at.error(JsonProblem::Missing(missing))),
        None => return Ok(None),
        Some(Value::String(text)) => {
            let long = short::expand("Relation", text).map_err(|problem| at.error(problem))?;
            encode(message("Relation"), &long, &at, &mut out)?;
        }
        Some(Value::Object(object)) => encode(message("Relation"), object, &at, &mut out)?,
        Some(other) => return Err(at.mistyped("an object", other, "")),
    }
    let relation = decode_relation(&out).unwrap_or_default();
    match relation.r#type() {
        RelationType::Unspecified => Err(At::Name(&at, "type").error(JsonProblem::Missing(missing))),
        ty => {
            let entry = EntryKey::new(&relation.series, &relation.key);
            entry
                .map(|entry| Some((ty, entry)))
                .map_err(|error| at.error(JsonProblem::Name(error)))
        }
    }
}

//! Writing one JSON record.

use super::RAW_BASE64;
use crate::record::codec::shape::{Field, FieldType, Message, MessageId, Shape};
use crate::record::codec::wire::{Reader, Value as Wire};
use crate::record::leaf::{Hash, Leaf, Link};
use crate::record::{Position, Status};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// A record to be written.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    /// Its position.
    pub position: Position,
    /// Its leaf.
    pub leaf: Leaf<'a>,
    /// Its encoded payload; absent where it was erased or not asked for.
    pub payload: Option<&'a [u8]>,
    /// What the archive says of it, where that is known.
    pub status: Option<Status>,
    /// The hash of its leaf, where it is to be shown.
    pub leaf_hash: Option<Hash>,
    /// What is derived from its content, where it is to be shown.
    pub derived: Option<&'a Value>,
}

/// A record as one line of JSON, without a line end.
pub fn line(view: &RecordView) -> String {
    record(view).to_string()
}

/// A record as a JSON object: long forms, and the same order each time.
pub fn record(view: &RecordView) -> Value {
    let leaf = &view.leaf;
    let mut out = Map::new();
    put(&mut out, "series", leaf.series);
    put(&mut out, "key", leaf.key);
    put(&mut out, "kind", leaf.kind.word());
    let mut parts = view.payload.map(parts).unwrap_or_default();
    put_flat(&mut out, parts.remove("content"));
    out.extend(parts.remove_entry("provenance"));
    if !leaf.reason.is_empty() {
        put(&mut out, "reason", leaf.reason);
    }
    put_flat(&mut out, parts.remove("statement"));
    out.extend(leaf.relation.map(|link| ("relation".to_owned(), relation(link))));
    out.extend(parts.remove_entry("system"));
    put(&mut out, "position", view.position.get());
    put(&mut out, "revision", leaf.revision.get());
    put(&mut out, "act", leaf.act.word());
    out.extend(
        view.status
            .map(|status| ("status".to_owned(), status.word().into())),
    );
    put(&mut out, "recorded", leaf.recorded.to_string());
    put(&mut out, "principal", leaf.principal);
    let erased = leaf
        .erased
        .map(|(from, to)| json!({ "from": from.get(), "to": to.get() }));
    out.extend(erased.map(|range| ("erased".to_owned(), range)));
    out.extend(
        view.leaf_hash
            .map(|hash| ("leaf_hash".to_owned(), hex::encode(hash).into())),
    );
    out.extend(
        view.derived
            .map(|derived| ("derived".to_owned(), derived.clone())),
    );
    Value::Object(out)
}

/// A record as a feed tells it: behind its other members the word of its change, where it has one.
pub fn with_change(record: Value, change: &str) -> Value {
    match record {
        Value::Object(mut members) if !change.is_empty() => {
            put(&mut members, "change", change);
            Value::Object(members)
        }
        record => record,
    }
}

/// What a payload says, flat as in a record: for a record that is not in the log yet.
pub fn payload(payload: &[u8]) -> Map<String, Value> {
    let mut out = Map::new();
    let mut parts = parts(payload);
    put_flat(&mut out, parts.remove("content"));
    out.extend(parts.remove_entry("provenance"));
    put_flat(&mut out, parts.remove("statement"));
    out.extend(parts.remove_entry("system"));
    out
}

fn parts(payload: &[u8]) -> Map<String, Value> {
    match message(Shape::get().payload(), payload) {
        Value::Object(parts) => parts,
        _ => Map::new(),
    }
}

fn put(out: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    out.insert(name.to_owned(), value.into());
}

fn put_flat(out: &mut Map<String, Value>, part: Option<Value>) {
    if let Some(Value::Object(members)) = part {
        out.extend(members);
    }
}

fn relation(link: Link) -> Value {
    let words = Shape::get().enum_named("RelationType");
    let word = words.and_then(|words| words.word(link.relation as u64));
    json!({ "type": word, "series": link.series, "key": link.key })
}

/// A message as an object, its fields in the order of their numbers however they were encoded.
fn message(id: MessageId, bytes: &[u8]) -> Value {
    let message: &Message = Shape::get().message(id);
    let mut reader = Reader::new(bytes);
    let mut found: Vec<(u64, Wire)> = std::iter::from_fn(|| reader.field()).collect();
    found.sort_by_key(|(number, _)| *number);
    let mut out = Map::new();
    for group in found.chunk_by(|a, b| a.0 == b.0) {
        if let Some(field) = message.field_numbered(group[0].0) {
            out.extend(member(field, group));
        }
    }
    Value::Object(out)
}

/// A field with its name; `None` where it holds its default, which is the same as being absent.
fn member(field: &Field, group: &[(u64, Wire)]) -> Option<(String, Value)> {
    if field.repeated {
        let elements: Vec<Value> = group
            .iter()
            .flat_map(|(_, wire)| elements(field, *wire))
            .collect();
        return (!elements.is_empty()).then(|| (field.name.clone(), elements.into()));
    }
    let (_, wire) = group.last()?;
    match (field.ty, *wire) {
        (_, Wire::Number(0)) => None,
        (FieldType::Text | FieldType::Bytes, Wire::Bytes(b"")) => None,
        (FieldType::Bytes, Wire::Bytes(raw)) => Some(match std::str::from_utf8(raw) {
            Ok(text) => (field.name.clone(), text.into()),
            Err(_) => (RAW_BASE64.to_owned(), STANDARD.encode(raw).into()),
        }),
        (_, wire) => value(field, wire).map(|value| (field.name.clone(), value)),
    }
}

/// The elements that one occurrence of a repeated field holds: one, or all of a packed run.
fn elements(field: &Field, wire: Wire) -> Vec<Value> {
    match (field.ty, wire) {
        (FieldType::Number | FieldType::Word(_), Wire::Bytes(packed)) => {
            let mut reader = Reader::new(packed);
            let numbers = std::iter::from_fn(|| (!reader.is_done()).then(|| reader.varint().ok()).flatten());
            numbers
                .filter_map(|number| value(field, Wire::Number(number)))
                .collect()
        }
        _ => value(field, wire).into_iter().collect(),
    }
}

/// One value; `None` where the bytes are not of the field's type, which a checked payload never is.
fn value(field: &Field, wire: Wire) -> Option<Value> {
    match (field.ty, wire) {
        (FieldType::Text | FieldType::Bytes, Wire::Bytes(text)) => Some(String::from_utf8_lossy(text).into()),
        (FieldType::Message(id), Wire::Bytes(bytes)) => Some(message(id, bytes)),
        (FieldType::Number, Wire::Number(number)) => Some(number.into()),
        (FieldType::Word(id), Wire::Number(number)) => {
            Shape::get().enumeration(id).word(number).map(Value::from)
        }
        _ => None,
    }
}

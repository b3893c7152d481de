//! The JSON Schema (2020-12) of a record as it may be written, short forms included.
//!
//! Made from [`Shape`], so that it cannot say other than what the reader takes; its descriptions are the comments of
//! `record.proto`. Published as `docs/record.schema.json`, which a test holds to what is made here.

use super::codec::shape::{Enum, Field, FieldType, Message, Shape};
use super::json::{ENVELOPE, Member, RAW_BASE64, SHORT_DATES, forms, is_pair};
use super::validate::Check;
use serde_json::{Map, Value, json};

/// The schema of one record.
pub fn schema() -> Value {
    let shape = Shape::get();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Record",
        "description": "One record of a Chancery archive, as one line of JSON. Names are those of record.proto. What \
                        only the server writes is left aside on input.",
        "type": "object",
        "properties": properties(shape),
        "required": ["series"],
        "additionalProperties": false,
        "$defs": definitions(shape),
    })
}

/// The members of a record: those of the leaf, of content, of the statement, and the short dates.
fn properties(shape: &Shape) -> Map<String, Value> {
    let mut out: Map<String, Value> = ENVELOPE
        .iter()
        .map(|member| (member.name.to_owned(), of_envelope(shape, member)))
        .collect();
    for part in ["Content", "Statement"] {
        out.extend(
            shape
                .message_named(part)
                .into_iter()
                .flat_map(|message| fields(shape, message)),
        );
    }
    for role in SHORT_DATES {
        let comment = format!("Short for an element of `dates` with the role `{role}`: EDTF.");
        out.insert(
            (*role).to_owned(),
            json!({ "description": comment, "type": "string" }),
        );
    }
    let comment = "`raw` in base64, where it is not UTF-8.";
    out.insert(
        RAW_BASE64.to_owned(),
        json!({ "description": comment, "type": "string", "contentEncoding": "base64" }),
    );
    out
}

fn of_envelope(shape: &Shape, member: &Member) -> Value {
    let words = |name: &str| shape.enum_named(name).map(words).unwrap_or_default();
    let mut out = match member.name {
        "series" => json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" }),
        "key" => json!({ "type": "string", "maxLength": 1024 }),
        "reason" => json!({ "type": "string", "pattern": "^[!-~]{0,64}$" }),
        "expected_revision" | "revision" => json!({ "type": "integer", "minimum": 0 }),
        "kind" => json!({ "enum": words("Kind") }),
        "act" => json!({ "enum": words("Act") }),
        "relation" => reference("Relation"),
        "provenance" => reference("Provenance"),
        "system" => reference("SystemEvent"),
        _ => json!({}),
    };
    out["description"] = member.comment.into();
    if member.by_server {
        out["readOnly"] = true.into();
    }
    out
}

fn definitions(shape: &Shape) -> Map<String, Value> {
    let parts = [
        "Content",
        "Statement",
        "Payload",
        "Leaf",
        "RevisionRange",
        "Exact",
    ];
    let messages = shape
        .messages()
        .iter()
        .filter(|message| !parts.contains(&message.name.as_str()));
    let messages = messages.map(|message| (message.name.clone(), definition(shape, message)));
    let enums = shape
        .enums()
        .iter()
        .filter(|one| !matches!(one.name.as_str(), "Act" | "Kind"));
    let enums = enums.map(|one| {
        (
            one.name.clone(),
            json!({ "description": described(one), "enum": words(one) }),
        )
    });
    messages.chain(enums).collect()
}

/// A message as an object, or as the text that is its short form.
fn definition(shape: &Shape, message: &Message) -> Value {
    let required: Vec<&str> = message
        .fields
        .iter()
        .filter(|field| message.required & (1 << field.number) != 0)
        .map(|field| field.name.as_str())
        .collect();
    let mut object =
        json!({ "type": "object", "properties": fields(shape, message), "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = required.into();
    }
    let short = forms().iter().find(|(name, ..)| *name == message.name);
    let Some((_, example, meaning)) = short else {
        object["description"] = message.comment.as_str().into();
        return object;
    };
    let text =
        json!({ "description": format!("Short form: {meaning}."), "type": "string", "examples": [example] });
    json!({ "description": message.comment, "anyOf": [text, object] })
}

fn fields(shape: &Shape, message: &Message) -> Map<String, Value> {
    message
        .fields
        .iter()
        .map(|field| {
            let mut said = of_field(shape, field);
            if let Some(most) = most(&message.name, &field.name) {
                said["maxItems"] = most.into();
            }
            (field.name.clone(), said)
        })
        .collect()
}

/// How many elements a field may have, where that is bounded.
fn most(message: &str, field: &str) -> Option<u32> {
    match (message, field) {
        ("Content", "participants") => Some(super::codec::PARTICIPANTS_MAX),
        ("Content", "names") => Some(super::codec::NAMES_MAX),
        ("Content", "identifiers") => Some(super::codec::IDENTIFIERS_MAX),
        _ => None,
    }
}

fn of_field(shape: &Shape, field: &Field) -> Value {
    let one = match field.ty {
        FieldType::Text => of_text(field.check),
        FieldType::Bytes => json!({ "type": "string" }),
        FieldType::Number => json!({ "type": "integer", "minimum": 0 }),
        FieldType::Word(id) => reference(&shape.enumeration(id).name),
        FieldType::Message(id) => reference(&shape.message(id).name),
    };
    let mut out = match field.ty {
        FieldType::Message(id) if field.repeated && is_pair(&shape.message(id).name) => {
            let value = json!({ "type": ["string", "number"] });
            json!({ "anyOf": [
                { "type": "array", "items": one },
                { "description": "Short form: names and values.", "type": "object", "additionalProperties": value },
            ] })
        }
        _ if field.repeated => json!({ "type": "array", "items": one }),
        _ => one,
    };
    out["description"] = field.comment.as_str().into();
    out
}

fn of_text(check: Check) -> Value {
    match check {
        Check::Decimal | Check::Latitude | Check::Longitude => json!({ "type": ["string", "number"] }),
        Check::Word => json!({ "type": "string", "pattern": "^([a-z0-9][a-z0-9-]{0,62})?$" }),
        Check::Digest => json!({ "type": "string", "pattern": "^([0-9a-f]{64})?$" }),
        Check::Time => json!({ "type": "string", "pattern": "^([0-2][0-9]:[0-5][0-9](:[0-6][0-9])?)?$" }),
        Check::Offset => json!({ "type": "string", "pattern": "^(Z|[+-][0-2][0-9]:[0-5][0-9])?$" }),
        Check::Moment => json!({ "type": "string", "format": "date-time" }),
        Check::Free | Check::Edtf | Check::Language | Check::Series | Check::Key => {
            json!({ "type": "string" })
        }
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn words(one: &Enum) -> Vec<&str> {
    one.said().map(|word| word.word.as_str()).collect()
}

/// What an enum says, and each of its words.
fn described(one: &Enum) -> String {
    let words = one.said().map(|word| format!(" {}: {}", word.word, word.comment));
    one.comment.clone() + &words.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `CHANCERY_BLESS=1` the file is written anew.
    #[test]
    fn the_published_schema_is_the_one_made_here() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/record.schema.json");
        let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("CHANCERY_BLESS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap();
        assert!(
            published == made,
            "docs/record.schema.json is out of date; run this test with CHANCERY_BLESS=1"
        );
    }

    #[test]
    fn every_member_is_described_and_every_reference_leads_somewhere() {
        fn check(value: &Value, defs: &Value) {
            if let Some(name) = value.get("$ref").and_then(Value::as_str) {
                assert!(defs.get(name.trim_start_matches("#/$defs/")).is_some(), "{name}");
            }
            let inner = value
                .as_object()
                .map(|object| object.values().collect::<Vec<_>>());
            inner
                .or(value.as_array().map(|list| list.iter().collect()))
                .into_iter()
                .flatten()
                .for_each(|one| check(one, defs));
        }
        let schema = schema();
        check(&schema, &schema["$defs"]);
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(
                property["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{name}"
            );
        }
    }
}

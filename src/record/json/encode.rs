//! From JSON to the bytes of a payload, led by the table of `record.proto`.
//!
//! Writes ascending field numbers and no defaults. Judges sorts of values and words; what a text must look like is
//! left to the check of the payload, so that there is one place for it.

use super::error::{At, JsonError, JsonProblem, nearest};
use super::{RAW_BASE64, short};
use crate::record::codec::shape::{EnumId, Field, FieldType, Message, MessageId, Shape};
use crate::record::codec::wire::{put_bytes, put_number, put_varint};
use crate::record::validate::{Check, shown};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Encodes an object as a message.
pub(super) fn encode(
    message: &Message,
    object: &Map<String, Value>,
    at: &At,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    for name in object.keys() {
        if message.field_named(name).is_none() && !takes_base64(message, name) {
            let near = nearest(name, message.names()).map(str::to_owned);
            return Err(At::Name(at, name).error(JsonProblem::Unknown(near)));
        }
    }
    for field in &message.fields {
        let own = At::Name(at, &field.name);
        match object.get(&field.name).filter(|value| !value.is_null()) {
            Some(value) if field.repeated => list(field, value, &own, out)?,
            Some(value) => single(field, value, &own, out)?,
            None => {}
        }
        if let Some(value) = object
            .get(RAW_BASE64)
            .filter(|value| field.ty == FieldType::Bytes && !value.is_null())
        {
            base64(field, value, object, at, out)?;
        }
    }
    Ok(())
}

fn takes_base64(message: &Message, name: &str) -> bool {
    name == RAW_BASE64 && message.fields.iter().any(|field| field.ty == FieldType::Bytes)
}

fn base64(
    field: &Field,
    value: &Value,
    object: &Map<String, Value>,
    at: &At,
    out: &mut Vec<u8>,
) -> Result<(), JsonError> {
    let own = At::Name(at, RAW_BASE64);
    if object.get(&field.name).is_some_and(|raw| !raw.is_null()) {
        return Err(own.error(JsonProblem::Both("raw")));
    }
    let text = value
        .as_str()
        .ok_or_else(|| own.mistyped("base64 text", value, ""))?;
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| own.error(JsonProblem::Base64))?;
    if !bytes.is_empty() {
        put_bytes(field.number, &bytes, out);
    }
    Ok(())
}

/// Encodes a value that stands at most once; defaults are left out.
fn single(field: &Field, value: &Value, at: &At, out: &mut Vec<u8>) -> Result<(), JsonError> {
    match field.ty {
        FieldType::Text => put_said(field, text(field, value, at)?.as_bytes(), out),
        FieldType::Bytes => {
            let text = value
                .as_str()
                .ok_or_else(|| at.mistyped("text", value, "bytes that are no text go into `raw_base64`"))?;
            put_said(field, text.as_bytes(), out);
        }
        FieldType::Number => put_number_said(field, number(value, at)?, out),
        FieldType::Word(id) => put_number_said(field, word(id, value, at)?, out),
        FieldType::Message(id) => put_bytes(field.number, &message(id, value, at)?, out),
    }
    Ok(())
}

fn put_said(field: &Field, value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        put_bytes(field.number, value, out);
    }
}

fn put_number_said(field: &Field, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        put_number(field.number, value, out);
    }
}

/// Encodes the elements of a list, numbers and words packed.
fn list(field: &Field, value: &Value, at: &At, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let from_pairs;
    let elements = match (value, field.ty) {
        (Value::Array(elements), _) => elements,
        (Value::Object(object), FieldType::Message(id)) if short::is_pair(&Shape::get().message(id).name) => {
            from_pairs = short::pairs(object);
            &from_pairs
        }
        _ => return Err(at.mistyped("a list", value, "write it in brackets, even alone: [ ... ]")),
    };
    let mut packed = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        let own = At::Index(at, index);
        match field.ty {
            FieldType::Message(id) => put_bytes(field.number, &message(id, element, &own)?, out),
            FieldType::Word(id) => put_varint(word(id, element, &own)?, &mut packed),
            FieldType::Number => put_varint(number(element, &own)?, &mut packed),
            FieldType::Text | FieldType::Bytes => {
                put_bytes(field.number, text(field, element, &own)?.as_bytes(), out)
            }
        }
    }
    put_said(field, &packed, out);
    Ok(())
}

fn message(id: MessageId, value: &Value, at: &At) -> Result<Vec<u8>, JsonError> {
    let message = Shape::get().message(id);
    let mut out = Vec::new();
    match value {
        Value::Object(object) => encode(message, object, at, &mut out)?,
        Value::String(text) => {
            let long = short::expand(&message.name, text).map_err(|problem| at.error(problem))?;
            encode(message, &long, at, &mut out)?;
        }
        other => return Err(at.mistyped("an object", other, "")),
    }
    Ok(out)
}

/// A text; where a decimal is expected a number will do. Its digits are kept as written; an exponent alone is given a
/// sign (`1e5` becomes `1e+5`), which a text is not.
fn text(field: &Field, value: &Value, at: &At) -> Result<String, JsonError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number)
            if matches!(field.check, Check::Decimal | Check::Latitude | Check::Longitude) =>
        {
            Ok(number.to_string())
        }
        Value::Number(number) => Err(at.mistyped(
            "text",
            value,
            &format!("write \"{number}\" in quotes, with any leading zeros"),
        )),
        other => Err(at.mistyped("text", other, "")),
    }
}

fn number(value: &Value, at: &At) -> Result<u64, JsonError> {
    value
        .as_u64()
        .ok_or_else(|| at.mistyped("a whole number from 0", value, ""))
}

fn word(id: EnumId, value: &Value, at: &At) -> Result<u64, JsonError> {
    let words = Shape::get().enumeration(id);
    let text = value.as_str().ok_or_else(|| at.mistyped("a word", value, ""))?;
    words.number(text).ok_or_else(|| {
        let allowed: Vec<&str> = words.said().map(|word| word.word.as_str()).collect();
        at.error(JsonProblem::Word {
            word: shown(text),
            allowed: allowed.join(", "),
        })
    })
}

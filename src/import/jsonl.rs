//! Records in the JSON form, one object a line: what `export` and `get -o json` write, and what people write by hand.
//!
//! An export must load into another archive, so what only its own archive gave a line is left aside: `revision`
//! is ignored (unless the options ask for it), and an `act` beside it tells what happened there and not what to do
//! here. A line that its archive no longer stands by is refused.

use super::line::Lines;
use super::reading::{Source, each_row, hash};
use super::{Draft, Format, ImportError, Item, Options, Sink};
use crate::record::json::{self, Input};
use crate::record::{Act, Key, Series, Status};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::io::BufRead;
use std::ops::ControlFlow;

pub(super) fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>, ImportError> {
    each_row(Lines::new(input), Format::Jsonl, options, sink, |source| {
        (!source.bytes.trim_ascii().is_empty()).then(|| record(source))
    })
}

fn record(source: Source<'_>) -> Result<Item, Item> {
    let text = std::str::from_utf8(source.bytes)
        .map_err(|error| source.reject(format!("not UTF-8 from byte {} on", error.valid_up_to())))?;
    let refuse = |error: json::JsonError| source.reject(error.to_string());
    let mut value = json::read(text).map_err(refuse)?;
    if let Value::Object(object) = &mut value {
        prepare(object, &source);
    }
    let input = Input::from_value(value).map_err(refuse)?;
    check(&input).map_err(|reason| source.reject(reason))?;
    Ok(Item::Record(Box::new(Draft {
        key: key(&input, &source)?,
        series: series(&input, source.options),
        act: input.act,
        kind: input.kind,
        payload: input.payload,
        reason: input.reason,
        expected_revision: input.expected_revision,
        relation: input.relation,
        line: source.line,
        warnings: Vec::new(),
        source: Bytes::copy_from_slice(source.bytes),
    })))
}

/// Leaves aside what the line's own archive gave it, and says how the line came where it does not say so itself.
fn prepare(object: &mut Map<String, Value>, source: &Source<'_>) {
    if !source.options.expect_revision && object.remove("revision").is_some() {
        let told = |act: Act| object.get("act").is_some_and(|said| said == act.word());
        if told(Act::Create) || told(Act::Amend) {
            object.remove("act");
        }
    }
    if object.get("provenance").is_none_or(Value::is_null) {
        let provenance = serde_json::json!({
            "importer": source.format.name(),
            "importer_version": source.format.version(),
            "file": source.options.file,
            "line": source.line,
        });
        object.insert("provenance".to_owned(), provenance);
    }
}

fn check(input: &Input) -> Result<(), String> {
    if let Some(other) = &input.status
        && other != Status::Current.word()
    {
        let said: String = other.chars().take(40).collect();
        return Err(format!(
            "status is `{said}`; only lines that are current are imported"
        ));
    }
    match input.act {
        Act::Create | Act::Amend | Act::Retract | Act::Reinstate | Act::Link | Act::Unlink => Ok(()),
        other => Err(format!(
            "act `{other}` cannot be imported; it is made through the administration only"
        )),
    }
}

fn key(input: &Input, source: &Source<'_>) -> Result<Option<Key>, Item> {
    match &input.key {
        Some(key) => Ok(Some(key.clone())),
        None if input.act != Act::Create => Err(source.reject(format!(
            "no key; act `{}` needs the key of a known entry",
            input.act
        ))),
        None => source.key(|| hash(source.bytes)),
    }
}

/// The line's own series first: its relations name entries by theirs.
fn series(input: &Input, options: &Options) -> Series {
    let own = input.series.clone();
    own.unwrap_or_else(|| options.series(Format::Jsonl))
}

//! The history of an entry: every record, and what each of them changed.

use super::failure::Failure;
use super::screen::{Ink, Screen, plain, short};
use super::shown::{Shown, moment};
use crate::client::Client;
use crate::record::codec::decode_payload;
use crate::record::{Status, json};
use crate::rpc::proto;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Write;

/// The characters of a value that a change shows.
const VALUE_CHARS: usize = 60;
/// The changes of one record that are shown.
const CHANGES_MAX: usize = 20;

/// Every record of the entry, oldest first.
///
/// # Errors
/// The server's.
pub async fn ask(
    client: &Client,
    entry: &Shown<'_>,
    as_of: Option<proto::AsOf>,
) -> Result<Vec<proto::Record>, Failure> {
    let key = proto::EntryKey {
        series: entry.leaf.series.to_owned(),
        key: entry.leaf.key.to_owned(),
    };
    let request = proto::GetHistoryRequest {
        entry: Some(proto::EntryName {
            name: Some(proto::entry_name::Name::Key(key)),
        }),
        as_of,
        parts: proto::Parts::LeafAndPayload.into(),
    };
    let mut answers = client.archive().get_history(request).await?.into_inner();
    let mut records = Vec::new();
    while let Some(answer) = answers.message().await? {
        records.extend(answer.records);
    }
    Ok(records)
}

/// Prints the history: JSON lines, or for people with what changed.
///
/// # Errors
/// As the writer.
pub fn print(
    out: &mut dyn Write,
    screen: &Screen,
    entry: &proto::Entry,
    records: &[proto::Record],
    as_json: bool,
) -> Result<(), Failure> {
    let mut shown: Vec<Shown<'_>> = records.iter().map(Shown::record).collect::<Result<_, _>>()?;
    let standing = super::shown::status(entry.status());
    let newest = shown.iter().rposition(|record| record.leaf.act.has_content());
    for (at, record) in shown
        .iter_mut()
        .enumerate()
        .filter(|(_, record)| record.leaf.act.has_content())
    {
        let own = if Some(at) == newest {
            standing
        } else {
            Some(Status::Superseded)
        };
        record.status = record.status.or(own);
    }
    if as_json {
        for record in &shown {
            writeln!(out, "{}", Value::Object(record.json(true)))?;
        }
        return Ok(());
    }
    for_people(out, screen.ink(), &shown)
}

fn for_people(out: &mut dyn Write, ink: Ink, records: &[Shown<'_>]) -> Result<(), Failure> {
    if let Some(first) = records.first() {
        let name = format!("{}/{}", first.leaf.series, first.leaf.key);
        let count = records.len();
        let s = if count == 1 { "" } else { "s" };
        writeln!(
            out,
            "{} · {} · {count} record{s}",
            ink.cyan(plain(&name)),
            first.leaf.kind
        )?;
    }
    let mut before: Option<Map<String, Value>> = None;
    for record in records {
        writeln!(out)?;
        head(out, ink, record)?;
        if !record.leaf.act.has_content() {
            continue;
        }
        let Some(payload) = record.payload else {
            writeln!(out, "  {}", ink.yellow("erased"))?;
            before = None;
            continue;
        };
        let now = content(payload);
        match &before {
            None => writeln!(out, "  {}", ink.bold(record.headline()))?,
            Some(before) => print_changes(out, ink, &changes(before, &now))?,
        }
        before = Some(now);
    }
    Ok(())
}

/// `#12  amend  revision 2  2026-11-23 10:00:00Z  claimed:desk  corrected: name completed`.
fn head(out: &mut dyn Write, ink: Ink, record: &Shown<'_>) -> Result<(), Failure> {
    let leaf = &record.leaf;
    let position = format!("#{}", record.position);
    write!(
        out,
        "{} {:<9} revision {}  {}  {}",
        ink.bold(position),
        leaf.act.word(),
        leaf.revision,
        moment(leaf.recorded),
        plain(leaf.principal)
    )?;
    let payload = record
        .payload
        .and_then(|bytes| decode_payload(bytes).ok())
        .unwrap_or_default();
    let statement = payload.statement.unwrap_or_default();
    let link = leaf.relation.map(|link| {
        let word = super::shown::word("RelationType", link.relation.into());
        format!("{word} {}/{}", link.series, link.key)
    });
    let why = [
        link.unwrap_or_default(),
        leaf.reason.to_owned(),
        statement.authority,
        statement.explanation,
    ];
    let why: Vec<String> = why.into_iter().filter(|text| !text.is_empty()).collect();
    if !why.is_empty() {
        write!(out, "  {}", ink.yellow(plain(&why.join(": "))))?;
    }
    writeln!(out)?;
    Ok(())
}

/// What a payload states, without how it came and why.
fn content(payload: &[u8]) -> Map<String, Value> {
    let mut members = json::payload(payload);
    for beside in ["provenance", "explanation", "authority", "details"] {
        members.remove(beside);
    }
    members
}

fn print_changes(out: &mut dyn Write, ink: Ink, changes: &[Change]) -> Result<(), Failure> {
    if changes.is_empty() {
        writeln!(out, "  {}", ink.dim("the same content"))?;
    }
    for change in changes.iter().take(CHANGES_MAX) {
        let text = |value: &Option<String>| {
            value
                .as_deref()
                .map(|text| plain(&short(text, VALUE_CHARS)).into_owned())
        };
        let (was, is) = (text(&change.was), text(&change.is));
        let told = match (was, is) {
            (Some(was), Some(is)) => format!("{} → {}", ink.red(was), ink.green(is)),
            (Some(was), None) => format!("{} {}", ink.red(was), ink.dim("removed")),
            (None, is) => format!("{} {}", ink.dim("added"), ink.green(is.unwrap_or_default())),
        };
        writeln!(out, "  {}  {told}", plain(&change.path))?;
    }
    if changes.len() > CHANGES_MAX {
        writeln!(
            out,
            "  … and {} more: -o json shows all",
            changes.len() - CHANGES_MAX
        )?;
    }
    Ok(())
}

/// A value that differs between two contents.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// Where: `participants[1].name`.
    pub path: String,
    /// What stood there.
    pub was: Option<String>,
    /// What stands there now.
    pub is: Option<String>,
}

/// What differs between two contents, by path. Lists are compared element by element.
pub fn changes(before: &Map<String, Value>, now: &Map<String, Value>) -> Vec<Change> {
    let flat = |members: &Map<String, Value>| {
        let mut leaves = BTreeMap::new();
        let mut order = Vec::new();
        for (name, value) in members {
            flatten(name, value, &mut leaves, &mut order);
        }
        (leaves, order)
    };
    let ((before, before_order), (now, now_order)) = (flat(before), flat(now));
    let gone = before_order.iter().filter(|path| !now.contains_key(*path));
    let paths = now_order
        .iter()
        .chain(gone)
        .filter(|path| before.get(*path) != now.get(*path));
    let change = |path: &String| Change {
        path: path.clone(),
        was: before.get(path).cloned(),
        is: now.get(path).cloned(),
    };
    paths.map(change).collect()
}

fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>, order: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                flatten(&format!("{path}.{name}"), value, leaves, order);
            }
        }
        Value::Array(elements) => {
            for (at, value) in elements.iter().enumerate() {
                flatten(&format!("{path}[{at}]"), value, leaves, order);
            }
        }
        leaf => {
            let text = leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned);
            leaves.insert(path.to_owned(), text);
            order.push(path.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_told_by_path() {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let before =
            map(json!({"title": "a", "participants": [{"name": "x"}, {"name": "y", "office": "o"}]}));
        let now = map(json!({"title": "a", "participants": [{"name": "x"}, {"name": "z"}], "body": "b"}));
        let change = |path: &str, was: Option<&str>, is: Option<&str>| Change {
            path: path.to_owned(),
            was: was.map(str::to_owned),
            is: is.map(str::to_owned),
        };
        let expected = [
            change("participants[1].name", Some("y"), Some("z")),
            change("body", None, Some("b")),
            change("participants[1].office", Some("o"), None),
        ];
        assert_eq!(changes(&before, &now), expected);
        assert!(changes(&now, &now).is_empty());
    }
}

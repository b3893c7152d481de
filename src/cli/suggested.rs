//! What an answer says that texts suggest, made ready to be shown, apart from what is stated.

use super::screen::{Ink, plain};
use super::shown::Shown;
use crate::rpc::proto::suggestion::What;
use crate::rpc::proto::{DocumentPart, Suggestion};
use serde_json::{Map, Value, json};
use std::io::Write;

/// The sign before what is only suggested.
const MARK: char = '~';
/// The most characters of the words that are shown.
const SHOWN_CHARS: usize = 40;

/// The member `suggested` of the JSON form; `None` where nothing is.
pub fn json(all: &[Suggestion], rules: &str) -> Option<Value> {
    let suggestions: Vec<Value> = all.iter().map(object).collect();
    (!all.is_empty()).then(|| json!({ "rules": rules, "suggestions": suggestions }))
}

/// A suggestion as an object.
pub fn object(one: &Suggestion) -> Value {
    let mut members = Map::new();
    members.insert("part".to_owned(), part(one).into());
    members.insert("from".to_owned(), one.from.into());
    members.insert("to".to_owned(), one.to.into());
    members.insert("kind".to_owned(), kind(one).into());
    members.insert("rule".to_owned(), one.rule.as_str().into());
    let mut say = |name: &str, text: &str| {
        if !text.is_empty() {
            members.insert(name.to_owned(), text.into());
        }
    };
    match &one.what {
        Some(What::Country(code)) => say("country", code),
        Some(What::Person(person)) => {
            say("name", &person.name);
            say("office", &person.office);
            say("country", &person.country);
        }
        Some(What::Organisation(name)) => say("name", name),
        Some(What::Place(place)) => {
            say("name", &place.name);
            say("country", &place.country);
        }
        Some(What::Day(day)) => say("day", day),
        Some(What::Statement(statement)) => say("speaker", &statement.speaker),
        Some(What::Event(code)) => say("code", code),
        None => {}
    }
    Value::Object(members)
}

/// `country PAK`, `person Qamar Javed Bajwa`: of a row, what it was found by.
pub fn words(one: &Suggestion) -> String {
    format!("{} {}", kind(one), what(one)).trim_end().to_owned()
}

/// The line under an entry's row: what it was found by, each with the words that say so. `None` where it was found by what is stated.
pub fn line(entry: &Shown<'_>, ink: Ink) -> Option<String> {
    let said = |one: &Suggestion| format!("{} “{}”", words(one), because_of(entry, one));
    let all: Vec<String> = entry.suggested.iter().map(said).collect();
    (!all.is_empty()).then(|| format!("  {}", ink.dim(plain(&format!("{MARK} {}", all.join(" · "))))))
}

/// The block behind what an entry states: each thing once, as often as the text says it, with the words that said it first.
///
/// # Errors
/// As the writer.
pub fn block(out: &mut dyn Write, ink: Ink, entry: &Shown<'_>) -> std::io::Result<()> {
    if entry.suggested.is_empty() {
        return writeln!(out, "\n{}", ink.dim("nothing is suggested by a text of it"));
    }
    let head = format!(
        "suggested by its text, and stated by nobody; by the rules of {}",
        entry.suggested_by
    );
    writeln!(out, "\n{}", ink.yellow(plain(&head)))?;
    let mut told: Vec<(&Suggestion, usize)> = Vec::new();
    for one in entry.suggested {
        match told.iter_mut().find(|(other, _)| other.what == one.what) {
            Some((_, times)) => *times += 1,
            None => told.push((one, 1)),
        }
    }
    for (one, times) in told {
        let more = if times > 1 {
            format!(", {times} times")
        } else {
            String::new()
        };
        let because = format!(
            "“{}”, {} {}{more}, {}",
            because_of(entry, one),
            part(one),
            one.from,
            one.rule
        );
        let label = format!("{MARK} {:<13}", kind(one));
        writeln!(
            out,
            "{}{}  {}",
            ink.dim(label),
            plain(&what(one)),
            ink.dim(plain(&because))
        )?;
    }
    Ok(())
}

fn part(one: &Suggestion) -> &'static str {
    match one.part() {
        DocumentPart::Title => "title",
        DocumentPart::Text => "text",
        DocumentPart::Unspecified => "",
    }
}

fn kind(one: &Suggestion) -> &'static str {
    match &one.what {
        Some(What::Country(_)) => "country",
        Some(What::Person(_)) => "person",
        Some(What::Organisation(_)) => "organisation",
        Some(What::Place(_)) => "place",
        Some(What::Day(_)) => "day",
        Some(What::Statement(_)) => "statement",
        Some(What::Event(_)) => "event",
        None => "",
    }
}

fn what(one: &Suggestion) -> String {
    let both = |name: &str, more: &str| match more {
        "" => name.to_owned(),
        more => format!("{name}, {more}"),
    };
    match &one.what {
        Some(What::Country(text) | What::Organisation(text) | What::Day(text)) => text.clone(),
        Some(What::Event(code)) => {
            let label = crate::derive::types().cameo(code).map_or("", |cameo| cameo.label);
            format!("{code} {label}").trim_end().to_owned()
        }
        Some(What::Person(person)) => both(&person.name, &person.office),
        Some(What::Place(place)) => both(&place.name, &place.country),
        Some(What::Statement(statement)) => statement.speaker.clone(),
        None => String::new(),
    }
}

/// The words in which it was found, as the entry has them.
fn because_of(entry: &Shown<'_>, one: &Suggestion) -> String {
    let text = match one.part() {
        DocumentPart::Title => &entry.content.title,
        _ => &entry.content.body,
    };
    short(text.get(one.from as usize..one.to as usize).unwrap_or(""))
}

/// Words on one line, and no more of them than a line has room for.
pub fn short(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", one_line[..end].trim_end()),
        None => one_line,
    }
}

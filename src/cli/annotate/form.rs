//! The plain form of annotations: a field a line, an event a block.
//!
//! ```text
//! event
//! title: Bajwa and Bagheri meet at General Headquarters
//! occurred: 2021-10-13 | on Wednesday
//! party: Qamar Javed Bajwa | Chief of Army Staff | PAK | person
//! ```
//!
//! A line that begins with `#` is a comment. What a block says becomes an object of the JSON form, which has the checks.

use super::checks::first_slip;
use crate::record::codec::{
    ActorKind, Content, Country, DateRole, Participant, Payload, Place, Side, TypeCode, decode_content,
    encode_payload,
};
use crate::record::json::{Input, JsonError, nearest, payload as payload_json, pretty, read as read_json};
use crate::record::validate::Check;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// What stands between the parts of a line.
const BAR: char = '|';
/// The names of lines that stand once in an event.
const ONCE: [&str; 4] = ["title", "occurred", "text", "publisher"];
/// The names of lines that may stand several times, beside those of [`SIDES`].
const MANY: [&str; 3] = ["type", "place", "topic"];
/// Said once, with the publisher.
const SENTENCE: &str = "sentence";
/// The lines that name somebody, and the word of their side.
const SIDES: [(&str, Side); 6] = [
    ("source", Side::Source),
    ("target", Side::Target),
    ("party", Side::Party),
    ("host", Side::Host),
    ("mediator", Side::Mediator),
    ("mentioned", Side::Mentioned),
];

/// One event of an annotation, not yet checked.
#[derive(Debug)]
pub struct Event {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// What it says, in the JSON form.
    pub members: Map<String, Value>,
    /// Paths of the object, and the lines that they come from.
    paths: Vec<(String, usize)>,
}

impl Event {
    /// The event, checked as any record in the JSON form is.
    ///
    /// # Errors
    /// What cannot be taken, with its line.
    pub fn input(self) -> Result<Input, FormError> {
        let input = Input::from_value(Value::Object(self.members));
        let input = input.map_err(|error| of_line(&error, &self.paths, self.line))?;
        if let Ok(Some(content)) = decode_content(&input.payload)
            && let Some((path, problem)) = first_slip(&content)
        {
            let line = line_of(&path, &self.paths, self.line);
            let problem = match self.paths.is_empty() {
                true => format!("`{path}`: {problem}"),
                false => problem,
            };
            return Err(FormError { line, problem });
        }
        Ok(input)
    }
}

/// What is wrong with an annotation: the line and what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FormError {
    /// From 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// An event as a block of lines; what the plain form has no line for is left out.
pub fn block(content: &Content) -> String {
    let mut out = String::from("event\n");
    // Writing to a text does not fail.
    let mut line = |name: &str, parts: &[&str]| {
        let end = parts.iter().rposition(|part| !part.is_empty());
        if let Some(end) = end {
            let parts: Vec<String> = parts[..=end].iter().map(|part| plain(part)).collect();
            let text = parts.join(" | ");
            let _ = writeln!(out, "{name}: {text}");
        }
    };
    line("title", &[&content.title]);
    for date in content
        .dates
        .iter()
        .filter(|date| date.role() == DateRole::Occurred)
    {
        line("occurred", &[&date.edtf, &date.stated]);
    }
    for one in &content.types {
        line("type", &[&scheme_and_code(one), &one.label]);
    }
    for one in &content.participants {
        let countries: Vec<String> = one.countries.iter().map(country).collect();
        line(
            side_word(one),
            &[&one.name, &one.office, &countries.join(", "), kind_word(one)],
        );
    }
    for place in &content.places {
        line("place", &[&place.name, &place_country(place)]);
    }
    for report in &content.reports {
        line("publisher", &[&report.publisher]);
        line(SENTENCE, &[&report.sentence]);
    }
    out
}

/// A text on one line and without what divides a line.
fn plain(text: &str) -> String {
    let text = text.replace(BAR, "/");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn side_word(one: &Participant) -> &'static str {
    let found = SIDES.iter().find(|(_, side)| *side == one.side());
    found.map_or("mentioned", |(word, _)| word)
}

fn kind_word(one: &Participant) -> &'static str {
    match one.kind() {
        ActorKind::Unspecified => "",
        ActorKind::Person => "person",
        ActorKind::Organisation => "organisation",
        ActorKind::State => "state",
        ActorKind::Group => "group",
        ActorKind::Role => "role",
    }
}

fn scheme_and_code(one: &TypeCode) -> String {
    format!("{}:{}", one.scheme, one.code)
}

fn country(country: &Country) -> String {
    match country.scheme.as_str() {
        "iso3" => country.code.clone(),
        scheme => format!("{scheme}:{}", country.code),
    }
}

fn place_country(place: &Place) -> String {
    place.country.as_ref().map_or_else(String::new, country)
}

/// The JSON form of an event as a person edits it.
pub fn object(content: &Content) -> String {
    let payload = encode_payload(&Payload {
        content: Some(content.clone()),
        ..Payload::default()
    });
    let mut members = Map::new();
    members.insert("kind".to_owned(), "event".into());
    members.extend(payload_json(&payload));
    pretty(&Value::Object(members))
}

/// The events of an annotation in either form: JSON where its first character says so.
///
/// # Errors
/// The first thing that cannot be taken, with its line.
pub fn read(text: &str) -> Result<Vec<Event>, FormError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let begins = text
        .lines()
        .map(str::trim_start)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    match begins {
        Some(line) if line.starts_with(['{', '[']) => objects(text),
        Some(_) => blocks(text),
        None => Ok(Vec::new()),
    }
}

/// Whether two annotations say the same: their comments, their lines and their spaces may differ. One that cannot be read is like none.
pub fn is_same(one: &str, other: &str) -> bool {
    let members = |text: &str| -> Option<Vec<Map<String, Value>>> {
        let events = read(text).ok()?;
        Some(events.into_iter().map(|event| event.members).collect())
    };
    members(one).is_some_and(|one| !one.is_empty() && Some(one) == members(other))
}

/// Objects one behind the other, each over as many lines as it likes; lines between them that begin with `#` are comments.
fn objects(text: &str) -> Result<Vec<Event>, FormError> {
    let mut events = Vec::new();
    let mut at = 0;
    loop {
        at = after_comments(text, at);
        let line = 1 + text[..at].bytes().filter(|byte| *byte == b'\n').count();
        if at == text.len() {
            return Ok(events);
        }
        let wrong = |problem: String| FormError { line, problem };
        let mut objects =
            serde_json::Deserializer::from_str(&text[at..]).into_iter::<serde::de::IgnoredAny>();
        match objects.next() {
            None => return Ok(events),
            Some(Err(error)) => {
                let problem = error.to_string();
                let problem = problem
                    .rsplit_once(" at line ")
                    .map_or(problem.as_str(), |(what, _)| what);
                return Err(FormError {
                    line: line + error.line().saturating_sub(1),
                    problem: problem.to_owned(),
                });
            }
            Some(Ok(_)) => {}
        }
        let end = at + objects.byte_offset();
        let value = read_json(&text[at..end]).map_err(|error| wrong(error.to_string()))?;
        let Value::Object(members) = value else {
            return Err(wrong("an event is an object: {\"title\": ...}".to_owned()));
        };
        events.push(Event {
            line,
            members,
            paths: Vec::new(),
        });
        at = end;
    }
}

fn after_comments(text: &str, mut at: usize) -> usize {
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if !text[at..].starts_with('#') {
            return at;
        }
        at += text[at..].find('\n').unwrap_or(text.len() - at);
    }
}

fn blocks(text: &str) -> Result<Vec<Event>, FormError> {
    let mut events = Vec::new();
    let mut block: Option<Block> = None;
    for (line, written) in (1..).zip(text.lines()) {
        let written = written.trim();
        if written.is_empty() || written.starts_with('#') {
            continue;
        }
        let wrong = |problem: String| FormError { line, problem };
        if let Some(key) = begins_event(written).map_err(wrong)? {
            events.extend(block.take().map(Block::event).transpose()?);
            block = Some(Block::new(line, key));
            continue;
        }
        let (name, rest) = match written.split_once(':') {
            Some((name, rest)) => (name.trim(), rest.trim()),
            None => (written, ""),
        };
        let Some(block) = &mut block else {
            return Err(wrong(format!(
                "`{}` stands before any event; begin each event with a line `event`",
                short(written)
            )));
        };
        block.add(line, name, rest).map_err(wrong)?;
    }
    events.extend(block.map(Block::event).transpose()?);
    Ok(events)
}

/// The key of an event that a line begins; empty where it gives none. A key with spaces needs a colon before it, since a line of words is
/// more often the rest of a title that was broken in two.
fn begins_event(line: &str) -> Result<Option<&str>, String> {
    let Some(rest) = line.strip_prefix("event") else {
        return Ok(None);
    };
    if let Some(key) = rest.trim_start().strip_prefix(':') {
        return Ok(Some(key.trim()));
    }
    let key = rest.trim();
    match rest.is_empty() || rest.starts_with([' ', '\t']) {
        true if key.contains(char::is_whitespace) => Err(format!(
            "`{}` begins no event, since a key has no spaces here; write a title on one line, or a key with spaces as `event: KEY`",
            short(line)
        )),
        is_whole => Ok(is_whole.then_some(key)),
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The lines of one event.
struct Block {
    line: usize,
    members: Map<String, Value>,
    report: Map<String, Value>,
    /// Paths of the object, and the lines that they come from.
    paths: Vec<(String, usize)>,
}

impl Block {
    /// An event that begins; a key may be given to it.
    fn new(line: usize, key: &str) -> Self {
        let mut members = Map::new();
        members.insert("kind".to_owned(), "event".into());
        if !key.is_empty() {
            members.insert("key".to_owned(), key.into());
        }
        Self {
            line,
            members,
            report: Map::new(),
            paths: vec![("key".to_owned(), line)],
        }
    }

    fn add(&mut self, line: usize, name: &str, rest: &str) -> Result<(), String> {
        if rest.is_empty() {
            return match is_known(name) {
                // A field without a value is one that was left open.
                true => Ok(()),
                false => Err(unknown(name)),
            };
        }
        let parts: Vec<&str> = rest.split(BAR).map(str::trim).collect();
        if let Some((word, _)) = SIDES.iter().find(|(word, _)| *word == name) {
            return self.push(
                "participants",
                line,
                participant(word, &bounded(name, &parts, 4)?)?,
            );
        }
        match name {
            "title" => self.once("title", line, rest.into()),
            "text" => self.once("body", line, rest.into()),
            "occurred" => {
                let [day, stated] = array(&bounded(name, &parts, 2)?);
                if Check::Edtf.run(day).is_err() {
                    return Err(format!(
                        "`{}` in `occurred` is no date in EDTF; write DATE | WORDS, as 2021-10-13 | on Wednesday, or | WORDS alone",
                        short(day)
                    ));
                }
                let date = said(&[("role", "occurred"), ("edtf", day), ("stated", stated)]);
                self.once("dates", line, json!([date]))
            }
            "type" => {
                let [code, label] = array(&bounded(name, &parts, 2)?);
                self.push("types", line, type_of(code, label)?)
            }
            "place" => {
                let [named, country] = array(&bounded(name, &parts, 2)?);
                self.push("places", line, place_of(named, country))
            }
            "topic" => self.push("topics", line, json!({ "word": rest })),
            "publisher" | SENTENCE => {
                if self.report.insert(name.to_owned(), rest.into()).is_some() {
                    return Err(twice(name));
                }
                self.paths.push((format!("reports[0].{name}"), line));
                Ok(())
            }
            other => Err(unknown(other)),
        }
    }

    fn once(&mut self, member: &str, line: usize, value: Value) -> Result<(), String> {
        if self.members.insert(member.to_owned(), value).is_some() {
            return Err(twice(match member {
                "body" => "text",
                "dates" => "occurred",
                other => other,
            }));
        }
        self.paths.push((member.to_owned(), line));
        Ok(())
    }

    fn push(&mut self, member: &str, line: usize, value: Value) -> Result<(), String> {
        let list = self.members.entry(member).or_insert_with(|| json!([]));
        let Value::Array(list) = list else {
            return Err(twice(member));
        };
        self.paths.push((format!("{member}[{}]", list.len()), line));
        list.push(value);
        Ok(())
    }

    fn event(self) -> Result<Event, FormError> {
        let Self {
            line,
            mut members,
            report,
            paths,
        } = self;
        if members.len() == usize::from(members.contains_key("key")) + 1 && report.is_empty() {
            return Err(FormError {
                line,
                problem: "the event says nothing; give it a title, or remove it".to_owned(),
            });
        }
        if !report.is_empty() {
            members.insert("reports".to_owned(), json!([report]));
        }
        Ok(Event { line, members, paths })
    }
}

/// An error of a path as one of the line that the path comes from.
fn of_line(error: &JsonError, paths: &[(String, usize)], event: usize) -> FormError {
    let line = line_of(&error.path, paths, event);
    // What a line of the plain form stands for is known by the line; within an object the path says it.
    let problem = if paths.is_empty() {
        error.to_string()
    } else {
        error.problem.to_string()
    };
    FormError { line, problem }
}

/// The line that a path comes from; that of the event where none does.
fn line_of(path: &str, paths: &[(String, usize)], event: usize) -> usize {
    let begins = |own: &&(String, usize)| path.starts_with(own.0.as_str());
    let own = paths.iter().filter(begins).max_by_key(|own| own.0.len());
    own.map_or(event, |own| own.1)
}

fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

fn names() -> impl Iterator<Item = &'static str> {
    let sides = SIDES.iter().map(|(word, _)| *word);
    ONCE.into_iter().chain(MANY).chain([SENTENCE]).chain(sides)
}

fn unknown(name: &str) -> String {
    let near = nearest(name, names()).map(|near| format!("; did you mean `{near}`?"));
    let all = || format!("; use one of {}", names().collect::<Vec<_>>().join(", "));
    format!(
        "`{}` is no field of an event{}",
        short(name),
        near.unwrap_or_else(all)
    )
}

fn twice(name: &str) -> String {
    format!("`{name}` stands twice in the event; keep one of them")
}

/// The parts of a line, which must not be more than so many.
fn bounded<'p>(name: &str, parts: &[&'p str], most: usize) -> Result<Vec<&'p str>, String> {
    if parts.len() > most {
        return Err(format!(
            "`{name}` has {} parts between `|`, at most {most} are read; write a `|` of a text as `/`",
            parts.len()
        ));
    }
    Ok(parts.to_vec())
}

fn array<'p, const N: usize>(parts: &[&'p str]) -> [&'p str; N] {
    std::array::from_fn(|at| parts.get(at).copied().unwrap_or_default())
}

/// An object of those members that say something.
fn said(members: &[(&str, &str)]) -> Value {
    let some = members.iter().filter(|(_, text)| !text.is_empty());
    Value::Object(
        some.map(|(name, text)| ((*name).to_owned(), Value::from(*text)))
            .collect(),
    )
}

fn participant(side: &str, parts: &[&str]) -> Result<Value, String> {
    let [name, office, countries, kind] = array(parts);
    if name.is_empty() && office.is_empty() && countries.is_empty() {
        return Err(format!(
            "`{side}` names nobody; write NAME | OFFICE | COUNTRY | KIND"
        ));
    }
    let mut one = said(&[("side", side), ("name", name), ("office", office), ("kind", kind)]);
    let countries: Vec<&str> = countries
        .split(',')
        .map(str::trim)
        .filter(|country| !country.is_empty())
        .collect();
    if !countries.is_empty() {
        one["countries"] = json!(countries);
    }
    Ok(one)
}

/// Digits alone are a code of CAMEO.
fn type_of(code: &str, label: &str) -> Result<Value, String> {
    let (scheme, code) = match code.split_once(':') {
        Some((scheme, code)) => (scheme.trim(), code.trim()),
        None if !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()) => ("cameo", code),
        None => {
            return Err(format!(
                "`{}` is no type; write SCHEME:CODE, as cameo:040, or the digits of a CAMEO code",
                short(code)
            ));
        }
    };
    Ok(said(&[("scheme", scheme), ("code", code), ("label", label)]))
}

fn place_of(name: &str, country: &str) -> Value {
    let mut place = said(&[("role", "action"), ("name", name)]);
    if !country.is_empty() {
        place["country"] = country.into();
    }
    place
}

#[cfg(test)]
mod tests;

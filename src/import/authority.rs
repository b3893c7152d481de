//! Actors, one a row: a table with a header, its columns separated by commas or tabs.
//!
//! Columns are read by their names: `key` and `name`, and of these any: `language` (of the name), `names` (others, as
//! `name@language[from/to]|…`), `identifiers` (`scheme:code|…`), `offices` (`office@country[from/to]|…`), `part_of` (keys of other
//! actors, or SERIES/KEY), `kind`. Others go to `extra`. A cell that cannot be read rejects its row: an actor with half of its names
//! would be found by half of them.

use super::reading::{Field, Reading, Source, code, country, type_code};
use super::table::{Rows, columns};
use super::{Format, ImportError, Item, Options, Sink};
use crate::authority::{bounds, cells};
use crate::derive::fold;
use crate::record::codec::{Content, Name, Office, Relation, RelationType};
use crate::record::validate::Check;
use crate::record::{EntryKey, Key, Kind};
use std::collections::HashMap;
use std::io::{BufRead, Cursor, Read};
use std::ops::ControlFlow;

/// The columns that have a meaning.
const KNOWN: [&str; 8] = [
    "key",
    "name",
    "language",
    "names",
    "identifiers",
    "offices",
    "part_of",
    "kind",
];
/// The sorts of an actor.
const KINDS: [&str; 5] = ["person", "organisation", "state", "group", "role"];
/// The scheme of the type that says which sort an actor is of.
const KIND_SCHEME: &str = "actor";

pub(super) fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>, ImportError> {
    // A table has tabs in its header, or none at all.
    let mut head = Vec::new();
    input.read_until(b'\n', &mut head)?;
    let separator = separator(&head);
    let mut whole = Cursor::new(head).chain(input);
    let mut rows = Rows::new(&mut whole, separator);
    let Some(first) = rows.next()? else {
        return Ok(ControlFlow::Continue(()));
    };
    let header = Header::of(first.bytes, separator)?;
    let mut keys = HashMap::new();
    while let Some(line) = rows.next()? {
        // Files put one after another repeat their header.
        if line.bytes == header.line {
            continue;
        }
        let item = Source::of_line(Format::Authority, options, line)
            .and_then(|source| header.row(source, &mut keys));
        if sink(item.unwrap_or_else(|reject| reject)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn separator(line: &[u8]) -> u8 {
    if line.contains(&b'\t') { b'\t' } else { b',' }
}

/// Whether a line is the header of such a table, and of no other.
pub(super) fn is_header(line: &[u8]) -> bool {
    let names = names_of(line, separator(line));
    let has = |name: &str| names.iter().any(|own| own == name);
    has("key") && has("name") && KNOWN[3..6].iter().any(|name| has(name))
}

fn names_of(line: &[u8], separator: u8) -> Vec<String> {
    let columns = columns(line, separator);
    let name = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).trim().to_ascii_lowercase();
    columns.iter().map(name).collect()
}

/// The columns of a file.
struct Header {
    separator: u8,
    line: Vec<u8>,
    names: Vec<String>,
}

impl Header {
    fn of(line: &[u8], separator: u8) -> Result<Self, ImportError> {
        let names = names_of(line, separator);
        match ["key", "name"]
            .iter()
            .find(|needed| !names.iter().any(|name| name == *needed))
        {
            None => Ok(Self {
                separator,
                line: line.to_vec(),
                names,
            }),
            Some(missing) => Err(ImportError::Header {
                format: Format::Authority,
                problem: format!(
                    "a column `{missing}` is needed, and the first line has {}; further columns are {}",
                    names.join(", "),
                    KNOWN[2..].join(", ")
                ),
            }),
        }
    }

    /// The actor of a row. `keys` has the keys of the rows before it, and their lines: a second row with one of them would only amend the
    /// first.
    fn row(&self, source: Source<'_>, keys: &mut HashMap<String, u64>) -> Result<Item, Item> {
        let cells = columns(source.bytes, self.separator);
        if cells.len() != self.names.len() {
            return Err(source.reject(format!(
                "{} columns found, {} expected",
                cells.len(),
                self.names.len()
            )));
        }
        let mut reading = Reading::default();
        let mut row = Row::default();
        for (name, bytes) in self.names.iter().zip(&cells) {
            let field = Field { name, bytes };
            if !KNOWN.contains(&name.as_str()) {
                reading.keep(field);
            } else if let Some(text) = reading.text(field) {
                row.set(name, text.trim(), source)?;
            }
        }
        let key = row.key(source)?;
        if let Some(line) = keys.get(&row.key) {
            return Err(source.reject(format!(
                "the key `{}` is that of line {line} too; give each actor one of its own, and one actor one row",
                row.key
            )));
        }
        let Some(names) = row.names() else {
            return Err(source.reject("no `name`; write the name to show, and others in `names`"));
        };
        let first = names.first().map(|name| name.name.clone()).unwrap_or_default();
        let extra = std::mem::take(&mut reading.content.extra);
        reading.content = Content {
            title: first,
            names,
            raw: source.bytes.to_vec().into(),
            extra,
            ..row.content
        };
        bounds::check(&reading.content).map_err(|unmeant| source.reject(unmeant.to_string()))?;
        keys.insert(std::mem::take(&mut row.key), source.line);
        Ok(reading.into_item(source, Kind::Authority, key))
    }
}

/// What the cells of a row say.
#[derive(Default)]
struct Row {
    key: String,
    name: Option<Name>,
    language: String,
    others: Vec<Name>,
    content: Content,
}

impl Row {
    /// Takes a cell.
    fn set(&mut self, column: &str, text: &str, source: Source<'_>) -> Result<(), Item> {
        let reject = |problem: String| source.reject(format!("`{column}`: {problem}"));
        match column {
            "key" => text.clone_into(&mut self.key),
            "name" => {
                self.name = Some(Name {
                    name: text.to_owned(),
                    ..Name::default()
                });
            }
            "language" => {
                let checked = Check::Language.run(text);
                checked.map_err(|error| reject(error.to_string()))?;
                text.clone_into(&mut self.language);
            }
            "names" => self.others = names(text).map_err(reject)?,
            "identifiers" => {
                let identifiers = cells::identifiers(text).map_err(reject)?;
                let stated = identifiers.iter().map(|own| code(&own.scheme, &own.code));
                self.content.identifiers = stated.collect();
            }
            "offices" => self.content.offices = offices(text).map_err(reject)?,
            "part_of" => {
                let parts = cells::parts(text).map(|part| part_of(part, source));
                let parts: Result<Vec<Relation>, String> = parts.collect();
                self.content.relations = parts.map_err(reject)?;
            }
            _ => match KINDS.contains(&text) {
                true => self.content.types = vec![type_code(KIND_SCHEME, text)],
                false => {
                    let problem = format!("`{text}` is no sort of actor; write one of {}", KINDS.join(", "));
                    return Err(reject(problem));
                }
            },
        }
        Ok(())
    }

    fn key(&self, source: Source<'_>) -> Result<Option<Key>, Item> {
        if self.key.is_empty() {
            return Err(source.reject("no `key`; give each actor one of its own, as imran-khan"));
        }
        source.key(|| self.key.clone())
    }

    /// All names, the one to show first; `None` where there is none to show.
    fn names(&mut self) -> Option<Vec<Name>> {
        let mut first = self.name.take()?;
        std::mem::take(&mut self.language).clone_into(&mut first.language);
        let mut names = std::mem::take(&mut self.others);
        // A name that `names` has with its days is that one, and its days count.
        let folded = fold(&first.name);
        let own = names
            .iter()
            .position(|name| fold(&name.name).trim() == folded.trim());
        let shown = match own.map(|own| names.remove(own)) {
            Some(own) => Name {
                name: first.name,
                language: if own.language.is_empty() {
                    first.language
                } else {
                    own.language
                },
                ..own
            },
            None => first,
        };
        names.insert(0, shown);
        Some(names)
    }
}

fn names(text: &str) -> Result<Vec<Name>, String> {
    let names = cells::names(text)?.into_iter().map(|name| Name {
        name: name.text,
        language: name.language,
        from: name.validity.from,
        to: name.validity.to,
    });
    Ok(names.collect())
}

fn offices(text: &str) -> Result<Vec<Office>, String> {
    let offices = cells::offices(text)?.into_iter().map(|office| Office {
        office: office.office,
        country: (!office.country.is_empty()).then(|| country("iso3", &office.country)),
        from: office.validity.from,
        to: office.validity.to,
    });
    Ok(offices.collect())
}

/// The relation to another actor: of another series where one is named.
fn part_of(part: &str, source: Source<'_>) -> Result<Relation, String> {
    let entry: EntryKey = match part.contains('/') {
        true => part.parse().map_err(|error| format!("`{part}`: {error}"))?,
        false => {
            let series = source.options.series(Format::Authority);
            let key = Key::new(part).map_err(|error| error.to_string())?;
            EntryKey { series, key }
        }
    };
    Ok(Relation {
        r#type: RelationType::PartOf.into(),
        series: entry.series.to_string(),
        key: entry.key.to_string(),
    })
}

//! Tables of any columns: rows under a header, mapped to fields as a [`Mapping`] says.
//!
//! Where the separator is not a tab, a field in double quotes may hold separators and line ends. Columns that are not
//! mapped go to `extra`. A value that cannot stand where it is mapped to goes there too, with a warning.

use super::line::{LINE_BYTES_MAX, Line, Lines};
use super::mapping::Mapping;
use super::reading::{Field, Reading, Source, hash};
use super::{Format, ImportError, Item, Options, Sink};
use crate::record::codec::decode_content;
use crate::record::json::{Input, JsonError};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, BufRead};
use std::ops::ControlFlow;

pub(super) fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>, ImportError> {
    let Some(mapping) = &options.mapping else {
        return Err(refused("no mapping is given"));
    };
    let mut rows = Rows::new(input, mapping.separator);
    let Some(first) = rows.next()? else {
        return Ok(ControlFlow::Continue(()));
    };
    let header = Header::of(first.bytes, mapping)?;
    while let Some(line) = rows.next()? {
        // Files put one after another repeat their header.
        if line.bytes == header.line {
            continue;
        }
        let item = Source::of_line(Format::Table, options, line).and_then(|source| header.row(source));
        if sink(item.unwrap_or_else(|reject| reject)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn refused(problem: impl Into<String>) -> ImportError {
    ImportError::Header {
        format: Format::Table,
        problem: problem.into(),
    }
}

/// Rows, each of one line or of several where a quoted field holds line ends.
pub(super) struct Rows<'a> {
    lines: Lines<'a>,
    is_quoted: bool,
    bytes: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// Rows between whose columns this byte stands.
    pub(super) fn new(input: &'a mut dyn BufRead, separator: u8) -> Self {
        Self {
            lines: Lines::new(input),
            is_quoted: separator != b'\t',
            bytes: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.bytes.clear();
        let (mut number, mut length, mut ended_with_return) = (0, 0, false);
        let mut quotes = 0;
        loop {
            let is_first = number == 0;
            let line = if is_first {
                self.lines.next_filled()?
            } else {
                self.lines.next_line()?
            };
            let Some(line) = line else { break };
            if is_first {
                number = line.number;
            } else {
                let end: &[u8] = if ended_with_return { b"\r\n" } else { b"\n" };
                self.bytes.extend_from_slice(end);
            }
            self.bytes.extend_from_slice(line.bytes);
            ended_with_return = line.has_return;
            length = line.too_long.unwrap_or(self.bytes.len() as u64);
            quotes += line.bytes.iter().filter(|byte| **byte == b'"').count();
            if !self.is_quoted || quotes % 2 == 0 || length > LINE_BYTES_MAX as u64 {
                break;
            }
        }
        self.bytes.truncate(LINE_BYTES_MAX);
        Ok((number > 0).then_some(Line {
            number,
            bytes: &self.bytes,
            too_long: (length > LINE_BYTES_MAX as u64).then_some(length),
            has_return: ended_with_return,
        }))
    }
}

/// The columns of a row, without the quotes around them.
pub(super) fn columns(row: &[u8], separator: u8) -> Vec<Vec<u8>> {
    if separator == b'\t' {
        return row.split(|byte| *byte == b'\t').map(<[u8]>::to_vec).collect();
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(row);
    // Reading from memory does not fail, and what is no CSV is one column.
    let record = reader
        .byte_records()
        .next()
        .and_then(Result::ok)
        .unwrap_or_default();
    record.iter().map(<[u8]>::to_vec).collect()
}

/// The columns of a file.
struct Header<'m> {
    mapping: &'m Mapping,
    line: Vec<u8>,
    names: Vec<String>,
}

impl<'m> Header<'m> {
    fn of(line: &[u8], mapping: &'m Mapping) -> Result<Self, ImportError> {
        let names: Vec<String> = columns(line, mapping.separator)
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        let mut needed = mapping.columns().chain(mapping.key.iter().map(String::as_str));
        match needed.find(|needed| !names.iter().any(|name| name == needed)) {
            None => Ok(Self {
                mapping,
                line: line.to_vec(),
                names,
            }),
            Some(missing) => Err(refused(format!(
                "the mapping names a column `{missing}`, and the first line has {}",
                names.join(", ")
            ))),
        }
    }

    fn row(&self, source: Source<'_>) -> Result<Item, Item> {
        let columns = columns(source.bytes, self.mapping.separator);
        if columns.len() != self.names.len() {
            return Err(source.reject(format!(
                "{} columns found, {} expected",
                columns.len(),
                self.names.len()
            )));
        }
        let mut reading = Reading::default();
        let mut cells: HashMap<&str, String> = HashMap::new();
        for (name, bytes) in self.names.iter().zip(&columns) {
            if let Some(text) = reading.text(Field { name, bytes }) {
                cells.insert(name, text.trim().to_owned());
            }
        }
        let key = self.key(&cells, source)?;
        self.state(&mut cells, &mut reading)
            .map_err(|error| source.reject(error.to_string()))?;
        self.keep_others(&cells, &mut reading);
        reading.content.raw = source.bytes.to_vec().into();
        Ok(reading.into_item(source, self.mapping.kind, key))
    }

    fn key(
        &self,
        cells: &HashMap<&str, String>,
        source: Source<'_>,
    ) -> Result<Option<crate::record::Key>, Item> {
        let mut parts = Vec::new();
        for column in &self.mapping.key {
            match cells.get(column.as_str()) {
                Some(part) => parts.push(part.as_str()),
                None => {
                    return Err(source.reject(format!("no `{column}`; without it the row has no key")));
                }
            }
        }
        source.key(|| match parts.is_empty() {
            true => hash(source.bytes),
            false => parts.join("@"),
        })
    }

    /// States what is mapped. Where something cannot stand where it is mapped to, each column is tried by itself, and
    /// those at fault are kept aside.
    fn state(&self, cells: &mut HashMap<&str, String>, reading: &mut Reading) -> Result<(), JsonError> {
        let content = |record: Value| {
            let input = Input::from_value(record)?;
            Ok(decode_content(&input.payload).ok().flatten().unwrap_or_default())
        };
        let compose = |cells: &HashMap<&str, String>| {
            let text = |column: &str| cells.get(column).map(String::as_str);
            self.mapping.compose(text).and_then(content)
        };
        if let Ok(content) = compose(cells) {
            reading.content = content;
            return Ok(());
        }
        for column in self.mapping.columns() {
            let Some(text) = cells.get(column) else { continue };
            let alone = |asked: &str| (asked == column).then_some(text.as_str());
            let titled = |mut record: Value| {
                if record.get("title").is_none() {
                    record["title"] = "-".into();
                }
                content(record)
            };
            if let Err(error) = self.mapping.compose(alone).and_then(titled) {
                reading.keep_bad(column, text, &error.to_string());
                cells.remove(column);
            }
        }
        let extra = std::mem::take(&mut reading.content.extra);
        reading.content = compose(cells)?;
        reading.content.extra.extend(extra);
        Ok(())
    }

    /// Keeps the columns that are not mapped, in their order.
    fn keep_others(&self, cells: &HashMap<&str, String>, reading: &mut Reading) {
        for name in &self.names {
            if let Some(text) = cells.get(name.as_str())
                && !self.mapping.columns().any(|mapped| mapped == name)
            {
                let bytes = text.as_bytes();
                reading.keep(Field { name, bytes });
            }
        }
    }
}

//! What one row has said so far: its content, and what could not be taken as it should be.
//!
//! The importers state fields through a [`Reading`], which keeps three promises: an absent value states nothing, a
//! value that fits is stated as it stands, and a value that does not fit is kept in `extra` with a warning.

use super::line::{LINE_BYTES_MAX, Line, Lines};
use super::{Draft, Format, ImportError, Item, Keys, Options, Reject, Sink};
use crate::record::codec::{
    Code, Content, Country, Date, DateRole, Extra, Measure, Payload, Provenance, TypeCode, Warning,
    check_payload, encode_payload,
};
use crate::record::validate::Check;
use crate::record::{Act, Key, Kind, Reason, date};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::ops::ControlFlow;

/// The words that mean that a value is absent.
const ABSENT: [&str; 5] = ["", "NA", "NULL", "None", "---"];

/// One column of one row.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// The column's name.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// The content of a row while it is read.
#[derive(Default)]
pub(super) struct Reading {
    pub content: Content,
    pub warnings: Vec<Warning>,
}

impl Reading {
    /// The text of a column; `None` where it is absent. Bytes that are not UTF-8 become U+FFFD, with a warning.
    pub(super) fn text<'a>(&mut self, field: Field<'a>) -> Option<Cow<'a, str>> {
        let text = String::from_utf8_lossy(field.bytes);
        if matches!(text, Cow::Owned(_)) {
            self.warn(field.name, &text, "not UTF-8; the exact bytes are in raw");
        }
        (!ABSENT.contains(&text.trim_ascii())).then_some(text)
    }

    /// The text of a column, empty where it is absent.
    pub(super) fn stated(&mut self, field: Field<'_>) -> String {
        self.text(field).map(Cow::into_owned).unwrap_or_default()
    }

    /// The text of a column where it passes the check, else empty and kept aside.
    pub(super) fn checked(&mut self, field: Field<'_>, check: Check) -> String {
        let Some(text) = self.text(field) else {
            return String::new();
        };
        match check.run(text.trim_ascii()) {
            Ok(()) => text.trim_ascii().to_owned(),
            Err(error) => {
                self.keep_bad(field.name, &text, &error.to_string());
                String::new()
            }
        }
    }

    /// States a number.
    pub(super) fn measure(&mut self, name: &str, field: Field<'_>) {
        let value = self.checked(field, Check::Decimal);
        if !value.is_empty() {
            self.content.measures.push(Measure {
                name: name.to_owned(),
                value,
            });
        }
    }

    /// States a day written `YYYY-MM-DD`, or in another form of EDTF.
    pub(super) fn day(&mut self, role: DateRole, field: Field<'_>) {
        let edtf = self.checked(field, Check::Edtf);
        if !edtf.is_empty() {
            self.content.dates.push(Date {
                role: role.into(),
                edtf,
                ..Date::default()
            });
        }
    }

    /// States what the event was. A CAMEO code must look like one: an event whose leading zero was lost on the way
    /// would pass for another.
    pub(super) fn cameo(&mut self, field: Field<'_>) {
        let Some(code) = self.text(field) else { return };
        if is_cameo(code.as_bytes()) {
            self.content.types.push(type_code("cameo", &code));
        } else {
            let problem = "not a CAMEO code: 2 to 4 digits, the first two 01 to 20; was a leading zero lost?";
            self.keep_bad(field.name, &code, problem);
        }
    }

    /// Keeps a column that has no field of its own.
    pub(super) fn keep(&mut self, field: Field<'_>) {
        if let Some(value) = self.text(field) {
            self.keep_text(field.name, &value);
        }
    }

    /// Keeps a value that is not what its column should hold, and says so.
    pub(super) fn keep_bad(&mut self, name: &str, value: &str, problem: &str) {
        self.warn(name, value, problem);
        self.keep_text(name, value);
    }

    /// Says that something is not as it should be.
    pub(super) fn warn(&mut self, name: &str, value: &str, problem: &str) {
        self.warnings.push(Warning {
            field: name.to_owned(),
            value: value.to_owned(),
            problem: problem.to_owned(),
        });
    }

    fn keep_text(&mut self, name: &str, value: &str) {
        self.content.extra.push(Extra {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }

    /// The record of this row, or the reject where its payload may not be stored.
    pub(super) fn into_item(self, source: Source<'_>, kind: Kind, key: Option<Key>) -> Item {
        let Source {
            format,
            options,
            line,
            bytes,
        } = source;
        let payload = Payload {
            content: Some(self.content),
            provenance: Some(Provenance {
                importer: format.name().to_owned(),
                importer_version: format.version().to_owned(),
                file: options.file.clone(),
                line,
                warnings: self.warnings.clone(),
                retrieved: String::new(),
            }),
            ..Payload::default()
        };
        let payload = encode_payload(&payload);
        if let Err(error) = check_payload(&payload) {
            return source.reject(error.to_string());
        }
        Item::Record(Box::new(Draft {
            act: Act::Create,
            series: options.series(format),
            key,
            kind: Some(kind),
            payload,
            reason: Reason::default(),
            expected_revision: None,
            relation: None,
            line,
            warnings: self.warnings,
            source: Bytes::copy_from_slice(bytes),
        }))
    }
}

/// Where a row comes from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub format: Format,
    pub options: &'a Options,
    /// The line, from 1.
    pub line: u64,
    /// The row without its line end, or the whole document.
    pub bytes: &'a [u8],
}

impl<'a> Source<'a> {
    /// A line of a file, or the reject that it is where it is too long.
    pub(super) fn of_line(format: Format, options: &'a Options, line: Line<'a>) -> Result<Self, Item> {
        let source = Self {
            format,
            options,
            line: line.number,
            bytes: line.bytes,
        };
        match line.too_long {
            None => Ok(source),
            Some(length) => Err(source.reject(format!(
                "line too long: {length} bytes exceeds limit of {LINE_BYTES_MAX} bytes; only its start is kept here"
            ))),
        }
    }

    /// The reject of these bytes.
    pub(super) fn reject(&self, reason: impl Into<String>) -> Item {
        Item::Reject(Reject {
            line: self.line,
            reason: reason.into(),
            bytes: Bytes::copy_from_slice(self.bytes),
        })
    }

    /// The key that the options ask for; `natural` says the format's own.
    ///
    /// # Errors
    /// The reject, where the text cannot be a key.
    pub(super) fn key(&self, natural: impl FnOnce() -> String) -> Result<Option<Key>, Item> {
        let key = match self.options.keys {
            Keys::Random => return Ok(None),
            Keys::Hash => hash(self.bytes),
            Keys::File => self.options.file.clone(),
            Keys::Natural | Keys::Header => natural(),
        };
        match Key::new(&key) {
            Ok(key) => Ok(Some(key)),
            Err(error) => Err(self.reject(error.to_string())),
        }
    }
}

/// Hands on one item for each line that `row` does not leave out with `None`, and ends where the sink breaks.
pub(super) fn each_row(
    mut lines: Lines<'_>,
    format: Format,
    options: &Options,
    sink: &mut Sink<'_>,
    row: impl Fn(Source<'_>) -> Option<Result<Item, Item>>,
) -> Result<ControlFlow<()>, ImportError> {
    while let Some(line) = lines.next_filled()? {
        let item = match Source::of_line(format, options, line) {
            Ok(source) => row(source),
            Err(reject) => Some(Err(reject)),
        };
        let Some(item) = item else { continue };
        if sink(item.unwrap_or_else(|reject| reject)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Lower-case hex SHA-256.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The columns of a tab-separated row. Tabs always separate; nothing is quoted.
pub(super) fn columns(row: &[u8]) -> Vec<&[u8]> {
    row.split(|byte| *byte == b'\t').collect()
}

/// Whether a text is a day written `YYYY-MM-DD`.
pub(super) fn is_day(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.len() == 10 && date::check(text).is_ok()
}

fn is_cameo(code: &[u8]) -> bool {
    let digits = (2..=4).contains(&code.len()) && code.iter().all(u8::is_ascii_digit);
    digits && matches!(&code[..2], [b'0', b'1'..=b'9'] | [b'1', _] | b"20")
}

pub(super) fn type_code(scheme: &str, code: &str) -> TypeCode {
    TypeCode {
        scheme: scheme.to_owned(),
        code: code.to_owned(),
        ..TypeCode::default()
    }
}

pub(super) fn code(scheme: &str, code: &str) -> Code {
    Code {
        scheme: scheme.to_owned(),
        code: code.to_owned(),
        label: String::new(),
    }
}

pub(super) fn country(scheme: &str, code: &str) -> Country {
    Country {
        scheme: scheme.to_owned(),
        code: code.to_owned(),
    }
}

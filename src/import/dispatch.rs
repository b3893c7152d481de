//! Dispatches: a header ` date YYYY-MM-DD headline`, an empty line, paragraphs.
//!
//! One file is one document. Only what the header says is stated: the header's date is when the dispatch was
//! reported, and when its events occurred is for a reader to decide. A file without a header is taken too, with its
//! first line as title and a warning.

use super::line::{LINE_BYTES_MAX, without_mark};
use super::reading::{Reading, Source, hash};
use super::{Format, ImportError, Item, Options, Reject, Sink};
use crate::record::codec::{Date, DateRole};
use crate::record::{Kind, date};
use std::io::{BufRead, Read};
use std::ops::ControlFlow;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    /// The date's words, whether they are a date or not.
    pub date: &'a str,
    /// The rest of the line.
    pub headline: &'a str,
}

impl<'a> Header<'a> {
    /// Reads ` date YYYY-MM-DD headline`: the word in any case, white space before it and an optional colon after
    /// it, and something in the date's place that begins with a digit.
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let (word, rest) = line.trim_start().split_at_checked(4)?;
        if !word.eq_ignore_ascii_case("date") {
            return None;
        }
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let stated = rest.trim_start();
        if stated.len() == rest.len() || !stated.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let (date, headline) = stated.split_once(char::is_whitespace).unwrap_or((stated, ""));
        Some(Self {
            date,
            headline: headline.trim(),
        })
    }
}

/// The date, the headline and the body of a dispatch that has a header, as its import states them.
pub fn parts(text: &str) -> Option<(&str, &str, String)> {
    let (first, rest) = halves(text);
    let header = Header::of(first.trim())?;
    Some((header.date, header.headline, body(rest)))
}

/// The first line and the others.
fn halves(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(['\u{feff}', '\r', '\n']);
    text.split_once('\n').unwrap_or((text, ""))
}

fn body(rest: &str) -> String {
    rest.replace("\r\n", "\n").trim_matches(['\n', '\r']).to_owned()
}

pub(super) fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>, ImportError> {
    let mut bytes = Vec::new();
    input.take(LINE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LINE_BYTES_MAX {
        bytes.truncate(LINE_BYTES_MAX);
        return Ok(sink(Item::Reject(Reject {
            line: 1,
            reason: format!(
                "dispatch too long: more than {LINE_BYTES_MAX} bytes; only its start is kept here"
            ),
            bytes: bytes.into(),
        })));
    }
    let source = Source {
        format: Format::Dispatch,
        options,
        line: 1,
        bytes: &bytes,
    };
    Ok(sink(document(source).unwrap_or_else(|reject| reject)))
}

fn document(source: Source<'_>) -> Result<Item, Item> {
    let mut reading = Reading::default();
    let text = String::from_utf8_lossy(without_mark(source.bytes));
    if let Err(error) = std::str::from_utf8(source.bytes) {
        let problem = format!(
            "not UTF-8 from byte {} on; the exact bytes are in raw",
            error.valid_up_to()
        );
        reading.warn("text", "", &problem);
    }
    let text = text.trim_start_matches(['\r', '\n']);
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let first = first.trim();
    if first.is_empty() && rest.trim().is_empty() {
        return Err(source.reject("the file is empty; a dispatch has at least a title"));
    }
    state_header(first, &mut reading);
    reading.content.body = body(rest);
    let key = source.key(|| match source.options.keys {
        super::Keys::Header => header_key(first),
        _ => hash(source.bytes),
    })?;
    reading.content.raw = source.bytes.to_vec().into();
    Ok(reading.into_item(source, Kind::Document, key))
}

fn state_header(first: &str, reading: &mut Reading) {
    let Some(header) = Header::of(first) else {
        let problem =
            "no header ` date YYYY-MM-DD headline`; the first line is the title, and no date is stated";
        reading.warn("header", first, problem);
        reading.content.title = first.to_owned();
        return;
    };
    reading.content.title = header.headline.to_owned();
    match date::check(header.date) {
        Ok(()) => reading.content.dates.push(Date {
            role: DateRole::Reported.into(),
            edtf: header.date.to_owned(),
            ..Date::default()
        }),
        Err(error) => reading.keep_bad("date", header.date, &format!("not a date: {}", error.problem)),
    }
}

/// The header line as a key: without control characters, cut to the length that a key may have.
fn header_key(first: &str) -> String {
    let plain: String = first
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    let mut end = plain.len().min(crate::record::name::KEY_BYTES_MAX);
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    plain[..end].to_owned()
}

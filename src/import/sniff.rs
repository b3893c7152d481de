//! Tells which format a file has by its first lines, and says why.
//!
//! A guess is made of shapes only: columns, header names, braces. Where no format fits, the answer is what was
//! found and which formats there are; nothing is imported on a hunch.

use super::line::without_mark;
use super::reading::{columns, is_day};
use super::{Format, authority, dispatch, gdelt, icews, names};
use std::fmt;
use std::io::{self, BufRead, Cursor, Read};

/// At most this much of a file is looked at.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// At most so many lines of a file are looked at.
const HEAD_LINES_MAX: usize = 20;

/// What a file was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The format.
    pub format: Format,
    /// What spoke for it, as a fragment: "61 tab-separated columns, ...".
    pub because: &'static str,
}

impl fmt::Display for Guess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "taken for {}: {}", self.format, self.because)
    }
}

/// A file that has none of the formats.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("format not recognised: {found}; name one with --format: {}", names())]
pub struct UnknownFormat {
    found: String,
}

/// Why [`auto`] could not answer.
#[derive(Debug, thiserror::Error)]
pub enum SniffError {
    /// The input could not be read.
    #[error("input cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The input has none of the formats.
    #[error(transparent)]
    Unknown(#[from] UnknownFormat),
}

/// Looks at the first lines of an input and gives it back whole.
///
/// Waits for at most 20 lines or 64 KiB, so that a live feed is answered early.
///
/// # Errors
/// [`SniffError`].
pub fn auto<R: BufRead>(mut input: R) -> Result<(Guess, impl BufRead), SniffError> {
    let mut head = Vec::new();
    let mut lines = 0;
    while lines < HEAD_LINES_MAX && head.len() < HEAD_BYTES_MAX {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            break;
        }
        let used = chunk.len().min(HEAD_BYTES_MAX - head.len());
        lines += chunk[..used].iter().filter(|byte| **byte == b'\n').count();
        head.extend_from_slice(&chunk[..used]);
        input.consume(used);
    }
    let guess = guess(&head)?;
    Ok((guess, Cursor::new(head).chain(input)))
}

/// Judges the start of a file. A last line that is cut off is left out where there are others; a first line that is
/// longer than what is looked at is judged by its beginning.
///
/// # Errors
/// [`UnknownFormat`], with what was found.
pub fn guess(head: &[u8]) -> Result<Guess, UnknownFormat> {
    let text = without_mark(head);
    let whole = match text.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if head.len() >= HEAD_BYTES_MAX => &text[..end],
        _ => text,
    };
    let lines: Vec<&[u8]> = whole
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty())
        .take(HEAD_LINES_MAX)
        .collect();
    let Some(first) = lines.first() else {
        return Err(unknown("the file is empty"));
    };
    let is_cut = head.len() >= HEAD_BYTES_MAX && !text.contains(&b'\n');
    let by_first_line = of_first_line(first);
    by_first_line
        .or_else(|| of_cut_line(first).filter(|_| is_cut))
        .or_else(|| of_most_rows(&lines))
        .or_else(|| of_text(&lines))
        .ok_or_else(|| unknown(what_was_found(&lines)))
}

fn unknown(found: impl Into<String>) -> UnknownFormat {
    UnknownFormat { found: found.into() }
}

fn taken(format: Format, because: &'static str) -> Option<Guess> {
    Some(Guess { format, because })
}

fn of_first_line(line: &[u8]) -> Option<Guess> {
    if icews::is_header(line) {
        return taken(Format::Icews, "the first line names `Event ID` and `Event Date`");
    }
    if gdelt::is_header(line) {
        return taken(
            Format::GdeltV2,
            "the first line names the 61 columns of GDELT 2.0 events",
        );
    }
    if authority::is_header(line) {
        return taken(
            Format::Authority,
            "the first line names `key`, `name` and what else is known of an actor",
        );
    }
    // A headline in another encoding is still one; the importer warns of it.
    if dispatch::Header::of(&String::from_utf8_lossy(line)).is_some() {
        return taken(Format::Dispatch, "the first line is ` date YYYY-MM-DD headline`");
    }
    None
}

/// Judges one line.
type IsRow = fn(&[u8]) -> bool;

/// The format that more than half of the lines have: a broken row does not hide what its file is.
fn of_most_rows(lines: &[&[u8]]) -> Option<Guess> {
    let rows: [(Format, &'static str, IsRow); 4] = [
        (
            Format::GdeltV2,
            "61 tab-separated columns, the first two of them numbers",
            gdelt::is_row,
        ),
        (
            Format::Icews,
            "20 tab-separated columns, the second of them a day, without a header",
            icews::is_bare_row,
        ),
        (
            Format::IcewsQuad,
            "4 tab-separated columns, the last of them a day",
            is_quad,
        ),
        (Format::Jsonl, "each line is a JSON object", is_object),
    ];
    let fits = |is_row: IsRow| lines.iter().filter(|line| is_row(line)).count() * 2 > lines.len();
    let (format, because, _) = rows.into_iter().find(|(_, _, is_row)| fits(*is_row))?;
    taken(format, because)
}

fn is_quad(line: &[u8]) -> bool {
    let columns = columns(line);
    columns.len() == 4 && is_day(columns[3])
}

fn is_object(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"{") && line.ends_with(b"}")
}

/// A line of which only the beginning is known.
fn of_cut_line(line: &[u8]) -> Option<Guess> {
    let inside = line.trim_ascii_start().strip_prefix(b"{")?;
    if !inside.trim_ascii_start().starts_with(b"\"") {
        return None;
    }
    taken(Format::Jsonl, "the first line begins as a JSON object")
}

/// Text: clean, begun as a person begins one, and of no table's shape. Whatever else a text may lack, as a header or a
/// second word, the importer warns of.
fn of_text(lines: &[&[u8]]) -> Option<Guess> {
    let first = String::from_utf8_lossy(lines.first()?);
    let is_clean = lines.iter().all(|line| {
        !line
            .iter()
            .any(|byte| matches!(byte, 0..=0x08 | 0x0A..=0x1F | 0x7F))
    });
    // A letter in another encoding is read as U+FFFD.
    let begins_as_text = first
        .trim_start()
        .starts_with(|first: char| first.is_alphanumeric() || "\"'“‘«(¿¡\u{fffd}".contains(first));
    (is_clean && begins_as_text && !is_tabbed(lines) && !is_separated(lines)).then_some(Guess {
        format: Format::Dispatch,
        because: "running text without a header; its first line is the title",
    })
}

/// Whether more than half of the lines have a tab inside: a tab before a paragraph, or in one line, is no table.
fn is_tabbed(lines: &[&[u8]]) -> bool {
    let tabbed = lines.iter().filter(|line| line.trim_ascii().contains(&b'\t'));
    tabbed.count() * 2 > lines.len()
}

/// Whether the lines look like columns: the first has several commas, semicolons or bars with nothing between them and
/// the next word, as prose has not; or three lines and more all have the same number of them, and several.
fn is_separated(lines: &[&[u8]]) -> bool {
    let [first, others @ ..] = lines else { return false };
    let count = |line: &[u8], mark: u8| line.iter().filter(|byte| **byte == mark).count();
    [b',', b';', b'|'].into_iter().any(|mark| {
        let marks = count(first, mark);
        let all_alike = others.len() >= 2 && others.iter().all(|line| count(line, mark) == marks);
        marks >= 2 && (tight(first, mark) >= 2 || all_alike)
    })
}

/// How often a mark stands directly between two columns: before another one, and not within a number.
fn tight(line: &[u8], mark: u8) -> usize {
    let is_tight = |three: &&[u8]| {
        let within_number = three[0].is_ascii_digit() && three[2].is_ascii_digit();
        three[1] == mark && !three[2].is_ascii_whitespace() && !within_number
    };
    line.windows(3).filter(is_tight).count()
}

fn what_was_found(lines: &[&[u8]]) -> String {
    let first = lines.first().copied().unwrap_or_default();
    let text = first.trim_ascii_start();
    let tabs = columns(first).len();
    if text.starts_with(b"{") || text.starts_with(b"[") {
        "it looks like JSON that is not one object a line (`jq -c .` or `jq -c '.[]'` makes it so)".to_owned()
    } else if text.starts_with(b"<") {
        "it looks like XML or HTML".to_owned()
    } else if tabs > 1 {
        format!(
            "the first line has {tabs} tab-separated columns, which is none of 4, 20 and 61 as they should be"
        )
    } else if is_separated(lines) {
        "it looks like columns separated by something other than tabs".to_owned()
    } else {
        "neither tab-separated rows, nor JSON lines, nor running text".to_owned()
    }
}

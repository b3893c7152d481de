//! The forms of an answer: tables, JSON lines, CSV.

use super::excerpts;
use super::failure::Failure;
use super::screen::{Screen, columns, cut, plain, short};
use super::shown::Shown;
use super::suggested;
use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use serde_json::{Map, Value};
use std::io::Write;
use std::time::Duration;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    #[default]
    Table,
    /// One JSON object a line
    Json,
}

/// The form of an answer with many rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RowForm {
    /// For people
    #[default]
    Table,
    /// One JSON object a line
    Json,
    /// The flat row, with a header
    Csv,
}

/// Whether stdout is a pipe that was closed at its other end.
pub fn reader_is_gone() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let out = std::io::stdout();
    let mut asked = [PollFd::new(&out, PollFlags::OUT)];
    let at_once = Timespec::default();
    poll(&mut asked, Some(&at_once)).is_ok() && asked[0].revents().contains(PollFlags::ERR)
}

/// How long the end of a reader may go unseen by who waits for something to write.
const READER_ASKED: Duration = Duration::from_secs(1);

/// Returns once stdout is a pipe that nobody reads any more: for who would learn it only when there is something to write. Never
/// where stdout is no pipe.
pub async fn reader_gone() {
    use rustix::fs::{FileType, fstat};
    let is_pipe = fstat(std::io::stdout()).is_ok_and(|out| FileType::from_raw_mode(out.st_mode).is_fifo());
    if !is_pipe {
        std::future::pending::<()>().await;
    }
    while !reader_is_gone() {
        tokio::time::sleep(READER_ASKED).await;
    }
}

/// The columns of a table of entries.
const TABLE: [&str; 7] = ["date", "who → whom", "type", "place", "title", "entry", "status"];
/// A table without lines: a header, and a row a line.
pub fn table(screen: &Screen, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    let bold = |name: &&str| match screen.ink().is_on() {
        true => Cell::new(name).add_attribute(Attribute::Bold),
        false => Cell::new(name),
    };
    if !header.is_empty() {
        table.set_header(header.iter().map(bold));
    }
    if screen.out_terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = table.width() {
            table.set_width(width.saturating_sub(screen.indent));
        }
        if screen.ink().is_on() {
            table.enforce_styling();
        }
    } else {
        table.force_no_tty();
    }
    table
}

/// Prints a table, without the blanks that would end its lines.
///
/// # Errors
/// As the writer.
pub fn print(out: &mut dyn Write, table: &Table) -> Result<(), Failure> {
    for line in table.lines() {
        print_line(out, &line)?;
    }
    Ok(())
}

fn print_line(out: &mut dyn Write, line: &str) -> Result<(), Failure> {
    writeln!(out, "{}", line.strip_prefix(' ').unwrap_or(line).trim_end())?;
    Ok(())
}

/// The table of entries: date, who → whom, type, place, title, entry, status. On a terminal each is one line: what is
/// too long is cut, and columns in which nothing stands are left out. Under an entry with excerpts stands the best of them, and
/// under one that was found by suggestions stand these.
///
/// # Errors
/// As the writer.
pub fn print_entries(
    out: &mut dyn Write,
    screen: &Screen,
    entries: &[Shown<'_>],
    with_header: bool,
) -> Result<(), Failure> {
    let mut rows: Vec<[String; TABLE.len()]> = entries.iter().map(cells).collect();
    let mut used: Vec<usize> = (0..TABLE.len()).collect();
    if let Some(width) = screen.width() {
        let widths = fit(natural(&rows), width);
        used.retain(|column| widths[*column] > 0);
        for row in &mut rows {
            for (column, text) in row.iter_mut().enumerate() {
                // The beginning of a key stands for it, an ellipsis would not.
                *text = match TABLE[column] {
                    "entry" => cut(text, widths[column]).to_owned(),
                    _ => short(text, widths[column]),
                };
            }
        }
    }
    let header: Vec<&str> = if with_header {
        used.iter().map(|at| TABLE[*at]).collect()
    } else {
        Vec::new()
    };
    let mut table = table(screen, &header);
    table.set_content_arrangement(ContentArrangement::Disabled);
    for row in &rows {
        table.add_row(used.iter().map(|at| coloured(screen, *at, &row[*at])));
    }
    let below = |entry: &Shown<'_>| {
        let excerpt = entry
            .excerpts
            .and_then(|excerpts| excerpts::line(excerpts, screen.ink()));
        let lines = excerpt.into_iter().chain(suggested::line(entry, screen.ink()));
        lines.collect::<Vec<String>>()
    };
    let below: Vec<Vec<String>> = entries.iter().map(below).collect();
    if below.iter().all(Vec::is_empty) {
        return print(out, &table);
    }
    // Every row is one line: nothing in its cells breaks one.
    let header = usize::from(with_header);
    for (at, line) in table.lines().enumerate() {
        print_line(out, &line)?;
        let below = at.checked_sub(header).and_then(|at| below.get(at));
        for line in below.into_iter().flatten() {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// How wide each column would be if nothing were cut; 0 where nothing stands in it.
fn natural(rows: &[[String; TABLE.len()]]) -> [usize; TABLE.len()] {
    std::array::from_fn(|column| {
        let widest = rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
        if widest == 0 {
            0
        } else {
            widest.max(columns(TABLE[column]))
        }
    })
}

/// Widths that fit into a terminal: entry and type are bounded by a part of it, and who, place and title share what is
/// left; on a narrow terminal the place goes first.
fn fit(natural: [usize; TABLE.len()], terminal: usize) -> [usize; TABLE.len()] {
    const BETWEEN: usize = 2;
    const SHARED_MIN: usize = 60;
    let [date, who, kind, place, title, entry, status] = natural;
    let total = |widths: &[usize]| -> usize {
        widths
            .iter()
            .filter(|width| **width > 0)
            .map(|width| width + BETWEEN)
            .sum::<usize>()
    };
    if total(&natural) <= terminal + BETWEEN {
        return natural;
    }
    let (kind, entry) = (kind.min(terminal / 7), entry.min((terminal / 4).max(20)));
    let left = (terminal + BETWEEN).saturating_sub(total(&[date, kind, entry, status]));
    let place = if left < SHARED_MIN { 0 } else { place.min(left / 5) };
    let left = left.saturating_sub(total(&[place]) + BETWEEN + if who > 0 { BETWEEN } else { 0 });
    let who = who.min((left * 2 / 5).max(left.saturating_sub(title)));
    let title = title.min(left.saturating_sub(who));
    [date, who, kind, place, title, entry, status]
}

fn cells(shown: &Shown<'_>) -> [String; TABLE.len()] {
    [
        plain(&shown.date()).into_owned(),
        shown.who(),
        plain(&shown.what()).into_owned(),
        plain(&shown.place()).into_owned(),
        shown.headline(),
        shown.entry_short(),
        standing(shown),
    ]
}

/// The status, and whether what it is reported in was taken back.
fn standing(shown: &Shown<'_>) -> String {
    let status = shown.status.map_or("", |status| status.word());
    match shown.withdrawn.len() {
        0 => status.to_owned(),
        1 => format!("{status}, its document is retracted"),
        some => format!("{status}, {some} of its documents are retracted"),
    }
}

fn coloured(screen: &Screen, column: usize, text: &str) -> Cell {
    let cell = Cell::new(text);
    if !screen.ink().is_on() {
        return cell;
    }
    match (TABLE[column], text) {
        ("entry", _) => cell.fg(Color::Cyan),
        ("status", "current") => cell.add_attribute(Attribute::Dim),
        ("status", _) => cell.fg(Color::Yellow),
        _ => cell,
    }
}

/// Only these members of an object; all where none is named.
pub fn members(object: Map<String, Value>, names: &[String]) -> Map<String, Value> {
    if names.is_empty() {
        return object;
    }
    let keep = |(name, _): &(String, Value)| names.contains(name);
    object.into_iter().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_into_any_terminal_that_can_hold_it() {
        let natural = [10, 60, 30, 40, 90, 44, 9];
        for terminal in 90..300 {
            let widths = fit(natural, terminal);
            let used: usize = widths
                .iter()
                .filter(|width| **width > 0)
                .map(|width| width + 2)
                .sum();
            assert!(used <= terminal + 2, "{terminal}: {widths:?}");
            assert!(widths[5] >= 20 && widths[4] >= 5, "{terminal}: {widths:?}");
        }
        assert_eq!(fit(natural, 400), natural);
    }
}

//! The forms of an answer: tables, JSON lines, CSV.

use super::failure::Failure;
use super::screen::{Screen, plain};
use super::shown::{COLUMNS, Shown};
use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Row, Table, Width};
use serde_json::{Map, Value};
use std::io::Write;

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

/// The columns of a table of entries.
const TABLE: [&str; 7] = ["date", "who → whom", "type", "place", "title", "entry", "status"];
/// The widest that each of them may be on a terminal, in characters.
const WIDEST: [u16; 7] = [12, 44, 26, 24, 72, 44, 10];

/// A table without lines: a header, and a row a line.
pub fn table(screen: &Screen, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_truncation_indicator("…");
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
        writeln!(out, "{}", line.strip_prefix(' ').unwrap_or(&line).trim_end())?;
    }
    Ok(())
}

/// The table of entries: date, who → whom, type, place, title, entry, status; columns in which nothing stands are
/// left out.
///
/// # Errors
/// As the writer.
pub fn print_entries(
    out: &mut dyn Write,
    screen: &Screen,
    entries: &[Shown<'_>],
    with_header: bool,
) -> Result<(), Failure> {
    let rows: Vec<[String; TABLE.len()]> = entries.iter().map(cells).collect();
    let is_used = |column: usize| !screen.out_terminal || rows.iter().any(|row| !row[column].is_empty());
    let used: Vec<usize> = (0..TABLE.len()).filter(|column| is_used(*column)).collect();
    let header: Vec<&str> = if with_header {
        used.iter().map(|at| TABLE[*at]).collect()
    } else {
        Vec::new()
    };
    let mut table = table(screen, &header);
    for row in &rows {
        let mut line = Row::new();
        line.max_height(1);
        for at in &used {
            line.add_cell(coloured(screen, *at, &row[*at]));
        }
        table.add_row(line);
    }
    if screen.out_terminal {
        for (column, at) in used.iter().enumerate() {
            if let Some(column) = table.column_mut(column) {
                column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(WIDEST[*at])));
            }
        }
    }
    print(out, &table)
}

fn cells(shown: &Shown<'_>) -> [String; TABLE.len()] {
    [
        plain(&shown.date()).into_owned(),
        shown.who(),
        plain(&shown.what()).into_owned(),
        plain(&shown.place()).into_owned(),
        shown.headline(),
        shown.entry_short(),
        shown
            .status
            .map(|status| status.word().to_owned())
            .unwrap_or_default(),
    ]
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

/// The columns that `--fields` names; all where it names none.
///
/// # Errors
/// A name that is no column, with those that are.
pub fn columns(names: &[String]) -> Result<Vec<usize>, Failure> {
    if names.is_empty() {
        return Ok((0..COLUMNS.len()).collect());
    }
    let place = |name: &String| {
        COLUMNS.iter().position(|column| column == name).ok_or_else(|| {
            Failure::usage(format!(
                "`{name}` is not a column; use some of {}",
                COLUMNS.join(", ")
            ))
        })
    };
    names.iter().map(place).collect()
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
    fn a_column_that_does_not_exist_is_answered_with_those_that_do() {
        let error = columns(&["titel".to_owned()]).unwrap_err();
        assert!(
            error
                .sentence()
                .unwrap()
                .starts_with("`titel` is not a column; use some of series, key")
        );
        assert_eq!(columns(&["key".to_owned(), "series".to_owned()]).unwrap(), [1, 0]);
        assert_eq!(columns(&[]).unwrap().len(), COLUMNS.len());
    }
}

//! Counts by groups as rows: asked for, and printed as tables, JSON lines and CSV.

use super::failure::Failure;
use super::output::{RowForm, print, table};
use super::plot::figure;
use super::screen::{Screen, TERMINAL_ROWS, count, plain};
use crate::client::Client;
use crate::rpc::proto;
use serde_json::{Map, Value, json};
use std::io::Write;

/// An answer, all its messages together.
pub struct Answer {
    pub groups: Vec<proto::Group>,
    /// The first message, without its groups.
    pub head: proto::AggregateResponse,
}

/// Asks.
///
/// # Errors
/// The server's.
pub async fn ask(client: &Client, request: proto::AggregateRequest) -> Result<Answer, Failure> {
    let mut stream = client.query().aggregate(request).await?.into_inner();
    let mut answer: Option<Answer> = None;
    while let Some(mut message) = stream.message().await? {
        let groups = std::mem::take(&mut message.groups);
        match &mut answer {
            Some(answer) => answer.groups.extend(groups),
            None => {
                answer = Some(Answer {
                    groups,
                    head: message,
                });
            }
        }
    }
    answer.ok_or_else(|| Failure::failed("the server answered nothing; ask again"))
}

/// How groups are printed.
pub struct Rows<'r> {
    /// A name for each value of a group.
    pub names: &'r [String],
    /// The measure that was asked for; empty where none was.
    pub measure: &'r str,
    pub form: RowForm,
    /// The most rows; by default 50 for a table on a terminal.
    pub limit: Option<u64>,
}

impl Rows<'_> {
    /// Prints the groups, and beside the answer what it takes for granted.
    ///
    /// # Errors
    /// As the writer.
    pub fn print(&self, out: &mut dyn Write, screen: &Screen, answer: &Answer) -> Result<(), Failure> {
        let for_a_person = screen.out_terminal && self.form == RowForm::Table;
        let limit = self.limit.or(for_a_person.then_some(TERMINAL_ROWS));
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let shown = &answer.groups[..answer.groups.len().min(limit)];
        match self.form {
            RowForm::Json => {
                for group in shown {
                    writeln!(out, "{}", self.json(group))?;
                }
            }
            RowForm::Csv => {
                let mut writer = csv::Writer::from_writer(&mut *out);
                writer.write_record(self.header())?;
                for group in shown {
                    writer.write_record(self.cells(
                        group,
                        |number| number.to_string(),
                        |figure| figure.to_string(),
                    ))?;
                }
                writer.flush()?;
            }
            RowForm::Table if shown.is_empty() => {}
            RowForm::Table => {
                let header = self.header();
                let header: Vec<&str> = header.iter().map(String::as_str).collect();
                let mut table = table(screen, &header);
                for at in self.names.len()..header.len() {
                    if let Some(column) = table.column_mut(at) {
                        column.set_cell_alignment(comfy_table::CellAlignment::Right);
                    }
                }
                for group in shown {
                    let cells = self.cells(group, |number| count(number).to_string(), figure);
                    table.add_row(cells.iter().map(|cell| plain(cell).into_owned()));
                }
                print(out, &table)?;
                let more = answer.head.groups_total.saturating_sub(shown.len() as u64);
                if for_a_person && more > 0 {
                    writeln!(
                        out,
                        "{}",
                        screen.ink().dim(format_args!("... {} more", count(more)))
                    )?;
                }
            }
        }
        out.flush()?;
        Ok(())
    }

    fn header(&self) -> Vec<String> {
        let mut header = self.names.to_vec();
        header.push("count".to_owned());
        if !self.measure.is_empty() {
            let of = ["n", "sum", "mean", "min", "max"].map(|what| format!("{}_{what}", self.measure));
            header.extend(of);
        }
        header
    }

    fn cells(
        &self,
        group: &proto::Group,
        number: impl Fn(u64) -> String,
        shown: impl Fn(f64) -> String,
    ) -> Vec<String> {
        let mut cells = group.values.clone();
        cells.push(number(group.count));
        if !self.measure.is_empty() {
            match &group.measure {
                Some(of) => {
                    cells.push(number(of.count));
                    cells.extend([of.sum, of.mean, of.min, of.max].map(shown));
                }
                None => {
                    cells.push(number(0));
                    cells.extend(std::iter::repeat_n(String::new(), 4));
                }
            }
        }
        cells
    }

    fn json(&self, group: &proto::Group) -> Value {
        let mut object: Map<String, Value> = Map::new();
        for (name, value) in self.names.iter().zip(&group.values) {
            object.insert(name.clone(), value.as_str().into());
        }
        object.insert("count".to_owned(), group.count.into());
        if let Some(of) = &group.measure {
            let tally = json!({
                "name": self.measure, "n": of.count, "sum": of.sum, "mean": of.mean, "min": of.min, "max": of.max,
            });
            object.insert("measure".to_owned(), tally);
        }
        Value::Object(object)
    }
}

/// Says beside the answer what it takes for granted, and what is not in it.
pub fn notes(screen: &Screen, answer: &Answer, names: &[String], measure: &str) {
    let head = &answer.head;
    for note in &head.notes {
        screen.note(format_args!("note: {note}"));
    }
    if head.without > 0 {
        screen.note(format_args!(
            "note: {} of {} entries have no {} and are in no row",
            count(head.without),
            count(head.entries),
            names.join(" or no ")
        ));
    }
    if head.entries > 0 && !measure.is_empty() && answer.groups.iter().all(|group| group.measure.is_none()) {
        screen.note(format_args!(
            "note: none of these entries has a measure `{measure}`; `chancery get ENTRY` shows what an entry has"
        ));
    }
    if head.entries == 0 {
        screen.note("no entry matches; `chancery explain FILTER` tells how the filter is read");
    }
}

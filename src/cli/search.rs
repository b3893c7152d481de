//! `chancery search`: entries that match a filter.

use super::cite::held;
use super::collapse::Collapse;
use super::connect::Source;
use super::failure::Failure;
use super::name::{self, Point};
use super::output::{self, RowForm, members, print_entries};
use super::screen::{Screen, TERMINAL_ROWS, count, stdout};
use super::shown::{COLUMNS, Explode, Shown};
use crate::client::{CitationId, Client};
use crate::filter::Filter;
use crate::rpc::proto;
use crate::view::QueryError;
use clap::ValueEnum;
use futures::TryStreamExt;
use serde_json::Value;
use std::io::Write;
use std::pin::pin;

/// Entries of a page, as many as the server gives.
const PAGE: u32 = 1_000;

/// Searches entries.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The filter, as 'country = PAK AND occurred >= 2021'; every entry where it is left out
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Leave out entries that tell of an event that an earlier one of the answer tells of
    #[arg(long, value_enum, default_value_t)]
    collapse: Collapse,
    /// Answer as the archive stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// Answer what was cited under this id, as `chancery cite` printed it, less what was erased since, which is named
    #[arg(long, value_name = "ID", conflicts_with_all = ["filter", "as_of", "collapse"])]
    cite: Option<CitationId>,
    /// The order of the answer
    #[arg(long, value_enum, default_value_t)]
    order: Order,
    /// Turn the order round
    #[arg(long)]
    ascending: bool,
    /// Show where the words of the filter stand in each entry; for the table and for json
    #[arg(long)]
    excerpts: bool,
    /// At most so many entries; by default 50 for a table on a terminal, else all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only these columns, separated by commas; of JSON, only these members
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    fields: Vec<String>,
    /// A row for each dyad or participant instead of each entry; for csv and json
    #[arg(long, value_enum)]
    explode: Option<Explode>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: RowForm,
    #[command(flatten)]
    source: Source,
}

/// The order of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// The newest content first
    #[default]
    Newest,
    /// The latest event first
    Occurred,
    /// The entries first that have most of the words of the filter
    Relevance,
}

impl Order {
    fn wire(self) -> proto::Order {
        match self {
            Self::Newest => proto::Order::Newest,
            Self::Occurred => proto::Order::Occurred,
            Self::Relevance => proto::Order::Relevance,
        }
    }
}

/// Asks page by page and prints what comes.
///
/// # Errors
/// The server's; a field that is no column; exit code 3 where the archive is no longer the one that was cited.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    if args.explode.is_some() && args.output == RowForm::Table {
        return Err(Failure::usage(
            "--explode makes rows for programs; say -o csv or -o json too",
        ));
    }
    if args.excerpts {
        match args.output {
            RowForm::Csv => {
                return Err(Failure::usage(
                    "--excerpts has no column in csv; use the table or -o json",
                ));
            }
            RowForm::Table if !args.fields.is_empty() => {
                return Err(Failure::usage(
                    "--excerpts stands under whole rows; leave out --fields, or say -o json",
                ));
            }
            RowForm::Table | RowForm::Json => {}
        }
    }
    let filter = match &args.cite {
        Some(id) => id.filter.clone(),
        None => name::filter(&args.filter),
    };
    // What cannot be read as a filter, the daemon says more about.
    if args.order == Order::Relevance
        && Filter::parse(&filter).is_ok_and(|filter| filter.wording().is_empty())
    {
        return Err(Failure::usage(QueryError::NoWords.to_string()));
    }
    let chosen = match args.output {
        RowForm::Json => Vec::new(),
        RowForm::Table if args.fields.is_empty() => Vec::new(),
        RowForm::Table | RowForm::Csv => output::chosen(&args.fields)?,
    };
    args.source
        .with(async |client| answer(client, &args, &chosen, screen).await)
        .await
}

async fn answer(client: Client, args: &Args, chosen: &[usize], screen: &Screen) -> Result<(), Failure> {
    let for_a_person = screen.out_terminal && args.output == RowForm::Table;
    let limit = args
        .limit
        .or(for_a_person.then_some(TERMINAL_ROWS))
        .unwrap_or(u64::MAX);
    let (filter, as_of) = match &args.cite {
        Some(id) => {
            held::check(&client, id).await?.say(id, screen);
            (id.filter.clone(), Some(Point::Position(id.position)))
        }
        None => (name::filter(&args.filter), args.as_of),
    };
    let request = proto::SearchRequest {
        filter,
        as_of: as_of.map(Point::as_of),
        order: args.order.wire().into(),
        page_size: u32::try_from(limit).unwrap_or(PAGE).min(PAGE),
        ascending: args.ascending,
        collapse: args.collapse.wire(),
        excerpts: args.excerpts,
        ..proto::SearchRequest::default()
    };
    let mut pages = pin!(client.pages(request));
    let mut printer = Printer {
        args,
        chosen,
        screen,
        shown: 0,
        without_rows: 0,
    };
    let mut total = 0;
    let mut out = stdout();
    while printer.shown < limit {
        let Some(page) = pages.try_next().await? else {
            break;
        };
        if printer.shown == 0 {
            page.notes
                .iter()
                .for_each(|note| screen.note(format_args!("note: {note}")));
        }
        total = page.total;
        let room = usize::try_from(limit - printer.shown).unwrap_or(usize::MAX);
        let entries = &page.entries[..page.entries.len().min(room)];
        printer.page(entries, &page.excerpts, &mut out)?;
    }
    if printer.without_rows > 0 {
        screen.note(format_args!(
            "note: {} entries have no row, as there is nothing in them to take apart so",
            count(printer.without_rows)
        ));
    }
    if printer.shown == 0 {
        printer.empty(&mut out)?;
        screen.note("no entry matches; `chancery explain FILTER` tells how the filter is read");
    } else if for_a_person && total > printer.shown {
        writeln!(
            out,
            "{}",
            screen
                .ink()
                .dim(format_args!("... {} more", count(total - printer.shown)))
        )?;
    }
    out.flush()?;
    Ok(())
}

struct Printer<'a> {
    args: &'a Args,
    chosen: &'a [usize],
    screen: &'a Screen,
    shown: u64,
    /// Entries that have nothing to be taken apart into.
    without_rows: u64,
}

impl Printer<'_> {
    fn page(
        &mut self,
        entries: &[proto::Entry],
        excerpts: &[proto::Excerpts],
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let count = entries.len() as u64;
        let mut entries: Vec<Shown<'_>> = entries.iter().map(Shown::entry).collect::<Result<_, _>>()?;
        for (entry, excerpts) in entries.iter_mut().zip(excerpts) {
            entry.excerpts = Some(excerpts);
        }
        let entries = self.exploded(entries);
        match self.args.output {
            RowForm::Json => {
                for entry in &entries {
                    let object = members(entry.json(false), &self.args.fields);
                    writeln!(out, "{}", Value::Object(object))?;
                }
            }
            RowForm::Csv => self.csv(&entries, out)?,
            RowForm::Table if entries.is_empty() => {}
            RowForm::Table if self.chosen.is_empty() => {
                print_entries(out, self.screen, &entries, self.shown == 0)?;
            }
            RowForm::Table => self.columns(&entries, out)?,
        }
        self.shown += count;
        // Whoever reads along sees a page as soon as it is there.
        out.flush()?;
        Ok(())
    }

    /// The rows of entries: themselves, unless they are to be taken apart.
    fn exploded<'s>(&mut self, entries: Vec<Shown<'s>>) -> Vec<Shown<'s>> {
        let Some(by) = self.args.explode else {
            return entries;
        };
        let mut rows = Vec::new();
        for entry in &entries {
            let own = entry.exploded(by);
            self.without_rows += u64::from(own.is_empty());
            rows.extend(own);
        }
        rows
    }

    /// An answer without entries still says its columns where a program reads it.
    fn empty(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.args.output {
            RowForm::Csv => self.csv(&[], out),
            RowForm::Json | RowForm::Table => Ok(()),
        }
    }

    fn csv(&self, entries: &[Shown<'_>], out: &mut dyn Write) -> Result<(), Failure> {
        let mut writer = csv::Writer::from_writer(out);
        if self.shown == 0 {
            writer.write_record(self.chosen.iter().map(|at| COLUMNS[*at]))?;
        }
        for entry in entries {
            let row = entry.row();
            writer.write_record(self.chosen.iter().map(|at| &row[*at]))?;
        }
        writer.flush()?;
        Ok(())
    }

    fn columns(&self, entries: &[Shown<'_>], out: &mut dyn Write) -> Result<(), Failure> {
        let header: Vec<&str> = self.chosen.iter().map(|at| COLUMNS[*at]).collect();
        let header = if self.shown == 0 { header } else { Vec::new() };
        let mut table = output::table(self.screen, &header);
        for entry in entries {
            let row = entry.row();
            table.add_row(
                self.chosen
                    .iter()
                    .map(|at| super::screen::plain(&row[*at]).into_owned()),
            );
        }
        output::print(out, &table)
    }
}

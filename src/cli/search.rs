//! `chancery search`: entries that match a filter.

use super::cite::held;
use super::collapse::Collapse;
use super::connect::Source;
use super::failure::Failure;
use super::key::KeyArg;
use super::name::{self, Point};
use super::number;
use super::output::{self, members, print_entries};
use super::rows::parquet::File;
use super::rows::{self, Column};
use super::screen::{Screen, TERMINAL_ROWS, count, plain, stdout};
use super::shown::{Explode, Shown};
use crate::client::{CitationId, Client};
use crate::filter::Filter;
use crate::merkle::VerifierKey;
use crate::rpc::proto;
use crate::view::QueryError;
use clap::ValueEnum;
use futures::TryStreamExt;
use serde_json::Value;
use std::io::{BufWriter, Stdout, Write};
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
    /// For --cite: the archive's public key, or a file that holds it; without it the server is asked for its key and trusted
    #[arg(long, value_name = "KEY")]
    key: Option<KeyArg>,
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
    #[arg(long, value_name = "N", value_parser = number::within(1..=u64::MAX))]
    limit: Option<u64>,
    /// Only these columns, separated by commas; of JSON, only these members
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    fields: Vec<String>,
    /// A row for each dyad or participant instead of each entry; for every form but table
    #[arg(long, value_enum)]
    explode: Option<Explode>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    source: Source,
    /// Only documents that no event is reported in
    #[arg(skip)]
    unannotated: bool,
}

impl Args {
    /// Documents that no event is reported in, the newest first.
    pub fn of_documents_without_events(
        filter: Vec<String>,
        limit: Option<u64>,
        output: output::Form,
        source: Source,
    ) -> Self {
        Self {
            filter,
            collapse: Collapse::default(),
            as_of: None,
            cite: None,
            key: None,
            order: Order::default(),
            ascending: false,
            excerpts: false,
            limit,
            fields: Vec::new(),
            explode: None,
            output: match output {
                output::Form::Table => Form::Table,
                output::Form::Json => Form::Json,
            },
            source,
            unannotated: true,
        }
    }
}

/// The form of a search's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    #[default]
    Table,
    /// The whole entry as one JSON object a line
    Json,
    /// The flat row, with a header
    Csv,
    /// The flat row as one JSON object a line, numbers as numbers, null where nothing is stated
    Rows,
    /// The flat row as a Parquet file, dates as dates: chancery search -o parquet > rows.parquet
    Parquet,
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
    if args.explode.is_some() && args.output == Form::Table {
        return Err(Failure::usage(
            "--explode makes rows for programs; say -o csv, -o rows, -o parquet or -o json too",
        ));
    }
    if args.key.is_some() && args.cite.is_none() {
        return Err(Failure::usage(
            "--key is for what is proved, which an answer is only with --cite; leave it out, or cite the answer first: chancery cite",
        ));
    }
    if args.excerpts {
        match args.output {
            Form::Csv | Form::Rows | Form::Parquet => {
                return Err(Failure::usage(
                    "--excerpts is no column of a row; use the table or -o json",
                ));
            }
            Form::Table if !args.fields.is_empty() => {
                return Err(Failure::usage(
                    "--excerpts stands under whole rows; leave out --fields, or say -o json",
                ));
            }
            Form::Table | Form::Json => {}
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
        Form::Json => Vec::new(),
        Form::Table if args.fields.is_empty() => Vec::new(),
        Form::Parquet if screen.out_terminal => return Err(for_no_terminal()),
        Form::Table | Form::Csv | Form::Rows | Form::Parquet => rows::chosen(&args.fields)?,
    };
    let key = args.key.as_ref().map(KeyArg::read).transpose()?;
    args.source
        .with(async |client| answer(client, &args, key.as_ref(), &chosen, screen).await)
        .await
}

fn for_no_terminal() -> Failure {
    Failure::usage(
        "a Parquet file is nothing that a terminal can show; send it into a file: chancery search FILTER -o parquet > rows.parquet",
    )
}

async fn answer(
    client: Client,
    args: &Args,
    key: Option<&VerifierKey>,
    chosen: &[&'static Column],
    screen: &Screen,
) -> Result<(), Failure> {
    let for_a_person = screen.out_terminal && args.output == Form::Table;
    let limit = args
        .limit
        .or(for_a_person.then_some(TERMINAL_ROWS))
        .unwrap_or(u64::MAX);
    let (filter, as_of) = match &args.cite {
        Some(id) => {
            held::check(&client, id, key).await?.say(id, screen);
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
        unannotated: args.unannotated,
        ..proto::SearchRequest::default()
    };
    let mut pages = pin!(client.pages(request, Some(limit).filter(|limit| *limit < u64::MAX)));
    let mut printer = Printer {
        args,
        chosen,
        screen,
        file: None,
        begun: false,
        shown: 0,
        without_rows: 0,
        named: Named::default(),
        suggested: Suggested::default(),
    };
    let mut total = 0;
    let mut out = stdout();
    while printer.shown < limit {
        let Some(page) = pages.try_next().await? else {
            break;
        };
        for note in printer.notes(&page) {
            screen.note(format_args!("note: {note}"));
        }
        total = page.total;
        let room = usize::try_from(limit - printer.shown).unwrap_or(usize::MAX);
        let entries = &page.entries[..page.entries.len().min(room)];
        printer.page(entries, &page.excerpts, &mut out)?;
    }
    printer.end(&mut out)?;
    if printer.without_rows > 0 {
        screen.note(format_args!(
            "note: {} entries have no row, as there is nothing in them to take apart so",
            count(printer.without_rows)
        ));
    }
    if let Some(note) = printer.named.note() {
        screen.note(note);
    }
    if let Some(note) = printer.suggested.note(printer.shown) {
        screen.note(note);
    }
    if printer.shown == 0 {
        screen.note(match args.unannotated {
            true => "no document without events matches",
            false => "no entry matches; `chancery explain FILTER` tells how the filter is read",
        });
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
    chosen: &'a [&'static Column],
    screen: &'a Screen,
    /// The Parquet file, begun once an answer is there: where the question fails nothing is written.
    file: Option<File<BufWriter<Stdout>>>,
    /// Whether a page has come, maybe one without entries.
    begun: bool,
    /// Entries that were shown; there is a header from the first one on.
    shown: u64,
    /// Entries that have nothing to be taken apart into.
    without_rows: u64,
    /// Of the participants of the entries that were shown.
    named: Named,
    suggested: Suggested,
}

/// How many entries were found by what their texts suggest.
#[derive(Default)]
struct Suggested {
    entries: u64,
    rules: String,
}

impl Suggested {
    fn add(&mut self, entry: &Shown<'_>) {
        if !entry.suggested.is_empty() {
            self.entries += 1;
            entry.suggested_by.clone_into(&mut self.rules);
        }
    }

    /// How many, and how to leave them out; nothing where none was.
    fn note(&self, shown: u64) -> Option<String> {
        (self.entries > 0).then(|| {
            format!(
                "note: {} of {} found by suggestions in their text (~), by the rules of {}; `basis = derived` leaves them out",
                count(self.entries),
                count(shown),
                self.rules
            )
        })
    }
}

/// How many participants carry a country.
#[derive(Default)]
struct Named {
    /// Those with a name.
    names: u64,
    /// Those of them of which no country is known.
    without_country: u64,
}

impl Named {
    fn add(&mut self, entry: &Shown<'_>) {
        for (at, one) in entry.content.participants.iter().enumerate() {
            let is_named = !one.name.is_empty() || !one.stated_name.is_empty();
            self.names += u64::from(is_named);
            self.without_country += u64::from(is_named && !entry.is_of_a_country(at));
        }
    }

    /// What share of the names carries no country; nothing where all do.
    fn note(&self) -> Option<String> {
        (self.without_country > 0).then(|| {
            format!(
                "note: of the {} names in these entries {} carry no country, {:.0} %",
                count(self.names),
                count(self.without_country),
                self.without_country as f64 * 100.0 / self.names as f64
            )
        })
    }
}

impl Printer<'_> {
    /// What an answer takes for granted, which all its pages say: to be told with the first of them, whatever that holds.
    fn notes<'p>(&mut self, page: &'p proto::SearchResponse) -> &'p [String] {
        match std::mem::replace(&mut self.begun, true) {
            true => &[],
            false => &page.notes,
        }
    }

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
        entries.iter().for_each(|entry| {
            self.named.add(entry);
            self.suggested.add(entry);
        });
        match self.args.output {
            _ if entries.is_empty() => {}
            Form::Table if self.chosen.is_empty() => {
                print_entries(out, self.screen, &entries, self.shown == 0)?;
            }
            Form::Table => self.columns(&entries, out)?,
            Form::Json | Form::Rows => self.json(&entries, out)?,
            Form::Csv => self.csv(&entries, out)?,
            Form::Parquet => self.parquet(&entries)?,
        }
        self.shown += count;
        // Whoever reads along sees a page as soon as it is there.
        out.flush()?;
        Ok(())
    }

    fn json(&mut self, entries: &[Shown<'_>], out: &mut dyn Write) -> Result<(), Failure> {
        let (args, chosen) = (self.args, self.chosen);
        self.each_row(entries, |row| {
            let object = match args.output {
                Form::Json => members(row.json(false), &args.fields),
                _ => rows::json(row, chosen),
            };
            writeln!(out, "{}", Value::Object(object))?;
            Ok(())
        })
    }

    fn parquet(&mut self, entries: &[Shown<'_>]) -> Result<(), Failure> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => File::new(stdout(), self.chosen)?,
        };
        self.each_row(entries, |row| file.push(row))?;
        self.file = Some(file);
        Ok(())
    }

    /// Hands over the rows of entries, which are themselves unless they are to be taken apart. There is one of them at a time: an
    /// entry may have many thousands.
    fn each_row(
        &mut self,
        entries: &[Shown<'_>],
        mut take: impl FnMut(&Shown<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(by) = self.args.explode else {
            return entries.iter().try_for_each(take);
        };
        for entry in entries {
            let mut rows = entry.exploded(by).peekable();
            self.without_rows += u64::from(rows.peek().is_none());
            rows.try_for_each(|row| take(&row))?;
        }
        Ok(())
    }

    /// What stands behind the last row. An answer without entries still says its columns where a program reads it.
    fn end(&mut self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.args.output {
            Form::Csv if self.shown == 0 => self.csv(&[], out),
            Form::Parquet => match self.file.take() {
                Some(file) => file.finish(),
                None => File::new(stdout(), self.chosen)?.finish(),
            },
            Form::Csv | Form::Json | Form::Rows | Form::Table => Ok(()),
        }
    }

    fn header(&self) -> Vec<&'static str> {
        self.chosen.iter().map(|column| column.name).collect()
    }

    fn csv(&mut self, entries: &[Shown<'_>], out: &mut dyn Write) -> Result<(), Failure> {
        let mut writer = csv::Writer::from_writer(out);
        if self.shown == 0 {
            writer.write_record(self.header())?;
        }
        let chosen = self.chosen;
        self.each_row(entries, |row| {
            writer.write_record(chosen.iter().map(|column| column.text(row)))?;
            Ok(())
        })?;
        writer.flush()?;
        Ok(())
    }

    fn columns(&self, entries: &[Shown<'_>], out: &mut dyn Write) -> Result<(), Failure> {
        let header = if self.shown == 0 {
            self.header()
        } else {
            Vec::new()
        };
        let mut table = output::table(self.screen, &header);
        for entry in entries {
            let cells = self.chosen.iter().map(|column| column.text(entry));
            table.add_row(cells.map(|cell| plain(&cell).into_owned()));
        }
        output::print(out, &table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::shown::tests::record;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        args: Args,
    }

    #[tokio::test]
    async fn a_terminal_is_not_sent_a_parquet_file() {
        let typed = Typed::parse_from(["search", "-o", "parquet", "--data", "nowhere"]);
        let mut screen = Screen::of_process();
        screen.out_terminal = true;
        let failure = run(typed.args, &screen).await.unwrap_err();
        let sentence = failure.sentence().unwrap();
        assert!(matches!(failure, Failure::Usage(_)), "{sentence}");
        assert!(sentence.contains("-o parquet > rows.parquet"), "{sentence}");
    }

    #[test]
    fn notes_and_header_come_once_although_a_page_is_empty() {
        let typed = Typed::parse_from(["search", "-o", "csv", "--fields", "title"]);
        let chosen = rows::chosen(&typed.args.fields).unwrap();
        let mut printer = Printer {
            args: &typed.args,
            chosen: &chosen,
            screen: &Screen::of_process(),
            file: None,
            begun: false,
            shown: 0,
            without_rows: 0,
            named: Named::default(),
            suggested: Suggested::default(),
        };
        let entry = |title: &str| proto::Entry {
            record: Some(record(&format!(r#"{{"series":"desk","title":"{title}"}}"#))),
            ..proto::Entry::default()
        };
        let (mut said, mut out) = (Vec::new(), Vec::new());
        for entries in [vec![], vec![entry("A")], vec![], vec![entry("B")]] {
            let page = proto::SearchResponse {
                notes: vec!["note".to_owned()],
                entries,
                ..proto::SearchResponse::default()
            };
            said.extend_from_slice(printer.notes(&page));
            printer.page(&page.entries, &[], &mut out).unwrap();
        }
        printer.end(&mut out).unwrap();
        assert_eq!(said, ["note"]);
        assert_eq!(String::from_utf8(out).unwrap(), "title\nA\nB\n");
    }
}

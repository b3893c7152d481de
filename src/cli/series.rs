//! `chancery series`: what the archive holds, by series.

use super::connect::Source;
use super::failure::Failure;
use super::name::Point;
use super::output::{RowForm, print, table};
use super::screen::{Screen, count, stdout};
use super::shown::{kind_word, moment};
use crate::record::Recorded;
use crate::rpc::proto;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Lists the series.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Answer as the archive stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: RowForm,
    #[command(flatten)]
    source: Source,
}

const HEADER: [&str; 7] = [
    "series",
    "entries",
    "records",
    "retracted",
    "kinds",
    "first",
    "last",
];

/// Asks and prints.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let request = proto::ListSeriesRequest {
        as_of: args.as_of.map(Point::as_of),
    };
    let ask =
        async |client: crate::client::Client| Ok(client.query().list_series(request).await?.into_inner());
    let answer = args.source.with(ask).await?;
    let mut out = stdout();
    match args.output {
        RowForm::Json => {
            for series in &answer.series {
                writeln!(out, "{}", as_json(series))?;
            }
        }
        RowForm::Csv => {
            let mut writer = csv::Writer::from_writer(&mut out);
            writer.write_record(HEADER)?;
            for series in &answer.series {
                writer.write_record(cells(
                    series,
                    |number| number.to_string(),
                    |time| time.to_string(),
                ))?;
            }
            writer.flush()?;
        }
        RowForm::Table if !answer.series.is_empty() => {
            let mut table = table(screen, &HEADER);
            table.add_rows(
                answer
                    .series
                    .iter()
                    .map(|one| cells(one, |number| count(number).to_string(), moment)),
            );
            print(&mut out, &table)?;
        }
        RowForm::Table => {}
    }
    out.flush()?;
    if answer.series.is_empty() {
        screen.note("the archive is empty; load something with: chancery import FILE");
    }
    Ok(())
}

fn cells(
    series: &proto::Series,
    number: impl Fn(u64) -> String,
    time: impl Fn(Recorded) -> String,
) -> [String; 7] {
    let kinds = series
        .kinds
        .iter()
        .map(|one| format!("{} {}", kind_word(one.kind), number(one.entries)));
    [
        series.name.clone(),
        number(series.entries),
        number(series.records),
        number(series.retracted),
        kinds.collect::<Vec<_>>().join(", "),
        time(Recorded::from_nanos(series.first_recorded)),
        time(Recorded::from_nanos(series.last_recorded)),
    ]
}

fn as_json(series: &proto::Series) -> Value {
    let kinds: Map<String, Value> = series
        .kinds
        .iter()
        .map(|one| (kind_word(one.kind).to_owned(), one.entries.into()))
        .collect();
    json!({
        "series": series.name,
        "entries": series.entries,
        "records": series.records,
        "retracted": series.retracted,
        "kinds": kinds,
        "first_recorded": Recorded::from_nanos(series.first_recorded).to_string(),
        "last_recorded": Recorded::from_nanos(series.last_recorded).to_string(),
    })
}

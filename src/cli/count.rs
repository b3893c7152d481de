//! `chancery count`: how many entries match a filter.

use super::collapse::Collapse;
use super::connect::Source;
use super::failure::Failure;
use super::name::{self, Point};
use super::output::Form;
use super::screen::{Screen, stdout};
use crate::client::Client;
use crate::rpc::proto;
use serde_json::json;
use std::io::Write;

/// Counts entries.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The filter, as 'dyad = PAK-IRN AND occurred = 2021-10'; every event where it is left out
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Leave out entries that tell of an event that an earlier one of the answer tells of
    #[arg(long, value_enum, default_value_t)]
    collapse: Collapse,
    /// Answer as the archive stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    source: Source,
}

/// Asks and prints the number, and on stderr what it takes for granted.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let request = proto::CountRequest {
        filter: name::filter(&args.filter),
        as_of: args.as_of.map(Point::as_of),
        collapse: args.collapse.wire(),
        ..proto::CountRequest::default()
    };
    let ask = async |client: Client| Ok(client.query().count(request).await?.into_inner());
    let answer = args.source.with(ask).await?;
    let mut out = stdout();
    match args.output {
        Form::Json => {
            let likened = answer.likened.unwrap_or_default();
            let json = json!({
                "count": answer.count, "twins": likened.twins, "alike": likened.alike,
                "view_position": answer.view_position, "notes": answer.notes,
            });
            writeln!(out, "{json}")?;
        }
        Form::Table => {
            answer
                .notes
                .iter()
                .for_each(|note| screen.note(format_args!("note: {note}")));
            writeln!(out, "{}", answer.count)?;
        }
    }
    out.flush()?;
    Ok(())
}

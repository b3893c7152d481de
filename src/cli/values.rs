//! `chancery values`: the values of a field, and how many entries have each.

use super::collapse::Collapse;
use super::connect::Source;
use super::failure::Failure;
use super::groups::{Rows, ask, notes};
use super::name::{self, Point};
use super::number;
use super::output::RowForm;
use super::screen::{Screen, TERMINAL_ROWS, stdout};
use crate::rpc::proto;

/// Lists the values of a field.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The field, as country, dyad, actor, type, topic, place, quad, flag, series; or year, month, day, reported.month and the like
    #[arg(value_name = "FIELD")]
    field: String,
    /// Only of the entries that match, as 'country = PAK'; of every event where it is left out
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Leave out entries that tell of an event that an earlier one of the answer tells of
    #[arg(long, value_enum, default_value_t)]
    collapse: Collapse,
    /// Answer as the archive stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// At most so many values; by default 50 for a table on a terminal, else all
    #[arg(long, value_name = "N", value_parser = number::within(1..=u64::MAX))]
    limit: Option<u64>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: RowForm,
    #[command(flatten)]
    source: Source,
}

/// Asks and prints, the most frequent first.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let names = [args.field.clone()];
    let for_a_person = screen.out_terminal && args.output == RowForm::Table;
    let limit = args.limit.or(for_a_person.then_some(TERMINAL_ROWS));
    let request = proto::AggregateRequest {
        filter: name::filter(&args.filter),
        as_of: args.as_of.map(Point::as_of),
        by: names.to_vec(),
        order: proto::GroupOrder::Count.into(),
        limit: limit.map_or(0, |limit| u32::try_from(limit).unwrap_or(u32::MAX)),
        collapse: args.collapse.wire(),
        ..proto::AggregateRequest::default()
    };
    let answer = args
        .source
        .with(async |client| ask(&client, request).await)
        .await?;
    let rows = Rows {
        names: &names,
        measure: "",
        form: args.output,
        limit: args.limit,
    };
    notes(screen, &answer, &names, "");
    rows.print(&mut stdout(), screen, &answer)
}

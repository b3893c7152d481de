//! `chancery explain`: how a filter is read, and how it would be answered.

use super::connect::Source;
use super::failure::Failure;
use super::name::{self, Point};
use super::output::Form;
use super::screen::{Screen, count, stdout};
use crate::client::Client;
use crate::rpc::proto;
use serde_json::json;
use std::io::Write;

/// Explains a filter.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The filter
    #[arg(value_name = "FILTER", required = true)]
    filter: Vec<String>,
    /// As the archive stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    source: Source,
}

/// Asks and prints.
///
/// # Errors
/// The server's; a filter that cannot be read, with the column.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let request = proto::ExplainRequest {
        filter: name::filter(&args.filter),
        as_of: args.as_of.map(Point::as_of),
    };
    let ask = async |client: Client| Ok(client.query().explain(request).await?.into_inner());
    let answer = args.source.with(ask).await?;
    let mut out = stdout();
    if args.output == Form::Json {
        let json = json!({
            "canonical": answer.canonical,
            "canonical_sha256": answer.canonical_sha256,
            "tree": answer.tree,
            "plan": answer.plan,
            "records_scanned": answer.records_scanned,
            "notes": answer.notes,
            "view_position": answer.view_position,
        });
        writeln!(out, "{json}")?;
    } else {
        let ink = screen.ink();
        let label = |name: &str| ink.dim(format_args!("{name:<10}"));
        writeln!(out, "{} {}", label("read as"), ink.bold(&answer.canonical))?;
        for (at, line) in answer.tree.iter().enumerate() {
            writeln!(out, "{} {line}", label(if at == 0 { "tree" } else { "" }))?;
        }
        let scanned = count(answer.records_scanned);
        writeln!(
            out,
            "{} {}, {scanned} records, as of position {}",
            label("plan"),
            answer.plan,
            answer.view_position
        )?;
        writeln!(out, "{} {}", label("sha256"), answer.canonical_sha256)?;
        for note in &answer.notes {
            writeln!(out, "{} {note}", label("note"))?;
        }
    }
    out.flush()?;
    Ok(())
}

//! What the commands that act on one entry share: the request with one record, its statement, its receipt.

use super::append::{Receipts, Sent, append};
use super::connect::{Actor, Reach};
use super::failure::Failure;
use super::name::EntryArg;
use super::output::Form;
use super::screen::{Screen, stdout};
use crate::client::Client;
use crate::record::codec::{Payload, Relation, Statement, encode_payload};
use crate::record::{Act, EntryKey, Reason};
use crate::rpc::proto;
use clap::ValueEnum;
use std::io::Write;

/// What every act on an entry takes.
#[derive(clap::Args, Debug)]
pub struct Common {
    /// In words, for whoever reads the history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub explanation: String,
    #[command(flatten)]
    pub actor: Actor,
    #[command(flatten)]
    pub reach: Reach,
    /// The form of the receipt
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Form,
}

/// Retracts an entry, or takes that back.
#[derive(clap::Args, Debug)]
pub struct CauseArgs {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(value_name = "ENTRY")]
    entry: EntryArg,
    /// Why
    #[arg(long, value_name = "CAUSE", value_enum)]
    reason: Cause,
    #[command(flatten)]
    common: Common,
}

/// Why an entry is taken out of the answers, or back in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cause {
    /// The source took it back
    SourceRetracted,
    /// It was recorded by mistake, or retracted by mistake
    Error,
    /// It never happened
    Fabricated,
    /// Another entry says the same
    Duplicate,
}

impl Cause {
    const fn code(self) -> &'static str {
        match self {
            Self::SourceRetracted => "source-retracted",
            Self::Error => "error",
            Self::Fabricated => "fabricated",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Makes the act with its cause.
///
/// # Errors
/// The server's: unknown, already so.
pub async fn run(act: Act, args: CauseArgs, screen: &Screen) -> Result<(), Failure> {
    let client = args.common.reach.client().await?;
    let entry = args.entry.resolve(&client).await?;
    let record = record(act, &entry, args.reason.code(), &args.common.explanation, None);
    send(&client, record, &entry, &args.common, screen).await
}

/// A record without content.
pub fn record(
    act: Act,
    entry: &EntryKey,
    reason: &str,
    explanation: &str,
    relation: Option<Relation>,
) -> proto::AppendRecord {
    let statement = Statement {
        explanation: explanation.to_owned(),
        ..Statement::default()
    };
    let payload = Payload {
        statement: (!explanation.is_empty()).then_some(statement),
        ..Payload::default()
    };
    proto::AppendRecord {
        act: act.number(),
        series: entry.series.to_string(),
        key: entry.key.to_string(),
        payload: vec![encode_payload(&payload)],
        reason: reason.to_owned(),
        relation,
        ..proto::AppendRecord::default()
    }
}

/// Appends one record and prints its receipt.
///
/// # Errors
/// The server's.
pub async fn send(
    client: &Client,
    record: proto::AppendRecord,
    entry: &EntryKey,
    common: &Common,
    screen: &Screen,
) -> Result<(), Failure> {
    let answer = append(client, request(record, &common.actor)?).await?;
    print_receipts(entry, &answer.receipts, common.output, screen)
}

/// The request of one record.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn request(record: proto::AppendRecord, actor: &Actor) -> Result<proto::AppendRequest, Failure> {
    Ok(proto::AppendRequest {
        records: vec![record],
        request_id: actor.request_id()?.into_bytes().into(),
        claimed_principal: actor.claimed(),
        ..proto::AppendRequest::default()
    })
}

/// Prints the receipt of an act on an entry.
///
/// # Errors
/// As the writer.
pub fn print_receipts(
    entry: &EntryKey,
    receipts: &[proto::Receipt],
    form: Form,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut out = stdout();
    let sent = Sent {
        series: entry.series.to_string(),
        key: Some(entry.key.clone()),
    };
    let mut printed = Receipts::new(form, screen);
    printed.add(&[sent], receipts, &mut out)?;
    printed.end(&mut out)?;
    out.flush()?;
    Ok(())
}

/// A reason as a code.
///
/// # Errors
/// Where it is none.
pub fn reason(text: &str) -> Result<String, String> {
    Reason::new(text)
        .map(|reason| reason.as_str().to_owned())
        .map_err(|error| error.to_string())
}

//! `chancery prove`: a receipt for a record, and the check of one.
//!
//! The check needs neither a daemon nor an archive: the receipt and the public key are enough.

use super::checkpoint::read;
use super::connect::Source;
use super::failure::Failure;
use super::key::KeyArg;
use super::name::EntryArg;
use super::output::Form;
use super::screen::{Ink, Screen, count, plain, stdout};
use super::shown::{Shown, moment};
use crate::client::{Client, IntegrityError};
use crate::merkle::receipt::{Receipt, ReceiptError};
use crate::merkle::{Checkpoint, VerifierKey};
use crate::record::{Leaf, leaf_hash};
use crate::rpc::proto;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

/// Prints a receipt that proves a record, or checks one.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The record of an entry's newest content, by SERIES/KEY or SERIES/ and the first 8 characters or more of its key; or
    /// the record at a position
    #[arg(
        value_name = "ENTRY",
        required_unless_present = "check",
        conflicts_with = "check"
    )]
    entry: Option<EntryArg>,
    /// The record of this revision
    #[arg(long, value_name = "N", conflicts_with = "check")]
    revision: Option<u64>,
    /// Leave the content out: the receipt then proves that there was such a record, when and by whom, and nothing of what
    /// it said
    #[arg(long, conflicts_with = "check")]
    without_content: bool,
    /// Check this receipt instead; `-` reads it from stdin
    #[arg(long, value_name = "RECEIPT", requires = "key")]
    check: Option<PathBuf>,
    /// The archive's public key, or a file that holds it
    #[arg(long, value_name = "KEY")]
    key: Option<KeyArg>,
    /// How what was checked is shown
    #[arg(short, long, value_enum, default_value_t, requires = "check")]
    output: Form,
    #[command(flatten)]
    source: Source,
}

/// Makes or checks a receipt.
///
/// # Errors
/// The server's; exit code 3 where a receipt does not hold.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let key = args.key.as_ref().map(KeyArg::read).transpose()?;
    match (&args.check, key, &args.entry) {
        (Some(path), Some(key), _) => check(&read(path)?, &key, args.output, screen),
        (_, key, Some(entry)) => {
            let ask = async |client: Client| prove(&client, entry, key, &args).await;
            let receipt = args.source.with(ask).await?;
            let mut out = stdout();
            write!(out, "{}", receipt.to_text())?;
            out.flush()?;
            Ok(())
        }
        // The arguments are required so that this cannot be.
        _ => Err(Failure::usage(
            "name an entry, or a receipt with --check and --key",
        )),
    }
}

async fn prove(
    client: &Client,
    entry: &EntryArg,
    key: Option<VerifierKey>,
    args: &Args,
) -> Result<Receipt, Failure> {
    let position = match (entry, args.revision) {
        (EntryArg::Position(position), None) => *position,
        (entry, revision) => {
            let answer = entry.revision(client, revision).await?;
            let record = answer.entry.and_then(|entry| entry.record);
            let none = IntegrityError::Answer("it names an entry and no record of it");
            record.ok_or(none)?.position
        }
    };
    let key = match key {
        Some(key) => key,
        None => client.verifier_key().await?,
    };
    let receipt = client.receipt(position, !args.without_content, &key).await?;
    is_asked_for(&receipt, entry, args.revision)?;
    Ok(receipt)
}

/// Sees that a receipt is of what was asked for: the server said at which position that is, and a receipt that holds may be
/// of any other record.
fn is_asked_for(receipt: &Receipt, entry: &EntryArg, revision: Option<u64>) -> Result<(), Failure> {
    let leaf = Leaf::decode(&receipt.exact.leaf).map_err(|error| Failure::Wrong(error.to_string()))?;
    let (series, key) = (leaf.series, leaf.key);
    let is_revision = revision.is_none_or(|asked| leaf.revision.get() == asked);
    if entry.names(series, key) && is_revision {
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "the server answered with a receipt of `{}/{}`, revision {}, which is not what was asked for",
        plain(series),
        plain(key),
        leaf.revision
    )))
}

/// Checks a receipt with nothing but the key.
fn check(text: &str, key: &VerifierKey, form: Form, screen: &Screen) -> Result<(), Failure> {
    let wrong = |error: ReceiptError| Failure::Wrong(format!("the receipt does not hold: {error}"));
    let receipt = Receipt::of_text(text).map_err(wrong)?;
    let checkpoint = receipt.verify(key).map_err(wrong)?;
    let record = proto::Record {
        position: receipt.proof.position,
        leaf: receipt.exact.leaf.clone(),
        payload: receipt.exact.payload.clone(),
        ..proto::Record::default()
    };
    let shown = Shown::record(&record)?;
    let mut out = stdout();
    match form {
        Form::Json => writeln!(out, "{}", as_json(&receipt, &checkpoint, key, &shown))?,
        Form::Table => card(&mut out, screen.ink(), &receipt, &checkpoint, key, &shown)?,
    }
    out.flush()?;
    Ok(())
}

fn as_json(receipt: &Receipt, checkpoint: &Checkpoint, key: &VerifierKey, shown: &Shown<'_>) -> Value {
    json!({
        "holds": true,
        "origin": checkpoint.origin,
        "key": key.to_string(),
        "size": checkpoint.size,
        "root": hex::encode(checkpoint.root),
        "leaf_hash": hex::encode(leaf_hash(&receipt.exact.leaf)),
        "content": receipt.has_content(),
        "record": shown.json(false),
    })
}

fn card(
    out: &mut dyn Write,
    ink: Ink,
    receipt: &Receipt,
    checkpoint: &Checkpoint,
    key: &VerifierKey,
    shown: &Shown<'_>,
) -> Result<(), Failure> {
    let label = |name: &str| ink.dim(format_args!("{name:<9}"));
    let (leaf, position) = (&shown.leaf, receipt.proof.position);
    let holds = ink.green("the receipt holds");
    writeln!(
        out,
        "{holds}: {} has this record at position {}, among {}",
        plain(&checkpoint.origin),
        count(position),
        count(checkpoint.size)
    )?;
    let entry = ink.cyan(plain(&format!("{}/{}", leaf.series, leaf.key)));
    writeln!(
        out,
        "{} {entry} · {} · {} · revision {}",
        label("record"),
        leaf.kind,
        leaf.act,
        leaf.revision
    )?;
    let principal = plain(leaf.principal);
    writeln!(
        out,
        "{} {} by {principal}",
        label("recorded"),
        moment(leaf.recorded)
    )?;
    let content = if receipt.has_content() {
        match shown.headline() {
            headline if headline.is_empty() => "proved; -o json shows it".to_owned(),
            headline => headline,
        }
    } else {
        "not in this receipt: it proves the record, not what it said".to_owned()
    };
    writeln!(out, "{} {}", label("content"), plain(&content))?;
    writeln!(
        out,
        "{} {}",
        label("leaf"),
        hex::encode(leaf_hash(&receipt.exact.leaf))
    )?;
    writeln!(out, "{} {}", label("root"), hex::encode(checkpoint.root))?;
    writeln!(
        out,
        "{} {}+{:08x}",
        label("signed by"),
        plain(key.name()),
        key.id()
    )?;
    Ok(())
}

//! `chancery append`: records in the JSON form, from a file or stdin.
//!
//! The whole input is read and checked before anything is sent. It becomes one batch, recorded whole or not at all,
//! as long as it fits into one.

use super::connect::{Actor, Reach};
use super::failure::{Failure, is_lost};
use super::input;
use super::output::{Form, print, table};
use super::screen::{Screen, plain, stdout};
use crate::client::Client;
use crate::log::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};
use crate::record::json::Input;
use crate::record::name::BATCH_ID_BYTES_MAX;
use crate::record::{EntryKey, Key};
use crate::rpc::proto;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::PathBuf;
use tonic::{Code, Status};

/// The most bytes that one append reads: what is larger is a matter for `import`, which streams.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// Appends records.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Records in the JSON form: one object, pretty-printed or not, or several; - for stdin
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Check everything and say what would happen, but write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    reach: Reach,
    /// The form of the receipts
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Reads, checks, appends, and prints a receipt for each record.
///
/// # Errors
/// The first record that cannot be taken, with its line; the server's refusal.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let text = input::text(
        &args.file,
        INPUT_BYTES_MAX,
        "load it with: chancery import --format jsonl",
    )?;
    let records = parse(&text)?;
    if records.is_empty() {
        return Err(Failure::failed(
            "there is no record in the input; give at least one JSON object",
        ));
    }
    let client = args.reach.client().await?;
    let batches = batches(records);
    let count = batches.len();
    if count > 1 {
        screen.note(format_args!(
            "more than fits into one batch: sent as {count}, each of them atomic"
        ));
    }
    if args.dry_run {
        screen.note("nothing is written; the receipts say what would be");
    }
    let id = args.actor.request_id()?;
    let mut out = stdout();
    let mut receipts = Receipts::new(args.output, screen).of_dry_run(args.dry_run);
    let mut refused = None;
    for (index, batch) in batches.into_iter().enumerate() {
        let request_id = if count == 1 {
            id.clone()
        } else {
            part_id(&id, index)
        };
        let mut lines: Vec<usize> = batch.iter().map(|record| record.line).collect();
        if count == 1 && lines.len() == 1 {
            // The only record needs no name.
            lines.clear();
        }
        let (entries, request) = request(batch, &request_id, &args);
        match sent(async || client.append(request.clone()).await).await {
            Ok(answer) => receipts.add(&entries, &answer.receipts, &mut out)?,
            Err(status) => {
                refused = Some(refusal(status, &lines, &id));
                break;
            }
        }
    }
    // What was recorded before a refusal stays recorded, and its receipts are told.
    receipts.end(&mut out)?;
    out.flush()?;
    refused.map_or(Ok(()), Err)
}

/// The request id of one batch of several; hashed where it would be longer than an id may be.
fn part_id(id: &str, index: usize) -> String {
    let part = format!("{id}.{index}");
    if part.len() <= BATCH_ID_BYTES_MAX {
        return part;
    }
    hex::encode(Sha256::digest(part))
}

/// A record of the input, and the line on which it begins.
struct Record {
    input: Input,
    line: usize,
}

/// The objects of a text, one after the other, each over as many lines as it likes.
fn parse(text: &str) -> Result<Vec<Record>, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let mut records = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(object) = objects.next() {
        let start = at + text[at..].len() - text[at..].trim_start().len();
        line += newlines(&text[at..start]);
        let nth = records.len() + 1;
        if let Err(error) = object {
            let problem = error.to_string();
            let problem = problem
                .rsplit_once(" at line ")
                .map_or(problem.as_str(), |(problem, _)| problem);
            let (line, column) = (error.line(), error.column());
            return Err(Failure::failed(format!(
                "record {nth}, line {line}, column {column}: {problem}"
            )));
        }
        at = objects.byte_offset();
        let input = Input::parse(&text[start..at])
            .and_then(|input| input.series_or(None).map(|_| input))
            .map_err(|error| Failure::failed(format!("record {nth}, line {line}: {error}")))?;
        records.push(Record { input, line });
        line += newlines(&text[start..at]);
    }
    Ok(records)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Cuts the records into as few batches as the bounds allow.
fn batches(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for record in records {
        let own = record.input.payload.len() + record.input.key.as_ref().map_or(0, |key| key.as_str().len());
        if !batch.is_empty() && (batch.len() == BATCH_RECORDS_MAX || bytes + own > BATCH_BYTES_MAX) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += own;
        batch.push(record);
    }
    batches.push(batch);
    batches
}

/// A refusal as the command tells it. One that names a record by its place in the batch names it by its line instead.
fn refusal(status: Status, lines: &[usize], id: &str) -> Failure {
    match by_line(status.message(), lines) {
        Some(sentence) if !is_unknown(&status) => Failure::failed(sentence),
        _ => unsent(status, id),
    }
}

/// A refusal that names a record by its place in the batch, with the line of the input instead.
pub fn by_line(message: &str, lines: &[usize]) -> Option<String> {
    let (index, rest) = message.strip_prefix("records[")?.split_once(']')?;
    let line = lines.get(index.parse::<usize>().ok()?)?;
    Some(format!(
        "line {line}: {}",
        rest.trim_start_matches(['.', ':', ' '])
    ))
}

/// The request of a batch, and what its receipts are for.
fn request(batch: Vec<Record>, id: &str, args: &Args) -> (Vec<Sent>, proto::AppendRequest) {
    let entries = batch
        .iter()
        .map(|record| Sent {
            series: record
                .input
                .series
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            key: record.input.key.clone(),
        })
        .collect();
    let request = proto::AppendRequest {
        records: batch.into_iter().map(|record| wire(record.input)).collect(),
        request_id: id.as_bytes().to_vec().into(),
        validate_only: args.dry_run,
        claimed_principal: args.actor.claimed(),
        ..proto::AppendRequest::default()
    };
    (entries, request)
}

/// A record as it is sent.
pub fn wire(input: Input) -> proto::AppendRecord {
    proto::AppendRecord {
        act: input.act.number(),
        kind: input.kind.map_or(0, crate::record::Kind::number),
        series: input.series.map(|series| series.to_string()).unwrap_or_default(),
        key: input.key.map(|key| key.to_string()).unwrap_or_default(),
        payload: vec![input.payload],
        expected_revision: input.expected_revision.map(crate::record::Revision::get),
        reason: input.reason.as_str().to_owned(),
        relation: input
            .relation
            .map(|(relation, entry)| wire_relation(relation, &entry)),
    }
}

/// A relation as it is sent.
pub fn wire_relation(
    relation: crate::record::codec::RelationType,
    entry: &EntryKey,
) -> crate::record::codec::Relation {
    crate::record::codec::Relation {
        r#type: relation.into(),
        series: entry.series.to_string(),
        key: entry.key.to_string(),
    }
}

/// Appends the one batch of a command. Where the connection breaks it is sent once more, which its request id makes safe.
///
/// # Errors
/// The server's; where the fate of the batch stays unknown, how to find it out.
pub async fn append(
    client: &Client,
    request: proto::AppendRequest,
) -> Result<proto::AppendResponse, Failure> {
    let id = String::from_utf8_lossy(&request.request_id).into_owned();
    let send = async || client.append(request.clone()).await;
    sent(send).await.map_err(|status| unsent(status, &id))
}

/// Makes a call that writes under a request id: a second time where the fate of the first is not known.
///
/// # Errors
/// The server's; that of the first try where the second tells no more.
pub async fn sent<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    match call().await {
        Err(first) if is_unknown(&first) => match call().await {
            Err(again) if is_unknown(&again) => Err(first),
            answer => answer,
        },
        answer => answer,
    }
}

/// A call that failed; where its fate is not known, how to find it out by the command's request id.
pub fn unsent(status: Status, id: &str) -> Failure {
    if !is_unknown(&status) {
        return status.into();
    }
    Failure::failed(unknown_fate(id))
}

/// How to find out whether a batch of that id was written.
pub fn unknown_fate(id: &str) -> String {
    format!(
        "whether the records were written is not known; run the command again with --request-id {id}, which records nothing twice"
    )
}

/// Whether nobody can say if a call that failed was done.
pub fn is_unknown(status: &Status) -> bool {
    status.code() == Code::Unknown || is_lost(status)
}

/// What was sent, as its receipt names it.
pub struct Sent {
    /// The series.
    pub series: String,
    /// The key, where the sender gave one.
    pub key: Option<Key>,
}

/// Prints receipts: at once as JSON, at the end as a table.
pub struct Receipts<'a> {
    form: Form,
    screen: &'a Screen,
    is_dry: bool,
    rows: Vec<[String; 4]>,
}

impl<'a> Receipts<'a> {
    /// For one command.
    pub fn new(form: Form, screen: &'a Screen) -> Self {
        Self {
            form,
            screen,
            is_dry: false,
            rows: Vec::new(),
        }
    }

    /// Of records that are not written, if so: what they would be called and where they would stand nobody knows yet.
    #[must_use]
    pub fn of_dry_run(self, is_dry: bool) -> Self {
        Self { is_dry, ..self }
    }

    /// The receipts of one batch.
    ///
    /// # Errors
    /// As the writer.
    pub fn add(
        &mut self,
        sent: &[Sent],
        receipts: &[proto::Receipt],
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        for (sent, receipt) in sent.iter().zip(receipts) {
            let is_known = !self.is_dry || receipt.outcome() == proto::Outcome::Duplicate;
            let made = if is_known { receipt.key.as_str() } else { "" };
            let key = sent.key.as_ref().map_or(made, Key::as_str);
            let position = if is_known {
                receipt.position.to_string()
            } else {
                String::new()
            };
            match self.form {
                Form::Json if is_known => writeln!(out, "{}", receipt_json(&sent.series, key, receipt))?,
                Form::Json => writeln!(out, "{}", foreseen_json(&sent.series, key, receipt))?,
                Form::Table => self.rows.push([
                    position,
                    receipt.revision.to_string(),
                    outcome(receipt.outcome()).to_owned(),
                    plain(&format!("{}/{key}", sent.series)).into_owned(),
                ]),
            }
        }
        Ok(())
    }

    /// What was kept for the end.
    ///
    /// # Errors
    /// As the writer.
    pub fn end(self, out: &mut dyn Write) -> Result<(), Failure> {
        if self.form == Form::Json || self.rows.is_empty() {
            return Ok(());
        }
        let mut table = table(self.screen, &["position", "revision", "outcome", "entry"]);
        table.add_rows(self.rows);
        print(out, &table)
    }
}

fn receipt_json(series: &str, key: &str, receipt: &proto::Receipt) -> Value {
    json!({
        "series": series,
        "key": key,
        "position": receipt.position,
        "revision": receipt.revision,
        "outcome": outcome(receipt.outcome()),
        "leaf_hash": hex::encode(&receipt.leaf_hash),
    })
}

/// What is known of a record before it is written.
fn foreseen_json(series: &str, key: &str, receipt: &proto::Receipt) -> Value {
    let mut told = json!({
        "series": series,
        "revision": receipt.revision,
        "outcome": outcome(receipt.outcome()),
    });
    if !key.is_empty() {
        told["key"] = key.into();
    }
    told
}

/// The word of an outcome.
pub fn outcome(outcome: proto::Outcome) -> &'static str {
    match outcome {
        proto::Outcome::Unspecified => "?",
        proto::Outcome::Recorded => "recorded",
        proto::Outcome::Amended => "amended",
        proto::Outcome::Acted => "acted",
        proto::Outcome::Duplicate => "duplicate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        parse(text).unwrap().iter().map(|record| record.line).collect()
    }

    #[test]
    fn objects_may_be_lines_or_spread_over_lines() {
        let one = "{\n \"series\": \"desk\",\n \"title\": \"a\"\n}\n\n{\"series\":\"desk\",\"title\":\"b\"}";
        assert_eq!(lines(one), [1, 6]);
        assert_eq!(
            lines("\u{feff}{\"series\":\"desk\",\"title\":\"a\"}{\"series\":\"desk\",\"title\":\"b\"}"),
            [1, 1]
        );
        assert!(lines(" \n").is_empty());
    }

    #[test]
    fn a_record_that_cannot_be_taken_is_named_by_number_and_line() {
        let text = "{\"series\":\"desk\",\"title\":\"a\"}\n{\"series\":\"desk\",\"titel\":\"b\"}";
        let sentence = parse(text).map(drop).unwrap_err();
        let sentence = sentence.sentence().unwrap();
        assert_eq!(
            sentence,
            "record 2, line 2: `titel`: unknown name; did you mean `title`?"
        );
        assert!(parse("{\"series\":").is_err());
        assert!(parse("[]").is_err());
        assert!(parse("{\"title\":\"no series\"}").is_err());
    }

    #[test]
    fn a_refused_record_is_named_by_its_line() {
        let named = |message: &str| {
            let failure = refusal(Status::not_found(message), &[1, 7], "id");
            failure.sentence().unwrap().to_owned()
        };
        assert_eq!(
            named("records[1].key: `a/b` exists (and 2 more)"),
            "line 7: key: `a/b` exists (and 2 more)"
        );
        assert_eq!(named("records[1]: `a/b` exists"), "line 7: `a/b` exists");
        assert_eq!(named("records[0].key: bad"), "line 1: key: bad");
        assert_eq!(named("the server is stopping"), "the server is stopping");
    }

    #[tokio::test]
    async fn a_call_of_unknown_fate_is_made_once_more_and_then_named_by_its_id() {
        let tries = std::cell::Cell::new(0);
        let call = async || {
            tries.set(tries.get() + 1);
            Err::<(), _>(Status::unknown("perhaps"))
        };
        let failure = unsent(sent(call).await.unwrap_err(), "hold-7");
        assert_eq!(tries.get(), 2);
        assert!(failure.sentence().unwrap().contains("--request-id hold-7"));
        let known = async || {
            tries.set(tries.get() + 1);
            Err::<(), _>(Status::not_found("nobody"))
        };
        let failure = unsent(sent(known).await.unwrap_err(), "hold-7");
        assert_eq!((tries.get(), failure.sentence()), (3, Some("nobody")));
    }

    #[test]
    fn the_id_of_each_batch_of_several_is_one() {
        let ids: Vec<String> = [1, 62, 63, 64]
            .into_iter()
            .flat_map(|length| [0, 1, 999].map(|index| part_id(&"i".repeat(length), index)))
            .collect();
        assert_eq!(ids[0], "i.0");
        for id in &ids {
            assert!((1..=BATCH_ID_BYTES_MAX).contains(&id.len()), "{id}");
        }
        let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn lines_are_counted_once_and_not_anew_for_each_record() {
        let text = "{\"series\":\"desk\",\n\"title\":\"a\"}\n\n".repeat(20_000);
        let lines = lines(&text);
        assert_eq!((lines[0], lines[1], lines[19_999]), (1, 4, 59_998));
    }

    #[test]
    fn a_batch_holds_at_most_a_thousand_records() {
        let records = (0..2_001).map(|_| parse("{\"series\":\"desk\",\"title\":\"a\"}").unwrap().remove(0));
        let sizes: Vec<usize> = batches(records.collect()).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1_000, 1_000, 1]);
    }
}

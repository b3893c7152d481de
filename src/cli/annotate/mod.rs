//! `chancery annotate`: events that a document reports, written by a person.
//!
//! The daemon drafts them from what the document suggests; a person corrects them in an editor, and what comes back is appended in
//! one batch, each event `reported-in` the document. Nothing that was only suggested is recorded without somebody's hand.

mod form;

use super::append::{Receipts, Sent, sent, unsent, wire};
use super::connect::{Actor, Reach, Source};
use super::editor::{self, Edited};
use super::failure::Failure;
use super::input;
use super::name::EntryArg;
use super::output::Form;
use super::screen::{Screen, count, plain_lines, stdout};
use super::search;
use super::shown::Shown;
use crate::client::Client;
use crate::record::codec::{Content, DateRole};
use crate::record::json::Input;
use crate::record::{Act, EntryKey, Kind, Series};
use crate::rpc::proto;
use form::{Event, FormError};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// The most bytes of an annotation.
const INPUT_BYTES_MAX: u64 = 16 << 20;
/// What to do with more.
const TOO_LARGE: &str = "annotate with fewer events at a time";
/// The columns of a text that stands in comments.
const COLUMNS: usize = 96;

/// Annotates a document with the events that it reports.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The document: SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records; with
    /// --list a filter
    #[arg(value_name = "ENTRY")]
    words: Vec<String>,
    /// List the documents that no event is reported in yet
    #[arg(long, conflicts_with_all = ["json", "print", "from", "series", "dry_run", "name", "request_id"])]
    list: bool,
    /// With --list: at most so many; by default 50 on a terminal, else all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "list")]
    limit: Option<u64>,
    /// Edit the JSON form instead of the plain one
    #[arg(long, conflicts_with = "from")]
    json: bool,
    /// Print what the editor would be given, and append nothing
    #[arg(long, conflicts_with_all = ["from", "dry_run"])]
    print: bool,
    /// Take the events from a file, in either form, instead of opening an editor; - for stdin
    #[arg(long, value_name = "FILE|-")]
    from: Option<PathBuf>,
    /// The series of the events; by default that of the document
    #[arg(long, value_name = "NAME", value_parser = series)]
    series: Option<Series>,
    /// Check everything and say what would happen, but write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    reach: Reach,
    /// The form of the receipts, or of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

fn series(text: &str) -> Result<Series, String> {
    Series::new(text).map_err(|error| error.to_string())
}

/// Lists documents, or annotates one.
///
/// # Errors
/// The server's; an editor that fails; an annotation that cannot be taken, which is then kept and named.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    if args.list {
        let source = Source::of(args.reach);
        let asked = search::Args::of_documents_without_events(args.words, args.limit, args.output, source);
        return search::run(asked, screen).await;
    }
    let [entry] = &args.words[..] else {
        return Err(Failure::usage(
            "annotate takes one document as SERIES/KEY or a position; chancery annotate --list shows those without events",
        ));
    };
    let entry: EntryArg = entry.parse().map_err(Failure::usage)?;
    let client = args.reach.client().await?;
    let drafted = Drafted::ask(&client, &entry).await?;
    let template = drafted.template(args.json)?;
    if args.print {
        write!(stdout(), "{template}")?;
        return Ok(());
    }
    let Some(path) = &args.from else {
        return edit(&client, &drafted, &template, &args, screen).await;
    };
    let records = drafted.judge(&input::text(path, INPUT_BYTES_MAX, TOO_LARGE)?, &args);
    let records = records.map_err(|error| Failure::failed(format!("`{}`, {error}", path.display())))?;
    if records.is_empty() {
        return Err(Failure::failed(format!(
            "`{}` has no event; chancery annotate {} --print shows how one is written",
            path.display(),
            drafted.name
        )));
    }
    append(&client, records, &drafted.name, &args, screen).await
}

/// Has a person correct the drafts, and appends what came of it.
async fn edit(
    client: &Client,
    drafted: &Drafted,
    template: &str,
    args: &Args,
    screen: &Screen,
) -> Result<(), Failure> {
    let file = Edited::create(template, if args.json { "json" } else { "txt" })?;
    let records = loop {
        editor::open(&file.path)?;
        let text = file.text()?;
        let as_drafted = "nothing was changed; record the drafts as they are?";
        if text == template && !editor::ask(screen, as_drafted, false)? {
            file.discard();
            screen.note("nothing was changed, so nothing is recorded");
            return Ok(());
        }
        match drafted.judge(&text, args) {
            Ok(records) if records.is_empty() => {
                file.discard();
                screen.note("no event is left, so nothing is recorded");
                return Ok(());
            }
            Ok(records) => break records,
            Err(error) if editor::ask(screen, format_args!("{error}\nedit again?"), true)? => {}
            Err(error) => return Err(keep(&file, &drafted.name, &error.to_string())),
        }
    };
    match append(client, records, &drafted.name, args, screen).await {
        Err(failure) => match failure.sentence() {
            Some(problem) => Err(keep(&file, &drafted.name, problem)),
            None => Err(failure),
        },
        Ok(()) => {
            file.discard();
            Ok(())
        }
    }
}

fn keep(file: &Edited, document: &EntryKey, problem: &str) -> Failure {
    let path = file.path.display();
    Failure::failed(format!(
        "{problem}; your annotation is kept in {path}: mend it, and run: chancery annotate {document} --from {path}"
    ))
}

/// A document, and what the daemon drafted for it.
struct Drafted {
    name: EntryKey,
    document: proto::Entry,
    drafts: Vec<Content>,
    version: String,
    events: Vec<proto::EntryKey>,
    events_total: u64,
}

impl Drafted {
    async fn ask(client: &Client, entry: &EntryArg) -> Result<Self, Failure> {
        let name = entry.resolve(client).await?;
        let key = proto::EntryKey {
            series: name.series.to_string(),
            key: name.key.to_string(),
        };
        let request = proto::DraftEventsRequest {
            document: Some(proto::EntryName {
                name: Some(proto::entry_name::Name::Key(key)),
            }),
            as_of: None,
        };
        let answer = client.query().draft_events(request).await?.into_inner();
        Ok(Self {
            name,
            document: answer.document.unwrap_or_default(),
            drafts: answer.drafts,
            version: answer.version,
            events: answer.events,
            events_total: answer.events_total,
        })
    }

    /// What the editor is given: the document in comments, then the drafts.
    fn template(&self, as_json: bool) -> Result<String, Failure> {
        let mut out = String::new();
        self.document(&mut out)?;
        self.told_already(&mut out);
        comment(&mut out, "");
        let intro = format!(
            "Below is what it seems to tell of, by the rules of {}: nobody has stated it yet. Correct it, take out what is not so, add \
             what is missing. What stays is recorded under your name, reported-in the document, once you save and close; if nothing \
             stays, nothing is.",
            self.version
        );
        wrapped(&mut out, &intro);
        if !as_json {
            comment(&mut out, "");
            GUIDE.iter().for_each(|line| comment(&mut out, line));
        }
        for draft in &self.drafts {
            out.push('\n');
            out.push_str(&match as_json {
                true => form::object(draft),
                false => form::block(draft),
            });
            if !out.ends_with('\n') {
                out.push('\n');
            }
        }
        Ok(out)
    }

    fn document(&self, out: &mut String) -> Result<(), Failure> {
        let shown = Shown::entry(&self.document)?;
        let content = &shown.content;
        let mut head = format!("{}, a document", self.name);
        let reported = content
            .dates
            .iter()
            .find(|date| date.role() == DateRole::Reported);
        if let Some(date) = reported {
            let _ = write!(head, " reported {}", date.edtf);
        }
        let publisher = content.reports.iter().find(|report| !report.publisher.is_empty());
        if let Some(report) = publisher {
            let _ = write!(head, " by {}", report.publisher);
        }
        wrapped(out, &head);
        for text in [&content.title, &content.body] {
            if !text.is_empty() {
                comment(out, "");
                let paragraphs = text.split("\n\n");
                for (at, paragraph) in paragraphs.enumerate() {
                    if at > 0 {
                        comment(out, "");
                    }
                    wrapped(out, paragraph);
                }
            }
        }
        Ok(())
    }

    fn told_already(&self, out: &mut String) {
        if self.events_total == 0 {
            return;
        }
        let named = self.events.iter().take(10);
        let named: Vec<String> = named.map(|one| format!("{}/{}", one.series, one.key)).collect();
        let more = if self.events_total > 10 { " and others" } else { "" };
        let are = if self.events_total == 1 {
            "event is"
        } else {
            "events are"
        };
        comment(out, "");
        wrapped(
            out,
            &format!(
                "{} {are} reported in it already: {}{more}",
                count(self.events_total),
                named.join(", ")
            ),
        );
    }

    /// The records of an annotation, each an event that is `reported-in` the document.
    fn judge(&self, text: &str, args: &Args) -> Result<Vec<Input>, FormError> {
        let series = args.series.as_ref().unwrap_or(&self.name.series);
        let events = form::read(text)?.into_iter();
        events.map(|event| self.complete(event, series)).collect()
    }

    fn complete(&self, mut event: Event, series: &Series) -> Result<Input, FormError> {
        let members = &mut event.members;
        let is_said = |name: &str| members.contains_key(name);
        let of_another = ["act", "revision", "expected_revision", "relation"];
        if let Some(name) = of_another.into_iter().find(|name| is_said(name)) {
            return Err(FormError {
                line: event.line,
                problem: format!(
                    "an annotation makes new entries; take out `{name}`, or use chancery append"
                ),
            });
        }
        members.entry("series").or_insert_with(|| series.as_str().into());
        members.entry("kind").or_insert_with(|| Kind::Event.word().into());
        let relations = members.entry("relations").or_insert_with(|| json!([]));
        if let Value::Array(relations) = relations
            && !relations.iter().any(|one| self.is_of_document(one))
        {
            relations.push(json!(format!("reported-in {}", self.name)));
        }
        let line = event.line;
        let input = event.input()?;
        match (input.act, input.kind) {
            (Act::Create, Some(Kind::Event)) => Ok(input),
            (_, kind) => Err(FormError {
                line,
                problem: format!(
                    "an annotation is of events, not of kind `{}`; take out `kind`, or use chancery append",
                    kind.map_or("none", Kind::word)
                ),
            }),
        }
    }

    /// Whether a relation, in its long or short form, is the one to the document.
    fn is_of_document(&self, relation: &Value) -> bool {
        match relation {
            Value::String(short) => *short == format!("reported-in {}", self.name),
            long => {
                long["type"] == "reported-in"
                    && long["series"] == self.name.series.as_str()
                    && long["key"] == self.name.key.as_str()
            }
        }
    }
}

/// How the plain form is written, in comments above it.
const GUIDE: [&str; 6] = [
    "event KEY                   begins an event; the key may be left out",
    "title, text, publisher, sentence, topic: TEXT",
    "occurred: DATE | WORDS      as 2021-10-13 | on Wednesday",
    "type: SCHEME:CODE | LABEL   as cameo:040",
    "source, target, party, host, mediator, mentioned: NAME | OFFICE | COUNTRIES | KIND",
    "place: NAME | COUNTRY       countries as PAK",
];

fn comment(out: &mut String, line: &str) {
    out.push('#');
    if !line.is_empty() {
        out.push(' ');
        out.push_str(&plain_lines(line));
    }
    out.push('\n');
}

/// A text in comments, broken between words.
fn wrapped(out: &mut String, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            comment(out, &std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    comment(out, &line);
}

/// Appends the events in one batch, and prints their receipts.
async fn append(
    client: &Client,
    events: Vec<Input>,
    document: &EntryKey,
    args: &Args,
    screen: &Screen,
) -> Result<(), Failure> {
    let entry = |input: &Input| Sent {
        series: input.series.as_ref().map(ToString::to_string).unwrap_or_default(),
        key: input.key.clone(),
    };
    let entries: Vec<Sent> = events.iter().map(entry).collect();
    let id = args.actor.request_id()?;
    let request = proto::AppendRequest {
        records: events.into_iter().map(wire).collect(),
        request_id: id.as_bytes().to_vec().into(),
        validate_only: args.dry_run,
        claimed_principal: args.actor.claimed(),
        ..proto::AppendRequest::default()
    };
    let answer = sent(async || client.append(request.clone()).await).await;
    let answer = answer.map_err(|status| unsent(status, &id))?;
    let mut out = stdout();
    let mut receipts = Receipts::new(args.output, screen);
    receipts.add(&entries, &answer.receipts, &mut out)?;
    receipts.end(&mut out)?;
    out.flush()?;
    let (number, what) = (entries.len(), if entries.len() == 1 { "event" } else { "events" });
    screen.note(match args.dry_run {
        true => format!("nothing is written; {number} {what} would be reported-in {document}"),
        false => format!("{number} {what} reported-in {document}"),
    });
    Ok(())
}

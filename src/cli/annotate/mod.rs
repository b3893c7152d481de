//! `chancery annotate`: events that a document reports, written by a person.
//!
//! The daemon drafts them from what the document suggests; a person corrects them in an editor, and what comes back is appended in
//! one batch, each event `reported-in` the document. Nothing that was only suggested is recorded without somebody's hand.

mod batch;
mod checks;
mod form;

use super::append::unknown_fate;
use super::connect::{Actor, Reach, Source};
use super::editor::{Desk, Edited, Further};
use super::failure::Failure;
use super::input;
use super::name::EntryArg;
use super::number;
use super::output::Form;
use super::screen::{Screen, count, plain_lines, stdout};
use super::search;
use super::shown::Shown;
use crate::client::Client;
use crate::record::codec::{Content, DateRole};
use crate::record::json::Input;
use crate::record::{Act, EntryKey, Kind, Series};
use crate::rpc::proto;
use batch::{Batch, Refused};
use form::{Event, FormError};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

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
    #[arg(long, value_name = "N", value_parser = number::within(1..=u64::MAX), requires = "list")]
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
        if let [word] = &args.words[..]
            && let Ok(EntryArg::Name { .. }) = word.parse()
        {
            return Err(Failure::usage(format!(
                "--list takes a filter, and `{word}` is the name of an entry; annotate it with: chancery annotate {word}"
            )));
        }
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
    match &args.from {
        Some(path) => from_file(&client, &drafted, &template, path, &args, screen).await,
        None => by_hand(&client, &drafted, &template, &args, screen).await,
    }
}

/// Appends the events of a file, which stays as it is.
async fn from_file(
    client: &Client,
    drafted: &Drafted,
    template: &str,
    path: &Path,
    args: &Args,
    screen: &Screen,
) -> Result<(), Failure> {
    let text = input::text(path, INPUT_BYTES_MAX, TOO_LARGE)?;
    let events = drafted.judge(&text, args);
    let events = events.map_err(|error| Failure::failed(format!("`{}`, {error}", path.display())))?;
    if events.is_empty() {
        return Err(Failure::failed(format!(
            "`{}` has no event; chancery annotate {} --print shows how one is written",
            path.display(),
            drafted.name
        )));
    }
    if form::is_same(&text, template) || form::is_same(&text, &drafted.template(true)?) {
        return Err(Failure::failed(format!(
            "`{}` has the drafts as they were printed, and nobody corrected them, so nothing is recorded; correct them, or record them \
             as they are at a terminal with: chancery annotate {}",
            path.display(),
            drafted.name
        )));
    }
    let batch = Batch::of(events, args)?;
    match batch.send(client).await {
        Ok(receipts) => {
            batch.print(&receipts, &drafted.name, args, screen)?;
            screen.note(batch.outcome(&drafted.name));
            Ok(())
        }
        Err(Refused::Known(problem)) => Err(Failure::failed(problem)),
        Err(Refused::Unknown) => Err(Failure::failed(unknown_fate(&batch.id))),
    }
}

/// Has a person correct the drafts, and appends what came of it.
async fn by_hand(
    client: &Client,
    drafted: &Drafted,
    template: &str,
    args: &Args,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut desk = Desk::open(screen)?;
    let file = Edited::create(template, if args.json { "json" } else { "txt" })?;
    let again = further(&args.actor, args).from(&drafted.name, &file.path);
    let batch = match corrected(&mut desk, &file, drafted, template, args).await {
        Ok(Corrected::Events(events)) => Batch::of(events, args),
        Ok(Corrected::Nothing(said)) => {
            nothing_recorded(file, said, screen);
            return Ok(());
        }
        Err(problem) => return Err(file.end(&problem, &again)),
    };
    let batch = match batch {
        Ok(batch) => batch,
        Err(failure) => return Err(file.end(failure.sentence().unwrap_or_default(), &again)),
    };
    // The document may have been amended, retracted or erased while somebody was reading it.
    let name = EntryArg::of(&drafted.name);
    match desk.unless_interrupted(Drafted::ask(client, &name)).await {
        Ok(Ok(now)) if now.revision() != drafted.revision() => screen.note(format_args!(
            "{} was amended while you annotated it: revision {} is now revision {}",
            drafted.name,
            drafted.revision(),
            now.revision()
        )),
        Ok(Ok(_)) => {}
        Ok(Err(failure)) => return Err(file.end(failure.sentence().unwrap_or_default(), &again)),
        Err(problem) => return Err(file.end(&problem, &again)),
    }
    let receipts = match desk.unless_interrupted(batch.send(client)).await {
        Ok(Ok(receipts)) => receipts,
        Ok(Err(Refused::Known(problem))) => return Err(file.end(&problem, &again)),
        Ok(Err(Refused::Unknown)) | Err(_) => {
            let again = further(&batch.actor(args), args).from(&drafted.name, &file.path);
            return Err(file.end_in_doubt(&again));
        }
    };
    if args.dry_run {
        // What somebody wrote is not recorded, so it must stay.
        let path = file.path.display();
        let outcome = batch.outcome(&drafted.name);
        // With the same id it is recorded once, however often the command is run.
        let again = further(&batch.actor(args), args).from(&drafted.name, &file.path);
        screen.note(format_args!(
            "{outcome}; your annotation is kept in {path}, record it with: {again}"
        ));
        return batch.print(&receipts, &drafted.name, args, screen);
    }
    // From here on they are recorded: a command that went on with the file would record them again.
    file.discard();
    batch.print(&receipts, &drafted.name, args, screen)?;
    screen.note(batch.outcome(&drafted.name));
    Ok(())
}

/// The command that goes on with an annotation.
fn further(actor: &Actor, args: &Args) -> Further {
    let series = args.series.as_ref().map(Series::as_str);
    Further::of("chancery annotate", actor, &args.reach).with("--series", series)
}

/// What a person made of the drafts.
enum Corrected {
    /// Events, and the lines on which they begin.
    Events(Vec<(usize, Input)>),
    /// None, and why.
    Nothing(&'static str),
}

async fn corrected(
    desk: &mut Desk<'_>,
    file: &Edited,
    drafted: &Drafted,
    template: &str,
    args: &Args,
) -> Result<Corrected, String> {
    loop {
        desk.edit(&file.path).await?;
        let text = file
            .text()
            .map_err(|failure| failure.sentence().unwrap_or_default().to_owned())?;
        let as_drafted = "nothing was changed; record the drafts as they are?";
        if form::is_same(&text, template) && !desk.ask(as_drafted, false).await? {
            return Ok(Corrected::Nothing("nothing was changed, so nothing is recorded"));
        }
        match drafted.judge(&text, args) {
            Ok(events) if events.is_empty() => {
                return Ok(Corrected::Nothing(match text == template {
                    true => "nothing was changed, so nothing is recorded",
                    false => "no event is left, so nothing is recorded",
                }));
            }
            Ok(events) => return Ok(Corrected::Events(events)),
            Err(error) if desk.ask(format_args!("{error}\nedit again?"), true).await? => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Ends where there is nothing to record. The file goes only if nobody wrote anything into it, since notes may stand in comments.
fn nothing_recorded(file: Edited, said: &str, screen: &Screen) {
    if file.is_untouched() {
        file.discard();
        screen.note(said);
    } else {
        let path = file.path.display();
        screen.note(format_args!("{said}; what you wrote is kept in {path}"));
    }
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

    /// The revision of the document.
    fn revision(&self) -> u64 {
        self.document.revision
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
                "{} {are} stated to be reported in it already: {}{more}",
                count(self.events_total),
                named.join(", ")
            ),
        );
    }

    /// The records of an annotation, each an event that is `reported-in` the document, and the lines on which they begin.
    fn judge(&self, text: &str, args: &Args) -> Result<Vec<(usize, Input)>, FormError> {
        let series = args.series.as_ref().unwrap_or(&self.name.series);
        let mut records: Vec<(usize, Input)> = Vec::new();
        let mut keys = HashMap::new();
        for event in form::read(text)? {
            let line = event.line;
            let input = self.complete(event, series)?;
            let key = input.key.clone().map(|key| (input.series.clone(), key));
            if let Some(key) = key
                && let Some(other) = keys.insert(key.clone(), line)
            {
                let problem = format!(
                    "the event of line {other} has the key `{}` too; give each a key of its own, or none",
                    key.1
                );
                return Err(FormError { line, problem });
            }
            records.push((line, input));
        }
        Ok(records)
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

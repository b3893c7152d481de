//! `chancery get`: one entry, as it stands, as it stood, with its history, or in its source's own bytes.

use super::connect::Source;
use super::derived;
use super::failure::Failure;
use super::history;
use super::name::{EntryArg, Point};
use super::screen::{Ink, Screen, plain, plain_lines, stdout};
use super::shown::{Shown, moment, named, word};
use super::suggested;
use crate::authority::Validity;
use crate::client::Client;
use crate::record::codec::{Content, Participant, RelationType, decode_payload};
use crate::record::json::pretty;
use crate::rpc::proto;
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Shows an entry.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// SERIES/KEY, SERIES/ and the first 8 characters or more of its key, or the position of one of its records
    #[arg(value_name = "ENTRY")]
    entry: EntryArg,
    /// As the archive stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// Every record of the entry, and what each of them changed
    #[arg(long)]
    history: bool,
    /// What its text suggests, too, apart from what is stated
    #[arg(long, conflicts_with = "history")]
    suggested: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: GetForm,
    #[command(flatten)]
    source: Source,
}

/// The form of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum GetForm {
    /// For people
    #[default]
    Table,
    /// The JSON form: pretty on a terminal, one line elsewhere
    Json,
    /// The source's own bytes: the row or document that was imported, else the body
    Original,
}

/// Asks and prints.
///
/// # Errors
/// The server's; an entry without an original.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    if args.history && args.output == GetForm::Original {
        return Err(Failure::usage(
            "the original is that of one revision; leave --history out, and choose with --as-of",
        ));
    }
    if args.suggested && args.output == GetForm::Original {
        return Err(Failure::usage(
            "the original is what its source wrote; leave --suggested out, or say -o json",
        ));
    }
    args.source
        .with(async |client| answer(client, &args, screen).await)
        .await
}

async fn answer(client: Client, args: &Args, screen: &Screen) -> Result<(), Failure> {
    let mut out = stdout();
    let as_of = args.as_of.map(Point::as_of);
    let found = match args.suggested {
        true => args.entry.with_suggestions(&client, as_of).await?,
        false => args.entry.get(&client, as_of, false).await?,
    };
    let entry = found.entry.unwrap_or_default();
    let shown = Shown::entry(&entry)?;
    if args.history {
        let records = history::ask(&client, &shown, as_of).await?;
        history::print(&mut out, screen, &entry, &records, args.output == GetForm::Json)?;
    } else {
        match args.output {
            GetForm::Original => out.write_all(&original(&shown)?)?,
            GetForm::Json => {
                let value = Value::Object(entry_json(&shown, &entry));
                if screen.out_terminal {
                    write!(out, "{}", pretty(&value))?
                } else {
                    writeln!(out, "{value}")?
                }
            }
            GetForm::Table => {
                card(&mut out, screen.ink(), &shown, &entry)?;
                if args.suggested {
                    suggested::block(&mut out, screen.ink(), &shown)?;
                }
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// The source's own bytes, exactly.
fn original(shown: &Shown<'_>) -> Result<Vec<u8>, Failure> {
    let content = &shown.content;
    if !content.raw.is_empty() {
        return Ok(content.raw.to_vec());
    }
    if !content.body.is_empty() {
        return Ok(content.body.clone().into_bytes());
    }
    Err(Failure::failed(match shown.payload {
        None => "the content was erased; what is left is shown by: chancery get ENTRY --history",
        Some(_) => "the entry has no original: it came neither from a row nor with a body; use -o json",
    }))
}

/// The JSON form of an entry, with what only an entry has.
pub fn entry_json(shown: &Shown<'_>, entry: &proto::Entry) -> Map<String, Value> {
    let mut object = shown.json(true);
    if entry.held {
        object.insert("held".to_owned(), true.into());
    }
    if !entry.links.is_empty() {
        let link = |link: &crate::record::codec::Relation| json!({ "type": word("RelationType", link.r#type), "series": link.series, "key": link.key });
        object.insert("links".to_owned(), entry.links.iter().map(link).collect());
    }
    object
}

/// The entry for people: a line for each thing that it says.
fn card(out: &mut dyn Write, ink: Ink, shown: &Shown<'_>, entry: &proto::Entry) -> Result<(), Failure> {
    let (leaf, content) = (&shown.leaf, &shown.content);
    writeln!(
        out,
        "{}",
        ink.cyan(plain(&format!("{}/{}", leaf.series, leaf.key)))
    )?;
    if !content.title.is_empty() {
        writeln!(out, "{}", ink.bold(plain(&content.title)))?;
    }
    let status = shown.status.map_or("", crate::record::Status::word);
    let status = if status == "current" {
        ink.green(status)
    } else {
        ink.yellow(status)
    };
    let held = if entry.held { " · held" } else { "" };
    let kind = leaf.kind;
    writeln!(
        out,
        "{kind} · {status}{held} · revision {} · position {}",
        leaf.revision, shown.position
    )?;
    writeln!(out)?;
    for (label, text) in facts(shown, entry) {
        writeln!(out, "{} {}", ink.dim(format_args!("{label:<13}")), plain(&text))?;
    }
    if shown.payload.is_none() {
        writeln!(
            out,
            "{}",
            ink.yellow("the content was erased by law; every proof stays")
        )?;
    }
    if !content.body.is_empty() {
        writeln!(out, "\n{}", plain_lines(&content.body))?;
    }
    Ok(())
}

/// What the entry says, as label and text.
fn facts(shown: &Shown<'_>, entry: &proto::Entry) -> Vec<(String, String)> {
    let content = &shown.content;
    let mut facts = Vec::new();
    let mut say = |label: &str, text: String| facts.push((label.to_owned(), text));
    for date in &content.dates {
        let stated = if date.stated.is_empty() {
            String::new()
        } else {
            format!(" (“{}”)", date.stated)
        };
        say(&word("DateRole", date.role), format!("{}{stated}", date.edtf));
    }
    for (at, one) in content.participants.iter().enumerate() {
        let side = word("Side", one.side);
        say(
            if side.is_empty() { "participant" } else { &side },
            participant(shown, at, one),
        );
    }
    described(content, &mut say);
    for one in &content.types {
        let code = format!("{}:{}", one.scheme, one.code);
        let parts = [code.as_str(), &one.label, &one.mode];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        say("type", parts.join(" "));
    }
    let words = derived::words(&shown.derived);
    if !words.is_empty() {
        say("derived", words.join(" · "));
    }
    for place in &content.places {
        let country = place
            .country
            .as_ref()
            .map(|country| country.code.clone())
            .unwrap_or_default();
        let parts = [place.name.clone(), place.admin1.clone(), country];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        say("place", parts.join(", "));
    }
    for topic in content.topics.iter().chain(&content.contexts) {
        say(
            "topic",
            if topic.word.is_empty() {
                topic.code.clone()
            } else {
                topic.word.clone()
            },
        );
    }
    for measure in &content.measures {
        say(&measure.name, measure.value.clone());
    }
    for report in &content.reports {
        let parts = [
            report.publisher.as_str(),
            report.citation.as_str(),
            report.url.as_str(),
        ];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        match parts.is_empty() {
            false => say("reported by", parts.join(", ")),
            true => say("reported as", report.sentence.clone()),
        }
    }
    for relation in content.relations.iter().chain(&entry.links) {
        let is_withdrawn = relation.r#type() == RelationType::ReportedIn
            && entry
                .retracted_documents
                .iter()
                .any(|document| (&document.series, &document.key) == (&relation.series, &relation.key));
        let withdrawn = if is_withdrawn { " (retracted)" } else { "" };
        say(
            &word("RelationType", relation.r#type),
            format!("{}/{}{withdrawn}", relation.series, relation.key),
        );
    }
    extras(content, &mut say);
    came(shown, &mut say);
    facts
}

/// What the entry describes: its names, each on its days, its identifiers and offices.
fn described(content: &Content, say: &mut impl FnMut(&str, String)) {
    let with = |text: &str, beside: &str, from: &str, to: &str| {
        let days = Validity::new(from, to).to_string();
        let beside: Vec<&str> = [beside, &days]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        match beside.is_empty() {
            true => text.to_owned(),
            false => format!("{text} ({})", beside.join(", ")),
        }
    };
    for name in &content.names {
        say("name", with(&name.name, &name.language, &name.from, &name.to));
    }
    for own in &content.identifiers {
        say("identifier", format!("{}:{}", own.scheme, own.code));
    }
    for office in &content.offices {
        let country = office.country.as_ref().map_or("", |country| &country.code);
        say("office", with(&office.office, country, &office.from, &office.to));
    }
}

fn extras(content: &Content, say: &mut impl FnMut(&str, String)) {
    const EXTRAS_MAX: usize = 6;
    for extra in content.extra.iter().take(EXTRAS_MAX) {
        say(&extra.name, extra.value.clone());
    }
    if content.extra.len() > EXTRAS_MAX {
        say(
            "",
            format!(
                "… and {} more columns: -o json shows all",
                content.extra.len() - EXTRAS_MAX
            ),
        );
    }
}

/// How and when the record came, and why.
fn came(shown: &Shown<'_>, say: &mut impl FnMut(&str, String)) {
    let leaf = &shown.leaf;
    let payload = shown
        .payload
        .and_then(|bytes| decode_payload(bytes).ok())
        .unwrap_or_default();
    if let Some(provenance) = payload.provenance {
        let line = if provenance.line > 0 {
            format!(" line {}", provenance.line)
        } else {
            String::new()
        };
        say(
            "came from",
            format!("{} ({}){line}", provenance.file, provenance.importer),
        );
    }
    say(
        "recorded",
        format!("{} by {}", moment(leaf.recorded), leaf.principal),
    );
    let statement = payload.statement.unwrap_or_default();
    let reasons = [leaf.reason, statement.explanation.as_str()];
    let reasons: Vec<&str> = reasons.into_iter().filter(|text| !text.is_empty()).collect();
    if !reasons.is_empty() {
        say("because", reasons.join(": "));
    }
}

/// `Qamar Javed Bajwa, Chief of Army Staff (PAK, MIL)`.
fn participant(shown: &Shown<'_>, at: usize, one: &Participant) -> String {
    let mut text = named(one);
    if !one.office.is_empty() && one.office != text {
        text.push_str(&format!(", {}", one.office));
    }
    let codes = shown.countries_of(at, one).into_iter();
    let codes: Vec<String> = codes
        .chain(one.sectors.iter().map(|sector| sector.code.clone()))
        .collect();
    if !codes.is_empty() {
        text.push_str(&format!(" ({})", codes.join(", ")));
    }
    text
}

//! `chancery suggest`: what a dispatch seems to say, and how good such suggestions are.
//!
//! It needs no daemon: suggestions are a function of the text alone. Nothing is stored.

use super::failure::Failure;
use super::input;
use super::output::{Form, print, table};
use super::screen::{Screen, count, stdout};
use super::suggested::{object, short};
use crate::import::dispatch;
use crate::record::date::DaySpan;
use crate::rpc::suggested::wire;
use crate::suggest::evaluate::{Labelled, Scores};
use crate::suggest::{Document, Suggested, Suggestion, suggest, version};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// The most bytes of an input.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Says what a text seems to say.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The text, as UTF-8, perhaps with the header of a dispatch; - for stdin
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The day on which it was reported, YYYY-MM-DD, by default that of its header: "on Wednesday" is resolved against it, and left out
    /// without it
    #[arg(long, value_name = "DAY", value_parser = day)]
    reported: Option<i32>,
    /// Its title, by default that of its header
    #[arg(long, value_name = "TEXT", default_value = "")]
    title: String,
    /// Take the file for a labelled set, one JSON object a line, and say how good suggestions for it are
    #[arg(long, conflicts_with_all = ["reported", "title"])]
    evaluate: bool,
    /// With --evaluate: say of each text what was suggested and not labelled, and what was labelled and not suggested
    #[arg(long, requires = "evaluate")]
    differences: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

fn day(text: &str) -> Result<i32, String> {
    let span = DaySpan::of(text).ok().filter(|span| span.earliest == span.latest);
    let day = span.and_then(|span| span.earliest);
    day.ok_or_else(|| "no day; give one as 2021-10-14".to_owned())
}

/// Reads, and prints what is suggested.
///
/// # Errors
/// An input that cannot be read or is not UTF-8; a line of a labelled set that cannot be read.
pub fn run(args: &Args, screen: &Screen) -> Result<(), Failure> {
    let text = input::text(&args.file, INPUT_BYTES_MAX, "give it in parts")?;
    if args.evaluate {
        return evaluate(&text, args, screen);
    }
    // What an import would take for a header is none of the text.
    let header = dispatch::parts(&text);
    let (date, headline, body) = match &header {
        Some((date, headline, body)) => (day(date).ok(), *headline, body.as_str()),
        None => (None, "", text.as_str()),
    };
    let document = Document {
        title: if args.title.is_empty() {
            headline
        } else {
            &args.title
        },
        text: body,
        reported: args.reported.or(date),
    };
    let found = suggest(document);
    match args.output {
        Form::Json => found
            .iter()
            .try_for_each(|one| Ok(writeln!(stdout(), "{}", object(&wire(one)))?)),
        Form::Table => show(&found, &document, screen),
    }
}

fn show(found: &[Suggestion], document: &Document<'_>, screen: &Screen) -> Result<(), Failure> {
    let mut rows = table(screen, &["where", "kind", "suggested", "because of", "rule"]);
    for one in found {
        let whole = match one.part {
            crate::suggest::Part::Title => document.title,
            crate::suggest::Part::Text => document.text,
        };
        rows.add_row([
            format!("{} {}", one.part.word(), one.range.start),
            one.what.word().to_owned(),
            suggested(&one.what),
            short(&whole[one.range.clone()]),
            one.rule.word().to_owned(),
        ]);
    }
    print(&mut stdout(), &rows)?;
    screen.note(format_args!(
        "{} {}, by the rules of {}; none of them is stated",
        count(found.len() as u64),
        if found.len() == 1 {
            "suggestion"
        } else {
            "suggestions"
        },
        version()
    ));
    Ok(())
}

/// A code of an event with what it means.
fn suggested(what: &Suggested) -> String {
    let label = match what {
        Suggested::Event(code) => crate::derive::types().cameo(code).map(|cameo| cameo.label),
        _ => None,
    };
    label.map_or_else(|| what.to_string(), |label| format!("{what} {label}"))
}

fn evaluate(text: &str, args: &Args, screen: &Screen) -> Result<(), Failure> {
    let mut scores = Scores::default();
    let mut texts = 0_u64;
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let labelled: Labelled = serde_json::from_str(line)
            .map_err(|error| Failure::failed(format!("line {number} is no labelled text: {error}")))?;
        texts += 1;
        let differences = scores.add(&labelled);
        for (field, difference) in differences.iter().filter(|_| args.differences) {
            for (what, names) in [
                ("not labelled", &difference.wrong),
                ("not suggested", &difference.missing),
            ] {
                if !names.is_empty() {
                    writeln!(stdout(), "line {number}: {field}, {what}: {}", names.join(", "))?;
                }
            }
        }
    }
    if args.output == Form::Json {
        for (field, score) in scores.all() {
            let line = json!({
                "field": field, "precision": score.precision(), "recall": score.recall(), "f1": score.f1(),
                "right": score.right, "wrong": score.wrong, "missing": score.missing,
            });
            writeln!(stdout(), "{line}")?;
        }
        return Ok(());
    }
    let mut rows = table(
        screen,
        &["field", "precision", "recall", "F1", "right", "wrong", "missing"],
    );
    for (field, score) in scores.all() {
        let share = |share: f64| format!("{share:.3}");
        rows.add_row([
            field.to_owned(),
            share(score.precision()),
            share(score.recall()),
            share(score.f1()),
            count(score.right).to_string(),
            count(score.wrong).to_string(),
            count(score.missing).to_string(),
        ]);
    }
    print(&mut stdout(), &rows)?;
    screen.note(format_args!(
        "{} texts, by the rules of {}",
        count(texts),
        version()
    ));
    Ok(())
}

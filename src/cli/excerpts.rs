//! Where the words of a filter stand, shown: `search --excerpts`.

use super::failure::Failure;
use super::screen::{Ink, Screen, plain};
use super::shown::Shown;
use crate::record::codec::Span;
use crate::rpc::proto::{Excerpt, Excerpts};
use serde_json::{Value, json};
use std::io::Write;

/// The member `excerpts` of an entry's JSON form.
pub fn json(excerpts: &Excerpts) -> Value {
    let span = |span: &Span| json!({ "from": span.from, "to": span.to });
    let one = |one: &Excerpt| {
        json!({
            "path": one.path,
            "place": one.place.as_ref().map(span),
            "text": one.text,
            "matches": one.matches.iter().map(span).collect::<Vec<_>>(),
        })
    };
    excerpts.excerpts.iter().map(one).collect()
}

/// An entry in a line, and below it the parts of its texts in which the words stand, these bold on a terminal.
///
/// # Errors
/// As the writer.
pub fn print(
    out: &mut dyn Write,
    screen: &Screen,
    entry: &Shown<'_>,
    excerpts: Option<&Excerpts>,
) -> Result<(), Failure> {
    let ink = screen.ink();
    let date = entry.date();
    let (headline, name) = (entry.headline(), entry.entry_short());
    let parts = [plain(&date).into_owned(), headline, ink.cyan(name)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    writeln!(out, "{}", parts.join("  "))?;
    for excerpt in excerpts.iter().flat_map(|all| &all.excerpts) {
        writeln!(
            out,
            "    {} {}",
            ink.dim(format_args!("{}:", excerpt.path)),
            marked(ink, excerpt)
        )?;
    }
    Ok(())
}

/// The text of an excerpt in one line.
fn marked(ink: Ink, excerpt: &Excerpt) -> String {
    let begin = excerpt.place.as_ref().map_or(0, |place| place.from);
    let is_in = |at: u64| excerpt.matches.iter().any(|span| span.from <= at && at < span.to);
    let letters: Vec<(bool, char)> = (begin..)
        .zip(excerpt.text.chars())
        .map(|(at, letter)| (is_in(at), letter))
        .collect();
    let mut line = String::new();
    for some in letters.chunk_by(|(a, _), (b, _)| a == b) {
        let text: String = some.iter().map(|(_, letter)| *letter).collect();
        let text = plain(&text);
        if some[0].0 {
            line.push_str(&ink.bold(text));
        } else {
            line.push_str(&text);
        }
    }
    line.trim().to_owned()
}

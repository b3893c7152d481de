//! Excerpts of an answer: a line under the row of a table, a member of a JSON object.

use super::screen::{Ink, plain};
use crate::record::codec::Span;
use crate::rpc::proto;
use serde_json::{Value, json};

/// The line under an entry's row: where its best excerpt stands, and the excerpt with its matches in bold; the next best where that
/// is the title, which the row has. `None` where there is none.
pub fn line(excerpts: &proto::Excerpts, ink: Ink) -> Option<String> {
    let all = &excerpts.excerpts;
    let shown = all
        .iter()
        .find(|one| one.path != "title")
        .or_else(|| all.first())?;
    let span = shown.span.unwrap_or_default();
    let mut line = format!("  {}", ink.dim(format_args!("{}: ", plain(&shown.path))));
    if span.from > 0 {
        line.push_str(&ink.dim("…"));
    }
    for (text, is_match) in parts(&shown.text, span.from, &shown.matches) {
        let text = plain(&text).into_owned();
        line.push_str(&if is_match { ink.bold(text) } else { ink.dim(text) });
    }
    if span.to < shown.length {
        line.push_str(&ink.dim("…"));
    }
    Some(line)
}

/// A text cut into what matches and what does not. The matches are told as places in a text of which this one begins at `from`.
fn parts(text: &str, from: u64, matches: &[Span]) -> Vec<(String, bool)> {
    let mut parts: Vec<(String, bool)> = Vec::new();
    let mut matches = matches.iter().peekable();
    for (at, character) in (from..).zip(text.chars()) {
        while matches.next_if(|span| span.to <= at).is_some() {}
        let is_match = matches.peek().is_some_and(|span| span.from <= at);
        match parts.last_mut() {
            Some((part, kind)) if *kind == is_match => part.push(character),
            _ => parts.push((character.to_string(), is_match)),
        }
    }
    parts
}

/// The excerpts as JSON.
pub fn json(excerpts: &proto::Excerpts) -> Value {
    let span = |span: &Span| json!({ "from": span.from, "to": span.to });
    let one = |one: &proto::Excerpt| {
        let own = one.span.unwrap_or_default();
        json!({
            "path": one.path,
            "from": own.from,
            "to": own.to,
            "length": one.length,
            "text": one.text,
            "matches": one.matches.iter().map(span).collect::<Vec<_>>(),
        })
    };
    excerpts.excerpts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_told_apart_and_cuts_are_shown() {
        let span = |from, to| Span { from, to };
        let excerpt = proto::Excerpt {
            path: "body".into(),
            span: Some(span(10, 22)),
            length: 30,
            text: "ö the\nborder".into(),
            matches: vec![span(12, 15), span(16, 22)],
        };
        let parts = parts(&excerpt.text, 10, &excerpt.matches);
        let parts: Vec<(&str, bool)> = parts.iter().map(|(text, is)| (text.as_str(), *is)).collect();
        assert_eq!(
            parts,
            [("ö ", false), ("the", true), ("\n", false), ("border", true)]
        );
        let title = proto::Excerpt {
            path: "title".into(),
            ..proto::Excerpt::default()
        };
        let all = proto::Excerpts {
            excerpts: vec![title, excerpt],
        };
        assert_eq!(line(&all, Ink::off()).unwrap(), "  body: …ö the border…");
        assert_eq!(line(&proto::Excerpts::default(), Ink::off()), None);
    }
}

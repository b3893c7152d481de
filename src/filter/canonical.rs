//! The one text of a filter: every short form written out, every value in one form. It parses to the same
//! tree.

use super::field::Field;
use super::tree::{Compare, DateCompare, Moment, Node, Test, TextCheck};
use super::value::FLAGS;
use super::words::Phrase;
use crate::derive::{Basis, Iso3};
use crate::record::Recorded;
use std::fmt::{self, Display};

/// A text in double quotes, escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | '*') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
    out
}

/// A value, in quotes where it needs them.
fn value(text: &str, star: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+:>~?%".contains(&byte);
    let star = if star { "*" } else { "" };
    match !text.is_empty() && text.bytes().all(plain) {
        true => format!("{text}{star}"),
        false => {
            let mut out = quoted(text);
            out.insert_str(out.len() - 1, star);
            out
        }
    }
}

/// The text of the filter of a series and of what its keys begin with.
pub(super) fn of_keys(series: &str, start: &str) -> String {
    format!(
        "series = {} AND key = {}",
        value(series, false),
        value(start, true)
    )
}

/// The canonical text of a tree.
pub(super) fn text_of(root: &Node, basis: Option<Basis>) -> String {
    let basis = basis.map(|basis| match basis {
        Basis::Stated => "basis = stated",
        Basis::Derived => "basis = derived",
        Basis::Suggested => "basis = suggested",
    });
    match (root, basis) {
        (Node::All, None) => String::new(),
        (Node::All, Some(basis)) => basis.to_owned(),
        (root, None) => root.to_string(),
        (root @ Node::Or(_), Some(basis)) => format!("({root}) AND {basis}"),
        (root, Some(basis)) => format!("{root} AND {basis}"),
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::And(nodes) => joined(f, nodes, " AND "),
            Self::Or(nodes) => joined(f, nodes, " OR "),
            Self::Not(node) => {
                f.write_str("NOT ")?;
                operand(f, node)
            }
            Self::Test(test) => test.fmt(f),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, nodes: &[Node], join: &str) -> fmt::Result {
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            f.write_str(join)?;
        }
        operand(f, node)?;
    }
    Ok(())
}

fn operand(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    match node {
        Node::And(_) | Node::Or(_) => write!(f, "({node})"),
        other => other.fmt(f),
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "kind = {kind}"),
            Self::Act(act) => write!(f, "act = {act}"),
            Self::Status(status) => write!(f, "status = {status}"),
            Self::Flag(flag) => {
                let word = FLAGS
                    .iter()
                    .find(|(_, own)| own == flag)
                    .map_or("", |(word, _)| word);
                write!(f, "flag = {word}")
            }
            Self::Exact { field, text, prefix } => write!(f, "{field} = {}", value(text, *prefix)),
            Self::Number {
                field,
                compare,
                value,
            } => write!(f, "{field} {compare} {value}"),
            Self::Recorded { compare, moment } => write!(f, "recorded {compare} {moment}"),
            Self::Date {
                field,
                how: DateCompare::Certainly(compare),
                text,
                ..
            } => {
                write!(f, "{field} {compare} {}", value(text, false))
            }
            Self::Date { field, text, .. } => write!(f, "possibly({field}, {})", value(text, false)),
            Self::Country { field, code } => write!(f, "{field} = {code}"),
            Self::Dyad {
                first,
                second,
                directed,
            } => dyad(f, first, second, *directed),
            Self::ActorDyad {
                first,
                second,
                directed,
            } => {
                let sign = if *directed { ">" } else { "," };
                write!(f, "actor_dyad = {}", quoted(&format!("{first}{sign}{second}")))
            }
            Self::Known(known) => known.asked.fmt(f),
            Self::Text { field, check } => text_check(f, field, check),
            Self::Code { field, scheme, check } => code_check(f, field, scheme.as_deref(), check),
            Self::Related { relation, entry } => {
                write!(
                    f,
                    "{} = {}",
                    Field::Related(*relation),
                    value(&entry.to_string(), false)
                )
            }
            Self::Root { scheme, code } => write!(f, "root = {}", value(&format!("{scheme}:{code}"), false)),
            Self::Quad(quad) => write!(f, "quad = {}", quad.name()),
            Self::Near {
                latitude,
                longitude,
                km,
            } => write!(f, "near({latitude}, {longitude}, {km})"),
            Self::Measure { compare, value, .. } | Self::ExtraNumber { compare, value, .. } => self
                .field()
                .map_or(Ok(()), |field| write!(f, "{field} {compare} {value}")),
            Self::ExtraText { check, .. } => {
                self.field().map_or(Ok(()), |field| text_check(f, &field, check))
            }
            Self::Words(words) => f.write_str(&phrase(words)),
            Self::Has(field) => write!(f, "has:{field}"),
            Self::Basis { basis, .. } => write!(f, "basis = {basis:?}"),
        }
    }
}

fn dyad(f: &mut fmt::Formatter<'_>, first: &Iso3, second: &Iso3, directed: bool) -> fmt::Result {
    let sign = if directed { '>' } else { '-' };
    write!(f, "dyad = {first}{sign}{second}")
}

fn phrase(words: &Phrase) -> String {
    let mut out = quoted(words.shown());
    if words.starred() {
        out.insert(out.len() - 1, '*');
    }
    out
}

fn text_check(f: &mut fmt::Formatter<'_>, field: &impl Display, check: &TextCheck) -> fmt::Result {
    match check {
        TextCheck::Is(text) => write!(f, "{field} = {}", value(text, false)),
        TextCheck::Literal(text) => write!(f, "{field} = {}", quoted(&format!("={text}"))),
        TextCheck::Prefix(text) => write!(f, "{field} = {}", value(text, true)),
        TextCheck::Has(words) => write!(f, "{field} : {}", phrase(words)),
        TextCheck::Part(text) => write!(f, "{field} : {}", value(text, false)),
    }
}

fn code_check(
    f: &mut fmt::Formatter<'_>,
    field: &impl Display,
    scheme: Option<&str>,
    check: &TextCheck,
) -> fmt::Result {
    let with = |text: &str| scheme.map_or_else(|| text.to_owned(), |scheme| format!("{scheme}:{text}"));
    match check {
        TextCheck::Is(text) => write!(f, "{field} = {}", value(&with(text), false)),
        TextCheck::Prefix(text) => write!(f, "{field} = {}", value(&with(text), true)),
        other => text_check(f, field, other),
    }
}

impl Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Recorded::from_nanos(self.from).to_string();
        match self.to - self.from {
            1 => f.write_str(&text),
            _ => f.write_str(text.split('T').next().unwrap_or(&text)),
        }
    }
}

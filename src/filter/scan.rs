//! The text of a filter, read piece by piece: words, operators, values, columns.

use super::error::{FilterError, FilterProblem};

/// An operator between a field and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
}

/// The longest first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Op); 7] = [
    ("!=", Op::NotEqual),
    ("<=", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("=", Op::Equal),
    ("<", Op::Less),
    (">", Op::Greater),
    (":", Op::Has),
];

/// A value, with its quotes and its final `*` taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) star: bool,
    /// The byte at which it starts.
    pub(super) at: usize,
}

/// Where the reading of a text has come to. Copies are cheap, to look ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `piece` where it comes next.
    pub(super) fn take(&mut self, piece: &str) -> bool {
        let comes = self.rest().starts_with(piece);
        if comes {
            self.at += piece.len();
        }
        comes
    }

    /// Takes characters for as long as `keep` says.
    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|letter| !keep(letter)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A field's name or a bare word; empty where none comes.
    pub(super) fn word(&mut self) -> &'a str {
        self.take_while(|letter| !ends_value(letter) && !matches!(letter, '=' | '!' | '<' | '>' | ':'))
    }

    /// The word that comes next, without taking it.
    pub(super) fn ahead(mut self) -> &'a str {
        self.word()
    }

    /// The operator that comes next, spaces before it skipped; nothing is taken where none comes.
    pub(super) fn operator(&mut self) -> Option<Op> {
        let mut after = *self;
        after.skip_space();
        let (sign, op) = OPERATORS
            .into_iter()
            .find(|(sign, _)| after.rest().starts_with(sign))?;
        after.at += sign.len();
        *self = after;
        Some(op)
    }

    /// A value: quoted, or up to the next space, comma or parenthesis.
    pub(super) fn value(&mut self) -> Result<Value, FilterError> {
        self.skip_space();
        match self.peek() {
            Some('"' | '\'') => self.quoted(),
            _ => self.unquoted(),
        }
    }

    fn unquoted(&mut self) -> Result<Value, FilterError> {
        let at = self.at;
        let raw = self.take_while(|letter| !ends_value(letter));
        if raw.is_empty() {
            return Err(self.expected("a value"));
        }
        self.starred(raw, at)
    }

    fn starred(&self, raw: &str, at: usize) -> Result<Value, FilterError> {
        let (text, star) = raw.strip_suffix('*').map_or((raw, false), |text| (text, true));
        if let Some(inner) = text.find('*') {
            return Err(self.star_inside(at + inner));
        }
        Ok(Value {
            text: text.to_owned(),
            star,
            at,
        })
    }

    /// A bare word, as [`Self::word`] reads it, with its final `*` taken off.
    pub(super) fn unquoted_word(&mut self) -> Result<Value, FilterError> {
        let at = self.at;
        let raw = self.word();
        self.starred(raw, at)
    }

    /// A text in quotes, with `\"`, `\'`, `\\` and `\*` for the characters themselves.
    pub(super) fn quoted(&mut self) -> Result<Value, FilterError> {
        let at = self.at;
        let quote = self.peek().unwrap_or('"');
        let (mut text, mut star) = (String::new(), None);
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((offset, letter)) = letters.next() {
            if let Some(star) = star.filter(|_| letter != quote) {
                return Err(self.star_inside(star));
            }
            match letter {
                _ if letter == quote => {
                    self.at = at + offset + letter.len_utf8();
                    return Ok(Value {
                        text,
                        star: star.is_some(),
                        at,
                    });
                }
                '*' => star = Some(at + offset),
                '\\' => match letters.next() {
                    Some((_, escaped @ ('"' | '\'' | '\\' | '*'))) => text.push(escaped),
                    _ => {
                        let here = Self {
                            at: at + offset,
                            ..*self
                        };
                        return Err(here.expected("`\\\"`, `\\'`, `\\\\` or `\\*`"));
                    }
                },
                other => text.push(other),
            }
        }
        Err(self.error(
            at,
            FilterProblem::Syntax,
            "a quote that is not closed",
            "a closing quote",
        ))
    }

    fn star_inside(&self, at: usize) -> FilterError {
        let expected = "`*` only at the end of a value; write `\"\\*\"` for the character itself";
        self.error(at, FilterProblem::Value, "`*`", expected)
    }

    /// That something else was expected here.
    pub(super) fn expected(&self, expected: &str) -> FilterError {
        self.error(self.at, FilterProblem::Syntax, &self.found(), expected)
    }

    /// What comes next, in backticks.
    pub(super) fn found(&self) -> String {
        let word: String = match self.peek() {
            None => return "the end of the filter".to_owned(),
            Some(letter) if ends_value(letter) => letter.to_string(),
            Some(_) => self
                .rest()
                .chars()
                .take_while(|letter| !ends_value(*letter))
                .collect(),
        };
        shown(&word)
    }

    /// An error at a byte of the text.
    pub(super) fn error(
        &self,
        at: usize,
        problem: FilterProblem,
        found: &str,
        expected: &str,
    ) -> FilterError {
        let before = self.text.get(..at).unwrap_or(self.text);
        FilterError {
            column: before.chars().count() + 1,
            found: found.to_owned(),
            expected: expected.to_owned(),
            problem,
            actual: None,
        }
    }

    /// An error at a byte: so much of what has a limit.
    pub(super) fn excess(
        &self,
        at: usize,
        problem: FilterProblem,
        (actual, unit): (usize, &str),
        limit: &str,
    ) -> FilterError {
        FilterError {
            actual: Some(actual),
            ..self.error(at, problem, &format!("{actual} {unit}"), limit)
        }
    }
}

/// A text in backticks, cut after 32 characters.
pub(super) fn shown(text: &str) -> String {
    let cut = text.chars().nth(32).map_or("", |_| "...");
    let start: String = text.chars().take(32).collect();
    format!("`{start}{cut}`")
}

fn ends_value(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '(' | ')' | '"' | ',')
}

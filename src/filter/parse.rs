//! The grammar: conditions joined by AND, OR and NOT, read by recursive descent.
//!
//! The grammar is that of AIP-160 with one difference: AND (also as mere adjacency) and OR at one level are
//! refused, because AIP-160 binds OR tighter and most people do not expect it. [`super::value`] reads what
//! stands behind an operator.

use super::error::{FilterError, FilterProblem};
use super::field::Field;
use super::scan::{Op, Scanner, Value, shown};
use super::tree::{DateCompare, Node, Test};
use super::value::{self, Wrong};
use super::words::Phrase;
use super::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_NODES_MAX};
use crate::derive::{Basis, fold};

/// Reads a filter: its tree, and the basis where it names one.
pub(super) fn parse(text: &str) -> Result<(Node, Option<Basis>), FilterError> {
    let mut scanner = Scanner::new(text);
    if text.len() > FILTER_BYTES_MAX {
        let limit = format!("{FILTER_BYTES_MAX} bytes");
        return Err(scanner.excess(0, FilterProblem::TooLong, (text.len(), "bytes"), &limit));
    }
    scanner.skip_space();
    if scanner.peek().is_none() {
        return Ok((Node::All, None));
    }
    let mut parser = Parser { scanner, nodes: 0 };
    let root = parser.joined(1, None)?;
    match parser.scanner.peek() {
        None => take_basis(root, &parser.scanner),
        Some(_) => Err(parser.scanner.expected("AND, OR, a condition or the end")),
    }
}

/// Takes `basis` out of the tree: it may stand once, joined by AND to all the rest.
fn take_basis(root: Node, scanner: &Scanner) -> Result<(Node, Option<Basis>), FilterError> {
    let nodes = match root {
        Node::And(nodes) => nodes,
        other => vec![other],
    };
    let mut found = None;
    let mut kept = Vec::with_capacity(nodes.len());
    for node in nodes {
        match node {
            Node::Test(Test::Basis { basis, .. }) if found.is_none() => found = Some(basis),
            other => kept.push(other),
        }
    }
    let root = join_nodes(kept, Join::And);
    let mut elsewhere = None;
    root.each(&mut |test| {
        if let Test::Basis { at, .. } = test {
            elsewhere = elsewhere.or(Some(*at));
        }
    });
    match elsewhere {
        None => Ok((root, found)),
        Some(at) => {
            let expected = "`basis` once, outside parentheses, and joined by AND";
            Err(scanner.error(at, FilterProblem::Value, "`basis`", expected))
        }
    }
}

/// The field and operator before a list of values in parentheses: `country = (PAK OR IRN)`.
type Before<'a> = Option<(&'a Field, Op)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    And,
    Or,
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    nodes: usize,
}

impl<'a> Parser<'a> {
    /// Conditions joined by one connective, up to a closing parenthesis or the end.
    fn joined(&mut self, depth: usize, before: Before) -> Result<Node, FilterError> {
        let mut joined_by = None;
        let mut nodes = vec![self.negated(depth, before)?];
        loop {
            self.scanner.skip_space();
            let start = self.scanner;
            let Some(join) = self.connective()? else { break };
            match joined_by {
                None => self.count(start.at())?,
                Some(other) if other != join => {
                    let expected = "parentheses that say what belongs together, as in `a AND (b OR c)`";
                    return Err(start.error(start.at(), FilterProblem::Mixed, &start.found(), expected));
                }
                Some(_) => {}
            }
            joined_by = Some(join);
            nodes.push(self.negated(depth, before)?);
        }
        Ok(join_nodes(nodes, joined_by.unwrap_or(Join::And)))
    }

    /// AND, OR, or AND by mere adjacency; `None` where the level ends.
    fn connective(&mut self) -> Result<Option<Join>, FilterError> {
        match self.scanner.peek() {
            None | Some(')') => return Ok(None),
            Some(',') => return Err(self.scanner.expected("AND, OR, a condition or the end")),
            Some(_) => {}
        }
        let join = match self.scanner.ahead() {
            "AND" => Join::And,
            "OR" => Join::Or,
            _ => return Ok(Some(Join::And)),
        };
        self.scanner.word();
        Ok(Some(join))
    }

    fn negated(&mut self, depth: usize, before: Before) -> Result<Node, FilterError> {
        self.scanner.skip_space();
        let at = self.scanner.at();
        let minus = before.is_none() && self.scanner.peek() == Some('-');
        if !minus && self.scanner.ahead() != "NOT" {
            return self.primary(depth, before);
        }
        match minus {
            true => self.scanner.take("-"),
            false => self.scanner.take("NOT"),
        };
        if minus && self.scanner.peek().is_none_or(char::is_whitespace) {
            return Err(self.scanner.expected("a condition right behind `-`"));
        }
        self.count(at)?;
        self.deeper(depth, at)?;
        Ok(negate(self.negated(depth + 1, before)?))
    }

    fn primary(&mut self, depth: usize, before: Before) -> Result<Node, FilterError> {
        let at = self.scanner.at();
        if self.scanner.take("(") {
            self.deeper(depth, at)?;
            let inner = self.joined(depth + 1, before)?;
            self.close()?;
            return Ok(inner);
        }
        self.count(at)?;
        if let Some((field, op)) = before {
            let value = self.scanner.value()?;
            return self.test(field, op, &value);
        }
        match self.scanner.peek() {
            Some('"' | '\'') => {
                let value = self.scanner.quoted()?;
                self.words(&value)
            }
            _ => self.word(depth),
        }
    }

    /// A condition that begins with a word: a function, a field with operator and value, or a bare word.
    fn word(&mut self, depth: usize) -> Result<Node, FilterError> {
        let start = self.scanner;
        let word = self.scanner.word().to_owned();
        if self.scanner.peek() == Some('(') && matches!(word.as_str(), "near" | "possibly") {
            return self.function(&word, start);
        }
        if self.scanner.peek() == Some('(') && !word.is_empty() {
            let expected = "`near(...)`, `possibly(...)`, or a space before the parenthesis";
            return Err(start.error(start.at(), FilterProblem::UnknownField, &shown(&word), expected));
        }
        let quoted_name = word.ends_with('.') && self.scanner.peek() == Some('"');
        let mut after = self.scanner;
        if !quoted_name && after.operator().is_none() {
            return self.bare_word(&word, start);
        }
        let field = self.field(&word, start)?;
        let before_operator = self.scanner;
        let Some(op) = self.scanner.operator() else {
            return Err(before_operator.expected("an operator: =, !=, <, <=, >, >= or :"));
        };
        let Some(field) = field else {
            return self.has(op, before_operator);
        };
        self.scanner.skip_space();
        let at = self.scanner.at();
        // `!=` is NOT and `=`, and counts as both.
        let depth = if op == Op::NotEqual { depth + 1 } else { depth };
        if op == Op::NotEqual {
            self.count(at)?;
            self.deeper(depth - 1, at)?;
        }
        if self.scanner.take("(") {
            return self.values(depth, at, &field, op);
        }
        let value = self.scanner.value()?;
        self.test(&field, op, &value)
    }

    /// A list of values in parentheses, behind an operator.
    fn values(&mut self, depth: usize, at: usize, field: &Field, op: Op) -> Result<Node, FilterError> {
        self.deeper(depth, at)?;
        let (op, negated) = if op == Op::NotEqual {
            (Op::Equal, true)
        } else {
            (op, false)
        };
        let inner = self.joined(depth + 1, Some((field, op)))?;
        self.close()?;
        Ok(if negated { negate(inner) } else { inner })
    }

    /// The field that `word` names, its quoted rest included; `None` for `has`.
    fn field(&mut self, word: &str, start: Scanner<'a>) -> Result<Option<Field>, FilterError> {
        if word == "has" {
            return Ok(None);
        }
        if let Some(name) = word.strip_prefix("measure.") {
            let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            return match !name.is_empty() && name.bytes().all(named) {
                true => Ok(Some(Field::Measure(name.to_ascii_lowercase()))),
                false => Err(start.expected("`measure.NAME`, the name of letters, digits and hyphens")),
            };
        }
        if let Some(column) = word.strip_prefix("extra.") {
            return self.column(column, start).map(Some);
        }
        if word.is_empty() {
            return Err(start.expected("a field or a word"));
        }
        Field::named(word)
            .map(Some)
            .ok_or_else(|| unknown_field(word, start))
    }

    /// The column of `extra.COLUMN` or `extra."COLUMN"`.
    fn column(&mut self, column: &str, start: Scanner<'a>) -> Result<Field, FilterError> {
        let expected = "`extra.COLUMN`, the column in quotes where it has spaces or signs";
        let column = match self.scanner.peek() {
            Some('"') if column.is_empty() => self.scanner.quoted()?,
            _ => Value {
                text: column.to_owned(),
                star: false,
                at: start.at(),
            },
        };
        let folded = fold(&column.text);
        match folded.trim() {
            "" => Err(start.expected(expected)),
            _ if column.star => Err(start.expected(expected)),
            name => Ok(Field::Extra(name.to_owned())),
        }
    }

    /// `has:FIELD`.
    fn has(&mut self, op: Op, operator: Scanner) -> Result<Node, FilterError> {
        if op != Op::Has {
            return Err(operator.error(
                operator.at(),
                FilterProblem::Operator,
                &operator.found(),
                "`has:FIELD`",
            ));
        }
        self.scanner.skip_space();
        let start = self.scanner;
        let word = self.scanner.word().to_owned();
        match self.field(&word, start)? {
            Some(Field::Basis) | None => Err(start.expected("a field")),
            Some(field) => Ok(Node::Test(Test::Has(field))),
        }
    }

    fn bare_word(&mut self, word: &str, start: Scanner<'a>) -> Result<Node, FilterError> {
        match word {
            "" => return Err(start.expected("a condition")),
            "AND" | "OR" => return Err(start.expected("a condition")),
            "and" | "or" | "not" => {
                let expected = format!("{} in capitals, or the word in quotes", word.to_uppercase());
                return Err(start.expected(&expected));
            }
            _ => {}
        }
        self.scanner = start;
        let value = self.scanner.unquoted_word()?;
        self.words(&value)
    }

    fn words(&mut self, value: &Value) -> Result<Node, FilterError> {
        let mut after = self.scanner;
        if after.operator().is_some() {
            return Err(self.scanner.expected("a field without quotes before an operator"));
        }
        let phrase = Phrase::read(&value.text, value.star).ok_or_else(|| {
            let found = shown(&value.text);
            self.scanner.error(
                value.at,
                FilterProblem::Value,
                &found,
                "at least one letter or digit",
            )
        })?;
        Ok(Node::Test(Test::Words(phrase)))
    }

    /// `near(lat, lon, km)` and `possibly(FIELD, DATE)`.
    fn function(&mut self, name: &str, start: Scanner<'a>) -> Result<Node, FilterError> {
        self.scanner.take("(");
        let mut values = Vec::new();
        loop {
            values.push(self.scanner.value()?);
            self.scanner.skip_space();
            if !self.scanner.take(",") {
                break;
            }
        }
        self.close()?;
        let test = match (name, values.as_slice()) {
            ("near", [latitude, longitude, km]) => value::near(latitude, longitude, km),
            ("possibly", [field, date]) => match Field::named(&field.text) {
                Some(field @ (Field::Occurred | Field::Reported | Field::MentionedDay)) => {
                    value::date(field, DateCompare::Possibly, date)
                }
                _ => Err(Wrong::value(field, "`occurred`, `reported` or `mentioned.day`")),
            },
            ("near", _) => return Err(start.expected("`near(latitude, longitude, kilometres)`")),
            _ => return Err(start.expected("`possibly(FIELD, DATE)`")),
        };
        test.map(Node::Test).map_err(|wrong| wrong.at(&self.scanner))
    }

    fn test(&self, field: &Field, op: Op, value: &Value) -> Result<Node, FilterError> {
        value::condition(field, op, value).map_err(|wrong| wrong.at(&self.scanner))
    }

    fn close(&mut self) -> Result<(), FilterError> {
        self.scanner.skip_space();
        match self.scanner.take(")") {
            true => Ok(()),
            false => Err(self.scanner.expected("`)`")),
        }
    }

    fn count(&mut self, at: usize) -> Result<(), FilterError> {
        self.nodes += 1;
        if self.nodes <= FILTER_NODES_MAX {
            return Ok(());
        }
        let found = (self.nodes, "conditions and connectives");
        let limit = FILTER_NODES_MAX.to_string();
        Err(self
            .scanner
            .excess(at, FilterProblem::TooManyNodes, found, &limit))
    }

    /// That one level more may begin at a byte.
    fn deeper(&self, depth: usize, at: usize) -> Result<(), FilterError> {
        if depth < FILTER_DEPTH_MAX {
            return Ok(());
        }
        let (found, limit) = ((depth + 1, "levels"), FILTER_DEPTH_MAX.to_string());
        Err(self.scanner.excess(at, FilterProblem::TooDeep, found, &limit))
    }
}

/// Joins nodes, taking those that are joined in the same way into one level.
fn join_nodes(nodes: Vec<Node>, join: Join) -> Node {
    let mut flat = Vec::with_capacity(nodes.len());
    for node in nodes {
        match (join, node) {
            (Join::And, Node::And(inner)) | (Join::Or, Node::Or(inner)) => flat.extend(inner),
            (_, other) => flat.push(other),
        }
    }
    match (join, flat.len()) {
        (_, 0) => Node::All,
        (_, 1) => flat.swap_remove(0),
        (Join::And, _) => Node::And(flat),
        (Join::Or, _) => Node::Or(flat),
    }
}

/// The opposite; twice the opposite is the thing itself.
pub(super) fn negate(node: Node) -> Node {
    match node {
        Node::Not(inner) => *inner,
        other => Node::Not(Box::new(other)),
    }
}

fn unknown_field(word: &str, start: Scanner) -> FilterError {
    let near = |name: &str| strsim::jaro_winkler(word, name);
    let nearest = Field::names().max_by(|a, b| near(a).total_cmp(&near(b)));
    let expected = match nearest.filter(|name| near(name) > 0.75) {
        Some(name) => format!("a field such as `{name}`; put a word that holds a sign in quotes"),
        None => "a field of the filter language; put a word that holds a sign in quotes".to_owned(),
    };
    start.error(start.at(), FilterProblem::UnknownField, &shown(word), &expected)
}

//! What stands behind an operator, read as the field wants it.

use super::countries::{actor_dyad, country, dyad};
use super::error::{FilterError, FilterProblem};
use super::field::Field;
use super::number::Decimal;
use super::parse::negate;
use super::scan::{Op, Scanner, Value, shown};
use super::tree::{Compare, DateCompare, Moment, Node, Test, TextCheck};
use super::words::Phrase;
use crate::derive::{Basis, Quad, fold};
use crate::record::codec::{Flag, RelationType};
use crate::record::date::DaySpan;
use crate::record::{EntryKey, Recorded};
use std::str::FromStr;

/// What is wrong with a value, before its column is known.
#[derive(Debug)]
pub(super) struct Wrong {
    at: usize,
    problem: FilterProblem,
    found: String,
    expected: String,
}

impl Wrong {
    /// A value where something else was expected.
    pub(super) fn value(value: &Value, expected: impl Into<String>) -> Self {
        let star = if value.star { "*" } else { "" };
        let found = shown(&format!("{}{star}", value.text));
        Self {
            at: value.at,
            problem: FilterProblem::Value,
            found,
            expected: expected.into(),
        }
    }

    fn operator(field: &Field, value: &Value, expected: &str) -> Self {
        let found = format!("an operator that `{field}` does not have");
        Self {
            at: value.at,
            problem: FilterProblem::Operator,
            found,
            expected: expected.to_owned(),
        }
    }

    /// The error, with its column.
    pub(super) fn at(&self, scanner: &Scanner) -> FilterError {
        scanner.error(self.at, self.problem, &self.found, &self.expected)
    }
}

/// What a value is read as, or what is wrong with it.
pub(super) type Read<T> = Result<T, Wrong>;

/// The condition that a field, an operator and a value make.
pub(super) fn condition(field: &Field, op: Op, value: &Value) -> Read<Node> {
    if op == Op::Has && value.star && value.text.is_empty() && *field != Field::Basis {
        return Ok(Node::Test(Test::Has(field.clone())));
    }
    if op == Op::NotEqual {
        return test(field, Op::Equal, value).map(|test| negate(Node::Test(test)));
    }
    test(field, op, value).map(Node::Test)
}

fn test(field: &Field, op: Op, value: &Value) -> Read<Test> {
    match field {
        Field::Kind => word(field, op, value).map(Test::Kind),
        Field::Act => word(field, op, value).map(Test::Act),
        Field::Status => word(field, op, value).map(Test::Status),
        Field::Flag => flag(op, value).map(Test::Flag),
        Field::Basis => basis(op, value),
        Field::Series | Field::Key | Field::Principal => exact(field, op, value),
        Field::Revision | Field::Position => number(field, op, value),
        Field::Recorded => recorded(op, value),
        Field::Occurred | Field::Reported | Field::MentionedDay => date(
            field.clone(),
            DateCompare::Certainly(compare(field, op, value)?),
            value,
        ),
        Field::Country
        | Field::SourceCountry
        | Field::TargetCountry
        | Field::MentionedCountry
        | Field::PlaceCountry => {
            only_equal(field, op, value)?;
            Ok(Test::Country {
                field: field.clone(),
                code: country(value)?,
            })
        }
        Field::Dyad => dyad(op, value),
        Field::ActorDyad => actor_dyad(op, value),
        Field::Sector | Field::Identifier | Field::Type | Field::Topic | Field::Context => {
            code(field, op, value)
        }
        Field::Related(relation) => related(*relation, op, value),
        Field::Actor => actor(op, value),
        Field::Root => root(op, value),
        Field::Quad => quad(op, value),
        Field::Measure(name) => {
            let compare = compare(field, op, value)?;
            Ok(Test::Measure {
                name: name.clone(),
                compare,
                value: decimal(value)?,
            })
        }
        Field::Extra(_) => extra(field, op, value),
        Field::Text if op != Op::Has => Err(Wrong::operator(
            field,
            value,
            "`text : WORDS`, as a whole text is never compared",
        )),
        Field::Name | Field::SourceName | Field::TargetName | Field::MentionedActor => text(field, op, value),
        Field::Mode | Field::Place | Field::MentionedPlace | Field::Text => text(field, op, value),
        Field::Title | Field::Publisher | Field::Language | Field::Url => text(field, op, value),
    }
}

/// `=`, and `:` as the same.
pub(super) fn only_equal(field: &Field, op: Op, value: &Value) -> Read<()> {
    match op {
        Op::Equal | Op::Has => Ok(()),
        _ => Err(Wrong::operator(field, value, "= or !=")),
    }
}

/// A value without a `*`.
pub(super) fn whole<'a>(value: &'a Value, expected: &str) -> Read<&'a str> {
    match value.star {
        false => Ok(value.text.trim()),
        true => Err(Wrong::value(value, format!("{expected}, without `*`"))),
    }
}

fn compare(field: &Field, op: Op, value: &Value) -> Read<Compare> {
    match op {
        Op::Equal => Ok(Compare::Equal),
        Op::Less => Ok(Compare::Less),
        Op::LessOrEqual => Ok(Compare::LessOrEqual),
        Op::Greater => Ok(Compare::Greater),
        Op::GreaterOrEqual => Ok(Compare::GreaterOrEqual),
        Op::Has | Op::NotEqual => Err(Wrong::operator(field, value, "=, !=, <, <=, > or >=")),
    }
}

/// A word of a closed list; the type's own error says which there are.
fn word<T: FromStr<Err = crate::record::WordError>>(field: &Field, op: Op, value: &Value) -> Read<T> {
    only_equal(field, op, value)?;
    let text = whole(value, "one word")?;
    text.parse().map_err(|error: crate::record::WordError| {
        let said = error.to_string();
        let allowed = said
            .split_once("use ")
            .map_or(said.as_str(), |(_, allowed)| allowed);
        Wrong::value(value, allowed)
    })
}

/// The flags and their words.
pub(super) const FLAGS: [(&str, Flag); 5] = [
    ("root", Flag::Root),
    ("historical", Flag::Historical),
    ("future", Flag::Future),
    ("hypothetical", Flag::Hypothetical),
    ("negated", Flag::Negated),
];

fn flag(op: Op, value: &Value) -> Read<Flag> {
    only_equal(&Field::Flag, op, value)?;
    let found = FLAGS.iter().find(|(word, _)| *word == value.text && !value.star);
    let expected = "one of root, historical, future, hypothetical, negated";
    found
        .map(|(_, flag)| *flag)
        .ok_or_else(|| Wrong::value(value, expected))
}

fn basis(op: Op, value: &Value) -> Read<Test> {
    if op != Op::Equal {
        return Err(Wrong::operator(&Field::Basis, value, "="));
    }
    let expected = "`stated`, `derived` or `suggested`";
    let basis = match whole(value, expected)? {
        "stated" => Basis::Stated,
        "derived" => Basis::Derived,
        "suggested" => Basis::Suggested,
        _ => return Err(Wrong::value(value, expected)),
    };
    Ok(Test::Basis { basis, at: value.at })
}

fn exact(field: &Field, op: Op, value: &Value) -> Read<Test> {
    only_equal(field, op, value)?;
    Ok(Test::Exact {
        field: field.clone(),
        text: value.text.clone(),
        prefix: value.star,
    })
}

fn related(relation: RelationType, op: Op, value: &Value) -> Read<Test> {
    only_equal(&Field::Related(relation), op, value)?;
    let expected = "an entry as SERIES/KEY, the whole key";
    let text = whole(value, expected)?;
    let entry = text
        .split_once('/')
        .and_then(|(series, key)| EntryKey::new(series, key).ok());
    let entry = entry.ok_or_else(|| Wrong::value(value, expected))?;
    Ok(Test::Related { relation, entry })
}

fn number(field: &Field, op: Op, value: &Value) -> Read<Test> {
    let expected = "a whole number, digits only";
    let compare = compare(field, op, value)?;
    let text = whole(value, expected)?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text
        .parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| Wrong::value(value, expected))?;
    Ok(Test::Number {
        field: field.clone(),
        compare,
        value,
    })
}

fn recorded(op: Op, value: &Value) -> Read<Test> {
    let expected =
        "a day as 2026-11-23, or a time as 2026-11-23T10:00:00Z; compare `position` with a position";
    let compare = compare(&Field::Recorded, op, value)?;
    let text = whole(value, expected)?;
    let wrong = || Wrong::value(value, expected);
    let is_day = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let start = if is_day {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let start: Recorded = start.parse().map_err(|_| wrong())?;
    let length = if is_day { 86_400_000_000_000 } else { 1 };
    let to = start.nanos().checked_add(length).ok_or_else(wrong)?;
    Ok(Test::Recorded {
        compare,
        moment: Moment {
            from: start.nanos(),
            to,
        },
    })
}

/// A date in EDTF.
pub(super) fn date(field: Field, how: DateCompare, value: &Value) -> Read<Test> {
    let expected = "a date in EDTF, as 1939, 2021-10, 2021-10-13, 1939-05~ or \"1939/1945\"";
    let text = whole(value, expected)?;
    let span =
        DaySpan::of(text).map_err(|error| Wrong::value(value, format!("{expected} ({})", error.problem)))?;
    Ok(Test::Date {
        field,
        how,
        text: text.to_owned(),
        span,
    })
}

/// `scheme:rest` in a folded value; a scheme is letters, digits and hyphens, and what follows is no address.
pub(super) fn split_scheme(folded: &str) -> (Option<String>, &str) {
    let Some((scheme, rest)) = folded.split_once(':') else {
        return (None, folded);
    };
    let begins = scheme
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    let named = scheme
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    match begins && named && !rest.starts_with([' ', '/', ':']) {
        true => (Some(scheme.to_owned()), rest),
        false => (None, folded),
    }
}

fn code(field: &Field, op: Op, value: &Value) -> Read<Test> {
    only_equal(field, op, value)?;
    let folded = fold(&value.text);
    let (mut scheme, text) = split_scheme(folded.trim());
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if *field == Field::Type && scheme.is_none() && digits {
        scheme = Some("cameo".to_owned());
    }
    let nothing = text.is_empty() && !(value.star && scheme.is_some());
    if nothing {
        return Err(Wrong::value(value, "a code or a word"));
    }
    let check = match op {
        Op::Has if scheme.is_none() => TextCheck::Has(phrase(value, text)?),
        Op::Has => TextCheck::Prefix(text.to_owned()),
        _ if value.star => TextCheck::Prefix(text.to_owned()),
        _ => TextCheck::Is(text.to_owned()),
    };
    Ok(Test::Code {
        field: field.clone(),
        scheme,
        check,
    })
}

fn actor(op: Op, value: &Value) -> Read<Test> {
    let literal = value.text.trim_start().starts_with('=');
    let folded = fold(&value.text);
    match split_scheme(folded.trim()) {
        (Some(_), _) if !literal => code(&Field::Actor, op, value),
        _ => text(&Field::Actor, op, value),
    }
}

fn root(op: Op, value: &Value) -> Read<Test> {
    let expected = "a CAMEO root from 01 to 20, or another scheme's as `plover:CONSULT`";
    only_equal(&Field::Root, op, value)?;
    let folded = fold(whole(value, expected)?);
    let (scheme, text) = split_scheme(&folded);
    let scheme = scheme.unwrap_or_else(|| "cameo".to_owned());
    if scheme != "cameo" {
        return match text.is_empty() {
            true => Err(Wrong::value(value, expected)),
            false => Ok(Test::Root {
                scheme,
                code: text.to_owned(),
            }),
        };
    }
    let digits = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u8>() {
        Ok(root @ 1..=20) if digits => Ok(Test::Root {
            scheme,
            code: format!("{root:02}"),
        }),
        _ => Err(Wrong::value(value, expected)),
    }
}

fn quad(op: Op, value: &Value) -> Read<Test> {
    let expected = "1 to 4, or verbal-cooperation, material-cooperation, verbal-conflict, material-conflict";
    only_equal(&Field::Quad, op, value)?;
    let quad = Quad::parse(whole(value, expected)?);
    quad.map(Test::Quad).ok_or_else(|| Wrong::value(value, expected))
}

fn decimal(value: &Value) -> Read<String> {
    let expected = "a decimal number, as -5 or 0.25";
    let text = whole(value, expected)?;
    match Decimal::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Wrong::value(value, expected)),
    }
}

fn extra(field: &Field, op: Op, value: &Value) -> Read<Test> {
    match op {
        Op::Equal | Op::Has | Op::NotEqual => Ok(Test::ExtraText {
            field: field.clone(),
            check: text_check(field, op, value)?,
        }),
        _ => Ok(Test::ExtraNumber {
            field: field.clone(),
            compare: compare(field, op, value)?,
            value: decimal(value)?,
        }),
    }
}

fn text(field: &Field, op: Op, value: &Value) -> Read<Test> {
    Ok(Test::Text {
        field: field.clone(),
        check: text_check(field, op, value)?,
    })
}

fn text_check(field: &Field, op: Op, value: &Value) -> Read<TextCheck> {
    only_equal(field, op, value)?;
    let folded = fold(&value.text);
    let folded = folded.trim();
    let is_name = matches!(
        field,
        Field::Actor | Field::MentionedActor | Field::Name | Field::SourceName | Field::TargetName
    );
    if op == Op::Has && *field != Field::Language {
        return match field {
            Field::Url if folded.is_empty() => Err(Wrong::value(value, "a part of an address")),
            Field::Url => Ok(TextCheck::Part(folded.to_owned())),
            _ => Ok(TextCheck::Has(phrase(value, &value.text)?)),
        };
    }
    if is_name && folded.starts_with('=') {
        let literal: String = value.text.trim().chars().skip(1).collect();
        return match value.star {
            false => Ok(TextCheck::Literal(literal)),
            true => Err(Wrong::value(value, "a whole name behind `=`, without `*`")),
        };
    }
    match (value.star, folded.is_empty()) {
        (true, true) => Err(Wrong::value(
            value,
            format!("letters before `*`; `has:{field}` asks for any value"),
        )),
        (true, false) => Ok(TextCheck::Prefix(folded.to_owned())),
        (false, true) => Err(Wrong::value(
            value,
            format!("a text; `NOT has:{field}` asks for none"),
        )),
        (false, false) => Ok(TextCheck::Is(folded.to_owned())),
    }
}

fn phrase(value: &Value, text: &str) -> Read<Phrase> {
    Phrase::read(text, value.star).ok_or_else(|| Wrong::value(value, "at least one letter or digit"))
}

/// The place and distance of `near`.
pub(super) fn near(latitude: &Value, longitude: &Value, km: &Value) -> Read<Test> {
    let degrees = |value: &Value, bound: f64, expected: &str| {
        let number = value
            .text
            .parse()
            .ok()
            .filter(|number: &f64| number.abs() <= bound && !value.star);
        number.ok_or_else(|| Wrong::value(value, expected))
    };
    let latitude = degrees(latitude, 90.0, "degrees north from -90 to 90")?;
    let longitude = degrees(longitude, 180.0, "degrees east from -180 to 180")?;
    let distance = km
        .text
        .parse()
        .ok()
        .filter(|km: &f64| (0.0..=20_100.0).contains(km));
    let km = distance.ok_or_else(|| Wrong::value(km, "kilometres from 0 to 20100"))?;
    Ok(Test::Near {
        latitude,
        longitude,
        km,
    })
}

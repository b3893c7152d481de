//! The flat row: one table of columns, each with its type and its meaning, and what an entry has in them.
//!
//! The header of CSV, the members of JSON rows, the schema of Parquet files ([`parquet`]), `--fields` and
//! `docs/flat-schema.md` all come of [`COLUMNS`]. A row tells what was stated as it was stated; what it adds are days,
//! so that programs need not read EDTF, and what is derived where none is stated: countries, types with their labels, quad classes
//! and values on the scale of Goldstein, with columns that say so.

pub mod parquet;

use super::derived;
use super::failure::Failure;
use super::shown::{Shown, either, joined, named, word};
use super::suggested;
use crate::derive::{CAMEO_SCHEME, GOLDSTEIN, PLOVER_SCHEME, is_scheme};
use crate::record::Recorded;
use crate::record::codec::{DateRole, Place, Side, TypeCode};
use crate::record::date::{DaySpan, civil_day};
use serde_json::{Map, Number, Value};

/// A column of the flat row.
#[derive(Debug)]
pub struct Column {
    /// Its name in every form.
    pub name: &'static str,
    /// What it holds, in a few words, as `docs/flat-schema.md` says it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the document is held against it by a test")
    )]
    pub meaning: &'static str,
    /// Its type, and how a row's value is found.
    pub holds: Holds,
}

/// What a column holds: its type, with what finds the value of a row. Whether there is one is each value's own affair.
#[derive(Debug)]
pub enum Holds {
    /// Text, codes among it; none where it is empty.
    Text(fn(&Shown<'_>) -> String),
    /// A whole number.
    Integer(fn(&Shown<'_>) -> u64),
    /// A decimal number, in the digits of whoever stated it; none where it is empty.
    Number(fn(&Shown<'_>) -> String),
    /// A civil day, as its number from 1970-01-01.
    Date(fn(&Shown<'_>) -> Option<i32>),
    /// A moment, UTC.
    Time(fn(&Shown<'_>) -> Recorded),
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(u64),
    /// A decimal number as stated.
    Number(String),
    /// A civil day, from 1970-01-01.
    Date(i32),
    /// A moment.
    Time(Recorded),
}

const fn column(name: &'static str, meaning: &'static str, holds: Holds) -> Column {
    Column { name, meaning, holds }
}

/// The columns of the flat row, in order. New ones are added at the end. Several values of a text are joined by `; `.
#[rustfmt::skip]
pub static COLUMNS: [Column; 45] = {
    use Holds::{Date, Integer, Number, Text, Time};
    [
    column("series", "the series of the entry", Text(|one| one.leaf.series.to_owned())),
    column("key", "its key in the series", Text(|one| one.leaf.key.to_owned())),
    column("kind", "`event`, `document`, `report`, `agreement`, `authority`, `system`", Text(|one| one.leaf.kind.word().to_owned())),
    column("status", "`current`, `superseded`, `retracted`, `erased`", Text(|one| one.status.map_or("", |status| status.word()).to_owned())),
    column("revision", "the number of the content told, from 1; the newest of its entry but where superseded ones are asked for", Integer(|one| one.leaf.revision.get())),
    column("position", "the position of the record that has it", Integer(|one| one.position.get())),
    column("recorded", "when the archive took that record", Time(|one| one.leaf.recorded)),
    column("occurred", "when it happened, as stated, EDTF", Text(|one| one.dates(DateRole::Occurred))),
    column("reported", "the date of the dispatch, as stated, EDTF", Text(|one| one.dates(DateRole::Reported))),
    column("title", "as stated", Text(|one| one.content.title.clone())),
    column("source", "names of those who acted", Text(|one| names(one, is_source))),
    column("source_country", "their countries", Text(|one| countries(one, is_source))),
    column("target", "names of those whom it concerned", Text(|one| names(one, is_target))),
    column("target_country", "their countries", Text(|one| countries(one, is_target))),
    column("other", "names of parties, hosts, mediators and those mentioned", Text(|one| names(one, is_other))),
    column("other_country", "their countries", Text(|one| countries(one, is_other))),
    column("type_scheme", "the scheme of the type: the CAMEO one, else the first", Text(|one| of_type(one, |kind| &kind.scheme))),
    column("type", "its code", Text(|one| of_type(one, |kind| &kind.code))),
    column("type_label", "its words, where none are stated those of its CAMEO code", Text(|one| type_label(one).0)),
    column("flags", "`root`, `historical`, `negated` and the like", Text(|one| joined(one.content.flags.iter().map(|flag| word("Flag", *flag))))),
    column("topics", "words, else codes", Text(|one| joined(one.content.topics.iter().map(|topic| either(&topic.word, &topic.code))))),
    column("place", "the place of the action, else the first", Text(|one| of_place(one, |place| &place.name))),
    column("place_country", "its country", Text(|one| one.main_place().map_or_else(String::new, |(at, place)| one.country_of_place(at, place)))),
    column("latitude", "degrees north", Number(|one| of_place(one, |place| &place.latitude))),
    column("longitude", "degrees east", Number(|one| of_place(one, |place| &place.longitude))),
    column("measures", "all measures, `name=value`", Text(|one| joined(one.content.measures.iter().map(|one| format!("{}={}", one.name, one.value))))),
    column("publisher", "of the reports", Text(|one| joined(one.content.reports.iter().map(|report| report.publisher.clone())))),
    column("url", "of the reports", Text(|one| joined(one.content.reports.iter().map(|report| report.url.clone())))),
    column("language", "as stated", Text(|one| one.content.language.clone())),
    column("principal", "who appended that record", Text(|one| one.leaf.principal.to_owned())),
    column("occurred_from", "the first day that `occurred` may mean", Date(|one| first_day(one, DateRole::Occurred))),
    column("occurred_until", "the last day that `occurred` may mean", Date(|one| last_day(one, DateRole::Occurred))),
    column("reported_from", "the first day that `reported` may mean", Date(|one| first_day(one, DateRole::Reported))),
    column("reported_until", "the last day that `reported` may mean", Date(|one| last_day(one, DateRole::Reported))),
    column("goldstein", "the measure of this name, where none is stated that of the CAMEO codes", Number(|one| goldstein(one).0)),
    column("intensity", "the measure of this name", Number(|one| measure(one, "intensity"))),
    column("tone", "the measure of this name", Number(|one| measure(one, "tone"))),
    column("cameo", "CAMEO codes, derived where none is stated", Text(|one| in_scheme(one, CAMEO_SCHEME))),
    column("plover", "PLOVER types, derived where none is stated", Text(|one| in_scheme(one, PLOVER_SCHEME))),
    column("quad", "quad classes, 1 to 4, derived where none is stated", Text(|one| joined(one.quads().into_iter().map(|quad| quad.to_string())))),
    column("retracted_documents", "the documents that report it and are retracted", Text(|one| joined(one.withdrawn.iter().map(|document| format!("{}/{}", document.series, document.key))))),
    column("type_basis", "whether `cameo`, `plover` and `quad` are `stated`, `derived` or `mixed`, some so and some so", Text(type_basis)),
    column("suggested", "what its text suggests that it was found by, `country PAK`; empty where it was found by what is stated", Text(|one| joined(one.suggested.iter().map(suggested::words)))),
    column("type_label_basis", "whether `type_label` is `stated` or `derived`", Text(|one| type_label(one).1.to_owned())),
    column("goldstein_basis", "whether `goldstein` is `stated` or `derived`", Text(|one| goldstein(one).1.to_owned())),
    ]
};

impl Column {
    /// What a row has in it; `None` where nothing was stated.
    pub fn cell(&self, row: &Shown<'_>) -> Option<Cell> {
        let said = |text: String| (!text.is_empty()).then_some(text);
        match self.holds {
            Holds::Text(find) => said(find(row)).map(Cell::Text),
            Holds::Integer(find) => Some(Cell::Integer(find(row))),
            Holds::Number(find) => said(find(row)).map(Cell::Number),
            Holds::Date(find) => find(row).map(Cell::Date),
            Holds::Time(find) => Some(Cell::Time(find(row))),
        }
    }

    /// The same as text, for CSV and tables; empty where there is nothing.
    pub fn text(&self, row: &Shown<'_>) -> String {
        self.cell(row).map_or_else(String::new, Cell::into_text)
    }
}

impl Cell {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Integer(number) => number.to_string(),
            Self::Date(day) => {
                let (year, month, day) = civil_day(day);
                format!("{year:04}-{month:02}-{day:02}")
            }
            Self::Time(moment) => moment.to_string(),
        }
    }

    /// Numbers as numbers, everything else as text.
    fn into_json(self) -> Value {
        match self {
            Self::Integer(number) => number.into(),
            Self::Number(stated) => double(&stated)
                .and_then(Number::from_f64)
                .map_or(Value::Null, Value::Number),
            other => Value::String(other.into_text()),
        }
    }
}

/// A stated number as readers compute with it; none where it is larger than any that they know.
fn double(stated: &str) -> Option<f64> {
    stated.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The row as one object with every chosen column, null where there is nothing.
pub fn json(row: &Shown<'_>, chosen: &[&Column]) -> Map<String, Value> {
    let member = |column: &&Column| {
        let value = column.cell(row).map_or(Value::Null, Cell::into_json);
        (column.name.to_owned(), value)
    };
    chosen.iter().map(member).collect()
}

/// The columns that `--fields` names, in its order; all where it names none.
///
/// # Errors
/// A name that is no column, with those that are; one that is named twice.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Column>, Failure> {
    if names.is_empty() {
        return Ok(COLUMNS.iter().collect());
    }
    let mut chosen: Vec<&Column> = Vec::with_capacity(names.len());
    for name in names {
        let Some(column) = COLUMNS.iter().find(|column| column.name == name) else {
            let known: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
            return Err(Failure::usage(format!(
                "`{name}` is not a column; use some of {}",
                known.join(", ")
            )));
        };
        if chosen.iter().any(|other| other.name == name) {
            return Err(Failure::usage(format!(
                "--fields names `{name}` twice; a row has each column once"
            )));
        }
        chosen.push(column);
    }
    Ok(chosen)
}

fn is_source(side: Side) -> bool {
    side == Side::Source
}

fn is_target(side: Side) -> bool {
    side == Side::Target
}

fn is_other(side: Side) -> bool {
    !is_source(side) && !is_target(side)
}

fn names(row: &Shown<'_>, is: fn(Side) -> bool) -> String {
    joined(row.on_side(is).map(|(_, one)| named(one)))
}

fn countries(row: &Shown<'_>, is: fn(Side) -> bool) -> String {
    joined(row.on_side(is).flat_map(|(at, one)| row.countries_of(at, one)))
}

fn of_type(row: &Shown<'_>, part: fn(&TypeCode) -> &String) -> String {
    row.main_type()
        .map_or_else(String::new, |(_, one)| part(one).clone())
}

/// The words of its main type, and whether they are stated or derived.
fn type_label(row: &Shown<'_>) -> (String, &'static str) {
    let Some((at, one)) = row.main_type() else {
        return (String::new(), "");
    };
    if !one.label.is_empty() {
        return (one.label.clone(), "stated");
    }
    let cameo = derived::of_type_at(&row.derived, at, CAMEO_SCHEME);
    on_basis(
        cameo.map_or_else(String::new, |cameo| cameo.label.clone()),
        "derived",
    )
}

/// The codes of its types in a scheme, those stated and those derived, which are no code that is stated.
fn codes_in<'r>(row: &'r Shown<'_>, scheme: &str) -> (Vec<&'r str>, Vec<&'r str>) {
    let types = row.content.types.iter();
    let stated = types.filter(|one| is_scheme(&one.scheme, scheme));
    let stated: Vec<&str> = stated
        .map(|one| one.code.as_str())
        .filter(|code| !code.is_empty())
        .collect();
    let derived = row.derived_types().filter(|one| one.scheme == scheme);
    let derived = derived
        .map(|one| one.code.as_str())
        .filter(|code| !code.is_empty() && !stated.contains(code))
        .collect();
    (stated, derived)
}

fn in_scheme(row: &Shown<'_>, scheme: &str) -> String {
    let (stated, derived) = codes_in(row, scheme);
    joined(stated.into_iter().chain(derived).map(str::to_owned))
}

/// Where the values of the three columns of types come from that may be derived.
fn type_basis(row: &Shown<'_>) -> String {
    let (mut stated, mut derived) = (false, false);
    for scheme in [CAMEO_SCHEME, PLOVER_SCHEME] {
        let codes = codes_in(row, scheme);
        stated |= !codes.0.is_empty();
        derived |= !codes.1.is_empty();
    }
    match row.states_quads() {
        true => stated = true,
        false => derived |= !row.quads().is_empty(),
    }
    let basis = match (stated, derived) {
        (true, true) => "mixed",
        (true, false) => "stated",
        (false, true) => "derived",
        (false, false) => "",
    };
    basis.to_owned()
}

fn of_place(row: &Shown<'_>, part: fn(&Place) -> &String) -> String {
    let place = row.main_place();
    place.map_or_else(String::new, |(_, place)| part(place).clone())
}

/// The value of a measure that is stated.
fn measure(row: &Shown<'_>, name: &str) -> String {
    let stated = row.content.measures.iter().filter(|one| one.name == name);
    agreed(stated.map(|one| &*one.value))
}

/// The value on the scale of Goldstein, and whether it is stated or derived; where any is stated none is derived.
fn goldstein(row: &Shown<'_>) -> (String, &'static str) {
    let derived = row.derived.measures.iter().filter(|one| one.name == GOLDSTEIN);
    match agreed(derived.map(|one| &*one.value)) {
        value if value.is_empty() => on_basis(measure(row, GOLDSTEIN), "stated"),
        value => (value, "derived"),
    }
}

/// A value with what it is based on; none has no basis.
fn on_basis(value: String, basis: &'static str) -> (String, &'static str) {
    let basis = if value.is_empty() { "" } else { basis };
    (value, basis)
}

/// The value of several; none where they differ, as none of them is the value then.
fn agreed<'v>(mut values: impl Iterator<Item = &'v str>) -> String {
    let Some(first) = values.next() else {
        return String::new();
    };
    let same = values.all(|other| double(other) == double(first));
    if same { first.to_owned() } else { String::new() }
}

fn first_day(row: &Shown<'_>, role: DateRole) -> Option<i32> {
    within_calendars(row.days(role)?.earliest)
}

fn last_day(row: &Shown<'_>, role: DateRole) -> Option<i32> {
    within_calendars(row.days(role)?.latest)
}

/// A day of the years 1 to 9999, which is what all readers can show as a date; one such reader fails over a whole file
/// that has another.
fn within_calendars(day: Option<i32>) -> Option<i32> {
    day.filter(|day| (1..=9_999).contains(&civil_day(*day).0))
}

impl Shown<'_> {
    /// The days that its dates of a role may mean, from the earliest of all to the latest; `None` where it has none.
    fn days(&self, role: DateRole) -> Option<DaySpan> {
        let dates = self.content.dates.iter().filter(|date| date.role() == role);
        // What cannot be read has no day; the archive takes no such date.
        let unknown = DaySpan {
            earliest: None,
            latest: None,
        };
        let spans = dates.map(|date| DaySpan::of(&date.edtf).unwrap_or(unknown));
        spans.reduce(|all, one| DaySpan {
            earliest: all.earliest.zip(one.earliest).map(|(a, b)| a.min(b)),
            latest: all.latest.zip(one.latest).map(|(a, b)| a.max(b)),
        })
    }
}

#[cfg(test)]
mod tests;

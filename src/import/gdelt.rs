//! GDELT 2.0 events: 61 tab-separated columns, no header, nothing quoted.
//!
//! One row speaks three languages of country codes: actors are CAMEO, places are FIPS 10-4. Both stay what they
//! are, and codes stay text, because `043` is not 43. What the row repeats in other forms (month, year, fraction,
//! base and root of the code) goes to `extra`, so that a count by type counts an event once.

use super::line::Lines;
use super::reading::{Field, Reading, Source, code, columns, country, each_row};
use super::{Format, ImportError, Item, Options, Sink};
use crate::record::codec::{Date, DateRole, Flag, Participant, Place, PlaceRole, Report, Side};
use crate::record::validate::Check;
use crate::record::{Kind, date};
use std::io::BufRead;
use std::ops::ControlFlow;

/// The columns, in their order.
pub(super) const COLUMNS: [&str; 61] = [
    "GLOBALEVENTID",
    "SQLDATE",
    "MonthYear",
    "Year",
    "FractionDate",
    "Actor1Code",
    "Actor1Name",
    "Actor1CountryCode",
    "Actor1KnownGroupCode",
    "Actor1EthnicCode",
    "Actor1Religion1Code",
    "Actor1Religion2Code",
    "Actor1Type1Code",
    "Actor1Type2Code",
    "Actor1Type3Code",
    "Actor2Code",
    "Actor2Name",
    "Actor2CountryCode",
    "Actor2KnownGroupCode",
    "Actor2EthnicCode",
    "Actor2Religion1Code",
    "Actor2Religion2Code",
    "Actor2Type1Code",
    "Actor2Type2Code",
    "Actor2Type3Code",
    "IsRootEvent",
    "EventCode",
    "EventBaseCode",
    "EventRootCode",
    "QuadClass",
    "GoldsteinScale",
    "NumMentions",
    "NumSources",
    "NumArticles",
    "AvgTone",
    "Actor1Geo_Type",
    "Actor1Geo_FullName",
    "Actor1Geo_CountryCode",
    "Actor1Geo_ADM1Code",
    "Actor1Geo_ADM2Code",
    "Actor1Geo_Lat",
    "Actor1Geo_Long",
    "Actor1Geo_FeatureID",
    "Actor2Geo_Type",
    "Actor2Geo_FullName",
    "Actor2Geo_CountryCode",
    "Actor2Geo_ADM1Code",
    "Actor2Geo_ADM2Code",
    "Actor2Geo_Lat",
    "Actor2Geo_Long",
    "Actor2Geo_FeatureID",
    "ActionGeo_Type",
    "ActionGeo_FullName",
    "ActionGeo_CountryCode",
    "ActionGeo_ADM1Code",
    "ActionGeo_ADM2Code",
    "ActionGeo_Lat",
    "ActionGeo_Long",
    "ActionGeo_FeatureID",
    "DATEADDED",
    "SOURCEURL",
];

// Where groups of columns start.
const ID: usize = 0;
const SQL_DATE: usize = 1;
const ACTORS: [(Side, usize); 2] = [(Side::Source, 5), (Side::Target, 15)];
const IS_ROOT: usize = 25;
const EVENT_CODE: usize = 26;
const QUAD_CLASS: usize = 29;
const MEASURES: [(&str, usize); 5] = [
    ("goldstein", 30),
    ("mentions", 31),
    ("sources", 32),
    ("articles", 33),
    ("tone", 34),
];
const PLACES: [(PlaceRole, usize); 3] = [
    (PlaceRole::Source, 35),
    (PlaceRole::Target, 43),
    (PlaceRole::Action, 51),
];
const DATE_ADDED: usize = 59;
const SOURCE_URL: usize = 60;
/// Other forms of what other columns say: MonthYear, Year, FractionDate, EventBaseCode, EventRootCode.
const REPEATED: [usize; 5] = [2, 3, 4, 27, 28];

pub(super) fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>, ImportError> {
    each_row(Lines::new(input), Format::GdeltV2, options, sink, |source| {
        (!is_header(source.bytes)).then(|| row(source))
    })
}

/// Whether a line names the columns in their order, as table programs add it.
pub(super) fn is_header(line: &[u8]) -> bool {
    let names = columns(line);
    names.len() == COLUMNS.len()
        && names
            .iter()
            .zip(COLUMNS)
            .all(|(name, column)| name.eq_ignore_ascii_case(column.as_bytes()))
}

/// Whether a line is a row of this format.
pub(super) fn is_row(line: &[u8]) -> bool {
    let columns = columns(line);
    columns.len() == COLUMNS.len() && is_id(columns[ID]) && is_id(columns[SQL_DATE])
}

fn is_id(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// The 61 columns of a row.
struct Row<'a>(Vec<&'a [u8]>);

impl<'a> Row<'a> {
    fn field(&self, at: usize) -> Field<'a> {
        Field {
            name: COLUMNS[at],
            bytes: self.0[at],
        }
    }
}

fn row(source: Source<'_>) -> Result<Item, Item> {
    let row = Row(columns(source.bytes));
    if row.0.len() != COLUMNS.len() {
        return Err(source.reject(shape_problem(row.0.len())));
    }
    let id = String::from_utf8_lossy(row.0[ID]);
    if !is_id(row.0[ID]) {
        return Err(source.reject(format!(
            "GLOBALEVENTID `{}` is not a number; without it the row has no key",
            id.escape_debug()
        )));
    }
    let key = source.key(|| id.clone().into_owned())?;
    let mut reading = Reading::default();
    reading.content.identifiers.push(code("gdelt", &id));
    state(&row, &mut reading);
    reading.content.raw = source.bytes.to_vec().into();
    Ok(reading.into_item(source, Kind::Event, key))
}

fn shape_problem(found: usize) -> String {
    let hint = match found {
        57 | 58 => "; GDELT 1.0 events have 57 or 58 and are not read by this version",
        16 => "; GDELT mentions have 16 and are not read by this version",
        27 => "; GDELT knowledge graph rows have 27 and are not read by this version",
        _ => "",
    };
    format!("{found} tab-separated columns found, 61 expected{hint}")
}

fn state(row: &Row<'_>, reading: &mut Reading) {
    occurred(row.field(SQL_DATE), reading);
    added(row.field(DATE_ADDED), reading);
    for (side, first) in ACTORS {
        participant(row, side, first, reading);
    }
    root(row.field(IS_ROOT), reading);
    reading.cameo(row.field(EVENT_CODE));
    quad_class(row.field(QUAD_CLASS), reading);
    for (name, at) in MEASURES {
        reading.measure(name, row.field(at));
    }
    for (role, first) in PLACES {
        place(row, role, first, reading);
    }
    source_url(row.field(SOURCE_URL), reading);
    for at in REPEATED {
        reading.keep(row.field(at));
    }
}

/// `20191024`, kept as stated beside the day that it means.
fn occurred(field: Field<'_>, reading: &mut Reading) {
    let Some(stated) = reading.text(field) else { return };
    match day_of(&stated) {
        Some(edtf) => reading.content.dates.push(Date {
            role: DateRole::Occurred.into(),
            edtf,
            stated: stated.into_owned(),
            ..Date::default()
        }),
        None => reading.keep_bad(field.name, &stated, "not a day written YYYYMMDD"),
    }
}

/// `20191024143000`: the second, in UTC, at which GDELT took the event in.
fn added(field: Field<'_>, reading: &mut Reading) {
    let Some(stated) = reading.text(field) else { return };
    let parts = stated
        .split_at_checked(8)
        .and_then(|(day, time)| Some((day_of(day)?, time_of(time)?)));
    match parts {
        Some((edtf, time)) => reading.content.dates.push(Date {
            role: DateRole::SourceRecorded.into(),
            edtf,
            time,
            offset: "Z".to_owned(),
            stated: stated.into_owned(),
        }),
        None => reading.keep_bad(field.name, &stated, "not a time written YYYYMMDDHHMMSS"),
    }
}

fn day_of(text: &str) -> Option<String> {
    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let day = digits.then(|| format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]))?;
    date::check(&day).is_ok().then_some(day)
}

fn time_of(text: &str) -> Option<String> {
    let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let time = digits.then(|| format!("{}:{}:{}", &text[..2], &text[2..4], &text[4..]))?;
    Check::Time.run(&time).is_ok().then_some(time)
}

/// Code, name, country, known group, ethnic group, two religions, three types, in this order.
fn participant(row: &Row<'_>, side: Side, first: usize, reading: &mut Reading) {
    let column = |at| row.field(first + at);
    let mut participant = Participant {
        side: side.into(),
        name: reading.stated(column(1)),
        ..Participant::default()
    };
    if let Some(text) = reading.text(column(2)) {
        participant.countries.push(country("cameo", &text));
    }
    for (scheme, at) in [
        ("cameo", 0),
        ("cameo-group", 3),
        ("cameo-ethnic", 4),
        ("cameo-religion", 5),
        ("cameo-religion", 6),
    ] {
        if let Some(text) = reading.text(column(at)) {
            participant.codes.push(code(scheme, &text));
        }
    }
    for at in 7..10 {
        if let Some(text) = reading.text(column(at)) {
            participant.sectors.push(code("cameo", &text));
        }
    }
    let empty = Participant {
        side: side.into(),
        ..Participant::default()
    };
    if participant != empty {
        reading.content.participants.push(participant);
    }
}

fn root(field: Field<'_>, reading: &mut Reading) {
    let Some(text) = reading.text(field) else { return };
    match &*text {
        "1" => reading.content.flags.push(Flag::Root.into()),
        "0" => reading.keep(field),
        _ => reading.keep_bad(field.name, &text, "neither 0 nor 1"),
    }
}

/// A measure and not a type: a count by type must count an event once.
fn quad_class(field: Field<'_>, reading: &mut Reading) {
    let Some(text) = reading.text(field) else {
        return;
    };
    if matches!(&*text, "1" | "2" | "3" | "4") {
        reading.measure("quad-class", field);
    } else {
        reading.keep_bad(field.name, &text, "not a quad class: 1 to 4");
    }
}

/// Type, full name, country, two divisions, latitude, longitude, feature, in this order. The type (how exact the
/// place is; 0 where there is none) has no field of its own.
fn place(row: &Row<'_>, role: PlaceRole, first: usize, reading: &mut Reading) {
    let column = |at| row.field(first + at);
    reading.keep(column(0));
    let place = Place {
        role: role.into(),
        name: reading.stated(column(1)),
        country: reading.text(column(2)).map(|code| country("fips", &code)),
        admin1: reading.stated(column(3)),
        admin2: reading.stated(column(4)),
        latitude: reading.checked(column(5), Check::Latitude),
        longitude: reading.checked(column(6), Check::Longitude),
        features: reading
            .text(column(7))
            .map(|id| code("gdelt-feature", &id))
            .into_iter()
            .collect(),
        ..Place::default()
    };
    let empty = Place {
        role: role.into(),
        ..Place::default()
    };
    if place != empty {
        reading.content.places.push(place);
    }
}

/// Nearly always an address; GDELT puts a citation where the source has none.
fn source_url(field: Field<'_>, reading: &mut Reading) {
    let Some(text) = reading.text(field) else { return };
    let mut report = Report::default();
    if text.contains("://") {
        report.url = text.into_owned();
    } else {
        report.citation = text.into_owned();
    }
    reading.content.reports.push(report);
}

//! ICEWS events: tab-separated rows under a header, mapped by the header's names.
//!
//! The published files have twenty columns. Other orders, other spellings of the same names (`Event.ID`,
//! `event_id`) and further columns are taken too; columns without a field of their own go to `extra`. Names that
//! stand in quotes, as table programs write them, mean that the whole file is quoted.

use super::line::Lines;
use super::reading::{Field, Reading, Source, code, columns, country, each_row, is_day, type_code};
use super::{Format, ImportError, Item, Options, Sink};
use crate::record::Kind;
use crate::record::codec::{Code, Country, DateRole, Participant, Place, PlaceRole, Report, Side};
use crate::record::validate::Check;
use std::borrow::Cow;
use std::io::BufRead;
use std::ops::ControlFlow;

/// The columns of a published file, in their order.
pub(super) const COLUMNS: [&str; 20] = [
    "Event ID",
    "Event Date",
    "Source Name",
    "Source Sectors",
    "Source Country",
    "Event Text",
    "CAMEO Code",
    "Intensity",
    "Target Name",
    "Target Sectors",
    "Target Country",
    "Story ID",
    "Sentence Number",
    "Publisher",
    "City",
    "District",
    "Province",
    "Country",
    "Latitude",
    "Longitude",
];

pub(super) fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>, ImportError> {
    let mut lines = Lines::new(input);
    let Some(first) = lines.next_filled()? else {
        return Ok(ControlFlow::Continue(()));
    };
    let header = Header::of(first.bytes)?;
    if !header.is_stated() {
        let item = Source::of_line(Format::Icews, options, first).and_then(|source| row(&header, source));
        if sink(item.unwrap_or_else(|reject| reject)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    // Files put one after another repeat their header.
    let is_repeated = |line: &[u8]| header.is_stated() && line == header.line;
    each_row(lines, Format::Icews, options, sink, |source| {
        (!is_repeated(source.bytes)).then(|| row(&header, source))
    })
}

/// Whether a line is a header of this format.
pub(super) fn is_header(line: &[u8]) -> bool {
    let names: Vec<String> = columns(line)
        .into_iter()
        .map(|name| plain(&unquoted(name)))
        .collect();
    ["eventid", "eventdate"]
        .iter()
        .all(|needed| names.iter().any(|name| name == needed))
}

/// Whether a line is a row in the published order, as in a file that lost its header.
pub(super) fn is_bare_row(line: &[u8]) -> bool {
    let columns = columns(line);
    columns.len() == COLUMNS.len() && columns.get(1).is_some_and(|day| is_day(day))
}

/// The columns of a file.
struct Header {
    /// The header's line; empty where the file has none.
    line: Vec<u8>,
    quoted: bool,
    /// The names as they stand.
    names: Vec<String>,
    /// Where each of [`COLUMNS`] stands, where it does.
    places: [Option<usize>; 20],
    /// Where the columns stand that are none of [`COLUMNS`].
    others: Vec<usize>,
}

impl Header {
    fn of(line: &[u8]) -> Result<Self, ImportError> {
        if is_header(line) {
            let names = columns(line).into_iter().map(|name| {
                let name = unquoted(name);
                String::from_utf8_lossy(&name).trim().to_owned()
            });
            Ok(Self::new(line, names.collect()))
        } else if is_bare_row(line) {
            Ok(Self::new(b"", COLUMNS.map(str::to_owned).to_vec()))
        } else {
            Err(ImportError::Header {
                format: Format::Icews,
                problem: format!(
                    "the first line has {} tab-separated columns and does not name `Event ID` and `Event Date`",
                    columns(line).len()
                ),
            })
        }
    }

    fn new(line: &[u8], names: Vec<String>) -> Self {
        let place = |wanted: &str| {
            names
                .iter()
                .position(|name| plain(name.as_bytes()) == plain(wanted.as_bytes()))
        };
        let places = COLUMNS.map(place);
        let others = (0..names.len())
            .filter(|at| !places.contains(&Some(*at)))
            .collect();
        Self {
            line: line.to_vec(),
            quoted: line.starts_with(b"\""),
            names,
            places,
            others,
        }
    }

    fn is_stated(&self) -> bool {
        !self.line.is_empty()
    }
}

/// A row whose columns can be asked for by name.
struct Row<'a> {
    header: &'a Header,
    columns: Vec<Cow<'a, [u8]>>,
}

impl Row<'_> {
    fn field(&self, name: &'static str) -> Field<'_> {
        let at = COLUMNS.iter().position(|column| *column == name);
        let bytes = at
            .and_then(|at| self.header.places[at])
            .and_then(|place| self.columns.get(place));
        Field {
            name,
            bytes: bytes.map(Cow::as_ref).unwrap_or_default(),
        }
    }
}

fn row(header: &Header, source: Source<'_>) -> Result<Item, Item> {
    let row = Row {
        header,
        columns: columns(source.bytes)
            .into_iter()
            .map(|column| {
                if header.quoted {
                    unquoted(column)
                } else {
                    Cow::Borrowed(column)
                }
            })
            .collect(),
    };
    if row.columns.len() != header.names.len() {
        return Err(source.reject(format!(
            "{} tab-separated columns found, {} expected",
            row.columns.len(),
            header.names.len()
        )));
    }
    let mut reading = Reading::default();
    let id = reading.stated(row.field("Event ID")).trim().to_owned();
    if id.is_empty() {
        return Err(source.reject("no Event ID; without it the row has no key"));
    }
    let day = String::from_utf8_lossy(row.field("Event Date").bytes);
    let key = source.key(|| format!("{id}@{}", day.trim()))?;
    state(&row, id, &mut reading);
    reading.content.raw = source.bytes.to_vec().into();
    Ok(reading.into_item(source, Kind::Event, key))
}

fn state(row: &Row<'_>, id: String, reading: &mut Reading) {
    reading.content.identifiers.push(code("icews", &id));
    reading.day(DateRole::Occurred, row.field("Event Date"));
    participant(
        row,
        Side::Source,
        ["Source Name", "Source Sectors", "Source Country"],
        reading,
    );
    participant(
        row,
        Side::Target,
        ["Target Name", "Target Sectors", "Target Country"],
        reading,
    );
    if let Some(text) = reading.text(row.field("Event Text")) {
        reading.content.types.push(type_code("icews-text", &text));
    }
    reading.cameo(row.field("CAMEO Code"));
    reading.measure("intensity", row.field("Intensity"));
    report(row, reading);
    place(row, reading);
    for at in &row.header.others {
        let bytes = row.columns.get(*at).map(Cow::as_ref).unwrap_or_default();
        let name = match row.header.names[*at].as_str() {
            "" => "unnamed column",
            name => name,
        };
        reading.keep(Field { name, bytes });
    }
}

fn participant(row: &Row<'_>, side: Side, columns: [&'static str; 3], reading: &mut Reading) {
    let [name, sectors, countries] = columns.map(|column| row.field(column));
    let participant = Participant {
        side: side.into(),
        name: reading.stated(name),
        sectors: reading
            .text(sectors)
            .map(|list| split_sectors(&list))
            .unwrap_or_default(),
        countries: icews_country(countries, reading).into_iter().collect(),
        ..Participant::default()
    };
    let empty = Participant {
        side: side.into(),
        ..Participant::default()
    };
    if participant != empty {
        reading.content.participants.push(participant);
    }
}

fn split_sectors(list: &str) -> Vec<Code> {
    let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| code("icews", part)).collect()
}

fn icews_country(field: Field<'_>, reading: &mut Reading) -> Option<Country> {
    let name = reading.text(field)?;
    Some(country("icews-name", &name))
}

fn report(row: &Row<'_>, reading: &mut Reading) {
    let report = Report {
        document_id: reading.stated(row.field("Story ID")),
        sentence: reading.stated(row.field("Sentence Number")),
        publisher: reading.stated(row.field("Publisher")),
        ..Report::default()
    };
    if report != Report::default() {
        reading.content.reports.push(report);
    }
}

fn place(row: &Row<'_>, reading: &mut Reading) {
    let place = Place {
        role: PlaceRole::Action.into(),
        name: reading.stated(row.field("City")),
        admin1: reading.stated(row.field("Province")),
        admin2: reading.stated(row.field("District")),
        country: icews_country(row.field("Country"), reading),
        latitude: reading.checked(row.field("Latitude"), Check::Latitude),
        longitude: reading.checked(row.field("Longitude"), Check::Longitude),
        ..Place::default()
    };
    let empty = Place {
        role: PlaceRole::Action.into(),
        ..Place::default()
    };
    if place != empty {
        reading.content.places.push(place);
    }
}

/// A name in which spelling does not matter: lower-case letters and digits only.
fn plain(name: &[u8]) -> String {
    let kept = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    kept.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// A value without the quotes round it; doubled quotes within are one.
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
    else {
        return Cow::Borrowed(value);
    };
    if !inner.contains(&b'"') {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        plain.push(byte);
        if byte == b'"' {
            bytes.next_if_eq(&b'"');
        }
    }
    Cow::Owned(plain)
}

//! ICEWS as quadruples: source, event text, target, date; tab-separated, no header.
//!
//! The form in which ICEWS is passed round for link prediction. It has lost ids, places and sectors, and names are
//! all there is, so they are stated to the letter, no-break spaces included.

use super::line::Lines;
use super::reading::{Field, Reading, Source, columns, each_row, hash, type_code};
use super::{Format, ImportError, Item, Options, Sink};
use crate::record::Kind;
use crate::record::codec::{DateRole, Participant, Side};
use std::io::BufRead;
use std::ops::ControlFlow;

pub(super) fn read(
    input: &mut dyn BufRead,
    options: &Options,
    sink: &mut Sink<'_>,
) -> Result<ControlFlow<()>, ImportError> {
    each_row(Lines::new(input), Format::IcewsQuad, options, sink, |source| {
        Some(row(source))
    })
}

fn row(source: Source<'_>) -> Result<Item, Item> {
    let columns = columns(source.bytes);
    let [actor, event, target, day] = columns[..] else {
        return Err(source.reject(format!(
            "{} tab-separated columns found, 4 expected: source, event text, target, date",
            columns.len()
        )));
    };
    let key = source.key(|| hash(source.bytes))?;
    let field = |name, bytes| Field { name, bytes };
    let mut reading = Reading::default();
    reading.day(DateRole::Occurred, field("Event Date", day));
    for (side, field) in [
        (Side::Source, field("Source Name", actor)),
        (Side::Target, field("Target Name", target)),
    ] {
        let name = reading.stated(field);
        if !name.is_empty() {
            reading.content.participants.push(Participant {
                side: side.into(),
                name,
                ..Participant::default()
            });
        }
    }
    if let Some(text) = reading.text(field("Event Text", event)) {
        reading.content.types.push(type_code("icews-text", &text));
    }
    reading.content.raw = source.bytes.to_vec().into();
    Ok(reading.into_item(source, Kind::Event, key))
}

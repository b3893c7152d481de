//! Suggestions on the wire.

use super::proto;
use super::proto::suggestion::What;
use super::status::RequestError;
use crate::record::date::DaySpan;
use crate::suggest::{self, Document, Part, Suggested};

/// The most bytes of title and text together.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// What a text suggests. Takes some milliseconds where it is long: call it where blocking is allowed.
///
/// # Errors
/// A text that is too long, a day that is none.
pub fn answer(request: &proto::SuggestRequest) -> Result<proto::SuggestResponse, RequestError> {
    let bytes = request.title.len() + request.text.len();
    if bytes > TEXT_BYTES_MAX {
        return Err(RequestError::too_large(
            "text",
            format!(
                "title and text have {bytes} bytes, which exceeds the limit of {TEXT_BYTES_MAX}; send them in parts"
            ),
            bytes,
            TEXT_BYTES_MAX,
        ));
    }
    let document = Document {
        title: &request.title,
        text: &request.text,
        reported: reported(&request.reported)?,
    };
    Ok(proto::SuggestResponse {
        suggestions: wire_all(&suggest::suggest(document)),
        version: suggest::version().to_owned(),
    })
}

fn reported(day: &str) -> Result<Option<i32>, RequestError> {
    if day.is_empty() {
        return Ok(None);
    }
    let span = DaySpan::of(day).ok();
    let one_day = span
        .filter(|span| span.earliest == span.latest)
        .and_then(|span| span.earliest);
    let wrong = || RequestError::field("reported", format!("`{day}` is no day; give one as 2021-10-14"));
    one_day.map(Some).ok_or_else(wrong)
}

/// Suggestions as they are sent.
pub fn wire_all(all: &[suggest::Suggestion]) -> Vec<proto::Suggestion> {
    all.iter().map(wire).collect()
}

/// By which rules suggestions were found; empty where there are none.
pub fn version_of(all: &[suggest::Suggestion]) -> String {
    match all {
        [] => String::new(),
        _ => suggest::version().to_owned(),
    }
}

/// A suggestion as it is sent.
pub fn wire(one: &suggest::Suggestion) -> proto::Suggestion {
    let byte = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let country = |code: &Option<crate::derive::Iso3>| code.map_or_else(String::new, |code| code.to_string());
    let part = match one.part {
        Part::Title => proto::DocumentPart::Title,
        Part::Text => proto::DocumentPart::Text,
    };
    let what = match &one.what {
        Suggested::Country(code) => What::Country(code.to_string()),
        Suggested::Person {
            name,
            office,
            country: of,
        } => What::Person(proto::SuggestedPerson {
            name: name.to_string(),
            office: office.to_string(),
            country: country(of),
        }),
        Suggested::Organisation(name) => What::Organisation(name.clone()),
        Suggested::Place { name, country: of } => What::Place(proto::SuggestedPlace {
            name: name.clone(),
            country: country(of),
        }),
        Suggested::Day(day) => What::Day(day.clone()),
        Suggested::Statement { speaker } => What::Statement(proto::SuggestedStatement {
            speaker: speaker.clone(),
        }),
        Suggested::Event(code) => What::Event((*code).to_owned()),
    };
    proto::Suggestion {
        part: part.into(),
        from: byte(one.range.start),
        to: byte(one.range.end),
        what: Some(what),
        rule: one.rule.word().to_owned(),
    }
}

//! `Query.DraftEvents`: what a document could be annotated with.

use super::convert::{self, key_of};
use super::status::{self, RequestError};
use super::{Core, archive, blocking, proto, suggested};
use crate::filter::Filter;
use crate::record::codec::{Content, Relation, RelationType, decode_content};
use crate::record::{EntryKey, Kind, Position, Status};
use crate::suggest::{self, Document, drafts};
use crate::view::likeness::Collapse;
use crate::view::{EntryAnswer, Order, Search, ahead::Cancel, entry};
use prost::Message;

/// The most events that are named.
const EVENTS_MAX: usize = 100;

/// The drafts of a document's events.
///
/// # Errors
/// An entry that is unknown, is no document, does not stand, or has lost its content.
pub async fn answer(
    core: &Core,
    request: proto::DraftEventsRequest,
) -> Result<proto::DraftEventsResponse, tonic::Status> {
    let name = convert::entry_ref(request.document)?;
    let (name, as_of) = archive::whole_name(core, name, request.as_of).await?;
    let log = core.log.clone();
    let cancel = Cancel::default();
    let cancelled = cancel.flag();
    let job = move || {
        let as_of = convert::as_of(&log, as_of.as_ref())?;
        let found = entry::find(&log, &name, as_of)?;
        Ok((entry::answer(&log, &found, as_of, None, &cancelled)?, as_of))
    };
    let (document, as_of) = blocking(job, status::entry).await?;
    let content = content(&document)?;
    let (events, events_total) = events(core, &document.state.entry, as_of).await?;
    let own = document.state.entry.clone();
    // Nothing cancels it: what a text of 1 MiB takes is bounded, whatever stands in it, and is some tenths of a second at most.
    let drafted = tokio::task::spawn_blocking(move || drafted(&content, &own)).await;
    let (drafts, suggestions) =
        drafted.map_err(|lost| tonic::Status::internal(format!("the call broke off: {lost}")))?;
    Ok(proto::DraftEventsResponse {
        document: Some(convert::entry(&document, false, false)),
        drafts,
        suggestions,
        version: suggest::version().to_owned(),
        events,
        events_total,
        view_position: as_of.get(),
    })
}

/// What a document says, where it can be annotated.
fn content(document: &EntryAnswer) -> Result<Content, RequestError> {
    let refused = |problem: String| Err(RequestError::field("document", problem));
    let (entry, kind) = (&document.state.entry, document.state.kind);
    if kind != Kind::Document {
        return refused(format!(
            "`{entry}` is of kind `{kind}`; name a document, as `chancery annotate --list` shows them"
        ));
    }
    if document.status != Status::Current {
        return refused(format!(
            "`{entry}` is {}; only a document that stands can be annotated",
            document.status
        ));
    }
    let record = document.record().filter(|record| !record.erased);
    let content = record.and_then(|record| decode_content(record.payload).ok().flatten());
    content.map_or_else(
        || refused(format!("`{entry}` has no content; name another document")),
        Ok,
    )
}

fn drafted(content: &Content, own: &EntryKey) -> (Vec<Content>, Vec<proto::Suggestion>) {
    let document = Document::of(content);
    let found = suggest::suggest(document);
    let mut drafts = drafts::drafts(&document, &found);
    for draft in &mut drafts {
        draft.relations.push(Relation {
            r#type: RelationType::ReportedIn.into(),
            series: own.series.to_string(),
            key: own.key.to_string(),
        });
        let publisher = content.reports.iter().map(|report| &report.publisher);
        if let Some(publisher) = { publisher }.find(|publisher| !publisher.is_empty()) {
            if draft.reports.is_empty() {
                draft.reports.push(crate::record::codec::Report::default());
            }
            draft.reports[0].publisher.clone_from(publisher);
        }
    }
    (drafts, suggested::wire_all(&found))
}

/// The events that state that they are reported in a document, and how many there are.
async fn events(
    core: &Core,
    document: &EntryKey,
    as_of: Position,
) -> Result<(Vec<proto::EntryKey>, u64), tonic::Status> {
    let filter = Filter::related(RelationType::ReportedIn, document.clone()).of_kind(Kind::Event);
    let search = Search {
        filter,
        as_of: Some(as_of),
        order: Order::Newest,
        ascending: false,
        page_size: EVENTS_MAX,
        collapse: Collapse::None,
        records_only: true,
        excerpts: false,
        unannotated: false,
    };
    let write = |entry: &EntryAnswer, out: &mut Vec<u8>| {
        // Writing to memory does not fail.
        let _ = key_of(&entry.state.entry).encode_length_delimited(out);
    };
    let page = core.scanner.search(search, None, Box::new(write)).await;
    let page = page.map_err(|error| status::query(&error))?;
    let mut events = Vec::new();
    for part in &page.entries {
        let mut rest = &part[..];
        while !rest.is_empty() {
            let event = proto::EntryKey::decode_length_delimited(&mut rest);
            events.push(event.map_err(|error| tonic::Status::internal(error.to_string()))?);
        }
    }
    Ok((events, page.total))
}

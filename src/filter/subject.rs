//! What a filter looks at: one record with the state of its entry.

use super::field::SUGGESTION_PARTS;
use super::suggested;
use crate::record::codec::Content;
use crate::record::codec::parts::{Parts, decode_parts};
use crate::record::{Act, Kind, Position, Recorded, Revision, Status};
use crate::suggest::Suggestion;
use std::cell::OnceCell;

/// A record as a filter sees it. Borrows everything; costs nothing until a condition needs the content.
///
/// An act without content is matched by its entry's newest content at that point: the caller gives that one.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Where the record lies.
    pub position: Position,
    /// What it does.
    pub act: Act,
    /// The entry's kind.
    pub kind: Kind,
    /// The entry's series.
    pub series: &'a str,
    /// The entry's key.
    pub key: &'a str,
    /// The entry's revision at the record.
    pub revision: Revision,
    /// When it was committed.
    pub recorded: Recorded,
    /// The status: as of the record in reads and subscriptions, as of the answer's position in queries.
    pub status: Status,
    /// Who appended it.
    pub principal: &'a str,
    /// What it says.
    pub content: LazyContent<'a>,
}

impl Subject<'_> {
    /// What its content suggests, which only that of a document does; looked for when it is first asked for.
    pub fn suggestions(&self) -> &[Suggestion] {
        match self.kind {
            Kind::Document => self.content.suggestions(),
            _ => &[],
        }
    }
}

/// Content that is decoded when it is first needed, and only the parts of it that are.
#[derive(Debug)]
pub struct LazyContent<'a> {
    source: Source<'a>,
    partial: OnceCell<(Parts, Option<Content>)>,
    whole: OnceCell<Option<Content>>,
    suggestions: OnceCell<Vec<Suggestion>>,
}

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Absent,
    Ready(&'a Content),
    Payload(&'a [u8]),
}

impl<'a> LazyContent<'a> {
    /// No content: an act on an entry that has none, or whose content was erased.
    pub fn absent() -> Self {
        Self::of(Source::Absent)
    }

    /// Content that was decoded before.
    pub fn ready(content: &'a Content) -> Self {
        Self::of(Source::Ready(content))
    }

    /// The content of an encoded payload. Bytes that are no payload count as no content.
    pub fn payload(payload: &'a [u8]) -> Self {
        Self::of(Source::Payload(payload))
    }

    fn of(source: Source<'a>) -> Self {
        Self {
            source,
            partial: OnceCell::new(),
            whole: OnceCell::new(),
            suggestions: OnceCell::new(),
        }
    }

    fn suggestions(&self) -> &[Suggestion] {
        self.suggestions.get_or_init(|| {
            let content = self.get(SUGGESTION_PARTS);
            content.map(suggested::of_content).unwrap_or_default()
        })
    }

    /// The content with at least the parts `wanted`. What is asked for first decides what is decoded first; a
    /// later and larger wish decodes the whole.
    pub(super) fn get(&self, wanted: Parts) -> Option<&Content> {
        let payload = match self.source {
            Source::Absent => return None,
            Source::Ready(content) => return Some(content),
            Source::Payload(payload) => payload,
        };
        let decode = |parts| decode_parts(payload, parts).ok().flatten();
        let (parts, content) = self.partial.get_or_init(|| (wanted, decode(wanted)));
        if parts.covers(wanted) {
            return content.as_ref();
        }
        self.whole.get_or_init(|| decode(Parts::ALL)).as_ref()
    }
}

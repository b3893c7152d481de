//! Where the words of a filter stand, as answers say it.

use super::proto;
use crate::filter::{Excerpt, Filter};
use crate::record::codec::{Span, decode_content};
use crate::view::EntryAnswer;
use std::ops::Range;

/// The most entries of a page with excerpts, so that no message grows too large.
pub const PAGE_SIZE_MAX: usize = 200;

/// The excerpts of an entry; none where its content was erased.
pub fn of(filter: &Filter, answer: &EntryAnswer) -> proto::Excerpts {
    let record = answer.record().filter(|record| !record.erased);
    let content = record.and_then(|record| decode_content(record.payload).ok().flatten());
    let excerpts = content
        .map(|content| filter.excerpts(&content))
        .unwrap_or_default();
    proto::Excerpts {
        excerpts: excerpts.into_iter().map(wire).collect(),
    }
}

fn wire(excerpt: Excerpt) -> proto::Excerpt {
    let span = |place: &Range<usize>| Span {
        from: place.start as u64,
        to: place.end as u64,
    };
    proto::Excerpt {
        place: Some(span(&excerpt.place)),
        matches: excerpt.matches.iter().map(span).collect(),
        path: excerpt.path,
        text: excerpt.text,
    }
}

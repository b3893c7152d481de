//! What answers of `Query` say of the words that a filter asks for.

use super::proto;
use crate::filter::{Excerpt, Filter};
use crate::record::codec::Span;
use crate::view::Order;
use crate::view::relevance::RANKED_MAX;
use std::ops::Range;

/// The excerpts of an entry.
pub fn wire(excerpts: Vec<Excerpt>) -> proto::Excerpts {
    let one = |one: Excerpt| proto::Excerpt {
        path: one.path,
        span: Some(span(&one.range)),
        length: one.length as u64,
        text: one.text,
        matches: one.matches.iter().map(span).collect(),
    };
    proto::Excerpts {
        excerpts: excerpts.into_iter().map(one).collect(),
    }
}

fn span(range: &Range<usize>) -> Span {
    Span {
        from: range.start as u64,
        to: range.end as u64,
    }
}

/// The sentences about an order of relevance that is not of all entries, and about excerpts that cannot be.
pub fn notes(filter: &Filter, order: Order, excerpts: bool, total: u64) -> impl Iterator<Item = String> {
    let ranked = (order == Order::Relevance && total > RANKED_MAX as u64).then(|| {
        format!("ranks the newest {RANKED_MAX} of {total} entries by relevance; the others follow, the newest first")
    });
    let none = (excerpts && filter.wording().is_empty())
        .then(|| "has no excerpts, since the filter asks for no words".to_owned());
    ranked.into_iter().chain(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_is_not_ranked_and_why_there_are_no_excerpts() {
        let told = |filter: &str, order, excerpts, total| -> Vec<String> {
            notes(&Filter::parse(filter).unwrap(), order, excerpts, total).collect()
        };
        assert!(told("border", Order::Relevance, true, 10_000).is_empty());
        assert!(told("border", Order::Newest, true, 10_001).is_empty());
        assert_eq!(
            told("border", Order::Relevance, false, 10_001),
            ["ranks the newest 10000 of 10001 entries by relevance; the others follow, the newest first"]
        );
        assert_eq!(
            told("country = PAK", Order::Newest, true, 1),
            ["has no excerpts, since the filter asks for no words"]
        );
    }
}

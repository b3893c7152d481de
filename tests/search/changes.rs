//! What a feed says of each record, where contents were erased or entries retracted.

use crate::feeds::{fed, link};
use crate::harness::{act, append, batch, draft};
use crate::{Viewed, erase, plain};
use chancery::filter::Filter;
use chancery::log::Draft;
use chancery::record::codec::{Content, encode_content};
use chancery::record::{Act, EntryKey};
use chancery::view::reader::Viewed as View;
use chancery::view::{Change, Mode};
use std::sync::{Arc, OnceLock};

/// Of a country that is not Pakistan.
fn said(act: Act, key: &str, n: usize) -> Draft {
    let content = Content {
        title: "x".repeat(3 * n + 1),
        ..Content::default()
    };
    draft(act, key, encode_content(plain(&content)))
}

fn one(viewed: &Viewed, draft: Draft) {
    append(viewed.log(), batch(vec![draft])).unwrap();
}

fn erased(viewed: &Viewed, key: &str, revision: Option<u64>) {
    assert!(erase(viewed, EntryKey::new("desk", key).unwrap(), revision, None));
}

/// What a feed says, a record a word; by the view too.
fn told(viewed: &mut Viewed, text: &str) -> String {
    let filter = Filter::parse(text).unwrap();
    viewed.follow();
    let (log, tail) = (viewed.log(), viewed.log().tail().get());
    let by_scan = fed(log, &filter, Mode::Changes, 0..tail, &View::default(), 1 << 20);
    let view = Arc::new(OnceLock::from(viewed.search()));
    assert_eq!(
        by_scan,
        fed(log, &filter, Mode::Changes, 0..tail, &view, 1 << 20),
        "{text}"
    );
    let words = by_scan
        .iter()
        .map(|(at, change, _)| format!("{at} {}", change.word()));
    words.collect::<Vec<_>>().join(", ")
}

/// A content that is erased was once judged as erased at its own record, and as current at the one after it.
#[test]
fn after_an_erasure_only_what_has_entered_stays_or_leaves() {
    let mut viewed = Viewed::new();
    one(&viewed, said(Act::Create, "a", 1));
    one(&viewed, said(Act::Amend, "a", 2));
    one(&viewed, said(Act::Amend, "a", 3));
    one(&viewed, said(Act::Create, "b", 4));
    one(&viewed, said(Act::Amend, "b", 5));
    erased(&viewed, "a", Some(1));
    erased(&viewed, "b", None);
    // Each ERASE has an AUDIT beside it.
    for text in [
        "kind = event",
        "series = desk",
        "key = a OR key = b",
        "revision >= 1",
        "NOT country = PAK AND series = desk",
        "country = IRN",
    ] {
        assert_eq!(
            told(&mut viewed, text),
            "1 enters, 2 stays, 5 stays, 7 leaves",
            "{text}"
        );
    }
}

#[test]
fn an_act_on_a_content_that_was_erased_since_matches_nothing() {
    let mut viewed = Viewed::new();
    one(&viewed, said(Act::Create, "a", 1));
    one(&viewed, said(Act::Create, "b", 2));
    one(&viewed, link(Act::Link, "a", "b"));
    one(&viewed, act(Act::Hold, "a"));
    one(&viewed, act(Act::Release, "a"));
    erased(&viewed, "a", None);
    for text in [
        "kind = event",
        "series = desk",
        "NOT country = PAK AND series = desk",
        "country = IRN",
    ] {
        assert_eq!(told(&mut viewed, text), "1 enters, 5 leaves", "{text}");
    }
    // Whoever follows what was erased is told when it is.
    assert_eq!(
        told(&mut viewed, "status = erased AND key = a")
            .split(", ")
            .last(),
        Some("5 enters")
    );
}

/// The leaf alone once decided what a feed of everything says: a LINK on an entry that was out of the answers brought it back into
/// the copies of those who follow.
#[test]
fn a_feed_of_everything_is_told_of_each_record_and_of_what_is_out_that_it_leaves() {
    let mut viewed = Viewed::new();
    one(&viewed, said(Act::Create, "a", 1));
    one(&viewed, said(Act::Create, "c", 2));
    one(&viewed, said(Act::Amend, "c", 3));
    one(&viewed, act(Act::Retract, "c"));
    one(&viewed, link(Act::Link, "c", "a"));
    erased(&viewed, "c", Some(1));
    one(&viewed, act(Act::Hold, "c"));
    one(&viewed, act(Act::Release, "c"));
    assert_eq!(
        told(&mut viewed, ""),
        "0 enters, 1 leaves, 2 enters, 3 leaves, 4 leaves, 5 leaves, 6 enters, 7 leaves, 8 leaves"
    );
    one(&viewed, act(Act::Reinstate, "c"));
    one(&viewed, link(Act::Unlink, "c", "a"));
    erased(&viewed, "a", None);
    one(&viewed, said(Act::Create, "d", 4));
    assert_eq!(
        told(&mut viewed, ""),
        "0 leaves, 1 leaves, 2 enters, 3 leaves, 4 leaves, 5 leaves, 6 enters, 7 leaves, 8 leaves, \
         9 enters, 10 stays, 11 leaves, 12 enters, 13 enters"
    );
}

/// Of a record that a filter is not told of which all match, its entry was out before it and is out after it.
pub fn everything_says_what_a_filter_says_that_all_match(viewed: &Viewed) {
    let feed = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        let tail = viewed.log().tail().get();
        fed(
            viewed.log(),
            &filter,
            Mode::Changes,
            0..tail,
            &View::default(),
            1 << 20,
        )
    };
    let (all, matching) = (feed(""), feed("position >= 0"));
    assert_eq!(all.len() as u64, viewed.log().tail().get(), "each record is told");
    let mut matching = matching.into_iter().peekable();
    for (at, change, payload) in all {
        let same = matching.next_if(|(other, ..)| *other == at);
        let told = same.map_or((Change::Leaves, payload.clone()), |(_, change, payload)| {
            (change, payload)
        });
        assert_eq!((change, payload), told, "{at}");
    }
}

//! What an ERASE may name, with a replacement and without one.

use crate::harness::*;
use bytes::Bytes;
use chancery::log::erasure::Order;
use chancery::log::{AppendError, Rule};
use chancery::record::{BatchId, EntryKey, Principal, Reason, Revision};

fn order(revisions: (u64, u64), replacement: Option<Bytes>) -> Order {
    Order {
        entry: EntryKey::new("desk", "a").unwrap(),
        revisions: Some((Revision::new(revisions.0), Revision::new(revisions.1))),
        authority: "the court".into(),
        explanation: String::new(),
        reason: Reason::default(),
        expected_revision: None,
        replacement,
        request_id: None,
        principal: Principal::anonymous(),
        validate_only: false,
    }
}

/// The replacement was once counted: with it an ERASE of the next revision was accepted, what was to go stayed, and the
/// replacement was shown as erased.
#[test]
fn an_erase_names_no_revision_that_only_its_replacement_makes() {
    let opened = Opened::new();
    let log = opened.log();
    append(log, batch(vec![create("a", "Whistleblower unmasked")])).unwrap();
    let tail = log.tail();
    let refused = |revisions, replacement| match runtime().block_on(log.erase(&order(revisions, replacement)))
    {
        Err(AppendError::Refused(broken)) => {
            broken.iter().map(|one| one.rule.to_string()).collect::<Vec<_>>()
        }
        other => panic!("not refused: {other:?}"),
    };
    for revisions in [(2, 3), (1, 3), (3, 4), (0, 1)] {
        let replacement = Some(content("Nobody unmasked"));
        let with = refused(revisions, replacement);
        assert_eq!(with, refused(revisions, None), "{revisions:?}");
        assert_eq!(with.len(), 1, "{with:?}");
    }
    assert_eq!(log.tail(), tail, "nothing was written");
    let replaced = order((1, 2), Some(content("Nobody unmasked")));
    runtime().block_on(log.erase(&replaced)).unwrap();
    let state = log.entry(&replaced.entry, log.tail()).unwrap().unwrap();
    let erased: Vec<bool> = state.contents.iter().map(|content| content.erased).collect();
    assert_eq!(erased, [true, false]);
}

/// It was once held against itself, and whatever was ordered under its name was answered as done.
#[test]
fn an_order_to_erase_under_a_known_request_id_is_the_same_order_or_refused() {
    let opened = Opened::new();
    let log = opened.log();
    append(log, batch(vec![create("a", "one")])).unwrap();
    append(log, batch(vec![amend("a", "two", None)])).unwrap();
    let named = |revisions: Option<(u64, u64)>, replacement: Option<&str>| Order {
        revisions: revisions.map(|(from, to)| (Revision::new(from), Revision::new(to))),
        request_id: Some(BatchId::new("order 7".into()).unwrap()),
        ..order((1, 2), replacement.map(content))
    };
    let first = named(Some((1, 2)), None);
    let done = runtime().block_on(log.erase(&first)).unwrap();
    let tail = log.tail();
    let again = runtime().block_on(log.erase(&first)).unwrap();
    assert_eq!(again.appended.receipts, done.appended.receipts, "a retry");
    for validate_only in [false, true] {
        for other in [
            named(Some((2, 3)), None),
            named(None, None),
            named(Some((1, 2)), Some("three")),
        ] {
            let other = Order {
                validate_only,
                ..other
            };
            let Err(AppendError::Refused(broken)) = runtime().block_on(log.erase(&other)) else {
                panic!("answered as done: {other:?}");
            };
            assert!(
                matches!(broken[0].rule, Rule::RequestIdReused { .. }),
                "{broken:?}"
            );
        }
    }
    assert_eq!(log.tail(), tail, "nothing was written");
    // All of it, and with something in its place: each is known again.
    let all = Order {
        request_id: Some(BatchId::new("order 8".into()).unwrap()),
        ..named(None, Some("four"))
    };
    let done = runtime().block_on(log.erase(&all)).unwrap();
    let again = runtime().block_on(log.erase(&all)).unwrap();
    assert_eq!(again.appended.receipts, done.appended.receipts, "a retry");
}

//! What an ERASE may name, with a replacement and without one.

use crate::harness::*;
use bytes::Bytes;
use chancery::log::AppendError;
use chancery::log::erasure::Order;
use chancery::record::{EntryKey, Principal, Reason, Revision};

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

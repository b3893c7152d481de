//! What an append does, and that it is still there after a restart.

use crate::harness::*;
use chancery::log::erasure::Order;
use chancery::log::{Batch, Columns, Draft, ReadLimit, Receipt, Rule};
use chancery::record::codec::{RelationType, encode_payload};
use chancery::record::{Act, EntryKey, Kind, Leaf, Outcome, Position, Principal, Reason, Revision, Status};

const ALL: ReadLimit = ReadLimit {
    records: 1_000_000,
    bytes: 1 << 30,
};

fn titles(log: &chancery::log::Log) -> Vec<(u64, String, Act)> {
    let mut found = Vec::new();
    let mut at = Position::START;
    while at < log.tail() {
        for run in log.read(at, log.tail(), ALL, Columns::All).unwrap() {
            assert_eq!(run.first(), at);
            for record in run.iter() {
                let leaf = Leaf::decode(record.leaf).unwrap();
                assert_eq!(
                    chancery::record::commitment(record.salt.try_into().unwrap(), record.payload),
                    leaf.commitment
                );
                found.push((record.position.get(), leaf.key.to_owned(), leaf.act));
            }
            at = run.end();
        }
    }
    found
}

#[test]
fn what_is_appended_is_read_back_before_and_after_a_restart_and_a_crash() {
    let mut opened = Opened::new();
    for n in 0..50 {
        let records = (0..1 + n % 7)
            .map(|m| create(&format!("{n}-{m}"), &format!("title {n} {m}")))
            .collect();
        let appended = append(opened.log(), batch(records)).unwrap();
        assert_eq!(appended.tail, opened.log().tail());
        assert!(
            appended
                .receipts
                .iter()
                .all(|receipt| receipt.outcome == Outcome::Recorded)
        );
    }
    let before = titles(opened.log());
    let root = opened.log().status().root.unwrap();
    assert_eq!(before.len() as u64, opened.log().tail().get());
    opened.restart();
    assert_eq!(titles(opened.log()), before);
    append(opened.log(), batch(vec![create("after", "x")])).unwrap();
    opened.crash();
    let after = titles(opened.log());
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[..before.len()], before);
    assert_eq!(
        opened.log().root_at(Position::new(before.len() as u64)).unwrap(),
        root
    );
    append(opened.log(), batch(vec![create("later", "x")])).unwrap();
    opened.crash();
    assert_eq!(titles(opened.log()).len(), before.len() + 2);
}

#[test]
fn the_state_table_holds() {
    let opened = Opened::new();
    let log = opened.log();
    let one = |draft| append(log, batch(vec![draft])).unwrap().receipts.remove(0);
    assert!(matches!(
        rule(log, batch(vec![amend("a", "x", None)])),
        Rule::Unknown(_)
    ));
    assert!(matches!(
        rule(log, batch(vec![act(Act::Retract, "a")])),
        Rule::Unknown(_)
    ));
    assert_eq!(one(create("a", "first")).revision, Revision::FIRST);
    assert_eq!(one(create("a", "first")).outcome, Outcome::Duplicate);
    assert!(matches!(
        rule(log, batch(vec![create("a", "other")])),
        Rule::Exists { .. }
    ));
    assert!(matches!(
        rule(log, batch(vec![amend("a", "x", Some(7))])),
        Rule::Revision { .. }
    ));
    let amended = one(amend("a", "second", Some(1)));
    assert_eq!(
        (amended.revision, amended.outcome),
        (Revision::new(2), Outcome::Amended)
    );
    // An import of the old file undoes nothing; a person may go back.
    assert_eq!(one(amend("a", "first", None)).outcome, Outcome::Duplicate);
    assert_eq!(one(create("a", "first")).position, Position::START);
    assert_eq!(one(amend("a", "first", Some(2))).revision, Revision::new(3));
    assert!(matches!(
        rule(log, batch(vec![act(Act::Reinstate, "a")])),
        Rule::NotSo { .. }
    ));
    assert_eq!(one(act(Act::Retract, "a")).outcome, Outcome::Acted);
    assert!(matches!(
        rule(log, batch(vec![act(Act::Retract, "a")])),
        Rule::AlreadySo { .. }
    ));
    assert!(matches!(
        rule(log, batch(vec![create("a", "first")])),
        Rule::Retracted { .. }
    ));
    assert!(matches!(
        rule(log, batch(vec![amend("a", "first", Some(3))])),
        Rule::Retracted { .. }
    ));
    one(act(Act::Hold, "a"));
    assert!(matches!(
        rule(log, batch(vec![act(Act::Hold, "a")])),
        Rule::AlreadySo { .. }
    ));
    assert!(matches!(
        rule(log, batch(vec![erase(log, "a")])),
        Rule::Held { .. }
    ));
    assert!(matches!(
        rule(log, batch(vec![act(Act::Erase, "a")])),
        Rule::Invalid(_)
    ));
    one(act(Act::Release, "a"));
    one(act(Act::Reinstate, "a"));
    let state = log
        .entry(&EntryKey::new("desk", "a").unwrap(), log.tail())
        .unwrap()
        .unwrap();
    assert_eq!(
        (state.status(), state.revision(), state.held),
        (Status::Current, Revision::new(3), None)
    );
    assert_eq!(state.status_of(Revision::new(1)), Status::Superseded);
    let outdated = erase(log, "a");
    one(act(Act::Retract, "a"));
    assert!(matches!(rule(log, batch(vec![outdated])), Rule::Newest { .. }));
    one(erase(log, "a"));
    for refused in [
        create("a", "first"),
        amend("a", "x", Some(3)),
        act(Act::Reinstate, "a"),
    ] {
        assert!(matches!(rule(log, batch(vec![refused])), Rule::Erased { .. }));
    }
    assert!(matches!(
        rule(log, batch(vec![erase(log, "a")])),
        Rule::AlreadySo { .. }
    ));
    one(act(Act::Hold, "a"));
}

/// An ERASE of all that an entry says, as it is now.
fn erase(log: &chancery::log::Log, key: &str) -> Draft {
    let scope = log
        .scope(&EntryKey::new("desk", key).unwrap(), None)
        .unwrap()
        .unwrap();
    Draft {
        erased: Some(scope.erasing),
        payload: encode_payload(&scope.statement("court".into(), String::new())),
        ..act(Act::Erase, key)
    }
}

#[test]
fn a_batch_builds_on_itself_and_on_the_batch_before_it() {
    let opened = Opened::new();
    let log = opened.log();
    let records = vec![
        create("a", "1"),
        amend("a", "2", Some(1)),
        act(Act::Retract, "a"),
        act(Act::Reinstate, "a"),
    ];
    let appended = append(log, batch(records)).unwrap();
    let revisions: Vec<u64> = appended
        .receipts
        .iter()
        .map(|receipt| receipt.revision.get())
        .collect();
    assert_eq!(revisions, [1, 2, 2, 2]);
    let answers = runtime().block_on(log.append_many(vec![
        batch(vec![create("b", "1")]),
        batch(vec![create("b", "1")]),
        batch(vec![create("b", "2")]),
        batch(vec![amend("b", "2", Some(1))]),
    ]));
    let outcomes: Vec<Option<Outcome>> = answers
        .iter()
        .map(|answer| answer.as_ref().ok().map(|appended| appended.receipts[0].outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            Some(Outcome::Recorded),
            Some(Outcome::Duplicate),
            None,
            Some(Outcome::Amended)
        ]
    );
}

#[test]
fn a_retry_by_request_id_gets_the_first_receipts_even_after_a_restart() {
    let mut opened = Opened::new();
    let first = append(opened.log(), named("r1", vec![create("a", "1"), create("", "2")])).unwrap();
    let retract = append(opened.log(), named("r2", vec![act(Act::Retract, "a")])).unwrap();
    for _ in 0..2 {
        let again = append(opened.log(), named("r1", vec![create("a", "1"), create("", "2")])).unwrap();
        assert_eq!(again.receipts, first.receipts);
        let again = append(opened.log(), named("r2", vec![act(Act::Retract, "a")])).unwrap();
        assert_eq!(again.receipts, retract.receipts);
        let reused = rule(opened.log(), named("r2", vec![act(Act::Reinstate, "a")]));
        assert!(matches!(reused, Rule::RequestIdReused { .. }));
        opened.crash();
    }
    assert_eq!(opened.log().tail(), Position::new(3));
}

#[test]
fn a_request_id_with_another_relation_or_target_is_reused_and_not_a_retry() {
    let opened = Opened::new();
    let log = opened.log();
    append(
        log,
        batch(vec![create("a", "1"), create("b", "2"), create("c", "3")]),
    )
    .unwrap();
    let link = |relation, other: &str| {
        let draft = Draft {
            relation: Some((relation, EntryKey::new("desk", other).unwrap())),
            ..act(Act::Link, "a")
        };
        named("r", vec![draft])
    };
    let first = append(log, link(RelationType::PartOf, "b")).unwrap();
    for other in [
        link(RelationType::PartOf, "c"),
        link(RelationType::RespondsTo, "b"),
    ] {
        assert!(matches!(rule(log, other), Rule::RequestIdReused { .. }));
    }
    let again = append(log, link(RelationType::PartOf, "b")).unwrap();
    assert_eq!(again.receipts, first.receipts);
}

/// Once a client that counts its ids begins anew, its next batch would be taken for an old one, and be lost.
#[test]
fn a_request_id_with_other_content_is_reused_and_not_a_retry() {
    let mut opened = Opened::new();
    let first = append(opened.log(), named("r", vec![create("", "first")])).unwrap();
    let keyed = append(opened.log(), named("k", vec![create("a", "first")])).unwrap();
    for _ in 0..2 {
        let log = opened.log();
        for other in [
            named("r", vec![create("", "second")]),
            named("k", vec![create("a", "second")]),
            Batch {
                validate_only: true,
                ..named("r", vec![create("", "second")])
            },
        ] {
            assert!(matches!(rule(log, other), Rule::RequestIdReused { .. }));
        }
        let again = append(log, named("r", vec![create("", "first")])).unwrap();
        assert_eq!(again.receipts, first.receipts);
        let again = append(log, named("k", vec![create("a", "first")])).unwrap();
        assert_eq!(again.receipts, keyed.receipts);
        opened.crash();
    }
    assert_eq!(opened.log().tail(), Position::new(2));
}

#[test]
fn a_request_id_with_another_kind_cause_explanation_or_revision_is_reused_and_not_a_retry() {
    let opened = Opened::new();
    let log = opened.log();
    append(log, named("create", vec![create("a", "1")])).unwrap();
    append(log, named("amend", vec![amend("a", "2", Some(1))])).unwrap();
    append(log, named("retract", vec![act(Act::Retract, "a")])).unwrap();
    let report = Draft {
        kind: Some(Kind::Report),
        ..create("a", "1")
    };
    let duplicate = Draft {
        reason: Reason::new("duplicate").unwrap(),
        ..act(Act::Retract, "a")
    };
    for other in [
        named("create", vec![report]),
        named("amend", vec![amend("a", "2", Some(2))]),
        named("retract", vec![duplicate]),
        named("retract", vec![draft(Act::Retract, "a", statement("for once"))]),
    ] {
        assert!(matches!(rule(log, other), Rule::RequestIdReused { .. }));
    }
}

#[test]
fn a_retry_may_be_encoded_in_another_order() {
    let opened = Opened::new();
    let titled = |content: &[u8]| {
        let payload = [&[0x0a, content.len() as u8], content].concat();
        named("r", vec![draft(Act::Create, "", payload.into())])
    };
    let first = append(opened.log(), titled(b"\x0a\x05title\x12\x04body")).unwrap();
    let again = append(opened.log(), titled(b"\x12\x04body\x0a\x05title")).unwrap();
    assert_eq!(again.receipts, first.receipts);
}

/// What was erased can be compared with nothing any more. Whoever retries must learn that it was recorded.
#[test]
fn a_retry_of_what_was_erased_meanwhile_gets_the_first_receipts() {
    let mut opened = Opened::new();
    let first = append(opened.log(), named("r", vec![create("a", "1"), create("b", "2")])).unwrap();
    append(opened.log(), batch(vec![erase(opened.log(), "a")])).unwrap();
    for _ in 0..2 {
        let again = append(opened.log(), named("r", vec![create("a", "1"), create("b", "2")])).unwrap();
        assert_eq!(again.receipts, first.receipts);
        let other = named("r", vec![create("a", "1"), create("b", "3")]);
        assert!(matches!(rule(opened.log(), other), Rule::RequestIdReused { .. }));
        opened.crash();
    }
}

/// What was erased before a batch was written cannot be what the batch left out: a record that such a retry brings besides was once
/// answered as a duplicate of it, and lost.
#[test]
fn what_was_erased_or_written_at_another_time_is_no_duplicate_of_a_retry() {
    let mut opened = Opened::new();
    let log = opened.log();
    append(log, batch(vec![create("a", "1")])).unwrap();
    append(log, batch(vec![amend("a", "2", None)])).unwrap();
    let order = |from: u64, replacement| Order {
        entry: EntryKey::new("desk", "a").unwrap(),
        revisions: Some((Revision::new(from), Revision::new(from + 1))),
        authority: "the court".into(),
        explanation: String::new(),
        reason: Reason::default(),
        expected_revision: None,
        replacement,
        request_id: None,
        principal: Principal::anonymous(),
        validate_only: false,
    };
    runtime().block_on(log.erase(&order(1, None))).unwrap();
    let left_out = || named("r", vec![create("b", "1"), amend("a", "2", Some(2))]);
    let first = append(log, left_out()).unwrap();
    append(log, named("s", vec![create("c", "1")])).unwrap();
    append(log, batch(vec![amend("a", "3", Some(2))])).unwrap();
    // Written after the batch, and erased then.
    runtime()
        .block_on(log.erase(&order(3, Some(content("4")))))
        .unwrap();
    for _ in 0..2 {
        let log = opened.log();
        let more = named("s", vec![create("c", "1"), amend("a", "never said", Some(2))]);
        assert!(matches!(rule(log, more), Rule::RequestIdReused { .. }));
        // What stood then may have been what was left out, also where it is erased since.
        let again = append(log, left_out()).unwrap();
        assert_eq!(again.receipts, first.receipts);
        opened.crash();
    }
    runtime().block_on(opened.log().erase(&order(2, None))).unwrap();
    let again = append(opened.log(), left_out()).unwrap();
    let position = |receipts: &[Receipt]| receipts.iter().map(|one| one.position).collect::<Vec<_>>();
    assert_eq!(position(&again.receipts), position(&first.receipts));
}

#[test]
fn a_retry_tells_the_records_of_one_entry_apart_by_what_they_say() {
    let mut opened = Opened::new();
    append(
        opened.log(),
        batch(vec![create("k", "A"), amend("k", "X", Some(1))]),
    )
    .unwrap();
    // The first is a duplicate of the oldest revision, the second is written.
    let both = || named("r", vec![amend("k", "A", None), amend("k", "B", None)]);
    let first = append(opened.log(), both()).unwrap();
    let outcomes: Vec<Outcome> = first.receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Duplicate, Outcome::Amended]);
    for _ in 0..2 {
        let again = append(opened.log(), both()).unwrap();
        assert_eq!(again.receipts, first.receipts);
        opened.crash();
    }
}

#[test]
fn all_broken_rules_are_reported_together_and_nothing_is_written() {
    let opened = Opened::new();
    let log = opened.log();
    append(log, batch(vec![create("a", "1")])).unwrap();
    let records = vec![create("a", "2"), create("new", "x"), amend("nowhere", "y", None)];
    let paths: Vec<String> = refused(log, batch(records))
        .iter()
        .map(|violation| violation.path())
        .collect();
    assert_eq!(paths, ["records[0].key", "records[2].key"]);
    assert!(
        log.entry(&EntryKey::new("desk", "new").unwrap(), log.tail())
            .unwrap()
            .is_none()
    );
}

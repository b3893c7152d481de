use super::*;
use crate::record::{BatchId, EntryKey, Position, Revision};
use bytes::Bytes;
use std::collections::BTreeSet;

fn entry() -> EntryKey {
    "desk/k".parse().unwrap()
}

fn check(status: &Status, code: Code, reason: Reason) {
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (status.code(), info.reason.as_str(), info.domain.as_str()),
        (code, reason.word(), DOMAIN)
    );
}

#[test]
fn every_reason_has_its_paragraph_and_every_paragraph_its_reason() {
    let document = include_str!("../../../docs/errors.md");
    let written: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(str::trim)
        .collect();
    let coded: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    assert_eq!(written, coded);
}

#[test]
fn an_unknown_fate_is_never_unavailable() {
    let error = AppendError::Unknown {
        request_id: Some(BatchId::new(Bytes::from_static(b"one")).unwrap()),
        cause: "the connection was lost".into(),
    };
    let status = append(&error);
    check(&status, Code::Unknown, Reason::FateUnknown);
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata["request_id"], hex::encode("one"));
}

#[test]
fn a_conflict_is_aborted_with_what_was_expected() {
    let rule = Rule::Revision {
        entry: entry(),
        expected: Revision::new(1),
        actual: Revision::new(2),
    };
    let status = append(&AppendError::Refused(vec![Violation::of(
        0,
        "expected_revision",
        rule,
    )]));
    check(&status, Code::Aborted, Reason::RevisionConflict);
    let failure = status.get_details_precondition_failure().unwrap();
    assert_eq!(failure.violations[0].subject, "records[0].expected_revision");
}

#[test]
fn damage_is_data_loss_with_position_expected_and_found() {
    let status = read(&ReadError::Damaged {
        position: Position::new(7),
        expected: "a".into(),
        found: "b".into(),
    });
    check(&status, Code::DataLoss, Reason::Damaged);
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (&*info.metadata["position"], &*info.metadata["found"]),
        ("7", "b")
    );
}

#[test]
fn what_can_never_succeed_decides_the_code() {
    let violations = vec![
        Violation::of(0, "key", Rule::Unknown(entry())),
        Violation::of(1, "payload", Rule::Invalid("an impossible date".into())),
    ];
    let status = append(&AppendError::Refused(violations));
    check(&status, Code::InvalidArgument, Reason::InvalidField);
    assert!(status.message().ends_with("(and 1 more)"), "{}", status.message());
}

#[test]
fn details_stay_within_their_bound_and_tell_the_whole_count() {
    let violations: Vec<Violation> = (0..1_000)
        .map(|index| Violation::of(index, "payload", Rule::Invalid("x".repeat(500))))
        .collect();
    let status = append(&AppendError::Refused(violations));
    assert!(
        status.details().len() <= DETAILS_BYTES_MAX,
        "{}",
        status.details().len()
    );
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata["violations"], "1000");
    assert!(
        !status
            .get_details_bad_request()
            .unwrap()
            .field_violations
            .is_empty()
    );
}

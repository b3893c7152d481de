use super::*;

fn leaf(act: Act) -> Leaf<'static> {
    Leaf {
        act,
        kind: Kind::Event,
        series: "desk",
        key: "k",
        revision: crate::record::Revision::FIRST,
        previous: None,
        recorded: crate::record::Recorded::default(),
        batch_id: b"b",
        batch_index: 0,
        batch_count: 1,
        principal: "anonymous",
        epoch: crate::record::Epoch::default(),
        reason: "",
        relation: None,
        erased: None,
        payload_size: 0,
        commitment: [0; 32],
    }
}

/// The statuses that a scan gives to an entry whose acts are told oldest first.
fn judged(acts: &[Act]) -> Vec<Option<Status>> {
    let mut known = None;
    let mut all = Vec::new();
    for act in acts.iter().rev() {
        let (next, status) = step(known, &leaf(*act), false);
        known = Some(next);
        all.push(status);
    }
    all.retain(Option::is_some);
    all
}

#[test]
fn an_entry_is_judged_once_at_its_newest_content() {
    use Act::{Amend, Create, Hold, Reinstate, Retract};
    assert_eq!(judged(&[Create, Amend, Amend]), [Some(Status::Current)]);
    assert_eq!(judged(&[Create, Amend, Retract]), [Some(Status::Retracted)]);
    assert_eq!(judged(&[Create, Retract, Hold]), [Some(Status::Retracted)]);
    assert_eq!(
        judged(&[Create, Retract, Reinstate, Hold]),
        [Some(Status::Current)]
    );
    assert_eq!(judged(&[Act::Audit]), []);
}

use super::*;

/// The statuses that a scan gives to the contents of an entry whose acts are told oldest first; the newest first.
fn judged(acts: &[Act]) -> Vec<Status> {
    let mut known = None;
    let mut all = Vec::new();
    for act in acts.iter().rev() {
        let (next, status) = step(known, *act);
        known = Some(next);
        all.extend(status);
    }
    all
}

#[test]
fn the_newest_content_of_an_entry_has_its_status_and_earlier_ones_are_superseded() {
    use Act::{Amend, Create, Hold, Reinstate, Retract};
    use Status::{Current, Retracted, Superseded};
    assert_eq!(
        judged(&[Create, Amend, Hold, Amend]),
        [Current, Superseded, Superseded]
    );
    assert_eq!(judged(&[Create, Amend, Retract]), [Retracted, Superseded]);
    assert_eq!(judged(&[Create, Retract, Hold]), [Retracted]);
    assert_eq!(judged(&[Create, Retract, Reinstate, Hold]), [Current]);
    assert_eq!(judged(&[Act::Audit]), []);
}

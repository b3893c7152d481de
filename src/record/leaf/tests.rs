use super::*;
use crate::record::codec;
use proptest::prelude::*;

fn as_prost(leaf: &Leaf<'_>) -> codec::Leaf {
    codec::Leaf {
        format: 1,
        act: leaf.act.number(),
        kind: leaf.kind.number(),
        series: leaf.series.into(),
        key: leaf.key.into(),
        revision: leaf.revision.get(),
        previous: leaf.previous.map(Position::get),
        recorded: leaf.recorded.nanos(),
        batch_id: leaf.batch_id.to_vec().into(),
        batch_index: leaf.batch_index,
        batch_count: leaf.batch_count,
        principal: leaf.principal.into(),
        epoch: leaf.epoch.get(),
        reason: leaf.reason.into(),
        relation: leaf.relation.map(|link| codec::Relation {
            r#type: link.relation as i32,
            series: link.series.into(),
            key: link.key.into(),
        }),
        erased: leaf.erased.map(|(from, to)| codec::RevisionRange {
            from: from.get(),
            to: to.get(),
        }),
        payload_size: leaf.payload_size,
        commitment: leaf.commitment.to_vec().into(),
    }
}

proptest! {
    #[test]
    fn the_encoding_is_that_of_prost_and_reads_back(
        act in 0..Act::ALL.len(), kind in 0..Kind::ALL.len(), key in ".{0,40}", revision: u64,
        previous: Option<u64>, recorded: i64, batch in prop::collection::vec(any::<u8>(), 1..64),
        index: u32, count: u32, principal in "[a-z:]{0,20}", epoch: u64, reason in "[a-z-]{0,12}",
        link in prop::option::of((1i32..=8, "[a-z]{0,5}", ".{0,9}")), erased: Option<(u64, u64)>,
        payload_size: u64, commitment: [u8; 32],
    ) {
        let leaf = Leaf {
            act: Act::ALL[act],
            kind: Kind::ALL[kind],
            series: "desk",
            key: &key,
            revision: Revision::new(revision),
            previous: previous.map(Position::new),
            recorded: Recorded::from_nanos(recorded),
            batch_id: &batch,
            batch_index: index,
            batch_count: count,
            principal: &principal,
            epoch: Epoch::new(epoch),
            reason: &reason,
            relation: link.as_ref().map(|(relation, series, key)| Link {
                relation: RelationType::try_from(*relation).unwrap(),
                series,
                key,
            }),
            erased: erased.map(|(from, to)| (Revision::new(from), Revision::new(to))),
            payload_size,
            commitment,
        };
        let mut bytes = Vec::new();
        leaf.encode(&mut bytes);
        prop_assert_eq!(&bytes, &prost::Message::encode_to_vec(&as_prost(&leaf)));
        prop_assert_eq!(Leaf::decode(&bytes), Ok(leaf));
    }

    #[test]
    fn bytes_that_are_no_leaf_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Leaf::decode(&bytes);
    }
}

#[test]
fn another_format_is_refused_by_its_number() {
    assert_eq!(Leaf::decode(&[0x08, 0x02]), Err(LeafError::Format(2)));
    assert_eq!(Leaf::decode(&[]), Err(LeafError::Format(0)));
}

#[test]
fn a_varint_is_as_long_as_said() {
    for number in [0, 1, 127, 128, 16_383, 16_384, u64::MAX] {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, number);
        assert_eq!(bytes.len(), varint_len(number), "{number}");
    }
}

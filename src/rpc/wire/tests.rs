use super::*;
use crate::log::{EntryState, LinkAt, Run, Slot};
use crate::record::codec::RelationType;
use crate::record::{EntryKey, Kind, Revision, SALT_BYTES, Status};
use crate::view::Picked;
use proptest::prelude::*;
use prost::Message;

fn selection(first: u64, records: &[(Vec<u8>, Vec<u8>, bool)], picked: Picked) -> Selection {
    let (mut leaves, mut payloads, mut slots) = (Vec::new(), Vec::new(), Vec::new());
    for (leaf, payload, erased) in records {
        leaves.extend(leaf);
        if !erased {
            payloads.extend(payload);
        }
        slots.push(Slot {
            leaf_end: leaves.len() as u32,
            payload_end: payloads.len() as u32,
            erased: *erased,
        });
    }
    let salts = vec![7; records.len() * SALT_BYTES];
    let first = Position::new(first);
    let run = Run::new(first, slots, leaves.into(), salts.into(), payloads.into()).unwrap();
    Selection {
        through: run.end(),
        runs: vec![run],
        picked,
        backward: false,
        first,
    }
}

fn records_of(selection: &Selection, parts: Parts) -> Vec<proto::Record> {
    let mut all = Vec::new();
    selection.for_each(|stored, change| {
        let bytes = |part: &[u8], sent: bool| {
            if sent {
                Bytes::copy_from_slice(part)
            } else {
                Bytes::new()
            }
        };
        all.push(proto::Record {
            position: stored.position.get(),
            leaf: bytes(stored.leaf, parts.has_leaf()),
            payload: bytes(stored.payload, parts.has_payload()),
            exact: (parts == Parts::Exact).then(|| crate::record::codec::Exact {
                leaf: bytes(stored.leaf, true),
                payload: bytes(stored.payload, true),
                salt: bytes(stored.salt, true),
            }),
            change: change_number(change) as i32,
            erased: stored.erased,
        });
    });
    all
}

/// The message behind the prefix, which must be right.
fn unprefixed(message: Bytes) -> Bytes {
    let length = (message.len() - PREFIX) as u32;
    assert_eq!((message[0], &message[1..PREFIX]), (0, &length.to_be_bytes()[..]));
    message.slice(PREFIX..)
}

fn parts() -> impl Strategy<Value = Parts> {
    prop_oneof![
        Just(Parts::Both),
        Just(Parts::Payload),
        Just(Parts::Leaf),
        Just(Parts::Exact)
    ]
}

type Raw = Vec<(Vec<u8>, Vec<u8>, bool)>;

fn raw() -> impl Strategy<Value = Raw> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    proptest::collection::vec((bytes(), bytes(), any::<bool>()), 1..20)
}

proptest! {
    #[test]
    fn messages_are_read_by_prost_as_they_were_meant(
        first in prop_oneof![Just(0u64), any::<u32>().prop_map(u64::from)],
        raw in raw(),
        parts in parts(),
        token in proptest::collection::vec(any::<u8>(), 0..120),
        tags in any::<bool>(),
    ) {
        let picked = if tags {
            let some = (0..raw.len() as u64).step_by(2);
            Picked::Some(some.map(|at| (Position::new(first + at), Change::Leaves)).collect())
        } else {
            Picked::All
        };
        let selection = selection(first, &raw, picked);
        let records = records_of(&selection, parts);

        let message = batch(&selection, parts, &token);
        let decoded = proto::SubscribeResponse::decode(unprefixed(message)).unwrap();
        let expected = proto::Batch {
            records: records.clone(),
            first_scanned: first,
            scanned_through: selection.through.get(),
            resume_token: token.into(),
        };
        prop_assert_eq!(decoded.message, Some(proto::subscribe_response::Message::Batch(expected)));

        let message = read_response(&selection, parts, Position::new(9));
        let expected = proto::ReadResponse { records, scanned_through: selection.through.get(), tail: 9 };
        prop_assert_eq!(proto::ReadResponse::decode(unprefixed(message)).unwrap(), expected);
    }
}

#[test]
fn an_empty_batch_still_says_what_was_scanned() {
    let selection = Selection {
        runs: Vec::new(),
        picked: Picked::All,
        backward: false,
        first: Position::new(3),
        through: Position::new(70_000),
    };
    let message = batch(&selection, Parts::Both, b"t");
    let Some(proto::subscribe_response::Message::Batch(batch)) =
        proto::SubscribeResponse::decode(unprefixed(message))
            .unwrap()
            .message
    else {
        panic!("not a batch");
    };
    assert_eq!((batch.first_scanned, batch.scanned_through), (3, 70_000));
}

#[test]
fn any_message_is_sent_behind_its_prefix() {
    let beat = proto::Heartbeat { tail: 300, lag: 2 };
    assert_eq!(
        proto::Heartbeat::decode(unprefixed(message(&beat))).unwrap(),
        beat
    );
}

fn key(n: u64) -> EntryKey {
    EntryKey::new("desk", &format!("key-{n}")).unwrap()
}

/// An entry with one record, of which so much is known.
fn answer(raw: &(Vec<u8>, Vec<u8>, bool), first: u64, known: u64) -> EntryAnswer {
    let run = selection(first, std::slice::from_ref(raw), Picked::All)
        .runs
        .remove(0);
    let position = Position::new(known / 8);
    let link = |n| LinkAt {
        position,
        relation: RelationType::ReportedIn,
        other: key(n),
    };
    let statuses = [
        Status::Current,
        Status::Retracted,
        Status::Superseded,
        Status::Erased,
    ];
    EntryAnswer {
        state: EntryState {
            entry: key(first),
            kind: Kind::Event,
            contents: Vec::new(),
            last: position,
            records: 1,
            retracted: None,
            held: (known % 2 == 1).then_some(position),
            closed: None,
            links: (0..known % 3).map(link).collect(),
        },
        revision: Revision::new(known % 5 * 100),
        status: statuses[known as usize % 4],
        run,
        retracted_documents: (0..known % 7 / 3).map(key).collect(),
        suggested: crate::suggest::suggest(crate::suggest::Document {
            text: if known.is_multiple_of(11) {
                "Bajwa spoke in Iran."
            } else {
                ""
            },
            ..Default::default()
        }),
    }
}

proptest! {
    #[test]
    fn a_page_of_entries_is_encoded_as_prost_encodes_it(
        raw in raw(),
        known in proptest::collection::vec(any::<u64>(), 20),
        first in prop_oneof![Just(0_u64), any::<u64>()],
        token in "[a-z]{0,90}",
        with_derived: bool,
    ) {
        let answers: Vec<EntryAnswer> = raw.iter().zip(known).map(|(raw, known)| answer(raw, first, known)).collect();
        let beside = proto::SearchResponse {
            entries: Vec::new(),
            next_page_token: token,
            view_position: first,
            total: 300,
            notes: vec!["a note".to_owned()],
            likened: Some(proto::Likened { twins: 1, alike: 0 }),
            excerpts: vec![proto::Excerpts::default(); 2],
        };
        let mut parts = vec![Vec::new(), Vec::new(), Vec::new()];
        for (at, answer) in answers.iter().enumerate() {
            put_found(&mut parts[at * 3 / answers.len()], answer, with_derived);
        }
        let message = unprefixed(search_response(&parts, &beside));
        let expected = proto::SearchResponse {
            entries: answers.iter().map(|answer| convert::entry(answer, false, with_derived)).collect(),
            ..beside
        };
        prop_assert_eq!(proto::SearchResponse::decode(message.clone()).unwrap(), expected.clone());
        prop_assert_eq!(message, expected.encode_to_vec());
    }
}

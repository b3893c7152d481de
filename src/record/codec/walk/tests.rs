//! The walk against hand-made bytes, and against prost.
use super::*;
use crate::record::codec::wire::{put_bytes, put_number, put_varint};
use crate::record::codec::{self, Content, Payload};
use proptest::prelude::*;
use prost::Message as _;

/// The payload whose content has these bytes.
fn with_content(content: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_bytes(shape::PAYLOAD_CONTENT, content, &mut payload);
    payload
}

fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(number, value, &mut out);
    out
}

fn check(payload: &[u8], path: &str, says: &str) {
    let error = check_payload(payload).expect_err(says);
    assert_eq!(error.path, path, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

fn event() -> Content {
    let participant = |name: &str| codec::Participant {
        side: codec::Side::Party as i32,
        name: name.to_owned(),
        countries: vec![codec::Country {
            scheme: "iso3".to_owned(),
            code: "PAK".to_owned(),
        }],
        ..Default::default()
    };
    let date = codec::Date {
        role: 1,
        edtf: "2021-10-13".to_owned(),
        ..Default::default()
    };
    Content {
        title: "Visit".to_owned(),
        dates: vec![date],
        participants: vec![participant("a"), participant("b")],
        flags: vec![1, 3],
        ..Content::default()
    }
}

#[test]
fn facts_tell_what_decides_the_kind() {
    let facts = |content| check_payload(&codec::encode_content(content)).unwrap();
    let title = || "t".to_owned();
    let only = facts(Content {
        title: title(),
        language: "en".to_owned(),
        ..Content::default()
    });
    assert!(only.is_title_only() && only.looks_like_document() && !only.has_body());
    assert!(
        facts(Content {
            title: title(),
            body: "b".to_owned(),
            ..event()
        })
        .looks_like_document()
    );
    let text = codec::Text {
        body: "b".to_owned(),
        ..Default::default()
    };
    assert!(
        facts(Content {
            texts: vec![text],
            ..Content::default()
        })
        .looks_like_document()
    );
    let event = facts(event());
    assert!(!event.looks_like_document() && event.has_title() && !event.has_raw());
    assert_eq!(event.participants(), 2);
    assert!(
        facts(Content {
            raw: "r".into(),
            ..Content::default()
        })
        .has_raw()
    );
}

#[test]
fn an_empty_payload_holds_nothing() {
    let facts = check_payload(b"").unwrap();
    assert!(!facts.has_content() && !facts.has_statement() && !facts.has_system() && !facts.says_something());
    let empty_title = check_payload(&with_content(&field(shape::CONTENT_TITLE, b""))).unwrap();
    assert!(empty_title.has_content() && !empty_title.says_something());
}

#[test]
fn the_content_lies_where_the_facts_say() {
    let payload = codec::encode_content(event());
    let range = check_payload(&payload).unwrap().content().unwrap();
    assert_eq!(Content::decode(&payload[range]).unwrap(), event());
}

#[test]
fn unknown_fields_are_refused_with_the_path_of_their_message() {
    check(&field(9, b""), "", "field number 9 is not known");
    check(
        &with_content(&field(7, &field(15, b""))),
        "content.participants[0]",
        "field number 15 is not known",
    );
    check(
        &with_content(&field(40_000, b"")),
        "content",
        "field number 40000 is not known",
    );
    check(
        &with_content(&field(0, b"")),
        "content",
        "field number 0 is not known",
    );
}

#[test]
fn the_path_counts_the_elements_before() {
    let mut content = field(shape::CONTENT_TITLE, b"t");
    for name in [&b"a"[..], b"b", b"c"] {
        content.extend(field(7, &field(2, name)));
    }
    content.extend(field(7, &field(2, b"\xff")));
    check(
        &with_content(&content),
        "content.participants[3].name",
        "not UTF-8 from byte 0",
    );
}

#[test]
fn wire_types_must_be_the_declared_ones() {
    let mut number = Vec::new();
    put_number(shape::CONTENT_TITLE, 5, &mut number);
    check(
        &with_content(&number),
        "content.title",
        "wire type VARINT found, LEN expected",
    );
    let group = [(1 << 3) | 3, (1 << 3) | 4];
    check(&group, "content", "wire type GROUP found, LEN expected");
    let fixed = [(1 << 3) | 5, 0, 0, 0, 0];
    check(&fixed, "content", "wire type I32 found");
}

#[test]
fn a_singular_field_stands_once() {
    let twice = [field(1, b"a"), field(1, b"a")].concat();
    check(&with_content(&twice), "content.title", "stands more than once");
    check(
        &[with_content(b""), with_content(b"")].concat(),
        "content",
        "stands more than once",
    );
}

#[test]
fn every_cut_is_refused_or_ends_between_parts() {
    let payload = codec::encode_content(event());
    for cut in 1..payload.len() {
        check(&payload[..cut], "content", "the bytes end inside a value");
    }
    check(&[(1 << 3) | 2, 0xff], "content", "the bytes end inside a value");
    check(&[0xff; 11], "", "more than 64 bits");
}

#[test]
fn names_and_identifiers_are_bounded() {
    let of = |names: usize, identifiers: usize| {
        codec::encode_content(Content {
            names: vec![codec::Name::default(); names],
            identifiers: vec![codec::Code::default(); identifiers],
            ..Content::default()
        })
    };
    assert!(check_payload(&of(1_000, 1_000)).unwrap().describes());
    check(
        &of(1_001, 0),
        "content.names[1000]",
        "too many names: more than 1000; ",
    );
    check(
        &of(0, 1_001),
        "content.identifiers[1000]",
        "too many identifiers: more than 1000; ",
    );
}

#[test]
fn limits_are_named_with_what_was_found() {
    let large = vec![0; PAYLOAD_BYTES_MAX + 1];
    check(
        &large,
        "",
        "payload too large: 1048577 bytes exceeds limit of 1048576 bytes; split the text",
    );
    let crowd = |count| {
        codec::encode_content(Content {
            participants: vec![Default::default(); count],
            ..Content::default()
        })
    };
    assert_eq!(check_payload(&crowd(256)).unwrap().participants(), 256);
    check(&crowd(257), "content.participants", "more than 256");
}

#[test]
fn words_and_flags_are_those_of_the_proto() {
    let content = |content| codec::encode_content(content);
    let date = codec::Date {
        role: 99,
        ..Default::default()
    };
    check(
        &content(Content {
            dates: vec![date],
            ..Content::default()
        }),
        "content.dates[0].role",
        "99 is not a value of DateRole; use 1 to 7",
    );
    check(
        &content(Content {
            flags: vec![1, 0],
            ..Content::default()
        }),
        "content.flags[1]",
        "0 is not a value of Flag",
    );
    let mut unpacked = Vec::new();
    put_number(9, 2, &mut unpacked);
    put_number(9, 1, &mut unpacked);
    assert!(check_payload(&with_content(&unpacked)).is_ok());
    put_number(9, 6, &mut unpacked);
    check(
        &with_content(&unpacked),
        "content.flags[2]",
        "6 is not a value of Flag",
    );
    let mut negative = Vec::new();
    put_varint(9 << 3, &mut negative);
    put_varint(u64::MAX, &mut negative);
    check(
        &with_content(&negative),
        "content.flags[0]",
        "is not a value of Flag",
    );
}

#[test]
fn an_impossible_date_is_refused_with_path_value_and_remedy() {
    let date = |edtf: &str| codec::Date {
        edtf: edtf.to_owned(),
        ..Default::default()
    };
    let content = Content {
        dates: vec![date("1939-05~"), date("2021-02-30")],
        ..Content::default()
    };
    check(
        &codec::encode_content(content.clone()),
        "content.dates[1].edtf",
        "`2021-02-30` is not a date",
    );
    check(
        &codec::encode_content(content),
        "content.dates[1].edtf",
        "write EDTF, such as 2021-10-13",
    );
}

#[test]
fn a_relation_names_the_other_entry_whole() {
    let relation = |series: &str, key: &str| {
        let relation = codec::Relation {
            r#type: 1,
            series: series.to_owned(),
            key: key.to_owned(),
        };
        codec::encode_content(Content {
            relations: vec![relation],
            ..Content::default()
        })
    };
    assert!(check_payload(&relation("desk", "a")).is_ok());
    check(&relation("desk", ""), "content.relations[0].key", "is missing");
    check(
        &relation("Desk", "a"),
        "content.relations[0].series",
        "series `Desk`",
    );
}

#[test]
fn a_span_does_not_end_before_it_starts() {
    let report = |from, to| {
        let report = codec::Report {
            offsets: vec![codec::Span { from, to }],
            ..Default::default()
        };
        codec::encode_content(Content {
            reports: vec![report],
            ..Content::default()
        })
    };
    assert!(check_payload(&report(3, 3)).is_ok());
    check(
        &report(4, 3),
        "content.reports[0].offsets[0]",
        "ends at 3, before it starts at 4",
    );
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_passes_also_decodes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if check_payload(&bytes).is_ok() {
            prop_assert!(Payload::decode(bytes.as_slice()).is_ok());
        }
    }

    #[test]
    fn a_flipped_byte_passes_only_if_it_decodes(at in 0usize..80, byte in any::<u8>()) {
        let mut payload = codec::encode_content(event()).to_vec();
        let at = at % payload.len();
        payload[at] = byte;
        if check_payload(&payload).is_ok() {
            prop_assert!(Payload::decode(payload.as_slice()).is_ok());
        }
    }
}

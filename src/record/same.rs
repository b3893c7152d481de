//! When two payloads say the same.
//!
//! The log asks this before it writes: what is already kept is not kept twice. Only content counts, field by
//! field; how it came (provenance) and why (statement) never do, and neither does the order in which an encoder
//! wrote the fields. Nothing is stored and no digest is taken.

use super::codec::shape::{CONTENT_RAW, PAYLOAD_CONTENT};
use super::codec::{decode_content, wire};

/// Whether two payloads have equal content: all fields, in whatever order and with or without defaults they were
/// encoded. Neither having content is equal.
pub fn content_equal(a: &[u8], b: &[u8]) -> bool {
    if wire::only_message(a, PAYLOAD_CONTENT) == wire::only_message(b, PAYLOAD_CONTENT) {
        return true;
    }
    match (decode_content(a), decode_content(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// Whether an import would write what is already kept: by the exact input where both payloads have it, else by all
/// fields. So a newer importer that reads more out of the same row changes nothing.
pub fn same_as_import(a: &[u8], b: &[u8]) -> bool {
    match (raw(a), raw(b)) {
        (Some(a), Some(b)) => a == b,
        _ => content_equal(a, b),
    }
}

/// The exact input that a payload keeps; `None` where it has none.
pub fn raw(payload: &[u8]) -> Option<&[u8]> {
    let content = wire::only_message(payload, PAYLOAD_CONTENT)?;
    wire::only_message(content, CONTENT_RAW).filter(|raw| !raw.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::codec::{
        Content, Payload, Provenance, Statement, encode_content, encode_payload, wire,
    };

    fn content(title: &str, raw: &'static [u8]) -> Content {
        Content {
            title: title.to_owned(),
            raw: raw.into(),
            ..Content::default()
        }
    }

    #[test]
    fn provenance_and_statement_do_not_count() {
        let provenance = Provenance {
            importer: "icews".to_owned(),
            line: 7,
            ..Provenance::default()
        };
        let statement = Statement {
            explanation: "name completed".to_owned(),
            ..Statement::default()
        };
        let told = Payload {
            content: Some(content("a", b"")),
            provenance: Some(provenance),
            statement: Some(statement),
            system: None,
        };
        assert!(content_equal(
            &encode_payload(&told),
            &encode_content(content("a", b""))
        ));
        assert!(!content_equal(
            &encode_payload(&told),
            &encode_content(content("b", b""))
        ));
    }

    #[test]
    fn the_order_of_fields_and_defaults_do_not_count() {
        let mut inner = Vec::new();
        wire::put_bytes(2, b"body", &mut inner);
        wire::put_bytes(3, b"", &mut inner);
        wire::put_bytes(1, b"title", &mut inner);
        let mut payload = Vec::new();
        wire::put_bytes(PAYLOAD_CONTENT, &inner, &mut payload);
        let plain = Content {
            title: "title".to_owned(),
            body: "body".to_owned(),
            ..Content::default()
        };
        assert!(content_equal(&payload, &encode_content(plain)));
    }

    #[test]
    fn an_import_is_compared_by_its_raw_row_where_both_have_one() {
        let (old, new) = (
            encode_content(content("old reading", b"row")),
            encode_content(content("new reading", b"row")),
        );
        assert!(same_as_import(&old, &new) && !content_equal(&old, &new));
        assert!(!same_as_import(
            &old,
            &encode_content(content("old reading", b"other row"))
        ));
        assert!(
            !same_as_import(&old, &encode_content(content("old reading", b""))),
            "one has no row: all fields"
        );
    }

    #[test]
    fn payloads_without_content_are_equal_to_each_other_only() {
        assert!(content_equal(b"", b""));
        assert!(!content_equal(b"", &encode_content(content("a", b""))));
    }
}

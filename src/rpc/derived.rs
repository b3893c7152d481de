//! What is derived from a content, written as a message.
//!
//! Most answers have some twenty short texts of it, and many entries. Made of structures that were encoded afterwards they
//! would cost more than the reading of the records, so that the bytes of [`super::proto::Derived`] are written at once.

use crate::derive::{
    GOLDSTEIN, Iso3, When, ancestors_of_cameo, countries, countries_of_participant, country_of_place, types,
};
use crate::filter::{DerivedValue, each_derived};
use crate::record::codec::parts::{Parts, decode_parts};
use crate::record::codec::wire::{put_bytes, put_varint};
use bytes::Bytes;
use std::io::Write;
use std::sync::LazyLock;

/// The fields of a content of which anything is derived: dates, participants, types, contexts, places, measures.
const DERIVED_FROM: Parts = Parts::fields(&[6, 7, 8, 11, 12, 13]);

/// The numbers of the fields, as `archive.proto` has them; a test holds what is written against what it says.
mod field {
    pub const TABLE: u32 = 1;
    pub const COUNTRIES: u32 = 2;
    pub const TYPE_TABLE: u32 = 3;
    pub const TYPES: u32 = 4;
    pub const QUADS: u32 = 5;
    pub const MEASURES: u32 = 6;
    pub mod country {
        pub const PATH: u32 = 1;
        pub const ISO3: u32 = 2;
    }
    pub mod of_type {
        pub const PATH: u32 = 1;
        pub const SCHEME: u32 = 2;
        pub const CODE: u32 = 3;
        pub const LABEL: u32 = 4;
        pub const MODE: u32 = 5;
        pub const CONTEXTS: u32 = 6;
        pub const ANCESTORS: u32 = 7;
    }
    pub mod measure {
        pub const NAME: u32 = 1;
        pub const VALUE: u32 = 2;
    }
}

static COUNTRY_TABLE: LazyLock<String> = LazyLock::new(|| format!("countries {}", countries().version()));
static TYPE_TABLE: LazyLock<String> = LazyLock::new(|| format!("types {}", types().version()));

/// What follows from the content of a payload, apart from what was stated.
pub fn of_payload(payload: &[u8]) -> Bytes {
    let content = decode_parts(payload, DERIVED_FROM).ok().flatten();
    let content = content.unwrap_or_default();
    let when = When::Of(&content);
    let mut message = Message::default();
    put_text(field::TABLE, &COUNTRY_TABLE, &mut message.bytes);
    for (at, participant) in content.participants.iter().enumerate() {
        for country in countries_of_participant(participant, when) {
            message.country("participants", at, country);
        }
    }
    for (at, place) in content.places.iter().enumerate() {
        if let Some(country) = country_of_place(place, when) {
            message.country("places", at, country);
        }
    }
    let mut has_types = false;
    each_derived(&content, |value| {
        if !std::mem::replace(&mut has_types, true) {
            put_text(field::TYPE_TABLE, &TYPE_TABLE, &mut message.bytes);
        }
        message.value(&value);
    });
    message.bytes.into()
}

#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
    /// A message within it that is being written.
    inner: Vec<u8>,
}

impl Message {
    fn country(&mut self, list: &str, at: usize, country: Iso3) {
        self.inner.clear();
        put_path(field::country::PATH, list, at, &mut self.inner);
        put_text(field::country::ISO3, country.as_str(), &mut self.inner);
        put_bytes(field::COUNTRIES, &self.inner, &mut self.bytes);
    }

    fn value(&mut self, value: &DerivedValue<'_>) {
        self.inner.clear();
        let inner = &mut self.inner;
        match value {
            DerivedValue::Type(one) => {
                put_path(field::of_type::PATH, "types", one.at, inner);
                put_text(field::of_type::SCHEME, one.scheme, inner);
                put_text(field::of_type::CODE, one.code, inner);
                put_text(field::of_type::LABEL, one.label, inner);
                put_text(field::of_type::MODE, one.mode, inner);
                one.contexts
                    .iter()
                    .for_each(|context| put_text(field::of_type::CONTEXTS, context, inner));
                if one.has_ancestors {
                    ancestors_of_cameo(one.code)
                        .for_each(|code| put_text(field::of_type::ANCESTORS, code, inner));
                }
                put_bytes(field::TYPES, inner, &mut self.bytes);
            }
            DerivedValue::Quad(quad) => {
                put_varint(quad.number().into(), inner);
                put_bytes(field::QUADS, inner, &mut self.bytes);
            }
            DerivedValue::Goldstein(value) => {
                put_text(field::measure::NAME, GOLDSTEIN, inner);
                put_text(field::measure::VALUE, value, inner);
                put_bytes(field::MEASURES, inner, &mut self.bytes);
            }
        }
    }
}

fn put_text(field: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        put_bytes(field, text.as_bytes(), out);
    }
}

/// `participants[0]`.
fn put_path(field: u32, list: &str, at: usize, out: &mut Vec<u8>) {
    const LONGEST: usize = "participants[18446744073709551615]".len();
    let mut path = [0_u8; LONGEST];
    let mut rest = &mut path[..];
    // It has room for any number.
    let written = write!(rest, "{list}[{at}]").map(|()| rest.len());
    let length = LONGEST - written.unwrap_or(LONGEST);
    put_bytes(field, &path[..length], out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::Input;
    use crate::rpc::proto::{Derived, DerivedCountry, DerivedMeasure, DerivedType};
    use prost::Message as _;

    #[test]
    fn what_is_written_is_what_the_published_message_says() {
        let line = r#"{"series":"icews","kind":"event","occurred":"2014-03-01","body":"not read","types":["icews-text:Express intent to cooperate militarily"],
            "participants":[{"side":"source","name":"Ministry (Japan)"},{"side":"target","name":"A Union"},{"side":"target","name":"x","countries":["cow:365"]}],
            "places":["Minsk, Belarus"]}"#;
        let input = Input::parse(line).unwrap();
        let country = |path: &str, iso3: &str| DerivedCountry {
            path: path.into(),
            iso3: iso3.into(),
        };
        let expected = Derived {
            table: "countries 2026-1".into(),
            countries: vec![
                country("participants[0]", "JPN"),
                country("participants[2]", "RUS"),
                country("places[0]", "BLR"),
            ],
            type_table: "types 2026-1".into(),
            types: vec![
                DerivedType {
                    path: "types[0]".into(),
                    scheme: "cameo".into(),
                    code: "0312".into(),
                    label: "Express intent to cooperate militarily".into(),
                    ancestors: vec!["031".into(), "03".into()],
                    ..DerivedType::default()
                },
                DerivedType {
                    path: "types[0]".into(),
                    scheme: "plover".into(),
                    code: "AGREE".into(),
                    contexts: vec!["military".into()],
                    ..DerivedType::default()
                },
            ],
            quads: vec![1],
            measures: vec![DerivedMeasure {
                name: "goldstein".into(),
                value: "5.2".into(),
            }],
        };
        assert_eq!(Derived::decode(of_payload(&input.payload)), Ok(expected));
    }

    #[test]
    fn of_nothing_nothing_follows_but_by_which_table() {
        let nothing = Derived {
            table: "countries 2026-1".into(),
            ..Derived::default()
        };
        assert_eq!(Derived::decode(of_payload(b"")), Ok(nothing));
    }

    #[test]
    fn a_path_has_any_number() {
        let mut out = Vec::new();
        put_path(1, "participants", usize::MAX, &mut out);
        assert!(out.ends_with(format!("participants[{}]", usize::MAX).as_bytes()));
    }
}

//! Leaf and payload as they lie on disk: the protobuf of `proto/chancery/v1/record.proto`.
//!
//! The only folder of the domain that knows prost. [`shape`] is the one table of messages, fields and enum words
//! that the check of payloads, the JSON form, its schema and the filter language read; [`walk`] checks a payload's
//! bytes in place. A payload that was sent is never encoded again: [`encode_payload`] is for those who make one.

use bytes::Bytes;
use prost::Message as _;

pub mod parts;
pub mod shape;
pub mod walk;
pub(crate) mod wire;

pub use walk::{PayloadError, PayloadFacts, PayloadProblem, check_payload};

#[allow(missing_docs, clippy::all, reason = "generated code")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/record/chancery.v1.rs"));
}
pub use generated::*;

/// The encoded `FileDescriptorSet` of the published protos, with payloads and leaves as messages.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/chancery_descriptor.bin"));

/// The most bytes that an encoded payload may have: 1 MiB.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// The most participants that one content may name.
pub const PARTICIPANTS_MAX: u32 = 256;

/// The most names that one content may give beside its title.
pub const NAMES_MAX: u32 = 1_000;

/// The most identifiers that one content may have.
pub const IDENTIFIERS_MAX: u32 = 1_000;

/// Bytes that are not a message of the kind they were taken for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not an encoded {message}: {source}")]
pub struct DecodeError {
    message: &'static str,
    source: prost::DecodeError,
}

/// Encodes a payload with ascending field numbers and without defaults. Checks nothing: see [`check_payload`].
pub fn encode_payload(payload: &Payload) -> Bytes {
    Bytes::from(payload.encode_to_vec())
}

/// Encodes content alone as a whole payload, as importers and tests need it.
pub fn encode_content(content: Content) -> Bytes {
    encode_payload(&Payload {
        content: Some(content),
        ..Payload::default()
    })
}

/// Decodes a payload. Bytes that [`check_payload`] has accepted always decode.
///
/// # Errors
/// Where the bytes are not a payload at all.
pub fn decode_payload(payload: &[u8]) -> Result<Payload, DecodeError> {
    Payload::decode(payload).map_err(|source| DecodeError {
        message: "payload",
        source,
    })
}

/// Decodes the content of a payload and nothing else of it; `None` where it has none.
///
/// # Errors
/// Where the bytes are not a payload at all.
pub fn decode_content(payload: &[u8]) -> Result<Option<Content>, DecodeError> {
    let Some(content) = wire::only_message(payload, shape::PAYLOAD_CONTENT) else {
        return Ok(None);
    };
    let content = Content::decode(content).map_err(|source| DecodeError {
        message: "content",
        source,
    })?;
    Ok(Some(content))
}

/// Decodes a relation that stands by itself.
///
/// # Errors
/// Where the bytes are not a relation.
pub fn decode_relation(relation: &[u8]) -> Result<Relation, DecodeError> {
    Relation::decode(relation).map_err(|source| DecodeError {
        message: "relation",
        source,
    })
}

/// Encodes a record's exact bytes with ascending field numbers and without defaults.
pub fn encode_exact(exact: &Exact) -> Bytes {
    Bytes::from(exact.encode_to_vec())
}

/// Decodes what [`encode_exact`] makes.
///
/// # Errors
/// Where the bytes are something else.
pub fn decode_exact(exact: &[u8]) -> Result<Exact, DecodeError> {
    Exact::decode(exact).map_err(|source| DecodeError {
        message: "record",
        source,
    })
}

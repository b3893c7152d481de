//! Leaf and payload as they lie on disk: the protobuf of `proto/chancery/v1/record.proto`.
//!
//! The only file of the domain that knows prost.

#[allow(missing_docs, clippy::all, reason = "generated code")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/record/chancery.v1.rs"));
}
pub use generated::*;

/// The encoded `FileDescriptorSet` of the published protos, with payloads and leaves as messages.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/chancery_descriptor.bin"));

//! The generated code of `proto/chancery/v1`, and the descriptor that it was generated from.
//!
//! Payloads and leaves are bytes here although the published protos type them: see `build.rs`.
#![allow(missing_docs, clippy::all, reason = "generated code; its docs are the comments of the proto files")]

tonic::include_proto!("chancery.v1");

/// The encoded `FileDescriptorSet` of the published protos, with payloads and leaves as messages.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/chancery_descriptor.bin"));

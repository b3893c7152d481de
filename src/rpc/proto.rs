//! The generated code of the services in `proto/chancery/v1`.
#![allow(
    missing_docs,
    clippy::all,
    reason = "generated code; its docs are the comments of the proto files"
)]

include!(concat!(env!("OUT_DIR"), "/rpc/chancery.v1.rs"));

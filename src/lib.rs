//! Chancery.

pub mod record;
pub mod rpc;

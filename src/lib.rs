//! Chancery.

pub mod derive;
pub mod filter;
pub mod log;
pub mod record;
pub mod rpc;
pub mod view;

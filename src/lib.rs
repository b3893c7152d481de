//! Chancery.

pub mod derive;
pub mod filter;
pub mod log;
pub mod merkle;
pub mod record;
pub mod rpc;
pub mod store;
pub mod view;

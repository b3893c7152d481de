//! Chancery.

pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod derive;
pub mod filter;
pub mod import;
pub mod log;
pub mod merkle;
pub mod record;
pub mod rpc;
pub mod store;
pub mod subscription;
pub mod telemetry;
pub mod view;

//! The gRPC services.
//!
//! Convert in, call one method below, convert out: the work is done in the log, the views and the subscriptions, where
//! tests reach it without a socket. [`status`] is the one place where errors become codes, [`convert`] the one where
//! messages become values, [`peer`] knows who calls, [`wire`] and [`raw`] send records without encoding them again.
//! [`server`] puts the services on a listener and takes them off it; [`web`] says which web pages may call.

pub mod admin;
mod aggregate;
pub mod archive;
mod authorities;
pub mod codec;
mod consume;
pub mod convert;
mod derived;
mod drafted;
mod erasure;
mod found_words;
mod groups;
pub mod integrity;
mod likened;
pub mod peer;
pub mod proto;
pub mod query;
pub mod raw;
mod search_pages;
pub mod server;
pub mod status;
pub mod subscriptions;
pub mod suggested;
pub mod views;
mod web;
pub mod wire;

use crate::alert::Alerts;
use crate::log::{Log, ReadError};
use crate::subscription::Hub;
use crate::subscription::group::Groups;
use crate::view::Scanner;
use crate::view::ahead::Readers;
use crate::view::runner::views::Views;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// What all services share.
pub struct Core {
    /// The log.
    pub log: Log,
    /// Answers questions about entries.
    pub scanner: Scanner,
    /// Knows how the views stand.
    pub views: Arc<Views>,
    /// What reads and the catch-up of subscribers share.
    pub readers: Arc<Readers>,
    /// Feeds subscribers.
    pub hub: Arc<Hub>,
    /// The consumer groups.
    pub groups: Groups,
    /// What is done for each match of which filter.
    pub alerts: Alerts,
    /// True from when the server is stopping: streams of appends then end.
    pub draining: watch::Sender<bool>,
    /// Told when `Admin.Drain` asks for the end.
    pub stop: Notify,
    /// When the server started, as the log's clock said.
    pub started: crate::record::Recorded,
}

/// Runs `job` where blocking is allowed.
///
/// # Errors
/// As `job`, on the wire.
async fn blocking<T, E>(
    job: impl FnOnce() -> Result<T, E> + Send + 'static,
    to_status: fn(&E) -> tonic::Status,
) -> Result<T, tonic::Status>
where
    T: Send + 'static,
    E: Send + 'static,
{
    match tokio::task::spawn_blocking(job).await {
        Ok(done) => done.map_err(|error| to_status(&error)),
        Err(cause) => Err(status::read(&ReadError::Io {
            what: "the log".to_owned(),
            cause: cause.to_string(),
        })),
    }
}

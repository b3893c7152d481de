//! Chancery is an archive of diplomatic events: a daemon that appends records to one log, never overwrites any, and lets
//! anyone search, follow and check them over gRPC.
//!
//! This is the library under the program `chancery`. It is *not* a general event store: its records, its filter language
//! and its acts are those of archivists and analysts. It is not a cluster either: one process keeps one data directory.
//! The README tells how to use the program; `ARCHITECTURE.md` has the rules that hold between the modules below.
//!
//! # One daemon and one client
//!
//! ```
//! use chancery::client::Client;
//! use chancery::config::Config;
//! use chancery::record::Act;
//! use chancery::record::codec::{Content, encode_content};
//! use chancery::rpc::proto::{AppendRecord, AppendRequest, CountRequest};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let config = Config {
//!     data: folder.path().join("data"),
//!     listen: ([127, 0, 0, 1], 0).into(),
//!     ..Config::default()
//! };
//! let listeners = chancery::daemon::listen(&config).await?;
//! let address = listeners.grpc.local_addr()?.to_string();
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let daemon = tokio::spawn(chancery::daemon::run(config, listeners, async {
//!     let _ = stopped.await;
//! }));
//!
//! let client = Client::connect(&address).await?;
//! let record = AppendRecord {
//!     act: Act::Create.number(),
//!     series: "desk".into(),
//!     payload: vec![encode_content(Content {
//!         title: "Treaty of friendship signed".into(),
//!         ..Content::default()
//!     })],
//!     ..AppendRecord::default()
//! };
//! let response = client
//!     .append(AppendRequest { records: vec![record], ..AppendRequest::default() })
//!     .await?;
//! // It is on disk now, at position 0 of the log.
//! assert_eq!((response.receipts[0].position, response.tail), (0, 1));
//!
//! let filter = "kind = document AND title : friendship".into();
//! let count = client.query().count(CountRequest { filter, ..CountRequest::default() }).await?;
//! assert_eq!(count.into_inner().count, 1);
//!
//! drop(client);
//! stop.send(()).expect("the daemon waits for it");
//! daemon.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # The modules, in reading order
//!
//! The domain. Nothing here knows a socket, a database or a runtime:
//!
//! - [`record`]: the words: what a record is, what entries are called, what can happen to them, as bytes and as JSON.
//! - [`merkle`]: the tree over all records.
//! - [`mod@derive`]: what follows from what was stated, by tables with a version: countries above all.
//! - [`authority`]: who an actor is, under which names and when.
//! - [`filter`]: the language that says which records are meant.
//!
//! The engine:
//!
//! - [`log`]: append and read, the only truth. Begin with its picture of the tail.
//! - [`store`]: what lies on disk, behind the traits of [`log::store`].
//! - [`index`]: documents of terms, behind searches.
//! - [`view`]: answers made of the log.
//! - [`subscription`]: change feeds, without a gap and without a repeat.
//! - [`alert`]: what the daemon itself does for each match of a filter.
//!
//! The outside:
//!
//! - [`import`]: reads the formats that analysts and desks already have.
//! - [`rpc`]: the gRPC services. [`client`]: the other end of them.
//! - [`config`], [`telemetry`], [`daemon`]: settings, the daemon's own log, the wiring.
//! - [`cli`]: the commands.
//!
//! # A client alone
//!
//! Without the feature `server`, which is on unless it is turned off, the crate is [`client`], [`record`], [`merkle`] and the
//! generated code of the services, and depends on none of what the daemon needs:
//!
//! ```toml
//! chancery = { default-features = false, features = ["client"] }
//! ```

// Module heads are read in the source too, where a link to a private module leads somewhere.
#![allow(rustdoc::private_intra_doc_links)]

#[cfg(feature = "server")]
pub mod alert;
#[cfg(feature = "server")]
pub mod authority;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod daemon;
#[cfg(feature = "server")]
pub mod derive;
#[cfg(feature = "server")]
pub mod filter;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod import;
#[cfg(feature = "server")]
pub mod index;
#[cfg(feature = "server")]
pub mod log;
pub mod merkle;
pub mod record;
#[cfg(feature = "server")]
pub mod rpc;
#[cfg(feature = "server")]
pub mod scrub;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
pub mod subscription;
#[cfg(feature = "server")]
pub mod suggest;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod view;

/// The generated code of the services: what a client needs of `src/rpc`.
#[cfg(all(feature = "client", not(feature = "server")))]
pub mod rpc {
    pub mod codec;
    pub mod proto;
}

/// The rules by which nothing is skipped: what a client needs of `src/subscription`.
#[cfg(all(feature = "client", not(feature = "server")))]
pub mod subscription {
    pub mod cursor;

    pub use cursor::{Cursor, ResumeToken, TokenError};
}

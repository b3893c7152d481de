//! Reaching an archive: a daemon by its address, or the data directory of a stopped one.
//!
//! A stopped archive is served on a free loopback port by the same services for as long as the command needs it, so
//! that there is one way to ask. Nothing is ever appended that way.

use super::failure::Failure;
use crate::client::{Client, DEFAULT_SERVER};
use crate::config::Config;
use crate::daemon::{self, Places};
use crate::store::open::{self, Archive, ArchiveError, ArchiveOptions};
use clap::Args;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Which daemon to talk to.
#[derive(Args, Clone, Debug)]
pub struct Reach {
    /// The daemon's address
    #[arg(long, value_name = "URL", env = "CHANCERY_SERVER", default_value = DEFAULT_SERVER, hide_env_values = true)]
    pub server: String,
}

impl Reach {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody answers there.
    pub async fn client(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.server).await?)
    }
}

/// Which daemon or stopped archive to read.
#[derive(Args, Clone, Debug)]
pub struct Source {
    #[command(flatten)]
    reach: Reach,
    /// Read the data directory of a stopped archive instead of asking a daemon
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Source {
    /// A daemon.
    pub fn of(reach: Reach) -> Self {
        Self { reach, data: None }
    }

    /// Runs `job` with a client of the source.
    ///
    /// # Errors
    /// Where the source cannot be reached, and as `job`.
    pub async fn with<T>(&self, job: impl AsyncFnOnce(Client) -> Result<T, Failure>) -> Result<T, Failure> {
        let Some(data) = &self.data else {
            return job(self.reach.client().await?).await;
        };
        if !data.join("journal").is_dir() {
            return Err(Failure::failed(format!(
                "`{}` holds no archive; name the folder that was given to: chancery serve --data",
                data.display()
            )));
        }
        let local = Local::open(data).await?;
        let done = match Client::connect(local.server()).await {
            Ok(client) => job(client).await,
            Err(error) => Err(error.into()),
        };
        local.close().await?;
        done
    }
}

/// An archive served by this process, to this process.
pub struct Local {
    archive: Archive,
    server: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), daemon::DaemonError>>,
}

impl Local {
    /// Opens the archive of a folder, or makes one there, and serves it.
    ///
    /// # Errors
    /// As opening an archive.
    pub async fn open(data: &Path) -> Result<Self, Failure> {
        daemon::raise_open_files();
        let options = ArchiveOptions::new(data);
        let opened = tokio::task::spawn_blocking(move || open::open(options)).await;
        let archive = opened.map_err(lost)?.map_err(|error| match error {
            ArchiveError::InUse(data) => Failure::failed(format!(
                "a daemon has `{}` open; leave out --data and ask it, at its --server, or stop it",
                data.display()
            )),
            error => Failure::failed(error.to_string()),
        })?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let log = archive.log.clone();
        // No view is made for a moment's sake.
        let places = Places {
            views: None,
            ..Places::of(data)
        };
        let served = tokio::spawn(async move {
            // An order and a lost sender both end the service.
            let stopped = async { drop(stopped.await) };
            // A check that is due would be written down.
            let config = Config {
                scrub_days: 0,
                ..Config::default()
            };
            daemon::serve(&config, &log, places, listener, stopped).await
        });
        Ok(Self {
            archive,
            server,
            stop,
            served,
        })
    }

    /// Where it is served.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Stops serving it; everything is on disk afterwards.
    ///
    /// # Errors
    /// As stopping a daemon.
    pub async fn close(self) -> Result<(), Failure> {
        let Self {
            archive,
            stop,
            served,
            ..
        } = self;
        // Where the service ended by itself, its error is in the answer.
        let _ = stop.send(());
        served
            .await
            .map_err(lost)?
            .map_err(|error| Failure::failed(error.to_string()))?;
        let closed = tokio::task::spawn_blocking(move || archive.log.close()).await;
        closed.map_err(lost)
    }
}

fn lost(error: tokio::task::JoinError) -> Failure {
    Failure::failed(format!("a thread of the command was lost: {error}"))
}

/// Who acts, and the name of the request.
#[derive(Args, Clone, Debug, Default)]
pub struct Actor {
    /// Act under this name; recorded as claimed:NAME
    #[arg(long = "as", value_name = "NAME", env = "CHANCERY_AS", hide_env_values = true)]
    pub name: Option<String>,
    /// Name the request, so that sending it again records nothing twice; at most 64 bytes
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
}

impl Actor {
    /// The name as it is sent.
    pub fn claimed(&self) -> String {
        self.name.clone().unwrap_or_default()
    }

    /// The request's name: the given one, or a random one, so that every append can be sent again.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn request_id(&self) -> Result<String, Failure> {
        match &self.request_id {
            Some(id) => Ok(id.clone()),
            None => random_id(),
        }
    }
}

/// 16 random bytes as hex.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::failed(format!("the system gives no random numbers: {error}")))?;
    Ok(hex::encode(bytes))
}

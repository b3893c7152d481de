//! The wiring: what starts, in which order, and what stops.
//!
//! Start: the archive is opened and its log recovered, then the services are put on the listener. Stop: health says so,
//! appends are refused while those under way are answered, subscribers are told where to resume, calls and what alerts have
//! begun are given a bounded time to end, and last the log is covered and synced.

pub mod groups;

use crate::alert::Alerts;
use crate::config::{Config, Http};
use crate::http;
use crate::log::Log;
use crate::log::erasure::Holder;
use crate::record::Principal;
use crate::rpc::peer::Sockets;
use crate::rpc::{Core, server, wire};
use crate::scrub;
use crate::store::open::{Archive, ArchiveError, ArchiveOptions, open};
use crate::subscription::Hub;
use crate::subscription::group::{Groups, KeepGroups};
use crate::view::ahead::Readers;
use crate::view::names::{self, NamesView};
use crate::view::reader::Viewed;
use crate::view::runner::View;
use crate::view::runner::thread::Following;
use crate::view::runner::views::Views;
use crate::view::search::Search;
use crate::view::search::follow::SearchView;
use crate::view::{self, Scanner};
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tonic_health::server::HealthReporter;

mod places;
pub mod signals;

pub use signals::signals;

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The data directory could not be opened.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The services could not be served.
    #[error(transparent)]
    Serve(#[from] server::ServeError),
    /// The address could not be taken.
    #[error("cannot listen on {address}: {cause}; choose another {flag}, or stop what is there")]
    Listen {
        /// The setting that names it.
        flag: &'static str,
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
    /// A thread of the daemon was lost.
    #[error("a thread of the daemon was lost: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

/// Takes the address that the settings name.
///
/// # Errors
/// [`DaemonError::Listen`].
pub async fn listen(config: &Config) -> Result<Listeners, DaemonError> {
    let address = config.listen;
    let flag = "--listen";
    let grpc = TcpListener::bind(address)
        .await
        .map_err(|cause| DaemonError::Listen { flag, address, cause })?;
    let http = listen_http(config.http, &grpc).await?;
    Ok(Listeners { grpc, http })
}

/// The HTTP port. Where nobody said which, it is left out where it is taken: nothing else needs it.
async fn listen_http(http: Http, grpc: &TcpListener) -> Result<Option<TcpListener>, DaemonError> {
    let flag = "--http";
    match http {
        Http::Off => Ok(None),
        Http::At(address) => TcpListener::bind(address)
            .await
            .map(Some)
            .map_err(|cause| DaemonError::Listen { flag, address, cause }),
        Http::Beside => {
            let after = grpc.local_addr().ok().and_then(|grpc| grpc.port().checked_add(1));
            let address = (Ipv4Addr::LOCALHOST, after.unwrap_or(0));
            match TcpListener::bind(address).await {
                Ok(listener) => Ok(Some(listener)),
                Err(cause) => {
                    let port = address.1;
                    tracing::warn!(port, %cause, "no HTTP port; choose one with --http");
                    Ok(None)
                }
            }
        }
    }
}

/// Where the daemon listens.
pub struct Listeners {
    /// For the gRPC services.
    pub grpc: TcpListener,
    /// For HTTP.
    pub http: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    /// The gRPC services alone.
    fn from(grpc: TcpListener) -> Self {
        Self { grpc, http: None }
    }
}

/// Runs a daemon on `listener` until `shutdown`, or until a client asks for the end.
///
/// # Errors
/// [`DaemonError`].
pub async fn run(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    raise_open_files();
    let of_archive = config.clone();
    let archive = tokio::task::spawn_blocking(move || open(archive_options(&of_archive))).await??;
    serve(
        &config,
        &archive.log,
        Places::of(&config.data),
        listeners,
        shutdown,
    )
    .await?;
    tokio::task::spawn_blocking(move || close(archive)).await?;
    Ok(())
}

/// Where a daemon keeps what is not the log.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The folder of views; without one every question looks at every record.
    pub views: Option<PathBuf>,
    /// The state folder; without one no consumer group can be made.
    pub state: Option<PathBuf>,
}

impl Places {
    /// Those of a data directory.
    pub fn of(data: &Path) -> Self {
        Self {
            views: Some(data.join("views")),
            state: Some(data.join("state")),
        }
    }
}

/// Serves a log that is open already, until `shutdown` or until a client asks for the end. The log stays open.
///
/// # Errors
/// [`DaemonError::Serve`], [`DaemonError::Thread`].
pub async fn serve(
    config: &Config,
    log: &Log,
    places: Places,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let Listeners { grpc: listener, http } = listeners.into();
    if config.accept_clock {
        tell_of_clock(log).await;
    }
    let search = Arc::default();
    let all = Arc::new(Views::default().with::<SearchView>().with::<NamesView>());
    let following = (places.views).map(|folder| follow(&folder, log, &all, &search));
    let groups = match &places.state {
        Some(state) => groups::open(state),
        None => Ok(groups::nowhere()),
    };
    let core = core(config, log.clone(), search, all, groups)
        .await
        .map_err(DaemonError::Thread)?;
    let core = Arc::new(core);
    let options = server::Options {
        streams_max: u32::try_from(config.streams_max).unwrap_or(u32::MAX),
        keepalive: Duration::from_secs(config.keepalive_s),
        web_origins: config.web_origins.as_written().to_vec(),
    };
    let (services, health) = server::services(&core).await?;
    let (stopping, mut stopped) = watch::channel(false);
    if let Ok(address) = listener.local_addr() {
        let http = http.as_ref().and_then(|http| http.local_addr().ok());
        let http = http.map_or_else(|| "off".to_owned(), |http| http.to_string());
        tracing::info!(%address, http, origin = log.origin(), tail = log.tail().get(), "serving");
    }
    let http = http.map(|http| serve_http(log.clone(), http, stopped.clone()));
    let scrub = scrub::Options {
        days: config.scrub_days,
        bytes_a_second: config.scrub_bytes_s,
    };
    let scrub = tokio::spawn(scrub::run(log.clone(), scrub, stopped.clone()));
    let sockets = Arc::new(Sockets::new(system_text));
    let served = server::serve(services, &options, (listener, sockets), async move {
        // Both an order and a lost sender end the service.
        let _ = stopped.wait_for(|stopping| *stopping).await;
    });
    let stop = async {
        tokio::select! {
            () = shutdown => {}
            () = core.stop.notified() => {}
        }
        drain(&core, &health).await;
        core.alerts.stop(Duration::from_secs(config.shutdown_s));
        stopping.send_replace(true);
        tokio::time::sleep(Duration::from_secs(config.shutdown_s)).await;
        tracing::warn!(
            seconds = config.shutdown_s,
            "calls did not end in time and are cut off"
        );
    };
    let served = tokio::select! {
        served = served => served.map_err(DaemonError::from),
        () = stop => Ok(()),
    };
    scrub.abort();
    // Where the services ended by themselves nobody has told them.
    core.alerts.stop(Duration::from_secs(config.shutdown_s));
    core.alerts.ended().await;
    core.groups.keep_all().await;
    if let Some(http) = http {
        // Whoever still copies asks the next daemon for the rest.
        http.abort();
    }
    // They seal what they have folded.
    let _ = tokio::task::spawn_blocking(move || drop(following)).await;
    served
}

/// Serves the HTTP port beside everything else. Its end is not the daemon's.
fn serve_http(log: Log, listener: TcpListener, mut stopped: watch::Receiver<bool>) -> JoinHandle<()> {
    let shutdown = async move {
        // Both an order and a lost sender end the service.
        let _ = stopped.wait_for(|stopping| *stopping).await;
    };
    tokio::spawn(async move {
        if let Err(error) = http::serve(log, listener, shutdown).await {
            tracing::error!(%error, "the HTTP port ended");
        }
    })
}

/// Writes down that the settings overrode a doubt in the clock, before anyone can append. An archive that cannot be written
/// is served all the same.
async fn tell_of_clock(log: &Log) {
    match log
        .confirm_clock("the setting accept-clock", Principal::system())
        .await
    {
        Ok(None) => {}
        Ok(Some(position)) => tracing::warn!(%position, "a doubtful clock was taken for right"),
        Err(error) => tracing::error!(%error, "the clock was taken for right, and no record says so"),
    }
}

/// Lets the process have as many files open as the system allows it: each segment of the journal keeps one, and so does each
/// connection.
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(OPEN_FILES_MAX).min(OPEN_FILES_MAX);
    // `None` is no limit at all.
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, ?current, "the limit of open files could not be raised");
    }
}

/// The most open files that are asked for: enough for 32 TiB of segments. Programs that close every number up to the limit
/// would be slow to start with more.
const OPEN_FILES_MAX: u64 = 1 << 20;

/// A file of the system, as `/proc/net/tcp`; nothing where there is none.
fn system_text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Tells everyone that the daemon is stopping.
async fn drain(core: &Core, health: &HealthReporter) {
    tracing::info!(tail = core.log.tail().get(), "stopping");
    server::set_serving(health, false).await;
    core.log.drain();
    core.hub.drain();
    core.draining.send_replace(true);
}

fn close(archive: Archive) {
    archive.log.close();
    tracing::info!(tail = archive.log.tail().get(), "stopped; everything is on disk");
}

/// Has the views follow the log; where one fails everything goes on without it.
fn follow(
    folder: &Path,
    log: &Log,
    views: &Arc<Views>,
    search: &Arc<OnceLock<Arc<Search>>>,
) -> Vec<Following> {
    let slot = Arc::clone(search);
    let searching = start::<SearchView>(folder, log, views, move |log, search| {
        let holder: Arc<dyn Holder> = Arc::clone(search) as Arc<dyn Holder>;
        log.add_holder(Arc::downgrade(&holder));
        // It is opened once.
        drop(slot.set(Arc::clone(search)));
    });
    let naming = start::<NamesView>(folder, log, views, |_, _| {});
    searching.into_iter().chain(naming).collect()
}

fn start<V: View>(
    folder: &Path,
    log: &Log,
    views: &Arc<Views>,
    opened: impl FnOnce(&Log, &Arc<V::Asked>) + Send + 'static,
) -> Option<Following> {
    let all = Arc::clone(views);
    let started = Following::start::<V>(folder.into(), log.downgrade(), move |log, asked| {
        opened(log, &asked);
        all.opened::<V>(asked);
    });
    let started = started.inspect_err(|error| {
        tracing::error!(view = V::NAME, %error, "there is no thread for it; everything goes on without it");
    });
    started.ok()
}

async fn core(
    config: &Config,
    log: Log,
    search: Arc<OnceLock<Arc<Search>>>,
    views: Arc<Views>,
    groups: Result<Box<dyn KeepGroups>, groups::GroupsError>,
) -> std::io::Result<Core> {
    let options = view::Options {
        concurrent_max: bounded(config.scans_max),
        waiting_max: bounded(config.scans_waiting_max),
        results_bytes: bounded(config.results_bytes),
        min_position_wait: Duration::from_millis(config.min_position_wait_ms),
    };
    let readers = Arc::new(Readers::default());
    let hub = Arc::new(Hub::new(log.clone(), Arc::clone(&readers), wire::batch).with_view(&search));
    let groups = match groups {
        Ok(groups) => Groups::open(&log, Arc::clone(&hub), groups)?,
        Err(error) => {
            tracing::error!(%error, "everything else is served");
            Groups::unreadable(&log, Arc::clone(&hub), groups::nowhere(), error.to_string())?
        }
    };
    Ok(Core {
        groups,
        alerts: alerts(config, &log, &readers, &search).await,
        scanner: Scanner::new(log.clone(), options, search),
        views,
        hub,
        readers,
        draining: watch::Sender::new(false),
        stop: Notify::new(),
        started: log.now(),
        log,
    })
}

/// Starts the alerts of the settings; where there are none nothing of theirs is opened.
async fn alerts(config: &Config, log: &Log, readers: &Arc<Readers>, search: &Viewed) -> Alerts {
    let places = match config.alerts.is_empty() {
        true => Err("there are no alerts".to_owned()),
        false => {
            let data = config.data.clone();
            let opened = tokio::task::spawn_blocking(move || places::open(&data)).await;
            opened.unwrap_or_else(|error| Err(error.to_string()))
        }
    };
    if let (Err(error), false) = (&places, config.alerts.is_empty()) {
        tracing::error!(%error, "no alert is started");
    }
    Alerts::start(&config.alerts, log, Arc::clone(readers), search, places).await
}

/// How the archive of these settings is opened. Reads what lies in files of names: call it where blocking is allowed.
pub fn archive_options(config: &Config) -> ArchiveOptions {
    ArchiveOptions {
        origin: Some(config.origin.clone()).filter(|origin| !origin.is_empty()),
        accept_clock: config.accept_clock,
        reserve_bytes: config.reserve_bytes,
        hot_bytes: config.hot_bytes,
        recent_bytes: bounded(config.recent_bytes),
        unsealed_bytes: config.unsealed_bytes,
        names: names::taken(&config.data.join("views")),
        ..ArchiveOptions::new(&config.data)
    }
}

fn bounded(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        raise_open_files();
        let limit = getrlimit(Resource::Nofile);
        let allowed = limit.maximum.unwrap_or(u64::MAX).min(OPEN_FILES_MAX);
        assert!(
            limit.current.is_none_or(|current| current >= allowed),
            "{limit:?}"
        );
    }
}

//! `chancery serve`: the daemon.

use super::failure::Failure;
use super::screen::{Screen, count};
use crate::config::{Config, Settings};
use crate::daemon;
use crate::log::{Log, LogStatus};
use crate::store::open;
use crate::telemetry::{self, Form};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The file of settings that is read where none is named and it exists.
const CONFIG_FILE: &str = "chancery.toml";
/// What the daemon says of itself unless `CHANCERY_LOG` asks for more or less.
const LOG_FILTER: &str = "warn,chancery=info";

/// Runs the daemon until it is told to stop.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A file of settings; chancery.toml of the working folder where it exists
    #[arg(long, value_name = "FILE", env = "CHANCERY_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Opens the archive, serves it, and closes it after SIGTERM, Ctrl-C or a hangup; the same of the first two once more ends at once.
///
/// # Errors
/// Settings that cannot be used, an archive that cannot be opened, an address that is taken.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let config = gather(args)?;
    let form = if config.log_json { Form::Json } else { Form::Text };
    let filter = std::env::var("CHANCERY_LOG").unwrap_or_else(|_| LOG_FILTER.to_owned());
    telemetry::init(form, &filter).map_err(|error| Failure::usage(error.to_string()))?;
    // Before the archive is opened, so that nothing is touched where the address is taken.
    let listeners = daemon::listen(&config).await.map_err(failed)?;
    let address = listeners.grpc.local_addr()?;
    let http = listeners
        .http
        .as_ref()
        .map(|http| http.local_addr())
        .transpose()?;
    let signals = daemon::signals().map_err(|error| Failure::failed(format!("signals: {error}")))?;
    daemon::raise_open_files();
    let of_archive = config.clone();
    let opened = tokio::task::spawn_blocking(move || open::open(daemon::archive_options(&of_archive))).await;
    let archive = opened.map_err(failed)?.map_err(failed)?;
    if !config.log_json {
        started(screen, address, http, &config, &archive.log);
    }
    let places = daemon::Places::of(&config.data);
    daemon::serve(&config, &archive.log, places, listeners, signals)
        .await
        .map_err(failed)?;
    let closed = tokio::task::spawn_blocking(move || {
        archive.log.close();
        archive.log.tail()
    });
    let tail = closed.await.map_err(failed)?;
    if !config.log_json {
        screen.note(format_args!("stopped at tail {tail}; everything is on disk"));
    }
    Ok(())
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::failed(error.to_string())
}

/// Flags over variables over the file.
fn gather(args: Args) -> Result<Config, Failure> {
    let usage = |error: crate::config::ConfigError| Failure::usage(error.to_string());
    let named = args.config.is_some();
    let path = args.config.unwrap_or_else(|| CONFIG_FILE.into());
    let file = match std::fs::read_to_string(&path) {
        Ok(text) => Settings::from_toml(&path, &text).map_err(usage)?,
        Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => Settings::default(),
        Err(error) => return Err(Failure::usage(format!("`{}`: {error}", path.display()))),
    };
    let variables = Settings::from_variables(std::env::vars_os()).map_err(usage)?;
    Config::gather(args.settings, variables, file).map_err(usage)
}

/// The one line that says where the daemon is and how the archive stands, and a line for each thing to know.
fn started(screen: &Screen, address: SocketAddr, http: Option<SocketAddr>, config: &Config, log: &Log) {
    let ink = screen.err_ink();
    let status = log.status();
    let line = format!(
        "{} listening on http://{address}{} · data {} · origin {} · tail {}{}",
        ink.bold(format_args!("chancery {}", env!("CARGO_PKG_VERSION"))),
        http.map(|http| format!(" · files at http://{http}/"))
            .unwrap_or_default(),
        config.data.display(),
        log.origin(),
        count(log.tail().get()),
        // Settings of another folder than was meant have none, and nothing else would tell.
        match config.alerts.len() {
            0 => String::new(),
            1 => " · 1 alert".to_owned(),
            some => format!(" · {some} alerts"),
        },
    );
    // Whoever closed stderr does not want to hear it.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
    notes(screen, &status);
}

fn notes(screen: &Screen, status: &LogStatus) {
    if let Some(closed) = &status.closed {
        screen.warn(closed);
    }
    if let Some(fault) = &status.hot_fault {
        screen.warn(format_args!(
            "the hot log is being rebuilt, and the journal serves meanwhile: {fault}"
        ));
    }
    for (from, until) in &status.possibly_acknowledged {
        screen.warn(format_args!(
            "positions {from} up to {until} were cut; they may have been acknowledged: run chancery verify"
        ));
    }
}

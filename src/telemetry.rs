//! What the daemon says of itself while it runs, on stderr.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How the daemon's log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people: colours on a terminal, plain lines elsewhere.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not of the form `info,chancery::log=debug`.
    #[error("`{filter}` is not a log filter; write a level, or as info,chancery::log=debug")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something has set it up already.
    #[error("the daemon's log is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Writes the log of this process to stderr. `filter` is a level or a list as `info,chancery::log=debug`.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(form: Form, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match form {
        Form::Text => lines.with_target(false).finish().try_init()?,
        Form::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

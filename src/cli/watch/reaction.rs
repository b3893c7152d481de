//! What is done with each record: it is printed, or a command is run until it succeeds.

use super::{Backoff, change_word, json, print};
use crate::alert::own_group::OwnGroup;
use crate::cli::failure::Failure;
use crate::cli::output::{Form, reader_is_gone};
use crate::cli::screen::Screen;
use crate::cli::shown::Shown;
use crate::rpc::proto::Change;
use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What is done with each record.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// It is printed.
    Print(Form),
    /// A shell command is run.
    Command(Job),
}

/// A shell command that is run for each record.
#[derive(Clone, Debug)]
pub struct Job {
    /// The command.
    pub command: String,
    /// How long it may take; `None` for as long as it likes.
    pub timeout: Option<Duration>,
}

/// What a command came to.
#[derive(Clone, Copy, Debug)]
pub enum Came {
    /// It ended by itself.
    Ended(ExitStatus),
    /// It took too long, and was killed with what it started.
    TimedOut(Duration),
}

impl Came {
    /// Whether its record is done.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ended(status) if status.success())
    }
}

impl fmt::Display for Came {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(status) => write!(formatter, "{status}"),
            Self::TimedOut(after) => write!(formatter, "killed after {} s", after.as_secs_f64()),
        }
    }
}

/// Prints a record.
///
/// # Errors
/// Output that cannot be written.
pub fn print_one(form: Form, shown: &Shown<'_>, change: Change, screen: &Screen) -> Result<(), Failure> {
    print(form, shown, change, screen)
}

impl Reaction {
    /// Does it, and comes back only when it is done.
    ///
    /// # Errors
    /// Output that cannot be written; a shell that cannot be run.
    pub async fn react(&self, shown: &Shown<'_>, change: Change, screen: &Screen) -> Result<(), Failure> {
        let job = match self {
            Self::Print(form) => return print(*form, shown, change, screen),
            Self::Command(job) => job,
        };
        let mut waits = Backoff::default();
        loop {
            let came = execute(job, shown, change).await?;
            if came.is_success() {
                return Ok(());
            }
            check_reader(shown, screen)?;
            let wait = waits.next();
            screen.warn(format_args!(
                "the command failed for position {} ({came}); trying again in {} ms",
                shown.position,
                wait.as_millis()
            ));
            tokio::time::sleep(wait).await;
        }
    }
}

/// After a command that failed: ends where nobody reads what it writes any more, since then it may fail for ever for that.
///
/// # Errors
/// [`Failure::ReaderGone`].
pub fn check_reader(shown: &Shown<'_>, screen: &Screen) -> Result<(), Failure> {
    if !reader_is_gone() {
        return Ok(());
    }
    screen.note(format_args!(
        "the command failed for position {}, and nobody reads its output any more; it is not done",
        shown.position
    ));
    Err(Failure::ReaderGone)
}

/// Runs a shell command for a record, once. Where this is dropped before it has ended, it is killed with whatever it started.
///
/// # Errors
/// A shell that cannot be run.
pub async fn execute(job: &Job, shown: &Shown<'_>, change: Change) -> Result<Came, Failure> {
    let Some(limit) = job.timeout else {
        return Ok(Came::Ended(
            execute_to_its_end(&job.command, shown, change).await?,
        ));
    };
    let ended = execute_to_its_end(&job.command, shown, change);
    match tokio::time::timeout(limit, ended).await {
        Ok(status) => Ok(Came::Ended(status?)),
        Err(_) => Ok(Came::TimedOut(limit)),
    }
}

async fn execute_to_its_end(command: &str, shown: &Shown<'_>, change: Change) -> Result<ExitStatus, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("the command cannot be run: {error}"));
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .env("CHANCERY_POSITION", shown.position.to_string())
        .env("CHANCERY_SERIES", shown.leaf.series)
        .env("CHANCERY_KEY", shown.leaf.key)
        .env("CHANCERY_ACT", shown.leaf.act.word())
        .env("CHANCERY_REVISION", shown.leaf.revision.to_string())
        .env("CHANCERY_CHANGE", change_word(change))
        .env("CHANCERY_HASH", hex::encode(shown.leaf_hash()))
        .stdin(Stdio::piped());
    let mut running = Running(OwnGroup::start(&mut shell).map_err(failed)?);
    let input = running.0.leader().stdin.take();
    let text = format!("{}\n", json(shown, change));
    let talk = async {
        if let Some(mut input) = input {
            // A command need not read what it is given; its exit code is what counts.
            let _ = input.write_all(text.as_bytes()).await;
        }
    };
    // Something that the command left behind may hold the other end without reading.
    let status = tokio::select! {
        status = running.0.wait() => Some(status),
        () = talk => None,
    };
    let status = match status {
        Some(status) => status,
        None => running.0.wait().await,
    };
    status.map_err(failed)
}

/// A command that must not outlive the wait for it: its record is another's as soon as the connection ends.
struct Running(OwnGroup);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

//! How a command fails: one sentence that says what to do, and an exit code.

use crate::client::ConnectError;
use std::error::Error as _;
use std::io;
use std::process::ExitCode;
use tonic::Status;

/// How the status begins that tonic makes of an answer over HTTP that is none of gRPC.
const NO_GRPC: &str = "grpc-status header missing";

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// It could not be done, for what only the daemon or the system knows: exit code 1.
    Failed(String),
    /// It was not asked well: exit code 2, as for arguments that cannot be read.
    Usage(String),
    /// It was done and found something wrong: exit code 3.
    Wrong(String),
    /// Whoever read the output has stopped reading. That is their right: exit code 0, and not a word.
    ReaderGone,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self::Failed(sentence.into())
    }

    /// A failure with exit code 2.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::Usage(sentence.into())
    }

    /// A failure to do something with a file.
    pub fn file(path: impl std::fmt::Display, cause: &io::Error) -> Self {
        Self::Failed(format!("`{path}`: {cause}"))
    }

    /// What is printed after `error: `; nothing where the reader is gone.
    pub fn sentence(&self) -> Option<&str> {
        match self {
            Self::Failed(sentence) | Self::Usage(sentence) | Self::Wrong(sentence) => Some(sentence),
            Self::ReaderGone => None,
        }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Wrong(_) => ExitCode::from(3),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

/// Errors of writing to stdout; those of files go through [`Failure::file`], which names them.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::Failed(format!("the output cannot be written: {error}"))
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => error.into(),
            other => Self::Failed(format!("the output cannot be written as CSV: {other:?}")),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match &error {
            ConnectError::Address { .. } | ConnectError::Scheme { .. } => Self::Usage(error.to_string()),
            ConnectError::NoDaemon { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Failed(if is_lost(&status) {
            "the connection to the daemon was lost; see how it stands with: chancery status".to_owned()
        } else if status.message().starts_with(NO_GRPC) {
            "what answers there is no daemon's gRPC port, perhaps that of its files; name the address that it says first when it starts"
                .to_owned()
        } else {
            about_one(status.message()).to_owned()
        })
    }
}

/// Whether no answer came because the connection broke, so that nothing is known of what was sent.
pub fn is_lost(status: &Status) -> bool {
    status.source().is_some() && status.details().is_empty()
}

/// The sentence without the path of the record, where the command sent only one.
fn about_one(message: &str) -> &str {
    match message.strip_prefix("records[0]") {
        Some(rest) if !message.contains(" more)") => rest.split_once(": ").map_or(message, |(_, text)| text),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_record_of_a_command_is_not_called_by_its_index() {
        let check = |message, expected| assert_eq!(about_one(message), expected);
        check(
            "records[0].key: `a/b` is not in the archive",
            "`a/b` is not in the archive",
        );
        check(
            "records[0]: `a/b` is already retracted",
            "`a/b` is already retracted",
        );
        check(
            "records[0].key: bad (and 2 more)",
            "records[0].key: bad (and 2 more)",
        );
        check("records[7].key: bad", "records[7].key: bad");
        check(
            "position 9 is beyond the tail 3",
            "position 9 is beyond the tail 3",
        );
    }

    #[test]
    fn a_reader_that_stopped_reading_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.sentence().is_none());
        assert_eq!(failure.exit_code(), ExitCode::SUCCESS);
    }
}

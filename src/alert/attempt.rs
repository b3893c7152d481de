//! One attempt at a match: whose it is, and why it may fail.

use super::tls::NoTrust;
use std::error::Error;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// Whose match it is.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// The alert.
    pub alert: &'a str,
    /// The log's name.
    pub origin: &'a str,
}

/// Why a match was not done, and the end of what the command wrote to stderr.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub why: Why,
    /// The last 1 KiB of stderr.
    pub stderr: String,
}

/// Why a match was not done.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The program could not be started.
    #[error("`{program}` cannot be run: {cause}")]
    Unstarted {
        /// The program.
        program: String,
        /// What the system said.
        cause: io::Error,
    },
    /// It was not waited for.
    #[error("the command cannot be waited for: {0}")]
    Unwaited(io::Error),
    /// It ended, and not with 0.
    #[error("the command ended with {0}")]
    Exit(ExitStatus),
    /// It took too long and was ended.
    #[error("not done within {} s, and cut off", .0.as_secs())]
    Timeout(Duration),
    /// The daemon stops.
    #[error("cut off because the daemon is stopping")]
    Stopping,
    /// Nobody is there.
    #[error("cannot connect to {address}: {cause}")]
    Unconnected {
        /// Where.
        address: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Nobody can be trusted.
    #[error(transparent)]
    NoTrust(#[from] NoTrust),
    /// Somebody is there who speaks no TLS, or cannot be trusted.
    #[error("no TLS with {address}: {cause}")]
    Untrusted {
        /// Where.
        address: String,
        /// What was wrong.
        cause: io::Error,
    },
    /// The connection broke, or what came was no HTTP.
    #[error("the connection was lost before an answer: {}", with_causes(.0))]
    Lost(hyper::Error),
    /// It was answered before it was sent: nobody can have read all of it.
    #[error("the answer {0} came before the record was sent; it was not read to its end")]
    Early(http::StatusCode),
    /// The request cannot be made.
    #[error("the request cannot be made: {0}")]
    Request(http::Error),
    /// The answer was not one of success.
    #[error("the answer was {0}")]
    Answer(http::StatusCode),
}

/// What the library says, and what the system said to it.
fn with_causes(error: &hyper::Error) -> String {
    let all = std::iter::successors(Some(error as &dyn Error), |error| (*error).source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<Why> for Failed {
    fn from(why: Why) -> Self {
        let stderr = String::new();
        Self { why, stderr }
    }
}

impl Failed {
    /// In one line: why, and the last line of stderr.
    pub fn line(&self) -> String {
        const CHARS_MAX: usize = 200;
        let last = self.stderr.lines().rev().find(|line| !line.trim().is_empty());
        match last {
            Some(last) => {
                // A terminal would obey them: one goes back to the begin of the line.
                let plain = |c: char| if c.is_control() { ' ' } else { c };
                let last: String = last.trim().chars().take(CHARS_MAX).map(plain).collect();
                format!("{}: {last}", self.why)
            }
            None => self.why.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_failure_is_one_that_no_terminal_obeys() {
        let why = || Why::Timeout(Duration::from_secs(1));
        let stderr = "first\n10 %\r20 %\u{1b}[2J\u{7}\u{9b}\n \n".to_owned();
        let failed = Failed { why: why(), stderr };
        assert_eq!(failed.line(), "not done within 1 s, and cut off: 10 % 20 % [2J  ");
        assert_eq!(Failed::from(why()).line(), "not done within 1 s, and cut off");
    }
}

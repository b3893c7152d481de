//! `chancery key`: the public key that checks what the archive signs.

use super::connect::Source;
use super::failure::Failure;
use super::screen::{Screen, stdout};
use crate::client::IntegrityError;
use crate::merkle::{KeyError, VerifierKey};
use std::convert::Infallible;
use std::io::Write;
use std::str::FromStr;

/// The archive's key.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Print the public key, one line, by which anyone can check checkpoints and receipts
    Show(ShowArgs),
}

#[derive(clap::Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    source: Source,
}

/// Asks and prints.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, _screen: &Screen) -> Result<(), Failure> {
    let Command::Show(args) = args.command;
    let ask = async |client: crate::client::Client| Ok(client.verifier_key().await?);
    let key = args.source.with(ask).await?;
    let mut out = stdout();
    writeln!(out, "{key}")?;
    out.flush()?;
    Ok(())
}

/// A public key as it is given on the command line: its line, or a file that holds it.
#[derive(Clone, Debug)]
pub struct KeyArg(String);

impl FromStr for KeyArg {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl KeyArg {
    /// The key.
    ///
    /// # Errors
    /// Text that is no key, in the argument or in the file.
    pub fn read(&self) -> Result<VerifierKey, Failure> {
        let text = &self.0;
        // A key holds a `+`, and so may a file's name.
        if text.contains('+') && !std::path::Path::new(text).is_file() {
            return text
                .parse()
                .map_err(|error: KeyError| Failure::usage(format!("--key: {error}")));
        }
        let line = std::fs::read_to_string(text).map_err(|cause| {
            Failure::usage(format!(
                "--key: `{text}` is no key, and no file that holds one: {cause}"
            ))
        })?;
        line.trim()
            .parse()
            .map_err(|error: KeyError| Failure::usage(format!("--key: in the file `{text}`: {error}")))
    }
}

impl From<IntegrityError> for Failure {
    fn from(error: IntegrityError) -> Self {
        match error {
            IntegrityError::Status(status) => (*status).into(),
            wrong => Self::Wrong(wrong.to_string()),
        }
    }
}

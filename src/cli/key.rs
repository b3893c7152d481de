//! `chancery key`: the public key that checks what the archive signs.

use super::connect::Source;
use super::failure::Failure;
use super::screen::{Screen, stdout};
use crate::client::IntegrityError;
use crate::merkle::VerifierKey;
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
pub struct KeyArg(pub VerifierKey);

impl FromStr for KeyArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = match text.parse() {
            Ok(key) => return Ok(Self(key)),
            Err(error) => error,
        };
        match std::fs::read_to_string(text) {
            Ok(line) => line
                .trim_end()
                .parse()
                .map(Self)
                .map_err(|error| format!("in the file `{text}`: {error}")),
            Err(_) => Err(wrong.to_string()),
        }
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

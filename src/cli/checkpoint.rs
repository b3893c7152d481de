//! `chancery checkpoint`: the archive's signature over everything that it holds now.

use super::connect::Source;
use super::failure::Failure;
use super::key::KeyArg;
use super::screen::{Screen, count, plain, stdout};
use crate::client::Client;
use crate::merkle::{Checkpoint, Signed, VerifierKey};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Prints a signed checkpoint: keep it, and ask later that the log still begins with it.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Have it proved that the log begins with the one of this earlier checkpoint; `-` reads it from stdin
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// The archive's public key, or a file that holds it; without it the server is asked for its key and trusted
    #[arg(long, value_name = "KEY")]
    key: Option<KeyArg>,
    #[command(flatten)]
    source: Source,
}

/// Asks, checks and prints.
///
/// # Errors
/// The server's; exit code 3 where a signature or the proof does not hold.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let earlier = args.since.as_deref().map(read).transpose()?;
    let key = args.key.as_ref().map(KeyArg::read).transpose()?;
    let ask = async |client: Client| answer(&client, key, earlier.as_deref(), screen).await;
    let signed = args.source.with(ask).await?;
    let mut out = stdout();
    write!(out, "{}", signed.note)?;
    out.flush()?;
    Ok(())
}

async fn answer(
    client: &Client,
    key: Option<VerifierKey>,
    earlier: Option<&str>,
    screen: &Screen,
) -> Result<Signed, Failure> {
    let key = match key {
        Some(key) => key,
        None => client.verifier_key().await?,
    };
    let Some(earlier) = earlier else {
        return Ok(client.checkpoint(&key).await?);
    };
    let earlier = Checkpoint::open(earlier, &key)
        .map_err(|error| Failure::Wrong(format!("the earlier checkpoint does not hold: {error}")))?;
    let newest = client.checkpoint_since(&earlier, &key).await?;
    screen.note(format_args!(
        "the {} records of {} begin with the {} of the earlier checkpoint: none of those was changed or removed",
        count(newest.checkpoint.size),
        plain(&newest.checkpoint.origin),
        count(earlier.size),
    ));
    Ok(newest)
}

/// Reads a text from a file, or from stdin.
///
/// # Errors
/// What the system says; a file that is not text.
pub fn read(path: &Path) -> Result<String, Failure> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|cause| match cause.kind() {
        ErrorKind::InvalidData => Failure::usage(format!(
            "`{}` is not text; name a checkpoint or a receipt as the archive printed it",
            path.display()
        )),
        _ => Failure::file(path.display(), &cause),
    })
}

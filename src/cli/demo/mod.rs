//! `chancery demo`: the whole of it in a quarter of a minute.
//!
//! A daemon starts in this process on an archive of its own; a sample is loaded; the log is followed while more comes in;
//! a name is corrected, an entry retracted, questions are asked. What is shown is made by the same code as the commands
//! that are named beside it. Nothing is left behind unless `--keep` says where.

mod script;
mod stage;

use super::failure::Failure;
use super::interrupt;
use super::screen::Screen;
use script::Script;
use stage::{Folder, Stage};
use std::path::PathBuf;

/// Shows what an archive does.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Keep the archive in this folder, to go on with it
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Starts, shows, stops; Ctrl-C ends it at any point.
///
/// # Errors
/// A folder that cannot be used; whatever the archive refuses.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let mut interrupted = interrupt::listen()?;
    let folder = Folder::new(args.keep)?;
    let stage = Stage::set(folder.path()).await?;
    let mut script = Script::new(&stage, &folder, screen);
    let shown = tokio::select! {
        shown = script.play() => shown,
        () = interrupted.heard() => Ok(()),
    };
    stage.clear().await?;
    shown?;
    if !interrupted.is_heard() {
        script::farewell(&folder, screen)?;
    }
    Ok(())
}

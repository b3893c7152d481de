//! The command line: arguments, one file for each command, and what all of them share.
//!
//! A command talks to a daemon through [`crate::client`], also where it reads the data directory of a stopped archive
//! ([`connect`]). Answers go to stdout and are nothing but the answer; whatever is said beside them goes to stderr.
//! Only [`screen`] knows whether anybody watches, and only [`failure`] knows exit codes: 0 done, 1 failed, 2 not asked
//! well, 3 something wrong was found.

mod act;
mod amend;
mod annotate;
mod append;
mod authority;
pub mod bench;
mod checkpoint;
mod cite;
mod collapse;
mod connect;
mod count;
mod demo;
mod derived;
mod edit;
mod editor;
mod erase;
mod excerpts;
mod explain;
mod failure;
mod get;
mod group;
mod groups;
mod history;
mod hold;
mod import;
mod input;
mod interrupt;
mod key;
mod link;
mod memory;
mod name;
mod number;
mod output;
mod plot;
mod prove;
mod rows;
mod screen;
mod search;
mod series;
mod serve;
mod shown;
mod status;
mod suggest;
mod suggested;
mod timeline;
mod values;
mod verify;
mod views;
mod watch;

use crate::record::Act;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use failure::Failure;
use screen::Screen;
use std::io::Write;
use std::process::ExitCode;

/// An archive of diplomatic events: durable, correctable, followable, provable.
#[derive(Parser, Debug)]
#[command(
    name = "chancery",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = "New here? Run: chancery demo")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the daemon
    Serve(serve::Args),
    /// Import files: dispatches, ICEWS, GDELT, JSON lines, authorities
    Import(import::Args),
    /// Append records in the JSON form
    Append(append::Args),
    /// Write the events that a document reports, in your editor
    Annotate(annotate::Args),
    /// Change an entry in your editor
    Edit(edit::Args),
    /// Change single values of an entry
    Amend(amend::Args),
    /// Take an entry out of the answers; its history stays
    Retract(act::CauseArgs),
    /// Take a retracted entry back into the answers
    Reinstate(act::CauseArgs),
    /// Say how an entry stands to another
    Link(link::Args),
    /// Take a link back
    Unlink(link::Args),
    /// Forbid that an entry is erased
    Hold(hold::Args),
    /// End a hold
    Release(hold::Args),
    /// Erase content by law; every proof stays
    Erase(erase::Args),
    /// Show an entry, its history or its original
    Get(get::Args),
    /// Find entries
    Search(search::Args),
    /// Count entries
    Count(count::Args),
    /// Cite what a filter finds, so that it can be found again
    Cite(cite::Args),
    /// Say how a filter is read
    Explain(explain::Args),
    /// List the series
    Series(series::Args),
    /// List the values of a field
    Values(values::Args),
    /// Say whom a name means: the authorities that have it
    Authority(authority::Args),
    /// Say what a dispatch seems to say: countries, persons, places, days
    Suggest(suggest::Args),
    /// Count entries over time
    Timeline(timeline::Args),
    /// Follow the log as it grows
    Watch(watch::Args),
    /// Share work on records among consumers
    Group(group::Args),
    /// Say how the archive stands
    Status(status::Args),
    /// List the views
    Views(views::Args),
    /// Have a view made anew
    Rebuild(views::RebuildArgs),
    /// Read every byte again and name what is wrong
    Verify(verify::Args),
    /// Print the archive's signature over all that it holds now
    Checkpoint(checkpoint::Args),
    /// Print a receipt that proves a record, or check one
    Prove(prove::Args),
    /// Show the archive's public key
    Key(key::Args),
    /// See what an archive does, on a temporary one
    Demo(demo::Args),
    /// Measure what an archive carries on this machine
    Bench(bench::Args),
}

/// Runs the program: arguments in, an exit code out.
pub fn run() -> ExitCode {
    let matches = command().get_matches();
    let screen = Screen::of_process();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if matches!(cli.command, Command::Serve(_)) {
        memory::give_back_soon();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            return ended(
                &screen,
                Err(Failure::failed(format!("the program cannot start: {error}"))),
            );
        }
    };
    let done = runtime.block_on(dispatch(cli.command, &screen));
    // A thread that still waits for input must not keep the program.
    runtime.shutdown_background();
    ended(&screen, done)
}

/// Threads for what waits for the disk. More of them would only wait for the same disk, and each keeps memory: 512
/// subscribers that begin at once would start 512.
const BLOCKING_THREADS: usize = 16;

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(std::time::Duration::from_secs(2))
        .build()
}

async fn dispatch(command: Command, screen: &Screen) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(args, screen).await,
        Command::Import(args) => import::run(args, screen).await,
        Command::Append(args) => append::run(args, screen).await,
        Command::Annotate(args) => annotate::run(args, screen).await,
        Command::Edit(args) => edit::run(args, screen).await,
        Command::Amend(args) => amend::run(args, screen).await,
        Command::Retract(args) => act::run(Act::Retract, args, screen).await,
        Command::Reinstate(args) => act::run(Act::Reinstate, args, screen).await,
        Command::Link(args) => link::run(Act::Link, args, screen).await,
        Command::Unlink(args) => link::run(Act::Unlink, args, screen).await,
        Command::Hold(args) => hold::run(hold::Order::Hold, args, screen).await,
        Command::Release(args) => hold::run(hold::Order::Release, args, screen).await,
        Command::Erase(args) => erase::run(args, screen).await,
        Command::Get(args) => get::run(args, screen).await,
        Command::Search(args) => search::run(args, screen).await,
        Command::Count(args) => count::run(args, screen).await,
        Command::Cite(args) => cite::run(args, screen).await,
        Command::Explain(args) => explain::run(args, screen).await,
        Command::Series(args) => series::run(args, screen).await,
        Command::Values(args) => values::run(args, screen).await,
        Command::Authority(args) => authority::run(args, screen).await,
        Command::Suggest(args) => suggest::run(&args, screen),
        Command::Timeline(args) => timeline::run(args, screen).await,
        Command::Watch(args) => watch::run(args, screen).await,
        Command::Group(args) => group::run(args, screen).await,
        Command::Status(args) => status::run(args, screen).await,
        Command::Views(args) => views::run(args, screen).await,
        Command::Rebuild(args) => views::rebuild(args, screen).await,
        Command::Checkpoint(args) => checkpoint::run(args, screen).await,
        Command::Prove(args) => prove::run(args, screen).await,
        Command::Key(args) => key::run(args, screen).await,
        Command::Verify(args) => verify::run(args, screen).await,
        Command::Demo(args) => demo::run(args, screen).await,
        Command::Bench(args) => {
            let mut out = std::io::stdout();
            let measured = bench::run(&args, &mut out).await;
            measured.map_err(|error| Failure::failed(error.to_string()))
        }
    }
}

fn ended(screen: &Screen, done: Result<(), Failure>) -> ExitCode {
    let Err(failure) = done else {
        return ExitCode::SUCCESS;
    };
    if let Some(sentence) = failure.sentence() {
        // Where stderr is closed too the exit code is all that can be said.
        let _ = writeln!(
            std::io::stderr().lock(),
            "{} {sentence}",
            screen.err_ink().red("error:")
        );
    }
    failure.exit_code()
}

/// The settings of `serve` that most people need; the others are shown by `--help` under a heading of their own.
const COMMON_SETTINGS: [&str; 6] = ["data", "listen", "insecure", "origin", "accept_clock", "log_json"];

/// The whole command line as clap knows it.
pub fn command() -> clap::Command {
    with_negative_numbers(Cli::command()).mut_subcommand("serve", |serve| {
        serve.mut_args(|arg| {
            let id = arg.get_id().as_str().to_owned();
            let arg = match id.as_str() {
                // A setting that is a yes or no is also a plain flag: --insecure.
                "insecure" | "accept_clock" | "log_json" => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .hide_possible_values(true),
                _ => arg,
            };
            let is_setting = crate::config::Settings::KEYS.contains(&id.replace('_', "-").as_str());
            if is_setting && !COMMON_SETTINGS.contains(&id.as_str()) && arg.get_action().takes_values() {
                arg.help_heading("Bounds").hide_short_help(true)
            } else {
                arg
            }
        })
    })
}

/// Lets what wants a value take one that begins with a minus, so that it is refused by who knows what it should be.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let command = command.mut_args(
        |arg| match arg.get_action().takes_values() && !arg.is_positional() {
            true => arg.allow_negative_numbers(true),
            false => arg,
        },
    );
    command.mut_subcommands(with_negative_numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn a_setting_that_is_yes_or_no_is_a_flag() {
        let serve = |flags: &[&str]| command().try_get_matches_from([&["chancery", "serve"], flags].concat());
        assert!(serve(&["--insecure", "--accept-clock", "--listen", "127.0.0.1:0"]).is_ok());
        assert!(serve(&["--insecure=false"]).is_ok());
        assert!(serve(&["--recent-bytes", "1048576"]).is_ok());
        assert!(serve(&["--insecurely"]).is_err());
    }
}

//! `chancery import`: files of others become records.
//!
//! A thread reads and parses ([`source`]); batches of what it found go through one stream, several under way at a time
//! ([`feeder`]); a batch that is refused because of some of its records is sent again without these ([`refused`]). So
//! no row keeps another one out, and each ends in exactly one count ([`tally`]). Memory is bounded by what is under
//! way, however large the file.

mod acts;
mod feeder;
mod inputs;
mod progress;
mod refused;
mod rejects;
mod source;
mod tally;

use super::connect::{Reach, random_id};
use super::failure::Failure;
use super::interrupt::{self, Interrupt};
use super::output::Form;
use super::screen::{Screen, count, plain, stdout};
use crate::client::Client;
use crate::import::{Format, Keys, Mapping, Options};
use crate::record::Series;
use crate::rpc::proto::RecordImportRequest;
use clap::ValueEnum;
use feeder::Feeder;
use inputs::Input;
use progress::Progress;
use rejects::{Rejects, path_beside};
use source::{News, Reading};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;

/// How often a followed folder is looked at.
const POLL: Duration = Duration::from_secs(1);
/// The inputs that the archive writes down by name.
const INPUTS_TOLD_MAX: usize = 100;

/// Imports files.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Files, folders (all their files, in the order of their names) or - for stdin
    #[arg(value_name = "FILE|DIR|-", required = true)]
    inputs: Vec<PathBuf>,
    /// What the files are: dispatch, icews, icews-quad, gdelt-v2, jsonl, authority, or auto, which says what it took them for
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = format)]
    format: Chosen,
    /// A TOML file that says which column of a table with a header becomes which field
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The series of the entries; by default the format's own
    #[arg(long, value_name = "NAME", value_parser = series)]
    series: Option<Series>,
    /// Where keys come from: header, file, hash or random; by default an id of the row, else its hash
    #[arg(long, value_name = "WAY", value_parser = keys)]
    key: Option<Keys>,
    /// What becomes of a row whose key the archive has with other content
    #[arg(long, value_enum, default_value_t)]
    on_existing: OnExisting,
    /// JSON lines: take `revision` for the revision that the entry must be at
    #[arg(long)]
    expect: bool,
    /// Check everything and count, but write nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on with files that come into the folders, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Where rejected rows go, for all inputs together; by default to FILE.rejects beside each
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Act under this name; recorded as claimed:NAME
    #[arg(long = "as", value_name = "NAME", env = "CHANCERY_AS", hide_env_values = true)]
    name: Option<String>,
    #[command(flatten)]
    reach: Reach,
    /// The form of the counts
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// What becomes of a row whose key the archive has with other content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnExisting {
    /// It is rejected
    Fail,
    /// It becomes a new revision, with the reason reissued
    #[default]
    Amend,
    /// It is left out, and kept among the rejects
    Skip,
}

/// `--format`: a format, or none where it is to be told from the file.
#[derive(Clone, Copy, Debug)]
struct Chosen(Option<Format>);

fn format(text: &str) -> Result<Chosen, String> {
    match text {
        "auto" => Ok(Chosen(None)),
        name => name
            .parse()
            .map(|format| Chosen(Some(format)))
            .map_err(|error: crate::import::FormatError| error.to_string()),
    }
}

fn series(text: &str) -> Result<Series, String> {
    Series::new(text).map_err(|error| error.to_string())
}

fn keys(text: &str) -> Result<Keys, String> {
    text.parse()
        .map_err(|error: crate::import::KeysError| error.to_string())
}

/// Imports every input and says what became of each row.
///
/// # Errors
/// Inputs that cannot be read; the server's; where every single row was rejected.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let mapping = args.mapping.as_deref().map(mapping).transpose()?;
    if mapping.is_some() && args.format.0.is_some() {
        return Err(Failure::usage(
            "--mapping is for tables of no other format; leave --format out",
        ));
    }
    if mapping.as_ref().is_some_and(|mapping| mapping.series.is_none()) && args.series.is_none() {
        return Err(Failure::usage(
            "the mapping names no series; write series = \"NAME\" in it, or give --series",
        ));
    }
    let format = mapping.as_ref().map_or(args.format.0, |_| Some(Format::Table));
    if let (Some(format), Some(keys)) = (format, args.key) {
        let options = Options {
            keys,
            ..Options::default()
        };
        options
            .check(format)
            .map_err(|error| Failure::usage(error.to_string()))?;
    }
    let files = inputs::expand(&args.inputs)?;
    if let Some(rejects) = &args.rejects {
        inputs::check_rejects(&files, rejects)?;
    }
    if args.watch && !inputs::has_folder(&args.inputs) {
        return Err(Failure::usage(
            "--watch follows folders; name at least one folder",
        ));
    }
    let client = args.reach.client().await?;
    let mut run = Run {
        interrupt: interrupt::listen()?,
        format,
        mapping: mapping.map(Arc::new),
        args: &args,
        client,
        screen,
        total: Tally::default(),
        failed: Vec::new(),
        has_begun_rejects: false,
    };
    let done = run.all(files).await;
    let told = run.tell().await;
    run.end(done.and(told))
}

/// Reads a mapping.
fn mapping(path: &Path) -> Result<Mapping, Failure> {
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::file(path.display(), &cause))?;
    Mapping::parse(&text).map_err(|error| Failure::usage(format!("`{}`: {error}", path.display())))
}

struct Run<'a> {
    format: Option<Format>,
    mapping: Option<Arc<Mapping>>,
    args: &'a Args,
    client: Client,
    screen: &'a Screen,
    interrupt: Interrupt,
    total: Tally,
    failed: Vec<String>,
    /// The file of `--rejects` is this run's: what an earlier one left in it is gone.
    has_begun_rejects: bool,
}

impl Run<'_> {
    async fn all(&mut self, files: Vec<Input>) -> Result<(), Failure> {
        let mut seen = inputs::Seen::default();
        for file in inputs::at_once(files, self.args.watch) {
            seen.add(&file);
            self.one(&file).await?;
        }
        while self.args.watch && !self.interrupt.is_heard() {
            for file in seen.fresh(&self.args.inputs)? {
                self.one(&file).await?;
            }
            tokio::select! {
                () = self.interrupt.heard() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        Ok(())
    }

    /// Imports one input. A file that cannot be read does not keep the others out.
    async fn one(&mut self, file: &Input) -> Result<(), Failure> {
        if self.interrupt.is_heard() {
            return Ok(());
        }
        let started = Instant::now();
        let mut tally = Tally::default();
        let done = self.feed(file, &mut tally).await;
        if tally.read() > 0 || done.is_ok() {
            self.say(file, &tally, started.elapsed());
        }
        self.total.add(&tally);
        match done {
            Ok(()) => Ok(()),
            Err(Stop::Input(problem)) if file.from_folder && tally.read() == 0 => {
                self.screen
                    .warn(format_args!("{} is left out: {problem}", file.name()));
                Ok(())
            }
            Err(Stop::Input(problem)) => {
                self.failed.push(format!("{}: {problem}", file.name()));
                Ok(())
            }
            Err(Stop::All(failure)) => Err(failure),
        }
    }

    async fn feed(&mut self, file: &Input, tally: &mut Tally) -> Result<(), Stop> {
        let options = Options {
            series: self.args.series.clone(),
            keys: self.args.key.unwrap_or_default(),
            file: file.name(),
            expect_revision: self.args.expect,
            mapping: self.mapping.clone(),
        };
        let rejects = match &self.args.rejects {
            _ if self.args.dry_run => Rejects::told(),
            Some(path) => Rejects::shared(path.clone(), self.has_begun_rejects),
            None => Rejects::beside(file),
        };
        let mut reading = Reading::start(file, self.format, options).map_err(Stop::Input)?;
        let mut progress = Progress::new(self.screen, file, reading.bytes());
        let how = feeder::How {
            on_existing: self.args.on_existing,
            dry_run: self.args.dry_run,
            principal: self.args.name.clone().unwrap_or_default(),
        };
        let mut feeder = Feeder::open(&self.client, how, tally, rejects).await?;
        let read = loop {
            let news = tokio::select! {
                news = reading.next() => news,
                () = self.interrupt.heard() => break Ok(()),
            };
            match news {
                News::Taken(guess) => progress.say(self.screen, &guess),
                News::Items(items) => {
                    let is_idle = reading.is_idle();
                    feeder.take(items, is_idle).await?;
                    progress.at(feeder.rows());
                }
                News::Ended(read) => break read.map_err(Stop::Input),
            }
        };
        let stopped = self.interrupt.is_heard();
        reading.stop();
        feeder.end(stopped).await?;
        progress.end();
        let is_whole = read.is_ok() && !stopped;
        self.end_rejects(file, tally, is_whole)?;
        read
    }

    /// Removes what an earlier run rejected, where this one took everything. The rows of stdin cannot be read again, so
    /// that their rejects stay until others take their place.
    fn end_rejects(&mut self, file: &Input, tally: &Tally, is_whole: bool) -> Result<(), Failure> {
        let has_none = tally.rejects_in.is_none() && is_whole && !self.args.dry_run;
        match &self.args.rejects {
            Some(path) => {
                if has_none && !self.has_begun_rejects {
                    rejects::remove(path)?;
                }
                self.has_begun_rejects |= has_none || tally.rejects_in.is_some();
            }
            None if has_none && !file.is_stdin() => rejects::remove(&path_beside(file))?,
            None => {}
        }
        Ok(())
    }

    /// The line of one input.
    fn say(&self, file: &Input, tally: &Tally, took: Duration) {
        if self.args.output == Form::Table {
            let seconds = took.as_secs_f64().max(0.001);
            let rate = count((tally.read() as f64 / seconds) as u64);
            let would = if self.args.dry_run {
                " (nothing written)"
            } else {
                ""
            };
            let line = format!(
                "{}: {}{would}, {rate} rows/s\n",
                plain(&file.name()),
                tally.sentence()
            );
            // Where stdout is closed the exit code is all that can be said.
            let _ = stdout().write_all(line.as_bytes());
        }
        for warning in tally.warnings() {
            self.screen
                .warn(format_args!("{}: {}", file.name(), plain(&warning)));
        }
        for reject in tally.told_rejects() {
            self.screen
                .warn(format_args!("{}: {}", file.name(), plain(reject)));
        }
        if let Some(path) = &tally.rejects_in {
            self.screen.warn(format_args!(
                "rejected rows, with line, reason and bytes, are in {}",
                path.display()
            ));
        }
    }

    /// Has the archive write down what the import wrote, if it did: also of one that was stopped or failed, since a further
    /// one would find everything there already.
    async fn tell(&self) -> Result<(), Failure> {
        let total = &self.total;
        let Some((first_position, last_position)) = total.written.filter(|_| !self.args.dry_run) else {
            return Ok(());
        };
        let request = RecordImportRequest {
            importer: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            files: told_inputs(&self.args.inputs),
            read: total.read(),
            recorded: total.recorded,
            amended: total.amended,
            duplicates: total.duplicates,
            rejected: total.rejected,
            first_position,
            last_position,
            request_id: random_id()?.into_bytes().into(),
            claimed_principal: self.args.name.clone().unwrap_or_default(),
        };
        let told = self.client.admin().record_import(request).await;
        told.map(drop).map_err(|status| {
            Failure::failed(format!(
                "the rows are recorded, but no AUDIT record says so: {}",
                plain(status.message())
            ))
        })
    }

    fn end(self, done: Result<(), Failure>) -> Result<(), Failure> {
        let mut out = stdout();
        match self.args.output {
            Form::Json => writeln!(out, "{}", self.total.json())?,
            Form::Table if self.total.inputs > 1 => writeln!(out, "all: {}", self.total.sentence())?,
            Form::Table => {}
        }
        out.flush()?;
        done?;
        if let Some(first) = self.failed.first() {
            let more = match self.failed.len() {
                1 => String::new(),
                n => format!(" (and {} more inputs that were not imported to their end)", n - 1),
            };
            return Err(Failure::failed(format!("{first}{more}")));
        }
        if self.interrupt.is_heard() && !self.args.watch {
            return Err(Failure::failed(
                "stopped before the end; run the same import again to go on: nothing is recorded twice",
            ));
        }
        if self.total.read() > 0 && self.total.rejected == self.total.read() {
            return Err(Failure::failed(
                "every row was rejected; the reasons are in the file of rejects",
            ));
        }
        Ok(())
    }
}

/// The inputs as they were given; of very many the first ones, and how many more.
fn told_inputs(inputs: &[PathBuf]) -> Vec<String> {
    let told = inputs.iter().take(INPUTS_TOLD_MAX);
    let mut told: Vec<String> = told.map(|input| input.to_string_lossy().into_owned()).collect();
    if inputs.len() > INPUTS_TOLD_MAX {
        told.push(format!("... {} more", inputs.len() - INPUTS_TOLD_MAX));
    }
    told
}

/// Why an input was not imported to its end.
#[derive(Debug)]
enum Stop {
    /// The input: the next one may do.
    Input(String),
    /// The server or the disk: nothing further will do.
    All(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::All(failure)
    }
}

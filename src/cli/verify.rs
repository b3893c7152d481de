//! `chancery verify`: every byte of the archive is read again.
//!
//! Works on the files of a data directory, of a stopped archive or of one that a daemon has open. In the second case the
//! daemon is asked for its tail, and its root is held against the one of the files.

use super::checkpoint;
use super::connect::Reach;
use super::failure::Failure;
use super::key::KeyArg;
use super::output::Form;
use super::screen::{Ink, Screen, count, plain, stdout};
use crate::client::Client;
use crate::daemon;
use crate::merkle::{Checkpoint, VerifierKey};
use crate::record::Position;
use crate::rpc::proto::GetStatusResponse;
use crate::store::disk::RealDisk;
use crate::store::repair::{RepairOptions, repair};
use crate::store::state;
use crate::store::verify::{
    Finding, Kind, Mode, Progress, Report, VerifyError, VerifyOptions, verify, verify_copy,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a line of progress is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// The findings that are shown to people; JSON lists more.
const FINDINGS_SHOWN: usize = 20;

/// Reads every byte again.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A published copy instead, as `wget -r` makes one of the HTTP port; checked with the key alone
    #[arg(value_name = "COPY", conflicts_with = "data")]
    copy: Option<PathBuf>,
    /// The archive's public key, or a file that holds it
    #[arg(long, value_name = "KEY", requires = "copy")]
    key: Option<KeyArg>,
    /// A checkpoint that you kept earlier: the copy must begin with its records; `-` reads it from stdin
    #[arg(long, value_name = "FILE", requires = "copy")]
    since: Option<PathBuf>,
    /// Mend a damaged archive, which must be stopped, from this good copy of it: the data directory of a backup, stopped too,
    /// or a published copy
    #[arg(long, value_name = "GOOD", conflicts_with = "copy")]
    repair: Option<PathBuf>,
    /// The data directory
    #[arg(
        long,
        value_name = "DIR",
        env = "CHANCERY_DATA",
        default_value = "./chancery-data",
        hide_env_values = true
    )]
    data: PathBuf,
    /// The form of the report
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    /// The daemon, where one has the archive open
    #[command(flatten)]
    reach: Reach,
}

/// Verifies and reports.
///
/// # Errors
/// Exit code 3 where anything is not as it was written, with the first position.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    if let Some(copy) = &args.copy {
        let key = key_for(copy, args.key.as_ref())?;
        return check_copy(copy, key, &args, screen).await;
    }
    if let Some(good) = &args.repair {
        return mend(good, &args, screen).await;
    }
    let report = match read(&args.data, Mode::Stopped, screen).await? {
        Ok(report) => report,
        Err(VerifyError::InUse(_)) => {
            let signed = kept(&args.data)?;
            let status = ask(&args).await?;
            let mode = Mode::Running {
                signed,
                tail: Position::new(status.tail),
            };
            let report = read(&args.data, mode, screen).await?.map_err(failed)?;
            hold_against(&status, &report, &args)?;
            report
        }
        Err(error) => return Err(failed(error)),
    };
    print(&report, args.output, screen)
}

/// The key to check a copy with.
fn key_for(copy: &Path, key: Option<&KeyArg>) -> Result<VerifierKey, Failure> {
    let shown = copy.display();
    if copy.join("state").is_dir() || copy.join("journal").is_dir() {
        return Err(Failure::usage(format!(
            "`{shown}` is the data directory of an archive; check it with: chancery verify --data {shown}"
        )));
    }
    let missing = || {
        Failure::usage(format!(
            "`{shown}` is checked with the archive's public key, as `chancery key show` prints it; name it with --key"
        ))
    };
    key.ok_or_else(missing)?.read()
}

/// The newest checkpoint that a data directory keeps, read before its daemon is asked for the tail: what is signed later is
/// none of this check's.
fn kept(data: &Path) -> Result<Option<Checkpoint>, Failure> {
    let folder = data.join("state");
    // The first time the daemon may just have been writing.
    let said = state::read(&RealDisk, &folder).or_else(|_| state::read(&RealDisk, &folder));
    let said = said.map_err(|error| Failure::failed(error.to_string()))?;
    Ok(said.checkpoint.map(|signed| signed.checkpoint))
}

/// Checks a published copy, for which nobody but the key is asked.
async fn check_copy(copy: &Path, key: VerifierKey, args: &Args, screen: &Screen) -> Result<(), Failure> {
    let copy = copy.to_owned();
    let since = match &args.since {
        Some(path) => Some(earlier(path, &key)?),
        None => None,
    };
    let size = since.as_ref().map(|since| since.size);
    let mut shown = Shown::new(screen);
    let reading = tokio::task::spawn_blocking(move || {
        let report = verify_copy(&copy, &key, since.as_ref(), &mut |progress| {
            shown.at(progress);
            ControlFlow::Continue(())
        });
        shown.end();
        report
    });
    let report = reading.await.map_err(lost)?.map_err(failed)?;
    if let Some(size) = size.filter(|_| report.is_sound()) {
        screen.note(format_args!(
            "the copy begins with the {} of the earlier checkpoint",
            number(size, "record")
        ));
    }
    print(&report, args.output, screen)
}

/// A checkpoint of the same log that was kept earlier.
fn earlier(path: &Path, key: &VerifierKey) -> Result<Checkpoint, Failure> {
    Checkpoint::open(&checkpoint::read(path)?, key)
        .map_err(|error| Failure::Wrong(format!("the earlier checkpoint does not hold: {error}")))
}

/// Mends the archive from a good copy, and says what it did.
async fn mend(good: &Path, args: &Args, screen: &Screen) -> Result<(), Failure> {
    let options = RepairOptions {
        data: args.data.clone(),
        good: good.to_owned(),
        disk: Arc::new(RealDisk),
    };
    daemon::raise_open_files();
    let mut shown = Shown::new(screen);
    let mending = tokio::task::spawn_blocking(move || {
        let repaired = repair(&options, &mut |progress| {
            shown.at(progress);
            ControlFlow::Continue(())
        });
        shown.end();
        repaired
    });
    let repaired = mending
        .await
        .map_err(lost)?
        .map_err(|error| Failure::failed(error.to_string()))?;
    for sentence in &repaired.mended {
        screen.note(format_args!("mended: {sentence}"));
    }
    if repaired.mended.is_empty() {
        screen.note("mended: nothing");
    }
    print(&repaired.report, args.output, screen)
}

/// Prints the report; what it found wrong is the end of it.
fn print(report: &Report, form: Form, screen: &Screen) -> Result<(), Failure> {
    let mut out = stdout();
    match form {
        Form::Json => {
            let json = serde_json::to_string(report).map_err(|error| Failure::failed(error.to_string()))?;
            writeln!(out, "{json}")?;
        }
        Form::Table => card(&mut out, screen.ink(), report)?,
    }
    out.flush()?;
    verdict(report)
}

fn lost(error: tokio::task::JoinError) -> Failure {
    Failure::failed(format!("a thread of the command was lost: {error}"))
}

fn failed(error: VerifyError) -> Failure {
    Failure::failed(error.to_string())
}

/// The daemon that has the archive open.
async fn ask(args: &Args) -> Result<GetStatusResponse, Failure> {
    let unknown = |cause: &dyn std::fmt::Display| {
        let data = args.data.display();
        Failure::failed(format!(
            "a daemon has `{data}` open, and {cause}; name that daemon with --server, or stop it"
        ))
    };
    let client = Client::connect(&args.reach.server).await;
    let client = client.map_err(|_| unknown(&format_args!("none answers at {}", args.reach.server)))?;
    client.status().await.map_err(|status| unknown(&status.message()))
}

/// Whether the daemon says of itself what its files say.
fn hold_against(status: &GetStatusResponse, report: &Report, args: &Args) -> Result<(), Failure> {
    if report.origin.as_deref() != Some(status.origin.as_str()) {
        return Err(Failure::failed(format!(
            "the daemon at {} has another archive, `{}`; name the one that has `{}` open with --server",
            args.reach.server,
            plain(&status.origin),
            args.data.display()
        )));
    }
    let root = hex::encode(&status.root);
    // A daemon that has lost records has no root to compare.
    let is_comparable = report.tail == status.tail && !status.root.is_empty();
    match &report.root {
        Some(found) if report.is_sound() && is_comparable && *found != root => Err(Failure::Wrong(format!(
            "the root of the files is {found}, the daemon's at the same tail {} is {root}; stop the daemon and restore a good copy",
            status.tail
        ))),
        _ if report.tail < status.tail => Err(Failure::Wrong(format!(
            "the files end at position {}, the daemon's tail is {}; stop the daemon and restore a good copy",
            report.tail, status.tail
        ))),
        _ => Ok(()),
    }
}

/// Verifies on a thread that may block, with its progress.
async fn read(data: &Path, mode: Mode, screen: &Screen) -> Result<Result<Report, VerifyError>, Failure> {
    let options = VerifyOptions {
        data: data.to_owned(),
        disk: Arc::new(RealDisk),
        mode,
        entries: true,
    };
    // Each segment is open meanwhile.
    daemon::raise_open_files();
    let mut shown = Shown::new(screen);
    let reading = tokio::task::spawn_blocking(move || {
        let report = verify(&options, &mut |progress| {
            shown.at(progress);
            ControlFlow::Continue(())
        });
        shown.end();
        report
    });
    reading.await.map_err(lost)
}

/// What was read, and what is wrong, for people.
fn card(out: &mut dyn Write, ink: Ink, report: &Report) -> Result<(), Failure> {
    let label = |name: &str| ink.dim(format_args!("{name:<8}"));
    let origin = report.origin.as_deref().unwrap_or("none");
    writeln!(out, "{} {}", label("origin"), ink.bold(plain(origin)))?;
    let records = count(report.records);
    writeln!(
        out,
        "{} {records} records of {} entries",
        label("read"),
        count(report.entries)
    )?;
    writeln!(out, "{} {}", label(""), sources(report))?;
    writeln!(out, "{} {}", label("tail"), count(report.tail))?;
    if let Some(root) = &report.root {
        writeln!(out, "{} {root}", label("root"))?;
    }
    if let Some(size) = report.checkpoint.filter(|size| *size > 0) {
        let signed = number(size, "record");
        writeln!(
            out,
            "{} the first {signed}, by the newest checkpoint",
            label("signed")
        )?;
    }
    if report.erased > 0 {
        let erased = number(report.erased, "record");
        writeln!(
            out,
            "{} {erased} without content, as ERASE records order",
            label("erased")
        )?;
    }
    if report.is_sound() {
        writeln!(
            out,
            "{} {}",
            label("found"),
            ink.green("everything is as it was written")
        )?;
    }
    for finding in report.findings.iter().take(FINDINGS_SHOWN) {
        writeln!(out, "{} {}", label("wrong"), ink.red(plain(&sentence(finding))))?;
    }
    for (from, until) in &report.repaired {
        writeln!(
            out,
            "{} positions {from} up to {until} are held by a repair; the damaged bytes go with their segment",
            label("mended")
        )?;
    }
    let more = report.findings_total.saturating_sub(FINDINGS_SHOWN as u64);
    if more > 0 {
        writeln!(out, "{} ... {} more; -o json lists them", label(""), count(more))?;
    }
    for (from, until) in &report.lost {
        let lost = format!("positions {from} up to {until} are held by no copy here");
        writeln!(out, "{} {}", label("lost"), ink.red(lost))?;
    }
    Ok(())
}

/// What was read: `2 chunks; 3 frames in 1 file; 17 records of the hot log`.
fn sources(report: &Report) -> String {
    if report.files > 0 {
        let withheld = match report.withheld {
            0 => String::new(),
            withheld => format!("; {} without content", number(withheld, "record")),
        };
        return format!("{} of a published copy{withheld}", number(report.files, "file"));
    }
    let chunks = match report.chunks {
        0 => String::new(),
        chunks => format!("{}; ", number(chunks, "chunk")),
    };
    format!(
        "{chunks}{} in {}; {} of the hot log",
        number(report.frames, "frame"),
        number(report.segments, "file"),
        number(report.hot_records, "record")
    )
}

/// `1 frame`, `2 frames`.
fn number(number: u64, one: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{} {one}{many}", count(number))
}

/// `position 17: the payload is not the one that its leaf commits to (journal/…, offset 4096)`.
fn sentence(finding: &Finding) -> String {
    let mut text = match (finding.from, finding.until) {
        (Some(from), Some(until)) if until > from.saturating_add(1) => {
            format!("positions {from} up to {until}: ")
        }
        (Some(from), _) => format!("position {from}: "),
        (None, _) => String::new(),
    };
    text.push_str(&finding.what);
    match (&finding.file, finding.offset) {
        (Some(file), Some(offset)) => text.push_str(&format!(" ({file}, offset {offset})")),
        (Some(file), None) => text.push_str(&format!(" ({file})")),
        (None, _) => {}
    }
    text
}

fn verdict(report: &Report) -> Result<(), Failure> {
    if report.is_sound() && report.lost.is_empty() {
        return Ok(());
    }
    let first = report
        .findings
        .first()
        .map_or_else(|| "records are lost".to_owned(), sentence);
    let more = match report.findings_total {
        0 | 1 => String::new(),
        total => format!(" (and {} more)", count(total - 1)),
    };
    Err(Failure::Wrong(format!("{first}{more}; {}", remedy(report))))
}

fn remedy(report: &Report) -> &'static str {
    let is_hot = |finding: &Finding| finding.kind == Kind::HotLog;
    if report.files > 0 {
        "keep this copy as it is, and mirror a good one"
    } else if report.lost.is_empty() && report.findings.iter().all(is_hot) {
        "the log itself is whole: stop the daemon and remove the folder `sled`, which the next start builds anew"
    } else {
        "keep this archive as it is, and mend a copy of it from a good one (--repair), or restore one"
    }
}

/// The progress: a bar on a terminal, a line now and then elsewhere.
struct Shown {
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Shown {
    fn new(screen: &Screen) -> Self {
        let bar = screen.err_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("verify {bar:30} {percent:>3}% {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            said: Instant::now(),
        }
    }

    fn at(&mut self, progress: Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.bytes_total);
            bar.set_position(progress.bytes);
            bar.set_message(format!("{} records", count(progress.records)));
        } else if self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            let percent = progress.bytes.saturating_mul(100) / progress.bytes_total.max(1);
            // Progress that nobody can see is no reason to stop.
            let _ = writeln!(
                std::io::stderr().lock(),
                "verify: {percent}%, {} records",
                count(progress.records)
            );
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::verify::Kind;

    #[test]
    fn a_finding_is_told_by_position_and_place() {
        let finding = Finding {
            offset: Some(4_096),
            ..Finding::of_file(Kind::Frame, "00000000.journal", "a frame is damaged")
        };
        assert_eq!(
            sentence(&finding),
            "a frame is damaged (00000000.journal, offset 4096)"
        );
        let finding = Finding::at(Kind::Leaf, Position::new(17), "no leaf".to_owned());
        assert_eq!(sentence(&finding), "position 17: no leaf");
        let finding = Finding {
            until: Some(20),
            ..finding
        };
        assert_eq!(sentence(&finding), "positions 17 up to 20: no leaf");
    }
}

//! `chancery bench`: what an archive carries on the user's own machine.
//!
//! Every figure is taken through gRPC against a daemon in a process of its own, on an archive in a temporary folder, and
//! stands beside what the machine itself gives: its sync rate and its empty call. Nothing here touches another archive.

mod events;
mod feeds;
mod groups;
mod limits;
mod load;
mod queries;
mod report;
mod server;

use crate::client::Client;
use crate::rpc::proto::Parts;
use clap::ValueEnum;
use feeds::Wanted;
use report::{Report, Row, figure};
use server::Server;
use std::io::Write;
use std::path::PathBuf;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// This machine: synced writes and empty calls.
    Limits,
    /// Unary appends: one client, many clients, and batches.
    Append,
    /// Appends through one stream a client.
    Stream,
    /// Reading the whole log, payloads alone and with leaves.
    Read,
    /// Questions on a full log, and the index behind them.
    Query,
    /// Inclusion proofs of records anywhere in the log.
    Prove,
    /// Live subscribers while records arrive at a steady rate: who follow everything, a country each, or what never comes.
    FanOut,
    /// Members of a consumer group that take and acknowledge the whole log.
    Group,
    /// A subscriber that catches up with one record in a hundred.
    CatchUp,
    /// From kill -9 to the first record read.
    Restart,
}

/// What to measure, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The workloads; all where none is named.
    #[arg(value_enum)]
    pub workloads: Vec<Workload>,
    /// Clients that append at the same time, each on a connection of its own. Default: 1, 64 and 8 in turn.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub clients: Option<u32>,
    /// Records a batch. Default: 1, 1 and 100 in turn.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub batch: Option<u32>,
    /// Seconds that each append and fan-out workload runs, 0.1 to 3,600.
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    pub seconds: f64,
    /// Records in the log that is read and restarted.
    #[arg(long, default_value_t = 1_000_000)]
    pub records: u64,
    /// Live subscribers, each on a connection of its own.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub subscribers: u32,
    /// Live subscribers to whom nothing is due, a hundred on a connection; 0 leaves them out.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub idle: u32,
    /// Records a second for the live subscribers.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rate: u64,
    /// Where the temporary archive lies; the disk that is measured.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// The least and the most seconds that a workload runs.
const SECONDS: std::ops::RangeInclusive<f64> = 0.1..=3_600.0;

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| SECONDS.contains(number));
    number.ok_or_else(|| {
        format!(
            "say a number of seconds from {} to {}",
            SECONDS.start(),
            SECONDS.end()
        )
    })
}

/// Why a measurement ended early.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file, a process or a thread.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The daemon did not come up.
    #[error("the daemon under test did not answer within {0} s; see {1}")]
    NotUp(u64, PathBuf),
    /// A call failed.
    #[error("{0}")]
    Call(Box<tonic::Status>),
    /// A connection failed.
    #[error(transparent)]
    Connect(#[from] crate::client::ConnectError),
    /// A task was lost.
    #[error("a client was lost: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

impl From<tonic::Status> for BenchError {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl BenchError {
    fn io(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |cause| Self::Io { what, cause }
    }
}

/// Measures, and prints a row as soon as it is known.
///
/// # Errors
/// [`BenchError`].
pub async fn run(args: &Args, out: &mut (dyn Write + Send)) -> Result<(), BenchError> {
    let folder = match &args.dir {
        Some(dir) => tempfile_in(dir)?,
        None => tempfile_in(&std::env::temp_dir())?,
    };
    let mut report = Report::new(out, args.json);
    let wanted = |workload| args.workloads.is_empty() || args.workloads.contains(&workload);
    if wanted(Workload::Limits) {
        limits::measure(folder.path(), args.seconds.min(2.0), &mut report).await?;
    }
    if wanted(Workload::Append) || wanted(Workload::Stream) {
        appends(args, folder.path(), &mut report).await?;
    }
    if [
        Workload::Read,
        Workload::Query,
        Workload::Prove,
        Workload::FanOut,
        Workload::Group,
        Workload::CatchUp,
        Workload::Restart,
    ]
    .into_iter()
    .any(wanted)
    {
        on_a_full_log(args, folder.path(), &mut report).await?;
    }
    report.end().map_err(BenchError::io("writing the report"))
}

async fn appends(args: &Args, folder: &std::path::Path, report: &mut Report<'_>) -> Result<(), BenchError> {
    let wanted = |workload| args.workloads.is_empty() || args.workloads.contains(&workload);
    let server = Server::start(&folder.join("append")).await?;
    report.row(Row::memory("memory, idle", server.memory()))?;
    let shapes = match (args.clients, args.batch) {
        (None, None) => vec![(1, 1), (64, 1), (8, 100)],
        (clients, batch) => vec![(clients.unwrap_or(1), batch.unwrap_or(1))],
    };
    for (clients, batch) in shapes.iter().filter(|_| wanted(Workload::Append)) {
        report.row(load::append(&server, *clients, *batch, args.seconds).await?)?;
    }
    if wanted(Workload::Stream) {
        let (clients, batch) = (args.clients.unwrap_or(64), args.batch.unwrap_or(1));
        report.row(load::stream(&server, clients, batch, args.seconds).await?)?;
    }
    report.row(Row::memory("memory, after appends", server.memory()))?;
    server.kill()
}

/// How often the whole log is read.
const READINGS: usize = 5;

/// The median of several readings: the first ones meet what goes on after a log was filled.
async fn read_often(server: &Server, name: &str, parts: Parts) -> Result<Row, BenchError> {
    let mut rows = Vec::with_capacity(READINGS);
    for _ in 0..READINGS {
        rows.push(load::read(server, name, parts).await?);
    }
    rows.sort_by(|a, b| a.value.total_cmp(&b.value));
    let (least, most) = (rows[0].value, rows[READINGS - 1].value);
    let note = format!("median of {READINGS}, from {} to {}", figure(least), figure(most));
    Ok(rows.swap_remove(READINGS / 2).noted(note))
}

async fn on_a_full_log(
    args: &Args,
    folder: &std::path::Path,
    report: &mut Report<'_>,
) -> Result<(), BenchError> {
    let wanted = |workload| args.workloads.is_empty() || args.workloads.contains(&workload);
    let data = folder.join("read");
    let mut server = Server::start(&data).await?;
    let filled = load::fill(&server, args.records).await?;
    report.row(filled)?;
    if wanted(Workload::Restart) {
        server.kill()?;
        let (again, row) = load::restart(&data, "as appends left it").await?;
        server = again;
        report.row(row)?;
    }
    // What is full is sealed in a while of calm; the figures that follow are those of the log as it then lies.
    report.row(load::sealed(server.address()).await?)?;
    if wanted(Workload::Read) {
        for (name, parts) in load::READS {
            report.row(read_often(&server, name, *parts).await?)?;
        }
        report.row(Row::memory("memory, after reading", server.memory()))?;
    }
    if wanted(Workload::Query) {
        for row in queries::questions(&server).await? {
            report.row(row)?;
        }
        report.row(Row::memory("memory, after questions", server.memory()))?;
        report.row(queries::rebuild(&server).await?)?;
        for arriving in [&queries::EVENTS, &queries::DISPATCHES] {
            report.row(queries::lag(&server, args.seconds, arriving).await?)?;
        }
    }
    if wanted(Workload::CatchUp) {
        queries::caught_up(&Client::connect(server.address()).await?).await?;
        report.row(feeds::catch_up(&server).await?)?;
    }
    if wanted(Workload::Prove) {
        report.row(load::prove(&server, args.clients.unwrap_or(64), args.records, args.seconds).await?)?;
    }
    if wanted(Workload::FanOut) {
        fan_out(args, &server, report).await?;
    }
    if wanted(Workload::Group) {
        report.row(groups::consume(&server, args.seconds).await?)?;
    }
    if wanted(Workload::Restart) {
        server.kill()?;
        let (again, row) = load::restart(&data, "sealed").await?;
        server = again;
        report.row(row)?;
    }
    report.row(Row::bytes(
        "disk a record",
        server::folder_bytes(&data),
        args.records,
    ))?;
    server.kill()
}

async fn fan_out(args: &Args, server: &Server, report: &mut Report<'_>) -> Result<(), BenchError> {
    for wanted in [Wanted::All, Wanted::Countries] {
        for row in feeds::fan_out(server, wanted, args.subscribers, args.rate, args.seconds).await? {
            report.row(row)?;
        }
        let memory = match wanted {
            Wanted::All => "memory, after fan-out",
            Wanted::Countries => "memory, after country filters",
        };
        report.row(Row::memory(memory, server.memory()))?;
    }
    if args.idle > 0 {
        for row in feeds::idle(server, args.idle, args.seconds).await? {
            report.row(row)?;
        }
    }
    Ok(())
}

/// A folder that goes away with its handle.
struct Folder(PathBuf);

impl Folder {
    fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tempfile_in(parent: &std::path::Path) -> Result<Folder, BenchError> {
    let path = parent.join(format!("chancery-bench-{}", std::process::id()));
    std::fs::create_dir_all(&path).map_err(BenchError::io("making the temporary folder"))?;
    Ok(Folder(path))
}

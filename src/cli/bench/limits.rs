//! What the machine itself gives: synced writes, and calls that do nothing.

use super::report::{Latencies, Report, Row};
use super::server::Server;
use super::{BenchError, server};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const BLOCK_BYTES: usize = 4_096;
const FILE_BLOCKS: u64 = 2_048;

/// Measures both.
///
/// # Errors
/// [`BenchError`].
pub async fn measure(folder: &Path, seconds: f64, report: &mut Report<'_>) -> Result<(), BenchError> {
    let path = folder.join("syncs");
    let row = tokio::task::spawn_blocking(move || syncs(&path, seconds)).await??;
    report.row(row)?;
    let server = Server::start(&folder.join("empty")).await?;
    for clients in [1, 64] {
        report.row(empty_calls(&server, clients, seconds).await?)?;
    }
    server.kill()
}

fn syncs(path: &Path, seconds: f64) -> Result<Row, BenchError> {
    let io = BenchError::io("measuring synced writes");
    let mut file = std::fs::File::create(path).map_err(&io)?;
    let zeros = vec![0; BLOCK_BYTES];
    for _ in 0..FILE_BLOCKS {
        file.write_all(&zeros).map_err(&io)?;
    }
    file.sync_all().map_err(&io)?;
    let mut latencies = Latencies::default();
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < seconds {
        let at = latencies.count() as u64 % FILE_BLOCKS * BLOCK_BYTES as u64;
        let write = Instant::now();
        file.seek(SeekFrom::Start(at)).map_err(&io)?;
        file.write_all(&zeros).map_err(&io)?;
        file.sync_data().map_err(&io)?;
        latencies.add(write.elapsed());
    }
    let count = latencies.count() as u64;
    Ok(Row::rate(
        "limit: 4 KiB synced writes",
        count,
        started.elapsed(),
        latencies,
    ))
}

async fn empty_calls(server: &Server, clients: u32, seconds: f64) -> Result<Row, BenchError> {
    let mut tasks = Vec::new();
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    for _ in 0..clients {
        let mut client = HealthClient::new(server::channel(server.address()).await?);
        tasks.push(tokio::spawn(async move {
            let mut latencies = Latencies::default();
            while Instant::now() < until {
                let call = Instant::now();
                client.check(HealthCheckRequest::default()).await?;
                latencies.add(call.elapsed());
            }
            Ok::<_, tonic::Status>(latencies)
        }));
    }
    let started = Instant::now();
    let mut all = Latencies::default();
    for task in tasks {
        all.merge(task.await??);
    }
    let count = all.count() as u64;
    let name = format!(
        "limit: empty call, {clients} client{}",
        if clients == 1 { "" } else { "s" }
    );
    Ok(Row::rate(&name, count, started.elapsed(), all))
}

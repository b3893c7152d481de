//! The workloads.

use super::BenchError;
use super::events::Events;
use super::report::{Latencies, Row};
use super::server::Server;
use crate::client::Client;
use crate::merkle::proof::verify_inclusion;
use crate::record::Hash;
use crate::rpc::proto::append_stream_response::Result as Answer;
use crate::rpc::proto::{AppendRequest, Parts, ProveInclusionRequest, ProveInclusionResponse, ReadRequest};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_stream::wrappers::ReceiverStream;

/// What can be read: its name and the parts.
pub const READS: &[(&str, Parts)] = &[
    ("read, payloads", Parts::Payload),
    ("read, leaves and payloads", Parts::LeafAndPayload),
];

pub(super) fn request(events: &mut Events, batch: u32, due: u64) -> AppendRequest {
    AppendRequest {
        records: (0..batch).map(|_| events.next(due)).collect(),
        ..AppendRequest::default()
    }
}

fn named(what: &str, clients: u32, batch: u32) -> String {
    let s = if clients == 1 { "" } else { "s" };
    format!("{what}, {clients} client{s}, batches of {batch}")
}

/// Unary appends: each client sends its next batch when the last is acknowledged.
///
/// # Errors
/// [`BenchError`].
pub async fn append(server: &Server, clients: u32, batch: u32, seconds: f64) -> Result<Row, BenchError> {
    let mut tasks = Vec::new();
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Client::connect(server.address()).await?);
    }
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    for (number, client) in connected.into_iter().enumerate() {
        let mut archive = client.archive();
        tasks.push(tokio::spawn(async move {
            let mut events = Events::new(fresh(number));
            let mut latencies = Latencies::default();
            while Instant::now() < until {
                let request = request(&mut events, batch, 0);
                let call = Instant::now();
                archive.append(request).await?;
                latencies.add(call.elapsed());
            }
            Ok::<_, tonic::Status>(latencies)
        }));
    }
    let mut all = Latencies::default();
    for task in tasks {
        all.merge(task.await??);
    }
    let count = all.count() as u64 * u64::from(batch);
    Ok(Row::rate(
        &named("append", clients, batch),
        count,
        started.elapsed(),
        all,
    ))
}

/// Keys of one client are never those of another, nor of another workload on the same archive.
pub(super) fn fresh(number: usize) -> u64 {
    static CLIENTS: AtomicU64 = AtomicU64::new(0);
    CLIENTS.fetch_add(1, Ordering::Relaxed) * 4_096 + number as u64
}

/// Batches under way on one stream at a time.
const IN_FLIGHT: usize = 256;

/// Appends through AppendStream, pipelined.
///
/// # Errors
/// [`BenchError`].
pub async fn stream(server: &Server, clients: u32, batch: u32, seconds: f64) -> Result<Row, BenchError> {
    let mut tasks = Vec::new();
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    for number in 0..clients as usize {
        let client = Client::connect(server.address()).await?;
        tasks.push(tokio::spawn(stream_one(client, number, batch, until)));
    }
    let mut count = 0;
    for task in tasks {
        count += task.await??;
    }
    let name = named("append stream", clients, batch);
    Ok(Row::rate(
        &name,
        count * u64::from(batch),
        started.elapsed(),
        Latencies::default(),
    ))
}

async fn stream_one(client: Client, number: usize, batch: u32, until: Instant) -> Result<u64, tonic::Status> {
    let (sender, receiver) = tokio::sync::mpsc::channel(IN_FLIGHT);
    let mut answers = client.append_stream(ReceiverStream::new(receiver)).await?;
    let room = Arc::new(tokio::sync::Semaphore::new(IN_FLIGHT));
    let permits = Arc::clone(&room);
    tokio::spawn(async move {
        let mut events = Events::new(fresh(number));
        while Instant::now() < until {
            let Ok(permit) = permits.acquire().await else {
                return;
            };
            permit.forget();
            if sender.send(request(&mut events, batch, 0)).await.is_err() {
                return;
            }
        }
    });
    let mut count = 0;
    while let Some(answer) = answers.message().await? {
        match answer.result {
            Some(Answer::Response(_)) => count += 1,
            Some(Answer::Refusal(refusal)) => return Err(crate::client::refused(refusal)),
            None => {}
        }
        room.add_permits(1);
    }
    Ok(count)
}

/// Fills a log with so many records.
///
/// # Errors
/// [`BenchError`].
pub async fn fill(server: &Server, records: u64) -> Result<Row, BenchError> {
    const CLIENTS: u64 = 8;
    const BATCH: u64 = 500;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..CLIENTS {
        let mut archive = Client::connect(server.address()).await?.archive();
        let mut left = records / CLIENTS + u64::from(number < records % CLIENTS);
        tasks.push(tokio::spawn(async move {
            let mut events = Events::new(fresh(number as usize));
            while left > 0 {
                let batch = left.min(BATCH);
                archive.append(request(&mut events, batch as u32, 0)).await?;
                left -= batch;
            }
            Ok::<_, tonic::Status>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let name = format!("append, 8 clients, batches of {BATCH}");
    let row = Row::rate(&name, records, started.elapsed(), Latencies::default());
    Ok(row.noted(format!("{records} records, the log of what follows")))
}

/// One client reads the whole log.
///
/// # Errors
/// [`BenchError`].
pub async fn read(server: &Server, name: &str, parts: Parts) -> Result<Row, BenchError> {
    let client = Client::connect(server.address()).await?;
    let started = Instant::now();
    let request = ReadRequest {
        parts: parts as i32,
        ..ReadRequest::default()
    };
    let mut messages = client.read(request).await?;
    let (mut records, mut bytes) = (0u64, 0u64);
    while let Some(message) = messages.message().await? {
        records += message.records.len() as u64;
        bytes += message
            .records
            .iter()
            .map(|r| (r.payload.len() + r.leaf.len()) as u64)
            .sum::<u64>();
    }
    let time = started.elapsed();
    let row = Row::rate(name, records, time, Latencies::default());
    Ok(row.noted(format!("{:.0} MB/s", bytes as f64 / time.as_secs_f64() / 1e6)))
}

/// Inclusion proofs, each asked for by itself at a position of its own, and checked.
///
/// # Errors
/// [`BenchError`]; a proof that does not hold is one.
pub async fn prove(server: &Server, clients: u32, records: u64, seconds: f64) -> Result<Row, BenchError> {
    let mut tasks = Vec::new();
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    for number in 0..u64::from(clients) {
        let client = Client::connect(server.address()).await?;
        tasks.push(tokio::spawn(async move {
            let mut integrity = client.integrity();
            let mut latencies = Latencies::default();
            // Steps of a large prime reach every part of the log.
            let mut position = number * 7_919 % records.max(1);
            while Instant::now() < until {
                position = (position + 961_748_941) % records.max(1);
                let request = ProveInclusionRequest {
                    position,
                    ..ProveInclusionRequest::default()
                };
                let call = Instant::now();
                let answer = integrity.prove_inclusion(request).await?.into_inner();
                latencies.add(call.elapsed());
                check(&answer)?;
            }
            Ok::<_, tonic::Status>(latencies)
        }));
    }
    let mut all = Latencies::default();
    for task in tasks {
        all.merge(task.await??);
    }
    let name = format!("inclusion proofs, {clients} clients");
    Ok(Row::rate(&name, all.count() as u64, started.elapsed(), all))
}

/// Whether the proof leads to the root that it says.
fn check(answer: &ProveInclusionResponse) -> Result<(), tonic::Status> {
    let wrong = |what: &str| tonic::Status::data_loss(format!("an inclusion proof does not hold: {what}"));
    let hash = |bytes: &bytes::Bytes| Hash::try_from(bytes.as_ref()).map_err(|_| wrong("a hash is cut"));
    let path: Vec<Hash> = answer.path.iter().map(hash).collect::<Result<_, _>>()?;
    let checkpoint = answer.checkpoint.as_ref().ok_or_else(|| wrong("no checkpoint"))?;
    let (leaf, root) = (hash(&answer.leaf_hash)?, hash(&checkpoint.root)?);
    verify_inclusion(&leaf, answer.position, answer.size, &path, &root)
        .map_err(|error| wrong(&error.to_string()))
}

/// Waits until whatever is full is sealed, and says how long that took.
///
/// # Errors
/// [`BenchError`].
pub async fn sealed(address: &str) -> Result<Row, BenchError> {
    const CHUNK: u64 = crate::store::chunk::CHUNK_RECORDS as u64;
    const GIVE_UP: Duration = Duration::from_secs(120);
    let client = Client::connect(address).await?;
    let started = Instant::now();
    loop {
        let status = client.status().await?;
        if status.sealed_through + CHUNK > status.tail || started.elapsed() > GIVE_UP {
            let each = status
                .sealed_bytes
                .checked_div(status.sealed_through)
                .unwrap_or(0);
            let row = Row::new("sealing, while it is calm", started.elapsed().as_secs_f64(), "s");
            return Ok(row.noted(format!("{} records, {each} B each", status.sealed_through)));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// From the start of a daemon on a log that was killed to its first record; `what` says how the log was left.
///
/// # Errors
/// [`BenchError`].
pub async fn restart(data: &Path, what: &str) -> Result<(Server, Row), BenchError> {
    const GIVE_UP: Duration = Duration::from_secs(90);
    let started = Instant::now();
    let server = Server::spawn(data)?;
    loop {
        if first_record(server.address()).await.is_ok_and(|found| found) {
            break;
        }
        if started.elapsed() > GIVE_UP {
            return Err(BenchError::NotUp(GIVE_UP.as_secs(), data.with_extension("log")));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let row = Row::new(
        &format!("restart after kill -9, first record, {what}"),
        started.elapsed().as_secs_f64() * 1e3,
        "ms",
    );
    Ok((server, row))
}

async fn first_record(address: &str) -> Result<bool, BenchError> {
    let client = Client::connect(address).await?;
    let request = ReadRequest {
        limit: 1,
        ..ReadRequest::default()
    };
    let message = client.read(request).await?.message().await?;
    Ok(message.is_some_and(|message| !message.records.is_empty()))
}

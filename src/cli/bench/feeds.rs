//! Subscribers: all who follow everything, many who follow a country each, many more to whom nothing is due, and one who catches
//! up with a filter.

use super::BenchError;
use super::events::{Events, clock, due_of};
use super::load::{append, fresh};
use super::report::{Latencies, Row};
use super::server::Server;
use crate::client::Client;
use crate::derive::countries;
use crate::rpc::proto::subscribe_from::From;
use crate::rpc::proto::subscribe_response::Message;
use crate::rpc::proto::{AppendRequest, Parts, SubscribeFrom, SubscribeRequest, SubscribeResponse};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a subscriber waits for what is still missing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Idle subscribers that share a connection.
const ON_A_CONNECTION: u32 = 100;
/// Clients whose appends are held against those without idle subscribers.
const WRITERS: u32 = 64;
/// How often a filtered log is caught up with; the first few are not counted.
const CAUGHT_UP: usize = 24;
const WARMING: usize = 4;

/// What live subscribers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything.
    All,
    /// A filter by country each, no two the same.
    Countries,
}

/// A filter by country.
#[derive(Clone, Debug)]
struct ByCountry {
    field: &'static str,
    code: String,
}

impl ByCountry {
    /// So many, each another one.
    fn some(count: u32) -> Vec<Self> {
        let fields = ["country", "source.country", "target.country"].into_iter();
        let each = fields.flat_map(|field| codes().into_iter().map(move |code| Self { field, code }));
        each.cycle().take(count as usize).collect()
    }

    fn text(&self) -> String {
        format!("{} = {}", self.field, self.code)
    }

    fn matches(&self, (source, target): &(String, String)) -> bool {
        match self.field {
            "source.country" => *source == self.code,
            "target.country" => *target == self.code,
            _ => *source == self.code || *target == self.code,
        }
    }
}

/// The countries of today.
fn codes() -> Vec<String> {
    let all = countries().list().iter();
    let today = all.filter(|country| country.from.is_none() && country.until.is_none());
    today.map(|country| country.code.to_string()).collect()
}

/// Where a measurement stands.
struct Course {
    base: Instant,
    /// Events that were due before are left out of the latencies.
    from: AtomicU64,
    /// The tail when all was sent.
    end: AtomicU64,
}

/// Live subscribers while records arrive at a steady rate; latencies run from when a record was due.
///
/// # Errors
/// [`BenchError`].
pub async fn fan_out(
    server: &Server,
    wanted: Wanted,
    subscribers: u32,
    rate: u64,
    seconds: f64,
) -> Result<Vec<Row>, BenchError> {
    let total = (rate as f64 * seconds) as u64;
    let course = Arc::new(Course {
        base: Instant::now(),
        from: AtomicU64::new(u64::MAX),
        end: AtomicU64::new(u64::MAX),
    });
    let filters = match wanted {
        Wanted::All => Vec::new(),
        Wanted::Countries => ByCountry::some(subscribers),
    };
    let before = server.memory().unwrap_or(0);
    let mut tasks = Vec::new();
    for number in 0..subscribers as usize {
        let filter = filters.get(number).map(ByCountry::text).unwrap_or_default();
        let client = Client::connect(server.address()).await?;
        let feed = subscribe(&client, filter).await?;
        tasks.push(tokio::spawn(follow(feed, Arc::clone(&course))));
    }
    let used = server.cpu();
    let fed = feed_at_rate(server, &course, wanted, rate, total).await?;
    let mut all = Latencies::default();
    let mut delivered = 0;
    for task in tasks {
        let (count, latencies) = task.await??;
        delivered += count;
        all.merge(latencies);
    }
    let used = server
        .cpu()
        .zip(used)
        .map(|(now, then)| (now - then) / fed.time.as_secs_f64());
    let expected = match wanted {
        Wanted::All => fed.pairs.len() * subscribers as usize,
        Wanted::Countries => {
            let of = |pair| filters.iter().filter(|filter| filter.matches(pair)).count();
            fed.pairs.iter().map(of).sum()
        }
    };
    let what = match wanted {
        Wanted::All => format!("fan-out, {subscribers} subscribers at {rate}/s"),
        Wanted::Countries => format!("fan-out, {subscribers} country filters at {rate}/s"),
    };
    let row = Row::rate(&what, fed.pairs.len() as u64, fed.time, all);
    let added = server.memory().unwrap_or(0).saturating_sub(before);
    Ok(vec![
        row.noted(format!("{delivered} of {expected} delivered")),
        Row::new("  cores of the daemon", used.unwrap_or(0.0), ""),
        Row::memory("  memory, added", Some(added)),
    ])
}

async fn subscribe(
    client: &Client,
    filter: String,
) -> Result<tonic::Streaming<SubscribeResponse>, BenchError> {
    let request = SubscribeRequest {
        filter,
        parts: Parts::Payload as i32,
        ..SubscribeRequest::default()
    };
    let mut feed = client.subscriptions().subscribe(request).await?.into_inner();
    feed.message().await?; // Started: the subscription stands.
    Ok(feed)
}

/// Counts what comes until all that was sent has been looked at.
async fn follow(
    mut feed: tonic::Streaming<SubscribeResponse>,
    course: Arc<Course>,
) -> Result<(u64, Latencies), tonic::Status> {
    let mut latencies = Latencies::default();
    let (mut count, mut through) = (0, 0);
    while through < course.end.load(Ordering::Acquire) {
        let Ok(message) = tokio::time::timeout(PATIENCE, feed.message()).await else {
            break;
        };
        let Some(Message::Batch(batch)) = message?.and_then(|message| message.message) else {
            continue;
        };
        let now = clock(course.base);
        through = batch.scanned_through;
        for record in &batch.records {
            count += 1;
            let from = course.from.load(Ordering::Relaxed);
            if let Some(due) = due_of(&record.payload).filter(|due| *due >= from) {
                latencies.add(Duration::from_nanos(now.saturating_sub(due)));
            }
        }
    }
    Ok((count, latencies))
}

/// What was sent: the countries of each event, and how long that took.
struct Fed {
    pairs: Vec<(String, String)>,
    time: Duration,
}

/// Sends what is due each millisecond as one append; the first half second is left out of the latencies.
async fn feed_at_rate(
    server: &Server,
    course: &Course,
    wanted: Wanted,
    rate: u64,
    total: u64,
) -> Result<Fed, BenchError> {
    let client = Client::connect(server.address()).await?;
    let mut archive = client.archive();
    let mut events = match wanted {
        Wanted::All => Events::new(fresh(0)),
        Wanted::Countries => Events::of(fresh(0), codes()),
    };
    let start = clock(course.base);
    course.from.store(start + 500_000_000, Ordering::Relaxed);
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut sent, mut pairs) = (0, Vec::new());
    while sent < total {
        tick.tick().await;
        let passed = u128::from(clock(course.base) - start);
        let due = u64::try_from(passed * u128::from(rate) / 1_000_000_000).unwrap_or(total);
        let due = due.min(total).min(sent + 1_000);
        if due > sent {
            let mut records = Vec::new();
            for k in sent..due {
                records.push(events.next(start + k * 1_000_000_000 / rate));
                pairs.push(events.pair());
            }
            let request = AppendRequest {
                records,
                ..AppendRequest::default()
            };
            archive.append(request).await?;
            sent = due;
        }
    }
    course.end.store(client.status().await?.tail, Ordering::Release);
    let time = Duration::from_nanos(clock(course.base) - start);
    Ok(Fed { pairs, time })
}

/// Subscribers with filters that nothing passes: what they cost in memory, and what is left of the rate of appends.
///
/// # Errors
/// [`BenchError`].
pub async fn idle(server: &Server, subscribers: u32, seconds: f64) -> Result<Vec<Row>, BenchError> {
    let without = append(server, WRITERS, 1, seconds).await?;
    let before = server.memory().unwrap_or(0);
    let mut tasks = Vec::new();
    let mut number = 0;
    while number < subscribers {
        let client = Client::connect(server.address()).await?;
        for _ in 0..ON_A_CONNECTION.min(subscribers - number) {
            let mut feed = subscribe(&client, format!("actor = \"Nobody {number}\"")).await?;
            tasks.push(tokio::spawn(async move {
                while let Ok(Some(_)) = feed.message().await {}
            }));
            number += 1;
        }
    }
    let added = server.memory().unwrap_or(0).saturating_sub(before);
    let with = append(server, WRITERS, 1, seconds).await?;
    let memory = Row::memory("  memory, whole", server.memory());
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let share = with.value / without.value.max(1.0);
    let row = Row {
        workload: format!("append, {WRITERS} clients, {subscribers} idle filters"),
        ..with
    };
    Ok(vec![
        row.noted(format!("{share:.2} of {:.0}/s without them", without.value)),
        memory.noted(format!("{:.0} MB added by the subscribers", added as f64 / 1e6)),
    ])
}

/// Catches up with one record in a hundred, from the first one to the tail.
///
/// # Errors
/// [`BenchError`].
pub async fn catch_up(server: &Server) -> Result<Row, BenchError> {
    let client = Client::connect(server.address()).await?;
    let tail = client.status().await?.tail;
    let (mut latencies, mut records) = (Latencies::default(), 0);
    for turn in 0..CAUGHT_UP + WARMING {
        let request = SubscribeRequest {
            from: Some(SubscribeFrom {
                from: Some(From::Start(true)),
            }),
            filter: "country = NLD".to_owned(),
            parts: Parts::Payload as i32,
            until: tail.checked_sub(1),
            ..SubscribeRequest::default()
        };
        let begun = Instant::now();
        let mut feed = client.subscriptions().subscribe(request).await?.into_inner();
        records = 0;
        while let Some(message) = feed.message().await? {
            if let Some(Message::Batch(batch)) = message.message {
                records += batch.records.len();
            }
        }
        if turn >= WARMING {
            latencies.add(begun.elapsed());
        }
    }
    Ok(Row::time("catch-up, 1 % by country", latencies).noted(format!("{records} of {tail} records")))
}

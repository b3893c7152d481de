//! A server for each test, a client on it, and short ways to say things.

use chancery::client::{Client, Feed, reason};
use chancery::config::Config;
use chancery::daemon;
use chancery::log::Log;
use chancery::record::codec::{
    Act, Content, Country, Date, DateRole, Participant, Payload, TypeCode, encode_payload,
};
use chancery::rpc::proto::subscribe_from::From;
use chancery::rpc::proto::subscribe_response::Message;
use chancery::rpc::proto::{self, append_stream_response};
use chancery::store::open::{Archive, ArchiveOptions, open};
use futures::TryStreamExt;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

/// A server under test. Dropping it without [`Server::stop`] is as a kill.
pub struct Server {
    pub client: Client,
    pub log: Log,
    pub address: String,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Archive>,
}

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

impl Server {
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, Config::default()).await
    }

    pub async fn start_with(folder: &Path, config: Config) -> Self {
        let options = ArchiveOptions {
            segment_bytes: 10 << 20,
            reserve_bytes: 1 << 20,
            recent_bytes: config.recent_bytes as usize,
            accept_clock: config.accept_clock,
            ..ArchiveOptions::new(folder)
        };
        let archive = tokio::task::spawn_blocking(move || open(options).unwrap())
            .await
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let log = archive.log.clone();
        let places = daemon::Places::of(folder);
        let running = tokio::spawn(async move {
            let shutdown = async {
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            daemon::serve(&config, &archive.log, places, listener, shutdown)
                .await
                .unwrap();
            archive
        });
        Self {
            client: Client::connect(&address).await.unwrap(),
            log,
            address,
            stop: Some(stop),
            running,
        }
    }

    /// Tells the server to stop, as a signal would.
    pub fn tell_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap();
        }
    }

    /// Stops the server and closes its archive.
    pub async fn stop(mut self) {
        self.tell_to_stop();
        self.ended().await;
    }

    /// Waits for the server to end by itself, and closes its archive.
    pub async fn ended(self) {
        let Self {
            client, log, running, ..
        } = self;
        drop(client);
        let archive = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
        drop(log);
        tokio::task::spawn_blocking(move || archive.log.close())
            .await
            .unwrap();
    }

    pub async fn tail(&self) -> u64 {
        self.client.status().await.unwrap().tail
    }

    /// Appends one batch of these records.
    pub async fn append(&self, records: Vec<proto::AppendRecord>) -> Result<proto::AppendResponse, Status> {
        self.client.append(batch(records)).await
    }

    /// Appends and fails the test where that fails.
    pub async fn put(&self, record: proto::AppendRecord) -> proto::Receipt {
        let appended = self.append(vec![record]).await.unwrap();
        appended.receipts.into_iter().next().unwrap()
    }

    /// Appends so many events in a pipeline of batches of `size`.
    pub async fn fill(&self, from: u64, count: u64, size: u64) {
        let batches = (from..from + count).step_by(size as usize).map(move |first| {
            let last = (first + size).min(from + count);
            batch((first..last).map(|at| event(&format!("key-{at}"))).collect())
        });
        let mut answers = self
            .client
            .append_stream(futures::stream::iter(batches))
            .await
            .unwrap();
        while let Some(answer) = answers.message().await.unwrap() {
            assert!(
                matches!(answer.result, Some(append_stream_response::Result::Response(_))),
                "{answer:?}"
            );
        }
    }

    pub async fn read(&self, request: proto::ReadRequest) -> Result<Vec<proto::Record>, Status> {
        self.client.records(request).await?.try_collect().await
    }

    pub async fn subscribe(&self, request: proto::SubscribeRequest) -> Feed {
        self.client.subscribe(request).await.unwrap()
    }
}

pub fn batch(records: Vec<proto::AppendRecord>) -> proto::AppendRequest {
    proto::AppendRequest {
        records,
        ..Default::default()
    }
}

/// A record of the series `desk`.
pub fn record(act: Act, key: &str, content: Option<Content>) -> proto::AppendRecord {
    let payload = content.map(|content| {
        encode_payload(&Payload {
            content: Some(content),
            ..Payload::default()
        })
    });
    proto::AppendRecord {
        act: act.into(),
        series: "desk".to_owned(),
        key: key.to_owned(),
        payload: payload.into_iter().collect(),
        ..Default::default()
    }
}

/// A small event whose title is its key.
pub fn event(key: &str) -> proto::AppendRecord {
    record(Act::Create, key, Some(content(key, "PAK", "2021-10-13")))
}

/// An event of a country on a day.
pub fn event_of(key: &str, country: &str, day: &str) -> proto::AppendRecord {
    record(Act::Create, key, Some(content(key, country, day)))
}

pub fn amend(key: &str, country: &str) -> proto::AppendRecord {
    let mut amended = record(
        Act::Amend,
        key,
        Some(content(&format!("{key} amended"), country, "2021-10-14")),
    );
    amended.reason = "corrected".to_owned();
    amended
}

pub fn act(act: Act, key: &str) -> proto::AppendRecord {
    let mut done = record(act, key, None);
    if act == Act::Retract {
        done.reason = "error".to_owned();
    }
    done
}

pub fn content(title: &str, country: &str, day: &str) -> Content {
    Content {
        title: title.to_owned(),
        dates: vec![Date {
            role: DateRole::Occurred.into(),
            edtf: day.to_owned(),
            ..Date::default()
        }],
        participants: vec![Participant {
            name: "Foreign Ministry".to_owned(),
            countries: vec![Country {
                scheme: "iso3".to_owned(),
                code: country.to_owned(),
            }],
            ..Participant::default()
        }],
        types: vec![TypeCode {
            scheme: "cameo".to_owned(),
            code: "040".to_owned(),
            ..TypeCode::default()
        }],
        ..Content::default()
    }
}

/// Everything from the start, without changes.
pub fn from_start() -> proto::SubscribeRequest {
    proto::SubscribeRequest {
        from: Some(proto::SubscribeFrom {
            from: Some(From::Start(true)),
        }),
        ..Default::default()
    }
}

pub fn from_token(token: impl Into<bytes::Bytes>) -> proto::SubscribeRequest {
    proto::SubscribeRequest {
        from: Some(proto::SubscribeFrom {
            from: Some(From::ResumeToken(token.into())),
        }),
        ..Default::default()
    }
}

/// The next message of a feed.
pub async fn next(feed: &mut Feed) -> Message {
    let message = tokio::time::timeout(PATIENCE, feed.next()).await;
    message
        .expect("no message came in time")
        .unwrap()
        .expect("the feed ended")
}

/// The records of a feed until its position is `until`.
pub async fn records_until(feed: &mut Feed, until: u64) -> Vec<proto::Record> {
    let mut records = Vec::new();
    while feed.position().is_none_or(|position| position.get() < until) {
        if let Message::Batch(batch) = next(feed).await {
            records.extend(batch.records);
        }
    }
    records
}

/// Fails unless the call was refused with this code and reason; answers the sentence.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, why: &str) -> String {
    let status = result.expect_err("the call was not refused");
    assert_eq!(
        (status.code(), reason(&status).as_deref()),
        (code, Some(why)),
        "{status:?}"
    );
    status.message().to_owned()
}

pub fn positions(records: &[proto::Record]) -> Vec<u64> {
    records.iter().map(|record| record.position).collect()
}

/// Runs a test in a process of its own, where nothing else uses memory. `name` is the beginning of the test's name.
pub fn alone<F: Future<Output = ()>>(name: &str, test: fn() -> F) {
    const ALONE: &str = "TEST_RUNS_ALONE";
    if std::env::var_os(ALONE).is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(test());
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Bytes of memory that this process holds.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

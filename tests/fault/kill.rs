//! kill -9 against the real binary while several clients append.

use crate::sim::payload;
use chancery::client::Client;
use chancery::record::Leaf;
use chancery::record::codec;
use chancery::rpc::proto;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const ROUNDS: usize = 50;
const CLIENTS: usize = 4;

/// The real daemon, killed when dropped.
struct Daemon {
    child: Child,
    address: String,
}

impl Daemon {
    fn on(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chancery"))
            .args(["serve", "--listen", "127.0.0.1:0", "--http", "off", "--data"])
            .arg(data)
            .current_dir(data)
            .env("CHANCERY_LOG", "off")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.split_whitespace().find(|word| word.starts_with("http://"));
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).into();
        // Whatever else it says must not block it.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, address }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A batch as it was sent, and its receipts where they came.
#[derive(Clone)]
struct Sent {
    request: proto::AppendRequest,
    receipts: Option<Vec<proto::Receipt>>,
}

fn batch(round: usize, client: usize, n: usize) -> proto::AppendRequest {
    let name = format!("{round}-{client}-{n}");
    let record = |m: usize| proto::AppendRecord {
        act: codec::Act::Create as i32,
        series: "desk".into(),
        key: format!("{name}-{m}"),
        payload: vec![payload(&name, vec![(n + m) as u8; (n * 37 + m * 911) % 3_000])],
        ..Default::default()
    };
    proto::AppendRequest {
        records: (0..1 + n % 4).map(record).collect(),
        request_id: name.clone().into(),
        ..Default::default()
    }
}

/// Appends one batch after the other until the daemon is gone.
async fn client(
    daemon: Client,
    round: usize,
    number: usize,
    acknowledged: Arc<(AtomicUsize, Notify)>,
) -> Vec<Sent> {
    let mut all = Vec::new();
    for n in 0.. {
        let request = batch(round, number, n);
        let answer = daemon.append(request.clone()).await;
        let gone = answer.is_err();
        all.push(Sent {
            request,
            receipts: answer.ok().map(|answer| answer.receipts),
        });
        if gone {
            break;
        }
        acknowledged.0.fetch_add(1, Ordering::Relaxed);
        acknowledged.1.notify_one();
    }
    all
}

/// All records of the daemon, by position.
async fn everything(daemon: &Client) -> Vec<proto::Record> {
    use futures::TryStreamExt;
    let request = proto::ReadRequest::default();
    daemon
        .records(request)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap()
}

fn leaf(record: &proto::Record) -> Leaf<'_> {
    Leaf::decode(&record.leaf).unwrap()
}

/// Holds what is there against what was sent: batches whole or absent, in order, and every acknowledged one there.
fn check(found: &[proto::Record], sent: &[Sent], story: &str) {
    let mut by_batch: BTreeMap<Vec<u8>, Vec<&proto::Record>> = BTreeMap::new();
    for (at, record) in found.iter().enumerate() {
        assert_eq!(record.position, at as u64, "{story}: dense and in order");
        let id = leaf(record).batch_id.to_vec();
        by_batch.entry(id).or_default().push(record);
    }
    for one in sent {
        let name = String::from_utf8_lossy(&one.request.request_id);
        match (by_batch.get(&one.request.request_id.to_vec()), &one.receipts) {
            (None, None) => {}
            (None, Some(_)) => panic!("{story}: acknowledged batch {name} is missing"),
            (Some(records), receipts) => {
                assert_eq!(
                    records.len(),
                    one.request.records.len(),
                    "{story}: batch {name} is not whole"
                );
                for (at, (record, asked)) in records.iter().zip(&one.request.records).enumerate() {
                    assert_eq!(
                        record.position,
                        records[0].position + at as u64,
                        "{story}: {name}"
                    );
                    assert_eq!(leaf(record).key, asked.key, "{story}: {name}");
                    assert_eq!(record.payload, asked.payload[0], "{story}: {name}");
                    if let Some(receipts) = receipts {
                        assert_eq!(receipts[at].position, record.position, "{story}: {name}");
                    }
                }
            }
        }
    }
}

/// What was sent last, acknowledged or not, is sent again: it gets the first receipts.
async fn retry(daemon: &Client, sent: &mut [Sent], found: &[proto::Record], story: &str) {
    for one in sent.iter_mut().rev().take(CLIENTS + 2) {
        let answer = daemon.append(one.request.clone()).await.unwrap();
        let first = found
            .iter()
            .find(|record| leaf(record).batch_id == one.request.request_id);
        if let Some(first) = first {
            assert_eq!(
                answer.receipts[0].position, first.position,
                "{story}: the first receipts"
            );
        }
        if let Some(receipts) = &one.receipts {
            assert_eq!(*receipts, answer.receipts, "{story}: the first receipts");
        }
        one.receipts = Some(answer.receipts);
    }
}

#[test]
fn fifty_kills_during_concurrent_appends_lose_nothing_that_was_acknowledged() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut sent: Vec<Sent> = Vec::new();
        let mut daemon = Daemon::on(folder.path());
        for round in 0..ROUNDS {
            // The moment of the kill: after so many acknowledgements, whatever the clients are doing then.
            let kill_after = 1 + round * 7 % 23;
            let story = format!("round {round}, killed after {kill_after} acknowledgements");
            let acknowledged = Arc::new((AtomicUsize::new(0), Notify::new()));
            let mut clients = Vec::new();
            for number in 0..CLIENTS {
                let connection = Client::connect(&daemon.address).await.unwrap();
                clients.push(tokio::spawn(client(
                    connection,
                    round,
                    number,
                    Arc::clone(&acknowledged),
                )));
            }
            while acknowledged.0.load(Ordering::Relaxed) < kill_after {
                acknowledged.1.notified().await;
            }
            daemon.kill();
            for client in clients {
                sent.extend(client.await.unwrap());
            }
            daemon = Daemon::on(folder.path());
            let connection = Client::connect(&daemon.address).await.unwrap();
            let found = everything(&connection).await;
            check(&found, &sent, &story);
            retry(&connection, &mut sent, &found, &story).await;
        }
    });
}

/// A subscriber that keeps its token in memory only, so that each of its places is one between two kills.
#[test]
fn resumable_feeds_go_on_after_each_kill_and_deliver_what_was_acknowledged_once() {
    use proto::subscribe_from::From;
    use proto::subscribe_response::Message;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (mut from, mut through, mut delivered) = (From::Start(true), 0, Vec::new());
        for round in 0..12 {
            let mut daemon = Daemon::on(folder.path());
            let connection = Client::connect(&daemon.address).await.unwrap();
            let request = proto::SubscribeRequest {
                from: Some(proto::SubscribeFrom {
                    from: Some(from.clone()),
                }),
                heartbeat_ms: 100,
                ..Default::default()
            };
            let mut feed = connection.subscribe(request).await.unwrap();
            // The kill comes somewhere in the appends, and somewhere in the feed.
            let appending = async {
                for n in 0..3 + round * 5 % 11 {
                    connection.append(batch(round, 0, n)).await.unwrap();
                }
            };
            let reading = async {
                for _ in 0..2 + round * 7 % 13 {
                    match feed.next().await.unwrap().unwrap() {
                        Message::Started(started) => assert_eq!(started.from, through, "round {round}"),
                        Message::Batch(batch) => {
                            assert_eq!(batch.first_scanned, through, "round {round}");
                            through = batch.scanned_through;
                            delivered.extend(batch.records.iter().map(|record| record.leaf.clone()));
                        }
                        _ => {}
                    }
                    from = From::ResumeToken(feed.token().clone());
                }
            };
            tokio::join!(appending, reading);
            daemon.kill();
        }
        let daemon = Daemon::on(folder.path());
        let connection = Client::connect(&daemon.address).await.unwrap();
        let all = everything(&connection).await;
        let request = proto::SubscribeRequest {
            from: Some(proto::SubscribeFrom { from: Some(from) }),
            until: Some(all.len() as u64 - 1),
            ..Default::default()
        };
        let mut feed = connection.subscribe(request).await.unwrap();
        while let Some(message) = feed.next().await.unwrap() {
            if let Message::Batch(batch) = message {
                assert_eq!(batch.first_scanned, through);
                through = batch.scanned_through;
                delivered.extend(batch.records.iter().map(|record| record.leaf.clone()));
            }
        }
        assert!(delivered.iter().eq(all.iter().map(|record| &record.leaf)));
    });
}

/// Sealing begins at 65,536 records: while it goes on the daemon is killed again and again.
#[test]
fn kills_while_the_log_is_sealed_lose_nothing_and_leave_nothing_half_done() {
    const ROUNDS: usize = 6;
    const BATCHES: usize = 24;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut acknowledged = 0;
        for round in 0..ROUNDS {
            let mut daemon = Daemon::on(folder.path());
            let connection = Client::connect(&daemon.address).await.unwrap();
            for n in 0..BATCHES {
                let key = |m: usize| format!("{round}-{n}-{m}");
                let record = |m: usize| proto::AppendRecord {
                    act: codec::Act::Create as i32,
                    series: "desk".into(),
                    key: key(m),
                    payload: vec![payload(&key(m), Vec::new())],
                    ..Default::default()
                };
                let request = proto::AppendRequest {
                    records: (0..1_000).map(record).collect(),
                    ..Default::default()
                };
                connection.append(request).await.unwrap();
                acknowledged += 1_000;
            }
            // Chunks are sealed when appends are calm: killed on their way, at another moment in each round.
            if acknowledged >= 65_536 {
                let chunks = folder.path().join("chunks");
                let wanted = [".draft", "payloads.draft", "0.payloads", "0.leaves"][round % 4];
                let there = || {
                    std::fs::read_dir(&chunks)
                        .unwrap()
                        .any(|item| item.unwrap().file_name().to_string_lossy().ends_with(wanted))
                };
                for _ in 0..400 {
                    if there() {
                        break;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
            daemon.kill();
            let daemon = Daemon::on(folder.path());
            let connection = Client::connect(&daemon.address).await.unwrap();
            let found = everything(&connection).await;
            assert_eq!(found.len(), acknowledged, "round {round}");
            for (at, record) in found.iter().enumerate() {
                let (round, n, m) = (at / (BATCHES * 1_000), at / 1_000 % BATCHES, at % 1_000);
                assert_eq!(leaf(record).key, format!("{round}-{n}-{m}"));
            }
        }
        // The last start seals in peace what is full.
        let daemon = Daemon::on(folder.path());
        let connection = Client::connect(&daemon.address).await.unwrap();
        for _ in 0..3_000 {
            let status = connection.status().await.unwrap();
            if status.sealed_through + 65_536 > status.tail {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let status = connection.status().await.unwrap();
        assert_eq!(status.sealed_through, acknowledged as u64 / 65_536 * 65_536);
        assert_eq!(everything(&connection).await.len(), acknowledged);
        drop(daemon);
        let verified = Command::new(env!("CARGO_BIN_EXE_chancery"))
            .args(["verify", "--data"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(
            verified.status.success(),
            "{}",
            String::from_utf8_lossy(&verified.stderr)
        );
    });
}

/// Wherever the daemon is killed after an ERASE was acknowledged, the next start does the rest: in sealed files, in the journal
/// and in sled.
#[test]
fn kills_while_something_is_erased_leave_nothing_of_it_and_everything_else() {
    const RECORDS: usize = 66_000;
    const ROUNDS: usize = 6;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        // Two secrets a round: one is sealed, one is not.
        let secret = |at: usize| format!("Quoxhilarious-{at}-end");
        let places = |round: usize| [1_000 + round, 65_700 + round];
        let mut daemon = Daemon::on(folder.path());
        let connection = Client::connect(&daemon.address).await.unwrap();
        for first in (0..RECORDS).step_by(1_000) {
            let record = |at: usize| proto::AppendRecord {
                act: codec::Act::Create as i32,
                series: "desk".into(),
                key: format!("{at}"),
                payload: vec![payload(&secret(at), Vec::new())],
                ..Default::default()
            };
            let request = proto::AppendRequest {
                records: (first..first + 1_000).map(record).collect(),
                ..Default::default()
            };
            connection.append(request).await.unwrap();
        }
        until(|| async { connection.status().await.unwrap().sealed_through == 65_536 }).await;
        let key = connection.verifier_key().await.unwrap();
        let before = connection.checkpoint(&key).await.unwrap();
        drop(connection);
        for round in 0..ROUNDS {
            let connection = Client::connect(&daemon.address).await.unwrap();
            for at in places(round) {
                let request = proto::EraseRequest {
                    entry: Some(proto::EntryKey {
                        series: "desk".into(),
                        key: format!("{at}"),
                    }),
                    authority: "the court".into(),
                    ..Default::default()
                };
                connection.admin().erase(request).await.unwrap();
            }
            // At another moment in each round, some of them after it is done.
            tokio::time::sleep(std::time::Duration::from_millis(round as u64 * 110)).await;
            daemon.kill();
            daemon = Daemon::on(folder.path());
        }
        let connection = Client::connect(&daemon.address).await.unwrap();
        until(|| async { connection.status().await.unwrap().erasures_pending.is_empty() }).await;
        let gone: Vec<usize> = (0..ROUNDS).flat_map(places).collect();
        for (at, record) in everything(&connection).await.iter().take(RECORDS).enumerate() {
            assert_eq!(record.erased, gone.contains(&at), "position {at}");
            assert_eq!(leaf(record).key, format!("{at}"));
            assert_eq!(record.payload.is_empty(), record.erased, "position {at}");
        }
        connection
            .checkpoint_since(&before.checkpoint, &key)
            .await
            .unwrap();
        drop(daemon);
        let verified = Command::new(env!("CARGO_BIN_EXE_chancery"))
            .args(["verify", "--data"])
            .arg(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(verified.status.success(), "{said}");
        assert!(
            said.contains(&format!("{} records without content", gone.len())),
            "{said}"
        );
        let gone: Vec<String> = gone.into_iter().map(secret).collect();
        are_in_no_file(folder.path(), &gone);
    });
}

/// Waits for something, though not for ever.
async fn until<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    for _ in 0..6_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it did not come in a minute");
}

fn are_in_no_file(folder: &Path, words: &[String]) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            are_in_no_file(&path, words);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let found = words.iter().find(|word| text.contains(word.as_str()));
        assert_eq!(found, None, "in {}", path.display());
    }
}

//! A daemon with an HTTP port, a reader of it that follows links, and records to serve.

use bytes::Bytes;
use chancery::client::Client;
use chancery::config::Config;
use chancery::daemon::{self, Listeners, Places};
use chancery::merkle::VerifierKey;
use chancery::record::Act;
use chancery::record::codec::{Content, encode_content};
use chancery::rpc::proto::{AppendRecord, AppendRequest};
use chancery::store::open::{Archive, ArchiveOptions, open};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// More requests than any test's archive has files.
const REQUESTS_MAX: usize = 500;

pub struct Server {
    pub client: Client,
    pub address: SocketAddr,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Archive>,
}

impl Server {
    pub async fn start() -> Self {
        Self::on(tempfile::tempdir().unwrap()).await
    }

    /// On an archive that is there.
    pub async fn on(folder: TempDir) -> Self {
        let options = ArchiveOptions {
            segment_bytes: 10 << 20,
            reserve_bytes: 0,
            chunk_records: 256,
            ..ArchiveOptions::new(folder.path())
        };
        let archive = tokio::task::spawn_blocking(move || open(options).unwrap())
            .await
            .unwrap();
        let grpc = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let http = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (server, address) = (grpc.local_addr().unwrap(), http.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let listeners = Listeners {
            grpc,
            http: Some(http),
        };
        let running = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            daemon::serve(
                &Config::default(),
                &archive.log,
                Places::default(),
                listeners,
                shutdown,
            )
            .await
            .unwrap();
            archive
        });
        Self {
            client: Client::connect(&server.to_string()).await.unwrap(),
            address,
            folder,
            stop,
            running,
        }
    }

    /// A server with so many records, all of them signed for.
    pub async fn with(records: usize) -> (Self, VerifierKey) {
        let server = Self::start().await;
        server.append("first", records).await;
        let key = server.signed().await;
        (server, key)
    }

    pub async fn append(&self, name: &str, records: usize) {
        let record = |n: usize| AppendRecord {
            act: Act::Create.number(),
            series: "desk".into(),
            key: format!("{name}-{n}"),
            payload: vec![content(&format!("{name} {n}"))],
            ..AppendRecord::default()
        };
        for first in (0..records).step_by(500) {
            let records = (first..records.min(first + 500)).map(record).collect();
            let request = AppendRequest {
                records,
                ..AppendRequest::default()
            };
            self.client.append(request).await.unwrap();
        }
    }

    /// Has everything signed for.
    pub async fn signed(&self) -> VerifierKey {
        let key = self.client.verifier_key().await.unwrap();
        self.client.checkpoint(&key).await.unwrap();
        key
    }

    pub async fn get(&self, path: &str) -> Answer {
        let (address, path) = (self.address, path.to_owned());
        tokio::task::spawn_blocking(move || get(address, &path, "localhost"))
            .await
            .unwrap()
    }

    /// Copies everything that following the links leads to.
    pub async fn copy(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (address, to) = (self.address, folder.path().to_owned());
        tokio::task::spawn_blocking(move || follow(address, &to))
            .await
            .unwrap();
        folder
    }

    /// Stops it; what it leaves.
    pub async fn stop(self) -> TempDir {
        drop(self.stop);
        let archive = self.running.await.unwrap();
        tokio::task::spawn_blocking(move || archive.log.close())
            .await
            .unwrap();
        self.folder
    }
}

fn content(title: &str) -> Bytes {
    encode_content(Content {
        title: title.to_owned(),
        ..Content::default()
    })
}

/// What the port answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Asks once, as plainly as HTTP allows.
pub fn get(address: SocketAddr, path: &str, host: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    Answer {
        status,
        headers: headers.collect(),
        body: answer[end + 4..].to_vec(),
    }
}

/// Follows links breadth first, in their order, as `wget -r` does, and keeps what is no page.
fn follow(address: SocketAddr, to: &Path) {
    let mut waiting = VecDeque::from(["/".to_owned()]);
    for _ in 0..REQUESTS_MAX {
        let Some(path) = waiting.pop_front() else { return };
        let answer = get(address, &path, &address.to_string());
        assert_eq!(answer.status, 200, "{path}");
        if path.ends_with('/') {
            let page = answer.text();
            let links = page
                .split("<a href=\"")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap());
            waiting.extend(links.map(|link| format!("{path}{link}")));
        } else {
            let file = to.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, answer.body).unwrap();
        }
    }
    panic!("the pages lead to more than {REQUESTS_MAX} files");
}

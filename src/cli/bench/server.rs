//! The daemon under test: this program once more, in a process of its own, ended by kill -9.

use super::BenchError;
use crate::client::Client;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};

/// How long a daemon may take to answer, in seconds.
const UP_WITHIN_S: u64 = 60;

/// A daemon in a process of its own.
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts a daemon on `data` and waits until it answers.
    ///
    /// # Errors
    /// [`BenchError::NotUp`], [`BenchError::Io`].
    pub async fn start(data: &Path) -> Result<Self, BenchError> {
        let server = Self::spawn(data)?;
        let started = Instant::now();
        while Client::connect(&server.address).await.is_err() {
            if started.elapsed() > Duration::from_secs(UP_WITHIN_S) {
                return Err(BenchError::NotUp(UP_WITHIN_S, log_of(data)));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(server)
    }

    /// Starts a daemon on `data` without waiting.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub fn spawn(data: &Path) -> Result<Self, BenchError> {
        let io = BenchError::io("starting the daemon under test");
        std::fs::create_dir_all(data).map_err(&io)?;
        let port = free_port().map_err(&io)?;
        let log = std::fs::File::create(log_of(data)).map_err(&io)?;
        let listen = format!("127.0.0.1:{port}");
        let child = Command::new(std::env::current_exe().map_err(&io)?)
            .args(["serve", "--listen", &listen, "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(&io)?;
        Ok(Self {
            child,
            address: format!("http://{listen}"),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub fn kill(mut self) -> Result<(), BenchError> {
        self.child
            .kill()
            .map_err(BenchError::io("ending the daemon under test"))?;
        self.child
            .wait()
            .map_err(BenchError::io("ending the daemon under test"))?;
        Ok(())
    }

    /// The seconds of a core that it has used; `None` where the system does not tell.
    pub fn cpu(&self) -> Option<f64> {
        // Ticks are hundredths of a second wherever Linux runs.
        const TICKS: f64 = 100.0;
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // After the name, which may hold anything: state, ten numbers, then user and system time.
        let mut numbers = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || numbers.next()?.parse::<f64>().ok();
        Some((ticks()? + ticks()?) / TICKS)
    }

    /// Its resident memory in bytes, shared pages in proportion; `None` where the system does not tell.
    pub fn memory(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1_024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_of(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// A port that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    TcpListener::bind("127.0.0.1:0")?
        .local_addr()
        .map(|address| address.port())
}

/// A bare channel to an address.
///
/// # Errors
/// [`BenchError::Connect`] in the client's words.
pub async fn channel(address: &str) -> Result<Channel, BenchError> {
    let connect = |source| crate::client::ConnectError::NoDaemon {
        server: address.to_owned(),
        source,
    };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(connect)?;
    Ok(endpoint.tcp_nodelay(true).connect().await.map_err(connect)?)
}

/// The bytes that a folder takes on the disk.
pub fn folder_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(items) = std::fs::read_dir(folder) else {
        return 0;
    };
    let bytes = |item: std::fs::DirEntry| match item.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&item.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    };
    items.filter_map(Result::ok).map(bytes).sum()
}

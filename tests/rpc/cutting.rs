//! A proxy that cuts connections, again and again, where a seed says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Numbers that follow from a seed (splitmix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// Bytes from `least` on; each doubling up to `doublings` is as likely as any other.
    pub fn bytes(&mut self, least: u64, doublings: u64) -> u64 {
        let size = least << self.below(doublings);
        size + self.below(size)
    }
}

/// Hands on connections to a server, and cuts each after a number of bytes of its answers.
pub struct Proxy {
    pub address: String,
    target: Arc<Mutex<Option<SocketAddr>>>,
    cut_all: watch::Sender<()>,
    connections: Arc<Mutex<u64>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// `bytes` says for each connection after how many bytes of answers it is cut.
    pub async fn start(server: &str, mut bytes: impl FnMut() -> u64 + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let target = Arc::new(Mutex::new(Some(socket(server))));
        let connections = Arc::new(Mutex::new(0));
        let cut_all = watch::Sender::new(());
        let (to, counted, cut) = (Arc::clone(&target), Arc::clone(&connections), cut_all.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let (target, bytes, cut) = (*to.lock().unwrap(), bytes(), cut.subscribe());
                tokio::spawn(carry(client, target, bytes, cut));
            }
        });
        Self {
            address,
            target,
            cut_all,
            connections,
            accepting,
        }
    }

    /// From now on connections go to this server, or to nobody.
    pub fn lead_to(&self, server: Option<&str>) {
        *self.target.lock().unwrap() = server.map(socket);
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        self.cut_all.send_replace(());
    }

    /// How many connections were taken.
    pub fn connections(&self) -> u64 {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

fn socket(server: &str) -> SocketAddr {
    server.strip_prefix("http://").unwrap().parse().unwrap()
}

async fn carry(client: TcpStream, target: Option<SocketAddr>, bytes: u64, mut cut: watch::Receiver<()>) {
    let Some(target) = target else { return };
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    // Otherwise each small answer waits 40 ms for an acknowledgement.
    for side in [&client, &server] {
        side.set_nodelay(true).unwrap();
    }
    let (mut asked, mut answered) = client.into_split();
    let (answers, mut asks) = server.into_split();
    let mut answers = answers.take(bytes);
    // Whichever ends first ends both.
    tokio::select! {
        _ = tokio::io::copy(&mut asked, &mut asks) => {}
        _ = tokio::io::copy(&mut answers, &mut answered) => {}
        _ = cut.changed() => {}
    }
}

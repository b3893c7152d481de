//! Connects to the host of a webhook: to whichever of its addresses takes the connection first.
//!
//! Whoever looks up a name may wait for a silent name server far longer than an attempt may take, and cannot be told to stop. So a
//! lookup has a thread of its own, and never one of those on which the daemon reads and appends; of a host there is at most one
//! under way, which every attempt waits for that comes meanwhile.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

/// How much the system holds of what is not sent yet, about: it counts as sent, and is lost where somebody answers before he has read.
const HELD_BYTES: u32 = 65_536;
/// How long an address is waited for before the next one is tried beside it (RFC 8305, section 5).
const BESIDE: Duration = Duration::from_millis(250);

/// What a lookup found, once it has ended.
type Found = watch::Receiver<Option<Result<Vec<SocketAddr>, Arc<io::Error>>>>;
/// What looks up a name.
type LookUp = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// Those of the system.
static LOOKUPS: Lookups = Lookups {
    look_up: by_system,
    under_way: Mutex::new(BTreeMap::new()),
};

/// Connects.
///
/// # Errors
/// What the system says of the name, or of the last address that was tried.
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    any_of(LOOKUPS.addresses(host, port).await?).await
}

fn by_system(host: &str) -> io::Result<Vec<SocketAddr>> {
    (host, 0).to_socket_addrs().map(Iterator::collect)
}

/// The lookups under way, by the names of hosts.
struct Lookups {
    look_up: LookUp,
    under_way: Mutex<BTreeMap<String, Found>>,
}

impl Lookups {
    /// The addresses of a host. One that is written as an address is not looked up.
    async fn addresses(&'static self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let mut found = self.begun(host)?;
        let found = found.wait_for(Option::is_some).await.map_err(io::Error::other)?;
        match found.as_ref() {
            Some(Ok(all)) => Ok(all.iter().map(|one| with_port(*one, port)).collect()),
            Some(Err(error)) => Err(io::Error::new(error.kind(), Arc::clone(error))),
            None => Ok(Vec::new()),
        }
    }

    /// The lookup of a host that is under way, or a new one.
    fn begun(&'static self, host: &str) -> io::Result<Found> {
        let mut under_way = self.lock();
        // One whose thread was lost ends for nobody.
        if let Some(found) = under_way.get(host).filter(|found| found.has_changed().is_ok()) {
            return Ok(found.clone());
        }
        let (tell, found) = watch::channel(None);
        let name = host.to_owned();
        std::thread::Builder::new()
            .name("lookup".to_owned())
            .spawn(move || {
                let addresses = (self.look_up)(&name).map_err(Arc::new);
                // Whoever comes from now on begins another.
                self.lock().remove(&name);
                tell.send_replace(Some(addresses));
            })?;
        under_way.insert(host.to_owned(), found.clone());
        Ok(found)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Found>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Connects to one of them: the next is tried once one has failed, and beside one that is silent.
async fn any_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut rest = addresses.into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    loop {
        under_way.extend(rest.next().map(to));
        tokio::select! {
            Some(connected) = under_way.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = tokio::time::sleep(BESIDE), if rest.len() > 0 => {}
            else => return Err(last),
        }
    }
}

async fn to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_send_buffer_size(HELD_BYTES)?;
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use tokio::net::TcpListener;

    fn lookups(look_up: LookUp) -> &'static Lookups {
        Box::leak(Box::new(Lookups {
            look_up,
            under_way: Mutex::new(BTreeMap::new()),
        }))
    }

    #[test]
    fn a_lookup_that_hangs_takes_no_thread_of_others_and_is_begun_once() {
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        static HANGS: Mutex<()> = Mutex::new(());
        let all = lookups(|_| {
            BEGUN.fetch_add(1, Ordering::SeqCst);
            drop(HANGS.lock().unwrap());
            Ok(vec![([127, 0, 0, 1], 0).into()])
        });
        let hangs = HANGS.lock().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let attempt = || tokio::time::timeout(Duration::from_millis(50), all.addresses("desk.example", 80));
        for _ in 0..3 {
            assert!(runtime.block_on(async { attempt().await }).is_err());
        }
        let (tell, told) = mpsc::channel();
        runtime.spawn_blocking(move || tell.send(()));
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(BEGUN.load(Ordering::SeqCst), 1);
        drop(hangs);
        // What comes meanwhile has the answer of that one, and what comes later of another.
        let found = runtime.block_on(all.addresses("desk.example", 80)).unwrap();
        assert_eq!(found, [([127, 0, 0, 1], 80).into()]);
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up_and_an_unknown_name_is_an_error() {
        let none = lookups(|host| Err(io::Error::new(io::ErrorKind::NotFound, format!("no {host}"))));
        for address in ["127.0.0.1", "::1"] {
            let found = none.addresses(address, 80).await.unwrap();
            assert_eq!(found, [SocketAddr::new(address.parse().unwrap(), 80)]);
        }
        let error = none.addresses("desk.example", 80).await.unwrap_err();
        assert_eq!(error.to_string(), "no desk.example");
        assert!(any_of(Vec::new()).await.is_err());
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_does_not_take_all_the_time() {
        // Whoever takes no connection and has a full queue drops what comes.
        let full = TcpSocket::new_v4().unwrap();
        full.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let full = full.listen(0).unwrap();
        let swallows = full.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(swallows)).await
        {
            held.push(stream);
        }
        let refused = SocketAddr::from(([127, 0, 0, 1], 1));
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = taken.local_addr().unwrap();
        let within = Duration::from_secs(20);
        let stream = tokio::time::timeout(within, any_of(vec![swallows, refused, there])).await;
        assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), there);
    }
}

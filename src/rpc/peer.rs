//! Who is at the other end of a connection, where the system tells.
//!
//! On Linux both ends of a connection within the machine are in `/proc/net/tcp` (proc(5)), each with the user whom it
//! belongs to. A client over loopback is therefore known by its user without a word from it. Elsewhere nobody is told.
//! The file is read when a connection first changes something, and one reading serves all connections that were there by
//! then: it takes milliseconds, however few there are. Nothing here opens a file: whoever serves hands in how one is read.

use crate::record::Principal;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::transport::server::Connected;

/// One end of a connection and the other: of whom, and to whom.
type Ends = (SocketAddr, SocketAddr);

/// The other end of one connection; among the extensions of its requests.
#[derive(Clone)]
pub struct Peer(Arc<Inner>);

struct Inner {
    ends: Option<Ends>,
    accepted: Instant,
    known: OnceLock<Principal>,
    sockets: Arc<Sockets>,
}

impl Peer {
    /// `local:` and the user's name, or `anonymous`. May wait for the system once a connection.
    pub async fn principal(&self) -> Principal {
        if let Some(known) = self.0.known.get() {
            return known.clone();
        }
        let peer = self.clone();
        let asked = tokio::task::spawn_blocking(move || peer.0.known.get_or_init(|| peer.0.ask()).clone());
        asked.await.unwrap_or_else(|_| Principal::anonymous())
    }
}

impl Inner {
    fn ask(&self) -> Principal {
        let within = |ends: &Ends| ends.0.ip().is_loopback() && ends.1.ip().is_loopback();
        self.ends
            .filter(within)
            .and_then(|ends| self.sockets.user(ends, self.accepted))
            .and_then(|user| Principal::new(&format!("local:{}", self.sockets.name(user))).ok())
            .unwrap_or_else(Principal::anonymous)
    }
}

/// Who sends a request, as the system tells; `anonymous` where it does not.
pub async fn principal(extensions: &tonic::Extensions) -> Principal {
    match extensions.get::<Peer>() {
        Some(peer) => peer.principal().await,
        None => Principal::anonymous(),
    }
}

/// Answers the text of a file of the system; nothing where it cannot be read.
pub type ReadText = fn(&str) -> String;

/// The users of the machine's connections, as they were last read.
pub struct Sockets {
    text: ReadText,
    read: Mutex<Option<(Instant, HashMap<Ends, u32>)>>,
}

impl Sockets {
    /// Nothing is read yet.
    pub fn new(text: ReadText) -> Self {
        Self {
            text,
            read: Mutex::default(),
        }
    }

    /// The user whose end of a connection this is. What was read before the connection was there may be of an earlier one
    /// with the same ports.
    fn user(&self, ends: Ends, since: Instant) -> Option<u32> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.as_ref().is_none_or(|(when, _)| *when <= since) {
            let begun = Instant::now();
            *read = Some((begun, self.all()));
        }
        read.as_ref().and_then(|(_, users)| users.get(&ends).copied())
    }

    fn all(&self) -> HashMap<Ends, u32> {
        let texts = ["/proc/net/tcp", "/proc/net/tcp6"].map(self.text);
        texts
            .iter()
            .flat_map(|text| text.lines().filter_map(socket))
            .collect()
    }

    /// The user's name in `/etc/passwd` (passwd(5)), else the number.
    fn name(&self, user: u32) -> String {
        let number = user.to_string();
        let of_user = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == number).then(|| name.to_owned())
        };
        let accounts = (self.text)("/etc/passwd");
        accounts.lines().find_map(of_user).unwrap_or(number)
    }
}

/// A line of the file: its fields are number, local and remote address, state, queues, timer, retransmissions, user.
fn socket(line: &str) -> Option<(Ends, u32)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let ends = (address(fields.next()?)?, address(fields.next()?)?);
    let user = fields.nth(4)?.parse().ok()?;
    Some((ends, user))
}

/// An address is hexadecimal words in the byte order of the machine, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(host.get(at * 8..at * 8 + 8)?, 16).ok();
    let host: IpAddr = match host.len() {
        8 => Ipv4Addr::from(word(0)?.to_ne_bytes()).into(),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?.to_ne_bytes());
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some((host, u16::from_str_radix(port, 16).ok()?).into())
}

/// A connection whose requests know their [`Peer`].
pub struct Connection {
    stream: TcpStream,
    peer: Peer,
}

impl Connection {
    /// The connection of a stream that was just accepted.
    pub fn new(stream: TcpStream, sockets: &Arc<Sockets>) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let ends = stream.peer_addr().ok().zip(stream.local_addr().ok());
        let peer = Peer(Arc::new(Inner {
            ends: ends.map(|(theirs, ours)| (canonical(theirs), canonical(ours))),
            accepted: Instant::now(),
            known: OnceLock::new(),
            sockets: Arc::clone(sockets),
        }));
        Self { stream, peer }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_file_is_two_ends_and_a_user() {
        let line = "   4: 0100007F:D431 0100007F:1267 01 00000000:00000000 00:00000000 00000000  1000        0 91234 1";
        let (ends, user) = socket(line).unwrap();
        assert_eq!(ends.0.to_string(), "127.0.0.1:54321");
        assert_eq!((ends.1.to_string().as_str(), user), ("127.0.0.1:4711", 1_000));
        let mapped =
            "0: 0000000000000000FFFF00000100007F:0050 00000000000000000000000001000000:0051 01 0:0 0:0 0 7 0";
        let (ends, user) = socket(mapped).unwrap();
        assert_eq!(
            (ends.0.to_string().as_str(), ends.1.to_string().as_str()),
            ("127.0.0.1:80", "[::1]:81")
        );
        assert_eq!(user, 7);
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";
        assert!(socket(head).is_none() && socket("").is_none() && address("zz:1").is_none());
    }

    /// A machine on which user 1000 is called desk, and nobody is connected.
    fn quiet(path: &str) -> String {
        let accounts = "root:x:0:0:root:/root:/bin/sh\ndesk:x:1000:1000::/home/desk:/bin/sh\n";
        if path == "/etc/passwd" { accounts } else { "" }.to_owned()
    }

    #[test]
    fn what_was_read_before_a_connection_does_not_tell_of_it() {
        let ends: Ends = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        let sockets = Sockets::new(quiet);
        let begun = Instant::now();
        *sockets.read.lock().unwrap() = Some((begun, HashMap::from([(ends, 7)])));
        assert_eq!(sockets.user(ends, begun), None, "it is read again");
        *sockets.read.lock().unwrap() = Some((Instant::now(), HashMap::from([(ends, 7)])));
        assert_eq!(sockets.user(ends, begun), Some(7));
    }

    #[test]
    fn a_user_without_an_account_is_a_number() {
        let sockets = Sockets::new(quiet);
        assert_eq!(
            (sockets.name(1_000), sockets.name(0), sockets.name(7)),
            ("desk".into(), "root".into(), "7".into())
        );
    }

    async fn principal_of(sockets: Sockets) -> Principal {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let _client = client.unwrap();
        let connection = Connection::new(accepted.unwrap().0, &Arc::new(sockets));
        connection.connect_info().principal().await
    }

    #[tokio::test]
    async fn nobody_is_made_up_where_the_system_does_not_tell() {
        assert_eq!(principal_of(Sockets::new(quiet)).await, Principal::anonymous());
    }
}

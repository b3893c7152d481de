//! An HTTP server of a few lines that hands over what is posted to it, and answers what the test says.

use crate::harness::LONGEST;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Debug)]
pub struct Posted {
    pub head: String,
    pub body: Value,
}

impl Posted {
    pub fn key(&self) -> &str {
        self.body["key"].as_str().unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }
}

/// What is answered to a request.
pub enum Answer {
    Status(u16),
    /// The connection is closed instead.
    Nothing,
    /// 200 as soon as the head of the request is there, and the connection is closed; the request is not handed over.
    Early,
    /// The connection stays open, and nothing comes.
    Silence,
}

/// An HTTP server that hands over each request and answers what the test says; 200 where it says nothing more.
pub struct Receiving {
    pub address: String,
    pub posted: Receiver<Posted>,
    answers: Sender<Answer>,
}

impl Receiving {
    pub fn start() -> Self {
        Self::over("http", |stream| stream)
    }

    /// One that speaks TLS with this certificate.
    pub fn with_certificate(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        Self::over("https", move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            StreamOwned::new(connection, stream)
        })
    }

    fn over<S: Read + Write>(scheme: &str, wrap: impl Fn(TcpStream) -> S + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("{scheme}://{}/in?desk=1", listener.local_addr().unwrap());
        let ((tell, posted), (answers, due)) = (channel(), channel());
        std::thread::spawn(move || {
            let (mut silent, mut next) = (Vec::new(), None);
            for stream in listener.incoming() {
                let mut stream = wrap(stream.unwrap());
                next = next.or_else(|| due.try_recv().ok());
                if matches!(next, Some(Answer::Early)) {
                    next = None;
                    answer_early(stream);
                    continue;
                }
                let Some(request) = request(&mut stream) else {
                    continue;
                };
                if tell.send(request).is_err() {
                    return;
                }
                match next.take().unwrap_or(Answer::Status(200)) {
                    Answer::Status(status) => {
                        let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                        let _ = stream.flush();
                    }
                    Answer::Nothing | Answer::Early => {}
                    Answer::Silence => silent.push(stream),
                }
            }
        });
        Self {
            address,
            posted,
            answers,
        }
    }

    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        answers
            .into_iter()
            .for_each(|answer| self.answers.send(answer).unwrap());
    }

    pub fn next(&self) -> Posted {
        self.posted.recv_timeout(LONGEST).unwrap()
    }

    pub fn keys(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next().key().to_owned()).collect()
    }
}

/// Whoever posts has the time to see the answer before the end.
fn answer_early(mut stream: impl Read + Write) {
    let mut some = [0; 512];
    let _ = stream.read(&mut some);
    let _ = write!(stream, "HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n");
    let _ = stream.flush();
    std::thread::sleep(Duration::from_millis(300));
}

fn request(stream: &mut impl Read) -> Option<Posted> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    })?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap();
    Some(Posted { head, body })
}

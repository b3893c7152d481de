//! The thread that reads and parses an input, and what it hands over.
//!
//! It holds one chunk in the making; a few more may wait to be taken. So it runs ahead of the server by a bounded
//! number of rows and bytes, and where the server is waiting it hands over each row at once.

use super::inputs::Input;
use crate::import::{self, Format, Item, Options};
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Chunks that may wait to be taken.
const CHUNKS_WAITING_MAX: usize = 4;
/// Rows of a chunk.
const CHUNK_ROWS: usize = 500;
/// Bytes after which a chunk is handed over: its payloads and sources.
const CHUNK_BYTES: usize = 1 << 20;

/// What the thread has to tell.
#[derive(Debug)]
pub enum News {
    /// What the input was taken for, and why.
    Taken(String),
    /// Rows, in order.
    Items(Vec<Item>),
    /// There is no more; or the input cannot be read further, and why.
    Ended(Result<(), String>),
}

/// An input being read.
#[derive(Debug)]
pub struct Reading {
    news: mpsc::Receiver<News>,
    is_stopped: Arc<AtomicBool>,
    bytes: Bytes,
}

/// How far a reading is, for the progress.
#[derive(Clone, Debug)]
pub struct Bytes {
    /// Bytes read.
    pub read: Arc<AtomicU64>,
    /// Bytes in all, where that is known.
    pub all: Option<u64>,
}

impl Reading {
    /// Opens the input and begins to read it.
    ///
    /// # Errors
    /// In words, where it cannot be opened.
    pub fn start(input: &Input, format: Option<Format>, options: Options) -> Result<Self, String> {
        let (opened, all) = input
            .open()
            .map_err(|cause| format!("cannot be opened: {cause}"))?;
        let (tell, news) = mpsc::channel(CHUNKS_WAITING_MAX);
        let read = Arc::new(AtomicU64::new(0));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let counted = Counted {
            inner: opened,
            read: Arc::clone(&read),
        };
        let thread = Thread {
            tell,
            is_stopped: Arc::clone(&is_stopped),
            items: Vec::new(),
            bytes: 0,
        };
        std::thread::Builder::new()
            .name("import".to_owned())
            .spawn(move || thread.run(counted, format, &options))
            .map_err(|cause| format!("cannot be read: no thread ({cause})"))?;
        Ok(Self {
            news,
            is_stopped,
            bytes: Bytes { read, all },
        })
    }

    /// The next news. Cancel safe.
    pub async fn next(&mut self) -> News {
        let lost = || News::Ended(Err("the thread that reads it was lost".to_owned()));
        self.news.recv().await.unwrap_or_else(lost)
    }

    /// Whether nothing waits to be taken.
    pub fn is_idle(&self) -> bool {
        self.news.is_empty()
    }

    /// How far it is.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Ends the reading at the next row.
    pub fn stop(self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

struct Thread {
    tell: mpsc::Sender<News>,
    is_stopped: Arc<AtomicBool>,
    items: Vec<Item>,
    bytes: usize,
}

impl Thread {
    fn run(mut self, input: Counted, format: Option<Format>, options: &Options) {
        let ended = self.read(input, format, options);
        // Whoever listened may have gone; then nobody needs to know.
        let _ = self.hand_over();
        let _ = self.tell.blocking_send(News::Ended(ended));
    }

    fn read(&mut self, input: Counted, format: Option<Format>, options: &Options) -> Result<(), String> {
        let mut input = BufReader::with_capacity(256 << 10, input);
        let read = match format {
            Some(format) => import::read(format, &mut input, options, &mut |item| self.add(item)),
            None => {
                let (guess, mut input) = import::auto(input).map_err(|error| error.to_string())?;
                // A listener that is gone breaks at the first row.
                let _ = self.tell.blocking_send(News::Taken(guess.to_string()));
                import::read(guess.format, &mut input, options, &mut |item| self.add(item))
            }
        };
        read.map(drop).map_err(|error| error.to_string())
    }

    fn add(&mut self, item: Item) -> ControlFlow<()> {
        self.bytes += match &item {
            Item::Record(draft) => draft.payload.len() + draft.source.len(),
            Item::Reject(reject) => reject.bytes.len(),
        };
        self.items.push(item);
        let is_full = self.items.len() >= CHUNK_ROWS || self.bytes >= CHUNK_BYTES;
        let is_awaited = self.tell.capacity() == CHUNKS_WAITING_MAX;
        if is_full || is_awaited {
            return self.hand_over();
        }
        ControlFlow::Continue(())
    }

    fn hand_over(&mut self) -> ControlFlow<()> {
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        let is_over = self.is_stopped.load(Ordering::Relaxed);
        if is_over || (!items.is_empty() && self.tell.blocking_send(News::Items(items)).is_err()) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Counts what is read.
struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

//! Starting the log on what a store has recovered: everything that is kept in memory is folded from the records.

use super::Log;
use super::clock::{Clock, RealClock, Timekeeper};
use super::commit::Committer;
use super::error::Closed;
use super::keeper::{self, Keeper};
use super::keys::KeyTable;
use super::recent::Recent;
use super::requests::Requests;
use super::run::Run;
use super::shared::Shared;
use super::store::{Hot, Journal, Replay, Rescued, Shelf};
use super::tail::Tail;
use crate::merkle::Tree;
use crate::record::{Epoch, Hash, Leaf, Position, Recorded, leaf_hash};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// How the log is run.
pub struct Options {
    /// The log's name.
    pub origin: String,
    /// The bytes of recent groups kept in memory for live subscribers; 8 MiB where not said.
    pub recent_bytes: usize,
    /// Take the clock for right whatever the log says.
    pub accept_clock: bool,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The most bytes that one frame of the journal may have.
    pub frame_bytes_max: usize,
}

impl Options {
    /// The defaults for a log of this name.
    pub fn new(origin: String) -> Self {
        Self {
            origin,
            recent_bytes: 8 << 20,
            accept_clock: false,
            clock: Arc::new(RealClock),
            frame_bytes_max: 8 << 20,
        }
    }
}

/// What a store hands over once it has told the [`Fold`] everything.
pub struct Parts {
    /// Where groups are written; `None` where appends must be refused.
    pub journal: Option<Box<dyn Journal>>,
    /// Why they must.
    pub closed: Option<Closed>,
    /// Where records are read, in the order in which to ask; memory and the hot log come before them.
    pub shelves: Vec<Arc<dyn Shelf>>,
    /// The hot log.
    pub hot: Option<Arc<dyn Hot>>,
    /// The first unwritten position.
    pub tail: Position,
    /// Ranges that were cut although they may have been acknowledged.
    pub cut: Vec<(Position, Position)>,
    /// Ranges that were durable and are lost.
    pub lost: Vec<(Position, Position)>,
}

/// What the log keeps in memory, folded from its records.
#[derive(Default)]
pub struct Fold {
    keys: KeyTable,
    tree: Tree,
    requests: Requests,
    last: Recorded,
    epoch: Epoch,
    bad: Option<(Position, String)>,
}

impl Replay for Fold {
    fn run(&mut self, run: &Run) {
        for record in run.iter() {
            self.tree.push(leaf_hash(record.leaf));
            match Leaf::decode(record.leaf) {
                Ok(leaf) => self.leaf(record.position, &leaf),
                Err(error) => drop(self.bad.get_or_insert((record.position, error.to_string()))),
            }
        }
    }

    fn lost(&mut self, from: Position, until: Position) {
        // The tree keeps its size, so that positions stay what they are; no root is given beyond a loss.
        (0..until.since(from)).for_each(|_| self.tree.push(Hash::default()));
    }

    fn rescue(&mut self, _from: Position, _until: Option<Position>) -> Rescued {
        Rescued::default()
    }
}

impl Fold {
    fn leaf(&mut self, position: Position, leaf: &Leaf<'_>) {
        let hash = self.keys.hash(leaf.series, leaf.key);
        self.keys.record(hash, leaf.previous, position);
        self.last = self.last.max(leaf.recorded);
        self.epoch = self.epoch.max(leaf.epoch);
        if leaf.batch_index == 0 {
            self.requests.record(leaf.batch_id, position);
        }
    }
}

impl Log {
    /// The log over what a store has recovered.
    ///
    /// # Errors
    /// What the system says where no thread can be started.
    pub fn start(options: Options, fold: Fold, parts: Parts) -> std::io::Result<Self> {
        let closed = parts.closed.or_else(|| {
            fold.bad.map(|(position, what)| Closed::Damaged {
                what: format!("a leaf cannot be read ({what})"),
                position,
            })
        });
        let recent = Arc::new(Recent::new(options.recent_bytes));
        let memory = Arc::clone(&recent) as Arc<dyn Shelf>;
        let hot = parts.hot.clone().map(|hot| hot as Arc<dyn Shelf>);
        let shelves = [Some(memory.clone()), hot]
            .into_iter()
            .flatten()
            .chain(parts.shelves.clone())
            .collect();
        let cold = std::iter::once(memory).chain(parts.shelves).collect();
        let journal_bytes = parts.journal.as_ref().map_or(0, |journal| journal.bytes());
        let committer = Committer {
            journal: parts.journal,
            time: Timekeeper::new(options.clock, fold.last, options.accept_clock),
            epoch: fold.epoch,
            requests: fold.requests,
            uncovered: false,
            last_commit: Instant::now(),
            sync_time: Duration::ZERO,
            frame_bytes_max: options.frame_bytes_max,
        };
        let shared = Arc::new(Shared {
            origin: options.origin,
            epoch: fold.epoch,
            queue: Mutex::default(),
            committer: Mutex::new(committer),
            tail: Tail::new(parts.tail),
            recent,
            shelves,
            hot: parts.hot,
            hasher: fold.keys.hasher(),
            keys: RwLock::new(fold.keys),
            tree: RwLock::new(fold.tree),
            closed: RwLock::new(closed),
            draining: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            journal_bytes: AtomicU64::new(journal_bytes),
            last_recorded: AtomicI64::new(fold.last.nanos()),
            cut: parts.cut,
            lost: parts.lost,
            keeper: Arc::new(Keeper::default()),
            cold,
            frame_bytes_max: options.frame_bytes_max,
            room: Arc::new(tokio::sync::Semaphore::new(super::QUEUED_KIB_MAX as usize)),
        });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("journal-keeper".into())
            .spawn(move || keeper::run(&weak))?;
        Ok(Self { shared })
    }
}

//! Starting the log on what a store has recovered: everything that is kept in memory is folded from the records.

use super::Log;
use super::clock::{Clock, RealClock, Timekeeper};
use super::commit::Committer;
use super::erasure::{Erasure, Erasures};
use super::error::Closed;
use super::fixity::Verifier;
use super::keeper::{self, Keeper};
use super::names::learn::{self, Told};
use super::names::{FORGOTTEN_RECORDS, Names, TakenNames};
use super::notary::{self, Desk, Notary};
use super::recent::Recent;
use super::run::Run;
use super::shared::Shared;
use super::store::{Hot, Journal, Replay, Rescued, Sealed, Shelf};
use super::tail::Tail;
use super::unsealed::Unsealed;
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
    /// Appends wait while the journal holds more bytes than this and some of them can be sealed.
    pub unsealed_bytes: u64,
    /// The names that records have taken, where they lie in files: the names of the records in them need not be learnt.
    pub names: Option<Arc<dyn TakenNames>>,
    /// Memory forgets names once those of so many records more lie in files; 65,536 where not said.
    pub names_forgotten: u64,
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
            unsealed_bytes: u64::MAX,
            names: None,
            names_forgotten: FORGOTTEN_RECORDS,
        }
    }
}

/// What a store hands over once it has told the [`Fold`] everything.
pub struct Parts {
    /// Where groups are written; `None` where appends must be refused.
    pub journal: Option<Box<dyn Journal>>,
    /// Why they must.
    pub closed: Option<Closed>,
    /// Where records are read, in the order in which to ask; memory, the hot log and the sealed log come before them.
    pub shelves: Vec<Arc<dyn Shelf>>,
    /// The sealed log.
    pub sealed: Option<Arc<dyn Sealed>>,
    /// The hot log.
    pub hot: Option<Arc<dyn Hot>>,
    /// With what checkpoints are signed, and where they are kept; `None` for a log that signs none.
    pub desk: Option<Desk>,
    /// Reads all files again; `None` for a log without.
    pub verifier: Option<Arc<dyn Verifier>>,
    /// The first unwritten position.
    pub tail: Position,
    /// Ranges that were cut although they may have been acknowledged.
    pub cut: Vec<(Position, Position)>,
    /// Ranges that were durable and are lost.
    pub lost: Vec<(Position, Position)>,
    /// Every ERASE below is complete: no file holds what it removed.
    pub erased_through: Position,
}

/// What the log keeps in memory, folded from its records.
///
/// Where there is a sealed log its leaves are not read before the log is open: its files say what the tree needs, and who
/// needs to know a name waits until [`learn`] has read the rest. Records told to [`Replay::run`] come after it.
#[derive(Default)]
pub struct Fold {
    tree: Tree,
    told: Told,
    last: Recorded,
    epoch: Epoch,
    bad: Option<(Position, String)>,
    erasures: Vec<Erasure>,
}

impl Replay for Fold {
    fn run(&mut self, run: &Run) {
        for record in run.iter() {
            self.tree.push(leaf_hash(record.leaf));
            match Leaf::decode(record.leaf) {
                Ok(leaf) => {
                    let erasure = Erasure::of(record.position, &leaf, record.payload);
                    self.erasures.extend(erasure);
                    self.leaf(record.position, &leaf);
                }
                Err(error) => drop(self.bad.get_or_insert((record.position, error.to_string()))),
            }
        }
    }

    fn lost(&mut self, from: Position, until: Position) {
        self.told.lost(from, until);
        // The tree keeps its size, so that positions stay what they are; no root is given beyond a loss.
        (0..until.since(from)).for_each(|_| self.tree.push(Hash::default()));
    }

    fn rescue(&mut self, _from: Position, _until: Option<Position>) -> Rescued {
        Rescued::default()
    }

    fn seen(&mut self) -> Position {
        Position::START
    }
}

impl Fold {
    /// Takes in sealed records by the hash over each 256 of their leaves, and what the newest of them says. All other
    /// records come after them.
    pub fn sealed(&mut self, blocks: &[Hash], last: Recorded, epoch: Epoch) {
        // A chunk is whole blocks, and so is what comes before it.
        let fits = blocks.iter().all(|hash| self.tree.push_block(*hash));
        debug_assert!(fits, "sealed records come before all others");
        self.told.wait_for(Position::new(self.tree.size()));
        self.last = self.last.max(last);
        self.epoch = self.epoch.max(epoch);
    }

    fn leaf(&mut self, position: Position, leaf: &Leaf<'_>) {
        self.told.record(position, leaf);
        self.last = self.last.max(leaf.recorded);
        self.epoch = self.epoch.max(leaf.epoch);
    }
}

impl Log {
    /// The log over what a store has recovered.
    ///
    /// # Errors
    /// What the system says where no thread can be started.
    pub fn start(options: Options, fold: Fold, parts: Parts) -> std::io::Result<Self> {
        let bad = fold.bad.map(|(position, what)| Closed::Damaged {
            what: format!("a leaf cannot be read ({what})"),
            position,
        });
        let closed = Closed::weightier(parts.closed, bad);
        let recent = Arc::new(Recent::new(options.recent_bytes));
        let memory = Arc::clone(&recent) as Arc<dyn Shelf>;
        let hot = parts.hot.clone().map(|hot| hot as Arc<dyn Shelf>);
        let sealed = parts.sealed.clone().map(|sealed| sealed as Arc<dyn Shelf>);
        let cold: Vec<_> = sealed.into_iter().chain(parts.shelves).collect();
        let shelves = std::iter::once(memory.clone())
            .chain(hot)
            .chain(cold.clone())
            .collect();
        let cold = std::iter::once(memory).chain(cold).collect();
        let journal_bytes = parts.journal.as_ref().map_or(0, |journal| journal.bytes());
        let committer = Committer {
            journal: parts.journal,
            time: Timekeeper::new(options.clock, fold.last, options.accept_clock),
            epoch: fold.epoch,
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
            sealed: parts.sealed,
            names: Names::new(options.names_forgotten),
            tree: RwLock::new(fold.tree),
            blocks: Mutex::default(),
            notary: Arc::new(Notary::new(parts.desk)),
            erasures: Erasures::default(),
            verifier: parts.verifier,
            verifying: Mutex::default(),
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
            unsealed: Unsealed::new(options.unsealed_bytes),
        });
        let log = Self { shared };
        log.learn_names(fold.told, options.names)?;
        log.shared.erasures.begin(parts.erased_through);
        for erasure in fold.erasures {
            log.shared.know_erased(erasure);
        }
        if let Some(newest) = log.newest_checkpoint() {
            // Before anything is signed or appended.
            log.hold_to(&newest.checkpoint);
        }
        let shared = &log.shared;
        let weak = Arc::downgrade(shared);
        std::thread::Builder::new()
            .name("journal-keeper".into())
            .spawn(move || keeper::run(&weak))?;
        if shared.notary.verifier().is_some() {
            let (weak, notary) = (Arc::downgrade(shared), Arc::clone(&shared.notary));
            std::thread::Builder::new()
                .name("notary".into())
                .spawn(move || notary::run(&weak, &notary))?;
            shared.notary.wanted();
        }
        Ok(log)
    }

    /// Has names learnt by a thread where the start was not told all of them, and again whenever that is wanted.
    fn learn_names(&self, told: Told, files: Option<Arc<dyn TakenNames>>) -> std::io::Result<()> {
        let names = &self.shared.names;
        let weak = Arc::downgrade(&self.shared);
        names.learn_by(move || {
            let log = weak.clone();
            let thread = std::thread::Builder::new().name("log-names".into());
            if let Err(error) = thread.spawn(move || learn::again(&log)) {
                tracing::error!(%error, "no thread can be started that learns names; appends wait until the next start");
            }
        });
        let Some(behind) = told.behind else {
            names.entries_were_made(told.entries);
            names.begin_with(told.table);
            return Ok(());
        };
        let log = Arc::downgrade(&self.shared);
        let thread = std::thread::Builder::new().name("log-names".into());
        thread.spawn(move || learn::begin(&log, behind, files))?;
        Ok(())
    }
}

//! The hot log: the newest records once more, in sled, for quick reads by position.
//!
//! The only file that names sled. sled serves and is never trusted: it may be deleted, cut, flipped, or panic at open or
//! at any read. Every call into it is guarded; after a fault reads come from the journal, the handle is leaked (closing
//! it could panic again), and the hot log is built anew in another folder. Nobody waits for it: a thread of its own
//! copies what has been published, and waits while appends come fast.
//!
//! | key | value |
//! |---|---|
//! | first position of a block, u64 big-endian ‖ part number, u16 big-endian | at most 8,000 bytes of the block |
//!
//! A block is a frame as in [`super::frame`], with the archive's random id in the place of the segment's and zeros where
//! the journal has its links. Values stay small because sled
//! moves larger leaves into files that it never syncs. Records over 64 KiB are left to the journal.
//! Beside sled's folders lies the [`mark`], which says how far the log had come when sled was last synced.

mod blocks;
mod copy;
mod mark;
mod renew;
mod rescue;

use super::frame::{self, Frame};
use crate::log::store::{Hot, HotStatus, Shelf};
use crate::log::{Closed, Columns, Log, ReadError, ReadLimit, Run, WeakLog};
use crate::record::Position;
use blocks::{folder_bytes, key, key_parts};
use bytes::{Bytes, BytesMut};
use copy::Copier;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

/// The most bytes that one value may have.
pub const VALUE_BYTES_MAX: usize = 8_000;
/// Larger records are served from the journal only.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
/// The size of the segments of its file: the smallest in which no leaf of the tree becomes a file of its own, by far, and in which
/// a build is quickest.
pub const SEGMENT_BYTES: usize = 1 << 20;
const CACHE_BYTES: u64 = 8 << 20;
/// How often the thread looks for new records.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long after a start it begins: the first readers come first, whom everything else can serve as well.
const BEGIN_AFTER: Duration = Duration::from_millis(150);
/// How often what was written is flushed and synced. No acknowledgement waits for it.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Appends faster than this many records a look come first; the copy waits for calmer times.
const BUSY_RECORDS: u64 = 10_000;
/// How long a stop waits for sled.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// How long a start waits for records that only sled may hold, where the options do not say.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How many times sled is built anew before it is given up until the next start.
const REBUILDS_MAX: u32 = 3;

/// How a hot log is kept.
pub struct HotOptions {
    /// The folder of sled's folders.
    pub folder: PathBuf,
    /// About so many bytes of the newest records are held.
    pub bytes_max: u64,
    /// The archive's random id: blocks of another archive are not served.
    pub archive: u64,
    /// How long a start waits for records that only sled may hold, and a stop for whoever reads from it.
    pub patience: Duration,
}

/// The hot log.
pub struct HotLog {
    options: HotOptions,
    db: RwLock<Option<sled::Db>>,
    /// The range of positions held.
    low: AtomicU64,
    through: AtomicU64,
    bytes: AtomicU64,
    /// Whether sled was held against the log: before, it serves nobody.
    agreed: AtomicBool,
    /// The records that sled gave to a start and that the journal may not hold: they are served before that, too.
    rescued: Mutex<Range<Position>>,
    /// What the mark says.
    marked: AtomicU64,
    fault: Mutex<Option<String>>,
    faulted: AtomicBool,
    /// Whether a start waited for it in vain.
    unusable: AtomicBool,
    closed: AtomicBool,
    stop: Mutex<bool>,
    wake: Condvar,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// How often it was asked that all that sled has on disk be removed, and how often that was done.
    renewals_wanted: AtomicU64,
    renewals_done: AtomicU64,
    /// Why it could not be done the last time.
    renewal_fault: Mutex<Option<String>>,
}

/// A call into sled that failed or panicked.
struct Fault(String);

type Guarded<T> = Result<T, Fault>;

thread_local! {
    /// Whether this thread is within a call into sled.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

fn guard<T>(call: impl FnOnce() -> sled::Result<T>) -> Guarded<T> {
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(false);
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Fault(error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| "without a word".into());
            Err(Fault(format!("sled panicked: {text}")))
        }
    }
}

/// A panic of sled is caught and told as a fault of the hot log; that it was one need not frighten an operator twice.
/// Panics within a guarded call, or in one of sled's own threads, go to the debug log; all others where they went.
fn label_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let of_sled = thread.name().is_some_and(|name| name.starts_with("sled-io-"));
            if GUARDED.get() || of_sled {
                tracing::debug!(%info, "a panic within sled, caught");
            } else {
                before(info);
            }
        }));
    });
}

impl HotLog {
    /// A hot log as a start finds it. sled is not opened yet.
    pub fn new(options: HotOptions) -> Arc<Self> {
        label_panics();
        let marked = mark::read(&options.folder, options.archive);
        Arc::new(Self {
            options,
            db: RwLock::new(None),
            low: AtomicU64::new(0),
            through: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            agreed: AtomicBool::new(false),
            rescued: Mutex::new(Position::START..Position::START),
            marked: AtomicU64::new(marked.get()),
            fault: Mutex::new(None),
            faulted: AtomicBool::new(false),
            unusable: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            stop: Mutex::new(false),
            wake: Condvar::new(),
            thread: Mutex::new(None),
            renewals_wanted: AtomicU64::new(0),
            renewals_done: AtomicU64::new(0),
            renewal_fault: Mutex::default(),
        })
    }

    /// Reads every block and hands it to `compare`, which says what is wrong with it; answers all that is wrong, by
    /// position where there is one. Opens sled, which may write to its own folder.
    pub fn check(
        &self,
        compare: &mut dyn FnMut(&Run) -> Option<(Position, String)>,
    ) -> Vec<(Option<Position>, String)> {
        let mut wrong = Vec::new();
        if self.newest().is_none() {
            return wrong; // There is no hot log yet.
        }
        if let Err(Fault(what)) = self.open() {
            wrong.push((
                None,
                format!("it cannot be opened ({what}); the next start builds it anew"),
            ));
            return wrong;
        }
        let mut next = Some(key(Position::START, 0));
        while let Some(from) = next.take() {
            match self.with(|db| db.range(from..).next().transpose()) {
                Err(Fault(what)) => wrong.push((None, what)),
                Ok(None) => {}
                Ok(Some((found, _))) => {
                    let Some((first, _)) = key_parts(&found) else {
                        wrong.push((None, "a key is not of a block".into()));
                        continue;
                    };
                    match self.try_block(first) {
                        Ok(Some(block)) => {
                            wrong.extend(compare(&block.run).map(|(at, what)| (Some(at), what)));
                        }
                        Ok(None) => wrong.push((Some(first), "a block without its first part".into())),
                        Err(Fault(what)) => wrong.push((Some(first), what)),
                    }
                    next = Some(key(first.next(), 0));
                }
            }
        }
        self.close();
        wrong
    }

    /// Follows a log from a thread of its own until it is closed or the log is gone.
    ///
    /// # Errors
    /// What the system says where no thread can be started.
    pub fn follow(self: &Arc<Self>, log: WeakLog) -> std::io::Result<()> {
        let this = Arc::clone(self);
        let thread = std::thread::Builder::new()
            .name("hot-log".into())
            .spawn(move || this.run(&log))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Copies what a log has now in the caller's thread, as its own does at the first look, and answers what it holds then.
    ///
    /// # Errors
    /// What sled says.
    pub fn build(&self, log: &Log) -> Result<Range<Position>, String> {
        let built = self.step(log, &mut Copier::default());
        built.map_err(|Fault(what)| what)?;
        let [low, through] = [&self.low, &self.through].map(|bound| bound.load(Ordering::Acquire));
        Ok(Position::new(low)..Position::new(through))
    }

    fn is_open(&self) -> bool {
        self.db.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn stopping(&self) -> MutexGuard<'_, bool> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until the next look; `false` when told to stop.
    fn pause(&self, time: Duration) -> bool {
        let stop = self.stopping();
        let (stop, _) = self
            .wake
            .wait_timeout_while(stop, time, |stop| !*stop)
            .unwrap_or_else(PoisonError::into_inner);
        !*stop
    }

    fn run(&self, log: &WeakLog) {
        let mut rebuilds = 0;
        let mut copier = Copier::default();
        if !self.pause(BEGIN_AFTER) {
            return;
        }
        loop {
            let Some(open) = log.upgrade() else { return };
            match self.step(&open, &mut copier) {
                // Only once it is seen to hold nothing that the journal lacks.
                Ok(Agreement::Same) if self.is_renewal_wanted() => {
                    copier = Copier::default();
                    self.renew_now();
                }
                Ok(Agreement::Same) => {}
                Ok(Agreement::Differs { at, what }) => return self.dispute(&open, at, what),
                Err(_) if *self.stopping() => return,
                Err(Fault(what)) => self.fail(&what),
            }
            if self.faulted.load(Ordering::Acquire) {
                rebuilds += 1;
                if rebuilds > REBUILDS_MAX {
                    tracing::error!(
                        "the hot log is given up until the next start; reads come from the journal"
                    );
                    return;
                }
                // What may be the last copy of a record is not thrown away.
                let keep = matches!(open.status().closed, Some(Closed::Damaged { .. }));
                if !self.forget(keep) {
                    tracing::error!(
                        "a reader hangs in sled; it is given up until the next start, and reads come from the journal"
                    );
                    return;
                }
                copier = Copier::default();
                if !*self.stopping() {
                    continue;
                }
            } else if self.through.load(Ordering::Acquire) >= open.tail().get() {
                // Built anew and caught up: what was wrong is in the daemon's log.
                *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            drop(open);
            if !self.pause(LOOK_EVERY) {
                let _ = self.sync();
                return;
            }
        }
    }

    /// Opens sled where it is not, holds it against the log once, and copies what is new.
    fn step(&self, log: &Log, copier: &mut Copier) -> Guarded<Agreement> {
        if !self.is_open() {
            self.open()?;
        }
        if !self.agreed.load(Ordering::Acquire) {
            let differs = self.agree(log)?;
            if matches!(differs, Agreement::Differs { .. }) {
                return Ok(differs);
            }
            self.bytes.store(self.held_bytes()?, Ordering::Release);
            self.agreed.store(true, Ordering::Release);
            *self.rescued() = Position::START..Position::START;
        }
        self.copy(log, copier)?;
        Ok(Agreement::Same)
    }

    /// What sled holds and what the journal holds are not the same, and nobody can say which of them is right. Everything
    /// stays as it is, so that every start finds it again.
    fn dispute(&self, log: &Log, at: Position, what: &str) {
        let what =
            format!("{what} (where the journal is right, stop the daemon and remove the folder `sled`)");
        self.fault_is(&what);
        tracing::error!(position = %at, what, "the archive is read-only");
        log.records_missing(at, &what);
    }

    /// Opens the newest folder.
    fn open(&self) -> Guarded<()> {
        let folder = self
            .newest()
            .unwrap_or_else(|| self.options.folder.join("00000000"));
        let db = guard(|| {
            sled::Config::new()
                .path(&folder)
                .segment_size(SEGMENT_BYTES)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .open()
        })?;
        let bound = |pair: Option<(sled::IVec, sled::IVec)>| pair.and_then(|(key, _)| key_parts(&key));
        let first = guard(|| db.first())?;
        let last = guard(|| db.last())?;
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(db);
        self.low.store(
            bound(first).map_or(0, |(position, _)| position.get()),
            Ordering::Release,
        );
        let through = match bound(last) {
            None => Position::START,
            Some((position, _)) => self
                .block(position)
                .map(|block| block.run.end())
                .ok_or(Fault("the newest block is damaged".into()))?,
        };
        self.through.store(through.get(), Ordering::Release);
        Ok(())
    }

    /// Holds what sled has against the log: it may have less, but nothing else and nothing more.
    fn agree(&self, log: &Log) -> Guarded<Agreement> {
        let through = Position::new(self.through.load(Ordering::Acquire));
        let Some(last) = through.get().checked_sub(1).map(Position::new) else {
            return Ok(Agreement::Same);
        };
        if through > log.tail() {
            return Ok(Agreement::Differs {
                at: log.tail(),
                what: "the hot log holds records that the journal does not",
            });
        }
        let block = self
            .block(last)
            .ok_or(Fault("the newest block is damaged".into()))?;
        // What the journal cannot serve now is no fault of sled's.
        let Ok(run) = log.fetch_cold(last) else {
            return Ok(Agreement::Same);
        };
        let (ours, theirs) = (block.run.get(last), run.get(last));
        let same = ours.zip(theirs).is_some_and(|(ours, theirs)| {
            // What was erased may not be gone from here yet.
            let erased = ours.erased || theirs.erased;
            ours.leaf == theirs.leaf && (erased || ours.payload == theirs.payload)
        });
        if same {
            Ok(Agreement::Same)
        } else {
            Ok(Agreement::Differs {
                at: last,
                what: "the hot log holds another record than the journal",
            })
        }
    }

    fn newest(&self) -> Option<PathBuf> {
        let names = std::fs::read_dir(&self.options.folder).ok()?;
        names
            .filter_map(|item| item.ok().map(|item| item.path()))
            .filter(|path| path.is_dir())
            .max()
    }

    /// Reads come from the journal from now on.
    fn fail(&self, what: &str) {
        self.fault_is(what);
        tracing::warn!(
            fault = what,
            "the hot log failed; reads come from the journal while it is built anew"
        );
    }

    fn fault_is(&self, what: &str) {
        self.faulted.store(true, Ordering::Release);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_owned());
    }

    /// Takes the handle from all readers; `None` where one of them hangs. Who waits for the lock itself would hold up all
    /// other readers.
    fn take(&self, within: Duration) -> Option<Option<sled::Db>> {
        let started = Instant::now();
        loop {
            match self.db.try_write() {
                Ok(mut db) => return Some(db.take()),
                Err(TryLockError::Poisoned(db)) => return Some(db.into_inner().take()),
                Err(TryLockError::WouldBlock) if started.elapsed() > within => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Leaks the handle and makes a new, empty folder. Older folders are removed unless they are to be kept. Answers
    /// whether it could: not while a reader hangs.
    fn forget(&self, keep: bool) -> bool {
        self.agreed.store(false, Ordering::Release);
        let Some(db) = self.take(self.options.patience) else {
            return false;
        };
        std::mem::forget(db);
        self.low.store(0, Ordering::Release);
        self.through.store(0, Ordering::Release);
        self.bytes.store(0, Ordering::Release);
        let number = self
            .newest()
            .and_then(|path| path.file_name()?.to_str()?.parse::<u64>().ok());
        let old: Vec<PathBuf> = std::fs::read_dir(&self.options.folder)
            .map(|names| {
                names
                    .filter_map(|item| item.ok().map(|item| item.path()))
                    .collect()
            })
            .unwrap_or_default();
        let next = self
            .options
            .folder
            .join(format!("{:08}", number.map_or(0, |number| number + 1)));
        if std::fs::create_dir_all(next).is_ok() && !keep {
            for path in old.iter().filter(|path| path.is_dir()) {
                let _ = std::fs::remove_dir_all(path);
            }
        }
        self.faulted.store(false, Ordering::Release);
        true
    }

    fn with<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Guarded<T> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        match db.as_ref() {
            Some(db) => guard(|| call(db)),
            None => Err(Fault("sled is not open".into())),
        }
    }

    /// The block that holds a position.
    fn block(&self, position: Position) -> Option<Frame> {
        match self.try_block(position) {
            Ok(frame) => frame,
            // It was removed while it was being read.
            Err(_) if position.get() < self.low.load(Ordering::Acquire) || !self.is_open() => None,
            Err(Fault(what)) => {
                self.fail(&what);
                None
            }
        }
    }

    fn try_block(&self, position: Position) -> Guarded<Option<Frame>> {
        let found = self.with(|db| db.get_lt(key(position.next(), 0)))?;
        let Some((first, last_part)) = found.as_ref().and_then(|(key, _)| key_parts(key)) else {
            return Ok(None);
        };
        let bytes = match found {
            Some((_, value)) if last_part == 0 => Bytes::copy_from_slice(&value),
            _ => self.join(first)?,
        };
        let frame =
            frame::decode(&bytes).map_err(|error| Fault(format!("a block of sled is damaged: {error}")))?;
        if frame.header.segment != self.options.archive {
            return Err(Fault("sled is of another archive".into()));
        }
        let holds = frame.run.first() == first && frame.run.get(position).is_some();
        Ok(holds.then_some(frame))
    }

    fn join(&self, first: Position) -> Guarded<Bytes> {
        let parts = self.with(|db| {
            db.range(key(first, 0)..=key(first, u16::MAX))
                .map(|pair| pair.map(|(_, value)| value))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let mut bytes = BytesMut::new();
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        Ok(bytes.freeze())
    }

    fn holds(&self, position: Position) -> bool {
        let range = self.low.load(Ordering::Acquire)..self.through.load(Ordering::Acquire);
        range.contains(&position.get())
            && !self.faulted.load(Ordering::Acquire)
            && !self.closed.load(Ordering::Acquire)
            && (self.agreed.load(Ordering::Acquire) || self.rescued().contains(&position))
    }

    fn rescued(&self) -> MutexGuard<'_, Range<Position>> {
        self.rescued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size_on_disk(&self) -> u64 {
        self.newest().map_or(0, |folder| folder_bytes(&folder))
    }
}

/// Whether sled and the journal hold the same.
enum Agreement {
    Same,
    Differs { at: Position, what: &'static str },
}

impl Shelf for HotLog {
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        _columns: Columns,
    ) -> Result<Option<Vec<Run>>, ReadError> {
        let mut left = limit;
        let mut at = from;
        let mut runs = Vec::new();
        while at < until && self.holds(at) {
            let Some(block) = self.block(at) else { break };
            let part = block.run.slice(at, until);
            let full = part.spend(&mut left);
            at = part.end();
            runs.push(part);
            if full {
                break;
            }
        }
        Ok((!runs.is_empty()).then_some(runs))
    }

    fn fetch(&self, position: Position, _columns: Columns) -> Result<Option<Run>, ReadError> {
        if !self.holds(position) {
            return Ok(None);
        }
        Ok(self
            .block(position)
            .map(|block| block.run.slice(position, position.next())))
    }
}

impl Hot for HotLog {
    fn status(&self) -> HotStatus {
        HotStatus {
            bytes: self.size_on_disk(),
            through: Position::new(self.through.load(Ordering::Acquire)),
            fault: self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn close(&self) {
        *self.stopping() = true;
        self.wake.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that hangs in sled must not keep the daemon from stopping: nothing durable depends on it.
            let started = Instant::now();
            while !thread.is_finished() && started.elapsed() < CLOSE_WITHIN {
                std::thread::sleep(Duration::from_millis(1));
            }
            if !thread.is_finished() {
                tracing::warn!("sled did not stop in time; it is left behind");
                return;
            }
            let _ = thread.join();
        }
        self.closed.store(true, Ordering::Release);
        // Whoever hangs in it holds it for good.
        let within = if self.is_unusable() {
            Duration::ZERO
        } else {
            self.options.patience.min(CLOSE_WITHIN)
        };
        let Some(db) = self.take(within) else {
            tracing::warn!("a reader hangs in sled; it is left behind");
            return;
        };
        let _ = guard(|| {
            drop(db);
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests;

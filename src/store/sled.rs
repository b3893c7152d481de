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

mod blocks;

use super::frame::{self, Frame, Link};
use crate::log::store::{Hot, HotStatus, Rescued, Shelf};
use crate::log::{Closed, Columns, Log, ReadError, ReadLimit, Run, WeakLog};
use crate::record::Position;
pub use blocks::first_difference;
use blocks::{blocks, folder_bytes, key, key_parts};
use bytes::{Bytes, BytesMut};
use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The most bytes that one value may have.
pub const VALUE_BYTES_MAX: usize = 8_000;
/// Larger records are served from the journal only.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
const SEGMENT_BYTES: usize = 2 << 20;
const CACHE_BYTES: u64 = 8 << 20;
/// How often the thread looks for new records.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often what was written is flushed and synced. No acknowledgement waits for it.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Appends faster than this many records a look come first; the copy waits for calmer times.
const BUSY_RECORDS: u64 = 10_000;
/// How long a stop waits for sled.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// How many times sled is built anew before it is given up until the next start.
const REBUILDS_MAX: u32 = 3;

/// The hot log.
pub struct HotLog {
    folder: PathBuf,
    bytes_max: u64,
    /// The archive's random id: blocks of another archive are not served.
    archive: u64,
    db: RwLock<Option<sled::Db>>,
    /// The range of positions held.
    low: AtomicU64,
    through: AtomicU64,
    bytes: AtomicU64,
    fault: Mutex<Option<String>>,
    faulted: AtomicBool,
    /// It was held against the log: before that nothing of it is served.
    agreed: AtomicBool,
    stop: Mutex<bool>,
    wake: Condvar,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
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
    /// A hot log in `folder` that keeps about so many bytes of the newest records. sled is not opened yet.
    pub fn new(folder: PathBuf, bytes_max: u64, archive: u64) -> Arc<Self> {
        label_panics();
        Arc::new(Self {
            folder,
            bytes_max,
            archive,
            db: RwLock::new(None),
            low: AtomicU64::new(0),
            through: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            fault: Mutex::new(None),
            faulted: AtomicBool::new(false),
            agreed: AtomicBool::new(false),
            stop: Mutex::new(false),
            wake: Condvar::new(),
            thread: Mutex::new(None),
        })
    }

    /// What sled holds from `from` on without a gap, up to `until`: for a start that finds the journal damaged.
    pub fn rescue(&self, from: Position, until: Option<Position>) -> Rescued {
        if !self.is_open() {
            // Where only the newest block is damaged, the others are still there to be read.
            let _ = self.open();
        }
        if !self.is_open() {
            return Rescued::default();
        }
        // What is asked for now is not in the journal: a fault met while it is read is met again by the thread.
        self.faulted.store(false, Ordering::Release);
        let until = until.unwrap_or(Position::new(u64::MAX));
        let mut runs = Vec::new();
        let mut at = from;
        while at < until {
            let Some(block) = self.block(at) else { break };
            let part = block.run.slice(at, until);
            at = part.end();
            runs.push(part);
        }
        let through = Position::new(self.through.load(Ordering::Acquire)).max(at);
        Rescued { runs, through }
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
        loop {
            let Some(open) = log.upgrade() else { return };
            match self.step(&open, &mut copier) {
                Ok(()) => {}
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
                self.forget(keep);
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
    fn step(&self, log: &Log, copier: &mut Copier) -> Guarded<()> {
        if !self.is_open() {
            self.open()?;
        }
        if !self.agreed.load(Ordering::Acquire) {
            if !self.agree(log)? {
                return Ok(());
            }
            self.count()?;
            self.agreed.store(true, Ordering::Release);
        }
        self.copy(log, copier)
    }

    /// Opens the newest folder.
    fn open(&self) -> Guarded<()> {
        let folder = self.newest().unwrap_or_else(|| self.folder.join("00000000"));
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

    /// Holds what sled has against the log: it may have less, but nothing else and nothing more. What it has was published
    /// once. Where it differs the journal has lost that, and sled's folder stays as it is: it may be the last copy.
    fn agree(&self, log: &Log) -> Guarded<bool> {
        let through = Position::new(self.through.load(Ordering::Acquire));
        let Some(last) = through.get().checked_sub(1).map(Position::new) else {
            return Ok(true);
        };
        if through > log.tail() {
            log.records_missing(log.tail(), "the hot log holds records that the journal does not");
            return Ok(false);
        }
        let block = self
            .block(last)
            .ok_or(Fault("the newest block is damaged".into()))?;
        // What the journal cannot serve now is no fault of sled's.
        let Ok(run) = log.fetch_cold(last) else {
            return Ok(true);
        };
        let same = |run: &Run| {
            run.get(last)
                .map(|record| (record.leaf.to_vec(), record.payload.to_vec()))
        };
        if same(&block.run) == same(&run) {
            return Ok(true);
        }
        log.records_missing(last, "the hot log holds another record than the journal");
        Ok(false)
    }

    fn newest(&self) -> Option<PathBuf> {
        let names = std::fs::read_dir(&self.folder).ok()?;
        names
            .filter_map(|item| item.ok().map(|item| item.path()))
            .filter(|path| path.is_dir())
            .max()
    }

    /// Reads come from the journal from now on.
    fn fail(&self, what: &str) {
        self.faulted.store(true, Ordering::Release);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_owned());
        tracing::warn!(
            fault = what,
            "the hot log failed; reads come from the journal while it is built anew"
        );
    }

    /// Leaks the handle and makes a new, empty folder. Older folders are removed unless they are to be kept.
    fn forget(&self, keep: bool) {
        if let Some(db) = self.db.write().unwrap_or_else(PoisonError::into_inner).take() {
            std::mem::forget(db);
        }
        self.agreed.store(false, Ordering::Release);
        self.low.store(0, Ordering::Release);
        self.through.store(0, Ordering::Release);
        self.bytes.store(0, Ordering::Release);
        let number = self
            .newest()
            .and_then(|path| path.file_name()?.to_str()?.parse::<u64>().ok());
        let old: Vec<PathBuf> = std::fs::read_dir(&self.folder)
            .map(|names| {
                names
                    .filter_map(|item| item.ok().map(|item| item.path()))
                    .collect()
            })
            .unwrap_or_default();
        let next = self
            .folder
            .join(format!("{:08}", number.map_or(0, |number| number + 1)));
        if std::fs::create_dir_all(next).is_ok() && !keep {
            for path in old.iter().filter(|path| path.is_dir()) {
                let _ = std::fs::remove_dir_all(path);
            }
        }
        self.faulted.store(false, Ordering::Release);
    }

    /// Copies what is new, a step at a time.
    fn copy(&self, log: &Log, copier: &mut Copier) -> Guarded<()> {
        let tail = log.tail();
        let grown = tail.since(copier.seen);
        copier.seen = tail;
        if grown > BUSY_RECORDS && copier.looked {
            return Ok(());
        }
        copier.looked = true;
        let mut at = self.begin(log, tail)?;
        while at < tail {
            let limit = ReadLimit {
                records: 4_096,
                bytes: 1 << 20,
            };
            let Ok(runs) = log.read_cold(at, tail, limit) else {
                // A record that the journal cannot give is not copied; those behind it are.
                at = at.next();
                self.through.store(at.get(), Ordering::Release);
                continue;
            };
            for run in runs {
                self.insert(&run)?;
                at = run.end();
                self.through.store(at.get(), Ordering::Release);
                copier.dirty = true;
            }
            self.evict()?;
            if log.tail().since(copier.seen) > BUSY_RECORDS || *self.stopping() {
                break;
            }
        }
        if copier.dirty && copier.synced.is_none_or(|when| when.elapsed() > SYNC_EVERY) {
            self.sync()?;
            copier.synced = Some(Instant::now());
            copier.dirty = false;
        }
        Ok(())
    }

    /// Where to go on: after what is held, or so far back as the bound allows.
    fn begin(&self, log: &Log, tail: Position) -> Guarded<Position> {
        let through = Position::new(self.through.load(Ordering::Acquire));
        let record_bytes = log
            .status()
            .journal_bytes
            .checked_div(tail.get())
            .unwrap_or(512)
            .max(64);
        let fit = (self.bytes_max / record_bytes).max(1);
        if tail.since(through) <= fit {
            return Ok(through);
        }
        // What is held would be evicted at once: begin anew where the bound begins. No reader finds half of it: the range
        // that is held ends before the blocks do.
        let from = Position::new(tail.get() - fit);
        self.low.store(from.get(), Ordering::Release);
        self.through.store(from.get(), Ordering::Release);
        self.with(|db| db.clear())?;
        self.bytes.store(0, Ordering::Release);
        Ok(from)
    }

    fn with<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Guarded<T> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        match db.as_ref() {
            Some(db) => guard(|| call(db)),
            None => Err(Fault("sled is not open".into())),
        }
    }

    /// Writes a run as blocks.
    fn insert(&self, run: &Run) -> Guarded<()> {
        for block in blocks(run) {
            let mut bytes = BytesMut::new();
            let link = Link {
                segment: self.archive,
                sequence: 0,
                previous_crc: 0,
                durable_through: Position::START,
            };
            frame::encode(&block, block.first(), link, &mut bytes);
            for (part, value) in bytes.chunks(VALUE_BYTES_MAX).enumerate() {
                assert!(value.len() <= VALUE_BYTES_MAX, "values of sled stay small");
                let key = key(block.first(), part as u16);
                self.with(|db| db.insert(key, value))?;
                self.bytes.fetch_add(value.len() as u64, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    /// Removes the oldest blocks beyond the bound: first from the range that is held, then from sled.
    fn evict(&self) -> Guarded<()> {
        while self.bytes.load(Ordering::Acquire) > self.bytes_max {
            let oldest = self.with(|db| db.first())?;
            let Some((first, _)) = oldest.and_then(|(key, _)| key_parts(&key)) else {
                return Ok(());
            };
            let next = self.with(|db| db.get_gt(key(first, u16::MAX)))?;
            let next = next.and_then(|(key, _)| key_parts(&key));
            let low = next.map_or(self.through.load(Ordering::Acquire), |(next, _)| next.get());
            self.low.store(low, Ordering::Release);
            let parts = self.with(|db| {
                let parts = db.range(key(first, 0)..=key(first, u16::MAX));
                parts.collect::<sled::Result<Vec<_>>>()
            })?;
            for (part, value) in parts {
                self.with(|db| db.remove(part))?;
                self.bytes.fetch_sub(value.len() as u64, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    /// Counts what is held: once after sled was opened.
    fn count(&self) -> Guarded<()> {
        let bytes = self.with(|db| {
            let lengths = db
                .iter()
                .values()
                .map(|value| value.map(|value| value.len() as u64));
            lengths.sum::<sled::Result<u64>>()
        })?;
        self.bytes.store(bytes, Ordering::Release);
        Ok(())
    }

    /// sled's own flush does not reach the disk: its file is synced behind it.
    fn sync(&self) -> Guarded<()> {
        self.with(|db| db.flush().map(drop))?;
        let file = self.newest().map(|folder| folder.join("db"));
        match file.map(|path| File::open(path).and_then(|file| file.sync_data())) {
            Some(Err(error)) => Err(Fault(error.to_string())),
            _ => Ok(()),
        }
    }

    /// The block that holds a position.
    fn block(&self, position: Position) -> Option<Frame> {
        match self.try_block(position) {
            Ok(frame) => frame,
            // It was removed while it was read.
            Err(_) if position.get() < self.low.load(Ordering::Acquire) => None,
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
        if frame.header.segment != self.archive {
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
        let serves = self.agreed.load(Ordering::Acquire) && !self.faulted.load(Ordering::Acquire);
        serves && range.contains(&position.get())
    }

    fn size_on_disk(&self) -> u64 {
        self.newest().map_or(0, |folder| folder_bytes(&folder))
    }
}

/// Where a copy stands.
#[derive(Default)]
struct Copier {
    seen: Position,
    looked: bool,
    dirty: bool,
    synced: Option<Instant>,
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
        let db = self.db.write().unwrap_or_else(PoisonError::into_inner).take();
        let _ = guard(|| {
            drop(db);
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests;

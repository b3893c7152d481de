//! Sealing: a thread of its own that turns what the journal holds into chunks, and then gives up its segments.
//!
//! A chunk is sealed as soon as all its records are published and appends leave room for it; where the journal has grown
//! to half of what it may have, it is sealed whatever else goes on. Nobody waits for it but appends that would make the
//! journal larger than it may be. Records are read back from where they lie, never from sled, and checked on the way.
//! A segment goes once all its records are in chunks that are synced, never before, and never the newest.

use super::chunk::{Chunks, SealError, Writer};
use super::disk::Disk;
use super::erase::EraseError;
use super::extents::Extents;
use super::recover::{self, JournalOptions};
use super::segment::Named;
use super::sled::HotLog;
use crate::log::{Closed, Log, ReadLimit, WeakLog};
use crate::record::Position;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the thread looks whether a chunk is full.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long it waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Appends faster than this many records a look come first.
const BUSY_RECORDS: u64 = 10_000;
/// While there is no hurry it rests so many times as long as it has worked, so that others find processor and disk free.
const REST: u32 = 2;
/// The longest that it rests at once.
const REST_MAX: Duration = Duration::from_millis(50);
/// How much is read at once.
const STEP: ReadLimit = ReadLimit {
    records: 4_096,
    bytes: 1 << 20,
};

/// What is sealed, and from where.
pub struct Sealing {
    /// The chunks.
    pub chunks: Arc<Chunks>,
    /// What the journal holds.
    pub extents: Arc<Extents>,
    /// How the journal is laid out.
    pub journal: JournalOptions,
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// The most bytes that the journal should have.
    pub unsealed_bytes: u64,
    /// The hot log, which begins anew where something is erased.
    pub hot: Option<Arc<HotLog>>,
}

/// The thread; it ends when this is dropped.
pub struct Sealer {
    stop: Arc<Stop>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Whether the thread is to end.
#[derive(Default)]
pub(super) struct Stop {
    told: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    pub(super) fn is_told(&self) -> bool {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long; `false` when told to stop.
    fn pause(&self, time: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(told, time, |told| !*told);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Sealer {
    /// Follows a log until it is gone or this is dropped.
    ///
    /// # Errors
    /// What the system says where no thread can be started.
    pub fn start(sealing: Sealing, log: WeakLog) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("sealer".into()).spawn(move || {
            let _ended = Ended(log.clone());
            sealing.run(&log, &told);
        })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Sealer {
    /// Waits for the thread, so that nobody touches the folders any more. A chunk that is not finished is begun anew by the
    /// next start.
    fn drop(&mut self) {
        *self.stop.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has left a draft at most.
            let _ = thread.join();
        }
    }
}

/// Tells the log where the thread ends by a panic: whoever waits for the journal to shrink would wait for ever.
struct Ended(WeakLog);

impl Drop for Ended {
    fn drop(&mut self) {
        if let (true, Some(log)) = (std::thread::panicking(), self.0.upgrade()) {
            log.sealing(Some(
                "the thread that seals has panicked; restart the daemon".into(),
            ));
        }
    }
}

/// What came of a look.
enum Step {
    /// A chunk was sealed; there may be more.
    Sealed,
    /// Nothing is to be done for now.
    Idle,
}

impl Sealing {
    fn run(&self, log: &WeakLog, stop: &Stop) {
        let mut seen = Position::START;
        let mut trimmed = Position::START;
        let mut erase_from = Instant::now();
        loop {
            let Some(open) = log.upgrade() else { return };
            if Instant::now() >= erase_from && !self.erase_due(&open, stop) {
                erase_from = Instant::now() + AFTER_FAILURE;
            }
            let calm = open.tail().since(seen) <= BUSY_RECORDS;
            seen = open.tail();
            let step = self
                .trim(&open, &mut trimmed)
                .and_then(|()| self.step(&open, stop, calm));
            let pause = match step {
                Ok(Step::Sealed) => Duration::ZERO,
                Ok(Step::Idle) => LOOK_EVERY,
                Err(SealError::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, "the log could not be sealed; it is tried again");
                    open.sealing(Some(error.to_string()));
                    AFTER_FAILURE
                }
            };
            drop(open);
            if !stop.pause(pause) {
                return;
            }
        }
    }

    /// Removes what is erased and not complete. What the thread does, at once.
    ///
    /// # Errors
    /// [`EraseError`]; what was removed before stays so.
    pub fn erase_pending(&self, log: &Log) -> Result<(), EraseError> {
        self.erase(log, &Stop::default())
    }

    /// Removes what is erased; answers whether that may be looked at again at once.
    fn erase_due(&self, log: &Log, stop: &Stop) -> bool {
        match self.erase(log, stop) {
            Ok(()) if log.erasure_fault().is_some() => {
                log.erasing(None);
                log.sealing(None);
            }
            Ok(()) => {}
            Err(EraseError::Stopped) => {}
            // The log may be let go of before this thread is told.
            Err(_) if stop.is_told() || matches!(log.closed(), Some(Closed::Draining)) => {}
            Err(error) => {
                tracing::error!(%error, "what is erased could not be removed from the disk; it is tried again");
                log.erasing(Some(error.to_string()));
                if self.is_held_up(log) {
                    // Who waits for the journal to shrink would wait for as long as that takes.
                    log.sealing(Some(format!("what is erased could not be removed: {error}")));
                }
                return false;
            }
        }
        true
    }

    /// Seals every chunk that is full, and gives up the segments that are no longer needed. What the thread does, at once.
    ///
    /// # Errors
    /// [`SealError`]; what was sealed before stays sealed.
    pub fn all_due(&self, log: &Log) -> Result<(), SealError> {
        // What cannot be erased now holds up what comes after it.
        let _ = self.erase_due(log, &Stop::default());
        self.seal_due(log)
    }

    /// As [`Sealing::all_due`], but for what is erased.
    ///
    /// # Errors
    /// As [`Sealing::all_due`].
    pub fn seal_due(&self, log: &Log) -> Result<(), SealError> {
        let stop = Stop::default();
        while let Step::Sealed = self.step(log, &stop, true)? {}
        self.trim(log, &mut Position::default())
    }

    /// Seals the next chunk where it is due.
    fn step(&self, log: &Log, stop: &Stop, calm: bool) -> Result<Step, SealError> {
        let hurry = log.journal_bytes() > self.unsealed_bytes / 2;
        let full = log.tail() >= self.chunks.options().identity(self.chunks.next()).end();
        let full = full && !self.is_held_up(log);
        // Where records are lost or damaged everything stays as it is.
        if !full || !(calm || hurry) || matches!(log.closed(), Some(Closed::Damaged { .. })) {
            return Ok(Step::Idle);
        }
        self.seal(log, stop, hurry)?;
        Ok(Step::Sealed)
    }

    /// Whether the next chunk waits for an erasure. No ERASE is sealed before what it names is gone: a start looks for those
    /// that are not complete in the journal.
    fn is_held_up(&self, log: &Log) -> bool {
        log.is_erasure_pending_below(self.chunks.options().identity(self.chunks.next()).end())
    }

    fn seal(&self, log: &Log, stop: &Stop, hurry: bool) -> Result<(), SealError> {
        let options = self.chunks.options();
        let identity = options.identity(self.chunks.next());
        let mut began = Instant::now();
        let mut pace = || {
            let rest = if hurry {
                Duration::ZERO
            } else {
                (began.elapsed() * REST).min(REST_MAX)
            };
            let go_on = stop.pause(rest);
            began = Instant::now();
            go_on
        };
        let mut writer = Writer::begin(options.disk.as_ref(), &options.folder, identity)?;
        while writer.next() < identity.end() {
            if stop.is_told() {
                return Err(SealError::Stopped);
            }
            let runs = log.read_cold(writer.next(), identity.end(), STEP);
            let runs = runs.map_err(|error| SealError::Damaged {
                position: writer.next(),
                problem: error.to_string(),
            })?;
            runs.iter().try_for_each(|run| writer.add(run, &mut pace))?;
        }
        let root = log.subtree(identity.count.trailing_zeros() as usize, identity.number);
        let sealed = writer.finish(root, &mut pace)?;
        self.chunks.grow(sealed.bytes);
        tracing::debug!(chunk = identity.number, bytes = sealed.bytes, "sealed");
        Ok(())
    }

    /// Gives up the segments whose records are all sealed.
    fn trim(&self, log: &Log, trimmed: &mut Position) -> Result<(), SealError> {
        let sealed = self.chunks.sealed();
        if sealed <= *trimmed || matches!(log.closed(), Some(Closed::Damaged { .. })) {
            return Ok(());
        }
        let needed = self.extents.let_go(sealed);
        remove_others(self.disk.as_ref(), &self.journal, &needed, sealed).map_err(|cause| SealError::Io {
            file: self.journal.folder.display().to_string(),
            cause,
        })?;
        *trimmed = sealed;
        log.sealing(None);
        Ok(())
    }
}

/// Removes the segments before the first of `needed`, and the repairs of what they held.
fn remove_others(
    disk: &dyn Disk,
    journal: &JournalOptions,
    needed: &BTreeSet<String>,
    sealed: Position,
) -> io::Result<()> {
    let number = |name: &String| match Named::of(name) {
        Some(Named::Segment(number)) => Some(number),
        _ => None,
    };
    let Some(first) = needed.iter().filter_map(number).min() else {
        return Ok(());
    };
    let found = recover::find(disk, &journal.folder, Some(journal.archive))?;
    let ours = found
        .segments
        .iter()
        .filter(|segment| number(&segment.name).is_some_and(|number| number < first));
    let mut names: Vec<String> = ours.map(|segment| segment.name.clone()).collect();
    // The repair of a segment that stays says that its damage is known and mended.
    let kept = found
        .segments
        .iter()
        .find(|segment| number(&segment.name) == Some(first));
    let kept_from = kept.and_then(|segment| segment.header).map(|header| header.first);
    let bound = kept_from.unwrap_or(sealed).min(sealed);
    let repairs = disk.list(&journal.folder)?;
    let is_past = |name: &String| matches!(Named::of(name), Some(Named::Repair(from)) if from < bound);
    names.extend(
        repairs
            .into_iter()
            .filter(|name| is_past(name) && !needed.contains(name)),
    );
    if names.is_empty() {
        return Ok(());
    }
    for name in &names {
        disk.remove(&journal.folder.join(name))?;
    }
    disk.sync_folder(&journal.folder)
}

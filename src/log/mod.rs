//! The log: the only truth of the archive.
//!
//! ```text
//!   position 0        earlier roots, entries, reads            tail
//!   |---------------------------------------------------------|........ being written
//!                       durable, published                      never seen by a reader
//! ```
//!
//! The **tail** is the first unwritten position and the size of the Merkle tree; ranges are half open. A record is
//! *accepted* when the [`sequencer`] gives it a position, *durable* when the journal is synced, and only then is the
//! tail published and the append acknowledged. No reader ever sees a position at or beyond the published tail.
//!
//! The log talks to storage through the traits in [`store`] and to nobody else; it knows no socket and no database.

pub mod audit;
pub mod batch;
pub mod clock;
mod commit;
pub mod entry;
pub mod erasure;
pub mod error;
mod facts;
pub mod fixity;
mod gate;
mod group;
mod keeper;
mod matching;
pub mod names;
mod notary;
pub mod open;
mod prepare;
mod proofs;
pub mod recent;
mod retry;
pub mod run;
mod sequencer;
mod shared;
pub mod store;
pub mod tail;
mod unsealed;

pub use batch::{Appended, BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Batch, Door, Draft, Receipt};
pub use entry::{ContentAt, EntryState, LinkAt};
pub use erasure::{Erasing, Erasure, ErasureState};
pub use error::{AppendError, Closed, ReadError, Rule, Violation};
pub use notary::{Desk, SignError};
pub use run::{Run, RunError, Slot, Stored};

use crate::merkle::{Checkpoint, Signed, VerifierKey};
use crate::record::{EntryKey, Hash, Position, Recorded};
use commit::Job;
use facts::Resolved;
use names::{NameHash, TakenNames};
use prepare::Prepared;
use shared::Shared;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Which columns a reader wants. Fewer columns are fewer bytes to read and to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Leaves, salts and payloads.
    All,
    /// Leaves and payloads, without the salts that only whoever checks a commitment needs.
    Unsalted,
    /// Payloads only.
    Payloads,
    /// Leaves only.
    Leaves,
}

/// How much one read gathers. The run that reaches the limit is answered whole: it lies in memory already, and to cut
/// it would only have its frame read again.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    /// Stop once so many records have been gathered.
    pub records: usize,
    /// Stop once so many bytes have been gathered.
    pub bytes: usize,
}

/// How often something is looked up whose names turn out to be unknown: once more after they were learnt.
const LOOKS: usize = 3;

/// A handle on the log; cheap to clone.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

/// How the log stands.
#[derive(Clone, Debug)]
pub struct LogStatus {
    /// The log's name.
    pub origin: String,
    /// The first unwritten position.
    pub tail: Position,
    /// The root of the tree at the tail; `None` where leaves below it are lost.
    pub root: Option<Hash>,
    /// When the newest record was committed; 0 in an empty log.
    pub last_recorded: Recorded,
    /// Why appends are refused, if they are.
    pub closed: Option<Closed>,
    /// How many entries there are.
    pub entries: u64,
    /// Bytes of the journal's frames.
    pub journal_bytes: u64,
    /// Bytes on disk of the hot log.
    pub hot_bytes: u64,
    /// The first position that the hot log does not hold.
    pub hot_through: Position,
    /// What is wrong with the hot log, if anything.
    pub hot_fault: Option<String>,
    /// How the sealed log stands.
    pub sealed: store::SealedStatus,
    /// Why nothing is sealed, if that is so.
    pub seal_fault: Option<String>,
    /// Whether all entries are known; a while after a start they are not, and appends wait.
    pub indexed: bool,
    /// Ranges that recovery cut although they may have been acknowledged.
    pub possibly_acknowledged: Vec<(Position, Position)>,
    /// The reign of the log.
    pub epoch: u64,
    /// The ERASE records whose content is not gone from every file yet.
    pub erasures_pending: Vec<Position>,
    /// Why it could not be removed, if the last attempt failed.
    pub erasure_fault: Option<String>,
    /// Whom those that are pending wait for, beside the store.
    pub erasure_waits: Option<erasure::Waiting>,
}

/// A commit group as it was published: what live subscribers are given.
#[derive(Clone, Debug)]
pub struct Group {
    /// The group's records.
    pub run: Run,
    /// The root of the tree at the group's end.
    pub root: Hash,
}

/// At most so many KiB of batches wait for a commit; further ones wait to be queued.
pub const QUEUED_KIB_MAX: u32 = 64 << 10;

impl Log {
    /// Appends one batch and returns once it is durable.
    ///
    /// A retry with the same `request_id` answers the first receipts. May read the disk before it queues the batch, for
    /// entries that the log already knows.
    ///
    /// # Errors
    /// [`AppendError`]; only `Unknown` leaves it open whether the records were written.
    pub async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        let mut answers = self.append_many(vec![batch]).await;
        answers
            .pop()
            .unwrap_or_else(|| Err(AppendError::Closed(Closed::Draining)))
    }

    /// Appends several batches, each for itself, in this order; the answers come in the same order.
    pub async fn append_many(&self, batches: Vec<Batch>) -> Vec<Result<Appended, AppendError>> {
        let mut waiting = Vec::with_capacity(batches.len());
        for batch in batches {
            waiting.push(self.queue(batch).await);
        }
        // Should this future be dropped from here on, the batches are committed all the same.
        let guard = KickOnDrop { shared: &self.shared };
        // All other connections that are ready get to queue theirs: one sync for all.
        tokio::task::yield_now().await;
        if self.shared.slow.load(Ordering::Relaxed) {
            self.shared.kick();
        } else {
            self.shared.commit_in_place();
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for one in waiting {
            answers.push(match one {
                Err(error) => Err(error),
                Ok((request_id, answer)) => answer.await.unwrap_or_else(|_| {
                    Err(AppendError::Unknown {
                        request_id,
                        cause: "the commit was not finished".into(),
                    })
                }),
            });
        }
        std::mem::forget(guard);
        answers
    }

    /// Prepares a batch and puts it into the queue, once there is room.
    async fn queue(&self, batch: Batch) -> Result<Waiting, AppendError> {
        if self.shared.draining.load(Ordering::Acquire) {
            return Err(AppendError::Closed(Closed::Draining));
        }
        if let Some(closed) = self.shared.closed() {
            return Err(AppendError::Closed(closed));
        }
        self.shared.names.known().passed().await;
        // What the archive itself writes down is little, and the sealer, for which the others wait, is among its writers.
        if batch.door != Door::System {
            self.shared.held_back().await.map_err(AppendError::Closed)?;
        }
        let request_id = batch.request_id.clone();
        let batch = prepare::prepare(batch).map_err(AppendError::Refused)?;
        let limit = self.shared.frame_bytes_max;
        if batch.frame_bytes > limit {
            let rule = Rule::TooLarge {
                what: "batch (bytes in a frame)",
                actual: batch.frame_bytes as u64,
                limit: limit as u64,
                remedy: "send several batches",
            };
            return Err(AppendError::Refused(vec![Violation::batch("records", rule)]));
        }
        let room = self.room(batch.frame_bytes).await;
        let (batch, resolved) = self.resolve(batch).await?;
        let (answer, receiver) = oneshot::channel();
        self.shared.queue().jobs.push_back(Job {
            batch,
            resolved,
            answer,
            room,
        });
        Ok((request_id, receiver))
    }

    /// Looks up what a batch rests on, once more where names had to be learnt anew meanwhile.
    async fn resolve(&self, mut batch: Prepared) -> Result<(Prepared, Resolved), AppendError> {
        for _ in 1..LOOKS {
            match self.look_up(batch).await? {
                (same, Err(ReadError::Learning)) => batch = same,
                (same, resolved) => return Ok((same, resolved?)),
            }
            self.shared.names.known().passed().await;
        }
        let (batch, resolved) = self.look_up(batch).await?;
        Ok((batch, resolved?))
    }

    /// In place where nothing has to be read, else where blocking is allowed.
    async fn look_up(&self, batch: Prepared) -> Result<(Prepared, Result<Resolved, ReadError>), AppendError> {
        let is_quick = facts::is_quick(&self.shared, &batch);
        let shared = Arc::clone(&self.shared);
        let look = move || {
            let resolved = facts::resolve(&shared, &batch);
            (batch, resolved)
        };
        if is_quick {
            return Ok(look());
        }
        let looking = tokio::task::spawn_blocking(look).await;
        looking.map_err(|cause| {
            AppendError::Read(ReadError::Io {
                what: "the log".into(),
                cause: cause.to_string(),
            })
        })
    }

    /// Waits for room in the queue. What is queued is committed meanwhile, also the caller's own.
    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1_024))
            .unwrap_or(u32::MAX)
            .clamp(1, QUEUED_KIB_MAX);
        let room = Arc::clone(&self.shared.room);
        match Arc::clone(&room).try_acquire_many_owned(kib) {
            Ok(permit) => Some(permit),
            Err(_) => {
                self.shared.kick();
                // The semaphore is never closed.
                room.acquire_many_owned(kib).await.ok()
            }
        }
    }

    /// The published tail.
    pub fn tail(&self) -> Position {
        self.shared.tail.get()
    }

    /// Waits until the tail is beyond `position`, and answers it. Cancel-safe.
    pub async fn wait_beyond(&self, position: Position) -> Position {
        self.shared.tail.wait_beyond(position).await
    }

    /// The commit groups from `from` up to the tail, from memory and without waiting; the first one may begin before
    /// `from`. `None` where memory no longer holds `from`: read the log. Empty where `from` is the tail.
    pub fn recent(&self, from: Position) -> Option<Vec<Arc<Group>>> {
        self.shared.recent.from(from, self.tail())
    }

    /// Contiguous runs from `from` on, at least one record, at most up to `until` and the limit. May wait for the disk:
    /// call it where blocking is allowed. More columns than asked for may be answered.
    ///
    /// # Errors
    /// [`ReadError::BeyondTail`] where `from` is not written; [`ReadError`] where bytes cannot be served.
    pub fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Vec<Run>, ReadError> {
        self.shared.read(from, until, limit, columns)
    }

    /// The records at these positions, in this order, each as a run of one. May wait for the disk. Ascending or descending
    /// positions are read soonest. All of them are held at a time: leave it to [`Log::fetch_some`] where they are many.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn fetch(&self, positions: &[Position], columns: Columns) -> Result<Vec<Run>, ReadError> {
        self.fetch_some(positions, columns, usize::MAX)
    }

    /// As [`Log::fetch`] for the first of the positions: at least one, and as many as it takes to have about so many bytes of
    /// leaves and payloads. Runs may share their buffers: whoever keeps one of them may keep some 256 KiB of others.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn fetch_some(
        &self,
        positions: &[Position],
        columns: Columns,
        bytes: usize,
    ) -> Result<Vec<Run>, ReadError> {
        let through = self.shared.sealed_status().through;
        let sealed: Vec<Position> = positions.iter().copied().filter(|at| *at < through).collect();
        // Where one of them is damaged each is asked for by itself: another shelf may have it.
        let many = self.shared.sealed.as_ref().filter(|_| sealed.len() > 1);
        let many = many.and_then(|shelf| shelf.fetch_many(&sealed, columns, bytes).ok());
        let mut many = many.map(Vec::into_iter);
        let mut runs = Vec::with_capacity(positions.len());
        let mut left = bytes;
        for position in positions {
            let run = match many.as_mut().filter(|_| *position < through) {
                // What was read is handed over, though two threads have read so many bytes each.
                Some(many) => match many.next() {
                    Some(run) => self.shared.erasures.mask(run),
                    None => break,
                },
                None if left == 0 && !runs.is_empty() => break,
                None => self.shared.fetch_one(*position, columns)?,
            };
            left = left.saturating_sub(run.bytes());
            runs.push(run);
        }
        Ok(runs)
    }

    /// The entry as the records below `as_of` make it; `None` where there was none. May wait for the disk.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn entry(&self, entry: &EntryKey, as_of: Position) -> Result<Option<EntryState>, ReadError> {
        match self.newest(entry)? {
            Some(last) => facts::fold(&self.shared, None, last, as_of),
            None => Ok(None),
        }
    }

    /// The state of the entry whose record lies at `last`, as of the position after it: a subscriber's "just after".
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn entry_at(&self, last: Position) -> Result<Option<EntryState>, ReadError> {
        facts::fold(&self.shared, None, last, last.next())
    }

    /// The positions of an entry's records below `as_of`, ascending; empty where there are none.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn history(&self, entry: &EntryKey, as_of: Position) -> Result<Vec<Position>, ReadError> {
        let Some(last) = self.newest(entry)? else {
            return Ok(Vec::new());
        };
        let records = facts::chain(&self.shared, None, last, as_of)?;
        Ok(records.into_iter().map(|(position, _)| position).collect())
    }

    fn newest(&self, entry: &EntryKey) -> Result<Option<Position>, ReadError> {
        let hash = NameHash::of_entry(entry.series.as_str(), entry.key.as_str());
        self.once_known(|shared| facts::newest(shared, None, entry, hash))
    }

    /// The records with names of this hash, the newest of each name among them, newest first.
    fn known(&self, name: NameHash) -> Result<Vec<Position>, ReadError> {
        self.once_known(|shared| shared.names.find(name))
    }

    /// Asks once every name is known, and once more where they had to be learnt anew meanwhile.
    fn once_known<T>(&self, ask: impl Fn(&Shared) -> Result<T, ReadError>) -> Result<T, ReadError> {
        for _ in 1..LOOKS {
            self.shared.names.known().wait();
            match ask(&self.shared) {
                Err(ReadError::Learning) => {}
                answer => return answer,
            }
        }
        self.shared.names.known().wait();
        ask(&self.shared)
    }

    /// The names of the records below some position lie in files from now on, which are checked as they are read. They must be of
    /// this log. Says whether they are rested on; where not, tell it again later.
    pub fn names_lie_in(&self, names: Arc<dyn TakenNames>) -> bool {
        self.shared.names.lie_in(names)
    }

    /// Whether a record whose entry has this one before made the entry, as far as there is anything left of it.
    pub fn makes_entry(&self, previous: Option<Position>) -> bool {
        self.shared.makes_entry(previous)
    }

    /// The first position recorded after `time`: the state of the log as of that time lies below it, and no record to
    /// come changes it as long as the log is open, whatever becomes of the clock.
    ///
    /// # Errors
    /// [`ReadError::NotPassed`] where the clock has not passed `time`, or is in doubt and may not have.
    pub fn as_of(&self, time: Recorded) -> Result<Position, ReadError> {
        let now = self.shared.with_committer(|committer| {
            let now = committer.time.passed();
            if time < now {
                committer.time.answered(time);
            }
            now
        });
        if time >= now {
            return Err(ReadError::NotPassed {
                time: time.to_string(),
                clock: now.to_string(),
                tail: self.tail(),
            });
        }
        self.partition(|recorded| recorded <= time)
    }

    /// The first position recorded at or after `time`; the tail where there is none.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn first_at(&self, time: Recorded) -> Result<Position, ReadError> {
        self.partition(|recorded| recorded < time)
    }

    /// The first position whose time is not `before`; times never go back, so that halving finds it.
    fn partition(&self, before: impl Fn(Recorded) -> bool) -> Result<Position, ReadError> {
        let (mut low, mut high) = (0, self.tail().get());
        while low < high {
            let middle = low + (high - low) / 2;
            let position = Position::new(middle);
            let run = self.shared.fetch_one(position, Columns::Leaves)?;
            if before(facts::leaf_of(&run, position)?.recorded) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Position::new(low))
    }

    /// The newest checkpoint where it covers the records below `size`, else one that is signed now over all records. It is on
    /// disk when it is answered. Waits for the disk, and up to 100 ms.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn checkpoint(&self, size: Position) -> Result<Arc<Signed>, SignError> {
        self.shared.checkpoint(size)
    }

    /// As [`Log::checkpoint`], without keeping a thread waiting.
    ///
    /// # Errors
    /// [`SignError`].
    pub async fn signed(&self, size: Position) -> Result<Arc<Signed>, SignError> {
        self.shared.signed(size).await
    }

    /// The newest checkpoint that was signed, by this run or an earlier one.
    pub fn newest_checkpoint(&self) -> Option<Arc<Signed>> {
        self.shared.notary.newest()
    }

    /// The key that checks the log's checkpoints; `None` where it was opened without one.
    pub fn verifier_key(&self) -> Option<&VerifierKey> {
        self.shared.notary.verifier()
    }

    /// Holds the log to a checkpoint that it signed once: where it has fewer records, or others, it is read-only from now on,
    /// since to append would fork it under its own key.
    fn hold_to(&self, signed: &Checkpoint) {
        let size = Position::new(signed.size);
        match self.root_at(size) {
            Ok(root) if root == signed.root => {}
            Ok(_) => self.records_missing(size, "the records are not those of a checkpoint that was signed"),
            Err(ReadError::BeyondTail { tail, .. }) => {
                self.records_missing(tail, "records are missing that a signed checkpoint covers,");
            }
            // Were it appended to, the next checkpoint would take the place of the one that it was never held against.
            Err(error) => {
                let what = format!("the newest checkpoint cannot be held against the records ({error}),");
                self.records_missing(error.position().unwrap_or(size), &what);
            }
        }
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// How the log stands.
    pub fn status(&self) -> LogStatus {
        self.shared.status()
    }

    /// The log's clock: max(system clock, last recorded).
    pub fn now(&self) -> Recorded {
        self.shared.with_committer(|committer| committer.time.now())
    }

    /// Refuses further appends as draining; those under way are answered.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    /// Ends the log: commits what is queued, covers and syncs everything. Call after [`Log::drain`]. Waits for the disk.
    pub fn close(&self) {
        self.drain();
        self.shared.commit_waiting();
        self.shared.cover(std::time::Duration::ZERO);
        // What cannot be signed now is signed by the next start.
        let _ = self.shared.sign_all();
        self.release();
    }

    /// Lets go of the journal and of the hot log without another write: nothing touches their folders any more. Records
    /// can still be read; appends are refused.
    pub fn release(&self) {
        self.drain();
        self.shared.close_with(Closed::Draining);
        self.shared.unsealed.wake();
        self.shared.keeper.stop();
        self.shared.notary.stop();
        if let Some(hot) = &self.shared.hot {
            hot.close();
        }
        self.shared
            .with_committer(|committer| drop(committer.journal.take()));
    }
}

/// A handle that does not keep the log open.
#[derive(Clone)]
pub struct WeakLog(std::sync::Weak<Shared>);

impl WeakLog {
    /// The log, where it is still open.
    pub fn upgrade(&self) -> Option<Log> {
        self.0.upgrade().map(|shared| Log { shared })
    }
}

/// For what follows the log from below: the hot log.
impl Log {
    /// A handle that does not keep the log open.
    pub fn downgrade(&self) -> WeakLog {
        WeakLog(Arc::downgrade(&self.shared))
    }

    /// As [`Log::read`], passing over the hot log.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn read_cold(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
    ) -> Result<Vec<Run>, ReadError> {
        self.shared.read_cold(from, until, limit, Columns::All)
    }

    /// The record at a position as a run of one, passing over the hot log.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn fetch_cold(&self, position: Position) -> Result<Run, ReadError> {
        let one = ReadLimit { records: 1, bytes: 1 };
        let runs = self
            .shared
            .read_cold(position, position.next(), one, Columns::All)?;
        runs.into_iter().next().ok_or(ReadError::BeyondTail {
            position,
            tail: self.tail(),
        })
    }

    /// The hash over the `2^level` leaves that are the `index`-th of so many, where the tree has them all; from level 8 on.
    pub fn subtree(&self, level: usize, index: u64) -> Option<Hash> {
        let tree = self.shared.tree.read().unwrap_or_else(PoisonError::into_inner);
        tree.subtree(level, index)
    }

    /// Why appends are refused until a restart, if they are.
    pub fn closed(&self) -> Option<Closed> {
        self.shared.closed()
    }

    /// Bytes of the journal's frames.
    pub fn journal_bytes(&self) -> u64 {
        self.shared.journal_bytes.load(Ordering::Relaxed)
    }

    /// More was sealed and the journal is the smaller for it; or it could not be, for the reason given.
    pub fn sealing(&self, fault: Option<String>) {
        self.shared.with_committer(|committer| {
            if let Some(journal) = &committer.journal {
                self.shared
                    .journal_bytes
                    .store(journal.bytes(), Ordering::Relaxed);
            }
        });
        self.shared.unsealed.changed(fault);
    }

    /// Records from `position` on were published once and are not in the journal: appending would fork the log.
    pub fn records_missing(&self, position: Position, what: &str) {
        self.shared.close_with(Closed::Damaged {
            what: what.to_owned(),
            position,
        });
    }
}

type Waiting = (
    Option<crate::record::BatchId>,
    oneshot::Receiver<Result<Appended, AppendError>>,
);

/// How much a scan reads at once.
const SCAN_STEP: ReadLimit = ReadLimit {
    records: 8_192,
    bytes: 1 << 20,
};

/// Has the queue committed by someone else when an append is dropped before it could do so.
struct KickOnDrop<'a> {
    shared: &'a Shared,
}

impl Drop for KickOnDrop<'_> {
    fn drop(&mut self) {
        self.shared.kick();
    }
}

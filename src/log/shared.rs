//! What all handles on the log share.

use super::commit::{Committer, Queue};
use super::erasure::Erasures;
use super::error::{Closed, ReadError};
use super::fixity::Verifier;
use super::keeper::Keeper;
use super::names::Names;
use super::notary::Notary;
use super::proofs::Blocks;
use super::recent::Recent;
use super::run::Run;
use super::store::{SealedStatus, Shelf};
use super::tail::Tail;
use super::unsealed::Unsealed;
use super::{Columns, LogStatus, ReadLimit};
use crate::merkle::Tree;
use crate::record::{Epoch, Position, Recorded};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The log's one state, behind [`super::Log`].
pub struct Shared {
    pub(super) origin: String,
    pub(super) epoch: Epoch,
    pub(super) queue: Mutex<Queue>,
    pub(super) committer: Mutex<Committer>,
    pub(super) tail: Tail,
    pub(super) recent: Arc<Recent>,
    /// In the order in which they are asked.
    pub(super) shelves: Vec<Arc<dyn Shelf>>,
    pub(super) hot: Option<Arc<dyn super::store::Hot>>,
    pub(super) sealed: Option<Arc<dyn super::store::Sealed>>,
    pub(super) names: Names,
    pub(super) unsealed: Unsealed,
    pub(super) tree: RwLock<Tree>,
    /// The newest blocks that proofs were made from.
    pub(super) blocks: Mutex<Blocks>,
    pub(super) notary: Arc<Notary>,
    pub(super) erasures: Erasures,
    pub(super) verifier: Option<Arc<dyn Verifier>>,
    /// Held while all files are verified.
    pub(super) verifying: Mutex<()>,
    pub(super) closed: RwLock<Option<Closed>>,
    pub(super) draining: AtomicBool,
    pub(super) slow: AtomicBool,
    pub(super) journal_bytes: AtomicU64,
    pub(super) last_recorded: AtomicI64,
    pub(super) cut: Vec<(Position, Position)>,
    pub(super) lost: Vec<(Position, Position)>,
    pub(super) keeper: Arc<Keeper>,
    /// The shelves without the hot log.
    pub(super) cold: Vec<Arc<dyn Shelf>>,
    pub(super) frame_bytes_max: usize,
    /// Room in the queue, in KiB.
    pub(super) room: Arc<tokio::sync::Semaphore>,
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why appends are refused until a restart.
    pub(super) fn closed(&self) -> Option<Closed> {
        self.closed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refuses appends from now on; the first reason stays, but for damage, which outweighs every other.
    pub(super) fn close_with(&self, reason: Closed) {
        let mut closed = self.closed.write().unwrap_or_else(PoisonError::into_inner);
        *closed = Closed::weightier(closed.take(), Some(reason));
    }

    pub(super) fn note(&self, journal_bytes: u64, recorded: Recorded, slow: bool) {
        self.journal_bytes.store(journal_bytes, Ordering::Relaxed);
        self.last_recorded.store(recorded.nanos(), Ordering::Relaxed);
        self.slow.store(slow, Ordering::Relaxed);
    }

    /// Reads from the first shelf that holds `from`. A shelf that is damaged is passed over; where no other holds the
    /// records, its damage is the answer.
    pub(super) fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Vec<Run>, ReadError> {
        let tail = self.tail.get();
        if from >= tail {
            return Err(ReadError::BeyondTail { position: from, tail });
        }
        let runs = ask(&self.shelves, from, |shelf| {
            shelf.read(from, until.min(tail), limit, columns)
        })?;
        Ok(self.masked(runs))
    }

    fn masked(&self, runs: Vec<Run>) -> Vec<Run> {
        runs.into_iter().map(|run| self.erasures.mask(run)).collect()
    }

    pub(super) fn read_cold(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Vec<Run>, ReadError> {
        let runs = ask(&self.cold, from, |shelf| {
            shelf.read(from, until.min(self.tail.get()), limit, columns)
        })?;
        Ok(self.masked(runs))
    }

    pub(super) fn fetch_one(&self, position: Position, columns: Columns) -> Result<Run, ReadError> {
        let tail = self.tail.get();
        if position >= tail {
            return Err(ReadError::BeyondTail { position, tail });
        }
        let run = ask(&self.shelves, position, |shelf| shelf.fetch(position, columns))?;
        Ok(self.erasures.mask(run))
    }

    pub(super) fn status(&self) -> LogStatus {
        // First, since it may commit, which needs the other locks.
        let closed = self.refusal();
        // It looks at a folder: not while commits would have to wait for it.
        let hot = self.hot.as_ref().map(|hot| hot.status()).unwrap_or_default();
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        let tail = self.tail.get();
        LogStatus {
            origin: self.origin.clone(),
            tail,
            // The leaves of lost records are made up, and so would the root over them be.
            root: self.lost_below(tail).is_none().then(|| tree.root()),
            last_recorded: Recorded::from_nanos(self.last_recorded.load(Ordering::Relaxed)),
            closed,
            entries: self.names.entries(),
            journal_bytes: self.journal_bytes.load(Ordering::Relaxed),
            hot_bytes: hot.bytes,
            hot_through: hot.through,
            hot_fault: hot.fault,
            sealed: self.sealed_status(),
            seal_fault: self.unsealed.fault(),
            indexed: self.names.known().is_open(),
            possibly_acknowledged: self.cut.clone(),
            epoch: self.epoch.get(),
            erasures_pending: self.erasures.pending().iter().map(|one| one.position).collect(),
            erasure_fault: self.erasures.fault(),
            erasure_waits: self.erasures.waiting(tail),
        }
    }

    /// How the sealed log stands; as one that is empty where there is none.
    pub(super) fn sealed_status(&self) -> SealedStatus {
        self.sealed
            .as_ref()
            .map(|sealed| sealed.status())
            .unwrap_or_default()
    }

    /// Waits while the journal is too large and some of it can be sealed.
    ///
    /// # Errors
    /// [`Closed::Failed`] where it cannot be sealed.
    pub(super) async fn held_back(&self) -> Result<(), Closed> {
        loop {
            let next = self.unsealed.next();
            let sealed = self.sealed_status();
            let waiting = self.tail.get() >= sealed.through.plus(sealed.step);
            let over = self.unsealed.is_over(self.journal_bytes.load(Ordering::Relaxed));
            if !over || !waiting || sealed.step == 0 {
                return Ok(());
            }
            if let Some(fault) = self.unsealed.fault() {
                return Err(Closed::Failed(format!("the log cannot be sealed: {fault}")));
            }
            if let Some(closed) = self.closed() {
                return Err(closed);
            }
            next.await;
        }
    }

    /// Where the first loss below `size` begins, if there is one.
    pub(super) fn lost_below(&self, size: Position) -> Option<Position> {
        let mut begins = self.lost.iter().map(|(from, _)| *from);
        begins.find(|from| *from < size)
    }

    /// Where the loss that holds a position ends.
    pub(super) fn loss_at(&self, position: Position) -> Option<Position> {
        let mut losses = self.lost.iter();
        losses
            .find(|(from, until)| *from <= position && position < *until)
            .map(|(_, until)| *until)
    }

    /// Why an append would be refused now.
    pub(super) fn refusal(&self) -> Option<Closed> {
        if self.draining.load(Ordering::Acquire) {
            return Some(Closed::Draining);
        }
        if let Some(closed) = self.closed() {
            return Some(closed);
        }
        let held = self.committer.try_lock().ok();
        let refused = held.as_ref().and_then(|committer| {
            let journal = committer.journal.as_ref();
            journal
                .and_then(|journal| journal.refusal())
                .or_else(|| committer.time.doubt())
        });
        drop(held);
        self.commit_in_place();
        refused
    }

    /// Does something under the commit lock, and then commits what was queued meanwhile: a handler that finds the lock
    /// taken leaves its batch to whoever has it.
    pub(super) fn with_committer<T>(&self, job: impl FnOnce(&mut Committer) -> T) -> T {
        let done = job(&mut self.committer.lock().unwrap_or_else(PoisonError::into_inner));
        self.commit_in_place();
        done
    }

    /// Has the queue committed by the thread that does what nobody else does. While the log is closed that thread ends:
    /// who comes after the close has looked at the queue for the last time commits in place.
    pub(super) fn kick(&self) {
        // The batch is in the queue already. Where this does not see the end coming yet, the close will see the batch.
        if self.draining.load(Ordering::Acquire) {
            self.commit_in_place();
        } else {
            self.keeper.kick();
        }
    }
}

/// Asks one shelf after the other. One that is damaged is passed over; where no other holds the record, its damage is
/// the answer.
pub(super) fn ask<T>(
    shelves: &[Arc<dyn Shelf>],
    position: Position,
    ask: impl Fn(&dyn Shelf) -> Result<Option<T>, ReadError>,
) -> Result<T, ReadError> {
    let mut first_error = None;
    for shelf in shelves {
        match ask(shelf.as_ref()) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| ReadError::Damaged {
        position,
        expected: "a record".into(),
        found: "no copy of it".into(),
    }))
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.keeper.stop();
        self.notary.stop();
    }
}

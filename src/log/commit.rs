//! The commit path: whoever holds the lock commits the whole queue.
//!
//! A handler pushes its prepared batch, lets the other handlers run once, and tries the lock. Who gets it takes all that
//! is queued, decides each batch, writes one frame, syncs once, publishes the tail and answers everyone. Nobody waits
//! for a thread to wake up while syncs are quick; where the disk is slow, a thread of its own commits instead, so that
//! no handler's thread is held up. The same thread writes the cover that an idle journal ends with.
//!
//! Barriers of a commit, in this order: 1 write, 2 sync, 3 learn names and publish the tail as one step, 4 answer.

use super::batch::{Appended, Receipt};
use super::clock::Timekeeper;
use super::error::{AppendError, Closed, ReadError};
use super::facts::Resolved;
use super::group::GroupBuilder;
use super::prepare::{Prepared, PreparedDraft};
use super::run::Run;
use super::sequencer::{Plan, Step, decide};
use super::shared::Shared;
use super::store::{Journal, WriteError};
use super::{Group, facts, retry};
use crate::record::{BatchId, Epoch, Hash, Outcome, Recorded};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Syncs slower than this make a thread of its own commit.
const SLOW_SYNC: Duration = Duration::from_millis(1);

/// A prepared batch that waits for its commit.
pub struct Job {
    /// The batch.
    pub batch: Prepared,
    /// What was found of its entries before it was queued.
    pub resolved: Resolved,
    /// Who waits.
    pub answer: oneshot::Sender<Result<Appended, AppendError>>,
    /// Its room in the queue, until it is committed.
    pub room: Option<OwnedSemaphorePermit>,
}

/// Batches that wait for a commit.
#[derive(Default)]
pub struct Queue {
    /// The oldest first.
    pub jobs: VecDeque<Job>,
}

/// What only the holder of the commit lock may touch.
pub struct Committer {
    /// The journal; `None` where appends are refused for good.
    pub journal: Option<Box<dyn Journal>>,
    /// Gives records their time.
    pub time: Timekeeper,
    /// The reign.
    pub epoch: Epoch,
    /// A group was synced since the last cover.
    pub uncovered: bool,
    /// When the last group was synced.
    pub last_commit: Instant,
    /// How long syncs take, smoothed.
    pub sync_time: Duration,
    /// The most bytes a frame may have.
    pub frame_bytes_max: usize,
}

/// The answer to a batch of the group, still to be sent.
struct Pending {
    answer: oneshot::Sender<Result<Appended, AppendError>>,
    result: Result<Appended, AppendError>,
    request_id: Option<BatchId>,
    writes: bool,
}

impl Shared {
    /// Commits what is queued, if nobody else is at it; else whoever is at it does so.
    pub fn commit_in_place(&self) {
        while !self.queue().jobs.is_empty() {
            match self.committer.try_lock() {
                Ok(mut committer) => self.drain_queue(&mut committer),
                Err(TryLockError::Poisoned(poisoned)) => self.drain_queue(&mut poisoned.into_inner()),
                // The holder looks at the queue again after it has let go of the lock: here, or in `with_committer`.
                Err(TryLockError::WouldBlock) => return,
            }
        }
    }

    /// Commits what is queued, waiting for the lock: for the thread that may wait.
    pub fn commit_waiting(&self) {
        while !self.queue().jobs.is_empty() {
            let mut committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
            self.drain_queue(&mut committer);
        }
    }

    fn drain_queue(&self, committer: &mut Committer) {
        loop {
            let jobs = self.take_group(committer.frame_bytes_max);
            if jobs.is_empty() {
                return;
            }
            self.commit_group(committer, jobs);
        }
    }

    /// The oldest jobs, as many as fit into one frame.
    fn take_group(&self, frame_bytes_max: usize) -> Vec<Job> {
        let mut queue = self.queue();
        let mut bytes = 0;
        let fits = |job: &&Job| {
            bytes += job.batch.frame_bytes;
            bytes <= frame_bytes_max
        };
        let count = queue
            .jobs
            .iter()
            .take_while(fits)
            .count()
            .max(1)
            .min(queue.jobs.len());
        queue.jobs.drain(..count).collect()
    }

    fn commit_group(&self, committer: &mut Committer, jobs: Vec<Job>) {
        let recorded = match self.admit(committer) {
            Ok(recorded) => recorded,
            Err(closed) => return refuse_all(jobs, &closed),
        };
        let mut group = GroupBuilder::new(self.tail.get());
        let payload_bytes = |job: &Job| {
            job.batch
                .drafts
                .iter()
                .map(|draft| draft.payload.len())
                .sum::<usize>()
        };
        group.reserve(jobs.iter().map(payload_bytes).sum());
        let mut pending = Vec::with_capacity(jobs.len());
        for job in jobs {
            let tail = group.tail();
            let result = self.judge(committer, &mut group, &job, recorded);
            drop(job.room);
            let writes = group.tail() > tail;
            pending.push(Pending {
                answer: job.answer,
                result,
                request_id: job.batch.request_id,
                writes,
            });
        }
        if group.is_empty() {
            return answer(pending);
        }
        match self.write(committer, &mut group, recorded) {
            Ok(()) => answer(pending),
            Err(error) => {
                let unknown = error.refused.is_none();
                let closed = error.closes();
                self.close_with(closed.clone());
                answer_failed(pending, &closed, unknown);
            }
        }
    }

    /// Whether appends are taken at all, and the time they get.
    fn admit(&self, committer: &mut Committer) -> Result<Recorded, Closed> {
        if let Some(closed) = self.closed() {
            return Err(closed);
        }
        if let Some(closed) = committer.journal.as_ref().and_then(|journal| journal.refusal()) {
            self.close_with(closed.clone());
            return Err(closed);
        }
        committer.time.tell()
    }

    fn judge(
        &self,
        committer: &Committer,
        group: &mut GroupBuilder,
        job: &Job,
        recorded: Recorded,
    ) -> Result<Appended, AppendError> {
        if let Some(appended) = retry::answer(self, group, job)? {
            return Ok(appended);
        }
        if let Some(violation) = facts::matching(self, group, job)? {
            return Err(AppendError::Refused(vec![violation]));
        }
        let known = facts::gather(self, group, job)?;
        let tail = group.tail();
        let plan = decide(&job.batch, known, tail).map_err(AppendError::Refused)?;
        // Whatever can still fail is done before the group takes the batch in.
        let mut receipts = self.receipts(group, &job.batch, &plan)?;
        if job.batch.validate_only {
            return Ok(Appended { receipts, tail });
        }
        group.add(&job.batch, &plan, recorded, committer.epoch);
        for receipt in receipts.iter_mut().filter(|receipt| receipt.position >= tail) {
            receipt.leaf_hash = group.hash_of(receipt.position);
        }
        Ok(Appended {
            receipts,
            tail: group.tail(),
        })
    }

    /// The receipts of a decided batch; the leaf hashes of records still to be written are zero.
    fn receipts(
        &self,
        group: &GroupBuilder,
        batch: &Prepared,
        plan: &Plan,
    ) -> Result<Vec<Receipt>, ReadError> {
        let receipt = |(draft, step): (&PreparedDraft, &Step)| {
            let made_key = draft.made_key.then(|| draft.entry.key.clone());
            let (position, revision, outcome, leaf_hash) = match *step {
                Step::Write {
                    position,
                    revision,
                    outcome,
                    ..
                } => (position, revision, outcome, Hash::default()),
                Step::Duplicate { position, revision } => {
                    let hash = facts::leaf_hash_at(self, group, plan.tail, position)?;
                    (position, revision, Outcome::Duplicate, hash)
                }
            };
            Ok(Receipt {
                position,
                revision,
                leaf_hash,
                outcome,
                made_key,
            })
        };
        batch.drafts.iter().zip(&plan.steps).map(receipt).collect()
    }

    /// 1 write, 2 sync, 3 publish.
    fn write(
        &self,
        committer: &mut Committer,
        group: &mut GroupBuilder,
        recorded: Recorded,
    ) -> Result<(), WriteError> {
        let first = self.tail.get();
        let run = group.run().map_err(|error| WriteError {
            what: "gathering a group".into(),
            cause: error.to_string(),
            refused: None,
        })?;
        let Some(journal) = committer.journal.as_mut() else {
            return Err(WriteError {
                what: "writing the journal".into(),
                cause: "it is not open for writing".into(),
                refused: None,
            });
        };
        let started = Instant::now();
        journal.commit(&run, first)?;
        committer.last_commit = Instant::now();
        committer.sync_time = (committer.sync_time * 7 + (committer.last_commit - started)) / 8;
        committer.uncovered = true;
        committer.time.recorded(recorded);
        self.note(journal.bytes(), recorded, committer.sync_time > SLOW_SYNC);
        self.publish(group, run);
        Ok(())
    }

    /// Makes a synced group visible, as one step for whoever holds the tree or the names: the root is that of the tail,
    /// and every name is of a record below it. An entry's older record gives way to the newer one in the table, so that a
    /// name seen before its record could be read would be an entry that has vanished.
    fn publish(&self, group: &mut GroupBuilder, run: Run) {
        let end = run.end();
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        group.hashes.iter().for_each(|hash| tree.push(*hash));
        let root = tree.root();
        self.recent.push(Arc::new(Group { run, root }));
        let mut names = self.names.recent_mut();
        let mut entries = 0;
        for (hash, previous, position) in group.names.drain(..) {
            entries += u64::from(self.makes_entry(previous));
            names.record(hash, previous, position);
        }
        for (hash, first) in group.batches.drain(..) {
            names.record(hash, None, first);
        }
        self.names.entries_were_made(entries);
        // Whoever sees the ERASE sees nothing of what it removes any more.
        for erasure in group.erasures.drain(..) {
            self.recent.erase(&erasure.targets);
            self.erasures.add(erasure);
        }
        self.tail.publish(end);
        drop(names);
        drop(tree);
        self.keeper.committed();
    }

    /// Writes the cover that says how far the last sync reached, where no commit has followed for `idle`. Answers
    /// whether one is still wanted.
    pub fn cover(&self, idle: Duration) -> bool {
        self.with_committer(|committer| self.cover_now(committer, idle))
    }

    fn cover_now(&self, committer: &mut Committer, idle: Duration) -> bool {
        // Whatever else closed the log, the groups that were synced want their cover: after a failed write or sync the
        // journal refuses it by itself.
        if !committer.uncovered {
            return false;
        }
        if committer.last_commit.elapsed() < idle {
            return true;
        }
        let tail = self.tail.get();
        let Some(journal) = committer.journal.as_mut() else {
            return false;
        };
        let empty = Run::new(tail, Vec::new(), Bytes::new(), Bytes::new(), Bytes::new());
        let result = match empty {
            Ok(empty) => journal.commit(&empty, tail),
            Err(error) => Err(WriteError {
                what: "writing a cover".into(),
                cause: error.to_string(),
                refused: None,
            }),
        };
        match result {
            Ok(()) => committer.uncovered = false,
            Err(error) => self.close_with(error.closes()),
        }
        false
    }
}

fn answer(pending: Vec<Pending>) {
    for one in pending {
        // Who no longer waits has given up; what was committed stays committed.
        let _ = one.answer.send(one.result);
    }
}

/// After a failed write or sync nothing is known about the group, so that no answer that rests on it may leave.
/// `unknown` says whether any of it may have been written.
fn answer_failed(pending: Vec<Pending>, closed: &Closed, unknown: bool) {
    for one in pending {
        let result = if one.writes && unknown {
            Err(AppendError::Unknown {
                request_id: one.request_id,
                cause: closed.to_string(),
            })
        } else {
            Err(AppendError::Closed(closed.clone()))
        };
        let _ = one.answer.send(result);
    }
}

fn refuse_all(jobs: Vec<Job>, closed: &Closed) {
    for job in jobs {
        let _ = job.answer.send(Err(AppendError::Closed(closed.clone())));
    }
}

#[cfg(test)]
mod tests {
    use crate::log::{AppendError, Batch, Closed, Door, Draft, QUEUED_KIB_MAX};
    use crate::record::codec::{Content, encode_content};
    use crate::record::{Act, Key, Principal, Reason, Series};
    use crate::store::open::{ArchiveOptions, open};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    fn batch() -> Batch {
        let content = Content {
            title: "t".to_owned(),
            ..Content::default()
        };
        let draft = Draft {
            act: Act::Create,
            kind: None,
            series: Series::new("desk").unwrap(),
            key: Some(Key::new("k").unwrap()),
            payload: encode_content(content),
            expected_revision: None,
            reason: Reason::default(),
            relation: None,
            erased: None,
        };
        Batch {
            records: vec![draft],
            request_id: None,
            expected_tail: None,
            fail_if_match: None,
            validate_only: false,
            principal: Principal::anonymous(),
            door: Door::Archive,
        }
    }

    /// The cover of an idle journal, the clock and the status take the commit lock too, and a handler that meets them
    /// leaves its batch behind.
    #[test]
    fn a_batch_that_finds_the_lock_taken_is_committed_by_whoever_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let archive = open(ArchiveOptions::new(folder.path())).unwrap();
        let log = archive.log.clone();
        let appending = archive.log.shared.with_committer(|_| {
            let appending = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(log.append(batch()))
            });
            while archive.log.shared.queue().jobs.is_empty() {
                std::thread::yield_now();
            }
            // Time for the handler to find the lock taken; where it takes longer, it will find it free.
            (0..10_000).for_each(|_| std::thread::yield_now());
            appending
        });
        assert_eq!(appending.join().unwrap().unwrap().tail.get(), 1);
    }

    /// A handler is past the first look at whether the log is draining, and waits for room; the log is closed meanwhile,
    /// and on a slow disk it is another thread that should commit.
    #[test]
    fn an_append_that_meets_the_end_of_a_log_on_a_slow_disk_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let archive = open(ArchiveOptions::new(folder.path())).unwrap();
        let shared = Arc::clone(&archive.log.shared);
        let all = Arc::clone(&shared.room)
            .try_acquire_many_owned(QUEUED_KIB_MAX)
            .unwrap();
        let log = archive.log.clone();
        let (answer, answered) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut appending = Box::pin(log.append(batch()));
            // As far as it comes without room.
            let first = runtime.block_on(async { futures::poll!(&mut appending) });
            assert!(first.is_pending());
            log.close();
            log.shared.slow.store(true, Ordering::Relaxed);
            drop(all);
            let _ = answer.send(runtime.block_on(appending));
        });
        let answer = answered.recv_timeout(Duration::from_secs(30)).expect("no answer");
        assert!(
            matches!(answer, Err(AppendError::Closed(Closed::Draining))),
            "{answer:?}"
        );
    }
}

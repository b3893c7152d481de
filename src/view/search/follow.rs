//! Filling the index: a thread of its own folds what the log has published, and commits now and then.
//!
//! A record is folded once, in the order of positions. The mark and the documents are committed together, so that after a crash
//! the fold goes on where the index is. An ERASE takes all documents of its entry out, puts those back that it leaves, and has the
//! files written anew, before the index is marked as beyond it. Where the index is damaged, or of another version, it is removed
//! and folded anew from the first record; answers come from looking at every record meanwhile.

use super::Search;
use super::plan::bytes_of;
use crate::derive::countries;
use crate::filter::{LazyContent, Subject, Term, each_term};
use crate::index::{self, Document, IndexError, OPEN, Opened, Writer};
use crate::log::erasure::Holder;
use crate::log::{Columns, Erasure, Log, ReadError, ReadLimit, Run, Stored, WeakLog};
use crate::record::codec::{self, DateRole};
use crate::record::date::DaySpan;
use crate::record::{Leaf, Position, Status, leaf_hash};
use crate::view::fates::{Fate, Fates};
use crate::view::matching::decode;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The version of what is in an index. Another one is another folder, filled anew.
pub const VERSION: u32 = 1;
/// What is gathered in memory before it is written.
const MEMORY: usize = 32 << 20;
/// How often the thread looks for new records.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long records may be left to a look at themselves: a commit costs some syncs, which appends feel.
const COMMIT_EVERY: Duration = Duration::from_secs(2);
/// After so many records a commit comes sooner than after that time.
const COMMIT_RECORDS: u64 = 50_000;
/// The niceness of the thread on Linux: where everything is busy it gets next to nothing.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;
/// The same where the index is far behind.
const BEHIND_RECORDS: u64 = 250_000;
/// How long the thread waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
const STEP: ReadLimit = ReadLimit {
    records: 4_096,
    bytes: 2 << 20,
};

/// Why a record was not folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The log.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The fold of one log into one index.
pub struct Follower {
    search: Arc<Search>,
    writer: Writer,
    through: Position,
    /// The name of the last record that was folded.
    last: String,
    committed: Position,
    since: Instant,
    /// The tail at the last look: where it has not moved, what is folded may as well be committed.
    seen: Position,
    /// Whether something was taken out since the files were last written anew. One time serves all erasures of a step.
    is_unclean: bool,
}

impl Follower {
    /// Opens the index of a log in a folder of views, or makes one there; what other versions have left is removed. An index of
    /// another log, or of records that this one does not have any more since an older backup was put back, is built anew.
    ///
    /// # Errors
    /// [`FoldError`].
    pub fn open(views: &Path, log: &Log) -> Result<Self, FoldError> {
        let folder = folder_of(views);
        index::remove_others(views, "search-", &folder)?;
        let opened = match index::open(&folder, MEMORY) {
            Ok(opened) if is_of(&opened, log)? => opened,
            Ok(opened) => {
                tracing::warn!("the search view is of other records than the log's; it is built anew");
                drop(opened);
                anew(&folder)?
            }
            Err(error) => {
                tracing::warn!(%error, "it cannot be opened and is built anew");
                anew(&folder)?
            }
        };
        let Opened { mut writer, shelf } = opened;
        // A crash may have come between a commit that forgets and the files that still hold what is forgotten.
        writer.purge()?;
        let mut fates = Fates::default();
        let snapshot = shelf.snapshot();
        snapshot.notes(|at, number, on| {
            if let Some(fate) = Fate::of(number) {
                fates.apply(at, fate, on);
            }
        })?;
        let (through, last) = (snapshot.through(), snapshot.of().to_owned());
        Ok(Self {
            search: Arc::new(Search::new(shelf, fates)),
            writer,
            through,
            last,
            committed: through,
            since: Instant::now(),
            seen: Position::START,
            is_unclean: false,
        })
    }

    /// What questions are put to.
    pub fn search(&self) -> Arc<Search> {
        Arc::clone(&self.search)
    }

    /// Folds what is published, some records at a time, and commits where it is time; says whether there may be more.
    ///
    /// # Errors
    /// [`FoldError`]; what was not folded is folded by the next call.
    pub fn step(&mut self, log: &Log) -> Result<bool, FoldError> {
        let tail = log.tail();
        if self.through < tail {
            for run in log.read(self.through, tail, STEP, Columns::All)? {
                self.fold(log, &run)?;
            }
        }
        let waiting = self.through.since(self.committed);
        let is_calm = tail == self.seen && self.through == tail;
        self.seen = tail;
        // Far behind, as while it is built anew, the newest records are many in any case.
        let behind = tail.since(self.through) > COMMIT_RECORDS;
        let waited = !behind && self.since.elapsed() >= COMMIT_EVERY;
        let most = if behind { BEHIND_RECORDS } else { COMMIT_RECORDS };
        let is_due = is_calm || self.is_unclean || waiting >= most || waited;
        if (waiting > 0 || self.is_unclean) && is_due {
            self.commit()?;
        }
        Ok(self.through < log.tail())
    }

    /// Commits what was folded, and writes the files anew where something was taken out.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn commit(&mut self) -> Result<(), IndexError> {
        self.writer.commit(self.through, &self.last)?;
        if self.is_unclean {
            self.writer.purge()?;
            self.is_unclean = false;
        }
        self.committed = self.through;
        self.since = Instant::now();
        self.search.is_rid(self.through);
        Ok(())
    }

    /// Begins again where the index is, after a failure. What is known of contents may be ahead of it, and to learn it again
    /// changes nothing.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn again(&mut self) -> Result<(), IndexError> {
        self.writer.take_back()?;
        let snapshot = self.search.shelf.snapshot();
        self.through = snapshot.through();
        self.last = snapshot.of().to_owned();
        self.committed = self.through;
        Ok(())
    }

    fn fold(&mut self, log: &Log, run: &Run) -> Result<(), FoldError> {
        let from = self.through;
        for record in run.iter().filter(|record| record.position >= from) {
            let leaf = decode(&record)?;
            let erasure = Erasure::of(record.position, &leaf, record.payload);
            let note = self.apply(&record, &leaf);
            self.writer.add(&document(&record, &leaf, note))?;
            self.through = record.position.next();
            self.search.knows(self.through);
            if let Some(erasure) = erasure {
                self.erase(log, &record, &erasure)?;
            }
        }
        self.name_last(run);
        Ok(())
    }

    /// Keeps the name of the last record of a run that was folded.
    fn name_last(&mut self, run: &Run) {
        if let Some(record) = run
            .iter()
            .next_back()
            .filter(|last| last.position.next() == self.through)
        {
            self.last = name_of(&record);
        }
    }

    fn apply(&self, record: &Stored<'_>, leaf: &Leaf<'_>) -> Option<(Fate, Position)> {
        let note = self.search.fates().of_record(record.position, leaf)?;
        let mut fates = self.search.fates.write().unwrap_or_else(PoisonError::into_inner);
        fates.apply(record.position, note.0, note.1);
        Some(note)
    }

    /// Takes out what an ERASE names, from the files too.
    fn erase(&mut self, log: &Log, record: &Stored<'_>, erasure: &Erasure) -> Result<(), FoldError> {
        let contents = self.search.fates().of_erasure(erasure);
        {
            let mut fates = self.search.fates.write().unwrap_or_else(PoisonError::into_inner);
            contents
                .iter()
                .for_each(|content| fates.apply(erasure.position, Fate::Erased, *content));
        }
        let mut next = Some(record.position);
        while let Some(at) = next {
            let runs = log.fetch(&[at], Columns::All)?;
            let Some(one) = runs.first().and_then(|run| run.get(at)) else {
                break;
            };
            let leaf = decode(&one)?;
            let note = self.search.fates().of_record(at, &leaf);
            self.writer.forget(at);
            self.writer.add(&document(&one, &leaf, note))?;
            next = leaf.previous;
        }
        for content in contents {
            self.writer.add(&Document {
                position: erasure.position,
                note: Some((Fate::Erased as u64, content)),
                ..Document::default()
            })?;
        }
        self.is_unclean = true;
        Ok(())
    }
}

/// What names a record like no other: the hash of its leaf, in which is a salted commitment.
fn name_of(record: &Stored<'_>) -> String {
    hex::encode(leaf_hash(record.leaf))
}

/// Whether an index is of this log: its last record is the log's at that position.
fn is_of(opened: &Opened, log: &Log) -> Result<bool, ReadError> {
    let snapshot = opened.shelf.snapshot();
    let Some(last) = snapshot.through().get().checked_sub(1).map(Position::new) else {
        return Ok(true);
    };
    if last >= log.tail() {
        return Ok(false);
    }
    let runs = log.fetch(&[last], Columns::Leaves)?;
    let record = runs.first().and_then(|run| run.get(last));
    Ok(record.is_some_and(|record| name_of(&record) == snapshot.of()))
}

fn anew(folder: &Path) -> Result<Opened, IndexError> {
    index::remove(folder)?;
    index::open(folder, MEMORY)
}

fn folder_of(views: &Path) -> PathBuf {
    views.join(format!("search-{VERSION}-{}", countries().version()))
}

/// What the index holds of a record: of a content its terms, only those of the leaf where it was erased; of any other what it
/// did.
fn document(record: &Stored<'_>, leaf: &Leaf<'_>, note: Option<(Fate, Position)>) -> Document {
    let mut document = Document {
        position: record.position,
        note: note.map(|(fate, on)| (fate as u64, on)),
        ..Document::default()
    };
    if !leaf.act.has_content() {
        return document;
    }
    let content = match codec::decode_content(record.payload) {
        Ok(content) if !record.erased => content,
        _ => None,
    };
    let subject = Subject {
        position: record.position,
        act: leaf.act,
        kind: leaf.kind,
        series: leaf.series,
        key: leaf.key,
        revision: leaf.revision,
        recorded: leaf.recorded,
        status: Status::Current,
        principal: leaf.principal,
        content: content
            .as_ref()
            .map_or_else(LazyContent::absent, LazyContent::ready),
    };
    each_term(&subject, |field, bytes| {
        document.terms.push(bytes_of(&Term {
            field,
            bytes: bytes.to_vec(),
        }));
    });
    document.terms.sort_unstable();
    document.terms.dedup();
    let spans = |role: DateRole| {
        let dates = content.iter().flat_map(|content| &content.dates);
        let dates = dates.filter(|date| date.role() == role);
        let spans = dates.filter_map(|date| DaySpan::of(&date.edtf).ok());
        spans
            .map(|span| {
                (
                    span.earliest.map_or(OPEN, i64::from),
                    span.latest.map_or(OPEN, i64::from),
                )
            })
            .collect()
    };
    document.occurred = spans(DateRole::Occurred);
    document.reported = spans(DateRole::Reported);
    document
}

/// The thread that keeps a follower going.
pub struct Following {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    told: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    /// Waits; `false` when told to stop.
    fn pause(&self, time: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(told, time, |told| !*told);
        let (told, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !*told
    }
}

impl Following {
    /// Opens the view in a folder of views and has it follow a log, from a thread of its own, until the log is gone or this is
    /// dropped. `slot` has the view as soon as it can be asked; where it cannot be opened every question looks at every record.
    ///
    /// # Errors
    /// What the system says where no thread can be started.
    pub fn start(views: PathBuf, log: WeakLog, slot: Arc<OnceLock<Arc<Search>>>) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let told = Arc::clone(&stop);
        let begin = move || {
            step_back();
            let Some(open) = log.upgrade() else { return };
            let follower = match Follower::open(&views, &open) {
                Ok(follower) => follower,
                Err(error) => {
                    tracing::error!(%error, "there is no search view; every question looks at every record");
                    return;
                }
            };
            let search = follower.search();
            let holder: Arc<dyn Holder> = Arc::clone(&search) as Arc<dyn Holder>;
            open.add_holder(Arc::downgrade(&holder));
            drop(open);
            // Only this thread sets it, once.
            let _ = slot.set(search);
            follow(follower, &log, &told);
        };
        let thread = std::thread::Builder::new()
            .name("search-view".into())
            .spawn(begin)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

/// Appends and questions come first: this thread, and those that the index starts from it, take the processor that is left.
fn step_back() {
    // Elsewhere it would be said of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the search view runs at the same priority as everything else");
    }
}

/// Folds what comes until the log is gone or it is told to stop.
fn follow(mut follower: Follower, log: &WeakLog, stop: &Stop) {
    loop {
        let Some(open) = log.upgrade() else { return };
        let pause = match follower.step(&open) {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK_EVERY,
            Err(error) => {
                tracing::error!(%error, "the search view does not follow; it is tried again");
                if let Err(error) = follower.again() {
                    tracing::error!(%error, "the search view is given up until the next start");
                    return;
                }
                AFTER_FAILURE
            }
        };
        drop(open);
        if !stop.pause(pause) {
            // What is not committed is folded again by the next start.
            if let Err(error) = follower.commit() {
                tracing::warn!(%error, "the search view could not be committed");
            }
            return;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        *self.stop.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has committed nothing.
            let _ = thread.join();
        }
    }
}

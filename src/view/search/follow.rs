//! Filling the index: a thread of its own folds what the log has published.
//!
//! A record is folded once, in the order of positions, and found as soon as it is. A sealed volume has its positions in its name,
//! so that after a crash the fold goes on where the volumes end. An ERASE takes all documents of its entry out, puts those back
//! that it leaves, and has the files written anew, before any volume has the ERASE itself: so a crash in between has it folded
//! again. Where the index is damaged, or of another version, it is removed and folded anew from the first record; answers come
//! from looking at every record meanwhile.

use super::{Search, rebuild};
use crate::derive::{Likeness, countries};
use crate::filter::{LazyContent, Subject, each_term};
use crate::index::{self, Dates, Document, IndexError, Opened, Writer};
use crate::log::erasure::Holder;
use crate::log::{Columns, Erasure, Log, ReadError, ReadLimit, Run, Stored, WeakLog};
use crate::record::codec::{self, Content, DateRole};
use crate::record::date::DaySpan;
use crate::record::{Hash, Leaf, Position, Recorded, Status, leaf_hash};
use crate::view::fates::{Fate, Fates};
use crate::view::matching::decode;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The version of what is in an index. Another one is another folder, filled anew.
pub const VERSION: u32 = 5;
/// How often the thread looks for new records.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The niceness of the thread on Linux: where everything is busy it gets next to nothing.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;
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
    folder: PathBuf,
    pub(super) writer: Writer,
    /// The one that is made anew beside it.
    pub(super) rebuild: Option<Box<Follower>>,
    /// Documents to be replaced since an ERASE was folded. One time serves all erasures of a step.
    erased: BTreeMap<Position, Document>,
    document: Document,
}

impl Follower {
    /// Opens the index of a log in a folder of views, or makes one there; what other versions have left is removed. An index of
    /// another log, or of records that this one does not have any more since an older backup was put back, is built anew.
    ///
    /// # Errors
    /// [`FoldError`].
    pub fn open(views: &Path, log: &Log) -> Result<Self, FoldError> {
        let folder = folder_of(views);
        rebuild::clean(&folder)?;
        index::remove_others(views, "search-", &folder)?;
        let mut fates = Fates::default();
        let opened = match opened(&folder, log, &mut fates) {
            Ok(Some(opened)) => opened,
            Ok(None) => {
                tracing::warn!("the search view is of other records than the log's; it is built anew");
                anew(&folder, &mut fates)?
            }
            Err(FoldError::Index(error)) => {
                tracing::warn!(%error, "the search view cannot be opened and is built anew");
                anew(&folder, &mut fates)?
            }
            Err(error) => return Err(error),
        };
        Ok(Self::on(&folder, opened, fates))
    }

    /// The fold into an index that is open.
    pub(super) fn on(folder: &Path, opened: Opened, fates: Fates) -> Self {
        Self {
            search: Arc::new(Search::new(opened.shelf, fates)),
            folder: folder.into(),
            writer: opened.writer,
            rebuild: None,
            erased: BTreeMap::new(),
            document: Document::default(),
        }
    }

    /// Where its index is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every record below this position is folded.
    pub(super) fn through(&self) -> Position {
        self.writer.through()
    }

    /// What questions are put to.
    pub fn search(&self) -> Arc<Search> {
        Arc::clone(&self.search)
    }

    /// Folds what is published, some records at a time; says whether there may be more.
    ///
    /// # Errors
    /// [`FoldError`]; what was not folded is folded by the next call.
    pub fn step(&mut self, log: &Log) -> Result<bool, FoldError> {
        if self.search.is_damaged() {
            self.begin_anew()?;
        }
        // Where sealing has failed it comes before anything else.
        if self.writer.is_full() {
            self.seal(log)?;
        }
        let tail = log.tail();
        if self.writer.through() < tail {
            for run in log.read(self.writer.through(), tail, STEP, Columns::All)? {
                self.fold(log, &run)?;
            }
        }
        self.replace_erased()?;
        self.writer.tend()?;
        self.search.is_at(self.writer.through());
        let is_rebuilding = self.step_rebuild(log)?;
        Ok(is_rebuilding || self.writer.through() < log.tail())
    }

    /// Seals what was folded, so that the next start goes on from here.
    ///
    /// # Errors
    /// [`FoldError`].
    pub fn seal(&mut self, log: &Log) -> Result<(), FoldError> {
        // No volume may have an ERASE while another has what it erased.
        self.replace_erased()?;
        if let Some(last) = leaf_before(self.writer.through(), log)? {
            self.writer.seal(&last)?;
        }
        Ok(())
    }

    /// Takes note of a failed step: after damage the next one begins anew.
    pub fn failed(&self, error: &FoldError) {
        if matches!(error, FoldError::Index(error) if error.is_damage()) {
            self.search.set_damaged(true);
        }
    }

    fn begin_anew(&mut self) -> Result<(), IndexError> {
        tracing::warn!("the search view is damaged and is built anew");
        self.erased.clear();
        self.search.begins_anew();
        self.writer.clear()?;
        self.search.set_damaged(false);
        Ok(())
    }

    fn fold(&mut self, log: &Log, run: &Run) -> Result<(), FoldError> {
        let from = self.writer.through();
        for record in run.iter().filter(|record| record.position >= from) {
            let leaf = decode(&record)?;
            let note = self.apply(&record, &leaf);
            fill(&mut self.document, &record, &leaf, note);
            if let Some(erasure) = Erasure::of(record.position, &leaf, record.payload) {
                self.erase(log, &leaf, &erasure)?;
            }
            self.writer.add(&self.document);
            if self.writer.is_full() {
                self.seal(log)?;
            }
        }
        Ok(())
    }

    fn apply(&self, record: &Stored<'_>, leaf: &Leaf<'_>) -> Option<(Fate, Position)> {
        let note = self.search.fates().of_record(record.position, leaf)?;
        let mut fates = self.search.fates.write().unwrap_or_else(PoisonError::into_inner);
        fates.apply(record.position, note.0, note.1);
        Some(note)
    }

    /// Notes what an ERASE removes, and gathers what its entry is found by from now on.
    fn erase(&mut self, log: &Log, leaf: &Leaf<'_>, erasure: &Erasure) -> Result<(), FoldError> {
        let contents = self.search.fates().of_erasure(erasure);
        {
            let mut fates = self.search.fates.write().unwrap_or_else(PoisonError::into_inner);
            contents
                .iter()
                .for_each(|content| fates.apply(erasure.position, Fate::Erased, *content));
        }
        for content in contents {
            self.document.add_note(Fate::Erased as u8, content);
        }
        let mut next = leaf.previous;
        while let Some(at) = next {
            let runs = log.fetch(&[at], Columns::All)?;
            let Some(one) = runs.first().and_then(|run| run.get(at)) else {
                break;
            };
            let leaf = decode(&one)?;
            let mut document = Document::default();
            fill(
                &mut document,
                &one,
                &leaf,
                self.search.fates().of_record(at, &leaf),
            );
            if let Some(earlier) = Erasure::of(at, &leaf, one.payload) {
                for content in self.search.fates().of_erasure(&earlier) {
                    document.add_note(Fate::Erased as u8, content);
                }
            }
            self.erased.insert(at, document);
            next = leaf.previous;
        }
        Ok(())
    }

    /// Takes what was erased out of the files.
    fn replace_erased(&mut self) -> Result<(), IndexError> {
        if !self.erased.is_empty() {
            let documents = std::mem::take(&mut self.erased).into_iter().collect::<Vec<_>>();
            if let Err(error) = self.writer.replace(&documents) {
                self.erased = documents.into_iter().collect();
                return Err(error);
            }
        }
        self.search.is_rid(self.writer.through());
        Ok(())
    }
}

/// Opens an index and learns its notes; `None` where it is not this log's.
fn opened(folder: &Path, log: &Log, fates: &mut Fates) -> Result<Option<Opened>, FoldError> {
    let opened = index::open(folder)?;
    let snapshot = opened.shelf.snapshot();
    if !is_of(snapshot.sealed(), log)? {
        return Ok(None);
    }
    let mut notes = Vec::new();
    snapshot.notes(|at, number, on| notes.push((at, number, on)))?;
    // What an act is about depends on what came before it.
    notes.sort_unstable();
    for (at, number, on) in notes {
        if let Some(fate) = Fate::of(number) {
            fates.apply(at, fate, on);
        }
    }
    Ok(Some(opened))
}

/// Whether an index is of this log: its last record is the log's at that position.
fn is_of(sealed: Option<(Hash, Position)>, log: &Log) -> Result<bool, ReadError> {
    match sealed {
        None => Ok(true),
        Some((_, through)) if through > log.tail() => Ok(false),
        // In a leaf is a salted commitment: no other record has the same.
        Some((hash, through)) => Ok(leaf_before(through, log)? == Some(hash)),
    }
}

/// The hash of the leaf of the record before a position.
fn leaf_before(position: Position, log: &Log) -> Result<Option<Hash>, ReadError> {
    let Some(last) = position.get().checked_sub(1).map(Position::new) else {
        return Ok(None);
    };
    let runs = log.fetch(&[last], Columns::Leaves)?;
    let record = runs.first().and_then(|run| run.get(last));
    Ok(record.map(|record| leaf_hash(record.leaf)))
}

fn anew(folder: &Path, fates: &mut Fates) -> Result<Opened, IndexError> {
    *fates = Fates::default();
    index::remove(folder)?;
    index::open(folder)
}

/// The version of what is in an index, and of the tables that it is made with.
pub fn version() -> String {
    // Those of types have the same version.
    format!("{VERSION}-{}", countries().version())
}

fn folder_of(views: &Path) -> PathBuf {
    views.join(format!("search-{}", version()))
}

/// Fills a document with what the index holds of a record: of a content its terms, only those of the leaf where it was erased; of
/// any other what it did.
pub(in crate::view) fn fill(
    document: &mut Document,
    record: &Stored<'_>,
    leaf: &Leaf<'_>,
    note: Option<(Fate, Position)>,
) {
    document.clear();
    if leaf.act.has_content() {
        let content = codec::decode_content(record.payload).ok().flatten();
        let content = content.filter(|_| !record.erased);
        fill_content(document, record.position, leaf, content.as_ref());
    }
    if let Some((fate, on)) = note {
        document.add_note(fate as u8, on);
    }
}

fn fill_content(document: &mut Document, position: Position, leaf: &Leaf<'_>, content: Option<&Content>) {
    let subject = Subject {
        position,
        act: leaf.act,
        kind: leaf.kind,
        series: leaf.series,
        key: leaf.key,
        revision: leaf.revision,
        recorded: leaf.recorded,
        status: Status::Current,
        principal: leaf.principal,
        content: content.map_or_else(LazyContent::absent, LazyContent::ready),
    };
    each_term(&subject, |field, bytes| document.add_term(field as u8, bytes));
    let likeness = content.and_then(|content| Likeness::of(leaf.series, leaf.kind, content));
    document.set_tag(likeness.map_or(0, Likeness::number));
    document.add_days(Dates::Recorded, &DaySpan::day(day_of(leaf.recorded)));
    for date in content.iter().flat_map(|content| &content.dates) {
        let dates = match date.role() {
            DateRole::Occurred => Dates::Occurred,
            DateRole::Reported => Dates::Reported,
            _ => continue,
        };
        if let Ok(days) = DaySpan::of(&date.edtf) {
            document.add_days(dates, &days);
        }
    }
}

/// The day of a time, in UTC.
fn day_of(recorded: Recorded) -> i32 {
    const NANOS: i64 = 86_400_000_000_000;
    // Nanoseconds of 64 bits reach some hundred thousand days.
    i32::try_from(recorded.nanos().div_euclid(NANOS)).unwrap_or(i32::MAX)
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
                follower.failed(&error);
                AFTER_FAILURE
            }
        };
        drop(open);
        if stop.pause(pause) {
            continue;
        }
        // What is not sealed is folded again by the next start.
        if let Some(open) = log.upgrade()
            && let Err(error) = follower.seal(&open)
        {
            tracing::warn!(%error, "the search view could not be sealed");
        }
        return;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        *self.stop.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // What a thread that panicked had folded is folded again by the next start.
            let _ = thread.join();
        }
    }
}

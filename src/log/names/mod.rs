//! Which names are taken: of entries, and of the batches that clients named.
//!
//! The names of the newest records are in a [`NameTable`], exact and in memory. Those of older ones may be in files, which a view
//! keeps and hands over ([`Names::lie_in`]); then the table forgets them. Without such files it has all of them, folded again from
//! the log at each start by [`learn`].
//!
//! ```text
//!   0                    from          through                tail
//!   |---- in files only ---|-- in both ---|-- in the table only --|
//! ```
//!
//! Files are worth no more than any view's, and an entry must never be recorded twice for their sake: they are checked as they
//! are read, and where that fails they are left and everything is learnt from the log again, while appends wait.

mod hash;
pub mod learn;
mod table;

pub use hash::{NameHash, NameMap, is_made, made_id};
pub use table::NameTable;

use super::ReadError;
use super::gate::Gate;
use crate::record::{Hash, Position};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The table forgets once so many records more lie in files, where nobody wants it otherwise: to look through it takes time.
pub const FORGOTTEN_RECORDS: u64 = 65_536;

/// Which names the records below a position have taken, as files tell. It never changes.
pub trait TakenNames: Send + Sync {
    /// Every record below is in them.
    fn through(&self) -> Position;

    /// The hash of the leaf of the record before [`Self::through`]; `None` where there are no files.
    fn last(&self) -> Option<Hash>;

    /// How many entries the records made.
    fn entries(&self) -> u64;

    /// Which of the records are ERASE, ascending.
    fn erases(&self) -> Vec<Position>;

    /// Whether they may have a name; they never deny one that they have.
    fn may_have(&self, hash: NameHash) -> bool;

    /// Records with names of this hash, the newest of each name among them, newest first.
    ///
    /// # Errors
    /// What is wrong with the files: nothing in them is to be trusted any more.
    fn find(&self, hash: NameHash) -> Result<Vec<Position>, String>;
}

/// All of them.
pub struct Names {
    recent: RwLock<Recent>,
    /// Open while every name is known.
    known: Gate,
    entries: AtomicU64,
    /// Has everything learnt anew.
    learn: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// The table forgets once so many records more lie in files.
    forgotten: u64,
}

/// The names of the newest records, and the files that have the others.
#[derive(Default)]
pub struct Recent {
    table: NameTable,
    /// It has every record from here on.
    from: Position,
    files: Option<Arc<dyn TakenNames>>,
}

impl Recent {
    /// Takes in a record that has a name; `previous` is the one before with the same.
    pub fn record(&mut self, hash: NameHash, previous: Option<Position>, position: Position) {
        self.table.record(hash, previous, position);
    }

    fn is_absent(&self, hash: NameHash) -> bool {
        let is_in_files = || match &self.files {
            Some(files) => files.may_have(hash),
            None => self.from > Position::START,
        };
        self.table.is_absent(hash) && !is_in_files()
    }
}

impl Names {
    /// None, and the gate closed. The table forgets once `forgotten` records more lie in files.
    pub fn new(forgotten: u64) -> Self {
        Self {
            recent: RwLock::default(),
            known: Gate::default(),
            entries: AtomicU64::default(),
            learn: OnceLock::new(),
            forgotten,
        }
    }

    /// How everything is learnt anew, once files are found to be damaged: called at most once between two openings of the gate.
    pub fn learn_by(&self, learn: impl Fn() + Send + Sync + 'static) {
        // Set once, at the start.
        drop(self.learn.set(Box::new(learn)));
    }

    /// Closed while names are learnt: whoever must know one waits.
    pub fn known(&self) -> &Gate {
        &self.known
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Acquire)
    }

    /// Takes in that so many entries were made.
    pub fn entries_were_made(&self, count: u64) {
        self.entries.fetch_add(count, Ordering::AcqRel);
    }

    /// The newest records, to be added to. Whoever holds them keeps everybody from looking.
    pub fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records with names of this hash, the newest of each name among them, newest first. May read from the disk.
    ///
    /// # Errors
    /// [`ReadError::Learning`] where not every name is known.
    pub fn find(&self, hash: NameHash) -> Result<Vec<Position>, ReadError> {
        let (mut found, files) = {
            let recent = self.recent();
            let is_all_here = recent.files.is_some() || recent.from == Position::START;
            if !is_all_here || !self.known.is_open() {
                return Err(ReadError::Learning);
            }
            (recent.table.candidates(hash), recent.files.clone())
        };
        // Not over what is read from the disk: whoever commits waits for the lock.
        if let Some(files) = files {
            match files.find(hash) {
                Ok(older) => found.extend(older),
                Err(cause) => {
                    self.distrust(&files, &cause);
                    return Err(ReadError::Learning);
                }
            }
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.dedup();
        }
        Ok(found)
    }

    /// Whether none of these hashes has a name, as far as that is known without the disk.
    pub fn are_absent(&self, mut hashes: impl Iterator<Item = NameHash>) -> bool {
        let recent = self.recent();
        self.known.is_open() && hashes.all(|hash| recent.is_absent(hash))
    }

    /// As [`Names::find`], those at or above `since` alone; `None` where the table may have forgotten some.
    pub fn since(&self, hash: NameHash, since: Position) -> Option<Vec<Position>> {
        let recent = self.recent();
        (recent.from <= since).then(|| {
            let mut found = recent.table.candidates(hash);
            found.retain(|position| *position >= since);
            found
        })
    }

    /// The names of the records below some position lie in files, which are checked and of this log: the table forgets them. Says
    /// whether they are rested on from now on.
    pub fn lie_in(&self, names: Arc<dyn TakenNames>) -> bool {
        let mut recent = self.recent_mut();
        let (from, through) = (recent.from, names.through());
        if !self.known.is_open() || through < from {
            return false;
        }
        recent.files = Some(names);
        if through.since(from) >= self.forgotten.max(recent.table.len() as u64 / 4) {
            recent.table.forget_below(through);
            recent.from = through;
        }
        true
    }

    /// Every name is known, and all of them are in a table.
    pub fn begin_with(&self, table: NameTable) {
        self.recent_mut().table = table;
        self.known.open();
    }

    /// Every name is known: of the records from `from` on by the table, of those below by files.
    fn begin(&self, files: Option<Arc<dyn TakenNames>>, from: Position) {
        let mut recent = self.recent_mut();
        recent.files = files;
        recent.from = from;
        // Not after the lock: nobody takes other files before.
        self.known.open();
    }

    /// Leaves files that are damaged, and has everything learnt from the log.
    fn distrust(&self, damaged: &Arc<dyn TakenNames>, cause: &str) {
        {
            let mut recent = self.recent_mut();
            // Others may be in their place by now, or none.
            if !(recent.files.as_ref()).is_some_and(|files| Arc::ptr_eq(files, damaged)) {
                return;
            }
            recent.files = None;
            self.known.close();
        }
        tracing::error!(
            cause,
            "the names view is damaged; names are learnt from the log, and appends wait"
        );
        if let Some(learn) = self.learn.get() {
            learn();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[derive(Default)]
    struct Files {
        through: u64,
        names: Vec<(NameHash, u64)>,
        damaged: AtomicBool,
    }

    impl TakenNames for Files {
        fn through(&self) -> Position {
            Position::new(self.through)
        }

        fn last(&self) -> Option<Hash> {
            None
        }

        fn entries(&self) -> u64 {
            self.names.len() as u64
        }

        fn erases(&self) -> Vec<Position> {
            Vec::new()
        }

        fn may_have(&self, hash: NameHash) -> bool {
            self.names.iter().any(|(name, _)| *name == hash)
        }

        fn find(&self, hash: NameHash) -> Result<Vec<Position>, String> {
            if self.damaged.load(Ordering::Acquire) {
                return Err("a checksum does not fit".into());
            }
            let of_it = self.names.iter().rev().filter(|(name, _)| *name == hash);
            Ok(of_it.map(|(_, at)| Position::new(*at)).collect())
        }
    }

    fn name(number: u64) -> NameHash {
        NameHash::from_bits(number)
    }

    fn names_of(count: u64) -> Names {
        let names = Names::new(FORGOTTEN_RECORDS);
        for at in 0..count {
            names.recent_mut().record(name(at), None, Position::new(at));
        }
        names.begin(None, Position::START);
        names
    }

    fn files(through: u64) -> Arc<Files> {
        Arc::new(Files {
            through,
            names: (0..through).map(|at| (name(at), at)).collect(),
            damaged: AtomicBool::new(false),
        })
    }

    #[test]
    fn what_the_table_forgets_is_found_in_files() {
        let names = names_of(100_000);
        assert!(names.lie_in(files(70_000)));
        assert_eq!(names.recent().table.len(), 30_000);
        for at in [0, 69_999, 70_000, 99_999] {
            assert_eq!(names.find(name(at)).unwrap(), [Position::new(at)]);
            assert!(!names.are_absent([name(at)].into_iter()));
        }
        assert!(names.are_absent([name(100_000)].into_iter()));
        assert_eq!(names.find(name(100_000)).unwrap(), []);
        assert_eq!(
            names.since(name(80_000), Position::new(69_999)),
            None,
            "it may be in files"
        );
        let since = |at| names.since(name(80_000), Position::new(at));
        assert_eq!(since(70_000), Some(vec![Position::new(80_000)]));
        assert_eq!(since(80_001), Some(vec![]));
    }

    #[test]
    fn files_that_lack_what_the_table_has_forgotten_are_not_taken() {
        let names = names_of(100_000);
        assert!(names.lie_in(files(70_000)));
        assert!(!names.lie_in(files(10)));
        assert_eq!(names.find(name(69_999)).unwrap(), [Position::new(69_999)]);
    }

    #[test]
    fn a_newer_record_of_a_name_comes_first_wherever_it_lies() {
        let names = names_of(70_000);
        assert!(names.lie_in(files(70_000)));
        let (older, newer) = (Position::new(5), Position::new(70_000));
        names.recent_mut().record(name(5), Some(older), newer);
        assert_eq!(names.find(name(5)).unwrap(), [newer, older]);
    }

    #[test]
    fn a_small_step_is_not_worth_a_look_through_the_table() {
        let names = names_of(100);
        assert!(names.lie_in(files(90)));
        assert_eq!(names.recent().table.len(), 100);
        assert_eq!(names.find(name(5)).unwrap(), [Position::new(5)], "once");
    }

    #[test]
    fn damaged_files_are_left_and_nothing_counts_as_absent_until_all_is_learnt() {
        let names = Arc::new(names_of(100_000));
        let learns = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&learns);
        names.learn_by(move || {
            counted.fetch_add(1, Ordering::AcqRel);
        });
        let files = files(70_000);
        assert!(names.lie_in(Arc::clone(&files) as Arc<dyn TakenNames>));
        files.damaged.store(true, Ordering::Release);
        for _ in 0..3 {
            assert!(matches!(names.find(name(5)), Err(ReadError::Learning)));
        }
        assert_eq!(learns.load(Ordering::Acquire), 1);
        assert!(!names.are_absent([name(200_000)].into_iter()), "nobody knows");
        assert!(!names.lie_in(files), "nothing is taken meanwhile");
        (0..70_000).for_each(|at| names.recent_mut().record(name(at), None, Position::new(at)));
        names.begin(None, Position::START);
        assert_eq!(names.find(name(5)).unwrap(), [Position::new(5)]);
        assert!(names.are_absent([name(200_000)].into_iter()));
    }
}

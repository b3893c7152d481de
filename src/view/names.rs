//! The view of names: which names the records have taken, in files that the log looks them up in.
//!
//! A pure fold of leaves, into [`crate::index::names`]: the names of entries, those of batches that clients named, and which records
//! are ERASE. With it the log need not keep every name in memory, nor read every leaf at a start before it takes an append. What the
//! files do not have yet the log knows itself.

use super::runner::standing::State;
use super::runner::{Asked, FoldError, Folders, Runner, View};
use crate::index::names::{self, Facts, Register, Row};
use crate::index::{self, IndexError};
use crate::log::names::{NameHash, NameTable, TakenNames, is_made};
use crate::log::{Columns, Log, Stored};
use crate::record::{Act, Hash, Leaf, Position};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// The version of what is in the files, hashes included.
const VERSION: u32 = 1;
/// So many records are sealed into a file.
const SEALED_RECORDS: u64 = 1 << 16;

/// The fold.
pub struct NamesView {
    asked: Arc<AskedNames>,
    register: Register,
    growing: Growing,
    /// How far the names reach that the log was told of.
    told: Option<Told>,
}

/// How far it goes, and in how many files.
type Told = (Position, usize);

/// What is not in a file yet.
#[derive(Default)]
struct Growing {
    table: NameTable,
    entries: u64,
    erases: Vec<Position>,
    records: u64,
}

/// What is asked how the view stands.
#[derive(Default)]
pub struct AskedNames {
    state: State<Self>,
    at: RwLock<At>,
}

#[derive(Clone, Copy, Default)]
struct At {
    through: Position,
    bytes: u64,
    files: usize,
}

impl Asked for AskedNames {
    fn state(&self) -> &State<Self> {
        &self.state
    }

    fn through(&self) -> Position {
        self.at().through
    }

    fn bytes(&self) -> u64 {
        self.at().bytes
    }

    fn files(&self) -> usize {
        self.at().files
    }
}

impl AskedNames {
    fn at(&self) -> At {
        *self.at.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files of names, as the log looks into them.
struct Taken {
    names: names::Names,
    /// Whose damage it is; nobody's where the view is not open yet.
    asked: Option<Arc<AskedNames>>,
}

impl TakenNames for Taken {
    fn through(&self) -> Position {
        self.names.through()
    }

    fn last(&self) -> Option<Hash> {
        self.names.mark().map(|(last, _)| last)
    }

    fn entries(&self) -> u64 {
        self.names.entries()
    }

    fn erases(&self) -> Vec<Position> {
        self.names.orders()
    }

    fn may_have(&self, hash: NameHash) -> bool {
        self.names.may_have(hash.bits())
    }

    fn find(&self, hash: NameHash) -> Result<Vec<Position>, String> {
        self.names.find(hash.bits()).map_err(|error| {
            if let Some(asked) = &self.asked {
                asked.state.set_damaged(true);
            }
            error.to_string()
        })
    }
}

/// The names that lie in a folder of views, for a log that is about to be opened; `None` where there are none that can be read.
/// What they are worth the log sees for itself.
pub fn taken(views: &Path) -> Option<Arc<dyn TakenNames>> {
    let read = names::read(&Folders::of::<NamesView>(views).own);
    let names = read.inspect_err(|error| tracing::warn!(%error, "the names view cannot be read"));
    let names = names.ok().filter(|names| names.files() > 0)?;
    Some(Arc::new(Taken { names, asked: None }))
}

/// Keeps the view of names.
pub type NamesRunner = Runner<NamesView>;

impl NamesView {
    fn on(asked: Arc<AskedNames>, register: Register) -> Self {
        let view = Self {
            asked,
            register,
            growing: Growing::default(),
            told: None,
        };
        view.note();
        view
    }

    /// Takes note of how far it is.
    fn note(&self) {
        let names = self.register.names();
        *self.asked.at.write().unwrap_or_else(PoisonError::into_inner) = At {
            through: names.through().plus(self.growing.records),
            bytes: names.bytes(),
            files: names.files(),
        };
    }
}

impl View for NamesView {
    const NAME: &'static str = "names";
    const COLUMNS: Columns = Columns::Leaves;
    type Asked = AskedNames;

    fn version() -> String {
        VERSION.to_string()
    }

    fn open(folder: &Path) -> Result<Self, IndexError> {
        Ok(Self::on(Arc::default(), Register::open(folder)?))
    }

    fn asked(&self) -> Arc<AskedNames> {
        Arc::clone(&self.asked)
    }

    fn through(&self) -> Position {
        self.register.names().through().plus(self.growing.records)
    }

    fn mark(&self) -> Option<(Hash, Position)> {
        self.register.names().mark()
    }

    fn fold(&mut self, log: &Log, record: &Stored<'_>, leaf: &Leaf<'_>) -> Result<(), FoldError> {
        let (growing, at) = (&mut self.growing, record.position);
        let entry = NameHash::of_entry(leaf.series, leaf.key);
        growing.table.record(entry, leaf.previous, at);
        if leaf.batch_index == 0 && !is_made(leaf.batch_id, at) {
            growing.table.record(NameHash::of_batch(leaf.batch_id), None, at);
        }
        growing.entries += u64::from(log.makes_entry(leaf.previous));
        if leaf.act == Act::Erase {
            growing.erases.push(at);
        }
        growing.records += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.growing.records >= SEALED_RECORDS
    }

    fn settle(&mut self) -> Result<(), IndexError> {
        self.note();
        Ok(())
    }

    fn seal(&mut self, last: &Hash) -> Result<(), IndexError> {
        let from = self.register.names().through();
        if self.growing.records == 0 {
            return Ok(());
        }
        let rows = self.growing.table.iter().map(|(hash, position)| Row {
            hash: hash.bits(),
            position,
        });
        let facts = Facts {
            from,
            to: from.plus(self.growing.records),
            last: *last,
            entries: self.growing.entries,
            orders: self.growing.erases.clone(),
        };
        self.register.add(rows.collect(), &facts)?;
        self.growing = Growing::default();
        self.note();
        Ok(())
    }

    fn tend(&mut self) -> Result<(), IndexError> {
        self.register.tend()
    }

    fn tell(&mut self, log: &Log) {
        let names = self.register.names();
        let now = (names.through(), names.files());
        if self.told != Some(now) && names.files() > 0 {
            let asked = Some(self.asked());
            let taken = log.names_lie_in(Arc::new(Taken { names, asked }));
            self.told = taken.then_some(now);
        }
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        // The log has left what is damaged, or goes on with the files that it has open.
        self.growing = Growing::default();
        self.told = None;
        let cleared = self.register.clear();
        self.note();
        cleared
    }

    fn give_way_to(&mut self, other: Self, folders: &Folders) -> Result<(), FoldError> {
        drop(other);
        index::take_place(&folders.new, &folders.own, &folders.aside)?;
        // What was not sealed is in the other's files.
        self.growing = Growing::default();
        self.told = None;
        let reopened = Register::open(&folders.own);
        self.register = reopened.inspect_err(|_| self.asked.state.set_damaged(true))?;
        self.note();
        Ok(())
    }
}

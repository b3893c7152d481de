//! Which names records have taken, in files: from the hash of a name to the newest record that has it.
//!
//! A [`Register`] is written by one; what it has is handed out as [`Names`], which never change and can be read whatever becomes
//! of the folder. Files are named for the positions of their records, neighbours are merged into larger ones, and a file is synced
//! before it gets its name: as with volumes there is no other mark. Hashes are made by whoever asks; nothing here knows a name.
//! A name has a row in each file with a record of it, so that the newest is the last that is found.

mod file;

pub use file::{Facts, HASH_BITS, Row};

use super::shelf::PART;
use super::write::due;
use super::{IndexError, error};
use crate::record::{Hash, Position};
use file::NameFile;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the files end.
const NAMES: &str = "names";

/// Files of names, in the order of their records.
#[derive(Clone, Default)]
pub struct Names(Arc<Vec<Arc<NameFile>>>);

impl Names {
    /// Every record below this position is in them.
    pub fn through(&self) -> Position {
        self.0.last().map_or(Position::START, |file| file.facts.to)
    }

    /// The hash of the last record's leaf, and the position after it.
    pub fn mark(&self) -> Option<(Hash, Position)> {
        self.0.last().map(|file| (file.facts.last, file.facts.to))
    }

    /// How many of the records made an entry.
    pub fn entries(&self) -> u64 {
        self.0.iter().map(|file| file.facts.entries).sum()
    }

    /// The records that whoever begins must look at, ascending.
    pub fn orders(&self) -> Vec<Position> {
        let orders = self.0.iter().flat_map(|file| &file.facts.orders);
        orders.copied().collect()
    }

    /// Whether they may have a name; they never deny one that they have.
    pub fn may_have(&self, hash: u64) -> bool {
        self.0.iter().any(|file| file.may_have(hash))
    }

    /// The records with a name, the newest of each file, newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn find(&self, hash: u64) -> Result<Vec<Position>, IndexError> {
        let mut found = Vec::new();
        for file in self.0.iter() {
            let looked = file.find(hash, &mut found);
            looked.map_err(|cause| error(file.path(), cause))?;
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// The bytes of the files.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|file| file.bytes()).sum()
    }

    /// How many files they are.
    pub fn files(&self) -> usize {
        self.0.len()
    }
}

/// Writes files of names.
pub struct Register {
    folder: PathBuf,
    names: Names,
    /// Files that were merged and could not be removed.
    merged: Vec<PathBuf>,
}

impl Register {
    /// Opens the register of a folder, or makes one there. What a crash has left half done is removed.
    ///
    /// # Errors
    /// [`IndexError`], also where it is damaged: remove the folder then, and begin anew.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        std::fs::create_dir_all(folder).map_err(|cause| error(folder, cause))?;
        let (names, others) = open_all(folder)?;
        for path in others {
            std::fs::remove_file(&path).map_err(|cause| error(&path, cause))?;
        }
        Ok(Self {
            folder: folder.into(),
            names,
            merged: Vec::new(),
        })
    }

    /// What there is now.
    pub fn names(&self) -> Names {
        self.names.clone()
    }

    /// Adds the names of the records that follow.
    ///
    /// # Errors
    /// [`IndexError`]; everything is as before then.
    pub fn add(&mut self, rows: Vec<Row>, facts: &Facts) -> Result<(), IndexError> {
        let file = write(&self.folder, rows, facts)?;
        let mut files = self.names.0.to_vec();
        files.push(Arc::new(file));
        self.names = Names(Arc::new(files));
        Ok(())
    }

    /// Merges neighbours where that is due.
    ///
    /// # Errors
    /// [`IndexError`]; either everything is as before, or files that were merged are still there, which the next call removes.
    pub fn tend(&mut self) -> Result<(), IndexError> {
        self.remove_merged()?;
        let files = &self.names.0;
        let records = |file: &Arc<NameFile>| file.facts.to.since(file.facts.from);
        let sizes: Vec<u64> = files.iter().map(records).collect();
        let Some(due) = due(&sizes) else { return Ok(()) };
        let file = merged(&self.folder, &files[due.clone()])?;
        self.merged = files[due.clone()]
            .iter()
            .map(|file| file.path().to_path_buf())
            .collect();
        let mut files = files.to_vec();
        files.splice(due, [Arc::new(file)]);
        self.names = Names(Arc::new(files));
        self.remove_merged()
    }

    fn remove_merged(&mut self) -> Result<(), IndexError> {
        while let Some(path) = self.merged.last() {
            match std::fs::remove_file(path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(error(path, cause)),
                _ => drop(self.merged.pop()),
            }
        }
        Ok(())
    }

    /// Forgets every name, and removes whatever is in the folder. Whoever has [`Names`] keeps them.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn clear(&mut self) -> Result<(), IndexError> {
        self.names = Names::default();
        self.merged.clear();
        super::remove(&self.folder)?;
        std::fs::create_dir_all(&self.folder).map_err(|cause| error(&self.folder, cause))
    }
}

/// The names that lie in a folder, for whoever only reads; none where there is none.
///
/// # Errors
/// [`IndexError`].
pub fn read(folder: &Path) -> Result<Names, IndexError> {
    match open_all(folder) {
        Err(error) if error.cause.kind() == io::ErrorKind::NotFound => Ok(Names::default()),
        opened => opened.map(|(names, _)| names),
    }
}

fn merged(folder: &Path, files: &[Arc<NameFile>]) -> Result<NameFile, IndexError> {
    let (Some(first), Some(last)) = (files.first(), files.last()) else {
        return Err(error(folder, io::Error::other("nothing to merge")));
    };
    let mut rows = Vec::new();
    for file in files {
        let read = file.append_to(&mut rows);
        read.map_err(|cause| error(file.path(), cause))?;
    }
    let orders = files.iter().flat_map(|file| &file.facts.orders);
    let facts = Facts {
        from: first.facts.from,
        entries: files.iter().map(|file| file.facts.entries).sum(),
        orders: orders.copied().collect(),
        ..last.facts.clone()
    };
    write(folder, rows, &facts)
}

/// Writes a file; it has its name only when all of it is on the disk.
fn write(folder: &Path, rows: Vec<Row>, facts: &Facts) -> Result<NameFile, IndexError> {
    let path = path_of(folder, facts);
    let part = path.with_extension(PART);
    let wrap = |cause| error(&path, cause);
    let written = file::write(&part, rows, facts).and_then(|()| std::fs::rename(&part, &path));
    if let Err(cause) = written {
        // It takes no room from the next one; where it stays, the next start removes it.
        let _ = std::fs::remove_file(&part);
        return Err(wrap(cause));
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(wrap)?;
    NameFile::open(&path).map_err(wrap)
}

fn path_of(folder: &Path, facts: &Facts) -> PathBuf {
    folder.join(format!("{:020}-{:020}.{NAMES}", facts.from.get(), facts.to.get()))
}

fn range_of(path: &Path) -> Option<(u64, u64)> {
    let name = path
        .file_name()?
        .to_str()?
        .strip_suffix(NAMES)?
        .strip_suffix('.')?;
    let (from, to) = name.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// Opens the files of a folder that follow one another from the first position on; the others are what a crash has left.
fn open_all(folder: &Path) -> Result<(Names, Vec<PathBuf>), IndexError> {
    let wrap = |cause| error(folder, cause);
    let (mut ranges, mut others) = (Vec::new(), Vec::new());
    for item in std::fs::read_dir(folder).map_err(wrap)? {
        let path = item.map_err(wrap)?.path();
        match range_of(&path) {
            Some((from, to)) => ranges.push((from, std::cmp::Reverse(to), path)),
            None if path.extension().is_some_and(|end| end == PART) => others.push(path),
            None => {}
        }
    }
    ranges.sort();
    let (mut files, mut next) = (Vec::new(), 0);
    for (from, std::cmp::Reverse(to), path) in ranges {
        // Of two that begin at the same position the longer one comes first: it was merged of the other.
        if from != next {
            others.push(path);
            continue;
        }
        let file = NameFile::open(&path).map_err(|cause| error(&path, cause))?;
        if (file.facts.from.get(), file.facts.to.get()) != (from, to) || to <= from {
            let other = super::list::damaged("a file of names is of other positions than it is called for");
            return Err(error(&path, other));
        }
        files.push(Arc::new(file));
        next = to;
    }
    Ok((Names(Arc::new(files)), others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn facts(from: u64, to: u64, entries: u64, orders: &[u64]) -> Facts {
        Facts {
            from: Position::new(from),
            to: Position::new(to),
            last: [to as u8; 32],
            entries,
            orders: orders.iter().copied().map(Position::new).collect(),
        }
    }

    fn row(hash: u64, position: u64) -> Row {
        Row {
            hash,
            position: Position::new(position),
        }
    }

    fn found(names: &Names, hash: u64) -> Vec<u64> {
        let found = names.find(hash).unwrap();
        found.into_iter().map(Position::get).collect()
    }

    #[test]
    fn what_was_added_is_found_by_whoever_opens_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut register = Register::open(folder.path()).unwrap();
        let top = (1 << HASH_BITS) - 1;
        let rows = vec![row(top, 2), row(0, 0), row(7, 1)];
        register.add(rows, &facts(0, 3, 3, &[2])).unwrap();
        register.add(vec![row(7, 4)], &facts(3, 70_000, 1, &[5])).unwrap();
        for names in [register.names(), read(folder.path()).unwrap()] {
            assert_eq!(found(&names, 7), [4, 1], "newest first");
            assert_eq!((found(&names, 0), found(&names, top)), (vec![0], vec![2]));
            assert_eq!(found(&names, 8), Vec::<u64>::new());
            assert_eq!((names.entries(), names.files()), (4, 2));
            assert_eq!(names.orders(), [2, 5].map(Position::new));
            assert_eq!(
                names.mark(),
                Some(([70_000_u64 as u8; 32], Position::new(70_000)))
            );
        }
        assert_eq!(read(&folder.path().join("nothing")).unwrap().files(), 0);
    }

    #[test]
    fn neighbours_are_merged_and_whoever_reads_the_old_ones_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut register = Register::open(folder.path()).unwrap();
        for at in 0..16 {
            let rows = vec![row(at, at * 65_536), row(99, at * 65_536 + 1)];
            let range = facts(at * 65_536, (at + 1) * 65_536, 2, &[at * 65_536]);
            register.add(rows, &range).unwrap();
        }
        let before = register.names();
        register.tend().unwrap();
        let after = register.names();
        assert_eq!((before.files(), after.files()), (16, 1));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        for names in [&before, &after, &read(folder.path()).unwrap()] {
            assert_eq!(found(names, 99).len(), 16);
            assert_eq!(found(names, 99)[0], 15 * 65_536 + 1);
            assert_eq!(found(names, 3), [3 * 65_536]);
            assert_eq!((names.entries(), names.orders().len()), (32, 16));
        }
        register.clear().unwrap();
        assert_eq!((register.names().files(), found(&after, 3).len()), (0, 1));
    }

    #[test]
    fn each_flipped_byte_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut register = Register::open(folder.path()).unwrap();
        let rows = (0..600).map(|at| row(at * 1_000, at)).collect();
        register.add(rows, &facts(0, 600, 600, &[])).unwrap();
        let path = register.names().0[0].path().to_path_buf();
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            let is_seen = match read(folder.path()) {
                Err(error) => error.is_damage(),
                Ok(names) => (0..600)
                    .step_by(256)
                    .any(|one| names.find(one * 1_000).is_err_and(|error| error.is_damage())),
            };
            assert!(is_seen, "byte {at} of {}", good.len());
        }
        for end in 0..good.len() {
            std::fs::write(&path, &good[..end]).unwrap();
            assert!(read(folder.path()).is_err(), "cut to {end}");
        }
    }

    #[test]
    fn what_a_crash_leaves_is_removed_by_who_writes_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut register = Register::open(folder.path()).unwrap();
        register.add(vec![row(1, 0)], &facts(0, 2, 1, &[])).unwrap();
        let merged = path_of(folder.path(), &facts(0, 1, 0, &[]));
        let half = folder.path().join("x.part");
        for path in [&merged, &half] {
            std::fs::write(path, "x").unwrap();
        }
        assert_eq!(found(&read(folder.path()).unwrap(), 1), [0]);
        assert!(merged.exists() && half.exists());
        drop(Register::open(folder.path()).unwrap());
        assert!(!merged.exists() && !half.exists());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_name_is_found_whatever_the_hashes_are(
            hashes in proptest::collection::vec(prop_oneof![0_u64..40, any::<u64>().prop_map(|hash| hash >> 8)], 0..900),
            cuts in proptest::collection::btree_set(1_usize..899, 0..4),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut register = Register::open(folder.path()).unwrap();
            let mut model: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let ends = cuts.into_iter().filter(|end| *end < hashes.len()).chain([hashes.len()]);
            let mut from = 0;
            for to in ends.filter(|end| *end > 0) {
                let rows = (from..to).map(|at| row(hashes[at], at as u64)).collect();
                register.add(rows, &facts(from as u64, to as u64, 0, &[])).unwrap();
                from = to;
            }
            for (at, hash) in hashes.iter().enumerate() {
                model.entry(*hash).or_default().insert(0, at as u64);
            }
            for _ in 0..2 {
                for (hash, positions) in &model {
                    prop_assert_eq!(&found(&register.names(), *hash), positions);
                }
                for absent in (0..40).filter(|hash| !model.contains_key(hash)) {
                    prop_assert_eq!(found(&register.names(), absent), Vec::<u64>::new());
                }
                register.tend().unwrap();
            }
        }
    }
}

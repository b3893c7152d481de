//! A disk in memory that records what is done to it, fails when told to, and loses its power at any moment.
//!
//! For tests only; part of the library so that the tests of the whole program can use it. A [`SimDisk`] keeps two
//! things apart that a real one mixes up: what a program reads back (the page cache) and what would still be there
//! after the power went (the platter). Every change goes into a trace; [`SimDisk::after_cut`] builds, from any prefix of
//! that trace, a disk as it may be found after a power cut:
//!
//! - what was synced is there;
//! - each write that was not is there, or not, or torn: any of its sectors of 512 bytes may have made it;
//! - of the creations, renames and removals since the last sync of the folder, the first few may have made it;
//! - after a sync that failed, the bytes written before it are in the page cache and nowhere else, and no later sync
//!   brings them to the platter: that is what Linux does.
//!
//! It knows no folders: a path is a name, and a file's folder is what stands before its last part.

use super::disk::{Disk, DiskFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bytes that are written whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// One step of the trace.
#[derive(Clone, Debug)]
enum Op {
    Create(PathBuf, FileId),
    Write(FileId, u64, Vec<u8>),
    Cut(FileId, u64),
    Sync(FileId),
    SyncFailed(FileId),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncFolder(PathBuf),
}

type FileId = usize;

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The write fails and only part of its bytes reach the page cache.
    Write,
    /// The write fails for want of room, as [`Fault::Write`].
    Full,
    /// The sync fails; what was written since the last one stays in the page cache and never reaches the platter.
    Sync,
    /// The read fails.
    Read,
}

/// How much of what was not synced survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// Nothing.
    Nothing,
    /// Everything that could.
    All,
    /// What this seed says, sector by sector.
    Seed(u64),
}

#[derive(Clone, Default)]
struct State {
    /// What the trace begins with.
    base: Tree,
    /// What a program sees.
    now: Tree,
    trace: Vec<Op>,
    files: usize,
    writes: usize,
    syncs: usize,
    reads: usize,
    read_bytes: u64,
    /// By kind, the number of the call that fails.
    faults: Vec<(Fault, usize)>,
    free: Option<u64>,
    /// The process has no descriptor left.
    exhausted: bool,
    /// Bytes that no read gets any more.
    unreadable: Vec<(FileId, Range<u64>)>,
}

/// Names and files.
#[derive(Clone, Default)]
struct Tree {
    names: BTreeMap<PathBuf, FileId>,
    files: BTreeMap<FileId, Vec<u8>>,
}

/// A disk in memory; a clone is the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk with room without end.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many steps the trace has: a moment at which the power may go.
    pub fn moment(&self) -> usize {
        self.lock().trace.len()
    }

    /// How many writes and syncs there were: the numbers that [`SimDisk::fail`] counts in.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.writes, state.syncs)
    }

    /// How many bytes were read.
    pub fn read_bytes(&self) -> u64 {
        self.lock().read_bytes
    }

    /// Makes the n-th write, sync or read from now on fail, counted from 0.
    pub fn fail(&self, fault: Fault, nth: usize) {
        let mut state = self.lock();
        let so_far = match fault {
            Fault::Write | Fault::Full => state.writes,
            Fault::Sync => state.syncs,
            Fault::Read => state.reads,
        };
        state.faults.push((fault, so_far + nth));
    }

    /// No write, sync or read fails any more that has not failed yet.
    pub fn fail_no_more(&self) {
        self.lock().faults.clear();
    }

    /// From now on so many bytes are free; `None` for room without end. Files that grow take from it.
    pub fn set_free(&self, bytes: Option<u64>) {
        self.lock().free = bytes;
    }

    /// From now on files and folders can be opened, or not, as in a process that has no descriptor left.
    pub fn set_descriptors(&self, left: bool) {
        self.lock().exhausted = !left;
    }

    /// From now on no read of a file gets any of these bytes.
    pub fn set_unreadable(&self, path: &Path, bytes: Range<u64>) {
        let mut state = self.lock();
        if let Some(file) = state.now.names.get(path).copied() {
            state.unreadable.push((file, bytes));
        }
    }

    /// The disk as it may be found where the power goes after the first `moment` steps of the trace.
    pub fn after_cut(&self, moment: usize, survives: Survives) -> Self {
        let state = self.lock();
        let mut cut = PowerCut::new(&state.base, survives);
        state.trace.iter().take(moment).for_each(|op| cut.op(op));
        let tree = cut.end();
        let files = state.files;
        Self::holding(tree, files)
    }

    /// An independent disk with the same files, all of them synced.
    pub fn copy(&self) -> Self {
        let state = self.lock();
        Self::holding(state.now.clone(), state.files)
    }

    fn holding(tree: Tree, files: usize) -> Self {
        let state = State {
            base: tree.clone(),
            now: tree,
            files,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The names of all files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.lock().now.names.keys().cloned().collect()
    }

    /// A file's bytes, where there is such a file.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        let id = state.now.names.get(path)?;
        state.now.files.get(id).cloned()
    }

    /// Changes a file behind everybody's back, page cache and platter alike; makes it where there is none.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let id = match state.now.names.get(path) {
            Some(id) => *id,
            None => state.next_file(),
        };
        state.now.names.insert(path.into(), id);
        state.base.names.insert(path.into(), id);
        change(state.now.files.entry(id).or_default());
        let bytes = state.now.files.get(&id).cloned().unwrap_or_default();
        state.base.files.insert(id, bytes);
    }

    /// Takes a file away behind everybody's back.
    pub fn take_away(&self, path: &Path) -> Option<Vec<u8>> {
        let mut state = self.lock();
        state.base.names.remove(path);
        let id = state.now.names.remove(path)?;
        state.now.files.get(&id).cloned()
    }
}

impl State {
    fn descriptor(&self) -> io::Result<()> {
        if self.exhausted {
            return Err(rustix::io::Errno::MFILE.into());
        }
        Ok(())
    }

    fn next_file(&mut self) -> FileId {
        self.files += 1;
        self.files
    }

    fn takes(&mut self, fault: Fault, count: usize) -> bool {
        let before = self.faults.len();
        self.faults.retain(|planned| *planned != (fault, count));
        self.faults.len() < before
    }

    fn op(&mut self, op: Op) {
        self.now.apply(&op);
        self.trace.push(op);
    }

    /// Takes room for a file that grows to `end`; answers whether there is enough.
    fn grow(&mut self, file: FileId, end: u64) -> bool {
        let len = self.now.files.get(&file).map_or(0, Vec::len) as u64;
        let more = end.saturating_sub(len);
        match &mut self.free {
            None => true,
            Some(free) if *free >= more => {
                *free -= more;
                true
            }
            Some(_) => false,
        }
    }

    fn shrink(&mut self, file: FileId, len: u64) {
        let had = self.now.files.get(&file).map_or(0, Vec::len) as u64;
        if let Some(free) = &mut self.free {
            *free += had.saturating_sub(len);
        }
    }
}

impl Tree {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Create(path, id) => {
                self.names.insert(path.clone(), *id);
                self.files.insert(*id, Vec::new());
            }
            Op::Write(id, offset, bytes) => put(self.files.entry(*id).or_default(), *offset, bytes),
            Op::Cut(id, len) => self.files.entry(*id).or_default().truncate(*len as usize),
            Op::Rename(from, to) => {
                if let Some(id) = self.names.remove(from) {
                    self.names.insert(to.clone(), id);
                }
            }
            Op::Remove(path) => drop(self.names.remove(path)),
            Op::Sync(_) | Op::SyncFailed(_) | Op::SyncFolder(_) => {}
        }
    }
}

fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = offset as usize;
    let end = start + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(bytes);
}

/// Replays a trace onto a platter.
struct PowerCut {
    platter: Tree,
    /// Changes of files that no sync has reached.
    dirty: Vec<(FileId, Op)>,
    /// Changes of names that no sync of their folder has reached.
    names: Vec<Op>,
    survives: Survives,
    random: u64,
}

impl PowerCut {
    fn new(base: &Tree, survives: Survives) -> Self {
        let random = match survives {
            Survives::Seed(seed) => seed,
            Survives::Nothing | Survives::All => 0,
        };
        Self {
            platter: base.clone(),
            dirty: Vec::new(),
            names: Vec::new(),
            survives,
            random,
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Write(id, ..) | Op::Cut(id, _) => self.dirty.push((*id, op.clone())),
            Op::Sync(id) => {
                let (synced, rest) = std::mem::take(&mut self.dirty)
                    .into_iter()
                    .partition(|(file, _)| file == id);
                self.dirty = rest;
                let synced: Vec<(FileId, Op)> = synced;
                synced.iter().for_each(|(_, op)| self.platter.apply(op));
            }
            // Some of it may have been written before the error came; none of it ever will be.
            Op::SyncFailed(id) => {
                let (failed, rest) = std::mem::take(&mut self.dirty)
                    .into_iter()
                    .partition(|(file, _)| file == id);
                self.dirty = rest;
                let failed: Vec<(FileId, Op)> = failed;
                if self.survives != Survives::All {
                    failed.iter().for_each(|(_, op)| self.maybe(op));
                }
            }
            Op::Create(..) | Op::Rename(..) | Op::Remove(_) => self.names.push(op.clone()),
            Op::SyncFolder(folder) => {
                let (synced, rest) = std::mem::take(&mut self.names)
                    .into_iter()
                    .partition(|op| folder_of(op) == Some(folder));
                self.names = rest;
                let synced: Vec<Op> = synced;
                synced.iter().for_each(|op| self.platter.rename(op));
            }
        }
    }

    fn end(mut self) -> Tree {
        for (_, op) in std::mem::take(&mut self.dirty) {
            self.maybe(&op);
        }
        let names = std::mem::take(&mut self.names);
        let kept = match self.survives {
            Survives::Nothing => 0,
            Survives::All => names.len(),
            Survives::Seed(_) => self.next() as usize % (names.len() + 1),
        };
        names.iter().take(kept).for_each(|op| self.platter.rename(op));
        let named: BTreeSet<FileId> = self.platter.names.values().copied().collect();
        self.platter.files.retain(|id, _| named.contains(id));
        self.platter
    }

    /// Applies a change that was not synced, or part of it, or nothing.
    fn maybe(&mut self, op: &Op) {
        match self.survives {
            Survives::Nothing => {}
            Survives::All => self.platter.apply(op),
            Survives::Seed(_) => match (self.next() % 4, op) {
                (0, _) => {}
                (1, _) | (_, Op::Cut(..)) => self.platter.apply(op),
                (_, Op::Write(id, offset, bytes)) => self.tear(*id, *offset, bytes),
                _ => {}
            },
        }
    }

    fn tear(&mut self, id: FileId, offset: u64, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let sector_end = (offset as usize + at) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
            let end = (sector_end - offset as usize).min(bytes.len());
            if self.next() & 1 == 1 {
                let file = self.platter.files.entry(id).or_default();
                put(file, offset + at as u64, &bytes[at..end]);
            }
            at = end;
        }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Tree {
    /// Applies a change of names only: a file that was made keeps the bytes that reached the platter.
    fn rename(&mut self, op: &Op) {
        match op {
            Op::Create(path, id) => {
                self.names.insert(path.clone(), *id);
                self.files.entry(*id).or_default();
            }
            _ => self.apply(op),
        }
    }
}

fn folder_of(op: &Op) -> Option<&Path> {
    match op {
        Op::Create(path, _) | Op::Rename(path, _) | Op::Remove(path) => path.parent(),
        _ => None,
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("`{}` is not there", path.display()),
    )
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.descriptor()?;
        if state.now.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.next_file();
        state.op(Op::Create(path.into(), file));
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.lock();
        state.descriptor()?;
        let file = state.now.names.get(path).copied();
        drop(state);
        let file = file.ok_or_else(|| not_found(path))?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if !state.now.names.contains_key(from) {
            return Err(not_found(from));
        }
        state.op(Op::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let file = state
            .now
            .names
            .get(path)
            .copied()
            .ok_or_else(|| not_found(path))?;
        state.shrink(file, 0);
        state.op(Op::Remove(path.into()));
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let inside = state
            .now
            .names
            .keys()
            .filter(|path| path.parent() == Some(folder));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.descriptor()?;
        state.op(Op::SyncFolder(folder.into()));
        Ok(())
    }

    fn free(&self, _folder: &Path) -> io::Result<u64> {
        Ok(self.lock().free.unwrap_or(u64::MAX / 2))
    }
}

struct SimFile {
    disk: SimDisk,
    file: FileId,
}

impl DiskFile for SimFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let count = state.writes;
        state.writes += 1;
        let full = state.takes(Fault::Full, count) || !state.grow(self.file, offset + bytes.len() as u64);
        if full || state.takes(Fault::Write, count) {
            let part = bytes[..bytes.len() / 2].to_vec();
            state.op(Op::Write(self.file, offset, part));
            let kind = if full {
                io::ErrorKind::StorageFull
            } else {
                io::ErrorKind::Other
            };
            return Err(io::Error::new(kind, "the simulated write failed"));
        }
        state.op(Op::Write(self.file, offset, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let count = state.syncs;
        state.syncs += 1;
        if state.takes(Fault::Sync, count) {
            state.op(Op::SyncFailed(self.file));
            return Err(io::Error::other("the simulated sync failed"));
        }
        state.op(Op::Sync(self.file));
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        let count = state.reads;
        state.reads += 1;
        if state.takes(Fault::Read, count) {
            return Err(io::Error::other("the simulated read failed"));
        }
        let range = offset..offset.saturating_add(buffer.len() as u64);
        let meets = |(file, bytes): &(FileId, Range<u64>)| {
            *file == self.file && bytes.start < range.end && range.start < bytes.end
        };
        if state.unreadable.iter().any(meets) {
            return Err(rustix::io::Errno::IO.into());
        }
        state.read_bytes += buffer.len() as u64;
        let file = state.now.files.get(&self.file).map_or(&[][..], Vec::as_slice);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
        let end = start.saturating_add(buffer.len()).min(file.len());
        buffer[..end - start].copy_from_slice(&file[start..end]);
        Ok(end - start)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.shrink(self.file, len);
        state.op(Op::Cut(self.file, len));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        Ok(state.now.files.get(&self.file).map_or(0, Vec::len) as u64)
    }
}

#[cfg(test)]
mod tests;

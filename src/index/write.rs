//! Writing an index.

use super::alike::{self, Alike};
use super::build::Build;
use super::growing::Growing;
use super::merge::{Source, merge};
use super::shelf::{PART, Shelf, State, path_of};
use super::volume::Volume;
use super::{Document, IndexError, error};
use crate::record::{Hash, Position};
use roaring::RoaringBitmap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

/// So many growing documents are sealed.
pub const SEALED_DOCUMENTS: u32 = 1 << 16;
/// So many bytes of keys are sealed, however few the documents are.
pub const SEALED_BYTES: usize = 64 << 20;
/// No volume is merged into one of more documents.
const MERGED_DOCUMENTS_MAX: u64 = 1 << 20;
/// So many neighbours are merged.
const MERGED_VOLUMES: usize = 16;

/// Adds documents, in the order of positions.
pub struct Writer {
    folder: PathBuf,
    shelf: Arc<Shelf>,
    /// What the shelf has: nobody else sets it.
    state: State,
    merging: Option<JoinHandle<io::Result<Volume>>>,
    comparing: Option<Comparing>,
    /// Files of volumes that were merged: they count as long as they are there.
    merged: Vec<PathBuf>,
}

/// A volume that is being compared with those before it, in a thread of its own: with many of them it takes as long as it takes to
/// fill the next one.
struct Comparing {
    /// It, behind those before it.
    volumes: Vec<Arc<Volume>>,
    /// Answers what is known of all of them then.
    job: JoinHandle<io::Result<Vec<Arc<Alike>>>>,
}

impl Comparing {
    /// Compares the last of these, of the others of which this is known.
    fn begin(volumes: Vec<Arc<Volume>>, mut known: Vec<Arc<Alike>>) -> io::Result<Self> {
        let all = volumes.clone();
        let job = std::thread::Builder::new().name("search-compare".into());
        let job = job.spawn(move || {
            let (last, older) = all.split_last().ok_or_else(|| io::Error::other("no volume"))?;
            let own = alike::compare(&last.all_tags()?, older, &mut known)?;
            known.push(Arc::new(own));
            Ok(known)
        })?;
        Ok(Self { volumes, job })
    }

    /// Whether these volumes begin with those that are compared.
    fn is_of(&self, volumes: &[Arc<Volume>]) -> bool {
        let same = self
            .volumes
            .iter()
            .zip(volumes)
            .all(|(one, other)| Arc::ptr_eq(one, other));
        same && self.volumes.len() <= volumes.len()
    }
}

impl Writer {
    pub(super) fn new(folder: &Path, shelf: Arc<Shelf>) -> Self {
        Self {
            folder: folder.into(),
            state: shelf.state(),
            shelf,
            merging: None,
            comparing: None,
            merged: Vec::new(),
        }
    }

    /// The position that the next document is of.
    pub fn through(&self) -> Position {
        self.state.through()
    }

    /// Adds the document of the next position; it is found from now on.
    pub fn add(&mut self, document: &Document) {
        let growing = self.state.growing.write();
        let mut growing = growing.unwrap_or_else(PoisonError::into_inner);
        let number = growing.len();
        growing.add(number, document);
    }

    /// Whether it is time to seal: add nothing before that is done.
    pub fn is_full(&self) -> bool {
        let growing = self.state.growing();
        growing.len() >= SEALED_DOCUMENTS || growing.bytes() >= SEALED_BYTES
    }

    /// Seals what is growing into a volume; `last` is the hash of the last record's leaf. Waits for the disk.
    ///
    /// # Errors
    /// [`IndexError`]; everything is as before then.
    pub fn seal(&mut self, last: &Hash) -> Result<(), IndexError> {
        let range = self.state.from()..self.state.through();
        if range.is_empty() {
            return Ok(());
        }
        let state = &mut self.state;
        let sealed = {
            let growing = state.growing.read().unwrap_or_else(PoisonError::into_inner);
            let sources = vec![Source::growing(&growing)];
            let tags = growing.tags();
            write(&self.folder, &range, sources, &RoaringBitmap::new(), last, tags)
        };
        let volume = sealed.map_err(|cause| error(&self.folder, cause))?;
        state.volumes.push(Arc::new(volume));
        state.growing = Arc::default();
        self.shelf.set(self.state.clone());
        Ok(())
    }

    /// Begins to compare the next volume that is not compared yet with those before it. Not when it is sealed: what is wrong with
    /// another one keeps nobody from that.
    fn begin_to_compare(&mut self) -> Result<(), IndexError> {
        let State { volumes, alike, .. } = &self.state;
        let Some(next) = volumes.get(..=alike.len()) else {
            return Ok(());
        };
        let begun = Comparing::begin(next.to_vec(), alike.clone());
        self.comparing = Some(begun.map_err(|cause| error(&self.folder, cause))?);
        Ok(())
    }

    /// Waits for a comparison, and takes in what it found, unless volumes were merged or replaced meanwhile: it is made again then.
    fn take_in_compared(&mut self) -> Result<(), IndexError> {
        let Some(comparing) = self.comparing.take() else {
            return Ok(());
        };
        let is_of_these =
            comparing.is_of(&self.state.volumes) && self.state.alike.len() + 1 == comparing.volumes.len();
        let path = comparing.volumes.last().map(|volume| volume.path().to_path_buf());
        let panicked = |_| io::Error::other("the thread that compares panicked");
        let known = comparing.job.join().map_err(panicked).and_then(|known| known);
        let known = known.map_err(|cause| error(path.as_deref().unwrap_or(&self.folder), cause))?;
        if is_of_these {
            self.state.alike = known;
            self.shelf.set(self.state.clone());
        }
        Ok(())
    }

    /// Compares the next volume, and waits for it.
    #[cfg(test)]
    pub(super) fn compare_next(&mut self) -> Result<(), IndexError> {
        self.take_in_compared()?;
        self.begin_to_compare()?;
        self.take_in_compared()
    }

    /// Takes in what was merged, and begins to merge where it is due; takes in what was compared, and begins to compare a volume with
    /// the others where one is not: each in a thread of its own, so that documents can be added meanwhile.
    ///
    /// # Errors
    /// [`IndexError`]; the volumes are as before then.
    pub fn tend(&mut self) -> Result<(), IndexError> {
        if self
            .comparing
            .as_ref()
            .is_some_and(|comparing| !comparing.job.is_finished())
        {
            return Ok(());
        }
        if let Err(error) = self.take_in_compared() {
            if error.is_damage() {
                return Err(error);
            }
            // Nothing is wrong but that questions look at more; it is tried again.
            tracing::warn!(%error, "volumes of the index could not be compared");
        }
        // Between two comparisons: what is merged while one goes on would have it made again.
        let is_merging = self
            .merging
            .as_ref()
            .is_some_and(|merging| !merging.is_finished());
        if !is_merging {
            self.take_in()?;
            self.begin_to_merge()?;
        }
        self.begin_to_compare()
    }

    fn begin_to_merge(&mut self) -> Result<(), IndexError> {
        let volumes = &self.state.volumes;
        let sizes: Vec<u64> = volumes.iter().map(|volume| volume.len()).collect();
        if let Some(due) = due(&sizes) {
            let (folder, some) = (self.folder.clone(), volumes[due].to_vec());
            let job = std::thread::Builder::new().name("search-merge".into());
            let job = job.spawn(move || merged(&folder, &some));
            self.merging = Some(job.map_err(|cause| error(&self.folder, cause))?);
        }
        Ok(())
    }

    /// Waits for a merge, and takes it in.
    ///
    /// # Errors
    /// [`IndexError`]; either the volumes are as before then, or files that were merged are still there, which the next call
    /// removes.
    pub fn take_in(&mut self) -> Result<(), IndexError> {
        let Some(merging) = self.merging.take() else {
            return self.remove_merged();
        };
        let panicked = |_| io::Error::other("the thread that merges panicked");
        let volume = merging.join().map_err(panicked).and_then(|merged| merged);
        let volume = Arc::new(volume.map_err(|cause| error(&self.folder, cause))?);
        let State { volumes, alike, .. } = &mut self.state;
        let start = volumes.partition_point(|one| one.from() < volume.from());
        let end = volumes.partition_point(|one| one.to() <= volume.to());
        if alike.len() >= end {
            let own = alike::merged(&volumes[start..end], &alike[start..end]);
            alike.splice(start..end, [Arc::new(own)]);
        } else {
            alike.truncate(start);
        }
        let of_it: Vec<_> = volumes.splice(start..end, [volume]).collect();
        self.shelf.set(self.state.clone());
        self.merged
            .extend(of_it.iter().map(|one| one.path().to_path_buf()));
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

    /// Has documents found by other keys than before, in the order of positions; when it returns no file has what only they had
    /// before. Waits for the disk.
    ///
    /// # Errors
    /// [`IndexError`]; call it again with the same then.
    pub fn replace(&mut self, documents: &[(Position, Document)]) -> Result<(), IndexError> {
        self.take_in()?;
        let growing = within(documents, self.state.from(), None);
        {
            let lock = self.state.growing.write();
            lock.unwrap_or_else(PoisonError::into_inner).replace(&growing);
        }
        for at in 0..self.state.volumes.len() {
            let volume = &self.state.volumes[at];
            let with = within(documents, volume.from(), Some(volume.to()));
            if !with.is_empty() {
                let replaced = replaced(&self.folder, volume, &with);
                let replaced = replaced.map_err(|cause| error(volume.path(), cause))?;
                self.state.volumes[at] = Arc::new(replaced);
                // They may be alike to others than before: all are compared again.
                self.state.alike.clear();
                self.shelf.set(self.state.clone());
            }
        }
        Ok(())
    }

    /// Forgets every document, and removes whatever is in the folder; the next document is of the first position.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn clear(&mut self) -> Result<(), IndexError> {
        // What comes of a merge is not wanted any more.
        let _ = self.take_in();
        self.merged.clear();
        self.state = State::after(&self.state, Vec::new());
        self.shelf.set(self.state.clone());
        super::remove(&self.folder)?;
        std::fs::create_dir_all(&self.folder).map_err(|cause| error(&self.folder, cause))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Nobody may write to the folder once this is gone.
        let _ = self.take_in();
        // And nobody reads it.
        let _ = self.take_in_compared();
    }
}

/// The numbers that documents have in a part of the index.
fn within(documents: &[(Position, Document)], from: Position, to: Option<Position>) -> Vec<(u32, Document)> {
    let start = documents.partition_point(|(position, _)| *position < from);
    let end = to.map_or(documents.len(), |to| {
        documents.partition_point(|(position, _)| *position < to)
    });
    let number = |position: Position| u32::try_from(position.since(from)).unwrap_or(u32::MAX);
    documents[start..end]
        .iter()
        .map(|(position, document)| (number(*position), document.clone()))
        .collect()
}

/// Which neighbours are to be merged: the newest of them that make a volume of the largest size or less, where they are many;
/// or the last two, where both together are small.
pub(super) fn due(sizes: &[u64]) -> Option<Range<usize>> {
    let mut sum = 0;
    let fitting = sizes.iter().rev().take_while(|size| {
        sum += **size;
        sum <= MERGED_DOCUMENTS_MAX
    });
    let fitting = fitting.count();
    if fitting >= MERGED_VOLUMES {
        return Some(sizes.len() - fitting..sizes.len());
    }
    let last: u64 = sizes.iter().rev().take(2).sum();
    (fitting >= 2 && last <= SEALED_DOCUMENTS.into()).then(|| sizes.len() - 2..sizes.len())
}

fn merged(folder: &Path, volumes: &[Arc<Volume>]) -> io::Result<Volume> {
    let (Some(first), Some(last)) = (volumes.first(), volumes.last()) else {
        return Err(io::Error::other("nothing to merge"));
    };
    let shift = |volume: &Volume| u32::try_from(volume.from().since(first.from())).map_err(io::Error::other);
    let sources: io::Result<Vec<Source<'_>>> = volumes
        .iter()
        .map(|volume| Source::volume(volume, shift(volume)?))
        .collect();
    let range = first.from()..last.to();
    let mut tags = Vec::new();
    for volume in volumes {
        tags.extend(volume.all_tags()?);
    }
    write(
        folder,
        &range,
        sources?,
        &RoaringBitmap::new(),
        last.last(),
        &tags,
    )
}

fn replaced(folder: &Path, volume: &Volume, with: &[(u32, Document)]) -> io::Result<Volume> {
    let forgotten = with.iter().map(|(number, _)| *number).collect();
    let growing = Growing::of(with);
    let sources = vec![Source::volume(volume, 0)?, Source::growing(&growing)];
    let mut tags = volume.all_tags()?;
    for (number, document) in with {
        tags[*number as usize] = document.tag;
    }
    write(
        folder,
        &(volume.from()..volume.to()),
        sources,
        &forgotten,
        volume.last(),
        &tags,
    )
}

/// Writes a volume; it has its name only when all of it is on the disk.
fn write(
    folder: &Path,
    range: &Range<Position>,
    sources: Vec<Source<'_>>,
    forgotten: &RoaringBitmap,
    last: &Hash,
    tags: &[u64],
) -> io::Result<Volume> {
    let path = path_of(folder, range.start, range.end);
    let part = path.with_extension(PART);
    let written = Build::new(&part).and_then(|mut build| {
        merge(sources, forgotten, &mut build)?;
        build.finish(range.start, range.end, last, tags)
    });
    if let Err(cause) = written.and_then(|()| std::fs::rename(&part, &path)) {
        // Nothing that was erased may be left in it, nor may it take room from the next one.
        return match std::fs::remove_file(&part) {
            Err(other) if other.kind() != io::ErrorKind::NotFound => Err(other),
            _ => Err(cause),
        };
    }
    File::open(folder)?.sync_all()?;
    Volume::open(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_merged_when_they_are_many_or_small() {
        let sealed = u64::from(SEALED_DOCUMENTS);
        assert_eq!(due(&[]), None);
        assert_eq!(due(&[5]), None);
        assert_eq!(due(&[sealed, 5]), None);
        assert_eq!(due(&[sealed, 5, 7]), Some(1..3));
        assert_eq!(due(&[sealed; 15]), None);
        assert_eq!(due(&[sealed; 16]), Some(0..16));
        let mut sizes = vec![MERGED_DOCUMENTS_MAX, 1_000_000];
        sizes.extend([sealed; 15]);
        assert_eq!(due(&sizes), None, "large ones stay as they are");
        sizes.push(3);
        assert_eq!(due(&sizes), Some(2..18));
    }
}

//! A small synced journal of named values, kept twice.
//!
//! `journal.1` and `journal.2` hold the same bytes. A change is one frame, written and synced to the first and then to the
//! second before it is said to be kept: a crash tears at most one of them, and so at least one copy always ends whole. A copy
//! that is missing, cut or damaged is written again from the other. Where neither ends whole nothing is guessed.
//!
//! | offset | size | header |
//! |---|---|---|
//! | 0 | 8 | magic `CHSTAT01` |
//! | 8 | 8 | the journal's random id |
//! | 16 | 8 | generation: how often it was written anew |
//! | 24 | 4 | zero |
//! | 28 | 4 | CRC32C of bytes 0..28 |
//!
//! | offset | size | frame |
//! |---|---|---|
//! | 0 | 4 | length of the whole frame in bytes |
//! | 4 | 8 | the journal's id |
//! | 12 | 8 | sequence number of the frame, from 0 |
//! | 20 | 4 | CRC of the frame before; of the header for the first |
//! | 24 | 4 | CRC32C of bytes 0..24 and of the items |
//! | 28 | | items: length of the name (2), length of the value (4; all ones: the name is forgotten), name, value |
//!
//! Numbers are little-endian. When it has grown past 64 KiB, or what whoever opens it says, and four times what it holds, it is
//! written anew as one frame; and before it would have more than 256 MiB, of which no more is read. What is still more then is refused.

use crate::store::disk::{Disk, DiskFile};
use crate::store::frame::{u32_at, u64_at};
use bytes::BufMut;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The names of the two copies.
pub const COPIES: [&str; 2] = ["journal.1", "journal.2"];
/// The most bytes of a value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
const MAGIC: [u8; 8] = *b"CHSTAT01";
const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 28;
const ITEM_HEADER_BYTES: usize = 6;
const FORGOTTEN: u32 = u32::MAX;
/// A journal is not written anew before it has so many bytes, where nobody says otherwise.
const COMPACT_FROM: usize = 64 << 10;
/// The most bytes of a copy.
const COPY_BYTES_MAX: usize = 256 << 20;

/// What a journal holds.
pub type Values = BTreeMap<String, Vec<u8>>;

/// One copy as it was found.
#[derive(Debug)]
pub struct Copy {
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it, if anything; a copy that is not there is not wrong.
    pub fault: Option<String>,
    /// Its bytes up to the first fault.
    bytes: Vec<u8>,
    whole: bool,
    found: Option<Found>,
}

/// What the whole frames of a copy say.
#[derive(Debug, Default)]
struct Found {
    id: u64,
    generation: u64,
    sequence: u64,
    crc: u32,
    values: Values,
}

/// Reads both copies and changes nothing.
///
/// # Errors
/// What the system says.
pub fn read(disk: &dyn Disk, folder: &Path) -> io::Result<[Copy; 2]> {
    let [one, two] = COPIES;
    Ok([
        Copy::read(disk, folder.join(one))?,
        Copy::read(disk, folder.join(two))?,
    ])
}

/// The values of the copy that ends whole and says most; `None` where there is no journal.
///
/// # Errors
/// The path of a copy where there are copies and none can be believed.
pub fn values(copies: &[Copy; 2]) -> Result<Option<&Values>, PathBuf> {
    let best = best(copies)?;
    Ok(best
        .and_then(|copy| copy.found.as_ref())
        .map(|found| &found.values))
}

fn best(copies: &[Copy; 2]) -> Result<Option<&Copy>, PathBuf> {
    if !copies.iter().any(|copy| copy.whole) {
        let damaged = copies.iter().find(|copy| copy.fault.is_some());
        return damaged.map_or(Ok(None), |copy| Err(copy.path.clone()));
    }
    // A change is said to be kept once both copies have it: one that ends whole lacks none of those, whatever the other
    // one's generation.
    let whole = copies.iter().filter(|copy| copy.whole);
    Ok(whole.max_by_key(|copy| {
        let found = copy.found.as_ref();
        found.map(|found| (found.generation, copy.bytes.len()))
    }))
}

impl Copy {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        self.found.is_none() && self.fault.is_none()
    }

    fn read(disk: &dyn Disk, path: PathBuf) -> io::Result<Self> {
        let mut copy = Self {
            path,
            fault: None,
            bytes: Vec::new(),
            whole: false,
            found: None,
        };
        copy.bytes = match disk.open(&copy.path) {
            Ok(file) => all(file.as_ref())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(copy),
            Err(error) => return Err(error),
        };
        match Found::header(&copy.bytes) {
            Err(fault) => copy.fault = Some(fault),
            Ok(mut found) => {
                let end = found.frames(&copy.bytes);
                // A journal is made with its first frame.
                copy.whole = end == copy.bytes.len() && end > HEADER_BYTES;
                if !copy.whole {
                    copy.fault = Some(format!("the frame at byte {end} is cut or damaged"));
                }
                copy.bytes.truncate(end);
                copy.found = Some(found);
            }
        }
        Ok(copy)
    }
}

fn all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let length = file.len()?.min(COPY_BYTES_MAX as u64);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let found = file.read_at(&mut bytes, 0)?;
    bytes.truncate(found);
    Ok(bytes)
}

impl Found {
    fn header(bytes: &[u8]) -> Result<Self, String> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(format!("it has {} bytes and no header", bytes.len()));
        };
        let crc = crc32c::crc32c(&header[..28]);
        if header[..8] != MAGIC || u32_at(header, 28) != crc {
            return Err("its header is damaged".into());
        }
        Ok(Self {
            id: u64_at(header, 8),
            generation: u64_at(header, 16),
            crc,
            ..Self::default()
        })
    }

    /// Takes in all frames up to the first that is not one; answers where that is.
    fn frames(&mut self, bytes: &[u8]) -> usize {
        let mut at = HEADER_BYTES;
        while let Some(length) = self.frame(&bytes[at..]) {
            at += length;
        }
        at
    }

    fn frame(&mut self, bytes: &[u8]) -> Option<usize> {
        let header = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
        let length = usize::try_from(u32_at(header, 0)).ok()?;
        let items = bytes.get(FRAME_HEADER_BYTES..length)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..24]), items);
        let follows = u64_at(header, 4) == self.id
            && u64_at(header, 12) == self.sequence
            && u32_at(header, 20) == self.crc
            && u32_at(header, 24) == crc;
        if !follows || !apply(items, &mut self.values) {
            return None;
        }
        self.sequence += 1;
        self.crc = crc;
        Some(length)
    }
}

/// Applies the items of a frame; answers whether they are whole.
fn apply(mut items: &[u8], values: &mut Values) -> bool {
    while let Some(header) = items.first_chunk::<ITEM_HEADER_BYTES>() {
        let name_bytes = usize::from(u16::from_le_bytes([header[0], header[1]]));
        let value_bytes = u32_at(header, 2);
        let forgotten = value_bytes == FORGOTTEN;
        let value_bytes = if forgotten { 0 } else { value_bytes as usize };
        let rest = &items[ITEM_HEADER_BYTES..];
        let Some((name, rest)) = rest.split_at_checked(name_bytes) else {
            return false;
        };
        let Some((value, rest)) = rest.split_at_checked(value_bytes) else {
            return false;
        };
        let Ok(name) = std::str::from_utf8(name) else {
            return false;
        };
        if forgotten {
            values.remove(name);
        } else {
            values.insert(name.to_owned(), value.to_vec());
        }
        items = rest;
    }
    items.is_empty()
}

/// An open journal.
pub struct StateJournal {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    files: Vec<Arc<dyn DiskFile>>,
    found: Found,
    bytes: usize,
    /// The newest generation that was begun.
    generation: u64,
    /// A write failed: nobody knows what the copies end with.
    failed: bool,
    /// It is not written anew before it has so many bytes.
    compact_from: usize,
    /// A copy of more bytes than this could not be read again: it has never more.
    bytes_max: usize,
}

impl StateJournal {
    /// Opens the journal in a folder; a copy that is not as the better one is written again, and the second part of the
    /// answer says which, why, and what became of it. A new journal has no files before the first change.
    ///
    /// # Errors
    /// The file and what the system says; `InvalidData` where no copy can be believed.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<(Self, Vec<String>), (PathBuf, io::Error)> {
        let wrap = |cause| (folder.to_owned(), cause);
        let copies = read(disk.as_ref(), folder).map_err(wrap)?;
        let best = best(&copies).map_err(|path| (path, io::ErrorKind::InvalidData.into()))?;
        let Some(best) = best else {
            // Nothing is written before there is something to keep.
            let found = Found {
                id: random_id().map_err(wrap)?,
                ..Found::default()
            };
            return Ok((Self::over(disk, folder, found, Vec::new(), 0), Vec::new()));
        };
        let mut mended = Vec::new();
        for copy in copies
            .iter()
            .filter(|copy| !copy.whole || copy.bytes != best.bytes)
        {
            let fault = copy.fault.as_deref().unwrap_or("it was missing or behind");
            // Without it the other copy serves all the same, and the next change writes both anew.
            let then = match write_copy(disk.as_ref(), folder, &copy.path, &best.bytes) {
                Ok(()) => "it was written again from its copy".to_owned(),
                Err(cause) => format!("it cannot be written again now ({cause}), its copy serves"),
            };
            mended.push(format!("`{}`: {fault}; {then}", copy.path.display()));
        }
        let files = COPIES.iter().map(|name| disk.open(&folder.join(name)));
        let files = files.collect::<io::Result<Vec<_>>>().unwrap_or_default();
        let mut found = Found::header(&best.bytes).unwrap_or_default();
        found.frames(&best.bytes);
        let is_whole = read(disk.as_ref(), folder)
            .is_ok_and(|copies| copies.iter().all(|copy| copy.whole && copy.bytes == best.bytes));
        let mut journal = Self::over(Arc::clone(&disk), folder, found, files, best.bytes.len());
        journal.failed = !is_whole;
        Ok((journal, mended))
    }

    /// A journal over open copies; the next change writes both anew where there are none.
    fn over(
        disk: Arc<dyn Disk>,
        folder: &Path,
        found: Found,
        files: Vec<Arc<dyn DiskFile>>,
        bytes: usize,
    ) -> Self {
        Self {
            disk,
            folder: folder.to_owned(),
            failed: files.is_empty(),
            files,
            generation: found.generation,
            found,
            bytes,
            compact_from: COMPACT_FROM,
            bytes_max: COPY_BYTES_MAX,
        }
    }

    /// Is not written anew before it has so many bytes: for one whose values change often.
    #[must_use]
    pub fn compacted_from(self, bytes: usize) -> Self {
        Self {
            compact_from: bytes,
            ..self
        }
    }

    /// All values.
    pub fn values(&self) -> &Values {
        &self.found.values
    }

    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.found.values.get(name).map(Vec::as_slice)
    }

    /// Keeps all these values; returns once both copies are synced. `None` forgets a name. After a failure the next call
    /// writes both copies anew.
    ///
    /// # Errors
    /// What the system says; the values may be there after a restart all the same.
    pub fn put(&mut self, items: &[(&str, Option<&[u8]>)]) -> io::Result<()> {
        let frame = frame(&self.found, items)?;
        let live: usize = self
            .found
            .values
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let grown = self.compact_from.max(4 * live).min(self.bytes_max);
        let is_grown = self.bytes + frame.len() > grown;
        let written = if self.failed || is_grown {
            self.write_anew(items)
        } else {
            self.append(&frame)
        };
        self.failed = written.is_err();
        written
    }

    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        for file in &self.files {
            file.write_all_at(frame, self.bytes as u64)?;
            file.sync_data()?;
        }
        // It was made a moment ago from this state.
        let taken = self.found.frame(frame);
        debug_assert_eq!(taken, Some(frame.len()));
        self.bytes += frame.len();
        Ok(())
    }

    fn write_anew(&mut self, items: &[(&str, Option<&[u8]>)]) -> io::Result<()> {
        let mut values = self.found.values.clone();
        for (name, value) in items {
            match value {
                Some(value) => drop(values.insert((*name).to_owned(), value.to_vec())),
                None => drop(values.remove(*name)),
            }
        }
        self.generation += 1;
        let mut bytes = header(random_id()?, self.generation);
        let mut found = Found::header(&bytes).unwrap_or_default();
        let all: Vec<_> = values
            .iter()
            .map(|(name, value)| (name.as_str(), Some(value.as_slice())))
            .collect();
        let frame = frame(&found, &all)?;
        found.frame(&frame);
        bytes.extend(frame);
        if bytes.len() > self.bytes_max {
            let text = format!("{} bytes are over the limit of {}", bytes.len(), self.bytes_max);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let mut files = Vec::new();
        for name in COPIES {
            let path = self.folder.join(name);
            write_copy(self.disk.as_ref(), &self.folder, &path, &bytes)?;
            files.push(self.disk.open(&path)?);
        }
        self.files = files;
        self.found = found;
        self.bytes = bytes.len();
        Ok(())
    }
}

/// Writes a whole copy so that at every moment there is the old one or the new one.
fn write_copy(disk: &dyn Disk, folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let _ = disk.remove(&draft);
    let file = disk.create_private(&draft)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    disk.rename(&draft, path)?;
    disk.sync_folder(folder)
}

fn header(id: u64, generation: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.put_slice(&MAGIC);
    out.put_u64_le(id);
    out.put_u64_le(generation);
    out.put_u32_le(0);
    out.put_u32_le(crc32c::crc32c(&out));
    out
}

fn frame(found: &Found, items: &[(&str, Option<&[u8]>)]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    for (name, value) in items {
        let length = value.map_or(0, <[u8]>::len);
        let name_length = u16::try_from(name.len())
            .ok()
            .filter(|_| length <= VALUE_BYTES_MAX);
        let Some(name_length) = name_length else {
            let text = format!("a value of {length} bytes is over the limit of {VALUE_BYTES_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        body.put_u16_le(name_length);
        // At most 1 MiB.
        body.put_u32_le(value.map_or(FORGOTTEN, |value| value.len() as u32));
        body.put_slice(name.as_bytes());
        body.put_slice(value.unwrap_or_default());
    }
    let length = u32::try_from(FRAME_HEADER_BYTES + body.len()).map_err(io::Error::other)?;
    let mut out = Vec::with_capacity(FRAME_HEADER_BYTES + body.len());
    out.put_u32_le(length);
    out.put_u64_le(found.id);
    out.put_u64_le(found.sequence);
    out.put_u32_le(found.crc);
    out.put_u32_le(crc32c::crc32c_append(crc32c::crc32c(&out), &body));
    out.extend(body);
    Ok(out)
}

fn random_id() -> io::Result<u64> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(id))
}

#[cfg(test)]
mod tests;

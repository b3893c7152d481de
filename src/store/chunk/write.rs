//! Writing a chunk: both files as drafts, synced, then named, then the folder synced.
//!
//! Every record is checked on its way: its payload and salt against the commitment in its leaf, and all leaves against the
//! Merkle tree that was folded from the log. What was damaged since is not sealed. A chunk is there once both its files
//! have their names, the leaves last.

use super::column::{self, WIDTH};
use super::frames::{Row, lay_out, pack};
use super::layout::{FOOTER_BYTES, Footer, Format, HEADER_BYTES, Header};
use super::lz4::Encoder;
use super::{BLOCK, Identity, Part, dictionary, payloads};
use crate::log::{Run, Stored};
use crate::merkle::Tree;
use crate::record::{Epoch, Hash, Leaf, Position, Recorded, SALT_BYTES, commitment, leaf_hash};
use crate::store::disk::{Disk, DiskFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The bytes written at once, and packed in one go between two pauses.
const WRITE_BYTES: usize = 64 << 10;
/// A sync each time so many were written: one sync of everything would hold up commits, which wait for the same disk.
const SYNC_BYTES: u64 = 2 << 20;
const DRAFT: &str = "draft";

/// Why a chunk was not written.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A record is not what was appended.
    #[error("the record at position {position} is damaged: {problem}")]
    Damaged {
        /// Its position.
        position: Position,
        /// What is wrong.
        problem: String,
    },
    /// The disk.
    #[error("`{file}`: {cause}")]
    Io {
        /// The file.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// It was told to stop.
    #[error("told to stop")]
    Stopped,
}

/// Asked after each write; answers whether to go on. May wait, so that whatever else uses the disk comes first.
pub type Pace<'a> = dyn FnMut() -> bool + 'a;

/// A file being written front to back.
pub(super) struct Draft {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
}

impl Draft {
    /// Begins the draft of a part, in the place of one that was left.
    pub(super) fn of(disk: &dyn Disk, folder: &Path, part: Part) -> Result<Self, SealError> {
        Self::begin(disk, folder.join(format!("{}.{DRAFT}", part.ending())))
    }

    /// The file as it is so far.
    pub(super) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Gives a finished draft its name, which may be that of the file that it is to replace.
    pub(super) fn name(&self, disk: &dyn Disk, folder: &Path, name: &str) -> Result<u64, SealError> {
        let path = folder.join(name);
        disk.rename(&self.path, &path).map_err(at(&path))?;
        disk.sync_folder(folder).map_err(at(folder))?;
        Ok(self.written)
    }

    fn begin(disk: &dyn Disk, path: PathBuf) -> Result<Self, SealError> {
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
        Ok(Self {
            file: disk.create(&path).map_err(at(&path))?,
            path,
            buffer: Vec::new(),
            written: 0,
            synced: 0,
        })
    }

    fn length(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub(super) fn put(&mut self, bytes: &[u8], pace: &mut Pace<'_>) -> Result<(), SealError> {
        for piece in bytes.chunks(WRITE_BYTES) {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() >= WRITE_BYTES {
                self.write(pace)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, pace: &mut Pace<'_>) -> Result<(), SealError> {
        let write = self.file.write_all_at(&self.buffer, self.written);
        write.map_err(at(&self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.written - self.synced >= SYNC_BYTES {
            self.sync()?;
        }
        if pace() { Ok(()) } else { Err(SealError::Stopped) }
    }

    fn sync(&mut self) -> Result<(), SealError> {
        self.file.sync_data().map_err(at(&self.path))?;
        self.synced = self.written;
        Ok(())
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> SealError {
    let file = path.display().to_string();
    move |cause| SealError::Io {
        file: file.clone(),
        cause,
    }
}

/// Strings that wait for their frame to be full.
struct Open {
    strings: u32,
    waiting: u32,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    rows: Vec<u8>,
    raw: Vec<u8>,
}

impl Open {
    fn new(strings: u32) -> Self {
        Self {
            strings,
            waiting: 0,
            bytes: Vec::new(),
            ends: Vec::new(),
            rows: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Takes one string; answers the frame that it completes.
    fn push(&mut self, string: &[u8], dictionary: u32, encoder: &mut Encoder) -> io::Result<Option<Vec<u8>>> {
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len());
        self.waiting += 1;
        if self.waiting < self.strings {
            return Ok(None);
        }
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let strings = begins
            .zip(&self.ends)
            .map(|(begin, end)| &self.bytes[begin..*end]);
        lay_out(strings, Format::CURRENT, &mut self.raw)?;
        let (row, packed): (Row, Vec<u8>) = pack(&self.raw, dictionary, encoder)?;
        self.rows.extend(row.encode());
        self.bytes.clear();
        self.ends.clear();
        self.waiting = 0;
        Ok(Some(packed))
    }
}

/// What is known of a chunk once it is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The hash over all its leaves.
    pub root: Hash,
    /// The bytes of both files.
    pub bytes: u64,
}

/// Takes the records of one chunk in their order.
pub struct Writer<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    identity: Identity,
    leaves: Draft,
    payloads: Draft,
    heads: Open,
    bodies: Open,
    encoder: Encoder,
    hashes: Vec<u8>,
    commitments: Vec<u8>,
    salts: Vec<u8>,
    erased: Vec<bool>,
    last: Recorded,
    epoch: Epoch,
    next: Position,
}

impl<'a> Writer<'a> {
    /// Begins both files.
    ///
    /// # Errors
    /// [`SealError::Io`].
    pub fn begin(disk: &'a dyn Disk, folder: &'a Path, identity: Identity) -> Result<Self, SealError> {
        let draft = |part: Part| Draft::of(disk, folder, part);
        let column = identity.count as usize * WIDTH;
        let mut leaves = draft(Part::Leaves)?;
        let mut payloads = draft(Part::Payloads)?;
        leaves.buffer.extend(header(Part::Leaves, identity).encode());
        payloads.buffer.extend(header(Part::Payloads, identity).encode());
        Ok(Self {
            disk,
            folder,
            identity,
            leaves,
            payloads,
            heads: Open::new(Format::CURRENT.frame(Part::Leaves)),
            bodies: Open::new(Format::CURRENT.frame(Part::Payloads)),
            encoder: Encoder::default(),
            hashes: Vec::with_capacity(column),
            commitments: Vec::with_capacity(column),
            salts: Vec::with_capacity(column),
            erased: Vec::with_capacity(identity.count as usize),
            last: Recorded::default(),
            epoch: Epoch::default(),
            next: identity.first(),
        })
    }

    /// The position of the record that it wants next; the end of the chunk once it has all.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Takes the next records. Those behind the end of the chunk are left.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn add(&mut self, run: &Run, pace: &mut Pace<'_>) -> Result<(), SealError> {
        for record in run.slice(self.next, self.identity.end()).iter() {
            self.record(&record, pace)?;
            self.next = record.position.next();
        }
        Ok(())
    }

    fn record(&mut self, record: &Stored<'_>, pace: &mut Pace<'_>) -> Result<(), SealError> {
        let damaged = |problem: &str| SealError::Damaged {
            position: record.position,
            problem: problem.into(),
        };
        if record.position != self.next {
            return Err(damaged("the one before it is missing"));
        }
        let leaf = Leaf::decode(record.leaf).map_err(|error| damaged(&error.to_string()))?;
        let head = record.leaf.strip_suffix(&leaf.commitment);
        let head = head.ok_or_else(|| damaged("its leaf does not end with its commitment"))?;
        let salt = self.salt(record, &leaf)?;
        self.hashes.extend(leaf_hash(record.leaf));
        self.commitments.extend(leaf.commitment);
        self.salts.extend(salt);
        self.erased.push(record.erased);
        self.last = self.last.max(leaf.recorded);
        self.epoch = self.epoch.max(leaf.epoch);
        let frame = self
            .heads
            .push(head, dictionary::LEAVES, &mut self.encoder)
            .map_err(at(&self.leaves.path))?;
        frame.map_or(Ok(()), |frame| self.leaves.put(&frame, pace))?;
        let bodies = &mut self.bodies;
        let frame = bodies.push(record.payload, dictionary::PAYLOADS, &mut self.encoder);
        let frame = frame.map_err(at(&self.payloads.path))?;
        frame.map_or(Ok(()), |frame| self.payloads.put(&frame, pace))
    }

    /// The salt of a record whose payload is the one that its leaf commits to; zeros where both were removed.
    fn salt(&self, record: &Stored<'_>, leaf: &Leaf<'_>) -> Result<[u8; SALT_BYTES], SealError> {
        if record.erased {
            return Ok([0; SALT_BYTES]);
        }
        let salt = record.salt.first_chunk().copied().unwrap_or_default();
        if commitment(&salt, record.payload) == leaf.commitment {
            return Ok(salt);
        }
        Err(SealError::Damaged {
            position: record.position,
            problem: "its payload is not the one that its leaf commits to".into(),
        })
    }

    /// Writes what is left, syncs both files and names them. `root` is the hash over the chunk's leaves in the log's tree.
    ///
    /// # Errors
    /// [`SealError`]; the chunk is then not there.
    pub fn finish(mut self, root: Option<Hash>, pace: &mut Pace<'_>) -> Result<Sealed, SealError> {
        let blocks = self.blocks();
        let found = Tree::of(&blocks).root();
        if self.next != self.identity.end() || root.is_some_and(|root| root != found) {
            return Err(SealError::Damaged {
                position: self.identity.first(),
                problem: format!("the leaves up to {} are not those of the log's tree", self.next),
            });
        }
        let hash_crcs = column::crcs(&self.hashes, BLOCK);
        let commitment_crcs = column::crcs(&self.commitments, Format::CURRENT.block());
        let columns = [&self.hashes[..], &self.commitments[..]];
        let tables = [
            &self.heads.rows[..],
            &hash_crcs,
            &commitment_crcs,
            blocks.as_flattened(),
        ];
        let footer = Footer {
            last_recorded: self.last,
            epoch: self.epoch,
            ..Footer::default()
        };
        finish(
            &mut self.leaves,
            header(Part::Leaves, self.identity),
            &columns,
            &tables,
            footer,
            pace,
        )?;
        let salt_crcs = column::crcs(&self.salts, Format::CURRENT.block());
        let erased = payloads::bits(&self.erased);
        let tables = [&self.bodies.rows[..], &salt_crcs, &erased];
        let header = header(Part::Payloads, self.identity);
        finish(
            &mut self.payloads,
            header,
            &[&self.salts],
            &tables,
            Footer::default(),
            pace,
        )?;
        let number = self.identity.number;
        self.payloads
            .name(self.disk, self.folder, &Part::Payloads.file(number))?;
        self.leaves
            .name(self.disk, self.folder, &Part::Leaves.file(number))?;
        Ok(Sealed {
            root: found,
            bytes: self.leaves.written + self.payloads.written,
        })
    }

    fn blocks(&self) -> Vec<Hash> {
        let hashes = self.hashes.as_chunks::<WIDTH>().0;
        hashes
            .chunks(BLOCK as usize)
            .map(|block| Tree::of(block).root())
            .collect()
    }
}

impl Drop for Writer<'_> {
    /// Removes what was not finished; what was has other names by then.
    fn drop(&mut self) {
        abandon(self.disk, self.folder);
    }
}

pub(super) const fn header(part: Part, identity: Identity) -> Header {
    Header {
        format: Format::CURRENT,
        part,
        identity,
        dictionary: match part {
            Part::Leaves => dictionary::LEAVES,
            Part::Payloads => dictionary::PAYLOADS,
        },
    }
}

/// Puts columns, tables and footer behind the frames, and syncs the file.
pub(super) fn finish(
    draft: &mut Draft,
    header: Header,
    columns: &[&[u8]],
    tables: &[&[u8]],
    mut footer: Footer,
    pace: &mut Pace<'_>,
) -> Result<(), SealError> {
    footer.frames_end = draft.length();
    for column in columns {
        draft.put(column, pace)?;
    }
    footer.columns_end = draft.length();
    for table in tables {
        footer.tables_crc = crc32c::crc32c_append(footer.tables_crc, table);
        draft.put(table, pace)?;
    }
    footer.length = draft.length() + FOOTER_BYTES as u64;
    draft.put(&footer.encode(&header.encode()), pace)?;
    draft.write(pace)?;
    draft.sync()
}

/// Removes drafts that a crash or a stop has left.
pub fn abandon(disk: &dyn Disk, folder: &Path) {
    for part in [Part::Leaves, Part::Payloads] {
        // The next beginning removes it where that fails now.
        let _ = disk.remove(&folder.join(format!("{}.{DRAFT}", part.ending())));
    }
}

const _: () = assert!(HEADER_BYTES < WRITE_BYTES);

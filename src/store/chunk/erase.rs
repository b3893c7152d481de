//! Removing payloads and salts from a chunk.
//!
//! The file of payloads is written anew beside the old one: frames that hold nothing of what goes are copied as they lie, the
//! others are unpacked and packed again without it, salts become zeros, and the bits of the records are set. The new file is
//! read back and held against the commitments of all records that stay before it takes the old one's name, so that at every
//! moment there is one whole file or the other. The file of leaves is not touched, nor is any proof.
//!
//! What was damaged before stays so, no less and no more: damage elsewhere in a chunk is no reason to keep what the law takes.
//! A frame that cannot be unpacked and holds something of it becomes zeros that cannot be unpacked either.

use super::column::{self, WIDTH};
use super::frames::{Frames, Row, lay_out, pack};
use super::layout::{Footer, Header};
use super::lz4::Encoder;
use super::payloads::{self, Payloads};
use super::shelf::{Chunk, Chunks};
use super::write::{Draft, Pace, SealError, abandon, finish};
use super::{ChunkError, Part, Source};
use crate::record::Hash;
use crate::store::disk::Disk;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

impl Chunks {
    /// Removes payloads and salts of the records at these places of a chunk; does nothing where they are removed already.
    /// Readers that have the old file open are given the new one from the next read on.
    ///
    /// # Errors
    /// [`SealError`]; the chunk is then as it was.
    pub fn erase(&self, number: u64, places: &BTreeSet<u32>, pace: &mut Pace<'_>) -> Result<(), SealError> {
        let chunk = self.fresh(number);
        let old = chunk.payloads()?;
        if places.iter().all(|at| old.is_erased(*at)) {
            // The new file has its name, but perhaps only until the power goes.
            let options = self.options();
            let synced = options.disk.sync_folder(&options.folder);
            self.reopen(number);
            return synced.map_err(|cause| SealError::Io {
                file: options.folder.display().to_string(),
                cause,
            });
        }
        let options = self.options();
        let rewriting = Rewriting {
            disk: options.disk.as_ref(),
            folder: &options.folder,
            old,
            erased: places.iter().copied().chain(old.erased()).collect(),
        };
        let written = rewriting.run(&chunk, pace);
        abandon(options.disk.as_ref(), &options.folder);
        let before = old.source().file.len().unwrap_or(0);
        self.resize(before, written?);
        self.reopen(number);
        Ok(())
    }
}

impl From<ChunkError> for SealError {
    fn from(error: ChunkError) -> Self {
        Self::Damaged {
            position: error.position(),
            problem: error.to_string(),
        }
    }
}

struct Rewriting<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    old: &'a Payloads,
    /// All that the new file does not have, by place.
    erased: BTreeSet<u32>,
}

impl Rewriting<'_> {
    /// Writes the new file, checks and names it; answers its length.
    fn run(&self, chunk: &Chunk, pace: &mut Pace<'_>) -> Result<u64, SealError> {
        let source = self.old.source();
        let header = Header {
            format: self.old.format(),
            part: Part::Payloads,
            identity: source.identity,
            dictionary: self.old.frames().dictionary(),
        };
        let mut draft = Draft::of(self.disk, self.folder, Part::Payloads)?;
        draft.put(&header.encode(), pace)?;
        let rows = self.frames(&mut draft, pace)?;
        let salts = self.salts()?;
        let bits: Vec<bool> = (0..source.identity.count)
            .map(|at| self.erased.contains(&at))
            .collect();
        let crcs = column::crcs(&salts, header.format.block());
        let tables = [&rows[..], &crcs, &payloads::bits(&bits)];
        finish(&mut draft, header, &[&salts], &tables, Footer::default(), pace)?;
        self.check(&draft, &chunk.leaves()?.commitments()?)?;
        draft.name(
            self.disk,
            self.folder,
            &Part::Payloads.file(source.identity.number),
        )
    }

    /// Puts all frames; answers their rows.
    fn frames(&self, draft: &mut Draft, pace: &mut Pace<'_>) -> Result<Vec<u8>, SealError> {
        let (source, frames) = (self.old.source(), self.old.frames());
        let mut rows = Vec::new();
        let mut failed = None;
        let mut each = |at: usize, packed: &[u8], row: &Row| {
            let (row, packed) = self.frame(frames, source, at, packed, row)?;
            rows.extend(row.encode());
            draft.put(&packed, pace)
        };
        let read = frames.read_packed(source, |at, packed, row| {
            if failed.is_none() {
                failed = each(at, packed, row).err();
            }
            Ok(())
        });
        read?;
        failed.map_or(Ok(rows), Err)
    }

    /// One frame as it goes into the new file.
    fn frame(
        &self,
        frames: &Frames,
        source: &Source,
        at: usize,
        packed: &[u8],
        row: &Row,
    ) -> Result<(Row, Vec<u8>), SealError> {
        let places = frames.records(&(at..at + 1));
        if self.erased.range(places).next().is_none() {
            return Ok((*row, packed.to_vec()));
        }
        let mut strings = Vec::new();
        let read = frames.read(source, at..at + 1, |place, string| {
            let stays = !self.erased.contains(&place);
            strings.push(if stays { string.to_vec() } else { Vec::new() });
        });
        match read {
            Err(ChunkError::Damaged { .. }) => return Ok(unreadable(row, packed.len())),
            read => read?,
        }
        let mut raw = Vec::new();
        let laid = lay_out(strings.iter().map(Vec::as_slice), self.old.format(), &mut raw);
        // Few frames of a chunk have something of what goes.
        let packed = laid.and_then(|()| pack(&raw, frames.dictionary(), &mut Encoder::default()));
        packed.map_err(|cause| SealError::Io {
            file: source.name.clone(),
            cause,
        })
    }

    fn salts(&self) -> Result<Vec<u8>, SealError> {
        let mut salts = self.old.raw_salts()?;
        for at in &self.erased {
            let begin = *at as usize * WIDTH;
            salts[begin..begin + WIDTH].fill(0);
        }
        Ok(salts)
    }

    /// Reads the new file back: what stays must be what the leaves commit to, and what goes must be gone.
    fn check(&self, draft: &Draft, commitments: &[Hash]) -> Result<(), SealError> {
        let source = Source {
            file: Arc::clone(draft.file()),
            name: self.old.source().name.clone(),
            identity: self.old.source().identity,
        };
        let new = Payloads::open(source)?;
        if !new.erased().eq(self.erased.iter().copied()) {
            return Err(SealError::Damaged {
                position: self.old.source().identity.first(),
                problem: "the new file of payloads does not say what was erased".into(),
            });
        }
        let (before, after) = (self.old.damaged(commitments)?, new.damaged(commitments)?);
        match after.difference(&before).next() {
            None => Ok(()),
            Some(at) => Err(SealError::Damaged {
                position: self.old.source().position(*at),
                problem: "the new file of payloads does not hold what the old one did".into(),
            }),
        }
    }
}

/// A frame of zeros that nobody takes for one that can be read.
fn unreadable(row: &Row, length: usize) -> (Row, Vec<u8>) {
    let zeros = vec![0; length];
    let crc = !crc32c::crc32c(&zeros);
    (Row { crc, ..*row }, zeros)
}

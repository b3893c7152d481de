//! A published copy as a shelf: what `verify --repair` takes records from, once the copy was found sound.

use super::super::VerifyError;
use super::files::{Files, Found};
use crate::log::store::Shelf;
use crate::log::{Columns, ReadError, ReadLimit, Run, Slot};
use crate::merkle::SUBTREE;
use crate::merkle::tile::{self, Tile};
use crate::record::{Position, SALT_BYTES};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The records of a copy, 256 to a bundle of its files.
pub struct PublishedCopy {
    files: Files,
    size: u64,
    /// The bundle that was read last.
    last: Mutex<Option<Run>>,
}

impl PublishedCopy {
    /// The copy in a folder, up to this position.
    ///
    /// # Errors
    /// [`VerifyError::NoCopy`], [`VerifyError::Io`].
    pub fn open(folder: &Path, until: Position) -> Result<Self, VerifyError> {
        Ok(Self {
            files: Files::below(folder)?,
            size: until.get(),
            last: Mutex::default(),
        })
    }

    /// The bundle that holds a position.
    fn bundle(&self, position: Position) -> Result<Run, ReadError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = last.as_ref().filter(|run| run.get(position).is_some()) {
            return Ok(run.clone());
        }
        let index = position.get() / SUBTREE;
        let width = (self.size - index * SUBTREE).min(SUBTREE) as u32;
        let read = |kind| self.file(Tile { kind, index, width }, position);
        let (entries, payloads) = (read(tile::Kind::Entries)?, read(tile::Kind::Payloads)?);
        let run = run(Position::new(index * SUBTREE), width, &entries, &payloads);
        let run = run.ok_or_else(|| not_there(position, "a bundle that is cut"))?;
        Ok(last.insert(run).clone())
    }

    fn file(&self, tile: Tile, position: Position) -> Result<Vec<u8>, ReadError> {
        let file = self.files.there(tile);
        match self.files.tile(file) {
            Ok(Found::Bytes(bytes)) => Ok(bytes),
            // A copy may have no payloads at all.
            Ok(Found::Missing) if tile.kind == tile::Kind::Payloads => Ok(Vec::new()),
            Ok(Found::Missing) => Err(not_there(position, "no file of it")),
            Ok(Found::Unfit(what)) => Err(not_there(position, &what)),
            Err(error) => Err(ReadError::Io {
                what: file.to_string(),
                cause: error.to_string(),
            }),
        }
    }
}

fn not_there(position: Position, found: &str) -> ReadError {
    ReadError::Damaged {
        position,
        expected: "a record of the published copy".into(),
        found: found.into(),
    }
}

/// The records of a bundle; one whose content was left out is as one that was erased. `None` where leaves are missing.
fn run(first: Position, width: u32, entries: &[u8], payloads: &[u8]) -> Option<Run> {
    let mut contents = tile::payloads(payloads);
    let (mut leaves, mut salts, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let mut slots = Vec::new();
    for entry in tile::entries(entries).take(width as usize) {
        leaves.extend_from_slice(entry.ok()?);
        let salted = contents.next().and_then(Result::ok).flatten();
        salts.extend_from_slice(salted.map_or(&[0; SALT_BYTES], |(salt, _)| salt));
        all.extend_from_slice(salted.map_or(&[], |(_, payload)| payload));
        slots.push(Slot {
            leaf_end: u32::try_from(leaves.len()).ok()?,
            payload_end: u32::try_from(all.len()).ok()?,
            erased: salted.is_none(),
        });
    }
    let whole = slots.len() == width as usize;
    whole.then(|| Run::new(first, slots, leaves.into(), salts.into(), all.into()).ok())?
}

impl Shelf for PublishedCopy {
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        _columns: Columns,
    ) -> Result<Option<Vec<Run>>, ReadError> {
        let until = until.min(Position::new(self.size));
        let (mut at, mut left) = (from, limit);
        let mut runs = Vec::new();
        while at < until {
            let part = match self.bundle(at) {
                Ok(run) => run.slice(at, until),
                // What was read before is answered; whoever goes on meets it again.
                Err(_) if !runs.is_empty() => break,
                Err(error) => return Err(error),
            };
            at = part.end();
            let full = part.spend(&mut left);
            runs.push(part);
            if full {
                break;
            }
        }
        Ok((!runs.is_empty()).then_some(runs))
    }

    fn fetch(&self, position: Position, _columns: Columns) -> Result<Option<Run>, ReadError> {
        if position.get() >= self.size {
            return Ok(None);
        }
        Ok(Some(self.bundle(position)?.slice(position, position.next())))
    }
}

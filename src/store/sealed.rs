//! The sealed log as a start finds it: what its chunks say, and what is wrong with them.

use super::chunk::{self, ChunkOptions, Chunks};
use super::recover;
use crate::log::Closed;
use crate::log::open::Fold;
use crate::log::store::Replay;
use crate::record::Position;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The chunks of an archive.
pub struct SealedLog {
    /// All of them.
    pub chunks: Arc<Chunks>,
}

/// What is wrong with the chunks.
#[derive(Default)]
pub struct Damage {
    /// Why the archive is read-only.
    pub closed: Option<Closed>,
    /// The records whose leaves are lost.
    pub lost: Vec<(Position, Position)>,
}

impl SealedLog {
    /// The chunks in a folder, without the drafts that a crash has left. Of the newest ones those that are damaged do not
    /// count where the journal still holds their records: they are sealed again.
    ///
    /// # Errors
    /// What the system says where a folder cannot be listed.
    pub fn open(options: ChunkOptions, journal: &Path) -> io::Result<Self> {
        chunk::abandon(options.disk.as_ref(), &options.folder);
        let found = recover::find(options.disk.as_ref(), journal, Some(options.archive))?;
        let chunks = Chunks::open(options)?;
        if let Some(first) = recover::begin(&found.segments) {
            chunks.forget_damaged(first);
        }
        Ok(Self {
            chunks: Arc::new(chunks),
        })
    }

    /// Tells the fold what the chunks say of themselves.
    pub fn fold(&self, fold: &mut Fold) -> Damage {
        let mut damage = Damage::default();
        for found in self.chunks.outlines() {
            let (first, end) = (found.identity.first(), found.identity.end());
            let error = match found.outline {
                Ok(outline) => {
                    fold.sealed(&outline.blocks, outline.last_recorded, outline.epoch);
                    outline.payloads
                }
                Err(error) => {
                    damage.lost.push((first, end));
                    fold.lost(first, end);
                    Some(error)
                }
            };
            if let Some(error) = error {
                tracing::error!(%error, "a chunk is damaged; the archive is read-only");
                damage.closed.get_or_insert_with(|| Closed::Damaged {
                    what: error.to_string(),
                    position: first,
                });
            }
        }
        damage
    }
}

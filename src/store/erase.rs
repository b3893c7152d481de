//! Removing from the disk what the log has erased.
//!
//! The sealer's thread does it, before it seals on: what an ERASE names is overwritten in the journal ([`segments`]), written out
//! of the sealed files ([`Chunks::erase`](super::chunk::Chunks::erase)), and sled begins anew. Every step may be done again,
//! and a start does all of them again for each ERASE that is not complete. Only then is the log told, which writes down that the
//! archive holds it no longer. Whatever stands in the way is tried again; the records stay masked meanwhile.

mod segments;

use super::chunk::SealError;
use super::seal::{Sealing, Stop};
use crate::log::erasure::CompleteError;
use crate::log::store::WriteError;
use crate::log::{Closed, Erasure, Log};
use crate::record::Position;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// Why something that is erased is still on the disk.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// A file of the journal.
    #[error("the journal's `{file}`: {cause}")]
    Journal {
        /// The file or folder.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The journal does not hold what it should.
    #[error("the journal does not hold the record at position {0}; run: chancery verify")]
    Missing(Position),
    /// A chunk.
    #[error(transparent)]
    Chunk(#[from] SealError),
    /// The hot log.
    #[error("{0}")]
    Hot(String),
    /// The state folder.
    #[error(transparent)]
    Keep(#[from] WriteError),
    /// It is gone, and that could not be written down.
    #[error(transparent)]
    Complete(#[from] CompleteError),
    /// The log takes no records.
    #[error("{0}")]
    Closed(Closed),
    /// It was told to stop.
    #[error("told to stop")]
    Stopped,
}

impl Sealing {
    /// Removes what is erased and not complete. Does nothing where records are lost or damaged: everything stays as it is then.
    ///
    /// # Errors
    /// [`EraseError`]; what was done before stays done.
    pub(super) fn erase(&self, log: &Log, stop: &Stop) -> Result<(), EraseError> {
        let pending = log.erasures_pending();
        if pending.is_empty() {
            return Ok(());
        }
        match log.refusal() {
            None => {}
            Some(Closed::Damaged { .. } | Closed::Draining) => return Ok(()),
            // It could not be written down; and what is read may lie in sled alone.
            Some(closed) => return Err(EraseError::Closed(closed)),
        }
        let targets: BTreeSet<Position> = pending
            .iter()
            .filter(|erasure| !log.is_removed(erasure.position))
            .flat_map(|erasure| erasure.targets.iter().copied())
            .collect();
        if !targets.is_empty() {
            self.erase_in_journal(log, &targets, stop)?;
            self.erase_in_chunks(&targets, stop)?;
            if let (Some(hot), None) = (&self.hot, log.closed()) {
                hot.renew(&|| stop.is_told()).map_err(EraseError::Hot)?;
            }
        }
        if let Some(closed) = log.closed() {
            return Err(EraseError::Closed(closed));
        }
        for erasure in &pending {
            log.removed(erasure.position);
        }
        // The others wait until the views are rid of theirs.
        let rid = |erasure: &&Arc<Erasure>| log.is_held_nowhere(erasure.position);
        let rid: Vec<_> = pending.iter().take_while(rid).cloned().collect();
        log.erased(&rid)?;
        for erasure in rid {
            tracing::info!(
                erase = erasure.position.get(),
                records = erasure.targets.len(),
                "erased: no file of this archive holds it any more"
            );
        }
        Ok(())
    }

    fn erase_in_chunks(&self, targets: &BTreeSet<Position>, stop: &Stop) -> Result<(), EraseError> {
        let records = u64::from(self.chunks.options().records);
        let mut places: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        for target in targets.range(..self.chunks.sealed()) {
            let at = (target.get() % records) as u32;
            places.entry(target.get() / records).or_default().insert(at);
        }
        for (number, places) in places {
            let erased = self.chunks.erase(number, &places, &mut || !stop.is_told());
            match erased {
                Err(SealError::Stopped) => return Err(EraseError::Stopped),
                erased => erased?,
            }
        }
        Ok(())
    }
}

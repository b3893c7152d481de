//! The end of an erasure: once no file holds what it removed, an AUDIT record says so, and a signed certificate can be had.
//!
//! The store says which erasures are at their end. Nothing is removed here, and nothing is said before it is so.

use super::{Erasure, PRIMARY};
use crate::log::store::WriteError;
use crate::log::{
    AppendError, Batch, Columns, Door, Draft, Log, ReadError, SCAN_STEP, SignError, audit, facts,
};
use crate::merkle::Certificate;
use crate::record::{Act, Position, Principal, Recorded, Revision, codec};
use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::Arc;

/// What the AUDIT record of a complete erasure is called.
const EVENT: &str = "erased";
/// The detail of it that names the ERASE.
const ERASE_DETAIL: &str = "erase";
/// So many erasures are said to be complete in one batch: it fits into the smallest journal segment.
const SAID_AT_ONCE: usize = 32;

/// How an erasure stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureState {
    /// The erasure.
    pub erasure: Arc<Erasure>,
    /// The revisions, half open.
    pub revisions: (Revision, Revision),
    /// When the ERASE was recorded.
    pub recorded: Recorded,
    /// When no file of this archive held it any more, and the record that says so; `None` while it is pending.
    pub complete: Option<Completion>,
}

/// When no file of this archive held what was erased any more, and the record that says so.
pub type Completion = (Recorded, Position);

impl Log {
    /// Says that no file holds what these ERASEs removed, ascending: writes that down as records, a batch for many of them, and
    /// keeps it. Waits for the disk.
    ///
    /// # Errors
    /// [`CompleteError`]; those that were not said stay pending then, and to say them again is safe.
    pub fn erased(&self, erasures: &[Arc<Erasure>]) -> Result<(), CompleteError> {
        // A crash may have come between the records and what is kept of them.
        let said = self.completions(erasures)?;
        for erasures in erasures.chunks(SAID_AT_ONCE) {
            let unsaid = |one: &&Arc<Erasure>| !said.contains_key(&one.position);
            let unsaid: Vec<Draft> = erasures.iter().filter(unsaid).map(|one| completed(one)).collect();
            if !unsaid.is_empty() {
                self.say(unsaid)?;
            }
            // One that is done again lies below what was kept.
            let is_new = |one: &&Arc<Erasure>| !self.shared.erasures.is_complete(one.position);
            if let Some(newest) = erasures.iter().rfind(is_new) {
                let through = newest.position.next();
                self.shared.notary.keep(|keep| keep.keep_erased(through))?;
            }
            for erasure in erasures {
                self.shared.erasures.complete(erasure.position);
            }
        }
        Ok(())
    }

    fn say(&self, records: Vec<Draft>) -> Result<(), CompleteError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|cause| WriteError {
            what: "a runtime for what the archive itself says".into(),
            cause: cause.to_string(),
            refused: None,
        })?;
        runtime.block_on(self.append(Batch {
            records,
            request_id: None,
            expected_tail: None,
            fail_if_match: None,
            validate_only: false,
            principal: Principal::system(),
            door: Door::System,
        }))?;
        Ok(())
    }
}

/// Why an erasure could not be said to be complete.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// The record was not taken.
    #[error("the record that says so could not be written: {0}")]
    Append(#[from] AppendError),
    /// Whether there is such a record already could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// How far erasures are could not be kept.
    #[error(transparent)]
    Keep(#[from] WriteError),
}

/// The AUDIT record of a complete erasure.
fn completed(erasure: &Erasure) -> Draft {
    let details = [
        (ERASE_DETAIL, erasure.position.to_string()),
        ("records", erasure.targets.len().to_string()),
        ("copy", PRIMARY.to_owned()),
    ];
    audit::draft(EVENT, Some(&erasure.entry), &details)
}

impl Log {
    /// How the erasure stands that the record at a position orders; `None` where it is no ERASE. Waits for the disk.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn erasure(&self, position: Position) -> Result<Option<ErasureState>, ReadError> {
        let run = self.shared.fetch_one(position, Columns::All)?;
        let leaf = facts::leaf_of(&run, position)?;
        let payload = run.get(position).map_or(&[][..], |record| record.payload);
        let Some(erasure) = Erasure::of(position, &leaf, payload) else {
            return Ok(None);
        };
        let is_pending = self.shared.erasures.read().pending.contains_key(&position);
        let erasure = Arc::new(erasure);
        let complete = if is_pending {
            None
        } else {
            self.completions(slice::from_ref(&erasure))?.remove(&position)
        };
        Ok(Some(ErasureState {
            erasure,
            revisions: leaf.erased.unwrap_or_default(),
            recorded: leaf.recorded,
            complete,
        }))
    }

    /// The signed certificate of an erasure; `None` while it is pending. Waits for whoever signs a checkpoint.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn certificate(&self, state: &ErasureState) -> Result<Option<String>, SignError> {
        let Some((complete, audit)) = state.complete else {
            return Ok(None);
        };
        let certificate = Certificate {
            origin: self.origin().to_owned(),
            entry: state.erasure.entry.clone(),
            erase: state.erasure.position,
            recorded: state.recorded,
            revisions: state.revisions,
            records: state.erasure.targets.len() as u64,
            copy: PRIMARY.to_owned(),
            complete,
            audit,
        };
        let note = self.shared.notary.sign(|key| certificate.sign(key))?;
        let note = note.map_err(|error| WriteError {
            what: "the certificate's text".into(),
            cause: error.to_string(),
            refused: None,
        })?;
        Ok(Some(note.to_string()))
    }

    /// The records that say that these erasures are complete, by the positions of the ERASEs. They follow the ERASEs, mostly at
    /// once: the look ends with the last of them.
    fn completions(&self, erasures: &[Arc<Erasure>]) -> Result<BTreeMap<Position, Completion>, ReadError> {
        let mut sought: BTreeSet<Position> = erasures.iter().map(|one| one.position).collect();
        let mut found = BTreeMap::new();
        let Some(first) = sought.first() else {
            return Ok(found);
        };
        let (mut at, tail) = (first.next(), self.tail());
        while at < tail && !sought.is_empty() {
            let mut audits = Vec::new();
            for run in self.shared.read(at, tail, SCAN_STEP, Columns::Leaves)? {
                for record in run.iter() {
                    let leaf = facts::decode(record.leaf, record.position)?;
                    if leaf.act == Act::Audit {
                        audits.push((record.position, leaf.recorded));
                    }
                    at = record.position.next();
                }
            }
            let positions: Vec<Position> = audits.iter().map(|(position, _)| *position).collect();
            let payloads = self.fetch(&positions, Columns::Payloads)?;
            for (run, (position, recorded)) in payloads.iter().zip(audits) {
                let erase = run.get(position).and_then(|said| said_complete(said.payload));
                if let Some(erase) = erase.filter(|erase| sought.remove(erase)) {
                    found.insert(erase, (recorded, position));
                }
            }
        }
        Ok(found)
    }
}

/// The ERASE that an AUDIT record says is complete.
fn said_complete(payload: &[u8]) -> Option<Position> {
    let system = codec::decode_payload(payload).ok()?.system?;
    let detail = system
        .details
        .into_iter()
        .find(|detail| detail.name == ERASE_DETAIL)?;
    let position = detail.value.parse().ok()?;
    (system.event == EVENT).then(|| Position::new(position))
}

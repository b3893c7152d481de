//! Which of the documents that an entry is reported in are retracted.
//!
//! An event stays what it is when the dispatch that told of it is taken back; but whoever reads it must know. The entry states
//! the documents in its relations, or a LINK says them.

use crate::log::{EntryState, Log, ReadError, Stored};
use crate::record::codec::parts::{Parts, decode_parts};
use crate::record::codec::{Content, RelationType};
use crate::record::{EntryKey, Position, Status};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of the relations among the fields of a content.
const RELATIONS: Parts = Parts::field(15);
/// Of so many documents it is remembered whether they are retracted.
const KNOWN_MAX: usize = 4_096;

/// Looks at documents, each of the last ones once.
pub(super) struct Documents<'l> {
    log: &'l Log,
    as_of: Position,
    /// Nobody waits any more.
    cancelled: &'l AtomicBool,
    retracted: HashMap<EntryKey, bool>,
}

impl<'l> Documents<'l> {
    /// As of a position; ends early once `cancelled` is set.
    pub fn new(log: &'l Log, as_of: Position, cancelled: &'l AtomicBool) -> Self {
        Self {
            log,
            as_of,
            cancelled,
            retracted: HashMap::new(),
        }
    }

    /// Those of an entry that are retracted, in the order stated.
    ///
    /// # Errors
    /// As [`Log::entry`].
    pub fn retracted(&mut self, record: &Stored<'_>, state: &EntryState) -> Result<Vec<EntryKey>, ReadError> {
        let content = match record.erased {
            true => None,
            false => decode_parts(record.payload, RELATIONS).ok().flatten(),
        };
        let mut retracted = Vec::new();
        let mut told = HashSet::new();
        for document in documents(content.as_ref(), state) {
            if self.cancelled.load(Ordering::Relaxed) {
                break;
            }
            if self.is_retracted(&document)? && told.insert(document.clone()) {
                retracted.push(document);
            }
        }
        Ok(retracted)
    }

    fn is_retracted(&mut self, document: &EntryKey) -> Result<bool, ReadError> {
        if let Some(known) = self.retracted.get(document) {
            return Ok(*known);
        }
        let state = self.log.entry(document, self.as_of)?;
        let is_retracted = state.is_some_and(|state| state.status() == Status::Retracted);
        if self.retracted.len() == KNOWN_MAX {
            self.retracted.clear();
        }
        self.retracted.insert(document.clone(), is_retracted);
        Ok(is_retracted)
    }
}

/// However many an entry has: those that it states fit into its payload, and the others are in its state.
fn documents<'e>(
    content: Option<&'e Content>,
    state: &'e EntryState,
) -> impl Iterator<Item = EntryKey> + use<'e> {
    let stated = content.into_iter().flat_map(|content| &content.relations);
    let stated = stated
        .filter(|relation| relation.r#type() == RelationType::ReportedIn)
        .filter_map(|relation| EntryKey::new(&relation.series, &relation.key).ok());
    let links = state.links.iter();
    let linked = links
        .filter(|link| link.relation == RelationType::ReportedIn)
        .map(|link| link.other.clone());
    stated.chain(linked)
}

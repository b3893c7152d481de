//! Which of the documents that an entry is reported in are retracted.
//!
//! An event stays what it is when the dispatch that told of it is taken back; but whoever reads it must know. The entry states
//! the documents in its relations, or a LINK says them.

use crate::log::{EntryState, Log, ReadError, Stored};
use crate::record::codec::parts::{Parts, decode_parts};
use crate::record::codec::{Content, RelationType};
use crate::record::{EntryKey, Position, Status};
use std::collections::HashMap;

/// The number of the relations among the fields of a content.
const RELATIONS: Parts = Parts::field(15);
/// So many documents of an entry are looked at.
const DOCUMENTS_MAX: usize = 64;

/// Looks at documents, each once.
pub(super) struct Documents<'l> {
    log: &'l Log,
    as_of: Position,
    retracted: HashMap<EntryKey, bool>,
}

impl<'l> Documents<'l> {
    /// As of a position.
    pub fn new(log: &'l Log, as_of: Position) -> Self {
        Self {
            log,
            as_of,
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
        for document in documents(content.as_ref(), state) {
            if self.is_retracted(&document)? && !retracted.contains(&document) {
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
        self.retracted.insert(document.clone(), is_retracted);
        Ok(is_retracted)
    }
}

fn documents(content: Option<&Content>, state: &EntryState) -> Vec<EntryKey> {
    let stated = content.into_iter().flat_map(|content| &content.relations);
    let stated = stated
        .filter(|relation| relation.r#type() == RelationType::ReportedIn)
        .filter_map(|relation| EntryKey::new(&relation.series, &relation.key).ok());
    let links = state.links.iter();
    let linked = links
        .filter(|link| link.relation == RelationType::ReportedIn)
        .map(|link| link.other.clone());
    stated.chain(linked).take(DOCUMENTS_MAX).collect()
}

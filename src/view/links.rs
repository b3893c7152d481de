//! The entries that are linked to one, by their own LINKs: what only the whole log can say.

use super::matching::{decode, entry_of};
use crate::log::{Columns, Log, ReadError, ReadLimit, Run};
use crate::record::codec::RelationType;
use crate::record::{Act, EntryKey, Position};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

const STEP: ReadLimit = ReadLimit {
    records: 16_384,
    bytes: 1 << 20,
};

/// An entry that has linked itself to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The entry.
    pub entry: EntryKey,
    /// What the relation is.
    pub relation: RelationType,
    /// The LINK, which stands.
    pub position: Position,
}

/// The entries that have linked themselves to `entry` as of the tail, in the order of their LINKs. Scans the log; ends early once
/// `cancelled` is set.
///
/// # Errors
/// [`ReadError`].
pub fn incoming(log: &Log, entry: &EntryKey, cancelled: &AtomicBool) -> Result<Vec<Incoming>, ReadError> {
    let tail = log.tail();
    let mut standing: BTreeMap<(String, String, RelationType), Incoming> = BTreeMap::new();
    let mut at = Position::START;
    while at < tail && !cancelled.load(Ordering::Relaxed) {
        for run in log.read(at, tail, STEP, Columns::Leaves)? {
            for record in run.iter() {
                let leaf = decode(&record)?;
                let to_it = |link: &crate::record::Link<'_>| {
                    link.series == entry.series.as_str() && link.key == entry.key.as_str()
                };
                let Some(link) = leaf.relation.filter(to_it) else {
                    continue;
                };
                let name = (leaf.series.to_owned(), leaf.key.to_owned(), link.relation);
                if leaf.act == Act::Unlink {
                    standing.remove(&name);
                    continue;
                }
                let found = Incoming {
                    entry: entry_of(record.position, &leaf)?,
                    relation: link.relation,
                    position: record.position,
                };
                standing.insert(name, found);
            }
            at = Run::end(&run);
        }
    }
    let mut all: Vec<_> = standing.into_values().collect();
    all.sort_by_key(|link| link.position);
    Ok(all)
}

//! Which documents have no events yet: what is left to be annotated.
//!
//! An event that stands may state the documents that report it, or a LINK of it says them. Both are gathered as of a position, a hash a
//! document, and whatever documents were found are held against them.

use super::fetched;
use super::matching::decode;
use super::scan::contents;
use super::search::{Match, Search};
use crate::filter::Filter;
use crate::log::{Columns, Log, ReadError, ReadLimit, Run};
use crate::record::codec::RelationType;
use crate::record::codec::parts::{Parts, decode_parts};
use crate::record::{Act, EntryKey, Kind, Leaf, Position, Status};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of the relations among the fields of a content.
const RELATIONS: Parts = Parts::field(15);
/// Records that are fetched at a time.
const FETCHED: usize = 1_024;
/// A stretch of leaves that is read at a time.
const STEP: ReadLimit = ReadLimit {
    records: 16_384,
    bytes: 1 << 20,
};

/// The name of a document: 16 bytes of a SHA-256 of it. Two that share them would be taken for one; nobody finds such two.
type Named = [u8; 16];

/// Leaves those documents out to which an event that stands is said to be reported in, as of a position.
///
/// # Errors
/// [`ReadError`].
pub(super) fn leave_out(
    log: &Log,
    view: Option<&Search>,
    as_of: Position,
    documents: &mut Vec<Match>,
    cancelled: &AtomicBool,
) -> Result<(), ReadError> {
    if documents.is_empty() {
        return Ok(());
    }
    let mut annotated = Annotated {
        log,
        as_of,
        cancelled,
        named: HashSet::new(),
    };
    annotated.by_contents(view)?;
    annotated.by_links(view)?;
    if !annotated.named.is_empty() {
        annotated.filter(documents)?;
    }
    Ok(())
}

/// The documents that have events.
struct Annotated<'l> {
    log: &'l Log,
    as_of: Position,
    cancelled: &'l AtomicBool,
    named: HashSet<Named>,
}

impl Annotated<'_> {
    /// Those that the contents of events state.
    fn by_contents(&mut self, view: Option<&Search>) -> Result<(), ReadError> {
        let filter = Filter::has_related(RelationType::ReportedIn).of_kind(Kind::Event);
        let (events, _) = contents(self.log, view, &filter, self.as_of, self.cancelled)?;
        each_of(
            self.log,
            &events.positions(),
            Columns::Payloads,
            self.cancelled,
            |run| {
                for record in run.iter().filter(|record| !record.erased) {
                    let content = decode_parts(record.payload, RELATIONS).ok().flatten();
                    let relations = content.iter().flat_map(|content| &content.relations);
                    let documents = relations.filter(|one| one.r#type() == RelationType::ReportedIn);
                    self.named
                        .extend(documents.map(|one| named(&one.series, &one.key)));
                }
                Ok(())
            },
        )
    }

    /// Those that LINKs of events say. Few records are LINKs, and the view knows which may be.
    fn by_links(&mut self, view: Option<&Search>) -> Result<(), ReadError> {
        let known = view.map_or(Position::START, |view| view.followed_through().min(self.as_of));
        let acts = view.map_or_else(Vec::new, |view| view.acts(Position::START..known));
        let mut linking: HashSet<EntryKey> = HashSet::new();
        let mut look = |leaf: &Leaf<'_>| {
            let is_report = |link: &crate::record::Link<'_>| link.relation == RelationType::ReportedIn;
            if leaf.act == Act::Link
                && leaf.kind == Kind::Event
                && leaf.relation.as_ref().is_some_and(is_report)
            {
                linking.extend(EntryKey::new(leaf.series, leaf.key).ok());
            }
        };
        each_of(self.log, &acts, Columns::Leaves, self.cancelled, |run| {
            run.iter()
                .try_for_each(|record| decode(&record).map(|leaf| look(&leaf)))
        })?;
        self.each_leaf(known..self.as_of, |leaf| look(leaf))?;
        for entry in linking {
            let state = self.log.entry(&entry, self.as_of)?;
            let standing = state.filter(|state| state.status() == Status::Current);
            let links = standing.iter().flat_map(|state| &state.links);
            let documents = links.filter(|link| link.relation == RelationType::ReportedIn);
            self.named
                .extend(documents.map(|link| named(link.other.series.as_str(), link.other.key.as_str())));
        }
        Ok(())
    }

    fn each_leaf(&self, range: Range<Position>, mut look: impl FnMut(&Leaf<'_>)) -> Result<(), ReadError> {
        let mut at = range.start;
        while at < range.end && !self.cancelled.load(Ordering::Relaxed) {
            for run in self.log.read(at, range.end, STEP, Columns::Leaves)? {
                for record in run.iter().filter(|record| record.position < range.end) {
                    look(&decode(&record)?);
                }
                at = Run::end(&run);
            }
        }
        Ok(())
    }

    fn filter(&self, documents: &mut Vec<Match>) -> Result<(), ReadError> {
        let mut positions: Vec<Position> = documents.iter().map(|one| one.position).collect();
        positions.sort_unstable();
        let mut left_out = HashSet::new();
        each_of(self.log, &positions, Columns::Leaves, self.cancelled, |run| {
            for record in run.iter() {
                let leaf = decode(&record)?;
                if self.named.contains(&named(leaf.series, leaf.key)) {
                    left_out.insert(record.position);
                }
            }
            Ok(())
        })?;
        documents.retain(|one| !left_out.contains(&one.position));
        Ok(())
    }
}

/// Fetches records some at a time; ends early once `cancelled` is set.
fn each_of(
    log: &Log,
    mut positions: &[Position],
    columns: Columns,
    cancelled: &AtomicBool,
    mut take: impl FnMut(Run) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    while !positions.is_empty() && !cancelled.load(Ordering::Relaxed) {
        let some = &positions[..positions.len().min(FETCHED)];
        let runs = log.fetch_some(some, columns, fetched::BYTES)?;
        positions = &positions[runs.len()..];
        runs.into_iter().try_for_each(&mut take)?;
    }
    Ok(())
}

fn named(series: &str, key: &str) -> Named {
    let whole: [u8; 32] = Sha256::new()
        .chain_update(series)
        .chain_update("/")
        .chain_update(key)
        .finalize()
        .into();
    std::array::from_fn(|at| whole[at])
}

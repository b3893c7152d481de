//! Whether what is missing by law is just what the ERASE records name, no more and no less.
//!
//! Without this anyone could call a payload erased that was cut out. What an ERASE names that is not complete may still be
//! there.

use super::super::chunk::Chunks;
use super::super::disk::zeros_from;
use super::super::extents::Extents;
use super::super::frame::{self, FRAME_BYTES_MAX, Header};
use super::super::recover::Segment;
use super::super::segment::FRAMES_AT;
use super::shelf::Whole;
use crate::log::fixity::{Finding, Kind, Report};
use crate::log::store::Shelf;
use crate::log::{Columns, Erasure, ReadLimit, Run};
use crate::record::{Act, Leaf, Position};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::io;

/// What the ERASE records of an archive name.
#[derive(Default)]
pub struct Erased {
    /// All of it.
    pub named: BTreeSet<Position>,
    /// What must be gone, since the ERASE is complete.
    pub gone: BTreeSet<Position>,
}

/// What was met on the way through the log.
#[derive(Default)]
pub struct Met {
    /// The ERASE records.
    pub orders: Vec<Position>,
    /// Records without payload and salt.
    pub blank: BTreeSet<Position>,
}

impl Met {
    /// Holds the two against each other. `later` finds the erasures that a daemon has recorded since it said its tail: what they
    /// name may be gone already. It is asked only where something is missing.
    pub fn hold(
        self,
        whole: &Whole,
        erased_through: Position,
        later: impl FnOnce() -> Vec<Erasure>,
        report: &mut Report,
    ) -> Erased {
        let mut erased = Erased::default();
        let mut unread = false;
        for order in &self.orders {
            let Some(erasure) = erasure(whole, *order) else {
                // That it is damaged is told already; what it names is not known.
                unread = true;
                continue;
            };
            if *order < erased_through {
                erased.gone.extend(&erasure.targets);
            }
            erased.named.extend(erasure.targets);
        }
        report.erased = self.blank.len() as u64;
        if !self.blank.is_subset(&erased.named) {
            let later = later().into_iter();
            erased.named.extend(later.flat_map(|erasure| erasure.targets));
        }
        for position in self.blank.difference(&erased.named).filter(|_| !unread) {
            let what = "its content is missing, and no ERASE names it".to_owned();
            report.find(Finding::at(Kind::Erased, *position, what));
        }
        for position in &erased.gone {
            let places: [(&str, Option<&dyn Shelf>); 2] = [
                (
                    "a chunk",
                    whole.chunks.as_ref().map(|chunks: &Chunks| chunks as &dyn Shelf),
                ),
                (
                    "the journal",
                    Some(whole.extents.as_ref() as &Extents as &dyn Shelf),
                ),
            ];
            for (place, shelf) in places {
                let read = shelf.map(|shelf| shelf.fetch(*position, Columns::Leaves));
                if let Some(Ok(Some(run))) = read
                    && !run.is_erased(*position)
                {
                    let what = format!(
                        "its content was erased and is still in {place}; a start of the daemon removes it again"
                    );
                    report.find(Finding::at(Kind::Erased, *position, what));
                }
            }
        }
        erased
    }
}

/// The erasures that the journal's segments hold from a position on.
///
/// # Errors
/// What the system says.
pub fn in_segments(segments: &[Segment], from: Position) -> io::Result<Vec<Erasure>> {
    let mut found = Vec::new();
    for segment in segments {
        let end = zeros_from(segment.file.as_ref(), FRAMES_AT)?;
        // The last frame may end in zeros.
        let end = end
            .saturating_add(FRAME_BYTES_MAX as u64)
            .min(segment.file.len()?);
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(FRAMES_AT)).unwrap_or(0)];
        let length = segment.file.read_at(&mut bytes, FRAMES_AT)?;
        bytes.truncate(length);
        let mut rest = Bytes::from(bytes);
        while let Ok(header) = Header::read(&rest) {
            let length = header.length as usize;
            if header.end() > from
                && let Ok(frame) = frame::decode(&rest)
            {
                found.extend(frame.run.iter().filter_map(|record| {
                    Erasure::of(record.position, &Leaf::decode(record.leaf).ok()?, record.payload)
                }));
            }
            rest = rest.split_off(length.min(rest.len()));
        }
    }
    Ok(found)
}

/// The erasures that chunks hold from a position on, as far as they can be read.
pub fn in_chunks(chunks: &Chunks, from: Position) -> Vec<Erasure> {
    const STEP: ReadLimit = ReadLimit {
        records: 4_096,
        bytes: 1 << 20,
    };
    let mut orders = Vec::new();
    let mut at = from;
    while let Ok(Some(runs)) = chunks.read(at, chunks.sealed(), STEP, Columns::Leaves) {
        let begun = at;
        for record in runs.iter().flat_map(Run::iter) {
            let leaf = Leaf::decode(record.leaf);
            if leaf.is_ok_and(|leaf| leaf.act == Act::Erase) {
                orders.push(record.position);
            }
            at = record.position.next();
        }
        if at == begun {
            break;
        }
    }
    let one = |order: Position| {
        let run = chunks.fetch(order, Columns::All).ok().flatten()?;
        let record = run.get(order)?;
        Erasure::of(order, &Leaf::decode(record.leaf).ok()?, record.payload)
    };
    orders.into_iter().filter_map(one).collect()
}

fn erasure(whole: &Whole, order: Position) -> Option<Erasure> {
    let run = whole.fetch(order, Columns::All).ok().flatten()?;
    let record = run.get(order)?;
    Erasure::of(order, &Leaf::decode(record.leaf).ok()?, record.payload)
}

//! What was read, as one shelf, and what other copies are held against it.

use super::super::chunk::Chunks;
use super::super::extents::Extents;
use super::super::sled::{HotLog, HotOptions, PATIENCE};
use super::erasures::Erased;
use crate::log::fixity::{Finding, Kind, Report};
use crate::log::store::Shelf;
use crate::log::{Columns, ReadError, ReadLimit, Run};
use crate::record::Position;
use std::path::Path;
use std::sync::Arc;

/// What was read, as one shelf: chunks, then the journal.
pub struct Whole {
    /// The sealed log; `None` where there is none.
    pub chunks: Option<Chunks>,
    /// The journal.
    pub extents: Arc<Extents>,
    /// What its ERASE records name.
    pub erased: Erased,
}

impl Whole {
    fn shelves(&self) -> impl Iterator<Item = &dyn Shelf> {
        let chunks = self.chunks.iter().map(|chunks| chunks as &dyn Shelf);
        chunks.chain(std::iter::once(self.extents.as_ref() as &dyn Shelf))
    }
}

impl Shelf for Whole {
    fn read(
        &self,
        from: Position,
        until: Position,
        limit: ReadLimit,
        columns: Columns,
    ) -> Result<Option<Vec<Run>>, ReadError> {
        let mut answers = self
            .shelves()
            .map(|shelf| shelf.read(from, until, limit, columns));
        answers
            .find(|answer| !matches!(answer, Ok(None)))
            .unwrap_or(Ok(None))
    }

    fn fetch(&self, position: Position, columns: Columns) -> Result<Option<Run>, ReadError> {
        let mut answers = self.shelves().map(|shelf| shelf.fetch(position, columns));
        answers
            .find(|answer| !matches!(answer, Ok(None)))
            .unwrap_or(Ok(None))
    }
}

/// Holds every record of the hot log against the log.
pub fn hot_log(folder: &Path, archive: u64, whole: &Whole, report: &mut Report) {
    let hot = HotLog::new(HotOptions {
        folder: folder.into(),
        bytes_max: u64::MAX,
        archive,
        patience: PATIENCE,
    });
    let seen = hot.seen().get();
    if seen > report.tail {
        report.find(Finding {
            from: Some(report.tail),
            until: Some(seen),
            ..Finding::of_file(
                Kind::HotLog,
                "sled",
                "it has seen records that the journal does not hold",
            )
        });
    }
    let mut records = 0;
    let result = hot.check(&mut |run: &Run| {
        records += run.len() as u64;
        let erased = whole.erased.gone.range(run.first()..run.end());
        if let Some(position) = { erased }.find(|position| !run.is_erased(**position)) {
            let what =
                "the hot log holds content that was erased; stop the daemon and remove the folder `sled`";
            return Some((*position, what.to_owned()));
        }
        first_difference(run, whole).map(|position| {
            let what = "the hot log holds another record than the log, or one that the log does not";
            (position, what.to_owned())
        })
    });
    report.hot_records = records;
    for (position, what) in result {
        report.find(Finding {
            from: position.map(Position::get),
            ..Finding::of_file(Kind::HotLog, "sled", &what)
        });
    }
}

/// The first record of a run that another shelf does not hold just so; where it was erased from one of the two the leaves are
/// compared. What the other cannot read is told elsewhere.
pub fn first_difference(run: &Run, shelf: &dyn Shelf) -> Option<Position> {
    const STEP: ReadLimit = ReadLimit {
        records: 4_096,
        bytes: 1 << 20,
    };
    let mut at = run.first();
    while at < run.end() {
        let others = match shelf.read(at, run.end(), STEP, Columns::All) {
            Ok(Some(others)) => others,
            Ok(None) => return Some(at),
            Err(_) => {
                at = at.next();
                continue;
            }
        };
        for other in others.iter().flat_map(Run::iter) {
            let record = run.get(other.position)?;
            let erased = other.erased || record.erased;
            let same = (other.salt, other.payload) == (record.salt, record.payload);
            if other.leaf != record.leaf || !(erased || same) {
                return Some(other.position);
            }
            at = other.position.next();
        }
    }
    None
}

//! A small journal of several segments, damaged copies of it, and what may become of them.

use crate::sim::*;
use bytes::Bytes;
use chancery::log::store::Shelf;
use chancery::log::{Closed, Columns, ReadError, ReadLimit, Run};
use chancery::record::Position;
use chancery::store::faulty::SimDisk;
use chancery::store::frame;
use chancery::store::recover::{self, Recovered};
use std::sync::Arc;

pub const SEGMENT_BYTES: u64 = 6 << 10;

/// A small journal of several segments and frames, and what it holds.
pub struct Small {
    pub disk: SimDisk,
    pub records: Vec<Kept>,
    pub runs: Vec<Run>,
    /// The first position that no "durable through" on the disk covers.
    pub covered: usize,
}

/// `clean` ends it with a cover, otherwise its last frame is the newest commit's.
pub fn small(clean: bool) -> Small {
    let disk = SimDisk::new();
    let mut started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let mut records = Vec::new();
    let mut covered = 0;
    for n in 0..9_usize {
        let drafts = (0..1 + n % 2).map(|m| {
            let raw = vec![(n + m) as u8; 20 + n * 37 % 150];
            draft(&format!("{n}-{m}"), payload("a small record", raw))
        });
        let batch = batch(&format!("request {n}"), drafts.collect());
        covered = records.len();
        records.extend(kept(&batch));
        append(&started.log, batch).unwrap();
        if n == 4 {
            // A cover between frames.
            started.log.close();
            drop(started);
            started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
        }
    }
    if clean {
        started.log.close();
        covered = records.len();
    }
    drop(started);
    // On a copy: what is not covered would be written again.
    let runs = recovered(&disk.copy(), Vec::new()).1.runs;
    Small {
        disk,
        records,
        runs,
        covered,
    }
}

pub fn recovered(disk: &SimDisk, held: Vec<Run>) -> (Recovered, Rescuer) {
    let rescuer = Rescuer {
        held,
        ..Rescuer::default()
    };
    recovered_with(disk, rescuer)
}

pub fn recovered_with(disk: &SimDisk, mut rescuer: Rescuer) -> (Recovered, Rescuer) {
    let disk = Arc::new(disk.clone()) as _;
    let recovered = recover::recover(&disk, &journal(SEGMENT_BYTES), &mut rescuer).unwrap();
    (recovered, rescuer)
}

/// What the shelf of the journal gives at a position.
pub fn served(recovered: &Recovered, at: usize) -> Result<Option<Kept>, ReadError> {
    let position = Position::new(at as u64);
    if position >= recovered.tail {
        return Ok(None);
    }
    let limit = ReadLimit { records: 1, bytes: 1 };
    let read = recovered
        .extents
        .read(position, position.next(), limit, Columns::All)?;
    let fetched = recovered.extents.fetch(position, Columns::All)?;
    let mut found = Vec::new();
    read.iter().flatten().for_each(|run| take(run, &mut found));
    let mut again = Vec::new();
    fetched.iter().for_each(|run| take(run, &mut again));
    assert_eq!(found, again, "both ways of reading agree");
    Ok(found.pop())
}

/// How a damage may end, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    AllServed,
    PossiblyAcknowledged,
    ReadOnly,
}

pub fn check(small: &Small, disk: &SimDisk, held: Vec<Run>, story: &str) -> End {
    let rescuer = Rescuer {
        held,
        ..Rescuer::default()
    };
    check_with(small, disk, rescuer, story)
}

pub fn check_with(small: &Small, disk: &SimDisk, rescuer: Rescuer, story: &str) -> End {
    let (recovered, _) = recovered_with(disk, rescuer);
    let tail = recovered.tail.get() as usize;
    assert!(
        tail <= small.records.len(),
        "{story}: records that were never written"
    );
    let mut missing = Vec::new();
    for (at, record) in small.records.iter().enumerate() {
        match served(&recovered, at) {
            Ok(Some(found)) => assert_eq!(found, *record, "{story}: position {at} is another record"),
            Ok(None) | Err(ReadError::Damaged { .. }) => missing.push(at),
            Err(other) => panic!("{story}: {other}"),
        }
    }
    let first_missing = missing.first().copied();
    match &recovered.closed {
        Some(Closed::Damaged { position, .. }) => {
            let from = position.get() as usize;
            assert!(recovered.writer.is_none(), "{story}");
            assert!(
                first_missing.is_none_or(|at| at >= from),
                "{story}: {missing:?} before {from}"
            );
            End::ReadOnly
        }
        Some(other) => panic!("{story}: {other}"),
        None => {
            assert!(recovered.lost.is_empty(), "{story}");
            let Some(first) = first_missing else {
                return End::AllServed;
            };
            assert!(
                first >= small.covered,
                "{story}: {missing:?} were covered and are gone without a word"
            );
            assert_eq!(first, tail, "{story}: a hole below the tail");
            let reported = recovered
                .cut
                .iter()
                .any(|(from, until)| from.get() as usize == first && (until >= from));
            assert!(
                reported,
                "{story}: {missing:?} are gone, reported are {:?}",
                recovered.cut
            );
            End::PossiblyAcknowledged
        }
    }
}

pub fn segments(disk: &SimDisk) -> Vec<std::path::PathBuf> {
    let mut paths = disk.paths();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "segment"));
    paths
}

/// All bytes that are not zero, some that are, and the edges.
pub fn places(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (0..bytes.len()).filter(|at| bytes[*at] != 0 || at % 61 == 0)
}

/// A small journal whose newest segment was written by a start after a kill: its header says that all was durable.
pub fn started_after_a_kill() -> Small {
    let mut small = small(false);
    drop(start(&small.disk, &journal(SEGMENT_BYTES)).unwrap());
    small.covered = small.records.len();
    small
}

/// Real frames of this very segment, of another one and of another archive, as bytes that a sender might append.
pub fn frames_of(disk: &SimDisk) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for path in segments(disk) {
        let bytes = Bytes::from(disk.bytes(&path).unwrap());
        let mut at = 4_096;
        while let Ok(frame) = frame::decode(&bytes.slice(at.min(bytes.len())..)) {
            let end = at + frame.header.length as usize;
            found.push(bytes[at..end].to_vec());
            at = end;
        }
    }
    found
}

/// One segment with two frames, the second of which is not covered.
pub fn two_frames() -> Small {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let mut records = Vec::new();
    for n in 0..2 {
        let batch = batch(
            &format!("{n}"),
            vec![draft(&format!("{n}"), payload("x", vec![1; 50]))],
        );
        records.extend(kept(&batch));
        append(&started.log, batch).unwrap();
    }
    drop(started);
    let runs = recovered(&disk.copy(), Vec::new()).1.runs;
    Small {
        disk,
        records,
        runs,
        covered: 1,
    }
}

//! Putting together what another place gave back.
//!
//! The hot log cuts records into blocks as they fit its values, and a batch may lie in several of them. In the journal a
//! batch never spans two frames.

use super::super::frame::{self, FRAME_BYTES_MAX};
use crate::log::Run;
use crate::record::{Leaf, Position};

/// The bytes that whole batches share a frame up to.
const FRAME_BYTES: usize = 64 << 10;

/// The parts of `runs` that follow one another from `from` on, up to `until`.
pub fn contiguous(from: Position, until: Position, runs: &[Run]) -> Vec<Run> {
    let mut at = from;
    let mut parts = Vec::new();
    for run in runs {
        let part = run.slice(at, until);
        if part.is_empty() || part.first() != at {
            break;
        }
        at = part.end();
        parts.push(part);
    }
    parts
}

/// The position after the last record of a run, or after the batch of which that record is one.
pub fn batch_end(run: &Run) -> Position {
    run.end().plus(missing_behind(run))
}

/// How many records of its last batch a run does not hold.
fn missing_behind(run: &Run) -> u64 {
    let last = run.iter().next_back();
    let leaf = last.and_then(|record| Leaf::decode(record.leaf).ok());
    leaf.map_or(0, |leaf| {
        u64::from(leaf.batch_count).saturating_sub(u64::from(leaf.batch_index) + 1)
    })
}

/// The records of runs that follow one another, cut so that no batch lies in two of them.
pub fn whole_batches(runs: &[Run]) -> Vec<Run> {
    let mut frames = Vec::new();
    let mut frame = Vec::new();
    let mut batch: Vec<Run> = Vec::new();
    for piece in runs.iter().flat_map(pieces) {
        let ends = missing_behind(&piece) == 0;
        batch.push(piece);
        if ends {
            if bytes(&frame) + bytes(&batch) > FRAME_BYTES {
                frames.extend(joined(&frame));
                frame.clear();
            }
            frame.append(&mut batch);
        }
    }
    // A batch that is not whole stands for itself.
    frames.extend(joined(&frame));
    frames.extend(joined(&batch));
    frames
}

/// A run cut behind the last record of each batch.
fn pieces(run: &Run) -> Vec<Run> {
    let mut start = run.first();
    let mut pieces = Vec::new();
    for record in run.iter() {
        let end = record.position.next();
        if end == run.end() || missing_behind(&run.slice(record.position, end)) == 0 {
            pieces.push(run.slice(start, end));
            start = end;
        }
    }
    pieces
}

fn bytes(runs: &[Run]) -> usize {
    runs.iter().map(Run::bytes).sum()
}

/// Runs that follow one another as one, where a frame can hold them.
fn joined(runs: &[Run]) -> Vec<Run> {
    let (count, bytes) = (runs.iter().map(Run::len).sum(), bytes(runs));
    if runs.len() < 2 || frame::encoded_len(count, 0, bytes) > FRAME_BYTES_MAX {
        return runs.to_vec();
    }
    Run::joined(runs).map_or_else(|| runs.to_vec(), |run| vec![run])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Slot;
    use crate::record::{Act, Epoch, Kind, Recorded, Revision, SALT_BYTES};
    use bytes::BytesMut;

    /// Records of batches of these sizes, each a run of its own as blocks of the hot log may be.
    fn blocks(batches: &[u32], payload_bytes: usize) -> Vec<Run> {
        let places = batches
            .iter()
            .flat_map(|count| (0..*count).map(move |at| (at, *count)));
        let run = |(at, (index, count)): (usize, (u32, u32))| {
            let leaf = Leaf {
                act: Act::Create,
                kind: Kind::Event,
                series: "desk",
                key: "k",
                revision: Revision::FIRST,
                previous: None,
                recorded: Recorded::from_nanos(1),
                batch_id: b"batch",
                batch_index: index,
                batch_count: count,
                principal: "anonymous",
                epoch: Epoch::default(),
                reason: "",
                relation: None,
                erased: None,
                payload_size: payload_bytes as u64,
                commitment: [0; 32],
            };
            let mut bytes = BytesMut::new();
            leaf.encode(&mut bytes);
            let slot = Slot {
                leaf_end: bytes.len() as u32,
                payload_end: payload_bytes as u32,
                erased: false,
            };
            Run::new(
                Position::new(at as u64),
                vec![slot],
                bytes.freeze(),
                vec![at as u8; SALT_BYTES].into(),
                vec![at as u8; payload_bytes].into(),
            )
            .unwrap()
        };
        places.enumerate().map(run).collect()
    }

    fn ranges(runs: &[Run]) -> Vec<(u64, u64)> {
        runs.iter()
            .map(|run| (run.first().get(), run.end().get()))
            .collect()
    }

    #[test]
    fn no_batch_lies_in_two_frames() {
        let frames = whole_batches(&blocks(&[1, 3, 2], 10));
        assert_eq!(ranges(&frames), [(0, 6)], "small ones share a frame");
        let frames = whole_batches(&blocks(&[1, 3, 2], 40_000));
        assert_eq!(ranges(&frames), [(0, 1), (1, 4), (4, 6)]);
        for (at, record) in frames.iter().flat_map(Run::iter).enumerate() {
            assert_eq!(record.position.get(), at as u64);
            assert_eq!(record.payload, vec![at as u8; 40_000]);
            assert_eq!(record.salt, [at as u8; SALT_BYTES]);
        }
    }

    #[test]
    fn a_batch_that_is_not_whole_is_told_by_its_last_leaf() {
        let runs = blocks(&[2, 5], 10);
        let frames = whole_batches(&runs[..4]);
        assert_eq!(ranges(&frames), [(0, 2), (2, 4)]);
        assert_eq!(batch_end(&frames[1]), Position::new(7));
        assert_eq!(batch_end(&frames[0]), Position::new(2));
    }
}

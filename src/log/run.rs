//! Consecutive records in shared buffers: the form in which records travel through the program.
//!
//! A commit group, a frame of the journal and a block of the hot log all become runs, so that a subscriber, a view
//! and a verifier read the same thing. A run is cheap to clone; its bytes are those on disk.

use super::ReadLimit;
use crate::record::{Position, SALT_BYTES};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Where one record ends in the columns of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The end of its leaf in the leaves' column.
    pub leaf_end: u32,
    /// The end of its payload in the payloads' column.
    pub payload_end: u32,
    /// Whether payload and salt were removed by law.
    pub erased: bool,
}

/// Consecutive records, from `first` on, in three columns.
#[derive(Clone, Debug)]
pub struct Run {
    /// The position of the record at the start of `range`.
    first: Position,
    slots: Arc<[Slot]>,
    /// Which slots are the run's: those around them are of other records in the same buffers.
    range: Range<usize>,
    leaves: Bytes,
    salts: Bytes,
    payloads: Bytes,
}

/// One record of a run, as stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its position.
    pub position: Position,
    /// Its leaf; empty where only payloads were asked for.
    pub leaf: &'a [u8],
    /// The salt of its commitment; empty where erased, or where only leaves or payloads were asked for.
    pub salt: &'a [u8],
    /// Its payload; empty where erased, or where only leaves were asked for.
    pub payload: &'a [u8],
    /// Whether payload and salt were removed by law.
    pub erased: bool,
}

/// Columns that do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the columns of a run do not fit its slots")]
pub struct RunError;

impl Run {
    /// A run of these columns. A column that was not asked for is empty.
    ///
    /// # Errors
    /// [`RunError`] where the slots do not rise or do not end where the columns end.
    pub fn new(
        first: Position,
        slots: Vec<Slot>,
        leaves: Bytes,
        salts: Bytes,
        payloads: Bytes,
    ) -> Result<Self, RunError> {
        let rises = slots.is_sorted_by(|a, b| a.leaf_end <= b.leaf_end && a.payload_end <= b.payload_end);
        let (leaf_end, payload_end) = slots
            .last()
            .map_or((0, 0), |slot| (slot.leaf_end, slot.payload_end));
        let fits = |column: &Bytes, end: u32| column.is_empty() || column.len() == end as usize;
        let salted = salts.is_empty() || salts.len() == slots.len() * SALT_BYTES;
        if rises && salted && fits(&leaves, leaf_end) && fits(&payloads, payload_end) {
            let range = 0..slots.len();
            Ok(Self {
                first,
                slots: slots.into(),
                range,
                leaves,
                salts,
                payloads,
            })
        } else {
            Err(RunError)
        }
    }

    /// Records that lie scattered over the log, each as a run of one in the same columns: whoever keeps one of them keeps all
    /// their bytes.
    ///
    /// # Errors
    /// As [`Run::new`], and where there are not as many positions as slots.
    pub fn scattered(
        positions: &[Position],
        slots: Vec<Slot>,
        leaves: Bytes,
        salts: Bytes,
        payloads: Bytes,
    ) -> Result<impl Iterator<Item = Self>, RunError> {
        if positions.len() != slots.len() {
            return Err(RunError);
        }
        let all = Self::new(Position::START, slots, leaves, salts, payloads)?;
        let one = move |(at, first): (usize, &Position)| Self {
            first: *first,
            range: at..at + 1,
            ..all.clone()
        };
        Ok(positions.iter().enumerate().map(one))
    }

    /// Consecutive runs as one, their bytes copied; `None` where there are none, or where they do not follow one another.
    pub fn joined(runs: &[Self]) -> Option<Self> {
        let (mut slots, mut leaves, mut salts, mut payloads) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for record in runs.iter().flat_map(Self::iter) {
            leaves.extend_from_slice(record.leaf);
            // The place of a salt that was removed stays.
            let salt = if record.salt.is_empty() {
                &[0; SALT_BYTES]
            } else {
                record.salt
            };
            salts.extend_from_slice(salt);
            payloads.extend_from_slice(record.payload);
            slots.push(Slot {
                leaf_end: u32::try_from(leaves.len()).ok()?,
                payload_end: u32::try_from(payloads.len()).ok()?,
                erased: record.erased,
            });
        }
        let follows = runs.windows(2).all(|pair| pair[0].end() == pair[1].first());
        let first = runs.first().filter(|_| follows)?.first();
        Self::new(first, slots, leaves.into(), salts.into(), payloads.into()).ok()
    }

    /// The position of the first record.
    pub fn first(&self) -> Position {
        self.first
    }

    /// The position after the last record.
    pub fn end(&self) -> Position {
        self.first.plus(self.range.len() as u64)
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The bytes of leaves and payloads, whether the run has both columns or not.
    pub fn bytes(&self) -> usize {
        let (leaves, payloads) = self.column_bytes();
        leaves + payloads
    }

    /// The bytes of leaves, and those of payloads, whether the run has the column or not.
    pub fn column_bytes(&self) -> (usize, usize) {
        let (from, to) = (self.ends(self.range.start), self.ends(self.range.end));
        ((to.0 - from.0) as usize, (to.1 - from.1) as usize)
    }

    /// The bytes of leaf and payload of each record, ascending, whether the run has both columns or not.
    pub fn weights(&self) -> impl Iterator<Item = usize> {
        self.range.clone().map(|at| {
            let (from, to) = (self.ends(at), self.ends(at + 1));
            (to.0 - from.0 + to.1 - from.1) as usize
        })
    }

    /// Where the records before `at` end in the columns of leaves and payloads.
    fn ends(&self, at: usize) -> (u32, u32) {
        let slot = at.checked_sub(1).and_then(|at| self.slots.get(at));
        slot.map_or((0, 0), |slot| (slot.leaf_end, slot.payload_end))
    }

    /// The part of the run that lies in `from..until`; it may be empty.
    pub fn slice(&self, from: Position, until: Position) -> Self {
        let at = |position: Position| {
            let offset = usize::try_from(position.since(self.first)).unwrap_or(usize::MAX);
            offset.min(self.range.len())
        };
        let (start, end) = (at(from), at(until));
        Self {
            first: self.first.plus(start as u64),
            range: self.range.start + start..self.range.start + end.max(start),
            ..self.clone()
        }
    }

    /// The run, of which these records are told to be erased: their places stay.
    pub fn with_erased(self, erased: &[Position]) -> Self {
        if erased.is_empty() {
            return self;
        }
        let mut slots = self.slots.to_vec();
        for position in erased {
            if let Some(slot) = self.place(*position).and_then(|at| slots.get_mut(at)) {
                slot.erased = true;
            }
        }
        Self {
            slots: slots.into(),
            ..self
        }
    }

    /// The run without the payloads and salts of some records. Their bytes are nowhere in it, whoever may look.
    pub fn without(&self, is_erased: impl Fn(Position) -> bool) -> Self {
        if !self.iter().any(|record| is_erased(record.position)) {
            return self.clone();
        }
        let salted = !self.salts.is_empty();
        let (mut leaves, mut salts, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
        let mut slots = Vec::with_capacity(self.len());
        for record in self.iter() {
            let erased = record.erased || is_erased(record.position);
            leaves.extend_from_slice(record.leaf);
            if !erased {
                payloads.extend_from_slice(record.payload);
            }
            if salted {
                // The place of one that was removed stays.
                let gone = [0; SALT_BYTES];
                let salt = if erased { &gone[..] } else { record.salt };
                salts.extend_from_slice(salt);
            }
            slots.push(Slot {
                leaf_end: leaves.len() as u32,
                payload_end: payloads.len() as u32,
                erased,
            });
        }
        let range = 0..slots.len();
        Self {
            first: self.first(),
            slots: slots.into(),
            range,
            leaves: leaves.into(),
            salts: salts.into(),
            payloads: payloads.into(),
        }
    }

    /// Takes the run off what is left of a limit; answers whether the limit is reached.
    pub fn spend(&self, left: &mut ReadLimit) -> bool {
        left.records = left.records.saturating_sub(self.len());
        left.bytes = left.bytes.saturating_sub(self.bytes());
        left.records == 0 || left.bytes == 0
    }

    /// The record at `position`, where the run holds it.
    pub fn get(&self, position: Position) -> Option<Stored<'_>> {
        self.place(position).map(|at| self.at(at))
    }

    /// The slot of a position that the run holds.
    fn place(&self, position: Position) -> Option<usize> {
        if position < self.first() || position >= self.end() {
            return None;
        }
        let offset = usize::try_from(position.since(self.first)).ok()?;
        Some(self.range.start + offset)
    }

    /// Whether the run holds the record at `position` without its payload, which was removed by law.
    pub fn is_erased(&self, position: Position) -> bool {
        self.get(position).is_some_and(|record| record.erased)
    }

    /// The records, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Stored<'_>> + ExactSizeIterator {
        self.range.clone().map(|at| self.at(at))
    }

    /// The payload of a record as a reference-counted slice of the run.
    pub fn payload_bytes(&self, record: &Stored<'_>) -> Bytes {
        if record.payload.is_empty() {
            Bytes::new()
        } else {
            self.payloads.slice_ref(record.payload)
        }
    }

    /// The leaf of a record as a reference-counted slice of the run.
    pub fn leaf_bytes(&self, record: &Stored<'_>) -> Bytes {
        if record.leaf.is_empty() {
            Bytes::new()
        } else {
            self.leaves.slice_ref(record.leaf)
        }
    }

    fn at(&self, at: usize) -> Stored<'_> {
        let slot = self.slots[at];
        let before = self.ends(at);
        let part = |column: &'_ Bytes, from: u32, to: u32| {
            if column.is_empty() {
                0..0
            } else {
                from as usize..to as usize
            }
        };
        // On disk the place of what was removed may stay, filled with zeros.
        let payload = if slot.erased {
            0..0
        } else {
            part(&self.payloads, before.1, slot.payload_end)
        };
        let salt = if self.salts.is_empty() || slot.erased {
            0..0
        } else {
            at * SALT_BYTES..(at + 1) * SALT_BYTES
        };
        Stored {
            position: self.first.plus((at - self.range.start) as u64),
            leaf: &self.leaves[part(&self.leaves, before.0, slot.leaf_end)],
            salt: &self.salts[salt],
            payload: &self.payloads[payload],
            erased: slot.erased,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        let slots = [(2, 3), (4, 3), (6, 7)]
            .map(|(leaf_end, payload_end)| Slot {
                leaf_end,
                payload_end,
                erased: false,
            })
            .to_vec();
        let salts = Bytes::from(vec![7; 3 * SALT_BYTES]);
        Run::new(Position::new(5), slots, "aabbcc".into(), salts, "xxxzzzz".into()).unwrap()
    }

    #[test]
    fn a_run_gives_its_records_by_position() {
        let run = run();
        let second = run.get(Position::new(6)).unwrap();
        assert_eq!((second.leaf, second.payload), (&b"bb"[..], &b""[..]));
        assert_eq!(run.get(Position::new(7)).unwrap().payload, b"zzzz");
        assert!(run.get(Position::new(4)).is_none() && run.get(Position::new(8)).is_none());
    }

    #[test]
    fn a_slice_keeps_positions() {
        let part = run().slice(Position::new(6), Position::new(100));
        assert_eq!(
            (part.first(), part.end(), part.len()),
            (Position::new(6), Position::new(8), 2)
        );
        assert_eq!(part.iter().next().unwrap().leaf, b"bb");
        assert!(run().slice(Position::new(9), Position::new(3)).is_empty());
    }

    #[test]
    fn scattered_records_share_their_columns_and_keep_their_positions() {
        let all = run();
        let positions = [90, 7, 8].map(Position::new);
        let (slots, salts) = (all.slots.to_vec(), all.salts.clone());
        let runs = Run::scattered(&positions, slots, all.leaves.clone(), salts, all.payloads.clone());
        let runs: Vec<Run> = runs.unwrap().collect();
        for ((run, position), same) in runs.iter().zip(positions).zip(all.iter()) {
            assert_eq!(
                (run.first(), run.end(), run.len()),
                (position, position.next(), 1)
            );
            let record = run.get(position).unwrap();
            assert_eq!((record.position, record.leaf), (position, same.leaf));
            assert_eq!((record.payload, record.salt), (same.payload, same.salt));
            assert_eq!(run.bytes(), same.leaf.len() + same.payload.len());
            assert!(run.get(position.next()).is_none());
            assert_eq!(run.slice(position, position.next()).iter().len(), 1);
        }
        let without = runs[2].without(|position| position == positions[2]);
        assert!(without.is_erased(positions[2]) && !without.payloads.contains(&b'z'));
        let erased = runs[1].clone().with_erased(&positions);
        assert!(erased.is_erased(positions[1]));
        assert!(
            Run::scattered(
                &positions[1..],
                all.slots.to_vec(),
                Bytes::new(),
                Bytes::new(),
                Bytes::new()
            )
            .is_err()
        );
    }

    #[test]
    fn what_is_taken_out_of_a_run_is_nowhere_in_it() {
        let run = run().slice(Position::new(5), Position::new(8));
        let without = run.without(|position| position == Position::new(7));
        assert_eq!((without.first(), without.end()), (run.first(), run.end()));
        let records: Vec<_> = without.iter().collect();
        assert_eq!((records[0].payload, records[0].erased), (&b"xxx"[..], false));
        assert_eq!(records[0].salt, [7; SALT_BYTES]);
        assert_eq!((records[2].leaf, records[2].erased), (&b"cc"[..], true));
        assert!(records[2].payload.is_empty() && records[2].salt.is_empty());
        assert!(
            !without.payloads.contains(&b'z'),
            "not even behind the last record"
        );
    }

    #[test]
    fn columns_that_do_not_fit_are_refused() {
        let slot = Slot {
            leaf_end: 3,
            payload_end: 0,
            erased: false,
        };
        assert!(
            Run::new(
                Position::START,
                vec![slot],
                "ab".into(),
                Bytes::new(),
                Bytes::new()
            )
            .is_err()
        );
    }
}

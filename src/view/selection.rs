//! Records picked from runs: what a reader or subscriber is given, before it becomes bytes of any transport.
//!
//! A selection shares the runs that it was picked from; nothing is copied until a transport encodes it.

use crate::log::{Columns, Run, Stored};
use crate::record::{Act, Leaf, Position};

/// Which parts of records are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parts {
    /// Leaves and payloads.
    Both,
    /// Payloads and positions.
    Payload,
    /// Leaves and positions.
    Leaf,
    /// Both, and the exact bytes with the salt.
    Exact,
}

impl Parts {
    /// The columns that hold these parts.
    pub fn columns(self) -> Columns {
        match self {
            Self::Both => Columns::Unsalted,
            Self::Exact => Columns::All,
            Self::Payload => Columns::Payloads,
            Self::Leaf => Columns::Leaves,
        }
    }

    /// How often leaf and payload are sent.
    pub fn weight(self) -> usize {
        match self {
            Self::Both | Self::Payload | Self::Leaf => 1,
            Self::Exact => 2,
        }
    }

    /// Whether leaves are sent.
    pub fn has_leaf(self) -> bool {
        !matches!(self, Self::Payload)
    }

    /// Whether payloads are sent.
    pub fn has_payload(self) -> bool {
        !matches!(self, Self::Leaf)
    }

    /// Which of a record's leaf and payload are sent, whoever encodes them.
    ///
    /// Whoever follows changes is told of an ERASE by its leaf alone, since it reaches all of them whatever their filters are: what it
    /// says of the case is not for every subscriber.
    pub fn sent(self, record: &Stored<'_>, change: Change) -> Sent {
        let is_erase = || Leaf::decode(record.leaf).is_ok_and(|leaf| leaf.act == Act::Erase);
        if change != Change::Untold && self != Self::Exact && is_erase() {
            return Sent {
                leaf: true,
                payload: false,
            };
        }
        Sent {
            leaf: self.has_leaf(),
            payload: self.has_payload() && !record.erased,
        }
    }
}

/// Which of a record's leaf and payload are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Whether the leaf is.
    pub leaf: bool,
    /// Whether the payload is.
    pub payload: bool,
}

/// How a change moves an entry in or out of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Changes are not followed.
    Untold,
    /// It did not match before and matches now.
    Enters,
    /// It matched and still does.
    Stays,
    /// It matched and no longer does.
    Leaves,
}

impl Change {
    /// Its word; empty where changes are not followed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Untold => "",
            Self::Enters => "enters",
            Self::Stays => "stays",
            Self::Leaves => "leaves",
        }
    }
}

/// Which records of the runs were picked.
#[derive(Clone, Debug)]
pub enum Picked {
    /// Every one.
    All,
    /// Every one, each with its change, in the order of the runs.
    AllChanges(Vec<Change>),
    /// These, in the order of the selection.
    Some(Vec<(Position, Change)>),
}

/// Records picked from a scanned range.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Consecutive runs, ascending.
    pub runs: Vec<Run>,
    /// Which of their records.
    pub picked: Picked,
    /// Newest first.
    pub backward: bool,
    /// Forward: the first position looked at. Backward: the first position that was not, above what was.
    pub first: Position,
    /// Forward: the first position not looked at. Backward: the lowest position looked at.
    pub through: Position,
}

impl Selection {
    /// Nothing picked from a scanned range.
    pub fn nothing(first: Position, through: Position) -> Self {
        Self {
            runs: Vec::new(),
            picked: Picked::All,
            backward: false,
            first,
            through,
        }
    }

    /// Whether nothing was picked.
    pub fn is_empty(&self) -> bool {
        match &self.picked {
            Picked::All | Picked::AllChanges(_) => self.runs.iter().all(Run::is_empty),
            Picked::Some(picked) => picked.is_empty(),
        }
    }

    /// How many records are picked, and the bytes of their leaves and payloads.
    pub fn sizes(&self) -> (usize, usize, usize) {
        let (mut records, mut leaves, mut payloads) = (0, 0, 0);
        if let Picked::Some(_) = self.picked {
            self.for_each(|record, _| {
                records += 1;
                leaves += record.leaf.len();
                payloads += record.payload.len();
            });
        } else {
            for run in &self.runs {
                let of_run = run.column_bytes();
                records += run.len();
                leaves += of_run.0;
                payloads += of_run.1;
            }
        }
        (records, leaves, payloads)
    }

    /// Hands over every picked record in order.
    pub fn for_each(&self, mut take: impl FnMut(&Stored<'_>, Change)) {
        let forward = || self.runs.iter().flat_map(Run::iter);
        let backward = || self.runs.iter().rev().flat_map(|run| run.iter().rev());
        match (&self.picked, self.backward) {
            (Picked::Some(picked), _) => self.for_some(picked, take),
            (Picked::All, false) => forward().for_each(|record| take(&record, Change::Untold)),
            (Picked::All, true) => backward().for_each(|record| take(&record, Change::Untold)),
            (Picked::AllChanges(changes), false) => forward()
                .zip(changes)
                .for_each(|(record, change)| take(&record, *change)),
            (Picked::AllChanges(changes), true) => backward()
                .zip(changes.iter().rev())
                .for_each(|(record, change)| take(&record, *change)),
        }
    }

    fn for_some(&self, picked: &[(Position, Change)], mut take: impl FnMut(&Stored<'_>, Change)) {
        for (position, change) in picked {
            let at = self.runs.partition_point(|run| run.end() <= *position);
            if let Some(record) = self.runs.get(at).and_then(|run| run.get(*position)) {
                take(&record, *change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Slot;
    use bytes::Bytes;

    fn run(first: u64, count: u32) -> Run {
        let slots = (1..=count)
            .map(|at| Slot {
                leaf_end: at,
                payload_end: at,
                erased: false,
            })
            .collect();
        let column = || Bytes::from(vec![b'x'; count as usize]);
        Run::new(Position::new(first), slots, column(), Bytes::new(), column()).unwrap()
    }

    fn positions(selection: &Selection) -> Vec<u64> {
        let mut all = Vec::new();
        selection.for_each(|record, _| all.push(record.position.get()));
        all
    }

    #[test]
    fn a_selection_gives_its_records_in_order() {
        let mut selection = Selection {
            runs: vec![run(3, 2), run(5, 2)],
            picked: Picked::All,
            backward: false,
            first: Position::new(3),
            through: Position::new(7),
        };
        assert_eq!(positions(&selection), [3, 4, 5, 6]);
        selection.backward = true;
        assert_eq!(positions(&selection), [6, 5, 4, 3]);
        selection.picked = Picked::Some(vec![
            (Position::new(6), Change::Enters),
            (Position::new(3), Change::Stays),
        ]);
        assert_eq!(positions(&selection), [6, 3]);
        assert!(!selection.is_empty());
    }
}

//! The contents that a count is of.
//!
//! Those that the index found are sets of its documents, a set for each of its parts: a bit for each or less. Those that were looked
//! at themselves are the newest ones and few, or all there are where no index could say; they are positions. Whoever asks the index
//! more about its own asks the same snapshot, so that its parts are the same.

use crate::index::Snapshot;
use crate::log::Log;
use crate::record::Position;
use roaring::RoaringBitmap;

/// Contents, each once.
#[derive(Default)]
pub struct Contents {
    indexed: Option<(Snapshot, Vec<RoaringBitmap>)>,
    loose: Vec<Position>,
}

impl Contents {
    /// None yet of an index.
    pub fn of(snapshot: Snapshot) -> Self {
        let parts = vec![RoaringBitmap::new(); snapshot.parts()];
        Self {
            indexed: Some((snapshot, parts)),
            loose: Vec::new(),
        }
    }

    /// Adds one that was looked at itself.
    pub fn push_loose(&mut self, position: Position) {
        self.loose.push(position);
    }

    /// Adds one, among those of the index where it has it.
    pub fn insert(&mut self, position: Position) {
        match &mut self.indexed {
            Some((snapshot, parts)) if position < snapshot.through() => {
                let (part, number) = snapshot.number_of(position);
                parts[part].insert(number);
            }
            _ => self.loose.push(position),
        }
    }

    /// Has these of a part of the index.
    pub fn set_part(&mut self, part: usize, documents: RoaringBitmap) {
        if let Some((_, parts)) = &mut self.indexed {
            parts[part] = documents;
        }
    }

    /// Whether it is one of them; once it is settled.
    pub fn has(&self, position: Position) -> bool {
        if let Some((snapshot, parts)) = &self.indexed
            && position < snapshot.through()
        {
            let (part, number) = snapshot.number_of(position);
            if parts[part].contains(number) {
                return true;
            }
        }
        self.loose.binary_search(&position).is_ok()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        let parts = self.indexed.iter().flat_map(|(_, parts)| parts);
        parts.map(RoaringBitmap::len).sum::<u64>() + self.loose.len() as u64
    }

    /// Those that the index has, by its parts.
    pub fn indexed(&self) -> Option<(&Snapshot, &[RoaringBitmap])> {
        self.indexed
            .as_ref()
            .map(|(snapshot, parts)| (snapshot, &**parts))
    }

    /// The others, ascending once it is settled.
    pub fn loose(&self) -> &[Position] {
        &self.loose
    }

    /// Leaves some out.
    pub fn remove(&mut self, positions: &[Position]) {
        let mut others = Vec::new();
        for position in positions {
            let is_indexed = self.indexed.as_mut().is_some_and(|(snapshot, parts)| {
                let (part, number) = snapshot.number_of(*position);
                *position < snapshot.through() && parts[part].remove(number)
            });
            if !is_indexed {
                others.push(*position);
            }
        }
        if !others.is_empty() {
            others.sort_unstable();
            self.loose
                .retain(|position| others.binary_search(position).is_err());
        }
    }

    /// Puts those in order that were looked at themselves, and those to them that the log has erased: the index may still have what
    /// their records have not any more.
    pub fn settle(&mut self, log: &Log) {
        if let Some((snapshot, parts)) = &mut self.indexed {
            for position in log.erased_now() {
                if position < snapshot.through() {
                    let (part, number) = snapshot.number_of(position);
                    if parts[part].remove(number) {
                        self.loose.push(position);
                    }
                }
            }
        }
        self.loose.sort_unstable();
    }

    /// Where all of them lie, ascending.
    pub fn positions(&self) -> Vec<Position> {
        let mut positions = self.loose.clone();
        for (snapshot, parts) in self.indexed.iter() {
            for (part, documents) in parts.iter().enumerate() {
                let from = snapshot.from(part);
                positions.extend(documents.iter().map(|number| from.plus(number.into())));
            }
        }
        positions.sort_unstable();
        positions
    }
}

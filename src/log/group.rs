//! The commit group that is being gathered: records that have a position and are not yet written.

use super::erasure::Erasure;
use super::names::{NameHash, NameMap, made_id};
use super::prepare::{Prepared, PreparedDraft};
use super::run::{Run, RunError, Slot};
use super::sequencer::{Plan, Step};
use crate::record::{Epoch, Hash, Leaf, Position, Recorded, SALT_BYTES, leaf_hash};
use bytes::{BufMut, BytesMut};
use std::collections::hash_map::Entry;

/// The newest positions of the entries with one hash: nearly always one.
enum Newest {
    One([Position; 1]),
    Many(Vec<Position>),
}

impl Newest {
    fn as_slice(&self) -> &[Position] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn record(&mut self, previous: Option<Position>, position: Position) {
        let mut all = self.as_slice().to_vec();
        all.retain(|at| Some(*at) != previous);
        all.push(position);
        *self = Self::Many(all);
    }
}

/// A group under construction.
pub struct GroupBuilder {
    first: Position,
    slots: Vec<Slot>,
    leaves: BytesMut,
    salts: BytesMut,
    payloads: BytesMut,
    /// The hashes of the leaves, in order.
    pub hashes: Vec<Hash>,
    /// The names that the log has to learn: hash, the record before, the record.
    pub names: Vec<(NameHash, Option<Position>, Position)>,
    /// The newest position of each name in the group; names that collide share a place.
    newest: NameMap<Newest>,
    /// The batches of the group that have a name, by its hash.
    pub batches: Vec<(NameHash, Position)>,
    /// What the group erases.
    pub erasures: Vec<Erasure>,
}

impl GroupBuilder {
    /// An empty group at the tail.
    pub fn new(first: Position) -> Self {
        Self {
            first,
            slots: Vec::new(),
            leaves: BytesMut::new(),
            salts: BytesMut::new(),
            payloads: BytesMut::new(),
            hashes: Vec::new(),
            names: Vec::new(),
            newest: NameMap::default(),
            batches: Vec::new(),
            erasures: Vec::new(),
        }
    }

    /// Makes room at once for so many bytes of payloads: what is kept of a group in memory is then no larger than it.
    pub fn reserve(&mut self, payload_bytes: usize) {
        self.payloads.reserve(payload_bytes);
    }

    /// The position of the group's next record.
    pub fn tail(&self) -> Position {
        self.first.plus(self.slots.len() as u64)
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes in the records of a decided batch.
    pub fn add(&mut self, batch: &Prepared, plan: &Plan, recorded: Recorded, epoch: Epoch) {
        let first = self.tail();
        let made = made_id(first);
        let id: &[u8] = batch.request_id.as_ref().map_or(&made, |id| id.as_bytes());
        let mut index = 0;
        for (draft, step) in batch.drafts.iter().zip(&plan.steps) {
            if let Step::Write {
                position,
                revision,
                previous,
                kind,
                ..
            } = *step
            {
                let leaf = Leaf {
                    act: draft.act,
                    kind,
                    series: draft.entry.series.as_str(),
                    key: draft.entry.key.as_str(),
                    revision,
                    previous,
                    recorded,
                    batch_id: id,
                    batch_index: index,
                    batch_count: plan.written,
                    principal: batch.principal.as_str(),
                    epoch,
                    reason: draft.reason.as_str(),
                    relation: draft.link(),
                    erased: draft.revisions(),
                    payload_size: draft.payload.len() as u64,
                    commitment: draft.commitment,
                };
                self.push(draft, &leaf, position);
                index += 1;
            }
        }
        if let (Some(hash), true) = (batch.hash, plan.written > 0) {
            self.batches.push((hash, first));
        }
    }

    fn push(&mut self, draft: &PreparedDraft, leaf: &Leaf<'_>, position: Position) {
        self.erasures.extend(Erasure::of(position, leaf, &draft.payload));
        let start = self.leaves.len();
        leaf.encode(&mut self.leaves);
        self.hashes.push(leaf_hash(&self.leaves[start..]));
        self.salts.put_slice(&draft.salt);
        self.payloads.put_slice(&draft.payload);
        self.slots.push(Slot {
            leaf_end: self.leaves.len() as u32,
            payload_end: self.payloads.len() as u32,
            erased: false,
        });
        self.names.push((draft.hash, leaf.previous, position));
        match self.newest.entry(draft.hash) {
            Entry::Vacant(vacant) => drop(vacant.insert(Newest::One([position]))),
            Entry::Occupied(mut known) => known.get_mut().record(leaf.previous, position),
        }
    }

    /// The hash of the leaf at a position of the group.
    pub fn hash_of(&self, position: Position) -> Hash {
        let at = usize::try_from(position.since(self.first)).unwrap_or(usize::MAX);
        self.hashes.get(at).copied().unwrap_or_default()
    }

    /// The newest positions of the group's entries with this hash.
    pub fn candidates(&self, hash: NameHash) -> &[Position] {
        self.newest.get(&hash).map_or(&[], Newest::as_slice)
    }

    /// The record at a position of the group, as a run of one. Its bytes are copied: it is asked for when one batch of a
    /// group builds on another, which is rare.
    pub fn fetch(&self, position: Position) -> Option<Run> {
        if position < self.first || position >= self.tail() {
            return None;
        }
        let at = usize::try_from(position.since(self.first)).ok()?;
        let before = at
            .checked_sub(1)
            .map_or((0, 0), |at| (self.slots[at].leaf_end, self.slots[at].payload_end));
        let slot = self.slots[at];
        let leaf = self.leaves[before.0 as usize..slot.leaf_end as usize].to_vec();
        let payload = self.payloads[before.1 as usize..slot.payload_end as usize].to_vec();
        let salt = self.salts[at * SALT_BYTES..(at + 1) * SALT_BYTES].to_vec();
        let slot = Slot {
            leaf_end: leaf.len() as u32,
            payload_end: payload.len() as u32,
            erased: false,
        };
        Run::new(position, vec![slot], leaf.into(), salt.into(), payload.into()).ok()
    }

    /// The records of the group in their final form, leaving what the log has to learn.
    ///
    /// # Errors
    /// [`RunError`] never, since the columns were filled together.
    pub fn run(&mut self) -> Result<Run, RunError> {
        let slots = std::mem::take(&mut self.slots);
        let column = |bytes: &mut BytesMut| std::mem::take(bytes).freeze();
        let (leaves, salts, payloads) = (
            column(&mut self.leaves),
            column(&mut self.salts),
            column(&mut self.payloads),
        );
        Run::new(self.first, slots, leaves, salts, payloads)
    }
}

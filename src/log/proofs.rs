//! Proofs over the log's own tree: where their nodes come from.
//!
//! Nodes from level 8 up lie in memory with the tree. Those below are made from the leaf hashes of one block of 256: the
//! sealed log has them as a column, elsewhere the leaves are read and hashed. Blocks that were made are kept for a while,
//! since proofs often ask for the same ones.

use super::error::ReadError;
use super::shared::Shared;
use super::{Columns, Log, SCAN_STEP};
use crate::merkle::{Block, Nodes, SUBTREE, SUBTREE_LEVEL, Tree, proof};
use crate::record::{Hash, Position, leaf_hash};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

/// How many blocks are kept: 16 KiB each.
const BLOCKS_MAX: usize = 64;

/// The whole blocks that were made last, the newest first.
#[derive(Default)]
pub struct Blocks(VecDeque<(u64, Arc<Block>)>);

impl Blocks {
    fn get(&mut self, number: u64) -> Option<Arc<Block>> {
        let at = self.0.iter().position(|(kept, _)| *kept == number)?;
        let found = self.0.remove(at)?;
        self.0.push_front(found.clone());
        Some(found.1)
    }

    fn keep(&mut self, number: u64, block: Arc<Block>) {
        self.0.truncate(BLOCKS_MAX - 1);
        self.0.push_front((number, block));
    }
}

/// The nodes of the tree over the first `size` leaves.
struct LogNodes<'a> {
    shared: &'a Shared,
    size: u64,
    /// The blocks of this proof.
    blocks: Vec<(u64, Arc<Block>)>,
}

impl LogNodes<'_> {
    fn block(&mut self, number: u64) -> Result<Arc<Block>, ReadError> {
        if let Some((_, block)) = self.blocks.iter().find(|(kept, _)| *kept == number) {
            return Ok(Arc::clone(block));
        }
        let block = self.shared.block(number, self.size)?;
        self.blocks.push((number, Arc::clone(&block)));
        Ok(block)
    }
}

impl Nodes for LogNodes<'_> {
    type Error = ReadError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, ReadError> {
        let first = Position::new(index << level);
        let damaged = || ReadError::Damaged {
            position: first,
            expected: "the hashes of all leaves".into(),
            found: "fewer of them".into(),
        };
        let Some(above) = (level as usize).checked_sub(SUBTREE_LEVEL) else {
            let number = first.get() / SUBTREE;
            let within = index - (number << (SUBTREE_LEVEL as u32 - level));
            return self.block(number)?.node(level, within).ok_or_else(damaged);
        };
        let tree = self.shared.tree.read().unwrap_or_else(PoisonError::into_inner);
        tree.subtree(above + SUBTREE_LEVEL, index).ok_or_else(damaged)
    }
}

impl Shared {
    /// The nodes over block `number`, as far as a log of `size` records reaches.
    fn block(&self, number: u64, size: u64) -> Result<Arc<Block>, ReadError> {
        let (from, until) = (number * SUBTREE, ((number + 1) * SUBTREE).min(size));
        let is_whole = until - from == SUBTREE;
        let kept = || self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = kept().get(number).filter(|_| is_whole) {
            return Ok(block);
        }
        let hashes = self.leaf_hashes(Position::new(from), Position::new(until))?;
        let block = Arc::new(Block::of(&hashes));
        if is_whole {
            kept().keep(number, Arc::clone(&block));
        }
        Ok(block)
    }

    /// The hashes of the leaves in a range that is published.
    pub(super) fn leaf_hashes(&self, from: Position, until: Position) -> Result<Vec<Hash>, ReadError> {
        if let Some(hashes) = self.sealed.as_ref().and_then(|sealed| {
            // Where a column is damaged the leaves may still be there.
            sealed.leaf_hashes(from, until).ok().flatten()
        }) {
            return Ok(hashes);
        }
        let mut hashes = Vec::with_capacity(until.since(from) as usize);
        let mut at = from;
        while at < until {
            for run in self.read(at, until, SCAN_STEP, Columns::Leaves)? {
                hashes.extend(run.iter().map(|record| leaf_hash(record.leaf)));
                at = run.end();
            }
        }
        Ok(hashes)
    }

    /// Whether the first `size` records are all there.
    fn check_size(&self, size: Position) -> Result<(), ReadError> {
        let tail = self.tail.get();
        if size > tail {
            return Err(ReadError::BeyondTail { position: size, tail });
        }
        match self.lost_below(size) {
            Some(position) => Err(ReadError::Damaged {
                position,
                expected: "a leaf".into(),
                found: "a loss".into(),
            }),
            None => Ok(()),
        }
    }

    fn nodes(&self, size: Position) -> Result<LogNodes<'_>, ReadError> {
        self.check_size(size)?;
        Ok(LogNodes {
            shared: self,
            size: size.get(),
            blocks: Vec::new(),
        })
    }
}

impl Log {
    /// The inclusion proof for the record at `position` in the tree of the first `size` records. May wait for the disk.
    ///
    /// # Errors
    /// [`ReadError::BeyondTail`] where the position is not below the size, or the size is beyond the tail;
    /// [`ReadError::Damaged`] where leaves below `size` were lost.
    pub fn prove_inclusion(&self, position: Position, size: Position) -> Result<Vec<Hash>, ReadError> {
        if position >= size {
            return Err(ReadError::BeyondTail { position, tail: size });
        }
        let mut nodes = self.shared.nodes(size)?;
        proof::prove_inclusion(&mut nodes, position.get(), size.get())
    }

    /// The proof that the log of `second` records begins with that of `first`. May wait for the disk.
    ///
    /// # Errors
    /// As [`Log::prove_inclusion`].
    pub fn prove_consistency(&self, first: Position, second: Position) -> Result<Vec<Hash>, ReadError> {
        if first > second {
            return Err(ReadError::BeyondTail {
                position: first,
                tail: second,
            });
        }
        let mut nodes = self.shared.nodes(second)?;
        proof::prove_consistency(&mut nodes, first.get(), second.get())
    }

    /// The root of the tree over the first `size` records. May wait for the disk.
    ///
    /// # Errors
    /// [`ReadError::BeyondTail`]; [`ReadError::Damaged`] where leaves below `size` were lost.
    pub fn root_at(&self, size: Position) -> Result<Hash, ReadError> {
        self.shared.check_size(size)?;
        let range = Tree::loose_leaves(size.get());
        let loose = self
            .shared
            .leaf_hashes(Position::new(range.start), Position::new(range.end))?;
        let tree = self.shared.tree.read().unwrap_or_else(PoisonError::into_inner);
        tree.root_at(size.get(), &loose)
            .map_err(|error| ReadError::Damaged {
                position: size,
                expected: "the hashes of all leaves".into(),
                found: error.to_string(),
            })
    }

    /// The hashes of level `8 * level` that are the `index`-th 256 of theirs, as many as `width`: a tile. May wait for the
    /// disk.
    ///
    /// # Errors
    /// As [`Log::root_at`].
    pub fn tile(&self, level: u8, index: u64, width: u32) -> Result<Vec<Hash>, ReadError> {
        let step = 8 * u32::from(level);
        let first = index * SUBTREE;
        let end = (first + u64::from(width)).checked_shl(step).unwrap_or(u64::MAX);
        self.shared.check_size(Position::new(end))?;
        if level == 0 {
            return self.shared.leaf_hashes(Position::new(first), Position::new(end));
        }
        let mut nodes = self.shared.nodes(Position::new(end))?;
        (first..first + u64::from(width))
            .map(|index| nodes.node(step, index))
            .collect()
    }
}

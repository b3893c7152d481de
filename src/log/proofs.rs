//! Proofs over the log's own tree: where their nodes come from.
//!
//! Nodes from level 8 up lie in memory with the tree. Those below are made from the leaf hashes of one block of 256: the
//! sealed log has them as a column, elsewhere the leaves are read and hashed. Of blocks that were made the rows from level 4
//! up are kept, a KiB each, so that the next proof in such a block reads its hashes and makes 15 nodes instead of 255; of
//! the newest block, which every proof needs, all rows.

use super::error::ReadError;
use super::shared::Shared;
use super::{Columns, Log, SCAN_STEP};
use crate::merkle::tile::{Kind, Tile};
use crate::merkle::{Block, Nodes, SUBTREE, SUBTREE_LEVEL, Tree, proof};
use crate::record::{Hash, Position, leaf_hash};
use hashbrown::HashMap;
use std::sync::{Arc, PoisonError};

/// The lowest row that is kept of a whole block.
const KEPT_LEVEL: u32 = 4;
/// The leaves below one node of it.
const GROUP: u64 = 1 << KEPT_LEVEL;
/// How many blocks are kept: 1 KiB each, for a million records all.
const BLOCKS_MAX: usize = 4_096;

/// What is kept of the blocks that were made.
#[derive(Default)]
pub struct Blocks {
    upper: HashMap<u64, Arc<Block>>,
    /// The newest block that is not whole, by its number: its nodes are those of every larger one.
    partial: Option<(u64, Arc<Block>)>,
}

impl Blocks {
    fn keep(&mut self, number: u64, block: &Arc<Block>) {
        if block.width() as u64 != SUBTREE {
            self.partial = Some((number, Arc::clone(block)));
            return;
        }
        if self.upper.len() >= BLOCKS_MAX {
            // Which one matters little: it is made again in some 20 microseconds.
            let other = self.upper.keys().next().copied();
            other.and_then(|other| self.upper.remove(&other));
        }
        self.upper.insert(number, Arc::new(block.from_level(KEPT_LEVEL)));
    }
}

/// The nodes of the tree over the first `size` leaves.
struct LogNodes<'a> {
    shared: &'a Shared,
    size: u64,
    /// Blocks of this proof with all their rows, and groups of 16 leaves: by first leaf.
    made: Vec<(u64, Arc<Block>)>,
}

impl LogNodes<'_> {
    /// A node below level 8.
    fn low(&mut self, level: u32, index: u64) -> Result<Option<Hash>, ReadError> {
        let first = index << level;
        let number = first / SUBTREE;
        let within = |of: u64| (first - of) >> level;
        let start = number * SUBTREE;
        let width = self.size.min(start + SUBTREE) - start;
        if let Some((of, block)) = self.made(first, level, width) {
            return Ok(block.node(level, within(of)));
        }
        let Some(kept) = self.shared.kept_block(number, width) else {
            let block = self.shared.make_block(start, width)?;
            let node = block.node(level, within(start));
            self.made.push((start, block));
            return Ok(node);
        };
        if let Some(node) = kept.node(level, within(start)) {
            return Ok(Some(node));
        }
        let group = first - first % GROUP;
        let (from, until) = (Position::new(group), Position::new(group + GROUP));
        let block = Arc::new(Block::of(&self.shared.leaf_hashes(from, until)?));
        let node = block.node(level, within(group));
        self.made.push((group, block));
        Ok(node)
    }

    /// What this proof has made that holds the node of a level over a leaf.
    fn made(&self, leaf: u64, level: u32, width: u64) -> Option<(u64, Arc<Block>)> {
        let holds = |of: u64, block: &Block| {
            let leaves = block.width() as u64;
            of <= leaf && leaf < of + leaves && (leaves >= width || leaves == GROUP && level <= KEPT_LEVEL)
        };
        let mut made = self.made.iter();
        made.find(|(of, block)| holds(*of, block)).cloned()
    }
}

impl Nodes for LogNodes<'_> {
    type Error = ReadError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, ReadError> {
        let found = if (level as usize) < SUBTREE_LEVEL {
            self.low(level, index)?
        } else {
            let tree = self.shared.tree.read().unwrap_or_else(PoisonError::into_inner);
            tree.subtree(level as usize, index)
        };
        found.ok_or_else(|| ReadError::Damaged {
            position: Position::new(index << level),
            expected: "the hashes of all leaves".into(),
            found: "fewer of them".into(),
        })
    }
}

impl Shared {
    /// What is kept of block `number`, where it stands over so many leaves or more.
    fn kept_block(&self, number: u64, width: u64) -> Option<Arc<Block>> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if width == SUBTREE {
            return blocks.upper.get(&number).cloned();
        }
        let (partial, block) = blocks.partial.as_ref()?;
        let serves = *partial == number && block.width() as u64 >= width;
        serves.then(|| Arc::clone(block))
    }

    /// Makes the nodes over the `width` leaves of a block that begins at `start`, and keeps what later proofs need.
    fn make_block(&self, start: u64, width: u64) -> Result<Arc<Block>, ReadError> {
        let (from, until) = (Position::new(start), Position::new(start + width));
        let block = Arc::new(Block::of(&self.leaf_hashes(from, until)?));
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.keep(start / SUBTREE, &block);
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
            made: Vec::new(),
        })
    }
}

impl Log {
    /// The hash of the leaf at a position. May wait for the disk.
    ///
    /// # Errors
    /// As [`Log::prove_inclusion`].
    pub fn leaf_hash(&self, position: Position) -> Result<Hash, ReadError> {
        self.shared.check_size(position.next())?;
        let hashes = self.shared.leaf_hashes(position, position.next())?;
        hashes.first().copied().ok_or(ReadError::BeyondTail {
            position,
            tail: self.tail(),
        })
    }

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
        let tail = self.tail();
        let tile = Tile {
            kind: Kind::Hashes(level),
            index,
            width,
        };
        if !tile.is_within(tail.get()) {
            let position = Position::new(index);
            return Err(ReadError::BeyondTail { position, tail });
        }
        // It lies below the tail: nothing of it overflows.
        let step = 8 * u32::from(level);
        let first = index * SUBTREE;
        let end = (first + u64::from(width)) << step;
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

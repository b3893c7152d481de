//! Where proofs take the hashes of complete subtrees from.
//!
//! A node is named by its level and its index in it: node (l, i) stands over the leaves `i * 2^l .. (i + 1) * 2^l`. Whoever
//! stores a tree implements [`Nodes`]; [`Block`] makes all nodes below level 8 from the leaf hashes of one block of 256.

use super::tree::{SUBTREE, SUBTREE_LEVEL, fold_right, node_hash};
use crate::record::Hash;
use std::ops::Range;

/// A source of the hashes of complete subtrees.
pub trait Nodes {
    /// Why a hash cannot be had.
    type Error;

    /// The hash over the leaves `index << level .. (index + 1) << level`, all of which the caller knows to exist.
    ///
    /// # Errors
    /// What the source says.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The hash over `range`, which must not be empty and must begin at a multiple of the smallest power of two that is not
/// below its length: such a range is what RFC 6962 splits a tree into.
///
/// # Errors
/// What the source says.
pub fn range_hash<N: Nodes>(nodes: &mut N, range: Range<u64>) -> Result<Hash, N::Error> {
    let mut subtrees = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let level = (range.end - at).ilog2();
        subtrees.push(nodes.node(level, at >> level)?);
        at += 1 << level;
    }
    Ok(fold_right(subtrees.into_iter().rev()))
}

/// All nodes over one block of up to 256 leaves, from some level up.
#[derive(Clone, Debug)]
pub struct Block {
    /// The level of the lowest row.
    lowest: u32,
    /// By level from the lowest on, the hashes of the complete subtrees.
    rows: Vec<Vec<Hash>>,
}

impl Block {
    /// The nodes over these leaf hashes; hashes after the 256th are left out.
    pub fn of(leaf_hashes: &[Hash]) -> Self {
        Self::over(0, &leaf_hashes[..leaf_hashes.len().min(SUBTREE as usize)])
    }

    /// The nodes over a row of complete subtrees.
    fn over(lowest: u32, row: &[Hash]) -> Self {
        let mut rows = vec![row.to_vec()];
        for level in 0..SUBTREE_LEVEL - lowest as usize {
            let pairs = rows[level].chunks_exact(2);
            rows.push(pairs.map(|pair| node_hash(&pair[0], &pair[1])).collect());
        }
        Self { lowest, rows }
    }

    /// The same without the rows below a level: a fraction of its bytes, from which the rest is soon made again.
    pub fn from_level(&self, level: u32) -> Self {
        let below = level.saturating_sub(self.lowest) as usize;
        Self {
            lowest: level.max(self.lowest),
            rows: self.rows.iter().skip(below).cloned().collect(),
        }
    }

    /// How many subtrees its lowest row has: leaves, where it has all rows.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// The hash of the `index`-th complete subtree of a level, counted from the block's first leaf.
    pub fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let row = self.rows.get(level.checked_sub(self.lowest)? as usize)?;
        row.get(usize::try_from(index).ok()?).copied()
    }
}

/// A tree whose leaf hashes all lie in memory: for tests, and for copies small enough.
impl Nodes for &[Hash] {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        // The caller knows the leaves to exist, and they lie in memory.
        let from = (index << level) as usize;
        let leaves = &self[from..from + (1 << level)];
        Ok(super::Tree::of(leaves).root())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::oracle;

    #[test]
    fn a_block_has_the_nodes_of_its_leaves_and_no_others() {
        for count in [0, 1, 2, 3, 100, 255, 256] {
            let leaves = oracle::leaves(count);
            let block = Block::of(&leaves);
            assert_eq!(block.width() as u64, count);
            for level in 0..=8 {
                for index in 0..=count >> level {
                    let range = (index << level) as usize..((index + 1) << level) as usize;
                    let expected = leaves.get(range).map(oracle::root);
                    assert_eq!(block.node(level, index), expected, "{count} {level} {index}");
                    let upper = block.from_level(4).node(level, index);
                    assert_eq!(upper, expected.filter(|_| level >= 4), "{count} {level} {index}");
                }
            }
            assert_eq!(block.node(9, 0), None);
        }
    }
}

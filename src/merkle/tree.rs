//! The Merkle tree over all leaves (RFC 6962, section 2.1).
//!
//! A plain value that grows by leaf hashes: it keeps the frontier, from which the newest root comes, and the hashes of
//! all complete subtrees of 256 leaves and larger, from which any earlier root comes once the caller hands over the
//! at most 255 leaf hashes after the last of them. It does no I/O and knows no record.

use crate::record::Hash;
use sha2::{Digest, Sha256};

/// How many leaves the smallest kept subtree covers.
pub const SUBTREE: u64 = 256;
/// The level of the smallest kept subtree.
pub const SUBTREE_LEVEL: usize = SUBTREE.trailing_zeros() as usize;

/// SHA-256(0x01 ‖ left ‖ right), the hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1u8])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of the empty tree: the hash of nothing.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A growing tree.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// By level, the hash of the complete subtree that ends at `size`; present where that bit of `size` is set.
    frontier: Vec<Option<Hash>>,
    /// By level above the smallest kept one, the hashes of all complete subtrees, from the left.
    kept: Vec<Vec<Hash>>,
}

/// Leaf hashes that do not reach from the last kept subtree to the size asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The tree is not that large.
    #[error("the tree has {size} leaves, asked for the root of {asked}")]
    TooLarge {
        /// The tree's size.
        size: u64,
        /// The size asked for.
        asked: u64,
    },
    /// The caller gave another number of leaf hashes than [`Tree::loose_leaves`] asks for.
    #[error("the root of {asked} leaves needs {needed} loose leaf hashes, {given} were given")]
    Loose {
        /// The size asked for.
        asked: u64,
        /// How many hashes it needs.
        needed: u64,
        /// How many were given.
        given: u64,
    },
}

impl Tree {
    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree over these leaves.
    pub fn of(leaf_hashes: &[Hash]) -> Self {
        let mut tree = Self::default();
        leaf_hashes.iter().for_each(|hash| tree.push(*hash));
        tree
    }

    /// Adds one leaf by its hash.
    pub fn push(&mut self, leaf_hash: Hash) {
        self.push_at(0, leaf_hash, 1);
    }

    /// Adds 256 leaves by the hash over them; answers whether it could: the size must be a multiple of 256.
    pub fn push_block(&mut self, hash: Hash) -> bool {
        let fits = self.size.is_multiple_of(SUBTREE);
        if fits {
            // As `push` does when the last of them comes.
            self.keep(SUBTREE_LEVEL, hash);
            self.push_at(SUBTREE_LEVEL, hash, SUBTREE);
        }
        fits
    }

    /// The hash over the complete subtree of `2^level` leaves that is the `index`-th of its level, where the tree keeps it:
    /// from level 8 on.
    pub fn subtree(&self, level: usize, index: u64) -> Option<Hash> {
        let row = self.kept.get(level.checked_sub(SUBTREE_LEVEL)?)?;
        row.get(usize::try_from(index).ok()?).copied()
    }

    fn push_at(&mut self, mut level: usize, mut hash: Hash, leaves: u64) {
        while self.size >> level & 1 == 1 {
            // The bit is set, so a subtree of this level waits for its right sibling.
            if let Some(left) = self.frontier[level].take() {
                hash = node_hash(&left, &hash);
            }
            level += 1;
            self.keep(level, hash);
        }
        if self.frontier.len() <= level {
            self.frontier.resize(level + 1, None);
        }
        self.frontier[level] = Some(hash);
        self.size += leaves;
    }

    fn keep(&mut self, level: usize, hash: Hash) {
        if let Some(row) = level.checked_sub(SUBTREE_LEVEL) {
            if self.kept.len() <= row {
                self.kept.push(Vec::new());
            }
            self.kept[row].push(hash);
        }
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        fold_right(self.frontier.iter().flatten().copied())
    }

    /// The leaves after the last kept subtree of a tree of `size` leaves: `size - size % 256 .. size`.
    pub fn loose_leaves(size: u64) -> std::ops::Range<u64> {
        size - size % SUBTREE..size
    }

    /// The root over the first `size` leaves, given the hashes of [`Tree::loose_leaves`].
    ///
    /// # Errors
    /// [`RootError`] where the tree is smaller, or where the hashes given are not those.
    pub fn root_at(&self, size: u64, loose: &[Hash]) -> Result<Hash, RootError> {
        if size > self.size {
            return Err(RootError::TooLarge {
                size: self.size,
                asked: size,
            });
        }
        let needed = size % SUBTREE;
        if loose.len() as u64 != needed {
            return Err(RootError::Loose {
                asked: size,
                needed,
                given: loose.len() as u64,
            });
        }
        let mut small = Self::default();
        for hash in loose {
            small.push(*hash);
        }
        let low = small.frontier.iter().flatten().copied();
        let high = (SUBTREE_LEVEL..64)
            .filter(|level| size >> level & 1 == 1)
            .filter_map(|level| {
                let at = (size >> level) - 1;
                self.kept
                    .get(level - SUBTREE_LEVEL)?
                    .get(usize::try_from(at).ok()?)
                    .copied()
            });
        Ok(fold_right(low.chain(high)))
    }
}

/// Joins complete subtrees, the smallest (rightmost) first, into one root.
pub(super) fn fold_right(subtrees: impl Iterator<Item = Hash>) -> Hash {
    subtrees
        .reduce(|right, left| node_hash(&left, &right))
        .unwrap_or_else(empty_root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::oracle::{leaves, root as definition};
    use crate::record::leaf_hash;
    use proptest::prelude::*;

    #[test]
    fn the_roots_are_those_of_the_published_vectors() {
        // The leaves and roots of the certificate-transparency reference tests.
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        assert_eq!(
            hex::encode(tree.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for (input, root) in inputs.iter().zip(roots) {
            tree.push(leaf_hash(&hex::decode(input).unwrap()));
            assert_eq!(hex::encode(tree.root()), root);
        }
    }

    #[test]
    fn every_size_around_the_kept_subtrees_has_its_root() {
        let all = leaves(1_100);
        let mut tree = Tree::default();
        all.iter().for_each(|hash| tree.push(*hash));
        for size in (0..40)
            .chain(250..262)
            .chain(510..515)
            .chain(766..770)
            .chain(1_020..1_101)
        {
            let loose = &all[(size - size % 256) as usize..size as usize];
            assert_eq!(
                tree.root_at(size, loose),
                Ok(definition(&all[..size as usize])),
                "{size}"
            );
        }
    }

    proptest! {
        #[test]
        fn growing_equals_the_definition(count in 0u64..700) {
            let all = leaves(count);
            let mut tree = Tree::default();
            all.iter().for_each(|hash| tree.push(*hash));
            prop_assert_eq!(tree.root(), definition(&all));
        }
    }

    #[test]
    fn leaves_added_256_at_a_time_make_the_same_tree() {
        let all = leaves(3 * 256 + 5);
        let mut blocks = Tree::default();
        for block in all.chunks_exact(256) {
            assert!(blocks.push_block(Tree::of(block).root()));
        }
        all[768..].iter().for_each(|hash| blocks.push(*hash));
        let tree = Tree::of(&all);
        assert_eq!((blocks.size(), blocks.root()), (tree.size(), tree.root()));
        assert_eq!(blocks.root_at(512, &[]), tree.root_at(512, &[]));
        assert_eq!(blocks.subtree(9, 0), Some(definition(&all[..512])));
        assert!(!blocks.push_block([0; 32]), "the size is no multiple of 256");
    }

    #[test]
    fn a_root_beyond_the_tree_is_refused() {
        let tree = Tree::default();
        assert_eq!(
            tree.root_at(1, &[[0; 32]]),
            Err(RootError::TooLarge { size: 0, asked: 1 })
        );
    }
}

//! Proofs of inclusion and consistency: made from the tree's nodes, checked with nothing but hashes.
//!
//! They are made as RFC 6962, sections 2.1.1 and 2.1.2, defines them, and checked by the algorithms of RFC 9162, sections
//! 2.1.3.2 and 2.1.4.2. A proof says nothing about who stands behind a root: sizes and roots must come from a checkpoint
//! whose signature was checked.

use super::nodes::{Nodes, range_hash};
use super::tree::{empty_root, node_hash};
use crate::record::Hash;

/// The most hashes that a proof can have: a tree of 2^64 leaves has so many levels, and consistency needs one more.
pub const HASHES_MAX: usize = 65;

/// A proof that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The position is not in the tree.
    #[error("position {position} is not in a tree of {size} leaves")]
    Outside {
        /// The position.
        position: u64,
        /// The tree's size.
        size: u64,
    },
    /// The first tree is larger than the second.
    #[error("a tree of {first} leaves cannot have grown to one of {second}")]
    Shrunk {
        /// The size that was said to be earlier.
        first: u64,
        /// The size that was said to be later.
        second: u64,
    },
    /// Another number of hashes than such a proof has.
    #[error("the proof has {found} hashes and needs {needed}")]
    Length {
        /// How many it has.
        found: usize,
        /// How many a proof of these sizes has.
        needed: usize,
    },
    /// The hashes lead to another root.
    #[error(
        "the proof leads to root {}, the tree of {size} leaves has {}",
        hex::encode(found),
        hex::encode(expected)
    )]
    Root {
        /// The size of the tree.
        size: u64,
        /// The root that was to be reached.
        expected: Hash,
        /// The root that was reached.
        found: Hash,
    },
}

/// The inclusion proof for the leaf at `position` in the tree of the first `size` leaves: the siblings from the leaf up.
/// The caller has seen to it that `position < size`; elsewhere it is empty.
///
/// # Errors
/// What the source of nodes says.
pub fn prove_inclusion<N: Nodes>(nodes: &mut N, position: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while position < size && end - begin > 1 {
        let middle = begin + split(end - begin);
        let sibling = if position < middle {
            let sibling = middle..end;
            end = middle;
            sibling
        } else {
            let sibling = begin..middle;
            begin = middle;
            sibling
        };
        path.push(range_hash(nodes, sibling)?);
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `second` leaves begins with the tree of `first` leaves. It is empty where the two are the same,
/// and where the first is empty, with which every tree begins. The caller has seen to it that `first <= second`.
///
/// # Errors
/// What the source of nodes says.
pub fn prove_consistency<N: Nodes>(nodes: &mut N, first: u64, second: u64) -> Result<Vec<Hash>, N::Error> {
    if first == 0 || first >= second {
        return Ok(Vec::new());
    }
    let (mut begin, mut end) = (0, second);
    let mut path = Vec::new();
    // Down to the subtree that ends where the first tree ends.
    while end != first {
        let middle = begin + split(end - begin);
        let sibling = if first <= middle {
            let sibling = middle..end;
            end = middle;
            sibling
        } else {
            let sibling = begin..middle;
            begin = middle;
            sibling
        };
        path.push(range_hash(nodes, sibling)?);
    }
    // A subtree that is the whole first tree is known to whoever checks the proof.
    if begin > 0 {
        path.push(range_hash(nodes, begin..end)?);
    }
    path.reverse();
    Ok(path)
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Checks that `leaf_hash` is the leaf at `position` of the tree of `size` leaves whose root is `root`.
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(
    leaf_hash: &Hash,
    position: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if position >= size {
        return Err(ProofError::Outside { position, size });
    }
    check_length(path, inclusion_length(position, size))?;
    let (mut index, mut last) = (position, size - 1);
    let mut found = *leaf_hash;
    for sibling in path {
        if index & 1 == 1 || index == last {
            found = node_hash(sibling, &found);
            // The rightmost node of an incomplete level rises until it has a left sibling.
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            found = node_hash(&found, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    check_root(size, root, found)
}

/// Checks that the tree of `second` leaves with root `second_root` begins with the tree of `first` leaves whose root is
/// `first_root`.
///
/// # Errors
/// [`ProofError`].
pub fn verify_consistency(
    first: u64,
    first_root: &Hash,
    second: u64,
    second_root: &Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    if first > second {
        return Err(ProofError::Shrunk { first, second });
    }
    if first == 0 {
        check_length(path, 0)?;
        return check_root(0, first_root, empty_root());
    }
    if first == second {
        check_length(path, 0)?;
        return check_root(second, second_root, *first_root);
    }
    check_length(path, consistency_length(first, second))?;
    // A first tree that is one complete subtree is the proof's first node, and is left out.
    let whole = first.is_power_of_two().then_some(*first_root);
    let mut hashes = whole.into_iter().chain(path.iter().copied());
    // The length was checked: there is at least one.
    let start = hashes.next().unwrap_or_else(empty_root);
    let (mut first_found, mut second_found) = (start, start);
    let (mut index, mut last) = (first - 1, second - 1);
    while index & 1 == 1 {
        index >>= 1;
        last >>= 1;
    }
    for hash in hashes {
        if index & 1 == 1 || index == last {
            first_found = node_hash(&hash, &first_found);
            second_found = node_hash(&hash, &second_found);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            second_found = node_hash(&second_found, &hash);
        }
        index >>= 1;
        last >>= 1;
    }
    check_root(first, first_root, first_found)?;
    check_root(second, second_root, second_found)
}

/// How many hashes the inclusion proof of a position has.
fn inclusion_length(position: u64, size: u64) -> usize {
    let (mut begin, mut end) = (0, size);
    let mut length = 0;
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if position < middle {
            end = middle;
        } else {
            begin = middle;
        }
        length += 1;
    }
    length
}

/// How many hashes the consistency proof of two sizes has, where `0 < first < second`.
fn consistency_length(first: u64, second: u64) -> usize {
    let (mut begin, mut end) = (0, second);
    let mut length = 0;
    while end != first {
        let middle = begin + split(end - begin);
        if first <= middle {
            end = middle;
        } else {
            begin = middle;
        }
        length += 1;
    }
    length + usize::from(begin > 0)
}

fn check_length(path: &[Hash], needed: usize) -> Result<(), ProofError> {
    if path.len() == needed {
        Ok(())
    } else {
        let found = path.len();
        Err(ProofError::Length { found, needed })
    }
}

fn check_root(size: u64, expected: &Hash, found: Hash) -> Result<(), ProofError> {
    if *expected == found {
        Ok(())
    } else {
        let expected = *expected;
        Err(ProofError::Root {
            size,
            expected,
            found,
        })
    }
}

#[cfg(test)]
mod tests;

//! Every proof verifies, is the one of the definition, and no changed one does.

use super::*;
use crate::merkle::oracle;
use proptest::prelude::*;

fn inclusion(leaves: &[Hash], position: u64, size: u64) -> Vec<Hash> {
    let Ok(path) = prove_inclusion(&mut &*leaves, position, size);
    path
}

fn consistency(leaves: &[Hash], first: u64, second: u64) -> Vec<Hash> {
    let Ok(path) = prove_consistency(&mut &*leaves, first, second);
    path
}

#[test]
fn all_proofs_of_all_small_trees_are_those_of_the_definition() {
    let leaves = oracle::leaves(40);
    for size in 1..=40usize {
        let tree = &leaves[..size];
        let root = oracle::root(tree);
        for position in 0..size {
            let path = inclusion(&leaves, position as u64, size as u64);
            assert_eq!(path, oracle::path(position, tree), "{position} of {size}");
            verify_inclusion(&leaves[position], position as u64, size as u64, &path, &root).unwrap();
        }
        for first in 1..=size {
            let path = consistency(&leaves, first as u64, size as u64);
            assert_eq!(path, oracle::proof(first, tree), "{first} to {size}");
            let first_root = oracle::root(&leaves[..first]);
            verify_consistency(first as u64, &first_root, size as u64, &root, &path).unwrap();
        }
    }
}

#[test]
fn the_empty_tree_is_the_beginning_of_every_tree() {
    let leaves = oracle::leaves(9);
    let root = oracle::root(&leaves);
    assert!(consistency(&leaves, 0, 9).is_empty());
    verify_consistency(0, &empty_root(), 9, &root, &[]).unwrap();
    assert!(verify_consistency(0, &root, 9, &root, &[]).is_err());
    assert!(verify_consistency(0, &empty_root(), 9, &root, &[root]).is_err());
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let hash = [7; 32];
    assert_eq!(
        verify_inclusion(&hash, 3, 3, &[], &hash),
        Err(ProofError::Outside { position: 3, size: 3 })
    );
    assert_eq!(
        verify_consistency(4, &hash, 3, &hash, &[]),
        Err(ProofError::Shrunk { first: 4, second: 3 })
    );
    let needed = 1;
    assert_eq!(
        verify_inclusion(&hash, 0, 2, &[], &hash),
        Err(ProofError::Length { found: 0, needed })
    );
}

/// No size makes the checking run long or overflow.
#[test]
fn the_largest_trees_are_checked_without_overflow() {
    let hash = [7; 32];
    let path = [hash; HASHES_MAX];
    for length in 0..=HASHES_MAX {
        assert!(verify_inclusion(&hash, u64::MAX - 1, u64::MAX, &path[..length], &hash).is_err());
        assert!(verify_inclusion(&hash, 0, u64::MAX, &path[..length], &hash).is_err());
        assert!(verify_consistency(1, &hash, u64::MAX, &[8; 32], &path[..length]).is_err());
        assert!(verify_consistency(u64::MAX - 1, &hash, u64::MAX, &[8; 32], &path[..length]).is_err());
    }
}

/// What can happen to a proof on its way: one bit, one hash lost, doubled or moved.
fn mutations(path: &[Hash], bit: usize) -> Vec<Vec<Hash>> {
    let mut changed = Vec::new();
    for at in 0..path.len() {
        let mut flipped = path.to_vec();
        flipped[at][bit / 8] ^= 1 << (bit % 8);
        changed.push(flipped);
        let mut shorter = path.to_vec();
        shorter.remove(at);
        changed.push(shorter);
        let mut longer = path.to_vec();
        longer.insert(at, path[at]);
        changed.push(longer);
        if at > 0 {
            let mut swapped = path.to_vec();
            swapped.swap(at - 1, at);
            changed.push(swapped);
        }
    }
    let mut longer = path.to_vec();
    longer.push([0; 32]);
    changed.push(longer);
    changed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_proof_verifies_and_every_mutated_one_fails(
        size in 1u64..5_000,
        at in any::<prop::sample::Index>(),
        earlier in any::<prop::sample::Index>(),
        bit in 0usize..256,
    ) {
        let leaves = oracle::leaves(size);
        let root = oracle::root(&leaves);
        let position = at.index(size as usize);
        let leaf = leaves[position];
        let path = inclusion(&leaves, position as u64, size);
        prop_assert_eq!(verify_inclusion(&leaf, position as u64, size, &path, &root), Ok(()));
        for changed in mutations(&path, bit) {
            prop_assert!(verify_inclusion(&leaf, position as u64, size, &changed, &root).is_err());
        }
        let mut other = leaf;
        other[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(&other, position as u64, size, &path, &root).is_err());
        let mut forged = root;
        forged[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(&leaf, position as u64, size, &path, &forged).is_err());

        let first = earlier.index(size as usize) as u64 + 1;
        let first_root = oracle::root(&leaves[..first as usize]);
        let path = consistency(&leaves, first, size);
        prop_assert_eq!(verify_consistency(first, &first_root, size, &root, &path), Ok(()));
        for changed in mutations(&path, bit) {
            prop_assert!(verify_consistency(first, &first_root, size, &root, &changed).is_err());
        }
        prop_assert!(verify_consistency(first, &first_root, size, &forged, &path).is_err());
        let mut forked = first_root;
        forked[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_consistency(first, &forked, size, &root, &path).is_err());
    }

    /// As another implementation makes them.
    #[test]
    fn proofs_are_those_that_tlog_tiles_makes(size in 1u64..1_500, at in any::<prop::sample::Index>()) {
        use tlog_tiles::{HashReader, Error, prove_record, prove_tree, stored_hashes_for_record_hash};
        struct Stored(Vec<tlog_tiles::Hash>);
        impl HashReader for Stored {
            fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
                Ok(indexes.iter().map(|at| self.0[*at as usize]).collect())
            }
        }
        let leaves = oracle::leaves(size);
        let mut stored = Stored(Vec::new());
        for (n, leaf) in leaves.iter().enumerate() {
            let more = stored_hashes_for_record_hash(n as u64, tlog_tiles::Hash(*leaf), &stored).unwrap();
            stored.0.extend(more);
        }
        let position = at.index(size as usize) as u64;
        let theirs: Vec<Hash> = prove_record(size, position, &stored).unwrap().iter().map(|hash| hash.0).collect();
        prop_assert_eq!(inclusion(&leaves, position, size), theirs);
        let theirs: Vec<Hash> = prove_tree(size, position + 1, &stored).unwrap().iter().map(|hash| hash.0).collect();
        prop_assert_eq!(consistency(&leaves, position + 1, size), theirs);
    }
}

//! The Merkle tree over all leaves, its proofs, and the texts in which they travel.
//!
//! Read [`tree`] first, which grows with the log; [`proof`] makes and checks proofs of inclusion and consistency over any
//! source of [`nodes`]; [`checkpoint`] is a root under a signature, a [`note`] made with a [`key`]; [`tile`] is the layout
//! in which a whole log is published; [`tlog_proof`] and [`receipt`] are what a reader keeps of one record, [`certificate`] of
//! one erasure.
//!
//! Everything here is a plain value or a pure function: bytes come in and go out, randomness and time are arguments. It
//! knows the record's leaf and nothing of how or where the log is stored.

pub mod certificate;
pub mod checkpoint;
pub mod key;
pub mod nodes;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod tile;
pub mod tlog_proof;
pub mod tree;

pub use certificate::{Certificate, CertificateError};
pub use checkpoint::{Checkpoint, CheckpointError, Signed};
pub use key::{KeyError, SigningKey, VerifierKey};
pub use nodes::{Block, Nodes};
pub use proof::ProofError;
pub use tree::{RootError, SUBTREE, SUBTREE_LEVEL, Tree, empty_root, node_hash};

use crate::record::Hash;
use base64::prelude::{BASE64_STANDARD, Engine as _};

/// A hash as the C2SP formats write it: base64 with padding.
pub fn hash_text(hash: &Hash) -> String {
    BASE64_STANDARD.encode(hash)
}

/// Reads what [`hash_text`] writes, and nothing else.
pub fn hash_of_text(text: &str) -> Option<Hash> {
    bytes_of_text(text)?.try_into().ok()
}

/// Base64 with padding, in its one canonical form.
fn bytes_of_text(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

/// An ASCII decimal without a leading zero or sign.
fn number_of_text(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod oracle {
    //! The definitions of RFC 6962, section 2.1, word for word: what all tests of this module are held against.

    use super::{empty_root, node_hash};
    use crate::record::{Hash, leaf_hash};

    /// MTH(D[n]).
    pub fn root(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => empty_root(),
            1 => leaves[0],
            n => {
                let (left, right) = leaves.split_at(split(n));
                node_hash(&root(left), &root(right))
            }
        }
    }

    /// PATH(m, D[n]).
    pub fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if m < k {
            (path(m, left), root(right))
        } else {
            (path(m - k, right), root(left))
        };
        path.push(sibling);
        path
    }

    /// PROOF(m, D[n]) for 0 < m <= n.
    pub fn proof(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        subproof(m, leaves, true)
    }

    fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if whole { Vec::new() } else { vec![root(leaves)] };
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) = if m <= k {
            (subproof(m, left, whole), root(right))
        } else {
            (subproof(m - k, right, false), root(left))
        };
        proof.push(sibling);
        proof
    }

    /// The largest power of two below `n`.
    fn split(n: usize) -> usize {
        n.next_power_of_two() / 2
    }

    /// So many different leaves, by their hashes.
    pub fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }
}

//! Proofs for one record as a text (C2SP tlog-proof): the position, the inclusion proof, and the checkpoint it leads to.

use super::checkpoint::{Checkpoint, CheckpointError};
use super::key::VerifierKey;
use super::note::NOTE_BYTES_MAX;
use super::proof::{HASHES_MAX, ProofError, verify_inclusion};
use super::{bytes_of_text, hash_of_text, hash_text, number_of_text};
use crate::record::Hash;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::fmt;
use std::str::FromStr;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// The most bytes of a proof: a payload of 1 MiB and a leaf in base64, and a checkpoint.
pub const PROOF_BYTES_MAX: usize = (2 << 20) + NOTE_BYTES_MAX;

/// A proof that a leaf is in a log, as it is kept in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// What its maker put beside it. It is not authenticated: whoever uses it must hold it against the leaf.
    pub extra: Option<Vec<u8>>,
    /// The leaf's position.
    pub position: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub path: Vec<Hash>,
    /// The checkpoint's note, as its signer made it.
    pub checkpoint: String,
}

/// Text that is no proof, or a proof that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// It is too long.
    #[error("a proof may have {PROOF_BYTES_MAX} bytes; this has {0}")]
    TooLarge(usize),
    /// It is not of the form.
    #[error("line {line}: {expected}")]
    Form {
        /// The line, from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The inclusion proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl TlogProof {
    /// Checks that `leaf_hash` is in the log that `key` signs for; the answer is the checkpoint that says so.
    ///
    /// # Errors
    /// [`TlogProofError`].
    pub fn verify(&self, leaf_hash: &Hash, key: &VerifierKey) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        verify_inclusion(
            leaf_hash,
            self.position,
            checkpoint.size,
            &self.path,
            &checkpoint.root,
        )?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64_STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.position)?;
        for hash in &self.path {
            writeln!(f, "{}", hash_text(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLarge(text.len()));
        }
        let form = |line, expected| TlogProofError::Form { line, expected };
        if text.split('\n').next() != Some(FIRST_LINE) {
            return Err(form(1, "a proof begins with `c2sp.org/tlog-proof@v1`"));
        }
        let last = text.split('\n').count();
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(form(last, "the proof ends before its checkpoint"))?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        lines.next();
        let extra = match lines.next_if(|(_, line)| line.starts_with("extra ")) {
            Some((line, text)) => {
                let extra = bytes_of_text(&text["extra ".len()..]);
                Some(extra.ok_or(form(line, "after `extra` comes base64"))?)
            }
            None => None,
        };
        let index = lines.next().and_then(|(_, line)| line.strip_prefix("index "));
        let line = 2 + usize::from(extra.is_some());
        let position = index
            .and_then(number_of_text)
            .ok_or(form(line, "here comes `index` and a position"))?;
        let mut path = Vec::new();
        for (line, text) in lines {
            if path.len() == HASHES_MAX {
                return Err(form(line, "no proof has so many hashes"));
            }
            path.push(hash_of_text(text).ok_or(form(line, "here comes a SHA-256 in base64"))?);
        }
        Ok(Self {
            extra,
            position,
            path,
            checkpoint: checkpoint.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{SigningKey, oracle, proof};
    use proptest::prelude::*;

    fn key() -> SigningKey {
        SigningKey::new("example.org/archive", &[9; 32]).unwrap()
    }

    fn proof_of(position: u64, leaves: &[Hash], extra: Option<Vec<u8>>) -> TlogProof {
        let checkpoint = Checkpoint {
            origin: "example.org/archive".into(),
            size: leaves.len() as u64,
            root: oracle::root(leaves),
        };
        let Ok(path) = proof::prove_inclusion(&mut &*leaves, position, checkpoint.size);
        TlogProof {
            extra,
            position,
            path,
            checkpoint: checkpoint.sign(&key()).unwrap().to_string(),
        }
    }

    #[test]
    fn a_proof_reads_back_and_verifies() {
        let leaves = oracle::leaves(13);
        for (position, extra) in [(0, None), (12, Some(Vec::new())), (5, Some(vec![1, 2, 3]))] {
            let proof = proof_of(position, &leaves, extra);
            let read: TlogProof = proof.to_string().parse().unwrap();
            assert_eq!(read, proof);
            let checkpoint = read.verify(&leaves[position as usize], key().verifier()).unwrap();
            assert_eq!(checkpoint.size, 13);
            assert!(read.verify(&leaves[1], key().verifier()).is_err());
        }
    }

    /// The extra data are not part of what is proved; everything else is.
    #[test]
    fn no_flipped_bit_of_a_proof_passes() {
        let leaves = oracle::leaves(13);
        let text = proof_of(6, &leaves, None).to_string();
        for at in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let proof = std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.parse::<TlogProof>().ok());
            let passes = proof.is_some_and(|proof| proof.verify(&leaves[6], key().verifier()).is_ok());
            assert!(!passes, "bit {at}");
        }
    }

    #[test]
    fn a_fault_names_its_line() {
        let fault = |text: &str| text.parse::<TlogProof>().unwrap_err().to_string();
        assert!(fault("").starts_with("line 1: "));
        assert!(fault("other\n\n").starts_with("line 1: "));
        assert!(fault("c2sp.org/tlog-proof@v1\nextra *\nindex 1\n\n").starts_with("line 2: "));
        assert!(fault("c2sp.org/tlog-proof@v1\nextra AA==\nindex 01\n\n").starts_with("line 3: "));
        assert!(fault("c2sp.org/tlog-proof@v1\nindex 1\nAA==\n\n").starts_with("line 3: "));
        let many = format!(
            "c2sp.org/tlog-proof@v1\nindex 1\n{}\n",
            format!("{}\n", hash_text(&[0; 32])).repeat(66)
        );
        assert!(fault(&many).starts_with("line 68: "));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(tail in "[\\PC\n]{0,120}") {
            let _ = tail.parse::<TlogProof>();
            let _ = format!("{FIRST_LINE}\n{tail}").parse::<TlogProof>();
            let _ = format!("{FIRST_LINE}\nindex 3\n{tail}\n\n{tail}").parse::<TlogProof>();
        }
    }
}

//! A receipt: what proves years later, with nothing but a public key, that the archive held a record.
//!
//! It is a [`TlogProof`] whose extra data are the record's exact bytes: the message `Exact` of the archive's proto, with the
//! leaf, and with payload and salt where they were to be had. A receipt without the payload proves the leaf: that there was
//! such a record, when, by whom, with content of that commitment. With the payload it proves the content too.

use super::checkpoint::Checkpoint;
use super::key::VerifierKey;
use super::tlog_proof::{TlogProof, TlogProofError};
use crate::record::codec::{self, DecodeError, Exact};
use crate::record::{Leaf, LeafError, SALT_BYTES, commitment, leaf_hash};

/// A receipt that was read and not checked yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The proof.
    pub proof: TlogProof,
    /// The record's bytes.
    pub exact: Exact,
}

/// Text that is no receipt, or a receipt that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// It is no proof, or one that does not hold.
    #[error(transparent)]
    Proof(#[from] TlogProofError),
    /// A proof that comes without the record.
    #[error("the proof holds no record; a receipt has it in its line `extra`")]
    NoRecord,
    /// The extra data are something else.
    #[error("line `extra`: {0}")]
    Record(#[from] DecodeError),
    /// There is more than the record.
    #[error("line `extra`: it holds something beside the record")]
    Excess,
    /// The leaf is not one that this program reads.
    #[error("line `extra`: {0}")]
    Leaf(#[from] LeafError),
    /// The content is not that of the leaf.
    #[error("the content is not what the leaf commits to: it was changed, or belongs to another record")]
    Content,
}

impl Receipt {
    /// A receipt over a proof and the record's bytes.
    pub fn new(mut proof: TlogProof, exact: Exact) -> Self {
        proof.extra = Some(codec::encode_exact(&exact).into());
        Self { proof, exact }
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn of_text(text: &str) -> Result<Self, ReceiptError> {
        let proof: TlogProof = text.parse()?;
        let extra = proof.extra.as_ref().ok_or(ReceiptError::NoRecord)?;
        let exact = codec::decode_exact(extra)?;
        if codec::encode_exact(&exact) != extra.as_slice() {
            return Err(ReceiptError::Excess);
        }
        Ok(Self { proof, exact })
    }

    /// The receipt as a text.
    pub fn to_text(&self) -> String {
        self.proof.to_string()
    }

    /// Whether it holds the record's content.
    pub fn has_content(&self) -> bool {
        !self.exact.salt.is_empty()
    }

    /// The record's leaf.
    ///
    /// # Errors
    /// [`ReceiptError::Leaf`].
    pub fn leaf(&self) -> Result<Leaf<'_>, ReceiptError> {
        Ok(Leaf::decode(&self.exact.leaf)?)
    }

    /// Checks everything that it says: content against leaf, leaf against root, root against the key's signature.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(&self, key: &VerifierKey) -> Result<Checkpoint, ReceiptError> {
        let checkpoint = self.proof.verify(&leaf_hash(&self.exact.leaf), key)?;
        let leaf = self.leaf()?;
        if self.has_content() || !self.exact.payload.is_empty() {
            let salt = <&[u8; SALT_BYTES]>::try_from(self.exact.salt.as_ref());
            let found = salt.map(|salt| commitment(salt, &self.exact.payload));
            if found.ok() != Some(leaf.commitment) {
                return Err(ReceiptError::Content);
            }
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{SigningKey, oracle, proof};
    use crate::record::{Act, Epoch, Kind, Recorded, Revision};

    fn key() -> SigningKey {
        SigningKey::new("example.org/archive", &[9; 32]).unwrap()
    }

    fn receipt(content: bool) -> Receipt {
        let (salt, payload) = ([3; 32], b"content".to_vec());
        let leaf = Leaf {
            act: Act::Create,
            kind: Kind::Event,
            series: "desk",
            key: "rawalpindi-2021-10-13",
            revision: Revision::FIRST,
            previous: None,
            recorded: Recorded::from_nanos(1_634_083_200_000_000_000),
            batch_id: b"batch",
            batch_index: 0,
            batch_count: 1,
            principal: "local:desk",
            epoch: Epoch::default(),
            reason: "",
            relation: None,
            erased: None,
            payload_size: 7,
            commitment: commitment(&salt, &payload),
        };
        let mut bytes = Vec::new();
        leaf.encode(&mut bytes);
        let mut leaves = oracle::leaves(6);
        leaves[4] = leaf_hash(&bytes);
        let checkpoint = Checkpoint {
            origin: "example.org/archive".into(),
            size: 6,
            root: oracle::root(&leaves),
        };
        let Ok(path) = proof::prove_inclusion(&mut leaves.as_slice(), 4, 6);
        let proof = TlogProof {
            extra: None,
            position: 4,
            path,
            checkpoint: checkpoint.sign(&key()).unwrap().to_string(),
        };
        let exact = Exact {
            leaf: bytes.into(),
            payload: if content {
                payload.into()
            } else {
                Default::default()
            },
            salt: if content {
                salt.to_vec().into()
            } else {
                Default::default()
            },
        };
        Receipt::new(proof, exact)
    }

    #[test]
    fn a_receipt_reads_back_and_verifies_with_the_key_alone() {
        for content in [true, false] {
            let text = receipt(content).to_text();
            let read = Receipt::of_text(&text).unwrap();
            assert_eq!(read.verify(key().verifier()).unwrap().size, 6);
            assert_eq!(read.leaf().unwrap().key, "rawalpindi-2021-10-13");
            assert_eq!(read.has_content(), content);
        }
    }

    #[test]
    fn no_flipped_bit_of_a_receipt_passes() {
        let text = receipt(true).to_text();
        for at in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let read = std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| Receipt::of_text(text).ok());
            let passes = read.is_some_and(|read| read.verify(key().verifier()).is_ok());
            assert!(!passes, "bit {at}");
        }
    }

    #[test]
    fn content_of_another_record_does_not_pass() {
        let mut other = receipt(true);
        other.exact.payload = b"other".to_vec().into();
        let other = Receipt::new(other.proof, other.exact);
        assert!(matches!(
            other.verify(key().verifier()),
            Err(ReceiptError::Content)
        ));
        let mut unsalted = receipt(true);
        unsalted.exact.salt = Default::default();
        assert!(matches!(
            unsalted.verify(key().verifier()),
            Err(ReceiptError::Content)
        ));
    }

    #[test]
    fn a_proof_without_a_record_is_no_receipt() {
        let mut bare = receipt(false).proof;
        bare.extra = None;
        assert!(matches!(
            Receipt::of_text(&bare.to_string()),
            Err(ReceiptError::NoRecord)
        ));
    }
}

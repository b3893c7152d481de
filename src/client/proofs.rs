//! Proofs as a client takes them: asked for, and checked before anyone is shown them.

use super::Client;
use crate::merkle::proof::{HASHES_MAX, verify_consistency};
use crate::merkle::receipt::{Receipt, ReceiptError};
use crate::merkle::tlog_proof::TlogProof;
use crate::merkle::{Checkpoint, CheckpointError, KeyError, ProofError, Signed, VerifierKey};
use crate::record::Hash;
use crate::rpc::proto;
use bytes::Bytes;
use tonic::Status;

/// Why there is no proof, or why the one that came proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum IntegrityError {
    /// The server answered with an error.
    #[error("{}", .0.message())]
    Status(Box<Status>),
    /// The server's answer lacks a part.
    #[error("the server's answer is no proof: {0}")]
    Answer(&'static str),
    /// The server's key is not one.
    #[error("the server's key: {0}")]
    Key(#[from] KeyError),
    /// The checkpoint does not bind the archive.
    #[error("the server's checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The log is not the one that it was.
    #[error("the log is not the one of the earlier checkpoint: {0}")]
    Consistency(#[from] ProofError),
    /// The root of an earlier size is not one of the log that the checkpoint is of.
    #[error("the server's root does not hold: {0}")]
    Root(#[source] ProofError),
    /// The receipt does not hold.
    #[error("the server's receipt does not hold: {0}")]
    Receipt(#[from] ReceiptError),
}

impl From<Status> for IntegrityError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// ```no_run
/// use chancery::client::{Client, IntegrityError};
/// use chancery::merkle::{Checkpoint, VerifierKey};
///
/// # async fn example(client: &Client, kept: &Checkpoint, key: &VerifierKey) -> Result<(), IntegrityError> {
/// // The key came from the archive's keeper, on another way than this connection.
/// let newest = client.checkpoint_since(kept, key).await?;
/// let receipt = client.receipt(kept.size - 1, true, key).await?;
/// println!("{} records, each as it was; proof of one:\n{}", newest.checkpoint.size, receipt.to_text());
/// # Ok(())
/// # }
/// ```
impl Client {
    /// The key that the server says its checkpoints are signed with: to trust it is to trust the server.
    ///
    /// # Errors
    /// [`IntegrityError`].
    pub async fn verifier_key(&self) -> Result<VerifierKey, IntegrityError> {
        let request = proto::GetCheckpointRequest { min_size: Some(0) };
        let answer = self.integrity().get_checkpoint(request).await?.into_inner();
        Ok(answer.verifier_key.parse()?)
    }

    /// A checkpoint over all records there are, by this key.
    ///
    /// # Errors
    /// [`IntegrityError`].
    pub async fn checkpoint(&self, key: &VerifierKey) -> Result<Signed, IntegrityError> {
        let request = proto::GetCheckpointRequest { min_size: None };
        let answer = self.integrity().get_checkpoint(request).await?.into_inner();
        signed(answer.checkpoint, key)
    }

    /// A checkpoint over all records there are, by this key, of a log that begins with the one of the earlier checkpoint.
    ///
    /// # Errors
    /// [`IntegrityError`]; where it begins otherwise, the archive was changed, cut or exchanged.
    pub async fn checkpoint_since(
        &self,
        earlier: &Checkpoint,
        key: &VerifierKey,
    ) -> Result<Signed, IntegrityError> {
        let newest = self.checkpoint(key).await?;
        let (first, second) = (earlier.size, newest.checkpoint.size);
        if first > second {
            return Err(ProofError::Shrunk { first, second }.into());
        }
        let request = proto::ProveConsistencyRequest {
            first,
            second: Some(second),
        };
        let answer = self.integrity().prove_consistency(request).await?.into_inner();
        let path = hashes(&answer.path)?;
        verify_consistency(first, &earlier.root, second, &newest.checkpoint.root, &path)?;
        Ok(newest)
    }

    /// The root of the tree over the first `size` records, and a checkpoint by this key of the log that was proved to begin with
    /// them.
    ///
    /// # Errors
    /// [`IntegrityError`]; the server's status where the log has fewer records.
    pub async fn root_at(&self, size: u64, key: &VerifierKey) -> Result<(Hash, Signed), IntegrityError> {
        let request = proto::ProveConsistencyRequest {
            first: size,
            second: None,
        };
        let answer = self.integrity().prove_consistency(request).await?.into_inner();
        let signed = signed(answer.checkpoint, key)?;
        let root = Hash::try_from(answer.first_root.as_ref())
            .map_err(|_| IntegrityError::Answer("it has no root of the earlier log"))?;
        let newest = &signed.checkpoint;
        let path = hashes(&answer.path)?;
        verify_consistency(size, &root, newest.size, &newest.root, &path).map_err(IntegrityError::Root)?;
        Ok((root, signed))
    }

    /// A receipt for the record at a position, which was checked with this key; with the record's content, or without.
    ///
    /// # Errors
    /// [`IntegrityError`].
    pub async fn receipt(
        &self,
        position: u64,
        content: bool,
        key: &VerifierKey,
    ) -> Result<Receipt, IntegrityError> {
        let request = proto::ProveInclusionRequest {
            position,
            size: None,
            exact: true,
        };
        let answer = self.integrity().prove_inclusion(request).await?.into_inner();
        let checkpoint = signed(answer.checkpoint, key)?;
        let mut exact = answer.exact.ok_or(IntegrityError::Answer("it has no record"))?;
        if !content {
            exact.payload = Bytes::new();
            exact.salt = Bytes::new();
        }
        let proof = TlogProof {
            extra: None,
            position,
            path: hashes(&answer.path)?,
            checkpoint: checkpoint.note,
        };
        let receipt = Receipt::new(proof, exact);
        receipt.verify(key)?;
        Ok(receipt)
    }
}

fn signed(checkpoint: Option<proto::Checkpoint>, key: &VerifierKey) -> Result<Signed, IntegrityError> {
    let note = checkpoint
        .ok_or(IntegrityError::Answer("it has no checkpoint"))?
        .note;
    Ok(Signed::open(note, key)?)
}

fn hashes(path: &[Bytes]) -> Result<Vec<Hash>, IntegrityError> {
    if path.len() > HASHES_MAX {
        return Err(IntegrityError::Answer("it has too many hashes"));
    }
    let hash = |bytes: &Bytes| Hash::try_from(bytes.as_ref());
    path.iter()
        .map(hash)
        .collect::<Result<_, _>>()
        .map_err(|_| IntegrityError::Answer("a hash has not 32 bytes"))
}

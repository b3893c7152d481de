//! Checkpoints (C2SP tlog-checkpoint): a log's name, its size and its root, under the log's signature.
//!
//! A checkpoint commits its signer to every record below its size: their content, their order, and that there are no
//! others. Whoever keeps two of them can have it proved that the later log begins with the earlier one.

use super::key::{SigningKey, VerifierKey};
use super::note::{Note, NoteError};
use super::{hash_of_text, hash_text, number_of_text};
use crate::record::Hash;

/// A root and what it is the root of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// A checkpoint with the note that it is signed in, which is what is kept and handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

impl Signed {
    /// Reads a note whose signature by `key` fits and which is of the log that the key is named after.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: impl Into<String>, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let note = note.into();
        let checkpoint = Checkpoint::open(&note, key)?;
        Ok(Self { checkpoint, note })
    }
}

/// A note that is no checkpoint, or one that does not bind the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note or its signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not that of a checkpoint.
    #[error("not a checkpoint: {0}")]
    Form(&'static str),
    /// It is of another log.
    #[error("the checkpoint is of `{found}`, the key is of `{expected}`")]
    Origin {
        /// The log that the key belongs to.
        expected: String,
        /// The log that the checkpoint names.
        found: String,
    },
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, hash_text(&self.root))
    }

    /// The checkpoint as a note under the key's signature.
    ///
    /// # Errors
    /// [`NoteError`] where the origin holds a control character.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, NoteError> {
        Ok(Note::new(self.text())?.signed(key))
    }

    /// Reads a text. Extension lines are allowed and left out.
    ///
    /// # Errors
    /// [`CheckpointError::Form`].
    pub fn of_text(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::Form;
        let lines: Vec<&str> = text
            .strip_suffix('\n')
            .ok_or(form("it does not end with a line feed"))?
            .split('\n')
            .collect();
        if lines.iter().any(|line| line.is_empty()) {
            return Err(form("it holds an empty line"));
        }
        let [origin, size, root, ..] = lines.as_slice() else {
            return Err(form("it has fewer than three lines: origin, size, root"));
        };
        Ok(Self {
            origin: (*origin).to_owned(),
            size: number_of_text(size).ok_or(form("its second line is not a size"))?,
            root: hash_of_text(root).ok_or(form("its third line is not a SHA-256 in base64"))?,
        })
    }

    /// Reads a note whose signature by `key` fits and which is of the log that the key is named after.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let note: Note = note.parse()?;
        let checkpoint = Self::of_text(note.verified(key)?)?;
        if checkpoint.origin != key.name() {
            return Err(CheckpointError::Origin {
                expected: key.name().to_owned(),
                found: checkpoint.origin.chars().take(80).collect(),
            });
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::new("example.org/archive", &[9; 32]).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "example.org/archive".into(),
            size: 20_852_163,
            root: [0xab; 32],
        }
    }

    #[test]
    fn a_signed_checkpoint_opens_with_its_key_alone() {
        let note = checkpoint().sign(&key()).unwrap().to_string();
        assert_eq!(Checkpoint::open(&note, key().verifier()), Ok(checkpoint()));
        let other = SigningKey::new("example.org/archive", &[8; 32]).unwrap();
        assert!(Checkpoint::open(&note, other.verifier()).is_err());
    }

    #[test]
    fn a_checkpoint_of_another_log_is_refused_although_the_key_signed_it() {
        let other = Checkpoint {
            origin: "example.org/other".into(),
            ..checkpoint()
        };
        let note = other.sign(&key()).unwrap().to_string();
        assert!(matches!(
            Checkpoint::open(&note, key().verifier()),
            Err(CheckpointError::Origin { .. })
        ));
    }

    #[test]
    fn no_flipped_bit_of_a_checkpoint_passes() {
        let note = checkpoint().sign(&key()).unwrap().to_string();
        for at in 0..note.len() * 8 {
            let mut bytes = note.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let opened = std::str::from_utf8(&bytes).map(|note| Checkpoint::open(note, key().verifier()));
            assert!(!matches!(opened, Ok(Ok(_))), "bit {at}");
        }
    }

    #[test]
    fn texts_that_are_no_checkpoint_are_refused() {
        let root = hash_text(&[1; 32]);
        for bad in [
            "",
            "a\n",
            "a\n1\n",
            &format!("a\n1\n{root}"),
            &format!("a\n01\n{root}\n"),
            &format!("a\n+1\n{root}\n"),
            &format!("a\n-1\n{root}\n"),
            &format!("a\n18446744073709551616\n{root}\n"),
            &format!("\n1\n{root}\n"),
            &format!("a\n1\n{root}\n\n"),
            &format!("a\n1\n{}\n", &root[..40]),
        ] {
            assert!(Checkpoint::of_text(bad).is_err(), "{bad:?}");
        }
        let extended = format!("a\n1\n{root}\nmore\n");
        assert_eq!(Checkpoint::of_text(&extended).unwrap().size, 1);
    }

    #[test]
    fn another_implementation_reads_our_checkpoints() {
        let theirs = tlog_tiles::Checkpoint::from_bytes(checkpoint().text().as_bytes()).unwrap();
        assert_eq!(
            (theirs.origin(), theirs.size(), theirs.hash().0),
            ("example.org/archive", 20_852_163, [0xab; 32])
        );
    }
}

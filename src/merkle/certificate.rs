//! Erasure certificates: which copy of an archive no longer held what an ERASE removed, and since when.
//!
//! A certificate is a signed note (C2SP signed-note) with this text, one line each:
//!
//! ```text
//! chancery/erasure/v1
//! origin chancery.local/ffaba5bfb6171f44
//! entry desk/rawalpindi
//! erase 512
//! recorded 2026-11-26T10:00:00.000000000Z
//! revisions 1 up to 3
//! records 2
//! copy primary
//! complete 2026-11-26T10:00:01.000000000Z
//! audit 514
//! ```
//!
//! `revisions` is half open; `records` counts the payloads that were removed, whose positions the ERASE names. Both it and
//! the AUDIT record lie in the log, and a receipt proves each. Its first line is no log's name, so that no certificate can
//! be taken for a checkpoint.

use super::key::{SigningKey, VerifierKey};
use super::note::{Note, NoteError};
use super::number_of_text;
use crate::record::{EntryKey, Position, Recorded, Revision};

const FIRST_LINE: &str = "chancery/erasure/v1";

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The log's name.
    pub origin: String,
    /// The entry.
    pub entry: EntryKey,
    /// The ERASE.
    pub erase: Position,
    /// When that was recorded.
    pub recorded: Recorded,
    /// The revisions, half open.
    pub revisions: (Revision, Revision),
    /// How many payloads were removed.
    pub records: u64,
    /// Which copy of the archive.
    pub copy: String,
    /// When no file of the copy held them any more.
    pub complete: Recorded,
    /// The AUDIT record that says so.
    pub audit: Position,
}

/// A note that is no certificate, or one that does not bind the archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The note or its signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not that of a certificate.
    #[error("not an erasure certificate: line {line} is not `{expected}`")]
    Form {
        /// The line, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// It is of another archive.
    #[error("the certificate is of `{found}`, the key is of `{expected}`")]
    Origin {
        /// The log that the key belongs to.
        expected: String,
        /// The log that the certificate names.
        found: String,
    },
}

impl Certificate {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let (from, to) = self.revisions;
        format!(
            "{FIRST_LINE}\norigin {}\nentry {}\nerase {}\nrecorded {}\nrevisions {from} up to {to}\nrecords {}\ncopy {}\ncomplete {}\naudit {}\n",
            self.origin,
            self.entry,
            self.erase,
            self.recorded,
            self.records,
            self.copy,
            self.complete,
            self.audit
        )
    }

    /// The certificate as a note under the archive's signature.
    ///
    /// # Errors
    /// [`NoteError`] where a name holds a control character.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, NoteError> {
        Ok(Note::new(self.text())?.signed(key))
    }

    /// Reads a note whose signature by `key` fits and which is of the archive that the key is named after.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CertificateError> {
        let note: Note = note.parse()?;
        let certificate = Self::of_text(note.verified(key)?)?;
        if certificate.origin != key.name() {
            return Err(CertificateError::Origin {
                expected: key.name().to_owned(),
                found: certificate.origin.chars().take(80).collect(),
            });
        }
        Ok(certificate)
    }

    fn of_text(text: &str) -> Result<Self, CertificateError> {
        let mut lines = Lines {
            lines: text.split('\n'),
            line: 0,
        };
        lines.take(FIRST_LINE, |rest| rest.is_empty().then_some(()))?;
        let certificate = Self {
            origin: lines.take("origin ", |rest| Some(rest.to_owned()))?,
            entry: lines.take("entry ", |rest| {
                let (series, key) = rest.split_once('/')?;
                EntryKey::new(series, key).ok()
            })?,
            erase: lines.take("erase ", position)?,
            recorded: lines.take("recorded ", |rest| rest.parse().ok())?,
            revisions: lines.take("revisions ", |rest| {
                let (from, to) = rest.split_once(" up to ")?;
                Some((
                    Revision::new(number_of_text(from)?),
                    Revision::new(number_of_text(to)?),
                ))
            })?,
            records: lines.take("records ", number_of_text)?,
            copy: lines.take("copy ", |rest| Some(rest.to_owned()))?,
            complete: lines.take("complete ", |rest| rest.parse().ok())?,
            audit: lines.take("audit ", position)?,
        };
        // One text for each certificate: nothing besides, and nothing written otherwise.
        if certificate.text() == text {
            return Ok(certificate);
        }
        Err(CertificateError::Form {
            line: lines.line,
            expected: "the last one, and all of them as a certificate has them",
        })
    }
}

fn position(text: &str) -> Option<Position> {
    number_of_text(text).map(Position::new)
}

struct Lines<'a> {
    lines: std::str::Split<'a, char>,
    line: usize,
}

impl Lines<'_> {
    /// What the next line says behind its name.
    fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, CertificateError> {
        self.line += 1;
        let rest = self.lines.next().and_then(|line| line.strip_prefix(name));
        rest.and_then(read).ok_or(CertificateError::Form {
            line: self.line,
            expected: name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::Checkpoint;

    fn certificate() -> Certificate {
        Certificate {
            origin: "example.org/archive".into(),
            entry: EntryKey::new("desk", "a/b").unwrap(),
            erase: Position::new(512),
            recorded: Recorded::from_nanos(1_600_000_000_000_000_001),
            revisions: (Revision::FIRST, Revision::new(3)),
            records: 2,
            copy: "primary".into(),
            complete: Recorded::from_nanos(1_600_000_001_000_000_000),
            audit: Position::new(514),
        }
    }

    fn key(name: &str) -> SigningKey {
        SigningKey::new(name, &[7; 32]).unwrap()
    }

    #[test]
    fn a_certificate_reads_back_and_every_changed_byte_is_found() {
        let key = key("example.org/archive");
        let note = certificate().sign(&key).unwrap().to_string();
        assert_eq!(Certificate::open(&note, key.verifier()), Ok(certificate()));
        for at in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= 1;
            let opened = String::from_utf8(changed).map(|note| Certificate::open(&note, key.verifier()));
            assert!(!matches!(opened, Ok(Ok(_))), "byte {at}");
        }
    }

    #[test]
    fn another_archives_key_signs_nothing_for_this_one() {
        let other = key("example.org/other");
        let note = certificate().sign(&other).unwrap().to_string();
        let refused = Certificate::open(&note, other.verifier());
        assert!(
            matches!(refused, Err(CertificateError::Origin { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn no_certificate_is_a_checkpoint_and_no_checkpoint_a_certificate() {
        let key = key("example.org/archive");
        let note = certificate().sign(&key).unwrap().to_string();
        assert!(Checkpoint::open(&note, key.verifier()).is_err());
        let checkpoint = Checkpoint {
            origin: "example.org/archive".into(),
            size: 7,
            root: [1; 32],
        };
        let note = checkpoint.sign(&key).unwrap().to_string();
        let refused = Certificate::open(&note, key.verifier());
        assert!(
            matches!(refused, Err(CertificateError::Form { line: 1, .. })),
            "{refused:?}"
        );
    }
}

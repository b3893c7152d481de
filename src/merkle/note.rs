//! Signed notes (C2SP signed-note): a text and the signatures under it.
//!
//! ```text
//! first line of the text
//! last line of the text
//!
//! — key.name base64(key id ‖ signature)
//! ```

use super::bytes_of_text;
use super::key::{SigningKey, VerifierKey};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::fmt;
use std::str::FromStr;

/// The most bytes of a note: room for a checkpoint and 100 signatures of the longest kind.
pub const NOTE_BYTES_MAX: usize = 1 << 20;
/// The most signatures that are read.
pub const SIGNATURES_MAX: usize = 128;

/// Text that is no signed note, or one that nobody known has signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Too long, or too many signatures.
    #[error(
        "a note may have 1 MiB and 128 signatures; this one has {bytes} bytes and {signatures} signatures"
    )]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// Its signatures, where they were counted.
        signatures: usize,
    },
    /// It is not of the form.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// No signature is of the key.
    #[error("no signature is by the key {name}+{id:08x}")]
    Unsigned {
        /// The key's name.
        name: String,
        /// The key's id.
        id: u32,
    },
    /// A signature claims to be of the key, and is not.
    #[error("the signature by {name}+{id:08x} does not fit the text: one of the two was changed")]
    Forged {
        /// The key's name.
        name: String,
        /// The key's id.
        id: u32,
    },
}

/// Whether a key can be named so.
pub fn is_key_name(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(bad)
}

/// A text and the signatures under it, none of them checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    /// The key's id.
    pub id: u32,
    /// What the algorithm of the key made.
    pub bytes: Vec<u8>,
}

impl Note {
    /// A note over a text, without signatures. The text ends with a line feed and has no other control characters.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        check_characters(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::Form("the text does not end with a line feed"));
        }
        let signatures = Vec::new();
        Ok(Self { text, signatures })
    }

    /// Adds the key's signature.
    #[must_use]
    pub fn signed(mut self, key: &SigningKey) -> Self {
        self.signatures.push(Signature {
            name: key.verifier().name().to_owned(),
            id: key.verifier().id(),
            bytes: key.sign(&self.text).to_vec(),
        });
        self
    }

    /// All signatures, checked or not.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The text, once the key's signature was found under it and fits. Signatures by other keys are passed over.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`], [`NoteError::Forged`].
    pub fn verified(&self, key: &VerifierKey) -> Result<&str, NoteError> {
        let (name, id) = (key.name().to_owned(), key.id());
        let mut by_key = self
            .signatures
            .iter()
            .filter(|signature| signature.name == name && signature.id == id)
            .peekable();
        if by_key.peek().is_none() {
            return Err(NoteError::Unsigned { name, id });
        }
        if by_key.all(|signature| key.verifies(&self.text, &signature.bytes)) {
            Ok(&self.text)
        } else {
            Err(NoteError::Forged { name, id })
        }
    }

    /// The text, whoever may have written it.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            let mut bytes = signature.id.to_be_bytes().to_vec();
            bytes.extend(&signature.bytes);
            writeln!(f, "— {} {}", signature.name, BASE64_STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            let bytes = note.len();
            return Err(NoteError::TooLarge { bytes, signatures: 0 });
        }
        check_characters(note)?;
        let at = note
            .rfind("\n\n")
            .ok_or(NoteError::Form("it has no empty line before the signatures"))?;
        let (text, signatures) = (&note[..=at], &note[at + 2..]);
        let lines = signatures
            .strip_suffix('\n')
            .ok_or(NoteError::Form("it does not end with a signature line"))?;
        let count = lines.split('\n').count();
        if count > SIGNATURES_MAX {
            let bytes = note.len();
            return Err(NoteError::TooLarge {
                bytes,
                signatures: count,
            });
        }
        let signatures = lines.split('\n').map(signature).collect::<Result<_, _>>()?;
        let text = text.to_owned();
        Ok(Self { text, signatures })
    }
}

fn signature(line: &str) -> Result<Signature, NoteError> {
    let form = NoteError::Form("a signature line is not `— NAME BASE64`");
    let line = line.strip_prefix("— ").ok_or(form.clone())?;
    let (name, bytes) = line.split_once(' ').ok_or(form.clone())?;
    let bytes = bytes_of_text(bytes).ok_or(form.clone())?;
    match bytes.split_first_chunk::<4>() {
        Some((id, bytes)) if is_key_name(name) && !bytes.is_empty() => Ok(Signature {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            bytes: bytes.to_vec(),
        }),
        _ => Err(form),
    }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Form("it holds a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the signed-note specification.
    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo \
                        Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_published_note_verifies_and_prints() {
        let note: Note = NOTE.parse().unwrap();
        assert_eq!(
            note.verified(&KEY.parse().unwrap()).unwrap(),
            "This is an example message.\n"
        );
        assert_eq!(note.to_string(), NOTE);
    }

    #[test]
    fn no_flipped_bit_of_a_note_passes() {
        let key: VerifierKey = KEY.parse().unwrap();
        for at in 0..NOTE.len() {
            for bit in 0..8 {
                let mut bytes = NOTE.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let note = std::str::from_utf8(&bytes)
                    .ok()
                    .and_then(|text| text.parse::<Note>().ok());
                let passes = note.is_some_and(|note| note.verified(&key).is_ok());
                assert!(!passes, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_signature_by_someone_else_is_passed_over_and_a_forged_one_is_not() {
        let (ours, theirs) = (
            SigningKey::new("example.org/a", &[1; 32]).unwrap(),
            SigningKey::new("example.org/w", &[2; 32]).unwrap(),
        );
        let note = Note::new("text\n").unwrap().signed(&theirs).signed(&ours);
        let mut note: Note = note.to_string().parse().unwrap();
        assert_eq!(note.verified(ours.verifier()), Ok("text\n"));
        let unknown = SigningKey::new("example.org/a", &[3; 32]).unwrap();
        assert!(matches!(
            note.verified(unknown.verifier()),
            Err(NoteError::Unsigned { .. })
        ));
        note.signatures[1].bytes[9] ^= 1;
        assert!(note.verified(theirs.verifier()).is_ok());
        assert!(matches!(
            note.verified(ours.verifier()),
            Err(NoteError::Forged { .. })
        ));
    }

    #[test]
    fn a_text_may_hold_empty_lines() {
        let key = SigningKey::new("example.org/a", &[1; 32]).unwrap();
        let note = Note::new("one\n\ntwo\n").unwrap().signed(&key).to_string();
        let note: Note = note.parse().unwrap();
        assert_eq!(note.verified(key.verifier()), Ok("one\n\ntwo\n"));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let many = format!("text\n\n{}", "— a AAAAAAA=\n".repeat(SIGNATURES_MAX + 1));
        for bad in [
            "",
            "\n\n",
            "text\n",
            "text\n\n",
            "text\n\n— a AAAAAAA=",
            "text\n\n- a AAAAAAA=\n",
            "text\n\n— a+b AAAAAAA=\n",
            "text\n\n— a AAAAAA==\n",
            "text\n\n— a AAAAAAA\n",
            "text\r\n\n— a AAAAAAA=\n",
            many.as_str(),
        ] {
            assert!(bad.parse::<Note>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn another_implementation_reads_our_notes_and_we_read_its() {
        use signed_note::{StandardSigner, StandardVerifier, VerifierList};
        let ours = SigningKey::new("example.org/archive", &[7; 32]).unwrap();
        let text = "example.org/archive\n3\n\u{e9}\n";
        let note = Note::new(text).unwrap().signed(&ours).to_string();
        let verifier = StandardVerifier::new(&ours.verifier().to_string()).unwrap();
        let theirs = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
        let known = VerifierList::new(vec![Box::new(verifier)]);
        let (verified, unverified) = theirs.verify(&known).unwrap();
        assert_eq!((verified.len(), unverified.len()), (1, 0));

        let (private, public) = signed_note::generate_key(&mut Counting(1), "example.org/other");
        let signer = StandardSigner::new(&private).unwrap();
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        let note: Note = String::from_utf8(theirs.to_bytes()).unwrap().parse().unwrap();
        assert_eq!(note.verified(&public.parse().unwrap()), Ok(text));
    }

    /// A generator for tests: it counts.
    struct Counting(u8);

    impl rand_core::RngCore for Counting {
        fn next_u32(&mut self) -> u32 {
            rand_core::impls::next_u32_via_fill(self)
        }
        fn next_u64(&mut self) -> u64 {
            rand_core::impls::next_u64_via_fill(self)
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_add(1);
                *byte = self.0;
            }
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
            self.fill_bytes(bytes);
            Ok(())
        }
    }

    impl rand_core::CryptoRng for Counting {}

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\PC\n— +=A-Za-z0-9]{0,200}") {
            let _ = text.parse::<Note>();
        }

        #[test]
        fn notes_read_back(text in "([a-zé ]{0,20}\n){1,4}", seed in any::<[u8; 32]>()) {
            let key = SigningKey::new("example.org/a", &seed).unwrap();
            let note = Note::new(text).unwrap().signed(&key);
            prop_assert_eq!(note.to_string().parse::<Note>(), Ok(note));
        }
    }
}

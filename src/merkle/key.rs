//! Keys that sign notes and keys that check them (C2SP signed-note, type 0x01: Ed25519 of RFC 8032).
//!
//! A verifier key travels as one line, `name+id+key`, which is all that a reader needs to hold on to for years. The signing
//! key never leaves [`SigningKey`], save as the seed that the store keeps; it is not printed, not even for debugging.

use super::{bytes_of_text, note};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signer as _, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The bytes of a seed, from which a signing key is made.
pub const SEED_BYTES: usize = 32;
/// The bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// The signature type of Ed25519 over a note's text.
const ED25519: u8 = 1;

/// Text that is no verifier key, or a name that no key can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name is empty or holds a space or a plus sign.
    #[error("key name `{0}` is empty or holds a space or `+`")]
    Name(String),
    /// Not three parts.
    #[error("`{0}` is not a verifier key; one has the form NAME+ID+KEY, as `chancery key show` prints it")]
    Form(String),
    /// A kind of key that this program does not check.
    #[error("the key of `{name}` has signature type {found:#04x}; this program checks Ed25519, type 0x01")]
    Type {
        /// The key's name.
        name: String,
        /// Its type.
        found: u8,
    },
    /// The bytes are no public key.
    #[error("the key of `{0}` is not 32 bytes of an Ed25519 public key in base64; was it copied whole?")]
    Bytes(String),
    /// The id is not the one of that name and key.
    #[error("the key of `{name}` has id {needed:08x}, and {found} is written; was it copied whole?")]
    Id {
        /// The key's name.
        name: String,
        /// The id that belongs to it.
        needed: u32,
        /// The id that is written.
        found: String,
    },
}

/// A public key by its name: what checks a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, KeyError> {
        if !note::is_key_name(name) {
            return Err(KeyError::Name(short(name)));
        }
        let name = name.to_owned();
        let id = key_id(&name, key.as_bytes());
        Ok(Self { name, id, key })
    }

    /// The name, which for an archive's own key is its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key): with the name it says which key made a signature.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether the signature is this key's over the text. Signatures that another checker might refuse are refused.
    pub fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        let signature = ed25519_dalek::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

fn key_id(name: &str, key: &[u8]) -> u32 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key)
        .finalize()
        .into();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![ED25519];
        typed.extend(self.key.as_bytes());
        let key = BASE64_STANDARD.encode(typed);
        write!(f, "{}+{:08x}+{key}", self.name, self.id)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let form = || KeyError::Form(short(text));
        // The name holds no plus sign; the base64 after the second may.
        let mut parts = text.splitn(3, '+');
        let (name, id, key) = match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(id), Some(key)) => (name, id, key),
            _ => return Err(form()),
        };
        let bytes = bytes_of_text(key).ok_or_else(|| KeyError::Bytes(short(name)))?;
        let (found, public) = bytes.split_first().ok_or_else(form)?;
        if *found != ED25519 {
            let name = short(name);
            return Err(KeyError::Type { name, found: *found });
        }
        let public = <&[u8; 32]>::try_from(public)
            .ok()
            .and_then(|bytes| VerifyingKey::from_bytes(bytes).ok())
            .ok_or_else(|| KeyError::Bytes(short(name)))?;
        let key = Self::new(name, public)?;
        if id == format!("{:08x}", key.id) {
            Ok(key)
        } else {
            Err(KeyError::Id {
                name: short(name),
                needed: key.id,
                found: short(id),
            })
        }
    }
}

/// Text for a message: not all of something long.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A private key by its name: what signs.
#[derive(Clone)]
pub struct SigningKey {
    verifier: VerifierKey,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key of this seed, which must have come from a generator fit for keys.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn new(name: &str, seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, key.verifying_key())?;
        Ok(Self { verifier, key })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the text of a note.
    pub fn sign(&self, text: &str) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(text.as_bytes()).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey")
            .field(&self.verifier.to_string())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the signed-note specification.
    const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_published_key_reads_and_prints() {
        let key: VerifierKey = EXAMPLE.parse().unwrap();
        assert_eq!((key.name(), key.id()), ("example.com/foo", 0x530d_903a));
        assert_eq!(key.to_string(), EXAMPLE);
    }

    #[test]
    fn no_changed_byte_of_a_key_passes() {
        for at in 0..EXAMPLE.len() {
            let mut bytes = EXAMPLE.as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                assert!(text.parse::<VerifierKey>().is_err(), "{text}");
            }
            assert!(EXAMPLE[..at].parse::<VerifierKey>().is_err(), "cut at {at}");
        }
    }

    #[test]
    fn each_fault_of_a_key_has_its_sentence() {
        let fault = |text: &str| text.parse::<VerifierKey>().unwrap_err();
        assert!(matches!(fault("no-plus"), KeyError::Form(_)));
        assert!(matches!(fault("a+00000000+AQ=="), KeyError::Bytes(_)));
        assert!(matches!(
            fault("a+00000000+BA=="),
            KeyError::Type { found: 4, .. }
        ));
        let other_name = EXAMPLE.replace("foo", "bar");
        assert!(matches!(fault(&other_name), KeyError::Id { .. }));
        let spaced = EXAMPLE.replace('/', " ");
        assert!(matches!(fault(&spaced), KeyError::Name(_)));
    }

    #[test]
    fn a_signing_key_does_not_print_its_seed() {
        let key = SigningKey::new("example.org/a", &[0x5a; 32]).unwrap();
        let text = format!("{key:?}");
        assert!(
            text.contains("example.org/a") && !text.contains("90") && !text.contains("5a5a"),
            "{text}"
        );
        assert!(key.verifier().verifies("text\n", &key.sign("text\n")));
        assert!(!key.verifier().verifies("text", &key.sign("text\n")));
    }
}

//! The hash by which a name is known.

use crate::record::Position;
use sha2::{Digest, Sha256};
use std::hash::{BuildHasherDefault, Hasher};

/// The first 56 bits of the SHA-256 of a name, and of what it is a name of.
///
/// The same in each process, so that files can hold it. It is not the name: whoever looks up gets candidates and compares the true
/// one in the leaf. Two names of one hash take 2^28 tries, a thousand of them nobody can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameHash(u64);

/// How many bits there are.
pub const HASH_BITS: u32 = 56;

impl NameHash {
    /// Of an entry.
    pub fn of_entry(series: &str, key: &str) -> Self {
        // No series has a zero byte.
        Self::of(&[b"entry\0", series.as_bytes(), b"\0", key.as_bytes()])
    }

    /// Of a batch that the client gave a name.
    pub fn of_batch(id: &[u8]) -> Self {
        Self::of(&[b"batch\0", id])
    }

    /// One that a file has.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits & ((1 << HASH_BITS) - 1))
    }

    /// Its bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        let hash: [u8; 32] = hasher.finalize().into();
        let mut bits = [0; 8];
        bits.copy_from_slice(&hash[..8]);
        Self(u64::from_be_bytes(bits) >> (64 - HASH_BITS))
    }
}

/// A map by name that does not hash again; for what one group has, which nobody can fill with names of their choice.
pub type NameMap<V> = std::collections::HashMap<NameHash, V, BuildHasherDefault<Spread>>;

/// Hands a hash on, spread over the 64 bits of which a map looks at the upper and the lower ones.
#[derive(Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Hashes come through `write_u64`; whatever else there is only has to be mixed in.
        bytes
            .iter()
            .for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash << (64 - HASH_BITS) | hash >> (2 * HASH_BITS - 64);
    }
}

/// The id of a batch that the client did not name: a zero byte and its first position. Nobody retries it, so that it
/// need not be remembered.
pub fn made_id(first: Position) -> [u8; 9] {
    let mut id = [0; 9];
    id[1..].copy_from_slice(&first.get().to_be_bytes());
    id
}

/// Whether the id of the batch that begins at a position was made by the log.
pub fn is_made(id: &[u8], first: Position) -> bool {
    id == made_id(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_hash_for_ever_and_what_it_is_a_name_of_counts() {
        // `printf 'entry\0desk\0a' | sha256sum`, and so on: what files hold.
        assert_eq!(NameHash::of_entry("desk", "a").bits(), 0x006d_3803_6597_a150);
        assert_ne!(NameHash::of_entry("desk", "a"), NameHash::of_batch(b"desk\0a"));
        assert_ne!(NameHash::of_entry("de", "sk"), NameHash::of_entry("d", "esk"));
        assert_eq!(NameHash::from_bits(u64::MAX).bits(), (1 << 56) - 1);
        assert!(is_made(&made_id(Position::new(9)), Position::new(9)));
        assert!(!is_made(b"mine", Position::new(9)));
    }
}

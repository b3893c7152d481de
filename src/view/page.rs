//! Page tokens: where a search stands.
//!
//! A token is opaque to clients. It holds the position that the answer speaks of and the last entry answered, and is
//! bound to the log, the filter, the order and what is left out, so that a token of another question is refused and not misread.

use crate::record::{Hash, Position};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const LENGTH: usize = 1 + 32 + 8 + 8 + 8 + 4;

/// Where the next page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// The name of the question, by [`binding`].
    pub binding: Hash,
    /// The position that every page of the answer speaks of.
    pub as_of: Position,
    /// How many entries the pages before held.
    pub answered: u64,
    /// The position of the last of them.
    pub last: Position,
}

/// A text that is no token of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a token that this server made")]
pub struct TokenError;

/// Names a question: its log, its filter in canonical form, its order.
pub fn binding(origin: &str, canonical: &str, order: &str) -> Hash {
    let mut hasher = Sha256::new();
    for part in [origin, canonical, order] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

impl PageToken {
    /// The token as text.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(VERSION);
        bytes.extend(self.binding);
        bytes.extend(self.as_of.get().to_be_bytes());
        bytes.extend(self.answered.to_be_bytes());
        bytes.extend(self.last.get().to_be_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError`] where the text was cut, changed or made by something else.
    pub fn decode(text: &str) -> Result<Self, TokenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError)?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(TokenError)?;
        let sound = bytes.len() == LENGTH && body[0] == VERSION && crc32c::crc32c(body).to_be_bytes() == *sum;
        if !sound {
            return Err(TokenError);
        }
        let number = |at: usize| {
            body.get(at..at + 8)
                .and_then(|part| part.try_into().ok())
                .map(u64::from_be_bytes)
                .ok_or(TokenError)
        };
        Ok(Self {
            binding: body[1..33].try_into().map_err(|_| TokenError)?,
            as_of: Position::new(number(33)?),
            answered: number(41)?,
            last: Position::new(number(49)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_round_trips(binding: [u8; 32], as_of: u64, answered: u64, last: u64) {
            let token = PageToken {
                binding,
                as_of: Position::new(as_of),
                answered,
                last: Position::new(last),
            };
            prop_assert_eq!(PageToken::decode(&token.encode()), Ok(token));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,100}") {
            prop_assert!(PageToken::decode(&text).is_err());
        }

        #[test]
        fn a_changed_token_is_refused(at in 0usize..LENGTH, bit in 0u8..8) {
            let token = PageToken {
                binding: binding("log", "", "newest"),
                as_of: Position::new(7),
                answered: 3,
                last: Position::new(2),
            };
            let mut bytes = URL_SAFE_NO_PAD.decode(token.encode()).unwrap();
            bytes[at] ^= 1 << bit;
            prop_assert!(PageToken::decode(&URL_SAFE_NO_PAD.encode(bytes)).is_err());
        }
    }

    #[test]
    fn a_binding_tells_questions_apart() {
        assert_ne!(binding("a", "bc", "newest"), binding("ab", "c", "newest"));
        assert_ne!(binding("a", "b", "newest"), binding("a", "b", "occurred"));
    }
}

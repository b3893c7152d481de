//! Where a subscription stands, as plain values: what was scanned, and the token that says so.
//!
//! No I/O and no runtime: the rules by which nothing is skipped and nothing repeated are tested here.

use crate::record::{Hash, Position};
use sha2::{Digest, Sha256};

/// What the first byte of a token says: the form of the rest, which is the same for all three, and what is judged.
const UNSAID: u8 = 1;
const OF_CHANGES: u8 = 2;
const OF_RECORDS: u8 = 3;
const ORIGIN_BYTES: usize = 16;
const LENGTH: usize = 1 + ORIGIN_BYTES + 32 + 8 + 32 + 4;

/// How far a subscription has scanned. Ranges join: each begins where the one before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    next: Position,
}

/// A range that does not begin where the one before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scanned range {first}..{through} does not follow position {next}")]
pub struct Gap {
    /// The position that was due.
    pub next: Position,
    /// Where the range begins.
    pub first: Position,
    /// Where it ends.
    pub through: Position,
}

impl Cursor {
    /// A cursor that has scanned nothing yet.
    pub fn new(from: Position) -> Self {
        Self { next: from }
    }

    /// The first position not scanned.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Takes a scanned range.
    ///
    /// # Errors
    /// [`Gap`] where it would skip or repeat a position; the cursor then stays.
    pub fn advance(&mut self, first: Position, through: Position) -> Result<(), Gap> {
        if first != self.next || through < first {
            return Err(Gap {
                next: self.next,
                first,
                through,
            });
        }
        self.next = through;
        Ok(())
    }
}

/// Where to resume, bound to the log, the filter, what is judged and every record before.
///
/// The root binds the token to what was read: on a restored or forked archive whose records differ it is refused and
/// not taken for another point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeToken {
    /// The first bytes of the SHA-256 of the log's name.
    pub origin: [u8; ORIGIN_BYTES],
    /// SHA-256 of the filter's canonical form.
    pub filter: Hash,
    /// Whether records are judged by themselves, and not changes; `None` where an earlier build made it, which did not say.
    pub records_only: Option<bool>,
    /// The first position not scanned.
    pub position: Position,
    /// The root of the tree of that size.
    pub root: Hash,
}

/// Why a resume token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was cut, changed, or made by something else.
    #[error("resume_token is not a token that this server made; subscribe from a position instead")]
    Unreadable,
    /// It was made by an archive of another name.
    #[error(
        "resume_token belongs to another archive, not to `{0}`; subscribe there, or from a position here"
    )]
    OtherLog(String),
    /// It was made for another filter.
    #[error(
        "resume_token belongs to another filter than `{0}`; use the filter that it was made for, or subscribe from a position"
    )]
    OtherFilter(String),
    /// It was made for records alone and changes are asked for, or the other way round.
    #[error(
        "resume_token belongs to a feed {} records_only; {} it, or subscribe from a position",
        if *.was_records_only { "with" } else { "without" },
        if *.was_records_only { "set" } else { "do not set" }
    )]
    OtherMode {
        /// Whether it was made for records alone.
        was_records_only: bool,
    },
    /// The archive does not hold the records that the token was made after: it was restored from an older copy, or
    /// forked.
    #[error(
        "resume_token stands at position {position}, after records that this archive does not hold ({why}); the archive was restored or forked: compare before reading on from a position"
    )]
    Forked {
        /// Where the token stands.
        position: Position,
        /// What differs.
        why: String,
    },
}

impl ResumeToken {
    /// The token of a log, a filter, what is judged and a point.
    pub fn new(origin: &str, filter: Hash, records_only: bool, position: Position, root: Hash) -> Self {
        Self {
            origin: origin_digest(origin),
            filter,
            records_only: Some(records_only),
            position,
            root,
        }
    }

    /// The token's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(match self.records_only {
            None => UNSAID,
            Some(false) => OF_CHANGES,
            Some(true) => OF_RECORDS,
        });
        bytes.extend(self.origin);
        bytes.extend(self.filter);
        bytes.extend(self.position.get().to_be_bytes());
        bytes.extend(self.root);
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError::Unreadable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TokenError> {
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Unreadable)?;
        if bytes.len() != LENGTH || crc32c::crc32c(body).to_be_bytes() != *sum {
            return Err(TokenError::Unreadable);
        }
        let records_only = match body[0] {
            UNSAID => None,
            OF_CHANGES => Some(false),
            OF_RECORDS => Some(true),
            _ => return Err(TokenError::Unreadable),
        };
        let (origin, rest) = body[1..]
            .split_first_chunk::<ORIGIN_BYTES>()
            .ok_or(TokenError::Unreadable)?;
        let (filter, rest) = rest.split_first_chunk::<32>().ok_or(TokenError::Unreadable)?;
        let (position, rest) = rest.split_first_chunk::<8>().ok_or(TokenError::Unreadable)?;
        Ok(Self {
            origin: *origin,
            filter: *filter,
            records_only,
            position: Position::new(u64::from_be_bytes(*position)),
            root: rest.try_into().map_err(|_| TokenError::Unreadable)?,
        })
    }

    /// Checks that the token is of this log and filter; the root is still to be compared.
    ///
    /// # Errors
    /// [`TokenError::OtherLog`], [`TokenError::OtherFilter`].
    pub fn check_names(&self, origin: &str, filter: Hash, canonical: &str) -> Result<(), TokenError> {
        if self.origin != origin_digest(origin) {
            return Err(TokenError::OtherLog(origin.to_owned()));
        }
        if self.filter != filter {
            return Err(TokenError::OtherFilter(canonical.to_owned()));
        }
        Ok(())
    }

    /// Checks that the token is of what is judged, as far as it says.
    ///
    /// # Errors
    /// [`TokenError::OtherMode`].
    pub fn check_mode(&self, records_only: bool) -> Result<(), TokenError> {
        match self.records_only {
            Some(was_records_only) if was_records_only != records_only => {
                Err(TokenError::OtherMode { was_records_only })
            }
            _ => Ok(()),
        }
    }

    /// Checks that the log's root at the token's position is the token's; `None` where the log is shorter.
    ///
    /// # Errors
    /// [`TokenError::Forked`].
    pub fn check_root(&self, root: Option<Hash>, tail: Position) -> Result<(), TokenError> {
        let why = match root {
            Some(root) if root == self.root => return Ok(()),
            Some(root) => format!(
                "expected root {}, found {}",
                hex::encode(self.root),
                hex::encode(root)
            ),
            None => format!("its tail is {tail}"),
        };
        Err(TokenError::Forked {
            position: self.position,
            why,
        })
    }
}

fn origin_digest(origin: &str) -> [u8; ORIGIN_BYTES] {
    let digest: Hash = Sha256::digest(origin).into();
    let mut short = [0; ORIGIN_BYTES];
    short.copy_from_slice(&digest[..ORIGIN_BYTES]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    #[test]
    fn scanned_ranges_join() {
        let mut cursor = Cursor::new(at(3));
        cursor.advance(at(3), at(5)).unwrap();
        cursor.advance(at(5), at(5)).unwrap();
        assert_eq!(cursor.next(), at(5));
        assert!(cursor.advance(at(6), at(7)).is_err(), "a gap");
        assert!(cursor.advance(at(4), at(7)).is_err(), "a repeat");
        assert!(cursor.advance(at(5), at(4)).is_err(), "backwards");
        assert_eq!(cursor.next(), at(5));
    }

    #[test]
    fn a_token_is_refused_on_another_log_filter_or_fork() {
        let token = ResumeToken::new("one", [1; 32], false, at(9), [2; 32]);
        assert!(token.check_names("one", [1; 32], "f").is_ok());
        assert_eq!(
            token.check_names("two", [1; 32], "f"),
            Err(TokenError::OtherLog("two".into()))
        );
        assert_eq!(
            token.check_names("one", [3; 32], "f"),
            Err(TokenError::OtherFilter("f".into()))
        );
        assert!(token.check_mode(false).is_ok());
        let other = token.check_mode(true).unwrap_err().to_string();
        assert!(
            other.contains("a feed without records_only; do not set it"),
            "{other}"
        );
        let unsaid = ResumeToken {
            records_only: None,
            ..token
        };
        assert!(
            [true, false]
                .map(|mode| unsaid.check_mode(mode))
                .iter()
                .all(Result::is_ok)
        );
        assert!(token.check_root(Some([2; 32]), at(20)).is_ok());
        assert!(token.check_root(Some([3; 32]), at(20)).is_err());
        assert!(token.check_root(None, at(4)).is_err());
    }

    proptest! {
        #[test]
        fn a_token_round_trips(
            origin: [u8; 16], filter: [u8; 32], records_only: Option<bool>, position: u64, root: [u8; 32],
        ) {
            let token = ResumeToken { origin, filter, records_only, position: at(position), root };
            prop_assert_eq!(ResumeToken::decode(&token.encode()), Ok(token));
        }

        #[test]
        fn a_changed_token_is_refused(position: u64, index in 0usize..LENGTH, bit in 0u8..8) {
            let mut bytes = ResumeToken::new("log", [1; 32], true, at(position), [2; 32]).encode();
            bytes[index] ^= 1 << bit;
            prop_assert_eq!(ResumeToken::decode(&bytes), Err(TokenError::Unreadable));
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = ResumeToken::decode(&bytes);
        }
    }
}

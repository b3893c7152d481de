//! What entries and batches are called: series, keys, reasons, principals, batch ids.
//!
//! Each is checked once, when it is made; whoever holds one need not check again.

use bytes::Bytes;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The most bytes a series may have.
pub const SERIES_BYTES_MAX: usize = 63;
/// The most bytes a key may have.
pub const KEY_BYTES_MAX: usize = 1_024;
/// The most characters a reason code may have.
pub const REASON_BYTES_MAX: usize = 64;
/// The most bytes a principal may have.
pub const PRINCIPAL_BYTES_MAX: usize = 256;
/// The most bytes a batch id may have.
pub const BATCH_ID_BYTES_MAX: usize = 64;

/// Why a name was not taken. Each text names the value, the limit and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A series is missing.
    #[error("series is empty; name one, such as `desk`")]
    SeriesEmpty,
    /// A series has characters that it may not have, or too many of them.
    #[error(
        "series `{0}` is not of the form [a-z0-9][a-z0-9-]{{0,62}}; use lower-case letters, digits and hyphens"
    )]
    Series(String),
    /// A key is missing.
    #[error("key is empty; give 1 to 1024 bytes, or leave it out on create and the server makes one")]
    KeyEmpty,
    /// A key is too long.
    #[error("key too long: {0} bytes exceeds limit of 1024 bytes; use a shorter id or its hash")]
    KeyTooLong(usize),
    /// A key holds a control character.
    #[error("key `{key}` holds the control character U+{character:04X} at byte {at}; remove it")]
    KeyControl {
        /// The key, escaped.
        key: String,
        /// The character's scalar value.
        character: u32,
        /// Where it stands.
        at: usize,
    },
    /// A text that should be `series/key` has no slash.
    #[error("`{0}` is not an entry; write series/key, as desk/rawalpindi-2021-10-13")]
    NoSlash(String),
    /// A reason is no code.
    #[error(
        "reason `{0}` is not a code of at most 64 ASCII characters without spaces; put words into the explanation"
    )]
    Reason(String),
    /// A principal is too long or holds a control character.
    #[error("principal `{0}` is not 1 to 256 bytes without control characters; shorten it")]
    Principal(String),
    /// A batch id is empty or too long.
    #[error("request_id has {0} bytes; give 1 to 64 bytes, or none")]
    BatchId(usize),
}

/// The name of a series: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series(Arc<str>);

impl Series {
    /// The series in which the archive speaks of itself.
    pub const SYSTEM: &'static str = "chancery";

    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError::SeriesEmpty`] and [`NameError::Series`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_series(name).map(|()| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the series in which the archive speaks of itself.
    pub fn is_system(&self) -> bool {
        &*self.0 == Self::SYSTEM
    }
}

/// Checks a series without making one.
///
/// # Errors
/// As [`Series::new`].
pub fn check_series(name: &str) -> Result<(), NameError> {
    let bytes = name.as_bytes();
    let Some(first) = bytes.first() else {
        return Err(NameError::SeriesEmpty);
    };
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits =
        bytes.len() <= SERIES_BYTES_MAX && plain(first) && bytes.iter().all(|b| plain(b) || *b == b'-');
    if fits {
        Ok(())
    } else {
        Err(NameError::Series(shown(name)))
    }
}

/// The key of an entry within its series: 1 to 1,024 bytes of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks a key.
    ///
    /// # Errors
    /// [`NameError::KeyEmpty`], [`NameError::KeyTooLong`], [`NameError::KeyControl`].
    pub fn new(key: &str) -> Result<Self, NameError> {
        check_key(key).map(|()| Self(key.into()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks a key without making one.
///
/// # Errors
/// As [`Key::new`].
pub fn check_key(key: &str) -> Result<(), NameError> {
    if key.is_empty() {
        return Err(NameError::KeyEmpty);
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(NameError::KeyTooLong(key.len()));
    }
    if key.is_ascii() && !key.bytes().any(|byte| byte.is_ascii_control()) {
        return Ok(());
    }
    match key.char_indices().find(|(_, character)| character.is_control()) {
        None => Ok(()),
        Some((at, character)) => Err(NameError::KeyControl {
            key: shown(key),
            character: u32::from(character),
            at,
        }),
    }
}

/// Names an entry: series and key. `Display` and `FromStr` use `series/key`; a series has no slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// The series.
    pub series: Series,
    /// The key within it.
    pub key: Key,
}

impl EntryKey {
    /// Checks both parts.
    ///
    /// # Errors
    /// As [`Series::new`] and [`Key::new`].
    pub fn new(series: &str, key: &str) -> Result<Self, NameError> {
        Ok(Self {
            series: Series::new(series)?,
            key: Key::new(key)?,
        })
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.series, self.key)
    }
}

impl FromStr for EntryKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (series, key) = text
            .split_once('/')
            .ok_or_else(|| NameError::NoSlash(shown(text)))?;
        Self::new(series, key)
    }
}

/// Why an act was made, as a code of at most 64 characters; empty where none was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reason(Option<Arc<str>>);

impl Reason {
    /// Checks a code; the empty text is the absent reason.
    ///
    /// # Errors
    /// [`NameError::Reason`].
    pub fn new(code: &str) -> Result<Self, NameError> {
        if code.is_empty() {
            return Ok(Self(None));
        }
        if code.len() > REASON_BYTES_MAX || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NameError::Reason(shown(code)));
        }
        Ok(Self(Some(code.into())))
    }

    /// The code, empty where there is none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// Who appended a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// Checks a principal.
    ///
    /// # Errors
    /// [`NameError::Principal`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        let fits =
            !name.is_empty() && name.len() <= PRINCIPAL_BYTES_MAX && !name.chars().any(char::is_control);
        if fits {
            Ok(Self(name.into()))
        } else {
            Err(NameError::Principal(shown(name)))
        }
    }

    /// Whoever the socket does not tell.
    pub fn anonymous() -> Self {
        Self("anonymous".into())
    }

    /// The archive itself.
    pub fn system() -> Self {
        Self("system".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names a batch: the client's `request_id` or one that the server made. 1 to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchId(Bytes);

impl BatchId {
    /// Checks an id.
    ///
    /// # Errors
    /// [`NameError::BatchId`].
    pub fn new(id: Bytes) -> Result<Self, NameError> {
        if id.is_empty() || id.len() > BATCH_ID_BYTES_MAX {
            return Err(NameError::BatchId(id.len()));
        }
        Ok(Self(id))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

macro_rules! display_as_str {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }
    )*};
}
display_as_str!(Series, Key, Reason, Principal);

/// At most 80 characters of a text, escaped, for a message.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_lower_case_letters_digits_and_hyphens() {
        for good in ["desk", "0", "icews-quad", &"a".repeat(63)] {
            assert_eq!(Series::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-x", "Desk", "a_b", "é", &"a".repeat(64)] {
            assert!(Series::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_says_its_length_and_its_limit() {
        assert!(Key::new(&"k".repeat(1_024)).is_ok());
        let error = Key::new(&"k".repeat(2_000)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "key too long: 2000 bytes exceeds limit of 1024 bytes; use a shorter id or its hash"
        );
        assert!(Key::new("").is_err());
        assert!(Key::new("a\u{85}b").is_err());
        assert!(Key::new("a\nb").is_err());
        assert!(Key::new("Θεσσαλονίκη/1").is_ok());
    }

    #[test]
    fn an_entry_round_trips_through_its_text() {
        let entry: EntryKey = "desk/a/b".parse().unwrap();
        assert_eq!((entry.series.as_str(), entry.key.as_str()), ("desk", "a/b"));
        assert_eq!(entry.to_string(), "desk/a/b");
        assert!("desk".parse::<EntryKey>().is_err());
    }

    #[test]
    fn a_reason_is_a_code() {
        assert!(Reason::new("").unwrap().is_empty());
        assert_eq!(
            Reason::new("source-retracted").unwrap().as_str(),
            "source-retracted"
        );
        assert!(Reason::new("Name completed").is_err());
        assert!(Reason::new(&"a".repeat(65)).is_err());
    }

    #[test]
    fn a_batch_id_has_1_to_64_bytes() {
        assert!(BatchId::new(Bytes::new()).is_err());
        assert!(BatchId::new(Bytes::from(vec![0; 64])).is_ok());
        assert!(BatchId::new(Bytes::from(vec![0; 65])).is_err());
    }
}

//! The code under which a country is known here.
//!
//! Three letters: ISO 3166-1 alpha-3 where there is one, else a code of our own for a state of the past.
//! Knows no tables: a well-formed code may name no country at all.

use std::fmt;
use std::str::FromStr;

/// Three ASCII capitals: ISO 3166-1 alpha-3, or a code of `data/countries/countries.tsv` for a state that ISO
/// does not list (any more), such as `SUN` and `PRU`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iso3([u8; 3]);

/// Not three letters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a country code: expected three letters as in `PAK`")]
pub struct NotACode {
    /// What was given instead, at most 32 characters of it.
    pub found: String,
}

impl Iso3 {
    /// Reads three ASCII letters of either case; `None` for anything else.
    pub fn from_letters(text: &str) -> Option<Self> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        let letters = bytes.iter().all(u8::is_ascii_alphabetic);
        letters.then(|| Self(bytes.map(|byte| byte.to_ascii_uppercase())))
    }

    /// The three capitals.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The three capitals as bytes, for an index.
    pub fn as_bytes(&self) -> [u8; 3] {
        self.0
    }

    /// A number below [`Self::COUNT`], different for every code.
    pub(super) fn index(self) -> usize {
        let [a, b, c] = self.0.map(|byte| usize::from(byte - b'A'));
        (a * 26 + b) * 26 + c
    }

    /// How many codes there can be.
    pub(super) const COUNT: usize = 26 * 26 * 26;
}

impl FromStr for Iso3 {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, NotACode> {
        Self::from_letters(text).ok_or_else(|| NotACode {
            found: text.chars().take(32).collect(),
        })
    }
}

impl fmt::Display for Iso3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Iso3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iso3({self})")
    }
}

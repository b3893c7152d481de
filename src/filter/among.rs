//! Conditions on words that are tried on terms.
//!
//! Where the values of a field are terms as a whole, it is the terms that know which of them have a word: whoever holds them walks
//! through those of the field and tries each ([`WordTest::holds`]). There are never more of them than values, and each is tried
//! with less than the record takes that it came of, so that the walk is no slower than a look at every record.

use super::lookup::{Lookup, narrow};
use super::terms::{CUT_BYTES, Term};
use super::words::Phrase;
use unicode_segmentation::UnicodeSegmentation;

/// A longer term may have been cut: before a letter, which is of four bytes at the most.
pub const WHOLE_BYTES_MAX: usize = CUT_BYTES - 4;

/// Words that are looked for in terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordTest {
    phrase: Phrase,
    of: Of,
}

/// Which terms are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Those that have the words for sure.
    Sure,
    /// Those that may have them, and it is the record that knows.
    Open,
}

/// The records with a term that begins so and has the phrase behind its beginning.
pub(super) fn among(begins: &Term, phrase: &Phrase) -> Lookup {
    let of = |of: Of| {
        let phrase = phrase.clone();
        Lookup::Among(begins.clone(), WordTest { phrase, of })
    };
    Lookup::Or(vec![of(Of::Sure), narrow(of(Of::Open))])
}

impl WordTest {
    pub(super) fn phrase(&self) -> &Phrase {
        &self.phrase
    }

    /// Whether a term is meant, by what follows its beginning.
    pub fn holds(&self, rest: &[u8]) -> bool {
        match (self.of, whole(rest)) {
            (Of::Sure, Some(text)) => self.phrase.is_in(text),
            (Of::Open, None) => self.may_be_in(rest),
            _ => false,
        }
    }

    /// No word begins or ends with what is trimmed off.
    fn may_be_in(&self, rest: &[u8]) -> bool {
        let is_cut = rest.len() > WHOLE_BYTES_MAX;
        let (words, _) = self.phrase.parts();
        let has_all = |text: &str| words.iter().all(|word| text.contains(word.as_str()));
        is_cut || std::str::from_utf8(rest).map_or(true, has_all)
    }
}

/// A value, where its term has the same words: nothing was cut off, no scheme has a zero byte that seems to end it, and the space
/// that was trimmed in front had no part in the first word.
fn whole(rest: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(rest).ok()?;
    let is_whole = text.len() <= WHOLE_BYTES_MAX && !text.contains('\0');
    let begins = text.chars().next().is_none_or(begins_after_space);
    (is_whole && begins).then_some(text)
}

/// Whether a letter is apart from a space before it; an accent is not.
fn begins_after_space(letter: char) -> bool {
    let mut bytes = [b' '; 5];
    let length = letter.encode_utf8(&mut bytes[1..]).len();
    let both = std::str::from_utf8(&bytes[..=length]).unwrap_or_default();
    letter.is_ascii() || both.split_word_bounds().count() == 2
}

#[cfg(test)]
mod tests {
    use super::super::terms::cut;
    use super::*;

    #[test]
    fn a_value_that_was_cut_is_left_open() {
        for letter in ["x", "é", "伊", "𝄞"] {
            for first in ["", "a", "ab", "abc"] {
                let long = format!("{first}{} border", letter.repeat(600 / letter.len()));
                let term = cut(&long);
                assert!(term.len() < long.len());
                assert!(!holds(Of::Sure, "border", &term) && holds(Of::Open, "border", &term));
            }
        }
    }

    fn holds(of: Of, phrase: &str, rest: &str) -> bool {
        let phrase = Phrase::read(phrase, false).unwrap();
        WordTest { phrase, of }.holds(rest.as_bytes())
    }

    #[test]
    fn a_whole_term_decides_and_one_that_may_be_cut_is_left_open() {
        let long = format!("{} end", "x".repeat(WHOLE_BYTES_MAX - 4));
        for (phrase, rest, sure, open) in [
            ("border", "border security", true, false),
            ("border", "borders", false, false),
            ("border security", "border and security", false, false),
            ("伊朗", "访问伊朗", true, false),
            ("end", &long, true, false),
            // What stood behind may have been any word.
            ("border", &format!("{long}!"), false, true),
            // It may be a value whose scheme had a zero byte, and one of which a space was cut off.
            ("border", "a\0border", false, true),
            ("border", "a\0b", false, false),
            ("border", "\u{93f}border", false, true),
        ] {
            assert_eq!(holds(Of::Sure, phrase, rest), sure, "{phrase}: {rest}");
            assert_eq!(holds(Of::Open, phrase, rest), open, "{phrase}: {rest}");
        }
    }
}

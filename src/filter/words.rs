//! Texts as words: what "has a word" means.
//!
//! A text is folded (see [`crate::derive::fold`]) and cut by the word boundaries of Unicode (UAX 29). Scripts
//! that write no spaces are cut into pairs of letters, and the last letter of such a stretch stands once more
//! alone, so that any stretch can be found in a longer one. There is no stemming and no list of words left
//! out.

use crate::derive::fold;
use std::collections::VecDeque;
use unicode_segmentation::{UnicodeSegmentation, UnicodeWordIndices};

/// The words of a folded text, in order, as parts of it.
pub(super) struct Words<'a> {
    text: &'a str,
    inner: UnicodeWordIndices<'a>,
    ahead: Option<(usize, &'a str)>,
    /// What is left of a stretch of a script without spaces, and where it begins.
    stretch: &'a str,
    stretch_at: usize,
}

/// Cuts a folded text.
pub(super) fn words(folded: &str) -> Words<'_> {
    let mut inner = folded.unicode_word_indices();
    let ahead = inner.next();
    Words {
        text: folded,
        inner,
        ahead,
        stretch: "",
        stretch_at: 0,
    }
}

/// The words of a folded text, each with the byte at which it begins.
pub(super) fn placed(folded: &str) -> Vec<Placed<'_>> {
    let mut cut = words(folded);
    std::iter::from_fn(|| cut.placed()).collect()
}

/// A word, and the byte at which it begins.
pub(super) type Placed<'a> = (usize, &'a str);

impl<'a> Words<'a> {
    /// The next word, or the next whole stretch of a script without spaces.
    fn unit(&mut self) -> Option<Placed<'a>> {
        let (start, word) = self.ahead?;
        self.ahead = self.inner.next();
        let mut end = start + word.len();
        if is_unspaced(word) {
            while let Some((at, next)) = self.ahead.filter(|(at, next)| *at == end && is_unspaced(next)) {
                end = at + next.len();
                self.ahead = self.inner.next();
            }
        }
        // A space with an accent on it belongs to the word behind it.
        let unit = self.text.get(start..end)?;
        let spaces = unit.len() - unit.trim_start().len();
        Some((start + spaces, unit.trim()))
    }

    /// The first pair of letters of the stretch, or its last letter.
    fn pair(&mut self) -> Option<Placed<'a>> {
        let mut starts = self.stretch.char_indices().map(|(at, _)| at).skip(1);
        let second = starts.next().unwrap_or(self.stretch.len());
        let third = starts.next().unwrap_or(self.stretch.len());
        let pair = self.stretch.get(..third).filter(|pair| !pair.is_empty())?;
        let at = self.stretch_at;
        self.stretch = &self.stretch[second..];
        self.stretch_at += second;
        Some((at, pair))
    }

    fn placed(&mut self) -> Option<Placed<'a>> {
        if let Some(pair) = self.pair() {
            return Some(pair);
        }
        let (at, unit) = self.unit()?;
        if !is_unspaced(unit) {
            return Some((at, unit));
        }
        (self.stretch, self.stretch_at) = (unit, at);
        self.pair()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.placed().map(|(_, word)| word)
    }
}

/// The words and stretches of a folded text, with one space between two.
fn units(folded: &str) -> String {
    let mut cut = words(folded);
    let units: Vec<&str> = std::iter::from_fn(|| cut.unit()).map(|(_, unit)| unit).collect();
    units.join(" ")
}

/// Whether a word begins in a script that writes no spaces between words.
fn is_unspaced(word: &str) -> bool {
    let first = word.chars().next().unwrap_or(' ');
    matches!(u32::from(first),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0x2fdf | 0x3005..=0x3007 | 0x3040..=0x30ff
        | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xa9e0..=0xa9ff | 0xaa60..=0xaa7f | 0xf900..=0xfaff
        | 0x20000..=0x323af)
}

/// Words in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    words: Vec<String>,
    /// The last word is only the beginning of one.
    prefix: bool,
    /// The phrase as it is written in a filter, without the `*`.
    shown: String,
    /// Whether a `*` is written.
    starred: bool,
}

impl Phrase {
    /// Reads the words of `text`; `starred` makes the last one a beginning. `None` where there is no word.
    pub(super) fn read(text: &str, starred: bool) -> Option<Self> {
        // Words may be cut otherwise once what stood between them is gone; then they are cut again.
        let mut shown = units(&fold(text));
        for _ in 0..4 {
            let again = units(&shown);
            if again == shown {
                break;
            }
            shown = again;
        }
        let last = shown.rsplit(' ').next().filter(|last| !last.is_empty())?;
        let mut words: Vec<String> = words(&shown).map(str::to_owned).collect();
        let unspaced = is_unspaced(last);
        let letters = last.chars().count();
        if unspaced && letters > 1 {
            // In a longer stretch another letter follows, so the last one does not stand alone.
            words.pop();
        }
        let prefix = if unspaced { letters == 1 } else { starred };
        Some(Self {
            words,
            prefix,
            shown,
            starred: starred && !unspaced,
        })
    }

    /// The phrase in folded form, without a `*`.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether the last word is written with a `*`.
    pub(super) fn starred(&self) -> bool {
        self.starred
    }

    /// The words and whether the last is only a beginning.
    pub(super) fn parts(&self) -> (&[String], bool) {
        (&self.words, self.prefix)
    }

    /// Its words, each as a phrase of its own.
    pub(super) fn alone(&self) -> impl Iterator<Item = Self> + '_ {
        let last = self.words.len() - 1;
        self.words.iter().enumerate().map(move |(at, word)| Self {
            words: vec![word.clone()],
            prefix: self.prefix && at == last,
            shown: word.clone(),
            starred: self.starred && at == last,
        })
    }

    /// Where the phrase stands among the words of a folded text: the indices of its first words. `words` are those of `folded`.
    pub(super) fn places<'w>(
        &'w self,
        folded: &str,
        words: &'w [Placed<'w>],
    ) -> impl Iterator<Item = usize> + 'w {
        let has_first = self
            .words
            .first()
            .is_some_and(|first| folded.contains(first.as_str()));
        let rows = words.windows(self.words.len().max(1)).enumerate();
        rows.filter(move |(_, row)| has_first && self.is_row(row.iter().map(|(_, word)| *word)))
            .map(|(at, _)| at)
    }

    /// How many words it has.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether a folded text has the phrase.
    pub(super) fn is_in(&self, folded: &str) -> bool {
        // A text without the letters of the first word is the common case, and much faster to see.
        if !self
            .words
            .first()
            .is_some_and(|first| folded.contains(first.as_str()))
        {
            return false;
        }
        if let [only] = self.words.as_slice() {
            return words(folded).any(|word| self.fits(only, word, true));
        }
        let mut row = VecDeque::with_capacity(self.words.len());
        words(folded).any(|word| {
            if row.len() == self.words.len() {
                row.pop_front();
            }
            row.push_back(word);
            row.len() == self.words.len() && self.is_row(row.iter().copied())
        })
    }

    /// Whether so many words as it has are its own.
    fn is_row<'w>(&self, row: impl Iterator<Item = &'w str>) -> bool {
        let last = self.words.len() - 1;
        let mut pairs = self.words.iter().zip(row).enumerate();
        pairs.all(|(at, (wanted, word))| self.fits(wanted, word, at == last))
    }

    fn fits(&self, wanted: &str, word: &str, is_last: bool) -> bool {
        if is_last && self.prefix {
            word.starts_with(wanted)
        } else {
            word == wanted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, phrase: &str) -> bool {
        let (phrase, starred) = phrase
            .strip_suffix('*')
            .map_or((phrase, false), |rest| (rest, true));
        Phrase::read(phrase, starred).is_some_and(|phrase| phrase.is_in(&fold(text)))
    }

    #[test]
    fn words_are_folded_whole_and_in_order() {
        assert!(has("The Counter-Terrorism talks", "counter terrorism"));
        assert!(has("Erdoğan in Türkiye", "erdogan"));
        assert!(has("terrorists met", "terror*"));
        assert!(has("Naïve ﬁle", "naive file"));
        assert!(!has("terrorists met", "terror"));
        assert!(!has("talks on terrorism, counter", "counter terrorism"));
    }

    #[test]
    fn any_stretch_of_a_script_without_spaces_is_found() {
        let text = "巴基斯坦总理访问伊朗";
        for part in ["巴", "朗", "伊朗", "基斯坦", "总理访问", text] {
            assert!(has(text, part), "{part}");
        }
        assert!(!has(text, "朗伊"));
        assert!(has("東京abc", "東京 abc"));
        assert!(has("นายกรัฐมนตรีเดินทาง", "รัฐมนตรี"));
    }

    #[test]
    fn words_are_where_they_are_found() {
        for text in [
            "The Counter-Terrorism talks",
            "東京abc 伊朗",
            " \u{301}a b",
            "นายกรัฐมนตรี, 巴",
        ] {
            let folded = fold(text);
            let placed = placed(&folded);
            assert!(
                placed.iter().all(|(at, word)| folded[*at..].starts_with(word)),
                "{placed:?}"
            );
            assert!(words(&folded).eq(placed.iter().map(|(_, word)| *word)));
        }
        let folded = fold("a b a b c, a 伊朗总统 b");
        let places = |phrase: &str| -> Vec<usize> {
            let phrase = Phrase::read(phrase, false).unwrap();
            phrase.places(&folded, &placed(&folded)).collect()
        };
        assert_eq!(places("a b"), [0, 2]);
        assert_eq!(places("朗总统"), [7]);
        assert_eq!(places("统"), [9]);
        assert_eq!(places("c b"), [0_usize; 0]);
    }

    #[test]
    fn a_phrase_needs_a_word() {
        assert_eq!(Phrase::read("!!! ...", false), None);
        assert_eq!(Phrase::read("", true), None);
    }
}

//! A text, cut into words and sentences, and what the tables name in it.

use super::names::{Hit, tables};
use std::ops::Range;

/// A word, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its first byte.
    pub from: usize,
    /// The byte after it.
    pub to: usize,
    /// Whether it begins with a capital.
    pub is_capital: bool,
    /// Whether there are only spaces between it and the word before.
    pub joins: bool,
}

/// A text that was read once, for all rules.
pub struct Read<'t> {
    /// The text.
    pub text: &'t str,
    /// Its words, in order.
    pub words: Vec<Word>,
    /// What the tables name, in order; none overlaps another.
    pub hits: Vec<Hit>,
    /// Its sentences.
    pub sentences: Vec<Range<usize>>,
}

impl<'t> Read<'t> {
    /// Reads a text.
    pub fn of(text: &'t str) -> Self {
        let words = words(text);
        let sentences = sentences(text, &words);
        Self {
            text,
            words,
            hits: tables().hits(text),
            sentences,
        }
    }

    /// The word as it stands.
    pub fn word(&self, at: usize) -> &'t str {
        self.words
            .get(at)
            .map_or("", |word| &self.text[word.from..word.to])
    }

    /// The first word at a byte or after it.
    pub fn word_at(&self, byte: usize) -> usize {
        self.words.partition_point(|word| word.from < byte)
    }

    /// What the tables name at a byte: it begins there.
    pub fn hit_at(&self, byte: usize) -> Option<&Hit> {
        let at = self.hits.partition_point(|hit| hit.range.start < byte);
        self.hits.get(at).filter(|hit| hit.range.start == byte)
    }

    /// What the tables name within a range.
    pub fn hits_in(&self, range: Range<usize>) -> &[Hit] {
        let first = self.hits.partition_point(|hit| hit.range.start < range.start);
        let behind = self.hits.partition_point(|hit| hit.range.end <= range.end);
        &self.hits[first..behind.max(first)]
    }

    /// The sentence that a byte is in.
    pub fn sentence_of(&self, byte: usize) -> Range<usize> {
        let at = self.sentences.partition_point(|sentence| sentence.end <= byte);
        self.sentences.get(at).cloned().unwrap_or(0..self.text.len())
    }
}

/// Words with a space between each, however the text is cut into lines.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Whether a letter may stand within a word between two others: `Qa'im`, `Inter-Services`.
fn joins_letters(letter: char) -> bool {
    matches!(letter, '\'' | '’' | '-' | '‑')
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::with_capacity(text.len() / 6);
    let mut letters = text.char_indices().peekable();
    let (mut only_spaces, mut lines) = (true, 0);
    while let Some((from, first)) = letters.next() {
        if !first.is_alphanumeric() {
            lines += usize::from(first == '\n');
            // A line may be cut anywhere; an empty one ends what stands before it.
            only_spaces &= first.is_whitespace() && lines < 2;
            continue;
        }
        let mut to = from + first.len_utf8();
        while let Some((at, letter)) = letters.peek().copied() {
            let goes_on = letter.is_alphanumeric()
                || joins_letters(letter) && text[at + letter.len_utf8()..].starts_with(char::is_alphanumeric)
                || letter == '.' && is_abbreviated(&text[from..at], &text[at + 1..]);
            if !goes_on {
                break;
            }
            to = at + letter.len_utf8();
            letters.next();
        }
        words.push(Word {
            from,
            to,
            is_capital: first.is_uppercase(),
            joins: only_spaces && !words.is_empty(),
        });
        (only_spaces, lines) = (true, 0);
    }
    words
}

/// Whether a full stop behind these letters belongs to the word: `U.S.`, `J.`, `Gen.`.
fn is_abbreviated(word: &str, behind: &str) -> bool {
    let last = word.rsplit('.').next().unwrap_or(word);
    let is_initial = last.chars().count() == 1 && last.chars().all(char::is_uppercase);
    let is_within =
        word.contains('.') && behind.starts_with(char::is_alphanumeric) && last.chars().count() == 1;
    is_initial || is_within || is_known_abbreviation(word)
}

fn is_known_abbreviation(word: &str) -> bool {
    matches!(
        word,
        "Gen"
            | "Maj"
            | "Brig"
            | "Lt"
            | "Col"
            | "Capt"
            | "Sgt"
            | "Adm"
            | "Dr"
            | "Mr"
            | "Mrs"
            | "Ms"
            | "Prof"
            | "Rev"
            | "Sen"
            | "Rep"
            | "Gov"
            | "St"
            | "Jr"
            | "Sr"
            | "Jan"
            | "Feb"
            | "Mar"
            | "Apr"
            | "Jun"
            | "Jul"
            | "Aug"
            | "Sept"
            | "Sep"
            | "Oct"
            | "Nov"
            | "Dec"
            | "No"
    )
}

/// A sentence ends at a full stop, a question mark or an exclamation mark before a capital, or before an empty line.
fn sentences(text: &str, words: &[Word]) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut from = 0;
    for pair in words.windows(2) {
        let between = &text[pair[0].to..pair[1].from];
        let ends_line = between.matches('\n').count() > 1;
        // The stop of an abbreviation is in the word.
        let ends =
            between.contains(['.', '?', '!']) && between.contains(char::is_whitespace) && pair[1].is_capital;
        if ends_line || ends {
            sentences.push(from..pair[0].to + stop(between));
            from = pair[1].from - opening(between);
        }
    }
    if from < text.len() {
        sentences.push(from..text.trim_end().len().max(from));
    }
    sentences
}

/// How much of what lies between two sentences ends the first.
fn stop(between: &str) -> usize {
    between.find(char::is_whitespace).unwrap_or(between.len())
}

/// How much of it begins the second: an opening quotation mark.
fn opening(between: &str) -> usize {
    let behind = between.rsplit(char::is_whitespace).next();
    behind.map_or(0, str::len)
}

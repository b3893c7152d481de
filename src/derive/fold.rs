//! One form for texts that people take for the same.
//!
//! NFKC, lower case, accents off: `Türkiye`, `TURKIYE` and `Tu\u{308}rkiye` become one. Only the accents of
//! Latin, Greek and Cyrillic and the optional points of Hebrew and Arabic go; the vowel signs of Indic
//! scripts and the voicing marks of kana are letters and stay. Folding a folded text changes nothing.

use std::cell::Cell;
use unicode_normalization::UnicodeNormalization;

/// Folds `text`.
///
/// ```
/// assert_eq!(chancery::derive::fold("Côte d’Ivoire"), "cote d'ivoire");
/// ```
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    folded
}

/// Folds `text` and appends it to `folded`. Allocates only where `folded` is too small or `text` is not
/// ASCII.
pub fn fold_into(text: &str, folded: &mut String) {
    if text.is_ascii() {
        let from = folded.len();
        folded.push_str(text);
        folded[from..].make_ascii_lowercase();
        return;
    }
    let lower = text.nfkd().flat_map(char::to_lowercase);
    // Lower case may bring compatibility characters and marks of its own, so it is decomposed again.
    let bare = lower.nfkd().filter(|&mark| !is_accent(mark));
    for letter in bare.flat_map(plain).nfc() {
        folded.push(letter);
    }
}

/// Calls `then` with the folded text, in a buffer that the thread uses again and again.
pub fn with_folded<T>(text: &str, then: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static BUFFER: Cell<String> = const { Cell::new(String::new()) };
    }
    // The buffer is taken, not borrowed: a nested call finds an empty one and allocates.
    let mut buffer = BUFFER.take();
    buffer.clear();
    fold_into(text, &mut buffer);
    let answer = then(&buffer);
    BUFFER.set(buffer);
    answer
}

fn is_accent(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}'
        | '\u{5c4}'..='\u{5c5}' | '\u{5c7}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}' | '\u{ad}' | '\u{200b}'..='\u{200f}')
}

/// Letters that have no decomposition and that people type without their stroke, and marks that are typed in
/// many ways.
fn plain(letter: char) -> impl Iterator<Item = char> {
    let (first, second) = match letter {
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'ı' => ('i', None),
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'ς' => ('σ', None),
        '‘' | '’' | 'ʼ' | 'ʻ' | '´' => ('\'', None),
        '“' | '”' => ('"', None),
        '‐' | '‑' | '‒' | '–' | '—' | '−' => ('-', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

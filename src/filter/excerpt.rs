//! Excerpts: the part of a text in which the words stand that a filter asks for.
//!
//! Words are found in the folded text, as everywhere; what is told are places in the text as it was stated, counted in characters
//! (Unicode scalar values) and half open. For that a text is folded piece by piece, and the pieces are chosen so that together
//! they make what the whole folds to.

use super::wording::{Text, Wording, each_text};
use super::words::{Placed, placed};
use crate::derive::{fold, fold_into};
use crate::record::codec::Content;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// About how many characters an excerpt has.
const EXCERPT_CHARS: usize = 160;
/// The most excerpts of one content.
const EXCERPTS_MAX: usize = 3;
/// So far beyond an excerpt words are looked at whole.
const BEYOND_CHARS: usize = 40;

/// A part of a text around words that were asked for. All offsets count characters of the whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The path of the text: `title`, `body`, `texts[0].body`, `participants[1].name`.
    pub path: String,
    /// Where the part lies.
    pub range: Range<usize>,
    /// How many characters the whole text has.
    pub length: usize,
    /// The part.
    pub text: String,
    /// What matches in it: in order, none over another, none beyond the part.
    pub matches: Vec<Range<usize>>,
}

/// A match in a text.
#[derive(Debug, Clone)]
struct Hit {
    chars: Range<usize>,
    /// Which of the words and phrases it is.
    wanted: usize,
}

impl Wording {
    /// The parts of a content's texts in which most of what is asked for stands, at most three, the best first: the one with more
    /// different words, of equal ones a body before a title and a title before a name.
    pub fn excerpts(&self, content: &Content) -> Vec<Excerpt> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        each_text(content, |text| {
            let aligned = Aligned::of(text.text);
            let hits = self.hits(&text, &aligned);
            if let Some((cluster, different)) = best(&hits, self.wanted.len()) {
                let place = (text.path.is_title(), text.path.is_name());
                let excerpt = excerpt(&text, &aligned, &hits, cluster);
                found.push((std::cmp::Reverse(different), (place.1, place.0), excerpt));
            }
        });
        // The sort is stable: what stands first in a content stays first.
        found.sort_by_key(|(different, place, _)| (*different, *place));
        found.truncate(EXCERPTS_MAX);
        found.into_iter().map(|(.., excerpt)| excerpt).collect()
    }

    /// The matches in a text, by their beginnings.
    fn hits(&self, text: &Text<'_>, aligned: &Aligned) -> Vec<Hit> {
        let words = placed(&aligned.folded);
        let mut hits = Vec::new();
        for (at, wanted) in self.wanted.iter().enumerate().filter(|(_, one)| one.is_of(text)) {
            for first in wanted.phrase.places(&aligned.folded, &words) {
                let row = &words[first..first + wanted.phrase.len()];
                hits.push(Hit {
                    chars: aligned.chars_of(row),
                    wanted: at,
                });
            }
        }
        hits.sort_by_key(|hit| hit.chars.start);
        hits
    }
}

/// The matches that fit into an excerpt and are of most kinds, of those the most, of those the first; and of how many kinds they are.
fn best(hits: &[Hit], kinds: usize) -> Option<(Range<usize>, usize)> {
    let mut times = vec![0_usize; kinds];
    let (mut end, mut different) = (0, 0);
    let mut best: Option<(usize, Range<usize>)> = None;
    for (start, first) in hits.iter().enumerate() {
        while let Some(hit) = hits.get(end) {
            // One match is taken however long it is.
            if end > start && hit.chars.end > first.chars.start + EXCERPT_CHARS {
                break;
            }
            different += usize::from(times[hit.wanted] == 0);
            times[hit.wanted] += 1;
            end += 1;
        }
        let is_better = best
            .as_ref()
            .is_none_or(|(most, range)| (different, end - start) > (*most, range.len()));
        if is_better {
            best = Some((different, start..end));
        }
        times[first.wanted] -= 1;
        different -= usize::from(times[first.wanted] == 0);
    }
    best.map(|(different, range)| (range, different))
}

fn excerpt(text: &Text<'_>, aligned: &Aligned, hits: &[Hit], cluster: Range<usize>) -> Excerpt {
    let inner = &hits[cluster];
    let from = inner.first().map_or(0, |hit| hit.chars.start);
    let to = inner.iter().map(|hit| hit.chars.end).max().unwrap_or(from);
    let range = around(text.text, aligned.chars, from..to);
    let mut matches: Vec<Range<usize>> = Vec::new();
    for hit in hits {
        let part = hit.chars.start.max(range.start)..hit.chars.end.min(range.end);
        match matches.last_mut() {
            _ if part.is_empty() => {}
            Some(last) if part.start < last.end => last.end = last.end.max(part.end),
            _ => matches.push(part),
        }
    }
    Excerpt {
        path: text.path.to_string(),
        length: aligned.chars,
        text: text.text.chars().skip(range.start).take(range.len()).collect(),
        matches,
        range,
    }
}

/// The part of a text that is shown around what was found: as much before it as behind it, and no word cut.
fn around(text: &str, chars: usize, found: Range<usize>) -> Range<usize> {
    if chars <= EXCERPT_CHARS {
        return 0..chars;
    }
    let room = EXCERPT_CHARS.saturating_sub(found.len());
    let most = chars - EXCERPT_CHARS;
    let from = found
        .start
        .saturating_sub(room / 2)
        .min(most.max(found.start.saturating_sub(room)));
    let to = (from + EXCERPT_CHARS).min(chars);
    let found = found.start..found.end.min(to);
    let skipped = from.saturating_sub(BEYOND_CHARS);
    let near: String = text
        .chars()
        .skip(skipped)
        .take(to + BEYOND_CHARS - skipped)
        .collect();
    let (mut at, mut start, mut end) = (skipped, None, found.end);
    for word in near.split_word_bounds() {
        let own = at..at + word.chars().count();
        at = own.end;
        if word.trim().is_empty() {
            continue;
        }
        // It may end with a full stop, and does not begin with one.
        let is_word = word.chars().any(char::is_alphanumeric);
        if start.is_none() && is_word && own.start >= from && own.start <= found.start {
            start = Some(own.start);
        }
        if own.end <= to && own.end >= end {
            end = own.end;
        }
    }
    start.unwrap_or(found.start)..end
}

/// A folded text, and which characters of the text its bytes come from.
struct Aligned {
    folded: String,
    /// Where pieces begin: their first byte in the folded text, their first character in the text. None where every byte is a
    /// character of its own.
    pieces: Vec<(usize, usize)>,
    /// The characters of the text.
    chars: usize,
}

impl Aligned {
    fn of(text: &str) -> Self {
        let folded = fold(text);
        let chars = text.chars().count();
        let mut aligned = Self {
            folded,
            pieces: Vec::new(),
            chars,
        };
        if text.is_ascii() {
            return aligned;
        }
        // A letter and the marks on it are one piece, and mostly nothing else comes together.
        let graphemes: Vec<&str> = text.graphemes(true).collect();
        aligned.pieces = starts(&graphemes, &aligned.folded).unwrap_or_else(|| {
            let joined = joined(text, &graphemes);
            // Where even that does not make the whole, the whole is one piece.
            starts(&joined, &aligned.folded).unwrap_or_else(|| vec![(0, 0)])
        });
        aligned
    }

    /// The characters of words in a row.
    fn chars_of(&self, row: &[Placed<'_>]) -> Range<usize> {
        let start = row.first().map_or(0, |(at, _)| *at);
        let end = row.last().map_or(start, |(at, word)| at + word.len());
        if self.pieces.is_empty() {
            return start..end;
        }
        // Pieces that fold to nothing begin where the one behind them does; of those the last has the byte.
        let behind = |byte: usize| self.pieces.partition_point(|(at, _)| *at <= byte);
        let from = behind(start).checked_sub(1).map_or(0, |at| self.pieces[at].1);
        let to = self.pieces.get(behind(end.saturating_sub(1)));
        from..to.map_or(self.chars, |(_, char)| *char)
    }
}

/// Where each piece begins, in the folded text and in the text; `None` where the pieces do not fold to the whole.
fn starts(pieces: &[&str], whole: &str) -> Option<Vec<(usize, usize)>> {
    let mut folded = String::with_capacity(whole.len());
    let mut starts = Vec::with_capacity(pieces.len());
    let mut char = 0;
    for piece in pieces {
        starts.push((folded.len(), char));
        fold_into(piece, &mut folded);
        char += piece.chars().count();
    }
    (folded == whole).then_some(starts)
}

/// The pieces again, those made one that fold otherwise together than alone.
fn joined<'t>(text: &'t str, pieces: &[&'t str]) -> Vec<&'t str> {
    let mut joined: Vec<&str> = Vec::new();
    let mut start = 0;
    let mut end = 0;
    for piece in pieces {
        let (before, both) = (&text[start..end], &text[start..end + piece.len()]);
        let alone = fold(piece);
        // What folds to nothing does not keep what stands around it apart.
        let is_apart = !alone.is_empty() && fold(both) == fold(before) + &alone;
        if is_apart && end > start {
            joined.push(before);
            start = end;
        }
        end += piece.len();
    }
    joined.push(&text[start..]);
    joined
}

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::*;
    use crate::record::codec::{self, Participant};
    use proptest::prelude::*;

    fn body(text: &str) -> Content {
        Content {
            body: text.into(),
            ..Content::default()
        }
    }

    fn excerpts(filter: &str, content: &Content) -> Vec<Excerpt> {
        Filter::parse(filter).unwrap().wording().excerpts(content)
    }

    fn part(text: &str, range: &Range<usize>) -> String {
        text.chars().skip(range.start).take(range.len()).collect()
    }

    /// What a filter finds in a body, as it is written there.
    fn found(filter: &str, text: &str) -> Vec<String> {
        let all = excerpts(filter, &body(text));
        let matches = all.iter().flat_map(|one| &one.matches);
        matches.map(|range| part(text, range)).collect()
    }

    #[test]
    fn matches_are_places_in_the_text_as_it_was_stated() {
        assert_eq!(
            found("turkiye", "In Türkiye, in TURKI\u{307}YE."),
            ["Türkiye", "TURKI\u{307}YE"]
        );
        assert_eq!(
            found("turkiye", "ø Tu\u{308}rkiye\u{301}!"),
            ["Tu\u{308}rkiye\u{301}"]
        );
        assert_eq!(found("file office", "a ﬁle at the oﬃce"), ["ﬁle", "oﬃce"]);
        assert_eq!(found("strasse aether", "Straße, Æther"), ["Straße", "Æther"]);
        assert_eq!(
            found("\"counter terrorism\"", "on counter–terrorism"),
            ["counter–terrorism"]
        );
        assert_eq!(found("terror*", "ﬀ terror, terrorists"), ["terror", "terrorists"]);
        assert_eq!(
            found("counterterrorism", "on counter\u{ad}terrorism\u{200b} é"),
            ["counter\u{ad}terrorism"]
        );
    }

    #[test]
    fn pairs_of_letters_are_told_as_the_stretch_that_was_asked_for() {
        let text = "é巴基斯坦总理访问伊朗";
        assert_eq!(found("基斯坦", text), ["基斯坦"]);
        assert_eq!(found("伊朗", text), ["伊朗"]);
        assert_eq!(found("朗", text), ["朗"]);
        assert_eq!(
            found("巴基斯 OR 斯坦", text),
            ["巴基斯坦"],
            "what overlaps is one"
        );
        // A voicing mark that stands apart is a part of its letter.
        assert_eq!(found("ガ", "ｶﾞ カ\u{3099}"), ["ｶﾞ", "カ\u{3099}"]);
        assert_eq!(found("が", "か\u{200b}\u{3099}"), ["か\u{200b}\u{3099}"]);
    }

    #[test]
    fn an_excerpt_is_the_part_where_most_of_the_words_are_and_cuts_none() {
        let filler = "Nothing of note was said about the weather that day. ".repeat(10);
        let text = format!(
            "{filler}A border.\n{filler}They spoke of the border and of security.\n{filler}Süß: security"
        );
        let all = excerpts("border security", &body(&text));
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((one.path.as_str(), one.length), ("body", text.chars().count()));
        assert_eq!(one.text, part(&text, &one.range));
        assert!(one.text.contains("the border and of security."), "{one:?}");
        assert!(
            one.range.len() <= EXCERPT_CHARS && one.range.len() > 120,
            "{one:?}"
        );
        let words: Vec<String> = one.matches.iter().map(|range| part(&text, range)).collect();
        assert_eq!(words, ["border", "security"]);
        let before = part(&text, &(one.range.start - 1..one.range.start));
        let behind = part(&text, &(one.range.end..one.range.end + 1));
        assert!(
            before == " " && !behind.chars().any(char::is_alphanumeric),
            "{one:?}"
        );
    }

    #[test]
    fn texts_with_more_of_the_words_come_first_and_bodies_before_titles_before_names() {
        let content = Content {
            title: "Border".into(),
            body: "the border".into(),
            texts: vec![codec::Text {
                body: "border security".into(),
                ..codec::Text::default()
            }],
            participants: vec![Participant {
                name: "Border Guard".into(),
                ..Participant::default()
            }],
            ..Content::default()
        };
        let paths = |filter: &str| -> Vec<String> {
            excerpts(filter, &content)
                .into_iter()
                .map(|one| one.path)
                .collect()
        };
        assert_eq!(paths("border OR security"), ["texts[0].body", "body", "title"]);
        assert_eq!(paths("name : guard"), ["participants[0].name"]);
        assert_eq!(paths("title : border AND NOT guard"), ["title"]);
        assert!(paths("kind = event").is_empty());
    }

    #[test]
    fn a_match_that_is_longer_than_an_excerpt_is_cut_with_it() {
        let text = format!("é counter {}terrorism", "-".repeat(500));
        let all = excerpts("\"counter terrorism\"", &body(&text));
        assert_eq!(all.len(), 1);
        assert!(all[0].range.len() <= EXCERPT_CHARS, "{all:?}");
        assert_eq!(
            all[0].matches,
            vec![Range {
                start: 2,
                end: all[0].range.end
            }]
        );
    }

    proptest! {
        #[test]
        fn pieces_fold_to_the_whole(text in "[a-zéﬁßİς\u{ad}\u{200b}\u{301}\u{308}\u{3099}かｶﾞ가ᄀ\u{1161}\u{11a8}ￂￇ½ 伊朗]{0,12}") {
            let aligned = Aligned::of(&text);
            prop_assert!(text.is_ascii() || starts(&joined(&text, &text.graphemes(true).collect::<Vec<_>>()), &aligned.folded).is_some());
        }

        #[test]
        fn every_match_is_in_its_excerpt(text in ".{0,300}", word in "[a-z]{1,2}") {
            for one in excerpts(&format!("{word}* OR a*"), &body(&text)) {
                prop_assert_eq!(&one.text, &part(&text, &one.range));
                prop_assert!(!one.matches.is_empty());
                for range in &one.matches {
                    prop_assert!(one.range.start <= range.start && range.end <= one.range.end && !range.is_empty());
                    let matched = fold(&part(&text, range));
                    prop_assert!(matched.contains(&word) || matched.contains('a'), "{}", matched);
                }
            }
        }
    }
}

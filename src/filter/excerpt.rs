//! Where in a record's texts the words of a filter stand.
//!
//! Words are found as conditions find them, in the folded text, and told by where they stand in the text as it was stated: in
//! Unicode scalar values, half open. A part of a word that is found counts as the whole of it.

use super::Filter;
use super::field::Field;
use super::tree::{Node, Test, TextCheck};
use super::words::Phrase;
use crate::derive::fold_into;
use crate::record::codec::Content;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// About how long an excerpt is, in Unicode scalar values.
const EXCERPT_CHARS: usize = 160;
/// About how much of it stands before the first word that was found.
const LEAD_CHARS: usize = 40;
/// The most excerpts of a record: those with the most matches.
const EXCERPTS_MAX: usize = 3;

/// A part of a text in which words of a filter stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The text's path in the content: `body`, `texts[0].title`, `participants[1].name`.
    pub path: String,
    /// Where the excerpt stands in that text.
    pub place: Range<usize>,
    /// Its words.
    pub text: String,
    /// Where the words that were looked for stand in that text, ascending, without overlap.
    pub matches: Vec<Range<usize>>,
}

impl Filter {
    /// The places in a content where the words stand that the filter asks for and does not deny; those with the most matches first.
    pub fn excerpts(&self, content: &Content) -> Vec<Excerpt> {
        let mut sought = Vec::new();
        seek(&self.0.root, &mut sought);
        let mut found = Vec::new();
        each_text(content, |path, field, text| {
            let phrases = sought.iter().filter(|(asked, _)| asks_in(asked.as_ref(), &field));
            let phrases: Vec<&Phrase> = phrases.map(|(_, phrase)| *phrase).collect();
            found.extend(excerpt(path, text, &phrases));
        });
        found.sort_by_key(|one| std::cmp::Reverse(one.matches.len()));
        found.truncate(EXCERPTS_MAX);
        found
    }
}

/// What is looked for, and in which field; `None`: in all that bare words are looked for in.
type Sought<'f> = (Option<Field>, &'f Phrase);

fn seek<'f>(node: &'f Node, sought: &mut Vec<Sought<'f>>) {
    match node {
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|node| seek(node, sought)),
        Node::Test(Test::Words(phrase)) => sought.push((None, phrase)),
        Node::Test(Test::Text {
            field,
            check: TextCheck::Has(phrase),
        }) => sought.push((Some(field.clone()), phrase)),
        Node::Test(_) | Node::All | Node::Not(_) => {}
    }
}

fn asks_in(asked: Option<&Field>, field: &Field) -> bool {
    match asked {
        None => true,
        Some(Field::Text) => matches!(field, Field::Text | Field::Title),
        Some(Field::Actor) => *field == Field::Name,
        Some(asked) => asked == field,
    }
}

/// Every text in which words are looked for, with its path and the narrowest field that has it.
fn each_text<'c>(content: &'c Content, mut take: impl FnMut(String, Field, &'c str)) {
    take("title".to_owned(), Field::Title, &content.title);
    take("body".to_owned(), Field::Text, &content.body);
    for (at, text) in content.texts.iter().enumerate() {
        take(format!("texts[{at}].title"), Field::Title, &text.title);
        take(format!("texts[{at}].body"), Field::Text, &text.body);
    }
    for (at, one) in content.participants.iter().enumerate() {
        take(format!("participants[{at}].name"), Field::Name, &one.name);
        take(
            format!("participants[{at}].stated_name"),
            Field::Name,
            &one.stated_name,
        );
    }
    for (at, name) in content.names.iter().enumerate() {
        take(format!("names[{at}].name"), Field::Name, &name.name);
    }
}

/// A text with its folded form.
struct Folded {
    folded: String,
    /// The parts between two word boundaries, and what stands between words.
    parts: Vec<Part>,
}

#[derive(Clone, Copy)]
struct Part {
    /// Where it begins in the folded text, in bytes.
    folded: usize,
    /// Where it stands in the text, in bytes and in characters.
    byte: usize,
    first: usize,
    end: usize,
}

impl Folded {
    fn of(text: &str) -> Self {
        let mut this = Self {
            folded: String::with_capacity(text.len()),
            parts: Vec::new(),
        };
        let mut first = 0;
        for (byte, part) in text.split_word_bound_indices() {
            let end = first + part.chars().count();
            this.parts.push(Part {
                folded: this.folded.len(),
                byte,
                first,
                end,
            });
            fold_into(part, &mut this.folded);
            first = end;
        }
        this
    }

    /// The part in which a byte of the folded text stands.
    fn part(&self, folded: usize) -> usize {
        self.parts
            .partition_point(|part| part.folded <= folded)
            .saturating_sub(1)
    }

    /// The parts in which a range of the folded text stands.
    fn parts(&self, folded: &Range<usize>) -> Range<usize> {
        self.part(folded.start)..self.part(folded.end.saturating_sub(1).max(folded.start)) + 1
    }
}

fn excerpt(path: String, text: &str, phrases: &[&Phrase]) -> Option<Excerpt> {
    if text.is_empty() || phrases.is_empty() {
        return None;
    }
    let folded = Folded::of(text);
    let found = phrases.iter().flat_map(|phrase| phrase.places(&folded.folded));
    let mut found: Vec<Range<usize>> = found.map(|place| folded.parts(&place)).collect();
    found.sort_unstable_by_key(|parts| (parts.start, parts.end));
    // Words of several phrases may be the same.
    let mut matches: Vec<Range<usize>> = Vec::new();
    for parts in found {
        match matches.last_mut() {
            Some(last) if parts.start < last.end => last.end = last.end.max(parts.end),
            _ => matches.push(parts),
        }
    }
    let chars = |parts: &Range<usize>| folded.parts[parts.start].first..folded.parts[parts.end - 1].end;
    let matches: Vec<Range<usize>> = matches.iter().map(chars).collect();
    let window = window(&matches)?;
    let is_within = |part: &Part| window.start <= part.first && part.end <= window.end;
    let first = folded.parts.iter().position(is_within)?;
    let last = folded.parts.iter().rposition(is_within)?;
    let end = folded.parts.get(last + 1).map_or(text.len(), |next| next.byte);
    let place = folded.parts[first].first..folded.parts[last].end;
    let shown = |one: &Range<usize>| place.start <= one.start && one.end <= place.end;
    Some(Excerpt {
        path,
        text: text.get(folded.parts[first].byte..end)?.to_owned(),
        matches: matches.into_iter().filter(shown).collect(),
        place,
    })
}

/// The stretch of a text that has the most matches, with a little before the first of them; the first of several.
fn window(matches: &[Range<usize>]) -> Option<Range<usize>> {
    let within = |first: &Range<usize>| {
        let end = first.start + EXCERPT_CHARS - LEAD_CHARS;
        matches
            .iter()
            .filter(|one| first.start <= one.start && one.end <= end)
            .count()
    };
    // What is longer is no word that anybody reads.
    let readable = matches.iter().filter(|one| one.len() <= EXCERPT_CHARS);
    let best = readable.rev().max_by_key(|first| within(first))?;
    let start = best.start.saturating_sub(LEAD_CHARS);
    Some(start..(start + EXCERPT_CHARS).max(best.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::codec::Participant;
    use proptest::prelude::*;

    fn body(text: &str) -> Content {
        Content {
            body: text.to_owned(),
            ..Content::default()
        }
    }

    /// The excerpts of a filter, with the words that were found in brackets.
    fn marked(filter: &str, content: &Content) -> Vec<String> {
        let filter = Filter::parse(filter).unwrap();
        let mark = |one: Excerpt| {
            let mut marked = String::new();
            for (at, letter) in (one.place.start..).zip(one.text.chars()) {
                if one.matches.iter().any(|place| place.start == at) {
                    marked.push('[');
                }
                marked.push(letter);
                if one.matches.iter().any(|place| place.end == at + 1) {
                    marked.push(']');
                }
            }
            format!("{}: {marked}", one.path)
        };
        filter.excerpts(content).into_iter().map(mark).collect()
    }

    #[test]
    fn words_are_told_where_they_stand_in_the_text_as_stated() {
        for (filter, text, expected) in [
            (
                "erdogan",
                "Präsident Erdoğan sprach.",
                "body: Präsident [Erdoğan] sprach.",
            ),
            ("file", "Der ﬁle lag vor", "body: Der [ﬁle] lag vor"),
            (
                "turkiye",
                "in Tu\u{308}rkiye, heute",
                "body: in [Tu\u{308}rkiye], heute",
            ),
            (
                "\"counter terrorism\"",
                "On counter-terrorism.",
                "body: On [counter-terrorism].",
            ),
            (
                "terror*",
                "Terrorists and terror",
                "body: [Terrorists] and [terror]",
            ),
            ("总理", "巴基斯坦总理访问伊朗", "body: 巴基斯坦[总理]访问伊朗"),
            (
                "talks OR \"talks on\"",
                "Talks on trade",
                "body: [Talks on] trade",
            ),
        ] {
            assert_eq!(marked(filter, &body(text)), [expected], "{filter}");
        }
        assert!(marked("NOT talks", &body("Talks")).is_empty());
        assert!(marked("country = PAK", &body("Talks")).is_empty());
    }

    #[test]
    fn each_field_is_looked_for_where_it_is_asked_for() {
        let content = Content {
            title: "Talks in Geneva".into(),
            participants: vec![Participant {
                name: "Geneva Group".into(),
                ..Participant::default()
            }],
            ..body("They met in Geneva, and left Geneva.")
        };
        assert_eq!(
            marked("geneva", &content),
            [
                "body: They met in [Geneva], and left [Geneva].",
                "title: Talks in [Geneva]",
                "participants[0].name: [Geneva] Group"
            ]
        );
        assert_eq!(marked("title : geneva", &content), ["title: Talks in [Geneva]"]);
        assert_eq!(
            marked("name : geneva", &content),
            ["participants[0].name: [Geneva] Group"]
        );
        assert_eq!(marked("text : geneva", &content).len(), 2);
    }

    #[test]
    fn of_a_long_text_the_stretch_with_the_most_words_is_told() {
        let dull = "Nothing of note was said that day. ".repeat(20);
        let text = format!("{dull}A border. {dull}The border talks on the border ended. {dull}");
        let found = Filter::parse("border").unwrap().excerpts(&body(&text));
        let [one] = &found[..] else { panic!("{found:?}") };
        assert_eq!(one.matches.len(), 2);
        assert!(
            one.text.contains("The border talks on the border ended."),
            "{}",
            one.text
        );
        assert!(one.text.chars().count() <= EXCERPT_CHARS);
        assert!(one.place.start > 700);
    }

    proptest! {
        #[test]
        fn an_excerpt_is_the_text_at_its_place(text in "[aé伊ﬁ \u{308}.-]{0,300}", word in "[aé伊ﬁ]{1,3}") {
            let filter = Filter::parse(&format!("text : \"{word}\"")).unwrap();
            let chars: Vec<char> = text.chars().collect();
            for one in filter.excerpts(&body(&text)) {
                prop_assert_eq!(chars[one.place.clone()].iter().collect::<String>(), one.text);
                prop_assert!(!one.matches.is_empty());
                for place in &one.matches {
                    prop_assert!(one.place.start <= place.start && place.start < place.end && place.end <= one.place.end);
                }
            }
        }
    }
}

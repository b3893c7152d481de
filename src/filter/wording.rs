//! The words that a filter asks for, where a content has them, and how often.
//!
//! Asked for are bare words and phrases, and those that stand behind `:` on a text, a title or a name; what is denied is not.
//! An answer in order of relevance is ranked by them, and excerpts show them. Words are those of [`super::words`], so that
//! whatever a filter finds is counted, and nothing else.

use super::Filter;
use super::field::Field;
use super::tree::{Node, Test, TextCheck};
use super::words::{Phrase, placed};
use crate::derive::with_folded;
use crate::record::codec::{Content, Side};
use std::fmt;

/// How many times a word of a title counts as often as one of a body or a name.
const TITLE_WEIGHT: u32 = 3;

/// The words that a filter asks for.
#[derive(Debug, Clone, Default)]
pub struct Wording {
    pub(super) wanted: Vec<Wanted>,
    /// Every word of them once.
    words: Vec<Phrase>,
}

/// A word or phrase, and in which texts it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) phrase: Phrase,
    scope: Scope,
    /// The indices of its words.
    words: Vec<usize>,
}

/// In which texts words are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Anywhere,
    /// Titles and bodies.
    Texts,
    Titles,
    Names,
    /// Names of participants on one side.
    NamesOf(Side),
}

/// How often a content has what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrences {
    /// How often it has each word or phrase, in the order of the filter; in a title it counts three times.
    pub times: Vec<u32>,
    /// How many words its texts have; those of titles count three times.
    pub words: u32,
}

impl Filter {
    /// The words and phrases that it asks for and does not deny, each once.
    pub fn wording(&self) -> Wording {
        let mut wording = Wording::default();
        wording.seek(&self.0.root, false);
        wording
    }
}

impl Wording {
    fn seek(&mut self, node: &Node, is_denied: bool) {
        match node {
            Node::All => {}
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|node| self.seek(node, is_denied)),
            Node::Not(inner) => self.seek(inner, !is_denied),
            Node::Test(test) if !is_denied => self.want(test),
            Node::Test(_) => {}
        }
    }

    fn want(&mut self, test: &Test) {
        let (phrase, scope) = match test {
            Test::Words(phrase) => (phrase, Scope::Anywhere),
            Test::Text {
                field,
                check: TextCheck::Has(phrase),
            } => match scope_of(field) {
                Some(scope) => (phrase, scope),
                None => return,
            },
            _ => return,
        };
        let is_known = |one: &Wanted| one.phrase == *phrase && one.scope == scope;
        if self.wanted.iter().any(is_known) {
            return;
        }
        let words = phrase.alone().map(|word| self.index_of(word)).collect();
        self.wanted.push(Wanted {
            phrase: phrase.clone(),
            scope,
            words,
        });
    }

    fn index_of(&mut self, word: Phrase) -> usize {
        let known = self.words.iter().position(|known| *known == word);
        known.unwrap_or_else(|| {
            self.words.push(word);
            self.words.len() - 1
        })
    }

    /// Whether no word is asked for.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Every word of what is asked for, once, as a filter that entries with the word pass.
    pub fn words(&self) -> Vec<Filter> {
        let filter = |word: &Phrase| Filter::of(Node::Test(Test::Words(word.clone())), None);
        self.words.iter().map(filter).collect()
    }

    /// In how many entries each word or phrase is, where `held` says it of each of [`Self::words`]: a phrase is taken to be in as many
    /// as the rarest of its words.
    pub fn held(&self, held: &[u64]) -> Vec<u64> {
        let rarest = |wanted: &Wanted| wanted.words.iter().filter_map(|at| held.get(*at)).min().copied();
        self.wanted
            .iter()
            .map(|wanted| rarest(wanted).unwrap_or_default())
            .collect()
    }

    /// How often a content has what is asked for.
    pub fn occurrences(&self, content: &Content) -> Occurrences {
        let mut found = Occurrences {
            times: vec![0; self.wanted.len()],
            words: 0,
        };
        each_text(content, |text| {
            let weight = if text.path.is_title() { TITLE_WEIGHT } else { 1 };
            let weighed = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(weight);
            with_folded(text.text, |folded| {
                let words = placed(folded);
                found.words = found.words.saturating_add(weighed(words.len()));
                for (wanted, times) in self.wanted.iter().zip(&mut found.times) {
                    if wanted.is_of(&text) {
                        let count = wanted.phrase.places(folded, &words).count();
                        *times = times.saturating_add(weighed(count));
                    }
                }
            });
        });
        found
    }
}

impl Wanted {
    /// Whether it is asked for in this text.
    pub(super) fn is_of(&self, text: &Text<'_>) -> bool {
        match self.scope {
            Scope::Anywhere => true,
            Scope::Texts => !text.path.is_name(),
            Scope::Titles => text.path.is_title(),
            Scope::Names => text.path.is_name(),
            Scope::NamesOf(side) => text.side == Some(side),
        }
    }
}

fn scope_of(field: &Field) -> Option<Scope> {
    Some(match field {
        Field::Text => Scope::Texts,
        Field::Title => Scope::Titles,
        Field::Name | Field::Actor => Scope::Names,
        Field::SourceName => Scope::NamesOf(Side::Source),
        Field::TargetName => Scope::NamesOf(Side::Target),
        Field::MentionedActor => Scope::NamesOf(Side::Mentioned),
        _ => return None,
    })
}

/// A text of a content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'c> {
    pub(super) path: Path,
    pub(super) text: &'c str,
    /// Whose name it is, where it is a participant's.
    side: Option<Side>,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    Title,
    Body,
    OtherTitle(usize),
    OtherBody(usize),
    Participant(usize),
    StatedName(usize),
    Name(usize),
}

impl Path {
    pub(super) fn is_title(self) -> bool {
        matches!(self, Self::Title | Self::OtherTitle(_))
    }

    pub(super) fn is_name(self) -> bool {
        matches!(self, Self::Participant(_) | Self::StatedName(_) | Self::Name(_))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Title => f.write_str("title"),
            Self::Body => f.write_str("body"),
            Self::OtherTitle(at) => write!(f, "texts[{at}].title"),
            Self::OtherBody(at) => write!(f, "texts[{at}].body"),
            Self::Participant(at) => write!(f, "participants[{at}].name"),
            Self::StatedName(at) => write!(f, "participants[{at}].stated_name"),
            Self::Name(at) => write!(f, "names[{at}].name"),
        }
    }
}

/// Hands over every text of a content in which words are found.
pub(super) fn each_text<'c>(content: &'c Content, mut take: impl FnMut(Text<'c>)) {
    let mut give = |path, text: &'c str, side| {
        if !text.is_empty() {
            take(Text { path, text, side });
        }
    };
    give(Path::Title, &content.title, None);
    give(Path::Body, &content.body, None);
    for (at, text) in content.texts.iter().enumerate() {
        give(Path::OtherTitle(at), &text.title, None);
        give(Path::OtherBody(at), &text.body, None);
    }
    for (at, one) in content.participants.iter().enumerate() {
        give(Path::Participant(at), &one.name, Some(one.side()));
        give(Path::StatedName(at), &one.stated_name, Some(one.side()));
    }
    for (at, name) in content.names.iter().enumerate() {
        give(Path::Name(at), &name.name, None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::values;
    use super::*;
    use crate::record::codec::{self, Participant};

    fn content() -> Content {
        let person = |name: &str, stated: &str, side: Side| Participant {
            name: name.into(),
            stated_name: stated.into(),
            side: side.into(),
            ..Participant::default()
        };
        Content {
            title: "Border talks, border posts".into(),
            body: "They spoke of the border posts and of 伊朗总统.".into(),
            texts: vec![codec::Text {
                title: "Grenze".into(),
                body: "Gespräche an der Grenze".into(),
                ..codec::Text::default()
            }],
            participants: vec![
                person("Border Guard", "the Guard", Side::Source),
                person("", "A border post", Side::Target),
            ],
            names: vec![codec::Name {
                name: "Border".into(),
                ..codec::Name::default()
            }],
            ..Content::default()
        }
    }

    fn times(filter: &str) -> Vec<u32> {
        let wording = Filter::parse(filter).unwrap().wording();
        wording.occurrences(&content()).times
    }

    #[test]
    fn words_are_counted_where_they_are_asked_for_and_titles_count_three_times() {
        assert_eq!(times("border"), [6 + 1 + 1 + 1 + 1]);
        assert_eq!(times("\"border posts\""), [3 + 1]);
        assert_eq!(times("post*"), [3 + 1 + 1]);
        assert_eq!(times("text : border title : border name : border"), [7, 6, 3]);
        assert_eq!(times("source.name : guard target.name : guard"), [2, 0]);
        assert_eq!(times("朗 总统 grenze"), [1, 1, 4]);
        let counted = Filter::all().wording().occurrences(&content());
        // Of the stretch of four letters three pairs and the last letter are words.
        assert_eq!(counted.words, 3 * 4 + (8 + 4) + 3 + 4 + 2 + 2 + 3 + 1);
    }

    #[test]
    fn what_is_denied_or_no_word_is_not_asked_for() {
        let wanted = |filter: &str| Filter::parse(filter).unwrap().wording().wanted.len();
        assert_eq!(wanted("border AND NOT talks"), 1);
        assert_eq!(wanted("NOT (border AND NOT talks)"), 1);
        assert_eq!(wanted("border OR (border AND title : border)"), 2);
        assert_eq!(wanted("kind = event AND name = \"Iran\" AND topic : nuclear"), 0);
        assert!(Filter::parse("country = PAK").unwrap().wording().is_empty());
    }

    #[test]
    fn a_phrase_is_as_rare_as_its_rarest_word() {
        let wording = Filter::parse("\"border posts\" OR post* OR border")
            .unwrap()
            .wording();
        let words: Vec<String> = wording.words().iter().map(ToString::to_string).collect();
        assert_eq!(words, ["\"border\"", "\"posts\"", "\"post*\""]);
        assert_eq!(wording.held(&[7, 3, 5]), [3, 5, 7]);
    }

    #[test]
    fn texts_are_those_that_the_fields_ask() {
        let content = content();
        let fields = [
            Field::Text,
            Field::Title,
            Field::Name,
            Field::SourceName,
            Field::TargetName,
        ];
        for field in fields {
            let wanted = Wanted {
                phrase: Phrase::read("x", false).unwrap(),
                scope: scope_of(&field).unwrap(),
                words: Vec::new(),
            };
            let (mut own, mut asked) = (Vec::new(), Vec::new());
            each_text(&content, |text| {
                if wanted.is_of(&text) {
                    own.push(text.text);
                }
            });
            values::any_text(&field, &content, |text| {
                asked.push(text);
                false
            });
            own.sort_unstable();
            asked.sort_unstable();
            assert_eq!(own, asked, "{field}");
        }
    }
}

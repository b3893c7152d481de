//! What a filter looks for by name, so that an answer without entries can say which names come near.

use super::Filter;
use super::field::Field;
use super::lookup::{Lookup, lookup_node};
use super::terms::{KEYS, Term, TermField, measure_key, relation_bytes};
use super::tree::{Node, Test};
use super::words::{Phrase, words};

/// A condition that asks for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The condition, in its canonical form.
    pub condition: String,
    /// What it asks for.
    pub what: What,
}

/// What a condition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// One of these terms: of what is stated, and of what is suggested.
    Name(Vec<Term>),
    /// Words in what follows one of these beginnings of terms.
    Words(Vec<Term>, SoughtWords),
    /// A key: the term of the whole, and the term in which those begin that begin as it does.
    Key(Term, Term, String),
    /// A measure: a beginning of its terms, of which it may have none.
    Measure(Vec<Term>, String),
    /// A term that says nothing of what others come near.
    Other(Term),
}

/// Words that are sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoughtWords(Phrase);

impl SoughtWords {
    /// Each word, and whether it may be the beginning of one.
    pub fn each(&self) -> Vec<(&str, bool)> {
        let (all, prefix) = self.0.parts();
        let is_last = |at: usize| at + 1 == all.len();
        let each = all.iter().enumerate();
        each.map(|(at, word)| (word.as_str(), prefix && is_last(at)))
            .collect()
    }

    /// The words of a term.
    pub fn of_term(text: &str) -> impl Iterator<Item = &str> {
        words(text)
    }
}

impl Filter {
    /// The conditions that ask for one name of a field with many, those apart that are denied.
    pub fn sought(&self) -> Vec<Sought> {
        let mut all = Vec::new();
        self.seek(&self.0.root, &mut all);
        all
    }

    fn seek(&self, node: &Node, all: &mut Vec<Sought>) {
        match node {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|node| self.seek(node, all)),
            Node::Test(test) => {
                let condition = node.to_string();
                let what = of_test(test).map_or_else(|| self.looked_up(node), |what| vec![what]);
                all.extend(what.into_iter().map(|what| Sought {
                    condition: condition.clone(),
                    what,
                }));
            }
            Node::All | Node::Not(_) => {}
        }
    }

    /// What the lookup of a condition asks for.
    fn looked_up(&self, node: &Node) -> Vec<What> {
        let mut found = Found::default();
        found.add(lookup_node(node, self.basis()));
        let names = found.names.into_iter().map(What::Name);
        let words = found
            .phrase
            .map(|phrase| What::Words(found.begins, SoughtWords(phrase)));
        names.chain(words).collect()
    }
}

/// What a condition asks for whose terms say too little.
fn of_test(test: &Test) -> Option<What> {
    match test {
        Test::Exact {
            field: Field::Key,
            text,
            prefix: false,
        } => {
            let [whole, start] = KEYS.terms(text);
            Some(What::Key(whole, start, text.clone()))
        }
        Test::Measure { name, .. } | Test::Has(Field::Measure(name)) => {
            let key = measure_key(name)?;
            let fields = [
                TermField::Measure,
                TermField::OddMeasure,
                TermField::DerivedMeasure,
            ];
            let begins = fields.map(|field| Term::new(field, key.as_slice()));
            Some(What::Measure(begins.to_vec(), name.to_ascii_lowercase()))
        }
        Test::Related { relation, entry } => {
            let bytes = relation_bytes(*relation, Some(&entry.to_string()));
            Some(What::Other(Term::new(TermField::Relation, bytes)))
        }
        _ => None,
    }
}

/// What a lookup asks for.
#[derive(Default)]
struct Found {
    /// Any term of each.
    names: Vec<Vec<Term>>,
    /// Where words are looked for.
    begins: Vec<Term>,
    phrase: Option<Phrase>,
}

impl Found {
    fn add(&mut self, lookup: Lookup) {
        match lookup {
            Lookup::Exactly(term) if is_name(term.field) => self.names.push(vec![term]),
            Lookup::Among(begins, test) => {
                self.phrase = Some(test.phrase().clone());
                if !self.begins.contains(&begins) {
                    self.begins.push(begins);
                }
            }
            Lookup::Or(each) => {
                let mut either = Self::default();
                each.into_iter().for_each(|inner| either.add(inner));
                let any = either.names.concat();
                self.names.extend((!any.is_empty()).then_some(any));
                self.phrase = self.phrase.take().or(either.phrase);
                let begins = either.begins.into_iter();
                let others: Vec<Term> = begins.filter(|begins| !self.begins.contains(begins)).collect();
                self.begins.extend(others);
            }
            Lookup::Narrow(inner) => self.add(*inner),
            Lookup::And(each) => each.into_iter().for_each(|inner| self.add(inner)),
            _ => {}
        }
    }
}
/// Whether its values are names that people write, and misspell.
fn is_name(field: TermField) -> bool {
    matches!(
        field,
        TermField::Series
            | TermField::Principal
            | TermField::Actor
            | TermField::Name
            | TermField::SourceName
            | TermField::TargetName
            | TermField::MentionedName
            | TermField::SuggestedActor
            | TermField::SuggestedPlace
            | TermField::Sector
            | TermField::Identifier
            | TermField::Language
            | TermField::Type
            | TermField::Mode
            | TermField::Topic
            | TermField::Context
            | TermField::Place
            | TermField::Publisher
            | TermField::Word
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sought_and_what_is_denied_or_no_name_is_not() {
        let sought = |text: &str| -> Vec<(String, String)> {
            let each = Filter::parse(text).unwrap().sought().into_iter();
            each.map(|one| {
                let term = match &one.what {
                    What::Name(terms) | What::Words(terms, _) | What::Measure(terms, _) => &terms[0],
                    What::Key(_, start, _) => start,
                    What::Other(term) => term,
                };
                let bytes = String::from_utf8_lossy(&term.bytes).replace('\0', ":");
                (one.condition, bytes)
            })
            .collect()
        };
        let pair = |condition: &str, term: &str| (condition.to_owned(), term.to_owned());
        assert_eq!(
            sought("actor = \"Imram Khan\" AND country = PAK AND NOT place = Paris AND occurred = 2021"),
            [pair("actor = \"imram khan\"", "imram khan")]
        );
        assert_eq!(
            sought("type = icews-text:consullt OR (series = desk AND border crossing)"),
            [
                pair("type = icews-text:consullt", "icews-text:consullt"),
                pair("series = desk", "desk"),
                pair("\"border\"", "border"),
                pair("\"crossing\"", "crossing")
            ]
        );
    }

    #[test]
    fn words_of_values_keys_measures_and_entries_are_sought() {
        let sought = |text: &str| -> Vec<What> {
            let each = Filter::parse(text).unwrap().sought().into_iter();
            each.map(|one| one.what).collect()
        };
        let [What::Words(begins, words)] = &sought("topic : \"border securty\"")[..] else {
            panic!("{:?}", sought("topic : \"border securty\""))
        };
        assert_eq!(begins, &[Term::new(TermField::Topic, [0])]);
        assert_eq!(words.each(), [("border", false), ("securty", false)]);
        assert!(matches!(&sought("actor : imram")[..], [What::Words(begins, _)] if begins.len() == 2));
        let start = Term::new(TermField::KeyStart, "khan-bag");
        assert!(matches!(&sought("key = khan-bagheri")[..], [What::Key(_, own, _)] if *own == start));
        assert!(matches!(&sought("has:measure.gold")[..], [What::Measure(_, name)] if name == "gold"));
        assert!(matches!(&sought("reported_in = desk/x")[..], [What::Other(_)]));
        assert_eq!(sought("key = khan* AND country = PAK"), []);
    }
}

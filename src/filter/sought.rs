//! What a filter looks for by name, so that an answer without entries can say which names come near.

use super::Filter;
use super::lookup::{Lookup, lookup_node};
use super::terms::{Term, TermField};
use super::tree::Node;

/// A condition that asks for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The condition, in its canonical form.
    pub condition: String,
    /// The terms of which it asks for one: of what is stated, and of what is suggested.
    pub terms: Vec<Term>,
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
            Node::Test(_) => {
                let mut terms = Vec::new();
                each_name(lookup_node(node, self.basis()), &mut terms);
                let condition = node.to_string();
                all.extend(terms.into_iter().map(|terms| Sought {
                    condition: condition.clone(),
                    terms,
                }));
            }
            Node::All | Node::Not(_) => {}
        }
    }
}

fn each_name(lookup: Lookup, terms: &mut Vec<Vec<Term>>) {
    match lookup {
        Lookup::Exactly(term) if is_name(term.field) => terms.push(vec![term]),
        Lookup::Or(each) => {
            let mut either = Vec::new();
            each.into_iter().for_each(|inner| each_name(inner, &mut either));
            terms.extend((!either.is_empty()).then(|| either.concat()));
        }
        Lookup::Narrow(inner) => each_name(*inner, terms),
        Lookup::And(each) => each.into_iter().for_each(|inner| each_name(inner, terms)),
        _ => {}
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
                (
                    one.condition,
                    String::from_utf8_lossy(&one.terms[0].bytes).replace('\0', ":"),
                )
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
}

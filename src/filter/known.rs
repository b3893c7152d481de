//! Actors by every name that is known of them.
//!
//! A filter says which actors it asks for ([`Filter::actors`]); whoever knows more names of them gives them back
//! ([`Filter::with_names`]). The filter then passes what it passed before, and besides what names the actor otherwise, each name on
//! the days on which it was one. Its text stays what was written: tokens, cursors and citations are bound to that.

use super::Filter;
use super::eval::any_actor;
use super::field::Field;
use super::lookup::{Lookup, lookup_test};
use super::tree::{Node, Test, TextCheck};
use super::value::split_scheme;
use super::values::{any_dyad, dates};
use super::words::Phrase;
use crate::derive::{Basis, fold, with_folded};
use crate::record::Kind;
use crate::record::codec::parts::Parts;
use crate::record::codec::{Content, Participant};
use crate::record::date::DaySpan;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An actor as a filter asks for it: by a whole name, or by a code with its scheme. Both folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AskedActor {
    /// The scheme of a code; `None` of a name.
    pub scheme: Option<String>,
    /// The name or the code.
    pub text: String,
}

/// The names of an actor, and on which days each of them is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Arc<BTreeMap<Box<str>, Days>>);

/// On which days a name is one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    Always,
    Within(Vec<DaySpan>),
}

impl Names {
    /// Names, folded, with their days; one without days always holds. A name may come more than once, and an empty one is none.
    pub fn of(names: impl IntoIterator<Item = (String, Option<DaySpan>)>) -> Self {
        let mut all: BTreeMap<Box<str>, Days> = BTreeMap::new();
        for (name, span) in names.into_iter().filter(|(name, _)| !name.is_empty()) {
            let days = all.entry(name.into()).or_insert_with(|| Days::Within(Vec::new()));
            match (days, span) {
                (Days::Always, _) => {}
                (days, None) => *days = Days::Always,
                (Days::Within(spans), Some(span)) => spans.push(span),
            }
        }
        Self(Arc::new(all))
    }

    /// Them, and the name that is asked for, which always is one.
    fn with(mut self, asked: &AskedActor) -> Self {
        if asked.scheme.is_none() {
            Arc::make_mut(&mut self.0).insert(asked.text.as_str().into(), Days::Always);
        }
        self
    }

    fn are_dated(&self) -> bool {
        self.0.values().any(|days| matches!(days, Days::Within(_)))
    }

    /// Whether a text is one of them in a record that says this. One that folds to nothing, as what is left out, names nobody.
    fn has(&self, text: &str, content: &Content) -> bool {
        with_folded(text, |text| match self.0.get(text.trim()) {
            None => false,
            Some(_) if text.trim().is_empty() => false,
            Some(Days::Always) => true,
            Some(Days::Within(spans)) => is_within(content, spans),
        })
    }

    fn has_actor(&self, one: &Participant, content: &Content) -> bool {
        let has = |text: &str| self.has(text, content);
        has(&one.name) || has(&one.stated_name) || one.codes.iter().any(|code| has(&code.code))
    }

    /// The records that have any of them.
    fn lookup(&self, basis: Basis) -> Vec<Lookup> {
        let each = self.0.iter().map(|(name, days)| {
            let named = lookup_test(&named(&Field::Actor, name), basis);
            match days {
                Days::Always => named,
                // On which days is not among the terms.
                Days::Within(_) => Lookup::Narrow(Box::new(named)),
            }
        });
        each.collect()
    }
}

/// Whether a record may tell of one of these days: of those on which it occurred, else of those on which it was reported. One without
/// dates may tell of any.
fn is_within(content: &Content, spans: &[DaySpan]) -> bool {
    let days = |field: &Field| -> Vec<DaySpan> {
        let texts = dates(field, content);
        texts.filter_map(|text| DaySpan::of(text).ok()).collect()
    };
    let mut own = days(&Field::Occurred);
    if own.is_empty() {
        own = days(&Field::Reported);
    }
    own.is_empty() || own.iter().any(|own| spans.iter().any(|span| own.may_meet(span)))
}

/// A condition on actors, and the names that are known of those that it asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    /// As it was written.
    pub(super) asked: Test,
    /// Of the actor, or of the first of two.
    names: Names,
    /// Of the second.
    others: Names,
}

impl Known {
    pub(super) fn parts(&self) -> Parts {
        let parts = self.asked.parts();
        match self.names.are_dated() || self.others.are_dated() {
            true => parts.and(Field::Occurred.parts()),
            false => parts,
        }
    }

    /// Whether a content names the actors otherwise than the condition does.
    pub(super) fn passes(&self, content: &Content, basis: Basis) -> bool {
        match &self.asked {
            Test::ActorDyad { directed, .. } => any_dyad(content, *directed, |one| {
                (
                    self.names.has_actor(one, content),
                    self.others.has_actor(one, content),
                )
            }),
            _ => any_actor(content, basis, |text| self.names.has(text, content)),
        }
    }

    /// Whether one actor is asked for, and not two who face each other.
    pub(super) fn is_of_one(&self) -> bool {
        !matches!(self.asked, Test::ActorDyad { .. })
    }

    /// Whether a name is one of the one actor.
    pub(super) fn has_name(&self, name: &str, content: &Content) -> bool {
        self.is_of_one() && self.names.has(name, content)
    }

    pub(super) fn lookup(&self, basis: Basis) -> Lookup {
        let mut each = vec![lookup_test(&self.asked, basis)];
        match &self.asked {
            // That they face each other is not among the terms.
            Test::ActorDyad { .. } => {
                let any = |names: &Names| Lookup::Or(names.lookup(basis));
                let both = Lookup::And(vec![any(&self.names), any(&self.others)]);
                each.push(Lookup::Narrow(Box::new(both)));
            }
            _ => each.extend(self.names.lookup(basis)),
        }
        Lookup::Or(each)
    }
}

impl AskedActor {
    fn name(text: &str) -> Self {
        Self {
            scheme: None,
            text: text.to_owned(),
        }
    }

    /// An actor as a person writes it in a filter: a name, or a code behind its scheme and a colon.
    pub fn written(text: &str) -> Self {
        let folded = fold(text);
        let (scheme, text) = split_scheme(folded.trim());
        Self {
            scheme,
            text: text.to_owned(),
        }
    }

    /// The actors that a condition asks for: one, two, or none that can be looked up.
    fn of(test: &Test) -> Vec<Self> {
        match test {
            Test::Text {
                field: Field::Actor,
                check: TextCheck::Is(name),
            } => vec![Self::name(name)],
            Test::Code {
                field: Field::Actor,
                scheme: Some(scheme),
                check: TextCheck::Is(code),
            } => vec![Self {
                scheme: Some(scheme.clone()),
                text: code.clone(),
            }],
            Test::ActorDyad { first, second, .. } => vec![Self::name(first), Self::name(second)],
            _ => Vec::new(),
        }
    }
}

impl Filter {
    /// The actors that it asks for by whole names and by codes with a scheme, each once.
    pub fn actors(&self) -> Vec<AskedActor> {
        let mut all = Vec::new();
        self.0.root.each(&mut |test| {
            for actor in AskedActor::of(test) {
                if !all.contains(&actor) {
                    all.push(actor);
                }
            }
        });
        all
    }

    /// The same filter, which also passes what names these actors otherwise.
    #[must_use]
    pub fn with_names(&self, names: &HashMap<AskedActor, Names>) -> Self {
        Self::of(with_names(&self.0.root, names), self.0.stated_basis)
    }

    /// SHA-256 of the names that it knows of its actors besides its text; zeros where there are none. Two filters of one text that know
    /// other names pass other records.
    pub fn names_sha256(&self) -> [u8; 32] {
        let mut hasher: Option<Sha256> = None;
        self.0.root.each(&mut |test| {
            if let Test::Known(known) = test {
                let all = format!("{:?}{:?}", known.names, known.others);
                hasher.get_or_insert_default().update(all.as_bytes());
            }
        });
        hasher.map_or([0; 32], |hasher| hasher.finalize().into())
    }

    /// The entries of kind `authority` that have one of these names, or one of these identifiers as scheme and code. All of them folded.
    /// Titles are looked into for the words of a name: some that pass do not have it.
    pub fn of_authorities(names: &[String], identifiers: &[(String, String)]) -> Self {
        let titled = |name: &String| {
            let field = Field::Title;
            let check = TextCheck::Has(Phrase::read(name, false)?);
            Some(Node::Test(Test::Text { field, check }))
        };
        let name = |name: &String| [Some(Node::Test(named(&Field::Name, name))), titled(name)];
        let identifier = |(scheme, code): &(String, String)| {
            Node::Test(Test::Code {
                field: Field::Identifier,
                scheme: Some(scheme.clone()),
                check: TextCheck::Is(code.clone()),
            })
        };
        let mut any: Vec<Node> = names.iter().flat_map(name).flatten().collect();
        any.extend(identifiers.iter().map(identifier));
        let any = match any.len() {
            1 => any.swap_remove(0),
            _ => Node::Or(any),
        };
        Self::of(
            Node::And(vec![Node::Test(Test::Kind(Kind::Authority)), any]),
            None,
        )
    }
}

fn named(field: &Field, name: &str) -> Test {
    Test::Text {
        field: field.clone(),
        check: TextCheck::Is(name.to_owned()),
    }
}

fn with_names(node: &Node, names: &HashMap<AskedActor, Names>) -> Node {
    let each = |nodes: &[Node]| nodes.iter().map(|node| with_names(node, names)).collect();
    match node {
        Node::All => Node::All,
        Node::And(nodes) => Node::And(each(nodes)),
        Node::Or(nodes) => Node::Or(each(nodes)),
        Node::Not(node) => Node::Not(Box::new(with_names(node, names))),
        Node::Test(test) => Node::Test(known(test, names).unwrap_or_else(|| test.clone())),
    }
}

/// The condition with what is known of its actors; `None` where that is nothing.
fn known(test: &Test, names: &HashMap<AskedActor, Names>) -> Option<Test> {
    let asked = AskedActor::of(test);
    if !asked.iter().any(|actor| names.contains_key(actor)) {
        return None;
    }
    // Of two actors one may be known only by the name that is asked for.
    let known = |actor: &AskedActor| names.get(actor).cloned().unwrap_or_default().with(actor);
    let mut of_each = asked.iter().map(known);
    Some(Test::Known(Box::new(Known {
        asked: test.clone(),
        names: of_each.next().unwrap_or_default(),
        others: of_each.next().unwrap_or_default(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{LazyContent, Subject, each_term, terms};
    use crate::record::codec::{Date, DateRole, Side, encode_content};
    use crate::record::{Act, Position, Recorded, Revision, Status};
    use std::collections::BTreeSet;

    fn content(occurred: &str, names: &[&str]) -> Content {
        let date = |edtf: &str| Date {
            role: DateRole::Occurred.into(),
            edtf: edtf.to_owned(),
            ..Date::default()
        };
        Content {
            dates: Some(occurred)
                .filter(|text| !text.is_empty())
                .map(date)
                .into_iter()
                .collect(),
            participants: names
                .iter()
                .map(|name| Participant {
                    side: Side::Party.into(),
                    name: (*name).to_owned(),
                    ..Participant::default()
                })
                .collect(),
            ..Content::default()
        }
    }

    fn known(text: &str) -> Filter {
        let span = |text: &str| Some(DaySpan::of(text).unwrap());
        let burma = Names::of([
            ("burma".to_owned(), span("../1989-06-18")),
            ("myanmar".to_owned(), span("1989-06-18/..")),
            ("бирма".to_owned(), None),
        ]);
        let asked = ["burma", "myanmar"].map(|name| (AskedActor::name(name), burma.clone()));
        Filter::parse(text).unwrap().with_names(&asked.into())
    }

    /// Whether a filter passes a content, after its terms have been held against it.
    fn passes(filter: &Filter, content: Content) -> bool {
        passes_as(Kind::Event, filter, content)
    }

    fn passes_as(kind: Kind, filter: &Filter, content: Content) -> bool {
        let payload = encode_content(content);
        let subject = Subject {
            position: Position::START,
            act: Act::Create,
            kind,
            series: "desk",
            key: "talks",
            revision: Revision::FIRST,
            recorded: Recorded::from_nanos(0),
            status: Status::Current,
            principal: "local:desk",
            content: LazyContent::payload(&payload),
        };
        let passes = filter.matches(&subject);
        let terms: BTreeSet<_> = terms(&subject).collect();
        let looked_up = filter.lookup().decide(&terms);
        assert!(looked_up.is_none_or(|looked_up| looked_up == passes), "{filter}");
        if passes && let Some(required) = filter.lookup().required() {
            let mut has_one = false;
            each_term(&subject, |field, bytes| {
                has_one |= required
                    .iter()
                    .any(|term| term.field == field && term.bytes == bytes);
            });
            assert!(has_one, "{filter}");
        }
        passes
    }

    #[test]
    fn every_name_is_one_on_its_days_and_the_one_that_is_asked_for_always() {
        for (filter, occurred, name, expected) in [
            ("actor = Burma", "1980", "BURMA", true),
            ("actor = Burma", "2000", "Myanmar", true),
            ("actor = Burma", "1980", "Myanmar", false),
            ("actor = Burma", "2000", "Burma", true),
            ("actor = Myanmar", "2000", "Burma", false),
            ("actor = Myanmar", "1980", "Burma", true),
            ("actor = Myanmar", "1989", "Burma", true),
            ("actor = Myanmar", "", "Burma", true),
            ("actor = Myanmar", "2000", "Бирма", true),
            ("actor = \"=Myanmar\"", "1980", "Burma", false),
            ("actor = Myan*", "1980", "Burma", false),
            ("actor != Myanmar", "1980", "Burma", false),
            ("actor != Myanmar", "2000", "Burma", true),
        ] {
            let filter = known(filter);
            assert_eq!(
                passes(&filter, content(occurred, &[name])),
                expected,
                "{filter} {occurred} {name}"
            );
        }
    }

    #[test]
    fn both_actors_of_a_dyad_are_known_by_every_name() {
        for (filter, occurred, names, expected) in [
            ("actor_dyad = \"Burma,China\"", "2000", ["Myanmar", "China"], true),
            ("actor_dyad = \"China,Myanmar\"", "1980", ["Burma", "China"], true),
            (
                "actor_dyad = \"China,Myanmar\"",
                "2000",
                ["Burma", "China"],
                false,
            ),
            ("actor_dyad = \"Burma,China\"", "2000", ["Burma", "China"], true),
            (
                "actor_dyad = \"Burma,China\"",
                "2000",
                ["Myanmar", "Japan"],
                false,
            ),
        ] {
            let filter = known(filter);
            assert_eq!(
                passes(&filter, content(occurred, &names)),
                expected,
                "{filter} {occurred} {names:?}"
            );
        }
    }

    #[test]
    fn a_name_that_folds_to_nothing_is_that_of_nobody() {
        let names = || Names::of([(String::new(), None), ("foo".to_owned(), None)]);
        assert_eq!(names(), Names::of([("foo".to_owned(), None)]));
        let asked = [(AskedActor::name("foo actor"), names())];
        for (text, actors, expected) in [
            ("actor = \"Foo Actor\"", ["", "Yod"], false),
            ("actor = \"Foo Actor\"", ["\u{640}", "Yod"], false),
            ("actor_dyad = \"Foo Actor,Zed\"", ["Zed", "Yod"], false),
            ("actor_dyad = \"Foo Actor,Zed\"", ["Zed", "\u{640}"], false),
            ("actor_dyad = \"Foo Actor,Zed\"", ["Zed", "Foo"], true),
        ] {
            let filter = Filter::parse(text).unwrap().with_names(&asked.clone().into());
            let content = content("2021", &actors);
            assert_eq!(passes(&filter, content.clone()), expected, "{text} {actors:?}");
            let document = Content {
                body: "Pakistan and Iran met in Geneva on Wednesday.".to_owned(),
                ..content
            };
            assert_eq!(passes_as(Kind::Document, &filter, document), expected, "{text}");
        }
    }

    #[test]
    fn a_document_passes_that_suggests_another_name_on_its_days() {
        let of = |year: &str| Content {
            body: "President Thein Sein of Burma visited Beijing.".to_owned(),
            ..content(year, &[])
        };
        let sein = |span: Option<&str>| {
            let span = span.map(|text| DaySpan::of(text).unwrap());
            let names = Names::of([("thein sein".to_owned(), span)]);
            let asked = [(AskedActor::name("sein"), names)];
            Filter::parse("actor = Sein").unwrap().with_names(&asked.into())
        };
        let document = |filter: &Filter, year: &str| passes_as(Kind::Document, filter, of(year));
        assert!(document(&sein(None), "2012"));
        assert!(document(&sein(Some("2011/2016")), "2012"));
        assert!(!document(&sein(Some("2011/2016")), "2020"));
        assert!(!document(&sein(None).without_suggestions(), "2012"));
        assert!(!passes_as(Kind::Event, &sein(None), of("2012")));
    }

    #[test]
    fn what_is_known_does_not_change_the_text() {
        let (written, known) = (Filter::parse("actor = Burma").unwrap(), known("actor = Burma"));
        assert_ne!(written, known);
        assert_eq!(
            (written.canonical(), written.sha256()),
            (known.canonical(), known.sha256())
        );
        assert_eq!(written.tree(), known.tree());
        assert_eq!(written.names_sha256(), [0; 32]);
        assert_ne!(known.names_sha256(), [0; 32]);
        assert_eq!(known.with_names(&HashMap::new()), known);
    }

    #[test]
    fn only_whole_names_and_codes_with_a_scheme_are_asked_for() {
        let filter = Filter::parse(
            "actor = (Iran OR \"=Burma\" OR Pak*) actor : Khan NOT actor = \"wikidata:Q1\" actor_dyad = \"Iran>Iraq\" name = Syria",
        )
        .unwrap();
        let asked: Vec<String> = filter.actors().into_iter().map(|one| one.text).collect();
        assert_eq!(asked, ["iran", "q1", "iraq"]);
    }
}

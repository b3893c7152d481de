//! What `explain` says about a filter, and what its callers must know of it.

use super::Filter;
use super::field::Field;
use super::grouped::{Grouped, Of};
use super::lookup::lookup_test;
use super::tree::{Node, Test};
use crate::derive::{Basis, CAMEO_QUAD, GOLDSTEIN, countries, types};
use crate::record::Status;
use crate::record::codec::parts::Parts;
use crate::suggest;

/// What a filter is asked for; it decides what the answer takes for granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Records of every act: read and subscribe.
    Records,
    /// Entries: search.
    Entries,
    /// A number of entries: count.
    Count,
}

impl Filter {
    /// The tree, one line a node, indented by two spaces a level.
    pub fn tree(&self) -> Vec<String> {
        let mut lines = Vec::new();
        write_tree(&self.0.root, 0, &mut lines);
        if let Some(basis) = self.0.stated_basis {
            lines.push(format!("basis = {}", basis_word(basis)));
        }
        lines
    }

    /// What an answer takes for granted, one sentence each, in a stable order.
    pub fn notes(&self, asked: Asked) -> Vec<String> {
        let mut notes = Vec::new();
        if asked == Asked::Count && !self.names_kind() {
            notes.push("counts entries of kind `event`; name a kind to count others".to_owned());
        }
        if asked != Asked::Records && !self.names_status() {
            notes.push("leaves retracted entries out; name a status to see them".to_owned());
        }
        if asked != Asked::Records && self.names_superseded() {
            notes.push("has superseded contents too: each revision is an answer of its own".to_owned());
        }
        self.0.root.each(&mut |test| {
            let derived = match self.basis() {
                Basis::Stated => None,
                Basis::Derived | Basis::Suggested => derived_note(test),
            };
            let notes_of = [
                note_of(test, self.basis()),
                scan_note(test, self.basis()),
                derived,
            ];
            for note in notes_of.into_iter().flatten() {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        });
        // What an answer of entries found so it marks itself; and counts of events read nothing into documents.
        if asked == Asked::Count && self.names_kind() {
            notes.extend(self.suggested_note());
        }
        notes.extend(self.only_suggested_note());
        notes
    }

    /// Which of its fields are also looked for in what documents suggest, if any is.
    pub fn suggested_note(&self) -> Option<String> {
        let fields = self.fields_of(Test::asks_suggestions);
        (self.basis() == Basis::Suggested).then(|| {
            format!(
                "{fields}: documents are found by what their texts suggest, too, by the rules of {}; `basis = derived` leaves that out",
                suggest::version()
            )
        })
    }

    /// Which of its fields no record has, since only suggestions are their values.
    fn only_suggested_note(&self) -> Option<String> {
        let is_only = |test: &Test| test.field().is_some_and(|field| field.is_only_suggested());
        let fields = self.fields_of(is_only);
        let is_left_out = self.basis() != Basis::Suggested && !fields.is_empty();
        is_left_out.then(|| format!("{fields}: only suggestions are its values, and they are left out here"))
    }

    /// The fields of some conditions, each once.
    fn fields_of(&self, is_meant: impl Fn(&Test) -> bool) -> String {
        let mut fields: Vec<String> = Vec::new();
        self.0.root.each(&mut |test| {
            let field = test.field().filter(|_| is_meant(test));
            if let Some(name) = field.map(|field| format!("`{field}`"))
                && !fields.contains(&name)
            {
                fields.push(name);
            }
        });
        fields.join(", ")
    }

    /// What an answer takes for granted that is grouped by fields, one sentence each; those of [`Self::notes`] first.
    pub fn group_notes(&self, fields: &[Grouped], measure: Option<&str>) -> Vec<String> {
        let mut notes = self.without_suggestions().notes(Asked::Count);
        if self.basis() == Basis::Suggested && self.names_kind() {
            notes.push("what documents suggest is left out: only what is stated, or derived from it, is counted by its values".to_owned());
        }
        if measure == Some(GOLDSTEIN) && self.basis() != Basis::Stated {
            let note = goldstein_note();
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        for field in fields {
            let note = match field.of() {
                Of::Country => country_note(Basis::Derived),
                Of::Quad => quad_note(),
                Of::Root => root_note(Basis::Derived),
                Of::Type => type_note(),
                Of::Itself => continue,
            };
            if !notes.contains(&note) {
                notes.push(note);
            }
            let is_derived = self.basis() == Basis::Stated;
            let said = notes.iter().any(|note| note == STATED_NOTE);
            if is_derived && !said {
                notes.push(STATED_NOTE.to_owned());
            }
        }
        notes
    }

    /// Whether it names a kind anywhere. Counts take events where it does not.
    pub fn names_kind(&self) -> bool {
        self.names(&Field::Kind)
    }

    /// Whether it names an act anywhere. A filter for the records of an act asks for retracted entries too.
    pub fn names_act(&self) -> bool {
        self.names(&Field::Act)
    }

    /// Whether it names a status anywhere. Searches and counts leave retracted entries out where it does not.
    pub fn names_status(&self) -> bool {
        self.names(&Field::Status)
    }

    /// Whether it names the status `superseded` itself. Searches and counts look at earlier contents only where it does.
    pub fn names_superseded(&self) -> bool {
        let mut found = false;
        self.0
            .root
            .each(&mut |test| found = found || *test == Test::Status(Status::Superseded));
        found
    }

    /// Whether it names a type, a root, a mode or a quad class anywhere.
    pub fn names_type(&self) -> bool {
        [Field::Type, Field::Root, Field::Mode, Field::Quad]
            .iter()
            .any(|field| self.names(field))
    }

    fn names(&self, field: &Field) -> bool {
        let mut found = false;
        self.0
            .root
            .each(&mut |test| found = found || test.field().as_ref() == Some(field));
        found
    }
}

fn write_tree(node: &Node, level: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(level);
    let (word, inner) = match node {
        Node::All => ("everything".to_owned(), &[][..]),
        Node::And(nodes) => ("AND".to_owned(), nodes.as_slice()),
        Node::Or(nodes) => ("OR".to_owned(), nodes.as_slice()),
        Node::Not(node) => ("NOT".to_owned(), std::slice::from_ref(&**node)),
        Node::Test(test) => (test.to_string(), &[][..]),
    };
    lines.push(format!("{indent}{word}"));
    inner.iter().for_each(|node| write_tree(node, level + 1, lines));
}

fn basis_word(basis: Basis) -> &'static str {
    match basis {
        Basis::Stated => "stated",
        Basis::Derived => "derived",
        Basis::Suggested => "suggested",
    }
}

fn note_of(test: &Test, basis: Basis) -> Option<String> {
    Some(match test {
        Test::Country { .. } | Test::Dyad { .. } => country_note(basis),
        Test::Has(
            Field::Country
            | Field::SourceCountry
            | Field::TargetCountry
            | Field::MentionedCountry
            | Field::PlaceCountry
            | Field::Dyad,
        ) => country_note(basis),
        Test::Code {
            field: Field::Type,
            scheme: Some(scheme),
            ..
        } => format!("type codes are read in the scheme `{scheme}`"),
        Test::Code {
            field: Field::Type,
            scheme: None,
            ..
        } => "types without a scheme are looked for in every scheme, by code and label".to_owned(),
        Test::Root { scheme, .. } if scheme == "cameo" => root_note(basis),
        Test::Quad(_) if basis != Basis::Stated => quad_note(),
        Test::Words(_) => "words are looked for in titles, bodies and names; they are not stemmed".to_owned(),
        _ => return None,
    })
}

/// That no index has what a condition asks for.
fn scan_note(test: &Test, basis: Basis) -> Option<String> {
    lookup_test(test, basis).is_useless().then(|| {
        format!("`{test}` is answered by scan: every record is looked at that no other condition leaves out")
    })
}

const STATED_NOTE: &str = "`basis = stated` is for the filter; groups are by derived values too";

fn root_note(basis: Basis) -> String {
    let how = match basis {
        Basis::Stated => String::new(),
        Basis::Derived | Basis::Suggested => format!(
            ", stated, else derived from event texts by the type tables of version {}",
            types().version()
        ),
    };
    format!("roots are the first two digits of codes of the scheme `cameo`{how}")
}

fn country_note(basis: Basis) -> String {
    let how = match basis {
        Basis::Stated => "as stated in any scheme",
        Basis::Derived | Basis::Suggested => {
            "as stated in any scheme, else as derived from actor codes and names"
        }
    };
    format!(
        "countries are read {how}, by the country tables of version {}",
        countries().version()
    )
}

fn quad_note() -> String {
    format!(
        "quad classes are as stated, else derived from CAMEO roots by the table `{CAMEO_QUAD}`, else from PLOVER types, by the type \
         tables of version {}",
        types().version()
    )
}

/// What is derived of types, where that may decide a condition.
fn derived_note(test: &Test) -> Option<String> {
    match test {
        Test::Code {
            field: Field::Type | Field::Context,
            ..
        }
        | Test::Text {
            field: Field::Mode, ..
        }
        | Test::Has(Field::Mode | Field::Context) => Some(type_note()),
        Test::Has(Field::Root) => Some(root_note(Basis::Derived)),
        Test::Has(Field::Quad) => Some(quad_note()),
        Test::Measure { name, .. } | Test::Has(Field::Measure(name)) if name == GOLDSTEIN => {
            Some(goldstein_note())
        }
        _ => None,
    }
}

fn type_note() -> String {
    format!(
        "types, modes and contexts are as stated, else derived from event texts and CAMEO codes by the type tables of version {}",
        types().version()
    )
}

/// What is taken for granted of the measure that is derived.
fn goldstein_note() -> String {
    format!(
        "`{GOLDSTEIN}` is as stated, else derived from CAMEO codes by the type tables of version {}",
        types().version()
    )
}

/// The tree with cheap conditions before dear ones at each level; it means the same.
pub(super) fn cheap_first(node: Node) -> Node {
    let sorted = |nodes: Vec<Node>| {
        let mut nodes: Vec<Node> = nodes.into_iter().map(cheap_first).collect();
        nodes.sort_by_key(cost);
        nodes
    };
    match node {
        Node::And(nodes) => Node::And(sorted(nodes)),
        Node::Or(nodes) => Node::Or(sorted(nodes)),
        Node::Not(node) => Node::Not(Box::new(cheap_first(*node))),
        other => other,
    }
}

/// 0: the envelope decides; 1: codes and short texts; 2: long texts.
fn cost(node: &Node) -> u8 {
    match node {
        Node::All => 0,
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().map(cost).max().unwrap_or(0),
        Node::Not(node) => cost(node),
        Node::Test(
            Test::Words(_)
            | Test::Text {
                field: Field::Text, ..
            },
        ) => 2,
        Node::Test(test) => u8::from(test.parts() != Parts::NONE),
    }
}

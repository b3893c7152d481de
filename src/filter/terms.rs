//! What an index of a record holds, and how a filter is looked up in it.
//!
//! [`each_term`] makes the terms of a record, [`Filter::lookup`] the terms that decide a filter. Whatever a
//! lookup answers for sure, [`Filter::matches`] answers too; where a lookup is not sure the record itself
//! must be asked.

use super::field::Field;
use super::subject::Subject;
use super::tree::{DateCompare, Node, Test, TextCheck};
use super::words::{Phrase, words};
use super::{Filter, values};
use crate::derive::{Basis, CAMEO_SCHEME, GOLDSTEIN, Iso3, When, of_participant, with_folded};
use crate::record::codec::Content;
use crate::record::codec::parts::Parts;
use crate::record::date::DaySpan;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The most bytes of a text that a term keeps; the rest is cut off.
const TERM_BYTES_MAX: usize = 512;
/// Longer texts are never looked up, so that a cut one is never taken for a whole one.
const LOOKUP_BYTES_MAX: usize = TERM_BYTES_MAX - 16;

/// What a term speaks of. The numbers are part of the format of indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TermField {
    /// The kind's word.
    Kind = 1,
    /// The act's word.
    Act = 2,
    /// The series.
    Series = 3,
    /// A hash of the key: keys are long, and mostly each is of one record.
    Key = 4,
    /// The principal.
    Principal = 5,
    /// A participant's country, three letters.
    Country = 6,
    /// A source's country.
    SourceCountry = 7,
    /// A target's country.
    TargetCountry = 8,
    /// A mentioned country.
    MentionedCountry = 9,
    /// A place's country.
    PlaceCountry = 10,
    /// Two countries facing each other, sorted, six letters.
    Dyad = 11,
    /// A source's country and a target's, six letters.
    DirectedDyad = 12,
    /// An actor's name or code, folded.
    Actor = 13,
    /// A name, folded.
    Name = 14,
    /// A source's name, folded.
    SourceName = 15,
    /// A target's name, folded.
    TargetName = 16,
    /// A code: scheme, zero byte, code or label, folded; once more without the scheme.
    Sector = 17,
    /// The same of an identifier.
    Identifier = 18,
    /// The same of a type.
    Type = 19,
    /// Scheme, zero byte, root.
    Root = 20,
    /// A mode, folded.
    Mode = 21,
    /// A quad class, one digit.
    Quad = 22,
    /// A code, as of a sector.
    Topic = 23,
    /// A code, as of a sector.
    Context = 24,
    /// The number of a flag.
    Flag = 25,
    /// A place's name, folded.
    Place = 26,
    /// A tag of a language and its beginnings, folded.
    Language = 27,
    /// A publisher, folded.
    Publisher = 28,
    /// A hash of an address, folded.
    Url = 29,
    /// A word of a title, a body or a name.
    Word = 30,
    /// An actor's code, as of a sector.
    ActorCode = 31,
    /// The beginning of a key.
    KeyStart = 32,
    /// The beginning of an address, folded.
    UrlStart = 33,
    /// A participant's name as it was stated.
    StatedActor = 34,
    /// A type as it was stated: scheme, zero byte, code, or its label where it has none.
    StatedType = 35,
    /// A place's name as it was stated.
    StatedPlace = 36,
    /// A measure: its name, zero byte, its value as [`measure_bytes`] writes it.
    Measure = 37,
    /// A CAMEO code, stated or derived.
    CameoType = 38,
    /// A PLOVER type, stated or derived, in capitals.
    PloverType = 39,
    /// A measure that is derived, as one that is stated.
    DerivedMeasure = 40,
}

/// One thing that an index knows of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// What it speaks of.
    pub field: TermField,
    /// What it says; at most 512 bytes of each of its parts.
    pub bytes: Vec<u8>,
}

impl Term {
    fn new(field: TermField, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            field,
            bytes: bytes.into(),
        }
    }
}

/// The terms of a record, each once, in order.
pub fn terms(subject: &Subject) -> impl Iterator<Item = Term> + use<> {
    let mut found = BTreeSet::new();
    each_term(subject, |field, bytes| {
        found.insert(Term::new(field, bytes));
    });
    found.into_iter()
}

/// Calls `add` with every term of a record; a term may come more than once.
pub fn each_term(subject: &Subject, mut add: impl FnMut(TermField, &[u8])) {
    add(TermField::Kind, subject.kind.word().as_bytes());
    add(TermField::Act, subject.act.word().as_bytes());
    add(TermField::Series, cut(subject.series).as_bytes());
    KEYS.add(subject.key, &mut add);
    add(TermField::Principal, cut(subject.principal).as_bytes());
    if let Some(content) = subject.content.get(Parts::ALL) {
        add_countries(content, &mut add);
        add_classes(content, &mut add);
        add_texts(content, &mut add);
        add_codes(content, &mut add);
        add_words(content, &mut add);
        add_stated(content, &mut add);
        add_types(content, &mut add);
        add_measures(content, &mut add);
    }
}

const COUNTRIES: [(Field, TermField); 5] = [
    (Field::Country, TermField::Country),
    (Field::SourceCountry, TermField::SourceCountry),
    (Field::TargetCountry, TermField::TargetCountry),
    (Field::MentionedCountry, TermField::MentionedCountry),
    (Field::PlaceCountry, TermField::PlaceCountry),
];

const TEXTS: [(Field, TermField); 6] = [
    (Field::Actor, TermField::Actor),
    (Field::Name, TermField::Name),
    (Field::SourceName, TermField::SourceName),
    (Field::TargetName, TermField::TargetName),
    (Field::Place, TermField::Place),
    (Field::Publisher, TermField::Publisher),
];

/// Long texts of which hardly two are the same: as terms of their own they would be most of an index. A hash stands for the
/// whole, and the beginning for itself.
struct Long {
    whole: TermField,
    start: TermField,
    /// The bytes of the beginning.
    start_bytes: usize,
}

const KEYS: Long = Long {
    whole: TermField::Key,
    start: TermField::KeyStart,
    start_bytes: 8,
};
const URLS: Long = Long {
    whole: TermField::Url,
    start: TermField::UrlStart,
    start_bytes: 24,
};
/// Two of ten million texts share so many bytes of a hash about once in a thousand; which of them it is the record says.
const HASH_BYTES: usize = 6;

impl Long {
    fn add(&self, text: &str, add: &mut impl FnMut(TermField, &[u8])) {
        add(self.whole, &hash(text));
        add(self.start, self.start_of(text));
    }

    fn start_of<'t>(&self, text: &'t str) -> &'t [u8] {
        let end = self.start_bytes.min(text.len());
        &text.as_bytes()[..end]
    }

    fn is(&self, text: &str) -> Lookup {
        Lookup::Narrow(Box::new(Lookup::Exactly(Term::new(self.whole, hash(text)))))
    }

    fn begins(&self, text: &str) -> Lookup {
        let start = self.start_of(text);
        if start.len() < text.len() {
            Lookup::Narrow(Box::new(Lookup::Exactly(Term::new(self.start, start))))
        } else {
            Lookup::Prefix(Term::new(self.start, start))
        }
    }
}

fn hash(text: &str) -> [u8; HASH_BYTES] {
    let whole: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    std::array::from_fn(|at| whole[at])
}

const CODES: [(Field, TermField); 6] = [
    (Field::Sector, TermField::Sector),
    (Field::Identifier, TermField::Identifier),
    (Field::Type, TermField::Type),
    (Field::Topic, TermField::Topic),
    (Field::Context, TermField::Context),
    (Field::Actor, TermField::ActorCode),
];

fn of_table(table: &[(Field, TermField)], field: &Field) -> Option<TermField> {
    table.iter().find(|(own, _)| own == field).map(|(_, term)| *term)
}

fn add_countries(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for (field, term) in &COUNTRIES {
        values::any_country(field, content, Basis::Derived, |code| {
            add(*term, &code.as_bytes());
            false
        });
    }
    let standing = content.participants.iter().filter_map(|one| {
        let countries = of_participant(one, When::Of(content), Basis::Derived);
        (!countries.is_empty()).then_some((values::Facing::of(one)?, countries))
    });
    let standing: Vec<_> = standing.collect();
    for (at, (facing, ones)) in standing.iter().enumerate() {
        for (other_facing, others) in &standing[at + 1..] {
            if facing.faces(*other_facing) {
                add_dyads(ones, others, add);
            }
            match (facing, other_facing) {
                (values::Facing::Source, values::Facing::Target) => add_directed(ones, others, add),
                (values::Facing::Target, values::Facing::Source) => add_directed(others, ones, add),
                _ => {}
            }
        }
    }
}

fn add_dyads(ones: &[Iso3], others: &[Iso3], add: &mut impl FnMut(TermField, &[u8])) {
    for one in ones {
        for other in others {
            add(TermField::Dyad, &pair(*one.min(other), *one.max(other)));
        }
    }
}

fn add_directed(sources: &[Iso3], targets: &[Iso3], add: &mut impl FnMut(TermField, &[u8])) {
    for source in sources {
        for target in targets {
            add(TermField::DirectedDyad, &pair(*source, *target));
        }
    }
}

fn pair(first: Iso3, second: Iso3) -> [u8; 6] {
    let ([a, b, c], [d, e, f]) = (first.as_bytes(), second.as_bytes());
    [a, b, c, d, e, f]
}

fn add_classes(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for flag in &content.flags {
        add(TermField::Flag, &flag.to_be_bytes());
    }
    values::any_quad(content, Basis::Derived, |quad| {
        add(TermField::Quad, &[quad.number()]);
        false
    });
    values::any_root(content, Basis::Derived, |scheme, root| {
        with_folded(scheme, |scheme| {
            with_folded(root, |root| {
                add(TermField::Root, &coded(scheme.trim(), root.trim()))
            })
        });
        false
    });
}

fn add_texts(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for (field, term) in &TEXTS {
        values::any_text(field, content, |text| {
            add_folded(*term, text, add);
            false
        });
    }
    values::any_mode(content, Basis::Derived, |mode| {
        add_folded(TermField::Mode, mode, add);
        false
    });
    values::any_code(&Field::Actor, content, Basis::Derived, |code| {
        add_folded(TermField::Actor, code.code, add);
        false
    });
    values::any_text(&Field::Url, content, |url| {
        if !url.is_empty() {
            with_folded(url, |url| URLS.add(url.trim(), add));
        }
        false
    });
    values::any_text(&Field::Language, content, |tag| {
        with_folded(tag, |tag| {
            let tag = tag.trim();
            let ends = tag.match_indices('-').map(|(at, _)| at).chain([tag.len()]);
            ends.for_each(|end| add(TermField::Language, cut(&tag[..end]).as_bytes()));
        });
        false
    });
}

fn add_folded(term: TermField, text: &str, add: &mut impl FnMut(TermField, &[u8])) {
    if !text.is_empty() {
        with_folded(text, |text| add(term, cut(text.trim()).as_bytes()));
    }
}

fn add_codes(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for (field, term) in &CODES {
        values::any_code(field, content, Basis::Derived, |code| {
            for text in [code.code, code.label]
                .into_iter()
                .filter(|text| !text.is_empty())
            {
                with_folded(code.scheme, |scheme| {
                    with_folded(text, |text| {
                        add(*term, &coded("", text.trim()));
                        add(*term, &coded(scheme.trim(), text.trim()));
                    });
                });
            }
            false
        });
    }
}

/// Scheme, zero byte, text.
fn coded(scheme: &str, text: &str) -> Vec<u8> {
    [cut(scheme).as_bytes(), &[0], cut(text).as_bytes()].concat()
}

fn add_words(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for field in [Field::Text, Field::Name] {
        values::any_text(&field, content, |text| {
            with_folded(text, |folded| {
                words(folded).for_each(|word| add(TermField::Word, cut(word).as_bytes()))
            });
            false
        });
    }
}

/// What is counted by its value, as it was stated.
fn add_stated(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    let mut text = |term: TermField, text: &str| {
        if !text.trim().is_empty() {
            add(term, cut(text.trim()).as_bytes());
        }
    };
    for one in &content.participants {
        let named = [&one.name, &one.stated_name]
            .into_iter()
            .find(|name| !name.is_empty());
        text(TermField::StatedActor, named.map_or("", |name| name));
    }
    content
        .places
        .iter()
        .for_each(|place| text(TermField::StatedPlace, &place.name));
    for one in &content.types {
        let code = [&one.code, &one.label].into_iter().find(|code| !code.is_empty());
        if let Some(code) = code {
            add(TermField::StatedType, &coded(one.scheme.trim(), code.trim()));
        }
    }
}

/// The types in the schemes in which they can be compared.
fn add_types(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    values::each_in_scheme(content, |scheme, code| {
        let code = cut(code.trim());
        match scheme {
            _ if code.is_empty() => {}
            CAMEO_SCHEME => add(TermField::CameoType, code.as_bytes()),
            _ => add(TermField::PloverType, code.to_ascii_uppercase().as_bytes()),
        }
    });
}

fn add_measures(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    let mut value = |field: TermField, name: &str, text: &str| {
        let value = text.trim().parse();
        if let Some(value) = value.ok().filter(|value: &f64| value.is_finite()) {
            let name = cut(name).to_ascii_lowercase();
            add(field, &[name.as_bytes(), &[0], &measure_bytes(value)].concat());
        }
    };
    for one in &content.measures {
        value(TermField::Measure, &one.name, &one.value);
    }
    values::any_derived_goldstein(content, |text| {
        value(TermField::DerivedMeasure, GOLDSTEIN, text);
        false
    });
}

/// The bytes of a measure's value, in the order of values: the bits of IEEE 754 binary64, big-endian, the sign turned round, and of
/// negative numbers every bit.
pub fn measure_bytes(value: f64) -> [u8; 8] {
    let bits = (value + 0.0).to_bits();
    let turned = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    turned.to_be_bytes()
}

/// The value of [`measure_bytes`].
pub fn measure_value(bytes: [u8; 8]) -> f64 {
    let turned = u64::from_be_bytes(bytes);
    f64::from_bits(if turned >> 63 == 1 {
        turned & !(1 << 63)
    } else {
        !turned
    })
}

/// As much of a text as a term keeps.
fn cut(text: &str) -> &str {
    let mut end = TERM_BYTES_MAX.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A condition on one of a record's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayTest {
    /// On the dates on which it was reported, else on those on which it occurred.
    pub is_reported: bool,
    how: DateCompare,
    span: DaySpan,
}

impl DayTest {
    /// Whether it holds for one of the dates.
    pub fn holds(&self, date: &DaySpan) -> bool {
        self.how.holds(date, &self.span)
    }
}

/// How a filter is decided by terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Every record passes.
    All,
    /// The records with this term.
    Exactly(Term),
    /// The records with a term of the field that begins with these bytes.
    Prefix(Term),
    /// No record passes that does not pass this; those that do must be asked themselves.
    Narrow(Box<Lookup>),
    /// Every one.
    And(Vec<Lookup>),
    /// Any one.
    Or(Vec<Lookup>),
    /// Not this.
    Not(Box<Lookup>),
    /// The records with a date for which this holds. Terms do not know; the days do.
    Days(DayTest),
    /// Terms do not know: the record must be asked.
    Scan,
}

impl Lookup {
    /// What the terms of a record say: it passes, it does not, or (`None`) the record must be asked.
    pub fn decide(&self, terms: &BTreeSet<Term>) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Exactly(term) => Some(terms.contains(term)),
            Self::Prefix(term) => {
                let next = terms.range(term..).next();
                Some(next.is_some_and(|next| next.field == term.field && next.bytes.starts_with(&term.bytes)))
            }
            Self::Narrow(inner) => inner.decide(terms).filter(|passes| !passes),
            Self::Not(inner) => inner.decide(terms).map(|passes| !passes),
            Self::And(inner) => all(inner.iter().map(|one| one.decide(terms))),
            Self::Or(inner) => {
                all(inner.iter().map(|one| one.decide(terms).map(|passes| !passes))).map(|none| !none)
            }
            Self::Days(_) | Self::Scan => None,
        }
    }

    /// Whether terms alone decide every record.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::All | Self::Exactly(_) | Self::Prefix(_) => true,
            Self::Narrow(_) | Self::Days(_) | Self::Scan => false,
            Self::Not(inner) => inner.is_exact(),
            Self::And(inner) | Self::Or(inner) => inner.iter().all(Self::is_exact),
        }
    }
}

/// Whether all hold: one that does not decides, one unknown leaves it open.
fn all(each: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut sure = Some(true);
    for one in each {
        match one {
            Some(false) => return Some(false),
            Some(true) => {}
            None => sure = None,
        }
    }
    sure
}

impl Filter {
    /// How terms decide this filter.
    pub fn lookup(&self) -> Lookup {
        lookup_node(&self.0.root, self.basis())
    }
}

pub(super) fn lookup_node(node: &Node, basis: Basis) -> Lookup {
    let each = |nodes: &[Node]| nodes.iter().map(|node| lookup_node(node, basis)).collect();
    match node {
        Node::All => Lookup::All,
        Node::And(nodes) => Lookup::And(each(nodes)),
        Node::Or(nodes) => Lookup::Or(each(nodes)),
        Node::Not(node) => Lookup::Not(Box::new(lookup_node(node, basis))),
        Node::Test(test) => lookup_test(test, basis),
    }
}

fn lookup_test(test: &Test, basis: Basis) -> Lookup {
    let lookup = lookup_derived(test);
    // Terms hold all that can be derived; what is stated is a part of it.
    match basis {
        Basis::Stated if is_derived_too(test) && lookup != Lookup::Scan => Lookup::Narrow(Box::new(lookup)),
        _ => lookup,
    }
}

/// Whether values of the condition's field are derived where none is stated.
fn is_derived_too(test: &Test) -> bool {
    match test {
        Test::Country { .. } | Test::Dyad { .. } | Test::Quad(_) | Test::Root { .. } => true,
        Test::Code { field, .. } => matches!(field, Field::Type | Field::Context),
        Test::Text { field, .. } => *field == Field::Mode,
        _ => false,
    }
}

fn lookup_derived(test: &Test) -> Lookup {
    match test {
        Test::Kind(kind) => Lookup::Exactly(Term::new(TermField::Kind, kind.word())),
        Test::Act(act) => Lookup::Exactly(Term::new(TermField::Act, act.word())),
        Test::Flag(flag) => Lookup::Exactly(Term::new(TermField::Flag, (*flag as i32).to_be_bytes())),
        Test::Exact { field, text, prefix } => {
            let term = match field {
                Field::Key if *prefix => return KEYS.begins(text),
                Field::Key => return KEYS.is(text),
                Field::Series => TermField::Series,
                _ => TermField::Principal,
            };
            term_or_scan(Term::new(term, text.as_str()), *prefix)
        }
        Test::Country { field, code } => match of_table(&COUNTRIES, field) {
            Some(term) => Lookup::Exactly(Term::new(term, code.as_bytes())),
            None => Lookup::Scan,
        },
        Test::Dyad {
            first,
            second,
            directed,
        } => {
            let term = if *directed {
                TermField::DirectedDyad
            } else {
                TermField::Dyad
            };
            Lookup::Exactly(Term::new(term, pair(*first, *second)))
        }
        Test::Quad(quad) => Lookup::Exactly(Term::new(TermField::Quad, [quad.number()])),
        Test::Root { scheme, code } => term_or_scan(Term::new(TermField::Root, coded(scheme, code)), false),
        Test::Text { field, check } => lookup_text(field, check),
        Test::Code { field, scheme, check } => lookup_code(field, scheme.as_deref(), check),
        Test::Words(phrase) => lookup_words(phrase),
        Test::Date {
            field: field @ (Field::Occurred | Field::Reported),
            how,
            span,
            ..
        } => Lookup::Days(DayTest {
            is_reported: *field == Field::Reported,
            how: *how,
            span: *span,
        }),
        _ => Lookup::Scan,
    }
}

fn term_or_scan(term: Term, prefix: bool) -> Lookup {
    match (term.bytes.len() <= LOOKUP_BYTES_MAX, prefix) {
        (false, _) => Lookup::Scan,
        (true, true) => Lookup::Prefix(term),
        (true, false) => Lookup::Exactly(term),
    }
}

fn lookup_text(field: &Field, check: &TextCheck) -> Lookup {
    let term = match field {
        Field::Language => Some(TermField::Language),
        Field::Mode => Some(TermField::Mode),
        field => of_table(&TEXTS, field),
    };
    match (term, check) {
        (_, TextCheck::Is(text)) if *field == Field::Url => URLS.is(text),
        (_, TextCheck::Prefix(text)) if *field == Field::Url => URLS.begins(text),
        (Some(term), TextCheck::Is(text)) => term_or_scan(Term::new(term, text.as_str()), false),
        (Some(term), TextCheck::Prefix(text)) => term_or_scan(Term::new(term, text.as_str()), true),
        // The words of these fields are among the words of titles, bodies and names.
        (_, TextCheck::Has(phrase))
            if matches!(
                field,
                Field::Text | Field::Title | Field::Name | Field::SourceName | Field::TargetName
            ) =>
        {
            Lookup::Narrow(Box::new(lookup_words(phrase)))
        }
        _ => Lookup::Scan,
    }
}

fn lookup_code(field: &Field, scheme: Option<&str>, check: &TextCheck) -> Lookup {
    let Some(term) = of_table(&CODES, field) else {
        return Lookup::Scan;
    };
    let term = |text: &str| Term::new(term, coded(scheme.unwrap_or(""), text));
    match check {
        TextCheck::Is(text) => term_or_scan(term(text), false),
        TextCheck::Prefix(text) => term_or_scan(term(text), true),
        _ => Lookup::Scan,
    }
}

fn lookup_words(phrase: &Phrase) -> Lookup {
    let (words, prefix) = phrase.parts();
    let last = words.len() - 1;
    let word = |(at, word): (usize, &String)| {
        term_or_scan(Term::new(TermField::Word, word.as_str()), prefix && at == last)
    };
    let mut each: Vec<Lookup> = words.iter().enumerate().map(word).collect();
    match each.len() {
        1 => each.swap_remove(0),
        // That the words stand in a row is not among the terms.
        _ => Lookup::Narrow(Box::new(Lookup::And(each))),
    }
}

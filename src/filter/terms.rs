//! What an index of a record holds.
//!
//! [`each_term`] makes the terms of a record; [`super::lookup`] says which of them decide a filter.

use super::cells::{cell_of, degrees};
use super::field::Field;
use super::number::Nearest;
use super::subject::Subject;
use super::suggested;
use super::values;
use super::words::words;
use crate::derive::{Basis, CAMEO_SCHEME, GOLDSTEIN, Iso3, When, of_participant, with_folded};
use crate::record::Revision;
use crate::record::codec::parts::Parts;
use crate::record::codec::{Content, RelationType};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The most bytes of a text in a term. A longer one is there by its first [`CUT_BYTES`] and a hash of the whole, so that two texts
/// which begin alike have two terms and are counted as two values.
pub(super) const TERM_BYTES_MAX: usize = 512;
/// The bytes of its own that a cut text keeps, or up to three fewer where a character lies across its end.
pub(super) const CUT_BYTES: usize = 480;
/// Between the beginning of a cut text and the hash.
const CUT_SIGN: &str = "…#";

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
    /// A measure whose stated value its number does not write: name, zero byte, and behind it the number as of a measure, or
    /// nothing where the text is no number.
    OddMeasure = 41,
    /// The entry's revision, 8 bytes that ascend; most records are their entry's first, which has none.
    Revision = 42,
    /// The number of the term of a field that has a value without a text.
    Blank = 43,
    /// The cell of a place with coordinates, as [`cells`](super::cells) has them.
    Cell = 44,
    /// The name of a participant who is only mentioned, folded.
    MentionedName = 45,
    /// A country that a document seems to speak of. What is suggested has terms of its own, so that nothing takes it for stated.
    SuggestedCountry = 46,
    /// A person or an organisation that it seems to speak of, by the full name and as the text has it, folded.
    SuggestedActor = 47,
    /// A place of the same kind, folded.
    SuggestedPlace = 48,
    /// The country of such a place.
    SuggestedPlaceCountry = 49,
    /// A stated relation: its number, one byte, and a hash of the entry's name.
    Relation = 60,
}

/// One thing that an index knows of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// What it speaks of.
    pub field: TermField,
    /// What it says; at most 512 bytes of each of its parts, a longer one by its beginning and a hash.
    pub bytes: Vec<u8>,
}

impl Term {
    pub(super) fn new(field: TermField, bytes: impl Into<Vec<u8>>) -> Self {
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
    add_leaf_terms(subject, &mut add);
    if let Some(content) = subject.content.get(Parts::ALL) {
        add_countries(content, &mut add);
        add_other_terms(content, |_| true, &mut add);
        suggested::add_terms(subject, &mut add);
    }
}

pub(super) fn add_leaf_terms(subject: &Subject, add: &mut impl FnMut(TermField, &[u8])) {
    add(TermField::Kind, subject.kind.word().as_bytes());
    add(TermField::Act, subject.act.word().as_bytes());
    add(TermField::Series, cut(subject.series).as_bytes());
    KEYS.add(subject.key, add);
    add(TermField::Principal, cut(subject.principal).as_bytes());
    if subject.revision != Revision::FIRST {
        add(TermField::Revision, &subject.revision.get().to_be_bytes());
    }
}

/// Adds the terms of a content that are not of countries, at least those of which a field is wanted.
pub(super) fn add_other_terms(
    content: &Content,
    wanted: impl Fn(&[TermField]) -> bool,
    add: &mut impl FnMut(TermField, &[u8]),
) {
    use TermField::{
        Actor, ActorCode, Blank, CameoType, Cell, Context, DerivedMeasure, Flag, Identifier, Language,
        Measure, MentionedName, Mode, Name, OddMeasure, Place, PloverType, Publisher, Quad, Relation, Root,
        Sector, SourceName, StatedActor, StatedPlace, StatedType, TargetName, Topic, Type, Url, UrlStart,
        Word,
    };
    if wanted(&[Flag, Quad, Root]) {
        add_classes(content, add);
    }
    if wanted(&[
        Actor,
        Name,
        SourceName,
        TargetName,
        MentionedName,
        Place,
        Publisher,
        Mode,
        Url,
        UrlStart,
        Language,
    ]) {
        add_texts(content, add);
    }
    if wanted(&[Sector, Identifier, Type, Topic, Context, ActorCode, Blank]) {
        add_codes(content, add);
    }
    if wanted(&[Word]) {
        add_words(content, add);
    }
    if wanted(&[StatedActor, StatedPlace, StatedType]) {
        add_stated(content, add);
    }
    if wanted(&[CameoType, PloverType]) {
        add_types(content, add);
    }
    if wanted(&[Measure, DerivedMeasure, OddMeasure]) {
        add_measures(content, add);
    }
    if wanted(&[Cell]) {
        add_cells(content, add);
    }
    if wanted(&[Relation]) {
        add_relations(content, add);
    }
}

pub(super) const COUNTRIES: [(Field, TermField); 5] = [
    (Field::Country, TermField::Country),
    (Field::SourceCountry, TermField::SourceCountry),
    (Field::TargetCountry, TermField::TargetCountry),
    (Field::MentionedCountry, TermField::MentionedCountry),
    (Field::PlaceCountry, TermField::PlaceCountry),
];

pub(super) const TEXTS: [(Field, TermField); 7] = [
    (Field::Actor, TermField::Actor),
    (Field::Name, TermField::Name),
    (Field::SourceName, TermField::SourceName),
    (Field::TargetName, TermField::TargetName),
    (Field::MentionedActor, TermField::MentionedName),
    (Field::Place, TermField::Place),
    (Field::Publisher, TermField::Publisher),
];

/// Long texts of which hardly two are the same: as terms of their own they would be most of an index. A hash stands for the
/// whole, and the beginning for itself.
pub(super) struct Long {
    pub(super) whole: TermField,
    pub(super) start: TermField,
    /// The bytes of the beginning.
    start_bytes: usize,
}

pub(super) const KEYS: Long = Long {
    whole: TermField::Key,
    start: TermField::KeyStart,
    start_bytes: 8,
};
pub(super) const URLS: Long = Long {
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

    /// The terms of a text: of the whole, and of its beginning.
    pub(super) fn terms(&self, text: &str) -> [Term; 2] {
        [
            Term::new(self.whole, hash(text)),
            Term::new(self.start, self.start_of(text)),
        ]
    }

    pub(super) fn start_of<'t>(&self, text: &'t str) -> &'t [u8] {
        let end = self.start_bytes.min(text.len());
        &text.as_bytes()[..end]
    }
}

pub(super) fn hash(text: &str) -> [u8; HASH_BYTES] {
    let whole: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    std::array::from_fn(|at| whole[at])
}

pub(super) const CODES: [(Field, TermField); 6] = [
    (Field::Sector, TermField::Sector),
    (Field::Identifier, TermField::Identifier),
    (Field::Type, TermField::Type),
    (Field::Topic, TermField::Topic),
    (Field::Context, TermField::Context),
    (Field::Actor, TermField::ActorCode),
];

pub(super) fn of_table(table: &[(Field, TermField)], field: &Field) -> Option<TermField> {
    table.iter().find(|(own, _)| own == field).map(|(_, term)| *term)
}

pub(super) fn add_countries(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
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

pub(super) fn pair(first: Iso3, second: Iso3) -> [u8; 6] {
    let ([a, b, c], [d, e, f]) = (first.as_bytes(), second.as_bytes());
    [a, b, c, d, e, f]
}

fn add_relations(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for one in &content.relations {
        let entry = format!("{}/{}", one.series, one.key);
        add(TermField::Relation, &relation_bytes(one.r#type(), Some(&entry)));
    }
}

/// The bytes of a relation, to an entry by its whole name, or to any.
pub(super) fn relation_bytes(relation: RelationType, entry: Option<&str>) -> Vec<u8> {
    // The relations of the wire are few.
    let mut bytes = vec![relation as u8];
    bytes.extend(entry.iter().flat_map(|entry| hash(entry)));
    bytes
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

pub(super) fn add_folded(term: TermField, text: &str, add: &mut impl FnMut(TermField, &[u8])) {
    if !text.is_empty() {
        with_folded(text, |text| add(term, cut(text.trim()).as_bytes()));
    }
}

fn add_codes(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for (field, term) in &CODES {
        values::any_code(field, content, Basis::Derived, |code| {
            if code.code.is_empty() && code.label.is_empty() {
                add(TermField::Blank, &[*term as u8]);
            }
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
pub(super) fn coded(scheme: &str, text: &str) -> Vec<u8> {
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
        let code = code.trim();
        match scheme {
            _ if code.is_empty() => {}
            CAMEO_SCHEME => add(TermField::CameoType, cut(code).as_bytes()),
            _ => add(TermField::PloverType, cut(&code.to_ascii_uppercase()).as_bytes()),
        }
    });
}

fn add_cells(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for place in &content.places {
        if let (Some(latitude), Some(longitude)) = (degrees(&place.latitude), degrees(&place.longitude)) {
            add(TermField::Cell, &cell_of(latitude, longitude));
        }
    }
}

fn add_measures(content: &Content, add: &mut impl FnMut(TermField, &[u8])) {
    for one in content.measures.iter().filter(|one| !one.value.is_empty()) {
        let Some(mut key) = measure_key(&one.name) else {
            continue;
        };
        let nearest = Nearest::to(&one.value);
        if let Some(nearest) = &nearest {
            key.extend(measure_bytes(nearest.number));
            add(TermField::Measure, &key);
        }
        if !nearest.is_some_and(|nearest| nearest.is_written()) {
            add(TermField::OddMeasure, &key);
        }
    }
    // Those of the table are all written by their numbers.
    values::any_derived_goldstein(content, |text| {
        if let (Some(key), Some(nearest)) = (measure_key(GOLDSTEIN), Nearest::to(text)) {
            let key = [key.as_slice(), &measure_bytes(nearest.number)].concat();
            add(TermField::DerivedMeasure, &key);
        }
        false
    });
}

/// What the terms of a measure begin with, its name and a zero byte; `None` where no term has the whole name, or none could say
/// where it ends.
pub(super) fn measure_key(name: &str) -> Option<Vec<u8>> {
    let has_key = name.len() <= TERM_BYTES_MAX && !name.contains('\0');
    has_key.then(|| [name.to_ascii_lowercase().as_bytes(), &[0]].concat())
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
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= TERM_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let mut end = CUT_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}{CUT_SIGN}{}", &text[..end], hex::encode(hash(text))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derive::types;

    #[test]
    fn texts_that_differ_beyond_what_a_term_keeps_have_terms_of_their_own() {
        let whole = "é".repeat(256);
        assert_eq!(cut(&whole), whole);
        for start in ["a".repeat(600), "é".repeat(300), format!("x{}", "é".repeat(300))] {
            let (one, other) = (format!("{start}1"), format!("{start}2"));
            assert_ne!(cut(&one), cut(&other));
            assert!(cut(&one).len() <= TERM_BYTES_MAX);
            let kept = &start.as_bytes()[..CUT_BYTES - 4];
            assert!(cut(&one).as_bytes().starts_with(kept), "{start}");
        }
    }

    #[test]
    fn every_value_of_the_table_is_written_by_its_number() {
        let codes =
            (1..2_100).flat_map(|code| [format!("{code:02}"), format!("{code:03}"), format!("{code:04}")]);
        let mut held = 0;
        for cameo in codes.filter_map(|code| types().cameo(&code).map(|cameo| cameo.goldstein)) {
            held += 1;
            let nearest = Nearest::to(cameo).filter(Nearest::is_written);
            assert!(cameo.is_empty() || nearest.is_some(), "{cameo}");
        }
        assert!(held > 250, "{held}");
    }
}

//! How a filter is looked up in an index.
//!
//! [`super::terms`] says what an index holds of a record, [`Filter::lookup`] what of it decides a filter. Whatever a lookup answers
//! for sure, [`Filter::matches`] answers too; where a lookup is not sure the record itself must be asked.

use super::Filter;
use super::among::{WordTest, among};
use super::cells::{OFF_THE_MAP, cells_near};
use super::field::Field;
use super::number::Nearest;
use super::suggested;
use super::terms::{
    CODES, COUNTRIES, CUT_BYTES, KEYS, Long, TEXTS, Term, TermField, URLS, coded, hash, measure_bytes,
    measure_key, of_table, pair, relation_bytes,
};
use super::tree::{Compare, DateCompare, Moment, Node, Test, TextCheck};
use super::words::Phrase;
use crate::derive::{Basis, GOLDSTEIN, fold};
use crate::record::Revision;
use crate::record::date::DaySpan;
use std::collections::BTreeSet;
use std::ops::Range;

/// Longer texts are never looked up, so that a cut one is never taken for a whole one: it is longer than this, and keeps as much of
/// its beginning.
const LOOKUP_BYTES_MAX: usize = CUT_BYTES - 4;
/// The nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// Which of a record's days a condition is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaysOf {
    /// Those on which what it tells of occurred.
    Occurred,
    /// Those on which it was reported.
    Reported,
    /// The one on which it was committed, in UTC.
    Recorded,
    /// Those that the text of a document names.
    Mentioned,
}

/// A condition on one of a record's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayTest {
    /// Which dates.
    pub of: DaysOf,
    how: DateCompare,
    span: DaySpan,
}

impl DayTest {
    /// Days from the earliest to the latest, which may be open.
    fn within(of: DaysOf, earliest: Option<i32>, latest: Option<i32>) -> Self {
        Self {
            of,
            how: DateCompare::Certainly(Compare::Equal),
            span: DaySpan { earliest, latest },
        }
    }

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
    /// The records with a term of the field that is not below the first bytes, but below the second.
    Range(TermField, Range<Vec<u8>>),
    /// The records with a term of the field that begins with these bytes and passes the test by what follows them.
    Among(Term, WordTest),
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
    /// The records at these positions, which are not among the terms.
    Positions(Range<u64>),
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
            Self::Range(field, range) => {
                let has = |term: &Term| term.field == *field && range.contains(&term.bytes);
                Some(terms.iter().any(has))
            }
            Self::Among(begins, test) => {
                let of_it =
                    |term: &&Term| term.field == begins.field && term.bytes.starts_with(&begins.bytes);
                let mut all = terms.range(begins..).take_while(of_it);
                Some(all.any(|term| test.holds(&term.bytes[begins.bytes.len()..])))
            }
            Self::Narrow(inner) => inner.decide(terms).filter(|passes| !passes),
            Self::Not(inner) => inner.decide(terms).map(|passes| !passes),
            Self::And(inner) => all(inner.iter().map(|one| one.decide(terms))),
            Self::Or(inner) => {
                all(inner.iter().map(|one| one.decide(terms).map(|passes| !passes))).map(|none| !none)
            }
            Self::Days(_) | Self::Positions(_) | Self::Scan => None,
        }
    }

    /// Whether terms say nothing: every record must be asked.
    pub fn is_useless(&self) -> bool {
        match self {
            Self::Scan => true,
            Self::Not(inner) | Self::Narrow(inner) => inner.is_useless(),
            Self::And(each) => !each.is_empty() && each.iter().all(Self::is_useless),
            Self::Or(each) => each.iter().any(Self::is_useless),
            _ => false,
        }
    }

    /// Whether terms alone decide every record.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::All | Self::Exactly(_) | Self::Prefix(_) | Self::Range(..) | Self::Among(..) => true,
            Self::Narrow(_) | Self::Days(_) | Self::Positions(_) | Self::Scan => false,
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

fn not(lookup: Lookup) -> Lookup {
    Lookup::Not(Box::new(lookup))
}

pub(super) fn narrow(lookup: Lookup) -> Lookup {
    Lookup::Narrow(Box::new(lookup))
}

/// The records with any term of a field.
fn any_of(field: TermField) -> Lookup {
    Lookup::Prefix(Term::new(field, []))
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
        Node::Not(node) => not(lookup_node(node, basis)),
        Node::Test(test) => lookup_test(test, basis),
    }
}

pub(super) fn lookup_test(test: &Test, basis: Basis) -> Lookup {
    if let Test::Known(known) = test {
        // Each of its names is looked up by itself, among what is suggested too.
        return known.lookup(basis);
    }
    let lookup = lookup_derived(test, basis);
    if basis == Basis::Suggested && test.asks_suggestions() {
        return either(lookup, lookup_suggested(test));
    }
    // Terms hold all that can be derived; what is stated is a part of it.
    match basis {
        Basis::Stated if is_derived_too(test) && lookup != Lookup::Scan => narrow(lookup),
        _ => lookup,
    }
}

/// The records of which a condition holds by what they suggest.
fn lookup_suggested(test: &Test) -> Lookup {
    let term = |field: &Field| suggested::term_of(field);
    match test {
        Test::Date { field, how, span, .. } => suggested_days(
            field,
            DayTest {
                of: DaysOf::Mentioned,
                how: *how,
                span: *span,
            },
        ),
        Test::Has(field) => match term(field) {
            Some(term) => any_of(term),
            None => suggested_days(field, DayTest::within(DaysOf::Mentioned, None, None)),
        },
        Test::Country { field, code } => term(field).map_or(Lookup::Scan, |term| {
            Lookup::Exactly(Term::new(term, code.as_bytes()))
        }),
        Test::Text { field, check } => {
            term(field).map_or(Lookup::Scan, |term| checked(check, |text| Term::new(term, text)))
        }
        _ => Lookup::Scan,
    }
}

/// Days that are suggested count as those on which it occurred only where none is stated.
fn suggested_days(field: &Field, test: DayTest) -> Lookup {
    match field {
        Field::Occurred => {
            let stated = Lookup::Days(DayTest::within(DaysOf::Occurred, None, None));
            Lookup::And(vec![not(stated), Lookup::Days(test)])
        }
        _ => Lookup::Days(test),
    }
}

/// One or the other; where one of them must ask the record, it is asked once.
fn either(one: Lookup, other: Lookup) -> Lookup {
    match (one, other) {
        (Lookup::Scan, _) | (_, Lookup::Scan) => Lookup::Scan,
        (none, other) if none == nothing() => other,
        (one, other) => Lookup::Or(vec![one, other]),
    }
}

/// No record.
fn nothing() -> Lookup {
    Lookup::Or(Vec::new())
}

/// Whether values of the condition's field are derived where none is stated. Measures are not among them: their derived values have
/// terms of their own.
fn is_derived_too(test: &Test) -> bool {
    match test {
        Test::Country { .. } | Test::Dyad { .. } | Test::Quad(_) | Test::Root { .. } => true,
        Test::Code { field, .. } => matches!(field, Field::Type | Field::Context),
        Test::Text { field, .. } => *field == Field::Mode,
        Test::Has(field) => match field {
            Field::Country
            | Field::SourceCountry
            | Field::TargetCountry
            | Field::MentionedCountry
            | Field::PlaceCountry => true,
            other => matches!(
                other,
                Field::Dyad | Field::Quad | Field::Root | Field::Type | Field::Context | Field::Mode
            ),
        },
        _ => false,
    }
}

fn lookup_derived(test: &Test, basis: Basis) -> Lookup {
    match test {
        Test::Text { field, .. } | Test::Date { field, .. } | Test::Has(field)
            if field.is_only_suggested() =>
        {
            nothing()
        }
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
        Test::Related { relation, entry } => {
            let bytes = relation_bytes(*relation, Some(&entry.to_string()));
            narrow(Lookup::Exactly(Term::new(TermField::Relation, bytes)))
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
            of: days_of(field),
            how: *how,
            span: *span,
        }),
        Test::Recorded { compare, moment } => lookup_recorded(*compare, moment),
        Test::Number {
            field: Field::Position,
            compare,
            value,
        } => {
            let (from, to) = compare.range(*value);
            // No record has the last number as its position.
            Lookup::Positions(from..to.unwrap_or(u64::MAX))
        }
        Test::Number { compare, value, .. } => lookup_revision(*compare, *value),
        Test::Measure { name, compare, value } => lookup_measure(name, *compare, value, basis),
        Test::Near {
            latitude,
            longitude,
            km,
        } => narrow(lookup_near(*latitude, *longitude, *km)),
        // That they face each other is not among the terms.
        Test::ActorDyad { first, second, .. } => {
            let actor = |name: &String| term_or_scan(Term::new(TermField::Actor, name.as_str()), false);
            narrow(Lookup::And(vec![actor(first), actor(second)]))
        }
        Test::Known(known) => known.lookup(basis),
        Test::Has(field) => lookup_has(field, basis),
        _ => Lookup::Scan,
    }
}

fn days_of(field: &Field) -> DaysOf {
    match field {
        Field::Reported => DaysOf::Reported,
        _ => DaysOf::Occurred,
    }
}

/// The records with a place in a cell that the circle touches, or off the map.
fn lookup_near(latitude: f64, longitude: f64, km: f64) -> Lookup {
    let Some(cells) = cells_near(latitude, longitude, km) else {
        return any_of(TermField::Cell);
    };
    let cells = cells
        .into_iter()
        .map(|cells| Lookup::Range(TermField::Cell, cells));
    let off_the_map = Lookup::Exactly(Term::new(TermField::Cell, OFF_THE_MAP));
    Lookup::Or(cells.chain([off_the_map]).collect())
}

/// The days that pass as a whole are sure; of one that passes in part the records must be asked.
fn lookup_recorded(compare: Compare, moment: &Moment) -> Lookup {
    let (from, to) = match compare {
        Compare::Equal => (Some(moment.from), Some(moment.to)),
        Compare::Less => (None, Some(moment.from)),
        Compare::LessOrEqual => (None, Some(moment.to)),
        Compare::Greater => (Some(moment.to), None),
        Compare::GreaterOrEqual => (Some(moment.from), None),
    };
    // Nanoseconds of 64 bits reach some hundred thousand days.
    let day = |nanos: i64| i32::try_from(nanos.div_euclid(DAY)).unwrap_or(i32::MAX);
    let is_whole = |nanos: i64| nanos.rem_euclid(DAY) == 0;
    let days = |earliest, latest| Lookup::Days(DayTest::within(DaysOf::Recorded, earliest, latest));
    if from.is_none_or(is_whole) && to.is_none_or(is_whole) {
        return days(from.map(day), to.map(|to| day(to) - 1));
    }
    let asked = |day| narrow(days(Some(day), Some(day)));
    match (from.map(day), to.map(day)) {
        (Some(edge), None) => Lookup::Or(vec![days(Some(edge + 1), None), asked(edge)]),
        (None, Some(edge)) => Lookup::Or(vec![days(None, Some(edge - 1)), asked(edge)]),
        // A moment.
        _ => asked(day(moment.from)),
    }
}

fn lookup_revision(compare: Compare, value: u64) -> Lookup {
    let (from, to) = compare.range(value);
    let bytes = |number: u64| number.to_be_bytes().to_vec();
    // Nothing of eight bytes is beyond nine that are all ones.
    let range = bytes(from)..to.map_or_else(|| vec![u8::MAX; 9], bytes);
    let told = Lookup::Range(TermField::Revision, range);
    let first = Revision::FIRST.get();
    let is_first = from <= first && to.is_none_or(|to| first < to);
    match is_first {
        true => Lookup::Or(vec![told, not(any_of(TermField::Revision))]),
        false => told,
    }
}

/// Terms have the order of the numbers that are nearest to the values, which is the order of the values ([`Nearest`]). Only of a
/// value whose number is the asked one they do not say how it compares, unless it is the one that is written for its number.
fn lookup_measure(name: &str, compare: Compare, value: &str, basis: Basis) -> Lookup {
    let key = measure_key(name).filter(|key| key.len() <= LOOKUP_BYTES_MAX);
    let (Some(key), Some(asked)) = (key, Nearest::to(value)) else {
        return Lookup::Scan;
    };
    let at = [key.as_slice(), &measure_bytes(asked.number)].concat();
    // Does the value pass that is written for the asked number?
    let passes = asked
        .to_written
        .is_some_and(|asked| compare.holds(asked.reverse()));
    let after = |bytes: &[u8]| [bytes, &[0]].concat();
    let past = || [name.to_ascii_lowercase().as_bytes(), &[1]].concat();
    let range = match (compare, passes) {
        (Compare::Equal, _) => at.clone()..if passes { after(&at) } else { at.clone() },
        (Compare::Less | Compare::LessOrEqual, true) => key..after(&at),
        (Compare::Less | Compare::LessOrEqual, false) => key..at.clone(),
        (Compare::Greater | Compare::GreaterOrEqual, true) => at.clone()..past(),
        (Compare::Greater | Compare::GreaterOrEqual, false) => after(&at)..past(),
    };
    let odd = Lookup::Exactly(Term::new(TermField::OddMeasure, at));
    let told = Lookup::Range(TermField::Measure, range.clone());
    let mut each = vec![Lookup::And(vec![told, not(odd.clone())]), narrow(odd)];
    if is_derived(name, basis) {
        each.push(Lookup::Range(TermField::DerivedMeasure, range));
    }
    Lookup::Or(each)
}

/// Whether values of a measure are derived where none is stated.
fn is_derived(name: &str, basis: Basis) -> bool {
    basis != Basis::Stated && name.eq_ignore_ascii_case(GOLDSTEIN)
}

/// Whether a field has any value: any term of it.
fn lookup_has(field: &Field, basis: Basis) -> Lookup {
    if let Some(term) = of_table(&COUNTRIES, field) {
        return any_of(term);
    }
    match field {
        Field::Kind | Field::Act | Field::Series | Field::Key => Lookup::All,
        Field::Status | Field::Position | Field::Recorded => Lookup::All,
        Field::Principal => not(Lookup::Exactly(Term::new(TermField::Principal, []))),
        Field::Revision => lookup_revision(Compare::Greater, 0),
        Field::Occurred | Field::Reported => Lookup::Days(DayTest::within(days_of(field), None, None)),
        Field::Dyad => any_of(TermField::Dyad),
        Field::Root => any_of(TermField::Root),
        Field::Quad => any_of(TermField::Quad),
        Field::Flag => any_of(TermField::Flag),
        Field::Mode => any_of(TermField::Mode),
        Field::Language => any_of(TermField::Language),
        Field::Url => any_of(URLS.start),
        Field::Related(relation) => {
            Lookup::Prefix(Term::new(TermField::Relation, relation_bytes(*relation, None)))
        }
        Field::Measure(name) => {
            let Some(key) = measure_key(name).filter(|key| key.len() <= LOOKUP_BYTES_MAX) else {
                return Lookup::Scan;
            };
            let mut fields = vec![TermField::Measure, TermField::OddMeasure];
            fields.extend(is_derived(name, basis).then_some(TermField::DerivedMeasure));
            let begins = |field| Lookup::Prefix(Term::new(field, key.as_slice()));
            Lookup::Or(fields.into_iter().map(begins).collect())
        }
        field => {
            let text = of_table(&TEXTS, field).map(any_of);
            let code = of_table(&CODES, field).map(|term| {
                let blank = Lookup::Exactly(Term::new(TermField::Blank, [term as u8]));
                [any_of(term), blank]
            });
            let each: Vec<Lookup> = text.into_iter().chain(code.into_iter().flatten()).collect();
            match each.len() {
                0 => Lookup::Scan,
                _ => Lookup::Or(each),
            }
        }
    }
}

impl Compare {
    /// The whole numbers that pass: the first, and the one after the last; `None` where there is no last.
    fn range(self, value: u64) -> (u64, Option<u64>) {
        match self {
            Self::Equal => (value, value.checked_add(1)),
            Self::Less => (0, Some(value)),
            Self::LessOrEqual => (0, value.checked_add(1)),
            Self::Greater => value.checked_add(1).map_or((0, Some(0)), |next| (next, None)),
            Self::GreaterOrEqual => (value, None),
        }
    }
}

impl Long {
    fn is(&self, text: &str) -> Lookup {
        narrow(Lookup::Exactly(Term::new(self.whole, hash(text))))
    }

    fn begins(&self, text: &str) -> Lookup {
        let start = self.start_of(text);
        if start.len() < text.len() {
            narrow(Lookup::Exactly(Term::new(self.start, start)))
        } else {
            Lookup::Prefix(Term::new(self.start, start))
        }
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
        // The words of these fields are among the words of titles, bodies and names.
        (_, TextCheck::Has(phrase))
            if matches!(
                field,
                Field::Text | Field::Title | Field::Name | Field::SourceName | Field::TargetName
            ) =>
        {
            narrow(lookup_words(phrase))
        }
        (Some(term), check) => checked(check, |text| Term::new(term, text)),
        _ => Lookup::Scan,
    }
}

/// The records with a term that passes, of a field whose whole values are terms.
fn checked(check: &TextCheck, term: impl Fn(&str) -> Term) -> Lookup {
    match check {
        TextCheck::Is(text) => term_or_scan(term(text), false),
        TextCheck::Prefix(text) => term_or_scan(term(text), true),
        // Capitals and accents are not among the terms.
        TextCheck::Literal(text) => narrow(term_or_scan(term(fold(text).trim()), false)),
        TextCheck::Has(phrase) => match term("") {
            begins if begins.bytes.len() <= LOOKUP_BYTES_MAX => among(&begins, phrase),
            _ => Lookup::Scan,
        },
        TextCheck::Part(_) => Lookup::Scan,
    }
}

fn lookup_code(field: &Field, scheme: Option<&str>, check: &TextCheck) -> Lookup {
    let Some(term) = of_table(&CODES, field) else {
        return Lookup::Scan;
    };
    checked(check, |text| Term::new(term, coded(scheme.unwrap_or(""), text)))
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
        _ => narrow(Lookup::And(each)),
    }
}

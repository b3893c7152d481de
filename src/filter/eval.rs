//! Whether a record passes a filter, decided on the record itself.
//!
//! This is the meaning of the language: every index must agree with it. Conditions on the envelope are tried
//! before those that need content, and only the parts of the content that the filter names are decoded.

use super::cells::{EARTH_KM, degrees};
use super::field::Field;
use super::number::Decimal;
use super::subject::Subject;
use super::suggested;
use super::tree::{Compare, DateCompare, Moment, Node, Test, TextCheck};
use super::values;
use crate::derive::{Basis, When, any_of_participant, with_folded};
use crate::record::codec::parts::Parts;
use crate::record::codec::{Content, Participant, Place};
use crate::record::date::DaySpan;
use crate::suggest::Suggestion;
use std::cmp::Ordering;

/// One record under one filter.
pub(super) struct Evaluation<'e> {
    pub(super) subject: &'e Subject<'e>,
    pub(super) basis: Basis,
    /// All that the filter will ask of the content.
    pub(super) parts: Parts,
}

impl Evaluation<'_> {
    pub(super) fn node(&self, node: &Node) -> bool {
        match node {
            Node::All => true,
            Node::And(nodes) => nodes.iter().all(|node| self.node(node)),
            Node::Or(nodes) => nodes.iter().any(|node| self.node(node)),
            Node::Not(node) => !self.node(node),
            Node::Test(test) => self.test(test),
        }
    }

    /// As [`Self::node`] where what the record says does not matter; `None` where it does.
    pub(super) fn without_content(&self, node: &Node) -> Option<bool> {
        // One that decides is enough; where none does, all must be known.
        let joined = |nodes: &[Node], decides: bool| {
            let known: Vec<Option<bool>> = nodes.iter().map(|node| self.without_content(node)).collect();
            match known.contains(&Some(decides)) {
                true => Some(decides),
                false => (!known.contains(&None)).then_some(!decides),
            }
        };
        match node {
            Node::All => Some(true),
            Node::And(nodes) => joined(nodes, false),
            Node::Or(nodes) => joined(nodes, true),
            Node::Not(node) => self.without_content(node).map(|holds| !holds),
            Node::Test(Test::Act(_)) => None,
            Node::Test(test) => (test.parts() == Parts::NONE).then(|| self.test(test)),
        }
    }

    pub(super) fn test(&self, test: &Test) -> bool {
        let subject = self.subject;
        match test {
            Test::Kind(kind) => subject.kind == *kind,
            Test::Act(act) => subject.act == *act,
            Test::Status(status) => subject.status == *status,
            Test::Exact { field, text, prefix } => {
                let own = envelope_text(field, subject);
                if *prefix {
                    own.starts_with(text.as_str())
                } else {
                    own == text
                }
            }
            Test::Number {
                field: Field::Position,
                compare,
                value,
            } => compare.holds(subject.position.get().cmp(value)),
            Test::Number { compare, value, .. } => compare.holds(subject.revision.get().cmp(value)),
            Test::Recorded { compare, moment } => moment.holds(*compare, subject.recorded.nanos()),
            Test::Has(field) if field.parts() == Parts::NONE => envelope_has(field, subject),
            Test::Basis { .. } => true,
            of_content => {
                let content = subject.content.get(self.parts);
                content.is_some_and(|content| {
                    self.content(of_content, content) || self.suggested(of_content, content).next().is_some()
                })
            }
        }
    }

    /// The suggestions by which a condition holds.
    pub(super) fn suggested<'s>(
        &'s self,
        test: &'s Test,
        content: &'s Content,
    ) -> impl Iterator<Item = &'s Suggestion> {
        let asks = self.basis == Basis::Suggested
            && test.asks_suggestions()
            && !suggested::is_stated_instead(test, content);
        let all: &[Suggestion] = if asks { self.subject.suggestions() } else { &[] };
        all.iter()
            .filter(move |one| suggested::passes(test, one, content))
    }

    fn content(&self, test: &Test, content: &Content) -> bool {
        match test {
            Test::Flag(flag) => content.flags.contains(&(*flag as i32)),
            Test::Date { field, how, span, .. } => {
                let mut spans = values::dates(field, content).filter_map(|text| DaySpan::of(text).ok());
                spans.any(|own| how.holds(&own, span))
            }
            Test::Country { field, code } => {
                values::any_country(field, content, self.basis, |own| own == *code)
            }
            Test::Dyad {
                first,
                second,
                directed,
            } => values::any_dyad(content, *directed, |one| {
                let is = |wanted| any_of_participant(one, When::Of(content), self.basis, |own| own == wanted);
                (is(*first), is(*second))
            }),
            Test::ActorDyad {
                first,
                second,
                directed,
            } => values::any_dyad(content, *directed, |one| {
                (is_actor(one, first), is_actor(one, second))
            }),
            Test::Related { relation, entry } => content.relations.iter().any(|one| {
                one.r#type() == *relation
                    && one.series == entry.series.as_str()
                    && one.key == entry.key.as_str()
            }),
            Test::Known(known) => self.content(&known.asked, content) || known.passes(content, self.basis),
            Test::Quad(quad) => values::any_quad(content, self.basis, |own| own == *quad),
            Test::Near {
                latitude,
                longitude,
                km,
            } => content
                .places
                .iter()
                .any(|place| distance_km(place, *latitude, *longitude).is_some_and(|d| d <= *km)),
            Test::Has(field) => self.has(field, content),
            _ => texts(test, content, self.basis),
        }
    }

    /// Whether the content has any value for the field.
    fn has(&self, field: &Field, content: &Content) -> bool {
        match field {
            Field::Occurred | Field::Reported | Field::MentionedDay => {
                values::dates(field, content).any(|text| DaySpan::of(text).is_ok())
            }
            Field::Country
            | Field::SourceCountry
            | Field::TargetCountry
            | Field::MentionedCountry
            | Field::PlaceCountry => values::any_country(field, content, self.basis, |_| true),
            Field::Dyad => values::any_dyad(content, false, |one| {
                let has = any_of_participant(one, When::Of(content), self.basis, |_| true);
                (has, has)
            }),
            Field::ActorDyad => values::any_dyad(content, false, |_| (true, true)),
            Field::Root => values::any_root(content, self.basis, |_, _| true),
            Field::Quad => values::any_quad(content, self.basis, |_| true),
            Field::Flag => !content.flags.is_empty(),
            Field::Related(relation) => content.relations.iter().any(|one| one.r#type() == *relation),
            Field::Measure(name) => values::any_measure(name, content, self.basis, |_| true),
            Field::Mode => values::any_mode(content, self.basis, |_| true),
            _ => {
                values::any_text(field, content, |_| true)
                    || values::any_code(field, content, self.basis, |_| true)
            }
        }
    }
}

/// The conditions on names, texts, codes and numbers.
fn texts(test: &Test, content: &Content, basis: Basis) -> bool {
    match test {
        Test::Text {
            field: Field::Actor,
            check,
        } => any_actor(content, basis, |name| check.passes(name)),
        Test::Text {
            field: field @ Field::Language,
            check,
        } => values::any_text(field, content, |tag| check.passes_tag(tag)),
        Test::Text {
            field: Field::Mode,
            check,
        } => values::any_mode(content, basis, |mode| check.passes(mode)),
        Test::Text { field, check } => values::any_text(field, content, |text| check.passes(text)),
        Test::Code { field, scheme, check } => values::any_code(field, content, basis, |code| {
            let scheme_fits = scheme
                .as_ref()
                .is_none_or(|scheme| is_folded(code.scheme, scheme));
            scheme_fits && (check.passes(code.code) || check.passes(code.label))
        }),
        Test::Root { scheme, code } => values::any_root(content, basis, |own, root| {
            is_folded(own, scheme) && is_folded(root, code)
        }),
        Test::Measure { name, compare, value } => {
            values::any_measure(name, content, basis, |own| compare.holds_for_decimals(own, value))
        }
        Test::ExtraNumber {
            field,
            compare,
            value,
        } => values::any_text(field, content, |own| compare.holds_for_decimals(own, value)),
        Test::ExtraText { field, check } => values::any_text(field, content, |own| check.passes(own)),
        Test::Words(words) => {
            let has = |text: &str| with_folded(text, |folded| words.is_in(folded));
            values::any_text(&Field::Text, content, has) || values::any_text(&Field::Name, content, has)
        }
        _ => false,
    }
}

/// Whether the name or a code of an actor passes.
pub(super) fn any_actor(content: &Content, basis: Basis, passes: impl Fn(&str) -> bool) -> bool {
    values::any_text(&Field::Actor, content, &passes)
        || values::any_code(&Field::Actor, content, basis, |code| passes(code.code))
}

fn envelope_text<'s>(field: &Field, subject: &'s Subject) -> &'s str {
    match field {
        Field::Series => subject.series,
        Field::Key => subject.key,
        _ => subject.principal,
    }
}

fn envelope_has(field: &Field, subject: &Subject) -> bool {
    match field {
        Field::Principal => !subject.principal.is_empty(),
        Field::Revision => subject.revision.get() > 0,
        _ => true,
    }
}

fn is_folded(text: &str, folded: &str) -> bool {
    match text.is_ascii() {
        true => text.trim().eq_ignore_ascii_case(folded),
        false => with_folded(text, |text| text.trim() == folded),
    }
}

fn is_actor(one: &Participant, wanted: &str) -> bool {
    let named = is_folded(&one.name, wanted) || is_folded(&one.stated_name, wanted);
    named || one.codes.iter().any(|code| is_folded(&code.code, wanted))
}

impl TextCheck {
    pub(super) fn passes(&self, text: &str) -> bool {
        match self {
            _ if text.is_empty() => false,
            Self::Is(wanted) => is_folded(text, wanted),
            Self::Literal(wanted) => text == wanted,
            Self::Prefix(wanted) if text.is_ascii() => {
                let start = text.trim_start().as_bytes().get(..wanted.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(wanted.as_bytes()))
            }
            Self::Prefix(wanted) => with_folded(text, |text| text.trim_start().starts_with(wanted.as_str())),
            Self::Has(words) => with_folded(text, |text| words.is_in(text)),
            Self::Part(wanted) => with_folded(text, |text| text.contains(wanted.as_str())),
        }
    }

    /// The same for tags of languages: `en` is also the start of `en-GB`.
    fn passes_tag(&self, tag: &str) -> bool {
        let Self::Is(wanted) = self else {
            return self.passes(tag);
        };
        let longer = || {
            let (start, rest) = tag.trim().split_at_checked(wanted.len())?;
            (rest.starts_with('-') && is_folded(start, wanted)).then_some(())
        };
        is_folded(tag, wanted) || longer().is_some()
    }
}

impl Compare {
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// A text that is no number passes nothing.
    fn holds_for_decimals(self, own: &str, value: &str) -> bool {
        match (Decimal::parse(own), Decimal::parse(value)) {
            (Some(own), Some(value)) => self.holds(own.compare(&value)),
            _ => false,
        }
    }
}

impl DateCompare {
    pub(super) fn holds(self, own: &DaySpan, asked: &DaySpan) -> bool {
        match self {
            Self::Possibly => own.may_meet(asked),
            Self::Certainly(Compare::Equal) => own.is_within(asked),
            Self::Certainly(Compare::Less) => own.is_before(asked),
            Self::Certainly(Compare::LessOrEqual) => own.is_until(asked),
            Self::Certainly(Compare::Greater) => own.is_after(asked),
            Self::Certainly(Compare::GreaterOrEqual) => own.is_from(asked),
        }
    }
}

impl Moment {
    fn holds(&self, compare: Compare, recorded: i64) -> bool {
        match compare {
            Compare::Equal => (self.from..self.to).contains(&recorded),
            Compare::Less => recorded < self.from,
            Compare::LessOrEqual => recorded < self.to,
            Compare::Greater => recorded >= self.to,
            Compare::GreaterOrEqual => recorded >= self.from,
        }
    }
}

/// The way over a sphere of 6,371.009 km radius (haversine); `None` where the place has no coordinates.
fn distance_km(place: &Place, latitude: f64, longitude: f64) -> Option<f64> {
    let own = (degrees(&place.latitude)?, degrees(&place.longitude)?);
    Some(km_between((latitude, longitude), own))
}

/// The way between two points on a sphere, in kilometres (haversine), each as latitude and longitude.
pub(super) fn km_between(one: (f64, f64), other: (f64, f64)) -> f64 {
    let (from, to) = (one.0.to_radians(), other.0.to_radians());
    let half_latitude = ((to - from) / 2.0).sin();
    let half_longitude = ((other.1 - one.1).to_radians() / 2.0).sin();
    let chord = half_latitude.powi(2) + from.cos() * to.cos() * half_longitude.powi(2);
    2.0 * EARTH_KM * chord.sqrt().min(1.0).asin()
}

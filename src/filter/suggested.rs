//! What a document seems to say, as conditions and terms see it.
//!
//! A suggestion makes a condition hold beside what is stated, never instead of it, and only where the filter's basis lets it. This
//! file says which suggestions are values of which field; [`super::eval`] asks it for records, [`super::terms`] for indexes, and
//! whoever answers tells by [`Filter::found_by`] which suggestions an entry was found by.

use super::Filter;
use super::eval::Evaluation;
use super::field::{Field, SUGGESTION_PARTS};
use super::subject::Subject;
use super::terms::{TermField, add_folded};
use super::tree::{Node, Test};
use super::values;
use crate::derive::{Basis, Iso3};
use crate::record::Kind;
use crate::record::codec::Content;
use crate::record::date::DaySpan;
use crate::suggest::{Document, Part, Suggested, Suggestion, suggest};

/// The most suggestions that are told of one entry.
const TOLD_MAX: usize = 16;

/// What a content's title and body suggest, read as of the day on which it says that it was reported.
pub(super) fn of_content(content: &Content) -> Vec<Suggestion> {
    suggest(Document::of(content))
}

/// Whether the record itself says what suggestions would be asked for: a date of its own leaves no day to be guessed.
pub(super) fn is_stated_instead(test: &Test, content: &Content) -> bool {
    let is_occurred = test.field() == Some(Field::Occurred);
    is_occurred && values::dates(&Field::Occurred, content).any(|text| DaySpan::of(text).is_ok())
}

/// Whether a condition holds by a suggestion.
pub(super) fn passes(test: &Test, one: &Suggestion, content: &Content) -> bool {
    match test {
        Test::Country { field, code } => country(field, one) == Some(*code),
        Test::Text { field, check } => {
            let mut names = names(field, one, content);
            names.any(|name| check.passes(name))
        }
        Test::Known(known) => {
            let mut names = names(&Field::Actor, one, content);
            passes(&known.asked, one, content) || names.any(|name| known.has_name(name, content))
        }
        Test::Date { field, how, span, .. } => day(field, one).is_some_and(|own| how.holds(&own, span)),
        Test::Has(field) => {
            let is_named = names(field, one, content).next().is_some();
            is_named || country(field, one).is_some() || day(field, one).is_some()
        }
        _ => false,
    }
}

fn country(field: &Field, one: &Suggestion) -> Option<Iso3> {
    match (field, &one.what) {
        (Field::Country | Field::MentionedCountry, Suggested::Country(code)) => Some(*code),
        (Field::PlaceCountry, Suggested::Place { country, .. }) => *country,
        _ => None,
    }
}

fn day(field: &Field, one: &Suggestion) -> Option<DaySpan> {
    match (field, &one.what) {
        (Field::Occurred | Field::MentionedDay, Suggested::Day(day)) => DaySpan::of(day).ok(),
        _ => None,
    }
}

/// The name that is meant, and the one that the text uses there: `Qamar Javed Bajwa` and `Bajwa`. None where it is not of the field.
fn names<'s>(
    field: &Field,
    one: &'s Suggestion,
    content: &'s Content,
) -> impl Iterator<Item = &'s str> + use<'s> {
    let name = match (field, &one.what) {
        (Field::Actor | Field::MentionedActor, Suggested::Person { name, .. }) => Some(&**name),
        (Field::Actor | Field::MentionedActor, Suggested::Organisation(name)) => Some(name.as_str()),
        (Field::Place | Field::MentionedPlace, Suggested::Place { name, .. }) => Some(name.as_str()),
        _ => None,
    };
    let part = match one.part {
        Part::Title => &content.title,
        Part::Text => &content.body,
    };
    let used = part.get(one.range.clone()).unwrap_or_default();
    let both = name.map(|name| [name, used]);
    both.into_iter().flatten().filter(|name| !name.is_empty())
}

/// The terms of what a subject suggests; they are never among those of what is stated or derived.
pub(super) fn add_terms(subject: &Subject, add: &mut impl FnMut(TermField, &[u8])) {
    let suggestions = subject.suggestions();
    let Some(content) = subject
        .content
        .get(SUGGESTION_PARTS)
        .filter(|_| !suggestions.is_empty())
    else {
        return;
    };
    for one in suggestions {
        for (field, term) in COUNTRIES {
            if let Some(code) = country(&field, one) {
                add(term, &code.as_bytes());
            }
        }
        for (field, term) in NAMES {
            for name in names(&field, one, content) {
                add_folded(term, name, add);
            }
        }
    }
}

const COUNTRIES: [(Field, TermField); 2] = [
    (Field::Country, TermField::SuggestedCountry),
    (Field::PlaceCountry, TermField::SuggestedPlaceCountry),
];
const NAMES: [(Field, TermField); 2] = [
    (Field::Actor, TermField::SuggestedActor),
    (Field::Place, TermField::SuggestedPlace),
];

/// The term that has what is suggested for a field; none has days.
pub(super) fn term_of(field: &Field) -> Option<TermField> {
    match field {
        Field::Country | Field::MentionedCountry => Some(TermField::SuggestedCountry),
        Field::PlaceCountry => Some(TermField::SuggestedPlaceCountry),
        Field::Actor | Field::MentionedActor => Some(TermField::SuggestedActor),
        Field::Place | Field::MentionedPlace => Some(TermField::SuggestedPlace),
        _ => None,
    }
}

/// Calls `take` with each day or month that a subject names in its text, as often as it does.
pub fn each_mentioned_day(subject: &Subject, take: impl FnMut(DaySpan)) {
    let days = subject.suggestions().iter();
    days.filter_map(|one| day(&Field::MentionedDay, one))
        .for_each(take);
}

impl Filter {
    /// The suggestions by which a record passes that would not pass by what it states and what follows from that: each thing once,
    /// where the document names it first, and no more than 16.
    pub fn found_by(&self, subject: &Subject) -> Vec<Suggestion> {
        let mut found = Vec::new();
        if self.basis() != Basis::Suggested || subject.kind != Kind::Document {
            return found;
        }
        let with = self.evaluation(subject, Basis::Suggested);
        let without = self.evaluation(subject, Basis::Derived);
        if let Some(content) = subject.content.get(with.parts)
            && !without.node(&self.0.plan)
        {
            gather(&self.0.root, (&with, &without), content, &mut found);
        }
        let at = |one: &Suggestion| (one.part, one.range.start);
        found.sort_by_key(at);
        let mut told: Vec<Suggestion> = Vec::new();
        for one in found {
            if told.len() < TOLD_MAX && told.iter().all(|other| other.what != one.what) {
                told.push(one);
            }
        }
        told
    }
}

/// Adds the suggestions by which the conditions hold that make a node hold.
fn gather(node: &Node, of: (&Evaluation, &Evaluation), content: &Content, found: &mut Vec<Suggestion>) {
    let (with, without) = of;
    if !with.node(node) {
        return;
    }
    match node {
        Node::And(nodes) | Node::Or(nodes) => {
            nodes.iter().for_each(|node| gather(node, of, content, found));
        }
        Node::Test(test) if !without.test(test) => found.extend(with.suggested(test, content).cloned()),
        // What is denied was found by nothing.
        Node::All | Node::Not(_) | Node::Test(_) => {}
    }
}

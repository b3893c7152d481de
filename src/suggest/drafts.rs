//! Drafts: the events that a document seems to tell of, as whoever annotates it would begin to write them.
//!
//! A draft is no statement: a person reads it, corrects it and appends it as an own one, or throws it away. Each comes of the sentences
//! for which a kind of event was suggested. Those of one kind make one draft as long as they name nobody new.

use super::text::{Read, one_line};
use super::{Document, Part, Rule, Suggested, Suggestion};
use crate::derive::{Iso3, countries, types};
use crate::record::codec::{
    ActorKind, Content, Country, Date, DateRole, Participant, Place, PlaceRole, Report, Side, TypeCode,
};
use std::collections::BTreeSet;
use std::ops::Range;

/// The most drafts of a document.
pub const DRAFTS_MAX: usize = 8;
/// The most participants of a draft.
const PARTICIPANTS_MAX: usize = 12;
/// The most sentences before one that names nobody in which somebody is looked for.
const BACK: usize = 2;
/// The most places of a draft.
const PLACES_MAX: usize = 12;
/// The most sentences that a draft is made of.
const CONTEXT_MAX: usize = 64;
/// The most sentences that a draft is said to be reported in.
const EVIDENCE_MAX: usize = 3;
/// The most letters of a draft's title.
const TITLE_CHARS: usize = 160;
/// Somebody says something: told last, since every dispatch is full of it.
const STATEMENT: &str = "01";
/// Roots of CAMEO whose events have equals, not one who acts and one whom it is done to: agreeing, consulting, cooperating.
const AMONG_EQUALS: [&str; 4] = ["03", "04", "05", "06"];

/// The drafts of a document from what [`super::suggest`] says of it: at least one, at most [`DRAFTS_MAX`], what is only said last. Takes a
/// time that grows with the length of the text, whatever stands in it.
///
/// ```
/// use chancery::suggest::{Document, drafts::drafts, suggest};
///
/// let document = Document {
///     text: "Foreign Minister Hina Rabbani Khar met her Iranian counterpart in Islamabad on 3 May 2012.",
///     ..Document::default()
/// };
/// let drafts = drafts(&document, &suggest(document));
/// assert_eq!(drafts[0].types[0].code, "040");
/// assert_eq!(drafts[0].dates[0].edtf, "2012-05-03");
/// assert_eq!(drafts[0].participants[0].name, "Hina Rabbani Khar");
/// ```
pub fn drafts(document: &Document<'_>, suggestions: &[Suggestion]) -> Vec<Content> {
    let found = Found::of(suggestions);
    let read = Read::of(document.text);
    let mut stories = Stories::default();
    for one in &found.0 {
        if let Suggested::Event(code) = one.what {
            stories.add(code, &one.range, context(&read, &one.range, &found), &found);
        }
    }
    let mut stories = stories.in_order();
    if stories.is_empty() {
        stories.push(Story::of_all(document, &found));
    }
    stories
        .iter()
        .map(|story| story.draft(document, &found))
        .collect()
}

/// What is suggested in the text, in its order.
struct Found<'s>(Vec<&'s Suggestion>);

impl<'s> Found<'s> {
    fn of(suggestions: &'s [Suggestion]) -> Self {
        let of_text = suggestions.iter().filter(|one| one.part == Part::Text);
        let mut of_text: Vec<&Suggestion> = of_text.collect();
        of_text.sort_by_key(|one| one.range.start);
        Self(of_text)
    }

    /// What is suggested within sentences.
    fn within<'f>(&'f self, sentences: &'f [Range<usize>]) -> impl Iterator<Item = &'s Suggestion> + 'f {
        sentences.iter().flat_map(|sentence| {
            let first = self.0.partition_point(|one| one.range.start < sentence.start);
            let behind = self.0.partition_point(|one| one.range.start < sentence.end);
            let from_it = self.0[first..behind.max(first)].iter().copied();
            from_it.filter(|one| one.range.end <= sentence.end)
        })
    }

    fn persons_in(&self, sentences: &[Range<usize>]) -> BTreeSet<&'s str> {
        let names = self.within(sentences).filter_map(|one| match &one.what {
            Suggested::Person { name, .. } => Some(&**name),
            _ => None,
        });
        names.collect()
    }
}

/// Sentences that tell of one event.
struct Story<'s> {
    /// Its CAMEO code; empty where none is suggested.
    code: &'static str,
    /// The first of those that speak for the kind of event.
    evidence: Vec<Range<usize>>,
    /// Those, and those that they go on from, in the order of the text; the first of them, where there are many.
    context: Vec<Range<usize>>,
    /// Whom the context named at first.
    persons: BTreeSet<&'s str>,
}

/// The stories of a document: of what happened, and of what was said, no more of either than there may be drafts.
#[derive(Default)]
struct Stories<'s> {
    happened: Vec<Story<'s>>,
    said: Vec<Story<'s>>,
}

impl<'s> Stories<'s> {
    /// Adds a sentence and its context: to the story of the same kind that has all whom they name, else as a story of its own. What
    /// there is no draft left for is nobody's story.
    fn add(
        &mut self,
        code: &'static str,
        sentence: &Range<usize>,
        context: Vec<Range<usize>>,
        found: &Found<'s>,
    ) {
        let stories = match root(code) {
            STATEMENT => &mut self.said,
            _ => &mut self.happened,
        };
        let persons = found.persons_in(&context);
        let is_same =
            |story: &&mut Story<'_>| story.root() == root(code) && persons.is_subset(&story.persons);
        if let Some(story) = stories.iter_mut().find(is_same) {
            story.go_on(code, sentence, context);
        } else if stories.len() < DRAFTS_MAX {
            stories.push(Story {
                code,
                evidence: vec![sentence.clone()],
                context,
                persons,
            });
        }
    }

    /// What happened before what was said; else in the order of the text.
    fn in_order(self) -> Vec<Story<'s>> {
        let all = self.happened.into_iter().chain(self.said);
        all.take(DRAFTS_MAX).collect()
    }
}

/// A sentence; where it names nobody, behind those before it, up to the next one that does: `They discussed the border` goes on
/// about somebody.
fn context(read: &Read<'_>, sentence: &Range<usize>, found: &Found<'_>) -> Vec<Range<usize>> {
    let mut context = vec![sentence.clone()];
    let at = read
        .sentences
        .partition_point(|other| other.end <= sentence.start);
    for before in read.sentences[..at].iter().rev().take(BACK) {
        if !found.persons_in(&context).is_empty() {
            break;
        }
        context.insert(0, before.clone());
    }
    context
}

fn root(code: &str) -> &str {
    code.get(..2).unwrap_or(code)
}

impl<'s> Story<'s> {
    /// That of a document of which no kind of event is suggested.
    fn of_all(document: &Document<'_>, found: &Found<'s>) -> Self {
        let whole: Vec<Range<usize>> = std::iter::once(0..document.text.len()).collect();
        Self {
            code: "",
            persons: found.persons_in(&whole),
            evidence: Vec::new(),
            context: whole,
        }
    }

    /// Goes on with a sentence and its context.
    fn go_on(&mut self, code: &'static str, sentence: &Range<usize>, context: Vec<Range<usize>>) {
        // The finer code says more.
        if code.len() > self.code.len() {
            self.code = code;
        }
        if self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(sentence.clone());
        }
        for one in context {
            if self.context.len() < CONTEXT_MAX && !self.context.contains(&one) {
                self.context.push(one);
            }
        }
    }

    fn root(&self) -> &str {
        root(self.code)
    }

    fn draft(&self, document: &Document<'_>, found: &Found<'_>) -> Content {
        Content {
            title: self.title(document),
            dates: self.date(document, found).into_iter().collect(),
            participants: self.participants(found),
            types: self.types(),
            places: self.places(found),
            reports: self.reports(document),
            ..Content::default()
        }
    }

    fn title(&self, document: &Document<'_>) -> String {
        let sentence = self.context.first().cloned().unwrap_or_default();
        let text = match self.code {
            "" if !document.title.is_empty() => document.title,
            _ => &document.text[sentence],
        };
        let text = one_line(text);
        let Some((end, _)) = text.char_indices().nth(TITLE_CHARS) else {
            return text.trim_end_matches('.').to_owned();
        };
        let words = text[..end]
            .rsplit_once(' ')
            .map_or(&text[..end], |(words, _)| words);
        format!("{words}…")
    }

    fn types(&self) -> Vec<TypeCode> {
        let code = (!self.code.is_empty()).then(|| TypeCode {
            scheme: "cameo".to_owned(),
            code: self.code.to_owned(),
            label: types()
                .cameo(self.code)
                .map_or_else(String::new, |known| known.label.to_owned()),
            ..TypeCode::default()
        });
        code.into_iter().collect()
    }

    /// The day that the sentences give, else the first of the document.
    fn date(&self, document: &Document<'_>, found: &Found<'_>) -> Option<Date> {
        let is_day = |one: &&Suggestion| matches!(one.what, Suggested::Day(_));
        let own = found.within(&self.context).find(is_day);
        let one = own.or_else(|| found.0.iter().copied().find(is_day))?;
        let Suggested::Day(day) = &one.what else {
            return None;
        };
        Some(Date {
            role: DateRole::Occurred.into(),
            edtf: day.clone(),
            stated: match one.rule {
                Rule::RelativeDay => one_line(&document.text[one.range.clone()]),
                _ => String::new(),
            },
            ..Date::default()
        })
    }

    fn places(&self, found: &Found<'_>) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        for one in found.within(&self.context) {
            if places.len() >= PLACES_MAX {
                break;
            }
            let Suggested::Place { name, country } = &one.what else {
                continue;
            };
            if places.iter().any(|place| place.name == *name) {
                continue;
            }
            places.push(Place {
                role: PlaceRole::Action.into(),
                name: name.clone(),
                country: country.map(coded),
                ..Place::default()
            });
        }
        places
    }

    /// The sentences, as they stand.
    fn reports(&self, document: &Document<'_>) -> Vec<Report> {
        if self.evidence.is_empty() {
            return Vec::new();
        }
        let sentences = self
            .evidence
            .iter()
            .map(|range| one_line(&document.text[range.clone()]));
        vec![Report {
            sentence: sentences.collect::<Vec<_>>().join(" "),
            ..Report::default()
        }]
    }

    /// Persons; where none is named organisations, and where there is none either the states. Beside persons, states whose they are
    /// not are only mentioned.
    fn participants(&self, found: &Found<'_>) -> Vec<Participant> {
        let found: Vec<&Suggestion> = found.within(&self.context).collect();
        let mut named = persons(&found);
        if named.is_empty() {
            named = organisations(&found);
        }
        let is_known = |code: &Iso3| {
            let mut countries = named.iter().flat_map(|one| &one.countries);
            countries.any(|country| country.code == code.to_string())
        };
        let others: Vec<Iso3> = states(&found)
            .into_iter()
            .filter(|code| !is_known(code))
            .collect();
        let are_mentioned = !named.is_empty();
        self.take_sides(&mut named);
        let mut states: Vec<Participant> = others.into_iter().map(state).collect();
        match are_mentioned {
            true => states
                .iter_mut()
                .for_each(|one| one.side = Side::Mentioned.into()),
            false => self.take_sides(&mut states),
        }
        named.extend(states);
        named.truncate(PARTICIPANTS_MAX);
        named
    }

    fn take_sides(&self, participants: &mut [Participant]) {
        let among_equals = AMONG_EQUALS.contains(&self.root());
        for (at, one) in participants.iter_mut().enumerate() {
            let side = match at {
                _ if among_equals => Side::Party,
                0 => Side::Source,
                _ => Side::Target,
            };
            one.side = side.into();
        }
    }
}

/// The first persons, as many as a draft may have.
fn persons(found: &[&Suggestion]) -> Vec<Participant> {
    let mut persons: Vec<Participant> = Vec::new();
    for one in found {
        if persons.len() >= PARTICIPANTS_MAX {
            break;
        }
        let Suggested::Person {
            name,
            office,
            country,
        } = &one.what
        else {
            continue;
        };
        if persons.iter().any(|person| *person.name == **name) {
            continue;
        }
        persons.push(Participant {
            name: name.to_string(),
            kind: ActorKind::Person.into(),
            office: one_line(office),
            countries: country.map(coded).into_iter().collect(),
            ..Participant::default()
        });
    }
    persons
}

/// The first organisations, as many as a draft may have, each with the country that is suggested for the same words.
fn organisations(found: &[&Suggestion]) -> Vec<Participant> {
    let mut organisations: Vec<Participant> = Vec::new();
    for one in found {
        if organisations.len() >= PARTICIPANTS_MAX {
            break;
        }
        let Suggested::Organisation(name) = &one.what else {
            continue;
        };
        if organisations.iter().any(|known| known.name == *name) {
            continue;
        }
        let country = found.iter().find_map(|other| match other.what {
            Suggested::Country(code) if other.range == one.range => Some(code),
            _ => None,
        });
        organisations.push(Participant {
            name: name.clone(),
            kind: ActorKind::Organisation.into(),
            countries: country.map(coded).into_iter().collect(),
            ..Participant::default()
        });
    }
    organisations
}

/// Countries that are named as such, not only by a place in them.
fn states(found: &[&Suggestion]) -> Vec<Iso3> {
    let bytes = |one: &Suggestion| (one.range.start, one.range.end);
    let is_place = |one: &&&Suggestion| matches!(one.what, Suggested::Place { .. });
    let places: BTreeSet<_> = found.iter().filter(is_place).map(|one| bytes(one)).collect();
    let mut states = Vec::new();
    for one in found {
        match one.what {
            // There are few countries.
            Suggested::Country(code) if !states.contains(&code) && !places.contains(&bytes(one)) => {
                states.push(code);
            }
            _ => {}
        }
    }
    states
}

fn state(code: Iso3) -> Participant {
    Participant {
        name: countries()
            .name(code)
            .map_or_else(|| code.to_string(), str::to_owned),
        kind: ActorKind::State.into(),
        countries: vec![coded(code)],
        ..Participant::default()
    }
}

fn coded(code: Iso3) -> Country {
    Country {
        scheme: "iso3".to_owned(),
        code: code.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::suggest;
    use super::*;
    use crate::record::date::day_number;

    const DISPATCH: &str = "Pakistan Army chief Gen. Qamar Javed Bajwa received Maj. Gen. Mohammad Bagheri, the chief of staff of \
        Iran's armed forces, in Rawalpindi on Wednesday. They discussed Afghanistan. \"We are neighbours and brothers,\" \
        Bajwa said. Bagheri also met Prime Minister Imran Khan.";

    fn of(text: &str) -> Vec<Content> {
        let document = Document {
            text,
            reported: Some(day_number(2021, 10, 14)),
            ..Document::default()
        };
        drafts(&document, &suggest(document))
    }

    fn names(draft: &Content) -> Vec<(&str, Side)> {
        let participants = draft.participants.iter();
        participants.map(|one| (one.name.as_str(), one.side())).collect()
    }

    #[test]
    fn each_meeting_is_a_draft_with_those_who_met() {
        let drafts = of(DISPATCH);
        let first = &drafts[0];
        assert_eq!(
            names(first)[..2],
            [
                ("Qamar Javed Bajwa", Side::Party),
                ("Mohammad Bagheri", Side::Party)
            ]
        );
        assert_eq!(first.participants[0].countries[0].code, "PAK");
        assert_eq!(
            (first.dates[0].edtf.as_str(), first.dates[0].stated.as_str()),
            ("2021-10-13", "Wednesday")
        );
        assert_eq!(first.places[0].name, "Rawalpindi");
        assert!(first.types[0].code.starts_with("04"));
        assert_eq!(first.reports[0].sentence, "They discussed Afghanistan.");
        assert!(first.title.starts_with("Pakistan Army chief"));
        let with_khan = drafts
            .iter()
            .find(|draft| names(draft).iter().any(|(name, _)| *name == "Imran Khan"));
        assert!(with_khan.is_some_and(|draft| draft != first), "{drafts:#?}");
    }

    #[test]
    fn states_act_where_nobody_is_named() {
        let drafts = of("Russia imposed sanctions on Canada on 4 March 2022.");
        assert_eq!(
            names(&drafts[0]),
            [("Russia", Side::Source), ("Canada", Side::Target)]
        );
    }

    #[test]
    fn what_suggests_no_event_gives_one_draft_without_a_type() {
        let drafts = of("A quiet day in Geneva.");
        assert_eq!(drafts.len(), 1);
        assert!(drafts[0].types.is_empty() && drafts[0].reports.is_empty());
        assert_eq!(of("").len(), 1);
    }

    #[test]
    fn drafts_are_few_and_their_titles_short() {
        let long = format!(
            "Foreign Minister John Smith visited {} Paris. ",
            "very ".repeat(200)
        )
        .repeat(40);
        let drafts = of(&long);
        assert!(drafts.len() <= DRAFTS_MAX);
        assert!(
            drafts
                .iter()
                .all(|draft| draft.title.chars().count() <= TITLE_CHARS + 1)
        );
    }
}

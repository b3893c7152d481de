//! What a dispatch seems to say: countries, persons, organisations, places, days, statements and kinds of event, found in its title
//! and text.
//!
//! A suggestion is never a statement. It names the bytes in which it was found and the rule that found it, nothing of it is ever
//! written into a record, and the same text gives the same suggestions: they are a pure function of title, text, the day on which the
//! text was reported, and tables whose version is [`version`]. The tables are the files of `data/suggest` and those of countries;
//! another language is another set of them. What is uncertain is left out: a wrong suggestion costs its reader more than a missing one.
//!
//! [`text`] cuts a text into words and sentences, [`names`] finds what the tables name and [`beside`] whether the words beside it make
//! it mean another thing; [`persons`] (with [`offices`] and [`known`]), [`days`] (with [`tense`]), [`organisations`], [`statements`] and
//! [`events`] each have the rules for one kind; [`drafts`] makes of them the events that a person may annotate the document with, and
//! [`sides`] says who takes part in them; [`evaluate`] measures them against a labelled set.

mod beside;
mod days;
pub mod drafts;
pub mod evaluate;
mod events;
#[cfg(test)]
mod hostile;
mod known;
mod names;
mod offices;
mod organisations;
mod persons;
mod sides;
mod statements;
mod tense;
#[cfg(test)]
mod tests;
mod text;
mod words;

use crate::derive::Iso3;
use crate::record::codec::{Content, DateRole};
use crate::record::date::DaySpan;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Version of rules and tables together; raised with every change by which some text is read otherwise, and
/// [`RULES`](crate::derive::RULES) with it: filters read texts, and citations say by which rules they did.
pub fn version() -> &'static str {
    "2026-2"
}

/// The most suggestions of a document, title and text together: the first by where they stand. It is what some 300 KiB of dispatches
/// suggest; a text that was made to suggest more costs its readers no more than that.
pub const SUGGESTIONS_MAX: usize = 10_000;

/// A part of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Its title.
    Title,
    /// Its text.
    Text,
}

impl Part {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Text => "text",
        }
    }
}

/// What is suggested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suggested {
    /// A country is meant.
    Country(Iso3),
    /// A person, with the office that the text gives: `Prime Minister`, and its country.
    Person {
        /// The longest form of the name in the document: five words of 64 bytes at most. All mentions share it.
        name: Arc<str>,
        /// As the text says it; empty where it says none, or more than 256 bytes.
        office: Arc<str>,
        /// The country of the office.
        country: Option<Iso3>,
    },
    /// An organisation or an office, by its full name where that is known.
    Organisation(String),
    /// A place, with its country where that is known.
    Place {
        /// Its name.
        name: String,
        /// The country in which it lies.
        country: Option<Iso3>,
    },
    /// A day, or a month, as EDTF.
    Day(String),
    /// Words between quotation marks, and who is said to have said them; empty where the sentence does not say.
    Statement {
        /// The speaker as the sentence names him.
        speaker: String,
    },
    /// A kind of event, as a CAMEO code; its sentence is the evidence.
    Event(&'static str),
}

impl Suggested {
    /// The word of its kind.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Country(_) => "country",
            Self::Person { .. } => "person",
            Self::Organisation(_) => "organisation",
            Self::Place { .. } => "place",
            Self::Day(_) => "day",
            Self::Statement { .. } => "statement",
            Self::Event(_) => "event",
        }
    }
}

impl fmt::Display for Suggested {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(code) => write!(out, "{code}"),
            Self::Person { name, office, .. } if office.is_empty() => out.write_str(name),
            Self::Person { name, office, .. } => write!(out, "{name}, {office}"),
            Self::Organisation(name) => out.write_str(name),
            Self::Place { name, country: None } => out.write_str(name),
            Self::Place {
                name,
                country: Some(country),
            } => write!(out, "{name}, {country}"),
            Self::Day(day) => out.write_str(day),
            Self::Statement { speaker } => out.write_str(speaker),
            Self::Event(code) => out.write_str(code),
        }
    }
}

/// The rule that found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A name of a country, of today or of the past.
    CountryName,
    /// A word for the people of a country.
    Nationality,
    /// The seat of a government, which stands for its country and is a place.
    Seat,
    /// A place of the tables.
    PlaceName,
    /// A name behind a title.
    Titled,
    /// A name that begins with a given name.
    GivenName,
    /// A name beside an office, and a comma between.
    Apposition,
    /// A part of a name that the document has in full.
    NamedBefore,
    /// An organisation of the tables.
    OrganisationName,
    /// Words with capitals and a word for a sort of organisation.
    OrganisationPattern,
    /// A date as such.
    WrittenDate,
    /// A day relative to that on which the document was reported.
    RelativeDay,
    /// Quotation marks.
    Quotation,
    /// A phrase that speaks for a kind of event.
    EventPhrase,
}

impl Rule {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::CountryName => "country-name",
            Self::Nationality => "nationality",
            Self::Seat => "seat-of-government",
            Self::PlaceName => "place-name",
            Self::Titled => "title-and-name",
            Self::GivenName => "given-name",
            Self::Apposition => "apposition",
            Self::NamedBefore => "named-before",
            Self::OrganisationName => "organisation-name",
            Self::OrganisationPattern => "organisation-pattern",
            Self::WrittenDate => "written-date",
            Self::RelativeDay => "relative-day",
            Self::Quotation => "quotation",
            Self::EventPhrase => "event-phrase",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Where: the part.
    pub part: Part,
    /// Where: bytes of the part's UTF-8. Of an event, its whole sentence.
    pub range: Range<usize>,
    /// What.
    pub what: Suggested,
    /// Why.
    pub rule: Rule,
}

/// What is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Document<'d> {
    /// Its title.
    pub title: &'d str,
    /// Its text.
    pub text: &'d str,
    /// The day on which it was reported, in days since 1970-01-01; relative days need it.
    pub reported: Option<i32>,
}

impl<'d> Document<'d> {
    /// The title and the body of a content, read as of the one day on which it says that it was reported. Where it says several, or no
    /// single one, nothing is known of the day.
    pub fn of(content: &'d Content) -> Self {
        let dates = content.dates.iter();
        let reported = dates.filter(|date| date.role() == DateRole::Reported);
        let mut spans = reported.filter_map(|date| DaySpan::of(&date.edtf).ok());
        let day = spans.next().filter(|first| {
            let is_one = first.earliest == first.latest;
            is_one && spans.all(|other| other == *first)
        });
        Self {
            title: &content.title,
            text: &content.body,
            reported: day.and_then(|day| day.earliest),
        }
    }
}

/// What a document suggests, in the order in which it says it, the title first: [`SUGGESTIONS_MAX`] at most. Takes a time that grows
/// with the length of the text, whatever stands in it.
///
/// ```
/// use chancery::record::date::day_number;
/// use chancery::suggest::{Document, suggest};
///
/// let document = Document {
///     text: "Gen. Qamar Javed Bajwa met his Iranian counterpart in Rawalpindi on Wednesday.",
///     reported: Some(day_number(2021, 10, 14)),
///     ..Document::default()
/// };
/// let found = suggest(document).into_iter().map(|one| format!("{} {}", one.what.word(), one.what));
/// assert_eq!(
///     found.collect::<Vec<_>>(),
///     ["event 040", "person Qamar Javed Bajwa", "country IRN", "place Rawalpindi, PAK", "country PAK", "day 2021-10-13"]
/// );
/// ```
pub fn suggest(document: Document<'_>) -> Vec<Suggestion> {
    let mut all = Vec::new();
    let mut known = known::Known::default();
    let parts = [(Part::Text, document.text), (Part::Title, document.title)];
    // Names stand in full in the text, and shortened in the title: the text is read for names first.
    let read: Vec<_> = parts
        .into_iter()
        .map(|(part, text)| (part, text::Read::of(text)))
        .collect();
    let found: Vec<_> = read
        .iter()
        .map(|(_, read)| persons::named(read, &mut known))
        .collect();
    known.settle();
    for ((part, read), persons) in read.iter().zip(found) {
        let mut suggestions = persons::mentions(read, persons, &known);
        organisations::find(read, &mut suggestions);
        names::find(read, &mut suggestions);
        days::find(read, document.reported, &mut suggestions);
        statements::find(read, &mut suggestions);
        events::find(read, &mut suggestions);
        let suggestions = suggestions
            .into_iter()
            .map(|one| Suggestion { part: *part, ..one });
        all.extend(suggestions);
    }
    all.sort_by_key(|one| (one.part, one.range.start, order(one)));
    // Each rule stops after as many of its own, so that none that is left out here would have been before one that is kept.
    all.truncate(SUGGESTIONS_MAX);
    all
}

/// Of what begins at the same place, what is longer comes first.
fn order(one: &Suggestion) -> (std::cmp::Reverse<usize>, u8) {
    let rank = match one.what {
        Suggested::Event(_) => 0,
        Suggested::Statement { .. } => 1,
        Suggested::Person { .. } => 2,
        Suggested::Organisation(_) => 3,
        Suggested::Place { .. } => 4,
        Suggested::Country(_) => 5,
        Suggested::Day(_) => 6,
    };
    (std::cmp::Reverse(one.range.end), rank)
}

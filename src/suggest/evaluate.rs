//! How good suggestions are: precision and recall against what people have labelled.

use super::{Document, Suggested, suggest};
use crate::derive::fold;
use crate::record::date::DaySpan;
use serde::Deserialize;
use std::collections::BTreeSet;

/// A dispatch, and what a reader finds in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelled {
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// Its text.
    pub text: String,
    /// The day on which it was reported, YYYY-MM-DD.
    #[serde(default)]
    pub reported: String,
    /// ISO alpha-3 codes of the countries that it speaks of.
    pub countries: BTreeSet<String>,
    /// The persons whom it names, each by the longest form of the name in it, without titles.
    pub persons: BTreeSet<String>,
    /// The days and months that it names, as EDTF.
    pub days: BTreeSet<String>,
    /// The CAMEO roots of the events that it reports.
    pub roots: BTreeSet<String>,
}

/// Counts of one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Suggested and labelled.
    pub right: u64,
    /// Suggested and not labelled.
    pub wrong: u64,
    /// Labelled and not suggested.
    pub missing: u64,
}

impl Score {
    fn add(&mut self, suggested: &BTreeSet<String>, labelled: &BTreeSet<String>) -> Difference {
        let wrong: Vec<String> = suggested.difference(labelled).cloned().collect();
        let missing: Vec<String> = labelled.difference(suggested).cloned().collect();
        self.right += suggested.intersection(labelled).count() as u64;
        self.wrong += wrong.len() as u64;
        self.missing += missing.len() as u64;
        Difference { wrong, missing }
    }

    /// The share of what was suggested that is right; 1 where nothing was.
    pub fn precision(self) -> f64 {
        share(self.right, self.right + self.wrong)
    }

    /// The share of what was labelled that was suggested; 1 where nothing was.
    pub fn recall(self) -> f64 {
        share(self.right, self.right + self.missing)
    }

    /// The harmonic mean of both.
    pub fn f1(self) -> f64 {
        share(2 * self.right, 2 * self.right + self.wrong + self.missing)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

/// What differs in one dispatch.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Suggested and not labelled.
    pub wrong: Vec<String>,
    /// Labelled and not suggested.
    pub missing: Vec<String>,
}

/// The scores of a labelled set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scores {
    /// Countries.
    pub countries: Score,
    /// Persons, by their folded names.
    pub persons: Score,
    /// Days and months.
    pub days: Score,
    /// CAMEO roots.
    pub roots: Score,
}

/// The name of a field, and what differs in it.
pub type Differences = [(&'static str, Difference); 4];

impl Scores {
    /// Counts one dispatch, and says what differs in it.
    pub fn add(&mut self, labelled: &Labelled) -> Differences {
        let document = Document {
            title: &labelled.title,
            text: &labelled.text,
            reported: DaySpan::of(&labelled.reported)
                .ok()
                .and_then(|span| span.earliest),
        };
        let [mut countries, mut persons, mut days, mut roots] = [const { BTreeSet::<String>::new() }; 4];
        for one in suggest(document) {
            match one.what {
                Suggested::Country(code) => drop(countries.insert(code.to_string())),
                Suggested::Person { name, .. } => drop(persons.insert(fold(&name))),
                Suggested::Day(day) => drop(days.insert(day)),
                Suggested::Event(code) => drop(roots.insert(code[..2].to_owned())),
                Suggested::Organisation(_) | Suggested::Place { .. } | Suggested::Statement { .. } => {}
            }
        }
        // Labels are written as people read them.
        let in_full = |name: &String| {
            labelled
                .persons
                .iter()
                .find(|label| fold(label) == *name)
                .cloned()
        };
        let persons = persons
            .iter()
            .map(|name| in_full(name).unwrap_or_else(|| name.clone()))
            .collect();
        [
            ("countries", self.countries.add(&countries, &labelled.countries)),
            ("persons", self.persons.add(&persons, &labelled.persons)),
            ("days", self.days.add(&days, &labelled.days)),
            ("roots", self.roots.add(&roots, &labelled.roots)),
        ]
    }

    /// Each field with its score.
    pub fn all(&self) -> [(&'static str, Score); 4] {
        [
            ("countries", self.countries),
            ("persons", self.persons),
            ("days", self.days),
            ("CAMEO roots", self.roots),
        ]
    }
}

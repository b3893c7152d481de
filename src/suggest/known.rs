//! The persons of a document by the word that they are called by later: `Bajwa`, once `Gen. Qamar Javed Bajwa` was named.
//!
//! What is learnt of one name is said of another only where one ends or begins with the other. Two persons of one last name, as Nawaz
//! and Shehbaz Sharif, have nothing of each other, and the last name alone is nobody's.

use super::Rule;
use super::words::List;
use crate::derive::Iso3;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The most names under one word; of more nothing is said but what stands beside each.
const NAMESAKES_MAX: usize = 8;
/// Families whose name comes first.
static FAMILY_FIRST: List = List::new("known.family-first");

/// A person in a part of the document.
#[derive(Clone, Debug)]
pub struct Person {
    /// Where the name stands.
    pub range: Range<usize>,
    /// Every mention shares it.
    pub name: Arc<str>,
    /// Empty where none is given.
    pub office: Arc<str>,
    /// The country of the office.
    pub country: Option<Iso3>,
    /// How the person was found.
    pub rule: Rule,
}

/// The persons of a document.
#[derive(Default)]
pub struct Known {
    by_word: HashMap<String, Namesakes>,
}

/// Those who are called by one word.
#[derive(Default)]
struct Namesakes {
    /// Each name once, as it was first seen, with the first office that it has.
    all: Vec<Person>,
    /// Whether there were more.
    are_many: bool,
    /// What each name in [`Self::all`] is in full; empty until all are learnt.
    in_full: Vec<Option<Person>>,
    /// Who is meant by the word alone.
    alone: Option<Person>,
}

impl Known {
    /// Learns of a person.
    pub fn learn(&mut self, person: &Person) {
        let Some(word) = called_by(&person.name) else {
            return;
        };
        match self.by_word.get_mut(word) {
            Some(namesakes) => namesakes.learn(person),
            None => {
                let mut namesakes = Namesakes::default();
                namesakes.learn(person);
                self.by_word.insert(word.to_owned(), namesakes);
            }
        }
    }

    /// Finds out who is who; all persons must have been learnt.
    pub fn settle(&mut self) {
        self.by_word.values_mut().for_each(Namesakes::settle);
    }

    /// Who is meant by a word alone.
    pub fn alone(&self, word: &str) -> Option<&Person> {
        self.by_word.get(word)?.alone.as_ref()
    }

    /// A person under the longest name that the document has, with the office that it has for that.
    pub fn whole(&self, person: Person) -> Person {
        let namesakes = called_by(&person.name).and_then(|word| self.by_word.get(word));
        let in_full = namesakes.and_then(|namesakes| {
            let at = namesakes.all.iter().position(|one| one.name == person.name)?;
            namesakes.in_full.get(at)?.as_ref()
        });
        let Some(in_full) = in_full else {
            return person;
        };
        let is_own = !person.office.is_empty();
        Person {
            name: Arc::clone(&in_full.name),
            country: person.country.or(in_full.country.filter(|_| !is_own)),
            office: if is_own {
                person.office
            } else {
                Arc::clone(&in_full.office)
            },
            ..person
        }
    }
}

impl Namesakes {
    fn learn(&mut self, person: &Person) {
        if let Some(known) = self.all.iter_mut().find(|one| one.name == person.name) {
            if known.office.is_empty() {
                known.office = Arc::clone(&person.office);
                known.country = person.country;
            }
        } else if self.all.len() < NAMESAKES_MAX {
            self.all.push(person.clone());
        } else {
            self.are_many = true;
        }
    }

    fn settle(&mut self) {
        if self.are_many {
            return;
        }
        let all = &self.all;
        self.in_full = all.iter().map(|one| in_full(one, all)).collect();
        let is_one = all.iter().all(|one| all.iter().all(|other| is_same(one, other)));
        self.alone = all
            .first()
            .filter(|_| is_one)
            .and_then(|first| in_full(first, all));
    }
}

/// A person with the longest of the names that may be his, and the first office; nothing where they are of two persons.
fn in_full(person: &Person, all: &[Person]) -> Option<Person> {
    let is_clear = |one: &Person| {
        let others: Vec<&Person> = all.iter().filter(|other| is_same(one, other)).collect();
        others
            .iter()
            .all(|one| others.iter().all(|other| is_same(one, other)))
    };
    if !is_clear(person) {
        return None;
    }
    let own: Vec<&Person> = all
        .iter()
        .filter(|one| is_same(person, one) && is_clear(one))
        .collect();
    // Of names of one length the first.
    let longest = own.iter().rev().max_by_key(|one| one.name.len())?;
    let held = own.iter().find(|one| !one.office.is_empty()).unwrap_or(longest);
    Some(Person {
        name: Arc::clone(&longest.name),
        office: Arc::clone(&held.office),
        country: held.country,
        ..person.clone()
    })
}

/// Whether one name is the other with more before or behind it. `King Salman` is not his son Mohammed bin Salman.
fn is_same(one: &Person, other: &Person) -> bool {
    let is_father = |son: &Person, father: &Person| {
        let before = son.name.strip_suffix(&*father.name).map(str::trim_end);
        !father.office.is_empty()
            && before.is_some_and(|before| before.ends_with(" bin") || before.ends_with(" ibn"))
    };
    let is_held = holds(&one.name, &other.name) || holds(&other.name, &one.name);
    is_held && !is_father(one, other) && !is_father(other, one)
}

/// Whether a name is a longer one without its first words or its last. What lacks words between may be another's: George Bush and George
/// W. Bush, Mohammed Ali and Mohammed Reza Ali.
fn holds(name: &str, part: &str) -> bool {
    let behind = name
        .strip_suffix(part)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with(' '));
    let before = name.strip_prefix(part).is_some_and(|rest| rest.starts_with(' '));
    behind || before
}

/// The word of a name by which its bearer is called: the last one, or the first where families are named first.
fn called_by(name: &str) -> Option<&str> {
    let is_number = |word: &str| word.chars().all(|letter| matches!(letter, 'I' | 'V' | 'X'));
    let last = name.rsplit(' ').find(|word| !is_number(word));
    // Of a name whose family comes first the last word is a given name, and nobody is called by it.
    let first = name
        .split(' ')
        .next()
        .filter(|first| FAMILY_FIRST.contains(first));
    first.or(last)
}

//! How a filter is asked of the index.
//!
//! The index is asked for all documents that may pass. What it cannot say for sure is left to the record.

use crate::filter::{DayTest, Filter, Lookup, Term};
use crate::index::{self, Dates, DayCheck};
use crate::record::date::DaySpan;

/// What is asked of the index.
pub type Ask = index::Ask<DayTest>;

/// What to ask, and what is left to be looked at afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// No document passes that is not among these.
    pub ask: Ask,
    /// Whether the record must be asked.
    pub is_open: bool,
}

impl DayCheck for DayTest {
    fn holds(&self, days: &DaySpan) -> bool {
        self.holds(days)
    }
}

impl Plan {
    /// How a filter is asked.
    pub fn of(filter: &Filter) -> Self {
        let lookup = filter.lookup();
        Self {
            ask: most(&lookup),
            is_open: is_open(&lookup),
        }
    }

    /// Whether the index says nothing: every record must be looked at.
    pub fn is_useless(&self) -> bool {
        self.is_open && self.ask == Ask::All
    }
}

/// What an index holds of a term.
pub fn bytes_of(term: &Term) -> Vec<u8> {
    [&[term.field as u8], term.bytes.as_slice()].concat()
}

fn is_open(lookup: &Lookup) -> bool {
    match lookup {
        Lookup::All | Lookup::Exactly(_) | Lookup::Prefix(_) | Lookup::Days(_) => false,
        Lookup::Narrow(_) | Lookup::Scan => true,
        Lookup::Not(inner) => is_open(inner),
        Lookup::And(each) | Lookup::Or(each) => each.iter().any(is_open),
    }
}

fn days(test: &DayTest) -> Ask {
    let dates = if test.is_reported {
        Dates::Reported
    } else {
        Dates::Occurred
    };
    Ask::Days(dates, *test)
}

/// All documents that may pass.
fn most(lookup: &Lookup) -> Ask {
    match lookup {
        Lookup::All | Lookup::Scan => Ask::All,
        Lookup::Days(test) => days(test),
        Lookup::Exactly(term) => Ask::Term(bytes_of(term)),
        Lookup::Prefix(term) => Ask::Prefix(bytes_of(term)),
        Lookup::Narrow(inner) => most(inner),
        Lookup::And(each) => all_of(each.iter().map(most).collect()),
        Lookup::Or(each) => any_of(each.iter().map(most).collect()),
        Lookup::Not(inner) => not(least(inner)),
    }
}

/// Only documents that pass for sure.
fn least(lookup: &Lookup) -> Ask {
    match lookup {
        Lookup::All => Ask::All,
        Lookup::Scan | Lookup::Narrow(_) => none(),
        Lookup::Days(test) => days(test),
        Lookup::Exactly(term) => Ask::Term(bytes_of(term)),
        Lookup::Prefix(term) => Ask::Prefix(bytes_of(term)),
        Lookup::And(each) => all_of(each.iter().map(least).collect()),
        Lookup::Or(each) => any_of(each.iter().map(least).collect()),
        Lookup::Not(inner) => not(most(inner)),
    }
}

fn none() -> Ask {
    Ask::Or(Vec::new())
}

fn not(ask: Ask) -> Ask {
    match ask {
        Ask::All => none(),
        Ask::Or(each) if each.is_empty() => Ask::All,
        other => Ask::Not(Box::new(other)),
    }
}

fn all_of(mut asks: Vec<Ask>) -> Ask {
    if asks.contains(&none()) {
        return none();
    }
    asks.retain(|ask| *ask != Ask::All);
    match asks.len() {
        0 => Ask::All,
        1 => asks.swap_remove(0),
        _ => Ask::And(asks),
    }
}

fn any_of(mut asks: Vec<Ask>) -> Ask {
    if asks.contains(&Ask::All) {
        return Ask::All;
    }
    asks.retain(|ask| *ask != none());
    match asks.len() {
        1 => asks.swap_remove(0),
        _ => Ask::Or(asks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        Plan::of(&Filter::parse(text).unwrap())
    }

    fn term(field: crate::filter::TermField, text: &str) -> Ask {
        Ask::Term([&[field as u8], text.as_bytes()].concat())
    }

    #[test]
    fn what_terms_decide_is_asked_and_nothing_is_left() {
        use crate::filter::TermField::{Country, Dyad};
        let asked = plan("country = PAK");
        assert_eq!(asked.ask, term(Country, "PAK"));
        assert!(!asked.is_open);
        let asked = plan("NOT (country = PAK OR dyad = IRN-PAK)");
        let either = Ask::Or(vec![term(Country, "PAK"), term(Dyad, "IRNPAK")]);
        assert_eq!(asked.ask, Ask::Not(Box::new(either)));
        assert!(!asked.is_open);
    }

    #[test]
    fn days_are_asked_and_the_rest_is_left_to_the_record() {
        let asked = plan("country = PAK AND (kind = event OR NOT occurred >= 2014-03)");
        assert!(!asked.is_open);
        let Ask::And(each) = &asked.ask else {
            panic!("{asked:?}")
        };
        let Ask::Or(either) = &each[1] else {
            panic!("{asked:?}")
        };
        assert!(
            matches!(&either[1], Ask::Not(days) if matches!(**days, Ask::Days(Dates::Occurred, _))),
            "{asked:?}"
        );
        let asked = plan("country = PAK AND measure.goldstein > 3");
        assert!(asked.is_open && !asked.is_useless());
        assert!(plan("measure.goldstein > 3").is_useless());
    }

    #[test]
    fn what_is_not_sure_is_never_left_out() {
        // A phrase narrows, so that its contrary narrows nothing.
        let asked = plan("NOT title : \"border crossing\"");
        assert!(asked.is_useless());
    }
}

//! How a filter is asked of the index.
//!
//! The index is asked for all documents that may pass. What it cannot say for sure is left to the record.

use crate::filter::{DayTest, DaysOf, Filter, Lookup, Term, TermField, WordTest};
use crate::index::{self, Dates, DayCheck, TermCheck};
use crate::record::date::DaySpan;

/// What is asked of the index.
pub type Ask = index::Ask<DayTest, WordTest>;

/// What to ask, and what is left to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// These pass for sure.
    pub sure: Ask,
    /// Of these the record must be asked, whether it is among the others or not. No document passes that is in neither.
    pub left: Ask,
}

impl DayCheck for DayTest {
    fn holds(&self, days: &DaySpan) -> bool {
        self.holds(days)
    }
}

impl TermCheck for WordTest {
    fn holds(&self, rest: &[u8]) -> bool {
        self.holds(rest)
    }
}

impl Plan {
    /// How a filter is asked.
    pub fn of(filter: &Filter) -> Self {
        let lookup = filter.lookup();
        Self {
            sure: least(&lookup),
            left: open(&lookup),
        }
    }

    /// Whether some records may have to be asked.
    pub fn is_open(&self) -> bool {
        self.left != none()
    }

    /// Whether the index says nothing: every record must be looked at.
    pub fn is_useless(&self) -> bool {
        self.left == Ask::All
    }
}

/// All documents that may pass once what their record says besides its content is another record's: an act is judged by its own
/// leaf and by the content before it.
pub fn of_another_record(filter: &Filter) -> Ask {
    most(&without_leaf(&filter.lookup()))
}

/// A lookup that leaves open what differs between the records of an entry though its content stays.
fn without_leaf(lookup: &Lookup) -> Lookup {
    let each = |each: &[Lookup]| each.iter().map(without_leaf).collect();
    match lookup {
        Lookup::Exactly(Term { field, .. })
        | Lookup::Prefix(Term { field, .. })
        | Lookup::Range(field, _)
        | Lookup::Among(Term { field, .. }, _)
            if is_of_leaf(*field) =>
        {
            Lookup::Scan
        }
        Lookup::Positions(_) => Lookup::Scan,
        Lookup::Days(test) if test.of == DaysOf::Recorded => Lookup::Scan,
        Lookup::Narrow(inner) => Lookup::Narrow(Box::new(without_leaf(inner))),
        Lookup::Not(inner) => Lookup::Not(Box::new(without_leaf(inner))),
        Lookup::And(inner) => Lookup::And(each(inner)),
        Lookup::Or(inner) => Lookup::Or(each(inner)),
        Lookup::All | Lookup::Scan | Lookup::Days(_) => lookup.clone(),
        Lookup::Exactly(_) | Lookup::Prefix(_) | Lookup::Range(..) | Lookup::Among(..) => lookup.clone(),
    }
}

/// Series and key are the entry's; these are each record's own.
fn is_of_leaf(field: TermField) -> bool {
    matches!(
        field,
        TermField::Kind | TermField::Act | TermField::Principal | TermField::Revision
    )
}

/// What an index holds of a term.
pub fn bytes_of(term: &Term) -> Vec<u8> {
    [&[term.field as u8], term.bytes.as_slice()].concat()
}

/// All documents that terms do not decide.
fn open(lookup: &Lookup) -> Ask {
    match lookup {
        Lookup::Scan => Ask::All,
        Lookup::Narrow(inner) => most(inner),
        Lookup::Not(inner) => open(inner),
        Lookup::Or(each) => any_of(each.iter().map(open).collect()),
        // What one of them leaves out for sure is decided.
        Lookup::And(each) => {
            let any = any_of(each.iter().map(open).collect());
            let mut all: Vec<Ask> = each.iter().map(most).collect();
            all.insert(0, any);
            all_of(all)
        }
        _ => none(),
    }
}

fn days(test: &DayTest) -> Ask {
    let dates = match test.of {
        DaysOf::Occurred => Dates::Occurred,
        DaysOf::Reported => Dates::Reported,
        DaysOf::Recorded => Dates::Recorded,
        DaysOf::Mentioned => Dates::Mentioned,
    };
    Ask::Days(dates, *test)
}

/// All documents that may pass.
fn most(lookup: &Lookup) -> Ask {
    asked(lookup, true)
}

/// Only documents that pass for sure.
fn least(lookup: &Lookup) -> Ask {
    asked(lookup, false)
}

/// The documents that pass, those that are not decided among them or not.
fn asked(lookup: &Lookup, with_open: bool) -> Ask {
    let field = |field: TermField, bytes: &[u8]| [&[field as u8], bytes].concat();
    let each = |each: &[Lookup]| each.iter().map(|one| asked(one, with_open)).collect();
    match lookup {
        Lookup::Scan | Lookup::Narrow(_) if !with_open => none(),
        Lookup::All | Lookup::Scan => Ask::All,
        Lookup::Narrow(inner) => asked(inner, with_open),
        Lookup::Exactly(term) => Ask::Term(bytes_of(term)),
        Lookup::Prefix(term) => Ask::Prefix(bytes_of(term)),
        Lookup::Range(of, range) => Ask::Range(field(*of, &range.start)..field(*of, &range.end)),
        Lookup::Among(begins, test) => Ask::Terms(bytes_of(begins), test.clone()),
        Lookup::Days(test) => days(test),
        Lookup::Positions(positions) => Ask::Positions(positions.clone()),
        Lookup::And(inner) => all_of(each(inner)),
        Lookup::Or(inner) => any_of(each(inner)),
        // What is not decided is not decided of the opposite.
        Lookup::Not(inner) => not(asked(inner, !with_open)),
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

    /// Of what is stated and derived.
    fn plan(text: &str) -> Plan {
        Plan::of(&Filter::parse(text).unwrap().without_suggestions())
    }

    fn term(field: crate::filter::TermField, text: &str) -> Ask {
        Ask::Term([&[field as u8], text.as_bytes()].concat())
    }

    #[test]
    fn what_terms_decide_is_asked_and_nothing_is_left() {
        use crate::filter::TermField::{Country, Dyad};
        let asked = plan("country = PAK");
        assert_eq!(asked.sure, term(Country, "PAK"));
        assert!(!asked.is_open());
        let asked = plan("NOT (country = PAK OR dyad = IRN-PAK)");
        let either = Ask::Or(vec![term(Country, "PAK"), term(Dyad, "IRNPAK")]);
        assert_eq!(asked.sure, Ask::Not(Box::new(either)));
        assert!(!asked.is_open());
    }

    #[test]
    fn what_documents_suggest_is_asked_by_terms_and_days_of_its_own() {
        use crate::filter::TermField::{Country, SuggestedCountry, SuggestedPlace};
        let plan = |text: &str| Plan::of(&Filter::parse(text).unwrap());
        let asked = plan("mentioned.place = Geneva");
        assert_eq!(asked.sure, term(SuggestedPlace, "geneva"));
        let asked = plan("country = PAK");
        let either = [term(Country, "PAK"), term(SuggestedCountry, "PAK")];
        assert_eq!((&asked.sure, asked.is_open()), (&Ask::Or(either.to_vec()), false));
        for of_no_document in [
            "kind = event AND country = PAK",
            "country = PAK AND NOT kind = document",
        ] {
            let without = Filter::parse(of_no_document).unwrap().without_suggestions();
            assert_eq!(plan(of_no_document), Plan::of(&without), "{of_no_document}");
        }
        // Only where no day is stated.
        let asked = plan("occurred = 2021");
        let Ask::Or(each) = &asked.sure else {
            panic!("{asked:?}")
        };
        assert!(matches!(&each[0], Ask::Days(Dates::Occurred, _)), "{asked:?}");
        let Ask::And(suggested) = &each[1] else {
            panic!("{asked:?}")
        };
        assert!(
            matches!(&suggested[0], Ask::Not(stated) if matches!(**stated, Ask::Days(Dates::Occurred, _)))
        );
        assert!(matches!(&suggested[1], Ask::Days(Dates::Mentioned, _)));
    }

    #[test]
    fn days_are_asked_and_the_rest_is_left_to_the_record() {
        let asked = plan("country = PAK AND (kind = event OR NOT occurred >= 2014-03)");
        assert!(!asked.is_open());
        let Ask::And(each) = &asked.sure else {
            panic!("{asked:?}")
        };
        let Ask::Or(either) = &each[1] else {
            panic!("{asked:?}")
        };
        assert!(
            matches!(&either[1], Ask::Not(days) if matches!(**days, Ask::Days(Dates::Occurred, _))),
            "{asked:?}"
        );
        let asked = plan("country = PAK AND extra.Column = 3");
        assert!(asked.is_open() && !asked.is_useless());
        assert_eq!(asked.sure, none());
        assert!(plan("extra.Column = 3").is_useless());
    }

    #[test]
    fn a_measure_is_asked_by_its_order_and_only_what_its_number_does_not_tell_is_left() {
        use crate::filter::TermField::{DerivedMeasure, Measure, OddMeasure};
        let key = |field: crate::filter::TermField, value: f64, after: &[u8]| {
            let bytes = crate::filter::measure_bytes(value);
            [&[field as u8], b"tone\0".as_slice(), &bytes, after].concat()
        };
        let odd = Ask::Term(key(OddMeasure, 2.5, &[]));
        let until = key(Measure, 2.5, &[0]);
        let from = [&[Measure as u8], b"tone\0".as_slice()].concat();
        let sure = Ask::And(vec![
            Ask::Range(from..until.clone()),
            Ask::Not(Box::new(odd.clone())),
        ]);
        let asked = plan("measure.tone <= 2.5");
        assert_eq!((&asked.sure, &asked.left), (&sure, &odd));
        assert_eq!(plan("measure.tone < 2.50000000000000000001"), asked);
        // Together with others it leaves no more than that.
        let asked = plan("measure.tone <= 2.5 AND kind = event");
        assert!(
            matches!(&asked.left, Ask::And(each) if each[0] == odd),
            "{asked:?}"
        );
        let asked = plan("measure.tone = 2.50000000000000000001");
        assert_eq!(asked.left, odd);
        let fields = |text: &str| {
            format!("{:?}", plan(text))
                .matches(&format!("[{}, ", DerivedMeasure as u8))
                .count()
        };
        assert_eq!(fields("measure.goldstein = 1 basis = stated"), 0);
        assert!(fields("measure.goldstein = 1") > 0);
    }

    #[test]
    fn of_a_time_only_the_day_is_left() {
        for text in [
            "recorded = 2026-11-23",
            "recorded > 2026-11-23",
            "recorded < 2026-11-23T00:00:00Z",
            "has:recorded",
        ] {
            assert!(!plan(text).is_open(), "{text}");
        }
        let asked = plan("recorded >= 2026-11-23T10:00:00Z");
        let held = |ask: &Ask, day: i32| matches!(ask, Ask::Days(Dates::Recorded, test) if DayCheck::holds(test, &DaySpan::day(day)));
        let day = crate::record::date::day_number(2026, 11, 23);
        let of = |ask: &Ask| [-1, 0, 1].map(|more| held(ask, day + more));
        assert_eq!(
            (of(&asked.sure), of(&asked.left)),
            ([false, false, true], [false, true, false])
        );
        let asked = plan("recorded <= 2026-11-23T10:00:00Z");
        assert_eq!(
            (of(&asked.sure), of(&asked.left)),
            ([true, false, false], [false, true, false])
        );
        let asked = plan("recorded = 2026-11-23T23:59:59.999999999Z");
        assert_eq!((&asked.sure, of(&asked.left)), (&none(), [false, true, false]));
    }

    #[test]
    fn positions_and_revisions_are_decided() {
        assert_eq!(plan("position >= 4").sure, Ask::Positions(4..u64::MAX));
        assert_eq!(plan("position > 18446744073709551615").sure, Ask::Positions(0..0));
        for text in [
            "position != 4",
            "revision > 1",
            "revision = 1",
            "has:revision",
            "revision < 1",
        ] {
            assert!(!plan(text).is_open(), "{text}");
        }
    }

    #[test]
    fn of_another_record_of_the_entry_only_the_content_is_asked() {
        use crate::filter::TermField::Country;
        let asked = |text: &str| of_another_record(&Filter::parse(text).unwrap().without_suggestions());
        let pak = term(Country, "PAK");
        assert_eq!(asked("country = PAK"), pak);
        for open in [
            "act = retract",
            "NOT act = retract",
            "revision = 1",
            "position > 4",
            "recorded > 2020-01-01",
            "principal = x*",
            "kind = event",
            "status = retracted",
        ] {
            assert_eq!(asked(open), Ask::All, "{open}");
            assert_eq!(asked(&format!("country = PAK AND {open}")), pak, "{open}");
        }
    }

    #[test]
    fn what_is_not_sure_is_never_left_out() {
        // A phrase narrows: the records that have its words are asked, the others have it not.
        let phrase = plan("title : \"border crossing\"");
        let asked = plan("NOT title : \"border crossing\"");
        assert_eq!(asked.left, phrase.left);
        assert_eq!(asked.sure, Ask::Not(Box::new(phrase.left)));
        assert!(plan("country = PAK OR NOT extra.Column = 3").is_useless());
    }
}

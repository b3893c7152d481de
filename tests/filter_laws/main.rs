//! Laws of the filter language, on random filters, records and texts.

mod made;

use chancery::filter::{Filter, LazyContent, Subject, Term, TermField, TermFields, each_term_of, terms};
use chancery::record::codec::{Content, Measure, encode_content};
use chancery::record::{Act, Kind, Position, Recorded, Revision, Status};
use made::{CONDITIONS, MORE, VALUES, content, filter};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn subject<'a>(envelope: (u64, usize, usize, usize), content: LazyContent<'a>) -> Subject<'a> {
    let (number, act, kind, status) = envelope;
    Subject {
        position: Position::new(number),
        act: Act::ALL[act % Act::ALL.len()],
        kind: Kind::ALL[kind % Kind::ALL.len()],
        series: if number.is_multiple_of(2) { "desk" } else { "icews" },
        key: "a b",
        revision: Revision::new(number % 3),
        recorded: Recorded::from_nanos(number as i64),
        status: Status::ALL[status % Status::ALL.len()],
        principal: "local:desk",
        content,
    }
}

fn envelope() -> impl Strategy<Value = (u64, usize, usize, usize)> {
    (0..10_u64, 0..2_usize, 0..3_usize, 0..3_usize)
}

/// Values of measures, more than [`VALUES`]: of one number several.
fn number() -> impl Strategy<Value = String> {
    let finite = || any::<f64>().prop_filter("finite", |number| number.is_finite());
    let tenths = VALUES
        .iter()
        .copied()
        .filter(|value| value.contains(".1") || value.contains("0.0999"));
    prop_oneof![
        // So that what is asked for and what is stated have often the same number.
        6 => prop::sample::select(tenths.collect::<Vec<_>>()).prop_map(str::to_owned),
        3 => prop::sample::select(VALUES.to_vec()).prop_map(str::to_owned),
        1 => (-9..9_i32).prop_map(|number| format!("{number}")),
        1 => (-99..99_i32).prop_map(|number| format!("{:.25}", f64::from(number) / 10.0)),
        1 => finite().prop_map(|number| format!("{number:e}")),
        1 => "-?[0-9]{1,3}\\.[0-9]{15,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_reads_is_stable(text in "\\PC{0,60}") {
        if let Ok(filter) = Filter::parse(&text) {
            let again = Filter::parse(filter.canonical());
            prop_assert_eq!(again.as_ref(), Ok(&filter), "{}", filter.canonical());
        }
    }

    #[test]
    fn no_mixture_of_its_own_signs_makes_the_parser_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "(", ")", "\"", "'", "\\", "*", ",", "=", "!=", "<", ":", "-", "NOT ", " AND ", " OR ", " ", "country", "type",
            "has", "extra.", "measure.a", "near(", "possibly(", "occurred", "PAK", "04", "é", "東京", "ﬁ", "＝", "\u{a0}", "name",
            "actor", "url", "key", ">", "dyad", "a", "1939~", "basis = stated", "\u{300}", "K", "ſ", "\u{ad}", "٣",
        ]), 0..14)
    ) {
        let text = parts.concat();
        if let Ok(filter) = Filter::parse(&text) {
            let again = Filter::parse(filter.canonical());
            prop_assert_eq!(again.as_ref(), Ok(&filter), "{} -> {}", text, filter.canonical());
        }
    }

    #[test]
    fn a_canonical_text_parses_to_an_equal_filter(text in filter()) {
        let filter = Filter::parse(&text).unwrap();
        let again = Filter::parse(filter.canonical()).unwrap();
        prop_assert_eq!(again.canonical(), filter.canonical());
        prop_assert_eq!(again, filter);
    }

    #[test]
    fn terms_and_the_record_itself_agree(text in filter(), content in content(), envelope in envelope()) {
        let filter = Filter::parse(&text).unwrap();
        let subject = subject(envelope, LazyContent::ready(&content));
        let terms: BTreeSet<Term> = terms(&subject).collect();
        let lookup = filter.lookup();
        let decided = lookup.decide(&terms);
        prop_assert!(decided.is_none_or(|passes| passes == filter.matches(&subject)), "{filter}: {decided:?}");
        prop_assert!(!lookup.is_exact() || decided.is_some());
    }

    #[test]
    fn what_passes_has_a_term_that_is_required(text in filter(), content in content(), envelope in envelope()) {
        let texts = CONDITIONS.iter().chain(&MORE).copied().chain([text.as_str()]);
        for filter in texts.map(|text| Filter::parse(text).unwrap()) {
            let payload = encode_content(content.clone());
            let subject = subject(envelope, LazyContent::payload(&payload));
            let Some(required) = filter.lookup().required() else { continue };
            let fields = required.iter().fold(TermFields::default(), |all, term| all.with(term.field));
            let mut has_one = false;
            each_term_of(&subject, fields, |field, bytes| {
                has_one |= required.iter().any(|term| term.field == field && term.bytes == bytes);
            });
            prop_assert!(has_one || !filter.matches(&subject), "{filter}");
        }
    }

    #[test]
    fn each_condition_agrees_with_its_terms(content in content(), envelope in envelope()) {
        let subject = subject(envelope, LazyContent::ready(&content));
        let terms: BTreeSet<Term> = terms(&subject).collect();
        for text in CONDITIONS.iter().chain(&MORE) {
            let filter = Filter::parse(text).unwrap();
            let decided = filter.lookup().decide(&terms);
            prop_assert!(decided.is_none_or(|passes| passes == filter.matches(&subject)), "{filter}: {decided:?}");
        }
    }

    #[test]
    fn measures_are_decided_by_terms_but_for_values_that_their_number_does_not_write(
        stated in prop::collection::vec(number(), 1..3),
        asked in number(),
        operator in prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]),
    ) {
        let Ok(filter) = Filter::parse(&format!("measure.tone {operator} \"{asked}\"")) else {
            return Ok(());
        };
        let measure = |value: &String| Measure { name: "tone".into(), value: value.clone() };
        let content = Content { measures: stated.iter().map(measure).collect(), ..Content::default() };
        let subject = subject((0, 0, 0, 0), LazyContent::ready(&content));
        let terms: BTreeSet<Term> = terms(&subject).collect();
        let decided = filter.lookup().decide(&terms);
        prop_assert!(decided.is_none_or(|passes| passes == filter.matches(&subject)), "{filter}: {decided:?} of {stated:?}");
        let odd = terms.iter().any(|term| term.field == TermField::OddMeasure);
        prop_assert!(odd || decided.is_some(), "{filter}: {stated:?}");
        let nearest = |text: &String| text.trim().parse::<f64>().ok();
        let same = stated.iter().any(|text| nearest(text) == nearest(&asked));
        prop_assert!(same || decided.is_some(), "{filter}: {stated:?}");
    }

    #[test]
    fn what_is_decoded_in_part_is_judged_as_the_whole(
        texts in prop::collection::vec(filter(), 1..4),
        content in content(),
        envelope in envelope(),
    ) {
        let payload = encode_content(content.clone());
        let whole = subject(envelope, LazyContent::ready(&content));
        // One subject for several filters: what the first one had decoded must not blind the next.
        let lazy = subject(envelope, LazyContent::payload(&payload));
        for text in texts {
            let filter = Filter::parse(&text).unwrap();
            prop_assert_eq!(filter.matches(&lazy), filter.matches(&whole), "{}", filter);
        }
    }
}

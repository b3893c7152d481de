//! What is counted by values is what filters for these values count.

use super::{Step, Viewed, filter, options, step};
use chancery::derive::Basis;
use chancery::filter::Filter;
use chancery::record::Position;
use chancery::record::codec::{Content, Date, Measure, Participant, TypeCode, encode_content};
use chancery::view::Scanner;
use chancery::view::aggregate::{Aggregated, Asked, Bucket, Dates, Dimension, Group, UNDATED};
use chancery::view::likeness::Collapse;
use chancery::view::scan::Counted;
use proptest::prelude::*;
use std::sync::{Arc, OnceLock};

use super::harness::{append, batch, draft, runtime};
use chancery::record::Act;

/// The fields whose values a filter can name, and how.
const FIELDS: [(&str, &str); 19] = [
    ("kind", "kind"),
    ("series", "series"),
    ("principal", "principal"),
    ("country", "country"),
    ("source.country", "source.country"),
    ("place.country", "place.country"),
    ("dyad", "dyad"),
    ("directed_dyad", "dyad"),
    ("quad", "quad"),
    ("type.cameo", "type = \"cameo:"),
    ("type.plover", "type = \"plover:"),
    ("mode", "mode"),
    ("act", "act"),
    ("sector", "sector"),
    ("identifier", "identifier"),
    ("topic", "topic"),
    ("context", "context"),
    ("flag", "flag"),
    ("language", "language"),
];

fn named(by: &[&str], measure: Option<&str>) -> Asked {
    Asked {
        by: by.iter().map(|name| Dimension::named(name).unwrap()).collect(),
        measure: measure.map(str::to_owned),
        basis: Basis::Derived,
    }
}

fn aggregated(scanner: &Scanner, text: &str, as_of: Position, asked: &Asked) -> (Aggregated, u64) {
    let (answer, counted) = collapsed(scanner, text, as_of, asked, Collapse::None);
    (answer, counted.erased)
}

fn collapsed(
    scanner: &Scanner,
    text: &str,
    as_of: Position,
    asked: &Asked,
    collapse: Collapse,
) -> (Aggregated, Counted) {
    let filter = Filter::parse(text).unwrap();
    let counted = scanner.aggregate(filter, as_of, asked.clone(), collapse);
    runtime().block_on(counted).unwrap()
}

fn count(scanner: &Scanner, text: &str, as_of: Position) -> u64 {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("`{text}`: {error}"));
    // Nothing that is only suggested is in a group.
    runtime()
        .block_on(scanner.count(filter.without_suggestions(), as_of, Collapse::None))
        .unwrap()
        .count
}

fn scanners(viewed: &Viewed) -> (Scanner, Scanner) {
    let view = Arc::new(OnceLock::from(viewed.search()));
    (
        Scanner::new(viewed.log().clone(), options(), Arc::default()),
        Scanner::new(viewed.log().clone(), options(), view),
    )
}

/// A filter and one more condition.
fn and(filter: &str, condition: &str) -> String {
    if filter.is_empty() {
        condition.to_owned()
    } else {
        format!("({filter}) AND {condition}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn groups_are_counted_as_a_filter_for_their_values_counts(
        steps in prop::collection::vec(step(), 5..50),
        filters in prop::collection::vec(filter(), 4),
        pairs in prop::collection::vec((0..FIELDS.len(), 0..FIELDS.len()), 4),
    ) {
        let mut viewed = Viewed::new();
        for step in steps {
            viewed.take(step);
        }
        let (scan, view) = scanners(&viewed);
        let tail = viewed.log().tail();
        for (text, (one, other)) in filters.iter().zip(pairs) {
            for as_of in [tail, Position::new(tail.get() / 2)] {
                let mut by = vec![FIELDS[one].0];
                if other != one {
                    by.push(FIELDS[other].0);
                }
                let asked = named(&by, None);
                for collapse in [Collapse::Twins, Collapse::Alike, Collapse::None] {
                    let of_view = collapsed(&view, text, as_of, &asked, collapse);
                    prop_assert_eq!(of_view, collapsed(&scan, text, as_of, &asked, collapse));
                }
                let (answer, _) = aggregated(&view, text, as_of, &asked);
                prop_assert_eq!(answer.entries, count(&scan, text, as_of));
                // Groups are by derived values too, whatever the filter asks for.
                let groups = answer.groups.iter().filter(|_| !text.contains("basis"));
                for group in groups {
                    let mut narrowed = text.clone();
                    for (value, field) in group.values.iter().zip([one, other]) {
                        let asked = FIELDS[field].1;
                        let sign = if asked.contains('=') { "" } else { " = \"" };
                        narrowed = and(&narrowed, &format!("{asked}{sign}{value}\""));
                    }
                    prop_assert_eq!(group.tally.count, count(&scan, &narrowed, as_of), "{}", narrowed);
                }
            }
        }
    }
}

/// An event of two countries on a day.
fn event(key: &str, edtf: &str, names: [&str; 2], code: &str, goldstein: &str) -> (String, Content) {
    let one = |(side, name): (i32, &str)| Participant {
        side,
        name: name.into(),
        ..Participant::default()
    };
    let content = Content {
        title: key.to_owned(),
        dates: vec![Date {
            role: 1,
            edtf: edtf.into(),
            ..Date::default()
        }],
        participants: [1, 2].into_iter().zip(names).map(one).collect(),
        language: "en-GB".into(),
        types: vec![TypeCode {
            scheme: "cameo".into(),
            code: code.into(),
            ..TypeCode::default()
        }],
        measures: if goldstein.is_empty() {
            Vec::new()
        } else {
            vec![Measure {
                name: "goldstein".into(),
                value: goldstein.into(),
            }]
        },
        ..Content::default()
    };
    (key.to_owned(), content)
}

fn archive() -> Viewed {
    let viewed = Viewed::new();
    for (key, content) in [
        event("a b", "2021-10-13", ["Ministry (Pakistan)", "Iran"], "040", "1.0"),
        event("b", "2021-10-14", ["Pakistan", "Iran"], "112", "-2.0"),
        event("c", "2021-10", ["Iran", "Pakistan"], "040", "1.5"),
        event("d", "2021", ["Iran", "Japan"], "040", ""),
        event("e", "2021-11/2022-02", ["Iran", "Japan"], "036", "4"),
        event("f", "2021-11-02", ["The Press", "A Union"], "010", ""),
    ] {
        append(
            viewed.log(),
            batch(vec![draft(Act::Create, &key, encode_content(content))]),
        )
        .unwrap();
    }
    viewed
}

fn lines(answer: &Aggregated) -> Vec<String> {
    let line = |group: &Group| format!("{} {}", group.values.join(" "), group.tally.count);
    answer.groups.iter().map(line).collect()
}

#[test]
fn a_date_is_counted_once_in_the_stretch_that_has_all_of_it() {
    let mut viewed = archive();
    for step in [None, Some(Step::Follow), Some(Step::Seal)] {
        step.into_iter().for_each(|step| viewed.take(step));
        let (_, view) = scanners(&viewed);
        let tail = viewed.log().tail();
        let by = |by: &[&str]| aggregated(&view, "", tail, &named(by, None)).0;
        let months = by(&["month"]);
        assert_eq!(
            lines(&months),
            ["2021 1", "2021-10 3", "2021-11 1", &format!("{UNDATED} 1")]
        );
        assert_eq!((months.entries, months.without), (6, 0));
        assert_eq!(
            lines(&by(&["day"])),
            [
                "2021 1",
                "2021-10 1",
                "2021-10-13 1",
                "2021-10-14 1",
                "2021-11-02 1",
                "undated 1"
            ]
        );
        let dyads = by(&["month", "dyad"]);
        assert_eq!(
            lines(&dyads),
            ["2021 IRN-JPN 1", "2021-10 IRN-PAK 3", "undated IRN-JPN 1"]
        );
        assert_eq!(dyads.without, 1, "of the press and a union no country is known");
        assert_eq!(
            lines(&by(&["directed_dyad", "type", "year"])),
            [
                "IRN>JPN cameo:036 undated 1",
                "IRN>JPN cameo:040 2021 1",
                "IRN>PAK cameo:040 2021 1",
                "PAK>IRN cameo:040 2021 1",
                "PAK>IRN cameo:112 2021 1"
            ]
        );
        assert_eq!(lines(&by(&["recorded.year"])).len(), 1);
        let times = by(&["month", "reported.year", "year"]);
        assert_eq!(times.groups.iter().map(|group| group.tally.count).sum::<u64>(), 6);
        assert_eq!(times.groups[1].values, ["2021-10", UNDATED, "2021"]);
    }
}

#[test]
fn values_of_a_measure_are_added_up_of_those_that_have_one() {
    let mut viewed = archive();
    for step in [None, Some(Step::Seal)] {
        step.into_iter().for_each(|step| viewed.take(step));
        let (_, view) = scanners(&viewed);
        let mut asked = named(&["country"], Some("goldstein"));
        asked.basis = Basis::Stated;
        let (answer, _) = aggregated(&view, "", viewed.log().tail(), &asked);
        let tally = |country: &str| {
            let group = answer
                .groups
                .iter()
                .find(|group| group.values == [country])
                .unwrap();
            let tally = group.tally;
            (tally.count, tally.measured, tally.sum, tally.min, tally.max)
        };
        assert_eq!(tally("PAK"), (3, 3, 0.5, -2.0, 1.5));
        assert_eq!(tally("IRN"), (5, 4, 4.5, -2.0, 4.0));
        assert_eq!(tally("JPN"), (2, 1, 4.0, 4.0, 4.0));
        // Where none is stated a CAMEO code has its own.
        asked.basis = Basis::Derived;
        let (answer, _) = aggregated(&view, "", viewed.log().tail(), &asked);
        let japan = answer
            .groups
            .iter()
            .find(|group| group.values == ["JPN"])
            .unwrap();
        assert_eq!((japan.tally.measured, japan.tally.sum), (2, 5.0));
    }
}

/// To state a value twice is to state it once: a value that is repeated is no second observation, and which spelling it has does
/// not matter. Two values that differ are two.
#[test]
fn a_value_that_an_entry_states_twice_is_added_up_once() {
    let mut viewed = Viewed::new();
    let entries: [(&str, &[&str]); 3] = [
        ("a b", &["1.0", "1", "2"]),
        ("b", &["-4", "-4.00", "-40e-1"]),
        ("c", &["1"]),
    ];
    for (key, values) in entries {
        let (_, mut content) = event(key, "2021-10-13", ["Pakistan", "Iran"], "040", "");
        let measure = |value: &&str| Measure {
            name: "tone".into(),
            value: (*value).into(),
        };
        content.measures = values.iter().map(measure).collect();
        append(
            viewed.log(),
            batch(vec![draft(Act::Create, key, encode_content(content))]),
        )
        .unwrap();
    }
    for step in [None, Some(Step::Seal)] {
        step.into_iter().for_each(|step| viewed.take(step));
        let (scan, view) = scanners(&viewed);
        for scanner in [scan, view] {
            let asked = named(&["kind"], Some("tone"));
            let (answer, _) = aggregated(&scanner, "", viewed.log().tail(), &asked);
            let tally = answer.groups[0].tally;
            // 1 and 2, -4, and the 1 of another entry.
            assert_eq!(
                (tally.count, tally.measured, tally.sum, tally.min, tally.max),
                (3, 4, 0.0, -4.0, 2.0)
            );
        }
    }
}

#[test]
fn corrections_and_retractions_count_as_of_the_point_that_is_asked_for() {
    let mut viewed = archive();
    viewed.take(Step::Seal);
    let tail = viewed.log().tail();
    let (_, amended) = event("a b", "2020-01-01", ["Pakistan", "China"], "040", "1");
    append(
        viewed.log(),
        batch(vec![draft(Act::Amend, "a b", encode_content(amended))]),
    )
    .unwrap();
    append(viewed.log(), batch(vec![super::harness::act(Act::Retract, "b")])).unwrap();
    for step in [None, Some(Step::Follow)] {
        step.into_iter().for_each(|step| viewed.take(step));
        let (_, view) = scanners(&viewed);
        let dyads = |as_of| lines(&aggregated(&view, "country = PAK", as_of, &named(&["dyad"], None)).0);
        assert_eq!(dyads(viewed.log().tail()), ["CHN-PAK 1", "IRN-PAK 1"]);
        assert_eq!(dyads(tail), ["IRN-PAK 3"]);
    }
}

#[test]
fn stretches_and_fields_are_named_in_one_way() {
    assert_eq!(
        Dimension::named("reported.day"),
        Ok(Dimension::Time(Dates::Reported, Bucket::Day))
    );
    assert_eq!(Dimension::named("month"), Dimension::named("occurred.month"));
    let error = Dimension::named("dayd").unwrap_err().to_string();
    assert!(error.contains("did you mean `dyad`?"), "{error}");
}

#[test]
fn a_name_that_nobody_has_is_answered_with_those_that_come_near() {
    let mut viewed = archive();
    for step in [Step::Follow, Step::Seal] {
        viewed.take(step);
        let (scan, view) = scanners(&viewed);
        let near = |scanner: &Scanner, text: &str| {
            let filter = Filter::parse(text).unwrap();
            runtime().block_on(scanner.near(filter))
        };
        assert_eq!(
            near(&view, "actor = \"Minstry (Pakistan)\" AND type = cameo:041"),
            [
                "the archive has nothing with `actor = \"minstry (pakistan)\"`; near: ministry (pakistan)",
                "the archive has nothing with `type = cameo:041`; near: 040"
            ]
        );
        assert_eq!(
            near(&view, "name = Zanzibar OR NOT name = Irann"),
            ["the archive has nothing with `name = zanzibar`; and nothing comes near"]
        );
        assert!(near(&view, "actor = Iran AND country = FRA").is_empty());
        for (asked, said) in [
            (
                "key = a",
                vec!["the archive has nothing with `key = a`; near: a b"],
            ),
            (
                "key = zanzibar",
                vec!["the archive has nothing with `key = zanzibar`; no key begins so"],
            ),
            (
                "actor : minstry",
                vec!["the archive has nothing with `actor : \"minstry\"`; near: ministry"],
            ),
            (
                "measure.goldstien > 1",
                vec!["no record has a measure `goldstien`; near: goldstein"],
            ),
            (
                "measure.gold > 1",
                vec!["no record has a measure `gold`; near: goldstein"],
            ),
            (
                "reported_in = desk/x",
                vec!["the archive has nothing with `reported_in = desk/x`"],
            ),
            (
                "language = english",
                vec!["the archive has nothing with `language = english`; near: en"],
            ),
            (
                "principal = anon",
                vec!["the archive has nothing with `principal = anon`; near: anonymous"],
            ),
            ("measure.goldstein > 100 AND actor : pakistan", vec![]),
        ] {
            assert_eq!(near(&view, asked), said, "{asked}");
        }
        assert!(
            near(&scan, "actor = Irann").is_empty(),
            "without the view nobody knows"
        );
    }
}

#[test]
fn what_the_log_has_erased_is_in_no_group_before_the_view_has_taken_it_out() {
    let mut viewed = archive();
    viewed.take(Step::Follow);
    viewed.erase("a b", None);
    // The view has not looked since.
    let (scan, view) = scanners(&viewed);
    let tail = viewed.log().tail();
    for (text, field) in [
        ("status = erased", "actor"),
        ("status = erased AND NOT country = PAK", "kind"),
        ("", "actor"),
    ] {
        let asked = named(&[field], None);
        let (answer, _) = aggregated(&view, text, tail, &asked);
        assert_eq!(answer, aggregated(&scan, text, tail, &asked).0, "{text}");
        assert!(!lines(&answer).join(" ").contains("Ministry"), "{answer:?}");
        assert_eq!(answer.entries, count(&scan, text, tail), "{text}");
    }
}

#[test]
fn more_combinations_than_an_answer_may_have_are_refused() {
    let viewed = Viewed::new();
    let one = |side: i32, country: String| Participant {
        side,
        name: country.clone(),
        countries: vec![chancery::record::codec::Country {
            scheme: "iso3".into(),
            code: country,
        }],
        ..Participant::default()
    };
    let countries: Vec<String> = chancery::derive::countries()
        .list()
        .iter()
        .take(110)
        .map(|one| one.code.to_string())
        .collect();
    let participants = countries
        .iter()
        .map(|code| one(1, code.clone()))
        .chain(countries.iter().map(|code| one(2, code.clone())));
    let content = Content {
        title: "All meet all".into(),
        participants: participants.collect(),
        ..Content::default()
    };
    append(
        viewed.log(),
        batch(vec![draft(Act::Create, "summit", encode_content(content))]),
    )
    .unwrap();
    let (scan, _) = scanners(&viewed);
    let asked = named(&["country", "dyad", "directed_dyad"], None);
    let refused =
        runtime().block_on(scan.aggregate(Filter::all(), viewed.log().tail(), asked, Collapse::None));
    let sentence = refused.unwrap_err().to_string();
    assert!(sentence.contains("more than 500000 groups"), "{sentence}");
}

//! What is told twice is met in most archives here, and counted the same by the view and by a look at every record.

use super::harness::{append, batch, draft};
use super::{KEYS, Step, Viewed, answer, options};
use chancery::filter::Filter;
use chancery::record::codec::{Content, Country, Date, Participant, Report, TypeCode, encode_content};
use chancery::record::{Act, Position};
use chancery::view::likeness::{Collapse, Likened};
use chancery::view::{Order, Scanner};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::sync::{Arc, OnceLock};

/// One of a few events, told by its source or by its target. Titles are not compared.
fn told(event: usize, is_turned: bool, title: usize) -> Content {
    let side = |side: i32, code: &str| Participant {
        side,
        name: format!("Government of {code}"),
        countries: vec![Country {
            scheme: "iso3".into(),
            code: code.into(),
        }],
        ..Participant::default()
    };
    let target = ["PAK", "JPN"][event % 2];
    let (source, target) = if is_turned {
        (target, "IRN")
    } else {
        ("IRN", target)
    };
    Content {
        title: format!("Envoys meet {title}"),
        dates: vec![Date {
            role: 1,
            edtf: ["2021-10-13", "2021"][event / 2 % 2].into(),
            ..Date::default()
        }],
        participants: vec![side(1, source), side(2, target)],
        types: vec![TypeCode {
            scheme: "cameo".into(),
            code: "042".into(),
            ..TypeCode::default()
        }],
        reports: reports(),
        ..Content::default()
    }
}

/// What they are reported in.
pub fn reports() -> Vec<Report> {
    vec![Report {
        document_id: "7".into(),
        ..Report::default()
    }]
}

/// An entry tells of one of the events.
pub fn say() -> impl Strategy<Value = Step> {
    let acts = prop::sample::select(vec![Act::Create, Act::Create, Act::Amend]);
    (0..KEYS.len(), acts, 0..3_usize, any::<bool>(), 0..4_usize).prop_map(
        |(key, act, event, is_turned, title)| Step::Say(key, act, Box::new(told(event, is_turned, title))),
    )
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    let undone = (
        key.clone(),
        prop::sample::select(vec![Act::Retract, Act::Reinstate]),
    );
    prop_oneof![
        16 => say(),
        2 => undone.prop_map(|(key, act)| Step::Say(key, act, Box::default())),
        2 => (key, prop::option::of(1..3_u64)).prop_map(|(key, revision)| Step::Erase(key, revision)),
        3 => Just(Step::Follow),
        4 => Just(Step::Seal),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Kill),
        1 => Just(Step::Restart),
    ]
}

/// Answers the same by the view and by a look at every record; what was told twice, among all.
fn checked(viewed: &Viewed, turn: usize) -> Result<Likened, TestCaseError> {
    let view = Arc::new(OnceLock::from(viewed.search()));
    let view = Scanner::new(viewed.log().clone(), options(), view);
    let scan = Scanner::new(viewed.log().clone(), options(), Arc::default());
    let tail = viewed.log().tail();
    let collapse = [Collapse::None, Collapse::Twins, Collapse::Alike][turn % 3];
    let mut all = Likened::default();
    for (text, as_of) in [
        ("", tail),
        ("source.country = IRN OR revision > 1", tail),
        (
            "NOT country = JPN",
            Position::new(tail.get() * (turn as u64 % 4) / 4),
        ),
    ] {
        let filter = Filter::parse(text).unwrap();
        let of_view = answer(&view, &filter, as_of, Order::Newest, collapse);
        let of_scan = answer(&scan, &filter, as_of, Order::Newest, collapse);
        prop_assert_eq!(&of_view, &of_scan, "{} as of {}", text, as_of);
        if text.is_empty() {
            all = of_scan.2.likened;
        }
    }
    Ok(all)
}

#[test]
fn twins_are_counted_across_seals_merges_erasures_and_rebuilds() {
    let cases = 48;
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (twins, alike) = (Cell::new(0), Cell::new(0));
    let steps = prop::collection::vec(step(), 10..50);
    TestRunner::new(config)
        .run(&steps, |steps| {
            let mut viewed = Viewed::new();
            let mut met = Likened::default();
            for (turn, step) in steps.into_iter().enumerate() {
                let is_said = matches!(step, Step::Say(..));
                viewed.take(step);
                // Now and then a volume is compared with the others, or two are merged.
                if !is_said {
                    let likened = checked(&viewed, turn)?;
                    met.twins = met.twins.max(likened.twins);
                    met.alike = met.alike.max(likened.alike);
                }
            }
            twins.set(twins.get() + u32::from(met.twins > 0));
            alike.set(alike.get() + u32::from(met.alike > 0));
            Ok(())
        })
        .unwrap();
    assert!(
        twins.get() > cases / 2 && alike.get() > cases / 2,
        "of {cases} archives only {} had twins, and {} some that were alike",
        twins.get(),
        alike.get()
    );
}

#[test]
fn what_was_alike_to_an_erased_content_is_so_no_more() {
    let mut viewed = Viewed::new();
    let tell = |viewed: &Viewed, key: &str, is_turned: bool| {
        let content = encode_content(told(0, is_turned, 0));
        append(viewed.log(), batch(vec![draft(Act::Create, key, content)])).unwrap();
    };
    let likened = |viewed: &Viewed| {
        let likened = checked(viewed, 0).unwrap();
        (likened.twins, likened.alike)
    };
    tell(&viewed, "a b", false);
    viewed.take(Step::Seal);
    tell(&viewed, "b", true);
    viewed.take(Step::Seal);
    assert_eq!(likened(&viewed), (1, 0));
    tell(&viewed, "c", false);
    assert_eq!(likened(&viewed), (1, 1), "what is not in the index counts too");
    viewed.take(Step::Follow);
    assert_eq!(likened(&viewed), (1, 1));
    viewed.erase("a b", None);
    assert_eq!(
        likened(&viewed),
        (1, 0),
        "what the log has erased is not compared"
    );
    for step in [
        Step::Follow,
        Step::Seal,
        Step::Follow,
        Step::Kill,
        Step::Follow,
        Step::Rebuild,
        Step::Follow,
    ] {
        viewed.take(step);
        assert_eq!(likened(&viewed), (1, 0));
    }
}

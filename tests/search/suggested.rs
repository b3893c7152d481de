//! What documents seem to say: they are found by it, by the index as by a look at every record, and nothing else ever takes it for
//! stated.

use super::{Viewed, answer, erase_entry, options};
use crate::harness::{act, append, batch, draft, runtime};
use chancery::derive::Basis;
use chancery::filter::{Filter, each_term};
use chancery::log::Draft;
use chancery::record::codec::{Content, Country, Date, DateRole, Participant, encode_content};
use chancery::record::{Act, EntryKey, Kind, Position};
use chancery::view::aggregate::{Asked, Dimension};
use chancery::view::likeness::Collapse;
use chancery::view::search::follow;
use chancery::view::{Order, Scanner, Search};
use std::sync::{Arc, OnceLock};

/// Told on a Thursday.
const TITLE: &str = "Bajwa hosts Iranian commander";
const TEXT: &str = "Gen. Qamar Javed Bajwa met Iran's Maj. Gen. Mohammad Bagheri in Rawalpindi on Wednesday.";

fn date(role: DateRole, edtf: &str) -> Date {
    Date {
        role: role.into(),
        edtf: edtf.into(),
        ..Date::default()
    }
}

fn dispatch() -> Content {
    Content {
        title: TITLE.into(),
        body: TEXT.into(),
        dates: vec![date(DateRole::Reported, "2021-10-14")],
        ..Content::default()
    }
}

fn of_kind(kind: Kind, key: &str, content: Content) -> Draft {
    Draft {
        kind: Some(kind),
        ..draft(Act::Create, key, encode_content(content))
    }
}

/// The entries that a filter finds, oldest first, told the same by the index and without it; and how many it counts.
fn found(viewed: &Viewed, text: &str) -> (Vec<u64>, u64) {
    let filter = Filter::parse(text).unwrap();
    let as_of = viewed.log().tail();
    let scan = Scanner::new(viewed.log().clone(), options(), Arc::default());
    let view = Scanner::new(
        viewed.log().clone(),
        options(),
        Arc::new(OnceLock::from(viewed.search())),
    );
    let ask = |scanner: &Scanner| answer(scanner, &filter, as_of, Order::Newest, Collapse::None);
    let (entries, _, counted, _) = ask(&view);
    let scanned = ask(&scan);
    assert_eq!((&entries, &counted), (&scanned.0, &scanned.2), "{text}");
    let mut positions: Vec<u64> = entries.into_iter().map(|(position, _)| position).collect();
    positions.sort_unstable();
    (positions, counted.count)
}

/// A dispatch, an event that states what it suggests, and a dispatch that states another day.
fn archive() -> (Viewed, [u64; 3]) {
    let viewed = Viewed::new();
    let first = viewed.log().tail().get();
    let event = Content {
        participants: vec![Participant {
            name: "Qamar Javed Bajwa".into(),
            countries: vec![Country {
                scheme: "iso3".into(),
                code: "PAK".into(),
            }],
            ..Participant::default()
        }],
        dates: vec![date(DateRole::Occurred, "2021-10-13")],
        body: TEXT.into(),
        ..Content::default()
    };
    let mut dated = dispatch();
    dated.dates.push(date(DateRole::Occurred, "1939"));
    for draft in [
        of_kind(Kind::Document, "dispatch", dispatch()),
        of_kind(Kind::Event, "talks", event),
        of_kind(Kind::Document, "dated", dated),
    ] {
        append(viewed.log(), batch(vec![draft])).unwrap();
    }
    (viewed, [first, first + 1, first + 2])
}

#[test]
fn a_dispatch_is_found_by_country_person_place_and_day_and_not_by_what_is_stated() {
    let (mut viewed, [dispatch, talks, dated]) = archive();
    // Before the view has it, and after.
    for _ in 0..2 {
        for both in [
            "country = PAK",
            "country = Iran",
            "mentioned.country = PAK",
            "actor = \"Qamar Javed Bajwa\"",
            "actor = bajwa",
            "actor = \"mohammad b*\"",
            "mentioned.actor = Bajwa",
            "place = Rawalpindi",
            "mentioned.place = Rawalpindi",
            "place.country = PAK",
            "mentioned.day = 2021-10-13",
            "has:mentioned.day",
            "actor : bajwa",
        ] {
            let asked = format!("kind = document AND {both}");
            assert_eq!(found(&viewed, &asked), (vec![dispatch, dated], 2), "{both}");
            for basis in ["stated", "derived"] {
                assert!(
                    found(&viewed, &format!("{asked} AND basis = {basis}"))
                        .0
                        .is_empty(),
                    "{both}"
                );
            }
        }
        // A day of its own leaves none to be guessed.
        assert_eq!(found(&viewed, "occurred = 2021-10-13").0, [dispatch, talks]);
        assert_eq!(found(&viewed, "occurred = 1939").0, [dated]);
        assert_eq!(found(&viewed, "country = PAK").0, [dispatch, talks, dated]);
        assert_eq!(found(&viewed, "country = PAK AND basis = derived").0, [talks]);
        for never in [
            "source.country = PAK",
            "dyad = PAK-IRN",
            "type = 04*",
            "country = IND",
        ] {
            assert!(found(&viewed, never).0.is_empty(), "{never}");
        }
        viewed.follow();
    }
}

#[test]
fn what_documents_suggest_is_found_without_a_look_at_records() {
    let (mut viewed, _) = archive();
    viewed.follow();
    for text in [
        "country = PAK",
        "actor = bajwa",
        "place = R*",
        "occurred = 2021-10-13",
        "has:place",
    ] {
        let filter = Filter::parse(text).unwrap();
        let (way, _) = viewed.search().explain(&filter, viewed.log().tail());
        assert_eq!(way.word(), "index", "{text}");
    }
}

#[test]
fn nothing_counts_a_suggestion_by_its_value() {
    let (mut viewed, _) = archive();
    viewed.follow();
    let scanner = Scanner::new(
        viewed.log().clone(),
        options(),
        Arc::new(OnceLock::from(viewed.search())),
    );
    let ask = |text: &str, by: &str| {
        let asked = Asked {
            by: vec![Dimension::named(by).unwrap()],
            measure: None,
            basis: Basis::Derived,
        };
        let filter = Filter::parse(text).unwrap();
        let asked = scanner.aggregate(filter, viewed.log().tail(), asked, Collapse::None);
        let (answer, _) = runtime().block_on(asked).unwrap();
        let groups = answer.groups.into_iter();
        groups
            .map(|group| (group.values.concat(), group.tally.count))
            .collect::<Vec<_>>()
    };
    assert_eq!(ask("kind = document AND country = PAK", "day"), []);
    assert_eq!(ask("kind : *", "country"), [("PAK".to_owned(), 1)]);
    assert_eq!(
        ask("kind = document", "day"),
        [("1939".to_owned(), 1), ("undated".to_owned(), 1)]
    );
    for by in ["country", "mentioned.country", "place.country", "actor", "place"] {
        assert_eq!(ask("kind = document", by), [], "{by}");
    }
}

#[test]
fn an_answer_says_by_which_suggestions_an_entry_was_found() {
    let (viewed, [_, talks, _]) = archive();
    let scanner = Scanner::new(viewed.log().clone(), options(), Arc::default());
    let ask = |text: &str| {
        let search = Search {
            filter: Filter::parse(text).unwrap(),
            as_of: None,
            order: Order::Newest,
            ascending: true,
            page_size: 10,
            collapse: Collapse::None,
            records_only: false,
            excerpts: false,
            unannotated: false,
        };
        let write = |one: &chancery::view::EntryAnswer, out: &mut Vec<u8>| {
            let said = one.suggested.iter().map(|one| {
                format!(
                    "{} {}..{} {} {}",
                    one.part.word(),
                    one.range.start,
                    one.range.end,
                    one.what,
                    one.rule.word()
                )
            });
            let said: Vec<String> = said.collect();
            out.extend(format!("{}: {}\n", one.run.first(), said.join(", ")).into_bytes());
        };
        let page = runtime()
            .block_on(scanner.search(search, None, Box::new(write)))
            .unwrap();
        String::from_utf8(page.entries.concat()).unwrap()
    };
    let of_first = |text: &str| {
        ask(text)
            .lines()
            .next()
            .unwrap()
            .split_once(": ")
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(
        of_first("kind = document AND place = Rawalpindi"),
        "text 64..74 Rawalpindi, PAK place-name"
    );
    assert_eq!(
        of_first("kind = document AND country = IRN AND actor = bajwa"),
        "title 0..5 Qamar Javed Bajwa named-before, title 12..19 IRN nationality"
    );
    assert_eq!(
        of_first("kind = document AND (title : bajwa OR country = IRN)"),
        ""
    );
    assert_eq!(of_first("kind = document AND NOT country = IND"), "");
    assert!(ask("country = PAK").contains(&format!("{talks}: \n")));
}

#[test]
fn what_is_erased_suggests_nothing_any_more() {
    let (mut viewed, [_, talks, dated]) = archive();
    viewed.follow();
    erase_entry(&mut viewed, EntryKey::new("desk", "dispatch").unwrap(), None);
    for _ in 0..2 {
        assert_eq!(found(&viewed, "country = PAK").0, [talks, dated]);
        assert!(found(&viewed, "status = erased AND actor = bajwa").0.is_empty());
        viewed.follow();
    }
    let amended = Content {
        body: "Nothing was said.".into(),
        ..Content::default()
    };
    append(
        viewed.log(),
        batch(vec![draft(Act::Amend, "dated", encode_content(amended))]),
    )
    .unwrap();
    assert!(found(&viewed, "kind = document AND country = PAK").0.is_empty());
    append(viewed.log(), batch(vec![act(Act::Retract, "talks")])).unwrap();
    assert!(found(&viewed, "country = PAK").0.is_empty());
}

#[test]
fn a_condition_of_an_append_is_never_broken_by_a_suggestion() {
    let (viewed, _) = archive();
    let unless = |text: &str| {
        let mut next = batch(vec![of_kind(Kind::Document, "next", dispatch())]);
        next.fail_if_match = Some((Filter::parse(text).unwrap(), Position::START));
        append(viewed.log(), next)
    };
    unless("kind = document AND country = IRN").unwrap();
    unless("actor = \"Qamar Javed Bajwa\"").unwrap_err();
}

#[test]
fn a_view_by_other_rules_is_made_anew() {
    let (mut viewed, [dispatch, _, dated]) = archive();
    viewed.follow();
    let last = "kind = document AND country = PAK";
    viewed.take(super::Step::Seal);
    viewed.follower = None;
    // As a program with other rules has left it.
    let of_rules = |rules: &str| {
        let own = follow::version();
        let before = own.strip_suffix(chancery::suggest::version()).unwrap();
        viewed.views().join(format!("search-{before}{rules}"))
    };
    let (own, other) = (of_rules(chancery::suggest::version()), of_rules("2025-1"));
    std::fs::rename(&own, &other).unwrap();
    viewed.reopen();
    assert!(!other.exists() && own.exists());
    assert_eq!(viewed.search().through(), Position::START);
    assert_eq!(found(&viewed, last).0, [dispatch, dated]);
    viewed.follow();
    assert_eq!(viewed.search().through(), viewed.log().tail());
    assert_eq!(found(&viewed, last).0, [dispatch, dated]);
}

#[test]
fn the_version_of_a_view_names_the_rules_of_suggestions() {
    assert!(
        follow::version().ends_with(chancery::suggest::version()),
        "{}",
        follow::version()
    );
    // Terms of what is suggested are never those of what is stated.
    let content = dispatch();
    let subject = chancery::filter::Subject {
        position: Position::START,
        act: Act::Create,
        kind: Kind::Document,
        series: "desk",
        key: "dispatch",
        revision: chancery::record::Revision::FIRST,
        recorded: chancery::record::Recorded::from_nanos(0),
        status: chancery::record::Status::Current,
        principal: "",
        content: chancery::filter::LazyContent::ready(&content),
    };
    each_term(&subject, |field, bytes| {
        assert!(bytes != b"PAK" || field as u8 >= 46, "{field:?}");
    });
}

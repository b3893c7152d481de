//! A feed is the same by the search view as by a look at every record.

use crate::harness::{self, act, append, batch, draft};
use crate::{BROAD, Step, Viewed, filter, plain, step};
use chancery::filter::Filter;
use chancery::log::{Columns, Draft, Log};
use chancery::record::codec::{Content, Country, Participant, RelationType, encode_content};
use chancery::record::{Act, EntryKey, Position};
use chancery::subscription::{From, Hub, Item, Subscribe};
use chancery::view::ahead::{MESSAGE_BYTES_MAX, Readers, Source};
use chancery::view::reader::{SCANNED_MAX, Viewed as View};
use chancery::view::{Change, Matcher, Mode, Parts, Plan, Reader, Selection};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What a feed delivers.
pub type Delivered = Vec<(u64, Change, Vec<u8>)>;

/// All that a feed delivers of a range, which it must have looked at without a gap.
pub fn fed(
    log: &Log,
    filter: &Filter,
    mode: Mode,
    range: Range<u64>,
    view: &View,
    bytes: usize,
) -> Delivered {
    let matcher = Matcher::new(log.clone(), filter.clone(), mode);
    let plan = Plan::Forward {
        from: Position::new(range.start),
        until: Position::new(range.end),
    };
    let readers = Arc::new(Readers::default());
    let mut reader = Reader::new(log.clone(), matcher, Columns::All, 1, plan, None)
        .among(&readers)
        .by(view);
    let (mut next, mut delivered) = (range.start, Vec::new());
    while let Some(selection) = reader.step(bytes).unwrap() {
        assert_eq!(selection.first.get(), next, "ranges join");
        assert!(selection.through > selection.first, "it goes on");
        next = selection.through.get();
        selection.for_each(|record, change| {
            assert!((selection.first..selection.through).contains(&record.position));
            delivered.push((record.position.get(), change, record.payload.to_vec()));
        });
    }
    assert_eq!(next, range.end.max(range.start));
    delivered
}

/// Links of the entries too: they are acts on a content.
fn linked(viewed: &Viewed, n: usize) {
    let keys = crate::KEYS;
    let link = |said: Act| link(said, keys[n % keys.len()], keys[(n + 1) % keys.len()]);
    let _ = append(viewed.log(), batch(vec![link(Act::Link)]));
    if n.is_multiple_of(2) {
        let _ = append(viewed.log(), batch(vec![link(Act::Unlink)]));
    }
}

/// A LINK or UNLINK of two entries.
pub fn link(said: Act, key: &str, other: &str) -> Draft {
    Draft {
        relation: Some((RelationType::PartOf, EntryKey::new("desk", other).unwrap())),
        ..act(said, key)
    }
}

fn feed_filter() -> impl Strategy<Value = String> {
    let of_acts = prop::sample::select(vec![
        "act = erase",
        "act = retract OR country = PAK",
        "country = PAK AND act = reinstate",
        "country = PAK AND NOT act = amend",
        "country = IRN revision > 1",
        "country = JPN AND position >= 9",
        "principal = anon* country = PAK",
        "status = retracted country = PAK",
        "key = c",
    ]);
    prop_oneof![
        2 => filter(),
        1 => prop::sample::select(BROAD.to_vec()).prop_map(str::to_owned),
        2 => of_acts.prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn complete_a_feed_by_the_view_is_the_feed_by_a_look_at_every_record(
        steps in prop::collection::vec((step(), 0..12usize), 5..60),
        filters in prop::collection::vec((feed_filter(), any::<u64>(), any::<u64>()), 16),
    ) {
        let mut viewed = Viewed::new();
        for (step, n) in steps {
            viewed.take(step);
            if n < 3 {
                linked(&viewed, n);
            }
        }
        crate::changes::everything_says_what_a_filter_says_that_all_match(&viewed);
        let log = viewed.log();
        let tail = log.tail().get();
        let view = Arc::new(OnceLock::from(viewed.search()));
        for (text, from, until) in filters {
            let filter = Filter::parse(&text).unwrap();
            let from = from % (tail + 1);
            let until = from + until % (tail - from + 1);
            for (mode, range) in [Mode::Changes, Mode::Records].into_iter().flat_map(|mode| [(mode, 0..tail), (mode, from..until)]) {
                let by_scan = fed(log, &filter, mode, range.clone(), &View::default(), 1 << 20);
                for bytes in [64, 1 << 20] {
                    let by_view = fed(log, &filter, mode, range.clone(), &view, bytes);
                    prop_assert_eq!(&by_view, &by_scan, "{} {:?} {:?}", &text, mode, &range);
                }
            }
        }
    }
}

fn of(country: &str, n: usize) -> Content {
    Content {
        participants: vec![Participant {
            name: "Foreign Ministry".into(),
            countries: vec![Country {
                scheme: "iso3".into(),
                code: country.into(),
            }],
            ..Participant::default()
        }],
        ..plain(&Content {
            title: "x".repeat(n % 5),
            ..Content::default()
        })
    }
}

/// A thousand records of which few are of one country, and some are amended, linked and erased.
pub fn mixed() -> Viewed {
    let mut viewed = Viewed::new();
    for n in 0..50 {
        let drafts = (0..20).map(|m| {
            let country = if m == n % 20 && n % 5 == 0 { "NLD" } else { "IRN" };
            draft(
                Act::Create,
                &format!("key {n} {m}"),
                encode_content(of(country, m)),
            )
        });
        append(viewed.log(), batch(drafts.collect())).unwrap();
        if n == 25 {
            viewed.take(Step::Seal);
        }
    }
    let amended = |key: &str, country: &str| draft(Act::Amend, key, encode_content(of(country, 3)));
    for one in [
        amended("key 5 5", "IRN"),
        amended("key 6 1", "NLD"),
        act(Act::Retract, "key 10 10"),
        act(Act::Retract, "key 7 7"),
    ] {
        append(viewed.log(), batch(vec![one])).unwrap();
    }
    viewed.follow();
    viewed
}

#[test]
fn of_a_rare_country_only_its_records_are_looked_at() {
    let viewed = mixed();
    let filter = Filter::parse("country = NLD").unwrap();
    let tail = viewed.log().tail();
    let view = Arc::new(OnceLock::from(viewed.search()));
    for (mode, delivered) in [(Mode::Changes, 13), (Mode::Records, 12)] {
        let known = viewed.search().deliverable(
            viewed.log(),
            &filter,
            mode,
            Position::START..tail,
            &AtomicBool::default(),
        );
        let known = known
            .map_err(|scan| format!("a look at all below {scan}"))
            .unwrap();
        assert_eq!(known.end(), tail);
        let named = known.from(Position::START).count();
        assert!(named <= 15, "{named} records are looked at");
        let fed = fed(viewed.log(), &filter, mode, 0..tail.get(), &view, 1 << 20);
        assert_eq!(fed.len(), delivered, "{mode:?}");
    }
    let common = Filter::parse("country = IRN").unwrap();
    let known = viewed.search().deliverable(
        viewed.log(),
        &common,
        Mode::Changes,
        Position::START..tail,
        &AtomicBool::default(),
    );
    assert_eq!(known.err(), Some(tail), "there every record is looked at");
}

/// The country that few records of [`long`] have, its ministry and what is said of it.
const SELDOM: [&str; 3] = ["NLD", "Rare Ministry", "seldom said"];

/// Thousands of records; each sixth, the first multiple of 256 among them, has what is looked for and is large.
fn long() -> Viewed {
    let mut viewed = Viewed::new();
    let content = |n: usize| {
        let is_seldom = n % 6 == 256 % 6;
        let [country, name, said] = if is_seldom {
            SELDOM
        } else {
            ["IRN", "Foreign Ministry", "often said"]
        };
        let mut content = of(country, n);
        content.participants[0].name = name.into();
        content.title = format!("{said} {n}");
        content.body = "x".repeat(if is_seldom { 1_500 + n % 700 } else { 50 });
        encode_content(content)
    };
    for first in (0..9_000).step_by(100) {
        let drafts = (first..first + 100).map(|n| draft(Act::Create, &format!("key {n}"), content(n)));
        append(viewed.log(), batch(drafts.collect())).unwrap();
    }
    let seldom = |n: usize| format!("key {}", 4 + 6 * n);
    for n in 0..40 {
        let amended = draft(Act::Amend, &seldom(n), content(4 + 6 * (n + 2_000) + n % 2));
        let drafts = vec![amended, act(Act::Retract, &seldom(100 + n))];
        append(viewed.log(), batch(drafts)).unwrap();
    }
    viewed.take(Step::Seal);
    viewed
}

#[test]
fn complete_a_long_feed_by_the_view_is_the_feed_by_a_look_at_every_record() {
    let viewed = long();
    let (log, tail) = (viewed.log(), viewed.log().tail().get());
    let view = Arc::new(OnceLock::from(viewed.search()));
    for text in [
        // Whoever has the words may have them elsewhere, and whoever has the name may have it in part: each is judged.
        "title : \"seldom said\"",
        "actor = \"=Rare Ministry\"",
        "country = NLD",
        "country = NLD status = current",
        "country = NLD AND NOT title : often",
    ] {
        let filter = Filter::parse(text).unwrap();
        for mode in [Mode::Changes, Mode::Records] {
            let by_scan = fed(log, &filter, mode, 0..tail, &View::default(), 1 << 20);
            let sent: usize = by_scan.iter().map(|(_, _, payload)| payload.len()).sum();
            assert!(sent > 4 * MESSAGE_BYTES_MAX, "{text}: {sent} bytes");
            assert!(by_scan.iter().any(|(at, ..)| *at == 256), "{text}");
            let large = (0..12).map(|n| MESSAGE_BYTES_MAX + n * 23_456);
            for bytes in large.chain([40_000, 300_000]) {
                let by_view = fed(log, &filter, mode, 0..tail, &view, bytes);
                let lost: Vec<u64> = by_scan
                    .iter()
                    .map(|(at, ..)| *at)
                    .filter(|at| by_view.iter().all(|(other, ..)| other != at))
                    .collect();
                assert!(lost.is_empty(), "{text} {mode:?} {bytes}: {lost:?} are lost");
                assert!(by_view == by_scan, "{text} {mode:?} {bytes}");
            }
        }
    }
}

#[test]
fn an_erasure_after_the_candidates_were_gathered_has_them_gathered_anew() {
    let mut viewed = mixed();
    let view: View = Arc::new(OnceLock::from(viewed.search()));
    let filter = Filter::parse("NOT country = IRN").unwrap();
    let tail = viewed.log().tail().get();
    let matcher = Matcher::new(viewed.log().clone(), filter.clone(), Mode::Records);
    let plan = Plan::Forward {
        from: Position::START,
        until: Position::new(tail),
    };
    let mut reader = Reader::new(viewed.log().clone(), matcher, Columns::All, 1, plan, None).by(&view);
    let first = reader.step(64).unwrap().unwrap();
    // It had the country until now; without a content it has none.
    append(viewed.log(), batch(vec![harness::create("other", "x")])).unwrap();
    let entry = EntryKey::new("desk", "key 49 0").unwrap();
    crate::erase_entry(&mut viewed, entry, None);
    let mut delivered = Vec::new();
    let mut take = |selection: chancery::view::Selection| {
        selection.for_each(|record, _| delivered.push(record.position.get()));
    };
    take(first);
    while let Some(selection) = reader.step(1 << 20).unwrap() {
        take(selection);
    }
    assert!(delivered.contains(&(49 * 20)), "{delivered:?}");
}

/// The ranges that a subscriber from the first record on is told of until it has caught up.
fn ranges(viewed: &Viewed, text: &str, view: &View) -> Vec<Range<u64>> {
    let encode = |selection: &Selection, _: Parts, _: &[u8]| {
        assert!(selection.is_empty());
        format!("{} {}", selection.first, selection.through).into()
    };
    let hub = Hub::new(viewed.log().clone(), Arc::default(), encode).with_view(view);
    let request = Subscribe {
        from: From::Start,
        filter: Filter::parse(text).unwrap(),
        parts: Parts::Both,
        until: None,
        heartbeat: Duration::from_secs(3_600),
        mode: Mode::Changes,
    };
    let range = |text: &[u8]| {
        let (first, through) = std::str::from_utf8(text).unwrap().split_once(' ').unwrap();
        first.parse().unwrap()..through.parse().unwrap()
    };
    harness::runtime().block_on(async {
        let mut session = Arc::new(hub).subscribe(request).await.unwrap();
        let mut ranges = Vec::new();
        loop {
            match session.next().await.unwrap().unwrap() {
                Item::Batch(message) => ranges.push(range(&message)),
                Item::CaughtUp { .. } => return ranges,
                _ => {}
            }
        }
    })
}

#[test]
fn complete_where_nothing_matches_a_feed_is_told_so_at_least_every_65536_records() {
    let mut viewed = Viewed::new();
    let content = encode_content(plain(&Content::default()));
    for _ in 0..140 {
        let drafts = (0..500).map(|_| draft(Act::Create, "", content.clone()));
        append(viewed.log(), batch(drafts.collect())).unwrap();
    }
    viewed.take(Step::Seal);
    let view = Arc::new(OnceLock::from(viewed.search()));
    for view in [View::default(), view] {
        let told = ranges(&viewed, "title : nobody", &view);
        assert_eq!((told[0].start, told.last().unwrap().end), (0, 70_000));
        assert!(
            told.windows(2).all(|pair| pair[0].end == pair[1].start),
            "{told:?}"
        );
        assert!(
            told.iter().all(|range| range.end - range.start <= SCANNED_MAX),
            "{told:?}"
        );
    }
}

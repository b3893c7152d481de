//! Answers in order of relevance: the same with the view and without, whole over all pages, and in the order that they promise.

use super::*;
use chancery::filter::Excerpt;
use chancery::record::codec::Text;
use chancery::view::QueryError;
use chancery::view::relevance::RANKED_MAX;

/// All pages of an answer in order of relevance: positions and excerpts.
fn ranked(
    scanner: &Scanner,
    filter: &str,
    as_of: Position,
    (ascending, page_size): (bool, usize),
) -> Result<Vec<(u64, Vec<Excerpt>)>, QueryError> {
    let search = view::Search {
        filter: Filter::parse(filter).unwrap(),
        as_of: Some(as_of),
        order: Order::Relevance,
        ascending,
        page_size,
        collapse: Collapse::None,
        excerpts: true,
        unannotated: false,
        records_only: false,
    };
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let page = runtime().block_on(scanner.search(search.clone(), token.as_deref(), lines()))?;
        let told = told(&page);
        assert_eq!(told.len(), page.excerpts.len());
        let positions = told.into_iter().map(|(position, _)| position);
        all.extend(positions.zip(page.excerpts));
        token = page.next;
        if token.is_none() {
            return Ok(all);
        }
    }
}

fn scan(viewed: &Viewed) -> Scanner {
    Scanner::new(viewed.log().clone(), options(), Arc::default())
}

fn by_view(viewed: &Viewed) -> Scanner {
    let view = Arc::new(OnceLock::from(viewed.search()));
    Scanner::new(viewed.log().clone(), options(), view)
}

/// Texts of few words, so that most have some.
fn wordy() -> impl Strategy<Value = Content> {
    let words = prop::sample::select(vec![
        "border",
        "Khan",
        "army",
        "visit",
        "Türkiye",
        "伊朗总统",
        "of",
    ]);
    let text = || prop::collection::vec(words.clone(), 0..6).prop_map(|words| words.join(" "));
    (text(), text(), text(), text()).prop_map(|(title, body, other, name)| Content {
        body,
        texts: vec![Text {
            body: other,
            ..Text::default()
        }],
        participants: vec![Participant {
            name,
            ..plain(&Content::default()).participants.swap_remove(0)
        }],
        ..Content {
            title,
            ..plain(&Content::default())
        }
    })
}

fn worded() -> impl Strategy<Value = String> {
    let texts = vec![
        "border",
        "khan OR border OR visit",
        "(army OR turk*) AND NOT visit",
        "\"khan army\" OR 朗",
        "title : border OR (body AND visit) OR name : khan",
        "kind = event AND (of OR 总统)",
        "status = retracted AND (khan OR army)",
        "(status = erased OR status = current) AND (khan OR kind = event)",
        "text : (army OR visit) AND source.name : khan",
    ];
    prop::sample::select(texts).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn relevance_is_the_same_with_the_view_and_without(
        steps in prop::collection::vec(step(), 3..40),
        said in prop::collection::vec((0..KEYS.len(), wordy()), 3..20),
        filters in prop::collection::vec(worded(), 6),
    ) {
        let mut viewed = Viewed::new();
        let mut said = said.into_iter();
        for step in steps {
            viewed.take(step);
            if let Some((key, content)) = said.next() {
                let act = if viewed.said.is_multiple_of(2) { Act::Create } else { Act::Amend };
                viewed.take(Step::Say(key, act, Box::new(content)));
            }
        }
        let tail = viewed.log().tail().get();
        let (scan, view) = (scan(&viewed), by_view(&viewed));
        for (n, text) in filters.iter().enumerate() {
            for as_of in [tail, tail * n as u64 / 6] {
                let as_of = Position::new(as_of);
                let whole = ranked(&view, text, as_of, (false, 1_000)).unwrap();
                prop_assert_eq!(&whole, &ranked(&scan, text, as_of, (false, 1_000)).unwrap(), "{} as of {}", text, as_of);
                prop_assert_eq!(&whole, &ranked(&view, text, as_of, (false, 2)).unwrap(), "pages join");
                let mut turned = ranked(&scan, text, as_of, (true, 3)).unwrap();
                turned.reverse();
                prop_assert_eq!(&whole, &turned, "turned round");
                // It is the answer of every order.
                let filter = Filter::parse(text).unwrap();
                let (newest, ..) = answer(&scan, &filter, as_of, Order::Newest, Collapse::None);
                let mut positions: Vec<u64> = whole.into_iter().map(|(position, _)| position).collect();
                positions.sort_unstable_by(|a, b| b.cmp(a));
                prop_assert_eq!(positions, newest.into_iter().map(|(position, _)| position).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn rare_words_titles_and_short_texts_come_first_and_of_equal_ones_the_newest() {
    let mut viewed = Viewed::new();
    let body = |title: &str, body: &str| Content {
        title: title.into(),
        body: body.into(),
        ..plain(&Content::default())
    };
    let contents = [
        body(
            "Talks",
            "the border and the border again, and much else that was said",
        ),
        body("Talks", "the border"),
        body("Border talks", "held"),
        body("Talks", "a skirmish"),
        body("Talks", "the border"),
        body("Talks", "nothing"),
    ];
    for (content, key) in contents.into_iter().zip(KEYS) {
        viewed.say(key, Act::Create, content);
    }
    viewed.take(Step::Seal);
    let tail = viewed.log().tail();
    let positions = |filter: &str| -> Vec<u64> {
        let all = ranked(&by_view(&viewed), filter, tail, (false, 10)).unwrap();
        all.into_iter().map(|(position, _)| position).collect()
    };
    assert_eq!(positions("border")[0], 2, "a title counts more");
    assert_eq!(positions("border OR skirmish")[0], 3, "a rare word counts more");
    let found = positions("border");
    assert_eq!(
        found.iter().position(|at| *at == 4).map(|at| found[at + 1]),
        Some(1),
        "{found:?}"
    );
    for none in ["", "country = PAK", "NOT border"] {
        let refused = ranked(&scan(&viewed), none, tail, (false, 10)).unwrap_err();
        assert!(matches!(refused, QueryError::NoWords), "{refused}");
    }
    let many: Vec<String> = (0..65).map(|n| format!("word{n}")).collect();
    let refused = ranked(&scan(&viewed), &many.join(" OR "), tail, (false, 10)).unwrap_err();
    assert!(refused.to_string().contains("65"), "{refused}");
}

#[test]
fn only_the_newest_are_ranked_and_the_others_follow() {
    let mut viewed = Viewed::new();
    let more = 500;
    let all = RANKED_MAX as u64 + more;
    for first in (0..all).step_by(500) {
        let title = |n: u64| {
            if n.is_multiple_of(2_100) {
                "border border"
            } else {
                "the border"
            }
        };
        let drafts = (first..(first + 500).min(all)).map(|n| harness::create("", title(n)));
        append(viewed.log(), batch(drafts.collect())).unwrap();
    }
    viewed.take(Step::Follow);
    let tail = viewed.log().tail();
    let found = ranked(&by_view(&viewed), "border", tail, (false, 1_000)).unwrap();
    let positions: Vec<u64> = found.into_iter().map(|(position, _)| position).collect();
    assert_eq!(positions.len() as u64, all);
    assert_eq!(positions[..5], [8_400, 6_300, 4_200, 2_100, all - 1]);
    let others: Vec<u64> = (0..more).rev().collect();
    assert_eq!(
        positions[RANKED_MAX..],
        others,
        "the oldest of the best is not ranked"
    );
}

//! Search, Count, Explain, ListSeries.

use crate::harness::*;
use chancery::filter::Filter;
use chancery::record::codec::Act;
use chancery::rpc::proto::{self, Order};
use chancery::view::{Options, Order as By, Scanner, Search};
use futures::TryStreamExt;
use std::time::Duration;
use tonic::Code;

async fn archive() -> (tempfile::TempDir, Server) {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event_of("a", "PAK", "2021-10-13")).await;
    server.put(event_of("b", "IRN", "2020-01-01")).await;
    server.put(event_of("c", "PAK", "2022")).await;
    server.put(amend("a", "PAK")).await;
    server.put(act(Act::Retract, "b")).await;
    (folder, server)
}

async fn found(server: &Server, request: proto::SearchRequest) -> Vec<u64> {
    let pages: Vec<_> = server.client.pages(request, None).try_collect().await.unwrap();
    pages
        .into_iter()
        .flat_map(|page| page.entries)
        .map(|entry| entry.record.unwrap().position)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_answers_each_entry_once_at_its_newest_content() {
    let (_folder, server) = archive().await;
    assert_eq!(found(&server, proto::SearchRequest::default()).await, [3, 2]);
    let ascending = proto::SearchRequest {
        ascending: true,
        ..Default::default()
    };
    assert_eq!(found(&server, ascending).await, [2, 3]);
    let occurred = proto::SearchRequest {
        order: Order::Occurred.into(),
        ..Default::default()
    };
    assert_eq!(found(&server, occurred).await, [2, 3]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_as_of_then_answers_what_was_known() {
    let (_folder, server) = archive().await;
    let then = |position| proto::SearchRequest {
        as_of: Some(proto::AsOf {
            at: Some(proto::as_of::At::Position(position)),
        }),
        ..Default::default()
    };
    assert_eq!(found(&server, then(3)).await, [2, 1, 0]);
    assert_eq!(found(&server, then(4)).await, [3, 2, 1]);
    assert_eq!(found(&server, then(0)).await, [0u64; 0]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_join_and_speak_of_one_position() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 95, 10).await;
    let request = proto::SearchRequest {
        page_size: 10,
        ..Default::default()
    };
    let first = server
        .client
        .query()
        .search(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((first.total, first.entries.len()), (95, 10));
    server.fill(95, 5, 5).await;
    let rest = proto::SearchRequest {
        page_token: first.next_page_token.clone(),
        ..request.clone()
    };
    let pages: Vec<_> = server.client.pages(rest, None).try_collect().await.unwrap();
    assert!(
        pages
            .iter()
            .all(|page| (page.view_position, page.total) == (95, 95))
    );
    let all: Vec<u64> = std::iter::once(&first)
        .chain(&pages)
        .flat_map(|page| &page.entries)
        .map(|entry| entry.record.as_ref().unwrap().position)
        .collect();
    assert_eq!(all, (0..95).rev().collect::<Vec<u64>>());

    let other = proto::SearchRequest {
        page_token: first.next_page_token,
        order: Order::Occurred.into(),
        ..Default::default()
    };
    refused(
        server.client.query().search(other).await,
        Code::InvalidArgument,
        "INVALID_PAGE_TOKEN",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_of_many_pages_scans_once_however_large_it_is() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 95, 10).await;
    let options = Options {
        concurrent_max: 2,
        waiting_max: 8,
        results_bytes: 0,
        min_position_wait: Duration::ZERO,
    };
    let scanner = Scanner::new(server.log.clone(), options, std::sync::Arc::default());
    let search = |filter: &str| Search {
        collapse: chancery::view::likeness::Collapse::None,
        records_only: false,
        filter: Filter::parse(filter).unwrap(),
        as_of: None,
        order: By::Newest,
        ascending: false,
        page_size: 10,
        excerpts: false,
        unannotated: false,
    };
    let write = || -> Box<chancery::view::Write> { Box::new(|_, out| out.push(b'.')) };
    let mut token = None;
    let (mut pages, mut entries) = (0, 0);
    loop {
        let page = scanner.search(search(""), token.as_deref(), write()).await;
        let page = page.unwrap();
        pages += 1;
        entries += page.entries.concat().len();
        // Another question meanwhile does not push the result out.
        scanner
            .search(search("key = key-7"), None, write())
            .await
            .unwrap();
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!((pages, entries), (10, 95));
    assert_eq!(scanner.searched(), 1 + pages);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_beside_another_as_of_is_refused() {
    let (_folder, server) = archive().await;
    let at = |position| {
        Some(proto::AsOf {
            at: Some(proto::as_of::At::Position(position)),
        })
    };
    let request = proto::SearchRequest {
        page_size: 1,
        as_of: at(3),
        ..Default::default()
    };
    let search = async |request| server.client.query().search(request).await;
    let first = search(request.clone()).await.unwrap().into_inner();
    let second = |as_of| proto::SearchRequest {
        page_token: first.next_page_token.clone(),
        as_of,
        ..request.clone()
    };
    let sentence = refused(
        search(second(at(4))).await,
        Code::InvalidArgument,
        "INVALID_PAGE_TOKEN",
    );
    assert!(sentence.contains("as_of"), "{sentence}");
    for same in [at(3), None] {
        let page = search(second(same)).await.unwrap().into_inner();
        assert_eq!(page.view_position, 3);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_of_events_that_stand() {
    let (_folder, server) = archive().await;
    let mut document = content("a dispatch", "PAK", "2021");
    document.body = "text".into();
    let mut document = record(Act::Create, "d", Some(document));
    document.kind = chancery::record::codec::Kind::Document.into();
    server.put(document).await;
    let counted = server
        .client
        .query()
        .count(proto::CountRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((counted.count, counted.view_position), (2, 6));
    assert!(counted.notes.iter().any(|note| note.contains("`event`")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_is_listed_with_its_counts() {
    let (_folder, server) = archive().await;
    let counted = async |position: Option<u64>| {
        let at = position.map(proto::as_of::At::Position);
        let request = proto::ListSeriesRequest {
            as_of: at.map(|at| proto::AsOf { at: Some(at) }),
        };
        let listed = server.client.query().list_series(request).await.unwrap();
        let listed = listed.into_inner().series;
        let of_it = |one: &proto::Series| (one.entries, one.records, one.retracted, one.kinds[0].entries);
        listed.iter().map(of_it).collect::<Vec<_>>()
    };
    assert_eq!(counted(None).await, [(3, 5, 1, 3)]);
    // What was counted is gone on with, and is no part of what was there before.
    assert_eq!(counted(Some(4)).await, [(3, 4, 0, 3)]);
    assert_eq!(counted(Some(0)).await, []);
    server.put(act(Act::Reinstate, "b")).await;
    server.put(event_of("d", "PAK", "2022")).await;
    assert_eq!(counted(None).await, [(4, 7, 0, 4)]);
    assert_eq!(counted(None).await, [(4, 7, 0, 4)]);
    assert_eq!(counted(Some(5)).await, [(3, 5, 1, 3)]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_the_log_does_not_reach_is_waited_for_and_then_told() {
    let folder = folder();
    let config = chancery::config::Config {
        min_position_wait_ms: 1,
        ..Default::default()
    };
    let server = Server::start_with(folder.path(), config).await;
    let request = proto::CountRequest {
        min_position: 5,
        ..Default::default()
    };
    let answer = server.client.query().count(request).await;
    refused(answer, Code::Unavailable, "VIEW_LAGGING");
    server.stop().await;
}

fn filtered(filter: &str) -> proto::SearchRequest {
    proto::SearchRequest {
        filter: filter.into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_decides_by_newest_content_and_standing() {
    let (_folder, server) = archive().await;
    server.put(amend("c", "IND")).await;
    let expected: [(&str, &[u64]); 8] = [
        ("country = PAK", &[3]),
        ("country = IND", &[5]),
        ("country = IRN", &[]),
        ("country = IRN status = retracted", &[1]),
        ("status = current", &[5, 3]),
        ("key = a", &[3]),
        ("\"a amended\"", &[3]),
        ("occurred < 2021", &[]),
    ];
    for (filter, positions) in expected {
        assert_eq!(found(&server, filtered(filter)).await, positions, "{filter}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_act_does_not_let_retracted_entries_in() {
    let (_folder, server) = archive().await;
    let counted = async |filter: &str| {
        let request = proto::CountRequest {
            filter: filter.into(),
            ..Default::default()
        };
        server
            .client
            .query()
            .count(request)
            .await
            .unwrap()
            .into_inner()
            .count
    };
    let expected: [(&str, &[u64]); 3] = [
        ("act = create", &[2]),
        ("act != amend", &[2]),
        ("act = create status = retracted", &[1]),
    ];
    for (filter, positions) in expected {
        assert_eq!(found(&server, filtered(filter)).await, positions, "{filter}");
        assert_eq!(counted(filter).await, positions.len() as u64, "{filter}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_be_read_is_named_with_its_column() {
    let (_folder, server) = archive().await;
    for filter in [
        "country = ",
        "country = PAK AND type = 04 OR key = a",
        "colour = red",
    ] {
        let answer = server.client.query().search(filtered(filter)).await;
        let sentence = refused(answer, Code::InvalidArgument, "INVALID_FILTER");
        assert!(sentence.starts_with("filter: "), "{sentence}");
        let request = proto::ReadRequest {
            filter: filter.into(),
            ..Default::default()
        };
        refused(
            server.read(request).await,
            Code::InvalidArgument,
            "INVALID_FILTER",
        );
    }
    server.stop().await;
}

/// How often it is looked whether the index has caught up, ten milliseconds apart.
const WAITS_MAX: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_how_a_filter_is_read_and_answered() {
    let (_folder, server) = archive().await;
    let ask = async |filter: &str| {
        let request = proto::ExplainRequest {
            filter: filter.into(),
            ..Default::default()
        };
        server.client.query().explain(request).await.unwrap().into_inner()
    };
    let mut explained = ask("country = Iran").await;
    for _ in 0..WAITS_MAX {
        if explained.plan == "index" && explained.records_scanned == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        explained = ask("country = Iran").await;
    }
    assert_eq!((&*explained.plan, explained.records_scanned), ("index", 0));
    assert_eq!(explained.canonical, "country = IRN");
    assert_eq!(explained.tree, ["country = IRN"]);
    assert!(!explained.notes.is_empty());
    let explained = ask("country = IRN AND extra.Column != 1").await;
    assert_eq!(
        (&*explained.plan, explained.records_scanned),
        ("index, then its candidates", 0)
    );
    for text in [
        "revision = 1",
        "position >= 2",
        "recorded >= 2020-01-01",
        "measure.goldstein > 0",
        "has:place",
        "actor : iran",
        "topic : \"border security\"",
        "type : visit OR identifier : q1",
    ] {
        let explained = ask(text).await;
        assert_eq!(
            (&*explained.plan, explained.records_scanned),
            ("index", 0),
            "{text}"
        );
    }
    let explained = ask("extra.Column = 1").await;
    assert_eq!((&*explained.plan, explained.records_scanned), ("scan", 5));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_counted_by_what_they_have_in_common() {
    let (_folder, server) = archive().await;
    let ask = |by: &[&str], limit| proto::AggregateRequest {
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        order: proto::GroupOrder::Count.into(),
        limit,
        ..Default::default()
    };
    let answer = async |request| -> Vec<proto::AggregateResponse> {
        let answer = server.client.query().aggregate(request).await.unwrap();
        answer.into_inner().try_collect().await.unwrap()
    };
    let [all] = answer(ask(&["year", "country"], 0)).await.try_into().unwrap();
    let groups: Vec<_> = all
        .groups
        .iter()
        .map(|group| (group.values.join(" "), group.count))
        .collect();
    assert_eq!(groups, [("2021 PAK".to_owned(), 1), ("2022 PAK".to_owned(), 1)]);
    assert_eq!(
        (all.entries, all.without, all.groups_total, all.view_position),
        (2, 0, 2, 5)
    );
    assert!(
        all.notes.iter().any(|note| note.contains("country tables")),
        "{all:?}"
    );
    let [first] = answer(ask(&["year"], 1)).await.try_into().unwrap();
    assert_eq!((first.groups.len(), first.groups_total), (1, 2));
    let early = proto::AggregateRequest {
        as_of: Some(proto::AsOf {
            at: Some(proto::as_of::At::Position(3)),
        }),
        ..ask(&["country"], 0)
    };
    let [early] = answer(early).await.try_into().unwrap();
    assert_eq!(early.groups.len(), 2, "the one was not retracted then");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_for_groups_that_cannot_be_taken_is_refused_with_its_field() {
    let (_folder, server) = archive().await;
    let ask = async |by: &[&str], measure: &str| {
        let request = proto::AggregateRequest {
            by: by.iter().map(|name| (*name).to_owned()).collect(),
            measure: measure.to_owned(),
            ..Default::default()
        };
        server.client.query().aggregate(request).await.map(drop)
    };
    let few = refused(ask(&[], "").await, Code::InvalidArgument, "TOO_LARGE");
    assert!(few.contains("1 to 3"), "{few}");
    let many = ask(&["day", "country", "dyad", "type"], "").await;
    refused(many, Code::InvalidArgument, "TOO_LARGE");
    let twice = refused(
        ask(&["day", "occurred.day"], "").await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    assert!(twice.contains("by[1]") && twice.contains("twice"), "{twice}");
    let unknown = refused(
        ask(&["day", "contry"], "").await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    assert!(
        unknown.contains("by[1]") && unknown.contains("`country`"),
        "{unknown}"
    );
    let long = ask(&["day"], &"m".repeat(300)).await;
    refused(long, Code::InvalidArgument, "TOO_LARGE");
    let values = proto::ListValuesRequest {
        field: "country".to_owned(),
        limit: 6_000,
        ..Default::default()
    };
    refused(
        server.client.query().list_values(values).await,
        Code::InvalidArgument,
        "TOO_LARGE",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_values_of_a_field_are_listed() {
    let (_folder, server) = archive().await;
    let request = proto::ListValuesRequest {
        field: "country".to_owned(),
        filter: "status = current OR status = retracted".to_owned(),
        limit: 1,
        ..Default::default()
    };
    let listed = server
        .client
        .query()
        .list_values(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((&*listed.values[0].value, listed.values[0].count), ("PAK", 2));
    assert_eq!(
        (listed.values.len(), listed.total, listed.entries, listed.without),
        (1, 2, 3, 0)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_suggests_without_being_stored() {
    use proto::suggestion::What;
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let ask = async |text: &str, reported: &str| {
        let request = proto::SuggestRequest {
            title: "Bajwa in Tehran".into(),
            text: text.into(),
            reported: reported.into(),
        };
        server.client.query().suggest(request).await
    };
    let text = "President Joe Biden met Gen. Qamar Javed Bajwa on Wednesday.";
    let answer = ask(text, "2021-10-14").await.unwrap().into_inner();
    let found: Vec<_> = answer
        .suggestions
        .iter()
        .filter_map(|one| one.what.clone())
        .collect();
    assert!(found.contains(&What::Day("2021-10-13".into())) && found.contains(&What::Country("IRN".into())));
    let in_title = &answer.suggestions[0];
    assert_eq!(
        (in_title.part(), in_title.from, in_title.to),
        (proto::DocumentPart::Title, 0, 5)
    );
    assert_eq!(in_title.rule, "named-before");
    assert!(matches!(&in_title.what, Some(What::Person(person)) if person.name == "Qamar Javed Bajwa"));
    assert!(!answer.version.is_empty());
    refused(ask(text, "2021-10").await, Code::InvalidArgument, "INVALID_FIELD");
    refused(
        ask(&"a ".repeat(1 << 19), "").await,
        Code::InvalidArgument,
        "TOO_LARGE",
    );
    assert_eq!(server.tail().await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_is_found_and_fed_by_what_it_suggests_and_said_to_be() {
    use proto::suggestion::What;
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let request = proto::SubscribeRequest {
        filter: "country = PAK".into(),
        ..from_start()
    };
    // One that follows already, and one that catches up later.
    let mut live = server.subscribe(request.clone()).await;
    server.put(event_of("talks", "IND", "2021-10-13")).await;
    let mut dispatch = record(
        Act::Create,
        "dispatch",
        Some(chancery::record::codec::Content {
            title: "A visit".into(),
            body: "Gen. Qamar Javed Bajwa met his Iranian counterpart in Rawalpindi on Wednesday.".into(),
            ..Default::default()
        }),
    );
    dispatch.kind = chancery::record::codec::Kind::Document.into();
    server.put(dispatch).await;
    let mut late = server.subscribe(request).await;
    for feed in [&mut live, &mut late] {
        assert_eq!(positions(&records_until(feed, 2).await), [1]);
    }
    let search = proto::SearchRequest {
        filter: "country = PAK".into(),
        records_only: true,
        ..Default::default()
    };
    let page = server.client.query().search(search).await.unwrap().into_inner();
    let [entry] = page.entries.as_slice() else {
        panic!("{page:?}")
    };
    let [one] = entry.suggested.as_slice() else {
        panic!("{entry:?}")
    };
    assert_eq!(one.what, Some(What::Country("PAK".into())));
    assert_eq!(
        (one.part(), one.from, one.to),
        (proto::DocumentPart::Text, 54, 64)
    );
    assert_eq!(
        (entry.suggested_by.as_str(), one.rule.as_str()),
        (chancery::suggest::version(), "place-name")
    );
    let get = |suggestions| proto::GetEntryRequest {
        entry: Some(proto::EntryName {
            name: Some(proto::entry_name::Name::Position(1)),
        }),
        suggestions,
        ..Default::default()
    };
    let got = async |suggestions| {
        let answer = server.client.archive().get_entry(get(suggestions)).await;
        answer.unwrap().into_inner().entry.unwrap().suggested.len()
    };
    assert_eq!(got(false).await, 0);
    assert!(got(true).await > 4);
    let count = |filter: &str| proto::CountRequest {
        filter: filter.into(),
        ..Default::default()
    };
    let counted = server
        .client
        .query()
        .count(count("kind = document AND actor = \"qamar javed bajwa\""))
        .await;
    let counted = counted.unwrap().into_inner();
    assert_eq!(counted.count, 1);
    assert!(
        counted
            .notes
            .iter()
            .any(|note| note.contains("what their texts suggest")),
        "{:?}",
        counted.notes
    );
    let listed = proto::ListValuesRequest {
        field: "country".into(),
        filter: "kind = document AND country = PAK".into(),
        ..Default::default()
    };
    let listed = server
        .client
        .query()
        .list_values(listed)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((listed.entries, listed.values.len()), (0, 0));
    assert!(
        listed
            .notes
            .iter()
            .any(|note| note.contains("what documents suggest is left out")),
        "{:?}",
        listed.notes
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_just_recorded_is_not_said_to_be_missing() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for at in 0..40_u64 {
        let country = ["PAK", "IRN", "IND", "NLD"][at as usize % 4];
        let key = format!("key-{at}");
        server.put(event_of(&key, country, "2021-10-13")).await;
        let search = proto::SearchRequest {
            as_of: Some(proto::AsOf {
                at: Some(proto::as_of::At::Position(at)),
            }),
            ..filtered(&format!("key = {key}"))
        };
        let answer = server.client.query().search(search).await.unwrap().into_inner();
        assert_eq!(answer.total, 0);
        let says_so = |note: &String| note.contains("the archive has nothing");
        assert!(!answer.notes.iter().any(says_so), "{:?}", answer.notes);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_looked_at_is_not_said_to_be_missing() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    // More keys begin alike than are looked at, and a topic is longer than a term.
    for batch in 0..6_u64 {
        let records =
            (0..100).map(|at| event_of(&format!("icews-2014-{:04}", batch * 100 + at), "PAK", "2014"));
        server.append(records.collect()).await.unwrap();
    }
    let mut long = content("a long topic", "PAK", "2014");
    long.topics = vec![chancery::record::codec::Topic {
        word: format!("{} border deep", "x".repeat(600)),
        ..Default::default()
    }];
    server.put(record(Act::Create, "long", Some(long))).await;
    let notes = async |filter: &str| {
        let answer = server.client.query().search(filtered(filter)).await;
        let answer = answer.unwrap().into_inner();
        assert_eq!(answer.total, 0, "{filter}");
        answer.notes.join("\n")
    };
    assert!(notes("key = nothing-like-it").await.contains("no key begins so"));
    assert!(
        notes("topic : deep AND key = long-9")
            .await
            .contains("key = long-9")
    );
    for filter in [
        "key = icews-2014-05",
        "key = icews-2014-059",
        "topic : deep AND key = long-9",
    ] {
        let notes = notes(filter).await;
        assert!(
            !notes.contains("`key = icews-2014-05`; no key begins so"),
            "{notes}"
        );
        assert!(
            !notes.contains("`key = icews-2014-059`; no key begins so"),
            "{notes}"
        );
        assert!(!notes.contains("`topic : \"deep\"`"), "{notes}");
    }
    server.stop().await;
}

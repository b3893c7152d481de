//! DraftEvents, and searches for documents without events.

use crate::harness::*;
use chancery::filter::Filter;
use chancery::record::Position;
use chancery::record::codec::{
    Act, Content, Date, DateRole, Kind, Relation, RelationType, Side, decode_payload, encode_content,
};
use chancery::rpc::proto::{self, EntryKey, EntryName, entry_name::Name};
use chancery::view::{Options, Order, Scanner, Search};
use std::time::Duration;
use tonic::Code;

const BODY: &str =
    "Pakistan Army chief Gen. Qamar Javed Bajwa met Maj. Gen. Mohammad Bagheri in Rawalpindi on Wednesday.";

fn dispatch(key: &str) -> proto::AppendRecord {
    let content = Content {
        title: format!("Dispatch {key}"),
        body: BODY.to_owned(),
        dates: vec![Date {
            role: DateRole::Reported.into(),
            edtf: "2021-10-14".to_owned(),
            ..Date::default()
        }],
        ..Content::default()
    };
    let mut record = record(Act::Create, key, Some(content));
    record.kind = Kind::Document.into();
    record
}

fn to(key: &str) -> Relation {
    Relation {
        r#type: RelationType::ReportedIn.into(),
        series: "desk".to_owned(),
        key: key.to_owned(),
    }
}

fn event_in(key: &str, document: &str) -> proto::AppendRecord {
    let mut content = content(key, "PAK", "2021-10-13");
    content.relations.push(to(document));
    record(Act::Create, key, Some(content))
}

fn named(key: &str) -> Option<EntryName> {
    let (series, key) = ("desk".to_owned(), key.to_owned());
    Some(EntryName {
        name: Some(Name::Key(EntryKey { series, key })),
    })
}

async fn drafted(server: &Server, key: &str) -> Result<proto::DraftEventsResponse, tonic::Status> {
    let request = proto::DraftEventsRequest {
        document: named(key),
        as_of: None,
    };
    let answer = server.client.query().draft_events(request).await?;
    Ok(answer.into_inner())
}

fn keys(entries: &[proto::Entry]) -> Vec<String> {
    let key = |entry: &proto::Entry| {
        let record = entry.record.as_ref().unwrap();
        chancery::record::Leaf::decode(&record.leaf)
            .unwrap()
            .key
            .to_owned()
    };
    entries.iter().map(key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_answered_with_drafts_that_can_be_appended_as_they_are() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(dispatch("a")).await;
    let answer = drafted(&server, "a").await.unwrap();
    let draft = &answer.drafts[0];
    let parties: Vec<(&str, Side)> = draft
        .participants
        .iter()
        .map(|one| (one.name.as_str(), one.side()))
        .collect();
    assert_eq!(
        parties,
        [
            ("Qamar Javed Bajwa", Side::Party),
            ("Mohammad Bagheri", Side::Party)
        ]
    );
    assert_eq!(
        (draft.dates[0].edtf.as_str(), draft.relations.as_slice()),
        ("2021-10-13", &[to("a")][..])
    );
    assert!(answer.suggestions.len() > 5 && !answer.version.is_empty());
    assert_eq!((answer.events_total, answer.view_position), (0, 1));
    let events = answer.drafts.into_iter().enumerate();
    let events = events.map(|(at, draft)| record(Act::Create, &format!("event-{at}"), Some(draft)));
    server.append(events.collect()).await.unwrap();
    let again = drafted(&server, "a").await.unwrap();
    assert_eq!(again.events[0].key, "event-0");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_and_a_search_read_the_day_of_the_report_alike() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let mut twice = dispatch("a");
    let payload = decode_payload(&twice.payload[0]).unwrap();
    let mut content = payload.content.unwrap();
    content.dates.push(Date {
        role: DateRole::Reported.into(),
        edtf: "2021-10-21".to_owned(),
        ..Date::default()
    });
    twice.payload = vec![encode_content(content)];
    server.put(twice).await;
    // On which Wednesday it was nobody can say.
    let drafts = drafted(&server, "a").await.unwrap().drafts;
    assert!(drafts.iter().all(|draft| draft.dates.is_empty()), "{drafts:?}");
    let search = proto::SearchRequest {
        filter: "has:mentioned.day".to_owned(),
        ..Default::default()
    };
    let found = server.client.query().search(search).await.unwrap().into_inner();
    assert_eq!(found.total, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_document_that_stands_is_refused() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(dispatch("a")).await;
    server.put(event("b")).await;
    refused(
        drafted(&server, "b").await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    refused(drafted(&server, "c").await, Code::NotFound, "UNKNOWN_ENTRY");
    server.put(act(Act::Retract, "a")).await;
    refused(
        drafted(&server, "a").await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_without_events_are_the_same_with_and_without_a_view_as_of_any_point() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for key in ["a", "b", "c"] {
        server.put(dispatch(key)).await;
    }
    server.put(event_in("of-a", "a")).await;
    server.put(event("of-b")).await;
    let mut link = act(Act::Link, "of-b");
    link.relation = Some(to("b"));
    server.put(link.clone()).await;
    server.put(act(Act::Retract, "of-a")).await;
    link.act = Act::Unlink.into();
    server.put(link).await;
    server.put(act(Act::Reinstate, "of-a")).await;
    let expected = [
        (3, "c b a"),
        (4, "c b"),
        (6, "c"),
        (7, "c a"),
        (8, "c b a"),
        (9, "c b"),
    ];
    let options = Options {
        concurrent_max: 2,
        waiting_max: 8,
        results_bytes: 1 << 20,
        min_position_wait: Duration::ZERO,
    };
    let scanner = Scanner::new(server.log.clone(), options, std::sync::Arc::default());
    for (as_of, left) in expected {
        let request = proto::SearchRequest {
            unannotated: true,
            as_of: Some(proto::AsOf {
                at: Some(proto::as_of::At::Position(as_of)),
            }),
            ..Default::default()
        };
        let answer = server.client.query().search(request).await.unwrap().into_inner();
        assert_eq!(keys(&answer.entries).join(" "), left, "as of {as_of}");
        let search = Search {
            collapse: chancery::view::likeness::Collapse::None,
            records_only: true,
            filter: Filter::all(),
            as_of: Some(Position::new(as_of)),
            order: Order::Newest,
            ascending: false,
            page_size: 10,
            excerpts: false,
            unannotated: true,
        };
        let write: Box<chancery::view::Write> = Box::new(|entry, out| {
            out.extend_from_slice(entry.state.entry.key.as_str().as_bytes());
            out.push(b' ');
        });
        let page = scanner.search(search, None, write).await.unwrap();
        assert_eq!(String::from_utf8(page.entries.concat()).unwrap().trim(), left);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_of_documents_without_events_is_of_no_other_search() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for key in ["a", "b"] {
        server.put(dispatch(key)).await;
    }
    let request = proto::SearchRequest {
        unannotated: true,
        page_size: 1,
        ..Default::default()
    };
    let first = server
        .client
        .query()
        .search(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((first.entries.len(), first.total), (1, 2));
    let next = |unannotated| proto::SearchRequest {
        unannotated,
        page_token: first.next_page_token.clone(),
        ..request.clone()
    };
    let second = server
        .client
        .query()
        .search(next(true))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(keys(&second.entries), ["a"]);
    let other = server.client.query().search(next(false)).await;
    refused(other, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    server.stop().await;
}

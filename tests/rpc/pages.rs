//! SearchPages: many pages in one call.

use crate::cutting::{Chance, Proxy};
use crate::harness::*;
use chancery::client::Client;
use chancery::record::codec::Act;
use chancery::rpc::proto::query_client::QueryClient;
use chancery::rpc::proto::{self, Order};
use futures::TryStreamExt;
use tonic::transport::Endpoint;
use tonic::{Code, Streaming};

async fn one_by_one(server: &Server, request: &proto::SearchRequest) -> Vec<proto::SearchResponse> {
    let (mut request, mut pages) = (request.clone(), Vec::new());
    loop {
        let page = server.client.query().search(request.clone()).await.unwrap();
        let page = page.into_inner();
        request.page_token.clone_from(&page.next_page_token);
        pages.push(page);
        if request.page_token.is_empty() {
            return pages;
        }
    }
}

async fn asked(
    server: &Server,
    search: &proto::SearchRequest,
    limit: u64,
) -> Result<Streaming<proto::SearchResponse>, tonic::Status> {
    let request = proto::SearchPagesRequest {
        search: Some(search.clone()),
        limit,
    };
    Ok(server.client.query().search_pages(request).await?.into_inner())
}

async fn in_one(server: &Server, search: &proto::SearchRequest, limit: u64) -> Vec<proto::SearchResponse> {
    asked(server, search, limit)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap()
}

fn entries(pages: &[proto::SearchResponse]) -> Vec<u64> {
    let entries = pages.iter().flat_map(|page| &page.entries);
    entries
        .map(|entry| entry.record.as_ref().unwrap().position)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_in_one_call_are_those_that_are_asked_for_one_by_one() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 95, 10).await;
    let by = |filter: &str, order: Order, page_size| proto::SearchRequest {
        filter: filter.into(),
        order: order.into(),
        page_size,
        ..Default::default()
    };
    for request in [
        by("", Order::Newest, 10),
        by("", Order::Occurred, 19),
        by("", Order::Newest, 0),
        by("key = nothing", Order::Newest, 10),
    ] {
        assert_eq!(
            in_one(&server, &request, 0).await,
            one_by_one(&server, &request).await
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_ends_the_pages_and_their_token_goes_on_behind_it() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 95, 10).await;
    let request = proto::SearchRequest {
        page_size: 10,
        ..Default::default()
    };
    for (limit, pages) in [(1, 1), (10, 1), (25, 3), (94, 10), (95, 10), (96, 10)] {
        let taken = in_one(&server, &request, limit).await;
        assert_eq!(taken.len(), pages, "{limit}");
        assert_eq!(entries(&taken).len() as u64, limit.min(95));
        let rest = proto::SearchRequest {
            page_token: taken.last().unwrap().next_page_token.clone(),
            ..request.clone()
        };
        let rest = match rest.page_token.is_empty() {
            true => Vec::new(),
            false => in_one(&server, &rest, 0).await,
        };
        let all = [entries(&taken), entries(&rest)].concat();
        assert_eq!(all, (0..95).rev().collect::<Vec<u64>>());

        let by_client: Vec<_> = server
            .client
            .pages(request.clone(), Some(limit))
            .try_collect()
            .await
            .unwrap();
        assert_eq!(by_client, taken);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_speak_of_one_point_whatever_is_appended_between_them() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 30, 10).await;
    let request = proto::SearchRequest {
        page_size: 10,
        min_position: 30,
        ..Default::default()
    };
    let mut pages = asked(&server, &request, 0).await.unwrap();
    let first = pages.message().await.unwrap().unwrap();
    server.fill(30, 10, 10).await;
    let rest: Vec<_> = pages.try_collect().await.unwrap();
    assert!(rest.iter().all(|page| page.view_position == first.view_position));
    assert_eq!(
        entries(&[vec![first], rest].concat()),
        (0..30).rev().collect::<Vec<u64>>()
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_search_is_the_answer_to_its_pages() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let with = |filter: &str, page_size, token: &str| proto::SearchRequest {
        filter: filter.into(),
        page_size,
        page_token: token.into(),
        ..Default::default()
    };
    for (request, why) in [
        (with("country =", 0, ""), "INVALID_FILTER"),
        (with("", 1_001, ""), "TOO_LARGE"),
        (with("", 0, "made up"), "INVALID_PAGE_TOKEN"),
    ] {
        refused(asked(&server, &request, 1).await, Code::InvalidArgument, why);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_while_its_page_waits_to_be_sent_is_not_sent() {
    const SECRET: &str = "Quoxhilarious";
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let secret = record(Act::Create, "k", Some(content(SECRET, "PAK", "2021-10-13")));
    server.put(secret).await;
    server.fill(1, 20, 20).await;
    // Its window is full of the first page and the transport holds the second: the third one, which has the secret, waits.
    let endpoint = Endpoint::from_shared(server.address.clone()).unwrap();
    let endpoint = endpoint.initial_stream_window_size(1_024);
    let mut narrow = QueryClient::new(endpoint.connect().await.unwrap());
    let request = proto::SearchPagesRequest {
        search: Some(proto::SearchRequest {
            page_size: 10,
            ..Default::default()
        }),
        limit: 0,
    };
    let mut pages = narrow.search_pages(request).await.unwrap().into_inner();
    // It is made while others are answered.
    let other = proto::SearchRequest::default();
    for _ in 0..20 {
        assert_eq!(entries(&one_by_one(&server, &other).await).len(), 21);
    }
    let erase = proto::EraseRequest {
        entry: Some(proto::EntryKey {
            series: "desk".into(),
            key: "k".into(),
        }),
        authority: "court order 7".into(),
        reason: "court-order".into(),
        ..Default::default()
    };
    server.client.admin().erase(erase).await.unwrap();
    let mut last = Vec::new();
    while let Some(page) = pages.message().await.unwrap() {
        last = page.entries;
        let payloads = last.iter().filter_map(|entry| entry.record.as_ref());
        let holds = |record: &proto::Record| {
            let payload = &record.payload;
            payload
                .windows(SECRET.len())
                .any(|part| part == SECRET.as_bytes())
        };
        assert!(!payloads.into_iter().any(holds), "it was sent");
    }
    assert!(last.is_empty(), "the erased entry is in no answer");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_whose_connection_is_cut_answers_every_entry_once() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 400, 100).await;
    for seed in 0..4 {
        let mut cuts = Chance::new(seed);
        let proxy = Proxy::start(&server.address, move || cuts.bytes(8_192, 3)).await;
        let client = Client::connect(&proxy.address).await.unwrap();
        let request = proto::SearchRequest {
            page_size: 10,
            ..Default::default()
        };
        let pages: Vec<_> = client.pages(request, None).try_collect().await.unwrap();
        assert_eq!(entries(&pages), (0..400).rev().collect::<Vec<u64>>());
        assert!(proxy.connections() > 2, "it was cut");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_whose_first_page_cannot_be_had_is_not_tried_again() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let proxy = Proxy::start(&server.address, || u64::MAX).await;
    let client = Client::connect(&proxy.address).await.unwrap();
    proxy.lead_to(None);
    proxy.cut();
    let pages: Result<Vec<_>, _> = client
        .pages(proto::SearchRequest::default(), None)
        .try_collect()
        .await;
    pages.unwrap_err();
    assert!(proxy.connections() <= 2, "at most one attempt to connect again");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_searches_than_may_work_ahead_are_answered_whole() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 95, 10).await;
    let request = proto::SearchRequest {
        page_size: 10,
        ..Default::default()
    };
    let all = futures::future::join_all((0..40).map(|_| async {
        let pages: Vec<_> = server
            .client
            .pages(request.clone(), None)
            .try_collect()
            .await
            .unwrap();
        entries(&pages)
    }));
    for entries in all.await {
        assert_eq!(entries, (0..95).rev().collect::<Vec<u64>>());
    }
    server.stop().await;
}

//! Search by words: the order of relevance, and excerpts.

use crate::harness::*;
use chancery::record::codec::{Act, Span};
use chancery::rpc::proto::{self, Order};
use futures::TryStreamExt;
use tonic::Code;

async fn archive() -> (tempfile::TempDir, Server) {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let said = [
        (
            "a",
            "Talks",
            "They spoke of the border, of trade and of much else that day.",
        ),
        ("b", "Border talks", "They met at the Türkiye–Iran border."),
        ("c", "Talks", "Nothing was said."),
        (
            "d",
            "Talks",
            "They spoke of the border, of trade and of much else that day.",
        ),
    ];
    for (key, title, body) in said {
        let mut content = content(title, "PAK", "2021-10-13");
        content.body = body.into();
        server.put(record(Act::Create, key, Some(content))).await;
    }
    (folder, server)
}

fn relevance(filter: &str) -> proto::SearchRequest {
    proto::SearchRequest {
        filter: filter.into(),
        order: Order::Relevance.into(),
        ..Default::default()
    }
}

async fn found(server: &Server, request: proto::SearchRequest) -> Vec<u64> {
    let pages: Vec<_> = server.client.pages(request, None).try_collect().await.unwrap();
    let entries = pages.into_iter().flat_map(|page| page.entries);
    entries.map(|entry| entry.record.unwrap().position).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_order_of_relevance_has_its_pages_and_can_be_turned_round() {
    let (_folder, server) = archive().await;
    assert_eq!(found(&server, relevance("border")).await, [1, 3, 0]);
    let small = proto::SearchRequest {
        page_size: 1,
        ..relevance("border")
    };
    assert_eq!(found(&server, small.clone()).await, [1, 3, 0]);
    let ascending = proto::SearchRequest {
        ascending: true,
        page_size: 2,
        ..relevance("border")
    };
    assert_eq!(found(&server, ascending).await, [0, 3, 1]);
    let first = server.client.query().search(small).await.unwrap().into_inner();
    let other = proto::SearchRequest {
        filter: "border".into(),
        page_token: first.next_page_token,
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
async fn relevance_without_words_is_refused_with_a_sentence() {
    let (_folder, server) = archive().await;
    for filter in ["", "country = PAK", "NOT border"] {
        let sentence = refused(
            server.client.query().search(relevance(filter)).await,
            Code::InvalidArgument,
            "INVALID_FIELD",
        );
        assert!(sentence.starts_with("relevance needs words;"), "{sentence}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn excerpts_say_where_the_words_stand() {
    let (_folder, server) = archive().await;
    let ask = async |filter: &str, excerpts| {
        let request = proto::SearchRequest {
            filter: filter.into(),
            excerpts,
            ascending: true,
            ..Default::default()
        };
        server.client.query().search(request).await.unwrap().into_inner()
    };
    let page = ask("border turkiye", true).await;
    assert_eq!((page.entries.len(), page.excerpts.len()), (1, 1));
    let [body, title] = page.excerpts[0].excerpts.as_slice() else {
        panic!("{page:?}")
    };
    let span = |from, to| Span { from, to };
    assert_eq!(
        (body.path.as_str(), body.span, body.length),
        ("body", Some(span(0, 36)), 36)
    );
    assert_eq!(body.text, "They met at the Türkiye–Iran border.");
    assert_eq!(body.matches, [span(16, 23), span(29, 35)]);
    assert_eq!(
        (title.path.as_str(), title.matches.as_slice()),
        ("title", &[span(0, 6)][..])
    );
    assert!(ask("border", false).await.excerpts.is_empty());
    // Each entry has its own, also where none of its texts matches.
    let page = ask("border OR country = PAK", true).await;
    let counts: Vec<usize> = page.excerpts.iter().map(|one| one.excerpts.len()).collect();
    assert_eq!(counts, [1, 2, 0, 1]);
    let page = ask("country = PAK", true).await;
    assert!(
        page.notes.iter().any(|note| note.contains("no excerpts")),
        "{page:?}"
    );
    server.stop().await;
}

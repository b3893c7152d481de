//! The guarantees of the archive, each by its name.

use crate::harness::*;
use chancery::record::codec::Act;
use chancery::record::{SALT_BYTES, commitment, leaf_hash};
use chancery::rpc::proto::{self, Parts};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn durable_what_was_acknowledged_is_there_after_a_restart() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let receipt = server.put(event("kept")).await;
    let before = server.client.status().await.unwrap();
    server.stop().await;
    let server = Server::start(folder.path()).await;
    let after = server.client.status().await.unwrap();
    assert_eq!(
        (after.tail, after.root, after.origin),
        (before.tail, before.root, before.origin)
    );
    let records = server.read(proto::ReadRequest::default()).await.unwrap();
    assert_eq!(leaf_hash(&records[0].leaf).as_slice(), &receipt.leaf_hash[..]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordered_and_unique_positions_are_dense_and_given_once() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let writers = (0..8).map(|writer| {
        let client = server.client.clone();
        tokio::spawn(async move {
            let mut given = Vec::new();
            for at in 0..50 {
                let records = vec![event(&format!("{writer}-{at}"))];
                let appended = client.append(batch(records)).await.unwrap();
                given.push(appended.receipts[0].position);
            }
            assert!(given.is_sorted(), "a writer's own records are in its order");
            given
        })
    });
    let given: Vec<u64> = futures::future::join_all(writers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    let unique: BTreeSet<u64> = given.iter().copied().collect();
    assert_eq!(unique.len(), given.len());
    assert!(unique.into_iter().eq(0..400));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_the_same_content_again_is_a_duplicate_with_the_first_receipt() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let first = server.put(event("k")).await;
    let again = server.put(event("k")).await;
    assert_eq!(
        (again.position, &again.leaf_hash, again.outcome()),
        (first.position, &first.leaf_hash, proto::Outcome::Duplicate)
    );
    assert_eq!(server.tail().await, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_a_retry_by_request_id_answers_the_first_receipts() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    let request = proto::AppendRequest {
        request_id: "once".into(),
        ..batch(vec![amend("k", "IRN")])
    };
    let first = server.client.append(request.clone()).await.unwrap();
    let again = server.client.append(request).await.unwrap();
    assert_eq!(first.receipts[0].position, again.receipts[0].position);
    assert_eq!(server.tail().await, 2);
    server.stop().await;
}

/// A client that counts its ids, and began anew.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_under_a_request_id_that_is_used_again_for_other_content() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let titled = |title: &str, validate_only| proto::AppendRequest {
        request_id: 1_u64.to_be_bytes().to_vec().into(),
        validate_only,
        ..batch(vec![record(
            Act::Create,
            "",
            Some(content(title, "PAK", "2021-10-13")),
        )])
    };
    server.client.append(titled("FIRST", false)).await.unwrap();
    for validate_only in [false, true] {
        let answer = server
            .client
            .append(titled("SECOND, other content", validate_only))
            .await;
        refused(answer, tonic::Code::InvalidArgument, "REQUEST_ID_REUSED");
    }
    server.client.append(titled("FIRST", false)).await.unwrap();
    assert_eq!(server.tail().await, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_a_feed_is_the_log() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 500, 7).await;
    let mut feed = server.subscribe(from_start()).await;
    let caught_up = records_until(&mut feed, 500).await;
    server.fill(500, 300, 3).await;
    let live = records_until(&mut feed, 800).await;
    let read = server.read(proto::ReadRequest::default()).await.unwrap();
    let fed: Vec<_> = caught_up.into_iter().chain(live).collect();
    assert_eq!(positions(&fed), (0..800).collect::<Vec<u64>>());
    for (fed, read) in fed.iter().zip(&read) {
        assert_eq!((&fed.leaf, &fed.payload), (&read.leaf, &read.payload));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn atomic_a_batch_with_one_bad_record_leaves_the_log_as_it_was() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let records = vec![event("one"), act(Act::Retract, "nobody"), event("two")];
    refused(
        server.append(records).await,
        tonic::Code::NotFound,
        "UNKNOWN_ENTRY",
    );
    assert_eq!(server.tail().await, 0);
    server.append(vec![event("one"), event("two")]).await.unwrap();
    assert_eq!(server.tail().await, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resumable_a_feed_goes_on_where_its_token_stands() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, 40, 5).await;
    let mut feed = server.subscribe(from_start()).await;
    records_until(&mut feed, 40).await;
    let token = feed.token().clone();
    drop(feed);
    server.stop().await;

    let server = Server::start(folder.path()).await;
    server.fill(40, 10, 1).await;
    let mut feed = server.subscribe(from_token(token)).await;
    let rest = records_until(&mut feed, 50).await;
    assert_eq!(positions(&rest), (40..50).collect::<Vec<u64>>());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verifiable_exact_bytes_hash_to_what_the_tree_commits_to() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let receipt = server.put(event("k")).await;
    let request = proto::ReadRequest {
        parts: Parts::Exact.into(),
        ..Default::default()
    };
    let record = server.read(request).await.unwrap().remove(0);
    let exact = record.exact.unwrap();
    assert_eq!(leaf_hash(&exact.leaf).as_slice(), &receipt.leaf_hash[..]);
    let salt: [u8; SALT_BYTES] = exact.salt[..].try_into().unwrap();
    let leaf = chancery::record::Leaf::decode(&exact.leaf).unwrap();
    assert_eq!(leaf.commitment, commitment(&salt, &exact.payload));
    assert_eq!(server.client.status().await.unwrap().root, receipt.leaf_hash);
    server.stop().await;
}

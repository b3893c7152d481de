//! How a server ends.

use crate::harness::*;
use chancery::rpc::proto::{self, subscribe_response::Message};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_where_to_resume_and_their_feed_ends() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    server.fill(0, 10, 10).await;
    let mut feed = server.subscribe(from_start()).await;
    records_until(&mut feed, 10).await;
    server.tell_to_stop();
    let draining = loop {
        if let Message::Draining(draining) = next(&mut feed).await {
            break draining;
        }
    };
    assert_eq!(draining.position, 10);
    assert!(feed.next().await.unwrap().is_none());
    server.ended().await;

    let server = Server::start(folder.path()).await;
    server.fill(10, 1, 1).await;
    let mut feed = server.subscribe(from_token(draining.resume_token)).await;
    assert_eq!(positions(&records_until(&mut feed, 11).await), [10]);
    server.stop().await;
}

/// An importer that waits for its next row must not hold the server up.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_of_appends_ends_when_the_server_stops() {
    let folder = folder();
    let config = chancery::config::Config {
        shutdown_s: 600,
        ..Default::default()
    };
    let mut server = Server::start_with(folder.path(), config).await;
    let (requests, waiting) = tokio::sync::mpsc::channel(1);
    let requested = tokio_stream::wrappers::ReceiverStream::new(waiting);
    let mut answers = server.client.append_stream(requested).await.unwrap();
    requests.send(batch(vec![event("k")])).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    assert!(matches!(
        answer.result,
        Some(proto::append_stream_response::Result::Response(_))
    ));
    server.tell_to_stop();
    let ended = tokio::time::timeout(PATIENCE, answers.message()).await;
    refused(
        ended.expect("the stream did not end"),
        Code::Unavailable,
        "DRAINING",
    );
    server.ended().await;
    drop(requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_ask_for_the_end() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    let answer = server.client.admin().drain(proto::DrainRequest {}).await.unwrap();
    assert_eq!(answer.into_inner().tail, 1);
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_append_is_kept_when_the_server_stops_under_load() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let client = server.client.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for at in 0.. {
                    match client.append(batch(vec![event(&format!("{writer}-{at}"))])).await {
                        Ok(appended) => acknowledged.push(appended.receipts[0].position),
                        Err(_) => break,
                    }
                }
                acknowledged
            })
        })
        .collect();
    while server.tail().await < 40 {
        tokio::task::yield_now().await;
    }
    server.tell_to_stop();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    server.ended().await;
    let server = Server::start(folder.path()).await;
    let tail = server.tail().await;
    assert!(acknowledged.iter().all(|position| *position < tail));
    server.stop().await;
}

//! Views: how they stand, and having them made anew.

use crate::harness::*;
use chancery::rpc::proto::{self, ViewState};
use futures::TryStreamExt;
use std::time::Duration;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_view_tells_how_it_stands_and_is_made_anew() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event_of("a", "PAK", "2021-10-13")).await;
    let watch = async || -> Vec<proto::View> {
        let request = proto::WatchViewRequest {
            name: "search".to_owned(),
        };
        let told = server.client.views().watch_view(request).await.unwrap();
        told.into_inner().try_collect().await.unwrap()
    };
    let mut looks = 0..1_000;
    let view = loop {
        let listed = server
            .client
            .views()
            .list_views(proto::ListViewsRequest {})
            .await
            .unwrap();
        let views = listed.into_inner().views;
        let [view, names] = <[proto::View; 2]>::try_from(views).unwrap();
        assert_eq!(names.name, "names");
        // The daemon has just started.
        if view.state() != ViewState::Absent {
            break view;
        }
        looks.next().expect("a view that opens within ten seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((&*view.name, view.tail), ("search", 1));
    let request = proto::RebuildViewRequest {
        name: "search".to_owned(),
    };
    let asked = server
        .client
        .views()
        .rebuild_view(request)
        .await
        .unwrap()
        .into_inner();
    assert!(
        asked.state() == ViewState::Rebuilding || asked.rebuilds == 1,
        "{asked:?}"
    );
    let last = watch().await.pop().unwrap();
    assert_eq!(
        (last.state(), last.rebuilds, last.rebuilt_position),
        (ViewState::Following, 1, None)
    );
    let count = server
        .client
        .query()
        .count(proto::CountRequest::default())
        .await
        .unwrap();
    assert_eq!(count.into_inner().count, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_there_is_not_is_refused_by_its_name() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let name = "likeness".to_owned();
    let get = proto::GetViewRequest { name: name.clone() };
    let sentence = refused(
        server.client.views().get_view(get).await,
        Code::NotFound,
        "UNKNOWN_VIEW",
    );
    assert!(sentence.contains("`likeness`"), "{sentence}");
    let rebuild = proto::RebuildViewRequest { name: name.clone() };
    refused(
        server.client.views().rebuild_view(rebuild).await,
        Code::NotFound,
        "UNKNOWN_VIEW",
    );
    let watch = proto::WatchViewRequest { name };
    let watched = server.client.views().watch_view(watch).await.map(drop);
    refused(watched, Code::NotFound, "UNKNOWN_VIEW");
    server.stop().await;
}

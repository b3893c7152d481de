//! Actors by their names over gRPC: ResolveActor, notes, reads, feeds and groups.

use crate::harness::*;
use chancery::record::codec::{Act, Content, Kind, Name};
use chancery::rpc::proto::subscribe_response::Message;
use chancery::rpc::proto::{self, authority::Origin};
use tonic::Code;

fn named(key: &str, name: &str) -> proto::AppendRecord {
    let mut said = content("talks", "PAK", "2021-10-13");
    said.participants[0].name = name.to_owned();
    record(Act::Create, key, Some(said))
}

fn khan(names: &[&str]) -> proto::AppendRecord {
    let names = names.iter().map(|name| Name {
        name: (*name).to_owned(),
        ..Name::default()
    });
    proto::AppendRecord {
        series: "authority".to_owned(),
        kind: Kind::Authority.into(),
        ..record(
            Act::Create,
            "khan",
            Some(Content {
                names: names.collect(),
                ..Content::default()
            }),
        )
    }
}

async fn archive() -> (tempfile::TempDir, Server) {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(named("a", "Imran Khan")).await;
    server.put(named("b", "Имран Хан")).await;
    server.put(khan(&["Imran Khan", "Имран Хан"])).await;
    (folder, server)
}

const FILTER: &str = "kind = event AND actor = \"Imran Khan\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_resolved_to_entries_and_to_what_is_shipped() {
    let (_folder, server) = archive().await;
    let ask = async |name: &str| {
        let request = proto::ResolveActorRequest {
            name: name.to_owned(),
            as_of: None,
        };
        server.client.query().resolve_actor(request).await
    };
    let found = ask("имран хан").await.unwrap().into_inner();
    assert_eq!(found.actors.len(), 1);
    let one = &found.actors[0].authorities[0];
    assert_eq!(one.origin, Some(Origin::Entry("authority/khan".to_owned())));
    assert_eq!(one.names.len(), 2);
    assert_eq!(
        found.notes,
        ["actor \"Имран Хан\" also by 1 other name of authority/khan"]
    );
    let shipped = ask("iso3:pak").await.unwrap().into_inner();
    let pakistan = &shipped.actors[0].authorities[0];
    assert_eq!(pakistan.origin, Some(Origin::Shipped("iso3:PAK".to_owned())));
    assert!(pakistan.names.iter().any(|name| name.name == "巴基斯坦"));
    assert!(ask("nobody").await.unwrap().into_inner().actors.is_empty());
    refused(ask("").await, Code::InvalidArgument, "INVALID_FIELD");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_and_an_aggregate_know_the_names_too() {
    let (_folder, server) = archive().await;
    let read = proto::ReadRequest {
        filter: FILTER.to_owned(),
        ..proto::ReadRequest::default()
    };
    assert_eq!(positions(&server.read(read).await.unwrap()), [0, 1]);
    let request = proto::AggregateRequest {
        filter: FILTER.to_owned(),
        by: vec!["month".to_owned()],
        ..proto::AggregateRequest::default()
    };
    let mut answer = server
        .client
        .query()
        .aggregate(request)
        .await
        .unwrap()
        .into_inner();
    let first = answer.message().await.unwrap().unwrap();
    let note = "actor \"Imran Khan\" also by 1 other name of authority/khan";
    assert!(first.notes.iter().any(|own| own == note), "{:?}", first.notes);
    assert_eq!(first.groups[0].count, 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_handed_what_its_actor_is_called() {
    let (_folder, server) = archive().await;
    let create = proto::CreateGroupRequest {
        name: "khan".to_owned(),
        filter: FILTER.to_owned(),
        from: from_start().from,
        ..proto::CreateGroupRequest::default()
    };
    server.client.subscriptions().create_group(create).await.unwrap();
    let pull = proto::PullRequest {
        group: "khan".to_owned(),
        consumer: "one".to_owned(),
        ..proto::PullRequest::default()
    };
    let pulled = server
        .client
        .subscriptions()
        .pull(pull)
        .await
        .unwrap()
        .into_inner();
    let told: Vec<u64> = pulled
        .deliveries
        .iter()
        .map(|one| one.record.as_ref().unwrap().position)
        .collect();
    assert_eq!(told, [0, 1]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_knows_the_names_of_when_it_began() {
    let (_folder, server) = archive().await;
    let request = || proto::SubscribeRequest {
        filter: FILTER.to_owned(),
        until: Some(5),
        ..from_start()
    };
    let mut early = server.subscribe(request()).await;
    let Message::Started(started) = next(&mut early).await else {
        panic!("it starts");
    };
    assert_eq!(
        started.canonical_filter,
        "kind = event AND actor = \"imran khan\""
    );
    // From here on he has one more name, which the feed does not know.
    let amended = khan(&["Imran Khan", "Имран Хан", "Kaptaan"]);
    server
        .put(proto::AppendRecord {
            act: Act::Amend.into(),
            ..amended
        })
        .await;
    server.put(named("c", "Имран Хан")).await;
    server.put(named("d", "Kaptaan")).await;
    let told = |records: Vec<proto::Record>| positions(&records);
    assert_eq!(told(records_until(&mut early, 6).await), [0, 1, 4]);
    let mut late = server.subscribe(request()).await;
    assert_eq!(told(records_until(&mut late, 6).await), [0, 1, 4, 5]);
    server.stop().await;
}

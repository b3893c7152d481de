//! Actors by their names over gRPC: ResolveActor, notes, reads, feeds and groups.

use crate::harness::*;
use chancery::record::codec::{Act, Code, Content, Kind, Name, Office};
use chancery::rpc::proto::subscribe_response::Message;
use chancery::rpc::proto::{self, authority::Origin};
use tonic::Code as Refusal;

pub fn named(key: &str, name: &str) -> proto::AppendRecord {
    let mut said = content("talks", "PAK", "2021-10-13");
    said.participants[0].name = name.to_owned();
    record(Act::Create, key, Some(said))
}

pub fn khan(names: &[&str]) -> proto::AppendRecord {
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

pub const FILTER: &str = "kind = event AND actor = \"Imran Khan\"";

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
    refused(ask("").await, Refusal::InvalidArgument, "INVALID_FIELD");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_keeps_the_names_of_its_start_while_many_commits_come_and_its_authority_is_erased() {
    let (_folder, server) = archive().await;
    let request = || proto::SubscribeRequest {
        filter: FILTER.to_owned(),
        ..from_start()
    };
    let mut feed = server.subscribe(request()).await;
    assert!(matches!(next(&mut feed).await, Message::Started(_)));
    for at in 0..150 {
        let name = ["Imran Khan", "Nawaz Sharif", "Имран Хан"][at % 3];
        server.put(named(&format!("more-{at}"), name)).await;
    }
    let erase = proto::EraseRequest {
        entry: Some(proto::EntryKey {
            series: "authority".to_owned(),
            key: "khan".to_owned(),
        }),
        authority: "the court".to_owned(),
        ..proto::EraseRequest::default()
    };
    server.client.admin().erase(erase).await.unwrap();
    let last = server.put(named("last", "Имран Хан")).await.position;
    let own = positions(&records_until(&mut feed, last + 1).await);
    // The two of before, two of each three, and the one behind the erasure, which is delivered too.
    let of_khan = own.iter().filter(|position| **position < 153).count();
    assert_eq!(of_khan, 2 + 100);
    assert_eq!(own.last(), Some(&last));
    let mut late = server.subscribe(request()).await;
    let late = positions(&records_until(&mut late, last + 1).await);
    assert!(
        late.contains(&0) && !late.contains(&last),
        "whoever begins anew does not know the name"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_of_an_actor_is_refused_with_its_path() {
    let (_folder, server) = archive().await;
    let name = |name: &str, from: &str, to: &str| Name {
        name: name.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        ..Name::default()
    };
    let put = async |content: Content| {
        let record = proto::AppendRecord {
            series: "authority".to_owned(),
            kind: Kind::Authority.into(),
            ..record(Act::Create, "other", Some(content))
        };
        let answer = server.append(vec![record]).await;
        answer.unwrap_err().message().to_owned()
    };
    let of_names = |names: Vec<Name>| Content {
        title: "Other".to_owned(),
        names,
        ..Content::default()
    };
    let nothing = put(of_names(vec![name("a", "", ""), name("\u{640}", "", "")])).await;
    assert!(
        nothing.starts_with("records[0].payload.content.names[1].name: `\\u{640}` has no letter"),
        "{nothing}"
    );
    let backwards = put(of_names(vec![name("a", "2022", "2018")])).await;
    assert!(
        backwards
            .starts_with("records[0].payload.content.names[0].from: `2022` is after `to`, which is `2018`"),
        "{backwards}"
    );
    let office = put(Content {
        title: "Other".to_owned(),
        offices: vec![Office {
            office: "President".to_owned(),
            from: "2022".to_owned(),
            to: "2018".to_owned(),
            ..Office::default()
        }],
        ..Content::default()
    })
    .await;
    assert!(
        office.starts_with("records[0].payload.content.offices[0].from: "),
        "{office}"
    );
    let many = put(of_names(
        (0..1_001).map(|at| name(&format!("a{at}"), "", "")).collect(),
    ))
    .await;
    assert!(
        many.starts_with("records[0].payload.content.names[1000]: too many names: more than 1000; "),
        "{many}"
    );
    let identifiers = put(Content {
        title: "Other".to_owned(),
        identifiers: vec![Code {
            scheme: "desk".to_owned(),
            code: "\u{640}".to_owned(),
            ..Code::default()
        }],
        ..Content::default()
    })
    .await;
    assert!(
        identifiers.starts_with("records[0].payload.content.identifiers[0].code: "),
        "{identifiers}"
    );
    server.stop().await;
}

//! Keeping a copy of what matches, by the rule of `docs/subscriptions.md`: with what a client is sent and nothing else.

use crate::harness::*;
use chancery::client::Feed;
use chancery::record::Leaf;
use chancery::record::codec::{Act, Payload, Relation, RelationType, decode_payload, encode_payload};
use chancery::rpc::proto::{self, Change, as_of::At, entry_name::Name, subscribe_from::From};
use std::collections::BTreeMap;

const FILTER: &str = "country = PAK";

/// The title of each entry that matches.
type Titles = BTreeMap<String, String>;

fn title(record: &proto::Record) -> String {
    let payload = decode_payload(&record.payload).unwrap();
    payload.content.unwrap_or_default().title
}

fn as_of(position: u64) -> Option<proto::AsOf> {
    let at = Some(At::Position(position));
    Some(proto::AsOf { at })
}

/// What a search answers, and of which position it speaks.
async fn answered(server: &Server, at: Option<proto::AsOf>) -> (Titles, u64) {
    let request = proto::SearchRequest {
        filter: FILTER.to_owned(),
        as_of: at,
        ..Default::default()
    };
    let answer = server.client.query().search(request).await.unwrap().into_inner();
    let titles = answer.entries.iter().map(|entry| {
        let record = entry.record.as_ref().unwrap();
        let leaf = Leaf::decode(&record.leaf).unwrap();
        (leaf.key.to_owned(), title(record))
    });
    (titles.collect(), answer.view_position)
}

/// The rule.
async fn take(server: &Server, copy: &mut Titles, record: &proto::Record) {
    let leaf = Leaf::decode(&record.leaf).unwrap();
    let key = leaf.key.to_owned();
    match record.change() {
        Change::Leaves => drop(copy.remove(&key)),
        Change::Enters | Change::Stays if leaf.act.has_content() => drop(copy.insert(key, title(record))),
        Change::Stays => assert!(copy.contains_key(&key), "{key} keeps what it has"),
        Change::Enters => {
            let name = Some(Name::Position(record.position));
            let request = proto::GetEntryRequest {
                entry: Some(proto::EntryName { name }),
                as_of: as_of(record.position + 1),
                ..Default::default()
            };
            let entry = server
                .client
                .archive()
                .get_entry(request)
                .await
                .unwrap()
                .into_inner();
            let entry = entry.entry.unwrap();
            copy.insert(key, title(entry.record.as_ref().unwrap()));
        }
        Change::Unspecified => panic!("a subscription to changes tells them"),
    }
}

async fn holds(server: &Server, feed: &mut Feed, copy: &mut Titles, after: &str) {
    let tail = server.tail().await;
    for record in records_until(feed, tail).await {
        take(server, copy, &record).await;
    }
    assert_eq!(*copy, answered(server, as_of(tail)).await.0, "after {after}");
}

fn erase(key: &str, replacement: Option<Payload>) -> proto::EraseRequest {
    proto::EraseRequest {
        entry: Some(proto::EntryKey {
            series: "desk".into(),
            key: key.into(),
        }),
        authority: "court order 7".into(),
        reason: "court-order".into(),
        replacement: replacement.iter().map(encode_payload).collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_copy_by_the_written_rule_holds_what_a_search_answers() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("a")).await;
    server.put(event_of("b", "IND", "2021-10-13")).await;
    let (mut copy, from) = answered(&server, None).await;
    assert_eq!(copy.keys().collect::<Vec<_>>(), ["a"]);
    let request = proto::SubscribeRequest {
        from: Some(proto::SubscribeFrom {
            from: Some(From::Position(from)),
        }),
        filter: FILTER.to_owned(),
        ..Default::default()
    };
    let mut feed = server.subscribe(request).await;
    let mut link = act(Act::Link, "a");
    link.relation = Some(Relation {
        r#type: RelationType::RespondsTo.into(),
        series: "desk".into(),
        key: "b".into(),
    });
    let changes = [
        ("another that matches", event("c")),
        ("a correction", amend("a", "PAK")),
        ("a link", link),
        ("a retraction", act(Act::Retract, "a")),
        ("a correction of what does not match", amend("b", "PAK")),
        ("a reinstatement", act(Act::Reinstate, "a")),
        ("a correction after which it does not match", amend("c", "IND")),
    ];
    for (what, change) in changes {
        server.put(change).await;
        holds(&server, &mut feed, &mut copy, what).await;
    }
    assert_eq!(
        (&*copy["a"], &*copy["b"], copy.len()),
        ("a amended", "b amended", 2)
    );
    let erasures = [
        (
            "an erasure with a replacement",
            erase(
                "a",
                Some(Payload {
                    content: Some(content("a as it may be told", "PAK", "2021-10-13")),
                    ..Payload::default()
                }),
            ),
        ),
        ("an erasure", erase("b", None)),
    ];
    for (what, order) in erasures {
        server.client.admin().erase(order).await.unwrap();
        holds(&server, &mut feed, &mut copy, what).await;
    }
    assert_eq!(
        copy.into_iter().collect::<Vec<_>>(),
        [("a".to_owned(), "a as it may be told".to_owned())]
    );
    server.stop().await;
}

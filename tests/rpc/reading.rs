//! Read, GetEntry, GetHistory, GetStatus.

use crate::harness::*;
use chancery::record::Series;
use chancery::record::codec::Act;
use chancery::rpc::proto::{self, Parts, entry_name::Name};
use chancery::view::entry::Prefix;
use chancery::view::{EntryError, Options, QueryError, Scanner};
use futures::TryStreamExt;
use tonic::Code;

async fn filled(count: u64) -> (tempfile::TempDir, Server) {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.fill(0, count, 10).await;
    (folder, server)
}

fn get(name: Name) -> proto::GetEntryRequest {
    proto::GetEntryRequest {
        entry: Some(proto::EntryName { name: Some(name) }),
        ..Default::default()
    }
}

fn key(key: &str) -> proto::EntryKey {
    proto::EntryKey {
        series: "desk".into(),
        key: key.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_answers_its_range_in_either_direction() {
    let (_folder, server) = filled(100).await;
    let range = |backward| proto::ReadRequest {
        from: Some(if backward { 60 } else { 20 }),
        until: Some(if backward { 20 } else { 60 }),
        backward,
        ..Default::default()
    };
    let forward = server.read(range(false)).await.unwrap();
    let backward = server.read(range(true)).await.unwrap();
    assert_eq!(positions(&forward), (20..60).collect::<Vec<u64>>());
    assert_eq!(positions(&backward), (20..60).rev().collect::<Vec<u64>>());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_answers_its_limit_its_parts_and_its_positions() {
    let (_folder, server) = filled(100).await;
    let limited = proto::ReadRequest {
        limit: 7,
        parts: Parts::Payload.into(),
        ..Default::default()
    };
    let records = server.read(limited).await.unwrap();
    assert_eq!(positions(&records), (0..7).collect::<Vec<u64>>());
    assert!(
        records
            .iter()
            .all(|one| one.leaf.is_empty() && !one.payload.is_empty())
    );
    let leaves = proto::ReadRequest {
        positions: vec![3, 50, 99],
        parts: Parts::Leaf.into(),
        ..Default::default()
    };
    let records = server.read(leaves).await.unwrap();
    assert_eq!(positions(&records), [3, 50, 99]);
    assert!(
        records
            .iter()
            .all(|one| !one.leaf.is_empty() && one.payload.is_empty())
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_nothing_still_answers_the_tail() {
    let (_folder, server) = filled(10).await;
    let request = proto::ReadRequest {
        from: Some(10),
        ..Default::default()
    };
    let mut messages = server.client.read(request).await.unwrap();
    let message = messages.message().await.unwrap().unwrap();
    assert_eq!(
        (message.tail, message.scanned_through, message.records.len()),
        (10, 10, 0)
    );
    assert!(messages.message().await.unwrap().is_none());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_make_no_sense_are_refused() {
    let (_folder, server) = filled(10).await;
    let beyond = proto::ReadRequest {
        from: Some(11),
        ..Default::default()
    };
    refused(server.read(beyond).await, Code::OutOfRange, "BEYOND_TAIL");
    let mixed = proto::ReadRequest {
        from: Some(1),
        positions: vec![1],
        ..Default::default()
    };
    refused(server.read(mixed).await, Code::InvalidArgument, "INVALID_FIELD");
    let unsorted = proto::ReadRequest {
        positions: vec![2, 2],
        ..Default::default()
    };
    let sentence = refused(
        server.read(unsorted).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    assert!(sentence.contains("positions[1]"), "{sentence}");
    let future = proto::ReadRequest {
        as_of: Some(proto::AsOf {
            at: Some(proto::as_of::At::Recorded(i64::MAX)),
        }),
        ..Default::default()
    };
    refused(server.read(future).await, Code::OutOfRange, "TIME_NOT_PASSED");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_records_come_in_messages_below_4_mb() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    for at in 0..12 {
        let mut large = content("large", "PAK", "2021");
        large.body = format!("{at}").repeat(if at < 10 { 900_000 } else { 450_000 });
        server
            .put(record(Act::Create, &format!("k{at}"), Some(large)))
            .await;
    }
    let request = proto::ReadRequest {
        parts: Parts::Exact.into(),
        ..Default::default()
    };
    let mut messages = server.client.read(request).await.unwrap();
    let mut seen = Vec::new();
    while let Some(message) = messages.message().await.unwrap() {
        assert!(prost::Message::encoded_len(&message) < 4 << 20);
        seen.extend(positions(&message.records));
    }
    assert_eq!(seen, (0..12).collect::<Vec<u64>>());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_found_by_key_position_and_unique_prefix() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("rawalpindi-2021")).await;
    server.put(event("rawalpindi-2022")).await;
    server.put(amend("rawalpindi-2021", "IRN")).await;
    for name in [
        Name::Key(key("rawalpindi-2021")),
        Name::Position(2),
        Name::Position(0),
    ] {
        let entry = server.client.get_entry(get(name)).await.unwrap().entry.unwrap();
        assert_eq!((entry.revision, entry.record.unwrap().position), (2, 2));
    }
    let prefix = |text: &str| get(Name::KeyPrefix(key(text)));
    let entry = server.client.get_entry(prefix("rawalpindi-2022")).await.unwrap();
    assert_eq!(entry.entry.unwrap().record.unwrap().position, 1);
    let sentence = refused(
        server.client.get_entry(prefix("rawalpindi")).await,
        Code::InvalidArgument,
        "AMBIGUOUS_KEY",
    );
    assert!(sentence.contains("desk/rawalpindi-2021"), "{sentence}");
    refused(
        server.client.get_entry(prefix("rawal")).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    refused(
        server.client.get_entry(get(Name::Key(key("nobody")))).await,
        Code::NotFound,
        "UNKNOWN_ENTRY",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_key_means_what_it_meant_then() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("raw-material-2021")).await;
    server.put(event("raw-material-2022")).await;
    server.put(event("raw-mate")).await;
    let name = proto::EntryName {
        name: Some(Name::KeyPrefix(key("raw-mate"))),
    };
    let get = async |as_of: Option<u64>| {
        let request = proto::GetEntryRequest {
            entry: Some(name.clone()),
            as_of: as_of.map(|position| proto::AsOf {
                at: Some(proto::as_of::At::Position(position)),
            }),
            ..Default::default()
        };
        let answer = server.client.get_entry(request).await?;
        Ok::<_, tonic::Status>(answer.entry.unwrap().record.unwrap().position)
    };
    refused(get(Some(0)).await, Code::NotFound, "UNKNOWN_ENTRY");
    assert_eq!(get(Some(1)).await.unwrap(), 0);
    refused(get(Some(2)).await, Code::InvalidArgument, "AMBIGUOUS_KEY");
    assert_eq!(get(Some(3)).await.unwrap(), 2, "a whole key means itself");
    assert_eq!(get(None).await.unwrap(), 2);
    let request = proto::GetHistoryRequest {
        entry: Some(name.clone()),
        as_of: Some(proto::AsOf {
            at: Some(proto::as_of::At::Position(1)),
        }),
        ..Default::default()
    };
    let history = server.client.archive().get_history(request).await;
    let history: Vec<_> = history.unwrap().into_inner().try_collect().await.unwrap();
    let records: Vec<_> = history.iter().flat_map(|message| &message.records).collect();
    assert_eq!((records.len(), records[0].position), (1, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_key_scans_within_the_bound_of_scans() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("raw-material-2021")).await;
    let options = Options {
        concurrent_max: 1,
        waiting_max: 0,
        results_bytes: 0,
        min_position_wait: std::time::Duration::ZERO,
    };
    let scanner = Scanner::new(server.log.clone(), options, std::sync::Arc::default());
    let whole = async |key: &str| {
        let prefix = Prefix {
            series: Series::new("desk").unwrap(),
            key: key.into(),
        };
        scanner.whole_key(prefix, server.log.tail()).await
    };
    let refusal = whole("raw-mate").await.unwrap_err();
    assert!(
        matches!(refusal, EntryError::Scan(QueryError::Busy { .. })),
        "{refusal}"
    );
    let found = whole("raw-material-2021").await.unwrap();
    assert_eq!(
        found.key.as_str(),
        "raw-material-2021",
        "a whole key needs no scan"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_answered_as_of_then_and_in_any_revision() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    server.put(amend("k", "IRN")).await;
    server.put(act(Act::Retract, "k")).await;
    let status = |as_of: Option<u64>, revision: Option<u64>| {
        let request = proto::GetEntryRequest {
            as_of: as_of.map(|position| proto::AsOf {
                at: Some(proto::as_of::At::Position(position)),
            }),
            revision,
            ..get(Name::Key(key("k")))
        };
        let client = server.client.clone();
        async move {
            let answer = client.get_entry(request).await.unwrap();
            let entry = answer.entry.unwrap();
            (entry.status(), entry.revision, entry.record.unwrap().position)
        }
    };
    assert_eq!(status(Some(1), None).await, (proto::Status::Current, 1, 0));
    assert_eq!(status(Some(2), None).await, (proto::Status::Current, 2, 1));
    assert_eq!(status(None, None).await, (proto::Status::Retracted, 2, 1));
    assert_eq!(status(None, Some(1)).await, (proto::Status::Superseded, 2, 0));
    let wrong = proto::GetEntryRequest {
        revision: Some(3),
        ..get(Name::Key(key("k")))
    };
    refused(
        server.client.get_entry(wrong).await,
        Code::NotFound,
        "UNKNOWN_REVISION",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn countries_are_derived_apart_from_what_was_stated() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event_of("k", "IRN", "2021")).await;
    let answer = server.client.get_entry(get(Name::Key(key("k")))).await.unwrap();
    let derived = answer.entry.unwrap().derived;
    let derived: proto::Derived = prost::Message::decode(derived).unwrap();
    assert!(derived.table.starts_with("countries "), "{}", derived.table);
    assert_eq!(
        (&*derived.countries[0].path, &*derived.countries[0].iso3),
        ("participants[0]", "IRN")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_every_record_of_the_entry() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event("k")).await;
    server.put(event("other")).await;
    server.put(amend("k", "IRN")).await;
    server.put(act(Act::Retract, "k")).await;
    let request = proto::GetHistoryRequest {
        entry: get(Name::Key(key("k"))).entry,
        ..Default::default()
    };
    let mut messages = server
        .client
        .archive()
        .get_history(request)
        .await
        .unwrap()
        .into_inner();
    let mut seen = Vec::new();
    while let Some(message) = messages.message().await.unwrap() {
        seen.extend(positions(&message.records));
    }
    assert_eq!(seen, [0, 2, 3]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_read_answers_records_of_every_act_by_their_entrys_content() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    server.put(event_of("a", "PAK", "2021")).await;
    server.put(event_of("b", "IRN", "2021")).await;
    server.put(act(Act::Retract, "a")).await;
    server.put(act(Act::Reinstate, "a")).await;
    server.put(amend("a", "IRN")).await;
    let expected: [(&str, &[u64]); 5] = [
        ("country = PAK", &[0, 2, 3]),
        ("country = IRN", &[1, 4]),
        ("act = retract", &[2]),
        ("country = PAK status = retracted", &[2]),
        ("country = PAK status = current", &[0, 3]),
    ];
    for (filter, wanted) in expected {
        for backward in [false, true] {
            let request = proto::ReadRequest {
                filter: filter.into(),
                backward,
                ..Default::default()
            };
            let mut read = positions(&server.read(request).await.unwrap());
            read.sort_unstable();
            assert_eq!(read, wanted, "{filter}");
        }
    }
    server.stop().await;
}

//! Bad input: the named error, and the log as it was.

use crate::harness::*;
use bytes::Bytes;
use chancery::record::codec::Act;
use chancery::rpc::proto;
use tonic::Code;

/// Appends, and fails unless it is refused so; answers the sentence.
async fn check(records: Vec<proto::AppendRecord>, reason: &str) -> String {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let sentence = refused(server.append(records).await, Code::InvalidArgument, reason);
    assert_eq!(server.tail().await, 0, "the log is as it was");
    server.stop().await;
    sentence
}

fn with_payload(payload: impl Into<Bytes>) -> proto::AppendRecord {
    let mut record = event("k");
    record.payload = vec![payload.into()];
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_record_is_named_with_size_and_limit() {
    let mut large = content("k", "PAK", "2021");
    large.body = "x".repeat(1_100_000);
    let sentence = check(vec![record(Act::Create, "k", Some(large))], "TOO_LARGE").await;
    assert!(sentence.contains("1048576"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_batch_is_refused() {
    check(Vec::new(), "EMPTY_BATCH").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_1001_records_is_refused() {
    let records = (0..1_001).map(|at| event(&format!("k{at}"))).collect();
    let sentence = check(records, "TOO_LARGE").await;
    assert!(
        sentence.contains("1001") && sentence.contains("1000"),
        "{sentence}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_date_is_named_by_its_path() {
    let sentence = check(vec![event_of("k", "PAK", "2021-02-30")], "INVALID_FIELD").await;
    assert!(sentence.contains("dates[0].edtf"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_utf_8_in_a_payload_is_named_by_its_path() {
    // content { title: <ff> }
    let sentence = check(vec![with_payload(&b"\x0a\x03\x0a\x01\xff"[..])], "INVALID_FIELD").await;
    assert!(sentence.contains("content.title"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_payload_is_refused() {
    check(vec![with_payload(&b"\x0a\x7f\x0a\x01a"[..])], "INVALID_FIELD").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_in_a_payload_is_refused() {
    check(
        vec![with_payload(&b"\x0a\x03\x0a\x01a\xf8\x07\x01"[..])],
        "INVALID_FIELD",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_payload_is_refused_and_not_merged() {
    let mut record = event("k");
    record.payload.push(record.payload[0].clone());
    let sentence = check(vec![record], "INVALID_FIELD").await;
    assert!(sentence.contains("records[0].payload"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_2000_bytes_is_refused() {
    let sentence = check(vec![event(&"k".repeat(2_000))], "INVALID_NAME").await;
    assert!(
        sentence.contains("2000") && sentence.contains("1024"),
        "{sentence}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_of_other_services_are_refused_here() {
    for other in [Act::Hold, Act::Release, Act::Erase, Act::Audit, Act::Epoch] {
        let folder = folder();
        let server = Server::start(folder.path()).await;
        server.put(event("k")).await;
        refused(
            server.append(vec![act(other, "k")]).await,
            Code::InvalidArgument,
            "WRONG_SERVICE",
        );
        assert_eq!(server.tail().await, 1);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_broken_rules_are_told_together() {
    let mut bad = event("a");
    bad.series = "Not A Series".into();
    bad.reason = "two words".into();
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let status = server
        .append(vec![bad, event(&"k".repeat(2_000))])
        .await
        .unwrap_err();
    let details = tonic_types::StatusExt::get_details_bad_request(&status).unwrap();
    let fields: Vec<&str> = details
        .field_violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(
        fields,
        ["records[0].series", "records[0].reason", "records[1].key"]
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_request_is_the_clients_error() {
    use tonic::codec::{Codec, EncodeBuf, Encoder};
    /// Sends bytes as they are.
    #[derive(Default)]
    struct Raw;
    struct RawEncoder;
    impl Encoder for RawEncoder {
        type Item = Bytes;
        type Error = tonic::Status;
        fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
            bytes::BufMut::put_slice(out, &item);
            Ok(())
        }
    }
    impl Codec for Raw {
        type Encode = Bytes;
        type Decode = proto::AppendResponse;
        type Encoder = RawEncoder;
        type Decoder = chancery::rpc::codec::ProtoDecoder<proto::AppendResponse>;
        fn encoder(&mut self) -> RawEncoder {
            RawEncoder
        }
        fn decoder(&mut self) -> Self::Decoder {
            Self::Decoder::default()
        }
    }
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let channel = tonic::transport::Endpoint::from_shared(server.address.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/chancery.v1.Archive/Append");
    let request = tonic::Request::new(Bytes::from_static(b"\x0a\x7f\x08\x01"));
    let answer = grpc.unary(request, path, Raw).await;
    refused(answer.map(|_| ()), Code::InvalidArgument, "UNDECODABLE");
    server.stop().await;
}

/// Fails unless the status says TOO_LARGE with these numbers.
fn too_large<T: std::fmt::Debug>(answer: Result<T, tonic::Status>, actual: usize, limit: usize) {
    let status = answer.expect_err("the call was not refused");
    let info = tonic_types::StatusExt::get_details_error_info(&status).unwrap();
    assert_eq!(
        (status.code(), info.reason.as_str()),
        (Code::InvalidArgument, "TOO_LARGE"),
        "{status:?}"
    );
    assert_eq!(info.metadata["actual"], actual.to_string());
    assert_eq!(info.metadata["limit"], limit.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_beyond_its_bound_is_too_large_with_limit_and_actual() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let long = format!("\"{}\"", "a".repeat(16_384));
    let many = vec!["a"; 1_000].join(" OR ");
    let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
    let mut query = server.client.query();
    let filtered = |filter: &str| proto::SearchRequest {
        filter: filter.to_owned(),
        ..Default::default()
    };
    too_large(query.search(filtered(&long)).await, 16_386, 16_384);
    too_large(query.search(filtered(&many)).await, 1_001, 1_000);
    too_large(query.search(filtered(&deep)).await, 33, 32);
    let page = proto::SearchRequest {
        page_size: 1_001,
        ..Default::default()
    };
    too_large(query.search(page).await, 1_001, 1_000);
    let positions = proto::ReadRequest {
        positions: (0..100_001).collect(),
        ..Default::default()
    };
    too_large(server.read(positions).await, 100_001, 100_000);
    let mut conditional = batch(vec![event("k")]);
    conditional.fail_if_match = Some(proto::FailIfMatch {
        filter: long,
        ..Default::default()
    });
    too_large(server.client.append(conditional).await, 16_386, 16_384);
    server.stop().await;
}

/// The transport refuses by the length alone, and would say OUT_OF_RANGE without a reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_beyond_what_the_server_takes_is_too_large_on_every_service() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let large = "x".repeat(17 << 20);
    let append = server.append(vec![with_payload(large.clone())]).await;
    let sentence = refused(append, Code::InvalidArgument, "TOO_LARGE");
    assert!(sentence.contains("16777216"), "{sentence}");
    let read = proto::ReadRequest {
        filter: large.clone(),
        ..Default::default()
    };
    refused(server.read(read).await, Code::InvalidArgument, "TOO_LARGE");
    let search = proto::SearchRequest {
        filter: large,
        ..Default::default()
    };
    let searched = server.client.query().search(search).await;
    refused(searched, Code::InvalidArgument, "TOO_LARGE");
    server.stop().await;
}

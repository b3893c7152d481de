//! gRPC-Web: the services as a browser calls them, over HTTP/1.1.

use crate::harness::*;
use axum::body::Body;
use chancery::config::Config;
use chancery::rpc::proto::subscribe_response::Message as Told;
use chancery::rpc::proto::{self, Sharing};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpStream;

const OURS: &str = "https://desk.example";

/// What a call was answered.
struct Answer<R> {
    headers: HeaderMap,
    messages: Vec<R>,
    /// `grpc-status`, from the trailers or the headers.
    code: i32,
    trailers: String,
}

async fn send(server: &Server, request: Request<Body>) -> Response<Body> {
    let stream = TcpStream::connect(server.address.trim_start_matches("http://"))
        .await
        .unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answered = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    answered.unwrap().unwrap().map(Body::new)
}

/// One frame: a byte of flags, the length, the bytes (gRPC over HTTP/2, and PROTOCOL-WEB.md of gRPC for the last of an answer).
fn frame(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], &bytes].concat()
}

fn post(path: &str, origin: Option<&str>, body: Vec<u8>) -> Request<Body> {
    let request = Request::post(format!("/chancery.v1.{path}"))
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/grpc-web+proto");
    let request = match origin {
        Some(origin) => request.header(ORIGIN, origin),
        None => request,
    };
    request.body(body.into()).unwrap()
}

async fn call<R: Message + Default>(
    server: &Server,
    path: &str,
    request: &impl Message,
    origin: Option<&str>,
) -> Answer<R> {
    let response = send(server, post(path, origin, frame(request))).await;
    let (parts, body) = response.into_parts();
    assert_eq!(parts.status, StatusCode::OK);
    let bytes = tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, 64 << 20)).await;
    let bytes = bytes.unwrap().unwrap();
    let (mut left, mut messages, mut trailers) = (&bytes[..], Vec::new(), String::new());
    while let [flags, a, b, c, d, rest @ ..] = left {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (message, behind) = rest.split_at(length);
        left = behind;
        match flags {
            0 => messages.push(R::decode(message).unwrap()),
            _ => trailers = String::from_utf8(message.to_vec()).unwrap(),
        }
    }
    assert!(left.is_empty(), "whole frames");
    let in_headers = parts
        .headers
        .get("grpc-status")
        .map(|code| code.to_str().unwrap());
    let in_trailers = trailers
        .lines()
        .find_map(|line| line.strip_prefix("grpc-status:"));
    let code = in_trailers
        .or(in_headers)
        .expect("every answer has a status")
        .trim();
    Answer {
        code: code.parse().unwrap(),
        headers: parts.headers,
        messages,
        trailers,
    }
}

fn desk() -> Config {
    Config {
        web_origins: OURS.parse().unwrap(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_appends_reads_follows_and_works_for_a_group() {
    let folder = folder();
    let server = Server::start_with(folder.path(), desk()).await;
    let appended: Answer<proto::AppendResponse> = call(
        &server,
        "Archive/Append",
        &batch(vec![event("a"), event("b"), event("c")]),
        Some(OURS),
    )
    .await;
    assert_eq!((appended.code, appended.messages[0].receipts.len()), (0, 3));
    assert_eq!(appended.headers[ACCESS_CONTROL_ALLOW_ORIGIN], OURS);

    // These two send stored bytes as they are.
    let read: Answer<proto::ReadResponse> = call(
        &server,
        "Archive/Read",
        &proto::ReadRequest::default(),
        Some(OURS),
    )
    .await;
    let records: Vec<proto::Record> = read
        .messages
        .into_iter()
        .flat_map(|message| message.records)
        .collect();
    assert_eq!((read.code, positions(&records)), (0, vec![0, 1, 2]));
    let request = proto::SubscribeRequest {
        until: Some(2),
        ..from_start()
    };
    let fed: Answer<proto::SubscribeResponse> =
        call(&server, "Subscriptions/Subscribe", &request, Some(OURS)).await;
    let fed_records = fed
        .messages
        .into_iter()
        .filter_map(|message| match message.message {
            Some(Told::Batch(batch)) => Some(positions(&batch.records)),
            _ => None,
        });
    assert_eq!(
        (fed.code, fed_records.flatten().collect::<Vec<_>>()),
        (0, vec![0, 1, 2])
    );

    let group = proto::CreateGroupRequest {
        name: "desk".into(),
        from: from_start().from,
        sharing: Sharing::Shared.into(),
        ..Default::default()
    };
    let made: Answer<proto::ConsumerGroup> = call(&server, "Subscriptions/CreateGroup", &group, None).await;
    assert_eq!(made.code, 0, "{}", made.trailers);
    let pull = proto::PullRequest {
        group: "desk".into(),
        consumer: "page".into(),
        max: 10,
        ..Default::default()
    };
    let pulled: Answer<proto::PullResponse> = call(&server, "Subscriptions/Pull", &pull, Some(OURS)).await;
    assert_eq!((pulled.code, pulled.messages[0].deliveries.len()), (0, 3));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_reach_a_browser_with_their_reason() {
    let folder = folder();
    let server = Server::start_with(folder.path(), desk()).await;
    let empty: Answer<proto::AppendResponse> =
        call(&server, "Archive/Append", &batch(Vec::new()), Some(OURS)).await;
    let details = |answer: &Answer<proto::AppendResponse>| {
        answer.headers.contains_key("grpc-status-details-bin")
            || answer.trailers.contains("grpc-status-details-bin")
    };
    assert_eq!(
        (empty.code, empty.messages.len()),
        (tonic::Code::InvalidArgument as i32, 0)
    );
    assert!(details(&empty), "{}", empty.trailers);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_is_refused_and_writes_nothing() {
    let folder = folder();
    let server = Server::start_with(folder.path(), desk()).await;
    for origin in [
        "https://evil.example",
        "https://desk.example:8443",
        "http://desk.example",
        "null",
    ] {
        let refused: Answer<proto::AppendResponse> =
            call(&server, "Archive/Append", &batch(vec![event("a")]), Some(origin)).await;
        assert_eq!(
            (refused.code, refused.messages.len()),
            (tonic::Code::PermissionDenied as i32, 0),
            "{origin}"
        );
        assert!(
            !refused.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN),
            "{origin}"
        );
    }
    assert_eq!(server.tail().await, 0);
    // A program says no origin.
    let program: Answer<proto::AppendResponse> =
        call(&server, "Archive/Append", &batch(vec![event("a")]), None).await;
    assert_eq!((program.code, server.tail().await), (0, 1));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_told_beforehand_which_pages_may_call() {
    let folder = folder();
    let server = Server::start_with(folder.path(), desk()).await;
    for (origin, allowed) in [(OURS, true), ("https://evil.example", false)] {
        let asked = Request::options("/chancery.v1.Archive/Append")
            .header(HOST, "localhost")
            .header(ORIGIN, origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,grpc-timeout,x-grpc-web,x-user-agent",
            );
        let answer = send(&server, asked.body(Body::empty()).unwrap()).await;
        let told = answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(
            told.map(|told| told.to_str().unwrap()),
            allowed.then_some(OURS),
            "{origin}"
        );
        let headers = answer.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(
            headers.contains("x-grpc-web") && headers.contains("grpc-timeout"),
            "{headers}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_grpc_web_is_refused_over_http_1() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let request = frame(&batch(vec![event("a")]));
    for kind in ["application/grpc", "application/json", "text/plain"] {
        let mut wrong = post("Archive/Append", None, request.clone());
        wrong.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(
            send(&server, wrong).await.status(),
            StatusCode::BAD_REQUEST,
            "{kind}"
        );
    }
    let mut asked = post("Archive/Append", None, request);
    *asked.method_mut() = http::Method::GET;
    assert_eq!(
        send(&server, asked).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    // Bytes that are no frame, and a frame that is no message.
    for body in [
        vec![0, 0, 0],
        vec![0, 0, 0, 0, 2, 0xff, 0xff],
        vec![0, 0xff, 0xff, 0xff, 0xff, 1],
    ] {
        let response = send(&server, post("Archive/Append", None, body)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let (parts, body) = response.into_parts();
        let said = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&said);
        let fails = !text.contains("grpc-status:0")
            && (text.contains("grpc-status:") || parts.headers.contains_key("grpc-status"));
        assert!(fails, "{text:?} {parts:?}");
    }
    assert_eq!(server.tail().await, 0);
    server.stop().await;
}

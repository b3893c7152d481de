//! The workload of a consumer group: four members take a log and acknowledge each record.

use super::BenchError;
use super::report::{Latencies, Row};
use super::server::Server;
use crate::client::Client;
use crate::rpc::proto::consume_request::Message as Say;
use crate::rpc::proto::consume_response::Message as Told;
use crate::rpc::proto::subscribe_from::From;
use crate::rpc::proto::{
    AckRequest, ConsumeRequest, CreateGroupRequest, GetGroupRequest, Join, Parts, SubscribeFrom,
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const MEMBERS: u64 = 4;
/// Credits of each member.
const CREDITS: u32 = 2_500;
const GROUP: &str = "bench";

/// Records that the members of a new group acknowledge in a second, each at once; an acknowledgement counts when it is answered.
///
/// # Errors
/// [`BenchError`].
pub async fn consume(server: &Server, seconds: f64) -> Result<Row, BenchError> {
    let client = Client::connect(server.address()).await?;
    let request = CreateGroupRequest {
        name: GROUP.into(),
        from: Some(SubscribeFrom {
            from: Some(From::Start(true)),
        }),
        in_flight_max: 10_000,
        records_only: true,
        ..CreateGroupRequest::default()
    };
    client.subscriptions().create_group(request).await?;
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    let mut members = Vec::new();
    for _ in 0..MEMBERS {
        let client = Client::connect(server.address()).await?;
        members.push(tokio::spawn(member(client, until)));
    }
    let (mut acked, mut latencies) = (0, Latencies::default());
    for one in members {
        let (records, of_it) = one.await??;
        acked += records;
        latencies.merge(of_it);
    }
    let took = started.elapsed();
    let request = GetGroupRequest { name: GROUP.into() };
    let group = client.subscriptions().get_group(request).await?.into_inner();
    let left = group.lag.unwrap_or_default();
    let row = Row::rate("group, 4 members, acknowledgements", acked, took, latencies);
    Ok(row.noted(format!("{left} records left")))
}

/// Takes and acknowledges until the time is over or nothing comes any more; how many acknowledgements were answered, and how long
/// each took.
async fn member(client: Client, until: Instant) -> Result<(u64, Latencies), BenchError> {
    let (say, said) = mpsc::channel(256);
    let join = Say::Join(Join {
        group: GROUP.into(),
        parts: Parts::Payload.into(),
        credits: CREDITS,
        heartbeat_ms: 100,
        ..Join::default()
    });
    // The receiver is there as long as the stream is.
    let _ = say.send(ConsumeRequest { message: Some(join) }).await;
    let told = client.subscriptions().consume(ReceiverStream::new(said)).await?;
    let mut told = told.into_inner();
    let (mut acked, mut latencies) = (0, Latencies::default());
    let mut sent = std::collections::VecDeque::new();
    let mut quiet = false;
    while Instant::now() < until && !quiet {
        let Some(message) = told.message().await? else {
            break;
        };
        match message.message {
            Some(Told::Deliveries(some)) => {
                let records = some.deliveries.into_iter().filter_map(|one| one.record);
                let ack = AckRequest {
                    positions: records.map(|record| record.position).collect(),
                    ..AckRequest::default()
                };
                sent.push_back(Instant::now());
                let message = Some(Say::Ack(ack));
                if say.send(ConsumeRequest { message }).await.is_err() {
                    break;
                }
            }
            Some(Told::Acked(done)) => {
                acked += done.records;
                if let Some(at) = sent.pop_front() {
                    latencies.add(at.elapsed());
                }
            }
            // Nothing has come for a while: it has all.
            Some(Told::Heartbeat(_)) => quiet = sent.is_empty(),
            _ => {}
        }
    }
    Ok((acked, latencies))
}

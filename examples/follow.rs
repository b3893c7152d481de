//! Appends two events, reads them back, and follows the archive while one of them is corrected.
//!
//! ```sh
//! chancery serve                                        # in one terminal
//! cargo run --example follow                  # in another
//! cargo run --example follow -- 127.0.0.1:4710
//! ```
//!
//! Everything goes through [`chancery::client`]. Copy what you need: each function is one thing that a client does.

use chancery::client::{Client, DEFAULT_SERVER, Feed};
use chancery::record::codec::{self, Content, Country, Date, DateRole, Participant, Payload, Side};
use chancery::record::{Act, Leaf};
use chancery::rpc::proto::subscribe_from::From;
use chancery::rpc::proto::subscribe_response::Message;
use chancery::rpc::proto::{
    AppendRecord, AppendRequest, Batch, Change, Outcome, ReadRequest, Receipt, SubscribeFrom,
    SubscribeRequest,
};
use futures::TryStreamExt;
use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the example follows: meetings between these two countries, whoever stands first.
const FILTER: &str = "series = example-follow AND dyad = PAK-IRN";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let server = std::env::args()
        .nth(1)
        .unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let client = Client::connect(&server).await?;
    let status = client.status().await?;
    println!("connected to {} at tail {}", status.origin, status.tail);

    let receipts = append(&client).await?;
    read_back(&client, &receipts).await?;
    let token = follow(&client, status.tail, &receipts[0]).await?;
    resume(&client, token).await
}

/// One batch is recorded whole or not at all, and the answer comes once it is on disk.
async fn append(client: &Client) -> Result<Vec<Receipt>> {
    let records = vec![
        create(meeting("Talks on the border markets", &["PAK", "IRN"])),
        create(meeting("Talks on the river commission", &["PAK", "IND"])),
    ];
    let request = AppendRequest {
        records,
        // A name of our own: should the answer be lost, sending the same batch again gives the same receipts.
        request_id: request_id("first").into(),
        ..AppendRequest::default()
    };
    let response = client.append(request).await?;
    for receipt in &response.receipts {
        println!(
            "  {} at position {}, revision {}",
            outcome(receipt),
            receipt.position,
            receipt.revision
        );
    }
    Ok(response.receipts)
}

/// Reads by position. The records come as their stored bytes: a leaf (who, when, which entry) and a payload (what).
async fn read_back(client: &Client, receipts: &[Receipt]) -> Result<()> {
    println!("read back:");
    let request = ReadRequest {
        positions: receipts.iter().map(|receipt| receipt.position).collect(),
        ..ReadRequest::default()
    };
    let mut records = pin!(client.records(request).await?);
    while let Some(record) = records.try_next().await? {
        let leaf = Leaf::decode(&record.leaf)?;
        println!("  {} {} {}", record.position, leaf.act, title(&record.payload)?);
    }
    Ok(())
}

/// Follows from `from` on: first what the log holds, then what is appended. Answers a token to resume from.
async fn follow(client: &Client, from: u64, first: &Receipt) -> Result<bytes::Bytes> {
    println!("following {FILTER}:");
    let mut feed = subscribe(client, From::Position(from)).await?;
    while let Some(message) = feed.next().await? {
        match message {
            // Every batch says which positions were looked at, also where nothing matched. The client library has
            // checked that this range begins where the one before ended.
            Message::Batch(batch) => {
                print_batch(&batch)?;
                if batch
                    .records
                    .iter()
                    .any(|record| record.position > first.position)
                {
                    break;
                }
            }
            // All that was there has been seen. Correct the first event: the subscription will tell.
            Message::CaughtUp(_) => amend(client, first).await?,
            // The server goes; the token of the feed works on the next one.
            Message::Draining(_) => break,
            Message::Started(_) | Message::FellBehind(_) | Message::Heartbeat(_) => {}
        }
    }
    Ok(feed.token().clone())
}

/// A correction is the whole new content, for the revision that it was made from. If somebody else was faster, the
/// server answers ABORTED with the reason `REVISION_CONFLICT` instead of overwriting.
async fn amend(client: &Client, first: &Receipt) -> Result<()> {
    let record = AppendRecord {
        act: Act::Amend.number(),
        key: first.key.clone(),
        expected_revision: Some(first.revision),
        reason: "corrected".into(),
        ..create(meeting(
            "Talks on the border markets, second day",
            &["PAK", "IRN"],
        ))
    };
    let request = AppendRequest {
        records: vec![record],
        request_id: request_id("amend").into(),
        ..AppendRequest::default()
    };
    let response = client.append(request).await?;
    println!(
        "  {} at position {}",
        outcome(&response.receipts[0]),
        response.receipts[0].position
    );
    Ok(())
}

/// Takes up where the token stands. Nothing is sent twice and nothing is skipped; a token of another archive, of
/// another filter or of a fork is refused.
async fn resume(client: &Client, token: bytes::Bytes) -> Result<()> {
    let mut feed = subscribe(client, From::ResumeToken(token)).await?;
    while let Some(message) = feed.next().await? {
        if let Message::CaughtUp(caught_up) = message {
            println!("resumed: caught up at {}, nothing missed", caught_up.position);
            break;
        }
    }
    Ok(())
}

async fn subscribe(client: &Client, from: From) -> Result<Feed> {
    let request = SubscribeRequest {
        from: Some(SubscribeFrom { from: Some(from) }),
        filter: FILTER.to_owned(),
        ..SubscribeRequest::default()
    };
    Ok(client.subscribe(request).await?)
}

fn print_batch(batch: &Batch) -> Result<()> {
    println!("  scanned {}..{}", batch.first_scanned, batch.scanned_through);
    for record in &batch.records {
        let change = match record.change() {
            Change::Enters => "enters",
            Change::Stays => "stays ",
            Change::Leaves => "leaves",
            Change::Unspecified => "      ",
        };
        println!("    {} {change} {}", record.position, title(&record.payload)?);
    }
    Ok(())
}

fn create(content: Content) -> AppendRecord {
    let payload = Payload {
        content: Some(content),
        ..Payload::default()
    };
    AppendRecord {
        act: Act::Create.number(),
        series: "example-follow".into(),
        // No key: the server makes a random one and answers it.
        // The payload travels as bytes, which are stored as sent.
        payload: vec![codec::encode_payload(&payload)],
        ..AppendRecord::default()
    }
}

/// An event of 1 December 2021, invented for this example.
fn meeting(title: &str, countries: &[&str]) -> Content {
    let party = |code: &&str| Participant {
        side: Side::Party.into(),
        countries: vec![Country {
            scheme: "iso3".into(),
            code: (*code).into(),
        }],
        ..Participant::default()
    };
    Content {
        title: title.into(),
        dates: vec![Date {
            role: DateRole::Occurred.into(),
            edtf: "2021-12-01".into(),
            ..Date::default()
        }],
        participants: countries.iter().map(party).collect(),
        ..Content::default()
    }
}

fn title(payload: &[u8]) -> Result<String> {
    let payload = codec::decode_payload(payload)?;
    Ok(payload.content.unwrap_or_default().title)
}

fn outcome(receipt: &Receipt) -> &'static str {
    match receipt.outcome() {
        Outcome::Recorded => "recorded",
        Outcome::Amended => "amended",
        Outcome::Acted => "acted",
        Outcome::Duplicate => "already there",
        Outcome::Unspecified => "unknown",
    }
}

/// A name for a batch: unique to this run, and the same when the batch is sent again.
fn request_id(step: &str) -> String {
    format!("follow-{step}-{}", std::process::id())
}

//! Appends two events, reads them back, follows the archive while one of them is corrected, and works for a consumer group.
//!
//! ```sh
//! chancery serve                                        # in one terminal
//! cargo run --example follow                  # in another
//! cargo run --example follow -- 127.0.0.1:4710
//! ```
//!
//! Everything goes through [`chancery::client`]. Copy what you need: each function is one thing that a client does.

use chancery::client::{Client, DEFAULT_SERVER, Event, Mark, Retry, Subscription};
use chancery::record::codec::{self, Content, Country, Date, DateRole, Participant, Payload, Side};
use chancery::record::{Act, Leaf};
use chancery::rpc::proto::as_of::At;
use chancery::rpc::proto::entry_name::Name;
use chancery::rpc::proto::subscribe_from::From;
use chancery::rpc::proto::{
    AppendRecord, AppendRequest, AsOf, Change, CreateGroupRequest, EntryName, GetEntryRequest,
    GetGroupRequest, Outcome, ReadRequest, Receipt, Record, SubscribeFrom, SubscribeRequest,
};
use futures::{StreamExt, TryStreamExt};
use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the example follows: meetings between these two countries, whoever stands first.
const SERIES: &str = "example-follow";
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
    let mark = follow(&client, status.tail, &receipts[0]).await?;
    resume(&client, mark).await?;
    work(&client).await
}

/// One batch is recorded whole or not at all, and the answer comes once it is on disk.
async fn append(client: &Client) -> Result<Vec<Receipt>> {
    let records = vec![
        create(meeting("Talks on the border markets", &["PAK", "IRN"])),
        create(meeting("Talks on the river commission", &["PAK", "IND"])),
    ];
    let request = AppendRequest {
        records,
        ..AppendRequest::default()
    };
    // The batch is given a name. Should the answer be lost it is sent again, and the same name gives the same receipts.
    let response = client.append_until_known(request, Retry::default()).await?;
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
        println!("  {} {} {}", record.position, leaf.act, about(&record)?);
    }
    Ok(())
}

/// Follows from `from` on: first what the log holds, then what is appended. Where the connection is lost, or the daemon is
/// stopped and started again, the subscription goes on where it stood. Answers the mark to resume from.
async fn follow(client: &Client, from: u64, first: &Receipt) -> Result<Mark> {
    println!("following {FILTER}:");
    let mut subscription = subscribe(client, from);
    while let Some(event) = subscription.next().await {
        match event? {
            Event::Record(record) => {
                print_record(&record)?;
                // What is made of a record is saved together with the mark: then each counts once, whatever happens.
                if record.position > first.position {
                    return Ok(subscription.mark().clone());
                }
            }
            // Which positions were looked at is told also where nothing matched. The client library has checked that each
            // range begins where the one before ended.
            Event::Scanned(mark) => println!("  everything below {} was looked at", mark.position),
            // All that was there has been seen. Correct the first event: the subscription will tell.
            Event::CaughtUp(_) => amend(client, first).await?,
            Event::Lost { why, wait } => println!("  lost ({}); again in {wait:?}", why.message()),
            Event::Started(_) | Event::Draining(_) | Event::FellBehind(_) | Event::Heartbeat(_) => {}
        }
    }
    Err("the subscription ended".into())
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
        ..AppendRequest::default()
    };
    let response = client.append_until_known(request, Retry::default()).await?;
    println!(
        "  {} at position {}",
        outcome(&response.receipts[0]),
        response.receipts[0].position
    );
    Ok(())
}

/// Takes up where the mark stands, as after a crash. Nothing is handed out twice and nothing is skipped; a mark of another
/// archive, of another filter or of a fork is refused.
async fn resume(client: &Client, mark: Mark) -> Result<()> {
    let mut subscription = subscribe(client, mark.position).resume(mark);
    while let Some(event) = subscription.next().await {
        match event? {
            Event::Record(record) => return Err(format!("{} was handed out twice", record.position).into()),
            Event::CaughtUp(caught_up) => {
                println!("resumed: caught up at {}, nothing missed", caught_up.position);
                break;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Works for a consumer group: the archive remembers what is done, and whoever works for the group shares the records. Each comes at
/// least once, over lost connections too; its position is the same each time.
async fn work(client: &Client) -> Result<()> {
    println!("working for the group {SERIES}:");
    let mut calls = client.subscriptions();
    let request = CreateGroupRequest {
        name: SERIES.to_owned(),
        filter: FILTER.to_owned(),
        from: Some(SubscribeFrom {
            from: Some(From::Start(true)),
        }),
        ..CreateGroupRequest::default()
    };
    // Where there is one with these settings, work goes on with that.
    let mut group = calls.create_group(request).await?.into_inner();
    let mut consumer = client.consume(SERIES).named("reader").credits(10);
    while group.lag != Some(0) {
        let delivery = consumer.next().await.ok_or("a consumer has no end")??;
        let record = delivery.record.ok_or("a delivery has a record")?;
        println!("    {}", work_on(client, &record).await?);
        // Whatever it was. Once this returns the record never comes again, whatever happens to the archive.
        consumer.ack(&[record.position]).await?;
        let name = SERIES.to_owned();
        group = calls.get_group(GetGroupRequest { name }).await?.into_inner();
    }
    // What is still on its way goes to others as if it had not been delivered.
    consumer.leave().await;
    println!("nothing is left to do");
    Ok(())
}

/// Does what a record of a group that follows changes asks for, and says what that was.
async fn work_on(client: &Client, record: &Record) -> Result<String> {
    let position = record.position;
    if record.change() == Change::Leaves {
        // Retracted, erased, or corrected to something else. An ERASE comes whatever the filter is, by its leaf alone.
        return Ok(format!(
            "took back at {position} what was made of {}",
            entry(record)?
        ));
    }
    let mut content = codec::decode_payload(&record.payload)?.content;
    let mut from = "";
    if content.is_none() && record.change() == Change::Enters {
        // An act without content, as REINSTATE: the entry is back with the content that it has.
        content = content_after(client, position).await?;
        from = ", read from the archive";
    }
    Ok(match content {
        Some(content) => format!("worked on {position} {}{from}", content.title),
        // An act without content, as LINK, by which the entry keeps the one that it has; or that one was erased since.
        None => format!("nothing to work on at {position}, {}", entry(record)?),
    })
}

/// The content that an entry has after the record at this position, which says none; `None` where it was erased since.
async fn content_after(client: &Client, position: u64) -> Result<Option<Content>> {
    let request = GetEntryRequest {
        entry: Some(EntryName {
            name: Some(Name::Position(position)),
        }),
        as_of: Some(AsOf {
            at: Some(At::Position(position + 1)),
        }),
        ..GetEntryRequest::default()
    };
    let entry = client.get_entry(request).await?.entry.unwrap_or_default();
    Ok(codec::decode_payload(&entry.record.unwrap_or_default().payload)?.content)
}

fn subscribe(client: &Client, from: u64) -> Subscription {
    client.follow(SubscribeRequest {
        from: Some(SubscribeFrom {
            from: Some(From::Position(from)),
        }),
        filter: FILTER.to_owned(),
        ..SubscribeRequest::default()
    })
}

fn print_record(record: &Record) -> Result<()> {
    let change = match record.change() {
        Change::Enters => "enters",
        Change::Stays => "stays ",
        Change::Leaves => "leaves",
        Change::Unspecified => "      ",
    };
    println!("    {} {change} {}", record.position, about(record)?);
    Ok(())
}

fn create(content: Content) -> AppendRecord {
    let payload = Payload {
        content: Some(content),
        ..Payload::default()
    };
    AppendRecord {
        act: Act::Create.number(),
        series: SERIES.into(),
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

/// The entry that a record is about, and the act.
fn entry(record: &Record) -> Result<String> {
    let leaf = Leaf::decode(&record.leaf)?;
    Ok(format!("{}/{:.8}... by {}", leaf.series, leaf.key, leaf.act))
}

/// What a record says, or where it says nothing, as a RETRACT, a LINK or an ERASE, which entry it is about.
fn about(record: &Record) -> Result<String> {
    let content = codec::decode_payload(&record.payload)?.content;
    content.map_or_else(|| entry(record), |content| Ok(content.title))
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

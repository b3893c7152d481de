//! Questions on a full log: how long each takes, how far the index is behind while records arrive, how long it takes to be made.

use super::BenchError;
use super::events::Events;
use super::load::fresh;
use super::report::{Latencies, Row};
use super::server::Server;
use crate::client::Client;
use crate::rpc::proto;
use futures::TryStreamExt;
use std::pin::pin;
use std::time::{Duration, Instant};

/// How often each question is asked; the first few are not counted.
const ASKED: usize = 24;
const WARMING: usize = 4;
/// How long anything is waited for.
const GIVE_UP: Duration = Duration::from_secs(600);
/// What arrives while the lag is watched.
pub struct Arriving {
    row: &'static str,
    /// Records a second.
    pace: u64,
    clients: u32,
    /// Records a batch.
    batch: u32,
    next: fn(&mut Events) -> proto::AppendRecord,
}

/// Events, as many as a source that codes by machine sends.
pub const EVENTS: Arriving = Arriving {
    row: "index, behind appends",
    pace: 60_000,
    clients: 8,
    batch: 100,
    next: |events| events.next(0),
};
/// Dispatches, each read for what it suggests.
pub const DISPATCHES: Arriving = Arriving {
    row: "index, behind dispatches",
    pace: 500,
    clients: 2,
    batch: 5,
    next: Events::next_dispatch,
};

/// A question, and what is asked.
enum Asked {
    /// All pages; whether the records alone.
    Search(&'static str, bool),
    /// The first page.
    First(&'static str),
    Count(&'static str),
    Groups(&'static str, &'static [&'static str]),
}

const QUESTIONS: [(&str, Asked); 8] = [
    (
        "search, 1 % by country, every entry",
        Asked::Search("country = NLD", false),
    ),
    (
        "search, 1 % by country, records alone",
        Asked::Search("country = NLD", true),
    ),
    (
        "search, two countries and a month, 50 entries",
        Asked::First("dyad = IRN-PAK AND occurred = 2014-03"),
    ),
    ("search, a rare word", Asked::First("rapporteur")),
    (
        "count, three exact terms",
        Asked::Count("source.country = USA AND type = cameo:042 AND place = Geneva"),
    ),
    ("count, half of the years", Asked::Count("occurred >= 2010")),
    ("timeline, all by year", Asked::Groups("", &["year"])),
    (
        "timeline, all by dyad and month",
        Asked::Groups("", &["month", "dyad"]),
    ),
];

/// Asks every question.
///
/// # Errors
/// [`BenchError`].
pub async fn questions(server: &Server) -> Result<Vec<Row>, BenchError> {
    let client = Client::connect(server.address()).await?;
    let mut rows = vec![caught_up(&client).await?];
    for (name, asked) in &QUESTIONS {
        let (mut latencies, mut answered) = (Latencies::default(), 0);
        for turn in 0..ASKED + WARMING {
            let begun = Instant::now();
            answered = ask(&client, asked).await?;
            if turn >= WARMING {
                latencies.add(begun.elapsed());
            }
        }
        let what = match asked {
            Asked::Search(..) | Asked::First(_) => "entries",
            Asked::Count(_) => "counted",
            Asked::Groups(..) => "groups",
        };
        rows.push(Row::time(name, latencies).noted(format!("{answered} {what}")));
    }
    Ok(rows)
}

async fn ask(client: &Client, asked: &Asked) -> Result<u64, BenchError> {
    match asked {
        Asked::Search(filter, records_only) => {
            let request = proto::SearchRequest {
                filter: (*filter).to_owned(),
                page_size: 1_000,
                records_only: *records_only,
                ..proto::SearchRequest::default()
            };
            let mut pages = pin!(client.pages(request, None));
            let mut entries = 0;
            while let Some(page) = pages.try_next().await? {
                entries += page.entries.len() as u64;
            }
            Ok(entries)
        }
        Asked::First(filter) => {
            let request = proto::SearchRequest {
                filter: (*filter).to_owned(),
                ..proto::SearchRequest::default()
            };
            let page = client.query().search(request).await?.into_inner();
            Ok(page.entries.len() as u64)
        }
        Asked::Count(filter) => {
            let request = proto::CountRequest {
                filter: (*filter).to_owned(),
                ..proto::CountRequest::default()
            };
            Ok(client.query().count(request).await?.into_inner().count)
        }
        Asked::Groups(filter, by) => {
            let request = proto::AggregateRequest {
                filter: (*filter).to_owned(),
                by: by.iter().map(|name| (*name).to_owned()).collect(),
                ..proto::AggregateRequest::default()
            };
            let mut messages = client.query().aggregate(request).await?.into_inner();
            let mut groups = 0;
            while let Some(message) = messages.message().await? {
                groups += message.groups.len() as u64;
            }
            Ok(groups)
        }
    }
}

async fn view(client: &Client) -> Result<proto::View, BenchError> {
    let name = "search".to_owned();
    Ok(client
        .views()
        .get_view(proto::GetViewRequest { name })
        .await?
        .into_inner())
}

/// Waits until the index has everything.
///
/// # Errors
/// [`BenchError`].
pub async fn caught_up(client: &Client) -> Result<Row, BenchError> {
    let begun = Instant::now();
    loop {
        let view = view(client).await?;
        let has_all = view.state() == proto::ViewState::Following && view.view_position == view.tail;
        if has_all || begun.elapsed() > GIVE_UP {
            let row = Row::new(
                "index, behind what was left to it",
                begun.elapsed().as_secs_f64(),
                "s",
            );
            let each = view.bytes.checked_div(view.view_position).unwrap_or(0);
            return Ok(row.noted(format!("{} records, {each} B each", view.view_position)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How far the index is behind while records arrive at a steady pace: the records that it lacks, as the time in which they came.
///
/// # Errors
/// [`BenchError`].
pub async fn lag(server: &Server, seconds: f64, arriving: &Arriving) -> Result<Row, BenchError> {
    let &Arriving {
        pace,
        clients,
        batch,
        next,
        ..
    } = arriving;
    let client = Client::connect(server.address()).await?;
    // What was left of what came before is not told again.
    caught_up(&client).await?;
    let (begun, end) = (Instant::now(), Duration::from_secs_f64(seconds));
    let mut writers = Vec::new();
    for number in 0..clients {
        let mut archive = Client::connect(server.address()).await?.archive();
        writers.push(tokio::spawn(async move {
            let mut events = Events::new(fresh(number as usize));
            let each = Duration::from_secs_f64(f64::from(clients * batch) / pace as f64);
            let mut batches = 0;
            while begun.elapsed() < end {
                let records = (0..batch).map(|_| next(&mut events)).collect();
                archive
                    .append(proto::AppendRequest {
                        records,
                        ..proto::AppendRequest::default()
                    })
                    .await?;
                batches += 1;
                tokio::time::sleep_until((begun + each * batches).into()).await;
            }
            Ok::<_, tonic::Status>(batches)
        }));
    }
    let mut lags = Latencies::default();
    while begun.elapsed() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let view = view(&client).await?;
        let lacking = view.tail.saturating_sub(view.view_position);
        lags.add(Duration::from_secs_f64(lacking as f64 / pace as f64));
    }
    let mut records = 0;
    for writer in writers {
        records += u64::from(writer.await??) * u64::from(batch);
    }
    let rate = records as f64 / begun.elapsed().as_secs_f64();
    Ok(Row::time(arriving.row, lags).noted(format!("{rate:.0} records/s arrived")))
}

/// How long the index takes to be made anew.
///
/// # Errors
/// [`BenchError`].
pub async fn rebuild(server: &Server) -> Result<Row, BenchError> {
    let client = Client::connect(server.address()).await?;
    let name = "search".to_owned();
    let begun = Instant::now();
    client
        .views()
        .rebuild_view(proto::RebuildViewRequest { name: name.clone() })
        .await?;
    let mut told = client
        .views()
        .watch_view(proto::WatchViewRequest { name })
        .await?
        .into_inner();
    let mut last = proto::View::default();
    while let Some(view) = told.message().await? {
        last = view;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let row = Row::new("index, made anew", seconds, "s");
    let rate = last.view_position as f64 / seconds;
    Ok(row.noted(format!("{} records, {rate:.0}/s", last.view_position)))
}

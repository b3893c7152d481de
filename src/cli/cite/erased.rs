//! What was erased since a position, of what may have been in an answer as of it.
//!
//! The ERASEs are read some at a time, and the history of each of their entries up to the position is asked for, several of them
//! at once. Leaves tell all that is needed, and nobody erases those.

use crate::cli::failure::Failure;
use crate::cli::screen::plain;
use crate::cli::shown::moment;
use crate::client::{Client, reason};
use crate::filter::{Filter, LazyContent, Subject};
use crate::record::{self, Act, Kind, Leaf, Position, Recorded, Revision};
use crate::rpc::proto;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use tonic::{Code, Status};

/// So many ERASEs are read at a time.
const ORDERS: u64 = 256;
/// So many histories are asked for at once.
const ASKED_AT_ONCE: usize = 16;
/// How often one thing is asked at most, where erasures come in between.
const TRIES: usize = 10;
/// The reason of an answer that an erasure broke off.
const ERASED_MEANWHILE: &str = "ERASED_MEANWHILE";

/// Series and key.
type Name = (String, String);

/// An entry that was erased since.
#[derive(Debug)]
pub struct Erased {
    /// Its series.
    pub series: String,
    /// Its key.
    pub key: String,
    /// The ERASE.
    pub position: u64,
    /// When that was recorded.
    pub recorded: Recorded,
    /// Why, as a code; it may be empty.
    pub reason: String,
    /// It said by which names an actor is found that the filter asks for, as far as anyone can tell: any number of entries may
    /// have come into the answer by it, or have stayed out of it.
    pub named: bool,
}

impl Erased {
    /// For a person, set in.
    pub fn line(&self) -> String {
        let reason = match self.reason.as_str() {
            "" => String::new(),
            reason => format!(" ({})", plain(reason)),
        };
        format!(
            "  {}/{}, by the ERASE at position {} of {}{reason}{}",
            plain(&self.series),
            plain(&self.key),
            self.position,
            moment(self.recorded),
            if self.named {
                ", which said who an actor is"
            } else {
                ""
            }
        )
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "series": self.series,
            "key": self.key,
            "position": self.position,
            "recorded": self.recorded.to_string(),
            "reason": self.reason,
            "names_an_actor": self.named,
        })
    }
}

/// What an ERASE says.
struct Order {
    erased: Erased,
    revisions: (Revision, Revision),
}

impl Order {
    fn name(&self) -> Name {
        (self.erased.series.clone(), self.erased.key.clone())
    }
}

/// The entries that an ERASE from `position` to `tail` took the content from that was their newest as of `position`, without
/// those that the filter leaves out whatever they said; and the authorities among them, where the filter asks for an actor. Where it
/// asks for superseded contents, those too that lost an earlier one.
///
/// # Errors
/// The server's.
pub async fn since(
    client: &Client,
    position: u64,
    tail: u64,
    filter: &Filter,
) -> Result<Vec<Erased>, Failure> {
    let (mut found, mut taken) = (Vec::new(), HashSet::new());
    let asks_actors = !filter.actors().is_empty();
    let with_earlier = filter.names_superseded();
    let mut from = position;
    while from < tail {
        let orders = orders(client, from, tail).await?;
        let Some(last) = orders.last() else { break };
        from = last.erased.position + 1;
        let standings = standings(client, &orders, &taken, position).await?;
        for mut order in orders {
            let name = order.name();
            let Some(Some(standing)) = standings.get(&name) else {
                continue;
            };
            // Content is taken once.
            let is_taken = standing.is_taken_by(order.revisions)
                || (with_earlier && standing.loses_any_of(order.revisions));
            if is_taken && taken.insert(name) {
                let (series, key) = (&order.erased.series, &order.erased.key);
                let may_have_matched = standing.may_have_matched(series, key, filter);
                order.erased.named = asks_actors && standing.says_who_an_actor_is();
                if order.erased.named || may_have_matched {
                    found.push(order.erased);
                }
            }
        }
    }
    Ok(found)
}

/// The first ERASEs from `from` to `tail`.
async fn orders(client: &Client, from: u64, tail: u64) -> Result<Vec<Order>, Failure> {
    let request = proto::ReadRequest {
        from: Some(from),
        until: Some(tail),
        filter: "act = erase".to_owned(),
        limit: ORDERS,
        parts: proto::Parts::Leaf.into(),
        ..proto::ReadRequest::default()
    };
    let read = async || client.records(request.clone()).await?.try_collect().await;
    let records: Vec<proto::Record> = undisturbed(read).await?;
    records
        .iter()
        .filter_map(|record| order(record).transpose())
        .collect()
}

fn order(record: &proto::Record) -> Result<Option<Order>, Failure> {
    let leaf = decoded(record.position, &record.leaf)?;
    Ok(leaf.erased.map(|revisions| Order {
        revisions,
        erased: Erased {
            series: leaf.series.to_owned(),
            key: leaf.key.to_owned(),
            position: record.position,
            recorded: leaf.recorded,
            reason: leaf.reason.to_owned(),
            named: false,
        },
    }))
}

/// The entries of ERASEs as of a position, without those of which it is known already.
async fn standings(
    client: &Client,
    orders: &[Order],
    known: &HashSet<Name>,
    position: u64,
) -> Result<HashMap<Name, Option<Standing>>, Failure> {
    let names: HashSet<Name> = orders.iter().map(Order::name).collect();
    let unknown = names.into_iter().filter(|name| !known.contains(name));
    let ask = async |name: Name| {
        let standing = standing(client, &name, position).await?;
        Ok((name, standing))
    };
    let asked = futures::stream::iter(unknown.map(ask)).buffer_unordered(ASKED_AT_ONCE);
    asked.try_collect().await
}

/// An entry as of a position, as its leaves tell it.
struct Standing {
    /// The record of its newest content, as the filter sees it.
    content: Newest,
    retracted: bool,
    /// Its newest content was erased before.
    erased: bool,
}

struct Newest {
    position: Position,
    act: Act,
    kind: Kind,
    revision: Revision,
    recorded: Recorded,
    principal: String,
}

impl Standing {
    /// Whether the newest content is among these revisions, and was there until then.
    fn is_taken_by(&self, (from, to): (Revision, Revision)) -> bool {
        let revision = self.content.revision;
        !self.erased && from <= revision && revision < to
    }

    /// Whether any of the contents that it had is among these revisions.
    fn loses_any_of(&self, (from, _): (Revision, Revision)) -> bool {
        from <= self.content.revision
    }

    /// Filters are widened by the names of authorities that stand, and nobody can say any more what an erased one said.
    fn says_who_an_actor_is(&self) -> bool {
        self.content.kind == Kind::Authority && !self.retracted
    }

    fn may_have_matched(&self, series: &str, key: &str, filter: &Filter) -> bool {
        if filter.names_status() {
            // It may have been in the answer by its status then, or come into it by the one that it has now.
            return true;
        }
        let content = &self.content;
        let subject = Subject {
            position: content.position,
            act: content.act,
            kind: content.kind,
            series,
            key,
            revision: content.revision,
            recorded: content.recorded,
            status: record::Status::Current,
            principal: &content.principal,
            content: LazyContent::absent(),
        };
        !self.retracted && filter.could_match(&subject)
    }
}

/// The entry as of a position; `None` where it had no content then.
async fn standing(client: &Client, entry: &Name, position: u64) -> Result<Option<Standing>, Failure> {
    let (series, key) = entry.clone();
    let request = proto::GetHistoryRequest {
        entry: Some(proto::EntryName {
            name: Some(proto::entry_name::Name::Key(proto::EntryKey { series, key })),
        }),
        as_of: Some(proto::AsOf {
            at: Some(proto::as_of::At::Position(position)),
        }),
        parts: proto::Parts::Leaf.into(),
    };
    let records = undisturbed(async || {
        let messages = client.archive().get_history(request.clone()).await?.into_inner();
        let records = messages.map_ok(|message| futures::stream::iter(message.records).map(Ok));
        records.try_flatten().try_collect().await
    });
    let records: Vec<proto::Record> = match records.await {
        Ok(records) => records,
        Err(status) if status.code() == Code::NotFound => return Ok(None),
        Err(status) => return Err(status.into()),
    };
    let mut standing = None;
    for record in &records {
        let leaf = decoded(record.position, &record.leaf)?;
        fold(&mut standing, Position::new(record.position), &leaf);
    }
    Ok(standing)
}

/// Asks again where something was erased while the answer was on its way; who erases one after the other may have it fail.
pub(super) async fn undisturbed<T>(ask: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    for _ in 1..TRIES {
        match ask().await {
            Err(status) if reason(&status).as_deref() == Some(ERASED_MEANWHILE) => {}
            answer => return answer,
        }
    }
    ask().await
}

fn fold(standing: &mut Option<Standing>, position: Position, leaf: &Leaf<'_>) {
    if leaf.act.has_content() {
        *standing = Some(Standing {
            content: Newest {
                position,
                act: leaf.act,
                kind: leaf.kind,
                revision: leaf.revision,
                recorded: leaf.recorded,
                principal: leaf.principal.to_owned(),
            },
            retracted: false,
            erased: false,
        });
        return;
    }
    let Some(standing) = standing else { return };
    match (leaf.act, leaf.erased) {
        (Act::Retract, _) => standing.retracted = true,
        (Act::Reinstate, _) => standing.retracted = false,
        (Act::Erase, Some(range)) if standing.is_taken_by(range) => standing.erased = true,
        _ => {}
    }
}

fn decoded(position: u64, leaf: &[u8]) -> Result<Leaf<'_>, Failure> {
    Leaf::decode(leaf).map_err(|error| Failure::failed(format!("position {position}: {error}")))
}

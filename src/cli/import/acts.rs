//! Whether the archive has an act without content already.
//!
//! The state of an entry does not tell: a retraction that a person took back must not be made again when its file is
//! imported again. So the entry's history is asked for the same act, with the same reason, relation and statement, as it
//! stood when the first act of the input was met. The second such act of an input is the second of the history.
//!
//! Memory is some twenty bytes for each act without content in an input.

use crate::cli::failure::Failure;
use crate::client::Client;
use crate::import::Draft;
use crate::record::codec::{Payload, Statement, decode_payload, encode_payload};
use crate::record::{Key, Leaf};
use crate::rpc::proto;
use bytes::Bytes;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use tonic::Code;

/// The acts of one input, and how many of each the archive had before it.
#[derive(Debug, Default)]
pub struct Acts {
    /// The tail when the first act was met: what this input itself writes is not held against it.
    as_of: Option<u64>,
    /// By the hash of entry and act: how many of those in the archive no row has been yet.
    left: HashMap<u64, u32>,
    hasher: RandomState,
}

impl Acts {
    /// Whether the archive had the act of this row before the input; each of its acts answers for one row.
    ///
    /// # Errors
    /// The server's.
    pub async fn has(&mut self, client: &Client, draft: &Draft) -> Result<bool, Failure> {
        let Some(key) = &draft.key else {
            return Ok(false);
        };
        let wanted = Told::of(draft);
        let name = self
            .hasher
            .hash_one((draft.series.as_str(), key.as_str(), &wanted));
        let as_of = match self.as_of {
            Some(as_of) => as_of,
            None => *self.as_of.insert(client.status().await?.tail),
        };
        let left = match self.left.entry(name) {
            Entry::Occupied(left) => left.into_mut(),
            Entry::Vacant(empty) => empty.insert(told(client, draft, key, as_of, &wanted).await?),
        };
        let had = *left > 0;
        *left = left.saturating_sub(1);
        Ok(had)
    }
}

/// What an act without content tells: two that tell the same are one act told twice.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Told {
    act: i32,
    reason: String,
    relation: Option<(i32, String, String)>,
    statement: Bytes,
}

impl Told {
    fn of(draft: &Draft) -> Self {
        Self {
            act: draft.act.number(),
            reason: draft.reason.as_str().to_owned(),
            relation: draft.relation.as_ref().map(|(relation, other)| {
                (
                    (*relation).into(),
                    other.series.to_string(),
                    other.key.to_string(),
                )
            }),
            statement: statement(&draft.payload),
        }
    }

    /// What a stored record tells; `None` for content, and for bytes that are no leaf.
    fn stored(record: &proto::Record) -> Option<Self> {
        let leaf = Leaf::decode(&record.leaf).ok()?;
        (!leaf.act.has_content()).then(|| Self {
            act: leaf.act.number(),
            reason: leaf.reason.to_owned(),
            relation: leaf
                .relation
                .map(|link| (link.relation.into(), link.series.to_owned(), link.key.to_owned())),
            statement: statement(&record.payload),
        })
    }
}

/// The statement of a payload, encoded in one way; provenance says how the row came and counts for nothing.
fn statement(payload: &[u8]) -> Bytes {
    let decoded = decode_payload(payload).ok();
    let statement = decoded.and_then(|payload| payload.statement);
    encode_payload(&Payload {
        statement: statement.filter(|statement| *statement != Statement::default()),
        ..Payload::default()
    })
}

/// How often the entry's history has the act.
async fn told(client: &Client, draft: &Draft, key: &Key, as_of: u64, wanted: &Told) -> Result<u32, Failure> {
    use proto::entry_name::Name;
    let name = Name::Key(proto::EntryKey {
        series: draft.series.to_string(),
        key: key.to_string(),
    });
    let request = proto::GetHistoryRequest {
        entry: Some(proto::EntryName { name: Some(name) }),
        as_of: Some(proto::AsOf {
            at: Some(proto::as_of::At::Position(as_of)),
        }),
        ..proto::GetHistoryRequest::default()
    };
    let mut messages = match client.archive().get_history(request).await {
        Ok(answer) => answer.into_inner(),
        // An entry that this input itself brings.
        Err(status) if status.code() == Code::NotFound => return Ok(0),
        Err(status) => return Err(status.into()),
    };
    let mut times = 0;
    while let Some(message) = messages.message().await? {
        let told = message.records.iter().filter_map(Told::stored);
        times += u32::try_from(told.filter(|told| told == wanted).count()).unwrap_or(u32::MAX);
    }
    Ok(times)
}

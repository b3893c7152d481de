//! Between the wire and our own values.
//!
//! Requests become values that are checked, answers become messages; nothing here decides anything or waits.

use super::derived;
use super::proto;
use super::status::{self, RequestError};
use super::suggested;
use crate::filter::Filter;
use crate::log::{
    AppendError, Appended, Batch, Door, Draft, EntryState, Log, ReadError, Receipt, Rule, Stored, Violation,
};
use crate::record::codec::{self, RelationType};
use crate::record::{
    Act, BatchId, EntryKey, Key, Kind, NameError, Outcome, Position, Principal, Reason, Recorded, Revision,
    Series, Status,
};
use crate::view::entry::{EntryRef, PREFIX_CHARS_MIN, Prefix};
use crate::view::{EntryAnswer, Parts};
use bytes::Bytes;

/// The most positions that one `Read` may name.
pub const POSITIONS_MAX: usize = 100_000;

/// A batch as it was sent, checked as far as that needs no log.
///
/// # Errors
/// Every field that is not allowed, all of them together.
pub fn batch(request: proto::AppendRequest, door: Door, peer: &Principal) -> Result<Batch, tonic::Status> {
    wait_for(request.wait_for)?;
    let mut broken = Vec::new();
    let principal = keep(
        &mut broken,
        None,
        "claimed_principal",
        principal(&request.claimed_principal, peer),
    );
    let request_id = keep(&mut broken, None, "request_id", request_id(request.request_id));
    let fail_if_match = request.fail_if_match.and_then(|condition| {
        let filter = condition_filter(&condition.filter);
        keep_rule(&mut broken, None, "fail_if_match.filter", filter)
            .map(|filter| (filter, Position::new(condition.after)))
    });
    let mut records = Vec::with_capacity(request.records.len());
    for (index, record) in request.records.into_iter().enumerate() {
        records.extend(draft(&mut broken, index, record));
    }
    match (principal, request_id) {
        (Some(principal), Some(request_id)) if broken.is_empty() => Ok(Batch {
            records,
            request_id,
            expected_tail: request.expected_tail.map(Position::new),
            fail_if_match,
            validate_only: request.validate_only,
            principal,
            door,
        }),
        _ => Err(status::append(&AppendError::Refused(broken))),
    }
}

fn wait_for(number: i32) -> Result<(), RequestError> {
    match proto::WaitFor::try_from(number) {
        Ok(proto::WaitFor::Unspecified | proto::WaitFor::Durable) => Ok(()),
        Ok(proto::WaitFor::Replicated) => Err(RequestError::NoFollower("REPLICATED")),
        Ok(proto::WaitFor::Witnessed) => Err(RequestError::NoFollower("WITNESSED")),
        Err(_) => Err(unknown_number("wait_for", number)),
    }
}

/// `claimed:NAME` for who says a name, else the one at the other end, as the system tells.
///
/// # Errors
/// [`NameError::Principal`].
pub fn principal(claimed: &str, peer: &Principal) -> Result<Principal, NameError> {
    if claimed.is_empty() {
        return Ok(peer.clone());
    }
    Principal::new(&format!("claimed:{claimed}"))
}

/// A batch's name, where it has one.
///
/// # Errors
/// [`NameError::BatchId`].
pub fn request_id(id: Bytes) -> Result<Option<BatchId>, NameError> {
    if id.is_empty() {
        return Ok(None);
    }
    BatchId::new(id).map(Some)
}

fn condition_filter(text: &str) -> Result<Filter, Rule> {
    let filter = Filter::parse(text).map_err(|error| match error.excess() {
        Some((actual, limit)) => Rule::TooLarge {
            what: "filter",
            actual: actual as u64,
            limit: limit as u64,
            remedy: "split it",
        },
        None => Rule::Invalid(error.to_string()),
    })?;
    if filter.is_all() {
        let problem = "the filter is empty; name what may not be there, or use expected_tail";
        return Err(Rule::Invalid(problem.to_owned()));
    }
    Ok(filter)
}

fn draft(broken: &mut Vec<Violation>, index: usize, record: proto::AppendRecord) -> Option<Draft> {
    let at = Some(index);
    let act = keep_rule(broken, at, "act", act(record.act));
    let kind = keep_rule(broken, at, "kind", kind(record.kind));
    let series = keep(broken, at, "series", Series::new(&record.series));
    let key = keep(broken, at, "key", key(&record.key));
    let reason = keep(broken, at, "reason", Reason::new(&record.reason));
    let payload = keep_rule(broken, at, "payload", payload(record.payload));
    let relation = match record.relation {
        Some(link) => relation(broken, index, &link).map(Some),
        None => Some(None),
    };
    Some(Draft {
        act: act?,
        kind: kind?,
        series: series?,
        key: key?,
        payload: payload?,
        expected_revision: record.expected_revision.map(Revision::new),
        reason: reason?,
        relation: relation?,
        erased: None,
    })
}

fn act(number: i32) -> Result<Act, Rule> {
    Act::from_number(number).ok_or_else(|| {
        Rule::Invalid(format!(
            "`{number}` is not an act; say CREATE, AMEND or another one"
        ))
    })
}

fn kind(number: i32) -> Result<Option<Kind>, Rule> {
    if number == 0 {
        return Ok(None);
    }
    let unknown = || {
        Rule::Invalid(format!(
            "`{number}` is not a kind; leave it out, or say EVENT or another one"
        ))
    };
    Kind::from_number(number).map(Some).ok_or_else(unknown)
}

fn key(text: &str) -> Result<Option<Key>, NameError> {
    if text.is_empty() {
        return Ok(None);
    }
    Key::new(text).map(Some)
}

/// The payload of a request, as its bytes.
///
/// # Errors
/// A second one, which would be merged into the first without a word.
pub fn payload(sent: Vec<Bytes>) -> Result<Bytes, Rule> {
    let count = sent.len();
    let mut sent = sent.into_iter();
    match (sent.next(), count) {
        (None, _) => Ok(Bytes::new()),
        (Some(payload), 1) => Ok(payload),
        (Some(_), _) => Err(Rule::Invalid(format!(
            "the field stands {count} times; send it once, since its bytes are kept as sent"
        ))),
    }
}

fn relation(
    broken: &mut Vec<Violation>,
    index: usize,
    link: &codec::Relation,
) -> Option<(RelationType, EntryKey)> {
    let at = Some(index);
    let known = match RelationType::try_from(link.r#type) {
        Ok(RelationType::Unspecified) => Err(Rule::Invalid(
            "no type; say REPORTED_IN, PART_OF or another one".to_owned(),
        )),
        Ok(known) => Ok(known),
        Err(_) => Err(Rule::Invalid(format!(
            "`{}` is not a type of relation",
            link.r#type
        ))),
    };
    let known = keep_rule(broken, at, "relation.type", known);
    let series = keep(broken, at, "relation.series", Series::new(&link.series));
    let key = keep(broken, at, "relation.key", Key::new(&link.key));
    Some((
        known?,
        EntryKey {
            series: series?,
            key: key?,
        },
    ))
}

fn keep<T>(
    broken: &mut Vec<Violation>,
    index: Option<usize>,
    field: &str,
    value: Result<T, NameError>,
) -> Option<T> {
    keep_rule(broken, index, field, value.map_err(Rule::Name))
}

fn keep_rule<T>(
    broken: &mut Vec<Violation>,
    index: Option<usize>,
    field: &str,
    value: Result<T, Rule>,
) -> Option<T> {
    value
        .map_err(|rule| {
            broken.push(Violation {
                index,
                field: field.to_owned(),
                rule,
            });
        })
        .ok()
}

/// The receipts of a batch.
pub fn appended(appended: Appended) -> proto::AppendResponse {
    proto::AppendResponse {
        tail: appended.tail.get(),
        receipts: appended.receipts.iter().map(receipt).collect(),
    }
}

/// One receipt.
pub fn receipt(receipt: &Receipt) -> proto::Receipt {
    let outcome = match receipt.outcome {
        Outcome::Recorded => proto::Outcome::Recorded,
        Outcome::Amended => proto::Outcome::Amended,
        Outcome::Acted => proto::Outcome::Acted,
        Outcome::Duplicate => proto::Outcome::Duplicate,
    };
    proto::Receipt {
        position: receipt.position.get(),
        revision: receipt.revision.get(),
        leaf_hash: Bytes::copy_from_slice(&receipt.leaf_hash),
        outcome: outcome.into(),
        key: receipt
            .made_key
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

/// A status as a value within a stream.
pub fn refusal(status: &tonic::Status) -> proto::Refusal {
    proto::Refusal {
        code: status.code().into(),
        message: status.message().to_owned(),
        details: Bytes::copy_from_slice(status.details()),
    }
}

/// Which parts are asked for.
///
/// # Errors
/// [`RequestError`] for a number that means none.
pub fn parts(field: &str, number: i32) -> Result<Parts, RequestError> {
    match proto::Parts::try_from(number) {
        Ok(proto::Parts::Unspecified | proto::Parts::LeafAndPayload) => Ok(Parts::Both),
        Ok(proto::Parts::Payload) => Ok(Parts::Payload),
        Ok(proto::Parts::Leaf) => Ok(Parts::Leaf),
        Ok(proto::Parts::Exact) => Ok(Parts::Exact),
        Err(_) => Err(unknown_number(field, number)),
    }
}

/// A filter of a request.
///
/// # Errors
/// [`RequestError::Filter`]; [`RequestError::TooLarge`] where it exceeds a limit.
pub fn filter(text: &str) -> Result<Filter, RequestError> {
    Filter::parse(text).map_err(|error| match error.excess() {
        Some((actual, limit)) => RequestError::too_large("filter", error.to_string(), actual, limit),
        None => RequestError::Filter {
            path: "filter".to_owned(),
            problem: error.to_string(),
        },
    })
}

/// The point that a question speaks of. May wait for the disk where it is a time.
///
/// # Errors
/// [`ReadError::BeyondTail`], [`ReadError::NotPassed`].
pub fn as_of(log: &Log, as_of: Option<&proto::AsOf>) -> Result<Position, ReadError> {
    let tail = log.tail();
    match as_of.and_then(|as_of| as_of.at.as_ref()) {
        None => Ok(tail),
        Some(proto::as_of::At::Position(position)) if *position <= tail.get() => Ok(Position::new(*position)),
        Some(proto::as_of::At::Position(position)) => Err(ReadError::BeyondTail {
            position: Position::new(*position),
            tail,
        }),
        Some(proto::as_of::At::Recorded(nanos)) => log.as_of(Recorded::from_nanos(*nanos)),
    }
}

/// Which entry is meant.
///
/// # Errors
/// [`RequestError`] where none is named, or a name is not allowed.
pub fn entry_ref(name: Option<proto::EntryName>) -> Result<EntryRef, RequestError> {
    use proto::entry_name::Name;
    match name.and_then(|name| name.name) {
        None => Err(RequestError::field(
            "entry",
            "no entry is named; give series and key, or a position",
        )),
        Some(Name::Key(key)) => entry_key(Some(key), "entry.key").map(EntryRef::Key),
        Some(Name::Position(position)) => Ok(EntryRef::Position(Position::new(position))),
        Some(Name::KeyPrefix(prefix)) => {
            let series = Series::new(&prefix.series)
                .map_err(|error| RequestError::field("entry.key_prefix.series", error.to_string()))?;
            let characters = prefix.key.chars().count();
            if characters < PREFIX_CHARS_MIN {
                return Err(RequestError::field(
                    "entry.key_prefix.key",
                    format!(
                        "{characters} characters are too few to stand for a key; give at least {PREFIX_CHARS_MIN}"
                    ),
                ));
            }
            let key = prefix.key;
            Ok(EntryRef::Prefix(Prefix { series, key }))
        }
    }
}

/// Series and key.
///
/// # Errors
/// [`RequestError`] where they are missing or not allowed.
pub fn entry_key(key: Option<proto::EntryKey>, path: &str) -> Result<EntryKey, RequestError> {
    let Some(key) = key else {
        return Err(RequestError::field(path, "missing; give series and key"));
    };
    EntryKey::new(&key.series, &key.key).map_err(|error| RequestError::field(path, error.to_string()))
}

/// An entry as answered.
pub fn entry(answer: &EntryAnswer, exact: bool, with_derived: bool) -> proto::Entry {
    proto::Entry {
        record: answer.record().map(|stored| record(answer, &stored, exact)),
        ..beside_record(answer, with_derived)
    }
}

/// What is answered of an entry beside its record.
pub fn beside_record(answer: &EntryAnswer, with_derived: bool) -> proto::Entry {
    let state = &answer.state;
    let stored = answer.record();
    let derived = stored
        .as_ref()
        .filter(|stored| with_derived && !stored.erased)
        .map(|stored| derived::of_payload(stored.payload))
        .unwrap_or_default();
    proto::Entry {
        record: None,
        status: status_number(answer.status),
        revision: answer.revision.get(),
        held: state.held.is_some(),
        links: links(state),
        last_position: state.last.get(),
        derived,
        retracted_documents: answer.retracted_documents.iter().map(key_of).collect(),
        suggested_by: suggested::version_of(&answer.suggested),
        suggested: suggested::wire_all(&answer.suggested),
    }
}

/// The name of an entry, as a message.
pub fn key_of(entry: &EntryKey) -> proto::EntryKey {
    proto::EntryKey {
        series: entry.series.to_string(),
        key: entry.key.to_string(),
    }
}

fn record(answer: &EntryAnswer, stored: &Stored<'_>, exact: bool) -> proto::Record {
    let (leaf, payload) = (answer.run.leaf_bytes(stored), answer.run.payload_bytes(stored));
    proto::Record {
        position: stored.position.get(),
        exact: exact.then(|| codec::Exact {
            leaf: leaf.clone(),
            payload: payload.clone(),
            salt: Bytes::copy_from_slice(stored.salt),
        }),
        leaf,
        payload,
        change: proto::Change::Unspecified.into(),
        erased: stored.erased,
    }
}

fn links(state: &EntryState) -> Vec<codec::Relation> {
    let link = |link: &crate::log::LinkAt| codec::Relation {
        r#type: link.relation.into(),
        series: link.other.series.to_string(),
        key: link.other.key.to_string(),
    };
    state.links.iter().map(link).collect()
}

/// The number of a status on the wire.
pub fn status_number(status: Status) -> i32 {
    let status = match status {
        Status::Current => proto::Status::Current,
        Status::Superseded => proto::Status::Superseded,
        Status::Retracted => proto::Status::Retracted,
        Status::Erased => proto::Status::Erased,
    };
    status.into()
}

/// A number that its enum does not have.
pub fn unknown_number(path: &str, number: i32) -> RequestError {
    RequestError::field(path, format!("`{number}` is not one of its values"))
}

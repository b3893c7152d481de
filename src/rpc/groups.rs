//! Consumer groups: requests become calls of [`crate::subscription::group`], and what it answers becomes messages.

use super::status::{self, RequestError};
use super::{Core, convert, proto};
use crate::log::Stored;
use crate::record::{Position, codec};
use crate::subscription::From;
use crate::subscription::group::state::{Consumer, Parked, Refusal, Rules, Sharing};
use crate::subscription::group::{Delivered, Group, Pull, Settings, Standing};
use crate::view::{Change, Mode, Parts};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tonic::Status;

/// The most positions of one request.
const POSITIONS_MAX: usize = 10_000;
/// The most records of one message.
const MAX: u32 = 1_000;
/// How many where the request does not say.
const MAX_UNSAID: u32 = 100;
/// The longest that a pull waits, in milliseconds.
const WAIT_MS_MAX: u32 = 60_000;
/// A day, in milliseconds: the longest time of anything else.
const DAY_MS: u32 = 86_400_000;
/// The most bytes of a consumer's name.
const CONSUMER_BYTES_MAX: usize = 255;
/// The most bytes of a reason.
const REASON_BYTES_MAX: usize = 1_024;

/// The settings that a request asks for, and where the group begins.
pub fn settings(request: proto::CreateGroupRequest) -> Result<(Settings, From), RequestError> {
    let sharing = match proto::Sharing::try_from(request.sharing) {
        Ok(proto::Sharing::Unspecified | proto::Sharing::Shared) => Sharing::Shared,
        Ok(proto::Sharing::Ordered) => Sharing::Ordered,
        Err(_) => return Err(convert::unknown_number("sharing", request.sharing)),
    };
    let rules = Rules {
        sharing,
        ack_timeout_ms: within("ack_timeout_ms", request.ack_timeout_ms, 30_000, 100..=DAY_MS)?.into(),
        deliveries_max: within("deliveries_max", request.deliveries_max, 5, 1..=1_000)?,
        in_flight_max: within("in_flight_max", request.in_flight_max, 1_000, 1..=10_000)? as usize,
    };
    let settings = Settings {
        name: name("name", request.name)?,
        filter: convert::filter(&request.filter)?,
        mode: if request.records_only {
            Mode::Records
        } else {
            Mode::Changes
        },
        rules,
    };
    Ok((settings, super::subscriptions::from(request.from)?))
}

/// A group's name.
pub fn name(field: &str, name: String) -> Result<String, RequestError> {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match (1..=63).contains(&name.len()) && name.bytes().all(is_good) {
        true => Ok(name),
        false => Err(RequestError::field(
            field,
            format!("`{name}` is no name of a group; give 1 to 63 of a-z, 0-9 and -"),
        )),
    }
}

fn within(
    field: &str,
    number: u32,
    unsaid: u32,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, RequestError> {
    match number {
        0 => Ok(unsaid),
        number if range.contains(&number) => Ok(number),
        other => Err(RequestError::field(
            field,
            format!(
                "{other} is not 0, for {unsaid}, or {} to {}",
                range.start(),
                range.end()
            ),
        )),
    }
}

/// Who asks call by call.
pub fn caller(name: String) -> Result<Consumer, RequestError> {
    Ok(Consumer {
        name: consumer_name("consumer", name)?,
        stream: 0,
    })
}

/// Refuses what concerns all that a consumer has where it has no name: whoever else has none would be meant too.
pub fn check_named(concerns_all: bool, consumer: &str) -> Result<(), RequestError> {
    match concerns_all && consumer.is_empty() {
        false => Ok(()),
        true => Err(RequestError::field(
            "consumer",
            "it is empty, and all who have no name are one consumer; name it, or the records in `positions`",
        )),
    }
}

/// The name of a consumer.
pub fn consumer_name(field: &str, name: String) -> Result<String, RequestError> {
    if let Some(character) = name.chars().find(|character| character.is_control()) {
        let problem = format!(
            "it has the control character U+{:04X}; leave it out",
            u32::from(character)
        );
        return Err(RequestError::field(field, problem));
    }
    match name.len() <= CONSUMER_BYTES_MAX {
        true => Ok(name),
        false => Err(RequestError::too_large(
            field,
            format!(
                "{} bytes exceed the limit of {CONSUMER_BYTES_MAX}; use a shorter name",
                name.len()
            ),
            name.len(),
            CONSUMER_BYTES_MAX,
        )),
    }
}

/// The records that a request names.
pub fn positions(field: &str, positions: &[u64]) -> Result<Vec<Position>, RequestError> {
    match positions.len() <= POSITIONS_MAX {
        true => Ok(positions.iter().copied().map(Position::new).collect()),
        false => Err(RequestError::too_large(
            field,
            format!(
                "{} positions exceed the limit of {POSITIONS_MAX}; send several requests",
                positions.len()
            ),
            positions.len(),
            POSITIONS_MAX,
        )),
    }
}

/// How many records a request asks for.
pub fn max(field: &str, max: u32) -> Result<usize, RequestError> {
    within(field, max, MAX_UNSAID, 1..=MAX).map(|max| max as usize)
}

/// What a consumer takes.
pub fn pull(request: proto::PullRequest) -> Result<(String, Pull), RequestError> {
    if request.wait_ms > WAIT_MS_MAX {
        return Err(RequestError::field(
            "wait_ms",
            format!(
                "{} exceeds the limit of {WAIT_MS_MAX}; pull again instead",
                request.wait_ms
            ),
        ));
    }
    let pull = Pull {
        consumer: caller(request.consumer)?,
        max: max("max", request.max)?,
        wait: Duration::from_millis(request.wait_ms.into()),
        parts: convert::parts("parts", request.parts)?,
    };
    Ok((request.group, pull))
}

/// What becomes of records that are not done, and why; `within` is what stands before the names of its fields.
pub fn refusal(within: &str, request: &proto::NackRequest) -> Result<Refusal, RequestError> {
    let field = |name: &str| format!("{within}{name}");
    if request.reason.len() > REASON_BYTES_MAX {
        return Err(RequestError::too_large(
            field("reason"),
            format!(
                "{} bytes exceed the limit of {REASON_BYTES_MAX}; say it shorter",
                request.reason.len()
            ),
            request.reason.len(),
            REASON_BYTES_MAX,
        ));
    }
    if request.delay_ms > DAY_MS {
        return Err(RequestError::field(
            field("delay_ms"),
            format!(
                "{} exceeds the limit of {DAY_MS}, a day; park it instead",
                request.delay_ms
            ),
        ));
    }
    match proto::NackAction::try_from(request.action) {
        Ok(proto::NackAction::Unspecified | proto::NackAction::Retry) => {
            Ok(Refusal::Retry(request.delay_ms.into()))
        }
        Ok(_) if request.delay_ms > 0 => Err(RequestError::field(
            field("delay_ms"),
            "only what is delivered again has a delay; leave it out",
        )),
        Ok(proto::NackAction::Park) => Ok(Refusal::Park),
        Ok(proto::NackAction::Skip) => Ok(Refusal::Skip),
        Err(_) => Err(convert::unknown_number(&field("action"), request.action)),
    }
}

/// A group as it stands.
pub fn group(group: &Group, standing: Standing, tail: Position) -> proto::ConsumerGroup {
    let Settings {
        name,
        filter,
        mode,
        rules,
    } = &group.settings;
    let sharing = match rules.sharing {
        Sharing::Shared => proto::Sharing::Shared,
        Sharing::Ordered => proto::Sharing::Ordered,
    };
    let consumer = |(name, in_flight)| proto::Consumer { name, in_flight };
    proto::ConsumerGroup {
        name: name.clone(),
        canonical_filter: filter.canonical().to_owned(),
        sharing: sharing.into(),
        records_only: *mode == Mode::Records,
        ack_timeout_ms: u32::try_from(rules.ack_timeout_ms).unwrap_or(u32::MAX),
        deliveries_max: rules.deliveries_max,
        in_flight_max: u32::try_from(rules.in_flight_max).unwrap_or(u32::MAX),
        position: standing.position.get(),
        scanned_through: standing.scanned_through.get(),
        tail: tail.max(standing.scanned_through).get(),
        lag: standing.lag,
        in_flight: standing.counts.in_flight as u64,
        ready: standing.counts.ready as u64,
        waiting: standing.counts.waiting as u64,
        delayed: standing.counts.delayed as u64,
        parked: standing.counts.parked as u64,
        consumers: standing.consumers.into_iter().map(consumer).collect(),
        stopped: group.stopped().unwrap_or_default().to_owned(),
        held_up: group.held_up().unwrap_or_default(),
    }
}

/// A group as it stands, with what it has not looked at counted.
///
/// # Errors
/// The log's.
pub async fn counted(core: &Core, counted: Arc<Group>) -> Result<proto::ConsumerGroup, Status> {
    let cancel = CancelOnDrop::default();
    let (flag, of_it) = (Arc::clone(&cancel.0), Arc::clone(&counted));
    let standing = super::blocking(move || of_it.counted(&flag), status::read).await?;
    Ok(group(&counted, standing, core.log.tail()))
}

/// Whoever counts stops when nobody waits for it any more.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Records for a consumer, as messages.
pub fn deliveries(delivered: &Delivered, parts: Parts) -> Vec<proto::Delivery> {
    let mut deliveries = Vec::new();
    delivered.selection.for_each(|stored, change| {
        if let Some(attempt) = delivered.attempts.get(&stored.position) {
            deliveries.push(proto::Delivery {
                record: Some(record(stored, change, parts)),
                attempt: *attempt,
            });
        }
    });
    deliveries
}

fn record(stored: &Stored<'_>, change: Change, parts: Parts) -> proto::Record {
    let parts_sent = parts.sent(stored, change);
    let change = match change {
        Change::Untold => proto::Change::Unspecified,
        Change::Enters => proto::Change::Enters,
        Change::Stays => proto::Change::Stays,
        Change::Leaves => proto::Change::Leaves,
    };
    let bytes = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let sent = |is_sent: bool, column: &[u8]| if is_sent { bytes(column) } else { Bytes::new() };
    proto::Record {
        position: stored.position.get(),
        leaf: sent(parts_sent.leaf, stored.leaf),
        payload: sent(parts_sent.payload, stored.payload),
        exact: (parts == Parts::Exact).then(|| codec::Exact {
            leaf: bytes(stored.leaf),
            payload: bytes(stored.payload),
            salt: bytes(stored.salt),
        }),
        change: change.into(),
        erased: stored.erased,
    }
}

/// A parked record.
pub fn parked((position, parked): (Position, Parked)) -> proto::Parked {
    proto::Parked {
        position: position.get(),
        attempts: parked.attempts,
        reason: parked.reason,
    }
}

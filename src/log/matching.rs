//! Holding records of the log against a filter, for `fail_if_match`.

use super::error::ReadError;
use super::facts;
use super::group::GroupBuilder;
use super::shared::Shared;
use super::{Columns, ReadLimit, Stored};
use crate::filter::{Filter, LazyContent, Subject};
use crate::record::{Leaf, Position, Status};

/// How much is read at once.
const STEP: ReadLimit = ReadLimit {
    records: 4_096,
    bytes: 1 << 20,
};

/// The first record in `from..until` that matches.
///
/// # Errors
/// [`ReadError`] where one cannot be read.
pub fn first_match(
    shared: &Shared,
    filter: &Filter,
    from: Position,
    until: Position,
) -> Result<Option<Position>, ReadError> {
    let mut at = from;
    while at < until {
        for run in shared.read(at, until, STEP, Columns::All)? {
            for record in run.iter() {
                if matches(shared, None, filter, &record)? {
                    return Ok(Some(record.position));
                }
            }
            at = run.end();
        }
    }
    Ok(None)
}

/// The first record of the group at or after `from` that matches.
///
/// # Errors
/// As [`first_match`].
pub fn first_match_in(
    shared: &Shared,
    group: &GroupBuilder,
    filter: &Filter,
    from: Position,
) -> Result<Option<Position>, ReadError> {
    let mut at = from;
    while at < group.tail() {
        let run = facts::fetch(shared, Some(group), at, Columns::All)?;
        for record in run.iter() {
            if matches(shared, Some(group), filter, &record)? {
                return Ok(Some(at));
            }
        }
        at = at.next();
    }
    Ok(None)
}

/// Whether a record matches. An act without content is judged by its entry's content at that point.
fn matches(
    shared: &Shared,
    group: Option<&GroupBuilder>,
    filter: &Filter,
    record: &Stored<'_>,
) -> Result<bool, ReadError> {
    let position = record.position;
    let leaf = facts::decode(record.leaf, position)?;
    if leaf.act.has_content() {
        let (status, content) = match record.erased {
            true => (Status::Erased, LazyContent::absent()),
            false => (Status::Current, LazyContent::payload(record.payload)),
        };
        return Ok(filter.matches(&subject(position, &leaf, status, content)));
    }
    let state = facts::fold(shared, group, position, position.next())?;
    let status = state.as_ref().map_or(Status::Current, super::EntryState::status);
    match state
        .and_then(|state| state.newest())
        .filter(|content| !content.erased)
    {
        None => Ok(filter.matches(&subject(position, &leaf, status, LazyContent::absent()))),
        Some(content) => {
            let run = facts::fetch(shared, group, content.position, Columns::Payloads)?;
            let payload = run.iter().next().filter(|record| !record.erased);
            let content =
                payload.map_or_else(LazyContent::absent, |record| LazyContent::payload(record.payload));
            Ok(filter.matches(&subject(position, &leaf, status, content)))
        }
    }
}

fn subject<'a>(position: Position, leaf: &Leaf<'a>, status: Status, content: LazyContent<'a>) -> Subject<'a> {
    Subject {
        position,
        act: leaf.act,
        kind: leaf.kind,
        series: leaf.series,
        key: leaf.key,
        revision: leaf.revision,
        recorded: leaf.recorded,
        status,
        principal: leaf.principal,
        content,
    }
}

//! Holding records of the log against a filter, for `fail_if_match`.

use super::error::ReadError;
use super::facts;
use super::group::GroupBuilder;
use super::shared::Shared;
use super::{Columns, ReadLimit};
use crate::filter::Filter;
use crate::record::Position;

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
                if matches(filter, &record) {
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
        if run.iter().any(|record| matches(filter, &record)) {
            return Ok(Some(at));
        }
        at = at.next();
    }
    Ok(None)
}

fn matches(_filter: &Filter, _record: &super::Stored<'_>) -> bool {
    false
}

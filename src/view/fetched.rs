//! Records that lie scattered over the log, read a few at a time: what is held of them is bounded by their bytes, whatever
//! one of them has.

use crate::log::{Columns, Log, ReadError, Run};
use crate::record::Position;
use std::sync::atomic::{AtomicBool, Ordering};

/// Records that are read together.
const RECORDS: usize = 512;
/// About the bytes of records that each of two threads reads at a time, at least one record.
pub(super) const BYTES: usize = 1 << 20;

/// Hands over the records at these positions, without their salts, each with its place among them; ends early once
/// `cancelled` is set. Ascending or descending positions are read soonest.
///
/// # Errors
/// As [`Log::fetch`], and those of `take`.
pub(super) fn each<E: From<ReadError>>(
    log: &Log,
    positions: &[Position],
    cancelled: &AtomicBool,
    take: impl FnMut(usize, &Run) -> Result<(), E>,
) -> Result<(), E> {
    each_with(log, positions, Columns::Unsalted, cancelled, take)
}

/// The same with these columns.
///
/// # Errors
/// As [`each`].
pub(super) fn each_with<E: From<ReadError>>(
    log: &Log,
    positions: &[Position],
    columns: Columns,
    cancelled: &AtomicBool,
    mut take: impl FnMut(usize, &Run) -> Result<(), E>,
) -> Result<(), E> {
    let mut done = 0;
    while done < positions.len() {
        let some = &positions[done..positions.len().min(done + RECORDS)];
        for run in log.fetch_some(some, columns, BYTES)? {
            if cancelled.load(Ordering::Relaxed) {
                return Ok(());
            }
            take(done, &run)?;
            done += 1;
        }
    }
    Ok(())
}

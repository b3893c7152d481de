//! Copying what the log has published into sled, and removing the oldest of it.
//!
//! One thread does both, at its leisure; readers go on meanwhile. Whatever they must not look for any more they are told
//! before it goes.

use super::blocks::{blocks, key, key_parts};
use super::frame::{self, Link};
use super::{BUSY_RECORDS, Fault, Guarded, HotLog, SYNC_EVERY, VALUE_BYTES_MAX};
use crate::log::{Log, ReadLimit, Run};
use crate::record::Position;
use bytes::BytesMut;
use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The bytes of a block of one of the newest records, on the average.
fn record_bytes(log: &Log, tail: Position) -> u64 {
    let newest = Position::new(tail.get().saturating_sub(256));
    let limit = ReadLimit {
        records: 256,
        bytes: 1 << 20,
    };
    let runs = log.read_cold(newest, tail, limit).unwrap_or_default();
    let count: usize = runs.iter().map(Run::len).sum();
    let bytes: usize = runs
        .iter()
        .map(|run| frame::encoded_len(run.len(), 0, run.bytes()))
        .sum();
    bytes.checked_div(count).unwrap_or(512) as u64
}

/// Where a copy stands.
#[derive(Default)]
pub(super) struct Copier {
    seen: Position,
    looked: bool,
    dirty: bool,
    synced: Option<Instant>,
}

impl HotLog {
    /// Copies what is new, a step at a time.
    pub(super) fn copy(&self, log: &Log, copier: &mut Copier) -> Guarded<()> {
        let tail = log.tail();
        let grown = tail.since(copier.seen);
        copier.seen = tail;
        if grown > BUSY_RECORDS && copier.looked {
            return Ok(());
        }
        copier.looked = true;
        let mut at = self.begin(log, tail)?;
        while at < tail {
            let limit = ReadLimit {
                records: 4_096,
                bytes: 1 << 20,
            };
            let Ok(runs) = log.read_cold(at, tail, limit) else {
                // A record that the journal cannot give is not copied; those behind it are.
                at = at.next();
                self.through.store(at.get(), Ordering::Release);
                continue;
            };
            for run in runs {
                self.insert(&run)?;
                at = run.end();
                self.through.store(at.get(), Ordering::Release);
                copier.dirty = true;
            }
            self.evict()?;
            if log.tail().since(copier.seen) > BUSY_RECORDS || *self.stopping() {
                break;
            }
        }
        if (copier.dirty || self.is_unmarked())
            && copier.synced.is_none_or(|when| when.elapsed() > SYNC_EVERY)
        {
            self.sync()?;
            copier.synced = Some(Instant::now());
            copier.dirty = false;
        }
        Ok(())
    }

    /// Where to go on: after what is held, or so far back as the bound allows.
    fn begin(&self, log: &Log, tail: Position) -> Guarded<Position> {
        let through = Position::new(self.through.load(Ordering::Acquire));
        if through >= tail {
            return Ok(through);
        }
        let record_bytes = record_bytes(log, tail);
        let fit = (self.options.bytes_max / record_bytes).max(1);
        if tail.since(through) <= fit {
            return Ok(through);
        }
        // What is held would be evicted at once: begin anew where the bound begins. Readers are told first.
        let from = Position::new(tail.get() - fit);
        self.low.store(from.get(), Ordering::Release);
        self.through.store(from.get(), Ordering::Release);
        self.with(|db| db.clear())?;
        self.bytes.store(0, Ordering::Release);
        Ok(from)
    }

    /// Writes a run as blocks.
    pub(super) fn insert(&self, run: &Run) -> Guarded<()> {
        for block in blocks(run) {
            let mut bytes = BytesMut::new();
            let link = Link {
                segment: self.options.archive,
                sequence: 0,
                previous_crc: 0,
                durable_through: Position::START,
            };
            frame::encode(&block, block.first(), link, &mut bytes);
            for (part, value) in bytes.chunks(VALUE_BYTES_MAX).enumerate() {
                assert!(value.len() <= VALUE_BYTES_MAX, "values of sled stay small");
                let key = key(block.first(), part as u16);
                let before = self.with(|db| db.insert(key, value))?;
                let held = self.bytes.load(Ordering::Acquire) + value.len() as u64;
                let replaced = before.map_or(0, |before| before.len() as u64);
                self.bytes.store(held.saturating_sub(replaced), Ordering::Release);
            }
        }
        Ok(())
    }

    /// Removes the oldest blocks beyond the bound. Readers are told first: one that is already on its way meets a block
    /// without its first parts, below what is held.
    pub(super) fn evict(&self) -> Guarded<()> {
        while self.bytes.load(Ordering::Acquire) > self.options.bytes_max {
            let oldest = self.with(|db| db.first())?;
            let Some((first, _)) = oldest.and_then(|(key, _)| key_parts(&key)) else {
                return Ok(());
            };
            let next = self.with(|db| db.get_gt(key(first, u16::MAX)))?;
            let low = next
                .and_then(|(key, _)| key_parts(&key))
                .map_or(self.through.load(Ordering::Acquire), |(next, _)| next.get());
            self.low.store(low, Ordering::Release);
            self.remove(first)?;
        }
        Ok(())
    }

    /// Removes all parts of a block.
    fn remove(&self, first: Position) -> Guarded<()> {
        let bytes = self.with(|db| {
            let mut bytes = 0;
            for part in db.range(key(first, 0)..=key(first, u16::MAX)) {
                let (key, value) = part?;
                db.remove(key)?;
                bytes += value.len() as u64;
            }
            Ok(bytes)
        })?;
        if bytes == 0 {
            return Err(Fault("a block cannot be removed".into()));
        }
        let held = self.bytes.load(Ordering::Acquire);
        self.bytes.store(held.saturating_sub(bytes), Ordering::Release);
        Ok(())
    }

    /// The bytes of all values.
    pub(super) fn held_bytes(&self) -> Guarded<u64> {
        self.with(|db| {
            let lengths = db
                .iter()
                .values()
                .map(|value| value.map(|value| value.len() as u64));
            lengths.sum()
        })
    }

    /// sled's own flush does not reach the disk: its file is synced behind it. Then the mark says how far it has seen.
    pub(super) fn sync(&self) -> Guarded<()> {
        let through = self.through.load(Ordering::Acquire);
        self.with(|db| db.flush().map(drop))?;
        let file = self.newest().map(|folder| folder.join("db"));
        let synced = file.map(|path| File::open(path).and_then(|file| file.sync_data()));
        synced
            .transpose()
            .map_err(|error: std::io::Error| Fault(error.to_string()))?;
        self.mark(Position::new(through));
        Ok(())
    }
}

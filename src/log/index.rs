//! What is known of entries and batches by their names, and how it is caught up after a start.
//!
//! The table of keys and that of requests are folded from all leaves. Those that are sealed are read by a thread of its own
//! once the log is open, so that reads by position need not wait for it; appends and questions for an entry do. The
//! leaves told at the start come after them, and an entry's newest record must be taken in last.

use super::keys::{KeyHash, KeyTable};
use super::requests::Requests;
use super::shared::Shared;
use super::{Closed, Columns, ReadError, ReadLimit};
use crate::record::{Act, Leaf, Position};
use std::sync::{PoisonError, Weak};

/// The tables, and what they still lack.
#[derive(Default)]
pub struct Index {
    /// The newest record of each entry.
    pub keys: KeyTable,
    /// The newest batches.
    pub requests: Requests,
    /// What is to be read first; `None` where the tables are whole.
    pub behind: Option<Behind>,
}

/// Sealed records whose leaves were not read yet, and the records after them.
#[derive(Default)]
pub struct Behind {
    sealed: Position,
    later: Vec<(KeyHash, Option<Position>, Position)>,
    batches: Vec<(Vec<u8>, Position)>,
}

impl Index {
    /// The records below `sealed` are to be read before all others are taken in.
    pub fn wait_for(&mut self, sealed: Position) {
        self.behind.get_or_insert_default().sealed = sealed;
    }

    /// Takes in a record, or keeps it until those before it are taken in.
    pub fn record(&mut self, position: Position, leaf: &Leaf<'_>) {
        let hash = self.keys.hash(leaf.series, leaf.key);
        let first_of_batch = leaf.batch_index == 0;
        match &mut self.behind {
            Some(behind) => {
                behind.later.push((hash, leaf.previous, position));
                if first_of_batch {
                    behind.batches.push((leaf.batch_id.to_vec(), position));
                }
            }
            None => {
                self.keys.record(hash, leaf.previous, position);
                if first_of_batch {
                    self.requests.record(leaf.batch_id, position);
                }
            }
        }
    }
}

/// Reads the leaves that are sealed and opens the gate. Ends early where the log is gone.
pub fn catch_up(log: &Weak<Shared>, behind: Behind) {
    let _ended = Ended(log);
    let mut requests = Requests::default();
    let mut orders = Vec::new();
    let mut at = Position::START;
    let mut whole = true;
    while at < behind.sealed {
        let Some(shared) = log.upgrade() else { return };
        if let Some(end) = shared.loss_at(at) {
            at = end;
            continue;
        }
        if let Err(error) = shared.take_leaves(&mut at, behind.sealed, &mut requests, &mut orders) {
            if std::mem::take(&mut whole) {
                tracing::error!(position = %at, %error, "the archive is read-only");
            }
            // Who does not know all entries might record one again.
            shared.close_with(Closed::Damaged {
                what: format!("a sealed record cannot be read ({error})"),
                position: at,
            });
            at = at.next();
        }
    }
    let Some(shared) = log.upgrade() else { return };
    for order in orders {
        match shared.erasure_at(order) {
            Ok(erasure) => erasure
                .into_iter()
                .for_each(|erasure| shared.know_erased(erasure)),
            Err(error) => tracing::error!(position = %order, %error, "what an ERASE names cannot be read"),
        }
    }
    let mut keys = shared.keys.write().unwrap_or_else(PoisonError::into_inner);
    for (hash, previous, position) in behind.later {
        keys.record(hash, previous, position);
    }
    drop(keys);
    for (id, first) in behind.batches {
        requests.record(&id, first);
    }
    shared.with_committer(|committer| committer.requests = requests);
    tracing::info!(
        records = behind.sealed.get(),
        "the sealed log's entries are known"
    );
}

/// Opens the gate however the thread ends: whoever waits at it would wait for ever.
struct Ended<'a>(&'a Weak<Shared>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let Some(shared) = self.0.upgrade() else { return };
        if std::thread::panicking() {
            shared.close_with(Closed::Failed(
                "the thread that learns the entries has panicked".into(),
            ));
        }
        shared.indexed.open();
    }
}

/// How much is read at once.
const STEP: ReadLimit = ReadLimit {
    records: 4_096,
    bytes: 1 << 20,
};

impl Shared {
    /// Takes in some sealed leaves from `at` on, and sets `at` behind each that it has taken in.
    fn take_leaves(
        &self,
        at: &mut Position,
        until: Position,
        requests: &mut Requests,
        orders: &mut Vec<Position>,
    ) -> Result<(), ReadError> {
        for run in self.read_cold(*at, until, STEP, Columns::Leaves)? {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            for record in run.iter() {
                let leaf = super::facts::decode(record.leaf, record.position)?;
                let hash = self.hasher.hash(leaf.series, leaf.key);
                keys.record(hash, leaf.previous, record.position);
                if leaf.batch_index == 0 {
                    requests.record(leaf.batch_id, record.position);
                }
                if leaf.act == Act::Erase {
                    orders.push(record.position);
                }
                *at = record.position.next();
            }
        }
        Ok(())
    }
}

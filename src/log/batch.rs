//! What is handed to the log, and what it hands back.

use super::erasure::Erasing;
use crate::filter::Filter;
use crate::record::codec::RelationType;
use crate::record::{
    Act, BatchId, EntryKey, Hash, Key, Kind, Outcome, Position, Principal, Reason, Revision, Series,
};
use bytes::Bytes;

/// The most records a batch may have.
pub const BATCH_RECORDS_MAX: usize = 1_000;
/// The most bytes of payloads and keys a batch may have.
pub const BATCH_BYTES_MAX: usize = 4_000_000;

/// Which door a batch came through: some acts have a door of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Anyone who may append.
    Archive,
    /// The administration: HOLD, RELEASE, ERASE, and the AUDIT beside them.
    Admin,
    /// The archive itself: EPOCH, AUDIT.
    System,
}

/// Records to be recorded whole or not at all.
#[derive(Clone, Debug)]
pub struct Batch {
    /// 1 to [`BATCH_RECORDS_MAX`] records.
    pub records: Vec<Draft>,
    /// The client's name for the batch; one is made where there is none.
    pub request_id: Option<BatchId>,
    /// The tail that the log must have.
    pub expected_tail: Option<Position>,
    /// No record at or after the position may match the filter.
    pub fail_if_match: Option<(Filter, Position)>,
    /// Check everything and write nothing.
    pub validate_only: bool,
    /// Who appends.
    pub principal: Principal,
    /// Which door it came through.
    pub door: Door,
}

/// One record to append.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What to do.
    pub act: Act,
    /// The entry's kind; decided from the content where absent. Read on CREATE only.
    pub kind: Option<Kind>,
    /// The series.
    pub series: Series,
    /// The key; on CREATE the log makes a random one where it is absent.
    pub key: Option<Key>,
    /// The encoded payload, kept as it is.
    pub payload: Bytes,
    /// The revision that the entry must be at; 0 for an entry that must not exist.
    pub expected_revision: Option<Revision>,
    /// Why, as a code.
    pub reason: Reason,
    /// LINK and UNLINK: the relation and the other entry.
    pub relation: Option<(RelationType, EntryKey)>,
    /// ERASE: the revisions, and what the positions in the payload rest on.
    pub erased: Option<Erasing>,
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where it lies.
    pub position: Position,
    /// The entry's revision there.
    pub revision: Revision,
    /// The hash of its leaf.
    pub leaf_hash: Hash,
    /// What the append did.
    pub outcome: Outcome,
    /// The key, where the log made it.
    pub made_key: Option<Key>,
}

/// The receipts of a batch, durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// One a record, in the order of the batch.
    pub receipts: Vec<Receipt>,
    /// The tail after the batch.
    pub tail: Position,
}

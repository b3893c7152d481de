//! What a verification found.

use crate::record::Position;
use serde::Serialize;

/// The most findings that a report lists; their number is counted on.
pub const FINDINGS_MAX: usize = 1_000;

/// What a verification found. The archive is sound where there is no finding.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The log's name.
    pub origin: Option<String>,
    /// Sealed chunks, of two files each.
    pub chunks: u64,
    /// Files of the journal.
    pub segments: u64,
    /// Frames read.
    pub frames: u64,
    /// Records read.
    pub records: u64,
    /// Entries met.
    pub entries: u64,
    /// The position after the last record.
    pub tail: u64,
    /// The root of the tree over all leaves, in hexadecimal; absent where records are lost.
    pub root: Option<String>,
    /// The size of the newest signed checkpoint, where the records are those that it was signed for.
    pub checkpoint: Option<u64>,
    /// Files of a published copy.
    pub files: u64,
    /// Records of a published copy that come without their content.
    pub withheld: u64,
    /// Records of the hot log that were held against the journal.
    pub hot_records: u64,
    /// What is wrong, by position; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many findings there are, listed or not.
    pub findings_total: u64,
    /// Ranges of positions that no copy holds, half open.
    pub lost: Vec<(u64, u64)>,
}

/// One thing that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What sort of thing.
    pub kind: Kind,
    /// The position, or the first of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The position after the last, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// The file, where the finding is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The offset in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is expected and what is there.
    pub what: String,
}

/// The sorts of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A segment's header is damaged.
    Header,
    /// A segment bears another one's name.
    Name,
    /// A file among the segments that is none of this archive's.
    Foreign,
    /// A segment is shorter than it was made.
    Cut,
    /// A segment does not continue the one before it.
    Link,
    /// A frame is damaged or missing.
    Frame,
    /// Bytes behind the last frame, where records may have been acknowledged.
    PossiblyAcknowledged,
    /// Payload and salt do not give the commitment of the leaf, or the payload has another size.
    Commitment,
    /// A leaf cannot be read.
    Leaf,
    /// A leaf does not link to the entry's record before, or says another kind than it.
    Previous,
    /// A revision that does not follow from the one before.
    Revision,
    /// A batch that is not whole.
    Batch,
    /// A time or an epoch that goes back.
    Recorded,
    /// The records are fewer or others than those that a checkpoint was signed for.
    Checkpoint,
    /// A tile of a published copy holds another hash than the tree.
    Tile,
    /// A file of a published copy is missing.
    Missing,
    /// A file of the state folder is missing or damaged.
    State,
    /// A file of a sealed chunk is damaged, cut or missing.
    Chunk,
    /// The journal holds something else than a sealed chunk.
    Sealed,
    /// The hot log holds something else than the journal. It is built anew where it is deleted.
    HotLog,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes: u64,
    /// Bytes there are.
    pub bytes_total: u64,
    /// Records read.
    pub records: u64,
}

impl Finding {
    /// A finding about a file.
    pub fn of_file(kind: Kind, file: &str, what: &str) -> Self {
        Self {
            kind,
            from: None,
            until: None,
            file: Some(file.into()),
            offset: None,
            what: what.into(),
        }
    }

    /// A finding about the record at a position.
    pub fn at(kind: Kind, position: Position, what: String) -> Self {
        Self {
            kind,
            from: Some(position.get()),
            until: Some(position.next().get()),
            file: None,
            offset: None,
            what,
        }
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings_total == 0
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    pub(super) fn lose(&mut self, from: Position, until: Position) {
        self.lost.push((from.get(), until.get()));
    }

    /// Orders the findings by position.
    pub(super) fn settle(&mut self) {
        self.findings.sort_by_key(|finding| finding.from);
    }
}

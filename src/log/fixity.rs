//! What a check of every byte finds, and how the log has one made.
//!
//! The check itself reads files and is the store's ([`Verifier`]); here is what comes of it: a report, a record that says so,
//! and the time of the newest one.

use super::Log;
use super::error::AppendError;
use crate::merkle::Checkpoint;
use crate::record::{Position, Principal, Recorded};
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::TryLockError;

/// The most findings that a report lists; their number is counted on.
pub const FINDINGS_MAX: usize = 1_000;

/// What a verification found. The archive is sound where there is no finding.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The log's name.
    pub origin: Option<String>,
    /// Sealed chunks, of two files each.
    pub chunks: u64,
    /// The chunks among them that are damaged, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chunks_damaged: Vec<u64>,
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
    /// Records whose content was removed by law.
    pub erased: u64,
    /// Records of the hot log that were held against the journal.
    pub hot_records: u64,
    /// What is wrong, by position; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many findings there are, listed or not.
    pub findings_total: u64,
    /// Ranges of positions that a repair holds in the place of damaged bytes, half open.
    pub repaired: Vec<(u64, u64)>,
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
    /// Content is missing that no ERASE names, or still there although one that is complete names it.
    Erased,
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

impl Kind {
    /// The word for it, as in JSON.
    pub fn word(self) -> String {
        let word = serde_json::to_value(self).ok();
        word.and_then(|word| word.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// Reads all files of an archive again while it is open.
pub trait Verifier: Send + Sync {
    /// Reads what is below `tail`, and holds it against a checkpoint that was signed before the tail was looked at: one that
    /// covers more is a finding. `progress` is called about once a MiB; where it breaks, the check ends.
    ///
    /// # Errors
    /// Why nothing could be verified, or that it was ended.
    fn verify(
        &self,
        signed: Option<Checkpoint>,
        tail: Position,
        progress: &mut OnProgress<'_>,
    ) -> Result<Report, String>;
}

/// Told how far a verification is, and asked whether to go on.
pub type OnProgress<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// When all files were read again the last time, and how many findings there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// When.
    pub at: Recorded,
    /// How many findings.
    pub findings: u64,
}

/// Why no check was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixityError {
    /// One is under way.
    #[error("the files are being verified already; wait for that to end")]
    Busy,
    /// It could not be made.
    #[error("the files could not be verified: {0}")]
    Failed(String),
}

impl Log {
    /// Reads all files again, up to the tail. Waits for the disk, for as long as that takes.
    ///
    /// # Errors
    /// [`FixityError`]; what is found to be wrong is no error but the report.
    pub fn verify(&self, progress: &mut OnProgress<'_>) -> Result<Report, FixityError> {
        let none = || FixityError::Failed("this log was opened without files".into());
        let verifier = self.shared.verifier.as_ref().ok_or_else(none)?;
        let _one = match self.shared.verifying.try_lock() {
            Ok(one) => one,
            Err(TryLockError::Poisoned(one)) => one.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(FixityError::Busy),
        };
        // The checkpoint before the tail: what is signed meanwhile is none of this check's.
        let signed = self.newest_checkpoint().map(|signed| signed.checkpoint.clone());
        verifier
            .verify(signed, self.tail(), progress)
            .map_err(FixityError::Failed)
    }

    /// Writes down what a check found: an AUDIT record, where the log takes one, and the time of the newest check.
    ///
    /// # Errors
    /// As [`Log::append`]; the time is kept all the same.
    pub async fn checked(&self, report: &Report, principal: Principal) -> Result<Position, AppendError> {
        let (log, findings) = (self.clone(), report.findings_total);
        let keep = move || {
            let at = log.now();
            log.shared.notary.keep_checked(Checked { at, findings })
        };
        let kept = tokio::task::spawn_blocking(keep).await;
        if !kept.is_ok_and(|kept| kept.is_ok()) {
            tracing::warn!("the time of the check could not be kept in the state folder");
        }
        self.audit("fixity", &details(report), principal).await
    }

    /// When all files were read again the last time.
    pub fn last_checked(&self) -> Option<Checked> {
        self.shared.notary.checked()
    }
}

/// What the record of a check says.
fn details(report: &Report) -> Vec<(&'static str, String)> {
    let mut details = vec![
        ("records", report.records.to_string()),
        ("chunks", report.chunks.to_string()),
        ("segments", report.segments.to_string()),
        ("findings", report.findings_total.to_string()),
    ];
    details.extend(report.root.clone().map(|root| ("root", root)));
    details.extend(report.checkpoint.map(|size| ("checkpoint", size.to_string())));
    if let Some(first) = report.findings.first() {
        let at = first
            .from
            .map(|from| format!("position {from}: "))
            .unwrap_or_default();
        details.push(("first", format!("{at}{}", first.what)));
    }
    details
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

    /// Adds a finding.
    pub fn find(&mut self, finding: Finding) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Records that no copy holds.
    pub fn lose(&mut self, from: Position, until: Position) {
        self.lost.push((from.get(), until.get()));
    }

    /// Orders the findings by position.
    pub fn settle(&mut self) {
        self.findings.sort_by_key(|finding| finding.from);
    }
}

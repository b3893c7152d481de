//! An archive in a temporary folder, and short ways to append to it.

use bytes::Bytes;
use chancery::log::{AppendError, Appended, Batch, Door, Draft, Log, Rule, Violation};
use chancery::record::codec::{Content, Payload, Provenance, Statement, encode_payload};
use chancery::record::{Act, BatchId, Key, Principal, Reason, Revision, Series};
use chancery::store::open::{Archive, ArchiveOptions, open};
use std::path::Path;

/// Small segments, so that tests cross their edges.
pub const SEGMENT_BYTES: u64 = 256 << 10;

pub struct Opened {
    pub archive: Option<Archive>,
    pub folder: tempfile::TempDir,
}

impl Opened {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Some(open(options(folder.path())).unwrap());
        Self { archive, folder }
    }

    pub fn log(&self) -> &Log {
        &self.archive.as_ref().unwrap().log
    }

    /// Ends the log as a clean stop does, and opens it again.
    pub fn restart(&mut self) {
        let archive = self.archive.take().unwrap();
        archive.log.close();
        drop(archive);
        self.archive = Some(open(options(self.folder.path())).unwrap());
    }

    /// Opens the log again without a clean stop.
    pub fn crash(&mut self) {
        drop(self.archive.take());
        self.archive = Some(open(options(self.folder.path())).unwrap());
    }
}

pub fn options(folder: &Path) -> ArchiveOptions {
    ArchiveOptions {
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 0,
        ..ArchiveOptions::new(folder)
    }
}

pub fn content(title: &str) -> Bytes {
    encode_payload(&Payload {
        content: Some(Content {
            title: title.into(),
            body: "b".into(),
            ..Content::default()
        }),
        provenance: Some(Provenance {
            line: 7,
            ..Provenance::default()
        }),
        ..Payload::default()
    })
}

pub fn statement(text: &str) -> Bytes {
    encode_payload(&Payload {
        statement: Some(Statement {
            explanation: text.into(),
            authority: "court".into(),
            ..Statement::default()
        }),
        ..Payload::default()
    })
}

pub fn draft(act: Act, key: &str, payload: Bytes) -> Draft {
    Draft {
        act,
        kind: None,
        series: Series::new("desk").unwrap(),
        key: (!key.is_empty()).then(|| Key::new(key).unwrap()),
        payload,
        expected_revision: None,
        reason: if act == Act::Retract {
            Reason::new("error").unwrap()
        } else {
            Reason::default()
        },
        relation: None,
        erased: None,
    }
}

pub fn create(key: &str, title: &str) -> Draft {
    draft(Act::Create, key, content(title))
}

pub fn amend(key: &str, title: &str, expected: Option<u64>) -> Draft {
    Draft {
        expected_revision: expected.map(Revision::new),
        ..draft(Act::Amend, key, content(title))
    }
}

pub fn act(act: Act, key: &str) -> Draft {
    draft(act, key, statement("because"))
}

pub fn batch(records: Vec<Draft>) -> Batch {
    let admin = records
        .iter()
        .any(|draft| matches!(draft.act, Act::Hold | Act::Release | Act::Erase));
    Batch {
        records,
        request_id: None,
        expected_tail: None,
        fail_if_match: None,
        validate_only: false,
        principal: Principal::anonymous(),
        door: if admin { Door::Admin } else { Door::Archive },
    }
}

pub fn named(id: &'static str, records: Vec<Draft>) -> Batch {
    Batch {
        request_id: Some(BatchId::new(id.into()).unwrap()),
        ..batch(records)
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

pub fn append(log: &Log, batch: Batch) -> Result<Appended, AppendError> {
    runtime().block_on(log.append(batch))
}

/// The rules that a batch breaks.
pub fn refused(log: &Log, batch: Batch) -> Vec<Violation> {
    let tail = log.tail();
    let violations = match append(log, batch) {
        Err(AppendError::Refused(violations)) => violations,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(log.tail(), tail, "a refused batch leaves no trace");
    violations
}

pub fn rule(log: &Log, batch: Batch) -> Rule {
    let mut violations = refused(log, batch);
    assert_eq!(violations.len(), 1, "{violations:?}");
    violations.remove(0).rule
}

//! A log on a simulated disk, without a hot log, and short ways to append to it.

use bytes::Bytes;
use chancery::log::open::{Fold, Options, Parts};
use chancery::log::store::{Journal, Replay, Rescued, Shelf};
use chancery::log::{AppendError, Appended, Batch, Closed, Columns, Door, Draft, Log, ReadLimit, Run};
use chancery::record::codec::{Content, Payload, encode_payload};
use chancery::record::{
    Act, BatchId, Key, Leaf, Position, Principal, Reason, SALT_BYTES, Series, commitment,
};
use chancery::store::faulty::SimDisk;
use chancery::store::recover::{self, JournalOptions, OpenError, Recovered};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const FOLDER: &str = "journal";
pub const ARCHIVE: u64 = 0xa4c1;

pub fn journal(segment_bytes: u64) -> JournalOptions {
    JournalOptions {
        folder: FOLDER.into(),
        segment_bytes,
        reserve_bytes: 0,
        archive: ARCHIVE,
        sealed: Position::START,
        mend: false,
        overwritten: Arc::default(),
    }
}

pub fn segment_path(number: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("{number:08}.segment"))
}

/// A record as it was appended and as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub key: String,
    pub payload: Bytes,
    /// The batch it belongs to, its place there, and how many it has.
    pub batch: (Vec<u8>, u32, u32),
}

/// The log as a start left it.
pub struct Started {
    pub log: Log,
    pub closed: Option<Closed>,
    pub cut: Vec<(Position, Position)>,
    pub lost: Vec<(Position, Position)>,
}

pub fn start(disk: &SimDisk, options: &JournalOptions) -> Result<Started, OpenError> {
    let mut fold = Fold::default();
    let Recovered {
        extents,
        writer,
        closed,
        tail,
        cut,
        lost,
        ..
    } = recover::recover(&(Arc::new(disk.clone()) as _), options, &mut fold)?;
    let parts = Parts {
        journal: writer.map(|writer| Box::new(writer) as Box<dyn Journal>),
        closed: closed.clone(),
        shelves: vec![extents as Arc<dyn Shelf>],
        sealed: None,
        hot: None,
        desk: None,
        verifier: None,
        tail,
        cut: cut.clone(),
        lost: lost.clone(),
        erased_through: Position::START,
    };
    let run = Options {
        frame_bytes_max: options.segment_bytes as usize - 4_097,
        recent_bytes: 0,
        names_forgotten: 0,
        ..Options::new("example.org/test".into())
    };
    let log = Log::start(run, fold, parts).unwrap();
    Ok(Started {
        log,
        closed,
        cut,
        lost,
    })
}

impl Drop for Started {
    /// What a process that is killed leaves: nothing more is written.
    fn drop(&mut self) {
        self.log.release();
    }
}

pub fn payload(text: &str, raw: Vec<u8>) -> Bytes {
    encode_payload(&Payload {
        content: Some(Content {
            title: text.into(),
            raw: raw.into(),
            ..Content::default()
        }),
        ..Payload::default()
    })
}

pub fn draft(key: &str, payload: Bytes) -> Draft {
    Draft {
        act: Act::Create,
        kind: None,
        series: Series::new("desk").unwrap(),
        key: Some(Key::new(key).unwrap()),
        payload,
        expected_revision: None,
        reason: Reason::default(),
        relation: None,
        erased: None,
    }
}

pub fn batch(id: &str, records: Vec<Draft>) -> Batch {
    Batch {
        records,
        request_id: Some(BatchId::new(Bytes::copy_from_slice(id.as_bytes())).unwrap()),
        expected_tail: None,
        fail_if_match: None,
        validate_only: false,
        principal: Principal::anonymous(),
        door: Door::Archive,
    }
}

pub fn append(log: &Log, batch: Batch) -> Result<Appended, AppendError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(log.append(batch))
}

/// What a batch's records must look like when they are read back.
pub fn kept(batch: &Batch) -> Vec<Kept> {
    let count = batch.records.len() as u32;
    let id = batch.request_id.as_ref().unwrap().as_bytes().to_vec();
    let each = |(index, draft): (usize, &Draft)| Kept {
        key: draft.key.as_ref().unwrap().to_string(),
        payload: draft.payload.clone(),
        batch: (id.clone(), index as u32, count),
    };
    batch.records.iter().enumerate().map(each).collect()
}

/// All records from the first to the tail, each checked against its commitment.
pub fn everything(log: &Log) -> Vec<Kept> {
    let limit = ReadLimit {
        records: 100_000,
        bytes: 1 << 28,
    };
    let mut found = Vec::new();
    let mut at = Position::START;
    while at < log.tail() {
        for run in log.read(at, log.tail(), limit, Columns::All).unwrap() {
            assert_eq!(run.first(), at, "runs follow one another");
            take(&run, &mut found);
            at = run.end();
        }
    }
    found
}

pub fn take(run: &Run, found: &mut Vec<Kept>) {
    for record in run.iter() {
        let leaf = Leaf::decode(record.leaf).unwrap();
        if record.erased {
            assert!(record.salt.is_empty() && record.payload.is_empty());
        } else {
            let salt: &[u8; SALT_BYTES] = record.salt.try_into().unwrap();
            assert_eq!(commitment(salt, record.payload), leaf.commitment);
        }
        found.push(Kept {
            key: leaf.key.into(),
            payload: Bytes::copy_from_slice(record.payload),
            batch: (leaf.batch_id.to_vec(), leaf.batch_index, leaf.batch_count),
        });
    }
}

/// A fold that can also give back records that the journal should hold.
#[derive(Default)]
pub struct Rescuer {
    pub fold: Fold,
    pub runs: Vec<Run>,
    pub held: Vec<Run>,
    pub seen: Position,
    pub silent: bool,
}

impl Replay for Rescuer {
    fn run(&mut self, run: &Run) {
        self.fold.run(run);
        self.runs.push(run.clone());
    }
    fn lost(&mut self, from: Position, until: Position) {
        self.fold.lost(from, until);
    }
    fn rescue(&mut self, from: Position, until: Option<Position>) -> Rescued {
        let until = until.unwrap_or(Position::new(u64::MAX));
        let parts = self.held.iter().map(|run| run.slice(from, until));
        Rescued {
            runs: parts.filter(|run| !run.is_empty()).collect(),
            seen: self.held.last().map_or(self.seen, Run::end).max(self.seen),
            silent: self.silent,
        }
    }
    fn seen(&mut self) -> Position {
        self.seen
    }
}

/// Waits for what another thread does, at most half a minute.
pub fn wait_for(what: &str, done: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !done() {
        assert!(started.elapsed().as_secs() < 30, "{what} did not come in time");
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
}

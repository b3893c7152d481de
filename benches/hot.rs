//! What it costs to build the hot log anew: the newest 16 MiB of a log of 300,000 records.
//!
//! `CHANCERY_BENCH_RECORDS` asks for another size of log.

use chancery::log::{Batch, Door, Draft, Log};
use chancery::record::codec::{Content, Participant, encode_content};
use chancery::record::{Act, Key, Principal, Reason, Series};
use chancery::store::open::{Archive, ArchiveOptions, open};
use chancery::store::sled::{HotLog, HotOptions, PATIENCE};
use divan::Bencher;
use divan::counter::ItemsCount;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

const HOT_BYTES: u64 = 16 << 20;

struct Full {
    archive: Archive,
    held: u64,
    _folder: TempDir,
}

static FULL: LazyLock<Full> = LazyLock::new(|| {
    let wanted = std::env::var("CHANCERY_BENCH_RECORDS").ok();
    let records = wanted.and_then(|text| text.parse().ok()).unwrap_or(300_000);
    let folder = tempfile::tempdir().unwrap();
    let options = ArchiveOptions {
        reserve_bytes: 0,
        ..ArchiveOptions::new(folder.path())
    };
    let archive = open(options).unwrap();
    fill(&archive.log, records);
    let (_, _, held) = build(&archive.log);
    println!("the newest {held} records of {records}");
    Full {
        archive,
        held,
        _folder: folder,
    }
});

/// The hot log and how many records it holds. To close it is no part of building it.
fn build(log: &Log) -> (TempDir, Arc<HotLog>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let hot = HotLog::new(HotOptions {
        folder: folder.path().into(),
        bytes_max: HOT_BYTES,
        archive: 7,
        patience: PATIENCE,
    });
    let held = hot.build(log).unwrap();
    assert_eq!(held.end, log.tail());
    (folder, hot, held.end.since(held.start))
}

fn fill(log: &Log, records: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for first in (0..records).step_by(1_000) {
        let drafts = (first..records.min(first + 1_000)).map(draft).collect();
        let batch = Batch {
            records: drafts,
            request_id: None,
            expected_tail: None,
            fail_if_match: None,
            validate_only: false,
            principal: Principal::system(),
            door: Door::Archive,
        };
        runtime.block_on(log.append(batch)).unwrap();
    }
}

fn draft(n: u64) -> Draft {
    let person = |name: &str| Participant {
        name: format!("{name} {}", n % 977),
        office: "minister of foreign affairs".into(),
        ..Participant::default()
    };
    Draft {
        act: Act::Create,
        kind: None,
        series: Series::new("bench").unwrap(),
        key: Some(Key::new(&format!("event-{n}")).unwrap()),
        payload: encode_content(Content {
            title: format!("Talks number {n} on {} shipments through the strait", n % 31),
            body: format!(
                "The two sides met for the {n}th time and agreed to meet again in {} days.",
                n % 90
            ),
            participants: vec![person("Minister"), person("Ambassador")],
            ..Content::default()
        }),
        expected_revision: None,
        reason: Reason::default(),
        relation: None,
        erased: None,
    }
}

fn main() {
    LazyLock::force(&FULL);
    divan::main();
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn rebuild(bencher: Bencher<'_, '_>) {
    let full = &*FULL;
    bencher
        .counter(ItemsCount::new(full.held))
        .bench_local(|| build(&full.archive.log));
}

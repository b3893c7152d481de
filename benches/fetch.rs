//! What it costs to fetch records that lie scattered over a sealed log: one in a hundred of 300,000, by their positions.
//!
//! An answer of an index is such a list. `CHANCERY_BENCH_RECORDS` asks for another size of log.

use chancery::log::{Batch, Columns, Door, Draft, Log};
use chancery::record::codec::{Content, Participant, encode_content};
use chancery::record::{Act, Key, Position, Principal, Reason, Series};
use chancery::store::open::{Archive, ArchiveOptions, open};
use divan::{Bencher, black_box};
use std::sync::LazyLock;
use std::time::Duration;

/// How long sealing may take.
const PATIENCE: usize = 600;

struct Full {
    archive: Archive,
    scattered: Vec<Position>,
    _folder: tempfile::TempDir,
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
    let step = u64::from(chancery::store::chunk::CHUNK_RECORDS);
    for _ in 0..PATIENCE {
        if archive.log.status().sealed.through.get() == records / step * step {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let sealed = archive.log.status().sealed.through.get();
    let scattered: Vec<_> = (0..sealed)
        .step_by(100)
        .map(|at| Position::new(at + at / 100 % 97))
        .collect();
    println!("{} records of {sealed} sealed ones", scattered.len());
    Full {
        archive,
        scattered,
        _folder: folder,
    }
});

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

#[divan::bench(args = [Columns::All, Columns::Payloads, Columns::Leaves], sample_count = 20)]
fn scattered(bencher: Bencher<'_, '_>, columns: Columns) {
    let full = &*FULL;
    bencher.bench_local(|| black_box(full.archive.log.fetch(&full.scattered, columns).unwrap()).len());
}

use super::blocks::blocks;
use super::*;
use crate::log::Slot;
use crate::record::SALT_BYTES;

fn run(sizes: &[usize]) -> Run {
    let (mut slots, mut payload_end) = (Vec::new(), 0);
    for (at, size) in sizes.iter().enumerate() {
        payload_end += *size as u32;
        slots.push(Slot {
            leaf_end: (at as u32 + 1) * 10,
            payload_end,
            erased: false,
        });
    }
    let column = |length: usize| Bytes::from(vec![7; length]);
    Run::new(
        Position::new(3),
        slots,
        column(sizes.len() * 10),
        column(sizes.len() * SALT_BYTES),
        column(payload_end as usize),
    )
    .unwrap()
}

#[test]
fn blocks_follow_one_another_and_leave_out_what_is_too_large() {
    let sizes = [100, 7_000, 7_000, RECORD_BYTES_MAX, 50, 60, 30_000, 1];
    let run = run(&sizes);
    let blocks = blocks(&run);
    let held: Vec<u64> = blocks
        .iter()
        .flat_map(|block| {
            block
                .iter()
                .map(|record| record.position.get())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(held, [3, 4, 5, 7, 8, 9, 10]);
    for block in &blocks {
        let bytes = frame::encoded_len(block.len(), block.len() * 10, block.bytes() - block.len() * 10);
        assert!(
            bytes <= VALUE_BYTES_MAX || block.len() == 1,
            "only one record may need several parts"
        );
    }
}

#[test]
fn a_panic_within_a_guarded_call_is_a_fault() {
    let caught = guard::<()>(|| panic!("as sled does"));
    assert!(matches!(caught, Err(Fault(text)) if text == "sled panicked: as sled does"));
}

#[test]
fn keys_sort_as_positions_do() {
    let keys = [
        key(Position::new(1), 0),
        key(Position::new(1), 1),
        key(Position::new(256), 0),
    ];
    assert!(keys.is_sorted());
    assert_eq!(key_parts(&keys[1]), Some((Position::new(1), 1)));
}

fn hot(folder: &std::path::Path, bytes_max: u64, patience: Duration) -> Arc<HotLog> {
    HotLog::new(HotOptions {
        folder: folder.into(),
        bytes_max,
        archive: 7,
        patience,
    })
}

/// One record of this size at a position.
fn record(at: u64, bytes: usize) -> Run {
    let slot = Slot {
        leaf_end: 10,
        payload_end: bytes as u32,
        erased: false,
    };
    Run::new(
        Position::new(at),
        vec![slot],
        vec![7; 10].into(),
        vec![7; SALT_BYTES].into(),
        vec![at as u8; bytes].into(),
    )
    .unwrap()
}

#[test]
fn a_reader_that_meets_an_eviction_takes_it_for_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let hot = hot(folder.path(), 100_000, PATIENCE);
    assert!(hot.open().is_ok());
    hot.agreed.store(true, Ordering::Release);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            // Blocks of several parts, so that a reader meets halves.
            for at in 0..400 {
                assert!(hot.insert(&record(at, 20_000)).is_ok());
                hot.through.store(at + 1, Ordering::Release);
                assert!(hot.evict().is_ok());
            }
        });
        while !writing.is_finished() {
            let low = Position::new(hot.low.load(Ordering::Acquire));
            for at in [low, low.next()] {
                if let Some(run) = hot.fetch(at, Columns::All).unwrap() {
                    assert_eq!(run.first(), at);
                }
            }
        }
    });
    assert!(!hot.faulted.load(Ordering::Acquire), "{:?}", hot.fault.lock());
    assert!(hot.bytes.load(Ordering::Acquire) <= 100_000);
    assert_eq!(hot.low.load(Ordering::Acquire), 400 - 4);
    hot.close();
}

#[test]
fn what_is_held_is_counted_again_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let hot = |bytes_max| hot(folder.path(), bytes_max, PATIENCE);
    let before = hot(1 << 20);
    assert!(before.open().is_ok());
    for at in 0..10 {
        assert!(before.insert(&record(at, 20_000)).is_ok());
    }
    let bytes = before.bytes.load(Ordering::Acquire);
    assert!(bytes > 200_000 && before.held_bytes().ok() == Some(bytes));
    before.close();
    let after = hot(50_000);
    assert!(after.open().is_ok());
    assert_eq!(after.held_bytes().ok(), Some(bytes));
    after.close();
}

#[test]
fn a_stop_does_not_wait_for_a_reader_that_hangs_in_sled() {
    let folder = tempfile::tempdir().unwrap();
    let hot = hot(folder.path(), 1 << 20, Duration::from_millis(50));
    assert!(hot.open().is_ok());
    let reading = hot.db.read().unwrap();
    hot.close();
    assert!(hot.fetch(Position::START, Columns::All).unwrap().is_none());
    drop(reading);
}

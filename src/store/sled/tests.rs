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

use super::*;
use crate::log::store::Shelf;
use crate::log::{Columns, ReadLimit, Run, Slot};
use crate::merkle::Tree;
use crate::record::{Act, Epoch, Kind, Leaf, Recorded, Revision, SALT_BYTES, commitment, leaf_hash};
use crate::store::disk::Disk;
use crate::store::faulty::{SimDisk, Survives};
use bytes::BytesMut;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const RECORDS: u32 = 256;
const ALL: ReadLimit = ReadLimit {
    records: usize::MAX,
    bytes: usize::MAX,
};

fn salt(at: u64) -> [u8; SALT_BYTES] {
    std::array::from_fn(|byte| (at as u8).wrapping_mul(31).wrapping_add(byte as u8))
}

/// Of all lengths from none on, and now and then one that does not fit a frame's usual size.
fn payload(at: u64) -> Vec<u8> {
    let length = if at == 77 { 70_000 } else { at as usize % 40 };
    format!("meeting {at} of envoys in Geneva; ")
        .into_bytes()
        .into_iter()
        .cycle()
        .take(length)
        .collect()
}

fn leaf(at: u64) -> Vec<u8> {
    let key = format!("entry-{at}");
    let payload = payload(at);
    let leaf = Leaf {
        act: Act::Create,
        kind: Kind::Event,
        series: "desk",
        key: &key,
        revision: Revision::FIRST,
        previous: at.checked_sub(3).map(Position::new),
        recorded: Recorded::from_nanos(1_700_000_000_000_000_000 + at as i64),
        batch_id: b"batch",
        batch_index: 0,
        batch_count: 1,
        principal: "local:desk",
        epoch: Epoch::default(),
        reason: "",
        relation: None,
        erased: None,
        payload_size: payload.len() as u64,
        commitment: commitment(&salt(at), &payload),
    };
    let mut bytes = BytesMut::new();
    leaf.encode(&mut bytes);
    bytes.to_vec()
}

fn run(positions: std::ops::Range<u64>) -> Run {
    let (mut leaves, mut salts, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    let slot = |at| {
        leaves.extend(leaf(at));
        salts.extend(salt(at));
        payloads.extend(payload(at));
        Slot {
            leaf_end: leaves.len() as u32,
            payload_end: payloads.len() as u32,
            erased: false,
        }
    };
    let slots = positions.clone().map(slot).collect();
    let first = Position::new(positions.start);
    Run::new(first, slots, leaves.into(), salts.into(), payloads.into()).unwrap()
}

fn options(disk: &SimDisk) -> ChunkOptions {
    ChunkOptions {
        records: RECORDS,
        ..ChunkOptions::new(Arc::new(disk.clone()), PathBuf::from("chunks"), 7)
    }
}

/// Seals a chunk, its records coming in runs that do not end where it does.
fn seal(disk: &SimDisk, number: u64) -> write::Sealed {
    let options = options(disk);
    let mut writer = Writer::begin(disk, &options.folder, options.identity(number)).unwrap();
    while writer.next() < options.identity(number).end() {
        let from = writer.next().get();
        writer.add(&run(from..from + 50), &mut || true).unwrap();
    }
    writer.finish(None, &mut || true).unwrap()
}

fn sealed(chunks: u64) -> (SimDisk, Chunks) {
    let disk = SimDisk::new();
    for number in 0..chunks {
        seal(&disk, number);
    }
    let chunks = Chunks::open(options(&disk)).unwrap();
    (disk, chunks)
}

fn check(run: &Run, columns: Columns) {
    for record in run.iter() {
        let at = record.position.get();
        if columns != Columns::Payloads {
            assert_eq!(record.leaf, leaf(at), "leaf {at}");
        }
        if columns != Columns::Leaves {
            assert_eq!(record.payload, payload(at), "payload {at}");
        }
        if columns == Columns::All {
            assert_eq!(record.salt, salt(at), "salt {at}");
        }
    }
}

/// The first thing that is wrong with a chunk.
fn whole(chunks: &Chunks, number: u64) -> Result<(), ChunkError> {
    let mut next = chunks.options().identity(number).first();
    let verified = chunks.verify(number, |position, bytes, hash| {
        assert_eq!((position, hash), (next, leaf_hash(bytes)));
        next = position.next();
    });
    verified.leaves.and(verified.payloads)
}

#[test]
fn every_range_of_sealed_records_reads_back_as_it_was() {
    let (_disk, chunks) = sealed(3);
    assert_eq!(chunks.sealed(), Position::new(768));
    for columns in [Columns::All, Columns::Payloads, Columns::Leaves] {
        for (from, until) in [
            (0, 768),
            (0, 1),
            (5, 9),
            (31, 33),
            (70, 90),
            (250, 520),
            (767, 768),
            (300, 2_000),
        ] {
            let (first, end) = (Position::new(from), Position::new(until.min(768)));
            let runs = chunks
                .read(first, Position::new(until), ALL, columns)
                .unwrap()
                .unwrap();
            let mut at = first;
            for run in &runs {
                assert_eq!(run.first(), at);
                check(run, columns);
                at = run.end();
            }
            assert_eq!(at, end, "{from}..{until}");
        }
        for at in 0..768 {
            let run = chunks.fetch(Position::new(at), columns).unwrap().unwrap();
            assert_eq!((run.first().get(), run.len()), (at, 1));
            check(&run, columns);
        }
    }
    assert!(chunks.fetch(Position::new(768), Columns::All).unwrap().is_none());
}

#[test]
fn records_fetched_by_their_positions_are_those_in_their_order() {
    let (disk, chunks) = sealed(3);
    let scattered: Vec<Position> = (0..768)
        .step_by(3)
        .chain([767, 0, 300, 300])
        .map(Position::new)
        .collect();
    for columns in [Columns::All, Columns::Payloads, Columns::Leaves] {
        let back: Vec<Position> = (0..768).rev().step_by(5).map(Position::new).collect();
        let mixed: Vec<Position> = (0..768).map(|n| Position::new(n * 437 % 768)).collect();
        // A few by one thread, many by two.
        for positions in [
            &scattered[..10],
            &scattered,
            &back[..60],
            &back,
            &mixed[..60],
            &mixed,
        ] {
            let runs = chunks.many(positions, columns, usize::MAX).unwrap();
            assert_eq!(runs.len(), positions.len());
            for (run, position) in runs.iter().zip(positions) {
                assert_eq!((run.first(), run.len()), (*position, 1));
                check(run, columns);
            }
        }
    }
    assert!(
        chunks
            .many(&[Position::new(768)], Columns::All, usize::MAX)
            .is_err()
    );
    disk.take_away(&PathBuf::from("chunks/00000001.payloads"));
    let chunks = Chunks::open(options(&disk)).unwrap();
    assert!(chunks.many(&scattered, Columns::All, usize::MAX).is_err());
    assert!(chunks.many(&scattered, Columns::Leaves, usize::MAX).is_ok());
    check(
        &chunks.many(&scattered[..10], Columns::All, usize::MAX).unwrap()[9],
        Columns::All,
    );
}

#[test]
fn a_damaged_frame_fails_its_own_records_and_none_that_are_read_with_it() {
    for part in [Part::Leaves, Part::Payloads] {
        let (disk, _) = sealed(1);
        disk.tamper(&Path::new("chunks").join(part.file(0)), |bytes| bytes[200] ^= 1);
        let chunks = Chunks::open(options(&disk)).unwrap();
        let fetched = |at: &Position| chunks.fetch(*at, Columns::Unsalted).is_ok();
        let (good, bad): (Vec<_>, Vec<_>) = (0..256).map(Position::new).partition(fetched);
        assert!(!bad.is_empty() && bad.len() <= 8);
        let runs = chunks.many(&good, Columns::Unsalted, usize::MAX).unwrap();
        runs.iter().for_each(|run| check(run, Columns::Unsalted));
        assert_eq!(runs.len(), good.len());
        assert!(chunks.many(&bad, Columns::Unsalted, usize::MAX).is_err());
    }
}

#[test]
fn what_lies_between_close_records_and_cannot_be_read_fails_none_of_them() {
    let path = Path::new("chunks").join(Part::Leaves.file(0));
    let broken_at = |byte: u64| {
        let (disk, _) = sealed(1);
        disk.set_unreadable(&path, byte..byte + 1);
        let chunks = Chunks::open(options(&disk)).unwrap();
        let fetched = |at: &Position| chunks.fetch(*at, Columns::Leaves).is_ok();
        let (good, bad): (Vec<_>, Vec<_>) = (0..256).map(Position::new).partition(fetched);
        (chunks, good, bad)
    };
    // Some frame in the middle: whatever a byte is of, the first and the last record are whole.
    let mut all = (200..20_000).step_by(300).map(broken_at);
    let middle = all.find(|(_, good, bad)| {
        let ends = (good.first(), good.last());
        !bad.is_empty() && ends == (Some(&Position::START), Some(&Position::new(255)))
    });
    let (chunks, good, bad) = middle.unwrap();
    // One of each side, so that the stretch between them has what cannot be read.
    let mut around = vec![good[0], good[good.len() - 1]];
    around.extend(&good);
    for positions in [&around[..2], &around] {
        let runs = chunks.many(positions, Columns::Leaves, usize::MAX).unwrap();
        assert_eq!(runs.len(), positions.len());
        runs.iter().for_each(|run| check(run, Columns::Leaves));
    }
    assert!(chunks.many(&bad, Columns::Leaves, usize::MAX).is_err());
}

#[test]
fn of_many_records_no_more_are_fetched_at_once_than_so_many_bytes_ask_for() {
    let (_disk, chunks) = sealed(3);
    let all: Vec<Position> = (0..768).rev().map(Position::new).collect();
    let bytes = |runs: &[Run]| runs.iter().map(Run::bytes).sum::<usize>();
    let largest = 71_000;
    for columns in [
        Columns::All,
        Columns::Unsalted,
        Columns::Payloads,
        Columns::Leaves,
    ] {
        // One thread, and two.
        for positions in [&all[..60], &all[..]] {
            for limit in [0, 1, 500] {
                let runs = chunks.many(positions, columns, limit).unwrap();
                assert!(!runs.is_empty() && runs.len() < positions.len());
                assert!(bytes(&runs) >= limit && bytes(&runs[..runs.len() - 1]) < limit.max(1));
                for (run, position) in runs.iter().zip(positions) {
                    assert_eq!(run.first(), *position);
                    check(run, columns);
                }
            }
        }
        // Both threads have as much.
        let half = bytes(&chunks.many(&all[..384], columns, usize::MAX).unwrap());
        let most = bytes(&chunks.many(&all, columns, half).unwrap());
        assert!(most <= 2 * half + largest);
    }
}

#[test]
fn a_limit_is_kept_to_the_frame() {
    let (_disk, chunks) = sealed(1);
    let read = |limit, columns| {
        chunks
            .read(Position::START, Position::new(256), limit, columns)
            .unwrap()
            .unwrap()
    };
    let count = |runs: &[Run]| runs.iter().map(Run::len).sum::<usize>();
    let few = ReadLimit {
        records: 3,
        bytes: usize::MAX,
    };
    assert_eq!(count(&read(few, Columns::Payloads)), 4);
    assert_eq!(count(&read(few, Columns::All)), 8);
    let small = ReadLimit {
        records: usize::MAX,
        bytes: 1,
    };
    assert_eq!(count(&read(small, Columns::Payloads)), 4);
}

#[test]
fn a_chunk_says_what_the_tree_needs_without_its_records() {
    let (_disk, chunks) = sealed(2);
    let mut tree = Tree::default();
    for found in chunks.outlines() {
        let outline = found.outline.unwrap();
        assert!(outline.blocks.iter().all(|hash| tree.push_block(*hash)));
        let newest = found.identity.end().get() - 1;
        assert_eq!(
            outline.last_recorded.nanos(),
            1_700_000_000_000_000_000 + newest as i64
        );
        assert!(outline.payloads.is_none());
    }
    let hashes: Vec<_> = (0..512).map(|at| leaf_hash(&leaf(at))).collect();
    assert_eq!(tree.root(), Tree::of(&hashes).root());
    let some = chunks
        .hashes(Position::new(250), Position::new(300))
        .unwrap()
        .unwrap();
    assert_eq!(some, hashes[250..256], "as far as the chunk reaches");
}

#[test]
fn records_that_are_not_what_was_appended_are_not_sealed() {
    let disk = SimDisk::new();
    let options = options(&disk);
    let begin = || Writer::begin(&disk, &options.folder, options.identity(0)).unwrap();
    let whole = run(0..256);
    // Another payload than the leaf commits to.
    let other = Run::new(
        Position::START,
        vec![Slot {
            leaf_end: leaf(5).len() as u32,
            payload_end: 1,
            erased: false,
        }],
        leaf(5).into(),
        salt(5).to_vec().into(),
        "x".into(),
    );
    let refused = begin().add(&other.unwrap(), &mut || true).unwrap_err();
    assert!(refused.to_string().contains("position 0"), "{refused}");
    // Records that do not follow one another.
    let refused = begin().add(&run(3..9), &mut || true).unwrap_err();
    assert!(refused.to_string().contains("position 3"), "{refused}");
    // Leaves that are not those of the log's tree, and a chunk that is not whole.
    let mut writer = begin();
    writer.add(&whole, &mut || true).unwrap();
    assert!(writer.finish(Some([1; 32]), &mut || true).is_err());
    let mut writer = begin();
    writer.add(&run(0..255), &mut || true).unwrap();
    assert!(writer.finish(None, &mut || true).is_err());
    assert_eq!(Chunks::open(options.clone()).unwrap().next(), 0);
    assert!(disk.paths().is_empty(), "drafts are removed: {:?}", disk.paths());
}

/// The bytes of a file that a test changes: all of what says where things are, some of the rest.
fn places(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |at| *at < 40 || *at > length - 90 || at % 61 == 0)
}

#[test]
fn every_changed_byte_is_found_and_named_and_never_answered() {
    let (disk, _) = sealed(2);
    for (part, number) in [(Part::Leaves, 0), (Part::Payloads, 1)] {
        let path = Path::new("chunks").join(part.file(number));
        let length = disk.bytes(&path).unwrap().len();
        for at in places(length) {
            let damaged = disk.copy();
            damaged.tamper(&path, |bytes| bytes[at] ^= 1 << (at % 8));
            let chunks = Chunks::open(options(&damaged)).unwrap();
            let error = whole(&chunks, number).expect_err("a byte was changed");
            assert!(error.to_string().contains(&part.file(number)), "{error}");
            let range = chunks.options().identity(number);
            assert!(
                (range.first()..range.end()).contains(&error.position()),
                "byte {at}: {error}"
            );
            let mut from = Position::START;
            while let Ok(Some(runs)) = chunks.read(from, Position::new(512), ALL, Columns::All) {
                runs.iter().for_each(|run| check(run, Columns::All));
                from = runs.last().unwrap().end();
            }
            whole(&chunks, 1 - number).expect("the other chunk is whole");
        }
    }
}

#[test]
fn a_file_that_is_cut_or_missing_is_found_and_the_other_chunks_are_served() {
    let (disk, _) = sealed(2);
    for part in [Part::Leaves, Part::Payloads] {
        let path = Path::new("chunks").join(part.file(0));
        let length = disk.bytes(&path).unwrap().len();
        for keep in [0, 1, 35, 36, 99, 100, 4_000, length - 64, length - 1] {
            let damaged = disk.copy();
            damaged.tamper(&path, |bytes| bytes.truncate(keep));
            broken(&damaged);
        }
        let damaged = disk.copy();
        damaged.remove(&path).unwrap();
        broken(&damaged);
    }
}

/// The first of two chunks cannot be verified; the second is served.
fn broken(disk: &SimDisk) {
    let chunks = Chunks::open(options(disk)).unwrap();
    assert_eq!(chunks.sealed(), Position::new(512));
    assert!(whole(&chunks, 0).is_err());
    assert!(chunks.fetch(Position::START, Columns::All).is_err());
    check(
        &chunks.fetch(Position::new(256), Columns::All).unwrap().unwrap(),
        Columns::All,
    );
}

#[test]
fn a_file_of_another_archive_or_another_chunk_is_not_taken_for_this_one() {
    let (disk, _) = sealed(2);
    let file = |number| Path::new("chunks").join(Part::Leaves.file(number));
    let second = disk.bytes(&file(1)).unwrap();
    disk.tamper(&file(0), |bytes| *bytes = second);
    let chunks = Chunks::open(options(&disk)).unwrap();
    let error = chunks
        .fetch(Position::START, Columns::All)
        .unwrap_err()
        .to_string();
    assert!(error.contains("of chunk 1"), "{error}");
    let other = ChunkOptions {
        archive: 8,
        ..options(&disk)
    };
    let chunks = Chunks::open(other).unwrap();
    let error = chunks
        .fetch(Position::new(256), Columns::All)
        .unwrap_err()
        .to_string();
    assert!(error.contains("of archive 0000000000000007"), "{error}");
}

/// A number in a name is believed where a header bears it out, or where the file follows on one that does.
#[test]
fn files_with_strange_names_do_not_make_the_log_longer() {
    let (disk, _) = sealed(2);
    let bytes = disk
        .bytes(&Path::new("chunks").join(Part::Leaves.file(0)))
        .unwrap();
    for name in [
        "18446744073709551615.leaves",
        "99999999.payloads",
        "00000007.leaves",
    ] {
        disk.tamper(&Path::new("chunks").join(name), |there| *there = bytes.clone());
    }
    let chunks = Chunks::open(options(&disk)).unwrap();
    assert_eq!(chunks.sealed(), Position::new(512));
    // A damaged newest file still says that there was a chunk.
    for part in [Part::Leaves, Part::Payloads] {
        disk.tamper(&Path::new("chunks").join(part.file(1)), |bytes| bytes[20] ^= 1);
    }
    assert_eq!(Chunks::open(options(&disk)).unwrap().sealed(), Position::new(512));
}

#[test]
fn wherever_the_power_goes_a_chunk_is_whole_or_absent() {
    let disk = SimDisk::new();
    seal(&disk, 0);
    let before = disk.moment();
    seal(&disk, 1);
    for moment in before..=disk.moment() {
        for survives in [
            Survives::Nothing,
            Survives::All,
            Survives::Seed(1),
            Survives::Seed(2),
            Survives::Seed(3),
        ] {
            let cut = disk.after_cut(moment, survives);
            let chunks = Chunks::open(options(&cut)).unwrap();
            chunks.forget_unfinished(Position::START);
            for number in 0..chunks.next() {
                whole(&chunks, number).expect("a chunk that has its name is whole");
            }
            assert!(chunks.next() >= 1);
            if moment == disk.moment() {
                assert_eq!(chunks.next(), 2, "a chunk that was sealed is there");
            }
            // Whatever was left behind, the chunk can be sealed.
            if chunks.next() == 1 {
                seal(&cut, 1);
                whole(&Chunks::open(options(&cut)).unwrap(), 1).unwrap();
            }
        }
    }
}

/// A chunk with the records of this file's tests, as it was written when chunks had their first format.
fn first_format() -> SimDisk {
    let disk = SimDisk::new();
    let files: [(Part, &[u8]); 2] = [
        (
            Part::Leaves,
            include_bytes!("../../../tests/fixtures/chunk-1/00000000.leaves"),
        ),
        (
            Part::Payloads,
            include_bytes!("../../../tests/fixtures/chunk-1/00000000.payloads"),
        ),
    ];
    for (part, bytes) in files {
        let path = Path::new("chunks").join(part.file(0));
        disk.tamper(&path, |there| *there = bytes.to_vec());
    }
    disk
}

fn magics(disk: &SimDisk, number: u64) -> [Vec<u8>; 2] {
    [Part::Leaves, Part::Payloads].map(|part| {
        let bytes = disk.bytes(&Path::new("chunks").join(part.file(number)));
        bytes.unwrap()[..8].to_vec()
    })
}

#[test]
fn a_chunk_of_the_first_format_is_read_as_it_is_beside_newer_ones() {
    let disk = first_format();
    seal(&disk, 1);
    assert_eq!(magics(&disk, 0), [b"CHLEAF01", b"CHPAYL01"]);
    assert_eq!(magics(&disk, 1), [b"CHLEAF02", b"CHPAYL02"]);
    let chunks = Chunks::open(options(&disk)).unwrap();
    assert_eq!(chunks.sealed(), Position::new(512));
    let all: Vec<Position> = (0..512).map(Position::new).collect();
    for columns in [
        Columns::All,
        Columns::Unsalted,
        Columns::Payloads,
        Columns::Leaves,
    ] {
        let runs = chunks.read(Position::new(200), Position::new(300), ALL, columns);
        let runs = runs.unwrap().unwrap();
        assert!(runs.iter().map(Run::len).sum::<usize>() > 50);
        runs.iter().for_each(|run| check(run, columns));
        for positions in [&all[..], &all[250..260]] {
            let runs = chunks.many(positions, columns, usize::MAX).unwrap();
            assert_eq!(runs.len(), positions.len());
            runs.iter().for_each(|run| check(run, columns));
        }
    }
    for number in [0, 1] {
        whole(&chunks, number).unwrap();
    }
    let hashes: Vec<_> = (0..256).map(|at| leaf_hash(&leaf(at))).collect();
    let read = chunks.hashes(Position::START, Position::new(256));
    assert_eq!(read.unwrap().unwrap(), hashes);
}

#[test]
fn a_chunk_of_the_first_format_is_erased_from_and_keeps_it() {
    let disk = first_format();
    let chunks = Chunks::open(options(&disk)).unwrap();
    chunks.erase(0, &[5, 77].into(), &mut || true).unwrap();
    assert_eq!(magics(&disk, 0), [b"CHLEAF01", b"CHPAYL01"]);
    whole(&chunks, 0).unwrap();
    for at in 0..256 {
        let run = chunks.fetch(Position::new(at), Columns::All).unwrap().unwrap();
        let record = run.get(Position::new(at)).unwrap();
        assert_eq!(record.leaf, leaf(at));
        let is_erased = [5, 77].contains(&at);
        assert_eq!(record.erased, is_erased);
        match is_erased {
            true => assert_eq!((record.payload.len(), record.salt.len()), (0, 0)),
            false => check(&run, Columns::All),
        }
    }
}

/// One flipped byte fails the few records that share a frame or a block with it, in either format.
#[test]
fn damage_in_a_column_fails_one_block() {
    for (disk, block) in [(first_format(), 256), (sealed(1).0, 64)] {
        let path = Path::new("chunks").join(Part::Payloads.file(0));
        let tables = 4 * (256 / block) + 256 / 8;
        let rows = 12 * 256 / if block == 256 { 8 } else { 4 };
        // The last salt of the column.
        disk.tamper(&path, |bytes| {
            let at = bytes.len() - 64 - tables - rows - 1;
            bytes[at] ^= 1;
        });
        let chunks = Chunks::open(options(&disk)).unwrap();
        let fetched = |at: &u64| chunks.fetch(Position::new(*at), Columns::All).is_ok();
        let bad: Vec<u64> = (0..256).filter(|at| !fetched(at)).collect();
        assert_eq!(bad, (256 - block as u64..256).collect::<Vec<_>>());
    }
}

//! Every byte of a small journal flipped, every cut, and files taken away, swapped and added.
//!
//! Whatever happens, each record is served as it was written, or it lay in a frame that no "durable through" covered
//! and is reported as possibly acknowledged, or the archive is read-only and says where the loss begins.

use crate::sim::*;
use bytes::Bytes;
use chancery::log::store::Shelf;
use chancery::log::{Closed, Columns, Draft, ReadError, ReadLimit, Run};
use chancery::record::{Act, EntryKey, Position};
use chancery::store::faulty::{Fault, SimDisk, Survives};
use chancery::store::frame;
use chancery::store::recover::{self, Recovered};
use chancery::store::verify::{Kind, verify_journal};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const SEGMENT_BYTES: u64 = 6 << 10;

/// A small journal of several segments and frames, and what it holds.
struct Small {
    disk: SimDisk,
    records: Vec<Kept>,
    runs: Vec<Run>,
    /// The first position that no "durable through" on the disk covers.
    covered: usize,
}

/// `clean` ends it with a cover, otherwise its last frame is the newest commit's.
fn small(clean: bool) -> Small {
    let disk = SimDisk::new();
    let mut started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let mut records = Vec::new();
    let mut covered = 0;
    for n in 0..9_usize {
        let drafts = (0..1 + n % 2).map(|m| {
            let raw = vec![(n + m) as u8; 20 + n * 37 % 150];
            draft(&format!("{n}-{m}"), payload("a small record", raw))
        });
        let batch = batch(&format!("request {n}"), drafts.collect());
        covered = records.len();
        records.extend(kept(&batch));
        append(&started.log, batch).unwrap();
        if n == 4 {
            // A cover between frames.
            started.log.close();
            drop(started);
            started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
        }
    }
    if clean {
        started.log.close();
        covered = records.len();
    }
    drop(started);
    // On a copy: what is not covered would be written again.
    let runs = recovered(&disk.copy(), Vec::new()).1.runs;
    Small {
        disk,
        records,
        runs,
        covered,
    }
}

fn recovered(disk: &SimDisk, held: Vec<Run>) -> (Recovered, Rescuer) {
    let rescuer = Rescuer {
        held,
        ..Rescuer::default()
    };
    recovered_with(disk, rescuer)
}

fn recovered_with(disk: &SimDisk, mut rescuer: Rescuer) -> (Recovered, Rescuer) {
    let disk = Arc::new(disk.clone()) as _;
    let recovered = recover::recover(&disk, &journal(SEGMENT_BYTES), &mut rescuer).unwrap();
    (recovered, rescuer)
}

/// What the shelf of the journal gives at a position.
fn served(recovered: &Recovered, at: usize) -> Result<Option<Kept>, ReadError> {
    let position = Position::new(at as u64);
    if position >= recovered.tail {
        return Ok(None);
    }
    let limit = ReadLimit { records: 1, bytes: 1 };
    let read = recovered
        .extents
        .read(position, position.next(), limit, Columns::All)?;
    let fetched = recovered.extents.fetch(position, Columns::All)?;
    let mut found = Vec::new();
    read.iter().flatten().for_each(|run| take(run, &mut found));
    let mut again = Vec::new();
    fetched.iter().for_each(|run| take(run, &mut again));
    assert_eq!(found, again, "both ways of reading agree");
    Ok(found.pop())
}

/// How a damage may end, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    AllServed,
    PossiblyAcknowledged,
    ReadOnly,
}

fn check(small: &Small, disk: &SimDisk, held: Vec<Run>, story: &str) -> End {
    let rescuer = Rescuer {
        held,
        ..Rescuer::default()
    };
    check_with(small, disk, rescuer, story)
}

fn check_with(small: &Small, disk: &SimDisk, rescuer: Rescuer, story: &str) -> End {
    let (recovered, _) = recovered_with(disk, rescuer);
    let tail = recovered.tail.get() as usize;
    assert!(
        tail <= small.records.len(),
        "{story}: records that were never written"
    );
    let mut missing = Vec::new();
    for (at, record) in small.records.iter().enumerate() {
        match served(&recovered, at) {
            Ok(Some(found)) => assert_eq!(found, *record, "{story}: position {at} is another record"),
            Ok(None) | Err(ReadError::Damaged { .. }) => missing.push(at),
            Err(other) => panic!("{story}: {other}"),
        }
    }
    let first_missing = missing.first().copied();
    match &recovered.closed {
        Some(Closed::Damaged { position, .. }) => {
            let from = position.get() as usize;
            assert!(recovered.writer.is_none(), "{story}");
            assert!(
                first_missing.is_none_or(|at| at >= from),
                "{story}: {missing:?} before {from}"
            );
            End::ReadOnly
        }
        Some(other) => panic!("{story}: {other}"),
        None => {
            assert!(recovered.lost.is_empty(), "{story}");
            let Some(first) = first_missing else {
                return End::AllServed;
            };
            assert!(
                first >= small.covered,
                "{story}: {missing:?} were covered and are gone without a word"
            );
            assert_eq!(first, tail, "{story}: a hole below the tail");
            let reported = recovered
                .cut
                .iter()
                .any(|(from, until)| from.get() as usize == first && (until >= from));
            assert!(
                reported,
                "{story}: {missing:?} are gone, reported are {:?}",
                recovered.cut
            );
            End::PossiblyAcknowledged
        }
    }
}

fn segments(disk: &SimDisk) -> Vec<std::path::PathBuf> {
    let mut paths = disk.paths();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "segment"));
    paths
}

/// All bytes that are not zero, some that are, and the edges.
fn places(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (0..bytes.len()).filter(|at| bytes[*at] != 0 || at % 61 == 0)
}

#[test]
fn no_flipped_byte_loses_a_record_in_silence() {
    for clean in [true, false] {
        let small = small(clean);
        let mut ends = [0; 3];
        for path in small.disk.paths() {
            let bytes = small.disk.bytes(&path).unwrap();
            for at in places(&bytes) {
                let disk = small.disk.copy();
                disk.tamper(&path, |bytes| bytes[at] ^= 1 << (at % 8));
                let story = format!("clean {clean}, byte {at} of {}", path.display());
                // A start changes what it finds, so that each one gets a disk of its own.
                ends[check(&small, &disk.copy(), Vec::new(), &story) as usize] += 1;
                let end = check(
                    &small,
                    &disk,
                    small.runs.clone(),
                    &format!("{story}, sled holds all"),
                );
                assert_eq!(end, End::AllServed, "{story}, sled holds all");
            }
        }
        assert!(ends[0] > 0 && ends[2] > 0, "{ends:?}");
        assert_eq!(ends[1] > 0, !clean, "{ends:?}");
    }
}

#[test]
fn no_cut_of_a_segment_loses_a_record_in_silence() {
    for clean in [true, false] {
        let small = small(clean);
        for path in segments(&small.disk) {
            let bytes = small.disk.bytes(&path).unwrap();
            for at in places(&bytes) {
                let disk = small.disk.copy();
                disk.tamper(&path, |bytes| bytes.truncate(at));
                let story = format!("clean {clean}, {} cut at {at}", path.display());
                let end = check(&small, &disk.copy(), Vec::new(), &story);
                assert_ne!(end, End::PossiblyAcknowledged, "{story}: no crash cuts a file");
                if end != End::AllServed {
                    check(
                        &small,
                        &disk,
                        small.runs.clone(),
                        &format!("{story}, sled holds all"),
                    );
                }
            }
        }
    }
}

/// A small journal whose newest segment was written by a start after a kill: its header says that all was durable.
fn started_after_a_kill() -> Small {
    let mut small = small(false);
    drop(start(&small.disk, &journal(SEGMENT_BYTES)).unwrap());
    small.covered = small.records.len();
    small
}

#[test]
fn no_range_of_zeros_is_taken_for_an_end_below_what_a_header_says_was_durable() {
    let small = started_after_a_kill();
    let newest = segments(&small.disk).pop().unwrap();
    let mut read_only = 0;
    for path in segments(&small.disk) {
        let bytes = small.disk.bytes(&path).unwrap();
        for from in places(&bytes).step_by(17).chain([4_096]) {
            for length in [64, 600, bytes.len()] {
                let until = (from + length).min(bytes.len());
                let disk = small.disk.copy();
                disk.tamper(&path, |bytes| bytes[from..until].fill(0));
                let story = format!("zeros in {from}..{until} of {}", path.display());
                let end = check(&small, &disk.copy(), Vec::new(), &story);
                read_only += usize::from(end == End::ReadOnly && path == newest);
                let found = verify_journal(&disk, Path::new(FOLDER), None, &mut |_| {}).unwrap();
                if end == End::ReadOnly {
                    assert!(!found.is_sound(), "{story}");
                    assert!(!found.lost.is_empty() || from < 4_096, "{story}: {found:?}");
                }
                if from < 4_096 && until == bytes.len() {
                    continue; // Nothing of it is left, as if it had been taken away.
                }
                let end = check(&small, &disk, small.runs.clone(), &story);
                assert_eq!(end, End::AllServed, "{story}, sled holds all");
                let again = check(&small, &disk, Vec::new(), &story);
                assert_eq!(again, End::AllServed, "{story}, once it was saved");
            }
        }
    }
    assert!(read_only > 0);
}

#[test]
fn a_loss_once_met_is_met_again_at_every_start() {
    let small = small(true);
    let path = &segments(&small.disk)[1];
    let disk = small.disk.copy();
    disk.tamper(path, |bytes| bytes[4_200] ^= 1);
    for _ in 0..3 {
        assert_eq!(check(&small, &disk, Vec::new(), "again"), End::ReadOnly);
    }
    // Once another place had the records, a repair keeps them.
    assert_eq!(
        check(&small, &disk, small.runs.clone(), "rescued"),
        End::AllServed
    );
    for _ in 0..2 {
        assert_eq!(check(&small, &disk, Vec::new(), "repaired"), End::AllServed);
    }
    // And a repair that is damaged itself is no worse than none.
    let repair = disk
        .paths()
        .into_iter()
        .find(|path| path.to_string_lossy().contains("repair"));
    disk.tamper(&repair.unwrap(), |bytes| bytes[4_200] ^= 1);
    assert_eq!(check(&small, &disk, Vec::new(), "repair damaged"), End::ReadOnly);
    assert_eq!(
        check(&small, &disk, small.runs.clone(), "rescued again"),
        End::AllServed
    );
}

#[test]
fn a_newest_segment_that_goes_missing_is_a_loss_from_its_first_answer_on() {
    let disk = SimDisk::new();
    let mut started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    for n in 0..20 {
        let before = segments(&disk).len();
        let drafts = vec![draft(&format!("{n}"), payload("x", vec![3; 400]))];
        append(&started.log, batch(&format!("{n}"), drafts)).unwrap();
        // What the power leaves right after the answer, and what nobody has changed since.
        let (cut, copy) = (disk.after_cut(disk.moment(), Survives::Nothing), disk.copy());
        if n % 7 == 6 {
            // A start goes on in another segment too: the newest frame is not covered.
            drop(started);
            started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
        } else if segments(&disk).len() == before {
            continue;
        }
        for disk in [cut, copy, disk.copy()] {
            let newest = segments(&disk).pop().unwrap();
            if newest == segment_path(0) {
                continue;
            }
            disk.take_away(&newest);
            let found = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
            assert!(
                matches!(found.closed, Some(Closed::Damaged { .. })),
                "{n}: {:?}",
                found.closed
            );
        }
    }
}

#[test]
fn a_missing_segment_is_a_loss_wherever_it_was() {
    for clean in [true, false] {
        let small = small(clean);
        let paths = segments(&small.disk);
        assert!(paths.len() >= 3);
        for path in &paths {
            let disk = small.disk.copy();
            disk.take_away(path);
            let story = format!("clean {clean}, {} is missing", path.display());
            assert_eq!(
                check(&small, &disk.copy(), Vec::new(), &story),
                End::ReadOnly,
                "{story}"
            );
            check(
                &small,
                &disk,
                small.runs.clone(),
                &format!("{story}, sled holds all"),
            );
        }
    }
}

#[test]
fn a_segment_overwritten_whole_is_a_loss_wherever_it_was() {
    for small in [small(true), small(false), two_frames()] {
        for path in segments(&small.disk) {
            for byte in [0, 0xa5] {
                let disk = small.disk.copy();
                disk.tamper(&path, |bytes| bytes.fill(byte));
                let story = format!("{} filled with {byte}", path.display());
                assert_eq!(
                    check(&small, &disk.copy(), Vec::new(), &story),
                    End::ReadOnly,
                    "{story}"
                );
                check(
                    &small,
                    &disk,
                    small.runs.clone(),
                    &format!("{story}, sled holds all"),
                );
            }
        }
    }
}

#[test]
fn a_segment_of_a_format_to_come_is_refused_by_name() {
    let small = small(true);
    for path in segments(&small.disk) {
        let disk = small.disk.copy();
        disk.tamper(&path, |bytes| {
            bytes[7] = b'2';
            bytes[2_048 + 7] = b'2';
        });
        let Err(error) = start(&disk, &journal(SEGMENT_BYTES)) else {
            panic!("{} was opened", path.display());
        };
        assert!(error.to_string().contains("CHJRNL02"), "{error}");
    }
}

#[test]
fn swapped_segments_are_read_in_their_true_order() {
    let small = small(true);
    let paths = segments(&small.disk);
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        let disk = small.disk.copy();
        let (first, second) = (
            disk.take_away(&paths[a]).unwrap(),
            disk.take_away(&paths[b]).unwrap(),
        );
        disk.tamper(&paths[a], |bytes| *bytes = second);
        disk.tamper(&paths[b], |bytes| *bytes = first);
        assert_eq!(
            check(&small, &disk, Vec::new(), &format!("{a} and {b} swapped")),
            End::AllServed
        );
    }
}

#[test]
fn a_segment_copied_under_another_name_changes_nothing() {
    let small = small(true);
    let paths = segments(&small.disk);
    for path in &paths {
        let disk = small.disk.copy();
        let bytes = disk.bytes(path).unwrap();
        disk.tamper(&segment_path(99), |copy| *copy = bytes);
        assert_eq!(
            check(
                &small,
                &disk,
                Vec::new(),
                &format!("a copy of {}", path.display())
            ),
            End::AllServed
        );
    }
}

/// A journal of another archive, as long as the small one.
fn other_archive() -> SimDisk {
    let disk = SimDisk::new();
    let options = recover::JournalOptions {
        archive: ARCHIVE + 1,
        ..journal(SEGMENT_BYTES)
    };
    let started = start(&disk, &options).unwrap();
    for n in 0..30 {
        let raw = vec![n as u8; 300];
        let drafts = vec![draft(&format!("other-{n}"), payload("another archive", raw))];
        append(&started.log, batch(&format!("o{n}"), drafts)).unwrap();
    }
    started.log.close();
    drop(started);
    disk
}

#[test]
fn a_segment_of_another_archive_is_never_read() {
    let small = small(true);
    let other = other_archive();
    let count = segments(&small.disk).len() as u64;
    for from in segments(&other) {
        let bytes = other.bytes(&from).unwrap();
        // Beside the archive's own segments it does no harm.
        let disk = small.disk.copy();
        disk.tamper(&segment_path(count), |copy| *copy = bytes.clone());
        assert_eq!(check(&small, &disk, Vec::new(), "beside"), End::AllServed);
        // In the place of one, that one is missing.
        for number in 0..count {
            let disk = small.disk.copy();
            disk.tamper(&segment_path(number), |copy| *copy = bytes.clone());
            let story = format!("{} in the place of {number}", from.display());
            assert_eq!(check(&small, &disk, Vec::new(), &story), End::ReadOnly, "{story}");
        }
    }
}

/// Real frames of this very segment, of another one and of another archive, as bytes that a sender might append.
fn frames_of(disk: &SimDisk) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for path in segments(disk) {
        let bytes = Bytes::from(disk.bytes(&path).unwrap());
        let mut at = 4_096;
        while let Ok(frame) = frame::decode(&bytes.slice(at.min(bytes.len())..)) {
            let end = at + frame.header.length as usize;
            found.push(bytes[at..end].to_vec());
            at = end;
        }
    }
    found
}

#[test]
fn frames_planted_in_payloads_mislead_nobody() {
    let mut planted = frames_of(&other_archive());
    planted.truncate(2);
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let mut records = Vec::new();
    for n in 0..8 {
        let raw = match n % 3 {
            0 => vec![7; 100],
            // The newest frame of the segment that this very record goes to.
            1 => frames_of(&disk).pop().unwrap_or_default(),
            _ => planted.pop().unwrap_or_else(|| vec![1; 50]),
        };
        let batch = batch(
            &format!("p{n}"),
            vec![draft(&format!("{n}"), payload("planted", raw))],
        );
        records.extend(kept(&batch));
        append(&started.log, batch).unwrap();
    }
    started.log.close();
    drop(started);
    let covered = records.len();
    let small = Small {
        runs: recovered(&disk.copy(), Vec::new()).1.runs,
        disk,
        records,
        covered,
    };
    assert_eq!(
        check(&small, &small.disk.copy(), Vec::new(), "whole"),
        End::AllServed
    );
    for path in segments(&small.disk) {
        let bytes = small.disk.bytes(&path).unwrap();
        for at in places(&bytes) {
            let disk = small.disk.copy();
            disk.tamper(&path, |bytes| bytes[at] ^= 0x10);
            let story = format!("planted, byte {at} of {}", path.display());
            check(&small, &disk.copy(), Vec::new(), &story);
            assert_eq!(
                check(&small, &disk, small.runs.clone(), &story),
                End::AllServed,
                "{story}"
            );
        }
    }
}

/// One segment with two frames, the second of which is not covered.
fn two_frames() -> Small {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let mut records = Vec::new();
    for n in 0..2 {
        let batch = batch(
            &format!("{n}"),
            vec![draft(&format!("{n}"), payload("x", vec![1; 50]))],
        );
        records.extend(kept(&batch));
        append(&started.log, batch).unwrap();
    }
    drop(started);
    let runs = recovered(&disk.copy(), Vec::new()).1.runs;
    Small {
        disk,
        records,
        runs,
        covered: 1,
    }
}

#[test]
fn two_damaged_frames_in_a_row_are_a_loss_and_not_a_torn_end() {
    // The last frame is torn and the one before it damaged: the torn one's head says that the other was durable.
    let small = two_frames();
    let path = segments(&small.disk).pop().unwrap();
    let bytes = Bytes::from(small.disk.bytes(&path).unwrap());
    let mut starts = vec![4_096];
    while let Ok(frame) = frame::decode(&bytes.slice(*starts.last().unwrap()..)) {
        starts.push(starts.last().unwrap() + frame.header.length as usize);
    }
    let ends = starts.pop().unwrap();
    let disk = small.disk.copy();
    let before_last = starts[starts.len() - 2];
    disk.tamper(&path, |bytes| {
        bytes[ends - 1] ^= 1;
        bytes[before_last + 40] ^= 1;
    });
    assert_eq!(check(&small, &disk, Vec::new(), "two in a row"), End::ReadOnly);
}

#[test]
fn no_file_beside_the_segments_matters() {
    let small = small(true);
    let disk = small.disk.copy();
    disk.tamper(Path::new("journal/readme.txt"), |bytes| {
        *bytes = b"hello".to_vec()
    });
    disk.tamper(Path::new("journal/next.zeros"), |bytes| {
        *bytes = vec![9; SEGMENT_BYTES as usize]
    });
    disk.tamper(Path::new("journal/spare.zeros"), |bytes| {
        *bytes = vec![9; SEGMENT_BYTES as usize]
    });
    disk.tamper(Path::new("journal/filling.zeros"), |bytes| *bytes = vec![9; 100]);
    assert_eq!(check(&small, &disk, Vec::new(), "others"), End::AllServed);
    // Nor do they when the next segments are made of them.
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    for n in 0..20 {
        let records = vec![draft(&format!("later-{n}"), payload("x", vec![3; 500]))];
        append(&started.log, batch(&format!("later {n}"), records)).unwrap();
    }
    let seen = everything(&started.log);
    drop(started);
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    assert_eq!((everything(&started.log), &started.cut), (seen, &Vec::new()));
}

/// A journal whose middle record of three, all of one entry, is damaged and held nowhere else.
fn with_a_loss() -> Started {
    let disk = SimDisk::new();
    let options = journal(64 << 10);
    let started = start(&disk, &options).unwrap();
    for (act, title) in [
        (Act::Create, "first"),
        (Act::Amend, "second"),
        (Act::Amend, "third"),
    ] {
        let draft = Draft {
            act,
            ..draft("k", payload(title, title.into()))
        };
        append(&started.log, batch(title, vec![draft])).unwrap();
    }
    started.log.close();
    drop(started);
    disk.tamper(&segment_path(0), |bytes| {
        let at = bytes.windows(6).position(|bytes| bytes == b"second").unwrap();
        bytes[at] ^= 1;
    });
    start(&disk, &options).unwrap()
}

#[test]
fn an_entry_that_lost_a_record_is_damaged_and_not_what_it_was_before_the_loss() {
    let started = with_a_loss();
    assert_eq!(started.lost, [(Position::new(1), Position::new(2))]);
    let entry = EntryKey::new("desk", "k").unwrap();
    let found = started.log.entry(&entry, started.log.tail());
    assert!(matches!(found, Err(ReadError::Damaged { .. })), "{found:?}");
}

#[test]
fn a_log_that_lost_records_has_no_root() {
    let started = with_a_loss();
    assert_eq!(started.log.status().root, None);
    assert!(started.log.root_at(started.log.tail()).is_err());
    assert!(
        started.log.root_at(Position::new(1)).is_ok(),
        "below the loss there is one"
    );
}

/// Refused for want of room, or because sled knows more: what was acknowledged before is covered all the same.
#[test]
fn a_clean_stop_covers_everything_also_where_appends_are_refused() {
    let disk = SimDisk::new();
    let options = journal(64 << 10);
    let started = start(&disk, &options).unwrap();
    let drafts = vec![draft("k", payload("acknowledged", vec![7]))];
    append(&started.log, batch("a", drafts)).unwrap();
    started
        .log
        .records_missing(started.log.tail(), "the hot log holds more");
    started.log.close();
    drop(started);
    disk.tamper(&segment_path(0), |bytes| {
        let at = bytes.windows(12).position(|bytes| bytes == b"acknowledged");
        bytes[at.unwrap()] ^= 1;
    });
    let started = start(&disk, &options).unwrap();
    assert_eq!(
        (started.cut.len(), started.lost.len()),
        (0, 1),
        "it is known to be a loss"
    );
}

/// One segment that ends with a batch of three, which no "durable through" covers, and where its frame lies.
fn three_at_the_end() -> (Small, Range<usize>) {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let mut records = Vec::new();
    for (name, count) in [("one", 1), ("three", 3)] {
        let drafts = (0..count).map(|n| draft(&format!("{name}-{n}"), payload("x", vec![1; 50])));
        let batch = batch(name, drafts.collect());
        records.extend(kept(&batch));
        append(&started.log, batch).unwrap();
    }
    drop(started);
    let length = |frame: &Vec<u8>| frame.len();
    let frames: Vec<usize> = frames_of(&disk).iter().map(length).collect();
    let runs = recovered(&disk.copy(), Vec::new()).1.runs;
    let small = Small {
        disk,
        records,
        runs,
        covered: 1,
    };
    let last = 4_096 + frames.iter().sum::<usize>() - frames.last().unwrap();
    (small, last..last + frames.last().unwrap())
}

#[test]
fn an_end_that_the_hot_log_has_seen_is_not_cut() {
    let (small, last) = three_at_the_end();
    for what in ["torn", "zeros"] {
        let disk = small.disk.copy();
        disk.tamper(&segment_path(0), |bytes| match what {
            "torn" => bytes[last.end - 1] ^= 1,
            _ => bytes[last.clone()].fill(0),
        });
        // It has the records of an earlier batch, and those of this one no more: they are over its bound.
        let seen = |position| Rescuer {
            seen: Position::new(position),
            ..Rescuer::default()
        };
        let story = format!("{what}, all was seen");
        assert_eq!(check_with(&small, &disk.copy(), seen(4), &story), End::ReadOnly);
        let (found, _) = recovered_with(&disk.copy(), seen(4));
        assert_eq!(found.lost, [(Position::new(1), Position::new(4))], "{story}");
        let (found, _) = recovered_with(&disk.copy(), seen(1));
        assert!(found.closed.is_none(), "{what}, only the first was seen");
        let all = Rescuer {
            held: small.runs.clone(),
            ..seen(4)
        };
        let end = check_with(&small, &disk, all, what);
        assert_eq!(end, End::AllServed, "{what}, all is held");
    }
}

#[test]
fn a_batch_of_which_the_hot_log_has_a_part_is_lost_and_not_halved() {
    let (small, last) = three_at_the_end();
    let disk = small.disk.copy();
    disk.tamper(&segment_path(0), |bytes| bytes[last.end - 1] ^= 1);
    let part = small.runs[1].slice(Position::new(1), Position::new(3));
    let (found, _) = recovered(&disk, vec![part]);
    assert!(matches!(found.closed, Some(Closed::Damaged { .. })));
    assert_eq!(found.lost, [(Position::new(3), Position::new(4))]);
}

#[test]
fn a_batch_that_lies_in_several_blocks_is_one_frame_in_the_journal() {
    let (small, last) = three_at_the_end();
    let single = |run: &Run| {
        let one = |record: chancery::log::Stored<'_>| run.slice(record.position, record.position.next());
        run.iter().map(one).collect::<Vec<_>>()
    };
    let blocks: Vec<Run> = small.runs.iter().flat_map(single).collect();
    let torn = small.disk.copy();
    torn.tamper(&segment_path(0), |bytes| bytes[last.end - 1] ^= 1);
    let covered = small.disk.copy();
    let started = start(&covered, &journal(SEGMENT_BYTES)).unwrap();
    started.log.close();
    drop(started);
    // The frame lies in the segment that the start has made, behind the one of the first record.
    let newest = segments(&covered).pop().unwrap();
    covered.tamper(&newest, |bytes| bytes[4_096 + 60] ^= 1);
    for (disk, what) in [(torn, "the end is torn"), (covered, "a hole")] {
        assert_eq!(
            check(&small, &disk, blocks.clone(), what),
            End::AllServed,
            "{what}"
        );
        let report = verify_journal(&disk, Path::new(FOLDER), None, &mut |_| {}).unwrap();
        let halved = report.findings.iter().any(|finding| finding.kind == Kind::Batch);
        assert!(!halved && report.records == 4, "{what}: {report:?}");
    }
}

#[test]
fn where_the_hot_log_does_not_answer_the_end_is_not_cut() {
    let (small, last) = three_at_the_end();
    let disk = small.disk.copy();
    disk.tamper(&segment_path(0), |bytes| bytes[last.end - 1] ^= 1);
    let before = segments(&disk);
    let silent = Rescuer {
        silent: true,
        ..Rescuer::default()
    };
    assert_eq!(check_with(&small, &disk, silent, "silent"), End::ReadOnly);
    assert_eq!(segments(&disk), before, "nothing was written or removed");
    let end = check(&small, &disk, small.runs.clone(), "it answers again");
    assert_eq!(end, End::AllServed);
}

/// A frame that is whole, of a segment that is none, and begins where no journal reaches.
fn made_up_frame() -> Vec<u8> {
    let link = frame::Link {
        segment: 0x0123_4567_89ab_cdef,
        sequence: 1 << 60,
        previous_crc: 0,
        durable_through: Position::START,
    };
    let mut out = bytes::BytesMut::new();
    let empty = Run::new(
        Position::new(1 << 62),
        Vec::new(),
        Bytes::new(),
        Bytes::new(),
        Bytes::new(),
    );
    frame::encode(&empty.unwrap(), Position::new(1 << 62), link, &mut out);
    out.to_vec()
}

#[test]
fn a_frame_planted_in_a_payload_never_stands_for_a_segment() {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let mut records = Vec::new();
    for n in 0..6 {
        let drafts = vec![draft(&format!("{n}"), payload("planted", made_up_frame()))];
        let batch = batch(&format!("{n}"), drafts);
        records.extend(kept(&batch));
        append(&started.log, batch).unwrap();
    }
    started.log.close();
    drop(started);
    let small = Small {
        runs: recovered(&disk.copy(), Vec::new()).1.runs,
        covered: records.len(),
        disk,
        records,
    };
    for path in segments(&small.disk) {
        let disk = small.disk.copy();
        // Both copies of the header, and the head of the first frame.
        for at in [20, 2_048 + 20, 4_096 + 20] {
            disk.tamper(&path, |bytes| bytes[at] ^= 1);
        }
        let story = path.display().to_string();
        assert_eq!(
            check(&small, &disk.copy(), Vec::new(), &story),
            End::ReadOnly,
            "{story}"
        );
        // Nor where nobody knows the archive's id.
        verify_journal(&disk, Path::new(FOLDER), None, &mut |_| {}).unwrap();
        let end = check(&small, &disk, small.runs.clone(), &story);
        assert_eq!(end, End::AllServed, "{story}, sled holds all");
    }
}

#[test]
fn two_segments_with_each_others_names_and_damaged_headers_are_read_in_their_true_order() {
    let small = small(true);
    let disk = small.disk.copy();
    let bytes = [0, 1].map(|number| {
        let mut bytes = disk.bytes(&segment_path(number)).unwrap();
        bytes[20] ^= 1;
        bytes[2_048 + 20] ^= 1;
        bytes
    });
    for (number, bytes) in bytes.into_iter().enumerate() {
        disk.tamper(&segment_path(1 - number as u64), |file| *file = bytes);
    }
    assert_eq!(check(&small, &disk, Vec::new(), "swapped"), End::AllServed);
}

#[test]
fn a_segment_with_many_damages_is_read_once() {
    let disk = SimDisk::new();
    let options = journal(1 << 20);
    let started = start(&disk, &options).unwrap();
    for n in 0..300 {
        let drafts = vec![draft(&format!("{n}"), payload("x", vec![1; 2_000]))];
        append(&started.log, batch(&format!("{n}"), drafts)).unwrap();
    }
    started.log.close();
    drop(started);
    let mut at = 4_096;
    for (n, frame) in frames_of(&disk).iter().enumerate() {
        if n % 2 == 1 {
            disk.tamper(&segment_path(0), |bytes| bytes[at + 1_000] ^= 1);
        }
        at += frame.len();
    }
    let before = disk.read_bytes();
    let started = start(&disk, &options).unwrap();
    assert_eq!(started.lost.len(), 150);
    let read = disk.read_bytes() - before;
    assert!(read < 8 << 20, "{read} bytes were read");
}

#[test]
fn bytes_that_cannot_be_read_are_damage_and_keep_no_archive_from_starting() {
    let mut small = small(true);
    let newest = segments(&small.disk).pop().unwrap();
    for path in segments(&small.disk) {
        let length = small.disk.bytes(&path).unwrap().len() as u64;
        for at in (0..length).step_by(512) {
            let unreadable = |disk: SimDisk| {
                disk.set_unreadable(&path, at..at + 512);
                disk
            };
            let story = format!("{at} of {} cannot be read", path.display());
            let disk = unreadable(small.disk.copy());
            let report = verify_journal(&disk, Path::new(FOLDER), None, &mut |_| {}).unwrap();
            assert!(!report.is_sound(), "{story}");
            // With the end goes what says that it was durable: it is reported.
            let is_end = path == newest && at >= 4_096;
            small.covered = if is_end { 0 } else { small.records.len() };
            let end = check(&small, &disk, Vec::new(), &story);
            assert!(is_end || end != End::PossiblyAcknowledged, "{story}");
            let disk = unreadable(small.disk.copy());
            let end = check(&small, &disk, small.runs.clone(), &story);
            assert_eq!(end, End::AllServed, "{story}, sled holds all");
        }
    }
}

#[test]
fn a_read_that_fails_once_is_tried_again_at_a_start() {
    let small = small(true);
    for nth in 0..20 {
        let disk = small.disk.copy();
        disk.fail(Fault::Read, nth);
        let (found, _) = recovered(&disk, Vec::new());
        let tail = found.tail.get() as usize;
        assert!(found.closed.is_none(), "read {nth} fails: {:?}", found.closed);
        assert_eq!(tail, small.records.len(), "read {nth} fails");
    }
}

#[test]
fn without_room_for_what_was_saved_appends_are_refused_and_the_next_start_saves_it() {
    let small = small(true);
    let disk = small.disk.copy();
    disk.tamper(&segment_path(0), |bytes| bytes[4_200] ^= 1);
    disk.fail(Fault::Full, 0);
    let (found, rescuer) = recovered(&disk, small.runs.clone());
    assert!(matches!(found.closed, Some(Closed::DiskFull { .. })));
    assert!(found.lost.is_empty() && found.writer.is_none());
    let told: usize = rescuer.runs.iter().map(Run::len).sum();
    assert_eq!(told, small.records.len(), "the log knows all of them");
    let filling = Path::new(FOLDER).join("filling.zeros");
    assert!(disk.bytes(&filling).is_none(), "nothing half made is left");
    let end = check(&small, &disk, small.runs.clone(), "with room");
    assert_eq!(end, End::AllServed);
}

/// A start writes a last frame that nothing covers again, to a segment whose header says that its records are durable.
/// Zeros in its place were once taken for a clean end, and the next append forked the log.
#[test]
fn frames_that_became_zeros_behind_a_header_that_knows_of_them_are_a_loss() {
    let mut small = small(false);
    drop(start(&small.disk, &journal(SEGMENT_BYTES)).unwrap());
    small.covered = small.records.len();
    let newest = segments(&small.disk).pop().unwrap();
    let story = "the frames of the newest segment are zeros";
    small.disk.tamper(&newest, |bytes| bytes[4_096..].fill(0));
    let disk = small.disk.copy();
    assert_eq!(check(&small, &disk, Vec::new(), story), End::ReadOnly);
    let disk = small.disk.copy();
    let held = small.runs.clone();
    assert_eq!(check(&small, &disk, held, "sled holds all"), End::AllServed);
}

/// The zeros behind a full segment, whose lack tells that another one follows, were once given up some time after the
/// next one had been acknowledged.
#[test]
fn a_segment_that_is_gone_just_after_it_was_begun_is_a_loss() {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let mut begun = segments(&disk).len();
    let mut rolls = 0;
    for n in 0..40_u8 {
        let one = batch(
            &n.to_string(),
            vec![draft(&n.to_string(), payload("x", vec![n; 700]))],
        );
        append(&started.log, one).unwrap();
        let now = segments(&disk);
        if now.len() > begun {
            begun = now.len();
            rolls += 1;
            let copy = disk.copy();
            copy.take_away(now.last().unwrap());
            let (recovered, _) = recovered(&copy, Vec::new());
            assert!(
                matches!(recovered.closed, Some(Closed::Damaged { .. })),
                "after {n}: {:?}",
                recovered.closed
            );
        }
    }
    assert!(rolls >= 3, "{rolls}");
}

/// What sled holds was published, and therefore acknowledged: an end of the journal behind which sled holds a record is
/// no end that a crash explains, also where sled lacks what lies between.
#[test]
fn an_end_behind_which_sled_holds_a_record_is_a_loss() {
    let small = two_frames();
    let last = small.runs.last().unwrap().clone();
    let newest = segments(&small.disk).pop().unwrap();
    let disk = small.disk.copy();
    disk.tamper(&newest, |bytes| bytes[4_096 + 8..].fill(0xa5));
    let held = vec![last.slice(Position::new(last.end().get() - 1), last.end())];
    let story = "sled holds the last record alone";
    assert_eq!(check(&small, &disk, held, story), End::ReadOnly);
}

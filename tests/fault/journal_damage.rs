//! Every byte of a small journal flipped, every cut, zeros in every place, and bytes that cannot be read.
//!
//! Whatever happens, each record is served as it was written, or it lay in a frame that no "durable through" covered
//! and is reported as possibly acknowledged, or the archive is read-only and says where the loss begins.

use crate::sim::*;
use crate::small::*;
use bytes::Bytes;
use chancery::store::faulty::{Fault, SimDisk};
use chancery::store::frame;
use chancery::store::verify::verify_journal;
use std::ops::ControlFlow;
use std::path::Path;

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
                let found =
                    verify_journal(&disk, Path::new(FOLDER), None, &mut |_| ControlFlow::Continue(()))
                        .unwrap();
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
            let report =
                verify_journal(&disk, Path::new(FOLDER), None, &mut |_| ControlFlow::Continue(())).unwrap();
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

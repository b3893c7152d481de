//! Segments that are missing, swapped, copied, of another archive or planted: each is read for what it is, or not at all.

use crate::sim::*;
use crate::small::*;
use bytes::Bytes;
use chancery::log::{Closed, Run};
use chancery::record::Position;
use chancery::store::faulty::{SimDisk, Survives};
use chancery::store::frame;
use chancery::store::recover::{self};
use chancery::store::verify::verify_journal;
use std::ops::ControlFlow;
use std::path::Path;

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
        verify_journal(&disk, Path::new(FOLDER), None, &mut |_| ControlFlow::Continue(())).unwrap();
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

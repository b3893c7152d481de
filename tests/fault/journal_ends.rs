//! Ends of the journal that another place knows better, and what is left of a log after a loss.

use crate::sim::*;
use crate::small::*;
use chancery::log::{Closed, Draft, ReadError, Run};
use chancery::record::{Act, EntryKey, Position};
use chancery::store::faulty::{Fault, SimDisk};
use chancery::store::verify::{Kind, verify_journal};
use std::ops::ControlFlow;
use std::ops::Range;
use std::path::Path;

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
        let report =
            verify_journal(&disk, Path::new(FOLDER), None, &mut |_| ControlFlow::Continue(())).unwrap();
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

//! A disk without room: appends are refused in one sentence, and everything that was acknowledged is served.

use crate::archive;
use crate::sim::*;
use chancery::log::{AppendError, Closed};
use chancery::store::disk::Disk;
use chancery::store::faulty::{Fault, SimDisk};
use chancery::store::open::{Archive, ArchiveError, ArchiveOptions, open};
use std::path::Path;
use std::sync::Arc;

const SEGMENT_BYTES: u64 = 64 << 10;

fn options(folder: &Path, disk: &SimDisk) -> ArchiveOptions {
    ArchiveOptions {
        disk: Arc::new(disk.clone()),
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 32 << 10,
        ..archive::options(folder)
    }
}

/// Appends until it is refused; what was acknowledged, and why it was refused.
fn fill(archive: &Archive, name: &str) -> (Vec<Kept>, AppendError) {
    let mut all = Vec::new();
    for n in 0..2_000 {
        let batch = batch(
            &format!("{name}{n}"),
            vec![draft(&format!("{name}{n}"), payload("x", vec![n as u8; 3_000]))],
        );
        let records = kept(&batch);
        match append(&archive.log, batch) {
            Ok(_) => all.extend(records),
            Err(error) => return (all, error),
        }
    }
    panic!("the disk never filled");
}

fn assert_full(error: &AppendError) {
    let text = error.to_string();
    assert!(
        matches!(error, AppendError::Closed(Closed::DiskFull { .. })),
        "{text}"
    );
    assert!(
        text.contains("bytes") && !text.contains('\n'),
        "one sentence with the numbers: {text}"
    );
}

#[test]
fn a_disk_that_fills_up_refuses_appends_and_serves_everything_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    disk.set_free(Some(10 * SEGMENT_BYTES));
    let archive = open(options(folder.path(), &disk)).unwrap();
    let (all, error) = fill(&archive, "a");
    assert_full(&error);
    assert!(all.len() > 20);
    assert_eq!(everything(&archive.log), all, "reads go on");
    // A kill, and a start on the full disk: the newest frame is not covered and goes to the spare.
    drop(archive);
    for _ in 0..3 {
        disk.set_free(Some(1_000));
        let archive = open(options(folder.path(), &disk)).unwrap();
        assert_eq!(everything(&archive.log), all);
        let refused = append(
            &archive.log,
            batch("b", vec![draft("b", payload("x", vec![0; 10]))]),
        );
        assert_full(&refused.unwrap_err());
        assert_eq!(
            archive.log.status().hot_through.get(),
            0,
            "sled is not opened on a full disk"
        );
    }
    disk.set_free(Some(10 * SEGMENT_BYTES));
    let archive = open(options(folder.path(), &disk)).unwrap();
    assert_eq!(everything(&archive.log), all);
    let (more, error) = fill(&archive, "b");
    assert_full(&error);
    assert!(more.len() > 20);
    assert_eq!(everything(&archive.log), [all, more].concat());
}

#[test]
fn without_a_spare_a_full_disk_still_serves_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    let archive = open(options(folder.path(), &disk)).unwrap();
    append(
        &archive.log,
        batch("a", vec![draft("a", payload("x", vec![0; 10]))]),
    )
    .unwrap();
    let all = everything(&archive.log);
    drop(archive);
    let data = folder.path().join("journal");
    for name in ["spare.zeros", "next.zeros"] {
        disk.take_away(&data.join(name));
    }
    // What a stop or a crash leaves of a segment that was still being filled. The first start may have left one too.
    let filling = data.join("filling.zeros");
    if disk.bytes(&filling).is_none() {
        disk.create(&filling)
            .unwrap()
            .write_all_at(&[0; 4_096], 0)
            .unwrap();
    }
    disk.set_free(Some(100));
    let archive = open(options(folder.path(), &disk)).unwrap();
    assert_eq!(everything(&archive.log), all);
    let refused = append(
        &archive.log,
        batch("b", vec![draft("b", payload("x", vec![0; 10]))]),
    );
    assert_full(&refused.unwrap_err());
    assert!(
        disk.bytes(&data.join("filling.zeros")).is_none(),
        "nothing half made is left"
    );
    assert_eq!(
        archive.log.status().hot_through.get(),
        0,
        "sled is not opened on a full disk"
    );
}

#[test]
fn a_new_archive_on_a_full_disk_is_refused_with_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimDisk::new();
    disk.set_free(Some(5));
    let Err(error @ ArchiveError::Io { .. }) = open(options(folder.path(), &disk)) else {
        panic!("it was opened");
    };
    assert!(error.to_string().contains("5 bytes free"), "{error}");
}

#[test]
fn a_write_that_fails_leaves_the_batch_unknown_and_the_rest_readable() {
    for fault in [Fault::Write, Fault::Full, Fault::Sync] {
        let folder = tempfile::tempdir().unwrap();
        let disk = SimDisk::new();
        let archive = open(options(folder.path(), &disk)).unwrap();
        let one = |name: &str| batch(name, vec![draft(name, payload("x", vec![0; 10]))]);
        append(&archive.log, one("a")).unwrap();
        // Only the journal is written from here on.
        wait_for("the next segment and the spare", || {
            let names = disk.paths();
            ["next.zeros", "spare.zeros"]
                .iter()
                .all(|name| names.iter().any(|path| path.ends_with(name)))
        });
        disk.fail(fault, 0);
        let result = append(&archive.log, one("b"));
        assert!(
            matches!(result, Err(AppendError::Unknown { .. })),
            "{fault:?}: {result:?}"
        );
        let refused = append(&archive.log, one("c")).unwrap_err();
        assert!(
            matches!(&refused, AppendError::Closed(Closed::Failed(_))),
            "{fault:?}: {refused}"
        );
        assert_eq!(everything(&archive.log).len(), 1, "{fault:?}");
        drop(archive);
        let archive = open(options(folder.path(), &disk)).unwrap();
        let found = everything(&archive.log);
        assert!(!found.is_empty() && found.len() <= 2, "{fault:?}");
        let again = append(&archive.log, one("b")).unwrap();
        assert_eq!(
            again.receipts[0].position.get(),
            1,
            "{fault:?}: a retry settles it"
        );
        append(&archive.log, one("c")).unwrap();
    }
}

#[test]
fn a_read_that_fails_is_an_error_and_the_next_one_may_succeed() {
    let disk = SimDisk::new();
    let journal = journal(SEGMENT_BYTES);
    let started = start(&disk, &journal).unwrap();
    for name in ["a", "b"] {
        append(
            &started.log,
            batch(name, vec![draft(name, payload("x", vec![0; 10]))]),
        )
        .unwrap();
    }
    let all = everything(&started.log);
    disk.fail(Fault::Read, 0);
    let fetch = || {
        started
            .log
            .fetch(&[chancery::record::Position::START], chancery::log::Columns::All)
    };
    assert!(fetch().is_err());
    assert!(fetch().is_ok());
    assert_eq!(everything(&started.log), all);
}

#[test]
fn a_file_that_shrinks_under_a_reader_is_damage_and_not_an_endless_read() {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    append(
        &started.log,
        batch("a", vec![draft("a", payload("x", vec![0; 10]))]),
    )
    .unwrap();
    append(
        &started.log,
        batch("b", vec![draft("b", payload("x", vec![0; 10]))]),
    )
    .unwrap();
    disk.tamper(&segment_path(0), |bytes| bytes.truncate(4_100));
    let limit = chancery::log::ReadLimit {
        records: 10,
        bytes: 1 << 20,
    };
    let start = chancery::record::Position::START;
    let read = started
        .log
        .read(start, started.log.tail(), limit, chancery::log::Columns::All);
    assert!(matches!(read, Err(chancery::log::ReadError::Damaged { .. })));
}

fn one(name: &str) -> chancery::log::Batch {
    batch(name, vec![draft(name, payload("x", vec![0; 3_000]))])
}

fn wait_for_segments(disk: &SimDisk) {
    wait_for("the next segment and the spare", || {
        let names = disk.paths();
        ["next.zeros", "spare.zeros"]
            .iter()
            .all(|name| names.iter().any(|path| path.ends_with(name)))
    });
}

#[test]
fn a_segment_that_cannot_be_written_ahead_refuses_appends() {
    for fault in [Fault::Write, Fault::Sync] {
        let disk = SimDisk::new();
        let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
        wait_for_segments(&disk);
        // Nothing else is written: the next one to write is who fills the spare again.
        disk.fail(fault, 0);
        disk.take_away(&Path::new(FOLDER).join("spare.zeros"));
        wait_for("the failure", || started.log.status().closed.is_some());
        let refused = append(&started.log, one("a")).unwrap_err();
        assert!(
            matches!(refused, AppendError::Closed(Closed::Failed(_))),
            "{fault:?}: {refused}"
        );
    }
}

#[test]
fn appends_outlast_a_time_without_descriptors() {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    wait_for_segments(&disk);
    disk.set_descriptors(false);
    let log = started.log.clone();
    let appending = std::thread::spawn(move || {
        // More than two segments.
        (0..50)
            .map(|n| append(&log, one(&n.to_string())))
            .all(|done| done.is_ok())
    });
    // Up to the first segment's end no descriptor is needed.
    wait_for("the end of the segment", || started.log.tail().get() >= 15);
    std::thread::park_timeout(std::time::Duration::from_millis(100));
    disk.set_descriptors(true);
    assert!(appending.join().unwrap());
    assert_eq!(everything(&started.log).len(), 50);
}

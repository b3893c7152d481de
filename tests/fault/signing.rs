//! What the archive has signed it holds to: a checkpoint is on disk before it is shown, and records that are not those it
//! was signed for are never appended to.

use crate::archive::*;
use crate::sim::*;
use chancery::log::{Closed, Columns, Log, ReadLimit, SignError};
use chancery::merkle::proof::{verify_consistency, verify_inclusion};
use chancery::merkle::{Checkpoint, VerifierKey};
use chancery::record::{Hash, Position, leaf_hash};
use chancery::store::disk::RealDisk;
use chancery::store::open::{Archive, ArchiveOptions, open};
use chancery::store::state;
use chancery::store::verify::{Kind, Mode, Report, VerifyOptions, verify};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn add(log: &Log, name: &str, records: usize) {
    let drafts = (0..records).map(|n| draft(&format!("{name}-{n}"), payload(name, vec![n as u8; 40])));
    append(log, batch(name, drafts.collect())).unwrap();
}

fn started(data: &Path) -> Archive {
    open(options(data)).unwrap()
}

fn verified(data: &Path) -> Report {
    let options = VerifyOptions {
        data: data.into(),
        disk: Arc::new(RealDisk),
        mode: Mode::Stopped,
        entries: true,
    };
    verify(&options, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn kept(data: &Path) -> Option<Checkpoint> {
    let said = state::read(&RealDisk, &data.join("state")).unwrap();
    said.checkpoint.map(|signed| signed.checkpoint)
}

#[test]
fn a_checkpoint_is_on_disk_before_it_is_shown() {
    let data = tempfile::tempdir().unwrap();
    let archive = started(data.path());
    let key: VerifierKey = archive.log.verifier_key().unwrap().to_string().parse().unwrap();
    for n in 0..3 {
        add(&archive.log, &format!("batch {n}"), 7);
        let tail = archive.log.tail();
        let signed = archive.log.checkpoint(tail).unwrap();
        assert_eq!(Checkpoint::open(&signed.note, &key).unwrap(), signed.checkpoint);
        assert_eq!(signed.checkpoint.size, tail.get());
        assert_eq!(signed.checkpoint.root, archive.log.root_at(tail).unwrap());
        assert_eq!(kept(data.path()), Some(signed.checkpoint.clone()));
    }
    let beyond = archive.log.checkpoint(Position::new(22));
    assert!(matches!(beyond, Err(SignError::Read(_))), "{beyond:?}");
}

#[test]
fn what_nobody_asks_to_be_signed_is_signed_soon_and_at_the_stop() {
    let data = tempfile::tempdir().unwrap();
    let archive = started(data.path());
    add(&archive.log, "one", 5);
    wait_for("the notary", || {
        archive
            .log
            .newest_checkpoint()
            .is_some_and(|signed| signed.checkpoint.size == 5)
    });
    add(&archive.log, "two", 5);
    archive.log.close();
    assert_eq!(kept(data.path()).unwrap().size, 10);
    let refused = archive.log.checkpoint(Position::new(10)).unwrap();
    assert_eq!(refused.checkpoint.size, 10, "the newest is still shown");
}

#[test]
fn a_restart_keeps_key_and_checkpoint() {
    let data = tempfile::tempdir().unwrap();
    let archive = started(data.path());
    add(&archive.log, "one", 5);
    archive.log.close();
    let before = (
        archive.log.verifier_key().unwrap().to_string(),
        archive.log.newest_checkpoint(),
    );
    drop(archive);
    let archive = started(data.path());
    let after = (
        archive.log.verifier_key().unwrap().to_string(),
        archive.log.newest_checkpoint(),
    );
    assert_eq!(after, before);
    assert_eq!(before.1.unwrap().checkpoint.size, 5);
}

/// An archive of 10 records that was signed for, its journal as it was then, and 10 more records signed for.
fn rolled_back(data: &Path) {
    let archive = started(data);
    add(&archive.log, "one", 10);
    archive.log.close();
    drop(archive);
    let old = data.join("old");
    copy_folder(&data.join("journal"), &old);
    let archive = started(data);
    add(&archive.log, "two", 10);
    archive.log.close();
    drop(archive);
    std::fs::remove_dir_all(data.join("journal")).unwrap();
    std::fs::remove_dir_all(data.join("sled")).unwrap();
    std::fs::rename(old, data.join("journal")).unwrap();
}

#[test]
fn fewer_records_than_were_signed_for_are_read_and_never_appended_to() {
    let data = tempfile::tempdir().unwrap();
    rolled_back(data.path());
    let report = verified(data.path());
    let found = report
        .findings
        .iter()
        .find(|finding| finding.kind == Kind::Checkpoint)
        .unwrap();
    assert_eq!((found.from, found.until), (Some(10), Some(20)));
    for start in 0..2 {
        let archive = started(data.path());
        let closed = archive.log.status().closed;
        assert!(
            matches!(&closed, Some(Closed::Damaged { position, .. }) if position.get() == 10),
            "start {start}: {closed:?}"
        );
        assert_eq!(leaves(&archive.log, 10).len(), 10);
        let drafts = vec![draft("new", payload("new", vec![1]))];
        append(&archive.log, batch("new", drafts)).unwrap_err();
        archive.log.close();
        assert_eq!(
            kept(data.path()).unwrap().size,
            20,
            "the signature stays as evidence"
        );
    }
}

/// The daemon that has such an archive open says a tail below the checkpoint; a check beside it finds that all the same.
#[test]
fn fewer_records_than_were_signed_for_are_found_while_they_are_served() {
    let data = tempfile::tempdir().unwrap();
    rolled_back(data.path());
    let archive = started(data.path());
    let report = archive.log.verify(&mut |_| ControlFlow::Continue(())).unwrap();
    let found = report
        .findings
        .iter()
        .find(|finding| finding.kind == Kind::Checkpoint)
        .unwrap();
    assert_eq!((found.from, found.until), (Some(10), Some(20)));
}

/// Two archives of one key and name that were continued apart: the second with `records` records, and with the checkpoint of
/// the first.
fn forked(records: usize) -> (tempfile::TempDir, tempfile::TempDir) {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = started(one.path());
    add(&archive.log, "one", 10);
    archive.log.close();
    drop(archive);
    copy_folder(one.path(), other.path());
    for (data, name, records) in [(&one, "two", 10), (&other, "two, forked", records)] {
        let archive = started(data.path());
        add(&archive.log, name, records);
        archive.log.close();
    }
    std::fs::remove_dir_all(other.path().join("state")).unwrap();
    copy_folder(&one.path().join("state"), &other.path().join("state"));
    (one, other)
}

/// A full disk closes the log too, and must not hide that the records are others than those that were signed for.
#[test]
fn a_fork_on_a_full_disk_is_not_signed() {
    let (_one, other) = forked(20);
    let signed = kept(other.path()).unwrap();
    assert_eq!(signed.size, 20, "less than there is now");
    let full = ArchiveOptions {
        reserve_bytes: u64::MAX,
        ..options(other.path())
    };
    let archive = open(full).unwrap();
    let closed = archive.log.status().closed;
    assert!(matches!(closed, Some(Closed::Damaged { .. })), "{closed:?}");
    let refused = archive.log.checkpoint(archive.log.tail());
    assert!(matches!(refused, Err(SignError::Damaged(_))), "{refused:?}");
    archive.log.close();
    assert_eq!(kept(other.path()), Some(signed), "the evidence stays");
}

#[test]
fn other_records_than_were_signed_for_are_read_and_never_appended_to() {
    let (_one, other) = forked(10);
    let report = verified(other.path());
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.kind == Kind::Checkpoint),
        "{report:?}"
    );
    let archive = started(other.path());
    assert!(matches!(
        archive.log.status().closed,
        Some(Closed::Damaged { .. })
    ));
    let drafts = vec![draft("new", payload("new", vec![1]))];
    append(&archive.log, batch("new", drafts)).unwrap_err();
}

/// The newest frame has no cover yet, but a checkpoint was signed over it: it was published, and may not be cut.
#[test]
fn a_damaged_frame_that_was_signed_for_is_not_cut() {
    let data = tempfile::tempdir().unwrap();
    let archive = started(data.path());
    add(&archive.log, "one", 10);
    add(&archive.log, "two", 10);
    archive.log.checkpoint(Position::new(20)).unwrap();
    // As a kill leaves it, but for the cover, which the next lines take away.
    let copy = tempfile::tempdir().unwrap();
    copy_folder(data.path(), copy.path());
    archive.log.close();
    drop(archive);
    std::fs::remove_dir_all(copy.path().join("sled")).unwrap();
    let segment = copy.path().join("journal/00000000.segment");
    let bytes = std::fs::read(&segment).unwrap();
    let frames: Vec<usize> = (4_096..bytes.len() - 4)
        .filter(|at| &bytes[*at..at + 4] == b"CHFR")
        .collect();
    let second = frames[1];
    let mut damaged = bytes[..second].to_vec();
    damaged.resize(bytes.len(), 0);
    damaged[second + 8] = 1;
    std::fs::write(&segment, damaged).unwrap();
    let archive = started(copy.path());
    let status = archive.log.status();
    assert!(
        matches!(status.closed, Some(Closed::Damaged { .. })),
        "{status:?}"
    );
    let cut = status
        .possibly_acknowledged
        .iter()
        .any(|(from, _)| from.get() < 20);
    assert!(!cut, "{status:?}");
    assert_eq!(leaves(&archive.log, 10).len(), 10);
}

/// Sealed records, records of the hot log, records in memory: all are proved by the same root.
#[test]
fn every_record_is_proved_wherever_it_lies() {
    let data = tempfile::tempdir().unwrap();
    let options = || ArchiveOptions {
        chunk_records: 512,
        recent_bytes: 1 << 20,
        ..options(data.path())
    };
    let archive = open(options()).unwrap();
    for n in 0..13 {
        add(&archive.log, &format!("batch {n}"), 100);
    }
    wait_for("the sealing", || {
        archive.log.status().sealed.through.get() == 1_024
    });
    proves(&archive.log, 1_300);
    archive.log.close();
    drop(archive);
    let archive = open(options()).unwrap();
    add(&archive.log, "more", 1);
    proves(&archive.log, 1_301);
}

/// The hashes of the leaves below a position.
fn leaves(log: &Log, until: u64) -> Vec<Hash> {
    let limit = ReadLimit {
        records: 1_000,
        bytes: usize::MAX,
    };
    let mut hashes = Vec::new();
    while (hashes.len() as u64) < until {
        let from = Position::new(hashes.len() as u64);
        for run in log
            .read(from, Position::new(until), limit, Columns::Leaves)
            .unwrap()
        {
            hashes.extend(run.iter().map(|record| leaf_hash(record.leaf)));
        }
    }
    hashes
}

fn proves(log: &Log, tail: u64) {
    let leaves = leaves(log, tail);
    assert_eq!(leaves.len() as u64, tail);
    let sizes = [
        1, 2, 255, 256, 257, 511, 512, 513, 1_000, 1_024, 1_025, 1_280, 1_299, tail,
    ];
    for size in sizes {
        let root = log.root_at(Position::new(size)).unwrap();
        for position in [0, size / 3, size / 2, size - 1] {
            let path = log
                .prove_inclusion(Position::new(position), Position::new(size))
                .unwrap();
            verify_inclusion(&leaves[position as usize], position, size, &path, &root).unwrap();
        }
        for first in sizes.iter().copied().filter(|first| *first <= size).chain([0]) {
            let path = log
                .prove_consistency(Position::new(first), Position::new(size))
                .unwrap();
            let first_root = log.root_at(Position::new(first)).unwrap();
            verify_consistency(first, &first_root, size, &root, &path).unwrap();
        }
    }
    let (tail, beyond) = (Position::new(tail), Position::new(tail + 1));
    assert!(log.prove_inclusion(tail, tail).is_err());
    assert!(log.prove_inclusion(Position::START, beyond).is_err());
    assert!(log.prove_consistency(Position::START, beyond).is_err());
    assert!(log.prove_consistency(tail, Position::START).is_err());
}

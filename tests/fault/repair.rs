//! A damaged archive is mended from a good copy of the same one, and from nothing else.

use crate::archive::*;
use crate::sim::*;
use chancery::store::disk::RealDisk;
use chancery::store::open::{ArchiveOptions, open};
use chancery::store::repair::{RepairError, RepairOptions, Repaired, repair};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CHUNK: u64 = 256;

fn small(data: &Path) -> ArchiveOptions {
    ArchiveOptions {
        chunk_records: CHUNK as u32,
        segment_bytes: 64 << 10,
        ..options(data)
    }
}

/// Adds records in batches of ten, and waits until what is full is sealed.
fn grow(data: &Path, name: &str, records: usize) -> Vec<Kept> {
    let archive = open(small(data)).unwrap();
    let mut all = Vec::new();
    for n in 0..records / 10 {
        let drafts = (0..10).map(|m| draft(&format!("{name}-{n}-{m}"), payload("text", vec![n as u8; 300])));
        let batch = batch(&format!("{name} {n}"), drafts.collect());
        all.extend(kept(&batch));
        append(&archive.log, batch).unwrap();
    }
    let full = archive.log.tail().get() / CHUNK * CHUNK;
    wait_for("the sealing", || {
        archive.log.status().sealed.through.get() == full
    });
    archive.log.close();
    all
}

/// An archive of 700 records, two chunks and some journal, and a copy of it.
fn archive_and_copy() -> (tempfile::TempDir, tempfile::TempDir, Vec<Kept>) {
    let (data, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all = grow(data.path(), "first", 700);
    copy_folder(data.path(), copy.path());
    (data, copy, all)
}

fn mend(data: &Path, good: &Path) -> Result<Repaired, RepairError> {
    let options = RepairOptions {
        data: data.into(),
        good: good.into(),
        disk: Arc::new(RealDisk),
    };
    repair(&options, &mut |_| ControlFlow::Continue(()))
}

/// The archive is whole again, holds what it held, and takes appends.
fn is_mended(data: &Path, good: &Path, all: &[Kept], mended: usize, story: &str) {
    let repaired = mend(data, good).unwrap_or_else(|error| panic!("{story}: {error}"));
    let report = &repaired.report;
    assert!(report.is_sound() && report.lost.is_empty(), "{story}: {report:?}");
    assert_eq!(repaired.mended.len(), mended, "{story}: {:?}", repaired.mended);
    let archive = open(small(data)).unwrap();
    assert!(archive.log.status().closed.is_none(), "{story}");
    assert_eq!(everything(&archive.log), all, "{story}");
    append(
        &archive.log,
        batch("more", vec![draft("more", payload("y", vec![1]))]),
    )
    .unwrap();
}

fn chunk(data: &Path, name: &str) -> PathBuf {
    data.join("chunks").join(name)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

/// The last segment of a journal, and where its frames lie.
fn last_segment(data: &Path) -> (PathBuf, Vec<usize>) {
    let files = std::fs::read_dir(data.join("journal")).unwrap();
    let paths = files.map(|item| item.unwrap().path());
    let segments = paths.filter(|path| path.extension().is_some_and(|ending| ending == "segment"));
    let path = segments.max().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let frames = (4_096..bytes.len() - 4)
        .filter(|at| &bytes[*at..at + 4] == b"CHFR")
        .collect();
    (path, frames)
}

#[test]
fn damaged_and_missing_chunk_files_are_sealed_again() {
    for (damage, mended) in [
        ("a payload", 1),
        ("a leaf", 1),
        ("a missing file", 1),
        ("a cut file", 1),
        ("both chunks", 2),
        ("the newest chunk gone", 1),
    ] {
        let (data, copy, all) = archive_and_copy();
        let (first, second) = ("00000000", "00000001");
        let file = |name: &str, part: &str| chunk(data.path(), &format!("{name}.{part}"));
        match damage {
            "a payload" => flip(&file(first, "payloads"), 700),
            "a leaf" => flip(&file(second, "leaves"), 300),
            "a missing file" => std::fs::remove_file(file(first, "leaves")).unwrap(),
            "a cut file" => std::fs::write(file(first, "payloads"), b"CHPAYL01").unwrap(),
            "both chunks" => {
                flip(&file(first, "payloads"), 700);
                flip(&file(second, "payloads"), 700);
            }
            _ => {
                std::fs::remove_file(file(second, "leaves")).unwrap();
                std::fs::remove_file(file(second, "payloads")).unwrap();
            }
        }
        is_mended(data.path(), copy.path(), &all, mended, damage);
    }
}

#[test]
fn what_the_journal_has_lost_is_saved_from_the_copy() {
    for damage in ["a frame", "the end"] {
        let (data, copy, all) = archive_and_copy();
        std::fs::remove_dir_all(data.path().join("sled")).unwrap();
        let (path, frames) = last_segment(data.path());
        match damage {
            "a frame" => flip(&path, frames[frames.len() / 2] + 70),
            _ => {
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[frames[frames.len() / 2]..].fill(0);
                std::fs::write(&path, bytes).unwrap();
            }
        }
        is_mended(data.path(), copy.path(), &all, 1, damage);
    }
}

/// The segment goes when its other records are sealed, which may be never where nothing is appended any more.
#[test]
fn what_is_sealed_and_damaged_in_the_journal_is_written_again() {
    let (data, copy, all) = archive_and_copy();
    let files = std::fs::read_dir(data.path().join("journal")).unwrap();
    let paths = files.map(|item| item.unwrap().path());
    let first = paths.filter(|path| path.extension().is_some_and(|ending| ending == "segment"));
    flip(&first.min().unwrap(), 4_096 + 300);
    is_mended(data.path(), copy.path(), &all, 1, "a sealed frame");
    let again = mend(data.path(), copy.path()).unwrap();
    assert!(again.mended.is_empty() && again.report.is_sound(), "{again:?}");
}

#[test]
fn a_damaged_state_file_and_a_damaged_hot_log_are_made_anew() {
    let (data, copy, all) = archive_and_copy();
    flip(&data.path().join("state/journal.2"), 40);
    is_mended(data.path(), copy.path(), &all, 1, "a state file");
    let (data, copy, all) = archive_and_copy();
    let conf = sled_folder(data.path()).join("conf");
    std::fs::write(conf, b"nothing of sled's").unwrap();
    is_mended(data.path(), copy.path(), &all, 1, "the hot log");
    // Records that no copy knows, and that only a hot log which cannot be read may have: it stays.
    let (data, copy, _) = archive_and_copy();
    grow(data.path(), "second", 20);
    flip(&sled_folder(data.path()).join("conf"), 0);
    std::fs::remove_file(data.path().join("state/journal.1")).unwrap();
    std::fs::remove_file(data.path().join("state/journal.2")).unwrap();
    copy_folder(&copy.path().join("state"), &data.path().join("state"));
    let repaired = mend(data.path(), copy.path()).unwrap();
    assert!(!repaired.report.is_sound(), "{repaired:?}");
    assert!(sled_folder(data.path()).exists());
}

#[test]
fn an_older_copy_mends_what_it_holds() {
    let (data, copy, mut all) = archive_and_copy();
    all.extend(grow(data.path(), "second", 400));
    flip(&chunk(data.path(), "00000000.payloads"), 700);
    is_mended(data.path(), copy.path(), &all, 1, "a chunk that the copy has");
    let (data, copy, _) = archive_and_copy();
    grow(data.path(), "second", 400);
    flip(&chunk(data.path(), "00000003.payloads"), 700);
    let repaired = mend(data.path(), copy.path()).unwrap();
    assert!(repaired.mended.is_empty(), "{:?}", repaired.mended);
    assert!(!repaired.report.is_sound(), "what the copy has not stays damaged");
}

#[test]
fn a_sound_archive_is_left_alone() {
    let (data, copy, all) = archive_and_copy();
    is_mended(data.path(), copy.path(), &all, 0, "nothing to mend");
}

#[test]
fn nothing_is_taken_from_another_archive_or_from_a_damaged_copy() {
    let (data, copy, _) = archive_and_copy();
    let other = tempfile::tempdir().unwrap();
    grow(other.path(), "first", 700);
    let damaged = chunk(data.path(), "00000000.payloads");
    flip(&damaged, 700);
    let before = std::fs::read(&damaged).unwrap();
    let refused = mend(data.path(), other.path());
    assert!(matches!(refused, Err(RepairError::Other { .. })), "{refused:?}");
    flip(&chunk(copy.path(), "00000001.payloads"), 900);
    let refused = mend(data.path(), copy.path());
    assert!(
        matches!(refused, Err(RepairError::GoodDamaged { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&damaged).unwrap(), before, "nothing was touched");
}

/// The copy was started by itself and appended to: the same key signs for it, and its records are others from there on.
#[test]
fn nothing_is_taken_from_a_copy_that_was_continued_by_itself() {
    for (ours, theirs) in [(400, 400), (800, 400), (400, 800)] {
        let (data, copy, _) = archive_and_copy();
        grow(data.path(), "second", ours);
        grow(copy.path(), "another", theirs);
        let damaged = chunk(data.path(), "00000003.payloads");
        flip(&damaged, 700);
        let before = std::fs::read(&damaged).unwrap();
        let refused = mend(data.path(), copy.path());
        let Err(RepairError::Forked { position, .. }) = refused else {
            panic!("{ours} and {theirs}: {refused:?}");
        };
        assert!(position.get() >= 700, "{position}");
        assert_eq!(std::fs::read(&damaged).unwrap(), before, "nothing was touched");
    }
}

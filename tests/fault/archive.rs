//! A whole archive in a folder, hot log included.

use crate::sim::*;
use chancery::log::Log;
use chancery::store::open::{Archive, ArchiveOptions, open};
use std::path::{Path, PathBuf};

pub fn options(folder: &Path) -> ArchiveOptions {
    ArchiveOptions {
        segment_bytes: 256 << 10,
        reserve_bytes: 0,
        // Reads shall reach the hot log and the journal.
        recent_bytes: 0,
        ..ArchiveOptions::new(folder)
    }
}

/// An archive with records that its hot log holds too, closed.
pub fn filled(folder: &Path, records: usize, bytes: usize) -> Vec<Kept> {
    let archive = open(options(folder)).unwrap();
    let mut all = Vec::new();
    for n in 0..records / 10 {
        let drafts = (0..10).map(|m| draft(&format!("{n}-{m}"), payload("x", noise(n * 10 + m, bytes))));
        let batch = batch(&format!("{n}"), drafts.collect());
        all.extend(kept(&batch));
        if n + 1 == records / 10 {
            // However slow the copying is, sled's newest block has only the last records.
            caught_up(&archive.log);
        }
        append(&archive.log, batch).unwrap();
    }
    caught_up(&archive.log);
    archive.log.close();
    all
}

pub fn caught_up(log: &Log) {
    wait_for("the hot log", || log.status().hot_through == log.tail());
}

/// Bytes that do not compress and differ from record to record.
fn noise(seed: usize, bytes: usize) -> Vec<u8> {
    let mut random = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy_folder(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

/// Opens the archive and holds it against what it should have, before and after the hot log has caught up, and once
/// more after an append.
pub fn serves(folder: &Path, all: &[Kept], story: &str) -> Archive {
    let archive = open(options(folder)).unwrap_or_else(|error| panic!("{story}: {error}"));
    assert!(archive.log.status().closed.is_none(), "{story}");
    assert_eq!(everything(&archive.log), all, "{story}, at once");
    let one = batch("one more", vec![draft("one more", payload("y", vec![1]))]);
    append(&archive.log, one).unwrap_or_else(|error| panic!("{story}: {error}"));
    wait_for(story, || {
        let status = archive.log.status();
        status.hot_through == status.tail && status.hot_fault.is_none()
    });
    assert_eq!(
        everything(&archive.log)[..all.len()],
        *all,
        "{story}, once sled has caught up"
    );
    archive
}

/// The folder that holds sled's files.
pub fn sled_folder(data: &Path) -> PathBuf {
    let folders = std::fs::read_dir(data.join("sled")).unwrap();
    let paths = folders.map(|item| item.unwrap().path());
    paths.filter(|path| path.is_dir()).max().unwrap()
}

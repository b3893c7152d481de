//! A damaged archive is mended from a copy that anybody made of its HTTP port, as far as that copy is whole.

use crate::harness::Server;
use chancery::log::Columns;
use chancery::record::Position;
use chancery::store::disk::RealDisk;
use chancery::store::open::{ArchiveOptions, open};
use chancery::store::repair::{RepairError, RepairOptions, Repaired, repair};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

fn mend(data: &Path, good: &Path) -> Result<Repaired, RepairError> {
    let options = RepairOptions {
        data: data.into(),
        good: good.into(),
        disk: Arc::new(RealDisk),
    };
    repair(&options, &mut |_| ControlFlow::Continue(()))
}

/// An archive of 600 records, two chunks sealed, and a published copy of it.
async fn archive_and_copy() -> (TempDir, TempDir) {
    let (server, _) = Server::with(600).await;
    for _ in 0..3_000 {
        if server.client.status().await.unwrap().sealed_through == 512 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let copy = server.copy().await;
    (server.stop().await, copy)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

fn payload(data: &Path, position: u64) -> Vec<u8> {
    let archive = open(ArchiveOptions::new(data)).unwrap();
    assert!(archive.log.status().closed.is_none());
    let runs = archive
        .log
        .fetch(&[Position::new(position)], Columns::All)
        .unwrap();
    runs[0].iter().next().unwrap().payload.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_is_mended_from_a_published_copy() {
    let (data, copy) = archive_and_copy().await;
    let before = payload(data.path(), 300);
    flip(&data.path().join("chunks/00000001.payloads"), 700);
    std::fs::remove_file(data.path().join("chunks/00000000.leaves")).unwrap();
    std::fs::remove_dir_all(data.path().join("sled")).unwrap();
    let repaired = mend(data.path(), copy.path()).unwrap();
    assert!(
        repaired.report.is_sound() && repaired.report.lost.is_empty(),
        "{:?}",
        repaired.report
    );
    assert_eq!(repaired.mended.len(), 2, "{:?}", repaired.mended);
    assert_eq!(payload(data.path(), 300), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_has_lost_comes_from_a_published_copy_too() {
    let (data, copy) = archive_and_copy().await;
    let before = payload(data.path(), 580);
    std::fs::remove_dir_all(data.path().join("sled")).unwrap();
    let journal = std::fs::read_dir(data.path().join("journal")).unwrap();
    let segments = journal.map(|item| item.unwrap().path());
    let last = segments.filter(|path| path.extension().is_some_and(|ending| ending == "segment"));
    let last = last.max().unwrap();
    let mut bytes = std::fs::read(&last).unwrap();
    let frames: Vec<usize> = (4_096..bytes.len() - 4)
        .filter(|at| &bytes[*at..at + 4] == b"CHFR")
        .collect();
    // The frame that holds the last records.
    let frame = frames.iter().rev().find(|at| bytes[**at + 40] != 0).unwrap();
    bytes[frame + 64 + 20] ^= 1;
    std::fs::write(&last, bytes).unwrap();
    let repaired = mend(data.path(), copy.path()).unwrap();
    assert!(
        repaired.report.is_sound() && repaired.report.lost.is_empty(),
        "{:?}",
        repaired.report
    );
    assert_eq!(repaired.mended.len(), 1, "{:?}", repaired.mended);
    assert_eq!(payload(data.path(), 580), before);
}

/// A copy may be made without payloads, and proves the leaves as well; nothing can be sealed from it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_from_a_copy_without_content_or_from_a_damaged_or_foreign_one() {
    let (data, copy) = archive_and_copy().await;
    let damaged = data.path().join("chunks/00000001.payloads");
    flip(&damaged, 700);
    let before = std::fs::read(&damaged).unwrap();
    let payloads = copy.path().join("payload");
    std::fs::rename(&payloads, copy.path().join("elsewhere")).unwrap();
    let refused = mend(data.path(), copy.path());
    let Err(RepairError::Chunk { number: 1, cause }) = refused else {
        panic!("{refused:?}");
    };
    assert!(cause.contains("content was left out"), "{cause}");
    std::fs::rename(copy.path().join("elsewhere"), &payloads).unwrap();
    flip(&copy.path().join("tile/entries/001"), 40);
    let refused = mend(data.path(), copy.path());
    assert!(
        matches!(refused, Err(RepairError::GoodDamaged { .. })),
        "{refused:?}"
    );
    let (_, other) = archive_and_copy().await;
    let refused = mend(data.path(), other.path());
    assert!(
        matches!(refused, Err(RepairError::GoodDamaged { .. })),
        "{refused:?}"
    );
    let empty = tempfile::tempdir().unwrap();
    let refused = mend(data.path(), empty.path());
    assert!(matches!(refused, Err(RepairError::Neither(_))), "{refused:?}");
    assert_eq!(std::fs::read(&damaged).unwrap(), before, "nothing was touched");
}

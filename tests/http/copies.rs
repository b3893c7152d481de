//! Copies: checked with the key alone, and found wrong wherever one bit of them is.

use crate::harness::Server;
use chancery::merkle::{Checkpoint, SigningKey, VerifierKey};
use chancery::store::verify::{Finding, Kind, Report, VerifyError, verify_copy};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn checked(folder: &Path, key: &VerifierKey) -> Report {
    verify_copy(folder, key, None, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The files of a copy, by their names in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn name(file: &Path, folder: &Path) -> String {
    file.strip_prefix(folder).unwrap().display().to_string()
}

/// The positions that a file of an archive of 600 records is about.
fn about(name: &str) -> (u64, u64) {
    let block = match name {
        "checkpoint" => return (0, 600),
        name if name.contains("tile/1/") => return (0, 512),
        name if name.contains("/000") => 0,
        name if name.contains("/001") => 1,
        _ => 2,
    };
    (256 * block, (256 * (block + 1)).min(600))
}

fn is_named(findings: &[Finding], name: &str) -> bool {
    let (first, end) = about(name);
    findings.iter().any(|found| match (found.from, found.until) {
        (Some(from), Some(until)) => first <= from && from < end && until <= end.max(from + 1),
        _ => name == "checkpoint",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_by_following_the_links_is_proved_with_the_key_alone() {
    let (server, key) = Server::with(600).await;
    let copy = server.copy().await;
    server.stop().await;
    let report = checked(copy.path(), &key);
    assert!(report.is_sound() && report.lost.is_empty(), "{report:?}");
    assert_eq!(
        (report.records, report.entries, report.checkpoint),
        (600, 600, Some(600))
    );
    assert_eq!((report.files, report.withheld), (10, 0));
    let other = SigningKey::new(key.name(), &[1; 32]).unwrap();
    let report = checked(copy.path(), other.verifier());
    assert_eq!(report.findings[0].kind, Kind::Checkpoint, "{report:?}");
    let none = tempfile::tempdir().unwrap();
    let missing = verify_copy(none.path(), &key, None, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(missing, Err(VerifyError::NoCopy(_))), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_made_while_the_log_grows_holds_all_that_its_checkpoint_covers() {
    let (server, key) = Server::with(250).await;
    let copying = server.copy();
    let growing = async {
        for n in 0..20 {
            server.append(&format!("more {n}"), 30).await;
            server.signed().await;
        }
    };
    let (copy, ()) = tokio::join!(copying, growing);
    let report = checked(copy.path(), &key);
    assert!(report.is_sound() && report.lost.is_empty(), "{report:?}");
    assert!(report.records >= 250);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_anywhere_is_found_and_named_by_position() {
    let (server, key) = Server::with(600).await;
    let copy = server.copy().await;
    server.stop().await;
    let mut flips = 0;
    for file in files(copy.path()) {
        let name = name(&file, copy.path());
        let good = std::fs::read(&file).unwrap();
        if name == "key" {
            continue;
        }
        // The first and last bytes, and some between.
        let step = (good.len() / 12).max(1);
        for at in (0..good.len()).step_by(step).chain([1, 3, good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (flips % 8);
            flips += 1;
            std::fs::write(&file, &bad).unwrap();
            let report = checked(copy.path(), &key);
            assert!(!report.is_sound(), "{name}, byte {at}");
            assert!(
                is_named(&report.findings, &name),
                "{name}, byte {at}: {:?}",
                report.findings
            );
        }
        std::fs::write(&file, good).unwrap();
    }
    assert!(flips > 100, "{flips}");
    assert!(checked(copy.path(), &key).is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_missing_file_is_found_and_named_by_position() {
    let (server, key) = Server::with(600).await;
    let copy = server.copy().await;
    server.stop().await;
    for file in files(copy.path()) {
        let name = name(&file, copy.path());
        let good = std::fs::read(&file).unwrap();
        if name == "key" {
            continue;
        }
        let longer = [&good[..], &[0; 64]].concat();
        for length in [0, 1, good.len() / 2, good.len() - 1, longer.len()] {
            std::fs::write(&file, &longer[..length]).unwrap();
            let report = checked(copy.path(), &key);
            assert!(!report.is_sound(), "{name}, {length} bytes");
            assert!(
                is_named(&report.findings, &name),
                "{name}, {length} bytes: {:?}",
                report.findings
            );
        }
        std::fs::remove_file(&file).unwrap();
        if name != "checkpoint" {
            let report = checked(copy.path(), &key);
            assert!(
                is_named(&report.findings, &name),
                "{name} missing: {:?}",
                report.findings
            );
        }
        std::fs::write(&file, good).unwrap();
    }
}

/// A genuine older state passes by itself; whoever has kept a checkpoint sees that it is older, or another.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_held_to_a_checkpoint_that_was_kept() {
    let (server, key) = Server::with(300).await;
    let early = Checkpoint::open(&server.get("/checkpoint").await.text(), &key).unwrap();
    let old = server.copy().await;
    server.append("second", 300).await;
    server.signed().await;
    let late = Checkpoint::open(&server.get("/checkpoint").await.text(), &key).unwrap();
    let new = server.copy().await;
    server.stop().await;
    let since = |copy: &tempfile::TempDir, kept: &Checkpoint| {
        verify_copy(copy.path(), &key, Some(kept), &mut |_| ControlFlow::Continue(())).unwrap()
    };
    for (copy, kept) in [(&old, &early), (&new, &early), (&new, &late)] {
        let report = since(copy, kept);
        assert!(report.is_sound(), "{report:?}");
    }
    let report = since(&old, &late);
    assert_eq!(report.findings[0].kind, Kind::Checkpoint, "{report:?}");
    assert!(
        report.findings[0]
            .what
            .contains("the earlier checkpoint covers 600 records, 300 are there"),
        "{report:?}"
    );
    let another = Checkpoint {
        root: [7; 32],
        ..early
    };
    let report = since(&new, &another);
    assert!(
        report.findings[0].what.contains("the earlier checkpoint says"),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_lost_one_after_another_are_one_range() {
    let (server, key) = Server::with(600).await;
    let copy = server.copy().await;
    server.stop().await;
    std::fs::remove_file(copy.path().join("tile/entries/001")).unwrap();
    let report = checked(copy.path(), &key);
    assert_eq!(report.lost, [(256, 512)], "{report:?}");
}

/// Who made the copy has its key too, and may sign for any size.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_checkpoint_covers_more_than_anyone_could_read_is_given_up_and_says_where() {
    let (server, key) = Server::with(600).await;
    let copy = server.copy().await;
    server.stop().await;
    let forger = SigningKey::new(key.name(), &[1; 32]).unwrap();
    for size in [1 << 40, u64::MAX] {
        let checkpoint = Checkpoint {
            origin: key.name().into(),
            size,
            root: [7; 32],
        };
        let note = checkpoint.sign(&forger).unwrap().to_string();
        std::fs::write(copy.path().join("checkpoint"), note).unwrap();
        let report = checked(copy.path(), forger.verifier());
        // Two bundles are there, and a thousand were missed.
        let from = Some(256 * (2 + 1_000));
        let is_named = |found: &&Finding| found.from == from && found.until == Some(size);
        let found = report.findings.iter().find(is_named);
        let found = found.unwrap_or_else(|| panic!("{size}: {report:?}"));
        assert!(found.what.contains("was not looked for"), "{found:?}");
        assert_eq!((report.records, report.checkpoint), (512, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_copy_is_signed_for_with_the_root_of_the_empty_tree() {
    let (server, key) = Server::with(0).await;
    let copy = server.copy().await;
    server.stop().await;
    let report = checked(copy.path(), &key);
    assert!(report.is_sound() && report.checkpoint == Some(0), "{report:?}");
    let signer = SigningKey::new(key.name(), &[1; 32]).unwrap();
    let checkpoint = Checkpoint {
        origin: key.name().into(),
        size: 0,
        root: [7; 32],
    };
    let note = checkpoint.sign(&signer).unwrap().to_string();
    std::fs::write(copy.path().join("checkpoint"), note).unwrap();
    let report = checked(copy.path(), signer.verifier());
    assert_eq!(report.findings[0].kind, Kind::Checkpoint, "{report:?}");
}

/// What reads them would read for ever, or wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_or_a_pipe_in_the_place_of_a_file_is_found_and_named() {
    let (server, key) = Server::with(300).await;
    let copy = server.copy().await;
    server.stop().await;
    for (name, kind) in [
        ("tile/0/000", Kind::Tile),
        ("tile/entries/000", Kind::Leaf),
        ("payload/000", Kind::Commitment),
    ] {
        let path = copy.path().join(name);
        let good = std::fs::read(&path).unwrap();
        for command in [&["ln", "-s", "/dev/zero"][..], &["mkfifo"][..]] {
            std::fs::remove_file(&path).unwrap();
            let made = std::process::Command::new(command[0])
                .args(&command[1..])
                .arg(&path)
                .status();
            assert!(made.unwrap().success());
            let report = checked(copy.path(), &key);
            let is_named = |found: &&Finding| found.kind == kind && found.file.as_deref() == Some(name);
            let found = report.findings.iter().find(is_named);
            let found = found.unwrap_or_else(|| panic!("{name}, {command:?}: {report:?}"));
            assert!(found.what.contains("no regular file"), "{found:?}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, good).unwrap();
    }
    let long = std::fs::File::options()
        .write(true)
        .open(copy.path().join("checkpoint"));
    long.unwrap().set_len((1 << 20) + 1).unwrap();
    let report = checked(copy.path(), &key);
    assert!(
        report.findings[0].what.contains("more than 1048576 bytes"),
        "{report:?}"
    );
}

/// The signed root says which of the two was changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_leaf_and_a_changed_tile_are_told_apart() {
    let (server, key) = Server::with(600).await;
    let copy = server.copy().await;
    server.stop().await;
    for (file, at, kind) in [
        ("tile/0/000", 32 * 7, Kind::Tile),
        ("tile/entries/000", 40, Kind::Leaf),
    ] {
        let path = copy.path().join(file);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let report = checked(copy.path(), &key);
        assert!(
            report.findings.iter().any(|found| found.kind == kind),
            "{file}: {report:?}"
        );
        std::fs::write(&path, good).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_without_payloads_proves_the_leaves_and_says_so() {
    let (server, key) = Server::with(300).await;
    let copy = server.copy().await;
    server.stop().await;
    std::fs::remove_dir_all(copy.path().join("payload")).unwrap();
    let report = checked(copy.path(), &key);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.withheld, report.records), (300, 300));
}

/// With the program that people will use for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_by_wget_verifies() {
    let there = std::process::Command::new("wget").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no wget on this machine");
        return;
    }
    let (server, key) = Server::with(600).await;
    let folder = tempfile::tempdir().unwrap();
    let mut wget = std::process::Command::new("wget");
    wget.args([
        "-q",
        "-r",
        "-np",
        "--tries=1",
        "--timeout=30",
        "--no-config",
        "-P",
    ])
    .arg(folder.path())
    .arg(format!("http://{}/", server.address));
    let made = tokio::task::spawn_blocking(move || wget.env_remove("http_proxy").status());
    assert!(made.await.unwrap().unwrap().success());
    let report = checked(folder.path(), &key);
    assert!(report.is_sound() && report.records == 600, "{report:?}");
    server.stop().await;
}

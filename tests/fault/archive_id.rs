//! Which files are this archive's is said by its id in the state folder, and by nothing that may be put beside it.

use crate::archive::*;
use chancery::store::disk::RealDisk;
use chancery::store::open::{ArchiveError, open};
use chancery::store::state::StateError;
use chancery::store::verify::{Kind, Mode, Report, VerifyOptions, verify};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn verified(data: &Path) -> Report {
    let options = VerifyOptions {
        data: data.into(),
        disk: Arc::new(RealDisk),
        mode: Mode::Stopped,
        entries: true,
    };
    verify(&options, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn journal(data: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(data.join("journal")).unwrap();
    let paths = files.map(|item| item.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "segment"))
        .collect();
    paths.sort();
    paths
}

/// An archive whose journal has two files of another one among its own, or more than it has itself.
fn with_foreign_segments() -> (tempfile::TempDir, Vec<crate::sim::Kept>) {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all = filled(one.path(), 20, 500);
    filled(other.path(), 200, 3_000);
    let foreign = journal(other.path());
    assert!(foreign.len() > journal(one.path()).len());
    for (number, path) in foreign.iter().enumerate() {
        let name = format!("journal/{:08}.segment", 100 + number);
        std::fs::copy(path, one.path().join(name)).unwrap();
    }
    (one, all)
}

#[test]
fn more_files_of_another_archive_than_of_its_own_change_nothing() {
    let (data, all) = with_foreign_segments();
    drop(serves(data.path(), &all, "foreign files"));
}

#[test]
fn a_missing_or_damaged_copy_of_the_state_is_written_again_from_the_other() {
    for damage in ["missing", "damaged"] {
        for name in ["state/journal.1", "state/journal.2"] {
            let data = tempfile::tempdir().unwrap();
            let all = filled(data.path(), 20, 500);
            let copy = data.path().join(name);
            match damage {
                "missing" => std::fs::remove_file(&copy).unwrap(),
                _ => std::fs::write(&copy, b"nothing").unwrap(),
            }
            let report = verified(data.path());
            assert!(
                report.findings.iter().any(|finding| finding.kind == Kind::State),
                "{report:?}"
            );
            drop(serves(data.path(), &all, damage));
            assert!(verified(data.path()).is_sound(), "{damage} {name}");
        }
    }
}

#[test]
fn an_archive_without_its_state_is_not_given_another() {
    let data = tempfile::tempdir().unwrap();
    filled(data.path(), 20, 500);
    let names = ["state/journal.1", "state/journal.2"];
    for name in names {
        std::fs::remove_file(data.path().join(name)).unwrap();
    }
    let error = open(options(data.path())).map(drop).unwrap_err();
    assert!(
        matches!(error, ArchiveError::State(StateError::Missing { .. })),
        "{error}"
    );
    for name in names {
        std::fs::write(data.path().join(name), b"nothing").unwrap();
    }
    let error = open(options(data.path())).map(drop).unwrap_err();
    assert!(
        matches!(error, ArchiveError::State(StateError::Damaged { .. })),
        "{error}"
    );
}

#[test]
fn a_journal_of_another_archive_is_not_taken_for_an_empty_one() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(one.path(), 20, 500);
    filled(other.path(), 20, 500);
    std::fs::remove_dir_all(one.path().join("journal")).unwrap();
    copy_folder(&other.path().join("journal"), &one.path().join("journal"));
    let error = open(options(one.path())).map(drop).unwrap_err();
    assert!(matches!(error, ArchiveError::JournalMissing { .. }), "{error}");
}

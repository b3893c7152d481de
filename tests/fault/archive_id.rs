//! Which files are this archive's is said by its id in the state folder, and by nothing that may be put beside it.

use crate::archive::*;
use chancery::store::open::{ArchiveError, open};
use chancery::store::state::StateError;
use std::path::Path;

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
fn a_missing_or_damaged_id_is_what_all_segments_say_and_nothing_where_they_differ() {
    for damage in ["missing", "damaged"] {
        let data = tempfile::tempdir().unwrap();
        let all = filled(data.path(), 20, 500);
        let id = data.path().join("state/archive");
        let before = std::fs::read(&id).unwrap();
        match damage {
            "missing" => std::fs::remove_file(&id).unwrap(),
            _ => std::fs::write(&id, b"nothing").unwrap(),
        }
        drop(serves(data.path(), &all, damage));
        assert_eq!(std::fs::read(&id).unwrap(), before, "{damage}");
    }
    let (data, _) = with_foreign_segments();
    std::fs::remove_file(data.path().join("state/archive")).unwrap();
    let error = open(options(data.path())).map(drop).unwrap_err();
    assert!(
        matches!(error, ArchiveError::State(StateError::Missing { .. })),
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

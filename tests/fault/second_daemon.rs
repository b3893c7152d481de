//! One archive, one daemon.

use crate::archive::options;
use crate::sim::*;
use chancery::store::open::{ArchiveError, open};

#[test]
fn a_second_start_on_the_same_directory_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(options(folder.path())).unwrap();
    let one = |name: &str| batch(name, vec![draft(name, payload("x", vec![1]))]);
    append(&first.log, one("a")).unwrap();
    let Err(error) = open(options(folder.path())) else {
        panic!("two daemons on one directory");
    };
    assert!(matches!(error, ArchiveError::InUse(_)), "{error}");
    assert!(
        error.to_string().contains("--data"),
        "it says what to do: {error}"
    );
    append(&first.log, one("b")).unwrap();
    drop(first);
    let again = open(options(folder.path())).unwrap();
    assert_eq!(everything(&again.log).len(), 2);
}

#[test]
fn a_handle_that_outlives_the_archive_writes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(options(folder.path())).unwrap();
    let log = first.log.clone();
    append(&log, batch("a", vec![draft("a", payload("x", vec![1]))])).unwrap();
    drop(first);
    let second = open(options(folder.path())).unwrap();
    assert!(append(&log, batch("b", vec![draft("b", payload("x", vec![1]))])).is_err());
    append(&second.log, batch("c", vec![draft("c", payload("x", vec![1]))])).unwrap();
    let keys: Vec<String> = everything(&second.log).into_iter().map(|kept| kept.key).collect();
    assert_eq!(keys, ["a", "c"]);
}

#[test]
fn a_journal_that_was_taken_away_is_not_taken_for_a_new_archive() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(options(folder.path())).unwrap();
    append(&first.log, batch("a", vec![draft("a", payload("x", vec![1]))])).unwrap();
    drop(first);
    std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
    let Err(error) = open(options(folder.path())) else {
        panic!("a new archive under the old name");
    };
    assert!(matches!(error, ArchiveError::JournalMissing { .. }), "{error}");
}

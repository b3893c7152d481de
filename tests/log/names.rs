//! Names that lie in files: what a start makes of them.

use crate::harness::*;
use chancery::log::erasure::Order;
use chancery::log::names::{NameHash, TakenNames};
use chancery::log::{Columns, Log, Rule};
use chancery::record::{Act, EntryKey, Hash, Outcome, Position, Principal, Reason};
use chancery::store::open::{Archive, ArchiveOptions, open};
use chancery::view::names::{self, NamesRunner, NamesView};
use chancery::view::runner::Folders;
use chancery::view::runner::standing::standing;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const CHUNK: u32 = 256;
const RECORDS: u64 = 700;

/// Files of names that count how often they are looked into.
struct Counted {
    names: Arc<dyn TakenNames>,
    looks: AtomicU64,
}

impl TakenNames for Counted {
    fn through(&self) -> Position {
        self.names.through()
    }

    fn last(&self) -> Option<Hash> {
        self.names.last()
    }

    fn entries(&self) -> u64 {
        self.names.entries()
    }

    fn erases(&self) -> Vec<Position> {
        self.names.erases()
    }

    fn may_have(&self, hash: NameHash) -> bool {
        self.names.may_have(hash)
    }

    fn find(&self, hash: NameHash) -> Result<Vec<Position>, String> {
        self.looks.fetch_add(1, Ordering::AcqRel);
        self.names.find(hash)
    }
}

fn start(folder: &Path, names: Option<Arc<dyn TakenNames>>) -> Archive {
    open(ArchiveOptions {
        chunk_records: CHUNK,
        names,
        ..options(folder)
    })
    .unwrap()
}

fn counted(folder: &Path) -> Arc<Counted> {
    Arc::new(Counted {
        names: names::taken(&folder.join("views")).expect("there are files"),
        looks: AtomicU64::new(0),
    })
}

fn grow(log: &Log, from: u64, to: u64) {
    for at in (from..to).step_by(100) {
        let records = (at..(at + 100).min(to)).map(|at| create(&format!("key {at}"), &format!("title {at}")));
        append(log, named(format!("batch {at}").leak(), records.collect())).unwrap();
    }
}

fn sealed(log: &Log) {
    let whole = log.tail().get() / u64::from(CHUNK) * u64::from(CHUNK);
    for _ in 0..2_000 {
        if log.status().sealed.through.get() >= whole {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("it is not sealed");
}

/// Folds all that there is into files.
fn fold(folder: &Path, log: &Log) {
    let mut runner = NamesRunner::open(&folder.join("views"), log).unwrap();
    while runner.step(log).unwrap() {}
    runner.seal(log).unwrap();
}

/// An archive of 700 entries, of which one was amended and one erased, with its names in files; closed.
fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let archive = start(folder.path(), None);
    grow(&archive.log, 0, RECORDS);
    append(&archive.log, batch(vec![amend("key 7", "another title", None)])).unwrap();
    let order = Order {
        entry: EntryKey::new("desk", "key 9").unwrap(),
        revisions: None,
        authority: "the court".into(),
        explanation: "it is the law".into(),
        reason: Reason::new("privacy").unwrap(),
        expected_revision: None,
        replacement: None,
        request_id: None,
        principal: Principal::anonymous(),
        validate_only: false,
    };
    runtime().block_on(archive.log.erase(&order)).unwrap();
    // More than a chunk, so that the ERASE is sealed.
    grow(&archive.log, RECORDS, RECORDS + 400);
    sealed(&archive.log);
    fold(folder.path(), &archive.log);
    archive.log.close();
    folder
}

/// What a view says of why it began anew.
fn why_anew(runner: &NamesRunner, log: &Log) -> Option<String> {
    standing::<NamesView>(&runner.asked(), log.tail()).anew
}

#[test]
fn a_view_that_began_anew_says_why_until_it_has_caught_up() {
    let folder = made();
    let (own, views) = (
        Folders::of::<NamesView>(&folder.path().join("views")).own,
        folder.path().join("views"),
    );
    let archive = start(folder.path(), None);
    let log = &archive.log;
    let whole = NamesRunner::open(&views, log).unwrap();
    assert_eq!(why_anew(&whole, log), None);
    drop(whole);
    // As a program of another version has left it.
    std::fs::rename(own, views.join("names-0-old")).unwrap();
    let mut runner = NamesRunner::open(&views, log).unwrap();
    assert_eq!(
        why_anew(&runner, log).as_deref(),
        Some("version 0-old was of another version of the program")
    );
    while runner.step(log).unwrap() {}
    assert_eq!(why_anew(&runner, log), None);
    drop(runner);
    archive.log.close();
}

/// Whatever names are learnt from, the log knows the same.
fn knows_all(log: &Log, entries: u64) {
    let again = append(
        log,
        named(
            "batch 0",
            (0..100)
                .map(|at| create(&format!("key {at}"), &format!("title {at}")))
                .collect(),
        ),
    );
    assert_eq!(
        again.unwrap().receipts[3].position.get(),
        3,
        "a request is known by its name"
    );
    let known = append(
        log,
        batch(vec![
            create("key 650", "title 650"),
            create("key 1099", "title 1099"),
        ]),
    )
    .unwrap();
    assert!(
        known
            .receipts
            .iter()
            .all(|receipt| receipt.outcome == Outcome::Duplicate)
    );
    assert_eq!(
        rule(log, batch(vec![create("key 7", "title")])),
        Rule::Exists {
            entry: EntryKey::new("desk", "key 7").unwrap(),
            position: Position::new(RECORDS),
        },
        "the newest record of an entry"
    );
    assert!(matches!(
        rule(log, batch(vec![act(Act::Retract, "none")])),
        Rule::Unknown(_)
    ));
    assert_eq!(log.status().entries, entries);
    assert!(
        log.is_erased(Position::new(9)),
        "an ERASE of an earlier run is known"
    );
    let run = log.fetch(&[Position::new(9)], Columns::All).unwrap();
    assert!(run[0].is_erased(Position::new(9)));
}

fn entries_of(folder: &Path) -> u64 {
    let plain = start(folder, None);
    plain
        .log
        .entry(&EntryKey::new("desk", "key 1").unwrap(), plain.log.tail())
        .unwrap();
    let entries = plain.log.status().entries;
    plain.log.close();
    entries
}

#[test]
fn a_start_looks_names_up_in_files_and_knows_what_it_knew() {
    let folder = made();
    let entries = entries_of(folder.path());
    let names = counted(folder.path());
    let archive = start(folder.path(), Some(Arc::clone(&names) as Arc<dyn TakenNames>));
    knows_all(&archive.log, entries);
    assert!(names.looks.load(Ordering::Acquire) > 100, "it did look there");
}

#[test]
fn what_was_recorded_after_the_files_were_made_is_learnt_beside_them() {
    let folder = made();
    let archive = start(folder.path(), None);
    grow(&archive.log, 1_100, 1_700);
    sealed(&archive.log);
    archive.log.close();
    drop(archive);
    let entries = entries_of(folder.path());
    let names = counted(folder.path());
    assert!(names.through() < Position::new(1_200));
    let archive = start(folder.path(), Some(Arc::clone(&names) as Arc<dyn TakenNames>));
    knows_all(&archive.log, entries);
    let known = append(&archive.log, batch(vec![create("key 1650", "title 1650")])).unwrap();
    assert_eq!(known.receipts[0].outcome, Outcome::Duplicate);
}

#[test]
fn files_of_another_log_are_not_looked_into() {
    let (folder, other) = (made(), tempfile::tempdir().unwrap());
    let archive = start(other.path(), None);
    grow(&archive.log, 0, 1_100);
    sealed(&archive.log);
    archive.log.close();
    drop(archive);
    let names = counted(folder.path());
    let archive = start(other.path(), Some(Arc::clone(&names) as Arc<dyn TakenNames>));
    // `key 7` was amended in the other one only.
    let known = append(&archive.log, batch(vec![create("key 7", "title 7")])).unwrap();
    assert_eq!(known.receipts[0].outcome, Outcome::Duplicate);
    assert_eq!(known.receipts[0].position, Position::new(7));
    assert_eq!(names.looks.load(Ordering::Acquire), 0);
}

#[test]
fn files_that_go_further_than_the_log_are_not_looked_into() {
    let folder = made();
    let kept = tempfile::tempdir().unwrap();
    // An older copy of the archive, put back under newer views.
    let copy = kept.path().join("archive");
    let archive = start(&copy, None);
    grow(&archive.log, 0, 300);
    sealed(&archive.log);
    archive.log.close();
    drop(archive);
    let names = counted(folder.path());
    assert!(names.through() > Position::new(1_000));
    let archive = start(&copy, Some(Arc::clone(&names) as Arc<dyn TakenNames>));
    append(&archive.log, batch(vec![create("key 650", "title")])).unwrap();
    assert_eq!(names.looks.load(Ordering::Acquire), 0);
}

#[test]
fn where_no_file_can_be_read_everything_is_learnt_from_the_log() {
    let folder = made();
    let views = folder.path().join("views");
    for file in std::fs::read_dir(views.join("names-1")).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    assert!(names::taken(&views).is_none());
    let entries = entries_of(folder.path());
    let archive = start(folder.path(), names::taken(&views));
    knows_all(&archive.log, entries);
    // The view itself begins anew.
    fold(folder.path(), &archive.log);
    assert_eq!(names::taken(&views).unwrap().through(), archive.log.tail());
}

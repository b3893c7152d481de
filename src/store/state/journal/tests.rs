//! What was kept is there after every crash and every damage that one copy can mend, and elsewhere nothing is guessed.

use super::*;
use crate::store::disk::RealDisk;
use crate::store::faulty::{Fault, SimDisk, Survives};

const FOLDER: &str = "state";

fn open(disk: &SimDisk) -> (StateJournal, Vec<String>) {
    StateJournal::open(Arc::new(disk.clone()), Path::new(FOLDER)).unwrap()
}

fn put(journal: &mut StateJournal, name: &str, value: &str) -> io::Result<()> {
    journal.put(&[(name, Some(value.as_bytes()))])
}

fn path(copy: usize) -> PathBuf {
    Path::new(FOLDER).join(COPIES[copy])
}

#[test]
fn values_read_back_and_a_forgotten_one_does_not() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    put(&mut journal, "a", "1").unwrap();
    put(&mut journal, "b", "2").unwrap();
    put(&mut journal, "a", "3").unwrap();
    journal.put(&[("b", None), ("c", Some(b""))]).unwrap();
    for journal in [journal, open(&disk).0] {
        assert_eq!(journal.get("a"), Some(&b"3"[..]));
        assert_eq!(journal.get("b"), None);
        assert_eq!(journal.get("c"), Some(&b""[..]));
    }
}

#[test]
fn any_changed_byte_of_one_copy_is_mended_from_the_other() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    put(&mut journal, "key", "seed").unwrap();
    put(&mut journal, "checkpoint", "note").unwrap();
    let good = disk.bytes(&path(0)).unwrap();
    assert_eq!(disk.bytes(&path(1)).as_ref(), Some(&good));
    for copy in 0..2 {
        for at in 0..good.len() {
            let damaged = disk.copy();
            damaged.tamper(&path(copy), |bytes| bytes[at] ^= 0x10);
            let (journal, mended) = open(&damaged);
            assert_eq!(journal.get("key"), Some(&b"seed"[..]), "byte {at}");
            assert_eq!(journal.get("checkpoint"), Some(&b"note"[..]), "byte {at}");
            assert_eq!(mended.len(), 1, "byte {at}: {mended:?}");
            assert_eq!(damaged.bytes(&path(copy)).as_ref(), Some(&good), "byte {at}");
        }
    }
}

#[test]
fn a_missing_or_cut_copy_is_mended_from_the_other() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    put(&mut journal, "key", "seed").unwrap();
    let good = disk.bytes(&path(0)).unwrap();
    for copy in 0..2 {
        for length in 0..good.len() {
            let cut = disk.copy();
            cut.tamper(&path(copy), |bytes| bytes.truncate(length));
            let (journal, mended) = open(&cut);
            assert_eq!(journal.get("key"), Some(&b"seed"[..]), "{length}");
            assert_eq!(mended.len(), 1, "{length}");
        }
        let gone = disk.copy();
        gone.take_away(&path(copy));
        assert_eq!(open(&gone).0.get("key"), Some(&b"seed"[..]));
        assert_eq!(gone.bytes(&path(copy)).as_ref(), Some(&good));
    }
}

/// A disk that takes nothing is no reason not to start.
#[test]
fn a_copy_that_cannot_be_written_again_is_written_with_the_next_change() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    put(&mut journal, "key", "seed").unwrap();
    disk.tamper(&path(0), |bytes| bytes[40] ^= 1);
    disk.fail(Fault::Full, 0);
    let (mut journal, mended) = open(&disk);
    assert_eq!(journal.get("key"), Some(&b"seed"[..]));
    assert!(mended[0].contains("cannot be written again now"), "{mended:?}");
    put(&mut journal, "more", "1").unwrap();
    let (journal, mended) = open(&disk);
    assert_eq!(journal.get("key"), Some(&b"seed"[..]));
    assert_eq!(journal.get("more"), Some(&b"1"[..]));
    assert!(mended.is_empty(), "{mended:?}");
}

#[test]
fn two_damaged_copies_are_not_believed_and_not_changed() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    put(&mut journal, "key", "seed").unwrap();
    for copy in 0..2 {
        disk.tamper(&path(copy), |bytes| bytes[40] ^= 1);
    }
    let before = disk.bytes(&path(0));
    let opened = StateJournal::open(Arc::new(disk.clone()), Path::new(FOLDER)).map(drop);
    assert_eq!(opened.unwrap_err().1.kind(), io::ErrorKind::InvalidData);
    assert_eq!(disk.bytes(&path(0)), before);
}

/// The power goes at every step, with every kind of remains: a value whose `put` returned is there, and of one that did
/// not return there is the old value or the new one.
#[test]
fn no_power_cut_takes_what_was_kept() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    let mut kept = vec![(disk.moment(), None)];
    for number in 0..40 {
        // Large enough that it is written anew in between.
        let value = format!("{number:04000}");
        put(&mut journal, "value", &value).unwrap();
        kept.push((disk.moment(), Some(value)));
    }
    assert!(journal.generation > 0, "it was written anew");
    let begun = kept[0].0;
    for moment in begun..=disk.moment() {
        let before = kept.iter().rposition(|(at, _)| *at <= moment).unwrap();
        for survives in [Survives::Nothing, Survives::All, Survives::Seed(moment as u64)] {
            let cut = disk.after_cut(moment, survives);
            let (journal, _) = open(&cut);
            let found = journal
                .get("value")
                .map(|value| String::from_utf8(value.to_vec()).unwrap());
            let next = kept.get(before + 1).map(|(_, value)| value);
            assert!(
                found == kept[before].1 || Some(&found) == next,
                "at step {moment} with {survives:?}"
            );
        }
    }
}

#[test]
fn a_failed_write_is_told_and_the_next_one_is_kept() {
    for fault in [Fault::Write, Fault::Full, Fault::Sync] {
        for nth in 0..2 {
            let disk = SimDisk::new();
            let (mut journal, _) = open(&disk);
            put(&mut journal, "a", "1").unwrap();
            disk.fail(fault, nth);
            put(&mut journal, "a", "2").unwrap_err();
            assert_eq!(journal.get("a"), Some(&b"1"[..]), "{fault:?} {nth}");
            put(&mut journal, "b", "3").unwrap();
            let cut = disk.after_cut(disk.moment(), Survives::Nothing);
            let (journal, _) = open(&cut);
            assert_eq!(journal.get("a"), Some(&b"1"[..]), "{fault:?} {nth}");
            assert_eq!(journal.get("b"), Some(&b"3"[..]), "{fault:?} {nth}");
        }
    }
}

#[test]
fn a_start_that_has_nothing_to_mend_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (mut journal, _) = StateJournal::open(Arc::clone(&disk), folder.path()).unwrap();
    put(&mut journal, "a", "1").unwrap();
    let simulated = SimDisk::new();
    open(&simulated);
    assert_eq!(simulated.moment(), 0, "nor does a new journal that keeps nothing");
    put(&mut open(&simulated).0, "a", "1").unwrap();
    let moment = simulated.moment();
    assert!(open(&simulated).1.is_empty());
    assert_eq!(simulated.moment(), moment);
    assert!(StateJournal::open(disk, folder.path()).unwrap().1.is_empty());
}

#[test]
fn a_value_over_the_limit_is_refused_and_nothing_is_written() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    let moment = disk.moment();
    let value = vec![0; VALUE_BYTES_MAX + 1];
    let error = journal.put(&[("a", Some(&value))]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(disk.moment(), moment);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let mut bytes = header(7, 0);
        let mut found = Found::header(&bytes).unwrap();
        bytes.extend(&tail);
        found.frames(&bytes);
        let _ = Found::header(&tail);
        apply(&tail, &mut Values::new());
    }
}

/// The first copy was written anew, the second could not be, and then the first is damaged: nothing that the second says may
/// be lost, the key above all.
#[test]
fn a_newer_copy_that_is_damaged_does_not_take_the_place_of_an_older_one() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    put(&mut journal, "key", "seed").unwrap();
    let older = disk.bytes(&path(1)).unwrap();
    journal.failed = true;
    put(&mut journal, "checkpoint", "note").unwrap();
    let newer = disk.bytes(&path(0)).unwrap();
    let opened = |first: &[u8]| {
        let damaged = disk.copy();
        damaged.tamper(&path(0), |bytes| *bytes = first.to_vec());
        damaged.tamper(&path(1), |bytes| *bytes = older.clone());
        let (journal, _) = open(&damaged);
        assert_eq!(damaged.bytes(&path(0)), damaged.bytes(&path(1)));
        journal.get("key").map(<[u8]>::to_vec)
    };
    for at in 0..newer.len() {
        let mut flipped = newer.clone();
        flipped[at] ^= 0x10;
        assert_eq!(opened(&flipped).as_deref(), Some(&b"seed"[..]), "byte {at}");
        assert_eq!(opened(&newer[..at]).as_deref(), Some(&b"seed"[..]), "cut at {at}");
    }
}

/// It grew to four times what it held, and was once longer then than what is read of it: nothing of it was whole after a restart.
#[test]
fn a_journal_is_never_longer_than_what_is_read_of_it() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    journal.bytes_max = 10_000;
    journal.compact_from = 0;
    let large = "x".repeat(1_000);
    for at in 0..9 {
        put(&mut journal, &format!("name-{at}"), &large).unwrap();
        for _ in 0..9 {
            put(&mut journal, "name-0", &large).unwrap();
            assert!(disk.bytes(&path(0)).unwrap().len() <= 10_000);
        }
    }
    let refused = put(&mut journal, "name-9", &large).unwrap_err();
    assert!(
        refused.to_string().contains("over the limit of 10000"),
        "{refused}"
    );
    // What it had it has, and takes what there is room for.
    put(&mut journal, "name-1", "short").unwrap();
    put(&mut journal, "name-9", &large).unwrap();
    for journal in [journal, open(&disk).0] {
        assert_eq!(journal.get("name-1"), Some(&b"short"[..]));
        assert_eq!(journal.get("name-9"), Some(large.as_bytes()));
    }
}

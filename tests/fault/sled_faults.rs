//! Whatever happens to sled's folder: every record is served, and the hot log is built anew.

use crate::archive::*;
use crate::sim::*;
use chancery::log::Closed;
use chancery::record::Position;
use chancery::store::open::open;
use std::path::Path;

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Fills an archive once, and opens a damaged copy of it for each damage.
fn each<T: std::fmt::Debug>(damages: impl IntoIterator<Item = T>, damage: impl Fn(&T, &Path)) {
    let whole = tempfile::tempdir().unwrap();
    let all = filled(whole.path(), 300, 6_000);
    for one in damages {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(whole.path(), copy.path());
        damage(&one, copy.path());
        let archive = serves(copy.path(), &all, &format!("{one:?}"));
        archive.log.close();
        drop(archive);
        // And the next start finds it well.
        let again = open(options(copy.path())).unwrap();
        caught_up(&again.log);
        assert_eq!(again.log.status().hot_fault, None, "{one:?}, started again");
    }
}

#[test]
fn sled_may_be_taken_away_or_replaced_by_anything() {
    let damages = [
        "deleted", "emptied", "garbage", "short", "no db", "a file", "nothing",
    ];
    each(damages, |damage, data| {
        let folder = sled_folder(data);
        let db = folder.join("db");
        match *damage {
            "deleted" => std::fs::remove_dir_all(data.join("sled")).unwrap(),
            "emptied" => {
                std::fs::remove_dir_all(&folder).unwrap();
                std::fs::create_dir(&folder).unwrap();
            }
            "garbage" => change(&db, |bytes| bytes.fill(0xa5)),
            "short" => change(&db, |bytes| *bytes = b"x".to_vec()),
            "no db" => std::fs::remove_file(&db).unwrap(),
            "a file" => change(&folder.join("conf"), |bytes| bytes.fill(b'?')),
            _ => {}
        }
    });
}

#[test]
fn sleds_file_may_be_cut_by_any_number_of_bytes() {
    let cuts = [1, 7, 512, 4_096, 65_536, 300_000, 1 << 20];
    each(cuts, |cut, data| {
        change(&sled_folder(data).join("db"), |bytes| {
            bytes.truncate(bytes.len().saturating_sub(*cut));
        });
    });
}

#[test]
fn bytes_of_sled_may_be_flipped_anywhere() {
    each(0..16_usize, |place, data| {
        change(&sled_folder(data).join("db"), |bytes| {
            // Some at the very beginning, where sled keeps its pointers, others all over the file.
            let at = if place % 4 == 0 {
                place * 5
            } else {
                bytes.len() / 17 * place + place
            };
            bytes[at] ^= 0x41;
        });
    });
}

#[test]
fn snapshots_of_sled_may_be_damaged() {
    each(0..3_usize, |place, data| {
        for item in std::fs::read_dir(sled_folder(data)).unwrap() {
            let path = item.unwrap().path();
            if path.is_file() && !path.ends_with("db") {
                change(&path, |bytes| {
                    let at = bytes.len() / 3 * place;
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 0xff;
                    }
                });
            }
        }
    });
}

#[test]
fn a_fault_of_sled_at_a_later_read_is_nobodys_but_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // More than sled's cache holds, so that it must read its file again.
    let all = filled(folder.path(), 700, 24_000);
    let archive = open(options(folder.path())).unwrap();
    caught_up(&archive.log);
    let db = sled_folder(folder.path()).join("db");
    change(&db, |bytes| bytes[4_096..].fill(0x5a));
    assert_eq!(everything(&archive.log), all);
    assert_eq!(everything(&archive.log), all);
    let one = batch("one more", vec![draft("one more", payload("y", vec![1]))]);
    append(&archive.log, one).unwrap();
    caught_up(&archive.log);
    assert_eq!(everything(&archive.log)[..all.len()], all);
}

#[test]
fn what_the_journal_lost_sled_gives_back_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let all = filled(folder.path(), 100, 3_000);
    let segment = folder.path().join("journal").join("00000000.segment");
    change(&segment, |bytes| bytes[40_000..90_000].fill(0));
    let archive = serves(folder.path(), &all, "a hole in the journal");
    archive.log.close();
    drop(archive);
    // Now the journal has a repair and needs sled no more.
    std::fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let archive = open(options(folder.path())).unwrap();
    assert!(archive.log.status().closed.is_none());
    assert_eq!(everything(&archive.log)[..all.len()], all);
}

#[test]
fn sled_of_another_archive_is_not_believed() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all = filled(one.path(), 50, 3_000);
    filled(other.path(), 200, 100);
    std::fs::remove_dir_all(one.path().join("sled")).unwrap();
    copy_folder(&other.path().join("sled"), &one.path().join("sled"));
    drop(serves(one.path(), &all, "sled of another archive"));
    // Nor does it fill a hole of the journal.
    let (one, other) = (tempfile::tempdir().unwrap(), other);
    filled(one.path(), 50, 3_000);
    std::fs::remove_dir_all(one.path().join("sled")).unwrap();
    copy_folder(&other.path().join("sled"), &one.path().join("sled"));
    let segment = one.path().join("journal").join("00000000.segment");
    change(&segment, |bytes| bytes[5_000..40_000].fill(0));
    let archive = open(options(one.path())).unwrap();
    assert!(matches!(
        archive.log.status().closed,
        Some(Closed::Damaged {
            position: Position::START,
            ..
        })
    ));
}

/// Appends one more record, lets sled catch up, and stops.
fn one_more(data: &Path, name: &str) -> Vec<Kept> {
    let archive = open(options(data)).unwrap();
    let batch = batch(name, vec![draft(name, payload(name, vec![1]))]);
    let records = kept(&batch);
    append(&archive.log, batch).unwrap();
    caught_up(&archive.log);
    archive.log.close();
    records
}

/// An archive of thirty records, its journal as it was then, and what came after.
fn with_an_older_journal() -> (tempfile::TempDir, Vec<Kept>, tempfile::TempDir) {
    let (data, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut all = filled(data.path(), 30, 1_000);
    copy_folder(data.path(), older.path());
    all.extend(one_more(data.path(), "later"));
    (data, all, older)
}

fn replace(data: &Path, name: &str, from: &Path) {
    std::fs::remove_dir_all(data.join(name)).unwrap();
    copy_folder(&from.join(name), &data.join(name));
}

#[test]
fn a_journal_put_back_from_an_older_backup_gets_from_sled_what_came_later() {
    let (data, all, older) = with_an_older_journal();
    replace(data.path(), "journal", older.path());
    drop(serves(data.path(), &all, "an older journal"));
}

#[test]
fn a_journal_that_ends_before_what_sled_has_seen_is_read_only_at_every_start() {
    let (data, all, older) = with_an_older_journal();
    replace(data.path(), "journal", older.path());
    // sled has seen it and can give nothing back.
    let db = sled_folder(data.path()).join("db");
    change(&db, |bytes| bytes.fill(0xa5));
    for _ in 0..2 {
        let archive = open(options(data.path())).unwrap();
        let closed = archive.log.status().closed;
        assert!(
            matches!(closed, Some(Closed::Damaged { position, .. }) if position.get() == 30),
            "{closed:?}"
        );
        let limit = chancery::log::ReadLimit {
            records: 30,
            bytes: 1 << 20,
        };
        let columns = chancery::log::Columns::All;
        let runs = archive
            .log
            .read(Position::START, Position::new(30), limit, columns)
            .unwrap();
        let mut found = Vec::new();
        runs.iter().for_each(|run| take(run, &mut found));
        assert_eq!(found, all[..found.len()]);
        drop(archive);
        assert!(db.exists(), "the evidence stays");
    }
}

#[test]
fn where_sled_and_the_journal_differ_neither_is_written_to_nor_removed() {
    let (data, _, older) = with_an_older_journal();
    // The log went on from an older backup, in another way and without its hot log.
    std::fs::remove_dir_all(older.path().join("sled")).unwrap();
    let other = one_more(older.path(), "otherwise");
    replace(older.path(), "sled", data.path());
    let folder = sled_folder(older.path());
    for _ in 0..2 {
        let archive = open(options(older.path())).unwrap();
        wait_for("the difference", || archive.log.status().closed.is_some());
        let status = archive.log.status();
        let closed = status.closed.unwrap().to_string();
        assert!(closed.contains("another record"), "{closed}");
        assert_eq!(
            everything(&archive.log)[30..],
            other,
            "what is served is the journal's"
        );
        drop(archive);
        assert_eq!(sled_folder(older.path()), folder);
    }
}

/// Changes what lies under the newest keys of sled.
fn damage_newest(data: &Path, change: impl Fn(&mut Vec<u8>)) {
    let db = sled::Config::new()
        .path(sled_folder(data))
        .segment_size(chancery::store::sled::SEGMENT_BYTES)
        .flush_every_ms(None)
        .open()
        .unwrap();
    let (key, value) = db.last().unwrap().unwrap();
    let mut value = value.to_vec();
    change(&mut value);
    db.insert(key, value).unwrap();
    db.flush().unwrap();
}

#[test]
fn a_damaged_newest_block_does_not_keep_the_others_from_being_rescued() {
    let data = tempfile::tempdir().unwrap();
    let all = filled(data.path(), 100, 3_000);
    damage_newest(data.path(), |value| value[100] ^= 1);
    let segment = data.path().join("journal").join("00000000.segment");
    change(&segment, |bytes| bytes[40_000..90_000].fill(0));
    drop(serves(
        data.path(),
        &all,
        "a hole, and sled's newest block is damaged",
    ));
}

#[test]
fn a_sled_that_hangs_keeps_no_start_waiting_and_nothing_is_cut_or_removed() {
    let data = tempfile::tempdir().unwrap();
    let archive = open(options(data.path())).unwrap();
    let one = batch("one", vec![draft("one", payload("x", vec![1; 50]))]);
    append(&archive.log, one).unwrap();
    caught_up(&archive.log);
    // Killed, and the record's frame is damaged.
    archive.log.release();
    drop(archive);
    let segment = data.path().join("journal").join("00000000.segment");
    change(&segment, |bytes| bytes[4_096 + 150] ^= 1);
    std::fs::remove_file(data.path().join("sled").join("seen")).unwrap();
    let conf = sled_folder(data.path()).join("conf");
    let aside = conf.with_extension("aside");
    std::fs::rename(&conf, &aside).unwrap();
    // Whoever opens a pipe waits for the other side.
    let made = std::process::Command::new("mkfifo").arg(&conf).status().unwrap();
    assert!(made.success());
    let started = std::time::Instant::now();
    let impatient = chancery::store::open::ArchiveOptions {
        hot_patience: std::time::Duration::from_millis(300),
        ..options(data.path())
    };
    let archive = open(impatient).unwrap();
    assert!(matches!(
        archive.log.status().closed,
        Some(Closed::Damaged { .. })
    ));
    drop(archive);
    assert!(started.elapsed().as_secs() < 10);
    std::fs::rename(&aside, &conf).unwrap();
    let archive = open(options(data.path())).unwrap();
    assert_eq!(everything(&archive.log).len(), 1, "sled answers again");
}

/// A journal put back from an older copy went on from there before sled, which knows better, was asked.
#[test]
fn records_that_sled_holds_and_the_journal_does_not_end_the_appends_and_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 50, 3_000);
    let older = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), older.path());
    let archive = open(options(folder.path())).unwrap();
    let more = |archive: &chancery::store::open::Archive, name: &str| {
        let drafts = (0..20).map(|n| draft(&format!("{name} {n}"), payload("x", vec![n; 3_000])));
        append(&archive.log, batch(name, drafts.collect())).unwrap();
    };
    more(&archive, "acknowledged");
    caught_up(&archive.log);
    archive.log.close();
    drop(archive);
    // The older journal is put back, and grows beyond what sled holds before sled is there again.
    let archive = open(options(older.path())).unwrap();
    more(&archive, "a fork");
    archive.log.close();
    drop(archive);
    std::fs::remove_dir_all(older.path().join("sled")).unwrap();
    copy_folder(&folder.path().join("sled"), &older.path().join("sled"));
    let evidence = sled_folder(older.path());
    let archive = open(options(older.path())).unwrap();
    wait_for("the comparison", || archive.log.status().closed.is_some());
    assert!(matches!(
        archive.log.status().closed,
        Some(Closed::Damaged { .. })
    ));
    let one = batch("one more", vec![draft("one more", payload("y", vec![1]))]);
    assert!(append(&archive.log, one).is_err());
    assert_eq!(
        everything(&archive.log).len(),
        70,
        "what the journal holds is served"
    );
    drop(archive);
    assert!(evidence.join("db").exists(), "the last copy is kept");
}

/// A reader that met a block while it was removed took what was left of it for damage, and the hot log was built anew.
#[test]
fn what_is_removed_while_it_is_read_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let small = |folder: &Path| chancery::store::open::ArchiveOptions {
        hot_bytes: 200_000,
        ..options(folder)
    };
    let archive = open(small(folder.path())).unwrap();
    let log = &archive.log;
    // Blocks of several parts.
    let add = |n: u64| {
        append(
            log,
            batch(
                &n.to_string(),
                vec![draft(&n.to_string(), payload("x", vec![n as u8; 20_000]))],
            ),
        )
    };
    add(0).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let tail = log.tail().get();
                let positions: Vec<Position> = (tail.saturating_sub(14)..tail).map(Position::new).collect();
                log.fetch(&positions, chancery::log::Columns::All).unwrap();
                assert_eq!(log.status().hot_fault, None);
            }
        });
        for n in 1..120 {
            add(n).unwrap();
            if n % 8 == 0 {
                caught_up(log);
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reading.join().unwrap();
    });
    caught_up(log);
    assert_eq!(log.status().hot_fault, None);
    assert!(
        sled_folder(folder.path()).ends_with("00000000"),
        "it was never built anew"
    );
}

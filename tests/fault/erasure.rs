//! Erasure: what an ERASE names is gone from every answer at once, and from every file soon, wherever the power goes; nothing
//! else is, and every proof stays.

use crate::archive::*;
use crate::sealing::{Archive as Simulated, CHUNKS, open_with_state};
use crate::sim::*;
use chancery::log::erasure::{Order, Ordered};
use chancery::log::store::Shelf;
use chancery::log::{AppendError, Columns, Door, Draft, Log, Rule};
use chancery::record::codec::encode_payload;
use chancery::record::{Act, BatchId, EntryKey, Hash, Position, Principal, Reason, Revision, Status};
use chancery::store::disk::RealDisk;
use chancery::store::faulty::{Fault, SimDisk, Survives};
use chancery::store::open::{Archive, ArchiveOptions, open};
use chancery::store::repair::{RepairOptions, repair};
use chancery::store::verify::{Kind, Mode, Report, VerifyOptions, verify};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A word that no other record holds.
const SECRET: &str = "Quoxhilarious";
const CHUNK: u64 = 256;

fn small(data: &Path) -> ArchiveOptions {
    ArchiveOptions {
        chunk_records: CHUNK as u32,
        segment_bytes: 64 << 10,
        ..options(data)
    }
}

fn order(key: &str) -> Order {
    Order {
        entry: EntryKey::new("desk", key).unwrap(),
        revisions: None,
        authority: "the court".into(),
        explanation: String::new(),
        reason: Reason::new("court-order").unwrap(),
        expected_revision: None,
        replacement: None,
        request_id: None,
        principal: Principal::anonymous(),
        validate_only: false,
    }
}

fn erase(log: &Log, order: &Order) -> Result<Ordered, AppendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(log.erase(order))
}

/// Adds 300 records, with a secret at each of these places.
fn grow(archive: &Archive, name: &str, secrets: &[usize]) {
    for n in 0..300 {
        let text = match secrets.contains(&n) {
            true => format!("{SECRET} speaks, item {n}"),
            false => format!("Envoys meet in Geneva, item {n}"),
        };
        let one = draft(&format!("{name}-{n}"), payload(&text, vec![n as u8; n % 70]));
        append(&archive.log, batch(&format!("{name} {n}"), vec![one])).unwrap();
    }
    let full = archive.log.tail().get() / CHUNK * CHUNK;
    wait_for("the sealing", || {
        archive.log.status().sealed.through.get() >= full
    });
    caught_up(&archive.log);
}

fn erased_everywhere(log: &Log) {
    wait_for("the erasure", || log.erasures_pending().is_empty());
    assert_eq!(log.erasure_fault(), None);
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The files that hold a word as it is.
fn holding(data: &Path, word: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(data, &mut all);
    let holds = |path: &PathBuf| contains(&std::fs::read(path).unwrap(), word);
    all.into_iter().filter(holds).collect()
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|part| part == word.as_bytes())
}

/// Every file as it lies on the disk, and whatever is compressed in it, unpacked: none holds the word.
fn is_in_no_file(data: &Path, word: &str) {
    assert_eq!(holding(data, word), Vec::<PathBuf>::new());
    let holds = |bytes: &[u8]| contains(bytes, word);
    let archive = open(small(data)).unwrap();
    for at in 0..archive.log.tail().get() {
        let run = archive.log.fetch_cold(Position::new(at)).unwrap();
        assert!(!holds(run.iter().next().unwrap().payload), "position {at}");
    }
    for number in 0..archive.log.status().sealed.through.get() / CHUNK {
        let chunks = chancery::store::chunk::Chunks::open(chancery::store::chunk::ChunkOptions::new(
            Arc::new(RealDisk),
            data.join("chunks"),
            archive_of(data),
        ));
        let chunks = chunks.unwrap();
        for at in number * CHUNK..(number + 1) * CHUNK {
            let run = chunks.fetch(Position::new(at), Columns::All).unwrap().unwrap();
            assert!(!holds(run.iter().next().unwrap().payload), "sealed position {at}");
        }
    }
}

fn archive_of(data: &Path) -> u64 {
    let said = chancery::store::state::read(&RealDisk, &data.join("state")).unwrap();
    said.archive.unwrap()
}

fn verified(data: &Path) -> Report {
    let options = VerifyOptions {
        data: data.into(),
        disk: Arc::new(RealDisk),
        mode: Mode::Stopped,
        entries: true,
    };
    verify(&options, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn root(log: &Log, size: u64) -> Hash {
    log.root_at(Position::new(size)).unwrap()
}

/// In chunks, in the journal, in sled and in memory.
#[test]
fn an_erased_text_is_in_no_answer_and_in_no_file_and_every_root_stays() {
    let data = tempfile::tempdir().unwrap();
    let archive = open(small(data.path())).unwrap();
    grow(&archive, "a", &[17, 290]);
    // sled writes when it is closed.
    archive.log.close();
    drop(archive);
    let archive = open(small(data.path())).unwrap();
    let tail = archive.log.tail();
    let before = root(&archive.log, 300);
    let held: Vec<_> = everything(&archive.log);
    let holding = holding(data.path(), SECRET);
    let holds = |part: &str| {
        holding
            .iter()
            .any(|path| path.starts_with(data.path().join(part)))
    };
    assert!(holds("journal") && holds("sled"), "{holding:?}");
    for key in ["a-17", "a-290"] {
        let ordered = erase(&archive.log, &order(key)).unwrap();
        assert_eq!(ordered.scope.targets.len(), 1);
        // At once, whatever the disk still holds.
        let entry = EntryKey::new("desk", key).unwrap();
        let state = archive.log.entry(&entry, archive.log.tail()).unwrap().unwrap();
        assert_eq!(state.status(), Status::Erased);
        let run = archive.log.fetch(&ordered.scope.targets, Columns::All).unwrap();
        assert!(run[0].is_erased(ordered.scope.targets[0]));
        assert!(run[0].iter().next().unwrap().payload.is_empty());
    }
    erased_everywhere(&archive.log);
    assert_eq!(root(&archive.log, 300), before);
    // All others are as they were.
    let now = everything(&archive.log);
    for (at, (was, is)) in held.iter().zip(&now).enumerate() {
        let gone = [17, 290].contains(&at);
        assert_eq!(is.payload.is_empty(), gone, "position {at}");
        assert!(gone || was == is, "position {at}");
    }
    // Two ERASEs with an AUDIT beside each, and one AUDIT that says it is done for each.
    assert_eq!(archive.log.tail().get(), tail.get() + 6);
    for position in [tail.get(), tail.get() + 2] {
        let state = archive.log.erasure(Position::new(position)).unwrap().unwrap();
        assert!(state.complete.is_some(), "{state:?}");
    }
    caught_up(&archive.log);
    archive.log.close();
    drop(archive);
    let report = verified(data.path());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.erased, 2);
    is_in_no_file(data.path(), SECRET);
    let archive = open(small(data.path())).unwrap();
    assert!(archive.log.erasures_pending().is_empty(), "it is not done again");
    assert_eq!(everything(&archive.log), now);
    assert_eq!(root(&archive.log, 300), before);
    let again = draft("a-17", payload("The very same again", vec![]));
    let refused = append(&archive.log, batch("again", vec![again])).unwrap_err();
    let AppendError::Refused(broken) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(broken[0].rule, Rule::Erased { .. }), "{broken:?}");
    // What is erased and sealed later is sealed without it.
    grow(&archive, "b", &[]);
    assert_eq!(archive.log.status().sealed.through.get(), 512);
    drop(archive);
    let report = verified(data.path());
    assert!(report.is_sound() && report.erased == 2, "{report:?}");
}

/// Records that were said before an erasure, and whether each is left after it.
fn is_as_it_should(archive: &Simulated, said: &[Kept], secrets: &[usize], story: &str) -> bool {
    assert!(
        archive.closed.is_none() && archive.lost.is_empty(),
        "{story}: {:?}",
        archive.closed
    );
    let now = everything(&archive.log);
    assert!(now.len() >= said.len(), "{story}: {} records", now.len());
    let orders = now.len() > said.len();
    for (at, (was, is)) in said.iter().zip(&now).enumerate() {
        let gone = is.payload.is_empty();
        assert!(
            gone == (orders && secrets.contains(&at)),
            "{story}: position {at}"
        );
        assert!(gone || was == is, "{story}: position {at}");
    }
    orders
}

fn is_on_disk(disk: &SimDisk, archive: &Simulated) -> bool {
    let raw = disk
        .paths()
        .into_iter()
        // A draft may have got its name meanwhile.
        .any(|path| contains(&disk.bytes(&path).unwrap_or_default(), SECRET));
    let sealed = archive.sealing.chunks.sealed().get();
    raw || (0..sealed).any(|at| {
        let run = archive
            .sealing
            .chunks
            .fetch(Position::new(at), Columns::All)
            .unwrap()
            .unwrap();
        contains(run.iter().next().unwrap().payload, SECRET)
    })
}

#[test]
fn wherever_the_power_goes_while_something_is_erased_it_is_gone_in_the_end_and_nothing_else_is() {
    let disk = SimDisk::new();
    let secrets = [11, 20, 270, 299];
    let (archive, said) = filled_with(&disk, &secrets);
    archive.seal();
    let before = root(&archive.log, 300);
    assert!(is_on_disk(&disk, &archive));
    // One order for all four, so that there is one moment from which on they are gone.
    let moment = disk.moment();
    erase_all(&archive.log, &secrets);
    archive.sealing.erase_pending(&archive.log).unwrap();
    assert!(is_as_it_should(&archive, &said, &secrets, "without a cut"));
    assert!(!is_on_disk(&disk, &archive));
    drop(archive);
    let variants = [
        Survives::Nothing,
        Survives::All,
        Survives::Seed(1),
        Survives::Seed(2),
        Survives::Seed(3),
    ];
    let (mut ordered, mut unordered) = (0, 0);
    for moment in moment..=disk.moment() {
        for survives in variants {
            let story = format!("at {moment} {survives:?}");
            let cut = disk.after_cut(moment, survives);
            let archive = open_with_state(&cut);
            if !is_as_it_should(&archive, &said, &secrets, &story) {
                unordered += 1;
                continue;
            }
            ordered += 1;
            archive.sealing.erase_pending(&archive.log).unwrap();
            assert!(archive.log.erasures_pending().is_empty(), "{story}");
            assert!(!is_on_disk(&cut, &archive), "{story}");
            assert!(is_as_it_should(&archive, &said, &secrets, &story), "{story}");
            assert_eq!(root(&archive.log, 300), before, "{story}");
            drop(archive);
            // And it stays so.
            let archive = open_with_state(&cut);
            assert!(archive.log.erasures_pending().is_empty(), "{story}");
            assert!(is_as_it_should(&archive, &said, &secrets, &story), "{story}");
        }
    }
    assert!(
        ordered > 20 && unordered > 0,
        "{ordered} after the order, {unordered} before"
    );
}

/// One batch that erases several entries.
fn erase_all(log: &Log, keys: &[usize]) {
    let erase = |key: &usize| {
        let entry = EntryKey::new("desk", &key.to_string()).unwrap();
        let scope = log.scope(&entry, None).unwrap().unwrap();
        let payload = encode_payload(&scope.statement("the court".into(), String::new()));
        Draft {
            act: Act::Erase,
            erased: Some(scope.erasing),
            ..draft(&key.to_string(), payload)
        }
    };
    let mut all = batch(&format!("erase-{}", keys[0]), keys.iter().map(erase).collect());
    all.door = Door::Admin;
    append(log, all).unwrap();
}

fn filled_with(disk: &SimDisk, secrets: &[usize]) -> (Simulated, Vec<Kept>) {
    let archive = open_with_state(disk);
    let mut said = Vec::new();
    for n in 0..300 {
        let text = if secrets.contains(&n) {
            SECRET
        } else {
            "Envoys meet"
        };
        let one = batch(
            &format!("{n}"),
            vec![draft(&format!("{n}"), payload(text, vec![n as u8; n % 50]))],
        );
        said.extend(kept(&one));
        append(&archive.log, one).unwrap();
    }
    (archive, said)
}

/// Records that are all to be erased, in batches.
fn append_secrets(log: &Log, records: usize) {
    let keys: Vec<usize> = (0..records).collect();
    for (n, keys) in keys.chunks(40).enumerate() {
        let one = |key: &usize| draft(&key.to_string(), payload(SECRET, vec![]));
        append(log, batch(&format!("{n}"), keys.iter().map(one).collect())).unwrap();
    }
}

fn erase_secrets(log: &Log, records: usize) {
    let keys: Vec<usize> = (0..records).collect();
    keys.chunks(40).for_each(|keys| erase_all(log, keys));
}

/// An operator who stops the daemon meanwhile is not told of something that went wrong: the next start does the rest.
#[test]
fn a_stop_while_something_is_erased_is_no_fault() {
    const RECORDS: usize = 2_000;
    let disk = SimDisk::new();
    let archive = open_with_state(&disk);
    append_secrets(&archive.log, RECORDS);
    erase_secrets(&archive.log, RECORDS);
    let begins = disk.moment();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_for("the first write", || disk.moment() > begins);
            archive.log.release();
        });
        archive.sealing.all_due(&archive.log).unwrap();
    });
    assert_eq!(archive.log.erasure_fault(), None);
    drop(archive);
    let archive = open_with_state(&disk);
    archive.sealing.erase_pending(&archive.log).unwrap();
    assert!(archive.log.erasures_pending().is_empty());
    assert!(!is_on_disk(&disk, &archive));
}

/// Whatever the disk refuses, what is erased stays masked, nothing else is lost, and the next attempt does the rest.
#[test]
fn an_erasure_that_a_disk_refuses_is_done_later() {
    let secrets = [20, 270];
    let mut failures = 0;
    for fault in [Fault::Write, Fault::Full, Fault::Sync, Fault::Read] {
        for nth in (0..12).chain([20, 30]) {
            let disk = SimDisk::new();
            let (archive, said) = filled_with(&disk, &secrets);
            archive.seal();
            erase_all(&archive.log, &secrets);
            disk.fail(fault, nth);
            let story = format!("{fault:?} {nth}");
            if archive.sealing.erase_pending(&archive.log).is_err() {
                failures += 1;
                if archive.log.status().closed.is_none() {
                    assert!(is_as_it_should(&archive, &said, &secrets, &story), "{story}");
                    archive.sealing.erase_pending(&archive.log).unwrap();
                }
            }
            disk.fail_no_more();
            drop(archive);
            let archive = open_with_state(&disk);
            archive.sealing.erase_pending(&archive.log).unwrap();
            assert!(is_as_it_should(&archive, &said, &secrets, &story), "{story}");
            assert!(!is_on_disk(&disk, &archive), "{story}");
            drop(archive);
            // Whatever the page cache says: it is so on the platter.
            let cut = disk.after_cut(disk.moment(), Survives::Nothing);
            let archive = open_with_state(&cut);
            assert!(
                is_as_it_should(&archive, &said, &secrets, &story),
                "{story}, after a cut"
            );
            assert!(!is_on_disk(&cut, &archive), "{story}, after a cut");
        }
    }
    assert!(failures > 15, "{failures} failures were met");
}

/// A start writes frames again that nothing covered, and the old ones stay where they were; behind them a crash may have
/// left bytes that are no frame.
#[test]
fn what_crashes_have_left_in_the_journal_is_erased_too() {
    let disk = SimDisk::new();
    let (archive, mut said) = filled_with(&disk, &[7]);
    let secret = batch("last", vec![draft("last", payload(SECRET, vec![1; 30]))]);
    said.extend(kept(&secret));
    append(&archive.log, secret).unwrap();
    let moment = disk.moment();
    drop(archive);
    // Nothing covers the last frame: the power went right after it.
    let disk = disk.after_cut(moment, Survives::Nothing);
    let before: Vec<_> = segments_with(&disk, SECRET);
    let archive = open_with_state(&disk);
    let after: Vec<_> = segments_with(&disk, SECRET);
    assert!(
        after.len() > before.len(),
        "the frame lies in two segments now: {before:?} {after:?}"
    );
    // And bytes of a record that was never whole, behind the frames of the first segment.
    let first = &after[0];
    disk.tamper(first, |bytes| {
        bytes.extend([b"\x01\x02", SECRET.as_bytes()].concat())
    });
    // And a copy of a segment that somebody has put beside it, and a repair whose header is gone.
    let copied = disk.bytes(first).unwrap();
    let beside = Path::new(FOLDER).join("00000040.segment");
    disk.tamper(&beside, |bytes| *bytes = copied);
    let repair = Path::new(FOLDER).join("repair-5.segment");
    let without_header = [vec![1; 5_000], SECRET.into()].concat();
    disk.tamper(&repair, |bytes| *bytes = without_header);
    drop(archive);
    let archive = open_with_state(&disk);
    erase_all(&archive.log, &[7]);
    let scope = archive.log.scope(&EntryKey::new("desk", "last").unwrap(), None);
    let scope = scope.unwrap().unwrap();
    let erase = Draft {
        act: Act::Erase,
        erased: Some(scope.erasing),
        ..draft(
            "last",
            encode_payload(&scope.statement("the court".into(), String::new())),
        )
    };
    let mut one = batch("erase last", vec![erase]);
    one.door = Door::Admin;
    append(&archive.log, one).unwrap();
    archive.sealing.erase_pending(&archive.log).unwrap();
    assert_eq!(segments_with(&disk, SECRET), Vec::<PathBuf>::new());
    drop(archive);
    let archive = open_with_state(&disk);
    assert!(archive.closed.is_none(), "{:?}", archive.closed);
    assert!(is_as_it_should(&archive, &said, &[7, 300], "after a restart"));
}

fn segments_with(disk: &SimDisk, word: &str) -> Vec<PathBuf> {
    let mut paths = disk.paths();
    paths.retain(|path| contains(&disk.bytes(path).unwrap_or_default(), word));
    paths
}

/// No chunk is sealed over an ERASE that is not complete, and appends that wait for a smaller journal are told why.
#[test]
fn an_erasure_that_cannot_be_done_holds_the_sealing_up_and_says_so() {
    let disk = SimDisk::new();
    let (archive, _) = filled_with(&disk, &[270]);
    archive.seal();
    erase_all(&archive.log, &[270]);
    for n in 300..520 {
        append(
            &archive.log,
            batch(
                &format!("{n}"),
                vec![draft(&format!("{n}"), payload("x", vec![]))],
            ),
        )
        .unwrap();
    }
    archive.sealing.seal_due(&archive.log).unwrap();
    assert_eq!(
        archive.log.status().sealed.through.get(),
        256,
        "it waits for the erasure"
    );
    archive.seal();
    assert_eq!(archive.log.status().sealed.through.get(), 512);
    assert!(archive.log.erasures_pending().is_empty());
    assert!(!is_on_disk(&disk, &archive));
}

#[test]
fn a_missing_content_that_no_erase_names_is_found() {
    let (data, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = open(small(data.path())).unwrap();
    grow(&archive, "a", &[17, 290]);
    archive.log.close();
    drop(archive);
    copy_folder(data.path(), copy.path());
    let archive = open(small(data.path())).unwrap();
    erase(&archive.log, &order("a-17")).unwrap();
    erase(&archive.log, &order("a-290")).unwrap();
    erased_everywhere(&archive.log);
    archive.log.close();
    drop(archive);
    let payloads = |data: &Path| data.join("chunks/00000000.payloads");
    let erased = std::fs::read(payloads(data.path())).unwrap();
    let whole = std::fs::read(payloads(copy.path())).unwrap();
    // Somebody cuts content out and calls it erased.
    std::fs::write(payloads(copy.path()), &erased).unwrap();
    let report = verified(copy.path());
    let found: Vec<_> = report
        .findings
        .iter()
        .filter(|found| found.kind == Kind::Erased)
        .collect();
    assert_eq!((found.len(), found[0].from), (1, Some(17)), "{report:?}");
    // Somebody puts content back that was erased.
    std::fs::write(payloads(data.path()), &whole).unwrap();
    let report = verified(data.path());
    let found: Vec<_> = report
        .findings
        .iter()
        .filter(|found| found.kind == Kind::Erased)
        .collect();
    assert_eq!((found.len(), found[0].from), (1, Some(17)), "{report:?}");
    assert!(found[0].what.contains("still in a chunk"), "{report:?}");
    // A start masks it, and takes it out again.
    let archive = open(small(data.path())).unwrap();
    wait_for("the index", || archive.log.status().indexed);
    let run = archive.log.fetch(&[Position::new(17)], Columns::All).unwrap();
    assert!(run[0].is_erased(Position::new(17)));
    erased_everywhere(&archive.log);
    let tail = archive.log.tail();
    archive.log.close();
    drop(archive);
    let report = verified(data.path());
    assert!(report.is_sound() && report.erased == 2, "{report:?}");
    let archive = open(small(data.path())).unwrap();
    assert!(archive.log.erasures_pending().is_empty());
    assert_eq!(archive.log.tail(), tail, "that it is complete was said already");
}

/// sled may hold what has rotted in the journal: nothing is removed before everything was seen to be there.
#[test]
fn an_erasure_does_not_make_damage_final() {
    let data = tempfile::tempdir().unwrap();
    let archive = open(small(data.path())).unwrap();
    grow(&archive, "a", &[270]);
    let journal = data.path().join("journal/00000001.segment");
    let rot = |of: &str| {
        let mut bytes = std::fs::read(&journal).unwrap();
        let at = bytes
            .windows(of.len())
            .position(|part| part == of.as_bytes())
            .unwrap();
        bytes[at] ^= 1;
        std::fs::write(&journal, bytes).unwrap();
    };
    rot("Geneva, item 280");
    erase(&archive.log, &order("a-270")).unwrap();
    wait_for("the attempt", || archive.log.erasure_fault().is_some());
    let fault = archive.log.erasure_fault().unwrap();
    assert!(fault.contains("position 280"), "{fault}");
    assert!(archive.log.fetch(&[Position::new(270)], Columns::All).unwrap()[0].is_erased(Position::new(270)));
    archive.log.close();
    drop(archive);
    // The next start has the damaged record from sled, and does the rest.
    let archive = open(small(data.path())).unwrap();
    assert!(archive.log.status().closed.is_none());
    erased_everywhere(&archive.log);
    let run = archive.log.fetch_cold(Position::new(280)).unwrap();
    assert!(contains(run.iter().next().unwrap().payload, "Geneva, item 280"));
    archive.log.close();
    drop(archive);
    let report = verified(data.path());
    assert!(report.is_sound() && report.erased == 1, "{report:?}");
    is_in_no_file(data.path(), SECRET);
}

/// A chunk with damage elsewhere gives up what the law takes, and the damage stays what it was.
#[test]
fn damage_elsewhere_in_a_chunk_keeps_nothing_that_is_erased() {
    let disk = SimDisk::new();
    let (archive, _) = filled_with(&disk, &[20, 100]);
    archive.seal();
    drop(archive);
    let path = Path::new(CHUNKS).join("00000000.payloads");
    // In the frame of record 100 and in one of no secret, wherever they lie.
    let bytes = disk.bytes(&path).unwrap();
    let at = bytes
        .windows(SECRET.len())
        .rposition(|part| part == SECRET.as_bytes());
    let at = at.expect("a secret lies in the file as it is");
    disk.tamper(&path, |bytes| {
        bytes[at + 2] ^= 1;
        bytes[at + 2_000] ^= 1;
    });
    let archive = open_with_state(&disk);
    let readable = |archive: &Simulated| -> Vec<u64> {
        let is = |at: &u64| {
            archive
                .sealing
                .chunks
                .fetch(Position::new(*at), Columns::All)
                .is_ok()
        };
        (0..CHUNK).filter(is).collect()
    };
    let before = readable(&archive);
    assert!(
        before.len() <= CHUNK as usize - 8,
        "two frames are damaged: {before:?}"
    );
    erase_all(&archive.log, &[20, 100]);
    archive.sealing.erase_pending(&archive.log).unwrap();
    assert_eq!(readable(&archive), before);
    for path in disk.paths() {
        let bytes = disk.bytes(&path).unwrap_or_default();
        assert!(!contains(&bytes, &SECRET[4..]), "{}", path.display());
    }
}

/// The backup is older than the erasure.
#[test]
fn a_repair_brings_back_nothing_that_was_erased() {
    let (data, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = open(small(data.path())).unwrap();
    grow(&archive, "a", &[17, 290]);
    archive.log.close();
    drop(archive);
    copy_folder(data.path(), copy.path());
    let archive = open(small(data.path())).unwrap();
    erase(&archive.log, &order("a-17")).unwrap();
    erased_everywhere(&archive.log);
    archive.log.close();
    drop(archive);
    let path = data.path().join("chunks/00000000.payloads");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[900] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let options = RepairOptions {
        data: data.path().into(),
        good: copy.path().into(),
        disk: Arc::new(RealDisk),
    };
    let repaired = repair(&options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(repaired.report.is_sound(), "{:?}", repaired.report);
    assert_eq!((repaired.mended.len(), repaired.report.erased), (1, 1));
    let archive = open(small(data.path())).unwrap();
    let run = archive.log.fetch_cold(Position::new(17)).unwrap();
    assert!(run.is_erased(Position::new(17)));
    let other = archive.log.fetch_cold(Position::new(16)).unwrap();
    assert!(!other.iter().next().unwrap().payload.is_empty());
}

#[test]
fn a_hold_revisions_that_there_are_not_and_an_empty_replacement_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let archive = open(small(data.path())).unwrap();
    let log = &archive.log;
    append(log, batch("1", vec![draft("k", payload(SECRET, vec![]))])).unwrap();
    let amended = Draft {
        act: Act::Amend,
        expected_revision: Some(Revision::FIRST),
        ..draft("k", payload("Envoys meet", vec![]))
    };
    append(log, batch("2", vec![amended])).unwrap();
    let rule = |order: &Order| match erase(log, order).unwrap_err() {
        AppendError::Refused(mut broken) => broken.remove(0).rule,
        other => panic!("{other:?}"),
    };
    let only = |from, to| Order {
        revisions: Some((Revision::new(from), Revision::new(to))),
        ..order("k")
    };
    for (from, to) in [(0, 1), (3, 4), (2, 2), (2, 1), (1, 4)] {
        assert!(
            matches!(rule(&only(from, to)), Rule::Invalid(_)),
            "{from} up to {to}"
        );
    }
    assert!(matches!(rule(&order("unknown")), Rule::Unknown(_)));
    let same = Order {
        replacement: Some(payload("Envoys meet", vec![])),
        ..order("k")
    };
    assert!(matches!(rule(&same), Rule::Invalid(_)), "what it says now");
    let tail = log.tail();
    let tried = Order {
        validate_only: true,
        ..order("k")
    };
    assert_eq!(erase(log, &tried).unwrap().scope.targets.len(), 2);
    assert_eq!(log.tail(), tail, "a dry run writes nothing");
    // The first revision goes, the second stays, and content needs to say what it amends.
    let first = Order {
        request_id: Some(BatchId::new("first".into()).unwrap()),
        ..only(1, 2)
    };
    let done = erase(log, &first).unwrap();
    assert_eq!(done.scope.targets, [Position::new(0)]);
    let again = erase(log, &first).unwrap();
    assert_eq!(again.appended.receipts, done.appended.receipts, "a retry");
    assert!(matches!(rule(&only(1, 2)), Rule::AlreadySo { .. }));
    let state = log.entry(&order("k").entry, log.tail()).unwrap().unwrap();
    assert_eq!((state.status(), state.partly_erased()), (Status::Current, true));
    // Everything goes, and something comes in its place.
    let replaced = Order {
        replacement: Some(payload("Envoys met", vec![])),
        request_id: Some(BatchId::new("replaced".into()).unwrap()),
        ..order("k")
    };
    let done = erase(log, &replaced).unwrap();
    assert_eq!(done.appended.receipts.len(), 3, "replacement, erasure, audit");
    let again = erase(log, &replaced).unwrap();
    assert_eq!(again.appended.receipts, done.appended.receipts, "a retry");
    let state = log.entry(&order("k").entry, log.tail()).unwrap().unwrap();
    assert_eq!((state.revision().get(), state.status()), (3, Status::Current));
    assert!(state.contents[..2].iter().all(|content| content.erased));
    erased_everywhere(log);
}

/// The daemon has said its tail, and erases something before the check comes to it.
#[test]
fn what_is_erased_while_a_check_is_under_way_is_no_damage() {
    let data = tempfile::tempdir().unwrap();
    let archive = open(small(data.path())).unwrap();
    grow(&archive, "a", &[17, 290]);
    let said = VerifyOptions {
        data: data.path().into(),
        disk: Arc::new(RealDisk),
        mode: Mode::Running {
            signed: None,
            tail: archive.log.tail(),
        },
        entries: true,
    };
    for key in ["a-17", "a-290"] {
        erase(&archive.log, &order(key)).unwrap();
    }
    erased_everywhere(&archive.log);
    let report = verify(&said, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.records, report.erased), (300, 2));
    let report = archive.log.verify(&mut |_| ControlFlow::Continue(())).unwrap();
    assert!(report.is_sound() && report.erased == 2, "{report:?}");
}

/// More than are overwritten between two notes of which they are.
#[test]
fn thousands_of_records_are_erased_step_by_step() {
    const RECORDS: usize = 4_200;
    let disk = SimDisk::new();
    let archive = open_with_state(&disk);
    append_secrets(&archive.log, RECORDS);
    let before = root(&archive.log, RECORDS as u64);
    erase_secrets(&archive.log, RECORDS);
    archive.sealing.erase_pending(&archive.log).unwrap();
    assert!(archive.log.erasures_pending().is_empty());
    assert!(!is_on_disk(&disk, &archive));
    drop(archive);
    let archive = open_with_state(&disk);
    assert!(archive.closed.is_none(), "{:?}", archive.closed);
    let now = everything(&archive.log);
    assert!(now[..RECORDS].iter().all(|record| record.payload.is_empty()));
    assert_eq!(root(&archive.log, RECORDS as u64), before);
}

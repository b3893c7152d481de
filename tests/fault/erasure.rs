//! Erasure: what an ERASE names is gone from every answer at once, and from every file soon, wherever the power goes; nothing
//! else is, and every proof stays.

use crate::archive::*;
use crate::sealing::{Archive as Simulated, open_with_state};
use crate::sim::*;
use chancery::log::erasure::{Order, Ordered};
use chancery::log::store::Shelf;
use chancery::log::{AppendError, Columns, Door, Draft, Log, Rule};
use chancery::record::codec::encode_payload;
use chancery::record::{Act, EntryKey, Hash, Position, Principal, Reason, Status};
use chancery::store::disk::RealDisk;
use chancery::store::faulty::{SimDisk, Survives};
use chancery::store::open::{Archive, ArchiveOptions, open};
use chancery::store::verify::{Mode, Report, VerifyOptions, verify};
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
    let archive = open_with_state(&disk);
    let (mut said, secrets) = (Vec::new(), [11, 20, 270, 299]);
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
    let mut all = batch("erase", keys.iter().map(erase).collect());
    all.door = Door::Admin;
    append(log, all).unwrap();
}

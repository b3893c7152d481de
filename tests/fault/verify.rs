//! A sound archive verifies; every sort of damage is named by its position.

use crate::sim::*;
use bytes::{Bytes, BytesMut};
use chancery::log::open::Fold;
use chancery::log::store::Journal;
use chancery::log::{Run, Slot};
use chancery::record::{Act, Epoch, Kind as EntryKind, Leaf, Position, Recorded, Revision, commitment};
use chancery::store::disk::RealDisk;
use chancery::store::faulty::SimDisk;
use chancery::store::open::{ArchiveOptions, open};
use chancery::store::recover;
use chancery::store::verify::{Kind, Mode, Report, VerifyError, VerifyOptions, verify, verify_journal};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

const SEGMENT_BYTES: u64 = 6 << 10;

fn of(disk: &SimDisk) -> Report {
    verify_journal(disk, Path::new(FOLDER), None, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn written(batches: usize) -> SimDisk {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    for n in 0..batches {
        let drafts = (0..1 + n % 2).map(|m| draft(&format!("{n}-{m}"), payload("x", vec![n as u8; 100])));
        append(&started.log, batch(&format!("{n}"), drafts.collect())).unwrap();
    }
    started.log.close();
    drop(started);
    disk
}

#[test]
fn a_sound_archive_verifies_with_the_root_that_the_log_says() {
    let folder = tempfile::tempdir().unwrap();
    let options = || ArchiveOptions {
        segment_bytes: 64 << 10,
        reserve_bytes: 0,
        ..ArchiveOptions::new(folder.path())
    };
    let archive = open(options()).unwrap();
    for n in 0..40 {
        let drafts = (0..5).map(|m| draft(&format!("{n}-{m}"), payload("x", vec![n as u8; 700])));
        append(&archive.log, batch(&format!("{n}"), drafts.collect())).unwrap();
    }
    let status = archive.log.status();
    let running = VerifyOptions {
        data: folder.path().into(),
        disk: Arc::new(RealDisk),
        mode: Mode::Running {
            signed: None,
            tail: status.tail,
        },
        entries: true,
    };
    let report = verify(&running, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.records, 200);
    let stopped = VerifyOptions {
        mode: Mode::Stopped,
        ..running
    };
    assert!(matches!(
        verify(&stopped, &mut |_| ControlFlow::Continue(())),
        Err(VerifyError::InUse(_))
    ));
    wait_for("the hot log", || archive.log.status().hot_through == status.tail);
    archive.log.close();
    drop(archive);
    let mut bytes = 0;
    let report = verify(&stopped, &mut |progress| {
        bytes = progress.bytes;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.records, report.entries, report.hot_records),
        (200, 200, 200)
    );
    assert_eq!(report.root, status.root.map(hex::encode));
    assert!(report.root.is_some());
    assert_eq!(report.origin.as_deref(), Some(status.origin.as_str()));
    assert!(report.segments > 2 && bytes == 0, "less than a MiB is not told");
    // It changed nothing that a start minds.
    assert_eq!(open(options()).unwrap().log.status().root, status.root);
}

/// The whole of it on a real disk, sealed by its own thread.
#[test]
fn a_sealed_archive_verifies_and_damage_in_a_chunk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let options = || ArchiveOptions {
        segment_bytes: 128 << 10,
        chunk_records: 256,
        ..ArchiveOptions::new(folder.path())
    };
    let archive = open(options()).unwrap();
    for n in 0..140_u64 {
        let drafts = (0..5).map(|m| draft(&format!("{n}-{m}"), payload("x", vec![n as u8; 500])));
        append(&archive.log, batch(&format!("{n}"), drafts.collect())).unwrap();
    }
    wait_for("sealing", || archive.log.status().sealed.through.get() == 512);
    let status = archive.log.status();
    let checked = |mode| {
        let data = folder.path().into();
        let disk = Arc::new(RealDisk);
        let entries = true;
        let options = VerifyOptions {
            data,
            disk,
            mode,
            entries,
        };
        verify(&options, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let report = checked(Mode::Running {
        signed: None,
        tail: status.tail,
    });
    assert!(report.is_sound(), "{report:?}");
    wait_for("the hot log", || archive.log.status().hot_through == status.tail);
    archive.log.close();
    drop(archive);
    let report = checked(Mode::Stopped);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.records, report.entries, report.chunks), (700, 700, 2));
    assert_eq!(
        report.hot_records, 700,
        "what is sealed is held against the hot log too"
    );
    assert_eq!(report.root, status.root.map(hex::encode));

    for (name, lost) in [
        ("00000001.payloads", vec![]),
        ("00000001.leaves", vec![(256, 512)]),
    ] {
        let path = folder.path().join("chunks").join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[40] ^= 1; // In the first frame.
        std::fs::write(&path, &bad).unwrap();
        let report = checked(Mode::Stopped);
        let of_chunk = |finding: &&chancery::store::verify::Finding| finding.kind == Kind::Chunk;
        let found = report.findings.iter().find(of_chunk).unwrap();
        assert_eq!(found.from, Some(256), "{found:?}");
        assert!(found.what.contains(name), "{found:?}");
        assert_eq!(report.lost, lost, "{name}");
        std::fs::write(&path, &good).unwrap();
    }
    assert!(checked(Mode::Stopped).is_sound());
}

#[test]
fn no_archive_is_not_a_sound_archive() {
    let folder = tempfile::tempdir().unwrap();
    let options = VerifyOptions {
        data: folder.path().join("missing"),
        disk: Arc::new(RealDisk),
        mode: Mode::Stopped,
        entries: true,
    };
    assert!(matches!(
        verify(&options, &mut |_| ControlFlow::Continue(())),
        Err(VerifyError::NoArchive(_))
    ));
    assert!(!options.data.exists());
}

#[test]
fn every_flipped_byte_that_is_not_a_zero_is_found() {
    let disk = written(6);
    assert!(of(&disk).is_sound(), "{:?}", of(&disk));
    for path in disk.paths() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = disk.bytes(&path).unwrap();
        for at in (0..bytes.len()).filter(|at| bytes[*at] != 0 && name.ends_with("segment")) {
            let copy = disk.copy();
            copy.tamper(&path, |bytes| bytes[at] ^= 0x20);
            let report = of(&copy);
            let named = report
                .findings
                .iter()
                .any(|finding| finding.file.as_deref() == Some(&name));
            assert!(named, "byte {at} of {name}: {report:?}");
        }
    }
}

#[test]
fn damage_is_named_by_position() {
    let disk = written(6);
    let report = |change: &dyn Fn(&SimDisk)| {
        let copy = disk.copy();
        change(&copy);
        of(&copy)
    };
    let kinds = |report: &Report| -> Vec<(Kind, Option<u64>)> {
        let all = report.findings.iter();
        all.map(|finding| (finding.kind, finding.from)).collect()
    };
    let damaged = report(&|disk| disk.tamper(&segment_path(0), |bytes| bytes[4_096 + 200] ^= 1));
    assert_eq!(kinds(&damaged), [(Kind::Frame, Some(0))]);
    assert_eq!(
        (damaged.lost.clone(), damaged.root),
        (vec![(0, 1)], None),
        "the rest is read all the same"
    );
    assert_eq!(damaged.records, of(&disk).records - 1);
    let missing = report(&|disk| drop(disk.take_away(&segment_path(0))));
    assert_eq!(kinds(&missing)[0], (Kind::Frame, Some(0)));
    let cut = report(&|disk| {
        let last = disk
            .paths()
            .into_iter()
            .rfind(|path| path.to_string_lossy().contains("segment"));
        disk.take_away(&last.unwrap());
    });
    assert_eq!(kinds(&cut).last().unwrap().0, Kind::Cut);
    let swapped = report(&|disk| {
        let (a, b) = (
            disk.take_away(&segment_path(0)).unwrap(),
            disk.take_away(&segment_path(1)).unwrap(),
        );
        disk.tamper(&segment_path(0), |bytes| *bytes = b);
        disk.tamper(&segment_path(1), |bytes| *bytes = a);
    });
    assert!(swapped.findings.iter().all(|finding| finding.kind == Kind::Name) && !swapped.is_sound());
    let copied = report(&|disk| {
        let bytes = disk.bytes(&segment_path(0)).unwrap();
        disk.tamper(&segment_path(77), |copy| *copy = bytes);
    });
    assert_eq!(kinds(&copied), [(Kind::Foreign, None)]);
}

#[test]
fn what_a_crash_left_behind_the_frames_is_possibly_acknowledged() {
    let disk = SimDisk::new();
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    append(
        &started.log,
        batch("a", vec![draft("a", payload("x", vec![1; 50]))]),
    )
    .unwrap();
    drop(started);
    let path = segment_path(0);
    let end = disk
        .bytes(&path)
        .unwrap()
        .iter()
        .rposition(|byte| *byte != 0)
        .unwrap();
    disk.tamper(&path, |bytes| bytes[end + 100] = 1);
    let report = of(&disk);
    assert_eq!(report.findings[0].kind, Kind::PossiblyAcknowledged, "{report:?}");
    assert_eq!(report.findings[0].from, Some(1));
    // The next start goes on elsewhere and leaves the evidence where it is.
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    assert_eq!(started.cut.len(), 1);
    append(
        &started.log,
        batch("b", vec![draft("b", payload("x", vec![1; 50]))]),
    )
    .unwrap();
    started.log.close();
    drop(started);
    let report = of(&disk);
    let kinds: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::PossiblyAcknowledged], "{report:?}");
    assert_eq!((report.findings[0].from, report.records), (Some(1), 2));
}

fn leaf<'a>(key: &'a str, payload: &[u8], salt: &[u8; 32]) -> Leaf<'a> {
    Leaf {
        act: Act::Create,
        kind: EntryKind::Event,
        series: "desk",
        key,
        revision: Revision::FIRST,
        previous: None,
        recorded: Recorded::from_nanos(1_000),
        batch_id: b"batch",
        batch_index: 0,
        batch_count: 1,
        principal: "anonymous",
        epoch: Epoch::default(),
        reason: "",
        relation: None,
        erased: None,
        payload_size: payload.len() as u64,
        commitment: commitment(salt, payload),
    }
}

/// A journal of two records as a program with a mistake would write them: the second leaf is changed.
fn mistaken(change: impl FnOnce(&mut Leaf<'_>)) -> Report {
    let disk = SimDisk::new();
    let recovered = recover::recover(
        &(Arc::new(disk.clone()) as _),
        &journal(SEGMENT_BYTES),
        &mut Fold::default(),
    );
    let mut writer = recovered.unwrap().writer.unwrap();
    let (salt, payload) = ([7; 32], b"payload".to_vec());
    let first = leaf("one", &payload, &salt);
    let mut second = Leaf {
        key: "two",
        batch_id: b"batch two",
        recorded: Recorded::from_nanos(2_000),
        ..first
    };
    change(&mut second);
    for (at, leaf) in [first, second].iter().enumerate() {
        let mut bytes = BytesMut::new();
        leaf.encode(&mut bytes);
        let slot = Slot {
            leaf_end: bytes.len() as u32,
            payload_end: payload.len() as u32,
            erased: false,
        };
        let first = Position::new(at as u64);
        let (salts, payloads) = (Bytes::from(salt.to_vec()), Bytes::from(payload.clone()));
        let run = Run::new(first, vec![slot], bytes.freeze(), salts, payloads).unwrap();
        writer.commit(&run, first).unwrap();
    }
    drop(writer);
    of(&disk)
}

#[test]
fn records_that_break_a_rule_of_the_log_are_named() {
    assert!(mistaken(|_| {}).is_sound(), "{:?}", mistaken(|_| {}));
    let kinds = |report: Report| -> Vec<Kind> {
        assert!(
            report
                .findings
                .iter()
                .all(|finding| matches!(finding.from, Some(1 | 2))),
            "{report:?}"
        );
        report.findings.iter().map(|finding| finding.kind).collect()
    };
    assert_eq!(
        kinds(mistaken(|leaf| leaf.commitment[0] ^= 1)),
        [Kind::Commitment]
    );
    assert_eq!(kinds(mistaken(|leaf| leaf.payload_size += 1)), [Kind::Commitment]);
    assert_eq!(
        kinds(mistaken(|leaf| leaf.revision = Revision::new(2))),
        [Kind::Revision]
    );
    assert_eq!(
        kinds(mistaken(|leaf| leaf.previous = Some(Position::START))),
        [Kind::Previous]
    );
    assert_eq!(
        kinds(mistaken(|leaf| leaf.recorded = Recorded::from_nanos(1))),
        [Kind::Recorded]
    );
    assert_eq!(kinds(mistaken(|leaf| leaf.batch_index = 1)), [Kind::Batch]);
    assert_eq!(kinds(mistaken(|leaf| leaf.batch_count = 2)), [Kind::Batch]);
    let twice = mistaken(|leaf| leaf.key = "one");
    assert_eq!(kinds(twice), [Kind::Previous, Kind::Revision]);
}

#[test]
fn a_segment_begun_after_the_daemon_said_its_tail_is_not_looked_at() {
    let disk = written(6);
    let segments = |disk: &SimDisk| {
        let paths = disk.paths().into_iter();
        paths
            .filter(|path| path.to_string_lossy().ends_with("segment"))
            .count() as u64
    };
    let mut told = None;
    let started = start(&disk, &journal(SEGMENT_BYTES)).unwrap();
    let before = segments(&disk);
    for n in 0.. {
        let tail = started.log.tail();
        append(
            &started.log,
            batch(
                &format!("more {n}"),
                vec![draft(&format!("more {n}"), payload("x", vec![1; 400]))],
            ),
        )
        .unwrap();
        if segments(&disk) > before {
            told = Some(tail);
            break;
        }
    }
    // Its first frame is just being written.
    let newest = segment_path(segments(&disk) - 1);
    for at in [0, 4_096 + 100] {
        let copy = disk.copy();
        copy.tamper(&newest, |bytes| bytes[at] ^= 1);
        let report =
            verify_journal(&copy, Path::new(FOLDER), told, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.tail, told.unwrap().get());
    }
    let empty = verify_journal(&disk, Path::new(FOLDER), Some(Position::START), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(empty.is_sound() && empty.records == 0, "{empty:?}");
}

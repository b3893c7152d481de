//! The fuzz targets on samples that were changed a little, so that they are run, and stay right, without a fuzzer.

mod targets;

use chancery::merkle::receipt::Receipt;
use chancery::merkle::tile::{push_entry, push_payload};
use chancery::merkle::tlog_proof::TlogProof;
use chancery::merkle::{Certificate, Checkpoint, SigningKey, empty_root};
use chancery::record::codec::{Content, Exact, encode_content};
use chancery::record::{EntryKey, Position, Recorded, Revision};
use chancery::store::disk::RealDisk;
use chancery::store::state::State;
use std::sync::Arc;
use targets::TARGETS;

/// How often each sample is changed.
const CHANGES: u64 = 1_500;

/// A text that every rule of suggestions finds something in.
const DISPATCH: &str = "Bajwa in Tehran\nArmy chief Gen. Qamar Javed Bajwa, the head of Pakistan\u{2019}s army, met Xi Jinping in Geneva on \
    Friday, 3 May 2012. \u{201c}We will meet last month,\u{201d} the foreign minister, Shah Mahmood Qureshi, said. The Iranian \
    Foreign Ministry and the UN will sign on Monday.";

/// Something valid of every kind.
fn samples() -> Vec<Vec<u8>> {
    let key = SigningKey::new("example.org/archive", &[9; 32]).unwrap();
    let checkpoint = Checkpoint {
        origin: "example.org/archive".into(),
        size: 3,
        root: empty_root(),
    };
    let note = checkpoint.sign(&key).unwrap().to_string();
    let proof = TlogProof {
        extra: None,
        position: 1,
        path: vec![[1; 32], [2; 32]],
        checkpoint: note.clone(),
    };
    let payload = encode_content(Content {
        title: "Talks in Geneva".into(),
        ..Content::default()
    });
    let exact = Exact {
        leaf: vec![8, 1, 16, 1, 24, 2].into(),
        payload: payload.clone(),
        salt: vec![7; 32].into(),
    };
    let mut bundle = Vec::new();
    push_entry(&mut bundle, b"a leaf").unwrap();
    push_payload(&mut bundle, &[7; 32], &payload);
    let json = include_str!("../fixtures/records.jsonl").lines().next().unwrap();
    vec![
        key.verifier().to_string().into_bytes(),
        note.into_bytes(),
        checkpoint.text().into_bytes(),
        certificate().text().into_bytes(),
        proof.to_string().into_bytes(),
        Receipt::new(proof, exact).to_text().into_bytes(),
        b"tile/0/x001/x234/067.p/9".to_vec(),
        bundle,
        payload.to_vec(),
        json.as_bytes().to_vec(),
        b"dyad = PAK-IRN AND (title : \"counter terror*\" OR occurred >= 1939-05~)".to_vec(),
        DISPATCH.as_bytes().to_vec(),
        b"CHFR".iter().chain(&[0; 120]).copied().collect(),
        state(),
        b"CHLEAF01".iter().chain(&[0; 120]).copied().collect(),
        b"CHLEAF02".iter().chain(&[0; 120]).copied().collect(),
    ]
}

fn certificate() -> Certificate {
    Certificate {
        origin: "example.org/archive".into(),
        entry: EntryKey::new("desk", "a/b").unwrap(),
        erase: Position::new(12),
        recorded: Recorded::from_nanos(1),
        revisions: (Revision::FIRST, Revision::new(3)),
        records: 2,
        copy: "primary".into(),
        complete: Recorded::from_nanos(2),
        audit: Position::new(14),
    }
}

fn state() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(Arc::new(RealDisk), folder.path()).unwrap();
    state.keep_archive(7).unwrap();
    state.name("example.org/archive", &[9; 32]).unwrap();
    std::fs::read(folder.path().join("journal.1")).unwrap()
}

/// A small generator: the same changes in each run.
struct Changes(u64);

impl Changes {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// One to four small changes: a bit, a byte, a cut, something doubled or put in.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = [0, 0x7f, 0xff, b'\n', b' ', b'0'][self.below(6)],
                2 => bytes.truncate(at),
                3 if !bytes.is_empty() => drop(bytes.remove(at)),
                4 => bytes.insert(at, self.below(256) as u8),
                _ => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let again = bytes[at.min(end)..end].to_vec();
                    bytes.splice(at.min(end)..at.min(end), again);
                }
            }
        }
    }
}

#[test]
fn no_changed_sample_makes_a_parser_panic() {
    let samples = samples();
    for (name, target) in TARGETS {
        target(&[]);
        for (number, sample) in samples.iter().enumerate() {
            target(sample);
            let mut changes = Changes(0x9e37_79b9_7f4a_7c15 ^ number as u64);
            for round in 0..CHANGES {
                let mut changed = sample.clone();
                changes.change(&mut changed);
                let run = std::panic::catch_unwind(|| target(&changed));
                assert!(
                    run.is_ok(),
                    "{name}, sample {number}, round {round}: {}",
                    hex::encode(&changed)
                );
            }
        }
    }
}

/// A target that nobody gives to the fuzzer would be forgotten.
#[test]
fn every_target_has_its_file_for_the_fuzzer() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
    let manifest = include_str!("../../fuzz/Cargo.toml");
    for (name, _) in TARGETS {
        let path = format!("{folder}/{name}.rs");
        assert!(std::path::Path::new(&path).is_file(), "{name} has no file");
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not in the manifest"
        );
    }
}

//! Every parser of bytes that come from elsewhere, each as a function that must neither panic nor run long.
//!
//! [`fuzz/`](../../fuzz) gives them to libFuzzer; the test beside this file gives them changed samples on every run. A target
//! that reads something back also holds it against what was read.

use chancery::filter::Filter;
use chancery::merkle::note::Note;
use chancery::merkle::receipt::Receipt;
use chancery::merkle::tile::{Tile, entries, payloads};
use chancery::merkle::tlog_proof::TlogProof;
use chancery::merkle::{Certificate, Checkpoint, SigningKey, VerifierKey};
use chancery::record::codec::{check_payload, decode_exact, decode_payload};
use chancery::record::date::DaySpan;
use chancery::record::json::Input;
use chancery::record::{Leaf, Position};
use chancery::store::chunk::{ChunkOptions, Chunks};
use chancery::store::disk::Disk;
use chancery::store::faulty::SimDisk;
use chancery::store::{frame, state};
use chancery::suggest::drafts::{DRAFTS_MAX, drafts};
use chancery::suggest::{Document, Part, SUGGESTIONS_MAX, Suggested, suggest};
use std::path::{Path, PathBuf};
use std::str::from_utf8;
use std::sync::Arc;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("verifier_key", verifier_key),
    ("note", note),
    ("checkpoint", checkpoint),
    ("certificate", certificate),
    ("tlog_proof", tlog_proof),
    ("receipt", receipt),
    ("tile_path", tile_path),
    ("tile_bundles", tile_bundles),
    ("leaf", leaf),
    ("payload", payload),
    ("json_record", json_record),
    ("filter", filter),
    ("suggest", suggestions),
    ("frame", journal_frame),
    ("state_journal", state_journal),
    ("chunk", chunk),
];

/// A verifier key prints as it was read.
pub fn verifier_key(bytes: &[u8]) {
    if let Some(key) = from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse::<VerifierKey>().ok())
    {
        assert_eq!(key.to_string().as_bytes(), bytes);
    }
}

/// A signed note prints as it was read.
pub fn note(bytes: &[u8]) {
    if let Some(note) = from_utf8(bytes).ok().and_then(|text| text.parse::<Note>().ok()) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
}

/// A certificate of any text that its archive might have signed.
pub fn certificate(bytes: &[u8]) {
    let key = SigningKey::new("example.org/archive", &[9; 32]).expect("the name is one of a key");
    let note = from_utf8(bytes).ok().and_then(|text| Note::new(text).ok());
    let signed = note.map(|note| note.signed(&key).to_string());
    if let Some(read) = signed.and_then(|note| Certificate::open(&note, key.verifier()).ok()) {
        assert_eq!(read.text().as_bytes(), bytes);
    }
}

/// A checkpoint's text.
pub fn checkpoint(bytes: &[u8]) {
    if let Some(checkpoint) = from_utf8(bytes)
        .ok()
        .and_then(|text| Checkpoint::of_text(text).ok())
    {
        assert!(bytes.starts_with(checkpoint.text().as_bytes()));
    }
}

/// A proof prints as it was read.
pub fn tlog_proof(bytes: &[u8]) {
    if let Some(proof) = from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse::<TlogProof>().ok())
    {
        assert_eq!(proof.to_string().as_bytes(), bytes);
    }
}

/// A receipt.
pub fn receipt(bytes: &[u8]) {
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    if let Some(receipt) = from_utf8(bytes).ok().and_then(|text| Receipt::of_text(text).ok()) {
        let _ = receipt.leaf();
        let verified = key.parse().map(|key: VerifierKey| receipt.verify(&key).is_ok());
        assert_ne!(verified, Ok(true), "nobody has that key");
    }
}

/// A path of the tlog-tiles layout prints as it was read.
pub fn tile_path(bytes: &[u8]) {
    if let Some(tile) = from_utf8(bytes).ok().and_then(|text| text.parse::<Tile>().ok()) {
        assert_eq!(tile.to_string().as_bytes(), bytes);
        tile.is_within(u64::MAX);
    }
}

/// Bundles of leaves and of payloads.
pub fn tile_bundles(bytes: &[u8]) {
    assert!(entries(bytes).count() <= bytes.len());
    assert!(payloads(bytes).count() <= bytes.len());
}

/// A leaf is encoded as it was read.
pub fn leaf(bytes: &[u8]) {
    if let Ok(leaf) = Leaf::decode(bytes) {
        let mut again = Vec::new();
        leaf.encode(&mut again);
        assert_eq!(again, bytes);
    }
    let _ = decode_exact(bytes);
}

/// A payload that passes the check can be decoded.
pub fn payload(bytes: &[u8]) {
    if check_payload(bytes).is_ok() {
        assert!(decode_payload(bytes).is_ok());
    }
}

/// The JSON form of a record.
pub fn json_record(bytes: &[u8]) {
    if let Ok(text) = from_utf8(bytes) {
        let _ = Input::parse(text);
    }
}

/// A filter's canonical form means the same.
pub fn filter(bytes: &[u8]) {
    if let Some(filter) = from_utf8(bytes).ok().and_then(|text| Filter::parse(text).ok()) {
        let again = Filter::parse(filter.canonical());
        assert_eq!(again.map(|again| again.sha256()).ok(), Some(filter.sha256()));
    }
}

/// What a text suggests lies in it, is bounded, and is drafted; its first line is the title.
pub fn suggestions(bytes: &[u8]) {
    let Ok(text) = from_utf8(bytes) else {
        return;
    };
    let (title, text) = text.split_once('\n').unwrap_or(("", text));
    let document = Document {
        title,
        text,
        reported: Some(i32::from(bytes.first().copied().unwrap_or(0)) * 70),
    };
    let found = suggest(document);
    assert!(found.len() <= SUGGESTIONS_MAX);
    for one in &found {
        let whole = if one.part == Part::Title { title } else { text };
        assert!(
            whole
                .get(one.range.clone())
                .is_some_and(|words| !words.is_empty())
        );
        if let Suggested::Day(day) = &one.what {
            assert!(DaySpan::of(day).is_ok(), "{day}");
        }
    }
    assert!((1..=DRAFTS_MAX).contains(&drafts(&document, &found).len()));
}

/// A frame of the journal.
pub fn journal_frame(bytes: &[u8]) {
    let _ = frame::decode(&bytes::Bytes::copy_from_slice(bytes));
    let _ = frame::decode_head(bytes);
}

/// A copy of the state journal beside one that is missing.
pub fn state_journal(bytes: &[u8]) {
    let disk = SimDisk::new();
    write(&disk, "state/journal.1", bytes);
    let _ = state::read(&disk, Path::new("state"));
}

/// A chunk whose two files hold these bytes.
pub fn chunk(bytes: &[u8]) {
    let disk = SimDisk::new();
    write(&disk, "chunks/00000000.leaves", bytes);
    write(&disk, "chunks/00000000.payloads", bytes);
    let options = ChunkOptions::new(Arc::new(disk), PathBuf::from("chunks"), 7);
    if let Ok(chunks) = Chunks::open(options) {
        let _ = chunks.outlines().count();
        let _ = chunks.many(&[Position::START], chancery::log::Columns::All, usize::MAX);
        let _ = chunks.verify(0, |_, _, _| {});
    }
}

fn write(disk: &SimDisk, path: &str, bytes: &[u8]) {
    let file = disk.create(Path::new(path));
    // A disk in memory has room.
    let written = file.and_then(|file| file.write_all_at(bytes, 0));
    assert!(written.is_ok());
}

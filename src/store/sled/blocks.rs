//! How a run is cut into blocks, and how a block's parts are named.

use super::super::frame;
use super::{RECORD_BYTES_MAX, VALUE_BYTES_MAX};
use crate::log::Run;
use crate::record::Position;
use std::path::Path;

/// The key of one part of a block.
pub fn key(position: Position, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&position.get().to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

/// The first position and the part that a key names.
pub fn key_parts(key: &[u8]) -> Option<(Position, u16)> {
    let (position, part) = key.split_first_chunk::<8>()?;
    let part = part.first_chunk::<2>()?;
    Some((
        Position::new(u64::from_be_bytes(*position)),
        u16::from_be_bytes(*part),
    ))
}

/// Cuts a run into blocks that fit one value where their records do; records too large for sled are left out.
pub fn blocks(run: &Run) -> Vec<Run> {
    let mut blocks = Vec::new();
    let mut start = run.first();
    let mut bytes = frame::encoded_len(0, 0, 0);
    for record in run.iter() {
        let one =
            frame::encoded_len(1, record.leaf.len(), record.payload.len()) - frame::encoded_len(0, 0, 0);
        let too_large = one > RECORD_BYTES_MAX;
        if (bytes + one > VALUE_BYTES_MAX || too_large) && record.position > start {
            blocks.push(run.slice(start, record.position));
            start = record.position;
            bytes = frame::encoded_len(0, 0, 0);
        }
        bytes += one;
        if too_large {
            start = record.position.next();
            bytes = frame::encoded_len(0, 0, 0);
        }
    }
    if start < run.end() {
        blocks.push(run.slice(start, run.end()));
    }
    blocks
}

/// The bytes of all files below a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(items) = std::fs::read_dir(folder) else {
        return 0;
    };
    items
        .filter_map(Result::ok)
        .map(|item| match item.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&item.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

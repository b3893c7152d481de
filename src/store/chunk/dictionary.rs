//! Compressing a few records together, with a numbered dictionary.
//!
//! LZ4 blocks, because reading matters most: Zstandard makes payloads a fifth to a third smaller and takes three times as
//! long to unpack them, and a whole log that is read would wait for that. A few records alone have little in common that a
//! compressor could use; a dictionary says beforehand what records look like. It is text of what it was trained on, so that
//! it is made of published and invented records only, never of an archive's own (see `data/dictionaries/`). A number once
//! given means the same bytes for ever: files name it.

use super::lz4::{Dictionary, Encoder};
use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use std::sync::OnceLock;

/// The dictionary that payloads of new files are written with.
pub const PAYLOADS: u32 = 2;
/// The dictionary that leaves of new files are written with.
pub const LEAVES: u32 = 3;

/// By their numbers. Without the first: the leaves of files of the first format.
static ALL: [&[u8]; 4] = [
    &[],
    include_bytes!("../../../data/dictionaries/1.dict"),
    include_bytes!("../../../data/dictionaries/2.dict"),
    include_bytes!("../../../data/dictionaries/3.dict"),
];

fn unknown(number: u32) -> String {
    format!("it needs dictionary {number}, which this program does not have")
}

/// The bytes of a dictionary.
///
/// # Errors
/// A number that this program does not know.
fn bytes(number: u32) -> Result<&'static [u8], String> {
    ALL.get(number as usize).copied().ok_or_else(|| unknown(number))
}

/// A dictionary as the encoder wants it, indexed when it is wanted first.
///
/// # Errors
/// A number that this program does not know.
fn indexed(number: u32) -> Result<&'static Dictionary, String> {
    static INDEXED: [OnceLock<Dictionary>; ALL.len()] = [const { OnceLock::new() }; ALL.len()];
    let (bytes, indexed) = (bytes(number)?, INDEXED.get(number as usize));
    let indexed = indexed.ok_or_else(|| unknown(number))?;
    Ok(indexed.get_or_init(|| Dictionary::new(bytes)))
}

/// The compressed bytes.
///
/// # Errors
/// A number that this program does not know.
pub fn pack(number: u32, raw: &[u8], encoder: &mut Encoder) -> Result<Vec<u8>, String> {
    Ok(encoder.encode(raw, indexed(number)?))
}

/// Unpacks bytes into exactly as many as `raw` has room for.
///
/// # Errors
/// What is wrong where they are others.
pub fn unpack(number: u32, packed: &[u8], raw: &mut [u8]) -> Result<(), String> {
    let unpacked = match bytes(number)? {
        [] => decompress_into(packed, raw),
        dictionary => decompress_into_with_dict(packed, raw, dictionary),
    };
    match unpacked {
        Ok(length) if length == raw.len() => Ok(()),
        Ok(length) => Err(format!("it unpacks to {length} bytes, {} were packed", raw.len())),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// Files that were written with a dictionary can only be read with its very bytes.
    #[test]
    fn a_dictionary_that_has_a_number_never_changes() {
        let hashes = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "2d2f616e19d9fc24cf33801f91b73f34b0581a49523a69ca917a5df6158fb42d",
            "553ea5902b46b751388bf762165f4b9de960f637982ce845c21cd74eac0ee111",
            "4cc42045d650cbc639eb9436507fab6284463815f905ab1108bbddc8ce465fe6",
        ];
        assert_eq!(ALL.map(|bytes| hex::encode(Sha256::digest(bytes))), hashes);
    }

    #[test]
    fn what_was_packed_unpacks_and_an_unknown_dictionary_is_named() {
        let raw = b"Envoys of both sides meet in Geneva. ".repeat(9);
        let mut encoder = Encoder::default();
        for number in 0..ALL.len() as u32 {
            let packed = pack(number, &raw, &mut encoder).unwrap();
            let mut back = vec![0; raw.len()];
            unpack(number, &packed, &mut back).unwrap();
            assert_eq!(back, raw);
            assert!(unpack(number, &packed, &mut back[1..]).is_err());
            let errors = [
                unpack(9, &packed, &mut back),
                pack(9, &raw, &mut encoder).map(drop),
            ];
            for error in errors {
                let error = error.unwrap_err();
                assert!(error.contains("dictionary 9"), "{error}");
            }
        }
    }
}

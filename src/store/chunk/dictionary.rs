//! Compressing a few records together, with a numbered dictionary.
//!
//! LZ4 blocks, because reading matters most: Zstandard makes payloads a fifth to a third smaller and takes three times as
//! long to unpack them, and a whole log that is read would wait for that. A few payloads alone have little in common that a
//! compressor could use; a dictionary says beforehand what records look like. It is text of what it was trained on, so that
//! it is made of published and invented records only, never of an archive's own (see `data/dictionaries/`). A number once
//! given means the same bytes for ever: files name it.

use lz4_flex::block::{compress, compress_with_dict, decompress_into, decompress_into_with_dict};

/// No dictionary: for leaves, of which enough lie together.
pub const NONE: u32 = 0;
/// The dictionary that payloads of new files are written with.
pub const CURRENT: u32 = 1;

static FIRST: &[u8] = include_bytes!("../../../data/dictionaries/1.dict");

/// The bytes of a dictionary, none of [`NONE`].
///
/// # Errors
/// A number that this program does not know.
fn bytes(number: u32) -> Result<&'static [u8], String> {
    match number {
        NONE => Ok(&[]),
        1 => Ok(FIRST),
        _ => Err(format!(
            "it needs dictionary {number}, which this program does not have"
        )),
    }
}

/// The compressed bytes.
///
/// # Errors
/// A number that this program does not know.
pub fn pack(number: u32, raw: &[u8]) -> Result<Vec<u8>, String> {
    Ok(match bytes(number)? {
        [] => compress(raw),
        dictionary => compress_with_dict(raw, dictionary),
    })
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
        let one = "2d2f616e19d9fc24cf33801f91b73f34b0581a49523a69ca917a5df6158fb42d";
        assert_eq!(hex::encode(Sha256::digest(FIRST)), one);
    }

    #[test]
    fn what_was_packed_unpacks_and_an_unknown_dictionary_is_named() {
        let raw = b"Envoys of both sides meet in Geneva. ".repeat(9);
        let packed = pack(CURRENT, &raw).unwrap();
        let mut back = vec![0; raw.len()];
        unpack(CURRENT, &packed, &mut back).unwrap();
        assert_eq!(back, raw);
        let error = unpack(9, &packed, &mut back).unwrap_err();
        assert!(error.contains("dictionary 9"), "{error}");
        assert!(unpack(CURRENT, &packed, &mut back[1..]).is_err());
    }
}

//! The numbered dictionaries that frames are compressed with.
//!
//! A few payloads alone have little in common that a compressor could use; a dictionary says beforehand what records look
//! like. It is text of what it was trained on, so that it is made of published and invented records only, never of an
//! archive's own (see `data/dictionaries/`). A number once given means the same bytes for ever: files name it.

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// The dictionary that new files are written with.
pub const CURRENT: u32 = 1;
/// Level 1: level 3 saves 2 to 4 % for half as much time again.
const LEVEL: i32 = 1;

static FIRST: &[u8] = include_bytes!("../../../data/dictionaries/1.zdict");

/// What unpacks files of a dictionary; `None` for a number that this program does not know.
fn decoder(number: u32) -> Option<&'static DecoderDictionary<'static>> {
    static NONE: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(&[]));
    static ONE: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(FIRST));
    match number {
        0 => Some(&NONE),
        1 => Some(&ONE),
        _ => None,
    }
}

/// Compresses frames with the current dictionary.
pub struct Packer(Compressor<'static>);

impl Packer {
    /// A compressor for new files.
    ///
    /// # Errors
    /// What the compressor says where it has no memory.
    pub fn new() -> io::Result<Self> {
        static ENCODER: LazyLock<EncoderDictionary<'static>> =
            LazyLock::new(|| EncoderDictionary::copy(FIRST, LEVEL));
        let mut compressor = Compressor::with_prepared_dictionary(&ENCODER)?;
        // The frame's row in the table and the file's header have all of it.
        compressor.include_checksum(false)?;
        compressor.include_contentsize(false)?;
        compressor.include_dictid(false)?;
        Ok(Self(compressor))
    }

    /// The compressed bytes.
    ///
    /// # Errors
    /// What the compressor says.
    pub fn pack(&mut self, raw: &[u8]) -> io::Result<Vec<u8>> {
        self.0.compress(raw)
    }
}

/// Unpacks bytes into exactly as many as `raw` has room for.
///
/// # Errors
/// What is wrong where they are others.
pub fn unpack(number: u32, packed: &[u8], raw: &mut [u8]) -> Result<(), String> {
    thread_local! {
        /// One for each thread that reads and each dictionary: they are large.
        static UNPACKERS: RefCell<Vec<(u32, Decompressor<'static>)>> = const { RefCell::new(Vec::new()) };
    }
    UNPACKERS.with_borrow_mut(|unpackers| {
        let at = match unpackers.iter().position(|(of, _)| *of == number) {
            Some(at) => at,
            None => {
                let unknown = || format!("it needs dictionary {number}, which this program does not have");
                let decoder = decoder(number).ok_or_else(unknown)?;
                let made =
                    Decompressor::with_prepared_dictionary(decoder).map_err(|error| error.to_string())?;
                unpackers.push((number, made));
                unpackers.len() - 1
            }
        };
        let length = unpackers[at]
            .1
            .decompress_to_buffer(packed, raw)
            .map_err(|error| error.to_string())?;
        if length == raw.len() {
            Ok(())
        } else {
            Err(format!("it unpacks to {length} bytes, {} were packed", raw.len()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// Files that were written with a dictionary can only be read with its very bytes.
    #[test]
    fn a_dictionary_that_has_a_number_never_changes() {
        let one = "1dc1c44c1531e6aeadf5aa200c4990a69277eb64c13aa95e4fc3ef61b818800b";
        assert_eq!(hex::encode(Sha256::digest(FIRST)), one);
    }

    #[test]
    fn what_was_packed_unpacks_and_an_unknown_dictionary_is_named() {
        let raw = b"Envoys of both sides meet in Geneva. ".repeat(9);
        let packed = Packer::new().unwrap().pack(&raw).unwrap();
        let mut back = vec![0; raw.len()];
        unpack(CURRENT, &packed, &mut back).unwrap();
        assert_eq!(back, raw);
        let error = unpack(9, &packed, &mut back).unwrap_err();
        assert!(error.contains("dictionary 9"), "{error}");
        assert!(unpack(CURRENT, &packed, &mut back[1..]).is_err());
    }
}

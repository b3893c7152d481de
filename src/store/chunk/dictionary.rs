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
pub const CURRENT: u32 = 0;
/// Level 1: level 3 saves 2 to 4 % for half as much time again.
const LEVEL: i32 = 1;

/// The bytes of a dictionary; none for 0, `None` for a number that this program does not know.
fn bytes(number: u32) -> Option<&'static [u8]> {
    match number {
        0 => Some(&[]),
        _ => None,
    }
}

/// Whether this program has the dictionary.
pub fn is_known(number: u32) -> bool {
    bytes(number).is_some()
}

static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(bytes(CURRENT).unwrap_or_default()));

/// Compresses frames with one dictionary.
pub struct Packer(Compressor<'static>);

impl Packer {
    /// A compressor for new files.
    ///
    /// # Errors
    /// What the compressor says where it has no memory.
    pub fn new() -> io::Result<Self> {
        static ENCODER: LazyLock<EncoderDictionary<'static>> =
            LazyLock::new(|| EncoderDictionary::copy(bytes(CURRENT).unwrap_or_default(), LEVEL));
        let mut compressor = Compressor::with_prepared_dictionary(&ENCODER)?;
        // Both are in the row of the frame's table.
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

/// Unpacks bytes into exactly as many as `raw` has room for; says what is wrong where they are others.
///
/// # Errors
/// What the decompressor says.
pub fn unpack(number: u32, packed: &[u8], raw: &mut [u8]) -> Result<(), String> {
    thread_local! {
        /// One for each thread that reads: it is large.
        static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    if number != CURRENT {
        return Err(format!(
            "it needs dictionary {number}, which this program does not have"
        ));
    }
    UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(unpacker) => unpacker,
            None => {
                let made =
                    Decompressor::with_prepared_dictionary(&DECODER).map_err(|error| error.to_string())?;
                unpacker.insert(made)
            }
        };
        let length = unpacker
            .decompress_to_buffer(packed, raw)
            .map_err(|error| error.to_string())?;
        if length == raw.len() {
            Ok(())
        } else {
            Err(format!("it unpacks to {length} bytes, {} were packed", raw.len()))
        }
    })
}

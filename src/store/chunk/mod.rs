//! Sealed chunks: the log in files that never change, a fixed number of positions in each.
//!
//! A chunk is two files. `NNNNNNNN.leaves` holds what the Merkle tree commits to, with the hashes of the lowest 8 levels;
//! it is never written again. `NNNNNNNN.payloads` holds payloads and salts, and may change in one way: a slot becomes
//! erased. Both have the same shape:
//!
//! | part | holds |
//! |---|---|
//! | header | which archive, which chunk, from which position on ([`layout`]) |
//! | frames | records compressed a few together ([`frames`]): 8 leaves without their commitments, or 4 payloads |
//! | columns | 32 bytes a record, as they are, in blocks ([`column`]): 256 leaf hashes, 64 commitments or salts |
//! | tables | where each frame ends, a CRC of each frame and block, and what the kind of file has besides |
//! | footer | where the parts lie, the CRC of the tables |
//!
//! Frames are small, so that records read here and there do not unpack everything; a numbered [`dictionary`]
//! and an encoder that knows it ([`lz4`]) make up for it. Files of the first format had larger frames and blocks, and are read
//! as they are ([`layout::Format`]). Files are written once, synced and only then named ([`write`]); every byte answered was checked ([`leaves`],
//! [`payloads`]). The one change that a file of payloads may see is made on a copy that takes its name ([`erase`]).

mod ahead;
mod column;
pub mod dictionary;
mod erase;
mod frames;
mod layout;
mod leaves;
mod lz4;
mod payloads;
mod shelf;
mod single;
mod write;

pub use shelf::{ChunkOptions, Chunks, Found, Outline, Verified};
pub use write::{Pace, SealError, Sealed, Writer, abandon};

use super::disk::DiskFile;
use crate::log::ReadError;
use crate::record::Position;

/// How many records a chunk has, unless the options say otherwise.
pub const CHUNK_RECORDS: u32 = 65_536;
/// The fewest records that a chunk may have: those of a block.
pub const CHUNK_RECORDS_MIN: u32 = BLOCK;
/// How many records a block of leaf hashes has: the leaves of one tile of the Merkle tree.
pub const BLOCK: u32 = 256;

/// Which of a chunk's two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Leaves and their hashes.
    Leaves,
    /// Payloads and salts.
    Payloads,
}

impl Part {
    /// The ending of the file's name.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Leaves => "leaves",
            Self::Payloads => "payloads",
        }
    }

    /// The file of chunk `number`.
    pub fn file(self, number: u64) -> String {
        format!("{number:08}.{}", self.ending())
    }

    /// The part and the number of a file's name; `None` for a name that no chunk gives.
    pub fn of(name: &str) -> Option<(Self, u64)> {
        let (stem, ending) = name.split_once('.')?;
        let part = [Self::Leaves, Self::Payloads]
            .into_iter()
            .find(|part| part.ending() == ending)?;
        stem.parse().ok().map(|number| (part, number))
    }
}

/// Which chunk a file is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The archive's random id.
    pub archive: u64,
    /// The chunk's number, from 0.
    pub number: u64,
    /// How many records it has: a power of two, 256 to 65,536.
    pub count: u32,
}

impl Identity {
    /// The position of its first record.
    pub fn first(&self) -> Position {
        Position::new(self.number * u64::from(self.count))
    }

    /// The position after its last record.
    pub fn end(&self) -> Position {
        self.first().plus(self.count.into())
    }
}

/// A file of a chunk that cannot be used, or a part of it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChunkError {
    /// The file is not what was written.
    #[error("`{file}` is damaged at {what}: {problem}")]
    Damaged {
        /// Its name.
        file: String,
        /// Which part of it.
        what: String,
        /// What is wrong with it.
        problem: String,
        /// The first record that is concerned.
        position: Position,
    },
    /// Another program's format.
    #[error("`{file}` has format `{format}`, this program reads `{reads}`; use a newer chancery")]
    Format {
        /// Its name.
        file: String,
        /// What it names.
        format: String,
        /// What is read.
        reads: String,
    },
    /// The system.
    #[error("`{file}`: {cause}")]
    Io {
        /// Its name.
        file: String,
        /// What the system said.
        cause: String,
        /// The first record that is concerned.
        position: Position,
    },
}

impl ChunkError {
    /// The first record that is concerned; the start of the log where that is not known.
    pub fn position(&self) -> Position {
        match self {
            Self::Damaged { position, .. } | Self::Io { position, .. } => *position,
            Self::Format { .. } => Position::START,
        }
    }
}

impl From<ChunkError> for ReadError {
    fn from(error: ChunkError) -> Self {
        match &error {
            ChunkError::Io { file, cause, .. } => Self::Io {
                what: format!("chunk `{file}`"),
                cause: cause.clone(),
            },
            _ => Self::Damaged {
                position: error.position(),
                expected: "an undamaged chunk".into(),
                found: error.to_string(),
            },
        }
    }
}

/// One open file of a chunk: reads bytes and says which file and position they are of.
struct Source {
    file: std::sync::Arc<dyn DiskFile>,
    name: String,
    identity: Identity,
}

impl Source {
    /// Exactly `length` bytes from `offset` on; `position` is the first record that they are of.
    fn read(&self, offset: u64, length: usize, position: Position) -> Result<Vec<u8>, ChunkError> {
        let mut bytes = vec![0; length];
        self.read_into(&mut bytes, offset, position)?;
        Ok(bytes)
    }

    fn read_into(&self, bytes: &mut [u8], offset: u64, position: Position) -> Result<(), ChunkError> {
        let found = self
            .file
            .read_at(bytes, offset)
            .map_err(|cause| self.io(&cause, position))?;
        if found < bytes.len() {
            let problem = format!("{found} of {} bytes are there", bytes.len());
            return Err(self.damaged(format!("offset {offset}"), problem, position));
        }
        Ok(())
    }

    fn io(&self, cause: &std::io::Error, position: Position) -> ChunkError {
        ChunkError::Io {
            file: self.name.clone(),
            cause: cause.to_string(),
            position,
        }
    }

    fn damaged(&self, what: impl Into<String>, problem: impl Into<String>, position: Position) -> ChunkError {
        ChunkError::Damaged {
            file: self.name.clone(),
            what: what.into(),
            problem: problem.into(),
            position,
        }
    }

    /// The position of the record at `at` in the chunk.
    fn position(&self, at: u32) -> Position {
        self.identity.first().plus(at.into())
    }
}

#[cfg(test)]
mod tests;

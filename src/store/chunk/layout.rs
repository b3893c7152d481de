//! Header and footer of a chunk's files: which chunk it is, and where its parts lie.
//!
//! | offset | size | header |
//! |---|---|---|
//! | 0 | 8 | magic `CHLEAF02` or `CHPAYL02`; `…01` in files of the first [`Format`] |
//! | 8 | 8 | the archive's random id |
//! | 16 | 8 | the chunk's number, from 0 |
//! | 24 | 4 | how many records it has |
//! | 28 | 4 | the number of the dictionary that its frames were compressed with; 0 for none |
//! | 32 | 4 | CRC32C of bytes 0..32 |
//!
//! | offset from the end | size | footer |
//! |---|---|---|
//! | -64 | 8 | where the frames end and the columns begin |
//! | -56 | 8 | where the columns end and the tables begin |
//! | -48 | 8 | the file's length |
//! | -40 | 8 | leaves: when the newest record was committed |
//! | -32 | 8 | leaves: the epoch of the newest record |
//! | -24 | 8 | zero |
//! | -16 | 4 | CRC32C of the tables |
//! | -12 | 4 | CRC32C of the footer so far, with the header before it |
//! | -8 | 8 | magic `CHUNKEND` |
//!
//! Numbers are little-endian. The frames begin behind the header, without a gap.

use super::{BLOCK, ChunkError, Identity, Part, Source};
use crate::record::{Epoch, Recorded};
use crate::store::frame::{u32_at, u64_at};
use bytes::BufMut;

/// The bytes of a header.
pub const HEADER_BYTES: usize = 36;
/// The bytes of a footer.
pub const FOOTER_BYTES: usize = 64;
const MAGIC_END: [u8; 8] = *b"CHUNKEND";

/// How frames and blocks are made. Files stay in the format that they were written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With large frames and blocks.
    First,
    /// With small ones: of a record that is read alone less than half as much is unpacked.
    Second,
}

impl Format {
    /// The format of new files.
    pub const CURRENT: Self = Self::Second;
    const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The magic of a file.
    const fn magic(self, part: Part) -> [u8; 8] {
        match (self, part) {
            (Self::First, Part::Leaves) => *b"CHLEAF01",
            (Self::First, Part::Payloads) => *b"CHPAYL01",
            (Self::Second, Part::Leaves) => *b"CHLEAF02",
            (Self::Second, Part::Payloads) => *b"CHPAYL02",
        }
    }

    /// How many records of a part are compressed together. With 8 payloads a record takes a tenth less room than with 4, and
    /// one that is read alone three times as long to unpack.
    pub const fn frame(self, part: Part) -> u32 {
        match (self, part) {
            (Self::First, Part::Leaves) => 32,
            (Self::First, Part::Payloads) | (Self::Second, Part::Leaves) => 8,
            (Self::Second, Part::Payloads) => 4,
        }
    }

    /// How many bytes of each length a frame has that is of so many bytes when unpacked, its lengths among them.
    pub const fn planes(self, raw: usize) -> usize {
        match self {
            Self::Second if raw <= u16::MAX as usize => 2,
            Self::First | Self::Second => 4,
        }
    }

    /// How many commitments or salts have one CRC.
    pub const fn block(self) -> u32 {
        match self {
            Self::First => BLOCK,
            Self::Second => 64,
        }
    }
}

/// A file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How it is laid out.
    pub format: Format,
    /// Which file.
    pub part: Part,
    /// Of which chunk.
    pub identity: Identity,
    /// The dictionary of its frames.
    pub dictionary: u32,
}

/// Where a file's parts lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// Where the frames end.
    pub frames_end: u64,
    /// Where the columns end.
    pub columns_end: u64,
    /// The file's length.
    pub length: u64,
    /// When the newest record was committed; in a file of leaves.
    pub last_recorded: Recorded,
    /// The epoch of the newest record; in a file of leaves.
    pub epoch: Epoch,
    /// The CRC of the tables.
    pub tables_crc: u32,
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.put_slice(&self.format.magic(self.part));
        out.put_u64_le(self.identity.archive);
        out.put_u64_le(self.identity.number);
        out.put_u32_le(self.identity.count);
        out.put_u32_le(self.dictionary);
        out.put_u32_le(crc32c::crc32c(&out));
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8; HEADER_BYTES], part: Part) -> Result<Self, String> {
        let (expected, found) = (crc32c::crc32c(&bytes[..32]), u32_at(bytes, 32));
        let format = Format::ALL
            .into_iter()
            .find(|format| bytes[..8] == format.magic(part));
        let format = format.ok_or("its first bytes are not those of such a file")?;
        if expected != found {
            return Err(format!(
                "its CRC is {found:08x}, that of its bytes {expected:08x}"
            ));
        }
        let identity = Identity {
            archive: u64_at(bytes, 8),
            number: u64_at(bytes, 16),
            count: u32_at(bytes, 24),
        };
        let fits =
            identity.count.is_power_of_two() && (BLOCK..=super::CHUNK_RECORDS).contains(&identity.count);
        let last = identity
            .number
            .checked_add(1)
            .and_then(|next| next.checked_mul(identity.count.into()));
        if last.is_none() {
            return Err(format!("chunk {} lies beyond every position", identity.number));
        }
        if !fits {
            return Err(format!(
                "{} records are none that a chunk can have",
                identity.count
            ));
        }
        Ok(Self {
            format,
            part,
            identity,
            dictionary: u32_at(bytes, 28),
        })
    }
}

impl Footer {
    /// The footer's bytes, bound to the header's.
    pub fn encode(&self, header: &[u8; HEADER_BYTES]) -> [u8; FOOTER_BYTES] {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.put_u64_le(self.frames_end);
        out.put_u64_le(self.columns_end);
        out.put_u64_le(self.length);
        out.put_i64_le(self.last_recorded.nanos());
        out.put_u64_le(self.epoch.get());
        out.put_u64_le(0);
        out.put_u32_le(self.tables_crc);
        out.put_u32_le(crc32c::crc32c_append(crc32c::crc32c(&out), header));
        out.put_slice(&MAGIC_END);
        let mut bytes = [0; FOOTER_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    fn decode(bytes: &[u8; FOOTER_BYTES]) -> Self {
        Self {
            frames_end: u64_at(bytes, 0),
            columns_end: u64_at(bytes, 8),
            length: u64_at(bytes, 16),
            last_recorded: Recorded::from_nanos(u64_at(bytes, 24).cast_signed()),
            epoch: Epoch::new(u64_at(bytes, 32)),
            tables_crc: u32_at(bytes, 48),
        }
    }
}

/// What a file says of itself, and its tables.
pub struct Outline {
    /// Its header.
    pub header: Header,
    /// Its footer.
    pub footer: Footer,
    /// Its tables, checked against their CRC.
    pub tables: Vec<u8>,
}

/// Reads header, footer and tables, and checks all that can be checked of them.
///
/// # Errors
/// [`ChunkError`].
pub fn outline(source: &Source, part: Part) -> Result<Outline, ChunkError> {
    let first = source.identity.first();
    let length = source.file.len().map_err(|cause| source.io(&cause, first))?;
    if length < (HEADER_BYTES + FOOTER_BYTES) as u64 {
        return Err(source.damaged("its length", format!("it has only {length} bytes"), first));
    }
    let mut head = [0; HEADER_BYTES];
    source.read_into(&mut head, 0, first)?;
    let mut foot = [0; FOOTER_BYTES];
    source.read_into(&mut foot, length - FOOTER_BYTES as u64, first)?;
    let header = header(source, &head, &foot, part)?;
    let footer = Footer::decode(&foot);
    if footer.encode(&head) != foot {
        return Err(source.damaged(
            "its footer",
            "it is not the one of this header, or it is cut",
            first,
        ));
    }
    let tables_end = length - FOOTER_BYTES as u64;
    let rises = (HEADER_BYTES as u64) <= footer.frames_end
        && footer.frames_end <= footer.columns_end
        && footer.columns_end <= tables_end;
    if footer.length != length || !rises {
        let problem = format!(
            "the parts do not fit {length} bytes, it was made with {}",
            footer.length
        );
        return Err(source.damaged("its footer", problem, first));
    }
    let tables_length = usize::try_from(tables_end - footer.columns_end).unwrap_or(usize::MAX);
    if tables_length > TABLES_BYTES_MAX {
        let problem = format!("the tables have {tables_length} bytes, at most {TABLES_BYTES_MAX} can be");
        return Err(source.damaged("its footer", problem, first));
    }
    let tables = source.read(footer.columns_end, tables_length, first)?;
    if crc32c::crc32c(&tables) != footer.tables_crc {
        return Err(source.damaged("its tables", "their CRC is another one", first));
    }
    Ok(Outline {
        header,
        footer,
        tables,
    })
}

/// More than the tables of the largest chunk have.
const TABLES_BYTES_MAX: usize = 1 << 20;

/// The header, which must be the one of this file.
fn header(
    source: &Source,
    head: &[u8; HEADER_BYTES],
    foot: &[u8; FOOTER_BYTES],
    part: Part,
) -> Result<Header, ChunkError> {
    let first = source.identity.first();
    let wanted = Format::CURRENT.magic(part);
    let is_known = Format::ALL.iter().any(|format| head[..8] == format.magic(part));
    // Another format is one only where the end of the file says that it is whole: one flipped byte is damage.
    let newer = head[..6] == wanted[..6] && !is_known && foot[56..] == MAGIC_END;
    if newer && Footer::decode(foot).encode(head) == *foot {
        return Err(ChunkError::Format {
            file: source.name.clone(),
            format: String::from_utf8_lossy(&head[..8]).into_owned(),
            reads: String::from_utf8_lossy(&wanted).into_owned(),
        });
    }
    let header =
        Header::decode(head, part).map_err(|problem| source.damaged("its header", problem, first))?;
    if header.identity != source.identity {
        let has = header.identity;
        let problem = format!(
            "it is of chunk {} of {} records of archive {:016x}, not of chunk {} of {} records of archive {:016x}",
            has.number,
            has.count,
            has.archive,
            source.identity.number,
            source.identity.count,
            source.identity.archive
        );
        return Err(source.damaged("its header", problem, first));
    }
    Ok(header)
}

/// The bytes of a column of 32 bytes a record.
pub const fn column_bytes(count: u32) -> u64 {
    count as u64 * 32
}

/// The number of blocks of leaf hashes.
pub const fn blocks(count: u32) -> usize {
    count.div_ceil(BLOCK) as usize
}

//! The file of payloads: what was said, and the salts that bind it to the leaves.
//!
//! Column: salts. Tables: the rows of the frames, the CRCs of the blocks of salts, and a bit a record, set where payload
//! and salt were removed by law. The file changes in that way alone: it is then written anew beside the old one.

use super::column::{Column, WIDTH, crcs_bytes};
use super::frames::{Frames, LastFrame, ROW_BYTES};
use super::layout::{Format, column_bytes, outline};
use super::single::LastBlock;
use super::{ChunkError, Identity, Part, Source};
use crate::record::{Hash, commitment};
use std::collections::BTreeSet;
use std::ops::Range;

/// An open file of payloads.
pub struct Payloads {
    source: Source,
    format: Format,
    frames: Frames,
    salts: Column,
    erased: Vec<u8>,
}

impl Payloads {
    /// Reads what the file says of itself.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub(super) fn open(source: Source) -> Result<Self, ChunkError> {
        let outline = outline(&source, Part::Payloads)?;
        let Identity { count, .. } = source.identity;
        let format = outline.header.format;
        let rows_end = (count / format.frame(Part::Payloads)) as usize * ROW_BYTES;
        let crcs_end = rows_end + crcs_bytes(count, format.block());
        let tables_end = crcs_end + count as usize / 8;
        let tables = &outline.tables;
        let footer = outline.footer;
        if tables.len() != tables_end || footer.columns_end - footer.frames_end != column_bytes(count) {
            let problem = "they are not of the size that so many records have";
            return Err(source.damaged("its tables", problem, source.identity.first()));
        }
        let frames = Frames::new(&tables[..rows_end], &outline.header);
        if frames.end() != footer.frames_end {
            return Err(source.damaged(
                "its tables",
                "the frames do not end where the columns begin",
                source.identity.first(),
            ));
        }
        let crcs = &tables[rows_end..crcs_end];
        let salts = Column::new("salts", footer.frames_end, format.block(), crcs);
        let erased = tables[crcs_end..].to_vec();
        Ok(Self {
            source,
            format,
            frames,
            salts,
            erased,
        })
    }

    /// Whether payload and salt of a record were removed by law.
    pub fn is_erased(&self, at: u32) -> bool {
        self.erased
            .get(at as usize / 8)
            .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }

    /// Adds the payload at a place to `payloads`.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn one(&self, at: u32, frame: &mut LastFrame, payloads: &mut Vec<u8>) -> Result<(), ChunkError> {
        payloads.extend_from_slice(self.frames.string(&self.source, at, frame)?);
        Ok(())
    }

    /// Reads the salts of a range ahead.
    pub fn read_salts_ahead(&self, records: &Range<u32>, last: &mut LastBlock) {
        last.read_ahead(&self.salts, &self.source, records);
    }

    /// The salt at a place.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn salt(&self, at: u32, last: &mut LastBlock) -> Result<[u8; WIDTH], ChunkError> {
        last.one(&self.salts, &self.source, at)
    }

    /// The salts of a range of records.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn salts(&self, records: Range<u32>) -> Result<Vec<u8>, ChunkError> {
        self.salts.read(&self.source, records)
    }

    /// Of the whole frames around a range of records those that unpack to no more than `bytes`, at least the first.
    pub fn within(&self, records: &Range<u32>, bytes: usize) -> Range<u32> {
        self.frames
            .records(&self.frames.within(self.frames.holding(records), bytes))
    }

    /// The bytes of the payloads of whole frames, about.
    pub fn bytes_of(&self, records: &Range<u32>) -> usize {
        self.frames.raw_bytes(&self.frames.holding(records))
    }

    /// Adds the payloads of whole frames to `payloads`, and the length of each to `lengths`.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn read(
        &self,
        records: Range<u32>,
        payloads: &mut Vec<u8>,
        lengths: &mut Vec<u32>,
    ) -> Result<(), ChunkError> {
        let frames = self.frames.holding(&records);
        payloads.reserve(self.frames.raw_bytes(&frames));
        self.frames.read_joined(&self.source, frames, payloads, lengths)
    }
}

impl Payloads {
    /// How the file is laid out.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The frames.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The file.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// All salts as they lie in the file, the damaged ones among them.
    ///
    /// # Errors
    /// [`ChunkError`] where they cannot be read.
    pub fn raw_salts(&self) -> Result<Vec<u8>, ChunkError> {
        self.salts.raw(&self.source, 0..self.source.identity.count)
    }

    /// The records that do not have what their leaves commit to, by their places: all of a frame or block that is damaged.
    ///
    /// # Errors
    /// [`ChunkError::Io`] where the system refuses a read.
    pub fn damaged(&self, commitments: &[Hash]) -> Result<BTreeSet<u32>, ChunkError> {
        let is_damage = |error: &ChunkError| !matches!(error, ChunkError::Io { .. });
        let salts = self.raw_salts()?;
        let salts = salts.as_chunks::<WIDTH>().0;
        let mut damaged = BTreeSet::new();
        for records in self.salts.blocks(self.source.identity.count) {
            match self.salts(records.clone()) {
                Err(error) if is_damage(&error) => damaged.extend(records),
                read => drop(read?),
            }
        }
        for frame in self.frames.holding(&(0..self.source.identity.count)) {
            let frame = frame..frame + 1;
            let read = self.frames.read(&self.source, frame.clone(), |at, payload| {
                let salt = salts.get(at as usize).copied().unwrap_or_default();
                let fits = match self.is_erased(at) {
                    true => payload.is_empty() && salt == [0; WIDTH],
                    false => commitments.get(at as usize) == Some(&commitment(&salt, payload)),
                };
                if !fits {
                    damaged.insert(at);
                }
            });
            match read {
                Err(error) if is_damage(&error) => damaged.extend(self.frames.records(&frame)),
                read => read?,
            }
        }
        Ok(damaged)
    }

    /// The records that were removed by law, by their places.
    pub fn erased(&self) -> impl Iterator<Item = u32> {
        (0..self.source.identity.count).filter(|at| self.is_erased(*at))
    }

    /// Reads everything again and holds it against the commitments of the chunk's leaves.
    ///
    /// # Errors
    /// [`ChunkError`] naming the first record that is concerned.
    pub fn verify(&self, commitments: &[Hash]) -> Result<(), ChunkError> {
        for records in self.salts.blocks(self.source.identity.count) {
            let salts = self.salts(records.clone())?;
            let mut salts = salts.as_chunks::<WIDTH>().0.iter();
            let mut wrong = None;
            self.frames
                .read(&self.source, self.frames.holding(&records), |at, payload| {
                    let salt = salts.next().copied().unwrap_or_default();
                    let fits = if self.is_erased(at) {
                        payload.is_empty() && salt == [0; WIDTH]
                    } else {
                        commitments.get(at as usize) == Some(&commitment(&salt, payload))
                    };
                    if !fits {
                        wrong.get_or_insert(at);
                    }
                })?;
            if let Some(at) = wrong {
                let problem = "a payload is not the one that its leaf commits to";
                return Err(self
                    .source
                    .damaged("its payloads", problem, self.source.position(at)));
            }
        }
        Ok(())
    }
}

/// The bits of the records that were removed by law, as the table holds them.
pub fn bits(erased: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    erased.chunks(8).map(byte).collect()
}

const _: () = assert!(WIDTH == crate::record::SALT_BYTES);

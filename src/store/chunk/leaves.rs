//! The file of leaves: what the Merkle tree commits to, and the hashes of its lowest levels.
//!
//! Columns: leaf hashes, then commitments. Tables, one behind the other: the rows of the frames, the CRCs of the blocks of
//! leaf hashes, those of commitments, and a hash for each block of leaf hashes: the root of its 256 leaves. A leaf in a frame lacks its last 32
//! bytes, which are its commitment. The file is written once and never again.

use super::column::{Column, WIDTH, crcs_bytes};
use super::frames::{Frames, LastFrame, ROW_BYTES};
use super::layout::{Footer, blocks, column_bytes, outline};
use super::single::LastBlock;
use super::{BLOCK, ChunkError, Identity, Part, Source};
use crate::merkle::Tree;
use crate::record::{Hash, leaf_hash};
use std::ops::Range;

/// An open file of leaves.
pub struct Leaves {
    source: Source,
    footer: Footer,
    frames: Frames,
    hashes: Column,
    commitments: Column,
    blocks: Vec<Hash>,
}

impl Leaves {
    /// Reads what the file says of itself.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub(super) fn open(source: Source) -> Result<Self, ChunkError> {
        let outline = outline(&source, Part::Leaves)?;
        let Identity { count, .. } = source.identity;
        let format = outline.header.format;
        let rows = (count / format.frame(Part::Leaves)) as usize * ROW_BYTES;
        let hash_crcs = rows + crcs_bytes(count, BLOCK);
        let commitment_crcs = hash_crcs + crcs_bytes(count, format.block());
        let tables_end = commitment_crcs + WIDTH * blocks(count);
        let tables = &outline.tables;
        let footer = outline.footer;
        let columns = 2 * column_bytes(count);
        if tables.len() != tables_end || footer.columns_end - footer.frames_end != columns {
            let problem = "they are not of the size that so many records have";
            return Err(source.damaged("its tables", problem, source.identity.first()));
        }
        let frames = Frames::new(&tables[..rows], &outline.header);
        if frames.end() != footer.frames_end {
            return Err(source.damaged(
                "its tables",
                "the frames do not end where the columns begin",
                source.identity.first(),
            ));
        }
        let crcs = [&tables[rows..hash_crcs], &tables[hash_crcs..commitment_crcs]];
        let hashes = Column::new("leaf hashes", footer.frames_end, BLOCK, crcs[0]);
        let commitments_at = footer.frames_end + column_bytes(count);
        let commitments = Column::new("commitments", commitments_at, format.block(), crcs[1]);
        let hash = |bytes: &[u8]| bytes.first_chunk().copied().unwrap_or_default();
        let blocks = tables[commitment_crcs..].chunks(WIDTH).map(hash).collect();
        Ok(Self {
            source,
            footer,
            frames,
            hashes,
            commitments,
            blocks,
        })
    }

    /// What its footer says.
    pub fn footer(&self) -> Footer {
        self.footer
    }

    /// The hash over each block of 256 leaves.
    pub fn block_hashes(&self) -> &[Hash] {
        &self.blocks
    }

    /// The hashes of the leaves of a range, by their places in the chunk.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn hashes(&self, records: Range<u32>) -> Result<Vec<Hash>, ChunkError> {
        let bytes = self.hashes.read(&self.source, records)?;
        Ok(bytes.as_chunks::<WIDTH>().0.to_vec())
    }

    /// The commitments of all leaves.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn commitments(&self) -> Result<Vec<Hash>, ChunkError> {
        let bytes = self
            .commitments
            .read(&self.source, 0..self.source.identity.count)?;
        Ok(bytes.as_chunks::<WIDTH>().0.to_vec())
    }

    /// The range of whole frames around a range of records.
    pub fn widened(&self, records: &Range<u32>) -> Range<u32> {
        self.frames.records(&self.frames.holding(records))
    }

    /// The bytes of the leaves of whole frames, about.
    pub fn bytes_of(&self, records: &Range<u32>) -> usize {
        self.frames.raw_bytes(&self.frames.holding(records)) + records.len() * WIDTH
    }

    /// Adds the leaves of whole frames to `leaves`, and where each of them ends there to `ends`.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn read(
        &self,
        records: Range<u32>,
        leaves: &mut Vec<u8>,
        ends: &mut Vec<u32>,
    ) -> Result<(), ChunkError> {
        let frames = self.frames.holding(&records);
        let commitments = self
            .commitments
            .read(&self.source, self.frames.records(&frames))?;
        let mut commitments = commitments.as_chunks::<WIDTH>().0.iter();
        leaves.reserve(self.frames.raw_bytes(&frames) + records.len() * WIDTH);
        self.frames.read(&self.source, frames, |_, head| {
            leaves.extend_from_slice(head);
            leaves.extend(commitments.next().into_iter().flatten());
            ends.push(u32::try_from(leaves.len()).unwrap_or(u32::MAX));
        })
    }

    /// Reads ahead what [`Leaves::one`] needs of the records of a range.
    pub fn read_ahead(&self, records: &Range<u32>, commitments: &mut LastBlock, frame: &mut LastFrame) {
        commitments.read_ahead(&self.commitments, &self.source, records);
        self.frames.read_ahead(&self.source, records, frame);
    }

    /// Adds the leaf at a place to `leaves`.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn one(
        &self,
        at: u32,
        commitments: &mut LastBlock,
        frame: &mut LastFrame,
        leaves: &mut Vec<u8>,
    ) -> Result<(), ChunkError> {
        let commitment = commitments.one(&self.commitments, &self.source, at)?;
        leaves.extend_from_slice(self.frames.string(&self.source, at, frame)?);
        leaves.extend_from_slice(&commitment);
        Ok(())
    }

    /// Reads everything again and holds it against itself: leaves against their hashes, hashes against those of the blocks.
    ///
    /// # Errors
    /// [`ChunkError`] naming the first record that is concerned.
    pub fn verify(&self, mut leaf: impl FnMut(u32, &[u8], Hash)) -> Result<(), ChunkError> {
        for block in 0..self.blocks.len() as u32 {
            let records = block * BLOCK..(block + 1) * BLOCK;
            let (mut leaves, mut ends) = (Vec::new(), Vec::new());
            self.read(records.clone(), &mut leaves, &mut ends)?;
            let hashes = self.hashes(records.clone())?;
            let mut begin = 0;
            for ((at, end), expected) in records.clone().zip(ends).zip(&hashes) {
                let bytes = &leaves[begin as usize..end as usize];
                begin = end;
                if leaf_hash(bytes) != *expected {
                    let problem = "the leaf has another hash than the one beside it";
                    return Err(self
                        .source
                        .damaged("its leaves", problem, self.source.position(at)));
                }
                leaf(at, bytes, *expected);
            }
            if self.blocks.get(block as usize) != Some(&Tree::of(&hashes).root()) {
                let problem = format!("the hash of block {block} is not that of its leaves");
                return Err(self
                    .source
                    .damaged("its tables", problem, self.source.position(records.start)));
            }
        }
        Ok(())
    }
}

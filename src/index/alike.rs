//! Which documents are alike: those whose tags differ in nothing but the lowest bit.
//!
//! A volume has its documents in the order of their tags besides, in buckets by the first bits, so that those with a tag are found
//! with one look at the file. Which documents of the volumes are alike to others in any volume is known in memory: a volume is
//! compared with the older ones when it is sealed, and those of an index that was opened or replaced one after the other. It is
//! nowhere on the disk, so that an erased document leaves nothing with those that it was alike to. It may name some too many, where
//! a beginning of their tags is the same, but none too few.

use super::volume::Volume;
use roaring::RoaringBitmap;
use std::io;
use std::sync::Arc;

/// About so many documents are in a bucket.
const BUCKET_DOCUMENTS: u64 = 256;

/// The buckets of a volume.
#[derive(Clone, Copy)]
pub(super) struct Buckets {
    /// So many of the first bits of a tag say the bucket.
    bits: u32,
}

impl Buckets {
    /// Those of a volume of so many documents.
    pub fn of(documents: u64) -> Self {
        Self {
            bits: (documents / BUCKET_DOCUMENTS).max(1).ilog2(),
        }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        1 << self.bits
    }

    /// The bucket of a tag.
    pub fn bucket(self, tag: u64) -> usize {
        usize::try_from(tag.checked_shr(u64::BITS - self.bits).unwrap_or(0)).unwrap_or(usize::MAX)
    }

    /// What is kept of a tag in its bucket: the bits that come next.
    pub fn rest(self, tag: u64) -> u32 {
        ((tag << self.bits) >> 32) as u32
    }
}

/// What alike documents share of a tag.
pub(super) fn shared_of(tag: u64) -> u64 {
    tag & !1
}

/// What documents share with others, in its order, each with its number; without those that have no tag.
pub(super) fn sorted(tags: &[u64]) -> Vec<(u64, u32)> {
    let tagged = (0..).zip(tags).filter(|(_, tag)| **tag != 0);
    let mut sorted: Vec<(u64, u32)> = tagged.map(|(number, tag)| (shared_of(*tag), number)).collect();
    sorted.sort_unstable();
    sorted
}

/// Those of a volume that are alike to others in it or in older volumes; adds to the sets of these their own that are alike to them.
pub(super) fn compare(
    tags: &[u64],
    older: &[Arc<Volume>],
    sets: &mut [Arc<RoaringBitmap>],
) -> io::Result<RoaringBitmap> {
    let sorted = sorted(tags);
    let several = sorted
        .chunk_by(|(a, _), (b, _)| a == b)
        .filter(|same| same.len() > 1);
    let mut own: Vec<u32> = several.flatten().map(|(_, number)| *number).collect();
    let shared: Vec<u64> = sorted.iter().map(|(shared, _)| *shared).collect();
    for (volume, set) in older.iter().zip(sets) {
        let mut found = Vec::new();
        volume.each_alike(&shared, &mut |at, number| {
            own.push(sorted[at].1);
            found.push(number);
        })?;
        if !found.is_empty() {
            Arc::make_mut(set).extend(found);
        }
    }
    Ok(own.into_iter().collect())
}

/// The sets of neighbouring volumes as that of the volume that they were merged into.
pub(super) fn merged(volumes: &[Arc<Volume>], sets: &[Arc<RoaringBitmap>]) -> RoaringBitmap {
    let first = volumes.first().map(|volume| volume.from()).unwrap_or_default();
    let shifted = volumes.iter().zip(sets).flat_map(|(volume, set)| {
        let shift = u32::try_from(volume.from().since(first)).unwrap_or(u32::MAX);
        set.iter().map(move |number| number.saturating_add(shift))
    });
    shifted.collect()
}

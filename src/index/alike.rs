//! Which documents are alike: those whose tags differ in nothing but the lowest bit.
//!
//! A volume has its documents in the order of their tags besides, in buckets by the first bits, so that those with a tag are found
//! with one look at the file, and those of all volumes can be gone through together. Which documents of the volumes are alike to
//! others in any volume is known in memory, with two bytes for each document of a volume that has such: a volume is compared with the
//! older ones soon after it was sealed, by a thread of its own, and those of an index that was opened or replaced one after the other.
//! That looks at nearly every bucket of the older ones, so that its cost grows with the index. It is nowhere on the disk, so that an erased document leaves nothing with those that
//! it was alike to.

use super::marks::Marks;
use super::volume::{Volume, in_bucket};
use crate::record::Position;
use roaring::RoaringBitmap;
use std::io;
use std::ops::Range;
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
    #[inline]
    pub fn bucket(self, tag: u64) -> usize {
        usize::try_from(tag.checked_shr(u64::BITS - self.bits).unwrap_or(0)).unwrap_or(usize::MAX)
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

/// The documents of a volume that are alike to others in any volume.
#[derive(Clone, Debug, Default)]
pub(super) struct Alike {
    /// All of them.
    pub all: RoaringBitmap,
    /// Those that are alike to one that lies before them, in this volume or in an older one. Newer ones do not change that.
    pub again: Arc<RoaringBitmap>,
    /// Those of them that have another tag than the first of those that are alike.
    pub turned: Arc<RoaringBitmap>,
    /// By number the print of each of all, so that few tags are read to see which of some are alike; empty where there are none.
    prints: Vec<u16>,
}

/// The print of a tag: alike ones have the same, and of the others one in 65,536.
pub(super) fn print_of(tag: u64) -> u16 {
    (tag >> 1) as u16
}

/// How often a print was met: not at all, once, or more often.
pub(super) struct Prints(Vec<u8>);

impl Default for Prints {
    fn default() -> Self {
        Self(vec![0; 1 << u16::BITS])
    }
}

impl Prints {
    pub fn add(&mut self, print: u16) {
        let met = &mut self.0[print as usize];
        *met = met.saturating_add(1);
    }

    /// Whether more than one has it.
    pub fn is_common(&self, print: u16) -> bool {
        self.0[print as usize] > 1
    }
}

impl Alike {
    /// The print of one of all.
    pub fn print(&self, number: u32) -> u16 {
        self.prints.get(number as usize).copied().unwrap_or(0)
    }

    /// Adds documents with their tags to all, in a volume of so many.
    fn extend(&mut self, len: usize, found: &[(u32, u64)]) {
        if found.is_empty() {
            return;
        }
        self.prints.resize(len, 0);
        for (number, tag) in found {
            self.prints[*number as usize] = print_of(*tag);
        }
        self.all.extend(found.iter().map(|(number, _)| *number));
    }

    fn of(tags: &[u64], sorted: &[(u64, u32)], firsts: &[u64]) -> Self {
        let (mut all, mut again, mut turned) = (Vec::new(), Vec::new(), Vec::new());
        let groups = sorted.chunk_by(|(a, _), (b, _)| a == b);
        for (group, first) in groups
            .zip(firsts)
            .filter(|(group, first)| group.len() > 1 || **first != 0)
        {
            let mut first = *first;
            for (_, number) in group {
                let tag = tags[*number as usize];
                all.push((*number, tag));
                if first == 0 {
                    first = tag;
                    continue;
                }
                again.push(*number);
                if tag != first {
                    turned.push(*number);
                }
            }
        }
        let mut alike = Self {
            again: Arc::new(again.into_iter().collect()),
            turned: Arc::new(turned.into_iter().collect()),
            ..Self::default()
        };
        alike.extend(tags.len(), &all);
        alike
    }
}

/// Compares a volume with itself and with older ones; adds to what is known of these their own that are alike to those of it.
pub(super) fn compare(tags: &[u64], older: &[Arc<Volume>], known: &mut [Arc<Alike>]) -> io::Result<Alike> {
    let sorted = sorted(tags);
    let mut shared: Vec<u64> = sorted.iter().map(|(shared, _)| *shared).collect();
    shared.dedup();
    // The tag of the first that is alike in the older ones, or 0.
    let mut firsts = vec![0; shared.len()];
    for (volume, known) in older.iter().zip(known) {
        let mut found = Vec::new();
        volume.each_alike(&shared, &mut |at, tag, number| {
            if firsts[at] == 0 {
                firsts[at] = tag;
            }
            found.push((number, tag));
        })?;
        // A number that is none would be damage that no checksum tells.
        found.retain(|(number, _)| u64::from(*number) < volume.len() && !known.all.contains(*number));
        if !found.is_empty() {
            let len = usize::try_from(volume.len()).map_err(io::Error::other)?;
            Arc::make_mut(known).extend(len, &found);
        }
    }
    Ok(Alike::of(tags, &sorted, &firsts))
}

/// What is known of neighbouring volumes as that of the volume that they were merged into.
pub(super) fn merged(volumes: &[Arc<Volume>], known: &[Arc<Alike>]) -> Alike {
    let first = volumes.first().map(|volume| volume.from()).unwrap_or_default();
    let all_of = |of: &dyn Fn(&Alike) -> RoaringBitmap| {
        let shifted = volumes.iter().zip(known).flat_map(|(volume, known)| {
            let shift = u32::try_from(volume.from().since(first)).unwrap_or(u32::MAX);
            let shifted = move |number: u32| number.saturating_add(shift);
            of(known).into_iter().map(shifted)
        });
        shifted.collect()
    };
    let mut prints = Vec::new();
    if known.iter().any(|known| !known.prints.is_empty()) {
        for (volume, known) in volumes.iter().zip(known) {
            let end = usize::try_from(volume.to().since(first)).unwrap_or(usize::MAX);
            prints.extend(&known.prints);
            prints.resize(end, 0);
        }
    }
    Alike {
        prints,
        all: all_of(&|known| known.all.clone()),
        again: Arc::new(all_of(&|known| (*known.again).clone())),
        turned: Arc::new(all_of(&|known| (*known.turned).clone())),
    }
}

/// A tag, and the position of what has it.
pub type Tagged = (u64, Position);

/// What these share with others, ascending, each once.
pub(super) fn shared_of_all(tagged: &[Tagged]) -> Vec<u64> {
    let mut shared: Vec<u64> = tagged.iter().map(|(tag, _)| shared_of(*tag)).collect();
    shared.retain(|shared| *shared != 0);
    shared.sort_unstable();
    shared.dedup();
    shared
}

/// A document that is alike to one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Where it lies.
    pub position: Position,
    /// Whether its tag is another one than that of the first of those that are alike.
    pub is_turned: bool,
}

/// Hands over those that are alike to one that lies before them, in no order; those without a tag are not.
pub fn repeated(tagged: &mut Vec<Tagged>, take: &mut dyn FnMut(Repeated)) {
    tagged.retain(|(tag, _)| *tag != 0);
    tagged.sort_unstable_by_key(|(tag, position)| (shared_of(*tag), *position));
    for alike in tagged.chunk_by(|(a, _), (b, _)| shared_of(*a) == shared_of(*b)) {
        for (tag, position) in &alike[1..] {
            take(Repeated {
                position: *position,
                is_turned: *tag != alike[0].0,
            });
        }
    }
}

/// Goes through the documents of all volumes together, bucket by bucket, however many are alike: no more is in memory than one of
/// each. `others` are those that come after the volumes.
pub(super) fn sweep(
    volumes: &[Arc<Volume>],
    sets: &[RoaringBitmap],
    mut others: Vec<Tagged>,
    take: &mut dyn FnMut(Repeated),
) -> io::Result<()> {
    let (Some(largest), mut lanes) = (volumes.iter().map(|volume| volume.len()).max(), Vec::new()) else {
        repeated(&mut others, take);
        return Ok(());
    };
    for (volume, set) in volumes.iter().zip(sets).filter(|(_, set)| !set.is_empty()) {
        lanes.push(Lane::of(volume, Marks::of(set)));
    }
    others.sort_unstable_by_key(|(tag, position)| (shared_of(*tag), *position));
    let (ranges, mut firsts, mut left) = (Buckets::of(largest), Firsts::default(), others.as_slice());
    for range in 0..ranges.count() {
        firsts.clear();
        let mut add = |tag, position| {
            if let Some(is_turned) = firsts.is_turned(tag) {
                take(Repeated { position, is_turned });
            }
        };
        // In the order of positions: the first that is met of those that are alike lies before the others.
        for lane in &mut lanes {
            lane.go(ranges, range, &mut add)?;
        }
        let of_it = left.partition_point(|(tag, _)| ranges.bucket(*tag) <= range);
        let tagged = left[..of_it].iter().filter(|(tag, _)| *tag != 0);
        tagged.for_each(|(tag, position)| add(*tag, *position));
        left = &left[of_it..];
    }
    Ok(())
}

/// How far a volume is gone through.
struct Lane<'v> {
    volume: &'v Volume,
    members: Marks,
    buckets: Range<usize>,
    bytes: Vec<u8>,
    /// So many documents of the bucket that was read are done.
    done: usize,
}

impl<'v> Lane<'v> {
    fn of(volume: &'v Volume, members: Marks) -> Self {
        Self {
            volume,
            members,
            buckets: 0..Buckets::of(volume.len()).count(),
            bytes: Vec::new(),
            done: 0,
        }
    }

    /// Hands over the members of a range.
    fn go(&mut self, ranges: Buckets, range: usize, take: &mut impl FnMut(u64, Position)) -> io::Result<()> {
        loop {
            for (tag, number) in in_bucket(&self.bytes).skip(self.done) {
                if ranges.bucket(tag) > range {
                    return Ok(());
                }
                self.done += 1;
                if self.members.has(number) {
                    take(tag, self.volume.from().plus(number.into()));
                }
            }
            let Some(bucket) = self.buckets.next() else {
                return Ok(());
            };
            self.volume.read_bucket(bucket, &mut self.bytes)?;
            self.done = 0;
        }
    }
}

/// The first of those that are alike: their tags, and a table of places of them by what is shared.
#[derive(Default)]
struct Firsts {
    tags: Vec<u64>,
    /// One more than the place of a tag; 0 where there is none.
    table: Vec<u32>,
}

impl Firsts {
    fn clear(&mut self) {
        self.tags.clear();
        self.table.fill(0);
    }

    /// Takes one in: whether its tag is another one than the first one's; `None` where it is the first.
    #[inline]
    fn is_turned(&mut self, tag: u64) -> Option<bool> {
        if self.tags.len() * 2 >= self.table.len() {
            self.grow();
        }
        match self.find(tag) {
            Ok(first) => Some(first != tag),
            Err(place) => {
                self.tags.push(tag);
                // There are fewer than documents of a range.
                self.table[place] = u32::try_from(self.tags.len()).unwrap_or(u32::MAX);
                None
            }
        }
    }

    /// The tag of the first one, or the place where it would be.
    #[inline]
    fn find(&self, tag: u64) -> Result<u64, usize> {
        let mask = self.table.len() - 1;
        // The first bits are the same within a range; whatever the others are, they are scattered.
        let scattered = shared_of(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut place = (scattered >> 32) as usize & mask;
        loop {
            match self.table[place].checked_sub(1) {
                None => return Err(place),
                Some(at) if shared_of(self.tags[at as usize]) == shared_of(tag) => {
                    return Ok(self.tags[at as usize]);
                }
                Some(_) => place = (place + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        self.table = vec![0; (self.table.len() * 2).max(1 << 10)];
        for at in 0..self.tags.len() {
            if let Err(place) = self.find(self.tags[at]) {
                self.table[place] = u32::try_from(at + 1).unwrap_or(u32::MAX);
            }
        }
    }
}

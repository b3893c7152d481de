//! Documents of a part as bits that lie next to each other: larger than a set, and asked sooner.

use roaring::RoaringBitmap;

/// A bit for each document of a part.
pub struct Marks {
    words: Vec<u64>,
    end: usize,
}

impl Marks {
    /// None of so many.
    pub fn none(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(64)],
            end: len,
        }
    }

    /// Those of a set, up to its last one.
    pub fn of(set: &RoaringBitmap) -> Self {
        let mut marks = Self::none(set.max().map_or(0, |last| last as usize + 1));
        let mut each = set.iter();
        while let Some(range) = each.next_range() {
            let (start, end) = range.into_inner();
            let (first, last) = (start as usize / 64, end as usize / 64);
            let (from, to) = (u64::MAX << (start % 64), u64::MAX >> (63 - end % 64));
            if first == last {
                marks.words[first] |= from & to;
            } else {
                marks.words[first] |= from;
                marks.words[first + 1..last].fill(u64::MAX);
                marks.words[last] |= to;
            }
        }
        marks
    }

    /// The first so many.
    pub fn first(count: u32) -> Self {
        let mut all = RoaringBitmap::new();
        all.insert_range(..count);
        Self::of(&all)
    }

    /// The number after the last one's that it can have.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Adds one that it can have.
    pub fn add(&mut self, document: u32) {
        self.words[document as usize / 64] |= 1 << (document % 64);
    }

    /// Whether it has one.
    #[inline]
    pub fn has(&self, document: u32) -> bool {
        let word = self.words.get(document as usize / 64);
        word.is_some_and(|word| word >> (document % 64) & 1 == 1)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Those of a list.
    pub fn among<'d>(&'d self, documents: &'d [u32]) -> impl Iterator<Item = u32> + 'd {
        documents.iter().copied().filter(|document| self.has(*document))
    }

    /// Each, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let bits = |(at, word): (u32, &u64)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        };
        (0..).zip(&self.words).flat_map(bits)
    }
}

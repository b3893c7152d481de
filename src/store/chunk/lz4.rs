//! An encoder of LZ4 blocks that knows its dictionary beforehand.
//!
//! Frames are so small that the encoders that exist spend most of their time on the dictionary, which they index anew for
//! each. Here it is indexed once, with all places where four bytes stand, so that more of it is found, too: frames of four
//! payloads take no more room than frames of eight did. The format is that of the
//! [LZ4 block](https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md), and any decoder reads it.

/// The shortest match.
const MATCH_MIN: usize = 4;
/// The farthest that a match reaches back.
const REACH: usize = 65_535;
/// The format has a block end with so many literal bytes.
const LITERALS_LAST: usize = 5;
/// The format has no match begin so near the end.
const MATCH_LAST: usize = 12;
/// How many places with the same hash are looked at: more save little and take longer.
const TRIED: usize = 12;
/// A match as long as this is taken without a look at the one that the next byte would have.
const GOOD: usize = 32;
const HASH_BITS: u32 = 13;
/// Places are numbered on from one block to the next until then, so that no table is emptied between them.
const NUMBERS_MAX: u32 = 1 << 30;

/// A dictionary, and where in it what stands.
pub struct Dictionary {
    bytes: &'static [u8],
    /// One more than the last place of each hash, 0 where there is none.
    last: Vec<u16>,
    /// For each place one more than the one before it that has its hash.
    before: Vec<u16>,
}

impl Dictionary {
    /// Indexes bytes, of which the last 64 KiB can be of use.
    pub fn new(bytes: &'static [u8]) -> Self {
        let bytes = &bytes[bytes.len().saturating_sub(REACH)..];
        let mut last = vec![0; 1 << HASH_BITS];
        let mut before = vec![0; bytes.len()];
        for (place, four) in bytes.windows(MATCH_MIN).enumerate() {
            let hash = hash(four);
            // There are fewer than 64 Ki places.
            before[place] = std::mem::replace(&mut last[hash], place as u16 + 1);
        }
        Self { bytes, last, before }
    }

    /// The bytes.
    pub fn bytes(&self) -> &'static [u8] {
        self.bytes
    }
}

/// What stands somewhere before.
#[derive(Clone, Copy)]
struct Match {
    length: usize,
    /// How far back.
    offset: usize,
}

/// Makes blocks, with tables that serve all of them.
#[derive(Default)]
pub struct Encoder {
    /// One more than the number of the last place of each hash; what is no larger than `base` is of another block.
    last: Vec<u32>,
    before: Vec<u32>,
    /// The number of the block's first byte.
    base: u32,
    /// How many bytes of the block are in the tables.
    indexed: usize,
}

impl Encoder {
    /// The block that unpacks to `input`, a frame of far less than 1 GiB, behind the dictionary.
    pub fn encode(&mut self, input: &[u8], dictionary: &Dictionary) -> Vec<u8> {
        self.begin(input.len());
        let mut block = Vec::with_capacity(input.len() / 2 + 16);
        let begins_end = input.len().saturating_sub(MATCH_LAST);
        let (mut at, mut written) = (0, 0);
        while at < begins_end {
            let Some(mut found) = self.find(input, at, dictionary) else {
                at += 1;
                continue;
            };
            while found.length < GOOD && at + 1 < begins_end {
                match self.find(input, at + 1, dictionary) {
                    Some(better) if better.length > found.length => (at, found) = (at + 1, better),
                    _ => break,
                }
            }
            put(&mut block, &input[written..at], Some(found));
            at += found.length;
            written = at;
        }
        put(&mut block, &input[written..], None);
        block
    }

    fn begin(&mut self, length: usize) {
        let used = u32::try_from(self.indexed).unwrap_or(NUMBERS_MAX);
        self.base = self.base.saturating_add(used);
        if self.last.is_empty() || self.base > NUMBERS_MAX {
            (self.last, self.base) = (vec![0; 1 << HASH_BITS], 0);
        }
        if self.before.len() < length {
            self.before.resize(length, 0);
        }
        self.indexed = 0;
    }

    /// The longest match of those that are tried for the bytes from `at` on.
    fn find(&mut self, input: &[u8], at: usize, dictionary: &Dictionary) -> Option<Match> {
        self.index(input, at);
        let wanted = &input[at..input.len() - LITERALS_LAST];
        let hash = hash(&input[at..]);
        let mut best = Match {
            length: MATCH_MIN - 1,
            offset: 0,
        };
        let mut tries = TRIED;
        let mut next = self.last[hash].saturating_sub(self.base) as usize;
        while let Some(place) = next
            .checked_sub(1)
            .filter(|place| tries > 0 && at - place <= REACH)
        {
            let length = common(&input[place..], wanted);
            best = longer(best, length, at - place);
            (next, tries) = (self.before[place] as usize, tries - 1);
        }
        let end = dictionary.bytes.len();
        let mut next = usize::from(dictionary.last[hash]);
        while let Some(place) = next
            .checked_sub(1)
            .filter(|place| tries > 0 && at + end - place <= REACH)
        {
            let mut length = common(&dictionary.bytes[place..], wanted);
            if place + length == end {
                // It runs on from the dictionary's end into the block.
                length += common(input, &wanted[length..]);
            }
            best = longer(best, length, at + end - place);
            (next, tries) = (usize::from(dictionary.before[place]), tries - 1);
        }
        (best.length >= MATCH_MIN).then_some(best)
    }

    /// Takes the places before `end` into the tables.
    fn index(&mut self, input: &[u8], end: usize) {
        for place in self.indexed..end {
            let hash = hash(&input[place..]);
            self.before[place] = self.last[hash].saturating_sub(self.base);
            // Frames are smaller than `NUMBERS_MAX`, and so is `base`.
            self.last[hash] = self.base + place as u32 + 1;
        }
        self.indexed = self.indexed.max(end);
    }
}

fn longer(best: Match, length: usize, offset: usize) -> Match {
    match length > best.length {
        true => Match { length, offset },
        false => best,
    }
}

/// A number of 13 bits for the first four bytes, of which there are so many.
fn hash(bytes: &[u8]) -> usize {
    let four = bytes.first_chunk().copied().map_or(0, u32::from_le_bytes);
    // Knuth's multiplier, 2^32 divided by the golden ratio.
    (four.wrapping_mul(2_654_435_761) >> (u32::BITS - HASH_BITS)) as usize
}

/// How many bytes both begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    let (ones, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let mut same = 0;
    for (one, other) in ones.iter().zip(others) {
        let differ = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return same + differ.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}

/// A sequence: literal bytes, then a match, which the last one lacks.
fn put(block: &mut Vec<u8>, literals: &[u8], found: Option<Match>) {
    let beyond = found.map_or(0, |found| found.length - MATCH_MIN);
    // Each half of the first byte holds up to 15, and 15 says that more follows.
    block.push((literals.len().min(15) << 4 | beyond.min(15)) as u8);
    put_more(block, literals.len());
    block.extend_from_slice(literals);
    if let Some(Match { offset, .. }) = found {
        // No match reaches farther back than a u16.
        block.extend((offset as u16).to_le_bytes());
        put_more(block, beyond);
    }
}

fn put_more(block: &mut Vec<u8>, length: usize) {
    let Some(rest) = length.checked_sub(15) else {
        return;
    };
    block.extend(std::iter::repeat_n(u8::MAX, rest / 255));
    block.push((rest % 255) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use lz4_flex::block::{decompress_into, decompress_into_with_dict};
    use proptest::prelude::*;

    static TEXT: &[u8] =
        b"Envoys of both sides meet in Geneva on Wednesday; the foreign ministry denies it. ";

    fn unpacked(block: &[u8], length: usize, dictionary: &Dictionary) -> Vec<u8> {
        let mut raw = vec![0; length];
        let unpacked = match dictionary.bytes() {
            [] => decompress_into(block, &mut raw),
            bytes => decompress_into_with_dict(block, &mut raw, bytes),
        };
        assert_eq!(unpacked.unwrap(), length);
        raw
    }

    /// Bytes in which much comes again, now and then from far away.
    fn inputs() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            (0..TEXT.len(), 0..TEXT.len()).prop_map(|(a, b)| TEXT[a.min(b)..a.max(b)].to_vec()),
            (any::<u8>(), 0..600_usize).prop_map(|(byte, count)| vec![byte; count]),
        ];
        prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn another_decoder_reads_every_block(inputs in prop::collection::vec(inputs(), 1..6)) {
            let mut encoder = Encoder::default();
            for dictionary in [Dictionary::new(&[]), Dictionary::new(TEXT)] {
                for input in &inputs {
                    let block = encoder.encode(input, &dictionary);
                    prop_assert_eq!(&unpacked(&block, input.len(), &dictionary), input);
                }
            }
        }
    }

    #[test]
    fn what_the_dictionary_has_is_not_written_again() {
        let dictionary = Dictionary::new(TEXT);
        let block = Encoder::default().encode(TEXT, &dictionary);
        assert!(block.len() < 20, "{} bytes", block.len());
        assert_eq!(unpacked(&block, TEXT.len(), &dictionary), TEXT);
        // It goes on where the dictionary ends.
        let twice = TEXT.repeat(3);
        let block = Encoder::default().encode(&twice, &dictionary);
        assert!(block.len() < 20, "{} bytes", block.len());
        assert_eq!(unpacked(&block, twice.len(), &dictionary), twice);
    }

    #[test]
    fn what_lies_too_far_back_is_not_referred_to() {
        let mut state = 7_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let far: Vec<u8> = (0..REACH - 3).map(|_| draw()).collect();
        let dictionary = Dictionary::new(TEXT);
        for input in [[TEXT, &far, TEXT].concat(), [&far, TEXT].concat()] {
            let block = Encoder::default().encode(&input, &dictionary);
            assert_eq!(unpacked(&block, input.len(), &dictionary), input);
        }
    }

    /// Each place would be compared with all before it, up to the end, if there were no bounds.
    #[test]
    fn a_frame_that_repeats_itself_ends() {
        for period in [1, 3, 8, 33, 255] {
            let piece: Vec<u8> = (0..period).map(|byte| byte as u8).collect();
            let input: Vec<u8> = piece.iter().copied().cycle().take(4 << 20).collect();
            let block = Encoder::default().encode(&input, &Dictionary::new(&[]));
            assert!(block.len() < 20_000);
            assert_eq!(unpacked(&block, input.len(), &Dictionary::new(&[])), input);
        }
    }

    #[test]
    fn tables_serve_block_after_block_and_begin_anew_in_time() {
        let mut encoder = Encoder::default();
        encoder.encode(TEXT, &Dictionary::new(&[]));
        encoder.base = NUMBERS_MAX - 10;
        for _ in 0..4 {
            let block = encoder.encode(TEXT, &Dictionary::new(&[]));
            assert_eq!(unpacked(&block, TEXT.len(), &Dictionary::new(&[])), TEXT);
        }
        assert!(encoder.base < NUMBERS_MAX / 2);
    }
}

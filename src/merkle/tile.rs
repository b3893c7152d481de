//! The C2SP tlog-tiles layout: how a whole log is published as files that never change.
//!
//! ```text
//! checkpoint                        the newest signed checkpoint
//! tile/<L>/<N>[.p/<W>]              up to 256 hashes of level 8 L
//! tile/entries/<N>[.p/<W>]          up to 256 leaves, each after its length (u16, big-endian)
//! payload/<N>[.p/<W>]               up to 256 payloads with their salts: not of C2SP, ours
//! ```
//!
//! `<N>` is written in groups of three digits, all but the last with an `x` before them: 1,234,067 is `x001/x234/067`. A
//! resource that is not full says its width.

use super::tree::SUBTREE;
use crate::record::SALT_BYTES;
use std::fmt;
use std::str::FromStr;

/// The highest level of a tile that a tree of 2^64 leaves needs.
pub const LEVEL_MAX: u8 = 7;

/// What a resource holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Hashes of level 8 L.
    Hashes(u8),
    /// Leaves.
    Entries,
    /// Payloads with their salts.
    Payloads,
}

/// The name of one resource of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// What it holds.
    pub kind: Kind,
    /// Its place among those of its kind.
    pub index: u64,
    /// How many items it holds: 1 to 256.
    pub width: u32,
}

/// A path that is none of the layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path of the tlog-tiles layout")]
pub struct PathError(String);

impl Tile {
    /// How many resources of a kind a log of this size has, and the width of the last; all before it are full. `None`
    /// where it has none.
    pub fn extent(kind: Kind, size: u64) -> Option<(u64, u32)> {
        let items = Self::items(kind, size);
        let last = items.checked_sub(1)? / SUBTREE;
        // At most 256.
        Some((last + 1, (items - last * SUBTREE) as u32))
    }

    /// The names of all resources of a kind that a log of this size has.
    pub fn all(kind: Kind, size: u64) -> impl Iterator<Item = Tile> {
        let (count, width) = Self::extent(kind, size).unwrap_or((0, 0));
        (0..count).map(move |index| Tile {
            kind,
            index,
            width: if index + 1 == count { width } else { SUBTREE as u32 },
        })
    }

    /// The levels that a log of this size has hashes of.
    pub fn levels(size: u64) -> impl Iterator<Item = u8> {
        (0..=LEVEL_MAX).take_while(move |level| size >> (8 * u32::from(*level)) > 0)
    }

    /// Whether a log of this size holds all that the resource holds.
    pub fn is_within(&self, size: u64) -> bool {
        let first = self.index.checked_mul(SUBTREE);
        let end = first.and_then(|first| first.checked_add(self.width.into()));
        // Against the items that there are: the leaves below a foreign index may be more than any number holds.
        end.is_some_and(|end| end <= Self::items(self.kind, size))
    }

    /// How many items of a kind a log of this size has.
    fn items(kind: Kind, size: u64) -> u64 {
        match kind {
            Kind::Hashes(level) => size.checked_shr(8 * u32::from(level)).unwrap_or(0),
            Kind::Entries | Kind::Payloads => size,
        }
    }

    /// Whether it holds 256 items, so that it is the same for every larger log.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == SUBTREE
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
            Kind::Entries => f.write_str("tile/entries/")?,
            Kind::Payloads => f.write_str("payload/")?,
        }
        let groups = (0..7)
            .rev()
            .map(|group| (group, self.index / 1_000_u64.pow(group)))
            .filter(|(group, above)| *group == 0 || *above > 0);
        for (group, above) in groups {
            let digits = above % 1_000;
            match group {
                0 => write!(f, "{digits:03}")?,
                _ => write!(f, "x{digits:03}/")?,
            }
        }
        if self.is_full() {
            Ok(())
        } else {
            write!(f, ".p/{}", self.width)
        }
    }
}

impl FromStr for Tile {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        parse(path)
            .filter(|tile| tile.to_string() == path)
            .ok_or_else(|| PathError(path.chars().take(80).collect()))
    }
}

/// Reads a path, leniently: who calls it holds the answer's own path against it.
fn parse(path: &str) -> Option<Tile> {
    let (kind, rest) = match path.strip_prefix("tile/") {
        Some(rest) => rest.split_once('/')?,
        None => ("payload", path.strip_prefix("payload/")?),
    };
    let kind = match kind {
        "entries" => Kind::Entries,
        "payload" => Kind::Payloads,
        level => Kind::Hashes(level.parse().ok().filter(|level| *level <= LEVEL_MAX)?),
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (
            index,
            width.parse().ok().filter(|width| (1..256).contains(width))?,
        ),
        None => (rest, SUBTREE as u32),
    };
    let mut number = 0_u64;
    for group in index.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let digits: u64 = digits.parse().ok().filter(|_| digits.len() == 3)?;
        number = number.checked_mul(1_000)?.checked_add(digits)?;
    }
    Some(Tile {
        kind,
        index: number,
        width,
    })
}

/// Items that do not fit into a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry over 65,535 bytes.
    #[error("an entry has {0} bytes; a bundle takes up to 65,535")]
    TooLarge(usize),
    /// The bundle ends in the middle of an item.
    #[error("the bundle is cut in item {0}")]
    Cut(usize),
}

/// Adds an entry to a bundle.
///
/// # Errors
/// [`BundleError::TooLarge`].
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLarge(entry.len()))?;
    bundle.extend(length.to_be_bytes());
    bundle.extend(entry);
    Ok(())
}

/// The entries of a bundle.
pub fn entries(bundle: &[u8]) -> impl Iterator<Item = Result<&[u8], BundleError>> {
    let mut rest = bundle;
    let mut count = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = rest.split_first_chunk::<2>().and_then(|(length, more)| {
            let (entry, more) = more.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = more;
            Some(entry)
        });
        if entry.is_none() {
            rest = &[];
        }
        count += 1;
        Some(entry.ok_or(BundleError::Cut(count - 1)))
    })
}

/// Adds a record's salt and payload to a bundle: the length of both together as four bytes big-endian, the salt of 32
/// bytes, the payload. Where there is no salt there is no content, and the length is 0.
pub fn push_payload(bundle: &mut Vec<u8>, salt: &[u8], payload: &[u8]) {
    let length = if salt.is_empty() {
        0
    } else {
        salt.len() + payload.len()
    };
    // A payload has at most 1 MiB.
    bundle.extend((length as u32).to_be_bytes());
    if length > 0 {
        bundle.extend(salt);
        bundle.extend(payload);
    }
}

/// A salt and the payload that it belongs to.
pub type Salted<'a> = (&'a [u8; SALT_BYTES], &'a [u8]);

/// The salts and payloads of a bundle; `None` where there is no content.
pub fn payloads(bundle: &[u8]) -> impl Iterator<Item = Result<Option<Salted<'_>>, BundleError>> {
    let mut rest = bundle;
    let mut count = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let item = rest.split_first_chunk::<4>().and_then(|(length, more)| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (item, more) = more.split_at_checked(length)?;
            rest = more;
            if item.is_empty() {
                Some(None)
            } else {
                Some(Some(item.split_first_chunk()?))
            }
        });
        if item.is_none() {
            rest = &[];
        }
        count += 1;
        Some(item.ok_or(BundleError::Cut(count - 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tile(kind: Kind, index: u64, width: u32) -> Tile {
        Tile { kind, index, width }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let hashes = tile(Kind::Hashes(0), 1_234_067, 256);
        assert_eq!(hashes.to_string(), "tile/0/x001/x234/067");
        assert_eq!(tile(Kind::Entries, 0, 112).to_string(), "tile/entries/000.p/112");
        assert_eq!(tile(Kind::Payloads, 1_000, 256).to_string(), "payload/x001/000");
    }

    /// A log of 70,000 leaves, the example of the specification.
    #[test]
    fn a_log_has_the_tiles_of_its_size() {
        let of = |level| Tile::all(Kind::Hashes(level), 70_000).collect::<Vec<_>>();
        assert_eq!((of(0).len(), of(0)[272].width, of(0)[273].width), (274, 256, 112));
        assert_eq!((of(1).len(), of(1)[0].width, of(1)[1].width), (2, 256, 17));
        assert_eq!((of(2).len(), of(2)[0].width), (1, 1));
        assert!(of(3).is_empty());
        assert_eq!(Tile::levels(70_000).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Tile::levels(0).count(), 0);
        assert_eq!(
            Tile::all(Kind::Entries, 256).collect::<Vec<_>>(),
            [tile(Kind::Entries, 0, 256)]
        );
    }

    #[test]
    fn a_tile_is_within_the_logs_that_hold_all_of_it() {
        let partial = tile(Kind::Hashes(1), 0, 3);
        assert!(partial.is_within(768) && !partial.is_within(767));
        let last = tile(Kind::Entries, u64::MAX, 256);
        assert!(!last.is_within(u64::MAX));
        for level in 0..=LEVEL_MAX {
            assert!(
                !tile(Kind::Hashes(level), u64::MAX, 256).is_within(600),
                "{level}"
            );
        }
    }

    #[test]
    fn paths_with_another_form_are_refused() {
        for bad in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/0/01",
            "tile/00/001",
            "tile/8/001",
            "tile/0/0001",
            "tile/0/x001",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/07",
            "tile/0/001.p",
            "tile/-1/001",
            "tile/0/+01",
            "tile/entries/../checkpoint",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "/tile/0/001",
        ] {
            assert!(bad.parse::<Tile>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn paths_read_back_and_are_those_of_tlog_tiles(level in 0u8..=7, index: u64, width in 1u32..=256) {
            for kind in [Kind::Hashes(level), Kind::Entries, Kind::Payloads] {
                let tile = tile(kind, index, width);
                prop_assert_eq!(tile.to_string().parse::<Tile>(), Ok(tile));
            }
            let theirs = tlog_tiles::Tile::new(8, level, index, width, false);
            prop_assert_eq!(tile(Kind::Hashes(level), index, width).to_string(), theirs.path().replace("tile/8/", "tile/"));
        }

        /// The definition, in numbers that hold every leaf below a tile or say that they do not.
        #[test]
        fn a_tile_is_within_the_logs_that_have_the_leaves_below_it(
            level in 0u8..=7, index: u64, shift in 0u32..64, width in 1u32..=256, size: u64, smaller in 0u32..64,
        ) {
            let (index, size) = (index >> shift, size >> smaller);
            let items = u128::from(index) * 256 + u128::from(width);
            let leaves = items.checked_mul(1 << (8 * u32::from(level)));
            let expected = leaves.is_some_and(|leaves| leaves <= size.into());
            prop_assert_eq!(tile(Kind::Hashes(level), index, width).is_within(size), expected);
        }

        #[test]
        fn no_path_makes_it_panic(path in "(tile/|payload/)?[0-9a-z/.]{0,40}") {
            let _ = path.parse::<Tile>();
        }

        #[test]
        fn payloads_read_back_and_no_bytes_make_it_panic(
            all in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        ) {
            let mut bundle = Vec::new();
            for payload in &all {
                match payload {
                    Some(payload) => push_payload(&mut bundle, &[7; 32], payload),
                    None => push_payload(&mut bundle, &[], &[]),
                }
            }
            let read: Vec<_> = payloads(&bundle).collect::<Result<_, _>>().unwrap();
            let expected: Vec<_> = all.iter().map(|one| one.as_ref().map(|one| (&[7; 32], one.as_slice()))).collect();
            prop_assert_eq!(read, expected);
            if !bundle.is_empty() {
                prop_assert!(payloads(&bundle[..bundle.len() - 1]).last().is_some_and(|last| last.is_err()));
            }
        }

        #[test]
        fn bundles_read_back_and_no_bytes_make_it_panic(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut bundle = Vec::new();
            for leaf in &leaves {
                push_entry(&mut bundle, leaf).unwrap();
            }
            let read: Vec<_> = entries(&bundle).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read, leaves);
            if !bundle.is_empty() {
                let cut = &bundle[..bundle.len() - 1];
                prop_assert!(entries(cut).last().is_some_and(|last| last.is_err()));
            }
        }
    }
}

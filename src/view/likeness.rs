//! Which entries of an answer tell of one event: how many they are, and an answer without them.
//!
//! The rules are [`crate::derive::Likeness`]'s. Of those that are alike the one that was recorded first stands for the others; all
//! is judged within the answer, so that what does not match counts for nothing. The index has a number for each content, and knows
//! which contents have a number that another has too: of the others, which are most, nothing is read. What is not in the index is
//! asked itself.

use super::contents::Contents;
use super::matching::decode;
use super::search::Search;
use crate::derive::Likeness;
use crate::index::{IndexError, Snapshot};
use crate::log::{Columns, Log, ReadError, Stored};
use crate::record::{Position, codec};
use roaring::RoaringBitmap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};

/// Records fetched at a time.
const FETCHED: usize = 256;
/// So many contents are compared at a time, so that memory is bounded: some forty bytes for each, where all are alike.
const COMPARED_MAX: u64 = 1 << 21;
/// Fewer are compared without a look at which of them may be alike.
const FEW: u64 = 1 << 12;

/// Which entries an answer leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Collapse {
    /// None.
    #[default]
    None,
    /// Swapped twins of another entry.
    Twins,
    /// Swapped twins, and those that tell the same as another entry.
    Alike,
}

impl Collapse {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Twins => "twins",
            Self::Alike => "alike",
        }
    }

    fn leaves_out(self, role: Role) -> bool {
        match role {
            Role::Twin => self != Self::None,
            Role::Alike => self == Self::Alike,
        }
    }
}

/// How many entries of an answer tell of an event that one recorded before them tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Likened {
    /// With sources and targets swapped.
    pub twins: u64,
    /// In the same way.
    pub alike: u64,
}

/// What an entry is to the one that stands for its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Twin,
    Alike,
}

/// How many contents are alike.
///
/// # Errors
/// [`ReadError`].
pub fn likened(
    log: &Log,
    search: Option<&Search>,
    contents: &Contents,
    cancelled: &AtomicBool,
) -> Result<Likened, ReadError> {
    let mut likened = Likened::default();
    each_alike(log, search, contents, cancelled, &mut |_, role| likened.add(role))?;
    Ok(likened)
}

/// The same, and leaves out what is to be left out.
///
/// # Errors
/// [`ReadError`].
pub fn collapse(
    log: &Log,
    search: Option<&Search>,
    collapse: Collapse,
    contents: &mut Contents,
    cancelled: &AtomicBool,
) -> Result<Likened, ReadError> {
    let (mut likened, mut left_out) = (Likened::default(), Vec::new());
    each_alike(log, search, contents, cancelled, &mut |position, role| {
        likened.add(role);
        if collapse.leaves_out(role) {
            left_out.push(position);
        }
    })?;
    contents.remove(&left_out);
    Ok(likened)
}

/// Tells of each content that tells of an event that an earlier one tells of; in no order.
fn each_alike(
    log: &Log,
    search: Option<&Search>,
    contents: &Contents,
    cancelled: &AtomicBool,
    take: &mut dyn FnMut(Position, Role),
) -> Result<(), ReadError> {
    if let (Some(search), Some((snapshot, sets))) = (search, contents.indexed()) {
        let loose = asked(log, contents.loose(), cancelled)?;
        // What was told before an index fails is worth nothing.
        let mut told = Vec::new();
        match by_index(snapshot, sets, &loose, &mut |position, role| {
            told.push((position, role))
        }) {
            Ok(()) => {
                told.into_iter().for_each(|(position, role)| take(position, role));
                return Ok(());
            }
            Err(error) => search.failed(&error, snapshot),
        }
    }
    let all = asked(log, &contents.positions(), cancelled)?;
    let mut each = |take: &mut dyn FnMut(Told)| {
        all.iter().for_each(|one| take(*one));
        Ok::<_, Infallible>(())
    };
    let Ok(()) = each_repeated(all.len() as u64, &mut each, take);
    Ok(())
}

fn by_index(
    snapshot: &Snapshot,
    sets: &[RoaringBitmap],
    loose: &[Told],
    take: &mut dyn FnMut(Position, Role),
) -> Result<(), IndexError> {
    let tags: Vec<u64> = loose.iter().map(|(one, _)| one.number()).collect();
    let sets = snapshot.alike(sets, &tags)?;
    let count = sets.iter().map(RoaringBitmap::len).sum::<u64>() + loose.len() as u64;
    let mut each = |take: &mut dyn FnMut(Told)| {
        for (part, set) in sets.iter().enumerate() {
            let from = snapshot.from(part);
            snapshot.each_tag(part, set, &mut |number, tag| {
                if let Some(likeness) = Likeness::of_number(tag) {
                    take((likeness, from.plus(number.into())));
                }
            })?;
        }
        loose.iter().for_each(|one| take(*one));
        Ok(())
    };
    each_repeated(count, &mut each, take)
}

impl Likened {
    fn add(&mut self, role: Role) {
        match role {
            Role::Twin => self.twins += 1,
            Role::Alike => self.alike += 1,
        }
    }
}

/// A content that is compared, and where it lies.
type Told = (Likeness, Position);

/// Hands over contents that are compared.
type Each<'e, E> = dyn FnMut(&mut dyn FnMut(Told)) -> Result<(), E> + 'e;

/// Tells of each of those that `each` hands over, about so many, whether an earlier one tells of its event; in no order. `each` is
/// called more than once.
fn each_repeated<E>(
    count: u64,
    each: &mut Each<'_, E>,
    take: &mut dyn FnMut(Position, Role),
) -> Result<(), E> {
    let passes = count.div_ceil(COMPARED_MAX);
    for pass in 0..passes {
        // The bits of a hash, and not those that are a place in the table.
        let is_of_it = |one: Likeness| passes == 1 || (one.event() >> 40) % passes == pass;
        let mut repeated = (count > FEW).then(|| Repeated::of(count.min(COMPARED_MAX)));
        if let Some(repeated) = &mut repeated {
            each(&mut |(one, _)| {
                if is_of_it(one) {
                    repeated.add(one.event());
                }
            })?;
        }
        let mut all: Vec<Told> = Vec::new();
        each(&mut |(one, position)| {
            let may_have = |repeated: &Repeated| repeated.may_have(one.event());
            if is_of_it(one) && repeated.as_ref().is_none_or(may_have) {
                all.push((one, position));
            }
        })?;
        // Those of an event next to each other, the first of them first.
        all.sort_unstable_by_key(|(one, position)| (one.event(), *position));
        for told in all.chunk_by(|(a, _), (b, _)| a.event() == b.event()) {
            for (one, position) in &told[1..] {
                let is_twin = one.is_turned(told[0].0);
                take(*position, if is_twin { Role::Twin } else { Role::Alike });
            }
        }
    }
    Ok(())
}

/// Which events may be told more than once. Most are not, and a bit of a table that fits into a processor's cache says so.
struct Repeated {
    seen: Vec<u64>,
    again: Vec<u64>,
    /// The bits of a number that are its place.
    places: u64,
}

impl Repeated {
    /// Nothing yet, for about so many events.
    fn of(count: u64) -> Self {
        let bits = (count * 8).next_power_of_two().max(64);
        let words = usize::try_from(bits / 64).unwrap_or(usize::MAX);
        Self {
            seen: vec![0; words],
            again: vec![0; words],
            places: bits - 1,
        }
    }

    fn add(&mut self, event: u64) {
        let (word, bit) = self.place(event);
        self.again[word] |= self.seen[word] & bit;
        self.seen[word] |= bit;
    }

    fn place(&self, event: u64) -> (usize, u64) {
        // The lowest bit is the same of all, the others are those of a hash.
        let place = event >> 1 & self.places;
        ((place / 64) as usize, 1 << (place % 64))
    }

    fn may_have(&self, event: u64) -> bool {
        let (word, bit) = self.place(event);
        self.again[word] & bit != 0
    }
}

/// Contents by their records, those that are compared.
fn asked(log: &Log, positions: &[Position], cancelled: &AtomicBool) -> Result<Vec<Told>, ReadError> {
    let mut all = Vec::new();
    for some in positions.chunks(FETCHED) {
        if cancelled.load(Ordering::Relaxed) {
            break;
        }
        for (position, run) in some.iter().zip(log.fetch(some, Columns::Unsalted)?) {
            let likeness = run
                .get(*position)
                .map_or(Ok(None), |record| likeness_of(&record))?;
            all.extend(likeness.map(|likeness| (likeness, *position)));
        }
    }
    Ok(all)
}

fn likeness_of(record: &Stored<'_>) -> Result<Option<Likeness>, ReadError> {
    let leaf = decode(record)?;
    let content = codec::decode_content(record.payload).ok().flatten();
    let content = content.filter(|_| !record.erased);
    Ok(content.and_then(|content| Likeness::of(leaf.series, leaf.kind, &content)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    /// The roles of contents of these numbers, as if there were so many.
    fn roles(numbers: &[u64], count: u64) -> Vec<(u64, Role)> {
        let mut roles = Vec::new();
        let told = |(at, number): (u64, &u64)| Some((Likeness::of_number(*number)?, Position::new(at)));
        let mut each = |take: &mut dyn FnMut(Told)| {
            (0..).zip(numbers).filter_map(told).for_each(take);
            Ok::<_, Infallible>(())
        };
        let Ok(()) = each_repeated(count, &mut each, &mut |at, role| roles.push((at.get(), role)));
        roles.sort_unstable_by_key(|(at, _)| *at);
        roles
    }

    #[test]
    fn the_first_stands_for_the_others() {
        use Role::{Alike, Twin};
        // Events 4 and 6, and two that are not compared.
        let numbers = [0, 5, 4, 6, 5, 4, 0, 6];
        assert_eq!(roles(&numbers, 8), [(2, Twin), (4, Alike), (5, Twin), (7, Alike)]);
        assert!(Collapse::Twins.leaves_out(Twin) && !Collapse::Twins.leaves_out(Alike));
        assert!(Collapse::Alike.leaves_out(Twin) && Collapse::Alike.leaves_out(Alike));
        assert!(!Collapse::None.leaves_out(Twin) && !Collapse::None.leaves_out(Alike));
    }

    proptest! {
        #[test]
        fn however_they_are_compared_none_that_is_repeated_is_missed(
            numbers in prop::collection::vec((0_u64..40, 0_u64..3), 0..100),
            count in prop::sample::select(vec![100, FEW + 1, 3 * COMPARED_MAX]),
        ) {
            // The highest bits say in which pass an event is compared.
            let numbers: Vec<u64> = numbers.into_iter().map(|(low, high)| low | high << 40).collect();
            let mut first: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
            let plain = (0..).zip(&numbers).filter_map(|(at, number)| match first.get(&(number & !1)) {
                _ if *number == 0 => None,
                Some(own) if own == number => Some((at, Role::Alike)),
                Some(_) => Some((at, Role::Twin)),
                None => { first.insert(number & !1, *number); None }
            });
            prop_assert_eq!(plain.collect::<Vec<_>>(), roles(&numbers, count));
        }
    }
}

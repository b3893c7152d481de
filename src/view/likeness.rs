//! Which entries of an answer tell of one event: how many they are, and an answer without them.
//!
//! The rules are [`crate::derive::Likeness`]'s. Of those that are alike the one that was recorded first stands for the others; all
//! is judged within the answer, so that what does not match counts for nothing. The index has a number for each content; what is
//! not in it is asked itself.

use super::matching::decode;
use super::search::Search;
use crate::derive::Likeness;
use crate::log::{Columns, Log, ReadError, Stored};
use crate::record::{Position, codec};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// Records fetched at a time.
const FETCHED: usize = 256;

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

/// How many entries of an answer, whose positions ascend, are alike.
///
/// # Errors
/// [`ReadError`].
pub fn likened(
    log: &Log,
    search: Option<&Search>,
    answer: &[Position],
    cancelled: &AtomicBool,
) -> Result<Likened, ReadError> {
    let numbers = numbers(log, search, answer, cancelled)?;
    let mut likened = Likened::default();
    each_repeated(&numbers, |_, role| likened.add(role));
    Ok(likened)
}

/// The same, and leaves out of the answer what is to be left out of it.
///
/// # Errors
/// [`ReadError`].
pub fn collapse<T>(
    log: &Log,
    search: Option<&Search>,
    collapse: Collapse,
    answer: &mut Vec<T>,
    position_of: impl Fn(&T) -> Position,
    cancelled: &AtomicBool,
) -> Result<Likened, ReadError> {
    let positions: Vec<Position> = answer.iter().map(position_of).collect();
    let numbers = numbers(log, search, &positions, cancelled)?;
    let mut likened = Likened::default();
    let mut left_out = vec![false; answer.len()];
    each_repeated(&numbers, |at, role| {
        likened.add(role);
        left_out[at] = collapse.leaves_out(role);
    });
    let mut left_out = left_out.into_iter();
    answer.retain(|_| left_out.next() != Some(true));
    Ok(likened)
}

impl Likened {
    fn add(&mut self, role: Role) {
        match role {
            Role::Twin => self.twins += 1,
            Role::Alike => self.alike += 1,
        }
    }
}

/// Tells of each that tells of an event that an earlier one tells of, by its place; in no order.
fn each_repeated(numbers: &[u64], mut take: impl FnMut(usize, Role)) {
    let repeated = Repeated::of(numbers);
    let likenesses = numbers
        .iter()
        .map(|number| Likeness::of_number(*number))
        .enumerate();
    let candidates = likenesses.filter_map(|(at, one)| Some((one?, at)));
    let mut candidates: Vec<(Likeness, usize)> = candidates
        .filter(|(one, _)| repeated.may_have(one.event()))
        .collect();
    // Those of an event next to each other, the first of them first.
    candidates.sort_unstable_by_key(|(one, at)| (one.event(), *at));
    for told in candidates.chunk_by(|(a, _), (b, _)| a.event() == b.event()) {
        for (one, at) in &told[1..] {
            let is_twin = one.is_turned(told[0].0);
            take(*at, if is_twin { Role::Twin } else { Role::Alike });
        }
    }
}

/// Which events may be told more than once. Most are not, and a bit of a table that fits into a processor's cache says so.
struct Repeated {
    seen: Vec<u64>,
    again: Vec<u64>,
    /// The bits of a number that are its place.
    places: u64,
}

impl Repeated {
    fn of(numbers: &[u64]) -> Self {
        let bits = (numbers.len() * 8).next_power_of_two().max(64);
        let mut table = Self {
            seen: vec![0; bits / 64],
            again: vec![0; bits / 64],
            places: bits as u64 - 1,
        };
        for event in numbers.iter().filter_map(|number| Likeness::of_number(*number)) {
            let (word, bit) = table.place(event.event());
            table.again[word] |= table.seen[word] & bit;
            table.seen[word] |= bit;
        }
        table
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

/// The numbers of the likenesses of contents, 0 of those that are not compared.
fn numbers(
    log: &Log,
    search: Option<&Search>,
    positions: &[Position],
    cancelled: &AtomicBool,
) -> Result<Vec<u64>, ReadError> {
    let Some(search) = search else {
        return asked(log, positions, cancelled);
    };
    let snapshot = search.snapshot();
    let indexed = positions.partition_point(|position| *position < snapshot.through());
    let mut numbers = match snapshot.tags(&positions[..indexed]) {
        Ok(numbers) => numbers,
        Err(error) => {
            search.failed(&error, &snapshot);
            return asked(log, positions, cancelled);
        }
    };
    numbers.extend(asked(log, &positions[indexed..], cancelled)?);
    // The index may still have the numbers of what the log has erased.
    let erased: HashSet<Position> = log.erased_now().into_iter().collect();
    if !erased.is_empty() {
        let is_erased = positions.iter().map(|position| erased.contains(position));
        numbers
            .iter_mut()
            .zip(is_erased)
            .filter(|(_, is_erased)| *is_erased)
            .for_each(|(number, _)| *number = 0);
    }
    Ok(numbers)
}

/// The same of the records themselves.
fn asked(log: &Log, positions: &[Position], cancelled: &AtomicBool) -> Result<Vec<u64>, ReadError> {
    let mut numbers = Vec::with_capacity(positions.len());
    for some in positions.chunks(FETCHED) {
        if cancelled.load(Ordering::Relaxed) {
            break;
        }
        for (position, run) in some.iter().zip(log.fetch(some, Columns::Unsalted)?) {
            let record = run.get(*position);
            numbers.push(record.map_or(Ok(0), |record| number_of(&record))?);
        }
    }
    Ok(numbers)
}

fn number_of(record: &Stored<'_>) -> Result<u64, ReadError> {
    let leaf = decode(record)?;
    let content = codec::decode_content(record.payload).ok().flatten();
    let content = content.filter(|_| !record.erased);
    let likeness = content.and_then(|content| Likeness::of(leaf.series, leaf.kind, &content));
    Ok(likeness.map_or(0, Likeness::number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn roles(numbers: &[u64]) -> Vec<(usize, Role)> {
        let mut roles = Vec::new();
        each_repeated(numbers, |at, role| roles.push((at, role)));
        roles.sort_unstable_by_key(|(at, _)| *at);
        roles
    }

    #[test]
    fn the_first_stands_for_the_others() {
        use Role::{Alike, Twin};
        // Events 4 and 6, and two that are not compared.
        let numbers = [0, 5, 4, 6, 5, 4, 0, 6];
        assert_eq!(roles(&numbers), [(2, Twin), (4, Alike), (5, Twin), (7, Alike)]);
        assert!(Collapse::Twins.leaves_out(Twin) && !Collapse::Twins.leaves_out(Alike));
        assert!(Collapse::Alike.leaves_out(Twin) && Collapse::Alike.leaves_out(Alike));
        assert!(!Collapse::None.leaves_out(Twin) && !Collapse::None.leaves_out(Alike));
    }

    proptest! {
        #[test]
        fn a_table_of_bits_hides_none_that_is_repeated(numbers in prop::collection::vec(0_u64..40, 0..100)) {
            let mut first: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
            let plain = numbers.iter().enumerate().filter_map(|(at, number)| match first.get(&(number & !1)) {
                _ if *number == 0 => None,
                Some(own) if own == number => Some((at, Role::Alike)),
                Some(_) => Some((at, Role::Twin)),
                None => { first.insert(number & !1, *number); None }
            });
            prop_assert_eq!(plain.collect::<Vec<_>>(), roles(&numbers));
        }
    }
}

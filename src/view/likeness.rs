//! Which entries of an answer tell of one event: how many they are, and an answer without them.
//!
//! The rules are [`crate::derive::Likeness`]'s. Of those that are alike the one that was recorded first stands for the others; all
//! is judged within the answer, so that what does not match counts for nothing. The index has a number for each content and says
//! which are alike; what is not in it is asked itself.

use super::contents::Contents;
use super::fetched;
use super::matching::decode;
use super::search::Search;
use crate::derive::Likeness;
use crate::index::{Repeated, Tagged, repeated};
use crate::log::{Log, ReadError, Stored};
use crate::record::{Position, codec};
use std::sync::atomic::AtomicBool;

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
    let add = |likened: &mut Likened, one: Repeated| likened.add(role(one));
    folded(log, search, contents, cancelled, add)
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
    let add = |(likened, left_out): &mut (Likened, Vec<Position>), one: Repeated| {
        likened.add(role(one));
        if collapse.leaves_out(role(one)) {
            left_out.push(one.position);
        }
    };
    let (likened, left_out) = folded(log, search, contents, cancelled, add)?;
    contents.remove(&left_out);
    Ok(likened)
}

/// Adds up the contents that tell of an event that an earlier one tells of.
fn folded<T: Default>(
    log: &Log,
    search: Option<&Search>,
    contents: &Contents,
    cancelled: &AtomicBool,
    add: impl Fn(&mut T, Repeated),
) -> Result<T, ReadError> {
    if let (Some(search), Some((snapshot, sets))) = (search, contents.indexed()) {
        let loose = asked(log, contents.loose(), cancelled)?;
        let mut all = T::default();
        match snapshot.repeated(sets, &loose, &mut |one| add(&mut all, one)) {
            Ok(()) => return Ok(all),
            Err(error) => search.failed(&error, snapshot),
        }
    }
    let mut all = T::default();
    let mut told = asked(log, &contents.positions(), cancelled)?;
    repeated(&mut told, &mut |one| add(&mut all, one));
    Ok(all)
}

fn role(one: Repeated) -> Role {
    if one.is_turned { Role::Twin } else { Role::Alike }
}

impl Likened {
    fn add(&mut self, role: Role) {
        match role {
            Role::Twin => self.twins += 1,
            Role::Alike => self.alike += 1,
        }
    }
}

/// The numbers of contents by their records, of those that are compared.
fn asked(log: &Log, positions: &[Position], cancelled: &AtomicBool) -> Result<Vec<Tagged>, ReadError> {
    let mut all = Vec::new();
    fetched::each(log, positions, cancelled, |at, run| {
        let record = run.iter().next();
        let likeness = record.map_or(Ok(None), |record| likeness_of(&record))?;
        all.extend(likeness.map(|likeness| (likeness.number(), positions[at])));
        Ok::<_, ReadError>(())
    })?;
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

    #[test]
    fn the_first_stands_for_the_others() {
        use Role::{Alike, Twin};
        // Events 4 and 6, and two that are not compared.
        let numbers = [0, 5, 4, 6, 5, 4, 0, 6];
        let mut told = numbers
            .iter()
            .zip(0..)
            .map(|(number, at)| (*number, Position::new(at)))
            .collect();
        let mut roles = Vec::new();
        repeated(&mut told, &mut |one| roles.push((one.position.get(), role(one))));
        roles.sort_unstable_by_key(|(at, _)| *at);
        assert_eq!(roles, [(2, Twin), (4, Alike), (5, Twin), (7, Alike)]);
        assert!(Collapse::Twins.leaves_out(Twin) && !Collapse::Twins.leaves_out(Alike));
        assert!(Collapse::Alike.leaves_out(Twin) && Collapse::Alike.leaves_out(Alike));
        assert!(!Collapse::None.leaves_out(Twin) && !Collapse::None.leaves_out(Alike));
    }
}

//! What became of contents: which was superseded, retracted, reinstated or erased, and by the record at which position.
//!
//! A pure fold of leaves. Most contents are the only one of their entry, and of those nothing is kept but a bit that is not set;
//! of every other, and of every act, some twenty bytes. From it follows the status of a content as of any point of the log.

use crate::log::Erasure;
use crate::record::{Act, Leaf, Position, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What a record does to an entry's newest content. The numbers are part of the format of indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fate {
    /// Another content takes its place.
    Superseded = 1,
    /// It is retracted.
    Retracted = 2,
    /// It is taken back.
    Reinstated = 3,
    /// Nothing that its status depends on.
    Touched = 4,
    /// It is erased, at every point of the log.
    Erased = 5,
    /// There is no content.
    Nothing = 6,
}

impl Fate {
    /// The fate of a number.
    pub fn of(number: u8) -> Option<Self> {
        [
            Self::Superseded,
            Self::Retracted,
            Self::Reinstated,
            Self::Touched,
            Self::Erased,
            Self::Nothing,
        ]
        .into_iter()
        .find(|fate| *fate as u8 == number)
    }
}

/// What became of every content below a position.
#[derive(Debug, Default)]
pub struct Fates {
    /// A bit for each position: whether anything is known of the content there.
    touched: Vec<u64>,
    /// By content, then by the record that did it.
    steps: BTreeMap<(u64, u64), Fate>,
    /// Every record that follows a content or has none, ascending.
    followers: Vec<Kept>,
    erased: BTreeSet<u64>,
    /// The ERASEs that removed contents.
    erasures: BTreeSet<u64>,
}

/// A record, and the content before it: that of its entry, or the act itself where there is none.
#[derive(Clone, Copy, Debug)]
struct Kept {
    at: u64,
    /// With [`HAS_CONTENT`] where the record has a content of its own.
    on: u64,
}

/// No position is so high.
const HAS_CONTENT: u64 = 1 << 63;

/// A record that comes after another one of its entry, or has no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    /// Its position.
    pub at: Position,
    /// The content that its entry had before it; `None` where it had none.
    pub on: Option<Position>,
    /// Whether it has a content of its own.
    pub has_content: bool,
}

impl Kept {
    fn told(self) -> Follower {
        let on = self.on & !HAS_CONTENT;
        Follower {
            at: Position::new(self.at),
            on: (on != self.at).then(|| Position::new(on)),
            has_content: self.on & HAS_CONTENT != 0,
        }
    }
}

impl Fates {
    /// What a record does, and to which content. The records before it must have been applied.
    pub fn of_record(&self, at: Position, leaf: &Leaf<'_>) -> Option<(Fate, Position)> {
        let content = leaf.previous.and_then(|previous| self.content_of(previous));
        let fate = match (leaf.act, content) {
            (Act::Create | Act::Amend, None) => return None,
            (Act::Create | Act::Amend, Some(_)) => Fate::Superseded,
            (_, None) => Fate::Nothing,
            (Act::Retract, Some(_)) => Fate::Retracted,
            (Act::Reinstate, Some(_)) => Fate::Reinstated,
            (_, Some(_)) => Fate::Touched,
        };
        Some((fate, content.unwrap_or(at)))
    }

    /// The contents that an ERASE removes.
    pub fn of_erasure(&self, erasure: &Erasure) -> Vec<Position> {
        let is_content = |target: &&Position| self.follower(**target).is_none_or(|one| one.has_content);
        erasure.targets.iter().filter(is_content).copied().collect()
    }

    /// Takes in that the record at a position did something to a content.
    pub fn apply(&mut self, at: Position, fate: Fate, on: Position) {
        let (at, on) = (at.get(), on.get());
        match fate {
            Fate::Superseded => self.keep(Kept {
                at,
                on: on | HAS_CONTENT,
            }),
            Fate::Erased => {
                self.erased.insert(on);
                self.erasures.insert(at);
            }
            Fate::Retracted | Fate::Reinstated | Fate::Touched | Fate::Nothing => self.keep(Kept { at, on }),
        }
        if fate != Fate::Nothing {
            self.touch(on);
        }
        if matches!(fate, Fate::Superseded | Fate::Retracted | Fate::Reinstated) {
            self.steps.insert((on, at), fate);
        }
    }

    /// The newest content of an entry as of one of its records.
    pub fn content_of(&self, record: Position) -> Option<Position> {
        match self.follower(record) {
            Some(act) if !act.has_content => act.on,
            Some(_) | None => Some(record),
        }
    }

    /// The records at these positions that follow a content or have none, ascending.
    pub fn followers(&self, range: Range<Position>) -> impl Iterator<Item = Follower> + '_ {
        let from = self.followers.partition_point(|one| one.at < range.start.get());
        let from = self.followers[from..].iter();
        from.take_while(move |one| one.at < range.end.get())
            .map(|one| one.told())
    }

    /// Whether the record at a position is an ERASE that removed a content.
    pub fn erases(&self, at: Position) -> bool {
        self.erasures.contains(&at.get())
    }

    /// Whether a content was erased.
    pub fn is_erased(&self, content: Position) -> bool {
        self.erased.contains(&content.get())
    }

    fn follower(&self, at: Position) -> Option<Follower> {
        let found = self.followers.binary_search_by_key(&at.get(), |one| one.at);
        found.ok().map(|found| self.followers[found].told())
    }

    /// They come in order, but where records are folded once more.
    fn keep(&mut self, one: Kept) {
        match self.followers.last() {
            Some(last) if last.at >= one.at => {
                match self.followers.binary_search_by_key(&one.at, |kept| kept.at) {
                    Ok(at) => self.followers[at] = one,
                    Err(at) => self.followers.insert(at, one),
                }
            }
            Some(_) | None => self.followers.push(one),
        }
    }

    /// What the acts of its entry say of a content as of a position above it, erased or not; [`Status::Superseded`] where it is not
    /// the newest of its entry.
    pub fn by_acts(&self, content: Position, as_of: Position) -> Status {
        let at = content.get();
        if !self.is_touched(content) {
            return Status::Current;
        }
        let mut status = Status::Current;
        for (_, fate) in self.steps.range((at, 0)..(at, as_of.get())) {
            match fate {
                Fate::Superseded => return Status::Superseded,
                Fate::Retracted => status = Status::Retracted,
                _ => status = Status::Current,
            }
        }
        status
    }

    /// The contents below a position that are erased, ascending.
    pub fn erased(&self, below: Position) -> impl Iterator<Item = Position> + '_ {
        self.erased.range(..below.get()).map(|at| Position::new(*at))
    }

    fn touch(&mut self, at: u64) {
        let word = usize::try_from(at / 64).unwrap_or(usize::MAX);
        if word >= self.touched.len() {
            self.touched.resize(word + 1, 0);
        }
        self.touched[word] |= 1 << (at % 64);
    }

    /// The contents of a range to which any record did anything, ascending.
    pub fn touched(&self, range: Range<Position>) -> impl Iterator<Item = Position> + '_ {
        let (start, end) = (range.start.get(), range.end.get());
        let word = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.touched.len());
        let words = word(start / 64)..word(end.div_ceil(64)).max(word(start / 64));
        let each = (start / 64..).zip(&self.touched[words]);
        let bits = |(at, bits): (u64, &u64)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| u64::from(left.trailing_zeros()))?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        };
        let within = each.filter(|(_, bits)| **bits != 0).flat_map(bits);
        within
            .filter(move |at| (start..end).contains(at))
            .map(Position::new)
    }

    /// Whether any record did anything to a content.
    pub fn is_touched(&self, content: Position) -> bool {
        let at = content.get();
        let word = usize::try_from(at / 64).ok();
        let word = word.and_then(|word| self.touched.get(word));
        word.is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::EntryKey;

    fn position(at: u64) -> Position {
        Position::new(at)
    }

    /// One entry's acts at these positions, folded.
    fn folded(acts: &[(u64, Act)]) -> Fates {
        let mut fates = Fates::default();
        let mut previous = None;
        for (at, act) in acts {
            let leaf = Leaf {
                act: *act,
                kind: crate::record::Kind::Event,
                series: "desk",
                key: "k",
                revision: crate::record::Revision::FIRST,
                previous,
                recorded: crate::record::Recorded::default(),
                batch_id: b"b",
                batch_index: 0,
                batch_count: 1,
                principal: "p",
                epoch: crate::record::Epoch::default(),
                reason: "",
                relation: None,
                erased: None,
                payload_size: 0,
                commitment: [0; 32],
            };
            if let Some((fate, on)) = fates.of_record(position(*at), &leaf) {
                fates.apply(position(*at), fate, on);
            }
            previous = Some(position(*at));
        }
        fates
    }

    #[test]
    fn the_status_of_a_content_is_that_of_the_point_that_is_asked_for() {
        use Act::{Amend, Create, Link, Reinstate, Retract};
        let fates = folded(&[
            (3, Create),
            (5, Retract),
            (6, Link),
            (9, Reinstate),
            (200, Amend),
            (201, Retract),
        ]);
        let statuses = |content, points: &[u64]| -> Vec<Status> {
            let status = |as_of: &u64| fates.by_acts(position(content), position(*as_of));
            points.iter().map(status).collect()
        };
        use Status::{Current, Retracted, Superseded};
        assert_eq!(
            statuses(3, &[4, 5, 6, 9, 10, 200, 201, 999]),
            [
                Current, Current, Retracted, Retracted, Current, Current, Superseded, Superseded
            ]
        );
        assert_eq!(statuses(200, &[201, 202]), [Current, Retracted]);
        assert_eq!(statuses(77, &[78]), [Current], "of most nothing is known");
        let touched = |range: std::ops::Range<u64>| {
            let range = position(range.start)..position(range.end);
            fates.touched(range).map(Position::get).collect::<Vec<_>>()
        };
        assert_eq!(touched(0..999), [3, 200]);
        assert_eq!((touched(4..201), touched(3..200)), (vec![200], vec![3]));
        assert_eq!((touched(500..999), touched(3..3)), (vec![], vec![]));
        assert_eq!(fates.content_of(position(6)), Some(position(3)));
        assert_eq!(fates.content_of(position(201)), Some(position(200)));
        let told = fates.followers(position(6)..position(201));
        let told: Vec<_> = told.map(|one| (one.at, one.on, one.has_content)).collect();
        let on = Some(position(3));
        assert_eq!(
            told,
            [
                (position(6), on, false),
                (position(9), on, false),
                (position(200), on, true)
            ]
        );
    }

    #[test]
    fn a_record_that_is_folded_once_more_is_kept_once() {
        let mut fates = folded(&[(3, Act::Create), (5, Act::Link), (6, Act::Amend)]);
        fates.apply(position(5), Fate::Touched, position(3));
        let all: Vec<_> = fates.followers(position(0)..position(9)).collect();
        assert_eq!(all.len(), 2);
        fates.apply(position(4), Fate::Nothing, position(4));
        let first = fates.followers(position(0)..position(9)).next().unwrap();
        assert_eq!((first.at, first.on), (position(4), None));
    }

    #[test]
    fn what_is_erased_is_so_at_every_point_and_an_act_is_no_content() {
        let mut fates = folded(&[
            (3, Act::Create),
            (5, Act::Link),
            (9, Act::Amend),
            (12, Act::Erase),
        ]);
        let erasure = Erasure {
            position: position(12),
            entry: EntryKey::new("desk", "k").unwrap(),
            targets: [3, 5, 9].map(position).to_vec(),
        };
        let contents = fates.of_erasure(&erasure);
        assert_eq!(contents, [position(3), position(9)]);
        for content in contents {
            fates.apply(position(12), Fate::Erased, content);
        }
        assert!(fates.is_erased(position(3)) && !fates.is_erased(position(5)));
        assert_eq!(fates.by_acts(position(3), position(4)), Status::Current);
        assert_eq!(fates.erased(position(9)).collect::<Vec<_>>(), [position(3)]);
        let both = [position(3), position(9)];
        assert_eq!(fates.erased(position(99)).collect::<Vec<_>>(), both);
    }

    #[test]
    fn an_entry_without_content_answers_nothing() {
        let fates = folded(&[(3, Act::Audit), (4, Act::Audit)]);
        assert_eq!(fates.content_of(position(4)), None);
    }
}

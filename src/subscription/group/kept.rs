//! What is kept of a group, as bytes.
//!
//! A group is a few named values: `NAME/settings`, `NAME/progress`, and `NAME/parked/POSITION` for each record that it has parked,
//! the position in 20 digits. The progress is bound to the log by the root of a tree, so that a group knows a log that was put back
//! from an older copy, or forked. Numbers are varints as protobuf has them (base 128, the lowest first), texts have their length before
//! them. Who keeps the values also sees to it that they are whole.

use super::Settings;
use super::state::{GroupState, Open, Parked, Rules, Sharing};
use crate::filter::Filter;
use crate::record::{Hash, Position};
use crate::view::Mode;

const VERSION: u8 = 1;
/// The version of the progress: 1 was bound to no root, 2 knew no delays and nothing that is done ahead.
const PROGRESS_VERSION: u8 = 3;

/// A value to be kept, or forgotten.
pub type Change = (String, Option<Vec<u8>>);

/// What names the settings of a group.
pub fn settings_name(group: &str) -> String {
    format!("{group}/settings")
}

/// What names the progress of a group.
pub fn progress_name(group: &str) -> String {
    format!("{group}/progress")
}

/// What the names of parked records begin with.
pub fn parked_prefix(group: &str) -> String {
    format!("{group}/parked/")
}

/// What names a parked record.
pub fn parked_name(group: &str, position: Position) -> String {
    format!("{}{:020}", parked_prefix(group), position.get())
}

/// The settings of a group.
pub fn write_settings(settings: &Settings) -> Vec<u8> {
    let rules = &settings.rules;
    let sharing = match rules.sharing {
        Sharing::Shared => 1,
        Sharing::Ordered => 2,
    };
    let mode = match settings.mode {
        Mode::Records => 1,
        Mode::Changes => 2,
    };
    let mut bytes = vec![VERSION, sharing, mode];
    for number in [
        rules.ack_timeout_ms,
        rules.deliveries_max.into(),
        rules.in_flight_max as u64,
    ] {
        put(&mut bytes, number);
    }
    put_text(&mut bytes, settings.filter.canonical());
    bytes
}

/// Reads [`write_settings`]; `None` where the bytes are no settings of this version.
pub fn read_settings(name: &str, bytes: &[u8]) -> Option<Settings> {
    let mut bytes = Reader(bytes);
    if bytes.byte()? != VERSION {
        return None;
    }
    let sharing = match bytes.byte()? {
        1 => Sharing::Shared,
        2 => Sharing::Ordered,
        _ => return None,
    };
    let mode = match bytes.byte()? {
        1 => Mode::Records,
        2 => Mode::Changes,
        _ => return None,
    };
    let rules = Rules {
        sharing,
        ack_timeout_ms: bytes.number()?,
        deliveries_max: u32::try_from(bytes.number()?).ok()?,
        in_flight_max: usize::try_from(bytes.number()?).ok()?,
    };
    let filter = bytes.text()?;
    bytes.is_done().then_some(())?;
    Some(Settings {
        name: name.to_owned(),
        filter: Filter::parse(filter).ok()?,
        mode,
        rules,
    })
}

/// How far a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The first position not looked at.
    pub next: Position,
    /// What the log was: the root of the tree over so many of its records, at most `next`; `None` where it was not kept.
    pub bound: Option<Bound>,
    /// What is open below; delays end at milliseconds since 1970.
    pub open: Vec<Open>,
    /// What is done from there on.
    pub done_ahead: Vec<Position>,
}

/// A size of the log, and the root of its tree then.
pub type Bound = (Position, Hash);

/// How far a group is; `bound` is of a log that has all that the group has looked at, or less. The state's times begin at `epoch_ms`,
/// milliseconds since 1970.
pub fn write_progress(state: &GroupState, bound: Option<&Bound>, epoch_ms: u64) -> Vec<u8> {
    let mut bytes = vec![PROGRESS_VERSION];
    put(&mut bytes, state.next().get());
    bytes.push(bound.is_some().into());
    if let Some((size, root)) = bound {
        put(&mut bytes, size.get());
        bytes.extend(root);
    }
    put(&mut bytes, state.done_ahead().len() as u64);
    let mut before = 0;
    for position in state.done_ahead() {
        put(&mut bytes, position.get() - before);
        before = position.get();
    }
    before = 0;
    for open in state.open_records() {
        put(&mut bytes, open.position.get() - before);
        put(&mut bytes, open.attempts.into());
        put(&mut bytes, open.entry);
        let until = open.delayed_until;
        put(
            &mut bytes,
            until.map_or(0, |until| epoch_ms.saturating_add(until)),
        );
        before = open.position.get();
    }
    bytes
}

/// Reads [`write_progress`].
pub fn read_progress(bytes: &[u8]) -> Option<Progress> {
    let mut bytes = Reader(bytes);
    let version = bytes.byte()?;
    let next = Position::new(bytes.number()?);
    let is_bound = match version {
        VERSION => false,
        2 => true,
        PROGRESS_VERSION => bytes.byte()? == 1,
        _ => return None,
    };
    let bound = match is_bound {
        true => Some((Position::new(bytes.number()?), bytes.hash()?)),
        false => None,
    };
    let done_ahead = match version {
        PROGRESS_VERSION => read_done_ahead(&mut bytes)?,
        _ => Vec::new(),
    };
    let (mut open, mut before) = (Vec::new(), 0_u64);
    while !bytes.is_done() {
        before = before.checked_add(bytes.number()?)?;
        open.push(Open {
            position: Position::new(before),
            attempts: u32::try_from(bytes.number()?).ok()?,
            entry: bytes.number()?,
            delayed_until: match version {
                PROGRESS_VERSION => Some(bytes.number()?).filter(|until| *until > 0),
                _ => None,
            },
        });
    }
    Some(Progress {
        next,
        bound,
        open,
        done_ahead,
    })
}

fn read_done_ahead(bytes: &mut Reader<'_>) -> Option<Vec<Position>> {
    let (mut done, mut before) = (Vec::new(), 0_u64);
    for _ in 0..bytes.number()? {
        before = before.checked_add(bytes.number()?)?;
        done.push(Position::new(before));
    }
    Some(done)
}

/// A parked record.
pub fn write_parked(parked: &Parked) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    put(&mut bytes, parked.attempts.into());
    put(&mut bytes, parked.entry);
    put_text(&mut bytes, &parked.reason);
    bytes
}

/// Reads [`write_parked`].
pub fn read_parked(bytes: &[u8]) -> Option<Parked> {
    let mut bytes = Reader(bytes);
    if bytes.byte()? != VERSION {
        return None;
    }
    let parked = Parked {
        attempts: u32::try_from(bytes.number()?).ok()?,
        entry: bytes.number()?,
        reason: bytes.text()?.to_owned(),
    };
    bytes.is_done().then_some(parked)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}

/// Bytes that are read from the front.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn hash(&mut self) -> Option<Hash> {
        let (hash, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*hash)
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::{Consumer, Refusal};
    use super::*;
    use proptest::prelude::*;

    fn settings() -> Settings {
        Settings {
            name: "desk".into(),
            filter: Filter::parse("country = PAK AND NOT kind = document").unwrap(),
            mode: Mode::Changes,
            rules: Rules {
                sharing: Sharing::Ordered,
                ack_timeout_ms: 30_000,
                deliveries_max: 5,
                in_flight_max: 1_000,
            },
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = write_settings(&settings());
        let read = read_settings("desk", &bytes).unwrap();
        assert_eq!(read.differs(&settings()), None);
        assert_eq!(write_settings(&read), bytes);
        let mut state = GroupState::new(settings().rules, Position::new(5));
        let found = [(7, 3), (900, u64::MAX), (901, 3)];
        state.scanned(
            found.map(|(at, entry)| (Position::new(at), entry)),
            Position::new(1_000),
        );
        let me = Consumer {
            name: "me".into(),
            stream: 0,
        };
        state.take(&me, 1, 0);
        state.nack(&me, [Position::new(7)], Refusal::Retry(50), "", 10);
        let (next, tail) = (state.next(), Position::new(2_000));
        let open: Vec<Open> = state.open_records().collect();
        let mut state = GroupState::restored(settings().rules, (next, tail), open.clone(), [], []);
        let done = [1_000, 1_999].map(Position::new);
        assert_eq!(state.ack(&me, done), 2);
        for bound in [None, Some((Position::new(12), [7; 32]))] {
            let progress = read_progress(&write_progress(&state, bound.as_ref(), 1_000)).unwrap();
            assert_eq!((progress.next, progress.bound), (state.next(), bound));
            assert_eq!((progress.open.len(), progress.open[0].attempts), (3, 1));
            assert_eq!(progress.open[0].delayed_until, Some(1_060));
            assert_eq!(progress.open[1..], open[1..]);
            assert_eq!(progress.done_ahead, done);
        }
        // As it was written before there were delays.
        let before = [2, 5, 4].into_iter().chain([7; 32]).chain([9, 1, 3]);
        let progress = read_progress(&before.collect::<Vec<u8>>()).unwrap();
        assert_eq!((progress.next.get(), progress.bound.unwrap().0.get()), (5, 4));
        assert_eq!((progress.open[0].position.get(), progress.open[0].entry), (9, 3));
        let parked = Parked {
            entry: 9,
            attempts: 3,
            reason: "kein Drucker".into(),
        };
        assert_eq!(read_parked(&write_parked(&parked)), Some(parked));
        assert_eq!(
            parked_name("desk", Position::new(12)),
            "desk/parked/00000000000000000012"
        );
    }

    #[test]
    fn bytes_that_are_cut_are_nothing() {
        let bytes = write_settings(&settings());
        for end in 0..bytes.len() {
            assert!(read_settings("desk", &bytes[..end]).is_none(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (read_settings("desk", &bytes), read_progress(&bytes), read_parked(&bytes));
        }
    }
}

//! Places in the log, counts of content, and time as the log keeps it.
//!
//! Plain values: they hold no state and read no clock.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

macro_rules! count {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The value for this number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The value one further on; it stays at the largest number there is.
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

count! {
    /// The dense 0-based number of a record in the log.
    ///
    /// As an edge it is the first position *not* in a range: the tail of a log of three records is 3.
    Position
}

count! {
    /// How many contents an entry has had, from 1. 0 stands for an entry without content.
    Revision
}

count! {
    /// The reign of the log, from 0. It rises when a copy is promoted.
    Epoch
}

impl Position {
    /// The position of the first record, and the tail of an empty log.
    pub const START: Self = Self(0);

    /// The position `count` records further on; it stays at the largest number there is.
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many records lie from `earlier` up to here; 0 where `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Revision {
    /// The revision that CREATE makes.
    pub const FIRST: Self = Self(1);
}

/// A moment as the log keeps it: UTC nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recorded(i64);

impl Recorded {
    /// The moment so many nanoseconds after the start of 1970, UTC.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start of 1970, UTC.
    pub const fn nanos(self) -> i64 {
        self.0
    }
}

/// RFC 3339 in UTC with nine digits: `2026-11-23T10:00:00.000000001Z`.
impl fmt::Display for Recorded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(moment) => write!(out, "{moment:.9}"),
            Err(_) => write!(out, "{}ns", self.0),
        }
    }
}

impl FromStr for Recorded {
    type Err = RecordedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| RecordedError {
            text: text.chars().take(64).collect(),
        })?;
        i64::try_from(moment.as_nanosecond())
            .map(Self)
            .map_err(|_| RecordedError {
                text: text.chars().take(64).collect(),
            })
    }
}

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a time; write RFC 3339 with a zone, as 2026-11-23T10:00:00Z")]
pub struct RecordedError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_round_trips_through_rfc_3339_with_nine_digits() {
        let moment = Recorded::from_nanos(1_795_428_000_000_000_001);
        assert_eq!(moment.to_string(), "2026-11-23T10:00:00.000000001Z");
        assert_eq!(moment.to_string().parse(), Ok(moment));
    }

    #[test]
    fn a_text_that_is_no_time_is_named() {
        let error = "yesterday".parse::<Recorded>().unwrap_err();
        assert!(error.to_string().contains("`yesterday`"));
    }

    #[test]
    fn positions_are_edges() {
        let tail = Position::START.plus(3);
        assert_eq!(tail.since(Position::new(1)), 2);
        assert_eq!(Position::new(1).since(tail), 0);
        assert_eq!(tail.next().to_string(), "4");
    }
}

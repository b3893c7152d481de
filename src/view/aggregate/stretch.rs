//! Stretches of time: days, months, years.

use crate::record::date::{DaySpan, civil_day};
use std::fmt;

/// The label of dates that fit no year, and of entries that have none.
pub const UNDATED: &str = "undated";

/// How long the stretches are that days are gathered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// A day.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// A day.
    Day(i64, u8, u8),
    /// A month.
    Month(i64, u8),
    /// A year.
    Year(i64),
    /// No year has all of it.
    Undated,
}

impl Stretch {
    /// The one that days lie in: of the length asked for, or the next longer one that has all of them.
    pub fn of(days: &DaySpan, bucket: Bucket) -> Self {
        let (Some(earliest), Some(latest)) = (days.earliest, days.latest) else {
            return Self::Undated;
        };
        // What lies beyond the days that are counted stays at their ends, and is no such day.
        if earliest == i32::MIN || latest == i32::MIN || earliest == i32::MAX || latest == i32::MAX {
            return Self::Undated;
        }
        let (first, last) = (civil_day(earliest), civil_day(latest));
        match bucket {
            Bucket::Day if first == last => Self::Day(first.0, first.1, first.2),
            Bucket::Day | Bucket::Month if (first.0, first.1) == (last.0, last.1) => {
                Self::Month(first.0, first.1)
            }
            _ if first.0 == last.0 => Self::Year(first.0),
            _ => Self::Undated,
        }
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = match *self {
            Self::Day(year, month, day) => (year, Some(month), Some(day)),
            Self::Month(year, month) => (year, Some(month), None),
            Self::Year(year) => (year, None, None),
            Self::Undated => return out.write_str(UNDATED),
        };
        match year {
            0..=9999 => write!(out, "{year:04}")?,
            -9999..0 => write!(out, "-{:04}", -year)?,
            year => write!(out, "Y{year}")?,
        }
        month.map_or(Ok(()), |month| write!(out, "-{month:02}"))?;
        day.map_or(Ok(()), |day| write!(out, "-{day:02}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_wider_than_the_stretch_goes_to_the_wider_one_and_is_never_spread() {
        let label = |text: &str, bucket| Stretch::of(&DaySpan::of(text).unwrap(), bucket).to_string();
        for (text, day, month, year) in [
            ("2021-10-13", "2021-10-13", "2021-10", "2021"),
            ("2021-10", "2021-10", "2021-10", "2021"),
            ("1939", "1939", "1939", "1939"),
            ("2021-10-13/2021-10-15", "2021-10", "2021-10", "2021"),
            ("2021-10-30/2021-11-02", "2021", "2021", "2021"),
            ("1939/1945", UNDATED, UNDATED, UNDATED),
            ("1939/..", UNDATED, UNDATED, UNDATED),
            ("-0043-03-15", "-0043-03-15", "-0043-03", "-0043"),
            // Beyond the days that are counted there is no stretch to put it in.
            ("Y17E7", UNDATED, UNDATED, UNDATED),
            ("Y-17E7", UNDATED, UNDATED, UNDATED),
            ("1939/Y17E7", UNDATED, UNDATED, UNDATED),
            ("Y100000", "Y100000", "Y100000", "Y100000"),
        ] {
            let labels = [Bucket::Day, Bucket::Month, Bucket::Year].map(|bucket| label(text, bucket));
            assert_eq!(labels, [day, month, year], "{text}");
        }
    }
}

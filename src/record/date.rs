//! Dates as sources state them: EDTF (ISO 8601-2:2019, annex A), read as days.
//!
//! A date may be a day, a month, a decade, an interval, or uncertain; what filters and sorting need of it is the
//! earliest and the latest day it may mean. Days are civil and have no zone: nothing here knows a clock.

use edtf_core::{Bound, BoundDate, Edtf};

/// Why a text is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateError {
    /// What is wrong, as a fragment.
    pub problem: &'static str,
    /// At which byte.
    pub at: usize,
}

/// The days that a date may mean, both ends included. Days count from 1970-01-01 in the proleptic Gregorian
/// calendar; beyond some 5.8 million years they stay at the ends of `i32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DaySpan {
    /// The earliest day; `None` where the start is open or unknown.
    pub earliest: Option<i32>,
    /// The latest day; `None` where the end is open or unknown.
    pub latest: Option<i32>,
}

/// Checks that a text is a date. Plain dates, months and years are checked without allocating.
///
/// # Errors
/// What is wrong with it and where.
#[inline]
pub fn check(text: &str) -> Result<(), DateError> {
    match plain(text.as_bytes()) {
        Some(_) => Ok(()),
        None => parse(text).map(drop),
    }
}

/// Whether a text is a plain year, month or day that exists, and so a date without any closer look.
#[inline]
pub(super) fn is_plain(text: &[u8]) -> bool {
    plain(text).is_some()
}

/// Parses a date of EDTF levels 0 to 2.
///
/// # Errors
/// What is wrong with it and where.
pub fn parse(text: &str) -> Result<Edtf, DateError> {
    Edtf::parse(text).map_err(|error| DateError {
        problem: error.message,
        at: error.offset,
    })
}

impl DaySpan {
    /// The days of a date in EDTF.
    ///
    /// # Errors
    /// What is wrong with it and where.
    pub fn of(text: &str) -> Result<Self, DateError> {
        if let Some(plain) = plain(text.as_bytes()) {
            return Ok(plain.span());
        }
        let bounds = parse(text)?.bounds();
        Ok(Self {
            earliest: day_of_bound(bounds.earliest),
            latest: day_of_bound(bounds.latest),
        })
    }

    /// One day.
    pub const fn day(day: i32) -> Self {
        Self {
            earliest: Some(day),
            latest: Some(day),
        }
    }

    /// Whether it certainly lies in `other`: every day it may mean is one of `other`'s. An open end lies only in
    /// an open end.
    pub fn is_within(&self, other: &Self) -> bool {
        starts_no_earlier(self.earliest, other.earliest) && ends_no_later(self.latest, other.latest)
    }

    /// Whether it possibly lies in `other`: they share a day.
    pub fn may_meet(&self, other: &Self) -> bool {
        let apart = |end: Option<i32>, start: Option<i32>| matches!((end, start), (Some(end), Some(start)) if end < start);
        !apart(self.latest, other.earliest) && !apart(other.latest, self.earliest)
    }

    /// Whether it certainly lies before the first day of `other`.
    pub fn is_before(&self, other: &Self) -> bool {
        matches!((self.latest, other.earliest), (Some(latest), Some(earliest)) if latest < earliest)
    }

    /// Whether it certainly lies after the last day of `other`.
    pub fn is_after(&self, other: &Self) -> bool {
        other.is_before(self)
    }

    /// Whether no day of it lies before the first day of `other`: the `>=` of filters.
    pub fn is_from(&self, other: &Self) -> bool {
        matches!((self.earliest, other.earliest), (Some(own), Some(first)) if own >= first)
    }

    /// Whether no day of it lies after the last day of `other`: the `<=` of filters.
    pub fn is_until(&self, other: &Self) -> bool {
        matches!((self.latest, other.latest), (Some(own), Some(last)) if own <= last)
    }
}

fn starts_no_earlier(own: Option<i32>, other: Option<i32>) -> bool {
    other.is_none_or(|other| own.is_some_and(|own| own >= other))
}

fn ends_no_later(own: Option<i32>, other: Option<i32>) -> bool {
    other.is_none_or(|other| own.is_some_and(|own| own <= other))
}

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD` with nothing else: nearly every date there is.
struct Plain {
    year: i64,
    month: Option<u8>,
    day: Option<u8>,
}

impl Plain {
    fn span(&self) -> DaySpan {
        let (first, last) = (self.month.unwrap_or(1), self.month.unwrap_or(12));
        let earliest = day_number(self.year, first, self.day.unwrap_or(1));
        let latest = day_number(
            self.year,
            last,
            self.day.unwrap_or_else(|| days_in(self.year, last)),
        );
        DaySpan {
            earliest: Some(earliest),
            latest: Some(latest),
        }
    }
}

/// `None` where the text is another form, or no date at all.
fn plain(text: &[u8]) -> Option<Plain> {
    let two = |text: &[u8]| match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    };
    let (year, rest) = text.split_at_checked(4)?;
    let year = i64::from(two(&year[..2])?) * 100 + i64::from(two(&year[2..])?);
    let (month, rest) = match rest {
        [] => {
            return Some(Plain {
                year,
                month: None,
                day: None,
            });
        }
        [b'-', tens, ones, rest @ ..] => (two(&[*tens, *ones])?, rest),
        _ => return None,
    };
    if !(1..=12).contains(&month) {
        return None;
    }
    match rest {
        [] => Some(Plain {
            year,
            month: Some(month),
            day: None,
        }),
        [b'-', day @ ..] => {
            let day = two(day)?;
            (1..=days_in(year, month)).contains(&day).then_some(Plain {
                year,
                month: Some(month),
                day: Some(day),
            })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: u8) -> u8 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn day_of_bound(bound: Bound) -> Option<i32> {
    match bound {
        Bound::Date(BoundDate { year, month, day }) => Some(day_number(year, month, day)),
        Bound::NegativeInfinity | Bound::PositiveInfinity | Bound::Unknown => None,
    }
}

/// The number of a day, from 1970-01-01 as 0: years are counted from March in eras of 400 years, so that the leap
/// day is the last of its year and every era has the same length.
pub fn day_number(year: i64, month: u8, day: u8) -> i32 {
    const DAYS_OF_ERA: i64 = 146_097;
    const DAYS_TO_1970: i64 = 719_468;
    // Beyond this the result would leave i32 anyway, and the sums below must not overflow.
    let year = year.clamp(-10_000_000, 10_000_000) - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * DAYS_OF_ERA + day_of_era - DAYS_TO_1970;
    i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX })
}

/// The civil day of a number: year, month, day. The inverse of [`day_number`] where that did not stop at an end.
pub fn civil_day(number: i32) -> (i64, u8, u8) {
    let days = i64::from(number) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u8;
    let month = ((month_from_march + 2) % 12 + 1) as u8;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(text: &str) -> DaySpan {
        DaySpan::of(text).unwrap()
    }

    #[test]
    fn a_month_runs_from_its_first_to_its_last_day() {
        assert_eq!(
            span("1970-01"),
            DaySpan {
                earliest: Some(0),
                latest: Some(30)
            }
        );
        assert_eq!(span("2020-02").latest, span("2020-02-29").latest);
        assert_eq!(span("1939-05~"), span("1939-05"));
    }

    #[test]
    fn open_and_unknown_ends_have_no_day() {
        assert_eq!(span("1939/..").latest, None);
        assert_eq!(span("/1939").earliest, None);
        assert_eq!(span("../1939").earliest, None);
    }

    #[test]
    fn impossible_days_are_refused() {
        for bad in [
            "2021-02-30",
            "2021-13",
            "2021-00-01",
            "1900-02-29",
            "yesterday",
            "2021-2-3",
            "",
            "20211013",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for good in [
            "2000-02-29",
            "1939",
            "1939-05",
            "156X",
            "1939-05~",
            "2021-10-13/2021-10-14",
            "Y-17E7",
            "-0043",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_bare_year_possibly_but_not_certainly_lies_in_its_month() {
        let (year, month) = (span("1939"), span("1939-05"));
        assert!(year.may_meet(&month) && !year.is_within(&month));
        assert!(month.is_within(&year));
    }

    #[test]
    fn comparisons_are_certain_ones() {
        let (early, late) = (span("1939"), span("1939-12"));
        assert!(!early.is_before(&late), "the year reaches into December");
        assert!(span("1939-11").is_before(&late) && late.is_after(&span("1939-11")));
        assert!(late.is_from(&early) && late.is_until(&early));
        assert!(!span("1939/..").is_until(&early) && span("1939/..").is_from(&early));
    }

    #[test]
    fn far_years_stay_at_the_ends() {
        assert_eq!(span("Y170000002").latest, Some(i32::MAX));
        assert_eq!(span("Y-170000002").earliest, Some(i32::MIN));
    }

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_library(text in "[0-9]{4}(-[0-1][0-9](-[0-3][0-9])?)?") {
            let library = Edtf::parse(&text);
            match plain(text.as_bytes()) {
                Some(plain) => {
                    let bounds = library.unwrap().bounds();
                    prop_assert_eq!(plain.span().earliest, day_of_bound(bounds.earliest));
                    prop_assert_eq!(plain.span().latest, day_of_bound(bounds.latest));
                }
                None => prop_assert!(library.is_err()),
            }
        }

        #[test]
        fn day_numbers_round_trip(number in any::<i32>()) {
            let (year, month, day) = civil_day(number);
            prop_assert_eq!(day_number(year, month, day), number);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = check(&text);
            let _ = DaySpan::of(&text);
        }
    }
}

//! Days: dates as they are written, and those relative to the day on which the document was reported.

use super::tense::{self, Tense};
use super::text::Read;
use super::words::List;
use super::{Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion};
use crate::record::date::{DaySpan, civil_day, day_number};
use std::ops::Range;

static WEEKDAYS: List = List::new("days.weekdays");
pub(super) static MONTHS: List = List::new("days.months");
/// The abbreviations of months, each for its number.
const SHORT: [(&str, u8); 12] = [
    ("Jan", 1),
    ("Feb", 2),
    ("Mar", 3),
    ("Apr", 4),
    ("Jun", 6),
    ("Jul", 7),
    ("Aug", 8),
    ("Sep", 9),
    ("Sept", 9),
    ("Oct", 10),
    ("Nov", 11),
    ("Dec", 12),
];
/// Words that may stand behind the second of two days: `on June 4 and 5 in Paris`, but not `on June 4 and 5 soldiers`.
static BEHIND_DAYS: List = List::new("days.behind-days");

/// Whether a word is the name of a weekday or of a month, in full.
pub(super) fn is_of_a_date(word: &str) -> bool {
    WEEKDAYS.contains(&word) || MONTHS.contains(&word)
}

/// Suggests the days of a part; no more than a document may suggest.
pub(super) fn find(read: &Read<'_>, reported: Option<i32>, into: &mut Vec<Suggestion>) {
    let most = into.len() + SUGGESTIONS_MAX;
    let mut at = 0;
    while at < read.words.len() && into.len() < most {
        let found = written(read, at, reported)
            .map(|(next, days)| (at..next, days, Rule::WrittenDate))
            .or_else(|| {
                let (words, day) = relative(read, at, reported)?;
                Some((words, vec![day], Rule::RelativeDay))
            });
        let Some((words, days, rule)) = found else {
            at += 1;
            continue;
        };
        let range: Range<usize> = read.words[words.start].from..read.words[words.end - 1].to;
        into.extend(days.into_iter().map(|day| Suggestion {
            part: Part::Text,
            range: range.clone(),
            what: Suggested::Day(day),
            rule,
        }));
        at = words.end;
    }
}

/// `13 October 2021`, `October 13, 2021`, `2021-10-13`, `Oct. 13`, `6 and 7 January`, `June 4-14`: the word after it, and the days: of
/// several the first and the last.
fn written(read: &Read<'_>, at: usize, reported: Option<i32>) -> Option<(usize, Vec<String>)> {
    let word = read.word(at);
    if word.len() == 10
        && word.is_ascii()
        && DaySpan::of(word).is_ok()
        && word.starts_with(|c: char| c.is_ascii_digit())
    {
        return Some((at + 1, vec![word.to_owned()]));
    }
    if let Some(month) = month(read, at) {
        if !joins(read, at + 1) {
            return None;
        }
        return match days_of_month(read, at + 1) {
            Some((next, days)) => {
                let is_sure = days.len() == 1 || ends_days(read, next);
                let (next, days) = match is_sure {
                    true => (next, days),
                    false => (at + 2, days[..1].to_vec()),
                };
                dated(read, next, month, &days, reported)
            }
            None => {
                let year = year(read.word(at + 1))?;
                real_month(year, month).map(|month| (at + 2, vec![month]))
            }
        };
    }
    let (behind, days) = days_of_month(read, at)?;
    // Nothing but a space lies between a day and its month: `by 12 votes to 3. May said` is no day.
    let behind = match read.word(behind) {
        "of" if joins(read, behind) => behind + 1,
        _ => behind,
    };
    let month = month(read, behind).filter(|_| joins(read, behind))?;
    dated(read, behind + 1, month, &days, reported)
}

/// Whether there are only spaces between a word and the one before.
fn joins(read: &Read<'_>, at: usize) -> bool {
    read.words.get(at).is_some_and(|word| word.joins)
}

/// Days of a month, with the year behind them or the one that is nearest to the report.
fn dated(
    read: &Read<'_>,
    next: usize,
    month: u8,
    days: &[u8],
    reported: Option<i32>,
) -> Option<(usize, Vec<String>)> {
    let all_of = |year: i64| {
        days.iter()
            .map(|day| real(year, month, *day))
            .collect::<Option<Vec<_>>>()
    };
    if let Some(year) = year_behind(read, next) {
        return Some((next + 1, all_of(year)?));
    }
    let reported = reported?;
    let (year, ..) = civil_day(reported);
    let candidates = [year - 1, year, year + 1].into_iter();
    let candidates = candidates.filter(|year| all_of(*year).is_some());
    let first = *days.first()?;
    let nearest = candidates.min_by_key(|year| day_number(*year, month, first).abs_diff(reported))?;
    Some((next, all_of(nearest)?))
}

/// A year behind a day and a month: behind a space, or a comma and one.
fn year_behind(read: &Read<'_>, at: usize) -> Option<i64> {
    let (before, word) = (read.words.get(at.checked_sub(1)?)?, read.words.get(at)?);
    let is_near = word.joins || &read.text[before.to..word.from] == ", ";
    is_near.then(|| year(read.word(at)))?
}

/// A day that there is.
fn real(year: i64, month: u8, day: u8) -> Option<String> {
    edtf(year, format!("{year:04}-{month:02}-{day:02}"))
}

fn real_month(year: i64, month: u8) -> Option<String> {
    edtf(year, format!("{year:04}-{month:02}"))
}

/// What EDTF can write with four digits.
fn edtf(year: i64, text: String) -> Option<String> {
    ((0..=9999).contains(&year) && DaySpan::of(&text).is_ok()).then_some(text)
}

/// A month by its name or its usual abbreviation, which may have a stop.
fn month(read: &Read<'_>, at: usize) -> Option<u8> {
    read.words.get(at).filter(|word| word.is_capital)?;
    let word = read.word(at);
    let bare = word.strip_suffix('.').unwrap_or(word);
    if let Some((_, month)) = SHORT.iter().find(|(short, _)| *short == bare) {
        return Some(*month);
    }
    let at = MONTHS.iter().position(|name| *name == word)?;
    u8::try_from(at + 1).ok()
}

/// Whether a month stands here, and the number of a day behind it: `President Reagan May 16`.
pub(super) fn is_day_and_month(read: &Read<'_>, at: usize) -> bool {
    month(read, at).is_some() && joins(read, at + 1) && days_of_month(read, at + 1).is_some()
}

/// `6`, `6th`; `6 and 7`, `4 to 14`, `4-14`: the word behind, and the first and the last day.
fn days_of_month(read: &Read<'_>, at: usize) -> Option<(usize, Vec<u8>)> {
    let word = read.word(at);
    if !word.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if let Some((first, last)) = word.split_once(['-', '‑']) {
        return days(day_of_month(first)?, day_of_month(last)?).map(|days| (at + 1, days));
    }
    let first = day_of_month(word)?;
    let two = match read.word(at + 1) {
        "and" | "to" if joins(read, at + 1) && joins(read, at + 2) => at + 2,
        _ => at + 1,
    };
    let is_near = two == at + 2
        || read
            .words
            .get(two)
            .is_some_and(|next| &read.text[read.words[at].to..next.from] == "–");
    let last = day_of_month(read.word(two)).filter(|_| is_near);
    match last.and_then(|last| days(first, last)) {
        Some(days) => Some((two + 1, days)),
        None => Some((at + 1, vec![first])),
    }
}

fn days(first: u8, last: u8) -> Option<Vec<u8>> {
    (first < last).then(|| vec![first, last])
}

/// Whether the second of two days is one, and not the number of something.
fn ends_days(read: &Read<'_>, next: usize) -> bool {
    let is_something = read
        .words
        .get(next)
        .is_some_and(|word| word.joins && !word.is_capital);
    !is_something || BEHIND_DAYS.contains(&read.word(next)) || year(read.word(next)).is_some()
}

fn day_of_month(word: &str) -> Option<u8> {
    let bare = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|end| word.strip_suffix(end))
        .unwrap_or(word);
    let is_short = bare.len() <= 2 && bare.bytes().all(|byte| byte.is_ascii_digit());
    let day: u8 = is_short.then(|| bare.parse().ok())??;
    (1..=31).contains(&day).then_some(day)
}

fn year(word: &str) -> Option<i64> {
    let is_year = word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let year: i64 = is_year.then(|| word.parse().ok())??;
    (1500..=2199).contains(&year).then_some(year)
}

/// `on Wednesday`, `today`, `the day before yesterday`, `last month`: its words, and the day.
fn relative(read: &Read<'_>, at: usize, reported: Option<i32>) -> Option<(Range<usize>, String)> {
    let reported = reported?;
    let before = |words: usize| at.checked_sub(words).map_or("", |before| read.word(before));
    let is_further = |word: &str| before(1) == word && before(2) == "day";
    let (off, first) = match read.word(at) {
        "today" | "Today" => (0, at),
        "yesterday" if is_further("before") => (-2, at - 2),
        "yesterday" | "Yesterday" => (-1, at),
        "tomorrow" if is_further("after") => (2, at - 2),
        "tomorrow" | "Tomorrow" => (1, at),
        "month" if matches!(before(1), "last" | "next") => {
            return Some((at..at + 1, near_month(reported, before(1) == "next")?));
        }
        word => {
            let bare = word
                .strip_suffix("'s")
                .or_else(|| word.strip_suffix("’s"))
                .unwrap_or(word);
            let weekday = WEEKDAYS.iter().position(|name| *name == bare)?;
            if has_own_number(read, at) {
                return None;
            }
            (weekday_off(read, at, i32::try_from(weekday).ok()?, reported)?, at)
        }
    };
    let (year, month, day) = civil_day(reported.checked_add(off)?);
    Some((first..at + 1, real(year, month, day)?))
}

/// How many days after the report a weekday is: the last one that has been, the day itself included, or the next one where the
/// sentence is about what is to come; nothing where it may be either.
fn weekday_off(read: &Read<'_>, at: usize, weekday: i32, reported: i32) -> Option<i32> {
    // 1970-01-01 was a Thursday.
    let today = reported.checked_add(3)?.rem_euclid(7);
    let back = (today - weekday).rem_euclid(7);
    let next = (weekday - today - 1).rem_euclid(7) + 1;
    let before = at.checked_sub(1).map_or("", |before| read.word(before));
    match before {
        "last" | "Last" if back == 0 => return Some(-7),
        "last" | "Last" => return Some(-back),
        // Of the days of this week none but a later one is surely meant, and of the next week none that this one still has.
        "this" | "This" => return (weekday > today).then_some(next),
        "next" | "Next" => return (weekday <= today).then_some(next),
        _ => {}
    }
    match tense::of_day(read, at) {
        Tense::Past => Some(-back),
        Tense::ToCome if back == 0 && is_later(read, at) => Some(0),
        Tense::ToCome => Some(next),
        Tense::Unsure => None,
    }
}

/// `Friday the 13th` need not be the last Friday.
fn has_own_number(read: &Read<'_>, at: usize) -> bool {
    let behind = |words: usize| (at + words < read.words.len()).then(|| read.word(at + words));
    let is_number = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
    behind(1) == Some("the") && behind(2).is_some_and(is_number)
}

/// `later on Thursday` is of the same Thursday.
fn is_later(read: &Read<'_>, at: usize) -> bool {
    (1..=2).any(|words| {
        at.checked_sub(words)
            .is_some_and(|before| read.word(before) == "later")
    })
}

fn near_month(reported: i32, is_next: bool) -> Option<String> {
    let (year, month, _) = civil_day(reported);
    let months = year * 12 + i64::from(month) - 1 + if is_next { 1 } else { -1 };
    real_month(
        months.div_euclid(12),
        u8::try_from(months.rem_euclid(12) + 1).ok()?,
    )
}

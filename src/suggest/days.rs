//! Days: dates as they are written, and those relative to the day on which the document was reported.

use super::text::Read;
use super::{Part, Rule, SUGGESTIONS_MAX, Suggested, Suggestion};
use crate::record::date::{DaySpan, civil_day, day_number};
use std::ops::Range;

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Words that say that a sentence is about what is to come.
const TO_COME: [&str; 10] = [
    "will",
    "scheduled",
    "due",
    "expected",
    "plans",
    "next",
    "upcoming",
    "shall",
    "would",
    "set",
];
/// How many words before a weekday may say that it is to come.
const TO_COME_WORDS: usize = 12;

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
            .map(|(next, day)| (next, day, Rule::WrittenDate))
            .or_else(|| relative(read, at, reported).map(|day| (at + 1, day, Rule::RelativeDay)));
        let Some((next, day, rule)) = found else {
            at += 1;
            continue;
        };
        let range: Range<usize> = read.words[at].from..read.words[next - 1].to;
        into.push(Suggestion {
            part: Part::Text,
            range,
            what: Suggested::Day(day),
            rule,
        });
        at = next;
    }
}

/// `13 October 2021`, `October 13, 2021`, `2021-10-13`, `Oct. 13`: the word after it, and the day.
fn written(read: &Read<'_>, at: usize, reported: Option<i32>) -> Option<(usize, String)> {
    let word = read.word(at);
    if word.len() == 10
        && word.is_ascii()
        && DaySpan::of(word).is_ok()
        && word.starts_with(|c: char| c.is_ascii_digit())
    {
        return Some((at + 1, word.to_owned()));
    }
    if let Some(month) = month(word, read.words[at].is_capital) {
        return match day_of_month(read.word(at + 1)) {
            Some(day) => dated(read, at + 2, month, day, reported),
            None => year(read.word(at + 1)).map(|year| (at + 2, format!("{year:04}-{month:02}"))),
        };
    }
    let day = day_of_month(word)?;
    let behind = match read.word(at + 1) {
        "of" => at + 2,
        _ => at + 1,
    };
    let named = read.words.get(behind)?;
    let month = month(read.word(behind), named.is_capital)?;
    dated(read, behind + 1, month, day, reported)
}

/// A day and a month, with the year behind them or the one that is nearest to the report.
fn dated(read: &Read<'_>, next: usize, month: u8, day: u8, reported: Option<i32>) -> Option<(usize, String)> {
    if let Some(year) = year(read.word(next)) {
        return real(year, month, day).map(|day| (next + 1, day));
    }
    let reported = reported?;
    let (year, ..) = civil_day(reported);
    let candidates = [year - 1, year, year + 1].into_iter();
    let candidates = candidates.filter(|year| real(*year, month, day).is_some());
    let nearest = candidates.min_by_key(|year| day_number(*year, month, day).abs_diff(reported))?;
    real(nearest, month, day).map(|day| (next, day))
}

/// A day that there is.
fn real(year: i64, month: u8, day: u8) -> Option<String> {
    let text = format!("{year:04}-{month:02}-{day:02}");
    DaySpan::of(&text).is_ok().then_some(text)
}

fn month(word: &str, is_capital: bool) -> Option<u8> {
    if !is_capital {
        return None;
    }
    let bare = word.trim_end_matches('.');
    let of_it = |name: &&str| {
        *name == bare || bare.len() >= 3 && bare.len() <= 4 && name.starts_with(bare) && bare != "May"
    };
    let at = MONTHS.iter().position(|name| of_it(name) || *name == bare)?;
    u8::try_from(at + 1).ok()
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

/// `on Wednesday`, `today`, `yesterday`, `last month`.
fn relative(read: &Read<'_>, at: usize, reported: Option<i32>) -> Option<String> {
    let reported = reported?;
    let (word, before) = (
        read.word(at),
        at.checked_sub(1).map_or("", |before| read.word(before)),
    );
    let off = match word {
        "today" | "Today" => 0,
        "yesterday" | "Yesterday" => -1,
        "tomorrow" | "Tomorrow" => 1,
        "month" if before == "last" || before == "next" => {
            return Some(near_month(reported, before == "next"));
        }
        word => {
            let bare = word
                .strip_suffix("'s")
                .or_else(|| word.strip_suffix("’s"))
                .unwrap_or(word);
            let weekday = WEEKDAYS.iter().position(|name| *name == bare)?;
            weekday_off(read, at, i32::try_from(weekday).ok()?, reported)
        }
    };
    let (year, month, day) = civil_day(reported + off);
    real(year, month, day)
}

/// How many days after the report a weekday is: the last one that has been, the day itself included, or the next one where the
/// sentence is about what is to come.
fn weekday_off(read: &Read<'_>, at: usize, weekday: i32, reported: i32) -> i32 {
    // 1970-01-01 was a Thursday.
    let today = (reported + 3).rem_euclid(7);
    let back = (today - weekday).rem_euclid(7);
    let before = at.checked_sub(1).map_or("", |before| read.word(before));
    if before == "last" && back == 0 {
        return -7;
    }
    let sentence = read.sentence_of(read.words[at].from);
    let first = read.word_at(sentence.start).max(at.saturating_sub(TO_COME_WORDS));
    let is_to_come = before != "last" && (first..at).any(|word| TO_COME.contains(&read.word(word)));
    match is_to_come {
        true => (weekday - today - 1).rem_euclid(7) + 1,
        false => -back,
    }
}

fn near_month(reported: i32, is_next: bool) -> String {
    let (year, month, _) = civil_day(reported);
    let months = year * 12 + i64::from(month) - 1 + if is_next { 1 } else { -1 };
    format!("{:04}-{:02}", months.div_euclid(12), months.rem_euclid(12) + 1)
}

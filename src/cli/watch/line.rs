//! One record of the feed as one line.

use crate::cli::screen::{Screen, columns, cut, plain, short};
use crate::cli::shown::{Shown, short_entry, word};
use crate::record::Recorded;
use crate::rpc::proto::Change;

/// The columns of a headline that a line shows where there is no terminal.
const HEADLINE: usize = 90;
/// The fewest that a narrow terminal shows.
const HEADLINE_MIN: usize = 16;
/// A terminal narrower than this shows who took part only where there is no headline.
const WIDE: usize = 150;

/// `#4711    10:00:00 + create  2021-10-13  Bajwa · Bagheri  Talks in Rawalpindi  desk/rawalpindi-2021-10-13`.
///
/// What was recorded today has its time, in UTC, and what was recorded before that the day. On a terminal the headline is cut so that
/// a record is one line.
pub fn of(shown: &Shown<'_>, change: Change, screen: &Screen) -> String {
    let (leaf, ink) = (&shown.leaf, screen.ink());
    let time = when(leaf.recorded, jiff::Timestamp::now());
    let act = format!("{:<9}", leaf.act.word());
    let (sign, act) = match change {
        Change::Leaves => (ink.red("-"), ink.red(act)),
        Change::Enters => (ink.green("+"), ink.green(act)),
        _ if leaf.act.has_content() => (ink.green("+"), ink.green(act)),
        _ => (ink.yellow("·"), ink.yellow(act)),
    };
    let position = format!("#{:<6}", shown.position.get());
    let said = said(shown, screen.width());
    let head = format!("{position} {} {sign} {act}", ink.dim(format_args!("{time:>10}")));
    let (last, others) = said
        .split_last()
        .map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
    let mut parts = vec![head];
    parts.extend(others.iter().filter(|part| !part.is_empty()).cloned());
    parts.push(ink.cyan(last));
    parts.join("  ")
}

/// The time of day, or the day where that is another one.
fn when(recorded: Recorded, now: jiff::Timestamp) -> String {
    let (recorded, now) = (recorded.to_string(), now.to_string());
    let part = match recorded.get(..10) == now.get(..10) {
        true => recorded.get(11..19),
        false => recorded.get(..10),
    };
    part.unwrap_or_default().to_owned()
}

/// What a record says in a few words; of one without content, what it links and why.
fn headline(shown: &Shown<'_>) -> String {
    let leaf = &shown.leaf;
    if leaf.act.has_content() {
        return shown.headline();
    }
    let linked = leaf.relation.map(|link| {
        format!(
            "{} {}",
            word("RelationType", link.relation.into()),
            short_entry(link.series, link.key)
        )
    });
    let why = (!leaf.reason.is_empty()).then(|| format!("reason: {}", leaf.reason));
    let said: Vec<String> = linked.into_iter().chain(why).collect();
    plain(&said.join(", ")).into_owned()
}

/// Date, who, headline and entry, cut to the terminal's width.
fn said(shown: &Shown<'_>, width: Option<usize>) -> [String; 4] {
    const HEAD: usize = 30;
    let (date, who, headline) = (plain(&shown.date()).into_owned(), shown.who(), headline(shown));
    let entry = shown.entry_short();
    let Some(width) = width else {
        return [date, who, short(&headline, HEADLINE), entry];
    };
    let entry = cut(&entry, (width / 4).max(20)).to_owned();
    let who = if width < WIDE && !headline.is_empty() {
        String::new()
    } else {
        short(&who, width / 4)
    };
    let taken = HEAD + columns(&date) + columns(&who) + columns(&entry) + 6;
    let room = width.saturating_sub(taken).max(HEADLINE_MIN);
    let headline = short(&headline, room);
    let blank = " ".repeat(room.saturating_sub(columns(&headline)));
    [date, who, format!("{headline}{blank}"), entry]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_on_another_day_has_the_day() {
        let at = |text: &str| text.parse::<Recorded>().unwrap();
        let now = "2026-11-28T00:00:01Z".parse().unwrap();
        assert_eq!(when(at("2026-11-28T10:07:21.5Z"), now), "10:07:21");
        assert_eq!(when(at("2026-11-27T23:59:59Z"), now), "2026-11-27");
    }
}

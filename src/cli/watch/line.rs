//! One record of the feed as one line.

use crate::cli::screen::{Ink, plain, short};
use crate::cli::shown::Shown;
use crate::rpc::proto::Change;

/// The characters of a title that a line shows.
const TITLE_CHARS: usize = 90;

/// `#4711  10:00:00Z  + create   2021-10-13  Bajwa · Bagheri  Talks in Rawalpindi  desk/rawalpindi-2021-10-13`.
pub fn of(shown: &Shown<'_>, change: Change, ink: Ink) -> String {
    let leaf = &shown.leaf;
    let recorded = leaf.recorded.to_string();
    let time = recorded.get(11..19).unwrap_or_default();
    let (sign, act) = match change {
        Change::Leaves => (ink.red("-"), ink.red(format_args!("{:<9}", leaf.act.word()))),
        _ if leaf.act.has_content() => (ink.green("+"), ink.green(format_args!("{:<9}", leaf.act.word()))),
        _ => (
            ink.yellow("·"),
            ink.yellow(format_args!("{:<9}", leaf.act.word())),
        ),
    };
    let position = format!("#{}", shown.position);
    let mut parts = vec![format!("{position:<7} {} {sign} {act}", ink.dim(time))];
    let said = [
        plain(&shown.date()).into_owned(),
        shown.who(),
        short(&shown.headline(), TITLE_CHARS),
    ];
    parts.extend(said.into_iter().filter(|part| !part.is_empty()));
    parts.push(ink.cyan(shown.entry_short()));
    parts.join("  ")
}

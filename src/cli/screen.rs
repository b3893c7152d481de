//! What the command talks to: a person at a terminal, or a program behind a pipe.
//!
//! The only place that asks whether a stream is a terminal. Colours go to terminals only, and never where `NO_COLOR`
//! is set to anything. Text of the archive passes [`plain`] before it is shown to a person: a title must not be able to
//! move the cursor.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{BufWriter, IsTerminal, Stdout, Write};

/// The rows of a table that a terminal is shown unless a limit is given.
pub const TERMINAL_ROWS: u64 = 50;

/// Where output goes.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Stdout is a terminal.
    pub out_terminal: bool,
    /// Stderr is a terminal.
    pub err_terminal: bool,
    /// The columns by which tables are set in; they are narrower by as much.
    pub indent: u16,
    colours: bool,
}

impl Screen {
    /// The streams of this process.
    pub fn of_process() -> Self {
        let asked_for_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            out_terminal: std::io::stdout().is_terminal(),
            err_terminal: std::io::stderr().is_terminal(),
            indent: 0,
            colours: !asked_for_none && !dumb,
        }
    }

    /// The same with tables set in.
    pub fn indented(self, indent: u16) -> Self {
        Self { indent, ..self }
    }

    /// The columns of the terminal that stdout is, without those by which lines are set in.
    pub fn width(&self) -> Option<usize> {
        let width = self
            .out_terminal
            .then(|| comfy_table::Table::new().width())
            .flatten();
        width.map(|width| width.saturating_sub(self.indent).into())
    }

    /// The ink for stdout.
    pub fn ink(&self) -> Ink {
        Ink(self.out_terminal && self.colours)
    }

    /// The ink for stderr.
    pub fn err_ink(&self) -> Ink {
        Ink(self.err_terminal && self.colours)
    }

    /// Says something beside the answer, on stderr.
    pub fn note(&self, text: impl Display) {
        let ink = self.err_ink();
        // Whoever closed stderr does not want to hear it.
        let _ = writeln!(std::io::stderr().lock(), "{}", ink.dim(text));
    }

    /// Says something that the user should act on, on stderr.
    pub fn warn(&self, text: impl Display) {
        let ink = self.err_ink();
        let _ = writeln!(std::io::stderr().lock(), "{} {text}", ink.yellow("warning:"));
    }
}

/// Stdout, gathered so that a row is not a system call.
pub fn stdout() -> BufWriter<Stdout> {
    BufWriter::with_capacity(64 * 1024, std::io::stdout())
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Ink(bool);

macro_rules! inks {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        impl Ink {$(
            $(#[$doc])*
            pub fn $name(self, text: impl Display) -> String {
                if self.0 { format!(concat!("\x1b[", $code, "m{}\x1b[0m"), text) } else { text.to_string() }
            }
        )*}
    };
}

inks! {
    /// What the eye should find first.
    bold = "1",
    /// What is there for whoever looks for it.
    dim = "2",
    /// Good news.
    green = "32",
    /// Something to act on.
    yellow = "33",
    /// Something wrong.
    red = "31",
    /// Names of entries.
    cyan = "36",
}

impl Ink {
    /// Whether there are colours.
    pub const fn is_on(self) -> bool {
        self.0
    }

    /// No colours.
    #[cfg(test)]
    pub const fn off() -> Self {
        Self(false)
    }
}

/// A text of the archive on one line, without anything that a terminal would obey.
pub fn plain(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(obeyed) {
        Cow::Owned(text.replace(obeyed, " "))
    } else {
        Cow::Borrowed(text)
    }
}

/// A text of several lines without anything else that a terminal would obey.
pub fn plain_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(plain).collect();
    lines.join("\n")
}

/// A number as people read it: `1,204`.
pub fn count(number: u64) -> impl Display {
    indicatif::HumanCount(number)
}

/// At most so many columns of a text, with an ellipsis where it is cut.
pub fn short(text: &str, columns_max: usize) -> String {
    if columns(text) <= columns_max {
        return text.to_owned();
    }
    format!("{}…", cut(text, columns_max.saturating_sub(1)).trim_end())
}

/// The beginning of a text, at most so many columns wide.
pub fn cut(text: &str, columns_max: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, character)| {
        taken += columns_of(*character);
        taken > columns_max
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// How many columns of a terminal a text takes.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// East Asian scripts and emoji take two columns, marks that combine with the letter before take none.
fn columns_of(character: char) -> usize {
    match u32::from(character) {
        0..0x300 => 1,
        0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        _ if unicode_normalization::char::is_combining_mark(character) => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\u{202e}c"), "a [2Jb c");
        assert_eq!(plain("Θεσσαλονίκη"), "Θεσσαλονίκη");
        assert_eq!(plain_lines("a\nb\x07"), "a\nb ");
    }

    #[test]
    fn ink_is_invisible_where_there_are_no_colours() {
        assert_eq!(Ink(false).red("no"), "no");
        assert_eq!(Ink(true).red("no"), "\x1b[31mno\x1b[0m");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(short("Пакистан", 5), "Паки…");
        assert_eq!(short("four", 4), "four");
        assert_eq!(short("外交部长", 5), "外交…");
        assert_eq!(cut("外交部长", 5), "外交");
        assert_eq!(columns("e\u{301}te\u{301}"), 3);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(count(1_204).to_string(), "1,204");
    }
}

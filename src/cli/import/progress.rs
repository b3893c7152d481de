//! How far an import is: a bar on a terminal, a line now and then elsewhere.

use super::inputs::Input;
use super::source::Bytes;
use crate::cli::screen::{Screen, count, plain};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of one input.
pub struct Progress {
    bar: Option<ProgressBar>,
    bytes: Bytes,
    name: String,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// Begins.
    pub fn new(screen: &Screen, input: &Input, bytes: Bytes) -> Self {
        let now = Instant::now();
        let name = plain(&input.name()).into_owned();
        let bar = screen.err_terminal.then(|| bar(&name, bytes.all));
        Self {
            bar,
            bytes,
            name,
            started: now,
            said: now,
        }
    }

    /// Says what the input was taken for.
    pub fn say(&self, screen: &Screen, guess: &str) {
        let line = format!("{}: {guess}", self.name);
        match &self.bar {
            Some(bar) => bar.suspend(|| screen.note(line)),
            None => screen.note(line),
        }
    }

    /// So many rows have been settled.
    pub fn at(&mut self, rows: u64) {
        let rate = rows as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let rate = count(rate as u64);
        if let Some(bar) = &self.bar {
            bar.set_position(self.bytes.read.load(Ordering::Relaxed));
            bar.set_message(format!("{} rows, {rate}/s", count(rows)));
        } else if self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            eprintln_quietly(&format!("{}: {} rows, {rate}/s", self.name, count(rows)));
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn eprintln_quietly(line: &str) {
    use std::io::Write;
    // Progress that nobody can see is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn bar(name: &str, bytes: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::with_draw_target(Some(bytes), target),
            "{prefix} {bar:30} {percent:>3}% {msg}",
        ),
        None => (
            ProgressBar::with_draw_target(None, target),
            "{prefix} {spinner} {msg}",
        ),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_prefix(name.to_owned())
}

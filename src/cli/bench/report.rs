//! Figures as rows: a table for people, JSON lines for scripts.

use super::BenchError;
use serde::Serialize;
use std::io::Write;
use std::time::Duration;

/// How long things took, kept in full and sorted at the end.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Takes one in.
    pub fn add(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Takes in another client's.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Milliseconds below which this share of them lies.
    fn at(&self, share: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let at = (last as f64 * share).round() as usize;
        self.0.get(at).map(|micros| f64::from(*micros) / 1e3)
    }

    fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self
    }
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub workload: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Half of the calls took at most so long, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99 of 100 took at most so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// None took longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<f64>,
    /// What else is to be said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Row {
    /// A bare figure.
    pub fn new(workload: &str, value: f64, unit: &'static str) -> Self {
        let workload = workload.to_owned();
        Self {
            workload,
            value,
            unit,
            p50_ms: None,
            p99_ms: None,
            max_ms: None,
            note: String::new(),
        }
    }

    /// So many in a time, and how long each took.
    pub fn rate(workload: &str, count: u64, time: Duration, latencies: Latencies) -> Self {
        let latencies = latencies.sorted();
        Self {
            p50_ms: latencies.at(0.5),
            p99_ms: latencies.at(0.99),
            max_ms: latencies.at(1.0),
            ..Self::new(workload, count as f64 / time.as_secs_f64(), "/s")
        }
    }

    /// How long something took, in the middle.
    pub fn time(workload: &str, latencies: Latencies) -> Self {
        let latencies = latencies.sorted();
        let middle = latencies.at(0.5);
        Self {
            p50_ms: middle,
            p99_ms: latencies.at(0.99),
            max_ms: latencies.at(1.0),
            ..Self::new(workload, middle.unwrap_or(0.0), "ms")
        }
    }

    /// A process's memory.
    pub fn memory(workload: &str, bytes: Option<u64>) -> Self {
        Self::new(workload, bytes.unwrap_or(0) as f64 / 1e6, "MB")
    }

    /// Bytes shared among records.
    pub fn bytes(workload: &str, bytes: u64, records: u64) -> Self {
        Self::new(workload, bytes as f64 / records.max(1) as f64, "B")
    }

    /// With a remark.
    pub fn noted(self, note: String) -> Self {
        Self { note, ..self }
    }
}

/// Prints rows as they come.
pub struct Report<'a> {
    out: &'a mut (dyn Write + Send),
    json: bool,
    headed: bool,
}

impl<'a> Report<'a> {
    /// A report to `out`.
    pub fn new(out: &'a mut (dyn Write + Send), json: bool) -> Self {
        Self {
            out,
            json,
            headed: false,
        }
    }

    /// Prints a row.
    ///
    /// # Errors
    /// [`BenchError::Io`].
    pub fn row(&mut self, row: Row) -> Result<(), BenchError> {
        let written = if self.json {
            self.line(&row)
        } else {
            self.table_row(&row)
        };
        written
            .and_then(|()| self.out.flush())
            .map_err(BenchError::io("writing the report"))
    }

    fn line(&mut self, row: &Row) -> std::io::Result<()> {
        serde_json::to_writer(&mut *self.out, row)?;
        writeln!(self.out)
    }

    fn table_row(&mut self, row: &Row) -> std::io::Result<()> {
        if !self.headed {
            let (w, v, u) = ("workload", "figure", "unit");
            writeln!(
                self.out,
                "{w:<46} {v:>12} {u:<4} {:>9} {:>9} {:>9}",
                "p50 ms", "p99 ms", "max ms"
            )?;
            self.headed = true;
        }
        let time = |ms: Option<f64>| ms.map_or_else(String::new, |ms| format!("{ms:.2}"));
        let line = format!(
            "{:<46} {:>12} {:<4} {:>9} {:>9} {:>9}  {}",
            row.workload,
            figure(row.value),
            row.unit,
            time(row.p50_ms),
            time(row.p99_ms),
            time(row.max_ms),
            row.note
        );
        writeln!(self.out, "{}", line.trim_end())
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// What the system says.
    pub fn end(self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// A number with thousands apart; a small one with a decimal.
pub fn figure(value: f64) -> String {
    if value < 1_000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut parts = Vec::new();
    let mut rest = digits.as_str();
    while rest.len() > 3 {
        let (head, tail) = rest.split_at(rest.len() - 3);
        parts.push(tail);
        rest = head;
    }
    parts.push(rest);
    parts.reverse();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_thousands_apart() {
        assert_eq!(figure(1_234_567.4), "1,234,567");
        assert_eq!(figure(999.94), "999.9");
        assert_eq!(figure(1_000.0), "1,000");
    }

    #[test]
    fn quantiles_are_of_sorted_times() {
        let mut latencies = Latencies::default();
        (1..=100)
            .rev()
            .for_each(|ms| latencies.add(Duration::from_millis(ms)));
        let row = Row::rate("x", 100, Duration::from_secs(1), latencies);
        assert_eq!(
            (row.p50_ms, row.p99_ms, row.max_ms),
            (Some(51.0), Some(99.0), Some(100.0))
        );
    }
}

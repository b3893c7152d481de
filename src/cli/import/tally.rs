//! What became of the rows.

use crate::cli::screen::count;
use crate::import::{Draft, Reject};
use crate::record::codec::Warning;
use crate::rpc::proto::Outcome;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Kinds of warnings that are told; the others are counted.
const WARNINGS_MAX: usize = 10;
/// Rejects that are told at once, beside the file that has them all.
const REJECTS_TOLD_MAX: usize = 3;

/// The counts of an input, or of all inputs. Every row is in exactly one of the four.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// New entries, and acts without content.
    pub recorded: u64,
    /// New revisions.
    pub amended: u64,
    /// Rows that the archive had already.
    pub duplicates: u64,
    /// Rows that were not taken.
    pub rejected: u64,
    /// Inputs that were added up.
    pub inputs: u64,
    /// The first and the last position that was written.
    pub written: Option<(u64, u64)>,
    /// The file that has the rejected rows.
    pub rejects_in: Option<PathBuf>,
    warnings: BTreeMap<(String, String), (u64, String)>,
    told: Vec<String>,
}

impl Tally {
    /// How many rows there were: always the sum of the four.
    pub const fn read(&self) -> u64 {
        self.recorded + self.amended + self.duplicates + self.rejected
    }

    /// A row that the server took, at this position.
    pub fn taken(&mut self, outcome: Outcome, position: u64) {
        match outcome {
            Outcome::Recorded | Outcome::Acted | Outcome::Unspecified => self.recorded += 1,
            Outcome::Amended => self.amended += 1,
            Outcome::Duplicate => return self.duplicate(),
        }
        self.wrote(position, position);
    }

    /// A row that the archive had already.
    pub const fn duplicate(&mut self) {
        self.duplicates += 1;
    }

    fn wrote(&mut self, first: u64, last: u64) {
        let (lowest, highest) = self.written.unwrap_or((first, last));
        self.written = Some((lowest.min(first), highest.max(last)));
    }

    /// A row that was not taken.
    pub fn rejected(&mut self, reject: &Reject) {
        self.rejected += 1;
        if self.told.len() < REJECTS_TOLD_MAX {
            self.told.push(format!("line {}: {}", reject.line, reject.reason));
        }
    }

    /// Notes what a row was warned of.
    pub fn warned(&mut self, draft: &Draft) {
        for Warning {
            field,
            value,
            problem,
        } in &draft.warnings
        {
            let kind = self.warnings.entry((field.clone(), problem.clone()));
            let (times, _) = kind.or_insert_with(|| (0, format!("`{value}` on line {}", draft.line)));
            *times += 1;
        }
    }

    /// Adds the counts of one input to those of all.
    pub fn add(&mut self, input: &Self) {
        self.recorded += input.recorded;
        self.amended += input.amended;
        self.duplicates += input.duplicates;
        self.rejected += input.rejected;
        self.inputs += 1;
        if let Some((first, last)) = input.written {
            self.wrote(first, last);
        }
    }

    /// `read 2,111 = recorded 2,111 + amended 0 + duplicates 0 + rejected 0`.
    pub fn sentence(&self) -> String {
        format!(
            "read {} = recorded {} + amended {} + duplicates {} + rejected {}",
            count(self.read()),
            count(self.recorded),
            count(self.amended),
            count(self.duplicates),
            count(self.rejected)
        )
    }

    /// The counts under their names.
    pub fn json(&self) -> Value {
        json!({
            "read": self.read(),
            "recorded": self.recorded,
            "amended": self.amended,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
        })
    }

    /// The kinds of warnings, the most frequent first.
    pub fn warnings(&self) -> Vec<String> {
        let mut kinds: Vec<_> = self.warnings.iter().collect();
        kinds.sort_by_key(|(_, (times, _))| std::cmp::Reverse(*times));
        let told = kinds
            .iter()
            .take(WARNINGS_MAX)
            .map(|((field, problem), (times, example))| {
                let rows = if *times == 1 { "row" } else { "rows" };
                format!("{} {rows}: {field}: {problem}; first {example}", count(*times))
            });
        let mut told: Vec<String> = told.collect();
        if kinds.len() > WARNINGS_MAX {
            told.push(format!(
                "{} more kinds of warnings; each is kept in its record's provenance",
                kinds.len() - WARNINGS_MAX
            ));
        }
        told
    }

    /// The first rejects.
    pub fn told_rejects(&self) -> &[String] {
        &self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_is_the_sum_and_json_has_exactly_these_names() {
        let mut tally = Tally::default();
        for outcome in [
            Outcome::Recorded,
            Outcome::Amended,
            Outcome::Duplicate,
            Outcome::Acted,
        ] {
            tally.taken(outcome, 7);
        }
        tally.rejected(&Reject {
            line: 3,
            reason: "no".to_owned(),
            bytes: bytes::Bytes::new(),
        });
        assert_eq!(
            tally.json().to_string(),
            r#"{"read":5,"recorded":2,"amended":1,"duplicates":1,"rejected":1}"#
        );
        assert_eq!(
            tally.sentence(),
            "read 5 = recorded 2 + amended 1 + duplicates 1 + rejected 1"
        );
        assert_eq!(tally.told_rejects(), ["line 3: no"]);
    }
}

//! What a refusal says about the records of a batch.

use std::collections::BTreeMap;
use tonic::Status;
use tonic_types::StatusExt;

/// What is wrong with one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The stable reason, where the server gave one for this record.
    pub reason: String,
    /// What is wrong, in words.
    pub sentence: String,
}

/// The records that a refusal names, by their index, each with the first thing that is wrong with it. Empty where the
/// batch as a whole was refused.
///
/// The server sends as many as fit into its answer: what is left is told when the batch is sent again without these.
pub fn records(status: &Status) -> BTreeMap<usize, Broken> {
    let mut broken = BTreeMap::new();
    let mut add = |path: &str, reason: &str, sentence: &str| {
        if let Some((index, field)) = index_of(path) {
            let sentence = if field.is_empty() {
                sentence.to_owned()
            } else {
                format!("{field}: {sentence}")
            };
            broken.entry(index).or_insert(Broken {
                reason: reason.to_owned(),
                sentence,
            });
        }
    };
    if let Some(details) = status.get_details_bad_request() {
        for violation in details.field_violations {
            add(&violation.field, "", &violation.description);
        }
    }
    if let Some(details) = status.get_details_precondition_failure() {
        for violation in details.violations {
            // The sentence names the entry; its path would add nothing.
            let record = violation.subject.split('.').next().unwrap_or_default();
            add(record, &violation.r#type, &violation.description);
        }
    }
    broken
}

/// How many things are wrong with the batch, listed or not; 0 where the server does not say.
pub fn total(status: &Status) -> usize {
    let info = status.get_details_error_info();
    let total = info.and_then(|info| info.metadata.get("violations")?.parse().ok());
    total.unwrap_or_default()
}

/// `records[3].payload.content` is record 3 and the field `payload.content`.
fn index_of(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix("records[")?.split_once(']')?;
    Some((index.parse().ok()?, rest.trim_start_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;
    use tonic_types::ErrorDetails;

    #[test]
    fn a_refusal_names_its_records_once_each() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("records[3].key", "key too long");
        details.add_precondition_failure_violation("ENTRY_EXISTS", "records[1].key", "`a/b` exists");
        details.add_precondition_failure_violation("ALREADY_SO", "records[1]", "again");
        details.add_precondition_failure_violation("TAIL_CONFLICT", "expected_tail", "the tail is 3");
        let told = std::collections::HashMap::from([("violations".to_owned(), "40".to_owned())]);
        details.set_error_info("INVALID_FIELD", "chancery", told);
        let status = Status::with_error_details(Code::InvalidArgument, "no", details);
        assert_eq!(total(&status), 40);
        let found = records(&status);
        let broken = |reason: &str, sentence: &str| Broken {
            reason: reason.into(),
            sentence: sentence.into(),
        };
        assert_eq!(found.len(), 2);
        assert_eq!(found[&1], broken("ENTRY_EXISTS", "`a/b` exists"));
        assert_eq!(found[&3], broken("", "key: key too long"));
    }

    #[test]
    fn a_refusal_of_the_whole_batch_names_none() {
        assert!(records(&Status::unavailable("the server is stopping")).is_empty());
    }
}

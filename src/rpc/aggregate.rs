//! `Query.Aggregate` and `Query.ListValues`: what is asked, and what is answered.

use super::proto;
use super::status::RequestError;
use crate::derive::Basis;
use crate::filter::{Filter, Grouped};
use crate::view::aggregate::{Aggregated, Asked, DIMENSIONS_MAX, Dimension, Group, Tally};
use prost::Message;

/// Values where the request does not say how many.
const VALUES: u32 = 100;
/// The most values of an answer.
const VALUES_MAX: u32 = 5_000;
/// A message is ended once its groups have so many bytes.
const MESSAGE_BYTES: usize = 1 << 20;
/// The longest name of a measure.
const MEASURE_BYTES_MAX: usize = 256;

/// What a request asks to be counted.
pub fn asked(by: &[String], measure: &str, filter: &Filter) -> Result<Asked, RequestError> {
    if by.is_empty() || by.len() > DIMENSIONS_MAX {
        return Err(RequestError::too_large(
            "by",
            format!(
                "names {} fields, allowed are 1 to {DIMENSIONS_MAX}; name as many, as `month` and `dyad`",
                by.len()
            ),
            by.len(),
            DIMENSIONS_MAX,
        ));
    }
    if measure.len() > MEASURE_BYTES_MAX {
        return Err(RequestError::too_large(
            "measure",
            format!(
                "{} bytes, limit {MEASURE_BYTES_MAX}; name one as `goldstein`",
                measure.len()
            ),
            measure.len(),
            MEASURE_BYTES_MAX,
        ));
    }
    let mut dimensions = Vec::new();
    for (at, name) in by.iter().enumerate() {
        let dimension = dimension(&format!("by[{at}]"), name)?;
        if dimensions.contains(&dimension) {
            return Err(RequestError::Field {
                path: format!("by[{at}]"),
                problem: format!("`{name}` is named twice; name it once"),
            });
        }
        dimensions.push(dimension);
    }
    Ok(Asked {
        by: dimensions,
        measure: (!measure.is_empty()).then(|| measure.to_ascii_lowercase()),
        basis: filter.basis().min(Basis::Derived),
    })
}

/// What a field names.
pub fn dimension(path: &str, name: &str) -> Result<Dimension, RequestError> {
    Dimension::named(name).map_err(|error| RequestError::Field {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

/// The fields among what it is told apart by.
pub fn fields(asked: &Asked) -> Vec<Grouped> {
    let field = |dimension: &Dimension| match dimension {
        Dimension::Field(field) => Some(*field),
        Dimension::Time(..) => None,
    };
    asked.by.iter().filter_map(field).collect()
}

/// Whether the largest groups come first.
pub fn is_by_count(order: i32) -> Result<bool, RequestError> {
    match proto::GroupOrder::try_from(order) {
        Ok(proto::GroupOrder::Unspecified | proto::GroupOrder::Values) => Ok(false),
        Ok(proto::GroupOrder::Count) => Ok(true),
        Err(_) => Err(super::convert::unknown_number("order", order)),
    }
}

/// How many values a request wants.
pub fn values_limit(limit: u32) -> Result<usize, RequestError> {
    match limit {
        0 => Ok(VALUES as usize),
        limit if limit <= VALUES_MAX => Ok(limit as usize),
        limit => Err(RequestError::too_large(
            "limit",
            format!("{limit} exceeds the limit of {VALUES_MAX}; narrow the filter instead"),
            limit as usize,
            VALUES_MAX as usize,
        )),
    }
}

/// Puts the largest first; those of the same count stay in the order of their values.
pub fn by_count(groups: &mut [Group]) {
    groups.sort_by_key(|group| std::cmp::Reverse(group.tally.count));
}

/// The messages of an answer, made one after the other; the first says what the groups are of.
pub fn messages(
    answer: Aggregated,
    limit: usize,
    first: proto::AggregateResponse,
) -> impl Iterator<Item = proto::AggregateResponse> {
    let mut next = Some(proto::AggregateResponse {
        entries: answer.entries,
        without: answer.without,
        groups_total: answer.groups.len() as u64,
        ..first
    });
    let mut groups = answer.groups.into_iter().take(limit).map(group).peekable();
    std::iter::from_fn(move || {
        let mut message = next.take()?;
        let mut bytes = 0;
        while bytes <= MESSAGE_BYTES {
            let Some(one) = groups.next() else { break };
            bytes += one.encoded_len() + 4;
            message.groups.push(one);
        }
        next = groups.peek().map(|_| proto::AggregateResponse::default());
        Some(message)
    })
}

fn group(group: Group) -> proto::Group {
    proto::Group {
        values: group.values,
        count: group.tally.count,
        measure: measure(&group.tally),
    }
}

fn measure(tally: &Tally) -> Option<proto::MeasureTally> {
    (tally.measured > 0).then(|| proto::MeasureTally {
        count: tally.measured,
        sum: rounded(tally.sum),
        mean: rounded(tally.sum / tally.measured as f64),
        min: tally.min,
        max: tally.max,
    })
}

/// A sum of decimals without the last digits that come of adding them up in binary.
fn rounded(sum: f64) -> f64 {
    let rounded = (sum * 1e6).round() / 1e6;
    if rounded.is_finite() { rounded } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_decimals_are_decimals() {
        assert_eq!(rounded(0.1 + 0.2), 0.3);
        assert_eq!(rounded(1e300), 1e300);
        assert_eq!(rounded(f64::MAX), f64::MAX);
    }

    #[test]
    fn a_large_answer_comes_in_several_messages() {
        let group = |number: u32| Group {
            values: vec![format!("{number:0>300}")],
            tally: Tally {
                count: 1,
                measured: 0,
                sum: 0.0,
                min: 0.0,
                max: 0.0,
            },
        };
        let answer = Aggregated {
            groups: (0..9_000).map(group).collect(),
            entries: 9_000,
            without: 0,
        };
        let messages: Vec<_> = messages(answer, 8_000, proto::AggregateResponse::default()).collect();
        assert!(messages.len() > 2);
        assert!(messages.iter().all(|message| message.encoded_len() < 2 << 20));
        assert_eq!(
            messages.iter().map(|message| message.groups.len()).sum::<usize>(),
            8_000
        );
        assert_eq!((messages[0].groups_total, messages[1].groups_total), (9_000, 0));
    }
}

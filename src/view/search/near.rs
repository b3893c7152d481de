//! What comes near to a name that nothing in the archive has.

use super::{Search, plan};
use crate::filter::{Filter, Term};
use crate::index::{IndexError, Snapshot};
use std::collections::HashMap;

/// The most conditions that are looked into.
const CONDITIONS_MAX: usize = 8;
/// The most names that are told of each.
const NAMES_MAX: usize = 3;

impl Search {
    /// For each condition of a filter that asks for a name nobody has: a sentence that says so, and which names come near.
    ///
    /// # Errors
    /// [`IndexError`].
    pub(in crate::view) fn near(
        &self,
        snapshot: &Snapshot,
        filter: &Filter,
    ) -> Result<Vec<String>, IndexError> {
        let mut notes = Vec::new();
        for sought in filter.sought().iter().take(CONDITIONS_MAX) {
            let mut held = 0;
            for term in &sought.terms {
                held += snapshot.held(&plan::bytes_of(term))?;
            }
            if held > 0 {
                continue;
            }
            let near = nearest(snapshot, &sought.terms)?;
            let names = match near.as_slice() {
                [] => "and nothing comes near".to_owned(),
                names => format!("near: {}", names.join(", ")),
            };
            let note = format!("the archive has nothing with `{}`; {names}", sought.condition);
            // A word may be sought in several fields.
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        Ok(notes)
    }
}

/// The names that come nearest, and of these the most frequent first.
fn nearest(snapshot: &Snapshot, terms: &[Term]) -> Result<Vec<String>, IndexError> {
    let mut found: HashMap<String, (usize, usize)> = HashMap::new();
    for term in terms {
        near_to(snapshot, term, &mut found)?;
    }
    let mut found: Vec<(String, (usize, usize))> = found.into_iter().collect();
    found.sort_by(|(a, (near, many)), (b, (other, fewer))| {
        near.cmp(other).then(fewer.cmp(many)).then(a.cmp(b))
    });
    Ok(found.into_iter().take(NAMES_MAX).map(|(name, _)| name).collect())
}

/// Adds the names that come near to a term: how far off each is, and how many documents have it.
fn near_to(
    snapshot: &Snapshot,
    term: &Term,
    found: &mut HashMap<String, (usize, usize)>,
) -> Result<(), IndexError> {
    // A code stands behind its scheme and a zero byte.
    let start = term
        .bytes
        .iter()
        .position(|byte| *byte == 0)
        .map_or(0, |zero| zero + 1);
    let (scheme, name) = term.bytes.split_at(start);
    let Ok(name) = std::str::from_utf8(name) else {
        return Ok(());
    };
    let length = name.chars().count();
    // Of a short name two other letters make another name.
    let most = if length < 8 { 1 } else { 1 + length / 5 };
    let distance = |key: &[u8]| {
        let other = std::str::from_utf8(key).ok()?;
        let is_close = other.chars().count().abs_diff(length) <= most;
        is_close
            .then(|| strsim::osa_distance(name, other))
            .filter(|distance| *distance <= most)
    };
    snapshot.each_part(|view| {
        view.terms_if(
            term.field as u8,
            scheme,
            |key| distance(&key[start..]).is_some(),
            |key, documents| {
                let key = &key[start..];
                if let (Some(distance), Ok(text)) = (distance(key), std::str::from_utf8(key)) {
                    found.entry(text.to_owned()).or_insert((distance, 0)).1 += documents.len();
                }
            },
        )
    })
}

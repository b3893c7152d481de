//! What comes near to a name that nothing in the archive has.
//!
//! The terms of a field are walked through, at most [`TERMS_MAX`] of them where each is taken apart: a hint is worth a moment, and
//! an answer without it is as true.

use super::{Search, plan};
use crate::filter::{Filter, Sought, SoughtWords, Term, TermField, WHOLE_BYTES_MAX, What};
use crate::index::{IndexError, Snapshot};
use crate::log::{Log, ReadError};
use crate::record::Position;
use crate::view::{fetched, matching};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The most conditions that are looked into.
const CONDITIONS_MAX: usize = 8;
/// The most names that are told of each.
const NAMES_MAX: usize = 3;
/// The most terms that are cut into words.
const TERMS_MAX: usize = 200_000;
/// The most records whose keys are looked at.
const RECORDS_MAX: usize = 512;
/// How long is looked in all, and how many comparisons lie between two looks at the clock.
const LOOK_TIME: Duration = Duration::from_millis(100);
const LOOKS_BETWEEN: u32 = 32;
/// The letters of the longest name that is compared letter by letter.
const COMPARED_MAX: usize = 64;
/// Of names that begin with a shorter one: so many letters that is at least.
const BEGINNING_MIN: usize = 3;

/// Names that come near: how far off each is, and how many documents have it.
type Near = HashMap<String, (usize, usize)>;

impl Search {
    /// For each condition of a filter that asks for a name nobody has: a sentence that says so, and which names come near.
    ///
    /// # Errors
    /// [`IndexError`].
    pub(in crate::view) fn near(
        &self,
        snapshot: &Snapshot,
        log: &Log,
        filter: &Filter,
        cancelled: &AtomicBool,
    ) -> Result<Vec<String>, IndexError> {
        let mut notes = Vec::new();
        let patience = Patience::new(cancelled);
        for sought in filter.sought().iter().take(CONDITIONS_MAX) {
            let note = note_of(snapshot, log, sought, &patience)?;
            // A word may be sought in several fields.
            notes.extend(note.filter(|note| !notes.contains(note)));
        }
        Ok(notes)
    }
}

/// How long is looked for hints. What was not looked at by then may have what is asked for: nothing is said of it.
struct Patience<'a> {
    cancelled: &'a AtomicBool,
    until: Instant,
    looks: Cell<u32>,
    is_over: Cell<bool>,
}

impl<'a> Patience<'a> {
    fn new(cancelled: &'a AtomicBool) -> Self {
        Self {
            cancelled,
            until: Instant::now() + LOOK_TIME,
            looks: Cell::new(0),
            is_over: Cell::new(false),
        }
    }

    /// Whether no more is looked at; asked before each comparison.
    fn is_over(&self) -> bool {
        let looks = self.looks.get().wrapping_add(1);
        self.looks.set(looks);
        if looks.is_multiple_of(LOOKS_BETWEEN) && !self.is_over.get() {
            let is_over = self.cancelled.load(Ordering::Relaxed) || Instant::now() >= self.until;
            self.is_over.set(is_over);
        }
        self.is_over.get()
    }
}

/// What is to be said of a condition; `None` where the archive has what it asks for, or may have it.
fn note_of(
    snapshot: &Snapshot,
    log: &Log,
    sought: &Sought,
    patience: &Patience<'_>,
) -> Result<Option<String>, IndexError> {
    let note = looked_for(snapshot, log, sought, patience)?;
    Ok(note.filter(|_| !patience.is_over.get()))
}

fn looked_for(
    snapshot: &Snapshot,
    log: &Log,
    sought: &Sought,
    patience: &Patience<'_>,
) -> Result<Option<String>, IndexError> {
    let condition = &sought.condition;
    let nothing = |near: &[String], otherwise: &str| {
        let near = match near {
            [] => otherwise.to_owned(),
            names => format!("; near: {}", names.join(", ")),
        };
        format!("the archive has nothing with `{condition}`{near}")
    };
    let of_names = "; and nothing comes near";
    Ok(match &sought.what {
        What::Name(terms) if has_any(snapshot, terms)? => None,
        What::Name(terms) => Some(nothing(&nearest(snapshot, terms, patience)?, of_names)),
        What::Words(begins, words) => {
            words_near(snapshot, begins, words, patience)?.map(|near| nothing(&near, of_names))
        }
        What::Key(whole, ..) if has_any(snapshot, std::slice::from_ref(whole))? => None,
        What::Key(_, start, text) => {
            let keys = keys_near(snapshot, log, start, text, patience)?;
            keys.map(|keys| nothing(&keys, "; no key begins so"))
        }
        What::Measure(begins, name) => measures_near(snapshot, begins, name, patience)?.map(|near| {
            let near = match near.as_slice() {
                [] => String::new(),
                names => format!("; near: {}", names.join(", ")),
            };
            format!("no record has a measure `{name}`{near}")
        }),
        What::Other(term) if has_any(snapshot, std::slice::from_ref(term))? => None,
        What::Other(_) => Some(nothing(&[], "")),
    })
}

fn has_any(snapshot: &Snapshot, terms: &[Term]) -> Result<bool, IndexError> {
    for term in terms {
        if snapshot.held(&plan::bytes_of(term))? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names that come nearest, and of these the most frequent first.
fn nearest(snapshot: &Snapshot, terms: &[Term], patience: &Patience<'_>) -> Result<Vec<String>, IndexError> {
    let mut found = Near::new();
    for term in terms {
        near_to(snapshot, term, &mut found, patience)?;
    }
    Ok(first_of(found))
}

fn first_of(found: Near) -> Vec<String> {
    let mut found: Vec<(String, (usize, usize))> = found.into_iter().collect();
    found.sort_by(|(a, (near, many)), (b, (other, fewer))| {
        near.cmp(other).then(fewer.cmp(many)).then(a.cmp(b))
    });
    found.into_iter().take(NAMES_MAX).map(|(name, _)| name).collect()
}

/// How far a name is off another one: by the letters that differ, where they are few; behind those come the ones that it is the
/// beginning of.
fn distance(name: &str, length: usize, other: &str) -> Option<usize> {
    // Of a short name two other letters make another name.
    let most = if length < 8 { 1 } else { 1 + length / 5 };
    let letters = other.chars().count();
    let is_close = length <= COMPARED_MAX && letters.abs_diff(length) <= most;
    let distance = is_close
        .then(|| strsim::osa_distance(name, other))
        .filter(|distance| *distance <= most);
    distance.or_else(|| (length >= BEGINNING_MIN && other.starts_with(name)).then_some(most + 1))
}

/// Adds the names that come near to a term.
fn near_to(
    snapshot: &Snapshot,
    term: &Term,
    found: &mut Near,
    patience: &Patience<'_>,
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
    let of_key = |key: &[u8]| {
        if patience.is_over() {
            return None;
        }
        let other = std::str::from_utf8(&key[start..]).ok()?;
        // The tag of a language has its beginnings beside it: `english` is no tag, `en` is.
        let is_tag = term.field == TermField::Language && other.len() > 1 && name.starts_with(other);
        distance(name, length, other).or(is_tag.then_some(length))
    };
    snapshot.each_part(|view| {
        view.terms_if(
            term.field as u8,
            scheme,
            |key| of_key(key).is_some(),
            |key, documents| {
                if let (Some(distance), Ok(text)) = (of_key(key), std::str::from_utf8(&key[start..])) {
                    found.entry(text.to_owned()).or_insert((distance, 0)).1 += documents.len();
                }
            },
        )
    })
}

/// The words of values that come near to those that no value has; `None` where each of them is in some value.
fn words_near(
    snapshot: &Snapshot,
    begins: &[Term],
    words: &SoughtWords,
    patience: &Patience<'_>,
) -> Result<Option<Vec<String>>, IndexError> {
    let asked = words.each();
    let is_there: Vec<Cell<bool>> = asked.iter().map(|_| Cell::new(false)).collect();
    let (found, left) = (RefCell::new(Near::new()), Cell::new(TERMS_MAX));
    let look = |text: &str| {
        for other in SoughtWords::of_term(text) {
            let missing = asked
                .iter()
                .zip(&is_there)
                .filter(|(_, is_there)| !is_there.get());
            for ((word, is_beginning), is_there) in missing {
                if patience.is_over() {
                    return;
                }
                if other == *word || *is_beginning && other.starts_with(word) {
                    is_there.set(true);
                } else if let Some(distance) = distance(word, word.chars().count(), other) {
                    let mut found = found.borrow_mut();
                    found.entry(other.to_owned()).or_insert((distance, 0)).1 += 1;
                }
            }
        }
    };
    for term in begins {
        snapshot.each_part(|view| {
            let of_key = |key: &[u8]| {
                left.set(left.get().saturating_sub(1));
                let rest = &key[term.bytes.len()..];
                if rest.len() > WHOLE_BYTES_MAX {
                    // What was cut off may be any word.
                    left.set(0);
                }
                let text = std::str::from_utf8(rest);
                text.into_iter().filter(|_| left.get() > 0).for_each(look);
                // Its documents are not asked for.
                false
            };
            view.terms_if(term.field as u8, &term.bytes, of_key, |_, _| {})
        })?;
    }
    let is_known = left.get() > 0 && !is_there.iter().all(Cell::get);
    Ok(is_known.then(|| first_of(found.into_inner())))
}

/// The names of measures that come near to one that no record has; `None` where some record has it.
fn measures_near(
    snapshot: &Snapshot,
    begins: &[Term],
    name: &str,
    patience: &Patience<'_>,
) -> Result<Option<Vec<String>>, IndexError> {
    let (is_there, found) = (Cell::new(false), RefCell::new(Near::new()));
    for term in begins {
        snapshot.each_part(|view| {
            let last = RefCell::new(Vec::new());
            let of_key = |key: &[u8]| {
                let end = key.iter().position(|byte| *byte == 0).unwrap_or(key.len());
                // Many values of one name follow each other.
                if patience.is_over() || *last.borrow() == key[..end] {
                    return false;
                }
                last.replace(key[..end].to_vec());
                let other = std::str::from_utf8(&key[..end]).unwrap_or_default();
                is_there.set(is_there.get() || other == name);
                if let Some(distance) = distance(name, name.chars().count(), other) {
                    found
                        .borrow_mut()
                        .entry(other.to_owned())
                        .or_insert((distance, 0));
                }
                false
            };
            view.terms_if(term.field as u8, &[], of_key, |_, _| {})
        })?;
    }
    Ok((!is_there.get()).then(|| first_of(found.into_inner())))
}

/// Keys that begin with a text; `None` where there are more than are looked at and none of these begins so, or where they cannot be
/// read: whoever reads them for an answer says so.
fn keys_near(
    snapshot: &Snapshot,
    log: &Log,
    start: &Term,
    text: &str,
    patience: &Patience<'_>,
) -> Result<Option<Vec<String>>, IndexError> {
    let mut positions: Vec<Position> = Vec::new();
    let ask = plan::Ask::Prefix(plan::bytes_of(start));
    snapshot.find(&ask, None, |hits| {
        let left = RECORDS_MAX - positions.len();
        positions.extend(hits.take(left).map(|hit| hit.position));
        match positions.len() {
            RECORDS_MAX => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    })?;
    positions.sort_unstable();
    let mut keys: Vec<String> = Vec::new();
    let are_all = positions.len() < RECORDS_MAX;
    let looked = fetched::each(log, &positions, patience.cancelled, |_, run| {
        for record in run.iter() {
            let key = matching::decode(&record)?.key;
            if key.starts_with(text) && keys.len() < NAMES_MAX && keys.iter().all(|other| other != key) {
                keys.push(key.to_owned());
            }
        }
        Ok::<_, ReadError>(())
    });
    let is_known = looked.is_ok() && (are_all || !keys.is_empty());
    Ok((is_known && !patience.cancelled.load(Ordering::Relaxed)).then_some(keys))
}

//! Whom a name means.

use super::{Authority, FoldedIdentifier, Identifier, Name};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The most authorities that a note names.
const ORIGINS_MAX: usize = 8;

/// Whom a name or an identifier means, among the authorities that are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// Nobody has it.
    Nobody,
    /// All that have it are one and the same, with those that are the same as they.
    One(Vec<&'a Authority>),
    /// Several have it, each of them one or more that are the same.
    Several(Vec<Vec<&'a Authority>>),
}

/// Whom a name means, or an identifier where a scheme is given; both are folded. `known` are all that have it, and all that are the same
/// as one of them; others do no harm.
pub fn resolve<'a>(known: &[&'a Authority], scheme: Option<&str>, text: &str) -> Resolved<'a> {
    let has_it = |one: &Authority| match scheme {
        None => one.has_name(text),
        Some(scheme) => one.has_identifier(scheme, text),
    };
    let mut same = Same::of(known);
    let mut groups: Vec<Vec<&Authority>> = Vec::new();
    for at in 0..same.known.len() {
        if has_it(same.known[at]) && !same.is_grouped[at] {
            groups.push(same.group(at));
        }
    }
    match groups.len() {
        0 => Resolved::Nobody,
        1 => Resolved::One(groups.swap_remove(0)),
        _ => Resolved::Several(groups),
    }
}

/// Who is the same as whom.
struct Same<'a> {
    /// Each origin once.
    known: Vec<&'a Authority>,
    /// Those that have an identifier, by their places.
    with: HashMap<&'a FoldedIdentifier, Vec<usize>>,
    is_grouped: Vec<bool>,
}

impl<'a> Same<'a> {
    fn of(all: &[&'a Authority]) -> Self {
        let mut origins = HashSet::new();
        let is_first = |one: &&'a Authority| origins.insert(&one.origin);
        let known: Vec<&Authority> = all.iter().copied().filter(is_first).collect();
        let mut with: HashMap<&FoldedIdentifier, Vec<usize>> = HashMap::new();
        for (at, one) in known.iter().enumerate() {
            for identifier in one.identifiers.iter().map(Identifier::folded) {
                with.entry(identifier).or_default().push(at);
            }
        }
        let is_grouped = vec![false; known.len()];
        Self {
            known,
            with,
            is_grouped,
        }
    }

    /// All that are the same as one, or as one that is; itself first, then those that share its identifiers, in order.
    fn group(&mut self, first: usize) -> Vec<&'a Authority> {
        self.is_grouped[first] = true;
        let mut group = vec![first];
        let mut next = 0;
        while let Some(member) = group.get(next).copied() {
            let mut more = BTreeSet::new();
            for identifier in self.known[member].identifiers.iter().map(Identifier::folded) {
                // Each identifier leads to those that have it once.
                more.extend(self.with.remove(identifier).into_iter().flatten());
            }
            for other in more {
                if !std::mem::replace(&mut self.is_grouped[other], true) {
                    group.push(other);
                }
            }
            next += 1;
        }
        group.into_iter().map(|at| self.known[at]).collect()
    }
}

impl<'a> Resolved<'a> {
    /// What an answer says of it: by which other names the actor was looked for, or who claims the name; nothing where nothing came of it.
    /// Scheme and text are those that were asked for, folded.
    pub fn note(&self, scheme: Option<&str>, text: &str) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::One(group) => used(group, scheme, text),
            Self::Several(groups) => Some(claimed(groups, scheme, text)),
        }
    }
}

fn used(group: &[&Authority], scheme: Option<&str>, text: &str) -> Option<String> {
    let mut others: HashSet<&str> = HashSet::new();
    let mut is_dated = false;
    let is_other = |name: &&Name| scheme.is_some() || name.folded != text;
    for name in group.iter().flat_map(|one| &one.names).filter(is_other) {
        is_dated |= !name.validity.is_open();
        others.insert(&name.folded);
    }
    let names = match others.len() {
        0 => return None,
        1 => "1 other name".to_owned(),
        many => format!("{many} other names"),
    };
    let days = match is_dated {
        true => ", each while it was one",
        false => "",
    };
    Some(format!(
        "actor \"{}\" also by {names} of {}{days}",
        as_written(group.iter().copied(), scheme, text),
        origins(group)
    ))
}

fn claimed(groups: &[Vec<&Authority>], scheme: Option<&str>, text: &str) -> String {
    let mut whose: Vec<String> = groups
        .iter()
        .take(ORIGINS_MAX)
        .map(|group| origins(group))
        .collect();
    if groups.len() > ORIGINS_MAX {
        whose.push(format!("{} others", groups.len() - ORIGINS_MAX));
    }
    let mut identifiers = groups.iter().flatten().flat_map(|one| &one.identifiers);
    let by = match identifiers.next() {
        Some(identifier) => {
            format!("by an identifier, as actor = \"{identifier}\", or by a name that only one has")
        }
        None => "by a name that only one has".to_owned(),
    };
    format!(
        "actor \"{}\" is claimed by {}: it is looked for by this name alone; choose one {by}",
        as_written(groups.iter().flatten().copied(), scheme, text),
        whose.join(", by ")
    )
}

/// What was asked for as an authority writes it.
fn as_written<'t>(mut all: impl Iterator<Item = &'t Authority>, scheme: Option<&str>, text: &str) -> String {
    let written = all.find_map(|one| match scheme {
        None => one
            .names
            .iter()
            .find(|name| name.folded == text)
            .map(|name| name.text.clone()),
        Some(scheme) => one
            .identifiers
            .iter()
            .find(|own| (own.folded().0.as_str(), own.folded().1.as_str()) == (scheme, text))
            .map(Identifier::to_string),
    });
    written.unwrap_or_else(|| text.to_owned())
}

/// Where those come from that are one and the same.
fn origins(group: &[&Authority]) -> String {
    let named = group.iter().take(ORIGINS_MAX);
    let mut origins: Vec<String> = named.map(|one| one.origin.to_string()).collect();
    if group.len() > ORIGINS_MAX {
        origins.push(format!("{} others", group.len() - ORIGINS_MAX));
    }
    origins.join(" and ")
}

//! Which authorities there are as of a position, and what they make of a filter.
//!
//! The entries of kind `authority` are found by an ordinary search, so that what was not recorded yet, was retracted or was erased is
//! not among them. What a name means [`crate::authority`] says.

use super::error::QueryError;
use super::matching::{decode, entry_of};
use super::scan::{Scanner, all};
use super::search::Search;
use crate::authority::{Authority, FoldedIdentifier, Identifier, Resolved, resolve, shipped};
use crate::filter::{AskedActor, Filter, Names};
use crate::log::{Columns, Log, ReadError};
use crate::record::{Position, codec};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// The most entries that have what is asked for; whatever more of them say is not known, which answers say.
const ENTRIES_MAX: usize = 1_000;
/// The most names and identifiers of all of them together: each name is looked up for itself.
const TEXTS_MAX: usize = 20_000;
/// The most entries that are read for one question: of many a title has only the words of a name.
const READ_MAX: usize = 100_000;
/// How many of them are held at a time.
const READ_AT_A_TIME: usize = 64;
/// How many identifiers are looked for at a time.
const SOUGHT_AT_A_TIME: usize = 1_000;

/// An actor: authorities that are one and the same, at least one.
pub type Actor = Vec<Authority>;

/// Whom a name means.
#[derive(Clone, Debug)]
pub struct Named {
    /// Every actor that has it.
    pub actors: Vec<Actor>,
    /// What an answer says where not every authority was looked at.
    pub note: Option<String>,
}

/// A filter, widened by the names that are known of the actors that it asks for.
#[derive(Clone, Debug)]
pub struct Widened {
    /// It passes what the filter as it was written passes, and besides what names those actors otherwise. Its text is the same.
    pub filter: Filter,
    /// What an answer says of it, a sentence for each actor that a name was found for or that several claim.
    pub notes: Vec<String>,
}

impl Widened {
    /// The filter as it is: nothing is known of its actors.
    pub fn by_nothing(filter: Filter) -> Self {
        Self {
            filter,
            notes: Vec::new(),
        }
    }
}

impl Scanner {
    /// A filter, widened by the names that are known as of a position of the actors that it asks for.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn widened(&self, filter: Filter, as_of: Position) -> Result<Widened, QueryError> {
        if filter.actors().is_empty() {
            return Ok(Widened::by_nothing(filter));
        }
        let (log, view) = (self.log.clone(), self.view());
        let job = move |cancelled: &AtomicBool| widened(&log, view.as_deref(), &filter, as_of, cancelled);
        self.blocking(job).await?.map_err(QueryError::Read)
    }

    /// Whom a name or an identifier means, as of a position; see [`named`].
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn named(&self, asked: AskedActor, as_of: Position) -> Result<Named, QueryError> {
        let (log, view) = (self.log.clone(), self.view());
        let job = move |cancelled: &AtomicBool| named(&log, view.as_deref(), &asked, as_of, cancelled);
        self.blocking(job).await?.map_err(QueryError::Read)
    }
}

/// A filter, widened by what is known as of a position of the actors that it asks for. Costs nothing where it asks for none.
///
/// # Errors
/// [`ReadError`].
pub fn widened(
    log: &Log,
    view: Option<&Search>,
    filter: &Filter,
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<Widened, ReadError> {
    let asked = filter.actors();
    if asked.is_empty() {
        return Ok(Widened::by_nothing(filter.clone()));
    }
    let gathered = Gathered::of(log, view, &asked, as_of, cancelled)?;
    let (mut names, mut notes) = (HashMap::new(), Vec::new());
    for actor in asked {
        let candidates = candidates(&gathered.entries, &actor);
        let resolved = resolve(&candidates, actor.scheme.as_deref(), &actor.text);
        notes.extend(resolved.note(actor.scheme.as_deref(), &actor.text));
        if let Resolved::One(group) = resolved {
            let all = group.iter().flat_map(|one| &one.names);
            let dated = all.map(|name| (name.folded.clone(), name.validity.days()));
            names.insert(actor, Names::of(dated));
        }
    }
    notes.extend(gathered.note());
    let filter = match names.is_empty() {
        true => filter.clone(),
        false => filter.with_names(&names),
    };
    Ok(Widened { filter, notes })
}

/// Every authority that has a name, or an identifier that is written with its scheme, as of a position; those that are one and the same
/// together.
///
/// # Errors
/// [`ReadError`].
pub fn named(
    log: &Log,
    view: Option<&Search>,
    asked: &AskedActor,
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<Named, ReadError> {
    let gathered = Gathered::of(log, view, std::slice::from_ref(asked), as_of, cancelled)?;
    let candidates = candidates(&gathered.entries, asked);
    let groups = match resolve(&candidates, asked.scheme.as_deref(), &asked.text) {
        Resolved::Nobody => Vec::new(),
        Resolved::One(group) => vec![group],
        Resolved::Several(groups) => groups,
    };
    let whole = |group: Vec<&Authority>| group.into_iter().cloned().collect();
    Ok(Named {
        actors: groups.into_iter().map(whole).collect(),
        note: gathered.note(),
    })
}

/// The entries, and what is shipped that may be the actor or the same as one of them.
fn candidates<'a>(entries: &'a [Authority], actor: &AskedActor) -> Vec<&'a Authority> {
    let mut found: Vec<&Authority> = entries.iter().collect();
    found.extend(shipped_of(actor));
    let identified = entries.iter().flat_map(|entry| &entry.identifiers);
    found.extend(identified.flat_map(|own| shipped().identified(own.folded())));
    found
}

/// What is shipped under the name or the identifier.
fn shipped_of(actor: &AskedActor) -> Vec<&'static Authority> {
    match &actor.scheme {
        None => shipped().named(&actor.text).collect(),
        Some(scheme) => shipped()
            .identified(&(scheme.clone(), actor.text.clone()))
            .collect(),
    }
}

/// The entries of kind `authority` that have a name or an identifier that is asked for, one of what is shipped under it, or one of
/// another that was gathered: whoever is the same as one of them is among them, up to the bounds.
#[derive(Default)]
struct Gathered {
    entries: Vec<Authority>,
    /// Where they are.
    positions: HashSet<Position>,
    names: HashSet<String>,
    identifiers: BTreeSet<FoldedIdentifier>,
    /// Those that nothing was looked for by yet.
    sought: Vec<FoldedIdentifier>,
    /// The names and identifiers of the entries.
    texts: usize,
    read: usize,
    /// A bound was reached.
    is_cut: bool,
}

impl Gathered {
    fn of(
        log: &Log,
        view: Option<&Search>,
        asked: &[AskedActor],
        as_of: Position,
        cancelled: &AtomicBool,
    ) -> Result<Self, ReadError> {
        let mut own = Self::default();
        for actor in asked {
            match &actor.scheme {
                None => own.names.extend([actor.text.clone()]),
                Some(scheme) => own.seek(&(scheme.clone(), actor.text.clone())),
            }
            let shipped = shipped_of(actor).into_iter();
            shipped.flat_map(identifiers).for_each(|one| own.seek(one));
        }
        let mut names: Vec<String> = own.names.iter().cloned().collect();
        names.sort_unstable();
        while !own.is_cut && !cancelled.load(Ordering::Relaxed) {
            if names.is_empty() && own.sought.is_empty() {
                break;
            }
            let some = own.sought.len().min(SOUGHT_AT_A_TIME);
            let some: Vec<FoldedIdentifier> = own.sought.drain(..some).collect();
            let filter = Filter::of_authorities(&names, &some);
            names.clear();
            let (found, _) = all(log, view, (&filter, as_of, false), cancelled)?;
            let positions = found.into_iter().map(|one| one.position);
            let mut new: Vec<Position> = positions.filter(|one| !own.positions.contains(one)).collect();
            new.sort_unstable();
            own.take(log, &new, cancelled)?;
        }
        Ok(own)
    }

    /// Takes those of the entries at these positions that have what is sought.
    fn take(&mut self, log: &Log, positions: &[Position], cancelled: &AtomicBool) -> Result<(), ReadError> {
        for some in positions.chunks(READ_AT_A_TIME) {
            if self.is_cut || cancelled.load(Ordering::Relaxed) {
                break;
            }
            self.read += some.len();
            self.is_cut = self.read > READ_MAX;
            for (position, entry) in read(log, some)? {
                if self.is_cut {
                    break;
                }
                if self.has(&entry) {
                    self.add(position, entry);
                }
            }
        }
        Ok(())
    }

    /// Whether an entry has one of the names and identifiers itself, and not only the words of a name in its title.
    fn has(&self, entry: &Authority) -> bool {
        entry.names.iter().any(|name| self.names.contains(&name.folded))
            || identifiers(entry).any(|one| self.identifiers.contains(one))
    }

    fn add(&mut self, position: Position, entry: Authority) {
        let texts = self.texts + entry.names.len() + entry.identifiers.len();
        if self.entries.len() == ENTRIES_MAX || (texts > TEXTS_MAX && !self.entries.is_empty()) {
            self.is_cut = true;
            return;
        }
        for own in identifiers(&entry) {
            self.seek(own);
            let shipped = shipped().identified(own);
            shipped.flat_map(identifiers).for_each(|one| self.seek(one));
        }
        self.texts = texts;
        self.positions.insert(position);
        self.entries.push(entry);
    }

    fn seek(&mut self, identifier: &FoldedIdentifier) {
        if !self.identifiers.contains(identifier) {
            self.identifiers.insert(identifier.clone());
            self.sought.push(identifier.clone());
        }
    }

    /// What an answer says where a bound was reached.
    fn note(&self) -> Option<String> {
        self.is_cut.then(|| {
            format!(
                "more authorities have the names of an actor, or share its identifiers, than are looked at: the first {} of them; what the \
                 others say is not known here. Ask by an identifier that few have, or retract what is not needed",
                self.entries.len()
            )
        })
    }
}

fn identifiers(authority: &Authority) -> impl Iterator<Item = &FoldedIdentifier> {
    authority.identifiers.iter().map(Identifier::folded)
}

/// What the records at these positions say, those that were erased left out.
fn read(log: &Log, positions: &[Position]) -> Result<Vec<(Position, Authority)>, ReadError> {
    let mut authorities = Vec::with_capacity(positions.len());
    for run in log.fetch(positions, Columns::All)? {
        for record in run.iter().filter(|record| !record.erased) {
            let entry = entry_of(record.position, &decode(&record)?)?;
            // What is no content was refused when it was appended.
            if let Ok(Some(content)) = codec::decode_content(record.payload) {
                authorities.push((record.position, Authority::of_content(entry, &content)));
            }
        }
    }
    Ok(authorities)
}

//! Which authorities there are as of a position, and what they make of a filter.
//!
//! The entries of kind `authority` are found by an ordinary search, so that what was not recorded yet, was retracted or was erased is
//! not among them. What a name means [`crate::authority`] says.

use super::error::QueryError;
use super::matching::{decode, entry_of};
use super::scan::{Scanner, all};
use super::search::Search;
use crate::authority::{Authority, Resolved, resolve, shipped};
use crate::filter::{AskedActor, Filter, Names};
use crate::log::{Columns, Log, ReadError};
use crate::record::{Position, codec};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;

/// The most entries that are looked at for one question; whatever more of them say is not known.
const ENTRIES_MAX: usize = 1_000;
/// How many of them are held at a time.
const READ_AT_A_TIME: usize = 64;
/// How often entries are looked for by the identifiers of those that were found.
const ROUNDS_MAX: usize = 4;

/// Scheme and code, folded.
type FoldedIdentifier = (String, String);

/// An actor: authorities that are one and the same, at least one.
pub type Actor = Vec<Authority>;

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
    pub async fn named(&self, asked: AskedActor, as_of: Position) -> Result<Vec<Actor>, QueryError> {
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
    let entries = entries(log, view, &asked, as_of, cancelled)?;
    let (mut names, mut notes) = (HashMap::new(), Vec::new());
    for actor in asked {
        let candidates = candidates(&entries, &actor);
        let resolved = resolve(&candidates, actor.scheme.as_deref(), &actor.text);
        notes.extend(resolved.note(actor.scheme.as_deref(), &actor.text));
        if let Resolved::One(group) = resolved {
            let all = group.iter().flat_map(|one| &one.names);
            let dated = all.map(|name| (name.folded.clone(), name.validity.days()));
            names.insert(actor, Names::of(dated));
        }
    }
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
) -> Result<Vec<Actor>, ReadError> {
    let entries = entries(log, view, std::slice::from_ref(asked), as_of, cancelled)?;
    let candidates = candidates(&entries, asked);
    let groups = match resolve(&candidates, asked.scheme.as_deref(), &asked.text) {
        Resolved::Nobody => Vec::new(),
        Resolved::One(group) => vec![group],
        Resolved::Several(groups) => groups,
    };
    Ok(groups
        .into_iter()
        .map(|group| group.into_iter().cloned().collect())
        .collect())
}

/// The entries, and what is shipped that may be the actor or the same as one of them.
fn candidates<'a>(entries: &'a [Authority], actor: &AskedActor) -> Vec<&'a Authority> {
    let mut found: Vec<&Authority> = entries.iter().collect();
    found.extend(shipped_of(actor));
    let identified = entries.iter().flat_map(|entry| &entry.identifiers);
    found.extend(identified.flat_map(|own| shipped().identified(&own.folded())));
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
/// another that was found.
fn entries(
    log: &Log,
    view: Option<&Search>,
    asked: &[AskedActor],
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<Vec<Authority>, ReadError> {
    let named = asked.iter().filter(|actor| actor.scheme.is_none());
    let mut names: Vec<String> = named.map(|actor| actor.text.clone()).collect();
    let mut known: BTreeSet<FoldedIdentifier> = BTreeSet::new();
    for actor in asked {
        let own = actor.scheme.clone().map(|scheme| (scheme, actor.text.clone()));
        known.extend(own);
        known.extend(shipped_of(actor).into_iter().flat_map(identifiers));
    }
    let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
    let mut sought: Vec<FoldedIdentifier> = known.iter().cloned().collect();
    for _ in 0..ROUNDS_MAX {
        if (names.is_empty() && sought.is_empty()) || entries.len() >= ENTRIES_MAX {
            break;
        }
        let filter = Filter::of_authorities(&names, &sought);
        let (found, _) = all(log, view, (&filter, as_of, false), cancelled)?;
        let positions = found.into_iter().map(|one| one.position);
        let mut new: Vec<Position> = positions.filter(|position| seen.insert(*position)).collect();
        new.sort_unstable();
        new.truncate(ENTRIES_MAX - entries.len());
        let new = read(log, &new)?;
        let more = new.iter().flat_map(|entry: &Authority| {
            let of_shipped = entry
                .identifiers
                .iter()
                .flat_map(|own| shipped().identified(&own.folded()));
            identifiers(entry).chain(of_shipped.flat_map(identifiers))
        });
        sought = more.filter(|identifier| !known.contains(identifier)).collect();
        known.extend(sought.iter().cloned());
        entries.extend(new);
        names.clear();
    }
    Ok(entries)
}

fn identifiers(authority: &Authority) -> impl Iterator<Item = FoldedIdentifier> + '_ {
    authority.identifiers.iter().map(|identifier| identifier.folded())
}

/// What the records at these positions say.
fn read(log: &Log, positions: &[Position]) -> Result<Vec<Authority>, ReadError> {
    let mut authorities = Vec::with_capacity(positions.len());
    for some in positions.chunks(READ_AT_A_TIME) {
        for run in log.fetch(some, Columns::All)? {
            for record in run.iter().filter(|record| !record.erased) {
                let entry = entry_of(record.position, &decode(&record)?)?;
                // What is no content was refused when it was appended.
                if let Ok(Some(content)) = codec::decode_content(record.payload) {
                    authorities.push(Authority::of_content(entry, &content));
                }
            }
        }
    }
    Ok(authorities)
}

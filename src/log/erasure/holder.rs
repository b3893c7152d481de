//! Who else keeps what follows from records: no erasure is complete before all of them are rid of what it removed.

use super::{Erasures, Inner};
use crate::log::Log;
use crate::record::Position;
use std::sync::Weak;

/// Whoever keeps on disk what follows from records, beside the store: a view.
pub trait Holder: Send + Sync {
    /// How far it is rid of what was erased.
    fn rid(&self) -> Rid;

    /// Every ERASE below this position has been taken in: nothing here, and no file of it, has what it removed.
    fn rid_through(&self) -> Position {
        self.rid().through
    }
}

/// How far a holder is rid of what was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rid {
    /// Every ERASE below this position has been taken in.
    pub through: Position,
    /// Whose files these are.
    pub name: HolderName,
}

/// Whose files are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolderName {
    /// The view.
    pub view: &'static str,
    /// Its files that are made anew beside those that answer.
    pub is_made_anew: bool,
}

/// What erasures wait for that are not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many records they take the content from.
    pub records: u64,
    /// Whose files may hold some of it, of several the one that is farthest behind; `None` where that is not open, so that nobody
    /// knows how far it is.
    pub holder: Option<HolderName>,
    /// How many records it is behind.
    pub behind: u64,
}

impl Inner {
    /// How far the last of all holders is rid of what was erased; `None` where there is none.
    fn rid(&self) -> Result<Option<Rid>, Unsaid> {
        if self.is_holder_awaited {
            return Err(Unsaid);
        }
        let mut last: Option<Rid> = None;
        for holder in &self.holders {
            let rid = holder.upgrade().ok_or(Unsaid)?.rid();
            last = Some(last.filter(|last| last.through <= rid.through).unwrap_or(rid));
        }
        Ok(last)
    }
}

/// A holder is not there to say how far it is.
struct Unsaid;

impl Erasures {
    /// What is waited for by the erasures that are not complete, at this tail; `None` where they wait for no holder.
    pub(in crate::log) fn waiting(&self, tail: Position) -> Option<Waiting> {
        let inner = self.read();
        let last = match inner.rid() {
            Ok(None) => return None,
            Ok(Some(last)) => Some(last),
            Err(Unsaid) => None,
        };
        let from = last.map_or(Position::START, |last| last.through);
        let waiting = inner
            .pending
            .range(from..)
            .map(|(_, one)| one.targets.len() as u64);
        let records: u64 = waiting.sum();
        (records > 0).then(|| Waiting {
            records,
            holder: last.map(|last| last.name),
            behind: last.map_or(0, |last| tail.since(last.through.min(tail))),
        })
    }
}

/// For views, and for the store.
impl Log {
    /// No erasure is complete any more before this holder is rid of it.
    pub fn add_holder(&self, holder: Weak<dyn Holder>) {
        let mut inner = self.shared.erasures.write();
        inner.holders.push(holder);
        inner.is_holder_awaited = false;
    }

    /// No erasure is complete any more before a holder has been added: its files are there already.
    pub fn await_holder(&self) {
        self.shared.erasures.write().is_holder_awaited = true;
    }

    /// Whether every holder is rid of what an ERASE removed.
    pub fn is_held_nowhere(&self, erase: Position) -> bool {
        match self.shared.erasures.read().rid() {
            Ok(last) => last.is_none_or(|last| erase < last.through),
            Err(Unsaid) => false,
        }
    }
}

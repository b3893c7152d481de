//! What the log knows of one entry, folded from its leaves.
//!
//! The fold is pure and total: it is told each leaf of the entry in order and keeps what the rules need. The rules
//! themselves are in [`super::sequencer`].

use crate::record::codec::RelationType;
use crate::record::{Act, EntryKey, Kind, Leaf, NameError, Position, Revision, Status};

/// An entry at one point of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryState {
    /// Series and key.
    pub entry: EntryKey,
    /// Fixed by the first record.
    pub kind: Kind,
    /// The contents, oldest first: revision 1 at index 0.
    pub contents: Vec<ContentAt>,
    /// The position of the newest record.
    pub last: Position,
    /// How many records the entry has.
    pub records: u64,
    /// The RETRACT that stands.
    pub retracted: Option<Position>,
    /// The HOLD that stands.
    pub held: Option<Position>,
    /// The ERASE that removed the last content.
    pub closed: Option<Position>,
    /// The relations made by LINK that stand.
    pub links: Vec<LinkAt>,
}

/// Where one revision's content lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentAt {
    /// The CREATE or AMEND.
    pub position: Position,
    /// Whether it was removed by law.
    pub erased: bool,
}

/// A relation made by LINK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAt {
    /// The LINK.
    pub position: Position,
    /// What the relation is.
    pub relation: RelationType,
    /// The other entry.
    pub other: EntryKey,
}

impl EntryState {
    /// The state after an entry's first record.
    ///
    /// # Errors
    /// [`NameError`] where the leaf's names are not names, which no leaf of this program has.
    pub fn first(position: Position, leaf: &Leaf<'_>) -> Result<Self, NameError> {
        let mut state = Self {
            entry: EntryKey::new(leaf.series, leaf.key)?,
            kind: leaf.kind,
            contents: Vec::new(),
            last: position,
            records: 0,
            retracted: None,
            held: None,
            closed: None,
            links: Vec::new(),
        };
        state.apply(position, leaf)?;
        Ok(state)
    }

    /// The state after one more record of the entry.
    ///
    /// # Errors
    /// As [`EntryState::first`].
    pub fn apply(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<(), NameError> {
        self.last = position;
        self.records += 1;
        match leaf.act {
            Act::Create | Act::Amend => self.contents.push(ContentAt {
                position,
                erased: false,
            }),
            Act::Retract => self.retracted = Some(position),
            Act::Reinstate => self.retracted = None,
            Act::Hold => self.held = Some(position),
            Act::Release => self.held = None,
            Act::Erase => self.erase(position, leaf.erased),
            Act::Link => self.link(position, leaf)?,
            Act::Unlink => self.unlink(leaf),
            Act::Epoch | Act::Audit => {}
        }
        Ok(())
    }

    /// The newest revision; 0 for an entry without content.
    pub fn revision(&self) -> Revision {
        Revision::new(self.contents.len() as u64)
    }

    /// Where the newest content lies.
    pub fn newest(&self) -> Option<ContentAt> {
        self.contents.last().copied()
    }

    /// Where a revision's content lies.
    pub fn content(&self, revision: Revision) -> Option<ContentAt> {
        let at = usize::try_from(revision.get().checked_sub(1)?).ok()?;
        self.contents.get(at).copied()
    }

    /// The entry's status.
    pub fn status(&self) -> Status {
        match (self.newest(), self.retracted) {
            (Some(ContentAt { erased: true, .. }), _) => Status::Erased,
            (_, Some(_)) => Status::Retracted,
            _ => Status::Current,
        }
    }

    /// The status of one revision's content.
    pub fn status_of(&self, revision: Revision) -> Status {
        match self.content(revision) {
            Some(ContentAt { erased: true, .. }) => Status::Erased,
            _ if revision == self.revision() => self.status(),
            _ => Status::Superseded,
        }
    }

    /// Whether some but not all content was erased.
    pub fn partly_erased(&self) -> bool {
        self.closed.is_none() && self.contents.iter().any(|content| content.erased)
    }

    fn erase(&mut self, position: Position, range: Option<(Revision, Revision)>) {
        let (from, to) = range.unwrap_or((Revision::FIRST, self.revision().next()));
        for (at, content) in self.contents.iter_mut().enumerate() {
            let revision = Revision::new(at as u64 + 1);
            content.erased |= from <= revision && revision < to;
        }
        if self.contents.iter().all(|content| content.erased) {
            self.closed = Some(position);
        }
    }

    fn link(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<(), NameError> {
        if let Some(link) = leaf.relation {
            let other = EntryKey::new(link.series, link.key)?;
            self.links.push(LinkAt {
                position,
                relation: link.relation,
                other,
            });
        }
        Ok(())
    }

    fn unlink(&mut self, leaf: &Leaf<'_>) {
        if let Some(link) = leaf.relation {
            self.links.retain(|at| {
                at.relation != link.relation
                    || at.other.series.as_str() != link.series
                    || at.other.key.as_str() != link.key
            });
        }
    }
}

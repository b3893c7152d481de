//! The views of one daemon, by their names.

use super::View;
use super::standing::{Standing, State, standing};
use crate::record::Position;
use crate::view::runner::Asked;
use std::sync::{Arc, OnceLock};

/// What can be said to any view.
trait Any: Send + Sync {
    fn standing(&self, tail: Position) -> Standing;
    fn state(&self) -> &dyn Wanted;
}

/// Has a view made anew.
trait Wanted {
    fn want(&self);
}

impl<A> Wanted for State<A> {
    fn want(&self) {
        State::want(self, true);
    }
}

struct Open<V: View>(Arc<V::Asked>);

impl<V: View> Any for Open<V> {
    fn standing(&self, tail: Position) -> Standing {
        standing::<V>(&self.0, tail)
    }

    fn state(&self) -> &dyn Wanted {
        self.0.state()
    }
}

/// The views that there are, each from when it is open.
#[derive(Default)]
pub struct Views(Vec<(&'static str, OnceLock<Box<dyn Any>>)>);

impl Views {
    /// One more.
    #[must_use]
    pub fn with<V: View>(mut self) -> Self {
        self.0.push((V::NAME, OnceLock::new()));
        self
    }

    /// A view is open.
    pub fn opened<V: View>(&self, asked: Arc<V::Asked>) {
        if let Some(slot) = self.slot(V::NAME) {
            // It is opened once.
            drop(slot.set(Box::new(Open::<V>(asked))));
        }
    }

    /// What they are called.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// How one stands beside a log with this tail; `None` where it is not open.
    pub fn standing(&self, name: &str, tail: Position) -> Option<Standing> {
        Some(self.slot(name)?.get()?.standing(tail))
    }

    /// Has one made anew beside the one that answers; says whether it is open.
    pub fn rebuild(&self, name: &str) -> bool {
        let open = self.slot(name).and_then(OnceLock::get);
        open.inspect(|view| view.state().want()).is_some()
    }

    fn slot(&self, name: &str) -> Option<&OnceLock<Box<dyn Any>>> {
        let slot = self.0.iter().find(|(known, _)| *known == name);
        slot.map(|(_, slot)| slot)
    }
}

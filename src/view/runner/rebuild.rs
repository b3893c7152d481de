//! A view made anew beside the one that answers.
//!
//! It is folded from the first record in a folder of its own while the old one answers and follows; once it is as far it takes the
//! old one's place in one step of the disk. Where that fails the old one stays and goes on. After a crash what was half made is
//! removed.

use super::{FoldError, Runner, View, seal, step};
use crate::index;
use crate::log::Log;
use crate::view::runner::Asked;

impl<V: View> Runner<V> {
    /// Goes on with the one that is made anew, or begins one where that is asked for; says whether there is one.
    pub(super) fn step_rebuild(&mut self, log: &Log) -> Result<bool, FoldError> {
        if self.rebuild.is_none() && self.asked().state().beside().is_some() {
            self.give_up_rebuild();
        }
        let Some(mut other) = self.take_rebuild(log)? else {
            return Ok(false);
        };
        match step(other.as_mut(), log).and_then(|()| self.is_overtaken_by(other, log)) {
            Ok(more) => Ok(more),
            Err(error) => {
                tracing::error!(%error, "the {} view could not be made anew; the one that answers stays", V::NAME);
                self.give_up_rebuild();
                Ok(false)
            }
        }
    }

    /// Removes what there is beside the one that answers. These files count until they are gone: where that fails it is tried
    /// again, and the one that answers goes on.
    fn give_up_rebuild(&mut self) {
        match self.folders.clean() {
            Ok(()) => self.asked().state().set_beside(None),
            Err(error) => {
                tracing::error!(%error, "what is left of the {} view beside the one that answers stays", V::NAME);
            }
        }
    }

    fn take_rebuild(&mut self, log: &Log) -> Result<Option<Box<V>>, FoldError> {
        if let Some(other) = self.rebuild.take() {
            return Ok(Some(other));
        }
        let asked = self.asked();
        let state = asked.state();
        if !state.is_wanted() {
            return Ok(None);
        }
        let new = &self.folders.new;
        let other = match index::remove(new).and_then(|()| V::open(new)) {
            Ok(other) => other,
            Err(error) => {
                tracing::error!(%error, "the {} view cannot be made anew", V::NAME);
                state.want(false);
                return Ok(None);
            }
        };
        // Before it is not asked for any more: who looks for that first sees one or the other.
        state.set_beside(Some(other.asked()));
        state.want(false);
        tracing::info!(tail = log.tail().get(), "the {} view is made anew", V::NAME);
        Ok(Some(Box::new(other)))
    }

    /// Has the other take this one's place once it is as far; says whether it must go on.
    fn is_overtaken_by(&mut self, mut other: Box<V>, log: &Log) -> Result<bool, FoldError> {
        if other.through() < self.view.through() {
            self.rebuild = Some(other);
            return Ok(true);
        }
        seal(other.as_mut(), log)?;
        self.view.give_way_to(*other, &self.folders)?;
        index::remove_aside(&self.folders.aside)?;
        let asked = self.asked();
        asked.state().was_made_anew();
        asked.state().set_beside(None);
        tracing::info!(
            through = self.view.through().get(),
            "the {} view was made anew",
            V::NAME
        );
        Ok(false)
    }
}

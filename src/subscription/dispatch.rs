//! Follows the log for all filtered subscriptions at once, and tells the [`Router`] what new records are found by.
//!
//! It runs while there is anyone to be told. Where it fails, those who follow are told that nothing is known: they look at every
//! record themselves, and nothing is missed.

use super::hub::Form;
use super::routes::{Gist, Look, Router};
use crate::filter::{Filter, LazyContent, Subject, TermFields, each_term_of};
use crate::log::{Columns, Log, ReadError, ReadLimit, Run, Stored};
use crate::record::{Act, Hash, Leaf, Position, Status};
use crate::view::matching::{self, Matcher, Mode};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Bytes of records that are looked at between two looks at whether there is anyone to be told.
const STEP_BYTES: usize = 1024 * 1024;
/// How long every subscriber looks at all records after new ones could not be read, until it is tried again.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// Records of one read of the log.
const STEP_RECORDS: usize = 16_384;

/// The routes of a server.
#[derive(Default)]
pub struct Dispatch {
    inner: Mutex<Inner>,
    /// Told when the last route has gone.
    emptied: Notify,
}

#[derive(Default)]
struct Inner {
    router: Router,
    runs: bool,
    /// When it failed last.
    failed: Option<Instant>,
}

/// One session's place among the routes.
pub struct Routed {
    dispatch: Arc<Dispatch>,
    id: u64,
    woken: watch::Receiver<Position>,
}

impl Dispatch {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more session follows a filter live, and has looked at everything below `at`; the root is that of the tree of this size.
    /// `None` where filters are not dispatched, since that failed a moment ago.
    pub fn join(
        self: &Arc<Self>,
        log: &Log,
        draining: &watch::Receiver<bool>,
        (form, filter): (&Form, &Filter),
        (at, root): (Position, Hash),
    ) -> Option<Routed> {
        let mut inner = self.inner();
        if inner.failed.is_some_and(|at| at.elapsed() < FAILED_FOR) {
            return None;
        }
        if !inner.runs {
            inner.runs = true;
            inner.router.begin(at, root);
            tokio::spawn(run(Arc::clone(self), log.clone(), draining.clone()));
        }
        let (id, woken) = inner.router.join(form, filter);
        Some(Routed {
            dispatch: Arc::clone(self),
            id,
            woken,
        })
    }

    /// Where to go on; `None` where nobody is there any more: whoever comes then begins anew.
    fn next(&self) -> Option<Position> {
        let mut inner = self.inner();
        inner.runs = !inner.router.is_empty();
        inner.runs.then(|| inner.router.through())
    }

    fn fail(&self) {
        let mut inner = self.inner();
        inner.failed = Some(Instant::now());
        inner.runs = false;
        // With their senders: all who wait are woken.
        inner.router.forget_all();
    }
}

impl Routed {
    /// What there is from a position on.
    pub fn look(&self, at: Position) -> Look {
        self.dispatch.inner().router.look(self.id, at)
    }

    /// Whether it is known no more, and never will be.
    pub fn has_ended(&self) -> bool {
        self.woken.has_changed().is_err()
    }

    /// Waits until there is something behind a position, or until nothing is known any more. Cancel-safe.
    pub async fn hit_beyond(&mut self, at: Position) {
        // An error is the end of the route, which `look` tells of.
        let _ = self.woken.wait_for(|end| *end > at).await;
    }
}

impl Drop for Routed {
    fn drop(&mut self) {
        let mut inner = self.dispatch.inner();
        inner.router.leave(self.id);
        if inner.router.is_empty() {
            self.dispatch.emptied.notify_one();
        }
    }
}

async fn run(dispatch: Arc<Dispatch>, log: Log, mut draining: watch::Receiver<bool>) {
    let all = Matcher::new(log.clone(), Filter::all(), Mode::Changes);
    while let Some(through) = dispatch.next() {
        tokio::select! {
            biased;
            // Sessions end too; what is left of them needs nobody.
            _ = draining.wait_for(|draining| *draining) => return dispatch.fail(),
            () = dispatch.emptied.notified() => continue,
            _ = log.wait_beyond(through) => {}
        }
        let (dispatch_, log, all) = (Arc::clone(&dispatch), log.clone(), all.clone());
        let step = tokio::task::spawn_blocking(move || step(&dispatch_, &log, &all, through)).await;
        let failed = match step {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(lost) => Some(lost.to_string()),
        };
        if let Some(error) = failed {
            tracing::error!(%error, "new records are not dispatched by filter for a while; every subscriber looks at all of them");
            return dispatch.fail();
        }
    }
}

/// Tells of the next records.
fn step(dispatch: &Dispatch, log: &Log, all: &Matcher, through: Position) -> Result<(), ReadError> {
    for (run, root) in next(log, through)? {
        let fields = dispatch.inner().router.telling(run.end());
        let gists: Vec<Gist> = run.iter().map(|record| gist(&record, fields, all)).collect();
        dispatch.inner().router.tell(run.first()..run.end(), &gists, root);
    }
    Ok(())
}

/// The next records, from memory where it has them, each run with the root of the tree that ends with it.
fn next(log: &Log, through: Position) -> Result<Vec<(Run, Hash)>, ReadError> {
    let mut bytes = 0;
    if let Some(groups) = log.recent(through) {
        let fit = groups.into_iter().take_while(|group| {
            let fits = bytes < STEP_BYTES;
            bytes += group.run.bytes();
            fits
        });
        let cut = |run: &Run| log.masked(run.slice(through, run.end()));
        return Ok(fit.map(|group| (cut(&group.run), group.root)).collect());
    }
    let limit = ReadLimit {
        records: STEP_RECORDS,
        bytes: STEP_BYTES,
    };
    let runs = log.read(through, log.tail(), limit, Columns::Unsalted)?;
    let with_root = |run: Run| log.root_at(run.end()).map(|root| (run, root));
    runs.into_iter().map(with_root).collect()
}

/// What a record is found by; of what cannot be read nothing is said.
fn gist(record: &Stored<'_>, fields: TermFields, all: &Matcher) -> Gist {
    terms(record, fields, all).unwrap_or(Gist::Any)
}

fn terms(record: &Stored<'_>, fields: TermFields, all: &Matcher) -> Result<Gist, ReadError> {
    let leaf = matching::decode(record)?;
    let mut terms = BTreeSet::new();
    let mut add = |position: Position, leaf: &Leaf<'_>, payload: Option<&[u8]>| {
        let subject = Subject {
            position,
            act: leaf.act,
            kind: leaf.kind,
            series: leaf.series,
            key: leaf.key,
            revision: leaf.revision,
            recorded: leaf.recorded,
            status: Status::Current,
            principal: leaf.principal,
            content: payload.map_or_else(LazyContent::absent, LazyContent::payload),
        };
        each_term_of(&subject, fields, |field, bytes| {
            if fields.has(field) {
                terms.insert(crate::filter::Term {
                    field,
                    bytes: bytes.to_vec(),
                });
            }
        });
    };
    let own = leaf.act.has_content() && !record.erased;
    add(record.position, &leaf, own.then_some(record.payload));
    if leaf.previous.is_some() {
        // It is judged by what its entry was before it, too; an act, by the content it then has.
        let before = all.before(record)?;
        if let Some(last) = before.last.as_ref().and_then(|run| run.iter().next()) {
            let content = before.content.as_ref().and_then(|run| run.iter().next());
            let payload = content.filter(|content| !content.erased);
            let payload = payload.map(|content| content.payload);
            add(last.position, &matching::decode(&last)?, payload);
        }
    }
    let erases = leaf.act == Act::Erase;
    Ok(Gist::Terms { terms, erases })
}

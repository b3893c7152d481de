//! Erasure: what the law takes out of the archive, and how far that is done.
//!
//! An ERASE is a record like any other; its payload names the positions whose payloads and salts go. From the moment when it is
//! published nobody is answered with them: every run that is read is masked here. To remove them from the disk is the
//! store's, which asks for what is [`Erasures::pending`] and says when it is done; then an AUDIT record says so, and only
//! afterwards is the erasure complete. No ERASE is sealed before it is complete, so that a start finds every one that is not
//! among the records it folds. Those that are complete it meets while it learns the entries: they are masked all the same, and
//! are pending again where an old file was put back. The leaves stay, and with them every proof.

mod complete;
mod holder;

use super::entry::EntryState;
use super::error::{AppendError, ReadError, Rule, Violation};
use super::names::NameHash;
use super::run::Run;
use super::shared::{Shared, ask};
use super::store::WriteError;
use super::{Appended, Batch, Columns, Door, Draft, Log, audit, facts};
use crate::record::codec::{self, Payload};
use crate::record::same::content_equal;
use crate::record::{Act, BatchId, EntryKey, Leaf, Position, Principal, Reason, Revision};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

/// The copy that the daemon itself keeps, as a certificate names it.
pub const PRIMARY: &str = "primary";

pub use complete::{CompleteError, Completion, ErasureState};
pub use holder::{Holder, HolderName, Rid, Waiting};

/// The revisions that an ERASE takes, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasing {
    /// The first revision.
    pub from: Revision,
    /// The revision after the last.
    pub to: Revision,
    /// The entry's newest record when the positions were gathered: where there is a newer one they are gathered anew.
    pub newest: Position,
}

/// One ERASE, and the records whose payloads it removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The ERASE.
    pub position: Position,
    /// The entry.
    pub entry: EntryKey,
    /// The records, ascending.
    pub targets: Vec<Position>,
}

impl Erasure {
    /// The erasure that a record orders; `None` for any other record, and for one whose payload is not there.
    pub fn of(position: Position, leaf: &Leaf<'_>, payload: &[u8]) -> Option<Self> {
        if leaf.act != Act::Erase {
            return None;
        }
        let entry = EntryKey::new(leaf.series, leaf.key).ok()?;
        let statement = codec::decode_payload(payload).ok()?.statement?;
        let named = statement.erased_positions.into_iter().map(Position::new);
        // No record of this program names one that comes after it.
        let targets: BTreeSet<Position> = named.filter(|target| *target < position).collect();
        Some(Self {
            position,
            entry,
            targets: targets.into_iter().collect(),
        })
    }
}

/// What was erased, as far as this run of the log must know.
#[derive(Default)]
pub struct Erasures {
    any: AtomicBool,
    generation: AtomicU64,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The records that are masked. They stay so until the log is closed: whoever has an old file open may still read them.
    masked: BTreeSet<Position>,
    /// Who else keeps what follows from records. One that has gone cannot say that it is rid of anything.
    holders: Vec<Weak<dyn Holder>>,
    /// Whether files of a holder lie there of which none has told yet.
    is_holder_awaited: bool,
    /// What is not complete, by the position of the ERASE.
    pending: BTreeMap<Position, Arc<Erasure>>,
    /// Of those, what is gone from every file, and only has to be written down.
    removed: BTreeSet<Position>,
    /// Every ERASE below was said to be complete.
    through: Position,
    /// Why the disk could not be rid of it, if the last attempt failed.
    fault: Option<String>,
}

impl Erasures {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an erasure in: from now on its records are masked.
    pub fn add(&self, erasure: Erasure) {
        let mut inner = self.write();
        inner.masked.extend(erasure.targets.iter().copied());
        inner.pending.insert(erasure.position, Arc::new(erasure));
        self.any.store(true, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// How many erasures were taken in: what was made of records before the newest one may hold what it removed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A run without what was erased.
    pub fn mask(&self, run: Run) -> Run {
        if !self.any.load(Ordering::Acquire) {
            return run;
        }
        let inner = self.read();
        if inner.masked.range(run.first()..run.end()).next().is_none() {
            return run;
        }
        run.without(|position| inner.masked.contains(&position))
    }

    /// What is not complete, oldest first.
    pub fn pending(&self) -> Vec<Arc<Erasure>> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.read().pending.values().cloned().collect()
    }

    /// The oldest ERASE that is not complete.
    fn first_pending(&self) -> Option<Position> {
        self.read().pending.keys().next().copied()
    }

    fn complete(&self, position: Position) {
        let mut inner = self.write();
        inner.pending.remove(&position);
        inner.removed.remove(&position);
        inner.through = inner.through.max(position.next());
    }

    /// Masks what an erasure that is complete has removed: whoever puts back an old file is answered without it.
    pub fn mask_only(&self, erasure: &Erasure) {
        self.write().masked.extend(&erasure.targets);
        self.any.store(true, Ordering::Release);
    }

    fn is_masked(&self, position: Position) -> bool {
        self.any.load(Ordering::Acquire) && self.read().masked.contains(&position)
    }

    fn masked(&self) -> Vec<Position> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.read().masked.iter().copied().collect()
    }

    /// Every ERASE below this position is complete, as an earlier run has kept.
    pub fn begin(&self, through: Position) {
        self.write().through = through;
    }

    /// Whether an ERASE is below what was said to be complete.
    pub fn is_complete(&self, position: Position) -> bool {
        position < self.read().through
    }

    fn fault_is(&self, fault: Option<String>) {
        self.write().fault = fault;
    }

    /// Why the last attempt failed, if it did.
    pub fn fault(&self) -> Option<String> {
        self.read().fault.clone()
    }
}

/// For a start, which meets them again.
impl Shared {
    /// The erasure that the record at a position orders.
    pub(super) fn erasure_at(&self, position: Position) -> Result<Option<Erasure>, ReadError> {
        let run = self.fetch_one(position, Columns::All)?;
        let leaf = facts::leaf_of(&run, position)?;
        let payload = run.get(position).map_or(&[][..], |record| record.payload);
        Ok(Erasure::of(position, &leaf, payload))
    }

    /// Takes in an erasure of an earlier run. One that was complete is masked all the same, and is pending again where a file
    /// holds what it removed: somebody has put an old one back.
    pub(super) fn know_erased(&self, erasure: Erasure) {
        let is_there = |target: &Position| {
            let run = ask(&self.cold, *target, |shelf| shelf.fetch(*target, Columns::Leaves));
            run.is_ok_and(|run| !run.is_erased(*target))
        };
        let is_complete = self.erasures.is_complete(erasure.position);
        if is_complete && !erasure.targets.iter().any(is_there) {
            self.erasures.mask_only(&erasure);
            return;
        }
        if is_complete {
            tracing::error!(
                erase = erasure.position.get(),
                "a file holds what was erased; it is removed again"
            );
        }
        self.erasures.add(erasure);
    }
}

/// For the store, which removes from the disk what is erased.
impl Log {
    /// What is to be removed, oldest first.
    pub fn erasures_pending(&self) -> Vec<Arc<Erasure>> {
        self.shared.erasures.pending()
    }

    /// Whether an ERASE below `position` is not complete: it may not be sealed yet.
    pub fn is_erasure_pending_below(&self, position: Position) -> bool {
        let first = self.shared.erasures.first_pending();
        first.is_some_and(|first| first < position)
    }

    /// Why the last attempt to remove something from the disk failed, if it did.
    pub fn erasure_fault(&self) -> Option<String> {
        self.shared.erasures.fault()
    }

    /// Whether what an ERASE names is gone from every file already, and only has to be written down.
    pub fn is_removed(&self, position: Position) -> bool {
        self.shared.erasures.read().removed.contains(&position)
    }

    /// Tells that no file holds what an ERASE names.
    pub fn removed(&self, position: Position) {
        self.shared.erasures.write().removed.insert(position);
    }

    /// Why an append would be refused now.
    pub fn refusal(&self) -> Option<super::Closed> {
        self.shared.refusal()
    }

    /// Tells what came of an attempt.
    pub fn erasing(&self, fault: Option<String>) {
        self.shared.erasures.fault_is(fault);
    }

    /// How many erasures there were in this run: what was made of records before the newest one is not to be used any more.
    pub fn erasures(&self) -> u64 {
        self.shared.erasures.generation()
    }

    /// Whether the content of a record was erased, as far as this run of the log knows: one that was complete when it began and
    /// lies in a chunk says so itself.
    pub fn is_erased(&self, position: Position) -> bool {
        self.shared.erasures.is_masked(position)
    }

    /// The records that were erased, as far as this run of the log knows, ascending.
    pub fn erased_now(&self) -> Vec<Position> {
        self.shared.erasures.masked()
    }

    /// A run without what was erased since it was read.
    pub fn masked(&self, run: Run) -> Run {
        self.shared.erasures.mask(run)
    }

    /// Keeps which records are being overwritten in the journal; none once that is done. Waits for the disk.
    ///
    /// # Errors
    /// [`WriteError`], also where the log keeps nothing because it is closed.
    pub fn keep_erasing(&self, positions: &[Position]) -> Result<(), WriteError> {
        self.shared.notary.keep(|keep| keep.keep_erasing(positions))
    }
}

/// What an ERASE would remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The revisions, and the entry's newest record.
    pub erasing: Erasing,
    /// The entry as it is.
    pub state: EntryState,
    /// The records, ascending.
    pub targets: Vec<Position>,
}

impl Log {
    /// The records that an ERASE of an entry's revisions removes: their contents, and with all revisions whatever other
    /// records of the entry say, but for earlier ERASEs, which name what they removed. `None` for an unknown entry. What
    /// is erased already is left out. Waits for the disk.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn scope(
        &self,
        entry: &EntryKey,
        revisions: Option<(Revision, Revision)>,
    ) -> Result<Option<Scope>, ReadError> {
        let Some(last) = self.newest(entry)? else {
            return Ok(None);
        };
        let Some(state) = facts::fold(&self.shared, None, last, last.next())? else {
            return Ok(None);
        };
        let (from, to) = revisions.unwrap_or((Revision::FIRST, state.revision().next()));
        let mut targets = Vec::new();
        for (position, leaf) in facts::chain(&self.shared, None, last, last.next())? {
            let leaf = facts::decode(&leaf, position)?;
            let is_wanted = match leaf.act {
                Act::Create | Act::Amend => from <= leaf.revision && leaf.revision < to,
                Act::Erase => false,
                _ => revisions.is_none(),
            };
            if is_wanted
                && !self
                    .shared
                    .fetch_one(position, Columns::Leaves)?
                    .is_erased(position)
            {
                targets.push(position);
            }
        }
        let erasing = Erasing {
            from,
            to,
            newest: last,
        };
        Ok(Some(Scope {
            erasing,
            state,
            targets,
        }))
    }
}

impl Scope {
    /// The payload of the ERASE that removes just this.
    pub fn statement(&self, authority: String, explanation: String) -> Payload {
        Payload {
            statement: Some(codec::Statement {
                authority,
                explanation,
                erased_positions: self.targets.iter().map(|target| target.get()).collect(),
                ..codec::Statement::default()
            }),
            ..Payload::default()
        }
    }
}

/// An erasure as it is ordered.
#[derive(Clone, Debug)]
pub struct Order {
    /// The entry.
    pub entry: EntryKey,
    /// The revisions, half open; all of them where absent.
    pub revisions: Option<Revisions>,
    /// On whose decision, law or order.
    pub authority: String,
    /// In words.
    pub explanation: String,
    /// Why, as a code.
    pub reason: Reason,
    /// The revision that the entry must be at.
    pub expected_revision: Option<Revision>,
    /// The payload of a new revision that takes the place of what goes.
    pub replacement: Option<Bytes>,
    /// The client's name for it.
    pub request_id: Option<BatchId>,
    /// Who orders it.
    pub principal: Principal,
    /// Check everything and write nothing.
    pub validate_only: bool,
}

/// What an order did, or would do.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The receipts: of the replacement, where there is one, of the ERASE, and of the AUDIT beside it.
    pub appended: Appended,
    /// What goes.
    pub scope: Scope,
}

/// Revisions, half open.
type Revisions = (Revision, Revision);

/// More records than one ERASE may name: its payload would be too large.
const TARGETS_MAX: usize = 100_000;
/// How often an erasure is made ready for an entry that others change meanwhile.
const ATTEMPTS_MAX: usize = 16;

impl Log {
    /// Records an ERASE, with the AUDIT beside it and the replacement before it, in one batch. When it answers nobody is
    /// answered with the content any more; the disk is rid of it a moment later ([`Log::erasure`] says when).
    ///
    /// # Errors
    /// As [`Log::append`]: an unknown entry, a HOLD, revisions that there are not or that are erased already.
    pub async fn erase(&self, order: &Order) -> Result<Ordered, AppendError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let scope = self.scope_of(order).await?;
            match self.append(batch_of(order, &scope)).await {
                Ok(appended) => return Ok(Ordered { appended, scope }),
                Err(AppendError::Refused(broken)) if attempts < ATTEMPTS_MAX && is_outdated(&broken) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn scope_of(&self, order: &Order) -> Result<Scope, AppendError> {
        let (log, asked) = (self.clone(), order.clone());
        let looking = tokio::task::spawn_blocking(move || {
            if let Some(scope) = log.ordered_before(&asked)? {
                return Ok(scope);
            }
            let scope = log.scope(&asked.entry, asked.revisions)?;
            let scope = scope.ok_or_else(|| refusal("entry", Rule::Unknown(asked.entry.clone())))?;
            log.is_replaceable(&asked, &scope)?;
            Ok(scope)
        });
        looking.await.map_err(|cause| ReadError::Io {
            what: "the log".into(),
            cause: cause.to_string(),
        })?
    }

    /// What an order of the same name took, where one was carried out: it gets the first receipts.
    fn ordered_before(&self, order: &Order) -> Result<Option<Scope>, AppendError> {
        let Some(id) = &order.request_id else {
            return Ok(None);
        };
        for first in self.known(NameHash::of_batch(id.as_bytes()))? {
            let Some((scope, all)) = self.ordered_at(first, id)? else {
                continue;
            };
            let taken = (scope.erasing.from, scope.erasing.to);
            return match order.revisions.unwrap_or(all) == taken {
                true => Ok(Some(scope)),
                false => Err(refusal("request_id", Rule::RequestIdReused { position: first })),
            };
        }
        Ok(None)
    }

    /// What the batch that begins at a position took, where it is an order of this name; and which revisions there were to take.
    fn ordered_at(&self, first: Position, id: &BatchId) -> Result<Option<(Scope, Revisions)>, ReadError> {
        let run = self.shared.fetch_one(first, Columns::Leaves)?;
        let records = facts::leaf_of(&run, first)?.batch_count;
        for position in (0..records).map(|index| first.plus(index.into())) {
            let run = self.shared.fetch_one(position, Columns::Leaves)?;
            let leaf = facts::leaf_of(&run, position)?;
            let Some((from, to)) = leaf.erased.filter(|_| leaf.batch_id == id.as_bytes()) else {
                continue;
            };
            let state = facts::fold(&self.shared, None, position, position.next())?;
            let erasure = self.erasure(position)?.map(|known| known.erasure);
            if let (Some(state), Some(erasure)) = (state, erasure) {
                let newest = leaf.previous.unwrap_or(position);
                // A replacement comes before the order, and is not taken.
                let end = match position == first {
                    true => state.revision().next(),
                    false => state.revision(),
                };
                let scope = Scope {
                    erasing: Erasing { from, to, newest },
                    state,
                    targets: erasure.targets.clone(),
                };
                return Ok(Some((scope, (Revision::FIRST, end))));
            }
        }
        Ok(None)
    }

    /// A replacement that says what the newest revision says would be a duplicate of it, and both would go.
    fn is_replaceable(&self, order: &Order, scope: &Scope) -> Result<(), AppendError> {
        if scope.targets.len() > TARGETS_MAX {
            let text = format!(
                "the entry has {} records to erase, at most {TARGETS_MAX} can be at once; name some revisions",
                scope.targets.len()
            );
            return Err(refusal("revisions", Rule::Invalid(text)));
        }
        let (Some(replacement), Some(newest)) = (&order.replacement, scope.state.newest()) else {
            return Ok(());
        };
        let run = self.shared.fetch_one(newest.position, Columns::Payloads)?;
        let record = run.get(newest.position).filter(|record| !record.erased);
        if record.is_some_and(|record| content_equal(record.payload, replacement)) {
            let text = format!(
                "it says what revision {} says; leave out what is to be erased",
                scope.state.revision()
            );
            return Err(refusal("replacement", Rule::Invalid(text)));
        }
        Ok(())
    }
}

fn refusal(field: &str, rule: Rule) -> AppendError {
    AppendError::Refused(vec![Violation::batch(field, rule)])
}

/// Whether nothing is wrong but that the entry has a newer record than when the batch was made.
fn is_outdated(broken: &[Violation]) -> bool {
    broken.iter().all(|one| matches!(one.rule, Rule::Newest { .. }))
}

fn batch_of(order: &Order, scope: &Scope) -> Batch {
    let blank = Draft {
        act: Act::Erase,
        kind: None,
        series: order.entry.series.clone(),
        key: Some(order.entry.key.clone()),
        payload: Bytes::new(),
        expected_revision: None,
        reason: order.reason.clone(),
        relation: None,
        erased: None,
    };
    let revision = scope.state.revision();
    let replacement = order.replacement.clone().map(|payload| Draft {
        act: Act::Amend,
        payload,
        expected_revision: Some(order.expected_revision.unwrap_or(revision)),
        ..blank.clone()
    });
    let statement = scope.statement(order.authority.clone(), order.explanation.clone());
    let erase = Draft {
        payload: codec::encode_payload(&statement),
        // The replacement moves it on.
        expected_revision: order.expected_revision.filter(|_| replacement.is_none()),
        erased: Some(scope.erasing),
        ..blank
    };
    let details = [
        ("authority", order.authority.clone()),
        (
            "revisions",
            format!("{} up to {}", scope.erasing.from, scope.erasing.to),
        ),
        ("records", scope.targets.len().to_string()),
    ];
    let beside = audit::draft(Act::Erase.word(), Some(&order.entry), &details);
    Batch {
        records: replacement.into_iter().chain([erase, beside]).collect(),
        request_id: order.request_id.clone(),
        expected_tail: None,
        fail_if_match: None,
        validate_only: order.validate_only,
        principal: order.principal.clone(),
        door: Door::Admin,
    }
}

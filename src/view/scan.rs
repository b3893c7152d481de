//! Answers searches and counts, by the search view where it can say, else by looking at every record.
//!
//! A scan goes from its position down to the first record. The first record of an entry that it meets is the entry's
//! newest; each leaf names the entry's previous record, so that older ones are known when they are met and every
//! entry is judged once, at its newest content; at earlier ones too only where the filter names `superseded`. Memory is eight
//! bytes a match, a bit or less where the view has it and it is only counted, and a few dozen for each entry with more than one
//! record. It is the judge of the view: both must answer the same.

#[cfg(test)]
mod tests;

use super::aggregate::{Aggregated, Asked, aggregate};
use super::ahead;
use super::annotated;
use super::answers::{Cut, Write, page};
use super::authorities::widened;
use super::contents::Contents;
use super::entry::{self, Prefix};
use super::error::{EntryError, QueryError};
use super::kept::{Found, Kept, ResultKey};
use super::likeness::{Collapse, Likened, collapse, likened};
use super::matching::{Admitted, decode, matches, own_content};
use super::page::{PageToken, binding};
use super::reader::whole_window;
use super::relevance::{WORDS_MAX, ranked};
use super::search::{self, Match, Unanswered, Way};
use super::series::{self, SeriesCounts};
use super::turns::{Waiting, both};
use crate::filter::{Excerpt, Filter};
use crate::log::{Columns, Log, ReadError, Stored};
use crate::record::codec::DateRole;
use crate::record::date::DaySpan;
use crate::record::{Act, EntryKey, Hash, Kind, Leaf, Position, Status, codec};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Records looked at between two looks at whether the answer is still wanted.
const WINDOW_RECORDS: u64 = 4_096;
/// Bytes of records held at a time by one scan.
const WINDOW_BYTES: usize = 8 * 1024 * 1024;

/// How often, and how long each time, a hint waits for the view to have what was just recorded.
const NEAR_LOOKS: usize = 20;
const NEAR_WAIT: Duration = Duration::from_millis(10);

/// Bounds of scanning.
#[derive(Clone, Debug)]
pub struct Options {
    /// Scans at a time.
    pub concurrent_max: usize,
    /// Scans that may wait for their turn.
    pub waiting_max: usize,
    /// Bytes of results kept so that a second page does not scan again. A result larger than that is kept besides until
    /// its last page is taken, as long as it is asked for: at most [`super::kept::LARGE_MAX`] of them.
    pub results_bytes: usize,
    /// How long a question waits for its `min_position`.
    pub min_position_wait: Duration,
}

/// The order of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The position of the newest content, highest first.
    Newest,
    /// The earliest day it may have occurred, latest first; entries without one last.
    Occurred,
    /// How much it has of the words that the filter asks for, most first; see [`super::relevance`].
    Relevance,
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Occurred => "occurred",
            Self::Relevance => "relevance",
        }
    }

    /// Whether a filter can be answered in this order.
    fn check(self, filter: &Filter) -> Result<(), QueryError> {
        if self != Self::Relevance {
            return Ok(());
        }
        match filter.wording().words().len() {
            0 => Err(QueryError::NoWords),
            1..=WORDS_MAX => Ok(()),
            words => Err(QueryError::Words {
                words,
                limit: WORDS_MAX,
            }),
        }
    }
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The filter.
    pub filter: Filter,
    /// The records below this position make the answer; `None` for those that the token speaks of, or all.
    pub as_of: Option<Position>,
    /// The order.
    pub order: Order,
    /// Turn the order round.
    pub ascending: bool,
    /// Entries a page, at least 1.
    pub page_size: usize,
    /// What is left out.
    pub collapse: Collapse,
    /// Whether nobody asks what became of the documents that an entry is reported in.
    pub records_only: bool,
    /// Whether the page says where the words stand that the filter asks for.
    pub excerpts: bool,
    /// Whether only documents are answered that have no events.
    pub unannotated: bool,
}

/// A page of entries.
#[derive(Clone, Debug)]
pub struct Page {
    /// As they were written, in the order asked for: some of them in each part.
    pub entries: Vec<Vec<u8>>,
    /// How many they are.
    pub count: u64,
    /// The excerpts of each entry; none where none were asked for.
    pub excerpts: Vec<Vec<Excerpt>>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
    /// The position that the answer speaks of.
    pub as_of: Position,
    /// How many entries match in all.
    pub total: u64,
    /// How many contents are not in the answer that may have matched by what they said before it was erased.
    pub erased: u64,
    /// How many entries are alike and were left out; nothing where none was to be.
    pub likened: Likened,
    /// By which names actors were looked for besides those of the filter, as [`super::authorities::Widened::notes`].
    pub actors: Vec<String>,
}

/// How many entries match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The entries.
    pub count: u64,
    /// As [`Page::erased`].
    pub erased: u64,
    /// How many of them tell of an event that another tells of, or were left out for that.
    pub likened: Likened,
    /// As [`Page::actors`].
    pub actors: Vec<String>,
}

/// Scans one log.
pub struct Scanner {
    pub(super) log: Log,
    options: Options,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    kept: Kept,
    series: Arc<series::Counted>,
    searched: AtomicU64,
    view: Arc<OnceLock<Arc<search::Search>>>,
}

impl Scanner {
    /// A scanner of `log`, which asks the search view first as soon as there is one.
    pub fn new(log: Log, options: Options, view: Arc<OnceLock<Arc<search::Search>>>) -> Self {
        Self {
            view,
            turns: Arc::new(Semaphore::new(options.concurrent_max)),
            log,
            options,
            waiting: AtomicUsize::new(0),
            kept: Kept::default(),
            series: Arc::default(),
            searched: AtomicU64::new(0),
        }
    }

    /// How often the log was looked through for a search. The pages of one search need it once.
    pub fn searched(&self) -> u64 {
        self.searched.load(Ordering::Relaxed)
    }

    /// The search view, where there is one.
    pub fn view(&self) -> Option<Arc<search::Search>> {
        self.view.get().cloned()
    }

    /// Waits until the log has reached `position`.
    ///
    /// # Errors
    /// [`QueryError::Lagging`] where it does not within the wait that the options allow.
    pub async fn reach(&self, position: Position) -> Result<(), QueryError> {
        let Some(below) = position.get().checked_sub(1) else {
            return Ok(());
        };
        let wait = self.options.min_position_wait;
        let reached = tokio::time::timeout(wait, self.log.wait_beyond(Position::new(below))).await;
        reached.map(|_| ()).map_err(|_| QueryError::Lagging {
            wanted: position,
            tail: self.log.tail(),
            waited_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// The page after `token`, or the first, its entries as `write` writes them. Dropping the call ends the scan.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn search(
        &self,
        mut search: Search,
        token: Option<&str>,
        write: Box<Write>,
    ) -> Result<Page, QueryError> {
        search.order.check(&search.filter)?;
        let order = search.order.word();
        let turned = if search.ascending { " ascending" } else { "" };
        let unannotated = if search.unannotated { " unannotated" } else { "" };
        let order = format!("{order}{turned} {}{unannotated}", search.collapse.word());
        let binding = binding(self.log.origin(), search.filter.canonical(), &order);
        let token = token.map(|text| self.check(text, binding)).transpose()?;
        let as_of = self.as_of(search.as_of, token.as_ref())?;
        let key = (binding, as_of, self.log.erasures());
        let widened = self.widened(search.filter, as_of).await?;
        search.filter = widened.filter;
        let found = self.found(key, &search).await?;
        let start = token.map_or(0, |token| found.after(&token));
        let (log, view) = (self.log.clone(), self.view.get().cloned());
        let cut = Cut {
            start,
            size: search.page_size.max(1),
            records_only: search.records_only,
            as_of,
            binding,
            excerpts: search.excerpts.then(|| search.filter.wording()),
            filter: search.filter.clone(),
        };
        let mut page = self
            .blocking(move |cancelled| page(&log, view.as_deref(), &found, &cut, &*write, cancelled))
            .await??;
        page.actors = widened.notes;
        if page.next.is_none() {
            self.kept.release(&key);
        }
        Ok(page)
    }

    /// How many entries match.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn count(
        &self,
        filter: Filter,
        as_of: Position,
        leave_out: Collapse,
    ) -> Result<Counted, QueryError> {
        let (log, view) = (self.log.clone(), self.view.get().cloned());
        let job = move |cancelled: &AtomicBool| {
            let view = view.as_deref();
            let widened = widened(&log, view, &filter, as_of, cancelled)?;
            let filter = of_events(widened.filter);
            let (mut found, erased) = contents(&log, view, &filter, as_of, cancelled)?;
            let likened = match leave_out {
                Collapse::None => likened(&log, view, &found, cancelled)?,
                _ => collapse(&log, view, leave_out, &mut found, cancelled)?,
            };
            Ok(Counted {
                count: found.count(),
                erased,
                likened,
                actors: widened.notes,
            })
        };
        self.blocking(job).await?.map_err(QueryError::Read)
    }

    /// Counts the entries that match by what they have in common, events where the filter names no kind; answers with it what
    /// [`Self::count`] says of them. What is only suggested makes none of them match.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn aggregate(
        &self,
        filter: Filter,
        as_of: Position,
        asked: Asked,
        leave_out: Collapse,
    ) -> Result<(Aggregated, Counted), QueryError> {
        let (log, view) = (self.log.clone(), self.view.get().cloned());
        let filter = filter.without_suggestions();
        let job = move |cancelled: &AtomicBool| {
            let view = view.as_deref();
            let widened = widened(&log, view, &filter, as_of, cancelled)?;
            let filter = of_events(widened.filter);
            let (mut found, erased) = contents(&log, view, &filter, as_of, cancelled)?;
            let (likened, groups) = if leave_out == Collapse::None {
                // What is alike knows nothing of the groups.
                both(
                    || likened(&log, view, &found, cancelled),
                    || aggregate(&log, view, &asked, &found, cancelled),
                )
            } else {
                let likened = collapse(&log, view, leave_out, &mut found, cancelled);
                (likened, aggregate(&log, view, &asked, &found, cancelled))
            };
            let counted = Counted {
                count: found.count(),
                erased,
                likened: likened?,
                actors: widened.notes,
            };
            Ok((groups?, counted))
        };
        self.blocking(job).await?
    }

    /// What comes near to the names that a filter asks for and nobody has, a sentence each; for answers without entries. Nothing where
    /// the view is behind for longer than a moment: what it does not have yet may have the name.
    pub async fn near(&self, filter: Filter) -> Vec<String> {
        let Some(view) = self.view() else {
            return Vec::new();
        };
        let tail = self.log.tail();
        for _ in 0..NEAR_LOOKS {
            if view.through() >= tail {
                break;
            }
            tokio::time::sleep(NEAR_WAIT).await;
        }
        if view.through() < tail {
            return Vec::new();
        }
        let log = self.log.clone();
        let job = move |cancelled: &AtomicBool| {
            let snapshot = view.snapshot();
            view.near(&snapshot, &log, &filter, cancelled)
                .unwrap_or_else(|error| {
                    view.failed(&error, &snapshot);
                    Vec::new()
                })
        };
        // Nobody waits long for a hint.
        self.blocking(job).await.unwrap_or_default()
    }

    /// How a search or count would be answered, and how many records that looks at before anything is known of the others.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn explain(&self, filter: Filter, as_of: Position) -> Result<(Way, u64), QueryError> {
        let Some(view) = self.view.get().cloned() else {
            return Ok((Way::Scan, as_of.get()));
        };
        // The index says what it leaves, and is asked for it on the disk.
        self.blocking(move |_| view.explain(&filter, as_of)).await
    }

    /// The entry whose key is so or, where there is none, begins so. Only the latter is looked for, in its turn; dropping the
    /// call ends that.
    ///
    /// # Errors
    /// [`EntryError`].
    pub async fn whole_key(&self, prefix: Prefix, as_of: Position) -> Result<EntryKey, EntryError> {
        let (log, name) = (self.log.clone(), prefix.clone());
        let exact = tokio::task::spawn_blocking(move || entry::exact(&log, &name, as_of));
        if let Some(entry) = exact.await.map_err(lost)?? {
            return Ok(entry);
        }
        let (log, view) = (self.log.clone(), Arc::clone(&self.view));
        self.blocking(move |cancelled| entry::by_prefix(&log, &view, &prefix, as_of, cancelled))
            .await?
    }

    /// Every series, by name.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn series(&self, as_of: Position) -> Result<BTreeMap<String, SeriesCounts>, QueryError> {
        let (log, counted) = (self.log.clone(), Arc::clone(&self.series));
        self.blocking(move |cancelled| counted.count(&log, as_of, cancelled))
            .await?
            .map_err(QueryError::Read)
    }

    fn check(&self, text: &str, binding: Hash) -> Result<PageToken, QueryError> {
        let token =
            PageToken::decode(text).map_err(|_| QueryError::Token("is not a token that this server made"))?;
        if token.binding != binding {
            return Err(QueryError::Token(
                "belongs to another filter, order, `collapse` or archive",
            ));
        }
        if token.as_of > self.log.tail() {
            return Err(QueryError::Token(
                "speaks of records that this archive does not have",
            ));
        }
        Ok(token)
    }

    /// The point that all pages speak of: a token goes on at its own, and another one beside it is refused.
    fn as_of(&self, said: Option<Position>, token: Option<&PageToken>) -> Result<Position, QueryError> {
        match (said, token) {
            (Some(said), Some(token)) if said != token.as_of => {
                Err(QueryError::Token("speaks of another position than as_of"))
            }
            (_, Some(token)) => Ok(token.as_of),
            (Some(said), None) => Ok(said),
            (None, None) => Ok(self.log.tail()),
        }
    }

    async fn found(&self, key: ResultKey, search: &Search) -> Result<Arc<Found>, QueryError> {
        if let Some(found) = self.kept.get(&key) {
            return Ok(found);
        }
        let (log, view, filter) = (self.log.clone(), self.view.get().cloned(), search.filter.clone());
        let (order, ascending, as_of) = (search.order, search.ascending, key.1);
        let (leave_out, unannotated) = (search.collapse, search.unannotated);
        let filter = if unannotated {
            filter.of_kind(Kind::Document)
        } else {
            filter
        };
        let job = move |cancelled: &AtomicBool| {
            let view = view.as_deref();
            let question = (&filter, as_of, order == Order::Occurred);
            let (mut matches, erased) = all(&log, view, question, cancelled)?;
            if unannotated {
                annotated::leave_out(&log, view, as_of, &mut matches, cancelled)?;
            }
            let mut likened = Likened::default();
            if leave_out != Collapse::None {
                let mut found = view.map_or_else(Contents::default, |view| Contents::of(view.snapshot()));
                matches.iter().for_each(|one| found.insert(one.position));
                found.settle(&log);
                likened = collapse(&log, view, leave_out, &mut found, cancelled)?;
                matches.retain(|one| found.has(one.position));
            }
            let positions = match order {
                Order::Newest | Order::Occurred => in_order(matches, order, ascending),
                Order::Relevance => {
                    let newest_first = in_order(matches, Order::Newest, false);
                    let mut ranked = ranked(&log, view, &filter, as_of, newest_first, cancelled)?;
                    if ascending {
                        ranked.reverse();
                    }
                    ranked
                }
            };
            Ok::<_, ReadError>(Found {
                positions,
                erased,
                likened,
            })
        };
        self.searched.fetch_add(1, Ordering::Relaxed);
        let found = Arc::new(self.blocking(job).await??);
        self.kept
            .keep(key, Arc::clone(&found), self.options.results_bytes);
        Ok(found)
    }

    /// Runs `job` where blocking is allowed, when its turn comes; dropping the call tells the job to end.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    ) -> Result<T, QueryError> {
        let turn = {
            let _waiting = Waiting::enter(&self.waiting, self.options.waiting_max)?;
            Arc::clone(&self.turns).acquire_owned().await
        };
        let cancel = ahead::Cancel::default();
        let cancelled = cancel.flag();
        let work = tokio::task::spawn_blocking(move || {
            // The turn ends with the work, not with the call, so that calls given up do not pile up.
            let _turn = turn;
            job(&cancelled)
        });
        work.await.map_err(|cause| QueryError::Read(lost(cause)))
    }
}

/// The thread that read was lost.
fn lost(cause: tokio::task::JoinError) -> ReadError {
    ReadError::Io {
        what: "the log".to_owned(),
        cause: cause.to_string(),
    }
}

/// Counts are of events, unless a kind is named.
fn of_events(filter: Filter) -> Filter {
    if filter.names_kind() {
        filter
    } else {
        filter.of_kind(Kind::Event)
    }
}

/// A content met by a scan.
pub(super) struct Hit<'a, 'b> {
    pub record: &'b Stored<'a>,
    leaf: Leaf<'a>,
    /// What the acts of its entry say of it, erased or not.
    by_acts: Status,
}

impl Hit<'_, '_> {
    pub fn matches(&self, filter: &Filter, admitted: Admitted) -> bool {
        let (payload, _) = own_content(self.record);
        let status = admitted.status(self.by_acts, self.record.erased);
        status.is_some_and(|status| matches(filter, self.record.position, &self.leaf, payload, status))
    }

    /// Whether it is erased, and an answer lacks it for that.
    pub fn is_lacking(&self, filter: &Filter, admitted: Admitted) -> bool {
        self.record.erased && admitted.lacks(filter, self.record.position, &self.leaf, self.by_acts)
    }
}

/// What a scan knows of an entry whose newer records it has met.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    /// Its newest content has been met.
    Judged,
    /// Only acts were met; what they say of its retraction, if anything.
    Acts { retracted: Option<bool> },
}

/// Every entry's newest content that passes a filter, as of a position and, where that is wanted, with its day; in no order, by
/// the search view where it can say. And how many the answer lacks since they are erased.
pub(super) fn all(
    log: &Log,
    view: Option<&search::Search>,
    (filter, as_of, dated): (&Filter, Position, bool),
    cancelled: &AtomicBool,
) -> Result<(Vec<Match>, u64), ReadError> {
    if let Some(view) = view {
        match view.find(log, filter, as_of, dated, cancelled) {
            Ok(found) => return Ok(found),
            Err(Unanswered::Read(error)) => return Err(error),
            Err(Unanswered::Index(_) | Unanswered::Useless) => {}
        }
    }
    let mut found = Vec::new();
    let erased = each_match(log, (filter, as_of, dated), cancelled, |one| found.push(one))?;
    Ok((found, erased))
}

/// The same for a count.
pub(super) fn contents(
    log: &Log,
    view: Option<&search::Search>,
    filter: &Filter,
    as_of: Position,
    cancelled: &AtomicBool,
) -> Result<(Contents, u64), ReadError> {
    let by_view = view.map(|view| view.contents(log, filter, as_of, cancelled));
    let (mut found, erased) = match by_view {
        Some(Ok(found)) => found,
        Some(Err(Unanswered::Read(error))) => return Err(error),
        Some(Err(Unanswered::Index(_) | Unanswered::Useless)) | None => {
            let mut found = view.map_or_else(Contents::default, |view| Contents::of(view.snapshot()));
            let question = (filter, as_of, false);
            let erased = each_match(log, question, cancelled, |one| found.insert(one.position))?;
            (found, erased)
        }
    };
    found.settle(log);
    Ok((found, erased))
}

/// Looks at every record.
fn each_match(
    log: &Log,
    (filter, as_of, dated): (&Filter, Position, bool),
    cancelled: &AtomicBool,
    mut take: impl FnMut(Match),
) -> Result<u64, ReadError> {
    let (columns, admitted) = (columns(filter, dated), Admitted::by(filter));
    let mut erased = 0;
    walk(log, Position::START..as_of, columns, cancelled, |hit| {
        erased += u64::from(hit.is_lacking(filter, admitted));
        if hit.matches(filter, admitted) {
            let day = dated.then(|| earliest_day(hit.record.payload)).flatten();
            let position = hit.record.position;
            take(Match { position, day });
        }
    })?;
    Ok(erased)
}

/// The positions of the answer in its order, or in the one from which it is ranked.
fn in_order(mut matches: Vec<Match>, order: Order, ascending: bool) -> Vec<u64> {
    let turned = |order: std::cmp::Ordering| if ascending { order } else { order.reverse() };
    match order {
        Order::Newest | Order::Relevance => {
            matches.sort_unstable_by(|a, b| turned(a.position.cmp(&b.position)))
        }
        Order::Occurred => matches.sort_unstable_by(|a, b| {
            let order = turned((a.day, a.position).cmp(&(b.day, b.position)));
            a.day.is_none().cmp(&b.day.is_none()).then(order)
        }),
    }
    matches.into_iter().map(|one| one.position.get()).collect()
}

/// Meets every content within a range. Answers what the records there say of records below them, by the position of these.
pub(super) fn walk(
    log: &Log,
    range: Range<Position>,
    columns: Columns,
    cancelled: &AtomicBool,
    mut meet: impl FnMut(&Hit<'_, '_>),
) -> Result<HashMap<u64, Known>, ReadError> {
    let mut known: HashMap<u64, Known> = HashMap::new();
    let (mut end, mut window) = (range.end, WINDOW_RECORDS);
    while end > range.start && !cancelled.load(Ordering::Relaxed) {
        let start = Position::new(end.get().saturating_sub(window)).max(range.start);
        let (got, runs) = whole_window(log, start, end, columns, WINDOW_BYTES)?;
        window = if got > start {
            end.since(got)
        } else {
            (window * 2).min(WINDOW_RECORDS)
        };
        for record in runs.iter().rev().flat_map(|run| run.iter().rev()) {
            let leaf = decode(&record)?;
            let (next, by_acts) = step(known.remove(&record.position.get()), leaf.act);
            if let Some(previous) = leaf.previous {
                known.insert(previous.get(), next);
            }
            if let Some(by_acts) = by_acts {
                meet(&Hit {
                    record: &record,
                    leaf,
                    by_acts,
                });
            }
        }
        end = got;
    }
    Ok(known)
}

/// What is known after one more, older record of an entry; and its status by the acts of the entry, where it has content.
fn step(known: Option<Known>, act: Act) -> (Known, Option<Status>) {
    let retracted = match known {
        Some(Known::Judged) => return (Known::Judged, act.has_content().then_some(Status::Superseded)),
        Some(Known::Acts { retracted }) => retracted,
        None => None,
    };
    match act {
        Act::Create | Act::Amend => {
            let status = match retracted {
                Some(true) => Status::Retracted,
                Some(false) | None => Status::Current,
            };
            (Known::Judged, Some(status))
        }
        Act::Retract => (acts(retracted.or(Some(true))), None),
        Act::Reinstate => (acts(retracted.or(Some(false))), None),
        Act::Link | Act::Unlink | Act::Erase | Act::Hold | Act::Release | Act::Epoch | Act::Audit => {
            (acts(retracted), None)
        }
    }
}

fn acts(retracted: Option<bool>) -> Known {
    Known::Acts { retracted }
}

fn columns(filter: &Filter, dated: bool) -> Columns {
    if dated || filter.needs_content() {
        Columns::All
    } else {
        Columns::Leaves
    }
}

/// The earliest day on which what the payload tells may have occurred.
pub(super) fn earliest_day(payload: &[u8]) -> Option<i32> {
    let content = codec::decode_content(payload).ok().flatten()?;
    let occurred = content
        .dates
        .iter()
        .filter(|date| date.role() == DateRole::Occurred);
    let days = occurred.filter_map(|date| DaySpan::of(&date.edtf).ok().and_then(|span| span.earliest));
    days.min()
}

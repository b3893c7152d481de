//! Records in order, filtered, cut into selections of about one message.
//!
//! Reads and the catch-up of subscriptions both go through [`Reader`]. It holds at most one read of the log at a time
//! and says of every selection what it looked at, so that whoever follows can prove that nothing was skipped. Where the search
//! view names the records that may match, only these are looked at ([`indexed`]), and the others are known not to.

mod indexed;

pub use indexed::Viewed;

use super::ahead::{Cancel, MESSAGE_BYTES_MAX, Readers, Source};
use super::matching::{self, Matcher, Mode};
use super::selection::{Change, Picked, Selection};
use crate::log::{Columns, Log, ReadError, ReadLimit, Run, Stored};
use crate::record::Position;
use indexed::Index;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Records looked at before a selection is answered although nothing was picked.
pub const SCANNED_MAX: u64 = 65_536;
/// How long one step looks for matches before it says how far it has looked: others may be waiting for their turn.
const STEP_TIME: Duration = Duration::from_millis(100);
/// How many records are judged between two looks at the clock and at whether anybody still waits.
const LOOK_EVERY: u64 = 64;
/// Where a selection ends if it can once it has three quarters of its bytes: the root of the tree is at hand at multiples
/// of this.
const ALIGN: u64 = 256;
/// Records that one read of the log asks for.
const READ_RECORDS: usize = 16_384;
/// Bytes that one read of the log asks for.
const READ_BYTES: usize = 1024 * 1024;
/// The bytes that a record costs besides leaf and payload, in any encoding.
const OVERHEAD_BYTES: usize = 32;

/// Which records, in which order.
#[derive(Clone, Debug)]
pub enum Plan {
    /// `from..until`, oldest first.
    Forward {
        /// The first position.
        from: Position,
        /// The first position not read.
        until: Position,
    },
    /// `until..from`, newest first.
    Backward {
        /// The first position not read, above all that are.
        from: Position,
        /// The lowest position.
        until: Position,
    },
    /// These, ascending.
    Positions(Vec<Position>),
}

/// Reads what a plan names.
pub struct Reader {
    log: Log,
    matcher: Matcher,
    columns: Columns,
    /// How often the payload is sent: twice where the exact bytes are asked for too.
    weight: usize,
    plan: Plan,
    left: u64,
    pending: VecDeque<Run>,
    window: u64,
    cancelled: Arc<AtomicBool>,
    readers: Arc<Readers>,
    index: Option<Index>,
}

impl Reader {
    /// A reader of at most `limit` records that match.
    ///
    /// `columns` are those to be sent; leaves are read besides where the matcher needs them. `weight` says how often
    /// a payload is sent with a record.
    pub fn new(
        log: Log,
        matcher: Matcher,
        columns: Columns,
        weight: usize,
        plan: Plan,
        limit: Option<u64>,
    ) -> Self {
        Self {
            columns: columns_for(&matcher, columns),
            log,
            matcher,
            weight: weight.max(1),
            plan,
            left: limit.unwrap_or(u64::MAX),
            pending: VecDeque::new(),
            window: 256,
            cancelled: Arc::default(),
            readers: Arc::default(),
            index: None,
        }
    }

    /// Has the search view name the records to be looked at, where a forward plan has a filter that it can narrow down.
    #[must_use]
    pub fn by(self, view: &Viewed) -> Self {
        Self {
            index: (!self.picks_all()).then(|| Index::new(view)),
            ..self
        }
    }

    /// Shares what it reads with others while they are many.
    #[must_use]
    pub fn among(self, readers: &Arc<Readers>) -> Self {
        Self {
            readers: Arc::clone(readers),
            ..self
        }
    }

    /// The next position to be looked at by a forward plan.
    pub fn next_position(&self) -> Position {
        match &self.plan {
            Plan::Forward { from, .. } | Plan::Backward { from, .. } => *from,
            Plan::Positions(positions) => positions.first().copied().unwrap_or_default(),
        }
    }

    fn forward(
        &mut self,
        from: Position,
        until: Position,
        bytes: usize,
    ) -> Result<Option<Selection>, ReadError> {
        if from >= until || self.left == 0 {
            return Ok(None);
        }
        if let Some(selection) = self.indexed(from, until, bytes)? {
            return Ok(Some(selection));
        }
        let mut gather = Gather::new(self.picks_all(), self.weight, bytes);
        gather.cancelled = Arc::clone(&self.cancelled);
        let mut next = from;
        while next < until && !gather.is_full(self.left) && !self.cancelled.load(Ordering::Relaxed) {
            let run = self.next_run(next, until, bytes)?;
            let end = gather.take(&run, self.left, &self.matcher)?;
            if end < run.end() {
                self.pending.push_front(run.slice(end, run.end()));
            }
            next = end;
        }
        self.left -= gather.count;
        self.plan = Plan::Forward { from: next, until };
        if is_one_of_many(bytes) {
            self.pending.clear();
        }
        Ok(Some(gather.finish(from, next)))
    }

    fn next_run(&mut self, from: Position, until: Position, bytes: usize) -> Result<Run, ReadError> {
        loop {
            match self.pending.pop_front() {
                Some(run) if run.is_empty() || run.end() <= from => {}
                Some(run) => return Ok(self.log.masked(run.slice(from, until))),
                None => self.pending = self.read_on(from, until, is_one_of_many(bytes))?,
            }
        }
    }

    fn read_on(&self, from: Position, until: Position, many: bool) -> Result<VecDeque<Run>, ReadError> {
        let erasures = self.log.erasures();
        if many && let Some(run) = self.readers.shared(from, self.columns, erasures) {
            return Ok(VecDeque::from([run]));
        }
        let limit = ReadLimit {
            records: READ_RECORDS,
            bytes: READ_BYTES,
        };
        let runs: VecDeque<Run> = self.log.read(from, until, limit, self.columns)?.into();
        if runs.iter().all(Run::is_empty) {
            return Err(empty_read(from));
        }
        if many {
            self.readers.share(self.columns, &runs, erasures);
        }
        Ok(runs)
    }

    fn backward(
        &mut self,
        from: Position,
        until: Position,
        bytes_max: usize,
    ) -> Result<Option<Selection>, ReadError> {
        if from <= until || self.left == 0 {
            return Ok(None);
        }
        let start = Position::new(from.get().saturating_sub(self.window)).max(until);
        let (start, runs) = whole_window(&self.log, start, from, self.columns, READ_BYTES)?;
        self.window = if from.since(start) < self.window {
            from.since(start).max(1)
        } else {
            (self.window * 2).min(4_096)
        };
        let mut picked = Vec::new();
        let (mut lowest, mut bytes) = (from, 0);
        for record in runs.iter().rev().flat_map(|run| run.iter().rev()) {
            if picked.len() as u64 >= self.left || bytes >= bytes_max {
                break;
            }
            if let Some(change) = self.judge(&record)? {
                bytes += weigh(&record, self.weight);
                picked.push((record.position, change));
            }
            lowest = record.position;
        }
        self.left -= picked.len() as u64;
        self.plan = Plan::Backward { from: lowest, until };
        Ok(Some(Selection {
            runs,
            picked: Picked::Some(picked),
            backward: true,
            first: from,
            through: lowest,
        }))
    }

    fn positions(&mut self, positions: Vec<Position>, bytes: usize) -> Result<Option<Selection>, ReadError> {
        let (Some(first), true) = (positions.first().copied(), self.left > 0) else {
            return Ok(None);
        };
        let mut gather = Gather::new(self.picks_all(), self.weight, bytes);
        gather.cancelled = Arc::clone(&self.cancelled);
        let mut through = first;
        let mut done = 0;
        while let Some(position) = positions.get(done..=done)
            && !gather.is_full(self.left)
        {
            for run in self.log.fetch(position, self.columns)? {
                through = gather.take(&run, self.left, &self.matcher)?;
            }
            if through <= position[0] {
                break; // It is late: the record has its turn in the next step.
            }
            done += 1;
        }
        self.left -= gather.count;
        self.plan = Plan::Positions(positions.get(done..).unwrap_or_default().to_vec());
        Ok(Some(gather.finish(first, through)))
    }

    fn picks_all(&self) -> bool {
        self.matcher.filter().is_all()
    }

    fn judge(&self, record: &Stored<'_>) -> Result<Option<Change>, ReadError> {
        if self.picks_all() {
            return self.matcher.judge_in_everything(record).map(Some);
        }
        self.matcher.judge(record)
    }
}

impl Source for Reader {
    type Item = Selection;

    fn cancel(&mut self) -> Cancel {
        let cancel = Cancel::default();
        self.cancelled = cancel.flag();
        cancel
    }

    fn step(&mut self, bytes: usize) -> Result<Option<Selection>, ReadError> {
        match std::mem::replace(&mut self.plan, Plan::Positions(Vec::new())) {
            Plan::Forward { from, until } => self.forward(from, until, bytes),
            Plan::Backward { from, until } => self.backward(from, until, bytes),
            Plan::Positions(positions) => self.positions(positions, bytes),
        }
    }
}

/// What the records of a commit group are to one filter; only those at `which` are judged, ascending, where that is said.
///
/// # Errors
/// As [`Matcher::judge`].
pub fn select(run: &Run, matcher: &Matcher, which: Option<&[Position]>) -> Result<Selection, ReadError> {
    let mut gather = Gather::new(matcher.filter().is_all(), 1, usize::MAX);
    match which {
        _ if gather.all && matcher.mode() == Mode::Records => {}
        _ if gather.all => {
            for record in run.iter() {
                gather.changes.push(matcher.judge_in_everything(&record)?);
            }
        }
        Some(which) => {
            for record in which.iter().filter_map(|at| run.get(*at)) {
                gather.judge(&record, matcher)?;
            }
        }
        None => {
            for record in run.iter() {
                gather.judge(&record, matcher)?;
            }
        }
    }
    gather.runs.push(run.clone());
    gather.mode = matcher.mode();
    Ok(gather.finish(run.first(), run.end()))
}

/// Whether the records that are judged of a run are so few, and so plainly by themselves, that nothing is waited for.
pub fn is_quick(run: &Run, matcher: &Matcher, which: Option<&[Position]>) -> bool {
    const FEW: usize = 16;
    let is_first = |record: Stored<'_>| {
        let leaf = matching::decode(&record);
        leaf.is_ok_and(|leaf| {
            leaf.previous.is_none() && (leaf.act.has_content() || matcher.filter().is_all())
        })
    };
    match which {
        // Whoever follows everything needs no content judged, however many there are.
        _ if matcher.filter().is_all() => matcher.mode() == Mode::Records || run.iter().all(is_first),
        Some(which) => which.len() <= FEW && which.iter().filter_map(|at| run.get(*at)).all(is_first),
        None => run.len() <= FEW && run.iter().all(is_first),
    }
}

/// A selection in the making.
struct Gather {
    runs: Vec<Run>,
    all: bool,
    /// Of all, where changes are followed.
    changes: Vec<Change>,
    mode: Mode,
    picked: Vec<(Position, Change)>,
    weight: usize,
    bytes: usize,
    bytes_max: usize,
    count: u64,
    scanned: u64,
    at: Position,
    began: Instant,
    cancelled: Arc<AtomicBool>,
}

impl Gather {
    fn new(all: bool, weight: usize, bytes_max: usize) -> Self {
        Self {
            runs: Vec::new(),
            all,
            changes: Vec::new(),
            mode: Mode::Records,
            picked: Vec::new(),
            weight,
            bytes: 0,
            bytes_max,
            count: 0,
            scanned: 0,
            at: Position::START,
            began: Instant::now(),
            cancelled: Arc::default(),
        }
    }

    /// Whether the selection ends here; also where it has taken its time, or nobody waits for it any more.
    fn is_full(&self, left: u64) -> bool {
        let aligned = self.bytes >= self.bytes_max / 4 * 3 && self.at.get().is_multiple_of(ALIGN);
        let full = self.bytes >= self.bytes_max || aligned;
        self.count >= left || self.scanned >= SCANNED_MAX || full || self.is_late()
    }

    fn is_late(&self) -> bool {
        let judges = !self.all || self.mode == Mode::Changes;
        judges
            && self.scanned % LOOK_EVERY == LOOK_EVERY - 1
            && (self.began.elapsed() >= STEP_TIME || self.cancelled.load(Ordering::Relaxed))
    }

    /// Takes records of the run until the selection is full; answers the position after the last one looked at.
    fn take(&mut self, run: &Run, left: u64, matcher: &Matcher) -> Result<Position, ReadError> {
        self.mode = matcher.mode();
        self.at = run.first();
        let before = self.count;
        if self.all {
            self.take_all(run, left, matcher)?;
        } else {
            for record in run.iter() {
                if self.scanned > 0 && self.is_full(left) {
                    break;
                }
                self.judge(&record, matcher)?;
            }
        }
        if self.count > before {
            self.runs.push(run.slice(run.first(), self.at));
        }
        Ok(self.at)
    }

    /// Takes a run of one record that was judged; answers the position after it.
    fn take_judged(&mut self, run: Run, judged: Option<Change>) -> Position {
        if let Some(record) = run.get(run.first()) {
            self.add(&record, judged);
        }
        self.at = run.end();
        if judged.is_some() {
            self.runs.push(run);
        }
        self.at
    }

    /// Without a filter no record has to be looked at, but for the change that it is.
    fn take_all(&mut self, run: &Run, left: u64, matcher: &Matcher) -> Result<(), ReadError> {
        for bytes in run.weights() {
            if self.scanned > 0 && self.is_full(left) {
                break;
            }
            if self.mode == Mode::Changes
                && let Some(record) = run.get(self.at)
            {
                self.changes.push(matcher.judge_in_everything(&record)?);
            }
            self.count += 1;
            self.scanned += 1;
            self.bytes += bytes * self.weight + OVERHEAD_BYTES;
            self.at = self.at.next();
        }
        Ok(())
    }

    fn judge(&mut self, record: &Stored<'_>, matcher: &Matcher) -> Result<(), ReadError> {
        self.add(record, matcher.judge(record)?);
        Ok(())
    }

    /// Adds a record that was judged.
    fn add(&mut self, record: &Stored<'_>, judged: Option<Change>) {
        if let Some(change) = judged {
            self.count += 1;
            self.bytes += weigh(record, self.weight);
            self.picked.push((record.position, change));
        }
        self.scanned += 1;
        self.at = record.position.next();
    }

    fn finish(self, first: Position, through: Position) -> Selection {
        let picked = match (self.all, self.mode) {
            (true, Mode::Records) => Picked::All,
            (true, Mode::Changes) => Picked::AllChanges(self.changes),
            (false, _) => Picked::Some(self.picked),
        };
        Selection {
            runs: self.runs,
            picked,
            backward: false,
            first,
            through,
        }
    }
}

/// The whole of a window that ends at `end`: it begins at `start` or, where `bytes` do not reach so far down, higher.
///
/// # Errors
/// As [`Log::read`].
pub fn whole_window(
    log: &Log,
    start: Position,
    end: Position,
    columns: Columns,
    bytes: usize,
) -> Result<(Position, Vec<Run>), ReadError> {
    let mut start = start;
    loop {
        let limit = ReadLimit {
            records: READ_RECORDS,
            bytes,
        };
        let runs = log.read(start, end, limit, columns)?;
        let through = runs.last().map_or(start, Run::end);
        if through >= end {
            return Ok((start, runs));
        }
        if through <= start {
            return Err(empty_read(start));
        }
        // Forward reads stop at their bytes before the end: what is nearest to the end is wanted first.
        start = start.plus(end.since(start).div_ceil(2)).max(through.min(end));
    }
}

/// Whether there are so many readers that messages are small. What was read beyond a message is then kept once for all of
/// them and not by each.
fn is_one_of_many(bytes: usize) -> bool {
    bytes < MESSAGE_BYTES_MAX
}

fn empty_read(position: Position) -> ReadError {
    ReadError::Damaged {
        position,
        expected: "at least one record".to_owned(),
        found: "none".to_owned(),
    }
}

fn weigh(record: &Stored<'_>, weight: usize) -> usize {
    (record.leaf.len() + record.payload.len()) * weight + OVERHEAD_BYTES
}

fn columns_for(matcher: &Matcher, wanted: Columns) -> Columns {
    let filter = matcher.filter();
    let leaves = !filter.is_all() || matcher.mode() == Mode::Changes;
    match wanted {
        Columns::Payloads if leaves => Columns::Unsalted,
        Columns::Leaves if filter.needs_content() => Columns::Unsalted,
        wanted => wanted,
    }
}

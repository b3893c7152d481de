//! What a start does with the journal before the tail is published.
//!
//! It reads every frame, tells the log what is there, and settles the end:
//!
//! - Frames that no "durable through" covers may exist only in the page cache, above all after a sync that failed. They
//!   are written again to the spare segment and synced, which then takes its place in the row.
//! - Damage below "durable through" is filled from another place that holds the records, or else it is a loss: the
//!   archive is then read-only, because appending would fork it.
//! - Damage behind it is cut, and reported as possibly acknowledged.
//!
//! A segment is filled with zeros to its full length before it is used, and cut to its frames only once another one
//! follows. So a newest segment that is shorter than it was made was never left by a crash: somebody cut it, or took
//! away the segment after it. What is missing then cannot be known, and that is a loss.
//!
//! No frame that was read is changed or removed here. All that goes is zeros: a segment that was only half filled, and
//! what lies behind the frames of a segment that another one follows.

mod segments;
mod settle;

use super::disk::{Disk, DiskFile, zeros_from};
use super::extents::{Extent, Extents};
use super::frame::Frame;
use super::journal::{JournalWriter, Spent};
use super::scan::{Chain, Found, Scan};
use super::segment::{FRAMES_AT, Filling, Named, SegmentHeader};
use crate::log::Closed;
use crate::log::Run;
use crate::log::store::Replay;
use crate::record::{Leaf, Position};
pub use segments::archive;
pub(super) use segments::{Segment, find, limit as frames_before, read_header};
pub(super) use settle::random_id;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the journal is laid out.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The folder.
    pub folder: PathBuf,
    /// The bytes of a segment, 64 KiB to 1 GiB; 32 MiB where not said.
    pub segment_bytes: u64,
    /// Appends are refused while fewer bytes are free.
    pub reserve_bytes: u64,
    /// The archive's random id, which [`archive`] finds in a journal that has segments.
    pub archive: u64,
}

/// The journal as a start left it.
pub struct Recovered {
    /// Where records are read.
    pub extents: Arc<Extents>,
    /// Where they are written; `None` where appends must be refused.
    pub writer: Option<JournalWriter>,
    /// Why appends are refused.
    pub closed: Option<Closed>,
    /// The first unwritten position.
    pub tail: Position,
    /// Ranges that were cut although they may have been acknowledged; an empty range where the number is not known.
    pub cut: Vec<(Position, Position)>,
    /// Ranges that were durable and are lost; an empty range where it is not known how many.
    pub lost: Vec<(Position, Position)>,
    /// Files among the segments that are none of this archive's. They are left alone.
    pub aside: Vec<String>,
}

/// The journal could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("opening the journal in `{folder}` failed at {what}: {cause}")]
pub struct OpenError {
    /// The folder.
    pub folder: PathBuf,
    /// What was being done.
    pub what: String,
    /// What the system said.
    pub cause: io::Error,
}

/// Reads the journal and settles its end.
///
/// # Errors
/// [`OpenError`] where a file cannot be read or made; damage is no error but part of the answer.
pub fn recover(
    disk: &Arc<dyn Disk>,
    options: &JournalOptions,
    replay: &mut dyn Replay,
) -> Result<Recovered, OpenError> {
    let wrap = |what: &str, cause: io::Error| OpenError {
        folder: options.folder.clone(),
        what: what.into(),
        cause,
    };
    // What a stop or a crash left of a segment half filled is worth nothing, and a full disk needs its room.
    Filling::abandon(disk.as_ref(), &options.folder);
    let found = find(disk.as_ref(), &options.folder, options.archive)
        .map_err(|cause| wrap("listing the segments", cause))?;
    let mut walk = Walk::new(disk.as_ref(), &options.folder, replay);
    for (at, segment) in found.segments.iter().enumerate() {
        let limit = frames_before(&found.segments, at);
        walk.segment(segment, limit)
            .map_err(|cause| wrap(&segment.name, cause))?;
    }
    walk.numbers = found.next_number;
    walk.aside = found.aside;
    walk.settle(disk, options)
        .map_err(|cause| wrap("writing the recovered frames", cause))
}

/// Where an appendable end lies.
struct End {
    file: Arc<dyn DiskFile>,
    extent: Arc<Extent>,
    header: SegmentHeader,
    offset: u64,
    /// Whether the segment can take more frames.
    clean: bool,
}

/// A frame that no "durable through" covers yet.
struct Uncovered {
    run: Run,
    sequence: u64,
    previous_crc: u32,
    offset: u64,
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    replay: &'a mut dyn Replay,
    extents: Arc<Extents>,
    chain: Chain,
    numbers: u64,
    bytes: u64,
    end: Option<End>,
    uncovered: Vec<Uncovered>,
    /// Segments that other ones follow.
    trims: Vec<Spent>,
    cut: Vec<(Position, Position)>,
    lost: Vec<(Position, Position)>,
    /// What the first loss is.
    damage: Option<Closed>,
    aside: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(disk: &'a dyn Disk, folder: &'a Path, replay: &'a mut dyn Replay) -> Self {
        Self {
            disk,
            folder,
            replay,
            extents: Arc::default(),
            chain: Chain::default(),
            numbers: 0,
            bytes: 0,
            end: None,
            uncovered: Vec::new(),
            trims: Vec::new(),
            cut: Vec::new(),
            lost: Vec::new(),
            damage: None,
            aside: Vec::new(),
        }
    }

    /// Reads one segment. `limit` is the number of the first frame that later segments hold; `None` for the last one.
    fn segment(&mut self, segment: &Segment, limit: Option<u64>) -> io::Result<()> {
        let Some(header) = segment.header else {
            return self.without_header(segment, limit);
        };
        if limit.is_some_and(|limit| limit <= header.first_sequence) {
            // Whatever it held was written again to a later one.
            self.trims.push(Spent {
                file: Arc::clone(&segment.file),
                frames_end: FRAMES_AT,
            });
            return Ok(());
        }
        if header.first > self.chain.position || header.first_sequence > self.chain.sequence {
            // A segment before this one is gone, or ends too early.
            self.hole(self.chain.position, header.first)?;
            self.chain.sequence = header.first_sequence;
            self.chain.crc = header.previous_crc;
        }
        let links = header.first == self.chain.position
            && header.first_sequence == self.chain.sequence
            && header.previous_crc == self.chain.crc;
        if !links {
            let what = format!("segment `{}` does not continue the one before it", segment.name);
            self.lose(self.chain.position, self.chain.position, &what);
            return Ok(());
        }
        let durable = self.chain.durable.max(header.recovered_through);
        self.chain.durable = durable;
        self.uncovered.retain(|one| one.run.end() > durable);
        self.frames(segment, header, limit)
    }

    /// A last segment without header or frame holds nothing that was ever acknowledged, unless it holds bytes. The first
    /// one got its name only after its header was synced.
    fn without_header(&mut self, segment: &Segment, limit: Option<u64>) -> io::Result<()> {
        if segment.number == 0 && limit.is_none() {
            self.lose(
                Position::START,
                Position::START,
                "the first segment has neither header nor frame",
            );
            return Ok(());
        }
        // Where others follow, the gap shows when the next one does not link.
        if limit.is_none() && zeros_from(segment.file.as_ref(), 0)? > 0 {
            self.end = None;
            self.torn(None, false)?;
        }
        Ok(())
    }

    fn frames(&mut self, segment: &Segment, header: SegmentHeader, limit: Option<u64>) -> io::Result<()> {
        let file = &segment.file;
        let mut scan = Scan::new(file.as_ref(), header, limit, self.chain);
        let mut extent = self.extent(file, header.id, self.chain.position, FRAMES_AT);
        while let Some(found) = scan.step()? {
            match found {
                Found::Frame(offset, frame) => {
                    self.frame(offset, &frame, &extent);
                    self.chain = scan.chain();
                }
                Found::Hole {
                    from, resumes, at, ..
                } => {
                    self.hole(from, resumes)?;
                    self.chain = scan.chain();
                    extent = self.extent(file, header.id, resumes, at);
                }
                Found::End { offset, whole } => {
                    // Zeros are a clean end only where nothing says that records lay behind them.
                    let missing = limit.is_none() && self.chain.position < self.chain.durable;
                    let clean = limit.is_none() && whole && !missing;
                    self.ends(segment, header, &extent, offset, clean, limit);
                    if missing {
                        self.torn(None, false)?;
                    }
                }
                Found::Torn {
                    offset,
                    until,
                    short,
                    error,
                } => {
                    self.ends(segment, header, &extent, offset, false, limit);
                    if limit.is_none() {
                        tracing::warn!(segment = segment.name, offset, %error, "the journal ends in damage");
                        self.torn(until, short)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn ends(
        &mut self,
        segment: &Segment,
        header: SegmentHeader,
        extent: &Arc<Extent>,
        offset: u64,
        clean: bool,
        limit: Option<u64>,
    ) {
        if limit.is_some() {
            self.trims.push(Spent {
                file: Arc::clone(&segment.file),
                frames_end: offset,
            });
        }
        self.end = Some(End {
            file: Arc::clone(&segment.file),
            extent: Arc::clone(extent),
            header,
            offset,
            clean,
        });
    }

    fn extent(&mut self, file: &Arc<dyn DiskFile>, id: u64, first: Position, offset: u64) -> Arc<Extent> {
        let extent = Extent::new(Arc::clone(file), id, first, offset);
        self.extents.push(Arc::clone(&extent));
        extent
    }

    fn frame(&mut self, offset: u64, frame: &Frame, extent: &Extent) {
        extent.grow(frame.header.end(), frame.header.length.into());
        self.bytes += u64::from(frame.header.length);
        let covered = frame.header.durable_through.max(self.chain.durable);
        self.uncovered.retain(|one| one.run.end() > covered);
        if frame.run.end() > covered && !frame.run.is_empty() {
            self.uncovered.push(Uncovered {
                run: frame.run.clone(),
                sequence: frame.header.sequence,
                previous_crc: frame.header.previous_crc,
                offset,
            });
        }
        if !frame.run.is_empty() {
            self.replay.run(&frame.run);
        }
    }

    /// Records between two that are there: they were durable, since a later frame follows.
    fn hole(&mut self, from: Position, until: Position) -> io::Result<()> {
        self.uncovered.clear();
        let mut at = from;
        if at < until {
            at = self.filled(at, Some(until))?;
        }
        if at < until {
            self.lose(
                at,
                until,
                "durable records are damaged and no other copy holds them",
            );
        }
        self.chain.position = until;
        self.chain.durable = self.chain.durable.max(until);
        Ok(())
    }

    /// Takes note of a loss; an empty range where it is not known how many records it took.
    fn lose(&mut self, from: Position, until: Position, what: &str) {
        tracing::error!(%from, %until, what, "records are lost; the archive is read-only");
        self.lost.push((from, until));
        self.damage.get_or_insert_with(|| Closed::Damaged {
            what: what.into(),
            position: from,
        });
        if from < until {
            self.replay.lost(from, until);
        }
    }

    /// Fills a hole from the repairs of earlier starts and from other copies; answers the position after what is there.
    fn filled(&mut self, from: Position, until: Option<Position>) -> io::Result<Position> {
        let mut at = from;
        loop {
            let next = self.repaired(at)?;
            if next == at || until.is_some_and(|until| next >= until) {
                at = next;
                break;
            }
            at = next;
        }
        if until.is_some_and(|until| at >= until) {
            return Ok(at);
        }
        let rescued = self.replay.rescue(at, until);
        self.repair(at, until.unwrap_or(Position::new(u64::MAX)), &rescued.runs)
    }

    /// Reads the repair that an earlier start made of a hole; answers the position after it.
    fn repaired(&mut self, from: Position) -> io::Result<Position> {
        let path = self.folder.join(Named::Repair(from).file());
        let file = match self.disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(from),
            Err(error) => return Err(error),
        };
        let (Some(header), true) = read_header(file.as_ref())? else {
            return Ok(from);
        };
        let start = Chain {
            sequence: header.first_sequence,
            crc: header.previous_crc,
            position: from,
            durable: from,
        };
        let extent = self.extent(&file, header.id, from, FRAMES_AT);
        let mut scan = Scan::new(file.as_ref(), header, None, start);
        let mut end = from;
        while let Some(Found::Frame(_, frame)) = scan.step()? {
            extent.grow(frame.header.end(), frame.header.length.into());
            self.replay.run(&frame.run);
            end = frame.header.end();
        }
        Ok(end)
    }

    /// The frames end in bytes that are none. Says what is known of the records that may have lain there.
    fn torn(&mut self, until: Option<Position>, short: bool) -> io::Result<()> {
        let from = self.chain.position;
        let other = self.replay.rescue(from, None);
        let runs = by_batch(&contiguous(from, Position::new(u64::MAX), &other.runs));
        let rescued = runs.last().map_or(from, Run::end);
        // What another place holds was acknowledged, and with it all before it and the whole of its last batch.
        let known = other.through.max(runs.last().map_or(from, batch_end));
        self.chain.durable = self.chain.durable.max(known);
        if short || rescued < self.chain.durable || self.damage.is_some() {
            return self.torn_for_good(until, short);
        }
        for run in runs {
            self.replay.run(&run);
            self.chain.position = run.end();
            self.uncovered.push(Uncovered {
                run,
                sequence: self.chain.sequence,
                previous_crc: self.chain.crc,
                offset: self.end.as_ref().map_or(FRAMES_AT, |end| end.offset),
            });
            self.chain.sequence += 1;
        }
        if until.is_none_or(|until| rescued < until) {
            self.cut.push((rescued, until.unwrap_or(rescued)));
        }
        Ok(())
    }

    /// The end is damaged in a way that no crash explains, or records that were durable lay there.
    fn torn_for_good(&mut self, until: Option<Position>, short: bool) -> io::Result<()> {
        let at = self.filled(self.chain.position, None)?;
        self.chain.position = at;
        if at < self.chain.durable {
            let what = "durable records are damaged and no other copy holds them";
            self.lose(at, self.chain.durable, what);
            self.chain.position = self.chain.durable;
        } else if short {
            let what = "the journal's newest segment is shorter than it was made: it was cut, or the segment after \
                        it is gone";
            self.lose(at, at, what);
        }
        let end = self.chain.position;
        if until.is_none_or(|until| end < until) {
            self.cut.push((end, until.unwrap_or(end)));
        }
        Ok(())
    }
}

/// The same records, a run for each batch: what sled holds is cut by bytes, and a frame of the journal holds whole batches.
fn by_batch(runs: &[Run]) -> Vec<Run> {
    let (mut joined, mut batch) = (Vec::new(), Vec::new());
    for run in runs {
        for record in run.iter() {
            let one = run.slice(record.position, record.position.next());
            let ended = batch_end(&one) <= one.end();
            batch.push(one);
            if ended {
                joined.extend(Run::joined(&std::mem::take(&mut batch)));
            }
        }
    }
    joined.extend(Run::joined(&batch));
    joined
}

/// The position after the batch of the run's last record, as its leaf says.
fn batch_end(run: &Run) -> Position {
    let missing = run.iter().next_back().and_then(|record| {
        let leaf = Leaf::decode(record.leaf).ok()?;
        Some(
            leaf.batch_count
                .saturating_sub(leaf.batch_index.saturating_add(1)),
        )
    });
    run.end().plus(missing.unwrap_or(0).into())
}

/// The parts of `runs` that follow one another from `from` on, up to `until`.
fn contiguous(from: Position, until: Position, runs: &[Run]) -> Vec<Run> {
    let mut at = from;
    let mut parts = Vec::new();
    for run in runs {
        let part = run.slice(at, until);
        if part.is_empty() || part.first() != at {
            break;
        }
        at = part.end();
        parts.push(part);
    }
    parts
}

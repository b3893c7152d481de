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

mod rescued;
mod segments;
mod settle;

use super::blank::Overwritten;
use super::disk::{Disk, DiskFile, zeros_from};
use super::extents::{Extent, Extents};
use super::frame::Frame;
use super::journal::JournalWriter;
use super::scan::{Chain, Found, Scan};
use super::segment::{FRAMES_AT, Filling, Named, SegmentHeader};
use crate::log::Closed;
use crate::log::Run;
use crate::log::store::Replay;
use crate::record::Position;
use rescued::{batch_end, contiguous, whole_batches};
pub use segments::archives;
pub(super) use segments::{Segment, begin, find, limit as frames_before, needed, read_header};
pub(super) use settle::random_id;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// How the journal is laid out.
#[derive(Clone)]
pub struct JournalOptions {
    /// The folder.
    pub folder: PathBuf,
    /// The bytes of a segment, 64 KiB to 1 GiB; 32 MiB where not said.
    pub segment_bytes: u64,
    /// Appends are refused while fewer bytes are free.
    pub reserve_bytes: u64,
    /// The archive's random id, which the state folder keeps.
    pub archive: u64,
    /// The log is sealed up to here: what lies below is held elsewhere too, and may be gone from the journal.
    pub sealed: Position,
    /// Whether what is damaged here and sealed is written again too: somebody asked for a repair.
    pub mend: bool,
    /// The records that were being overwritten when the archive was last open.
    pub overwritten: Arc<Overwritten>,
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

/// The most records that one loss is taken to have. A number beyond it is damaged itself: each record that is lost costs a
/// hash.
pub(super) const LOST_MAX: u64 = 1 << 30;

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
    let found = find(disk.as_ref(), &options.folder, Some(options.archive))
        .map_err(|cause| wrap("listing the segments", cause))?;
    let mut walk = Walk::new(disk.as_ref(), options, replay);
    walk.numbers = found.next_number;
    let needed = needed(&found.segments, options.sealed);
    walk.begin(found.segments.get(needed).and_then(|segment| segment.header));
    for (at, segment) in found.segments.iter().enumerate().skip(needed) {
        let limit = frames_before(&found.segments, at);
        walk.segment(segment, limit)
            .map_err(|cause| wrap(&segment.name, cause))?;
    }
    for file in &found.aside {
        let what = "a file among the segments is of another archive, or a copy; it is not read and may be moved away";
        tracing::warn!(file, what);
    }
    walk.held_against_what_was_seen()
        .map_err(|cause| wrap("saving records", cause))?;
    walk.settle(disk)
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

/// A segment that other ones follow, and where its frames end: what is zero behind them may be given up.
struct Trim {
    file: Arc<dyn DiskFile>,
    frames_end: u64,
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    options: &'a JournalOptions,
    replay: &'a mut dyn Replay,
    extents: Arc<Extents>,
    chain: Chain,
    numbers: u64,
    bytes: u64,
    end: Option<End>,
    uncovered: Vec<Uncovered>,
    trims: Vec<Trim>,
    cut: Vec<(Position, Position)>,
    lost: Vec<(Position, Position)>,
    /// What the first loss is.
    damage: Option<Closed>,
    /// Whether another place was asked for records and did not answer, so that nobody knows what it holds.
    silent: bool,
    /// Whether the disk has no room for what was saved.
    full: bool,
}

impl<'a> Walk<'a> {
    fn new(disk: &'a dyn Disk, options: &'a JournalOptions, replay: &'a mut dyn Replay) -> Self {
        Self {
            disk,
            options,
            replay,
            extents: Arc::new(Extents::new(Arc::clone(&options.overwritten))),
            chain: Chain::default(),
            numbers: 0,
            bytes: 0,
            end: None,
            uncovered: Vec::new(),
            trims: Vec::new(),
            cut: Vec::new(),
            lost: Vec::new(),
            damage: None,
            silent: false,
            full: false,
        }
    }

    /// Begins with the first segment that is still needed: what the ones before it held is sealed.
    fn begin(&mut self, header: Option<SegmentHeader>) {
        let sealed = self.options.sealed;
        self.chain.durable = sealed;
        self.chain.position = sealed;
        if let Some(header) = header.filter(|header| header.first <= sealed) {
            self.chain.position = header.first;
            self.chain.sequence = header.first_sequence;
            self.chain.crc = header.previous_crc;
        }
    }

    /// Tells of records that the journal holds; of those that are sealed everything is known already.
    fn tell(&mut self, run: &Run) {
        let run = run.slice(self.options.sealed, run.end());
        if !run.is_empty() {
            self.replay.run(&run);
        }
    }

    /// Reads one segment. `limit` is the number of the first frame that later segments hold; `None` for the last one.
    fn segment(&mut self, segment: &Segment, limit: Option<u64>) -> io::Result<()> {
        let Some(header) = segment.header else {
            return self.without_header(segment, limit);
        };
        if limit.is_some_and(|limit| limit <= header.first_sequence) {
            // Whatever it held was written again to a later one.
            self.trims.push(Trim {
                file: Arc::clone(&segment.file),
                frames_end: FRAMES_AT,
            });
            return Ok(());
        }
        let too_far = header.first.since(self.chain.position) > LOST_MAX;
        if !too_far && (header.first > self.chain.position || header.first_sequence > self.chain.sequence) {
            // A segment before this one is gone, or ends too early.
            self.hole(self.chain.position, header.first)?;
            self.chain.sequence = header.first_sequence;
            self.chain.crc = header.previous_crc;
        }
        let links = header.first == self.chain.position
            && header.first_sequence == self.chain.sequence
            && header.previous_crc == self.chain.crc
            && !too_far;
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
        let mut scan = Scan::new(
            file.as_ref(),
            header,
            limit,
            self.chain,
            &self.options.overwritten,
        );
        let mut extent = self.extent(segment, header.id, self.chain.position, FRAMES_AT);
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
                    extent = self.extent(segment, header.id, resumes, at);
                }
                Found::End { offset, whole } => {
                    let last = limit.is_none();
                    // Zeros where a header or a later frame says that records were durable: they are gone.
                    let ends_early = last && self.chain.position < self.chain.durable;
                    self.ends(
                        segment,
                        header,
                        &extent,
                        offset,
                        last && whole && !ends_early,
                        limit,
                    );
                    if ends_early {
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
            self.trims.push(Trim {
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

    fn extent(&mut self, segment: &Segment, id: u64, first: Position, offset: u64) -> Arc<Extent> {
        self.extent_of(&segment.file, &segment.name, id, first, offset)
    }

    fn extent_of(
        &mut self,
        file: &Arc<dyn DiskFile>,
        name: &str,
        id: u64,
        first: Position,
        offset: u64,
    ) -> Arc<Extent> {
        let extent = Extent::new(Arc::clone(file), name, id, first, offset);
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
        self.tell(&frame.run);
    }

    /// Records between two that are there: they were durable, since a later frame follows.
    fn hole(&mut self, from: Position, until: Position) -> io::Result<()> {
        self.uncovered.clear();
        let mut at = from;
        if at < until && (until > self.options.sealed || self.options.mend) {
            at = self.filled(at, Some(until))?;
        }
        // What is sealed is not missing.
        let at = at.max(self.options.sealed.min(until));
        if at < until {
            self.lose(at, until, self.why_lost());
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
        let held = self.replay.rescue(at, until);
        self.silent |= held.silent;
        self.repair(at, until.unwrap_or(Position::new(u64::MAX)), &held.runs)
    }

    /// Reads the repair that an earlier start made of a hole; answers the position after it.
    fn repaired(&mut self, from: Position) -> io::Result<Position> {
        let name = Named::Repair(from).file();
        let file = match self.disk.open(&self.options.folder.join(&name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(from),
            Err(error) => return Err(error),
        };
        let ours = |header: &SegmentHeader| header.archive == self.options.archive;
        let Some(header) = read_header(file.as_ref())?.filter(ours) else {
            return Ok(from);
        };
        let start = Chain {
            sequence: header.first_sequence,
            crc: header.previous_crc,
            position: from,
            durable: from,
        };
        let extent = self.extent_of(&file, &name, header.id, from, FRAMES_AT);
        let mut scan = Scan::new(file.as_ref(), header, None, start, &self.options.overwritten);
        let mut end = from;
        while let Some(Found::Frame(_, frame)) = scan.step()? {
            extent.grow(frame.header.end(), frame.header.length.into());
            self.tell(&frame.run);
            end = frame.header.end();
        }
        Ok(end)
    }

    /// The journal ends well, and before records that another place has seen: its last frames are gone.
    fn held_against_what_was_seen(&mut self) -> io::Result<()> {
        let seen = self.replay.seen().max(self.options.sealed);
        if self.damage.is_some() || seen <= self.chain.position {
            return Ok(());
        }
        if let Some(end) = &mut self.end {
            end.clean = false;
        }
        self.torn(None, false)
    }

    /// The frames end in bytes that are none. Says what is known of the records that may have lain there.
    fn torn(&mut self, until: Option<Position>, short: bool) -> io::Result<()> {
        self.chain.position = self.chain.position.max(self.options.sealed);
        let from = self.chain.position;
        let held = self.replay.rescue(from, None);
        self.silent |= held.silent;
        let runs = whole_batches(&contiguous(from, Position::new(u64::MAX), &held.runs));
        let rescued = runs.last().map_or(from, Run::end);
        // Only what was acknowledged is copied to another place. A batch of which it has a part was so as a whole.
        let acknowledged = held.seen.max(runs.last().map_or(from, batch_end));
        let acknowledged = acknowledged.min(from.plus(LOST_MAX));
        self.chain.durable = self.chain.durable.max(acknowledged);
        let whole = !held.silent && rescued >= self.chain.durable && self.fits(&runs);
        if short || !whole || self.damage.is_some() {
            self.chain.durable = self.chain.durable.max(rescued);
            let durable = self.chain.durable;
            self.uncovered.retain(|one| one.run.end() > durable);
            return self.torn_for_good(until, short);
        }
        for run in runs {
            self.tell(&run);
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
            self.lose(at, self.chain.durable, self.why_lost());
            self.chain.position = self.chain.durable;
        } else if self.silent {
            self.lose(at, at, self.why_lost());
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

    /// Whether a segment can take these records behind those that are not covered.
    fn fits(&self, runs: &[Run]) -> bool {
        let uncovered = self.uncovered.iter().map(|one| &one.run);
        let bytes: usize = uncovered.chain(runs).map(settle::frame_bytes).sum();
        FRAMES_AT + (bytes as u64) < self.options.segment_bytes
    }

    fn why_lost(&self) -> &'static str {
        if self.silent {
            "durable records may be gone, and the hot log, which may hold them, did not answer in time,"
        } else {
            "durable records are damaged and no other copy holds them"
        }
    }
}

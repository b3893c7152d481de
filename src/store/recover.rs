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
//! Files are only ever added here; no frame that was read is changed or removed.

use super::disk::{Disk, DiskFile};
use super::extents::{Extent, Extents};
use super::frame::{self, Frame, Link};
use super::journal::{Active, JournalWriter, WriterStart};
use super::scan::{Chain, Found, Scan};
use super::segment::{FRAMES_AT, Filling, Named, SegmentHeader};
use crate::log::Closed;
use crate::log::Run;
use crate::log::store::Replay;
use crate::record::Position;
use bytes::BytesMut;
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
    /// Ranges that were durable and are lost.
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
    let segments =
        list(disk.as_ref(), &options.folder).map_err(|cause| wrap("listing the segments", cause))?;
    let mut walk = Walk::new(disk.as_ref(), &options.folder, replay);
    for (at, segment) in segments.iter().enumerate() {
        let next = segments.get(at + 1).and_then(|next| next.header);
        walk.segment(segment, next)
            .map_err(|cause| wrap(&segment.name, cause))?;
    }
    walk.settle(disk, options)
        .map_err(|cause| wrap("writing the recovered frames", cause))
}

/// A segment as it was found.
struct Segment {
    name: String,
    number: u64,
    file: Arc<dyn DiskFile>,
    header: Option<SegmentHeader>,
}

fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for name in disk.list(folder)? {
        if let Some(Named::Segment(number)) = Named::of(&name) {
            let file = disk.open(&folder.join(&name))?;
            let header = read_header(file.as_ref())?;
            segments.push(Segment {
                name,
                number,
                file,
                header,
            });
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

/// The header of a segment. Where it is damaged, the first frame says what is needed to go on.
pub fn read_header(file: &dyn DiskFile) -> io::Result<Option<SegmentHeader>> {
    let mut head = vec![0; FRAMES_AT as usize + frame::HEADER_BYTES];
    let found = file.read_at(&mut head, 0)?;
    head.truncate(found);
    if let Some(header) = SegmentHeader::decode(&head) {
        return Ok(Some(header));
    }
    let first = head
        .get(FRAMES_AT as usize..)
        .and_then(|bytes| frame::Header::read(bytes).ok());
    let length = file.len()?;
    Ok(first.map(|first| SegmentHeader {
        id: first.segment,
        number: 0,
        first_sequence: first.sequence,
        first: first.first,
        recovered_through: Position::START,
        previous_end: 0,
        length,
        previous_crc: first.previous_crc,
    }))
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
    cut: Vec<(Position, Position)>,
    lost: Vec<(Position, Position)>,
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
            cut: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn segment(&mut self, segment: &Segment, next: Option<SegmentHeader>) -> io::Result<()> {
        self.numbers = segment.number + 1;
        let Some(header) = segment.header else {
            return self.without_header(segment, next);
        };
        if header.first > self.chain.position || header.first_sequence > self.chain.sequence {
            // A segment before this one is gone, or ends too early.
            self.hole(self.chain.position, header.first)?;
            self.chain.sequence = header.first_sequence;
            self.chain.crc = header.previous_crc;
        }
        self.chain.durable = self.chain.durable.max(header.recovered_through);
        self.frames(segment, header, next)
    }

    /// A last segment without header or frame holds nothing that was ever acknowledged, unless it holds bytes.
    fn without_header(&mut self, segment: &Segment, next: Option<SegmentHeader>) -> io::Result<()> {
        if next.is_some() {
            return Ok(()); // The gap shows when the next segment does not link.
        }
        if !all_zero(segment.file.as_ref())? {
            self.end = None;
            self.torn(None);
        }
        Ok(())
    }

    fn frames(
        &mut self,
        segment: &Segment,
        header: SegmentHeader,
        next: Option<SegmentHeader>,
    ) -> io::Result<()> {
        let limit = next.map(|next| next.first_sequence);
        let mut scan = Scan::new(segment.file.as_ref(), header, limit, self.chain);
        let mut extent = self.extent(&segment.file, header.id, self.chain.position, FRAMES_AT);
        while let Some(found) = scan.step()? {
            match found {
                Found::Frame(offset, frame) => {
                    self.frame(offset, &frame, &extent);
                    self.chain = scan.chain();
                }
                Found::Hole { from, resumes, .. } => {
                    self.hole(from, resumes)?;
                    self.chain = scan.chain();
                    let offset = self.resumed_at(&segment.file, header.id, resumes)?;
                    extent = self.extent(&segment.file, header.id, resumes, offset);
                }
                Found::End(offset) => {
                    let clean = next.is_none();
                    self.end = Some(End {
                        file: Arc::clone(&segment.file),
                        extent: Arc::clone(&extent),
                        header,
                        offset,
                        clean,
                    });
                }
                Found::Torn { offset, until, .. } => {
                    self.end = Some(End {
                        file: Arc::clone(&segment.file),
                        extent: Arc::clone(&extent),
                        header,
                        offset,
                        clean: false,
                    });
                    if next.is_none() {
                        self.torn(until);
                    }
                }
            }
        }
        Ok(())
    }

    fn extent(&mut self, file: &Arc<dyn DiskFile>, id: u64, first: Position, offset: u64) -> Arc<Extent> {
        let extent = Extent::new(Arc::clone(file), id, first, offset);
        self.extents.push(Arc::clone(&extent));
        extent
    }

    /// The offset of the frame that begins at `first`; the scan has just met it.
    fn resumed_at(&self, file: &Arc<dyn DiskFile>, id: u64, first: Position) -> io::Result<u64> {
        let length = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        let found = file.read_at(&mut bytes, 0)?;
        bytes.truncate(found);
        let starts = 0..bytes.len().saturating_sub(frame::HEADER_BYTES - 1);
        let here = |at: &usize| {
            frame::Header::read(&bytes[*at..])
                .is_ok_and(|header| header.segment == id && header.first == first)
        };
        Ok(starts.into_iter().find(here).unwrap_or_default() as u64)
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
            at = self.repaired(at)?;
        }
        if at < until {
            let runs = self.replay.rescue(at, Some(until));
            at = self.repair(at, until, &runs)?;
        }
        if at < until {
            self.lost.push((at, until));
            self.replay.lost(at, until);
        }
        self.chain.position = until;
        self.chain.durable = self.chain.durable.max(until);
        Ok(())
    }

    /// Reads the repair that an earlier start made of a hole; answers the position after it.
    fn repaired(&mut self, from: Position) -> io::Result<Position> {
        let path = self.folder.join(Named::Repair(from).file());
        let file = match self.disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(from),
            Err(error) => return Err(error),
        };
        let Some(header) = read_header(file.as_ref())? else {
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
        while let Some(Found::Frame(_, frame)) = scan.step()? {
            extent.grow(frame.header.end(), frame.header.length.into());
            self.replay.run(&frame.run);
        }
        Ok(scan.chain().position)
    }

    /// Writes rescued records to a repair of their own; answers the position after the last of them.
    fn repair(&mut self, from: Position, until: Position, runs: &[Run]) -> io::Result<Position> {
        let runs = contiguous(from, until, runs);
        let Some(last) = runs.last() else {
            return Ok(from);
        };
        let end = last.end();
        let header = SegmentHeader {
            id: random_id()?,
            number: self.numbers,
            first_sequence: self.chain.sequence,
            first: from,
            recovered_through: end,
            previous_end: 0,
            length: 0,
            previous_crc: self.chain.crc,
        };
        let (bytes, _) = encode_segment(header, &runs, self.chain.sequence, self.chain.crc);
        let filling = self.folder.join(Named::Filling.file());
        if let Err(error) = self.disk.remove(&filling)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let file = self.disk.create(&filling)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_data()?;
        self.disk
            .rename(&filling, &self.folder.join(Named::Repair(from).file()))?;
        self.disk.sync_folder(self.folder)?;
        self.repaired(from)
    }

    /// The frames end in bytes that are none. Says what is known of the records that may have lain there.
    fn torn(&mut self, until: Option<Position>) {
        let from = self.chain.position;
        let runs = self.replay.rescue(from, None);
        for run in contiguous(from, Position::new(u64::MAX), &runs) {
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
        let at = self.chain.position;
        if at < self.chain.durable {
            self.lost.push((at, self.chain.durable));
            self.replay.lost(at, self.chain.durable);
            self.chain.position = self.chain.durable;
        } else if until.is_none_or(|until| at < until) {
            self.cut.push((at, until.unwrap_or(at)));
        }
    }

    fn settle(mut self, disk: &Arc<dyn Disk>, options: &JournalOptions) -> io::Result<Recovered> {
        let closed = self.lost.first().map(|(position, _)| Closed::Damaged {
            what: "durable records are damaged and no other copy holds them".into(),
            position: *position,
        });
        let (writer, closed) = match closed {
            Some(closed) => (None, Some(closed)),
            None => self.writer(disk, options)?,
        };
        Ok(Recovered {
            extents: self.extents,
            writer,
            closed,
            tail: self.chain.position,
            cut: self.cut,
            lost: self.lost,
        })
    }

    /// Makes the end durable and appendable, or says why it is not.
    fn writer(
        &mut self,
        disk: &Arc<dyn Disk>,
        options: &JournalOptions,
    ) -> io::Result<(Option<JournalWriter>, Option<Closed>)> {
        let rewrite = !self.uncovered.is_empty();
        let appendable = self.end.as_ref().is_some_and(|end| end.clean) && !rewrite;
        let active = if appendable {
            self.here()
        } else {
            self.elsewhere(options)?
        };
        let free = self.disk.free(self.folder)?;
        let Some(active) = active else {
            return Ok((
                None,
                Some(Closed::DiskFull {
                    free,
                    needed: options.segment_bytes,
                }),
            ));
        };
        let closed = (free < options.reserve_bytes).then_some(Closed::DiskFull {
            free,
            needed: options.reserve_bytes,
        });
        let start = WriterStart {
            active,
            sequence: self.chain.sequence,
            crc: self.chain.crc,
            durable: self.chain.position,
            next_number: self.numbers,
            bytes: self.bytes,
        };
        let writer = closed.is_none().then(|| {
            JournalWriter::start(
                Arc::clone(disk),
                options.clone(),
                Arc::clone(&self.extents),
                start,
            )
        });
        Ok((writer, closed))
    }

    /// The last segment takes further frames where its frames end.
    fn here(&mut self) -> Option<Active> {
        let end = self.end.as_ref()?;
        Some(Active {
            file: Arc::clone(&end.file),
            extent: Arc::clone(&end.extent),
            id: end.header.id,
            offset: end.offset,
            length: end.header.length,
        })
    }

    /// The spare segment takes the frames that are not covered, and becomes the newest.
    fn elsewhere(&mut self, options: &JournalOptions) -> io::Result<Option<Active>> {
        let Some(spare) = self.spare(options)? else {
            return Ok(None);
        };
        let runs: Vec<Run> = self.uncovered.iter().map(|one| one.run.clone()).collect();
        let (first, sequence, crc, previous_end) = match self.uncovered.first() {
            Some(one) => (one.run.first(), one.sequence, one.previous_crc, one.offset),
            None => {
                let end = self.end.as_ref().map_or(0, |end| end.offset);
                (self.chain.position, self.chain.sequence, self.chain.crc, end)
            }
        };
        let tail = runs.last().map_or(first, Run::end);
        let header = SegmentHeader {
            id: random_id()?,
            number: self.numbers,
            first_sequence: sequence,
            first,
            recovered_through: tail,
            previous_end,
            length: options.segment_bytes,
            previous_crc: crc,
        };
        let (bytes, crc) = encode_segment(header, &runs, sequence, crc);
        let file = self.disk.open(&spare)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_data()?;
        self.disk
            .rename(&spare, &self.folder.join(Named::Segment(self.numbers).file()))?;
        self.disk.sync_folder(self.folder)?;
        self.numbers += 1;
        self.chain.sequence = sequence + runs.len() as u64;
        self.chain.crc = crc;
        self.chain.position = tail;
        let extent = self.take_over(&file, header, &runs);
        Ok(Some(Active {
            file,
            extent,
            id: header.id,
            offset: bytes.len() as u64,
            length: header.length,
        }))
    }

    /// Readers find the frames written again where they lie now.
    fn take_over(&mut self, file: &Arc<dyn DiskFile>, header: SegmentHeader, runs: &[Run]) -> Arc<Extent> {
        let extent = self.extent(file, header.id, header.first, FRAMES_AT);
        for run in runs {
            let (leaves, payloads) = columns(run);
            extent.grow(run.end(), frame::encoded_len(run.len(), leaves, payloads) as u64);
        }
        extent
    }

    fn spare(&self, options: &JournalOptions) -> io::Result<Option<PathBuf>> {
        for named in [Named::Spare, Named::Next] {
            let path = self.folder.join(named.file());
            match self.disk.open(&path) {
                Ok(file) if file.len()? == options.segment_bytes => return Ok(Some(path)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match Filling::whole(self.disk, self.folder, options.segment_bytes, &Named::Spare) {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn columns(run: &Run) -> (usize, usize) {
    run.iter().fold((0, 0), |(leaves, payloads), record| {
        (leaves + record.leaf.len(), payloads + record.payload.len())
    })
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

/// Header and frames of a whole segment; answers the bytes and the CRC of the last frame.
fn encode_segment(header: SegmentHeader, runs: &[Run], mut sequence: u64, mut crc: u32) -> (Vec<u8>, u32) {
    let mut bytes = BytesMut::from(&header.encode()[..]);
    for run in runs {
        let link = Link {
            segment: header.id,
            sequence,
            previous_crc: crc,
            durable_through: header.first.min(run.first()),
        };
        crc = frame::encode(run, run.first(), link, &mut bytes);
        sequence += 1;
    }
    (bytes.to_vec(), crc)
}

/// A random number for a segment.
pub fn random_id() -> io::Result<u64> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(id))
}

fn all_zero(file: &dyn DiskFile) -> io::Result<bool> {
    let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
    let found = file.read_at(&mut bytes, 0)?;
    Ok(bytes[..found].iter().all(|byte| *byte == 0))
}

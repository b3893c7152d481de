//! The walk itself: every chunk, then every segment of the journal as a start reads it, and what is wrong with each.

use super::super::blank::Overwritten;
use super::super::chunk::Chunks;
use super::super::disk::{Disk, DiskFile, is_zero, read_past_faults};
use super::super::extents::{Extent, Extents};
use super::super::frame;
use super::super::recover::{LOST_MAX, Segment, read_header};
use super::super::scan::{Chain, Found, Scan};
use super::super::segment::{FRAMES_AT, Named, SegmentHeader};
use super::ledger::Ledger;
use super::shelf::first_difference;
use super::{Finding, Kind, OnProgress, Progress, Report};
use crate::record::Position;
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Tells progress about once a MiB.
pub struct Pace<'a> {
    pub call: &'a mut OnProgress<'a>,
    pub now: Progress,
    pub told: u64,
    /// Whoever was told has had enough.
    pub ended: bool,
}

impl Pace<'_> {
    /// So many bytes and records more were read.
    pub fn add(&mut self, bytes: u64, records: u64) {
        self.now.bytes += bytes;
        self.now.records += records;
        if self.now.bytes - self.told >= 1 << 20 {
            self.told = self.now.bytes;
            self.ended |= (self.call)(self.now).is_break();
        }
    }
}

/// Walks through chunks and journal, in order of position.
pub struct Walk<'a, 'scope> {
    pub disk: &'a dyn Disk,
    pub folder: &'a Path,
    pub archive: Option<u64>,
    pub until: Option<Position>,
    /// What lies below is in chunks.
    pub sealed: Position,
    pub chunks: Option<&'a Chunks>,
    pub chain: Chain,
    pub extents: Arc<Extents>,
    pub overwritten: Arc<Overwritten>,
    pub ledger: Ledger<'scope>,
    pub report: Report,
    pub progress: Pace<'a>,
}

impl Walk<'_, '_> {
    /// Every chunk, against itself and against the rules.
    pub fn sealed(&mut self) {
        let Some(chunks) = self.chunks else { return };
        self.report.chunks = chunks.next();
        let bytes = chunks.bytes().checked_div(chunks.next()).unwrap_or(0);
        for number in 0..chunks.next() {
            if self.progress.ended {
                return;
            }
            let Self { ledger, report, .. } = self;
            let verified = chunks.verify(number, |position, leaf, hash| {
                ledger.sealed(position, leaf, hash, report);
            });
            let end = chunks.options().identity(number).end();
            ledger.met.blank.extend(chunks.erased(number));
            if verified.leaves.is_err() || verified.payloads.is_err() {
                report.chunks_damaged.push(number);
            }
            if verified.leaves.is_err() {
                let from = ledger.tail();
                report.lose(from, end);
                ledger.lost(from, end);
            }
            for error in [verified.leaves.err(), verified.payloads.err()]
                .into_iter()
                .flatten()
            {
                report.find(Finding {
                    until: Some(end.get()),
                    ..Finding::at(Kind::Chunk, error.position(), error.to_string())
                });
            }
            self.progress.add(bytes, chunks.options().records.into());
        }
    }

    /// Begins with the first segment that is not wholly sealed.
    pub fn begin(&mut self, header: Option<SegmentHeader>) {
        self.chain.position = self.sealed;
        self.chain.durable = self.sealed;
        if let Some(header) = header.filter(|header| header.first <= self.sealed) {
            self.chain.position = header.first;
            self.chain.sequence = header.first_sequence;
            self.chain.crc = header.previous_crc;
        }
    }

    pub fn segment(&mut self, segment: &Segment, limit: Option<u64>) -> io::Result<()> {
        self.header(segment)?;
        let Some(header) = segment.header else {
            return self.without_header(segment, limit);
        };
        if limit.is_some_and(|limit| limit <= header.first_sequence) {
            return self.behind(segment, &header, FRAMES_AT, self.chain.position);
        }
        let too_far = header.first.since(self.chain.position) > LOST_MAX;
        if !too_far && (header.first > self.chain.position || header.first_sequence > self.chain.sequence) {
            let what = format!("the journal does not reach to segment `{}`", segment.name);
            self.hole(&segment.name, FRAMES_AT, header.first, what)?;
            self.chain.sequence = header.first_sequence;
            self.chain.crc = header.previous_crc;
        }
        let links = header.first == self.chain.position
            && header.first_sequence == self.chain.sequence
            && header.previous_crc == self.chain.crc
            && !too_far;
        if !links {
            let what = "the segment does not continue the one before it";
            self.found(Kind::Link, segment, 0, None, what.into());
            return Ok(());
        }
        self.chain.durable = self.chain.durable.max(header.recovered_through);
        self.frames(segment, &header, limit)
    }

    /// The header, its copy, and what must be zero beside them.
    fn header(&mut self, segment: &Segment) -> io::Result<()> {
        let mut block = vec![0; FRAMES_AT as usize];
        let found = read_past_faults(segment.file.as_ref(), &mut block, 0)?;
        block.truncate(found);
        self.progress.add(found as u64, 0);
        let Some(header) = segment.header.filter(|_| segment.genuine) else {
            if !is_zero(&block) {
                let what = "header and copy are damaged";
                self.found(Kind::Header, segment, 0, None, what.into());
            }
            return Ok(());
        };
        let wrong = header.encode().iter().zip(&block).position(|(a, b)| a != b);
        if let Some(at) = wrong {
            let what = "the header or its copy is damaged; the other one serves";
            self.found(Kind::Header, segment, at as u64, None, what.into());
        }
        if Named::Segment(header.number).file() != segment.name {
            let what = format!("the file is segment {}", header.number);
            self.found(Kind::Name, segment, 0, None, what);
        }
        Ok(())
    }

    fn without_header(&mut self, segment: &Segment, limit: Option<u64>) -> io::Result<()> {
        if segment.number == 0 {
            let what = "the first segment has neither header nor frame";
            self.found(Kind::Header, segment, 0, None, what.into());
            return Ok(());
        }
        let rest = rest(segment.file.as_ref(), 0)?;
        if !is_zero(&rest) && limit.is_none() {
            self.end_of_log(segment, 0, None, "a last segment without header or frame");
        }
        Ok(())
    }

    fn frames(&mut self, segment: &Segment, header: &SegmentHeader, limit: Option<u64>) -> io::Result<()> {
        let overwritten = Arc::clone(&self.overwritten);
        let scan = Scan::new(segment.file.as_ref(), *header, limit, self.chain, &overwritten);
        let mut scan = scan.beside_a_daemon(self.until.is_some());
        let mut extent = self.extent(&segment.file, header.id, self.chain.position, FRAMES_AT);
        // What lies behind the daemon's tail is being written.
        while !self.is_done()
            && let Some(found) = scan.step()?
        {
            match found {
                Found::Frame(_, frame) => {
                    self.frame(&frame, &extent);
                    self.chain = scan.chain();
                }
                Found::Hole {
                    offset,
                    resumes,
                    at,
                    error,
                    ..
                } => {
                    self.hole(&segment.name, offset, resumes, error.to_string())?;
                    self.chain = scan.chain();
                    extent = self.extent(&segment.file, header.id, resumes, at);
                }
                Found::End { offset, whole } => {
                    if limit.is_some() {
                        self.behind(segment, header, offset, self.chain.position)?;
                    } else if self.chain.position < self.chain.durable {
                        self.ends_early(segment, offset, "zeros where durable records lay")?;
                    } else if !whole {
                        let what = "the file is shorter than it was made; only zeros are missing".into();
                        self.found(Kind::Cut, segment, offset, None, what);
                    }
                }
                Found::Torn {
                    offset,
                    until,
                    short,
                    error,
                } => {
                    self.torn(segment, offset, until, short && limit.is_none(), limit, &error);
                    if limit.is_none() && self.chain.position < self.chain.durable {
                        self.ends_early(
                            segment,
                            offset,
                            "bytes that are no frame where durable records lay",
                        )?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether everything below the tail that a daemon said was read.
    pub fn is_done(&self) -> bool {
        self.until.is_some_and(|until| self.chain.position >= until)
    }

    fn torn(
        &mut self,
        segment: &Segment,
        offset: u64,
        until: Option<Position>,
        short: bool,
        limit: Option<u64>,
        error: &frame::FrameError,
    ) {
        if short {
            let what =
                "the newest segment is shorter than it was made: it was cut, or the one after it is gone";
            self.found(Kind::Cut, segment, offset, until, what.into());
        } else if limit.is_none() {
            self.end_of_log(segment, offset, until, &error.to_string());
        } else {
            self.found(Kind::Frame, segment, offset, until, error.to_string());
        }
    }

    /// Bytes behind the last frame: records that may have been acknowledged lay there.
    fn end_of_log(&mut self, segment: &Segment, offset: u64, until: Option<Position>, what: &str) {
        let what = format!("bytes behind the last whole frame ({what}); they may have been acknowledged");
        self.found(Kind::PossiblyAcknowledged, segment, offset, until, what);
    }

    /// The last segment ends before what a header or a later frame says was durable.
    fn ends_early(&mut self, segment: &Segment, offset: u64, what: &str) -> io::Result<()> {
        let until = self.chain.durable.min(self.chain.position.plus(LOST_MAX));
        self.hole(&segment.name, offset, until, what.into())
    }

    fn frame(&mut self, frame: &frame::Frame, extent: &Extent) {
        extent.grow(frame.header.end(), frame.header.length.into());
        self.report.frames += 1;
        let run = frame.run.slice(self.sealed, frame.run.end());
        self.progress.add(frame.header.length.into(), run.len() as u64);
        if !run.is_empty() {
            self.ledger.run(&run, &mut self.report);
        }
        let sealed = frame.run.slice(frame.run.first(), self.sealed);
        if let Some(chunks) = self.chunks
            && let Some(position) = first_difference(&sealed, chunks)
        {
            let what = "the journal holds another record than the chunk";
            self.report.find(Finding::at(Kind::Sealed, position, what.into()));
        }
    }

    /// Records that are not there up to `until`: those that a repair holds are read from it. Where it holds them all nothing
    /// is wrong any more: the damaged bytes go with their segment, which goes when all of it is sealed.
    fn hole(&mut self, file: &str, offset: u64, until: Position, what: String) -> io::Result<()> {
        let from = self.chain.position;
        let mut at = from;
        let mut by_repair = false;
        while at < until {
            let next = self.repaired(at)?;
            if next == at && at < self.sealed {
                // What is sealed is not missing.
                at = self.sealed.min(until);
            } else if next == at {
                break;
            } else {
                by_repair = true;
                at = next;
            }
        }
        if at >= until && by_repair {
            self.report.repaired.push((from.get(), until.get()));
        } else {
            self.report.find(Finding {
                from: Some(from.get()),
                until: Some(until.get()),
                offset: Some(offset),
                ..Finding::of_file(Kind::Frame, file, &what)
            });
        }
        if at < until {
            self.report.lose(at, until);
            self.ledger.lost(at, until);
        }
        self.chain.position = until;
        Ok(())
    }

    fn repaired(&mut self, from: Position) -> io::Result<Position> {
        let file = match self.disk.open(&self.folder.join(Named::Repair(from).file())) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(from),
            Err(error) => return Err(error),
        };
        let ours = |header: &SegmentHeader| self.archive.is_none_or(|archive| header.archive == archive);
        let Some(header) = read_header(file.as_ref())?.filter(ours) else {
            return Ok(from);
        };
        let start = Chain {
            sequence: header.first_sequence,
            crc: header.previous_crc,
            position: from,
            durable: from,
        };
        let extent = self.extent(&file, header.id, from, FRAMES_AT);
        let overwritten = Arc::clone(&self.overwritten);
        let mut scan = Scan::new(file.as_ref(), header, None, start, &overwritten);
        let mut end = from;
        while let Some(Found::Frame(_, frame)) = scan.step()? {
            self.frame(&frame, &extent);
            end = frame.header.end();
        }
        Ok(end)
    }

    /// What lies behind the frames of a segment that others follow: frames that were written again, zeros, or what a
    /// crash left.
    fn behind(
        &mut self,
        segment: &Segment,
        header: &SegmentHeader,
        offset: u64,
        mut position: Position,
    ) -> io::Result<()> {
        let rest = Bytes::from(rest(segment.file.as_ref(), offset)?);
        self.progress.add(rest.len() as u64, 0);
        let mut at = 0;
        while at < rest.len() {
            match frame::decode_among(&rest.slice(at..), &self.overwritten) {
                Ok(frame) if frame.header.segment == header.id => {
                    at += frame.header.length as usize;
                    position = frame.header.end();
                }
                _ => break,
            }
        }
        if !is_zero(&rest[at.min(rest.len())..]) {
            self.report.find(Finding {
                from: Some(position.get()),
                offset: Some(offset + at as u64),
                ..Finding::of_file(
                    Kind::PossiblyAcknowledged,
                    &segment.name,
                    "a crash left bytes behind the last whole frame; they may have been acknowledged",
                )
            });
        }
        Ok(())
    }

    fn found(&mut self, kind: Kind, segment: &Segment, offset: u64, until: Option<Position>, what: String) {
        self.report.find(Finding {
            from: Some(self.chain.position.get()),
            until: until.map(Position::get),
            offset: Some(offset),
            ..Finding::of_file(kind, &segment.name, &what)
        });
    }

    fn extent(&mut self, file: &Arc<dyn DiskFile>, id: u64, first: Position, offset: u64) -> Arc<Extent> {
        // Nothing is removed here: the name does not matter.
        let extent = Extent::new(Arc::clone(file), "", id, first, offset);
        self.extents.push(Arc::clone(&extent));
        extent
    }
}

fn rest(file: &dyn DiskFile, offset: u64) -> io::Result<Vec<u8>> {
    let length = file.len()?.saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let found = read_past_faults(file, &mut bytes, offset)?;
    bytes.truncate(found);
    Ok(bytes)
}

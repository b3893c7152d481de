//! Overwriting records in the journal, where they lie.
//!
//! A record may lie in several places: a frame that no later one covered is written again by the next start, and a repair holds
//! what a damaged stretch held. So all files are walked, and every whole frame of a segment is looked into, also behind those
//! that readers are answered from. The writer may append to the newest segment meanwhile; what it appends is not touched.
//!
//! First every record that is not sealed is seen to be there, byte by byte: an erasure may not be what makes damage final. Then
//! what is left besides, bytes that are no frame and frames whose records are not the log's, which a crash or damage has left, is
//! overwritten with zeros: it may hold parts of a record too. It is evidence, and the law is stronger. Behind the frames of the
//! newest segment there is none, since a segment is appended to only where its frames end well.
//!
//! What was overwritten and not synced is overwritten again, whatever it reads as: after a failed sync the page cache says one
//! thing and the disk another.

use super::super::blank;
use super::super::disk::{DiskFile, zeros_from};
use super::super::extents::Extents;
use super::super::frame::{self, FRAME_BYTES_MAX, HEADER_BYTES, Header};
use super::super::recover::{self, read_header};
use super::super::seal::{Sealing, Stop};
use super::super::segment::{FRAMES_AT, Named};
use super::EraseError;
use crate::log::{Log, Run, Slot};
use crate::record::{Position, SALT_BYTES};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// How many records are overwritten between two notes of which they are: 8 bytes of a value each.
const STEP_RECORDS: usize = 4_096;
/// The bytes read at once.
const WINDOW_BYTES: usize = 2 << 20;

/// A file of the journal.
struct File {
    name: String,
    file: Arc<dyn DiskFile>,
    /// What its frames bear; `None` where nothing says so, and nothing in it is a frame.
    id: Option<u64>,
    /// Whether the writer may append to it.
    is_newest: bool,
}

/// A record, and where it lies.
#[derive(Clone, Debug)]
struct Place {
    position: Position,
    /// Which file.
    file: usize,
    leaf: Range<u64>,
    salt: u64,
    payload: Range<u64>,
}

/// What was found in all files.
#[derive(Default)]
struct Found {
    places: Vec<Place>,
    /// The positions of all whole frames that readers are answered from.
    held: Vec<Range<Position>>,
    /// Bytes that are no frame of the log's, by file.
    leftovers: Vec<(usize, Range<u64>)>,
}

impl Sealing {
    /// Overwrites payloads and salts of these records wherever the journal holds them.
    ///
    /// # Errors
    /// [`EraseError`].
    pub(super) fn erase_in_journal(
        &self,
        log: &Log,
        targets: &BTreeSet<Position>,
        stop: &Stop,
    ) -> Result<(), EraseError> {
        let tail = log.tail();
        let files = self.files()?;
        let mut found = Found::default();
        for (at, file) in files.iter().enumerate() {
            if stop.is_told() {
                return Err(EraseError::Stopped);
            }
            let walk = Walk {
                log,
                extents: &self.extents,
                targets,
                sealed: self.chunks.sealed(),
                tail,
                file,
                at,
                live_end: file.is_newest.then(|| self.extents.live_end(&file.name)),
            };
            walk.run(&mut found).map_err(in_file(&file.name))?;
        }
        self.is_all_held(targets, tail, &mut found)?;
        found.places.sort_by_key(|place| place.position);
        for places in found.places.chunks(STEP_RECORDS) {
            if stop.is_told() {
                return Err(EraseError::Stopped);
            }
            self.overwrite(log, &files, places)?;
        }
        self.clear_leftovers(&files, found.leftovers)?;
        log.keep_erasing(&[])?;
        self.clear_spare()
    }

    /// Clears what is left besides, and what an attempt before has cleared and could not sync: that reads as zeros now.
    fn clear_leftovers(&self, files: &[File], leftovers: Vec<(usize, Range<u64>)>) -> Result<(), EraseError> {
        let overwritten = self.extents.overwritten();
        for (at, range) in leftovers {
            overwritten.begin_clearing(&files[at].name, range);
        }
        for (name, range) in overwritten.uncleared() {
            if let Some(file) = files.iter().find(|file| file.name == name) {
                clear(file, &range).map_err(in_file(&name))?;
            }
        }
        // A daemon that was killed may have cleared something besides.
        for file in files {
            file.file.sync_data().map_err(in_file(&file.name))?;
        }
        overwritten.settle_clearing();
        Ok(())
    }

    /// Every file of this archive's journal that may hold frames, copies of segments among them that somebody has put beside
    /// them. Those of another archive are left alone.
    fn files(&self) -> Result<Vec<File>, EraseError> {
        let (disk, folder) = (self.disk.as_ref(), &self.journal.folder);
        let shown = folder.display().to_string();
        let wrap = in_file(&shown);
        let found = recover::find(disk, folder, Some(self.journal.archive)).map_err(&wrap)?;
        let newest = found.segments.last().map(|segment| segment.name.clone());
        // Where a header is damaged the first frame may have said which segment it is of.
        let made_up: BTreeMap<String, u64> = found
            .segments
            .into_iter()
            .filter_map(|segment| Some((segment.name, segment.header?.id)))
            .collect();
        let mut files = Vec::new();
        for name in disk.list(folder).map_err(&wrap)? {
            if !matches!(Named::of(&name), Some(Named::Segment(_) | Named::Repair(_))) {
                continue;
            }
            let file = disk.open(&folder.join(&name)).map_err(in_file(&name))?;
            let header = read_header(file.as_ref()).map_err(in_file(&name))?;
            if header.is_some_and(|header| header.archive != self.journal.archive) {
                continue;
            }
            let id = header.map(|header| header.id);
            files.push(File {
                is_newest: Some(&name) == newest.as_ref(),
                id: id.or_else(|| made_up.get(&name).copied()),
                name,
                file,
            });
        }
        Ok(files)
    }

    /// Sees that every record that is to be removed was found, and every other one that is not sealed is there and whole.
    fn is_all_held(
        &self,
        targets: &BTreeSet<Position>,
        tail: Position,
        found: &mut Found,
    ) -> Result<(), EraseError> {
        let sealed = self.chunks.sealed();
        let places: BTreeSet<Position> = found.places.iter().map(|place| place.position).collect();
        let missing = targets
            .range(sealed..tail)
            .find(|target| !places.contains(target));
        if let Some(position) = missing {
            return Err(EraseError::Missing(*position));
        }
        found.held.sort_by_key(|range| range.start);
        let mut at = sealed;
        for range in found.held.iter().filter(|range| !range.is_empty()) {
            if range.start <= at {
                at = at.max(range.end);
            }
        }
        if at < tail {
            return Err(EraseError::Missing(at));
        }
        Ok(())
    }

    /// Overwrites some records. Which they are is kept before, so that a start that finds them half way knows it.
    fn overwrite(&self, log: &Log, files: &[File], places: &[Place]) -> Result<(), EraseError> {
        let overwritten = self.extents.overwritten();
        let mut due = Vec::new();
        for place in places {
            let file = &files[place.file];
            let (mark, is_blank) = mark_of(file, place).map_err(in_file(&file.name))?;
            if !is_blank || overwritten.is_unsettled(place.position) {
                due.push((place, mark));
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let positions: BTreeSet<Position> = due.iter().map(|(place, _)| place.position).collect();
        log.keep_erasing(&overwritten.begin(&positions))?;
        let mut touched = BTreeSet::new();
        for (place, mark) in due {
            let file = &files[place.file];
            let zeros = vec![0; usize::try_from(place.payload.end - place.payload.start).unwrap_or(0)];
            let written = file
                .file
                .write_all_at(&mark, place.salt)
                .and_then(|()| file.file.write_all_at(&zeros, place.payload.start));
            written.map_err(in_file(&file.name))?;
            touched.insert(place.file);
        }
        for at in touched {
            let file = &files[at];
            file.file.sync_data().map_err(in_file(&file.name))?;
        }
        overwritten.settle(&positions);
        Ok(())
    }

    /// A spare segment is zeros, unless a crash came while it was being filled with frames: it is made anew then.
    fn clear_spare(&self) -> Result<(), EraseError> {
        let name = Named::Spare.file();
        let path = self.journal.folder.join(&name);
        let used = match self.disk.open(&path) {
            Ok(file) => zeros_from(file.as_ref(), 0).map_err(in_file(&name))? > 0,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(in_file(&name)(error)),
        };
        if used {
            self.disk.remove(&path).map_err(in_file(&name))?;
            let folder = &self.journal.folder;
            let synced = self.disk.sync_folder(folder);
            synced.map_err(in_file(&folder.display().to_string()))?;
        }
        Ok(())
    }
}

fn in_file(name: &str) -> impl Fn(io::Error) -> EraseError {
    let file = name.to_owned();
    move |cause| EraseError::Journal {
        file: file.clone(),
        cause,
    }
}

/// A stretch of a file in memory.
struct Window<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
    end: u64,
    bytes: BytesMut,
}

impl Window<'_> {
    /// Makes sure that so many bytes from the offset on are there, where the file has them.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        while self.bytes.len() < wanted {
            let at = self.offset + self.bytes.len() as u64;
            let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let length = WINDOW_BYTES.max(wanted - self.bytes.len()).min(left);
            if length == 0 {
                return Ok(());
            }
            let had = self.bytes.len();
            self.bytes.resize(had + length, 0);
            let found = self.file.read_at(&mut self.bytes[had..], at)?;
            self.bytes.truncate(had + found);
            if found < length {
                self.end = at + found as u64;
            }
        }
        Ok(())
    }

    fn advance(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes.len());
        self.bytes.advance(bytes);
        self.offset += bytes as u64;
    }

    /// The frame at the offset, where its head is whole.
    fn frame(&mut self, id: Option<u64>) -> io::Result<Option<(Header, Vec<Slot>)>> {
        self.fill(HEADER_BYTES)?;
        let Ok(header) = Header::read(&self.bytes) else {
            return Ok(None);
        };
        let length = header.length as usize;
        if Some(header.segment) != id || length > FRAME_BYTES_MAX {
            return Ok(None);
        }
        self.fill(length)?;
        let head = frame::decode_head(&self.bytes).ok();
        let whole = head.filter(|_| self.bytes.len() >= length);
        Ok(whole.map(|(header, slots)| (header, slots.into_iter().map(|(_, slot)| slot).collect())))
    }
}

/// What a frame is.
enum Sort {
    /// Readers are answered from it.
    Live,
    /// All its records are the log's, and it is not read any more.
    Copy,
    /// Something else, or damaged.
    Other,
}

/// The walk through a file, from its first frame to its last byte that is not zero.
struct Walk<'a> {
    log: &'a Log,
    extents: &'a Extents,
    targets: &'a BTreeSet<Position>,
    sealed: Position,
    tail: Position,
    file: &'a File,
    /// Which file it is.
    at: usize,
    /// Where its frames end that readers are answered from, if the writer goes on there.
    live_end: Option<u64>,
}

impl Walk<'_> {
    fn run(&self, found: &mut Found) -> io::Result<()> {
        let file = self.file.file.as_ref();
        let mut window = Window {
            file,
            offset: FRAMES_AT,
            end: zeros_from(file, FRAMES_AT)?,
            bytes: BytesMut::new(),
        };
        // The last frame may end in zeros.
        window.end = window.end.saturating_add(FRAME_BYTES_MAX as u64).min(file.len()?);
        let mut leftover: Option<Range<u64>> = None;
        loop {
            window.fill(HEADER_BYTES)?;
            if window.bytes.is_empty() {
                break;
            }
            let frame = window.frame(self.file.id)?;
            let skip = match &frame {
                Some((header, slots)) => {
                    let length = header.length as usize;
                    let bytes = Bytes::copy_from_slice(&window.bytes[..length]);
                    match self.sort(&bytes, window.offset, header) {
                        Sort::Other => length,
                        sort => {
                            self.keep(leftover.take(), found);
                            if matches!(sort, Sort::Live) {
                                found.held.push(header.first..header.end());
                            }
                            places(self.at, window.offset, header, slots, self.targets, found);
                            window.advance(length);
                            continue;
                        }
                    }
                }
                // Up to where the next frame may begin; its id lies 8 bytes behind that.
                None => next_frame(&window.bytes, self.file.id),
            };
            let used = window.bytes[..skip].iter().rposition(|byte| *byte != 0);
            if let Some(used) = used {
                let end = window.offset + used as u64 + 1;
                let begin = leftover.map_or(window.offset, |range| range.start);
                leftover = Some(begin..end);
            }
            window.advance(skip);
        }
        self.keep(leftover, found);
        Ok(())
    }

    fn sort(&self, bytes: &Bytes, offset: u64, header: &Header) -> Sort {
        let decoded = frame::decode_among(bytes, self.extents.overwritten());
        if self.extents.is_live(&self.file.name, offset) {
            // Of what is sealed the chunks are the truth.
            let is_whole = decoded.is_ok() || header.end() <= self.sealed;
            return if is_whole { Sort::Live } else { Sort::Other };
        }
        match decoded {
            Ok(frame) if self.is_of_the_log(&frame.run) => Sort::Copy,
            _ => Sort::Other,
        }
    }

    /// Whether the log holds just these leaves.
    fn is_of_the_log(&self, run: &Run) -> bool {
        run.end() <= self.tail
            && run.iter().all(|record| {
                let one = self.log.fetch_cold(record.position);
                one.is_ok_and(|one| {
                    one.get(record.position)
                        .is_some_and(|kept| kept.leaf == record.leaf)
                })
            })
    }

    fn keep(&self, leftover: Option<Range<u64>>, found: &mut Found) {
        // Behind the frames of the newest segment lies what is being appended.
        let is_settled = |range: &Range<u64>| self.live_end.is_none_or(|end| range.end <= end);
        let leftover = leftover.filter(is_settled);
        found.leftovers.extend(leftover.map(|range| (self.at, range)));
    }
}

/// How many bytes to go on from bytes that do not begin with a frame: to the next that may, or to the end of what can be told.
fn next_frame(bytes: &[u8], id: Option<u64>) -> usize {
    let behind = bytes.get(9..).unwrap_or_default();
    let next = id.and_then(|id| {
        let id = id.to_le_bytes();
        behind.windows(8).position(|eight| eight == id)
    });
    let next = next.map(|at| at + 1);
    let told = if bytes.len() > HEADER_BYTES {
        bytes.len() - 16
    } else {
        bytes.len()
    };
    next.unwrap_or(told).clamp(1, bytes.len())
}

/// Where the records of a frame lie that are to be removed.
fn places(
    file: usize,
    offset: u64,
    header: &Header,
    slots: &[Slot],
    targets: &BTreeSet<Position>,
    found: &mut Found,
) {
    let leaves = offset + header.slots_end() as u64;
    let salts = leaves + u64::from(header.leaves);
    let payloads = salts + u64::from(header.count) * SALT_BYTES as u64;
    for position in targets.range(header.first..header.end()) {
        let at = position.since(header.first) as usize;
        let before = at.checked_sub(1).and_then(|at| slots.get(at));
        let (leaf_from, payload_from) = before.map_or((0, 0), |slot| (slot.leaf_end, slot.payload_end));
        let Some(slot) = slots.get(at) else { continue };
        found.places.push(Place {
            position: *position,
            file,
            leaf: leaves + u64::from(leaf_from)..leaves + u64::from(slot.leaf_end),
            salt: salts + (at * SALT_BYTES) as u64,
            payload: payloads + u64::from(payload_from)..payloads + u64::from(slot.payload_end),
        });
    }
}

/// The mark for a record, and whether it reads as blank already.
fn mark_of(file: &File, place: &Place) -> io::Result<([u8; SALT_BYTES], bool)> {
    let read = |range: Range<u64>| {
        let mut bytes = vec![0; usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)];
        let found = file.file.read_at(&mut bytes, range.start)?;
        if found < bytes.len() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(bytes)
    };
    let leaf = read(place.leaf.clone())?;
    let salt = read(place.salt..place.salt + SALT_BYTES as u64)?;
    let payload = read(place.payload.clone())?;
    Ok((blank::mark(&leaf), blank::is_blank(&leaf, &salt, &payload)))
}

/// Overwrites bytes that are no frame of the log's with zeros.
fn clear(file: &File, range: &Range<u64>) -> io::Result<()> {
    tracing::warn!(
        file = file.name,
        from = range.start,
        until = range.end,
        "bytes that a crash or damage has left may hold what is erased: they are overwritten"
    );
    let mut at = range.start;
    while at < range.end {
        let length = (range.end - at).min(WINDOW_BYTES as u64);
        let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
        file.file.write_all_at(&zeros, at)?;
        at += length;
    }
    Ok(())
}

const _: () = assert!(STEP_RECORDS * 8 <= super::super::state::journal::VALUE_BYTES_MAX);

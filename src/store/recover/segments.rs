//! Which files are the journal's segments, and in which order they are read.
//!
//! A header is believed before a file name: two files that were given each other's names are read in their true order.
//! A segment of another archive is put aside, never read and never removed.

use super::super::disk::{Disk, DiskFile, is_zero, read_past_faults};
use super::super::frame;
use super::super::segment::{FRAMES_AT, Named, SegmentHeader, segment_id};
use crate::record::Position;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A segment as it was found.
pub struct Segment {
    /// The file's name.
    pub name: String,
    /// Its number.
    pub number: u64,
    /// The file.
    pub file: Arc<dyn DiskFile>,
    /// Its header; made up from its first frame where it is damaged, `None` where it has no frame either.
    pub header: Option<SegmentHeader>,
    /// Whether the header was read as it was written.
    pub genuine: bool,
}

impl Segment {
    /// The archive that its header names; `None` where that is damaged.
    fn archive(&self) -> Option<u64> {
        self.header.filter(|_| self.genuine).map(|header| header.archive)
    }
}

/// What is in the folder.
pub struct Found {
    /// The archive's segments, ascending.
    pub segments: Vec<Segment>,
    /// Files that are named like segments and are none of this archive's.
    pub aside: Vec<String>,
    /// The number for the next segment.
    pub next_number: u64,
}

/// Finds the segments.
///
/// # Errors
/// What the system says to a file that cannot be opened or read.
pub fn find(disk: &dyn Disk, folder: &Path, archive: Option<u64>) -> io::Result<Found> {
    let mut by_number: BTreeMap<u64, Segment> = BTreeMap::new();
    let mut aside = Vec::new();
    let mut next_number = 0;
    for (named, segment) in all(disk, folder, archive)? {
        next_number = next_number.max(named.max(segment.number).saturating_add(1));
        let named_in_header = segment.archive();
        let foreign = archive.is_some() && named_in_header.is_some() && named_in_header != archive;
        if foreign {
            aside.push(segment.name);
            continue;
        }
        // Of two copies of one segment the one that bears its name is read.
        let right_name = named == segment.number;
        match by_number.get(&segment.number) {
            Some(_) if !right_name => aside.push(segment.name),
            _ => aside.extend(by_number.insert(segment.number, segment).map(|other| other.name)),
        }
    }
    Ok(Found {
        segments: by_number.into_values().collect(),
        aside,
        next_number,
    })
}

/// The number of the first frame that the segments after the one at `at` hold; `None` for the last one.
pub fn limit(segments: &[Segment], at: usize) -> Option<u64> {
    let later = segments.iter().skip(at + 1);
    later
        .filter_map(|segment| segment.header)
        .map(|header| header.first_sequence)
        .min()
}

/// The first position that the newest segments hold without one missing between them; `None` where there are none.
pub fn begin(segments: &[Segment]) -> Option<Position> {
    let mut first = None;
    let mut next = None;
    for segment in segments.iter().rev() {
        if next.is_some_and(|next| segment.number + 1 != next) {
            break;
        }
        next = Some(segment.number);
        first = segment.header.map(|header| header.first).or(first);
    }
    first
}

/// The place of the first segment that holds records from `sealed` on: all before it are held by sealed files.
pub fn needed(segments: &[Segment], sealed: Position) -> usize {
    let first = |segment: &Segment| segment.header.map(|header| header.first);
    segments
        .iter()
        .rposition(|segment| first(segment).is_some_and(|first| first <= sealed))
        .filter(|_| sealed > Position::START)
        .unwrap_or(0)
}

/// The ids of the archives that the segments in a folder say they are of, ascending.
///
/// # Errors
/// As [`find`].
pub fn archives(disk: &dyn Disk, folder: &Path) -> io::Result<BTreeSet<u64>> {
    let segments = all(disk, folder, None)?;
    Ok(segments
        .iter()
        .filter_map(|(_, segment)| segment.archive())
        .collect())
}

/// All files that are named like segments, with the number in the name.
fn all(disk: &dyn Disk, folder: &Path, archive: Option<u64>) -> io::Result<Vec<(u64, Segment)>> {
    let number = |name: &String| match Named::of(name) {
        Some(Named::Segment(number)) => Some(number),
        _ => None,
    };
    let names = disk.list(folder)?;
    let numbers: Vec<u64> = names.iter().filter_map(number).collect();
    let ids = archive.map(|archive| {
        let id = |number: &u64| (segment_id(archive, *number), *number);
        numbers.iter().map(id).collect()
    });
    let mut found = Vec::new();
    for name in names {
        if let Some(named) = number(&name) {
            let file = disk.open(&folder.join(&name))?;
            let (header, genuine) = either_header(file.as_ref(), named, ids.as_ref())
                .map_err(|error| io::Error::new(error.kind(), format!("`{name}`: {error}")))?;
            let segment = Segment {
                name,
                number: header.map_or(named, |header| header.number),
                file,
                header,
                genuine,
            };
            found.push((named, segment));
        }
    }
    Ok(found)
}

/// The segments whose frames may be met, by their ids; `None` where the archive's id is not known.
type Ids = HashMap<u64, u64>;

/// The header of a segment, and whether it was read as it was written. Where it is damaged, the first frame that can be
/// found says what is needed to go on.
fn either_header(
    file: &dyn DiskFile,
    named: u64,
    ids: Option<&Ids>,
) -> io::Result<(Option<SegmentHeader>, bool)> {
    if let Some(header) = read_header(file)? {
        return Ok((Some(header), true));
    }
    let length = file.len()?;
    let first = first_frame(file, length, ids)?;
    let made_up = first.map(|first| SegmentHeader {
        archive: 0,
        id: first.segment,
        number: ids
            .and_then(|ids| ids.get(&first.segment))
            .map_or(named, |number| *number),
        first_sequence: first.sequence,
        first: first.first,
        recovered_through: Position::START,
        previous_end: 0,
        length,
        previous_crc: first.previous_crc,
    });
    Ok((made_up, false))
}

/// The header of a segment or a repair; `None` where both copies are damaged.
///
/// # Errors
/// What the system says to a read; [`io::ErrorKind::Unsupported`] where the format is another one.
pub fn read_header(file: &dyn DiskFile) -> io::Result<Option<SegmentHeader>> {
    let mut head = vec![0; FRAMES_AT as usize];
    let found = read_past_faults(file, &mut head, 0)?;
    head.truncate(found);
    if let Some(header) = SegmentHeader::decode(&head) {
        return Ok(Some(header));
    }
    match SegmentHeader::other_format(&head) {
        Some(format) => {
            let text =
                format!("its format is `{format}`, this program reads `CHJRNL01`; use a newer chancery");
            Err(io::Error::new(io::ErrorKind::Unsupported, text))
        }
        None => Ok(None),
    }
}

/// The first frame of a file whose head is whole. Only one that bears the id of a segment of this archive is a frame:
/// any other may be part of a payload. Where no ids are known, only one at the very beginning is.
fn first_frame(file: &dyn DiskFile, length: u64, ids: Option<&Ids>) -> io::Result<Option<frame::Header>> {
    let mut bytes = vec![0; usize::try_from(length.saturating_sub(FRAMES_AT)).unwrap_or(0)];
    let found = read_past_faults(file, &mut bytes, FRAMES_AT)?;
    bytes.truncate(found);
    if is_zero(&bytes) {
        return Ok(None);
    }
    let starts = bytes.len().saturating_sub(frame::HEADER_BYTES - 1);
    let starts = if ids.is_some() { starts } else { starts.min(1) };
    let ours = |header: &frame::Header| ids.is_none_or(|ids| ids.contains_key(&header.segment));
    Ok((0..starts).find_map(|at| {
        let header = frame::Header::read(&bytes[at..]).ok()?;
        ours(&header)
            .then(|| frame::decode_head(&bytes[at..]).ok())
            .flatten()
            .map(|(header, _)| header)
    }))
}

//! Which files are the journal's segments, and in which order they are read.
//!
//! A header is believed before a file name: two files that were given each other's names are read in their true order.
//! A segment of another archive is put aside, never read and never removed.

use super::super::disk::{Disk, DiskFile, is_zero};
use super::super::frame;
use super::super::segment::{FRAMES_AT, Named, SegmentHeader};
use crate::record::Position;
use std::collections::BTreeMap;
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
pub fn find(disk: &dyn Disk, folder: &Path, archive: u64) -> io::Result<Found> {
    let mut by_number: BTreeMap<u64, Segment> = BTreeMap::new();
    let mut aside = Vec::new();
    let mut next_number = 0;
    for (named, segment) in all(disk, folder)? {
        next_number = next_number.max(named.max(segment.number).saturating_add(1));
        let foreign = segment
            .header
            .is_some_and(|header| segment.genuine && header.archive != archive);
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

/// The random id of the archive whose segments lie in a folder: of most of them, where a file of another archive came
/// among them. `None` where there is no segment with a whole header.
///
/// # Errors
/// As [`find`].
pub fn archive(disk: &dyn Disk, folder: &Path) -> io::Result<Option<u64>> {
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, segment) in all(disk, folder)? {
        if let (Some(header), true) = (segment.header, segment.genuine) {
            *votes.entry(header.archive).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
    Ok(most.map(|(archive, _)| archive))
}

/// All files that are named like segments, with the number in the name.
fn all(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<(u64, Segment)>> {
    let mut found = Vec::new();
    for name in disk.list(folder)? {
        if let Some(Named::Segment(named)) = Named::of(&name) {
            let file = disk.open(&folder.join(&name))?;
            let named_error = |error: io::Error| io::Error::new(error.kind(), format!("`{name}`: {error}"));
            let (header, genuine) = read_header(file.as_ref()).map_err(named_error)?;
            let number = header.filter(|_| genuine).map_or(named, |header| header.number);
            let segment = Segment {
                name,
                number,
                file,
                header,
                genuine,
            };
            found.push((named, segment));
        }
    }
    Ok(found)
}

/// The header of a segment, and whether it was read as it was written. Where it is damaged, the first frame that can be
/// found says what is needed to go on.
///
/// # Errors
/// What the system says to a read.
pub fn read_header(file: &dyn DiskFile) -> io::Result<(Option<SegmentHeader>, bool)> {
    let mut head = vec![0; FRAMES_AT as usize];
    let found = file.read_at(&mut head, 0)?;
    head.truncate(found);
    if let Some(header) = SegmentHeader::decode(&head) {
        return Ok((Some(header), true));
    }
    if let Some(format) = SegmentHeader::other_format(&head) {
        let text = format!("its format is `{format}`, this program reads `CHJRNL01`; use a newer chancery");
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let length = file.len()?;
    let first = first_frame(file, length)?;
    let made_up = first.map(|first| SegmentHeader {
        archive: 0,
        id: first.segment,
        number: 0,
        first_sequence: first.sequence,
        first: first.first,
        recovered_through: Position::START,
        previous_end: 0,
        length,
        previous_crc: first.previous_crc,
    });
    Ok((made_up, false))
}

/// The first frame of a file whose head is whole.
fn first_frame(file: &dyn DiskFile, length: u64) -> io::Result<Option<frame::Header>> {
    let mut bytes = vec![0; usize::try_from(length.saturating_sub(FRAMES_AT)).unwrap_or(0)];
    let found = file.read_at(&mut bytes, FRAMES_AT)?;
    bytes.truncate(found);
    if is_zero(&bytes) {
        return Ok(None);
    }
    let starts = 0..bytes.len().saturating_sub(frame::HEADER_BYTES - 1);
    Ok(starts
        .into_iter()
        .find_map(|at| frame::decode_head(&bytes[at..]).ok())
        .map(|(header, _)| header))
}

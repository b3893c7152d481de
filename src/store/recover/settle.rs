//! Making the journal's end durable and appendable, or saying why it is not.

use super::super::frame::{self, Link};
use super::super::journal::{Active, WriterStart};
use super::super::segment::{FILL_STEP_BYTES, Filling, Named, SegmentHeader, segment_id};
use super::*;
use bytes::BytesMut;

impl Walk<'_> {
    pub(super) fn settle(mut self, disk: &Arc<dyn Disk>) -> io::Result<Recovered> {
        let (writer, closed) = match self.damage.take() {
            Some(closed) => {
                self.sync_end();
                (None, Some(closed))
            }
            None if self.full => {
                self.sync_end();
                (None, Some(self.no_room()?))
            }
            None => self.writer(disk)?,
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

    fn writer(&mut self, disk: &Arc<dyn Disk>) -> io::Result<(Option<JournalWriter>, Option<Closed>)> {
        let options = self.options;
        let appendable = self.end.as_ref().is_some_and(|end| end.clean) && self.uncovered.is_empty();
        let active = if appendable {
            self.here()
        } else {
            self.elsewhere()?
        };
        let free = self.disk.free(&self.options.folder)?;
        let Some(active) = active else {
            self.sync_end();
            return Ok((None, Some(self.no_room()?)));
        };
        if free < options.reserve_bytes {
            let needed = options.reserve_bytes;
            return Ok((None, Some(Closed::DiskFull { free, needed })));
        }
        if let Err(error) = self.trim() {
            let what =
                format!("the zeros behind a full segment of the journal could not be given up: {error}");
            return Ok((None, Some(Closed::Failed(what))));
        }
        let start = WriterStart {
            active,
            sequence: self.chain.sequence,
            crc: self.chain.crc,
            durable: self.chain.position,
            next_number: self.numbers,
            bytes: self.bytes,
        };
        let extents = Arc::clone(&self.extents);
        let writer = JournalWriter::start(Arc::clone(disk), options.clone(), extents, start);
        Ok((Some(writer), None))
    }

    fn no_room(&self) -> io::Result<Closed> {
        let free = self.disk.free(&self.options.folder)?;
        let needed = self
            .options
            .segment_bytes
            .saturating_add(self.options.reserve_bytes);
        Ok(Closed::DiskFull { free, needed })
    }

    /// Where nothing is written again, frames that are not covered are at least synced where they lie: that helps
    /// unless it was a sync that had failed.
    fn sync_end(&self) {
        if let (Some(end), false) = (&self.end, self.uncovered.is_empty()) {
            let _ = end.file.sync_data();
        }
    }

    /// Gives up the zeros behind the frames of segments that others follow. What is not zero there stays, as evidence.
    ///
    /// Only a segment that is cut says that another one follows: it must be so before anyone is answered from that one.
    fn trim(&mut self) -> io::Result<()> {
        for Trim { file, frames_end } in std::mem::take(&mut self.trims) {
            let end = zeros_from(file.as_ref(), frames_end)?;
            if end < file.len()? {
                file.cut(end)?;
                file.sync_data()?;
            }
        }
        Ok(())
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
    fn elsewhere(&mut self) -> io::Result<Option<Active>> {
        let Some(spare) = self.spare()? else {
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
            archive: self.options.archive,
            id: segment_id(self.options.archive, self.numbers),
            number: self.numbers,
            first_sequence: sequence,
            first,
            recovered_through: tail,
            previous_end,
            length: self.options.segment_bytes,
            previous_crc: crc,
        };
        let (bytes, crc) = encode_segment(header, &runs, sequence, crc);
        let file = self.disk.open(&spare)?;
        file.write_all_at(&bytes, 0)?;
        file.sync_data()?;
        self.disk.rename(
            &spare,
            &self.options.folder.join(Named::Segment(self.numbers).file()),
        )?;
        self.disk.sync_folder(&self.options.folder)?;
        self.numbers += 1;
        self.chain.sequence = sequence + runs.len() as u64;
        self.chain.crc = crc;
        self.chain.position = tail;
        if let Some(end) = &self.end {
            self.trims.push(Trim {
                file: Arc::clone(&end.file),
                frames_end: end.offset,
            });
        }
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
        let name = Named::Segment(header.number).file();
        let extent = self.extent_of(file, &name, header.id, header.first, FRAMES_AT);
        for run in runs {
            extent.grow(run.end(), frame_bytes(run) as u64);
        }
        extent
    }

    /// A file of zeros that lies ready, or else a new one; `None` on a full disk.
    fn spare(&self) -> io::Result<Option<PathBuf>> {
        let options = self.options;
        for named in [Named::Spare, Named::Next] {
            let path = self.options.folder.join(named.file());
            match self.disk.open(&path) {
                Ok(file) if file.len()? == options.segment_bytes => match clear(file.as_ref()) {
                    Ok(()) => return Ok(Some(path)),
                    Err(error) => {
                        tracing::warn!(%error, "a file of zeros cannot be written any more; another one is made");
                        self.disk.remove(&path)?;
                    }
                },
                Ok(_) => self.disk.remove(&path)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let needed = options.segment_bytes.saturating_add(options.reserve_bytes);
        if self.disk.free(&self.options.folder)? < needed {
            return Ok(None);
        }
        match Filling::whole(
            self.disk,
            &self.options.folder,
            options.segment_bytes,
            &Named::Spare,
        ) {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes rescued records to a repair of their own; answers the position after the last of them.
    pub(super) fn repair(&mut self, from: Position, until: Position, runs: &[Run]) -> io::Result<Position> {
        let runs = whole_batches(&contiguous(from, until, runs));
        let Some(last) = runs.last() else {
            return Ok(from);
        };
        let header = SegmentHeader {
            archive: self.options.archive,
            id: random_id()?,
            number: self.numbers,
            first_sequence: self.chain.sequence,
            first: from,
            recovered_through: last.end(),
            previous_end: 0,
            length: 0,
            previous_crc: self.chain.crc,
        };
        let (bytes, _) = encode_segment(header, &runs, self.chain.sequence, self.chain.crc);
        match self.write_repair(from, &bytes) {
            Ok(()) => self.repaired(from),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // They are served from where they were found, until a start has room for them.
                Filling::abandon(self.disk, &self.options.folder);
                self.full = true;
                runs.iter().for_each(|run| self.tell(run));
                Ok(last.end())
            }
            Err(error) => Err(error),
        }
    }

    fn write_repair(&self, from: Position, bytes: &[u8]) -> io::Result<()> {
        let filling = self.options.folder.join(Named::Filling.file());
        Filling::abandon(self.disk, &self.options.folder);
        let file = self.disk.create(&filling)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        let path = self.options.folder.join(Named::Repair(from).file());
        self.disk.rename(&filling, &path)?;
        self.disk.sync_folder(&self.options.folder)
    }
}

/// Zeros whatever a start that was cut short left in a file that should be zeros; its blocks are there already, so that
/// a full disk does not matter.
fn clear(file: &dyn DiskFile) -> io::Result<()> {
    let mut end = zeros_from(file, 0)?;
    if end == 0 {
        return Ok(());
    }
    static ZEROS: [u8; FILL_STEP_BYTES] = [0; FILL_STEP_BYTES];
    while end > 0 {
        let start = end.saturating_sub(FILL_STEP_BYTES as u64);
        let step = usize::try_from(end - start).unwrap_or(0);
        file.write_all_at(&ZEROS[..step], start)?;
        end = start;
    }
    file.sync_data()
}

/// The bytes of the frame of a run.
pub(super) fn frame_bytes(run: &Run) -> usize {
    frame::len_of(run)
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

/// A random number for an archive or a repair.
pub fn random_id() -> io::Result<u64> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(id))
}

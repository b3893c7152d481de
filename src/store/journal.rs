//! Writing the journal: one write and one sync a commit group.
//!
//! Segments are filled with zeros before they are needed, because a sync that must also allocate blocks takes half as
//! long again. A thread of its own does that in small steps, paced by how full the newest segment is, so that no burst
//! of zeros ever competes with a commit; it keeps one segment ready for the writer and one spare for recovery alone.

use super::disk::{Disk, DiskFile, zeros_from};
use super::extents::{Extent, Extents};
use super::frame::{self, FRAME_BYTES_MAX, Link};
use super::recover::JournalOptions;
use super::segment::{FRAMES_AT, Filling, Named, SegmentHeader, segment_id};
use crate::log::store::{Journal, WriteError};
use crate::log::{Closed, Run};
use crate::record::Position;
use bytes::BytesMut;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The segment that takes frames.
pub struct Active {
    /// The file.
    pub file: Arc<dyn DiskFile>,
    /// Where readers find its frames.
    pub extent: Arc<Extent>,
    /// Its id.
    pub id: u64,
    /// Where the next frame goes.
    pub offset: u64,
    /// Where it ends.
    pub length: u64,
}

/// Where the writer begins.
pub struct WriterStart {
    /// The newest segment.
    pub active: Active,
    /// The number of the next frame.
    pub sequence: u64,
    /// The CRC of the last frame.
    pub crc: u32,
    /// The tail that is synced.
    pub durable: Position,
    /// The number of the next segment.
    pub next_number: u64,
    /// Bytes of all frames so far, those that were let go among them.
    pub bytes: u64,
}

/// The one writer of the journal.
pub struct JournalWriter {
    disk: Arc<dyn Disk>,
    options: JournalOptions,
    extents: Arc<Extents>,
    at: WriterStart,
    buffer: BytesMut,
    failed: Option<WriteError>,
    filler: Arc<Filler>,
    filling: Option<std::thread::JoinHandle<()>>,
}

impl JournalWriter {
    /// A writer that goes on where a start left the journal.
    pub fn start(
        disk: Arc<dyn Disk>,
        options: JournalOptions,
        extents: Arc<Extents>,
        at: WriterStart,
    ) -> Self {
        let (filler, filling) = Filler::spawn(Arc::clone(&disk), options.clone());
        filler.used(at.active.offset);
        Self {
            disk,
            options,
            extents,
            at,
            buffer: BytesMut::new(),
            failed: None,
            filler,
            filling,
        }
    }

    fn write(&mut self, group: &Run, first: Position) -> Result<(), WriteError> {
        let length = frame::len_of(group) as u64;
        let mut offset = self.at.active.offset;
        self.buffer.clear();
        let mut full = None;
        // A zero is left behind the last frame: that is how a whole segment is told from one that was cut.
        if offset + length >= self.at.active.length {
            full = Some(self.roll(first, length)?);
            offset = 0;
        }
        let link = Link {
            segment: self.at.active.id,
            sequence: self.at.sequence,
            previous_crc: self.at.crc,
            durable_through: self.at.durable,
        };
        let crc = frame::encode(group, first, link, &mut self.buffer);
        // 1 write, 2 sync; the caller publishes the tail only after this function has answered.
        self.at
            .active
            .file
            .write_all_at(&self.buffer, offset)
            .map_err(|e| failed("writing the journal", &e))?;
        self.at
            .active
            .file
            .sync_data()
            .map_err(|e| failed("syncing the journal", &e))?;
        if let Some(full) = full {
            full.cut().map_err(|e| failed("cutting a full segment", &e))?;
        }
        self.at.active.offset = offset + self.buffer.len() as u64;
        self.at.active.extent.grow(first.plus(group.len() as u64), length);
        self.at.sequence += 1;
        self.at.crc = crc;
        self.at.durable = first.plus(group.len() as u64);
        self.at.bytes += length;
        self.filler.used(self.at.active.offset);
        if self.buffer.capacity() > FRAME_BYTES_MAX / 8 {
            self.buffer = BytesMut::new();
        }
        Ok(())
    }

    /// Takes the segment that lies ready; its header goes out in the same write as its first frame. Answers the one
    /// that it follows.
    fn roll(&mut self, first: Position, length: u64) -> Result<Full, WriteError> {
        let needed = FRAMES_AT + length;
        if needed >= self.options.segment_bytes {
            let cause = format!("a frame of {length} bytes does not fit into a segment");
            return Err(WriteError {
                what: "writing the journal".into(),
                refused: Some(Closed::Failed(cause.clone())),
                cause,
            });
        }
        let path = self
            .options
            .folder
            .join(Named::Segment(self.at.next_number).file());
        let io = |error: io::Error| failed("naming a segment", &error);
        let named = self.filler.take(|ready| self.disk.rename(ready, &path));
        named
            .map_err(|closed| WriteError {
                what: "preparing a segment".into(),
                cause: closed.to_string(),
                // No frame was written: whoever waits can be told so.
                refused: Some(closed),
            })?
            .map_err(io)?;
        patiently(|| self.disk.sync_folder(&self.options.folder)).map_err(io)?;
        let file = patiently(|| self.disk.open(&path)).map_err(io)?;
        let header = SegmentHeader {
            archive: self.options.archive,
            id: segment_id(self.options.archive, self.at.next_number),
            number: self.at.next_number,
            first_sequence: self.at.sequence,
            first,
            // The frame before was synced: should this segment's first frame be torn, its header still says so.
            recovered_through: self.at.durable,
            previous_end: self.at.active.offset,
            length: self.options.segment_bytes,
            previous_crc: self.at.crc,
        };
        self.buffer.extend_from_slice(&header.encode());
        let name = Named::Segment(header.number).file();
        let extent = Extent::new(Arc::clone(&file), &name, header.id, first, FRAMES_AT);
        self.extents.push(Arc::clone(&extent));
        let active = Active {
            file,
            extent,
            id: header.id,
            offset: FRAMES_AT,
            length: header.length,
        };
        let before = std::mem::replace(&mut self.at.active, active);
        self.at.next_number += 1;
        Ok(Full {
            file: before.file,
            frames_end: before.offset,
        })
    }
}

/// A segment that another one follows.
struct Full {
    file: Arc<dyn DiskFile>,
    frames_end: u64,
}

impl Full {
    /// Gives up the zeros behind the frames, which are all that the writer has left there. Only a segment that is cut says
    /// that another one follows: until then a lost newest one would look like an end, so that nobody is answered before.
    fn cut(&self) -> io::Result<()> {
        self.file.cut(self.frames_end)?;
        self.file.sync_data()
    }
}

fn failed(what: &str, error: &io::Error) -> WriteError {
    WriteError {
        what: what.into(),
        cause: error.to_string(),
        refused: None,
    }
}

/// The file of a name, where there is one.
fn open_if_there(disk: &dyn Disk, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
    match disk.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says nothing about the disk and passes by itself: no descriptor is free, or a signal came.
fn is_transient(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(
        errno,
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::INTR)
    )
}

/// Does something again while it fails for a reason that passes by itself, for as long as a commit may wait.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(error) if is_transient(&error) && started.elapsed() < PATIENCE => {
                std::thread::sleep(LOOK_AGAIN);
            }
            done => return done,
        }
    }
}

impl Journal for JournalWriter {
    fn commit(&mut self, group: &Run, first: Position) -> Result<(), WriteError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.write(group, first);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn refusal(&self) -> Option<Closed> {
        self.filler.refusal()
    }

    fn bytes(&self) -> u64 {
        self.at.bytes.saturating_sub(self.extents.gone())
    }
}

impl Drop for JournalWriter {
    /// Waits for the filler, so that nobody touches the folder any more once the writer is gone.
    fn drop(&mut self) {
        self.filler.stop();
        if let Some(filling) = self.filling.take() {
            // A filler that panicked has nothing left to tell: its segment is simply not there.
            let _ = filling.join();
        }
    }
}

/// Keeps segments ready.
struct Filler {
    state: Mutex<FillerState>,
    wake: Condvar,
    segment_bytes: u64,
}

#[derive(Default)]
struct FillerState {
    next: Option<PathBuf>,
    used: u64,
    hurry: bool,
    stopping: bool,
    /// Why no further segment can be prepared before a restart.
    closed: Option<Closed>,
}

/// How long the filler waits before it looks again how full the newest segment is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long a commit waits for what passes by itself, a free descriptor, before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after a start it begins, unless a commit waits for it: the first readers come first.
const BEGIN_AFTER: Duration = Duration::from_millis(150);
/// How long it waits between two steps.
const BETWEEN_STEPS: Duration = Duration::from_millis(1);

impl Filler {
    fn spawn(
        disk: Arc<dyn Disk>,
        options: JournalOptions,
    ) -> (Arc<Self>, Option<std::thread::JoinHandle<()>>) {
        let filler = Arc::new(Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            segment_bytes: options.segment_bytes,
        });
        let thread = Arc::clone(&filler);
        let spawned = std::thread::Builder::new()
            .name("journal-filler".into())
            .spawn(move || thread.run(disk.as_ref(), &options));
        match spawned {
            Ok(filling) => (filler, Some(filling)),
            Err(error) => {
                let closed = Closed::Failed(format!("no thread for filling segments: {error}"));
                filler.lock().closed = Some(closed);
                (filler, None)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, FillerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how far the newest segment is used, which paces the filling.
    fn used(&self, bytes: u64) {
        self.lock().used = bytes;
    }

    fn refusal(&self) -> Option<Closed> {
        self.lock().closed.clone()
    }

    fn stop(&self) {
        self.lock().stopping = true;
        self.wake.notify_all();
    }

    /// Hands the segment that lies ready to `name`; waits for it where the filler is behind.
    ///
    /// It is named under the lock: until its old name is free the filler would take it for the segment after it.
    fn take<T>(&self, name: impl FnOnce(&Path) -> T) -> Result<T, Closed> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.next.take() {
                let named = name(&next);
                state.hurry = false;
                self.wake.notify_all();
                return Ok(named);
            }
            if let Some(closed) = &state.closed {
                return Err(closed.clone());
            }
            state.hurry = true;
            self.wake.notify_all();
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, disk: &dyn Disk, options: &JournalOptions) {
        let mut failing = None;
        let wanted = |state: &mut FillerState| !state.hurry && !state.stopping;
        drop(self.wake.wait_timeout_while(self.lock(), BEGIN_AFTER, wanted));
        while !self.lock().stopping {
            match self.step(disk, options) {
                Ok(()) => failing = None,
                Err(error) if is_transient(&error) => {
                    let since = failing.get_or_insert_with(|| {
                        tracing::warn!(%error, "the next segment cannot be prepared yet");
                        Instant::now()
                    });
                    self.bear(&error, since);
                }
                Err(error) => self.fail(disk, options, &error),
            }
            self.wake.notify_all();
        }
    }

    /// Prepares what is missing, the next segment before the spare; waits where nothing is.
    fn step(&self, disk: &dyn Disk, options: &JournalOptions) -> io::Result<()> {
        if self.lock().next.is_none() {
            let path = self.prepare(disk, options, &Named::Next)?;
            self.lock().next = path;
        } else if open_if_there(disk, &options.folder.join(Named::Spare.file()))?.is_none() {
            self.prepare(disk, options, &Named::Spare)?;
        } else {
            self.wait();
        }
        Ok(())
    }

    fn wait(&self) {
        let state = self.lock();
        if state.next.is_some() && !state.stopping {
            drop(
                self.wake
                    .wait_timeout(state, LOOK_AGAIN * 25)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
    }

    /// A segment filled and named, or `None` when told to stop.
    fn prepare(
        &self,
        disk: &dyn Disk,
        options: &JournalOptions,
        name: &Named,
    ) -> io::Result<Option<PathBuf>> {
        let path = options.folder.join(name.file());
        if let Some(file) = open_if_there(disk, &path)? {
            if file.len()? == options.segment_bytes && zeros_from(file.as_ref(), 0)? == 0 {
                return Ok(Some(path));
            }
            disk.remove(&path)?;
        }
        let free = disk.free(&options.folder)?;
        let needed = options.segment_bytes.saturating_add(options.reserve_bytes);
        if free < needed {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("{free} bytes free, {needed} needed"),
            ));
        }
        let mut filling = Filling::begin(disk, &options.folder, options.segment_bytes)?;
        loop {
            if !self.pace(filling.filled()) {
                return Ok(None);
            }
            match filling.step() {
                Ok(false) => {}
                Ok(true) => return filling.finish(disk, &options.folder, name).map(Some),
                Err(error) => {
                    Filling::abandon(disk, &options.folder);
                    return Err(error);
                }
            }
        }
    }

    /// Waits until the next step is due; `false` when told to stop. While frames come the filling stays ahead of twice the
    /// use of the newest segment, so that it is done well before that is full; else it goes on slowly.
    fn pace(&self, filled: u64) -> bool {
        let state = self.lock();
        let due = state
            .used
            .saturating_mul(2)
            .saturating_add(self.segment_bytes / 8);
        let pause = match (state.hurry || state.stopping, filled <= due) {
            (true, _) => Duration::ZERO,
            (false, true) => BETWEEN_STEPS,
            (false, false) => LOOK_AGAIN,
        };
        let wanted = |state: &mut FillerState| !state.hurry && !state.stopping;
        let waited = self.wake.wait_timeout_while(state, pause, wanted);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    /// Waits a moment after what passes by itself. As long as no commit waits for the segment there is no hurry; one that
    /// does is told after a while that none will come.
    fn bear(&self, error: &io::Error, since: &mut Instant) {
        let state = self.lock();
        let hurry = state.hurry;
        if !hurry {
            *since = Instant::now();
        } else if since.elapsed() >= PATIENCE {
            return self.give_up(state, Closed::Failed(error.to_string()));
        }
        let pause = if hurry { LOOK_AGAIN } else { LOOK_AGAIN * 25 };
        let unchanged = |state: &mut FillerState| state.hurry == hurry && !state.stopping;
        let waited = self.wake.wait_timeout_while(state, pause, unchanged);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn fail(&self, disk: &dyn Disk, options: &JournalOptions, error: &io::Error) {
        let closed = if error.kind() == io::ErrorKind::StorageFull {
            Closed::DiskFull {
                free: disk.free(&options.folder).unwrap_or(0),
                needed: options.segment_bytes.saturating_add(options.reserve_bytes),
            }
        } else {
            Closed::Failed(error.to_string())
        };
        self.give_up(self.lock(), closed);
    }

    /// Refuses appends from now on.
    fn give_up(&self, mut state: MutexGuard<'_, FillerState>, closed: Closed) {
        tracing::error!(%closed, "no further segment can be prepared");
        state.closed = Some(closed);
        self.wake.notify_all();
        // Refused until restart: nothing to do but to wait for the end.
        while !state.stopping {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

//! Opening a data directory: the lock, the name, the journal, the hot log, and from them the log.

use super::blank::Overwritten;
use super::chunk::ChunkOptions;
use super::disk::{Disk, RealDisk, sync_up_to};
use super::recover::{self, JournalOptions, OpenError};
use super::rescue::Rescuing;
use super::seal::{Sealer, Sealing};
use super::sealed::SealedLog;
use super::segment::Named;
use super::sled::{HotLog, HotOptions, PATIENCE};
use super::state::{self, State, StateError};
use super::verify::OpenArchive;
use crate::log::clock::{Clock, RealClock};
use crate::log::names::{FORGOTTEN_RECORDS, TakenNames};
use crate::log::open::{Fold, Options, Parts};
use crate::log::store::{Hot, Journal, Sealed, Shelf};
use crate::log::{Closed, Desk, Log};
use crate::merkle::SigningKey;
use crate::record::Position;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How an archive is opened.
pub struct ArchiveOptions {
    /// The data directory.
    pub data: PathBuf,
    /// The name that a new archive gets; one is made where there is none.
    pub origin: Option<String>,
    /// Take the clock for right whatever the log says.
    pub accept_clock: bool,
    /// The bytes of a segment of the journal.
    pub segment_bytes: u64,
    /// Appends are refused while fewer bytes are free on the disk.
    pub reserve_bytes: u64,
    /// The bytes of the newest records that sled holds.
    pub hot_bytes: u64,
    /// How long a start waits for records that only sled may hold.
    pub hot_patience: Duration,
    /// The bytes of the newest groups that memory holds.
    pub recent_bytes: usize,
    /// The records of a chunk: a power of two, 256 to 65,536. An archive keeps the number that it began with.
    pub chunk_records: u32,
    /// Appends wait while the journal has more bytes and some of them can be sealed.
    pub unsealed_bytes: u64,
    /// The names that records have taken, where they lie in files.
    pub names: Option<Arc<dyn TakenNames>>,
    /// Memory forgets names once those of so many records more lie in files.
    pub names_forgotten: u64,
    /// Another copy of the same log, asked for records that this one has lost.
    pub rescue: Option<Arc<dyn Shelf>>,
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

impl ArchiveOptions {
    /// The defaults for a data directory.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            origin: None,
            accept_clock: false,
            segment_bytes: super::segment::SEGMENT_BYTES,
            reserve_bytes: 64 << 20,
            hot_bytes: 16 << 20,
            hot_patience: PATIENCE,
            recent_bytes: 8 << 20,
            chunk_records: super::chunk::CHUNK_RECORDS,
            unsealed_bytes: 512 << 20,
            names: None,
            names_forgotten: FORGOTTEN_RECORDS,
            rescue: None,
            disk: Arc::new(RealDisk),
            clock: Arc::new(RealClock),
        }
    }
}

/// Why an archive could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Another daemon has it.
    #[error("`{0}` is in use by another chancery; stop that one, or choose another --data")]
    InUse(PathBuf),
    /// The data directory cannot be made.
    #[error("the data directory `{path}` cannot be made: {cause}; choose another --data")]
    Folder {
        /// The data directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A folder or file cannot be made or read.
    #[error("`{path}`: {cause}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The archive has a name and no journal.
    #[error(
        "`{journal}` holds no segment of this archive although it has a name; put the folder back from a backup, or remove \
         `{state}` to begin a new archive"
    )]
    JournalMissing {
        /// The journal's folder.
        journal: PathBuf,
        /// The state folder.
        state: PathBuf,
    },
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] OpenError),
}

/// An open archive. The lock on the data directory is held until it is dropped, or by whoever holds it already.
pub struct Archive {
    /// The log.
    pub log: Log,
    sealer: Option<Sealer>,
    lock: Option<File>,
}

impl Drop for Archive {
    /// Whoever opens the folder next finds nobody else in it.
    fn drop(&mut self) {
        self.sealer = None;
        self.log.release();
        // To close the file is not enough: a process that is just being started by another thread holds a copy of it
        // until it has become another program, and with the copy the lock.
        if let Some(Err(error)) = self.lock.as_ref().map(File::unlock) {
            tracing::warn!(%error, "the lock on the data directory could not be given back");
        }
    }
}

/// Opens an archive, or makes one in an empty or missing folder.
///
/// # Errors
/// [`ArchiveError`]. Damage is no error: the log is then read-only and says why.
pub fn open(options: ArchiveOptions) -> Result<Archive, ArchiveError> {
    let lock = lock(&options.data)?;
    let mut archive = open_held(options, &lock)?;
    archive.lock = Some(lock);
    Ok(archive)
}

/// As [`open`], for whoever holds the lock and goes on holding it.
///
/// # Errors
/// As [`open`].
pub(super) fn open_held(options: ArchiveOptions, _lock: &File) -> Result<Archive, ArchiveError> {
    let folders = Folders::make(&options)?;
    room_for_a_first_segment(&options, &folders)?;
    let mut state = State::open(Arc::clone(&options.disk), &folders.state)?;
    let archive = archive_id(&options, &folders, &mut state)?;
    let newest = state.checkpoint()?;
    let chunks = ChunkOptions {
        folder: folders.chunks.clone(),
        archive,
        records: options.chunk_records,
        disk: Arc::clone(&options.disk),
    };
    let sealed = SealedLog::open(chunks, &folders.journal).map_err(|cause| ArchiveError::Io {
        path: folders.chunks.clone(),
        cause,
    })?;
    let journal = JournalOptions {
        folder: folders.journal.clone(),
        segment_bytes: options.segment_bytes,
        reserve_bytes: options.reserve_bytes,
        archive,
        sealed: sealed.chunks.sealed(),
        mend: options.rescue.is_some(),
        overwritten: Arc::new(Overwritten::new(state.erasing()?)),
    };
    let hot = HotLog::new(HotOptions {
        folder: folders.sled.clone(),
        bytes_max: options.hot_bytes,
        archive: journal.archive,
        patience: options.hot_patience,
    });
    let mut fold = Rescuing {
        fold: Fold::default(),
        hot: &hot,
        chunks: &sealed.chunks,
        other: options.rescue.as_deref(),
        signed: newest.as_ref().map_or(0, |kept| kept.checkpoint.size),
    };
    let damage = sealed.fold(&mut fold.fold);
    let recovered = recover::recover(&options.disk, &journal, &mut fold)?;
    let fold = fold.fold;
    let key = key(&options, &folders, &mut state, recovered.tail)?;
    let full = matches!(recovered.closed, Some(Closed::DiskFull { .. }));
    let lost: Vec<_> = damage.lost.into_iter().chain(recovered.lost).collect();
    let is_lost = !lost.is_empty();
    let extents = recovered.extents;
    let origin = key.verifier().name().to_owned();
    let parts = Parts {
        journal: recovered
            .writer
            .filter(|_| damage.closed.is_none())
            .map(|writer| Box::new(writer) as Box<dyn Journal>),
        closed: Closed::weightier(damage.closed, recovered.closed),
        shelves: vec![Arc::clone(&extents) as Arc<dyn Shelf>],
        sealed: Some(Arc::clone(&sealed.chunks) as Arc<dyn Sealed>),
        hot: Some(Arc::clone(&hot) as Arc<dyn Hot>),
        erased_through: state.erased_through()?,
        desk: Some(Desk {
            newest,
            checked: state.checked()?,
            keep: Box::new(state),
            key,
        }),
        verifier: Some(Arc::new(OpenArchive {
            data: options.data.clone(),
            disk: Arc::clone(&options.disk),
        })),
        tail: recovered.tail,
        cut: recovered.cut,
        lost,
    };
    let frame_room = usize::try_from(
        options
            .segment_bytes
            .saturating_sub(super::segment::FRAMES_AT + 1),
    )
    .unwrap_or(usize::MAX);
    let run = Options {
        origin,
        recent_bytes: options.recent_bytes,
        accept_clock: options.accept_clock,
        clock: options.clock,
        frame_bytes_max: frame_room.min(super::frame::FRAME_BYTES_MAX),
        unsealed_bytes: options.unsealed_bytes,
        names: options.names,
        names_forgotten: options.names_forgotten,
    };
    let wrap = |cause| ArchiveError::Io {
        path: options.data.clone(),
        cause,
    };
    let log = Log::start(run, fold, parts).map_err(wrap)?;
    if !full && !is_lost && !hot.is_unusable() {
        // sled cannot be opened on a full disk, and where records are lost or it does not answer it stays as it is; the
        // journal serves.
        hot.follow(log.downgrade()).map_err(wrap)?;
    }
    if options.data.join("views").is_dir() {
        log.await_holder();
    }
    let sealing = Sealing {
        chunks: sealed.chunks,
        extents,
        journal,
        disk: options.disk,
        unsealed_bytes: options.unsealed_bytes,
        hot: Some(hot),
    };
    let sealer = Sealer::start(sealing, log.downgrade()).map_err(wrap)?;
    Ok(Archive {
        log,
        sealer: Some(sealer),
        lock: None,
    })
}

/// The archive's random id; a new one where there is no archive yet.
fn archive_id(options: &ArchiveOptions, folders: &Folders, state: &mut State) -> Result<u64, ArchiveError> {
    let disk = options.disk.as_ref();
    let wrap = |cause| ArchiveError::Io {
        path: folders.journal.clone(),
        cause,
    };
    let Some(archive) = state.archive()? else {
        let names = disk.list(&folders.journal).map_err(wrap)?;
        if names
            .iter()
            .any(|name| matches!(Named::of(name), Some(Named::Segment(_))))
        {
            return Err(missing(folders).into());
        }
        // Before the first segment gets its name: the id of a segment that is there is known.
        let archive = recover::random_id().map_err(wrap)?;
        state.keep_archive(archive)?;
        return Ok(archive);
    };
    // The first segment is made before the name, so that a name without a segment is a journal that was taken away, or one
    // of another archive.
    let found = recover::find(disk, &folders.journal, Some(archive)).map_err(wrap)?;
    if found.segments.is_empty() && state.origin()?.is_some() {
        return Err(ArchiveError::JournalMissing {
            journal: folders.journal.clone(),
            state: folders.state.clone(),
        });
    }
    Ok(archive)
}

/// There are records, and nothing says whose.
fn missing(folders: &Folders) -> StateError {
    StateError::Missing {
        path: folders.state.join(state::journal::COPIES[0]),
    }
}

/// Takes the lock on a data directory.
pub(super) fn lock(data: &Path) -> Result<File, ArchiveError> {
    let wrap = |path: &Path, cause| ArchiveError::Io {
        path: path.into(),
        cause,
    };
    make_folder(data).map_err(|cause| ArchiveError::Folder {
        path: data.into(),
        cause,
    })?;
    let path = data.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|cause| wrap(&path, cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ArchiveError::InUse(data.into())),
        Err(TryLockError::Error(cause)) => Err(wrap(&path, cause)),
    }
}

/// Makes a folder and those above it that are missing, so that they survive a power cut.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folder(above)?;
    }
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    RealDisk.sync_folder(above.unwrap_or(Path::new(".")))
}

struct Folders {
    chunks: PathBuf,
    journal: PathBuf,
    sled: PathBuf,
    state: PathBuf,
}

impl Folders {
    fn make(options: &ArchiveOptions) -> Result<Self, ArchiveError> {
        let data = &options.data;
        let folders = Self {
            chunks: data.join("chunks"),
            journal: data.join("journal"),
            sled: data.join("sled"),
            state: data.join("state"),
        };
        for path in [&folders.chunks, &folders.journal, &folders.sled, &folders.state] {
            let wrap = |cause| ArchiveError::Io {
                path: path.clone(),
                cause,
            };
            if !path.exists() {
                std::fs::create_dir_all(path).map_err(wrap)?;
                sync_up_to(options.disk.as_ref(), path, data).map_err(wrap)?;
            }
        }
        Ok(folders)
    }
}

/// A new archive gets its first segment now, so that a full disk shows before the first append.
fn room_for_a_first_segment(options: &ArchiveOptions, folders: &Folders) -> Result<(), ArchiveError> {
    let wrap = |cause| ArchiveError::Io {
        path: folders.journal.clone(),
        cause,
    };
    let names = options.disk.list(&folders.journal).map_err(wrap)?;
    let free = options.disk.free(&folders.journal).map_err(wrap)?;
    if names.is_empty() && free < options.reserve_bytes {
        let text = format!(
            "{free} bytes free on the disk, {} needed; make room",
            options.reserve_bytes
        );
        return Err(wrap(io::Error::new(io::ErrorKind::StorageFull, text)));
    }
    Ok(())
}

/// The log's name and its key; made where there are no records yet.
fn key(
    options: &ArchiveOptions,
    folders: &Folders,
    state: &mut State,
    tail: Position,
) -> Result<SigningKey, ArchiveError> {
    if let (Some(has), Some(asked)) = (state.origin()?, &options.origin)
        && has != asked
    {
        return Err(StateError::Other {
            has: has.to_owned(),
            asked: asked.clone(),
        }
        .into());
    }
    if state.origin()?.is_none() {
        if tail > Position::START {
            return Err(missing(folders).into());
        }
        let wrap = |cause| ArchiveError::Io {
            path: folders.state.clone(),
            cause,
        };
        let origin = match &options.origin {
            Some(origin) => origin.clone(),
            None => state::make_origin().map_err(wrap)?,
        };
        state.name(&origin, &state::make_seed().map_err(wrap)?)?;
    }
    Ok(state.key()?.ok_or_else(|| missing(folders))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that another thread is just starting has copies of all open files until it is another program.
    #[test]
    fn a_closed_archive_is_free_although_a_copy_of_its_lock_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(ArchiveOptions::new(folder.path())).unwrap();
        let _copy = first.lock.as_ref().unwrap().try_clone().unwrap();
        assert!(matches!(
            open(ArchiveOptions::new(folder.path())),
            Err(ArchiveError::InUse(_))
        ));
        drop(first);
        open(ArchiveOptions::new(folder.path())).unwrap();
    }
}

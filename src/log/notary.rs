//! Signs the log's checkpoints, and sees to it that none is handed out before it is on disk.
//!
//! A checkpoint binds the archive for ever: a later start that finds fewer records, or others, must not go on under the same
//! key. So each is kept first and shown afterwards. A thread signs what has been appended, at the latest a second after
//! the last append; who cannot wait has one signed at once, though not more often than every 100 ms. Only published
//! records are signed for, which are whole commit groups: no checkpoint ends within a batch.

use super::error::ReadError;
use super::fixity::Checked;
use super::shared::Shared;
use super::store::{Keep, WriteError};
use crate::merkle::{Checkpoint, Signed, SigningKey, VerifierKey};
use crate::record::Position;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

/// Checkpoints are signed no faster than this.
const APART: Duration = Duration::from_millis(100);
/// How long the thread rests after a checkpoint, so that the next comes within a second of the last append.
const REST: Duration = Duration::from_millis(850);

/// What a store hands over so that the log can sign.
pub struct Desk {
    /// The key, named as the log.
    pub key: SigningKey,
    /// The newest checkpoint that an earlier run kept.
    pub newest: Option<Signed>,
    /// The newest check of all files that an earlier run kept.
    pub checked: Option<Checked>,
    /// Where checkpoints are kept.
    pub keep: Box<dyn Keep>,
}

/// Why there is no checkpoint.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignError {
    /// The log was opened without a key, or is closed.
    #[error("this log signs no checkpoints: it was opened without a key, or is closed")]
    NoKey,
    /// The archive is damaged: what it holds is not what it once signed or acknowledged.
    #[error("no checkpoint is signed while the archive is damaged: {0}")]
    Damaged(String),
    /// There are not so many records.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The checkpoint could not be kept, and so is not shown.
    #[error("the checkpoint could not be kept: {0}")]
    Write(#[from] WriteError),
}

/// The log's notary.
pub struct Notary {
    verifier: Option<VerifierKey>,
    newest: RwLock<Option<Arc<Signed>>>,
    checked: Mutex<Option<Checked>>,
    /// Held while one is signed and kept.
    desk: Mutex<Option<(SigningKey, Box<dyn Keep>)>>,
    last: Mutex<Option<Instant>>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    wanted: bool,
    stopping: bool,
}

impl Notary {
    /// A notary at this desk; without one it never signs.
    pub fn new(desk: Option<Desk>) -> Self {
        let verifier = desk.as_ref().map(|desk| desk.key.verifier().clone());
        let newest = desk.as_ref().and_then(|desk| desk.newest.clone());
        let checked = desk.as_ref().and_then(|desk| desk.checked);
        Self {
            verifier,
            newest: RwLock::new(newest.map(Arc::new)),
            checked: Mutex::new(checked),
            desk: Mutex::new(desk.map(|desk| (desk.key, desk.keep))),
            last: Mutex::default(),
            state: Mutex::default(),
            wake: Condvar::new(),
        }
    }

    /// The key that checks its signatures.
    pub fn verifier(&self) -> Option<&VerifierKey> {
        self.verifier.as_ref()
    }

    /// The newest checkpoint that is on disk.
    pub fn newest(&self) -> Option<Arc<Signed>> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest check of all files.
    pub fn checked(&self) -> Option<Checked> {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps when all files were checked. Waits for the disk.
    ///
    /// # Errors
    /// [`WriteError`]; it is known until the next start all the same.
    pub fn keep_checked(&self, checked: Checked) -> Result<(), WriteError> {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Some(checked);
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.as_mut()
            .map_or(Ok(()), |(_, keep)| keep.keep_checked(checked))
    }

    /// Something was appended.
    pub fn wanted(&self) {
        self.set(|state| state.wanted = true);
    }

    /// Ends the thread and gives up the key: nothing is written from now on.
    pub fn stop(&self) {
        self.set(|state| state.stopping = true);
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.wake.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something was appended; answers whether to go on.
    fn wait(&self) -> bool {
        let waiting = self
            .wake
            .wait_while(self.state(), |state| !state.wanted && !state.stopping);
        let mut state = waiting.unwrap_or_else(PoisonError::into_inner);
        state.wanted = false;
        !state.stopping
    }

    /// Waits for a while, or until told to stop.
    fn rest(&self) {
        let resting = self
            .wake
            .wait_timeout_while(self.state(), REST, |state| !state.stopping);
        drop(resting);
    }
}

impl Shared {
    /// The newest checkpoint where it covers the records below `size`, else one over all records there are now. Waits for
    /// the disk, and for 100 ms to have passed since the one before.
    pub(super) fn checkpoint(&self, size: Position) -> Result<Arc<Signed>, SignError> {
        let tail = self.tail.get();
        if size > tail {
            return Err(ReadError::BeyondTail { position: size, tail }.into());
        }
        let covers = |signed: &Arc<Signed>| signed.checkpoint.size >= size.get();
        if let Some(newest) = self.notary.newest().filter(covers) {
            return Ok(newest);
        }
        let mut desk = self.notary.desk.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever had the desk before may have signed for these too.
        if let Some(newest) = self.notary.newest().filter(covers) {
            return Ok(newest);
        }
        let (key, keep) = desk.as_mut().ok_or(SignError::NoKey)?;
        self.notary.pause();
        let checkpoint = self.unsigned()?;
        let note = checkpoint.sign(key).map_err(|error| WriteError {
            what: "the checkpoint's text".into(),
            cause: error.to_string(),
            refused: None,
        })?;
        let note = note.to_string();
        keep.keep_checkpoint(&note)?;
        let signed = Arc::new(Signed { checkpoint, note });
        *self.notary.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&signed));
        Ok(signed)
    }

    /// The root over all published records, which is what they hold: nothing is signed that damage has made doubtful.
    fn unsigned(&self) -> Result<Checkpoint, SignError> {
        if let Some(super::Closed::Damaged { what, .. }) = self.closed() {
            return Err(SignError::Damaged(what));
        }
        // Tail and tree move as one for whoever holds the tree.
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Checkpoint {
            origin: self.origin.clone(),
            size: tree.size(),
            root: tree.root(),
        })
    }

    /// Signs for everything that is published, if there is anything new.
    pub(super) fn sign_all(&self) {
        let tail = self.tail.get();
        let newest = self.notary.newest();
        if self.notary.verifier.is_none() || newest.is_some_and(|newest| newest.checkpoint.size >= tail.get())
        {
            return;
        }
        match self.checkpoint(tail) {
            Ok(_) | Err(SignError::NoKey | SignError::Damaged(_)) => {}
            Err(error) => tracing::error!(%error, "no checkpoint for the newest records"),
        }
    }
}

impl Notary {
    /// Waits until the next checkpoint may be signed.
    fn pause(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rest) = last.and_then(|last| APART.checked_sub(last.elapsed())) {
            std::thread::sleep(rest);
        }
        *last = Some(Instant::now());
    }
}

/// Signs until told to stop, or until the log is gone.
pub fn run(log: &Weak<Shared>, notary: &Notary) {
    while notary.wait() {
        let Some(shared) = log.upgrade() else { return };
        shared.sign_all();
        drop(shared);
        notary.rest();
    }
}

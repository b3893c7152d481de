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
use tokio::sync::watch;

/// Checkpoints are signed no faster than this.
const APART: Duration = Duration::from_millis(100);
/// How long the thread rests after a checkpoint, so that the next comes within a second of the last append.
const REST: Duration = Duration::from_millis(850);
/// How long it rests after one that could not be kept, before it tries again.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(10);

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
    attempts: watch::Sender<Attempts>,
}

#[derive(Default)]
struct State {
    /// Something was appended.
    wanted: bool,
    /// Somebody waits for a checkpoint.
    asked: bool,
    stopping: bool,
}

/// What has become of the thread's attempts to sign.
#[derive(Clone, Default)]
struct Attempts {
    count: u64,
    /// Why the last one failed, if it did.
    failure: Option<SignError>,
    /// There will be no other.
    over: bool,
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
            attempts: watch::Sender::default(),
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

    /// Keeps something in the state folder. Waits for the disk.
    ///
    /// # Errors
    /// [`WriteError`], also where the log was opened without such a folder, or is closed.
    pub fn keep(&self, keep: impl FnOnce(&mut dyn Keep) -> Result<(), WriteError>) -> Result<(), WriteError> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        match desk.as_mut() {
            Some((_, kept)) => keep(kept.as_mut()),
            None => Err(WriteError {
                what: "the state folder".into(),
                cause: "the log is closed".into(),
                refused: None,
            }),
        }
    }

    /// Signs something with the log's key.
    ///
    /// # Errors
    /// [`SignError::NoKey`] where the log was opened without one, or is closed.
    pub fn sign<T>(&self, sign: impl FnOnce(&SigningKey) -> T) -> Result<T, SignError> {
        let desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.as_ref().map(|(key, _)| sign(key)).ok_or(SignError::NoKey)
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

    /// Waits until something was appended or somebody waits; answers whether to go on.
    fn wait(&self) -> bool {
        let idle = |state: &mut State| !state.wanted && !state.asked && !state.stopping;
        let waiting = self.wake.wait_while(self.state(), idle);
        let mut state = waiting.unwrap_or_else(PoisonError::into_inner);
        state.wanted = false;
        state.asked = false;
        !state.stopping
    }

    /// Waits for a while, or until somebody waits or it is told to stop.
    fn rest(&self, time: Duration) {
        let idle = |state: &mut State| !state.asked && !state.stopping;
        drop(self.wake.wait_timeout_while(self.state(), time, idle));
    }

    /// Has the thread sign for the records below `size`, which are published, and waits for that without blocking.
    async fn signed(&self, size: Position) -> Result<Arc<Signed>, SignError> {
        if self.verifier.is_none() {
            return Err(SignError::NoKey);
        }
        let mut attempts = self.attempts.subscribe();
        loop {
            // Looked at first, so that no attempt is missed.
            let before = attempts.borrow_and_update().clone();
            let covers = |newest: &Arc<Signed>| newest.checkpoint.size >= size.get();
            if let Some(newest) = self.newest().filter(covers) {
                return Ok(newest);
            }
            if before.over {
                return Err(SignError::NoKey);
            }
            self.set(|state| state.asked = true);
            let after = attempts
                .wait_for(|now| now.count > before.count || now.over)
                .await;
            // One that succeeded and signed for less was under way already: another one follows.
            if let Some(failure) = after.ok().and_then(|now| now.failure.clone()) {
                return Err(failure);
            }
        }
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

    /// As [`Shared::checkpoint`], without keeping a thread waiting: the notary's own does it.
    pub(super) async fn signed(&self, size: Position) -> Result<Arc<Signed>, SignError> {
        let tail = self.tail.get();
        if size > tail {
            return Err(ReadError::BeyondTail { position: size, tail }.into());
        }
        self.notary.signed(size).await
    }

    /// Signs for everything that is published, if there is anything new.
    pub(super) fn sign_all(&self) -> Result<(), SignError> {
        let tail = self.tail.get();
        let covers = |newest: Arc<Signed>| newest.checkpoint.size >= tail.get();
        if self.notary.verifier.is_none() || self.notary.newest().is_some_and(covers) {
            return Ok(());
        }
        let signed = self.checkpoint(tail).map(drop);
        if let Err(error @ (SignError::Write(_) | SignError::Read(_))) = &signed {
            tracing::error!(%error, "no checkpoint for the newest records");
        }
        signed
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
    let _over = Over(notary);
    while notary.wait() {
        let Some(shared) = log.upgrade() else { return };
        let signed = shared.sign_all();
        drop(shared);
        let again = matches!(signed, Err(SignError::Write(_)));
        notary.attempts.send_modify(|attempts| {
            attempts.count += 1;
            attempts.failure = signed.err();
        });
        if again {
            // Nothing else may come that would have the newest records signed.
            notary.wanted();
        }
        notary.rest(if again { REST_AFTER_FAILURE } else { REST });
    }
}

/// Tells those who wait that nobody signs any more, however the thread ends.
struct Over<'a>(&'a Notary);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.attempts.send_modify(|attempts| attempts.over = true);
    }
}

//! Removing everything that sled has on disk, since sled keeps the bytes of what it has removed.
//!
//! The hot log begins anew in another folder, from records that are masked. The thread that copies does it, between two
//! steps, so that nothing which was read before comes in afterwards.

use super::{Fault, Guarded, HotLog, guard};
use crate::store::disk::{Disk, RealDisk};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long is waited for the thread.
const WITHIN: Duration = Duration::from_secs(30);

impl HotLog {
    /// Has every file of sled removed that there is now, and waits for that.
    ///
    /// # Errors
    /// Why it was not done in time, or at all; some files may be gone.
    pub fn renew(&self, is_stopped: &dyn Fn() -> bool) -> Result<(), String> {
        let wanted = self.renewals_wanted.fetch_add(1, Ordering::AcqRel) + 1;
        self.wake.notify_all();
        let started = Instant::now();
        while self.renewals_done.load(Ordering::Acquire) < wanted {
            if !self.is_followed() {
                let what =
                    "the hot log is not in use until the next start, and its files stay; restart the daemon";
                return Err(what.into());
            }
            if is_stopped() || started.elapsed() > WITHIN {
                let why = self.renewal_fault().clone();
                let why = why.unwrap_or_else(|| "its thread did not come to it in time".into());
                return Err(format!("the hot log's old files could not be removed: {why}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether the thread that copies is there.
    fn is_followed(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Whether somebody waits for it.
    pub(super) fn is_renewal_wanted(&self) -> bool {
        self.renewals_done.load(Ordering::Acquire) < self.renewals_wanted.load(Ordering::Acquire)
    }

    /// Begins anew where that is wanted; where it fails it is tried again with the next look.
    pub(super) fn renew_now(&self) {
        let wanted = self.renewals_wanted.load(Ordering::Acquire);
        let done = self.begin_anew();
        if done.is_ok() {
            self.renewals_done.store(wanted, Ordering::Release);
        }
        *self.renewal_fault() = done.err().map(|Fault(what)| what);
    }

    fn renewal_fault(&self) -> MutexGuard<'_, Option<String>> {
        self.renewal_fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_anew(&self) -> Guarded<()> {
        self.agreed.store(false, Ordering::Release);
        let hangs = || Fault("a reader hangs in sled".into());
        let db = self.take(self.options.patience).ok_or_else(hangs)?;
        // A handle that cannot be closed is no reason to keep its files.
        let _ = guard(|| {
            drop(db);
            Ok(())
        });
        for mark in [&self.low, &self.through, &self.bytes] {
            mark.store(0, Ordering::Release);
        }
        let failed = |error: std::io::Error| Fault(error.to_string());
        let old = self.folders().map_err(failed)?;
        let number = self
            .newest()
            .and_then(|path| path.file_name()?.to_str()?.parse::<u64>().ok());
        let next = format!("{:08}", number.map_or(0, |number| number + 1));
        let folder = &self.options.folder;
        std::fs::create_dir_all(folder.join(next)).map_err(failed)?;
        for path in &old {
            std::fs::remove_dir_all(path).map_err(failed)?;
        }
        RealDisk.sync_folder(folder).map_err(failed)
    }

    fn folders(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for item in std::fs::read_dir(&self.options.folder)? {
            let path = item?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        Ok(folders)
    }
}

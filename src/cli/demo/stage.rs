//! The daemon of the demonstration and the folder it works in.

use crate::cli::connect::{Local, random_id};
use crate::cli::failure::Failure;
use crate::client::Client;
use std::path::{Path, PathBuf};

/// The folder of the archive; it goes away with its handle unless it is kept.
pub struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// The folder to keep, which must be empty or new; else one of its own.
    ///
    /// # Errors
    /// A folder that has something in it; what the system says.
    pub fn new(keep: Option<PathBuf>) -> Result<Self, Failure> {
        let is_kept = keep.is_some();
        let path = match keep {
            Some(path) => path,
            None => std::env::temp_dir().join(format!("chancery-demo-{}", &random_id()?[..12])),
        };
        let failed = |cause: std::io::Error| Failure::file(path.display(), &cause);
        std::fs::create_dir_all(&path).map_err(failed)?;
        if std::fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(Failure::failed(format!(
                "`{}` is not empty; give --keep a folder that is new or empty",
                path.display()
            )));
        }
        Ok(Self { path, is_kept })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it stays.
    pub const fn is_kept(&self) -> bool {
        self.is_kept
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            // A temporary folder that stays is the system's to remove.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A daemon in this process, and a client of it.
pub struct Stage {
    local: Local,
    /// The client.
    pub client: Client,
}

impl Stage {
    /// Starts the daemon on an empty folder.
    ///
    /// # Errors
    /// As opening an archive.
    pub async fn set(folder: &Path) -> Result<Self, Failure> {
        let local = Local::open(folder).await?;
        let client = Client::connect(local.server()).await?;
        Ok(Self { local, client })
    }

    /// Where the daemon listens.
    pub fn server(&self) -> &str {
        self.local.server()
    }

    /// Stops the daemon; everything is on disk afterwards.
    ///
    /// # Errors
    /// As stopping a daemon.
    pub async fn clear(self) -> Result<(), Failure> {
        drop(self.client);
        self.local.close().await
    }
}

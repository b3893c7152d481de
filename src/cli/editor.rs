//! A text in a person's own editor, and the file that it works on.

use super::connect::random_id;
use super::failure::Failure;
use super::screen::Screen;
use std::fmt::Display;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Whether somebody can be asked.
pub fn can_ask(screen: &Screen) -> bool {
    screen.err_terminal && std::io::stdin().is_terminal()
}

/// Asks a person at a terminal; what is not answered with yes or no counts as `otherwise`.
///
/// # Errors
/// Where the terminal cannot be read.
pub fn ask(screen: &Screen, question: impl Display, otherwise: bool) -> Result<bool, Failure> {
    if !can_ask(screen) {
        return Ok(false);
    }
    let choice = if otherwise { "[Y/n]" } else { "[y/N]" };
    write!(std::io::stderr(), "{question} {choice} ")?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer)?;
    Ok(match answer.trim().to_lowercase().chars().next() {
        Some('y') => true,
        Some('n') => false,
        // The end of the input is no consent.
        _ => otherwise && read > 0,
    })
}

/// Runs the person's editor as a shell would, and waits for it.
///
/// # Errors
/// An editor that cannot be run, or that failed: the text is left where it is.
pub fn open(path: &Path) -> Result<(), Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL")
        .or_else(|| set("EDITOR"))
        .unwrap_or_else(|| "vi".to_owned());
    let ended = std::process::Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(path)
        .status()
        .map_err(|error| {
            Failure::failed(format!(
                "the editor `{editor}` cannot be run: {error}; set EDITOR"
            ))
        })?;
    if ended.success() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "the editor `{editor}` failed ({ended}); nothing was appended, the text is in {}",
        path.display()
    )))
}

/// The file that the editor works on. It stays where anything goes wrong: nobody's edit is thrown away.
pub struct Edited {
    /// Where it is.
    pub path: PathBuf,
}

impl Edited {
    /// A new file that only its owner can read, with a text and an ending by which editors know its form.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(text: &str, ending: &str) -> Result<Self, Failure> {
        use std::os::unix::fs::OpenOptionsExt;
        let name = format!("chancery-edit-{}.{ending}", &random_id()?[..12]);
        let path = std::env::temp_dir().join(name);
        let failed = |cause: std::io::Error| Failure::file(path.display(), &cause);
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(Self { path })
    }

    /// What is in it now.
    ///
    /// # Errors
    /// What the system says; bytes that are not UTF-8.
    pub fn text(&self) -> Result<String, Failure> {
        std::fs::read_to_string(&self.path).map_err(|cause| Failure::file(self.path.display(), &cause))
    }

    /// Removes it.
    pub fn discard(self) {
        // A file that cannot be removed does no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

//! The place of a watch in a file.
//!
//! A write is whole or has not happened: a new file is written, synced, and put in the old one's place. One watch at a time has
//! it: it holds a lock on whatever file has the name, and on a new one before that gets the name.

use super::token_text;
use crate::cli::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The number of the file's format.
const FORMAT: u64 = 1;
/// What ends the name of a file that is to be put in the place of a state file: `STATE.PID.new`.
const UNFINISHED: &str = ".new";

/// Where a watch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The log's name.
    pub origin: String,
    /// The filter in its canonical form.
    pub filter: String,
    /// Where the server resumes: at or before `next`.
    pub token: Bytes,
    /// The first position that is not done.
    pub next: u64,
    /// Whether records are delivered by their own content alone; unknown in a file of an earlier version.
    pub records_only: Option<bool>,
}

impl Place {
    fn to_json(&self) -> Value {
        let mut json = json!({
            "format": FORMAT,
            "origin": self.origin,
            "filter": self.filter,
            "next": self.next,
            "resume_token": token_text(&self.token),
        });
        if let Some(records_only) = self.records_only {
            json["records_only"] = records_only.into();
        }
        json
    }

    fn of_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        if value.get("format")?.as_u64()? != FORMAT {
            return None;
        }
        Some(Self {
            origin: text("origin")?,
            filter: text("filter")?,
            next: value.get("next")?.as_u64()?,
            token: STANDARD.decode(text("resume_token")?).ok()?.into(),
            records_only: value.get("records_only").and_then(Value::as_bool),
        })
    }
}

/// The file, which is nobody else's for as long as this is there.
#[derive(Debug)]
pub struct StateFile {
    /// As it was given.
    path: PathBuf,
    /// Where it lies: what was given may be a link.
    target: PathBuf,
    /// What has its name now, locked.
    held: File,
    /// Whether this made it, and has put no place into it yet.
    is_new: bool,
}

impl StateFile {
    /// The file at a path; where there is none an empty one is made, since a lock needs one.
    ///
    /// # Errors
    /// One that another watch has; one that cannot be a state file.
    pub fn open(path: PathBuf) -> Result<Self, Failure> {
        // A pipe would be waited for without end, and could not be replaced.
        if std::fs::metadata(&path).is_ok_and(|file| !file.is_file()) {
            return Err(Failure::failed(format!(
                "`{}` is no regular file; give the path of one, or of one to be made",
                path.display()
            )));
        }
        let target = target(&path);
        match hold(&target) {
            Ok((held, is_new)) => {
                remove_unfinished(&target);
                Ok(Self {
                    path,
                    target,
                    held,
                    is_new,
                })
            }
            Err(TryLockError::WouldBlock) => Err(Failure::failed(format!(
                "`{}` is in use by another watch; end that one, or give this one a --state of its own",
                path.display()
            ))),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::NotFound => {
                Err(Failure::failed(format!(
                    "`{}` cannot be made, since its folder is not there; make it, or give another --state",
                    path.display()
                )))
            }
            Err(TryLockError::Error(error)) => Err(Failure::file(path.display(), &error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was there before, without a place: made by another program, or emptied.
    pub fn is_emptied(&self) -> bool {
        !self.is_new && self.held.metadata().is_ok_and(|file| file.len() == 0)
    }

    /// The place that the file holds; `None` where it is empty.
    ///
    /// # Errors
    /// A file that is not one of ours: it is never overwritten.
    pub fn read(&self) -> Result<Option<Place>, Failure> {
        let text = std::fs::read_to_string(&self.target)
            .map_err(|error| Failure::file(self.path.display(), &error))?;
        if text.is_empty() {
            return Ok(None);
        }
        let place = serde_json::from_str(&text).ok().as_ref().and_then(Place::of_json);
        place.map(Some).ok_or_else(|| {
            Failure::failed(format!(
                "`{}` is not a state file of chancery watch; name another --state, or remove it to begin anew",
                self.path.display()
            ))
        })
    }

    /// What is said where the server refuses the place, for a reason of its own and in its own words; `None` where the place is not
    /// the reason.
    pub fn refused(&self, place: &Place, reason: &str, message: &str) -> Option<String> {
        let file = self.path.display();
        let why = message.split(';').next().unwrap_or_default();
        let next = place.next;
        Some(match reason {
            "TOKEN_OF_A_FORK" => format!(
                "`{file}` {}; the archive was restored from an older copy or forked: compare what was done with what it holds, then \
                 begin with another --state and a --from",
                why.trim_start_matches("resume_token ")
            ),
            "INVALID_RESUME_TOKEN" => format!(
                "`{file}` has a damaged resume_token, or one of another program; use another --state, with `--from {next}`: what \
                 comes before was done, as the file says"
            ),
            of_another if of_another.starts_with("TOKEN_OF_") => format!(
                "`{file}` keeps the place of another watch, of {} on {}: {why}; watch that, or use another file",
                match place.filter.as_str() {
                    "" => "everything".to_owned(),
                    filter => format!("`{filter}`"),
                },
                place.origin,
            ),
            _ => return None,
        })
    }

    /// Puts a place into the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, place: &Place) -> Result<(), Failure> {
        self.replace(&format!("{}\n", place.to_json()))
            .map_err(|error| Failure::file(self.path.display(), &error))
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        // A name that is no other watch's, whatever its state file is called.
        let mut name = self.target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}{UNFINISHED}", std::process::id()));
        let new = self.target.with_file_name(name);
        let mut file = File::create(&new)?;
        file.try_lock()?;
        file.write_all(text.as_bytes())?;
        // Who may read the place is for its owner to say, once and for all.
        file.set_permissions(self.held.metadata()?.permissions())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.target)?;
        // The lock on the one before is given up only now.
        self.held = file;
        self.is_new = false;
        File::open(folder(&self.target))?.sync_all()
    }
}

impl Drop for StateFile {
    /// A watch that did not begin leaves nothing behind. Whoever waits for the lock sees that the name is gone.
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.target);
        }
    }
}

/// Removes what a watch that was killed has not put in the place of a file, of which the lock is held: nobody else is at it.
fn remove_unfinished(target: &Path) {
    let Some(name) = target.file_name().and_then(OsStr::to_str) else {
        return;
    };
    for file in std::fs::read_dir(folder(target)).into_iter().flatten().flatten() {
        let is_unfinished = file.file_name().to_str().is_some_and(|other| {
            let rest = other.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            let id = rest.and_then(|rest| rest.strip_suffix(UNFINISHED));
            id.is_some_and(|id| id.parse::<u32>().is_ok())
        });
        if is_unfinished {
            // It is in nobody's way where it stays.
            let _ = std::fs::remove_file(file.path());
        }
    }
}

fn folder(target: &Path) -> &Path {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Where a file lies that may be named by a link, and may not be there yet.
fn target(path: &Path) -> PathBuf {
    if let Ok(found) = std::fs::canonicalize(path) {
        return found;
    }
    match std::fs::read_link(path) {
        Ok(behind) => path.parent().unwrap_or(Path::new("")).join(behind),
        Err(_) => path.to_owned(),
    }
}

/// The file that has this name, locked, and whether it was made for that.
fn hold(path: &Path) -> Result<(File, bool), TryLockError> {
    loop {
        let (file, is_new) = open(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        // Whoever had it may have put another one in its place meanwhile; then the lock is on what has no name any more.
        if is_at(&file, path) {
            return Ok((file, is_new));
        }
    }
}

fn open(path: &Path) -> io::Result<(File, bool)> {
    match File::create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return Ok((made?, true)),
    }
    // What a link points to may not be there yet.
    let writable = OpenOptions::new().append(true).create(true).open(path);
    // One that may not be written can be replaced all the same.
    let file = writable.or_else(|error| File::open(path).map_err(|_| error))?;
    Ok((file, false))
}

fn is_at(file: &File, path: &Path) -> bool {
    let which = |file: std::fs::Metadata| (file.dev(), file.ino());
    let held = file.metadata().ok().map(which);
    held.is_some() && held == std::fs::metadata(path).ok().map(which)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_round_trips_through_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut file = StateFile::open(path.clone()).unwrap();
        assert_eq!(file.read().unwrap(), None);
        let place = Place {
            origin: "example.org/log".into(),
            filter: "type = \"04*\"".into(),
            token: Bytes::from_static(b"\x00\xff"),
            next: 7,
            records_only: None,
        };
        for records_only in [None, Some(true), Some(false)] {
            let place = Place {
                records_only,
                ..place.clone()
            };
            file.write(&place).unwrap();
            assert_eq!(file.read().unwrap(), Some(place));
            let second = StateFile::open(path.clone()).unwrap_err();
            assert!(second.sentence().unwrap().contains("in use by another watch"));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_is_refused_is_told_with_its_file_and_what_can_be_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("place");
        let file = StateFile::open(path.clone()).unwrap();
        let place = Place {
            origin: "example.org/log".into(),
            filter: String::new(),
            token: Bytes::new(),
            next: 7,
            records_only: Some(false),
        };
        let says = |reason: &str, message: &str| file.refused(&place, reason, message).unwrap();
        let fork = "resume_token stands at position 7, after records that this archive does not hold (its tail is 5); compare";
        assert_eq!(
            says("TOKEN_OF_A_FORK", fork).replace(path.to_str().unwrap(), "place"),
            "`place` stands at position 7, after records that this archive does not hold (its tail is 5); the archive was \
             restored from an older copy or forked: compare what was done with what it holds, then begin with another --state \
             and a --from"
        );
        assert!(says("INVALID_RESUME_TOKEN", "x").contains("use another --state, with `--from 7`"));
        let other = says(
            "TOKEN_OF_ANOTHER_FILTER",
            "resume_token belongs to another filter; y",
        );
        assert!(
            other.contains("of another watch, of everything on example.org/log: resume_token belongs"),
            "{other}"
        );
        assert_eq!(file.refused(&place, "BEYOND_TAIL", "z"), None);
    }

    fn names(folder: &Path) -> Vec<String> {
        let files = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn place() -> Place {
        Place {
            origin: "example.org/log".into(),
            filter: String::new(),
            token: Bytes::from_static(b"token"),
            next: 7,
            records_only: Some(false),
        }
    }

    #[test]
    fn what_a_killed_watch_has_not_finished_is_removed_by_the_next_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "place.17.new",
            "place.new",
            "place.17.old",
            "place.x.new",
            "other.17.new",
        ] {
            std::fs::write(folder.path().join(name), "half a pl").unwrap();
        }
        let mut file = StateFile::open(folder.path().join("place")).unwrap();
        file.write(&place()).unwrap();
        drop(file);
        assert_eq!(
            names(folder.path()),
            [
                "other.17.new",
                "place",
                "place.17.old",
                "place.new",
                "place.x.new"
            ]
        );
    }

    #[test]
    fn a_watch_that_does_not_begin_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("place");
        drop(StateFile::open(path.clone()).unwrap());
        assert_eq!(names(folder.path()), Vec::<String>::new());
        std::fs::write(&path, "").unwrap();
        let file = StateFile::open(path).unwrap();
        assert!(file.is_emptied());
        drop(file);
        assert_eq!(names(folder.path()), ["place"]);
    }

    #[test]
    fn a_file_keeps_who_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("place");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut file = StateFile::open(path.clone()).unwrap();
        file.write(&place()).unwrap();
        file.write(&place()).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(!file.is_emptied());
    }

    #[test]
    fn a_file_of_someone_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "my notes").unwrap();
        let error = StateFile::open(path.clone()).unwrap().read().unwrap_err();
        assert!(error.sentence().unwrap().contains("not a state file"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "my notes");
    }
}

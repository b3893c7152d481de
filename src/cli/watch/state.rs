//! The place of a watch in a file.
//!
//! A write is whole or has not happened: a new file is written, synced, and put in the old one's place.

use super::token_text;
use crate::cli::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The number of the file's format.
const FORMAT: u64 = 1;

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

/// The file.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The file at a path, which need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The place that the file holds; `None` where there is no file yet.
    ///
    /// # Errors
    /// A file that is not one of ours: it is never overwritten.
    pub fn read(&self) -> Result<Option<Place>, Failure> {
        // A pipe would be waited for without end, and could not be replaced.
        if std::fs::metadata(&self.path).is_ok_and(|file| !file.is_file()) {
            return Err(Failure::failed(format!(
                "`{}` is no regular file; give the path of one, or of one to be made",
                self.path.display()
            )));
        }
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file(self.path.display(), &error)),
        };
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
    pub fn write(&self, place: &Place) -> Result<(), Failure> {
        self.replace(&format!("{}\n", place.to_json()))
            .map_err(|error| Failure::file(self.path.display(), &error))
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = self.path.with_file_name(name);
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_round_trips_through_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path().join("state"));
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
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_is_refused_is_told_with_its_file_and_what_can_be_done() {
        let file = StateFile::new("place".into());
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
            says("TOKEN_OF_A_FORK", fork),
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

    #[test]
    fn a_file_of_someone_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "my notes").unwrap();
        let error = StateFile::new(path.clone()).read().unwrap_err();
        assert!(error.sentence().unwrap().contains("not a state file"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "my notes");
    }
}

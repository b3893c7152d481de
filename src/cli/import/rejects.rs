//! Where rejected rows go: one JSON object a line, with `line`, `reason`, and the row's bytes as `text`, or as `base64`
//! where they are not UTF-8.

use super::inputs::{Input, REJECTS};
use crate::cli::failure::Failure;
use crate::import::Reject;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is made when the first row is rejected.
#[derive(Debug)]
pub struct Rejects {
    path: Option<PathBuf>,
    goes_on: bool,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    /// Into `FILE.rejects` beside the input, in place of an older one; for stdin into `stdin.rejects`.
    pub fn beside(input: &Input) -> Self {
        Self {
            path: Some(path_beside(input)),
            goes_on: false,
            file: None,
        }
    }

    /// Into one file for all inputs of a run: in place of an older one, or where it `goes_on` at its end.
    pub fn shared(path: PathBuf, goes_on: bool) -> Self {
        Self {
            path: Some(path),
            goes_on,
            file: None,
        }
    }

    /// Into no file: they are only told.
    pub const fn told() -> Self {
        Self {
            path: None,
            goes_on: false,
            file: None,
        }
    }

    /// Keeps a row.
    ///
    /// # Errors
    /// Where it cannot be kept: the import then stops rather than lose it.
    pub fn keep(&mut self, reject: &Reject) -> Result<(), Failure> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let failed = |cause: std::io::Error| {
            let path = path.display();
            Failure::failed(format!(
                "rejected rows cannot be kept in `{path}`: {cause}; name another file with --rejects"
            ))
        };
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(open(path, self.goes_on).map_err(failed)?)),
        };
        writeln!(file, "{}", as_json(reject)).map_err(failed)
    }

    /// Puts everything on disk; the path where there is something.
    ///
    /// # Errors
    /// What the system says.
    pub fn end(mut self) -> Result<Option<PathBuf>, Failure> {
        let (Some(path), Some(mut file)) = (self.path.take(), self.file.take()) else {
            return Ok(None);
        };
        let synced = file.flush().and_then(|()| file.get_ref().sync_all());
        synced.map_err(|cause| Failure::file(path.display(), &cause))?;
        Ok(Some(path))
    }
}

/// The file beside an input; for stdin in the working folder.
pub fn path_beside(input: &Input) -> PathBuf {
    let mut path = if input.is_stdin() {
        "stdin".into()
    } else {
        input.path.clone().into_os_string()
    };
    path.push(".");
    path.push(REJECTS);
    path.into()
}

/// Removes the rejects of an earlier run, once the input has been imported whole and without any: what they hold is
/// mended.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::file(path.display(), &cause))
        }
        _ => Ok(()),
    }
}

fn open(path: &Path, goes_on: bool) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).write(true);
    if goes_on {
        options.append(true)
    } else {
        options.truncate(true)
    };
    options.open(path)
}

fn as_json(reject: &Reject) -> Value {
    match std::str::from_utf8(&reject.bytes) {
        Ok(text) => json!({ "line": reject.line, "reason": reject.reason, "text": text }),
        Err(_) => {
            json!({ "line": reject.line, "reason": reject.reason, "base64": STANDARD.encode(&reject.bytes) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(bytes: &'static [u8]) -> Reject {
        Reject {
            line: 7,
            reason: "3 columns".to_owned(),
            bytes: bytes::Bytes::from_static(bytes),
        }
    }

    #[test]
    fn a_reject_keeps_its_bytes_as_text_or_base64() {
        assert_eq!(
            as_json(&reject(b"a\tb")).to_string(),
            r#"{"line":7,"reason":"3 columns","text":"a\tb"}"#
        );
        assert_eq!(
            as_json(&reject(b"\xff")).to_string(),
            r#"{"line":7,"reason":"3 columns","base64":"/w=="}"#
        );
    }

    #[test]
    fn a_file_is_made_only_for_a_reject() {
        let folder = tempfile::tempdir().unwrap();
        let input = Input {
            path: folder.path().join("rows.csv"),
            from_folder: false,
        };
        assert_eq!(Rejects::beside(&input).end().unwrap(), None);
        let mut rejects = Rejects::beside(&input);
        rejects.keep(&reject(b"x")).unwrap();
        let path = rejects.end().unwrap().unwrap();
        assert_eq!(path, folder.path().join("rows.csv.rejects"));
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 1);
    }
}

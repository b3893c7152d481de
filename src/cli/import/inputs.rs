//! Which files are imported.

use super::super::failure::Failure;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The ending of files of rejected rows, which are never imported from a folder.
pub const REJECTS: &str = "rejects";

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its path; `-` for stdin.
    pub path: PathBuf,
    /// It was found in a folder, not named.
    pub from_folder: bool,
}

impl Input {
    /// As it was given: what provenance, messages and `--key file` say.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether it is stdin.
    pub fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(&self) -> io::Result<(Box<dyn Read + Send>, Option<u64>)> {
        if self.is_stdin() {
            return Ok((Box::new(io::stdin()), None));
        }
        let file = File::open(&self.path)?;
        let bytes = file
            .metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|meta| meta.len());
        Ok((Box::new(file), bytes))
    }
}

/// Whether one of the paths is a folder.
pub fn has_folder(paths: &[PathBuf]) -> bool {
    paths.iter().any(|path| path.is_dir())
}

/// Every file that the paths name, folders as their files in the order of their names.
///
/// # Errors
/// A path that is not there; stdin twice.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.is_dir() {
            inputs.extend(files(path)?);
            continue;
        }
        let input = Input {
            path: path.clone(),
            from_folder: false,
        };
        if !input.is_stdin() {
            std::fs::metadata(path).map_err(|cause| Failure::file(path.display(), &cause))?;
        }
        inputs.push(input);
    }
    if inputs.iter().filter(|input| input.is_stdin()).count() > 1 {
        return Err(Failure::usage("stdin can be read only once; name - once"));
    }
    Ok(inputs)
}

/// That the file of rejects is not one of the inputs: it would be emptied before it was read.
///
/// # Errors
/// Where it is.
pub fn check_rejects(inputs: &[Input], rejects: &Path) -> Result<(), Failure> {
    let Ok(rejects) = rejects.canonicalize() else {
        return Ok(());
    };
    let is_it = |input: &Input| input.path.canonicalize().is_ok_and(|path| path == rejects);
    if inputs.iter().any(|input| !input.is_stdin() && is_it(input)) {
        return Err(Failure::usage(
            "--rejects names one of the inputs; name another file for the rejected rows",
        ));
    }
    Ok(())
}

/// The files of a folder, without hidden ones and without rejects.
fn files(folder: &Path) -> Result<Vec<Input>, Failure> {
    let failed = |cause: io::Error| Failure::file(folder.display(), &cause);
    let mut files = Vec::new();
    for item in std::fs::read_dir(folder).map_err(failed)? {
        let path = item.map_err(failed)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_rejects = path.extension().is_some_and(|ending| ending == REJECTS);
        if path.is_file() && !is_hidden && !is_rejects {
            files.push(Input {
                path,
                from_folder: true,
            });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The inputs that are imported before anything is waited for: all of them, and of a followed folder none, since its
/// files may still be written and are taken once they have stopped growing.
pub fn at_once(inputs: Vec<Input>, is_followed: bool) -> Vec<Input> {
    let waits = |input: &Input| is_followed && input.from_folder;
    inputs.into_iter().filter(|input| !waits(input)).collect()
}

/// How a file looked: its length and when it was changed.
type Look = (u64, Option<SystemTime>);

/// What has been imported of followed folders.
#[derive(Debug, Default)]
pub struct Seen {
    done: HashMap<PathBuf, Look>,
    growing: HashMap<PathBuf, Look>,
}

impl Seen {
    /// Notes a file that is about to be imported.
    pub fn add(&mut self, input: &Input) {
        if let Some(look) = look(&input.path) {
            self.done.insert(input.path.clone(), look);
        }
    }

    /// The files of the folders that are new or changed, once they have stopped growing.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn fresh(&mut self, paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
        let mut fresh = Vec::new();
        for folder in paths.iter().filter(|path| path.is_dir()) {
            for input in files(folder)? {
                let Some(now) = look(&input.path) else { continue };
                if self.done.get(&input.path) == Some(&now) {
                    continue;
                }
                if self.growing.insert(input.path.clone(), now) == Some(now) {
                    self.growing.remove(&input.path);
                    self.done.insert(input.path.clone(), now);
                    fresh.push(input);
                }
            }
        }
        Ok(fresh)
    }
}

fn look(path: &Path) -> Option<Look> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.len(), meta.modified().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_files_by_name_without_hidden_ones_and_rejects() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.txt", ".hidden", "a.txt.rejects"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("deeper")).unwrap();
        let inputs = expand(&[folder.path().to_owned(), "-".into()]).unwrap();
        let names: Vec<_> = inputs
            .iter()
            .map(|input| input.path.file_name().unwrap_or_default())
            .collect();
        assert_eq!(names, ["a.txt", "b.csv", "-"]);
        assert!(expand(&["-".into(), "-".into()]).is_err());
        assert!(expand(&[folder.path().join("missing")]).is_err());
    }

    #[test]
    fn the_files_of_a_followed_folder_wait_until_they_have_stopped_growing() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("named.txt");
        let followed = folder.path().join("in");
        std::fs::create_dir(&followed).unwrap();
        std::fs::write(&named, "x").unwrap();
        std::fs::write(followed.join("a.txt"), "x").unwrap();
        let paths = [followed, named.clone()];
        let first = |is_followed| at_once(expand(&paths).unwrap(), is_followed);
        assert_eq!(first(false).len(), 2);
        let first = first(true);
        assert_eq!((first.len(), &first[0].path), (1, &named));
        let mut seen = Seen::default();
        assert_eq!(seen.fresh(&paths).unwrap().len(), 0);
        assert_eq!(seen.fresh(&paths).unwrap().len(), 1);
    }

    #[test]
    fn a_followed_file_is_taken_once_it_has_stopped_growing() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().to_owned()];
        let file = folder.path().join("a.txt");
        let mut seen = Seen::default();
        std::fs::write(&file, "one").unwrap();
        assert_eq!(seen.fresh(&paths).unwrap().len(), 0);
        std::fs::write(&file, "one two").unwrap();
        assert_eq!(seen.fresh(&paths).unwrap().len(), 0);
        assert_eq!(seen.fresh(&paths).unwrap().len(), 1);
        assert_eq!(seen.fresh(&paths).unwrap().len(), 0);
    }
}

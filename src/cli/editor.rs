//! A text in a person's own editor, and the file that it works on.
//!
//! Nobody's edit is thrown away: a file that somebody wrote into stays until what it says is recorded, whatever ends the command
//! before, and whoever wrote is told where it is. One that nobody touched is removed.

use super::connect::{Actor, Reach, random_id};
use super::failure::Failure;
use super::screen::Screen;
use crate::client::DEFAULT_SERVER;
use std::collections::HashSet;
use std::fmt::Display;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why a command ends that was told to.
const INTERRUPTED: &str = "interrupted";

/// The person who edits: an editor, and perhaps a terminal to be asked at. While it is there Ctrl-C and SIGTERM end what is waited for,
/// and not the process, so that the file can be seen to.
pub struct Desk<'s> {
    screen: &'s Screen,
    interrupt: Signal,
    terminate: Signal,
}

impl<'s> Desk<'s> {
    /// Listens for Ctrl-C and SIGTERM from now on.
    ///
    /// # Errors
    /// Where no editor is named and there is no terminal for one; where signals cannot be listened to.
    pub fn open(screen: &'s Screen) -> Result<Self, Failure> {
        let is_terminal = screen.out_terminal && std::io::stdin().is_terminal();
        if named_editor().is_none() && !is_terminal {
            return Err(Failure::failed(
                "there is no editor to open: neither VISUAL nor EDITOR is set, and this is no terminal; set EDITOR, or give the text \
                 with --from FILE",
            ));
        }
        let listen = |kind: SignalKind| {
            signal(kind).map_err(|error| Failure::failed(format!("signals cannot be listened to: {error}")))
        };
        Ok(Self {
            screen,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Runs the person's editor as a shell would, and waits for it. Ctrl-C is the editor's: for many it is a key as others are.
    ///
    /// # Errors
    /// An editor that cannot be run or that failed; SIGTERM.
    pub async fn edit(&mut self, path: &Path) -> Result<(), String> {
        let editor = named_editor().unwrap_or_else(|| "vi".to_owned());
        let mut child = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("{editor} \"$1\""))
            .arg("sh")
            .arg(path)
            .spawn()
            .map_err(|error| format!("the editor `{editor}` cannot be run: {error}; set EDITOR"))?;
        let mut is_told_to_end = false;
        let ended = loop {
            tokio::select! {
                ended = child.wait() => break ended,
                _ = self.interrupt.recv() => pass_on(&child, rustix::process::Signal::INT),
                _ = self.terminate.recv() => {
                    pass_on(&child, rustix::process::Signal::TERM);
                    if std::mem::replace(&mut is_told_to_end, true) {
                        return Err(INTERRUPTED.to_owned());
                    }
                }
            }
        };
        match ended {
            _ if is_told_to_end => Err(INTERRUPTED.to_owned()),
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the editor `{editor}` failed ({status})")),
            Err(error) => Err(format!("the editor `{editor}` cannot be waited for: {error}")),
        }
    }

    /// Asks a person at a terminal; what is not answered with yes or no counts as `otherwise`. Where nobody can be asked the answer is
    /// no.
    ///
    /// # Errors
    /// Ctrl-C or SIGTERM instead of an answer.
    pub async fn ask(&mut self, question: impl Display, otherwise: bool) -> Result<bool, String> {
        if !self.screen.err_terminal || !std::io::stdin().is_terminal() {
            return Ok(false);
        }
        let choice = if otherwise { "[Y/n]" } else { "[y/N]" };
        if write!(std::io::stderr(), "{question} {choice} ").is_err() {
            return Ok(false);
        }
        let answer = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            let read = std::io::stdin().lock().read_line(&mut answer);
            read.map(|bytes| (answer, bytes))
        });
        let answered = self.unless_interrupted(answer).await?;
        let Ok(Ok((answer, bytes))) = answered else {
            return Ok(false);
        };
        Ok(match answer.trim().to_lowercase().chars().next() {
            Some('y') => true,
            Some('n') => false,
            // The end of the input is no consent.
            _ => otherwise && bytes > 0,
        })
    }

    /// What a call answers.
    ///
    /// # Errors
    /// Ctrl-C or SIGTERM before it does.
    pub async fn unless_interrupted<T>(&mut self, call: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            answer = call => Ok(answer),
            _ = self.interrupt.recv() => Err(INTERRUPTED.to_owned()),
            _ = self.terminate.recv() => Err(INTERRUPTED.to_owned()),
        }
    }
}

/// The editor that the person's environment names.
fn named_editor() -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    set("VISUAL").or_else(|| set("EDITOR"))
}

/// Sends a signal to the editor. One that has ended needs none.
fn pass_on(child: &Child, signal: rustix::process::Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(id, signal);
    }
}

/// The file that the editor works on.
pub struct Edited {
    /// Where it is.
    pub path: PathBuf,
    /// What the editor was given.
    given: String,
}

impl Edited {
    /// A new file that only its owner can read, with a text and an ending by which editors know its form.
    ///
    /// # Errors
    /// A file that cannot be made or written; what was written of it is removed.
    pub fn create(text: &str, ending: &str) -> Result<Self, Failure> {
        use std::os::unix::fs::OpenOptionsExt;
        let name = format!("chancery-edit-{}.{ending}", &random_id()?[..12]);
        let path = std::env::temp_dir().join(name);
        let failed = |cause: std::io::Error| {
            Failure::failed(format!(
                "the text for the editor cannot be written to `{}`: {cause}; set TMPDIR to a folder that has room",
                path.display()
            ))
        };
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        if let Err(cause) = file.write_all(text.as_bytes()) {
            // Nobody has edited it yet.
            let _ = std::fs::remove_file(&path);
            return Err(failed(cause));
        }
        let given = text.to_owned();
        Ok(Self { path, given })
    }

    /// What is in it now.
    ///
    /// # Errors
    /// What the system says; bytes that are not UTF-8.
    pub fn text(&self) -> Result<String, Failure> {
        std::fs::read_to_string(&self.path).map_err(|cause| Failure::file(self.path.display(), &cause))
    }

    /// Whether it has no line of a person's own. One that cannot be read may have.
    pub fn is_untouched(&self) -> bool {
        match std::fs::read(&self.path) {
            Ok(bytes) => std::str::from_utf8(&bytes).is_ok_and(|text| is_all_given(text, &self.given)),
            Err(cause) => cause.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Ends before anything was recorded: an untouched file goes, another stays. Answers what is said of that, with the command that goes
    /// on.
    pub fn end(self, problem: &str, again: &str) -> Failure {
        if self.is_untouched() {
            self.discard();
            return Failure::failed(format!("{problem}; nothing was recorded"));
        }
        let path = self.path.display();
        Failure::failed(format!(
            "{problem}; what you wrote is kept in {path}: mend it, and run: {again}"
        ))
    }

    /// Ends where nobody knows whether it was recorded. The file stays as it is: the command records it once.
    pub fn end_in_doubt(self, again: &str) -> Failure {
        let path = self.path.display();
        Failure::failed(format!(
            "whether what you wrote was recorded is not known; it is kept in {path}: leave it as it is, and run this, which records \
             nothing twice: {again}"
        ))
    }

    /// Removes it.
    pub fn discard(self) {
        // A file that cannot be removed does no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether each line of a text is one of what was given, or blank.
fn is_all_given(text: &str, given: &str) -> bool {
    let given: HashSet<&str> = given.lines().map(str::trim_end).collect();
    let mut lines = text.lines().map(str::trim_end);
    lines.all(|line| line.is_empty() || given.contains(line))
}

/// A command that goes on with a text that was kept, as a person may paste it into a shell. It names the same request, principal and
/// server as the one that kept it.
pub struct Further {
    words: Vec<String>,
}

impl Further {
    /// A command, as `chancery edit`, and how it reaches the same daemon in the same name.
    pub fn of(command: &str, actor: &Actor, reach: &Reach) -> Self {
        let server = Some(reach.server.clone()).filter(|server| server != DEFAULT_SERVER);
        Self {
            words: vec![command.to_owned()],
        }
        .with("--as", actor.name.as_deref())
        .with("--server", server.as_deref())
        .with("--request-id", actor.request_id.as_deref())
    }

    /// With an option, where it has a value.
    #[must_use]
    pub fn with(mut self, option: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.words.push(format!("{option} {}", quoted(value)));
        }
        self
    }

    /// The command for an entry, which takes its text from a file.
    pub fn from(&self, entry: impl Display, path: &Path) -> String {
        let (entry, path) = (entry.to_string(), path.display().to_string());
        format!(
            "{} {} --from {}",
            self.words.join(" "),
            quoted(&entry),
            quoted(&path)
        )
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_goes_on_names_all_that_it_was_given_as_a_shell_reads_it() {
        let actor = Actor {
            name: Some("O'Brien at the desk".to_owned()),
            request_id: Some("batch-7".to_owned()),
        };
        let reach = |server: &str| Reach {
            server: server.to_owned(),
        };
        let further =
            Further::of("chancery edit", &actor, &reach("http://archive:7711")).with("--kind", None);
        assert_eq!(
            further.from("desk/k", Path::new("drafts/a b.json")),
            "chancery edit --as 'O'\\''Brien at the desk' --server http://archive:7711 --request-id batch-7 desk/k --from 'drafts/a b.json'"
        );
        let plain = Further::of("chancery edit", &Actor::default(), &reach(DEFAULT_SERVER));
        assert_eq!(
            plain.from("desk/k", Path::new("drafts/a.json")),
            "chancery edit desk/k --from drafts/a.json"
        );
    }

    #[test]
    fn only_lines_that_were_given_are_nobodys_own() {
        let given = "# a note\n\nevent\ntitle: x\n";
        for (text, expected) in [
            ("", true),
            ("# a note\n\n", true),
            ("  \n# a note   \n", true),
            ("# a note\n# ask Anna\n", false),
            ("#\n", false),
        ] {
            assert_eq!(is_all_given(text, given), expected, "{text:?}");
        }
    }
}

//! A daemon of one test's own, and the binary to ask it with.

use assert_cmd::Command;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing that a test asks for takes longer.
pub const LONGEST: Duration = Duration::from_secs(60);

/// The binary, without what the machine's environment would tell it.
pub fn chancery(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    for name in [
        "CHANCERY_SERVER",
        "CHANCERY_AS",
        "CHANCERY_CONFIG",
        "CHANCERY_LOG",
        "VISUAL",
        "EDITOR",
    ] {
        command.env_remove(name);
    }
    command.timeout(LONGEST).args(args);
    command
}

/// What a command wrote and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A daemon that ends with its handle.
pub struct Daemon {
    child: Child,
    address: String,
    files: Option<String>,
    folder: TempDir,
    stderr: BufReader<ChildStderr>,
}

impl Daemon {
    /// On an empty archive.
    pub fn start() -> Self {
        Self::on(tempfile::tempdir().unwrap(), "127.0.0.1:0")
    }

    /// On an archive that is there, at an address.
    pub fn on(folder: TempDir, listen: &str) -> Self {
        // The port after a free one may be what another test is about to listen on again.
        Self::with(folder, &["--listen", listen, "--http", "off"])
    }

    /// With settings.
    pub fn with(folder: TempDir, settings: &[&str]) -> Self {
        Self::with_env(folder, settings, &[])
    }

    /// With settings, and with variables of the surroundings.
    pub fn with_env(folder: TempDir, settings: &[&str], variables: &[(&str, &Path)]) -> Self {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_chancery"))
            .args(["serve", "--origin", "example.org/test", "--data"])
            .arg(folder.path().join("data"))
            .args(settings)
            .current_dir(folder.path())
            .env("CHANCERY_LOG", "off")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let mut addresses = line.split_whitespace().filter(|word| word.starts_with("http://"));
        let address = addresses
            .next()
            .unwrap_or_else(|| panic!("no address in {line:?}"))
            .to_owned();
        let files = addresses.next().map(str::to_owned);
        Self {
            child,
            address,
            files,
            folder,
            stderr,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where its HTTP port is, if it has one.
    pub fn files(&self) -> Option<&str> {
        self.files.as_deref()
    }

    /// A folder for the test's files, beside the archive.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The archive.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A file of the test.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A command that asks this daemon.
    pub fn ask(&self, args: &[&str]) -> Command {
        let mut command = chancery(args);
        command.env("CHANCERY_SERVER", &self.address);
        command
    }

    /// Starts a command and leaves it running.
    pub fn spawn(&self, args: &[&str]) -> Child {
        std::process::Command::new(env!("CARGO_BIN_EXE_chancery"))
            .args(args)
            .env("CHANCERY_SERVER", &self.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a command that must succeed; what it wrote.
    pub fn ok(&self, args: &[&str]) -> String {
        let ended = run(&mut self.ask(args));
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        ended.out
    }

    /// Runs a command that must fail with exit code 1; its sentence.
    pub fn refused(&self, args: &[&str]) -> String {
        let ended = run(&mut self.ask(args));
        assert_eq!(ended.code, 1, "{args:?}: {ended:?}");
        ended.err
    }

    /// Appends JSON records.
    pub fn append(&self, text: &str) -> String {
        let ended = run(self.ask(&["append", "-", "-o", "json"]).write_stdin(text));
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.out
    }

    /// The tail.
    pub fn tail(&self) -> u64 {
        json(&self.ok(&["status", "-o", "json"]))["tail"]
            .as_u64()
            .unwrap()
    }

    /// Ends it as a power cut would; the folder.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Stops it as an operator would; what it said, and the folder.
    pub fn stop(self) -> (String, TempDir) {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        self::signal(&self.child, signal);
    }

    /// Waits for its end, which must be orderly; what it said, and the folder.
    pub fn ended(mut self) -> (String, TempDir) {
        let said = std::io::read_to_string(&mut self.stderr).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (said, folder)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An editor that writes, sends a signal to the command that opened it, and does not end before it is told to itself: nobody writes into
/// the pipe that it reads.
pub fn ended_meanwhile(daemon: &Daemon, signal: &str, write: &str) -> String {
    let pipe = daemon.folder().join("pipe");
    let pipe = pipe.display();
    format!(
        "trap 'exit 1' INT TERM; test -p {pipe} || mkfifo {pipe}; f() {{ {write}; kill -{signal} $PPID; read line < {pipe}; }}; f"
    )
}

/// Ctrl-C.
pub fn interrupt(child: &Child) {
    signal(child, rustix::process::Signal::INT);
}

/// Sends a signal.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, signal).unwrap();
}

/// Asks again until it is so.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < LONGEST {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

/// What a file says; nothing where there is none yet.
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Waits until none of these processes is there any more.
pub fn gone(ids: &str) {
    for id in ids.split_whitespace() {
        let stat = || text(Path::new(&format!("/proc/{id}/stat")));
        // What was orphaned by it is waited for by the machine's init, in its own time.
        until("it is gone", || {
            let stat = stat();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
    }
}

/// One JSON text.
pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// JSON lines.
pub fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(json).collect()
}

/// Says that a test was skipped since a file is not there: what a test prints with a macro is shown only where it fails.
pub fn skipped(path: &str) {
    let said = format!("SKIPPED for lack of data: set CHANCERY_SHARED to the folder that holds {path}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
}

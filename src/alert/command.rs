//! Runs a command for a match: a program with its arguments, never a shell.
//!
//! The command has a process group of its own: whoever cuts it off ends whatever it started, too.

use super::attempt::{Failed, Of, Why};
use super::matched::Told;
use super::own_group::OwnGroup;
use std::collections::VecDeque;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// What a command is told of its match, here and by `watch --exec`; a daemon that a command starts has them in its surroundings.
pub const VARIABLES: [&str; 8] = [
    "CHANCERY_ALERT",
    "CHANCERY_POSITION",
    "CHANCERY_SERIES",
    "CHANCERY_KEY",
    "CHANCERY_ACT",
    "CHANCERY_REVISION",
    "CHANCERY_CHANGE",
    "CHANCERY_HASH",
];
/// The most bytes of one argument: the system takes no more (`MAX_ARG_STRLEN`, with the zero at its end).
pub const ARGUMENT_BYTES_MAX: usize = 131_071;
/// How much of the end of stderr is kept.
const STDERR_BYTES: usize = 1024;
/// How long the stderr of a command that failed is still read: something that it started may hold it open for ever.
const LINGER: Duration = Duration::from_millis(200);

/// Runs it and returns once it has ended; `cut` says when it is cut off, and why.
///
/// # Errors
/// [`Failed`]; only an exit with 0 is none.
pub async fn run(
    argv: &[String],
    of: &Of<'_>,
    told: &Told,
    cut: impl Future<Output = Why>,
) -> Result<(), Failed> {
    let mut group = start(argv, of.alert, told)?;
    let tail = Tail::default();
    let why = match ended(&mut group, &told.line, &tail, cut).await {
        Ended::By(Ok(status)) if status.success() => return Ok(()),
        Ended::By(Ok(status)) => Why::Exit(status),
        Ended::By(Err(cause)) => Why::Unwaited(cause),
        Ended::Cut(why) => {
            group.kill().await;
            why
        }
    };
    let stderr = tail.text();
    Err(Failed { why, stderr })
}

fn start(argv: &[String], alert: &str, told: &Told) -> Result<OwnGroup, Why> {
    // There is a program, or the settings would have been refused.
    let (program, arguments) = argv
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first, rest));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(VARIABLES.into_iter().zip(values(alert, told)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    OwnGroup::start(&mut command).map_err(|cause| Why::Unstarted {
        program: program.to_owned(),
        cause,
    })
}

/// Those of [`VARIABLES`].
fn values(alert: &str, told: &Told) -> [String; 8] {
    [
        alert.to_owned(),
        told.position.to_string(),
        told.series.clone(),
        told.key.clone(),
        told.act.word().to_owned(),
        told.revision.to_string(),
        told.change.word().to_owned(),
        hex::encode(told.leaf_hash),
    ]
}

/// How it ended: by itself, or cut off. Once it has ended by itself nothing cuts it off.
enum Ended {
    By(io::Result<ExitStatus>),
    Cut(Why),
}

async fn ended(group: &mut OwnGroup, input: &str, tail: &Tail, cut: impl Future<Output = Why>) -> Ended {
    let (stdin, stderr) = (group.leader().stdin.take(), group.leader().stderr.take());
    let talk = async {
        if let Some(mut stdin) = stdin {
            // A command need not read what it is given; its exit code is what counts.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let listen = async {
        if let Some(stderr) = stderr {
            tail.fill(stderr).await;
        }
    };
    let mut both = std::pin::pin!(async { tokio::join!(talk, listen) });
    let mut cut = std::pin::pin!(cut);
    let mut is_silent = false;
    loop {
        tokio::select! {
            status = group.wait() => {
                let has_failed = !status.as_ref().is_ok_and(ExitStatus::success);
                if has_failed && !is_silent {
                    // What has not come by then is not waited for.
                    let _ = tokio::time::timeout(LINGER, both).await;
                }
                return Ended::By(status);
            }
            _ = &mut both, if !is_silent => is_silent = true,
            why = &mut cut => return Ended::Cut(why),
        }
    }
}

/// The end of what was written to stderr.
#[derive(Default)]
struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    async fn fill(&self, mut from: impl tokio::io::AsyncRead + Unpin) {
        let mut buffer = [0; STDERR_BYTES];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&buffer[..read]);
            let over = kept.len().saturating_sub(STDERR_BYTES);
            kept.drain(..over);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Act, Position, Revision};
    use crate::view::Change;

    fn told() -> Told {
        Told {
            position: Position::new(7),
            leaf_hash: [7; 32],
            series: "desk".into(),
            key: "k".into(),
            act: Act::Create,
            revision: Revision::FIRST,
            change: Change::Enters,
            line: "{\"key\":\"k\"}\n".into(),
        }
    }

    async fn sh(script: &str, cut: impl Future<Output = Why>) -> Result<(), Failed> {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        let of = Of {
            alert: "a",
            origin: "example.org/test",
        };
        run(&argv, &of, &told(), cut).await
    }

    #[tokio::test]
    async fn a_command_is_told_on_stdin_and_in_its_environment() {
        let script = "read line; [ \"$line\" = '{\"key\":\"k\"}' ] && \
                      [ \"$CHANCERY_ALERT $CHANCERY_POSITION $CHANCERY_SERIES $CHANCERY_KEY $CHANCERY_ACT \
                      $CHANCERY_REVISION $CHANCERY_CHANGE $CHANCERY_HASH\" = 'a 7 desk k create 1 enters '$(printf '07%.0s' \
                      $(seq 32)) ]";
        sh(script, std::future::pending()).await.unwrap();
    }

    #[tokio::test]
    async fn a_failure_has_the_end_of_what_was_said() {
        let script = "head -c 3000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the disk is full >&2; exit 3";
        let failed = sh(script, std::future::pending()).await.unwrap_err();
        assert_eq!(
            failed.line(),
            "the command ended with exit status: 3: the disk is full"
        );
        assert!(failed.stderr.len() < STDERR_BYTES && failed.stderr.starts_with("xxx"));
        let argv = ["no-such-program-anywhere".to_owned()];
        let of = Of {
            alert: "a",
            origin: "o",
        };
        let failed = run(&argv, &of, &told(), std::future::pending())
            .await
            .unwrap_err();
        assert!(
            failed
                .line()
                .starts_with("`no-such-program-anywhere` cannot be run"),
            "{}",
            failed.line()
        );
    }

    #[tokio::test]
    async fn a_command_that_has_ended_is_not_cut_off_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let ended = folder.path().join("ended");
        // What it leaves behind in another group holds stderr, which is read for a moment; it is cut off within that.
        let script = format!("setsid sleep 2 & touch {}; exit 3", ended.display());
        let cut = async {
            while !ended.exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(LINGER / 2).await;
            Why::Timeout(Duration::from_secs(1))
        };
        let failed = sh(&script, cut).await.unwrap_err();
        assert_eq!(failed.line(), "the command ended with exit status: 3");
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_that_succeeded_stays_and_does_not_hold_it_up() {
        let folder = tempfile::tempdir().unwrap();
        let id = folder.path().join("id");
        let script = format!("sleep 300 & echo $! > {}; exit 0", id.display());
        sh(&script, std::future::pending()).await.unwrap();
        let id = std::fs::read_to_string(id).unwrap();
        let left = rustix::process::Pid::from_raw(id.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn what_a_command_left_behind_that_failed_is_dead() {
        let folder = tempfile::tempdir().unwrap();
        let id = folder.path().join("id");
        for ends in ["exit 3", "kill -9 $$"] {
            let script = format!("sleep 300 & echo $! > {}; {ends}", id.display());
            sh(&script, std::future::pending()).await.unwrap_err();
            dead(&std::fs::read_to_string(&id).unwrap()).await;
        }
    }

    #[tokio::test]
    async fn whoever_is_cut_off_is_dead_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let ids = folder.path().join("ids");
        let script = format!(
            "sleep 300 & echo $$ $! > {0}.new && mv {0}.new {0}; wait",
            ids.display()
        );
        let cut = async {
            while !ids.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Why::Timeout(Duration::from_secs(1))
        };
        let failed = sh(&script, cut).await.unwrap_err();
        assert_eq!(failed.line(), "not done within 1 s, and cut off");
        dead(&std::fs::read_to_string(ids).unwrap()).await;
    }

    async fn dead(ids: &str) {
        for id in ids.split_whitespace() {
            let is_gone = || {
                let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
                // What it started is waited for by the machine's init, in its own time.
                stat.is_empty() || stat.contains(") Z ")
            };
            let gone = async {
                while !is_gone() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
        }
    }
}

//! A command with a process group of its own, so that it can be ended together with whatever it started.
//!
//! The whole group is killed while its leader is not yet waited for, so that the number cannot be another's by then.

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

/// The numbers of the groups that are not dropped yet.
static GROUPS: Mutex<Vec<i32>> = Mutex::new(Vec::new());

fn with_groups(change: impl FnOnce(&mut Vec<i32>)) {
    change(&mut GROUPS.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Kills every group that there is, for a process that ends at once: nothing is dropped then.
pub fn end_all() {
    with_groups(|groups| groups.drain(..).filter_map(Pid::from_raw).for_each(kill));
}

fn kill(group: Pid) {
    // It may have ended just now.
    let _ = kill_process_group(group, Signal::KILL);
}

/// A command and whatever it started; killed where this is dropped before the command was waited for, and where the command failed.
/// What a command left behind that succeeded stays.
#[derive(Debug)]
pub struct OwnGroup {
    leader: Child,
    /// Tells that some child of this process has ended.
    children: Signals,
    /// The number of the group.
    id: Option<i32>,
}

/// The number of a process that was not waited for yet.
fn number(leader: &Child) -> Option<i32> {
    leader.id().and_then(|id| i32::try_from(id).ok())
}

impl OwnGroup {
    /// Starts it.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let children = signal(SignalKind::child())?;
        let leader = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = number(&leader);
        with_groups(|groups| groups.extend(id));
        Ok(Self { leader, children, id })
    }

    /// Its leader: what is said to it, and what it says. [`OwnGroup::wait`] alone waits for it.
    pub fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }

    /// Waits for the leader. Where it failed, whatever it left behind is killed.
    ///
    /// # Errors
    /// What the system says.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(leader) = number(&self.leader).and_then(Pid::from_raw)
            && !self.succeeds(leader).await?
        {
            kill(leader);
        }
        self.leader.wait().await
    }

    /// Whether it ended with success, once it has ended. It is not waited for yet: its number is still that of its group.
    async fn succeeds(&mut self, leader: Pid) -> io::Result<bool> {
        let dead = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        loop {
            if let Some(status) = retry_on_intr(|| waitid(WaitId::Pid(leader), dead))? {
                return Ok(status.exit_status() == Some(0));
            }
            self.children.recv().await;
        }
    }

    /// Ends all of it, and waits for the leader: no zombie stays.
    pub async fn kill(&mut self) {
        self.signal();
        // It cannot resist; if the system cannot wait for it nobody can.
        let _ = self.leader.wait().await;
    }

    /// Ends all of it, and returns once the leader is dead: it does nothing any more beside whoever is given its work next.
    /// Waits for the system.
    pub fn end(&self) {
        if let Some(leader) = self.signal() {
            let dead = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            // If the system cannot wait for it nobody can.
            let _ = retry_on_intr(|| waitid(WaitId::Pid(leader), dead));
        }
    }

    /// Kills it; `None` where there is nobody any more.
    fn signal(&self) -> Option<Pid> {
        // There is no number once it was waited for.
        let group = number(&self.leader).and_then(Pid::from_raw)?;
        kill(group);
        Some(group)
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        with_groups(|groups| groups.retain(|id| Some(*id) != self.id));
        self.signal();
    }
}

//! A command with a process group of its own, so that it can be ended together with whatever it started.
//!
//! The whole group is killed while its leader is not yet waited for, so that the number cannot be another's by then.

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use tokio::process::{Child, Command};

/// A command and whatever it started; killed where this is dropped before the command was waited for.
#[derive(Debug)]
pub struct OwnGroup(Child);

impl OwnGroup {
    /// Starts it.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.process_group(0).kill_on_drop(true).spawn().map(Self)
    }

    /// Its leader: what is said to it, what it says, and how it ends.
    pub fn leader(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Ends all of it, and waits for the leader: no zombie stays.
    pub async fn kill(&mut self) {
        self.signal();
        // It cannot resist; if the system cannot wait for it nobody can.
        let _ = self.0.wait().await;
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
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        let group = id.and_then(Pid::from_raw)?;
        // It may have ended just now.
        let _ = kill_process_group(group, Signal::KILL);
        Some(group)
    }
}

impl Drop for OwnGroup {
    fn drop(&mut self) {
        self.signal();
    }
}

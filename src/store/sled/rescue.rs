//! What sled can give back to a start that finds the journal damaged.
//!
//! sled may hang as it may fail, and a start must end: it waits for a while, and then does without. That nothing came in
//! time does not say that there was nothing, so that the journal's end is not cut then.

use super::frame;
use super::{HotLog, key_parts};
use crate::log::store::Rescued;
use crate::record::Position;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;

impl HotLog {
    /// What sled holds from `from` on without a gap, up to `until`.
    pub fn rescue(self: &Arc<Self>, from: Position, until: Option<Position>) -> Rescued {
        let silent = || Rescued {
            runs: Vec::new(),
            seen: self.seen(),
            silent: true,
        };
        if self.is_unusable() {
            return silent();
        }
        let (answer, answered) = sync_channel(1);
        let this = Arc::clone(self);
        let asked = std::thread::Builder::new()
            .name("hot-rescue".into())
            .spawn(move || answer.send(this.gather(from, until)));
        let answer = match asked {
            Ok(_) => answered.recv_timeout(self.options.patience).ok(),
            Err(_) => None,
        };
        answer.unwrap_or_else(|| {
            // The thread is left behind: nobody can end it.
            self.unusable.store(true, Ordering::Release);
            tracing::error!("sled did not answer in time; this start does without it and leaves it as it is");
            silent()
        })
    }

    /// Whether a start waited for sled in vain.
    pub fn is_unusable(&self) -> bool {
        self.unusable.load(Ordering::Acquire)
    }

    fn gather(&self, from: Position, until: Option<Position>) -> Rescued {
        if !self.is_open() {
            // Where its newest block is damaged it is open all the same, and may hold what is sought.
            let _ = self.open();
        }
        if !self.is_open() {
            return Rescued {
                seen: self.seen(),
                ..Rescued::default()
            };
        }
        // What is asked for now is not in the journal: a fault met while it is read is met again by the thread.
        self.faulted.store(false, Ordering::Release);
        let until = until.unwrap_or(Position::new(u64::MAX));
        let mut runs = Vec::new();
        let mut at = from;
        while at < until {
            let Some(block) = self.block(at) else { break };
            let part = block.run.slice(at, until);
            at = part.end();
            runs.push(part);
        }
        self.faulted.store(false, Ordering::Release);
        if from < at {
            self.gave(from, at);
        }
        Rescued {
            runs,
            seen: self.seen().max(self.newest_end().unwrap_or_default()).max(at),
            silent: false,
        }
    }

    /// Remembers what the journal may not hold: until sled has agreed with the log, it serves that alone.
    fn gave(&self, from: Position, until: Position) {
        let mut rescued = self.rescued();
        let start = if rescued.is_empty() {
            from
        } else {
            rescued.start.min(from)
        };
        *rescued = start..rescued.end.max(until);
        self.through.fetch_max(until.get(), Ordering::AcqRel);
    }

    /// The position after the newest block, of which only head and slots need to be whole.
    fn newest_end(&self) -> Option<Position> {
        let (last, _) = self.with(|db| db.last()).ok()??;
        let (first, _) = key_parts(&last)?;
        let bytes = self.join(first).ok()?;
        let (header, _) = frame::decode_head(&bytes).ok()?;
        let ours = header.segment == self.options.archive && header.first == first;
        ours.then(|| header.end())
    }
}

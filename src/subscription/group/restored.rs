//! Groups as they were kept, held against the log as it is now.

use super::Settings;
use super::kept::{self, Bound, Progress};
use super::state::GroupState;
use crate::log::Log;
use crate::record::Position;
use std::collections::BTreeMap;

/// A group as it was kept.
pub(super) struct Restored {
    pub settings: Settings,
    pub state: GroupState,
    pub bound: Option<Bound>,
    /// Why it cannot go on with this log.
    pub stopped: Option<String>,
}

/// The group of this name; `None` where what is kept of it cannot be read. Reads the log.
pub(super) fn restored(
    name: &str,
    settings: &[u8],
    values: &BTreeMap<String, Vec<u8>>,
    log: &Log,
) -> Option<Restored> {
    let settings = kept::read_settings(name, settings)?;
    let progress = kept::read_progress(values.get(&kept::progress_name(name))?)?;
    let stopped = why_stopped(&progress, log);
    let prefix = kept::parked_prefix(name);
    let parked = values
        .range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix))
        .filter_map(|(name, bytes)| {
            let position = Position::new(name[prefix.len()..].parse().ok()?);
            Some((position, kept::read_parked(bytes)?))
        });
    let Progress { next, bound, open } = progress;
    let state = GroupState::restored(settings.rules.clone(), (next, log.tail()), open, parked);
    Some(Restored {
        settings,
        state,
        bound,
        stopped,
    })
}

/// What a group has done is done with records of one log: on another one, or on an older copy that others were appended to since, it
/// would skip what it never saw.
fn why_stopped(progress: &Progress, log: &Log) -> Option<String> {
    let (next, tail) = (progress.next, log.tail());
    if next > tail {
        return Some(format!(
            "it has looked at records up to position {next}, and this archive ends at {tail}: it was put back from an older copy"
        ));
    }
    let (size, root) = progress.bound?;
    match log.root_at(size) {
        Ok(now) if now == root => None,
        Ok(_) => Some(format!(
            "it has looked at other records below position {size} than this archive has: the archive was put back from an older copy and \
             appended to, or forked"
        )),
        // Damage is told by whoever reads; nothing shows that the log is another one.
        Err(error) => {
            tracing::error!(%error, "what a group has done cannot be held against the log");
            None
        }
    }
}

//! Groups as they were kept, held against the log as it is now.

use super::Settings;
use super::kept::{self, Bound, Progress};
use super::state::{DELAY_MS_MAX, GroupState, Open, Parked, Rules, Sharing};
use crate::filter::Filter;
use crate::log::Log;
use crate::record::Position;
use crate::view::Mode;
use std::collections::BTreeMap;

/// A group as it was kept.
pub(super) struct Restored {
    pub settings: Settings,
    pub state: GroupState,
    pub bound: Option<Bound>,
    /// Why it cannot go on with this log.
    pub stopped: Option<String>,
}

impl Restored {
    /// A group of which nothing can be read but its name: it is there, so that nobody takes it for one that has done all, and can be
    /// deleted.
    fn unreadable(name: &str) -> Self {
        let rules = Rules {
            sharing: Sharing::Shared,
            ack_timeout_ms: 0,
            deliveries_max: 0,
            in_flight_max: 0,
        };
        let settings = Settings {
            name: name.to_owned(),
            filter: Filter::all(),
            mode: Mode::Changes,
            rules: rules.clone(),
        };
        Self {
            settings,
            state: GroupState::new(rules, Position::START),
            bound: None,
            stopped: Some("what is kept of it cannot be read by this version".to_owned()),
        }
    }
}

/// The group of this name. Where what is kept of it cannot be read it is stopped. Reads the log; `now_ms` are milliseconds since 1970, at
/// which the times of its state begin.
pub(super) fn restored(name: &str, values: &BTreeMap<String, Vec<u8>>, log: &Log, now_ms: u64) -> Restored {
    let value = |name: String| values.get(&name).map(Vec::as_slice);
    let settings = value(kept::settings_name(name)).and_then(|bytes| kept::read_settings(name, bytes));
    let progress = value(kept::progress_name(name)).and_then(kept::read_progress);
    let (Some(settings), Some(progress)) = (settings, progress) else {
        return Restored::unreadable(name);
    };
    let stopped = why_stopped(&progress, log);
    let prefix = kept::parked_prefix(name);
    let parked = values
        .range(prefix.clone()..)
        .take_while(|(name, _)| name.starts_with(&prefix))
        .filter_map(|(name, bytes)| {
            let position = Position::new(name[prefix.len()..].parse().ok()?);
            Some((
                position,
                kept::read_parked(bytes).unwrap_or_else(unreadable_reason),
            ))
        });
    let Progress {
        next,
        bound,
        open,
        done_ahead,
    } = progress;
    let open = open.into_iter().map(|one| Open {
        // A clock that was set back must not delay it for longer than it can have been delayed.
        delayed_until: (one.delayed_until).map(|until| until.saturating_sub(now_ms).min(DELAY_MS_MAX)),
        ..one
    });
    let places = (next, log.tail());
    let state = GroupState::restored(settings.rules.clone(), places, open, done_ahead, parked);
    Restored {
        settings,
        state,
        bound,
        stopped,
    }
}

/// A record that is parked, and of which nothing more can be read.
fn unreadable_reason() -> Parked {
    Parked {
        entry: 0,
        attempts: 0,
        reason: "why it was parked cannot be read".to_owned(),
    }
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

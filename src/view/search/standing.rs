//! How the view stands: how far it is, how fast it goes, how long that will take.

use super::Search;
use super::follow::version;
use crate::record::Position;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Fewer records are caught up with in a blink.
const BEHIND_RECORDS: u64 = 65_536;
/// Over how long a pace is measured.
const PACED: Duration = Duration::from_millis(500);

/// How fast it goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    from: Option<(Instant, u64)>,
    records_s: f64,
}

/// What a view does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It follows the log.
    Following,
    /// It is many records behind.
    CatchingUp,
    /// It is made anew beside the one that answers; the new one has every record below this position.
    Rebuilding(Position),
}

/// How a view stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The version of what is in it, and of the tables that it was made with.
    pub version: String,
    /// It has every record below this position.
    pub through: Position,
    /// What it does.
    pub doing: Doing,
    /// The bytes of its files.
    pub bytes: u64,
    /// The number of its files.
    pub files: usize,
    /// Records that it took in a second lately; 0 where it has nothing to catch up with.
    pub records_s: f64,
    /// About how long it will have to catch up.
    pub left: Option<Duration>,
    /// How often it was made anew since it was opened.
    pub rebuilds: u64,
}

impl Search {
    /// How it stands beside a log with this tail.
    pub fn standing(&self, tail: Position) -> Standing {
        // Before the other: what was asked for is begun before it is not asked for any more.
        let is_wanted = self.is_wanted();
        let rebuilt = self.rebuilt();
        let snapshot = self.snapshot();
        let through = snapshot.through();
        let doing = match &rebuilt {
            // What was asked for and is not begun yet is under way to whoever asked.
            None if is_wanted => Doing::Rebuilding(Position::START),
            None if tail.since(through.min(tail)) > BEHIND_RECORDS => Doing::CatchingUp,
            None => Doing::Following,
            Some(rebuilt) => Doing::Rebuilding(rebuilt.through()),
        };
        let (at, records_s) = match (doing, &rebuilt) {
            (Doing::Rebuilding(at), Some(rebuilt)) => (at, rebuilt.records_s()),
            (Doing::CatchingUp, _) => (through, self.records_s()),
            _ => (tail, 0.0),
        };
        let left = tail.since(at.min(tail)) as f64 / records_s;
        Standing {
            version: version(),
            through,
            doing,
            bytes: snapshot.bytes(),
            files: snapshot.volumes(),
            records_s,
            rebuilds: self.rebuilds.load(Ordering::Acquire),
            left: Duration::try_from_secs_f64(left).ok().filter(|_| records_s > 0.0),
        }
    }

    /// Has it made anew, beside the one that answers.
    pub fn rebuild(&self) {
        self.want(true);
    }

    pub(super) fn rebuilt(&self) -> Option<Arc<Self>> {
        self.rebuilt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_rebuilt(&self, rebuilt: Option<Arc<Self>>) {
        *self.rebuilt.lock().unwrap_or_else(PoisonError::into_inner) = rebuilt;
    }

    fn records_s(&self) -> f64 {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).records_s
    }

    /// Takes note of how far it is.
    pub(super) fn is_at(&self, through: Position) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        match pace.from {
            Some((since, _)) if since.elapsed() < PACED => {}
            Some((since, from)) if through.get() >= from => {
                pace.records_s = (through.get() - from) as f64 / since.elapsed().as_secs_f64();
                pace.from = Some((Instant::now(), through.get()));
            }
            _ => pace.from = Some((Instant::now(), through.get())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_that_of_the_last_moments() {
        let mut pace = Pace {
            from: Instant::now()
                .checked_sub(Duration::from_secs(2))
                .map(|since| (since, 1_000)),
            records_s: 0.0,
        };
        let opened = tempfile::tempdir().unwrap();
        let index = crate::index::open(opened.path()).unwrap();
        let search = Search::new(index.shelf, crate::view::fates::Fates::default());
        std::mem::swap(&mut pace, &mut search.pace.lock().unwrap());
        search.is_at(Position::new(3_000));
        assert!(
            (900.0..=1_000.0).contains(&search.records_s()),
            "{}",
            search.records_s()
        );
        let standing = search.standing(Position::new(200_000));
        assert_eq!(
            (standing.doing, standing.through),
            (Doing::CatchingUp, Position::START)
        );
        let left = standing.left.unwrap().as_secs();
        assert!((200..=223).contains(&left), "{left}");
        search.rebuild();
        assert_eq!(
            search.standing(Position::START).doing,
            Doing::Rebuilding(Position::START)
        );
    }
}

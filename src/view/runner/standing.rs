//! How a view stands: how far it is, how fast it goes, how long that will take.

use super::{Asked, View};
use crate::record::Position;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Fewer records are caught up with in a blink.
const BEHIND_RECORDS: u64 = 65_536;
/// Over how long a pace is measured.
const PACED: Duration = Duration::from_millis(500);

/// What a runner and whoever asks about its view both know.
pub struct State<A> {
    /// Whether a file was found damaged.
    damaged: AtomicBool,
    /// Whether it is to be made anew.
    wanted: AtomicBool,
    /// The one that is made anew beside it.
    beside: Mutex<Option<Arc<A>>>,
    pace: Mutex<Pace>,
    /// How often it was made anew.
    rebuilds: AtomicU64,
    /// Why it began anew in its own place, and how far it must come for that to be over.
    anew: Mutex<Option<(String, Position)>>,
}

impl<A> Default for State<A> {
    fn default() -> Self {
        Self {
            damaged: AtomicBool::default(),
            wanted: AtomicBool::default(),
            beside: Mutex::default(),
            pace: Mutex::default(),
            rebuilds: AtomicU64::default(),
            anew: Mutex::default(),
        }
    }
}

/// How fast it goes.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    from: Option<(Instant, u64)>,
    records_s: f64,
}

impl<A> State<A> {
    /// A file was found damaged, or is so no more; the runner begins anew as soon as it looks.
    pub fn set_damaged(&self, damaged: bool) {
        self.damaged.store(damaged, Ordering::Release);
    }

    /// Whether a file was found damaged.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// Has it made anew beside the one that answers, or not any more.
    pub fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Release);
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// The one that is made anew beside it.
    pub fn beside(&self) -> Option<Arc<A>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_beside(&self, beside: Option<Arc<A>>) {
        *self.beside.lock().unwrap_or_else(PoisonError::into_inner) = beside;
    }

    pub(super) fn was_made_anew(&self) {
        self.rebuilds.fetch_add(1, Ordering::AcqRel);
    }

    /// It begins anew in its own place, and lacks what there was until it has come as far as the log is now.
    pub(super) fn set_anew(&self, why: String, tail: Position) {
        *self.anew.lock().unwrap_or_else(PoisonError::into_inner) = Some((why, tail));
    }

    /// Why it began anew, as long as it lacks something for that.
    fn anew(&self, through: Position) -> Option<String> {
        let anew = self.anew.lock().unwrap_or_else(PoisonError::into_inner);
        let lacking = anew.as_ref().filter(|(_, tail)| through < *tail);
        lacking.map(|(why, _)| why.clone())
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
    /// Why it began anew with nothing since the daemon started, as long as it is behind for that.
    pub anew: Option<String>,
}

/// How a view stands beside a log with this tail.
pub fn standing<V: View>(asked: &V::Asked, tail: Position) -> Standing {
    let state = asked.state();
    // Before the other: what was asked for is begun before it is not asked for any more.
    let is_wanted = state.is_wanted();
    let beside = state.beside();
    let through = asked.through();
    let doing = match &beside {
        // What was asked for and is not begun yet is under way to whoever asked.
        None if is_wanted => Doing::Rebuilding(Position::START),
        None if tail.since(through.min(tail)) > BEHIND_RECORDS => Doing::CatchingUp,
        None => Doing::Following,
        Some(beside) => Doing::Rebuilding(beside.through()),
    };
    let (at, records_s) = match (doing, &beside) {
        (Doing::Rebuilding(at), Some(beside)) => (at, beside.state().records_s()),
        (Doing::CatchingUp, _) => (through, state.records_s()),
        _ => (tail, 0.0),
    };
    let left = tail.since(at.min(tail)) as f64 / records_s;
    Standing {
        version: V::version(),
        through,
        doing,
        bytes: asked.bytes(),
        files: asked.files(),
        records_s,
        rebuilds: state.rebuilds.load(Ordering::Acquire),
        anew: state.anew(through),
        left: Duration::try_from_secs_f64(left).ok().filter(|_| records_s > 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::names::NamesView;

    #[test]
    fn a_pace_is_that_of_the_last_moments() {
        let opened = tempfile::tempdir().unwrap();
        let view = NamesView::open(opened.path()).unwrap();
        let asked = view.asked();
        let state = asked.state();
        *state.pace.lock().unwrap() = Pace {
            from: Instant::now()
                .checked_sub(Duration::from_secs(2))
                .map(|since| (since, 1_000)),
            records_s: 0.0,
        };
        state.is_at(Position::new(3_000));
        assert!(
            (900.0..=1_000.0).contains(&state.records_s()),
            "{}",
            state.records_s()
        );
        let standing = |tail| standing::<NamesView>(&asked, Position::new(tail));
        let behind = standing(200_000);
        assert_eq!(
            (behind.doing, behind.through),
            (Doing::CatchingUp, Position::START)
        );
        let left = behind.left.unwrap().as_secs();
        assert!((200..=223).contains(&left), "{left}");
        assert_eq!(behind.anew, None);
        state.set_anew("its files were damaged".to_owned(), Position::new(1));
        assert_eq!(standing(2).anew.as_deref(), Some("its files were damaged"));
        state.set_anew("its files were damaged".to_owned(), Position::START);
        assert_eq!(standing(2).anew, None, "it has caught up");
        state.want(true);
        assert_eq!(standing(0).doing, Doing::Rebuilding(Position::START));
    }
}

//! Keeping what groups have done, by one thread.
//!
//! Whoever acknowledges waits until the thread has kept the group as it is then: acknowledgements that come while it writes are kept
//! together by the next write. Nothing is answered before.

use super::Group;
use super::kept::{self, Change};
use crate::record::Position;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Keeps named values where no restart, no loss of sled and no loss of a view can take them.
pub trait KeepGroups: Send {
    /// All of them.
    fn kept(&self) -> Vec<(String, Vec<u8>)>;

    /// Keeps these changes, all or none; returns once they are synced.
    ///
    /// # Errors
    /// What the disk says.
    fn keep(&mut self, changes: &[Change]) -> Result<(), String>;
}

/// Why something was not kept.
#[derive(Clone, Debug, thiserror::Error)]
#[error("it could not be kept: {0}")]
pub struct NotKept(pub String);

type Answer = oneshot::Sender<Result<(), NotKept>>;

/// Something to be kept.
enum Job {
    /// How far a group is.
    Progress(Arc<Group>),
    /// A new one.
    New(Arc<Group>),
    /// One that is forgotten.
    Gone(Arc<Group>),
}

#[derive(Default)]
struct Queue {
    jobs: Vec<(Job, Option<Answer>)>,
    stopping: bool,
    /// The thread has ended before its time: nothing is kept any more.
    ended: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something done, unless nobody is there any more who does it: then why.
    fn put(&self, job: Job, answer: Option<Answer>) -> Result<(), NotKept> {
        let mut queue = self.queue();
        if queue.ended {
            return Err(ended());
        }
        queue.jobs.push((job, answer));
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }
}

/// The thread, and its queue.
pub struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(keep: Box<dyn KeepGroups>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("groups".into())
            .spawn(move || run_to_the_end(&of_thread, keep))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Keeps how far a group is; returns once it is kept.
    ///
    /// # Errors
    /// [`NotKept`]; what was done is done all the same, and kept with whatever comes next, or done again after a restart.
    pub async fn keep(&self, group: &Arc<Group>) -> Result<(), NotKept> {
        self.ask(Job::Progress(Arc::clone(group))).await
    }

    /// Has groups kept for which nobody waits.
    pub fn soon(&self) -> KeepSoon {
        KeepSoon(Arc::downgrade(&self.shared))
    }

    /// Keeps a new group.
    ///
    /// # Errors
    /// [`NotKept`].
    pub async fn keep_new(&self, group: &Arc<Group>) -> Result<(), NotKept> {
        self.ask(Job::New(Arc::clone(group))).await
    }

    /// Forgets a group.
    ///
    /// # Errors
    /// [`NotKept`].
    pub async fn forget(&self, group: &Arc<Group>) -> Result<(), NotKept> {
        self.ask(Job::Gone(Arc::clone(group))).await
    }

    async fn ask(&self, job: Job) -> Result<(), NotKept> {
        let (answer, answered) = oneshot::channel();
        self.shared.put(job, Some(answer))?;
        // What the thread had in hand when it ended is not answered.
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// Has groups kept for which nobody waits. Once the keeper is gone it does nothing.
pub struct KeepSoon(Weak<Shared>);

impl KeepSoon {
    /// Keeps how far a group is, some time soon.
    pub fn keep(&self, group: &Arc<Group>) {
        if let Some(shared) = self.0.upgrade() {
            // Nobody asked: whoever does is told why not.
            let _ = shared.put(Job::Progress(Arc::clone(group)), None);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.queue().stopping = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // What a thread that panicked had not kept was not answered.
            let _ = thread.join();
        }
    }
}

/// Why nothing is kept any more.
fn ended() -> NotKept {
    let why = "the thread that keeps groups has ended by a fault of the program, which the daemon's log tells; nothing is kept before it is \
               started again";
    NotKept(why.to_owned())
}

/// As [`run`]. Where that panics, which only a fault of the program does, nobody is left to wait for it: what was to be kept is answered
/// with why it is not, at once and from then on. It is not begun again, since nobody knows what the panic left behind.
fn run_to_the_end(shared: &Shared, keep: Box<dyn KeepGroups>) {
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| run(shared, keep)));
    let Err(panic) = ran else { return };
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(
        panic = text.unwrap_or("without words"),
        "the thread that keeps groups has ended by a fault of the program: what they do is kept once the daemon is started again"
    );
    let mut queue = shared.queue();
    queue.ended = true;
    // Whoever waits for one of these is told by its loss.
    let unanswered = std::mem::take(&mut queue.jobs);
    drop(queue);
    drop(unanswered);
}

fn run(shared: &Shared, mut keep: Box<dyn KeepGroups>) {
    loop {
        let (jobs, stopping) = {
            let queue = shared.queue();
            let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.stopping;
            let mut queue = (shared.wake.wait_while(queue, idle)).unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut queue.jobs), queue.stopping)
        };
        if jobs.is_empty() && stopping {
            return;
        }
        keep_all(keep.as_mut(), jobs);
    }
}

/// Keeps progress together, and whatever makes or forgets a group by itself, in the order in which they came.
fn keep_all(keep: &mut dyn KeepGroups, jobs: Vec<(Job, Option<Answer>)>) {
    let mut progress: Vec<(Arc<Group>, Vec<Answer>)> = Vec::new();
    for (job, answer) in jobs {
        match job {
            Job::Progress(group) => {
                let known = progress.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &group));
                match known {
                    Some((_, answers)) => answers.extend(answer),
                    None => progress.push((group, answer.into_iter().collect())),
                }
            }
            Job::New(group) => {
                keep_progress(keep, std::mem::take(&mut progress));
                let name = &group.settings.name;
                let mut changes = forgotten(keep, name);
                changes.extend([
                    (
                        kept::settings_name(name),
                        Some(kept::write_settings(&group.settings)),
                    ),
                    (kept::progress_name(name), Some(progress_of(&group))),
                ]);
                tell(answer, keep.keep(&changes));
            }
            Job::Gone(group) => {
                keep_progress(keep, std::mem::take(&mut progress));
                let name = &group.settings.name;
                let mut changes = forgotten(keep, name);
                changes
                    .extend([kept::settings_name(name), kept::progress_name(name)].map(|name| (name, None)));
                tell(answer, keep.keep(&changes));
            }
        }
    }
    keep_progress(keep, progress);
}

fn keep_progress(keep: &mut dyn KeepGroups, groups: Vec<(Arc<Group>, Vec<Answer>)>) {
    let mut changes = Vec::new();
    let mut parked: Vec<(Arc<Group>, Vec<Position>)> = Vec::new();
    let (gone, groups): (Vec<_>, Vec<_>) = (groups.into_iter()).partition(|(group, _)| group.is_deleted());
    // It may be that the group cannot be forgotten after all: what is not kept is not answered as if it were.
    for answer in gone.into_iter().flat_map(|(_, answers)| answers) {
        tell(Some(answer), Err("the group is being forgotten".into()));
    }
    for (group, _) in &groups {
        let name = &group.settings.name;
        let bound = group.bound();
        let mut state = group.state();
        let progress = kept::write_progress(&state, bound.as_ref(), group.epoch_ms);
        changes.push((kept::progress_name(name), Some(progress)));
        let changed = state.take_parked_changes();
        changes.extend(changed.iter().map(|(position, parked)| {
            (
                kept::parked_name(name, *position),
                parked.as_ref().map(kept::write_parked),
            )
        }));
        let positions = changed.into_iter().map(|(position, _)| position);
        parked.push((Arc::clone(group), positions.collect()));
    }
    let kept = match changes.is_empty() {
        true => Ok(()),
        false => keep.keep(&changes),
    };
    if let Err(error) = &kept {
        tracing::error!(error, "what groups have done could not be kept");
        for (group, positions) in parked {
            group.state().parked_changes_again(positions);
        }
    }
    for answer in groups.into_iter().flat_map(|(_, answers)| answers) {
        tell(Some(answer), kept.clone());
    }
}

/// Forgets whatever is parked under a name, replayed or dropped since or not: it is of no group of that name that comes later.
fn forgotten(keep: &dyn KeepGroups, name: &str) -> Vec<Change> {
    let prefix = kept::parked_prefix(name);
    let kept = keep.kept().into_iter().map(|(name, _)| name);
    kept.filter(|name| name.starts_with(&prefix))
        .map(|name| (name, None))
        .collect()
}

fn progress_of(group: &Group) -> Vec<u8> {
    let bound = group.bound();
    kept::write_progress(&group.state(), bound.as_ref(), group.epoch_ms)
}

fn tell(answer: Option<Answer>, kept: Result<(), String>) {
    if let Some(answer) = answer {
        // Who does not wait any more asks again.
        let _ = answer.send(kept.map_err(NotKept));
    }
}

//! Alerts: named filters of the settings, each with something that is done for every match.
//!
//! An alert follows the log through a [`Hub`] as any subscriber does, so that nothing is judged in a second way. For each
//! match it runs one command or posts one webhook, and waits for it to succeed; only then does its place move, and the place
//! is on disk before the next match is begun. So each match is done at least once and in order: a daemon that ends between a
//! success and its place does that one match again, and a match that fails is tried again for ever, with nothing skipped.
//!
//! [`settings`] reads what the file of settings says, [`matched`] is what a match is, [`command`] (in its [`own_group`]) and
//! [`webhook`] (over `connect` and `tls`) do it, `beginning` is where one begins, `follow` its loop, `keeping` what writes its places down, [`standing`] what `status` shows. Where places are kept is not known here: [`Places`] is
//! the seam, and the daemon joins it to a journal in `state/alerts/`. Nothing here ends the daemon or waits for another alert.

pub mod attempt;
mod beginning;
pub mod command;
mod connect;
mod follow;
mod keeping;
pub mod matched;
pub mod own_group;
mod sent;
pub mod settings;
pub mod standing;
mod tls;
mod waits;
pub mod webhook;

use crate::log::Log;
use crate::subscription::Hub;
use crate::view::ahead::Readers;
use crate::view::reader::Viewed;
use beginning::{Begun, first_places};
use follow::Follower;
use keeping::Keeping;
pub use settings::{Alert, AlertError, Beginning, Target};
use standing::Standing;
pub use standing::{Now, Stands};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use waits::Stop;

/// Keeps where alerts stand.
pub trait Places: Send + Sync {
    /// The place that was kept for an alert.
    fn get(&self, alert: &str) -> Option<Vec<u8>>;

    /// Keeps the places of some alerts, all of them or none; returns once they are on disk. May wait for the disk.
    ///
    /// # Errors
    /// What the system says; they may be there after a restart all the same.
    fn put_all(&self, places: &[(&str, &[u8])]) -> io::Result<()>;
}

/// All alerts of a daemon.
pub struct Alerts {
    log: Log,
    hub: Arc<Hub>,
    standings: Vec<Arc<Standing>>,
    stop: watch::Sender<Option<Instant>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Alerts {
    /// Starts every alert, beside each other. Where it returns, whatever is appended from then on lies behind where they begin, after a
    /// crash too: call it before anyone can append. `readers` are those of the whole server. Where there are no `places` none
    /// is started, and each says why. `view` is the search view, once there is one.
    pub async fn start(
        alerts: &[Alert],
        log: &Log,
        readers: Arc<Readers>,
        view: &Viewed,
        places: Result<Arc<dyn Places>, String>,
    ) -> Self {
        let (stop, told) = watch::channel(None);
        // A hub of their own: their messages are not those of the wire, and they are no subscribers that an operator counts.
        let hub = Arc::new(Hub::new(log.clone(), readers, matched::encode).with_view(view));
        let tail = log.tail();
        let alerts: Vec<Alert> = alerts
            .iter()
            .map(|alert| beginning::settled(alert, tail))
            .collect();
        let begun = begun(&alerts, log, &places).await;
        let keeping = places.as_ref().map(|places| Keeping::over(Arc::clone(places)));
        let mut tasks = Vec::new();
        let mut standings = Vec::new();
        for (alert, begun) in alerts.into_iter().zip(begun) {
            let standing = Arc::new(Standing::new(&alert.name));
            standings.push(Arc::clone(&standing));
            match &keeping {
                Err(why) => standing.stopped(why),
                Ok(keeping) => {
                    let (hub, keeping, stop) = (Arc::clone(&hub), keeping.clone(), Stop::new(told.clone()));
                    let mut follower = Follower::new(alert, hub, log.clone(), keeping, standing, stop);
                    if let Some(begun) = begun {
                        follower.begin(begun);
                    }
                    tasks.push(tokio::spawn(follower.run()));
                }
            }
        }
        Self {
            log: log.clone(),
            hub,
            standings,
            stop,
            tasks: Mutex::new(tasks),
        }
    }

    /// How each of them stands.
    pub fn now(&self) -> Vec<Now> {
        let tail = self.log.tail();
        self.standings.iter().map(|standing| standing.now(tail)).collect()
    }

    /// Tells them to end: nothing new is begun, and what is under way is given so long and then cut off.
    pub fn stop(&self, within: Duration) {
        let deadline = Instant::now() + within;
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert(deadline);
            first
        });
        self.hub.drain();
    }

    /// Returns once all of them have ended; only after [`Alerts::stop`] do they.
    pub async fn ended(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "the task of an alert was lost");
            }
        }
    }
}

async fn begun(alerts: &[Alert], log: &Log, places: &Result<Arc<dyn Places>, String>) -> Vec<Option<Begun>> {
    let nowhere = || alerts.iter().map(|_| None).collect();
    let Ok(places) = places else {
        return nowhere();
    };
    let (all, log, places) = (alerts.to_vec(), log.clone(), Arc::clone(places));
    let found = tokio::task::spawn_blocking(move || first_places(&all, &log, places.as_ref())).await;
    found.unwrap_or_else(|error| {
        tracing::error!(%error, "where new alerts begin was not found");
        nowhere()
    })
}

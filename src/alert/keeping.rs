//! Keeps the places of all alerts while they run.
//!
//! What is to be kept while a write is under way is kept by the next one, all of it together. So of the threads that wait for the
//! disk at most one waits for places, however many alerts there are and however slow it is: questions and appends use them too.

use super::Places;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The most places of one write.
const AT_ONCE: usize = 1_024;

/// Keeps places; an alert has at most one on the way.
#[derive(Clone)]
pub(super) struct Keeping {
    places: Arc<dyn Places>,
    ask: mpsc::UnboundedSender<Asked>,
}

struct Asked {
    alert: String,
    place: Vec<u8>,
    kept: oneshot::Sender<Result<(), String>>,
}

impl Keeping {
    /// Begins, and ends with the last of its copies.
    pub(super) fn over(places: Arc<dyn Places>) -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        tokio::spawn(keep(Arc::clone(&places), asked));
        Self { places, ask }
    }

    /// The place that was kept for an alert.
    pub(super) fn get(&self, alert: &str) -> Option<Vec<u8>> {
        self.places.get(alert)
    }

    /// Keeps a place; returns once it is on disk.
    ///
    /// # Errors
    /// What the system says; it may be there after a restart all the same.
    pub(super) async fn keep(&self, alert: &str, place: Vec<u8>) -> Result<(), String> {
        let lost = || "nobody keeps places any more".to_owned();
        let (kept, told) = oneshot::channel();
        let alert = alert.to_owned();
        let asked = Asked { alert, place, kept };
        self.ask.send(asked).map_err(|_| lost())?;
        told.await.unwrap_or_else(|_| Err(lost()))
    }
}

async fn keep(places: Arc<dyn Places>, mut asked: mpsc::UnboundedReceiver<Asked>) {
    let mut all = Vec::new();
    while asked.recv_many(&mut all, AT_ONCE).await != 0 {
        let (rows, kept): (Vec<_>, Vec<_>) = all
            .drain(..)
            .map(|one| ((one.alert, one.place), one.kept))
            .unzip();
        let places = Arc::clone(&places);
        let put = tokio::task::spawn_blocking(move || {
            let rows: Vec<(&str, &[u8])> = rows
                .iter()
                .map(|(alert, place)| (alert.as_str(), &place[..]))
                .collect();
            places.put_all(&rows).map_err(|error| error.to_string())
        });
        let put = put.await.unwrap_or_else(|error| Err(error.to_string()));
        for one in kept {
            // Whoever asked may be gone.
            let _ = one.send(put.clone());
        }
    }
}

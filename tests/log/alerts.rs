//! Alerts over a log whose places cannot be kept: what a real disk does too seldom for a test of the daemon.

use crate::harness::*;
use chancery::alert::{Alert, Alerts, Beginning, Now, Places, settings};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keeps places in memory, and refuses to while it is told to.
#[derive(Default)]
struct Refusing {
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    refuses: AtomicBool,
}

impl Places for Refusing {
    fn get(&self, alert: &str) -> Option<Vec<u8>> {
        self.kept.lock().unwrap().get(alert).cloned()
    }

    fn put_all(&self, places: &[(&str, &[u8])]) -> io::Result<()> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let places = places
            .iter()
            .map(|(alert, place)| ((*alert).to_owned(), place.to_vec()));
        self.kept.lock().unwrap().extend(places);
        Ok(())
    }
}

fn alerts(told: &Path) -> Vec<Alert> {
    let script = format!("echo $CHANCERY_KEY >> {}", told.display());
    let text =
        format!("filter = ''\nfrom = 'start'\nretry-max-s = 1\ncommand = ['/bin/sh', '-c', '{script}']");
    let table = text.parse::<toml::Table>().unwrap();
    let all = toml::Table::from_iter([("desk".to_owned(), table.into())]);
    settings::read(&all.into()).unwrap()
}

async fn until(alerts: &Alerts, is: impl Fn(&Now) -> bool) -> Now {
    let asking = async {
        loop {
            let now = alerts.now().remove(0);
            if is(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking)
        .await
        .unwrap()
}

#[test]
fn nothing_is_done_beyond_a_place_that_is_not_kept_and_nothing_twice_for_it() {
    let opened = Opened::new();
    let told = opened.folder.path().join("told");
    let said = || std::fs::read_to_string(&told).unwrap();
    let places = Arc::new(Refusing::default());
    runtime().block_on(async {
        let log = opened.log();
        let places_of_alerts = Ok(Arc::clone(&places) as Arc<dyn Places>);
        let alerts = Alerts::start(
            &alerts(&told),
            log,
            Arc::default(),
            &Arc::default(),
            places_of_alerts,
        )
        .await;
        until(&alerts, |now| now.position.is_some()).await;
        places.refuses.store(true, Ordering::Relaxed);
        for key in ["k0", "k1"] {
            log.append(batch(vec![create(key, "title")])).await.unwrap();
        }
        let now = until(&alerts, |now| now.failures >= 2).await;
        assert_eq!((now.position.map(|at| at.get()), now.lag), (Some(0), Some(2)));
        assert!(now.last_error.contains("state/alerts"), "{}", now.last_error);
        assert_eq!(said(), "k0\n");
        places.refuses.store(false, Ordering::Relaxed);
        let now = until(&alerts, |now| now.lag == Some(0)).await;
        assert_eq!((now.failures, now.last_error.as_str()), (0, ""));
        assert_eq!(said(), "k0\nk1\n");
        alerts.stop(Duration::from_secs(60));
        alerts.ended().await;
    });
}

#[test]
fn an_alert_whose_first_place_cannot_be_kept_says_so_and_begins_there_all_the_same() {
    let opened = Opened::new();
    let told = opened.folder.path().join("told");
    let places = Arc::new(Refusing::default());
    places.refuses.store(true, Ordering::Relaxed);
    let at_tail = alerts(&told).into_iter().map(|alert| Alert {
        from: Beginning::Tail,
        ..alert
    });
    let at_tail: Vec<Alert> = at_tail.collect();
    runtime().block_on(async {
        let log = opened.log();
        let before = batch(vec![create("before", "title")]);
        log.append(before).await.unwrap();
        let kept = Ok(Arc::clone(&places) as Arc<dyn Places>);
        let alerts = Alerts::start(&at_tail, log, Arc::default(), &Arc::default(), kept).await;
        let now = alerts.now().remove(0);
        assert_eq!(now.position.map(|at| at.get()), Some(1));
        assert!(now.failures >= 1);
        assert!(now.last_error.contains("state/alerts"), "{}", now.last_error);
        let after = batch(vec![create("after", "title")]);
        log.append(after).await.unwrap();
        until(&alerts, |now| now.failures >= 2).await;
        places.refuses.store(false, Ordering::Relaxed);
        until(&alerts, |now| now.position.is_some_and(|at| at.get() == 2)).await;
        assert_eq!(std::fs::read_to_string(&told).unwrap(), "after\n");
        let now = alerts.now().remove(0);
        assert_eq!((now.failures, now.last_error.as_str()), (0, ""));
        alerts.stop(Duration::from_secs(60));
        alerts.ended().await;
    });
}

#[test]
fn where_a_new_alert_begins_is_kept_before_it_is_followed() {
    let opened = Opened::new();
    let told = opened.folder.path().join("told");
    let places = Arc::new(Refusing::default());
    runtime().block_on(async {
        let kept = Ok(Arc::clone(&places) as Arc<dyn Places>);
        let alerts = Alerts::start(
            &alerts(&told),
            opened.log(),
            Arc::default(),
            &Arc::default(),
            kept,
        )
        .await;
        assert!(places.get("desk").is_some());
        alerts.stop(Duration::from_secs(60));
        alerts.ended().await;
    });
}

//! Alerts over a log whose places cannot be kept: what a real disk does too seldom for a test of the daemon.

use crate::harness::*;
use chancery::alert::{Alert, Alerts, Beginning, Now, Places, Target, settings};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

/// What was said.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Said {
    /// How long an alert waited between two attempts, in milliseconds.
    fn waits(&self, alert: &str) -> Vec<u64> {
        let said = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let of_alert = said
            .lines()
            .filter(|line| line.contains(&format!("alert=\"{alert}\"")));
        let waits = of_alert.filter_map(|line| line.split_once("retry_ms="));
        let digits = waits.map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
        digits.map(|digits| digits.unwrap().parse().unwrap()).collect()
    }
}

#[test]
fn waits_begin_anew_once_a_place_could_be_kept_again() {
    let opened = Opened::new();
    let told = opened.folder.path().join("told");
    let script = format!("echo $CHANCERY_KEY >> {}; [ $CHANCERY_KEY = k0 ]", told.display());
    let alerts: Vec<Alert> = alerts(&told)
        .into_iter()
        .map(|alert| Alert {
            name: "waiting".to_owned(),
            retry_max: Duration::from_secs(60),
            target: Target::Command(["/bin/sh", "-c", &script].map(str::to_owned).to_vec()),
            ..alert
        })
        .collect();
    let places = Arc::new(Refusing::default());
    let said = Said::default();
    let writer = said.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || writer.clone())
        .finish();
    // One for all threads: what one thread alone would hear is decided by whichever says something first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    runtime().block_on(async {
        let log = opened.log();
        let kept = Ok(Arc::clone(&places) as Arc<dyn Places>);
        let alerts = Alerts::start(&alerts, log, Arc::default(), &Arc::default(), kept).await;
        until(&alerts, |now| now.position.is_some()).await;
        places.refuses.store(true, Ordering::Relaxed);
        log.append(batch(vec![create("k0", "title")])).await.unwrap();
        until(&alerts, |now| now.failures >= 4).await;
        places.refuses.store(false, Ordering::Relaxed);
        until(&alerts, |now| now.lag == Some(0)).await;
        let before = said.waits("waiting");
        log.append(batch(vec![create("k1", "title")])).await.unwrap();
        // What is said of a failure is said before the next.
        until(&alerts, |now| now.failures >= 2).await;
        let waits = said.waits("waiting");
        assert!(
            before.len() >= 4 && (400..=1_600).contains(&before[3]),
            "{waits:?}"
        );
        assert!((100..=200).contains(&waits[before.len()]), "{waits:?}");
        alerts.stop(Duration::from_secs(60));
        alerts.ended().await;
    });
}

/// Keeps places in memory, one write after the other, and none while the gate is held.
#[derive(Default)]
struct Slow {
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: AtomicUsize,
    gate: Mutex<()>,
}

impl Places for Slow {
    fn get(&self, alert: &str) -> Option<Vec<u8>> {
        self.kept.lock().unwrap().get(alert).cloned()
    }

    fn put_all(&self, places: &[(&str, &[u8])]) -> io::Result<()> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _open = self.gate.lock().unwrap();
        let places = places
            .iter()
            .map(|(alert, place)| ((*alert).to_owned(), place.to_vec()));
        self.kept.lock().unwrap().extend(places);
        Ok(())
    }
}

#[test]
fn a_disk_that_is_slow_to_keep_places_holds_one_thread_for_all_alerts() {
    const ALERTS: usize = 40;
    let opened = Opened::new();
    let told = opened.folder.path().join("told");
    let one = alerts(&told).remove(0);
    let all = (0..ALERTS).map(|n| Alert {
        name: format!("n{n}"),
        ..one.clone()
    });
    let all: Vec<Alert> = all.collect();
    let places = Arc::new(Slow::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let log = opened.log();
        let kept = Ok(Arc::clone(&places) as Arc<dyn Places>);
        let alerts = Alerts::start(&all, log, Arc::default(), &Arc::default(), kept).await;
        let (held, holds) = std::sync::mpsc::channel();
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let gate = Arc::clone(&places);
        let holder = std::thread::spawn(move || {
            let _held = gate.gate.lock().unwrap();
            held.send(()).unwrap();
            // Whoever fails lets go of it, too.
            let _ = opened.recv();
        });
        holds.recv().unwrap();
        log.append(batch(vec![create("k0", "title")])).await.unwrap();
        // Each has done its match before its place is kept.
        let said = || std::fs::read_to_string(&told).unwrap_or_default();
        until(&alerts, |_| said().lines().count() == ALERTS).await;
        until(&alerts, |_| places.asked.load(Ordering::Relaxed) > 1).await;
        for _ in 0..ALERTS {
            let other = tokio::task::spawn_blocking(|| ());
            let done = tokio::time::timeout(Duration::from_secs(60), other).await;
            assert!(
                done.is_ok(),
                "whatever else waits for the disk waits for all of them"
            );
        }
        assert!(alerts.now().iter().all(|now| now.lag == Some(1)));
        open.send(()).unwrap();
        holder.join().unwrap();
        let is_done = |now: &Now| now.lag == Some(0) && now.failures == 0;
        until(&alerts, |_| alerts.now().iter().all(is_done)).await;
        assert_eq!(places.kept.lock().unwrap().len(), ALERTS);
        alerts.stop(Duration::from_secs(60));
        alerts.ended().await;
    });
}

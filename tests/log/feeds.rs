//! Feeds of a log: on a disk whose syncs are held back, and of what nothing matches.

use crate::harness::*;
use bytes::Bytes;
use chancery::filter::Filter;
use chancery::record::Position;
use chancery::store::disk::{Disk, DiskFile, RealDisk};
use chancery::store::open::{ArchiveOptions, open};
use chancery::subscription::{From, Hub, Item, Session, Subscribe, SubscribeError};
use chancery::view::ahead::Readers;
use chancery::view::{Mode, Parts, Selection};
use futures::poll;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A message as the test reads it: the range, and the records.
fn encode(selection: &Selection, _: Parts, _: &[u8]) -> Bytes {
    let mut text = format!("{}..{}", selection.first, selection.through);
    selection.for_each(|record, _| text += &format!(" {}", record.position));
    text.into()
}

async fn live(hub: &Arc<Hub>, filter: &str) -> Session {
    let request = Subscribe {
        from: From::Tail,
        filter: Filter::parse(filter).unwrap(),
        parts: Parts::Both,
        until: None,
        heartbeat: Duration::from_secs(3_600),
        mode: Mode::Changes,
    };
    let mut session = hub.subscribe(request).await.unwrap();
    while !matches!(session.next().await, Some(Ok(Item::CaughtUp { .. }))) {}
    session
}

/// Holds syncs or reads back while it is shut.
#[derive(Default)]
struct Gate {
    /// Whether it is shut, and how many wait.
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    fn shut(&self, is_shut: bool) {
        self.state.lock().unwrap().0 = is_shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(is_shut, _)| *is_shut).unwrap());
        self.state.lock().unwrap().1 -= 1;
    }

    /// Until one waits.
    fn is_waited_at(&self) {
        let state = self.state.lock().unwrap();
        drop(
            self.changed
                .wait_while(state, |(_, waiting)| *waiting == 0)
                .unwrap(),
        );
    }
}

/// A gate that is shut, and opened where a test ends: nobody waits for threads that wait at it.
struct Shut(Arc<Gate>);

impl Shut {
    fn new(gate: &Arc<Gate>) -> Self {
        gate.shut(true);
        Self(Arc::clone(gate))
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        self.0.shut(false);
    }
}

/// The gates of syncs and of reads.
#[derive(Clone, Default)]
struct Gates {
    syncs: Arc<Gate>,
    reads: Arc<Gate>,
}

/// The real disk behind gates.
struct GatedDisk(Gates);
struct GatedFile(Arc<dyn DiskFile>, Gates);

impl GatedDisk {
    fn gated(&self, file: io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        file.map(|file| Arc::new(GatedFile(file, self.0.clone())) as _)
    }
}

impl Disk for GatedDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.gated(RealDisk.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.gated(RealDisk.open(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        RealDisk.free(folder)
    }
}

impl DiskFile for GatedFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.syncs.pass();
        self.0.sync_data()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.reads.pass();
        self.0.read_at(buffer, offset)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.0.cut(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

#[test]
fn durable_nothing_is_delivered_before_it_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let gates = Gates::default();
    let gate = Arc::clone(&gates.syncs);
    let archive = open(ArchiveOptions {
        disk: Arc::new(GatedDisk(gates)),
        ..options(folder.path())
    });
    let archive = archive.unwrap();
    let log = archive.log.clone();
    append(&log, batch(vec![create("a", "Envoys meet")])).unwrap();
    runtime().block_on(async {
        let hub = Arc::new(Hub::new(log.clone(), Arc::new(Readers::default()), encode));
        let (mut all, mut some) = (live(&hub, "").await, live(&hub, "title : envoys").await);
        let (mut of_all, mut of_some) = (pin!(all.next()), pin!(some.next()));
        gate.shut(true);
        let appending = log.clone();
        let appending =
            tokio::spawn(async move { appending.append(batch(vec![create("b", "Envoys part")])).await });
        let waiting = Arc::clone(&gate);
        tokio::task::spawn_blocking(move || waiting.is_waited_at())
            .await
            .unwrap();
        // It is written and not synced.
        for _ in 0..1_000 {
            assert!(poll!(&mut of_all).is_pending(), "everything is told too soon");
            assert!(poll!(&mut of_some).is_pending(), "what matches is told too soon");
            tokio::task::yield_now().await;
        }
        assert_eq!(log.tail(), Position::new(1));
        gate.shut(false);
        for told in [of_all.await, of_some.await] {
            assert_eq!(told.unwrap().unwrap(), Item::Batch("1..2 1".into()));
        }
        assert_eq!(appending.await.unwrap().unwrap().tail, Position::new(2));
    });
}

/// The heartbeat is an hour away: whatever comes is told for its own sake.
#[tokio::test]
async fn a_live_feed_that_nothing_matches_is_soon_told_how_far_it_looked() {
    let opened = Opened::new();
    let log = opened.log();
    let hub = Arc::new(Hub::new(log.clone(), Arc::new(Readers::default()), encode));
    let mut session = live(&hub, "title : nobody").await;
    for n in 0..2 {
        log.append(batch(vec![create(&n.to_string(), "Envoys meet")]))
            .await
            .unwrap();
        let told = tokio::time::timeout(Duration::from_secs(60), session.next()).await;
        let told = told.expect("it is told").unwrap().unwrap();
        assert_eq!(told, Item::Batch(format!("{n}..{}", n + 1).into()));
    }
}

/// Whoever asks for an actor begins with a search for its other names, which may take as long as the log is large.
fn of_an_actor() -> Subscribe {
    Subscribe {
        from: From::Start,
        filter: Filter::parse("actor = \"Imran Khan\"").unwrap(),
        parts: Parts::Both,
        until: None,
        heartbeat: Duration::from_secs(3_600),
        mode: Mode::Changes,
    }
}

#[test]
fn searches_for_the_names_of_actors_leave_threads_to_others_and_end_with_the_server() {
    const THREADS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let gates = Gates::default();
    let archive = open(ArchiveOptions {
        disk: Arc::new(GatedDisk(gates.clone())),
        recent_bytes: 0,
        hot_bytes: 0,
        ..options(folder.path())
    });
    let archive = archive.unwrap();
    let log = archive.log.clone();
    for n in 0..20 {
        append(&log, batch(vec![create(&n.to_string(), "Envoys meet")])).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let hub = Arc::new(Hub::new(log.clone(), Arc::new(Readers::default()), encode));
        let reads_again = Shut::new(&gates.reads);
        let many = (0..3 * THREADS).map(|_| {
            let hub = Arc::clone(&hub);
            tokio::spawn(async move { hub.subscribe(of_an_actor()).await.map(drop) })
        });
        let many: Vec<_> = many.collect();
        let waiting = Arc::clone(&gates.reads);
        let waits = std::thread::spawn(move || waiting.is_waited_at());
        let within = Duration::from_secs(60);
        for _ in 0..3 * THREADS {
            let other = tokio::task::spawn_blocking(|| ());
            let done = tokio::time::timeout(within, other).await;
            assert!(
                done.is_ok(),
                "whatever else waits for the disk waits for all of them"
            );
        }
        waits.join().unwrap();
        hub.drain();
        for one in many {
            let ended = tokio::time::timeout(within, one).await;
            let ended = ended.expect("a stop waits for a search").unwrap();
            assert!(matches!(ended, Err(SubscribeError::Draining)), "{ended:?}");
        }
        drop(reads_again);
    });
}

//! Files of the index that cannot be written: every answer stays right meanwhile, the daemon's log says so, and it is tried again.

use super::{Step, Viewed, answer, append, batch, comes, fill, harness, options};
use chancery::filter::Filter;
use chancery::log::erasure::Holder;
use chancery::record::Position;
use chancery::view::likeness::Collapse;
use chancery::view::runner::Asked;
use chancery::view::runner::standing::{Doing, standing};
use chancery::view::runner::thread::Following;
use chancery::view::search::Search;
use chancery::view::search::follow::SearchView;
use chancery::view::{Order, Scanner};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// What the disk refuses of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Create,
    Write,
    Sync,
    Rename,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Create, Self::Write, Self::Sync, Self::Rename];

    /// Has the next attempt at this volume fail.
    fn begin(self, volume: &Path) {
        let part = volume.with_extension("part");
        match self {
            Self::Create => fs::create_dir(part).unwrap(),
            // It takes no byte.
            Self::Write => symlink("/dev/full", part).unwrap(),
            // It takes every byte, and cannot be synced.
            Self::Sync => symlink("/dev/null", part).unwrap(),
            Self::Rename => {
                fs::create_dir(volume).unwrap();
                fs::write(volume.join("in-the-way"), "").unwrap();
            }
        }
    }

    fn end(self, volume: &Path) {
        let part = volume.with_extension("part");
        match self {
            Self::Create => fs::remove_dir(part).unwrap(),
            // Whatever is left of an attempt was removed with it.
            Self::Write | Self::Sync => assert!(fs::symlink_metadata(part).is_err()),
            Self::Rename => fs::remove_dir_all(volume).unwrap(),
        }
    }
}

/// What was said in the log of this process.
static SAID: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Said;

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SAID.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has what is said kept from now on.
fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Said);
        lines.with_max_level(tracing::Level::WARN).init();
    });
}

/// Whether a line about the files of this archive says so.
fn is_said(viewed: &Viewed, text: &str) -> bool {
    let folder = viewed.opened.folder.path().to_string_lossy().into_owned();
    let said = String::from_utf8_lossy(&SAID.lock().unwrap()).into_owned();
    said.lines()
        .any(|line| line.contains(&folder) && line.contains(text))
}

/// The folder of the index.
fn index(viewed: &Viewed) -> PathBuf {
    let mut folders = fs::read_dir(viewed.views()).unwrap();
    folders.next().unwrap().unwrap().path()
}

/// The file of the records up to the tail.
fn volume(viewed: &Viewed) -> PathBuf {
    index(viewed).join(format!("{:012}-{:012}.volume", 0, viewed.log().tail().get()))
}

fn volumes(viewed: &Viewed) -> usize {
    let files = viewed.files().into_iter();
    files
        .filter(|file| file.extension().is_some_and(|end| end == "volume"))
        .count()
}

/// Holds answers of a view against a look at every record.
fn answers_are_right(viewed: &Viewed, search: Arc<Search>, story: &str) {
    let scan = Scanner::new(viewed.log().clone(), options(), Arc::default());
    let view = Scanner::new(viewed.log().clone(), options(), Arc::new(OnceLock::from(search)));
    let tail = viewed.log().tail().get();
    for text in [
        "",
        "envoys",
        "NOT envoys",
        "unmasked",
        "status = erased",
        "position >= 40",
    ] {
        let filter = Filter::parse(text).unwrap();
        for as_of in [tail, tail / 2] {
            let ask = |scanner| {
                answer(
                    scanner,
                    &filter,
                    Position::new(as_of),
                    Order::Newest,
                    Collapse::None,
                )
            };
            assert_eq!(ask(&view), ask(&scan), "{story}: `{text}` as of {as_of}");
        }
    }
}

fn step(viewed: &mut Viewed) -> bool {
    let follower = viewed.follower.as_mut().unwrap();
    match follower.step(viewed.opened.log()) {
        Ok(_) => true,
        Err(error) => {
            follower.failed(&error);
            false
        }
    }
}

fn say(viewed: &Viewed, key: &str, title: &str) {
    append(viewed.log(), batch(vec![harness::create(key, title)])).unwrap();
}

#[test]
fn a_volume_that_cannot_be_sealed_is_tried_again_and_every_answer_is_right() {
    for fault in Fault::ALL {
        let story = format!("{fault:?}");
        let mut viewed = Viewed::new();
        say(&viewed, "b", "Ministers unmasked");
        fill(&viewed, 60);
        viewed.follow();
        let sealed = volume(&viewed);
        for _ in 0..2 {
            fault.begin(&sealed);
            let follower = viewed.follower.as_mut().unwrap();
            let error = follower.seal(viewed.opened.log()).unwrap_err();
            follower.failed(&error);
            assert!(error.to_string().contains("search-"), "{story}: {error}");
            answers_are_right(&viewed, viewed.search(), &story);
            fault.end(&sealed);
            assert_eq!(volumes(&viewed), 0, "{story}");
        }
        // It follows all the same.
        fault.begin(&sealed);
        fill(&viewed, 20);
        viewed.follow();
        assert_eq!(viewed.search().through(), viewed.log().tail(), "{story}");
        answers_are_right(&viewed, viewed.search(), &story);
        if matches!(fault, Fault::Write | Fault::Sync) {
            fs::remove_file(sealed.with_extension("part")).unwrap();
        }
        fault.end(&sealed);
        viewed.take(Step::Seal);
        viewed.reopen();
        assert_eq!(viewed.search().through(), viewed.log().tail(), "{story}");
        answers_are_right(&viewed, viewed.search(), &story);
    }
}

#[test]
fn a_merge_that_fails_leaves_the_volumes_and_is_tried_again() {
    for fault in Fault::ALL {
        let story = format!("{fault:?}");
        let mut viewed = Viewed::new();
        for _ in 0..2 {
            fill(&viewed, 30);
            viewed.take(Step::Seal);
        }
        assert_eq!(volumes(&viewed), 2, "{story}");
        let merged = volume(&viewed);
        fault.begin(&merged);
        comes("the merge that fails", || !step(&mut viewed));
        assert_eq!(volumes(&viewed), 2, "{story}");
        answers_are_right(&viewed, viewed.search(), &story);
        fault.end(&merged);
        comes("the merge", || step(&mut viewed) && volumes(&viewed) == 1);
        for _ in 0..2 {
            answers_are_right(&viewed, viewed.search(), &story);
            viewed.reopen();
            assert_eq!(viewed.search().through(), viewed.log().tail(), "{story}");
        }
    }
}

/// The volume that is written anew has the name of the old one, so that it can be renamed wherever there is a folder.
#[test]
fn an_erasure_that_cannot_be_written_is_answered_to_nobody_and_stays_pending() {
    for fault in [Fault::Create, Fault::Write, Fault::Sync] {
        let story = format!("{fault:?}");
        let mut viewed = Viewed::new();
        say(&viewed, "b", "Whistleblower unmasked");
        fill(&viewed, 60);
        viewed.take(Step::Seal);
        let holder: Arc<dyn Holder> = viewed.search();
        viewed.log().add_holder(Arc::downgrade(&holder));
        let sealed = volume(&viewed);
        viewed.erase("b", None);
        let erase = Position::new(viewed.log().tail().get() - 2);
        for _ in 0..2 {
            fault.begin(&sealed);
            assert!(!step(&mut viewed), "{story}");
            fault.end(&sealed);
            assert!(viewed.search().rid_through() <= erase, "{story}");
            assert!(!viewed.log().is_held_nowhere(erase), "{story}");
            answers_are_right(&viewed, viewed.search(), &story);
        }
        viewed.follow();
        comes("the end of it", || viewed.log().erasures_pending().is_empty());
        answers_are_right(&viewed, viewed.search(), &story);
        let holds = |file: &PathBuf| {
            let bytes = fs::read(file).unwrap();
            bytes.windows(13).any(|some| some == b"whistleblower")
        };
        assert!(!viewed.files().iter().any(holds), "{story}");
    }
}

#[test]
fn a_fault_is_said_in_the_log_by_the_thread_that_follows() {
    listen();
    let mut viewed = Viewed::new();
    say(&viewed, "b", "Whistleblower unmasked");
    fill(&viewed, 60);
    viewed.take(Step::Seal);
    let sealed = volume(&viewed);
    viewed.follower = None;
    let slot = Arc::new(OnceLock::new());
    let opened = Arc::clone(&slot);
    let begin = move |log: &chancery::log::Log, search: Arc<Search>| {
        let holder: Arc<dyn Holder> = Arc::clone(&search) as Arc<dyn Holder>;
        log.add_holder(Arc::downgrade(&holder));
        opened.set(search).unwrap_or_else(|_| panic!("opened twice"));
    };
    let following = Following::start::<SearchView>(viewed.views(), viewed.log().downgrade(), begin).unwrap();
    comes("the view", || slot.get().is_some());
    Fault::Create.begin(&sealed);
    viewed.erase("b", None);
    comes("the word of it", || {
        is_said(&viewed, "the search view does not follow; it is tried again")
    });
    let search = Arc::clone(slot.get().unwrap());
    answers_are_right(&viewed, Arc::clone(&search), "while it fails");
    assert_eq!(viewed.log().erasures_pending().len(), 1);
    Fault::Create.end(&sealed);
    // It is tried again when it ends, too.
    drop(following);
    comes("the end of it", || viewed.log().erasures_pending().is_empty());
    answers_are_right(&viewed, search, "at the end");
    viewed.reopen();
    answers_are_right(&viewed, viewed.search(), "after a start");
}

#[test]
fn a_view_that_cannot_be_made_anew_leaves_the_one_that_answers() {
    listen();
    for (end, said) in [
        ("new", "the search view cannot be made anew"),
        (
            "old",
            "what is left of the search view beside the one that answers stays",
        ),
    ] {
        let mut viewed = Viewed::new();
        say(&viewed, "b", "Ministers unmasked");
        fill(&viewed, 60);
        viewed.take(Step::Seal);
        let folder = index(&viewed);
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let in_the_way = folder.with_file_name(format!("{name}.{end}"));
        fs::write(&in_the_way, "").unwrap();
        viewed.search().state().want(true);
        viewed.follow();
        assert!(is_said(&viewed, said), "{end}");
        let now = standing::<SearchView>(&viewed.search(), viewed.log().tail());
        assert_eq!((now.rebuilds, now.through), (0, viewed.log().tail()));
        fill(&viewed, 20);
        viewed.follow();
        answers_are_right(&viewed, viewed.search(), end);
        fs::remove_file(&in_the_way).unwrap();
        viewed.follow();
        viewed.search().state().want(true);
        viewed.follow();
        let now = standing::<SearchView>(&viewed.search(), viewed.log().tail());
        assert_eq!((now.rebuilds, now.doing), (1, Doing::Following));
        for _ in 0..2 {
            answers_are_right(&viewed, viewed.search(), end);
            viewed.reopen();
        }
    }
}

//! The search view answers what a look at every record answers: for random logs and filters, as of every point, across volumes,
//! kills, damage and rebuilds.

mod aggregates;
mod authorities;
mod changes;
#[cfg(target_os = "linux")]
mod faults;
mod feeds;
#[path = "../log/harness.rs"]
#[allow(dead_code, reason = "the tests of the log use all of it")]
mod harness;
mod keys;
#[path = "../filter_laws/made.rs"]
mod made;
mod numbers;
mod relevance;
mod sessions;
mod suggested;
mod twins;

use bytes::Bytes;
use chancery::filter::{Filter, Term, TermField};
use chancery::log::erasure::{Holder, HolderName, Order as ErasureOrder, Waiting};
use chancery::log::{Draft, Log};
use chancery::record::codec::{Content, Country, Date, Measure, Participant, encode_content};
use chancery::record::{Act, EntryKey, Kind, Position, Principal, Reason, Revision, Series};
use chancery::view::likeness::{Collapse, Likened};
use chancery::view::runner::Asked;
use chancery::view::runner::standing::{Doing, standing};
use chancery::view::scan::Counted;
use chancery::view::search::Search;
use chancery::view::search::follow::{SearchRunner, SearchView};
use chancery::view::{self, Order, Scanner};
use harness::{Opened, act, append, batch, draft, runtime};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Few entries, so that each has some history.
const KEYS: [&str; 6] = ["a b", "b", "c", "d", "e", "f"];

/// What happens to the archive or to its view.
#[derive(Clone, Debug)]
enum Step {
    Say(usize, Act, Box<Content>),
    /// An authority is described, or taken back.
    Describe(usize, usize),
    Erase(usize, Option<u64>),
    Follow,
    /// What was followed is in a volume.
    Seal,
    /// A byte of a volume is not what it was.
    Damage(usize),
    /// It is to be made anew beside the one that answers, with the next follow.
    Rebuild,
    /// The view is gone, as after a kill.
    Kill,
    /// The folder of views is removed.
    Remove,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let acts = prop::sample::select(vec![
        Act::Create,
        Act::Create,
        Act::Create,
        Act::Amend,
        Act::Amend,
        Act::Retract,
        Act::Reinstate,
        Act::Hold,
        Act::Release,
    ]);
    let say = (0..KEYS.len(), acts, made::content())
        .prop_map(|(key, act, content)| Step::Say(key, act, Box::new(content)));
    prop_oneof![
        16 => say,
        8 => twins::say(),
        3 => (0..KEYS.len(), any::<usize>()).prop_map(|(key, any)| Step::Describe(key, any)),
        1 => (0..KEYS.len(), prop::option::of(1..3_u64)).prop_map(|(key, revision)| Step::Erase(key, revision)),
        3 => Just(Step::Follow),
        3 => Just(Step::Seal),
        1 => any::<usize>().prop_map(Step::Damage),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Kill),
        1 => Just(Step::Remove),
        1 => Just(Step::Restart),
    ]
}

/// Filters that many entries pass, so that what became of them counts.
const BROAD: [&str; 44] = [
    "",
    "kind = event",
    "series = desk",
    "key = \"a b\"",
    "act = amend",
    "NOT country = PAK",
    "NOT occurred = 2021",
    "status = retracted",
    "status = erased AND kind = event",
    "status = erased AND NOT country = PAK",
    "(status = erased OR status = retracted) AND NOT title : khan",
    "status = superseded",
    "status = superseded AND (country = PAK OR NOT occurred = 2021)",
    "(status = superseded OR status = erased) AND kind = event",
    "revision >= 1 AND NOT status = superseded",
    "occurred <= 2021",
    "kind = event AND NOT has:measure.goldstein",
    "series = d* AND (country = PAK OR NOT type = 04*)",
    "measure.tone > 0.1",
    "NOT measure.tone <= 1e2 AND kind = event",
    "measure.tone != 0.1 OR title : \"khan 2\"",
    "status = erased OR NOT measure.tone = 9007199254740993",
    "(has:measure.tone OR status = retracted) AND NOT has:place",
    "position >= 7 AND NOT position = 9",
    "revision > 1 OR measure.tone < 0",
    "(recorded >= 2020-01-01 AND recorded < 2020-06-01T10:00:00Z) OR NOT recorded <= 2020-06-01T10:00:00Z",
    "NOT title : khan OR country = PAK",
    "has:recorded AND NOT has:mode basis = stated",
    "kind = document",
    "kind = document AND (country = PAK OR actor = bajwa OR place = Rawalpindi)",
    "NOT occurred = 2021-10-13 AND NOT mentioned.actor = khan",
    "has:mentioned.day OR has:place.country",
    "actor = \"Imran Khan\"",
    "actor = Kaptaan OR actor = \"wikidata:Q1\"",
    "kind = event AND actor != Kaptaan",
    "actor = \"wikidata:Q2\" AND NOT status = retracted",
    "actor_dyad = \"Kaptaan,Iran\" OR NOT actor = Pakistan",
    "actor = \"=Kaptaan\"",
    "actor : khan",
    "kind = event AND NOT actor : kaptaan",
    "actor : bajwa OR place : mins*",
    "NOT (topic : legal OR context : military)",
    "type : visit OR sector : mil",
    "NOT identifier : q1 AND NOT publisher : ispr AND NOT mode : assault",
];

fn filter() -> impl Strategy<Value = String> {
    let broad = prop::sample::select(BROAD.to_vec()).prop_map(str::to_owned);
    prop_oneof![made::filter(), broad]
}

/// An archive with a search view.
struct Viewed {
    opened: Opened,
    follower: Option<SearchRunner>,
    said: u64,
}

impl Viewed {
    fn new() -> Self {
        let opened = Opened::new();
        let follower = Some(SearchRunner::open(&opened.folder.path().join("views"), opened.log()).unwrap());
        Self {
            opened,
            follower,
            said: 0,
        }
    }

    fn log(&self) -> &Log {
        self.opened.log()
    }

    fn views(&self) -> PathBuf {
        self.opened.folder.path().join("views")
    }

    fn reopen(&mut self) {
        self.follower = None;
        self.follower = Some(SearchRunner::open(&self.views(), self.log()).unwrap());
    }

    /// Follows to the end, as the thread does: after damage it begins anew.
    fn follow(&mut self) {
        let follower = self.follower.as_mut().unwrap();
        for _ in 0..100 {
            match follower.step(self.opened.log()) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => follower.failed(&error),
            }
        }
        panic!("it does not come to an end");
    }

    /// The files of the index.
    fn files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.views()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(folder).unwrap() {
                let path = item.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    fn damage(&self, any: usize) {
        let mut files = self.files();
        // A merge may be writing another one.
        files.retain(|file| file.extension().is_some_and(|end| end == "volume"));
        if files.is_empty() {
            return;
        }
        let file = &files[any % files.len()];
        // It may have been merged since.
        let Ok(mut bytes) = std::fs::read(file) else {
            return;
        };
        let at = any / 7 % bytes.len();
        bytes[at] ^= 0x20;
        // In place: the view has the file open.
        let Ok(mut open) = std::fs::OpenOptions::new().write(true).open(file) else {
            return;
        };
        std::io::Write::write_all(&mut open, &bytes).unwrap();
    }

    fn search(&self) -> Arc<Search> {
        self.follower.as_ref().unwrap().asked()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Say(key, act, content) => self.say(KEYS[key], act, *content),
            Step::Describe(key, any) => authorities::describe(self, KEYS[key], any),
            Step::Erase(key, revision) => self.erase(KEYS[key], revision),
            Step::Follow => self.follow(),
            Step::Seal => {
                self.follow();
                self.follower.as_mut().unwrap().seal(self.opened.log()).unwrap();
            }
            Step::Damage(any) => self.damage(any),
            Step::Rebuild => self.search().state().want(true),
            Step::Kill => self.reopen(),
            Step::Remove => {
                self.follower = None;
                std::fs::remove_dir_all(self.views()).unwrap();
                self.reopen();
            }
            Step::Restart => {
                self.follower = None;
                self.opened.restart();
                self.reopen();
            }
        }
    }

    /// What the rules refuse is said more plainly, or not at all.
    fn say(&mut self, key: &str, said: Act, content: Content) {
        let plain = plain(&content);
        // The last keys are of documents, which have suggestions, unless they begin as one of the events that are told twice.
        let is_document =
            said == Act::Create && KEYS[4..].contains(&key) && content.reports != twins::reports();
        let drafts = match said {
            Act::Create | Act::Amend => [content, plain].map(|content| Draft {
                kind: is_document.then_some(Kind::Document),
                ..draft(said, key, encode_content(content))
            }),
            other => [act(other, key), act(other, key)],
        };
        let [first, second] = drafts.map(|draft| batch(vec![draft]));
        let said = append(self.log(), first).or_else(|_| append(self.log(), second));
        self.said += u64::from(said.is_ok());
    }

    fn erase(&mut self, key: &str, revision: Option<u64>) {
        erase_entry(self, EntryKey::new("desk", key).unwrap(), revision);
    }
}

fn erase_entry(viewed: &mut Viewed, entry: EntryKey, revision: Option<u64>) {
    erase(viewed, entry, revision, None);
}

/// Erases one revision of an entry, or all; whether the rules let it.
fn erase(viewed: &Viewed, entry: EntryKey, revision: Option<u64>, replacement: Option<Bytes>) -> bool {
    let order = ErasureOrder {
        entry,
        revisions: revision.map(|number| (Revision::new(number), Revision::new(number + 1))),
        authority: "the court".into(),
        explanation: String::new(),
        reason: Reason::default(),
        replacement,
        principal: Principal::anonymous(),
        request_id: None,
        expected_revision: None,
        validate_only: false,
    };
    runtime().block_on(viewed.log().erase(&order)).is_ok()
}

/// A content that is valid whatever it was made of.
fn plain(content: &Content) -> Content {
    let any = content.title.len() + content.participants.len();
    let date = Date {
        role: 1,
        edtf: ["2021-10-13", "2021-10", "1939", "1939~/.."][any % 4].into(),
        ..Date::default()
    };
    let country = Country {
        scheme: "iso3".into(),
        code: ["PAK", "IRN", "JPN"][any % 3].into(),
    };
    Content {
        title: format!("Imran Khan {any}"),
        dates: vec![date],
        measures: measures(any),
        participants: vec![Participant {
            // The last one folds to nothing.
            name: ["Imran Khan", "Kaptaan", "\u{640}"][any / 3 % 3].into(),
            side: 1,
            countries: vec![country],
            ..Participant::default()
        }],
        ..Content::default()
    }
}

/// Values that the archive takes and that are awkward for numbers.
const VALUES: [&str; 9] = [
    "0.1",
    "-0",
    "0.1000000000000000055511151231257827",
    "100.00",
    "1e2",
    "9007199254740992",
    "9007199254740993",
    "-3.4482758620689653",
    "-3.44827586206896525",
];

/// None, one or two.
fn measures(any: usize) -> Vec<Measure> {
    let one = |at: usize| Measure {
        name: "tone".into(),
        value: VALUES[at % VALUES.len()].into(),
    };
    (0..any % 3).map(|n| one(any / 3 + 4 * n)).collect()
}

fn options() -> view::Options {
    view::Options {
        concurrent_max: 4,
        waiting_max: 16,
        results_bytes: 0,
        min_position_wait: Duration::from_secs(1),
    }
}

/// Writes each entry as a line: the position of its record, and all that is known of it.
fn lines() -> Box<view::Write> {
    Box::new(|one, out| {
        let position = one.run.first().get();
        let line = format!(
            "{position}\t{:?} {:?} {:?}\n",
            one.status,
            one.state,
            one.record()
        );
        out.extend(line.into_bytes());
    })
}

/// What [`lines`] has written.
fn told(page: &view::Page) -> Vec<(u64, String)> {
    let text = String::from_utf8(page.entries.concat()).unwrap();
    let line = |line: &str| {
        let (position, rest) = line.split_once('\t').unwrap();
        (position.parse().unwrap(), rest.to_owned())
    };
    text.lines().map(line).collect()
}

/// All pages of an answer, and its count.
fn answer(
    scanner: &Scanner,
    filter: &Filter,
    as_of: Position,
    order: Order,
    collapse: Collapse,
) -> (Vec<(u64, String)>, u64, Counted, Likened) {
    runtime().block_on(async {
        let search = view::Search {
            filter: filter.clone(),
            as_of: Some(as_of),
            order,
            ascending: false,
            page_size: 1_000,
            collapse,
            records_only: false,
            excerpts: false,
            unannotated: false,
        };
        let page = scanner.search(search, None, lines()).await.unwrap();
        let positions = told(&page);
        let counted = scanner.count(filter.clone(), as_of, collapse).await.unwrap();
        (positions, page.erased, counted, page.likened)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_view_answers_what_a_look_at_every_record_answers(
        steps in prop::collection::vec(step(), 5..60),
        filters in prop::collection::vec(filter(), 12),
    ) {
        let mut viewed = Viewed::new();
        for step in steps {
            viewed.take(step);
        }
        let tail = viewed.log().tail().get();
        let scan = Scanner::new(viewed.log().clone(), options(), Arc::default());
        let view = Scanner::new(viewed.log().clone(), options(), Arc::new(OnceLock::from(viewed.search())));
        for (n, text) in filters.iter().enumerate() {
            let filter = Filter::parse(text).unwrap();
            for as_of in [tail, tail * n as u64 / 12, tail / 2] {
                let order = if n % 2 == 0 { Order::Newest } else { Order::Occurred };
                let as_of = Position::new(as_of);
                let collapse = [Collapse::None, Collapse::Twins, Collapse::Alike][n % 3];
                prop_assert_eq!(
                    answer(&view, &filter, as_of, order, collapse),
                    answer(&scan, &filter, as_of, order, collapse),
                    "{} as of {}", text, as_of
                );
            }
        }
    }
}

#[test]
fn what_is_erased_is_in_no_file_of_the_index_before_the_erasure_is_complete() {
    let mut viewed = Viewed::new();
    let secret = |key: &str, title: &str| harness::create(key, title);
    append(
        viewed.log(),
        batch(vec![
            secret("a b", "Whistleblower unmasked"),
            secret("b", "Envoys meet"),
        ]),
    )
    .unwrap();
    append(
        viewed.log(),
        batch(vec![harness::amend("a b", "Nobody unmasked", None)]),
    )
    .unwrap();
    viewed.take(Step::Seal);
    let word = |text: &str| Term {
        field: TermField::Word,
        bytes: text.into(),
    };
    let held = |viewed: &Viewed, text: &str| viewed.search().held(&word(text)).unwrap();
    let on_disk = |viewed: &Viewed, text: &str| {
        let has = |file: &PathBuf| {
            let bytes = std::fs::read(file).unwrap();
            bytes.windows(text.len()).any(|some| some == text.as_bytes())
        };
        viewed.files().iter().any(has)
    };
    assert!(on_disk(&viewed, "whistleblower"));
    assert_eq!(
        (held(&viewed, "whistleblower"), held(&viewed, "unmasked")),
        (1, 2)
    );
    // The first revision alone.
    viewed.erase("a b", Some(1));
    let erase = Position::new(viewed.log().tail().get() - 2);
    assert!(viewed.search().rid_through() <= erase);
    viewed.follow();
    assert!(viewed.search().rid_through() > erase);
    for _ in 0..2 {
        assert!(!on_disk(&viewed, "whistleblower"));
        assert_eq!(
            (
                held(&viewed, "whistleblower"),
                held(&viewed, "unmasked"),
                held(&viewed, "envoys")
            ),
            (0, 1, 1)
        );
        viewed.reopen();
    }
    let filter = Filter::parse("unmasked AND kind = document").unwrap();
    let view = Scanner::new(
        viewed.log().clone(),
        options(),
        Arc::new(OnceLock::from(viewed.search())),
    );
    let tail = viewed.log().tail();
    let (entries, ..) = answer(&view, &filter, tail, Order::Newest, Collapse::None);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].0, 2);
    assert_eq!(
        answer(&view, &filter, Position::new(2), Order::Newest, Collapse::None),
        (
            vec![],
            1,
            Counted {
                count: 0,
                erased: 1,
                likened: Likened::default(),
                actors: vec![]
            },
            Likened::default()
        ),
        "as of then it is known that something is gone"
    );
}

/// The positions that a filter finds as of a position, and how many contents the answer lacks since they are erased: by the view, after
/// it was seen that a look at every record finds the same.
fn found(viewed: &Viewed, text: &str, as_of: u64) -> (Vec<u64>, u64) {
    let filter = Filter::parse(text).unwrap();
    let scan = Scanner::new(viewed.log().clone(), options(), Arc::default());
    let view = Arc::new(OnceLock::from(viewed.search()));
    let view = Scanner::new(viewed.log().clone(), options(), view);
    let of = |scanner: &Scanner| {
        let as_of = Position::new(as_of);
        answer(scanner, &filter, as_of, Order::Newest, Collapse::None)
    };
    assert_eq!(of(&view), of(&scan), "{text}");
    let (entries, lacking, counted, _) = of(&view);
    if filter.names_kind() {
        assert_eq!((entries.len() as u64, lacking), (counted.count, counted.erased));
    }
    (
        entries.into_iter().map(|(position, _)| position).collect(),
        lacking,
    )
}

#[test]
fn an_answer_lacks_only_what_might_match_and_is_not_in_it() {
    let mut viewed = Viewed::new();
    let of = |series: &str, key: &str| Draft {
        series: Series::new(series).unwrap(),
        ..harness::create(key, "Envoys meet")
    };
    let drafts = vec![of("desk", "b"), of("desk", "c"), of("wire", "d"), of("desk", "e")];
    append(viewed.log(), batch(drafts)).unwrap();
    append(viewed.log(), batch(vec![act(Act::Retract, "e")])).unwrap();
    viewed.take(Step::Seal);
    viewed.erase("b", None);
    viewed.erase("e", None);
    let tail = viewed.log().tail().get();
    // First the log alone knows of the erasures, then the view does, at last in its files.
    for step in [Step::Follow, Step::Seal, Step::Restart] {
        for (text, lacking) in [
            ("series = desk", 1),
            ("envoys", 1),
            ("kind = document AND country = PAK", 1),
            ("status = current", 1),
            ("status = erased AND country = PAK", 2),
            ("status = retracted", 1),
            ("series = wire", 0),
            ("kind = agreement", 0),
            ("key = c", 0),
            ("series = desk AND status = erased", 0),
            ("kind = document AND NOT status = current", 0),
        ] {
            assert_eq!(found(&viewed, text, tail).1, lacking, "{text}");
        }
        viewed.take(step);
    }
}

#[test]
fn superseded_contents_are_answered_where_a_filter_names_them() {
    let mut viewed = Viewed::new();
    let log = viewed.log();
    append(log, batch(vec![harness::create("b", "Envoys meet")])).unwrap();
    append(log, batch(vec![harness::create("c", "Envoys part")])).unwrap();
    append(log, batch(vec![harness::amend("b", "Ministers meet", None)])).unwrap();
    append(log, batch(vec![harness::amend("b", "Kings meet", None)])).unwrap();
    append(log, batch(vec![act(Act::Retract, "b")])).unwrap();
    for step in [Step::Follow, Step::Seal, Step::Restart] {
        for (text, as_of, positions) in [
            ("status = superseded", 5, &[2, 0][..]),
            ("status = superseded AND kind = document", 4, &[2, 0]),
            ("status = superseded AND kind = document", 3, &[0]),
            ("status = superseded", 2, &[]),
            ("status = superseded AND envoys", 5, &[0]),
            ("status = superseded AND revision = 2", 5, &[2]),
            (
                "meet AND (status = superseded OR status = retracted)",
                5,
                &[3, 2, 0],
            ),
            ("NOT status = superseded", 5, &[3, 1]),
            // Whoever does not name them is answered each entry once.
            ("status != current", 5, &[3]),
            ("has:status", 5, &[3, 1]),
            ("envoys", 5, &[1]),
        ] {
            assert_eq!(
                found(&viewed, text, as_of),
                (positions.to_vec(), 0),
                "{text} as of {as_of}"
            );
        }
        viewed.take(step);
    }
    viewed.erase("b", Some(1));
    for step in [Step::Follow, Step::Seal] {
        assert_eq!(found(&viewed, "status = superseded", 5), (vec![2], 1));
        assert_eq!(
            found(&viewed, "status = superseded AND kind = event", 5),
            (vec![], 0)
        );
        assert_eq!(found(&viewed, "kind = document", 5), (vec![1], 0));
        viewed.take(step);
    }
}

#[test]
fn a_view_is_made_anew_beside_the_one_that_answers() {
    let mut viewed = Viewed::new();
    for n in 0..5_000 {
        append(
            viewed.log(),
            batch(vec![harness::create("", &format!("Envoys meet {n}"))]),
        )
        .unwrap();
    }
    viewed.take(Step::Seal);
    let before: Vec<_> = viewed.files();
    let tail = viewed.log().tail();
    let search = viewed.search();
    search.state().want(true);
    assert_eq!(
        standing::<SearchView>(&search, tail).doing,
        Doing::Rebuilding(Position::START)
    );
    let count = |viewed: &Viewed| {
        let view = Arc::new(OnceLock::from(viewed.search()));
        let view = Scanner::new(viewed.log().clone(), options(), view);
        runtime()
            .block_on(view.count(
                Filter::parse("envoys AND kind = document").unwrap(),
                tail,
                Collapse::None,
            ))
            .unwrap()
            .count
    };
    // One step of two: it is not there yet, and the one that answers is whole.
    let follower = viewed.follower.as_mut().unwrap();
    assert!(follower.step(viewed.opened.log()).unwrap());
    assert!(
        matches!(standing::<SearchView>(&search, tail).doing, Doing::Rebuilding(at) if at > Position::START && at < tail)
    );
    assert_eq!((count(&viewed), search.through()), (5_000, tail));
    // A kill in the middle leaves a part of it, which is removed.
    let new = viewed.files().len() - before.len();
    viewed.take(Step::Kill);
    assert_eq!(
        (viewed.files(), new),
        (before.clone(), 0),
        "nothing of it is sealed yet"
    );
    let folders = || std::fs::read_dir(viewed.views()).unwrap().count();
    assert_eq!(folders(), 1);
    // And now to its end.
    let search = viewed.search();
    search.state().want(true);
    viewed.follow();
    let now = standing::<SearchView>(&search, tail);
    assert_eq!(
        (now.doing, now.through, now.rebuilds),
        (Doing::Following, tail, 1)
    );
    assert_eq!((count(&viewed), viewed.files()), (5_000, before));
    append(viewed.log(), batch(vec![harness::create("", "Envoys part")])).unwrap();
    viewed.follow();
    assert_eq!(search.through(), viewed.log().tail());
}

#[test]
fn an_erasure_waits_for_the_view_that_is_made_anew_too() {
    let mut viewed = Viewed::new();
    append(
        viewed.log(),
        batch(vec![harness::create("b", "Whistleblower unmasked")]),
    )
    .unwrap();
    fill(&viewed, 9_000);
    viewed.take(Step::Seal);
    viewed.search().state().want(true);
    let step = |viewed: &mut Viewed| {
        let follower = viewed.follower.as_mut().unwrap();
        follower.step(viewed.opened.log()).unwrap()
    };
    assert!(step(&mut viewed));
    viewed.erase("b", None);
    let tail = viewed.log().tail();
    // The one that answers takes it in with its next step; the new one has not come so far then.
    assert!(step(&mut viewed));
    assert_eq!(viewed.search().through(), tail);
    assert!(viewed.search().rid_through() < tail);
    viewed.follow();
    assert!(viewed.search().rid_through() >= tail);
    let holds = |file: &PathBuf| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(13).any(|some| some == b"whistleblower")
    };
    assert!(!viewed.files().iter().any(holds));
}

/// Says so many things.
fn fill(viewed: &Viewed, records: usize) {
    let titles: Vec<String> = (0..records).map(|n| format!("Envoys meet {n}")).collect();
    for some in titles.chunks(500) {
        let drafts = some.iter().map(|title| harness::create("", title)).collect();
        append(viewed.log(), batch(drafts)).unwrap();
    }
}

/// Waits for a state that comes by itself.
fn comes(what: &str, mut is_there: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !is_there() {
        assert!(std::time::Instant::now() < until, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Erases the contents of two more entries, one after the other: when the store has removed the second from its files, it has
/// looked at everything that was erased before the first.
fn store_looks(viewed: &mut Viewed, keys: [&str; 2]) {
    for key in keys {
        append(viewed.log(), batch(vec![harness::create(key, "Envoys part")])).unwrap();
        viewed.erase(key, None);
        let erase = Position::new(viewed.log().tail().get() - 2);
        comes("the store", || viewed.log().is_removed(erase));
    }
}

#[test]
fn an_erasure_is_complete_only_when_the_view_is_rid_of_it() {
    let mut viewed = Viewed::new();
    append(viewed.log(), batch(vec![harness::create("b", "Envoys meet")])).unwrap();
    viewed.take(Step::Seal);
    viewed.take(Step::Restart);
    viewed.erase("b", None);
    let waits = |viewed: &Viewed| viewed.log().status().erasure_waits;
    // Nobody knows of the view yet.
    store_looks(&mut viewed, ["c", "d"]);
    assert_eq!(viewed.log().erasures_pending().len(), 3);
    let (records, holder, behind) = (3, None, 0);
    assert_eq!(
        waits(&viewed),
        Some(Waiting {
            records,
            holder,
            behind
        })
    );
    // Then it lags.
    let holder: Arc<dyn Holder> = viewed.search();
    viewed.log().add_holder(Arc::downgrade(&holder));
    store_looks(&mut viewed, ["e", "f"]);
    assert_eq!(viewed.log().erasures_pending().len(), 5);
    let name = HolderName {
        view: "search",
        is_made_anew: false,
    };
    assert_eq!(
        waits(&viewed),
        Some(Waiting {
            records: 5,
            holder: Some(name),
            behind: viewed.log().tail().get() - 1
        })
    );
    viewed.follow();
    comes("the end of it", || viewed.log().erasures_pending().is_empty());
    assert_eq!(waits(&viewed), None);
}

#[test]
fn an_erasure_says_that_it_waits_for_the_view_that_is_made_anew() {
    let mut viewed = Viewed::new();
    append(
        viewed.log(),
        batch(vec![harness::create("b", "Whistleblower unmasked")]),
    )
    .unwrap();
    fill(&viewed, 9_000);
    viewed.take(Step::Seal);
    let holder: Arc<dyn Holder> = viewed.search();
    viewed.log().add_holder(Arc::downgrade(&holder));
    viewed.search().state().want(true);
    let step = |viewed: &mut Viewed| {
        let follower = viewed.follower.as_mut().unwrap();
        follower.step(viewed.opened.log()).unwrap()
    };
    assert!(step(&mut viewed));
    viewed.erase("b", None);
    // The one that answers is rid of it, the new one has not come so far.
    assert!(step(&mut viewed));
    let waiting = viewed.log().status().erasure_waits.unwrap();
    let name = HolderName {
        view: "search",
        is_made_anew: true,
    };
    assert_eq!((waiting.records, waiting.holder), (1, Some(name)));
    let behind = viewed.log().tail().since(viewed.search().rid_through());
    assert_eq!(waiting.behind, behind);
    viewed.follow();
    comes("the end of it", || viewed.log().erasures_pending().is_empty());
    assert_eq!(viewed.log().status().erasure_waits, None);
}

#[test]
fn an_index_of_records_that_the_log_has_no_more_is_built_anew() {
    let mut viewed = Viewed::new();
    let title = |text: &str| batch(vec![harness::create("", text)]);
    for text in ["Envoys meet", "Envoys part"] {
        append(viewed.log(), title(text)).unwrap();
    }
    viewed.take(Step::Seal);
    // Another log has as many records, and a third has fewer.
    for texts in [vec!["Ministers meet", "Ministers part"], vec!["Ministers meet"]] {
        let mut other = Viewed::new();
        for text in &texts {
            append(other.log(), title(text)).unwrap();
        }
        other.follower = None;
        std::fs::remove_dir_all(other.views()).unwrap();
        viewed.follower = None;
        copy(&viewed.views(), &other.views());
        other.reopen();
        assert_eq!(other.search().through(), Position::START);
        other.take(Step::Seal);
        let view = Arc::new(OnceLock::from(other.search()));
        let view = Scanner::new(other.log().clone(), options(), view);
        let count = |text: &str| {
            let filter = Filter::parse(text).unwrap();
            answer(&view, &filter, other.log().tail(), Order::Newest, Collapse::None)
                .0
                .len()
        };
        assert_eq!((count("envoys"), count("ministers")), (0, texts.len()));
    }
    // And its own is taken as it is.
    viewed.reopen();
    assert_eq!(viewed.search().through(), Position::new(2));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let to = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path(), &to);
        } else {
            std::fs::copy(item.path(), to).unwrap();
        }
    }
}

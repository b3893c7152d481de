//! The index against a list of documents, and against damage.

use super::*;
use proptest::prelude::*;
use std::ops::ControlFlow;
use tempfile::TempDir;

const LAST: [u8; 32] = [7; 32];

/// Holds for one day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct On(i32);

impl DayCheck for On {
    fn holds(&self, days: &DaySpan) -> bool {
        *days == DaySpan::day(self.0)
    }
}

/// Holds for terms that end so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ends(u8);

impl TermCheck for Ends {
    fn holds(&self, rest: &[u8]) -> bool {
        rest.last() == Some(&self.0)
    }
}

/// What a document of the tests is made of.
#[derive(Clone, Debug, Default)]
struct Made {
    terms: Vec<(u8, String)>,
    days: Vec<i32>,
    note: Option<(u8, u64)>,
    tag: u64,
}

impl Made {
    fn document(&self) -> Document {
        let mut document = Document::default();
        for (field, text) in &self.terms {
            document.add_term(*field, text.as_bytes());
        }
        for day in &self.days {
            document.add_days(Dates::Occurred, &DaySpan::day(*day));
        }
        if let Some((number, on)) = self.note {
            document.add_note(number, Position::new(on));
        }
        document.set_tag(self.tag);
        document
    }

    fn is_meant(&self, at: u64, ask: &Ask<On, Ends>) -> bool {
        let has = |is: &dyn Fn(&[u8]) -> bool| {
            let bytes = |(field, text): &(u8, String)| [&[*field], text.as_bytes()].concat();
            self.terms.iter().any(|term| is(&bytes(term)))
        };
        !self.terms.is_empty()
            && match ask {
                Ask::All => true,
                Ask::Term(term) => has(&|bytes| bytes == term),
                Ask::Prefix(prefix) => has(&|bytes| bytes.starts_with(prefix)),
                Ask::Range(range) => has(&|bytes| *range.start <= *bytes && *bytes < *range.end),
                Ask::Terms(begins, Ends(end)) => has(&|bytes| {
                    let rest = bytes.strip_prefix(begins.as_slice());
                    rest.is_some_and(|rest| rest.last() == Some(end))
                }),
                Ask::Positions(positions) => positions.contains(&at),
                Ask::Days(dates, On(day)) => *dates == Dates::Occurred && self.days.contains(day),
                Ask::And(asks) => asks.iter().all(|ask| self.is_meant(at, ask)),
                Ask::Or(asks) => asks.iter().any(|ask| self.is_meant(at, ask)),
                Ask::Not(inner) => !self.is_meant(at, inner),
            }
    }
}

fn made() -> impl Strategy<Value = Made> {
    let term = (1..4_u8, "[ab]{0,3}");
    let days = prop::collection::vec(-2..4_i32, 0..3);
    let note = prop::option::of((1..4_u8, 0..9_u64));
    (prop::collection::vec(term, 0..5), days, note, tag()).prop_map(|(terms, days, note, tag)| Made {
        // Days are of what has terms.
        days: if terms.is_empty() { Vec::new() } else { days },
        terms,
        note,
        tag,
    })
}

/// One of a few that are alike, one of its own, or none.
fn tag() -> impl Strategy<Value = u64> {
    let one_of_few = (1..9_u64, 0..2_u64).prop_map(|(event, side)| hashed(event) & !1 | side);
    prop_oneof![3 => one_of_few, 2 => any::<u64>(), 1 => Just(0)]
}

/// Numbers that differ in their first bits too, as tags do.
fn hashed(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<Made>),
    Seal,
    Tend,
    Replace(Vec<(prop::sample::Index, Made)>),
    Reopen,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let replaced = prop::collection::vec((any::<prop::sample::Index>(), made()), 1..4);
    prop_oneof![
        6 => prop::collection::vec(made(), 1..30).prop_map(Step::Add),
        4 => Just(Step::Seal),
        2 => Just(Step::Tend),
        2 => replaced.prop_map(Step::Replace),
        1 => Just(Step::Reopen),
        1 => prop::bool::weighted(0.2).prop_map(|clear| if clear { Step::Clear } else { Step::Tend }),
    ]
}

fn ask() -> impl Strategy<Value = Ask<On, Ends>> {
    let bytes = (1..4_u8, "[ab]{0,2}").prop_map(|(field, text)| [&[field], text.as_bytes()].concat());
    let leaf = prop_oneof![
        Just(Ask::All),
        bytes.clone().prop_map(Ask::Term),
        bytes.clone().prop_map(Ask::Prefix),
        (bytes.clone(), b'a'..=b'b').prop_map(|(begins, end)| Ask::Terms(begins, Ends(end))),
        (bytes.clone(), bytes).prop_map(|(from, to)| Ask::Range(from..to)),
        (0..90_u64, prop_oneof![0..90_u64, Just(u64::MAX)]).prop_map(|(from, to)| Ask::Positions(from..to)),
        (-2..4_i32).prop_map(|day| Ask::Days(Dates::Occurred, On(day))),
        Just(Ask::Days(Dates::Reported, On(1))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            several.clone().prop_map(Ask::And),
            several.prop_map(Ask::Or),
            inner.prop_map(|inner| Ask::Not(Box::new(inner))),
        ]
    })
}

/// An index, and what is in it.
struct Indexed {
    folder: TempDir,
    opened: Option<Opened>,
    documents: Vec<Made>,
    sealed: usize,
}

impl Indexed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            opened: Some(open(folder.path()).unwrap()),
            folder,
            documents: Vec::new(),
            sealed: 0,
        }
    }

    fn writer(&mut self) -> &mut Writer {
        &mut self.opened.as_mut().unwrap().writer
    }

    fn snapshot(&self) -> Snapshot {
        self.opened.as_ref().unwrap().shelf.snapshot()
    }

    fn add(&mut self, some: Vec<Made>) {
        for one in some {
            let document = one.document();
            self.writer().add(&document);
            self.documents.push(one);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Add(some) => self.add(some),
            Step::Seal => {
                self.writer().seal(&LAST).unwrap();
                self.sealed = self.documents.len();
            }
            Step::Tend => self.writer().tend().unwrap(),
            Step::Replace(some) => self.replace(some),
            Step::Reopen => {
                self.opened = None;
                self.opened = Some(open(self.folder.path()).unwrap());
                self.documents.truncate(self.sealed);
            }
            Step::Clear => {
                self.writer().clear().unwrap();
                self.documents.clear();
                self.sealed = 0;
            }
        }
    }

    fn replace(&mut self, some: Vec<(prop::sample::Index, Made)>) {
        if self.documents.is_empty() {
            return;
        }
        let mut replaced = std::collections::BTreeMap::new();
        for (any, one) in some {
            let at = any.index(self.documents.len());
            replaced.insert(Position::new(at as u64), one.document());
            self.documents[at] = one;
        }
        let replaced: Vec<_> = replaced.into_iter().collect();
        self.writer().replace(&replaced).unwrap();
    }

    fn tags(&self, positions: &[Position]) -> Vec<u64> {
        let (snapshot, mut tags) = (self.snapshot(), Vec::new());
        for part in 0..snapshot.parts() {
            let those = positions.iter().map(|position| snapshot.number_of(*position));
            let those = those
                .filter(|(own, _)| *own == part)
                .map(|(_, number)| number)
                .collect();
            snapshot
                .each_tag(part, &those, &mut |_, tag| tags.push(tag))
                .unwrap();
        }
        tags
    }

    /// Whether those are named that are alike to one before them, among some documents and tags that are not in the index.
    fn check_alike(&self, is_meant: impl Fn(usize) -> bool, loose: &[u64]) {
        let snapshot = self.snapshot();
        let mut sets = vec![roaring::RoaringBitmap::new(); snapshot.parts()];
        let mut tagged = Vec::new();
        for (at, one) in self.documents.iter().enumerate().filter(|(at, _)| is_meant(*at)) {
            let position = Position::new(at as u64);
            let (part, number) = snapshot.number_of(position);
            sets[part].insert(number);
            tagged.push((one.tag, position));
        }
        let behind = (snapshot.through().get()..).map(Position::new);
        let loose: Vec<Tagged> = loose.iter().copied().zip(behind).collect();
        tagged.extend(&loose);
        let mut first = std::collections::HashMap::new();
        let is_turned = |(tag, position): &(u64, Position)| {
            let first = *first.entry(tag | 1).or_insert((*tag, *position));
            (*tag != 0 && first.1 != *position).then_some((*position, first.0 != *tag))
        };
        let plain: Vec<(Position, bool)> = tagged.iter().filter_map(is_turned).collect();
        let mut named = Vec::new();
        snapshot
            .repeated(&sets, &loose, &mut |one| {
                named.push((one.position, one.is_turned))
            })
            .unwrap();
        named.sort_unstable();
        assert_eq!(named, plain);
    }

    fn check(&self, ask: &Ask<On, Ends>, days: Option<Dates>) {
        let mut found = Vec::new();
        let snapshot = self.snapshot();
        snapshot
            .find(ask, days, |hits| {
                found.extend(hits.map(|hit| (hit.position.get(), hit.day)));
                ControlFlow::Continue(())
            })
            .unwrap();
        found.sort_unstable();
        let meant = self
            .documents
            .iter()
            .enumerate()
            .filter(|(at, one)| one.is_meant(*at as u64, ask));
        let day = |one: &Made| days.and_then(|_| one.days.iter().min().copied());
        let meant: Vec<_> = meant.map(|(at, one)| (at as u64, day(one))).collect();
        assert_eq!(found, meant, "{ask:?}");
        // Of a range it is enough to ask the parts that have it.
        let middle = self.documents.len() as u64 / 2;
        let range = Position::new(middle / 2)..Position::new(middle + 1);
        let mut of_range = Vec::new();
        for part in snapshot.parts_of(&range) {
            let at = |number: u32| snapshot.from(part).get() + u64::from(number);
            of_range.extend(snapshot.set(part, ask).unwrap().iter().map(at));
        }
        let is_in = |at: &u64| range.contains(&Position::new(*at));
        let meant: Vec<u64> = meant.into_iter().map(|(at, _)| at).filter(is_in).collect();
        of_range.retain(is_in);
        assert_eq!(of_range, meant, "{ask:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_is_what_was_added(
        steps in prop::collection::vec(step(), 1..30),
        asks in prop::collection::vec(ask(), 12),
        some in prop::collection::vec(any::<bool>(), 64),
        loose in prop::collection::vec(tag(), 0..3),
    ) {
        let mut indexed = Indexed::new();
        for step in steps {
            indexed.take(step);
            indexed.check_alike(|at| some[at % some.len()], &loose);
        }
        prop_assert_eq!(indexed.snapshot().through().get(), indexed.documents.len() as u64);
        for (at, ask) in asks.iter().enumerate() {
            indexed.check(ask, (at % 2 == 0).then_some(Dates::Occurred));
        }
        let chosen = (0..indexed.documents.len()).filter(|at| some[at % some.len()]);
        let (positions, tags): (Vec<Position>, Vec<u64>) = chosen.map(|at| (Position::new(at as u64), indexed.documents[at].tag)).unzip();
        prop_assert_eq!(indexed.tags(&positions), tags);
        // Each look compares one volume more.
        for _ in 0..indexed.snapshot().volumes() {
            indexed.take(Step::Tend);
        }
        indexed.check_alike(|at| some[at % some.len()], &loose);
        indexed.check_alike(|_| true, &[]);
        let mut notes = Vec::new();
        indexed.snapshot().notes(|at, number, on| notes.push((at.get(), number, on.get()))).unwrap();
        notes.sort_unstable();
        let made = indexed.documents.iter().enumerate();
        let made: Vec<_> = made.filter_map(|(at, one)| one.note.map(|(number, on)| (at as u64, number, on))).collect();
        prop_assert_eq!(notes, made);
    }

    #[test]
    fn lists_come_back_in_every_form(numbers in prop::collection::btree_set(0..200_000_u32, 0..400), dense in any::<bool>()) {
        let numbers: Vec<u32> = if dense { (0..70_000).filter(|n| !numbers.contains(n)).collect() } else { numbers.into_iter().collect() };
        let gaps: list::Gaps = numbers.iter().copied().collect();
        let count = gaps.count;
        let (form, bytes) = list::encode(&numbers, gaps.clone()).unwrap();
        let mut read = Vec::new();
        list::read(form, &bytes, count, &mut read).unwrap();
        prop_assert_eq!(&read, &numbers);
        prop_assert_eq!(list::set(form, &bytes, count).unwrap().into_iter().collect::<Vec<_>>(), numbers);
        prop_assert!(bytes.len() <= gaps.bytes.len());
    }
}

/// Enough documents for several blocks, and for lists of every form.
fn many() -> Vec<Made> {
    let one = |n: u32| Made {
        terms: vec![
            (1, "every".into()),
            (2, format!("third {}", n % 3)),
            (3, format!("of its own {n}")),
        ],
        days: vec![(n / 50).cast_signed()],
        note: n.is_multiple_of(100).then_some((1, u64::from(n))),
        tag: u64::from(n) << 40,
    };
    (0..2_000).map(one).collect()
}

#[test]
fn tags_are_read_across_the_stretches_that_have_them_together() {
    let mut indexed = Indexed::new();
    let count = 2 * build::TAGS as u64 + 3;
    let one = |at| Made {
        tag: hashed(at),
        ..Made::default()
    };
    for some in [0..count, count..count + 5, count + 5..count + 7] {
        indexed.add(some.map(one).collect());
        indexed.take(Step::Seal);
    }
    indexed.add(vec![one(count + 7)]);
    let every = |step: usize| -> Vec<u64> { (0..count + 8).step_by(step).collect() };
    for step in [1, 7, build::TAGS, 4_097] {
        let positions: Vec<Position> = every(step).into_iter().map(Position::new).collect();
        let tags: Vec<u64> = every(step).into_iter().map(hashed).collect();
        assert_eq!(indexed.tags(&positions), tags, "{step}");
    }
}

#[test]
fn documents_in_many_buckets_are_alike_across_volumes() {
    let mut indexed = Indexed::new();
    let tagged = |tag: u64| Made {
        tag,
        ..Made::default()
    };
    // Those of the second volume are turned twins of every third of the first one, and two of the third are the same.
    let firsts = (1..6_000).map(|at| tagged(hashed(at) & !1));
    let twins = (1..2_000).map(|at| tagged(hashed(at * 3) | 1));
    let last = [7_000, 8_000, 8_000].map(|at| tagged(hashed(at)));
    for some in [firsts.collect(), twins.collect(), last.to_vec()] {
        indexed.add(some);
        indexed.take(Step::Seal);
        indexed.check_alike(|_| true, &[hashed(50)]);
        indexed.writer().compare_next().unwrap();
        indexed.check_alike(|_| true, &[hashed(50)]);
    }
    // Few, most and neither are looked up in other ways.
    for step in [300, 401, 2] {
        indexed.check_alike(|at| at % step == 0, &[]);
        indexed.check_alike(|at| at % step != 0, &[hashed(50), hashed(51) ^ 1]);
    }
    indexed.add(vec![tagged(hashed(7_000) ^ 1)]);
    indexed.check_alike(|at| at % 2 == 1, &[hashed(4_000), hashed(9_000)]);
    indexed.opened = None;
    indexed.opened = Some(open(indexed.folder.path()).unwrap());
    indexed.documents.pop();
    indexed.check_alike(|_| true, &[]);
    (0..3).for_each(|_| indexed.take(Step::Tend));
    indexed.check_alike(|_| true, &[hashed(50)]);
}

#[test]
fn a_tag_that_was_replaced_is_in_no_file() {
    let mut indexed = Indexed::new();
    indexed.add(many());
    let tag = 0x0123_4567_89ab_cdef;
    indexed.documents[700].tag = tag;
    let with_tag = [(Position::new(700), indexed.documents[700].document())];
    indexed.writer().replace(&with_tag).unwrap();
    indexed.take(Step::Seal);
    let on_disk = |indexed: &Indexed, bytes: &[u8]| {
        let has = |file: PathBuf| {
            std::fs::read(file)
                .unwrap()
                .windows(bytes.len())
                .any(|some| some == bytes)
        };
        files(indexed).into_iter().any(has)
    };
    assert!(on_disk(&indexed, &tag.to_le_bytes()));
    indexed.documents[700] = Made::default();
    indexed
        .writer()
        .replace(&[(Position::new(700), Document::default())])
        .unwrap();
    assert!(!on_disk(&indexed, &tag.to_le_bytes()));
    indexed.check_alike(|_| true, &[tag]);
}

fn term(field: u8, text: &str) -> Ask<On, Ends> {
    Ask::Term([&[field], text.as_bytes()].concat())
}

#[test]
fn a_flipped_byte_is_found_before_it_says_anything() {
    let mut indexed = Indexed::new();
    indexed.add(many());
    indexed.take(Step::Seal);
    indexed.opened = None;
    let [path] = files(&indexed).try_into().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let asks = [
        Ask::All,
        term(1, "every"),
        term(2, "third 1"),
        term(3, "of its own 700"),
        term(3, "of its own"),
        Ask::Prefix([&[3], b"of its own 19".as_slice()].concat()),
        Ask::Days(Dates::Occurred, On(7)),
        Ask::Range([&[3], b"of its own 18".as_slice()].concat()..[&[3], b"of its own 2".as_slice()].concat()),
    ];
    let mut found = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 600) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, flipped).unwrap();
        match open(indexed.folder.path()) {
            Err(error) => {
                assert!(error.is_damage(), "{error}");
                found += 1;
            }
            Ok(opened) => {
                indexed.opened = Some(opened);
                found += usize::from(is_found_by(&indexed, &asks));
            }
        }
    }
    assert!(found > 300, "{found}");
}

/// Whether a question meets the damage; those that do not are answered as ever.
fn is_found_by(indexed: &Indexed, asks: &[Ask<On, Ends>]) -> bool {
    let mut met = false;
    let mut tags = Vec::new();
    let snapshot = indexed.snapshot();
    let all = snapshot.set(0, &Ask::<On, Ends>::All).unwrap_or_default();
    match snapshot.each_tag(0, &all, &mut |_, tag| tags.push(tag)) {
        Ok(()) => assert!((0..).zip(&tags).all(|(at, tag)| *tag == at << 40)),
        Err(error) => {
            assert!(error.is_damage(), "{error}");
            met = true;
        }
    }
    let every = [(0..2_000).collect(), roaring::RoaringBitmap::new()];
    match snapshot.repeated(&every, &[], &mut |one| panic!("no two are alike: {one:?}")) {
        Ok(()) => {}
        Err(error) => {
            assert!(error.is_damage(), "{error}");
            met = true;
        }
    }
    for ask in asks {
        let looked = indexed.snapshot().find(ask, None, |_| ControlFlow::Continue(()));
        match looked {
            Ok(()) => indexed.check(ask, None),
            Err(error) => {
                assert!(error.is_damage(), "{error}");
                met = true;
            }
        }
    }
    met
}

fn files(indexed: &Indexed) -> Vec<PathBuf> {
    let items = std::fs::read_dir(indexed.folder.path()).unwrap();
    let mut files: Vec<PathBuf> = items.map(|item| item.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_cut_volume_is_not_opened() {
    let mut indexed = Indexed::new();
    indexed.add(many());
    indexed.take(Step::Seal);
    indexed.opened = None;
    let [path] = files(&indexed).try_into().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 1, 71, 72, 500, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let opened = open(indexed.folder.path());
        assert!(opened.is_err_and(|error| error.is_damage()), "{length} bytes");
    }
}

#[test]
fn what_a_crash_leaves_beside_the_volumes_is_removed() {
    let mut indexed = Indexed::new();
    for some in many().chunks(500) {
        indexed.add(some.to_vec());
        indexed.take(Step::Seal);
    }
    let before: Vec<(PathBuf, Vec<u8>)> = files(&indexed)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert_eq!(before.len(), 4);
    // The last two are merged, as they are small; the next look takes the merged one in.
    while files(&indexed).len() == 4 {
        indexed.take(Step::Tend);
    }
    indexed.opened = None;
    let merged = files(&indexed);
    // The volumes are merged, and a crash comes before the small ones are gone, and while another one is written.
    before
        .iter()
        .for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    std::fs::write(
        indexed.folder.path().join("000000002000-000000002500.part"),
        "half",
    )
    .unwrap();
    indexed.opened = Some(open(indexed.folder.path()).unwrap());
    assert_eq!(files(&indexed), merged);
    indexed.check(&term(2, "third 2"), None);
    // A volume in the middle is gone: what comes after it is worth nothing.
    indexed.opened = None;
    std::fs::remove_file(&files(&indexed)[1]).unwrap();
    indexed.opened = Some(open(indexed.folder.path()).unwrap());
    assert_eq!(indexed.snapshot().through(), Position::new(500));
    assert_eq!(files(&indexed).len(), 1);
}

#[test]
fn a_snapshot_keeps_what_it_has_while_volumes_are_merged() {
    let mut indexed = Indexed::new();
    indexed.add(many());
    let before = indexed.snapshot();
    indexed.take(Step::Seal);
    indexed.add(many());
    indexed.take(Step::Seal);
    while files(&indexed).len() == 2 {
        indexed.take(Step::Tend);
    }
    let mut found = 0;
    before
        .find(&term(1, "every"), None, |hits| {
            found += hits.count();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((found, before.through().get()), (2_000, 2_000));
}

#[test]
fn days_are_in_the_order_of_their_keys() {
    let days = [Some(i32::MIN), Some(-1), Some(0), Some(1), Some(i32::MAX), None];
    let keys: Vec<Vec<u8>> = days
        .iter()
        .map(|earliest| {
            let days = DaySpan {
                earliest: *earliest,
                latest: Some(3),
            };
            let key = day_key(&days);
            assert_eq!(days_of_key(&key), Some(days));
            key
        })
        .collect();
    assert!(keys.is_sorted());
    assert_eq!(days_of_key(&[0, 1]), None);
}

#[test]
fn an_index_whose_folder_was_removed_begins_anew() {
    let mut indexed = Indexed::new();
    indexed.add(many());
    std::fs::remove_dir_all(indexed.folder.path()).unwrap();
    let error = indexed.writer().seal(&LAST).unwrap_err();
    assert!(error.is_damage(), "{error}");
    let before = indexed.snapshot();
    indexed.take(Step::Clear);
    assert!(!indexed.snapshot().is_of(&before));
    indexed.add(many());
    indexed.take(Step::Seal);
    assert!(indexed.snapshot().is_of(&indexed.snapshot()));
    indexed.check(&term(2, "third 1"), None);
}

#[test]
fn few_documents_with_many_keys_are_sealed_too() {
    let mut indexed = Indexed::new();
    let mut added = 0;
    while !indexed.writer().is_full() {
        let mut document = Document::default();
        (0..20_000).for_each(|n| document.add_term(1, format!("{added} {n} and some more").as_bytes()));
        indexed.writer().add(&document);
        added += 1;
        assert!(added < 200, "it is full at last");
    }
    indexed.writer().seal(&LAST).unwrap();
    assert!(!indexed.writer().is_full());
}

#[test]
fn a_volume_that_cannot_be_written_changes_nothing_and_leaves_nothing() {
    let mut indexed = Indexed::new();
    indexed.add(many());
    // What stands in its place cannot be replaced by a file: the last step fails.
    let place = indexed.folder.path().join("000000000000-000000002000.volume");
    std::fs::create_dir_all(place.join("in the way")).unwrap();
    let error = indexed.writer().seal(&LAST).unwrap_err();
    assert!(!error.is_damage(), "{error}");
    assert_eq!(
        files(&indexed),
        std::slice::from_ref(&place),
        "nothing half written is left"
    );
    indexed.check(&term(2, "third 1"), None);
    std::fs::remove_dir_all(&place).unwrap();
    indexed.take(Step::Seal);
    indexed.take(Step::Reopen);
    indexed.check(&term(2, "third 1"), None);
    assert_eq!(indexed.documents.len(), 2_000);
}

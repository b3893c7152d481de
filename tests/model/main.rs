//! Random batches, restarts and power cuts, held against a plain table of entries.
//!
//! The table is written from the record model, not from the log: who may do what, which revision comes of it, what is a
//! duplicate. After each run the log's states as of every point, its receipts for repeated requests and its roots are
//! held against the table's own. Other runs have a view of names besides, which seals, merges, is made anew, damaged and removed as
//! chance has it: nobody may notice.

#[path = "../fault/sim.rs"]
#[expect(dead_code, reason = "the fault tests use more of it")]
mod sim;
mod table;

use chancery::log::{AppendError, Appended, Batch, Columns, Door, Draft, Erasing, ReadError, Receipt};
use chancery::record::codec::{RelationType, Statement, encode_payload};
use chancery::record::{
    Act, BatchId, EntryKey, Hash, Key, Outcome, Position, Reason, Revision, Series, leaf_hash,
};
use chancery::store::faulty::{SimDisk, Survives};
use chancery::view::names::NamesRunner;
use chancery::view::runner::Asked;
use sim::{Started, append, batch, draft, journal, start};
use std::collections::BTreeMap;
use table::{Did, Entry, Step, Table};

const SEGMENT_BYTES: u64 = 32 << 10;
const KEYS: u64 = 6;
const TITLES: u64 = 4;
const STEPS: usize = 120;

/// SplitMix64: a run is its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

fn entry(key: u64) -> EntryKey {
    EntryKey::new("desk", &format!("key {key}")).unwrap()
}

fn content(title: u64) -> bytes::Bytes {
    sim::payload(&format!("title {title}"), Vec::new())
}

fn statement() -> bytes::Bytes {
    chancery::record::codec::encode_payload(&chancery::record::codec::Payload {
        statement: Some(Statement {
            explanation: "because".into(),
            authority: "the court".into(),
            ..Statement::default()
        }),
        ..Default::default()
    })
}

/// One run: the log on its disk, the table, and what both said.
struct Run {
    random: Random,
    disk: SimDisk,
    started: Option<Started>,
    table: Table,
    /// The state of every entry as of each tail that a batch left.
    states: BTreeMap<u64, BTreeMap<u64, Entry>>,
    /// Named batches that wrote, and their receipts.
    requests: Vec<(Batch, Vec<Receipt>)>,
    names: usize,
    view: Option<View>,
}

/// A view of names, in a folder of its own.
struct View {
    folder: tempfile::TempDir,
    runner: Option<NamesRunner>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let disk = SimDisk::new();
        let started = Some(start(&disk, &journal(SEGMENT_BYTES)).unwrap());
        Self {
            random: Random(seed),
            disk,
            started,
            table: Table::default(),
            states: BTreeMap::new(),
            requests: Vec::new(),
            names: 0,
            view: None,
        }
    }

    fn with_a_view(seed: u64) -> Self {
        let mut run = Self::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let runner = Some(NamesRunner::open(folder.path(), run.log()).unwrap());
        run.view = Some(View { folder, runner });
        run
    }

    fn log(&self) -> &chancery::log::Log {
        &self.started.as_ref().unwrap().log
    }

    fn step(&mut self) {
        if self.view.is_some() && self.random.one_in(2) {
            self.view_step();
        }
        match self.random.below(20) {
            0 => self.reopen(false),
            1 => self.reopen(true),
            2 => self.repeat(),
            _ => self.batch(),
        }
    }

    /// A clean restart, or a power cut that leaves nothing but what was synced.
    fn reopen(&mut self, crash: bool) {
        let started = self.started.take().unwrap();
        if !crash {
            started.log.close();
        }
        let moment = self.disk.moment();
        drop(started);
        if crash {
            self.disk = self.disk.after_cut(moment, Survives::Nothing);
        }
        let started = start(&self.disk, &journal(SEGMENT_BYTES)).unwrap();
        assert!(started.closed.is_none(), "{:?}", started.closed);
        assert_eq!(started.log.tail().get(), self.table.tail);
        self.started = Some(started);
        if let Some(view) = &mut self.view {
            view.runner = None;
            view.runner =
                Some(NamesRunner::open(view.folder.path(), &self.started.as_ref().unwrap().log).unwrap());
        }
    }

    /// What may become of a view of names.
    fn view_step(&mut self) {
        let view = self.view.as_mut().unwrap();
        let runner = view.runner.as_mut().unwrap();
        let log = &self.started.as_ref().unwrap().log;
        match self.random.below(12) {
            0 => runner.asked().state().want(true),
            1 => flip_a_byte(view.folder.path(), &mut self.random),
            2 => drop(std::fs::remove_dir_all(view.folder.path())),
            3..6 => {
                // Whatever is wrong with its folder, the log goes on.
                let _ = runner.seal(log);
            }
            _ => {}
        }
        if let Err(error) = runner.step(log) {
            runner.failed(&error);
        }
    }

    /// A named batch sent again answers the first receipts and writes nothing.
    fn repeat(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let at = self.random.below(self.requests.len() as u64) as usize;
        let (batch, first) = &self.requests[at];
        let again = append_surely(self.log(), batch.clone()).unwrap();
        for (first, again) in first.iter().zip(&again.receipts) {
            if first.outcome != Outcome::Duplicate {
                assert_eq!(first, again, "the first receipts");
            }
        }
        assert_eq!(
            self.log().tail().get(),
            self.table.tail,
            "a repetition writes nothing"
        );
    }

    fn batch(&mut self) {
        let admin = self.random.one_in(4);
        let count = 1 + self.random.below(4);
        let steps: Vec<Step> = (0..count).map(|_| self.random_step(admin)).collect();
        let name = format!("batch {}", self.names);
        self.names += 1;
        let drafts = steps.iter().map(|step| self.as_draft(step)).collect();
        let mut sent = batch(&name, drafts);
        if admin {
            sent.door = Door::Admin;
        }
        if self.random.one_in(3) {
            sent.request_id = None;
        }
        let expected = self.table.batch(&steps);
        let answer = append_surely(self.log(), sent.clone());
        match (expected, answer) {
            (Ok(did), Ok(appended)) => self.agreed(sent, &did, appended),
            (Err(wrong), Err(AppendError::Refused(violations))) => {
                let indexes: Vec<usize> = violations.iter().filter_map(|one| one.index).collect();
                assert_eq!(
                    indexes, wrong,
                    "the records that break a rule: {violations:?} of {steps:?}"
                );
            }
            (expected, answer) => panic!("the table says {expected:?}, the log {answer:?} to {steps:?}"),
        }
        assert_eq!(self.log().tail().get(), self.table.tail);
    }

    fn as_draft(&self, step: &Step) -> Draft {
        let payload = if step.act.has_content() {
            content(step.title)
        } else {
            statement()
        };
        let relation =
            matches!(step.act, Act::Link | Act::Unlink).then(|| (RelationType::PartOf, entry(step.other)));
        let draft = Draft {
            act: step.act,
            series: Series::new("desk").unwrap(),
            key: Some(Key::new(&format!("key {}", step.key)).unwrap()),
            expected_revision: step.expected.map(Revision::new),
            reason: Reason::new("error").unwrap(),
            relation,
            ..draft("x", payload)
        };
        match step.act {
            Act::Erase => self.erasing(step, draft),
            _ => draft,
        }
    }

    /// An ERASE as the administration makes it: with the positions of what it takes.
    fn erasing(&self, step: &Step, draft: Draft) -> Draft {
        let revisions = step
            .erased
            .map(|(from, to)| (Revision::new(from), Revision::new(to)));
        let scope = self.log().scope(&entry(step.key), revisions).unwrap();
        let Some(scope) = scope else {
            let erased = Some(Erasing {
                from: Revision::FIRST,
                to: Revision::FIRST.next(),
                newest: Position::START,
            });
            return Draft { erased, ..draft };
        };
        let contents = &self.table.entries[&step.key].contents;
        let wanted = |revision: u64| {
            step.erased
                .is_none_or(|(from, to)| (from..to).contains(&revision))
        };
        let unerased = contents.iter().zip(1..);
        let unerased = unerased
            .filter(|(content, revision)| wanted(*revision) && !content.erased)
            .count();
        assert!(scope.targets.len() >= unerased, "all contents and perhaps more");
        Draft {
            erased: Some(scope.erasing),
            payload: encode_payload(&scope.statement("the court".into(), "because".into())),
            ..draft
        }
    }

    fn agreed(&mut self, sent: Batch, did: &[Did], appended: Appended) {
        for (did, receipt) in did.iter().zip(&appended.receipts) {
            let found = Did {
                position: receipt.position.get(),
                revision: receipt.revision.get(),
                outcome: receipt.outcome,
            };
            assert_eq!(*did, found, "{sent:?}");
        }
        let wrote = did.iter().any(|did| did.outcome != Outcome::Duplicate);
        if wrote {
            self.states.insert(self.table.tail, self.table.entries.clone());
            if sent.request_id.is_some() {
                self.requests.push((sent, appended.receipts));
            }
        }
    }

    fn random_step(&mut self, admin: bool) -> Step {
        let acts: &[Act] = if admin {
            &[Act::Hold, Act::Release, Act::Erase]
        } else {
            &[
                Act::Create,
                Act::Create,
                Act::Amend,
                Act::Amend,
                Act::Retract,
                Act::Reinstate,
                Act::Link,
                Act::Unlink,
            ]
        };
        let act = acts[self.random.below(acts.len() as u64) as usize];
        let key = self.random.below(KEYS);
        let known = self
            .table
            .entries
            .get(&key)
            .map_or(0, |entry| entry.contents.len() as u64);
        let expected = match self.random.below(6) {
            0 | 1 => Some(known),
            2 => Some(self.random.below(4)),
            _ => None,
        };
        let range = (1 + self.random.below(3), 2 + self.random.below(3));
        Step {
            act,
            key,
            title: self.random.below(TITLES),
            expected,
            other: (key + 1 + self.random.below(KEYS - 1)) % KEYS,
            erased: (range.0 < range.1 && self.random.one_in(2)).then_some(range),
        }
    }

    /// Every state as of every tail, every root, every record's place in its entry's history.
    fn hold_against(&self) {
        let log = self.log();
        for (tail, entries) in &self.states {
            for (key, expected) in entries {
                let found = log.entry(&entry(*key), Position::new(*tail)).unwrap().unwrap();
                assert_eq!(expected.status(), found.status(), "key {key} as of {tail}");
                assert_eq!(
                    expected.contents.len() as u64,
                    found.revision().get(),
                    "key {key} as of {tail}"
                );
                assert_eq!(expected.held, found.held.is_some(), "key {key} as of {tail}");
                let links: Vec<u64> = expected.links.iter().copied().collect();
                let mut others: Vec<u64> = (0..KEYS)
                    .filter(|other| found.links.iter().any(|link| link.other == entry(*other)))
                    .collect();
                others.sort_unstable();
                assert_eq!(links, others, "key {key} as of {tail}");
                let history: Vec<u64> = log
                    .history(&entry(*key), Position::new(*tail))
                    .unwrap()
                    .iter()
                    .map(|position| position.get())
                    .collect();
                assert_eq!(expected.records, history, "key {key} as of {tail}");
            }
        }
        let positions: Vec<Position> = (0..self.table.tail).map(Position::new).collect();
        let runs = log.fetch(&positions, Columns::Leaves).unwrap();
        let hashes: Vec<Hash> = runs
            .iter()
            .map(|run| leaf_hash(run.iter().next().unwrap().leaf))
            .collect();
        for size in 0..=hashes.len() {
            let root = log.root_at(Position::new(size as u64)).unwrap();
            assert_eq!(root, naive_root(&hashes[..size]), "the root over {size} leaves");
        }
        assert_eq!(log.status().root, Some(naive_root(&hashes)));
    }
}

/// Appends again where names turned out to be unknown in the midst of it: nothing was written then.
fn append_surely(log: &chancery::log::Log, batch: Batch) -> Result<Appended, AppendError> {
    let tail = log.tail();
    for _ in 0..3 {
        match append(log, batch.clone()) {
            Err(AppendError::Read(ReadError::Learning)) => assert_eq!(log.tail(), tail),
            answer => return answer,
        }
    }
    panic!("names stay unknown");
}

/// Damages a file of a view.
fn flip_a_byte(views: &std::path::Path, random: &mut Random) {
    let folders = std::fs::read_dir(views).into_iter().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let Some(path) = files.map(|file| file.unwrap().path()).next() else {
        return;
    };
    let mut bytes = std::fs::read(&path).unwrap();
    let at = random.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << random.below(8);
    std::fs::write(&path, bytes).unwrap();
}

/// RFC 6962, section 2.1, as it is written there.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => chancery::merkle::empty_root(),
        [one] => *one,
        many => {
            let split = many.len().next_power_of_two() / 2;
            chancery::merkle::node_hash(&naive_root(&many[..split]), &naive_root(&many[split..]))
        }
    }
}

#[test]
fn the_log_agrees_with_a_plain_table_through_restarts_and_power_cuts() {
    for seed in 0..40 {
        let result = std::panic::catch_unwind(|| {
            let mut run = Run::new(seed);
            for _ in 0..STEPS {
                run.step();
            }
            run.hold_against();
            run.reopen(true);
            run.hold_against();
        });
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn nobody_notices_what_becomes_of_the_view_of_names() {
    for seed in 100..140 {
        let result = std::panic::catch_unwind(|| {
            let mut run = Run::with_a_view(seed);
            for _ in 0..STEPS {
                run.step();
            }
            run.hold_against();
            run.reopen(true);
            run.hold_against();
            let entries = run.table.entries.len() as u64;
            assert_eq!(run.log().status().entries, entries);
        });
        assert!(result.is_ok(), "seed {seed}");
    }
}

#[test]
fn a_request_id_used_for_something_else_is_refused() {
    let mut run = Run::new(1);
    let named = |title: u64, key: &str| Batch {
        request_id: Some(BatchId::new("name".into()).unwrap()),
        ..batch("name", vec![draft(key, content(title))])
    };
    append(run.log(), named(1, "a")).unwrap();
    assert!(append(run.log(), named(1, "b")).is_err());
    run.table.tail = 1;
    run.reopen(true);
    assert!(append(run.log(), named(1, "b")).is_err());
    assert_eq!(
        append(run.log(), named(1, "a")).unwrap().receipts[0]
            .position
            .get(),
        0
    );
}

//! Subscriptions in a simulated life: one seed decides what is appended, amended and erased, who subscribes to what, who goes away
//! in the middle and comes back with a token, when the archive crashes, loses sled or its view, and when the view is made anew.
//! Nothing sleeps: a session is asked only for what is due to it. What it is told of each range must be what a look at every
//! record of that range says, and its ranges must join, over all its lives. And who keeps a copy of what matches by what he is told
//! has, wherever a message ends, what a search as of then answers ([`Copy`]).
//!
//! A failure prints its seed; `CHANCERY_SEED=n cargo test --test search resumable` has that life alone, and exactly so again.
//! `CHANCERY_SEEDS` says how many seeds there are.

use crate::feeds::{fed, link};
use crate::harness::{act, append, batch, draft};
use crate::{KEYS, Step, Viewed, answer, erase, options, plain};
use bytes::Bytes;
use chancery::filter::Filter;
use chancery::log::{Columns, Draft, Log};
use chancery::record::codec::{Content, encode_content};
use chancery::record::{Act, EntryKey, Leaf, Position};
use chancery::subscription::{From, Hub, Item, Session, Subscribe};
use chancery::view::ahead::Readers;
use chancery::view::likeness::Collapse;
use chancery::view::reader::Viewed as View;
use chancery::view::{Change, Mode, Order, Parts, Scanner, Selection};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Lives that are led where nobody says how many.
const SEEDS: u64 = 200;
/// What happens in each.
const STEPS: usize = 30;
/// Nothing that is due takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that follow from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

const FILTERS: [&str; 11] = [
    "",
    "kind = event",
    "key = c OR revision > 1",
    "status = erased OR country = JPN",
    "country = PAK",
    "country = IRN AND NOT act = retract",
    "NOT country = JPN",
    "act = retract country = PAK",
    "country = PAK OR key = c",
    "status = retracted",
    "title : khan revision > 1",
];

/// A message as the test reads it: the range, the records, the token.
fn encode(selection: &Selection, _: Parts, token: &[u8]) -> Bytes {
    let mut text = format!("{} {}", selection.first, selection.through);
    selection.for_each(|record, change| text += &format!(" {}:{change:?}", record.position));
    [text.as_bytes(), b"\n", token].concat().into()
}

/// One subscriber over all its sessions.
struct Subscriber {
    filter: Filter,
    mode: Mode,
    session: Option<Session>,
    token: Option<Bytes>,
    /// Where the first session began; where the next range begins from then on.
    next: u64,
    /// `None` where he does not follow changes, or an act, which no search answers.
    copy: Option<Copy>,
}

/// What a subscriber has of the entries that match, each at its newest revision: he begins with what a search answers, puts in what
/// enters, replaces what stays, and removes what leaves.
#[derive(Clone)]
struct Copy(BTreeMap<String, u64>);

impl Copy {
    /// What a search answers as of a position.
    fn of(log: &Log, filter: &Filter, as_of: Position) -> Self {
        let scan = Scanner::new(log.clone(), options(), Arc::default());
        let (entries, ..) = answer(&scan, filter, as_of, Order::Newest, Collapse::None);
        let entry = |(position, _)| leaf(log, position, |leaf| (leaf.key.to_owned(), leaf.revision.get()));
        let entries = entries.into_iter().map(entry);
        Self(entries.collect())
    }

    /// Takes in what he is told. What stays or leaves he has, but for what is told without a match: an ERASE, and to whoever follows
    /// everything each record of an entry that is out.
    fn take(&mut self, log: &Log, filter: &Filter, (position, change): (u64, Change)) {
        let of = |leaf: &Leaf<'_>| (leaf.key.to_owned(), leaf.revision.get(), leaf.act);
        let (key, revision, act) = leaf(log, position, of);
        // What the archive says of itself has no content, and is in no answer.
        if revision == 0 {
            return;
        }
        let had = match change {
            Change::Leaves => self.0.remove(&key),
            _ => self.0.insert(key, revision),
        };
        let is_had = match change {
            Change::Stays => had.is_some(),
            Change::Leaves => had.is_some() || act == Act::Erase || filter.is_all(),
            Change::Enters | Change::Untold => true,
        };
        assert!(
            is_had,
            "{position} {change:?}, and {:?} never had it",
            filter.canonical()
        );
    }

    /// Only what is erased after the position is in the copy and in no answer: he will hear of it.
    fn is_what_a_search_answers(&self, log: &Log, filter: &Filter, as_of: Position) {
        let answered = Self::of(log, filter, as_of).0;
        let is_left = |key: &String| {
            let entry = EntryKey::new("desk", key.as_str()).unwrap();
            let newest = log.entry(&entry, as_of).unwrap().unwrap().newest().unwrap();
            let is_erased =
                log.fetch(&[newest.position], Columns::Leaves).unwrap()[0].is_erased(newest.position);
            newest.erased || !is_erased
        };
        let mut kept = self.0.clone();
        kept.retain(|key, _| answered.contains_key(key) || is_left(key));
        assert_eq!(
            kept,
            answered,
            "what is kept of {:?} as of {as_of}",
            filter.canonical()
        );
    }
}

/// What the leaf of a record says.
fn leaf<T>(log: &Log, position: u64, take: impl Fn(&Leaf<'_>) -> T) -> T {
    let position = Position::new(position);
    let runs = log.fetch(&[position], Columns::Leaves).unwrap();
    take(&Leaf::decode(runs[0].get(position).unwrap().leaf).unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

struct Life {
    viewed: Viewed,
    runtime: tokio::runtime::Runtime,
    hub: Option<Arc<Hub>>,
    subscribers: Vec<Subscriber>,
    draw: Draw,
    /// What happened, in words.
    story: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut life = Self {
            viewed: Viewed::new(),
            runtime: runtime(),
            hub: None,
            subscribers: Vec::new(),
            draw: Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            story: Vec::new(),
        };
        life.open();
        life
    }

    fn open(&mut self) {
        let view: View = Arc::new(OnceLock::from(self.viewed.search()));
        let readers = Arc::new(Readers::default());
        let hub = Hub::new(self.viewed.log().clone(), readers, encode).with_view(&view);
        self.hub = Some(Arc::new(hub));
    }

    /// Everyone loses the connection.
    fn close(&mut self) {
        self.subscribers.iter_mut().for_each(|one| one.session = None);
        self.hub = None;
        // With it whatever the sessions have started ends, before the archive is opened again.
        self.runtime = runtime();
    }

    fn step(&mut self) {
        match self.draw.below(24) {
            0..=8 => self.say(),
            9 => {
                let (key, revision) = (self.draw.below(KEYS.len()), self.draw.below(4) as u64);
                let entry = EntryKey::new("desk", KEYS[key]).unwrap();
                let replacement = (self.draw.below(2) == 0).then(|| encode_content(self.content()));
                let is_replaced = replacement.is_some();
                let is_erased = erase(
                    &self.viewed,
                    entry,
                    (revision > 0).then_some(revision),
                    replacement,
                );
                self.tell(format!(
                    "erase {} {revision}, replaced: {is_replaced}: {is_erased}",
                    KEYS[key]
                ));
            }
            10..=12 => self.subscribe(),
            13..=17 => self.pull(),
            18 | 19 => self.disconnect(),
            20 => self.view(Step::Follow),
            21 => self.view(Step::Seal),
            22 => {
                let any = self.draw.below(1 << 20);
                let what = [Step::Rebuild, Step::Damage(any)];
                self.view(what[any % 2].clone());
            }
            _ => self.restart(),
        }
    }

    fn tell(&mut self, what: String) {
        self.story.push(what);
    }

    fn view(&mut self, what: Step) {
        self.tell(format!("view: {what:?}"));
        self.viewed.take(what);
    }

    fn say(&mut self) {
        let acts = [
            Act::Create,
            Act::Create,
            Act::Create,
            Act::Amend,
            Act::Amend,
            Act::Retract,
            Act::Reinstate,
            Act::Hold,
            Act::Release,
            Act::Link,
            Act::Unlink,
        ];
        let mut drafts = Vec::new();
        for _ in 0..1 + self.draw.below(3) {
            let (key, said, any) = (
                KEYS[self.draw.below(KEYS.len())],
                acts[self.draw.below(acts.len())],
                self.draw.below(1_000),
            );
            // Some have a key of their own, so that there are first contents too.
            let own = format!("{key} {any}");
            drafts.push(match said {
                Act::Create if any % 2 == 0 => draft(said, &own, encode_content(self.content())),
                Act::Amend if any % 3 == 0 => self.amended(key),
                Act::Create | Act::Amend => draft(said, key, encode_content(self.content())),
                Act::Link | Act::Unlink => link(said, key, KEYS[any % KEYS.len()]),
                other => act(other, key),
            });
        }
        let is_one_batch = self.draw.below(2) == 0;
        let size = if is_one_batch { drafts.len() } else { 1 };
        for some in drafts.chunks(size) {
            let named = |draft: &Draft| format!("{:?} {}", draft.act, draft.key.as_ref().unwrap());
            let named: Vec<String> = some.iter().map(named).collect();
            let is_said = append(self.viewed.log(), batch(some.to_vec())).is_ok();
            self.tell(format!("{}: {is_said}", named.join(", ")));
        }
    }

    /// By whoever knows the revision, as must be said where an earlier one was erased.
    fn amended(&mut self, key: &str) -> Draft {
        let (log, entry) = (self.viewed.log(), EntryKey::new("desk", key).unwrap());
        let state = log.entry(&entry, log.tail()).unwrap();
        Draft {
            expected_revision: state.map(|state| state.revision()),
            ..draft(Act::Amend, key, encode_content(self.content()))
        }
    }

    fn content(&mut self) -> Content {
        plain(&Content {
            title: "x".repeat(self.draw.below(12)),
            ..Content::default()
        })
    }

    fn subscribe(&mut self) {
        let text = FILTERS[self.draw.below(FILTERS.len())];
        let mode = [Mode::Changes, Mode::Changes, Mode::Records][self.draw.below(3)];
        let tail = self.viewed.log().tail().get();
        let next = [0, tail, tail / 2][self.draw.below(3)];
        self.tell(format!("subscribe {text:?} {mode:?} from {next}"));
        let filter = Filter::parse(text).unwrap();
        let is_kept = mode == Mode::Changes && !filter.names_act();
        let as_of = Position::new(next);
        self.subscribers.push(Subscriber {
            copy: is_kept.then(|| Copy::of(self.viewed.log(), &filter, as_of)),
            filter,
            mode,
            session: None,
            token: None,
            next,
        });
        self.connect(self.subscribers.len() - 1);
    }

    fn connect(&mut self, at: usize) {
        let one = &self.subscribers[at];
        let from = match &one.token {
            Some(token) => From::Token(token.clone()),
            None => From::Position(Position::new(one.next)),
        };
        let request = Subscribe {
            from,
            filter: one.filter.clone(),
            parts: Parts::Both,
            until: None,
            heartbeat: Duration::from_secs(3_600),
            mode: one.mode,
        };
        let hub = Arc::clone(self.hub.as_ref().unwrap());
        let session = self.runtime.block_on(hub.subscribe(request)).unwrap();
        self.subscribers[at].session = Some(session);
    }

    fn disconnect(&mut self) {
        if self.subscribers.is_empty() {
            return;
        }
        let at = self.draw.below(self.subscribers.len());
        self.tell(format!("disconnect {at}"));
        self.subscribers[at].session = None;
    }

    /// Has one subscriber take some of what is due to it, or all.
    fn pull(&mut self) {
        if self.subscribers.is_empty() {
            return;
        }
        let (at, some) = (self.draw.below(self.subscribers.len()), self.draw.below(4));
        self.take(at, if some == 0 { usize::MAX } else { some });
    }

    fn take(&mut self, at: usize, most: usize) {
        if self.subscribers[at].session.is_none() {
            self.connect(at);
        }
        let tail = self.viewed.log().tail().get();
        let mut session = self.subscribers[at].session.take().unwrap();
        let one = &self.subscribers[at];
        let looked = |range| {
            let fed = fed(
                self.viewed.log(),
                &one.filter,
                one.mode,
                range,
                &View::default(),
                1 << 20,
            );
            fed.into_iter()
                .map(|(position, change, _)| (position, change))
                .collect::<Vec<_>>()
        };
        let due = looked(one.next..tail);
        let mut told: Vec<(u64, Change)> = Vec::new();
        let (mut next, mut token, mut copy) = (one.next, one.token.clone(), one.copy.clone());
        while told.len() < due.len().min(most) {
            let item = self
                .runtime
                .block_on(async { tokio::time::timeout(PATIENCE, session.next()).await });
            match item.expect("what is due comes").unwrap().unwrap() {
                Item::Batch(message) => {
                    let end = message.iter().position(|byte| *byte == b'\n').unwrap();
                    let text = std::str::from_utf8(&message[..end]).unwrap();
                    let mut words = text.split(' ');
                    let mut number = || words.next().unwrap().parse::<u64>().unwrap();
                    let (first, through) = (number(), number());
                    assert_eq!(first, next, "ranges join");
                    assert!(through > first && through <= tail);
                    let records: Vec<(u64, Change)> = words.map(record).collect();
                    assert_eq!(records, looked(first..through), "{first}..{through}");
                    if let Some(copy) = &mut copy {
                        let (log, through) = (self.viewed.log(), Position::new(through));
                        records
                            .iter()
                            .for_each(|record| copy.take(log, &one.filter, *record));
                        copy.is_what_a_search_answers(log, &one.filter, through);
                    }
                    told.extend(records);
                    next = through;
                    token = Some(message.slice(end + 1..));
                }
                Item::Started {
                    from, token: first, ..
                } => {
                    assert_eq!(from.get(), next, "it goes on where it stood");
                    token = Some(first.into());
                }
                Item::CaughtUp { .. } | Item::FellBehind { .. } | Item::Heartbeat { .. } => {}
                Item::Draining { .. } => panic!("nobody stops"),
            }
        }
        let words = format!("{at} took {told:?}");
        let one = &mut self.subscribers[at];
        (one.next, one.token, one.copy, one.session) = (next, token, copy, Some(session));
        self.tell(words);
    }

    fn restart(&mut self) {
        let how = self.draw.below(3);
        self.tell(format!("restart {how}"));
        self.close();
        self.viewed.follower = None;
        match how {
            0 => self.viewed.opened.restart(),
            1 => self.viewed.opened.crash(),
            _ => {
                drop(self.viewed.opened.archive.take());
                // It may be deleted at any time.
                let _ = std::fs::remove_dir_all(self.viewed.opened.folder.path().join("sled"));
                self.viewed.opened.crash();
            }
        }
        self.viewed.reopen();
        self.open();
    }
}

fn record(word: &str) -> (u64, Change) {
    let (position, change) = word.split_once(':').unwrap();
    let all = [Change::Untold, Change::Enters, Change::Stays, Change::Leaves];
    let change = all.into_iter().find(|one| format!("{one:?}") == change);
    (position.parse().unwrap(), change.unwrap())
}

/// The whole life of a seed, and what happened in it.
fn live(seed: u64) -> Vec<String> {
    let mut life = Life::new(seed);
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..STEPS {
            life.step();
        }
        for at in 0..life.subscribers.len() {
            life.take(at, usize::MAX);
        }
    }));
    if told.is_err() {
        let last = life.story.iter().rev().take(12).rev();
        let last: Vec<&str> = last.map(String::as_str).collect();
        panic!("CHANCERY_SEED={seed} repeats it; last happened: {last:#?}");
    }
    life.close();
    life.story
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn ordered_unique_complete_and_resumable_whatever_happens_in_a_life() {
    if let Some(seed) = number("CHANCERY_SEED") {
        live(seed);
        return;
    }
    (1..=number("CHANCERY_SEEDS").unwrap_or(SEEDS)).for_each(|seed| drop(live(seed)));
}

#[test]
fn a_life_repeats_exactly() {
    for seed in [7, 77, 777] {
        assert_eq!(live(seed), live(seed), "CHANCERY_SEED={seed}");
    }
}

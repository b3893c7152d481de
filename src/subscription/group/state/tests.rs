//! The state of a group beside a plain list of records that is looked through each time.

use super::*;

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
}

#[derive(Clone, Debug, PartialEq)]
enum Is {
    Open,
    Delayed(u64),
    With(usize, u64),
    Parked,
    Done,
}

#[derive(Clone, Debug)]
struct Record {
    entry: u64,
    attempts: u32,
    known: bool,
    is: Is,
    /// Which hand-over gave it to who has it: the first that this one may know of, and the last.
    given: (u64, u64),
    /// Those who had it and may speak of it, with the first hand-over.
    earlier: BTreeMap<usize, u64>,
}

/// What a group is to do, by looking through all records.
struct Plain {
    rules: Rules,
    records: BTreeMap<u64, Record>,
    /// Of each entry whose records come in order: whose turn it is.
    turns: BTreeMap<u64, u64>,
    hand_overs: u64,
}

impl Plain {
    fn is_open(&self, position: u64) -> bool {
        !matches!(self.records[&position].is, Is::Parked | Is::Done)
    }

    /// The first open record of an entry has its turn, unless a consumer has another one.
    fn settle(&mut self) {
        for entry in 0..3 {
            let turn = self.turns.get(&entry);
            if turn.is_some_and(|position| matches!(self.records[position].is, Is::With(..))) {
                continue;
            }
            let mut of_it = self.records.iter().filter(|(_, one)| one.entry == entry);
            match of_it.find(|(position, _)| self.is_open(**position)) {
                Some((position, _)) => drop(self.turns.insert(entry, *position)),
                None => drop(self.turns.remove(&entry)),
            }
        }
    }

    fn has_its_turn(&self, position: u64) -> bool {
        let turn = self.turns.get(&self.records[&position].entry);
        self.rules.sharing == Sharing::Shared || turn == Some(&position)
    }

    fn count(&self, is: impl Fn(&Is) -> bool) -> usize {
        self.records.values().filter(|one| is(&one.is)).count()
    }

    fn pass(&mut self, now: u64) {
        for one in self.records.values_mut() {
            match one.is {
                Is::Delayed(until) if until <= now => one.is = Is::Open,
                Is::With(who, until) if until <= now => {
                    one.earlier.entry(who).or_insert(one.given.0);
                    one.is = if one.attempts >= self.rules.deliveries_max {
                        Is::Parked
                    } else {
                        Is::Open
                    };
                }
                _ => {}
            }
        }
        self.settle();
    }

    fn take(&mut self, consumer: usize, max: usize, now: u64) -> Vec<(u64, u32)> {
        self.pass(now);
        let mut taken = Vec::new();
        self.hand_overs += 1;
        let number = self.hand_overs;
        if self.count(|is| *is == Is::Parked) >= PARKED_MAX {
            return taken;
        }
        let positions: Vec<u64> = self.records.keys().copied().collect();
        for at in positions
            .into_iter()
            .filter(|at| self.has_its_turn(*at))
            .collect::<Vec<_>>()
        {
            let room = self.rules.in_flight_max - self.count(|is| matches!(is, Is::With(..)));
            let one = self.records.get_mut(&at).unwrap();
            if one.is == Is::Open && taken.len() < max && room > 0 {
                one.attempts += 1;
                one.known = true;
                one.given = (one.earlier.get(&consumer).copied().unwrap_or(number), number);
                one.is = Is::With(consumer, now + self.rules.ack_timeout_ms);
                taken.push((at, one.attempts));
            }
        }
        taken
    }
}

struct Run {
    random: Random,
    state: GroupState,
    plain: Plain,
    now: u64,
    next: u64,
    /// A consumer of a run before may have had what lies below.
    known_below: u64,
    /// What is done of it before it was looked at.
    ahead: BTreeSet<u64>,
}

const CONSUMERS: u64 = 3;

fn consumer(at: usize) -> Consumer {
    Consumer {
        name: "worker".into(),
        stream: at as u64,
    }
}

fn at(position: u64) -> Position {
    Position::new(position)
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let rules = Rules {
            sharing: if random.below(2) == 0 {
                Sharing::Shared
            } else {
                Sharing::Ordered
            },
            ack_timeout_ms: 10,
            deliveries_max: 1 + random.below(3) as u32,
            in_flight_max: 2 + random.below(6) as usize,
        };
        Self {
            random,
            state: GroupState::new(rules.clone(), at(0)),
            plain: Plain {
                rules,
                records: BTreeMap::new(),
                turns: BTreeMap::new(),
                hand_overs: 0,
            },
            now: 0,
            next: 0,
            known_below: 0,
            ahead: BTreeSet::new(),
        }
    }

    fn any_positions(&mut self) -> Vec<u64> {
        let bound = self.next + 2;
        (0..self.random.below(5))
            .map(|_| self.random.below(bound))
            .collect()
    }

    fn step(&mut self) {
        let who = self.random.below(CONSUMERS) as usize;
        match self.random.below(13) {
            0..3 => self.scan(),
            3..6 => self.take(who),
            6 => self.ack(),
            7 => self.ack_through(who),
            8 => self.nack(who),
            9 => self.now += self.random.below(8),
            10 => self.leave(who),
            11 => self.parked(),
            _ => self.extend_or_restart(who),
        }
        self.state.pass(self.now);
        self.plain.pass(self.now);
        self.compare();
    }

    fn scan(&mut self) {
        let through = self.next + self.random.below(6);
        let found: Vec<(Position, u64)> = (self.next..through)
            .filter(|_| self.random.below(3) > 0)
            .map(|position| (at(position), position % 3))
            .collect();
        for (position, entry) in &found {
            let record = Record {
                entry: *entry,
                attempts: 0,
                known: position.get() < self.known_below,
                given: (0, 0),
                earlier: BTreeMap::new(),
                is: if self.ahead.contains(&position.get()) {
                    Is::Done
                } else {
                    Is::Open
                },
            };
            self.plain.records.insert(position.get(), record);
            self.plain.settle();
        }
        self.state.scanned(found, at(through));
        self.next = through;
        self.ahead = self.ahead.split_off(&through);
    }

    fn take(&mut self, who: usize) {
        let max = self.random.below(4) as usize;
        let expected = self.plain.take(who, max, self.now);
        let taken = self.state.take(&consumer(who), max, self.now);
        let taken: Vec<(u64, u32)> = taken.iter().map(|(at, attempt)| (at.get(), *attempt)).collect();
        assert_eq!(taken, expected);
        if let (Some((back, _)), 0) = (taken.last(), self.random.below(4)) {
            self.state.give_back(&consumer(who), &[at(*back)]);
            let one = self.plain.records.get_mut(back).unwrap();
            (one.is, one.attempts) = (Is::Open, one.attempts - 1);
        }
    }

    fn ack(&mut self) {
        let positions = self.any_positions();
        let mut expected = 0;
        for position in &positions {
            if (self.next..self.known_below).contains(position) {
                expected += u64::from(self.ahead.insert(*position));
            } else if let Some(one) = self.plain.records.get_mut(position)
                && one.is != Is::Done
                && one.known
            {
                one.is = Is::Done;
                expected += 1;
                self.plain.settle();
            }
        }
        let by = consumer(self.random.below(CONSUMERS) as usize);
        assert_eq!(self.state.ack(&by, positions.into_iter().map(at)), expected);
    }

    fn ack_through(&mut self, who: usize) {
        let is_held = |one: &Record| matches!(one.is, Is::With(holder, _) if holder == who);
        let held = self.plain.records.iter().filter(|(_, one)| is_held(one));
        let held: Vec<u64> = held.map(|(position, _)| *position).collect();
        // Mostly one that he has.
        let any = self.random.below(self.next + 1);
        let through = match held.as_slice() {
            [_, ..] if self.random.below(4) > 0 => held[self.random.below(held.len() as u64) as usize],
            _ => any,
        };
        let known = self.plain.records.get(&through).filter(|one| is_held(one));
        let known = known.map(|one| one.given.0);
        let mut expected = 0;
        for (position, one) in self.plain.records.range_mut(..=through) {
            let is_known = known.is_some_and(|known| match who {
                0 => one.given.1 == known,
                _ => one.given.1 <= known,
            });
            if known.is_some() && is_held(one) && (is_known || *position == through) {
                one.is = Is::Done;
                expected += 1;
            }
        }
        assert_eq!(self.state.ack_through(&consumer(who), at(through)), expected);
    }

    fn nack(&mut self, who: usize) {
        let positions = self.any_positions();
        let refusal = match self.random.below(4) {
            0 => Refusal::Park,
            1 => Refusal::Skip,
            delay => Refusal::Retry((delay - 2) * 5),
        };
        let mut expected = 0;
        for position in &positions {
            let Some(one) = self.plain.records.get_mut(position) else {
                continue;
            };
            if !matches!(one.is, Is::With(holder, _) if holder == who) {
                continue;
            }
            expected += 1;
            one.earlier.entry(who).or_insert(one.given.0);
            one.is = match refusal {
                Refusal::Skip => Is::Done,
                Refusal::Park => Is::Parked,
                Refusal::Retry(_) if one.attempts >= self.plain.rules.deliveries_max => Is::Parked,
                Refusal::Retry(0) => Is::Open,
                Refusal::Retry(delay) => Is::Delayed(self.now + delay),
            };
        }
        let positions = positions.into_iter().map(at);
        let nacked = self
            .state
            .nack(&consumer(who), positions, refusal, "no", self.now);
        assert_eq!(nacked, expected);
    }

    fn leave(&mut self, who: usize) {
        let is_lost = self.random.below(2) == 0;
        match is_lost {
            true => self.state.leave(&consumer(who)),
            false => self.state.leave_in_order(&consumer(who)),
        }
        let held = self.plain.records.values_mut();
        let held = held.filter(|one| matches!(one.is, Is::With(holder, _) if holder == who));
        for (at, one) in held.enumerate() {
            let counts = is_lost && at == 0;
            one.attempts -= u32::from(!counts);
            one.is = if counts && one.attempts >= self.plain.rules.deliveries_max {
                Is::Parked
            } else {
                Is::Open
            };
        }
    }

    fn parked(&mut self) {
        let is_parked = |plain: &Plain, position: &u64| {
            plain
                .records
                .get(position)
                .is_some_and(|one| one.is == Is::Parked)
        };
        let named = (self.random.below(2) == 0).then(|| self.any_positions());
        let all: Vec<u64> = self.plain.records.keys().copied().collect();
        let mut chosen: Vec<u64> = named.clone().unwrap_or(all);
        chosen.retain(|position| is_parked(&self.plain, position));
        let is_replay = self.random.below(2) == 0;
        let mut changed = BTreeSet::new();
        for position in chosen {
            if !changed.insert(position) {
                continue;
            }
            let one = self.plain.records.get_mut(&position).unwrap();
            if is_replay {
                (one.is, one.attempts) = (Is::Open, 0);
            } else {
                one.is = Is::Done;
            }
            self.plain.settle();
        }
        let named: Option<Vec<Position>> = named.map(|named| named.into_iter().map(at).collect());
        let done = match is_replay {
            true => self.state.replay(named.as_deref()),
            false => self.state.drop_parked(named.as_deref()),
        };
        assert_eq!(done, changed.len() as u64);
    }

    fn extend_or_restart(&mut self, who: usize) {
        if self.random.below(2) == 0 {
            let later = self.now + self.plain.rules.ack_timeout_ms;
            let mut expected = 0;
            for one in self.plain.records.values_mut() {
                if let Is::With(holder, until) = &mut one.is
                    && *holder == who
                {
                    *until = later;
                    expected += 1;
                }
            }
            assert_eq!(self.state.extend(&consumer(who), &[], self.now), expected);
            return;
        }
        let open: Vec<Open> = self.state.open_records().collect();
        let parked = self.state.parked().clone();
        let tail = self.known_below.max(self.next + self.random.below(6));
        let places = (self.state.next(), at(tail));
        let ahead = self.state.done_ahead().clone();
        assert!(ahead.iter().copied().eq(self.ahead.iter().copied().map(at)));
        self.state = GroupState::restored(self.plain.rules.clone(), places, open.clone(), ahead, parked);
        for one in self.plain.records.values_mut() {
            one.known = true;
            one.earlier.clear();
            if let Is::With(who, _) = one.is {
                one.attempts -= u32::from(who > 0);
                let is_last = one.attempts >= self.plain.rules.deliveries_max;
                one.is = if is_last { Is::Parked } else { Is::Open };
            }
        }
        let is_open = |one: &Open| self.plain.is_open(one.position.get());
        assert!(self.state.open_records().eq(open.into_iter().filter(is_open)));
        self.known_below = tail;
        self.plain.settle();
    }

    fn compare(&self) {
        let plain = &self.plain;
        // Behind another one of its entry a record waits for that, whatever it was before.
        let with_turn = |is_it: fn(&Is) -> bool| {
            let records = plain.records.iter();
            records
                .filter(|(position, one)| is_it(&one.is) && plain.has_its_turn(**position))
                .count()
        };
        let ready = with_turn(|is| *is == Is::Open);
        let delayed = with_turn(|is| matches!(is, Is::Delayed(_)));
        let expected = Counts {
            in_flight: plain.count(|is| matches!(is, Is::With(..))),
            ready,
            waiting: plain.count(|is| matches!(is, Is::Open | Is::Delayed(_))) - ready - delayed,
            delayed,
            parked: plain.count(|is| *is == Is::Parked),
        };
        assert_eq!(self.state.counts(), expected);
        let open = |one: &Record| !matches!(one.is, Is::Parked | Is::Done);
        let first = plain.records.iter().find(|(_, one)| open(one));
        let first = first.map_or(self.next, |(position, _)| *position);
        assert_eq!(self.state.position(), at(first));
        for who in 0..CONSUMERS as usize {
            let held = plain.count(|is| matches!(is, Is::With(holder, _) if *holder == who));
            assert_eq!(self.state.held(&consumer(who)), held);
        }
    }
}

#[test]
fn the_state_of_a_group_is_that_of_a_plain_list() {
    for seed in 0..400 {
        let result = std::panic::catch_unwind(|| {
            let mut run = Run::new(seed);
            for _ in 0..200 {
                run.step();
            }
        });
        assert!(result.is_ok(), "seed {seed}");
    }
}

fn rules(sharing: Sharing) -> Rules {
    Rules {
        sharing,
        ack_timeout_ms: 1_000,
        deliveries_max: 2,
        in_flight_max: 10,
    }
}

#[test]
fn a_record_that_is_delivered_too_often_is_parked_with_the_last_reason() {
    let mut state = GroupState::new(rules(Sharing::Shared), at(0));
    state.scanned([(at(4), 1)], at(9));
    let me = consumer(0);
    assert_eq!(state.take(&me, 9, 0), [(at(4), 1)]);
    state.nack(&me, [at(4)], Refusal::Retry(50), "no printer", 0);
    assert_eq!((state.take(&me, 9, 49), state.next_due()), (vec![], Some(50)));
    assert_eq!(state.take(&me, 9, 50), [(at(4), 2)]);
    assert_eq!(state.take(&me, 9, 1_050), []);
    let parked = state.parked()[&at(4)].clone();
    assert_eq!(
        parked.reason,
        "delivered 2 times, at last: it was not acknowledged in time"
    );
    assert_eq!(state.take_parked_changes(), [(at(4), Some(parked))].to_vec());
    assert_eq!(state.position(), at(9), "what is parked holds nothing up");
    assert_eq!(state.replay(None), 1);
    assert_eq!(state.take_parked_changes(), [(at(4), None)]);
    assert_eq!(state.take(&me, 9, 1_050), [(at(4), 1)]);
}

#[test]
fn an_acknowledgement_that_comes_late_counts() {
    let mut state = GroupState::new(rules(Sharing::Shared), at(0));
    state.scanned([(at(0), 1), (at(1), 2)], at(2));
    state.take(&consumer(0), 1, 0);
    // It is with another one by now.
    assert_eq!(state.take(&consumer(1), 1, 2_000), [(at(0), 2)]);
    assert_eq!(state.nack(&consumer(0), [at(0)], Refusal::Park, "", 2_000), 0);
    assert_eq!(
        state.ack(&consumer(0), [at(0), at(1)]),
        1,
        "nobody was given the other one"
    );
    assert_eq!(state.held(&consumer(1)), 0);
}

#[test]
fn the_records_of_an_entry_come_one_after_the_other() {
    let mut state = GroupState::new(rules(Sharing::Ordered), at(0));
    state.scanned([(at(0), 7), (at(1), 7), (at(2), 8)], at(3));
    let taken = state.take(&consumer(0), 9, 0);
    assert_eq!(taken, [(at(0), 1), (at(2), 1)]);
    assert_eq!(state.take(&consumer(1), 9, 0), []);
    state.nack(&consumer(0), [at(0)], Refusal::Retry(100), "", 0);
    assert_eq!(
        state.take(&consumer(1), 9, 50),
        [],
        "nor while the first one waits"
    );
    state.ack(&consumer(0), [at(0)]);
    assert_eq!(state.take(&consumer(1), 9, 50), [(at(1), 1)]);
}

#[test]
fn nothing_is_delivered_while_too_many_are_parked() {
    let mut state = GroupState::new(
        Rules {
            in_flight_max: 10_000,
            ..rules(Sharing::Shared)
        },
        at(0),
    );
    let many = PARKED_MAX as u64 + 1;
    state.scanned((0..many).map(|position| (at(position), position)), at(many));
    let taken = state.take(&consumer(0), PARKED_MAX, 0);
    let positions = taken.iter().map(|(position, _)| *position);
    state.nack(&consumer(0), positions, Refusal::Park, &"x".repeat(999), 0);
    assert_eq!((state.counts().parked, state.counts().ready), (PARKED_MAX, 1));
    assert_eq!(state.parked()[&at(0)].reason.len(), REASON_BYTES_MAX);
    assert_eq!(state.take(&consumer(0), 1, 0), []);
    assert_eq!(state.drop_parked(Some(&[at(3)])), 1);
    assert_eq!(state.take(&consumer(0), 1, 0).len(), 1);
}

#[test]
fn parked_records_of_an_entry_that_are_replayed_come_in_their_order() {
    let mut state = GroupState::new(rules(Sharing::Ordered), at(0));
    state.scanned([(at(0), 7), (at(1), 7)], at(2));
    let me = consumer(0);
    for position in [at(0), at(1)] {
        assert_eq!(state.take(&me, 1, 0), [(position, 1)]);
        assert_eq!(state.nack(&me, [position], Refusal::Park, "", 0), 1);
    }
    assert_eq!(state.replay(Some(&[at(1), at(0), at(1)])), 2);
    assert_eq!(state.take(&me, 9, 0), [(at(0), 1)]);
}

#[test]
fn an_older_record_that_is_replayed_comes_before_a_younger_one_of_its_entry() {
    let me = consumer(0);
    let parked_first = || {
        let mut state = GroupState::new(rules(Sharing::Ordered), at(0));
        state.scanned([(at(0), 7), (at(1), 7), (at(2), 7)], at(3));
        assert_eq!(state.take(&me, 1, 0), [(at(0), 1)]);
        assert_eq!(state.nack(&me, [at(0)], Refusal::Park, "", 0), 1);
        state
    };
    // The younger one is ready.
    let mut state = parked_first();
    assert_eq!(state.replay(None), 1);
    for position in [at(0), at(1), at(2)] {
        assert_eq!(state.take(&me, 9, 0), [(position, 1)]);
        assert_eq!(state.ack(&me, [position]), 1);
    }
    // It is delayed: nor does it wait for less because another one came first.
    let mut state = parked_first();
    assert_eq!(state.take(&me, 9, 0), [(at(1), 1)]);
    assert_eq!(state.nack(&me, [at(1)], Refusal::Retry(100), "", 0), 1);
    assert_eq!(state.replay(None), 1);
    assert_eq!(state.take(&me, 9, 0), [(at(0), 1)]);
    let open: Vec<Open> = state.open_records().collect();
    assert_eq!(open[1].delayed_until, Some(100), "it is kept, too");
    assert_eq!(state.ack(&me, [at(0)]), 1);
    assert_eq!(state.take(&me, 9, 99), []);
    assert_eq!(state.take(&me, 9, 100), [(at(1), 2)]);
    // It is with a consumer: whatever brings it back, the older one is first then.
    for how in 0..3 {
        let mut state = parked_first();
        assert_eq!(state.take(&me, 9, 0), [(at(1), 1)]);
        assert_eq!(state.replay(None), 1);
        assert_eq!(state.take(&consumer(1), 9, 0), [], "one at a time");
        match how {
            0 => drop(state.nack(&me, [at(1)], Refusal::Retry(0), "", 0)),
            1 => state.leave_in_order(&me),
            _ => state.pass(1_000),
        }
        assert_eq!(state.take(&consumer(1), 9, 1_000), [(at(0), 1)]);
    }
}

/// Over a stream what was given later than the record that is named is not read yet, and call by call the answer that gave another one
/// may be lost.
#[test]
fn through_a_record_is_done_what_its_consumer_can_have_read_and_nothing_else() {
    let rules = Rules {
        sharing: Sharing::Shared,
        ack_timeout_ms: 100,
        deliveries_max: 9,
        in_flight_max: 10,
    };
    let taken = |state: &mut GroupState, who: usize, max: usize| -> Vec<u64> {
        let taken = state.take(&consumer(who), max, 0);
        taken.iter().map(|(position, _)| position.get()).collect()
    };
    let filled = || {
        let mut state = GroupState::new(rules.clone(), at(0));
        state.scanned((0..6).map(|position| (at(position), 0)), at(6));
        state
    };
    // 0 is refused by another and given to 1 after 1 to 3, which were given one after the other.
    let mut state = filled();
    assert_eq!(taken(&mut state, 2, 1), [0]);
    for position in 1..4 {
        assert_eq!(taken(&mut state, 1, 1), [position]);
    }
    state.nack(&consumer(2), [at(0)], Refusal::Retry(0), "no", 0);
    assert_eq!(taken(&mut state, 1, 1), [0]);
    assert_eq!(state.ack_through(&consumer(1), at(2)), 2);
    assert_eq!(state.ack_through(&consumer(1), at(2)), 0, "it has it no longer");
    assert_eq!(state.ack_through(&consumer(1), at(5)), 0, "it does not have it");
    assert_eq!(state.ack_through(&consumer(1), at(0)), 1);
    assert_eq!(state.ack_through(&consumer(1), at(3)), 1);
    // Call by call.
    let mut state = filled();
    assert_eq!(taken(&mut state, 0, 2), [0, 1]);
    assert_eq!(taken(&mut state, 0, 3), [2, 3, 4]);
    assert_eq!(state.ack_through(&consumer(0), at(3)), 2);
    assert_eq!(state.ack_through(&consumer(0), at(1)), 2);
    // What comes a second time is known by the first: 0 may be named before the second is read, and with it 1.
    let mut state = filled();
    assert_eq!(taken(&mut state, 1, 2), [0, 1]);
    state.extend(&consumer(1), &[at(0)], 50);
    state.pass(100);
    assert_eq!(state.take(&consumer(2), 1, 100), [(at(1), 2)]);
    state.pass(150);
    let again = state.take(&consumer(1), 2, 150);
    assert_eq!(again, [(at(0), 2), (at(2), 1)]);
    state.nack(&consumer(2), [at(1)], Refusal::Retry(0), "no", 150);
    assert_eq!(state.take(&consumer(1), 1, 150), [(at(1), 3)]);
    assert_eq!(state.ack_through(&consumer(1), at(1)), 1, "0 comes once more");
    assert_eq!(state.ack_through(&consumer(1), at(2)), 2);
}

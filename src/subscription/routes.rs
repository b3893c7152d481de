//! Which live subscriptions a new record may concern.
//!
//! A [`Router`] is a plain value. It knows the filters that are followed live, each by the terms that it requires
//! ([`crate::filter::Lookup::required`]); it is told what new records are found by, once for all filters, and remembers for each
//! filter where records are that may match. So whoever follows a filter is woken for these and sleeps through all others,
//! and a thousand filters cost a record little more than one. A filter that requires nothing is concerned by every record.
//!
//! [`super::dispatch`] tells it of new records, [`super::session`] asks it where to look.

use super::hub::Form;
use crate::filter::{Filter, Term, TermFields};
use crate::record::{Hash, Position};
use crate::view::Mode;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;

/// Ranges that are remembered for a filter; whoever is further behind looks at every record.
const HITS_MAX: usize = 32;
/// Positions that are remembered for a filter, over all ranges. Of a range that has more of them each record may match.
const POSITIONS_MAX: usize = 1_024;

/// What a new record is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gist {
    /// It may concern any filter.
    Any,
    /// It has these terms, of the fields that were asked for; everybody who follows changes must have it where it is an ERASE.
    Terms {
        /// Its own, and those of its entry just before it.
        terms: BTreeSet<Term>,
        /// Whether it is an ERASE.
        erases: bool,
    },
}

/// Records that may concern a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Where they are.
    pub range: Range<Position>,
    /// The root of the tree of the size at which the range begins.
    pub root: Hash,
    /// Which of them; `None` where each may be.
    pub which: Option<Arc<[Position]>>,
}

impl Hit {
    /// How many positions it names.
    fn named(&self) -> usize {
        self.which.as_ref().map_or(0, |which| which.len())
    }
}

/// What there is for a filter from a position on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is not known: look at every record.
    Unknown,
    /// These may match, and none before them.
    Hit(Hit),
    /// Nothing below a position.
    Nothing {
        /// That position.
        through: Position,
        /// The root of the tree of that size.
        root: Hash,
    },
}

/// Knows whom new records may concern.
#[derive(Default)]
pub struct Router {
    routes: HashMap<u64, Route>,
    by_filter: HashMap<(Hash, Hash, Mode), u64>,
    by_term: HashMap<Term, Vec<u64>>,
    /// Those that require no term.
    open: BTreeSet<u64>,
    /// Those that follow changes.
    changes: BTreeSet<u64>,
    fields: TermFields,
    /// Every record below was told of.
    through: Position,
    root: Hash,
    /// What is being told of now goes so far, maybe without the fields of those who came meanwhile.
    telling: Position,
    next: u64,
}

struct Route {
    filter: (Hash, Hash, Mode),
    required: Option<Vec<Term>>,
    sessions: usize,
    hits: VecDeque<Hit>,
    /// How many positions the hits name.
    positions: usize,
    /// Nothing is known of records below.
    known_from: Position,
    /// The end of the last hit.
    woken: watch::Sender<Position>,
}

impl Route {
    fn push(&mut self, mut hit: Hit) {
        let end = hit.range.end;
        hit.which = hit.which.filter(|which| which.len() <= POSITIONS_MAX);
        self.positions += hit.named();
        match self.hits.back_mut() {
            // Without a choice among them they are one.
            Some(last)
                if last.range.end == hit.range.start && last.which.is_none() && hit.which.is_none() =>
            {
                last.range.end = end;
            }
            Some(_) | None => self.hits.push_back(hit),
        }
        while self.hits.len() > HITS_MAX || self.positions > POSITIONS_MAX {
            let Some(forgotten) = self.hits.pop_front() else {
                break;
            };
            self.positions -= forgotten.named();
            self.known_from = forgotten.range.end;
        }
        self.woken.send_replace(end);
    }
}

impl Router {
    /// Begins to tell of records from a position on; the root is that of the tree of this size.
    pub fn begin(&mut self, at: Position, root: Hash) {
        (self.through, self.root, self.telling) = (at, root, at);
    }

    /// Whether nobody follows a filter.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Every record below was told of.
    pub fn through(&self) -> Position {
        self.through
    }

    /// One more session follows a filter. Answers its route, and what tells of hits.
    pub fn join(&mut self, form: &Form, filter: &Filter) -> (u64, watch::Receiver<Position>) {
        let of = (form.filter, form.names, form.mode);
        if let Some(id) = self.by_filter.get(&of)
            && let Some(route) = self.routes.get_mut(id)
        {
            route.sessions += 1;
            return (*id, route.woken.subscribe());
        }
        let id = self.next;
        self.next += 1;
        let required = filter.lookup().required();
        for term in required.iter().flatten() {
            self.fields = self.fields.with(term.field);
            self.by_term.entry(term.clone()).or_default().push(id);
        }
        if required.is_none() {
            self.open.insert(id);
        }
        if form.mode == Mode::Changes {
            self.changes.insert(id);
        }
        let (woken, receiver) = watch::channel(Position::START);
        let route = Route {
            filter: of,
            required,
            sessions: 1,
            hits: VecDeque::new(),
            positions: 0,
            known_from: self.through.max(self.telling),
            woken,
        };
        self.routes.insert(id, route);
        self.by_filter.insert(of, id);
        (id, receiver)
    }

    /// A session ends; the last one takes the route with it.
    pub fn leave(&mut self, id: u64) {
        let Some(route) = self.routes.get_mut(&id) else {
            return;
        };
        route.sessions -= 1;
        if route.sessions > 0 {
            return;
        }
        let Some(route) = self.routes.remove(&id) else {
            return;
        };
        self.by_filter.remove(&route.filter);
        self.open.remove(&id);
        self.changes.remove(&id);
        for term in route.required.into_iter().flatten() {
            if let Some(of_term) = self.by_term.get_mut(&term) {
                of_term.retain(|one| *one != id);
                if of_term.is_empty() {
                    self.by_term.remove(&term);
                }
            }
        }
    }

    /// Says that records up to a position are about to be told of, and answers the fields whose terms are wanted.
    pub fn telling(&mut self, through: Position) -> TermFields {
        self.telling = self.telling.max(through);
        if self.routes.is_empty() {
            self.fields = TermFields::default();
        }
        self.fields
    }

    /// Takes in what the next records are found by, one after the other; the root is that of the tree with them.
    pub fn tell(&mut self, range: Range<Position>, gists: &[Gist], root: Hash) {
        let hit = |which| Hit {
            range: range.clone(),
            root: self.root,
            which,
        };
        match self.concerned(range.start, gists) {
            None => self.routes.values_mut().for_each(|route| route.push(hit(None))),
            Some(concerned) => {
                for id in &self.open {
                    if let Some(route) = self.routes.get_mut(id) {
                        route.push(hit(None));
                    }
                }
                for (id, positions) in concerned {
                    if let Some(route) = self.routes.get_mut(&id) {
                        route.push(hit(Some(positions)));
                    }
                }
            }
        }
        (self.through, self.root) = (range.end, root);
    }

    /// Which records concern which routes, but those that require nothing; `None` where any may concern any. Routes that require the
    /// same share what is made for them.
    fn concerned(&self, first: Position, gists: &[Gist]) -> Option<BTreeMap<u64, Arc<[Position]>>> {
        let mut of_terms: BTreeMap<&Term, Vec<Position>> = BTreeMap::new();
        let mut erasures = Vec::new();
        for (position, gist) in (first.get()..).map(Position::new).zip(gists) {
            let Gist::Terms { terms, erases } = gist else {
                return None;
            };
            for term in terms.iter().filter(|term| self.by_term.contains_key(term)) {
                of_terms.entry(term).or_default().push(position);
            }
            if *erases {
                erasures.push(position);
            }
        }
        let mut concerned: BTreeMap<u64, Arc<[Position]>> = BTreeMap::new();
        let mut concern = |id: u64, positions: &Arc<[Position]>| {
            let known = concerned.entry(id).or_insert_with(|| Arc::clone(positions));
            if !Arc::ptr_eq(known, positions) {
                let both: BTreeSet<Position> = known.iter().chain(positions.iter()).copied().collect();
                *known = both.into_iter().collect();
            }
        };
        for (term, positions) in of_terms {
            let positions = positions.into();
            let routes = self.by_term.get(term).into_iter().flatten();
            routes.for_each(|id| concern(*id, &positions));
        }
        if !erasures.is_empty() {
            let erasures = erasures.into();
            self.changes.iter().for_each(|id| concern(*id, &erasures));
        }
        concerned.retain(|id, _| !self.open.contains(id));
        Some(concerned)
    }

    /// Forgets every route. Those who come later have numbers that nobody had.
    pub fn forget_all(&mut self) {
        let next = self.next;
        *self = Self {
            next,
            ..Self::default()
        };
    }

    /// What there is for a route from a position on.
    pub fn look(&self, id: u64, at: Position) -> Look {
        let Some(route) = self.routes.get(&id).filter(|route| route.known_from <= at) else {
            return Look::Unknown;
        };
        match route.hits.iter().find(|hit| hit.range.end > at) {
            Some(hit) => Look::Hit(hit.clone()),
            None => Look::Nothing {
                through: self.through,
                root: self.root,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Parts;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    fn join(router: &mut Router, text: &str, mode: Mode) -> u64 {
        let filter = Filter::parse(text).unwrap();
        let form = Form {
            filter: filter.sha256(),
            names: filter.names_sha256(),
            mode,
            parts: Parts::Both,
        };
        router.join(&form, &filter).0
    }

    /// A record of a country, and nothing else that is asked for.
    fn of(country: &str) -> Gist {
        let terms = Filter::parse(&format!("country = {country}"))
            .unwrap()
            .lookup()
            .required();
        Gist::Terms {
            terms: terms.unwrap().into_iter().collect(),
            erases: false,
        }
    }

    fn nothing(through: u64) -> Look {
        Look::Nothing {
            through: at(through),
            root: [through as u8; 32],
        }
    }

    fn tell(router: &mut Router, first: u64, gists: &[Gist]) {
        let end = first + gists.len() as u64;
        router.telling(at(end));
        router.tell(at(first)..at(end), gists, [end as u8; 32]);
    }

    #[test]
    fn each_filter_is_told_of_the_records_that_may_match_and_of_no_others() {
        let mut router = Router::default();
        let pak = join(&mut router, "country = PAK", Mode::Changes);
        let irn = join(&mut router, "country = IRN", Mode::Changes);
        let open = join(&mut router, "NOT country = PAK", Mode::Records);
        assert_eq!(join(&mut router, "country = Pakistan", Mode::Changes), pak);
        tell(&mut router, 0, &[of("PAK"), of("IND"), of("PAK")]);
        tell(&mut router, 3, &[of("IND")]);
        let Look::Hit(hit) = router.look(pak, at(0)) else {
            panic!()
        };
        assert_eq!(hit.which.as_deref(), Some(&[at(0), at(2)][..]));
        assert_eq!(router.look(pak, at(3)), nothing(4));
        assert_eq!(router.look(irn, at(0)), nothing(4));
        let Look::Hit(hit) = router.look(open, at(0)) else {
            panic!()
        };
        assert_eq!((hit.range, hit.which), (at(0)..at(4), None));
        tell(&mut router, 4, &[Gist::Any]);
        assert!(matches!(router.look(irn, at(4)), Look::Hit(hit) if hit.root == [4; 32]));
    }

    #[test]
    fn an_erase_is_told_to_all_who_follow_changes() {
        let mut router = Router::default();
        let changes = join(&mut router, "country = PAK", Mode::Changes);
        let records = join(&mut router, "country = PAK", Mode::Records);
        let erase = Gist::Terms {
            terms: BTreeSet::new(),
            erases: true,
        };
        tell(&mut router, 0, &[erase]);
        assert!(matches!(router.look(changes, at(0)), Look::Hit(_)));
        assert_eq!(router.look(records, at(0)), nothing(1));
    }

    #[test]
    fn of_what_was_under_way_when_it_came_a_filter_knows_nothing() {
        let mut router = Router::default();
        let first = join(&mut router, "country = PAK", Mode::Changes);
        router.telling(at(2));
        let late = join(&mut router, "place = Geneva", Mode::Changes);
        router.tell(at(0)..at(2), &[of("IND"), of("IND")], [2; 32]);
        assert_eq!(router.look(late, at(1)), Look::Unknown);
        assert_eq!(router.look(late, at(2)), nothing(2));
        assert_eq!(router.look(first, at(0)), nothing(2));
    }

    #[test]
    fn bounded_whoever_is_far_behind_is_told_that_nothing_is_known() {
        let mut router = Router::default();
        let slow = join(&mut router, "country = PAK", Mode::Changes);
        for first in 0..1_000 {
            tell(&mut router, first, &[of("PAK")]);
        }
        assert_eq!(router.routes[&slow].hits.len(), HITS_MAX);
        assert_eq!(router.routes[&slow].positions, HITS_MAX);
        assert_eq!(router.look(slow, at(0)), Look::Unknown);
        let known = 1_000 - HITS_MAX as u64;
        assert!(matches!(router.look(slow, at(known)), Look::Hit(hit) if hit.range.start == at(known)));
    }

    #[test]
    fn bounded_of_a_filter_that_many_records_may_match_only_the_range_is_remembered() {
        let mut router = Router::default();
        let some = join(&mut router, "country = PAK OR country = IRN", Mode::Changes);
        let gists = |count| -> Vec<Gist> { (0..count).map(|at| of(["PAK", "IRN"][at % 2])).collect() };
        tell(&mut router, 0, &gists(POSITIONS_MAX + 1));
        let Look::Hit(hit) = router.look(some, at(0)) else {
            panic!()
        };
        assert_eq!((hit.range.end, hit.which), (at(1_025), None));
        tell(&mut router, 1_025, &gists(1_000));
        assert_eq!(router.routes[&some].positions, 1_000);
        let Look::Hit(hit) = router.look(some, at(1_025)) else {
            panic!()
        };
        let which = hit.which.unwrap();
        assert!(which.iter().copied().eq((1_025..2_025).map(at)));
        tell(&mut router, 2_025, &gists(1_000));
        assert_eq!(
            router.routes[&some].positions, 1_000,
            "the older ones are forgotten"
        );
        assert_eq!(router.look(some, at(2_024)), Look::Unknown);
        assert!(matches!(router.look(some, at(2_025)), Look::Hit(_)));
    }

    #[test]
    fn after_a_failure_nothing_is_known_and_no_number_is_given_twice() {
        let mut router = Router::default();
        let first = join(&mut router, "country = PAK", Mode::Changes);
        router.forget_all();
        assert_eq!(router.look(first, at(0)), Look::Unknown);
        router.begin(at(5), [5; 32]);
        let second = join(&mut router, "country = IRN", Mode::Changes);
        router.leave(first);
        assert_eq!(router.look(second, at(5)), nothing(5));
    }

    #[test]
    fn nothing_is_left_of_a_filter_that_nobody_follows() {
        let mut router = Router::default();
        let twice = join(&mut router, "country = PAK", Mode::Changes);
        join(&mut router, "country = PAK", Mode::Changes);
        let open = join(&mut router, "", Mode::Records);
        router.leave(twice);
        assert!(!router.is_empty() && !router.by_term.is_empty());
        router.leave(twice);
        router.leave(open);
        assert!(router.is_empty() && router.by_term.is_empty() && router.by_filter.is_empty());
        assert!(router.open.is_empty() && router.changes.is_empty());
        assert_eq!(router.look(twice, at(0)), Look::Unknown);
    }
}

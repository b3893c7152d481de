//! Reading an index.

use super::alike::{self, Alike, Prints, Repeated, Tagged};
use super::growing::Growing;
use super::list::{damaged, mark};
use super::part::{Part, View};
use super::volume::{Take, Volume};
use super::{Ask, Dates, DayCheck, IndexError, Section, TermCheck, days_of_key, error, section};
use crate::record::{Hash, Position};
use roaring::RoaringBitmap;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// How the files of volumes end.
const VOLUME: &str = "volume";
/// How a file ends that is not complete.
pub(super) const PART: &str = "part";

/// Where the tags of more documents than this share of all are asked for, to go through all is no slower: that reads next to each
/// other what lies so.
const TAGS_SHARE: u64 = 64;
/// Fewer are always asked for alone.
const TAGS_MIN: u64 = 16;

/// What there is to be read.
pub struct Shelf(RwLock<State>);

/// The volumes in the order of positions, and what comes after them.
#[derive(Clone)]
pub(super) struct State {
    pub volumes: Vec<Arc<Volume>>,
    /// Of each volume, from the first on, which documents are alike to others in any of these; not of all before they are compared.
    pub alike: Vec<Arc<Alike>>,
    pub growing: Arc<RwLock<Growing>>,
    /// How often it was begun anew.
    generation: u64,
}

impl State {
    pub fn new(volumes: Vec<Arc<Volume>>) -> Self {
        Self {
            volumes,
            alike: Vec::new(),
            growing: Arc::default(),
            generation: 0,
        }
    }

    /// Other volumes in the place of all that there was.
    pub fn after(before: &Self, volumes: Vec<Arc<Volume>>) -> Self {
        Self {
            generation: before.generation + 1,
            ..Self::new(volumes)
        }
    }

    /// The position of the first growing document.
    pub fn from(&self) -> Position {
        self.volumes.last().map_or(Position::START, |volume| volume.to())
    }

    /// The position after the last document's.
    pub fn through(&self) -> Position {
        Position::new(self.from().get() + u64::from(self.growing().len()))
    }

    pub fn growing(&self) -> RwLockReadGuard<'_, Growing> {
        self.growing.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    pub(super) fn new(volumes: Vec<Arc<Volume>>) -> Self {
        Self(RwLock::new(State::new(volumes)))
    }

    /// What there is now. It keeps what it has, whatever is added or merged; documents that are forgotten leave it.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot {
            through: state.through(),
            state,
        }
    }

    /// Every record below this position is in it.
    pub fn through(&self) -> Position {
        self.0.read().unwrap_or_else(PoisonError::into_inner).through()
    }

    pub(super) fn state(&self) -> State {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Only the one writer calls it.
    pub(super) fn set(&self, state: State) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// An index as of one moment.
pub struct Snapshot {
    state: State,
    through: Position,
}

/// A document that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The record's position.
    pub position: Position,
    /// The earliest of its days of the dates that were asked for; `None` where they were not, or it has none.
    pub day: Option<i32>,
}

impl Snapshot {
    /// Every record below this position is in it.
    pub fn through(&self) -> Position {
        self.through
    }

    /// Whether it is of the same files as another one, merged or not: neither was begun anew in between.
    pub fn is_of(&self, other: &Self) -> bool {
        self.state.generation == other.state.generation
    }

    /// The hash of the leaf of the last record that is in a volume, and the position after it; `None` where there is no volume.
    pub fn sealed(&self) -> Option<(Hash, Position)> {
        self.state
            .volumes
            .last()
            .map(|volume| (*volume.last(), volume.to()))
    }

    /// The bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.state.volumes.iter().map(|volume| volume.bytes()).sum()
    }

    /// How many files it has.
    pub fn volumes(&self) -> usize {
        self.state.volumes.len()
    }

    /// Hands over every document that is meant, some at a time and in no order, until `take` answers that it was enough. `days` has
    /// it tell their earliest day of these dates. Nothing is read from the disk while `take` runs.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn find<D: DayCheck, T: TermCheck>(
        &self,
        ask: &Ask<D, T>,
        days: Option<Dates>,
        mut take: impl FnMut(&mut dyn Iterator<Item = Hit>) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        let mut asked = |part: &dyn Part, from: Position| {
            let found = View { part, from }.answer(ask)?;
            hand_over(part, from, found, days, &mut |hits| {
                take(&mut hits.filter(|hit| hit.position < self.through))
            })
        };
        self.each(|part, from| asked(part, from))
    }

    /// Looks at every part, the newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn each_part(&self, mut look: impl FnMut(&View<'_>) -> io::Result<()>) -> Result<(), IndexError> {
        self.each(|part, from| {
            look(&View { part, from })?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// How many documents there are under a term.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn held(&self, term: &[u8]) -> Result<u64, IndexError> {
        let mut held = 0;
        self.each(|part, _| {
            held += part.get(&key_of(Section::Terms, term))?.len();
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(held)
    }

    /// How many parts it has, in the order of positions.
    pub fn parts(&self) -> usize {
        self.state.volumes.len() + 1
    }

    /// The parts that have positions of a range.
    pub fn parts_of(&self, range: &Range<Position>) -> Range<usize> {
        let volumes = &self.state.volumes;
        let first = volumes.partition_point(|volume| volume.to() <= range.start);
        let has_growing = usize::from(self.state.from() < range.end);
        let after = volumes.partition_point(|volume| volume.from() < range.end);
        first..(after + has_growing).max(first)
    }

    /// Where a part begins.
    pub fn from(&self, part: usize) -> Position {
        let volume = self.state.volumes.get(part);
        volume.map_or_else(|| self.state.from(), |volume| volume.from())
    }

    /// The part and the number of the document at a position, which is below [`Self::through`].
    pub fn number_of(&self, position: Position) -> (usize, u32) {
        let part = self
            .state
            .volumes
            .partition_point(|volume| volume.to() <= position);
        (part, number(self.from(part), position))
    }

    /// Looks at a part.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn look<T>(
        &self,
        part: usize,
        look: impl FnOnce(&View<'_>) -> io::Result<T>,
    ) -> Result<T, IndexError> {
        let from = self.from(part);
        match self.state.volumes.get(part) {
            Some(volume) => {
                let part = &**volume;
                look(&View { part, from }).map_err(|cause| error(volume.path(), cause))
            }
            None => {
                let part = &*self.state.growing();
                look(&View { part, from }).map_err(|cause| error(Path::new("memory"), cause))
            }
        }
    }

    /// The documents of a part that are meant.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn set<D: DayCheck, T: TermCheck>(
        &self,
        part: usize,
        ask: &Ask<D, T>,
    ) -> Result<RoaringBitmap, IndexError> {
        let mut found = self.look(part, |view| view.answer(ask))?;
        if part == self.state.volumes.len() {
            found.remove_range(number(self.from(part), self.through)..);
        }
        Ok(found)
    }

    /// Hands over the tags of documents of a part.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn each_tag(
        &self,
        part: usize,
        documents: &RoaringBitmap,
        take: &mut dyn FnMut(u32, u64),
    ) -> Result<(), IndexError> {
        if let Some(volume) = self.state.volumes.get(part) {
            let read = volume.each_tag(documents.iter(), take);
            return read.map_err(|cause| error(volume.path(), cause));
        }
        let growing = self.state.growing();
        for number in documents {
            let tag = growing.tags().get(number as usize);
            take(number, tag.copied().unwrap_or_default());
        }
        Ok(())
    }

    /// Hands over those of these documents, a set for each part, that are alike to one of them that lies before them, in no order.
    /// `loose` are besides: they are in no part and lie behind them.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn repeated(
        &self,
        sets: &[RoaringBitmap],
        loose: &[Tagged],
        take: &mut dyn FnMut(Repeated),
    ) -> Result<(), IndexError> {
        let volumes = &self.state.volumes;
        let mut others = Vec::new();
        if let Some(growing) = sets.get(volumes.len()) {
            let from = self.state.from();
            self.each_tag(volumes.len(), growing, &mut |number, tag| {
                others.push((tag, at(from, number)))
            })?;
        }
        others.extend(loose);
        let State { volumes, alike, .. } = &self.state;
        let known = sets.iter().zip(alike);
        let own: u64 = known.map(|(own, alike)| own.intersection_len(&alike.all)).sum();
        let absent = alike.iter().map(|alike| alike.all.len()).sum::<u64>() - own;
        let few = self.state.from().get() / TAGS_SHARE + TAGS_MIN;
        let is_compared = alike.len() == volumes.len();
        if is_compared && own <= absent && own + others.len() as u64 <= few {
            self.repeated_of_few(sets, others, take)
        } else if is_compared && absent <= few {
            self.repeated_of_most(sets, others, take)
        } else if sets
            .iter()
            .take(volumes.len())
            .map(RoaringBitmap::len)
            .sum::<u64>()
            <= few
        {
            // Not all is compared yet, and to ask each of so few costs less than to go through the volumes.
            self.repeated_of_all(sets, others, take)
        } else {
            let swept = alike::sweep(volumes, sets, others, take);
            swept.map_err(|cause| error(Path::new("volumes"), cause))
        }
    }

    /// The same of few documents, whatever is known: each says its tag.
    fn repeated_of_all(
        &self,
        sets: &[RoaringBitmap],
        mut others: Vec<Tagged>,
        take: &mut dyn FnMut(Repeated),
    ) -> Result<(), IndexError> {
        for (part, own) in sets.iter().take(self.state.volumes.len()).enumerate() {
            let from = self.from(part);
            self.each_tag(part, own, &mut |number, tag| others.push((tag, at(from, number))))?;
        }
        alike::repeated(&mut others, take);
        Ok(())
    }

    /// The same where few of the documents are alike to any: the tags say it of those that have a print in common, and of what is
    /// alike to the others.
    fn repeated_of_few(
        &self,
        sets: &[RoaringBitmap],
        mut others: Vec<Tagged>,
        take: &mut dyn FnMut(Repeated),
    ) -> Result<(), IndexError> {
        let shared = alike::shared_of_all(&others);
        let known = || sets.iter().zip(&self.state.alike);
        let mut prints = Prints::default();
        others
            .iter()
            .for_each(|(tag, _)| prints.add(alike::print_of(*tag)));
        for (own, alike) in known() {
            let may_be = own & &alike.all;
            may_be.iter().for_each(|number| prints.add(alike.print(number)));
        }
        for (part, (own, alike)) in known().enumerate() {
            let may_be = own & &alike.all;
            let mut found: RoaringBitmap = may_be
                .iter()
                .filter(|number| prints.is_common(alike.print(*number)))
                .collect();
            if !own.is_empty() {
                self.each_alike(part, &shared, &mut |_, number| {
                    if own.contains(number) {
                        found.insert(number);
                    }
                })?;
            }
            let from = self.from(part);
            self.each_tag(part, &found, &mut |number, tag| {
                others.push((tag, at(from, number)))
            })?;
        }
        alike::repeated(&mut others, take);
        Ok(())
    }

    /// The same where most of what is alike to any is among the documents: of those that are alike to one that is not among them, or
    /// to one of the others, the tags say it, and of the rest it is known.
    fn repeated_of_most(
        &self,
        sets: &[RoaringBitmap],
        mut others: Vec<Tagged>,
        take: &mut dyn FnMut(Repeated),
    ) -> Result<(), IndexError> {
        let mut apart = others.clone();
        for (part, (own, alike)) in sets.iter().zip(&self.state.alike).enumerate() {
            let from = self.from(part);
            self.each_tag(part, &(&alike.all - own), &mut |number, tag| {
                apart.push((tag, at(from, number)))
            })?;
        }
        let apart = alike::shared_of_all(&apart);
        for (part, (own, alike)) in sets.iter().zip(&self.state.alike).enumerate() {
            let from = self.from(part);
            let mut known = own.clone();
            self.each_alike(part, &apart, &mut |tag, number| {
                if known.remove(number) {
                    others.push((tag, at(from, number)));
                }
            })?;
            known &= &*alike.again;
            let turned = &known & &*alike.turned;
            known -= &turned;
            for (some, is_turned) in [(known, false), (turned, true)] {
                let one = |number| Repeated {
                    position: at(from, number),
                    is_turned,
                };
                some.iter().map(one).for_each(&mut *take);
            }
        }
        alike::repeated(&mut others, take);
        Ok(())
    }

    /// Hands over the documents of a volume that are alike to one of these: tag and number.
    fn each_alike(
        &self,
        part: usize,
        shared: &[u64],
        take: &mut dyn FnMut(u64, u32),
    ) -> Result<(), IndexError> {
        let volume = &self.state.volumes[part];
        let looked = volume.each_alike(shared, &mut |_, tag, number| take(tag, number));
        looked.map_err(|cause| error(volume.path(), cause))
    }

    /// Hands over every note: the position of its document, its number, and the position it is about.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn notes(&self, mut take: impl FnMut(Position, u8, Position)) -> Result<(), IndexError> {
        self.each(|part, from| {
            part.each(&[Section::Notes as u8], &mut |key, documents| {
                let Some((number, on)) = key[1..].split_first_chunk::<1>() else {
                    return Err(damaged("a note has no number"));
                };
                let on: [u8; 8] = on.try_into().map_err(|_| damaged("a note has no position"))?;
                for document in documents.set()? {
                    take(
                        at(from, document),
                        number[0],
                        Position::new(u64::from_be_bytes(on)),
                    );
                }
                Ok(())
            })?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The parts, the newest first.
    fn each(
        &self,
        mut look: impl FnMut(&dyn Part, Position) -> io::Result<ControlFlow<()>>,
    ) -> Result<(), IndexError> {
        let wrap = |cause| error(Path::new("memory"), cause);
        if look(&*self.state.growing(), self.state.from())
            .map_err(wrap)?
            .is_break()
        {
            return Ok(());
        }
        for volume in self.state.volumes.iter().rev() {
            let looked = look(&**volume, volume.from());
            if looked.map_err(|cause| error(volume.path(), cause))?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The position of a document.
fn at(from: Position, number: u32) -> Position {
    Position::new(from.get() + u64::from(number))
}

/// The number of the document at a position, in a part that begins at one.
fn number(from: Position, position: Position) -> u32 {
    u32::try_from(position.since(from)).unwrap_or(u32::MAX)
}

fn key_of(section: Section, bytes: &[u8]) -> Vec<u8> {
    [&[section as u8], bytes].concat()
}

impl View<'_> {
    fn answer<D: DayCheck, T: TermCheck>(&self, ask: &Ask<D, T>) -> io::Result<RoaringBitmap> {
        match ask {
            Ask::All => self.part.get(&[Section::Answers as u8]),
            Ask::Term(term) => self.part.get(&key_of(Section::Terms, term)),
            Ask::Prefix(prefix) => {
                let prefix = key_of(Section::Terms, prefix);
                union(|take| self.part.each(&prefix, take), |_| true)
            }
            Ask::Range(Range { start, end }) => {
                let [start, end] = [start, end].map(|bytes| key_of(Section::Terms, bytes));
                union(|take| self.part.between(&(start..end), take), |_| true)
            }
            Ask::Terms(begins, check) => {
                let begins = key_of(Section::Terms, begins);
                let is_meant = |key: &[u8]| check.holds(&key[begins.len()..]);
                union(|take| self.part.each(&begins, take), is_meant)
            }
            Ask::Positions(positions) => {
                let number = |position: u64| {
                    u32::try_from(position.saturating_sub(self.from.get())).unwrap_or(u32::MAX)
                };
                let mut found = self.answer::<D, T>(&Ask::All)?;
                found.remove_range(..number(positions.start));
                found.remove_range(number(positions.end)..);
                Ok(found)
            }
            Ask::Days(dates, check) => {
                let section = [section(*dates) as u8];
                let is_meant = |key: &[u8]| days_of_key(&key[1..]).is_some_and(|days| check.holds(&days));
                union(|take| self.part.each(&section, take), is_meant)
            }
            Ask::Not(inner) => Ok(self.answer::<D, T>(&Ask::All)? - self.answer(inner)?),
            Ask::And(asks) => self.all_of(asks),
            Ask::Or(asks) => {
                let mut any = RoaringBitmap::new();
                for ask in asks {
                    any |= self.answer(ask)?;
                }
                Ok(any)
            }
        }
    }

    /// Those that all mean. What costs least comes first, and where nothing is left nothing more is asked.
    fn all_of<D: DayCheck, T: TermCheck>(&self, asks: &[Ask<D, T>]) -> io::Result<RoaringBitmap> {
        let mut order: Vec<&Ask<D, T>> = asks.iter().collect();
        order.sort_by_key(|ask| cost(ask));
        let mut all: Option<RoaringBitmap> = None;
        for ask in order {
            all = Some(match (all, ask) {
                (Some(none), _) if none.is_empty() => return Ok(none),
                (Some(all), Ask::Not(inner)) => all - self.answer(inner)?,
                (Some(all), ask) => all & self.answer(ask)?,
                (None, ask) => self.answer(ask)?,
            });
        }
        all.map_or_else(|| self.answer::<D, T>(&Ask::All), Ok)
    }
}

/// What it costs to answer, from 0 on: what is walked through comes behind what is looked up, and a whole vocabulary last.
fn cost<D, T>(ask: &Ask<D, T>) -> u8 {
    match ask {
        Ask::Term(_) => 0,
        Ask::All | Ask::Positions(_) => 1,
        Ask::And(asks) | Ask::Or(asks) => asks.iter().map(cost).max().unwrap_or(0).max(2),
        Ask::Prefix(_) | Ask::Range(_) | Ask::Days(..) => 3,
        Ask::Terms(..) => 4,
        Ask::Not(inner) => cost(inner).max(4),
    }
}

/// The documents of all keys that are walked through and meant. They may be many with few documents each, so that these are marked
/// one by one and become a set at the end.
fn union(
    walk: impl FnOnce(&mut Take<'_>) -> io::Result<()>,
    is_meant: impl Fn(&[u8]) -> bool,
) -> io::Result<RoaringBitmap> {
    let (mut marks, mut numbers): (Vec<u8>, Vec<u32>) = (Vec::new(), Vec::new());
    walk(&mut |key, documents| {
        if is_meant(key) {
            numbers.clear();
            documents.append_to(&mut numbers)?;
            numbers.iter().for_each(|number| mark(&mut marks, *number));
        }
        Ok(())
    })?;
    Ok(RoaringBitmap::from_lsb0_bytes(0, &marks))
}

fn hand_over(
    part: &dyn Part,
    from: Position,
    mut found: RoaringBitmap,
    days: Option<Dates>,
    take: &mut dyn FnMut(&mut dyn Iterator<Item = Hit>) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let mut give = |documents: &RoaringBitmap, day: Option<i32>| {
        take(&mut documents.iter().map(|number| Hit {
            position: at(from, number),
            day,
        }))
    };
    let mut enough = ControlFlow::Continue(());
    if let (Some(dates), false) = (days, found.is_empty()) {
        // Keys are in the order of days, so that the first that has a document is its earliest.
        part.each(&[section(dates) as u8], &mut |key, documents| {
            let Some(day) = days_of_key(&key[1..]).and_then(|days| days.earliest) else {
                return Ok(());
            };
            if enough.is_continue() && !found.is_empty() {
                let those = documents.set()? & &found;
                found -= &those;
                enough = give(&those, Some(day));
            }
            Ok(())
        })?;
    }
    if enough.is_continue() {
        enough = give(&found, None);
    }
    Ok(enough)
}

/// The file of a volume.
pub(super) fn path_of(folder: &Path, from: Position, to: Position) -> PathBuf {
    folder.join(format!("{:012}-{:012}.{VOLUME}", from.get(), to.get()))
}

/// The positions that the name of a volume's file says.
fn range_of(path: &Path) -> Option<(Position, Position)> {
    let name = path
        .file_name()?
        .to_str()?
        .strip_suffix(VOLUME)?
        .strip_suffix('.')?;
    let (from, to) = name.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// Opens the volumes of a folder that have every position from the first on; removes what a crash has left beside them.
pub(super) fn open_all(folder: &Path) -> Result<Vec<Arc<Volume>>, IndexError> {
    let wrap = |cause| error(folder, cause);
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for item in std::fs::read_dir(folder).map_err(wrap)? {
        let path = item.map_err(wrap)?.path();
        match range_of(&path) {
            Some((from, to)) => files.push((from, std::cmp::Reverse(to), path)),
            None if path.extension().is_some_and(|end| end == PART) => others.push(path),
            None => {}
        }
    }
    files.sort();
    let (mut volumes, mut next) = (Vec::new(), Position::START);
    for (from, std::cmp::Reverse(to), path) in files {
        // Of two that begin at the same position the longer one comes first: it was merged of the other.
        if from != next {
            others.push(path);
            continue;
        }
        let volume = Volume::open(&path).map_err(|cause| error(&path, cause))?;
        if (volume.from(), volume.to()) != (from, to) || to <= from {
            return Err(error(
                &path,
                damaged("a volume is of other positions than its name says"),
            ));
        }
        volumes.push(Arc::new(volume));
        next = to;
    }
    for path in others {
        std::fs::remove_file(&path).map_err(|cause| error(&path, cause))?;
    }
    Ok(volumes)
}

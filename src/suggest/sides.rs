//! Who takes part in the event of a sentence, and on which side.
//!
//! Persons, organisations and states count alike. Who is named before the phrase that speaks for the event does it, and who is named behind
//! it has it done to; of agreeing, consulting and cooperating all are parties. Who only says so, what is spoken of, and where it is, is
//! mentioned: a side that is not sure is worse than none.

use super::drafts::{PARTICIPANTS_MAX, STATEMENT};
use super::events;
use super::names::is_whole;
use super::tense;
use super::text::{Read, one_line};
use super::words::List;
use super::{Rule, Suggested, Suggestion};
use crate::derive::{Iso3, countries};
use crate::record::codec::{ActorKind, Country, Participant, Side};
use std::ops::Range;

/// Roots of CAMEO whose events have equals, not one who acts and one whom it is done to: agreeing, consulting, cooperating.
const AMONG_EQUALS: [&str; 4] = ["03", "04", "05", "06"];
/// The most of a sentence that are looked at.
const ACTORS_MAX: usize = 2 * PARTICIPANTS_MAX;
/// Words of speech that say who tells of something.
static SAYS: List = List::new("sides.says");
/// Words before what an event is about, or where it is.
static ABOUT: List = List::new("sides.about");
/// The most words of titles and an office before a name.
const TITLE_WORDS: usize = 8;
/// Words before those who do not act, where they stand before what is done.
static ASIDE: List = List::new("sides.aside");
/// Words before what equals speak of.
static ABOUT_AMONG_EQUALS: List = List::new("sides.about-among-equals");
/// Words that begin another clause: who stands before one is not surely of the event behind it.
static CLAUSES: List = List::new("sides.clauses");
/// How many words before a phrase are looked at for one.
const CLAUSE_WORDS: usize = 12;
/// Words before a place where something happens.
static WHERE: List = List::new("sides.where");
/// Words behind which a participle is passive.
static BEING: List = List::new("sides.being");

/// A sentence that tells of an event.
pub(super) struct Sentence<'r, 't> {
    /// The text.
    pub read: &'r Read<'t>,
    /// The CAMEO code of the event.
    pub code: &'static str,
    /// The sentence.
    pub range: Range<usize>,
}

/// Where somebody stands in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Before,
    Behind,
    /// Only spoken of, or who tells of it.
    Aside,
}

/// Somebody whom a sentence names.
struct Actor {
    range: Range<usize>,
    participant: Participant,
    /// Whether it is a state that only says whose something is: `Serbian police`.
    is_whose: bool,
    stand: Stand,
}

/// Whether all who take part in an event are equals.
pub(super) fn is_among_equals(root: &str) -> bool {
    AMONG_EQUALS.contains(&root)
}

/// Whether a participant is a state.
pub(super) fn is_state(one: &Participant) -> bool {
    one.kind() == ActorKind::State
}

/// A country as participants and places have it.
pub(super) fn coded(code: Iso3) -> Country {
    Country {
        scheme: "iso3".to_owned(),
        code: code.to_string(),
    }
}

/// Who takes part, in the order of the text; `found` is what is suggested in the sentence and not quoted.
pub(super) fn participants(of: &Sentence<'_, '_>, found: &[&Suggestion]) -> Vec<Participant> {
    let mut actors = actors(of.read, found);
    let phrase = events::phrase(of.read, &of.range, of.code);
    for at in 0..actors.len() {
        let before = at.checked_sub(1).map(|before| &actors[before]);
        let stand = stand(of, phrase.as_ref(), &actors[at], before);
        actors[at].stand = stand;
    }
    join(of.read, &mut actors);
    step_back(&mut actors, of.root());
    let is_passive = phrase.as_ref().is_some_and(|phrase| is_passive(of.read, phrase));
    let sides: Vec<Side> = actors
        .iter()
        .map(|actor| side(of, phrase.as_ref(), actor, is_passive))
        .collect();
    let all = actors.into_iter().zip(sides);
    let all = all.map(|(actor, side)| Participant {
        side: side.into(),
        ..actor.participant
    });
    all.collect()
}

impl Sentence<'_, '_> {
    fn root(&self) -> &'static str {
        self.code.get(..2).unwrap_or(self.code)
    }
}

/// Everybody once, without what belongs to another's name or office.
fn actors(read: &Read<'_>, found: &[&Suggestion]) -> Vec<Actor> {
    let mut actors: Vec<Actor> = Vec::new();
    let organisations: Vec<&Range<usize>> = found
        .iter()
        .filter(|one| matches!(one.what, Suggested::Organisation(_)))
        .map(|one| &one.range)
        .collect();
    for one in found {
        if actors.len() >= ACTORS_MAX {
            break;
        }
        if let Some((participant, is_whose)) = actor(read, one, found, &organisations) {
            actors.push(Actor {
                range: one.range.clone(),
                participant,
                is_whose,
                stand: Stand::Aside,
            });
        }
    }
    without_owners(read, &mut actors);
    // Everybody once: where he is named as such, rather than as whose something is.
    let mut once: Vec<Actor> = Vec::new();
    for actor in actors {
        match once
            .iter_mut()
            .find(|known| known.participant.name == actor.participant.name)
        {
            Some(known) if known.is_whose && !actor.is_whose => *known = actor,
            Some(_) => {}
            None => once.push(actor),
        }
    }
    once.sort_by_key(|actor| actor.range.start);
    once
}

/// Whose somebody is, or what his office is of, is said with him.
fn without_owners(read: &Read<'_>, actors: &mut Vec<Actor>) {
    let of_others: Vec<(Vec<Country>, String)> = actors
        .iter()
        .filter(|actor| !is_state(&actor.participant))
        .map(|actor| {
            (
                actor.participant.countries.clone(),
                actor.participant.office.clone(),
            )
        })
        .collect();
    actors.retain(|actor| {
        let words = one_line(&read.text[actor.range.clone()]);
        let is_of_office = of_others.iter().any(|(_, office)| {
            let mut at = office.match_indices(&words);
            at.any(|(at, _)| is_whole(office, at..at + words.len()))
        });
        let is_known = of_others.iter().any(|(countries, _)| {
            actor
                .participant
                .countries
                .iter()
                .any(|own| countries.contains(own))
        });
        match actor.participant.kind() {
            ActorKind::State => !(is_of_office || is_known && actor.is_whose),
            ActorKind::Organisation => !is_of_office,
            _ => true,
        }
    });
}

/// Whom a suggestion names, and whether only as whose something is.
fn actor(
    read: &Read<'_>,
    one: &Suggestion,
    found: &[&Suggestion],
    organisations: &[&Range<usize>],
) -> Option<(Participant, bool)> {
    match &one.what {
        Suggested::Person {
            name,
            office,
            country,
        } => {
            let participant = Participant {
                name: name.to_string(),
                kind: ActorKind::Person.into(),
                office: office.to_string(),
                countries: country.map(coded).into_iter().collect(),
                ..Participant::default()
            };
            Some((participant, false))
        }
        Suggested::Organisation(name) => {
            let participant = Participant {
                name: name.clone(),
                kind: ActorKind::Organisation.into(),
                countries: country_of(one, found).map(coded).into_iter().collect(),
                ..Participant::default()
            };
            Some((participant, false))
        }
        Suggested::Country(code) if matches!(one.rule, Rule::CountryName | Rule::Nationality) => {
            let holder = organisations.partition_point(|range| range.start <= one.range.start);
            let holder = holder.checked_sub(1).map(|at| organisations[at]);
            if holder.is_some_and(|range| range.end >= one.range.end) {
                return None;
            }
            let behind = &read.text[one.range.end..];
            let is_possessive = behind.starts_with("'s") || behind.starts_with("’s");
            let is_of = word_before(read, one.range.start) == "of";
            Some((
                state(*code),
                one.rule == Rule::Nationality || is_possessive || is_of,
            ))
        }
        // `Riyadh had cut ties`, `sanctions against Moscow`.
        Suggested::Country(code) if one.rule == Rule::Seat => {
            let is_start = read.sentence_of(one.range.start).start == one.range.start;
            let is_meant = is_start || matches!(word_before(read, one.range.start), "against" | "with");
            is_meant.then(|| (state(*code), true))
        }
        _ => None,
    }
}

/// Whether a place is where something happens: a seat of government stands for its country as well.
pub(super) fn is_where(read: &Read<'_>, byte: usize) -> bool {
    WHERE.contains(&word_before(read, byte))
}

/// The country that is suggested for the words of an organisation; it stands right behind it.
fn country_of(one: &Suggestion, found: &[&Suggestion]) -> Option<Iso3> {
    let first = found.partition_point(|other| other.range.start < one.range.start);
    let same = found[first..]
        .iter()
        .take_while(|other| other.range.start == one.range.start);
    { same }.find_map(|other| match other.what {
        Suggested::Country(code) => Some(code),
        _ => None,
    })
}

fn state(code: Iso3) -> Participant {
    let name = countries().name(code);
    Participant {
        name: name.map_or_else(|| code.to_string(), str::to_owned),
        kind: ActorKind::State.into(),
        countries: vec![coded(code)],
        ..Participant::default()
    }
}

/// The word before a byte, over an article.
fn word_before<'t>(read: &Read<'t>, byte: usize) -> &'t str {
    let at = read.word_at(byte);
    let before = |words: usize| at.checked_sub(words).map_or("", |before| read.word(before));
    match before(1) {
        "the" | "both" => before(2),
        word => word,
    }
}

/// The word before somebody, over an article, titles and an office: `at the request of interim President Traoré`.
fn word_before_titles<'t>(read: &Read<'t>, actor: &Actor) -> &'t str {
    let mut at = read.word_at(actor.range.start);
    if actor.participant.kind() != ActorKind::Person {
        return word_before(read, actor.range.start);
    }
    for _ in 0..TITLE_WORDS {
        let Some(before) = at.checked_sub(1).filter(|_| read.words[at].joins) else {
            return "";
        };
        let word = read.words[before];
        let is_title = actor
            .participant
            .office
            .split(' ')
            .any(|of| of == read.word(before));
        if !word.is_capital && !is_title && read.hit_at(word.from).is_none() {
            break;
        }
        at = before;
    }
    read.words.get(at).map_or("", |word| word_before(read, word.from))
}

fn stand(
    of: &Sentence<'_, '_>,
    phrase: Option<&Range<usize>>,
    actor: &Actor,
    before: Option<&Actor>,
) -> Stand {
    let read = of.read;
    let place = match phrase {
        Some(phrase) if actor.range.start >= phrase.end => Stand::Behind,
        _ => Stand::Before,
    };
    if of.root() != STATEMENT && is_teller(read, phrase, actor) {
        return Stand::Aside;
    }
    let word = word_before_titles(read, actor);
    let joined = before.filter(|before| is_chained(&read.text[before.range.end..actor.range.start]));
    if let Some(before) = joined.filter(|_| !is_subject(read, actor) || place == Stand::Before) {
        // One that stands on the other side of the phrase cannot be joined to it.
        return if before.stand == Stand::Aside {
            Stand::Aside
        } else {
            place
        };
    }
    if is_of_other_clause(of, phrase, actor) {
        return Stand::Aside;
    }
    let is_equal = is_among_equals(of.root());
    let is_of = word == "of" && actor.is_whose && place == Stand::Before;
    let is_aside = match place {
        _ if is_equal => ABOUT_AMONG_EQUALS.contains(&word),
        Stand::Before => ASIDE.contains(&word),
        _ => is_subject(read, actor),
    };
    match ABOUT.contains(&word) && !is_of || is_aside {
        true => Stand::Aside,
        false => place,
    }
}

/// Whether a verb follows somebody, so that he does it: `Abe condemned the test and South Korea demanded sanctions`.
fn is_subject(read: &Read<'_>, actor: &Actor) -> bool {
    let at = read.word_at(actor.range.end);
    let word = read.words.get(at).filter(|word| word.joins);
    word.is_some_and(|_| {
        tense::is_of_the_past(read.word(at))
            || matches!(read.word(at), "will" | "has" | "have" | "is" | "are")
    })
}

/// Whether another clause begins between somebody and the phrase: `Riyadh cut ties after its embassy was stormed`, `met Raza, who chairs the
/// committee`. Whom equals have before such a clause they have all the same: `Khan, who came from Lahore, met them`.
fn is_of_other_clause(of: &Sentence<'_, '_>, phrase: Option<&Range<usize>>, actor: &Actor) -> bool {
    let read = of.read;
    let Some(phrase) = phrase else {
        return false;
    };
    let between = match actor.range.start >= phrase.end {
        true => read.word_at(phrase.end)..read.word_at(actor.range.start),
        false if is_among_equals(of.root()) => return false,
        false => read.word_at(actor.range.end)..read.word_at(phrase.start),
    };
    let first = between.start.max(between.end.saturating_sub(CLAUSE_WORDS));
    let is_clause = |at: usize| {
        let is_well = read.word(at + 1) == "well" || at > 0 && read.word(at - 1) == "well";
        CLAUSES.contains(&read.word(at)) && !is_well
    };
    // Behind a comma anybody may stand, who tells of it or does something else; before the phrase one parts clauses with `and`.
    let is_behind = actor.range.start >= phrase.end;
    let parts = |at: usize| is_new(read, at) && (is_behind || matches!(read.word(at), "and" | "but" | "so"));
    let last = between.end.min(read.words.len().saturating_sub(1));
    let is_parted = !is_among_equals(of.root()) && (first..=last).any(parts);
    (first..between.end).any(is_clause) || is_parted
}

/// Whether the word before one ends with a comma or a semicolon, and not with another mark.
fn is_new(read: &Read<'_>, at: usize) -> bool {
    let before = at.checked_sub(1).map_or(0, |before| read.words[before].to);
    read.text[before..read.words[at].from].starts_with([',', ';'])
}

/// Whether nothing but `and` or a comma lies between two who are named.
fn is_chained(between: &str) -> bool {
    between.len() <= 16 && {
        let mut words = between.split_whitespace().map(|word| word.trim_matches(','));
        words.all(|word| matches!(word, "" | "and" | "the" | "both" | "or"))
    }
}

/// Whether somebody only tells of the event: `police arrested him, the president said`; not `Iran said that it recalled its envoy`.
fn is_teller(read: &Read<'_>, phrase: Option<&Range<usize>>, actor: &Actor) -> bool {
    let behind = read.word_at(actor.range.end);
    let joins = |at: usize| read.words.get(at).is_some_and(|word| word.joins);
    // `the press office, ISPR, said`
    let is_near = joins(behind) || read.text[actor.range.end..].starts_with(", ");
    let is_behind = is_near && SAYS.contains(&read.word(behind));
    let is_before =
        joins(read.word_at(actor.range.start)) && SAYS.contains(&word_before(read, actor.range.start));
    let said = read.words.get(behind).map_or(usize::MAX, |word| word.from);
    let is_itself = phrase.is_some_and(|phrase| {
        let first = behind + 1;
        let last = read.word_at(phrase.start);
        let is_one = actor.participant.kind() == ActorKind::Organisation;
        let own =
            |at: usize| matches!(read.word(at), "it" | "he" | "she") || !is_one && read.word(at) == "they";
        // `announced` may be the phrase itself.
        // `announced a ceasefire` is no telling, `announced that` is.
        let is_own =
            matches!(read.word(behind), "announced" | "reported" | "stated" | "wrote") && phrase.start > said;
        let that = |at: usize| read.word(at) == "that";
        let is_act = is_own && !(first..last.min(first + 6)).any(that);
        is_act || phrase.contains(&said) || (first..last.min(first + 6)).any(own)
    });
    (is_behind && !is_itself) || is_before
}

/// Those before a phrase who are joined to the next one stand where he does: `Bahrain, Egypt and Qatar cut ties`, `the presidents of Bosnia,
/// Croatia and Serbia`.
fn join(read: &Read<'_>, actors: &mut [Actor]) {
    for at in (1..actors.len()).rev() {
        let between = actors[at - 1].range.end..actors[at].range.start;
        let is_joined = read.text.get(between).is_some_and(is_chained);
        if is_joined && actors[at].stand == Stand::Before {
            actors[at - 1].stand = Stand::Before;
            actors[at - 1].is_whose &= actors[at].is_whose;
        }
    }
}

/// States that only say whose something is are nobody where somebody else stands on their side.
fn step_back(actors: &mut [Actor], root: &str) {
    let count = |stand: Stand, actors: &[Actor]| {
        let others = actors.iter().filter(|actor| !actor.is_whose);
        others.filter(|actor| actor.stand == stand).count()
    };
    let (before, behind) = (count(Stand::Before, actors), count(Stand::Behind, actors));
    for actor in actors.iter_mut().filter(|actor| actor.is_whose) {
        let is_needless = match actor.stand {
            _ if is_among_equals(root) => before + behind >= 2,
            Stand::Before => before > 0,
            Stand::Behind => behind > 0,
            Stand::Aside => true,
        };
        if is_needless {
            actor.stand = Stand::Aside;
        }
    }
}

fn is_passive(read: &Read<'_>, phrase: &Range<usize>) -> bool {
    BEING.contains(&word_before(read, phrase.start)) || {
        // `was received by`
        BEING.contains(&read.word(read.word_at(phrase.start)))
    }
}

/// `Soleimani was killed by a drone strike`
fn is_done_to(read: &Read<'_>, actor: &Actor) -> bool {
    let at = read.word_at(actor.range.end);
    matches!(read.word(at), "was" | "were") && tense::is_of_the_past(read.word(at + 1))
}

fn side(of: &Sentence<'_, '_>, phrase: Option<&Range<usize>>, actor: &Actor, is_passive: bool) -> Side {
    let is_by = || {
        let phrase = phrase.map_or(0, |phrase| phrase.end);
        let between = of.read.text.get(phrase..actor.range.start).unwrap_or_default();
        between.len() <= 64 && between.split_whitespace().next() == Some("by")
            || word_before_titles(of.read, actor) == "by"
    };
    let said = SAYS.contains(&word_before(of.read, actor.range.start));
    match actor.stand {
        Stand::Aside => Side::Mentioned,
        _ if is_among_equals(of.root()) || phrase.is_none() => Side::Party,
        Stand::Behind if of.root() == STATEMENT => {
            if said {
                Side::Source
            } else {
                Side::Mentioned
            }
        }
        Stand::Before if is_passive || is_done_to(of.read, actor) => Side::Target,
        Stand::Behind if is_passive => {
            if is_by() {
                Side::Source
            } else {
                Side::Mentioned
            }
        }
        Stand::Before => Side::Source,
        // What is mediated by somebody is not done to him.
        Stand::Behind => {
            if is_by() {
                Side::Mentioned
            } else {
                Side::Target
            }
        }
    }
}

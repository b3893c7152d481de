//! Drafts: the events that a document seems to tell of, as whoever annotates it would begin to write them.
//!
//! A draft is no statement: a person reads it, corrects it and appends it as an own one, or throws it away. Each begins with a sentence
//! for which a kind of event was suggested, and its title, those who take part and the evidence are of that sentence: what another
//! sentence says of others is another event. [`super::sides`] says who did it and to whom.

use super::days::MONTHS;
use super::sides::{self, Sentence};
use super::text::{Read, one_line};
use super::words::List;
use super::{Document, Part, Rule, Suggested, Suggestion};
use crate::derive::types;
use crate::record::codec::{Content, Date, DateRole, Participant, Place, PlaceRole, Report, Side, TypeCode};
use std::collections::BTreeSet;
use std::ops::Range;

/// The most drafts of a document.
pub const DRAFTS_MAX: usize = 8;
/// The most participants of a draft.
pub(super) const PARTICIPANTS_MAX: usize = 12;
/// The most places of a draft.
const PLACES_MAX: usize = 12;
/// The most sentences that a draft is said to be reported in.
const EVIDENCE_MAX: usize = 3;
/// The most letters of a sentence that is evidence: a record has room for three of them.
const SENTENCE_CHARS: usize = 4_000;
/// The most letters of a draft's title.
const TITLE_CHARS: usize = 160;
/// Somebody says something: told last, since every dispatch is full of it.
pub(super) const STATEMENT: &str = "01";
/// Words that begin a sentence about whom the one before has named.
static PRONOUNS: List = List::new("drafts.pronouns");
/// Those of them that are about several.
static OF_SEVERAL: List = List::new("drafts.of-several");
/// Words that say that a sentence is about what is to come: no day of another sentence is its own.
static TO_COME: List = List::new("drafts.to-come");

/// The drafts of a document from what [`super::suggest`] says of it: at least one, at most [`DRAFTS_MAX`], what is only said last. Of a
/// document that suggests no kind of event there is one that has only its title, to be filled in. Takes a time that grows with the
/// length of the text, whatever stands in it.
///
/// ```
/// use chancery::suggest::{Document, drafts::drafts, suggest};
///
/// let document = Document {
///     text: "Foreign Minister Hina Rabbani Khar met her Iranian counterpart in Islamabad on 3 May 2012.",
///     ..Document::default()
/// };
/// let drafts = drafts(&document, &suggest(document));
/// assert_eq!(drafts[0].types[0].code, "040");
/// assert_eq!(drafts[0].dates[0].edtf, "2012-05-03");
/// assert_eq!(drafts[0].participants[0].name, "Hina Rabbani Khar");
/// ```
pub fn drafts(document: &Document<'_>, suggestions: &[Suggestion]) -> Vec<Content> {
    let read = Read::of(document.text);
    let found = Found::of(suggestions);
    let mut stories = Stories::default();
    for one in &found.all {
        if let Suggested::Event(code) = one.what {
            stories.add(code, &one.range, &read, &found);
        }
    }
    let stories = stories.in_order();
    if stories.is_empty() {
        return vec![Content {
            title: shortened(document.title, TITLE_CHARS),
            ..Content::default()
        }];
    }
    stories.iter().map(|story| story.draft(&read, &found)).collect()
}

/// What is suggested in the text, in its order.
struct Found<'s> {
    all: Vec<&'s Suggestion>,
    /// What is quoted.
    quoted: Vec<Range<usize>>,
    /// The one day that the text names, where it names one only; a month is none.
    day: Option<&'s Suggestion>,
}

impl<'s> Found<'s> {
    fn of(suggestions: &'s [Suggestion]) -> Self {
        let of_text = suggestions.iter().filter(|one| one.part == Part::Text);
        let mut all: Vec<&Suggestion> = of_text.collect();
        all.sort_by_key(|one| one.range.start);
        let is_quoted = |one: &&&Suggestion| matches!(one.what, Suggested::Statement { .. });
        let quoted = all
            .iter()
            .filter(is_quoted)
            .map(|one| one.range.clone())
            .collect();
        let mut days = all.iter().copied().filter(|one| day(one).is_some());
        let first = days
            .next()
            .filter(|first| days.all(|other| other.what == first.what));
        let first = first.filter(|one| day(one).is_some_and(|day| day.len() == "2021-10-13".len()));
        Self {
            quoted,
            day: first,
            all,
        }
    }

    /// What is suggested within a sentence.
    fn within(&self, sentence: &Range<usize>) -> impl Iterator<Item = &'s Suggestion> {
        let first = self.all.partition_point(|one| one.range.start < sentence.start);
        let behind = self.all.partition_point(|one| one.range.start < sentence.end);
        let from_it = self.all[first..behind.max(first)].iter().copied();
        let end = sentence.end;
        from_it.filter(move |one| one.range.end <= end)
    }

    /// What it suggests that is not quoted.
    fn told(&self, sentence: &Range<usize>) -> Vec<&'s Suggestion> {
        let is_quoted = |range: &Range<usize>| {
            let next = self.quoted.partition_point(|quoted| quoted.end <= range.start);
            self.quoted
                .get(next)
                .is_some_and(|quoted| quoted.start <= range.start)
        };
        self.within(sentence)
            .filter(|one| !is_quoted(&one.range))
            .collect()
    }

    /// Whom a sentence names.
    fn actors(&self, sentence: &Range<usize>) -> BTreeSet<String> {
        let actors = self.told(sentence).into_iter().filter_map(|one| match &one.what {
            Suggested::Person { name, .. } => Some(name.to_string()),
            Suggested::Organisation(name) => Some(name.clone()),
            Suggested::Country(code) => Some(code.to_string()),
            _ => None,
        });
        actors.collect()
    }
}

fn day(one: &Suggestion) -> Option<&str> {
    match &one.what {
        Suggested::Day(day) => Some(day),
        _ => None,
    }
}

/// A sentence that tells of one event, and those that go on about it.
struct Story {
    /// Its CAMEO code.
    code: &'static str,
    /// The sentence that it begins with.
    lead: Range<usize>,
    /// The sentence before, where that names those who are `they` in the first.
    about: Option<Range<usize>>,
    /// The first of those that go on about it.
    behind: Vec<Range<usize>>,
    /// The last of them, or else the first of all.
    last: Range<usize>,
    /// Whom the first sentence names.
    actors: BTreeSet<String>,
    /// The day that it names.
    day: Option<String>,
}

/// The stories of a document: of what happened, and of what was said, no more of either than there may be drafts.
#[derive(Default)]
struct Stories {
    happened: Vec<Story>,
    said: Vec<Story>,
}

impl Stories {
    /// Adds a sentence: to the story of the same kind that it goes on about, else as a story of its own. What there is no draft left for
    /// is nobody's story.
    fn add(&mut self, code: &'static str, sentence: &Range<usize>, read: &Read<'_>, found: &Found<'_>) {
        let stories = match root(code) {
            STATEMENT => &mut self.said,
            _ => &mut self.happened,
        };
        let actors = found.actors(sentence);
        let pronoun = PRONOUNS.iter().find(|word| **word == first_word(read, sentence));
        let before = before(read, sentence);
        let day = found.within(sentence).find_map(day);
        let goes_on = |story: &&mut Story| {
            let is_same = !actors.is_empty()
                && actors.is_subset(&story.actors)
                && (day.is_none() || day == story.day.as_deref());
            let is_next = pronoun.is_some() && before.as_ref() == Some(&story.last);
            story.root() == root(code) && (is_same || is_next)
        };
        if let Some(story) = stories.iter_mut().find(goes_on) {
            story.go_on(code, sentence);
        } else if stories.len() < DRAFTS_MAX {
            let is_about =
                pronoun.is_some_and(|word| OF_SEVERAL.contains(word)) && sides::is_among_equals(root(code));
            stories.push(Story {
                code,
                about: before.filter(|_| is_about),
                lead: sentence.clone(),
                last: sentence.clone(),
                behind: Vec::new(),
                actors,
                day: day.map(str::to_owned),
            });
        }
    }

    /// What happened before what was said; else in the order of the text.
    fn in_order(self) -> Vec<Story> {
        let all = self.happened.into_iter().chain(self.said);
        all.take(DRAFTS_MAX).collect()
    }
}

/// The sentence before one.
fn before(read: &Read<'_>, sentence: &Range<usize>) -> Option<Range<usize>> {
    let at = read
        .sentences
        .partition_point(|other| other.end <= sentence.start);
    read.sentences.get(at.checked_sub(1)?).cloned()
}

fn first_word<'t>(read: &Read<'t>, sentence: &Range<usize>) -> &'t str {
    read.word(read.word_at(sentence.start))
}

fn root(code: &str) -> &str {
    code.get(..2).unwrap_or(code)
}

impl Story {
    /// Goes on with a sentence.
    fn go_on(&mut self, code: &'static str, sentence: &Range<usize>) {
        // The finer code says more.
        if code.len() > self.code.len() {
            self.code = code;
        }
        self.last = sentence.clone();
        if self.behind.len() + 1 < EVIDENCE_MAX {
            self.behind.push(sentence.clone());
        }
    }

    fn root(&self) -> &str {
        root(self.code)
    }

    /// The sentences, in the order of the text.
    fn sentences(&self) -> impl Iterator<Item = &Range<usize>> {
        let about = self.about.iter();
        about.chain(std::iter::once(&self.lead)).chain(&self.behind)
    }

    fn draft(&self, read: &Read<'_>, found: &Found<'_>) -> Content {
        let begins = self.about.as_ref().unwrap_or(&self.lead);
        Content {
            title: shortened(&read.text[begins.clone()], TITLE_CHARS),
            dates: self.date(read, found).into_iter().collect(),
            participants: self.participants(read, found),
            types: self.types(),
            places: self.places(read, found),
            reports: self.reports(read.text),
            ..Content::default()
        }
    }

    fn types(&self) -> Vec<TypeCode> {
        let label = types().cameo(self.code).map(|known| known.label.to_owned());
        vec![TypeCode {
            scheme: "cameo".to_owned(),
            code: self.code.to_owned(),
            label: label.unwrap_or_default(),
            ..TypeCode::default()
        }]
    }

    /// The day that the sentences give; else one that is given before, where the document gives no other, and then without its words,
    /// which do not stand there.
    fn date(&self, read: &Read<'_>, found: &Found<'_>) -> Option<Date> {
        let own = self.sentences().flat_map(|sentence| found.within(sentence));
        let own = { own }.find_map(|one| Some((one, day(one)?)));
        let stated = match own {
            Some((one, _)) if one.rule == Rule::RelativeDay => one_line(&read.text[one.range.clone()]),
            _ => String::new(),
        };
        let other = found
            .day
            .filter(|one| one.range.start < self.lead.start && !self.is_of_another_time(read));
        Some(Date {
            role: DateRole::Occurred.into(),
            edtf: own.map(|(_, day)| day).or(other.and_then(day))?.to_owned(),
            stated,
            ..Date::default()
        })
    }

    /// Whether its sentences speak of what is to come, or name a year or a month.
    fn is_of_another_time(&self, read: &Read<'_>) -> bool {
        let is_year = |word: &str| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
        let is_other = |word: &str| TO_COME.contains(&word) || is_year(word) || MONTHS.contains(&word);
        let words = |sentence: &Range<usize>| read.word_at(sentence.start)..read.word_at(sentence.end);
        let mut words = self.sentences().flat_map(words);
        words.any(|at| is_other(read.word(at)))
    }

    fn places(&self, read: &Read<'_>, found: &Found<'_>) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        for one in self.sentences().flat_map(|sentence| found.told(sentence)) {
            let Suggested::Place { name, country } = &one.what else {
                continue;
            };
            // `Moscow rejected the offer` happened anywhere.
            let is_meant = one.rule != Rule::Seat || sides::is_where(read, one.range.start);
            if is_meant && places.len() < PLACES_MAX && places.iter().all(|place| place.name != *name) {
                places.push(Place {
                    role: PlaceRole::Action.into(),
                    name: name.clone(),
                    country: country.map(sides::coded),
                    ..Place::default()
                });
            }
        }
        places
    }

    /// The sentences that speak for it, as they stand.
    fn reports(&self, text: &str) -> Vec<Report> {
        let evidence = std::iter::once(&self.lead).chain(&self.behind);
        let sentences = evidence.map(|range| {
            let sentence = &text[range.clone()];
            match sentence.len() <= SENTENCE_CHARS {
                true => one_line(sentence),
                false => shortened(sentence, SENTENCE_CHARS),
            }
        });
        vec![Report {
            sentence: sentences.collect::<Vec<_>>().join(" "),
            ..Report::default()
        }]
    }

    /// Those of the sentence that it is about; whom the others name beside them is only mentioned.
    fn participants(&self, read: &Read<'_>, found: &Found<'_>) -> Vec<Participant> {
        let mut all: Vec<Participant> = Vec::new();
        let about = self.about.as_ref().unwrap_or(&self.lead);
        for sentence in self.sentences() {
            let told = found.told(sentence);
            let of = Sentence {
                read,
                code: self.code,
                range: sentence.clone(),
            };
            for mut one in sides::participants(&of, &told) {
                let is_known = |known: &Participant| {
                    let of_it = known
                        .countries
                        .iter()
                        .any(|country| one.countries.contains(country));
                    known.name == one.name || of_it && sides::is_state(&one)
                };
                if all.iter().any(is_known) {
                    continue;
                }
                if sentence != about {
                    one.side = Side::Mentioned.into();
                }
                all.push(one);
            }
        }
        all.sort_by_key(|one| one.side() == Side::Mentioned);
        all.truncate(PARTICIPANTS_MAX);
        all
    }
}

/// Words of one line, without the stop at their end, and no more than so many letters.
fn shortened(text: &str, chars: usize) -> String {
    let text = one_line(text);
    let Some((end, _)) = text.char_indices().nth(chars) else {
        return text.trim_end_matches('.').to_owned();
    };
    let words = text[..end]
        .rsplit_once(' ')
        .map_or(&text[..end], |(words, _)| words);
    format!("{words}…")
}

#[cfg(test)]
mod tests {
    use super::super::suggest;
    use super::*;
    use crate::record::date::day_number;

    const DISPATCH: &str = "Pakistan Army chief Gen. Qamar Javed Bajwa received Maj. Gen. Mohammad Bagheri, the chief of staff of \
        Iran's armed forces, in Rawalpindi on Wednesday. They discussed Afghanistan. \"We are neighbours and brothers,\" \
        Bajwa said. Bagheri also met Prime Minister Imran Khan.";

    fn of(text: &str) -> Vec<Content> {
        let document = Document {
            text,
            reported: Some(day_number(2021, 10, 14)),
            ..Document::default()
        };
        drafts(&document, &suggest(document))
    }

    fn names(draft: &Content) -> Vec<(&str, Side)> {
        let participants = draft.participants.iter();
        participants.map(|one| (one.name.as_str(), one.side())).collect()
    }

    #[test]
    fn each_meeting_is_a_draft_with_those_who_met() {
        let drafts = of(DISPATCH);
        let first = &drafts[0];
        assert_eq!(
            names(first)[..2],
            [
                ("Qamar Javed Bajwa", Side::Party),
                ("Mohammad Bagheri", Side::Party)
            ]
        );
        assert_eq!(first.participants[0].countries[0].code, "PAK");
        assert_eq!(
            (first.dates[0].edtf.as_str(), first.dates[0].stated.as_str()),
            ("2021-10-13", "Wednesday")
        );
        assert_eq!(first.places[0].name, "Rawalpindi");
        assert!(first.types[0].code.starts_with("04"));
        assert_eq!(first.reports[0].sentence, "They discussed Afghanistan.");
        assert!(first.title.starts_with("Pakistan Army chief"));
        let with_khan = drafts
            .iter()
            .find(|draft| names(draft).iter().any(|(name, _)| *name == "Imran Khan"));
        assert!(with_khan.is_some_and(|draft| draft != first), "{drafts:#?}");
    }

    #[test]
    fn states_act_where_nobody_is_named() {
        let drafts = of("Russia imposed sanctions on Canada on 4 March 2022.");
        assert_eq!(
            names(&drafts[0]),
            [("Russia", Side::Source), ("Canada", Side::Target)]
        );
    }

    #[test]
    fn a_draft_is_of_one_sentence_and_borrows_nobody_of_another() {
        let drafts = of(
            "Foreign Minister Mohamed Ibrahim Kamel yielded in protest yesterday. The Arab League will meet in Baghdad in November to \
             impose sanctions on Egypt. Syria and the Palestine Liberation Organization denounced the accords.",
        );
        let told: Vec<_> = drafts
            .iter()
            .map(|draft| {
                (
                    &draft.title[..12],
                    names(draft),
                    draft.dates.first().map(|date| date.stated.as_str()),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (
                    "Foreign Mini",
                    vec![("Mohamed Ibrahim Kamel", Side::Source)],
                    Some("yesterday")
                ),
                (
                    "The Arab Lea",
                    vec![("Arab League", Side::Source), ("Egypt", Side::Target)],
                    None
                ),
                (
                    "Syria and th",
                    vec![
                        ("Syria", Side::Source),
                        ("Palestine Liberation Organization", Side::Source)
                    ],
                    Some("")
                ),
            ]
        );
    }

    #[test]
    fn who_tells_of_an_event_does_not_do_it_and_parties_are_all_who_sign() {
        for (text, expected) in [
            (
                "Serbian police arrested Slobodan Milosevic on Thursday, President Boris Tadic told a news conference.",
                vec![
                    ("Slobodan Milosevic", Side::Target),
                    ("Boris Tadic", Side::Mentioned),
                ],
            ),
            (
                "Russia and Ukraine signed separate agreements with Poland and the United Nations.",
                vec![
                    ("Russia", Side::Party),
                    ("Ukraine", Side::Party),
                    ("Poland", Side::Party),
                    ("United Nations", Side::Party),
                ],
            ),
            (
                "Russia recalled its ambassador, and Prime Minister Recep Tayyip Erdogan condemned the raid.",
                vec![
                    ("Russia", Side::Source),
                    ("Recep Tayyip Erdogan", Side::Mentioned),
                ],
            ),
            (
                "Bahrain, Egypt and Qatar cut diplomatic ties with Canada, Russia said.",
                vec![
                    ("Bahrain", Side::Source),
                    ("Egypt", Side::Source),
                    ("Qatar", Side::Source),
                    ("Canada", Side::Target),
                    ("Russia", Side::Mentioned),
                ],
            ),
            (
                "Iran said on Monday that it recalled its ambassador from Canada.",
                vec![("Iran", Side::Source), ("Canada", Side::Target)],
            ),
            (
                "Sergei Lavrov was arrested in Canada.",
                vec![("Sergei Lavrov", Side::Target), ("Canada", Side::Mentioned)],
            ),
            (
                "Canada was attacked by Russia.",
                vec![("Canada", Side::Target), ("Russia", Side::Source)],
            ),
            (
                "Foreign Minister Hina Rabbani Khar met her Iranian counterpart.",
                vec![("Hina Rabbani Khar", Side::Party), ("Iran", Side::Party)],
            ),
        ] {
            let drafts = of(text);
            let mut found: Vec<(String, Side)> = names(&drafts[0])
                .into_iter()
                .map(|(name, side)| (name.replace("Islamic Republic of ", ""), side))
                .collect();
            found.retain(|(name, _)| name != "Serbia");
            let found: Vec<(&str, Side)> = found.iter().map(|(name, side)| (name.as_str(), *side)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_day_of_another_sentence_comes_without_its_words() {
        let drafts = of("Russia attacked Canada on Wednesday. Iran condemned Russia.");
        let days: Vec<_> = drafts
            .iter()
            .map(|draft| (draft.dates[0].edtf.as_str(), draft.dates[0].stated.as_str()))
            .collect();
        assert_eq!(days, [("2021-10-13", "Wednesday"), ("2021-10-13", "")]);
        let of_two = of(
            "Russia attacked Canada on Wednesday. Iran condemned Russia. China arrested Russians on Tuesday.",
        );
        assert!(of_two[1].dates.is_empty(), "no one knows which");
        for another in [
            "Iran condemned the war of 2003.",
            "Iran condemned Russia in May.",
            "Iran will sign the treaty.",
        ] {
            let drafts = of(&format!("Russia attacked Canada on Wednesday. {another}"));
            assert!(
                drafts[1..].iter().all(|draft| draft.dates.is_empty()),
                "{another}"
            );
        }
    }

    #[test]
    fn what_suggests_no_event_gives_one_draft_that_is_empty() {
        let drafts = of("A quiet day in Geneva.");
        assert_eq!(
            (drafts.as_slice(), of("").as_slice()),
            (&[Content::default()][..], &[Content::default()][..])
        );
    }

    #[test]
    fn drafts_are_few_and_their_titles_short() {
        let long = format!(
            "Foreign Minister John Smith visited {} Paris. ",
            "very ".repeat(200)
        )
        .repeat(40);
        let drafts = of(&long);
        assert!(drafts.len() <= DRAFTS_MAX);
        assert!(
            drafts
                .iter()
                .all(|draft| draft.title.chars().count() <= TITLE_CHARS + 1)
        );
    }
}

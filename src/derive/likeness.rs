//! Which events are told twice.
//!
//! Sources that code by machine tell many events more than once: ICEWS gives most meetings in both directions, reissues repeat
//! what was issued before under new ids. Nothing is merged for that; this says which entries are alike, by two rules:
//!
//! - **same report**: two events of one series that state the same days, the same types, the same reports (by document id,
//!   address or citation, and sentence; by the documents that they are `reported-in`) and the same participants on each side, each
//!   by its names, office, role, countries, sectors, codes and identifiers. Folded texts are compared, in any order. What else they state may differ: place, measures, ids.
//! - **swapped twins**: the same, but that the sources of one are the targets of the other and the other way round.
//!
//! An event is compared only where it states a day and a participant who is not merely mentioned. That is all of an event's
//! content that takes part, so that a number of 64 bits can stand for it: 63 bits of a hash of what both twins share, and one that
//! tells them apart. Among a hundred million events two that are not alike share a hash about once in two thousand archives.

use super::fold::with_folded;
use crate::record::Kind;
use crate::record::codec::{Code, Content, DateRole, Participant, RelationType, Side};
use sha2::{Digest, Sha256};

/// The names of the rules, and their version.
pub const LIKENESS_RULES: &str = "swapped-twins 1, same-report 1";

/// What an event shares with those that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Likeness(u64);

impl Likeness {
    /// That of a content; `None` where it is not compared.
    pub fn of(series: &str, kind: Kind, content: &Content) -> Option<Self> {
        let is_told = |one: &&Participant| one.side() != Side::Mentioned;
        if kind != Kind::Event || !content.participants.iter().any(|one| is_told(&one)) {
            return None;
        }
        let occurred = content
            .dates
            .iter()
            .filter(|date| date.role() == DateRole::Occurred);
        let days = listed(occurred.map(|date| joined(&[&date.edtf])));
        if days.is_empty() {
            return None;
        }
        let side = |is: fn(Side) -> bool| {
            let on_it = content.participants.iter().filter(|one| is(one.side()));
            listed(on_it.map(identity))
        };
        let (sources, targets) = (
            side(|side| side == Side::Source),
            side(|side| side == Side::Target),
        );
        let is_turned = sources > targets;
        let (one, other) = if is_turned {
            (&targets, &sources)
        } else {
            (&sources, &targets)
        };
        let types = content.types.iter().map(|one| {
            joined(&[
                &one.scheme,
                if one.code.is_empty() {
                    &one.label
                } else {
                    &one.code
                },
            ])
        });
        let parties = side(|side| !matches!(side, Side::Source | Side::Target | Side::Mentioned));
        let mut hash = Sha256::new();
        for part in [
            &joined(&[series]),
            &days,
            &listed(types),
            &reports(content),
            &parties,
            one,
            other,
        ] {
            // With its length, so that no two lists of parts are the same bytes.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let number = hash.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        // 0 stands for an event that is not compared.
        let event = if number < 2 { 2 } else { number & !1 };
        Some(Self(event | u64::from(is_turned)))
    }

    /// The number that stands for it, never 0.
    pub fn number(self) -> u64 {
        self.0
    }

    /// What twins share too.
    pub fn event(self) -> u64 {
        self.0 & !1
    }

    /// Whether it is the other one's twin, where both are of one event.
    pub fn is_turned(self, other: Self) -> bool {
        self.0 != other.0
    }
}

/// By what a participant is known: names, office and role, then its countries, sectors, codes and identifiers.
fn identity(one: &Participant) -> Vec<u8> {
    let coded = |codes: &[Code]| {
        let each = codes
            .iter()
            .map(|code| joined(&[&code.scheme, &code.code, &code.label]));
        listed(each)
    };
    let countries = one
        .countries
        .iter()
        .map(|country| joined(&[&country.scheme, &country.code]));
    let parts = [
        joined(&[&one.name, &one.stated_name, &one.office, &one.role_text]),
        listed(countries),
        coded(&one.sectors),
        coded(&one.codes),
        coded(&one.identifiers),
    ];
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    }
    bytes
}

/// Where the event is reported.
fn reports(content: &Content) -> Vec<u8> {
    let reports = content.reports.iter().map(|report| {
        joined(&[
            &report.document_id,
            &report.url,
            &report.citation,
            &report.sentence,
        ])
    });
    let documents = content
        .relations
        .iter()
        .filter(|relation| relation.r#type() == RelationType::ReportedIn)
        .map(|relation| joined(&[&relation.series, &relation.key]));
    listed(reports.chain(documents))
}

/// How many texts there are, then each folded, with its length.
fn joined(texts: &[&str]) -> Vec<u8> {
    let mut bytes = (texts.len() as u32).to_le_bytes().to_vec();
    for text in texts {
        with_folded(text, |folded| {
            let folded = folded.trim();
            bytes.extend((folded.len() as u32).to_le_bytes());
            bytes.extend(folded.as_bytes());
        });
    }
    bytes
}

/// Each once, in an order of their own.
fn listed(parts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = parts.collect();
    parts.sort_unstable();
    parts.dedup();
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::Input;

    fn of(json: &str) -> Option<Likeness> {
        let input = Input::parse(&format!(r#"{{"series":"icews","kind":"event",{json}}}"#)).unwrap();
        let content = crate::record::codec::decode_content(&input.payload)
            .unwrap()
            .unwrap();
        Likeness::of("icews", Kind::Event, &content)
    }

    const VISIT: &str = r#""occurred":"2014-01-01","types":["icews-text:Make a visit"],"reports":[{"document_id":"7","sentence":"2"}],"participants":[{"side":"source","name":"Iran"},{"side":"target","name":"Qatar"}]"#;

    #[test]
    fn twins_share_an_event_and_are_told_apart() {
        let one = of(VISIT).unwrap();
        let twin = of(&VISIT
            .replace("Iran", "X")
            .replace("Qatar", "Iran")
            .replace('X', "QATAR"))
        .unwrap();
        assert_eq!(one.event(), twin.event());
        assert!(one.is_turned(twin) && !one.is_turned(one));
        assert!(one.number() > 1);
    }

    #[test]
    fn what_does_not_take_part_changes_nothing_and_what_does_changes_all() {
        let one = of(VISIT);
        for more in [
            r#","places":["Doha"]"#,
            r#","measures":{"intensity":"1.9"}"#,
            r#","title":"A visit""#,
            r#","raw":"7""#,
        ] {
            assert_eq!(of(&format!("{VISIT}{more}")), one, "{more}");
        }
        for (from, to) in [
            ("2014-01-01", "2014-01-02"),
            ("Make a visit", "Host a visit"),
            (r#""7""#, r#""8""#),
            (r#""2""#, r#""3""#),
            ("Qatar", "Oman"),
            (r#""target""#, r#""party""#),
        ] {
            let other = of(&VISIT.replace(from, to));
            assert_ne!(other.map(Likeness::event), one.map(Likeness::event), "{to}");
        }
    }

    #[test]
    fn an_event_without_a_day_or_a_participant_is_not_compared() {
        assert_eq!(of(r#""title":"Talks","participants":["Iran"]"#), None);
        assert_eq!(
            of(r#""occurred":"2014","participants":[{"side":"mentioned","name":"Iran"}]"#),
            None
        );
        assert!(of(r#""occurred":"2014","participants":["Iran"]"#).is_some());
    }

    #[test]
    fn a_code_of_one_participant_is_not_the_name_of_another() {
        let one = r#""occurred":"2014","participants":[{"side":"party","name":"A","codes":[{"scheme":"b","code":"c"}]}]"#;
        let two = r#""occurred":"2014","participants":[{"side":"party","name":"A"},{"side":"party","name":"b","stated_name":"c"}]"#;
        assert_ne!(of(one), of(two));
    }

    #[test]
    fn participants_of_countries_or_offices_alone_are_told_apart_and_codes_have_no_order() {
        let by = |participant: &str| {
            of(&format!(
                r#""occurred":"2014","participants":[{{"side":"party",{participant}}}]"#
            ))
        };
        let codes = [
            r#""countries":["PAK"]"#,
            r#""countries":["CHL"]"#,
            r#""office":"Minister""#,
            r#""identifiers":[{"scheme":"wikidata","code":"Q1"}]"#,
            r#""sectors":["icews:Military"]"#,
        ];
        let events: std::collections::HashSet<_> =
            codes.iter().map(|code| by(code).map(Likeness::event)).collect();
        assert_eq!(events.len(), codes.len());
        let coded = |first, second| by(&format!(r#""name":"A","codes":["{first}","{second}"]"#));
        assert_eq!(coded("cameo:X", "gdelt:Y"), coded("gdelt:Y", "cameo:X"));
    }

    #[test]
    fn a_meeting_with_itself_is_not_its_own_twin() {
        let one = of(&VISIT.replace("Qatar", "Iran")).unwrap();
        assert!(!one.is_turned(one));
    }
}

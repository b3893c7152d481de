//! The records that are appended: invented events of the size of real ones, the same ones in each run.

use crate::record::codec::{self, Content, Country, Date, Measure, Participant, Place, TypeCode};
use crate::rpc::proto::AppendRecord;
use std::time::Instant;

const COUNTRIES: [&str; 16] = [
    "USA", "CHN", "RUS", "GBR", "FRA", "DEU", "IND", "IRN", "TUR", "UKR", "JPN", "BRA", "ZAF", "NGA", "PAK",
    "MEX",
];
/// One record in a hundred is of this one.
const RARE: &str = "NLD";
/// One title in so many has a word that no other has.
const RARE_WORD_IN: usize = 50_000;
const TYPES: [(&str, &str); 6] = [
    ("036", "means to meet"),
    ("040", "consults with"),
    ("042", "visits"),
    ("057", "signs an agreement with"),
    ("112", "accuses"),
    ("163", "puts sanctions on"),
];
const PLACES: [&str; 8] = [
    "Geneva",
    "Vienna",
    "Doha",
    "Ankara",
    "Addis Ababa",
    "Astana",
    "Oslo",
    "Cairo",
];
const TOPICS: [&str; 6] = [
    "grain shipments through the strait",
    "the course of the maritime border",
    "access for nuclear inspectors",
    "an exchange of prisoners",
    "tariffs on semiconductors",
    "observers for the ceasefire line",
];

/// Makes events.
pub struct Events {
    state: u64,
    prefix: u64,
    count: u64,
    /// The countries that take turns; the usual ones where there are none.
    countries: Vec<String>,
    pair: (String, String),
}

impl Events {
    /// The events of one client.
    pub fn new(client: u64) -> Self {
        let prefix = client.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            state: prefix | 1,
            prefix,
            count: 0,
            countries: Vec::new(),
            pair: Default::default(),
        }
    }

    /// The same, of these countries.
    pub fn of(client: u64, countries: Vec<String>) -> Self {
        Self {
            countries,
            ..Self::new(client)
        }
    }

    /// Source and target of the last event.
    pub fn pair(&self) -> (String, String) {
        self.pair.clone()
    }

    fn country(&mut self) -> String {
        match self.countries.len() {
            0 => COUNTRIES[self.draw(COUNTRIES.len())].to_owned(),
            some => {
                let at = self.draw(some);
                self.countries[at].clone()
            }
        }
    }

    fn draw(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % below
    }

    /// The next event. `due` leads the title, at a fixed place, so that a subscriber finds it without decoding.
    pub fn next(&mut self, due: u64) -> AppendRecord {
        let source = if self.draw(100) == 0 && self.countries.is_empty() {
            RARE.to_owned()
        } else {
            self.country()
        };
        let target = self.country();
        let (code, verb) = TYPES[self.draw(TYPES.len())];
        let (place, topic) = (PLACES[self.draw(PLACES.len())], TOPICS[self.draw(TOPICS.len())]);
        let day = format!(
            "{}-{:02}-{:02}",
            1995 + self.draw(30),
            1 + self.draw(12),
            1 + self.draw(28)
        );
        let side = |side: codec::Side, country: &str| Participant {
            side: side as i32,
            name: format!("Government of {country}"),
            countries: vec![Country {
                scheme: "iso3".into(),
                code: country.into(),
            }],
            sectors: vec![codec::Code {
                scheme: "cameo".into(),
                code: "GOV".into(),
                label: String::new(),
            }],
            ..Participant::default()
        };
        // A word that hardly any title has.
        let who = if self.draw(RARE_WORD_IN) == 0 {
            "a rapporteur"
        } else {
            "officials"
        };
        let content = Content {
            title: format!("{due:020} {source} {verb} {target} over {topic}, {who} in {place} say"),
            dates: vec![Date {
                role: codec::DateRole::Occurred as i32,
                edtf: day,
                ..Date::default()
            }],
            participants: vec![
                side(codec::Side::Source, &source),
                side(codec::Side::Target, &target),
            ],
            types: vec![TypeCode {
                scheme: "cameo".into(),
                code: code.into(),
                ..TypeCode::default()
            }],
            places: vec![Place {
                role: codec::PlaceRole::Action as i32,
                name: place.into(),
                ..Place::default()
            }],
            measures: vec![Measure {
                name: "goldstein".into(),
                value: "3.4".into(),
            }],
            ..Content::default()
        };
        self.count += 1;
        self.pair = (source, target);
        AppendRecord {
            act: codec::Act::Create as i32,
            kind: codec::Kind::Event as i32,
            series: "bench".into(),
            key: format!("{:016x}-{:08x}", self.prefix, self.count),
            payload: vec![codec::encode_content(content)],
            ..AppendRecord::default()
        }
    }
}

/// Sentences of a dispatch; `{}` stands for a place.
const SENTENCES: [&str; 6] = [
    "President Emmanuel Macron received a delegation of the Iranian Foreign Ministry in {} on Wednesday.",
    "Gen. Qamar Javed Bajwa told reporters in {} that both sides wanted closer cooperation along the border.",
    "\"We have agreed on the next steps, and will meet again before the winter,\" a spokesman for Russia said.",
    "The talks had been put off twice since 3 May 2019, when the ceasefire near {} broke down.",
    "The United Nations and the European Union welcomed the announcement, which Ankara had called premature.",
    "No date was set for the visit of Prime Minister Narendra Modi, who spoke by telephone with Beijing yesterday.",
];
/// Sentences a dispatch, about 1,800 bytes.
const DISPATCH_SENTENCES: usize = 18;

impl Events {
    /// A dispatch, as an agency sends it: prose, with the day of the report.
    pub fn next_dispatch(&mut self) -> AppendRecord {
        let mut body = String::new();
        for at in 0..DISPATCH_SENTENCES {
            let place = PLACES[self.draw(PLACES.len())];
            body.push_str(&SENTENCES[self.draw(SENTENCES.len())].replace("{}", place));
            body.push_str(if at % 4 == 3 { "\n\n" } else { " " });
        }
        let content = Content {
            title: format!("Talks on {}", TOPICS[self.draw(TOPICS.len())]),
            body,
            dates: vec![Date {
                role: codec::DateRole::Reported as i32,
                edtf: "2021-10-14".into(),
                ..Date::default()
            }],
            ..Content::default()
        };
        self.count += 1;
        AppendRecord {
            act: codec::Act::Create as i32,
            kind: codec::Kind::Document as i32,
            series: "bench".into(),
            key: format!("{:016x}-{:08x}", self.prefix, self.count),
            payload: vec![codec::encode_content(content)],
            ..AppendRecord::default()
        }
    }
}

/// When an event was due, from the start of its encoded payload.
pub fn due_of(payload: &[u8]) -> Option<u64> {
    let title = text(text(payload)?)?;
    std::str::from_utf8(title.get(..20)?).ok()?.parse().ok()
}

/// What follows the tag and the length of the first field.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    let after = bytes.get(1..)?;
    let length = after.iter().position(|byte| byte & 0x80 == 0)?;
    after.get(length + 1..)
}

/// Nanoseconds since the measurement began.
pub fn clock(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_finds_when_an_event_was_due() {
        let record = Events::new(3).next(1_234_567);
        assert_eq!(due_of(&record.payload[0]), Some(1_234_567));
    }

    #[test]
    fn events_are_of_the_size_of_real_ones() {
        let mut events = Events::new(1);
        let bytes: usize = (0..1_000).map(|_| events.next(0).payload[0].len()).sum();
        assert!((250..400).contains(&(bytes / 1_000)), "{}", bytes / 1_000);
    }
}

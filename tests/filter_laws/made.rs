//! Random filters and contents. Between them the filters use every field, operator and form of value.

use chancery::record::codec::{
    Code, Content, Country, Date, Measure, Participant, Place, Relation, Report, Topic, TypeCode,
};
use proptest::prelude::*;

const NAMES: [&str; 11] = [
    "",
    "Imran Khan",
    "Ministry (Japan)",
    "Iran",
    "İRAN",
    "Armed Gang\u{a0}(Thailand)",
    "伊朗总统",
    "Türkiye's Army",
    "PAK",
    // In front an accent on a space, and a letter that stands on the one before it.
    " \u{301}Iran",
    " \u{93f}iran",
];
const CODES: [(&str, &str, &str); 8] = [
    ("cameo", "043", "Host a visit"),
    ("cameo", "190", ""),
    ("CAMEO", "04", "x"),
    ("plover", "CONSULT", "Consult"),
    ("", "043", ""),
    ("icews-text", "Make a visit", ""),
    ("cameo", "PAKMIL", "military"),
    ("quad", "4", ""),
];
const COUNTRIES: [(&str, &str); 7] = [
    ("iso3", "PAK"),
    ("fips", "IR"),
    ("cameo", "EUR"),
    ("icews-name", "Japan"),
    ("iso3", "???"),
    ("cow", "770"),
    ("cow", "365"),
];
const DATES: [&str; 5] = ["2021-10-13", "2021-10", "1939", "1939~/..", "not a date"];

/// Values of measures: plain ones, several decimals of one number, numbers at both ends, and texts that are none.
pub const VALUES: [&str; 36] = [
    "-5",
    "4",
    "x",
    "",
    "0",
    "-0",
    "0.0",
    "0.1",
    ".1",
    "+0.10",
    "0.1000000000000000055511151231257827",
    "0.10000000000000000555",
    "0.09999999999999999999",
    "0.30000000000000004",
    "0.3000000000000000444",
    "1e2",
    "100.",
    "1e+02",
    "100.00000000000000001",
    "9007199254740992",
    "9007199254740993",
    "9007199254740994",
    "-3.4482758620689653",
    "-3.44827586206896530",
    "-3.44827586206896525",
    "1e400",
    "-1e400",
    "1e-400",
    "-1e-400",
    "5e-324",
    "1.7976931348623157e308",
    "inf",
    "NaN",
    "1e99999999999",
    "1e-99999999999",
    " 2.8 ",
];

/// Conditions that between them use every field, operator and form of value.
pub const CONDITIONS: [&str; 63] = [
    "kind = event",
    "kind != document",
    "act = create",
    "status = current",
    "series = desk",
    "series = d*",
    "key = \"a b\"",
    "principal = local:*",
    "revision > 1",
    "position <= 7",
    "recorded >= 1970-01-01",
    "recorded < 1970-01-01T00:00:00.000000005Z",
    "country = PAK",
    "country = Iran",
    "source.country = JPN",
    "target.country != PAK",
    "mentioned.country = PAK",
    "place.country = fips:PK",
    "dyad = PAK-IRN",
    "dyad = PAK>IRN",
    "dyad = PAK-PAK",
    "actor_dyad = \"Iran,Imran Khan\"",
    "actor = Iran",
    "actor = \"=Iran\"",
    "actor = \"armed gang*\"",
    "actor = cameo:PAK*",
    "actor : gang",
    "name = \"IRAN\"",
    "name : 伊朗",
    "source.name = \"imran khan\"",
    "target.name : ministry",
    "sector = MIL",
    "identifier = wikidata:Q1",
    "type = 04*",
    "type = cameo:043",
    "type : visit",
    "type = 'make a visit'",
    "root = 4",
    "root = plover:CONSULT",
    "mode = assault",
    "quad = 4",
    "quad = verbal-cooperation",
    "topic = nuclear",
    "context = \"legal*\"",
    "flag = root",
    "place = Rawalpindi",
    "near(33.6, 73.05, 50)",
    "near(73, -180, 20)",
    "near(90, 0, 3000)",
    "NOT near(-33.6, 0, 20000)",
    "text : \"imran khan\"",
    "title : army",
    "language = en",
    "publisher = ISPR",
    "url : ispr",
    "reported_in = desk/k",
    "part_of : \"desk/a b\"",
    "measure.goldstein < 0",
    "extra.Story = 5",
    "extra.\"Story\" > 4.99",
    "occurred = 2021",
    "possibly(occurred, 1939-05)",
    "occurred >= 1939",
];
pub const MORE: [&str; 117] = [
    "reported < 2021-11",
    "has:country",
    "has:quad",
    "has:measure.goldstein",
    "NOT has:dyad",
    "visit",
    "arm*",
    "\"imran khan\"",
    "朗",
    "\"iran army\"",
    "country = (PAK OR JPN)",
    "country != (IRN OR JPN)",
    "type = (043 OR 190)",
    "\"of a stretch\"",
    "has:root",
    "sector : mil",
    "country = SUN",
    "type = plover:CONSULT",
    "type = cameo:042",
    "type = 19",
    "mode = visit",
    "context = plover:military",
    "has:context",
    "has:mode",
    "measure.goldstein = -10",
    "measure.tone = 0",
    "measure.tone != -0",
    "measure.tone < 0.1",
    "measure.tone <= 0.1",
    "measure.tone > 0.10000000000000000555",
    "measure.tone >= 0.1",
    "measure.tone = 0.1",
    "measure.tone = 1e2",
    "measure.tone > 1e2",
    "measure.tone <= 100.00",
    "measure.tone = 9007199254740993",
    "measure.tone < 9007199254740993",
    "measure.tone >= 9007199254740992",
    "measure.tone > -3.4482758620689653",
    "measure.tone = -3.4482758620689653",
    "measure.tone < 1e400",
    "measure.tone >= -1e400",
    "measure.tone = 1e400",
    "measure.tone > -1e-400",
    "measure.tone <= 1e-400",
    "measure.tone > 3e-324",
    "measure.tone < 1.8e308",
    "NOT measure.tone <= 0.30000000000000004",
    "has:measure.tone",
    "measure.goldstein >= -10",
    "measure.goldstein != 2.8",
    "measure.goldstein <= 0.99999999999999999999",
    "measure.quad-class > 3",
    "has:kind",
    "has:principal",
    "has:revision",
    "has:position",
    "has:occurred",
    "has:source.country",
    "has:place.country",
    "has:dyad",
    "has:actor",
    "has:name",
    "has:source.name",
    "has:type",
    "has:sector",
    "has:topic",
    "has:identifier",
    "has:flag",
    "has:language",
    "has:place",
    "has:publisher",
    "has:url",
    "has:reported_in",
    "reported_in != (desk/k OR desk/other)",
    "has:text",
    "revision != 1",
    "revision <= 1",
    "position > 3",
    "recorded >= 1970-01-02",
    "NOT recorded <= 1970-01-01T00:00:00.000000005Z",
    "mentioned.actor = bajwa",
    "mentioned.actor = \"qamar javed*\"",
    "mentioned.actor : khan",
    "mentioned.place = rawalpindi",
    "mentioned.place = \"mins*\"",
    "mentioned.day = 2021-10",
    "mentioned.day != 2021-10-13",
    "mentioned.day >= 2021-11",
    "NOT mentioned.day < 2021-10-13",
    "possibly(mentioned.day, 2021-10-13)",
    "has:mentioned.actor",
    "has:mentioned.place",
    "NOT has:mentioned.day",
    "has:mentioned.country",
    "occurred = 2021-10-13",
    "actor = bajwa",
    "actor = \"=Bajwa\"",
    "actor = \"qamar javed bajwa\"",
    "mentioned.country = IRN",
    "actor : iran",
    "actor : PAKMIL",
    "actor : 朗",
    "actor : \"imran khan\"",
    "actor : bajwa",
    "actor : qam*",
    "place : belarus",
    "place : minsk",
    "mentioned.place : rawalpindi",
    "topic : legal",
    "context : military",
    "context : \"legal matters\"",
    "type : \"make a vis*\"",
    "identifier : q1",
    "publisher : ispr",
    "mode : assault",
    "mentioned.actor = \"=Bajwa\"",
];

/// Texts that name somebody, somewhere or some day.
const PROSE: [&str; 5] = [
    "Gen. Qamar Javed Bajwa met his Iranian counterpart in Rawalpindi on Wednesday. Bajwa thanked him.",
    "President Vladimir Putin will visit Minsk next month, the Iranian Foreign Ministry said on 13 October 2021.",
    "Talks in Pakistan ended in May 1939.",
    "Prime Minister Imran Khan spoke yesterday.",
    "Nothing was said.",
];

fn condition() -> impl Strategy<Value = String> {
    let all: Vec<String> = CONDITIONS
        .iter()
        .chain(&MORE)
        .map(|text| (*text).to_owned())
        .collect();
    prop::sample::select(all)
}

pub fn filter() -> impl Strategy<Value = String> {
    let tree = condition().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(" AND "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|any| format!("({})", any.join(" OR "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join("  "))),
            inner.prop_map(|one| format!("NOT {one}")),
        ]
    });
    (
        tree,
        prop::sample::select(vec![
            "",
            "",
            " AND basis = stated",
            " basis = derived",
            " basis = suggested",
        ]),
    )
        .prop_map(|(tree, basis)| format!("{tree}{basis}"))
}

fn coded() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
    prop::sample::select(CODES.to_vec())
}

fn code() -> impl Strategy<Value = Code> {
    let more = vec![("cameo", "MIL", "Military"), ("wikidata", "Q1", "")];
    prop_oneof![coded(), prop::sample::select(more)].prop_map(|(scheme, code, label)| Code {
        scheme: scheme.into(),
        code: code.into(),
        label: label.into(),
    })
}

fn country() -> impl Strategy<Value = Country> {
    prop::sample::select(COUNTRIES.to_vec()).prop_map(|(scheme, code)| Country {
        scheme: scheme.into(),
        code: code.into(),
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
        "\\PC{0,12}"
    ]
}

/// A title or a body.
fn text() -> impl Strategy<Value = String> {
    let prose = prop::sample::select(PROSE.to_vec()).prop_map(str::to_owned);
    prop_oneof![name(), prose]
}

fn few<T: std::fmt::Debug>(one: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 0..3)
}

fn participant() -> impl Strategy<Value = Participant> {
    (0..8_i32, name(), name(), few(country()), few(code()), few(code())).prop_map(
        |(side, name, stated_name, countries, codes, sectors)| Participant {
            side,
            name,
            stated_name,
            countries,
            codes,
            identifiers: sectors.clone(),
            sectors,
            ..Default::default()
        },
    )
}

fn place() -> impl Strategy<Value = Place> {
    let names = prop::sample::select(vec!["Rawalpindi", "Minsk, Belarus", ""]);
    let degrees = prop::sample::select(vec!["33.6", "73.05", "179.9", "-179.95", "-91", "x", ""]);
    (names, prop::option::of(country()), degrees.clone(), degrees).prop_map(
        |(name, country, latitude, longitude)| Place {
            name: name.into(),
            country,
            latitude: latitude.into(),
            longitude: longitude.into(),
            ..Default::default()
        },
    )
}

fn classes() -> impl Strategy<Value = Content> {
    let topic = prop::sample::select(vec!["nuclear", "Legal matters", ""]).prop_map(|word| Topic {
        word: word.into(),
        ..Default::default()
    });
    let measure = (
        prop::sample::select(vec!["goldstein", "quad-class", "tone", "Tone", "ton"]),
        prop::sample::select(VALUES.to_vec()),
    )
        .prop_map(|(name, value)| Measure {
            name: name.into(),
            value: value.into(),
        });
    let kind =
        (coded(), prop::sample::select(vec!["", "Assault"])).prop_map(|((scheme, code, label), mode)| {
            TypeCode {
                scheme: scheme.into(),
                code: code.into(),
                label: label.into(),
                mode: mode.into(),
            }
        });
    (
        few(kind),
        few(topic.clone()),
        few(topic),
        few(measure),
        few(0..6_i32),
    )
        .prop_map(|(types, topics, contexts, measures, flags)| Content {
            types,
            topics,
            contexts,
            measures,
            flags,
            ..Default::default()
        })
}

pub fn content() -> impl Strategy<Value = Content> {
    let date = (0..4_i32, prop::sample::select(DATES.to_vec())).prop_map(|(role, edtf)| Date {
        role,
        edtf: edtf.into(),
        ..Default::default()
    });
    let report = Just(Report {
        publisher: "ISPR".into(),
        url: "https://ispr.example/1".into(),
        ..Default::default()
    });
    let relation =
        (0..4_i32, prop::sample::select(vec!["k", "a b", "K"])).prop_map(|(relation, key)| Relation {
            r#type: relation,
            series: "desk".into(),
            key: key.into(),
        });
    let words = (text(), text(), prop::sample::select(vec!["", "en-GB", "ur"]));
    (
        classes(),
        words,
        few(participant()),
        few(place()),
        few(date),
        few(report),
        few(relation),
    )
        .prop_map(
            |(classes, (title, body, language), participants, places, dates, reports, relations)| Content {
                title,
                body,
                language: language.into(),
                participants,
                places,
                dates,
                reports,
                relations,
                ..classes
            },
        )
}

//! How fast a scan decides: one record, encoded, from a cold subject to the answer.
//!
//! `cargo bench --bench filter`. Records are like ICEWS rows: two participants, a type, a place, a raw row,
//! some columns.

use chancery::filter::{Filter, LazyContent, Subject, each_term};
use chancery::record::codec::{Content, Country, Date, Extra, Participant, Place, TypeCode, encode_content};
use chancery::record::{Act, Kind, Position, Recorded, Revision, Status};

fn main() {
    divan::main();
}

fn payload() -> Vec<u8> {
    let country = |code: &str| Country {
        scheme: "icews-name".into(),
        code: code.into(),
    };
    let who = |side, name: &str, code: &str| Participant {
        side,
        name: name.into(),
        countries: vec![country(code)],
        ..Default::default()
    };
    let extra = |number: usize| Extra {
        name: format!("Column {number}"),
        value: "a stated value".into(),
    };
    let content = Content {
        dates: vec![Date {
            role: 1,
            edtf: "2014-03-05".into(),
            ..Default::default()
        }],
        participants: vec![
            who(1, "Foreign Affairs (Bangladesh)", "Bangladesh"),
            who(2, "Citizen (Vietnam)", "Vietnam"),
        ],
        types: vec![TypeCode {
            scheme: "cameo".into(),
            code: "040".into(),
            label: "Consult".into(),
            ..Default::default()
        }],
        places: vec![Place {
            name: "Hanoi".into(),
            country: Some(country("Vietnam")),
            ..Default::default()
        }],
        raw: vec![b'x'; 250].into(),
        extra: (0..10).map(extra).collect(),
        ..Default::default()
    };
    encode_content(content).to_vec()
}

fn subject(content: LazyContent<'_>) -> Subject<'_> {
    Subject {
        position: Position::new(1),
        act: Act::Create,
        kind: Kind::Event,
        series: "icews",
        key: "1@2014-03-05",
        revision: Revision::new(1),
        recorded: Recorded::from_nanos(1),
        status: Status::Current,
        principal: "local:desk",
        content,
    }
}

#[divan::bench(args = [
    "series = gdelt",
    "series = gdelt AND country = PAK",
    "country = PAK",
    "type = 19*",
    "occurred = 2014-04",
    "dyad = PAK-IRN",
    "terrorism",
    "extra.\"Column 9\" = x",
])]
fn decide(bencher: divan::Bencher, text: &str) {
    let (filter, payload) = (Filter::parse(text).expect("the bench's own filter"), payload());
    bencher.bench_local(|| filter.matches(&subject(LazyContent::payload(divan::black_box(&payload)))));
}

#[divan::bench]
fn make_terms(bencher: divan::Bencher) {
    let payload = payload();
    bencher.bench_local(|| {
        let mut bytes = 0;
        each_term(&subject(LazyContent::payload(&payload)), |_, term| {
            bytes += term.len()
        });
        bytes
    });
}

#[divan::bench]
fn parse() -> bool {
    Filter::parse("country = Pakistan AND (type = 04* OR root = 5) occurred >= 2014").is_ok()
}

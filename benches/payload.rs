//! What checking one payload costs: the walk in place, beside the decoding that it saves.
//!
//! The payload is an event of 12 fields and some 350 bytes, as the archive sees most.

use chancery::record::codec::{self, Code, Content, Country, Date, Measure, Participant, Place, TypeCode};
use divan::{Bencher, black_box};

fn main() {
    println!("payload of {} bytes", codec::encode_content(event()).len());
    divan::main();
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn participant(side: i32, name: &str, country: &str) -> Participant {
    Participant {
        side,
        name: text(name),
        kind: codec::ActorKind::Person as i32,
        countries: vec![Country {
            scheme: text("iso3"),
            code: text(country),
        }],
        sectors: vec![Code {
            scheme: text("cameo"),
            code: text("MIL"),
            label: String::new(),
        }],
        ..Participant::default()
    }
}

fn event() -> Content {
    let place = Place {
        name: text("Rawalpindi"),
        latitude: text("33.6007"),
        longitude: text("73.0679"),
        ..Place::default()
    };
    let goldstein = Measure {
        name: text("goldstein"),
        value: text("1.0"),
    };
    Content {
        title: text("Chief of Army Staff receives the Chief of General Staff"),
        language: text("en"),
        dates: vec![Date {
            role: 1,
            edtf: text("2021-10-13"),
            stated: text("on Wednesday"),
            ..Date::default()
        }],
        participants: vec![participant(1, "Bajwa", "PAK"), participant(2, "Bagheri", "IRN")],
        types: vec![TypeCode {
            scheme: text("cameo"),
            code: text("042"),
            ..TypeCode::default()
        }],
        flags: vec![1],
        places: vec![place],
        measures: vec![goldstein],
        ..Content::default()
    }
}

#[divan::bench(sample_size = 1_000)]
fn check_in_place(bencher: Bencher) {
    let payload = codec::encode_content(event());
    bencher.bench(|| codec::check_payload(black_box(&payload)).is_ok());
}

#[divan::bench(sample_size = 1_000)]
fn decode(bencher: Bencher) {
    let payload = codec::encode_content(event());
    bencher.bench(|| codec::decode_payload(black_box(&payload)).is_ok());
}

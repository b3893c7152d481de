//! How fast text is read for what it suggests, in bytes a second, and drafts are made of that.
//!
//! The text is the labelled set's: short dispatches in which nearly every word is a name, each by itself as the archive sees them, and
//! all of them as one long document. `CHANCERY_BENCH_TEXT` names a file of other text, which is cut at its empty lines.

use chancery::suggest::drafts::drafts;
use chancery::suggest::{Document, suggest};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

fn main() {
    println!("by the rules of {}", chancery::suggest::version());
    divan::main();
}

fn texts() -> Vec<String> {
    if let Ok(path) = std::env::var("CHANCERY_BENCH_TEXT") {
        let text = std::fs::read_to_string(path).unwrap();
        return text.split("\n\n").map(str::to_owned).collect();
    }
    let lines = include_str!("../data/suggest/labelled.jsonl").lines();
    let labelled = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    labelled
        .map(|one| one["text"].as_str().unwrap().to_owned())
        .collect()
}

fn document(text: &str) -> Document<'_> {
    Document {
        title: "",
        text,
        // 2021-10-14, a Thursday.
        reported: Some(18_914),
    }
}

#[divan::bench]
fn dispatches(bencher: Bencher) {
    let texts = texts();
    let bytes: usize = texts.iter().map(String::len).sum();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let found = |text: &String| suggest(document(black_box(text))).len();
        texts.iter().map(found).sum::<usize>()
    });
}

#[divan::bench]
fn one_long_document(bencher: Bencher) {
    let text = texts().join("\n\n");
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| suggest(document(black_box(&text))).len());
}

#[divan::bench]
fn dispatches_and_their_drafts(bencher: Bencher) {
    let texts = texts();
    let bytes: usize = texts.iter().map(String::len).sum();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let made = |text: &String| {
            let suggestions = suggest(document(black_box(text)));
            drafts(&document(text), &suggestions).len()
        };
        texts.iter().map(made).sum::<usize>()
    });
}

//! Trains the dictionary that sealed chunks are compressed with.
//!
//! ```text
//! cargo run --release --example train_dictionary -- data/dictionaries/1.dict
//! ```
//!
//! It is trained on the sample archive and on invented rows in the forms of GDELT, ICEWS and plain events, so that no
//! archive's own text is in it. The same program makes the same bytes each time; a number once given to a dictionary means
//! its bytes for ever, so that a better one gets the next number.

mod invented;

use chancery::import::{Format, Item, Options, read};
use invented::Inventor;
use std::ops::ControlFlow;
use std::path::Path;

/// The compressor looks at all of it for each frame: 16 KiB saved 1 to 3 % more and took half as long again.
const DICTIONARY_BYTES: usize = 8 << 10;
/// Before what it has chosen the trainer puts tables of its own format, which LZ4 has no use for.
const TABLES_BYTES: usize = 1 << 10;
const ROWS: usize = 2_400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::args()
        .nth(1)
        .ok_or("say where to write the dictionary")?;
    let payloads = payloads()?;
    let mut frames = Vec::new();
    // In frames as chunks have them: what one payload shares with the next needs no dictionary.
    for eight in payloads.chunks(8) {
        frames.push(eight.concat());
    }
    // Zstandard's trainer chooses what is worth having, the best last.
    let trained = zstd::dict::from_samples(&frames, DICTIONARY_BYTES + TABLES_BYTES)?;
    let dictionary = &trained[trained.len().saturating_sub(DICTIONARY_BYTES)..];
    std::fs::write(&out, dictionary)?;
    println!(
        "{} payloads, {} bytes in `{out}`",
        payloads.len(),
        dictionary.len()
    );
    Ok(())
}

/// The payloads that it is trained on.
fn payloads() -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample/chancery-sample.jsonl");
    let mut inventor = Inventor::new()?;
    let rows = |row: fn(&mut Inventor) -> String, head: &str, inventor: &mut Inventor| {
        let rows: String = (0..ROWS).map(|_| row(inventor)).collect();
        format!("{head}{rows}")
    };
    let icews = rows(Inventor::icews, invented::ICEWS_HEAD, &mut inventor);
    let gdelt = rows(Inventor::gdelt, "", &mut inventor);
    let events = rows(Inventor::event, "", &mut inventor);
    let mut payloads = imported(Format::Jsonl, &std::fs::read(sample)?)?;
    payloads.extend(imported(Format::Icews, icews.as_bytes())?);
    payloads.extend(imported(Format::GdeltV2, gdelt.as_bytes())?);
    payloads.extend(imported(Format::Jsonl, events.as_bytes())?);
    Ok(payloads)
}

/// The payloads that an import makes of these rows.
fn imported(format: Format, mut rows: &[u8]) -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let mut payloads = Vec::new();
    let mut refused = None;
    let options = Options::default();
    let ended = read(format, &mut rows, &options, &mut |item| {
        match item {
            Item::Record(draft) => payloads.push(draft.payload.to_vec()),
            Item::Reject(reject) => refused = Some(format!("line {}: {}", reject.line, reject.reason)),
        }
        ControlFlow::Continue(())
    });
    // It is never told to stop.
    let _ = ended?;
    match refused {
        Some(refused) => Err(refused.into()),
        None => Ok(payloads),
    }
}

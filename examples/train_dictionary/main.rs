//! Trains the dictionaries that sealed chunks are compressed with.
//!
//! ```text
//! cargo run --release --example train_dictionary -- payloads data/dictionaries/2.dict
//! cargo run --release --example train_dictionary -- leaves data/dictionaries/3.dict
//! ```
//!
//! They are trained on the sample archive and on invented rows in the forms of GDELT, ICEWS and plain events, so that no
//! archive's own text is in them. The same program makes the same bytes each time; a number once given to a dictionary means
//! its bytes for ever, so that a better one gets the next number.

mod invented;

use bytes::BytesMut;
use chancery::import::{Draft, Format, Item, Options, read};
use chancery::record::{Act, Epoch, Kind, Leaf, Position, Recorded, Revision};
use invented::Inventor;
use std::ops::ControlFlow;
use std::path::Path;

/// Before what it has chosen the trainer puts tables of its own format, which LZ4 has no use for.
const TABLES_BYTES: usize = 1 << 10;
const ROWS: usize = 2_400;
const USAGE: &str = "say which dictionary, `payloads` or `leaves`, and where to write it";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (which, out) = (arguments.next().ok_or(USAGE)?, arguments.next().ok_or(USAGE)?);
    let drafts = drafts()?;
    let payloads = drafts.iter().map(|draft| draft.payload.to_vec());
    // In frames as chunks have them: what one record shares with the next needs no dictionary.
    let (records, frame, bytes): (Vec<Vec<u8>>, usize, usize) = match which.as_str() {
        "payloads" => (payloads.collect(), 4, 16 << 10),
        "leaves" => ((0..).zip(&drafts).map(leaf).collect(), 8, 2 << 10),
        _ => return Err(USAGE.into()),
    };
    let frames: Vec<Vec<u8>> = records.chunks(frame).map(<[_]>::concat).collect();
    // Zstandard's trainer chooses what is worth having, the best last.
    let trained = zstd::dict::from_samples(&frames, bytes + TABLES_BYTES)?;
    let dictionary = &trained[trained.len().saturating_sub(bytes)..];
    std::fs::write(&out, dictionary)?;
    println!("{} {which}, {} bytes in `{out}`", records.len(), dictionary.len());
    Ok(())
}

/// The leaf of a draft without its commitment, as batches of a hundred from several hands would have it.
fn leaf((number, draft): (u64, &Draft)) -> Vec<u8> {
    /// Who appends: mostly one of few.
    const PRINCIPALS: [&str; 4] = ["local:root", "token:desk", "token:loader", "cert:desk.example"];
    let (batch, index) = (number / 100, number % 100);
    let key = draft.key.as_ref().map_or_else(
        || format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        |key| key.as_str().to_owned(),
    );
    let batch_id = u128::from(batch + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let is_alone = batch.is_multiple_of(3);
    let leaf = Leaf {
        act: draft.act,
        kind: draft.kind.unwrap_or(Kind::Event),
        series: draft.series.as_str(),
        key: &key,
        revision: match draft.act {
            Act::Create => Revision::FIRST,
            _ => Revision::new(2),
        },
        previous: (draft.act != Act::Create).then(|| Position::new(number)),
        recorded: Recorded::from_nanos(1_780_000_000_000_000_000 + batch as i64 * 7_919_000_000_003),
        batch_id: &batch_id.to_be_bytes(),
        batch_index: if is_alone { 0 } else { index as u32 },
        batch_count: if is_alone { 1 } else { 100 },
        principal: PRINCIPALS[(batch as usize / 2) % PRINCIPALS.len()],
        epoch: Epoch::default(),
        reason: draft.reason.as_str(),
        relation: None,
        erased: None,
        payload_size: draft.payload.len() as u64,
        commitment: [0; 32],
    };
    let mut bytes = BytesMut::new();
    leaf.encode(&mut bytes);
    bytes.truncate(bytes.len() - leaf.commitment.len());
    bytes.to_vec()
}

/// The records that they are trained on.
fn drafts() -> Result<Vec<Draft>, Box<dyn std::error::Error>> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample/chancery-sample.jsonl");
    let mut inventor = Inventor::new()?;
    let rows = |row: fn(&mut Inventor) -> String, head: &str, inventor: &mut Inventor| {
        let rows: String = (0..ROWS).map(|_| row(inventor)).collect();
        format!("{head}{rows}")
    };
    let icews = rows(Inventor::icews, invented::ICEWS_HEAD, &mut inventor);
    let gdelt = rows(Inventor::gdelt, "", &mut inventor);
    let events = rows(Inventor::event, "", &mut inventor);
    let mut drafts = imported(Format::Jsonl, &std::fs::read(sample)?)?;
    drafts.extend(imported(Format::Icews, icews.as_bytes())?);
    drafts.extend(imported(Format::GdeltV2, gdelt.as_bytes())?);
    drafts.extend(imported(Format::Jsonl, events.as_bytes())?);
    Ok(drafts)
}

/// The records that an import makes of these rows.
fn imported(format: Format, mut rows: &[u8]) -> Result<Vec<Draft>, Box<dyn std::error::Error>> {
    let mut drafts = Vec::new();
    let mut refused = None;
    let options = Options::default();
    let ended = read(format, &mut rows, &options, &mut |item| {
        match item {
            Item::Record(draft) => drafts.push(*draft),
            Item::Reject(reject) => refused = Some(format!("line {}: {}", reject.line, reject.reason)),
        }
        ControlFlow::Continue(())
    });
    // It is never told to stop.
    let _ = ended?;
    match refused {
        Some(refused) => Err(refused.into()),
        None => Ok(drafts),
    }
}

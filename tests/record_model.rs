//! `docs/record-model.md` is true: its JSON is taken, loses nothing on the way through, and says the same as the
//! gRPC request printed beside it.
//!
//! With `CHANCERY_BLESS=1` the gRPC blocks are written anew from the JSON blocks.

use chancery::record::codec::DESCRIPTOR;
use chancery::record::json::{self, Input, RecordView};
use chancery::record::{Epoch, Kind, Leaf, Link, Position, Recorded, Revision};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, SerializeOptions, Value};
use serde_json::Value as Json;
use std::sync::LazyLock;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/record-model.md");
const JSON: &str = "```json\n";
const GRPC: &str = "```json grpc\n";
const END: &str = "\n```\n";

/// One case of the page: a block of records, and the request that says the same.
struct Case {
    records: Vec<Input>,
    request: String,
}

fn page() -> String {
    std::fs::read_to_string(PAGE).unwrap()
}

/// The blocks that open with a fence, in the order of the page.
fn blocks<'a>(page: &'a str, fence: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(fence)
        .skip(1)
        .map(|rest| rest.split_once(END).expect("a block ends").0)
}

/// The records of a block. On the page a record is wrapped: each begins at the margin, all else is indented.
fn records(block: &str) -> Vec<Input> {
    let mut texts: Vec<String> = Vec::new();
    for line in block.lines() {
        match texts.last_mut() {
            Some(text) if line.starts_with(' ') => text.push_str(line),
            _ => texts.push(line.to_owned()),
        }
    }
    texts
        .iter()
        .map(|text| Input::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")))
        .collect()
}

fn cases() -> Vec<Case> {
    let page = page();
    let requests: Vec<&str> = blocks(&page, GRPC).collect();
    let records: Vec<Vec<Input>> = blocks(&page, JSON).map(records).collect();
    assert_eq!(
        records.len(),
        requests.len(),
        "each JSON block has its gRPC block"
    );
    let of = |(records, request): (Vec<Input>, &str)| Case {
        records,
        request: request.to_owned(),
    };
    records.into_iter().zip(requests).map(of).collect()
}

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(DESCRIPTOR).unwrap());

fn message(name: &str) -> DynamicMessage {
    DynamicMessage::new(POOL.get_message_by_name(&format!("chancery.v1.{name}")).unwrap())
}

/// The `AppendRecord` that a client sends for a record.
fn append_record(input: &Input) -> Value {
    let descriptor = message("Payload").descriptor();
    let payload = DynamicMessage::decode(descriptor, input.payload.clone()).unwrap();
    let mut record = message("AppendRecord");
    record.set_field_by_name("act", Value::EnumNumber(input.act.number()));
    record.set_field_by_name("kind", Value::EnumNumber(input.kind.map_or(0, Kind::number)));
    record.set_field_by_name(
        "series",
        Value::String(input.series.as_ref().unwrap().to_string()),
    );
    record.set_field_by_name(
        "key",
        Value::String(input.key.as_ref().map(ToString::to_string).unwrap_or_default()),
    );
    record.set_field_by_name("reason", Value::String(input.reason.to_string()));
    record.set_field_by_name("payload", Value::Message(payload));
    if let Some(revision) = input.expected_revision {
        record.set_field_by_name("expected_revision", Value::U64(revision.get()));
    }
    if let Some((relation, entry)) = &input.relation {
        let mut link = message("Relation");
        link.set_field_by_name("type", Value::EnumNumber(*relation as i32));
        link.set_field_by_name("series", Value::String(entry.series.to_string()));
        link.set_field_by_name("key", Value::String(entry.key.to_string()));
        record.set_field_by_name("relation", Value::Message(link));
    }
    Value::Message(record)
}

fn request(records: &[Input]) -> DynamicMessage {
    let mut request = message("AppendRequest");
    request.set_field_by_name(
        "records",
        Value::List(records.iter().map(append_record).collect()),
    );
    request
}

/// A request as grpcurl takes it.
fn printed(request: &DynamicMessage) -> String {
    let options = SerializeOptions::new().use_proto_field_name(true);
    let value = request
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap();
    wrapped(&value, "\n")
}

/// JSON that breaks where a line would be long; `line_end` holds the indentation.
fn wrapped(value: &Json, line_end: &str) -> String {
    let short = value.to_string();
    let inner_end = format!("{line_end}  ");
    let (open, parts, close): (_, Vec<String>, _) = match value {
        Json::Object(object) if short.len() > 100 => {
            let member =
                |(name, value): (&String, &Json)| format!("\"{name}\": {}", wrapped(value, &inner_end));
            ('{', object.iter().map(member).collect(), '}')
        }
        Json::Array(list) if short.len() > 100 => (
            '[',
            list.iter().map(|one| wrapped(one, &inner_end)).collect(),
            ']',
        ),
        _ => return short,
    };
    format!(
        "{open}{inner_end}{}{line_end}{close}",
        parts.join(&format!(",{inner_end}"))
    )
}

#[test]
fn the_page_shows_all_eight_cases() {
    let page = page();
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with("## Case ")).collect();
    assert_eq!(headings.len(), 8, "{headings:?}");
    assert_eq!(cases().len(), 8);
}

#[test]
fn each_grpc_request_says_the_same_as_its_json() {
    if std::env::var_os("CHANCERY_BLESS").is_some() {
        bless();
    }
    for case in cases() {
        let mut deserializer = serde_json::Deserializer::from_str(&case.request);
        let descriptor = message("AppendRequest").descriptor();
        let sent = DynamicMessage::deserialize(descriptor, &mut deserializer).unwrap();
        let expected = request(&case.records);
        assert!(
            sent.encode_to_vec() == expected.encode_to_vec(),
            "expected\n{}\nfound\n{}",
            printed(&expected),
            case.request
        );
    }
}

fn bless() {
    let page = page();
    let made: Vec<String> = blocks(&page, JSON)
        .map(|block| printed(&request(&records(block))))
        .collect();
    let mut parts = page.split(GRPC);
    let mut out = parts.next().unwrap().to_owned();
    for (made, rest) in made.iter().zip(parts) {
        let after = rest.split_once(END).unwrap().1;
        out += &[GRPC, made, END, after].concat();
    }
    std::fs::write(PAGE, out).unwrap();
}

#[test]
fn each_record_is_answered_in_a_form_that_reads_back() {
    for input in cases().iter().flat_map(|case| &case.records) {
        let written = json::line(&view(input));
        let read = Input::parse(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(
            (&read.series, &read.reason, &read.relation),
            (&input.series, &input.reason, &input.relation)
        );
        assert_eq!(read.payload, input.payload, "{written}");
        assert_eq!(read.said_act, Some(input.act));
    }
}

/// The record as the archive would answer it.
fn view(input: &Input) -> RecordView<'_> {
    let relation = input.relation.as_ref().map(|(relation, entry)| Link {
        relation: *relation,
        series: entry.series.as_str(),
        key: entry.key.as_str(),
    });
    let leaf = Leaf {
        act: input.act,
        kind: input.kind.unwrap_or(Kind::Event),
        series: input.series.as_ref().unwrap().as_str(),
        key: input.key.as_ref().map_or("made", |key| key.as_str()),
        revision: input.expected_revision.unwrap_or(Revision::FIRST),
        previous: None,
        recorded: Recorded::from_nanos(0),
        batch_id: b"b",
        batch_index: 0,
        batch_count: 1,
        principal: "local:desk",
        epoch: Epoch::new(0),
        reason: input.reason.as_str(),
        relation,
        erased: None,
        payload_size: input.payload.len() as u64,
        commitment: [0; 32],
    };
    let payload = Some(&*input.payload);
    RecordView {
        position: Position::new(0),
        leaf,
        payload,
        status: None,
        leaf_hash: None,
        derived: None,
    }
}

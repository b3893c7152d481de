//! The JSON form: what it takes, what it refuses, and that it loses nothing.
use super::*;
use crate::record::codec::shape::{Field, FieldType, Message, Shape};
use crate::record::codec::{self, Content, RelationType, decode_content, decode_payload, encode_payload};
use crate::record::leaf::{Leaf, Link};
use crate::record::same::content_equal;
use crate::record::validate::Check;
use crate::record::{Act, Epoch, Kind, Position, Recorded, Revision, Status};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn input(text: &str) -> Input {
    Input::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn content(text: &str) -> Content {
    decode_content(&input(text).payload).unwrap().unwrap()
}

fn refused(text: &str, message: &str) {
    let error = Input::parse(text).expect_err(text).to_string();
    assert!(error.contains(message), "{text}\n{error}");
}

fn leaf<'a>(act: Act, revision: u64) -> Leaf<'a> {
    Leaf {
        act,
        kind: Kind::Event,
        series: "desk",
        key: "rawalpindi-2021-10-13",
        revision: Revision::new(revision),
        previous: None,
        recorded: Recorded::from_nanos(1_795_428_000_000_000_001),
        batch_id: b"b",
        batch_index: 0,
        batch_count: 1,
        principal: "local:desk",
        epoch: Epoch::new(0),
        reason: "",
        relation: None,
        erased: None,
        payload_size: 0,
        commitment: [0; 32],
    }
}

fn view<'a>(leaf: Leaf<'a>, payload: &'a [u8]) -> RecordView<'a> {
    RecordView {
        position: Position::new(4711),
        leaf,
        payload: Some(payload),
        status: Some(Status::Current),
        leaf_hash: None,
        derived: None,
    }
}

const FULL: &str = r#"{"series":"desk","key":"rawalpindi-2021-10-13","kind":"event","title":"Two chiefs meet",
 "dates":[{"role":"occurred","edtf":"2021-10-13","stated":"on Wednesday"}],
 "participants":[{"side":"party","name":"Qamar Javed Bajwa","kind":"person","office":"Chief of Army Staff","countries":[{"scheme":"iso3","code":"PAK"}],"sectors":[{"scheme":"cameo","code":"MIL"}]}],
 "types":[{"scheme":"cameo","code":"040"}],"places":[{"role":"action","name":"Rawalpindi","country":{"scheme":"iso3","code":"PAK"}}],
 "reports":[{"publisher":"ISPR"}],"relations":[{"type":"reported-in","series":"desk","key":"dispatch-2021-10-14"}],
 "reason":"corrected","explanation":"name completed",
 "position":4711,"revision":2,"act":"amend","status":"current","recorded":"2026-11-23T10:00:00.000000001Z","principal":"local:desk"}"#;

#[test]
fn a_status_is_the_servers_and_nothing_to_refuse() {
    for (said, told) in [
        ("\"current\"", Some("current")),
        ("\"archived\"", Some("archived")),
        ("7", Some("7")),
        ("null", None),
    ] {
        let text = format!("{{\"series\":\"desk\",\"title\":\"a\",\"status\":{said}}}");
        assert_eq!(Input::parse(&text).unwrap().status.as_deref(), told);
    }
}

#[test]
fn a_record_is_written_as_it_was_read_in_the_same_order() {
    let read = input(FULL);
    let leaf = Leaf {
        reason: read.reason.as_str(),
        ..leaf(Act::Amend, 2)
    };
    let written = line(&view(leaf, &read.payload));
    assert_eq!(written, FULL.replace("\n ", ""));
}

#[test]
fn the_least_record_is_a_series_and_a_title() {
    let least = input(r#"{"series": "desk", "title": "Talks"}"#);
    assert_eq!(
        (least.act, least.key, least.expected_revision),
        (Act::Create, None, None)
    );
    assert!(least.facts.looks_like_document());
}

#[test]
fn short_forms_stand_for_one_long_form() {
    let short = r#"{"series":"s","occurred":"1939-05~","reported":"1939","participants":["Imran Khan",{"name":"x","countries":["PAK","fips:RS"],"sectors":["cameo:MIL"]}],
        "types":["cameo:042"],"topics":["border security"],"places":["Rawalpindi"],"reports":["ISPR","https://example.org/a"],
        "relations":["reported-in desk/a/b"],"measures":{"goldstein":1.0,"tone":"-2.50"},"extra":{"Column":"v"},"flags":["root"]}"#;
    let long = r#"{"series":"s","dates":[{"role":"occurred","edtf":"1939-05~"},{"role":"reported","edtf":"1939"}],
        "participants":[{"name":"Imran Khan"},{"name":"x","countries":[{"scheme":"iso3","code":"PAK"},{"scheme":"fips","code":"RS"}],"sectors":[{"scheme":"cameo","code":"MIL"}]}],
        "types":[{"scheme":"cameo","code":"042"}],"topics":[{"word":"border security"}],"places":[{"name":"Rawalpindi"}],
        "reports":[{"publisher":"ISPR"},{"url":"https://example.org/a"}],"relations":[{"type":"reported-in","series":"desk","key":"a/b"}],
        "measures":[{"name":"goldstein","value":"1.0"},{"name":"tone","value":"-2.50"}],"extra":[{"name":"Column","value":"v"}],"flags":["root"]}"#;
    assert_eq!(input(short).payload, input(long).payload);
}

#[test]
fn every_short_form_in_the_schema_is_taken() {
    for (message, example, _) in forms() {
        let long = super::short::expand(message, example).unwrap();
        let names = Shape::get().message_named(message).unwrap();
        assert!(
            long.keys().all(|name| names.field_named(name).is_some()),
            "{message}"
        );
    }
}

#[test]
fn short_dates_stand_behind_those_of_the_list() {
    let dates =
        content(r#"{"series":"s","occurred":"1939","dates":[{"role":"reported","edtf":"1940"}]}"#).dates;
    assert_eq!(
        dates.iter().map(|date| date.edtf.as_str()).collect::<Vec<_>>(),
        ["1940", "1939"]
    );
}

#[test]
fn a_number_keeps_its_digits_where_a_decimal_is_expected() {
    let places =
        content(r#"{"series":"s","places":[{"name":"x","latitude":33.600,"longitude":73.0}]}"#).places;
    assert_eq!(
        (places[0].latitude.as_str(), places[0].longitude.as_str()),
        ("33.600", "73.0")
    );
}

#[test]
fn what_says_too_little_is_refused_with_what_to_write() {
    refused(
        r#"{"series":"s","participants":[{"countries":["RS"]}]}"#,
        "`participants[0].countries[0]`: `RS` does not say enough; write ISO alpha-3",
    );
    refused(
        r#"{"series":"s","types":["042"]}"#,
        "`types[0]`: `042` does not say enough; say the scheme too",
    );
    refused(r#"{"series":"s","dates":["1939"]}"#, "say what it is the date of");
    refused(
        r#"{"series":"s","relations":["desk/a"]}"#,
        "as reported-in desk/dispatch-7",
    );
}

#[test]
fn unknown_names_are_refused_with_path_and_suggestion() {
    refused(
        r#"{"series":"s","titel":"x"}"#,
        "`titel`: unknown name; did you mean `title`?",
    );
    refused(
        r#"{"series":"s","participants":[{"nmae":"x"}]}"#,
        "`participants[0].nmae`: unknown name; did you mean `name`?",
    );
    refused(r#"{"series":"s","ocurred":"1939"}"#, "did you mean `occurred`?");
    refused(
        r#"{"series":"s","favourite_colour":"x"}"#,
        "put what has no field of its own into `extra`",
    );
}

#[test]
fn wrong_words_are_answered_with_the_list() {
    refused(
        r#"{"series":"s","participants":[{"side":"sorce"}]}"#,
        "`participants[0].side`: `sorce` is not one of the words allowed here: source, target, party",
    );
    refused(
        r#"{"series":"s","kind":"treaty","title":"x"}"#,
        "event, document, report, agreement, authority",
    );
    refused(
        r#"{"series":"s","act":"delete","title":"x"}"#,
        "create, amend, retract",
    );
    refused(r#"{"series":"s","flags":["unspecified"]}"#, "root, historical");
}

#[test]
fn wrong_sorts_are_named_with_what_was_expected() {
    refused(
        r#"{"series":"s","types":[{"scheme":"cameo","code":42}]}"#,
        "expected text, found the number 42; write \"42\" in quotes, with any leading zeros",
    );
    refused(
        r#"{"series":"s","participants":"x"}"#,
        "`participants`: expected a list, found the text \"x\"; write it in brackets",
    );
    refused(
        r#"{"series":"s","title":["x"]}"#,
        "`title`: expected text, found a list",
    );
    refused(
        r#"{"series":"s","title":"x","revision":-1}"#,
        "`revision`: expected a whole number from 0, found the number -1",
    );
    refused(
        r#"{"series":"s","title":"x","key":7}"#,
        "`key`: expected text, found the number 7; write \"7\" in quotes",
    );
    refused("[]", "expected an object, found a list");
}

#[test]
fn values_are_checked_as_in_a_payload_but_with_the_flat_path() {
    refused(
        r#"{"series":"s","dates":[{"edtf":"2021-02-30"}]}"#,
        "`dates[0].edtf`: `2021-02-30` is not a date",
    );
    refused(
        r#"{"series":"s","occurred":"2021-02-30"}"#,
        "`occurred`: `2021-02-30` is not a date",
    );
    refused(
        r#"{"series":"s","measures":{"tone":"high"}}"#,
        "`measures[0].value`: `high` is not a decimal number",
    );
    refused(r#"{"series":"S!","title":"x"}"#, "`series`: series `S!`");
}

#[test]
fn bad_json_is_refused_with_line_and_column() {
    refused(
        "{\"series\":\"s\",\n  \"title\" \"x\"}",
        "line 2, column 11: expected `:`",
    );
    refused(
        "{\"series\":\"s\",\n \"title\":\"x\",\"title\":\"y\"}",
        "line 2, column",
    );
    refused(
        "{\"series\":\"s\",\"title\":\"x\",\"title\":\"y\"}",
        "the name `title` stands twice in one object",
    );
    refused(
        &format!("{}{}", "[".repeat(400), "]".repeat(400)),
        "recursion limit exceeded",
    );
    refused("", "line 1, column 0: EOF");
}

#[test]
fn a_revision_makes_an_answer_that_was_edited_an_amendment() {
    let edited = input(r#"{"series":"s","key":"k","act":"create","revision":1,"title":"x"}"#);
    assert_eq!((edited.act, edited.said_act), (Act::Amend, Some(Act::Create)));
    assert_eq!(edited.expected_revision, Some(Revision::new(1)));
    let bare = input(r#"{"series":"s","key":"k","revision":3,"title":"x"}"#);
    assert_eq!(
        (bare.act, bare.expected_revision),
        (Act::Amend, Some(Revision::new(3)))
    );
    let new = input(r#"{"series":"s","key":"k","expected_revision":0,"title":"x"}"#);
    assert_eq!(
        (new.act, new.expected_revision),
        (Act::Create, Some(Revision::new(0)))
    );
    refused(
        r#"{"series":"s","key":"k","revision":1,"expected_revision":2,"title":"x"}"#,
        "expected_revision 2 differs from revision 1",
    );
}

#[test]
fn other_acts_carry_a_statement_and_no_content() {
    let retract = input(
        r#"{"series":"s","key":"k","act":"retract","reason":"fabricated","explanation":"withdrawn","details":{"by":"desk"}}"#,
    );
    assert_eq!(
        (retract.act, retract.reason.as_str()),
        (Act::Retract, "fabricated")
    );
    assert!(!retract.facts.has_content() && retract.facts.has_statement());
    refused(
        r#"{"series":"s","key":"k","act":"retract","title":"x"}"#,
        "`title`: is content, which `retract` does not carry",
    );
    let link = input(r#"{"series":"s","key":"k","act":"link","relation":"part-of desk/visit"}"#);
    let (relation, entry) = link.relation.unwrap();
    assert_eq!(
        (relation, entry.to_string()),
        (RelationType::PartOf, "desk/visit".to_owned())
    );
    refused(
        r#"{"series":"s","key":"k","act":"link"}"#,
        "`relation`: is missing",
    );
    refused(
        r#"{"series":"s","key":"k","act":"link","relation":"partof desk/visit"}"#,
        "`relation.type`: `partof` is not one",
    );
}

#[test]
fn a_record_that_states_nothing_is_refused() {
    refused(r#"{"series":"s"}"#, "nothing is stated; give at least a `title`");
    refused(
        r#"{"series":"s","title":"","dates":[],"body":null}"#,
        "nothing is stated",
    );
}

#[test]
fn a_link_is_written_and_read_back() {
    let relation = Link {
        relation: RelationType::PartOf,
        series: "desk",
        key: "visit",
    };
    let leaf = Leaf {
        relation: Some(relation),
        reason: "same-visit",
        ..leaf(Act::Link, 1)
    };
    let read = input(&line(&view(leaf, b"")));
    assert_eq!(
        (read.act, read.expected_revision),
        (Act::Link, Some(Revision::new(1)))
    );
    let (ty, entry) = read.relation.unwrap();
    assert_eq!(
        (ty, entry.to_string()),
        (RelationType::PartOf, "desk/visit".to_owned())
    );
}

#[test]
fn raw_is_text_where_it_can_be_and_base64_where_not() {
    let written = |raw: &'static [u8]| {
        let content = Content {
            title: "t".to_owned(),
            raw: raw.into(),
            ..Content::default()
        };
        let encoded = codec::encode_content(content);
        let written = line(&view(leaf(Act::Create, 1), &encoded));
        assert!(content_equal(&input(&written).payload, &encoded));
        written
    };
    assert!(written("a\tNA\u{a0}b".as_bytes()).contains(r#""raw":"a\tNA"#));
    assert!(written(b"\xff\xfe").contains(r#""raw_base64":"//4=""#));
    refused(r#"{"series":"s","raw_base64":"?"}"#, "`raw_base64`: not base64");
    refused(
        r#"{"series":"s","raw_base64":"//4=","raw":"x"}"#,
        "`raw_base64`: stands beside `raw`",
    );
}

#[test]
fn pretty_puts_each_participant_on_its_line_and_reads_back() {
    let value = read(FULL).unwrap();
    let printed = pretty(&value);
    assert_eq!(read(&printed).unwrap(), value);
    assert!(
        printed.contains("\n    {\"side\": \"party\", \"name\": \"Qamar Javed Bajwa\""),
        "{printed}"
    );
}

fn set(path: &str, text: &str) -> Result<Value, String> {
    let mut value = read(FULL).unwrap();
    set_path(&mut value, path, text).map_err(|error| error.to_string())?;
    let read = Input::from_value(value.clone()).map_err(|error| error.to_string())?;
    drop(read);
    Ok(value)
}

#[test]
fn a_path_sets_appends_and_removes() {
    assert_eq!(set("title", "New").unwrap()["title"], "New");
    assert_eq!(set("title", "").unwrap().get("title"), None);
    assert_eq!(
        set("participants[0].name", "N").unwrap()["participants"][0]["name"],
        "N"
    );
    assert_eq!(
        set("participants[1]", "N").unwrap()["participants"][1],
        json!({"name": "N"})
    );
    assert_eq!(set("participants[0]", "").unwrap().get("participants"), None);
    assert_eq!(
        set("participants[0].countries", "IRN").unwrap()["participants"][0]["countries"],
        json!([{"scheme": "iso3", "code": "IRN"}])
    );
    assert_eq!(
        set("places.country.code", "IRN").unwrap()["places"][0]["country"]["code"],
        "IRN"
    );
    assert_eq!(
        set("flags", r#"["root","future"]"#).unwrap()["flags"],
        json!(["root", "future"])
    );
    assert_eq!(
        set("measures.goldstein", "1.0").unwrap()["measures"],
        json!([{"name": "goldstein", "value": "1.0"}])
    );
    assert_eq!(
        set("extra.A.B [km]", "7").unwrap()["extra"],
        json!([{"name": "A.B [km]", "value": "7"}])
    );
    assert_eq!(set("occurred", "2021-10").unwrap()["dates"][0]["edtf"], "2021-10");
    assert_eq!(
        set("reported", "2021-10-14").unwrap()["dates"][1],
        json!({"role": "reported", "edtf": "2021-10-14"})
    );
    assert_eq!(set("occurred", "").unwrap().get("dates"), None);
    assert_eq!(set("explanation", "because").unwrap()["explanation"], "because");
}

#[test]
fn a_bad_path_is_refused_with_what_would_do() {
    let check = |path: &str, text: &str, message: &str| {
        let error = set(path, text).unwrap_err();
        assert!(error.contains(message), "{error}");
    };
    check("participants[0].nam", "x", "did you mean `name`?");
    check("titel", "x", "did you mean `title`?");
    check(
        "participants[5].name",
        "x",
        "`participants` has 1 elements; 1 appends one",
    );
    check("participants[0].side", "left", "source, target, party");
    check("series", "x", "only content can be amended");
    check("title[0]", "x", "one value, not a list");
    check("title.x", "x", "one value without parts");
    check("", "x", "the path is empty");
    check("dates[0].edtf", "2021-02-30", "is not a date");
}

/// Makes a value of a message out of a stream of choices, led by the table: whatever the proto may say, it may say.
struct Maker(u64);

impl Maker {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn message(&mut self, message: &Message) -> Map<String, Value> {
        let mut out = Map::new();
        for field in &message.fields {
            let needed = message.required & (1 << field.number) != 0;
            if field.name == "participants" || field.name == "erased_positions" || needed || self.next(3) == 0
            {
                let count = if field.repeated { 1 + self.next(3) } else { 1 };
                let values: Vec<Value> = (0..count).map(|_| self.value(field)).collect();
                let value = if field.repeated {
                    values.into()
                } else {
                    values[0].clone()
                };
                out.insert(field.name.clone(), value);
            }
        }
        if message.name == "Span" {
            out = json!({"from": 3, "to": 9}).as_object().cloned().unwrap();
        }
        out
    }

    fn value(&mut self, field: &Field) -> Value {
        match field.ty {
            FieldType::Text => self.text(field.check).into(),
            FieldType::Bytes => "row\t\"1\"\u{a0}".into(),
            FieldType::Number => (1 + self.next(u64::MAX >> 31)).into(),
            FieldType::Word(id) => {
                let words: Vec<_> = Shape::get().enumeration(id).said().collect();
                words[self.next(words.len() as u64) as usize].word.as_str().into()
            }
            FieldType::Message(id) => self.message(Shape::get().message(id)).into(),
        }
    }

    fn text(&mut self, check: Check) -> &'static str {
        let texts: &[&'static str] = match check {
            Check::Free => &["Ankara", "\u{627}\u{62f}", "a\nb\\", "{}", "042"],
            Check::Edtf => &["1939-05~", "2021-10-13", "156X", "2004-06/2006-08"],
            Check::Time => &["14:30"],
            Check::Offset => &["+05:00"],
            Check::Moment => &["2026-11-23T10:00:00Z"],
            Check::Decimal => &["1.0", "-2.50", "4e-16"],
            Check::Latitude | Check::Longitude => &["33.600", "-7"],
            Check::Word => &["cameo", "iso3"],
            Check::Language => &["en", "zh-Hant"],
            Check::Series => &["desk"],
            Check::Key => &["k/1"],
            Check::Digest => &["00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"],
        };
        texts[self.next(texts.len() as u64) as usize]
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back_to_the_same_bytes(seed in any::<u64>()) {
        let mut maker = Maker(seed);
        let shape = Shape::get();
        let part = |name: &str| shape.message_named(name).unwrap();
        let mut object = maker.message(part("Content"));
        object.extend(maker.message(part("Statement")));
        object.insert("provenance".to_owned(), maker.message(part("Provenance")).into());
        object.insert("series".to_owned(), "desk".into());
        let first = Input::from_value(Value::Object(object)).map_err(|error| TestCaseError::fail(error.to_string()))?;

        let decoded = decode_payload(&first.payload).unwrap();
        prop_assert_eq!(&encode_payload(&decoded), &first.payload, "ascending numbers, no defaults, as prost writes");

        let written = line(&view(leaf(Act::Create, 1), &first.payload));
        let second = Input::parse(&written).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&second.payload, &first.payload);
        prop_assert_eq!(&line(&view(leaf(Act::Create, 1), &second.payload)), &written);
    }

    #[test]
    fn no_text_panics(text in "[\\PC\\n]{0,60}", path in "[a-z.\\[\\]0-9]{0,20}", value in "\\PC{0,10}") {
        let _ = Input::parse(&text);
        let mut record = read(FULL).unwrap();
        if set_path(&mut record, &path, &value).is_ok() {
            let _ = Input::from_value(record);
        }
    }
}

//! The flat row in its three forms: what one says the others say, with their types.

use crate::harness::{Daemon, json, lines, run};
use bytes::Bytes;
use chancery::record::Recorded;
use chancery::record::date::civil_day;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

const RECORDS: &str = r#"
{"series":"desk","key":"007","kind":"event","title":"Bajwa and Bagheri meet, \"quoted\"","occurred":"2021-10-13",
 "reported":"2021-10","participants":[{"side":"party","name":"Qamar Javed Bajwa","countries":["PAK"]},
  {"side":"party","name":"Mohammad Bagheri","countries":["IRN"]}],"types":["cameo:040"],"flags":["root"],
 "places":[{"role":"action","name":"Rawalpindi","country":"PAK","latitude":"33.60","longitude":73}],
 "measures":{"goldstein":"1.0","tone":-2.5,"mentions":3}}
{"series":"desk","key":"visit","kind":"event","title":"A visit\nof two lines","occurred":"1815/..",
 "participants":[{"side":"source","name":"Iran","countries":["IRN"]},{"side":"target","name":"Afghanistan","countries":["AFG"]}]}
{"series":"desk","key":"none","title":"NA"}
"#;

fn filled() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(RECORDS);
    daemon
}

/// A search written as Parquet, read back.
fn file(daemon: &Daemon, args: &[&str]) -> SerializedFileReader<Bytes> {
    let output = daemon
        .ask(&[&["search", "-o", "parquet"], args].concat())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    SerializedFileReader::new(Bytes::from(output.stdout)).unwrap()
}

fn names(file: &SerializedFileReader<Bytes>) -> Vec<String> {
    let schema = file.metadata().file_metadata().schema();
    schema
        .get_fields()
        .iter()
        .map(|field| field.name().to_owned())
        .collect()
}

/// A value as CSV would have it, numbers as their digits are printed.
fn text(name: &str, field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => {
            assert!(!text.is_empty(), "{name}: what is absent is null");
            text.clone()
        }
        Field::Long(nanos) if name == "recorded" => Recorded::from_nanos(*nanos).to_string(),
        Field::Long(number) => number.to_string(),
        Field::Double(number) => number.to_string(),
        Field::Date(day) => {
            let (year, month, day) = civil_day(*day);
            format!("{year:04}-{month:02}-{day:02}")
        }
        other => panic!("{name}: {other:?}"),
    }
}

/// The digits as a number is printed.
fn printed(name: &str, cell: &str) -> String {
    match name {
        "latitude" | "longitude" | "goldstein" | "intensity" | "tone" if !cell.is_empty() => {
            cell.parse::<f64>().unwrap().to_string()
        }
        _ => cell.to_owned(),
    }
}

/// Holds the three forms of a search against each other; its rows.
fn the_same(daemon: &Daemon, args: &[&str]) -> usize {
    let csv = daemon.ok(&[&["search", "-o", "csv"], args].concat());
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let file = file(daemon, args);
    let rows = lines(&daemon.ok(&[&["search", "-o", "rows"], args].concat()));
    assert_eq!(csv.headers().unwrap(), names(&file));
    let mut count = 0;
    for (row, record) in file.get_row_iter(None).unwrap().zip(csv.records()) {
        let (row, record) = (row.unwrap().into_columns(), record.unwrap());
        let object = rows[count].as_object().unwrap();
        for (((name, field), cell), (member, value)) in row.iter().zip(&record).zip(object) {
            let expected = printed(name, cell);
            assert_eq!(text(name, field), expected, "{name} of Parquet");
            assert_eq!(member, name);
            let value = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Number(number) => printed(name, &number.to_string()),
                other => panic!("{name}: {other}"),
            };
            assert_eq!(value, expected, "{name} of JSON rows");
        }
        assert_eq!((row.len(), object.len()), (record.len(), record.len()));
        count += 1;
    }
    assert_eq!(file.metadata().file_metadata().num_rows(), count as i64);
    assert_eq!(rows.len(), count);
    count
}

#[test]
fn the_three_forms_say_the_same() {
    let daemon = filled();
    assert_eq!(the_same(&daemon, &["--ascending"]), 3);
    assert_eq!(the_same(&daemon, &["--explode", "dyad"]), 2);
    assert_eq!(the_same(&daemon, &["--explode", "participant"]), 4);
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");
    daemon.ok(&["import", &format!("{fixtures}gdelt-v2.export.CSV")]);
    daemon.ok(&["import", &format!("{fixtures}icews.tab")]);
    daemon.ok(&["import", &format!("{fixtures}records.jsonl")]);
    let all = the_same(&daemon, &[]);
    assert!(all > 8, "{all}");
    let fields = ["--fields", "type,occurred_from,key,tone,recorded"];
    assert_eq!(the_same(&daemon, &fields), all);
    assert_eq!(the_same(&daemon, &["series = nowhere"]), 0);
    assert_eq!(the_same(&daemon, &["--limit", "2"]), 2);
}

#[test]
fn a_row_has_its_types() {
    let daemon = filled();
    let names = "key,type,occurred_from,occurred_until,reported_until,latitude,goldstein,tone,url,position";
    let fields = ["--ascending", "--fields", names];
    let rows = daemon.ok(&[&["search", "-o", "rows"], &fields[..]].concat());
    assert_eq!(
        rows.lines().collect::<Vec<_>>(),
        [
            r#"{"key":"007","type":"040","occurred_from":"2021-10-13","occurred_until":"2021-10-13","reported_until":"2021-10-31","latitude":33.6,"goldstein":1.0,"tone":-2.5,"url":null,"position":0}"#,
            r#"{"key":"visit","type":null,"occurred_from":"1815-01-01","occurred_until":null,"reported_until":null,"latitude":null,"goldstein":null,"tone":null,"url":null,"position":1}"#,
            r#"{"key":"none","type":null,"occurred_from":null,"occurred_until":null,"reported_until":null,"latitude":null,"goldstein":null,"tone":null,"url":null,"position":2}"#,
        ]
    );
    let file = file(&daemon, &fields);
    let mut rows = file.get_row_iter(None).unwrap();
    let first = rows.next().unwrap().unwrap().into_columns();
    let fields: Vec<Field> = first.into_iter().map(|(_, field)| field).collect();
    assert_eq!(
        fields[..4],
        [
            Field::Str("007".to_owned()),
            Field::Str("040".to_owned()),
            Field::Date(18_913),
            Field::Date(18_913)
        ]
    );
    assert_eq!(
        fields[5..],
        [
            Field::Double(33.6),
            Field::Double(1.0),
            Field::Double(-2.5),
            Field::Null,
            Field::Long(0)
        ]
    );
}

#[test]
fn what_follows_from_an_event_text_is_in_every_form_with_its_basis() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"icews","key":"a","kind":"event","types":["icews-text:Host a visit"]}"#);
    let fields = "cameo,goldstein,type_label,goldstein_basis,type_label_basis";
    let ask = |form: &str| daemon.ok(&["search", "series = icews", "-o", form, "--fields", fields]);
    assert_eq!(
        ask("csv"),
        format!("{fields}\n043,2.8,Host a visit,derived,derived\n")
    );
    let row = json(&ask("rows"));
    assert_eq!(
        (&row["goldstein"], &row["type_label"]),
        (&Value::from(2.8), &Value::from("Host a visit"))
    );
    let parquet = file(&daemon, &["series = icews", "--fields", fields]);
    let row = parquet.get_row_iter(None).unwrap().next().unwrap().unwrap();
    let values: Vec<String> = row
        .get_column_iter()
        .map(|(name, field)| text(name, field))
        .collect();
    assert_eq!(values, ["043", "2.8", "Host a visit", "derived", "derived"]);
}

#[test]
fn an_empty_answer_is_a_file_with_the_schema() {
    let daemon = Daemon::start();
    let empty = file(&daemon, &["country = CHL"]);
    assert_eq!(empty.metadata().file_metadata().num_rows(), 0);
    assert_eq!(names(&empty).len(), 45);
    let ended = run(&mut daemon.ask(&["search", "-o", "rows"]));
    assert_eq!((ended.code, ended.out.as_str()), (0, ""));
}

#[test]
fn many_pages_are_one_file() {
    let daemon = Daemon::start();
    let records: String = (0..2_300)
        .map(|n| format!("{{\"series\":\"desk\",\"key\":\"k{n}\",\"kind\":\"event\",\"title\":\"t{n}\"}}\n"))
        .collect();
    daemon.append(&records);
    assert_eq!(
        the_same(&daemon, &["--fields", "key,title,position,occurred_from"]),
        2_300
    );
}

#[test]
fn a_question_that_fails_writes_nothing() {
    let daemon = Daemon::start();
    for (args, code) in [
        (["search", "-o", "parquet", "country = RS"], 1),
        (["search", "-o", "parquet", "--fields=titel"], 2),
        (["search", "-o", "rows", "--fields=key,key"], 2),
    ] {
        let ended = run(&mut daemon.ask(&args));
        assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{ended:?}");
        assert!(ended.err.starts_with("error: "), "{ended:?}");
    }
}

#[test]
fn a_file_whose_reader_is_gone_is_a_failure() {
    let daemon = filled();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_chancery"))
        .args(["search", "-o", "parquet"])
        .env("CHANCERY_SERVER", daemon.address())
        .stdout(writer)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the Parquet file could not be written to its end"),
        "{said}"
    );
    // The archive is as it was.
    assert_eq!(json(&daemon.ok(&["count", "-o", "json"]))["count"], 2);
}

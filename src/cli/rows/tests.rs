//! What a row has in its columns, and that the document says the same.

use super::*;
use crate::cli::shown::tests::record;
use serde_json::json;

/// The columns of a JSON record's row, as text.
fn row(text: &str) -> impl Fn(&str) -> String + use<> {
    let record = record(text);
    move |name| {
        let column = COLUMNS.iter().find(|column| column.name == name).unwrap();
        column.text(&Shown::record(&record).unwrap())
    }
}

fn dated(occurred: &str) -> (String, String) {
    let row = row(&format!(
        r#"{{"series":"desk","title":"t","occurred":"{occurred}"}}"#
    ));
    assert_eq!(row("occurred"), occurred);
    (row("occurred_from"), row("occurred_until"))
}

#[test]
fn a_row_has_every_side_and_the_main_type() {
    let row = row(
        r#"{"series":"desk","title":"Talks","occurred":"2021-10-13","reported":"2021-10-14",
            "participants":[{"side":"source","name":"Iran","countries":["IRN"]},
            {"side":"target","name":"Pakistan","countries":["PAK"]},{"side":"mentioned","name":"UN"}],
            "types":[{"scheme":"plover","code":"CONSULT"},"cameo:040"],
            "places":[{"name":"Rawalpindi","latitude":"33.60","longitude":"+73.0"}],
            "measures":{"goldstein":"1.0","fatalities-best":"0"}}"#,
    );
    let check = |column: &str, expected: &str| assert_eq!(row(column), expected, "{column}");
    check("source", "Iran");
    check("target_country", "PAK");
    check("other", "UN");
    check("type", "040");
    check("measures", "goldstein=1.0; fatalities-best=0");
    check("goldstein", "1.0");
    check("tone", "");
    check("latitude", "33.60");
    check("reported_until", "2021-10-14");
    check("recorded", "2026-11-23T10:00:00.000000001Z");
    check("revision", "1");
}

#[test]
fn a_date_is_the_days_that_it_may_mean() {
    let check = |stated: &str, from: &str, until: &str| {
        assert_eq!(dated(stated), (from.to_owned(), until.to_owned()), "{stated}");
    };
    check("2021-10-13", "2021-10-13", "2021-10-13");
    check("2020-02", "2020-02-01", "2020-02-29");
    check("1939-05~", "1939-05-01", "1939-05-31");
    check("1939/1945", "1939-01-01", "1945-12-31");
    check("1939/..", "1939-01-01", "");
    check("/1939", "", "1939-12-31");
    check("0476", "0476-01-01", "0476-12-31");
}

#[test]
fn a_day_that_some_reader_cannot_show_is_none() {
    assert_eq!(dated("-0043-03-15"), (String::new(), String::new()));
    assert_eq!(dated("0000"), (String::new(), String::new()));
    assert_eq!(dated("Y170000002"), (String::new(), String::new()));
    assert_eq!(dated("-0043/0014"), (String::new(), "0014-12-31".to_owned()));
    assert_eq!(dated("9999-12-31").1, "9999-12-31");
}

#[test]
fn several_dates_are_the_days_from_the_first_to_the_last() {
    let two = row(
        r#"{"series":"desk","title":"t","dates":[{"role":"occurred","edtf":"2021-10-13"},
        {"role":"occurred","edtf":"2021-09"},{"role":"reported","edtf":"2022"}]}"#,
    );
    assert_eq!(two("occurred"), "2021-10-13; 2021-09");
    assert_eq!(two("occurred_from"), "2021-09-01");
    assert_eq!(two("occurred_until"), "2021-10-13");
    let open = row(
        r#"{"series":"desk","title":"t","dates":[{"role":"occurred","edtf":"2021"},
        {"role":"occurred","edtf":"../2020"}]}"#,
    );
    assert_eq!(open("occurred_from"), "", "nobody knows how early it was");
    assert_eq!(open("occurred_until"), "2021-12-31");
}

#[test]
fn a_measure_that_is_stated_twice_is_a_value_only_where_both_agree() {
    let stated = |one: &str, other: &str| {
        row(&format!(
            r#"{{"series":"desk","title":"t","measures":[{{"name":"tone","value":"{one}"}},{{"name":"tone","value":"{other}"}}]}}"#
        ))("tone")
    };
    assert_eq!(stated("-2.50", "-2.5"), "-2.50");
    assert_eq!(stated("-2.5", "2.5"), "");
}

#[test]
fn a_row_says_whether_its_types_are_stated_or_derived() {
    use crate::rpc::proto::{Derived, DerivedType};
    let basis = |types: &str, measures: &str, derived: &[(&str, &str)], quads: &[u32]| {
        let record = record(&format!(
            r#"{{"series":"desk","title":"t","types":{types},"measures":{measures}}}"#
        ));
        let mut shown = Shown::record(&record).unwrap();
        let of = |(scheme, code): &(&str, &str)| DerivedType {
            scheme: (*scheme).to_owned(),
            code: (*code).to_owned(),
            ..DerivedType::default()
        };
        shown.derived = std::sync::Arc::new(Derived {
            types: derived.iter().map(of).collect(),
            quads: quads.to_vec(),
            ..Derived::default()
        });
        let column = COLUMNS.iter().find(|column| column.name == "type_basis").unwrap();
        column.text(&shown)
    };
    assert_eq!(basis("[]", "{}", &[], &[]), "");
    let of_texts = [("cameo", "042"), ("plover", "CONSULT")];
    assert_eq!(
        basis(r#"["icews-text:Make a visit"]"#, "{}", &of_texts, &[1]),
        "derived"
    );
    // What is told of a stated code is no other one.
    assert_eq!(basis(r#"["cameo:042"]"#, "{}", &of_texts[..1], &[]), "stated");
    assert_eq!(basis(r#"["cameo:042"]"#, "{}", &of_texts, &[1]), "mixed");
    assert_eq!(
        basis(
            r#"["cameo:042","plover:CONSULT"]"#,
            r#"{"quad":"1"}"#,
            &of_texts[..1],
            &[]
        ),
        "stated"
    );
    assert_eq!(basis("[]", r#"{"quad":"1"}"#, &[], &[]), "stated");
}

#[test]
fn a_value_and_a_label_are_derived_where_none_is_stated_and_the_row_says_so() {
    use crate::rpc::proto::{Derived, DerivedMeasure, DerivedType};
    let check = |types: &str, measures: &str, derived: &[&str], expected: [&str; 4]| {
        let record = record(&format!(
            r#"{{"series":"desk","title":"t","types":{types},"measures":{measures}}}"#
        ));
        let mut shown = Shown::record(&record).unwrap();
        shown.derived = std::sync::Arc::new(Derived {
            types: vec![DerivedType {
                path: "types[0]".to_owned(),
                scheme: "cameo".to_owned(),
                code: "042".to_owned(),
                label: "Make a visit".to_owned(),
                ..DerivedType::default()
            }],
            measures: (derived.iter())
                .map(|value| DerivedMeasure {
                    name: "goldstein".to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
            ..Derived::default()
        });
        let names = ["goldstein", "goldstein_basis", "type_label", "type_label_basis"];
        let found = names.map(|name| {
            let column = COLUMNS.iter().find(|column| column.name == name).unwrap();
            column.text(&shown)
        });
        assert_eq!(found, expected, "{types} {measures} {derived:?}");
    };
    let text = r#"["icews-text:Make a visit"]"#;
    check(
        text,
        "{}",
        &["1.9"],
        ["1.9", "derived", "Make a visit", "derived"],
    );
    check(
        text,
        r#"{"goldstein":"1.0"}"#,
        &[],
        ["1.0", "stated", "Make a visit", "derived"],
    );
    check("[]", "{}", &[], ["", "", "", ""]);
    // Of two codes neither has the value.
    check(text, "{}", &["1.9", "-2"], ["", "", "Make a visit", "derived"]);
    let labelled = r#"[{"scheme":"cameo","code":"042","label":"Visit"}]"#;
    check(labelled, "{}", &["1.9"], ["1.9", "derived", "Visit", "stated"]);
}

#[test]
fn numbers_are_numbers_in_json_and_codes_are_text() {
    let record = record(
        r#"{"series":"desk","title":"t","occurred":"2021-10","types":["cameo:043"],
            "places":[{"name":"x","latitude":"+033.60","longitude":".5"}],"measures":{"tone":"1e999"}}"#,
    );
    let names = [
        "type",
        "position",
        "latitude",
        "longitude",
        "tone",
        "occurred_from",
        "goldstein",
    ];
    let chosen = chosen(&names.map(str::to_owned)).unwrap();
    let object = Value::Object(super::json(&Shown::record(&record).unwrap(), &chosen));
    assert_eq!(
        object.to_string(),
        json!({"type": "043", "position": 7, "latitude": 33.6, "longitude": 0.5, "tone": null,
            "occurred_from": "2021-10-01", "goldstein": null})
        .to_string()
    );
}

#[test]
fn a_column_that_does_not_exist_is_answered_with_those_that_do() {
    let ask = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        chosen(&names).map(|chosen| chosen.iter().map(|column| column.name).collect::<Vec<_>>())
    };
    let error = ask(&["titel"]).unwrap_err();
    let sentence = error.sentence().unwrap();
    assert!(
        sentence.starts_with("`titel` is not a column; use some of series, key"),
        "{sentence}"
    );
    let error = ask(&["key", "key"]).unwrap_err();
    assert!(error.sentence().unwrap().contains("`key` twice"), "{error:?}");
    assert_eq!(ask(&["key", "series"]).unwrap(), ["key", "series"]);
    assert_eq!(ask(&[]).unwrap().len(), COLUMNS.len());
}

#[test]
fn the_document_has_the_columns_with_their_types_and_meanings() {
    let document = include_str!("../../../docs/flat-schema.md");
    let of = |column: &Column| {
        let holds = match column.holds {
            Holds::Text(_) => "text",
            Holds::Integer(_) => "integer",
            Holds::Number(_) => "number",
            Holds::Date(_) => "date",
            Holds::Time(_) => "time",
        };
        format!("| `{}` | {holds} | {} |", column.name, column.meaning)
    };
    let expected: Vec<String> = COLUMNS.iter().map(of).collect();
    let table = document
        .lines()
        .skip_while(|line| !line.starts_with("| column |"));
    let found: Vec<&str> = table.skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(
        found,
        expected,
        "docs/flat-schema.md should have:\n{}",
        expected.join("\n")
    );
}

//! get, search, count, explain, series: what is asked, and in which form it is answered.

use crate::harness::{Daemon, chancery, json, lines, run};

const RECORDS: &str = r#"
{"series":"desk","key":"meeting-in-rawalpindi","kind":"event","title":"Bajwa and Bagheri meet","occurred":"2021-10-13",
 "participants":[{"side":"party","name":"Qamar Javed Bajwa","countries":["PAK"]},
  {"side":"party","name":"Mohammad Bagheri","countries":["IRN"]}],"types":["cameo:040"],
 "places":[{"role":"action","name":"Rawalpindi","country":"PAK"}]}
{"series":"desk","key":"visit-to-kabul","kind":"event","title":"A visit, \"quoted\"","occurred":"2021-11-02",
 "participants":[{"side":"source","name":"Iran","countries":["IRN"]},{"side":"target","name":"Afghanistan","countries":["AFG"]}]}
{"series":"desk","key":"dispatch-1","title":"A dispatch","body":"Body text\nof two lines\n","reported":"2021-10-14"}
"#;

fn filled() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(RECORDS);
    daemon
}

#[test]
fn an_entry_is_found_by_name_by_prefix_and_by_position() {
    let daemon = filled();
    for name in ["desk/meeting-in-rawalpindi", "desk/meeting-", "0"] {
        let found = json(&daemon.ok(&["get", name, "-o", "json"]));
        assert_eq!(found["key"], "meeting-in-rawalpindi");
        assert_eq!(
            (&found["revision"], &found["status"]),
            (&1.into(), &"current".into())
        );
    }
    let error = daemon.refused(&["get", "desk/meeting"]);
    assert!(error.contains("`desk/meeting` is not in the archive"), "{error}");
    let error = daemon.refused(&["get", "99"]);
    assert!(error.contains("99"), "{error}");
}

#[test]
fn an_entry_for_people_says_who_when_and_where() {
    let out = filled().ok(&["get", "desk/meeting-in-rawalpindi"]);
    for part in [
        "Bajwa and Bagheri meet",
        "2021-10-13",
        "Mohammad Bagheri (IRN)",
        "Rawalpindi",
        "current",
        "by local:",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains('\x1b'), "{out}");
}

#[test]
fn entries_are_taken_apart_into_dyads_and_participants() {
    let daemon = filled();
    daemon.append(
        r#"{"series":"desk","key":"summit","kind":"event","title":"Three meet","participants":[
         {"side":"mentioned","name":"UN"},{"side":"party","name":"Chile","countries":["CHL"]},
         {"side":"host","name":"Peru","countries":["PER"]},{"side":"party","name":"Kenya","countries":["KEN"]}]}"#,
    );
    let rows = |by: &str, form: &str, more: &[&str]| {
        let ask = [
            "search",
            "kind = event",
            "--ascending",
            "--explode",
            by,
            "-o",
            form,
        ];
        daemon.ok(&[&ask, more].concat())
    };
    let fields = ["--fields", "key,source,target,other,other_country"];
    assert_eq!(
        rows("dyad", "csv", &fields),
        "key,source,target,other,other_country\n\
         meeting-in-rawalpindi,,,Qamar Javed Bajwa; Mohammad Bagheri,PAK; IRN\n\
         visit-to-kabul,Iran,Afghanistan,,\n\
         summit,,,Chile; Peru,CHL; PER\n\
         summit,,,Chile; Kenya,CHL; KEN\n\
         summit,,,Peru; Kenya,PER; KEN\n"
    );
    let people = rows("participant", "csv", &["--fields", "other"]);
    assert_eq!(people.lines().count(), 1 + 2 + 2 + 4);
    let json_rows = lines(&rows("dyad", "json", &[]));
    let last = &json_rows[4];
    assert_eq!(last["exploded"]["participants"], serde_json::json!([2, 3]));
    assert_eq!(last["participants"][1]["name"], "Kenya");
    assert_eq!(last["derived"]["countries"][1]["path"], "participants[1]");
    assert_eq!(last["derived"]["countries"].as_array().unwrap().len(), 2);
    // An entry without a pair is told, and a row is no record.
    let ended = run(&mut daemon.ask(&["search", "--explode", "dyad", "-o", "json", "key = dispatch-1"]));
    assert!(ended.err.contains("1 entries have no row"), "{ended:?}");
    let file = daemon.file("rows.jsonl", &rows("dyad", "json", &[]));
    assert_eq!(run(&mut daemon.ask(&["import", &file])).code, 1);
    let ended = run(&mut daemon.ask(&["search", "--explode", "dyad"]));
    assert_eq!(ended.code, 2, "{ended:?}");
}

#[test]
fn the_original_is_the_exact_bytes() {
    let daemon = filled();
    assert_eq!(
        daemon.ok(&["get", "desk/dispatch-1", "-o", "original"]),
        "Body text\nof two lines\n"
    );
    let error = daemon.refused(&["get", "desk/visit-to-kabul", "-o", "original"]);
    assert!(error.contains("use -o json"), "{error}");
}

#[test]
fn a_search_answers_as_table_json_and_csv() {
    let daemon = filled();
    let table = daemon.ok(&["search", "country = IRN", "--order", "occurred"]);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(
        rows[0].starts_with("date") && rows[0].contains("who → whom"),
        "{table}"
    );
    assert!(
        rows[1].starts_with("2021-11-02") && rows[1].contains("Iran → Afghanistan"),
        "{table}"
    );
    assert!(rows[2].contains("desk/meeting-in-rawalpindi"), "{table}");

    let found = lines(&daemon.ok(&["search", "country = IRN", "-o", "json"]));
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .all(|one| one["series"] == "desk" && one["position"].is_number())
    );

    let csv = daemon.ok(&[
        "search",
        "visit",
        "-o",
        "csv",
        "--fields",
        "key,title,source_country,target",
    ]);
    assert_eq!(
        csv,
        "key,title,source_country,target\nvisit-to-kabul,\"A visit, \"\"quoted\"\"\",IRN,Afghanistan\n"
    );
    let chosen = lines(&daemon.ok(&["search", "visit", "-o", "json", "--fields", "key"]));
    assert_eq!(chosen[0].to_string(), r#"{"key":"visit-to-kabul"}"#);
}

#[test]
fn an_empty_answer_says_so_beside_the_answer() {
    let ended = run(&mut filled().ask(&["search", "country = CHL"]));
    assert_eq!((ended.code, ended.out.as_str()), (0, ""));
    assert!(ended.err.contains("no entry matches"), "{}", ended.err);
}

#[test]
fn a_pipe_gets_every_row_and_a_limit_is_a_limit() {
    let daemon = Daemon::start();
    let records: String = (0..1_200)
        .map(|n| format!("{{\"series\":\"desk\",\"key\":\"k{n}\",\"kind\":\"event\",\"title\":\"t{n}\"}}\n"))
        .collect();
    daemon.append(&records);
    assert_eq!(daemon.ok(&["search"]).lines().count(), 1_201);
    assert_eq!(daemon.ok(&["search", "-o", "json"]).lines().count(), 1_200);
    let limited = lines(&daemon.ok(&["search", "-o", "json", "--limit", "3"]));
    let keys: Vec<_> = limited.iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["k1199", "k1198", "k1197"]);
    let oldest = lines(&daemon.ok(&["search", "-o", "json", "--limit", "1", "--ascending"]));
    assert_eq!(oldest[0]["key"], "k0");
    assert_eq!(daemon.ok(&["count"]), "1200\n");
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let daemon = Daemon::start();
    let records: String = (0..3_000)
        .map(|n| {
            format!(
                "{{\"series\":\"desk\",\"key\":\"k{n}\",\"kind\":\"event\",\"title\":\"{}\"}}\n",
                "t".repeat(100)
            )
        })
        .collect();
    daemon.append(&records);
    let command = format!("{} search -o json | head -n 1", env!("CARGO_BIN_EXE_chancery"));
    let output = std::process::Command::new("sh")
        .args(["-c", &command])
        .env("CHANCERY_SERVER", daemon.address())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("error"), "{said}");
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[test]
fn counts_take_events_unless_a_kind_is_named() {
    let daemon = filled();
    let ended = run(&mut daemon.ask(&["count"]));
    assert_eq!(ended.out, "2\n");
    assert!(ended.err.contains("entries of kind `event`"), "{}", ended.err);
    assert_eq!(daemon.ok(&["count", "kind = document"]), "1\n");
    assert_eq!(daemon.ok(&["count", "country", "=", "IRN"]), "2\n");
    let answer = json(&daemon.ok(&["count", "country = IRN", "-o", "json"]));
    assert_eq!(
        (&answer["count"], &answer["view_position"]),
        (&2.into(), &3.into())
    );
}

#[test]
fn the_past_is_asked_by_position() {
    let daemon = filled();
    assert_eq!(daemon.ok(&["count", "--as-of", "1"]), "1\n");
    assert_eq!(
        lines(&daemon.ok(&["search", "-o", "json", "--as-of", "0"])).len(),
        0
    );
    let error = daemon.refused(&["count", "--as-of", "2200-01-01"]);
    assert!(error.contains("has not passed"), "{error}");
}

#[test]
fn a_filter_is_explained() {
    let daemon = filled();
    let out = daemon.ok(&["explain", "country = Pakistan"]);
    assert!(out.contains("country = PAK") && out.contains("plan "), "{out}");
    // Of the columns of a source no index knows.
    let out = daemon.ok(&["explain", "extra.Column > 3"]);
    assert!(out.contains("scan, 3 records, as of position 3"), "{out}");
    let answer = json(&daemon.ok(&["explain", "country = Pakistan", "-o", "json"]));
    assert_eq!(answer["canonical_sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn series_are_listed_with_their_counts() {
    let daemon = filled();
    let found = lines(&daemon.ok(&["series", "-o", "json"]));
    assert_eq!(found[0]["series"], "desk");
    assert_eq!(
        (&found[0]["entries"], &found[0]["kinds"]["event"]),
        (&3.into(), &2.into())
    );
    assert!(daemon.ok(&["series"]).contains("event 2"));
}

#[test]
fn a_stopped_archive_is_read_where_it_lies() {
    let daemon = filled();
    let busy = run(&mut chancery(&[
        "status",
        "--data",
        daemon.data().to_str().unwrap(),
    ]));
    assert_eq!(busy.code, 1);
    assert!(
        busy.err.contains("a daemon has") && busy.err.contains("leave out --data"),
        "{}",
        busy.err
    );
    let (_, folder) = daemon.stop();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let ok = |args: &[&str]| {
        let ended = run(&mut chancery(&[args, &["--data", data]].concat()));
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.out
    };
    assert_eq!(ok(&["count", "country = IRN"]), "2\n");
    assert_eq!(json(&ok(&["status", "-o", "json"]))["tail"], 3);
    assert_eq!(
        json(&ok(&["get", "desk/dispatch-1", "-o", "json"]))["title"],
        "A dispatch"
    );
    assert_eq!(lines(&ok(&["search", "-o", "json"])).len(), 3);
}

#[test]
fn a_search_says_what_share_of_its_names_carries_no_country() {
    let daemon = Daemon::start();
    daemon.append(
        r#"{"series":"icews","key":"a","kind":"event","participants":["Ministry (Japan)","Barack Obama","Protester"]}
           {"series":"icews","key":"b","kind":"event","participants":[{"side":"source","name":"Ashraf Ghani","countries":["AFG"]},{"side":"target"}]}"#,
    );
    let said = |filter: &str| run(&mut daemon.ask(&["search", filter, "-o", "csv"])).err;
    let note = "note: of the 4 names in these entries 2 carry no country, 50 %\n";
    assert!(said("kind = event").ends_with(note), "{}", said("kind = event"));
    assert!(!said("key = b").contains("carry no country"));
}

#[test]
fn an_answer_without_entries_has_one_header() {
    let daemon = filled();
    let out = daemon.ok(&["search", "country = CHL", "-o", "csv", "--fields", "key,type"]);
    assert_eq!(out, "key,type\n");
}

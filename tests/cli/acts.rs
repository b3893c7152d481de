//! append, amend, retract, reinstate, link, unlink, hold, release.

use crate::harness::{Daemon, json, lines, run};

const ONE: &str =
    r#"{"series":"desk","key":"talks-in-geneva","kind":"event","title":"Talks","participants":["A","B"]}"#;

fn with_one() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(ONE);
    daemon
}

#[test]
fn a_receipt_says_where_a_record_lies() {
    let daemon = Daemon::start();
    let receipt = json(&daemon.append(ONE));
    assert_eq!(receipt["outcome"], "recorded");
    assert_eq!(
        (&receipt["position"], &receipt["revision"]),
        (&0.into(), &1.into())
    );
    assert_eq!(receipt["leaf_hash"].as_str().unwrap().len(), 64);
    assert_eq!(json(&daemon.append(ONE))["outcome"], "duplicate");
    assert_eq!(daemon.tail(), 1);
    let file = daemon.file(
        "one.json",
        "{\n  \"series\": \"desk\",\n  \"title\": \"No key\"\n}\n",
    );
    let out = daemon.ok(&["append", &file]);
    assert!(out.starts_with("position") && out.contains("recorded"), "{out}");
}

#[test]
fn the_key_that_the_server_made_is_in_the_receipt() {
    let daemon = Daemon::start();
    let receipt = json(&daemon.append(r#"{"series":"desk","title":"No key"}"#));
    let name = format!("desk/{}", receipt["key"].as_str().unwrap());
    assert_eq!(json(&daemon.ok(&["get", &name, "-o", "json"]))["title"], "No key");
}

#[test]
fn an_append_is_whole_or_not_at_all() {
    let daemon = Daemon::start();
    let bad = format!("{ONE}\n{{\"series\":\"desk\",\"title\":\"x\",\"titel\":\"y\"}}");
    let ended = run(daemon.ask(&["append", "-"]).write_stdin(bad));
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.err,
        "error: record 2, line 2: `titel`: unknown name; did you mean `title`?\n"
    );
    let again = r#"{"series":"desk","key":"k","title":"a"}
{"series":"desk","key":"unknown","act":"retract"}"#;
    let ended = run(daemon.ask(&["append", "-"]).write_stdin(again));
    assert_eq!(ended.code, 1);
    assert!(ended.err.starts_with("error: line 2:"), "{}", ended.err);
    assert_eq!(daemon.tail(), 0);
    let ended = run(daemon.ask(&["append", "-"]).write_stdin(""));
    assert_eq!(ended.code, 1);
}

/// The first batch of two is recorded whatever becomes of the second, and its receipts are told.
#[test]
fn receipts_of_what_was_recorded_are_told_before_a_refusal() {
    let daemon = with_one();
    let mut text: String = (0..1_000)
        .map(|n| format!("{{\"series\":\"desk\",\"key\":\"n{n}\",\"title\":\"{n}\"}}\n"))
        .collect();
    text.push_str("{\"series\":\"desk\",\"key\":\"nobody\",\"act\":\"retract\",\"reason\":\"error\"}\n");
    let id = "i".repeat(64);
    let mut ask = daemon.ask(&["append", "-", "--request-id", &id]);
    let ended = run(ask.write_stdin(text.clone()));
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("line 1001"), "{}", ended.err);
    assert_eq!(ended.out.matches("recorded").count(), 1_000);
    let tail = daemon.tail();
    let again = run(daemon
        .ask(&["append", "-", "--request-id", &id])
        .write_stdin(text));
    assert_eq!(again.out.matches("desk/n").count(), 1_000);
    assert_eq!(daemon.tail(), tail, "the same request records nothing twice");
}

#[test]
fn a_dry_run_writes_nothing() {
    let daemon = Daemon::start();
    let ended = run(daemon.ask(&["append", "-", "--dry-run"]).write_stdin(ONE));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(daemon.tail(), 0);
    // Where it would stand, and what it would be called, nobody knows before it is written.
    let unnamed = r#"{"series":"desk","kind":"event","title":"Talks"}"#;
    let ended = run(daemon
        .ask(&["append", "-", "--dry-run", "-o", "json"])
        .write_stdin(unnamed));
    assert_eq!(
        json(&ended.out),
        serde_json::json!({"series": "desk", "revision": 1, "outcome": "recorded"})
    );
}

#[test]
fn the_same_request_is_recorded_once() {
    let daemon = with_one();
    let amend = [
        "amend",
        "desk/talks-in-geneva",
        "--set",
        "title=New",
        "--reason",
        "corrected",
        "-o",
        "json",
    ];
    let retract = [
        "retract",
        "desk/talks-in-geneva",
        "--reason",
        "error",
        "--request-id",
        "once",
        "-o",
        "json",
    ];
    assert_eq!(json(&daemon.ok(&amend))["revision"], 2);
    let first = json(&daemon.ok(&retract));
    assert_eq!(json(&daemon.ok(&retract)), first);
    assert_eq!(daemon.tail(), 3);
}

#[test]
fn an_answer_that_is_edited_and_appended_is_an_amendment() {
    let daemon = with_one();
    let answer = daemon.ok(&["get", "desk/talks-in-geneva", "-o", "json"]);
    let receipt = json(&daemon.append(&answer.replace("Talks", "Long talks")));
    assert_eq!(
        (&receipt["outcome"], &receipt["revision"]),
        (&"amended".into(), &2.into())
    );
    let ended = run(daemon
        .ask(&["append", "-"])
        .write_stdin(answer.replace("Talks", "Short talks")));
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("is at revision 2, expected 1"),
        "{}",
        ended.err
    );
}

#[test]
fn an_amendment_changes_what_it_names_and_the_history_tells_it() {
    let daemon = with_one();
    daemon.ok(&[
        "amend",
        "desk/talks-in-geneva",
        "--set",
        "participants[1].name=Bee",
        "--set",
        "occurred=2021-10-13",
        "--reason",
        "corrected",
        "--explanation",
        "name completed",
        "--as",
        "editor",
    ]);
    let found = json(&daemon.ok(&["get", "desk/talks-in-geneva", "-o", "json"]));
    assert_eq!(found["participants"][1]["name"], "Bee");
    assert_eq!(found["dates"][0]["edtf"], "2021-10-13");
    assert_eq!(
        (&found["reason"], &found["explanation"]),
        (&"corrected".into(), &"name completed".into())
    );
    assert_eq!(found["principal"], "claimed:editor");
    let history = daemon.ok(&["get", "desk/talks-in-geneva", "--history"]);
    for part in [
        "2 records",
        "#0 create",
        "#1 amend",
        "participants[1].name  B → Bee",
        "claimed:editor",
        "corrected: name completed",
    ] {
        assert!(history.contains(part), "{part}: {history}");
    }
    let records = lines(&daemon.ok(&["get", "desk/talks-in-geneva", "--history", "-o", "json"]));
    let statuses: Vec<_> = records
        .iter()
        .map(|one| one["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["superseded", "current"]);
    let then = json(&daemon.ok(&["get", "desk/talks-in-geneva", "--as-of", "1", "-o", "json"]));
    assert_eq!(then["participants"][1]["name"], "B");
}

#[test]
fn an_amendment_of_nothing_changes_nothing() {
    let daemon = with_one();
    let ended = run(&mut daemon.ask(&[
        "amend",
        "desk/talks-in-geneva",
        "--set",
        "title=Talks",
        "--reason",
        "corrected",
    ]));
    assert_eq!((ended.code, ended.err.as_str()), (0, "nothing changed\n"));
    let ended = run(&mut daemon.ask(&[
        "amend",
        "desk/talks-in-geneva",
        "--set",
        "titel=x",
        "--reason",
        "corrected",
    ]));
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("did you mean `title`"), "{}", ended.err);
    assert_eq!(daemon.tail(), 1);
}

#[test]
fn a_retracted_entry_leaves_the_answers_and_comes_back() {
    let daemon = with_one();
    let entry = "desk/talks-in-geneva";
    daemon.ok(&[
        "retract",
        entry,
        "--reason",
        "fabricated",
        "--explanation",
        "the source made it up",
    ]);
    assert_eq!(daemon.ok(&["count"]), "0\n");
    assert_eq!(daemon.ok(&["count", "status = retracted"]), "1\n");
    assert_eq!(
        json(&daemon.ok(&["get", entry, "-o", "json"]))["status"],
        "retracted"
    );
    let error = daemon.refused(&["retract", entry, "--reason", "error"]);
    assert_eq!(
        error,
        "error: `desk/talks-in-geneva` is already retracted since position 1\n"
    );
    daemon.ok(&["reinstate", entry, "--reason", "error"]);
    assert_eq!(daemon.ok(&["count"]), "1\n");
    let history = daemon.ok(&["get", entry, "--history"]);
    assert!(history.contains("fabricated: the source made it up"), "{history}");
    let error = daemon.refused(&["retract", "desk/nothing-of-that-name", "--reason", "error"]);
    assert!(error.contains("is not in the archive"), "{error}");
}

#[test]
fn links_are_made_and_taken_back() {
    let daemon = with_one();
    daemon.append(r#"{"series":"desk","key":"dispatch-1","title":"D","body":"b"}"#);
    let link = ["desk/talks-in-geneva", "reported-in", "desk/dispatch-1"];
    daemon.ok(&[&["link"], &link[..]].concat());
    let found = json(&daemon.ok(&["get", link[0], "-o", "json"]));
    assert_eq!(found["links"][0]["key"], "dispatch-1");
    daemon.refused(&[&["link"], &link[..]].concat());
    daemon.ok(&[&["unlink"], &link[..]].concat());
    assert!(json(&daemon.ok(&["get", link[0], "-o", "json"]))["links"].is_null());
}

#[test]
fn a_hold_stands_until_it_is_released() {
    let daemon = with_one();
    let entry = "desk/talks-in-geneva";
    daemon.ok(&["hold", entry, "--authority", "inquiry 7 of 2026"]);
    assert_eq!(json(&daemon.ok(&["get", entry, "-o", "json"]))["held"], true);
    let history = daemon.ok(&["get", entry, "--history"]);
    assert!(history.contains("inquiry 7 of 2026"), "{history}");
    daemon.refused(&["hold", entry, "--authority", "again"]);
    daemon.ok(&["release", entry, "--authority", "inquiry closed"]);
    assert!(json(&daemon.ok(&["get", entry, "-o", "json"]))["held"].is_null());
    // What was done is among the records that the archive keeps about itself.
    assert!(daemon.ok(&["series"]).contains("chancery"));
}

/// A dispatch that is taken back marks the events that it reported; they stay what they are.
#[test]
fn an_event_whose_dispatch_is_retracted_says_so() {
    let daemon = Daemon::start();
    daemon.append(
        r#"{"series":"desk","key":"dispatch","kind":"document","title":"A dispatch"}
           {"series":"desk","key":"event","kind":"event","title":"Talks in Geneva","relations":[{"type":"reported-in","series":"desk","key":"dispatch"}]}
           {"series":"desk","key":"linked","kind":"event","title":"Talks in Vienna"}
           {"series":"desk","key":"other","kind":"event","title":"Talks in Oslo"}"#,
    );
    daemon.ok(&["link", "desk/linked", "reported-in", "desk/dispatch"]);
    let marked = |args: &[&str]| -> Vec<String> {
        let out = daemon.ok(&[&["search", "kind = event", "-o", "json"], args].concat());
        let marked = lines(&out).into_iter().filter(|entry| {
            assert_eq!(entry["status"], "current");
            entry
                .get("retracted_documents")
                .is_some_and(|documents| documents[0]["key"] == "dispatch")
        });
        marked
            .map(|entry| entry["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(marked(&[]).is_empty());
    daemon.ok(&["retract", "desk/dispatch", "--reason", "source-retracted"]);
    assert_eq!(marked(&[]), ["linked", "event"]);
    assert!(marked(&["--as-of", "5"]).is_empty(), "it stood then");
    assert!(
        daemon
            .ok(&["get", "desk/event"])
            .contains("reported-in   desk/dispatch (retracted)\n")
    );
    let table = daemon.ok(&["search", "geneva"]);
    assert!(table.contains("current, its document is retracted"), "{table}");
    daemon.ok(&["reinstate", "desk/dispatch", "--reason", "error"]);
    assert!(marked(&[]).is_empty());
}

/// However many dispatches tell of an event, the one that is taken back is found.
#[test]
fn an_event_of_many_dispatches_says_which_of_all_of_them_is_retracted() {
    const DISPATCHES: usize = 300;
    let daemon = Daemon::start();
    let dispatch = |n: usize| {
        format!("{{\"series\":\"wire\",\"key\":\"d{n}\",\"kind\":\"document\",\"title\":\"A dispatch\"}}\n")
    };
    daemon.append(&(0..DISPATCHES).map(dispatch).collect::<String>());
    let relation = |n| format!(r#"{{"type":"reported-in","series":"wire","key":"d{n}"}}"#);
    let relations: Vec<String> = (0..DISPATCHES - 1).map(relation).collect();
    daemon.append(&format!(
        r#"{{"series":"desk","key":"event","kind":"event","title":"Talks","relations":[{}]}}"#,
        relations.join(",")
    ));
    let last = format!("wire/d{}", DISPATCHES - 1);
    daemon.ok(&["link", "desk/event", "reported-in", &last]);
    for entry in ["wire/d0", "wire/d298", &last] {
        daemon.ok(&["retract", entry, "--reason", "source-retracted"]);
    }
    let keys = |entry: &serde_json::Value| -> Vec<String> {
        let documents = entry["retracted_documents"].as_array().unwrap().iter();
        documents
            .map(|one| one["key"].as_str().unwrap().to_owned())
            .collect()
    };
    let expected = ["d0", "d298", "d299"];
    assert_eq!(
        keys(&json(&daemon.ok(&["get", "desk/event", "-o", "json"]))),
        expected
    );
    let found = lines(&daemon.ok(&["search", "kind = event", "-o", "json"]));
    assert_eq!(keys(&found[0]), expected);
}

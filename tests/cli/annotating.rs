//! annotate: a document becomes events, with an editor that is a script.

use crate::harness::{Daemon, Ended, json, lines, run};

const DISPATCH: &str = r#"{"series":"desk","key":"dispatch-1","kind":"document","title":"Bajwa receives Bagheri",
 "body":"Pakistan Army chief Gen. Qamar Javed Bajwa met Maj. Gen. Mohammad Bagheri in Rawalpindi on Wednesday.",
 "dates":[{"role":"reported","edtf":"2021-10-14"}],"reports":["ISPR"]}"#;

fn with_one() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(DISPATCH);
    daemon
}

fn annotated(daemon: &Daemon, script: &str, more: &[&str]) -> Ended {
    let editor = daemon.file("editor.sh", &format!("#!/bin/sh\n{script}\n"));
    let mut command = daemon.ask(&[&["annotate", "desk/dispatch-1", "-o", "json"], more].concat());
    run(command
        .env("EDITOR", format!("sh {editor}"))
        .env("TMPDIR", daemon.folder()))
}

/// The documents that are left to be annotated.
fn left(daemon: &Daemon) -> Vec<String> {
    let listed = lines(&daemon.ok(&["annotate", "--list", "-o", "json"]));
    let name = |one: &serde_json::Value| one["key"].as_str().unwrap().to_owned();
    listed.iter().map(name).collect()
}

#[test]
fn what_a_person_corrected_is_recorded_as_events_reported_in_the_document() {
    let daemon = with_one();
    assert_eq!(left(&daemon), ["dispatch-1"]);
    let script = "sed -i 's/^event$/event meeting/; s/^title:.*/title: They met/; s/| Pakistan Army chief |/| Chief of Army Staff |/' \"$1\"
        printf '\\nevent\\ntitle: A second one\\n' >> \"$1\"";
    let ended = annotated(&daemon, script, &["--as", "desk-officer"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(lines(&ended.out).len(), 2);
    assert!(
        ended.err.contains("2 events reported-in desk/dispatch-1"),
        "{}",
        ended.err
    );
    let event = json(&daemon.ok(&["get", "desk/meeting", "-o", "json"]));
    assert_eq!(
        (&event["kind"], &event["title"]),
        (&"event".into(), &"They met".into())
    );
    assert_eq!(event["principal"], "claimed:desk-officer");
    assert_eq!(event["participants"][0]["office"], "Chief of Army Staff");
    assert_eq!(event["participants"][1]["name"], "Mohammad Bagheri");
    assert_eq!(event["dates"][0]["edtf"], "2021-10-13");
    assert_eq!(event["types"][0]["code"], "040");
    assert_eq!(event["reports"][0]["publisher"], "ISPR");
    assert_eq!(
        event["relations"][0],
        serde_json::json!({"type": "reported-in", "series": "desk", "key": "dispatch-1"})
    );
    let found = daemon.ok(&["search", "reported_in = desk/dispatch-1", "-o", "json"]);
    assert_eq!(lines(&found).len(), 2);
    assert!(left(&daemon).is_empty());
    let again = daemon.ok(&["annotate", "desk/dispatch-1", "--print"]);
    assert!(
        again.contains("2 events are reported in it already: desk/"),
        "{again}"
    );
}

#[test]
fn what_nobody_changed_or_left_is_not_recorded() {
    let daemon = with_one();
    for (script, said) in [
        ("true", "nothing was changed, so nothing is recorded\n"),
        (
            "echo '# nothing' > \"$1\"",
            "no event is left, so nothing is recorded\n",
        ),
    ] {
        let ended = annotated(&daemon, script, &[]);
        assert_eq!(
            (ended.code, ended.err.as_str(), ended.out.as_str()),
            (0, said, "")
        );
    }
    assert_eq!(daemon.tail(), 1);
}

#[test]
fn an_annotation_that_cannot_be_taken_is_kept_and_can_be_taken_from_its_file() {
    let daemon = with_one();
    let ended = annotated(&daemon, "sed -i 's/^occurred:.*/occurred: once/' \"$1\"", &[]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains(": line "), "{}", ended.err);
    let kept = ended.err.rsplit_once("--from ").unwrap().1.trim();
    assert_eq!(daemon.tail(), 1);
    let mended = std::fs::read_to_string(kept)
        .unwrap()
        .replace("once", "2021-10-13");
    std::fs::write(kept, mended).unwrap();
    let dry = daemon.ok(&[
        "annotate",
        "desk/dispatch-1",
        "--from",
        kept,
        "--dry-run",
        "-o",
        "json",
    ]);
    assert_eq!(
        (json(&dry)["outcome"].as_str(), daemon.tail()),
        (Some("recorded"), 1)
    );
    daemon.ok(&["annotate", "desk/dispatch-1", "--from", kept, "--series", "coded"]);
    assert_eq!(
        lines(&daemon.ok(&["search", "series = coded", "-o", "json"])).len(),
        1
    );
}

#[test]
fn the_json_form_is_edited_and_checked_as_well() {
    let daemon = with_one();
    let ended = annotated(
        &daemon,
        "sed -i 's/\"title\": .*/\"title\": \"They met\",/' \"$1\"",
        &["--json"],
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    let found = lines(&daemon.ok(&["search", "kind = event", "-o", "json"]));
    assert_eq!((found.len(), found[0]["title"].as_str()), (1, Some("They met")));
    assert_eq!(found[0]["relations"].as_array().unwrap().len(), 1);
    for (text, said) in [
        (
            "{\"title\": \"a\", \"revision\": 1}",
            "line 1: an annotation makes new entries; take out `revision`",
        ),
        (
            "\n{\"title\": \"a\", \"kind\": \"report\"}",
            "line 2: an annotation is of events, not of kind `report`",
        ),
        (
            "# nothing",
            "has no event; chancery annotate desk/dispatch-1 --print",
        ),
    ] {
        let file = daemon.file("events.json", text);
        let ended = run(&mut daemon.ask(&["annotate", "desk/dispatch-1", "--from", &file]));
        assert_eq!(ended.code, 1);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}

#[test]
fn only_a_document_that_stands_is_annotated() {
    let daemon = with_one();
    daemon.append(r#"{"series":"desk","key":"talks-1","kind":"event","title":"Talks"}"#);
    let refused = |args: &[&str]| {
        let ended = run(&mut daemon.ask(args));
        (ended.code, ended.err)
    };
    let (code, err) = refused(&["annotate", "desk/talks-1", "--print"]);
    assert!(
        code == 1 && err.contains("`desk/talks-1` is of kind `event`"),
        "{err}"
    );
    daemon.ok(&["retract", "desk/dispatch-1", "--reason", "source-retracted"]);
    let (code, err) = refused(&["annotate", "desk/dispatch-1", "--print"]);
    assert!(
        code == 1 && err.contains("`desk/dispatch-1` is retracted"),
        "{err}"
    );
    assert_eq!(refused(&["annotate"]).0, 2);
    assert!(
        left(&daemon).is_empty(),
        "a retracted document is not left to be annotated"
    );
}

#[test]
fn a_document_is_left_again_once_its_events_are_retracted_and_a_link_annotates_too() {
    let daemon = with_one();
    daemon.append(r#"{"series":"desk","key":"event-1","kind":"event","title":"Talks","relations":["reported-in desk/dispatch-1"]}"#);
    daemon.append(r#"{"series":"desk","key":"event-2","kind":"event","title":"Talks"}"#);
    assert!(left(&daemon).is_empty());
    daemon.ok(&["retract", "desk/event-1", "--reason", "error"]);
    assert_eq!(left(&daemon), ["dispatch-1"]);
    daemon.ok(&["link", "desk/event-2", "reported-in", "desk/dispatch-1"]);
    assert!(left(&daemon).is_empty());
    daemon.ok(&["unlink", "desk/event-2", "reported-in", "desk/dispatch-1"]);
    assert_eq!(left(&daemon), ["dispatch-1"]);
    assert_eq!(
        daemon.ok(&["annotate", "--list", "reported", "=", "2020", "-o", "json"]),
        ""
    );
}

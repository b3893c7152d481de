//! edit, with an editor that is a script.

use crate::harness::{Daemon, Ended, json, run};

const ONE: &str =
    r#"{"series":"desk","key":"talks-in-geneva","kind":"event","title":"Talks","raw":"row\t1"}"#;

fn edited(daemon: &Daemon, script: &str) -> Ended {
    let editor = daemon.file("editor.sh", &format!("#!/bin/sh\n{script}\n"));
    let mut command = daemon.ask(&["edit", "desk/talks-in-geneva", "-o", "json"]);
    run(command
        .env("EDITOR", format!("sh {editor}"))
        .env("TMPDIR", daemon.folder()))
}

fn with_one() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(ONE);
    daemon
}

/// The edits that were kept.
fn kept(daemon: &Daemon) -> Vec<String> {
    let files = std::fs::read_dir(daemon.folder()).unwrap();
    let names = files.map(|file| file.unwrap().path().to_str().unwrap().to_owned());
    names.filter(|name| name.contains("chancery-edit-")).collect()
}

#[test]
fn what_the_editor_changed_is_appended_and_the_raw_input_stays() {
    let daemon = with_one();
    let ended = edited(
        &daemon,
        "grep -q raw \"$1\" && exit 1; sed -i 's/\"Talks\"/\"Long talks\"/' \"$1\"",
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(json(&ended.out)["revision"], 2);
    let found = json(&daemon.ok(&["get", "desk/talks-in-geneva", "-o", "json"]));
    assert_eq!(
        (&found["title"], &found["raw"]),
        (&"Long talks".into(), &"row\t1".into())
    );
    assert_eq!(found["reason"], "corrected");
    assert!(kept(&daemon).is_empty());
}

#[test]
fn an_editor_that_changes_nothing_appends_nothing() {
    let daemon = with_one();
    let ended = edited(&daemon, "true");
    assert_eq!((ended.code, ended.err.as_str()), (0, "nothing changed\n"));
    let reasons_only = edited(&daemon, "sed -i 's/corrected/reissued/' \"$1\"");
    assert_eq!(
        (reasons_only.code, reasons_only.err.as_str()),
        (0, "nothing changed\n")
    );
    assert_eq!(daemon.tail(), 1);
}

#[test]
fn an_edit_that_cannot_be_taken_is_kept_with_its_problem() {
    let daemon = with_one();
    let ended = edited(&daemon, "sed -i 's/\"title\"/\"titel\"/' \"$1\"");
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("did you mean `title`") && ended.err.contains("your edit is kept in"),
        "{}",
        ended.err
    );
    let kept = kept(&daemon);
    assert_eq!(kept.len(), 1);
    assert!(ended.err.contains(&kept[0]), "{}", ended.err);
    assert!(std::fs::read_to_string(&kept[0]).unwrap().contains("titel"));
}

#[test]
fn a_conflict_overwrites_nobody_and_loses_nothing() {
    let daemon = with_one();
    let binary = env!("CARGO_BIN_EXE_chancery");
    let script = format!(
        "{binary} amend desk/talks-in-geneva --set title=Meanwhile --reason corrected >/dev/null && sed -i 's/\"Talks\"/\"Mine\"/' \"$1\""
    );
    let ended = edited(&daemon, &script);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.err.contains("someone amended the entry meanwhile"),
        "{}",
        ended.err
    );
    assert_eq!(
        json(&daemon.ok(&["get", "desk/talks-in-geneva", "-o", "json"]))["title"],
        "Meanwhile"
    );
    assert!(
        std::fs::read_to_string(&kept(&daemon)[0])
            .unwrap()
            .contains("Mine")
    );
}

#[test]
fn an_editor_that_fails_appends_nothing() {
    let daemon = with_one();
    let ended = edited(&daemon, "sed -i 's/\"Talks\"/\"Mine\"/' \"$1\"; exit 3");
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("nothing was appended"), "{}", ended.err);
    assert_eq!((daemon.tail(), kept(&daemon).len()), (1, 1));
}

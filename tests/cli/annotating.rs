//! annotate: a document becomes events, with an editor that is a script.

use crate::harness::{Daemon, Ended, ended_meanwhile, json, lines, run};

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
        again.contains("2 events are stated to be reported in it already: desk/"),
        "{again}"
    );
}

#[test]
fn what_nobody_changed_or_left_is_not_recorded() {
    let daemon = with_one();
    for (script, said) in [
        ("true", "nothing was changed, so nothing is recorded\n"),
        (
            "sed -i '/^[^#]/d' \"$1\"",
            "no event is left, so nothing is recorded\n",
        ),
        ("echo > \"$1\"", "no event is left, so nothing is recorded\n"),
    ] {
        let ended = annotated(&daemon, script, &[]);
        assert_eq!(
            (ended.code, ended.err.as_str(), ended.out.as_str()),
            (0, said, "")
        );
    }
    assert_eq!((daemon.tail(), kept(&daemon).len()), (1, 0));
}

/// The annotations that were kept.
fn kept(daemon: &Daemon) -> Vec<String> {
    let files = std::fs::read_dir(daemon.folder()).unwrap();
    let names = files.map(|file| file.unwrap().path().to_str().unwrap().to_owned());
    names.filter(|name| name.contains("chancery-edit-")).collect()
}

/// Runs the command that an error or a note ends with, as a shell does, with no editor at hand.
fn go_on(daemon: &Daemon, said: &str) -> Ended {
    let command = said.trim().rsplit_once(": chancery ").unwrap().1;
    let binary = env!("CARGO_BIN_EXE_chancery");
    let mut shell = std::process::Command::new("sh");
    let output = shell
        .args(["-c", &format!("{binary} {command}")])
        .env_remove("CHANCERY_SERVER")
        .current_dir(daemon.folder())
        .output()
        .unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn notes_in_comments_are_kept_when_no_event_is_left() {
    let daemon = with_one();
    let ended = annotated(
        &daemon,
        "sed -i '/^[^#]/d' \"$1\"; echo '# ask Anna' >> \"$1\"",
        &[],
    );
    assert_eq!((ended.code, ended.out.as_str()), (0, ""));
    let kept = kept(&daemon);
    assert_eq!(kept.len(), 1, "{ended:?}");
    let said = format!(
        "no event is left, so nothing is recorded; what you wrote is kept in {}\n",
        kept[0]
    );
    assert_eq!(ended.err, said);
    assert!(
        std::fs::read_to_string(&kept[0])
            .unwrap()
            .ends_with("# ask Anna\n")
    );
}

#[test]
fn a_dry_run_in_the_editor_keeps_what_was_typed_and_says_how_to_record_it() {
    let daemon = with_one();
    let script = "sed -i 's/^title:.*/title: They met/' \"$1\"";
    let ended = annotated(
        &daemon,
        script,
        &["--dry-run", "--series", "coded", "--as", "an officer"],
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!((daemon.tail(), kept(&daemon).len()), (1, 1));
    assert!(
        ended.err.starts_with(
            "nothing is written; 1 event would be reported-in desk/dispatch-1; your annotation is kept in "
        ),
        "{}",
        ended.err
    );
    // The file stays, so that somebody may run it again.
    for _ in 0..2 {
        let done = go_on(&daemon, &ended.err);
        assert_eq!(done.code, 0, "{done:?}");
    }
    let found = lines(&daemon.ok(&["search", "kind = event", "-o", "json"]));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0]["series"], &found[0]["title"], &found[0]["principal"]),
        (&"coded".into(), &"They met".into(), &"claimed:an officer".into())
    );
}

#[test]
fn what_is_recorded_is_not_kept_where_its_receipts_cannot_be_printed() {
    let daemon = with_one();
    let editor = daemon.file(
        "editor.sh",
        "#!/bin/sh\nsed -i 's/^title:.*/title: They met/' \"$1\"\n",
    );
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_chancery"))
        .args(["annotate", "desk/dispatch-1"])
        .env("CHANCERY_SERVER", daemon.address())
        .env("EDITOR", format!("sh {editor}"))
        .env("TMPDIR", daemon.folder())
        .stdin(std::process::Stdio::null())
        .stdout(full)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("1 event reported-in desk/dispatch-1, but the output cannot be written: "),
        "{err}"
    );
    assert!(!err.contains("kept") && !err.contains("--from"), "{err}");
    assert_eq!((daemon.tail(), kept(&daemon).len()), (2, 0));
}

#[test]
fn a_refusal_names_the_line_and_the_command_that_goes_on_names_all_that_was_given() {
    let daemon = with_one();
    daemon.append(r#"{"series":"desk","key":"taken","kind":"event","title":"Taken"}"#);
    let script = "printf 'event one\ntitle: One\n\n# a note\nevent taken\ntitle: Two\n' > \"$1\"";
    let ended = annotated(
        &daemon,
        script,
        &[
            "--request-id",
            "batch 7",
            "--as",
            "an officer",
            "--series",
            "desk",
        ],
    );
    assert_eq!((ended.code, daemon.tail()), (1, 2), "{ended:?}");
    assert!(ended.err.starts_with("error: line 5: "), "{}", ended.err);
    let kept = kept(&daemon);
    let command = format!(
        "chancery annotate --as 'an officer' --server {} --request-id 'batch 7' --series desk desk/dispatch-1 --from {}",
        daemon.address(),
        kept[0]
    );
    assert!(ended.err.trim().ends_with(&command), "{}", ended.err);
    let mended = std::fs::read_to_string(&kept[0])
        .unwrap()
        .replace("event taken", "event free");
    std::fs::write(&kept[0], mended).unwrap();
    for _ in 0..2 {
        let done = go_on(&daemon, &ended.err);
        assert_eq!((done.code, daemon.tail()), (0, 4), "{done:?}");
    }
}

#[test]
fn a_broken_title_begins_no_event() {
    let daemon = with_one();
    let script = "printf 'event\ntitle: Major diplomatic\nevent in Geneva\noccurred: 2021-10-13\n' > \"$1\"";
    let ended = annotated(&daemon, script, &[]);
    assert_eq!((ended.code, daemon.tail()), (1, 1));
    assert!(
        ended.err.contains("line 3: `event in Geneva` begins no event"),
        "{}",
        ended.err
    );
}

#[test]
fn a_text_that_cannot_be_written_for_the_editor_is_one_clear_error() {
    let daemon = with_one();
    let nowhere = run(daemon
        .ask(&["annotate", "desk/dispatch-1"])
        .env("EDITOR", "true")
        .env("TMPDIR", "/dev/full"));
    let binary = env!("CARGO_BIN_EXE_chancery");
    // A file that may have no bytes is a disk that has no room.
    let full = std::process::Command::new("sh")
        .args([
            "-c",
            &format!("trap '' XFSZ; ulimit -f 0; exec {binary} annotate desk/dispatch-1"),
        ])
        .env("CHANCERY_SERVER", daemon.address())
        .env("EDITOR", "true")
        .env("TMPDIR", daemon.folder())
        .output()
        .unwrap();
    for (code, err) in [
        (nowhere.code, nowhere.err),
        (
            full.status.code().unwrap(),
            String::from_utf8(full.stderr).unwrap(),
        ),
    ] {
        assert_eq!(code, 1, "{err}");
        assert!(
            err.starts_with("error: the text for the editor cannot be written to `"),
            "{err}"
        );
        assert!(err.contains("; set TMPDIR to a folder that has room"), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    assert_eq!((daemon.tail(), kept(&daemon).len()), (1, 0));
}

#[test]
fn a_document_of_a_mebibyte_is_annotated_as_any_other() {
    let daemon = Daemon::start();
    let sentence = "The weather was fine, and of that day nothing else is told. ";
    // The rest of the payload's mebibyte are its other fields.
    let body = sentence.repeat(((1 << 20) - 512) / sentence.len());
    daemon.append(&format!(
        r#"{{"series":"desk","key":"dispatch-1","kind":"document","title":"Long","body":"{body}","dates":[{{"role":"reported","edtf":"2021-10-14"}}]}}"#
    ));
    let script = "printf 'event\ntitle: They met\n' >> \"$1\"";
    let ended = annotated(&daemon, script, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.contains("reported-in desk/dispatch-1"), "{}", ended.err);
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

#[test]
fn drafts_that_nobody_corrected_are_not_taken_from_a_file_either() {
    let daemon = with_one();
    for form in [&["--print"][..], &["--print", "--json"]] {
        let printed = daemon.ok(&[&["annotate", "desk/dispatch-1"], form].concat());
        let file = daemon.file("printed", &format!("{printed}\n# looked through\n"));
        let err = daemon.refused(&["annotate", "desk/dispatch-1", "--from", &file]);
        assert!(err.contains("has the drafts as they were printed"), "{err}");
    }
    assert_eq!(daemon.tail(), 1);
}

#[test]
fn a_document_that_was_taken_out_while_it_was_read_is_not_annotated() {
    let daemon = with_one();
    let binary = env!("CARGO_BIN_EXE_chancery");
    let meanwhile = |command: &str| {
        format!("{binary} {command} >/dev/null && sed -i 's/^title:.*/title: They met/' \"$1\"")
    };
    let amended = annotated(
        &daemon,
        &meanwhile("amend desk/dispatch-1 --set title=Amended --reason corrected"),
        &[],
    );
    assert_eq!(amended.code, 0, "{amended:?}");
    assert!(
        amended
            .err
            .contains("desk/dispatch-1 was amended while you annotated it: revision 1 is now revision 2"),
        "{}",
        amended.err
    );
    let tail = daemon.tail();
    let retracted = annotated(&daemon, &meanwhile("retract desk/dispatch-1 --reason error"), &[]);
    assert_eq!((retracted.code, daemon.tail()), (1, tail + 1), "{retracted:?}");
    assert!(
        retracted.err.contains("`desk/dispatch-1` is retracted")
            && retracted.err.contains("what you wrote is kept in "),
        "{}",
        retracted.err
    );
    assert_eq!(kept(&daemon).len(), 1);
}

#[test]
fn what_nobody_wrote_into_goes_when_the_editor_fails_or_is_ended_and_what_somebody_wrote_stays() {
    let daemon = with_one();
    let failed = annotated(&daemon, "exit 1", &[]);
    assert!(failed.err.contains("; nothing was recorded"), "{}", failed.err);
    let missing = run(daemon
        .ask(&["annotate", "desk/dispatch-1"])
        .env("EDITOR", "/nonexistent/editor")
        .env("TMPDIR", daemon.folder()));
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("; nothing was recorded"), "{}", missing.err);
    for (signal, write, is_kept) in [
        ("TERM", "true", false),
        ("TERM", "echo '# mine' >> \"$1\"", true),
        ("INT", "echo '# mine' >> \"$1\"", true),
    ] {
        let before = kept(&daemon).len();
        let ended = run(daemon
            .ask(&["annotate", "desk/dispatch-1"])
            .env("EDITOR", ended_meanwhile(&daemon, signal, write))
            .env("TMPDIR", daemon.folder()));
        assert_eq!(ended.code, 1, "{signal}: {ended:?}");
        assert_eq!(
            kept(&daemon).len() - before,
            usize::from(is_kept),
            "{signal}: {ended:?}"
        );
        assert_eq!(ended.err.contains("--from"), is_kept, "{}", ended.err);
    }
    assert_eq!(daemon.tail(), 1);
}

#[test]
fn without_an_editor_and_a_terminal_nothing_is_opened() {
    let daemon = with_one();
    for command in ["annotate", "edit"] {
        let ended = run(daemon
            .ask(&[command, "desk/dispatch-1"])
            .env("TMPDIR", daemon.folder()));
        assert_eq!(ended.code, 1);
        assert!(
            ended.err.starts_with("error: there is no editor to open: "),
            "{}",
            ended.err
        );
    }
    assert!(kept(&daemon).is_empty());
}

#[test]
fn a_slip_of_the_hand_is_told_with_its_line() {
    let daemon = with_one();
    let refused = |text: &str| {
        let file = daemon.file("events", text);
        daemon.refused(&["annotate", "desk/dispatch-1", "--from", &file])
    };
    for (text, said) in [
        ("event\ntitle: a\ntype: 999", "line 3: `999` is no code of CAMEO"),
        (
            "event\ntitle: a\nparty: b | VP | XXX | person",
            "line 3: `XXX` is no country",
        ),
        (
            "event\ntitle: a\nparty: | VP | PAK | person",
            "line 3: nobody is named",
        ),
        ("event\ntitle: a\nplace: | FRA", "line 3: no place is named"),
        (
            "event one\ntitle: a\n\nevent one\ntitle: b",
            "line 4: the event of line 1 has the key `one` too",
        ),
    ] {
        assert!(refused(text).contains(said), "{}", refused(text));
    }
    let listed = run(&mut daemon.ask(&["annotate", "desk/dispatch-1", "--list"]));
    assert_eq!(listed.code, 2);
    assert!(
        listed
            .err
            .contains("--list takes a filter, and `desk/dispatch-1`"),
        "{}",
        listed.err
    );
}

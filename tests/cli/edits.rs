//! edit, with an editor that is a script.

use crate::harness::{Daemon, Ended, ended_meanwhile, json, run};

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
        ended.err.contains("did you mean `title`") && ended.err.contains("what you wrote is kept in"),
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
    let kept = kept(&daemon);
    assert_eq!((daemon.tail(), kept.len()), (1, 1));
    assert!(
        ended
            .err
            .contains("` failed (exit status: 3); what you wrote is kept in ")
            && ended.err.contains(&kept[0]),
        "{}",
        ended.err
    );
    let untouched = edited(&daemon, "exit 3");
    assert!(
        untouched.err.contains("; nothing was recorded"),
        "{}",
        untouched.err
    );
    assert_eq!(self::kept(&daemon).len(), 1);
}

/// Runs the command that an error ends with, as a shell does, with no editor at hand.
fn go_on(daemon: &Daemon, said: &str) -> Ended {
    let command = said.trim().rsplit_once(": chancery ").unwrap().1;
    let binary = env!("CARGO_BIN_EXE_chancery");
    let mut shell = std::process::Command::new("sh");
    let output = shell
        .args(["-c", &format!("{binary} {command} -o json")])
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

fn mend(path: &str, was: &str, now: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(was), "{text}");
    std::fs::write(path, text.replacen(was, now, 1)).unwrap();
}

#[test]
fn the_command_that_goes_on_with_a_kept_edit_keeps_the_raw_input() {
    let daemon = with_one();
    let ended = edited(
        &daemon,
        "sed -i 's/\"Talks\"/\"Long talks\"/; s/\"corrected\"/\"no code at all\"/' \"$1\"",
    );
    assert_eq!(ended.code, 1, "{ended:?}");
    mend(&kept(&daemon)[0], "no code at all", "corrected");
    let done = go_on(&daemon, &ended.err);
    assert_eq!(
        (done.code, &json(&done.out)["revision"]),
        (0, &2.into()),
        "{done:?}"
    );
    let found = json(&daemon.ok(&["get", "desk/talks-in-geneva", "-o", "json"]));
    assert_eq!(
        (&found["title"], &found["raw"]),
        (&"Long talks".into(), &"row\t1".into())
    );
    // Who is not sure runs it again.
    let again = go_on(&daemon, &ended.err);
    assert_eq!((again.code, again.err.as_str()), (0, "nothing changed\n"));
    assert_eq!(daemon.tail(), 2);
}

#[test]
fn the_command_that_goes_on_with_a_kept_form_begins_the_entry() {
    let daemon = Daemon::start();
    let editor = daemon.file(
        "editor.sh",
        "#!/bin/sh\nsed -i 's/\"title\": \"\"/\"title\": \"Some Body\"/; s/\"language\": \"\"/\"language\": \"no tag\"/; 0,/\"name\": \"\"/s//\"name\": \"S. Body\"/' \"$1\"\n",
    );
    let edit = |args: &[&str]| {
        run(daemon
            .ask(args)
            .env("EDITOR", format!("sh {editor}"))
            .env("TMPDIR", daemon.folder()))
    };
    let ended = edit(&["edit", "authority/some-body"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    mend(&kept(&daemon)[0], "no tag", "en");
    for _ in 0..2 {
        let done = go_on(&daemon, &ended.err);
        assert_eq!((done.code, daemon.tail()), (0, 1), "{done:?}");
    }
    let found = json(&daemon.ok(&["get", "authority/some-body", "-o", "json"]));
    assert_eq!(
        (&found["kind"], &found["title"]),
        (&"authority".into(), &"Some Body".into())
    );
    assert_eq!(found["names"][0]["language"], "en");
}

#[test]
fn a_new_authority_is_not_taken_for_one_whose_key_begins_so() {
    let daemon = Daemon::start();
    daemon.append(
        r#"{"series":"authority","key":"imran-khan-niazi","kind":"authority","title":"Imran Khan Niazi"}"#,
    );
    let editor = daemon.file(
        "editor.sh",
        "#!/bin/sh\nsed -i '0,/\"title\": \"\"/s//\"title\": \"Imran Khan\"/' \"$1\"\n",
    );
    let ended = run(daemon
        .ask(&["edit", "authority/imran-khan", "-o", "json"])
        .env("EDITOR", format!("sh {editor}"))
        .env("TMPDIR", daemon.folder()));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(json(&ended.out)["key"], "imran-khan");
    let found = json(&daemon.ok(&["get", "authority/imran-khan-niazi", "-o", "json"]));
    assert_eq!(
        (&found["title"], &found["revision"]),
        (&"Imran Khan Niazi".into(), &1.into())
    );
}

#[test]
fn an_edit_that_is_ended_from_outside_is_kept_where_somebody_wrote() {
    let daemon = with_one();
    for (write, is_kept) in [("true", false), ("sed -i 's/Talks/Mine/' \"$1\"", true)] {
        let editor = ended_meanwhile(&daemon, "TERM", write);
        let ended = run(daemon
            .ask(&["edit", "desk/talks-in-geneva"])
            .env("EDITOR", editor)
            .env("TMPDIR", daemon.folder()));
        assert_eq!((ended.code, daemon.tail()), (1, 1), "{ended:?}");
        assert!(ended.err.contains("error: interrupted; "), "{}", ended.err);
        assert_eq!(ended.err.contains("--from"), is_kept, "{}", ended.err);
        assert_eq!(kept(&daemon).len(), usize::from(is_kept), "{}", ended.err);
    }
}

#[test]
fn an_emptied_text_records_nothing_and_says_so() {
    let daemon = with_one();
    let ended = edited(&daemon, ": > \"$1\"");
    assert_eq!((ended.code, daemon.tail()), (1, 1));
    assert_eq!(ended.err, "error: the text was emptied; nothing was recorded\n");
    assert!(kept(&daemon).is_empty());
}

#[test]
fn a_report_that_has_only_a_sentence_is_shown_by_it() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"talks","kind":"event","title":"Talks","reports":[{"sentence":"They met in Rawalpindi."}]}"#);
    let shown = daemon.ok(&["get", "desk/talks"]);
    assert!(
        shown.contains("They met in Rawalpindi.") && !shown.contains("reported by"),
        "{shown}"
    );
}

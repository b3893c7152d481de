//! watch: in order, at least once, and on from where it stood.

use crate::harness::{Daemon, chancery, gone, interrupt, json, lines, run, signal, text, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use std::io::{BufRead, BufReader};

fn event(n: u32) -> String {
    format!("{{\"series\":\"desk\",\"key\":\"k{n}\",\"kind\":\"event\",\"title\":\"t{n}\"}}")
}

fn with(numbers: std::ops::Range<u32>) -> Daemon {
    let daemon = Daemon::start();
    append(&daemon, numbers);
    daemon
}

fn append(daemon: &Daemon, numbers: std::ops::Range<u32>) {
    daemon.append(&numbers.map(event).collect::<String>());
}

fn keys(out: &str) -> Vec<String> {
    lines(out)
        .iter()
        .map(|one| one["key"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_watch_shows_every_record_from_its_start_to_its_end() {
    let daemon = with(0..5);
    let out = daemon.ok(&["watch", "--from", "start", "--until", "4", "-o", "json"]);
    assert_eq!(keys(&out), ["k0", "k1", "k2", "k3", "k4"]);
    assert_eq!(lines(&out)[0]["change"], "enters");
    let out = daemon.ok(&["watch", "key = k3", "--from", "1", "--until", "4"]);
    assert_eq!(out.lines().count(), 1);
    assert!(
        out.contains("#3") && out.contains("t3") && out.contains("desk/k3"),
        "{out}"
    );
}

#[test]
fn with_a_state_file_a_watch_goes_on_where_it_stood() {
    let daemon = with(0..3);
    let state = daemon.folder().join("state");
    let state = state.to_str().unwrap();
    let watch = |until: &str| {
        keys(&daemon.ok(&[
            "watch", "--from", "start", "--state", state, "--until", until, "-o", "json",
        ]))
    };
    assert_eq!(watch("2"), ["k0", "k1", "k2"]);
    append(&daemon, 3..5);
    assert_eq!(watch("4"), ["k3", "k4"]);
    let kept = json(&std::fs::read_to_string(state).unwrap());
    assert_eq!(
        (&kept["next"], &kept["origin"]),
        (&5.into(), &"example.org/test".into())
    );
}

#[test]
fn a_state_file_that_is_empty_is_told_and_a_watch_that_does_not_begin_leaves_none() {
    let daemon = with(0..2);
    let empty = daemon.file("empty", "");
    let ended = run(&mut daemon.ask(&[
        "watch", "--from", "1", "--state", &empty, "--until", "1", "-o", "json",
    ]));
    assert!(
        ended.err.contains("is empty and keeps no place yet"),
        "{}",
        ended.err
    );
    assert_eq!((ended.out.lines().count(), ended.code), (1, 0));
    let ended = run(&mut daemon.ask(&["watch", "--state", &empty, "--until", "1"]));
    assert_eq!((ended.err.as_str(), ended.code), ("", 0));
    let state = daemon.folder().join("none");
    let path = state.to_str().unwrap();
    daemon.refused(&["watch", "title ~ [", "--state", path]);
    let nowhere = daemon.folder().join("no/such/state");
    let error = daemon.refused(&["watch", "--state", nowhere.to_str().unwrap()]);
    assert!(error.contains("its folder is not there; make it"), "{error}");
    assert!(!state.exists(), "it has no place to keep");
}

#[test]
fn a_state_of_another_filter_is_refused() {
    let daemon = with(0..2);
    let state = daemon.folder().join("state");
    let state = state.to_str().unwrap();
    daemon.ok(&["watch", "--from", "start", "--state", state, "--until", "1"]);
    let error = daemon.refused(&["watch", "series = desk", "--state", state, "--until", "1"]);
    assert!(error.contains("filter"), "{error}");
    let notes = daemon.file("notes.txt", "mine");
    let error = daemon.refused(&["watch", "--state", &notes, "--until", "1"]);
    assert!(error.contains("not a state file"), "{error}");
}

#[test]
fn a_state_of_a_watch_of_records_alone_is_not_taken_for_one_of_changes() {
    let daemon = with(0..2);
    let state = daemon.folder().join("state");
    let state = state.to_str().unwrap();
    let alone = [
        "watch",
        "--from",
        "start",
        "--records-only",
        "--state",
        state,
        "--until",
        "1",
    ];
    daemon.ok(&alone);
    let error = daemon.refused(&["watch", "--state", state, "--until", "1"]);
    assert!(error.contains("a watch with `--records-only`; add it"), "{error}");
    daemon.ok(&alone);
    // One that an earlier version wrote does not say which it is of, nor does its token.
    let mut kept = json(&text(state.as_ref()));
    kept.as_object_mut().unwrap().remove("records_only");
    let mut token = STANDARD.decode(kept["resume_token"].as_str().unwrap()).unwrap();
    let body = token.len() - 4;
    token[0] = 1;
    let sum = crc32c::crc32c(&token[..body]);
    token[body..].copy_from_slice(&sum.to_be_bytes());
    kept["resume_token"] = STANDARD.encode(token).into();
    std::fs::write(state, kept.to_string()).unwrap();
    daemon.ok(&["watch", "--state", state, "--until", "1"]);
    let error = daemon.refused(&alone);
    assert!(
        error.contains("without `--records-only`; leave it out"),
        "{error}"
    );
}

#[test]
fn a_place_that_cannot_be_gone_on_from_is_told_with_its_file() {
    let daemon = with(0..2);
    let state = daemon.folder().join("state");
    let state = state.to_str().unwrap();
    let watch = ["watch", "--from", "start", "--state", state, "--until", "1"];
    daemon.ok(&watch);
    let error = daemon.refused(&["watch", "series = desk", "--state", state]);
    assert!(
        error.contains("of another watch, of everything on example.org/test"),
        "{error}"
    );
    // Another archive of the same name, as one that was put back from an older copy.
    let restored = with(5..6);
    let error = restored.refused(&watch);
    assert!(
        error.contains(&format!("`{state}` stands at position 2, after records that"))
            && error.contains("was restored from an older copy or forked: compare what was done"),
        "{error}"
    );
    let mut kept = json(&text(state.as_ref()));
    kept["resume_token"] = STANDARD.encode("no token").into();
    std::fs::write(state, kept.to_string()).unwrap();
    let error = daemon.refused(&watch);
    assert!(
        error.contains(&format!("`{state}` has a damaged resume_token"))
            && error.contains("use another --state, with `--from 2`"),
        "{error}"
    );
}

#[test]
fn a_watch_or_a_group_that_would_begin_later_is_told_where_it_can_begin() {
    let daemon = with(0..2);
    for args in [
        ["watch", "--from", "2100-01-01", "--until=1"],
        ["group", "create", "later", "--from=2100-01-01"],
    ] {
        let error = daemon.refused(&args);
        assert!(
            error.contains("begin at the tail, or at a time that has passed"),
            "{error}"
        );
    }
}

#[test]
fn what_could_never_come_or_never_be_done_is_refused() {
    let daemon = with(0..2);
    let ended = run(&mut daemon.ask(&["watch", "--from", "5", "--until", "4"]));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.err.contains("`--until 4` lies before `--from 5`"),
        "{ended:?}"
    );
    let empty = run(&mut daemon.ask(&["watch", "--from", "start", "--until", "1", "--exec", " "]));
    assert_eq!(empty.code, 2, "{empty:?}");
    assert!(empty.err.contains("it is empty; give a command"), "{empty:?}");
}

#[test]
fn a_command_runs_for_each_record_and_again_until_it_succeeds() {
    let daemon = with(0..3);
    let log = daemon.folder().join("log");
    let script = daemon.file(
        "each.sh",
        "echo $CHANCERY_POSITION $CHANCERY_SERIES $CHANCERY_KEY $CHANCERY_ACT $CHANCERY_REVISION $CHANCERY_CHANGE >> log\n\
         echo $CHANCERY_HASH >> hashes\n\
         cat >> input\n\
         if [ $CHANCERY_POSITION = 1 ] && [ ! -e failed ]; then touch failed; exit 1; fi\n",
    );
    let exec = format!("cd {} && sh {script}", daemon.folder().display());
    let ended = run(&mut daemon.ask(&["watch", "--from", "start", "--until", "2", "--exec", &exec]));
    assert_eq!(ended.code, 0, "{ended:?}");
    let told = std::fs::read_to_string(log).unwrap();
    let expected = [
        "0 desk k0 create 1 enters",
        "1 desk k1 create 1 enters",
        "1 desk k1 create 1 enters",
        "2 desk k2 create 1 enters",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    assert!(ended.err.contains("failed for position 1"), "{}", ended.err);
    let input = std::fs::read_to_string(daemon.folder().join("input")).unwrap();
    assert_eq!(keys(&input), ["k0", "k1", "k1", "k2"]);
    // A record has one name whenever it comes, and no other has it.
    let hashes = text(&daemon.folder().join("hashes"));
    let hashes: Vec<&str> = hashes.lines().collect();
    assert!(hashes.iter().all(|hash| hash.len() == 64), "{hashes:?}");
    assert!(hashes[1] == hashes[2] && hashes[0] != hashes[1] && hashes[1] != hashes[3]);
    let got = json(&daemon.ok(&["get", "desk/k1", "-o", "json"]));
    assert_eq!(got["leaf_hash"], hashes[1], "{got}");
}

#[test]
fn a_command_that_takes_too_long_is_killed_and_tried_again() {
    let daemon = with(0..1);
    let first = daemon.folder().join("first");
    let first = first.display();
    let exec = format!("test -e {first} || {{ touch {first}; sleep 600; }}");
    let args = [
        "watch",
        "--from",
        "start",
        "--until",
        "0",
        "--exec-timeout",
        "0.5",
        "--exec",
        &exec,
    ];
    let ended = run(&mut daemon.ask(&args));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended
            .err
            .contains("failed for position 0 (killed after 0.5 s); trying again"),
        "{}",
        ended.err
    );
}

#[test]
fn an_act_without_content_is_told_with_what_it_links_and_why() {
    let daemon = with(0..2);
    daemon.ok(&["link", "desk/k0", "responds-to", "desk/k1"]);
    daemon.ok(&["retract", "desk/k1", "--reason", "error"]);
    let out = daemon.ok(&["watch", "--from", "2", "--until", "3"]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].contains("responds-to desk/k1"), "{out}");
    assert!(lines[1].contains("reason: error"), "{out}");
}

#[test]
fn a_wrong_port_and_a_wrong_scheme_are_told_with_what_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let daemon = Daemon::with(folder, &settings);
    let files = daemon.files().unwrap().trim_end_matches('/').to_owned();
    let ended = run(&mut chancery(&[
        "watch", "--from", "start", "--until", "0", "--server", &files,
    ]));
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended
            .err
            .contains("is no daemon's gRPC port, perhaps that of its files"),
        "{ended:?}"
    );
    let secure = daemon.address().replace("http://", "https://");
    let ended = run(&mut chancery(&["watch", "--server", &secure]));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.err.contains("TLS is for a proxy or a tunnel"), "{ended:?}");
}

#[test]
fn what_leaves_a_filter_is_told() {
    let daemon = with(0..1);
    daemon.ok(&["retract", "desk/k0", "--reason", "error"]);
    let out = daemon.ok(&[
        "watch",
        "status = current",
        "--from",
        "start",
        "--until",
        "1",
        "-o",
        "json",
    ]);
    let changes: Vec<_> = lines(&out)
        .iter()
        .map(|one| one["change"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(changes, ["enters", "leaves"]);
}

#[test]
fn of_records_alone_nothing_leaves() {
    let daemon = with(0..1);
    daemon.append(
        r#"{"act":"amend","series":"desk","key":"k0","kind":"event","title":"other","reason":"corrected"}"#,
    );
    let watch = [
        "watch",
        "title = t0",
        "--from",
        "start",
        "--until",
        "1",
        "-o",
        "json",
    ];
    let acts = |out: &str| -> Vec<String> {
        let acts = lines(out)
            .into_iter()
            .map(|one| one["act"].as_str().unwrap().to_owned());
        acts.collect()
    };
    assert_eq!(acts(&daemon.ok(&watch)), ["create", "amend"]);
    assert_eq!(
        acts(&daemon.ok(&[&watch[..], &["--records-only"]].concat())),
        ["create"]
    );
}

#[test]
fn of_leaves_alone_nothing_is_told_of_what_records_say() {
    let daemon = with(0..2);
    let watch = [
        "watch",
        "title = t1",
        "--from=start",
        "--until=1",
        "--leaves",
        "-o",
        "json",
    ];
    let told = json(&daemon.ok(&watch));
    assert_eq!((&told["key"], &told["change"]), (&"k1".into(), &"enters".into()));
    assert!(told["title"].is_null(), "{told}");
}

#[test]
fn a_watch_goes_on_when_the_daemon_comes_back_and_skips_nothing() {
    let daemon = with(0..1);
    let mut watch = daemon.spawn(&["watch", "--from", "start", "--until", "2", "-o", "json"]);
    let mut out = BufReader::new(watch.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    assert_eq!(json(&next())["key"], "k0");
    let address = daemon.address().trim_start_matches("http://").to_owned();
    let (_, folder) = daemon.stop();
    let again = Daemon::on(folder, &address);
    append(&again, 1..3);
    assert_eq!([&json(&next())["key"], &json(&next())["key"]], ["k1", "k2"]);
    assert!(watch.wait().unwrap().success());
}

#[test]
fn a_watch_that_is_interrupted_ends_well() {
    let daemon = with(0..1);
    let mut watch = daemon.spawn(&["watch", "--from", "start", "-o", "json"]);
    let mut line = String::new();
    BufReader::new(watch.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    interrupt(&watch);
    assert!(watch.wait().unwrap().success());
}

#[test]
fn a_command_does_not_outlive_a_watch_that_is_ended() {
    let daemon = with(0..1);
    for (name, how) in [("int", Signal::INT), ("term", Signal::TERM)] {
        let ids = daemon.folder().join(name);
        let exec = format!(
            "sleep 300 & echo $$ $! > {0}.new && mv {0}.new {0}; wait",
            ids.display()
        );
        let mut watch = daemon.spawn(&["watch", "--from", "start", "--exec", &exec]);
        until("the command runs", || ids.exists().then_some(()));
        signal(&watch, how);
        assert!(watch.wait().unwrap().success());
        gone(&text(&ids));
    }
}

#[test]
fn a_watch_whose_commands_write_for_nobody_ends_and_its_record_comes_again() {
    let daemon = with(0..3);
    let state = daemon.folder().join("state");
    let state = state.to_str().unwrap();
    // A shell ignores nothing: it ends of the signal, or fails at its next word.
    let exec = "echo $CHANCERY_KEY && sleep 0.1 && echo behind it";
    let args = ["watch", "--from", "start", "--state", state, "--exec", exec];
    let mut watch = daemon.spawn(&args);
    let mut out = BufReader::new(watch.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "k0\n");
    drop(out);
    let ended = watch.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{err}");
    assert!(
        err.contains("for position 0, and nobody reads its output any more; it is not done"),
        "{err}"
    );
    let again = daemon.ok(&["watch", "--state", state, "--until", "2", "-o", "json"]);
    assert_eq!(keys(&again), ["k0", "k1", "k2"]);
}

#[test]
fn a_watch_that_goes_on_within_a_batch_repeats_none_of_it() {
    let daemon = Daemon::start();
    let (state, told) = (daemon.folder().join("state"), daemon.folder().join("told"));
    let path = state.to_str().unwrap();
    let exec = format!("echo $CHANCERY_POSITION >> {}", told.display());
    let watch = ["watch", "--from", "start", "--state", path, "--exec", &exec];
    let mut first = daemon.spawn(&watch);
    until("its place is kept", || {
        text(&state).contains("next").then_some(())
    });
    interrupt(&first);
    assert!(first.wait().unwrap().success());
    let body = "x".repeat(500);
    let long = |n| format!("{{\"series\":\"desk\",\"key\":\"k{n}\",\"title\":\"t\",\"body\":\"{body}\"}}\n");
    daemon.append(&(0..1_000).map(long).collect::<String>());
    // It had done so much of the batch in which the records came; from the log they come in shorter ones.
    let mut kept = json(&text(&state));
    kept["next"] = 990.into();
    std::fs::write(&state, kept.to_string()).unwrap();
    let again = Daemon::on(daemon.stop().1, "127.0.0.1:0");
    // The folder is where it was.
    again.ok(&[&watch[..], &["--until", "999"]].concat());
    let told: Vec<u64> = text(&told).lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(told, (990..1_000).collect::<Vec<u64>>());
}

#[test]
fn two_watches_do_not_share_a_state_file() {
    let daemon = with(0..1);
    let state = daemon.folder().join("state");
    let path = state.to_str().unwrap();
    let watch = ["watch", "--from", "start", "--state", path];
    let mut first = daemon.spawn(&watch);
    until("it is kept", || text(&state).contains("\"next\":1").then_some(()));
    let error = daemon.refused(&watch);
    assert_eq!(
        error,
        format!(
            "error: `{path}` is in use by another watch; end that one, or give this one a --state of its own\n"
        )
    );
    append(&daemon, 1..2);
    until("it goes on", || text(&state).contains("\"next\":2").then_some(()));
    interrupt(&first);
    assert!(first.wait().unwrap().success());
    daemon.ok(&[&watch[..], &["--until", "1"]].concat());
}

#[test]
fn a_state_file_that_is_a_link_stays_one() {
    let daemon = with(0..1);
    let (real, link) = (daemon.folder().join("real"), daemon.folder().join("link"));
    std::os::unix::fs::symlink("real", &link).unwrap();
    let path = link.to_str().unwrap();
    // Once where there is nothing behind it yet, and once where there is.
    for until in ["0", "1"] {
        daemon.ok(&["watch", "--from", "start", "--state", path, "--until", until]);
        assert!(link.is_symlink());
        assert!(text(&real).contains("resume_token"));
        append(&daemon, 1..2);
    }
    assert_eq!(json(&text(&real))["next"], 2);
}

#[test]
fn a_watch_that_waits_ends_when_nobody_reads_it_any_more() {
    let daemon = with(0..2);
    let mut watch = daemon.spawn(&["watch", "--from", "start", "-o", "json"]);
    let mut out = BufReader::new(watch.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    out.read_line(&mut line).unwrap();
    drop(out);
    let ended = until("it ends", || watch.try_wait().unwrap());
    assert!(ended.success(), "{ended:?}");
}

#[test]
fn a_beginning_beyond_the_tail_is_told_with_what_can_be_begun_at() {
    let daemon = with(0..2);
    let error = daemon.refused(&["watch", "--from", "99"]);
    assert_eq!(
        error,
        "error: position 99 is beyond the tail 2; begin at the tail, with `--from tail`, or at a position up to it\n"
    );
}

//! `chancery group`: work that is shared, kept, and goes on after a kill.

use crate::harness::*;

fn append(daemon: &Daemon, keys: &[&str]) {
    let lines = keys.iter().map(|key| {
        format!(r#"{{"series":"desk","key":"{key}","kind":"document","title":"Dispatch {key}"}}"#)
    });
    daemon.append(&lines.collect::<Vec<_>>().join("\n"));
}

fn keys(text: &str) -> Vec<String> {
    let lines = lines(text).into_iter();
    lines
        .map(|line| line["key"].as_str().unwrap().to_owned())
        .collect()
}

fn group(daemon: &Daemon) -> serde_json::Value {
    json(&daemon.ok(&["group", "show", "desk", "-o", "json"]))
}

#[test]
fn a_group_is_made_worked_for_and_shown() {
    let daemon = Daemon::start();
    append(&daemon, &["a", "b", "c"]);
    daemon.ok(&["group", "create", "desk", "--from", "start", "kind = document"]);
    let shown = daemon.ok(&["group", "show", "desk"]);
    for part in [
        "kind = document",
        "0 of 3",
        "30 s to acknowledge, 5 deliveries",
        "lag       3 = 3 not looked at",
        "parked    0",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let taken = daemon.ok(&["group", "consume", "desk", "--max", "2", "-o", "json"]);
    assert_eq!(keys(&taken), ["a", "b"]);
    assert_eq!(
        (
            group(&daemon)["lag"].as_u64(),
            group(&daemon)["position"].as_u64()
        ),
        (Some(1), Some(2))
    );
    let rest = daemon.ok(&["group", "consume", "desk", "--until-empty", "-o", "json"]);
    assert_eq!(keys(&rest), ["c"]);
    assert_eq!(daemon.ok(&["group", "consume", "desk", "--until-empty"]), "");
    let listed = daemon.ok(&["group", "list"]);
    assert!(
        listed.contains("desk") && listed.contains("kind = document"),
        "{listed}"
    );
    daemon.ok(&["group", "delete", "desk"]);
    let error = daemon.refused(&["group", "show", "desk"]);
    assert!(error.contains("there is no group `desk`"), "{error}");
}

#[test]
fn a_command_that_fails_has_its_record_parked_with_the_reason() {
    let daemon = Daemon::start();
    append(&daemon, &["good", "bad"]);
    daemon.ok(&["group", "create", "desk", "--from", "start", "--deliveries", "1"]);
    let exec = r#"test "$CHANCERY_KEY" = good"#;
    daemon.ok(&["group", "consume", "desk", "--exec", exec, "--until-empty"]);
    let parked = json(&daemon.ok(&["group", "parked", "desk", "-o", "json"]));
    assert_eq!(parked["position"], 1);
    let reason = parked["reason"].as_str().unwrap();
    assert!(
        reason.contains("delivered once, then: the command failed: exit status: 1"),
        "{reason}"
    );
    for none in [["group", "replay", "desk", "0"], ["group", "drop", "desk", "0"]] {
        let error = daemon.refused(&none);
        assert!(
            error.contains("none of these records is parked in group `desk`"),
            "{error}"
        );
    }
    let some = run(&mut daemon.ask(&["group", "replay", "desk", "0", "1"]));
    assert_eq!(some.code, 0, "{some:?}");
    assert!(some.err.contains("delivered again: 1; not parked: 1"), "{some:?}");
    let again = daemon.ok(&["group", "consume", "desk", "--until-empty", "-o", "json"]);
    assert_eq!(keys(&again), ["bad"]);
    assert_eq!(group(&daemon)["lag"], 0);
    let both = run(&mut daemon.ask(&["group", "drop", "desk", "7", "--all"]));
    assert_eq!(both.code, 2, "{both:?}");
}

/// What waits for another record of its entry is not there to be taken, and nobody waits for it who ends when nothing is.
#[test]
fn in_a_group_that_keeps_order_a_consumer_ends_though_records_wait_for_one_that_is_with_another() {
    let daemon = Daemon::start();
    append(&daemon, &["a"]);
    for n in 0..3 {
        daemon.ok(&[
            "amend",
            "desk/a",
            "--set",
            &format!("title=Dispatch {n}"),
            "--reason",
            "corrected",
        ]);
    }
    daemon.ok(&["group", "create", "desk", "--from", "start", "--ordered"]);
    let mut slow = daemon.spawn(&["group", "consume", "desk", "--exec", "sleep 600"]);
    until("one is with it", || {
        (group(&daemon)["in_flight"] == 1).then_some(())
    });
    let shown = daemon.ok(&["group", "show", "desk"]);
    assert!(shown.contains("lag       4 = 1 in flight + 3 waiting"), "{shown}");
    assert_eq!(group(&daemon)["ready"], 0);
    let ended = run(&mut daemon.ask(&["group", "consume", "desk", "--until-empty"]));
    assert_eq!(
        (ended.code, ended.out.as_str(), ended.err.as_str()),
        (
            0,
            "",
            "nothing to take now: 1 with other consumers, 3 waiting for another of their entry\n"
        )
    );
    interrupt(&slow);
    assert!(slow.wait().unwrap().success());
}

#[test]
fn a_command_that_takes_too_long_is_killed_and_its_record_parked_in_the_end() {
    let daemon = Daemon::start();
    append(&daemon, &["slow"]);
    daemon.ok(&["group", "create", "desk", "--from", "start", "--deliveries", "1"]);
    let id = daemon.folder().join("id");
    let exec = format!("sleep 600 & echo $! > {}; wait", id.display());
    let args = [
        "group",
        "consume",
        "desk",
        "--until-empty",
        "--exec-timeout",
        "0.5",
        "--exec",
        &exec,
    ];
    let ended = run(&mut daemon.ask(&args));
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (
            0,
            "warning: the command failed for position 0 (killed after 0.5 s); it is parked\n\
             nothing to take now: 1 parked\n"
        )
    );
    gone(&text(&id));
    let parked = json(&daemon.ok(&["group", "parked", "desk", "-o", "json"]));
    assert!(
        parked["reason"].as_str().unwrap().contains("killed after 0.5 s"),
        "{parked}"
    );
    let none = run(&mut daemon.ask(&["group", "consume", "desk", "--exec-timeout", "1"]));
    assert!(none.code == 2 && none.err.contains("--exec"), "{none:?}");
}

#[test]
fn the_status_tells_of_groups() {
    let daemon = Daemon::start();
    append(&daemon, &["a"]);
    assert!(!daemon.ok(&["status"]).contains("groups"));
    daemon.ok(&["group", "create", "desk", "--from", "start", "--deliveries", "1"]);
    daemon.ok(&["group", "consume", "desk", "--exec", "false", "--until-empty"]);
    let shown = daemon.ok(&["status"]);
    assert!(
        shown.contains("groups          1, 1 record parked; see: chancery group list\n"),
        "{shown}"
    );
    let told = json(&daemon.ok(&["status", "-o", "json"]));
    assert_eq!(
        (&told["groups"]["all"], &told["groups"]["parked"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn what_was_acknowledged_before_a_kill_is_never_delivered_again() {
    let daemon = Daemon::start();
    append(&daemon, &["a", "b", "c", "d"]);
    daemon.ok(&["group", "create", "desk", "--from", "start"]);
    let taken = daemon.ok(&["group", "consume", "desk", "--max", "2", "-o", "json"]);
    assert_eq!(keys(&taken), ["a", "b"]);
    let folder = daemon.kill();
    let again = Daemon::on(folder, "127.0.0.1:0");
    let rest = again.ok(&["group", "consume", "desk", "--until-empty", "-o", "json"]);
    assert_eq!(keys(&rest), ["c", "d"]);
    assert_eq!(group(&again)["lag"], 0);
}

#[test]
fn settings_that_cannot_be_are_refused_by_their_names() {
    let daemon = Daemon::start();
    let error = daemon.refused(&["group", "create", "Desk"]);
    assert!(error.contains("`Desk` is no name of a group"), "{error}");
}

#[test]
fn a_damaged_copy_of_the_groups_is_named_by_verify_and_written_again_by_the_next_start() {
    let daemon = Daemon::start();
    append(&daemon, &["a"]);
    daemon.ok(&["group", "create", "desk", "--from", "start"]);
    let (_, folder) = daemon.stop();
    let data = folder.path().join("data");
    let copy = data.join("state/groups/journal.2");
    let mut bytes = std::fs::read(&copy).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&copy, bytes).unwrap();
    let verify = || run(&mut chancery(&["verify", "--data", data.to_str().unwrap()]));
    let found = verify();
    assert_eq!(found.code, 3, "{found:?}");
    assert!(format!("{found:?}").contains("groups/journal.2"), "{found:?}");
    let again = Daemon::on(folder, "127.0.0.1:0");
    assert_eq!(group(&again)["lag"], 1);
    let (_, folder) = again.stop();
    assert_eq!(verify().code, 0);
    drop(folder);
}

#[test]
fn what_a_consumer_that_ends_was_sent_goes_to_the_next_one_at_once() {
    let daemon = Daemon::start();
    let names: Vec<String> = (0..40).map(|at| format!("k{at}")).collect();
    append(&daemon, &names.iter().map(String::as_str).collect::<Vec<_>>());
    daemon.ok(&["group", "create", "mail", "--from", "start"]);
    // Its reader goes away after the first line.
    let command = format!(
        "{} group consume mail --server {} | head -1",
        env!("CARGO_BIN_EXE_chancery"),
        daemon.address()
    );
    let ended = std::process::Command::new("/bin/sh")
        .args(["-c", &command])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(ended.stdout).unwrap().lines().count(), 1);
    let rest = daemon.ok(&["group", "consume", "mail", "--until-empty", "-o", "json"]);
    let rest: Vec<u64> = lines(&rest)
        .iter()
        .map(|one| one["position"].as_u64().unwrap())
        .collect();
    // What was printed into the closed pipe may come again; nothing else is held back.
    assert!(rest.ends_with(&(8..40).collect::<Vec<_>>()), "{rest:?}");
    let shown = json(&daemon.ok(&["group", "show", "mail", "-o", "json"]));
    assert_eq!(
        (&shown["lag"], &shown["in_flight"]),
        (&0.into(), &0.into()),
        "{shown}"
    );
}

#[test]
fn settings_out_of_bounds_are_refused_in_the_words_of_the_flags_and_a_group_that_is_there_is_said_to_be() {
    let daemon = Daemon::start();
    append(&daemon, &["a"]);
    let refused = |args: &[&str]| {
        let ended = run(&mut daemon.ask(&[&["group", "create", "mail"], args].concat()));
        assert_eq!(ended.code, 2, "{}", ended.err);
        ended.err
    };
    assert!(refused(&["--ack-timeout", "0"]).contains("allowed are 0.1 to 86400 seconds"));
    assert!(refused(&["--deliveries", "0"]).contains("allowed is a whole number from 1 to 1000"));
    daemon.ok(&["group", "create", "mail", "--from", "start"]);
    let again = run(&mut daemon.ask(&["group", "create", "mail", "--from", "start"]));
    assert!(
        again.code == 0 && again.err.contains("was there already"),
        "{}",
        again.err
    );
}

#[test]
fn a_command_is_dead_before_its_record_goes_to_another_consumer() {
    let daemon = Daemon::start();
    append(&daemon, &["a"]);
    daemon.ok(&["group", "create", "mail", "--from", "start"]);
    let ids = daemon.folder().join("ids");
    let exec = format!(
        "echo $$ > {0}.new && mv {0}.new {0}; sleep 300; true",
        ids.display()
    );
    let mut consumer = daemon.spawn(&["group", "consume", "mail", "--exec", &exec]);
    until("the command runs", || ids.exists().then_some(()));
    signal(&consumer, rustix::process::Signal::TERM);
    let taken = daemon.ok(&["group", "consume", "mail", "--max", "1", "-o", "json"]);
    assert_eq!(keys(&taken), ["a"]);
    let leader = text(&ids);
    let stat = text(format!("/proc/{}/stat", leader.trim()).as_ref());
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    assert!(consumer.wait().unwrap().success());
}

#[test]
fn no_more_commands_are_run_than_were_asked_for_though_the_daemon_is_killed_under_one() {
    let daemon = Daemon::start();
    append(&daemon, &["a", "b"]);
    daemon.ok(&["group", "create", "mail", "--from", "start"]);
    // They outlive the daemon's own folder of the test.
    let files = tempfile::tempdir().unwrap();
    let (ran, go) = (files.path().join("ran"), files.path().join("go"));
    let exec = format!(
        "echo $CHANCERY_KEY >> {}; while [ ! -e {} ]; do sleep 0.02; done",
        ran.display(),
        go.display()
    );
    let mut consumer = daemon.spawn(&["group", "consume", "mail", "--max", "1", "--exec", &exec]);
    until("the command runs", || (text(&ran) == "a\n").then_some(()));
    let address = daemon.address().trim_start_matches("http://").to_owned();
    let folder = daemon.kill();
    let again = Daemon::on(folder, &address);
    std::fs::write(go, "").unwrap();
    assert!(consumer.wait().unwrap().success());
    assert_eq!(text(&ran), "a\n");
    drop(again);
}

#[test]
fn a_consumer_whose_commands_write_for_nobody_ends_and_parks_nothing() {
    let daemon = Daemon::start();
    append(&daemon, &["a", "b"]);
    daemon.ok(&["group", "create", "mail", "--from", "start", "--deliveries", "1"]);
    let exec = "echo $CHANCERY_KEY && sleep 0.1 && echo behind it";
    let mut consumer = daemon.spawn(&["group", "consume", "mail", "--exec", exec]);
    let mut out = std::io::BufReader::new(consumer.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "a\n");
    drop(out);
    assert!(consumer.wait().unwrap().success());
    let taken = daemon.ok(&["group", "consume", "mail", "--until-empty", "-o", "json"]);
    assert_eq!(keys(&taken), ["a", "b"]);
}

#[test]
fn a_consumer_that_is_told_to_end_parks_nothing() {
    let daemon = Daemon::start();
    append(&daemon, &["a", "b", "c"]);
    daemon.ok(&["group", "create", "mail", "--from", "start", "--deliveries", "1"]);
    let ran = daemon.folder().join("ran");
    let exec = format!("echo $CHANCERY_KEY >> {}; sleep 300", ran.display());
    for told in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let mut consumer = daemon.spawn(&["group", "consume", "mail", "--exec", &exec]);
        until("the command runs", || ran.exists().then_some(()));
        signal(&consumer, told);
        assert!(consumer.wait().unwrap().success());
        std::fs::remove_file(&ran).unwrap();
    }
    // One that prints has some on the way.
    let mut consumer = daemon.spawn(&["group", "consume", "mail"]);
    let mut out = std::io::BufReader::new(consumer.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    signal(&consumer, rustix::process::Signal::TERM);
    assert!(consumer.wait().unwrap().success());
    let now = json(&daemon.ok(&["group", "show", "mail", "-o", "json"]));
    assert_eq!(now["parked"], 0, "{now}");
}

#[test]
fn a_consumer_says_at_once_that_its_group_delivers_nothing() {
    let daemon = Daemon::start();
    let keys: Vec<String> = (0..1_000).map(|n| format!("k{n}")).collect();
    append(&daemon, &keys.iter().map(String::as_str).collect::<Vec<_>>());
    daemon.ok(&["group", "create", "mail", "--from", "start", "--deliveries", "1"]);
    daemon.ok(&["group", "consume", "mail", "--max", "1000", "--exec", "exit 1"]);
    let shown = daemon.ok(&["group", "show", "mail"]);
    assert!(
        shown.contains("held up") && shown.contains("replay or drop some"),
        "{shown}"
    );
    let mut consumer = daemon.spawn(&["group", "consume", "mail"]);
    let mut err = std::io::BufReader::new(consumer.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut err, &mut line).unwrap();
    assert!(
        line.contains("has 1,000 parked records and delivers nothing"),
        "{line}"
    );
    signal(&consumer, rustix::process::Signal::TERM);
    assert!(consumer.wait().unwrap().success());
}

#[test]
fn the_list_of_groups_counts_their_lag_and_shows_who_waits() {
    let daemon = Daemon::start();
    append(&daemon, &["a", "b", "c"]);
    daemon.ok(&["group", "create", "mail", "key = b OR key = c", "--from", "start"]);
    let listed = json(&daemon.ok(&["group", "list", "-o", "json"]));
    assert_eq!(listed["lag"], 2, "{listed}");
    daemon.ok(&["group", "consume", "mail", "--until-empty"]);
    let mut idle = daemon.spawn(&["group", "consume", "mail", "--consumer", "anna"]);
    until("she has joined", || {
        let shown = daemon.ok(&["group", "show", "mail"]);
        shown.contains("anna: 0 in flight").then_some(())
    });
    signal(&idle, rustix::process::Signal::TERM);
    assert!(idle.wait().unwrap().success());
    let wrong = daemon.refused(&["group", "create", "mail", "key = b", "--from", "start"]);
    assert!(wrong.contains("exists with another filter;"), "{wrong}");
}

/// Hands everything on to an address, later: as a connection over a long way does.
fn far_away(address: &str) -> String {
    const LATER: std::time::Duration = std::time::Duration::from_millis(70);
    let near = address.trim_start_matches("http://").to_owned();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let far = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), std::net::TcpStream::connect(&near).unwrap());
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    let mut bytes = vec![0; 1 << 16];
                    while let Ok(count @ 1..) = std::io::Read::read(&mut from, &mut bytes) {
                        std::thread::sleep(LATER);
                        if std::io::Write::write_all(&mut to, &bytes[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    far
}

#[test]
fn what_is_on_its_way_over_a_long_way_is_waited_for_before_a_group_is_empty() {
    let daemon = Daemon::start();
    append(&daemon, &["a", "b", "c", "d"]);
    daemon.ok(&["group", "create", "mail", "--from", "start"]);
    let far = far_away(daemon.address());
    let taken = daemon.ok(&[
        "group",
        "consume",
        "mail",
        "--until-empty",
        "-o",
        "json",
        "--server",
        &far,
    ]);
    assert_eq!(keys(&taken), ["a", "b", "c", "d"]);
}

#[test]
fn a_consumer_ends_when_nobody_reads_it_and_a_group_begins_in_the_log() {
    let daemon = Daemon::start();
    append(&daemon, &["a"]);
    let wrong = daemon.refused(&["group", "create", "mail", "--from", "99"]);
    assert!(
        wrong.contains("beyond the tail 1; begin at the tail, with `--from tail`"),
        "{wrong}"
    );
    daemon.ok(&["group", "create", "mail", "--from", "start"]);
    let mut consumer = daemon.spawn(&["group", "consume", "mail"]);
    let mut out = std::io::BufReader::new(consumer.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut String::new()).unwrap();
    drop(out);
    // Nothing else comes.
    assert!(consumer.wait().unwrap().success());
}

#[test]
fn a_consumer_says_why_its_work_is_not_taken_and_has_it_taken_later() {
    let daemon = Daemon::start();
    append(&daemon, &["a"]);
    daemon.ok(&["group", "create", "desk", "--from", "start"]);
    let (groups, away) = (
        daemon.data().join("state/groups"),
        daemon.data().join("state/away"),
    );
    std::fs::rename(&groups, &away).unwrap();
    std::fs::write(&groups, "no folder").unwrap();
    let mut consumer = daemon.spawn(&["group", "consume", "desk", "--max", "1"]);
    let mut err = std::io::BufReader::new(consumer.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut err, &mut line).unwrap();
    assert!(
        line.contains("it could not be kept: ") && line.ends_with("; trying again\n"),
        "{line}"
    );
    std::fs::remove_file(&groups).unwrap();
    std::fs::rename(&away, &groups).unwrap();
    assert!(consumer.wait().unwrap().success());
    assert_eq!(group(&daemon)["lag"], 0);
}

//! What an alert holds to when things go wrong: restarts, restores, stops, and settings that cannot be.

use crate::harness::{Daemon, chancery, gone, json, run, text, until};
use crate::receiving::{Answer, Receiving};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const SETTINGS: [&str; 4] = ["--listen", "127.0.0.1:0", "--http", "off"];

fn daemon(folder: TempDir, alerts: &str) -> Daemon {
    std::fs::write(folder.path().join("chancery.toml"), alerts).unwrap();
    Daemon::with(folder, &SETTINGS)
}

fn new(alerts: &str) -> Daemon {
    daemon(tempfile::tempdir().unwrap(), alerts)
}

fn append(daemon: &Daemon, key: &str) -> Value {
    json(&daemon.append(&format!(
        "{{\"series\":\"desk\",\"key\":\"{key}\",\"kind\":\"event\",\"title\":\"t\"}}"
    )))
}

fn hook(address: &str) -> String {
    format!("[alerts.desk]\nfilter = ''\nfrom = 'start'\nretry-max-s = 1\nwebhook = '{address}'\n")
}

fn command(script: &str) -> String {
    format!(
        "[alerts.desk]\nfilter = ''\nfrom = 'start'\nretry-max-s = 1\ncommand = ['/bin/sh', '-c', '{script}']\n"
    )
}

fn stands(daemon: &Daemon, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    until(what, || {
        let now = json(&daemon.ok(&["status", "-o", "json"]))["alerts"][0].clone();
        Some(now).filter(&is)
    })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_key_of_a_record_is_no_other_records_after_a_restore() {
    let server = Receiving::start();
    let first = new(&hook(&server.address));
    append(&first, "k0");
    assert_eq!(server.keys(1), ["k0"]);
    stands(&first, "it is done", |now| now["position"] == 1);
    let (_, folder) = first.stop();
    let backup = tempfile::tempdir().unwrap();
    copy(folder.path(), backup.path());
    let posted = |folder: TempDir, key: &str| {
        let daemon = Daemon::with(folder, &SETTINGS);
        let receipt = append(&daemon, key);
        let posted = server.next();
        assert_eq!(posted.key(), key);
        let hash = receipt["leaf_hash"].as_str().unwrap();
        assert_eq!(
            posted.header("idempotency-key"),
            format!("example.org/test/1/{hash}")
        );
        hash.to_owned()
    };
    assert_ne!(posted(folder, "lost"), posted(backup, "new"));
}

#[test]
fn what_a_failed_command_left_behind_is_ended() {
    let daemon = new(&command("sleep 600 & echo $! >> ids; exit 1"));
    append(&daemon, "k0");
    stands(&daemon, "failures", |now| now["failures"].as_u64() > Some(1));
    let ids = text(&daemon.folder().join("ids"));
    ids.lines().take(2).for_each(gone);
}

#[test]
fn a_hangup_is_an_orderly_stop_and_a_sigterm_after_it_the_same_stop() {
    let daemon = new(&command(
        "echo $$ >> ids; while [ ! -e release ]; do sleep 0.02; done",
    ));
    append(&daemon, "k0");
    let id = until("it is under way", || {
        Some(text(&daemon.folder().join("ids"))).filter(|id| id.ends_with('\n'))
    });
    daemon.signal(Signal::HUP);
    // A session that ends may send it twice.
    daemon.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(200));
    // The manager of services comes after it, in its own time.
    daemon.signal(Signal::TERM);
    std::fs::write(daemon.folder().join("release"), "").unwrap();
    let (said, folder) = daemon.ended();
    assert!(said.contains("everything is on disk"), "{said}");
    gone(&id);
    let again = Daemon::with(folder, &SETTINGS);
    stands(&again, "its place was kept", |now| now["position"] == 1);
    assert_eq!(text(&again.folder().join("ids")), id);
}

#[test]
fn what_is_under_way_at_a_stop_may_end_and_nothing_new_is_begun() {
    let daemon = new(&command(
        "echo begun >> told; while [ ! -e release ]; do sleep 0.02; done; echo ended >> told",
    ));
    for key in ["k0", "k1", "k2"] {
        append(&daemon, key);
    }
    let told = daemon.folder().join("told");
    until("it is under way", || (text(&told) == "begun\n").then_some(()));
    let release = daemon.folder().join("release");
    let releasing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        std::fs::write(release, "").unwrap();
    });
    let (_, folder) = daemon.stop();
    releasing.join().unwrap();
    assert_eq!(text(&folder.path().join("told")), "begun\nended\n");
    let again = Daemon::with(folder, &SETTINGS);
    stands(&again, "all is done", |now| now["position"] == 3);
    assert_eq!(text(&again.folder().join("told")), "begun\nended\n".repeat(3));
}

#[test]
fn waits_grow_from_failure_to_failure_and_begin_anew_after_a_success() {
    let server = Receiving::start();
    let failures = || (0..4).map(|_| Answer::Status(503));
    server.answer(failures().chain([Answer::Status(200)]).chain(failures()));
    let folder = tempfile::tempdir().unwrap();
    let alerts = hook(&server.address).replace("retry-max-s = 1", "retry-max-s = 60");
    std::fs::write(folder.path().join("chancery.toml"), alerts).unwrap();
    let daemon = Daemon::with_env(folder, &SETTINGS, &[("CHANCERY_LOG", Path::new("warn"))]);
    append(&daemon, "k0");
    append(&daemon, "k1");
    server.keys(10);
    stands(&daemon, "both are done", |now| now["position"] == 2);
    let (said, _) = daemon.stop();
    let waits: Vec<u64> = said
        .split("retry_ms=")
        .skip(1)
        .map(|rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..digits].parse().unwrap()
        })
        .collect();
    assert_eq!(waits.len(), 8, "{said}");
    for row in waits.chunks(4) {
        for (wait, longest) in row.iter().zip([200, 400, 800, 1_600]) {
            assert!((longest / 2..=longest).contains(wait), "{waits:?}");
        }
    }
}

#[test]
fn a_new_alert_begins_at_the_time_or_position_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let before = Daemon::on(folder, "127.0.0.1:0");
    append(&before, "k0");
    std::thread::sleep(Duration::from_millis(5));
    append(&before, "k1");
    let recorded = json(&before.ok(&["get", "desk/k1", "-o", "json"]))["recorded"]
        .as_str()
        .unwrap()
        .to_owned();
    let (of_time, of_position) = (Receiving::start(), Receiving::start());
    let named = |name: &str, from: &str, address: &str| {
        hook(address)
            .replace("alerts.desk", &format!("alerts.{name}"))
            .replace("'start'", from)
    };
    let alerts = named("time", &format!("'{recorded}'"), &of_time.address)
        + &named("position", "3", &of_position.address);
    let daemon = daemon(before.stop().1, &alerts);
    assert_eq!(of_time.keys(1), ["k1"]);
    append(&daemon, "k2");
    assert_eq!(of_time.keys(1), ["k2"]);
    append(&daemon, "k3");
    append(&daemon, "k4");
    assert_eq!(of_position.keys(2), ["k3", "k4"]);
}

#[test]
fn words_of_a_text_are_found_by_an_alert_live_and_after_a_restart() {
    let server = Receiving::start();
    let alerts = hook(&server.address).replace("filter = ''", "filter = 'text : \"a standing alert\"'");
    let document = |daemon: &Daemon, key: &str, words: &str| {
        daemon.append(&format!(
            "{{\"series\":\"desk\",\"key\":\"{key}\",\"kind\":\"document\",\"title\":\"t\",\"body\":\"{words}\"}}"
        ));
    };
    let first = new(&alerts);
    document(&first, "one", "The desk keeps a standing alert for border talks.");
    document(&first, "other", "An alert that is standing is no phrase.");
    assert_eq!(server.keys(1), ["one"]);
    stands(&first, "it has seen both", |now| now["lag"] == 0);
    let again = Daemon::with(first.kill(), &SETTINGS);
    document(&again, "none", "Nothing of the kind.");
    document(&again, "two", "There is A STANDING ALERT again.");
    assert_eq!(server.keys(1), ["two"]);
}

#[test]
fn what_an_early_answer_left_unsent_is_no_success() {
    let server = Receiving::start();
    server.answer([Answer::Early]);
    let daemon = new(&hook(&server.address));
    let text = "words ".repeat(150_000);
    let appended = run(daemon.ask(&["append", "-", "-o", "json"]).write_stdin(format!(
        "{{\"series\":\"desk\",\"key\":\"k0\",\"kind\":\"document\",\"title\":\"t\",\"body\":\"{text}\"}}"
    )));
    assert_eq!(appended.code, 0, "{}", appended.err);
    let posted = server.next();
    assert_eq!(posted.body["body"].as_str().map(str::len), Some(text.len()));
    stands(&daemon, "it is done", |now| now["position"] == 1);
}

fn refusal(settings: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("chancery.toml"), settings).unwrap();
    let data = folder.path().join("data");
    let mut command = chancery(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ]);
    let ended = run(command.current_dir(folder.path()));
    assert_eq!(ended.code, 2, "{settings}: {ended:?}");
    ended.err
}

#[test]
fn no_refusal_shows_a_secret() {
    let begin = "[alerts.desk]\nfilter = ''\nwebhook = 'http://127.0.0.1:1/x'\n";
    let secrets = [
        format!("{begin}headers = {{ authorization = \"Bearer SECRET\" \n"),
        format!("{begin}headers = {{ authorization = \"Bearer SECRET }}\n"),
        format!("{begin}headers = {{ authorization = Bearer SECRET }}\n"),
        format!("{begin}headers = {{ authorization = \"SECRET\", authorization = \"SECRET\" }}\n"),
        format!("[{begin}headers = {{ authorization = \"SECRET\" }}\n").replace("desk]", "desk]]"),
        "[[alerts]]\nheaders = { authorization = 'SECRET' }\n".to_owned(),
        "[alerts.desk]\nfilter = ''\nwebhook = { headers = { authorization = 'SECRET' } }\n".to_owned(),
        "[alerts.desk]\nfilter = { headers = 'SECRET' }\n".to_owned(),
        "[alerts.desk]\nfilter = ''\nwebhook = 'http://us er:SECRET@127.0.0.1/x'\n".to_owned(),
        "[alerts.desk]\nfilter = ''\nwebhook = 'us er:SECRET@127.0.0.1/x'\n".to_owned(),
        "[alerts.desk]\nfilter = ''\nwebhook = 'ftp://u:SECRET@127.0.0.1/x'\n".to_owned(),
    ];
    for settings in secrets {
        let error = refusal(&settings);
        assert!(!error.contains("SECRET"), "{settings}: {error}");
    }
    let error = refusal(&format!("{begin}headers = {{ authorization = 'x' \n"));
    assert!(error.contains("`chancery.toml`: line 4, column "), "{error}");
}

#[test]
fn what_would_fail_for_ever_is_refused_with_its_remedy() {
    let long = "x".repeat(131_072);
    let refused = [
        (
            format!("[alerts.desk]\nfilter = ''\ncommand = ['true', '{long}']\n"),
            "command has an argument of 131072 bytes, allowed is up to 131071",
        ),
        (
            "[alerts.a.b]\nfilter = ''\ncommand = ['true']\n".to_owned(),
            "a name with a dot is written in quotes, as [alerts.\"a.b\"]",
        ),
        (
            "[alerts.desk]\nfilter = ''\nwebhook = 'http://127.0.0.1:1/x'\nheaders = { X-Desk = '1', x-desk = '2' }\n"
                .to_owned(),
            "headers has `x-desk`; it is there twice, in other letters",
        ),
    ];
    for (settings, says) in refused {
        let error = refusal(&settings);
        assert!(error.contains(says), "{says}: {}", &error[..error.len().min(500)]);
    }
}

#[test]
fn a_command_of_an_alert_may_run_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let of_command = ["ALERT", "POSITION", "SERIES", "KEY", "ACT", "REVISION", "CHANGE"];
    let names: Vec<String> = of_command.iter().map(|name| format!("CHANCERY_{name}")).collect();
    let variables: Vec<(&str, &Path)> = names.iter().map(|name| (name.as_str(), Path::new("x"))).collect();
    let daemon = Daemon::with_env(folder, &SETTINGS, &variables);
    assert_eq!(daemon.tail(), 0);
}

#[test]
fn whatever_is_acknowledged_after_a_start_lies_behind_where_new_alerts_begin() {
    const ALERTS: usize = 200;
    let alert = |n| {
        command("echo $CHANCERY_ALERT >> told")
            .replace("alerts.desk", &format!("alerts.n{n}"))
            .replace("from = 'start'\n", "")
    };
    let daemon = new(&(0..ALERTS).map(alert).collect::<String>());
    append(&daemon, "k0");
    let again = Daemon::with(daemon.kill(), &SETTINGS);
    until("every alert has told it", || {
        let told = text(&again.folder().join("told"));
        let told: std::collections::BTreeSet<&str> = told.lines().collect();
        (told.len() == ALERTS).then_some(())
    });
}

#[test]
fn an_erasure_is_no_success_of_an_alert_that_fails() {
    let server = Receiving::start();
    server.answer((0..1_000).map(|_| Answer::Status(503)));
    let daemon = new(&hook(&server.address));
    append(&daemon, "k0");
    append(&daemon, "k1");
    let failures = |now: &Value| now["failures"].as_u64().unwrap();
    let before = failures(&stands(&daemon, "failures", |now| failures(now) >= 3));
    daemon.ok(&[
        "erase",
        "desk/k1",
        "--authority",
        "order 7",
        "--confirm",
        "desk/k1",
    ]);
    let after = failures(&stands(&daemon, "another attempt", |now| failures(now) != before));
    assert!(after > before, "{after} after {before}");
    stands(&daemon, "further failures", |now| {
        let now = failures(now);
        assert!(now >= after, "{now} after {after}");
        now >= after + 3
    });
}

#[test]
fn an_alert_whose_match_was_erased_before_it_was_done_has_not_failed_any_more() {
    let server = Receiving::start();
    server.answer((0..1_000).map(|_| Answer::Status(503)));
    let alerts = hook(&server.address).replace("filter = ''", "filter = 'title : t'\nrecords-only = true");
    let daemon = new(&alerts);
    append(&daemon, "k0");
    stands(&daemon, "failures", |now| now["failures"].as_u64() > Some(1));
    daemon.ok(&[
        "erase",
        "desk/k0",
        "--authority",
        "order 7",
        "--confirm",
        "desk/k0",
    ]);
    let now = stands(&daemon, "it is past it", |now| now["lag"] == 0);
    assert_eq!(
        (&now["failures"], &now["last_error"]),
        (&0.into(), &Value::Null),
        "{now}"
    );
}

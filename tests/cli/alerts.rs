//! Alerts: in order, at least once, and with what they do seen from outside.

use crate::harness::{Daemon, chancery, gone, json, lines, run, text, until};
use crate::receiving::{Answer, Posted, Receiving};
use serde_json::Value;
use std::io::ErrorKind;
use tempfile::TempDir;

fn daemon(folder: TempDir, alerts: &str) -> Daemon {
    std::fs::write(folder.path().join("chancery.toml"), alerts).unwrap();
    Daemon::with(
        folder,
        &["--listen", "127.0.0.1:0", "--http", "off", "--shutdown-s", "1"],
    )
}

fn new(alerts: &str) -> Daemon {
    daemon(tempfile::tempdir().unwrap(), alerts)
}

fn append(daemon: &Daemon, numbers: std::ops::Range<u32>) {
    let event = |n| format!("{{\"series\":\"desk\",\"key\":\"k{n}\",\"kind\":\"event\",\"title\":\"t{n}\"}}");
    daemon.append(&numbers.map(event).collect::<String>());
}

fn hook(filter: &str, address: &str) -> String {
    format!("[alerts.desk]\nfilter = '{filter}'\nfrom = 'start'\nretry-max-s = 1\nwebhook = '{address}'\n")
}

fn standing(daemon: &Daemon) -> Value {
    json(&daemon.ok(&["status", "-o", "json"]))["alerts"][0].clone()
}

fn stands(daemon: &Daemon, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    until(what, || Some(standing(daemon)).filter(&is))
}

#[test]
fn a_webhook_is_posted_in_order_what_a_watch_prints() {
    let server = Receiving::start();
    let alerts = hook("key != k1", &server.address) + "headers = { Authorization = 'Bearer abc' }\n";
    let daemon = new(&alerts);
    append(&daemon, 0..4);
    let of_k2 = json(&daemon.ok(&["get", "desk/k2", "-o", "json"]));
    let key = format!("example.org/test/2/{}", of_k2["leaf_hash"].as_str().unwrap());
    let posted: Vec<Posted> = (0..3).map(|_| server.next()).collect();
    let watched = daemon.ok(&[
        "watch",
        "key != k1",
        "--from",
        "start",
        "--until",
        "3",
        "-o",
        "json",
    ]);
    let bodies: Vec<Value> = posted.iter().map(|one| one.body.clone()).collect();
    assert_eq!(bodies, lines(&watched));
    assert!(
        posted[0].head.starts_with("POST /in?desk=1 HTTP/1.1\r\n"),
        "{posted:?}"
    );
    let headers = [
        "content-type",
        "idempotency-key",
        "chancery-alert",
        "authorization",
    ];
    assert_eq!(
        headers.map(|name| posted[1].header(name)),
        ["application/json", &key, "desk", "Bearer abc"]
    );
    let now = stands(&daemon, "up to date", |now| now["lag"] == 0);
    assert_eq!(
        (&now["name"], &now["position"], &now["failures"], &now["stopped"]),
        (&"desk".into(), &4.into(), &0.into(), &false.into())
    );
    assert!(
        now["last_success"].is_string() && now["last_error"].is_null(),
        "{now}"
    );
    assert!(
        daemon
            .ok(&["status"])
            .contains("alert desk      at 4, up to date, last done ")
    );
}

#[test]
fn what_fails_is_tried_again_in_order_and_the_lag_shows_it() {
    let server = Receiving::start();
    let daemon = new(&hook("", &server.address));
    server.answer([
        Answer::Status(500),
        Answer::Nothing,
        Answer::Status(301),
        Answer::Silence,
    ]);
    append(&daemon, 0..3);
    assert_eq!(server.keys(4), ["k0", "k0", "k0", "k0"]);
    // The fourth attempt hangs: the place has not moved, and the failures before it are counted.
    let now = standing(&daemon);
    assert_eq!(
        (
            &now["position"],
            &now["lag"],
            &now["failures"],
            &now["last_success"]
        ),
        (&0.into(), &3.into(), &3.into(), &Value::Null)
    );
    assert_eq!(now["last_error"], "the answer was 301 Moved Permanently");
    let out = daemon.ok(&["status"]);
    assert!(
        out.contains("at 0, 3 behind; failed 3 times in a row: the answer was 301"),
        "{out}"
    );
    let folder = daemon.kill();
    let daemon = Daemon::with(folder, &["--listen", "127.0.0.1:0", "--http", "off"]);
    assert_eq!(server.keys(3), ["k0", "k1", "k2"]);
    let now = stands(&daemon, "up to date", |now| now["lag"] == 0);
    assert_eq!((&now["failures"], &now["last_error"]), (&0.into(), &Value::Null));
}

#[test]
fn a_hook_that_does_not_answer_in_time_is_cut_off() {
    let server = Receiving::start();
    let daemon = new(&(hook("", &server.address) + "timeout-s = 1\n"));
    server.answer([Answer::Silence]);
    append(&daemon, 0..1);
    assert_eq!(server.keys(2), ["k0", "k0"]);
    stands(&daemon, "done", |now| now["position"] == 1);
}

#[test]
fn after_a_kill_exactly_what_was_under_way_is_done_again() {
    let server = Receiving::start();
    let script = || [Answer::Status(200), Answer::Status(204), Answer::Silence];
    server.answer(script());
    let mut daemon = new(&hook("", &server.address));
    append(&daemon, 0..7);
    for first in [0, 2, 4] {
        let expected: Vec<String> = (first..first + 3).map(|n| format!("k{n}")).collect();
        assert_eq!(server.keys(3), expected);
        let folder = daemon.kill();
        // What can be made again is made again, and an alert does not rest on it.
        for lost in ["sled", "views"] {
            let removed = std::fs::remove_dir_all(folder.path().join("data").join(lost));
            // A daemon that is killed early has not made it yet.
            assert!(
                removed
                    .as_ref()
                    .map_or_else(|error| error.kind() == ErrorKind::NotFound, |()| true),
                "{removed:?}"
            );
        }
        server.answer(script());
        daemon = Daemon::with(folder, &["--listen", "127.0.0.1:0", "--http", "off"]);
    }
    assert_eq!(server.keys(1), ["k6"]);
}

#[test]
fn a_command_is_run_until_it_succeeds_and_told_what_matched() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo $CHANCERY_ALERT $CHANCERY_POSITION $CHANCERY_SERIES/$CHANCERY_KEY $CHANCERY_ACT \
                  $CHANCERY_CHANGE >> told; cat >> input; \
                  if [ $CHANCERY_POSITION = 1 ] && [ ! -e failed ]; then touch failed; echo no room >&2; exit 4; fi";
    let daemon = daemon(
        folder,
        &format!(
            "[alerts.desk]\nfilter = 'status = current'\nfrom = 'start'\nretry-max-s = 1\n\
             command = [\"/bin/sh\", \"-c\", \"{script}\"]\n"
        ),
    );
    append(&daemon, 0..2);
    daemon.ok(&["retract", "desk/k0", "--reason", "error"]);
    stands(&daemon, "all is done", |now| now["position"] == 3);
    let told = text(&daemon.folder().join("told"));
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "desk 0 desk/k0 create enters",
            "desk 1 desk/k1 create enters",
            "desk 1 desk/k1 create enters",
            "desk 2 desk/k0 retract leaves",
        ]
    );
    let watched = daemon.ok(&[
        "watch",
        "status = current",
        "--from",
        "start",
        "--until",
        "2",
        "-o",
        "json",
    ]);
    let watched: Vec<&str> = watched.lines().collect();
    let input = text(&daemon.folder().join("input"));
    assert_eq!(
        input.lines().collect::<Vec<_>>(),
        [watched[0], watched[1], watched[1], watched[2]]
    );
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
    let alerts = "[alerts.desk]\nfilter = ''\nfrom = 0\ntimeout-s = 1\nretry-max-s = 1\n\
                  command = ['/bin/sh', '-c', 'sleep 600 & echo $$ $! >> ids; wait']\n";
    let daemon = new(alerts);
    append(&daemon, 0..1);
    let now = stands(&daemon, "a failure", |now| now["failures"] != 0);
    assert_eq!(now["last_error"], "not done within 1 s, and cut off");
    assert_eq!(now["position"], 0);
    let first = text(&daemon.folder().join("ids"))
        .lines()
        .next()
        .unwrap()
        .to_owned();
    gone(&first);
    // One may be under way: the daemon gives it the second that it has, and leaves nothing behind.
    let (_, folder) = daemon.stop();
    text(&folder.path().join("ids")).lines().for_each(gone);
}

#[test]
fn alerts_do_not_wait_for_each_other_and_a_new_one_begins_at_the_tail() {
    let server = Receiving::start();
    let alerts = format!(
        "[alerts.broken]\nfilter = ''\nfrom = 'start'\nretry-max-s = 1\ncommand = ['false']\n\
         [alerts.desk]\nfilter = ''\nwebhook = '{}'\n",
        server.address
    );
    let folder = tempfile::tempdir().unwrap();
    let before = Daemon::on(folder, "127.0.0.1:0");
    append(&before, 0..2);
    let daemon = daemon(before.stop().1, &alerts);
    until("it has begun", || {
        let status = json(&daemon.ok(&["status", "-o", "json"]));
        (status["alerts"][1]["position"] == 2).then_some(())
    });
    // Nothing has matched yet, and its place is kept all the same.
    let daemon = Daemon::with(daemon.kill(), &["--listen", "127.0.0.1:0", "--http", "off"]);
    append(&daemon, 2..3);
    assert_eq!(server.keys(1), ["k2"]);
    let broken = stands(&daemon, "it fails", |now| now["failures"].as_u64() > Some(1));
    assert_eq!(
        (&broken["name"], &broken["position"], &broken["lag"]),
        (&"broken".into(), &0.into(), &3.into())
    );
}

#[test]
fn a_changed_filter_begins_where_the_old_one_stood() {
    let server = Receiving::start();
    let first = new(&hook("key = k0", &server.address));
    append(&first, 0..3);
    assert_eq!(server.keys(1), ["k0"]);
    stands(&first, "it has seen all", |now| now["lag"] == 0);
    let second = daemon(first.stop().1, &hook("key = k1 OR key = k4", &server.address));
    append(&second, 3..5);
    assert_eq!(server.keys(1), ["k4"]);
}

#[test]
fn an_alert_whose_mode_was_changed_goes_on_where_it_stood() {
    let server = Receiving::start();
    let first = new(&hook("", &server.address));
    append(&first, 0..2);
    assert_eq!(server.keys(2), ["k0", "k1"]);
    stands(&first, "it has done all", |now| now["position"] == 2);
    let alerts = hook("", &server.address) + "records-only = true\n";
    let second = daemon(first.stop().1, &alerts);
    append(&second, 2..3);
    let posted = server.next();
    assert_eq!((posted.key(), &posted.body["change"]), ("k2", &Value::Null));
}

#[test]
fn a_restart_does_not_take_an_alert_back_behind_the_match_that_it_could_not_do() {
    // One that failed and is killed, and one that is cut off in its first attempt.
    for is_killed in [true, false] {
        let (before, after) = (Receiving::start(), Receiving::start());
        match is_killed {
            true => before.answer((0..100).map(|_| Answer::Status(503))),
            false => before.answer([Answer::Silence]),
        }
        let first = new(&hook("act = retract", &before.address));
        append(&first, 0..30);
        first.ok(&["retract", "desk/k3", "--reason", "error"]);
        assert_eq!(before.next().body["position"], 30);
        let folder = match is_killed {
            true => {
                let now = stands(&first, "it fails", |now| now["failures"] != 0);
                assert_eq!((&now["position"], &now["lag"]), (&30.into(), &1.into()));
                first.kill()
            }
            false => first.stop().1,
        };
        let second = daemon(folder, &hook("key = k1 OR key = k40", &after.address));
        append(&second, 40..41);
        assert_eq!(after.keys(1), ["k40"], "killed: {is_killed}");
        stands(&second, "it has done all", |now| now["position"] == 32);
    }
}

#[test]
fn an_alert_whose_beginning_is_not_reached_waits_and_has_not_failed() {
    let server = Receiving::start();
    let desk = hook("", &server.address).replace("from = 'start'", "from = 3");
    let later = hook("", &server.address)
        .replace("alerts.desk", "alerts.later")
        .replace("from = 'start'", "from = '2100-01-01'");
    let daemon = new(&(desk + &later));
    append(&daemon, 0..2);
    let now = stands(&daemon, "it waits", |now| now["waits_for"].is_string());
    assert_eq!(
        (&now["waits_for"], &now["position"], &now["lag"], &now["failures"]),
        (&"position 3".into(), &Value::Null, &Value::Null, &0.into())
    );
    let out = daemon.ok(&["status"]);
    assert!(
        out.contains("alert desk      not begun, waits for position 3\n")
            && out.contains("alert later     not begun, waits for 2100-01-01T00:00:00"),
        "{out}"
    );
    append(&daemon, 2..5);
    assert_eq!(server.keys(2), ["k3", "k4"]);
    let now = stands(&daemon, "it has done all", |now| now["position"] == 5);
    assert!(now["waits_for"].is_null(), "{now}");
}

#[test]
fn a_place_that_does_not_fit_the_log_stops_its_alert_alone() {
    let server = Receiving::start();
    let alerts = hook("", &server.address);
    let elsewhere = new(&alerts);
    append(&elsewhere, 0..2);
    assert_eq!(server.keys(2), ["k0", "k1"]);
    stands(&elsewhere, "all is done", |now| now["position"] == 2);
    let (_, elsewhere) = elsewhere.stop();

    // Another archive of the same name, as one that was put back and went on otherwise.
    let restored = Daemon::on(tempfile::tempdir().unwrap(), "127.0.0.1:0");
    append(&restored, 5..9);
    let (_, folder) = restored.stop();
    let places = |folder: &TempDir| folder.path().join("data/state/alerts");
    std::fs::create_dir(places(&folder)).unwrap();
    for copy in ["journal.1", "journal.2"] {
        std::fs::copy(places(&elsewhere).join(copy), places(&folder).join(copy)).unwrap();
    }
    let other = Receiving::start();
    let both = alerts + &hook("", &other.address).replace("alerts.desk", "alerts.other");
    let daemon = daemon(folder, &both);
    assert_eq!(other.keys(4), ["k5", "k6", "k7", "k8"]);
    let now = stands(&daemon, "it is stopped", |now| now["stopped"] == true);
    let why = now["last_error"].as_str().unwrap();
    assert!(
        why.starts_with("it stands at position 2, after records that this archive does not hold")
            && why.ends_with("give the alert another name to begin anew"),
        "{why}"
    );
    assert!(now["lag"].is_null(), "{now}");
    let out = daemon.ok(&["status"]);
    assert!(
        out.contains("alert desk      at 2, last done ")
            && out.contains("; stopped: it stands at position 2"),
        "{out}"
    );
    assert!(server.posted.try_recv().is_err(), "nothing was posted");
}

#[test]
fn without_places_no_alert_is_started_and_everything_else_goes_on() {
    let server = Receiving::start();
    let alerts = hook("", &server.address);
    let first = new(&alerts);
    append(&first, 0..1);
    assert_eq!(server.keys(1), ["k0"]);
    let (_, folder) = first.stop();
    for copy in ["journal.1", "journal.2"] {
        std::fs::write(folder.path().join("data/state/alerts").join(copy), "broken").unwrap();
    }
    let second = daemon(folder, &alerts);
    append(&second, 1..2);
    let now = standing(&second);
    let why = now["last_error"].as_str().unwrap();
    assert!(
        now["stopped"] == true
            && why.contains("its copy are damaged; put both back from a backup, or remove them"),
        "{now}"
    );
    assert_eq!(second.tail(), 2);
    assert!(
        second
            .ok(&["status"])
            .contains("alert desk      not begun; stopped: ")
    );
    assert!(server.posted.try_recv().is_err(), "nothing was posted");
}

#[test]
fn what_is_erased_while_it_waits_is_not_told_any_more() {
    let server = Receiving::start();
    let daemon = new(&hook("", &server.address));
    server.answer((0..500).map(|_| Answer::Status(503)));
    append(&daemon, 0..1);
    assert_eq!(server.next().body["title"], "t0");
    daemon.ok(&[
        "erase",
        "desk/k0",
        "--authority",
        "order 7",
        "--confirm",
        "desk/k0",
    ]);
    let told = until("an attempt after the erasure", || {
        let posted = server.next().body;
        posted["title"].is_null().then_some(posted)
    });
    assert_eq!(
        (&told["position"], &told["status"]),
        (&0.into(), &"erased".into())
    );
}

#[test]
fn an_erasure_is_told_by_its_leaf_alone_as_a_watch_is() {
    let server = Receiving::start();
    let daemon = new(&hook("country = FJI", &server.address));
    append(&daemon, 0..1);
    daemon.ok(&[
        "erase",
        "desk/k0",
        "--authority",
        "court of Quoxh",
        "--explanation",
        "secret words of Quoxh",
        "--confirm",
        "desk/k0",
    ]);
    let posted = server.next().body;
    assert_eq!(
        (&posted["act"], &posted["change"]),
        (&"erase".into(), &"leaves".into())
    );
    assert!(!posted.to_string().contains("Quoxh"), "{posted}");
    let watched = daemon.ok(&[
        "watch",
        "country = FJI",
        "--from",
        "start",
        "--until",
        "1",
        "-o",
        "json",
    ]);
    assert_eq!([posted], lines(&watched)[..]);
}

#[test]
fn an_alert_that_cannot_be_is_refused_at_the_start_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let check = |alerts: &str, says: &str| {
        std::fs::write(folder.path().join("chancery.toml"), alerts).unwrap();
        let mut command = chancery(&["serve", "--data", data.to_str().unwrap()]);
        let ended = run(command.current_dir(folder.path()));
        assert_eq!(ended.code, 2, "{alerts}: {ended:?}");
        assert_eq!(ended.err, format!("error: `chancery.toml`: {says}\n"));
        assert!(!data.exists());
    };
    check(
        "[alerts.desk]\nfilter = ''\nwebhook = 'example.org/in'\n",
        "alert `desk`: webhook is `example.org/in`; write an address as https://desk.example/alerts or \
         http://127.0.0.1:8080/alerts",
    );
    check(
        "[alerts.desk]\nfilter = ''\nwebhook = 'http://127.0.0.1:99999/x'\n",
        "alert `desk`: webhook is `http://127.0.0.1:99999/x`; write a port of 1 to 65535 behind the colon, or neither: without \
         one it is 80",
    );
    check(
        "[alerts.desk]\nfilter = ''\ncommand = ['true']\ntimeout-s = 0\n",
        "alert `desk`: timeout-s is `0`, allowed is 1 to 3600",
    );
}

#[test]
fn an_alert_knows_its_actor_by_the_names_of_when_it_started() {
    let server = Receiving::start();
    let alerts = hook("kind = event AND actor = \"Imran Khan\"", &server.address);
    let began = new(&alerts);
    let event = |key: &str, actor: &str| {
        format!(
            "{{\"series\":\"desk\",\"key\":\"{key}\",\"kind\":\"event\",\"title\":\"t\",\"participants\":[\"{actor}\"]}}"
        )
    };
    began.append(&event("one", "Imran Khan"));
    assert_eq!(server.keys(1), ["one"]);
    began.append(
        r#"{"series":"authority","key":"khan","kind":"authority","title":"Imran Khan","names":[{"name":"عمران خان"}]}"#,
    );
    began.append(&event("two", "عمران خان"));
    stands(&began, "past the second", |now| now["lag"] == 0);
    let (_, folder) = began.stop();
    let again = daemon(folder, &alerts);
    again.append(&event("three", "عمران خان"));
    assert_eq!(server.keys(1), ["three"]);
}

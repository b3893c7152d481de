//! Exit codes and sentences where nothing could be done.

use crate::harness::{Daemon, chancery, run};

fn check(args: &[&str], code: i32, says: &str) {
    let ended = run(&mut chancery(args));
    assert_eq!(ended.code, code, "{args:?}: {ended:?}");
    assert!(ended.err.contains(says), "{args:?}: {}", ended.err);
    assert!(ended.out.is_empty(), "{args:?}: {}", ended.out);
}

#[test]
fn what_is_not_asked_well_is_exit_code_2_and_says_what_is() {
    check(&[], 2, "Usage: chancery");
    check(&["sarch", "x"], 2, "search");
    check(&["get"], 2, "<ENTRY>");
    check(&["get", "desk"], 2, "an entry is SERIES/KEY");
    check(&["get", "Desk/x"], 2, "Desk");
    check(
        &["get", "desk/x", "--as-of", "yesterday"],
        2,
        "a point in the log is a position",
    );
    check(
        &["get", "desk/x", "--history", "-o", "original"],
        2,
        "leave --history out",
    );
    check(&["search", "x", "--limit", "0"], 2, "--limit");
    check(
        &["search", "x", "-o", "csv", "--fields", "titel"],
        2,
        "`titel` is not a column",
    );
    check(&["retract", "desk/x"], 2, "--reason");
    check(&["retract", "desk/x", "--reason", "whim"], 2, "source-retracted");
    check(&["link", "desk/x", "about", "desk/y"], 2, "reported-in");
    check(&["hold", "desk/x"], 2, "--authority");
    check(
        &["amend", "desk/x", "--set", "title", "--reason", "r"],
        2,
        "PATH=VALUE",
    );
    check(&["amend", "desk/x", "--set", "title=a"], 2, "--reason");
    check(&["import", "x", "--format", "csv"], 2, "use one of dispatch");
    check(&["import", "x", "--series", "No"], 2, "No");
    check(
        &["import", "x", "--format", "gdelt-v2", "--key", "header"],
        2,
        "leave --key out",
    );
    check(
        &["search", "x", "--server", "not an address"],
        2,
        "http://HOST:PORT",
    );
}

#[test]
fn a_number_that_is_none_is_told_what_is_one() {
    let position = "a position is a whole number, 0 to 18446744073709551615; `chancery status` shows the tail, which is behind the last";
    for until in ["x", "99999999999999999999", "-5"] {
        check(&["watch", "--until", until], 2, position);
    }
    check(&["group", "drop", "mail", "x"], 2, position);
    check(&["group", "replay", "mail", "x"], 2, position);
    check(&["watch", "--from", "-1"], 2, "a point in the log is a position");
    check(
        &["search", "x", "--as-of", "-1"],
        2,
        "a point in the log is a position",
    );
    for max in ["x", "-1"] {
        check(
            &["group", "consume", "mail", "--max", max],
            2,
            "allowed is a whole number from 0 to 18446744073709551615",
        );
    }
    for bad in ["x", "-1", "0"] {
        check(
            &["group", "create", "mail", "--in-flight", bad],
            2,
            "allowed is a whole number from 1 to 10000",
        );
        check(
            &["group", "create", "mail", "--deliveries", bad],
            2,
            "allowed is a whole number from 1 to 1000",
        );
        check(
            &["group", "create", "mail", "--ack-timeout", bad],
            2,
            "allowed are 0.1 to 86400 seconds",
        );
        check(
            &["search", "x", "--limit", bad],
            2,
            "allowed is a whole number from 1 to 18446744073709551615",
        );
    }
}

#[test]
fn which_parked_records_are_meant_can_be_said_in_two_ways() {
    check(&["group", "drop", "mail"], 2, "<POSITION|--all>");
    check(&["group", "drop", "mail", "1", "--all"], 2, "cannot be used with");
    check(
        &["group", "replay", "mail", "1", "--all"],
        2,
        "cannot be used with",
    );
    // As no position does, `--all` means all.
    check(
        &[
            "group",
            "replay",
            "mail",
            "--all",
            "--server",
            "http://127.0.0.1:1",
        ],
        1,
        "no daemon answers",
    );
}

#[test]
fn a_measurement_of_an_impossible_time_is_not_asked_well() {
    for seconds in ["-1", "0", "nan", "inf", "1e30", "soon"] {
        check(
            &["bench", &format!("--seconds={seconds}")],
            2,
            "a number of seconds from 0.1 to 3600",
        );
    }
}

#[test]
fn a_variable_of_the_environment_that_is_not_unicode_is_passed_over_or_named() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let serve = |name: &str| run(chancery(&["serve", "--scans-max", "0"]).env(name, odd));
    let ended = serve("OTHER");
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.err.contains("scans-max is `0`"), "{}", ended.err);
    let ended = serve("CHANCERY_LOG");
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.err.contains("`CHANCERY_LOG` is not Unicode"),
        "{}",
        ended.err
    );
}

#[test]
fn without_a_daemon_the_sentence_says_how_to_start_one() {
    // Port 1 of loopback is nobody's.
    let server = ["--server", "http://127.0.0.1:1"];
    for args in [
        vec!["status"],
        vec!["search", "x"],
        vec!["get", "1"],
        vec!["watch"],
        vec!["series"],
    ] {
        let ended = run(&mut chancery(&[&args[..], &server].concat()));
        assert_eq!(ended.code, 1, "{ended:?}");
        assert_eq!(
            ended.err,
            "error: no daemon answers at http://127.0.0.1:1; start one with: chancery serve\n"
        );
    }
}

#[test]
fn a_folder_without_an_archive_is_not_made_into_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    check(&["status", "--data", path], 1, "holds no archive");
    check(&["search", "--data", path], 1, "holds no archive");
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
}

#[test]
fn a_filter_that_cannot_be_read_is_a_failure_with_its_place() {
    let daemon = Daemon::start();
    let error = daemon.refused(&["search", "country = RS"]);
    assert!(error.contains("Serbia"), "{error}");
    let error = daemon.refused(&["count", "titel = a"]);
    assert!(error.contains("titel"), "{error}");
    let error = daemon.refused(&["explain", "a AND b OR c"]);
    assert!(error.contains("parenthes"), "{error}");
}

#[test]
fn groups_that_cannot_be_opened_are_told_by_status() {
    let folder = Daemon::start().stop().1;
    let groups = folder.path().join("data/state/groups");
    std::fs::create_dir_all(&groups).unwrap();
    for copy in ["journal.1", "journal.2"] {
        std::fs::write(groups.join(copy), "broken").unwrap();
    }
    let daemon = Daemon::on(folder, "127.0.0.1:0");
    let out = daemon.ok(&["status"]);
    assert!(
        out.contains("groups          there are no groups: the consumer groups in `")
            && out.contains("put `state/groups` back from a backup"),
        "{out}"
    );
    let status = crate::harness::json(&daemon.ok(&["status", "-o", "json"]));
    assert!(
        status["groups_fault"]
            .as_str()
            .unwrap()
            .contains("cannot be opened"),
        "{status}"
    );
}

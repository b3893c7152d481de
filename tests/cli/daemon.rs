//! serve and status.

use crate::harness::{Daemon, chancery, json, run};
use std::io::{Read, Write};

#[test]
fn a_view_is_listed_and_made_anew_while_the_daemon_runs() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"k","title":"Envoys meet"}"#);
    let settled = || {
        (0..600).any(|_| {
            let views = daemon.ok(&["views", "-o", "json"]);
            let mut views = views.lines().map(json);
            let is_there = views.all(|view| view["state"] == "following" && view["lag"] == 0);
            if !is_there {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            is_there
        })
    };
    assert!(settled(), "{}", daemon.ok(&["views"]));
    let table = daemon.ok(&["views"]);
    assert!(
        ["search", "names", "following"]
            .iter()
            .all(|word| table.contains(word)),
        "{table}"
    );
    let made = daemon.ok(&["rebuild"]);
    for view in ["search", "names"] {
        assert!(
            made.contains(&format!("{view} made anew: 1 records in ")),
            "{made}"
        );
    }
    let made = daemon.ok(&["rebuild", "names"]);
    assert!(made.starts_with("names made anew: 1 records in "), "{made}");
    assert_eq!(daemon.ok(&["count", "envoys AND kind = document"]), "1\n");
    let error = daemon.refused(&["rebuild", "sarch"]);
    assert!(
        error.contains("`sarch` is no view; the views are: search, names"),
        "{error}"
    );
}

#[test]
fn the_daemon_says_where_it_is_and_stops_when_it_is_told() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"k","title":"a"}"#);
    let (said, folder) = daemon.stop();
    assert!(said.contains("everything is on disk"), "{said}");
    let again = Daemon::on(folder, "127.0.0.1:0");
    assert_eq!(again.tail(), 1);
}

#[test]
fn the_status_says_how_the_archive_stands() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"k","title":"a"}"#);
    let status = json(&daemon.ok(&["status", "-o", "json"]));
    assert_eq!(
        (&status["tail"], &status["durable"], &status["entries"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&status["origin"], &status["appending"]),
        (&"example.org/test".into(), &true.into())
    );
    let out = daemon.ok(&["status"]);
    assert!(
        out.contains("1 records in 1 entries") && out.contains("taken"),
        "{out}"
    );
}

#[test]
fn the_log_can_be_read_as_files_where_the_first_line_says() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::with(folder, &["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    daemon.append(r#"{"series":"desk","key":"k","title":"a"}"#);
    let checkpoint = daemon.ok(&["checkpoint"]);
    let files = daemon.files().unwrap();
    let address = files.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /checkpoint HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with(&checkpoint), "{answer}");
    let other = tempfile::tempdir().unwrap();
    let data = other.path().to_str().unwrap();
    let args = [
        "serve",
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--http",
        address,
    ];
    let taken = run(&mut chancery(&args));
    assert_eq!(taken.code, 1, "{taken:?}");
    assert!(taken.err.contains("choose another --http"), "{}", taken.err);
}

#[test]
fn settings_that_cannot_be_used_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let check = |args: &[&str], says: &str| {
        let mut command = chancery(&[&["serve", "--data", data.to_str().unwrap()], args].concat());
        let ended = run(command.current_dir(folder.path()));
        assert_eq!(ended.code, 2, "{args:?}: {ended:?}");
        assert!(ended.err.contains(says), "{args:?}: {}", ended.err);
        assert!(!data.exists());
    };
    check(&["--listen", "0.0.0.0:0"], "--insecure");
    check(&["--http", "0.0.0.0:0"], "--insecure");
    check(&["--http", "here"], "allowed is off, or an address and port");
    check(&["--scans-max", "0"], "allowed is 1 to 64");
    check(&["--config", "missing.toml"], "missing.toml");
    std::fs::write(folder.path().join("chancery.toml"), "liste = 1\n").unwrap();
    check(&[], "liste");
}

#[test]
fn a_second_daemon_is_refused_the_folder_and_the_address() {
    let daemon = Daemon::start();
    let data = daemon.data();
    let ended = run(&mut chancery(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ]));
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("in use by another chancery"), "{}", ended.err);
    let other = daemon.folder().join("other");
    let taken = daemon.address().trim_start_matches("http://");
    let ended = run(&mut chancery(&[
        "serve",
        "--listen",
        taken,
        "--data",
        other.to_str().unwrap(),
    ]));
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("cannot listen on"), "{}", ended.err);
    assert!(!other.exists());
}

#[test]
fn the_demo_runs_to_its_end_and_leaves_nothing_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(chancery(&["demo"]).env("TMPDIR", folder.path()));
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in [
        "three events",
        "Mohammad Bagheri → Mohammad Hossein Bagheri",
        "4 before, 3 after",
        "What to try next",
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let keep = folder.path().join("kept");
    let ended = run(&mut chancery(&["demo", "--keep", keep.to_str().unwrap()]));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("chancery serve --data"), "{}", ended.out);
    let status = run(&mut chancery(&[
        "status",
        "-o",
        "json",
        "--data",
        keep.to_str().unwrap(),
    ]));
    assert!(json(&status.out)["tail"].as_u64().unwrap() > 500, "{status:?}");
    let again = run(&mut chancery(&["demo", "--keep", keep.to_str().unwrap()]));
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is not empty"), "{}", again.err);
}

#[test]
fn a_sound_archive_is_verified_stopped_or_served() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"k","title":"a"}"#);
    let data = daemon.data();
    let served = json(&daemon.ok(&["verify", "-o", "json", "--data", data.to_str().unwrap()]));
    assert_eq!(
        (&served["tail"], &served["findings_total"]),
        (&1.into(), &0.into())
    );
    let root = json(&daemon.ok(&["status", "-o", "json"]))["root"].clone();
    assert_eq!(served["root"], root);
    let nobody = ["--server", "http://127.0.0.1:1"];
    let error = daemon.refused(&[&["verify", "--data", data.to_str().unwrap()], &nobody[..]].concat());
    assert!(error.contains("name that daemon with --server"), "{error}");

    let (_, folder) = daemon.stop();
    let data = folder.path().join("data");
    let stopped = run(&mut chancery(&["verify", "--data", data.to_str().unwrap()]));
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert!(
        stopped.out.contains("everything is as it was written"),
        "{}",
        stopped.out
    );
}

#[test]
fn a_flipped_byte_is_found_and_its_position_named() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"k","title":"the words to be found"}"#);
    daemon.append(r#"{"series":"desk","key":"l","title":"another"}"#);
    let (_, folder) = daemon.stop();
    let data = folder.path().join("data");
    let words = b"the words to be found";
    let found = std::fs::read_dir(data.join("journal"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .find_map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            let at = bytes.windows(words.len()).position(|window| window == words)?;
            Some((path, bytes, at))
        });
    let (path, mut bytes, at) = found.unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let ended = run(&mut chancery(&["verify", "--data", data.to_str().unwrap()]));
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err.contains("position 0"), "{}", ended.err);
}

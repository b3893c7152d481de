//! checkpoint, prove, key.

use crate::harness::{Daemon, chancery, json, run};
use std::io::{Read, Write};

const ONE: &str = r#"{"series":"desk","key":"talks-in-geneva","kind":"event","title":"Talks in Geneva"}"#;
const TWO: &str = r#"{"series":"desk","key":"talks-in-vienna","kind":"event","title":"Talks in Vienna"}"#;
const CORRECTED: &str =
    r#"{"series":"desk","key":"talks-in-geneva","kind":"event","title":"Talks at Geneva","revision":1}"#;

#[test]
fn a_receipt_is_checked_without_a_daemon_and_without_an_archive() {
    let daemon = Daemon::start();
    daemon.append(ONE);
    daemon.append(TWO);
    let receipt = daemon.ok(&["prove", "desk/talks-in-geneva"]);
    let key = daemon.ok(&["key", "show"]);
    let (receipt, key) = (daemon.file("receipt", &receipt), daemon.file("key", &key));
    let (_, folder) = daemon.stop();
    let held = run(&mut chancery(&["prove", "--check", &receipt, "--key", &key]));
    assert_eq!(held.code, 0, "{held:?}");
    assert!(
        held.out
            .starts_with("the receipt holds: example.org/test has this record at position 0, among "),
        "{}",
        held.out
    );
    assert!(held.out.contains("Talks in Geneva"), "{}", held.out);
    let line = std::fs::read_to_string(&key).unwrap();
    let said = run(&mut chancery(&[
        "prove",
        "--check",
        &receipt,
        "--key",
        line.trim(),
        "-o",
        "json",
    ]));
    let said = json(&said.out);
    assert_eq!((&said["holds"], &said["content"]), (&true.into(), &true.into()));
    assert_eq!(said["record"]["title"], "Talks in Geneva");
    drop(folder);
}

#[test]
fn a_changed_receipt_or_another_key_is_found_and_ends_with_3() {
    let daemon = Daemon::start();
    daemon.append(ONE);
    daemon.append(TWO);
    let text = daemon.ok(&["prove", "1"]);
    let key = daemon.ok(&["key", "show"]);
    let check = |text: &str, key: &str| {
        let mut command = chancery(&["prove", "--check", "-", "--key", key]);
        let ended = run(command.write_stdin(text));
        (ended.code, ended.err)
    };
    assert_eq!(check(&text, key.trim()).0, 0);
    let other = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let (code, err) = check(&text, other);
    assert_eq!(code, 3, "{err}");
    assert!(
        err.contains("no signature is by the key example.com/foo+530d903a"),
        "{err}"
    );
    let (code, err) = check(&text.replace("index 1", "index 0"), key.trim());
    assert_eq!(code, 3, "{err}");
    assert!(err.starts_with("error: the receipt does not hold: "), "{err}");
    let (code, err) = check("", key.trim());
    assert_eq!((code, err.lines().count()), (3, 1), "{err}");
    let (code, err) = check(&text, "nonsense");
    assert_eq!(code, 2, "{err}");
}

#[test]
fn a_revision_a_position_and_a_receipt_without_content_can_be_asked_for() {
    let daemon = Daemon::start();
    daemon.append(ONE);
    daemon.append(TWO);
    daemon.append(CORRECTED);
    let key = daemon.ok(&["key", "show"]);
    let record = |args: &[&str]| {
        let receipt = daemon.ok(&[&["prove"], args].concat());
        let mut command = chancery(&["prove", "--check", "-", "--key", key.trim(), "-o", "json"]);
        json(&run(command.write_stdin(receipt)).out)
    };
    assert_eq!(
        record(&["desk/talks-in-geneva"])["record"]["title"],
        "Talks at Geneva"
    );
    assert_eq!(
        record(&["desk/talks-in-geneva", "--revision", "1"])["record"]["title"],
        "Talks in Geneva"
    );
    assert_eq!(record(&["1"])["record"]["title"], "Talks in Vienna");
    let bare = record(&["1", "--without-content"]);
    assert_eq!(bare["content"], false);
    assert!(bare["record"].get("title").is_none(), "{bare}");
    let unknown = run(&mut daemon.ask(&["prove", "desk/talks-in-geneva", "--revision", "9"]));
    assert_eq!(unknown.code, 1, "{unknown:?}");
}

#[test]
fn a_checkpoint_is_held_against_an_earlier_one() {
    let daemon = Daemon::start();
    daemon.append(ONE);
    let earlier = daemon.file("earlier", &daemon.ok(&["checkpoint"]));
    daemon.append(TWO);
    let ended = run(&mut daemon.ask(&["checkpoint", "--since", &earlier]));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.starts_with("example.org/test\n2\n"), "{}", ended.out);
    assert_eq!(
        ended.err,
        "the 2 records of example.org/test begin with the 1 of the earlier checkpoint: none of those was changed or \
         removed\n"
    );
    let other = Daemon::start();
    other.append(TWO);
    let ended = run(&mut other.ask(&["checkpoint", "--since", &earlier]));
    assert_eq!(ended.code, 3, "{ended:?}");
}

#[test]
fn a_copy_is_held_against_a_checkpoint_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::with(folder, &["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    daemon.append(ONE);
    let key = daemon.ok(&["key", "show"]);
    let early = daemon.file("early", &daemon.ok(&["checkpoint"]));
    let copy = daemon.folder().join("copy");
    for name in [
        "checkpoint",
        "tile/0/000.p/1",
        "tile/entries/000.p/1",
        "payload/000.p/1",
    ] {
        let file = copy.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, fetched(daemon.files().unwrap(), name)).unwrap();
    }
    daemon.append(TWO);
    let late = daemon.file("late", &daemon.ok(&["checkpoint"]));
    let copy = copy.to_str().unwrap();
    let verify = |args: &[&str]| {
        run(&mut chancery(
            &[&["verify", copy, "--key", key.trim()], args].concat(),
        ))
    };
    let ended = verify(&["--since", &early]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (0, "the copy begins with the 1 record of the earlier checkpoint\n"),
        "{ended:?}"
    );
    assert_eq!(verify(&[]).code, 0, "an older state is genuine, too");
    let ended = verify(&["--since", &late]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(
        ended
            .err
            .contains("the earlier checkpoint covers 2 records, 1 are there"),
        "{ended:?}"
    );
    let ended = verify(&["--since", &daemon.file("nonsense", "nonsense")]);
    assert_eq!(ended.code, 3, "{ended:?}");
}

/// A file at the HTTP port.
fn fetched(port: &str, name: &str) -> Vec<u8> {
    let address = port.trim_start_matches("http://").trim_end_matches(['/', ',']);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /{name} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 200"), "{name}");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.split_off(end + 4)
}

#[test]
fn proofs_come_from_a_stopped_archive_too() {
    let daemon = Daemon::start();
    daemon.append(ONE);
    let key = daemon.ok(&["key", "show"]);
    let data = daemon.data().to_str().unwrap().to_owned();
    let (_, folder) = daemon.stop();
    let stopped = |args: &[&str]| run(&mut chancery(&[args, &["--data", &data]].concat()));
    assert_eq!(stopped(&["key", "show"]).out, key);
    assert!(stopped(&["checkpoint"]).out.starts_with("example.org/test\n1\n"));
    let receipt = stopped(&["prove", "0"]).out;
    let mut command = chancery(&["prove", "--check", "-", "--key", key.trim()]);
    assert_eq!(run(command.write_stdin(receipt)).code, 0);
    drop(folder);
}

#[test]
fn a_damaged_archive_is_mended_from_a_backup_and_says_what_was_done() {
    let daemon = Daemon::start();
    daemon.append(ONE);
    daemon.append(TWO);
    let data = daemon.data();
    let (_, folder) = daemon.stop();
    let backup = folder.path().join("backup");
    for name in ["journal", "state", "chunks"] {
        std::fs::create_dir_all(backup.join(name)).unwrap();
        for item in std::fs::read_dir(data.join(name)).unwrap() {
            let item = item.unwrap();
            std::fs::copy(item.path(), backup.join(name).join(item.file_name())).unwrap();
        }
    }
    std::fs::remove_dir_all(data.join("sled")).unwrap();
    let segment = data.join("journal/00000000.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes
        .windows(16)
        .position(|text| text == b"Talks in Geneva\x00" || &text[..15] == b"Talks in Geneva");
    bytes[at.unwrap()] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let verify = |args: &[&str]| {
        let data = data.to_str().unwrap();
        run(&mut chancery(&[&["verify", "--data", data], args].concat()))
    };
    assert_eq!(verify(&[]).code, 3);
    let mended = verify(&["--repair", backup.to_str().unwrap()]);
    assert_eq!(mended.code, 0, "{mended:?}");
    assert_eq!(
        mended.err,
        "mended: positions 0 up to 1 were written to the journal again\n"
    );
    assert!(
        mended.out.contains("everything is as it was written"),
        "{}",
        mended.out
    );
    let again = verify(&["--repair", backup.to_str().unwrap()]);
    assert_eq!((again.code, again.err.as_str()), (0, "mended: nothing\n"));
}

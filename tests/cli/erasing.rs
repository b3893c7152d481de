//! erase: what would go, the question, the certificate.

use crate::harness::{Daemon, chancery, json, run};

const SECRET: &str = "Quoxhilarious";

fn daemon() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(&format!(
        r#"{{"series":"desk","key":"talks","kind":"event","title":"{SECRET} speaks"}}"#
    ));
    daemon.append(r#"{"series":"desk","key":"other","kind":"event","title":"Talks in Vienna"}"#);
    daemon.ok(&["link", "desk/other", "part-of", "desk/talks"]);
    daemon
}

const ORDER: [&str; 4] = ["erase", "desk/talks", "--authority", "court order 7"];

#[test]
fn a_dry_run_says_what_would_go_and_does_nothing() {
    let daemon = daemon();
    let tail = daemon.tail();
    let said = daemon.ok(&["erase", "desk/talks", "--dry-run"]);
    for part in [
        "desk/talks",
        "revision 1",
        "desk/other is linked to it (part-of)",
        "primary",
        "backups",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains(SECRET), "it shows what goes by its place: {said}");
    let said = json(&daemon.ok(&["erase", "desk/talks", "--dry-run", "-o", "json"]));
    assert_eq!(
        (&said["positions"][0], &said["linked"][0]["entry"]),
        (&0.into(), &"desk/other".into())
    );
    assert_eq!(daemon.tail(), tail);
}

#[test]
fn nothing_is_erased_unless_the_entrys_name_is_given() {
    let daemon = daemon();
    let tail = daemon.tail();
    for answer in ["", "\n", "yes\n", "desk/other\n", "desk/talk\n"] {
        let ended = run(daemon.ask(&ORDER).write_stdin(answer));
        assert_eq!(ended.code, 1, "{answer:?}: {ended:?}");
        assert!(ended.err.contains("nothing was erased"), "{}", ended.err);
    }
    let wrong = daemon.refused(&[&ORDER[..], &["--confirm", "desk/other"]].concat());
    assert!(wrong.contains("nothing was erased"), "{wrong}");
    assert_eq!(daemon.tail(), tail);
    let without = run(&mut daemon.ask(&["erase", "desk/talks"]));
    assert_eq!(without.code, 2, "{without:?}");
    assert!(without.err.contains("--authority"), "{}", without.err);
    let ended = run(daemon.ask(&ORDER).write_stdin("desk/talks\n"));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("complete"), "{}", ended.out);
    let gone = daemon.ok(&["get", "desk/talks"]);
    assert!(gone.contains("erased by law") && !gone.contains(SECRET), "{gone}");
    let again = daemon.refused(&[&ORDER[..], &["--confirm", "desk/talks"]].concat());
    assert!(again.contains("already erased"), "{again}");
}

#[test]
fn a_certificate_is_checked_without_a_daemon_and_every_change_of_it_is_found() {
    let daemon = daemon();
    let done = json(&daemon.ok(&[&ORDER[..], &["--confirm", "desk/talks", "-o", "json"]].concat()));
    let position = done["position"].to_string();
    assert!(done["complete"].is_string(), "{done}");
    let certificate = daemon.ok(&["erase", "--certificate", &position]);
    assert_eq!(done["certificate"], certificate);
    let key = daemon.ok(&["key", "show"]);
    let (key, file) = (daemon.file("key", &key), daemon.file("certificate", &certificate));
    let (_, _folder) = daemon.stop();
    let held = run(&mut chancery(&["erase", "--check", &file, "--key", &key]));
    assert_eq!(held.code, 0, "{held:?}");
    assert!(held.out.starts_with("the certificate holds: "), "{}", held.out);
    let check = |text: &str| {
        let mut command = chancery(&["erase", "--check", "-", "--key", &key]);
        run(command.write_stdin(text))
    };
    for changed in [
        certificate.replace("desk/talks", "desk/other"),
        certificate.replace("records 1", "records 2"),
        certificate.replace("copy primary", "copy backup"),
        String::new(),
    ] {
        let ended = check(&changed);
        assert_eq!(ended.code, 3, "{changed}: {ended:?}");
    }
}

#[test]
fn a_replacement_takes_the_place_of_what_goes() {
    let daemon = daemon();
    let file = daemon.file("new.json", r#"{"title":"An envoy speaks"}"#);
    let order = [&ORDER[..], &["--confirm", "desk/talks", "--replace-with", &file]].concat();
    let said = daemon.ok(&order);
    assert!(said.contains("replaced revision 2"), "{said}");
    let shown = daemon.ok(&["get", "desk/talks"]);
    assert!(shown.contains("An envoy speaks"), "{shown}");
    let other = daemon.file("other.json", r#"{"series":"desk","key":"other","title":"x"}"#);
    let refused =
        daemon.refused(&[&ORDER[..], &["--confirm", "desk/talks", "--replace-with", &other]].concat());
    assert!(refused.contains("another entry"), "{refused}");
}

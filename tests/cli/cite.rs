//! cite and search --cite: a fixed answer by a name, and the same answer again.

use crate::harness::{Daemon, Ended, chancery, json, lines, run};
use chancery::client::Client;
use chancery::rpc::proto;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const RECORDS: &str = r#"
{"series":"desk","key":"meeting","kind":"event","title":"Bajwa and Bagheri meet","occurred":"2021-10-13",
 "participants":[{"side":"party","name":"Bajwa","countries":["PAK"]},{"side":"party","name":"Bagheri","countries":["IRN"]}]}
{"series":"desk","key":"visit","kind":"event","title":"A visit","occurred":"2021-11-02",
 "participants":[{"side":"source","name":"Iran","countries":["IRN"]},{"side":"target","name":"Kabul","countries":["AFG"]}]}
{"series":"wire","key":"dispatch","kind":"document","title":"A dispatch","participants":[{"side":"mentioned","name":"Iran"}]}
"#;
const IRAN: &str = "country = Iran";

fn filled() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(RECORDS);
    daemon
}

/// The id that is printed for a filter.
fn cite(daemon: &Daemon, args: &[&str]) -> String {
    let cited = json(&daemon.ok(&[&["cite", "-o", "json"], args].concat()));
    cited["citation"].as_str().unwrap().to_owned()
}

fn again(daemon: &Daemon, id: &str) -> Ended {
    run(&mut daemon.ask(&["search", "-o", "json", "--cite", id]))
}

fn erase(daemon: &Daemon, entry: &str) {
    let order = ["--authority", "court order 7", "--reason", "court-order"];
    daemon.ok(&[&["erase", entry, "--confirm", entry], &order[..]].concat());
}

fn append_event(daemon: &Daemon, key: &str) {
    daemon.append(&format!(
        r#"{{"series":"desk","key":"{key}","kind":"event","title":"Talks","participants":[{{"side":"party","name":"Iran"}}]}}"#
    ));
}

#[test]
fn a_citation_says_what_is_cited_for_people_for_programs_and_for_bibtex() {
    let daemon = filled();
    let cited = json(&daemon.ok(&["cite", IRAN, "-o", "json", "--author", "Doe, Jane"]));
    let status = json(&daemon.ok(&["status", "-o", "json"]));
    assert_eq!(cited["origin"], "example.org/test");
    assert_eq!((&cited["position"], &cited["count"]), (&3.into(), &3.into()));
    assert_eq!(cited["root"], status["root"]);
    assert_eq!(cited["filter"], "country = IRN");
    assert_eq!(cited["recorded"], status["last_recorded"]);
    assert!(
        cited["notes"]
            .to_string()
            .contains("leaves retracted entries out")
    );
    let root = &cited["root"].as_str().unwrap()[..32];
    let id = format!("chancery:1:example.org/test:3:{root}:3:2026-1/3:country.=.IRN");
    assert_eq!(cited["citation"], id);

    let ended = run(&mut daemon.ask(&["cite", IRAN, "--author", "Doe, Jane"]));
    assert!(
        ended.err.contains("note: leaves retracted entries out"),
        "{ended:?}"
    );
    for part in [
        &format!("citation  {id}\n"),
        "archive   example.org/test\n",
        "position  3\n",
        "filter    country = IRN\n",
        "entries   3\n",
        &format!("again     chancery search --cite {id}\n\n@misc{{chancery-"),
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    let bibtex = daemon.ok(&["cite", IRAN, "--author", "Doe, Jane", "-o", "bibtex"]);
    assert!(ended.out.ends_with(&bibtex), "{bibtex}");
    assert_eq!(cited["bibtex"], bibtex.trim_end());
    for part in [
        "  title = {{Chancery archive example.org/test: country = IRN}},\n",
        "  author = {Doe, Jane},\n",
        "  howpublished = {Chancery archive example.org/test, as of position 3},\n",
        &format!("To reproduce: chancery search -{{}}-cite {id}}},\n}}\n"),
    ] {
        assert!(bibtex.contains(part), "{part}: {bibtex}");
    }
}

#[test]
fn what_was_cited_comes_again_whatever_was_recorded_since() {
    let daemon = filled();
    let before = daemon.ok(&["search", IRAN, "-o", "json"]);
    let id = cite(&daemon, &[IRAN]);
    daemon.ok(&[
        "amend",
        "desk/visit",
        "--set",
        "title=Another",
        "--reason",
        "corrected",
    ]);
    daemon.ok(&["retract", "desk/meeting", "--reason", "error"]);
    append_event(&daemon, "later");
    let ended = again(&daemon, &id);
    assert_eq!((ended.code, &ended.out), (0, &before), "{ended:?}");
    let said = "note: cited: 3 entries of example.org/test as of position 3; all of them come\n";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert_ne!(daemon.ok(&["search", IRAN, "-o", "json"]), before);
    // The same state is cited in the same words, and an earlier one under its own root.
    assert_eq!(cite(&daemon, &[IRAN, "--as-of", "3"]), id);
    assert_ne!(cite(&daemon, &[IRAN]), id);
    for form in ["table", "csv"] {
        assert!(
            daemon
                .ok(&["search", "--cite", &id, "-o", form])
                .contains("meeting")
        );
    }
    let held = daemon.ok(&["cite", "--check", &id]);
    assert!(
        held.starts_with("the citation holds: as of position 3 "),
        "{held}"
    );
    // Nothing, and everything, can be cited too.
    for point in ["0", "2"] {
        let id = cite(&daemon, &["--as-of", point]);
        assert!(id.ends_with(&format!(":{point}:2026-1/3:-")), "{id}");
        assert_eq!(lines(&again(&daemon, &id).out).len().to_string(), point);
    }
}

#[test]
fn what_was_erased_since_is_named() {
    let daemon = filled();
    let id = cite(&daemon, &[IRAN]);
    append_event(&daemon, "later");
    erase(&daemon, "desk/later");
    assert!(again(&daemon, &id).err.contains("all of them come"));
    erase(&daemon, "desk/visit");
    let ended = again(&daemon, &id);
    assert_eq!((ended.code, lines(&ended.out).len()), (0, 2), "{ended:?}");
    assert!(
        ended
            .err
            .contains("; 1 of them was erased since:\n  desk/visit, by the ERASE at position "),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("Z (court-order)\n") && !ended.err.contains("desk/later"));
    let held = json(&daemon.ok(&["cite", "--check", &id, "-o", "json"]));
    assert_eq!((&held["cited"], &held["count"]), (&3.into(), &2.into()));
    assert_eq!(held["erased_since"][0]["key"], "visit");
    assert_eq!(held["erased_since"].as_array().unwrap().len(), 1);
    // What is cited now has only what there is now.
    assert!(again(&daemon, &cite(&daemon, &[IRAN])).err.contains("2 entries"));
    // The data of a stopped archive answers the same.
    let data = daemon.data();
    let (_, folder) = daemon.stop();
    let data = ["--data", data.to_str().unwrap()];
    let stopped = run(&mut chancery(
        &[&["search", "-o", "json", "--cite", &id], &data[..]].concat(),
    ));
    assert_eq!((stopped.out, stopped.err), (ended.out, ended.err));
    let cited = run(&mut chancery(
        &[&["cite", IRAN, "--as-of", "3", "-o", "bibtex"], &data[..]].concat(),
    ));
    assert!(cited.out.contains("2 entries match country = IRN"), "{cited:?}");
    drop(folder);
}

const CALLED: &str = "actor = \"Alphonse Betamax\" AND kind = event";

fn append_authority(daemon: &Daemon, key: &str, other_name: &str) {
    daemon.append(&format!(
        r#"{{"series":"auth","key":"{key}","kind":"authority","title":"Alphonse Betamax","names":[{{"name":"{other_name}"}}]}}"#
    ));
}

fn append_event_of(daemon: &Daemon, key: &str, source: &str) {
    daemon.append(&format!(
        r#"{{"series":"desk","key":"{key}","kind":"event","title":"Talks","participants":[{{"side":"source","name":"{source}"}}]}}"#
    ));
}

#[test]
fn entries_found_by_a_name_that_was_erased_since_are_missing_for_a_reason() {
    let daemon = Daemon::start();
    append_authority(&daemon, "p1", "Gammon Deltoid");
    for key in ["a", "b", "c"] {
        append_event_of(&daemon, key, "Gammon Deltoid");
    }
    let id = cite(&daemon, &[CALLED]);
    assert_eq!(lines(&again(&daemon, &id).out).len(), 3);
    // What says nothing of an actor that is asked for explains nothing.
    let without_names = cite(&daemon, &["kind = authority OR series = desk"]);
    erase(&daemon, "auth/p1");
    let ended = again(&daemon, &id);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{ended:?}");
    for part in [
        "; there are 0 now; the filter asks for an actor, and who that is may have been changed by the erasure of:\n  auth/p1, by",
        "(court-order), which said who an actor is\n",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    let held = json(&daemon.ok(&["cite", "--check", &id, "-o", "json"]));
    assert_eq!((&held["cited"], &held["count"]), (&3.into(), &0.into()));
    assert_eq!(held["erased_since"][0]["names_an_actor"], true);
    let said = again(&daemon, &without_names).err;
    assert!(
        said.contains("1 of them was erased since:\n  auth/p1, by"),
        "{said}"
    );
    assert!(!said.contains("who an actor is"), "{said}");
}

#[test]
fn entries_that_come_since_a_name_has_only_one_claimant_are_there_for_a_reason() {
    let daemon = Daemon::start();
    append_authority(&daemon, "p1", "Gammon Deltoid");
    append_authority(&daemon, "p2", "Epsilon Zeta");
    append_event_of(&daemon, "a", "Alphonse Betamax");
    append_event_of(&daemon, "b", "Gammon Deltoid");
    let id = cite(&daemon, &[CALLED]);
    assert_eq!(lines(&again(&daemon, &id).out).len(), 1);
    erase(&daemon, "auth/p2");
    let ended = again(&daemon, &id);
    assert_eq!((ended.code, lines(&ended.out).len()), (0, 2), "{ended:?}");
    assert!(
        ended
            .err
            .contains("there are 2 now; the filter asks for an actor"),
        "{}",
        ended.err
    );
}

#[test]
fn each_erased_revision_of_an_entry_may_have_been_cited() {
    let daemon = filled();
    for title in ["Another", "A third", "A fourth"] {
        daemon.ok(&[
            "amend",
            "desk/visit",
            "--set",
            &format!("title={title}"),
            "--reason",
            "corrected",
        ]);
    }
    let id = cite(&daemon, &["status = superseded"]);
    assert_eq!(lines(&again(&daemon, &id).out).len(), 3);
    erase(&daemon, "desk/visit");
    let ended = again(&daemon, &id);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{ended:?}");
    assert!(ended.err.contains("  desk/visit, by the ERASE"), "{}", ended.err);
}

/// An erasure may be committed between any two questions of a check.
#[test]
fn erasures_in_between_are_no_finding() {
    let daemon = Daemon::start();
    let keys: Vec<String> = (0..600).map(|n| format!("k{n}")).collect();
    for some in keys.chunks(200) {
        let record = |key: &String| {
            format!("{{\"series\":\"desk\",\"key\":\"{key}\",\"kind\":\"event\",\"title\":\"Talks\"}}\n")
        };
        daemon.append(&some.iter().map(record).collect::<String>());
    }
    let id = cite(&daemon, &["kind = event"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = daemon.address().to_owned();
    let is_over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&is_over);
    let erasing = runtime.spawn(async move {
        let client = Client::connect(&address).await.unwrap();
        let mut erased = 0;
        for key in keys {
            if until.load(Ordering::Relaxed) {
                break;
            }
            let request = proto::EraseRequest {
                entry: Some(proto::EntryKey {
                    series: "desk".to_owned(),
                    key,
                }),
                authority: "court order 7".to_owned(),
                reason: "court-order".to_owned(),
                ..proto::EraseRequest::default()
            };
            client.admin().erase(request).await.unwrap();
            erased += 1;
        }
        erased
    });
    for _ in 0..5 {
        let ended = run(&mut daemon.ask(&["cite", "--check", &id, "-o", "json"]));
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    is_over.store(true, Ordering::Relaxed);
    let erased: u64 = runtime.block_on(erasing).unwrap();
    assert!(erased > 0);
    let held = json(&daemon.ok(&["cite", "--check", &id, "-o", "json"]));
    assert_eq!(held["count"], 600 - erased);
    assert_eq!(held["erased_since"].as_array().unwrap().len() as u64, erased);
}

#[test]
fn where_it_is_not_known_what_was_cited_those_that_may_have_been_are_named() {
    let daemon = filled();
    append_event(&daemon, "old");
    daemon.append(r#"{"series":"desk","key":"other","kind":"event","title":"A note"}"#);
    let id = cite(&daemon, &["country = IRN AND series = desk"]);
    // Not the series that was asked for; nothing that matched; and one that did, in an earlier revision of its own.
    daemon.ok(&["amend", "desk/old", "--set", "title=New", "--reason", "corrected"]);
    for entry in ["wire/dispatch", "desk/other", "desk/old"] {
        erase(&daemon, entry);
    }
    let ended = again(&daemon, &id);
    assert_eq!((ended.code, lines(&ended.out).len()), (0, 2), "{ended:?}");
    let said = "; 1 of them was erased since, of these:\n  desk/other, by";
    assert!(
        ended.err.contains(said) && ended.err.contains("\n  desk/old, by"),
        "{}",
        ended.err
    );
    assert!(!ended.err.contains("wire/dispatch"), "{}", ended.err);
}

#[test]
fn an_archive_that_is_not_the_cited_one_is_told() {
    let daemon = filled();
    let id = cite(&daemon, &[IRAN]);
    let said = |id: &str, code: i32, parts: &[&str]| {
        for command in [&["search", "--cite", id][..], &["cite", "--check", id]] {
            let ended = run(&mut daemon.ask(command));
            assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{id}: {ended:?}");
            for part in parts {
                assert!(ended.err.contains(part), "{part}: {}", ended.err);
            }
        }
    };
    let elsewhere = id.replace("example.org/test", "example.org/other");
    said(
        &elsewhere,
        1,
        &["`example.org/other`, and this one is `example.org/test`"],
    );
    said(
        &id.replace(":3:", ":9:"),
        1,
        &["is as of position 9, and this archive ends at 3"],
    );
    // Another root: what is cited is no part of this log.
    let cited = json(&daemon.ok(&["cite", IRAN, "-o", "json"]));
    let root = cited["root"].as_str().unwrap();
    let other = "0123456789abcdef".repeat(2);
    said(
        &id.replace(&root[..32], &other),
        3,
        &[root, &other, "these are not the records that were cited"],
    );
    // Other numbers of entries, which no erasure explains.
    let few = id.replacen(":3:2026", ":2:2026", 1);
    said(
        &few,
        3,
        &["the cited answer had 2 entries and has 3 now, but nothing was erased"],
    );
    let many = id.replacen(":3:2026-1/3", ":7:2020-1", 1);
    said(
        &many,
        3,
        &[
            "cited by tables 2020-1, rules unknown and is answered by tables 2026-1, rules 3, which may be why",
        ],
    );
}

#[test]
fn a_fork_of_the_archive_is_found_by_the_root() {
    let daemon = filled();
    let id = cite(&daemon, &[IRAN]);
    // As many records, and others.
    let fork = Daemon::start();
    fork.append(&RECORDS.replace("A visit", "A dinner"));
    let ended = again(&fork, &id);
    assert_eq!((ended.code, ended.out.as_str()), (3, ""), "{ended:?}");
    assert!(ended.err.contains("these are not the records"), "{}", ended.err);
}

#[test]
fn only_the_key_that_is_given_is_believed() {
    let daemon = filled();
    let id = cite(&daemon, &[IRAN]);
    let own = daemon.ok(&["key", "show"]);
    let other = Daemon::start().ok(&["key", "show"]);
    let (own, other) = (own.trim(), daemon.file("other.key", &other));
    let questions: [&[&str]; 3] = [
        &["cite", IRAN, "--key"],
        &["cite", "--check", &id, "--key"],
        &["search", "--cite", &id, "-o", "csv", "--key"],
    ];
    for question in questions {
        assert!(!daemon.ok(&[question, &[own]].concat()).is_empty());
        let ended = run(&mut daemon.ask(&[question, &[&other]].concat()));
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (3, ""),
            "{question:?}: {ended:?}"
        );
        assert!(ended.err.contains("checkpoint does not hold"), "{}", ended.err);
        let ended = run(&mut daemon.ask(&[question, &["no+key"]].concat()));
        assert_eq!(ended.code, 2, "{question:?}: {ended:?}");
    }
    let ended = run(&mut daemon.ask(&["search", IRAN, "--key", own]));
    assert_eq!(ended.code, 2, "there is no proof in a search: {ended:?}");
}

#[test]
fn what_is_not_asked_well_is_told_before_anyone_is_asked() {
    let check = |args: &[&str], says: &str| {
        let ended = run(&mut chancery(args));
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {ended:?}");
        assert!(ended.err.contains(says), "{args:?}: {}", ended.err);
    };
    let id = "chancery:1:example.org/test:3:0123456789abcdef:3:2026-1:country.=.IRN";
    check(&["search", "--cite", "nonsense"], "`nonsense` is no citation id");
    check(
        &["search", "--cite", &id[..40]],
        "expected 16 to 64 lower-case hexadecimal digits",
    );
    check(&["search", "--cite", id, "country = IRN"], "cannot be used with");
    check(&["search", "--cite", id, "--as-of", "3"], "cannot be used with");
    check(&["cite", "--check", id, "--title", "x"], "cannot be used with");
    check(
        &["cite", "--check", id, "-o", "bibtex"],
        "--check makes no BibTeX",
    );
    check(&["cite", "x", "-o", "csv"], "bibtex");
    let daemon = Daemon::start();
    for (filter, says) in [
        (
            "contry.=.IRN",
            "the filter of the citation id cannot be read: column 1",
        ),
        ("country.=.Iran", "expected its canonical form `country = IRN`"),
    ] {
        let ended = again(&daemon, &id.replace("country.=.IRN", filter));
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.err.contains(says), "{}", ended.err);
    }
    let beyond = daemon.refused(&["cite", IRAN, "--as-of", "9"]);
    assert!(beyond.contains('9'), "{beyond}");
}

#[test]
fn a_filter_that_tex_would_trip_over_is_cited_and_found_again() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"50%_{a}\\b&c","kind":"event","title":"x"}"#);
    let filter = r#"key = "50%_{a}\\b&c" AND revision >= 1"#;
    let cited = json(&daemon.ok(&["cite", filter, "--title", "50% of {all} & #1", "-o", "json"]));
    let (id, bibtex) = (
        cited["citation"].as_str().unwrap(),
        cited["bibtex"].as_str().unwrap(),
    );
    assert_eq!(cited["count"], 1);
    assert!(
        bibtex.contains(r"title = {{50\% of \textbraceleft{}all\textbraceright{} \& \#1}}"),
        "{bibtex}"
    );
    assert!(
        bibtex.contains(r"50\%\_\textbraceleft{}a\textbraceright{}"),
        "{bibtex}"
    );
    assert!(
        bibtex.contains(r"\textbackslash{}b\&c") && bibtex.contains(r"\textgreater{}="),
        "{bibtex}"
    );
    assert!(bibtex.contains(id), "the id needs no escapes: {bibtex}");
    assert_eq!(lines(&again(&daemon, id).out)[0]["key"], r"50%_{a}\b&c");
    // A shell leaves it as it is.
    let typed = std::process::Command::new("sh")
        .args(["-c", &format!("printf %s {id}")])
        .output();
    assert_eq!(String::from_utf8(typed.unwrap().stdout).unwrap(), id);
}

#[test]
fn a_citation_by_other_tables_says_that_other_entries_may_match() {
    let daemon = Daemon::start();
    daemon.append(r#"{"series":"desk","key":"a","kind":"event","title":"Talks"}"#);
    let cited = json(&daemon.ok(&["cite", "kind = event", "-o", "json"]));
    let id = cited["citation"]
        .as_str()
        .unwrap()
        .replacen(":2026-1/3:", ":2019-7/4:", 1);
    let ended = run(&mut daemon.ask(&["search", "--cite", &id, "-o", "csv", "--fields", "key"]));
    assert_eq!((ended.code, ended.out.as_str()), (0, "key\na\n"));
    assert!(
        ended.err.contains("as many come\n") && !ended.err.contains("all of them"),
        "{}",
        ended.err
    );
    assert!(
        ended
            .err
            .contains("cited by tables 2019-7, rules 4 and is answered by"),
        "{}",
        ended.err
    );
    let checked = json(&daemon.ok(&["cite", "--check", &id, "-o", "json"]));
    assert_eq!(checked["tables"]["cited"], "2019-7");
    assert_eq!(
        (&checked["rules"]["cited"], &checked["rules"]["now"]),
        (&4.into(), &3.into())
    );
    // An id of before there were versions of rules.
    let old = id.replacen("2019-7/4", "2026-1", 1);
    let ended = run(&mut daemon.ask(&["search", "--cite", &old, "-o", "csv", "--fields", "key"]));
    assert_eq!((ended.code, ended.out.as_str()), (0, "key\na\n"));
    assert!(ended.err.contains("rules unknown"), "{}", ended.err);
}

//! authority, import --format authority, edit authority/KEY, and what answers say of the names that they used.

use crate::harness::{Daemon, json, lines, run};

const RECORDS: &str = r#"
{"series":"desk","key":"one","kind":"event","title":"One","occurred":"2021-10-13","participants":["Imran Khan","NATO"]}
{"series":"desk","key":"two","kind":"event","title":"Two","occurred":"2021-10-14","participants":["عمران خان","НАТО"]}
{"series":"desk","key":"three","kind":"event","title":"Three","occurred":"2021-10-15","participants":["Имран Хан"]}
"#;

const TABLE: &str = "key,name,names,identifiers,offices\n\
    imran-khan,Imran Khan,عمران خان@ur|Имран Хан@ru,wikidata:Q155164,Prime Minister@PAK[2018-08-18/2022-04-10]\n";

fn filled() -> Daemon {
    let daemon = Daemon::start();
    daemon.append(RECORDS);
    daemon
}

fn imported() -> Daemon {
    let daemon = filled();
    let table = daemon.file("actors.csv", TABLE);
    let told = json(&daemon.ok(&["import", "--format", "authority", &table, "-o", "json"]));
    assert_eq!((&told["read"], &told["recorded"]), (&1.into(), &1.into()));
    daemon
}

#[test]
fn a_table_of_actors_is_imported_once_and_amended_where_it_changed() {
    let daemon = imported();
    let table = daemon.file("actors.csv", TABLE);
    let again = json(&daemon.ok(&["import", &table, "-o", "json"]));
    assert_eq!((&again["duplicates"], &again["recorded"]), (&1.into(), &0.into()));
    let changed = daemon.file(
        "actors.csv",
        &TABLE.replace("Имран Хан@ru", "Имран Хан@ru|Kaptaan"),
    );
    let amended = json(&daemon.ok(&["import", &changed, "-o", "json"]));
    assert_eq!(amended["amended"], 1);
    let found = json(&daemon.ok(&["get", "authority/imran-khan", "-o", "json"]));
    assert_eq!(
        (&found["kind"], &found["title"]),
        (&"authority".into(), &"Imran Khan".into())
    );
    assert_eq!(found["names"][3]["name"], "Kaptaan");
    assert_eq!(found["offices"][0]["office"], "Prime Minister");
    assert_eq!(found["offices"][0]["country"]["code"], "PAK");
    assert_eq!(found["offices"][0]["to"], "2022-04-10");
    let shown = daemon.ok(&["get", "authority/imran-khan"]);
    for part in [
        "عمران خان (ur)",
        "wikidata:Q155164",
        "Prime Minister (PAK, 2018-08-18 to 2022-04-10)",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn answers_say_which_names_were_used() {
    let daemon = imported();
    let note = "actor \"Imran Khan\" also by 2 other names of authority/imran-khan";
    let mut asked = daemon.ask(&["count", "actor = \"imran khan\""]);
    let ended = run(&mut asked);
    assert_eq!(ended.out.trim(), "3");
    assert!(ended.err.contains(note), "{}", ended.err);
    let explained = json(&daemon.ok(&["explain", "actor = \"imran khan\"", "-o", "json"]));
    let notes: Vec<&str> = explained["notes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|note| note.as_str())
        .collect();
    assert!(notes.contains(&note), "{notes:?}");
    assert_eq!(explained["canonical"], "actor = \"imran khan\"");
    assert_eq!(daemon.ok(&["count", "actor = \"=Imran Khan\""]).trim(), "1");
    assert_eq!(
        daemon
            .ok(&["count", "actor = \"imran khan\"", "--as-of", "3"])
            .trim(),
        "1"
    );
    assert_eq!(
        daemon
            .ok(&["count", "actor = \"North Atlantic Treaty Organization\""])
            .trim(),
        "2"
    );
    daemon.ok(&["retract", "authority/imran-khan", "--reason", "error"]);
    assert_eq!(daemon.ok(&["count", "actor = \"imran khan\""]).trim(), "1");
}

#[test]
fn a_citation_finds_what_was_known_of_the_actor_then() {
    let daemon = filled();
    let cite = |daemon: &Daemon| {
        let cited = json(&daemon.ok(&["cite", "-o", "json", "actor = \"Imran Khan\""]));
        cited["citation"].as_str().unwrap().to_owned()
    };
    let before = cite(&daemon);
    let table = daemon.file("actors.csv", TABLE);
    daemon.ok(&["import", &table]);
    let after = cite(&daemon);
    daemon.ok(&["retract", "authority/imran-khan", "--reason", "error"]);
    // With the entry of the actor, which has the name too.
    for (id, entries) in [(before, 1), (after, 4)] {
        let again = run(&mut daemon.ask(&["search", "-o", "json", "--cite", &id]));
        assert_eq!((again.code, lines(&again.out).len()), (0, entries), "{again:?}");
    }
}

#[test]
fn whom_a_name_means_is_shown_with_where_it_comes_from() {
    let daemon = imported();
    let out = daemon.ok(&["authority", "Имран", "Хан"]);
    for part in [
        "authority/imran-khan",
        "عمران خان",
        "wikidata:Q155164",
        "Prime Minister",
        "2018-08-18 to 2022-04-10",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let burma = &lines(&daemon.ok(&["authority", "Burma", "-o", "json"]))[0];
    assert_eq!(burma["shipped"], "iso3:MMR");
    let own = burma["names"]
        .as_array()
        .unwrap()
        .iter()
        .find(|name| name["name"] == "Burma")
        .unwrap();
    assert_eq!(own["to"], "1989-06-18");
    assert_eq!(run(&mut daemon.ask(&["authority", " "])).code, 2);
    let nobody = run(&mut daemon.ask(&["authority", "Nobody at all"]));
    assert_eq!((nobody.code, nobody.out.as_str()), (0, ""));
    assert!(
        nobody.err.contains("nobody is known by the name `Nobody at all`"),
        "{}",
        nobody.err
    );
    daemon.append(
        r#"{"series":"authority","key":"the-actor","kind":"authority","title":"Imran Khan","identifiers":[{"scheme":"wikidata","code":"Q1354107"}]}"#,
    );
    let two = lines(&daemon.ok(&["authority", "Imran Khan", "-o", "json"]));
    let actors: Vec<_> = two.iter().map(|one| one["actor"].as_u64().unwrap()).collect();
    assert_eq!(actors, [0, 1]);
    let ended = run(&mut daemon.ask(&["search", "actor = \"Imran Khan\"", "kind = event"]));
    assert!(ended.err.contains("is claimed by authority/"), "{}", ended.err);
}

#[test]
fn an_authority_that_is_not_there_begins_as_a_form() {
    let daemon = filled();
    let editor = daemon.file(
        "editor.sh",
        "#!/bin/sh\nsed -i -e 's/\"title\": \"\"/\"title\": \"Imran Khan\"/' -e '0,/\"name\": \"\"/s//\"name\": \"Имран Хан\"/' \"$1\"\n",
    );
    let edit = |args: &[&str]| {
        let mut command = daemon.ask(args);
        run(command
            .env("EDITOR", format!("sh {editor}"))
            .env("TMPDIR", daemon.folder()))
    };
    let ended = edit(&["edit", "authority/imran-khan", "-o", "json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(json(&ended.out)["outcome"], "recorded");
    let found = json(&daemon.ok(&["get", "authority/imran-khan", "-o", "json"]));
    assert_eq!(
        (&found["kind"], &found["revision"]),
        (&"authority".into(), &1.into())
    );
    assert!(
        found.get("offices").is_none() && found.get("identifiers").is_none(),
        "{found}"
    );
    assert_eq!(daemon.ok(&["count", "actor = \"Imran Khan\""]).trim(), "2");

    let unknown = edit(&["edit", "desk/never"]);
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.err.contains("`desk/never` is not in the archive"),
        "{}",
        unknown.err
    );
    let begun = edit(&["edit", "desk/never", "--kind", "event"]);
    assert_eq!(begun.code, 0, "{begun:?}");
    let found = json(&daemon.ok(&["get", "desk/never", "-o", "json"]));
    assert_eq!(
        (&found["kind"], &found["title"]),
        (&"event".into(), &"Imran Khan".into())
    );
}
